/* Streams on a ring: which requests each has with the kernel, and what becomes of their answers;
 * tcp.c does the rest. A connection that is to be read has one receive request for as long as it
 * lasts, one that has something to send one message in flight, a listener one accept. What comes is
 * kept with the socket and given on in turns. A receive that has read all bytes waits for more,
 * though the end may have come together with them and wakes it no more (Linux 6.18, a reset behind
 * data): so the end is polled for too, and once it is known a receive that has nothing more to read
 * is asked for anew. Invariant: a stream whose requests may not be those that it wants is in the
 * queue `unsettled`; no descriptor is closed, and nothing freed that a request refers to, before
 * the last of its requests has been answered. Backend's thread only. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "uring.h"

/* ---- what it waits for ---- */

static bool keeps_enough(const struct uring_sock *sock)
{
    return sock->got_len >= URING_KEPT_MAX || sock->got_bytes >= URING_KEPT_BYTES;
}

static bool wants_read(const struct uring_sock *sock)
{
    if (sock->state == URING_LINGERING) {
        return sock->last_read == URING_MORE;
    }
    return sock->state == URING_OPEN && sock->reads && sock->last_read == URING_MORE &&
           !keeps_enough(sock) && !sock->exhausted && !sock->by_hand;
}

/* Events of a poll; -1: none. */
static int wants_poll(const struct uring *uring, const struct uring_sock *sock)
{
    if (sock->state == URING_CONNECTING) {
        return sock->connects ? POLLOUT : -1;
    }
    if (sock->state == URING_OPEN && sock->tcp.listens) {
        return uring->accepts_by_hand && wants_read(sock) ? POLLIN : -1;
    }
    if (sock->state != URING_OPEN) {
        return -1;
    }
    if (sock->tcp.eof) { /* what is left to learn is a reset; that the peer has finished is not new */
        return URING_POLL_EDGES;
    }
    return sock->reads && !sock->hung ? URING_POLL_ENDS : -1;
}

