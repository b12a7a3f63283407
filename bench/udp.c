/* The UDP workloads, leat's side: an actor that echoes what it is given, datagram by datagram or
 * train by train, and one that sends what it is given to many. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"
#include "udp.h"

enum message {
    MSG_OPENED = STAGE_OWN, /* payload: struct opened */
};

struct opened {
    int32_t status;
    uint16_t port;
    uint16_t zero;
    pid_t thread; /* the worker's */
};

struct udp_arg {
    leat_ref home;
    struct leat_addr local;
    uint32_t flags;    /* enum leat_udp_flags */
    uint16_t fan_port; /* peers' */
    bool own_bodies;   /* fan-out: a body for each peer, not one for all */
};

/* ---- echo ---- */

enum udp_next {
    UDP_NONE,
    UDP_OPEN,
    UDP_TELL,
    UDP_ANSWER,
    UDP_STOP,
};

struct udp_echo {
    enum udp_next next;
    struct leat_output answer;
    struct udp_arg arg;
    struct opened opened;
};

static int udp_echo_init(void *state, const void *arg, leat_time now)
{
    struct udp_echo *self = state;
    (void)now;
    memcpy(&self->arg, arg, sizeof(self->arg));
    self->next = UDP_OPEN;
    return 0;
}

static void udp_echo_on_event(void *state, const struct leat_event *event)
{
    struct udp_echo *self = state;
    switch (event->kind) {
    case LEAT_EVENT_DATA:
        leat_output_reply(&self->answer, event, leat_slice_ref(event->data.body));
        self->answer.segment_size = event->segment_size;
        self->next = UDP_ANSWER;
        break;
    case LEAT_EVENT_OPENED:
        self->opened.thread = gettid();
        self->opened.status = event->status;
        self->opened.port = event->opened.local.port;
        self->next = UDP_TELL;
        break;
    case LEAT_EVENT_SHUTDOWN:
        self->next = UDP_STOP;
        break;
    default:
        break;
    }
}

static bool udp_echo_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct udp_echo *self = state;
    (void)now;
    switch (self->next) {
    case UDP_NONE:
        return false;
    case UDP_ANSWER:
        *ret = self->answer;
        break;
    case UDP_OPEN:
        leat_output_open(ret, &self->arg.local, 0);
        ret->open.recv_buf = 4 << 20;
        ret->open.send_buf = 4 << 20;
        ret->open.flags = self->arg.flags;
        break;
    case UDP_TELL:
        leat_output_send(ret, self->arg.home, MSG_OPENED, &self->opened, sizeof(self->opened));
        break;
    case UDP_STOP:
        leat_output_stop(ret);
        break;
    }
    self->next = UDP_NONE;
    return true;
}

static void udp_echo_fini(void *state)
{
    struct udp_echo *self = state;
    if (self->next == UDP_ANSWER) { /* forced to stop before it was popped */
        leat_buf_unref(self->answer.data.body.buf);
    }
}

static const struct leat_behavior udp_echo = {
    .name = "bench udp echo",
    .state_size = sizeof(struct udp_echo),
    .init = udp_echo_init,
    .on_event = udp_echo_on_event,
    .pop_output = udp_echo_pop_output,
    .fini = udp_echo_fini,
};

/* ---- fan-out ---- */

struct udp_fan {
    leat_sock sock;
    leat_slice body; /* of the request; one reference of our own while there are outputs */
    uint32_t at;     /* next peer of the group, and behind its last */
    uint32_t end;
    enum udp_next next;
    struct udp_arg arg;
    struct opened opened;
    struct leat_addr peers[UDP_PEERS_MAX];
};

static int udp_fan_init(void *state, const void *arg, leat_time now)
{
    struct udp_fan *self = state;
    (void)now;
    memcpy(&self->arg, arg, sizeof(self->arg));
    for (uint32_t i = 0; i < UDP_PEERS_MAX; i++) {
        in_addr_t ip = udp_peer(i);
        self->peers[i] = self->arg.local; /* IPv4-mapped: the last four bytes are the address */
        memcpy(self->peers[i].ip + 12, &ip, sizeof(ip));
        self->peers[i].port = self->arg.fan_port;
    }
    self->next = UDP_OPEN;
    return 0;
}

