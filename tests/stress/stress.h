/* What the stress programs share: a runtime with more workers than CPUs, an end that checks that
 * every message is accounted for and every pool balances, and outside threads that share a
 * deadline. */
#ifndef LEAT_TESTS_STRESS_H
#define LEAT_TESTS_STRESS_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <leat/leat.h>

#define WORKERS 4u

static atomic_uint stress_failures;

#define EXPECT(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition) && atomic_fetch_add(&stress_failures, 1) < 20) {                          \
            fprintf(stderr, "%s:%d: failed: %s: ", __FILE__, __LINE__, #condition);                \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
        }                                                                                          \
    } while (0)

struct random {
    uint64_t state;
};

static inline uint32_t random_below(struct random *random, uint32_t n)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z >> 32) * n >> 32);
}

static inline leat_time clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

/* How long a program presses: a moment, or as long as LEAT_TEST_LONG=1 allows. */
static inline leat_time stress_time(void)
{
    const char *longer = getenv("LEAT_TEST_LONG");
    return longer != NULL && strcmp(longer, "1") == 0 ? 30 * LEAT_SEC : 1500 * LEAT_MS;
}

/* A program that hangs says so, and where gdb would look. */
static inline void stress_limit(const char *name)
{
    (void)name;
    alarm(getenv("LEAT_TEST_LONG") != NULL ? 1200 : 100);
}

static inline struct leat_config stress_config(void)
{
    struct leat_config config = leat_config_default();
    config.workers = WORKERS;
    config.io = getenv("LEAT_TEST_IO") != NULL ? getenv("LEAT_TEST_IO") : "epoll";
    config.shutdown_ns = 200 * LEAT_MS;
    config.watchdog_ns = 10 * LEAT_SEC; /* a shared machine is no news */
    return config;
}

static inline void stress_open(const struct leat_config *config, leat_runtime **ret)
{
    int status = leat_runtime_open(config, ret);
    if (status < 0) {
        fprintf(stderr, "cannot open the runtime: %s\n", strerror(-status));
        exit(1);
    }
}

static inline leat_controller *stress_controller(leat_runtime *runtime)
{
    leat_controller *controller = NULL;
    int status = leat_controller_open(runtime, &controller);
    if (status < 0) {
        fprintf(stderr, "cannot open a controller: %s\n", strerror(-status));
        exit(1);
    }
    return controller;
}

/* The runtime has ended and `last` is the only controller left, if any: everything sent must be
 * accounted for. Closes both. */
static inline void stress_balance(leat_runtime *runtime, leat_controller *last, const char *name)
{
    struct leat_worker_stats sum, workers[LEAT_WORKERS_MAX];
    leat_stats_controllers(runtime, &sum);
    size_t len = leat_stats_workers(runtime, workers, LEAT_WORKERS_MAX);
    uint64_t parks = 0, inputs = 0;
    for (size_t i = 0; i < len; i++) {
        sum.sent += workers[i].sent;
        sum.delivered += workers[i].delivered;
        sum.refused += workers[i].refused;
        sum.dead_letters += workers[i].dead_letters;
        sum.spawned += workers[i].spawned;
        sum.stopped += workers[i].stopped;
        parks += workers[i].parks;
        inputs += workers[i].inputs;
    }
    if (name != NULL) {
        printf("%s: sent %llu, delivered %llu, refused %llu, dead letters %llu, parked %llu, "
               "spawned %llu, inputs %llu\n",
               name, (unsigned long long)sum.sent, (unsigned long long)sum.delivered,
               (unsigned long long)sum.refused, (unsigned long long)sum.dead_letters,
               (unsigned long long)parks, (unsigned long long)sum.spawned,
               (unsigned long long)inputs);
    }
    EXPECT(sum.sent == sum.delivered + sum.refused + sum.dead_letters, "%lld messages are missing",
           (long long)(sum.sent - sum.delivered - sum.refused - sum.dead_letters));
    EXPECT(sum.spawned == sum.stopped, "%llu spawned, %llu stopped",
           (unsigned long long)sum.spawned, (unsigned long long)sum.stopped);
    if (last != NULL) {
        leat_controller_close(last);
    }
    int status = leat_runtime_close(runtime);
    EXPECT(status == 0, "close: %s", strerror(-status));
}

/* Stops the runtime, waits for its end on `last`, and balances. Other controllers must be
 * closed. */
static inline void stress_end(leat_runtime *runtime, leat_controller *last, const char *name)
{
    struct leat_event event;
    int status;
    leat_runtime_stop(runtime);
    while ((status = leat_receive(last, 20 * LEAT_SEC, &event)) == 0) {
        leat_event_release(&event);
    }
    EXPECT(status == -EPIPE, "the runtime does not end: %s", strerror(-status));
    stress_balance(runtime, last, name);
}

static inline int stress_result(void)
{
    return atomic_load(&stress_failures) > 0 ? 1 : 0;
}

/* `n` threads run `body`, each with a pointer to its own number. */
struct stress_threads {
    pthread_t thread[16];
    uint32_t number[16];
    uint32_t len;
};

static inline void stress_start(struct stress_threads *threads, uint32_t n, void *(*body)(void *))
{
    for (uint32_t i = 0; i < n; i++) {
        threads->number[threads->len] = i;
        if (pthread_create(&threads->thread[threads->len], NULL, body,
                           &threads->number[threads->len]) != 0) {
            fprintf(stderr, "cannot start a thread\n");
            exit(1);
        }
        threads->len++;
    }
}

static inline void stress_join(struct stress_threads *threads)
{
    for (uint32_t i = 0; i < threads->len; i++) {
        pthread_join(threads->thread[i], NULL);
    }
    threads->len = 0;
}

#endif
