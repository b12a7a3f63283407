/* Actors come and go, or do nothing: how quickly one is made, what it costs in memory, and that a
 * hundred thousand idle ones cost no CPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"
#include "sync.h"

enum message {
    MSG_WORK = STAGE_OWN,
    MSG_WAKE,
};

/* ---- idle runtime ---- */

int idle_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    uint64_t start = now_ns();
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        sleep_ns(20 * LEAT_MS);
    }
    stage_close(&stage, NULL);
    rep->ns = (double)(now_ns() - start);
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- fjcreate: a driver creates a million actors, each gets one message and dies ---- */

#define CREATE_WINDOW 64u /* spawns not yet answered */

struct create_shared {
    struct counter done;
    uint64_t n;
    leat_ref home;
};

struct creator {
    struct create_shared *shared;
    uint64_t asked;
    uint64_t answered;
    uint64_t failed;
    leat_ref child; /* to be sent its message next; NONE: none */
    bool started;
    bool stopping;
    uint32_t workers; /* to spread over; 0: not */
};

struct creator_arg {
    struct create_shared *shared;
    uint32_t workers;
    uint32_t zero;
};

static int creator_init(void *state, const void *arg, leat_time now)
{
    struct creator *self = state;
    const struct creator_arg *of = arg;
    (void)now;
    self->shared = of->shared;
    self->workers = of->workers;
    return 0;
}

static void creator_on_event(void *state, const struct leat_event *event)
{
    struct creator *self = state;
    switch (event->kind) {
    case LEAT_EVENT_SPAWNED:
        self->answered++;
        self->failed += event->status != 0;
        self->child = event->spawned.child;
        break;
    case LEAT_EVENT_MESSAGE:
        self->started = true;
        break;
    case LEAT_EVENT_SHUTDOWN:
        self->stopping = true;
        break;
    default:
        break;
    }
}

static const struct leat_behavior fleeting;

static bool creator_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct creator *self = state;
    (void)now;
    if (self->child.id != LEAT_REF_NONE.id) {
        leat_output_send(ret, self->child, MSG_WORK, &self->answered, sizeof(self->answered));
        self->child = LEAT_REF_NONE;
        return true;
    }
    if (self->started && self->asked < self->shared->n &&
        self->asked - self->answered < CREATE_WINDOW) {
        leat_output_spawn(ret, &fleeting, &self->shared, sizeof(self->shared), 0);
        if (self->workers > 0) {
            ret->spawn.worker = (int32_t)(self->asked % self->workers);
        }
        self->asked++;
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
        return true;
    }
    return false;
}

static const struct leat_behavior creator = {
    .name = "bench creator",
    .state_size = sizeof(struct creator),
    .init = creator_init,
    .on_event = creator_on_event,
    .pop_output = creator_pop_output,
};

/* Lives for one message. */
struct fleeting {
    struct create_shared *shared;
    bool tell; /* it is the last of all */
    bool done;
};

static int fleeting_init(void *state, const void *arg, leat_time now)
{
    struct fleeting *self = state;
    (void)now;
    memcpy(&self->shared, arg, sizeof(self->shared));
    return 0;
}

static void fleeting_on_event(void *state, const struct leat_event *event)
{
    struct fleeting *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        self->tell = counter_add(&self->shared->done, 1) == self->shared->n;
    }
    self->done = true;
}

static bool fleeting_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct fleeting *self = state;
    (void)now;
    if (!self->done) {
        return false;
    }
    if (self->tell) {
        leat_output_send(ret, self->shared->home, STAGE_DONE, &self->shared->n, sizeof(uint64_t));
        self->tell = false;
        return true;
    }
    leat_output_stop(ret);
    return true;
}

static const struct leat_behavior fleeting = {
    .name = "bench fleeting",
    .state_size = sizeof(struct fleeting),
    .init = fleeting_init,
    .on_event = fleeting_on_event,
    .pop_output = fleeting_pop_output,
};

