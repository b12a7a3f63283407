/* Pools: who owns what, how foreign memory comes home, and that it always balances. */
#include "check.h"

#include <errno.h>
#include <pthread.h>

#include "mem.h"
#include "pool.h"

#define MANY 3000u /* more than a slab holds */

struct two {
    struct pools pools;
    struct pool *a;
    struct pool *b;
};

static void two_open(struct two *two)
{
    memset(two, 0, sizeof(*two));
    two->a = pool_open(&two->pools, 3, 20);
    two->b = pool_open(&two->pools, 200, 20);
    REQUIRE(two->a != NULL && two->b != NULL);
}

static void two_close(struct two *two)
{
    pool_flush(two->a);
    pool_flush(two->b);
    pool_flush(two->a);
    CHECK_EQ(pool_nodes_out(two->a) + pool_nodes_out(two->b), 0);
    CHECK_EQ(pool_bufs_out(two->a) + pool_bufs_out(two->b), 0);
    pool_set_current(NULL);
    pools_fini(&two->pools);
    CHECK(two->pools.at[3] == NULL);
}

/* ---- nodes ---- */

TEST(pool, nodes_are_used_again)
{
    static union node *nodes[MANY];
    struct two two;
    two_open(&two);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            nodes[i] = pool_take(two.a);
            REQUIRE(nodes[i] != NULL);
            CHECK_EQ((uintptr_t)nodes[i] % 64, 0);
            CHECK_EQ(nodes[i]->head.pool, 3);
            nodes[i]->head.type = i;
        }
        for (uint32_t i = 0; i < MANY; i++) {
            CHECK_EQ(nodes[i]->head.type, i); /* no two are the same */
        }
        CHECK_EQ(pool_nodes_out(two.a), MANY);
        for (uint32_t i = 0; i < MANY; i++) {
            pool_give(two.a, nodes[i]);
        }
        CHECK_EQ(pool_nodes_out(two.a), 0);
        CHECK_EQ(two.a->nodes_len, MANY);
    }
    two_close(&two);
}

static uint32_t returned(struct pool *pool)
{
    uint32_t n = 0;
    for (union node *node = pool->returned_nodes; node != NULL; node = node->next) {
        n++;
    }
    return n;
}

TEST(pool, foreign_nodes_go_home_in_batches)
{
    struct two two;
    union node *nodes[3 * POOL_BATCH];
    two_open(&two);
    for (uint32_t i = 0; i < 3 * POOL_BATCH; i++) {
        nodes[i] = pool_take(two.a);
    }
    for (uint32_t i = 0; i < 3 * POOL_BATCH; i++) {
        pool_give(two.b, nodes[i]); /* a's node, done with by b's thread */
        CHECK(returned(two.a) <= i + 1);
        CHECK(returned(two.a) + POOL_BATCH > i + 1); /* no more than a batch is held back */
        CHECK(returned(two.a) == 0 || i + 1 >= POOL_BATCH);
    }
    CHECK_EQ(two.b->dirty_len, 1);
    pool_flush(two.b);
    CHECK_EQ(returned(two.a), 3 * POOL_BATCH);
    CHECK_EQ(two.b->dirty_len, 0);
    uint64_t len = two.a->nodes_len;
    for (uint32_t i = 0; i < 3 * POOL_BATCH; i++) { /* taken before any new one is made */
        pool_give(two.b, pool_take(two.a));
    }
    CHECK_EQ(two.a->nodes_len, len);
    pool_give(two.b, pool_take(two.a));
    two_close(&two);
}

TEST(pool, without_memory)
{
    struct two two;
    struct pools none = {0};
    mem_fail_after(1);
    CHECK(pool_open(&none, 0, 1) == NULL);
    mem_fail_after(0);
    two_open(&two);
    mem_fail_after(1);
    CHECK(pool_take(two.a) == NULL);
    CHECK(pool_train_take(two.a) == NULL);
    CHECK_EQ(pool_trains_reserve(two.a, 5), -ENOMEM);
    pool_set_current(two.a);
    CHECK(buf_take(100) == NULL);
    CHECK(buf_take(100000) == NULL);
    mem_fail_after(0);
    union node *node = pool_take(two.a);
    CHECK(node != NULL);
    mem_fail_after(1);
    pool_give(two.a, node); /* no memory is needed to give back, nor to take that again */
    CHECK(pool_take(two.a) == node);
    mem_fail_after(0);
    pool_give(two.a, node);
    two_close(&two);
}

