/* A runtime from open to close: what it refuses to start with, how it ends, what it leaves behind,
 * and what it says in the log. */
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helpers.h"
#include "mem.h"
#include "sched.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static const struct leat_behavior box_of_1 = PUPPET_BEHAVIOR("box_of_1", 1);

static void lines_init(struct lines *lines, struct leat_config *config)
{
    memset(lines, 0, sizeof(*lines));
    pthread_mutex_init(&lines->lock, NULL);
    config->log = lines_add;
    config->log_context = lines;
}

/* ---- configuration ---- */

static const char *make_wrong(struct leat_config *config, int how)
{
    switch (how) {
    case 0:
        config->workers = 0;
        return "workers must be 1..64";
    case 1:
        config->workers = LEAT_WORKERS_MAX + 1;
        return "workers must be 1..64";
    case 2:
        config->io = NULL;
        return "io is NULL";
    case 3:
        config->io = "kqueue";
        return "io \"kqueue\" is no backend; there are \"auto\"";
    case 4:
        config->mailbox_len_max = 0;
        return "mailbox_len_max must be";
    case 5:
        config->mailbox_len_max = UINT32_MAX;
        return "mailbox_len_max must be";
    case 6:
        config->actors_max = 0;
        return "actors_max";
    case 7:
        config->recv_bufs_max = 3;
        return "recv_bufs_max must be at least 4";
    case 8:
        config->send_queue_len_max = 0;
        return "send_queue_len_max";
    case 9:
        config->watchdog_ns = 0;
        return "watchdog_ns";
    case 10:
        config->shutdown_ns = 0;
        return "shutdown_ns";
    case 11:
        config->drain_warn_ns = 0;
        return "drain_warn_ns";
    case 12:
        config->shutdown_ns = LEAT_NEVER;
        return "shorter than 100 years";
    case 13:
        config->send_wait_ns = LEAT_NEVER;
        return "shorter than 100 years";
    case 14:
        config->sim.loss = 1.5;
        return "sim.loss";
    case 15:
        config->sim.reorder = -0.1;
        return "sim.reorder";
    case 16:
        config->sim.duplicate = 0.0 / (config->workers - 2.0); /* not a number */
        return "sim.duplicate";
    case 17:
        config->sim.delay_min_ns = config->sim.delay_max_ns + 1;
        return "sim.delay_min_ns must not be above";
    default:
        return NULL;
    }
}

TEST(runtime, a_wrong_setting_is_named)
{
    for (int how = 0;; how++) {
        struct leat_config config = leat_config_default();
        struct lines lines;
        leat_runtime *runtime = NULL;
        lines_init(&lines, &config);
        config.workers = 2;
        const char *said = make_wrong(&config, how);
        if (said == NULL) {
            CHECK_EQ(how, 18);
            break;
        }
        CHECK_EQ(leat_runtime_open(&config, &runtime), -EINVAL);
        CHECK(runtime == NULL);
        CHECK(lines_have(&lines, said));
        CHECK(strchr(lines.text, '\n') == lines.text + lines.len - 1); /* one line */
        config.log = NULL;
        CHECK_EQ(leat_runtime_open(&config, &runtime), -EINVAL); /* and silently */
    }
}

TEST(runtime, the_defaults_work)
{
    struct leat_config config = leat_config_default();
    struct leat_worker_stats stats[LEAT_WORKERS_MAX];
    leat_runtime *runtime;
    REQUIRE(leat_runtime_open(&config, &runtime) == 0);
    CHECK(strcmp(leat_io_name(runtime), "auto") != 0);
    CHECK(strcmp(leat_io_name(runtime), "sim") != 0);
    CHECK_EQ(leat_stats_workers(runtime, stats, LEAT_WORKERS_MAX), config.workers);
    CHECK_EQ(leat_sim_hash(runtime), 0);
    CHECK_EQ(leat_runtime_start(runtime), 0);
    CHECK_EQ(leat_runtime_close(runtime), 0);
    CHECK_STR(leat_io_names()[0], "auto");
    char version[32];
    snprintf(version, sizeof(version), "%d.%d.%d", LEAT_VERSION_MAJOR, LEAT_VERSION_MINOR,
             LEAT_VERSION_PATCH);
    CHECK_STR(leat_version_string(), version);
}

