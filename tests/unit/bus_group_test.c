/* Groups and their members on the bus: a group is one subscriber and one item, a member is like any
 * actor. In simulation, on one worker and on two. */
#include "bus_helpers.h"

#define MEMBERS 5u

struct hall {
    struct rig rig;
    leat_ref group;
    leat_channel channel;
    struct puppet members[MEMBERS];
};

static leat_ref member_spawn(struct hall *hall, struct puppet *puppet)
{
    CHECK_EQ(leat_spawn_member(hall->rig.controller, hall->group, &puppet, sizeof(puppet), 5), 0);
    rig_run(&hall->rig, 0);
    CHECK_EQ(rig_last(&hall->rig).kind, LEAT_EVENT_SPAWNED);
    CHECK_EQ(rig_last(&hall->rig).status, 0);
    return rig_last(&hall->rig).spawned.child;
}

static void hall_open(struct hall *hall, const struct leat_behavior *behavior, int worker)
{
    struct leat_config config = workers_config(2, 1);
    memset(hall, 0, sizeof(*hall));
    hall->channel = channel_of("bus/group");
    rig_open(&hall->rig, &config);
    CHECK_EQ(leat_spawn_group(hall->rig.controller, behavior, MEMBERS, worker, &hall->group), 0);
    rig_run(&hall->rig, 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        CHECK(leat_ref_equal(member_spawn(hall, &hall->members[i]), hall->members[i].ref));
    }
}

static void hall_close(struct hall *hall)
{
    rig_close(&hall->rig);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        puppet_free(&hall->members[i]);
    }
    leat_channel_close(hall->channel);
}

/* The controller subscribes somebody, and has it confirmed. */
static void confirmed(struct hall *hall, leat_ref subscriber)
{
    CHECK_EQ(leat_subscribe(hall->rig.controller, hall->channel, subscriber, 9), 0);
    rig_run(&hall->rig, 0);
    CHECK_EQ(rig_last(&hall->rig).kind, LEAT_EVENT_SUBSCRIBED);
    CHECK_EQ(rig_last(&hall->rig).status, 0);
    CHECK(leat_ref_equal(rig_last(&hall->rig).bus.subscriber, subscriber));
}

TEST(bus_group, a_group_is_one_subscriber_and_all_members_hear)
{
    for (int worker = 0; worker < 2; worker++) {
        struct hall hall;
        hall_open(&hall, &puppet_behavior, worker);
        confirmed(&hall, hall.group);
        struct leat_worker_stats before = rig_stats(&hall.rig);
        leat_slice body = body_of(1200);
        const uint8_t *at = leat_slice_data(body);
        CHECK_EQ(leat_publish_body(hall.rig.controller, hall.channel, 3, body), 0);
        rig_run(&hall.rig, 0);
        struct leat_worker_stats after = rig_stats(&hall.rig);
        struct leat_channel_stats stats = rig_channel(&hall.rig, hall.channel);
        CHECK_EQ(after.sent - before.sent, 1); /* one item, however many are given it */
        CHECK_EQ(after.delivered - before.delivered, 1);
        CHECK_EQ(stats.subscribers, 1);
        CHECK_EQ(stats.published, 1);
        CHECK_EQ(stats.delivered, 1);
        for (uint32_t i = 0; i < MEMBERS; i++) {
            CHECK_EQ(puppet_count(&hall.members[i], LEAT_EVENT_PUBLISHED), 1);
            struct leat_event event = puppet_nth(&hall.members[i], LEAT_EVENT_PUBLISHED, 0);
            CHECK(leat_channel_equal(event.channel, hall.channel));
            CHECK(leat_slice_data(event.body) == at);
        }
        hall_close(&hall);
    }
}

TEST(bus_group, a_member_subscribes_for_itself)
{
    struct hall hall;
    struct puppet other = {0};
    hall_open(&hall, &puppet_behavior, 0);
    rig_spawn_as(&hall.rig, &other, &puppet_behavior, 1);
    rig_run(&hall.rig, 0);
    puppet_subscribe(&hall.members[2], hall.channel, 7);
    rig_poke(&hall.rig, &hall.members[2]);
    struct leat_event answer = puppet_nth(&hall.members[2], LEAT_EVENT_SUBSCRIBED, 0);
    CHECK_EQ(answer.status, 0);
    CHECK_EQ(answer.bus.cookie, 7);
    CHECK(leat_ref_equal(answer.bus.subscriber, hall.members[2].ref));
    puppet_subscribe(&other, hall.channel, 8)->subscriber = hall.members[3].ref;
    rig_poke(&hall.rig, &other); /* another worker's actor asks for a member */
    CHECK_EQ(puppet_nth(&other, LEAT_EVENT_SUBSCRIBED, 0).status, 0);
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t wide[5] = {i, i, i, i, i}; /* more than a member's item has room for inline */
        CHECK_EQ(leat_publish(hall.rig.controller, hall.channel, 1, wide, sizeof(wide)), 0);
    }
    rig_run(&hall.rig, 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        bool hears = i == 2 || i == 3;
        CHECK_EQ(puppet_count(&hall.members[i], LEAT_EVENT_PUBLISHED), hears ? 3 : 0);
        for (size_t n = 0; hears && n < 3; n++) {
            struct leat_event event = puppet_nth(&hall.members[i], LEAT_EVENT_PUBLISHED, n);
            uint64_t wide[5];
            CHECK_EQ(event.len, sizeof(wide));
            memcpy(wide, event.payload, sizeof(wide));
            CHECK(wide[0] == n && wide[4] == n);
            CHECK(leat_channel_equal(event.channel, hall.channel));
        }
    }
    puppet_unsubscribe(&hall.members[2], hall.channel, 9);
    rig_poke(&hall.rig, &hall.members[2]);
    CHECK_EQ(puppet_nth(&hall.members[2], LEAT_EVENT_UNSUBSCRIBED, 0).status, 0);
    rig_publish(&hall.rig, hall.channel, 4);
    rig_run(&hall.rig, 0);
    CHECK_EQ(puppet_count(&hall.members[2], LEAT_EVENT_PUBLISHED), 3);
    CHECK_EQ(puppet_count(&hall.members[3], LEAT_EVENT_PUBLISHED), 4);
    hall_close(&hall);
    puppet_free(&other);
}

