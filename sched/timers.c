/* The heap. Invariant: heap[i].at <= at of its children, and heap[i].cell->timer == i + 1. */
#include "timers.h"

#include <errno.h>
#include <string.h>

#include "mem.h"

void timers_fini(struct timers *timers)
{
    mem_free(timers->heap);
    *timers = (struct timers){0};
}

static void place(struct timers *timers, uint32_t at, struct timer timer)
{
    timers->heap[at] = timer;
    timer.cell->timer = at + 1;
}

static void sift_up(struct timers *timers, uint32_t at, struct timer timer)
{
    while (at > 0 && timers->heap[(at - 1) / 4].at > timer.at) {
        place(timers, at, timers->heap[(at - 1) / 4]);
        at = (at - 1) / 4;
    }
    place(timers, at, timer);
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
        place(timers, at, timers->heap[least]);
        at = least;
    }
    place(timers, at, timer);
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
        return 0; /* later than the place it has: looked at when that comes */
    }
    cell->armed = cell->deadline;
    struct timer timer = {.at = cell->deadline, .cell = cell};
    if (cell->timer != 0) {
        LEAT_ASSERT(timers->heap[cell->timer - 1].cell == cell);
        sift_up(timers, cell->timer - 1, timer);
        return 0;
    }
    if (timers->len == timers->cap && grow(timers) < 0) {
        cell->armed = LEAT_NEVER;
        cell->deadline = LEAT_NEVER;
        return -ENOMEM;
    }
    sift_up(timers, timers->len++, timer);
    return 0;
}

void timers_remove(struct timers *timers, struct cell *cell)
{
    if (cell->timer == 0) {
        return;
    }
    uint32_t at = cell->timer - 1;
    LEAT_ASSERT(at < timers->len && timers->heap[at].cell == cell);
    cell->timer = 0;
    cell->armed = LEAT_NEVER;
    struct timer last = timers->heap[--timers->len];
    if (last.cell == cell) {
        return;
    }
    if (at > 0 && timers->heap[(at - 1) / 4].at > last.at) {
        sift_up(timers, at, last);
    } else {
        sift_down(timers, at, last);
    }
}

struct cell *timers_due(struct timers *timers, leat_time now)
{
    while (timers->len > 0 && timers->heap[0].at <= now) {
        struct cell *cell = timers->heap[0].cell;
        if (cell->deadline <= now) {
            timers_remove(timers, cell);
            cell->deadline = LEAT_NEVER; /* whatever deadline() says next is news */
            return cell;
        }
        if (cell->deadline == LEAT_NEVER) {
            timers_remove(timers, cell);
            continue;
        }
        cell->armed = cell->deadline;
        sift_down(timers, 0, (struct timer){.at = cell->deadline, .cell = cell});
    }
    return NULL;
}
