/* The thread outside: opens a runtime as the seed says, lets controllers subscribe, publish and meddle
 * between single steps of the simulation, waits until nothing is left to happen, shuts down, and asks
 * the ledger. */
#include "bus_workload.h"

#include <errno.h>
#include <string.h>

#include "bus_crowd.h"
#include "sched.h"

#define DESKS 4u /* controllers open at once */

struct desk {
    leat_controller *controller; /* NULL: closed */
    uint32_t me;
};

struct run {
    struct draw draw;
    leat_runtime *runtime;
    struct desk desks[DESKS]; /* the first stays open */
    uint32_t workers;
    uint32_t receives;
};

static void on_log(void *context, enum leat_log_level level, const char *text)
{
    (void)context;
    EXPECT(level != LEAT_LOG_ERROR, "log: %s", text);
}

/* Which worker an actor is on is seen at its first transition. */
static void on_trace(void *context, const struct leat_trace *trace)
{
    (void)context;
    uint32_t who = bus_ledger.at_slot[(uint32_t)trace->actor.id % BUS_SLOTS];
    if (trace->from == LEAT_STATE_CREATED && who != 0) {
        bus_ledger.people[who].worker = trace->worker;
    }
}

static uint32_t one_of(struct draw *draw, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t values[] = {a, b, c, d};
    return values[draw_below(draw, 4)];
}

static struct leat_config configure(struct draw *draw, uint64_t seed)
{
    struct leat_config config = leat_config_default();
    config.io = "sim";
    config.seed = seed;
    config.workers = 1 + draw_below(draw, 4);
    config.mailbox_len_max = one_of(draw, 1, 4, 20, 1000);
    config.shutdown_ns = one_of(draw, 1000, 1000000, 20000000, 20000000);
    config.actors_max = 5000;
    config.log = on_log;
    config.trace = on_trace;
    bus_taste = (struct bus_taste){
        .rooms = 1 + draw_below(draw, BUS_NAMES),
        .publish = one_of(draw, 15, 30, 40, 60),
        .subscribe = one_of(draw, 10, 25, 30, 30),
        .broadcast = one_of(draw, 0, 1, 2, 5),
        .ends = one_of(draw, 0, 2, 10, 30),
        .children = one_of(draw, 0, 1, 3, 5),
        .safe = one_of(draw, 0, 30, 70, 100),
        .meddles = one_of(draw, 0, 0, 10, 40),
    };
    return config;
}

/* ---- controllers ---- */

static void desk_open(struct run *run, struct desk *desk)
{
    uint32_t me = bus_person();
    if (me == NOBODY) {
        return;
    }
    int status = leat_controller_open(run->runtime, &desk->controller);
    EXPECT(status == 0, "cannot open a controller: %d", status);
    bus_ledger.people[me] = (struct listener){.is_desk = true, .born = true};
    bus_person_known(me, leat_controller_ref(desk->controller));
    desk->me = me;
}

static void desk_close(struct desk *desk)
{
    if (desk->controller != NULL) {
        bus_person_ended(desk->me);
        leat_controller_close(desk->controller);
        desk->controller = NULL;
    }
}

static void desk_event(const struct desk *desk, struct leat_event *event)
{
    switch (event->kind) {
    case LEAT_EVENT_MESSAGE:
        bus_ledger.letters++;
        EXPECT(event->type == 0, "controller %u was given a broadcast", desk->me);
        break;
    case LEAT_EVENT_PUBLISHED:
        bus_given(desk->me, event);
        break;
    case LEAT_EVENT_SUBSCRIBED:
    case LEAT_EVENT_UNSUBSCRIBED:
        bus_answer(desk->me, event);
        break;
    default:
        EXPECT(event->kind == LEAT_EVENT_DOWN, "controller %u was given event %u", desk->me,
               event->kind);
    }
    leat_event_release(event);
}

/* What it has in its mailbox; the simulation does not run for longer than `timeout` gives it. */
static int desk_receive(struct run *run, struct desk *desk, leat_time timeout, uint32_t max)
{
    int status = 0;
    for (uint32_t i = 0; i < max && status == 0; i++) {
        struct leat_event event;
        status = leat_receive(desk->controller, timeout, &event);
        EXPECT(status == 0 || status == -ETIMEDOUT || status == -EPIPE, "receive: %d", status);
        if (status == 0) {
            desk_event(desk, &event);
            run->receives++;
        }
    }
    return status;
}

