/* What one message becomes on its way to many: one body for all, order, walks that give way and what may
 * happen in them. In simulation. */
#include "bus_helpers.h"
#include "sched.h"

/* Somebody who neither hears nor keeps anything, for a crowd. */
struct ear {
    uint64_t heard;
    leat_channel channel;
    bool asked, goes;
};

static int ear_init(void *state, const void *arg, leat_time now)
{
    (void)now;
    memcpy(&((struct ear *)state)->channel, arg, sizeof(leat_channel));
    return 0;
}

static uint64_t ears_heard;
static void (*ears_hear)(uint64_t heard); /* told of each copy */
static bool ears_go;                      /* who hears something ends */

static void ear_on_event(void *state, const struct leat_event *event)
{
    struct ear *ear = state;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        ears_heard++;
        if (ears_hear != NULL) {
            ears_hear(ears_heard);
        }
    }
    ear->goes =
        event->kind == LEAT_EVENT_SHUTDOWN || (ears_go && event->kind == LEAT_EVENT_PUBLISHED);
}

static bool ear_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct ear *ear = state;
    (void)now;
    if (!ear->asked) {
        ear->asked = true;
        leat_output_subscribe(ret, ear->channel, 0);
        return true;
    }
    if (ear->goes) {
        leat_output_stop(ret);
    }
    return ear->goes;
}

static const struct leat_behavior ear_behavior = {.name = "ear",
                                                  .state_size = sizeof(struct ear),
                                                  .init = ear_init,
                                                  .on_event = ear_on_event,
                                                  .pop_output = ear_pop_output};

static void spawn_ears(struct rig *rig, leat_channel channel, size_t n)
{
    ears_heard = 0;
    ears_hear = NULL;
    ears_go = false;
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(leat_spawn(rig->controller, &ear_behavior, &channel, sizeof(channel), 0, NULL), 0);
    }
    rig_run(rig, 0);
    CHECK(rig_channel(rig, channel).subscribers >= n);
}

/* ---- bodies ---- */

static const uint8_t *body_seen;
static size_t body_copies, body_others;

static void see_body(struct puppet *self, const struct leat_event *event)
{
    (void)self;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        size_t len;
        body_copies += leat_event_payload(event, &len) == body_seen && len == 1200;
        body_others += leat_event_payload(event, &len) != body_seen;
    }
}

TEST(fanout, a_body_is_allocated_once_and_copied_never)
{
    struct rig rig;
    struct leat_config config = workers_config(3, 1);
    struct puppet actors[90] = {{0}}, publisher = {0};
    leat_channel channel = channel_of("fanout/body");
    rig_open(&rig, &config);
    for (size_t i = 0; i < 90; i++) {
        actors[i].on_event = see_body;
    }
    rig_listeners(&rig, actors, 90, &puppet_behavior, 3, channel);
    rig_spawn(&rig, &publisher);
    rig_run(&rig, 0);
    leat_slice body = body_of(1200);
    body_seen = leat_slice_data(body);
    body_copies = body_others = 0;
    int64_t before = 0, after = 0;
    for (uint32_t i = 0; i < 3; i++) {
        before += rig.runtime->workers[i]->host->pool->bufs_out;
    }
    leat_output_publish_body(puppet_put(&publisher), channel, 1, leat_slice_ref(body));
    for (size_t i = 0; i < 90;
         i += 2) { /* half of them are busy: it goes through their mailboxes */
        leat_send(rig.controller, actors[i].ref, POKE, NULL, 0);
    }
    rig_poke(&rig, &publisher);
    CHECK_EQ(body_copies, 90);
    CHECK_EQ(body_others, 0);
    for (uint32_t i = 0; i < 3; i++) {
        after += rig.runtime->workers[i]->host->pool->bufs_out;
    }
    CHECK_EQ(before, after);
    CHECK(leat_buf_is_sole(body.buf)); /* given back by all */
    leat_buf_unref(body.buf);
    rig_close(&rig);
    puppets_free(actors, 90);
    puppet_free(&publisher);
    leat_channel_close(channel);
}

