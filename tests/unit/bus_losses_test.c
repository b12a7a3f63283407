/* Who does not get what is published: slow subscribers, full mailboxes, a worker with too much waiting; and
 * what a safe publisher hears of it. In simulation, but for what is about time. */
#include <time.h>

#include "bus_helpers.h"
#include "sched.h"

static const struct leat_behavior box_of_2 = PUPPET_BEHAVIOR("box_of_2", 2);

/* ---- a subscriber that is slow with what it is given ---- */

enum { SLOW_MESSAGES = 3000 };

static uint32_t quick_heard, slow_heard;

static void quick_hear(struct puppet *self, const struct leat_event *event)
{
    quick_heard += event->kind == LEAT_EVENT_PUBLISHED;
    if (event->kind == LEAT_EVENT_PUBLISHED && quick_heard == SLOW_MESSAGES) {
        puppet_send(self, *(leat_ref *)self->context, 1, 0);
    }
}

static void slow_hear(struct puppet *self, const struct leat_event *event)
{
    (void)self;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        slow_heard++;
        struct timespec now, start;
        clock_gettime(CLOCK_MONOTONIC, &start);
        do {
            clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < 200000);
    }
}

/* It shares its worker, and has a small mailbox: it loses what that has no room for, the other nothing. */
TEST(bus_losses, who_works_slowly_loses_and_nobody_else)
{
    static const struct leat_behavior box_of_8 = PUPPET_BEHAVIOR("box_of_8", 8);
    static const struct leat_behavior box_of_all = PUPPET_BEHAVIOR("box_of_all", 2 * SLOW_MESSAGES);
    leat_channel channel = channel_of("fanout/slow");
    struct rig rig;
    struct leat_config config = rig_threads(1);
    rig_open(&rig, &config);
    leat_ref home = leat_controller_ref(rig.controller);
    struct puppet slow = {.on_event = slow_hear};
    struct puppet quick = {.on_event = quick_hear, .context = &home};
    quick_heard = slow_heard = 0;
    leat_ref refs[2] = {rig_spawn_as(&rig, &slow, &box_of_8, 0),
                        rig_spawn_as(&rig, &quick, &box_of_all, 0)};
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(leat_subscribe(rig.controller, channel, refs[i], i), 0);
    }
    rig_await(&rig, 2);
    for (uint64_t i = 0; i < SLOW_MESSAGES; i++) {
        rig_publish(&rig, channel, i);
    }
    rig_await(&rig, 3);
    struct leat_channel_stats stats = rig_channel(&rig, channel);
    CHECK(stats.refused > SLOW_MESSAGES / 2);
    CHECK_EQ(stats.delivered + stats.refused, 2 * SLOW_MESSAGES);
    rig_close(&rig);
    CHECK_EQ(quick_heard, SLOW_MESSAGES);
    puppet_free(&slow);
    puppet_free(&quick);
    leat_channel_close(channel);
}

/* A publisher that is not asked while it publishes on: what it hears of losses is bounded by its mailbox and
 * one word for each of its messages. */
