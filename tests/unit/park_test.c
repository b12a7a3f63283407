/* Waiting for room in a full box: who is let in, in which order, and each way a wait can end. In
 * simulation, where a box stays full because its owner waits too; and once with threads. */
#include "helpers.h"
#include "sched.h"

static const struct leat_behavior box_of_1 = PUPPET_BEHAVIOR("box_of_1", 1);
static const struct leat_behavior box_of_8 = PUPPET_BEHAVIOR("box_of_8", 8);

static leat_slice body_of(uint64_t value)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(sizeof(value), &body), 0);
    memcpy(leat_slice_data(body), &value, sizeof(value));
    return body;
}

static struct leat_output *put_wait(struct puppet *puppet, leat_ref to, uint64_t value)
{
    struct leat_output *out = puppet_send(puppet, to, 1, value);
    out->full = LEAT_FULL_WAIT;
    return out;
}

/* A receiver whose box is full and stays so for the time of two waits: its own drain waits for the
 * box of another, which waits for it. */
struct jam {
    struct rig rig;
    struct puppet receiver; /* its box, of `len`, is full */
    struct puppet other;
    uint64_t len;
};

static void jam_open(struct jam *jam, const struct leat_config *config,
                     const struct leat_behavior *behavior)
{
    memset(jam, 0, sizeof(*jam));
    jam->len = behavior->mailbox_len_max;
    rig_open(&jam->rig, config);
    rig_spawn_as(&jam->rig, &jam->receiver, behavior, 0);
    rig_spawn_as(&jam->rig, &jam->other, &box_of_1, 0);
    rig_run(&jam->rig, 0);
    put_wait(&jam->receiver, jam->other.ref, 100);
    put_wait(&jam->receiver, jam->other.ref, 101);
    for (uint64_t i = 0; i < jam->len + 1; i++) {
        put_wait(&jam->other, jam->receiver.ref, 200 + i);
    }
    rig_poke(&jam->rig, &jam->receiver);
    CHECK_EQ(rig_stats(&jam->rig).parks, 2); /* both wait */
}

static void jam_close(struct jam *jam)
{
    rig_close(&jam->rig);
    puppet_free(&jam->receiver);
    puppet_free(&jam->other);
}

/* ---- cut, not deadlocked ---- */

TEST(park, two_that_wait_for_each_other_are_cut)
{
    struct jam jam;
    struct leat_config config = rig_config();
    jam_open(&jam, &config, &box_of_1);
    rig_run(&jam.rig, 99 * LEAT_MS);
    CHECK_EQ(jam.receiver.refusals_len + jam.other.refusals_len, 0);
    rig_run(&jam.rig, LEAT_MS);
    CHECK_EQ(jam.receiver.refusals_len, 1); /* the one that waited first; that cuts the ring */
    CHECK(jam.other.refusals_len <= 1);
    REQUIRE(jam.receiver.refusals_len == 1);
    CHECK_EQ(jam.receiver.refusals[0].status, -ETIMEDOUT);
    CHECK_EQ(jam.receiver.refusals[0].output.full, LEAT_FULL_WAIT);
    uint64_t value;
    memcpy(&value, jam.receiver.refusals[0].output.payload, sizeof(value));
    CHECK_EQ(value, 101);
    rig_run(&jam.rig, LEAT_SEC);
    CHECK_EQ(jam.receiver.popped, 2);
    CHECK_EQ(jam.other.popped, 2);
    jam_close(&jam);
}

static void fill_the_next(struct puppet *self, const struct leat_event *event)
{
    const struct puppet *next = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && self->outputs_len < 6) {
        for (uint64_t i = 0; i < 3; i++) {
            put_wait(self, next->ref, i);
        }
    }
}

TEST(park, a_ring_of_full_boxes_is_cut)
{
    enum { RING = 7 };
    struct rig rig;
    struct puppet ring[RING];
    struct leat_config config = rig_config();
    config.send_wait_ns = 30 * LEAT_MS;
    rig_open(&rig, &config);
    for (size_t i = 0; i < RING; i++) {
        ring[i] = (struct puppet){.on_event = fill_the_next, .context = &ring[(i + 1) % RING]};
        rig_spawn_as(&rig, &ring[i], &box_of_1, 0);
    }
    rig_run(&rig, 0);
    for (size_t i = 0; i < RING; i++) {
        leat_send(rig.controller, ring[i].ref, 1, NULL, 0);
    }
    rig_run(&rig, 0);
    CHECK_EQ(rig_stats(&rig).parks, RING);
    rig_run(&rig, 20 * LEAT_SEC);
    for (size_t i = 0; i < RING; i++) { /* each has done all it wanted */
        CHECK_EQ(ring[i].popped, ring[i].outputs_len);
        CHECK(ring[i].seen_len >= 2);
    }
    rig_close(&rig);
    for (size_t i = 0; i < RING; i++) {
        puppet_free(&ring[i]);
    }
}