/* actors_max holds whatever the threads' free lists keep to themselves. */
TEST(runtime, few_actors_on_many_workers)
{
    struct leat_config config = leat_config_default();
    leat_runtime *runtime;
    leat_controller *controllers[3];
    struct puppet puppets[200] = {{0}};
    config.workers = 4;
    config.io = "sim";
    config.actors_max = 10;
    REQUIRE(leat_runtime_open(&config, &runtime) == 0);
    for (size_t i = 0; i < 3; i++) {
        REQUIRE(leat_controller_open(runtime, &controllers[i]) == 0);
    }
    for (int round = 0; round < 5; round++) {
        int status = 0;
        size_t n = 0;
        for (; n < 200 && status == 0; n++) {
            struct puppet *arg = &puppets[n];
            status = leat_spawn(controllers[n % 3], &puppet_behavior, &arg, sizeof(arg), (int)n % 4,
                                NULL);
        }
        CHECK_EQ(status, -ENOSPC);
        CHECK(n > 10 && n <= 10 + 4 + 3 + 1);
        struct leat_event event;
        leat_receive(controllers[0], 0, &event);
        CHECK_EQ(stats_sum(runtime).actors, n - 1);
        for (size_t i = 0; i < n - 1; i++) {
            CHECK_EQ(leat_stop(controllers[0], puppets[i].ref), 0);
        }
        leat_receive(controllers[0], 0, &event);
        CHECK_EQ(stats_sum(runtime).actors, 0);
    }
    for (size_t i = 0; i < 3; i++) {
        leat_controller_close(controllers[i]);
    }
    CHECK_EQ(leat_runtime_close(runtime), 0);
    for (size_t i = 0; i < 200; i++) {
        puppets[i].violations = 0;
        puppet_free(&puppets[i]);
    }
}

/* ---- start, run, close ---- */

TEST(runtime, starts_once)
{
    struct leat_config config = rig_threads(2);
    struct rig rig;
    rig_open(&rig, &config); /* starts it */
    CHECK_EQ(leat_runtime_start(rig.runtime), -EALREADY);
    CHECK_EQ(leat_runtime_run(rig.runtime), -EALREADY);
    rig_close(&rig);

    config = rig_config();
    rig_open(&rig, &config);
    CHECK_EQ(leat_runtime_start(rig.runtime), 0); /* nothing runs but in leat_receive */
    CHECK_EQ(leat_runtime_start(rig.runtime), -EALREADY);
    CHECK_EQ(leat_runtime_run(rig.runtime), -EALREADY);
    CHECK_EQ(leat_runtime_close(rig.runtime), -EBUSY);
    CHECK(lines_have(&rig.lines, "1 controllers are open"));
    rig_close(&rig);
}

TEST(runtime, closed_without_run)
{
    for (int simulated = 0; simulated < 2; simulated++) {
        struct leat_config config = rig_threads(2);
        struct puppet actors[6] = {{0}};
        leat_runtime *runtime;
        leat_controller *controller;
        config.io = simulated ? "sim" : "auto";
        config.shutdown_ns = 20 * LEAT_MS;
        REQUIRE(leat_runtime_open(&config, &runtime) == 0);
        CHECK_EQ(leat_runtime_close(runtime), 0); /* as it is */
        REQUIRE(leat_runtime_open(&config, &runtime) == 0);
        REQUIRE(leat_controller_open(runtime, &controller) == 0);
        for (size_t i = 0; i < 6; i++) {
            struct puppet *arg = &actors[i];
            leat_ref ref;
            actors[i].stays = i == 5;
            CHECK_EQ(leat_spawn(controller, &puppet_behavior, &arg, sizeof(arg), (int)i % 2, &ref),
                     0);
            leat_slice body;
            CHECK_EQ(leat_buf_alloc(8, &body), 0);
            CHECK_EQ(leat_send_body(controller, ref, 1, body), 0);
        }
        CHECK_EQ(leat_broadcast(controller, LEAT_WORKER_ALL, NULL, 2, NULL, 0), 0);
        leat_controller_close(controller);
        CHECK_EQ(leat_runtime_close(runtime), 0);
        for (size_t i = 0; i < 6; i++) {
            CHECK_EQ(actors[i].inits, actors[i].finis);
            puppet_free(&actors[i]);
        }
    }
}

