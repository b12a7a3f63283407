/* Who hears what: subscriptions, their confirmation, and requests that are odd. All of it in
 * simulation. How they end is in bus_life_test.c, what is done with a message in fanout_test.c. */
#include "bus_helpers.h"
#include "sched.h"

/* ---- the plain course ---- */

TEST(bus, an_actor_hears_from_subscribed_on_until_it_unsubscribes)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0}, publisher = {0};
    leat_channel channel = channel_of("bus/news"), other = channel_of("bus/other");
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_spawn(&rig, &publisher);
    rig_run(&rig, 0);
    puppet_publish(&publisher, channel, 1, 1);
    rig_poke(&rig, &publisher);
    puppet_subscribe(&actor, channel, 77);
    rig_poke(&rig, &actor);
    puppet_publish(&publisher, channel, 5, 2);
    puppet_publish(&publisher, other, 5, 3); /* not what it listens to */
    rig_poke(&rig, &publisher);
    puppet_unsubscribe(&actor, channel, 78);
    rig_poke(&rig, &actor);
    puppet_publish(&publisher, channel, 1, 4);
    rig_poke(&rig, &publisher);

    CHECK_EQ(actor.seen_len, 5); /* and two pokes */
    struct leat_event event = puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, 0);
    CHECK_EQ(event.status, 0);
    CHECK_EQ(event.bus.cookie, 77);
    CHECK(leat_channel_equal(event.channel, channel));
    CHECK(leat_ref_equal(event.bus.subscriber, actor.ref));
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), 1);
    event = puppet_nth(&actor, LEAT_EVENT_PUBLISHED, 0);
    CHECK(leat_channel_equal(event.channel, channel));
    CHECK_EQ(event.type, 5);
    CHECK_EQ(event_value(&event), 2);
    event = puppet_nth(&actor, LEAT_EVENT_UNSUBSCRIBED, 0);
    CHECK_EQ(event.status, 0);
    CHECK_EQ(event.bus.cookie, 78);
    CHECK(leat_channel_equal(event.channel, channel));
    CHECK(leat_ref_equal(event.bus.subscriber, actor.ref));
    CHECK_EQ(publisher.refusals_len, 0);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&publisher);
    leat_channel_close(channel);
    leat_channel_close(other);
}

TEST(bus, what_nobody_listens_to_goes_nowhere)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet publisher = {0};
    leat_channel channel = channel_of("bus/nobody");
    rig_open(&rig, &config);
    rig_spawn(&rig, &publisher);
    rig_run(&rig, 0);
    puppet_publish(&publisher, channel, 1, 1);
    puppet_publish(&publisher, LEAT_CHANNEL_NONE, 1, 1);
    puppet_publish(&publisher, (leat_channel){.id = UINT64_MAX}, 1, 1);
    puppet_publish(&publisher, (leat_channel){.id = channel.id ^ 1u << 16}, 1, 1);
    leat_output_publish_body(puppet_put(&publisher), channel, 1, body_of(1200));
    puppet_publish_safe(&publisher, channel, 9);
    rig_poke(&rig, &publisher);
    CHECK_EQ(leat_publish(rig.controller, channel, 1, NULL, 0), 0);
    CHECK_EQ(leat_publish(rig.controller, LEAT_CHANNEL_NONE, 1, NULL, 0), 0);
    CHECK_EQ(leat_publish(rig.controller, (leat_channel){.id = UINT64_MAX}, 1, NULL, 0), 0);
    CHECK_EQ(leat_publish_body(rig.controller, channel, 1, body_of(1200)), 0);
    rig_run(&rig, 0);
    CHECK_EQ(publisher.refusals_len, 0);
    CHECK_EQ(publisher.seen_len, 1); /* the poke: nobody was refused */
    struct leat_worker_stats sum = rig_stats(&rig);
    CHECK_EQ(sum.published, 6 + 4);
    CHECK_EQ(sum.sent, 1);
    CHECK_EQ(rig_channel(&rig, channel).published, 0); /* it has not been used */
    rig_close(&rig);
    puppet_free(&publisher);
    leat_channel_close(channel);
}

/* The subscriber tells the publisher of its confirmation, so that what follows is published after. */
struct meeting {
    struct puppet subscriber, publisher;
    leat_channel channel;
};

static void tell_publisher(struct puppet *self, const struct leat_event *event)
{
    struct meeting *meeting = self->context;
    if (event->kind == LEAT_EVENT_SUBSCRIBED) {
        puppet_send(self, meeting->publisher.ref, 1, 0);
    }
}

static void publish_when_told(struct puppet *self, const struct leat_event *event)
{
    struct meeting *meeting = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        for (uint64_t i = 0; i < 3; i++) {
            puppet_publish(self, meeting->channel, 1, i);
        }
    }
}