static void desk_spawn(struct run *run, struct desk *desk)
{
    uint32_t index = bus_person();
    if (index == NOBODY) {
        return;
    }
    uint32_t kind = draw_below(&run->draw, BUS_KINDS);
    struct seat seat = {
        .index = index, .outputs = 5 + draw_below(&run->draw, 60), .seed = draw_bits(&run->draw)};
    struct listener *person = &bus_ledger.people[index];
    person->kind = (uint8_t)kind;
    person->is_roomy = bus_is_roomy(kind);
    leat_ref ref = LEAT_REF_NONE;
    int status = leat_spawn(desk->controller, &bus_crowd[kind], &seat, SEAT_SHORT,
                            (int)draw_below(&run->draw, run->workers), &ref);
    EXPECT(status == 0, "spawn: %d", status);
    bus_person_known(index, ref);
}

static void desk_request(struct run *run, struct desk *desk)
{
    uint32_t room = bus_some_room(&run->draw);
    bool meddles = draw_percent(&run->draw, 20 + bus_taste.meddles);
    uint32_t whom = meddles ? bus_somebody(&run->draw) : desk->me;
    bool is_subscribe = draw_percent(&run->draw, 65);
    uint32_t id = room != 0 && whom != 0 ? bus_ask(desk->me, whom, room, is_subscribe) : 0;
    if (id == 0) {
        return;
    }
    leat_ref subscriber = whom != desk->me ? bus_ledger.people[whom].ref : LEAT_REF_NONE;
    leat_channel channel = bus_ledger.rooms[room].id;
    int status = is_subscribe ? leat_subscribe(desk->controller, channel, subscriber, id)
                              : leat_unsubscribe(desk->controller, channel, subscriber, id);
    if (status < 0) {
        bus_ask_refused(desk->me, id, status);
    }
}

static void desk_publish(struct run *run, struct desk *desk)
{
    struct pub_body body;
    uint32_t room = bus_some_room(&run->draw);
    uint32_t id = room != 0 ? bus_publish_new(desk->me, room, false, &body) : 0;
    if (id == 0) {
        return;
    }
    leat_channel channel = bus_ledger.rooms[room].id;
    int status;
    if (draw_percent(&run->draw, 40)) {
        leat_slice slice = bus_body(&body, &run->draw);
        status = leat_publish_body(desk->controller, channel, ~id, slice);
    } else {
        status = leat_publish(desk->controller, channel, ~id, &body, sizeof(body));
    }
    EXPECT(status == 0, "publish: %d", status);
}

static void desk_broadcast(struct run *run, struct desk *desk)
{
    struct pub_body body;
    uint32_t worker =
        draw_percent(&run->draw, 50) ? (uint32_t)ANY : draw_below(&run->draw, run->workers);
    uint32_t kind =
        draw_percent(&run->draw, 50) ? (uint32_t)ANY : draw_below(&run->draw, BUS_KINDS);
    uint32_t id = bus_broadcast_new(desk->me, worker, kind, &body);
    if (id != 0) {
        int status =
            leat_broadcast(desk->controller, worker == ANY ? LEAT_WORKER_ALL : (int)worker,
                           kind == ANY ? NULL : &bus_crowd[kind], ~id, &body, sizeof(body));
        EXPECT(status == 0, "broadcast: %d", status);
    }
}

static void desk_meddle(struct run *run, struct desk *desk)
{
    uint32_t whom = bus_somebody(&run->draw);
    if (whom == 0 || bus_ledger.people[whom].is_desk) {
        return;
    }
    struct listener *person = &bus_ledger.people[whom];
    uint32_t drawn = draw_below(&run->draw, 100);
    if (drawn < 2 * bus_taste.ends) {
        int status = draw_percent(&run->draw, 50) ? leat_kill(desk->controller, person->ref)
                                                  : leat_stop(desk->controller, person->ref);
        EXPECT(status == 0 || (status == -ESRCH && (person->ended || person->killed)),
               "cannot end %u: %d", whom, status);
        person->killed = true;
        return;
    }
    bus_ledger.sends++;
    int status = leat_send(desk->controller, person->ref, 0, NULL, 0);
    EXPECT(status == 0 || status == -EAGAIN || person->ended || person->killed, "send: %d", status);
}

static void step(struct run *run)
{
    simulation_step(run->runtime, leat_controller_now(run->desks[0].controller));
    bus_check_step(run->runtime);
}

