/* TUN and TAP on a ring. Reading is one request for as long as it lasts (multishot read): each
 * packet comes as a completion with a receive buffer of a group of their own, its virtio-net
 * header in the headroom. A short packet is copied and its buffer goes back into the group at
 * once. Where the kernel has no such request, a poll tells and read(2) reads. Writing is a
 * request a packet; what is in flight are the first of the queue, and stay until the last of
 * them is answered. What is refused is answered behind what is taken, so each answer says which
 * write it is about. Invariant: an open socket that is neither armed nor polled is in the queue
 * `dirty`, or is tried again at retry_at. Backend's thread only. */
#include <errno.h>
#include <poll.h>

#include "mem.h"
#include "uring.h"

#define OP_READ_MULTISHOT 49 /* since 6.7; liburing 2.3 has no name for it */
#define TUN_GROUP 2
#define TUN_BUFS 64u /* a power of two */
#define TUN_BUFS_FIRST 8u
#define TUN_WRITES 64u /* in flight, of all interfaces */
#define PAGE_LEN 4096u

struct uring_tuns {
    struct tun                tun;
    struct io_uring_buf_ring *kernel_bufs; /* NULL: not open */
    bool                      by_hand;     /* the kernel has no multishot read */
    bool                      works;       /* it has */
    bool                      starved;     /* somebody waits for a buffer */
    uint32_t                  bufs_target; /* grows with the load */
    uint32_t                  bufs_max;
    uint32_t                  bufs_out; /* the kernel's, and filled ones */
    uint16_t                  bufs_free; /* places */
    uint32_t                  built;     /* writes whose header the kernel may not have read yet */
    struct uring_buf          bufs[TUN_BUFS];
    struct iovec              vectors[TUN_WRITES][2];
    uint8_t                   headers[TUN_WRITES][TUN_FRONT];
};

_Static_assert(TUN_WRITES <= 1u << (64 - URING_NTH_SHIFT), "which write it was fits");
_Static_assert(TUN_BUFS * sizeof(struct io_uring_buf) <= PAGE_LEN, "the ring of buffers fits");

/* ---- the group of buffers ---- */

static int group_open(struct uring *uring)
{
    struct uring_tuns *tuns = uring->tuns;
    void *pages = mem_pages_alloc(PAGE_LEN);
    if (pages == NULL) {
        return -ENOMEM;
    }
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)pages,
        .ring_entries = TUN_BUFS,
        .bgid = TUN_GROUP,
    };
    int status = io_uring_register_buf_ring(&uring->ring.ring, &reg, 0);
    if (status < 0) {
        mem_pages_free(pages, PAGE_LEN);
        return status;
    }
    tuns->kernel_bufs = pages;
    io_uring_buf_ring_init(tuns->kernel_bufs);
    for (uint32_t i = 0; i < TUN_BUFS; i++) {
        tuns->bufs[i].next = i + 1 < TUN_BUFS ? (uint16_t)(i + 1) : URING_NONE;
    }
    return 0;
}

static void post(struct uring_tuns *tuns, uint16_t bid)
{
    io_uring_buf_ring_add(tuns->kernel_bufs, buf_train_data(tuns->bufs[bid].buf) - TUN_FRONT,
                          TUN_FRONT + TUN_READ_LEN, bid, io_uring_buf_ring_mask(TUN_BUFS), 0);
    io_uring_buf_ring_advance(tuns->kernel_bufs, 1);
}

/* Gives the kernel buffers, up to the target. False: there is none at all. */
static bool refill(struct uring_tuns *tuns)
{
    while (tuns->bufs_out < tuns->bufs_target) {
        leat_buf *buf = pool_train_take(tuns->tun.pool);
        if (buf == NULL) {
            break;
        }
        uint16_t bid = tuns->bufs_free;
        LEAT_ASSERT(bid != URING_NONE);
        tuns->bufs_free = tuns->bufs[bid].next;
        tuns->bufs[bid].buf = buf;
        tuns->bufs_out++;
        post(tuns, bid);
    }
    return tuns->bufs_out > 0;
}

