/* The transitions of groups, held against their table, while members do anything by chance: each
 * one is in it, and they are those that the calls of the members' functions imply. Also what the
 * trace says of messages, from the output to the input. Two workers in simulation. */
#include "helpers.h"
#include "sched.h"

/* ---- the table ---- */

#define C LEAT_STATE_CREATED
#define W LEAT_STATE_WAITING
#define T LEAT_STATE_ON_TICK
#define I LEAT_STATE_ON_INPUT
#define S LEAT_STATE_STOPPED
#define TM LEAT_STATE_ON_TICK_MEMBER
#define TP LEAT_STATE_POP_TICK_OUTPUT
#define IM LEAT_STATE_ON_INPUT_MEMBER
#define IP LEAT_STATE_POP_INPUT_OUTPUT

static const struct row {
    uint8_t from, to;
} table[] = {
    {C, W},                                            /* attached to a worker */
    {W, T},   {T, TM},  {T, W},                        /* deadlines */
    {TM, TP}, {TM, T},  {TP, TP}, {TP, T},             /* one member's */
    {W, I},   {I, IM},                                 /* an input */
    {IM, IP}, {IM, W},  {IM, I},  {IP, IP}, {IP, W}, {IP, I},
};

#define ROWS (sizeof(table) / sizeof(table[0]))

/* ---- what was called, and what was traced ---- */

enum call {
    CALL_TICK,
    CALL_INPUT,
    CALL_INIT,
    CALL_OUTPUT,
    CALL_END,
};

#define GROUPS 4u
#define REFS_MAX 3000u

static struct world {
    struct crew {
        leat_ref ref;
        struct called {
            leat_ref member;
            enum call call;
        } *calls;
        size_t calls_len;
    } groups[GROUPS];
    leat_ref refs[REFS_MAX]; /* of anybody, alive or not */
    uint32_t refs_len;
    struct leat_trace *traces;
    size_t traces_len;
    uint64_t random;
    uint32_t busy; /* inputs that still cause something */
    uint32_t born, ended;
    size_t rows[ROWS];
    size_t letters; /* messages followed from output to input */
    leat_controller *controller;
} world;

static void note_trace(void *context, const struct leat_trace *trace)
{
    CHECK(context == &world);
    world.traces = grown(world.traces, world.traces_len, sizeof(*world.traces));
    world.traces[world.traces_len++] = *trace;
}

static void note_ref(leat_ref ref)
{
    if (world.refs_len < REFS_MAX) {
        world.refs[world.refs_len++] = ref;
    }
}

static uint32_t dice(uint32_t n)
{
    return random_below(&world.random, n);
}

static void note_call(const void *state, enum call call)
{
    leat_ref group = leat_self_group(state);
    for (uint32_t i = 0; i < GROUPS; i++) {
        struct crew *crew = &world.groups[i];
        if (leat_ref_equal(crew->ref, group)) {
            crew->calls = grown(crew->calls, crew->calls_len, sizeof(*crew->calls));
            crew->calls[crew->calls_len++] =
                (struct called){.member = leat_self(state), .call = call};
        }
    }
}

/* ---- an actor or a member that does anything, by chance ---- */

struct dicer {
    uint32_t left; /* outputs of this drain */
    leat_time deadline;
    bool ends;
};

static const struct leat_behavior dicer_behavior;

static int dicer_init(void *state, const void *arg, leat_time now)
{
    struct dicer *self = state;
    (void)arg;
    (void)now;
    CHECK_EQ(self->left + self->deadline, 0);
    self->deadline = LEAT_NEVER;
    self->left = dice(3);
    note_ref(leat_self(state));
    note_call(state, CALL_INIT);
    world.born++;
    if (dice(12) == 0) {
        note_call(state, CALL_END); /* no fini */
        world.ended++;
        return -EIO;
    }
    return 0;
}

static void dicer_on_event(void *state, const struct leat_event *event)
{
    struct dicer *self = state;
    CHECK_EQ(self->left, 0);
    note_call(state, event->kind == LEAT_EVENT_DEADLINE ? CALL_TICK : CALL_INPUT);
    self->ends = event->kind == LEAT_EVENT_SHUTDOWN && dice(4) > 0;
    self->deadline = LEAT_NEVER;
    if (world.busy > 0) {
        world.busy--;
        self->left = dice(20) == 0 ? 150 : dice(4); /* now and then with pauses */
        leat_time at = event->now + dice(3) * LEAT_MS;
        self->deadline = dice(3) == 0 ? at - (at > 0) * dice(2) : LEAT_NEVER; /* or past */
    }
}

