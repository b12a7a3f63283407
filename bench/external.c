/* Threads outside the runtime: a main thread that keeps messages in flight through a controller,
 * and one that speaks to a worker asleep. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"
#include "sync.h"

enum message {
    MSG_ECHO = STAGE_OWN,
    MSG_STAMP,
};

/* ---- echo ---- */

struct parcel {
    uint64_t number;
    uint64_t sent_at; /* 0: not a sample */
};

struct echo {
    leat_ref to;
    struct parcel parcel;
    bool answer;
    bool stopping;
};

static void echo_on_event(void *state, const struct leat_event *event)
{
    struct echo *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        self->to = event->from;
        memcpy(&self->parcel, event->payload, sizeof(self->parcel));
        self->answer = true;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    }
}

static bool echo_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct echo *self = state;
    (void)now;
    if (self->answer) {
        leat_output_send(ret, self->to, MSG_ECHO, &self->parcel, sizeof(self->parcel));
        self->answer = false;
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static const struct leat_behavior echo = {
    .name = "bench echo",
    .state_size = sizeof(struct echo),
    .on_event = echo_on_event,
    .pop_output = echo_pop_output,
};

/* ---- ext ---- */

#define ECHOES 2u
#define IN_FLIGHT 200u    /* of each */
#define SAMPLE_EVERY 256u /* echoes */
#define SPINS_MAX 20000u  /* looks at an empty mailbox before it sleeps, about 0.5 ms */

/* What the main thread does: sends `total` parcels, answers each echo with the next. */
struct flight {
    struct stage *stage;
    uint64_t total;
    uint64_t sent;
    uint64_t received;
    uint64_t sum; /* of the numbers received */
    bool spin;
    double *samples; /* latencies, ns */
    size_t samples_len;
    size_t samples_max;
};

static int flight_send(struct flight *flight, leat_ref to)
{
    struct parcel parcel = {.number = flight->sent + 1, .sent_at = 0};
    if (flight->sent % SAMPLE_EVERY == 0) {
        parcel.sent_at = now_ns();
    }
    flight->sent++;
    return stage_send(flight->stage, to, MSG_ECHO, &parcel, sizeof(parcel));
}

static int flight_receive(struct flight *flight, struct leat_event *ret)
{
    leat_controller *controller = flight->stage->controller;
    if (flight->spin) {
        for (uint32_t i = 0; i < SPINS_MAX; i++) {
            int status = leat_receive(controller, 0, ret);
            if (status != -ETIMEDOUT) {
                return status;
            }
            cpu_relax();
        }
    }
    return leat_receive(controller, 10 * LEAT_SEC, ret);
}

static int flight_step(struct flight *flight)
{
    struct leat_event event;
    struct parcel parcel;
    int status = flight_receive(flight, &event);
    if (status != 0 || event.kind != LEAT_EVENT_MESSAGE || event.type != MSG_ECHO) {
        return rep_wrong(flight->stage->rep, "waiting for an echo: %s, kind %u", strerror(-status),
                         status == 0 ? event.kind : 0u);
    }
    memcpy(&parcel, event.payload, sizeof(parcel));
    flight->received++;
    flight->sum += parcel.number;
    if (parcel.sent_at != 0 && flight->samples_len < flight->samples_max) {
        flight->samples[flight->samples_len++] = (double)(now_ns() - parcel.sent_at);
    }
    return flight->sent < flight->total ? flight_send(flight, event.from) : 0;
}

/* One flight over the echoes; its time in *ret_ns. */
static int flight_run(struct flight *flight, const leat_ref *echoes, uint32_t echoes_len,
                      uint32_t in_flight, uint64_t *ret_ns)
{
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < echoes_len * in_flight; i++) {
        if (flight_send(flight, echoes[i % echoes_len]) != 0) {
            return -1;
        }
    }
    while (flight->received < flight->total) {
        if (flight_step(flight) != 0) {
            return -1;
        }
    }
    *ret_ns = now_ns() - start;
    if (flight->sum != flight->total * (flight->total + 1) / 2) {
        return rep_wrong(flight->stage->rep, "the echoes do not add up");
    }
    return 0;
}

struct ext_figures {
    double ns;
    double latency_mean_ns; /* sampled */
    double latency_p99_ns;
};