/* ---- who is let in ---- */

struct resumed {
    struct puppet *senders;
    size_t popped_at[64]; /* outputs the waiting senders had popped, at each input */
    size_t len;
};

static void note_resumed(struct puppet *self, const struct leat_event *event)
{
    struct resumed *resumed = self->context;
    size_t popped = 0;
    for (size_t i = 0; i < 12; i++) {
        popped += resumed->senders[i].popped;
    }
    if (event->kind == LEAT_EVENT_MESSAGE) {
        resumed->popped_at[resumed->len++] = popped;
    }
}

TEST(park, waiters_come_in_oldest_first_when_the_box_is_half_empty)
{
    struct jam jam;
    struct leat_config config = rig_config();
    struct puppet senders[12] = {{0}};
    struct resumed resumed = {.senders = senders};
    config.send_wait_ns = LEAT_SEC;
    jam_open(&jam, &config, &box_of_8);
    for (size_t i = 0; i < 12; i++) {
        rig_spawn(&jam.rig, &senders[i]);
        rig_run(&jam.rig, 10 * LEAT_MS);
        put_wait(&senders[i], jam.receiver.ref, i);
        rig_poke(&jam.rig, &senders[i]); /* in this order */
        CHECK_EQ(senders[i].is_open, true);
    }
    CHECK_EQ(rig_stats(&jam.rig).parks, 2 + 12);
    jam.receiver.on_event = note_resumed;
    jam.receiver.context = &resumed;
    size_t before = jam.receiver.seen_len;
    leat_kill(jam.rig.controller, jam.other.ref); /* so the receiver goes on */
    rig_run(&jam.rig, 0);
    /* Its box held 8 from `other`, who waited first and is dead; then come the 12. */
    CHECK_EQ(jam.receiver.seen_len - before, 8 + 12);
    for (size_t i = 0; i < 12; i++) {
        CHECK_EQ(event_value(&jam.receiver.seen[before + 8 + i]), i);
        CHECK(leat_ref_equal(jam.receiver.seen[before + 8 + i].from, senders[i].ref));
        CHECK_EQ(senders[i].refusals_len, 0);
        CHECK_EQ(senders[i].is_open, false);
    }
    jam_close(&jam);
    for (size_t i = 0; i < 12; i++) {
        puppet_free(&senders[i]);
    }
}

/* What is left in the box at each input. */
struct depth {
    struct rig *rig;
    uint32_t len[64];
    size_t n;
};

static void note_depth(struct puppet *self, const struct leat_event *event)
{
    struct depth *depth = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && depth->n < 64) {
        depth->len[depth->n++] = registry_cell(&depth->rig->runtime->registry, self->ref)->box.len;
    }
}

TEST(park, only_as_many_as_there_is_room_for)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet senders[60] = {{0}};
    struct depth depth = {.rig = &rig};
    struct puppet receiver = {.on_event = note_depth, .context = &depth};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &receiver, &box_of_8, 0);
    for (size_t i = 0; i < 60; i++) {
        rig_spawn(&rig, &senders[i]);
    }
    rig_run(&rig, 0);
    for (size_t i = 0; i < 60; i++) {
        put_wait(&senders[i], receiver.ref, i);
        leat_send(rig.controller, senders[i].ref, POKE, NULL, 0);
    }
    rig_run(&rig, 0);
    CHECK_EQ(receiver.seen_len, 60);
    for (size_t i = 0; i < 60; i++) { /* half empty: 4; then filled up: 8, less the one given */
        CHECK_EQ(depth.len[i], i < 56 ? 7 - i % 4 : 59 - i);
    }
    CHECK_EQ(rig_stats(&rig).parks, 52);
    CHECK_EQ(rig_stats(&rig).refused, 0);
    rig_close(&rig);
    for (size_t i = 0; i < 60; i++) {
        puppet_free(&senders[i]);
    }
    puppet_free(&receiver);
}