static uint32_t udp_fan_group(leat_slice request)
{
    struct stamp stamp = {0};
    if (request.len >= sizeof(stamp)) {
        memcpy(&stamp, leat_slice_data(request), sizeof(stamp));
    }
    return stamp.peer % UDP_FAN_GROUPS;
}

static void udp_fan_on_event(void *state, const struct leat_event *event)
{
    struct udp_fan *self = state;
    switch (event->kind) {
    case LEAT_EVENT_DATA:
        self->sock = event->sock;
        self->body = leat_slice_ref(event->data.body);
        self->at = udp_fan_group(event->data.body) * UDP_FAN_PEERS;
        self->end = self->at + UDP_FAN_PEERS;
        self->next = UDP_ANSWER;
        break;
    case LEAT_EVENT_OPENED:
        self->opened.thread = gettid();
        self->opened.status = event->status;
        self->opened.port = event->opened.local.port;
        self->next = UDP_TELL;
        break;
    case LEAT_EVENT_SHUTDOWN:
        self->next = UDP_STOP;
        break;
    default:
        break;
    }
}

/* The next datagram of the fan-out, or all of it in one output. */
static void udp_fan_answer(struct udp_fan *self, struct leat_output *ret)
{
    leat_slice own;
    if (!self->arg.own_bodies) {
        leat_output_clear(ret, LEAT_OUTPUT_DATA_MANY);
        ret->sock = self->sock;
        ret->data_many.body = self->body; /* our reference goes with it */
        ret->data_many.peers = &self->peers[self->at];
        ret->data_many.peers_len = UDP_FAN_PEERS;
        self->next = UDP_NONE;
    } else if (leat_buf_alloc(self->body.len, &own) == 0) {
        memcpy(leat_slice_data(own), leat_slice_data(self->body), own.len);
        leat_output_data(ret, self->sock, &self->peers[self->at], own);
        if (++self->at == self->end) {
            leat_buf_unref(self->body.buf);
            self->next = UDP_NONE;
        }
    } else {
        leat_output_fail(ret, -ENOMEM); /* fini gives the body back */
    }
}

static bool udp_fan_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct udp_fan *self = state;
    (void)now;
    switch (self->next) {
    case UDP_NONE:
        return false;
    case UDP_ANSWER:
        udp_fan_answer(self, ret);
        return true;
    case UDP_OPEN:
        leat_output_open(ret, &self->arg.local, 0);
        ret->open.recv_buf = 4 << 20;
        ret->open.send_buf = 4 << 20;
        break;
    case UDP_TELL:
        leat_output_send(ret, self->arg.home, MSG_OPENED, &self->opened, sizeof(self->opened));
        break;
    case UDP_STOP:
        leat_output_stop(ret);
        break;
    }
    self->next = UDP_NONE;
    return true;
}

static void udp_fan_fini(void *state)
{
    struct udp_fan *self = state;
    if (self->next == UDP_ANSWER) {
        leat_buf_unref(self->body.buf);
    }
}

static const struct leat_behavior udp_fan = {
    .name = "bench udp fan-out",
    .state_size = sizeof(struct udp_fan),
    .init = udp_fan_init,
    .on_event = udp_fan_on_event,
    .pop_output = udp_fan_pop_output,
    .fini = udp_fan_fini,
};

/* ---- one service ---- */

/* What a service is made of. */
struct service {
    const struct leat_behavior *behavior;
    uint32_t flags;
    bool own_bodies;
    bool spins; /* else the worker sleeps at once, as the floor does */
};

static int service_play(struct stage *stage, const struct service *service,
                        struct generator *generator, uint16_t fan_port, struct outcome *ret)
{
    struct rep *rep = stage->rep;
    struct udp_arg arg;
    struct opened opened;
    struct leat_event event;
    memset(&arg, 0, sizeof(arg));
    arg.home = stage->home;
    arg.flags = service->flags;
    arg.fan_port = fan_port;
    arg.own_bodies = service->own_bodies;
    if (leat_addr_parse("127.0.0.1:0", &arg.local) != 0) {
        return rep_wrong(rep, "leat_addr_parse failed");
    }
    struct cast cast = {service->behavior, &arg, sizeof(arg), true, 1, NULL};
    if (stage_spawn(stage, &cast) != 0 || stage_wait(stage, MSG_OPENED, &event) != 0) {
        return -1;
    }
    memcpy(&opened, event.payload, sizeof(opened));
    if (opened.status != 0) {
        return rep_wrong(rep, "opening a socket: %s", strerror(-opened.status));
    }
    cpu_pin(opened.thread, 1);
    if (generator_start(generator, opened.port, rep) != 0) {
        return -1;
    }
    return udp_generator_finish(generator, ret, rep);
}