TEST(bus_losses, news_of_losses_is_bounded)
{
    enum { DEAF = 50, SAFE = 40 };
    static const struct leat_behavior box_of_1 = PUPPET_BEHAVIOR("box_of_1", 1);
    static const struct leat_behavior box_of_4 = PUPPET_BEHAVIOR("box_of_4", 4);
    leat_channel channel = channel_of("fanout/bounded");
    struct rig rig;
    struct leat_config config = workers_config(2, 5);
    struct puppet deaf[DEAF] = {{0}}, full = {0}, publisher = {0};
    config.send_wait_ns = 100 * LEAT_SEC;
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &full, &box_of_1, 1);
    leat_ref self = rig_spawn_as(&rig, &publisher, &box_of_4, 0);
    rig_listeners(&rig, deaf, DEAF, &box_of_1, 1, channel);
    for (size_t i = 0; i < DEAF; i++) { /* parked on one another, so that their boxes stay full */
        leat_output_wait(puppet_send(&deaf[i], deaf[(i + 1) % DEAF].ref, 1, 1));
        leat_output_wait(puppet_send(&deaf[i], deaf[(i + 1) % DEAF].ref, 1, 2));
        CHECK_EQ(leat_send(rig.controller, deaf[i].ref, POKE, NULL, 0), 0);
    }
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < SAFE; i++) {
        puppet_publish_safe(&publisher, channel, i);
    }
    CHECK_EQ(leat_send(rig.controller, self, POKE, NULL, 0), 0);
    uint32_t most = 0;
    const struct cell *cell = registry_cell(&rig.runtime->registry, self);
    while (puppet_count(&publisher, LEAT_EVENT_REFUSED) == 0) {
        simulation_step(rig.runtime, 0);
        uint32_t len = cell->box.len + cell->door.inside;
        most = len > most ? len : most;
    }
    rig_run(&rig, 0);
    CHECK(most <= 4 + 2 + SAFE);
    size_t told = puppet_count(&publisher, LEAT_EVENT_REFUSED), some = 0;
    for (size_t i = 0; i < told; i++) {
        struct leat_event event = puppet_nth(&publisher, LEAT_EVENT_REFUSED, i);
        CHECK_EQ(event.status, -EAGAIN);
        some += leat_ref_equal(event.bus.subscriber, LEAT_REF_NONE);
    }
    CHECK(some > 0); /* and those that it had room for were told one by one */
    CHECK(told > some);
    rig_close(&rig);
    puppets_free(deaf, DEAF);
    puppet_free(&full);
    puppet_free(&publisher);
    leat_channel_close(channel);
}

/* ---- refusals ---- */

TEST(bus_losses, a_slow_subscriber_holds_nobody_up_and_is_counted)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet slow = {0}, others[5] = {{0}}, publisher = {0};
    leat_channel channel = channel_of("fanout/slow");
    rig_open(&rig, &config);
    rig_listeners(&rig, &slow, 1, &box_of_2, 1, channel);
    rig_listeners(&rig, others, 5, &puppet_behavior, 1, channel);
    rig_spawn(&rig, &publisher);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 4; i++) {
        leat_slice body = body_of(500);
        leat_output_publish_body(puppet_put(&publisher), channel, 1, body);
        puppet_publish_safe(&publisher, channel, 100 + i);
    }
    for (int i = 0; i < 2; i++) { /* its mailbox is full when the walk comes */
        leat_output_send(puppet_put(&publisher), slow.ref, POKE, NULL, 0);
    }
    rig_poke(&rig, &publisher);
    CHECK_EQ(puppet_count(&slow, LEAT_EVENT_MESSAGE), 2);
    CHECK_EQ(puppet_count(&slow, LEAT_EVENT_PUBLISHED), 0);
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(puppet_count(&others[i], LEAT_EVENT_PUBLISHED), 8);
    }
    struct leat_channel_stats stats = rig_channel(&rig, channel);
    CHECK_EQ(stats.delivered, 40);
    CHECK_EQ(stats.refused, 8);
    CHECK_EQ(puppet_count(&publisher, LEAT_EVENT_REFUSED), 4);
    for (size_t i = 0; i < 4; i++) {
        struct leat_event event = puppet_nth(&publisher, LEAT_EVENT_REFUSED, i);
        CHECK_EQ(event.status, -EAGAIN);
        CHECK_EQ(event.bus.cookie, 100 + i);
        CHECK(leat_ref_equal(event.bus.subscriber, slow.ref));
        CHECK(leat_channel_equal(event.channel, channel));
        CHECK_EQ(event.len, 0);
    }
    rig_close(&rig);
    puppet_free(&slow);
    puppets_free(others, 5);
    puppet_free(&publisher);
    leat_channel_close(channel);
}

