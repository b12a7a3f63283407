/* Slot → cell, for every thread, without a lock: one range of addresses, reserved for all cells there
 * may ever be and backed by memory as they are first used. It is never given back while the runtime
 * lives, so a stale ref can always be looked at. Free slots are kept by the host that freed them; a
 * surplus goes to a shared list, which is locked and off the message path. */
#ifndef LEAT_REGISTRY_H
#define LEAT_REGISTRY_H

#include "cell.h"
#include "pool.h"

#define CELLS_BATCH 256u /* at most, moved between a host and the shared list at once */
#define OWNER_NONE (POOLS_MAX - 1) /* no host has this index */
#define CELLS_KEPT 8192u /* at most, free ones a host keeps for itself */

struct host;

/* Actors one host has spawned and ended, ever: outlives the host. Read all `ended`, then all
 * `spawned`: if the sums are equal, no actor was left in between. */
struct life_totals {
    uint64_t spawned __attribute__((aligned(64)));
    uint64_t ended;
};

/* Which group a member's ref means. Its slot outlives it: the members of the next group there have
 * higher generations than all before, so a stale ref may find another group, but no member in it. */
struct group_slot {
    uint64_t group;      /* the id of the group's ref; 0: none. Read by any thread */
    uint32_t generation; /* of the next group's first members */
    uint32_t next;       /* in the list of free slots, and one more; 0: the last */
};

struct registry {
    struct cell *cells;
    uint32_t     cells_max;
    uint32_t     cells_len; /* used so far, now or before */
    uint32_t     locked;
    uint32_t     actors_max;
    uint32_t     kept; /* free ones a host keeps for itself; the more actors, the more */
    uint32_t     batch;
    struct cell *free; /* shared free cells, under the lock */
    struct group_slot *groups; /* a range, as the cells; taken and given under the lock */
    uint32_t           groups_len;
    uint32_t           groups_free; /* the first free slot, and one more; 0: none */
    struct host *hosts[POOLS_MAX]; /* by index; NULL: none */
    uint32_t     workers; /* those from 0 on; constant */
    struct life_totals totals[POOLS_MAX];
};

/* Free cells of one host. */
struct cell_list {
    struct cell *head;
    uint32_t     len;
};

/* Room for `actors_max`, whatever hosts keep for themselves, and their own mailboxes. -ENOMEM. */
int  registry_init(struct registry *registry, uint32_t actors_max);
void registry_fini(struct registry *registry);

/* A free cell, its generation set for the next life: from `list`, then the shared list, then one that
 * was never used. NULL with *ret_status -ENOSPC. */
struct cell *registry_take(struct registry *registry, struct cell_list *list, int *ret_status);

/* Gives back a cell whose door is quiet. */
void registry_give(struct registry *registry, struct cell_list *list, struct cell *cell);

/* Moves a host's free cells to the shared list, when the host ends. */
void registry_give_all(struct registry *registry, struct cell_list *list);

/* Actors alive or on their way to be; 0 only if for a moment there was none. Any thread. */
uint64_t registry_actors(const struct registry *registry);

static inline bool registry_has_actors(const struct registry *registry)
{
    return registry_actors(registry) != 0;
}

/* Whether actors_max live. Looked at only when `list` is empty, so it may be exceeded by what hosts
 * keep for themselves. */
static inline bool registry_is_full(const struct registry *registry, const struct cell_list *list)
{
    return LEAT_UNLIKELY(list->head == NULL) && registry_actors(registry) >= registry->actors_max;
}

/* A slot for a new group, whose members' generations start with *ret_generation. GROUPS_MAX: none
 * is left. */
uint32_t registry_group_take(struct registry *registry, uint32_t *ret_generation);

/* From here on member refs of the slot lead to `group`. */
void registry_group_set(struct registry *registry, uint32_t slot, leat_ref group);

/* The group has ended; no member of it had a generation of `generation` or above. */
void registry_group_give(struct registry *registry, uint32_t slot, uint32_t generation);

/* The ref in whose mailbox lies what is sent to `ref`: a member's group, else itself. NONE: the
 * group has ended. Any thread. */
static inline leat_ref registry_home(const struct registry *registry, leat_ref ref)
{
    if (LEAT_LIKELY(!ref_is_member(ref))) {
        return ref;
    }
    return (leat_ref){.id = load_acquire_u64(&registry->groups[member_slot(ref)].group)};
}

/* The cell of a ref, alive or not; NULL: there never was such a slot, or it is a member's. Any
 * thread. */
static inline struct cell *registry_cell(const struct registry *registry, leat_ref ref)
{
    uint32_t slot = ref_slot(ref);
    return LEAT_LIKELY(slot < registry->cells_max) ? &registry->cells[slot] : NULL;
}

#endif