static size_t batches_seen;

static void see_batch(struct puppet *self, const struct leat_event *event)
{
    leat_slice *kept = self->context;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        batches_seen += leat_batch_len(event->body) == 8;
        for (uint32_t i = 0; i < leat_batch_len(event->body); i++) {
            leat_slice slice = leat_batch_at(event->body, i);
            batches_seen += slice.len == 100 + i && leat_slice_data(slice)[0] == 7;
        }
        if (kept->buf == NULL) {
            *kept = leat_slice_ref(leat_batch_at(event->body, 5)); /* beyond the batch */
        }
    }
}

TEST(fanout, a_batch_is_a_body)
{
    struct rig rig;
    struct leat_config config = workers_config(2, 1);
    struct puppet actors[6] = {{0}}, publisher = {0};
    leat_slice kept[6] = {{0}}, batch, slices[8];
    leat_channel channel = channel_of("fanout/batch");
    rig_open(&rig, &config);
    for (size_t i = 0; i < 6; i++) {
        actors[i].on_event = see_batch;
        actors[i].context = &kept[i];
    }
    rig_listeners(&rig, actors, 6, &puppet_behavior, 2, channel);
    rig_spawn(&rig, &publisher);
    rig_run(&rig, 0);
    CHECK_EQ(leat_batch_alloc(8, &batch), 0);
    for (uint32_t i = 0; i < 8; i++) {
        slices[i] = body_of(100 + i);
        CHECK_EQ(leat_batch_add(&batch, leat_slice_ref(slices[i])), 0);
    }
    batches_seen = 0;
    leat_output_publish_body(puppet_put(&publisher), channel, 1, leat_slice_ref(batch));
    rig_poke(&rig, &publisher);
    CHECK_EQ(batches_seen, 6 * 9);
    CHECK(leat_buf_is_sole(batch.buf));
    CHECK_EQ(leat_publish_body(rig.controller, channel, 1, batch), 0);
    rig_run(&rig, 0);
    CHECK_EQ(batches_seen, 2 * 6 * 9);
    for (size_t i = 0; i < 8; i++) { /* given back once: only those kept are held by others */
        CHECK_EQ(leat_buf_is_sole(slices[i].buf), i != 5);
    }
    for (size_t i = 0; i < 6; i++) {
        leat_buf_unref(kept[i].buf);
    }
    for (size_t i = 0; i < 8; i++) {
        CHECK(leat_buf_is_sole(slices[i].buf));
        leat_buf_unref(slices[i].buf);
    }
    rig_close(&rig);
    puppets_free(actors, 6);
    puppet_free(&publisher);
    leat_channel_close(channel);
}

/* ---- order ---- */

TEST(fanout, a_publishers_messages_on_a_channel_arrive_in_order)
{
    leat_channel channel = channel_of("fanout/order");
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct rig rig;
        struct leat_config config = workers_config(1 + seed % 4, seed);
        struct puppet actors[12] = {{0}}, publishers[3] = {{0}};
        rig_open(&rig, &config);
        rig_listeners(&rig, actors, 12, &puppet_behavior, config.workers, channel);
        for (size_t i = 0; i < 3; i++) {
            for (uint64_t k = 0; k < 80;
                 k++) { /* more than a drain's turn; safe or not is the same */
                puppet_publish(&publishers[i], channel, (uint32_t)i, k)->flags =
                    k % 3 == 0 ? LEAT_PUBLISH_SAFE : 0;
            }
            rig_spawn_as(&rig, &publishers[i], &puppet_behavior, (int)(i % config.workers));
        }
        for (uint64_t k = 0; k < 60; k++) { /* so that some are idle and some have a full box */
            struct leat_event event;
            leat_send(rig.controller, actors[k % 12].ref, POKE, NULL, 0);
            leat_receive(rig.controller, 0, &event);
        }
        rig_run(&rig, 0);
        for (size_t i = 0; i < 12; i++) {
            uint64_t next[3] = {0};
            for (size_t k = 0; k < actors[i].seen_len; k++) {
                const struct leat_event *event = &actors[i].seen[k];
                if (event->kind == LEAT_EVENT_PUBLISHED) {
                    CHECK_EQ(event_value(event), next[event->type % 3]++);
                }
            }
            CHECK(next[0] == 80 && next[1] == 80 && next[2] == 80);
        }
        rig_close(&rig);
        puppets_free(actors, 12);
        puppets_free(publishers, 3);
    }
    leat_channel_close(channel);
}