static void arm(struct uring *uring, struct uring_sock *sock)
{
    struct io_uring_sqe *sqe;
    if (sock->tcp.listens) {
        sqe = uring_ring_sqe(&uring->ring);
        io_uring_prep_multishot_accept(sqe, sock->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } else {
        sqe = uring_pieces_receive(&uring->ring, sock->fd);
    }
    uring_own(sock, sqe, URING_RECV);
    sock->armed = true;
    sock->cancelled = false;
    sock->stale = false;
}

/* False: it is to receive, and there is no buffer. */
static bool settle(struct uring *uring, struct uring_sock *sock)
{
    int events = wants_poll(uring, sock);
    bool reads = wants_read(sock) && !(sock->tcp.listens && uring->accepts_by_hand);
    if (events >= 0 && !sock->polled) {
        uring_poll(uring, sock, (uint32_t)events);
    }
    if ((!reads || sock->stale) && sock->armed && !sock->cancelled) {
        sock->cancelled = true;
        uring_cancel(uring, sock, URING_RECV);
    }
    if (!reads || sock->armed) {
        return true;
    }
    if (!sock->tcp.listens && uring->pieces_starved) {
        return false;
    }
    arm(uring, sock);
    return true;
}

void uring_stream_settle(struct uring *uring)
{
    struct uring_queue later = {0};
    if (uring->pieces == NULL) {
        return;
    }
    bool was_starved = uring->pieces_starved;
    uring->pieces_starved = !uring_pieces_refill(uring->pieces);
    uring->base.stats.recv_starved += uring->pieces_starved && !was_starved;
    while (uring->unsettled.first != NULL) {
        struct uring_sock *sock;
        URING_POP(&uring->unsettled, sock, next_unarmed, is_unarmed);
        if (sock->state == URING_FREE) {
            uring_release(uring, sock);
        } else if (!settle(uring, sock)) {
            URING_PUSH(&later, sock, next_unarmed, is_unarmed);
        }
    }
    uring->unsettled = later;
}

bool uring_stream_alarm(struct uring *uring, struct uring_sock *sock, leat_time ns)
{
    leat_time now = uring_now((struct io *)uring);
    leat_time at = ns < LEAT_NEVER - now ? now + ns : LEAT_NEVER;
    return alarms_set(&uring->alarms, &sock->alarm, at) == 0;
}

/* ---- the end ---- */

static void drop_received(struct uring *uring, struct uring_sock *sock)
{
    while (sock->got_first != NULL) {
        union node *node = sock->got_first;
        sock->got_first = node->next;
        leat_buf_unref(node->event.body.buf);
        pool_give(uring->pool, node);
    }
    sock->got_len = 0;
    sock->got_bytes = 0;
    uring_listen_drop(uring, sock);
}

/* Nothing of it is with the kernel any more: its descriptor goes; CLOSED, or of one that was
 * connecting OPENED, is owed. */
static void ended(struct uring *uring, struct uring_sock *sock)
{
    if (uring->ring.broken == 0) {
        tcp_close(uring->tcp, &sock->tcp, sock->reset);
    } else {
        shutdown(sock->fd, SHUT_RDWR); /* the rest when the ring is closed */
    }
    uint8_t was = sock->was;
    uring->begun_len -= was == URING_CONNECTING || was == URING_LINGERING;
    if (was == URING_CONNECTING) {
        sock->state = URING_FAILED;
        uring_tell(uring, sock, URING_TELL_OPENED);
    } else if (was == URING_LINGERING) {
        uring->lingering_len--;
        sock->state = URING_CLOSED;
        if ((sock->tell & URING_TELL_CLOSED) == 0) { /* it has been told */
            uring_release(uring, sock);
        }
    } else {
        LEAT_ASSERT(was == URING_OPEN || was == URING_CLOSING);
        sock->state = URING_CLOSED;
        uring->base.stats.sockets--;
        uring_tell(uring, sock, URING_TELL_CLOSED);
    }
}

static void end(struct uring *uring, struct uring_sock *sock, int status, bool reset)
{
    if (sock->state == URING_ENDING) {
        return;
    }
    alarms_clear(&uring->alarms, &sock->alarm);
    drop_received(uring, sock);
    sock->was = sock->state;
    sock->state = URING_ENDING;
    sock->status = sock->was == URING_LINGERING ? 0 : status;
    sock->reset = reset;
    sock->congested = false;
    if (sock->outstanding == 0) {
        ended(uring, sock);
        return;
    }
    if (sock->armed && !sock->cancelled) {
        sock->cancelled = true;
        uring_cancel(uring, sock, URING_RECV);
    }
    if (sock->polled) {
        uring_cancel(uring, sock, URING_POLL);
    }
    if (sock->sending > 0) {
        uring_cancel(uring, sock, URING_WRITE);
    }
}

/* CLOSE was asked for, and everything is sent. */
static void all_sent(struct uring *uring, struct uring_sock *sock)
{
    bool lingers = !sock->tcp.listens && !sock->tcp.eof && sock->last_read == URING_MORE &&
                   sock->tcp.broken == 0 && uring->lingering_len < TCP_LINGERING_MAX &&
                   !uring_is_over(uring) && uring_stream_alarm(uring, sock, TCP_LINGER_NS);
    if (!lingers) {
        end(uring, sock, 0, false);
        return;
    }
    uring->base.stats.sockets--;
    uring->begun_len++;
    uring->lingering_len++;
    sock->state = URING_LINGERING;
    sock->status = 0;
    uring_tell(uring, sock, URING_TELL_CLOSED);
    uring_unsettle(uring, sock);
}

/* ---- sending ---- */

static void check_writable(struct uring *uring, struct uring_sock *sock)
{
    if (sock->tcp.want_writable && sock->tcp.queued <= uring->tcp->queue_max / 2) {
        sock->tcp.want_writable = false;
        uring_tell(uring, sock, URING_TELL_WRITABLE);
    }
}

/* Sending has failed: the connection is over, when what the peer sent has been read. */
static void broken(struct uring *uring, struct uring_sock *sock)
{
    if (sock->state == URING_CLOSING || sock->tcp.eof) {
        end(uring, sock, sock->tcp.broken, false);
        return;
    }
    check_writable(uring, sock); /* who waits is to be refused */
}

/* What tcp.c says of the queue, none of which is in flight. */
static void sent(struct uring *uring, struct uring_sock *sock, enum tcp_flushed result)
{
    if (result == TCP_BROKEN) {
        broken(uring, sock);
        return;
    }
    if (result == TCP_CONGESTED) {
        sock->congested = true;
        uring_retry(uring, UDP_RETRY_NS);
    } else if (result == TCP_EMPTY && sock->state == URING_CLOSING) {
        all_sent(uring, sock);
        return;
    } else if (sock->tcp.fin_sent && sock->tcp.eof) {
        end(uring, sock, 0, false);
        return;
    }
    check_writable(uring, sock);
}

/* One message for the front of the queue; false: there is no room to build it. */
static bool send_queued(struct uring *uring, struct uring_sock *sock)
{
    struct iovec *vectors = &uring->vectors[uring->vectors_len];
    uint32_t room = URING_SEND_VECTORS - uring->vectors_len;
    if (uring->headers_len == URING_SEND_HEADERS || room < TCP_VECTORS) {
        return false;
    }
    size_t len;
    uint32_t n = tcp_build(&sock->tcp, vectors, TCP_VECTORS, &len);
    struct io_uring_sqe *sqe = uring_ring_sqe(&uring->ring);
    if (n == 1) {
        io_uring_prep_send(sqe, sock->fd, vectors->iov_base, len, MSG_NOSIGNAL);
    } else {
        struct msghdr *header = &uring->headers[uring->headers_len++];
        *header = (struct msghdr){.msg_iov = vectors, .msg_iovlen = n};
        uring->vectors_len += n;
        io_uring_prep_sendmsg(sqe, sock->fd, header, MSG_NOSIGNAL);
    }
    uring_own(sock, sqe, URING_WRITE);
    sock->sending = 1;
    uring->base.stats.send_calls++;
    return true;
}

static bool flush(struct uring *uring, struct uring_sock *sock)
{
    LEAT_ASSERT(!sock->tcp.listens);
    if ((sock->state != URING_OPEN && sock->state != URING_CLOSING) || sock->sending > 0 ||
        sock->congested) {
        return true;
    }
    if (uring_is_over(uring)) {
        tcp_flush(uring->tcp, &sock->tcp); /* what is left then is cut off */
        if (sock->state == URING_CLOSING) {
            end(uring, sock, 0, sock->tcp.queued > 0);
        }
    } else if (sock->tcp.first == NULL) {
        sent(uring, sock, tcp_flush(uring->tcp, &sock->tcp)); /* FIN, if it is its time */
    } else {
        return send_queued(uring, sock);
    }
    return true;
}

static void answer_write(struct uring *uring, struct uring_sock *sock, int res)
{
    LEAT_ASSERT(sock->sending == 1);
    sock->sending = 0;
    bool passes = res == -EINTR || res == -ECANCELED; /* not by us, or we are ending it */
    if (!passes) {
        res = res == -EAGAIN ? -ENOBUFS : res; /* who did not say DONTWAIT is told when it may */
        enum tcp_flushed result = tcp_sent(uring->tcp, &sock->tcp, res);
        if (sock->state != URING_OPEN && sock->state != URING_CLOSING) {
            return;
        }
        if (result == TCP_BROKEN || result == TCP_CONGESTED) {
            sent(uring, sock, result);
            return;
        }
        check_writable(uring, sock);
    }
    if (sock->tcp.first != NULL || sock->tcp.finishing) {
        uring_make_dirty(uring, sock);
    }
}

/* ---- receiving ---- */

/* What is kept for long must not hold a receive buffer, which others need. Without memory it
 * does. */
static void own_body(leat_slice *body)
{
    leat_slice copy;
    if (body->buf->class == BUF_TRAIN && leat_buf_alloc(body->len, &copy) == 0) {
        memcpy(leat_slice_data(copy), leat_slice_data(*body), body->len);
        leat_buf_unref(body->buf);
        *body = copy;
    }
}

static void set_reads(struct uring *uring, struct uring_sock *sock, bool on)
{
    sock->reads = on;
    for (union node *node = sock->got_first; !on && node != NULL; node = node->next) {
        own_body(&node->event.body);
    }
    uring_unsettle(uring, sock);
    uring_make_hot(uring, sock); /* there may be something */
}

static void keep(struct uring *uring, struct uring_sock *sock, leat_slice body)
{
    union node *node = body.buf != NULL ? pool_take(uring->pool) : NULL;
    if (node == NULL) { /* nothing may be left out of a stream: it ends */
        leat_buf_unref(body.buf);
        sock->last_read = -ENOMEM;
    } else {
        node->next = NULL;
        node->event.body = body;
        if (!sock->reads) {
            own_body(&node->event.body);
        }
        if (sock->got_first == NULL) {
            sock->got_first = node;
        } else {
            sock->got_last->next = node;
        }
        sock->got_last = node;
        sock->got_len++;
        sock->got_bytes += body.len;
        if (keeps_enough(sock)) {
            uring_unsettle(uring, sock);
        }
        uring->base.stats.recv_bytes += body.len;
    }
    uring_make_hot(uring, sock);
}

static void answer_receive(struct uring *uring, struct uring_sock *sock, int res, uint32_t flags)
{
    bool keeps = sock->state == URING_OPEN && sock->last_read == URING_MORE;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        uint32_t len = res > 0 ? (uint32_t)res : 0;
        leat_slice body = uring_pieces_take(uring->pieces, flags, len, !keeps);
        if (len > 0 && keeps) {
            keep(uring, sock, body);
        }
    }
    if ((flags & IORING_CQE_F_MORE) != 0) {
        if (sock->hung && (flags & IORING_CQE_F_SOCK_NONEMPTY) == 0) {
            sock->stale = true;
            uring_unsettle(uring, sock);
        }
        return;
    }
    sock->armed = false;
    if (res == -ENOBUFS) {
        uring_pieces_ran_dry(uring->pieces);
    }
    bool goes_on = res > 0 || res == -ENOBUFS || res == -ECANCELED || res == -EINTR ||
                   res == -EAGAIN;
    if (!goes_on && sock->last_read == URING_MORE) {
        sock->last_read = res;
        uring_make_hot(uring, sock);
        if (sock->state == URING_LINGERING) {
            end(uring, sock, 0, false);
        }
    } else {
        uring_unsettle(uring, sock);
    }
}

