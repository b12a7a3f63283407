/* One run of the random workload: everything about it is decided by its seed. */
#ifndef LEAT_TESTS_SIM_WORKLOAD_H
#define LEAT_TESTS_SIM_WORKLOAD_H

#include "ledger.h"

struct workload_result {
    uint64_t hash;
    uint64_t inputs;
    uint64_t steps;
    leat_time time; /* virtual, when it ended */
};

/* Runs it; what its oracles found is said on stderr, with the command that replays the seed. A
 * crash and a hang say the same. False: something was found. */
bool workload_run(uint64_t seed, struct workload_result *ret);

/* From here on a crash or a hang says which seed it was, and that `options` replay it; and the end of
 * that: whether the ledger has found nothing. */
void workload_watch(uint64_t seed, const char *options);
bool workload_passed(void);

/* The seeds a test is to run, ret[0] to ret[1]: `fallback`, many more with LEAT_TEST_LONG=1, or the
 * one in LEAT_SEED. */
void workload_seeds(const uint64_t fallback[2], uint64_t ret[2]);

#endif
