/* Streams by readiness: who is waited for, read, flushed and closed when; tcp.c does it. Invariant:
 * a stream is waited for exactly as long as it has an interest (stream_watch), so that one that is
 * not read cannot make a level-triggered wait spin; what it would have been told is found out when
 * it is read again. A connection that ends by itself is closed here and told as CLOSED. Backend's
 * thread only. */
#include <errno.h>
#include <unistd.h>

#include "assert.h"
#include "ready.h"

/* ---- interest ---- */

static uint32_t interest_of(const struct ready_sock *sock)
{
    uint32_t write = sock->writable ? READY_WRITE : 0;
    switch (sock->state) {
    case STATE_CONNECTING:
        return write;
    case STATE_LINGERING:
        return READY_READ;
    case STATE_CLOSING:
        return write;
    case STATE_OPEN:
        if (sock->tcp.eof) {
            return write | READY_ERROR; /* what is left to learn is a reset */
        }
        return sock->reads && !sock->paused && !sock->exhausted ? write | READY_READ : write;
    default:
        return 0;
    }
}

static void stream_closed(struct ready *ready, struct ready_sock *sock, int status, bool reset);

static void stream_unwatch(struct ready *ready, struct ready_sock *sock)
{
    if (sock->is_watched) {
        ready->ops->remove(ready, sock);
        ready->watched_len--;
    }
    sock->is_watched = false;
    sock->interest = 0;
}

/* Tells the wait what has changed. */
static void stream_watch(struct ready *ready, struct ready_sock *sock)
{
    uint32_t interest = interest_of(sock);
    if (interest == sock->interest) {
        return;
    }
    sock->interest = interest;
    if (interest == 0) {
        stream_unwatch(ready, sock);
    } else if (sock->is_watched) {
        ready->ops->change(ready, sock);
    } else {
        int status = ready->ops->add(ready, sock);
        sock->is_watched = status == 0;
        ready->watched_len += status == 0;
        if (status < 0) {
            sock->interest = 0;
            stream_closed(ready, sock, status, true);
        }
    }
}

/* If memory is out there is no alarm: whoever is to be tried again is so at once. */
static bool set_alarm(struct ready *ready, struct ready_sock *sock, leat_time ns)
{
    leat_time now = ready_now((struct io *)ready);
    leat_time at = ns < LEAT_NEVER - now ? now + ns : LEAT_NEVER;
    return alarms_set(&ready->alarms, &sock->alarm, at) == 0;
}

/* ---- the end ---- */

/* Its descriptor goes; CLOSED, or of one that was connecting OPENED, is owed. */
static void stream_closed(struct ready *ready, struct ready_sock *sock, int status, bool reset)
{
    stream_unwatch(ready, sock);
    alarms_clear(&ready->alarms, &sock->alarm);
    tcp_close(ready->tcp, &sock->tcp, reset);
    sock->writable = false;
    sock->congested = false;
    if (sock->state == STATE_CONNECTING) {
        sock->state = STATE_FAILED;
        sock->status = status;
        ready_tell(ready, sock, TELL_OPENED);
    } else if (sock->state == STATE_LINGERING) {
        ready->lingering_len--;
        sock->state = STATE_CLOSED;
        if ((sock->tell & TELL_CLOSED) == 0) { /* it has been told */
            sock->tell = 0;
            if (sock->is_dirty || sock->is_told) {
                return; /* the queue it is in lets it go */
            }
            ready_release(ready, sock);
        }
    } else {
        LEAT_ASSERT(sock->state == STATE_OPEN || sock->state == STATE_CLOSING);
        sock->state = STATE_CLOSED;
        sock->status = status;
        ready->base.stats.sockets--;
        ready_tell(ready, sock, TELL_CLOSED);
    }
}

