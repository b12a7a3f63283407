/* A session: a peer, and how datagrams reach it. The peer is given one thing at a time and asked for all it has to say before the
 * next; what comes together with another datagram of control waits in `held`. Steps of a handshake are reserved from the
 * worker's budget, so that joins wait and media does not. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>

/* One step of a handshake in this time, while there are viewers: a step takes up to some 0.3 ms. */
#define STEP_NS (600 * LEAT_US)

void session_setup_free(struct session_setup *setup)
{
    if (setup != NULL) {
        free(setup->fmtp);
        explicit_bzero(setup, sizeof(*setup));
        free(setup);
    }
}

/* A client that answers checks and never begins, or ends, a handshake has a place for so long. */
#define CONNECT_NS (30 * LEAT_SEC)

/* ---- life ---- */

static int enter_gate(struct media_session *session, const void *self,
                      const struct leat_ice_credentials *local, uint32_t at)
{
    const size_t len = strlen(local->ufrag);
    if (len > SESSION_UFRAG_MAX) {
        return -EINVAL;
    }
    int status = leat_ice_gate_add(session->worker->gate, local, leat_self(self).id);
    if (status == 0) {
        memcpy(session->ufrags[at], local->ufrag, len + 1);
    }
    return status;
}

static void leave_gate(struct media_session *session, uint32_t at)
{
    if (session->ufrags[at][0] != 0) {
        (void)leat_ice_gate_remove(session->worker->gate, session->ufrags[at]);
        session->ufrags[at][0] = 0;
    }
}

int media_session_init(struct media_session *session, const void *self,
                       const struct session_setup *setup, bool is_viewer, leat_time now)
{
    const struct leat_peer_config config = {
        .dtls = setup->worker->dtls,
        .local = &setup->local,
        .remote = &setup->remote,
        .fingerprints = setup->fingerprints,
        .fingerprint_count = setup->fingerprint_count,
        .active = setup->active,
        .expire_ns = setup->worker->config->expire_ns,
    };
    *session = (struct media_session){
        .worker = setup->worker,
        .signaling = setup->signaling,
        .id = setup->session,
        .give_up = now + CONNECT_NS,
        .step_at = LEAT_NEVER,
        .is_viewer = is_viewer,
        .flags = is_viewer ? 0 : LEAT_UDP_TRAINS,
    };
    int status = leat_peer_open(&config, now, &session->peer);
    if (status < 0) {
        return status;
    }
    status = enter_gate(session, self, &setup->local, 0);
    if (status < 0) {
        leat_peer_close(session->peer);
        return status;
    }
    session->worker->sessions++;
    return 0;
}

void media_session_fini(struct media_session *session)
{
    struct media_worker *worker = session->worker;
    struct leat_peer_stats stats;
    leat_peer_stats(session->peer, &stats);
    media_count(&worker->counters.dropped, stats.dropped);
    if (session->connected) {
        media_count(&worker->counters.connected, (uint64_t)-1);
        worker->viewers -= session->is_viewer;
    }
    for (uint32_t i = 0; i < session->held_count; i++) {
        leat_buf_unref(session->held[i].buf);
    }
    leat_buf_unref(session->stray.buf);
    leave_gate(session, 0);
    leave_gate(session, 1);
    leat_peer_close(session->peer);
    ENSURE(worker->sessions > 0);
    worker->sessions--;
}

/* ---- datagrams ---- */

static struct session_tuple *tuple_find(struct media_session *session, const struct leat_addr *peer)
{
    for (uint32_t i = 0; i < session->tuple_count; i++) {
        if (leat_addr_equal(&session->tuples[i].peer, peer)) {
            return &session->tuples[i];
        }
    }
    return NULL;
}

/* Gives the peer a datagram of STUN or DTLS. All it has to say must have been asked for. */
static void receive_control(struct media_session *session, leat_time now,
                            const struct port_datagram *datagram, const uint8_t *data)
{
    static const struct leat_addr unknown;
    const bool is_known = !leat_addr_equal(&datagram->local, &unknown);
    session->arrival = datagram->port;
    session->arrival_peer = datagram->peer;
    session->arrival_by_gate = datagram->by_gate != 0;
    leat_peer_receive(session->peer, now, &datagram->peer, is_known ? &datagram->local : NULL, data,
                      datagram->len);
    session->attend = true;
}

/* Keeps a copy in *to, if there is room. */
static bool keep(struct media_session *session, leat_slice *to,
                 const struct port_datagram *datagram, const uint8_t *data)
{
    if (to == NULL || leat_buf_alloc((uint32_t)sizeof(*datagram) + datagram->len, to) != 0) {
        media_count(&session->worker->counters.dropped, 1);
        return false;
    }
    memcpy(leat_slice_data(*to), datagram, sizeof(*datagram));
    memcpy(leat_slice_data(*to) + sizeof(*datagram), data, datagram->len);
    return true;
}

