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
    leat_ref flood;      /* a flooder: sends this one FLOOD messages for each that it hears */
};

#define FLOOD 256u

/* A flooder has a mailbox of 16, and is so busy that it misses what comes in bursts. */
extern const struct leat_behavior publisher_behavior, subscriber_behavior, flooder_behavior;

#endif