TEST(bus, a_confirmed_subscriber_is_heard_of_on_every_worker)
{
    leat_channel channel = channel_of("bus/everywhere");
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(1 + seed % 4, seed);
        struct meeting meeting = {
            .subscriber = {.on_event = tell_publisher, .context = &meeting},
            .publisher = {.on_event = publish_when_told, .context = &meeting},
            .channel = channel,
        };
        rig_open(&rig, &config);
        rig_spawn_as(&rig, &meeting.publisher, &puppet_behavior, (int)(config.workers - 1));
        rig_run(&rig, 0);
        puppet_subscribe(&meeting.subscriber, channel, 1);
        rig_spawn(&rig, &meeting.subscriber);
        rig_run(&rig, 0);
        CHECK_EQ(puppet_count(&meeting.subscriber, LEAT_EVENT_PUBLISHED), 3);
        for (uint64_t i = 0; i < 3; i++) {
            struct leat_event event = puppet_nth(&meeting.subscriber, LEAT_EVENT_PUBLISHED, i);
            CHECK_EQ(event_value(&event), i);
        }
        rig_close(&rig);
        puppet_free(&meeting.subscriber);
        puppet_free(&meeting.publisher);
    }
    leat_channel_close(channel);
}

TEST(bus, the_last_one_that_leaves_and_the_first_that_comes_may_race)
{
    leat_channel channel = channel_of("bus/race");
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(3, seed);
        struct meeting meeting = {
            .subscriber = {.on_event = tell_publisher, .context = &meeting},
            .publisher = {.on_event = publish_when_told, .context = &meeting},
            .channel = channel,
        };
        rig_open(&rig, &config);
        rig_spawn_as(&rig, &meeting.publisher, &puppet_behavior, 2);
        rig_run(&rig, 0);
        for (uint64_t i = 0; i < 1 + seed % 4; i++) { /* announced and retracted, none confirmed */
            puppet_subscribe(&meeting.subscriber, channel, 2 * i);
            puppet_unsubscribe(&meeting.subscriber, channel, 2 * i + 1);
        }
        meeting.subscriber.on_event = NULL;
        rig_spawn(&rig, &meeting.subscriber);
        for (uint64_t i = 0; i < seed % 9; i++) {
            struct leat_event event;
            leat_receive(rig.controller, 0, &event);
        }
        meeting.subscriber.on_event = tell_publisher;
        puppet_subscribe(&meeting.subscriber, channel, 100);
        leat_send(rig.controller, meeting.subscriber.ref, POKE, NULL, 0);
        rig_run(&rig, 0);
        CHECK_EQ(puppet_nth(&meeting.subscriber, LEAT_EVENT_SUBSCRIBED, 1 + seed % 4).status, 0);
        CHECK(puppet_count(&meeting.subscriber, LEAT_EVENT_PUBLISHED) >= 3);
        rig_close(&rig);
        puppet_free(&meeting.subscriber);
        puppet_free(&meeting.publisher);
    }
    leat_channel_close(channel);
}

/* ---- requests that are odd ---- */

TEST(bus, who_subscribes_twice_is_one_subscriber)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 3);
    struct puppet actor = {0};
    leat_channel channel = channel_of("bus/twice");
    rig_open(&rig, &config);
    puppet_subscribe(&actor, channel, 1);
    puppet_subscribe(&actor, channel, 2); /* before the first is confirmed */
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    puppet_subscribe(&actor, channel, 3); /* after it */
    rig_poke(&rig, &actor);
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_SUBSCRIBED), 3);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, i).status, 0);
        CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, i).bus.cookie, i + 1);
    }
    CHECK_EQ(rig_channel(&rig, channel).subscribers, 1);
    rig_publish(&rig, channel, 1);
    rig_run(&rig, 0);
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), 1);
    puppet_unsubscribe(&actor, channel, 4);
    puppet_unsubscribe(&actor, channel, 5);
    rig_poke(&rig, &actor);
    CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_UNSUBSCRIBED, 0).status, 0);
    CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_UNSUBSCRIBED, 1).status, -ENOENT);
    CHECK_EQ(rig_channel(&rig, channel).subscribers, 0);
    rig_close(&rig);
    puppet_free(&actor);
    leat_channel_close(channel);
}