/* Until the peer has said all. Too many: they are dropped, as on a network. */
static void hold_control(struct media_session *session, const struct port_datagram *datagram,
                         const uint8_t *data)
{
    leat_slice *to =
        session->held_count < SESSION_HELD_MAX ? &session->held[session->held_count] : NULL;
    session->held_count += keep(session, to, datagram, data);
}

/* Whether it is a check for another session: an address may become another client's while this session does not know yet
 * that its own is gone. */
static bool is_stray(const struct media_session *session, const uint8_t *data, size_t len)
{
    const char *ufrag;
    size_t ufrag_len;
    if (!leat_stun_is(data, len) || leat_ice_username(data, len, &ufrag, &ufrag_len) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (strlen(session->ufrags[i]) == ufrag_len &&
            memcmp(session->ufrags[i], ufrag, ufrag_len) == 0) {
            return false;
        }
    }
    return true;
}

static void receive_held(struct media_session *session, leat_time now)
{
    struct port_datagram datagram;
    const leat_slice body = session->held[0];
    session->held_count--;
    memmove(&session->held[0], &session->held[1], session->held_count * sizeof(session->held[0]));
    memcpy(&datagram, leat_slice_data(body), sizeof(datagram));
    receive_control(session, now, &datagram, leat_slice_data(body) + sizeof(datagram));
    leat_buf_unref(body.buf);
}

static void receive(struct media_session *session, void *self, leat_time now,
                    const struct port_datagram *datagram, const uint8_t *data,
                    media_session_packet *packet)
{
    const enum leat_peer_kind kind = leat_peer_kind(data, datagram->len);
    switch (kind) {
    case LEAT_PEER_CONTROL:
        if (is_stray(session, data, datagram->len)) {
            (void)keep(session, session->stray.buf == NULL ? &session->stray : NULL, datagram,
                       data);
        } else if (session->attend) {
            hold_control(session, datagram, data);
        } else {
            receive_control(session, now, datagram, data);
        }
        break;
    case LEAT_PEER_RTP:
    case LEAT_PEER_RTCP:
        if (session->connected && !session->ending) {
            packet(self, now, kind, data, datagram->len);
            break;
        }
        media_count(&session->worker->counters.dropped, 1);
        break;
    case LEAT_PEER_NONE:
        media_count(&session->worker->counters.dropped, 1);
        break;
    }
}

static void on_data(struct media_session *session, void *self, const struct leat_event *event,
                    media_session_packet *packet)
{
    const struct leat_addr *local = leat_event_local(event);
    const uint8_t *data = leat_slice_data(event->data.body);
    uint32_t left = event->data.body.len;
    struct port_datagram datagram = {.peer = event->data.peer,
                                     .port = media_port_of(session->worker)};
    if (local != NULL) {
        datagram.local = *local;
    }
    while (left > 0) {
        datagram.len =
            event->segment_size != 0 && event->segment_size < left ? event->segment_size : left;
        receive(session, self, event->now, &datagram, data, packet);
        data += datagram.len;
        left -= datagram.len;
    }
}

static void on_datagram(struct media_session *session, void *self, const struct leat_event *event,
                        media_session_packet *packet)
{
    struct port_datagram datagram;
    if (event->len != LEAT_LEN_BODY || event->body.len < sizeof(datagram)) {
        return;
    }
    const uint8_t *data = leat_slice_data(event->body);
    memcpy(&datagram, data, sizeof(datagram));
    if (datagram.len == event->body.len - sizeof(datagram)) {
        receive(session, self, event->now, &datagram, data + sizeof(datagram), packet);
    }
}

/* ---- messages ---- */

/* It is to say goodbye and stop; the first reason counts. */
static void end(struct media_session *session, int status)
{
    struct media_counters *counters = &session->worker->counters;
    if (session->ending) {
        return;
    }
    session->ending = true;
    media_count(status == -ETIMEDOUT ? &counters->expired : &counters->closed, 1);
}

static void on_restart(struct media_session *session, const void *self,
                       const struct leat_event *event)
{
    struct session_restart restart;
    if (event->len != LEAT_LEN_BODY || event->body.len != sizeof(restart)) {
        return;
    }
    memcpy(&restart, leat_slice_data(event->body), sizeof(restart));
    if (leat_peer_restart(session->peer, &restart.local, &restart.remote) == 0) {
        leave_gate(session, 1); /* that of a restart nobody followed */
        (void)enter_gate(session, self, &restart.local, 1);
        session->attend = true;
    }
    explicit_bzero(&restart, sizeof(restart));
}

