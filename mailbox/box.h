/* The mailbox: many senders, one owner, bounded, FIFO per sender.
 *
 *   box    the owner's list. Senders on the owner's thread append to it without an atomic.
 *   door   what other threads push to: two stacks (data, control), taken whole by the owner.
 *   bell   one for each thread: the doors behind which something waits, and the wake-up.
 *
 * A sender from outside:  door_enter → look at the generation and the limit → door_push →
 * if it was the first: bell_ring, door_leave.   Others leave their count for the owner to return.
 * So `inside` is never 0 while anybody may still touch the door: that is what lets the memory of
 * an ended actor be used again. README.md has the orders and the progress guarantee; the models in
 * tests/models prove them. */
#ifndef LEAT_BOX_H
#define LEAT_BOX_H

#include "assert.h"
#include "atomic.h"
#include "node.h"

#define BOX_LIMIT_MAX 0x7fffffffu
#define BOX_CLOSED 0x80000000u

struct box {
    union node  *head; /* oldest; the owner's, but for `len`, which senders look at */
    union node **last; /* where the next one is linked */
    uint32_t     len;
    int32_t      limit; /* negative: closed to newcomers, as senders wait already */
};

struct door {
    void        *data;    /* stacks of nodes, newest first */
    void        *control;
    uint32_t     inside;  /* senders on their way, and nodes whose count the owner has to return */
    uint32_t     linked;  /* 1: in the bell's list, or about to be */
    struct door *next;    /* there */
};

struct bell {
    void    *doors;    /* stack of doors */
    uint32_t sleeping; /* 1: the owner sleeps or is about to */
    void (*wake)(void *context);
    void *context;
};

/* ---- the owner's side ---- */

static inline void box_init(struct box *box, uint32_t limit)
{
    LEAT_ASSERT(limit > 0 && limit <= BOX_LIMIT_MAX);
    *box = (struct box){.last = &box->head, .limit = (int32_t)limit};
}

/* The limit, whether it is closed or not. */
static inline uint32_t box_limit(const struct box *box)
{
    return (uint32_t)box->limit & BOX_LIMIT_MAX;
}

/* While senders wait nobody passes them: a closed box is full for all. */
static inline void box_set_closed(struct box *box, bool closed)
{
    uint32_t limit = box_limit(box) | (closed ? BOX_CLOSED : 0);
    store_relaxed_i32(&box->limit, (int32_t)limit);
}

/* Whether a newcomer is refused, when so many are in it or on their way. */
static inline bool box_is_full(const struct box *box, uint32_t used)
{
    return (int32_t)used >= load_relaxed_i32(&box->limit);
}

static inline void box_append(struct box *box, union node *node)
{
    node->next = NULL;
    *box->last = node;
    box->last = &node->next;
    store_relaxed_u32(&box->len, box->len + 1);
}

/* The oldest, or NULL. */
static inline union node *box_take(struct box *box)
{
    union node *node = box->head;
    if (node != NULL) {
        LEAT_ASSERT(box->len > 0);
        box->head = node->next;
        if (box->head == NULL) {
            box->last = &box->head;
        }
        store_relaxed_u32(&box->len, box->len - 1);
    }
    return node;
}

/* All that was pushed so far to one of the door's stacks, oldest first; how many in *ret_len. */
static inline union node *door_take(void **stack, uint32_t *ret_len)
{
    *ret_len = 0;
    if (load_relaxed_ptr(stack) == NULL) {
        return NULL;
    }
    union node *node = exchange_seq_ptr(stack, NULL);
    union node *oldest = NULL;
    while (node != NULL) {
        union node *next = node->next;
        node->next = oldest;
        oldest = node;
        node = next;
        ++*ret_len;
    }
    return oldest;
}

/* Returns the counts of the senders of a batch of `len`, but that of the first, who does it. Not
 * before its nodes are in the box: they would count nowhere in between, and the limit would double. */
static inline void door_return(struct door *door, uint32_t len)
{
    if (len > 1) {
        fetch_sub_seq_u32(&door->inside, len - 1);
    }
}

/* Messages in the box and behind its door, about: exact when no sender is in the middle. The first
 * of those behind the door has returned its count already, so it is added here. */
static inline uint32_t box_used(const struct box *box, const struct door *door, uint32_t inside)
{
    return load_relaxed_u32(&box->len) + inside + (load_relaxed_ptr(&door->data) != NULL ? 1 : 0);
}

/* True when nobody can touch the door any more, provided that nobody new may enter. */
static inline bool door_is_quiet(const struct door *door)
{
    return load_acquire_u32(&door->inside) == 0 && load_acquire_u32(&door->linked) == 0 &&
           load_acquire_ptr(&door->data) == NULL && load_acquire_ptr(&door->control) == NULL;
}

/* ---- the senders' side ---- */

/* Announces a sender; returns how many were inside before. A full barrier: what it reads after
 * this, the generation above all, is not older. Pairs with the fence after an owner's change. */
static inline uint32_t door_enter(struct door *door)
{
    return fetch_add_seq_u32(&door->inside, 1);
}

static inline void door_leave(struct door *door)
{
    uint32_t before = fetch_sub_seq_u32(&door->inside, 1);
    LEAT_ASSERT(before > 0);
}

/* Pushes; true if the stack was empty: then the caller has to ring. */
static inline bool door_push(void **stack, union node *node)
{
    void *top = load_relaxed_ptr(stack);
    do {
        node->next = top;
    } while (!cas_seq_ptr(stack, &top, node));
    return top == NULL;
}

/* Puts the door on the bell's list, unless it is there, and wakes the owner if it sleeps: at most
 * once per sleep, as only one ringer finds `sleeping` set. */
static inline void bell_ring(struct bell *bell, struct door *door)
{
    if (exchange_seq_u32(&door->linked, 1) != 0) {
        return;
    }
    void *top = load_relaxed_ptr(&bell->doors);
    do {
        store_relaxed_ptr(&door->next, (struct door *)top);
    } while (!cas_seq_ptr(&bell->doors, &top, door));
    if (load_relaxed_u32(&bell->sleeping) != 0 && exchange_seq_u32(&bell->sleeping, 0) != 0) {
        bell->wake(bell->context);
    }
}

/* ---- the bell's owner ---- */

static inline bool bell_is_silent(const struct bell *bell)
{
    return load_relaxed_ptr(&bell->doors) == NULL;
}

/* All doors that were rung, in no order; each must be passed to bell_answer. */
static inline struct door *bell_take(struct bell *bell)
{
    return bell_is_silent(bell) ? NULL : exchange_seq_ptr(&bell->doors, NULL);
}

/* Takes one door off that list and returns the next one. From here on the door can be rung again,
 * so look behind it afterwards: the exchange orders the two. */
static inline struct door *bell_answer(struct door *door)
{
    struct door *next = load_relaxed_ptr(&door->next);
    uint32_t before = exchange_seq_u32(&door->linked, 0);
    LEAT_ASSERT(before == 1);
    return next;
}

/* Announces sleep. False: something has come meanwhile, do not sleep. The exchange is the full
 * fence without which a wake-up is lost: mark, fence, look again. */
static inline bool bell_sleep(struct bell *bell)
{
    exchange_seq_u32(&bell->sleeping, 1);
    if (bell_is_silent(bell)) {
        return true;
    }
    exchange_seq_u32(&bell->sleeping, 0);
    return false;
}

/* Ends sleep; true if another thread ended it. */
static inline bool bell_awake(struct bell *bell)
{
    return exchange_seq_u32(&bell->sleeping, 0) == 0;
}

#endif