static leat_ref any_ref(void)
{
    return dice(3) == 0 ? world.groups[dice(GROUPS)].ref : world.refs[dice(world.refs_len)];
}

static void dicer_output(struct leat_output *ret)
{
    static const uint8_t bytes[LEAT_INLINE_MAX];
    uint32_t what = dice(60);
    if (what < 4) {
        leat_output_spawn_member(ret, what < 3 ? world.groups[dice(GROUPS)].ref : any_ref(), bytes,
                                 dice(2) * 40, 0);
    } else if (what == 4 && world.born < REFS_MAX) {
        leat_output_spawn(ret, &dicer_behavior, NULL, 0, 0);
        ret->spawn.worker = (int)dice(2);
    } else if (what < 7) {
        leat_output_monitor(ret, any_ref(), 0);
    } else if (what == 7) {
        leat_output_stop(ret);
        ret->to = dice(2) == 0 ? world.refs[dice(world.refs_len)] : LEAT_REF_NONE;
    } else if (what == 8 && dice(3) == 0) {
        leat_output_fail(ret, -EIO);
    } else if (what == 9) {
        leat_kill(world.controller, world.refs[dice(world.refs_len)]);
        leat_output_send(ret, LEAT_REF_NONE, 0, NULL, 0);
    } else {
        leat_output_send(ret, any_ref(), 1, bytes, dice(2) == 0 ? 4 : LEAT_INLINE_MAX);
        ret->full = dice(2) == 0 ? LEAT_FULL_REFUSE : LEAT_FULL_WAIT;
    }
}

static bool dicer_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct dicer *self = state;
    (void)now;
    if (self->left == 0 && !self->ends) {
        return false;
    }
    note_call(state, CALL_OUTPUT);
    if (self->left == 0) {
        leat_output_stop(ret);
        return true;
    }
    self->left--;
    dicer_output(ret);
    return true;
}

static leat_time dicer_deadline(const void *state)
{
    return ((const struct dicer *)state)->deadline;
}

static void dicer_fini(void *state)
{
    note_call(state, CALL_END);
    world.ended++;
}

#define DICER(its_name, its_len_max)                                                               \
    {                                                                                              \
        .name = (its_name), .state_size = sizeof(struct dicer), .mailbox_len_max = (its_len_max),  \
        .init = dicer_init, .on_event = dicer_on_event, .pop_output = dicer_pop_output,            \
        .deadline = dicer_deadline, .fini = dicer_fini,                                            \
    }

static const struct leat_behavior dicer_behavior = DICER("dicer", 2);
static const struct leat_behavior crew_behavior = DICER("crew", 8);

/* ---- a group's traces ---- */

static const struct row *row_of(uint8_t from, uint8_t to)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (table[i].from == from && table[i].to == to) {
            return &table[i];
        }
    }
    return NULL;
}

/* Whether the transition is what the next call implies; only those that a member has a part in. */
static bool fits_call(const struct leat_trace *trace, const struct called *called)
{
    bool fits = trace->to == TM                       ? called->call == CALL_TICK
                : trace->to == IM                     ? called->call == CALL_INPUT ||
                                                          called->call == CALL_INIT
                : trace->to == TP || trace->to == IP ? called->call == CALL_OUTPUT
                                                     : called->call == CALL_END;
    return fits && leat_ref_equal(trace->member, called->member);
}

static bool follows_table(const struct crew *crew)
{
    uint8_t state = C;
    size_t at = 0;
    struct leat_trace given = {0}; /* the last member that was given an input since Waiting */
    for (size_t i = 0; i < world.traces_len; i++) {
        const struct leat_trace *trace = &world.traces[i];
        if (!leat_ref_equal(trace->actor, crew->ref)) {
            continue;
        }
        bool is_members = !leat_ref_equal(trace->member, LEAT_REF_NONE);
        bool fits = trace->from == state && trace->behavior == &crew_behavior;
        if (is_members) {
            fits = fits && at < crew->calls_len && fits_call(trace, &crew->calls[at]);
            at++;
        }
        if (trace->to == IM && given.to == IM) { /* an input for all goes on */
            fits = fits && trace->kind == given.kind && trace->message == given.message &&
                   !leat_ref_equal(trace->member, given.member);
        }
        given = trace->to == IM ? *trace : trace->to == W ? (struct leat_trace){0} : given;
        if (trace->to != S) {
            const struct row *row = row_of(trace->from, trace->to);
            fits = fits && row != NULL;
            world.rows[row != NULL ? row - table : 0]++;
            state = trace->to;
        } else if (!is_members) {
            state = S;
        }
        if (!fits) {
            fprintf(stderr, "trace %zu: in state %d came %d -> %d of member %llx, kind %d\n", i, state,
                    trace->from, trace->to, (unsigned long long)trace->member.id, trace->kind);
            return false;
        }
    }
    return at == crew->calls_len && state == S;
}

