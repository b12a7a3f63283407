/* The transitions of one chosen actor, taken while it runs and played back slowly: WATCH_STEPS of them
 * in a row, then, when all have been shown, the next so many. */
#ifndef SCHED_DEMO_WATCH_H
#define SCHED_DEMO_WATCH_H

#include <stdatomic.h>

#include <leat/leat.h>

#define WATCH_STEPS 24u

struct watch_step {
    struct leat_trace trace;
    leat_time at; /* of the real clock, where there is one: a loop turn has one `now` */
};

struct watch_take;

struct watch {
    _Atomic(struct watch_take *) take; /* NULL: nobody is watched */
    bool virtual_time;

    /* The view's side. */
    uint32_t played;        /* of this take */
    bool any;               /* `step` has happened; false: none yet */
    struct watch_step step; /* shown now */
    leat_time since;        /* how long after the one before it, really; 0: not known */
};

/* Into the configuration of a runtime that is to be opened. */
void watch_attach(struct watch *watch, struct leat_config *config);

/* From now on this actor. -ENOMEM: nobody. */
int watch_choose(struct watch *watch, leat_ref actor);

/* Who that is, or LEAT_REF_NONE. */
leat_ref watch_actor(const struct watch *watch);

/* One step further, if it has happened: `step` and `since` are the next. */
bool watch_play(struct watch *watch);

/* Nobody is watched. While no worker runs. */
void watch_close(struct watch *watch);

#endif
