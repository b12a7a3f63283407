/* Controllers: the doors for threads outside. What is about order and errors runs in simulation, what
 * is about several threads at once with threads. */
#include <poll.h>

#include "helpers.h"
#include "sched.h"

static const struct leat_behavior box_of_4 = PUPPET_BEHAVIOR("box_of_4", 4);
static const struct leat_behavior other_behavior = PUPPET_BEHAVIOR("other", 0);

/* Answers each message to its sender. */
static void echo_event(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE) {
        puppet_send(self, event->from, event->type, event_value(event));
    }
}

static leat_slice body_of(uint32_t len)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(len, &body), 0);
    memset(leat_slice_data(body), 7, len);
    return body;
}

/* ---- errors ---- */

TEST(controller, what_send_refuses)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    uint8_t bytes[LEAT_INLINE_MAX + 1] = {0};
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn_as(&rig, &actor, &box_of_4, 0);
    rig_run(&rig, 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(leat_send(rig.controller, ref, 1, bytes, LEAT_INLINE_MAX), 0);
    }
    leat_slice body = body_of(100);
    CHECK_EQ(leat_send(rig.controller, ref, 1, NULL, 0), -EAGAIN);
    CHECK_EQ(leat_send_body(rig.controller, ref, 1, body), -EAGAIN);
    CHECK_EQ(leat_monitor(rig.controller, ref, 1), -EAGAIN);
    CHECK_EQ(leat_send(rig.controller, ref, 1, bytes, sizeof(bytes)), -EMSGSIZE);
    CHECK_EQ(leat_broadcast(rig.controller, 0, NULL, 1, bytes, sizeof(bytes)), -EMSGSIZE);
    CHECK_EQ(leat_send_body(rig.controller, LEAT_REF_NONE, 1, body), -ESRCH);
    CHECK(leat_buf_is_sole(body.buf)); /* still the caller's */
    leat_buf_unref(body.buf);
    rig_run(&rig, 0);
    CHECK_EQ(actor.seen_len, 4);
    struct leat_worker_stats stats;
    leat_stats_controllers(rig.runtime, &stats);
    CHECK_EQ(stats.sent, 4 + 2 + 1);
    CHECK_EQ(stats.refused, 2);
    CHECK_EQ(stats.dead_letters, 1);
    CHECK_EQ(stats.delivered, 0);
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(controller, only_so_many)
{
    struct rig rig;
    struct leat_config config = rig_config();
    leat_controller *all[LEAT_CONTROLLERS_MAX];
    rig_open(&rig, &config);
    for (size_t i = 1; i < LEAT_CONTROLLERS_MAX; i++) {
        CHECK_EQ(leat_controller_open(rig.runtime, &all[i]), 0);
    }
    leat_controller *extra = NULL;
    CHECK_EQ(leat_controller_open(rig.runtime, &extra), -EMFILE);
    CHECK(extra == NULL);
    CHECK(lines_have(&rig.lines, "128 are open"));
    leat_controller_close(all[64]);
    CHECK_EQ(leat_controller_open(rig.runtime, &all[64]), 0);
    for (size_t i = 1; i < LEAT_CONTROLLERS_MAX; i++) {
        leat_controller_close(all[i]);
    }
    rig_close(&rig);
}

TEST(controller, after_the_end)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    struct leat_event event;
    rig_open(&rig, &config);
    leat_ref ref = rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    leat_runtime_stop(rig.runtime);
    CHECK_EQ(leat_spawn(rig.controller, &puppet_behavior, NULL, 0, 0, NULL), -ESHUTDOWN);
    CHECK_EQ(leat_receive(rig.controller, LEAT_NEVER, &event), -EPIPE);
    CHECK_EQ(leat_receive(rig.controller, 0, &event), -EPIPE);
    CHECK_EQ(leat_send(rig.controller, ref, 1, NULL, 0), -ESRCH);
    CHECK_EQ(leat_spawn(rig.controller, &puppet_behavior, NULL, 0, 0, NULL), -ESHUTDOWN);
    rig_close(&rig);
    puppet_free(&actor);
}