/* One runtime, one flight. spin: workers and the main thread; else they sleep when out of work. */
static int ext_half(const struct setup *setup, struct rep *rep, uint64_t total, bool spin,
                    struct ext_figures *ret)
{
    struct stage stage;
    struct leat_config config = stage_config(setup);
    leat_ref echoes[ECHOES];
    struct cast cast = {&echo, NULL, 0, true, ECHOES, echoes};
    struct flight flight = {.stage = &stage, .total = total, .spin = spin};
    uint64_t ns = 0;

    flight.samples_max = total / SAMPLE_EVERY + 1;
    flight.samples = calloc(flight.samples_max, sizeof(flight.samples[0]));
    if (flight.samples == NULL) {
        return rep_wrong(rep, "no memory");
    }
    if (!spin) {
        config.spin_us = 0;
    }
    if (stage_open(&stage, setup, rep, &config) == 0 && stage_spawn(&stage, &cast) == 0) {
        flight_run(&flight, echoes, ECHOES, IN_FLIGHT, &ns);
    }
    stage_close(&stage, NULL);
    ret->ns = (double)ns / (double)total;
    ret->latency_mean_ns = 0;
    for (size_t i = 0; i < flight.samples_len; i++) {
        ret->latency_mean_ns += flight.samples[i] / (double)flight.samples_len;
    }
    ret->latency_p99_ns = quantile(flight.samples, flight.samples_len, 0.99);
    free(flight.samples);
    return rep->result == REP_OK ? 0 : -1;
}

int ext_run(const struct setup *setup, struct rep *rep)
{
    struct ext_figures hot, sleeping;
    if (ext_half(setup, rep, setup->count, true, &hot) != 0 ||
        ext_half(setup, rep, setup->count / 2, false, &sleeping) != 0) {
        return -1;
    }
    rep->ns = hot.ns;
    /* Little's law: in flight = rate x latency. */
    rep_extra(rep, "latency_ns", hot.ns * ECHOES * IN_FLIGHT);
    rep_extra(rep, "latency_sampled_ns", hot.latency_mean_ns);
    rep_extra(rep, "latency_sampled_p99_ns", hot.latency_p99_ns);
    rep_extra(rep, "sleeping_ns", sleeping.ns);
    rep_extra(rep, "sleeping_latency_ns", sleeping.ns * ECHOES * IN_FLIGHT);
    rep_extra(rep, "sleeping_latency_sampled_ns", sleeping.latency_mean_ns);
    rep_extra(rep, "messages", 2.0 * (double)setup->count);
    return 0;
}

/* ---- ext1 ---- */

#define COLD_PAUSE_NS (200 * LEAT_US) /* longer than a worker spins */

/* `n` echoes, one at a time, each after a pause in which the worker goes to sleep. */
static int ext1_cold(struct stage *stage, leat_ref to, uint32_t n, double *latencies)
{
    for (uint32_t i = 0; i < n; i++) {
        struct parcel parcel = {.number = i, .sent_at = 0};
        struct leat_event event;
        sleep_ns(COLD_PAUSE_NS);
        uint64_t start = now_ns();
        if (stage_send(stage, to, MSG_ECHO, &parcel, sizeof(parcel)) != 0 ||
            stage_wait(stage, MSG_ECHO, &event) != 0) {
            return -1;
        }
        latencies[i] = (double)(now_ns() - start);
        if (memcmp(event.payload, &parcel, sizeof(parcel)) != 0) {
            return rep_wrong(stage->rep, "an echo is not what was sent");
        }
    }
    return 0;
}

static int ext1_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    leat_ref to;
    uint64_t ns;
    uint32_t cold = setup->quick ? 50 : 2000;
    double *latencies = calloc(cold, sizeof(latencies[0]));
    struct cast cast = {&echo, NULL, 0, true, 1, &to};
    struct flight flight = {.stage = stage, .total = setup->count, .spin = true};
    if (latencies == NULL || stage_spawn(stage, &cast) != 0 ||
        flight_run(&flight, &to, 1, 1, &ns) != 0 || ext1_cold(stage, to, cold, latencies) != 0) {
        free(latencies);
        return rep_wrong(rep, "no memory");
    }
    rep->ns = (double)ns / (double)setup->count;
    rep_extra(rep, "cold_ns", quantile(latencies, cold, 0.5));
    rep_extra(rep, "cold_p99_ns", quantile(latencies, cold, 0.99));
    rep_extra(rep, "messages", 2.0 * (double)setup->count);
    free(latencies);
    return 0;
}

int ext1_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        ext1_play(&stage, setup, rep);
    }
    return stage_close(&stage, NULL);
}

/* ---- wakeup ---- */

