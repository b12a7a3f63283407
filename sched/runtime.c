/* A runtime from open to close. The order at the end: ask, tell the actors, let them drain, force
 * what is left, join, look whether every pool has its memory back, free. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "sched.h"

#define LOOK_US 200u /* between two looks whether a thread has ended */

/* ---- configuration ---- */

static uint32_t cpus_allowed(cpu_set_t *ret)
{
    if (sched_getaffinity(0, sizeof(*ret), ret) != 0) {
        CPU_ZERO(ret);
        CPU_SET(0, ret);
    }
    return (uint32_t)CPU_COUNT(ret);
}

static void log_to_stderr(void *context, enum leat_log_level level, const char *text)
{
    (void)context;
    if (level <= LEAT_LOG_WARNING) {
        fprintf(stderr, "leat: %s%s\n", level == LEAT_LOG_WARNING ? "warning: " : "", text);
    }
}

struct leat_config leat_config_default(void)
{
    cpu_set_t allowed;
    uint32_t cpus = cpus_allowed(&allowed);
    return (struct leat_config){
        .workers = cpus < LEAT_WORKERS_MAX ? cpus : LEAT_WORKERS_MAX,
        .io = "auto",
        .spin_us = 50,
        .mailbox_len_max = 1024,
        .send_wait_ns = 100 * LEAT_MS,
        .drain_warn_ns = LEAT_SEC,
        .shutdown_ns = LEAT_SEC,
        .watchdog_ns = 10 * LEAT_MS,
        .actors_max = 16000000,
        .recv_bufs_max = 256,
        .send_queue_len_max = 1024,
        .stream_queue_max = 262144,
        .routes_max = 65536,
        .seed = 1,
        .sim = {.delay_min_ns = 50 * LEAT_US, .delay_max_ns = 200 * LEAT_US},
        .log = log_to_stderr,
    };
}

void runtime_log(const struct leat_config *config, enum leat_log_level level, const char *format,
                 ...)
{
    if (config->log == NULL) {
        return;
    }
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    config->log(config->log_context, level, text);
}

static bool is_probability(double p)
{
    return p >= 0.0 && p <= 1.0;
}

/* One line about the first setting that is wrong, or NULL. */
static const char *config_fault(const struct leat_config *config)
{
    if (config->workers == 0 || config->workers > LEAT_WORKERS_MAX) {
        return "workers must be 1..64; leat_config_default() takes one for each CPU";
    }
    if (config->io == NULL) {
        return "io is NULL; use \"auto\"";
    }
    if (config->mailbox_len_max == 0 || config->mailbox_len_max > UINT32_MAX / 2) {
        return "mailbox_len_max must be 1..2147483647";
    }
    if (config->actors_max > INT32_MAX / 2) {
        return "actors_max must be at most 1073741823";
    }
    if (config->recv_bufs_max < 4 && strcmp(config->io, "sim") != 0) {
        return "recv_bufs_max must be at least 4: datagrams, packets and streams need some each";
    }
    if (config->actors_max == 0 || config->recv_bufs_max == 0 || config->send_queue_len_max == 0 ||
        config->stream_queue_max == 0) {
        return "actors_max, recv_bufs_max, send_queue_len_max and stream_queue_max must not be 0";
    }
    if (config->watchdog_ns == 0 || config->shutdown_ns == 0 || config->drain_warn_ns == 0) {
        return "watchdog_ns, shutdown_ns and drain_warn_ns must not be 0";
    }
    if (config->shutdown_ns > LEAT_NEVER / 4 || config->send_wait_ns > LEAT_NEVER / 4) {
        return "shutdown_ns and send_wait_ns must be shorter than 100 years";
    }
    if (!is_probability(config->sim.loss) || !is_probability(config->sim.duplicate) ||
        !is_probability(config->sim.reorder)) {
        return "sim.loss, sim.duplicate and sim.reorder must be 0..1";
    }
    if (config->sim.delay_min_ns > config->sim.delay_max_ns) {
        return "sim.delay_min_ns must not be above sim.delay_max_ns";
    }
    return NULL;
}

/* ---- open ---- */

static void hosts_close(struct leat_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        if (runtime->workers[i] != NULL) {
            worker_close(runtime->workers[i]);
        }
    }
    for (uint32_t i = 0; i < POOLS_MAX; i++) { /* each frees into the others' pools */
        if (runtime->registry.hosts[i] != NULL) {
            host_close(runtime->registry.hosts[i]);
        }
    }
}

