/* UDP on a ring: what is particular to it of opening, sending, receiving and closing. Receiving is
 * one request for as long as it lasts: each datagram or train comes as a completion with a buffer
 * of the pool's. It ends when the kernel has no buffer, with an error, with an empty datagram (so
 * the kernel does), and is then asked for again. Sending is the queue of udp_send.c, a request a
 * message: as a chain where some go to one peer, so that none overtakes one that was refused.
 * Invariant: runs in flight are the first of the queue, and stay until the last of their
 * completions. Backend's thread only. */
#include <errno.h>
#include <poll.h>

#include "uring.h"

#define FAILURES_MAX 8u /* of receiving, in a row, before it is given time */

/* ---- receiving ---- */

void uring_udp_arm(struct uring *uring, struct uring_sock *sock)
{
    LEAT_ASSERT(!sock->armed);
    uring_own(sock, uring_ring_receive(&uring->ring, sock->udp.fd, &uring->recv_header),
              URING_RECV);
    sock->armed = true;
}

static void keep(struct uring *uring, struct uring_sock *sock, uint16_t bid, uint32_t len)
{
    struct uring_ring *ring = &uring->ring;
    ring->bufs[bid].len = len;
    ring->bufs[bid].next = URING_NONE;
    if (sock->filled_first == URING_NONE) {
        sock->filled_first = bid;
    } else {
        ring->bufs[sock->filled_last].next = bid;
    }
    sock->filled_last = bid;
    URING_PUSH(&uring->hot, sock, next_hot, is_hot);
}

/* It has ended, and is to begin again unless the socket is closing. */
static void ended(struct uring *uring, struct uring_sock *sock, int res)
{
    struct uring_ring *ring = &uring->ring;
    sock->armed = false;
    if (sock->state != URING_OPEN) {
        return;
    }
    if (res == -ENOBUFS) {
        if (ring->bufs_posted == 0 && ring->bufs_target < ring->bufs_max) {
            uint32_t target = ring->bufs_target * 2;
            ring->bufs_target = target < ring->bufs_max ? target : ring->bufs_max;
        }
    } else if (res < 0) {
        udp_take_errors(uring->udp, &sock->udp); /* usually an ICMP error, which it says more about */
        if (++sock->failures >= FAILURES_MAX) {
            uring_retry(uring, UDP_RETRY_NS);
            return;
        }
    }
    URING_PUSH(&uring->unarmed, sock, next_unarmed, is_unarmed);
}

static void received(struct uring *uring, struct uring_sock *sock, int res, uint32_t flags)
{
    struct uring_ring *ring = &uring->ring;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t bid = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
        LEAT_ASSERT(ring->bufs_posted > 0);
        ring->bufs_posted--;
        ring->bufs_filled++;
        if (res >= (int)URING_FRONT && sock->state == URING_OPEN) {
            sock->failures = 0;
            sock->dry = false;
            keep(uring, sock, bid, (uint32_t)res);
        } else {
            leat_buf_unref(uring_ring_take(ring, bid));
        }
    }
    if ((flags & IORING_CQE_F_MORE) == 0) {
        ended(uring, sock, res);
    }
}

/* The first of what was received into a completion; false: it was cut. */
static bool give_one(struct uring *uring, struct uring_sock *sock, struct io_done *done)
{
    struct uring_ring *ring = &uring->ring;
    uint16_t bid = sock->filled_first;
    uint32_t len = ring->bufs[bid].len - (uint32_t)URING_FRONT;
    sock->filled_first = ring->bufs[bid].next;
    leat_buf *buf = uring_ring_take(ring, bid);
    uint8_t *front = buf_train_data(buf) - URING_FRONT;
    const struct io_uring_recvmsg_out *out = (const struct io_uring_recvmsg_out *)(void *)front;
    struct msghdr header = {
        .msg_name = front + sizeof(*out),
        .msg_control = front + sizeof(*out) + URING_NAME_LEN,
        .msg_controllen = out->controllen < URING_CONTROL_LEN ? out->controllen : URING_CONTROL_LEN,
        .msg_flags = (int)out->flags,
    };
    return udp_complete(uring->udp, &sock->udp, &header, buf, len, done);
}

static unsigned udp_give(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                         unsigned cap)
{
    unsigned n = 0;
    while (n < cap && sock->filled_first != URING_NONE) {
        uint16_t next = uring->ring.bufs[sock->filled_first].next;
        if (next != URING_NONE) {
            __builtin_prefetch(buf_train_data(uring->ring.bufs[next].buf) - URING_FRONT);
        }
        n += give_one(uring, sock, &done[n]);
    }
    if (sock->filled_first != URING_NONE) {
        URING_PUSH(&uring->hot, sock, next_hot, is_hot);
    }
    return n;
}

