/* The bus over every backend, with one worker and with several: what it promises must not depend on how
 * a worker sleeps and is woken. Actors on all workers and a controller outside talk to each other; what
 * they have seen is looked at when the runtime has ended. */
#include <stdatomic.h>

#include "unit/bus_helpers.h"

#define BACKENDS(name)                                                                             \
    static void name(const char *io, uint32_t workers);                                            \
    TEST(bus_auto, name)                                                                           \
    {                                                                                              \
        with_workers(name, "auto");                                                                \
    }                                                                                              \
    TEST(bus_epoll, name)                                                                          \
    {                                                                                              \
        with_workers(name, "epoll");                                                               \
    }                                                                                              \
    TEST(bus_poll, name)                                                                           \
    {                                                                                              \
        with_workers(name, "poll");                                                                \
    }                                                                                              \
    TEST(bus_uring, name)                                                                          \
    {                                                                                              \
        if (strcmp(backend_name(3), "uring") != 0) {                                               \
            SKIP("no io_uring in this build, or for this process");                                \
        }                                                                                          \
        with_workers(name, "uring");                                                               \
    }                                                                                              \
    TEST(bus_sim, name)                                                                            \
    {                                                                                              \
        with_workers(name, "sim");                                                                 \
    }                                                                                              \
    static void name(const char *io, uint32_t workers)

enum { MSG_START = 100, MSG_MORE, MSG_READY, MSG_DONE, MSG_HEARD };

static const struct leat_behavior roomy = PUPPET_BEHAVIOR("roomy", 100000);
static const struct leat_behavior tight = PUPPET_BEHAVIOR("tight", 2);

static void with_workers(void (*body)(const char *io, uint32_t workers), const char *io)
{
    static const uint32_t workers[] = {1, 2, 4};
    for (size_t i = 0; i < 3; i++) {
        body(io, workers[i]);
    }
}

/* A backend that is added to the library is to be added above. */
TEST(bus, all_backends_are_tried)
{
    static const char *const tried[] = {"auto", "uring", "epoll", "poll", "sim"};
    const char *const *names = leat_io_names();
    for (; *names != NULL; names++) {
        bool found = false;
        for (size_t i = 0; i < 5; i++) {
            found = found || strcmp(*names, tried[i]) == 0;
        }
        CHECK_THAT_(found, "%s is not tried", *names);
    }
}

static struct leat_config config_of(const char *io, uint32_t workers)
{
    struct leat_config config = rig_threads(workers);
    config.io = io;
    config.mailbox_len_max = 100000; /* the controller's: it is to hear of all */
    return config;
}

/* What the actors of a case share. */
struct stage {
    leat_channel channel;
    leat_ref controller;
    leat_ref publisher;
    uint32_t each;   /* messages of one publisher */
    size_t expected; /* copies, for one subscriber or in all */
    atomic_size_t accounted;
};

/* Publishes what is left of its messages, a few at a time. */
static void publish_some(struct puppet *self, const struct stage *stage, uint64_t *next,
                         uint32_t flags)
{
    for (uint32_t i = 0; i < 16 && *next < stage->each; i++) {
        struct leat_output *out =
            puppet_publish(self, stage->channel, (uint32_t)self->ref.id, *next);
        if (*next % 5 == 0) {
            leat_slice body = body_of(600);
            memcpy(leat_slice_data(body), next, sizeof(*next));
            leat_output_publish_body(out, stage->channel, (uint32_t)self->ref.id, body);
        }
        out->flags = (uint8_t)flags;
        out->cookie = *next;
        ++*next;
    }
    if (*next < stage->each) {
        puppet_send(self, self->ref, MSG_MORE, 0);
    }
}

/* ---- order ---- */

#define PUBLISHERS 3u
#define SUBSCRIBERS 8u

struct source {
    struct stage *stage;
    uint64_t next;
};

static void publish_in_order(struct puppet *self, const struct leat_event *event)
{
    struct source *source = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        publish_some(self, source->stage, &source->next, 0);
    }
}

struct sink {
    struct stage *stage;
    uint64_t next[PUBLISHERS + 1]; /* from each publisher, the controller last */
    leat_ref publishers[PUBLISHERS];
    size_t heard, wrong;
};

