/* A worker: one thread's loop around its host.
 *
 * A turn of the loop: hand outputs to the kernel and reap, deadlines, then run ready actors, also
 * those made ready meanwhile, until there are none or ROUND_WORK inputs and outputs have gone by;
 * only then are clock and kernel looked at again. With nothing to do it spins for as long as that
 * has lately paid, then sleeps until the next deadline or a wake-up. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "sched.h"
#include "streams.h"

#define CLOCK_LOOKS 32u /* at the bell, between two looks at the clock */
#define SOCKET_LOOKS 8u /* the same, where the kernel is asked too */
#define ANSWER_LOOKS 400u /* about 0.2 us */

/* ---- what actors ask of the scheduler ---- */

static int ops_socket_output(struct host *host, struct cell *cell, union node *out)
{
    struct worker *worker = host->sched;
    return sockets_output(&worker->sockets, cell, out);
}

static union node *ops_stream_next(struct host *host, struct cell *cell, leat_ref to,
                                   union node *node)
{
    struct worker *worker = host->sched;
    return stream_next(&worker->sockets, cell, to, node);
}

static void ops_rearm(struct host *host, struct cell *cell)
{
    struct worker *worker = host->sched;
    if (timers_rearm(&worker->timers, cell) < 0) {
        host_log(host, LEAT_LOG_ERROR, ++host->logged_timers, "no memory for a deadline of actor %s: it is lost",
                 cell->behavior->name);
    }
}

static void ops_forget(struct host *host, struct cell *cell)
{
    struct worker *worker = host->sched;
    timers_remove(&worker->timers, cell);
    if (cell->sockets != NULL) {
        sockets_forget(&worker->sockets, &cell->sockets);
    }
}

static void ops_forget_sockets(struct host *host, void **list)
{
    struct worker *worker = host->sched;
    sockets_forget(&worker->sockets, list);
}

static int ops_place(struct host *host, int at)
{
    struct worker *worker = host->sched;
    if (at == LEAT_WORKER_SAME) {
        return (int)host->index;
    }
    if (at == LEAT_WORKER_BEST) {
        return (int)runtime_least_loaded(worker->runtime);
    }
    return at >= 0 && (uint32_t)at < worker->runtime->config.workers ? at : -EINVAL;
}

static leat_time ops_clock(struct host *host)
{
    struct worker *worker = host->sched;
    return worker->ops->now(worker->io);
}

static const struct host_ops worker_ops = {
    .socket_output = ops_socket_output,
    .stream_next = ops_stream_next,
    .rearm = ops_rearm,
    .forget = ops_forget,
    .forget_sockets = ops_forget_sockets,
    .place = ops_place,
    .clock = ops_clock,
};

/* ---- open, close ---- */

static void bell_wake(void *context)
{
    struct worker *worker = context;
    worker->ops->wake(worker->io);
}

static int io_open(struct worker *worker, uint32_t index)
{
    const struct leat_config *config = &worker->runtime->config;
    struct io_config io_config = {
        .pool = worker->host->pool,
        .send_queue_len_max = config->send_queue_len_max,
        .stream_queue_max = config->stream_queue_max,
        .worker = index,
        .world = worker->runtime->world,
        .log = config->log,
        .log_context = config->log_context,
    };
    worker->ops = worker->runtime->ops;
    return worker->ops->init(&io_config, &worker->io);
}

void host_configure(struct host *host, const struct leat_config *config)
{
    host->trace = config->trace;
    host->trace_context = config->trace_context;
    host->log = config->log;
    host->log_context = config->log_context;
    host->send_wait_ns = config->send_wait_ns;
    host->drain_warn_ns = config->drain_warn_ns;
    host->mailbox_len_max = config->mailbox_len_max;
}

