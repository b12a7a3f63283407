/* The simulated world: what its network does to datagrams, and that a seed replays. */
#include <errno.h>

#include <leat/leat.h>

#include "check.h"
#include "mem.h"
#include "pool.h"
#include "sim.h"
#include "sim_net.h"

#define MANY 20000

/* ---- the world alone ---- */

struct net {
    struct sim_world *world;
    struct sim_port   a;
    struct sim_port   b;
    struct leat_addr  to; /* b */
};

static void net_open(struct net *net, uint64_t seed, const struct leat_sim_config *config)
{
    struct leat_addr host;
    memset(net, 0, sizeof(*net));
    net->world = sim_world_open(seed, config);
    REQUIRE(net->world != NULL);
    REQUIRE(leat_addr_from_host("10.0.0.1", 0, &host) == 0);
    REQUIRE(sim_bind(net->world, &net->a, &host) == 0);
    REQUIRE(sim_bind(net->world, &net->b, &host) == 0);
    net->to = net->b.bound;
}

static void net_close(struct net *net)
{
    sim_unbind(net->world, &net->a);
    sim_unbind(net->world, &net->b);
    sim_world_close(net->world);
}

/* Sends one datagram from a to b and returns how many arrive, the first after *ret_delay. */
static unsigned send_one(struct net *net, leat_time *ret_delay)
{
    leat_time start = sim_world_now(net->world);
    unsigned n = 0;
    sim_send(net->world, &net->a, &net->to, NULL, (const uint8_t *)"x", 1);
    while (sim_world_next(net->world) != LEAT_NEVER) {
        sim_world_advance(net->world, sim_world_next(net->world));
        struct sim_flight *flight;
        while ((flight = sim_inbox_take(&net->b)) != NULL) {
            *ret_delay = n == 0 ? flight->at - start : *ret_delay;
            n++;
            mem_free(flight);
        }
    }
    return n;
}

TEST(sim, nothing_is_lost_by_default)
{
    static const struct leat_sim_config config;
    struct net net;
    net_open(&net, 1, &config);
    for (int i = 0; i < 1000; i++) {
        leat_time delay = 1;
        CHECK_EQ(send_one(&net, &delay), 1);
        CHECK_EQ(delay, 0);
    }
    CHECK_EQ(sim_world_now(net.world), 0);
    net_close(&net);
}

TEST(sim, loss_rate)
{
    static const struct leat_sim_config config = {.loss = 0.2};
    struct net net;
    net_open(&net, 2, &config);
    unsigned arrived = 0;
    leat_time delay;
    for (int i = 0; i < MANY; i++) {
        arrived += send_one(&net, &delay);
    }
    CHECK(arrived > MANY * 78 / 100 && arrived < MANY * 82 / 100);
    struct sim_counters counters = sim_world_counters(net.world);
    CHECK_EQ(counters.sent, MANY);
    CHECK_EQ(counters.lost, MANY - arrived);
    CHECK_EQ(counters.delivered, arrived);
    net_close(&net);
}

TEST(sim, everything_lost)
{
    static const struct leat_sim_config config = {.loss = 1};
    struct net net;
    net_open(&net, 3, &config);
    leat_time delay;
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(send_one(&net, &delay), 0);
    }
    net_close(&net);
}

TEST(sim, duplicate_rate)
{
    static const struct leat_sim_config config = {.duplicate = 0.1};
    struct net net;
    net_open(&net, 4, &config);
    unsigned arrived = 0;
    leat_time delay;
    for (int i = 0; i < MANY; i++) {
        unsigned n = send_one(&net, &delay);
        CHECK(n == 1 || n == 2);
        arrived += n;
    }
    CHECK(arrived > MANY * 109 / 100 && arrived < MANY * 111 / 100);
    CHECK_EQ(sim_world_counters(net.world).duplicated, arrived - MANY);
    net_close(&net);
}

TEST(sim, delay_bounds)
{
    static const struct leat_sim_config config = {.delay_min_ns = 1000, .delay_max_ns = 1500};
    struct net net;
    net_open(&net, 5, &config);
    leat_time least = LEAT_NEVER;
    leat_time most = 0;
    leat_time sum = 0;
    for (int i = 0; i < MANY; i++) {
        leat_time delay = 0;
        REQUIRE(send_one(&net, &delay) == 1);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
        sum += delay;
    }
    CHECK_EQ(least, 1000); /* both ends are drawn */
    CHECK_EQ(most, 1500);
    CHECK(sum / MANY > 1240 && sum / MANY < 1260);
    net_close(&net);
}

TEST(sim, reordered_ones_are_delayed_twice)
{
    static const struct leat_sim_config config = {
        .reorder = 0.25, .delay_min_ns = 1000, .delay_max_ns = 1000};
    struct net net;
    net_open(&net, 6, &config);
    unsigned late = 0;
    for (int i = 0; i < MANY; i++) {
        leat_time delay = 0;
        REQUIRE(send_one(&net, &delay) == 1);
        CHECK(delay == 1000 || delay == 2000);
        late += delay == 2000;
    }
    CHECK(late > MANY * 24 / 100 && late < MANY * 26 / 100);
    CHECK_EQ(sim_world_counters(net.world).reordered, late);
    net_close(&net);
}