/* A filled one's packet is given on: the buffer goes back to the kernel, or with the packet. */
static void settle_buf(struct uring_tuns *tuns, uint16_t bid, bool kept)
{
    if (kept) {
        post(tuns, bid);
        return;
    }
    tuns->bufs[bid].buf = NULL;
    tuns->bufs[bid].next = tuns->bufs_free;
    tuns->bufs_free = bid;
    tuns->bufs_out--;
}

void uring_tun_void(struct uring *uring)
{
    struct uring_tuns *tuns = uring->tuns;
    for (uint32_t i = 0; tuns != NULL && tuns->kernel_bufs != NULL && i < TUN_BUFS; i++) {
        tuns->kernel_bufs->bufs[i].addr = 0;
        tuns->kernel_bufs->bufs[i].len = 0;
    }
}

void uring_tun_fini(struct uring *uring)
{
    struct uring_tuns *tuns = uring->tuns;
    if (tuns == NULL) {
        return;
    }
    for (uint32_t i = 0; i < TUN_BUFS; i++) {
        leat_buf_unref(tuns->bufs[i].buf);
    }
    if (tuns->kernel_bufs != NULL) {
        mem_pages_free(tuns->kernel_bufs, PAGE_LEN);
    }
    tun_fini(&tuns->tun);
    mem_free(tuns);
    uring->tuns = NULL;
}

/* ---- receiving ---- */

/* The interface was deleted; what came before that is given first. */
static void end_if_gone(struct uring *uring, struct uring_sock *sock)
{
    if (sock->tun.is_gone && sock->state == URING_OPEN && sock->filled_first == URING_NONE) {
        sock->state = URING_CLOSING;
        sock->status = -ENODEV;
        sock->given_up = true;
        uring_make_dirty(uring, sock);
    }
}

/* There is no buffer to read into: it is tried again when there may be one. */
static void starved(struct uring *uring, struct uring_sock *sock)
{
    uring->base.stats.recv_starved += !sock->dry;
    sock->dry = true;
    uring->tuns->starved = true;
    uring_retry(uring, URING_STARVED_NS);
}

bool uring_tun_fed(struct uring *uring)
{
    struct uring_tuns *tuns = uring->tuns;
    if (tuns == NULL || !tuns->starved || uring_is_over(uring)) {
        return false;
    }
    if (!tuns->by_hand) {
        tuns->starved = !refill(tuns);
    } else if (tuns->tun.buf != NULL || (tuns->tun.buf = pool_train_take(uring->pool)) != NULL) {
        tuns->starved = false;
    }
    return !tuns->starved;
}

static void arm(struct uring *uring, struct uring_sock *sock)
{
    struct uring_tuns *tuns = uring->tuns;
    if (!tuns->by_hand && tuns->kernel_bufs == NULL && group_open(uring) < 0) {
        tuns->by_hand = true;
    }
    if (tuns->by_hand) {
        if (!sock->polled && !sock->is_hot) {
            uring_poll(uring, sock, POLLIN);
        }
        return;
    }
    if (sock->armed) {
        return;
    }
    if (!refill(tuns)) {
        sock->tun.is_gone = tun_is_deleted(&sock->tun);
        starved(uring, sock);
        end_if_gone(uring, sock);
        return;
    }
    struct io_uring_sqe *sqe = uring_ring_sqe(&uring->ring);
    io_uring_prep_rw(OP_READ_MULTISHOT, sqe, sock->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = TUN_GROUP;
    uring_own(sock, sqe, URING_RECV);
    sock->armed = true;
}

static void keep(struct uring *uring, struct uring_sock *sock, uint16_t bid, uint32_t len)
{
    struct uring_tuns *tuns = uring->tuns;
    tuns->bufs[bid].len = len;
    tuns->bufs[bid].next = URING_NONE;
    if (sock->filled_first == URING_NONE) {
        sock->filled_first = bid;
    } else {
        tuns->bufs[sock->filled_last].next = bid;
    }
    sock->filled_last = bid;
    uring_make_hot(uring, sock);
}

static void received(struct uring *uring, struct uring_sock *sock, int res, uint32_t flags)
{
    struct uring_tuns *tuns = uring->tuns;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t bid = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
        LEAT_ASSERT(bid < TUN_BUFS && tuns->bufs[bid].buf != NULL);
        if (res >= (int)TUN_FRONT && sock->state == URING_OPEN) {
            tuns->works = true;
            sock->dry = false;
            keep(uring, sock, bid, (uint32_t)res - TUN_FRONT);
        } else {
            settle_buf(tuns, bid, true);
        }
    }
    if ((flags & IORING_CQE_F_MORE) != 0) {
        return;
    }
    sock->armed = false;
    if (res == -ENOBUFS) {
        uint32_t target = tuns->bufs_target * 2;
        tuns->bufs_target = target < tuns->bufs_max ? target : tuns->bufs_max;
    } else if (res == -EINVAL && !tuns->works) {
        tuns->by_hand = true;
    } else if (res == -EBADFD || res == -ENODEV) {
        sock->tun.is_gone = true;
        end_if_gone(uring, sock);
        return;
    } else if (res < 0 && res != -EINTR && res != -EAGAIN && res != -ECANCELED) {
        uring_retry(uring, UDP_RETRY_NS); /* the kernel has no memory */
        return;
    }
    uring_make_dirty(uring, sock);
}