/* CLOSE was asked for, and everything is sent. */
static void stream_sent(struct ready *ready, struct ready_sock *sock)
{
    bool lingers = !sock->tcp.listens && !sock->tcp.eof && sock->tcp.broken == 0 &&
                   ready->lingering_len < TCP_LINGERING_MAX && set_alarm(ready, sock, TCP_LINGER_NS);
    if (!lingers) {
        stream_closed(ready, sock, 0, false);
        return;
    }
    ready->base.stats.sockets--;
    ready->lingering_len++;
    sock->state = STATE_LINGERING;
    sock->status = 0;
    sock->writable = false;
    ready_tell(ready, sock, TELL_CLOSED);
    ready_make_hot(ready, sock);
    stream_watch(ready, sock);
}

void stream_end(struct ready *ready, struct ready_sock *sock)
{
    alarms_clear(&ready->alarms, &sock->alarm);
    if (sock->fd >= 0 && (sock->state == STATE_OPEN || sock->state == STATE_CLOSING) &&
        !sock->tcp.listens) {
        tcp_flush(ready->tcp, &sock->tcp);
    }
    tcp_close(ready->tcp, &sock->tcp, sock->tcp.queued > 0); /* what is cut off is no orderly end */
}

/* ---- operations ---- */

static void stream_opened(struct ready *ready, struct ready_sock *sock, int status)
{
    if (status < 0) {
        stream_closed(ready, sock, status, false);
        return;
    }
    alarms_clear(&ready->alarms, &sock->alarm);
    sock->state = STATE_OPEN;
    sock->status = 0;
    sock->writable = false;
    sock->reads = true;
    ready->base.stats.sockets++;
    ready_tell(ready, sock, TELL_OPENED);
    ready_make_hot(ready, sock);
    stream_watch(ready, sock);
}

/* One that connects: it is waited for, or tried again soon. */
static void connecting(struct ready *ready, struct ready_sock *sock, int status)
{
    if (status == TCP_IN_PROGRESS) {
        sock->writable = true;
        stream_watch(ready, sock);
        return;
    }
    leat_time now = ready_now((struct io *)ready);
    if (status == -EAGAIN && sock->connect_until > now) {
        leat_time left = sock->connect_until - now;
        if (set_alarm(ready, sock, left < TCP_CONNECT_AGAIN_NS ? left : TCP_CONNECT_AGAIN_NS)) {
            return;
        }
    }
    stream_opened(ready, sock, status == -EAGAIN ? -ETIMEDOUT : status);
}

static int stream_connect(struct ready *ready, struct ready_sock *sock, const struct io_op *op)
{
    int status = tcp_connect(ready->tcp, &sock->tcp, op);
    if (status < 0 && status != -EAGAIN) {
        return status;
    }
    leat_time timeout = op->connect.timeout_ns;
    leat_time now = ready_now((struct io *)ready);
    sock->state = STATE_CONNECTING;
    sock->connect_until = timeout == 0 || timeout > LEAT_NEVER - now ? LEAT_NEVER : now + timeout;
    if (status == TCP_IN_PROGRESS && timeout != 0 && !set_alarm(ready, sock, timeout)) {
        tcp_close(ready->tcp, &sock->tcp, false);
        return -ENOMEM;
    }
    connecting(ready, sock, status);
    return 0;
}

static int stream_cancel(struct ready *ready, uint64_t token)
{
    for (uint32_t i = 0; i < ready->socks_len; i++) {
        struct ready_sock *sock = ready->socks[i];
        if (sock->state == STATE_CONNECTING && sock->token == token) {
            stream_closed(ready, sock, -ECANCELED, false);
            break;
        }
    }
    return 0;
}

