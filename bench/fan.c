/* Many receivers, many senders, all to all: fork-join throughput, one mailbox with a hundred
 * senders, and closed-loop pings to random others. */
#include <stdlib.h>
#include <string.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"

enum message {
    MSG_WORK = STAGE_OWN,
    MSG_PING,
    MSG_PONG,
};

enum next {
    NEXT_NONE,
    NEXT_MESSAGE,
    NEXT_DONE,
    NEXT_STOP,
};

/* ---- fork-join throughput: one driver, 60 receivers in turn ---- */

#define FORKS 60u

struct driver_arg {
    const leat_ref *to; /* FORKS refs, valid while the workload runs */
    uint64_t rounds;
};

struct driver {
    const leat_ref *to;
    uint64_t rounds; /* left, the current one included */
    uint32_t at;
    bool started;
    bool stopping;
};

static int driver_init(void *state, const void *arg, leat_time now)
{
    struct driver *self = state;
    const struct driver_arg *of = arg;
    (void)now;
    self->to = of->to;
    self->rounds = of->rounds;
    return 0;
}

static void driver_on_event(void *state, const struct leat_event *event)
{
    struct driver *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    } else if (event->type == STAGE_START) {
        self->started = true;
    }
}

static bool driver_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    static const uint64_t one = 1;
    struct driver *self = state;
    (void)now;
    if (self->started && self->rounds > 0) {
        leat_output_send(ret, self->to[self->at], MSG_WORK, &one, sizeof(one));
        ret->full = LEAT_FULL_WAIT;
        self->at++;
        if (self->at == FORKS) {
            self->at = 0;
            self->rounds--;
        }
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
        return true;
    }
    return false;
}

static void driver_on_refused(void *state, struct leat_output *output, int status)
{
    struct driver *self = state;
    (void)output;
    (void)status;
    if (self->at == 0) { /* one back: it is the next again */
        self->at = FORKS;
        self->rounds++;
    }
    self->at--;
}

static const struct leat_behavior driver = {
    .name = "bench driver",
    .state_size = sizeof(struct driver),
    .init = driver_init,
    .on_event = driver_on_event,
    .pop_output = driver_pop_output,
    .on_refused = driver_on_refused,
};

/* Adds up what it is sent and says so after `expected` messages. The receiver of fjthroughput and
 * of mailbox. */
struct sink_arg {
    leat_ref home;
    uint64_t expected;
};

struct sink {
    uint64_t left;
    uint64_t sum;
    leat_ref home;
    enum next next;
};

static int sink_init(void *state, const void *arg, leat_time now)
{
    struct sink *self = state;
    const struct sink_arg *of = arg;
    (void)now;
    self->home = of->home;
    self->left = of->expected;
    return 0;
}

static void sink_on_event(void *state, const struct leat_event *event)
{
    struct sink *self = state;
    uint64_t value;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        memcpy(&value, event->payload, sizeof(value));
        self->sum += value;
        if (--self->left == 0) {
            self->next = NEXT_DONE;
        }
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->next = NEXT_STOP;
    }
}

static bool sink_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct sink *self = state;
    (void)now;
    if (self->next == NEXT_NONE) {
        return false;
    }
    if (self->next == NEXT_DONE) {
        leat_output_send(ret, self->home, STAGE_DONE, &self->sum, sizeof(self->sum));
    } else {
        leat_output_stop(ret);
    }
    self->next = NEXT_NONE;
    return true;
}

static const struct leat_behavior sink = {
    .name = "bench sink",
    .state_size = sizeof(struct sink),
    .init = sink_init,
    .on_event = sink_on_event,
    .pop_output = sink_pop_output,
};