struct stopper {
    leat_runtime *runtime;
    leat_controller *controller;
    int status;
};

/* Stops the runtime when the first message has arrived. */
static void *stop_then(void *context)
{
    struct stopper *stopper = context;
    struct leat_event event;
    stopper->status = leat_receive(stopper->controller, 20 * LEAT_SEC, &event);
    leat_runtime_stop(stopper->runtime);
    return NULL;
}

TEST(runtime, run_returns_after_stop)
{
    struct leat_config config = rig_threads(3);
    struct puppet actor = {0};
    struct puppet *arg = &actor;
    struct stopper stopper;
    pthread_t thread;
    REQUIRE(leat_runtime_open(&config, &stopper.runtime) == 0);
    REQUIRE(leat_controller_open(stopper.runtime, &stopper.controller) == 0);
    leat_output_send(puppet_put(&actor), leat_controller_ref(stopper.controller), 1, NULL, 0);
    leat_spawn(stopper.controller, &puppet_behavior, &arg, sizeof(arg), 2, NULL);
    REQUIRE(pthread_create(&thread, NULL, stop_then, &stopper) == 0);
    CHECK_EQ(leat_runtime_run(stopper.runtime), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(stopper.status, 0);
    CHECK_EQ(actor.finis, 1);
    CHECK_EQ(puppet_count(&actor, LEAT_EVENT_SHUTDOWN), 1);
    leat_controller_close(stopper.controller);
    CHECK_EQ(leat_runtime_close(stopper.runtime), 0);
    puppet_free(&actor);
}

TEST(runtime, stop_before_run)
{
    for (int simulated = 0; simulated < 2; simulated++) {
        struct leat_config config = rig_threads(2);
        leat_runtime *runtime;
        config.io = simulated ? "sim" : "auto";
        REQUIRE(leat_runtime_open(&config, &runtime) == 0);
        leat_runtime_stop(runtime);
        leat_runtime_stop(runtime);
        CHECK_EQ(leat_runtime_run(runtime), 0);
        CHECK_EQ(leat_runtime_close(runtime), 0);
    }
}

TEST(runtime, force_comes_at_the_deadline)
{
    struct leat_config config = rig_threads(2);
    struct puppet stubborn = {.stays = true}, polite = {0};
    struct rig rig;
    config.shutdown_ns = 30 * LEAT_MS;
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &stubborn, &puppet_behavior, 0);
    rig_spawn_as(&rig, &polite, &puppet_behavior, 1);
    leat_time before = leat_controller_now(rig.controller);
    rig_close(&rig); /* receives until the end */
    CHECK_EQ(stubborn.finis, 1);
    CHECK_EQ(polite.finis, 1);
    if (stubborn.seen_len > 0) { /* else it was spawned too late to be asked */
        CHECK_EQ(stubborn.seen_len, 1);
        CHECK(stubborn.seen[0].now >= before);
    }
    puppet_free(&stubborn);
    puppet_free(&polite);
}

/* ---- an actor that does not return ---- */

static void never_returns(void *state, const struct leat_event *event)
{
    (void)state;
    (void)event;
    for (;;) {
        pause();
    }
}

static const struct leat_behavior stuck_behavior = {.name = "stuck", .on_event = never_returns};