int stream_open(struct ready *ready, const struct io_op *op)
{
    if (op->kind == IO_OP_CANCEL) {
        return stream_cancel(ready, op->token);
    }
    struct ready_sock *sock = ready_sock_take(ready);
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->fd = -1;
    sock->token = op->token;
    sock->is_stream = true;
    int status;
    if (op->kind == IO_OP_CONNECT) {
        status = stream_connect(ready, sock, op);
    } else {
        status = tcp_listen(ready->tcp, &sock->tcp, op);
        if (status == 0) {
            sock->state = STATE_CONNECTING; /* for the moment */
            stream_opened(ready, sock, 0);
        }
    }
    if (status == 0) {
        return 0;
    }
    sock->state = STATE_FAILED;
    sock->status = status;
    ready_tell(ready, sock, TELL_OPENED);
    return 0;
}

static int stream_data(struct ready *ready, struct ready_sock *sock, const struct io_op *op)
{
    int status = tcp_submit(ready->tcp, &sock->tcp, op);
    if (LEAT_UNLIKELY(status == -EAGAIN) && !sock->writable && !sock->congested) {
        sock->tcp.want_writable = false; /* full with what the kernel was not asked to take yet */
        stream_flush(ready, sock);
        if (sock->state != STATE_OPEN) {
            return -EBADF;
        }
        status = tcp_submit(ready->tcp, &sock->tcp, op);
    }
    if (LEAT_LIKELY(status == 0) && !sock->writable && !sock->congested) {
        ready_make_dirty(ready, sock);
    }
    return status;
}

static void stream_reads(struct ready *ready, struct ready_sock *sock, bool on)
{
    sock->reads = on;
    if (on) {
        ready_make_hot(ready, sock); /* there often is something */
    }
    stream_watch(ready, sock);
}

static void stream_close(struct ready *ready, struct ready_sock *sock, bool reset)
{
    if (reset) {
        stream_closed(ready, sock, 0, true);
        return;
    }
    sock->state = STATE_CLOSING;
    sock->tcp.finishing = !sock->tcp.listens;
    sock->tcp.want_writable = false;
    if (sock->tcp.queued > 0) {
        (void)set_alarm(ready, sock, TCP_CLOSE_NS);
    }
    if (!sock->writable && !sock->congested) {
        ready_make_dirty(ready, sock);
    }
    stream_watch(ready, sock);
}

int stream_submit(struct ready *ready, struct ready_sock *sock, const struct io_op *op)
{
    switch (op->kind) {
    case IO_OP_DATA:
        return stream_data(ready, sock, op);
    case IO_OP_ADOPT:
        sock->token = op->token;
        return 0;
    case IO_OP_READ:
        stream_reads(ready, sock, op->read.on);
        return 0;
    case IO_OP_FINISH:
        if (sock->tcp.listens) {
            return -EINVAL;
        }
        sock->tcp.finishing = true;
        if (!sock->writable && !sock->congested) {
            ready_make_dirty(ready, sock);
        }
        return 0;
    default:
        LEAT_ASSERT(op->kind == IO_OP_CLOSE);
        stream_close(ready, sock, op->close.reset);
        return 0;
    }
}

/* ---- sending ---- */

static void check_writable(struct ready *ready, struct ready_sock *sock)
{
    if (sock->tcp.want_writable && sock->tcp.queued <= ready->tcp->queue_max / 2) {
        sock->tcp.want_writable = false;
        ready_tell(ready, sock, TELL_WRITABLE);
    }
}

/* Sending has failed: the connection is over, when what the peer sent has been read. */
static void stream_broken(struct ready *ready, struct ready_sock *sock)
{
    sock->writable = false;
    if (sock->state == STATE_CLOSING || sock->tcp.eof) {
        stream_closed(ready, sock, sock->tcp.broken, false);
        return;
    }
    check_writable(ready, sock); /* who waits is to be refused */
    if (sock->reads) {
        ready_make_hot(ready, sock);
    }
    stream_watch(ready, sock);
}