static void runtime_free(struct leat_runtime *runtime)
{
    pools_fini(&runtime->pools);
    registry_fini(&runtime->registry);
    if (runtime->world != NULL) {
        sim_world_close(runtime->world);
    }
    pthread_mutex_destroy(&runtime->lock);
    mem_free(runtime);
}

static int workers_open(struct leat_runtime *runtime)
{
    struct leat_config *config = &runtime->config;
    if (strcmp(runtime->ops->name, "sim") == 0) {
        runtime->world = sim_world_open(config->seed, &config->sim);
        if (runtime->world == NULL) {
            return -ENOMEM;
        }
        config->spin_us = 0;
        config->pin = false;
    }
    cpu_set_t allowed;
    if (config->workers > cpus_allowed(&allowed) || cpus_allowed(&allowed) == 1) {
        config->spin_us = 0; /* a spinning worker would only keep another from running */
    }
    for (uint32_t i = 0; i < config->workers; i++) {
        int status = worker_open(runtime, i);
        if (status < 0) {
            return status;
        }
    }
    return 0;
}

/* With that backend. *ret_io_refused: it is what failed. */
static int open_on(const struct leat_config *config, const struct io_ops *ops, leat_runtime **ret,
                   bool *ret_io_refused)
{
    struct leat_runtime *runtime = mem_zalloc(sizeof(*runtime), 64);
    int status = -ENOMEM;
    if (runtime != NULL) {
        runtime->config = *config;
        runtime->ops = ops;
        runtime->config.io = ops->name;
        pthread_mutex_init(&runtime->lock, NULL);
        status = registry_init(&runtime->registry, config->actors_max);
        runtime->registry.workers = config->workers;
    }
    if (status == 0) {
        status = workers_open(runtime);
        if (status < 0) {
            hosts_close(runtime);
        }
    }
    if (status < 0) {
        *ret_io_refused = runtime != NULL && runtime->io_refused;
        if (runtime != NULL) {
            runtime_free(runtime);
        }
        return status;
    }
    *ret = runtime;
    return 0;
}

int leat_runtime_open(const struct leat_config *config, leat_runtime **ret)
{
    const char *fault = config_fault(config);
    if (fault != NULL) {
        runtime_log(config, LEAT_LOG_ERROR, "wrong configuration: %s", fault);
        return -EINVAL;
    }
    struct io_config io_config = {.log = config->log, .log_context = config->log_context};
    bool any = strcmp(config->io, "auto") == 0;
    const struct io_ops *ops = io_backend_find(config->io, &io_config);
    if (ops == NULL) {
        return -EINVAL;
    }
    bool io_refused = false;
    int status = open_on(config, ops, ret, &io_refused);
    while (status < 0 && any && io_refused) { /* it may work for one worker, and not for all */
        ops = io_backend_next(ops, &io_config);
        if (ops == NULL) {
            break;
        }
        runtime_log(config, LEAT_LOG_WARNING, "io \"auto\": all workers use \"%s\" instead",
                    ops->name);
        io_refused = false;
        status = open_on(config, ops, ret, &io_refused);
    }
    if (status < 0) {
        runtime_log(config, LEAT_LOG_ERROR, "cannot open a runtime of %u workers: %s",
                    config->workers, strerror(-status));
    }
    return status;
}

/* ---- run ---- */

/* Binds to the n-th CPU allowed. The worker runs anywhere if that fails. */
static void pin_to_cpu(struct worker *worker)
{
    cpu_set_t allowed;
    uint32_t cpus = cpus_allowed(&allowed);
    uint32_t nth = worker->host->index % cpus;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && nth-- == 0) {
            cpu_set_t only;
            CPU_ZERO(&only);
            CPU_SET(cpu, &only);
            if (sched_setaffinity(0, sizeof(only), &only) != 0) {
                runtime_log(&worker->runtime->config, LEAT_LOG_WARNING,
                            "worker %u: cannot bind to CPU %zu: %s; it runs anywhere",
                            worker->host->index, cpu, strerror(errno));
            }
            return;
        }
    }
}

static void *worker_thread(void *context)
{
    struct worker *worker = context;
    char name[16];
    snprintf(name, sizeof(name), "leat-%u", worker->host->index);
    pthread_setname_np(pthread_self(), name);
    if (worker->runtime->config.pin) {
        pin_to_cpu(worker);
    }
    worker_run(worker);
    return NULL;
}

static int threads_start(struct leat_runtime *runtime, uint32_t first)
{
    for (uint32_t i = first; i < runtime->config.workers; i++) {
        struct worker *worker = runtime->workers[i];
        int status = pthread_create(&worker->thread, NULL, worker_thread, worker);
        if (status != 0) {
            runtime_log(&runtime->config, LEAT_LOG_ERROR, "cannot start the thread of worker %u: %s",
                        i, strerror(status));
            return -status;
        }
        worker->has_thread = true;
    }
    return watchdog_start(runtime);
}

