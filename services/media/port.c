/* The port of a worker: its socket, the gate, and hand-over. It sees the first datagrams of an address only; once a session
 * has accepted a check from there, it has the runtime give that address's datagrams to the session, or hands them over if
 * the session is another worker's. An address that is a living session's becomes another's only when that one has
 * proven it: whoever has credentials may make up where a check comes from.
 *
 * Nothing that has no valid MESSAGE-INTEGRITY goes further than this actor, or is answered; a datagram costs no memory
 * unless it is handed on. */
#include <errno.h>

#include "handover.h"
#include "media.h"

/* Bytes; the system cuts them to what it allows. What is sent is a frame to each viewer at once; and what a receiver on this
 * machine has not read yet counts as not sent. */
#define RECV_BUF (4u << 20)
#define SEND_BUF (32u << 20)
#define LINGER_NS                                                                                  \
    (5 * LEAT_MS) /* at the end, between two looks whether the sessions have said goodbye */

#define CLAIMS 64u

/* An address that is another session's, from which a session had a check. */
struct claim {
    struct leat_addr peer;
    leat_ref session;
};

struct port {
    struct media_worker *worker;
    struct handover *handover;
    leat_time look_at;
    struct claim claims[CLAIMS]; /* the last ones */
    uint32_t claim_next;
    leat_outbox(4) out;
};

static int port_init(void *state, const void *arg, leat_time now)
{
    struct port *self = state;
    struct media_worker *worker = *(struct media_worker *const *)arg;
    (void)now;
    int status = handover_open(&self->handover);
    if (status < 0) {
        return status;
    }
    self->worker = worker;
    self->look_at = LEAT_NEVER;
    struct leat_output *out = leat_outbox_put(&self->out);
    leat_output_open(out, &worker->local, 0);
    out->open.recv_buf = RECV_BUF;
    out->open.send_buf = SEND_BUF;
    if (worker->config->workers > 1 && !worker->config->port_each) {
        out->open.flags |= worker->index == 0 ? LEAT_UDP_REUSEPORT_FIRST : LEAT_UDP_REUSEPORT;
    }
    static const uint8_t any[16];
    if (memcmp(worker->local.ip, any, sizeof(any)) == 0) {
        out->open.flags |= LEAT_UDP_DUAL_STACK;
    }
    __atomic_store_n(&worker->port.id, leat_self(self).id, __ATOMIC_RELAXED);
    return 0;
}

static void port_fini(void *state)
{
    struct port *self = state;
    handover_close(self->handover);
}

static void on_opened(struct port *self, const struct leat_event *event)
{
    struct port_open open = {.worker = self->worker->index, .status = event->status};
    if (event->status == 0) {
        open.bound = event->opened.local;
        self->worker->sock = event->sock;
        self->worker->bound = open.bound;
    }
    struct leat_output *out = leat_outbox_put(&self->out);
    leat_output_send(out, self->worker->signaling, PORT_OPEN, &open, sizeof(open));
    leat_output_wait(out);
    if (event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
    }
}

/* ---- datagrams ---- */

/* Copies a datagram for another actor. Receive buffers are few and large: none is kept. */
static void hand_on(struct port *self, const struct leat_event *event, leat_ref to, bool by_gate)
{
    leat_slice body;
    struct port_datagram datagram = {
        .peer = event->data.peer,
        .port = leat_self(self),
        .len = event->data.body.len,
        .by_gate = by_gate,
    };
    const struct leat_addr *local = leat_event_local(event);
    if (leat_ref_equal(to, LEAT_REF_NONE) ||
        leat_buf_alloc((uint32_t)sizeof(datagram) + datagram.len, &body) != 0) {
        media_count(&self->worker->counters.dropped, 1);
        return;
    }
    if (local != NULL) {
        datagram.local = *local;
    }
    memcpy(leat_slice_data(body), &datagram, sizeof(datagram));
    memcpy(leat_slice_data(body) + sizeof(datagram), leat_slice_data(event->data.body),
           datagram.len);
    leat_output_send_body(leat_outbox_put(&self->out), to, PORT_DATAGRAM, body);
}

