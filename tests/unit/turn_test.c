/* One actor's turn: the drain rule, the order of inputs and outputs, refusals in the middle of a
 * drain, bodies, dead letters and deadlines. One worker in simulation. */
#include "helpers.h"

#define TURN 64u /* inputs of one turn, and outputs before a drain gives way */

static const struct leat_behavior box_of_2 = PUPPET_BEHAVIOR("box_of_2", 2);
static const struct leat_behavior box_of_4 = PUPPET_BEHAVIOR("box_of_4", 4);
static const struct leat_behavior box_of_1 = PUPPET_BEHAVIOR("box_of_1", 1);

/* ---- the drain rule ---- */

/* Answers every message with as many messages to `context` as its payload says. */
static void answer_so_many(struct puppet *self, const struct leat_event *event)
{
    const struct puppet *to = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && event->type != POKE) {
        for (uint64_t i = 0; i < event_value(event); i++) {
            puppet_send(self, to->ref, event->type, i);
        }
    }
}

TEST(turn, no_input_while_outputs_are_left)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet sink = {0}, actor = {.on_event = answer_so_many, .context = &sink};
    rig_open(&rig, &config);
    rig_spawn(&rig, &sink);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    static const uint64_t counts[] = {3, 0, 1, 200, 0, 65, 64, 63};
    uint64_t all = 0;
    for (uint32_t i = 0; i < 8; i++) {
        leat_send(rig.controller, actor.ref, i, &counts[i], sizeof(counts[i]));
        all += counts[i];
    }
    rig_run(&rig, 0);
    CHECK_EQ(actor.seen_len, 8);
    CHECK_EQ(actor.popped, all);
    CHECK_EQ(sink.seen_len, all);
    size_t at = 0;
    for (uint32_t i = 0; i < 8; i++) { /* all outputs of one input before those of the next */
        for (uint64_t k = 0; k < counts[i]; k++, at++) {
            CHECK_EQ(sink.seen[at].type, i);
            CHECK_EQ(event_value(&sink.seen[at]), k);
        }
    }
    rig_close(&rig);
    puppet_free(&actor); /* checks that it never was given an input too early */
    puppet_free(&sink);
}

/* Remembers how far the puppet in `context` had drained at each input. */
struct watcher {
    const struct puppet *watched;
    size_t popped[512];
    size_t len;
};

static void note_popped(struct puppet *self, const struct leat_event *event)
{
    struct watcher *watcher = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        watcher->popped[watcher->len++] = watcher->watched->popped;
    }
}

TEST(turn, a_drain_gives_way_after_64_outputs)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    struct watcher watcher = {.watched = &actor};
    struct puppet sink = {.on_event = note_popped, .context = &watcher};
    rig_open(&rig, &config);
    rig_spawn(&rig, &sink);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 200; i++) {
        puppet_send(&actor, sink.ref, 1, i);
    }
    unsigned asked = actor.asked;
    rig_poke(&rig, &actor);
    CHECK_EQ(watcher.len, 200);
    for (size_t i = 0; i < watcher.len; i++) { /* the sink had its turn in each pause */
        size_t paused_at = (i / TURN + 1) * TURN;
        CHECK_EQ(watcher.popped[i], paused_at < 200 ? paused_at : 200);
        CHECK_EQ(event_value(&sink.seen[i]), i);
    }
    CHECK_EQ(actor.asked, asked + 1); /* deadline(): when the drain ends, not at a pause */
    CHECK_EQ(rig_stats(&rig).pauses, 3);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&sink);
}

TEST(turn, exactly_64_outputs)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet sink = {0}, actor = {.on_event = answer_so_many, .context = &sink};
    rig_open(&rig, &config);
    rig_spawn(&rig, &sink);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (uint64_t n = 63; n <= 65; n++) {
        leat_send(rig.controller, actor.ref, 1, &n, sizeof(n));
        rig_run(&rig, 0);
    }
    CHECK_EQ(sink.seen_len, 63 + 64 + 65);
    CHECK_EQ(actor.seen_len, 3);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&sink);
}

/* ---- turns ---- */

struct tape {
    const struct puppet *who[512];
    size_t len;
};

static void note_who(struct puppet *self, const struct leat_event *event)
{
    struct tape *tape = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        tape->who[tape->len++] = self;
    }
}