/* ---- giving ---- */

/* There will be no more: FINISHED, or the end. */
static unsigned give_last(struct uring *uring, struct uring_sock *sock, struct io_done *done)
{
    struct tcp_sock *tcp = &sock->tcp;
    if (sock->last_read == URING_MORE || tcp->eof) {
        return 0;
    }
    if (sock->last_read < 0) {
        end(uring, sock, sock->last_read, false);
        return 0;
    }
    tcp->eof = true;
    if (tcp->broken != 0 && tcp->broken != -EPIPE) { /* a reset, which sending heard of */
        end(uring, sock, tcp->broken, false);
        return 0;
    }
    uring_done_fill(done, IO_DONE_FINISHED, sock, 0);
    if (tcp->broken != 0 || (tcp->fin_sent && tcp->queued == 0)) {
        end(uring, sock, tcp->broken, false);
    } else {
        uring_unsettle(uring, sock);
    }
    return 1;
}

/* The first of what was received. */
static void give_one(struct uring *uring, struct uring_sock *sock, struct io_done *done)
{
    union node *node = sock->got_first;
    bool was_enough = keeps_enough(sock);
    sock->got_first = node->next;
    sock->got_len--;
    sock->got_bytes -= node->event.body.len;
    if (was_enough) {
        uring_unsettle(uring, sock);
    }
    uring_done_fill(done, IO_DONE_DATA, sock, 0)->body = node->event.body;
    done->peer = sock->tcp.peer;
    pool_give(uring->pool, node);
}

