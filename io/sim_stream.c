/* Streams in the simulated world. Both ends are structs of one process, but know each other only by
 * what travels between them, so that delay, order and the end are as on a network. Invariant: what
 * a sender has put on its way and its window together are never more than SIM_WINDOW_LEN, less what
 * the receiver has read and not yet said. Deterministic, bounded, one thread. */
#include "sim_stream.h"

#include <errno.h>

#include "mem.h"

#define CUT_MAX 4096u /* of one flight */
#define DISCARD_NS LEAT_SEC
#define SYN_TRIES_MAX 6u
#define SYN_AGAIN_NS (50 * LEAT_MS) /* at a full listener */
#define UNSAID_MAX (SIM_WINDOW_LEN / 4)

/* ---- on its way ---- */

static struct sim_flight *flight_new(const struct sim_stream *from, enum sim_flight_kind kind,
                                     uint32_t len)
{
    struct sim_flight *flight = mem_alloc(sizeof(*flight) + len, 16);
    if (flight != NULL) {
        *flight = (struct sim_flight){.kind = (uint8_t)kind,
                                      .sender = from->port.serial,
                                      .target = from->peer_serial,
                                      .from = from->port.bound,
                                      .to = from->peer,
                                      .len = len};
    }
    return flight;
}

/* One that carries nothing. */
static void launch(struct sim_world *world, struct sim_stream *stream, enum sim_flight_kind kind,
                   uint32_t window)
{
    struct sim_flight *flight = flight_new(stream, kind, 0);
    if (flight == NULL) {
        return;
    }
    flight->len = window;
    if (!sim_launch(world, flight, &stream->last_at) && kind != SIM_RST && kind != SIM_SYN) {
        stream->error = -ETIMEDOUT; /* as after too many tries */
    }
}

/* An answer to whoever sent this, from a place where nobody is: RST. Takes the flight over. */
static void refuse(struct sim_world *world, struct sim_flight *flight)
{
    bool answers = flight->kind == SIM_SYN || flight->kind == SIM_SYN_ACK ||
                   flight->kind == SIM_BYTES || flight->kind == SIM_FIN;
    if (!answers) {
        mem_free(flight);
        return;
    }
    struct leat_addr to = flight->from;
    flight->from = flight->to;
    flight->to = to;
    flight->target = flight->sender;
    flight->kind = SIM_RST;
    flight->len = 0;
    leat_time at = 0;
    sim_launch(world, flight, &at);
}

/* ---- open ---- */

static struct sim_stream *stream_new(enum sim_stream_state state)
{
    struct sim_stream *stream = mem_zalloc(sizeof(*stream), 16);
    if (stream != NULL) {
        stream->state = (uint8_t)state;
        stream->port.is_stream = true;
        stream->window = SIM_WINDOW_LEN;
    }
    return stream;
}

struct sim_stream *sim_stream_listen(struct sim_world *world, const struct leat_addr *local,
                                     uint32_t backlog, bool reuseport, bool dual_stack,
                                     int *ret_status)
{
    struct sim_stream *stream = stream_new(SIM_LISTENING);
    *ret_status = -ENOMEM;
    if (stream == NULL) {
        return NULL;
    }
    stream->port.listens = true;
    stream->port.reuseport = reuseport;
    stream->port.dual_stack = dual_stack;
    stream->backlog = backlog;
    *ret_status = sim_bind(world, &stream->port, local);
    if (*ret_status < 0) {
        mem_free(stream);
        return NULL;
    }
    return stream;
}

struct sim_stream *sim_stream_connect(struct sim_world *world, const struct leat_addr *peer,
                                      const struct leat_addr *local, int *ret_status)
{
    struct sim_stream *stream = stream_new(SIM_CONNECTING);
    *ret_status = -ENOMEM;
    if (stream == NULL) {
        return NULL;
    }
    struct leat_addr any = {0};
    if (leat_addr_is_v4(peer)) {
        addr_map_v4(any.ip, any.ip);
    }
    *ret_status = sim_bind(world, &stream->port, local != NULL ? local : &any);
    if (*ret_status < 0) {
        mem_free(stream);
        return NULL;
    }
    struct leat_addr source;
    sim_source(&stream->port, peer, &source); /* the port stays, so it stays in its bucket */
    stream->port.bound = source;
    stream->peer = *peer;
    launch(world, stream, SIM_SYN, 0);
    return stream;
}

