/* Opens, peoples and ends the runtime of one repetition. What every workload must hold is checked
 * here once: all that was sent was delivered, refused or a dead letter, and every pool balances. */
#include "stage.h"

#include <errno.h>
#include <string.h>

/* Longer than any workload between two signs of life, on a machine that does other things too. */
#define WAIT_NS (600 * LEAT_SEC)
#define WAIT_QUICK_NS (30 * LEAT_SEC)
#define CREW_WINDOW 256u /* spawns not yet answered; keeps the answers' nodes few */

/* ---- the crew: an actor that spawns the others ---- */

struct crew_plan {
    struct cast cast;
    uint64_t first;   /* number of the first actor, for taking the workers in turn */
    uint32_t workers; /* 0: all on the crew's own */
    leat_ref home;
    int32_t status;
};

enum crew_phase {
    CREW_SPAWNING,
    CREW_TELLING,
    CREW_ENDING,
};

struct crew {
    struct crew_plan *plan; /* the main thread's, which waits for STAGE_READY before it looks */
    uint32_t asked;
    uint32_t answered;
    enum crew_phase phase;
};

static int crew_init(void *state, const void *arg, leat_time now)
{
    struct crew *self = state;
    (void)now;
    memcpy(&self->plan, arg, sizeof(self->plan));
    return 0;
}

static void crew_on_event(void *state, const struct leat_event *event)
{
    struct crew *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->phase = CREW_ENDING;
        return;
    }
    if (event->kind != LEAT_EVENT_SPAWNED) {
        return;
    }
    if (event->status != 0) {
        self->plan->status = event->status;
    } else if (self->plan->cast.refs != NULL) {
        self->plan->cast.refs[event->spawned.cookie] = event->spawned.child;
    }
    self->answered++;
    if (self->answered == self->plan->cast.n) {
        self->phase = CREW_TELLING;
    }
}

static bool crew_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct crew *self = state;
    const struct crew_plan *plan = self->plan;
    const struct cast *cast = &plan->cast;
    (void)now;
    switch (self->phase) {
    case CREW_SPAWNING:
        if (self->asked == cast->n || self->asked - self->answered == CREW_WINDOW) {
            return false;
        }
        leat_output_spawn(ret, cast->behavior,
                          cast->same_arg || cast->args == NULL
                              ? cast->args
                              : (const uint8_t *)cast->args + (size_t)self->asked * cast->arg_size,
                          cast->arg_size, self->asked);
        if (plan->workers > 0) {
            ret->spawn.worker = (int32_t)((plan->first + self->asked) % plan->workers);
        }
        self->asked++;
        return true;
    case CREW_TELLING:
        leat_output_send(ret, plan->home, STAGE_READY, NULL, 0);
        self->phase = CREW_ENDING;
        return true;
    case CREW_ENDING:
        leat_output_stop(ret);
        return true;
    }
    return false;
}

static const struct leat_behavior crew = {
    .name = "bench crew",
    .state_size = sizeof(struct crew),
    .init = crew_init,
    .on_event = crew_on_event,
    .pop_output = crew_pop_output,
};

/* ---- the stage ---- */

struct leat_config stage_config(const struct setup *setup)
{
    struct leat_config config = leat_config_default();
    config.workers = setup->workers;
    config.shutdown_ns = 20 * LEAT_SEC;   /* a million actors are told, none is to be forced */
    config.drain_warn_ns = 60 * LEAT_SEC; /* a producer's drain is the whole workload */
    config.watchdog_ns = LEAT_SEC;        /* that another process had the CPU is no slow actor */
    if (setup->io != NULL) {
        config.io = setup->io;
    }
    return config;
}

static leat_time wait_ns(const struct stage *stage)
{
    return stage->setup->quick ? WAIT_QUICK_NS : WAIT_NS;
}

int stage_open(struct stage *stage, const struct setup *setup, struct rep *rep,
               const struct leat_config *config)
{
    struct leat_config own = stage_config(setup);
    memset(stage, 0, sizeof(*stage));
    stage->setup = setup;
    stage->rep = rep;
    int status = leat_runtime_open(config != NULL ? config : &own, &stage->runtime);
    if (status != 0) {
        stage->runtime = NULL;
        if (setup->io != NULL) {
            return rep_skip(rep, "I/O backend %s: %s", setup->io, strerror(-status));
        }
        return rep_wrong(rep, "leat_runtime_open: %s", strerror(-status));
    }
    status = leat_controller_open(stage->runtime, &stage->controller);
    if (status != 0) {
        stage->controller = NULL;
        return rep_wrong(rep, "leat_controller_open: %s", strerror(-status));
    }
    stage->home = leat_controller_ref(stage->controller);
    status = leat_runtime_start(stage->runtime);
    if (status != 0) {
        return rep_wrong(rep, "leat_runtime_start: %s", strerror(-status));
    }
    return 0;
}