/* What has come is kept while it is not to be read, the end too, as readiness leaves it in the
 * kernel. */
static unsigned stream_give(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                            unsigned cap)
{
    if (sock->state != URING_OPEN) {
        return 0;
    }
    if (sock->tcp.listens) {
        return uring_listen_give(uring, sock, done, cap);
    }
    unsigned n = 0;
    uint32_t bytes = 0;
    for (; sock->reads && sock->got_first != NULL; n++) {
        bytes += sock->got_first->event.body.len;
        if (n == cap || bytes > URING_GIVEN_BYTES) {
            uring_make_hot(uring, sock);
            return n;
        }
        give_one(uring, sock, &done[n]);
    }
    if (sock->reads && n < cap) {
        n += give_last(uring, sock, &done[n]);
    } else if (sock->reads) {
        uring_make_hot(uring, sock);
    }
    return n;
}

/* ---- operations ---- */

static void opened(struct uring *uring, struct uring_sock *sock, int status)
{
    if (status < 0) {
        end(uring, sock, status, false);
        return;
    }
    alarms_clear(&uring->alarms, &sock->alarm);
    uring->begun_len -= sock->state == URING_CONNECTING;
    sock->state = URING_OPEN;
    sock->status = 0;
    sock->reads = true;
    sock->last_read = URING_MORE;
    uring->base.stats.sockets++;
    uring_tell(uring, sock, URING_TELL_OPENED);
    uring_unsettle(uring, sock);
}