static unsigned give_filled(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                            unsigned cap)
{
    struct uring_tuns *tuns = uring->tuns;
    unsigned n = 0;
    while (n < cap && sock->filled_first != URING_NONE) {
        uint16_t bid = sock->filled_first;
        struct uring_buf *filled = &tuns->bufs[bid];
        bool kept;
        sock->filled_first = filled->next;
        n += tun_complete(&tuns->tun, &sock->tun, filled->buf, filled->len, &done[n], &kept);
        settle_buf(tuns, bid, kept);
    }
    if (sock->filled_first != URING_NONE) {
        uring_make_hot(uring, sock);
    } else {
        end_if_gone(uring, sock);
    }
    return n;
}

/* What a poll has told of. */
static unsigned give_by_hand(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                             unsigned cap)
{
    enum tun_more more;
    unsigned n = tun_receive(&uring->tuns->tun, &sock->tun, done, cap, &more);
    if (more == TUN_MORE) {
        uring_make_hot(uring, sock);
    } else if (more == TUN_STARVED) {
        starved(uring, sock);
    } else {
        sock->dry = false;
        uring_make_dirty(uring, sock); /* to be polled again */
    }
    end_if_gone(uring, sock);
    return n;
}

static unsigned give(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                     unsigned cap)
{
    if (sock->state != URING_OPEN) {
        return 0;
    }
    bool by_hand = uring->tuns->by_hand && sock->filled_first == URING_NONE;
    return by_hand ? give_by_hand(uring, sock, done, cap) : give_filled(uring, sock, done, cap);
}

static void drop_received(struct uring *uring, struct uring_sock *sock)
{
    while (sock->filled_first != URING_NONE) {
        uint16_t bid = sock->filled_first;
        bool goes = uring_is_over(uring); /* the kernel shall have no more buffers */
        sock->filled_first = uring->tuns->bufs[bid].next;
        leat_buf_unref(goes ? uring->tuns->bufs[bid].buf : NULL);
        settle_buf(uring->tuns, bid, !goes);
    }
}

/* ---- sending ---- */

/* One packet. In one piece where nobody else holds the buffer and so what is in front of it. */
static void prepare(struct uring_tuns *tuns, struct io_uring_sqe *sqe, int fd,
                    const union node *node)
{
    uint32_t at = tuns->built++;
    leat_slice frame = node->event.tun.body;
    uint8_t *front = leat_slice_prepend(&frame, TUN_FRONT);
    if (LEAT_LIKELY(front != NULL)) {
        tun_header(node, front);
        io_uring_prep_write(sqe, fd, front, frame.len, 0);
        return;
    }
    tun_header(node, tuns->headers[at]);
    tuns->vectors[at][0] = (struct iovec){.iov_base = tuns->headers[at], .iov_len = TUN_FRONT};
    tuns->vectors[at][1] =
        (struct iovec){.iov_base = leat_slice_data(frame), .iov_len = frame.len};
    io_uring_prep_writev(sqe, fd, tuns->vectors[at], 2, 0);
}

