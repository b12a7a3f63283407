/* The parts of the demo: actors.c, echo.c and load.c hold actors, display.c shows statistics. */
#ifndef SCHED_DEMO_H
#define SCHED_DEMO_H

#include "app.h"

/* ---- actors.c: a source makes messages at a steady rate, a relay passes them on ---- */

enum { WORK = 1, LINK, UDP_TOTALS }; /* a struct work, a leat_ref, a struct udp_totals */

struct work {
    uint64_t sequence;
    uint32_t hops; /* relays it still passes */
    uint32_t zero;
};

struct source_config {
    leat_ref to;
    uint64_t rate;   /* messages per second, at least 1 */
    uint32_t period; /* ms between bursts, at least 1 */
    uint32_t hops;   /* of each message */
};

#define RELAY_TO_MAX 256u

struct relay_config {
    leat_time linger_ns; /* goes on so long after SHUTDOWN: what is on its way shall arrive */
    uint32_t to_len;     /* takes turns; 0: nothing is passed on */
    uint32_t zero;
    leat_ref to[RELAY_TO_MAX];
};

/* Sources. */
extern const struct leat_behavior ticker_behavior, producer_behavior, starter_behavior;
/* Relays. A LINK gives one its (only) target afterwards, which is how the ring is closed. */
extern const struct leat_behavior router_behavior, consumer_behavior, ring_behavior;

/* ---- echo.c and load.c: an echo actor, and the clients it spawns, which load it ---- */

struct echo_config {
    struct leat_addr local;
    leat_ref report_to;
    uint64_t rate; /* datagrams per second, each client */
    uint32_t clients;
};

struct udp_totals { /* each client sends one at its end */
    uint64_t sent, received, lost, wrong;
};

extern const struct leat_behavior echo_behavior, load_behavior;

/* ---- display.c ---- */

/* What one worker did since the last snapshot. */
enum { IO, ACTORS, TIMERS, IDLE, PHASES };

struct row {
    double part[PHASES];                   /* of the time, 0..1 */
    double messages, datagrams, deadlines; /* a second */
    uint64_t run_queue, depth, timers, actors;
};

struct display {
    const struct app *app;
    bool json, terminal;
    leat_time period, shown_at;
    size_t workers, behaviors;

    struct leat_worker_stats now[LEAT_WORKERS_MAX], before[LEAT_WORKERS_MAX];
    struct leat_behavior_stats behavior_now[257], behavior_before[257];
};

void display_open(struct display *display, const struct app *app);

/* Seconds since the start; percent of the time. */
double display_age(const struct display *display);
double row_busy(const struct row *row);

/* Takes a snapshot and shows what changed since the last one. */
void display_update(struct display *display, leat_time now);

/* Leaves a terminal as it was; what was drawn last stays. */
void display_close(struct display *display);

/* ---- table.c ---- */

/* The whole screen; `rows` has one for each worker. */
void table_draw(const struct display *display, const struct row *rows, double seconds);

/* ---- summary.c ---- */

/* After the runtime has ended: prints the totals. Whether nothing was lost; `lossy`: the simulated
 * network was told to lose datagrams, so those do not count. */
bool summary(const struct app *app, const struct udp_totals *udp, bool lossy);

#endif