/* One that connects: it is waited for, or tried again soon. */
static void connecting(struct uring *uring, struct uring_sock *sock, int status)
{
    if (status == TCP_IN_PROGRESS) {
        sock->connects = true;
        uring_unsettle(uring, sock);
        return;
    }
    leat_time now = uring_now((struct io *)uring);
    if (status == -EAGAIN && sock->connect_until > now) {
        leat_time left = sock->connect_until - now;
        if (uring_stream_alarm(uring, sock, left < TCP_CONNECT_AGAIN_NS ? left : TCP_CONNECT_AGAIN_NS)) {
            return;
        }
    }
    opened(uring, sock, status == -EAGAIN ? -ETIMEDOUT : status);
}

static int connect_to(struct uring *uring, struct uring_sock *sock, const struct io_op *op)
{
    int status = tcp_connect(uring->tcp, &sock->tcp, op);
    if (status < 0 && status != -EAGAIN) {
        return status;
    }
    leat_time timeout = op->connect.timeout_ns;
    leat_time now = uring_now((struct io *)uring);
    sock->connect_until = timeout == 0 || timeout > LEAT_NEVER - now ? LEAT_NEVER : now + timeout;
    if (status == TCP_IN_PROGRESS && timeout != 0 && !uring_stream_alarm(uring, sock, timeout)) {
        tcp_close(uring->tcp, &sock->tcp, false);
        return -ENOMEM;
    }
    sock->state = URING_CONNECTING;
    uring->begun_len++;
    connecting(uring, sock, status);
    return 0;
}

static void cancel_connect(struct uring *uring, uint64_t token)
{
    for (uint32_t i = 0; i < uring->socks_len; i++) {
        struct uring_sock *sock = uring->socks[i];
        if (sock->state == URING_CONNECTING && sock->token == token) {
            end(uring, sock, -ECANCELED, false);
            break;
        }
    }
}

