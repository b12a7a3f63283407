/* The simulated backend: sockets in a sim_world instead of the kernel. A turn never waits: it sends
 * what is queued, then reaps what has arrived by the world's clock, which whoever schedules moves.
 * Invariant: like a kernel, it copies when it sends, so a sender's buffer is free after the turn,
 * and it copies once more into a receive buffer when it is read. Datagrams that arrived in a row
 * are given as trains now and then, by the seed, as GRO would. One thread for the whole world. */
#include <errno.h>

#include "data.h"
#include "mem.h"
#include "sim_sock.h"

#define READS_PER_TURN 64u /* completions of one socket, before the next has its turn */
#define TRAIN_SEGMENTS 64u

/* ---- life ---- */

static int sim_probe(char *why, size_t why_len)
{
    (void)why;
    (void)why_len;
    return 0;
}

static void sim_wake(struct io *io)
{
    (void)io; /* it never waits */
}

static void starved_wake(void *context)
{
    (void)context;
}

static int sim_init(const struct io_config *config, struct io **ret)
{
    LEAT_ASSERT(config->world != NULL);
    LEAT_ASSERT(config->send_queue_len_max > 0);
    struct sim *sim = mem_zalloc(sizeof(*sim), 64);
    if (sim == NULL) {
        return -ENOMEM;
    }
    sim->base.ops = &io_sim;
    sim->world = config->world;
    sim->pool = config->pool;
    sim->pool->starved_wake = starved_wake;
    sim->queue_len_max = config->send_queue_len_max;
    sim->stream_queue_max = config->stream_queue_max;
    sim_world_attach(sim->world);
    *ret = (struct io *)sim;
    return 0;
}

static leat_time sim_now(struct io *io)
{
    return sim_world_now(((struct sim *)io)->world);
}

static void drop_queue(struct sim_sock *sock)
{
    while (sock->first != NULL) {
        struct sim_item *item = sock->first;
        sock->first = item->next;
        leat_buf_unref(item->body.buf);
        mem_free(item);
    }
    sock->last = NULL;
    sock->queued = 0;
}

static void sim_fini(struct io *io)
{
    struct sim *sim = (struct sim *)io;
    for (uint32_t i = 0; i < sim->socks_len; i++) {
        struct sim_sock *sock = sim->socks[i];
        if (sock->tcp != NULL) {
            sim_tcp_end(sim, sock);
        } else if (sock->state == STATE_OPEN || sock->state == STATE_CLOSING) {
            sim_unbind(sim->world, &sock->port);
        }
        drop_queue(sock);
        mem_free(sock);
    }
    mem_free(sim->socks);
    sim_world_detach(sim->world);
    mem_free(sim);
}

/* ---- operations ---- */

struct sim_sock *sim_sock_take(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->socks_len; i++) {
        if (sim->socks[i]->state == STATE_FREE) {
            *sim->socks[i] = (struct sim_sock){.index = i};
            return sim->socks[i];
        }
    }
    if (sim->socks_len == sim->socks_max) {
        uint32_t max = sim->socks_max == 0 ? 16 : sim->socks_max * 2;
        struct sim_sock **socks = mem_alloc(max * sizeof(struct sim_sock *), 8);
        if (socks == NULL) {
            return NULL;
        }
        if (sim->socks_len > 0) {
            memcpy(socks, sim->socks, sim->socks_len * sizeof(struct sim_sock *));
        }
        mem_free(sim->socks);
        sim->socks = socks;
        sim->socks_max = max;
    }
    struct sim_sock *sock = mem_zalloc(sizeof(*sock), 64);
    if (sock != NULL) {
        sock->index = sim->socks_len;
        sim->socks[sim->socks_len++] = sock;
    }
    return sock;
}

static int submit_open(struct sim *sim, const struct io_op *op)
{
    struct sim_sock *sock = sim_sock_take(sim);
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->token = op->token;
    sock->port.reuseport = (op->open.flags & LEAT_UDP_REUSEPORT) != 0;
    sock->port.dual_stack =
        (op->open.flags & LEAT_UDP_DUAL_STACK) != 0 && !leat_addr_is_v4(&op->open.local);
    sock->status = sim_bind(sim->world, &sock->port, &op->open.local);
    if ((op->open.flags & LEAT_UDP_REUSEPORT_FIRST) != 0) {
        sock->port.reuseport = true; /* from now on */
    }
    sock->state = sock->status < 0 ? STATE_FAILED : STATE_OPEN;
    sock->opened = true;
    sim->base.stats.sockets += sock->status == 0;
    return 0;
}