TEST(turn, a_turn_is_64_messages)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct tape tape = {.len = 0};
    struct puppet a = {.on_event = note_who, .context = &tape};
    struct puppet b = {.on_event = note_who, .context = &tape};
    rig_open(&rig, &config);
    rig_spawn(&rig, &a);
    rig_spawn(&rig, &b);
    rig_run(&rig, 0);
    for (int i = 0; i < 150; i++) {
        leat_send(rig.controller, a.ref, 1, NULL, 0);
        leat_send(rig.controller, b.ref, 1, NULL, 0);
    }
    rig_run(&rig, 0);
    CHECK_EQ(tape.len, 300);
    static const size_t ends[] = {64, 128, 192, 256, 278, 300}; /* of runs of one actor's inputs */
    for (size_t i = 0, run = 0; i < tape.len; i++) {
        run += i == ends[run];
        CHECK(tape.who[i] == tape.who[run % 2 == 0 ? 0 : 64]);
    }
    CHECK(tape.who[0] != tape.who[64]);
    rig_close(&rig);
    puppet_free(&a);
    puppet_free(&b);
}

static void count_down_to_oneself(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == 1 && event_value(event) > 0) {
        puppet_send(self, self->ref, 1, event_value(event) - 1);
    }
}

TEST(turn, messages_to_oneself)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {.on_event = count_down_to_oneself};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    puppet_send(&actor, actor.ref, 1, 3000);
    rig_poke(&rig, &actor);
    CHECK_EQ(actor.seen_len, 1 + 3001);
    for (size_t i = 1; i < actor.seen_len; i++) {
        CHECK_EQ(event_value(&actor.seen[i]), 3001 - i);
        CHECK(leat_ref_equal(actor.seen[i].from, actor.ref));
    }
    for (uint64_t i = 0; i < 10; i++) { /* several at once keep their order */
        puppet_send(&actor, actor.ref, 2, i);
    }
    size_t before = actor.seen_len + 1;
    rig_poke(&rig, &actor);
    CHECK_EQ(actor.seen_len, before + 10);
    for (size_t i = 0; i < 10; i++) {
        CHECK_EQ(event_value(&actor.seen[before + i]), i);
    }
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(turn, fifo_per_sender)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet sink = {0}, senders[5] = {{0}};
    config.mailbox_len_max = 4096;
    rig_open(&rig, &config);
    rig_spawn(&rig, &sink);
    for (size_t i = 0; i < 5; i++) {
        rig_spawn(&rig, &senders[i]);
    }
    rig_run(&rig, 0);
    for (size_t i = 0; i < 5; i++) {
        for (uint64_t k = 0; k < 300; k++) {
            puppet_send(&senders[i], sink.ref, (uint32_t)i, k);
        }
        leat_send(rig.controller, senders[i].ref, POKE, NULL, 0);
    }
    for (uint64_t k = 0; k < 300; k++) {
        leat_send(rig.controller, sink.ref, 5, &k, sizeof(k));
    }
    rig_run(&rig, 0);
    CHECK_EQ(sink.seen_len, 6 * 300);
    uint64_t next[6] = {0};
    for (size_t i = 0; i < sink.seen_len; i++) {
        CHECK_EQ(event_value(&sink.seen[i]), next[sink.seen[i].type]++);
    }
    rig_close(&rig);
    for (size_t i = 0; i < 5; i++) {
        puppet_free(&senders[i]);
    }
    puppet_free(&sink);
}

/* ---- refusals, bodies, dead letters ---- */

static leat_slice body_of(uint64_t value)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(sizeof(value), &body), 0);
    memcpy(leat_slice_data(body), &value, sizeof(value));
    return body;
}

static uint64_t body_value(leat_slice body)
{
    uint64_t value = UINT64_MAX;
    if (body.len == sizeof(value)) {
        memcpy(&value, leat_slice_data(body), sizeof(value));
    }
    return value;
}

static void check_body_refused(struct puppet *self, struct leat_output *output, int status)
{
    uint64_t *next = self->context;
    CHECK_EQ(status, -EAGAIN);
    CHECK_EQ(output->kind, LEAT_OUTPUT_SEND);
    CHECK_EQ(output->len, LEAT_LEN_BODY);
    CHECK_EQ(output->full, LEAT_FULL_REFUSE);
    CHECK_EQ(output->flags, 0);
    CHECK_EQ(output->type, 7);
    CHECK_EQ(body_value(output->body), (*next)++);
    CHECK(leat_buf_is_sole(output->body.buf));
    leat_buf_unref(output->body.buf);
}

