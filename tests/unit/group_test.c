/* Groups: who is given what and in which order, walks and what may happen in one, how groups and
 * their members come and go. In simulation, on one or two workers. */
#include "group.h"
#include "helpers.h"
#include "mem.h"
#include "sched.h"

/* ---- a group of puppets, and a journal of who was given what ---- */

#define CREW_MAX 16u

struct crew {
    struct rig rig;
    leat_ref group;
    struct puppet members[CREW_MAX];
    uint32_t len;
    struct note {
        uint32_t member;
        uint8_t kind;
        uint64_t value;
    } notes[512];
    size_t notes_len;
};

static const struct leat_behavior box_of_1 = PUPPET_BEHAVIOR("box_of_1", 1);
static const struct leat_behavior box_of_4 = PUPPET_BEHAVIOR("box_of_4", 4);

static struct crew *crew_of(const struct puppet *puppet)
{
    return puppet->context;
}

/* Also holds the drain rule against all members: nobody's drain is open when one is given an
 * input. */
static void note(struct puppet *self, const struct leat_event *event)
{
    struct crew *crew = crew_of(self);
    for (uint32_t i = 0; i < crew->len; i++) {
        const struct puppet *member = &crew->members[i];
        CHECK(member == self || !member->is_open || member->finis > 0);
    }
    if (crew->notes_len < 512) {
        crew->notes[crew->notes_len++] =
            (struct note){.member = (uint32_t)(self - crew->members),
                          .kind = event->kind,
                          .value = event_value(event)};
    }
}

static void check_notes(const struct crew *crew, const struct note *expected, size_t len)
{
    CHECK_EQ(crew->notes_len, len);
    for (size_t i = 0; i < len && i < crew->notes_len; i++) {
        CHECK_EQ(crew->notes[i].member, expected[i].member);
        CHECK_EQ(crew->notes[i].kind, expected[i].kind);
        CHECK_EQ(crew->notes[i].value, expected[i].value);
    }
}

#define CHECK_NOTES(crew, ...)                                                                     \
    do {                                                                                           \
        const struct note expected_[] = {__VA_ARGS__};                                             \
        check_notes(crew, expected_, sizeof(expected_) / sizeof(expected_[0]));                    \
    } while (0)

#define MESSAGE LEAT_EVENT_MESSAGE

/* SPAWNED as the controller received it last. */
static struct leat_event spawned(struct rig *rig)
{
    struct leat_event last = rig_last(rig);
    CHECK_EQ(last.kind, LEAT_EVENT_SPAWNED);
    return last;
}

static leat_ref crew_spawn(struct crew *crew, struct puppet *member)
{
    CHECK_EQ(leat_spawn_member(crew->rig.controller, crew->group, &member, sizeof(member), 5), 0);
    rig_run(&crew->rig, 0);
    struct leat_event event = spawned(&crew->rig);
    CHECK_EQ(event.spawned.cookie, 5);
    CHECK_EQ(event.status, 0);
    return event.spawned.child;
}

static void crew_open_as(struct crew *crew, const struct leat_config *config,
                         const struct leat_behavior *behavior, uint32_t len)
{
    memset(crew, 0, sizeof(*crew));
    crew->len = len;
    rig_open(&crew->rig, config);
    CHECK_EQ(leat_spawn_group(crew->rig.controller, behavior, CREW_MAX, 0, &crew->group), 0);
    rig_run(&crew->rig, 0); /* INIT takes a place in the box */
    for (uint32_t i = 0; i < len; i++) {
        crew->members[i].context = crew;
        crew->members[i].on_event = note;
        leat_ref ref = crew_spawn(crew, &crew->members[i]);
        CHECK(leat_ref_equal(ref, crew->members[i].ref));
    }
}

static void crew_open(struct crew *crew, uint32_t len)
{
    struct leat_config config = rig_config();
    crew_open_as(crew, &config, &puppet_behavior, len);
}

static void crew_close(struct crew *crew)
{
    rig_close(&crew->rig);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        CHECK_EQ(crew->members[i].finis, crew->members[i].inits);
        puppet_free(&crew->members[i]);
    }
}

static void tell(struct crew *crew, leat_ref to, uint64_t value)
{
    CHECK_EQ(leat_send(crew->rig.controller, to, 1, &value, sizeof(value)), 0);
}