static int submit_data(struct sim *sim, struct sim_sock *sock, const struct io_op *op)
{
    bool v4 = leat_addr_is_v4(&sock->port.bound);
    uint32_t segments;
    int status = data_check(op, v4 || sock->port.dual_stack, !v4, &segments);
    if (status < 0) {
        return status;
    }
    if (sock->queued + segments > sim->queue_len_max && sock->queued > 0) {
        sock->want_writable = true;
        return -EAGAIN;
    }
    struct sim_item *item = mem_alloc(sizeof(*item), 16);
    if (item == NULL) {
        return -ENOMEM;
    }
    *item = (struct sim_item){.body = op->data.body,
                              .peer = *op->data.peer,
                              .segment_size = op->data.segment_size,
                              .segments = segments,
                              .has_local = op->data.local != NULL};
    if (item->has_local) {
        item->local = *op->data.local;
    }
    if (sock->first == NULL) {
        sock->first = item;
    } else {
        sock->last->next = item;
    }
    sock->last = item;
    sock->queued += segments;
    return 0;
}

static int sim_submit(struct io *io, const struct io_op *op)
{
    struct sim *sim = (struct sim *)io;
    if (op->kind == IO_OP_OPEN) {
        return submit_open(sim, op);
    }
    if (op->kind == IO_OP_LISTEN || op->kind == IO_OP_CONNECT || op->kind == IO_OP_CANCEL) {
        return sim_tcp_open(sim, op);
    }
    if (op->kind == IO_OP_OPEN_TUN) {
        return -EOPNOTSUPP; /* no kernel, no interface */
    }
    if (op->sock >= sim->socks_len || sim->socks[op->sock]->state != STATE_OPEN) {
        return -EBADF;
    }
    struct sim_sock *sock = sim->socks[op->sock];
    if (sock->tcp != NULL) {
        return sim_tcp_submit(sim, sock, op);
    }
    if (op->kind == IO_OP_DATA) {
        return submit_data(sim, sock, op);
    }
    LEAT_ASSERT(op->kind == IO_OP_CLOSE);
    sock->state = STATE_CLOSING;
    return 0;
}

/* ---- sending ---- */

static void send_item(struct sim *sim, struct sim_sock *sock, const struct sim_item *item)
{
    leat_slice rest = item->body;
    for (uint32_t i = 0; i < item->segments; i++) {
        leat_slice one =
            item->segments > 1 ? leat_slice_sub(rest, 0, item->segment_size) : rest;
        sim_send(sim->world, &sock->port, &item->peer, item->has_local ? &item->local : NULL,
                 one.len > 0 ? leat_slice_data(one) : NULL, one.len);
        rest = leat_slice_sub(rest, one.len, rest.len);
        sim->base.stats.sent_bytes += one.len;
    }
    sim->base.stats.sent_datagrams += item->segments;
    sim->base.stats.send_calls++;
}

static void flush(struct sim *sim, struct sim_sock *sock)
{
    if (sock->tcp != NULL) {
        sim_tcp_flush(sim, sock);
        return;
    }
    for (const struct sim_item *item = sock->first; item != NULL; item = item->next) {
        send_item(sim, sock, item);
    }
    drop_queue(sock);
    sock->writable |= sock->want_writable;
    sock->want_writable = false;
}

/* ---- receiving ---- */

/* Whether `flight` may be the next datagram of the train that `first` began. */
static bool joins(const struct sim_flight *first, uint32_t len, uint32_t segments,
                  const struct sim_flight *flight)
{
    return flight != NULL && flight->error == 0 && first->len > 0 && flight->len > 0 &&
           flight->len <= first->len && len == segments * first->len &&
           segments < TRAIN_SEGMENTS && len + flight->len <= LEAT_DATAGRAM_LEN_MAX &&
           leat_addr_equal(&flight->from, &first->from) &&
           leat_addr_equal(&flight->to, &first->to);
}

