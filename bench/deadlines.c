/* A million pending deadlines: what arming and firing one costs, that none fires early, how late
 * they are when the worker has time, and whether messages notice that they pend. */
#include <stdlib.h>
#include <string.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"
#include "sync.h"

enum message {
    MSG_SWEEP = STAGE_OWN, /* to the sweeper: struct sweep */
    MSG_ARM,               /* to a timer: its deadline, LEAT_NEVER for none */
};

#define STRIDE UINT64_C(7368787)  /* prime, so that deadlines are not armed in their order */
#define DENSE_STEP_NS 20u         /* denser than any machine can fire them: the cost shows */
#define SPARSE_STEP_NS 4000u      /* with time in between: the lateness shows */
#define MARGIN_NS (300 * LEAT_MS) /* from arming to the first one, and for each deadline ... */
#define MARGIN_EACH_NS 1500u

/* Of all timers, the sweeper and the main thread; on several workers the counters are shared. */
struct shared {
    leat_ref *timers;
    uint64_t n;
    leat_ref home;
    double *late;         /* one for each timer, or NULL: not to be noted */
    leat_time clock_lead; /* the runtime's clock less ours, modulo 2^64 */
    struct counter heard; /* messages */
    struct counter fired;
    struct counter early;
    struct counter first_at; /* our clock */
    struct counter last_at;
};

struct sweep {
    leat_time base; /* LEAT_NEVER: arm nothing, only say something to everyone */
    uint64_t step;
};

/* ---- a timer ---- */

struct timer {
    struct shared *shared;
    leat_time at;
    uint32_t index;
    bool tell;
    bool stopping;
};

struct timer_arg {
    struct shared *shared;
    uint32_t index;
    uint32_t zero;
};

static int timer_init(void *state, const void *arg, leat_time now)
{
    struct timer *self = state;
    const struct timer_arg *of = arg;
    (void)now;
    self->shared = of->shared;
    self->index = of->index;
    self->at = LEAT_NEVER;
    return 0;
}

static void timer_fire(struct timer *self, leat_time now)
{
    struct shared *shared = self->shared;
    if (now < self->at) {
        counter_add(&shared->early, 1);
    }
    if (shared->late != NULL) {
        shared->late[self->index] = (double)(now_ns() + shared->clock_lead - self->at);
    }
    self->at = LEAT_NEVER;
    uint64_t fired = counter_add(&shared->fired, 1);
    if (fired == 1) {
        counter_set(&shared->first_at, now_ns());
    }
    if (fired == shared->n) {
        counter_set(&shared->last_at, now_ns());
        self->tell = true;
    }
}

static void timer_on_event(void *state, const struct leat_event *event)
{
    struct timer *self = state;
    switch (event->kind) {
    case LEAT_EVENT_DEADLINE:
        timer_fire(self, event->now);
        break;
    case LEAT_EVENT_MESSAGE:
        memcpy(&self->at, event->payload, sizeof(self->at));
        self->tell = counter_add(&self->shared->heard, 1) == self->shared->n;
        break;
    case LEAT_EVENT_SHUTDOWN:
        self->stopping = true;
        break;
    default:
        break;
    }
}

static bool timer_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct timer *self = state;
    (void)now;
    if (self->tell) {
        self->tell = false;
        leat_output_send(ret, self->shared->home, STAGE_DONE, &self->shared->n, sizeof(uint64_t));
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static leat_time timer_deadline(const void *state)
{
    return ((const struct timer *)state)->at;
}

static const struct leat_behavior timer = {
    .name = "bench timer",
    .state_size = sizeof(struct timer),
    .init = timer_init,
    .on_event = timer_on_event,
    .pop_output = timer_pop_output,
    .deadline = timer_deadline,
};

/* ---- the sweeper: one message to each timer ---- */

struct sweeper {
    struct shared *shared;
    struct sweep sweep;
    uint64_t at; /* next timer */
    bool stopping;
};

static int sweeper_init(void *state, const void *arg, leat_time now)
{
    struct sweeper *self = state;
    (void)now;
    memcpy(&self->shared, arg, sizeof(self->shared));
    self->at = self->shared->n;
    return 0;
}

static void sweeper_on_event(void *state, const struct leat_event *event)
{
    struct sweeper *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        memcpy(&self->sweep, event->payload, sizeof(self->sweep));
        self->at = 0;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    }
}