/* ---- walks ---- */

static struct puppet *walk_other;
static uint64_t walk_heard_at; /* how many ears had heard when the other was given its message */

static void note_how_far(struct puppet *self, const struct leat_event *event)
{
    (void)self;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        walk_heard_at = ears_heard;
    }
}

static leat_controller *walk_controller;

static void send_to_the_other(uint64_t heard)
{
    if (heard == 10) {
        CHECK_EQ(leat_send(walk_controller, walk_other->ref, 1, NULL, 0), 0);
    }
}

TEST(fanout, a_long_walk_gives_way_to_others)
{
    enum { EARS = 3000 };
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet other = {.on_event = note_how_far};
    leat_channel channel = channel_of("fanout/long");
    rig_open(&rig, &config);
    spawn_ears(&rig, channel, EARS);
    rig_spawn(&rig, &other);
    rig_run(&rig, 0);
    walk_other = &other;
    walk_controller = rig.controller;
    ears_hear = send_to_the_other;
    uint64_t before = rig_stats(&rig).walk_pauses;
    rig_publish(&rig, channel, 1);
    rig_run(&rig, 0);
    CHECK_EQ(ears_heard, EARS);
    CHECK(rig_stats(&rig).walk_pauses - before >= 2);
    CHECK(rig_stats(&rig).walk_pauses - before <= 4);
    CHECK(walk_heard_at > 10);
    CHECK(walk_heard_at < EARS); /* it was given its message between two of the walk's portions */
    before = rig_stats(&rig).walk_pauses;
    ears_hear = NULL;
    CHECK_EQ(leat_broadcast(rig.controller, 0, NULL, 1, NULL, 0), 0);
    rig_run(&rig, 0);
    CHECK(rig_stats(&rig).walk_pauses > before);
    rig_close(&rig);
    puppet_free(&other);
    leat_channel_close(channel);
}

TEST(fanout, the_next_message_waits_for_the_end_of_a_walk)
{
    enum { EARS = 2500 };
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet first = {0}, last = {0};
    leat_channel channel = channel_of("fanout/next");
    rig_open(&rig, &config);
    puppet_subscribe(&first, channel, 0);
    rig_spawn(&rig, &first);
    rig_run(&rig, 0);
    spawn_ears(&rig, channel, EARS);
    puppet_subscribe(&last, channel, 0);
    rig_spawn(&rig, &last);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 5; i++) {
        rig_publish(&rig, channel, i);
    }
    rig_run(&rig, 0);
    CHECK_EQ(ears_heard, 5 * EARS);
    for (uint64_t i = 0; i < 5; i++) {
        struct leat_event a = puppet_nth(&first, LEAT_EVENT_PUBLISHED, i);
        struct leat_event b = puppet_nth(&last, LEAT_EVENT_PUBLISHED, i);
        CHECK_EQ(event_value(&a), i);
        CHECK_EQ(event_value(&b), i);
    }
    rig_close(&rig);
    puppet_free(&first);
    puppet_free(&last);
    leat_channel_close(channel);
}