static void tell_all(struct crew *crew, uint64_t value)
{
    tell(crew, crew->group, value);
    rig_run(&crew->rig, 0);
}

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

static void stop_on_1(struct puppet *self, const struct leat_event *event)
{
    note(self, event);
    if (event_value(event) == 1) {
        leat_output_stop(puppet_put(self));
    } else if (event_value(event) == 2) {
        leat_output_fail(puppet_put(self), -EIO);
    }
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

struct counter {
    uint64_t given;
    bool ends;
};

static uint64_t counted, counted_at, live;

static int counter_init(void *state, const void *arg, leat_time now)
{
    const struct counter *self = state;
    (void)arg;
    (void)now;
    CHECK_EQ(self->given, 0);
    CHECK_EQ((uintptr_t)state % 16, 0);
    CHECK(leat_self_group(state).id != 0);
    live++;
    return 0;
}

static void counter_on_event(void *state, const struct leat_event *event)
{
    struct counter *self = state;
    self->given++;
    counted++;
    self->ends = event->kind == LEAT_EVENT_SHUTDOWN;
}

static bool counter_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct counter *self = state;
    (void)now;
    if (self->ends) {
        leat_output_stop(ret);
    }
    return self->ends;
}

static void counter_fini(void *state)
{
    (void)state;
    live--;
}

static const struct leat_behavior counter_behavior = {
    .name = "counter", .state_size = sizeof(struct counter), .init = counter_init,
    .on_event = counter_on_event, .pop_output = counter_pop_output, .fini = counter_fini,
};

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

/* ---- lives ---- */

TEST(group, a_stale_ref_never_reaches_a_successor)
{
    struct crew crew;
    struct puppet later[8] = {{0}};
    crew_open(&crew, 1);
    leat_ref stale = crew.members[0].ref;
    for (int i = 0; i < 4; i++) {
        leat_stop(crew.rig.controller, i == 0 ? stale : later[i - 1].ref);
        rig_run(&crew.rig, 0);
        leat_ref next = crew_spawn(&crew, &later[i]);
        CHECK_EQ(member_index(next), member_index(stale));
        CHECK_EQ(member_slot(next), member_slot(stale));
        CHECK_EQ(member_generation(next), member_generation(stale) + 1u + (unsigned)i);
        tell(&crew, stale, 1);
        rig_run(&crew.rig, 0);
        CHECK_EQ(later[i].seen_len, 0);
    }
    leat_ref last = later[3].ref;
    leat_stop(crew.rig.controller, crew.group);
    rig_run(&crew.rig, 0);
    CHECK_EQ(later[3].finis, 1);
    CHECK_EQ(leat_send(crew.rig.controller, last, 1, NULL, 0), -ESRCH);
    CHECK_EQ(leat_send(crew.rig.controller, crew.group, 1, NULL, 0), -ESRCH);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &puppet_behavior, 4, 0, &crew.group), 0);
    for (int i = 4; i < 7; i++) {
        leat_ref next = crew_spawn(&crew, &later[i]);
        CHECK_EQ(member_slot(next), member_slot(stale)); /* the next group there */
        CHECK(member_generation(next) > member_generation(last));
    }
    tell(&crew, stale, 1);
    tell(&crew, last, 1);
    leat_kill(crew.rig.controller, last);
    leat_stop(crew.rig.controller, last);
    leat_monitor(crew.rig.controller, last, 8);
    rig_run(&crew.rig, 0);
    CHECK_EQ(later[4].seen_len + later[5].seen_len + later[6].seen_len, 0);
    CHECK_EQ(later[4].finis, 0);
    CHECK_EQ(rig_last(&crew.rig).kind, LEAT_EVENT_DOWN);
    CHECK_EQ(rig_last(&crew.rig).status, -ESRCH);
    CHECK(leat_ref_equal(rig_last(&crew.rig).from, last));
    crew_close(&crew);
    for (int i = 0; i < 8; i++) {
        puppet_free(&later[i]);
    }
}