int worker_open(struct leat_runtime *runtime, uint32_t index)
{
    const struct leat_config *config = &runtime->config;
    struct pool *pool = pool_open(&runtime->pools, (uint16_t)index, config->recv_bufs_max);
    struct worker *worker = mem_zalloc(sizeof(*worker), 64);
    struct host *host = pool != NULL ? host_open(&runtime->registry, index, pool) : NULL;
    if (worker == NULL || host == NULL) {
        goto no_memory;
    }
    host_configure(host, config);
    host->ops = &worker_ops;
    host->sched = worker;
    host->bell.wake = bell_wake;
    host->bell.context = worker;
    host->hash = runtime->world != NULL ? UINT64_C(0xcbf29ce484222325) : 0;
    host->is_watched = host->trace != NULL || host->hash != 0;
    worker->host = host;
    worker->runtime = runtime;
    worker->timers.registry = &runtime->registry;
    worker->spin_ns = (leat_time)config->spin_us * LEAT_US;
    worker->system = bus_open(host);
    if (worker->system == NULL) {
        goto no_memory;
    }
    int status = io_open(worker, index);
    if (status < 0) {
        runtime->io_refused = true;
        runtime_log(config, LEAT_LOG_WARNING, "worker %u: cannot start I/O backend %s: %s%s", index,
                    runtime->ops->name, strerror(-status),
                    status == -EMFILE ? "; raise the limit of open files (ulimit -n)" : "");
        host_mailbox_close(host, worker->system);
        bus_close(host);
        host_close(host);
        mem_free(worker);
        return status;
    }
    worker->sockets = (struct sockets){.ops = worker->ops,
                                       .io = worker->io,
                                       .host = host,
                                       .routes_max = config->routes_max};
    runtime->workers[index] = worker;
    return 0;

no_memory:
    if (host != NULL) {
        host_close(host);
    }
    mem_free(worker);
    return -ENOMEM;
}

void worker_close(struct worker *worker)
{
    pool_set_current(worker->host->pool);
    host_resume_walks(worker->host);
    for (struct cell *cell; (cell = host_next(worker->host)) != NULL;) {
        LEAT_ASSERT(cell == worker->system); /* a publish that came too late */
        cell->flags &= (uint16_t)~CELL_SCHEDULED;
    }
    host_mailbox_close(worker->host, worker->system);
    bus_close(worker->host);
    sockets_fini(&worker->sockets);
    worker->ops->fini(worker->io);
    pool_set_current(NULL);
    timers_fini(&worker->timers);
    mem_free(worker);
}

void worker_enter(struct worker *worker)
{
    pool_set_current(worker->host->pool);
}

void worker_leave(struct worker *worker)
{
    store_relaxed_ptr(&worker->host->running, NULL);
    pool_flush(worker->host->pool);
    worker_publish(worker);
    pool_set_current(NULL);
}

/* ---- walks over all actors of a worker ---- */

static uint32_t slots_len(const struct worker *worker)
{
    return load_acquire_u32(&worker->host->registry->cells_len);
}

/* One more portion; false: the walk has ended. */
static bool walk_on(struct worker *worker)
{
    struct host *host = worker->host;
    uint32_t len = slots_len(worker);
    for (uint32_t i = 0; i < WALK_PORTION && worker->walk.next < len; i++) {
        struct cell *cell = host_actor_at(host, worker->walk.next++);
        if (cell == NULL) {
            continue;
        }
        if (worker->walk.kind == WALK_SHUTDOWN) {
            cell->flags |= CELL_SHUTDOWN;
            host_ready(host, cell);
        } else {
            cell->flags |= CELL_ENDING;
            if ((cell->flags & CELL_SCHEDULED) == 0) { /* parked or not */
                host_schedule(host, cell);
            }
        }
    }
    if (worker->walk.next < len) {
        return true;
    }
    worker->walk.kind = WALK_NONE;
    return false;
}

/* ---- shutdown ---- */

static void shutdown_on(struct worker *worker)
{
    struct leat_runtime *runtime = worker->runtime;
    if (worker->shutdown_at == 0) {
        worker->shutdown_at = worker->host->now + runtime->config.shutdown_ns;
        worker->host->shutting_down = true;
        worker->walk = (struct walk){.kind = WALK_SHUTDOWN};
    } else if (worker->walk.kind == WALK_NONE && worker->host->now >= worker->shutdown_at) {
        worker->shutdown_at = worker->host->now + 10 * LEAT_MS; /* again, for those spawned late */
        worker->walk = (struct walk){.kind = WALK_KILL};
    }
    if (worker->walk.kind != WALK_NONE) {
        walk_on(worker);
    }
}

static bool is_stopping(const struct worker *worker)
{
    return load_acquire_u32(&worker->runtime->stop_asked) != 0;
}

/* With no actor left, the loops end: after leat_runtime_stop, and with leat_runtime_run at once. */
static void end_with_last_actor(struct worker *worker)
{
    struct leat_runtime *runtime = worker->runtime;
    bool may_end = is_stopping(worker) || load_relaxed_u32(&runtime->until_empty) != 0;
    if (!may_end || worker->host->count.actors > 0) {
        return;
    }
    fence_full(); /* two workers whose last actors end at once: one sees the other's */
    if (!registry_has_actors(&runtime->registry) &&
        exchange_seq_u32(&runtime->ended, 1) == 0) {
        runtime_wake_workers(runtime);
    }
}

/* ---- the loop ---- */

static leat_time read_clock(struct worker *worker)
{
    return worker->clock = worker->ops->now(worker->io);
}