/* A sender whose every output may wait: nothing is lost, nothing is refused, the order holds. */
TEST(park, a_long_drain_through_a_small_box)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet receiver = {0}, sender = {0};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &receiver, &box_of_1, 0);
    rig_spawn(&rig, &sender);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 500; i++) {
        put_wait(&sender, receiver.ref, i);
    }
    unsigned asked = sender.asked;
    rig_poke(&rig, &sender);
    CHECK_EQ(receiver.seen_len, 500);
    for (size_t i = 0; i < receiver.seen_len; i++) {
        CHECK_EQ(event_value(&receiver.seen[i]), i);
    }
    CHECK_EQ(sender.refusals_len, 0);
    CHECK_EQ(sender.asked, asked + 1);
    rig_close(&rig);
    puppet_free(&receiver);
    puppet_free(&sender);
}

/* ---- refused instead of parked ---- */

TEST(park, a_send_to_oneself_is_refused_at_once)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &actor, &box_of_1, 0);
    rig_run(&rig, 0);
    put_wait(&actor, actor.ref, 1);
    put_wait(&actor, actor.ref, 2);
    rig_poke(&rig, &actor);
    REQUIRE(actor.refusals_len == 1);
    CHECK_EQ(actor.refusals[0].status, -EAGAIN);
    CHECK_EQ(actor.refusals[0].output.full, LEAT_FULL_WAIT);
    CHECK_EQ(rig_stats(&rig).parks, 0);
    CHECK_EQ(actor.seen_len, 2);
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(park, a_send_to_a_controller_is_refused_at_once)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    config.mailbox_len_max = 4;
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 6; i++) {
        put_wait(&actor, leat_controller_ref(rig.controller), i);
    }
    rig_poke(&rig, &actor);
    CHECK_EQ(rig.got_len, 4);
    CHECK_EQ(actor.refusals_len, 2);
    for (size_t i = 0; i < actor.refusals_len; i++) {
        CHECK_EQ(actor.refusals[i].status, -EAGAIN);
    }
    CHECK_EQ(rig_stats(&rig).parks, 0);
    rig_close(&rig);
    puppet_free(&actor);
}

/* ---- somebody ends ---- */

TEST(park, when_the_receiver_dies_it_is_a_dead_letter)
{
    struct jam jam;
    struct leat_config config = rig_config();
    struct puppet senders[3] = {{0}};
    leat_slice body = body_of(1);
    jam_open(&jam, &config, &box_of_1);
    for (size_t i = 0; i < 3; i++) {
        rig_spawn(&jam.rig, &senders[i]);
        rig_run(&jam.rig, 0);
        struct leat_output *out = puppet_put(&senders[i]);
        leat_output_send_body(out, jam.receiver.ref, 1, leat_slice_ref(body));
        out->full = LEAT_FULL_WAIT;
        leat_output_send(puppet_put(&senders[i]), leat_controller_ref(jam.rig.controller), 1, NULL,
                         0); /* goes on after the wait */
        rig_poke(&jam.rig, &senders[i]);
    }
    CHECK_EQ(jam.rig.got_len, 0);
    uint64_t dead_letters = rig_stats(&jam.rig).dead_letters;
    leat_kill(jam.rig.controller, jam.receiver.ref);
    rig_run(&jam.rig, 0);
    CHECK_EQ(jam.rig.got_len, 3);
    /* three bodies, what `other` waited with, and what the box held */
    CHECK_EQ(rig_stats(&jam.rig).dead_letters - dead_letters, 3 + 1 + 1);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(senders[i].refusals_len, 0);
        CHECK_EQ(senders[i].is_open, false);
    }
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    jam_close(&jam);
    for (size_t i = 0; i < 3; i++) {
        puppet_free(&senders[i]);
    }
}

