/* Groups: how they and their members come and go. A member has what an actor has (a life, a ref,
 * watchers, sockets, a deadline) but for a mailbox, a place in the run queue and a timer: those
 * are its group's. Invariant: the bit of an index in `alive` says whether its member lives. */
#include "group.h"

#include <errno.h>
#include <string.h>

#include "mem.h"

#define ROOM_LOOK 32u /* members made between two looks at how many actors there are */

static size_t round_up(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

/* ---- open, close ---- */

int group_open(struct host *host, struct cell *cell, uint32_t members_max)
{
    LEAT_ASSERT(cell->group == NULL);
    LEAT_ASSERT(members_max > 0 && members_max <= LEAT_GROUP_MEMBERS_MAX);
    if (cell->behavior->state_size > SIZE_MAX / 4 / LEAT_GROUP_MEMBERS_MAX) {
        return -ENOMEM;
    }
    size_t stride = round_up(sizeof(struct member) + cell->behavior->state_size, 16);
    size_t alive_at = round_up(sizeof(struct group), 64);
    size_t due_at = alive_at + round_up(members_max, 512) / 8;
    size_t places_at = due_at + members_max * sizeof(struct due);
    size_t members_at = round_up(places_at + members_max * sizeof(uint32_t), 64);
    size_t size = members_at + members_max * stride;
    uint8_t *range = mem_range_reserve(size);
    if (range == NULL) {
        return -ENOMEM;
    }
    uint32_t generation;
    uint32_t slot = registry_group_take(host->registry, &generation);
    if (slot == GROUPS_MAX) {
        mem_pages_free(range, size);
        return -ENOSPC;
    }
    struct group *group = (struct group *)(void *)range;
    *group = (struct group){
        .slot = slot,
        .members_max = members_max,
        .current = MEMBER_NONE,
        .generation = generation,
        .generation_next = generation,
        .due = (struct due *)(void *)(range + due_at),
        .places = (uint32_t *)(void *)(range + places_at),
        .alive = (uint64_t *)(void *)(range + alive_at),
        .members = range + members_at,
        .stride = stride,
        .size = size,
    };
    cell->group = group;
    registry_group_set(host->registry, slot, cell_ref(cell));
    return 0;
}

static void end_all(struct host *host, struct cell *cell, int status)
{
    struct group *group = cell->group;
    for (uint32_t word = 0; word * 64 < group->members_len; word++) {
        while (group->alive[word] != 0) {
            uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(group->alive[word]);
            member_end(host, cell, member_at(group, index), status, true);
        }
    }
    LEAT_ASSERT(group->live == 0);
    LEAT_ASSERT(group->due_len == 0);
}

void group_close(struct host *host, struct cell *cell, int status)
{
    struct group *group = cell->group;
    end_all(host, cell, status);
    group_walk_drop(host, cell);
    registry_group_give(host->registry, group->slot, group->generation_next);
    cell->group = NULL;
    mem_pages_free(group, group->size);
}

/* ---- members ---- */

/* Whether one more actor may live. Looked at for ROOM_LOOK members at once, as it is a look at
 * every host, so actors_max may be exceeded by what groups have left of that. */
static bool has_room(struct host *host, struct group *group)
{
    if (group->room == 0) {
        uint64_t actors = registry_actors(host->registry);
        uint64_t max = host->registry->actors_max;
        uint64_t left = actors < max ? max - actors : 0;
        group->room = left < ROOM_LOOK ? (uint32_t)left : ROOM_LOOK;
    }
    return group->room > 0;
}

static uint32_t index_take(struct group *group)
{
    if (group->free != 0) {
        uint32_t index = group->free - 1;
        group->free = member_at(group, index)->free_next;
        return index;
    }
    return group->members_len < group->members_max ? group->members_len++ : MEMBER_NONE;
}

struct member *member_make(struct host *host, struct cell *cell, int *ret_status)
{
    struct group *group = cell->group;
    uint32_t index = has_room(host, group) ? index_take(group) : MEMBER_NONE;
    if (index == MEMBER_NONE) {
        *ret_status = -ENOSPC;
        return NULL;
    }
    group->room--;
    group->live++;
    group->alive[index / 64] |= UINT64_C(1) << index % 64;
    struct member *member = member_at(group, index);
    uint32_t last = member_generation(member->header.self);
    uint32_t generation = last == 0 ? group->generation : last + 1;
    LEAT_ASSERT(generation <= MEMBER_GENERATION_MAX);
    LEAT_ASSERT(member->watchers.first == NULL);
    *member = (struct member){
        .deadline = LEAT_NEVER,
        .header = {.group = cell_ref(cell), .self = member_ref(group->slot, index, generation)},
    };
    memset(member_state(member), 0, cell->behavior->state_size);
    if (generation >= group->generation_next) {
        group->generation_next = generation + 1;
    }
    uint64_t *spawned = &host->registry->totals[host->index].spawned;
    store_release_u64(spawned, *spawned + 1);
    host->count.spawned++;
    store_relaxed_u64(&host->published.actors, ++host->count.actors);
    count_add(&host->behaviors[cell->behavior_index].spawned, 1);
    return member;
}

void member_end(struct host *host, struct cell *cell, struct member *member, int status,
                bool had_init)
{
    struct group *group = cell->group;
    leat_ref dead = member->header.self;
    uint32_t index = member_index(dead);
    bool is_current = group->current == index;
    if (is_current && (cell->flags & CELL_PARKED) != 0) {
        bool cancelled = park_cancel(host, cell);
        LEAT_ASSERT(cancelled);
    }
    host_trace(host, cell,
               &(struct leat_trace){.from = group->state, .to = LEAT_STATE_STOPPED, .member = dead});
    LEAT_ASSERT((group->alive[index / 64] >> index % 64 & 1) != 0);
    group->alive[index / 64] &= ~(UINT64_C(1) << index % 64); /* what is sent to it is dropped */
    group->live--;
    due_set(group, member, LEAT_NEVER);
    if (member->sockets != NULL) {
        host->ops->forget_sockets(host, &member->sockets);
    }
    bus_forget(host, &member->subscriptions);
    if (had_init && cell->behavior->fini != NULL) {
        cell->behavior->fini(member_state(member));
    }
    if (is_current) {
        cell->flags &= (uint16_t)~CELL_OPEN;
        member_leave(cell);
    }
    store_relaxed_u64(&host->published.actors, --host->count.actors);
    host->count.stopped++;
    count_add(&host->behaviors[cell->behavior_index].stopped, 1);
    tell_watchers(host, &member->watchers, dead, status);
    if (member_generation(dead) < MEMBER_GENERATION_MAX) { /* else retired, as a cell's slot is */
        member->free_next = group->free;
        group->free = index + 1;
    }
    uint64_t *ended = &host->registry->totals[host->index].ended;
    store_release_u64(ended, *ended + 1);
    group_rearm(host, cell);
}

/* ---- who is where ---- */

/* The member of a ref, and its group's cell, if it lives on this host. */
static struct member *local_member(struct host *host, leat_ref ref)
{
    leat_ref home = registry_home(host->registry, ref);
    struct cell *cell = registry_cell(host->registry, home);
    if (cell == NULL || !host_has(host, cell, home) || cell->life != CELL_LIVE) {
        return NULL;
    }
    return member_find(cell->group, ref);
}

static struct cell *local_actor(struct host *host, leat_ref ref)
{
    struct cell *cell = registry_cell(host->registry, ref);
    bool lives = cell != NULL && host_has(host, cell, ref) && cell->life != CELL_LIMBO;
    return lives ? cell : NULL;
}

bool host_lives(struct host *host, leat_ref ref)
{
    return ref_is_member(ref) ? local_member(host, ref) != NULL : local_actor(host, ref) != NULL;
}

void **host_sockets(struct host *host, leat_ref ref)
{
    if (ref_is_member(ref)) {
        struct member *member = local_member(host, ref);
        return member != NULL ? &member->sockets : NULL;
    }
    struct cell *cell = local_actor(host, ref);
    return cell != NULL && (cell->flags & CELL_GROUP) == 0 ? &cell->sockets : NULL;
}

struct subscription **host_subscriptions(struct host *host, leat_ref ref)
{
    if (ref_is_member(ref)) {
        struct member *member = local_member(host, ref);
        return member != NULL ? &member->subscriptions : NULL;
    }
    struct cell *cell = local_actor(host, ref);
    return cell != NULL ? &cell->subscriptions : NULL;
}