TEST(turn, a_full_box_hands_the_output_back_in_the_middle_of_the_drain)
{
    struct rig rig;
    struct leat_config config = rig_config();
    uint64_t next = 2;
    struct puppet sink = {0}, actor = {.on_refused = check_body_refused, .context = &next};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &sink, &box_of_2, 0);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 5; i++) {
        leat_output_send_body(puppet_put(&actor), sink.ref, 7, body_of(i));
    }
    rig_poke(&rig, &actor);
    CHECK_EQ(sink.seen_len, 2);
    CHECK_EQ(actor.refusals_len, 3);
    for (size_t i = 0; i < actor.refusals_len; i++) { /* each before the next was popped */
        CHECK_EQ(actor.refusals[i].popped, 3 + i);
        CHECK(leat_ref_equal(actor.refusals[i].output.to, sink.ref));
    }
    CHECK_EQ(next, 5);
    CHECK_EQ(rig_stats(&rig).refused, 3);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&sink);
}

TEST(turn, an_inline_payload_comes_back_whole)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet sink = {0}, actor = {0};
    uint8_t payload[LEAT_INLINE_MAX];
    memset(payload, 0xab, sizeof(payload));
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &sink, &box_of_1, 0);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    leat_output_send(puppet_put(&actor), sink.ref, 8, payload, sizeof(payload));
    payload[0] = 1;
    payload[LEAT_INLINE_MAX - 1] = 2;
    leat_output_send(puppet_put(&actor), sink.ref, 9, payload, sizeof(payload));
    rig_poke(&rig, &actor);
    REQUIRE(actor.refusals_len == 1);
    CHECK_EQ(actor.refusals[0].output.type, 9);
    CHECK_EQ(actor.refusals[0].output.len, sizeof(payload));
    CHECK(memcmp(actor.refusals[0].output.payload, payload, sizeof(payload)) == 0);
    CHECK_EQ(sink.seen[0].len, LEAT_INLINE_MAX);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&sink);
}

TEST(turn, oneself_full_is_refused)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &actor, &box_of_4, 0);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 10; i++) {
        puppet_send(&actor, actor.ref, 1, i);
    }
    rig_poke(&rig, &actor);
    CHECK_EQ(actor.seen_len, 1 + 4);
    CHECK_EQ(actor.refusals_len, 6);
    rig_close(&rig);
    puppet_free(&actor);
}

/* Without on_refused the runtime frees the body: rig_close would find it missing. */
struct mute {
    struct puppet *puppet;
};

static const struct leat_behavior mute_behavior = {
    .name = "mute",
    .state_size = sizeof(struct mute),
    .init = puppet_init,
    .on_event = puppet_on_event,
    .pop_output = puppet_pop_output,
};

TEST(turn, a_refused_body_is_freed_where_nobody_wants_it)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet sink = {0}, actor = {0};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &sink, &box_of_1, 0);
    rig_spawn_as(&rig, &actor, &mute_behavior, 0);
    rig_run(&rig, 0);
    leat_slice body = body_of(1);
    for (uint64_t i = 0; i < 3; i++) {
        leat_output_send_body(puppet_put(&actor), sink.ref, 7, leat_slice_ref(body));
    }
    rig_poke(&rig, &actor);
    CHECK_EQ(actor.refusals_len, 0);
    CHECK_EQ(rig_stats(&rig).refused, 2);
    CHECK(leat_buf_is_sole(body.buf)); /* given once, freed once */
    leat_buf_unref(body.buf);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&sink);
}

static void keep_body(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE && event->len == LEAT_LEN_BODY) {
        *(leat_slice *)self->context = leat_slice_ref(event->body);
    }
}

TEST(turn, a_body_is_lent_to_the_receiver)
{
    struct rig rig;
    struct leat_config config = rig_config();
    leat_slice kept[3] = {{0}};
    struct puppet actor = {0}, sinks[3];
    rig_open(&rig, &config);
    for (size_t i = 0; i < 3; i++) {
        sinks[i] = (struct puppet){.on_event = keep_body, .context = &kept[i]};
        rig_spawn(&rig, &sinks[i]);
    }
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    leat_slice body = body_of(4711);
    for (size_t i = 0; i < 3; i++) { /* one body, three receivers, no copy */
        leat_output_send_body(puppet_put(&actor), sinks[i].ref, 1,
                              i < 2 ? leat_slice_ref(body) : body);
    }
    rig_poke(&rig, &actor);
    for (size_t i = 0; i < 3; i++) {
        CHECK(kept[i].buf == body.buf);
        CHECK_EQ(body_value(kept[i]), 4711);
        CHECK_EQ(leat_buf_is_sole(kept[i].buf), i == 2);
        leat_buf_unref(kept[i].buf);
    }
    rig_close(&rig);
    puppet_free(&actor);
    for (size_t i = 0; i < 3; i++) {
        puppet_free(&sinks[i]);
    }
}