void media_session_event(struct media_session *session, void *self, const struct leat_event *event,
                         media_session_packet *packet)
{
    switch (event->kind) {
    case LEAT_EVENT_DATA:
        on_data(session, self, event, packet);
        break;
    case LEAT_EVENT_MESSAGE:
        if (event->type == PORT_DATAGRAM) {
            on_datagram(session, self, event, packet);
        } else if (event->type == SESSION_RESTART) {
            on_restart(session, self, event);
        } else if (event->type == SESSION_END) {
            end(session, 0);
        }
        break;
    case LEAT_EVENT_DEADLINE:
        if (event->now >= leat_peer_deadline(session->peer)) {
            leat_peer_timeout(session->peer, event->now);
        }
        session->attend = true; /* or a step may be done */
        if (event->now >= session->give_up) {
            end(session, -ETIMEDOUT);
        }
        break;
    case LEAT_EVENT_SHUTDOWN:
        end(session, 0);
        break;
    default:
        break;
    }
}

/* ---- routes ---- */

static void send_route(struct media_session *session, leat_ref port, struct leat_output *ret)
{
    leat_output_send(ret, port, session->route_type, &session->route, sizeof(session->route));
    leat_output_wait(ret);
}

static void route_set(struct media_session *session, const void *self, uint32_t type,
                      const struct leat_addr *peer)
{
    session->route_type = type;
    session->route = (struct port_route){.peer = *peer,
                                         .session = leat_self(self),
                                         .worker = session->worker->index,
                                         .flags = session->flags};
}

/* A new address of the client: its datagrams are this session's, also where they arrive at another worker's port. */
static void on_tuple(struct media_session *session, const void *self, const struct leat_addr *peer,
                     struct leat_output *ret)
{
    const leat_ref home = media_port_of(session->worker);
    const bool elsewhere =
        leat_addr_equal(peer, &session->arrival_peer) && !leat_ref_equal(session->arrival, home);
    session->also = elsewhere ? session->arrival : LEAT_REF_NONE;
    if (session->tuple_count < LEAT_ICE_TUPLES_MAX) {
        session->tuples[session->tuple_count++] =
            (struct session_tuple){.peer = *peer, .port = session->also};
    }
    session->arrival_by_gate = false;
    route_set(session, self, PORT_ROUTE, peer);
    send_route(session, home, ret);
}

static void on_tuple_gone(struct media_session *session, const void *self,
                          const struct leat_addr *peer, struct leat_output *ret)
{
    struct session_tuple *tuple = tuple_find(session, peer);
    session->also = LEAT_REF_NONE;
    if (tuple != NULL) {
        session->also = tuple->port;
        *tuple = session->tuples[--session->tuple_count];
    }
    route_set(session, self, PORT_UNROUTE, peer);
    send_route(session, media_port_of(session->worker), ret);
}

/* A check came by the gate from an address that is this session's already: the route has been lost, or there was none at
 * that port. */
static bool route_again(struct media_session *session, const void *self, struct leat_output *ret)
{
    struct session_tuple *tuple = tuple_find(session, &session->arrival_peer);
    session->arrival_by_gate = false;
    if (tuple == NULL) {
        return false;
    }
    const bool elsewhere = !leat_ref_equal(session->arrival, media_port_of(session->worker));
    tuple->port = elsewhere ? session->arrival : tuple->port;
    route_set(session, self, PORT_ROUTE, &tuple->peer);
    send_route(session, session->arrival, ret);
    return true;
}

/* ---- outputs ---- */

static void on_connected(struct media_session *session, struct leat_output *ret)
{
    session->connected = true;
    session->give_up = LEAT_NEVER;
    session->overhead =
        (uint32_t)leat_srtp_overhead(leat_srtp_profile_of(leat_peer_srtp(session->peer)));
    session->worker->viewers += session->is_viewer;
    media_count(&session->worker->counters.connected, 1);
    leat_output_send(ret, session->signaling, SESSION_CONNECTED, &session->id, sizeof(session->id));
    leat_output_wait(ret);
}

/* Whether an event of the peer has caused an output. */
static bool pop_event(struct media_session *session, const void *self, struct leat_output *ret)
{
    struct leat_peer_event event;
    while (leat_peer_event(session->peer, &event)) {
        switch (event.kind) {
        case LEAT_PEER_TUPLE:
            on_tuple(session, self, &event.address, ret);
            return true;
        case LEAT_PEER_TUPLE_GONE:
            on_tuple_gone(session, self, &event.address, ret);
            return true;
        case LEAT_PEER_CONNECTED:
            on_connected(session, ret);
            return true;
        case LEAT_PEER_MOVED:
            break;
        case LEAT_PEER_RESTARTED:
            leave_gate(session, 0);
            memcpy(session->ufrags[0], session->ufrags[1], sizeof(session->ufrags[0]));
            session->ufrags[1][0] = 0;
            break;
        case LEAT_PEER_CLOSED:
            end(session, event.status);
            break;
        }
    }
    return false;
}

