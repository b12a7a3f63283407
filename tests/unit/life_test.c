/* How actors come and go: spawn, init, the ways to end, monitors. Two workers in simulation. */
#include "helpers.h"
#include "sched.h"

static const struct leat_behavior box_of_2 = PUPPET_BEHAVIOR("box_of_2", 2);

static struct leat_config two_workers(void)
{
    struct leat_config config = rig_config();
    config.workers = 2;
    return config;
}

static void put_spawn(struct puppet *parent, struct puppet **child, int worker, uint64_t cookie)
{
    struct leat_output *out = puppet_put(parent);
    leat_output_spawn(out, &puppet_behavior, child, sizeof(*child), cookie);
    out->spawn.worker = worker;
}

/* ---- spawn ---- */

TEST(life, a_child_is_announced)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet parent = {0}, here = {0}, there = {0};
    struct puppet *arg_here = &here, *arg_there = &there;
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_run(&rig, 0);
    put_spawn(&parent, &arg_here, LEAT_WORKER_SAME, 11);
    put_spawn(&parent, &arg_there, 1, 22);
    rig_poke(&rig, &parent);
    REQUIRE(puppet_count(&parent, LEAT_EVENT_SPAWNED) == 2);
    for (size_t i = 0; i < 2; i++) {
        struct leat_event event = puppet_nth(&parent, LEAT_EVENT_SPAWNED, i);
        const struct puppet *child = event.spawned.cookie == 11 ? &here : &there;
        CHECK_EQ(event.status, 0);
        CHECK(event.spawned.cookie == 11 || event.spawned.cookie == 22);
        CHECK(leat_ref_equal(event.spawned.child, child->ref));
        CHECK_EQ(child->inits, 1);
    }
    rig_close(&rig);
    CHECK_EQ(here.finis, 1);
    CHECK_EQ(there.finis, 1);
    puppet_free(&parent);
    puppet_free(&here);
    puppet_free(&there);
}

TEST(life, a_failed_init_is_told_to_the_parent)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet parent = {0}, child = {.init_status = -EPERM};
    struct puppet *arg = &child;
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_run(&rig, 0);
    for (int worker = 0; worker < 2; worker++) {
        put_spawn(&parent, &arg, worker, 33);
        rig_poke(&rig, &parent);
        REQUIRE(puppet_count(&parent, LEAT_EVENT_SPAWNED) == (size_t)worker + 1);
        struct leat_event event = puppet_nth(&parent, LEAT_EVENT_SPAWNED, (size_t)worker);
        CHECK_EQ(event.status, -EPERM);
        CHECK_EQ(event.spawned.cookie, 33);
        CHECK(leat_ref_equal(event.spawned.child, LEAT_REF_NONE));
    }
    CHECK_EQ(child.inits, 2);
    CHECK_EQ(child.finis, 0);
    CHECK_EQ(child.popped, 0);
    CHECK_EQ(rig_stats(&rig).failed, 2);
    CHECK_EQ(rig_stats(&rig).actors, 1);
    rig_close(&rig);
    puppet_free(&parent);
    child.violations = 0;
    puppet_free(&child);
}

TEST(life, a_failed_init_is_told_to_the_controller)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet child = {.init_status = -ENODEV};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &child);
    CHECK_EQ(leat_send(rig.controller, ref, 1, NULL, 0), 0); /* waits in vain */
    rig_run(&rig, 0);
    CHECK_EQ(rig.got_len, 1);
    struct leat_event event = rig_last(&rig);
    CHECK_EQ(event.kind, LEAT_EVENT_DOWN);
    CHECK_EQ(event.status, -ENODEV);
    CHECK(leat_ref_equal(event.from, ref));
    CHECK_EQ(child.finis, 0);
    CHECK_EQ(child.seen_len, 0);
    CHECK_EQ(rig_stats(&rig).dead_letters, 1);
    rig_close(&rig);
    puppet_free(&child);
}

TEST(life, messages_before_init_wait)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_EQ(leat_send(rig.controller, ref, 1, &i, sizeof(i)), 0);
    }
    CHECK_EQ(actor.inits, 0);
    rig_run(&rig, 0);
    CHECK_EQ(actor.inits, 1);
    CHECK_EQ(actor.seen_len, 5);
    for (size_t i = 0; i < actor.seen_len; i++) {
        CHECK_EQ(event_value(&actor.seen[i]), i);
    }
    rig_close(&rig);
    puppet_free(&actor);
}