/* leat_runtime_run returns when the last actor has ended. */
TEST(controller, a_spawn_after_run_has_returned)
{
    struct leat_config config = rig_threads(2);
    struct puppet actor = {0};
    struct puppet *arg = &actor;
    leat_runtime *runtime;
    leat_controller *controller;
    for (int simulated = 0; simulated < 2; simulated++) {
        config.io = simulated ? "sim" : "auto";
        REQUIRE(leat_runtime_open(&config, &runtime) == 0);
        REQUIRE(leat_controller_open(runtime, &controller) == 0);
        leat_output_stop(puppet_put(&actor));
        CHECK_EQ(leat_spawn(controller, &puppet_behavior, &arg, sizeof(arg), 0, NULL), 0);
        CHECK_EQ(leat_runtime_run(runtime), 0);
        CHECK_EQ(leat_spawn(controller, &puppet_behavior, &arg, sizeof(arg), 0, NULL), -ESHUTDOWN);
        leat_controller_close(controller);
        CHECK_EQ(leat_runtime_close(runtime), 0);
        CHECK_EQ(actor.inits, simulated + 1);
        CHECK_EQ(actor.finis, actor.inits);
    }
    actor.violations = 0;
    puppet_free(&actor);
}

/* ---- receive ---- */

TEST(controller, receive_times_out)
{
    struct leat_config config = rig_threads(1);
    struct rig rig;
    struct leat_event event;
    rig_open(&rig, &config);
    CHECK_EQ(leat_receive(rig.controller, 0, &event), -ETIMEDOUT);
    leat_time before = leat_controller_now(rig.controller);
    CHECK_EQ(leat_receive(rig.controller, 15 * LEAT_MS, &event), -ETIMEDOUT);
    CHECK(leat_controller_now(rig.controller) - before >= 15 * LEAT_MS);
    rig_close(&rig);

    config = rig_config();
    rig_open(&rig, &config);
    for (int i = 0; i < 3; i++) {
        before = leat_controller_now(rig.controller);
        CHECK_EQ(leat_receive(rig.controller, LEAT_SEC, &event), -ETIMEDOUT);
        CHECK_EQ(leat_controller_now(rig.controller) - before, LEAT_SEC); /* virtual: exactly */
    }
    CHECK_EQ(leat_receive(rig.controller, LEAT_NEVER, &event), -ETIMEDOUT); /* nothing left */
    rig_close(&rig);
}

TEST(controller, bodies_are_received)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actor = {0};
    struct leat_event event;
    size_t len;
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    rig_run(&rig, 0);
    leat_slice body = body_of(1000);
    leat_output_send_body(puppet_put(&actor), leat_controller_ref(rig.controller), 3,
                          leat_slice_ref(body));
    leat_send(rig.controller, actor.ref, POKE, NULL, 0);
    CHECK_EQ(leat_receive(rig.controller, LEAT_SEC, &event), 0);
    CHECK_EQ(event.kind, LEAT_EVENT_MESSAGE);
    CHECK_EQ(event.type, 3);
    CHECK(leat_ref_equal(event.from, actor.ref));
    CHECK(leat_event_payload(&event, &len) == leat_slice_data(body));
    CHECK_EQ(len, 1000);
    CHECK(!leat_buf_is_sole(body.buf));
    leat_event_release(&event);
    leat_event_release(&event); /* nothing left to give back */
    CHECK(leat_buf_is_sole(body.buf));

    /* Never received: freed with the controller, a dead letter. */
    leat_controller *other;
    CHECK_EQ(leat_controller_open(rig.runtime, &other), 0);
    CHECK_EQ(leat_send_body(rig.controller, leat_controller_ref(other), 4, body), 0);
    leat_ref stale = leat_controller_ref(other);
    leat_controller_close(other);
    CHECK_EQ(leat_send(rig.controller, stale, 5, NULL, 0), -ESRCH);
    CHECK_EQ(leat_controller_open(rig.runtime, &other), 0); /* takes the place of the first */
    CHECK_EQ(leat_send(rig.controller, stale, 5, NULL, 0), -ESRCH);
    CHECK_EQ(leat_receive(other, 0, &event), -ETIMEDOUT);
    leat_controller_close(other);
    CHECK_EQ(rig_stats(&rig).dead_letters, 3);
    rig_close(&rig);
    puppet_free(&actor);
}