TEST(sim, an_instant_keeps_order)
{
    static const struct leat_sim_config config = {.delay_min_ns = 7, .delay_max_ns = 7};
    struct net net;
    net_open(&net, 7, &config);
    for (uint32_t i = 0; i < 1000; i++) {
        sim_send(net.world, &net.a, &net.to, NULL, (const uint8_t *)&i, sizeof(i));
    }
    sim_world_advance(net.world, 6);
    CHECK(sim_inbox_take(&net.b) == NULL);
    sim_world_advance(net.world, 7);
    for (uint32_t i = 0; i < 1000; i++) {
        struct sim_flight *flight = sim_inbox_take(&net.b);
        REQUIRE(flight != NULL);
        CHECK(memcmp(flight->bytes, &i, sizeof(i)) == 0);
        mem_free(flight);
    }
    net_close(&net);
}

/* Who was suspended for an hour finds everything there, in the order in which it was due. */
TEST(sim, a_clock_that_jumps)
{
    static const struct leat_sim_config config = {.delay_min_ns = 10, .delay_max_ns = 1000000};
    struct net net;
    net_open(&net, 9, &config);
    for (uint32_t i = 0; i < 1000; i++) {
        sim_send(net.world, &net.a, &net.to, NULL, (const uint8_t *)&i, sizeof(i));
    }
    sim_world_advance(net.world, 3600 * LEAT_SEC);
    CHECK_EQ(sim_world_next(net.world), LEAT_NEVER);
    leat_time before = 0;
    bool reordered = false;
    uint32_t last = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct sim_flight *flight = sim_inbox_take(&net.b);
        REQUIRE(flight != NULL);
        CHECK(flight->at >= before);
        uint32_t number;
        memcpy(&number, flight->bytes, sizeof(number));
        reordered |= number < last;
        last = number;
        before = flight->at;
        mem_free(flight);
    }
    CHECK(reordered); /* so that the order above was not that of sending */
    CHECK(sim_inbox_take(&net.b) == NULL);
    net_close(&net);
}

TEST(sim, all_is_bounded)
{
    static const struct leat_sim_config config = {.delay_min_ns = 10, .delay_max_ns = 10};
    struct net net;
    net_open(&net, 8, &config);
    for (uint32_t i = 0; i < SIM_FLIGHTS_MAX + 100; i++) {
        sim_send(net.world, &net.a, &net.to, NULL, NULL, 0);
    }
    CHECK_EQ(sim_world_counters(net.world).overflowed, 100);
    sim_world_advance(net.world, 10);
    CHECK_EQ(sim_world_counters(net.world).delivered, SIM_INBOX_MAX);
    CHECK_EQ(sim_world_counters(net.world).overflowed, 100 + SIM_FLIGHTS_MAX - SIM_INBOX_MAX);
    net_close(&net);
}

TEST(sim, ports_are_given_once)
{
    static const struct leat_sim_config config;
    static struct sim_port ports[28232]; /* 32768..60999 */
    struct sim_port one_more = {0};
    struct leat_addr any;
    struct sim_world *world = sim_world_open(9, &config);
    REQUIRE(world != NULL);
    REQUIRE(leat_addr_from_host("0.0.0.0", 0, &any) == 0);
    static bool taken[65536];
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        REQUIRE(sim_bind(world, &ports[i], &any) == 0);
        CHECK(!taken[ports[i].bound.port]);
        taken[ports[i].bound.port] = true;
    }
    CHECK_EQ(sim_bind(world, &one_more, &any), -EADDRINUSE);
    sim_unbind(world, &ports[1234]);
    CHECK_EQ(sim_bind(world, &one_more, &any), 0);
    CHECK_EQ(one_more.bound.port, ports[1234].bound.port);
    sim_world_close(world);
}

TEST(sim, random_numbers)
{
    static const struct leat_sim_config config;
    struct sim_world *world = sim_world_open(10, &config);
    unsigned count[6] = {0};
    REQUIRE(world != NULL);
    for (int i = 0; i < 60000; i++) {
        uint32_t n = sim_world_below(world, 6);
        REQUIRE(n < 6);
        count[n]++;
        CHECK_EQ(sim_world_below(world, 1), 0);
    }
    for (int i = 0; i < 6; i++) {
        CHECK(count[i] > 9600 && count[i] < 10400);
    }
    sim_world_close(world);
}

/* ---- a world with backends ---- */