TEST(group, a_full_group_and_a_failing_init)
{
    struct crew crew;
    struct puppet failing = {.init_status = -EPERM}, extra = {0}, *arg = &failing;
    crew_open(&crew, CREW_MAX - 1);
    CHECK_EQ(leat_spawn_member(crew.rig.controller, crew.group, &arg, sizeof(arg), 3), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -EPERM);
    CHECK_EQ(spawned(&crew.rig).spawned.child.id, 0);
    CHECK_EQ(failing.finis, 0);
    CHECK_EQ(crew_spawn(&crew, &crew.members[CREW_MAX - 1]).id, crew.members[CREW_MAX - 1].ref.id);
    arg = &extra;
    CHECK_EQ(leat_spawn_member(crew.rig.controller, crew.group, &arg, sizeof(arg), 3), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -ENOSPC);
    CHECK_EQ(extra.inits, 0);
    leat_stop(crew.rig.controller, crew.members[4].ref);
    rig_run(&crew.rig, 0);
    crew_spawn(&crew, &extra);
    CHECK_EQ(extra.inits, 1);
    crew_close(&crew);
    puppet_free(&failing);
    puppet_free(&extra);
}

TEST(group, no_memory_for_a_group)
{
    struct crew crew;
    leat_ref group;
    crew_open(&crew, 1);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &puppet_behavior, 4, 0, &group), 0);
    CHECK_EQ(leat_spawn_member(crew.rig.controller, group, NULL, 0, 1), 0);
    mem_fail_after(1);
    rig_run(&crew.rig, 0);
    mem_fail_after(0);
    size_t len = crew.rig.got_len;
    CHECK_EQ(crew.rig.got[len - 2].kind, LEAT_EVENT_DOWN);
    CHECK_EQ(crew.rig.got[len - 2].status, -ENOMEM);
    CHECK_EQ(crew.rig.got[len - 1].kind, LEAT_EVENT_SPAWNED);
    CHECK_EQ(crew.rig.got[len - 1].status, -ESRCH);
    crew_close(&crew);
}

/* What is used up is retired: an index within its group, the slot with its last index. */
TEST(group, generations_are_used_up)
{
    struct crew crew;
    struct puppet later[3] = {{0}};
    crew_open(&crew, 1);
    struct cell *cell = registry_cell(&crew.rig.runtime->registry, crew.group);
    leat_stop(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    uint32_t slot = cell->group->slot;
    member_at(cell->group, 0)->header.self = member_ref(slot, 0, MEMBER_GENERATION_MAX - 1);
    leat_ref last = crew_spawn(&crew, &later[0]);
    CHECK_EQ(member_generation(last), MEMBER_GENERATION_MAX);
    tell(&crew, last, 1);
    leat_stop(crew.rig.controller, last);
    rig_run(&crew.rig, 0);
    CHECK_EQ(later[0].seen_len, 1);
    CHECK_EQ(member_index(crew_spawn(&crew, &later[1])), 1);
    leat_stop(crew.rig.controller, crew.group);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &puppet_behavior, 4, 0, &crew.group), 0);
    CHECK(member_slot(crew_spawn(&crew, &later[2])) != slot);
    crew_close(&crew);
    for (int i = 0; i < 3; i++) {
        puppet_free(&later[i]);
    }
}

TEST(group, members_count_against_actors_max)
{
    struct rig rig;
    struct leat_config config = rig_config();
    config.actors_max = 100;
    leat_ref group;
    live = 0;
    rig_open(&rig, &config);
    CHECK_EQ(leat_spawn_group(rig.controller, &counter_behavior, 1000, 0, &group), 0);
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(leat_spawn_member(rig.controller, group, NULL, 0, 0), 0);
        rig_run(&rig, 0);
        CHECK_EQ(spawned(&rig).status, i < 99 ? 0 : -ENOSPC);
    }
    CHECK_EQ(live, 99);
    rig_close(&rig);
}

TEST(group, spawning_what_is_no_group)
{
    struct crew crew;
    struct puppet actor = {0};
    static const uint8_t arg[100];
    crew_open(&crew, 1);
    rig_spawn(&crew.rig, &actor);
    rig_run(&crew.rig, 0);
    leat_controller *controller = crew.rig.controller;
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, 0, 0, NULL), -EINVAL);
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, LEAT_GROUP_MEMBERS_MAX + 1, 0, NULL),
             -EINVAL);
    CHECK_EQ(leat_spawn_group(controller, NULL, 1, 0, NULL), -EINVAL);
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, 1, 7, NULL), -EINVAL);
    CHECK_EQ(leat_spawn_member(controller, crew.members[0].ref, arg, 100, 1), -EINVAL);
    CHECK_EQ(leat_spawn_member(controller, LEAT_REF_NONE, arg, 100, 1), -ESRCH);
    CHECK_EQ(leat_spawn_member(controller, actor.ref, arg, 100, 1), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -EINVAL);
    CHECK_EQ(leat_spawn_member(controller, leat_controller_ref(controller), arg, 100, 2), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -EINVAL);
    CHECK_EQ(spawned(&crew.rig).spawned.cookie, 2);
    leat_spawn_member(controller, crew.group, arg, 100, 3); /* still in the box at the end */
    crew_close(&crew);
    puppet_free(&actor);
}