TEST(park, a_sender_may_be_killed_while_it_waits)
{
    struct jam jam;
    struct leat_config config = rig_config();
    struct puppet first = {0}, second = {0};
    leat_slice body = body_of(1);
    config.send_wait_ns = LEAT_SEC;
    jam_open(&jam, &config, &box_of_1);
    rig_spawn(&jam.rig, &first);
    rig_spawn(&jam.rig, &second);
    rig_run(&jam.rig, 0);
    struct leat_output *out = puppet_put(&first);
    leat_output_send_body(out, jam.receiver.ref, 1, leat_slice_ref(body));
    out->full = LEAT_FULL_WAIT;
    put_wait(&first, jam.receiver.ref, 2);
    rig_poke(&jam.rig, &first);
    put_wait(&second, jam.receiver.ref, 3);
    rig_poke(&jam.rig, &second);
    CHECK_EQ(leat_kill(jam.rig.controller, first.ref), 0);
    rig_run(&jam.rig, 0);
    CHECK_EQ(first.finis, 1);
    CHECK_EQ(first.popped, 1); /* what was not popped is never asked for */
    CHECK_EQ(first.refusals_len, 0);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    size_t before = jam.receiver.seen_len;
    leat_kill(jam.rig.controller, jam.other.ref);
    rig_run(&jam.rig, 0);
    CHECK_EQ(jam.receiver.seen_len - before, 1 + 1); /* what the box held; the second sender's */
    CHECK_EQ(event_value(&jam.receiver.seen[before + 1]), 3);
    jam_close(&jam);
    puppet_free(&first);
    puppet_free(&second);
}

TEST(park, an_ordinary_stop_comes_after_the_wait)
{
    struct jam jam;
    struct leat_config config = rig_config();
    struct puppet sender = {0};
    jam_open(&jam, &config, &box_of_1);
    rig_spawn(&jam.rig, &sender);
    rig_run(&jam.rig, 0);
    put_wait(&sender, jam.receiver.ref, 1);
    leat_output_send(puppet_put(&sender), leat_controller_ref(jam.rig.controller), 9, NULL, 0);
    rig_poke(&jam.rig, &sender);
    CHECK_EQ(leat_stop(jam.rig.controller, sender.ref), 0);
    rig_run(&jam.rig, 0);
    CHECK_EQ(sender.finis, 0);
    rig_run(&jam.rig, LEAT_SEC);
    CHECK_EQ(sender.popped, 2);
    CHECK_EQ(sender.finis, 1);
    CHECK_EQ(rig_last(&jam.rig).type, 9);
    jam_close(&jam);
    puppet_free(&sender);
}

TEST(park, shutdown_ends_a_wait_too)
{
    struct jam jam;
    struct leat_config config = rig_config();
    config.send_wait_ns = 1000 * LEAT_SEC;
    jam_open(&jam, &config, &box_of_1);
    leat_time before = leat_controller_now(jam.rig.controller);
    leat_runtime_stop(jam.rig.runtime);
    while (rig_receive(&jam.rig, LEAT_NEVER) == 0) {
    }
    CHECK(leat_controller_now(jam.rig.controller) - before <= 2 * LEAT_SEC); /* shutdown_ns: 1 s */
    CHECK_EQ(jam.receiver.finis, 1);
    CHECK_EQ(jam.other.finis, 1);
    jam_close(&jam);
}

/* ---- across workers ---- */

