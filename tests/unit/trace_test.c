/* The transitions that config.trace reports, held against the table of a single actor's states: each
 * one is in it, and the whole sequence is the one that the calls of the actor's functions imply. */
#include "helpers.h"
#include "sched.h"

/* ---- the table ---- */

enum on {
    ON_ATTACHED, /* init went well */
    ON_DEADLINE,
    ON_ITEM, /* I/O, a message */
    ON_OUTPUT,
    ON_NONE, /* no output */
    ON_END,
};

static const struct row {
    enum leat_actor_state state;
    enum on on;
    enum leat_actor_state next;
} table[] = {
    {LEAT_STATE_CREATED, ON_NONE, LEAT_STATE_WAITING}, /* attached to a worker */
    {LEAT_STATE_CREATED, ON_OUTPUT, LEAT_STATE_POP_OUTPUT},
    {LEAT_STATE_WAITING, ON_DEADLINE, LEAT_STATE_ON_TICK},
    {LEAT_STATE_WAITING, ON_ITEM, LEAT_STATE_ON_INPUT},
    {LEAT_STATE_ON_TICK, ON_OUTPUT, LEAT_STATE_POP_OUTPUT},
    {LEAT_STATE_ON_TICK, ON_NONE, LEAT_STATE_WAITING},
    {LEAT_STATE_ON_INPUT, ON_OUTPUT, LEAT_STATE_POP_OUTPUT},
    {LEAT_STATE_ON_INPUT, ON_NONE, LEAT_STATE_WAITING},
    {LEAT_STATE_POP_OUTPUT, ON_OUTPUT, LEAT_STATE_POP_OUTPUT},
    {LEAT_STATE_POP_OUTPUT, ON_NONE, LEAT_STATE_WAITING},
    {LEAT_STATE_CREATED, ON_END, LEAT_STATE_STOPPED},
    {LEAT_STATE_WAITING, ON_END, LEAT_STATE_STOPPED},
    {LEAT_STATE_ON_TICK, ON_END, LEAT_STATE_STOPPED},
    {LEAT_STATE_ON_INPUT, ON_END, LEAT_STATE_STOPPED},
    {LEAT_STATE_POP_OUTPUT, ON_END, LEAT_STATE_STOPPED},
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static const struct row *row_of(enum leat_actor_state state, enum on on)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (table[i].state == state && table[i].on == on) {
            return &table[i];
        }
    }
    return NULL;
}

/* ---- what was called, and what was traced ---- */

#define ACTORS_MAX 400u

struct record {
    leat_ref ref; /* NONE: its init was never called */
    const struct leat_behavior *behavior;
    enum on *calls;
    size_t calls_len;
    bool has_ended;
};

static struct world {
    struct record actors[ACTORS_MAX];
    uint32_t actors_len;
    struct leat_trace *traces;
    size_t traces_len;
    uint64_t random;
    uint32_t busy;     /* inputs that still cause something */
    size_t rows[ROWS]; /* times each row was taken */
    leat_controller *controller;
} world;

static void note_trace(void *context, const struct leat_trace *trace)
{
    CHECK(context == &world);
    world.traces = grown(world.traces, world.traces_len, sizeof(*world.traces));
    world.traces[world.traces_len++] = *trace;
}

static void note_call(uint32_t index, enum on on)
{
    struct record *record = &world.actors[index];
    record->calls = grown(record->calls, record->calls_len, sizeof(*record->calls));
    record->calls[record->calls_len++] = on;
}

/* Whether the transitions of this actor are those that its calls imply by the table. */
static bool follows_table(uint32_t index)
{
    const struct record *record = &world.actors[index];
    enum leat_actor_state state = LEAT_STATE_CREATED;
    size_t at = 0;
    for (size_t i = 0; i < world.traces_len; i++) {
        const struct leat_trace *trace = &world.traces[i];
        if (!leat_ref_equal(trace->actor, record->ref)) {
            continue;
        }
        bool is_end = trace->to == LEAT_STATE_STOPPED;
        enum on on = is_end || at == record->calls_len ? ON_END : record->calls[at++];
        const struct row *row = row_of(state, on);
        if (row == NULL || trace->from != row->state || trace->to != row->next ||
            trace->behavior != record->behavior) {
            fprintf(stderr, "actor %u: in state %d on %d came %d -> %d\n", index, (int)state,
                    (int)on, trace->from, trace->to);
            return false;
        }
        world.rows[row - table]++;
        state = row->next;
    }
    return at == record->calls_len && (state == LEAT_STATE_STOPPED) == record->has_ended;
}