TEST(turn, a_send_to_the_dead_is_a_dead_letter)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet dead = {0}, actor = {0};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &dead);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    CHECK_EQ(leat_stop(rig.controller, ref), 0);
    rig_run(&rig, 0);
    CHECK_EQ(dead.finis, 1);
    leat_slice body = body_of(1);
    leat_output_send_body(puppet_put(&actor), ref, 1, leat_slice_ref(body));
    puppet_send(&actor, ref, 1, 2)->full = LEAT_FULL_WAIT;
    puppet_send(&actor, LEAT_REF_NONE, 1, 3);
    puppet_send(&actor, (leat_ref){.id = UINT64_MAX}, 1, 4);
    rig_poke(&rig, &actor);
    CHECK_EQ(actor.popped, 4);
    CHECK_EQ(actor.refusals_len, 0);
    CHECK_EQ(rig_stats(&rig).dead_letters, 4);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&dead);
}

TEST(turn, an_unknown_output_is_refused)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    leat_output_clear(puppet_put(&actor), (enum leat_output_kind)99);
    rig_poke(&rig, &actor);
    REQUIRE(actor.refusals_len == 1);
    CHECK_EQ(actor.refusals[0].status, -EINVAL);
    CHECK(lines_have(&rig.lines, "unknown output kind 99"));
    rig_close(&rig);
    puppet_free(&actor);
}

/* ---- deadlines ---- */

TEST(turn, a_deadline_fires_when_it_is_due)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {.deadline = 5 * LEAT_MS};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 4 * LEAT_MS);
    CHECK_EQ(actor.seen_len, 0);
    actor.deadline = 0; /* what it answers from then on */
    rig_run(&rig, 10 * LEAT_MS);
    REQUIRE(actor.seen_len == 1);
    CHECK_EQ(actor.seen[0].kind, LEAT_EVENT_DEADLINE);
    CHECK_EQ(actor.seen[0].now, 5 * LEAT_MS);
    CHECK_EQ(rig_stats(&rig).deadlines, 1);
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(turn, a_deadline_can_be_moved)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet later = {.deadline = 5 * LEAT_MS}, earlier = {.deadline = 20 * LEAT_MS};
    struct puppet never = {.deadline = 5 * LEAT_MS};
    rig_open(&rig, &config);
    rig_spawn(&rig, &later);
    rig_spawn(&rig, &earlier);
    rig_spawn(&rig, &never);
    rig_run(&rig, LEAT_MS);
    later.deadline = 20 * LEAT_MS;
    earlier.deadline = 3 * LEAT_MS;
    never.deadline = 0;
    rig_poke(&rig, &later);
    rig_poke(&rig, &earlier);
    rig_poke(&rig, &never);
    rig_run(&rig, LEAT_MS);
    earlier.deadline = 0;
    rig_run(&rig, 17 * LEAT_MS);
    CHECK_EQ(puppet_count(&later, LEAT_EVENT_DEADLINE), 0);
    later.deadline = 0;
    rig_run(&rig, 20 * LEAT_MS);
    CHECK_EQ(puppet_count(&later, LEAT_EVENT_DEADLINE), 1);
    CHECK_EQ(puppet_nth(&later, LEAT_EVENT_DEADLINE, 0).now, 20 * LEAT_MS);
    CHECK_EQ(puppet_count(&earlier, LEAT_EVENT_DEADLINE), 1);
    CHECK_EQ(puppet_nth(&earlier, LEAT_EVENT_DEADLINE, 0).now, 3 * LEAT_MS);
    CHECK_EQ(puppet_count(&never, LEAT_EVENT_DEADLINE), 0);
    rig_close(&rig);
    puppet_free(&later);
    puppet_free(&earlier);
    puppet_free(&never);
}

static void restless(struct puppet *self, const struct leat_event *event)
{
    const struct puppet *sender = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        self->deadline = self->seen_len < 5000 ? 1 : 0; /* 1 ns: always in the past */
    }
    if (event->kind == LEAT_EVENT_DEADLINE && sender->seen_len > 20000) {
        self->deadline = 0; /* something is wrong: end it */
    }
}

static void ping_both(struct puppet *self, const struct leat_event *event)
{
    const struct puppet *other = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && self->seen_len <= 5000) {
        puppet_send(self, other->ref, 1, self->seen_len);
        puppet_send(self, self->ref, 1, 0);
    }
}