TEST(bus, a_channel_that_is_not_open_has_no_subscribers)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet actor = {0};
    leat_channel open = channel_of("bus/open"), closed = channel_of("bus/closed");
    leat_channel_close(closed);
    leat_channel wrong[] = {LEAT_CHANNEL_NONE,          closed,
                            {.id = UINT64_MAX},         {.id = open.id + 1},
                            {.id = open.id ^ 1u << 16}, {.id = open.id ^ UINT64_C(1) << 40}};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 6; i++) {
        puppet_subscribe(&actor, wrong[i], i);
        puppet_unsubscribe(&actor, wrong[i], 10 + i);
        rig_poke(&rig, &actor);
        struct leat_event event = puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, i);
        CHECK_EQ(event.status, -EBADF);
        CHECK_EQ(event.bus.cookie, i);
        CHECK(leat_channel_equal(event.channel, wrong[i]));
        event = puppet_nth(&actor, LEAT_EVENT_UNSUBSCRIBED, i);
        CHECK_EQ(event.status, -ENOENT);
        CHECK_EQ(event.bus.cookie, 10 + i);

        CHECK_EQ(leat_subscribe(rig.controller, wrong[i], LEAT_REF_NONE, 20 + i), 0);
        rig_run(&rig, 0);
        CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_SUBSCRIBED);
        CHECK_EQ(rig_last(&rig).status, -EBADF);
        CHECK_EQ(rig_last(&rig).bus.cookie, 20 + i);
    }
    CHECK_EQ(actor.refusals_len, 0);
    rig_close(&rig);
    puppet_free(&actor);
    leat_channel_close(open);
}

TEST(bus, to_unsubscribe_who_is_none_says_so)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet actor = {0}, other = {0};
    leat_channel channel = channel_of("bus/none"), unused = channel_of("bus/unused");
    rig_open(&rig, &config);
    puppet_subscribe(&other, channel, 0);
    rig_spawn(&rig, &other);
    rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
    rig_run(&rig, 0);
    puppet_unsubscribe(&actor, channel, 1);
    puppet_unsubscribe(&actor, unused, 2);
    rig_poke(&rig, &actor);
    for (uint64_t i = 0; i < 2; i++) {
        struct leat_event event = puppet_nth(&actor, LEAT_EVENT_UNSUBSCRIBED, i);
        CHECK_EQ(event.status, -ENOENT);
        CHECK_EQ(event.bus.cookie, i + 1);
    }
    CHECK_EQ(leat_unsubscribe(rig.controller, channel, LEAT_REF_NONE, 3), 0);
    rig_run(&rig, 0);
    CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_UNSUBSCRIBED);
    CHECK_EQ(rig_last(&rig).status, -ENOENT);
    CHECK_EQ(rig_last(&rig).bus.cookie, 3);
    CHECK_EQ(rig_channel(&rig, channel).subscribers, 1);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&other);
    leat_channel_close(channel);
    leat_channel_close(unused);
}

TEST(bus, a_subscriber_that_is_not_there_is_refused)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet actor = {0}, dead = {0};
    leat_channel channel = channel_of("bus/dead");
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    leat_output_stop(puppet_put(&dead));
    leat_ref gone = rig_spawn(&rig, &dead);
    rig_run(&rig, 0);
    leat_controller *door;
    CHECK_EQ(leat_controller_open(rig.runtime, &door), 0);
    leat_ref shut = leat_controller_ref(door);
    leat_controller_close(door);
    leat_ref wrong[] = {gone,
                        shut,
                        {.id = UINT64_MAX},
                        {.id = actor.ref.id + (UINT64_C(1) << 32)},
                        {.id = UINT32_MAX}};
    for (size_t i = 0; i < 5; i++) {
        puppet_subscribe(&actor, channel, i)->subscriber = wrong[i];
        puppet_unsubscribe(&actor, channel, i)->subscriber = wrong[i];
        CHECK_EQ(leat_subscribe(rig.controller, channel, wrong[i], 1), -ESRCH);
        CHECK_EQ(leat_unsubscribe(rig.controller, channel, wrong[i], 1), -ESRCH);
    }
    rig_poke(&rig, &actor);
    REQUIRE(actor.refusals_len == 10);
    for (size_t i = 0; i < 10; i++) { /* handed back as they were */
        const struct leat_output *output = &actor.refusals[i].output;
        CHECK_EQ(actor.refusals[i].status, -ESRCH);
        CHECK_EQ(output->kind, i % 2 == 0 ? LEAT_OUTPUT_SUBSCRIBE : LEAT_OUTPUT_UNSUBSCRIBE);
        CHECK_EQ(output->cookie, i / 2);
        CHECK(leat_channel_equal(output->channel, channel));
        CHECK(leat_ref_equal(output->subscriber, wrong[i / 2]));
        CHECK_EQ(output->flags, 0);
    }
    CHECK_EQ(actor.seen_len, 1);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&dead);
    leat_channel_close(channel);
}

