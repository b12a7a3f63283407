/* The members tick once a second, each at its own time, and count what they hear. The usher asks for
 * them a window at a time: the group has one mailbox, and it is bounded. */
#include "group_load.h"

#define PERIOD LEAT_SEC
#define LINGER (100 * LEAT_MS) /* what is on its way when it is told to end shall arrive */
#define WINDOW 128u            /* members asked for and not yet there */

/* ---- members ---- */

struct member {
    leat_time next;
    uint64_t heard, ticks;
    bool ending, stops;
};

static int member_init(void *state, const void *arg, leat_time now)
{
    struct member *self = state;
    leat_time phase;
    memcpy(&phase, arg, sizeof(phase));
    self->next = now + phase;
    return 0;
}

static void member_on_event(void *state, const struct leat_event *event)
{
    struct member *self = state;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        self->heard++;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->ending = true;
        self->next = event->now + LINGER;
    } else if (event->kind == LEAT_EVENT_DEADLINE) {
        self->stops = self->ending;
        self->ticks++;
        self->next += PERIOD;
    }
}

static bool member_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    leat_output_stop(ret);
    return ((struct member *)state)->stops;
}

static leat_time member_deadline(const void *state)
{
    return ((const struct member *)state)->next;
}

const struct leat_behavior member_behavior = {
    .name = "group member",
    .state_size = sizeof(struct member),
    .init = member_init,
    .on_event = member_on_event,
    .pop_output = member_pop_output,
    .deadline = member_deadline,
};

/* ---- the usher ---- */

struct usher {
    struct usher_config config;
    uint32_t asked, answered;
    leat_time phase; /* lent to the runtime until the next pop */
    bool subscribed, ending;
};

static int usher_init(void *state, const void *arg, leat_time now)
{
    struct usher *self = state;
    (void)now;
    memcpy(&self->config, arg, sizeof(self->config));
    return 0;
}

static void usher_on_event(void *state, const struct leat_event *event)
{
    struct usher *self = state;
    self->answered += event->kind == LEAT_EVENT_SPAWNED;
    self->ending = self->ending || event->kind == LEAT_EVENT_SHUTDOWN;
}

static bool usher_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct usher *self = state;
    const struct usher_config *config = &self->config;
    (void)now;
    if (!self->subscribed) {
        self->subscribed = true;
        leat_output_subscribe(ret, config->channel, 0);
        ret->subscriber = config->group;
        return true;
    }
    if (self->ending || self->answered == config->members) {
        leat_output_stop(ret);
        return true;
    }
    if (self->asked == config->members || self->asked - self->answered == WINDOW) {
        return false;
    }
    self->phase = PERIOD * (1 + self->asked++) / config->members;
    leat_output_spawn_member(ret, config->group, &self->phase, sizeof(self->phase), 0);
    return true;
}

const struct leat_behavior usher_behavior = {
    .name = "usher",
    .state_size = sizeof(struct usher),
    .init = usher_init,
    .on_event = usher_on_event,
    .pop_output = usher_pop_output,
};