/* The inbox's first datagram, or by chance the train it begins, into `buf`. */
static void read_train(struct sim *sim, struct sim_sock *sock, leat_buf *buf,
                       struct io_done *done)
{
    struct sim_flight *first = sim_inbox_take(&sock->port);
    uint8_t *bytes = buf_train_data(buf);
    uint32_t len = first->len;
    uint32_t segments = 1;
    memcpy(bytes, first->bytes, first->len);
    if (joins(first, len, 1, sock->port.inbox) && sim_world_below(sim->world, 2) == 0) {
        while (joins(first, len, segments, sock->port.inbox)) {
            struct sim_flight *flight = sim_inbox_take(&sock->port);
            memcpy(bytes + len, flight->bytes, flight->len);
            len += flight->len;
            segments++;
            mem_free(flight);
        }
    }
    struct leat_addr local = first->to;
    bool wildcard = addr_is_wildcard(&sock->port.bound);
    local.port = sock->port.bound.port;
    local.scope_id = wildcard ? SIM_INTERFACE : sock->port.bound.scope_id;
    buf->local = addr_set_intern(&sock->locals, &local);
    done->kind = IO_DONE_DATA;
    done->peer = first->from;
    done->segment_size = segments > 1 ? first->len : 0;
    done->body = (leat_slice){.buf = buf, .offset = BUF_HEADER_LEN + LEAT_HEADROOM, .len = len};
    sim->base.stats.recv_datagrams += segments;
    sim->base.stats.recv_bytes += len;
    mem_free(first);
}

static void read_error(struct sim *sim, struct sim_sock *sock, struct io_done *done)
{
    struct sim_flight *flight = sim_inbox_take(&sock->port);
    done->kind = IO_DONE_ERROR;
    done->status = flight->error;
    done->peer = flight->from;
    sim->base.stats.recv_errors++;
    mem_free(flight);
}

static unsigned read_sock(struct sim *sim, struct sim_sock *sock, struct io_done *done,
                          unsigned cap)
{
    if (sock->tcp != NULL) {
        return sim_tcp_read(sim, sock, done, cap);
    }
    unsigned n = 0;
    for (; n < cap && n < READS_PER_TURN && sock->port.inbox != NULL; n++) {
        done[n] = (struct io_done){.sock = sock->index, .token = sock->token};
        if (sock->port.inbox->error != 0) {
            read_error(sim, sock, &done[n]);
            continue;
        }
        leat_buf *buf = pool_train_take(sim->pool);
        if (buf == NULL) {
            sim->base.stats.recv_starved += !sock->starved;
            sock->starved = true;
            break;
        }
        sock->starved = false;
        read_train(sim, sock, buf, &done[n]);
    }
    sim->base.stats.recv_calls += n > 0;
    return n;
}

/* ---- the turn ---- */

static unsigned tell(struct sim *sim, struct sim_sock *sock, struct io_done *done, unsigned cap)
{
    if (sock->tcp != NULL) {
        return sim_tcp_tell(sim, sock, done, cap);
    }
    unsigned n = 0;
    struct io_done about = {.sock = sock->index, .token = sock->token, .status = sock->status};
    if (sock->opened && n < cap) {
        sock->opened = false;
        done[n] = about;
        done[n].kind = IO_DONE_OPENED;
        done[n++].peer = sock->status == 0 ? sock->port.bound : (struct leat_addr){0};
        if (sock->state == STATE_FAILED) {
            sock->state = STATE_FREE;
        }
    }
    if (sock->writable && n < cap) {
        sock->writable = false;
        done[n] = about;
        done[n++].kind = IO_DONE_WRITABLE;
    }
    if (sock->state == STATE_CLOSING && n < cap) {
        sim_unbind(sim->world, &sock->port);
        sim->base.stats.sockets--;
        sock->state = STATE_FREE;
        done[n] = about;
        done[n++].kind = IO_DONE_CLOSED;
    }
    return n;
}

static unsigned sim_turn(struct io *io, leat_time deadline, struct io_done *done, unsigned cap)
{
    struct sim *sim = (struct sim *)io;
    unsigned n = 0;
    (void)deadline;
    LEAT_ASSERT(cap > 0);
    for (uint32_t i = 0; i < sim->socks_len; i++) {
        flush(sim, sim->socks[i]);
    }
    sim_deliver(sim->world);
    for (uint32_t i = 0; i < sim->socks_len; i++) {
        n += tell(sim, sim->socks[i], &done[n], cap - n);
    }
    uint32_t len = sim->socks_len;
    for (uint32_t i = 0; i < len && n < cap; i++) {
        struct sim_sock *sock = sim->socks[(sim->next + i) % len];
        if (sock->state == STATE_OPEN && !sock->opened) {
            n += read_sock(sim, sock, &done[n], cap - n);
        }
    }
    sim->next = len > 0 ? (sim->next + 1) % len : 0;
    return n;
}

const struct io_ops io_sim = {
    .name = "sim",
    .probe = sim_probe,
    .init = sim_init,
    .submit = sim_submit,
    .turn = sim_turn,
    .wake = sim_wake,
    .now = sim_now,
    .fini = sim_fini,
};
