/* The range of cells and their free lists. Invariant: a cell below cells_len is alive, in limbo, in one
 * host's free list, in the shared one, or retired. One above has never been touched: all its bytes
 * are 0, its identity is nobody's. */
#include "registry.h"

#include <errno.h>

#include "mem.h"

int registry_init(struct registry *registry, uint32_t actors_max)
{
    uint32_t kept = actors_max / 16 < CELLS_KEPT ? actors_max / 16 + 1 : CELLS_KEPT;
    uint64_t cells_max = (uint64_t)actors_max + (uint64_t)POOLS_MAX * (kept + 2);
    *registry = (struct registry){
        .cells_max = cells_max < MEMBER_BIT ? (uint32_t)cells_max : MEMBER_BIT,
        .actors_max = actors_max,
        .kept = kept,
        .batch = kept < CELLS_BATCH ? kept : CELLS_BATCH,
    };
    registry->cells = mem_range_reserve(registry->cells_max * sizeof(struct cell));
    registry->groups = mem_range_reserve((GROUPS_MAX + 1) * sizeof(struct group_slot));
    return registry->cells != NULL && registry->groups != NULL ? 0 : -ENOMEM;
}

void registry_fini(struct registry *registry)
{
    if (registry->cells != NULL) {
        mem_pages_free(registry->cells, registry->cells_max * sizeof(struct cell));
        registry->cells = NULL;
    }
    if (registry->groups != NULL) {
        mem_pages_free(registry->groups, (GROUPS_MAX + 1) * sizeof(struct group_slot));
        registry->groups = NULL;
    }
}

static void lock(struct registry *registry)
{
    while (exchange_seq_u32(&registry->locked, 1) != 0) {
        cpu_pause();
    }
}

static void unlock(struct registry *registry)
{
    store_release_u32(&registry->locked, 0);
}

static void list_put(struct cell_list *list, struct cell *cell)
{
    cell->run_next = list->head;
    list->head = cell;
    list->len++;
}

static struct cell *list_take(struct cell_list *list)
{
    struct cell *cell = list->head;
    if (cell != NULL) {
        list->head = cell->run_next;
        list->len--;
    }
    return cell;
}

/* Cells that were never used into `list`; the lock is held. */
static int fresh_add(struct registry *registry, struct cell_list *list)
{
    uint32_t first = registry->cells_len;
    uint32_t left = registry->cells_max - first;
    uint32_t n = left < registry->batch ? left : registry->batch;
    if (n == 0) {
        return -ENOSPC;
    }
    for (uint32_t slot = first + n; slot-- > first;) {
        store_relaxed_u64(&registry->cells[slot].identity, identity(1, slot));
        store_release_u32(&registry->cells[slot].owner, OWNER_NONE);
        list_put(list, &registry->cells[slot]);
    }
    store_release_u32(&registry->cells_len, first + n);
    return 0;
}

struct cell *registry_take(struct registry *registry, struct cell_list *list, int *ret_status)
{
    struct cell *cell = list_take(list);
    if (LEAT_LIKELY(cell != NULL)) {
        return cell;
    }
    lock(registry);
    for (uint32_t i = 0; i < registry->batch && registry->free != NULL; i++) {
        cell = registry->free;
        registry->free = cell->run_next;
        list_put(list, cell);
    }
    int status = list->head != NULL ? 0 : fresh_add(registry, list);
    unlock(registry);
    if (status < 0) {
        *ret_status = status;
        return NULL;
    }
    return list_take(list);
}

static void share(struct registry *registry, struct cell_list *list, uint32_t n)
{
    lock(registry);
    while (n-- > 0) {
        struct cell *cell = list_take(list);
        /* nobody's from here on: the host that had it must not take it for its own in a walk */
        store_release_u32(&cell->owner, OWNER_NONE);
        cell->run_next = registry->free;
        registry->free = cell;
    }
    unlock(registry);
}

void registry_give(struct registry *registry, struct cell_list *list, struct cell *cell)
{
    cell->life = CELL_FREE; /* a sender with a stale ref may be inside again, for a look at it */
    if (cell_generation(cell) == UINT32_MAX) {
        return; /* used up: a slot's generations never repeat, so it is retired */
    }
    if (list->len > registry->kept) { /* keep plenty for oneself, but do not hoard */
        share(registry, list, registry->batch);
    }
    list_put(list, cell); /* not shared itself: the turn it has ended in still looks at it */
}

void registry_give_all(struct registry *registry, struct cell_list *list)
{
    share(registry, list, list->len);
}

/* ---- groups ---- */

uint32_t registry_group_take(struct registry *registry, uint32_t *ret_generation)
{
    lock(registry);
    uint32_t slot = GROUPS_MAX;
    if (registry->groups_free != 0) {
        slot = registry->groups_free - 1;
        registry->groups_free = registry->groups[slot].next;
    } else if (registry->groups_len < GROUPS_MAX) {
        slot = registry->groups_len++;
        registry->groups[slot].generation = 1;
    }
    unlock(registry);
    if (slot < GROUPS_MAX) {
        *ret_generation = registry->groups[slot].generation;
    }
    return slot;
}

void registry_group_set(struct registry *registry, uint32_t slot, leat_ref group)
{
    LEAT_ASSERT(slot < GROUPS_MAX);
    LEAT_ASSERT(load_relaxed_u64(&registry->groups[slot].group) == 0);
    store_release_u64(&registry->groups[slot].group, group.id);
}

void registry_group_give(struct registry *registry, uint32_t slot, uint32_t generation)
{
    LEAT_ASSERT(slot < GROUPS_MAX);
    LEAT_ASSERT(generation >= registry->groups[slot].generation);
    store_release_u64(&registry->groups[slot].group, 0);
    if (generation > MEMBER_GENERATION_MAX) {
        return; /* used up: retired, as a cell's slot is */
    }
    lock(registry);
    registry->groups[slot].generation = generation;
    registry->groups[slot].next = registry->groups_free;
    registry->groups_free = slot + 1;
    unlock(registry);
}

uint64_t registry_actors(const struct registry *registry)
{
    uint64_t ended = 0;
    uint64_t spawned = 0;
    for (uint32_t i = 0; i < POOLS_MAX; i++) {
        ended += load_acquire_u64(&registry->totals[i].ended);
    }
    for (uint32_t i = 0; i < POOLS_MAX; i++) {
        spawned += load_acquire_u64(&registry->totals[i].spawned);
    }
    return spawned - ended;
}
