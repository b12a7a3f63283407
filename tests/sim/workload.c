/* The thread outside: opens a runtime as the seed says, lets controllers meddle with the crowd,
 * waits until nothing is left to happen, shuts down in one of several ways, and asks the ledger. */
#include "workload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"

#define DESKS 3u /* controllers open at once */
#define HANG_S 30u

struct desk {
    leat_controller *controller; /* NULL: closed */
    uint32_t me;
};

struct workload {
    struct draw draw;
    leat_runtime *runtime;
    struct desk desks[DESKS]; /* the first stays open */
    uint32_t workers;
    uint32_t receives;
};

/* ---- when it goes wrong for good ---- */

static char replay[256]; /* the command */

static void say_replay(void)
{
    ssize_t ignored = write(STDERR_FILENO, replay, strlen(replay));
    (void)ignored;
}

static void on_signal(int sig)
{
    say_replay();
    signal(sig, SIG_DFL);
    raise(sig == SIGALRM ? SIGABRT : sig);
}

void workload_watch(uint64_t seed, const char *options)
{
    snprintf(
        replay, sizeof(replay),
        "seed %llu failed; to see it again: ${BUILD:-build/dev}/tests/sim/simulate %s--seed %llu\n",
        (unsigned long long)seed, options, (unsigned long long)seed);
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGALRM};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        signal(signals[i], on_signal);
    }
    alarm(HANG_S);
}

bool workload_passed(void)
{
    alarm(0);
    if (ledger.failures > 0) {
        say_replay();
    }
    return ledger.failures == 0;
}

/* ---- configuration ---- */

static leat_time one_of(struct draw *draw, const leat_time *values, uint32_t n)
{
    return values[draw_below(draw, n)];
}

#define ONE_OF(draw, ...)                                                                          \
    one_of((draw), (const leat_time[]){__VA_ARGS__},                                               \
           (uint32_t)(sizeof((const leat_time[]){__VA_ARGS__}) / sizeof(leat_time)))

static void on_log(void *context, enum leat_log_level level, const char *text)
{
    (void)context;
    EXPECT(level != LEAT_LOG_ERROR || strstr(text, "cannot open UDP") != NULL, "log: %s", text);
}

static struct leat_config configure(struct draw *draw, uint64_t seed)
{
    struct leat_config config = leat_config_default();
    config.io = "sim";
    config.seed = seed;
    config.workers = 1 + draw_below(draw, 4);
    config.mailbox_len_max = (uint32_t)ONE_OF(draw, 2, 5, 16, 100);
    config.send_wait_ns = ONE_OF(draw, LEAT_US, 50 * LEAT_US, LEAT_MS, 10 * LEAT_MS);
    config.shutdown_ns = ONE_OF(draw, LEAT_US, LEAT_MS, 20 * LEAT_MS);
    config.recv_bufs_max = (uint32_t)ONE_OF(draw, 1, 3, 16, 256);
    config.send_queue_len_max = (uint32_t)ONE_OF(draw, 1, 2, 8, 1024);
    config.routes_max = (uint32_t)ONE_OF(draw, 1, 3, 100);
    config.actors_max = 5000;
    config.sim.loss = draw_percent(draw, 50) ? 0.2 : 0;
    config.sim.duplicate = draw_percent(draw, 50) ? 0.2 : 0;
    config.sim.reorder = draw_percent(draw, 50) ? 0.3 : 0;
    config.sim.delay_min_ns = draw_percent(draw, 30) ? 0 : 20 * LEAT_US;
    config.sim.delay_max_ns = config.sim.delay_min_ns + ONE_OF(draw, 0, 100 * LEAT_US, LEAT_MS);
    config.log = on_log;
    config.trace = ledger_trace;
    return config;
}

/* ---- controllers ---- */

static void desk_open(struct workload *run, struct desk *desk)
{
    uint32_t me = ledger.desks_len < DESKS_MAX ? ledger_person(0) : NOBODY;
    if (me == NOBODY) {
        return;
    }
    int status = leat_controller_open(run->runtime, &desk->controller);
    EXPECT(status == 0, "cannot open a controller: %d", status);
    struct person *person = &ledger.people[me];
    person->ref = leat_controller_ref(desk->controller);
    person->known = true;
    person->desk = ++ledger.desks_len;
    desk->me = me;
}

static void desk_close(struct desk *desk)
{
    if (desk->controller != NULL) {
        ledger.people[desk->me].ended = true;
        leat_controller_close(desk->controller);
        desk->controller = NULL;
    }
}

static void desk_event(struct desk *desk, struct leat_event *event)
{
    EXPECT(event->now == leat_controller_now(desk->controller),
           "a controller was given another time");
    switch (event->kind) {
    case LEAT_EVENT_MESSAGE:
        ledger_receive(desk->me, event);
        break;
    case LEAT_EVENT_DOWN:
        ledger_down(desk->me, event);
        break;
    default:
        EXPECT(event->kind == LEAT_EVENT_STATS, "a controller was given event %u", event->kind);
    }
    leat_event_release(event);
}