/* ---- buffers ---- */

TEST(pool, buffers_come_from_the_pool_of_the_thread)
{
    struct two two;
    leat_slice slice, medium, large;
    two_open(&two);
    pool_set_current(two.a);
    CHECK(pool_current() == two.a);
    REQUIRE(leat_buf_alloc(1500, &slice) == 0);
    CHECK(slice.buf->home == two.a);
    REQUIRE(leat_buf_alloc(9000, &medium) == 0); /* a train of seven packets */
    CHECK(medium.buf->home == two.a);
    CHECK_EQ(pool_bufs_out(two.a), 2);
    leat_buf_unref(medium.buf);
    REQUIRE(leat_buf_alloc(20000, &large) == 0);
    CHECK(large.buf->home == NULL);
    CHECK_EQ(pool_bufs_out(two.a), 1);
    struct leat_buf *first = slice.buf;
    leat_buf_unref(slice.buf);
    CHECK_EQ(pool_bufs_out(two.a), 0);
    REQUIRE(leat_buf_alloc(10, &slice) == 0);
    CHECK(slice.buf == first);
    CHECK(leat_buf_is_sole(slice.buf));

    pool_set_current(two.b); /* given back by another thread of the runtime: in a batch */
    leat_buf_unref(slice.buf);
    CHECK_EQ(pool_bufs_out(two.a), 1);
    pool_flush(two.b);
    CHECK_EQ(pool_bufs_out(two.a), 0);

    pool_set_current(two.a);
    REQUIRE(leat_buf_alloc(10, &slice) == 0);
    pool_set_current(NULL); /* by a thread outside: at once */
    leat_buf_unref(slice.buf);
    CHECK_EQ(pool_bufs_out(two.a), 0);
    leat_buf_unref(large.buf);
    two_close(&two);
}

TEST(pool, foreign_buffers_go_home_in_batches)
{
    struct two two;
    leat_slice slices[2 * POOL_BATCH];
    two_open(&two);
    pool_set_current(two.a);
    for (uint32_t i = 0; i < 2 * POOL_BATCH; i++) {
        REQUIRE(leat_buf_alloc(100, &slices[i]) == 0);
    }
    pool_set_current(two.b);
    for (uint32_t i = 0; i < 2 * POOL_BATCH; i++) {
        leat_buf_unref(slices[i].buf);
        CHECK_EQ(two.a->returned_bufs != NULL, i + 1 >= POOL_BATCH);
    }
    CHECK(pool_bufs_out(two.a) > 0); /* some are still held back */
    pool_flush(two.b);
    CHECK_EQ(pool_bufs_out(two.a), 0);
    two_close(&two);
}

/* A pool of another runtime is as foreign as no pool at all. */
TEST(pool, two_runtimes)
{
    struct two one, other;
    leat_slice slice;
    two_open(&one);
    two_open(&other);
    pool_set_current(one.a);
    REQUIRE(leat_buf_alloc(100, &slice) == 0);
    pool_set_current(other.a);
    leat_buf_unref(slice.buf);
    CHECK_EQ(other.a->dirty_len, 0);
    two_close(&one);
    two_close(&other);
}

/* ---- receive buffers ---- */

static void count_wake(void *context)
{
    ++*(uint32_t *)context;
}