static bool has_passed(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec ||
           (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

/* Joins those whose loop has ended until `deadline` (CLOCK_MONOTONIC, which no pthread_timedjoin_np
 * knows); NULL: all, whenever that is. False: one is still running. */
static bool threads_join(struct leat_runtime *runtime, const struct timespec *deadline)
{
    bool all = true;
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        struct worker *worker = runtime->workers[i];
        if (!worker->has_thread) {
            continue;
        }
        while (deadline != NULL && load_acquire_u32(&worker->ended) == 0 && !has_passed(deadline)) {
            usleep(LOOK_US);
        }
        if (deadline == NULL || load_acquire_u32(&worker->ended) != 0) {
            pthread_join(worker->thread, NULL);
            worker->has_thread = false;
        }
        all = all && !worker->has_thread;
    }
    return all;
}

static int begin(struct leat_runtime *runtime, enum runtime_phase phase)
{
    pthread_mutex_lock(&runtime->lock);
    int status = load_relaxed_u32(&runtime->phase) == PHASE_OPEN ? 0 : -EALREADY;
    if (status == 0) {
        store_release_u32(&runtime->until_empty, phase == PHASE_RUNNING);
        store_release_u32(&runtime->phase, phase);
    }
    pthread_mutex_unlock(&runtime->lock);
    return status;
}

/* A thread could not be started: those that were end again. */
static int abandon(struct leat_runtime *runtime, int status)
{
    store_release_u32(&runtime->ended, 1);
    runtime_wake_workers(runtime);
    threads_join(runtime, NULL);
    watchdog_stop(runtime);
    store_release_u32(&runtime->gone, runtime->config.workers);
    runtime_wake_controllers(runtime);
    store_release_u32(&runtime->phase, PHASE_ENDED);
    return status;
}

int leat_runtime_start(leat_runtime *runtime)
{
    int status = begin(runtime, PHASE_STARTED);
    if (status == 0 && runtime->world == NULL) {
        status = threads_start(runtime, 0);
        if (status < 0) {
            abandon(runtime, status);
        }
    }
    return status;
}

static void run_simulated(struct leat_runtime *runtime)
{
    while (load_acquire_u32(&runtime->ended) == 0) {
        if (!simulation_step(runtime, LEAT_NEVER)) {
            leat_runtime_stop(runtime); /* nothing will ever happen any more */
            if (!registry_has_actors(&runtime->registry)) {
                store_release_u32(&runtime->ended, 1);
            }
        }
    }
}

int leat_runtime_run(leat_runtime *runtime)
{
    int status = begin(runtime, PHASE_RUNNING);
    if (status < 0) {
        return status;
    }
    if (runtime->world != NULL) {
        run_simulated(runtime);
        store_release_u32(&runtime->phase, PHASE_ENDED);
        return 0;
    }
    status = threads_start(runtime, 1);
    if (status < 0) {
        return abandon(runtime, status);
    }
    if (runtime->config.pin) {
        pin_to_cpu(runtime->workers[0]);
    }
    worker_run(runtime->workers[0]);
    threads_join(runtime, NULL);
    watchdog_stop(runtime);
    store_release_u32(&runtime->phase, PHASE_ENDED);
    return 0;
}

/* Another thread is in leat_runtime_run: waits for it to come out, until `deadline`. */
static bool wait_for_run(struct leat_runtime *runtime, const struct timespec *deadline)
{
    while (load_acquire_u32(&runtime->phase) == PHASE_RUNNING) {
        if (has_passed(deadline)) {
            return false;
        }
        usleep(LOOK_US);
    }
    return true;
}

/* ---- stop, close ---- */

void leat_runtime_stop(leat_runtime *runtime)
{
    store_release_u32(&runtime->stop_asked, 1);
    fence_full(); /* a worker that is about to sleep sees this, or is woken */
    runtime_wake_workers(runtime);
}

void runtime_wake_workers(struct leat_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        runtime->workers[i]->ops->wake(runtime->workers[i]->io);
    }
}

void runtime_wake_controllers(struct leat_runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    for (uint32_t i = 0; i < LEAT_CONTROLLERS_MAX; i++) {
        if (runtime->controllers[i] != NULL) {
            controller_wake(runtime->controllers[i]);
        }
    }
    pthread_mutex_unlock(&runtime->lock);
}

bool runtime_is_gone(const struct leat_runtime *runtime)
{
    if (runtime->world != NULL) {
        return load_acquire_u32(&runtime->ended) != 0;
    }
    return load_acquire_u32(&runtime->gone) == runtime->config.workers;
}

