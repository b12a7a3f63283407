/* How subscriptions end: with the subscriber, with the channel, with the memory; and those of
 * controllers. */
#include "bus_helpers.h"
#include "mem.h"
#include "sched.h"

static const struct leat_behavior box_of_2 = PUPPET_BEHAVIOR("box_of_2", 2);

/* ---- ends ---- */

TEST(bus, a_subscriber_that_ends_is_removed)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet actors[6] = {{0}};
    leat_channel one = channel_of("bus/one"), two = channel_of("bus/two");
    rig_open(&rig, &config);
    for (size_t i = 0; i < 6; i++) {
        puppet_subscribe(&actors[i], one, 1);
        puppet_subscribe(&actors[i], two, 2);
        rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)(i % 2));
    }
    rig_run(&rig, 0);
    CHECK_EQ(rig_channel(&rig, one).subscribers, 6);
    leat_output_stop(puppet_put(&actors[0]));
    rig_poke(&rig, &actors[0]);
    leat_output_fail(puppet_put(&actors[3]), -EIO);
    rig_poke(&rig, &actors[3]);
    CHECK_EQ(leat_kill(rig.controller, actors[2].ref), 0);
    rig_run(&rig, 0);
    CHECK_EQ(rig_channel(&rig, one).subscribers, 3);
    CHECK_EQ(rig_channel(&rig, two).subscribers, 3);
    rig_publish(&rig, one, 1);
    rig_run(&rig, 0);
    for (size_t i = 0; i < 6; i++) {
        bool lives = i != 0 && i != 3 && i != 2;
        CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_PUBLISHED), lives);
    }
    CHECK_EQ(rig_stats(&rig).dead_letters, 0);
    for (size_t i = 0; i < 6; i++) {
        leat_stop(rig.controller, actors[i].ref);
    }
    rig_run(&rig, 0);
    CHECK_EQ(rig_channel(&rig, one).subscribers, 0);
    struct leat_worker_stats before = rig_stats(&rig);
    rig_publish(&rig, one, 1);
    rig_run(&rig, 0);
    CHECK_EQ(rig_stats(&rig).sent, before.sent);
    rig_close(&rig);
    for (size_t i = 0; i < 6; i++) { /* ended in the middle of a drain: no false was popped */
        actors[i].violations = 0;
    }
    puppets_free(actors, 6);
    leat_channel_close(one);
    leat_channel_close(two);
}

TEST(bus, who_subscribed_another_is_told_if_it_ends_before_the_confirmation)
{
    bool seen = false;
    leat_channel channel = channel_of("bus/too_late");
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(3, seed);
        struct puppet actor = {0};
        rig_open(&rig, &config);
        rig_spawn(&rig, &actor);
        rig_run(&rig, 0);
        CHECK_EQ(leat_subscribe(rig.controller, channel, actor.ref, 5), 0);
        CHECK_EQ(leat_kill(rig.controller, actor.ref), 0);
        rig_run(&rig, 0);
        CHECK_EQ(rig.got_len, 1); /* once, whatever it is */
        CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_SUBSCRIBED);
        CHECK_EQ(rig_last(&rig).bus.cookie, 5);
        CHECK(rig_last(&rig).status == 0 || rig_last(&rig).status == -ESRCH);
        seen = seen || rig_last(&rig).status == -ESRCH;
        CHECK_EQ(rig_channel(&rig, channel).subscribers, 0);
        rig_close(&rig);
        puppet_free(&actor);
    }
    CHECK(seen);
    leat_channel_close(channel);
}

