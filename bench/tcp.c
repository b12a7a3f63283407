/* The TCP workloads, leat's side: a listener that spawns an actor for each connection and gives it
 * the connection, which it echoes. */
#include <string.h>
#include <unistd.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"
#include "tcp.h"

enum message {
    MSG_LISTENING = STAGE_OWN, /* payload: struct listening */
};

struct listening {
    int32_t status;
    uint16_t port;
    uint16_t zero;
    pid_t thread; /* the worker's */
};

/* ---- a connection ---- */

struct tcp_session {
    leat_outbox(4) out;
};

static void tcp_session_on_event(void *state, const struct leat_event *event)
{
    struct tcp_session *self = state;
    if (event->kind == LEAT_EVENT_DATA) {
        leat_output_reply(leat_outbox_put(&self->out), event, leat_slice_ref(event->data.body));
    } else if (event->kind == LEAT_EVENT_FINISHED) {
        leat_output_finish(leat_outbox_put(&self->out), event->sock);
    } else if (event->kind == LEAT_EVENT_SOCK_CLOSED || event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool tcp_session_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct tcp_session *)state)->out, ret);
}

static const struct leat_behavior tcp_session = {
    .name = "bench tcp session",
    .state_size = sizeof(struct tcp_session),
    .on_event = tcp_session_on_event,
    .pop_output = tcp_session_pop_output,
};

/* ---- the listener ---- */

struct tcp_listener {
    leat_ref home;
    struct listening listening;
    leat_outbox(2) out;
};

static int tcp_listener_init(void *state, const void *arg, leat_time now)
{
    struct tcp_listener *self = state;
    struct leat_addr local;
    (void)now;
    memcpy(&self->home, arg, sizeof(self->home));
    int status = leat_addr_parse("127.0.0.1:0", &local);
    leat_output_listen(leat_outbox_put(&self->out), &local, 0);
    return status;
}

static void tcp_listener_on_event(void *state, const struct leat_event *event)
{
    struct tcp_listener *self = state;
    switch (event->kind) {
    case LEAT_EVENT_ACCEPTED:
        leat_output_spawn(leat_outbox_put(&self->out), &tcp_session, NULL, 0,
                          event->accepted.sock.id);
        break;
    case LEAT_EVENT_SPAWNED: /* if it failed the connection stays, and the clients say so */
        leat_output_give(leat_outbox_put(&self->out), (leat_sock){event->spawned.cookie},
                         event->spawned.child, 0);
        break;
    case LEAT_EVENT_OPENED:
        self->listening.status = event->status;
        self->listening.port = event->opened.local.port;
        self->listening.thread = gettid();
        leat_output_send(leat_outbox_put(&self->out), self->home, MSG_LISTENING, &self->listening,
                         sizeof(self->listening));
        break;
    case LEAT_EVENT_SHUTDOWN:
        leat_output_stop(leat_outbox_put(&self->out));
        break;
    default:
        break;
    }
}

static bool tcp_listener_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct tcp_listener *)state)->out, ret);
}

static const struct leat_behavior tcp_listener = {
    .name = "bench tcp listener",
    .state_size = sizeof(struct tcp_listener),
    .init = tcp_listener_init,
    .on_event = tcp_listener_on_event,
    .pop_output = tcp_listener_pop_output,
};

/* ---- the workloads ---- */

static int serve(struct stage *stage, struct generator *generator, struct tcp_outcome *ret)
{
    struct rep *rep = stage->rep;
    struct listening listening;
    struct leat_event event;
    struct cast cast = {&tcp_listener, &stage->home, sizeof(stage->home), true, 1, NULL};
    if (stage_spawn(stage, &cast) != 0 || stage_wait(stage, MSG_LISTENING, &event) != 0) {
        return -1;
    }
    memcpy(&listening, event.payload, sizeof(listening));
    if (listening.status != 0) {
        return rep_wrong(rep, "listening: %s", strerror(-listening.status));
    }
    cpu_pin(listening.thread, 1);
    if (generator_start(generator, listening.port, rep) != 0) {
        return -1;
    }
    return tcp_generator_finish(generator, ret, rep);
}

static int measure(const struct setup *setup, const struct tcp_plan *plan, struct rep *rep)
{
    struct generator generator = {0};
    struct stage stage = {0};
    struct totals totals;
    struct tcp_outcome outcome = {0};
    if (tcp_generator_open(&generator, plan, rep) == 0) {
        struct leat_config config = stage_config(setup);
        config.spin_us = 0; /* the worker sleeps at once, as the floors do */
        if (stage_open(&stage, setup, rep, &config) == 0) {
            serve(&stage, &generator, &outcome);
        }
        stage_close(&stage, &totals);
    }
    generator_close(&generator);
    if (rep->result != REP_OK) {
        return -1;
    }
    tcp_outcome_note(&outcome, NULL, rep);
    return 0;
}

int tcp_echo_run(const struct setup *setup, struct rep *rep)
{
    struct tcp_plan plan = tcp_plan_64(setup);
    return measure(setup, &plan, rep);
}

int tcp_echo_1000_run(const struct setup *setup, struct rep *rep)
{
    struct tcp_plan plan = tcp_plan_1000(setup);
    return measure(setup, &plan, rep);
}
