/* One message at a time or one sender: ping-pong, counting, a token in a ring. Each actor keeps
 * only what it needs for its next output, which pop_output makes when it is asked. */
#include <errno.h>
#include <string.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"

enum message {
    MSG_PING = STAGE_OWN,
    MSG_PONG,
    MSG_INCREMENT,
    MSG_ASK,
    MSG_TOTAL,
    MSG_LINK,
    MSG_TOKEN,
};

enum next {
    NEXT_NONE,
    NEXT_MESSAGE,
    NEXT_DONE,
    NEXT_STOP,
};

/* ---- ping-pong ---- */

struct pinger_arg {
    leat_ref home;
    uint64_t rounds;
};

struct pinger {
    leat_ref other;
    uint64_t left;
    uint64_t wrong; /* answers that did not carry what was asked */
    leat_ref home;
    enum next next;
};

static int pinger_init(void *state, const void *arg, leat_time now)
{
    struct pinger *self = state;
    const struct pinger_arg *of = arg;
    (void)now;
    self->home = of->home;
    self->left = of->rounds;
    return 0;
}

static void pinger_on_event(void *state, const struct leat_event *event)
{
    struct pinger *self = state;
    uint64_t value;
    if (event->kind != LEAT_EVENT_MESSAGE) {
        self->next = event->kind == LEAT_EVENT_SHUTDOWN ? NEXT_STOP : NEXT_NONE;
    } else if (event->type == MSG_PONG) {
        memcpy(&value, event->payload, sizeof(value));
        self->wrong += value != self->left;
        self->left--;
        self->next = self->left > 0 ? NEXT_MESSAGE : NEXT_DONE;
    } else if (event->type == STAGE_START) {
        memcpy(&self->other, event->payload, sizeof(self->other));
        self->next = NEXT_MESSAGE;
    }
}

static bool pinger_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct pinger *self = state;
    (void)now;
    switch (self->next) {
    case NEXT_NONE:
        return false;
    case NEXT_MESSAGE:
        leat_output_send(ret, self->other, MSG_PING, &self->left, sizeof(self->left));
        break;
    case NEXT_DONE:
        leat_output_send(ret, self->home, STAGE_DONE, &self->wrong, sizeof(self->wrong));
        break;
    case NEXT_STOP:
        leat_output_stop(ret);
        break;
    }
    self->next = NEXT_NONE;
    return true;
}

static const struct leat_behavior pinger = {
    .name = "bench pinger",
    .state_size = sizeof(struct pinger),
    .init = pinger_init,
    .on_event = pinger_on_event,
    .pop_output = pinger_pop_output,
};

struct ponger {
    leat_ref to;
    uint64_t value;
    enum next next;
};

static void ponger_on_event(void *state, const struct leat_event *event)
{
    struct ponger *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        self->to = event->from;
        memcpy(&self->value, event->payload, sizeof(self->value));
        self->next = NEXT_MESSAGE;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->next = NEXT_STOP;
    }
}

static bool ponger_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct ponger *self = state;
    (void)now;
    if (self->next == NEXT_NONE) {
        return false;
    }
    if (self->next == NEXT_MESSAGE) {
        leat_output_send(ret, self->to, MSG_PONG, &self->value, sizeof(self->value));
    } else {
        leat_output_stop(ret);
    }
    self->next = NEXT_NONE;
    return true;
}

static const struct leat_behavior ponger = {
    .name = "bench ponger",
    .state_size = sizeof(struct ponger),
    .on_event = ponger_on_event,
    .pop_output = ponger_pop_output,
};

int pingpong_measure(struct stage *stage, uint64_t rounds, double *ret_ns)
{
    struct pinger_arg arg = {.home = stage->home, .rounds = rounds};
    struct cast ping = {&pinger, &arg, sizeof(arg), true, 1, NULL};
    struct cast pong = {&ponger, NULL, 0, true, 1, NULL};
    leat_ref a, b;
    uint64_t wrong = 0;

    ping.refs = &a;
    pong.refs = &b;
    if (stage_spawn(stage, &ping) != 0 || stage_spawn(stage, &pong) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    if (stage_send(stage, a, STAGE_START, &b, sizeof(b)) != 0 ||
        stage_wait_done(stage, &wrong) != 0) {
        return -1;
    }
    *ret_ns = (double)(now_ns() - start) / (2.0 * (double)rounds);
    if (wrong != 0) {
        return rep_wrong(stage->rep, "%llu of the answers are wrong", (unsigned long long)wrong);
    }
    return 0;
}

int pingpong_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        pingpong_measure(&stage, setup->count, &rep->ns);
    }
    stage_close(&stage, &totals);
    if (rep->result == REP_OK && totals.delivered < 2 * setup->count) {
        rep_wrong(rep, "only %llu messages delivered", (unsigned long long)totals.delivered);
    }
    rep_extra(rep, "messages", 2.0 * (double)setup->count);
    return rep->result == REP_OK ? 0 : -1;
}