static int fjthroughput_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    static leat_ref forks[FORKS];
    leat_ref from;
    struct driver_arg driver_arg = {.to = forks, .rounds = setup->count};
    struct sink_arg sink_arg = {.home = stage->home, .expected = setup->count};
    struct cast drivers = {&driver, &driver_arg, sizeof(driver_arg), true, 1, &from};
    struct cast sinks = {&sink, &sink_arg, sizeof(sink_arg), true, FORKS, forks};
    if (stage_spawn(stage, &drivers) != 0 || stage_spawn(stage, &sinks) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    if (stage_send(stage, from, STAGE_START, NULL, 0) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < FORKS; i++) {
        uint64_t sum;
        if (stage_wait_done(stage, &sum) != 0) {
            return -1;
        }
        if (sum != setup->count) {
            return rep_wrong(rep, "an actor had %llu of %llu", (unsigned long long)sum,
                             (unsigned long long)setup->count);
        }
    }
    rep->ns = (double)(now_ns() - start) / ((double)setup->count * FORKS);
    return 0;
}

int fjthroughput_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        fjthroughput_play(&stage, setup, rep);
    }
    stage_close(&stage, &totals);
    rep_extra(rep, "messages", (double)setup->count * FORKS);
    rep_extra(rep, "refused", (double)totals.refused);
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- mailbox: a hundred senders, one receiver ---- */

#define SENDERS 100u

struct sender_arg {
    leat_ref to;
    uint64_t n;
};

struct sender {
    leat_ref to;
    uint64_t left; /* also the value of the next message */
    uint64_t n;
    bool stopping;
};

static int sender_init(void *state, const void *arg, leat_time now)
{
    struct sender *self = state;
    const struct sender_arg *of = arg;
    (void)now;
    self->to = of->to;
    self->n = of->n;
    return 0;
}

static void sender_on_event(void *state, const struct leat_event *event)
{
    struct sender *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    } else if (event->type == STAGE_START) {
        self->left = self->n;
    }
}

static bool sender_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct sender *self = state;
    (void)now;
    if (self->left > 0) {
        leat_output_send(ret, self->to, MSG_WORK, &self->left, sizeof(self->left));
        ret->full = LEAT_FULL_WAIT;
        self->left--;
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
        return true;
    }
    return false;
}

static void sender_on_refused(void *state, struct leat_output *output, int status)
{
    struct sender *self = state;
    (void)output;
    (void)status;
    self->left++;
}

static const struct leat_behavior sender = {
    .name = "bench sender",
    .state_size = sizeof(struct sender),
    .init = sender_init,
    .on_event = sender_on_event,
    .pop_output = sender_pop_output,
    .on_refused = sender_on_refused,
};

static int mailbox_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    leat_ref to, senders[SENDERS];
    uint64_t sum;
    struct sink_arg sink_arg = {.home = stage->home, .expected = SENDERS * setup->count};
    struct cast receiver = {&sink, &sink_arg, sizeof(sink_arg), true, 1, &to};
    if (stage_spawn(stage, &receiver) != 0) {
        return -1;
    }
    struct sender_arg sender_arg = {.to = to, .n = setup->count};
    struct cast cast = {&sender, &sender_arg, sizeof(sender_arg), true, SENDERS, senders};
    if (stage_spawn(stage, &cast) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < SENDERS; i++) {
        if (stage_send(stage, senders[i], STAGE_START, NULL, 0) != 0) {
            return -1;
        }
    }
    if (stage_wait_done(stage, &sum) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / ((double)setup->count * SENDERS);
    uint64_t expected = SENDERS * (setup->count * (setup->count + 1) / 2);
    if (sum != expected) {
        return rep_wrong(rep, "the messages add up to %llu, not %llu", (unsigned long long)sum,
                         (unsigned long long)expected);
    }
    return 0;
}

int mailbox_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        mailbox_play(&stage, setup, rep);
    }
    stage_close(&stage, &totals);
    rep_extra(rep, "messages", (double)setup->count * SENDERS);
    rep_extra(rep, "refused", (double)totals.refused);
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- big: everyone pings everyone ---- */

#define BIG_ACTORS 120u

struct big_arg {
    const leat_ref *all; /* BIG_ACTORS refs, valid while the workload runs */
    leat_ref home;
    uint64_t pings;
    uint32_t me;
};

