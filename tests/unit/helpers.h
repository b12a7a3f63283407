/*
 * What several test programs share: a runtime with a controller (struct rig), and an actor that does
 * what the test says and remembers what it was given (struct puppet). In simulation everything runs
 * in the test's own thread, so a test may look into its puppets between two calls; with threads it
 * may do so before the puppet is spawned and after the runtime has ended.
 */
#ifndef LEAT_TESTS_HELPERS_H
#define LEAT_TESTS_HELPERS_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <leat/leat.h>

#include "check.h"

#define POKE 0xfeedu /* a message that only makes a puppet's outputs be popped */

static inline void *grown(void *at, size_t len, size_t size)
{
    if ((len & (len - 1)) != 0) {
        return at;
    }
    at = realloc(at, (len == 0 ? 1 : 2 * len) * size);
    if (at == NULL) {
        abort();
    }
    return at;
}

/* ---- backends ---- */

#define BACKENDS_LEN 4u

/* What every backend is to do alike is tried on each of them; on one twice where io_uring is not in
 * the build, or forbidden. */
static inline const char *backend_name(size_t i)
{
    static const char *const names[BACKENDS_LEN] = {"epoll", "poll", "sim", "uring"};
    static int has_uring = -1;
    if (i == 3 && has_uring < 0) {
        struct leat_config config = leat_config_default();
        leat_runtime *runtime;
        config.io = names[3];
        config.log = NULL;
        has_uring = leat_runtime_open(&config, &runtime) == 0;
        if (has_uring != 0) {
            leat_runtime_close(runtime);
        }
    }
    return i == 3 && has_uring == 0 ? names[0] : names[i];
}

/* ---- log lines, kept ---- */

struct lines {
    pthread_mutex_t lock;
    char text[16384];
    size_t len;
};

static inline void lines_add(void *context, enum leat_log_level level, const char *text)
{
    struct lines *lines = context;
    (void)level;
    pthread_mutex_lock(&lines->lock);
    size_t len = strlen(text);
    if (lines->len + len + 2 < sizeof(lines->text)) {
        memcpy(lines->text + lines->len, text, len);
        lines->len += len;
        lines->text[lines->len++] = '\n';
        lines->text[lines->len] = '\0';
    }
    pthread_mutex_unlock(&lines->lock);
}

static inline bool lines_have(struct lines *lines, const char *part)
{
    pthread_mutex_lock(&lines->lock);
    bool found = strstr(lines->text, part) != NULL;
    if (!found) {
        fprintf(stderr, "not in the log: \"%s\"; the log:\n%s", part, lines->text);
    }
    pthread_mutex_unlock(&lines->lock);
    return found;
}

/* ---- the puppet ---- */

struct refusal {
    struct leat_output output;
    int status;
    size_t popped; /* outputs popped by then, this one included */
};

struct puppet {
    /* the test's */
    void (*on_event)(struct puppet *self, const struct leat_event *event);
    void (*on_refused)(struct puppet *self, struct leat_output *output, int status);
    void *context;
    int init_status;
    leat_time deadline; /* what the next asking is told; 0: LEAT_NEVER */
    bool stays;         /* on SHUTDOWN it does not stop */

    /* the puppet's */
    leat_ref ref;
    struct leat_event *seen; /* every input; bodies are gone */
    size_t seen_len;
    struct leat_output *outputs; /* all ever put */
    size_t outputs_len;
    size_t popped;
    struct refusal *refusals;
    size_t refusals_len;
    unsigned inits, finis, asked;
    unsigned violations; /* of the drain rule */
    bool is_open;        /* the last pop gave something, or none was tried */
};

/* The next output, to be filled in by a constructor. */
static inline struct leat_output *puppet_put(struct puppet *puppet)
{
    puppet->outputs = grown(puppet->outputs, puppet->outputs_len, sizeof(*puppet->outputs));
    return &puppet->outputs[puppet->outputs_len++];
}

/* A message whose payload is `value`. */
static inline struct leat_output *puppet_send(struct puppet *puppet, leat_ref to, uint32_t type,
                                              uint64_t value)
{
    struct leat_output *out = puppet_put(puppet);
    leat_output_send(out, to, type, &value, sizeof(value));
    return out;
}

static inline int puppet_init(void *state, const void *arg, leat_time now)
{
    struct puppet *puppet;
    (void)now;
    memcpy(&puppet, arg, sizeof(puppet));
    *(struct puppet **)state = puppet;
    puppet->ref = leat_self(state);
    puppet->inits++;
    puppet->is_open = true;
    return puppet->init_status;
}