static uint64_t hash_add(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t hash_done(uint64_t hash, leat_time now, const struct io_done *done)
{
    uint64_t parts[] = {now, (uint64_t)done->kind, done->sock, done->token,
                        (uint64_t)(int64_t)done->status, done->segment_size, done->body.len};
    hash = hash_add(hash, parts, sizeof(parts));
    hash = hash_add(hash, &done->peer, sizeof(done->peer));
    return done->body.buf == NULL
               ? hash
               : hash_add(hash, leat_slice_data(done->body), done->body.len);
}

#define BACKENDS_LEN 3

static void submit_data(struct io *io, uint32_t sock, const struct leat_addr *peer, leat_slice body,
                        uint32_t segment_size)
{
    struct io_op op = {.kind = IO_OP_DATA, .sock = sock};
    op.data.body = body;
    op.data.peer = peer;
    op.data.segment_size = segment_size;
    if (io_sim.submit(io, &op) < 0) {
        leat_buf_unref(body.buf);
    }
}

/* Echoes, from time to time something new, to somebody or to nobody. */
static uint64_t trace(uint64_t seed)
{
    static const struct leat_sim_config config = {.loss = 0.02,
                                                  .duplicate = 0.02,
                                                  .reorder = 0.1,
                                                  .delay_min_ns = 10 * LEAT_US,
                                                  .delay_max_ns = 12 * LEAT_US};
    static struct pools pools;
    struct sim_world *world = sim_world_open(seed, &config);
    struct io *ios[BACKENDS_LEN];
    struct io_done done[16];
    struct leat_addr peers[BACKENDS_LEN + 1];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    REQUIRE(world != NULL);
    struct pool *pool = pool_open(&pools, 0, 64);
    REQUIRE(pool != NULL);
    pool_set_current(pool);
    for (uint32_t i = 0; i < BACKENDS_LEN; i++) {
        struct io_config io_config = {.pool = pool, .send_queue_len_max = 64, .stream_queue_max = 65536, .world = world};
        struct io_op op = {.kind = IO_OP_OPEN, .token = i};
        REQUIRE(io_sim.init(&io_config, &ios[i]) == 0);
        REQUIRE(leat_addr_from_host(i == 0 ? "0.0.0.0" : "10.0.0.7", 0, &op.open.local) == 0);
        REQUIRE(io_sim.submit(ios[i], &op) == 0);
        REQUIRE(io_sim.turn(ios[i], 0, done, 16) == 1);
        peers[i] = done[0].peer;
    }
    REQUIRE(leat_addr_parse("10.0.0.7:9", &peers[BACKENDS_LEN]) == 0);
    REQUIRE(leat_addr_from_host("127.0.0.1", peers[0].port, &peers[0]) == 0);
    for (int step = 0; step < 3000; step++) {
        uint32_t at = sim_world_below(world, BACKENDS_LEN);
        unsigned n = io_sim.turn(ios[at], 0, done, 16);
        for (unsigned i = 0; i < n; i++) {
            hash = hash_done(hash, sim_world_now(world), &done[i]);
            if (done[i].kind == IO_DONE_DATA && sim_world_below(world, 2) == 0) {
                submit_data(ios[at], done[i].sock, &done[i].peer, done[i].body,
                            done[i].segment_size);
            } else {
                leat_buf_unref(done[i].body.buf);
            }
        }
        leat_slice body;
        uint32_t len = 1 + sim_world_below(world, 700);
        REQUIRE(leat_buf_alloc(len, &body) == 0);
        memset(leat_slice_data(body), step, len);
        submit_data(ios[at], 0, &peers[sim_world_below(world, BACKENDS_LEN + 1)], body, 100);
        if (n == 0 && sim_world_next(world) != LEAT_NEVER) {
            leat_time next = sim_world_next(world);
            leat_time now = sim_world_now(world);
            sim_world_advance(world, next > now ? next : now);
        }
    }
    for (uint32_t i = 0; i < BACKENDS_LEN; i++) {
        hash = hash_add(hash, &ios[i]->base.stats, sizeof(ios[i]->base.stats));
        io_sim.fini(ios[i]);
    }
    struct sim_counters counters = sim_world_counters(world);
    CHECK(counters.delivered > 1000);
    CHECK(counters.lost > 0 && counters.duplicated > 0 && counters.reordered > 0);
    CHECK(counters.refused > 0);
    hash = hash_add(hash, &counters, sizeof(counters));
    CHECK_EQ(pool_bufs_out(pool), 0);
    sim_world_close(world);
    pool_set_current(NULL);
    pools_fini(&pools);
    return hash;
}

TEST(sim, a_seed_replays)
{
    uint64_t first = trace(42);
    for (int i = 0; i < 7; i++) {
        CHECK_EQ(trace(42), first);
    }
}

TEST(sim, seeds_differ)
{
    uint64_t seen[8];
    for (uint64_t i = 0; i < 8; i++) {
        seen[i] = trace(i);
        for (uint64_t k = 0; k < i; k++) {
            CHECK(seen[i] != seen[k]);
        }
    }
}

TEST(sim, no_memory_for_a_datagram_is_a_loss)
{
    static const struct leat_sim_config config;
    struct net net;
    net_open(&net, 11, &config);
    mem_fail_after(1);
    sim_send(net.world, &net.a, &net.to, NULL, (const uint8_t *)"x", 1);
    mem_fail_after(0);
    CHECK_EQ(sim_world_counters(net.world).overflowed, 1);
    CHECK_EQ(sim_world_next(net.world), LEAT_NEVER);
    mem_fail_after(1);
    CHECK(sim_world_open(1, &config) == NULL);
    mem_fail_after(0);
    net_close(&net);
}