TEST(bus_group, subscriptions_end_with_a_member_and_with_the_group)
{
    struct hall hall;
    hall_open(&hall, &puppet_behavior, 0);
    confirmed(&hall, hall.members[1].ref);
    confirmed(&hall, hall.members[4].ref);
    confirmed(&hall, hall.group);
    CHECK_EQ(rig_channel(&hall.rig, hall.channel).subscribers, 3);
    CHECK_EQ(leat_kill(hall.rig.controller, hall.members[1].ref), 0);
    rig_run(&hall.rig, 0);
    CHECK_EQ(rig_channel(&hall.rig, hall.channel).subscribers, 2);
    rig_publish(&hall.rig, hall.channel, 1); /* the last one hears it twice: it is there twice */
    rig_run(&hall.rig, 0);
    CHECK_EQ(puppet_count(&hall.members[1], LEAT_EVENT_PUBLISHED), 0);
    CHECK_EQ(puppet_count(&hall.members[0], LEAT_EVENT_PUBLISHED), 1);
    CHECK_EQ(puppet_count(&hall.members[4], LEAT_EVENT_PUBLISHED), 2);
    CHECK_EQ(leat_stop(hall.rig.controller, hall.group), 0);
    rig_run(&hall.rig, 0);
    CHECK_EQ(rig_channel(&hall.rig, hall.channel).subscribers, 0);
    CHECK_EQ(leat_subscribe(hall.rig.controller, hall.channel, hall.group, 1), -ESRCH);
    CHECK_EQ(leat_subscribe(hall.rig.controller, hall.channel, hall.members[4].ref, 1), -ESRCH);
    hall_close(&hall);
}

TEST(bus_group, a_full_group_refuses_one_item_and_a_safe_publisher_is_told)
{
    static const struct leat_behavior box_of_2 = PUPPET_BEHAVIOR("box_of_2", 2);
    struct hall hall;
    struct puppet publisher = {0};
    hall_open(&hall, &box_of_2, 0);
    confirmed(&hall, hall.group);
    rig_spawn(&hall.rig, &publisher);
    rig_run(&hall.rig, 0);
    for (uint64_t i = 0; i < 6; i++) {
        puppet_publish_safe(&publisher, hall.channel, i);
    }
    rig_poke(&hall.rig, &publisher);
    struct leat_channel_stats stats = rig_channel(&hall.rig, hall.channel);
    CHECK_EQ(stats.delivered + stats.refused, 6);
    CHECK_EQ(stats.refused, 4);
    CHECK_EQ(puppet_count(&publisher, LEAT_EVENT_REFUSED), 4);
    struct leat_event told = puppet_nth(&publisher, LEAT_EVENT_REFUSED, 0);
    CHECK(leat_ref_equal(told.bus.subscriber, hall.group));
    for (uint32_t i = 0; i < MEMBERS; i++) {
        CHECK_EQ(puppet_count(&hall.members[i], LEAT_EVENT_PUBLISHED), 2);
    }
    hall_close(&hall);
    puppet_free(&publisher);
}

/* A member that publishes and stops, given what it publishes in the same walk. */
static void publish_and_stop(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_PUBLISHED && event_value(event) == 1) {
        puppet_publish(self, event->channel, 1, 2);
        leat_output_stop(puppet_put(self));
    }
}

TEST(bus_group, members_publish_and_end_in_a_walk)
{
    struct hall hall;
    hall_open(&hall, &puppet_behavior, 1);
    confirmed(&hall, hall.group);
    hall.members[0].on_event = publish_and_stop;
    hall.members[3].on_event = publish_and_stop;
    rig_publish(&hall.rig, hall.channel, 1);
    rig_run(&hall.rig, 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        bool stays = i != 0 && i != 3;
        CHECK_EQ(puppet_count(&hall.members[i], LEAT_EVENT_PUBLISHED), stays ? 3 : 1);
        CHECK_EQ(hall.members[i].finis, stays ? 0 : 1);
    }
    hall_close(&hall);
}

TEST(bus_group, a_broadcast_is_one_item_for_a_group)
{
    struct hall hall;
    hall_open(&hall, &puppet_behavior, 1);
    CHECK_EQ(leat_broadcast(hall.rig.controller, LEAT_WORKER_ALL, &puppet_behavior, 4, NULL, 0), 0);
    rig_run(&hall.rig, 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        CHECK_EQ(puppet_count(&hall.members[i], LEAT_EVENT_MESSAGE), 1);
        CHECK_EQ(puppet_nth(&hall.members[i], LEAT_EVENT_MESSAGE, 0).type, 4);
    }
    hall_close(&hall);
}