void stream_flush(struct ready *ready, struct ready_sock *sock)
{
    if (sock->state == STATE_CLOSED && sock->tell == 0) {
        ready_release(ready, sock);
        return;
    }
    if (sock->state != STATE_OPEN && sock->state != STATE_CLOSING) {
        return;
    }
    enum tcp_flushed result = sock->tcp.listens ? TCP_EMPTY : tcp_flush(ready->tcp, &sock->tcp);
    sock->congested = result == TCP_CONGESTED;
    if (result == TCP_BROKEN) {
        stream_broken(ready, sock);
        return;
    }
    if (sock->congested) {
        ready_congested(ready);
    }
    sock->writable = result == TCP_BLOCKED;
    if (result == TCP_EMPTY && sock->state == STATE_CLOSING) {
        stream_sent(ready, sock);
        return;
    }
    if (sock->tcp.fin_sent && sock->tcp.eof) {
        stream_closed(ready, sock, 0, false);
        return;
    }
    check_writable(ready, sock);
    stream_watch(ready, sock);
}

/* ---- receiving ---- */

/* A connection that was accepted; false: no memory for it. */
static bool take_accepted(struct ready *ready, struct ready_sock *listener,
                          const struct tcp_sock *accepted, struct io_done *done)
{
    struct ready_sock *sock = ready_sock_take(ready);
    if (sock == NULL) {
        ready->base.stats.accept_failed++;
        close(accepted->fd);
        return false;
    }
    uint32_t index = sock->index;
    sock->tcp = *accepted;
    sock->index = index;
    sock->token = IO_TOKEN_NONE;
    sock->is_stream = true;
    sock->state = STATE_OPEN;
    ready->base.stats.sockets++;
    ready->base.stats.accepted++;
    ready_done_fill(done, IO_DONE_ACCEPTED, listener, 0);
    done->sock = index;
    done->peer = accepted->peer;
    return true;
}

/* The listener rests: there is no descriptor, and nothing tells when there is. */
static void listener_rests(struct ready *ready, struct ready_sock *sock)
{
    sock->exhausted = set_alarm(ready, sock, TCP_EXHAUSTED_NS);
    stream_watch(ready, sock);
}

static unsigned accept_some(struct ready *ready, struct ready_sock *sock, struct io_done *done,
                            unsigned cap)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < TCP_ACCEPTS && n < cap; i++) {
        struct tcp_sock accepted = {.fd = -1};
        int status = 0;
        switch (tcp_accept(ready->tcp, &sock->tcp, &accepted, &status)) {
        case TCP_ACCEPTED:
            n += take_accepted(ready, sock, &accepted, &done[n]);
            break;
        case TCP_NONE:
            return n;
        case TCP_AGAIN:
        case TCP_TURNED_AWAY:
            break;
        case TCP_EXHAUSTED:
            listener_rests(ready, sock);
            return n;
        }
    }
    ready_make_hot(ready, sock);
    return n;
}

static void linger_on(struct ready *ready, struct ready_sock *sock)
{
    enum tcp_more more = tcp_discard(ready->tcp, &sock->tcp);
    if (more == TCP_MORE) {
        ready_make_hot(ready, sock);
    } else if (more != TCP_DRAINED) {
        stream_closed(ready, sock, 0, false);
    }
}

/* No receive buffer: it is not waited for, and tried again in each turn, as one may come home. */
static void set_paused(struct ready *ready, struct ready_sock *sock, bool paused)
{
    ready->starved = paused;
    if (sock->paused != paused) {
        ready->base.stats.recv_starved += paused;
        sock->paused = paused;
        stream_watch(ready, sock);
    }
    if (paused) {
        ready_make_hot(ready, sock);
    }
}

