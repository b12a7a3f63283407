/* A group: members that hear one channel, each with a deadline of its own, and the usher who fills it. */
#ifndef SCHED_DEMO_GROUP_LOAD_H
#define SCHED_DEMO_GROUP_LOAD_H

#include <leat/leat.h>

struct usher_config {
    leat_ref group;
    leat_channel channel; /* that the group is to hear */
    uint32_t members;
    uint32_t zero;
};

/* The behaviour of the members, and that of who asks for them and then ends. */
extern const struct leat_behavior member_behavior, usher_behavior;

#endif