/* The same between two workers. */
int roundtrip_run(const struct setup *setup, struct rep *rep)
{
    struct setup across = *setup;
    if (cpus_allowed() < 2) {
        return rep_skip(rep, "two CPUs are needed, this process may use one");
    }
    across.spread = true;
    return pingpong_run(&across, rep);
}

/* ---- counting ---- */

struct producer_arg {
    leat_ref home;
    leat_ref counter;
    uint64_t increments;
};

enum producer_phase {
    PRODUCER_WAITING,
    PRODUCER_SENDING,
    PRODUCER_TELLING,
    PRODUCER_ENDING,
};

struct producer {
    leat_ref counter;
    uint64_t left;
    enum producer_phase phase;
    uint64_t total;
    leat_ref home;
};

static int producer_init(void *state, const void *arg, leat_time now)
{
    struct producer *self = state;
    const struct producer_arg *of = arg;
    (void)now;
    self->home = of->home;
    self->counter = of->counter;
    self->left = of->increments;
    return 0;
}

static void producer_on_event(void *state, const struct leat_event *event)
{
    struct producer *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->phase = PRODUCER_ENDING;
    } else if (event->type == STAGE_START) {
        self->phase = PRODUCER_SENDING;
    } else if (event->type == MSG_TOTAL) {
        memcpy(&self->total, event->payload, sizeof(self->total));
        self->phase = PRODUCER_TELLING;
    }
}

static bool producer_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    static const uint64_t one = 1;
    struct producer *self = state;
    (void)now;
    switch (self->phase) {
    case PRODUCER_WAITING:
        return false;
    case PRODUCER_SENDING:
        if (self->left > 0) {
            self->left--;
            leat_output_send(ret, self->counter, MSG_INCREMENT, &one, sizeof(one));
        } else {
            leat_output_send(ret, self->counter, MSG_ASK, NULL, 0);
            self->phase = PRODUCER_WAITING;
        }
        ret->full = LEAT_FULL_WAIT;
        return true;
    case PRODUCER_TELLING:
        leat_output_send(ret, self->home, STAGE_DONE, &self->total, sizeof(self->total));
        self->phase = PRODUCER_WAITING;
        return true;
    case PRODUCER_ENDING:
        leat_output_stop(ret);
        return true;
    }
    return false;
}

/* Waited in vain: say it again. */
static void producer_on_refused(void *state, struct leat_output *output, int status)
{
    struct producer *self = state;
    (void)status;
    if (output->type == MSG_INCREMENT) {
        self->left++;
    } else if (output->type == MSG_ASK) {
        self->phase = PRODUCER_SENDING;
    }
}

static const struct leat_behavior producer = {
    .name = "bench producer",
    .state_size = sizeof(struct producer),
    .init = producer_init,
    .on_event = producer_on_event,
    .pop_output = producer_pop_output,
    .on_refused = producer_on_refused,
};

struct tally {
    uint64_t total;
    leat_ref to;
    enum next next;
};

static void tally_on_event(void *state, const struct leat_event *event)
{
    struct tally *self = state;
    uint64_t value;
    if (event->kind != LEAT_EVENT_MESSAGE) {
        self->next = event->kind == LEAT_EVENT_SHUTDOWN ? NEXT_STOP : NEXT_NONE;
    } else if (event->type == MSG_INCREMENT) {
        memcpy(&value, event->payload, sizeof(value));
        self->total += value;
    } else if (event->type == MSG_ASK) {
        self->to = event->from;
        self->next = NEXT_MESSAGE;
    }
}

static bool tally_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct tally *self = state;
    (void)now;
    if (self->next == NEXT_NONE) {
        return false;
    }
    if (self->next == NEXT_MESSAGE) {
        leat_output_send(ret, self->to, MSG_TOTAL, &self->total, sizeof(self->total));
    } else {
        leat_output_stop(ret);
    }
    self->next = NEXT_NONE;
    return true;
}

