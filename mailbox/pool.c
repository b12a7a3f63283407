/* Slabs, return stacks and buffer classes. The owner's fast path is inline in pool.h; here is what
 * happens when it runs dry, or when memory of another thread passes through. Invariant: a node or
 * buffer is in exactly one place: a free list, an outgoing chain, a return stack, or in use. */
#include "pool.h"

#include <errno.h>
#include <string.h>

#include "mem.h"

#define PAGE_LEN 4096u
#define SLAB_NODES 1023u  /* with the header 64 KiB */
#define SLAB_BUFS 32u     /* small and medium buffers added at once */
#define BUF_SMALL_SIZE 2048u
#define BUF_MEDIUM_SIZE 16384u
#define BUF_TRAIN_SIZE 69632u /* header, headroom, BUF_TRAIN_LEN, up to whole pages */

struct slab {
    struct slab *next;
    size_t       len; /* of the mapping, this header included */
    uint8_t      pad[48];
};

_Static_assert(sizeof(struct slab) == sizeof(union node), "nodes behind it stay aligned");
_Static_assert(BUF_HEADER_LEN + LEAT_HEADROOM + BUF_TRAIN_LEN <= BUF_TRAIN_SIZE, "a train fits");

static _Thread_local struct pool *current;

void pool_set_current(struct pool *pool)
{
    current = pool;
}

struct pool *pool_current(void)
{
    return current;
}

struct pool *pool_open(struct pools *all, uint16_t index, uint32_t trains_max)
{
    LEAT_ASSERT(index < POOLS_MAX);
    LEAT_ASSERT(all->at[index] == NULL);
    struct pool *pool = mem_zalloc(sizeof(*pool), 64);
    if (pool == NULL) {
        return NULL;
    }
    pool->all = all;
    pool->index = index;
    pool->trains_max = trains_max;
    all->at[index] = pool;
    return pool;
}

void pools_fini(struct pools *all)
{
    for (uint32_t i = 0; i < POOLS_MAX; i++) {
        struct pool *pool = all->at[i];
        if (pool == NULL) {
            continue;
        }
        for (struct slab *slab = pool->slabs; slab != NULL;) {
            struct slab *next = slab->next;
            mem_pages_free(slab, slab->len);
            slab = next;
        }
        mem_free(pool);
        all->at[i] = NULL;
    }
}

/* `len` bytes behind a slab's header, or NULL. */
static void *slab_add(struct pool *pool, size_t len)
{
    len = (len + sizeof(struct slab) + PAGE_LEN - 1) / PAGE_LEN * PAGE_LEN;
    struct slab *slab = mem_pages_alloc(len);
    if (slab == NULL) {
        return NULL;
    }
    slab->next = pool->slabs;
    slab->len = len;
    pool->slabs = slab;
    pool->bytes += len;
    return slab + 1;
}

/* ---- coming home ---- */

/* Only when the pool has run dry: then the chain is its free list as it is, and no node is touched
 * before it is wanted. */
static void take_returned_nodes(struct pool *pool)
{
    if (pool->free == NULL && load_relaxed_ptr(&pool->returned_nodes) != NULL) {
        pool->free = exchange_seq_ptr(&pool->returned_nodes, NULL);
    }
}


static void take_returned_bufs(struct pool *pool)
{
    if (load_relaxed_ptr(&pool->returned_bufs) == NULL) {
        return;
    }
    struct leat_buf *buf = exchange_seq_ptr(&pool->returned_bufs, NULL);
    while (buf != NULL) {
        struct leat_buf *next = buf->next;
        LEAT_ASSERT(buf->home == pool);
        buf->next = pool->free_bufs[buf->class];
        pool->free_bufs[buf->class] = buf;
        pool->bufs_out--;
        buf = next;
    }
}

/* Links are at the start of nodes and buffers alike. */
static void push_chain(void **stack, void *head, void *tail)
{
    void *top = load_relaxed_ptr(stack);
    do {
        *(void **)tail = top;
    } while (!cas_seq_ptr(stack, &top, head));
}

