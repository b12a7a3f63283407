/* Deadlines against a naive model: at each moment the model knows who is due, and nobody else may
 * fire. Cells are taken from a registry, as the timers look refs up there. */
#include "helpers.h"
#include "mem.h"
#include "registry.h"
#include "timers.h"

#define ACTORS 300u

struct bench {
    struct registry registry;
    struct cell_list list;
    struct timers timers;
    struct cell *cells[ACTORS];
    leat_time model[ACTORS]; /* what each wants; LEAT_NEVER: nothing */
};

static void bench_open(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    REQUIRE(registry_init(&bench->registry, 1000) == 0);
    bench->timers = (struct timers){.registry = &bench->registry};
    for (uint32_t i = 0; i < ACTORS; i++) {
        int status = 0;
        bench->cells[i] = registry_take(&bench->registry, &bench->list, &status);
        REQUIRE(bench->cells[i] != NULL);
        bench->cells[i]->deadline = bench->cells[i]->armed = bench->model[i] = LEAT_NEVER;
    }
}

static void bench_close(struct bench *bench)
{
    timers_fini(&bench->timers);
    registry_fini(&bench->registry);
}

static void set(struct bench *bench, uint32_t i, leat_time at)
{
    bench->model[i] = at;
    if (bench->cells[i]->deadline != at) { /* as a drain does it */
        bench->cells[i]->deadline = at;
        CHECK_EQ(timers_rearm(&bench->timers, bench->cells[i]), 0);
    }
}

static uint32_t index_of(const struct bench *bench, const struct cell *cell)
{
    uint32_t i = 0;
    while (i < ACTORS && bench->cells[i] != cell) {
        i++;
    }
    CHECK(i < ACTORS);
    return i;
}

/* Fires what is due; each once, each due in the model, and nobody who is due is left out. */
static uint32_t fire(struct bench *bench, leat_time now)
{
    uint32_t fired = 0;
    struct cell *cell;
    while ((cell = timers_due(&bench->timers, now)) != NULL) {
        uint32_t i = index_of(bench, cell);
        CHECK(bench->model[i] <= now); /* none early, none twice */
        CHECK_EQ(cell->deadline, LEAT_NEVER);
        bench->model[i] = LEAT_NEVER;
        fired++;
    }
    leat_time earliest = LEAT_NEVER;
    for (uint32_t i = 0; i < ACTORS; i++) {
        CHECK(bench->model[i] > now);
        earliest = bench->model[i] < earliest ? bench->model[i] : earliest;
    }
    CHECK(timers_next(&bench->timers) <=
          earliest); /* it may be looked at too early, never too late */
    CHECK(timers_next(&bench->timers) > now);
    return fired;
}

TEST(timers, in_order)
{
    struct bench bench;
    bench_open(&bench);
    for (uint32_t i = 0; i < ACTORS; i++) {
        set(&bench, i, 1 + i * 7919u % ACTORS); /* a permutation */
    }
    leat_time last = 0;
    for (leat_time now = 0; now <= ACTORS; now += 10) {
        struct cell *cell;
        while ((cell = timers_due(&bench.timers, now)) != NULL) {
            leat_time at = bench.model[index_of(&bench, cell)];
            CHECK(at >= last && at <= now);
            last = at;
            bench.model[index_of(&bench, cell)] = LEAT_NEVER;
        }
    }
    CHECK_EQ(last, ACTORS);
    CHECK_EQ(timers_next(&bench.timers), LEAT_NEVER);
    bench_close(&bench);
}

TEST(timers, a_later_time_is_lazy)
{
    struct bench bench;
    bench_open(&bench);
    for (leat_time at = 10; at < 1000;
         at++) { /* an actor that puts its deadline off all the time */
        set(&bench, 0, at);
        CHECK(bench.timers.len <= 1);
    }
    CHECK_EQ(timers_next(&bench.timers), 10);
    CHECK_EQ(fire(&bench, 998), 0);
    CHECK_EQ(timers_next(&bench.timers), 999);
    CHECK_EQ(fire(&bench, 999), 1);
    CHECK_EQ(timers_next(&bench.timers), LEAT_NEVER);
    bench_close(&bench);
}

