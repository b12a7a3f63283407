/* Two kinds of actors, eight behaviours. Sources wake up by deadline and make their messages in
 * pop_output, one when it is asked for; relays pass on what they are given. */
#include "actors.h"

#include <time.h>

#define CATCH_UP_NS (50 * LEAT_MS) /* a longer pause of the machine is not made good */

/* ---- sources ---- */

struct source {
    struct source_config config;
    uint64_t sequence;
    uint64_t pending; /* of this burst */
    leat_time period_ns, next;
    bool ending;
};

static int source_init(void *state, const void *arg, leat_time now)
{
    struct source *self = state;
    memcpy(&self->config, arg, sizeof(self->config));
    self->period_ns = self->config.period * LEAT_MS;
    self->next = now + self->period_ns;
    return 0;
}

static void source_on_event(void *state, const struct leat_event *event)
{
    struct source *self = state;
    if (event->kind == LEAT_EVENT_DEADLINE) {
        const leat_time floor = event->now > CATCH_UP_NS ? event->now - CATCH_UP_NS : 0;
        self->pending = self->config.rate * self->config.period / 1000;
        self->pending = self->pending > 0 ? self->pending : 1;
        self->next = (self->next > floor ? self->next : floor) + self->period_ns;
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == RATE) {
        memcpy(&self->config.rate, event->payload, sizeof(self->config.rate));
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == BURST) {
        memcpy(&self->pending, event->payload, sizeof(self->pending));
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->ending = true;
    }
}

static bool source_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct source *self = state;
    (void)now;
    if (self->ending) {
        leat_output_stop(ret);
        return true;
    }
    if (self->pending == 0) {
        return false;
    }
    const struct work work = {.sequence = self->sequence++, .hops = self->config.hops};
    leat_output_send(ret, self->config.to, WORK, &work, sizeof(work));
    leat_output_wait(ret); /* backpressure: a full mailbox parks this drain */
    self->pending--;
    return true;
}

static leat_time source_deadline(const void *state)
{
    return ((const struct source *)state)->next;
}

#define SOURCE(behavior)                                                                           \
    {                                                                                              \
        .name = (behavior), .state_size = sizeof(struct source), .init = source_init,              \
        .on_event = source_on_event, .pop_output = source_pop_output, .deadline = source_deadline  \
    }

const struct leat_behavior ticker_behavior = SOURCE("ticker");
const struct leat_behavior producer_behavior = SOURCE("producer");
const struct leat_behavior starter_behavior = SOURCE("starter");

/* ---- relays ---- */

struct relay {
    struct relay_config config;
    uint32_t turn; /* the target whose turn it is */
    leat_time stop_at;
    leat_outbox(1) out;
};

static int relay_init(void *state, const void *arg, leat_time now)
{
    struct relay *self = state;
    (void)now;
    memcpy(&self->config, arg, sizeof(self->config));
    self->stop_at = LEAT_NEVER;
    return 0;
}

static void relay_pass_on(struct relay *self, const struct leat_event *event)
{
    struct work work;
    memcpy(&work, event->payload, sizeof(work));
    if (work.hops == 0 || self->config.to_len == 0) {
        return;
    }
    work.hops--;
    self->turn = self->turn + 1 < self->config.to_len ? self->turn + 1 : 0;
    struct leat_output *out = leat_outbox_put(&self->out);
    leat_output_send(out, self->config.to[self->turn], WORK, &work, sizeof(work));
    leat_output_wait(out);
}

static void relay_replace(struct relay *self, const struct replace *replace)
{
    struct relay_config *config = &self->config;
    for (uint32_t i = 0; i < config->to_len; i++) {
        if (!leat_ref_equal(config->to[i], replace->old)) {
            continue;
        }
        config->to[i] = replace->new.id != 0 ? replace->new : config->to[--config->to_len];
        if (replace->stop_old != 0) {
            leat_output_stop_other(leat_outbox_put(&self->out), replace->old);
        }
        return;
    }
}

static void relay_on_event(void *state, const struct leat_event *event)
{
    struct relay *self = state;
    struct replace replace;
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == WORK) {
        relay_pass_on(self, event);
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == LINK) {
        memcpy(&self->config.to[0], event->payload, sizeof(leat_ref));
        self->config.to_len = 1;
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == TO_ADD) {
        if (self->config.to_len < RELAY_TO_MAX) {
            memcpy(&self->config.to[self->config.to_len++], event->payload, sizeof(leat_ref));
        }
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == TO_REPLACE) {
        memcpy(&replace, event->payload, sizeof(replace));
        relay_replace(self, &replace);
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stop_at = event->now + self->config.linger_ns;
    } else if (event->kind == LEAT_EVENT_DEADLINE) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool relay_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct relay *)state)->out, ret);
}

static leat_time relay_deadline(const void *state)
{
    return ((const struct relay *)state)->stop_at;
}

static leat_time clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

/* What an actor must not do: it reads the clock and keeps its worker from all others. The watchdog is
 * to name it. */
static void slow_on_event(void *state, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == WORK) {
        const leat_time until = clock_now() + SLOW_NS;
        while (clock_now() < until) {
        }
    }
    relay_on_event(state, event);
}

#define RELAY(behavior, give, mailbox)                                                             \
    {                                                                                              \
        .name = (behavior), .state_size = sizeof(struct relay), .mailbox_len_max = (mailbox),      \
        .init = relay_init, .on_event = (give), .pop_output = relay_pop_output,                    \
        .deadline = relay_deadline                                                                 \
    }

const struct leat_behavior router_behavior = RELAY("router", relay_on_event, 0);
const struct leat_behavior consumer_behavior = RELAY("consumer", relay_on_event, 0);
const struct leat_behavior ring_behavior = RELAY("ring", relay_on_event, 0);
const struct leat_behavior small_behavior = RELAY("small box", relay_on_event, 16);
/* A turn is up to 64 messages: with more in its mailbox it would hold the worker for longer than the
 * shutdown deadline. */
const struct leat_behavior slow_behavior = RELAY("slow consumer", slow_on_event, 8);
