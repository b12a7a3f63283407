/* The thread outside: opens a runtime as the seed says, lets actors open streams to each other over a
 * network that it cuts and resets, ends some of them between single steps of the simulation, has the
 * others end what they began, shuts down, and asks the ledger. */
#include "stream_workload.h"

#include <errno.h>
#include <string.h>

#include "mem.h"
#include "sched.h"
#include "stream_crowd.h"

struct run {
    struct draw draw;
    leat_runtime *runtime;
    leat_controller *desk;
    uint32_t workers;
    bool is_cut; /* the network is, now and then */
};

static void on_log(void *context, enum leat_log_level level, const char *text)
{
    (void)context;
    EXPECT(level != LEAT_LOG_ERROR || strstr(text, "cannot listen on") != NULL, "log: %s", text);
}

/* Which worker an actor is on is seen at its first transition. */
static void on_trace(void *context, const struct leat_trace *trace)
{
    (void)context;
    uint32_t who = stream_ledger.at_slot[(uint32_t)trace->actor.id % FOLK_SLOTS];
    if (trace->from == LEAT_STATE_CREATED && who != 0) {
        stream_ledger.people[who].worker = trace->worker;
    }
}

static uint32_t one_of(struct draw *draw, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t values[] = {a, b, c, d};
    return values[draw_below(draw, 4)];
}

static struct leat_config configure(struct run *run, uint64_t seed)
{
    struct draw *draw = &run->draw;
    struct leat_config config = leat_config_default();
    config.io = "sim";
    config.seed = seed;
    config.workers = 1 + draw_below(draw, 3);
    config.mailbox_len_max = 1000;
    config.stream_queue_max = one_of(draw, 1, 1000, 20000, 262144);
    config.send_wait_ns = one_of(draw, 1000, 1000000, 10000000, 100000000);
    config.shutdown_ns = one_of(draw, 1000, 1000000, 20000000, 20000000);
    config.recv_bufs_max = one_of(draw, 1, 3, 16, 256);
    config.actors_max = 5000;
    config.sim.loss = draw_percent(draw, 25) ? 0.2 : 0;
    config.sim.reorder = draw_percent(draw, 50) ? 0.3 : 0;
    config.sim.delay_min_ns = draw_percent(draw, 30) ? 0 : 20 * LEAT_US;
    config.sim.delay_max_ns = config.sim.delay_min_ns + one_of(draw, 0, 100000, 1000000, 1000000);
    config.log = on_log;
    config.trace = on_trace;
    stream_ledger.is_starved = draw_percent(draw, 15);
    run->is_cut = draw_percent(draw, 40);
    stream_ledger.is_faulty = run->is_cut || config.sim.loss > 0;
    stream_taste = (struct stream_taste){
        .write = one_of(draw, 30, 45, 55, 65),
        .connect = one_of(draw, 2, 3, 4, 8),
        .listen = one_of(draw, 1, 1, 2, 4),
        .pause = one_of(draw, 0, 2, 4, 8),
        .resume = one_of(draw, 1, 2, 3, 5),
        .finish = one_of(draw, 0, 1, 2, 4),
        .close = one_of(draw, 0, 1, 2, 4),
        .give = one_of(draw, 0, 2, 4, 8),
        .spawn = one_of(draw, 0, 1, 1, 2),
        .ends = one_of(draw, 0, 2, 8, 25),
        .large = one_of(draw, 0, 3, 10, 50),
        .takes = one_of(draw, 60, 90, 95, 100),
    };
    return config;
}

/* ---- what is done from outside ---- */

/* Whether there need be nobody: it has ended, or could not be made. */
static bool may_be_gone(const struct folk *folk)
{
    return folk->ended || folk->killed || (!folk->born && stream_ledger.is_starved);
}

static bool starves(int status)
{
    return status == -ENOMEM && stream_ledger.is_starved;
}

static void spawn(struct run *run)
{
    uint32_t index = stream_person();
    if (index == NOBODY) {
        return;
    }
    struct seat seat = {
        .index = index, .outputs = 20 + draw_below(&run->draw, 150), .seed = draw_bits(&run->draw)};
    leat_ref ref = LEAT_REF_NONE;
    int status = leat_spawn(run->desk, &stream_crowd[draw_below(&run->draw, STREAM_KINDS)], &seat,
                            SEAT_SHORT, (int)draw_below(&run->draw, run->workers), &ref);
    EXPECT(status == 0 || starves(status), "spawn: %d", status);
    if (status == 0) {
        stream_person_known(index, ref);
    }
}

static void send(struct run *run)
{
    uint32_t whom = stream_somebody(&run->draw);
    if (whom != 0) {
        const struct folk *folk = &stream_ledger.people[whom];
        stream_ledger.sends++;
        int status = leat_send(run->desk, folk->ref, 0, NULL, 0);
        EXPECT(status == 0 || status == -EAGAIN || may_be_gone(folk) || starves(status), "send: %d",
               status);
    }
}

static void end_somebody(struct run *run)
{
    uint32_t whom = stream_somebody(&run->draw);
    if (whom == 0) {
        return;
    }
    struct folk *folk = &stream_ledger.people[whom];
    int status = draw_percent(&run->draw, 60) ? leat_kill(run->desk, folk->ref)
                                              : leat_stop(run->desk, folk->ref);
    EXPECT(status == 0 || (status == -ESRCH && may_be_gone(folk)) || starves(status),
           "cannot end %u: %d", whom, status);
    folk->killed = true;
}