TEST(bus, an_actor_may_be_subscribed_before_its_init)
{
    leat_channel channel = channel_of("bus/unborn");
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(2, seed);
        struct puppet actor = {0}, failed = {.init_status = -EACCES};
        rig_open(&rig, &config);
        leat_ref ref = rig_spawn(&rig, &actor);
        leat_ref wrong = rig_spawn(&rig, &failed);
        CHECK_EQ(leat_subscribe(rig.controller, channel, ref, 1), 0);
        CHECK_EQ(leat_subscribe(rig.controller, channel, wrong, 2), 0);
        rig_publish(&rig, channel, 1);
        rig_run(&rig, 0);
        CHECK_EQ(rig_count(&rig, LEAT_EVENT_SUBSCRIBED), 2);
        CHECK_EQ(rig_count(&rig, LEAT_EVENT_DOWN), 1);
        rig_publish(&rig, channel, 2);
        rig_run(&rig, 0);
        size_t heard = puppet_count(&actor, LEAT_EVENT_PUBLISHED);
        CHECK(heard == 1 || heard == 2); /* the first may have been too early */
        struct leat_event last = puppet_nth(&actor, LEAT_EVENT_PUBLISHED, heard - 1);
        CHECK_EQ(event_value(&last), 2);
        CHECK_EQ(failed.seen_len, 0);
        CHECK_EQ(rig_channel(&rig, channel).subscribers, 1);
        rig_close(&rig);
        puppet_free(&actor);
        puppet_free(&failed);
    }
    leat_channel_close(channel);
}

/* ---- channels that close ---- */

TEST(bus, a_closed_channel_is_silent)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet actors[4] = {{0}}, publisher = {0};
    leat_channel channel = channel_of("bus/closing");
    CHECK(leat_channel_equal(channel_of("bus/closing"), channel));
    rig_open(&rig, &config);
    rig_listeners(&rig, actors, 4, &puppet_behavior, 2, channel);
    rig_spawn(&rig, &publisher);
    CHECK_EQ(leat_subscribe(rig.controller, channel, LEAT_REF_NONE, 1), 0);
    rig_run(&rig, 0);
    leat_channel_close(channel); /* it was opened twice */
    rig_publish(&rig, channel, 1);
    rig_run(&rig, 0);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_PUBLISHED), 1);
    }
    CHECK_EQ(rig_count(&rig, LEAT_EVENT_PUBLISHED), 1);

    leat_channel_close(channel);
    rig_publish(&rig, channel, 2);
    CHECK_EQ(leat_publish_body(rig.controller, channel, 1, body_of(100)), 0);
    puppet_publish(&publisher, channel, 1, 3);
    puppet_publish_safe(&publisher, channel, 4);
    rig_poke(&rig, &publisher);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_PUBLISHED), 1);
        CHECK_EQ(actors[i].seen_len, 2); /* without a word */
    }
    CHECK_EQ(rig_count(&rig, LEAT_EVENT_PUBLISHED), 1);
    CHECK_EQ(publisher.seen_len, 1);

    leat_channel again = channel_of("bus/closing"); /* another channel of the same name */
    CHECK(!leat_channel_equal(again, channel));
    CHECK_EQ(rig_channel(&rig, again).subscribers, 0);
    rig_publish(&rig, again, 5);
    rig_run(&rig, 0);
    puppet_subscribe(&actors[1], again, 9);
    puppet_unsubscribe(&actors[0], channel, 10);
    rig_poke(&rig, &actors[1]);
    rig_poke(&rig, &actors[0]);
    CHECK_EQ(puppet_nth(&actors[0], LEAT_EVENT_UNSUBSCRIBED, 0).status, -ENOENT);
    rig_publish(&rig, again, 6);
    rig_publish(&rig, channel, 7);
    rig_run(&rig, 0);
    CHECK_EQ(puppet_count(&actors[0], LEAT_EVENT_PUBLISHED), 1);
    CHECK_EQ(puppet_count(&actors[1], LEAT_EVENT_PUBLISHED), 2);
    CHECK_EQ(rig_channel(&rig, again).subscribers, 1);
    CHECK_EQ(rig_channel(&rig, again).delivered, 1);
    rig_close(&rig);
    puppets_free(actors, 4);
    puppet_free(&publisher);
    leat_channel_close(again);
}