static void meddle(struct run *run)
{
    struct desk *desk = &run->desks[draw_below(&run->draw, DESKS)];
    if (desk->controller == NULL) {
        desk_open(run, desk);
        return;
    }
    uint32_t drawn = draw_below(&run->draw, 100);
    uint32_t name = draw_below(&run->draw, bus_taste.rooms);
    if (drawn < 10) {
        desk_spawn(run, desk);
    } else if (drawn < 25) {
        desk_request(run, desk);
    } else if (drawn < 40) {
        desk_publish(run, desk);
    } else if (drawn < 43) {
        desk_broadcast(run, desk);
    } else if (drawn < 60) {
        desk_meddle(run, desk);
    } else if (drawn < 62 && desk != &run->desks[0]) {
        desk_close(desk);
    } else if (drawn < 64) {
        bus_room_open(name);
    } else if (drawn < 66 && bus_ledger.named[name] != 0) {
        bus_room_close(bus_ledger.named[name]);
    } else if (drawn < 75) {
        desk_receive(run, desk, 0, 1 + draw_below(&run->draw, 20));
    } else {
        step(run);
    }
}

/* ---- the course of a run ---- */

static void come_to_rest(struct run *run)
{
    for (bool again = true; again;) {
        uint32_t before = run->receives;
        for (uint32_t i = 0; i < DESKS; i++) {
            if (run->desks[i].controller != NULL) {
                desk_receive(run, &run->desks[i], LEAT_SEC, UINT32_MAX);
            }
        }
        again = run->receives > before;
    }
    bus_check_step(run->runtime);
}

/* Many who listen to one room, and little else, so that walks give way. */
static void gather(struct run *run)
{
    uint32_t n = draw_percent(&run->draw, 25) ? 60 + draw_below(&run->draw, 60) : 6;
    uint32_t room = bus_ledger.named[0];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = bus_ledger.people_len;
        desk_spawn(run, &run->desks[0]);
        uint32_t id =
            n > 6 && index < BUS_PEOPLE_MAX ? bus_ask(run->desks[0].me, index, room, true) : 0;
        if (id != 0) {
            int status = leat_subscribe(run->desks[0].controller, bus_ledger.rooms[room].id,
                                        bus_ledger.people[index].ref, id);
            EXPECT(status == 0, "subscribe: %d", status);
        }
    }
}

static void shut_down(struct run *run)
{
    leat_runtime_stop(run->runtime);
    if (draw_percent(&run->draw, 30)) {
        desk_close(&run->desks[1]);
    }
    for (uint32_t i = 0; i < DESKS; i++) {
        if (run->desks[i].controller != NULL) {
            int status = desk_receive(run, &run->desks[i], 10 * LEAT_SEC, UINT32_MAX);
            EXPECT(status == -EPIPE, "the runtime did not end: %d", status);
        }
    }
}

static void go(struct run *run, struct workload_result *ret)
{
    desk_open(run, &run->desks[0]);
    ledger.clock = run->desks[0].controller;
    for (uint32_t name = 0; name < bus_taste.rooms; name++) {
        bus_room_open(name);
    }
    gather(run);
    uint32_t steps = 50 + draw_below(&run->draw, 400);
    for (uint32_t i = 0; i < steps && ledger.failures == 0; i++) {
        meddle(run);
    }
    if (draw_percent(&run->draw, 80)) {
        come_to_rest(run);
        bus_check_quiet(run->runtime);
    }
    shut_down(run);
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
    bus_check_end(run->runtime);
}

bool bus_workload_run(uint64_t seed, struct workload_result *ret)
{
    static struct run run;
    *ret = (struct workload_result){0};
    run = (struct run){.draw = {.state = seed * UINT64_C(0xd1342543de82ef95) + 7}};
    workload_watch(seed, "--bus ");
    bus_ledger_open(seed);
    struct leat_config config = configure(&run.draw, seed);
    run.workers = config.workers;
    int status = leat_runtime_open(&config, &run.runtime);
    EXPECT(status == 0, "open: %d", status);
    if (status == 0) {
        go(&run, ret);
        status = leat_runtime_close(run.runtime);
        EXPECT(status == 0, "close: %d", status);
    }
    for (uint32_t at = 1; at < bus_ledger.rooms_len; at++) {
        while (bus_ledger.rooms[at].uses > 0) {
            bus_room_close(at);
        }
    }
    return workload_passed();
}
