/* Groups: who is given what and in which order, walks and what may happen in one. In simulation, on one or
 * two workers, but for what is about time. */
#include "group_helpers.h"
#include "sched.h"

/* ---- refs ---- */

TEST(group, a_members_ref_holds_slot_index_and_generation)
{
    static const uint32_t values[][3] = {{0, 0, 1},
                                         {GROUPS_MAX, LEAT_GROUP_MEMBERS_MAX - 1, 1},
                                         {0, 0, MEMBER_GENERATION_MAX},
                                         {0x15555, 0xaaaaa, 0x1234567},
                                         {GROUPS_MAX, 0xfffff, MEMBER_GENERATION_MAX}};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        leat_ref ref = member_ref(values[i][0], values[i][1], values[i][2]);
        CHECK(ref_is_member(ref));
        CHECK_EQ(member_slot(ref), values[i][0]);
        CHECK_EQ(member_index(ref), values[i][1]);
        CHECK_EQ(member_generation(ref), values[i][2]);
        CHECK(ref_slot(ref) >= MEMBER_BIT);
    }
}

static void tell_self(struct puppet *self, const struct leat_event *event)
{
    (void)event;
    puppet_send(self, self->ref, 2, 0);
    self->on_event = NULL;
}

TEST(group, a_member_knows_its_group_and_itself)
{
    struct crew crew;
    crew_open(&crew, 2);
    CHECK(!leat_ref_equal(crew.members[0].ref, crew.members[1].ref));
    CHECK_EQ(crew.members[0].inits, 1);
    crew.members[0].on_event = tell_self;
    tell(&crew, crew.members[0].ref, 1);
    rig_run(&crew.rig, 0);
    REQUIRE(crew.members[0].seen_len == 2);
    CHECK(leat_ref_equal(crew.members[0].seen[1].from, crew.members[0].ref));
    crew_close(&crew);
}

/* ---- order ---- */

TEST(group, a_message_to_the_group_is_for_all_one_to_a_member_for_that)
{
    struct crew crew;
    crew_open(&crew, 3);
    struct leat_worker_stats before = rig_stats(&crew.rig);
    tell(&crew, crew.members[1].ref, 1);
    tell(&crew, crew.group, 2);
    tell(&crew, crew.members[2].ref, 3);
    tell(&crew, crew.group, 4);
    rig_run(&crew.rig, 0);
    CHECK_NOTES(&crew, {1, MESSAGE, 1}, {0, MESSAGE, 2}, {1, MESSAGE, 2}, {2, MESSAGE, 2},
                {2, MESSAGE, 3}, {1, MESSAGE, 4}, {2, MESSAGE, 4}, {0, MESSAGE, 4});
    struct leat_worker_stats after = rig_stats(&crew.rig);
    CHECK_EQ(after.delivered - before.delivered, 4); /* an item counts once */
    CHECK_EQ(after.inputs - before.inputs, 8);
    crew_close(&crew);
}

TEST(group, each_walk_starts_with_another_member)
{
    struct crew crew;
    crew_open(&crew, 3);
    for (uint64_t i = 0; i < 5; i++) {
        tell_all(&crew, i);
    }
    REQUIRE(crew.notes_len == 15);
    for (uint32_t i = 0; i < 15; i++) {
        CHECK_EQ(crew.notes[i].member, (i / 3 + i % 3) % 3);
        CHECK_EQ(crew.notes[i].value, i / 3);
    }
    crew_close(&crew);
}

TEST(group, without_members_a_message_is_a_dead_letter)
{
    struct crew crew;
    crew_open(&crew, 0);
    struct leat_worker_stats before = rig_stats(&crew.rig);
    tell_all(&crew, 1);
    CHECK_EQ(rig_stats(&crew.rig).dead_letters - before.dead_letters, 1);
    crew_close(&crew);
}

/* Every length of payload, from another worker too, and bodies: in the item itself, or in an
 * envelope. */