/* The last actor ends while a walk gives way: those who have been visited have ended then, and so do the
 * others before its next portion, as they are busy for a whole round of the loop. It goes on all the same,
 * for there might be controllers among the subscribers. */
TEST(fanout, a_walk_goes_to_its_end_after_the_last_actor)
{
    enum { EACH = 32, LAST = ROUND_WORK / EACH - 1 };
    leat_channel channel = channel_of("fanout/unfinished");
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet last[LAST] = {{0}};
    rig_open(&rig, &config);
    spawn_ears(&rig, channel, ROUND_WORK);
    ears_go = true;
    rig_listeners(&rig, last, LAST, &puppet_behavior, 1, channel);
    for (size_t i = 0; i < LAST; i++) {
        last[i].stays = true; /* it is given SHUTDOWN, then these, then its end */
        for (int k = 0; k < EACH; k++) {
            CHECK_EQ(leat_send(rig.controller, last[i].ref, POKE, NULL, 0), 0);
        }
        CHECK_EQ(leat_stop(rig.controller, last[i].ref), 0);
    }
    leat_slice body = body_of(1200);
    CHECK_EQ(leat_publish_body(rig.controller, channel, 1, leat_slice_ref(body)), 0);
    simulation_step(rig.runtime, 0);
    CHECK_EQ(ears_heard, ROUND_WORK);
    leat_runtime_stop(rig.runtime);
    CHECK_EQ(rig_receive(&rig, LEAT_SEC), -EPIPE);
    CHECK(leat_buf_is_sole(body.buf));
    rig_close(&rig);
    leat_buf_unref(body.buf);
    puppets_free(last, LAST);
    leat_channel_close(channel);
}

/* ---- what subscribers may do in a walk ---- */

struct scene {
    leat_channel channel;
    struct puppet actors[8];
    size_t actor; /* who acts, when it is given a message of type 1 */
    enum {
        ACT_STOP,
        ACT_FAIL,
        ACT_LEAVE,
        ACT_LEAVE_AND_COME,
        ACT_PUBLISH,
        ACT_COME_TWICE,
        ACT_EVICT_NEXT,
        ACT_EVICT_LAST,
        ACT_STOP_NEXT,
        ACT_CLOSE,
        ACT_CLOSE_AND_COME,
        ACTS
    } act;
    leat_controller *controller;
    leat_channel again;
};

static void act(struct puppet *self, const struct leat_event *event)
{
    struct scene *scene = self->context;
    size_t me = (size_t)(self - scene->actors);
    if (event->kind != LEAT_EVENT_PUBLISHED || event->type != 1 || me != scene->actor) {
        return;
    }
    struct puppet *next = &scene->actors[(me + 1) % 8];
    switch (scene->act) {
    case ACT_STOP:
        leat_output_stop(puppet_put(self));
        break;
    case ACT_FAIL:
        leat_output_fail(puppet_put(self), -EIO);
        break;
    case ACT_LEAVE_AND_COME:
    case ACT_LEAVE:
        puppet_unsubscribe(self, scene->channel, 1);
        if (scene->act == ACT_LEAVE_AND_COME) {
            puppet_subscribe(self, scene->channel, 2);
        }
        break;
    case ACT_PUBLISH:
        puppet_publish(self, scene->channel, 2, 7);
        break;
    case ACT_COME_TWICE:
        puppet_subscribe(self, scene->channel, 2);
        break;
    case ACT_EVICT_NEXT:
        puppet_unsubscribe(self, scene->channel, 1)->subscriber = next->ref;
        break;
    case ACT_EVICT_LAST:
        puppet_unsubscribe(self, scene->channel, 1)->subscriber = scene->actors[7].ref;
        break;
    case ACT_STOP_NEXT:
        leat_output_stop_other(puppet_put(self), next->ref);
        break;
    default:
        leat_channel_close(scene->channel);
        if (scene->act == ACT_CLOSE_AND_COME) {
            CHECK_EQ(leat_channel_open("fanout/scene", &scene->again), 0);
            puppet_subscribe(self, scene->again, 3);
        }
    }
}