static void break_network(struct run *run)
{
    struct sim_world *world = run->runtime->world;
    if (draw_percent(&run->draw, 70)) {
        stream_ledger.resets += sim_world_reset(world, draw_below(&run->draw, 65536));
        return;
    }
    static const leat_time lengths[] = {LEAT_MS, 100 * LEAT_MS, 3 * LEAT_SEC, 30 * LEAT_SEC};
    sim_world_cut(world, sim_world_now(world) + lengths[draw_below(&run->draw, 4)]);
}

/* A step of the simulation; now and then time goes on. */
static bool step(struct run *run, leat_time ns)
{
    bool goes_on = simulation_step(run->runtime, leat_controller_now(run->desk) + ns);
    stream_check_step(run->runtime);
    return goes_on;
}

static void meddle(struct run *run)
{
    uint32_t drawn = draw_below(&run->draw, 1000);
    if (drawn < 30) {
        spawn(run);
    } else if (drawn < 200) {
        send(run);
    } else if (drawn < 200 + stream_taste.ends) {
        end_somebody(run);
    } else if (drawn < 235 && run->is_cut) {
        break_network(run);
    } else if (drawn < 237 && stream_ledger.is_starved) {
        mem_fail_after(draw_percent(&run->draw, 50) ? 1 + draw_below(&run->draw, 10) : 0);
    } else if (drawn < 240) { /* the next that happens */
        step(run, 10 * LEAT_SEC);
    } else {
        step(run, drawn < 500 ? 0 : 200 * LEAT_US);
    }
}

/* ---- the course of a run ---- */

static void rest(struct run *run)
{
    while (step(run, 300 * LEAT_SEC) && ledger.failures == 0) {
    }
}

/* Everybody is to end what was begun: a full mailbox is tried again. */
static void wind_down(struct run *run)
{
    for (uint32_t who = 1; who < stream_ledger.people_len; who++) {
        const struct folk *folk = &stream_ledger.people[who];
        int status = -EAGAIN;
        while (folk->known && status == -EAGAIN && ledger.failures == 0) {
            stream_ledger.sends++;
            status = leat_send(run->desk, folk->ref, STREAM_WIND, NULL, 0);
            if (status == -EAGAIN) {
                step(run, LEAT_MS);
            }
        }
    }
    rest(run);
}

/* Twice: a first-generation actor may have spawned others, which began something, when it was told. */
static void come_to_rest(struct run *run)
{
    rest(run);
    wind_down(run);
    wind_down(run);
    stream_check_quiet();
}

static void shut_down(struct run *run)
{
    leat_runtime_stop(run->runtime);
    for (uint32_t i = 0; load_acquire_u32(&run->runtime->ended) == 0; i++) {
        step(run, LEAT_SEC);
        if (i == 1000000) {
            ledger_fail("the runtime does not end");
            return;
        }
    }
}

static void drain_desk(struct run *run)
{
    struct leat_event event;
    while (leat_receive(run->desk, 0, &event) == 0) {
        stream_ledger.letters += event.kind == LEAT_EVENT_MESSAGE;
        leat_event_release(&event);
    }
}

static void go(struct run *run, struct workload_result *ret)
{
    int status = leat_controller_open(run->runtime, &run->desk);
    EXPECT(status == 0, "cannot open a controller: %d", status);
    ledger.clock = run->desk;
    for (uint32_t i = 0; i < 6; i++) {
        spawn(run);
    }
    uint32_t steps = 100 + draw_below(&run->draw, 900);
    for (uint32_t i = 0; i < steps && ledger.failures == 0; i++) {
        meddle(run);
    }
    mem_fail_after(0);
    if (draw_percent(&run->draw, 75)) {
        come_to_rest(run);
    }
    shut_down(run);
    drain_desk(run);
    ret->hash = leat_sim_hash(run->runtime);
    ret->time = leat_controller_now(run->desk);
    struct leat_worker_stats workers[LEAT_WORKERS_MAX];
    size_t len = leat_stats_workers(run->runtime, workers, LEAT_WORKERS_MAX);
    for (size_t i = 0; i < len; i++) {
        ret->inputs += workers[i].inputs;
        ret->steps += workers[i].loops;
    }
    ledger.clock = NULL;
    leat_controller_close(run->desk);
    stream_check_end(run->runtime);
}

bool stream_workload_run(uint64_t seed, struct workload_result *ret)
{
    static struct run run;
    *ret = (struct workload_result){0};
    run = (struct run){.draw = {.state = seed * UINT64_C(0xd1342543de82ef95) + 11}};
    workload_watch(seed, "--streams ");
    stream_ledger_open(seed);
    struct leat_config config = configure(&run, seed);
    run.workers = config.workers;
    int status = leat_runtime_open(&config, &run.runtime);
    EXPECT(status == 0, "open: %d", status);
    if (status == 0) {
        go(&run, ret);
        status = leat_runtime_close(run.runtime);
        EXPECT(status == 0, "close: %d", status);
    }
    return workload_passed();
}
