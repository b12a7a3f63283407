/* Times at which a backend has to look after something: a binary heap, the earliest first. An alarm
 * is part of what it is for, and knows its place, so that it can be moved and taken out. One
 * thread. */
#ifndef LEAT_IO_ALARMS_H
#define LEAT_IO_ALARMS_H

#include <leat/types.h>

struct alarm {
    leat_time at;
    uint32_t  place; /* in the heap, and one more; 0: not set */
};

/* Zeroed memory is an empty one. */
struct alarms {
    struct alarm **heap;
    uint32_t       len;
    uint32_t       cap;
};

void alarms_fini(struct alarms *alarms);

/* Sets it, or moves it. -ENOMEM: it is as it was. */
int alarms_set(struct alarms *alarms, struct alarm *alarm, leat_time at);

/* Takes it out, if it is set. */
void alarms_clear(struct alarms *alarms, struct alarm *alarm);

/* The earliest of those due by `now`, taken out; NULL: none is. */
struct alarm *alarms_due(struct alarms *alarms, leat_time now);

/* When the next one is due; LEAT_NEVER: none is set. */
static inline leat_time alarms_next(const struct alarms *alarms)
{
    return alarms->len > 0 ? alarms->heap[0]->at : LEAT_NEVER;
}

#endif