/* Receives what there is until `timeout` has gone by without anything, at most `max` times. */
static int desk_receive(struct workload *run, struct desk *desk, leat_time timeout, uint32_t max)
{
    int status = 0;
    for (uint32_t i = 0; i < max && status == 0; i++) {
        struct leat_event event;
        leat_time before = leat_controller_now(desk->controller);
        status = leat_receive(desk->controller, timeout, &event);
        leat_time after = leat_controller_now(desk->controller);
        EXPECT(after >= before && after - before <= timeout, "waited %llu ns, not %llu",
               (unsigned long long)(after - before), (unsigned long long)timeout);
        EXPECT(status == 0 || status == -ETIMEDOUT || status == -EPIPE, "receive: %d", status);
        if (status == 0) {
            desk_event(desk, &event);
        }
        run->receives++;
    }
    return status;
}

static void desk_spawn(struct workload *run, struct desk *desk)
{
    uint32_t index = ledger_person(desk->me);
    if (index == NOBODY) {
        return;
    }
    uint32_t kind = draw_below(&run->draw, CROWD_KINDS);
    struct seat seat = {
        .index = index, .outputs = 20 + draw_below(&run->draw, 300), .seed = draw_bits(&run->draw)};
    int worker =
        draw_percent(&run->draw, 30) ? LEAT_WORKER_BEST : (int)draw_below(&run->draw, run->workers);
    struct person *person = &ledger.people[index];
    int status = leat_spawn(desk->controller, &crowd[kind], &seat, crowd_seat_size(kind), worker,
                            &person->ref);
    EXPECT(status == 0, "spawn: %d", status);
    person->known = true;
    person->asked = true;
}

static void desk_send(struct workload *run, struct desk *desk)
{
    struct letter_body letter;
    uint32_t to = crowd_somebody(&run->draw);
    if (to == 0 || !ledger_send(desk->me, to, false, &letter)) {
        return;
    }
    int status;
    if (draw_percent(&run->draw, 30)) {
        leat_slice body = crowd_body(&letter, &run->draw);
        status = leat_send_body(desk->controller, ledger.people[to].ref, ~letter.id, body);
        if (status < 0) {
            leat_buf_unref(body.buf);
        }
    } else {
        status =
            leat_send(desk->controller, ledger.people[to].ref, ~letter.id, &letter, sizeof(letter));
    }
    if (status == -EAGAIN) {
        ledger_refuse(desk->me, &letter, status);
    } else {
        EXPECT(status == 0 || status == -ESRCH, "send: %d", status);
        EXPECT(status == 0 || ledger.people[to].ended || ledger.people[to].killed,
               "%u was not there and had not ended", to);
    }
}

static void desk_broadcast(struct workload *run, struct desk *desk)
{
    struct letter_body letter = {.id = LETTER_BROADCAST | (uint32_t)++ledger.broadcasts,
                                 .from = desk->me};
    int worker =
        draw_percent(&run->draw, 50) ? LEAT_WORKER_ALL : (int)draw_below(&run->draw, run->workers);
    const struct leat_behavior *only =
        draw_percent(&run->draw, 50) ? NULL : &crowd[draw_below(&run->draw, CROWD_KINDS)];
    int status =
        leat_broadcast(desk->controller, worker, only, ~letter.id, &letter, sizeof(letter));
    EXPECT(status == 0, "broadcast: %d", status);
}

static void desk_meddle(struct workload *run, struct desk *desk)
{
    uint32_t whom = crowd_somebody(&run->draw);
    if (whom == 0 || ledger.people[whom].desk > 0) {
        return;
    }
    struct person *person = &ledger.people[whom];
    uint32_t drawn = draw_below(&run->draw, 4);
    int status = 0;
    if (drawn == 0) {
        status = leat_kill(desk->controller, person->ref);
        person->killed = true;
    } else if (drawn == 1) {
        status = leat_stop(desk->controller, person->ref);
        person->stopped = true;
    } else {
        uint32_t id = ledger_watch(desk->me, whom);
        status = id != 0 ? leat_monitor(desk->controller, person->ref, id) : 0;
        if (status == -EAGAIN) {
            ledger.watches[id].state = WATCH_REFUSED;
            status = 0;
        }
    }
    EXPECT(status == 0 || (status == -ESRCH && (person->ended || person->killed)),
           "could not meddle with %u: %d", whom, status);
}