static void return_nodes(struct pool *pool, uint16_t owner)
{
    struct chain *chain = &pool->outgoing[owner].nodes;
    if (chain->len > 0) {
        push_chain(&pool->all->at[owner]->returned_nodes, chain->head, chain->tail);
        *chain = (struct chain){0};
    }
}

/* The push is a full barrier; it pairs with the one of pool_train_take between setting `starved`
 * and looking at the stack again. */
static void return_buf_chain(struct pool *owner, void *head, void *tail)
{
    push_chain(&owner->returned_bufs, head, tail);
    if (load_relaxed_u32(&owner->starved) != 0 && exchange_seq_u32(&owner->starved, 0) != 0) {
        owner->starved_wake(owner->starved_context);
    }
}

static void return_bufs(struct pool *pool, uint16_t owner)
{
    struct chain *chain = &pool->outgoing[owner].bufs;
    if (chain->len > 0) {
        return_buf_chain(pool->all->at[owner], chain->head, chain->tail);
        *chain = (struct chain){0};
    }
}

static void chain_add(struct pool *pool, struct chain *chain, uint16_t owner, void *item)
{
    if (pool->outgoing[owner].nodes.len == 0 && pool->outgoing[owner].bufs.len == 0) {
        pool->dirty[pool->dirty_len++] = owner;
    }
    *(void **)item = chain->head;
    chain->head = item;
    if (chain->len++ == 0) {
        chain->tail = item;
    }
}

void pool_give_foreign(struct pool *pool, union node *node)
{
    uint16_t owner = node->head.pool;
    LEAT_ASSERT(owner < POOLS_MAX && pool->all->at[owner] != NULL);
    struct chain *chain = &pool->outgoing[owner].nodes;
    chain_add(pool, chain, owner, node);
    if (chain->len >= POOL_BATCH) {
        void *head = chain->head; /* stays behind, so that the owner is in `dirty` just once */
        push_chain(&pool->all->at[owner]->returned_nodes, *(void **)head, chain->tail);
        chain->tail = head;
        chain->len = 1;
    }
}

void pool_flush(struct pool *pool)
{
    for (uint16_t i = 0; i < pool->dirty_len; i++) {
        return_nodes(pool, pool->dirty[i]);
        return_bufs(pool, pool->dirty[i]);
    }
    pool->dirty_len = 0;
    take_returned_bufs(pool);
}

static int64_t list_len(const union node *node)
{
    int64_t len = 0;
    for (; node != NULL; node = node->next) {
        len++;
    }
    return len;
}

int64_t pool_nodes_out(struct pool *pool)
{
    const union node *returned = load_acquire_ptr(&pool->returned_nodes);
    return (int64_t)pool->nodes_len - list_len(pool->free) - list_len(returned);
}

int64_t pool_bufs_out(struct pool *pool)
{
    take_returned_bufs(pool);
    return pool->bufs_out;
}

/* ---- nodes ---- */

union node *pool_take_slow(struct pool *pool)
{
    take_returned_nodes(pool);
    union node *node = pool->free;
    if (node != NULL) {
        pool->free = node->next;
        return node;
    }
    if (pool->fresh == pool->fresh_end) {
        union node *nodes = slab_add(pool, SLAB_NODES * sizeof(*nodes));
        if (nodes == NULL) {
            return NULL;
        }
        pool->fresh = nodes;
        pool->fresh_end = nodes + SLAB_NODES;
    }
    node = pool->fresh++;
    node->head.pool = pool->index;
    pool->nodes_len++;
    return node;
}

/* ---- buffers ---- */

static int bufs_add(struct pool *pool, enum buf_class class, uint32_t n)
{
    static const uint32_t sizes[BUF_HEAP] = {BUF_SMALL_SIZE, BUF_MEDIUM_SIZE, BUF_TRAIN_SIZE};
    uint32_t size = sizes[class];
    uint8_t *at = slab_add(pool, (size_t)n * size);
    if (at == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++, at += size) {
        struct leat_buf *buf = (struct leat_buf *)at;
        memset(buf, 0, sizeof(*buf));
        buf->home = pool;
        buf->class = class;
        buf->size = size;
        buf->next = pool->free_bufs[class];
        pool->free_bufs[class] = buf;
    }
    return 0;
}