TEST(group, an_actor_spawns_a_group_and_members)
{
    struct rig rig;
    struct puppet parent = {0}, child = {0}, *arg = &child;
    struct leat_config config = rig_config();
    config.workers = 2;
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_run(&rig, 0);
    leat_output_spawn_group(puppet_put(&parent), &box_of_4, 2, 11);
    parent.outputs[0].group.worker = 1;
    parent.outputs[0].group.mailbox_len_max = 100;
    leat_output_spawn_group(puppet_put(&parent), &box_of_4, 0, 12);
    rig_poke(&rig, &parent);
    struct leat_event event = puppet_nth(&parent, LEAT_EVENT_SPAWNED, 0);
    CHECK_EQ(event.status, 0);
    CHECK_EQ(event.spawned.cookie, 11);
    leat_ref group = event.spawned.child;
    CHECK_EQ(parent.refusals_len, 1);
    leat_output_spawn_member(puppet_put(&parent), group, &arg, sizeof(arg), 13);
    rig_poke(&rig, &parent);
    event = puppet_nth(&parent, LEAT_EVENT_SPAWNED, 1);
    CHECK_EQ(event.status, 0);
    CHECK_EQ(event.spawned.cookie, 13);
    CHECK(leat_ref_equal(event.spawned.child, child.ref));
    leat_output_monitor(puppet_put(&parent), child.ref, 14);
    leat_output_monitor(puppet_put(&parent), group, 15);
    leat_output_stop_other(puppet_put(&parent), child.ref);
    leat_output_stop_other(puppet_put(&parent), group);
    leat_output_spawn_member(puppet_put(&parent), group, &arg, sizeof(arg), 16);
    rig_poke(&rig, &parent);
    leat_output_spawn_member(puppet_put(&parent), group, &arg, sizeof(arg), 17);
    rig_poke(&rig, &parent);
    CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_DOWN, 0).down.cookie, 14);
    CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_DOWN, 1).down.cookie, 15);
    for (size_t i = 2; i < 4; i++) {
        CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_SPAWNED, i).status, -ESRCH);
        CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_SPAWNED, i).spawned.cookie, 14 + i);
    }
    CHECK_EQ(child.finis, 1);
    rig_close(&rig);
    puppet_free(&parent);
    puppet_free(&child);
}