TEST(bus, a_channel_that_closes_answers_who_waits_for_a_confirmation)
{
    leat_channel again = LEAT_CHANNEL_NONE;
    bool seen = false;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(3, seed);
        struct puppet actor = {0}, next = {0};
        leat_channel channel = channel_of("bus/gone");
        rig_open(&rig, &config);
        rig_spawn(&rig, &actor);
        rig_spawn(&rig, &next);
        rig_run(&rig, 0);
        puppet_subscribe(&actor, channel, 1);
        leat_send(rig.controller, actor.ref, POKE, NULL, 0);
        for (int i = 0; i < 3 && actor.popped == 0; i++) {
            struct leat_event event;
            CHECK_EQ(leat_receive(rig.controller, 0, &event), -ETIMEDOUT);
        }
        leat_channel_close(channel);
        again = channel_of("bus/gone");
        puppet_subscribe(&next, again, 2);
        rig_poke(&rig, &next);
        CHECK_EQ(puppet_count(&actor, LEAT_EVENT_SUBSCRIBED), 1);
        int status = puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, 0).status;
        CHECK(status == 0 || status == -EBADF);
        seen = seen || status == -EBADF;
        CHECK_EQ(puppet_nth(&next, LEAT_EVENT_SUBSCRIBED, 0).status, 0);
        rig_publish(&rig, again, 3);
        rig_run(&rig, 0);
        CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), 0);
        CHECK_EQ(puppet_count(&next, LEAT_EVENT_PUBLISHED), 1);
        rig_close(&rig);
        puppet_free(&actor);
        puppet_free(&next);
        leat_channel_close(again);
    }
    (void)seen;
}

/* ---- controllers ---- */

TEST(bus, controllers_subscribe_too)
{
    struct rig rig;
    struct leat_config config = workers_config(3, 1);
    struct puppet actor = {0};
    leat_channel channel = channel_of("bus/doors");
    leat_controller *doors[5];
    struct leat_event event;
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
    for (size_t i = 0; i < 5; i++) { /* which different workers serve */
        CHECK_EQ(leat_controller_open(rig.runtime, &doors[i]), 0);
        CHECK_EQ(leat_subscribe(doors[i], channel, LEAT_REF_NONE, 10 + i), 0);
    }
    rig_run(&rig, 0);
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(leat_receive(doors[i], 0, &event), 0);
        CHECK_EQ(event.kind, LEAT_EVENT_SUBSCRIBED);
        CHECK_EQ(event.status, 0);
        CHECK_EQ(event.bus.cookie, 10 + i);
        CHECK(leat_ref_equal(event.bus.subscriber, leat_controller_ref(doors[i])));
    }
    CHECK_EQ(rig_channel(&rig, channel).subscribers, 5);
    leat_slice body = body_of(1200);
    leat_output_publish_body(puppet_put(&actor), channel, 3, leat_slice_ref(body));
    rig_poke(&rig, &actor);
    for (size_t i = 0; i < 5; i++) {
        size_t len;
        CHECK_EQ(leat_receive(doors[i], 0, &event), 0);
        CHECK_EQ(event.kind, LEAT_EVENT_PUBLISHED);
        CHECK_EQ(event.type, 3);
        CHECK(leat_channel_equal(event.channel, channel));
        CHECK(leat_event_payload(&event, &len) == leat_slice_data(body));
        CHECK_EQ(len, 1200);
        leat_event_release(&event);
    }
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);

    CHECK_EQ(leat_unsubscribe(doors[0], channel, LEAT_REF_NONE, 20), 0);
    rig_run(&rig, 0);
    CHECK_EQ(leat_receive(doors[0], 0, &event), 0);
    CHECK_EQ(event.kind, LEAT_EVENT_UNSUBSCRIBED);
    CHECK_EQ(event.status, 0);
    rig_publish(&rig, channel, 2);
    rig_run(&rig, 0);
    CHECK_EQ(leat_receive(doors[0], 0, &event), -ETIMEDOUT); /* nothing more comes */
    for (size_t i = 1; i < 5; i++) {
        CHECK_EQ(leat_receive(doors[i], 0, &event), 0);
        CHECK_EQ(event_value(&event), 2);
    }
    CHECK_EQ(leat_publish_body(rig.controller, channel, 1, body_of(50)), 0); /* never received */
    rig_run(&rig, 0);
    for (size_t i = 0; i < 5; i++) {
        leat_controller_close(doors[i]);
    }
    rig_run(&rig, 0);
    CHECK_EQ(rig_channel(&rig, channel).subscribers, 0);
    rig_publish(&rig, channel, 3);
    rig_run(&rig, 0);
    CHECK_EQ(rig_stats(&rig).dead_letters, 4);
    rig_close(&rig);
    puppet_free(&actor);
    leat_channel_close(channel);
}