static const struct leat_behavior tally = {
    .name = "bench counter",
    .state_size = sizeof(struct tally),
    .on_event = tally_on_event,
    .pop_output = tally_pop_output,
};

static int counting_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    leat_ref from, to;
    uint64_t total = 0;
    struct cast counter = {&tally, NULL, 0, true, 1, &to};
    if (stage_spawn(stage, &counter) != 0) {
        return -1;
    }
    struct producer_arg arg = {.home = stage->home, .counter = to, .increments = setup->count};
    struct cast sender = {&producer, &arg, sizeof(arg), true, 1, &from};
    if (stage_spawn(stage, &sender) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    if (stage_send(stage, from, STAGE_START, NULL, 0) != 0 || stage_wait_done(stage, &total) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / (double)setup->count;
    if (total != setup->count) {
        return rep_wrong(rep, "counted %llu of %llu", (unsigned long long)total,
                         (unsigned long long)setup->count);
    }
    return 0;
}

int counting_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        counting_play(&stage, setup, rep);
    }
    stage_close(&stage, &totals);
    rep_extra(rep, "messages", (double)setup->count);
    rep_extra(rep, "refused", (double)totals.refused);
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- a token in a ring ---- */

#define RING_LEN 100u

struct hopper {
    leat_ref to;
    uint64_t hops;
    enum next next;
    leat_ref home;
};

static int hopper_init(void *state, const void *arg, leat_time now)
{
    struct hopper *self = state;
    (void)now;
    memcpy(&self->home, arg, sizeof(self->home));
    return 0;
}

static void hopper_on_event(void *state, const struct leat_event *event)
{
    struct hopper *self = state;
    if (event->kind != LEAT_EVENT_MESSAGE) {
        self->next = event->kind == LEAT_EVENT_SHUTDOWN ? NEXT_STOP : NEXT_NONE;
    } else if (event->type == MSG_TOKEN) {
        memcpy(&self->hops, event->payload, sizeof(self->hops));
        self->next = NEXT_DONE;
        if (self->hops > 1) {
            self->hops--;
            self->next = NEXT_MESSAGE;
        }
    } else if (event->type == MSG_LINK) {
        memcpy(&self->to, event->payload, sizeof(self->to));
        self->next = NEXT_DONE;
    }
}

static bool hopper_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct hopper *self = state;
    (void)now;
    switch (self->next) {
    case NEXT_NONE:
        return false;
    case NEXT_MESSAGE:
        leat_output_send(ret, self->to, MSG_TOKEN, &self->hops, sizeof(self->hops));
        break;
    case NEXT_DONE:
        leat_output_send(ret, self->home, STAGE_DONE, &self->hops, sizeof(self->hops));
        break;
    case NEXT_STOP:
        leat_output_stop(ret);
        break;
    }
    self->next = NEXT_NONE;
    return true;
}

static const struct leat_behavior hopper = {
    .name = "bench hopper",
    .state_size = sizeof(struct hopper),
    .init = hopper_init,
    .on_event = hopper_on_event,
    .pop_output = hopper_pop_output,
};

static int threadring_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    leat_ref ring[RING_LEN];
    uint64_t last = 0;
    struct cast cast = {&hopper, &stage->home, sizeof(stage->home), true, RING_LEN, ring};
    if (stage_spawn(stage, &cast) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < RING_LEN; i++) {
        leat_ref next = ring[(i + 1) % RING_LEN];
        if (stage_send(stage, ring[i], MSG_LINK, &next, sizeof(next)) != 0 ||
            stage_wait_done(stage, &last) != 0) {
            return -1;
        }
    }
    struct leat_event event;
    uint64_t start = now_ns();
    if (stage_send(stage, ring[0], MSG_TOKEN, &setup->count, sizeof(setup->count)) != 0 ||
        stage_wait(stage, STAGE_DONE, &event) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / (double)setup->count;
    /* `count` messages in all, so the last holder is known. */
    if (!leat_ref_equal(event.from, ring[(setup->count - 1) % RING_LEN])) {
        return rep_wrong(rep, "the token ended at the wrong actor");
    }
    return 0;
}

int threadring_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        threadring_play(&stage, setup, rep);
    }
    stage_close(&stage, &totals);
    if (rep->result == REP_OK && totals.delivered < setup->count) {
        rep_wrong(rep, "only %llu messages delivered", (unsigned long long)totals.delivered);
    }
    rep_extra(rep, "messages", (double)setup->count);
    return rep->result == REP_OK ? 0 : -1;
}