/* In a process of its own: it leaves a thread and the runtime's memory behind. */
static int close_with_a_stuck_actor(void)
{
    struct leat_config config = rig_threads(2);
    struct lines lines;
    leat_runtime *runtime;
    leat_controller *controller;
    leat_ref ref;
    lines_init(&lines, &config);
    config.shutdown_ns = 20 * LEAT_MS;
    config.send_wait_ns = LEAT_MS;
    if (leat_runtime_open(&config, &runtime) < 0 ||
        leat_controller_open(runtime, &controller) < 0 ||
        leat_spawn(controller, &stuck_behavior, NULL, 0, 1, &ref) < 0 ||
        leat_send(controller, ref, 1, NULL, 0) < 0 || leat_runtime_start(runtime) < 0) {
        return 1;
    }
    leat_controller_close(controller);
    if (leat_runtime_close(runtime) != -ETIMEDOUT) {
        return 2;
    }
    char id[64];
    snprintf(id, sizeof(id), "actor stuck (%llx) on worker 1", (unsigned long long)ref.id);
    return lines_have(&lines, id) ? 0 : 3;
}

TEST(runtime, a_stuck_actor_is_named)
{
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(30);
        _exit(close_with_a_stuck_actor());
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WIFEXITED(status), 1);
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* ---- the watchdog ---- */

struct holder {
    struct lines *lines;
    bool blocks;
};