/* Submissions for what is queued. False: there is no room for them before the next system call. */
static bool send_queued(struct uring *uring, struct uring_sock *sock)
{
    struct uring_tuns *tuns = uring->tuns;
    struct uring_ring *ring = &uring->ring;
    if (io_uring_sq_ready(&ring->ring) == 0) {
        tuns->built = 0; /* who writes to an interface does not wait, so all was read */
    }
    sock->built = 0;
    sock->answered = sock->tun.first;
    sock->answered_nth = 0;
    for (const union node *node = sock->tun.first; node != NULL; node = node->next) {
        if (tuns->built == TUN_WRITES || uring_ring_room(ring) == 0) {
            break;
        }
        struct io_uring_sqe *sqe = uring_ring_sqe(ring);
        prepare(tuns, sqe, sock->fd, node);
        uring_own(sock, sqe, URING_WRITE);
        sqe->user_data |= (uint64_t)sock->built << URING_NTH_SHIFT;
        sock->built++;
    }
    sock->sending = sock->built;
    tuns->tun.stats->send_calls += sock->built > 0;
    return sock->built > 0;
}

/* Of those in flight the one that the answer is about. */
static union node *answered(struct uring_sock *sock, uint32_t nth)
{
    LEAT_ASSERT(nth < sock->built);
    if (nth < sock->answered_nth) {
        sock->answered = sock->tun.first;
        sock->answered_nth = 0;
    }
    for (; sock->answered_nth < nth; sock->answered_nth++) {
        sock->answered = sock->answered->next;
    }
    return sock->answered;
}

/* All that was in flight has been answered. */
static void settle(struct uring *uring, struct uring_sock *sock)
{
    enum tun_flushed result = tun_settle(&uring->tuns->tun, &sock->tun, sock->built);
    if (sock->tun.error != 0) {
        uring_tell(uring, sock, URING_TELL_ERROR);
    }
    end_if_gone(uring, sock);
    if (sock->state == URING_CLOSING) {
        sock->given_up |= result != TUN_EMPTY;
        uring_make_dirty(uring, sock);
        return;
    }
    sock->congested = result != TUN_EMPTY;
    if (sock->congested) {
        uring_retry(uring, UDP_RETRY_NS);
    } else if (sock->tun.first != NULL) {
        uring_make_dirty(uring, sock);
    }
    if (tun_has_room(&uring->tuns->tun, &sock->tun)) {
        uring_tell(uring, sock, URING_TELL_WRITABLE);
    }
}

/* ---- operations ---- */

static int make_tuns(struct uring *uring)
{
    if (uring->tuns != NULL) {
        return 0;
    }
    struct uring_tuns *tuns = mem_zalloc(sizeof(*tuns), 64);
    if (tuns == NULL) {
        return -ENOMEM;
    }
    uint32_t part = pool_trains_part(uring->pool);
    tun_init(&tuns->tun, uring->pool, &uring->base.stats, uring->udp->queue_len_max);
    tuns->bufs_max = part < TUN_BUFS ? part : TUN_BUFS;
    tuns->bufs_target = tuns->bufs_max < TUN_BUFS_FIRST ? tuns->bufs_max : TUN_BUFS_FIRST;
    tuns->by_hand = uring_test.no_multishot_read;
    uring->tuns = tuns;
    return 0;
}

int uring_tun_open(struct uring *uring, const struct io_op *op)
{
    struct uring_sock *sock =
        make_tuns(uring) == 0 ? uring_sock_take(uring, &uring_tun_class) : NULL;
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->fd = -1;
    sock->token = op->token;
    sock->filled_first = URING_NONE;
    sock->status = uring->ring.broken != 0 ? uring->ring.broken
                   : uring_is_over(uring)  ? -ESHUTDOWN
                                           : tun_open(&sock->tun, op->open_tun.config);
    if (sock->status == 0) {
        sock->state = URING_OPEN;
        uring->base.stats.sockets++;
        uring_make_dirty(uring, sock);
    } else {
        sock->state = URING_FAILED;
    }
    uring_tell(uring, sock, URING_TELL_OPENED);
    return 0;
}

