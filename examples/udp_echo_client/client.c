/* The client. Datagrams are made in pop_output, when they are asked for: none waits in memory. */
#include "client.h"
#include "flight.h"
#include "payload.h"

#include <errno.h>

#define CATCH_UP_NS (50 * LEAT_MS) /* a longer pause of the machine is not made good */

struct client {
    struct client_config config;
    struct client_report report;
    leat_sock sock;
    bool ending;
    leat_time interval, next_send;
    struct flight flight;
    leat_outbox(2) out;
};

static int client_init(void *state, const void *arg, leat_time now)
{
    struct client *self = state;
    (void)now;
    memcpy(&self->config, arg, sizeof(self->config));
    self->interval = self->config.rate > 0 ? LEAT_SEC / self->config.rate : 0;
    flight_init(&self->flight);
    leat_output_open(leat_outbox_put(&self->out), &self->config.local, 0);
    return 0;
}

static void on_answer(struct client *self, const struct leat_event *event)
{
    const leat_slice body = event->data.body;
    enum flight_answer answer = FLIGHT_WRONG;
    uint64_t sequence;
    leat_time latency_ns = 0;
    if (body.len == self->config.size &&
        payload_check(leat_slice_data(body), body.len, &sequence)) {
        answer = flight_answer(&self->flight, sequence, event->now, &latency_ns);
    }
    if (answer == FLIGHT_RIGHT) {
        self->report.received++;
        self->report.last_received = event->now;
        histogram_add(&self->report.latency_ns, latency_ns);
    } else if (answer == FLIGHT_LATE) {
        self->report.late++;
    } else {
        self->report.wrong++;
    }
}

/* Main gets the report, then DOWN. */
static void finish(struct client *self)
{
    leat_slice body;
    if (leat_buf_alloc(sizeof(self->report), &body) != 0) {
        leat_output_fail(leat_outbox_put(&self->out), -ENOMEM);
        return;
    }
    memcpy(leat_slice_data(body), &self->report, sizeof(self->report));
    leat_output_send_body(leat_outbox_put(&self->out), self->config.report_to, CLIENT_REPORT, body);
    leat_output_stop(leat_outbox_put(&self->out));
}

static void client_on_event(void *state, const struct leat_event *event)
{
    struct client *self = state;
    if (event->kind == LEAT_EVENT_DATA) {
        on_answer(self, event);
    } else if (event->kind == LEAT_EVENT_OPENED && event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
        return;
    } else if (event->kind == LEAT_EVENT_OPENED) {
        self->sock = event->sock;
        self->next_send = event->now;
    } else if (event->kind == LEAT_EVENT_SOCK_ERROR) {
        self->report.errors++;
        self->report.last_error = event->status;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->ending = true; /* but wait for what is in flight */
    }
    self->report.lost += flight_expire(&self->flight, event->now);
    if (self->ending && self->flight.len == 0) {
        finish(self);
    }
}

static bool may_send(const struct client *self)
{
    return self->sock.id != 0 && !self->ending && self->flight.len < self->config.window &&
           flight_has_room(&self->flight);
}

static bool client_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct client *self = state;
    leat_slice body;
    if (leat_outbox_pop(&self->out, ret)) {
        return true;
    }
    if (!may_send(self) || self->next_send > now || leat_buf_alloc(self->config.size, &body) != 0) {
        return false;
    }
    payload_fill(leat_slice_data(body), body.len, flight_send(&self->flight, now));
    leat_output_data(ret, self->sock, &self->config.peer, body);
    ret->full = LEAT_FULL_WAIT; /* while the socket's queue is full this drain is parked */
    self->report.first_sent = self->report.sent++ == 0 ? now : self->report.first_sent;
    const leat_time floor = now > CATCH_UP_NS ? now - CATCH_UP_NS : 0;
    self->next_send = (self->next_send > floor ? self->next_send : floor) + self->interval;
    return true;
}

/* Sends wait for room, so this is an error that stays: too long a datagram, say. */
static void client_on_refused(void *state, struct leat_output *output, int status)
{
    struct client *self = state;
    if (output->kind == LEAT_OUTPUT_DATA || output->kind == LEAT_OUTPUT_SEND) {
        leat_buf_unref(output->body.buf);
    }
    leat_output_fail(leat_outbox_put(&self->out), status);
}

static leat_time client_deadline(const void *state)
{
    const struct client *self = state;
    const leat_time next = flight_deadline(&self->flight);
    return may_send(self) && self->next_send < next ? self->next_send : next;
}

const struct leat_behavior client_behavior = {
    .name = "client",
    .state_size = sizeof(struct client),
    .init = client_init,
    .on_event = client_on_event,
    .pop_output = client_pop_output,
    .on_refused = client_on_refused,
    .deadline = client_deadline,
};
