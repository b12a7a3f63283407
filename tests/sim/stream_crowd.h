/* The actors of the simulated streams. What each does is drawn from a seed of its own. */
#ifndef LEAT_TESTS_SIM_STREAM_CROWD_H
#define LEAT_TESTS_SIM_STREAM_CROWD_H

#include "crowd.h"
#include "stream_ledger.h"

#define STREAM_KINDS 4u

/* They differ in the size of their mailbox. */
extern const struct leat_behavior stream_crowd[STREAM_KINDS];

/* What an actor is born with: struct seat, its first SEAT_SHORT bytes. */

#define STREAM_WIND 7u /* a message's type: resume all, finish all, and begin nothing any more */

/* How a run is: which of the many things to do are done how often, of 100 outputs. */
struct stream_taste {
    uint32_t write, connect, listen, pause, resume, finish, close, give, send, spawn;
    uint32_t ends;  /* of 1000 */
    uint32_t large; /* of 100 writes */
    uint32_t takes; /* of 100 accepted connections: somebody is to read it */
};

extern struct stream_taste stream_taste;

/* Somebody whose ref is known, alive or not; 0: nobody. */
uint32_t stream_somebody(struct draw *draw);

#endif
