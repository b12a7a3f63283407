/* The bus: one publisher, a thousand subscribers, bodies of 1,200 bytes. Every subscriber checks the
 * order and that the bytes are those the publisher wrote, where it wrote them: nothing was copied. */
#include <stdlib.h>
#include <string.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"
#include "sync.h"

#define SUBSCRIBERS 1000u
#define BODY_LEN 1200u
#define WINDOW 16u /* published and not yet heard of */

enum message {
    MSG_FRAME = STAGE_OWN, /* published: a struct frame in front of a body */
    MSG_HEARD,             /* subscriber to publisher: a uint64_t, the sequence */
};

struct frame {
    uint64_t sequence;
    const void *at; /* where the publisher wrote it */
};

struct room {
    leat_channel channel;
    leat_ref home;
    leat_ref publisher;
    uint64_t count;
    uint32_t workers;        /* that have subscribers: the first on each says what it has heard */
    struct counter wrong;
    struct counter complete; /* subscribers that have heard all */
};

/* ---- a subscriber ---- */

struct subscriber_arg {
    struct room *room;
    uint32_t index;
    uint32_t zero;
};

struct subscriber {
    struct room *room;
    uint64_t heard;
    uint32_t index;
    bool subscribed, answered;
    bool tells, finished, stopping;
};

static int subscriber_init(void *state, const void *arg, leat_time now)
{
    struct subscriber *self = state;
    const struct subscriber_arg *of = arg;
    (void)now;
    self->room = of->room;
    self->index = of->index;
    return 0;
}

static void subscriber_hear(struct subscriber *self, const struct leat_event *event)
{
    struct frame frame;
    memcpy(&frame, leat_slice_data(event->body), sizeof(frame));
    if (frame.sequence != self->heard || frame.at != leat_slice_data(event->body)) {
        counter_add(&self->room->wrong, 1);
    }
    self->heard++;
    self->tells = self->index < self->room->workers;
    self->finished = self->heard == self->room->count;
}

static void subscriber_on_event(void *state, const struct leat_event *event)
{
    struct subscriber *self = state;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        subscriber_hear(self, event);
    } else if (event->kind == LEAT_EVENT_SUBSCRIBED) {
        self->answered = true;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    }
}

static bool subscriber_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct subscriber *self = state;
    const struct room *room = self->room;
    (void)now;
    if (!self->tells && !self->finished && self->subscribed && !self->answered &&
        !self->stopping) {
        return false; /* the common case while the bus is at work */
    }
    if (!self->subscribed) {
        self->subscribed = true;
        leat_output_subscribe(ret, room->channel, 0);
        return true;
    }
    if (self->answered) {
        self->answered = false;
        leat_output_send(ret, room->home, STAGE_READY, NULL, 0);
        return true;
    }
    if (self->tells) {
        self->tells = false;
        uint64_t sequence = self->heard - 1;
        leat_output_send(ret, room->publisher, MSG_HEARD, &sequence, sizeof(sequence));
        return true;
    }
    if (self->finished) {
        self->finished = false;
        if (counter_add(&self->room->complete, 1) == SUBSCRIBERS) {
            leat_output_send(ret, room->home, STAGE_DONE, &room->count, sizeof(room->count));
            return true;
        }
    }
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static const struct leat_behavior subscriber = {
    .name = "bench subscriber",
    .state_size = sizeof(struct subscriber),
    .init = subscriber_init,
    .on_event = subscriber_on_event,
    .pop_output = subscriber_pop_output,
};

/* ---- the publisher ---- */

struct publisher {
    struct room *room;
    uint64_t published;
    uint64_t heard; /* by the first subscriber of each worker, summed */
    bool started, stopping;
};

static int publisher_init(void *state, const void *arg, leat_time now)
{
    struct publisher *self = state;
    (void)now;
    memcpy(&self->room, arg, sizeof(self->room));
    return 0;
}

static void publisher_on_event(void *state, const struct leat_event *event)
{
    struct publisher *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    } else if (event->type == STAGE_START) {
        self->started = true;
    } else if (event->type == MSG_HEARD) {
        self->heard++;
    }
}