TEST(bus, a_controller_that_closes_with_a_request_on_its_way)
{
    leat_channel channel = channel_of("bus/hasty");
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(1 + seed % 4, seed);
        struct puppet actor = {0};
        leat_controller *door;
        rig_open(&rig, &config);
        rig_spawn(&rig, &actor);
        CHECK_EQ(leat_controller_open(rig.runtime, &door), 0);
        leat_ref ref = leat_controller_ref(door);
        CHECK_EQ(leat_subscribe(door, channel, LEAT_REF_NONE, 1), 0);
        CHECK_EQ(leat_subscribe(rig.controller, channel, ref, 2), 0); /* another asks too */
        struct leat_event event;
        for (uint64_t i = 0; i < seed % 5; i++) {
            leat_receive(door, 0, &event);
        }
        leat_controller_close(door);
        CHECK_EQ(leat_controller_open(rig.runtime, &door), 0); /* in the same place */
        rig_run(&rig, 0);
        rig_publish(&rig, channel, 1);
        rig_run(&rig, 0);
        CHECK_EQ(leat_receive(door, 0, &event), -ETIMEDOUT); /* it has not subscribed */
        CHECK_EQ(rig_count(&rig, LEAT_EVENT_SUBSCRIBED), 1);
        CHECK_EQ(rig_channel(&rig, channel).subscribers, 0);
        leat_controller_close(door);
        rig_close(&rig);
        puppet_free(&actor);
    }
    leat_channel_close(channel);
}

TEST(bus, controllers_may_stay_subscribed_to_the_end)
{
    for (uint32_t workers = 1; workers <= 3; workers++) {
        struct rig rig;
        struct leat_config config = workers_config(workers, 1);
        leat_channel channel = channel_of("bus/to_the_end");
        leat_controller *door;
        rig_open(&rig, &config);
        CHECK_EQ(leat_controller_open(rig.runtime, &door), 0);
        CHECK_EQ(leat_subscribe(door, channel, LEAT_REF_NONE, 1), 0);
        CHECK_EQ(leat_subscribe(rig.controller, channel, LEAT_REF_NONE, 1), 0);
        rig_run(&rig, 0);
        leat_runtime_stop(rig.runtime);
        rig_run(&rig, LEAT_SEC); /* the workers have ended */
        rig_publish(&rig, channel, 1);
        leat_controller_close(door);
        CHECK_EQ(leat_subscribe(rig.controller, channel, LEAT_REF_NONE, 2), 0);
        rig_close(&rig);
        leat_channel_close(channel);
    }
}

TEST(bus, a_controller_publishes)
{
    struct rig rig;
    struct leat_config config = workers_config(3, 9);
    struct puppet actors[6] = {{0}};
    leat_channel channel = channel_of("bus/from_outside");
    uint8_t bytes[LEAT_INLINE_MAX + 1] = {0};
    rig_open(&rig, &config);
    rig_listeners(&rig, actors, 6, &puppet_behavior, 3, channel);
    CHECK_EQ(leat_publish(rig.controller, channel, 1, bytes, sizeof(bytes)), -EMSGSIZE);
    CHECK_EQ(leat_publish(rig.controller, channel, 1, bytes, LEAT_INLINE_MAX), 0);
    for (uint64_t i = 0; i < 50; i++) {
        rig_publish(&rig, channel, i);
    }
    leat_slice body = body_of(1200);
    CHECK_EQ(leat_publish_body(rig.controller, channel, 2, leat_slice_ref(body)), 0);
    rig_run(&rig, 0);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    for (size_t i = 0; i < 6; i++) {
        CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_PUBLISHED), 52);
        CHECK_EQ(puppet_nth(&actors[i], LEAT_EVENT_PUBLISHED, 0).len, LEAT_INLINE_MAX);
        CHECK_EQ(puppet_nth(&actors[i], LEAT_EVENT_PUBLISHED, 51).len, LEAT_LEN_BODY);
        for (uint64_t k = 0; k < 50; k++) {
            struct leat_event event = puppet_nth(&actors[i], LEAT_EVENT_PUBLISHED, k + 1);
            CHECK_EQ(event_value(&event), k);
        }
    }
    struct leat_worker_stats stats;
    leat_stats_controllers(rig.runtime, &stats);
    CHECK_EQ(stats.published, 52);
    rig_close(&rig);
    puppets_free(actors, 6);
    leat_channel_close(channel);
}

