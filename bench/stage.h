/* The stage a workload plays on: a runtime with a controller, and the actors put on it.
 *
 *   struct stage stage;
 *   if (stage_open(&stage, setup, rep, NULL) != 0) return -1;
 *   stage_spawn(&stage, &behavior, args, sizeof(args[0]), n, refs);
 *   ... leat_send, stage_wait ...
 *   stage_close(&stage, &totals);
 *
 * Every function notes what went wrong in the repetition and returns -1. After a failure only
 * stage_close may be called, and must be. */
#ifndef LEAT_BENCH_STAGE_H
#define LEAT_BENCH_STAGE_H

#include <leat/leat.h>

#include "bench.h"

/* Types of the messages between stage, actors and main thread. A workload's own start at 16. */
enum stage_message {
    STAGE_READY = 1, /* actors to controller */
    STAGE_START,     /* controller to actors */
    STAGE_DONE,      /* actors to controller; payload: a uint64_t, the workload's own */
    STAGE_OWN = 16,
};

struct stage {
    const struct setup *setup;
    struct rep         *rep;
    leat_runtime       *runtime;
    leat_controller    *controller;
    leat_ref            home;    /* the controller's */
    uint64_t            spawned; /* for taking the workers in turn */
};

/* Sums over workers and controllers, taken after the runtime has ended. */
struct totals {
    uint64_t sent, delivered, refused, dead_letters;
    uint64_t spawned, stopped;
    uint64_t recv_datagrams, sent_datagrams, recv_dropped, send_errors;
};

/* The configuration `setup` asks for, to be changed and given to stage_open. */
struct leat_config stage_config(const struct setup *setup);

/* Opens and starts a runtime. config NULL: stage_config. */
int stage_open(struct stage *stage, const struct setup *setup, struct rep *rep,
               const struct leat_config *config);

/* n actors, children of one that lives on the first worker: so all are there, or on the workers in
 * turn. args: n arguments of arg_size bytes each, or one for all when `same_arg`. Waits until they
 * exist; refs (n, or NULL) receives them. */
struct cast {
    const struct leat_behavior *behavior;
    const void                 *args;
    uint32_t                    arg_size;
    bool                        same_arg;
    uint32_t                    n;
    leat_ref                   *refs;
};
int stage_spawn(struct stage *stage, const struct cast *cast);

/* Sends, which must not be refused. */
int stage_send(struct stage *stage, leat_ref to, uint32_t type, const void *payload, size_t len);

/* The next message to the controller, which must be of that type; ret may be NULL. */
int stage_wait(struct stage *stage, uint32_t type, struct leat_event *ret);

/* Waits for one STAGE_DONE and returns its value in *ret. */
int stage_wait_done(struct stage *stage, uint64_t *ret);

/* Ends the runtime, checks that nothing was lost on the way and that its pools balance. */
int stage_close(struct stage *stage, struct totals *ret);

#endif