static bool publisher_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct publisher *self = state;
    const struct room *room = self->room;
    (void)now;
    uint64_t ahead = self->published * room->workers - self->heard;
    if (self->started && self->published < room->count && ahead < WINDOW * room->workers) {
        leat_slice body;
        if (leat_buf_alloc(BODY_LEN, &body) != 0) {
            return false;
        }
        struct frame frame = {.sequence = self->published++, .at = leat_slice_data(body)};
        memcpy(leat_slice_data(body), &frame, sizeof(frame));
        leat_output_publish_body(ret, room->channel, MSG_FRAME, body);
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static const struct leat_behavior publisher = {
    .name = "bench publisher",
    .state_size = sizeof(struct publisher),
    .init = publisher_init,
    .on_event = publisher_on_event,
    .pop_output = publisher_pop_output,
};

/* ---- publish1000 ---- */

static int publish_measure(struct stage *stage, struct room *room, struct rep *rep)
{
    static struct subscriber_arg args[SUBSCRIBERS];
    struct room *arg = room;
    const struct cast one = {
        .behavior = &publisher, .args = &arg, .arg_size = sizeof(arg), .n = 1,
        .refs = &room->publisher};
    const struct cast all = {
        .behavior = &subscriber, .args = args, .arg_size = sizeof(args[0]), .n = SUBSCRIBERS};
    for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
        args[i] = (struct subscriber_arg){.room = room, .index = i};
    }
    if (stage_spawn(stage, &one) != 0) {
        return -1;
    }
    stage->spawned = 0; /* the first subscribers are on different workers */
    if (stage_spawn(stage, &all) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
        if (stage_wait(stage, STAGE_READY, NULL) != 0) {
            return -1;
        }
    }
    uint64_t start = now_ns(), heard;
    if (stage_send(stage, room->publisher, STAGE_START, NULL, 0) != 0 ||
        stage_wait_done(stage, &heard) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / ((double)room->count * SUBSCRIBERS);
    return 0;
}

int publish1000_run(const struct setup *setup, struct rep *rep)
{
    static struct room room;
    struct stage stage;
    struct totals totals;
    room.count = setup->count;
    room.workers = setup->spread ? setup->workers : 1;
    if (leat_channel_open("bench", &room.channel) != 0) {
        return rep_wrong(rep, "no channel");
    }
    struct leat_config config = stage_config(setup);
    config.mailbox_len_max = 4 * SUBSCRIBERS; /* all say at once that they are ready */
    if (stage_open(&stage, setup, rep, &config) == 0) {
        room.home = stage.home;
        publish_measure(&stage, &room, rep);
    }
    stage_close(&stage, &totals);
    leat_channel_close(room.channel);
    if (rep->result == REP_OK && counter_get(&room.wrong) > 0) {
        rep_wrong(rep, "%llu copies were out of order, or not where they were written",
                  (unsigned long long)counter_get(&room.wrong));
    }
    if (rep->result == REP_OK && totals.refused > 0) {
        rep_wrong(rep, "%llu copies were refused", (unsigned long long)totals.refused);
    }
    rep_extra(rep, "copies", (double)setup->count * SUBSCRIBERS);
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- its floor: a loop over a thousand states, a function pointer and a reference each ---- */

struct listener {
    void (*hear)(struct listener *self, uint8_t *body);
    uint64_t heard, wrong;
    uint64_t state[4];
};

static void listener_hear(struct listener *self, uint8_t *body)
{
    struct frame frame;
    memcpy(&frame, body, sizeof(frame));
    self->wrong += frame.sequence != self->heard;
    self->heard++;
}

int publish1000_floor(const struct setup *setup, struct rep *rep)
{
    static struct listener listeners[SUBSCRIBERS];
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
        listeners[i] = (struct listener){.hear = listener_hear};
    }
    uint64_t start = now_ns();
    for (uint64_t n = 0; n < setup->count; n++) {
        uint8_t *body = malloc(BODY_LEN);
        if (body == NULL) {
            return rep_wrong(rep, "no memory");
        }
        struct frame frame = {.sequence = n, .at = body};
        memcpy(body, &frame, sizeof(frame));
        keep(body);
        for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
            listeners[i].hear(&listeners[i], body);
        }
        free(body);
    }
    rep->ns = (double)(now_ns() - start) / ((double)setup->count * SUBSCRIBERS);
    for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
        wrong += listeners[i].wrong + (listeners[i].heard != setup->count);
    }
    return wrong == 0 ? 0 : rep_wrong(rep, "a listener has not heard all");
}

/* ---- tracing: a ping-pong whose every transition is counted, beside one that is not traced ---- */

struct traced {
    uint64_t transitions __attribute__((aligned(64)));
};

static void trace_count(void *context, const struct leat_trace *trace)
{
    struct traced *traced = context;
    traced[trace->worker].transitions++; /* each worker has its own */
}

int trace_overhead_run(const struct setup *setup, struct rep *rep)
{
    static struct traced traced[LEAT_WORKERS_MAX];
    struct stage stage;
    struct leat_config config = stage_config(setup);
    config.trace = trace_count;
    config.trace_context = traced;
    if (stage_open(&stage, setup, rep, &config) == 0) {
        pingpong_measure(&stage, setup->count, &rep->ns);
    }
    stage_close(&stage, NULL);
    uint64_t transitions = 0;
    for (uint32_t i = 0; i < LEAT_WORKERS_MAX; i++) {
        transitions += traced[i].transitions;
    }
    double messages = 2.0 * (double)setup->count;
    if (rep->result == REP_OK && (double)transitions < 3.0 * messages) {
        rep_wrong(rep, "only %llu transitions", (unsigned long long)transitions);
    }
    rep_extra(rep, "transitions", (double)transitions);
    return rep->result == REP_OK ? 0 : -1;
}

int trace_overhead_floor(const struct setup *setup, struct rep *rep)
{
    return pingpong_run(setup, rep);
}
