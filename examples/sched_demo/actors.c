/* Two kinds of actors, six behaviours. Sources wake up by deadline and make their messages in
 * pop_output, one when it is asked for; relays pass on what they are given. */
#include "demo.h"

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
    ret->full = LEAT_FULL_WAIT; /* backpressure: a full mailbox parks this drain */
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
    uint32_t turn;
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

static void relay_on_event(void *state, const struct leat_event *event)
{
    struct relay *self = state;
    struct work work;
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == WORK) {
        memcpy(&work, event->payload, sizeof(work));
        if (work.hops > 0 && self->config.to_len > 0) {
            work.hops--;
            struct leat_output *out = leat_outbox_put(&self->out);
            leat_output_send(out, self->config.to[self->turn++ % self->config.to_len], WORK, &work,
                             sizeof(work));
            out->full = LEAT_FULL_WAIT;
        }
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == LINK) {
        memcpy(&self->config.to[0], event->payload, sizeof(leat_ref));
        self->config.to_len = 1;
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

#define RELAY(behavior)                                                                            \
    {                                                                                              \
        .name = (behavior), .state_size = sizeof(struct relay), .init = relay_init,                \
        .on_event = relay_on_event, .pop_output = relay_pop_output, .deadline = relay_deadline     \
    }

const struct leat_behavior router_behavior = RELAY("router");
const struct leat_behavior consumer_behavior = RELAY("consumer");
const struct leat_behavior ring_behavior = RELAY("ring");
