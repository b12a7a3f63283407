/* The load of the bus: publishers and subscribers, of which more than one of each may be on a channel. */
#ifndef SCHED_DEMO_BUS_LOAD_H
#define SCHED_DEMO_BUS_LOAD_H

#include <leat/leat.h>

struct publisher_config {
    leat_channel channel;
    uint64_t rate;   /* messages per second; RATE changes it */
    uint32_t period; /* ms between bursts, at least 1 */
    uint32_t zero;
};

struct subscriber_config {
    leat_channel channel;
    leat_time linger_ns; /* listens so long after SHUTDOWN */
};

/* A deaf one has a mailbox of 16, so that it misses what comes in bursts. */
extern const struct leat_behavior publisher_behavior, subscriber_behavior, deaf_behavior;

#endif
