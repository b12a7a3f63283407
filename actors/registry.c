/* Chunks of cells and their free lists. Invariant: a cell is alive, in limbo, in one host's free
 * list, or in the shared one. Chunks are never unmapped while the runtime lives, so a stale ref can
 * be looked at by any thread at any time. */
#include "registry.h"

#include <errno.h>

#include "mem.h"

int registry_init(struct registry *registry, uint32_t actors_max)
{
    uint32_t chunks_max = (actors_max + CHUNK_LEN - 1) / CHUNK_LEN + POOLS_MAX / CHUNK_LEN + 1;
    *registry = (struct registry){.chunks_max = chunks_max};
    registry->chunks = mem_zalloc(chunks_max * sizeof(*registry->chunks), 64);
    return registry->chunks != NULL ? 0 : -ENOMEM;
}

void registry_fini(struct registry *registry)
{
    for (uint32_t i = 0; i < registry->chunks_len; i++) {
        mem_pages_free(registry->chunks[i], CHUNK_LEN * sizeof(struct cell));
    }
    mem_free(registry->chunks);
    registry->chunks = NULL;
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

/* A chunk of fresh cells into `list`; the lock is held. */
static int chunk_add(struct registry *registry, struct cell_list *list)
{
    uint32_t index = registry->chunks_len;
    if (index == registry->chunks_max) {
        return -ENOSPC;
    }
    struct cell *chunk = mem_pages_alloc(CHUNK_LEN * sizeof(*chunk));
    if (chunk == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = CHUNK_LEN; i-- > 0;) {
        chunk[i].slot = index << CHUNK_BITS | i;
        chunk[i].identity = identity(1, 0); /* no ref is all zero: that is LEAT_REF_NONE */
        list_put(list, &chunk[i]);
    }
    store_release_ptr(&registry->chunks[index], chunk);
    store_release_u32(&registry->chunks_len, index + 1);
    return 0;
}

struct cell *registry_take(struct registry *registry, struct cell_list *list, int *ret_status)
{
    struct cell *cell = list_take(list);
    if (LEAT_LIKELY(cell != NULL)) {
        return cell;
    }
    lock(registry);
    for (uint32_t i = 0; i < CELLS_BATCH && registry->free != NULL; i++) {
        cell = registry->free;
        registry->free = cell->run_next;
        list_put(list, cell);
    }
    int status = list->head != NULL ? 0 : chunk_add(registry, list);
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
        cell->run_next = registry->free;
        registry->free = cell;
    }
    unlock(registry);
}

void registry_give(struct registry *registry, struct cell_list *list, struct cell *cell)
{
    LEAT_ASSERT(door_is_quiet(&cell->door));
    cell->life = CELL_FREE;
    if (cell_generation(cell) == UINT32_MAX) {
        return; /* used up: a slot's generations never repeat, so it is retired */
    }
    list_put(list, cell);
    if (list->len > 8 * CHUNK_LEN) { /* keep plenty for oneself, but do not hoard */
        share(registry, list, CELLS_BATCH);
    }
}

void registry_give_all(struct registry *registry, struct cell_list *list)
{
    share(registry, list, list->len);
}

bool registry_has_actors(const struct registry *registry)
{
    uint64_t ended = 0;
    uint64_t spawned = 0;
    for (uint32_t i = 0; i < POOLS_MAX; i++) {
        ended += load_acquire_u64(&registry->totals[i].ended);
    }
    for (uint32_t i = 0; i < POOLS_MAX; i++) {
        spawned += load_acquire_u64(&registry->totals[i].spawned);
    }
    return spawned != ended;
}