/* Receive buffers, with the first stream. */
static int need_pieces(struct uring *uring)
{
    if (uring_is_over(uring)) {
        return uring->ring.broken != 0 ? uring->ring.broken : -ESHUTDOWN;
    }
    if (uring->pieces != NULL) {
        return 0;
    }
    struct uring_pieces *pieces = mem_zalloc(sizeof(*pieces), 64);
    int status = pieces != NULL ? uring_pieces_open(pieces, &uring->ring, uring->pool) : -ENOMEM;
    if (status < 0) {
        mem_free(pieces);
        return status;
    }
    uring->pieces = pieces;
    return 0;
}

int uring_stream_open(struct uring *uring, const struct io_op *op)
{
    if (op->kind == IO_OP_CANCEL) {
        cancel_connect(uring, op->token);
        return 0;
    }
    struct uring_sock *sock = uring_sock_take(uring, &uring_stream_class);
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->fd = -1;
    sock->token = op->token;
    int status = need_pieces(uring);
    if (status == 0 && op->kind == IO_OP_CONNECT) {
        status = connect_to(uring, sock, op);
    } else if (status == 0) {
        status = tcp_listen(uring->tcp, &sock->tcp, op);
        if (status == 0) {
            opened(uring, sock, 0);
        }
    }
    if (status < 0) {
        sock->state = URING_FAILED;
        sock->status = status;
        uring_tell(uring, sock, URING_TELL_OPENED);
    }
    return 0;
}

static int submit_data(struct uring *uring, struct uring_sock *sock, const struct io_op *op)
{
    int status = tcp_submit(uring->tcp, &sock->tcp, op);
    if (LEAT_UNLIKELY(status == -EAGAIN) && !sock->congested && !uring_is_over(uring)) {
        sock->tcp.want_writable = false;
        if (sock->sending == 0) { /* full with what the kernel was not asked to take yet */
            uring_make_dirty(uring, sock);
            uring_hand_over(uring);
        } else {
            uring_reap(uring); /* or that it may have taken by now */
        }
        if (sock->state != URING_OPEN) {
            return -EBADF;
        }
        status = tcp_submit(uring->tcp, &sock->tcp, op);
    }
    if (LEAT_LIKELY(status == 0) && sock->sending == 0 && !sock->congested) {
        uring_make_dirty(uring, sock);
    }
    return status;
}

static void close_sock(struct uring *uring, struct uring_sock *sock, bool reset)
{
    if (reset || sock->tcp.listens) {
        end(uring, sock, 0, reset);
        return;
    }
    drop_received(uring, sock);
    sock->state = URING_CLOSING;
    sock->tcp.finishing = true;
    sock->tcp.want_writable = false;
    if (sock->tcp.queued > 0) {
        (void)uring_stream_alarm(uring, sock, TCP_CLOSE_NS);
        uring_unsettle(uring, sock);
    }
    uring_make_dirty(uring, sock);
}

static int submit(struct uring *uring, struct uring_sock *sock, const struct io_op *op)
{
    switch (op->kind) {
    case IO_OP_DATA:
        return submit_data(uring, sock, op);
    case IO_OP_ADOPT:
        sock->token = op->token;
        return 0;
    case IO_OP_READ:
        set_reads(uring, sock, op->read.on);
        return 0;
    case IO_OP_FINISH:
        if (sock->tcp.listens) {
            return -EINVAL;
        }
        sock->tcp.finishing = true;
        uring_make_dirty(uring, sock);
        return 0;
    default:
        LEAT_ASSERT(op->kind == IO_OP_CLOSE);
        close_sock(uring, sock, op->close.reset);
        return 0;
    }
}

/* ---- answers ---- */

/* Both directions are over: reset, or a Unix peer that has gone. */
static void hung_up(struct uring *uring, struct uring_sock *sock)
{
    int status = sock->tcp.broken != 0 ? sock->tcp.broken : tcp_connected(&sock->tcp);
    if (status == 0 && sock->tcp.queued > 0) {
        status = -EPIPE;
    }
    end(uring, sock, status, false);
}