int stage_spawn(struct stage *stage, const struct cast *cast)
{
    static struct crew_plan plan; /* outlives a crew that is slower than the wait below */
    plan = (struct crew_plan){
        .cast = *cast,
        .first = stage->spawned,
        .workers = stage->setup->spread ? stage->setup->workers : 0,
        .home = stage->home,
    };
    struct crew_plan *arg = &plan;
    stage->spawned += cast->n;
    int status = leat_spawn(stage->controller, &crew, &arg, sizeof(arg), 0, NULL);
    if (status != 0) {
        return rep_wrong(stage->rep, "leat_spawn: %s", strerror(-status));
    }
    if (stage_wait(stage, STAGE_READY, NULL) != 0) {
        return -1;
    }
    if (plan.status != 0) {
        return rep_wrong(stage->rep, "spawning %u of '%s': %s", cast->n, cast->behavior->name,
                         strerror(-plan.status));
    }
    return 0;
}

int stage_send(struct stage *stage, leat_ref to, uint32_t type, const void *payload, size_t len)
{
    int status = leat_send(stage->controller, to, type, payload, len);
    if (status != 0) {
        return rep_wrong(stage->rep, "leat_send of message %u: %s", type, strerror(-status));
    }
    return 0;
}

int stage_wait(struct stage *stage, uint32_t type, struct leat_event *ret)
{
    struct leat_event event;
    int status = leat_receive(stage->controller, wait_ns(stage), &event);
    if (status != 0) {
        return rep_wrong(stage->rep, "waiting for message %u: %s", type, strerror(-status));
    }
    if (event.kind != LEAT_EVENT_MESSAGE || event.type != type) {
        return rep_wrong(stage->rep, "waiting for message %u: got an event of kind %u, type %u",
                         type, event.kind, event.type);
    }
    if (ret != NULL) {
        *ret = event;
    }
    return 0;
}

int stage_wait_done(struct stage *stage, uint64_t *ret)
{
    struct leat_event event;
    if (stage_wait(stage, STAGE_DONE, &event) != 0) {
        return -1;
    }
    memcpy(ret, event.payload, sizeof(*ret));
    return 0;
}

/* What the actors still sent is taken in, so that it counts as delivered. */
static int stage_drain(struct stage *stage)
{
    leat_runtime_stop(stage->runtime);
    for (;;) {
        struct leat_event event;
        int status = leat_receive(stage->controller, wait_ns(stage), &event);
        if (status == -EPIPE) {
            return 0;
        }
        if (status != 0) {
            return rep_wrong(stage->rep, "waiting for the runtime to end: %s", strerror(-status));
        }
        leat_event_release(&event);
    }
}

static void totals_take(struct stage *stage, struct totals *ret)
{
    static struct leat_worker_stats stats[LEAT_WORKERS_MAX + 1];
    size_t n = leat_stats_workers(stage->runtime, stats, LEAT_WORKERS_MAX);
    leat_stats_controllers(stage->runtime, &stats[n]);
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i <= n; i++) {
        ret->sent += stats[i].sent;
        ret->delivered += stats[i].delivered;
        ret->refused += stats[i].refused;
        ret->dead_letters += stats[i].dead_letters;
        ret->spawned += stats[i].spawned;
        ret->stopped += stats[i].stopped;
        ret->recv_datagrams += stats[i].recv_datagrams;
        ret->sent_datagrams += stats[i].sent_datagrams;
        ret->recv_dropped += stats[i].recv_dropped;
        ret->send_errors += stats[i].send_errors;
    }
}

int stage_close(struct stage *stage, struct totals *ret)
{
    struct totals totals = {0};
    if (stage->runtime == NULL) {
        return -1;
    }
    bool ended = stage->controller != NULL && stage_drain(stage) == 0;
    if (ended) {
        totals_take(stage, &totals);
        uint64_t ends = totals.delivered + totals.refused + totals.dead_letters;
        if (totals.sent != ends) {
            rep_wrong(stage->rep,
                      "sent %llu messages, but delivered %llu, refused %llu, dead letters %llu",
                      (unsigned long long)totals.sent, (unsigned long long)totals.delivered,
                      (unsigned long long)totals.refused, (unsigned long long)totals.dead_letters);
        }
        if (totals.spawned != totals.stopped) {
            rep_wrong(stage->rep, "%llu actors spawned, %llu stopped",
                      (unsigned long long)totals.spawned, (unsigned long long)totals.stopped);
        }
    }
    if (stage->controller != NULL) {
        leat_controller_close(stage->controller);
    }
    int status = leat_runtime_close(stage->runtime);
    if (status != 0) {
        rep_wrong(stage->rep, "leat_runtime_close: %s", strerror(-status));
    }
    if (ret != NULL) {
        *ret = totals;
    }
    return stage->rep->result == REP_OK ? 0 : -1;
}