struct big {
    leat_ref to;
    enum next next;
    uint32_t type; /* of the next message */
    uint64_t left;
    uint64_t random; /* xorshift64 */
    const leat_ref *all;
    uint32_t me;
    uint64_t answered; /* pings of others */
    leat_ref home;
};

static int big_init(void *state, const void *arg, leat_time now)
{
    struct big *self = state;
    const struct big_arg *of = arg;
    (void)now;
    self->all = of->all;
    self->home = of->home;
    self->left = of->pings;
    self->me = of->me;
    self->random = UINT64_C(0x9e3779b97f4a7c15) * (of->me + 1);
    return 0;
}

static leat_ref big_other(struct big *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    uint32_t at = (uint32_t)(((self->random >> 32) * (BIG_ACTORS - 1)) >> 32);
    return self->all[at + (at >= self->me)];
}

static void big_on_event(void *state, const struct leat_event *event)
{
    struct big *self = state;
    if (event->kind != LEAT_EVENT_MESSAGE) {
        self->next = event->kind == LEAT_EVENT_SHUTDOWN ? NEXT_STOP : NEXT_NONE;
    } else if (event->type == MSG_PING) {
        self->answered++;
        self->to = event->from;
        self->type = MSG_PONG;
        self->next = NEXT_MESSAGE;
    } else if (self->left > 0) { /* the start, or a pong */
        self->left--;
        self->to = big_other(self);
        self->type = MSG_PING;
        self->next = NEXT_MESSAGE;
    } else {
        self->next = NEXT_DONE;
    }
}

static bool big_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct big *self = state;
    (void)now;
    switch (self->next) {
    case NEXT_NONE:
        return false;
    case NEXT_MESSAGE:
        leat_output_send(ret, self->to, self->type, &self->left, sizeof(self->left));
        break;
    case NEXT_DONE:
        leat_output_send(ret, self->home, STAGE_DONE, &self->left, sizeof(self->left));
        break;
    case NEXT_STOP:
        /* Told last, when all have finished and nobody pings any more. */
        if (self->answered != UINT64_MAX) {
            leat_output_send(ret, self->home, STAGE_READY, &self->answered, sizeof(self->answered));
            self->answered = UINT64_MAX;
            return true;
        }
        leat_output_stop(ret);
        break;
    }
    self->next = NEXT_NONE;
    return true;
}

static const struct leat_behavior big = {
    .name = "bench big",
    .state_size = sizeof(struct big),
    .init = big_init,
    .on_event = big_on_event,
    .pop_output = big_pop_output,
};

static int big_play(struct stage *stage, const struct setup *setup, struct rep *rep)
{
    static leat_ref all[BIG_ACTORS];
    static struct big_arg args[BIG_ACTORS];
    uint64_t answered = 0;
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        args[i] = (struct big_arg){all, stage->home, setup->count, i};
    }
    struct cast cast = {&big, args, sizeof(args[0]), false, BIG_ACTORS, all};
    if (stage_spawn(stage, &cast) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        if (stage_send(stage, all[i], STAGE_START, NULL, 0) != 0) {
            return -1;
        }
    }
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        uint64_t left;
        if (stage_wait_done(stage, &left) != 0) {
            return -1;
        }
    }
    rep->ns = (double)(now_ns() - start) / (2.0 * (double)setup->count * BIG_ACTORS);

    leat_runtime_stop(stage->runtime);
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        struct leat_event event;
        uint64_t of_one;
        if (stage_wait(stage, STAGE_READY, &event) != 0) {
            return -1;
        }
        memcpy(&of_one, event.payload, sizeof(of_one));
        answered += of_one;
    }
    if (answered != setup->count * BIG_ACTORS) {
        return rep_wrong(rep, "%llu of %llu pings answered", (unsigned long long)answered,
                         (unsigned long long)(setup->count * BIG_ACTORS));
    }
    return 0;
}

int big_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    struct totals totals;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        big_play(&stage, setup, rep);
    }
    stage_close(&stage, &totals);
    rep_extra(rep, "messages", 2.0 * (double)setup->count * BIG_ACTORS);
    return rep->result == REP_OK ? 0 : -1;
}
