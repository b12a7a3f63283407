/* What the statistics say: differences of two snapshots, as rates, and what they were before. */
#ifndef SCHED_DEMO_FIGURES_H
#define SCHED_DEMO_FIGURES_H

#include <leat/leat.h>

enum { IO, ACTORS, TIMERS, IDLE, PHASES };

#define HISTORY 160u      /* values kept for sparklines, */
#define BEHAVIORS_MAX 64u /* shown; there may be more */
#define CHANNELS_MAX 16u  /* the same */

/* What one worker does, or all together: counts are per second, but where said. */
struct row {
    double part[PHASES]; /* of the time, 0..1 */
    double messages, sent, refused, dead_letters, deadlines, inputs;
    double datagrams_in, datagrams_out, bytes_in, bytes_out;
    double pauses, parks;
    double wait_us;                                  /* a message in the mailbox, on average */
    uint64_t run_queue, depth, timers, actors, slow; /* now, and since the start */
};

struct behavior_row {
    const char *name;
    uint64_t actors; /* now */
    double inputs;
};

struct channel_row {
    char name[LEAT_CHANNEL_NAME_MAX + 1];
    uint64_t subscribers, dropped; /* now, and since the start */
    double published, delivered, refused;
};

struct snapshot {
    leat_time at;
    size_t workers_len, behaviors_len, channels_len;
    struct leat_worker_stats workers[LEAT_WORKERS_MAX], controllers;
    struct leat_behavior_stats behaviors[BEHAVIORS_MAX];
    struct leat_channel_stats channels[CHANNELS_MAX];
};

#define WINDOW_MAX 8u

struct figures {
    leat_runtime *runtime;
    leat_time started, at;
    size_t window; /* rates are over so many snapshots */
    uint64_t taken;
    struct snapshot ring[WINDOW_MAX + 1];

    size_t workers_len, behaviors_len, channels_len;
    struct row workers[LEAT_WORKERS_MAX], all;
    struct behavior_row behaviors[BEHAVIORS_MAX]; /* by name */
    struct channel_row channels[CHANNELS_MAX];    /* the same */

    uint64_t history_len; /* values so far; the last HISTORY are kept */
    float busy[LEAT_WORKERS_MAX][HISTORY], messages[HISTORY];
};

/* Before the first snapshot. The history stays, so that it spans several runtimes. */
void figures_open(struct figures *figures, leat_runtime *runtime, leat_time started, size_t window);

/* A snapshot, and what has changed since that of `window` before. */
void figures_take(struct figures *figures, leat_time now);

double figures_age(const struct figures *figures); /* seconds */
double row_busy(const struct row *row);            /* percent */

/* Totals since the start. After the runtime has ended: sent = delivered + refused + dead_letters. */
struct leat_worker_stats figures_total(leat_runtime *runtime);

#endif