static void drop_received(struct uring *uring, struct uring_sock *sock)
{
    while (sock->filled_first != URING_NONE) {
        uint16_t bid = sock->filled_first;
        sock->filled_first = uring->ring.bufs[bid].next;
        leat_buf_unref(uring_ring_take(&uring->ring, bid));
    }
}

/* ---- sending ---- */

/* One message. What is a single piece and needs no control message goes with its address alone. */
static enum uring_kind prepare(const struct uring_ring *ring, struct io_uring_sqe *sqe, int fd,
                               const struct msghdr *header)
{
    if (!ring->send_to || header->msg_iovlen != 1 || header->msg_control != NULL) {
        io_uring_prep_sendmsg(sqe, fd, header, MSG_DONTWAIT);
        return URING_SEND;
    }
    io_uring_prep_send(sqe, fd, header->msg_iov->iov_base, header->msg_iov->iov_len,
                       MSG_DONTWAIT);
    io_uring_prep_send_set_addr(sqe, header->msg_name, (uint16_t)header->msg_namelen);
    return URING_SEND_TO;
}

/* Submissions for what the queue holds; none of it is in flight. False: there is no room for them
 * before the next system call. */
static bool send_queued(struct uring *uring, struct uring_sock *sock)
{
    struct uring_ring *ring = &uring->ring;
    struct udp *udp = uring->udp;
    LEAT_ASSERT(sock->sending == 0);
    LEAT_ASSERT(sock->udp.first != NULL);
    uint32_t first = udp->send_len;
    if (uring_ring_room(ring) < udp->send_max - first) {
        return false;
    }
    uint32_t n = udp_build(udp, &sock->udp, &sock->chained);
    for (uint32_t i = 0; i < n; i++) {
        struct io_uring_sqe *sqe = uring_ring_sqe(ring);
        enum uring_kind kind =
            prepare(ring, sqe, sock->udp.fd, &udp->send_headers[first + i].msg_hdr);
        sqe->flags |= sock->chained && i + 1 < n ? IOSQE_IO_LINK : 0;
        sqe->user_data = (uint64_t)(uintptr_t)udp->send_runs[first + i] | kind;
    }
    sock->built = n;
    sock->sending = n;
    sock->outstanding += n;
    sock->taken = 0;
    sock->error = 0;
    ring->sending += n;
    udp->stats->send_calls += n > 0;
    return n > 0;
}

/* All that was in flight has come back. */
static void settle(struct uring *uring, struct uring_sock *sock)
{
    struct udp *udp = uring->udp;
    enum udp_flushed result = UDP_EMPTY;
    int error = sock->error;
    if (sock->chained) {
        udp_sent(udp, &sock->udp, sock->taken);
    } else {
        error = udp_sent_each(udp, &sock->udp, sock->built);
    }
    if (LEAT_UNLIKELY(error != 0 && error != ECANCELED)) {
        udp_refused(udp, &sock->udp, error, &result);
    }
    if (sock->state == URING_CLOSING) {
        sock->given_up = result != UDP_EMPTY;
        URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
        return;
    }
    sock->blocked = result == UDP_BLOCKED;
    sock->congested = result == UDP_CONGESTED;
    if (sock->blocked) {
        uring_poll(uring, sock, POLLOUT);
    } else if (sock->congested) {
        uring_retry(uring, UDP_RETRY_NS);
    } else if (sock->udp.first != NULL) {
        URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
    }
    if (sock->udp.want_writable && sock->udp.queued <= udp->queue_len_max / 2) {
        sock->udp.want_writable = false;
        uring_tell(uring, sock, URING_TELL_WRITABLE);
    }
}

void uring_udp_sent(struct uring *uring, struct udp_run *run, enum uring_kind kind, int res)
{
    struct uring_ring *ring = &uring->ring;
    if (kind == URING_SEND_TO && !ring->send_to_works) {
        ring->send_to_works = res >= 0;
        ring->send_to = ring->send_to && res != -EINVAL;
        res = res == -EINVAL ? -ECANCELED : res; /* it is not about the message: once more */
    }
    LEAT_ASSERT(run->sock < uring->socks_len);
    struct uring_sock *sock = uring->socks[run->sock];
    LEAT_ASSERT(sock->sending > 0);
    run->result = res;
    if (res >= 0) {
        sock->taken++;
    } else if (res != -ECANCELED && sock->error == 0) { /* cancelled: one before it was refused */
        sock->error = -res;
    }
    ring->sending--;
    sock->outstanding--;
    if (--sock->sending == 0) {
        settle(uring, sock);
    }
}

/* ---- operations ---- */