/* Takes its messages and is given what it was refused again. */
static void keep_refused(struct puppet *self, struct leat_output *output, int status)
{
    (void)self;
    (void)output;
    CHECK_EQ(status, -EAGAIN);
}

TEST(bus_losses, a_safe_publish_is_handed_back_while_the_publishers_own_mailbox_is_full)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet publisher = {.on_refused = keep_refused}, listener = {0};
    leat_channel channel = channel_of("fanout/crowded");
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &publisher, &box_of_2, 0);
    rig_listeners(&rig, &listener, 1, &puppet_behavior, 1, channel);
    leat_slice body = body_of(300);
    leat_output_send(puppet_put(&publisher), publisher.ref, POKE, NULL, 0);
    leat_output_send(puppet_put(&publisher), publisher.ref, POKE, NULL, 0);
    struct leat_output *out = puppet_put(&publisher);
    leat_output_publish_body(out, channel, 4, leat_slice_ref(body));
    out->cookie = 31;
    out->flags = LEAT_PUBLISH_SAFE;
    puppet_publish(&publisher, channel, 5, 1); /* droppable: it is not asked for */
    rig_poke(&rig, &publisher);
    CHECK_EQ(publisher.refusals_len, 1);
    const struct leat_output *back = &publisher.refusals[0].output;
    CHECK_EQ(back->kind, LEAT_OUTPUT_PUBLISH);
    CHECK_EQ(back->cookie, 31);
    CHECK_EQ(back->type, 4);
    CHECK_EQ(back->len, LEAT_LEN_BODY);
    CHECK_EQ(back->flags, LEAT_PUBLISH_SAFE); /* so that it may be put once more as it is */
    CHECK(leat_channel_equal(back->channel, channel));
    CHECK(back->body.buf == body.buf && back->body.len == 300);
    CHECK(!leat_buf_is_sole(body.buf)); /* the publisher's again */
    CHECK_EQ(puppet_count(&listener, LEAT_EVENT_PUBLISHED), 1);
    CHECK_EQ(rig_channel(&rig, channel).published, 1);
    *puppet_put(&publisher) = *back;
    rig_poke(&rig, &publisher);
    CHECK_EQ(puppet_count(&listener, LEAT_EVENT_PUBLISHED), 2);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    rig_close(&rig);
    puppet_free(&publisher);
    puppet_free(&listener);
    leat_channel_close(channel);
}