static int service_run(const struct setup *setup, const struct plan *plan,
                       const struct service *service, struct outcome *ret, struct rep *rep)
{
    struct generator generator = {0};
    uint16_t fan_port = 0;
    struct stage stage = {0};
    struct totals totals;
    if (udp_generator_open(&generator, plan, &fan_port, rep) == 0) {
        struct leat_config config = stage_config(setup);
        if (!service->spins) {
            config.spin_us = 0;
        }
        if (stage_open(&stage, setup, rep, &config) == 0) {
            service_play(&stage, service, &generator, fan_port, ret);
        }
        stage_close(&stage, &totals);
    }
    generator_close(&generator);
    if (rep->result != REP_OK) {
        return -1;
    }
    if (totals.sent_datagrams < ret->received || totals.send_errors != 0) {
        return rep_wrong(rep, "%llu datagrams received, but %llu sent, %llu errors",
                         (unsigned long long)ret->received,
                         (unsigned long long)totals.sent_datagrams,
                         (unsigned long long)totals.send_errors);
    }
    return 0;
}

static int service_measure(const struct setup *setup, const struct plan *plan,
                           const struct service *service, struct rep *rep)
{
    struct outcome outcome;
    if (service_run(setup, plan, service, &outcome, rep) != 0) {
        return -1;
    }
    rep->ns = outcome_ns(&outcome);
    rep_extra(rep, "packets_per_s", 1e9 / rep->ns);
    rep_extra(rep, "server_cpu_ns", outcome_cpu_ns(&outcome));
    rep_extra(rep, "lost", (double)outcome.lost);
    return 0;
}

/* ---- the workloads ---- */

int udp_echo_run(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_echo(setup);
    struct service service = {&udp_echo, 0, false, false};
    return service_measure(setup, &plan, &service, rep);
}

int udp_echo_trains_run(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_trains(setup);
    struct service service = {&udp_echo, 0, false, false};
    return service_measure(setup, &plan, &service, rep);
}

int udp_echo_trains_whole_run(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_trains(setup);
    struct service service = {&udp_echo, LEAT_UDP_TRAINS, false, false};
    return service_measure(setup, &plan, &service, rep);
}

int udp_echo_64x4_run(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_64x4(setup);
    struct service service = {&udp_echo, 0, false, false};
    struct service whole = {&udp_echo, LEAT_UDP_TRAINS, false, false};
    struct outcome outcome;
    if (service_measure(setup, &plan, &service, rep) != 0 ||
        service_run(setup, &plan, &whole, &outcome, rep) != 0) {
        return -1;
    }
    rep_extra(rep, "whole_ns", outcome_ns(&outcome));
    rep_extra(rep, "whole_server_cpu_ns", outcome_cpu_ns(&outcome));
    return 0;
}

int udp_fanout_run(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_fanout(setup);
    struct service shared = {&udp_fan, 0, false, false};
    struct service own = {&udp_fan, 0, true, false};
    struct outcome outcome;
    if (service_measure(setup, &plan, &shared, rep) != 0 ||
        service_run(setup, &plan, &own, &outcome, rep) != 0) {
        return -1;
    }
    rep_extra(rep, "own_bodies_ns", outcome_ns(&outcome));
    rep_extra(rep, "own_bodies_server_cpu_ns", outcome_cpu_ns(&outcome));
    return 0;
}

int udp_rtt_run(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_rtt(setup);
    struct service hot = {&udp_echo, 0, false, true};
    struct service sleeping = {&udp_echo, 0, false, false};
    struct outcome outcome;
    if (service_run(setup, &plan, &hot, &outcome, rep) != 0) {
        return -1;
    }
    rep->ns = outcome.p50_ns;
    rep_extra(rep, "p99_ns", outcome.p99_ns);
    if (service_run(setup, &plan, &sleeping, &outcome, rep) != 0) {
        return -1;
    }
    rep_extra(rep, "sleeping_ns", outcome.p50_ns);
    rep_extra(rep, "sleeping_p99_ns", outcome.p99_ns);
    return 0;
}