int uring_udp_open(struct uring *uring, const struct io_op *op)
{
    struct uring_sock *sock = uring_sock_take(uring, &uring_udp_class);
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->fd = -1;
    sock->token = op->token;
    sock->filled_first = URING_NONE;
    sock->status = uring->ring.broken != 0 ? uring->ring.broken
                   : uring_is_over(uring)  ? -ESHUTDOWN
                                           : udp_open(uring->udp, &sock->udp, op);
    if (sock->status == 0) {
        sock->state = URING_OPEN;
        uring->base.stats.sockets++;
        uring->receivers_len++;
        URING_PUSH(&uring->unarmed, sock, next_unarmed, is_unarmed);
    } else {
        sock->state = URING_FAILED;
    }
    uring_tell(uring, sock, URING_TELL_OPENED);
    return 0;
}

static int submit_data(struct uring *uring, struct uring_sock *sock, const struct io_op *op)
{
    int status = udp_submit(uring->udp, &sock->udp, op);
    bool waits = sock->blocked || sock->congested || uring_is_over(uring);
    if (LEAT_UNLIKELY(status == -EAGAIN) && !waits && sock->udp.first != NULL) {
        sock->udp.want_writable = false; /* full with what the kernel was not asked to take yet */
        URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
        uring_hand_over(uring);
        if (sock->state != URING_OPEN) {
            return -EBADF;
        }
        status = udp_submit(uring->udp, &sock->udp, op);
        waits = sock->blocked || sock->congested;
    }
    if (LEAT_LIKELY(status == 0) && !waits) {
        URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
    }
    return status;
}

static int submit(struct uring *uring, struct uring_sock *sock, const struct io_op *op)
{
    if (LEAT_LIKELY(op->kind == IO_OP_DATA)) {
        return submit_data(uring, sock, op);
    }
    LEAT_ASSERT(op->kind == IO_OP_CLOSE);
    sock->state = URING_CLOSING;
    drop_received(uring, sock);
    URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
    return 0;
}

/* ---- closing ---- */

static void closed(struct uring *uring, struct uring_sock *sock)
{
    sock->state = URING_CLOSED;
    uring->base.stats.sockets--;
    uring->receivers_len--;
    uring_tell(uring, sock, URING_TELL_CLOSED);
}

/* One step nearer to the end: the queue was tried, then what waits is cancelled, then all has come
 * back. Until then the kernel holds the file, and its port. */
static void close_on(struct uring *uring, struct uring_sock *sock)
{
    if (sock->sending > 0) {
        return;
    }
    if (!sock->cancelled) {
        sock->cancelled = true;
        uring->base.stats.send_errors += sock->udp.queued;
        udp_drop_queue(uring->udp, &sock->udp);
        if (sock->armed) {
            uring_cancel(uring, sock, URING_RECV);
        }
        if (sock->polled) {
            uring_cancel(uring, sock, URING_POLL);
        }
    }
    if (sock->outstanding == 0) {
        udp_close(uring->udp, &sock->udp);
        closed(uring, sock);
    }
}

static bool flush(struct uring *uring, struct uring_sock *sock)
{
    bool tries = sock->state == URING_OPEN ? !sock->blocked && !sock->congested
                                           : !sock->given_up && !sock->cancelled;
    bool sends = tries && sock->sending == 0 && sock->udp.first != NULL;
    if (sends && !uring_is_over(uring) && !send_queued(uring, sock)) {
        return false;
    }
    if (sock->state == URING_CLOSING) {
        close_on(uring, sock);
    }
    return true;
}

static void answer(struct uring *uring, struct uring_sock *sock, enum uring_kind kind, int res,
                   uint32_t flags)
{
    if (kind == URING_RECV) {
        received(uring, sock, res, flags);
    } else if (kind == URING_POLL) {
        sock->polled = false;
        sock->blocked = false;
        if (sock->state == URING_OPEN) {
            URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
        }
    }
    if (sock->state == URING_CLOSING && sock->cancelled) {
        close_on(uring, sock);
    }
}

static void retry(struct uring *uring, struct uring_sock *sock)
{
    if (sock->congested) {
        sock->congested = false;
        URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
    }
    if (!sock->armed && !sock->is_unarmed) {
        sock->failures = 0;
        URING_PUSH(&uring->unarmed, sock, next_unarmed, is_unarmed);
    }
}

/* Its runs stay until `fini`: some may be in flight. */
static void fail(struct uring *uring, struct uring_sock *sock, int status)
{
    drop_received(uring, sock);
    sock->armed = false;
    sock->polled = false;
    sock->status = status; /* also if it is closing: its queue is lost */
    uring->base.stats.send_errors += sock->udp.queued;
    closed(uring, sock);
}

static void fini(struct uring *uring, struct uring_sock *sock)
{
    udp_close(uring->udp, &sock->udp);
}

const struct uring_class uring_udp_class = {
    .submit = submit,
    .answer = answer,
    .flush = flush,
    .give = udp_give,
    .retry = retry,
    .fail = fail,
    .fini = fini,
};