/* Every message that was given comes from the latest output of its number. */
static void check_letters(void)
{
    leat_ref controller = leat_controller_ref(world.controller);
    for (size_t i = 0; i < world.traces_len; i++) {
        const struct leat_trace *given = &world.traces[i];
        bool is_input = given->to == IM || (given->to == I && given->behavior == &dicer_behavior);
        if (!is_input || given->kind != LEAT_EVENT_MESSAGE || leat_ref_equal(given->peer, controller)) {
            CHECK(is_input || given->to == LEAT_STATE_POP_OUTPUT || given->to == TP ||
                  given->to == IP || given->message == 0);
            continue;
        }
        size_t at = i;
        while (at > 0 && (world.traces[at].kind != LEAT_OUTPUT_SEND ||
                          world.traces[at].message != given->message ||
                          world.traces[at].to == IM || world.traces[at].to == I)) {
            at--;
        }
        const struct leat_trace *sent = &world.traces[at];
        CHECK(sent->message == given->message && given->message != 0);
        CHECK(leat_ref_equal(given->peer, sent->member.id != 0 ? sent->member : sent->actor));
        CHECK(leat_ref_equal(sent->peer, given->actor) || leat_ref_equal(sent->peer, given->member));
        world.letters++;
    }
}

/* ---- the crowd ---- */

static void world_run(struct rig *rig, uint64_t seed)
{
    world.random = seed;
    world.busy = 2500;
    world.controller = rig->controller;
    for (uint32_t i = 0; i < GROUPS; i++) {
        CHECK_EQ(leat_spawn_group(rig->controller, &crew_behavior, 6, (int)i % 2,
                                  &world.groups[i].ref), 0);
        note_ref(leat_controller_ref(rig->controller));
    }
    for (int i = 0; i < 6; i++) {
        leat_spawn(rig->controller, &dicer_behavior, NULL, 0, i % 2, NULL);
    }
    rig_run(rig, 0);
    for (int i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < GROUPS; k++) {
            leat_spawn_member(rig->controller, world.groups[k].ref, NULL, 0, k);
        }
        leat_broadcast(rig->controller, LEAT_WORKER_ALL, NULL, 1, NULL, 0);
        rig_run(rig, dice(5) * LEAT_MS);
        uint32_t k = dice(GROUPS);
        if (dice(10) == 0 && dice(2) == 0) {
            leat_stop(rig->controller, world.groups[k].ref);
        } else if (i == 40) {
            leat_kill(rig->controller, world.groups[k].ref);
        }
    }
}

static void world_close(void)
{
    for (uint32_t i = 0; i < GROUPS; i++) {
        free(world.groups[i].calls);
    }
    free(world.traces);
    memset(&world, 0, sizeof(world));
}

TEST(group_trace, a_crowd_follows_the_table)
{
    size_t rows[ROWS] = {0};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        struct leat_config config = rig_config();
        config.workers = 2;
        config.seed = seed;
        config.send_wait_ns = 2 * LEAT_MS;
        config.trace = note_trace;
        config.trace_context = &world;
        rig_open(&rig, &config);
        world_run(&rig, seed);
        check_letters();
        rig_close(&rig);
        for (uint32_t i = 0; i < GROUPS; i++) {
            bool well = follows_table(&world.groups[i]);
            if (!well) {
                fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
            }
            CHECK(well);
        }
        CHECK_EQ(world.born, world.ended);
        CHECK(world.letters > 100);
        for (size_t i = 0; i < ROWS; i++) {
            rows[i] += world.rows[i];
        }
        world_close();
    }
    for (size_t i = 0; i < ROWS; i++) {
        CHECK(rows[i] > 0);
    }
}

/* The same seed, the same run. */
TEST(group_trace, a_crowd_replays)
{
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        struct leat_config config = rig_config();
        config.workers = 2;
        config.seed = 5;
        rig_open(&rig, &config);
        world_run(&rig, 5);
        hashes[i] = leat_sim_hash(rig.runtime);
        rig_close(&rig);
        world_close();
    }
    CHECK_EQ(hashes[0], hashes[1]);
    CHECK(hashes[0] != 0);
}

/* ---- single cases, written out ---- */

struct expected {
    uint8_t from, to;
    int member; /* -1: none */
};