static inline void puppet_on_event(void *state, const struct leat_event *event)
{
    struct puppet *puppet = *(struct puppet **)state;
    puppet->violations += puppet->is_open;
    puppet->is_open = true;
    puppet->seen = grown(puppet->seen, puppet->seen_len, sizeof(*puppet->seen));
    puppet->seen[puppet->seen_len++] = *event;
    if (puppet->on_event != NULL) {
        puppet->on_event(puppet, event);
    }
    if (event->kind == LEAT_EVENT_SHUTDOWN && !puppet->stays) {
        leat_output_stop(puppet_put(puppet));
    }
}

static inline bool puppet_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct puppet *puppet = *(struct puppet **)state;
    (void)now;
    if (puppet->popped == puppet->outputs_len) {
        puppet->is_open = false;
        return false;
    }
    *ret = puppet->outputs[puppet->popped++];
    return true;
}

static inline void puppet_on_refused(void *state, struct leat_output *output, int status)
{
    struct puppet *puppet = *(struct puppet **)state;
    struct refusal refusal = {.output = *output, .status = status, .popped = puppet->popped};
    puppet->refusals = grown(puppet->refusals, puppet->refusals_len, sizeof(*puppet->refusals));
    puppet->refusals[puppet->refusals_len++] = refusal;
    if (puppet->on_refused != NULL) {
        puppet->on_refused(puppet, output, status);
    } else {
        leat_output_release(output);
    }
}

static inline leat_time puppet_deadline(const void *state)
{
    struct puppet *puppet = *(struct puppet *const *)state;
    puppet->asked++;
    return puppet->deadline == 0 ? LEAT_NEVER : puppet->deadline;
}

static inline void puppet_fini(void *state)
{
    (*(struct puppet **)state)->finis++;
}

#define PUPPET_BEHAVIOR(its_name, its_mailbox_len_max)                                             \
    {                                                                                              \
        .name = (its_name), .state_size = sizeof(struct puppet *),                                 \
        .mailbox_len_max = (its_mailbox_len_max), .init = puppet_init,                             \
        .on_event = puppet_on_event, .pop_output = puppet_pop_output,                              \
        .on_refused = puppet_on_refused, .deadline = puppet_deadline, .fini = puppet_fini,         \
    }

static const struct leat_behavior puppet_behavior = PUPPET_BEHAVIOR("puppet", 0);

static inline void puppet_free(struct puppet *puppet)
{
    CHECK_EQ(puppet->violations, 0);
    free(puppet->seen);
    free(puppet->outputs);
    free(puppet->refusals);
    memset(puppet, 0, sizeof(*puppet));
}

/* How many inputs of a kind it was given. */
static inline size_t puppet_count(const struct puppet *puppet, enum leat_event_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < puppet->seen_len; i++) {
        n += puppet->seen[i].kind == kind;
    }
    return n;
}

/* The nth of them, from 0; a zeroed one if there are not so many. */
static inline struct leat_event puppet_nth(const struct puppet *puppet, enum leat_event_kind kind,
                                           size_t nth)
{
    for (size_t i = 0; i < puppet->seen_len; i++) {
        if (puppet->seen[i].kind == kind && nth-- == 0) {
            return puppet->seen[i];
        }
    }
    CHECK(!"it was not given so many");
    return (struct leat_event){0};
}

static inline uint64_t event_value(const struct leat_event *event)
{
    uint64_t value = UINT64_MAX;
    if (event->len == sizeof(value)) {
        memcpy(&value, event->payload, sizeof(value));
    }
    return value;
}

/* ---- the rig ---- */

struct rig {
    leat_runtime *runtime;
    leat_controller *controller;
    struct leat_event *got; /* what the controller received; bodies are released */
    size_t got_len;
    struct lines lines;
};

/* One worker in simulation. */
static inline struct leat_config rig_config(void)
{
    struct leat_config config = leat_config_default();
    config.io = "sim";
    config.workers = 1;
    return config;
}

/* Workers in threads. */
static inline struct leat_config rig_threads(uint32_t workers)
{
    struct leat_config config = leat_config_default();
    config.workers = workers;
    config.shutdown_ns = 5 * LEAT_SEC;
    config.watchdog_ns = 10 * LEAT_SEC; /* a busy machine is no finding */
    return config;
}

