/* A client of the echo actor: a burst every millisecond, as far as the window allows. Each datagram
 * is checked when it comes back. */
#include "actors.h"
#include "flight.h"
#include "payload.h"

#define SIZE 64u    /* bytes of a datagram */
#define WINDOW 256u /* datagrams in flight */

struct load {
    struct echo_config config;
    struct udp_totals totals;
    struct flight flight;
    leat_sock sock;
    leat_time next;
    uint64_t pending; /* of this burst */
    bool ending;
    leat_outbox(2) out;
};

static int load_init(void *state, const void *arg, leat_time now)
{
    struct load *self = state;
    memcpy(&self->config, arg, sizeof(self->config));
    flight_init(&self->flight);
    self->next = now + LEAT_MS;
    struct leat_addr local = self->config.local;
    local.port = 0;
    leat_output_open(leat_outbox_put(&self->out), &local, 0);
    return 0;
}

static void load_on_answer(struct load *self, const struct leat_event *event)
{
    leat_time latency_ns;
    uint64_t sequence;
    enum flight_answer answer = FLIGHT_WRONG;
    if (event->data.body.len == SIZE &&
        payload_check(leat_slice_data(event->data.body), SIZE, &sequence)) {
        answer = flight_answer(&self->flight, sequence, event->now, &latency_ns);
    }
    self->totals.received += answer == FLIGHT_RIGHT;
    self->totals.wrong += answer == FLIGHT_WRONG;
}

static void load_on_event(void *state, const struct leat_event *event)
{
    struct load *self = state;
    if (event->kind == LEAT_EVENT_DATA) {
        load_on_answer(self, event);
    } else if (event->kind == LEAT_EVENT_OPENED && event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
        return;
    } else if (event->kind == LEAT_EVENT_OPENED) {
        self->sock = event->sock;
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == RATE) {
        memcpy(&self->config.rate, event->payload, sizeof(self->config.rate));
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->ending = true;
    } else if (event->kind == LEAT_EVENT_DEADLINE && self->next <= event->now) {
        self->next += LEAT_MS;
        self->next = self->next > event->now ? self->next : event->now + LEAT_MS;
        self->pending = self->sock.id != 0 ? (self->config.rate + 999) / 1000 : 0;
    }
    self->totals.lost += flight_expire(&self->flight, event->now);
    if (self->ending && self->flight.len == 0) {
        leat_output_send(leat_outbox_put(&self->out), self->config.report_to, UDP_TOTALS,
                         &self->totals, sizeof(self->totals));
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool load_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct load *self = state;
    leat_slice body;
    if (leat_outbox_pop(&self->out, ret)) {
        return true;
    }
    if (self->pending == 0 || self->ending || self->flight.len == WINDOW ||
        !flight_has_room(&self->flight) || leat_buf_alloc(SIZE, &body) != 0) {
        return false;
    }
    self->pending--;
    self->totals.sent++;
    payload_fill(leat_slice_data(body), SIZE, flight_send(&self->flight, now));
    leat_output_data(ret, self->sock, &self->config.local, body);
    ret->full = LEAT_FULL_WAIT;
    return true;
}

static leat_time load_deadline(const void *state)
{
    const struct load *self = state;
    const leat_time lost = flight_deadline(&self->flight);
    return !self->ending && self->next < lost ? self->next : lost;
}

const struct leat_behavior load_behavior = {
    .name = "load",
    .state_size = sizeof(struct load),
    .init = load_init,
    .on_event = load_on_event,
    .pop_output = load_pop_output,
    .deadline = load_deadline,
};