/* A member is an actor: it is answered, is told of ends, and its own end is told. */
TEST(group, members_spawn_and_monitor)
{
    struct crew crew;
    struct puppet child = {0}, *arg = &child;
    crew_open(&crew, 2);
    struct puppet *member = &crew.members[1];
    leat_output_spawn(puppet_put(member), &puppet_behavior, &arg, sizeof(arg), 21);
    leat_output_monitor(puppet_put(member), crew.members[0].ref, 22);
    leat_output_monitor(puppet_put(member), (leat_ref){.id = 12345}, 23);
    rig_poke(&crew.rig, member);
    CHECK(leat_ref_equal(puppet_nth(member, LEAT_EVENT_SPAWNED, 0).spawned.child, child.ref));
    CHECK_EQ(puppet_nth(member, LEAT_EVENT_DOWN, 0).status, -ESRCH);
    leat_output_monitor(puppet_put(&child), member->ref, 24);
    rig_poke(&crew.rig, &child);
    leat_kill(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(puppet_nth(member, LEAT_EVENT_DOWN, 1).down.cookie, 22);
    CHECK_EQ(puppet_nth(member, LEAT_EVENT_DOWN, 1).status, -ECANCELED);
    CHECK_EQ(puppet_count(&crew.members[0], LEAT_EVENT_DOWN), 0);
    leat_kill(crew.rig.controller, crew.group);
    rig_run(&crew.rig, 0);
    CHECK_EQ(puppet_nth(&child, LEAT_EVENT_DOWN, 0).status, -ECANCELED);
    CHECK_EQ(puppet_nth(&child, LEAT_EVENT_DOWN, 0).down.cookie, 24);
    CHECK(leat_ref_equal(puppet_nth(&child, LEAT_EVENT_DOWN, 0).from, member->ref));
    crew_close(&crew);
    puppet_free(&child);
}

TEST(group, the_group_ends_with_all_its_members)
{
    for (int kill = 0; kill < 2; kill++) {
        struct crew crew;
        crew_open(&crew, 4);
        leat_monitor(crew.rig.controller, crew.group, 1);
        leat_monitor(crew.rig.controller, crew.members[2].ref, 2);
        tell(&crew, crew.group, 9); /* before a stop */
        if (kill != 0) {
            leat_kill(crew.rig.controller, crew.group);
        } else {
            leat_stop(crew.rig.controller, crew.group);
        }
        tell(&crew, crew.members[0].ref, 9);
        leat_monitor(crew.rig.controller, crew.members[3].ref, 3); /* in the box when it ends */
        rig_run(&crew.rig, 0);
        CHECK_EQ(crew.notes_len, kill != 0 ? 0 : 4);
        CHECK_EQ(rig_count(&crew.rig, LEAT_EVENT_DOWN), 3);
        for (uint32_t i = 0; i < 4; i++) {
            CHECK_EQ(crew.members[i].finis, 1);
        }
        size_t first = crew.rig.got_len - 3;
        uint64_t order = 0;
        for (size_t i = first; i < crew.rig.got_len; i++) {
            CHECK_EQ(crew.rig.got[i].status, kill != 0 ? -ECANCELED : 0);
            order = order * 10 + crew.rig.got[i].down.cookie;
        }
        if (kill == 0) { /* a kill overtakes the monitors */
            CHECK_EQ(order, 231);
        }
        CHECK_EQ(rig_stats(&crew.rig).actors, 0);
        crew_close(&crew);
    }
}

TEST(group, a_member_is_killed_at_once)
{
    struct crew crew;
    crew_open(&crew, 2);
    tell(&crew, crew.members[0].ref, 1);
    leat_kill(crew.rig.controller, crew.members[0].ref);
    leat_kill(crew.rig.controller, crew.members[0].ref);
    leat_kill(crew.rig.controller, crew.members[1].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(crew.notes_len, 0);
    CHECK_EQ(crew.members[0].finis, 1);
    CHECK_EQ(crew.members[1].finis, 1);
    CHECK_EQ(rig_stats(&crew.rig).actors, 1);
    CHECK_EQ(rig_stats(&crew.rig).dead_letters, 1);
    crew_close(&crew);
}

/* ---- shutdown ---- */

static void spawn_at_shutdown(struct puppet *self, const struct leat_event *event)
{
    struct crew *crew = crew_of(self);
    static struct puppet *arg;
    note(self, event);
    arg = &crew->members[CREW_MAX - 1];
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_spawn_member(puppet_put(self), crew->group, &arg, sizeof(arg), 1);
        self->stays = true;
    } else if (event->kind == LEAT_EVENT_SPAWNED) {
        leat_output_stop(puppet_put(self));
    }
}

TEST(group, shutdown_is_told_to_all_and_to_who_comes_later)
{
    struct crew crew;
    crew_open(&crew, 3);
    crew.members[1].on_event = spawn_at_shutdown;
    crew.members[CREW_MAX - 1].context = &crew;
    crew.members[CREW_MAX - 1].on_event = note;
    leat_runtime_stop(crew.rig.runtime);
    leat_time before = leat_controller_now(crew.rig.controller);
    rig_run(&crew.rig, LEAT_SEC / 2);
    CHECK(leat_controller_now(crew.rig.controller) < before + LEAT_SEC / 2); /* it ended by itself */
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(puppet_count(&crew.members[i], LEAT_EVENT_SHUTDOWN), 1);
    }
    CHECK_EQ(puppet_count(&crew.members[CREW_MAX - 1], LEAT_EVENT_SHUTDOWN), 1);
    CHECK_EQ(crew.members[CREW_MAX - 1].finis, 1);
    crew_close(&crew);
}

