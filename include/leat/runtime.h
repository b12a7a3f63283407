/* The runtime: workers that run actors, and the controllers through which other threads reach them.
 *
 *   struct leat_config config = leat_config_default();
 *   leat_runtime *runtime;
 *   leat_controller *controller;
 *   leat_runtime_open(&config, &runtime);
 *   leat_controller_open(runtime, &controller);
 *   leat_spawn(controller, &behavior, NULL, 0, LEAT_WORKER_BEST, NULL);
 *   leat_runtime_run(runtime);          until leat_runtime_stop, or no actor is left
 *   leat_controller_close(controller);
 *   leat_runtime_close(runtime);
 *
 * Functions return 0 or a negative errno; what was tried and what the user can do is said once
 * through config.log. */
#ifndef LEAT_RUNTIME_H
#define LEAT_RUNTIME_H

#include <leat/actor.h>
#include <leat/channel.h>
#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_runtime    leat_runtime;
typedef struct leat_controller leat_controller;

/* ---- configuration ---- */

#define LEAT_WORKERS_MAX 64u
#define LEAT_CONTROLLERS_MAX 128u /* open at once */

enum leat_log_level {
    LEAT_LOG_ERROR,
    LEAT_LOG_WARNING,
    LEAT_LOG_INFO,
};

/* The network of `io = "sim"`. Probabilities are 0..1, each datagram draws for itself. */
struct leat_sim_config {
    double    loss;
    double    duplicate;
    double    reorder;      /* a reordered datagram is delayed once more */
    leat_time delay_min_ns; /* one way */
    leat_time delay_max_ns;
};

/* States of an actor, and of a group, as in the two tables of docs/architecture.md. */
enum leat_actor_state {
    LEAT_STATE_CREATED,
    LEAT_STATE_WAITING,
    LEAT_STATE_ON_TICK,
    LEAT_STATE_ON_INPUT,
    LEAT_STATE_POP_OUTPUT, /* not of groups */
    LEAT_STATE_STOPPED,
    LEAT_STATE_ON_TICK_MEMBER,   /* groups: OnTickSingleTask */
    LEAT_STATE_POP_TICK_OUTPUT,  /* PopCurrentTickTaskOutput */
    LEAT_STATE_ON_INPUT_MEMBER,  /* OnInputSingleTask */
    LEAT_STATE_POP_INPUT_OUTPUT, /* PopCurrentInputTaskOutput */
};

/* One transition of one actor, or of one group. A pause or a parked drain is no transition. Those into
 * ON_INPUT (of a group: ON_INPUT_MEMBER) and out of a state with an output tell what was given or
 * popped; a message keeps its number from the output to the input, one that is published in all its copies. */
struct leat_trace {
    leat_time                   now;
    leat_ref                    actor;
    leat_ref                    member; /* of the group `actor`; else LEAT_REF_NONE. To STOPPED: only
                                           the member has ended */
    const struct leat_behavior *behavior;
    uint16_t                    worker;
    uint8_t                     from; /* enum leat_actor_state */
    uint8_t                     to;
    uint8_t                     kind; /* enum leat_event_kind given, or leat_output_kind popped; 0: none */
    leat_ref                    peer; /* who sent the message given, or is to get the one popped */
    uint64_t                    message; /* its number while it is on its way; 0: no message */
};