static void world_close(void)
{
    for (uint32_t i = 0; i < world.actors_len; i++) {
        free(world.actors[i].calls);
    }
    free(world.traces);
    memset(&world, 0, sizeof(world));
}

/* ---- an actor that does anything, by chance ---- */

struct dicer {
    uint32_t index;
    uint32_t left; /* outputs of this drain */
    leat_time deadline;
    bool ends;
};

static const struct leat_behavior dicer_behavior, dicer_box_of_2;

static uint32_t dice(uint32_t n)
{
    return random_below(&world.random, n);
}

static leat_ref any_ref(void)
{
    return world.actors[dice(world.actors_len)].ref;
}

static int dicer_init(void *state, const void *arg, leat_time now)
{
    struct dicer *self = state;
    (void)now;
    memcpy(&self->index, arg, sizeof(self->index));
    world.actors[self->index].ref = leat_self(self);
    self->deadline = LEAT_NEVER;
    self->left = dice(3);
    if (dice(12) == 0) {
        world.actors[self->index].has_ended = true;
        return -EIO; /* no fini */
    }
    return 0;
}

static void dicer_on_event(void *state, const struct leat_event *event)
{
    struct dicer *self = state;
    note_call(self->index, event->kind == LEAT_EVENT_DEADLINE ? ON_DEADLINE : ON_ITEM);
    self->ends = event->kind == LEAT_EVENT_SHUTDOWN && dice(4) > 0;
    self->deadline = LEAT_NEVER;
    self->left = 0;
    if (world.busy > 0) {
        world.busy--;
        self->left = dice(20) == 0 ? 150 : dice(5); /* now and then with pauses */
        self->deadline = dice(3) == 0 ? event->now + dice(3) * LEAT_MS : LEAT_NEVER;
    }
}

static uint32_t record_new(const struct leat_behavior *behavior)
{
    world.actors[world.actors_len].behavior = behavior;
    return world.actors_len++;
}

static void dicer_spawn(struct leat_output *out)
{
    static uint32_t index;
    const struct leat_behavior *child = dice(2) == 0 ? &dicer_behavior : &dicer_box_of_2;
    index = record_new(child);
    leat_output_spawn(out, child, &index, sizeof(index), 0);
    out->spawn.worker = (int)dice(2);
}

static bool dicer_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct dicer *self = state;
    (void)now;
    if (self->left == 0 && !self->ends) {
        note_call(self->index, ON_NONE);
        return false;
    }
    note_call(self->index, ON_OUTPUT);
    if (self->left == 0) {
        leat_output_stop(ret);
        return true;
    }
    self->left--;
    uint32_t what = dice(40);
    if (what == 0 && world.actors_len < ACTORS_MAX) {
        dicer_spawn(ret);
    } else if (what == 1) {
        leat_output_monitor(ret, any_ref(), 0);
    } else if (what == 2) {
        leat_output_stop(ret);
        ret->to = dice(2) == 0 ? any_ref() : LEAT_REF_NONE;
    } else if (what == 3 && dice(3) == 0) {
        leat_output_fail(ret, -EIO);
    } else if (what == 4) {
        leat_kill(world.controller, any_ref());
        leat_output_send(ret, LEAT_REF_NONE, 0, NULL, 0);
    } else {
        leat_output_send(ret, any_ref(), 1, NULL, 0);
        ret->full = dice(2) == 0 ? LEAT_FULL_REFUSE : LEAT_FULL_WAIT;
    }
    return true;
}

static leat_time dicer_deadline(const void *state)
{
    return ((const struct dicer *)state)->deadline;
}

static void dicer_fini(void *state)
{
    world.actors[((struct dicer *)state)->index].has_ended = true;
}

