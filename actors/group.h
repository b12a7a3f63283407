/* A group: the members of one cell, side by side in one range of addresses that is reserved for all
 * there may be and backed as they are first used, so that a state never moves. Owner only. */
#ifndef LEAT_GROUP_H
#define LEAT_GROUP_H

#include "host.h"

#define MEMBER_NONE UINT32_MAX

/* In front of a member's state. */
struct member {
    leat_time            deadline; /* what deadline() said last, or LEAT_NEVER since its tick */
    struct watchers      watchers;
    struct subscription *subscriptions; /* the bus's */
    void                *sockets;       /* the scheduler's */
    uint32_t free_next; /* ended: the next free index, and one more; 0: the last */
    bool                is_ending; /* killed, but another host has what its drain waits with */
    bool                is_told;   /* it has been given SHUTDOWN */
    struct state_header header;    /* stays until the next life, whose generation is higher */
};

_Static_assert(sizeof(struct member) == 64, "one cache line, and what a state is aligned to");
_Static_assert(offsetof(struct member, header) + sizeof(struct state_header) == sizeof(struct member),
               "the state comes next");

/* A deadline, in a heap with four children each. */
struct due {
    leat_time at;
    uint32_t  index;
    uint32_t  zero;
};

enum visit {
    VISIT_DUE,      /* members whose deadline has come, the earliest first */
    VISIT_MESSAGE,  /* all, with `item` */
    VISIT_SHUTDOWN, /* those that have not been told */
};

struct group {
    uint32_t slot; /* in the registry */
    uint32_t members_max;
    uint32_t members_len; /* indexes used so far, now or before */
    uint32_t live;
    uint32_t current; /* whose drain is open; MEMBER_NONE: nobody's */
    uint32_t start;   /* where the next walk over all begins */
    uint32_t free;    /* the first free index, and one more; 0: none */
    uint32_t room;    /* members that may be spawned before actors_max is looked at again */
    uint32_t generation;      /* of the first life of an index here */
    uint32_t generation_next; /* no member has had this or a higher one */
    bool     was_tick;        /* the last input: the next is another kind, if there is one */
    bool     is_closing;      /* SHUTDOWN has come: the end of the last member is the group's */
    uint8_t  state;           /* enum leat_actor_state; kept where it is watched */
    struct { /* CELL_WALK */
        enum visit  kind;
        uint32_t    next;  /* index to look at */
        uint32_t    left;  /* indexes to look at, this one included */
        uint32_t    given; /* members that were given it */
        leat_time   until; /* VISIT_DUE: deadlines up to here */
        union node *item;
    } walk;
    uint32_t    due_len;
    struct due *due;
    uint32_t   *places; /* where each index is in `due`, and one more; 0: nowhere */
    uint64_t   *alive; /* a bit an index */
    uint8_t    *members;
    size_t      stride;
    size_t      size; /* of the range, this struct included */
};

static inline struct member *member_at(const struct group *group, uint32_t index)
{
    return (struct member *)(void *)(group->members + index * group->stride);
}

static inline void *member_state(struct member *member)
{
    return member + 1;
}

/* The member of a ref; NULL: it has ended, or never was. */
static inline struct member *member_find(const struct group *group, leat_ref ref)
{
    uint32_t index = member_index(ref);
    if (member_slot(ref) != group->slot || index >= group->members_len ||
        (group->alive[index / 64] >> index % 64 & 1) == 0) {
        return NULL;
    }
    struct member *member = member_at(group, index);
    return leat_ref_equal(member->header.self, ref) ? member : NULL;
}

static inline bool member_is_current(const struct group *group, const struct member *member)
{
    return group->current != MEMBER_NONE && member_at(group, group->current) == member;
}

/* The only member whose functions may be called, and whose outputs the cell's are. */
static inline void member_enter(struct cell *cell, struct member *member)
{
    struct group *group = cell->group;
    LEAT_ASSERT(group->current == MEMBER_NONE);
    LEAT_ASSERT((cell->flags & (CELL_OPEN | CELL_PARKED)) == 0);
    group->current = member_index(member->header.self);
    cell->state = member_state(member);
}

static inline void member_leave(struct cell *cell)
{
    LEAT_ASSERT(cell->group->current != MEMBER_NONE);
    cell->group->current = MEMBER_NONE;
    cell->state = NULL;
}

/* ---- group.c ---- */

/* The next free index as a live member, its state zeroed; its ref is in its header. NULL, with
 * *ret_status -ENOSPC: the group, or the runtime, is full. */
struct member *member_make(struct host *host, struct cell *cell, int *ret_status);

/* A live member ends. `had_init`: fini is called. */
void member_end(struct host *host, struct cell *cell, struct member *member, int status,
                bool had_init);

/* ---- group_due.c ---- */

/* Sets a member's place in the order of deadlines; LEAT_NEVER: none. */
void due_set(struct group *group, struct member *member, leat_time at);

/* The earliest; LEAT_NEVER: none. */
static inline leat_time due_first(const struct group *group)
{
    return group->due_len > 0 ? group->due[0].at : LEAT_NEVER;
}

/* ---- group_turn.c ---- */

/* There is no walk any more; its item is freed, a dead letter if nobody was given it. */
void group_walk_drop(struct host *host, struct cell *cell);

/* Makes the group's deadline that of the earliest member. */
void group_rearm(struct host *host, struct cell *cell);

#endif