struct leat_config {
    uint32_t    workers; /* 1..LEAT_WORKERS_MAX; default: one for each CPU the process may use */
    const char *io;      /* "auto", "uring", "epoll", "poll" or "sim"; default "auto": the first of
                            the first three that works here, for all workers; why another does
                            not is logged */
    bool        pin;     /* bind each worker to one of those CPUs; default false */
    uint32_t    spin_us; /* at most, before a worker sleeps; default 50; 0 on one CPU, and where
                            workers outnumber the CPUs */
    uint32_t  mailbox_len_max;  /* messages, where the behaviour does not say; default 1024 */
    leat_time send_wait_ns;     /* the longest LEAT_FULL_WAIT; default 100 ms */
    leat_time drain_warn_ns;    /* a drain open longer is counted and named; default 1 s */
    leat_time shutdown_ns;      /* what actors have to finish in, and then what they wrote to streams has to
                                   leave in; default 1 s */
    leat_time watchdog_ns;      /* an actor that holds its worker longer is named; default 10 ms */
    uint32_t  actors_max;       /* live at once; default 16,000,000 */
    uint32_t  recv_bufs_max;    /* receive buffers of 64 KiB per worker; default 256, at least 4
                                   (of "sim" 1): datagrams, packets and streams need some each */
    uint32_t  send_queue_len_max; /* datagrams per socket that wait for the kernel; default 1024 */
    uint32_t  stream_queue_max; /* bytes per stream that wait for the kernel; default 262,144 */
    uint32_t  routes_max;       /* per socket; default 65,536 */
    uint64_t  seed;             /* "sim": the same seed replays the same run */
    struct leat_sim_config sim;

    /* Called on any of the runtime's threads; what may recur is said the first, second, fourth, ...
     * time. Default: errors and warnings to stderr. NULL: silent. `text` is one line, lent. */
    void (*log)(void *context, enum leat_log_level level, const char *text);
    void *log_context;

    /* Every transition, on the actor's worker; costs nothing when NULL, the default. `trace` is lent. */
    void (*trace)(void *context, const struct leat_trace *trace);
    void *trace_context;
};

/* The defaults named above. */
LEAT_API struct leat_config leat_config_default(void);

/* ---- life ---- */

/* Builds a runtime; nothing runs yet. The caller owns it and closes it. Any thread; may block for
 * memory and probing. -EINVAL (a setting is wrong), -ENOMEM, or the backend's own error. */
LEAT_API int leat_runtime_open(const struct leat_config *config, leat_runtime **ret);

/* Starts all workers in threads of their own and returns; they run until leat_runtime_stop. With
 * "sim" there is one thread, the caller's: nothing runs but in leat_receive. Once: -EALREADY. */
LEAT_API int leat_runtime_start(leat_runtime *runtime);

/* Runs the first worker in the calling thread, the others in threads of their own, until
 * leat_runtime_stop, or until no actor is left. 0, also when actors have failed: who monitors them is told. In simulation it runs all of it, and also ends when
 * nothing is left to happen. Once: -EALREADY. */
LEAT_API int leat_runtime_run(leat_runtime *runtime);

/* Asks for shutdown: every actor is given SHUTDOWN, also those that actors spawn from now on; what is
 * still there after shutdown_ns is stopped by force, then the workers end. Idempotent, does not wait. Any thread or signal handler. */
LEAT_API void leat_runtime_stop(leat_runtime *runtime);

/* Stops, waits for the workers and frees everything. All controllers must be closed before.
 * Blocks up to three times shutdown_ns and send_wait_ns: streams that were closed with something queued
 * have as long as the actors had; in simulation, and for a runtime that was never
 * run, the actors end in the caller's thread. -ETIMEDOUT: an actor, named in the log, has not returned; its
 * thread and the runtime's memory are left alone. -EBUSY: a controller is open. -EPROTO: the pools
 * do not balance (a body was leaked, or freed twice), said in the log; the memory is freed. */
LEAT_API int leat_runtime_close(leat_runtime *runtime);

/* ---- controllers: the door for threads outside ---- */

/* A door for one thread at a time, with a mailbox (mailbox_len_max) and a pool of its own.
 * Opened by any thread, before or while the runtime runs. -EMFILE: LEAT_CONTROLLERS_MAX. */
LEAT_API int leat_controller_open(leat_runtime *runtime, leat_controller **ret);

/* What it still held is freed. The ref is dead from here on. */
LEAT_API void leat_controller_close(leat_controller *controller);