/* Holds its worker until the watchdog has said so. */
static void hold_worker(struct puppet *self, const struct leat_event *event)
{
    struct holder *holder = self->context;
    struct timespec start, now;
    bool named = event->kind != LEAT_EVENT_MESSAGE;
    clock_gettime(CLOCK_MONOTONIC, &start);
    now = start;
    while (!named && now.tv_sec - start.tv_sec < 20) {
        pthread_mutex_lock(&holder->lines->lock);
        named = strstr(holder->lines->text, "has held worker 1 for") != NULL;
        pthread_mutex_unlock(&holder->lines->lock);
        if (holder->blocks) {
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

TEST(runtime, the_watchdog_names_who_holds_a_worker)
{
    for (int blocks = 0; blocks < 2; blocks++) {
        struct leat_config config = rig_threads(2);
        struct rig rig;
        struct holder holder = {.blocks = blocks};
        struct puppet actor = {.on_event = hold_worker, .context = &holder};
        config.watchdog_ns = 10 * LEAT_MS;
        rig_open(&rig, &config);
        holder.lines = &rig.lines;
        leat_ref ref = rig_spawn_as(&rig, &actor, &puppet_behavior, 1);
        CHECK_EQ(leat_monitor(rig.controller, ref, 0), 0);
        CHECK_EQ(leat_send(rig.controller, ref, 1, NULL, 0), 0);
        CHECK_EQ(leat_stop(rig.controller, ref), 0);
        CHECK(rig_await(&rig, 1));
        char text[64];
        snprintf(text, sizeof(text), "actor puppet (%llx) has held worker 1 for",
                 (unsigned long long)ref.id);
        CHECK(lines_have(&rig.lines, text));
        rig_close(&rig);
        puppet_free(&actor);
    }
}

/* ---- long drains ---- */

TEST(runtime, a_drain_open_too_long_is_named_once)
{
    struct leat_config config = rig_config();
    struct rig rig;
    struct puppet a = {0}, b = {0};
    config.send_wait_ns = 3 * LEAT_SEC;
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &a, &box_of_1, 0);
    rig_spawn_as(&rig, &b, &box_of_1, 0);
    rig_run(&rig, 0);
    for (uint64_t i = 0; i < 2; i++) { /* they wait for each other */
        puppet_send(&a, b.ref, 1, i)->full = LEAT_FULL_WAIT;
        puppet_send(&b, a.ref, 1, i)->full = LEAT_FULL_WAIT;
    }
    for (uint64_t i = 0; i < 200; i++) { /* then one of them has some more pauses */
        puppet_send(&a, LEAT_REF_NONE, 1, i);
    }
    rig_poke(&rig, &a);
    rig_run(&rig, 900 * LEAT_MS);
    CHECK_EQ(rig_stats(&rig).long_drains, 0);
    rig_run(&rig, 10 * LEAT_SEC);
    CHECK_EQ(a.popped, 202);
    CHECK_EQ(rig_stats(&rig).long_drains, 2);
    CHECK(lines_have(&rig.lines, "actor box_of_1 ("));
    CHECK(lines_have(&rig.lines, "for 3000 ms after one input"));
    rig_close(&rig);
    puppet_free(&a);
    puppet_free(&b);
}

/* ---- balance ---- */

static void keep_for_ever(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE && event->len == LEAT_LEN_BODY) {
        self->context = leat_buf_ref(event->body.buf);
    } else if (event->kind == LEAT_EVENT_MESSAGE) {
        leat_slice body;
        CHECK_EQ(leat_buf_alloc(100, &body), 0); /* of the worker's pool */
        leat_output_send_body(puppet_put(self), self->ref, 1, body);
    }
}

TEST(runtime, a_leaked_body_is_found)
{
    struct leat_config config = rig_config();
    struct lines lines;
    struct puppet actor = {.on_event = keep_for_ever};
    struct puppet *arg = &actor;
    leat_runtime *runtime;
    leat_controller *controller;
    leat_ref ref;
    struct leat_event event;
    lines_init(&lines, &config);
    REQUIRE(leat_runtime_open(&config, &runtime) == 0);
    REQUIRE(leat_controller_open(runtime, &controller) == 0);
    leat_spawn(controller, &puppet_behavior, &arg, sizeof(arg), 0, &ref);
    leat_send(controller, ref, 1, NULL, 0);
    CHECK_EQ(leat_receive(controller, 0, &event), -ETIMEDOUT);
    CHECK(actor.context != NULL);
    leat_controller_close(controller);
    CHECK_EQ(leat_runtime_close(runtime), -EPROTO);
    CHECK(lines_have(&lines, "0 messages and 1 buffers were never given back"));
    puppet_free(&actor);
}

/* ---- without memory ---- */

static unsigned fds_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

TEST(runtime, no_memory_at_start)
{
    for (size_t i = 0; i < BACKENDS_LEN; i++) {
        struct leat_config config = rig_threads(2);
        struct lines lines;
        lines_init(&lines, &config);
        config.io = backend_name(i);
        unsigned fds = fds_open();
        int status = -ENOMEM;
        uint32_t n = 1;
        for (; status != 0 && n < 1000; n++) {
            leat_runtime *runtime = NULL;
            leat_controller *controller = NULL;
            mem_fail_after(n);
            status = leat_runtime_open(&config, &runtime);
            if (status == 0) {
                status = leat_controller_open(runtime, &controller);
            }
            mem_fail_after(0);
            bool tried = status == -EINVAL && strcmp(config.io, "uring") == 0 &&
                         lines_have(&lines, "cannot work here: ");
            CHECK(status == 0 || status == -ENOMEM || tried);
            if (controller != NULL) {
                leat_controller_close(controller);
            }
            if (runtime != NULL) {
                CHECK_EQ(leat_runtime_close(runtime), 0);
            } else if (!tried) {
                CHECK(lines_have(&lines, "cannot open a runtime of 2 workers: Cannot allocate"));
            }
            CHECK_EQ(fds_open(), fds);
        }
        CHECK_EQ(status, 0);
        CHECK(n > 10); /* otherwise none was made to fail */
    }
}

static void spawn_and_send(struct puppet *self, const struct leat_event *event)
{
    leat_slice body;
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == 1) {
        leat_output_spawn(puppet_put(self), &box_of_1, &self->context, sizeof(self->context), 0);
        for (uint32_t len = 10; len <= 10000; len *= 10) {
            if (leat_buf_alloc(len, &body) == 0) {
                leat_output_send_body(puppet_put(self), self->ref, 2, body);
            }
        }
        struct leat_addr local;
        leat_addr_from_host("127.0.0.1", 0, &local);
        leat_output_open(puppet_put(self), &local, 0);
        self->deadline = event->now + LEAT_MS;
    } else if (event->kind == LEAT_EVENT_DEADLINE) {
        self->deadline = 0;
    }
}