TEST(group, any_payload_reaches_a_member)
{
    struct crew crew;
    struct puppet sender = {0};
    struct leat_config config = rig_config();
    config.workers = 2;
    crew_open_as(&crew, &config, &puppet_behavior, 1);
    crew.members[0].on_event = NULL;
    rig_spawn_as(&crew.rig, &sender, &puppet_behavior, 1);
    rig_run(&crew.rig, 0);
    uint8_t bytes[LEAT_INLINE_MAX];
    memset(bytes, 0x5a, sizeof(bytes));
    for (size_t len = 0; len <= LEAT_INLINE_MAX; len++) {
        leat_output_send(puppet_put(&sender), crew.members[0].ref, 7, bytes, len);
        CHECK_EQ(leat_send(crew.rig.controller, crew.members[0].ref, 7, bytes, len), 0);
    }
    leat_slice body;
    CHECK_EQ(leat_buf_alloc(3000, &body), 0);
    CHECK_EQ(leat_send_body(crew.rig.controller, crew.members[0].ref, 8, body), 0);
    rig_poke(&crew.rig, &sender);
    CHECK_EQ(crew.members[0].seen_len, 2 * (LEAT_INLINE_MAX + 1) + 1);
    for (size_t i = 0; i < crew.members[0].seen_len; i++) {
        const struct leat_event *event = &crew.members[0].seen[i];
        CHECK_EQ(event->kind, LEAT_EVENT_MESSAGE);
        CHECK(event->type == 8 || memcmp(event->payload, bytes, event->len) == 0);
        CHECK(event->from.id == sender.ref.id ||
              event->from.id == leat_controller_ref(crew.rig.controller).id);
    }
    crew_close(&crew);
    puppet_free(&sender);
}

/* ---- what happens in a walk ---- */

/* On the message 1, does what the member's number says. */
static void act_on_1(struct puppet *self, const struct leat_event *event)
{
    struct crew *crew = crew_of(self);
    note(self, event);
    if (event_value(event) != 1 || self != &crew->members[1]) {
        return;
    }
    struct puppet *born = &crew->members[3];
    static struct puppet *arg;
    arg = born;
    for (int i = 0; i < 150; i++) { /* gives way twice */
        puppet_send(self, LEAT_REF_NONE, 0, 0);
    }
    leat_output_spawn_member(puppet_put(self), crew->group, &arg, sizeof(arg), 9);
    leat_output_stop_other(puppet_put(self), crew->members[0].ref); /* after the walk: it is an item */
    leat_kill(crew->rig.controller, crew->members[2].ref);          /* in the walk */
}

TEST(group, members_end_and_come_in_a_walk)
{
    struct crew crew;
    crew_open(&crew, 3);
    crew.members[3].context = &crew;
    crew.members[3].on_event = note;
    for (uint32_t i = 0; i < 3; i++) {
        crew.members[i].on_event = act_on_1;
    }
    tell(&crew, crew.group, 1);
    tell(&crew, crew.group, 2);
    tell(&crew, crew.group, 3);
    rig_run(&crew.rig, 0);
    /* 2 is killed while the drain of 1 has given way; 0 ends and 3 is born after the items before. */
    CHECK_NOTES(&crew, {0, MESSAGE, 1}, {1, MESSAGE, 1}, {1, MESSAGE, 2}, {0, MESSAGE, 2},
                {0, MESSAGE, 3}, {1, MESSAGE, 3}, {1, LEAT_EVENT_SPAWNED, UINT64_MAX});
    CHECK_EQ(crew.members[1].popped, 152);
    CHECK_EQ(crew.members[3].inits, 1);
    CHECK_EQ(crew.members[0].finis, 1);
    CHECK_EQ(crew.members[2].finis, 1);
    crew.notes_len = 0;
    tell_all(&crew, 4);
    CHECK_EQ(crew.notes_len, 2);
    CHECK_EQ(rig_stats(&crew.rig).pauses, 2);
    crew_close(&crew);
}