static inline void rig_open(struct rig *rig, const struct leat_config *config)
{
    struct leat_config own = *config;
    memset(rig, 0, sizeof(*rig));
    pthread_mutex_init(&rig->lines.lock, NULL);
    own.log = lines_add;
    own.log_context = &rig->lines;
    REQUIRE(leat_runtime_open(&own, &rig->runtime) == 0);
    REQUIRE(leat_controller_open(rig->runtime, &rig->controller) == 0);
    if (strcmp(leat_io_name(rig->runtime), "sim") != 0) {
        REQUIRE(leat_runtime_start(rig->runtime) == 0);
    }
}

/* Receives one event, for at most this long. */
static inline int rig_receive(struct rig *rig, leat_time timeout_ns)
{
    struct leat_event event;
    int status = leat_receive(rig->controller, timeout_ns, &event);
    if (status == 0) {
        rig->got = grown(rig->got, rig->got_len, sizeof(*rig->got));
        rig->got[rig->got_len++] = event;
        leat_event_release(&event);
    }
    return status;
}

/* Simulation: all that happens within this much virtual time; 0: just now. */
static inline void rig_run(struct rig *rig, leat_time ns)
{
    leat_time until = leat_controller_now(rig->controller) + ns;
    int status = 0;
    while (status == 0) {
        leat_time now = leat_controller_now(rig->controller);
        status = rig_receive(rig, until > now ? until - now : 0);
    }
    CHECK(status == -ETIMEDOUT || status == -EPIPE);
}

/* Threads: until the controller has received `n` events in all. */
static inline bool rig_await(struct rig *rig, size_t n)
{
    int status = 0;
    while (rig->got_len < n && status == 0) {
        status = rig_receive(rig, 20 * LEAT_SEC);
    }
    CHECK_EQ(status, 0);
    return status == 0;
}

static inline leat_ref rig_spawn_as(struct rig *rig, struct puppet *puppet,
                                    const struct leat_behavior *behavior, int worker)
{
    leat_ref ref = LEAT_REF_NONE;
    CHECK_EQ(leat_spawn(rig->controller, behavior, &puppet, sizeof(puppet), worker, &ref), 0);
    return ref;
}

static inline leat_ref rig_spawn(struct rig *rig, struct puppet *puppet)
{
    return rig_spawn_as(rig, puppet, &puppet_behavior, 0);
}

/* Simulation: lets the puppet's outputs be popped, and all that comes of it just now. */
static inline void rig_poke(struct rig *rig, const struct puppet *puppet)
{
    CHECK_EQ(leat_send(rig->controller, puppet->ref, POKE, NULL, 0), 0);
    rig_run(rig, 0);
}

static inline size_t rig_count(const struct rig *rig, enum leat_event_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < rig->got_len; i++) {
        n += rig->got[i].kind == kind;
    }
    return n;
}

/* The last event received; a zeroed one if there is none. */
static inline struct leat_event rig_last(const struct rig *rig)
{
    return rig->got_len > 0 ? rig->got[rig->got_len - 1] : (struct leat_event){0};
}

static inline struct leat_worker_stats stats_sum(leat_runtime *runtime)
{
    struct leat_worker_stats all[LEAT_WORKERS_MAX];
    struct leat_worker_stats sum;
    leat_stats_controllers(runtime, &sum);
    size_t workers = leat_stats_workers(runtime, all, LEAT_WORKERS_MAX);
    for (size_t i = 0; i < workers; i++) {
        for (size_t word = 0; word < sizeof(sum) / sizeof(uint64_t); word++) {
            ((uint64_t *)&sum)[word] += ((const uint64_t *)&all[i])[word];
        }
    }
    return sum;
}

static inline struct leat_worker_stats rig_stats(struct rig *rig)
{
    return stats_sum(rig->runtime);
}

/* Stops the runtime, receives what is left, checks that no message has got lost, frees all. */
static inline void rig_close(struct rig *rig)
{
    int status = 0;
    leat_runtime_stop(rig->runtime);
    while (status == 0) {
        status = rig_receive(rig, 20 * LEAT_SEC);
    }
    CHECK_EQ(status, -EPIPE);
    struct leat_worker_stats sum = rig_stats(rig);
    CHECK_EQ(sum.sent, sum.delivered + sum.refused + sum.dead_letters);
    CHECK_EQ(sum.actors, 0);
    leat_controller_close(rig->controller);
    CHECK_EQ(leat_runtime_close(rig->runtime), 0);
    free(rig->got);
    rig->got = NULL;
}

/* ---- numbers ---- */

/* xorshift64*: a test's own randomness, from a seed that is never 0. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)((random_next(state) >> 33) % n);
}

#endif
