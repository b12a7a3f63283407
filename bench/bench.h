/* What the files of the benchmark share: a workload, one repetition of it, and the clock.
 *
 * Each repetition runs in a process of its own, forked from a small parent: the peak memory is then
 * the workload's alone, a run that hangs can be ended, and none inherits another's warm pools. */
#ifndef LEAT_BENCH_H
#define LEAT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct workload;

/* How one line of the result is measured. */
struct setup {
    const struct workload *workload;
    uint64_t               count;   /* operations; workloads.c says of what */
    uint32_t               workers;
    bool                   spread;  /* actors go to the workers in turn, not to their parent's */
    bool                   quick;
    const char            *io;      /* a backend's name, or NULL: the runtime's choice */
};

#define REPEAT_MAX 100u
#define REP_EXTRAS_MAX 24
#define REP_NAME_LEN 32
#define REP_PROBLEM_LEN 240

enum rep_result {
    REP_OK,
    REP_WRONG,   /* the result is not what it must be; `problem` says how */
    REP_SKIPPED, /* this machine cannot run it; `problem` says why */
};

/* What one repetition gives. Plain data: it crosses a pipe. */
struct rep {
    double   ns; /* per operation */
    uint64_t peak_rss_bytes;
    uint32_t result; /* enum rep_result */
    uint32_t extras_len;
    struct {
        char   name[REP_NAME_LEN];
        double value;
    } extras[REP_EXTRAS_MAX];
    char problem[REP_PROBLEM_LEN];
};

/* One repetition of a workload or of its floor: fills in *rep, 0 if all of it holds. */
typedef int rep_body(const struct setup *setup, struct rep *rep);

/* The configurations a workload is run in when the command line does not name one, as bits. */
enum workload_configs {
    WORKLOAD_ONE = 1 << 0,    /* one worker */
    WORKLOAD_TWO = 1 << 1,    /* two, default placement */
    WORKLOAD_SPREAD = 1 << 2, /* two, actors in turn */
    WORKLOAD_MESSAGES = WORKLOAD_ONE | WORKLOAD_TWO | WORKLOAD_SPREAD,
};

struct workload {
    const char *name;
    const char *what;       /* one line for --help */
    rep_body   *run;
    rep_body   *floor;      /* plain C doing the same work with nothing around it */
    const char *floor_name;
    uint64_t    count;
    uint64_t    quick_count;
    uint32_t    repeat;     /* repetitions, when the command line does not say */
    uint32_t    configs;    /* enum workload_configs */
    uint32_t    workers_min; /* 0: any number does */
    bool        uses_io;    /* the backend is part of the figure */
};

/* NULL: no workload of that name. */
const struct workload *workload_find(const char *name);
const struct workload *workload_at(size_t index); /* NULL beyond the last */

/* ---- rep.c ---- */

/* Runs `body` in a child and waits for it; a child that hangs is ended and reported as wrong. */
void rep_run(rep_body *body, const struct setup *setup, struct rep *ret);

/* A further figure of this repetition. All repetitions give the same, in the same order. */
void rep_extra(struct rep *rep, const char *name, double value);

/* The value of an extra, or `otherwise`. */
double rep_extra_get(const struct rep *rep, const char *name, double otherwise);

/* Notes why the result is wrong (the first reason stays); returns -1. */
int rep_wrong(struct rep *rep, const char *format, ...) __attribute__((format(printf, 2, 3)));
int rep_skip(struct rep *rep, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- report.c ---- */

struct result {
    const struct setup *setup;
    const struct rep   *reps;   /* repeat of each, rep by rep in turn */
    const struct rep   *floors;
    uint32_t            repeat;
    uint64_t            idle_rss_bytes;
};

void report_json(const struct result *result);
void report_head(void);
void report_row(const struct result *result);

/* Sorts `values` and returns the value below which `share` (0..1) of them lie; 0 when empty. */
double quantile(double *values, size_t len, double share);

/* ---- clock ---- */

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * UINT64_C(1000000000) + (uint64_t)at.tv_nsec;
}

static inline uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t process_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Sleeps; other threads may have the CPU. */
static inline void sleep_ns(uint64_t ns)
{
    struct timespec for_ = {.tv_sec = (time_t)(ns / UINT64_C(1000000000)),
                            .tv_nsec = (long)(ns % UINT64_C(1000000000))};
    while (nanosleep(&for_, &for_) != 0) {
    }
}

/* CPUs this process could run on when it was started. */
uint32_t cpus_allowed(void);

/* Binds a thread (0: the calling one) to the n-th of them, if there are at least two. */
void cpu_pin(pid_t thread, uint32_t n);

#endif
