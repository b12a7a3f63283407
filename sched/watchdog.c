/* The watchdog: a thread that looks at what each worker says it is doing, and names the actor that
 * has kept it too long. Nothing wakes it but the end: it looks every 5 ms while a worker is awake and
 * every 100 ms while all sleep, and costs the workers one plain store per actor turn. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sched.h"

#define LOOK_AWAKE_NS (5 * LEAT_MS)
#define LOOK_ASLEEP_NS (100 * LEAT_MS)

struct sight {
    struct cell *running; /* whose turn it was when last seen; NULL: nobody's */
    uint64_t     turns;   /* and which turn */
    leat_time since;
    leat_time cpu; /* the thread's CPU time then */
    bool      named;
};

static leat_time clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

bool worker_current(struct worker *worker, leat_ref *ret, const char **ret_name)
{
    const struct cell *cell = load_relaxed_ptr(&worker->host->running);
    if (cell == NULL) {
        return false;
    }
    *ret = cell_ref(cell);
    *ret_name = load_relaxed_ptr(&cell->behavior)->name;
    return true;
}

/* CPU time the worker's thread has used; 0: not known. */
static leat_time cpu_time(struct worker *worker)
{
    /* The kernel's encoding of a thread's CPU clock: there is no pthread_t of the caller's thread. */
    clockid_t clock = (clockid_t)(~load_acquire_u32(&worker->tid) << 3 | 6u);
    struct timespec used;
    if (clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return (leat_time)used.tv_sec * LEAT_SEC + (leat_time)used.tv_nsec;
}

/* Whether the worker's thread waits for something: an actor has called what blocks. */
static bool is_blocked(struct worker *worker)
{
    char text[512];
    snprintf(text, sizeof(text), "/proc/self/task/%u/stat", load_acquire_u32(&worker->tid));
    FILE *file = fopen(text, "re");
    if (file == NULL) {
        return false;
    }
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *state = strrchr(text, ')'); /* "tid (name) S ..." */
    return state != NULL && (strncmp(state, ") S", 3) == 0 || strncmp(state, ") D", 3) == 0);
}

static void name_slow(struct worker *worker, leat_time held_ns)
{
    leat_ref actor;
    const char *name;
    if (!worker_current(worker, &actor, &name)) {
        return;
    }
    uint64_t times = worker->slow_actors + 1;
    store_relaxed_u64(&worker->slow_actors, times);
    if ((times & (times - 1)) == 0) {
        runtime_log(&worker->runtime->config, LEAT_LOG_WARNING,
                    "actor %s (%llx) has held worker %u for %llu ms", name,
                    (unsigned long long)actor.id, worker->host->index,
                    (unsigned long long)(held_ns / LEAT_MS));
    }
}

static void look(struct worker *worker, struct sight *sight, leat_time now)
{
    struct cell *running = load_relaxed_ptr(&worker->host->running);
    uint64_t turns = load_relaxed_u64(&worker->host->turns);
    if (running == NULL || running != sight->running || turns != sight->turns) {
        *sight = (struct sight){.running = running, .turns = turns, .since = now};
        sight->cpu = running != NULL ? cpu_time(worker) : 0;
        return;
    }
    leat_time held = now - sight->since;
    leat_time least = worker->runtime->config.watchdog_ns;
    if (held < least || sight->named) {
        return;
    }
    /* Computing or blocked that long; not just kept waiting for a CPU by other processes. */
    if (cpu_time(worker) - sight->cpu >= least || is_blocked(worker)) {
        sight->named = true;
        name_slow(worker, held);
    }
}

static bool all_asleep(const struct leat_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        if (load_relaxed_u32(&runtime->workers[i]->host->bell.sleeping) == 0) {
            return false;
        }
    }
    return true;
}

static void *watch(void *context)
{
    struct leat_runtime *runtime = context;
    struct sight sights[LEAT_WORKERS_MAX] = {{0}};
    pthread_mutex_lock(&runtime->watchdog_lock);
    while (!runtime->watchdog_stop) {
        leat_time wait = all_asleep(runtime) ? LOOK_ASLEEP_NS : LOOK_AWAKE_NS;
        leat_time until = clock_now() + wait;
        struct timespec at = {.tv_sec = (time_t)(until / LEAT_SEC),
                              .tv_nsec = (long)(until % LEAT_SEC)};
        pthread_cond_timedwait(&runtime->watchdog_wake, &runtime->watchdog_lock, &at);
        leat_time now = clock_now();
        for (uint32_t i = 0; i < runtime->config.workers; i++) {
            look(runtime->workers[i], &sights[i], now);
        }
    }
    pthread_mutex_unlock(&runtime->watchdog_lock);
    return NULL;
}

int watchdog_start(struct leat_runtime *runtime)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&runtime->watchdog_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&runtime->watchdog_lock, NULL);
    int status = pthread_create(&runtime->watchdog, NULL, watch, runtime);
    if (status != 0) {
        runtime_log(&runtime->config, LEAT_LOG_ERROR, "cannot start the watchdog thread: %s",
                    strerror(status));
        return -status;
    }
    runtime->has_watchdog = true;
    return 0;
}

void watchdog_stop(struct leat_runtime *runtime)
{
    if (!runtime->has_watchdog) {
        return;
    }
    pthread_mutex_lock(&runtime->watchdog_lock);
    runtime->watchdog_stop = true;
    pthread_cond_signal(&runtime->watchdog_wake);
    pthread_mutex_unlock(&runtime->watchdog_lock);
    pthread_join(runtime->watchdog, NULL);
    runtime->has_watchdog = false;
}