TEST(group, only_the_member_ends_that_stops_or_fails)
{
    struct crew crew;
    crew_open(&crew, 3);
    crew.members[0].on_event = stop_on_1;
    crew.members[2].on_event = stop_on_1;
    leat_ref stopped = crew.members[0].ref, failed = crew.members[2].ref;
    leat_monitor(crew.rig.controller, stopped, 50);
    leat_monitor(crew.rig.controller, failed, 52);
    leat_monitor(crew.rig.controller, crew.members[1].ref, 51);
    tell(&crew, stopped, 1);
    tell(&crew, stopped, 7); /* a dead letter */
    tell(&crew, failed, 2);
    tell_all(&crew, 3);
    CHECK_NOTES(&crew, {0, MESSAGE, 1}, {2, MESSAGE, 2}, {1, MESSAGE, 3});
    REQUIRE(rig_count(&crew.rig, LEAT_EVENT_DOWN) == 2);
    const struct leat_event *down = &crew.rig.got[crew.rig.got_len - 2];
    CHECK_EQ(down[0].down.cookie, 50);
    CHECK_EQ(down[0].status, 0);
    CHECK(leat_ref_equal(down[0].from, stopped));
    CHECK_EQ(down[1].down.cookie, 52);
    CHECK_EQ(down[1].status, -EIO);
    CHECK(leat_ref_equal(down[1].from, failed));
    CHECK_EQ(rig_stats(&crew.rig).dead_letters, 1);
    CHECK_EQ(rig_stats(&crew.rig).failed, 1);
    CHECK_EQ(rig_stats(&crew.rig).actors, 2); /* the group and one member */
    crew_close(&crew);
}

static void long_drain_on_1(struct puppet *self, const struct leat_event *event)
{
    note(self, event);
    for (int i = 0; i < 200 && event_value(event) == 1; i++) {
        puppet_send(self, LEAT_REF_NONE, 0, 0);
    }
}

static void count_members_seen(struct puppet *self, const struct leat_event *event)
{
    struct puppet *watched = self->context;
    (void)event;
    if (watched->is_open) {
        self->asked += 1000; /* a message for another while the member's drain was open */
    }
}

TEST(group, a_long_drain_in_a_walk_holds_up_the_group_only)
{
    struct crew crew;
    struct puppet other = {.on_event = count_members_seen, .context = &crew.members[1]};
    crew_open(&crew, 3);
    rig_spawn(&crew.rig, &other);
    rig_run(&crew.rig, 0);
    crew.members[1].on_event = long_drain_on_1;
    leat_send(crew.rig.controller, other.ref, 1, NULL, 0); /* the bell's newest come first */
    tell(&crew, crew.group, 1);
    tell(&crew, crew.members[0].ref, 2);
    rig_run(&crew.rig, 0);
    CHECK_NOTES(&crew, {0, MESSAGE, 1}, {1, MESSAGE, 1}, {2, MESSAGE, 1}, {0, MESSAGE, 2});
    CHECK_EQ(crew.members[1].popped, 200);
    CHECK(other.asked >= 1000);
    crew_close(&crew);
    puppet_free(&other);
}

/* ---- waiting and refusal ---- */

/* A receiver with a full box that stays full. */
struct jam {
    struct puppet a, b;
};

static void jam(struct crew *crew, struct jam *jam, int worker)
{
    memset(jam, 0, sizeof(*jam));
    rig_spawn_as(&crew->rig, &jam->a, &box_of_1, worker);
    rig_spawn_as(&crew->rig, &jam->b, &box_of_1, worker);
    rig_run(&crew->rig, 0);
    for (uint64_t i = 0; i < 2; i++) {
        puppet_send(&jam->a, jam->b.ref, 1, 0)->full = LEAT_FULL_WAIT;
        puppet_send(&jam->b, jam->a.ref, 1, 0)->full = LEAT_FULL_WAIT;
    }
    rig_poke(&crew->rig, &jam->a);
    CHECK_EQ(rig_stats(&crew->rig).parks, 2);
}