static void answer_poll(struct uring *uring, struct uring_sock *sock, int res, uint32_t flags)
{
    sock->polled = (flags & IORING_CQE_F_MORE) != 0;
    if (res == -ECANCELED) {
        uring_unsettle(uring, sock);
    } else if (sock->state == URING_CONNECTING) {
        sock->connects = false;
        opened(uring, sock, res < 0 ? res : tcp_connected(&sock->tcp));
    } else if (sock->state == URING_OPEN && sock->tcp.listens) {
        sock->by_hand = true;
        uring_make_hot(uring, sock);
    } else if (!sock->tcp.eof) {
        sock->hung = true;
        sock->stale = true;
        uring_unsettle(uring, sock);
    } else if (sock->state == URING_OPEN && res == POLLRDHUP) {
        uring_unsettle(uring, sock);
    } else if (sock->state == URING_OPEN && sock->sending == 0) { /* else that has its own answer */
        hung_up(uring, sock);
    }
}

static void answer(struct uring *uring, struct uring_sock *sock, enum uring_kind kind, int res,
                   uint32_t flags)
{
    switch (kind) {
    case URING_RECV:
        if (sock->tcp.listens) {
            uring_listen_answer(uring, sock, res, flags);
        } else {
            answer_receive(uring, sock, res, flags);
        }
        break;
    case URING_POLL:
        answer_poll(uring, sock, res, flags);
        break;
    case URING_WRITE:
        answer_write(uring, sock, res);
        break;
    default:
        break;
    }
    if (sock->state == URING_ENDING && sock->outstanding == 0) {
        ended(uring, sock);
    }
}

static void retry(struct uring *uring, struct uring_sock *sock)
{
    if (sock->congested) {
        sock->congested = false;
        uring_make_dirty(uring, sock);
    }
}

void uring_stream_alarms(struct uring *uring)
{
    if (uring->alarms.len == 0) {
        return;
    }
    leat_time now = uring_now((struct io *)uring);
    for (struct alarm *alarm; (alarm = alarms_due(&uring->alarms, now)) != NULL;) {
        struct uring_sock *sock =
            (struct uring_sock *)(void *)((char *)alarm - offsetof(struct uring_sock, alarm));
        if (sock->state == URING_CONNECTING && sock->connect_until > now) {
            connecting(uring, sock, tcp_connect_again(&sock->tcp));
        } else if (sock->state == URING_CONNECTING || sock->state == URING_CLOSING) {
            end(uring, sock, -ETIMEDOUT, true);
        } else if (sock->state == URING_LINGERING) {
            end(uring, sock, 0, false);
        } else if (sock->exhausted) {
            sock->exhausted = false;
            uring_make_hot(uring, sock);
        }
    }
}

/* ---- the backend's end ---- */

static void fail(struct uring *uring, struct uring_sock *sock, int status)
{
    sock->armed = false;
    sock->polled = false;
    if (sock->state == URING_ENDING) {
        ended(uring, sock);
    } else {
        end(uring, sock, status, true); /* also one that is closing: its queue is lost */
    }
}

static void fini(struct uring *uring, struct uring_sock *sock)
{
    alarms_clear(&uring->alarms, &sock->alarm);
    drop_received(uring, sock);
    if (sock->fd >= 0 && (sock->state == URING_OPEN || sock->state == URING_CLOSING) &&
        !sock->tcp.listens) {
        tcp_flush(uring->tcp, &sock->tcp);
    }
    tcp_close(uring->tcp, &sock->tcp, sock->tcp.queued > 0); /* what is cut off is no orderly end */
}

const struct uring_class uring_stream_class = {
    .submit = submit,
    .answer = answer,
    .flush = flush,
    .give = stream_give,
    .retry = retry,
    .fail = fail,
    .fini = fini,
};
