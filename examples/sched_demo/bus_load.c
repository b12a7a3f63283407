/* Publishers wake up by deadline and make their messages in pop_output; subscribers listen, and
 * one of them floods somebody else for each message. */
#include "bus_load.h"
#include "actors.h"

/* ---- publishers ---- */

struct publisher {
    struct publisher_config config;
    uint64_t sequence, pending;
    leat_time next;
    bool ending;
};

static int publisher_init(void *state, const void *arg, leat_time now)
{
    struct publisher *self = state;
    memcpy(&self->config, arg, sizeof(self->config));
    self->next = now + self->config.period * LEAT_MS;
    return 0;
}

static void publisher_on_event(void *state, const struct leat_event *event)
{
    struct publisher *self = state;
    if (event->kind == LEAT_EVENT_DEADLINE) {
        const uint64_t burst = self->config.rate * self->config.period / 1000;
        self->pending = burst > 0 ? burst : 1;
        self->next += self->config.period * LEAT_MS;
        self->next =
            self->next > event->now ? self->next : event->now + self->config.period * LEAT_MS;
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == RATE) {
        memcpy(&self->config.rate, event->payload, sizeof(self->config.rate));
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->ending = true;
    }
}

static bool publisher_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct publisher *self = state;
    (void)now;
    if (self->ending) {
        leat_output_stop(ret);
        return true;
    }
    if (self->pending == 0) {
        return false;
    }
    const struct work work = {.sequence = self->sequence++};
    leat_output_publish(ret, self->config.channel, WORK, &work, sizeof(work));
    self->pending--;
    return true;
}

static leat_time publisher_deadline(const void *state)
{
    return ((const struct publisher *)state)->next;
}

const struct leat_behavior publisher_behavior = {
    .name = "publisher",
    .state_size = sizeof(struct publisher),
    .init = publisher_init,
    .on_event = publisher_on_event,
    .pop_output = publisher_pop_output,
    .deadline = publisher_deadline,
};

/* ---- subscribers ---- */

struct subscriber {
    struct subscriber_config config;
    uint64_t heard, pending;
    leat_time stop_at;
    leat_outbox(1) out;
};

static int subscriber_init(void *state, const void *arg, leat_time now)
{
    struct subscriber *self = state;
    (void)now;
    memcpy(&self->config, arg, sizeof(self->config));
    self->stop_at = LEAT_NEVER;
    leat_output_subscribe(leat_outbox_put(&self->out), self->config.channel, 0);
    return 0;
}

static void subscriber_on_event(void *state, const struct leat_event *event)
{
    struct subscriber *self = state;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        self->heard++;
        self->pending = self->config.flood.id != 0 ? FLOOD : 0;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stop_at = event->now + self->config.linger_ns;
    } else if (event->kind == LEAT_EVENT_DEADLINE) {
        leat_output_stop(leat_outbox_put(&self->out));
    } else if (event->kind == LEAT_EVENT_SUBSCRIBED && event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
    }
}

static bool subscriber_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct subscriber *self = state;
    (void)now;
    if (self->pending > 0) { /* a drain this long gives way several times */
        const struct work work = {.sequence = self->heard};
        leat_output_send(ret, self->config.flood, WORK, &work, sizeof(work));
        self->pending--;
        return true;
    }
    return leat_outbox_pop(&self->out, ret);
}

static leat_time subscriber_deadline(const void *state)
{
    return ((const struct subscriber *)state)->stop_at;
}

#define SUBSCRIBER(behavior, mailbox)                                                              \
    {                                                                                              \
        .name = (behavior), .state_size = sizeof(struct subscriber), .mailbox_len_max = (mailbox), \
        .init = subscriber_init, .on_event = subscriber_on_event,                                  \
        .pop_output = subscriber_pop_output, .deadline = subscriber_deadline                       \
    }

const struct leat_behavior subscriber_behavior = SUBSCRIBER("subscriber", 0);
const struct leat_behavior flooder_behavior = SUBSCRIBER("flooder", 16);