#define DICER(its_name, its_len_max)                                                               \
    {                                                                                              \
        .name = (its_name), .state_size = sizeof(struct dicer), .mailbox_len_max = (its_len_max),  \
        .init = dicer_init, .on_event = dicer_on_event, .pop_output = dicer_pop_output,            \
        .deadline = dicer_deadline, .fini = dicer_fini,                                            \
    }

static const struct leat_behavior dicer_behavior = DICER("dicer", 0);
static const struct leat_behavior dicer_box_of_2 = DICER("dicer_box_of_2", 2);

static void world_run(struct rig *rig, uint64_t seed)
{
    world.random = seed;
    world.busy = 3000;
    world.controller = rig->controller;
    for (int i = 0; i < 20; i++) {
        uint32_t index = record_new(&dicer_box_of_2);
        leat_ref ref;
        CHECK_EQ(leat_spawn(rig->controller, &dicer_box_of_2, &index, sizeof(index), i % 2, &ref),
                 0);
        if (i % 7 == 0) {
            leat_kill(rig->controller, ref); /* some never live */
        }
    }
    for (int i = 0; i < 50; i++) {
        leat_broadcast(rig->controller, LEAT_WORKER_ALL, NULL, 1, NULL, 0);
        rig_run(rig, dice(5) * LEAT_MS);
    }
}

/* Whoever was killed before its init is only in the trace: created, stopped. */
static void check_unborn(void)
{
    for (size_t i = 0; i < world.traces_len; i++) {
        const struct leat_trace *trace = &world.traces[i];
        bool known = false;
        for (uint32_t k = 0; k < world.actors_len && !known; k++) {
            known = leat_ref_equal(world.actors[k].ref, trace->actor);
        }
        CHECK(known || (trace->from == LEAT_STATE_CREATED && trace->to == LEAT_STATE_STOPPED));
    }
}

TEST(trace, a_crowd_follows_the_table)
{
    size_t rows[ROWS] = {0};
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct rig rig;
        struct leat_config config = rig_config();
        config.workers = 2;
        config.seed = seed;
        config.send_wait_ns = 2 * LEAT_MS;
        config.trace = note_trace;
        config.trace_context = &world;
        rig_open(&rig, &config);
        world_run(&rig, seed);
        rig_close(&rig);
        for (uint32_t i = 0; i < world.actors_len; i++) {
            const struct record *record = &world.actors[i];
            bool well = record->ref.id == 0 || (follows_table(i) && record->has_ended);
            if (!well) {
                fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
            }
            CHECK(well);
        }
        check_unborn();
        for (size_t i = 1; i < world.traces_len; i++) {
            CHECK(world.traces[i].now >= world.traces[i - 1].now);
        }
        for (size_t i = 0; i < ROWS; i++) {
            rows[i] += world.rows[i];
        }
        world_close();
    }
    for (size_t i = 0; i < ROWS; i++) { /* the crowd has been everywhere it can be */
        bool possible = table[i].on != ON_END || (table[i].state != LEAT_STATE_ON_TICK &&
                                                  table[i].state != LEAT_STATE_ON_INPUT);
        CHECK_EQ(rows[i] > 0, possible);
    }
}

/* ---- single cases, written out ---- */

struct expected {
    uint8_t from, to;
};

static void check_traces(leat_ref ref, const struct expected *expected, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < world.traces_len; i++) {
        const struct leat_trace *trace = &world.traces[i];
        if (leat_ref_equal(trace->actor, ref)) {
            CHECK(at < len);
            CHECK_EQ(trace->from, at < len ? expected[at].from : 0);
            CHECK_EQ(trace->to, at < len ? expected[at].to : 0);
            CHECK_EQ(trace->worker, 1);
            CHECK_STR(trace->behavior->name, "puppet");
            at++;
        }
    }
    CHECK_EQ(at, len);
}

#define C LEAT_STATE_CREATED
#define W LEAT_STATE_WAITING
#define T LEAT_STATE_ON_TICK
#define I LEAT_STATE_ON_INPUT
#define P LEAT_STATE_POP_OUTPUT
#define S LEAT_STATE_STOPPED

