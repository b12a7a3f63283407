/* The demo as a whole: a runtime and what plays in it, what is known about it, and how it is shown.
 * All of it is the controller's thread. */
#ifndef SCHED_DEMO_DEMO_H
#define SCHED_DEMO_DEMO_H

#include "app.h"
#include "figures.h"
#include "messages.h"
#include "scene.h"
#include "watch.h"

enum display {
    DISPLAY_VIEW,  /* the terminal, with keys */
    DISPLAY_TABLE, /* the terminal, where there is no terminal library */
    DISPLAY_LINES, /* a line a second */
    DISPLAY_JSON,  /* an object a second */
    DISPLAY_NONE,  /* the script has its own */
};

/* Sums over all runtimes that have ended. */
struct totals {
    unsigned runs;
    char io[64]; /* their backends, in order */
    struct leat_worker_stats messages;
    struct udp_totals udp;
    uint64_t sim_hash;
    bool balanced; /* each of them */
    bool may_lose; /* datagrams: the network was told to lose some, or the load was turned up */
};

struct demo {
    struct flags *flags;
    struct scene_config scene_config;
    uint64_t loss; /* percent, of the simulated network */
    enum display display;

    struct app app;
    struct scene scene;
    struct figures figures;
    struct watch watch;
    struct udp_totals udp; /* of this runtime */
    struct totals totals;
    bool is_open; /* a runtime is */
    int status;   /* the first error */

    /* The runtime to come after this one, chosen by a key or the script. */
    bool again;
    const char *next_io;
    uint64_t next_loss;

    /* The view. */
    bool paused, help;
    uint32_t cast_at; /* who is watched */
    uint64_t frames;
};

/* ---- demo.c: one runtime after the other ---- */

/* Opens and fills the first runtime, or the next one, and starts it. */
int demo_open(struct demo *demo);
int demo_reopen(struct demo *demo);

/* What the controller was given; false: it was a period of statistics, which is the caller's. */
bool demo_event(struct demo *demo, const struct leat_event *event);

/* The actor at `cast_at` is the one that is watched, also when another has taken its place. */
void demo_watch(struct demo *demo);

/* The runtime is to end, and another one with this backend to follow. */
void demo_again(struct demo *demo, const char *io, uint64_t loss);

/* The runtime has ended: its totals. */
void demo_ended(struct demo *demo);

/* The backend after this one, around in a circle. */
const char *demo_next_io(const struct demo *demo);

bool demo_is_sim(const struct demo *demo);

/* ---- keys.c ---- */

/* What has been typed since the last frame. */
void keys_take(struct demo *demo);

struct key_help {
    const char *key, *label, *help;
};

/* For the view: all keys, ends with a NULL key. */
const struct key_help *keys_help(void);

/* ---- lines.c, table.c ---- */

void lines_show(const struct figures *figures);
void lines_show_json(const struct figures *figures);
void table_show(const struct figures *figures);

/* ---- script.c ---- */

/* The tour, with the first runtime open and started. Whether all that it claims was so. */
bool script_run(struct demo *demo);

/* ---- summary.c ---- */

/* Prints the totals; whether every message is accounted for, and every datagram that must be. */
bool summary(const struct totals *totals, bool json);

#endif