TEST(turn, a_deadline_in_the_past_does_not_starve_the_box)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet sender = {.on_event = ping_both};
    struct puppet actor = {.on_event = restless, .context = &sender};
    sender.context = &actor;
    rig_open(&rig, &config);
    rig_spawn(&rig, &sender);
    rig_spawn(&rig, &actor);
    rig_run(&rig, LEAT_MS);
    rig_poke(&rig, &sender);
    size_t ticks = puppet_count(&actor, LEAT_EVENT_DEADLINE);
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_MESSAGE), 5000);
    CHECK(ticks > 1);
    CHECK(ticks <= rig_stats(&rig).loops); /* one input at most in each turn of the loop */
    rig_close(&rig);
    puppet_free(&sender);
    puppet_free(&actor);
}

static void wait_for_the_other(struct puppet *self, const struct leat_event *event)
{
    const struct puppet *other = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && self->seen_len == 1) {
        puppet_send(self, other->ref, 1, 1)->full = LEAT_FULL_WAIT;
        puppet_send(self, other->ref, 1, 2)->full = LEAT_FULL_WAIT;
    }
}

/* Two actors wait for room in each other's box for 100 ms. A deadline that comes meanwhile is
 * overtaken by what deadline() says when the drain ends. */
TEST(turn, no_deadline_fires_early_after_a_parked_drain)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet a = {.on_event = wait_for_the_other, .deadline = 50 * LEAT_MS};
    struct puppet b = {.on_event = wait_for_the_other, .context = &a};
    a.context = &b;
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &a, &box_of_1, 0);
    rig_spawn_as(&rig, &b, &box_of_1, 0);
    rig_run(&rig, 0);
    rig_poke(&rig, &a);
    rig_run(&rig, 60 * LEAT_MS); /* its time has come, but its drain is open */
    CHECK_EQ(rig_stats(&rig).parks, 2);
    CHECK_EQ(puppet_count(&a, LEAT_EVENT_DEADLINE), 0);
    a.deadline = 300 * LEAT_MS;
    rig_run(&rig, 200 * LEAT_MS);
    CHECK_EQ(puppet_count(&a, LEAT_EVENT_DEADLINE), 0);
    rig_run(&rig, 39 * LEAT_MS);
    a.deadline = 0;
    rig_run(&rig, 100 * LEAT_MS);
    CHECK_EQ(puppet_count(&a, LEAT_EVENT_DEADLINE), 1);
    CHECK_EQ(puppet_nth(&a, LEAT_EVENT_DEADLINE, 0).now, 300 * LEAT_MS);
    rig_close(&rig);
    puppet_free(&a);
    puppet_free(&b);
}

TEST(turn, an_actor_without_outputs_and_deadline)
{
    static const struct leat_behavior plain = {.name = "plain",
                                               .state_size = sizeof(struct puppet *),
                                               .init = puppet_init,
                                               .on_event = puppet_on_event};
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn_as(&rig, &actor, &plain, 0);
    rig_run(&rig, 0);
    for (int i = 0; i < 100; i++) {
        leat_send(rig.controller, ref, 1, NULL, 0);
    }
    rig_run(&rig, 0);
    CHECK_EQ(actor.seen_len, 100);
    leat_stop(rig.controller, ref);
    rig_run(&rig, 0);
    rig_close(&rig);
    actor.violations = 0; /* of what it is not asked, the puppet knows nothing */
    puppet_free(&actor);
}

/* ---- figures ---- */

TEST(turn, counts_what_was_given_and_popped)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet sink = {0}, actor = {.deadline = LEAT_MS};
    struct leat_behavior_stats behaviors[4] = {{0}};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &sink, &box_of_4, 0);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    actor.deadline = 0;
    rig_run(&rig, LEAT_MS); /* 1 input */
    for (uint64_t i = 0; i < 6; i++) {
        puppet_send(&actor, sink.ref, 1, i); /* 2 are refused */
    }
    leat_output_monitor(puppet_put(&actor), LEAT_REF_NONE, 0); /* 1 input: DOWN */
    rig_poke(&rig, &actor);                                    /* 1 input */
    struct leat_worker_stats stats;
    leat_stats_workers(rig.runtime, &stats, 1);
    CHECK_EQ(stats.sent, 6);
    CHECK_EQ(stats.delivered, 5); /* the poke too */
    CHECK_EQ(stats.outputs, 7);
    CHECK_EQ(stats.inputs, actor.seen_len + sink.seen_len);
    CHECK_EQ(stats.deadlines, 1);
    CHECK_EQ(leat_stats_behaviors(rig.runtime, behaviors, 4), 2);
    for (size_t i = 0; i < 2; i++) {
        bool is_sink = strcmp(behaviors[i].name, "box_of_4") == 0;
        CHECK_EQ(behaviors[i].inputs, is_sink ? sink.seen_len : actor.seen_len);
        CHECK_EQ(behaviors[i].actors, 1);
    }
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&sink);
}