/* ---- statistics ---- */

TEST(bus, the_figures_of_a_channel)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet roomy[3] = {{0}}, full = {0}, publisher = {0};
    leat_channel channel = channel_of("bus/figures"), other = channel_of("bus/figures/2");
    struct leat_channel_stats stats[4];
    rig_open(&rig, &config);
    CHECK_EQ(leat_stats_channels(rig.runtime, stats, 4), 0); /* open, not used */
    rig_listeners(&rig, roomy, 3, &puppet_behavior, 2, channel);
    rig_listeners(&rig, &full, 1, &box_of_2, 1, channel);
    puppet_subscribe(&roomy[0], other, 5);
    rig_poke(&rig, &roomy[0]);
    rig_spawn(&rig, &publisher);
    rig_run(&rig, 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(leat_send(rig.controller, full.ref, 1, NULL, 0), 0);
    }
    for (uint64_t i = 0; i < 5; i++) {
        puppet_publish(&publisher, channel, 1, i);
    }
    puppet_publish(&publisher, other, 1, 0);
    rig_publish(&rig, channel, 5);
    rig_poke(&rig, &publisher);
    struct leat_channel_stats found = rig_channel(&rig, channel);
    CHECK_STR(found.name, "bus/figures");
    CHECK_EQ(found.subscribers, 4);
    CHECK_EQ(found.published, 6);
    CHECK_EQ(found.delivered + found.refused, 24);
    size_t heard = puppet_count(&full, LEAT_EVENT_PUBLISHED);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(puppet_count(&roomy[i], LEAT_EVENT_PUBLISHED), 6 + (i == 0));
    }
    CHECK_EQ(found.delivered, 18 + heard);
    CHECK_EQ(rig_channel(&rig, other).published, 1);
    CHECK_EQ(rig_channel(&rig, other).delivered, 1);
    CHECK_EQ(rig_channel(&rig, other).refused, 0);
    CHECK_EQ(leat_stats_channels(rig.runtime, stats, 4), 2);
    CHECK_EQ(leat_stats_channels(rig.runtime, stats, 1), 1); /* as far as there is room */
    CHECK_EQ(leat_stats_channels(rig.runtime, stats, 0), 0);
    struct leat_worker_stats sum = rig_stats(&rig);
    CHECK_EQ(sum.refused, found.refused);
    CHECK_EQ(sum.published, 7);
    rig_close(&rig);
    puppets_free(roomy, 3);
    puppet_free(&full);
    puppet_free(&publisher);
    leat_channel_close(channel);
    leat_channel_close(other);
}

/* ---- the end of the runtime ---- */

static void publish_at_the_end(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        puppet_publish(self, *(leat_channel *)self->context, 1, 77);
    }
}

