/* The random workload of the bus in simulation: many seeds, each checked by the oracles of bus_ledger.c, and
 * that a seed is all there is to a run. */
#include "bus_workload.h"

#include "check.h"

/* In four cases, so that one that hangs or crashes leaves the others. */
static void run_seeds(uint64_t first, uint64_t last)
{
    uint64_t seeds[2];
    workload_seeds((const uint64_t[]){first, last}, seeds);
    for (uint64_t seed = seeds[0]; seed <= seeds[1]; seed++) {
        struct workload_result result;
        bool passed = bus_workload_run(seed, &result);
        CHECK_THAT_(passed, "seed %llu", (unsigned long long)seed);
        CHECK(result.inputs > 0);
    }
}

TEST(bus_workload, seeds_1)
{
    run_seeds(1, 250);
}

TEST(bus_workload, seeds_2)
{
    run_seeds(100001, 100250);
}

TEST(bus_workload, seeds_3)
{
    run_seeds(200001, 200250);
}

TEST(bus_workload, seeds_4)
{
    run_seeds(300001, 300250);
}

TEST(bus_workload, a_seed_replays)
{
    struct workload_result first;
    bus_workload_run(42, &first);
    for (int i = 1; i < 8; i++) {
        struct workload_result again;
        bus_workload_run(42, &again);
        CHECK(again.hash == first.hash);
        CHECK(again.inputs == first.inputs && again.steps == first.steps);
        CHECK(again.time == first.time);
    }
}

TEST(bus_workload, seeds_differ)
{
    uint64_t hashes[8];
    unsigned distinct = 0;
    for (unsigned i = 0; i < 8; i++) {
        struct workload_result result;
        bus_workload_run(1000 + i, &result);
        hashes[i] = result.hash;
        bool is_new = true;
        for (unsigned j = 0; j < i; j++) {
            is_new = is_new && hashes[j] != hashes[i];
        }
        distinct += is_new;
    }
    CHECK(distinct >= 7);
}