/* ---- what init is given ---- */

struct argument {
    const void *at;
    uint8_t bytes[1024];
    uint32_t size; /* expected; SIZE_NONE: NULL */
    bool is_right;
    bool is_aligned;
    bool is_zeroed;
    leat_ref self;
};

static struct argument argument; /* what the next init expects, and what it found */

static int argument_init(void *state, const void *arg, leat_time now)
{
    const uint8_t *bytes = state;
    (void)now;
    argument.is_right =
        argument.size == 0 ? arg == NULL : memcmp(arg, argument.bytes, argument.size) == 0;
    argument.is_aligned = (uintptr_t)state % 16 == 0 && (uintptr_t)arg % 8 == 0;
    argument.is_zeroed = true;
    for (size_t i = 0; i < 1000; i++) {
        argument.is_zeroed = argument.is_zeroed && bytes[i] == 0;
    }
    memset(state, 0xff, 1000);
    argument.self = leat_self(state);
    return 0;
}

static void ignore(void *state, const struct leat_event *event)
{
    (void)state;
    (void)event;
}

static const struct leat_behavior argument_behavior = {
    .name = "argument", .state_size = 1000, .init = argument_init, .on_event = ignore};

TEST(life, an_argument_of_any_size_is_copied)
{
    static const uint32_t sizes[] = {0, 1, 8, 31, 32, 33, 40, 1024};
    struct rig rig;
    struct leat_config config = two_workers();
    rig_open(&rig, &config);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t bytes[1024];
        memset(bytes, (int)i + 1, sizeof(bytes));
        argument = (struct argument){.size = sizes[i]};
        memcpy(argument.bytes, bytes, sizeof(bytes));
        leat_ref ref;
        CHECK_EQ(leat_spawn(rig.controller, &argument_behavior, sizes[i] > 0 ? bytes : NULL,
                            sizes[i], (int)i % 2, &ref),
                 0);
        memset(bytes, 0, sizeof(bytes)); /* a copy was taken */
        rig_run(&rig, 0);
        CHECK(argument.is_right);
        CHECK(argument.is_aligned);
        CHECK(argument.is_zeroed);
        CHECK(leat_ref_equal(argument.self, ref));
        CHECK_EQ(leat_kill(rig.controller, ref), 0);
        rig_run(&rig, 0);
    }
    rig_close(&rig);
}

TEST(life, placement)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet parent = {0}, children[9] = {{0}};
    struct puppet *args[9];
    struct leat_worker_stats stats[3];
    config.workers = 3;
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &parent, &puppet_behavior, 1);
    rig_run(&rig, 0);
    for (size_t i = 0; i < 9; i++) {
        args[i] = &children[i];
    }
    put_spawn(&parent, &args[0], LEAT_WORKER_SAME, 0);
    put_spawn(&parent, &args[1], 2, 0);
    put_spawn(&parent, &args[2], 3, 0);
    put_spawn(&parent, &args[2], -7, 0);
    rig_poke(&rig, &parent);
    leat_stats_workers(rig.runtime, stats, 3);
    CHECK_EQ(stats[0].actors, 0);
    CHECK_EQ(stats[1].actors, 2);
    CHECK_EQ(stats[2].actors, 1);
    CHECK_EQ(parent.refusals_len, 2);
    CHECK_EQ(parent.refusals[0].status, -EINVAL);
    CHECK_EQ(leat_spawn(rig.controller, &puppet_behavior, NULL, 0, 3, NULL), -EINVAL);
    CHECK_EQ(leat_spawn(rig.controller, NULL, NULL, 0, 0, NULL), -EINVAL);
    CHECK_EQ(leat_spawn(rig.controller, &puppet_behavior, NULL, 8, 0, NULL), -EINVAL);
    for (size_t i = 3; i < 6; i++) { /* at once: those on their way count too */
        rig_spawn_as(&rig, &children[i], &puppet_behavior, LEAT_WORKER_BEST);
    }
    rig_run(&rig, 0);
    leat_stats_workers(rig.runtime, stats, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(stats[i].actors, 2);
    }
    for (size_t i = 6; i < 9; i++) {
        put_spawn(&parent, &args[i], LEAT_WORKER_BEST, 0);
        rig_poke(&rig, &parent);
    }
    leat_stats_workers(rig.runtime, stats, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(stats[i].actors, 3);
    }
    rig_close(&rig);
    puppet_free(&parent);
    for (size_t i = 0; i < 9; i++) {
        puppet_free(&children[i]);
    }
}