static void hear_in_order(struct puppet *self, const struct leat_event *event)
{
    struct sink *sink = self->context;
    if (event->kind == LEAT_EVENT_SUBSCRIBED) {
        puppet_send(self, sink->stage->controller, MSG_READY, 0);
    }
    if (event->kind != LEAT_EVENT_PUBLISHED) {
        return;
    }
    size_t from = 0, len;
    while (from < PUBLISHERS && (uint32_t)sink->publishers[from].id != event->type) {
        from++;
    }
    uint64_t value = UINT64_MAX;
    const void *bytes = leat_event_payload(event, &len);
    if (len >= sizeof(value)) {
        memcpy(&value, bytes, sizeof(value));
    }
    sink->wrong += value != sink->next[from]++;
    if (++sink->heard == sink->stage->expected) {
        puppet_send(self, sink->stage->controller, MSG_DONE, 0);
    }
}

BACKENDS(a_publishers_messages_on_a_channel_arrive_in_order)
{
    struct rig rig;
    struct leat_config config = config_of(io, workers);
    struct stage stage = {.channel = channel_of("conformance/order"), .each = 200};
    struct source sources[PUBLISHERS];
    struct sink sinks[SUBSCRIBERS];
    struct puppet publishers[PUBLISHERS] = {{0}}, subscribers[SUBSCRIBERS] = {{0}};
    rig_open(&rig, &config);
    stage.controller = leat_controller_ref(rig.controller);
    stage.expected = (PUBLISHERS + 1) * stage.each;
    leat_ref refs[PUBLISHERS];
    for (size_t i = 0; i < PUBLISHERS; i++) {
        sources[i] = (struct source){.stage = &stage};
        publishers[i].on_event = publish_in_order;
        publishers[i].context = &sources[i];
        refs[i] = rig_spawn_as(&rig, &publishers[i], &roomy, (int)(i % workers));
    }
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        sinks[i] = (struct sink){.stage = &stage};
        memcpy(sinks[i].publishers, refs, sizeof(refs));
        subscribers[i].on_event = hear_in_order;
        subscribers[i].context = &sinks[i];
        puppet_subscribe(&subscribers[i], stage.channel, i);
        rig_spawn_as(&rig, &subscribers[i], &roomy, (int)(i % workers));
    }
    rig_await(&rig, SUBSCRIBERS);
    for (size_t i = 0; i < PUBLISHERS; i++) {
        CHECK_EQ(leat_send(rig.controller, refs[i], MSG_START, NULL, 0), 0);
    }
    for (uint64_t i = 0; i < stage.each; i++) {
        CHECK_EQ(leat_publish(rig.controller, stage.channel, 0, &i, sizeof(i)), 0);
    }
    rig_await(&rig, 2 * SUBSCRIBERS);
    for (size_t i = 0; i < rig.got_len; i++) {
        CHECK_EQ(rig.got[i].type, i < SUBSCRIBERS ? MSG_READY : MSG_DONE);
    }
    rig_close(&rig);
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        CHECK_EQ(sinks[i].wrong, 0);
        CHECK_EQ(sinks[i].heard, stage.expected);
    }
    puppets_free(publishers, PUBLISHERS);
    puppets_free(subscribers, SUBSCRIBERS);
    leat_channel_close(stage.channel);
}

/* ---- a confirmation ---- */

static void publish_what_is_asked(struct puppet *self, const struct leat_event *event)
{
    const struct stage *stage = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        puppet_publish(self, stage->channel, 1, event_value(event));
    }
}

static void hear_once(struct puppet *self, const struct leat_event *event)
{
    const struct stage *stage = self->context;
    if (event->kind == LEAT_EVENT_SUBSCRIBED) {
        puppet_send(self, stage->publisher, MSG_START, self->ref.id);
    } else if (event->kind == LEAT_EVENT_PUBLISHED && event_value(event) == self->ref.id) {
        puppet_send(self, stage->controller, MSG_HEARD, self->ref.id);
        leat_output_stop(puppet_put(self));
    }
}

/* Each is the first on its worker, as the one before it has gone: so its worker must be made known to
 * the publisher's, in the middle of that being unmade. */