/* A worker has a mailbox of its own, whose ref nobody is given: but who makes one up does no harm. */
TEST(bus, a_workers_own_mailbox_is_nobody)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet actor = {0};
    leat_channel channel = channel_of("bus/forged");
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 2; i++) {
        leat_ref forged = rig.runtime->workers[i]->host->system;
        CHECK_EQ(leat_subscribe(rig.controller, channel, forged, i), -ESRCH);
        CHECK_EQ(leat_unsubscribe(rig.controller, channel, forged, i), -ESRCH);
        leat_slice body = body_of(100);
        if (leat_send_body(rig.controller, forged, 1, body) < 0) {
            leat_buf_unref(body.buf);
        }
        leat_send(rig.controller, forged, 1, NULL, 0);
        leat_stop(rig.controller, forged);
        leat_kill(rig.controller, forged);
        leat_monitor(rig.controller, forged, i);
        leat_output_send(puppet_put(&actor), forged, 1, NULL, 0);
        leat_output_stop_other(puppet_put(&actor), forged);
        leat_output_monitor(puppet_put(&actor), forged, i);
        puppet_subscribe(&actor, channel, i)->subscriber = forged;
    }
    rig_publish(&rig, channel, 1);
    rig_poke(&rig, &actor);
    puppet_subscribe(&actor, channel, 1000); /* the bus works as before */
    rig_poke(&rig, &actor);
    rig_publish(&rig, channel, 2);
    rig_run(&rig, 0);
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), 1);
    CHECK_EQ(actor.refusals_len, 2);
    CHECK_EQ(rig_channel(&rig, channel).subscribers, 1);
    rig_close(&rig);
    puppet_free(&actor);
    leat_channel_close(channel);
}

TEST(bus, another_may_be_subscribed_and_the_requester_is_told)
{
    leat_channel channel = channel_of("bus/another");
    for (int worker = 0; worker < 2; worker++) {
        struct rig rig;
        struct leat_config config = workers_config(2, 5);
        struct puppet actor = {0}, asker = {0};
        rig_open(&rig, &config);
        rig_spawn(&rig, &actor);
        rig_spawn_as(&rig, &asker, &puppet_behavior, worker);
        rig_run(&rig, 0);
        puppet_subscribe(&asker, channel, 7)->subscriber = actor.ref;
        rig_poke(&rig, &asker);
        struct leat_event event = puppet_nth(&asker, LEAT_EVENT_SUBSCRIBED, 0);
        CHECK_EQ(event.bus.cookie, 7);
        CHECK_EQ(event.status, 0);
        CHECK(leat_ref_equal(event.bus.subscriber, actor.ref));
        rig_publish(&rig, channel, 1);
        rig_run(&rig, 0);
        CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), 1);
        CHECK_EQ(actor.seen_len, 1);
        puppet_unsubscribe(&asker, channel, 8)->subscriber = actor.ref;
        rig_poke(&rig, &asker);
        event = puppet_nth(&asker, LEAT_EVENT_UNSUBSCRIBED, 0);
        CHECK_EQ(event.status, 0);
        CHECK(leat_ref_equal(event.bus.subscriber, actor.ref));

        CHECK_EQ(leat_subscribe(rig.controller, channel, actor.ref, 9), 0);
        rig_run(&rig, 0);
        CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_SUBSCRIBED);
        CHECK_EQ(rig_last(&rig).bus.cookie, 9);
        CHECK(leat_ref_equal(rig_last(&rig).bus.subscriber, actor.ref));
        rig_publish(&rig, channel, 2);
        rig_run(&rig, 0);
        CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), 2);
        CHECK_EQ(leat_unsubscribe(rig.controller, channel, actor.ref, 10), 0);
        rig_run(&rig, 0);
        CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_UNSUBSCRIBED);
        CHECK_EQ(rig_last(&rig).status, 0);
        rig_publish(&rig, channel, 3);
        rig_run(&rig, 0);
        CHECK_EQ(actor.seen_len, 2);
        rig_close(&rig);
        puppet_free(&actor);
        puppet_free(&asker);
    }
    leat_channel_close(channel);
}

TEST(bus, who_unsubscribes_before_the_confirmation_is_told_both)
{
    struct rig rig;
    struct leat_config config = workers_config(3, 1);
    struct puppet actor = {0};
    leat_channel channel = channel_of("bus/early");
    rig_open(&rig, &config);
    puppet_subscribe(&actor, channel, 1);
    puppet_unsubscribe(&actor, channel, 2);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    CHECK_EQ(actor.seen_len, 2);
    CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, 0).status, -ECANCELED);
    CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, 0).bus.cookie, 1);
    CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_UNSUBSCRIBED, 0).status, 0);
    CHECK_EQ(actor.seen[0].kind, LEAT_EVENT_SUBSCRIBED);
    rig_publish(&rig, channel, 1);
    rig_run(&rig, 0);
    CHECK_EQ(actor.seen_len, 2);
    puppet_subscribe(&actor, channel, 3); /* and may come again */
    rig_poke(&rig, &actor);
    rig_publish(&rig, channel, 1);
    rig_run(&rig, 0);
    CHECK_EQ(puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, 1).status, 0);
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), 1);
    rig_close(&rig);
    puppet_free(&actor);
    leat_channel_close(channel);
}