TEST(bus_losses, a_worker_with_too_much_waiting_refuses_for_all_its_subscribers)
{
    leat_channel channel = channel_of("fanout/hops");
    bool was_told = false;
    for (uint64_t seed = 1; seed <= 40 && !was_told; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(2, seed);
        struct puppet publisher = {0}, far[2] = {{0}};
        config.mailbox_len_max = 1000000;
        rig_open(&rig, &config);
        for (size_t i = 0; i < 2; i++) {
            puppet_subscribe(&far[i], channel, i);
            rig_spawn_as(&rig, &far[i], &puppet_behavior, 1);
        }
        rig_spawn(&rig, &publisher);
        rig_run(&rig, 0);
        const uint32_t hops = box_limit(&rig.runtime->workers[1]->system->box);
        leat_slice body = body_of(100);
        for (uint64_t i = 0; i < 3; i++) {
            puppet_publish_safe(&publisher, channel, 50 + i);
            leat_output_publish_body(puppet_put(&publisher), channel, 1, leat_slice_ref(body));
        }
        leat_output_broadcast(puppet_put(&publisher), 1, NULL, 1, NULL, 0);
        leat_send(rig.controller, publisher.ref, POKE, NULL, 0);
        uint32_t full = 0, taken = 0;
        for (uint64_t i = 0; i < hops + 5; i++) { /* nobody runs meanwhile */
            int status = leat_publish(rig.controller, channel, 1, &i, sizeof(i));
            CHECK(status == 0 || status == -EAGAIN);
            full += status == -EAGAIN;
            taken += status == 0;
        }
        CHECK(full >= 5); /* worker 1's; worker 0 has nobody, but a controller does not know */
        CHECK_EQ(taken, hops);
        leat_slice lost = leat_slice_ref(body);
        CHECK_EQ(leat_publish_body(rig.controller, channel, 1, lost), -EAGAIN); /* given away */
        CHECK_EQ(leat_broadcast(rig.controller, LEAT_WORKER_ALL, NULL, 1, NULL, 0), -EAGAIN);
        struct leat_worker_stats outside;
        leat_stats_controllers(rig.runtime, &outside);
        CHECK_EQ(outside.refused, 2 * full + 4); /* a copy for each worker that had no room */
        rig_run(&rig, 0);
        CHECK(leat_buf_is_sole(body.buf));
        leat_buf_unref(body.buf);
        size_t told = puppet_count(&publisher, LEAT_EVENT_REFUSED);
        CHECK(told == 0 || told == 3);
        for (size_t i = 0; i < told; i++) {
            struct leat_event event = puppet_nth(&publisher, LEAT_EVENT_REFUSED, i);
            CHECK_EQ(event.status, -EAGAIN);
            CHECK_EQ(event.bus.cookie, 50 + i);
            CHECK(leat_ref_equal(event.bus.subscriber, LEAT_REF_NONE));
            was_told = true;
        }
        CHECK_EQ(publisher.refusals_len, told == 3);
        CHECK_EQ(rig_channel(&rig, channel).refused, told == 3 ? 6 : 0); /* what actors published */
        if (told == 3) {
            CHECK_EQ(publisher.refusals[0].output.kind, LEAT_OUTPUT_BROADCAST);
            CHECK_EQ(publisher.refusals[0].status, -EAGAIN);
            CHECK_EQ(publisher.refusals[0].output.worker, 1);
        }
        for (size_t i = 0; i < 2; i++) {
            CHECK_EQ(puppet_count(&far[i], LEAT_EVENT_PUBLISHED), taken + (told == 0 ? 6 : 0));
        }
        rig_close(&rig);
        puppet_free(&publisher);
        puppets_free(far, 2);
    }
    CHECK(was_told);
    leat_channel_close(channel);
}

/* What it had published goes its way; there is nobody to be told of refusals. */
TEST(bus_losses, a_publisher_may_end_at_once)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(3, seed);
        struct puppet actors[6] = {{0}}, slow = {0}, publisher = {0};
        leat_channel channel = channel_of("fanout/ends");
        rig_open(&rig, &config);
        rig_listeners(&rig, actors, 6, &puppet_behavior, 3, channel);
        rig_listeners(&rig, &slow, 1, &box_of_2, 1, channel);
        rig_spawn(&rig, &publisher);
        rig_run(&rig, 0);
        leat_slice body = body_of(1200);
        for (uint64_t i = 0; i < 10; i++) {
            leat_output_publish_body(puppet_put(&publisher), channel, 1, leat_slice_ref(body));
            puppet_publish_safe(&publisher, channel, i);
            leat_output_send(puppet_put(&publisher), slow.ref, POKE, NULL, 0);
        }
        leat_output_stop(puppet_put(&publisher));
        rig_poke(&rig, &publisher);
        CHECK_EQ(publisher.finis, 1);
        CHECK_EQ(publisher.seen_len, 1);
        for (size_t i = 0; i < 6; i++) {
            CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_PUBLISHED), 20);
        }
        CHECK(rig_channel(&rig, channel).refused > 0);
        CHECK(leat_buf_is_sole(body.buf));
        leat_buf_unref(body.buf);
        rig_close(&rig);
        puppets_free(actors, 6);
        puppet_free(&slow);
        publisher.violations = 0;
        puppet_free(&publisher);
        leat_channel_close(channel);
    }
}