#define WAKEUP_PAUSE_NS (300 * LEAT_US)
#define BURST 16u /* messages in a row; they must cost one wake */

/* Shared by the main thread and the actor that stamps. Only this actor reads a clock: it is the
 * instrument. */
struct stamps {
    struct counter last; /* time of the message seen last */
    struct counter seen; /* how many */
};

struct stamper {
    struct stamps *stamps;
    bool stopping;
};

static int stamper_init(void *state, const void *arg, leat_time now)
{
    struct stamper *self = state;
    (void)now;
    memcpy(&self->stamps, arg, sizeof(self->stamps));
    return 0;
}

static void stamper_on_event(void *state, const struct leat_event *event)
{
    struct stamper *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        counter_set(&self->stamps->last, now_ns());
        counter_add(&self->stamps->seen, 1);
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    }
}

static bool stamper_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct stamper *self = state;
    (void)now;
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static const struct leat_behavior stamper = {
    .name = "bench stamper",
    .state_size = sizeof(struct stamper),
    .init = stamper_init,
    .on_event = stamper_on_event,
    .pop_output = stamper_pop_output,
};

/* Keeps the sender's CPU awake, so that only the receiver's is woken. */
static void pause_busy(uint64_t ns)
{
    uint64_t until = now_ns() + ns;
    while (now_ns() < until) {
        cpu_relax();
    }
}

static int stamps_wait(struct stage *stage, const struct stamps *stamps, uint64_t n)
{
    uint64_t limit = now_ns() + 10 * LEAT_SEC;
    while (counter_get(&stamps->seen) < n) {
        if (now_ns() > limit) {
            return rep_wrong(stage->rep, "message %llu never arrived", (unsigned long long)n);
        }
        cpu_relax();
    }
    return 0;
}

static int wakeup_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    static struct stamps stamps;
    struct stamps *arg = &stamps;
    leat_ref to;
    struct cast cast = {&stamper, &arg, sizeof(arg), true, 1, &to};
    size_t n = setup->count;
    double *late = calloc(n, sizeof(late[0]));
    double *cost = calloc(n, sizeof(cost[0]));
    if (late == NULL || cost == NULL) {
        return rep_wrong(rep, "no memory");
    }
    if (stage_spawn(stage, &cast) != 0) {
        return -1;
    }
    static struct leat_worker_stats before[LEAT_WORKERS_MAX], after[LEAT_WORKERS_MAX];
    leat_stats_workers(stage->runtime, before, LEAT_WORKERS_MAX);
    for (size_t i = 0; i < n; i++) {
        pause_busy(WAKEUP_PAUSE_NS);
        uint64_t start = now_ns();
        if (stage_send(stage, to, MSG_STAMP, NULL, 0) != 0) {
            return -1;
        }
        cost[i] = (double)(now_ns() - start);
        if (stamps_wait(stage, &stamps, i + 1) != 0) {
            return -1;
        }
        late[i] = (double)(counter_get(&stamps.last) - start);
    }
    for (uint32_t i = 0; i < n / 8; i++) {
        pause_busy(WAKEUP_PAUSE_NS);
        for (uint32_t k = 0; k < BURST; k++) {
            if (stage_send(stage, to, MSG_STAMP, NULL, 0) != 0) {
                return -1;
            }
        }
        if (stamps_wait(stage, &stamps, n + (i + 1) * BURST) != 0) {
            return -1;
        }
    }
    leat_stats_workers(stage->runtime, after, LEAT_WORKERS_MAX);
    uint64_t sleeps = after[0].sleeps - before[0].sleeps;
    uint64_t wakes = after[0].wakes - before[0].wakes;
    if (wakes > sleeps + 1) {
        return rep_wrong(rep, "%llu wakes for %llu sleeps", (unsigned long long)wakes,
                         (unsigned long long)sleeps);
    }
    rep->ns = quantile(late, n, 0.5);
    rep_extra(rep, "p99_ns", quantile(late, n, 0.99));
    rep_extra(rep, "sender_ns", quantile(cost, n, 0.5));
    rep_extra(rep, "sleeps", (double)sleeps);
    rep_extra(rep, "wakes", (double)wakes);
    free(late);
    free(cost);
    return 0;
}

int wakeup_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    if (cpus_allowed() < 2) {
        return rep_skip(rep, "two CPUs are needed, this process may use one");
    }
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        wakeup_play(&stage, setup, rep);
    }
    return stage_close(&stage, NULL);
}