/* Actors send to it as to any actor. */
LEAT_API leat_ref leat_controller_ref(const leat_controller *controller);

/* A new actor on `worker` (index, LEAT_WORKER_BEST). `arg` is copied: its arg_size bytes, 0 for none,
 * reach init. *ret (may be NULL) is its ref at once:
 * messages sent before init wait in its mailbox. If init fails the controller is given DOWN.
 * Never blocks. -EINVAL, -ENOMEM, -ENOSPC (actors_max), -ESHUTDOWN (the runtime is stopping). */
LEAT_API int leat_spawn(leat_controller *controller, const struct leat_behavior *behavior,
                        const void *arg, uint32_t arg_size, int worker, leat_ref *ret);

/* A message of up to LEAT_INLINE_MAX bytes, copied. Never blocks. 0; -EAGAIN: the mailbox is full;
 * -ESRCH: nobody there any more (a dead letter); -EMSGSIZE; -ENOMEM. */
LEAT_API int leat_send(leat_controller *controller, leat_ref to, uint32_t type,
                       const void *payload, size_t len);

/* A message with a body; on 0 the reference is given away, on an error it stays the caller's. */
LEAT_API int leat_send_body(leat_controller *controller, leat_ref to, uint32_t type,
                            leat_slice body);

/* The same message to every actor on `worker`, or on all (LEAT_WORKER_ALL), or only to those of
 * `behavior` (NULL: any). Full mailboxes refuse their copy, which is counted. Never blocks; the
 * workers deliver in portions, between other work: later sends may overtake it. -EINVAL, -EMSGSIZE,
 * -ENOMEM; -EAGAIN: a worker has too many of them and publishes waiting, and was left out. */
LEAT_API int leat_broadcast(leat_controller *controller, int worker,
                            const struct leat_behavior *behavior, uint32_t type,
                            const void *payload, size_t len);

/* Ends an actor when it has done what it was sent before. -ESRCH, -ENOMEM; -EAGAIN: it is a member of a
 * group whose mailbox is full, others never refuse. */
LEAT_API int leat_stop(leat_controller *controller, leat_ref actor);

/* Ends it at the next pop: open drain, mailbox and all. -ESRCH, -ENOMEM. */
LEAT_API int leat_kill(leat_controller *controller, leat_ref actor);

/* DOWN is received when the actor ends, after everything it sent; at once if it has ended. -EAGAIN:
 * its mailbox is full; -ENOMEM. */
LEAT_API int leat_monitor(leat_controller *controller, leat_ref actor, uint64_t cookie);

/* As leat_output_publish: to every subscriber of a channel, in order of one controller's publishes on
 * it. -EMSGSIZE; -ENOMEM; -EAGAIN: a worker has too many waiting: its subscribers did not get it. */
LEAT_API int leat_publish(leat_controller *controller, leat_channel channel, uint32_t type,
                          const void *payload, size_t len);

/* The same with a body or a batch; on 0 and -EAGAIN the reference is given away. */
LEAT_API int leat_publish_body(leat_controller *controller, leat_channel channel, uint32_t type,
                               leat_slice body);

/* As leat_output_subscribe and _unsubscribe: for this controller (LEAT_REF_NONE), an actor or a group.
 * SUBSCRIBED or UNSUBSCRIBED is received, with `cookie`. -ESRCH: no such subscriber, or as its status if it
 * ends meanwhile; -ENOMEM. */
LEAT_API int leat_subscribe(leat_controller *controller, leat_channel channel, leat_ref subscriber,
                            uint64_t cookie);
LEAT_API int leat_unsubscribe(leat_controller *controller, leat_channel channel,
                              leat_ref subscriber, uint64_t cookie);

/* A new group, as leat_output_spawn_group: *ret is its ref at once. If it cannot be made the controller
 * is given DOWN. As leat_spawn. */