TEST(controller, controllers_send_to_each_other)
{
    struct rig rig;
    struct leat_config config = rig_config();
    leat_controller *other;
    struct leat_event event;
    rig_open(&rig, &config);
    CHECK_EQ(leat_controller_open(rig.runtime, &other), 0);
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_EQ(leat_send(other, leat_controller_ref(rig.controller), 1, &i, sizeof(i)), 0);
        CHECK_EQ(leat_send(other, leat_controller_ref(other), 2, &i, sizeof(i)), 0);
    }
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_EQ(leat_receive(rig.controller, 0, &event), 0);
        CHECK_EQ(event_value(&event), i);
        CHECK_EQ(leat_receive(other, 0, &event), 0);
        CHECK_EQ(event_value(&event), i);
    }
    CHECK_EQ(leat_stop(other, leat_controller_ref(rig.controller)), 0); /* no actor: no effect */
    CHECK_EQ(leat_kill(other, leat_controller_ref(rig.controller)), 0);
    CHECK_EQ(leat_receive(rig.controller, 0, &event), -ETIMEDOUT);
    CHECK_EQ(leat_send(other, leat_controller_ref(rig.controller), 1, NULL, 0), 0);
    CHECK_EQ(leat_receive(rig.controller, 0, &event), 0);
    leat_controller_close(other);
    rig_close(&rig);
}

TEST(controller, the_statistics_event)
{
    struct rig rig;
    struct leat_config config = rig_config();
    rig_open(&rig, &config);
    leat_stats_every(rig.controller, 10 * LEAT_MS);
    rig_run(&rig, 100 * LEAT_MS);
    CHECK_EQ(rig.got_len, 10);
    for (size_t i = 0; i < rig.got_len; i++) {
        CHECK_EQ(rig.got[i].kind, LEAT_EVENT_STATS);
        CHECK_EQ(rig.got[i].now, (i + 1) * 10 * LEAT_MS);
    }
    leat_stats_every(rig.controller, 0);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(rig.got_len, 10);
    rig_close(&rig);
}

/* ---- broadcast ---- */

TEST(controller, broadcast)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet actors[12] = {{0}};
    config.workers = 3;
    rig_open(&rig, &config);
    for (size_t i = 0; i < 12; i++) { /* half of them on each worker are of the other behaviour */
        rig_spawn_as(&rig, &actors[i], i < 6 ? &puppet_behavior : &other_behavior, (int)i % 3);
    }
    uint64_t value = 99;
    static const struct {
        int worker;
        const struct leat_behavior *behavior;
        size_t reached;
    } to[] = {{LEAT_WORKER_ALL, NULL, 12},
              {1, NULL, 4},
              {LEAT_WORKER_ALL, &other_behavior, 6},
              {2, &puppet_behavior, 2},
              {0, &box_of_4, 0}};
    for (size_t k = 0; k < 5; k++) { /* the first one waits for init, like any message */
        size_t before[12], reached = 0;
        for (size_t i = 0; i < 12; i++) {
            before[i] = actors[i].seen_len;
        }
        CHECK_EQ(leat_broadcast(rig.controller, to[k].worker, to[k].behavior, (uint32_t)k, &value,
                                sizeof(value)),
                 0);
        rig_run(&rig, 0);
        for (size_t i = 0; i < 12; i++) {
            const struct leat_behavior *is = i < 6 ? &puppet_behavior : &other_behavior;
            bool meant = (to[k].worker == LEAT_WORKER_ALL || to[k].worker == (int)i % 3) &&
                         (to[k].behavior == NULL || to[k].behavior == is);
            CHECK_EQ(actors[i].seen_len - before[i], meant);
            reached += meant;
            if (meant) {
                const struct leat_event *event = &actors[i].seen[before[i]];
                CHECK_EQ(event->type, k);
                CHECK_EQ(event_value(event), 99);
                CHECK(leat_ref_equal(event->from, leat_controller_ref(rig.controller)));
            }
        }
        CHECK_EQ(reached, to[k].reached);
    }
    CHECK_EQ(leat_broadcast(rig.controller, 3, NULL, 1, NULL, 0), -EINVAL);
    CHECK_EQ(leat_broadcast(rig.controller, LEAT_WORKER_BEST, NULL, 1, NULL, 0), -EINVAL);
    rig_close(&rig);
    for (size_t i = 0; i < 12; i++) {
        puppet_free(&actors[i]);
    }
}

