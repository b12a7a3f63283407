#include "check.h"

#include <errno.h>
#include <leat/leat.h>
#include <leat/testing.h>

struct echo {
    leat_outbox(1) out;
};

static int echo_init(void *state, const void *arg, leat_time now)
{
    struct echo *self = state;
    (void)now;
    leat_output_open(leat_outbox_put(&self->out), arg, 0);
    return 0;
}

static void echo_on_event(void *state, const struct leat_event *event)
{
    struct echo *self = state;
    if (event->kind == LEAT_EVENT_DATA) {
        leat_output_reply(leat_outbox_put(&self->out), event, leat_slice_ref(event->data.body));
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    } else if (event->kind == LEAT_EVENT_OPENED && event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
    }
}

static bool echo_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct echo *)state)->out, ret);
}

static const struct leat_behavior echo = {
    .name = "echo", .state_size = sizeof(struct echo), .init = echo_init,
    .on_event = echo_on_event, .pop_output = echo_pop_output,
};

/* An echo whose socket is open, with nothing left to pop. */
static leat_probe *open_echo(leat_sock sock)
{
    struct leat_addr local;
    struct leat_output out;
    leat_addr_parse("127.0.0.1:7777", &local);
    leat_probe *probe = leat_probe_open(&echo, &local, 0);
    CHECK(leat_probe_pop(probe, &out));
    CHECK_EQ(out.kind, LEAT_OUTPUT_OPEN);
    CHECK(leat_addr_equal(&out.open.local, &local));
    CHECK(!leat_probe_pop(probe, &out)); /* the drain ends here: now comes the next input */

    struct leat_event opened = {.kind = LEAT_EVENT_OPENED, .sock = sock};
    CHECK_EQ(leat_probe_give(probe, &opened), 0);
    CHECK(!leat_probe_pop(probe, &out));
    return probe;
}

TEST(first_actor, answers_a_datagram)
{
    leat_sock sock = {.id = 1};
    leat_probe *probe = open_echo(sock);
    struct leat_addr peer;
    leat_addr_parse("192.0.2.7:40000", &peer);

    struct leat_event datagram = leat_probe_datagram(sock, &peer, "hello", 5);
    CHECK_EQ(leat_probe_give(probe, &datagram), 0);
    CHECK_EQ(leat_probe_give(probe, &datagram), -EBUSY); /* the drain rule */

    struct leat_output out;
    CHECK(leat_probe_pop(probe, &out));
    CHECK_EQ(out.kind, LEAT_OUTPUT_DATA);
    CHECK(leat_addr_equal(&out.data.peer, &peer));
    CHECK_EQ(out.data.body.len, 5);
    CHECK(memcmp(leat_slice_data(out.data.body), "hello", 5) == 0);
    leat_output_release(&out);
    CHECK(!leat_probe_pop(probe, &out));

    leat_buf_unref(datagram.data.body.buf);
    leat_probe_close(probe);
}

TEST(first_actor, ends_when_told_and_without_a_socket)
{
    struct leat_output out;
    leat_probe *probe = open_echo((leat_sock){.id = 1});
    struct leat_event shutdown = {.kind = LEAT_EVENT_SHUTDOWN};
    CHECK_EQ(leat_probe_give(probe, &shutdown), 0);
    CHECK(leat_probe_pop(probe, &out));
    CHECK_EQ(out.kind, LEAT_OUTPUT_STOP);
    CHECK_EQ(leat_probe_status(probe), 1);
    leat_probe_close(probe);

    probe = open_echo((leat_sock){.id = 1});
    struct leat_event taken = {.kind = LEAT_EVENT_OPENED, .status = -EADDRINUSE};
    CHECK_EQ(leat_probe_give(probe, &taken), 0);
    CHECK(leat_probe_pop(probe, &out));
    CHECK_EQ(leat_probe_status(probe), -EADDRINUSE);
    CHECK_EQ(leat_probe_give(probe, &shutdown), -ESRCH); /* nobody there */
    leat_probe_close(probe);
}