TEST(timers, cancelled_and_set_again)
{
    struct bench bench;
    bench_open(&bench);
    set(&bench, 0, 10);
    set(&bench, 0, LEAT_NEVER);
    CHECK_EQ(fire(&bench, 20), 0);
    set(&bench, 0, 10); /* in the past */
    CHECK_EQ(fire(&bench, 20), 1);
    set(&bench, 0, 30);
    set(&bench, 0, 25);
    set(&bench, 0, 30);
    set(&bench, 0, 25);
    CHECK_EQ(fire(&bench, 24), 0);
    CHECK_EQ(fire(&bench, 40), 1); /* once */
    set(&bench, 0, 50);
    timers_remove(&bench.timers, bench.cells[0]);
    bench.model[0] = LEAT_NEVER;
    bench.cells[0]->deadline = LEAT_NEVER;
    CHECK_EQ(fire(&bench, 60), 0);
    set(&bench, 0, 70);
    CHECK_EQ(fire(&bench, 70), 1);
    bench_close(&bench);
}

/* An actor that ends, and its slot's next tenant. */
TEST(timers, never_for_a_successor)
{
    struct bench bench;
    bench_open(&bench);
    set(&bench, 0, 10);
    struct cell *cell = bench.cells[0];
    timers_remove(&bench.timers, cell);
    cell->identity = identity(cell_generation(cell) + 1, ref_slot(cell_ref(cell)));
    cell->deadline = cell->armed = LEAT_NEVER;
    bench.model[0] = LEAT_NEVER;
    CHECK_EQ(fire(&bench, 20), 0);
    set(&bench, 0, 30);
    CHECK_EQ(fire(&bench, 29), 0);
    CHECK_EQ(fire(&bench, 30), 1);
    bench_close(&bench);
}

TEST(timers, against_a_model)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct bench bench;
        uint64_t random = seed;
        leat_time now = 1000;
        uint32_t fired = 0;
        bench_open(&bench);
        for (uint32_t step = 0; step < 1500; step++) {
            uint32_t n = 1 + random_below(&random, 20);
            for (uint32_t k = 0; k < n; k++) {
                uint32_t i = random_below(&random, ACTORS);
                uint32_t what = random_below(&random, 10);
                if (what == 0) {
                    set(&bench, i, LEAT_NEVER);
                } else if (what == 1) { /* in the past */
                    set(&bench, i, now - random_below(&random, 500));
                } else if (what == 2) {
                    timers_remove(&bench.timers, bench.cells[i]);
                    bench.cells[i]->deadline = bench.model[i] = LEAT_NEVER;
                } else {
                    set(&bench, i, now + random_below(&random, 300));
                }
            }
            now += random_below(&random, 40);
            fired += fire(&bench, now);
            CHECK(bench.timers.len < 3 * ACTORS + 200); /* what is not meant does not pile up */
        }
        CHECK(fired > 1000);
        bench_close(&bench);
    }
}

/* Far deadlines that are given up leave entries behind, but not many. */
TEST(timers, stale_entries_are_swept)
{
    struct bench bench;
    bench_open(&bench);
    for (uint32_t i = 0; i < 100000; i++) {
        set(&bench, i % 10, UINT64_MAX / 2 - i); /* each a little earlier */
        CHECK(bench.timers.len <= 200);
    }
    CHECK_EQ(fire(&bench, UINT64_MAX / 2), 10);
    bench_close(&bench);
}

TEST(timers, without_memory)
{
    struct bench bench;
    bench_open(&bench);
    mem_fail_after(1);
    bench.cells[0]->deadline = 10;
    CHECK_EQ(timers_rearm(&bench.timers, bench.cells[0]), -ENOMEM);
    mem_fail_after(0);
    CHECK_EQ(bench.cells[0]->deadline, LEAT_NEVER);
    CHECK_EQ(fire(&bench, 20), 0);
    set(&bench, 0, 30);
    CHECK_EQ(fire(&bench, 30), 1);
    bench_close(&bench);
}