TEST(controller, a_broadcast_is_refused_by_full_boxes)
{
    struct rig rig;
    struct leat_config config = rig_config();
    struct puppet full = {0}, roomy = {0};
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &full, &box_of_4, 0);
    rig_spawn(&rig, &roomy);
    for (uint64_t i = 0; i < 9; i++) { /* all are handed out before the actors' first turn */
        CHECK_EQ(leat_broadcast(rig.controller, 0, NULL, 1, &i, sizeof(i)), 0);
    }
    rig_run(&rig, 0);
    CHECK_EQ(roomy.seen_len, 9);
    CHECK_EQ(full.seen_len, 3); /* and its INIT */
    struct leat_worker_stats stats = rig_stats(&rig);
    CHECK_EQ(stats.sent, 18);
    CHECK_EQ(stats.delivered, 12);
    CHECK_EQ(stats.refused, 6);
    CHECK_EQ(stats.outputs, 0);
    rig_close(&rig);
    puppet_free(&full);
    puppet_free(&roomy);
}

/* ---- several threads at once ---- */

#define THREADS 4
#define EACH 3000u
#define WINDOW 64u

struct outside {
    struct rig *rig;
    struct puppet echo;
    pthread_t thread;
    uint32_t answers;
    uint32_t wrong;
    int status;
};

/* Opens a controller, spawns an echo, keeps a window of messages on their way. */
static void *talk(void *context)
{
    struct outside *outside = context;
    struct puppet *arg = &outside->echo;
    leat_controller *controller;
    leat_ref ref;
    outside->status = leat_controller_open(outside->rig->runtime, &controller);
    if (outside->status < 0) {
        return NULL;
    }
    outside->status =
        leat_spawn(controller, &puppet_behavior, &arg, sizeof(arg), LEAT_WORKER_BEST, &ref);
    uint64_t sent = 0;
    while (outside->status == 0 && outside->answers < EACH) {
        while (sent < EACH && sent - outside->answers < WINDOW && outside->status == 0) {
            outside->status = leat_send(controller, ref, 1, &sent, sizeof(sent));
            sent++;
        }
        struct leat_event event;
        if (outside->status == 0) {
            outside->status = leat_receive(controller, 20 * LEAT_SEC, &event);
            outside->wrong += event_value(&event) != outside->answers;
            outside->answers++;
        }
    }
    leat_controller_close(controller);
    return NULL;
}