static struct timespec monotonic_after(leat_time ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t total = (uint64_t)at.tv_nsec + ns;
    at.tv_sec += (time_t)(total / LEAT_SEC);
    at.tv_nsec = (long)(total % LEAT_SEC);
    return at;
}

static void name_the_stuck(struct leat_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        struct worker *worker = runtime->workers[i];
        leat_ref actor;
        const char *name;
        if (load_acquire_u32(&worker->ended) != 0) {
            continue;
        }
        if (worker_current(worker, &actor, &name)) {
            runtime_log(&runtime->config, LEAT_LOG_ERROR,
                        "cannot close: actor %s (%llx) on worker %u has not returned; its thread "
                        "and the runtime's memory are left alone",
                        name, (unsigned long long)actor.id, i);
        } else {
            runtime_log(&runtime->config, LEAT_LOG_ERROR, "cannot close: worker %u still runs", i);
        }
    }
}

/* What every pool has given out must be home by now. */
static int check_balance(struct leat_runtime *runtime)
{
    int64_t nodes = 0;
    int64_t bufs = 0;
    for (uint32_t i = 0; i < POOLS_MAX; i++) {
        if (runtime->pools.at[i] != NULL) {
            nodes += pool_nodes_out(runtime->pools.at[i]);
            bufs += pool_bufs_out(runtime->pools.at[i]);
        }
    }
    if (nodes == 0 && bufs == 0) {
        return 0;
    }
    runtime_log(&runtime->config, LEAT_LOG_ERROR,
                "pools do not balance: %lld messages and %lld buffers were never given back; an "
                "actor keeps a body it does not unref in fini",
                (long long)nodes, (long long)bufs);
    return -EPROTO;
}

static void flush_all(struct leat_runtime *runtime)
{
    for (uint32_t i = 0; i < POOLS_MAX; i++) {
        if (runtime->pools.at[i] != NULL) {
            pool_flush(runtime->pools.at[i]);
        }
    }
}

/* Actors that no worker runs, of a runtime that was never run above all: they are ended in the
 * caller's thread. */
static void end_unrun(struct leat_runtime *runtime)
{
    while (registry_has_actors(&runtime->registry)) {
        for (uint32_t i = 0; i < runtime->config.workers; i++) {
            worker_enter(runtime->workers[i]);
            worker_round(runtime->workers[i], 0);
            worker_leave(runtime->workers[i]);
        }
        if (runtime->world != NULL) {
            simulation_step(runtime, LEAT_NEVER);
        }
    }
    store_release_u32(&runtime->ended, 1);
}

int leat_runtime_close(leat_runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    uint32_t controllers = runtime->controllers_len;
    pthread_mutex_unlock(&runtime->lock);
    if (controllers > 0) {
        runtime_log(&runtime->config, LEAT_LOG_ERROR,
                    "cannot close: %u controllers are open; close them first", controllers);
        return -EBUSY;
    }
    leat_runtime_stop(runtime);
    struct timespec deadline =
        monotonic_after(3 * runtime->config.shutdown_ns + runtime->config.send_wait_ns);
    bool is_over = wait_for_run(runtime, &deadline);
    if (is_over) {
        is_over = threads_join(runtime, &deadline);
        watchdog_stop(runtime);
    }
    if (!is_over) {
        name_the_stuck(runtime);
        return -ETIMEDOUT;
    }
    end_unrun(runtime); /* also those spawned while the last worker ended */
    hosts_close(runtime);
    flush_all(runtime);
    flush_all(runtime); /* what the first round brought home to pools already passed */
    int status = check_balance(runtime);
    runtime_free(runtime);
    return status;
}

/* ---- the rest ---- */

uint32_t runtime_least_loaded(struct leat_runtime *runtime)
{
    uint32_t best = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        const struct host *host = runtime->workers[i]->host;
        uint64_t load =
            load_relaxed_u64(&host->published.actors) + load_relaxed_u32(&host->arriving);
        if (load < least) {
            least = load;
            best = i;
        }
    }
    return best;
}

const char *leat_io_name(const leat_runtime *runtime)
{
    return runtime->ops->name;
}

const char *const *leat_io_names(void)
{
    return io_backend_names();
}

uint64_t leat_sim_hash(const leat_runtime *runtime)
{
    if (runtime->world == NULL) {
        return 0;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        hash = (hash ^ runtime->workers[i]->host->hash) * UINT64_C(0x100000001b3);
    }
    return hash;
}

const char *leat_version_string(void)
{
    return "0.1.0";
}
