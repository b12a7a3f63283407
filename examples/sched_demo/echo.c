/* UDP over loopback with its load: the echo actor opens a socket, spawns the clients once it knows
 * its own address, and watches them. When told to shut down it goes on answering until they are
 * gone, and they stay until what they sent is back, or lost. */
#include "actors.h"

struct echo {
    struct echo_config config; /* what the clients are given: `local` is then the echo's address */
    leat_ref clients[ECHO_CLIENTS_MAX];
    uint32_t clients_len, to_spawn, alive;
    bool ending;
    leat_outbox(ECHO_CLIENTS_MAX + 1) out;
};

static int echo_init(void *state, const void *arg, leat_time now)
{
    struct echo *self = state;
    (void)now;
    memcpy(&self->config, arg, sizeof(self->config));
    leat_output_open(leat_outbox_put(&self->out), &self->config.local, 0);
    return 0;
}

static void echo_on_event(void *state, const struct leat_event *event)
{
    struct echo *self = state;
    if (event->kind == LEAT_EVENT_DATA) {
        leat_output_reply(leat_outbox_put(&self->out), event, leat_slice_ref(event->data.body));
    } else if (event->kind == LEAT_EVENT_OPENED && event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
    } else if (event->kind == LEAT_EVENT_OPENED) {
        self->config.local = event->opened.local;
        self->to_spawn = self->config.clients;
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == RATE) {
        memcpy(&self->config.rate, event->payload, sizeof(self->config.rate));
        for (uint32_t i = 0; i < self->clients_len; i++) {
            leat_output_send(leat_outbox_put(&self->out), self->clients[i], RATE, event->payload,
                             event->len);
        }
    } else if (event->kind == LEAT_EVENT_SPAWNED && event->status == 0) {
        self->clients[self->clients_len++] = event->spawned.child;
        leat_output_monitor(leat_outbox_put(&self->out), event->spawned.child, 0);
    } else if (event->kind == LEAT_EVENT_SPAWNED || event->kind == LEAT_EVENT_DOWN) {
        self->alive--;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->ending = true;
    }
    if (self->ending && self->alive == 0) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool echo_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct echo *self = state;
    (void)now;
    if (leat_outbox_pop(&self->out, ret)) {
        return true;
    }
    if (self->to_spawn == 0) {
        return false;
    }
    leat_output_spawn(ret, &load_behavior, &self->config, sizeof(self->config), 0);
    ret->spawn.worker = LEAT_WORKER_BEST;
    self->to_spawn--;
    self->alive++;
    return true;
}

const struct leat_behavior echo_behavior = {
    .name = "echo",
    .state_size = sizeof(struct echo),
    .init = echo_init,
    .on_event = echo_on_event,
    .pop_output = echo_pop_output,
};