/* On the controller's home worker and on another one: its last words are heard. */
TEST(bus, what_the_last_actor_publishes_reaches_controllers)
{
    for (int worker = 0; worker < 2; worker++) {
        leat_channel channel = channel_of("bus/last words");
        struct rig rig;
        struct leat_config config = workers_config(2, 3);
        struct puppet last = {.on_event = publish_at_the_end, .context = &channel};
        rig_open(&rig, &config);
        CHECK_EQ(leat_subscribe(rig.controller, channel, LEAT_REF_NONE, 1), 0);
        rig_spawn_as(&rig, &last, &puppet_behavior, worker);
        rig_run(&rig, 0);
        CHECK_EQ(rig_count(&rig, LEAT_EVENT_SUBSCRIBED), 1);
        leat_runtime_stop(rig.runtime);
        int status = 0;
        while (status == 0) {
            status = rig_receive(&rig, LEAT_SEC);
        }
        CHECK_EQ(status, -EPIPE);
        CHECK_EQ(rig_count(&rig, LEAT_EVENT_PUBLISHED), 1);
        CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_PUBLISHED);
        CHECK_EQ(event_value(&rig.got[rig.got_len - 1]), 77);
        rig_close(&rig);
        puppet_free(&last);
        leat_channel_close(channel);
    }
}

/* ---- memory ---- */

/* Everything the bus does, with the n-th allocation failing and all after it, until none fails: who asks
 * is answered or handed back, what is given away is freed. */
static bool with_memory_for(uint32_t n)
{
    struct rig rig;
    struct leat_config config = workers_config(3, n);
    struct puppet actors[40] = {{0}}, publisher = {0};
    leat_channel channel = channel_of("bus/memory");
    rig_open(&rig, &config);
    for (size_t i = 0; i < 40; i++) {
        rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)i % 3);
    }
    rig_spawn(&rig, &publisher);
    rig_run(&rig, 0);
    for (size_t i = 0; i < 40; i++) {
        puppet_subscribe(&actors[i], channel, i);
        leat_send(rig.controller, actors[i].ref, POKE, NULL, 0);
    }
    for (uint64_t i = 0; i < 300; i++) { /* more than a slab of nodes, with the bodies */
        leat_output_publish_body(puppet_put(&publisher), channel, 1,
                                 body_of(1 + 400 * (uint32_t)(i % 7)));
        puppet_publish_safe(&publisher, channel, i);
        leat_output_broadcast(puppet_put(&publisher), LEAT_WORKER_ALL, NULL, 1, &i, sizeof(i));
    }
    leat_send(rig.controller, publisher.ref, POKE, NULL, 0);
    mem_fail_after(n);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 100; i++) {
        leat_slice body = {0};
        leat_publish(rig.controller, channel, 1, &i, sizeof(i));
        if (leat_buf_alloc(100, &body) == 0 &&
            leat_publish_body(rig.controller, channel, 1, body) == -ENOMEM) {
            leat_buf_unref(body.buf);
        }
        leat_subscribe(rig.controller, channel, LEAT_REF_NONE, i);
        leat_broadcast(rig.controller, LEAT_WORKER_ALL, NULL, 1, NULL, 0);
    }
    rig_run(&rig, 0);
    mem_fail_after(UINT32_MAX);
    rig_run(&rig, 0); /* a drain without a node waits until there is one */
    bool is_enough = true;
    for (size_t i = 0; i < 40; i++) { /* answered, one way or the other */
        size_t answers = puppet_count(&actors[i], LEAT_EVENT_SUBSCRIBED) + actors[i].refusals_len;
        CHECK_EQ(answers, 1);
        is_enough = is_enough && answers == 1 && actors[i].refusals_len == 0 &&
                    puppet_nth(&actors[i], LEAT_EVENT_SUBSCRIBED, 0).status == 0;
    }
    mem_fail_after(0);
    for (size_t i = 0; i < 40; i++) { /* and with memory all is well again */
        size_t before = puppet_count(&actors[i], LEAT_EVENT_SUBSCRIBED);
        puppet_subscribe(&actors[i], channel, 100 + i);
        rig_poke(&rig, &actors[i]);
        CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_SUBSCRIBED), before + 1);
        CHECK_EQ(puppet_nth(&actors[i], LEAT_EVENT_SUBSCRIBED, before).status, 0);
    }
    size_t before[40];
    for (size_t i = 0; i < 40; i++) {
        before[i] = puppet_count(&actors[i], LEAT_EVENT_PUBLISHED);
    }
    rig_publish(&rig, channel, 1);
    rig_run(&rig, 0);
    for (size_t i = 0; i < 40; i++) {
        CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_PUBLISHED), before[i] + 1);
    }
    rig_close(&rig);
    puppets_free(actors, 40);
    puppet_free(&publisher);
    leat_channel_close(channel);
    return is_enough;
}