/* Sends a datagram every millisecond to `arg` and counts the answers. */
struct asker {
    struct leat_addr server;
    leat_sock sock;
    leat_time next;
    uint32_t answers;
    leat_ref report_to;
    leat_outbox(2) out;
};

struct asker_config {
    struct leat_addr server;
    leat_ref report_to;
};

static int asker_init(void *state, const void *arg, leat_time now)
{
    struct asker *self = state;
    const struct asker_config *config = arg;
    struct leat_addr local = {0};
    (void)now;
    self->server = config->server;
    self->report_to = config->report_to;
    self->next = LEAT_NEVER;
    leat_addr_from_host("127.0.0.1", 0, &local);
    leat_output_open(leat_outbox_put(&self->out), &local, 0);
    return 0;
}

static void asker_on_event(void *state, const struct leat_event *event)
{
    struct asker *self = state;
    leat_slice body;
    if (event->kind == LEAT_EVENT_OPENED && event->status == 0) {
        self->sock = event->sock;
        self->next = event->now + LEAT_MS;
    } else if (event->kind == LEAT_EVENT_DEADLINE) {
        self->next = event->now + LEAT_MS;
        if (leat_buf_alloc(8, &body) == 0) {
            memcpy(leat_slice_data(body), "question", 8);
            leat_output_data(leat_outbox_put(&self->out), self->sock, &self->server, body);
        }
    } else if (event->kind == LEAT_EVENT_DATA) {
        self->answers++;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_send(leat_outbox_put(&self->out), self->report_to, 1, &self->answers,
                         sizeof(self->answers));
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool asker_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct asker *)state)->out, ret);
}

static leat_time asker_deadline(const void *state)
{
    return ((const struct asker *)state)->next;
}

static const struct leat_behavior asker = {
    .name = "asker", .state_size = sizeof(struct asker), .init = asker_init,
    .on_event = asker_on_event, .pop_output = asker_pop_output, .deadline = asker_deadline,
};

/* Ten virtual seconds of echo and asker on two workers; returns the run's hash. */
static uint64_t simulate(uint64_t seed, double loss, uint32_t *ret_answers)
{
    struct leat_config config = leat_config_default();
    leat_runtime *runtime;
    leat_controller *controller;
    struct leat_event event;
    struct asker_config arg;
    config.io = "sim";
    config.workers = 2;
    config.seed = seed;
    config.sim.loss = loss;
    config.sim.delay_min_ns = config.sim.delay_max_ns = 5 * LEAT_MS;
    CHECK_EQ(leat_runtime_open(&config, &runtime), 0);
    CHECK_EQ(leat_controller_open(runtime, &controller), 0);
    leat_addr_parse("127.0.0.1:7777", &arg.server);
    arg.report_to = leat_controller_ref(controller);
    CHECK_EQ(leat_spawn(controller, &echo, &arg.server, sizeof(arg.server), 0, NULL), 0);
    CHECK_EQ(leat_spawn(controller, &asker, &arg, sizeof(arg), 1, NULL), 0);

    CHECK_EQ(leat_receive(controller, 10 * LEAT_SEC, &event), -ETIMEDOUT); /* virtual: at once */
    leat_runtime_stop(runtime);
    CHECK_EQ(leat_receive(controller, LEAT_NEVER, &event), 0);
    memcpy(ret_answers, event.payload, sizeof(*ret_answers));
    CHECK_EQ(leat_receive(controller, LEAT_NEVER, &event), -EPIPE); /* the runtime has ended */
    uint64_t hash = leat_sim_hash(runtime);
    leat_controller_close(controller);
    CHECK_EQ(leat_runtime_close(runtime), 0);
    return hash;
}

TEST(first_actor, in_simulation)
{
    uint32_t all, some, again;
    simulate(1, 0, &all);
    uint64_t hash = simulate(2, 0.3, &some);
    CHECK(all > 9900 && all <= 10000);
    CHECK(some > all * 40 / 100 && some < all * 58 / 100); /* 30 % lost, each way: 49 % come back */
    CHECK(simulate(2, 0.3, &again) == hash && again == some); /* the same seed, the same run */
    CHECK(simulate(3, 0.3, &again) != hash);
}