static void jam_free(struct jam *jam)
{
    puppet_free(&jam->a);
    puppet_free(&jam->b);
}

static leat_ref jammed; /* where wait_on_1 sends to */

static void wait_on_1(struct puppet *self, const struct leat_event *event)
{
    note(self, event);
    if (event_value(event) == 1) {
        puppet_send(self, jammed, 1, 77)->full = LEAT_FULL_WAIT;
        puppet_send(self, LEAT_REF_NONE, 1, 0);
    }
}

static void parked_walk(int worker)
{
    struct crew crew;
    struct jam its;
    struct puppet other = {0};
    struct leat_config config = rig_config();
    config.workers = 2;
    crew_open_as(&crew, &config, &puppet_behavior, 3);
    rig_spawn(&crew.rig, &other);
    jam(&crew, &its, worker);
    jammed = its.a.ref;
    crew.members[1].on_event = wait_on_1;
    tell_all(&crew, 1);
    tell_all(&crew, 2);
    CHECK_NOTES(&crew, {0, MESSAGE, 1}, {1, MESSAGE, 1});
    CHECK_EQ(rig_stats(&crew.rig).parks, 3);
    leat_send(crew.rig.controller, other.ref, 1, NULL, 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(other.seen_len, 1); /* the group waits, nobody else */
    leat_kill(crew.rig.controller, its.b.ref);
    rig_run(&crew.rig, 0);
    CHECK_NOTES(&crew, {0, MESSAGE, 1}, {1, MESSAGE, 1}, {2, MESSAGE, 1}, {1, MESSAGE, 2},
                {2, MESSAGE, 2}, {0, MESSAGE, 2});
    CHECK_EQ(crew.members[1].popped, 2);
    CHECK_EQ(crew.members[1].refusals_len, 0);
    struct leat_event last = its.a.seen[its.a.seen_len - 1];
    CHECK_EQ(event_value(&last), 77);
    CHECK(leat_ref_equal(last.from, crew.members[1].ref));
    crew_close(&crew);
    jam_free(&its);
    puppet_free(&other);
}

TEST(group, a_parked_drain_in_a_walk_holds_up_the_group_only)
{
    parked_walk(0);
    parked_walk(1); /* the note is away with the other worker */
}

static void parked_and_killed(int worker, bool whole)
{
    struct crew crew;
    struct jam its;
    struct leat_config config = rig_config();
    config.workers = 2;
    crew_open_as(&crew, &config, &puppet_behavior, 3);
    jam(&crew, &its, worker);
    jammed = its.a.ref;
    crew.members[1].on_event = wait_on_1;
    tell_all(&crew, 1);
    CHECK_EQ(rig_stats(&crew.rig).parks, 3);
    leat_kill(crew.rig.controller, whole ? crew.group : crew.members[1].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(crew.members[1].finis, worker == 0);
    rig_run(&crew.rig, LEAT_SEC); /* the wait is over, the answer has come */
    CHECK_EQ(crew.members[1].finis, 1);
    CHECK_EQ(crew.members[1].popped, 1);
    CHECK_EQ(crew.members[2].finis, whole);
    CHECK_EQ(crew.notes_len, whole ? 2 : 3);
    crew_close(&crew);
    jam_free(&its);
}

TEST(group, a_parked_member_is_killed)
{
    parked_and_killed(0, false);
    parked_and_killed(1, false);
    parked_and_killed(0, true);
    parked_and_killed(1, true);
}

/* The group is parked again, by another member, when the first one's note comes back. */
TEST(group, the_note_of_a_killed_member_is_not_taken_for_anothers)
{
    struct crew crew;
    struct jam its;
    crew_open(&crew, 3);
    jam(&crew, &its, 0);
    jammed = its.a.ref;
    crew.members[1].on_event = wait_on_1;
    crew.members[2].on_event = wait_on_1;
    tell_all(&crew, 1);
    leat_kill(crew.rig.controller, crew.members[1].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(rig_stats(&crew.rig).parks, 4); /* now 2 waits, behind the note of 1 */
    rig_run(&crew.rig, LEAT_SEC);
    CHECK_EQ(crew.members[2].popped, 2);
    crew_close(&crew);
    jam_free(&its);
}

TEST(group, a_full_box_refuses_or_makes_wait)
{
    struct crew crew;
    struct jam its;
    struct puppet sender = {0}, remote = {0};
    struct leat_config config = rig_config();
    config.workers = 2;
    crew_open_as(&crew, &config, &box_of_4, 3);
    rig_spawn(&crew.rig, &sender);
    rig_spawn_as(&crew.rig, &remote, &puppet_behavior, 1);
    jam(&crew, &its, 0);
    jammed = its.a.ref;
    crew.members[1].on_event = wait_on_1;
    tell(&crew, crew.members[1].ref, 1); /* parks the group */
    rig_run(&crew.rig, 0);
    for (uint64_t i = 10; i < 14; i++) {
        tell(&crew, i % 2 == 0 ? crew.group : crew.members[2].ref, i);
    }
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_send(crew.rig.controller, crew.members[0].ref, 1, NULL, 0), -EAGAIN);
    CHECK_EQ(leat_send(crew.rig.controller, crew.group, 1, NULL, 0), -EAGAIN);
    CHECK_EQ(leat_spawn_member(crew.rig.controller, crew.group, NULL, 0, 0), -EAGAIN);
    uint8_t big[LEAT_INLINE_MAX] = {0};
    leat_output_send(puppet_put(&sender), crew.members[0].ref, 1, big, sizeof(big));
    puppet_send(&sender, crew.members[0].ref, 1, 20);
    puppet_send(&sender, crew.members[0].ref, 1, 21)->full = LEAT_FULL_WAIT;
    rig_poke(&crew.rig, &sender);
    REQUIRE(sender.refusals_len == 2);
    CHECK_EQ(sender.refusals[1].status, -EAGAIN);
    CHECK_EQ(sender.refusals[1].output.kind, LEAT_OUTPUT_SEND);
    CHECK(leat_ref_equal(sender.refusals[1].output.to, crew.members[0].ref));
    leat_output_send(puppet_put(&remote), crew.members[0].ref, 1, big, sizeof(big));
    leat_output_wait(&remote.outputs[0]);
    rig_poke(&crew.rig, &remote);
    CHECK_EQ(rig_stats(&crew.rig).parks, 5);
    leat_kill(crew.rig.controller, its.b.ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(sender.refusals_len, 2);
    CHECK_EQ(remote.refusals_len, 0);
    CHECK_EQ(remote.popped, 1);
    CHECK_EQ(puppet_count(&crew.members[0], MESSAGE), 4);
    CHECK_EQ(crew.notes[crew.notes_len - 2].value, 21);
    CHECK_EQ(crew.members[0].seen[3].len, LEAT_INLINE_MAX);
    crew_close(&crew);
    jam_free(&its);
    puppet_free(&sender);
    puppet_free(&remote);
}

TEST(group, a_member_does_not_wait_for_its_own_group)
{
    struct crew crew;
    struct leat_config config = rig_config();
    crew_open_as(&crew, &config, &box_of_1, 2);
    for (uint64_t i = 0; i < 3; i++) {
        puppet_send(&crew.members[0], crew.members[1].ref, 1, i)->full = LEAT_FULL_WAIT;
        puppet_send(&crew.members[0], crew.group, 1, i)->full = LEAT_FULL_WAIT;
    }
    rig_poke(&crew.rig, &crew.members[0]);
    CHECK_EQ(crew.members[0].popped, 6);
    CHECK_EQ(crew.members[0].refusals_len, 5);
    CHECK_EQ(crew.members[0].refusals[0].status, -EAGAIN);
    CHECK_EQ(rig_stats(&crew.rig).parks, 0);
    crew_close(&crew);
}

/* ---- deadlines ---- */

TEST(group, a_tick_visits_those_that_are_due)
{
    struct crew crew;
    crew_open(&crew, 5);
    static const leat_time deadlines[5] = {30, 10, 0, 20, 10};
    for (uint32_t i = 0; i < 5; i++) {
        crew.members[i].deadline = deadlines[i] * LEAT_MS;
        rig_poke(&crew.rig, &crew.members[i]);
        crew.members[i].deadline = 0;
    }
    crew.notes_len = 0;
    rig_run(&crew.rig, 9 * LEAT_MS);
    CHECK_EQ(crew.notes_len, 0);
    rig_run(&crew.rig, LEAT_MS);
    REQUIRE(crew.notes_len == 2);
    CHECK_EQ(crew.notes[0].member + crew.notes[1].member, 5);
    rig_run(&crew.rig, LEAT_SEC);
    REQUIRE(crew.notes_len == 4);
    CHECK_EQ(crew.notes[2].member, 3);
    CHECK_EQ(crew.notes[3].member, 0);
    CHECK_EQ(puppet_nth(&crew.members[3], LEAT_EVENT_DEADLINE, 0).now, 20 * LEAT_MS);
    CHECK_EQ(rig_stats(&crew.rig).deadlines, 4);
    crew_close(&crew);
}

TEST(group, a_deadline_is_moved_and_removed)
{
    struct crew crew;
    crew_open(&crew, 4);
    for (uint32_t i = 0; i < 4; i++) {
        crew.members[i].deadline = (10 + i) * LEAT_MS;
        rig_poke(&crew.rig, &crew.members[i]);
    }
    crew.members[0].deadline = 50 * LEAT_MS; /* later */
    rig_poke(&crew.rig, &crew.members[0]);
    crew.members[3].deadline = 5 * LEAT_MS; /* sooner */
    rig_poke(&crew.rig, &crew.members[3]);
    crew.members[1].deadline = 0; /* not at all */
    rig_poke(&crew.rig, &crew.members[1]);
    for (uint32_t i = 0; i < 4; i++) {
        crew.members[i].deadline = 0;
    }
    crew.members[2].on_event = stop_on_1;
    tell(&crew, crew.members[2].ref, 1);
    rig_run(&crew.rig, 0);
    crew.notes_len = 0;
    rig_run(&crew.rig, LEAT_SEC);
    CHECK_EQ(crew.notes_len, 2);
    CHECK_EQ(puppet_nth(&crew.members[3], LEAT_EVENT_DEADLINE, 0).now, 5 * LEAT_MS);
    CHECK_EQ(puppet_nth(&crew.members[0], LEAT_EVENT_DEADLINE, 0).now, 50 * LEAT_MS);
    crew_close(&crew);
}

static void stay_past(struct puppet *self, const struct leat_event *event)
{
    note(self, event);
    self->deadline = self->seen_len < 40 ? 1 : 0; /* always past */
}

TEST(group, a_deadline_in_the_past_starves_nobody)
{
    struct crew crew;
    crew_open(&crew, 2);
    rig_run(&crew.rig, LEAT_MS);
    crew.members[0].on_event = stay_past;
    tell(&crew, crew.members[0].ref, 1);
    tell(&crew, crew.members[1].ref, 2);
    tell(&crew, crew.group, 3);
    rig_run(&crew.rig, LEAT_MS);
    CHECK_EQ(puppet_count(&crew.members[0], LEAT_EVENT_DEADLINE), 38);
    bool came = false;
    for (size_t i = 0; i < 6 && i < crew.notes_len; i++) {
        came = came || (crew.notes[i].member == 1 && crew.notes[i].value == 3);
    }
    CHECK(came);
    crew_close(&crew);
}

/* ---- a crowd that is overdue for ever, and whose ticks take more than a round ---- */

#define OVERDUE 90u
#define OVERDUE_SENDS 12u /* a tick of all is one portion, and a whole round's work */

struct overdue {
    uint32_t left;
    bool tells, ending;
};

static uint32_t overdue_heard, overdue_ticks; /* the worker's, until the runtime has ended */
static uint32_t overdue_between; /* ticks from the first message to the last */
static leat_ref overdue_sink, overdue_home;

static void overdue_on_event(void *state, const struct leat_event *event)
{
    struct overdue *self = state;
    self->left = event->kind == LEAT_EVENT_DEADLINE ? OVERDUE_SENDS : 0;
    self->tells = event->kind == LEAT_EVENT_MESSAGE && ++overdue_heard == 5 * OVERDUE;
    overdue_ticks += event->kind == LEAT_EVENT_DEADLINE;
    if (event->kind == LEAT_EVENT_MESSAGE && overdue_heard == 1) {
        overdue_between = overdue_ticks;
    } else if (self->tells) {
        overdue_between = overdue_ticks - overdue_between;
    }
    self->ending = event->kind == LEAT_EVENT_SHUTDOWN;
}

static bool overdue_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct overdue *self = state;
    (void)now;
    if (self->left > 0 || self->tells) {
        leat_output_send(ret, self->tells ? overdue_home : overdue_sink, 1, NULL, 0);
        self->left -= self->left > 0;
        self->tells = false;
        return true;
    }
    leat_output_stop(ret);
    return self->ending;
}

static leat_time overdue_deadline(const void *state)
{
    (void)state;
    return 1;
}

static const struct leat_behavior overdue = {.name = "overdue",
                                             .state_size = sizeof(struct overdue),
                                             .on_event = overdue_on_event,
                                             .pop_output = overdue_pop_output,
                                             .deadline = overdue_deadline};

/* With a thread, as in simulation no time passes in a tick, so that none is due again at once. */
TEST(group, a_tick_that_is_always_due_leaves_every_second_input_to_the_mailbox)
{
    struct rig rig;
    struct leat_config config = rig_threads(1);
    leat_ref group;
    rig_open(&rig, &config);
    overdue_heard = overdue_ticks = 0;
    overdue_home = leat_controller_ref(rig.controller);
    struct puppet sink = {0};
    overdue_sink = rig_spawn(&rig, &sink);
    CHECK_EQ(leat_spawn_group(rig.controller, &overdue, OVERDUE, 0, &group), 0);
    for (uint32_t i = 0; i < OVERDUE; i++) {
        CHECK_EQ(leat_spawn_member(rig.controller, group, NULL, 0, i), 0);
    }
    rig_await(&rig, OVERDUE);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_EQ(leat_send(rig.controller, group, 1, NULL, 0), 0);
    }
    rig_await(&rig, OVERDUE + 1);
    rig_close(&rig);
    CHECK(overdue_between <= 6 * OVERDUE);
    puppet_free(&sink);
}

/* Against a model: many members whose deadlines move about. */
TEST(group, deadlines_come_in_order_and_never_early)
{
    struct crew crew;
    uint64_t random = 7;
    crew_open(&crew, CREW_MAX);
    for (int round = 0; round < 300; round++) {
        uint32_t i = random_below(&random, CREW_MAX);
        leat_time now = leat_controller_now(crew.rig.controller);
        size_t ticks = puppet_count(&crew.members[i], LEAT_EVENT_DEADLINE);
        leat_time at = now + 1 + random_below(&random, 50) * LEAT_US;
        crew.members[i].deadline = at;
        rig_poke(&crew.rig, &crew.members[i]);
        crew.members[i].deadline = 0;
        CHECK_EQ(puppet_count(&crew.members[i], LEAT_EVENT_DEADLINE), ticks);
        rig_run(&crew.rig, random_below(&random, 30) * LEAT_US);
        now = leat_controller_now(crew.rig.controller);
        ticks = puppet_count(&crew.members[i], LEAT_EVENT_DEADLINE) - ticks;
        CHECK_EQ(ticks, at <= now);
        CHECK(ticks == 0 || crew.members[i].seen[crew.members[i].seen_len - 1].now == at);
    }
    crew_close(&crew);
}

/* ---- walks over many give way ---- */

static uint64_t counted_at;

static void look_at_count(struct puppet *self, const struct leat_event *event)
{
    (void)self;
    (void)event;
    counted_at = counted;
}

TEST(group, a_walk_over_many_lets_others_have_their_turn)
{
    enum { MANY = 10000 };
    struct rig rig;
    struct puppet other = {.on_event = look_at_count};
    struct leat_config config = rig_config();
    leat_ref group;
    live = 0;
    rig_open(&rig, &config);
    rig_spawn(&rig, &other);
    CHECK_EQ(leat_spawn_group(rig.controller, &counter_behavior, MANY, 0, &group), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        int status;
        while ((status = leat_spawn_member(rig.controller, group, NULL, 0, i)) == -EAGAIN) {
            rig_run(&rig, 0);
        }
        CHECK_EQ(status, 0);
    }
    rig_run(&rig, 0);
    CHECK_EQ(live, MANY);
    CHECK_EQ(rig_stats(&rig).actors, MANY + 2);
    CHECK_EQ(leat_spawn_member(rig.controller, group, NULL, 0, 1), 0);
    rig_run(&rig, 0);
    CHECK_EQ(spawned(&rig).status, -ENOSPC);
    uint64_t pauses = rig_stats(&rig).walk_pauses;
    counted = 0;
    leat_send(rig.controller, other.ref, 1, NULL, 0); /* the bell's newest come first */
    leat_send(rig.controller, group, 1, NULL, 0);
    leat_send(rig.controller, group, 1, NULL, 0);
    rig_run(&rig, 0);
    CHECK_EQ(counted, 2 * MANY);
    CHECK(counted_at > 0 && counted_at < MANY / 2); /* in between */
    CHECK(rig_stats(&rig).walk_pauses - pauses >= 10);
    rig_close(&rig);
    CHECK_EQ(live, 0);
    puppet_free(&other);
}

TEST(group, half_of_many_killed_while_a_walk_pauses)
{
    enum { MANY = 5000 };
    struct rig rig;
    struct leat_config config = rig_config();
    leat_ref group;
    live = 0;
    rig_open(&rig, &config);
    leat_ref *refs = calloc(MANY, sizeof(*refs));
    CHECK_EQ(leat_spawn_group(rig.controller, &counter_behavior, MANY, 0, &group), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        CHECK_EQ(leat_spawn_member(rig.controller, group, NULL, 0, i), 0);
        rig_run(&rig, 0);
        refs[i] = spawned(&rig).spawned.child;
    }
    counted = 0;
    leat_send(rig.controller, group, 1, NULL, 0);
    simulation_step(rig.runtime, LEAT_NEVER); /* one round: a part of them */
    uint64_t part = counted;
    CHECK(part > 0 && part < MANY / 2);
    for (uint64_t i = MANY / 2; i < MANY; i++) {
        leat_kill(rig.controller, refs[i]);
    }
    rig_run(&rig, 0);
    CHECK(counted >= MANY / 2 && counted < MANY); /* 16 control items a turn: some were visited */
    counted = 0;
    leat_send(rig.controller, group, 1, NULL, 0);
    rig_run(&rig, 0);
    CHECK_EQ(counted, MANY / 2);
    free(refs);
    rig_close(&rig);
    CHECK_EQ(live, 0);
}