LEAT_API int leat_spawn_group(leat_controller *controller, const struct leat_behavior *behavior,
                              uint32_t members_max, int worker, leat_ref *ret);

/* A new member; SPAWNED is received with `cookie` and its ref, or why there is none, as for
 * leat_output_spawn_member. -ESRCH, -ENOMEM, -ESHUTDOWN; -EAGAIN: the group's mailbox is full; -EINVAL:
 * `group` is the ref of a member. */
LEAT_API int leat_spawn_member(leat_controller *controller, leat_ref group, const void *arg,
                               uint32_t arg_size, uint64_t cookie);

/* Waits for what actors send to this controller: MESSAGE, DOWN, STATS, what it has subscribed to
 * (PUBLISHED) and the answers to what it asked for (SPAWNED, SUBSCRIBED, UNSUBSCRIBED). The event is the caller's;
 * a body in it is to be given back with leat_event_release. timeout_ns 0: look only; LEAT_NEVER:
 * for ever. In simulation it runs the simulation until then, in virtual time.
 * -ETIMEDOUT (in simulation also when nothing is left to happen); -EPIPE: the runtime has ended and
 * nothing is left to receive. */
LEAT_API int leat_receive(leat_controller *controller, leat_time timeout_ns,
                          struct leat_event *ret);

/* A descriptor for poll(2) and its kin, for a thread that waits for other descriptors too. Receive with
 * timeout 0 until -ETIMEDOUT says that there is nothing; from then on it is readable as soon as there may be
 * something again, the runtime's end included, but for STATS. Do not read it, nor close it: it is the
 * controller's, made at the first call. -EMFILE, -ENFILE, -ENOMEM; -ENOTSUP: in simulation, where nothing
 * happens by itself. */
LEAT_API int leat_controller_descriptor(leat_controller *controller);

/* Gives back the body of a MESSAGE, PUBLISHED or DATA event; does nothing for one without. */
LEAT_API void leat_event_release(struct leat_event *event);

/* The clock actors are given, virtual in simulation. */
LEAT_API leat_time leat_controller_now(const leat_controller *controller);

/* ---- statistics ---- */

/* Counters since start, but where said. All are kept by the worker itself and read without
 * stopping it, so that figures of one snapshot may be some messages apart. After the runtime has
 * ended: sent = delivered + refused + dead_letters over all workers and controllers. */
struct leat_worker_stats {
    uint64_t sent;          /* messages: SEND outputs, controllers' sends, and one for each copy that
                               a broadcast or publish made, or lost because a worker had no room */
    uint64_t delivered;     /* of those, given to on_event, or received by a controller */
    uint64_t refused;       /* of those, handed back: full mailbox or waited in vain */
    uint64_t dead_letters;  /* of those, sent to nobody or left in the mailbox of an ended actor */
    uint64_t inputs;        /* events given, of every kind */
    uint64_t outputs;       /* popped */
    uint64_t deadlines;     /* fired */
    uint64_t published;     /* PUBLISH outputs, and controllers' publishes */
    uint64_t walk_pauses;   /* walks over a group, a channel or all actors that gave way */
    uint64_t turns;         /* actor turns */
    uint64_t pauses;        /* drains that gave way after 64 outputs */
    uint64_t parks;         /* drains that waited for a full mailbox or socket */
    uint64_t long_drains;   /* open longer than drain_warn_ns */
    uint64_t slow_actors;   /* times the watchdog named one */
    uint64_t spawned;
    uint64_t stopped;       /* in any way */
    uint64_t failed;        /* of those, by FAIL or init */
    uint64_t loops;         /* turns of the worker's loop */
    uint64_t sleeps;
    uint64_t wakes;         /* sleeps ended by another thread */
    uint64_t time_io_ns;    /* where the time went, by phase of the loop */
    uint64_t time_actors_ns;
    uint64_t time_timers_ns;
    uint64_t time_idle_ns;  /* spinning and asleep */
    uint64_t wait_ns;       /* time in the mailbox, sum over a sample of 1 in 64 messages */
    uint64_t wait_samples;
    uint64_t mailbox_depth_max; /* the deepest seen, in a sample of 1 in 64 messages sent, and at each
                                   one published, broadcast, or from a socket that has to wait */
    uint64_t actors;        /* now; a group is one, and each of its members one more */
    uint64_t run_queue;     /* actors ready, now; 256: as many or more */
    uint64_t timers;        /* deadlines pending, now */
    uint64_t pool_nodes;    /* message nodes made so far, in use or free */
    uint64_t pool_bytes;    /* memory of this worker's pools, now */
    uint64_t recv_datagrams;
    uint64_t recv_bytes;    /* of datagrams and streams */
    uint64_t recv_calls;    /* system calls */
    uint64_t recv_dropped;  /* no room in the actor's mailbox, or nobody there */
    uint64_t recv_starved;  /* times all receive buffers were held by actors */
    uint64_t sent_datagrams;
    uint64_t sent_bytes;
    uint64_t send_calls;
    uint64_t send_errors;   /* datagrams the kernel did not take */
    uint64_t sockets;       /* now */
    uint64_t accepted;      /* connections */
    uint64_t accept_failed; /* turned away for want of descriptors or memory, or gone already */
};