TEST(runtime, no_memory_while_it_runs)
{
    uint32_t n = 1;
    bool all_well = false;
    for (; !all_well && n < 300; n++) {
        struct leat_config config = rig_config();
        struct rig rig;
        struct puppet child = {0};
        struct puppet actor = {.on_event = spawn_and_send, .context = &child};
        struct puppet *arg = &actor;
        uint8_t large[200] = {0};
        leat_ref ref = LEAT_REF_NONE;
        rig_open(&rig, &config);
        memcpy(large, &arg, sizeof(arg));
        mem_fail_after(n);
        int status = leat_spawn(rig.controller, &puppet_behavior, large, sizeof(large), 0, &ref);
        CHECK(status == 0 || status == -ENOMEM);
        if (status == 0) {
            status = leat_send(rig.controller, ref, 1, NULL, 0);
            CHECK(status == 0 || status == -ENOMEM);
        }
        if (status == 0) {
            status = leat_broadcast(rig.controller, LEAT_WORKER_ALL, NULL, 3, NULL, 0);
            CHECK(status == 0 || status == -ENOMEM);
        }
        for (int step = 0; step < 300;
             step++) { /* an actor without memory for an output tries on */
            simulation_step(rig.runtime, 10 * LEAT_MS);
        }
        mem_fail_after(0);
        rig_run(&rig, 10 * LEAT_MS);
        struct leat_event opened = {.status = -1};
        if (puppet_count(&actor, LEAT_EVENT_OPENED) == 1) {
            opened = puppet_nth(&actor, LEAT_EVENT_OPENED, 0);
        }
        all_well = status == 0 && child.inits == 1 && actor.refusals_len == 0 &&
                   opened.status == 0 && puppet_count(&actor, LEAT_EVENT_DEADLINE) == 1;
        rig_close(&rig);
        CHECK_EQ(actor.finis, actor.inits);
        puppet_free(&actor);
        puppet_free(&child);
    }
    CHECK(all_well);
    CHECK(n > 5);
}

/* A thread that cannot be started: those that were end again, and close finds all in order. */
TEST(runtime, no_thread_at_start)
{
    if (SANITIZED) {
        SKIP("the sanitizer's own thread start-up aborts where there is no stack");
    }
    struct leat_config config = rig_threads(2);
    struct lines lines;
    struct puppet actor = {0};
    struct puppet *arg = &actor;
    leat_runtime *runtime;
    leat_controller *controller;
    pthread_attr_t usual, huge;
    lines_init(&lines, &config);
    REQUIRE(leat_runtime_open(&config, &runtime) == 0);
    REQUIRE(leat_controller_open(runtime, &controller) == 0);
    CHECK_EQ(leat_spawn(controller, &puppet_behavior, &arg, sizeof(arg), 0, NULL), 0);
    pthread_getattr_default_np(&usual);
    pthread_getattr_default_np(&huge);
    pthread_attr_setstacksize(&huge, (size_t)1 << 46);
    pthread_setattr_default_np(&huge);
    int status = leat_runtime_start(runtime);
    pthread_setattr_default_np(&usual);
    CHECK(status < 0);
    CHECK(lines_have(&lines, "cannot start the thread of worker 0"));
    leat_controller_close(controller);
    CHECK_EQ(leat_runtime_close(runtime), 0);
    CHECK_EQ(actor.inits, actor.finis);
    puppet_free(&actor);
}

/* ---- figures ---- */

static void pass_on(struct puppet *self, const struct leat_event *event)
{
    uint64_t *seed = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && event_value(event) > 0) {
        leat_ref to = random_below(seed, 50) == 0 ? LEAT_REF_NONE : event->from;
        puppet_send(self, to, 1, event_value(event) - 1)->full =
            random_below(seed, 2) == 0 ? LEAT_FULL_REFUSE : LEAT_FULL_WAIT;
        if (random_below(seed, 3) == 0) {
            puppet_send(self, self->ref, 1, event_value(event) - 1);
        }
    }
}

