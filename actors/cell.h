/* A cell: all the runtime keeps of one actor, in three cache lines, at an address that never goes
 * away, so that a stale ref can always be looked at. */
#ifndef LEAT_CELL_H
#define LEAT_CELL_H

#include <leat/actor.h>

#include "box.h"

enum cell_flags {
    CELL_SCHEDULED = 1 << 0, /* in the run queue */
    CELL_OPEN = 1 << 1,      /* its drain is open: it may have outputs */
    CELL_PARKED = 1 << 2,    /* its drain waits, `held` is the output it waits with */
    CELL_WAITERS = 1 << 3,   /* parked senders wait for this box */
    CELL_TICK = 1 << 4,      /* its deadline has come */
    CELL_SHUTDOWN = 1 << 5,  /* it is to be given SHUTDOWN */
    CELL_ENDING = 1 << 6,    /* killed: ends in its next turn, if CELL_AWAY after the answer */
    CELL_AWAY = 1 << 7,      /* parked, and another host has the held output */
    CELL_CONTROL = 1 << 8,   /* its control lane has something */
    CELL_UNBORN = 1 << 9,    /* its INIT is in the box, or still behind the door */
    CELL_GROUP = 1 << 10,    /* for its whole life: a group, run by group.c */
    CELL_SYSTEM = 1 << 11,   /* for its whole life: a worker's own mailbox, run by bus.c */
    CELL_WALK = 1 << 12,     /* a group, the bus: a walk is not at its end */
};

/* Units of cell->asked: each half counts who is asking, and is never 0 again once one has. */
#define ASKED_STOP 1u
#define ASKED_KILL 0x10000u

enum cell_life {
    CELL_FREE,    /* in a free list, or just made */
    CELL_NEW,     /* spawned; INIT is the first thing in its box */
    CELL_LIVE,
    CELL_LIMBO,   /* ended, while a sender may still hold its door */
};

/* Who is told when an actor ends: a node each, the watcher in `from`. */
struct watchers {
    union node *first;
    uint32_t    len;
    uint32_t    sweep; /* look for dead ones when there are as many */
};

struct cell {
    /* every message */
    struct box                  box;
    const struct leat_behavior *behavior;
    void                       *state;
    struct cell                *run_next;
    uint64_t                    identity; /* the id of its ref; read by any thread, after `owner` */
    uint32_t                    owner;    /* index of its host; constant for a life */
    uint16_t                    flags;
    uint16_t                    behavior_index; /* in the owner's statistics */

    /* what other threads write to */
    struct door door __attribute__((aligned(64)));
    uint32_t    asked; /* ASKED_STOP and ASKED_KILL: such a node is here or on its way */
    uint8_t     life;  /* enum cell_life */
    leat_time   deadline;   /* what deadline() said last */
    leat_time   armed;      /* of its timer, never later than `deadline`; LEAT_NEVER: none */
    leat_time   drain_since; /* when the open drain first gave way; LEAT_NEVER: named already */

    /* rarely used; all the owner's, but for `park` while it is with another host */
    union node  *control __attribute__((aligned(64))); /* taken from the door, oldest first */
    union node  *waiters; /* parked senders in a ring: the newest, whose next is the oldest */
    union node  *park; /* while parked: the note in somebody's `waiters` */
    union node  *held; /* the output it is parked with */
    struct watchers monitors;
    union {
        void         *sockets; /* the scheduler's: sockets it owns */
        struct group *group;   /* CELL_GROUP, which owns none: its members, and what each has */
    };
    struct subscription *subscriptions; /* the bus's; also of a group as a whole */
};

_Static_assert(sizeof(struct cell) == 192, "three cache lines an actor");

/* Who reads a generation after the owner has the owner that belongs to it, or a later generation:
 * a cell's owner changes only between two lives, after the generation has. */
static inline uint32_t cell_owner(const struct cell *cell)
{
    return load_acquire_u32(&cell->owner);
}

static inline uint32_t cell_generation(const struct cell *cell)
{
    return (uint32_t)(load_acquire_u64(&cell->identity) >> 32);
}

static inline leat_ref cell_ref(const struct cell *cell)
{
    return (leat_ref){.id = load_relaxed_u64(&cell->identity)};
}

/* The id of a slot's next life. */
static inline uint64_t identity(uint32_t generation, uint32_t slot)
{
    return (uint64_t)generation << 32 | slot;
}

static inline uint32_t cell_slot(const struct cell *cell)
{
    return (uint32_t)load_relaxed_u64(&cell->identity);
}

static inline uint32_t ref_slot(leat_ref ref)
{
    return (uint32_t)ref.id;
}

static inline uint32_t ref_generation(leat_ref ref)
{
    return (uint32_t)(ref.id >> 32);
}

/* A member's ref is its group's slot among the groups, its index there and its generation. Bit 31
 * is set, which no slot of a cell has: who looks a ref up as an actor's finds none, at no cost,
 * and then asks whether it is a member's. */
#define MEMBER_BIT 0x80000000u
#define MEMBER_INDEX_BITS 20u
#define MEMBER_SLOT_BITS 18u
#define MEMBER_GENERATION_MAX ((1u << 25) - 1)
#define GROUPS_MAX ((1u << MEMBER_SLOT_BITS) - 1) /* the last slot is nobody's: the probe's */

_Static_assert(1u << MEMBER_INDEX_BITS == LEAT_GROUP_MEMBERS_MAX, "an index fits");

static inline bool ref_is_member(leat_ref ref)
{
    return ((uint32_t)ref.id & MEMBER_BIT) != 0;
}

static inline leat_ref member_ref(uint32_t slot, uint32_t index, uint32_t generation)
{
    uint64_t bits = (uint64_t)generation << (MEMBER_SLOT_BITS + MEMBER_INDEX_BITS) |
                    (uint64_t)slot << MEMBER_INDEX_BITS | index;
    return (leat_ref){.id = bits >> 31 << 32 | MEMBER_BIT | (bits & (MEMBER_BIT - 1))};
}

/* The 63 bits that member_ref has put together. */
static inline uint64_t member_bits(leat_ref ref)
{
    return ref.id >> 32 << 31 | (ref.id & (MEMBER_BIT - 1));
}

static inline uint32_t member_index(leat_ref ref)
{
    return (uint32_t)(member_bits(ref) & (LEAT_GROUP_MEMBERS_MAX - 1));
}

static inline uint32_t member_slot(leat_ref ref)
{
    return (uint32_t)(member_bits(ref) >> MEMBER_INDEX_BITS) & GROUPS_MAX;
}

static inline uint32_t member_generation(leat_ref ref)
{
    return (uint32_t)(member_bits(ref) >> (MEMBER_SLOT_BITS + MEMBER_INDEX_BITS));
}

/* In front of every state, so that leat_self finds whose it is. */
struct state_header {
    leat_ref group; /* LEAT_REF_NONE: an actor of its own */
    leat_ref self;
};

/* Who an output is from: the actor, or the member whose drain it is. */
static inline leat_ref cell_self(const struct cell *cell)
{
    return (cell->flags & CELL_GROUP) != 0 ? ((const struct state_header *)cell->state)[-1].self
                                           : cell_ref(cell);
}

static inline struct cell *cell_of_door(struct door *door)
{
    return (struct cell *)(void *)((char *)door - offsetof(struct cell, door));
}

#endif