static unsigned read_once(struct ready *ready, struct ready_sock *sock, struct io_done *done)
{
    int status = 0;
    leat_slice body;
    enum tcp_more more = tcp_receive(ready->tcp, &sock->tcp, &body, &status);
    set_paused(ready, sock, more == TCP_STARVED);
    if (sock->state != STATE_OPEN) { /* it could not be waited for, and has been closed */
        more = TCP_STARVED;
    }
    switch (more) {
    case TCP_MORE:
        ready_make_hot(ready, sock);
        break;
    case TCP_FINISHED:
        if (sock->tcp.broken != 0 && sock->tcp.broken != -EPIPE) { /* a reset, which sending heard of */
            stream_closed(ready, sock, sock->tcp.broken, false);
            return 0;
        }
        ready_done_fill(done, IO_DONE_FINISHED, sock, 0);
        if (sock->tcp.broken != 0 || (sock->tcp.fin_sent && sock->tcp.queued == 0)) {
            stream_closed(ready, sock, sock->tcp.broken, false);
        } else {
            stream_watch(ready, sock);
        }
        return 1;
    case TCP_FAILED:
        stream_closed(ready, sock, status, false);
        return 0;
    default:
        break;
    }
    if (body.buf == NULL) {
        return 0;
    }
    ready_done_fill(done, IO_DONE_DATA, sock, 0)->body = body;
    done->peer = sock->tcp.peer;
    return 1;
}

unsigned stream_read(struct ready *ready, struct ready_sock *sock, struct io_done *done,
                     unsigned cap)
{
    sock->read_turn = ready->turn;
    if ((sock->tell & TELL_OPENED) != 0) { /* which comes first, also where it opened in this turn */
        ready_make_hot(ready, sock);
        return 0;
    }
    if (sock->state == STATE_LINGERING) {
        linger_on(ready, sock);
        return 0;
    }
    if (sock->state != STATE_OPEN || !sock->reads || sock->tcp.eof || sock->exhausted) {
        return 0;
    }
    return sock->tcp.listens ? accept_some(ready, sock, done, cap) : read_once(ready, sock, done);
}

/* ---- what the wait tells ---- */

/* Both directions are over: reset, or a Unix peer that has gone. */
static void stream_hung_up(struct ready *ready, struct ready_sock *sock)
{
    int status = sock->tcp.broken != 0 ? sock->tcp.broken : tcp_connected(&sock->tcp);
    if (status == 0 && sock->tcp.queued > 0) {
        status = -EPIPE;
    }
    stream_closed(ready, sock, status, false);
}

void stream_mark(struct ready *ready, struct ready_sock *sock, uint32_t bits)
{
    if (sock->state == STATE_CONNECTING) {
        stream_opened(ready, sock, tcp_connected(&sock->tcp));
        return;
    }
    if ((bits & (READY_WRITE | READY_ERROR)) != 0 && sock->writable) {
        ready_make_dirty(ready, sock);
    }
    bool reads = (sock->interest & READY_READ) != 0;
    if (reads && (bits & (READY_READ | READY_ERROR)) != 0) {
        ready_make_hot(ready, sock);
    } else if ((bits & READY_ERROR) != 0 && sock->state == STATE_OPEN && sock->tcp.eof &&
               !sock->writable) {
        stream_hung_up(ready, sock);
    }
}

void stream_alarms(struct ready *ready)
{
    if (ready->alarms.len == 0) {
        return;
    }
    leat_time now = ready_now((struct io *)ready);
    for (struct alarm *alarm; (alarm = alarms_due(&ready->alarms, now)) != NULL;) {
        struct ready_sock *sock =
            (struct ready_sock *)(void *)((char *)alarm - offsetof(struct ready_sock, alarm));
        if (sock->state == STATE_CONNECTING && sock->connect_until > now) {
            connecting(ready, sock, tcp_connect_again(&sock->tcp));
        } else if (sock->state == STATE_CONNECTING || sock->state == STATE_CLOSING) {
            stream_closed(ready, sock, -ETIMEDOUT, true);
        } else if (sock->state == STATE_LINGERING) {
            stream_closed(ready, sock, 0, false);
        } else if (sock->exhausted) {
            sock->exhausted = false;
            ready_make_hot(ready, sock);
            stream_watch(ready, sock);
        }
    }
}