TEST(controller, several_threads_at_once)
{
    struct rig rig;
    struct leat_config config = rig_threads(2);
    struct outside outside[THREADS];
    rig_open(&rig, &config);
    for (size_t i = 0; i < THREADS; i++) {
        outside[i] = (struct outside){.rig = &rig, .echo = {.on_event = echo_event}};
        REQUIRE(pthread_create(&outside[i].thread, NULL, talk, &outside[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(outside[i].thread, NULL);
        CHECK_EQ(outside[i].status, 0);
        CHECK_EQ(outside[i].answers, EACH);
        CHECK_EQ(outside[i].wrong, 0);
    }
    rig_close(&rig);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(puppet_count(&outside[i].echo, LEAT_EVENT_MESSAGE), EACH);
        puppet_free(&outside[i].echo);
    }
}

/* Sends a body to `to` in each turn of its worker's loop, for ever: its deadline is always past. */
struct sprayer {
    leat_ref to;
    bool more;
};

static int sprayer_init(void *state, const void *arg, leat_time now)
{
    (void)now;
    memcpy(&((struct sprayer *)state)->to, arg, sizeof(leat_ref));
    return 0;
}

static void sprayer_on_event(void *state, const struct leat_event *event)
{
    ((struct sprayer *)state)->more = event->kind == LEAT_EVENT_DEADLINE;
}

static bool sprayer_pop(void *state, leat_time now, struct leat_output *ret)
{
    struct sprayer *self = state;
    leat_slice body;
    (void)now;
    if (!self->more || leat_buf_alloc(64, &body) < 0) {
        return false;
    }
    leat_output_send_body(ret, self->to, 1, body);
    self->more = false;
    return true;
}

static leat_time sprayer_deadline(const void *state)
{
    (void)state;
    return 1;
}

static const struct leat_behavior sprayer_behavior = {
    .name = "sprayer",
    .state_size = sizeof(struct sprayer),
    .init = sprayer_init,
    .on_event = sprayer_on_event,
    .pop_output = sprayer_pop,
    .deadline = sprayer_deadline,
};

TEST(controller, closed_while_others_send_to_it)
{
    struct rig rig;
    struct leat_config config = rig_threads(2);
    config.shutdown_ns = 10 * LEAT_MS; /* a sprayer does not stop by itself */
    rig_open(&rig, &config);
    for (int round = 0; round < 20; round++) {
        leat_controller *controller;
        struct leat_event event;
        leat_ref refs[4];
        CHECK_EQ(leat_controller_open(rig.runtime, &controller), 0);
        leat_ref to = leat_controller_ref(controller);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(
                leat_spawn(rig.controller, &sprayer_behavior, &to, sizeof(to), i % 2, &refs[i]), 0);
        }
        for (int i = 0; i < 50; i++) {
            CHECK_EQ(leat_receive(controller, 20 * LEAT_SEC, &event), 0);
            leat_event_release(&event);
        }
        leat_controller_close(controller);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(leat_kill(rig.controller, refs[i]), 0);
        }
    }
    rig_close(&rig);
}

static void *watch_stats(void *context)
{
    struct outside *outside = context;
    struct leat_worker_stats stats;
    while (__atomic_load_n(&outside->status, __ATOMIC_RELAXED) == 0) {
        leat_stats_controllers(outside->rig->runtime, &stats);
        outside->answers++;
    }
    return NULL;
}

TEST(controller, opened_while_others_look_at_the_statistics)
{
    struct rig rig;
    struct leat_config config = rig_threads(1);
    rig_open(&rig, &config);
    struct outside outside = {.rig = &rig};
    REQUIRE(pthread_create(&outside.thread, NULL, watch_stats, &outside) == 0);
    for (int i = 0; i < 3000; i++) {
        leat_controller *controller;
        CHECK_EQ(leat_controller_open(rig.runtime, &controller), 0);
        leat_controller_close(controller);
    }
    __atomic_store_n(&outside.status, 1, __ATOMIC_RELAXED);
    pthread_join(outside.thread, NULL);
    rig_close(&rig);
}

static void *broadcast_on_and_on(void *context)
{
    struct outside *outside = context;
    leat_controller *controller;
    if (leat_controller_open(outside->rig->runtime, &controller) < 0) {
        return NULL;
    }
    while (__atomic_load_n(&outside->status, __ATOMIC_RELAXED) == 0) {
        outside->wrong += leat_broadcast(controller, LEAT_WORKER_ALL, NULL, 1, NULL, 0) < 0;
        __atomic_fetch_add(&outside->answers, 1, __ATOMIC_RELAXED);
        struct leat_event event;
        leat_receive(controller, 10 * LEAT_US, &event);
    }
    leat_controller_close(controller);
    return NULL;
}

static void count_message(void *state, const struct leat_event *event)
{
    *(uint64_t *)state += event->kind == LEAT_EVENT_MESSAGE;
}

static const struct leat_behavior counter_behavior = {
    .name = "counter", .state_size = sizeof(uint64_t), .on_event = count_message};