static void play(struct scene *scene)
{
    struct rig rig;
    struct leat_config config = rig_config();
    bool closes = scene->act == ACT_CLOSE || scene->act == ACT_CLOSE_AND_COME;
    scene->channel = channel_of("fanout/scene");
    rig_open(&rig, &config);
    scene->controller = rig.controller;
    for (size_t i = 0; i < 8; i++) {
        scene->actors[i] = (struct puppet){.on_event = act, .context = scene};
        rig_listeners(&rig, &scene->actors[i], 1, &puppet_behavior, 1, scene->channel);
    }
    leat_slice body = body_of(200);
    CHECK_EQ(leat_publish_body(rig.controller, scene->channel, 1, leat_slice_ref(body)), 0);
    rig_run(&rig, 0);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    uint64_t value = 3;
    CHECK_EQ(leat_publish(rig.controller, scene->channel, 3, &value, sizeof(value)), 0);
    rig_run(&rig, 0);
    size_t me = scene->actor, next = (me + 1) % 8;
    for (size_t i = 0; i < 8; i++) {
        size_t of[4] = {0};
        for (size_t k = 0; k < scene->actors[i].seen_len; k++) {
            const struct leat_event *event = &scene->actors[i].seen[k];
            if (event->kind == LEAT_EVENT_PUBLISHED) {
                of[event->type & 3]++;
            }
        }
        size_t evicted = scene->act == ACT_EVICT_NEXT ? next : scene->act == ACT_EVICT_LAST ? 7 : 8;
        bool went = (scene->act == ACT_STOP || scene->act == ACT_FAIL || scene->act == ACT_LEAVE) &&
                    i == me;
        bool stopped = scene->act == ACT_STOP_NEXT && i == next;
        bool was_evicted = i == evicted; /* before its turn, or after it */
        bool is_late = scene->act == ACT_CLOSE_AND_COME && i > me;
        CHECK_EQ(of[1], !((was_evicted || stopped) && i > me) && !is_late);
        CHECK_EQ(of[2], scene->act == ACT_PUBLISH);
        CHECK_EQ(of[3], !went && !was_evicted && !stopped && !closes);
    }
    struct leat_channel_stats stats = rig_channel(&rig, closes ? scene->again : scene->channel);
    if (scene->act == ACT_CLOSE_AND_COME) {
        CHECK_EQ(stats.subscribers, 1);
        CHECK_EQ(stats.delivered, 0);
        CHECK_EQ(puppet_nth(&scene->actors[me], LEAT_EVENT_SUBSCRIBED, 1).status, 0);
        CHECK_EQ(leat_publish(rig.controller, scene->again, 3, NULL, 0), 0);
        rig_run(&rig, 0);
        CHECK_EQ(puppet_count(&scene->actors[me], LEAT_EVENT_PUBLISHED), 2);
    } else if (!closes) {
        bool is_fewer = scene->act <= ACT_LEAVE || scene->act == ACT_EVICT_NEXT ||
                        scene->act == ACT_EVICT_LAST || scene->act == ACT_STOP_NEXT;
        CHECK_EQ(stats.subscribers, is_fewer ? 7 : 8);
    }
    rig_close(&rig);
    for (size_t i = 0; i < 8; i++) {
        scene->actors[i].violations = 0;
        puppet_free(&scene->actors[i]);
    }
    leat_channel_close(closes ? scene->again : scene->channel);
}

TEST(fanout, what_a_subscriber_does_in_a_walk_changes_only_that)
{
    static struct scene scene;
    for (int what = 0; what < ACTS; what++) {
        for (size_t who = 0; who < 8; who++) {
            scene = (struct scene){.actor = who, .act = what};
            play(&scene);
        }
    }
}