/* Small boxes, several workers, everything at once, and an end in the middle of it: what was sent was
 * delivered, refused or a dead letter. rig_close checks it. */
TEST(runtime, no_message_gets_lost)
{
    for (uint64_t round = 1; round <= 10; round++) {
        struct leat_config config = round % 2 == 0 ? rig_config() : rig_threads(2);
        struct rig rig;
        struct puppet actors[8];
        uint64_t seeds[8];
        config.workers = 2;
        config.seed = round;
        config.send_wait_ns = LEAT_MS;
        rig_open(&rig, &config);
        for (size_t i = 0; i < 8; i++) {
            seeds[i] = round * 8 + i + 1;
            actors[i] = (struct puppet){.on_event = pass_on, .context = &seeds[i]};
            rig_spawn_as(&rig, &actors[i], &box_of_1, (int)i % 2);
        }
        for (uint64_t i = 0; i < 100; i++) {
            uint64_t value = 12;
            leat_broadcast(rig.controller, LEAT_WORKER_ALL, NULL, 1, &value, sizeof(value));
            rig_receive(&rig, round % 2 == 0 ? 0 : 20 * LEAT_US);
        }
        rig_close(&rig);
        for (size_t i = 0; i < 8; i++) {
            CHECK_EQ(actors[i].finis, 1);
            actors[i].violations = 0;
            puppet_free(&actors[i]);
        }
    }
}

TEST(runtime, figures_of_a_worker)
{
    struct leat_config config = rig_threads(1);
    struct rig rig;
    struct puppet actor = {0};
    rig_open(&rig, &config);
    rig_spawn(&rig, &actor);
    for (int i = 0; i < 1000; i++) {
        leat_send(rig.controller, leat_controller_ref(rig.controller), 1, NULL, 0);
        CHECK_EQ(rig_receive(&rig, 0), 0);
    }
    leat_time before = leat_controller_now(rig.controller);
    for (int i = 0; i < 1000 && rig_stats(&rig).spawned == 0; i++) {
        CHECK_EQ(rig_receive(&rig, LEAT_MS), -ETIMEDOUT);
    }
    CHECK_EQ(rig_receive(&rig, 30 * LEAT_MS), -ETIMEDOUT);
    leat_runtime_stop(rig.runtime);
    while (rig_receive(&rig, LEAT_NEVER) == 0) {
    }
    leat_time all = leat_controller_now(rig.controller) - before;
    struct leat_worker_stats stats;
    CHECK_EQ(leat_stats_workers(rig.runtime, &stats, 0), 1); /* only asks how many */
    CHECK_EQ(leat_stats_workers(rig.runtime, &stats, 1), 1);
    CHECK_EQ(stats.spawned, 1);
    CHECK_EQ(stats.stopped, 1);
    CHECK_EQ(stats.failed, 0);
    CHECK_EQ(stats.inputs, 1); /* SHUTDOWN */
    CHECK_EQ(stats.outputs, 1);
    CHECK(stats.loops > 0);
    CHECK(stats.wakes <= stats.sleeps);
    CHECK(stats.turns >= 1);
    CHECK(stats.pool_nodes > 0);
    CHECK(stats.pool_bytes >= 64 * stats.pool_nodes);
    CHECK(stats.time_idle_ns >= 15 * LEAT_MS);
    CHECK(stats.time_idle_ns <= all + LEAT_SEC);
    CHECK_EQ(stats.run_queue, 0);
    CHECK_EQ(stats.timers, 0);
    CHECK_EQ(stats.sockets, 0);
    struct leat_worker_stats outside;
    leat_stats_controllers(rig.runtime, &outside);
    CHECK_EQ(outside.sent, 1000);
    CHECK_EQ(outside.delivered, 1000);
    CHECK_EQ(outside.inputs, 0);
    rig_close(&rig);
    puppet_free(&actor);
}