TEST(group, shutdown_ends_an_empty_group_and_one_that_stays)
{
    struct crew crew;
    leat_ref empty, unborn;
    crew_open(&crew, 3);
    crew.members[1].stays = true;
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &box_of_1, 4, 0, &empty), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_monitor(crew.rig.controller, empty, 1), 0);
    CHECK_EQ(leat_monitor(crew.rig.controller, crew.group, 2), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &box_of_1, 4, 0, &unborn), 0);
    leat_runtime_stop(crew.rig.runtime);
    rig_run(&crew.rig, LEAT_SEC / 2);
    CHECK_EQ(rig_count(&crew.rig, LEAT_EVENT_DOWN), 1);
    CHECK_EQ(rig_last(&crew.rig).down.cookie, 1);
    CHECK_EQ(rig_last(&crew.rig).status, 0);
    CHECK_EQ(crew.members[0].finis, 1);
    CHECK_EQ(crew.members[1].finis, 0);
    rig_run(&crew.rig, LEAT_SEC);
    CHECK_EQ(rig_last(&crew.rig).down.cookie, 2);
    CHECK_EQ(rig_last(&crew.rig).status, -ECANCELED);
    CHECK_EQ(crew.members[1].finis, 1);
    crew_close(&crew);
}

TEST(group, run_ends_with_the_last_member)
{
    leat_runtime *runtime;
    leat_controller *controller;
    struct leat_config config = leat_config_default();
    struct puppet member = {.on_event = stop_on_1}, *arg = &member;
    struct crew crew = {.len = 0};
    leat_ref group;
    member.context = &crew;
    config.workers = 2;
    CHECK_EQ(leat_runtime_open(&config, &runtime), 0);
    CHECK_EQ(leat_controller_open(runtime, &controller), 0);
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, 4, 1, &group), 0);
    CHECK_EQ(leat_spawn_member(controller, group, &arg, sizeof(arg), 0), 0);
    CHECK_EQ(leat_stop(controller, group), 0);
    leat_controller_close(controller);
    CHECK_EQ(leat_runtime_run(runtime), 0);
    CHECK_EQ(member.finis, 1);
    CHECK_EQ(leat_runtime_close(runtime), 0);
    puppet_free(&member);
}

/* ---- the rest ---- */

TEST(group, a_broadcast_reaches_all_members)
{
    struct crew crew;
    crew_open(&crew, 3);
    uint64_t value = 6;
    CHECK_EQ(leat_broadcast(crew.rig.controller, LEAT_WORKER_ALL, &puppet_behavior, 1, &value,
                            sizeof(value)), 0);
    CHECK_EQ(leat_broadcast(crew.rig.controller, LEAT_WORKER_ALL, &box_of_1, 1, &value,
                            sizeof(value)), 0);
    rig_run(&crew.rig, 0);
    CHECK_NOTES(&crew, {0, MESSAGE, 6}, {1, MESSAGE, 6}, {2, MESSAGE, 6});
    crew_close(&crew);
}

TEST(group, behaviors_count_members)
{
    struct crew crew;
    struct leat_behavior_stats stats[8];
    crew_open(&crew, 3);
    tell_all(&crew, 1);
    leat_stop(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_stats_behaviors(crew.rig.runtime, stats, 8), 1);
    CHECK_EQ(stats[0].actors, 2);
    CHECK_EQ(stats[0].spawned, 3);
    CHECK_EQ(stats[0].stopped, 1);
    CHECK_EQ(stats[0].inputs, 3);
    CHECK_EQ(rig_stats(&crew.rig).spawned, 4);
    crew_close(&crew);
}

TEST(group, subscriptions_have_a_place)
{
    struct crew crew;
    leat_ref unborn;
    crew_open(&crew, 1);
    struct host *host = crew.rig.runtime->workers[0]->host;
    struct subscription **of_member = host_subscriptions(host, crew.members[0].ref);
    struct subscription **of_group = host_subscriptions(host, crew.group);
    REQUIRE(of_member != NULL && of_group != NULL);
    CHECK(of_member != of_group);
    CHECK(*of_member == NULL && *of_group == NULL);
    CHECK(host_subscriptions(host, (leat_ref){.id = crew.group.id + (UINT64_C(1) << 32)}) == NULL);
    leat_spawn_group(crew.rig.controller, &box_of_1, 1, 0, &unborn);
    CHECK(host_subscriptions(host, unborn) != NULL); /* it may be subscribed at once */
    leat_kill(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    CHECK(host_subscriptions(host, crew.members[0].ref) == NULL);
    crew_close(&crew);
}
