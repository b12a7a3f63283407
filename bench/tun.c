/* The TUN workloads, leat's side: an actor that gives back what it is given, whole. */
#include "tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"

enum message {
    MSG_OPENED = STAGE_OWN, /* payload: struct opened */
};

struct opened {
    int32_t status;
    pid_t thread; /* the worker's */
};

int tun_network(struct rep *rep)
{
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
        return rep_skip(rep, "no /dev/net/tun that can be opened");
    }
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return rep_skip(rep, "no network namespace can be made here: %s", strerror(errno));
    }
    int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) { /* the interface then sends nothing of its own */
        ssize_t ignored = write(fd, "1", 1);
        (void)ignored;
        close(fd);
    }
    return 0;
}

struct plan tun_plan(const struct setup *setup)
{
    /* Trains, so that the generator does not pay for a wake-up a packet: where the interface
     * takes no super-packets, the kernel cuts them. */
    struct plan plan = {.traffic = TRAFFIC_ECHO, .peers = 1, .train = TUN_TRAIN,
                        .duration_ns = setup->count, .window = TUN_WINDOW};
    inet_pton(AF_INET, TUN_HERE, &plan.source);
    inet_pton(AF_INET, TUN_THERE, &plan.server);
    return plan;
}

bool tun_turn(uint8_t *ip, size_t len)
{
    uint8_t keep[4];
    if (len < 28 || ip[0] != 0x45 || ip[9] != IPPROTO_UDP) {
        return false;
    }
    memcpy(keep, ip + 12, 4);
    memcpy(ip + 12, ip + 16, 4);
    memcpy(ip + 16, keep, 4);
    memcpy(keep, ip + 20, 2);
    memcpy(ip + 20, ip + 22, 2);
    memcpy(ip + 22, keep, 2);
    return true;
}

/* ---- the actor ---- */

struct tun_arg {
    leat_ref home;
    uint32_t flags; /* enum leat_tun_flags */
};

struct tun_echo {
    struct tun_arg arg;
    struct leat_tun_addr here;
    struct leat_tun_config config;
    leat_outbox(2) out;
};

static int tun_echo_init(void *state, const void *arg, leat_time now)
{
    struct tun_echo *self = state;
    (void)now;
    memcpy(&self->arg, arg, sizeof(self->arg));
    self->here.prefix_len = TUN_PREFIX_LEN;
    self->config = (struct leat_tun_config){
        .name = "leat0", .addrs = &self->here, .addrs_len = 1, .flags = self->arg.flags};
    leat_output_open_tun(leat_outbox_put(&self->out), &self->config, 0);
    return leat_addr_from_host(TUN_HERE, 0, &self->here.ip);
}

static void tun_echo_on_event(void *state, const struct leat_event *event)
{
    struct tun_echo *self = state;
    if (event->kind == LEAT_EVENT_DATA) {
        if (tun_turn(leat_slice_data(event->tun.body), event->tun.body.len)) {
            leat_output_reply(leat_outbox_put(&self->out), event, leat_slice_ref(event->tun.body));
        }
    } else if (event->kind == LEAT_EVENT_OPENED) {
        struct opened opened = {.status = event->status, .thread = gettid()};
        leat_output_send(leat_outbox_put(&self->out), self->arg.home, MSG_OPENED, &opened,
                         sizeof(opened));
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool tun_echo_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct tun_echo *)state)->out, ret);
}

static const struct leat_behavior tun_echo = {
    .name = "bench tun echo",
    .state_size = sizeof(struct tun_echo),
    .init = tun_echo_init,
    .on_event = tun_echo_on_event,
    .pop_output = tun_echo_pop_output,
};

/* ---- the workloads ---- */

static int tun_play(struct stage *stage, uint32_t flags, struct generator *generator,
                    struct outcome *ret)
{
    struct rep *rep = stage->rep;
    struct opened opened;
    struct leat_event event;
    struct tun_arg arg = {.home = stage->home, .flags = flags | LEAT_TUN_UP};
    struct cast cast = {&tun_echo, &arg, sizeof(arg), true, 1, NULL};
    if (stage_spawn(stage, &cast) != 0 || stage_wait(stage, MSG_OPENED, &event) != 0) {
        return -1;
    }
    memcpy(&opened, event.payload, sizeof(opened));
    if (opened.status != 0) {
        return rep_wrong(rep, "opening an interface: %s", strerror(-opened.status));
    }
    cpu_pin(opened.thread, 1);
    if (generator_start(generator, TUN_PORT, rep) != 0) {
        return -1;
    }
    return udp_generator_finish(generator, ret, rep);
}

static int tun_run(const struct setup *setup, uint32_t flags, struct rep *rep)
{
    struct plan plan = tun_plan(setup);
    struct generator generator = {0};
    struct outcome outcome;
    struct stage stage = {0};
    struct totals totals;
    uint16_t port;
    if (tun_network(rep) == 0 && udp_generator_open(&generator, &plan, &port, rep) == 0) {
        struct leat_config config = stage_config(setup);
        config.spin_us = 0; /* it sleeps at once, as the floor does */
        if (stage_open(&stage, setup, rep, &config) == 0) {
            tun_play(&stage, flags, &generator, &outcome);
        }
        stage_close(&stage, &totals);
    }
    generator_close(&generator);
    if (rep->result != REP_OK) {
        return -1;
    }
    rep->ns = outcome_ns(&outcome);
    rep_extra(rep, "packets_per_s", 1e9 / rep->ns);
    rep_extra(rep, "server_cpu_ns", outcome_cpu_ns(&outcome));
    rep_extra(rep, "lost", (double)outcome.lost);
    return 0;
}

int tun_echo_run(const struct setup *setup, struct rep *rep)
{
    return tun_run(setup, 0, rep);
}

int tun_echo_offload_run(const struct setup *setup, struct rep *rep)
{
    return tun_run(setup, LEAT_TUN_OFFLOADS, rep);
}
