/* What the test programs of groups share: a group of puppets, and a journal of who was given what. */
#ifndef LEAT_TESTS_GROUP_HELPERS_H
#define LEAT_TESTS_GROUP_HELPERS_H

#include "group.h"
#include "helpers.h"

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

static inline struct crew *crew_of(const struct puppet *puppet)
{
    return puppet->context;
}

/* Also holds the drain rule against all members: nobody's drain is open when one is given an
 * input. */
static inline void note(struct puppet *self, const struct leat_event *event)
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

static inline void check_notes(const struct crew *crew, const struct note *expected, size_t len)
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
static inline struct leat_event spawned(struct rig *rig)
{
    struct leat_event last = rig_last(rig);
    CHECK_EQ(last.kind, LEAT_EVENT_SPAWNED);
    return last;
}

static inline leat_ref crew_spawn(struct crew *crew, struct puppet *member)
{
    CHECK_EQ(leat_spawn_member(crew->rig.controller, crew->group, &member, sizeof(member), 5), 0);
    rig_run(&crew->rig, 0);
    struct leat_event event = spawned(&crew->rig);
    CHECK_EQ(event.spawned.cookie, 5);
    CHECK_EQ(event.status, 0);
    return event.spawned.child;
}

static inline void crew_open_as(struct crew *crew, const struct leat_config *config,
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

static inline void crew_open(struct crew *crew, uint32_t len)
{
    struct leat_config config = rig_config();
    crew_open_as(crew, &config, &puppet_behavior, len);
}

static inline void crew_close(struct crew *crew)
{
    rig_close(&crew->rig);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        CHECK_EQ(crew->members[i].finis, crew->members[i].inits);
        puppet_free(&crew->members[i]);
    }
}

static inline void tell(struct crew *crew, leat_ref to, uint64_t value)
{
    CHECK_EQ(leat_send(crew->rig.controller, to, 1, &value, sizeof(value)), 0);
}

static inline void tell_all(struct crew *crew, uint64_t value)
{
    tell(crew, crew->group, value);
    rig_run(&crew->rig, 0);
}

static inline void stop_on_1(struct puppet *self, const struct leat_event *event)
{
    note(self, event);
    if (event_value(event) == 1) {
        leat_output_stop(puppet_put(self));
    } else if (event_value(event) == 2) {
        leat_output_fail(puppet_put(self), -EIO);
    }
}

/* ---- members that are only counted ---- */

struct counter {
    uint64_t given;
    bool ends;
};

static uint64_t counted, live;

static inline int counter_init(void *state, const void *arg, leat_time now)
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

static inline void counter_on_event(void *state, const struct leat_event *event)
{
    struct counter *self = state;
    self->given++;
    counted++;
    self->ends = event->kind == LEAT_EVENT_SHUTDOWN;
}

static inline bool counter_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct counter *self = state;
    (void)now;
    if (self->ends) {
        leat_output_stop(ret);
    }
    return self->ends;
}

static inline void counter_fini(void *state)
{
    (void)state;
    live--;
}

static const struct leat_behavior counter_behavior = {
    .name = "counter", .state_size = sizeof(struct counter), .init = counter_init,
    .on_event = counter_on_event, .pop_output = counter_pop_output, .fini = counter_fini,
};

#endif