BACKENDS(what_is_published_after_the_confirmation_is_heard)
{
    enum { ROUNDS = 60 };
    struct rig rig;
    struct leat_config config = config_of(io, workers);
    struct stage stage = {.channel = channel_of("conformance/confirmed")};
    struct puppet publisher = {.on_event = publish_what_is_asked, .context = &stage};
    static struct puppet subscribers[ROUNDS];
    memset(subscribers, 0, sizeof(subscribers));
    rig_open(&rig, &config);
    stage.controller = leat_controller_ref(rig.controller);
    stage.publisher = rig_spawn_as(&rig, &publisher, &roomy, (int)(workers - 1));
    for (size_t i = 0; i < ROUNDS; i++) {
        subscribers[i].on_event = hear_once;
        subscribers[i].context = &stage;
        puppet_subscribe(&subscribers[i], stage.channel, i);
        leat_ref ref = rig_spawn_as(&rig, &subscribers[i], &roomy, (int)(i % 3 % workers));
        if (i % 2 == 1) { /* else it runs beside the next one */
            continue;
        }
        size_t before = rig.got_len;
        while (rig.got_len == before || !leat_ref_equal(rig_last(&rig).from, ref)) {
            REQUIRE(rig_await(&rig, rig.got_len + 1));
        }
    }
    rig_await(&rig, ROUNDS);
    CHECK_EQ(rig.got_len, ROUNDS);
    rig_close(&rig);
    for (size_t i = 0; i < ROUNDS; i++) {
        subscribers[i].violations = 0;
        CHECK_EQ(puppet_count(&subscribers[i], LEAT_EVENT_SUBSCRIBED), 1);
    }
    puppets_free(subscribers, ROUNDS);
    puppet_free(&publisher);
    leat_channel_close(stage.channel);
}

/* ---- silence ---- */

/* Publishes for ever. */
static void make_noise(struct puppet *self, const struct leat_event *event)
{
    const struct stage *stage = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        puppet_publish(self, stage->channel, 1, 0);
        puppet_send(self, self->ref, MSG_MORE, 0);
    }
}

static void leave_after_five(struct puppet *self, const struct leat_event *event)
{
    const struct stage *stage = self->context;
    size_t heard = puppet_count(self, LEAT_EVENT_PUBLISHED);
    if (event->kind == LEAT_EVENT_PUBLISHED && heard == 5) {
        puppet_unsubscribe(self, stage->channel, 1);
    } else if (event->kind == LEAT_EVENT_UNSUBSCRIBED) {
        puppet_send(self, stage->controller, MSG_DONE, 0);
    }
}

static void say_every_tenth(struct puppet *self, const struct leat_event *event)
{
    const struct stage *stage = self->context;
    if (event->kind == LEAT_EVENT_PUBLISHED && self->seen_len % 10 == 0) {
        puppet_send(self, stage->controller, MSG_HEARD, 0);
    }
}

BACKENDS(after_unsubscribed_nothing_comes)
{
    enum { LEAVERS = 6 };
    struct rig rig;
    struct leat_config config = config_of(io, workers);
    struct stage stage = {.channel = channel_of("conformance/silence")};
    struct puppet noise = {.on_event = make_noise, .context = &stage};
    struct puppet witness = {.on_event = say_every_tenth, .context = &stage};
    struct puppet leavers[LEAVERS] = {{0}};
    rig_open(&rig, &config);
    stage.controller = leat_controller_ref(rig.controller);
    leat_ref source = rig_spawn_as(&rig, &noise, &roomy, 0);
    puppet_subscribe(&witness, stage.channel, 0);
    rig_spawn_as(&rig, &witness, &roomy, (int)(workers - 1));
    for (size_t i = 0; i < LEAVERS; i++) {
        leavers[i].on_event = leave_after_five;
        leavers[i].context = &stage;
        puppet_subscribe(&leavers[i], stage.channel, i);
        rig_spawn_as(&rig, &leavers[i], &roomy, (int)(i % workers));
    }
    CHECK_EQ(leat_send(rig.controller, source, MSG_START, NULL, 0), 0);
    size_t left = 0, after = 0;
    while (left < LEAVERS ||
           after < 10) { /* and goes on for a hundred messages after the last left */
        REQUIRE(rig_await(&rig, rig.got_len + 1));
        left += rig_last(&rig).type == MSG_DONE;
        after += left == LEAVERS && rig_last(&rig).type == MSG_HEARD;
    }
    rig_close(&rig);
    for (size_t i = 0; i < LEAVERS; i++) {
        size_t at = 0;
        while (at < leavers[i].seen_len && leavers[i].seen[at].kind != LEAT_EVENT_UNSUBSCRIBED) {
            at++;
        }
        CHECK(at < leavers[i].seen_len);
        CHECK(puppet_count(&leavers[i], LEAT_EVENT_PUBLISHED) >= 5);
        for (; at < leavers[i].seen_len; at++) {
            CHECK(leavers[i].seen[at].kind != LEAT_EVENT_PUBLISHED);
        }
    }
    puppets_free(leavers, LEAVERS);
    puppet_free(&witness);
    puppet_free(&noise);
    leat_channel_close(stage.channel);
}

/* ---- conservation ---- */

static void account(struct puppet *self, struct stage *stage)
{
    if (atomic_fetch_add(&stage->accounted, 1) + 1 == stage->expected) {
        puppet_send(self, stage->controller, MSG_DONE, 0);
    }
}

