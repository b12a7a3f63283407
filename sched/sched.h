/* The scheduler's own structs: a runtime, its workers, its controllers. */
#ifndef LEAT_SCHED_H
#define LEAT_SCHED_H

#include <pthread.h>

#include <leat/runtime.h>

#include "host.h"
#include "io.h"
#include "sim.h"
#include "sockets.h"
#include "timers.h"

#define ROUND_DONE 64u    /* completions reaped at once */
#define WALK_PORTION 4096u /* cells looked at in one turn of the loop when all are */
#define TIMERS_PORTION 1024u /* deadlines fired in one turn of the loop */

/* A walk over all actors of a worker, in portions. */
struct walk {
    enum walk_kind {
        WALK_NONE,
        WALK_SHUTDOWN,
        WALK_KILL,
    } kind;
    uint32_t next; /* slot */
};

struct worker {
    struct host         *host;
    struct leat_runtime *runtime;
    const struct io_ops *ops;
    struct io           *io;
    struct timers        timers;
    struct sockets       sockets;
    struct cell         *system; /* the worker's own mailbox */
    struct walk          walk;
    leat_time            shutdown_at; /* when what is left is stopped by force; 0: not closing */
    leat_time            gap_ns;      /* how long it lately had nothing to do, a running mean */
    leat_time            spin_ns;
    leat_time            clock;       /* read last */
    pthread_t            thread;
    bool                 has_thread;
    uint32_t             tid; /* of the thread that runs it; 0: none yet */
    uint32_t             ended; /* 1: the loop has returned */
    uint64_t             slow_actors; /* the watchdog's */
    bool                 is_due; /* simulation: its next turn may find something */
    struct io_done       done[ROUND_DONE];
};

enum runtime_phase {
    PHASE_OPEN,
    PHASE_RUNNING, /* by leat_runtime_run, in its caller's thread */
    PHASE_STARTED, /* by leat_runtime_start */
    PHASE_ENDED,   /* leat_runtime_run has returned, or is about to */
};

struct leat_runtime {
    struct leat_config   config;
    const struct io_ops *ops;
    struct registry      registry;
    struct pools         pools;
    struct worker       *workers[LEAT_WORKERS_MAX];
    struct sim_world    *world; /* NULL: not simulated */
    bool                 io_refused; /* a worker's backend could not start */
    uint32_t             instant_rounds; /* simulated turns since time moved */
    uint32_t             phase; /* enum runtime_phase */
    uint32_t             stop_asked;
    uint32_t             until_empty; /* 1: it ends with its last actor */
    uint32_t             ended;       /* 1: the workers' loops return */
    uint32_t             gone;        /* how many have */
    pthread_t            watchdog;
    bool                 has_watchdog;
    bool                 watchdog_stop;
    pthread_mutex_t      watchdog_lock;
    pthread_cond_t       watchdog_wake;

    pthread_mutex_t          lock; /* controllers, and the sums of closed ones */
    struct leat_controller  *controllers[LEAT_CONTROLLERS_MAX];
    uint32_t                 controllers_len;
    struct leat_worker_stats closed;
};

/* ---- runtime.c ---- */

/* Says it through config.log. */
__attribute__((format(printf, 3, 4))) void runtime_log(const struct leat_config *config,
                                                       enum leat_log_level level,
                                                       const char *format, ...);

/* Wakes whoever sleeps. Any thread; the first also from a signal handler. */
void runtime_wake_workers(struct leat_runtime *runtime);
void runtime_wake_controllers(struct leat_runtime *runtime);

/* Whether all loops have returned: controllers receive nothing new from here on. */
bool runtime_is_gone(const struct leat_runtime *runtime);

/* ---- worker.c ---- */

/* A host takes what it needs to know from the configuration. */
void host_configure(struct host *host, const struct leat_config *config);

/* -ENOMEM or the backend's error, said through the log; nothing is left behind then. */
int  worker_open(struct leat_runtime *runtime, uint32_t index);
void worker_close(struct worker *worker);

/* The loop, until the runtime has ended. */
void worker_run(struct worker *worker);

/* One turn of it: reap, deadlines, actors. `deadline`: how long to wait for the kernel. */
void worker_round(struct worker *worker, leat_time deadline);

/* Whether a turn has something to do just now, and when it next will have. */
bool      worker_is_ready(const struct worker *worker);
leat_time worker_next(const struct worker *worker);

/* When the runtime has ended: one turn of I/O for streams that were closed with something queued. False:
 * there are none any more. */
bool worker_send_rest(struct worker *worker, leat_time deadline);

/* When the runtime has ended: what the last actors published still goes to controllers. */
void worker_settle(struct worker *worker);

/* Before the first and after the last turn on the calling thread. */
void worker_enter(struct worker *worker);
void worker_leave(struct worker *worker);

/* The index of the worker with the fewest actors. */
uint32_t runtime_least_loaded(struct leat_runtime *runtime);

/* ---- simulation.c ---- */

/* One step: one worker's turn, or time moves on, not beyond `until`. False: there is nothing left
 * to do before then. */
bool simulation_step(struct leat_runtime *runtime, leat_time until);

/* ---- watchdog.c ---- */

int  watchdog_start(struct leat_runtime *runtime);
void watchdog_stop(struct leat_runtime *runtime);

/* The actor that has its turn on this worker; false: none. */
bool worker_current(struct worker *worker, leat_ref *ret, const char **ret_name);

/* ---- stats.c ---- */

/* Makes the worker's counters visible to other threads. */
void worker_publish(struct worker *worker);
void host_publish(struct host *host);
void host_publish_conserved(struct host *host); /* sent, delivered, refused, dead_letters */

/* Keeps what a controller has counted beyond its end; the runtime's lock is held. */
void stats_close(struct leat_runtime *runtime, const struct host *host);

/* ---- controller.c ---- */

void controller_wake(struct leat_controller *controller);
struct host *controller_host(struct leat_controller *controller);

#endif