TEST(pool, receive_buffers_are_capped)
{
    struct two two;
    struct leat_buf *bufs[20];
    uint32_t wakes = 0;
    two_open(&two);
    two.a->starved_wake = count_wake;
    two.a->starved_context = &wakes;
    pool_set_current(two.a);
    for (uint32_t i = 0; i < 20; i++) {
        bufs[i] = pool_train_take(two.a);
        REQUIRE(bufs[i] != NULL);
        memset(buf_train_data(bufs[i]), 1, BUF_TRAIN_LEN);
        CHECK(bufs[i]->local == NULL);
    }
    CHECK(pool_train_take(two.a) == NULL); /* 20 are the most */
    CHECK_EQ(load_relaxed_u32(&two.a->starved), 1);
    leat_buf_unref(bufs[0]); /* by the owner: it knows itself */
    CHECK_EQ(wakes, 0);
    bufs[0] = pool_train_take(two.a);
    CHECK(bufs[0] != NULL);
    CHECK_EQ(load_relaxed_u32(&two.a->starved), 0);

    pool_set_current(two.b);
    leat_buf_unref(bufs[1]); /* nobody is starved */
    pool_flush(two.b);
    CHECK_EQ(wakes, 0);
    bufs[1] = pool_train_take(two.a);
    CHECK(bufs[1] != NULL);
    CHECK(pool_train_take(two.a) == NULL);
    for (uint32_t i = 0; i < 20; i++) {
        leat_buf_unref(bufs[i]);
        pool_flush(two.b);
        CHECK_EQ(wakes, 1); /* the first that comes home, and only that */
    }
    bufs[0] = pool_train_take(two.a);
    CHECK(bufs[0] != NULL);
    leat_buf_unref(bufs[0]);
    two_close(&two);
}

TEST(pool, receive_buffers_made_beforehand)
{
    struct two two;
    two_open(&two);
    CHECK_EQ(pool_trains_reserve(two.a, 8), 0);
    CHECK_EQ(two.a->trains_len, 8);
    CHECK_EQ(pool_trains_reserve(two.a, 100), 0); /* cut to what is allowed */
    CHECK_EQ(two.a->trains_len, 20);
    CHECK_EQ(pool_trains_reserve(two.a, 1), 0);
    CHECK_EQ(two.a->trains_len, 20);
    two_close(&two);
}

/* ---- with threads ---- */

struct relay {
    struct pool *own;
    struct pool *other;
    void **inbox; /* nodes from the other thread */
    void **outbox;
    pthread_t thread;
    uint32_t sent, received;
};

/* Sends nodes of its own to the other thread, each with a buffer, and frees what comes from there. */
static void *relay_run(void *context)
{
    struct relay *relay = context;
    pool_set_current(relay->own);
    while (relay->sent < 20000 || relay->received < 20000) {
        if (relay->sent < 20000) {
            union node *node = pool_take(relay->own);
            leat_slice body;
            void *top = load_relaxed_ptr(relay->outbox);
            if (node == NULL || leat_buf_alloc(64, &body) < 0) {
                break;
            }
            node->event.body = body;
            do {
                node->next = top;
            } while (!cas_seq_ptr(relay->outbox, &top, node));
            relay->sent++;
        }
        for (union node *node = exchange_seq_ptr(relay->inbox, NULL); node != NULL;) {
            union node *next = node->next;
            leat_buf_unref(node->event.body.buf);
            pool_give(relay->own, node);
            relay->received++;
            node = next;
        }
        if (relay->received % 100 == 0) {
            pool_flush(relay->own);
        }
    }
    pool_flush(relay->own);
    pool_set_current(NULL);
    return NULL;
}

TEST(pool, two_threads_free_each_others_memory)
{
    struct two two;
    void *to_a = NULL, *to_b = NULL;
    two_open(&two);
    struct relay relays[2] = {{.own = two.a, .other = two.b, .inbox = &to_a, .outbox = &to_b},
                              {.own = two.b, .other = two.a, .inbox = &to_b, .outbox = &to_a}};
    for (int i = 0; i < 2; i++) {
        REQUIRE(pthread_create(&relays[i].thread, NULL, relay_run, &relays[i]) == 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(relays[i].thread, NULL);
        CHECK_EQ(relays[i].received, 20000);
    }
    two_close(&two); /* checks the balance */
}