static void meddle(struct workload *run)
{
    struct desk *desk = &run->desks[draw_below(&run->draw, DESKS)];
    if (desk->controller == NULL) {
        desk_open(run, desk);
        return;
    }
    uint32_t drawn = draw_below(&run->draw, 100);
    if (drawn < 15) {
        desk_spawn(run, desk);
    } else if (drawn < 45) {
        desk_send(run, desk);
    } else if (drawn < 50) {
        desk_broadcast(run, desk);
    } else if (drawn < 60) {
        desk_meddle(run, desk);
    } else if (drawn < 63 && desk != &run->desks[0]) {
        desk_close(desk);
    } else if (drawn < 66) {
        leat_stats_every(desk->controller, draw_percent(&run->draw, 50) ? 0 : LEAT_MS);
    } else {
        leat_time timeout = ONE_OF(&run->draw, 0, LEAT_US, 30 * LEAT_US, LEAT_MS);
        desk_receive(run, desk, timeout, 1 + draw_below(&run->draw, 3));
    }
}

/* ---- the end ---- */

/* Until nobody receives anything any more. */
static void come_to_rest(struct workload *run)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < DESKS; i++) {
            if (run->desks[i].controller != NULL) {
                leat_stats_every(run->desks[i].controller, 0);
                uint32_t before = run->receives;
                desk_receive(run, &run->desks[i], LEAT_SEC, UINT32_MAX);
                again = again || run->receives > before + 1;
            }
        }
    }
}

static void shut_down(struct workload *run)
{
    uint32_t how = draw_below(&run->draw, 4);
    if (how == 0) { /* in the middle of it all */
        for (uint32_t i = 0; i < 5; i++) {
            desk_spawn(run, &run->desks[0]);
            desk_send(run, &run->desks[0]);
        }
    }
    if (how == 1) { /* not run by hand: it ends by itself */
        int status = leat_runtime_run(run->runtime);
        EXPECT(status == 0, "run: %d", status);
    } else {
        leat_runtime_stop(run->runtime);
    }
    if (how == 2) {
        desk_close(&run->desks[1]);
    }
    for (uint32_t i = 0; i < DESKS; i++) {
        if (run->desks[i].controller != NULL) {
            int status = desk_receive(run, &run->desks[i], 10 * LEAT_SEC, UINT32_MAX);
            EXPECT(status == -EPIPE, "the runtime did not end: %d", status);
        }
    }
}

static void go(struct workload *run, struct workload_result *ret)
{
    desk_open(run, &run->desks[0]);
    ledger.clock = run->desks[0].controller;
    for (uint32_t i = 0; i < 8; i++) {
        desk_spawn(run, &run->desks[0]);
    }
    uint32_t steps = 50 + draw_below(&run->draw, 300);
    for (uint32_t i = 0; i < steps && ledger.failures == 0; i++) {
        meddle(run);
    }
    if (draw_percent(&run->draw, 75)) {
        come_to_rest(run);
        ledger_check_quiet(leat_controller_now(ledger.clock));
    }
    shut_down(run);
    ledger_check_end(run->runtime);
    ret->hash = leat_sim_hash(run->runtime);
    ret->time = leat_controller_now(ledger.clock);
    struct leat_worker_stats workers[LEAT_WORKERS_MAX];
    size_t len = leat_stats_workers(run->runtime, workers, LEAT_WORKERS_MAX);
    for (size_t i = 0; i < len; i++) {
        ret->inputs += workers[i].inputs;
        ret->steps += workers[i].loops;
    }
    ledger.clock = NULL;
    for (uint32_t i = 0; i < DESKS; i++) {
        desk_close(&run->desks[i]);
    }
}

bool workload_run(uint64_t seed, struct workload_result *ret)
{
    static struct workload run;
    *ret = (struct workload_result){0};
    run = (struct workload){.draw = {.state = seed * UINT64_C(0xd1342543de82ef95) + 1}};
    workload_watch(seed, "");
    ledger_open(seed);
    struct leat_config config = configure(&run.draw, seed);
    run.workers = config.workers;
    ledger.send_wait_ns = config.send_wait_ns;
    int status = leat_runtime_open(&config, &run.runtime);
    EXPECT(status == 0, "open: %d", status);
    if (status == 0) {
        go(&run, ret);
        status = leat_runtime_close(run.runtime);
        EXPECT(status == 0, "close: %d", status);
    }
    return workload_passed();
}

void workload_seeds(const uint64_t fallback[2], uint64_t ret[2])
{
    const char *seed = getenv("LEAT_SEED");
    const char *longer = getenv("LEAT_TEST_LONG");
    ret[0] = fallback[0];
    ret[1] = fallback[1];
    if (seed != NULL && *seed != 0) {
        ret[0] = ret[1] = strtoull(seed, NULL, 10);
    } else if (longer != NULL && strcmp(longer, "1") == 0) {
        ret[1] = ret[0] + 50 * (ret[1] - ret[0] + 1) - 1;
    }
}