TEST(life, a_child_outlives_its_parent)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet parent = {0}, here = {0}, there = {0};
    struct puppet *arg_here = &here, *arg_there = &there;
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_run(&rig, 0);
    put_spawn(&parent, &arg_here, 0, 0);
    put_spawn(&parent, &arg_there, 1, 0);
    leat_output_stop(puppet_put(&parent));
    rig_poke(&rig, &parent);
    CHECK_EQ(parent.finis, 1);
    CHECK_EQ(parent.seen_len, 1); /* SPAWNED comes too late */
    rig_poke(&rig, &here);
    rig_poke(&rig, &there);
    CHECK_EQ(here.seen_len + there.seen_len, 2);
    rig_close(&rig);
    parent.violations = 0;
    puppet_free(&parent);
    puppet_free(&here);
    puppet_free(&there);
}

/* ---- the end ---- */

static void stop_self(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == 1) {
        leat_output_stop(puppet_put(self));
        puppet_put(self)->to = self->ref; /* never asked for */
    }
}

static void check_ends(void (*end)(struct rig *, struct puppet *), int status,
                       uint64_t dead_letters)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {.on_event = stop_self};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &actor);
    CHECK_EQ(leat_monitor(rig.controller, ref, 77), 0);
    rig_run(&rig, 0);
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(10, &body), 0);
    end(&rig, &actor);
    CHECK_EQ(leat_send_body(rig.controller, ref, 2, body), 0); /* comes after it */
    rig_run(&rig, 0);
    CHECK_EQ(actor.finis, 1);
    CHECK_EQ(rig_count(&rig, LEAT_EVENT_DOWN), 1);
    CHECK_EQ(rig_last(&rig).status, status);
    CHECK_EQ(rig_last(&rig).down.cookie, 77);
    CHECK(leat_ref_equal(rig_last(&rig).from, ref));
    CHECK_EQ(rig_stats(&rig).dead_letters, dead_letters);
    CHECK_EQ(rig_stats(&rig).stopped, 1);
    CHECK_EQ(leat_stop(rig.controller, ref), -ESRCH);
    CHECK_EQ(leat_kill(rig.controller, ref), -ESRCH);
    CHECK_EQ(leat_send(rig.controller, ref, 1, NULL, 0), -ESRCH);
    rig_close(&rig);
    CHECK_EQ(actor.finis, 1);
    actor.violations = 0;
    puppet_free(&actor);
}

static void end_by_stop(struct rig *rig, struct puppet *actor)
{
    CHECK_EQ(leat_send(rig->controller, actor->ref, 1, NULL, 0), 0);
}

static void end_by_own_ref(struct rig *rig, struct puppet *actor)
{
    struct leat_output *out = puppet_put(actor);
    leat_output_stop(out);
    out->to = actor->ref;
    leat_send(rig->controller, actor->ref, POKE, NULL, 0);
}

static void end_by_fail(struct rig *rig, struct puppet *actor)
{
    leat_output_fail(puppet_put(actor), -EDOM);
    leat_send(rig->controller, actor->ref, POKE, NULL, 0);
}

static void end_by_wrong_fail(struct rig *rig, struct puppet *actor)
{
    leat_output_fail(puppet_put(actor), 5);
    leat_send(rig->controller, actor->ref, POKE, NULL, 0);
}

static void end_by_kill(struct rig *rig, struct puppet *actor)
{
    leat_send(rig->controller, actor->ref, POKE, NULL, 0); /* is overtaken */
    CHECK_EQ(leat_kill(rig->controller, actor->ref), 0);
}

static void end_by_stop_from_outside(struct rig *rig, struct puppet *actor)
{
    leat_send(rig->controller, actor->ref, 5, NULL, 0);
    CHECK_EQ(leat_stop(rig->controller, actor->ref), 0);
    CHECK_EQ(leat_stop(rig->controller, actor->ref), 0); /* once is enough */
}