/* A broadcast walks over all slots while their tenants change; INIT stays the first input. */
TEST(controller, spawns_while_others_broadcast)
{
    struct rig rig;
    struct leat_config config = rig_threads(2);
    config.shutdown_ns = 10 * LEAT_MS;
    rig_open(&rig, &config);
    struct outside outside = {.rig = &rig};
    REQUIRE(pthread_create(&outside.thread, NULL, broadcast_on_and_on, &outside) == 0);
    leat_ref refs[64] = {{0}};
    for (int i = 0; i < 6000 || __atomic_load_n(&outside.answers, __ATOMIC_RELAXED) < 100; i++) {
        leat_ref *ref = &refs[i % 64];
        if (ref->id != 0) {
            leat_stop(rig.controller, *ref);
        }
        CHECK_EQ(leat_spawn(rig.controller, &counter_behavior, NULL, 0, i % 2, ref), 0);
    }
    __atomic_store_n(&outside.status, 1, __ATOMIC_RELAXED);
    pthread_join(outside.thread, NULL);
    CHECK_EQ(outside.wrong, 0);
    rig_close(&rig);
}

/* ---- the descriptor ---- */

static bool is_readable(leat_controller *controller, int timeout_ms)
{
    struct pollfd at = {.fd = leat_controller_descriptor(controller), .events = POLLIN};
    CHECK(at.fd >= 0);
    int n = poll(&at, 1, timeout_ms);
    CHECK(n >= 0);
    return n == 1 && (at.revents & POLLIN) != 0;
}

TEST(controller, the_descriptor)
{
    struct rig rig;
    struct leat_event event;
    struct leat_config config = rig_threads(1);
    rig_open(&rig, &config);
    int fd = leat_controller_descriptor(rig.controller);
    CHECK(fd >= 0);
    CHECK_EQ(leat_controller_descriptor(rig.controller), fd);
    CHECK(is_readable(rig.controller, 0)); /* nothing was looked for yet */
    CHECK_EQ(leat_receive(rig.controller, 0, &event), -ETIMEDOUT);
    CHECK(!is_readable(rig.controller, 20));
    leat_controller *other;
    CHECK_EQ(leat_controller_open(rig.runtime, &other), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(leat_send(other, leat_controller_ref(rig.controller), 1, NULL, 0), 0);
        CHECK(is_readable(rig.controller, 10000));
    }
    for (int i = 0; i < 3; i++) { /* also one that waits, though it is armed */
        CHECK_EQ(leat_receive(rig.controller, LEAT_SEC, &event), 0);
    }
    CHECK_EQ(leat_receive(rig.controller, LEAT_MS, &event), -ETIMEDOUT);
    CHECK(!is_readable(rig.controller, 20));
    leat_controller_close(other);
    leat_runtime_stop(rig.runtime);
    CHECK(is_readable(rig.controller, 10000));
    CHECK_EQ(leat_receive(rig.controller, 0, &event), -EPIPE);
    rig_close(&rig);
}

TEST(controller, no_descriptor_in_simulation)
{
    struct rig rig;
    struct leat_config config = rig_config();
    rig_open(&rig, &config);
    CHECK_EQ(leat_controller_descriptor(rig.controller), -ENOTSUP);
    rig_close(&rig);
}

/* No message is missed by one who sleeps in poll, without a timeout. */
TEST(controller, the_descriptor_misses_nothing)
{
    struct rig rig;
    struct leat_config config = rig_threads(2);
    config.shutdown_ns = 10 * LEAT_MS; /* a sprayer does not stop by itself */
    rig_open(&rig, &config);
    leat_controller *controller;
    CHECK_EQ(leat_controller_open(rig.runtime, &controller), 0);
    leat_ref to = leat_controller_ref(controller);
    leat_ref refs[2];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(leat_spawn(rig.controller, &sprayer_behavior, &to, sizeof(to), i, &refs[i]), 0);
    }
    for (unsigned got = 0, sleeps = 0; got < 3000 || sleeps < 30;) {
        struct leat_event event;
        int status;
        while ((status = leat_receive(controller, 0, &event)) == 0) {
            leat_event_release(&event);
            got++;
        }
        REQUIRE(status == -ETIMEDOUT);
        sleeps++;
        REQUIRE(is_readable(controller, 20000));
    }
    leat_controller_close(controller);
    rig_close(&rig);
}