static struct leat_buf *free_buf_take(struct pool *pool, enum buf_class class)
{
    struct leat_buf *buf = pool->free_bufs[class];
    if (buf == NULL) {
        return NULL;
    }
    LEAT_ASSERT(buf->refs == 0);
    pool->free_bufs[class] = buf->next;
    pool->bufs_out++;
    buf->refs = 1;
    buf->local = NULL;
    return buf;
}

int pool_trains_reserve(struct pool *pool, uint32_t n)
{
    if (n > pool->trains_max - pool->trains_len) {
        n = pool->trains_max - pool->trains_len;
    }
    if (n == 0) {
        return 0;
    }
    int status = bufs_add(pool, BUF_TRAIN, n);
    if (status < 0) {
        return status;
    }
    pool->trains_len += n;
    uint8_t *bytes = (uint8_t *)pool->slabs;
    for (size_t at = sizeof(struct slab); at < (size_t)n * BUF_TRAIN_SIZE; at += PAGE_LEN) {
        *(volatile uint8_t *)(bytes + at) = *(volatile uint8_t *)(bytes + at);
    }
    return 0;
}

struct leat_buf *pool_train_take(struct pool *pool)
{
    struct leat_buf *buf = free_buf_take(pool, BUF_TRAIN);
    if (LEAT_UNLIKELY(buf == NULL)) {
        take_returned_bufs(pool);
        buf = free_buf_take(pool, BUF_TRAIN);
    }
    if (buf == NULL && pool_trains_reserve(pool, 16) == 0) {
        buf = free_buf_take(pool, BUF_TRAIN);
    }
    if (buf == NULL) {
        exchange_seq_u32(&pool->starved, 1); /* full barrier, then look again: return_buf_chain */
        take_returned_bufs(pool);
        buf = free_buf_take(pool, BUF_TRAIN);
    }
    if (buf != NULL && load_relaxed_u32(&pool->starved) != 0) {
        store_relaxed_u32(&pool->starved, 0);
    }
    return buf;
}

void buf_free(struct leat_buf *buf)
{
    struct pool *home = buf->home;
    struct pool *pool = current;
    if (home == NULL) {
        mem_free(buf);
        return;
    }
    if (LEAT_LIKELY(pool == home)) {
        buf->next = pool->free_bufs[buf->class];
        pool->free_bufs[buf->class] = buf;
        pool->bufs_out--;
        return;
    }
    if (pool == NULL || pool->all != home->all) { /* a thread outside: no batch to add it to */
        return_buf_chain(home, buf, buf);
        return;
    }
    struct chain *chain = &pool->outgoing[home->index].bufs;
    chain_add(pool, chain, home->index, buf);
    if (chain->len >= POOL_BATCH) {
        void *head = chain->head;
        return_buf_chain(home, *(void **)head, chain->tail);
        chain->tail = head;
        chain->len = 1;
    }
}

struct leat_buf *buf_take(uint32_t size)
{
    struct pool *pool = current;
    if (pool != NULL && size <= BUF_MEDIUM_SIZE) {
        enum buf_class class = size <= BUF_SMALL_SIZE ? BUF_SMALL : BUF_MEDIUM;
        struct leat_buf *buf = free_buf_take(pool, class);
        if (buf == NULL) {
            take_returned_bufs(pool);
            buf = free_buf_take(pool, class);
        }
        if (buf == NULL && bufs_add(pool, class, SLAB_BUFS) == 0) {
            buf = free_buf_take(pool, class);
        }
        return buf;
    }
    struct leat_buf *buf = mem_alloc(size, 64);
    if (buf != NULL) {
        memset(buf, 0, sizeof(*buf));
        buf->refs = 1;
        buf->size = size;
        buf->class = BUF_HEAP;
    }
    return buf;
}