TEST(park, a_wait_between_workers_ends_in_each_way)
{
    struct jam jam;
    struct leat_config config = rig_config();
    struct puppet in = {0}, cut = {0}, killed = {0}, orphan = {0};
    struct puppet *const senders[] = {&cut, &killed, &orphan, &in};
    config.workers = 3;
    jam_open(&jam, &config, &box_of_1);
    rig_run(&jam.rig, 50 * LEAT_MS); /* the ring's waits end before those of the four */
    for (size_t i = 0; i < 4; i++) {
        rig_spawn_as(&jam.rig, senders[i], &puppet_behavior, i % 2 == 0 ? 1 : 2);
        rig_run(&jam.rig, 0);
    }
    put_wait(&in, jam.receiver.ref, 1);
    rig_poke(&jam.rig, &in);
    put_wait(&killed, jam.receiver.ref, 2);
    put_wait(&killed, jam.receiver.ref, 3);
    rig_poke(&jam.rig, &killed);
    CHECK_EQ(rig_stats(&jam.rig).parks, 2 + 2);
    leat_kill(jam.rig.controller, killed.ref); /* ends when the answer is there, at the latest */
    rig_run(&jam.rig, 0);
    rig_run(&jam.rig, LEAT_SEC);
    CHECK_EQ(killed.finis, 1);
    CHECK_EQ(killed.popped, 1);
    CHECK_EQ(in.refusals_len, 0);
    CHECK_EQ(in.is_open, false);
    CHECK_EQ(event_value(&jam.receiver.seen[jam.receiver.seen_len - 1]), 2);

    /* Full again, and then the receiver is gone. */
    put_wait(&jam.receiver, jam.other.ref, 100);
    put_wait(&jam.receiver, jam.other.ref, 101);
    put_wait(&jam.other, jam.receiver.ref, 200);
    put_wait(&jam.other, jam.receiver.ref, 201);
    rig_poke(&jam.rig, &jam.receiver);
    put_wait(&cut, jam.receiver.ref, 4);
    rig_poke(&jam.rig, &cut);
    CHECK_EQ(cut.is_open, true);
    leat_kill(jam.rig.controller, jam.receiver.ref);
    rig_run(&jam.rig, 0);
    CHECK_EQ(cut.is_open, false);
    CHECK_EQ(cut.refusals_len, 0); /* a dead letter is no refusal */
    put_wait(&orphan, jam.receiver.ref, 5);
    rig_poke(&jam.rig, &orphan);
    CHECK_EQ(orphan.is_open, false);
    jam_close(&jam);
    for (size_t i = 0; i < 4; i++) {
        puppet_free(senders[i]);
    }
}

TEST(park, a_wait_between_workers_is_cut)
{
    struct rig rig;
    struct puppet a = {0}, b = {0};
    struct leat_config config = rig_config();
    config.workers = 2;
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &a, &box_of_1, 0);
    rig_spawn_as(&rig, &b, &box_of_1, 1);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 3; i++) {
        put_wait(&a, b.ref, i);
        put_wait(&b, a.ref, i);
    }
    leat_send(rig.controller, a.ref, POKE, NULL, 0);
    leat_send(rig.controller, b.ref, POKE, NULL, 0);
    rig_run(&rig, 10 * LEAT_SEC);
    CHECK_EQ(a.popped, 3);
    CHECK_EQ(b.popped, 3);
    CHECK_EQ(a.is_open || b.is_open, false);
    for (size_t i = 0; i < a.refusals_len; i++) {
        CHECK_EQ(a.refusals[i].status, -ETIMEDOUT);
    }
    rig_close(&rig);
    puppet_free(&a);
    puppet_free(&b);
}

/* ---- with threads ---- */

TEST(park, many_senders_with_threads)
{
    enum { SENDERS = 8, EACH = 500 };
    struct rig rig;
    struct leat_config config = rig_threads(3);
    struct puppet receiver = {0}, senders[SENDERS] = {{0}};
    config.send_wait_ns = 60 * LEAT_SEC;
    rig_open(&rig, &config);
    leat_ref to = rig_spawn_as(&rig, &receiver, &box_of_8, 0);
    CHECK_EQ(leat_monitor(rig.controller, to, SENDERS), 0);
    for (size_t i = 0; i < SENDERS; i++) {
        for (uint64_t k = 0; k < EACH; k++) {
            put_wait(&senders[i], to, k)->type = (uint32_t)i;
        }
        leat_output_stop(puppet_put(&senders[i]));
    }
    for (size_t i = 0; i < SENDERS; i++) {
        leat_ref ref = rig_spawn_as(&rig, &senders[i], &puppet_behavior, (int)(i % 3));
        CHECK_EQ(leat_monitor(rig.controller, ref, i), 0);
    }
    rig_await(&rig, SENDERS);
    CHECK_EQ(leat_stop(rig.controller, to), 0); /* when it has done all that */
    rig_await(&rig, SENDERS + 1);
    rig_close(&rig);
    CHECK_EQ(puppet_count(&receiver, LEAT_EVENT_MESSAGE), SENDERS * EACH);
    uint64_t next[SENDERS] = {0};
    for (size_t i = 0; i < receiver.seen_len; i++) {
        const struct leat_event *event = &receiver.seen[i];
        if (event->kind == LEAT_EVENT_MESSAGE) {
            CHECK_EQ(event_value(event), next[event->type]++);
        }
    }
    for (size_t i = 0; i < SENDERS; i++) {
        CHECK_EQ(senders[i].refusals_len, 0);
        puppet_free(&senders[i]);
    }
    puppet_free(&receiver);
}
