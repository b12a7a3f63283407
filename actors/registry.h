/* Slot → cell, for every thread, without a lock: a directory of chunks that are added and never
 * taken away. Free slots are kept by the host that freed them; a surplus goes to a shared list,
 * which is locked and off the message path. */
#ifndef LEAT_REGISTRY_H
#define LEAT_REGISTRY_H

#include "cell.h"
#include "pool.h"

#define CHUNK_BITS 10u
#define CHUNK_LEN (1u << CHUNK_BITS)
#define CELLS_BATCH 256u /* moved between a host and the shared list at once */

struct host;

/* Actors one host has spawned and ended, ever: outlives the host. Read all `ended`, then all
 * `spawned`: if the sums are equal, no actor was left in between. */
struct life_totals {
    uint64_t spawned __attribute__((aligned(64)));
    uint64_t ended;
};

struct registry {
    struct cell **chunks; /* chunks_max of them, NULL from chunks_len on */
    uint32_t      chunks_max;
    uint32_t      chunks_len;
    uint32_t      locked;
    struct cell  *free; /* shared free cells, under the lock */
    struct host  *hosts[POOLS_MAX]; /* by index; NULL: none */
    struct life_totals totals[POOLS_MAX];
};

/* Free cells of one host. */
struct cell_list {
    struct cell *head;
    uint32_t     len;
};

/* -ENOMEM. `actors_max` is rounded up to whole chunks. */
int  registry_init(struct registry *registry, uint32_t actors_max);
void registry_fini(struct registry *registry);

/* A free cell, its generation set for the next life: from `list`, then the shared list, then a new
 * chunk. NULL with *ret_status -ENOSPC (actors_max) or -ENOMEM. */
struct cell *registry_take(struct registry *registry, struct cell_list *list, int *ret_status);

/* Gives back a cell whose door is quiet. */
void registry_give(struct registry *registry, struct cell_list *list, struct cell *cell);

/* Moves a host's free cells to the shared list, when the host ends. */
void registry_give_all(struct registry *registry, struct cell_list *list);

/* Whether an actor is alive, or on its way to be. Any thread. */
bool registry_has_actors(const struct registry *registry);

/* The cell of a ref, alive or not; NULL: there never was such a slot. Any thread. */
static inline struct cell *registry_cell(const struct registry *registry, leat_ref ref)
{
    uint32_t slot = ref_slot(ref);
    if (LEAT_UNLIKELY(slot >> CHUNK_BITS >= registry->chunks_max)) {
        return NULL;
    }
    struct cell *chunk = load_acquire_ptr(&registry->chunks[slot >> CHUNK_BITS]);
    return LEAT_LIKELY(chunk != NULL) ? &chunk[slot & (CHUNK_LEN - 1)] : NULL;
}

#endif