/* The worker whose session a check is for; NULL: it is none, or for nobody. */
static struct media_worker *worker_of(const struct port *self, const uint8_t *data, size_t len)
{
    const char *ufrag;
    size_t ufrag_len;
    if (!leat_stun_is(data, len) || leat_ice_username(data, len, &ufrag, &ufrag_len) != 0 ||
        ufrag_len == 0) {
        return NULL;
    }
    const uint32_t index = media_worker_of_char(ufrag[0]);
    return index < self->worker->config->workers ? &self->worker->workers[index] : NULL;
}

static leat_ref pass_gate(struct port *self, const uint8_t *data, size_t len)
{
    uint64_t user;
    if (leat_ice_gate_check(self->worker->gate, data, len, &user) == LEAT_ICE_PASSED) {
        return (leat_ref){user};
    }
    media_count(&self->worker->counters.unauthenticated, 1);
    return LEAT_REF_NONE;
}

/* From an address that no session here has. */
static void on_data(struct port *self, const struct leat_event *event)
{
    const uint8_t *data = leat_slice_data(event->data.body);
    const size_t len = event->data.body.len;
    leat_ref session = handover_find(self->handover, &event->data.peer);
    if (!leat_ref_equal(session, LEAT_REF_NONE)) {
        media_count(&self->worker->counters.handovers, 1);
        hand_on(self, event, session, false);
        return;
    }
    struct media_worker *worker = worker_of(self, data, len);
    if (worker == NULL) {
        uint64_t *counter = leat_stun_is(data, len) ? &self->worker->counters.unauthenticated
                                                    : &self->worker->counters.dropped;
        media_count(counter, 1);
    } else if (worker != self->worker && !media_check_is_authentic(self->worker, data, len)) {
        media_count(&self->worker->counters.unauthenticated, 1);
    } else if (worker != self->worker) {
        media_count(&self->worker->counters.handovers, 1);
        hand_on(self, event, media_port_of(worker), true);
    } else {
        session = pass_gate(self, data, len);
        if (!leat_ref_equal(session, LEAT_REF_NONE)) {
            hand_on(self, event, session, true);
        }
    }
}

static leat_ref claimed_by(const struct port *self, const struct leat_addr *peer)
{
    for (uint32_t i = 0; i < CLAIMS; i++) {
        if (leat_addr_equal(&self->claims[i].peer, peer)) {
            return self->claims[i].session;
        }
    }
    return LEAT_REF_NONE;
}

/* A check that another port has received for one of this worker's sessions; or what this one has received and a session
 * that has the address gave back, since it is another's: a check, or an answer to who asked whether the address is its. */
static void on_datagram(struct port *self, const struct leat_event *event)
{
    struct port_datagram datagram;
    if (event->len != LEAT_LEN_BODY || event->body.len < sizeof(datagram)) {
        return;
    }
    uint8_t *data = leat_slice_data(event->body);
    memcpy(&datagram, data, sizeof(datagram));
    if (datagram.len != event->body.len - sizeof(datagram)) {
        return;
    }
    const struct media_worker *worker = worker_of(self, data + sizeof(datagram), datagram.len);
    leat_ref to = LEAT_REF_NONE;
    if (worker == NULL) {
        to = claimed_by(self, &datagram.peer);
    } else if (worker == self->worker) {
        to = pass_gate(self, data + sizeof(datagram), datagram.len);
    } else if (leat_ref_equal(datagram.port, leat_self(self))) {
        to = media_port_of(worker);
    }
    if (leat_ref_equal(to, LEAT_REF_NONE)) {
        return;
    }
    datagram.by_gate = 1; /* nobody else holds the body */
    memcpy(data, &datagram, sizeof(datagram));
    leat_output_send_body(leat_outbox_put(&self->out), to, PORT_DATAGRAM,
                          leat_slice_ref(event->body));
}

/* ---- routes ---- */

/* One claim for an address: the last. */
static void claim(struct port *self, const struct port_route *route)
{
    uint32_t at = self->claim_next % CLAIMS;
    for (uint32_t i = 0; i < CLAIMS; i++) {
        at = leat_addr_equal(&self->claims[i].peer, &route->peer) ? i : at;
    }
    self->claim_next += at == self->claim_next % CLAIMS;
    self->claims[at] = (struct claim){.peer = route->peer, .session = route->session};
}

