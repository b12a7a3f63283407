/* Broadcasts of actors: to all of a worker or of a behaviour, themselves included. In simulation; those of
 * controllers are in controller_test.c. */
#include "bus_helpers.h"

static const struct leat_behavior box_of_2 = PUPPET_BEHAVIOR("box_of_2", 2);
static const struct leat_behavior other_behavior = PUPPET_BEHAVIOR("other", 0);

TEST(broadcast, an_actor_broadcasts)
{
    struct rig rig;
    struct leat_config config = workers_config(3, 4);
    struct puppet actors[12] = {{0}};
    rig_open(&rig, &config);
    for (size_t i = 0; i < 12; i++) {
        rig_spawn_as(&rig, &actors[i], i < 6 ? &puppet_behavior : &other_behavior, (int)i % 3);
    }
    rig_run(&rig, 0);
    static const struct {
        int worker;
        const struct leat_behavior *behavior;
    } to[] = {{LEAT_WORKER_ALL, NULL}, {LEAT_WORKER_SAME, NULL},           {2, NULL},
              {0, &puppet_behavior},   {LEAT_WORKER_ALL, &other_behavior}, {1, &box_of_2}};
    for (uint32_t k = 0; k < 6; k++) {
        size_t before[12];
        for (size_t i = 0; i < 12; i++) {
            before[i] = puppet_count(&actors[i], LEAT_EVENT_MESSAGE);
        }
        before[4]++; /* the sender is poked */
        uint64_t value = 5 + k;
        leat_output_broadcast(puppet_put(&actors[4]), to[k].worker, to[k].behavior, k, &value,
                              sizeof(value));
        rig_poke(&rig, &actors[4]);
        for (size_t i = 0; i < 12; i++) { /* the sender included */
            int worker = to[k].worker == LEAT_WORKER_SAME ? 4 % 3 : to[k].worker;
            const struct leat_behavior *is = i < 6 ? &puppet_behavior : &other_behavior;
            bool meant = (worker == LEAT_WORKER_ALL || worker == (int)i % 3) &&
                         (to[k].behavior == NULL || to[k].behavior == is);
            CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_MESSAGE), before[i] + meant);
            if (meant) {
                struct leat_event event = puppet_nth(&actors[i], LEAT_EVENT_MESSAGE, before[i]);
                CHECK_EQ(event.type, k);
                CHECK_EQ(event_value(&event), value);
                CHECK(leat_ref_equal(event.from, actors[4].ref));
            }
        }
    }
    rig_close(&rig);
    puppets_free(actors, 12);
}

TEST(broadcast, a_broadcast_to_no_worker_is_handed_back)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 4);
    struct puppet actor = {.on_refused = NULL};
    static const int wrong[] = {2, LEAT_WORKER_BEST, -4, INT32_MAX, INT32_MIN};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (size_t i = 0; i < 5; i++) {
        struct leat_output *out = puppet_put(&actor);
        leat_output_broadcast(out, wrong[i], &puppet_behavior, 3, NULL, 0);
        out->len = LEAT_LEN_BODY;
        out->body = body_of(100);
    }
    rig_poke(&rig, &actor);
    REQUIRE(actor.refusals_len == 5);
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(actor.refusals[i].status, -EINVAL);
        CHECK_EQ(actor.refusals[i].output.kind, LEAT_OUTPUT_BROADCAST);
        CHECK_EQ(actor.refusals[i].output.worker, wrong[i]);
        CHECK(actor.refusals[i].output.behavior == &puppet_behavior);
        CHECK_EQ(actor.refusals[i].output.type, 3);
    }
    CHECK_EQ(actor.seen_len, 1);
    CHECK_EQ(rig_stats(&rig).sent, 1);
    rig_close(&rig);
    puppet_free(&actor);
}

static const uint8_t *body_at;
static size_t broadcast_bodies;

static void see_broadcast(struct puppet *self, const struct leat_event *event)
{
    (void)self;
    if (event->kind == LEAT_EVENT_MESSAGE && event->len == LEAT_LEN_BODY) {
        broadcast_bodies += leat_slice_data(event->body) == body_at;
    }
}

TEST(broadcast, a_broadcast_body_is_shared_too)
{
    struct rig rig;
    struct leat_config config = workers_config(3, 4);
    struct puppet actors[9] = {{0}};
    rig_open(&rig, &config);
    for (size_t i = 0; i < 9; i++) {
        actors[i].on_event = see_broadcast;
        rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)i % 3);
    }
    rig_run(&rig, 0);
    leat_slice body = body_of(1200);
    body_at = leat_slice_data(body);
    broadcast_bodies = 0;
    struct leat_output *out = puppet_put(&actors[0]);
    leat_output_broadcast(out, LEAT_WORKER_ALL, NULL, 1, NULL, 0);
    out->len = LEAT_LEN_BODY;
    out->body = leat_slice_ref(body);
    rig_poke(&rig, &actors[0]);
    CHECK_EQ(broadcast_bodies, 9);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    rig_close(&rig);
    puppets_free(actors, 9);
}

/* Actors that come and go meanwhile are given it once or not at all, and never before their init. */
TEST(broadcast, a_broadcast_while_actors_come_and_go)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(2, seed);
        static struct puppet actors[60];
        memset(actors, 0, sizeof(actors));
        rig_open(&rig, &config);
        for (size_t i = 0; i < 60; i++) {
            rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)i % 2);
            if (i % 10 == 5) {
                CHECK_EQ(
                    leat_broadcast(rig.controller, LEAT_WORKER_ALL, NULL, (uint32_t)i, NULL, 0), 0);
            }
            if (i % 7 == 3) {
                struct leat_event event;
                leat_kill(rig.controller, actors[i - 2].ref);
                leat_receive(rig.controller, 0, &event);
            }
        }
        rig_run(&rig, 0);
        for (size_t i = 0; i < 60; i++) {
            uint32_t last = 0;
            for (size_t k = 0; k < actors[i].seen_len; k++) {
                if (actors[i].seen[k].kind == LEAT_EVENT_MESSAGE) {
                    CHECK(actors[i].seen[k].type > last);
                    last = actors[i].seen[k].type;
                }
            }
        }
        rig_close(&rig);
        puppets_free(actors, 60);
    }
}