/* One behaviour, summed over the workers. */
struct leat_behavior_stats {
    const char *name;
    uint64_t    actors; /* now */
    uint64_t    spawned;
    uint64_t    stopped;
    uint64_t    failed;
    uint64_t    inputs;
};

/* A snapshot: ret[i] is worker i, as far as `cap` allows; the number of workers is returned.
 * Any thread; never blocks. */
LEAT_API size_t leat_stats_workers(leat_runtime *runtime, struct leat_worker_stats *ret,
                                   size_t cap);

/* What controllers sent, received, were refused and lost, summed over open and closed ones: sent,
 * delivered, refused, dead_letters and published are set, the rest is 0. Any thread; never blocks. */
LEAT_API void leat_stats_controllers(leat_runtime *runtime, struct leat_worker_stats *ret);

/* The same for behaviours, in no order: find one by its name. Those beyond the first 255 of a worker are summed as "(others)". */
LEAT_API size_t leat_stats_behaviors(leat_runtime *runtime, struct leat_behavior_stats *ret,
                                     size_t cap);

/* One channel that is open and has been used, summed over the workers. A copy is for one subscriber; a
 * group is one. */
struct leat_channel_stats {
    char         name[LEAT_CHANNEL_NAME_MAX + 1];
    leat_channel channel;
    uint64_t     subscribers; /* now */
    uint64_t     published;   /* messages */
    uint64_t     delivered;   /* copies given, or put into a mailbox */
    uint64_t     refused;     /* copies for full mailboxes; 1 for a full worker, whatever it would have
                                 been there (but of a controller, which is told: -EAGAIN) */
};

/* The same for channels, in no order; takes a short lock for each, as leat_channel_open does. */
LEAT_API size_t leat_stats_channels(leat_runtime *runtime, struct leat_channel_stats *ret,
                                    size_t cap);

/* From now on leat_receive returns LEAT_EVENT_STATS every period (0: no more). The snapshot is then
 * taken with the functions above. Also before the runtime runs. */
LEAT_API void leat_stats_every(leat_controller *controller, leat_time period_ns);

/* The backend in use, "epoll" say; and what config.io may be, a NULL-terminated list, "auto" first. */
LEAT_API const char *leat_io_name(const leat_runtime *runtime);
LEAT_API const char *const *leat_io_names(void);

/* Simulation only: a hash over every event actors were given so far, and when. The same seed and
 * program give the same value. 0 with other backends. */
LEAT_API uint64_t leat_sim_hash(const leat_runtime *runtime);

#ifdef __cplusplus
}
#endif

#endif