TEST(bus, out_of_memory_at_every_allocation)
{
#ifdef __SANITIZE_THREAD__
    const uint32_t step = 13; /* each is one thread's work, and takes long there */
#else
    const uint32_t step = 1;
#endif
    uint32_t n = 1;
    while (!with_memory_for(n) && n < 400) {
        n += step;
    }
    CHECK(n > 40); /* each subscription is one at least */
    CHECK(n < 400);
}

/* All nodes a worker can have without more memory; chained, as many as *ret_len. */
static union node *nodes_take(struct pool *pool, size_t *ret_len)
{
    union node *taken = NULL, *node;
    *ret_len = 0;
    mem_fail_after(1);
    while ((node = pool_take(pool)) != NULL) {
        node->next = taken;
        taken = node;
        ++*ret_len;
    }
    return taken;
}

static void nodes_give(struct pool *pool, union node **nodes, size_t len)
{
    while (*nodes != NULL && len-- > 0) {
        union node *node = *nodes;
        *nodes = node->next;
        pool_give(pool, node);
    }
}

/* An announcement takes a node for each other worker: with fewer there is none at all. */
TEST(bus, a_worker_with_few_nodes_subscribes_or_says_no_memory)
{
    enum { WORKERS = 4 };
    struct rig rig;
    struct leat_config config = workers_config(WORKERS, 7);
    struct puppet actor = {0}, publisher = {0};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_spawn_as(&rig, &publisher, &puppet_behavior, 1);
    rig_run(&rig, 0);
    struct pool *pool = rig.runtime->workers[0]->host->pool;
    leat_channel channels[8]; /* each in a place of its own */
    for (size_t left = 0; left < 8; left++) {
        char name[32];
        snprintf(name, sizeof(name), "bus/nodes/%zu", left);
        leat_channel channel = channels[left] = channel_of(name);
        size_t before, after, at = puppet_count(&actor, LEAT_EVENT_SUBSCRIBED);
        union node *taken = nodes_take(pool, &before);
        nodes_give(pool, &taken, left);
        puppet_subscribe(&actor, channel, left);
        mem_fail_after(3); /* the subscription and its place among others, but not one node more */
        rig_poke(&rig, &actor);
        nodes_give(pool, &taken, SIZE_MAX);
        rig_run(&rig, 0); /* the drain goes on, if it had to give way */
        CHECK_EQ(puppet_count(&actor, LEAT_EVENT_SUBSCRIBED), at + 1);
        int status = puppet_nth(&actor, LEAT_EVENT_SUBSCRIBED, at).status;
        CHECK_EQ(status, left < WORKERS - 1 ? -ENOMEM : 0);
        CHECK_EQ(rig_channel(&rig, channel).subscribers, status == 0);

        taken = nodes_take(pool, &after);
        CHECK_EQ(after, before); /* all have come home */
        puppet_unsubscribe(&actor, channel, left);
        rig_poke(&rig, &actor); /* without memory the others are not told: they send in vain */
        nodes_give(pool, &taken, SIZE_MAX);
        mem_fail_after(0);
        rig_run(&rig, 0);
        size_t heard = puppet_count(&actor, LEAT_EVENT_PUBLISHED);
        puppet_publish(&publisher, channel, 1, 1);
        rig_poke(&rig, &publisher);
        CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), heard);
        puppet_subscribe(&actor, channel, left);
        rig_poke(&rig, &actor);
        puppet_publish(&publisher, channel, 1, 1);
        rig_poke(&rig, &publisher);
        CHECK_EQ(puppet_count(&actor, LEAT_EVENT_PUBLISHED), heard + 1);
    }
    rig_close(&rig);
    for (size_t left = 0; left < 8; left++) {
        leat_channel_close(channels[left]);
    }
    puppet_free(&actor);
    puppet_free(&publisher);
}