static bool pop_datagram(struct media_session *session, struct leat_output *ret)
{
    static const struct leat_addr unknown;
    struct leat_peer_datagram datagram;
    while (leat_peer_transmit(session->peer, &datagram)) {
        leat_slice body;
        if (leat_buf_alloc((uint32_t)datagram.len, &body) != 0) {
            media_count(&session->worker->counters.dropped, 1);
            continue;
        }
        memcpy(leat_slice_data(body), datagram.data, datagram.len);
        leat_output_data(ret, session->worker->sock, &datagram.to, body);
        if (!leat_addr_equal(&datagram.local, &unknown)) {
            session->local = datagram.local;
            ret->local = &session->local;
        }
        return true;
    }
    return false;
}

/* Does a step of the handshake, if one waits and its time has come. */
static bool step(struct media_session *session, leat_time now)
{
    struct media_worker *worker = session->worker;
    if (session->ending || !leat_peer_work(session->peer)) {
        session->step_at = LEAT_NEVER;
        return false;
    }
    if (session->step_at == LEAT_NEVER && worker->viewers > 0) {
        session->step_at = worker->handshake_next > now ? worker->handshake_next : now;
        worker->handshake_next = session->step_at + STEP_NS;
        media_count(&worker->counters.handshakes_delayed, session->step_at > now);
    }
    if (session->step_at != LEAT_NEVER && session->step_at > now) {
        return false;
    }
    session->step_at = LEAT_NEVER;
    leat_peer_step(session->peer, now);
    return true;
}

bool media_session_pop(struct media_session *session, const void *self, leat_time now,
                       struct leat_output *ret)
{
    if (session->stray.buf != NULL) { /* back to where it arrived */
        struct port_datagram datagram;
        memcpy(&datagram, leat_slice_data(session->stray), sizeof(datagram));
        leat_output_send_body(ret, datagram.port, PORT_DATAGRAM, session->stray);
        session->stray = (leat_slice){0};
        return true;
    }
    if (!session->attend) {
        return false;
    }
    if (!leat_ref_equal(session->also, LEAT_REF_NONE)) {
        send_route(session, session->also, ret);
        session->also = LEAT_REF_NONE;
        return true;
    }
    for (;;) {
        if (pop_event(session, self, ret) || pop_datagram(session, ret)) {
            return true;
        }
        if (session->arrival_by_gate && route_again(session, self, ret)) {
            return true;
        }
        if (session->held_count > 0) {
            receive_held(session, now);
        } else if (!step(session, now)) {
            session->attend = false;
            return false;
        }
    }
}

bool media_session_end(struct media_session *session, const void *self, leat_time now,
                       struct leat_output *ret)
{
    if (!session->ending) {
        return false;
    }
    if (!session->parted) {
        session->parted = true;
        leat_peer_goodbye(session->peer);
        session->attend = true;
        if (media_session_pop(session, self, now, ret)) {
            return true;
        }
    }
    leat_output_stop(ret);
    return true;
}

leat_time media_session_deadline(const struct media_session *session)
{
    const leat_time peer = leat_peer_deadline(session->peer);
    const leat_time own = session->step_at < session->give_up ? session->step_at : session->give_up;
    return own < peer ? own : peer;
}

/* ---- media ---- */

bool media_session_send(struct media_session *session, leat_slice body, uint32_t segment_size,
                        struct leat_output *ret)
{
    const struct leat_addr *to, *local;
    if (!leat_peer_target(session->peer, &to, &local) ||
        !leat_peer_allow(session->peer, body.len)) {
        leat_buf_unref(body.buf);
        return false;
    }
    leat_output_data(ret, session->worker->sock, to, body);
    ret->local = local;
    ret->segment_size = segment_size;
    leat_output_wait(ret);
    return true;
}

bool media_session_send_rtcp(struct media_session *session, const uint8_t *rtcp, size_t len,
                             struct leat_output *ret)
{
    leat_srtp *srtp = leat_peer_srtp(session->peer);
    leat_slice body;
    size_t sealed;
    if (srtp == NULL || leat_buf_alloc((uint32_t)(len + LEAT_SRTCP_OVERHEAD_MAX), &body) != 0) {
        return false;
    }
    if (leat_srtcp_protect(srtp, rtcp, len, leat_slice_data(body), body.len, &sealed) != 0) {
        leat_buf_unref(body.buf);
        return false;
    }
    body.len = (uint32_t)sealed;
    return media_session_send(session, body, 0, ret);
}

void media_session_refused(struct media_session *session, struct leat_output *output)
{
    if (output->kind == LEAT_OUTPUT_DATA) {
        media_count(&session->worker->counters.dropped, 1);
    }
    leat_output_release(output);
}
