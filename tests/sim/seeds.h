/* The cases that every workload has: many seeds, each checked by its oracles, and that a seed is all there
 * is to a run. */
#ifndef LEAT_TESTS_SIM_SEEDS_H
#define LEAT_TESTS_SIM_SEEDS_H

#include "workload.h"

#include "check.h"

typedef bool seeds_run(uint64_t seed, struct workload_result *ret);

static inline void seeds_pass(seeds_run *run, uint64_t first, uint64_t last)
{
    uint64_t seeds[2];
    workload_seeds((const uint64_t[]){first, last}, seeds);
    for (uint64_t seed = seeds[0]; seed <= seeds[1]; seed++) {
        struct workload_result result;
        bool passed = run(seed, &result);
        CHECK_THAT_(passed, "seed %llu", (unsigned long long)seed);
        CHECK(result.inputs > 0);
    }
}

static inline void seeds_replay(seeds_run *run)
{
    struct workload_result first;
    run(42, &first);
    for (int i = 1; i < 8; i++) {
        struct workload_result again;
        run(42, &again);
        CHECK(again.hash == first.hash);
        CHECK(again.inputs == first.inputs && again.steps == first.steps);
        CHECK(again.time == first.time);
    }
}

static inline void seeds_differ(seeds_run *run)
{
    uint64_t hashes[8];
    unsigned distinct = 0;
    for (unsigned i = 0; i < 8; i++) {
        struct workload_result result;
        run(1000 + i, &result);
        hashes[i] = result.hash;
        bool is_new = true;
        for (unsigned j = 0; j < i; j++) {
            is_new = is_new && hashes[j] != hashes[i];
        }
        distinct += is_new;
    }
    CHECK(distinct >= 7);
}

/* In four cases, so that one that hangs or crashes leaves the others. */
#define SEEDS(suite, run)                                                                          \
    TEST(suite, seeds_1)                                                                           \
    {                                                                                              \
        seeds_pass(run, 1, 250);                                                                   \
    }                                                                                              \
    TEST(suite, seeds_2)                                                                           \
    {                                                                                              \
        seeds_pass(run, 100001, 100250);                                                           \
    }                                                                                              \
    TEST(suite, seeds_3)                                                                           \
    {                                                                                              \
        seeds_pass(run, 200001, 200250);                                                           \
    }                                                                                              \
    TEST(suite, seeds_4)                                                                           \
    {                                                                                              \
        seeds_pass(run, 300001, 300250);                                                           \
    }                                                                                              \
    TEST(suite, a_seed_replays)                                                                    \
    {                                                                                              \
        seeds_replay(run);                                                                         \
    }                                                                                              \
    TEST(suite, seeds_differ)                                                                      \
    {                                                                                              \
        seeds_differ(run);                                                                         \
    }

#endif