static int submit(struct uring *uring, struct uring_sock *sock, const struct io_op *op)
{
    struct tun *tun = &uring->tuns->tun;
    if (op->kind == IO_OP_CLOSE) {
        sock->state = URING_CLOSING;
        drop_received(uring, sock);
        uring_make_dirty(uring, sock);
        return 0;
    }
    LEAT_ASSERT(op->kind == IO_OP_DATA);
    int status = tun_submit(tun, &sock->tun, op);
    if (LEAT_UNLIKELY(status == -EAGAIN) && !sock->congested && !uring_is_over(uring)) {
        sock->tun.want_writable = false; /* full with what the kernel was not asked to take yet */
        uring_make_dirty(uring, sock);
        uring_hand_over(uring);
        if (sock->state != URING_OPEN) {
            return -EBADF;
        }
        status = tun_submit(tun, &sock->tun, op);
    }
    if (LEAT_LIKELY(status == 0) && !sock->congested) {
        uring_make_dirty(uring, sock);
    }
    return status;
}

/* ---- closing ---- */

static void closed(struct uring *uring, struct uring_sock *sock)
{
    sock->state = URING_CLOSED;
    uring->base.stats.sockets--;
    uring_tell(uring, sock, URING_TELL_CLOSED);
}

/* One step nearer to the end: the queue was tried, then what waits is cancelled, then all has
 * come back. */
static void close_on(struct uring *uring, struct uring_sock *sock)
{
    if (sock->sending > 0) {
        return;
    }
    if (!sock->cancelled) {
        sock->cancelled = true;
        uring->base.stats.send_errors += sock->tun.queued;
        tun_drop_queue(&uring->tuns->tun, &sock->tun);
        if (sock->armed) {
            uring_cancel(uring, sock, URING_RECV);
        }
        if (sock->polled) {
            uring_cancel(uring, sock, URING_POLL);
        }
    }
    if (sock->outstanding == 0) {
        tun_close(&uring->tuns->tun, &sock->tun);
        closed(uring, sock);
    }
}

static bool flush(struct uring *uring, struct uring_sock *sock)
{
    bool is_open = sock->state == URING_OPEN;
    bool tries = is_open ? !sock->congested : !sock->given_up && !sock->cancelled;
    bool sends = tries && sock->sending == 0 && sock->tun.first != NULL;
    if (uring_is_over(uring) || (!is_open && sock->state != URING_CLOSING)) {
        return true;
    }
    if ((sends && !send_queued(uring, sock)) || uring_ring_room(&uring->ring) < 2) {
        return false;
    }
    if (is_open && !sock->tun.is_gone) {
        arm(uring, sock);
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
        uring_make_hot(uring, sock);
    } else if (kind == URING_WRITE) {
        LEAT_ASSERT(sock->sending > 0);
        answered(sock, uring->nth)->event.status = res == -EINTR ? -EAGAIN : res;
        if (--sock->sending == 0) {
            settle(uring, sock);
        }
    }
    if (sock->state == URING_CLOSING && sock->cancelled) {
        close_on(uring, sock);
    }
}

static void retry(struct uring *uring, struct uring_sock *sock)
{
    if (sock->state == URING_OPEN) {
        bool by_hand = uring->tuns->by_hand && !sock->polled;
        sock->congested = false;
        uring_make_dirty(uring, sock);
        if (by_hand) {
            uring_make_hot(uring, sock);
        }
    }
}

/* What is queued stays until `fini`: some may be in flight. */
static void fail(struct uring *uring, struct uring_sock *sock, int status)
{
    drop_received(uring, sock);
    sock->armed = false;
    sock->polled = false;
    sock->status = sock->status != 0 ? sock->status : status; /* the first one's: it may be gone */
    uring->base.stats.send_errors += sock->tun.queued;
    closed(uring, sock);
}

static void fini(struct uring *uring, struct uring_sock *sock)
{
    if (uring->tuns != NULL) {
        drop_received(uring, sock);
        tun_close(&uring->tuns->tun, &sock->tun);
    }
}

const struct uring_class uring_tun_class = {
    .submit = submit,
    .answer = answer,
    .flush = flush,
    .give = give,
    .retry = retry,
    .fail = fail,
    .fini = fini,
};
