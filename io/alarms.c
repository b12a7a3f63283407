/* A binary heap of pointers. Invariant: heap[alarm->place - 1] == alarm for each that is set. */
#include "alarms.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "mem.h"

static void put(struct alarms *alarms, uint32_t at, struct alarm *alarm)
{
    alarms->heap[at] = alarm;
    alarm->place = at + 1;
}

static void up(struct alarms *alarms, uint32_t at, struct alarm *alarm)
{
    for (; at > 0 && alarm->at < alarms->heap[(at - 1) / 2]->at; at = (at - 1) / 2) {
        put(alarms, at, alarms->heap[(at - 1) / 2]);
    }
    put(alarms, at, alarm);
}

static void down(struct alarms *alarms, uint32_t at, struct alarm *alarm)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= alarms->len) {
            break;
        }
        child += child + 1 < alarms->len && alarms->heap[child + 1]->at < alarms->heap[child]->at;
        if (alarms->heap[child]->at >= alarm->at) {
            break;
        }
        put(alarms, at, alarms->heap[child]);
        at = child;
    }
    put(alarms, at, alarm);
}

void alarms_fini(struct alarms *alarms)
{
    mem_free(alarms->heap);
    *alarms = (struct alarms){0};
}

static int grow(struct alarms *alarms)
{
    uint32_t cap = alarms->cap == 0 ? 16 : alarms->cap * 2;
    struct alarm **heap = mem_alloc(cap * sizeof(struct alarm *), 8);
    if (heap == NULL) {
        return -ENOMEM;
    }
    if (alarms->len > 0) {
        memcpy(heap, alarms->heap, alarms->len * sizeof(struct alarm *));
    }
    mem_free(alarms->heap);
    alarms->heap = heap;
    alarms->cap = cap;
    return 0;
}

int alarms_set(struct alarms *alarms, struct alarm *alarm, leat_time at)
{
    if (alarm->place == 0 && alarms->len == alarms->cap && grow(alarms) < 0) {
        return -ENOMEM;
    }
    alarms_clear(alarms, alarm);
    alarm->at = at;
    up(alarms, alarms->len++, alarm);
    return 0;
}

void alarms_clear(struct alarms *alarms, struct alarm *alarm)
{
    if (alarm->place == 0) {
        return;
    }
    uint32_t at = alarm->place - 1;
    LEAT_ASSERT(at < alarms->len && alarms->heap[at] == alarm);
    alarm->place = 0;
    struct alarm *last = alarms->heap[--alarms->len];
    if (last == alarm) {
        return;
    }
    if (at > 0 && last->at < alarms->heap[(at - 1) / 2]->at) {
        up(alarms, at, last);
    } else {
        down(alarms, at, last);
    }
}

struct alarm *alarms_due(struct alarms *alarms, leat_time now)
{
    if (alarms->len == 0 || alarms->heap[0]->at > now) {
        return NULL;
    }
    struct alarm *alarm = alarms->heap[0];
    alarms_clear(alarms, alarm);
    return alarm;
}