static void check_traces(leat_ref group, const struct puppet *members,
                         const struct expected *expected, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < world.traces_len; i++) {
        const struct leat_trace *trace = &world.traces[i];
        if (!leat_ref_equal(trace->actor, group)) {
            continue;
        }
        CHECK(at < len);
        if (at < len) {
            leat_ref member =
                expected[at].member >= 0 ? members[expected[at].member].ref : LEAT_REF_NONE;
            CHECK_EQ(trace->from, expected[at].from);
            CHECK_EQ(trace->to, expected[at].to);
            CHECK(leat_ref_equal(trace->member, member));
        }
        at++;
    }
    CHECK_EQ(at, len);
}

static void open_traced(struct rig *rig, leat_ref *group, struct puppet *members, uint32_t len)
{
    struct leat_config config = rig_config();
    config.trace = note_trace;
    config.trace_context = &world;
    rig_open(rig, &config);
    CHECK_EQ(leat_spawn_group(rig->controller, &puppet_behavior, 4, 0, group), 0);
    for (uint32_t i = 0; i < len; i++) {
        struct puppet *arg = &members[i];
        CHECK_EQ(leat_spawn_member(rig->controller, *group, &arg, sizeof(arg), 0), 0);
    }
    rig_run(rig, 0);
}

TEST(group_trace, a_quiet_life)
{
    static const struct expected expected[] = {
        {C, W, -1},
        {W, I, -1}, {I, IM, 0}, {IM, W, -1},                            /* born */
        {W, I, -1}, {I, IM, 1}, {IM, IP, 1}, {IP, W, -1},               /* with an output */
        {W, I, -1}, {I, IM, 0}, {IM, I, -1}, {I, IM, 1}, {IM, W, -1},   /* for all */
        {W, T, -1}, {T, TM, 0}, {TM, TP, 0}, {TP, T, -1}, {T, TM, 1}, {TM, T, -1}, {T, W, -1},
        {W, S, 0},                                                      /* killed */
        {W, I, -1}, {I, IM, 1}, {IM, IP, 1}, {IP, S, 1}, {IP, S, -1},   /* shutdown */
    };
    struct rig rig;
    struct puppet members[2] = {{0}};
    leat_ref group;
    puppet_send(&members[1], LEAT_REF_NONE, 1, 1);
    open_traced(&rig, &group, members, 2);
    members[0].deadline = 1 * LEAT_MS;
    members[1].deadline = 1 * LEAT_MS;
    leat_send(rig.controller, group, 1, NULL, 0);
    rig_run(&rig, 0);
    puppet_send(&members[0], LEAT_REF_NONE, 1, 1);
    members[0].deadline = 0;
    members[1].deadline = 0;
    rig_run(&rig, LEAT_MS);
    leat_kill(rig.controller, members[0].ref);
    rig_run(&rig, 0);
    rig_close(&rig);
    check_traces(group, members, expected, sizeof(expected) / sizeof(expected[0]));
    world_close();
    puppet_free(&members[0]);
    puppet_free(&members[1]);
}

static void kill_next(struct puppet *self, const struct leat_event *event)
{
    struct puppet *next = self->context;
    (void)event;
    leat_kill(world.controller, next->ref);
    for (int i = 0; i < 70; i++) { /* gives way once */
        puppet_send(self, LEAT_REF_NONE, 1, 0);
    }
    self->on_event = NULL;
}

/* The last member that was left is killed while the walk pauses: then it was the last one all the
 * time. */
TEST(group_trace, who_is_killed_in_a_pause_is_in_no_transition)
{
    struct expected expected[12 + 64 + 1 + 6 + 2] = {
        {C, W, -1}, {W, I, -1}, {I, IM, 0}, {IM, W, -1}, {W, I, -1}, {I, IM, 1}, {IM, W, -1},
        {W, I, -1}, {I, IM, 0}, {IM, IP, 0},
    };
    struct rig rig;
    struct puppet members[2] = {{0}};
    leat_ref group;
    open_traced(&rig, &group, members, 2);
    world.controller = rig.controller;
    members[0].on_event = kill_next;
    members[0].context = &members[1];
    leat_send(rig.controller, group, 1, NULL, 0);
    rig_run(&rig, 0);
    CHECK_EQ(members[1].seen_len, 0);
    leat_kill(rig.controller, group);
    rig_close(&rig);
    size_t len = 10;
    for (int i = 1; i < 70; i++) {
        if (i == 64) {
            expected[len++] = (struct expected){IP, S, 1};
        }
        expected[len++] = (struct expected){IP, IP, 0};
    }
    expected[len++] = (struct expected){IP, W, -1};
    expected[len++] = (struct expected){W, S, 0};
    expected[len++] = (struct expected){W, S, -1};
    check_traces(group, members, expected, len);
    world_close();
    puppet_free(&members[0]);
    puppet_free(&members[1]);
}