static void publish_safely(struct puppet *self, const struct leat_event *event)
{
    struct source *source = self->context;
    if (event->kind == LEAT_EVENT_REFUSED) {
        account(self, source->stage);
    } else if (event->kind == LEAT_EVENT_MESSAGE) {
        publish_some(self, source->stage, &source->next, LEAT_PUBLISH_SAFE);
    }
}

static void hear_or_refuse(struct puppet *self, const struct leat_event *event)
{
    struct stage *stage = self->context;
    if (event->kind == LEAT_EVENT_SUBSCRIBED) {
        puppet_send(self, stage->controller, MSG_READY, 0);
    } else if (event->kind == LEAT_EVENT_PUBLISHED) {
        account(self, stage);
        if (event_value(event) % 3 == 0) { /* fills its own mailbox */
            puppet_send(self, self->ref, MSG_MORE, 0);
            puppet_send(self, self->ref, MSG_MORE, 0);
        }
    }
}

BACKENDS(every_copy_of_a_safe_message_is_given_or_told_of)
{
    struct rig rig;
    struct leat_config config = config_of(io, workers);
    struct stage stage = {.channel = channel_of("conformance/safe"), .each = 300};
    struct source sources[PUBLISHERS];
    struct puppet publishers[PUBLISHERS] = {{0}}, subscribers[SUBSCRIBERS] = {{0}};
    leat_ref refs[PUBLISHERS];
    rig_open(&rig, &config);
    stage.controller = leat_controller_ref(rig.controller);
    stage.expected = (size_t)PUBLISHERS * SUBSCRIBERS * stage.each;
    for (size_t i = 0; i < PUBLISHERS; i++) {
        sources[i] = (struct source){.stage = &stage};
        publishers[i].on_event = publish_safely;
        publishers[i].context = &sources[i];
        refs[i] = rig_spawn_as(&rig, &publishers[i], &roomy, (int)(i % workers));
    }
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        subscribers[i].on_event = hear_or_refuse;
        subscribers[i].context = &stage;
        puppet_subscribe(&subscribers[i], stage.channel, i);
        rig_spawn_as(&rig, &subscribers[i], &tight, (int)((i + 1) % workers));
    }
    rig_await(&rig, SUBSCRIBERS);
    for (size_t i = 0; i < PUBLISHERS; i++) {
        CHECK_EQ(leat_send(rig.controller, refs[i], MSG_START, NULL, 0), 0);
    }
    rig_await(&rig, SUBSCRIBERS + 1);
    rig_close(&rig);
    size_t given = 0, told = 0;
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        given += puppet_count(&subscribers[i], LEAT_EVENT_PUBLISHED);
    }
    for (size_t i = 0; i < PUBLISHERS; i++) {
        told += puppet_count(&publishers[i], LEAT_EVENT_REFUSED);
    }
    CHECK_EQ(given + told, stage.expected);
    CHECK(told > 0);
    puppets_free(publishers, PUBLISHERS);
    puppets_free(subscribers, SUBSCRIBERS);
    leat_channel_close(stage.channel);
}

/* ---- controllers ---- */

BACKENDS(a_controller_hears_what_it_publishes_and_falls_silent)
{
    struct rig rig;
    struct leat_config config = config_of(io, workers);
    leat_channel channel = channel_of("conformance/outside");
    rig_open(&rig, &config);
    for (uint64_t round = 0; round < 10; round++) {
        size_t before = rig.got_len;
        CHECK_EQ(leat_subscribe(rig.controller, channel, LEAT_REF_NONE, round), 0);
        REQUIRE(rig_await(&rig, before + 1));
        CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_SUBSCRIBED);
        CHECK_EQ(rig_last(&rig).status, 0);
        for (uint64_t i = 0; i < 20; i++) {
            rig_publish(&rig, channel, i);
        }
        REQUIRE(rig_await(&rig, before + 21));
        CHECK_EQ(leat_unsubscribe(rig.controller, channel, LEAT_REF_NONE, round), 0);
        rig_publish(&rig, channel, 99);
        REQUIRE(rig_await(&rig, before + 22));
        for (uint64_t i = 0; i < 20; i++) {
            CHECK_EQ(rig.got[before + 1 + i].kind, LEAT_EVENT_PUBLISHED);
            CHECK_EQ(event_value(&rig.got[before + 1 + i]), i);
        }
        CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_UNSUBSCRIBED);
        CHECK_EQ(rig_last(&rig).status, 0);
    }
    CHECK_EQ(rig.got_len, 220);
    rig_close(&rig);
    leat_channel_close(channel);
}