static int fjcreate_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    static struct create_shared shared;
    leat_ref from;
    uint64_t n;
    shared.n = setup->count;
    shared.home = stage->home;
    struct creator_arg arg = {&shared, setup->spread ? setup->workers : 0, 0};
    struct cast cast = {&creator, &arg, sizeof(arg), true, 1, &from};
    if (stage_spawn(stage, &cast) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    if (stage_send(stage, from, STAGE_START, NULL, 0) != 0 || stage_wait_done(stage, &n) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / (double)setup->count;
    return 0;
}

int fjcreate_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        fjcreate_play(&stage, setup, rep);
    }
    stage_close(&stage, &totals);
    if (rep->result == REP_OK && totals.spawned != setup->count + 2) {
        rep_wrong(rep, "%llu actors made, not %llu", (unsigned long long)totals.spawned,
                  (unsigned long long)setup->count + 2);
    }
    if (rep->result == REP_OK && totals.dead_letters > 0) {
        rep_wrong(rep, "%llu dead letters", (unsigned long long)totals.dead_letters);
    }
    rep_extra(rep, "messages", (double)setup->count);
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- idle actors: 32 bytes of state, alive, waiting ---- */

struct idler_shared {
    struct counter woken;
    uint64_t n;
    leat_ref home;
};

struct idler {
    struct idler_shared *shared;
    uint8_t next; /* 0, or the type of the message to pop; STAGE_START: stop */
    uint8_t fill[23];
};

_Static_assert(sizeof(struct idler) == 32, "the workload's definition");

static int idler_init(void *state, const void *arg, leat_time now)
{
    struct idler *self = state;
    (void)now;
    memcpy(&self->shared, arg, sizeof(self->shared));
    return 0;
}

static void idler_on_event(void *state, const struct leat_event *event)
{
    struct idler *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->next = STAGE_START;
    } else if (event->kind == LEAT_EVENT_MESSAGE &&
               counter_add(&self->shared->woken, 1) == self->shared->n) {
        self->next = STAGE_DONE;
    }
}

static bool idler_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct idler *self = state;
    (void)now;
    if (self->next == 0) {
        return false;
    }
    if (self->next == STAGE_DONE) {
        leat_output_send(ret, self->shared->home, STAGE_DONE, &self->shared->n, sizeof(uint64_t));
    } else {
        leat_output_stop(ret);
    }
    self->next = 0;
    return true;
}

static const struct leat_behavior idler = {
    .name = "bench idler",
    .state_size = sizeof(struct idler),
    .init = idler_init,
    .on_event = idler_on_event,
    .pop_output = idler_pop_output,
};

static uint64_t rss_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%lu %lu", &size, &resident) != 2) {
        resident = 0;
    }
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* All are alive if each answers when spoken to. */
static int idlers_check(struct stage *stage)
{
    uint64_t n;
    int status = leat_broadcast(stage->controller, LEAT_WORKER_ALL, &idler, MSG_WAKE, NULL, 0);
    if (status != 0) {
        return rep_wrong(stage->rep, "leat_broadcast: %s", strerror(-status));
    }
    return stage_wait_done(stage, &n);
}

