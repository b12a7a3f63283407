/* Deadlines of one worker's actors: a 4-ary heap of (time, ref), so idle actors without a deadline cost
 * nothing and a pending one 16 bytes. The heap never touches the cells it sorts: an entry that is no
 * longer meant (the actor has another deadline by now, or has ended) is passed over when its time
 * comes, and swept when there are many. Re-arming to a later time is lazy: the entry stays, and is
 * put back when its old time comes. Nothing fires early. */
#ifndef LEAT_TIMERS_H
#define LEAT_TIMERS_H

#include "registry.h"

struct timer {
    leat_time at;
    leat_ref  actor;
};

struct timers {
    const struct registry *registry;
    struct timer          *heap; /* [0] is the earliest */
    uint32_t               len;
    uint32_t               cap;
    uint32_t               armed_len; /* actors with a deadline */
};

void timers_fini(struct timers *timers);

/* cell->deadline has changed. -ENOMEM: it could not be armed and is LEAT_NEVER now. */
int timers_rearm(struct timers *timers, struct cell *cell);

/* The cell wants none any more. */
void timers_remove(struct timers *timers, struct cell *cell);

/* The next cell whose deadline is not after `now`, disarmed; NULL: none. */
struct cell *timers_due(struct timers *timers, leat_time now);

/* When to look again: not after the earliest deadline; LEAT_NEVER: none. */
static inline leat_time timers_next(const struct timers *timers)
{
    return timers->len > 0 ? timers->heap[0].at : LEAT_NEVER;
}

#endif