static void rig_open_traced(struct rig *rig)
{
    struct leat_config config = rig_config();
    config.workers = 2;
    config.trace = note_trace;
    config.trace_context = &world;
    rig_open(rig, &config);
}

TEST(trace, a_quiet_life)
{
    static const struct expected expected[] = {{C, W}, {W, I}, {I, W}, {W, T},
                                               {T, W}, {W, I}, {I, P}, {P, S}};
    struct rig rig;
    struct puppet actor = {.deadline = LEAT_MS};
    rig_open_traced(&rig);
    leat_ref ref = rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
    rig_run(&rig, 0);
    rig_poke(&rig, &actor);
    actor.deadline = 0;
    rig_run(&rig, LEAT_MS);
    rig_close(&rig);
    check_traces(ref, expected, sizeof(expected) / sizeof(expected[0]));
    CHECK_EQ(world.traces[3].now, LEAT_MS);
    world_close();
    puppet_free(&actor);
}

TEST(trace, outputs_of_init_and_an_end_by_stop)
{
    static const struct expected expected[] = {{C, P}, {P, P}, {P, W}, {W, S}};
    struct rig rig;
    struct puppet actor = {0};
    rig_open_traced(&rig);
    puppet_send(&actor, LEAT_REF_NONE, 1, 1);
    puppet_send(&actor, LEAT_REF_NONE, 1, 2);
    leat_ref ref = rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
    rig_run(&rig, 0);
    leat_stop(rig.controller, ref);
    rig_run(&rig, 0);
    rig_close(&rig);
    check_traces(ref, expected, sizeof(expected) / sizeof(expected[0]));
    world_close();
    puppet_free(&actor);
}

TEST(trace, init_fails)
{
    static const struct expected expected[] = {{C, S}};
    struct rig rig;
    struct puppet actor = {.init_status = -EIO};
    rig_open_traced(&rig);
    leat_ref ref = rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
    rig_run(&rig, 0);
    rig_close(&rig);
    check_traces(ref, expected, 1);
    world_close();
    puppet_free(&actor);
}

/* A drain that pauses twice, is parked, and is killed while it waits. */
TEST(trace, pauses_and_waits_are_no_transitions)
{
    static const struct leat_behavior box_of_1 = PUPPET_BEHAVIOR("box_of_1", 1);
    struct expected expected[2 + 151 + 1] = {{C, W}, {W, I}, {I, P}};
    struct rig rig;
    struct puppet actor = {0}, a = {0}, b = {0};
    rig_open_traced(&rig);
    leat_ref ref = rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
    rig_spawn_as(&rig, &a, &box_of_1, 1);
    rig_spawn_as(&rig, &b, &box_of_1, 1);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 2; i++) { /* these wait for each other, with full boxes */
        puppet_send(&a, b.ref, 1, 0)->full = LEAT_FULL_WAIT;
        puppet_send(&b, a.ref, 1, 0)->full = LEAT_FULL_WAIT;
    }
    rig_poke(&rig, &a);
    for (uint64_t i = 0; i < 150; i++) {
        puppet_send(&actor, LEAT_REF_NONE, 1, i);
    }
    puppet_send(&actor, a.ref, 1, 0)->full = LEAT_FULL_WAIT;
    puppet_send(&actor, LEAT_REF_NONE, 1, 0);
    rig_poke(&rig, &actor);
    CHECK_EQ(actor.popped, 151);
    CHECK_EQ(rig_stats(&rig).pauses, 2);
    CHECK_EQ(rig_stats(&rig).parks, 3);
    leat_kill(rig.controller, ref);
    rig_run(&rig, 0);
    CHECK_EQ(actor.popped, 151);
    for (size_t i = 3; i < 2 + 151; i++) {
        expected[i] = (struct expected){P, P};
    }
    expected[2 + 151] = (struct expected){P, S};
    rig_close(&rig);
    check_traces(ref, expected, 2 + 151 + 1);
    world_close();
    puppet_free(&actor);
    puppet_free(&a);
    puppet_free(&b);
}