struct sim_stream *sim_stream_accept(struct sim_stream *listener)
{
    struct sim_stream *stream = listener->pending;
    if (stream != NULL) {
        LEAT_ASSERT(listener->pending_len > 0);
        listener->pending = stream->next;
        listener->pending_len--;
        stream->next = NULL;
    }
    return stream;
}

/* ---- bytes ---- */

/* Where the next flight ends: often it is full, now and then it is a byte. */
static uint32_t cut(struct sim_world *world, uint32_t len)
{
    uint32_t draw = sim_world_below(world, 8);
    uint32_t max = draw == 0 ? 1 : draw < 4 ? 1 + sim_world_below(world, CUT_MAX) : CUT_MAX;
    return len < max ? len : max;
}

uint32_t sim_stream_send(struct sim_world *world, struct sim_stream *stream, const uint8_t *bytes,
                         uint32_t len)
{
    LEAT_ASSERT(!stream->fin_sent);
    uint32_t sent = 0;
    len = len < stream->window ? len : stream->window;
    while (sent < len && stream->error == 0 && sim_has_room(world)) {
        uint32_t one = cut(world, len - sent);
        struct sim_flight *flight = flight_new(stream, SIM_BYTES, one);
        if (flight == NULL) {
            break;
        }
        memcpy(flight->bytes, bytes + sent, one);
        sent += one;
        stream->window -= one;
        if (!sim_launch(world, flight, &stream->last_at)) {
            stream->error = -ETIMEDOUT;
        }
    }
    return sent;
}

void sim_stream_finish(struct sim_world *world, struct sim_stream *stream)
{
    if (!stream->fin_sent && stream->error == 0) {
        stream->fin_sent = true;
        launch(world, stream, SIM_FIN, 0);
    }
}

uint32_t sim_stream_arrived_len(const struct sim_stream *stream)
{
    uint32_t len = 0;
    for (const struct sim_flight *flight = stream->port.inbox;
         flight != NULL && flight->kind == SIM_BYTES; flight = flight->next) {
        len += flight->len;
    }
    return len - (len > 0 ? stream->taken : 0);
}

uint32_t sim_stream_read(struct sim_world *world, struct sim_stream *stream, uint8_t *ret,
                         uint32_t len)
{
    uint32_t got = 0;
    while (got < len && stream->port.inbox != NULL && stream->port.inbox->kind == SIM_BYTES) {
        struct sim_flight *first = stream->port.inbox;
        uint32_t one = first->len - stream->taken;
        one = one < len - got ? one : len - got;
        memcpy(ret + got, first->bytes + stream->taken, one);
        got += one;
        stream->taken += one;
        if (stream->taken == first->len) {
            stream->taken = 0;
            mem_free(sim_inbox_take(&stream->port));
        }
    }
    stream->unsaid += got;
    if (stream->unsaid >= UNSAID_MAX || (stream->unsaid > 0 && stream->port.inbox == NULL)) {
        launch(world, stream, SIM_WINDOW, stream->unsaid);
        stream->unsaid = 0;
    }
    if (got == 0 && stream->port.inbox != NULL && stream->port.inbox->kind == SIM_FIN) {
        mem_free(sim_inbox_take(&stream->port));
        stream->eof = true;
    }
    return got;
}

/* ---- the end ---- */

void sim_stream_alarm(struct sim_world *world, struct sim_stream *stream, leat_time at)
{
    if (stream->alarm != NULL) {
        sim_cancel(world, stream->alarm);
        stream->alarm = NULL;
    }
    stream->alarmed = false;
    if (at == LEAT_NEVER) {
        return;
    }
    struct sim_flight *flight = mem_zalloc(sizeof(*flight), 16);
    if (flight == NULL) {
        stream->alarmed = true; /* too early, rather than never */
        return;
    }
    flight->kind = SIM_ALARM;
    flight->to = stream->port.bound;
    flight->target = stream->port.serial;
    stream->alarmed = !sim_launch_alarm(world, flight, at);
    stream->alarm = stream->alarmed ? NULL : flight;
}

void sim_stream_free(struct sim_world *world, struct sim_stream *stream)
{
    sim_stream_alarm(world, stream, LEAT_NEVER);
    sim_unbind(world, &stream->port);
    for (struct sim_stream *pending; (pending = sim_stream_accept(stream)) != NULL;) {
        launch(world, pending, SIM_RST, 0);
        sim_stream_free(world, pending);
    }
    mem_free(stream);
}