static bool sweeper_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct sweeper *self = state;
    uint64_t n = self->shared->n;
    (void)now;
    if (self->at < n) {
        leat_time at = self->sweep.base;
        if (at != LEAT_NEVER) {
            at += self->at * STRIDE % n * self->sweep.step;
        }
        leat_output_send(ret, self->shared->timers[self->at++], MSG_ARM, &at, sizeof(at));
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static const struct leat_behavior sweeper = {
    .name = "bench sweeper",
    .state_size = sizeof(struct sweeper),
    .init = sweeper_init,
    .on_event = sweeper_on_event,
    .pop_output = sweeper_pop_output,
};

/* ---- the workload ---- */

/* One message to each timer; ns per message in *ret_ns. */
static int sweep_run(struct stage *stage, struct shared *shared, leat_ref to, leat_time base,
                     uint64_t step, double *ret_ns)
{
    struct sweep sweep = {base, step};
    uint64_t n;
    counter_set(&shared->heard, 0);
    uint64_t start = now_ns();
    if (stage_send(stage, to, MSG_SWEEP, &sweep, sizeof(sweep)) != 0 ||
        stage_wait_done(stage, &n) != 0) {
        return -1;
    }
    *ret_ns = (double)(now_ns() - start) / (double)shared->n;
    return 0;
}

/* The first deadline of a round: late enough that all are armed before. */
static leat_time round_base(const struct stage *stage, uint64_t n)
{
    return leat_controller_now(stage->controller) + MARGIN_NS + n * MARGIN_EACH_NS;
}

static int round_wait(struct stage *stage, struct shared *shared)
{
    uint64_t n;
    if (stage_wait_done(stage, &n) != 0) {
        return -1;
    }
    if (counter_get(&shared->early) != 0) {
        return rep_wrong(stage->rep, "%llu deadlines fired early",
                         (unsigned long long)counter_get(&shared->early));
    }
    return 0;
}

/* All due in a row, faster than they can be fired: what each costs. */
static int dense_round(struct stage *stage, struct shared *shared, leat_ref to)
{
    struct rep *rep = stage->rep;
    uint64_t rounds = stage->setup->quick ? 2000 : 200000;
    double message_ns, arm_ns, alone_ns, beside_ns;

    if (sweep_run(stage, shared, to, LEAT_NEVER, 0, &message_ns) != 0 ||
        pingpong_measure(stage, rounds, &alone_ns) != 0 ||
        sweep_run(stage, shared, to, round_base(stage, shared->n), DENSE_STEP_NS, &arm_ns) != 0 ||
        pingpong_measure(stage, rounds, &beside_ns) != 0) {
        return -1;
    }
    if (counter_get(&shared->fired) > 0) {
        return rep_wrong(rep, "the machine is too slow: deadlines came before all were armed");
    }
    if (round_wait(stage, shared) != 0) {
        return -1;
    }
    uint64_t took = counter_get(&shared->last_at) - counter_get(&shared->first_at);
    double fire_ns = (double)took / (double)(shared->n - 1);
    rep->ns = arm_ns + fire_ns;
    rep_extra(rep, "deadlines", (double)shared->n);
    rep_extra(rep, "message_ns", message_ns);
    rep_extra(rep, "arm_ns", arm_ns);
    rep_extra(rep, "fire_ns", fire_ns);
    rep_extra(rep, "traffic_ns", alone_ns);
    rep_extra(rep, "traffic_pending_ns", beside_ns);
    return 0;
}

/* Due one after the other with time between: how late each is. */
static int sparse_round(struct stage *stage, struct shared *shared, leat_ref to)
{
    double arm_ns;
    shared->late = calloc(shared->n, sizeof(shared->late[0]));
    if (shared->late == NULL) {
        return rep_wrong(stage->rep, "no memory");
    }
    counter_set(&shared->fired, 0);
    leat_time base = round_base(stage, shared->n);
    if (sweep_run(stage, shared, to, base, SPARSE_STEP_NS, &arm_ns) != 0 ||
        round_wait(stage, shared) != 0) {
        return -1;
    }
    rep_extra(stage->rep, "late_p50_ns", quantile(shared->late, shared->n, 0.5));
    rep_extra(stage->rep, "late_p99_ns", quantile(shared->late, shared->n, 0.99));
    free(shared->late);
    shared->late = NULL;
    return 0;
}

static int deadlines_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    static struct shared shared;
    struct shared *sweeper_arg = &shared;
    leat_ref to;
    size_t n = setup->count;
    struct timer_arg *args = calloc(n, sizeof(args[0]));

    shared.n = n;
    shared.home = stage->home;
    shared.timers = calloc(n, sizeof(shared.timers[0]));
    if (args == NULL || shared.timers == NULL) {
        return rep_wrong(rep, "no memory");
    }
    for (size_t i = 0; i < n; i++) {
        args[i] = (struct timer_arg){&shared, (uint32_t)i, 0};
    }
    struct cast timers = {&timer, args, sizeof(args[0]), false, (uint32_t)n, shared.timers};
    struct cast one = {&sweeper, &sweeper_arg, sizeof(sweeper_arg), true, 1, &to};
    if (stage_spawn(stage, &timers) != 0 || stage_spawn(stage, &one) != 0) {
        return -1;
    }
    shared.clock_lead = leat_controller_now(stage->controller) - now_ns();
    if (dense_round(stage, &shared, to) != 0 || sparse_round(stage, &shared, to) != 0) {
        return -1;
    }
    return 0;
}

int deadlines_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        deadlines_play(&stage, setup, rep);
    }
    return stage_close(&stage, NULL);
}