static void fire_deadlines(struct worker *worker)
{
    struct host *host = worker->host;
    for (uint32_t i = 0; i < TIMERS_PORTION; i++) {
        struct cell *cell = timers_due(&worker->timers, host->now);
        if (cell == NULL) {
            break;
        }
        __builtin_prefetch(cell->state); /* its turn comes soon */
        cell->flags |= CELL_TICK;
        host_ready(host, cell);
    }
}

/* Looks at the bell a little longer: what was just sent to another worker is often answered before
 * a look at the clock and the kernel would be over. */
static bool answer_comes(const struct worker *worker)
{
    if (worker->spin_ns == 0 || worker->host->count.sockets > 0) {
        return false; /* datagrams wait to be handed to the kernel */
    }
    for (uint32_t i = 0; i < ANSWER_LOOKS; i++) {
        if (!bell_is_silent(&worker->host->bell)) {
            return true;
        }
    }
    return false;
}

static void run_ready(struct worker *worker)
{
    struct host *host = worker->host;
    void (*turn)(struct host *, struct cell *) =
        host->is_watched ? actor_turn_watched : actor_turn;
    host->work = 0;
    if (LEAT_UNLIKELY(host->spare == NULL)) {
        host->spare = pool_take(host->pool); /* NULL: no memory; drains give way until there is */
    }
    bool was_rung = !bell_is_silent(&host->bell);
    if (was_rung) {
        host_answer(host);
    }
    host_resume_walks(host);
    while (host->work < ROUND_WORK) {
        if (LEAT_UNLIKELY(!bell_is_silent(&host->bell))) {
            host_answer(host);
            was_rung = true;
        }
        struct cell *cell = host_next(host);
        if (LEAT_LIKELY(cell != NULL)) {
            turn(host, cell);
            continue;
        }
        if (!was_rung || !answer_comes(worker)) {
            break;
        }
        was_rung = false;
    }
    store_relaxed_ptr(&host->running, NULL);
}

/* What the loop looks at besides messages, all of it rare. */
static void run_chores(struct worker *worker)
{
    struct host *host = worker->host;
    if (LEAT_UNLIKELY(timers_next(&worker->timers) <= host->now)) {
        leat_time before = read_clock(worker);
        fire_deadlines(worker);
        host->count.time_timers_ns += read_clock(worker) - before;
    }
    if (LEAT_UNLIKELY(host->parks != NULL)) {
        park_expire(host);
    }
    if (LEAT_UNLIKELY(worker->sockets.waits != NULL || worker->sockets.errors_len > 0)) {
        sockets_expire(&worker->sockets);
    }
    if (LEAT_UNLIKELY(host->limbo != NULL)) {
        host_sweep(host);
    }
    if (LEAT_UNLIKELY(is_stopping(worker))) {
        shutdown_on(worker);
    }
}

void worker_round(struct worker *worker, leat_time deadline)
{
    struct host *host = worker->host;
    leat_time before = worker->clock;
    unsigned done = worker->ops->turn(worker->io, deadline, worker->done, ROUND_DONE);
    if (deadline != 0 && bell_awake(&host->bell)) { /* before anything else: nobody need wake it */
        host->count.wakes++;
    }
    host->now = read_clock(worker);
    if (deadline == 0 && worker->runtime->world == NULL) {
        host->count.time_io_ns += host->now - before;
    } else {
        host->count.time_idle_ns += host->now - before;
    }
    host->count.loops++;
    if (done > 0) {
        sockets_done(&worker->sockets, worker->done, done);
    }
    run_chores(worker);
    run_ready(worker);
    end_with_last_actor(worker);
    pool_flush(host->pool);
    host->count.time_actors_ns += read_clock(worker) - host->now;
    worker_publish(worker);
}

bool worker_is_ready(const struct worker *worker)
{
    return host_is_ready(worker->host) || !bell_is_silent(&worker->host->bell) ||
           worker->walk.kind != WALK_NONE ||
           (worker->shutdown_at == 0 && is_stopping(worker)); /* which it has not begun yet */
}

static leat_time sooner(leat_time a, leat_time b)
{
    return a < b ? a : b;
}

leat_time worker_next(const struct worker *worker)
{
    leat_time next = timers_next(&worker->timers);
    next = sooner(next, park_next(worker->host));
    next = sooner(next, sockets_next(&worker->sockets));
    if (worker->host->limbo != NULL) { /* a sender is on its way out: look again soon */
        next = sooner(next, worker->clock + LEAT_MS);
    }
    if (is_stopping(worker)) {
        next = sooner(next, sooner(worker->shutdown_at, worker->clock + 10 * LEAT_MS));
    }
    return next;
}