TEST(life, each_way_to_end)
{
    check_ends(end_by_stop, 0, 1);
    check_ends(end_by_own_ref, 0, 1);
    check_ends(end_by_fail, -EDOM, 1);
    check_ends(end_by_wrong_fail, -ECANCELED, 1);
    check_ends(end_by_kill, -ECANCELED, 2);
    check_ends(end_by_stop_from_outside, 0, 1);
}

TEST(life, nothing_is_popped_after_stop)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    for (int i = 0; i < 3; i++) {
        leat_output_send(puppet_put(&actor), leat_controller_ref(rig.controller), 1, NULL, 0);
        leat_output_stop(puppet_put(&actor));
    }
    rig_poke(&rig, &actor);
    CHECK_EQ(actor.popped, 2);
    CHECK_EQ(rig.got_len, 1);
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(life, fail_in_the_drain_of_init)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet parent = {0}, child = {0};
    struct puppet *arg = &child;
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_run(&rig, 0);
    leat_output_fail(puppet_put(&child), -EIO);
    put_spawn(&parent, &arg, 1, 0);
    rig_poke(&rig, &parent);
    CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_SPAWNED, 0).status, 0); /* init went well */
    CHECK_EQ(child.finis, 1);
    rig_close(&rig);
    puppet_free(&parent);
    puppet_free(&child);
}

TEST(life, killed_before_init)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &actor);
    leat_send(rig.controller, ref, 1, NULL, 0);
    CHECK_EQ(leat_kill(rig.controller, ref), 0);
    rig_run(&rig, 0);
    CHECK_EQ(actor.inits, 0);
    CHECK_EQ(actor.finis, 0);
    CHECK_EQ(rig_count(&rig, LEAT_EVENT_DOWN), 1);
    CHECK_EQ(rig_last(&rig).status, -ECANCELED);
    struct leat_worker_stats stats = rig_stats(&rig);
    CHECK_EQ(stats.spawned, stats.stopped);
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(life, an_ordinary_stop_is_never_refused)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet local = {0}, remote = {0}, stopper = {0};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &local, &box_of_2, 0);
    rig_spawn_as(&rig, &remote, &box_of_2, 1);
    rig_spawn(&rig, &stopper);
    rig_run(&rig, 0);
    const struct puppet *const both[] = {&local, &remote};
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t k = 0; k < 4; k++) {
            puppet_send(&stopper, both[i]->ref, 1, k); /* two too many */
        }
        for (int k = 0; k < 3; k++) {
            struct leat_output *out = puppet_put(&stopper);
            leat_output_stop(out);
            out->to = both[i]->ref;
        }
    }
    rig_poke(&rig, &stopper);
    CHECK_EQ(stopper.refusals_len, 4);
    for (size_t i = 0; i < 2; i++) { /* ended, and had done what they were sent */
        CHECK_EQ(both[i]->seen_len, 2);
        CHECK_EQ(both[i]->finis, 1);
    }
    rig_close(&rig);
    puppet_free(&local);
    puppet_free(&remote);
    puppet_free(&stopper);
}

TEST(life, stops_do_not_pile_up)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &actor);
    for (int i = 0; i < 5000; i++) {
        CHECK_EQ(leat_stop(rig.controller, ref), 0);
    }
    CHECK(rig.runtime->pools.at[LEAT_WORKERS_MAX]->nodes_len <= 4); /* the controller's */
    rig_run(&rig, 0);
    CHECK_EQ(actor.finis, 1);
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(life, a_stale_ref_never_reaches_the_successor)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet parent = {0}, actor = {0};
    struct puppet *arg = &actor;
    leat_ref stale[100];
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_run(&rig, 0);
    for (size_t i = 0; i < 100; i++) {
        put_spawn(&parent, &arg, LEAT_WORKER_SAME, 0); /* takes the slot freed last */
        rig_poke(&rig, &parent);
        stale[i] = actor.ref;
        for (size_t k = 0; k < i; k++) {
            CHECK_EQ((uint32_t)stale[k].id, (uint32_t)stale[i].id);
            CHECK(!leat_ref_equal(stale[k], stale[i]));
            CHECK_EQ(leat_send(rig.controller, stale[k], 1, NULL, 0), -ESRCH);
            puppet_send(&parent, stale[k], 1, 0);
        }
        rig_poke(&rig, &parent);
        CHECK_EQ(leat_stop(rig.controller, stale[i]), 0);
        rig_run(&rig, 0);
    }
    CHECK_EQ(actor.seen_len, 0);
    CHECK_EQ(actor.finis, 100);
    CHECK_EQ(rig_stats(&rig).dead_letters, 100 * 99);
    rig_close(&rig);
    puppet_free(&parent);
    actor.violations = 0;
    puppet_free(&actor);
}