void sim_stream_close(struct sim_world *world, struct sim_stream *stream, bool reset)
{
    bool is_over = stream->state != SIM_CONNECTED || stream->error != 0;
    if (!is_over && !reset) {
        sim_stream_finish(world, stream);
        while (stream->port.inbox != NULL && !stream->eof) {
            uint8_t ignored[CUT_MAX];
            sim_stream_read(world, stream, ignored, sizeof(ignored));
        }
        if (!stream->eof && stream->error == 0) {
            stream->state = SIM_DISCARDING;
            sim_stream_alarm(world, stream, sim_world_now(world) + DISCARD_NS);
            if (!stream->alarmed) {
                return;
            }
        }
    } else if (!is_over) {
        launch(world, stream, SIM_RST, 0);
    }
    sim_stream_free(world, stream);
}

bool sim_stream_reset(struct sim_world *world, struct sim_stream *stream)
{
    if (stream->state != SIM_CONNECTED || stream->error != 0) {
        return false;
    }
    struct sim_flight *flight = flight_new(stream, SIM_RST, 0);
    if (flight != NULL) {
        flight->to = stream->port.bound;
        flight->target = stream->port.serial;
        leat_time at = 0;
        sim_launch(world, flight, &at);
    }
    launch(world, stream, SIM_RST, 0);
    return true;
}

/* ---- arriving ---- */

static void inbox_add(struct sim_stream *stream, struct sim_flight *flight)
{
    struct sim_port *port = &stream->port;
    flight->next = NULL;
    if (port->inbox == NULL) {
        port->inbox = flight;
    } else {
        port->inbox_last->next = flight;
    }
    port->inbox_last = flight;
    port->inbox_len++;
}

/* A connection begins, and waits to be accepted, as one in the kernel does. */
static void syn_arrived(struct sim_world *world, struct sim_flight *flight)
{
    struct sim_stream *listener = (struct sim_stream *)(void *)sim_find_listener(world, flight);
    if (listener == NULL) {
        refuse(world, flight);
        return;
    }
    struct sim_stream *stream =
        listener->pending_len < listener->backlog ? stream_new(SIM_CONNECTED) : NULL;
    if (stream == NULL) {
        if (++flight->tries > SYN_TRIES_MAX) {
            mem_free(flight);
        } else {
            (void)sim_launch_alarm(world, flight, sim_world_now(world) + (SYN_AGAIN_NS << flight->tries));
        }
        return;
    }
    stream->port.bound = flight->to;
    stream->peer = flight->from;
    stream->peer_serial = flight->sender;
    sim_join(world, &stream->port);
    if (listener->pending == NULL) {
        listener->pending = stream;
    } else {
        listener->pending_last->next = stream;
    }
    listener->pending_last = stream;
    listener->pending_len++;
    launch(world, stream, SIM_SYN_ACK, 0);
    mem_free(flight);
}

/* To one that is closed: it only waits for the peer's end. */
static void discard(struct sim_world *world, struct sim_stream *stream, struct sim_flight *flight)
{
    bool is_end = flight->kind == SIM_FIN || flight->kind == SIM_RST;
    if (flight->kind == SIM_ALARM) {
        stream->alarm = NULL;
        is_end = true;
    } else if (flight->kind == SIM_BYTES) {
        launch(world, stream, SIM_WINDOW, flight->len);
    }
    mem_free(flight);
    if (is_end) {
        sim_stream_free(world, stream);
    }
}

void sim_stream_arrived(struct sim_world *world, struct sim_flight *flight)
{
    if (flight->kind == SIM_SYN) {
        syn_arrived(world, flight);
        return;
    }
    struct sim_stream *stream =
        (struct sim_stream *)(void *)sim_find(world, &flight->to, flight->target);
    if (stream == NULL) {
        refuse(world, flight);
        return;
    }
    if (stream->state == SIM_DISCARDING) {
        discard(world, stream, flight);
        return;
    }
    switch (flight->kind) {
    case SIM_BYTES:
    case SIM_FIN:
        if (stream->error != 0) {
            refuse(world, flight);
        } else {
            inbox_add(stream, flight);
        }
        return;
    case SIM_SYN_ACK:
        if (stream->state == SIM_CONNECTING) {
            stream->state = SIM_CONNECTED;
            stream->peer_serial = flight->sender;
        }
        break;
    case SIM_RST:
        stream->error = stream->state == SIM_CONNECTING ? -ECONNREFUSED : -ECONNRESET;
        break;
    case SIM_WINDOW:
        stream->window += flight->len;
        break;
    default:
        LEAT_ASSERT(flight->kind == SIM_ALARM);
        stream->alarm = NULL;
        stream->alarmed = true;
        break;
    }
    mem_free(flight);
}