static int idle1m_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    static struct idler_shared shared;
    struct idler_shared *arg = &shared;
    struct cast one = {&idler, &arg, sizeof(arg), true, 1, NULL};
    size_t refs_size = setup->count * sizeof(leat_ref);
    leat_ref *refs =
        mmap(NULL, refs_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (refs == MAP_FAILED) {
        return rep_wrong(rep, "no memory for the refs");
    }
    shared.n = setup->count;
    shared.home = stage->home;
    /* One first, so that what the runtime allocates for the first actor of all is not counted. */
    if (stage_spawn(stage, &one) != 0) {
        return -1;
    }
    struct cast rest = {&idler, &arg, sizeof(arg), true, (uint32_t)setup->count - 1, refs};
    uint64_t before = rss_bytes();
    uint64_t start = now_ns();
    if (stage_spawn(stage, &rest) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / (double)(setup->count - 1);
    /* With the refs: a user holds one for each actor it made. */
    uint64_t after = rss_bytes();
    rep_extra(rep, "bytes_per_actor", (double)(after - before) / (double)(setup->count - 1));
    return idlers_check(stage);
}

int idle1m_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        idle1m_play(&stage, setup, rep);
    }
    stage_close(&stage, &totals);
    if (rep->result == REP_OK && totals.spawned != setup->count + 2) {
        rep_wrong(rep, "%llu actors made, not %llu", (unsigned long long)totals.spawned,
                  (unsigned long long)setup->count + 2);
    }
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- idle CPU ---- */

/* Notes the CPU clock of the worker it lives on. */
struct marker_arg {
    clockid_t *clocks; /* one for each worker */
    uint32_t worker;
    uint32_t zero;
};

struct marker {
    bool stopping;
};

static int marker_init(void *state, const void *arg, leat_time now)
{
    const struct marker_arg *of = arg;
    (void)state;
    (void)now;
    /* The clock of a thread, by its id: see clock_getcpuclockid(3) and the kernel's CPUCLOCK_*. */
    of->clocks[of->worker] = (clockid_t)((~(unsigned)gettid() << 3) | 6u);
    return 0;
}

static void marker_on_event(void *state, const struct leat_event *event)
{
    struct marker *self = state;
    self->stopping = event->kind == LEAT_EVENT_SHUTDOWN;
}

static bool marker_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct marker *self = state;
    (void)now;
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static const struct leat_behavior marker = {
    .name = "bench marker",
    .state_size = sizeof(struct marker),
    .init = marker_init,
    .on_event = marker_on_event,
    .pop_output = marker_pop_output,
};

static uint64_t clocks_sum(const clockid_t *clocks, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += clock_ns(clocks[i]);
    }
    return sum;
}

static int idle_cpu_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    static struct idler_shared shared;
    static clockid_t clocks[LEAT_WORKERS_MAX];
    struct idler_shared *arg = &shared;
    struct cast cast = {&idler, &arg, sizeof(arg), true, setup->quick ? 2000 : 100000, NULL};
    shared.n = cast.n;
    shared.home = stage->home;
    if (stage_spawn(stage, &cast) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < setup->workers; i++) {
        struct marker_arg mark = {clocks, i, 0};
        int status = leat_spawn(stage->controller, &marker, &mark, sizeof(mark), (int)i, NULL);
        if (status != 0) {
            return rep_wrong(rep, "leat_spawn: %s", strerror(-status));
        }
    }
    /* All have been woken once, and every marker is there when the broadcast has come round. */
    if (idlers_check(stage) != 0) {
        return -1;
    }
    sleep_ns(5 * LEAT_MS);
    for (uint32_t i = 0; i < setup->workers; i++) {
        if (clocks[i] == 0) {
            return rep_wrong(rep, "worker %u has not started its actor in 5 ms", i);
        }
    }
    uint64_t workers = clocks_sum(clocks, setup->workers);
    uint64_t process = process_cpu_ns();
    uint64_t start = now_ns();
    sleep_ns(setup->count);
    double seconds = (double)(now_ns() - start) / 1e9;
    process = process_cpu_ns() - process;
    workers = clocks_sum(clocks, setup->workers) - workers;
    rep->ns = (double)process / seconds;
    rep_extra(rep, "cpu_percent", (double)process / seconds / 1e7);
    rep_extra(rep, "workers_cpu_ns_per_s", (double)workers / seconds);
    rep_extra(rep, "actors", (double)cast.n);
    return 0;
}

int idle_cpu_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        idle_cpu_play(&stage, setup, rep);
    }
    return stage_close(&stage, NULL);
}