/* ---- monitors ---- */

TEST(life, down_comes_after_everything_the_dead_actor_sent)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0}, watchers[2] = {{0}};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    for (size_t i = 0; i < 2; i++) {
        rig_spawn_as(&rig, &watchers[i], &puppet_behavior, (int)i);
    }
    rig_run(&rig, 0);
    for (size_t i = 0; i < 2; i++) {
        leat_output_monitor(puppet_put(&watchers[i]), actor.ref, 10 + i);
        rig_poke(&rig, &watchers[i]);
    }
    CHECK_EQ(leat_monitor(rig.controller, actor.ref, 12), 0);
    rig_run(&rig, 0);
    for (uint64_t k = 0; k < 100; k++) {
        puppet_send(&actor, watchers[0].ref, 1, k);
        puppet_send(&actor, watchers[1].ref, 1, k);
        puppet_send(&actor, leat_controller_ref(rig.controller), 1, k);
    }
    leat_output_fail(puppet_put(&actor), -EIO);
    rig_poke(&rig, &actor);
    for (size_t i = 0; i < 3; i++) {
        const struct leat_event *seen = i < 2 ? watchers[i].seen + 1 : rig.got;
        CHECK_EQ(i < 2 ? watchers[i].seen_len - 1 : rig.got_len, 101);
        for (size_t k = 0; k < 100; k++) {
            CHECK_EQ(event_value(&seen[k]), k);
        }
        CHECK_EQ(seen[100].kind, LEAT_EVENT_DOWN);
        CHECK_EQ(seen[100].status, -EIO);
        CHECK_EQ(seen[100].down.cookie, 10 + i);
        CHECK(leat_ref_equal(seen[100].from, actor.ref));
    }
    rig_close(&rig);
    puppet_free(&actor);
    for (size_t i = 0; i < 2; i++) { /* exactly once */
        CHECK_EQ(puppet_count(&watchers[i], LEAT_EVENT_DOWN), 1);
        puppet_free(&watchers[i]);
    }
}

TEST(life, a_monitor_of_the_dead_answers_at_once)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0}, watcher = {0};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &actor);
    rig_spawn(&rig, &watcher);
    leat_stop(rig.controller, ref);
    rig_run(&rig, 0);
    CHECK_EQ(leat_monitor(rig.controller, ref, 5), 0);
    CHECK_EQ(leat_monitor(rig.controller, LEAT_REF_NONE, 6), 0);
    leat_output_monitor(puppet_put(&watcher), ref, 7);
    rig_poke(&rig, &watcher);
    CHECK_EQ(rig.got_len, 2);
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(rig.got[i].kind, LEAT_EVENT_DOWN);
        CHECK_EQ(rig.got[i].status, -ESRCH);
        CHECK_EQ(rig.got[i].down.cookie, 5 + i);
    }
    struct leat_event event = puppet_nth(&watcher, LEAT_EVENT_DOWN, 0);
    CHECK_EQ(event.status, -ESRCH);
    CHECK_EQ(event.down.cookie, 7);
    CHECK(leat_ref_equal(event.from, ref));
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&watcher);
}

TEST(life, a_monitor_needs_room)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0}, watcher = {0};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &actor, &box_of_2, 0);
    rig_spawn(&rig, &watcher);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 2; i++) {
        puppet_send(&watcher, actor.ref, 1, i);
    }
    leat_output_monitor(puppet_put(&watcher), actor.ref, 7);
    rig_poke(&rig, &watcher);
    REQUIRE(watcher.refusals_len == 1);
    CHECK_EQ(watcher.refusals[0].status, -EAGAIN);
    CHECK_EQ(watcher.refusals[0].output.kind, LEAT_OUTPUT_MONITOR);
    CHECK_EQ(watcher.refusals[0].output.cookie, 7);
    CHECK(leat_ref_equal(watcher.refusals[0].output.to, actor.ref));
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&watcher);
}

