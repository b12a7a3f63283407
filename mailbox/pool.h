/* Nodes and buffers, pooled per thread.
 *
 * A pool has one owner thread, which alone takes from it. Memory that another thread is done with
 * goes home in batches: pool_give and leat_buf_unref collect it per owner, and pool_flush (or a
 * full batch) hands each chain over with one CAS on the owner's return stack, which the owner
 * empties when it runs dry. A pool may outlive its thread; `pools` owns them all. */
#ifndef LEAT_POOL_H
#define LEAT_POOL_H

#include <leat/buf.h>

#include "assert.h"
#include "atomic.h"
#include "node.h"

#define POOLS_MAX 256u
#define POOL_BATCH 32u        /* foreign memory that is worth a CAS */
#define BUF_HEADER_LEN 64u    /* sizeof(struct leat_buf), so that data starts a cache line */
#define BUF_TRAIN_LEN 65536u  /* the longest train a receive buffer takes, bytes */

enum buf_class {
    BUF_SMALL,  /* 2 KiB in all: what leat_buf_alloc gives for a datagram */
    BUF_MEDIUM, /* 16 KiB in all: for a train that is sent */
    BUF_TRAIN,  /* BUF_TRAIN_LEN bytes behind the headroom: what a backend receives into */
    BUF_HEAP,   /* any other length */
    BUF_CLASSES,
};

struct leat_buf {
    struct leat_buf        *next; /* while free or on its way home */
    const struct leat_addr *local; /* received: the address it arrived at; NULL: not known */
    struct pool            *home;  /* NULL: the heap */
    uint32_t                refs;
    uint32_t                size; /* bytes in all, this header included */
    uint32_t                class;
    uint32_t                batch_cap; /* slices it has room for; 0: it is no batch */
    uint32_t                batch_len;
    uint32_t                zero;
    uint64_t                spare[2];
};

_Static_assert(sizeof(struct leat_buf) == BUF_HEADER_LEN, "buffer header is one cache line");

struct chain {
    void    *head; /* newest */
    void    *tail;
    uint32_t len;
};

struct slab; /* pool.c */

struct pool {
    union node      *free;  /* owner only, as all up to `returned_nodes` */
    union node      *fresh; /* never used yet, up to fresh_end */
    union node      *fresh_end;
    struct leat_buf *free_bufs[BUF_HEAP];
    uint64_t         nodes_len; /* that there are */
    int64_t          bufs_out;  /* taken less given back: in use or on their way */
    uint64_t         bytes; /* of its slabs */
    uint32_t         trains_len; /* receive buffers that exist */
    uint32_t         trains_max; /* and may exist */
    uint16_t         index;
    uint16_t         dirty_len;
    uint16_t         dirty[POOLS_MAX]; /* pools with something in `outgoing` */
    struct slab     *slabs;
    struct pools    *all;
    void (*starved_wake)(void *context); /* called on a foreign thread when a receive buffer comes
                                            home to a starved pool; set by the owner's backend */
    void            *starved_context;
    struct {
        struct chain nodes;
        struct chain bufs;
    } outgoing[POOLS_MAX];

    void *returned_nodes __attribute__((aligned(64))); /* pushed by any thread, taken by the owner */
    void *returned_bufs;
    uint32_t starved; /* 1: the owner waits for a receive buffer */
};

/* The table of a runtime's pools, shared by all its threads. */
struct pools {
    struct pool *at[POOLS_MAX]; /* written before its index is known to anybody else */
};

/* A pool with no memory yet. `index` must be free in the table. NULL: no memory. */
struct pool *pool_open(struct pools *all, uint16_t index, uint32_t trains_max);

/* Frees every pool of the table and its memory, whoever holds it. */
void pools_fini(struct pools *all);

/* Hands over what is others', takes home the buffers they returned. The owner calls it when a turn of
 * its loop ends. */
void pool_flush(struct pool *pool);

/* In use or on their way home, exact once every pool has flushed and while nobody else uses it. Walks
 * the free nodes. */
int64_t pool_nodes_out(struct pool *pool);
int64_t pool_bufs_out(struct pool *pool);

/* The pool leat_buf_alloc uses on this thread, NULL: the heap. */
void         pool_set_current(struct pool *pool);
struct pool *pool_current(void);

/* A receive buffer, one reference; NULL: trains_max are in use (the pool is starved then: the next
 * one that comes home calls starved_wake) or there is no memory. Owner only. */
struct leat_buf *pool_train_take(struct pool *pool);

/* Makes `n` receive buffers beforehand and touches their pages. -ENOMEM. Owner only. */
int pool_trains_reserve(struct pool *pool, uint32_t n);

/* A buffer of `size` bytes in all, header included, one reference: from this thread's pool if it has
 * one and the size is common, from the heap otherwise. NULL: no memory. */
struct leat_buf *buf_take(uint32_t size);

/* Sends a buffer without references home, from any thread. */
void buf_free(struct leat_buf *buf);

/* How many receive buffers streams are sure to have, and packets: datagrams leave both alone. */
static inline uint32_t pool_trains_part(const struct pool *pool)
{
    return pool->trains_max / 4 > 1 ? pool->trains_max / 4 : 1;
}

/* The bytes of a receive buffer. */
static inline uint8_t *buf_train_data(struct leat_buf *buf)
{
    return (uint8_t *)buf + BUF_HEADER_LEN + LEAT_HEADROOM;
}

/* ---- nodes ---- */

union node *pool_take_slow(struct pool *pool);
void        pool_give_foreign(struct pool *pool, union node *node);

/* A node of this pool, its contents undefined but for head.pool; NULL: no memory. Owner only. */
static inline union node *pool_take(struct pool *pool)
{
    union node *node = pool->free;
    if (LEAT_UNLIKELY(node == NULL)) {
        return pool_take_slow(pool);
    }
    pool->free = node->next;
    __builtin_prefetch(node->next, 1); /* the next one may come from another core */
    return node;
}

/* Gives back a node of any pool. `pool` is the calling thread's own. */
static inline void pool_give(struct pool *pool, union node *node)
{
    if (LEAT_LIKELY(node->head.pool == pool->index)) {
        node->next = pool->free;
        pool->free = node;
        return;
    }
    pool_give_foreign(pool, node);
}

#endif
