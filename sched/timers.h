/* Deadlines of one worker's actors: a 4-ary heap, so idle actors without a deadline cost nothing and
 * one pending costs a place in an array. Re-arming to a later time is lazy: the place stays, and is
 * moved when its old time comes. Nothing fires early. */
#ifndef LEAT_TIMERS_H
#define LEAT_TIMERS_H

#include "cell.h"

struct timer {
    leat_time    at;
    struct cell *cell;
};

struct timers {
    struct timer *heap; /* [0] is the earliest; a cell's `timer` is its index + 1 */
    uint32_t      len;
    uint32_t      cap;
};

void timers_fini(struct timers *timers);

/* cell->deadline has changed. -ENOMEM: it could not be armed and is LEAT_NEVER now. */
int timers_rearm(struct timers *timers, struct cell *cell);

void timers_remove(struct timers *timers, struct cell *cell);

/* The next cell whose deadline is not after `now`, disarmed; NULL: none. */
struct cell *timers_due(struct timers *timers, leat_time now);

/* When to look again: not after the earliest deadline; LEAT_NEVER: none. */
static inline leat_time timers_next(const struct timers *timers)
{
    return timers->len > 0 ? timers->heap[0].at : LEAT_NEVER;
}

#endif