/* Watchers that come and go do not pile up at an actor that stays. */
TEST(life, dead_watchers_are_forgotten)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0}, watchers[8] = {{0}};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    const struct cell *cell = registry_cell(&rig.runtime->registry, ref);
    for (size_t round = 0; round < 100; round++) {
        for (size_t i = 0; i < 8; i++) {
            leat_output_monitor(puppet_put(&watchers[i]), ref, i);
            rig_spawn_as(&rig, &watchers[i], &puppet_behavior, (int)i % 2);
        }
        rig_run(&rig, 0);
        CHECK(cell->monitors.len >= 8);
        CHECK(cell->monitors.len <= 2 * 8 + 8 + 1);
        for (size_t i = 0; i < 8; i++) {
            leat_stop(rig.controller, watchers[i].ref);
        }
        rig_run(&rig, 0);
    }
    rig_close(&rig);
    for (size_t i = 0; i < 8; i++) {
        CHECK_EQ(puppet_count(&watchers[i], LEAT_EVENT_DOWN), 0);
        watchers[i].violations = 0;
        puppet_free(&watchers[i]);
    }
    puppet_free(&actor);
}

TEST(life, an_actor_may_monitor_itself_and_a_controller)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet actor = {0}, watcher = {0};
    leat_controller *controller;
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_spawn_as(&rig, &watcher, &puppet_behavior, 1);
    rig_run(&rig, 0);
    leat_output_monitor(puppet_put(&actor), actor.ref, 1);
    rig_poke(&rig, &actor);
    leat_kill(rig.controller, actor.ref);
    CHECK_EQ(leat_controller_open(rig.runtime, &controller), 0);
    leat_output_monitor(puppet_put(&watcher), leat_controller_ref(controller), 2);
    rig_poke(&rig, &watcher);
    struct leat_event event;
    CHECK_EQ(leat_receive(controller, 0, &event), -ETIMEDOUT);
    leat_controller_close(controller);
    rig_run(&rig, 0);
    CHECK_EQ(actor.finis, 1);
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_DOWN), 0);
    CHECK_EQ(puppet_nth(&watcher, LEAT_EVENT_DOWN, 0).down.cookie, 2);
    CHECK_EQ(puppet_nth(&watcher, LEAT_EVENT_DOWN, 0).status, 0);
    rig_close(&rig);
    puppet_free(&actor);
    puppet_free(&watcher);
}

/* ---- shutdown ---- */

static void spawn_one_more(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        put_spawn(self, self->context, 1, 1);
    }
}

TEST(life, shutdown_reaches_everybody_once)
{
    struct rig rig;
    struct leat_config config = two_workers();
    struct puppet late = {0};
    struct puppet *arg = &late;
    struct puppet actors[6] = {{0}};
    struct puppet parent = {.on_event = spawn_one_more, .context = &arg};
    struct puppet stubborn = {.stays = true};
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_spawn_as(&rig, &stubborn, &puppet_behavior, 1);
    for (size_t i = 0; i < 6; i++) {
        rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)i % 2);
    }
    rig_run(&rig, 0);
    leat_time before = leat_controller_now(rig.controller);
    rig_close(&rig);
    for (size_t i = 0; i < 6; i++) {
        CHECK_EQ(actors[i].seen_len, 1);
        CHECK_EQ(actors[i].seen[0].kind, LEAT_EVENT_SHUTDOWN);
        CHECK(actors[i].seen[0].now <= before + 10 * LEAT_MS);
        CHECK_EQ(actors[i].finis, 1);
        puppet_free(&actors[i]);
    }
    CHECK_EQ(stubborn.seen_len, 1);
    CHECK_EQ(stubborn.finis, 1); /* by force */
    CHECK_EQ(late.inits, 1);
    CHECK_EQ(puppet_count(&late, LEAT_EVENT_SHUTDOWN), 1);
    CHECK_EQ(late.finis, 1);
    puppet_free(&parent);
    puppet_free(&stubborn);
    puppet_free(&late);
}
