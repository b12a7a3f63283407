/* The heap. Invariant: heap[i].at <= at of its children. An entry is meant if its actor lives and is
 * armed for that very time; there are armed_len cells armed, so at least as many entries. */
#include "timers.h"

#include <errno.h>
#include <string.h>

#include "mem.h"

#define STALE_SPARED 64u /* entries not worth a sweep */

void timers_fini(struct timers *timers)
{
    mem_free(timers->heap);
    *timers = (struct timers){0};
}

static void sift_up(struct timers *timers, uint32_t at, struct timer timer)
{
    while (at > 0 && timers->heap[(at - 1) / 4].at > timer.at) {
        timers->heap[at] = timers->heap[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    timers->heap[at] = timer;
}

static void sift_down(struct timers *timers, uint32_t at, struct timer timer)
{
    for (;;) {
        uint32_t first = at * 4 + 1;
        if (first >= timers->len) {
            break;
        }
        uint32_t last = first + 4 < timers->len ? first + 4 : timers->len;
        uint32_t least = first;
        for (uint32_t i = first + 1; i < last; i++) {
            if (timers->heap[i].at < timers->heap[least].at) {
                least = i;
            }
        }
        if (timers->heap[least].at >= timer.at) {
            break;
        }
        timers->heap[at] = timers->heap[least];
        at = least;
    }
    timers->heap[at] = timer;
}

/* The cell an entry is meant for; NULL: it is stale. */
static struct cell *meant_for(const struct timers *timers, const struct timer *timer)
{
    struct cell *cell = registry_cell(timers->registry, timer->actor);
    LEAT_ASSERT(cell != NULL);
    bool is_meant =
        cell_generation(cell) == ref_generation(timer->actor) && cell->armed == timer->at;
    return is_meant ? cell : NULL;
}

/* Drops stale entries and puts the rest in order. Of several for the same time of one actor one is
 * kept: it is disarmed until all have been looked at. */
static void sweep(struct timers *timers)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < timers->len; i++) {
        struct cell *cell = meant_for(timers, &timers->heap[i]);
        if (cell != NULL) {
            cell->armed = LEAT_NEVER;
            timers->heap[kept++] = timers->heap[i];
        }
    }
    LEAT_ASSERT(kept == timers->armed_len);
    for (uint32_t i = 0; i < kept; i++) {
        registry_cell(timers->registry, timers->heap[i].actor)->armed = timers->heap[i].at;
    }
    timers->len = kept;
    for (uint32_t i = kept / 4 + 1; i-- > 0;) {
        if (i < kept) {
            sift_down(timers, i, timers->heap[i]);
        }
    }
}

static int grow(struct timers *timers)
{
    uint32_t cap = timers->cap == 0 ? 64 : timers->cap * 2;
    struct timer *heap = mem_alloc(cap * sizeof(*heap), 64);
    if (heap == NULL) {
        return -ENOMEM;
    }
    if (timers->len > 0) {
        memcpy(heap, timers->heap, timers->len * sizeof(*heap));
    }
    mem_free(timers->heap);
    timers->heap = heap;
    timers->cap = cap;
    return 0;
}

int timers_rearm(struct timers *timers, struct cell *cell)
{
    if (cell->deadline >= cell->armed) {
        return 0; /* later than its entry: looked at when that comes */
    }
    if (timers->len >= 2 * timers->armed_len + STALE_SPARED) {
        sweep(timers);
    }
    if (timers->len == timers->cap && grow(timers) < 0) {
        cell->deadline = LEAT_NEVER;
        return -ENOMEM;
    }
    timers->armed_len += cell->armed == LEAT_NEVER;
    cell->armed = cell->deadline;
    sift_up(timers, timers->len++, (struct timer){.at = cell->deadline, .actor = cell_ref(cell)});
    return 0;
}

void timers_remove(struct timers *timers, struct cell *cell)
{
    if (cell->armed != LEAT_NEVER) {
        LEAT_ASSERT(timers->armed_len > 0);
        timers->armed_len--;
        cell->armed = LEAT_NEVER;
    }
}

static struct timer take_first(struct timers *timers)
{
    struct timer first = timers->heap[0];
    struct timer last = timers->heap[--timers->len];
    if (timers->len > 0) {
        sift_down(timers, 0, last);
        const struct cell *next = registry_cell(timers->registry, timers->heap[0].actor);
        __builtin_prefetch(next); /* likely due as well, and cold */
        __builtin_prefetch(&next->door);
    }
    return first;
}

struct cell *timers_due(struct timers *timers, leat_time now)
{
    while (timers->len > 0 && timers->heap[0].at <= now) {
        struct timer timer = take_first(timers);
        struct cell *cell = meant_for(timers, &timer);
        if (cell == NULL) {
            continue;
        }
        timers_remove(timers, cell);
        if (cell->deadline <= now) {
            cell->deadline = LEAT_NEVER; /* whatever deadline() says next is news */
            return cell;
        }
        int status = timers_rearm(timers, cell); /* LEAT_NEVER: it stays disarmed */
        LEAT_ASSERT(status == 0); /* there is the place just given up */
    }
    return NULL;
}
