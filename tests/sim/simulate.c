/* The workload as a program: one seed to look at a failure, a range of them to look for one.
 *
 *   simulate --seed N        one run; prints its hash
 *   simulate --seeds A..B    all of them; ends at the first that fails
 *   --bus, --streams         the workload of the bus, of streams
 *   -v                       what each run has exercised */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_ledger.h"
#include "bus_workload.h"
#include "stream_ledger.h"
#include "stream_workload.h"

static void describe(void)
{
    printf(
        "  people %u letters %u delivered %llu refused %llu timed out %llu copies %llu parks %llu\n"
        "  downs %llu ticks %llu past %llu sockets %u datagrams %llu segments %llu trains %llu"
        " writable %llu errors %llu starved %llu closings %u\n",
        ledger.people_len - 1, ledger.letters_len - 1, (unsigned long long)ledger.delivered,
        (unsigned long long)ledger.refused, (unsigned long long)ledger.timeouts,
        (unsigned long long)ledger.copies, (unsigned long long)ledger.parked,
        (unsigned long long)ledger.downs, (unsigned long long)ledger.ticks,
        (unsigned long long)ledger.pasts, ledger.sockets_len - 1,
        (unsigned long long)ledger.datagrams, (unsigned long long)ledger.segments,
        (unsigned long long)ledger.trains, (unsigned long long)ledger.writables,
        (unsigned long long)ledger.errors, (unsigned long long)ledger.starved, ledger.closings_len);
}

static void describe_bus(void)
{
    printf("  people %u rooms %u published %llu given %llu told %llu handed back %llu answers %llu"
           " in %llu out %llu cancelled %llu walk pauses %llu\n",
           bus_ledger.people_len - 1, bus_ledger.rooms_len - 1,
           (unsigned long long)bus_ledger.published, (unsigned long long)bus_ledger.given,
           (unsigned long long)bus_ledger.told, (unsigned long long)bus_ledger.handed_back,
           (unsigned long long)bus_ledger.answers, (unsigned long long)bus_ledger.subscribed,
           (unsigned long long)bus_ledger.unsubscribed, (unsigned long long)bus_ledger.cancelled,
           (unsigned long long)bus_ledger.walk_pauses);
}

static void describe_streams(void)
{
    const struct stream_ledger *at = &stream_ledger;
    printf("  people %u ends %u opened %llu failed %llu accepted %llu given %llu finished %llu"
           " closed %llu\n"
           "  bytes %llu writable %llu refused %llu waits %llu most waiting %llu unread %llu"
           " resets %u\n",
           at->people_len - 1, at->ends_len - 1, (unsigned long long)at->opened,
           (unsigned long long)at->failed, (unsigned long long)at->accepted,
           (unsigned long long)at->given, (unsigned long long)at->finished,
           (unsigned long long)at->closed, (unsigned long long)at->bytes,
           (unsigned long long)at->writables, (unsigned long long)at->refused,
           (unsigned long long)at->waits, (unsigned long long)at->waiting_max,
           (unsigned long long)at->no_reads, at->resets);
}

static const struct kind {
    const char *option;
    bool (*run)(uint64_t seed, struct workload_result *ret);
    void (*describe)(void);
} kinds[] = {
    {"", workload_run, describe},
    {"--bus", bus_workload_run, describe_bus},
    {"--streams", stream_workload_run, describe_streams},
};

int main(int argc, char **argv)
{
    uint64_t seeds[2];
    bool verbose = false;
    const struct kind *kind = &kinds[0];
    workload_seeds((const uint64_t[]){1, 200}, seeds);
    for (int i = 1; i < argc; i++) {
        char *rest = NULL;
        if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], kinds[1].option) == 0) {
            kind = &kinds[1];
        } else if (strcmp(argv[i], kinds[2].option) == 0) {
            kind = &kinds[2];
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seeds[0] = seeds[1] = strtoull(argv[++i], &rest, 10);
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            seeds[0] = strtoull(argv[++i], &rest, 10);
            seeds[1] = strncmp(rest, "..", 2) == 0 ? strtoull(rest + 2, &rest, 10) : seeds[0];
        } else {
            fprintf(stderr, "usage: %s [-v] [--bus | --streams] [--seed N | --seeds A..B]\n",
                    argv[0]);
            return 2;
        }
    }
    for (uint64_t seed = seeds[0]; seed <= seeds[1]; seed++) {
        struct workload_result result;
        bool passed = kind->run(seed, &result);
        if (!passed || verbose || seeds[0] == seeds[1]) {
            printf("seed %llu %s: hash %016llx, %llu inputs, %llu steps, %llu us\n",
                   (unsigned long long)seed, passed ? "passed" : "FAILED",
                   (unsigned long long)result.hash, (unsigned long long)result.inputs,
                   (unsigned long long)result.steps, (unsigned long long)(result.time / LEAT_US));
        }
        if (verbose) {
            kind->describe();
        }
        if (!passed) {
            return 1;
        }
    }
    return 0;
}