static bool has_news(const struct worker *worker)
{
    return !bell_is_silent(&worker->host->bell) ||
           load_relaxed_u32(&worker->runtime->ended) != 0;
}

/* Waits for news by looking at memory, and now and then at the sockets. True: there is some. */
static bool spin(struct worker *worker, leat_time next)
{
    uint32_t looks = worker->host->count.sockets > 0 ? SOCKET_LOOKS : CLOCK_LOOKS;
    leat_time start = worker->clock;
    leat_time until = start + worker->spin_ns < next ? start + worker->spin_ns : next;
    while (worker->clock < until) {
        for (uint32_t i = 0; i < looks; i++) {
            if (has_news(worker)) {
                read_clock(worker);
                worker->host->count.time_idle_ns += worker->clock - start;
                return true;
            }
            cpu_pause();
        }
        leat_time before = worker->clock;
        if (worker->host->count.sockets > 0) {
            worker->host->count.time_idle_ns += before - start;
            uint64_t inputs = host_inputs(worker->host);
            worker_round(worker, 0);
            start = worker->clock;
            if (host_inputs(worker->host) != inputs || worker_is_ready(worker)) {
                return true;
            }
        } else {
            read_clock(worker);
        }
    }
    worker->host->count.time_idle_ns += worker->clock - start;
    return next <= worker->clock;
}

/* Nothing is ready. Returns with how long to let the kernel wait, 0 not at all. */
static leat_time idle(struct worker *worker)
{
    struct bell *bell = &worker->host->bell;
    leat_time next = worker_next(worker);
    if (worker_is_ready(worker)) {
        return 0;
    }
    bool pays = worker->gap_ns < worker->spin_ns;
    if (pays && spin(worker, next)) {
        return 0;
    }
    next = worker_next(worker); /* a drain that ended while it spun may have set a deadline */
    if (worker_is_ready(worker)) {
        return 0;
    }
    worker->host->count.sleeps++;
    worker_publish(worker);
    pool_flush(worker->host->pool);
    if (!bell_sleep(bell)) {
        return 0;
    }
    return load_acquire_u32(&worker->runtime->ended) != 0 ? 0 : next;
}

bool worker_send_rest(struct worker *worker, leat_time deadline)
{
    unsigned done = worker->ops->turn(worker->io, deadline, worker->done, ROUND_DONE);
    worker->host->now = read_clock(worker);
    sockets_done(&worker->sockets, worker->done, done);
    return worker->sockets.leaving_len > 0;
}

void worker_settle(struct worker *worker)
{
    struct host *host = worker->host;
    host_answer(host);
    host_collect(host, worker->system);
    host->is_settling = true;
    while (host_is_ready(host)) {
        host_resume_walks(host);
        struct cell *cell = host_next(host);
        LEAT_ASSERT(cell == worker->system); /* there is no actor any more */
        host->work = 0;
        actor_turn(host, cell);
    }
}

void worker_run(struct worker *worker)
{
    struct host *host = worker->host;
    store_release_u32(&worker->tid, (uint32_t)gettid());
    worker_enter(worker);
    read_clock(worker);
    worker_round(worker, 0); /* a runtime without actors may end at once */
    leat_time idle_since = 0;
    while (load_acquire_u32(&worker->runtime->ended) == 0) {
        leat_time deadline = 0;
        uint64_t inputs = host_inputs(host);
        if (!worker_is_ready(worker)) {
            idle_since = idle_since != 0 ? idle_since : worker->clock;
            deadline = idle(worker);
        }
        worker_round(worker, deadline);
        if (idle_since != 0 && host_inputs(host) != inputs) {
            leat_time gap = host->now > idle_since ? host->now - idle_since : 0;
            gap = gap < LEAT_SEC ? gap : LEAT_SEC;
            worker->gap_ns = (3 * worker->gap_ns + gap) / 4;
            idle_since = 0;
        }
    }
    leat_time until = worker->clock + worker->runtime->config.shutdown_ns;
    while (worker->sockets.leaving_len > 0 && worker->clock < until) {
        worker_send_rest(worker, until);
    }
    worker_settle(worker);
    while (host->limbo != NULL) { /* what was on its way to the last actors is to be counted */
        host_answer(host);
        host_sweep(host);
        cpu_pause();
    }
    if (worker->ops->leave != NULL) {
        worker->ops->leave(worker->io);
    }
    worker_leave(worker);
    store_release_u32(&worker->ended, 1);
    if (fetch_add_seq_u32(&worker->runtime->gone, 1) + 1 == worker->runtime->config.workers) {
        runtime_wake_controllers(worker->runtime); /* all figures are final */
    }
}