static void on_route(struct port *self, const struct port_route *route)
{
    bool is_new;
    const bool is_here = route->worker == self->worker->index;
    const int status = handover_put(self->handover, &route->peer, route->session,
                                    route->proven != 0, &is_new);
    if (status == -EBUSY) {
        claim(self, route);
    }
    if (status < 0) {
        return;
    }
    struct leat_output *out = leat_outbox_put(&self->out); /* it may have been that of a session here */
    leat_output_route(out, self->worker->sock, &route->peer,
                      is_here ? route->session : LEAT_REF_NONE);
    out->flags = is_here ? (uint8_t)route->flags : 0;
    if (is_new) {
        leat_output_monitor(leat_outbox_put(&self->out), route->session, 0);
    }
}

static void on_unroute(struct port *self, const struct port_route *route)
{
    if (handover_remove(self->handover, &route->peer, route->session) &&
        route->worker == self->worker->index) {
        leat_output_route(leat_outbox_put(&self->out), self->worker->sock, &route->peer,
                          LEAT_REF_NONE);
    }
}

static void on_message(struct port *self, const struct leat_event *event)
{
    struct port_route route;
    if (event->type == PORT_DATAGRAM) {
        on_datagram(self, event);
    } else if ((event->type == PORT_ROUTE || event->type == PORT_UNROUTE) &&
               event->len == sizeof(route)) {
        memcpy(&route, event->payload, sizeof(route));
        if (event->type == PORT_ROUTE) {
            on_route(self, &route);
        } else {
            on_unroute(self, &route);
        }
    }
}

/* ---- the behaviour ---- */

/* The socket closes with this actor: not before the sessions have said goodbye, and that has left. */
static void end_when_alone(struct port *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_DEADLINE && self->worker->sessions == 0) {
        leat_output_stop(leat_outbox_put(&self->out));
    } else {
        self->look_at = event->now + LINGER_NS;
    }
}

static void port_on_event(void *state, const struct leat_event *event)
{
    struct port *self = state;
    switch (event->kind) {
    case LEAT_EVENT_DATA:
        on_data(self, event);
        break;
    case LEAT_EVENT_MESSAGE:
        on_message(self, event);
        break;
    case LEAT_EVENT_OPENED:
        on_opened(self, event);
        break;
    case LEAT_EVENT_DOWN:
        handover_forget(self->handover, event->from);
        break;
    case LEAT_EVENT_SOCK_CLOSED:
        leat_output_fail(leat_outbox_put(&self->out), event->status != 0 ? event->status : -EIO);
        break;
    case LEAT_EVENT_SHUTDOWN:
    case LEAT_EVENT_DEADLINE:
        end_when_alone(self, event);
        break;
    default:
        break;
    }
}

static bool port_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct port *self = state;
    (void)now;
    return leat_outbox_pop(&self->out, ret);
}

static void port_on_refused(void *state, struct leat_output *output, int status)
{
    struct port *self = state;
    if (output->kind == LEAT_OUTPUT_SEND && output->type == PORT_OPEN) {
        leat_output_fail(leat_outbox_put(&self->out), status); /* nobody to serve for */
        return;
    }
    if (output->kind == LEAT_OUTPUT_OPEN) {
        leat_output_fail(leat_outbox_put(&self->out), status);
        return;
    }
    if (output->kind == LEAT_OUTPUT_SEND) {
        media_count(&self->worker->counters.dropped, 1);
        if (status == -ESRCH) {
            handover_forget(self->handover, output->to);
        }
    }
    if (output->kind == LEAT_OUTPUT_MONITOR) { /* no memory to hear of its end: it gets nothing */
        handover_forget(self->handover, output->to);
    }
    leat_output_release(output);
}

static leat_time port_deadline(const void *state)
{
    return ((const struct port *)state)->look_at;
}

const struct leat_behavior media_port_behavior = {
    .name = "media.port",
    .state_size = sizeof(struct port),
    .mailbox_len_max = 16384,
    .init = port_init,
    .on_event = port_on_event,
    .pop_output = port_pop_output,
    .on_refused = port_on_refused,
    .deadline = port_deadline,
    .fini = port_fini,
};
