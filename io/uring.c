/* The io_uring backend: its table of sockets, and the turn, which is one system call. Invariant: an
 * open socket receives, or is in the queue `unarmed`, or is tried again at retry_at; one with
 * something to send is in the queue `dirty`, or has messages in flight, or waits for room, or is
 * tried again at retry_at. Kinds of sockets other than UDP have their own file beside uring_udp.c.
 * Backend's thread only, but for wake. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "uring.h"

#define STARVED_NS (100 * LEAT_MS) /* who returns a buffer wakes; this is for lack of memory */

/* ---- life ---- */

static const char *advice_of(int status)
{
    switch (status) {
    case -ENOSYS:
        return "; this kernel has no io_uring";
    case -EPERM:
    case -EACCES:
        return "; a seccomp filter or kernel.io_uring_disabled forbids it: allow io_uring_setup, "
               "_enter and _register";
    case -ENOMEM:
        return "; raise the limit of locked memory (ulimit -l)";
    case -EMFILE:
        return "; raise the limit of open files (ulimit -n)";
    case -EINVAL:
    case -EOPNOTSUPP:
        return "; this kernel is too old";
    default:
        return "";
    }
}

static int uring_probe(char *why, size_t why_len)
{
    const char *what = "memory";
    struct uring_ring *ring = mem_zalloc(sizeof(*ring), 64);
    int status = ring != NULL ? uring_ring_open(ring, &what) : -ENOMEM;
    if (status == 0) {
        status = uring_ring_try(ring, &what);
        uring_ring_close(ring);
    }
    if (status < 0) {
        snprintf(why, why_len, "%s: %s%s", what, strerror(-status), advice_of(status));
    }
    mem_free(ring);
    return status;
}

static leat_time uring_now(struct io *io)
{
    struct timespec now;
    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

/* Not by a message from ring to ring: a signal handler has no ring. */
static void uring_wake(struct io *io)
{
    const struct uring *uring = (struct uring *)io;
    uint64_t one = 1;
    int before = errno; /* for signal handlers */
    ssize_t ignored = write(uring->ring.wake_fd, &one, sizeof(one));
    (void)ignored;
    errno = before;
}

static void starved_wake(void *context)
{
    uring_wake((struct io *)context);
}

static void say(const struct io_config *config, const struct uring_ring *ring)
{
    if (config->log != NULL && (ring->setup_flags & IORING_SETUP_DEFER_TASKRUN) == 0) {
        char line[128];
        snprintf(line, sizeof(line),
                 "io \"uring\": worker %u works without DEFER_TASKRUN, which this kernel refused; "
                 "interrupts cost more",
                 config->worker);
        config->log(config->log_context, LEAT_LOG_INFO, line);
    }
}

static int uring_init(const struct io_config *config, struct io **ret)
{
    const char *what;
    LEAT_ASSERT(config->pool != NULL);
    struct uring *uring = mem_zalloc(sizeof(*uring), 64);
    struct udp *udp = mem_zalloc(sizeof(*udp), 64);
    int status = uring != NULL && udp != NULL ? uring_ring_open(&uring->ring, &what) : -ENOMEM;
    if (status < 0) {
        mem_free(uring);
        mem_free(udp);
        return status;
    }
    say(config, &uring->ring);
    udp_init(udp, config->pool, &uring->base.stats, config->send_queue_len_max);
    udp->send_max = uring->ring.ring.sq.ring_entries / 2 < UDP_SEND_BATCH
                        ? uring->ring.ring.sq.ring_entries / 2
                        : UDP_SEND_BATCH;
    uring->base.ops = &io_uring;
    uring->udp = udp;
    uring->pool = config->pool;
    uring->retry_at = LEAT_NEVER;
    uring->recv_header = (struct msghdr){.msg_namelen = URING_NAME_LEN,
                                         .msg_controllen = URING_CONTROL_LEN};
    config->pool->starved_context = uring;
    config->pool->starved_wake = starved_wake;
    *ret = (struct io *)uring;
    return 0;
}

static void reap(void *context);

static void uring_leave(struct io *io)
{
    struct uring *uring = (struct uring *)io;
    if (uring->ring.enabled && uring->ring.owner != 0) {
        uring_ring_leave(&uring->ring, reap, uring);
    }
}

static void uring_fini(struct io *io)
{
    struct uring *uring = (struct uring *)io;
    uring_leave(io);
    for (uint32_t i = 0; i < uring->socks_len; i++) {
        uring_udp_drop(uring, uring->socks[i]);
        udp_close(uring->udp, &uring->socks[i]->udp);
        mem_free(uring->socks[i]);
    }
    mem_free(uring->socks);
    uring_ring_close(&uring->ring);
    exchange_seq_u32(&uring->pool->starved, 0);
    udp_fini(uring->udp);
    mem_free(uring->udp);
    mem_free(uring);
}

/* ---- sockets ---- */

static struct uring_sock *find(const struct uring *uring, uint32_t index)
{
    if (index >= uring->socks_len || uring->socks[index]->state != URING_OPEN) {
        return NULL;
    }
    return uring->socks[index];
}

static struct uring_sock *sock_add(struct uring *uring)
{
    if (uring->socks_len == uring->socks_max) {
        uint32_t max = uring->socks_max == 0 ? 16 : uring->socks_max * 2;
        struct uring_sock **socks = mem_alloc(max * sizeof(struct uring_sock *), 8);
        if (socks == NULL) {
            return NULL;
        }
        if (uring->socks_len > 0) {
            memcpy(socks, uring->socks, uring->socks_len * sizeof(struct uring_sock *));
        }
        mem_free(uring->socks);
        uring->socks = socks;
        uring->socks_max = max;
    }
    struct uring_sock *sock = mem_zalloc(sizeof(*sock), 64);
    if (sock != NULL) {
        sock->udp.index = uring->socks_len;
        uring->socks[uring->socks_len++] = sock;
    }
    return sock;
}

/* A socket's memory, index and generation set; NULL: no memory. */
static struct uring_sock *sock_take(struct uring *uring)
{
    struct uring_sock *sock = uring->free_socks;
    if (sock != NULL) {
        LEAT_ASSERT(sock->state == URING_FREE);
        LEAT_ASSERT(sock->outstanding == 0);
        uring->free_socks = sock->next_hot;
    } else {
        sock = sock_add(uring);
    }
    if (sock != NULL) {
        *sock = (struct uring_sock){.udp.index = sock->udp.index,
                                    .generation = sock->generation + 1,
                                    .filled_first = URING_NONE};
    }
    return sock;
}

/* If it is in no queue any more; else who takes it out asks again. */
static void free_sock(struct uring *uring, struct uring_sock *sock)
{
    if (!sock->is_hot && !sock->is_unarmed) {
        sock->next_hot = uring->free_socks;
        uring->free_socks = sock;
    }
}

/* Nothing more is owed: the index may be used again. */
static void release(struct uring *uring, struct uring_sock *sock)
{
    LEAT_ASSERT(sock->tell == 0);
    LEAT_ASSERT(sock->outstanding == 0);
    LEAT_ASSERT(!sock->is_dirty);
    sock->state = URING_FREE;
    free_sock(uring, sock);
}

void uring_tell(struct uring *uring, struct uring_sock *sock, enum uring_tell what)
{
    sock->tell |= what;
    URING_PUSH(&uring->told, sock, next_told, is_told);
}

void uring_own(struct uring_sock *sock, struct io_uring_sqe *sqe, enum uring_kind kind)
{
    sqe->user_data = (uint64_t)sock->generation << 35 | (uint64_t)sock->udp.index << 3 | kind;
    sock->outstanding++;
}

void uring_retry(struct uring *uring)
{
    leat_time at = uring_now((struct io *)uring) + UDP_RETRY_NS;
    uring->retry_at = at < uring->retry_at ? at : uring->retry_at;
}

/* ---- operations ---- */

static void hand_over(struct uring *uring);

/* Its thread has said `leave`: no request is made any more, only what there is is ended. */
static bool has_left(const struct uring *uring)
{
    return uring->ring.enabled && uring->ring.owner == 0;
}

static int submit_open(struct uring *uring, const struct io_op *op)
{
    struct uring_sock *sock = sock_take(uring);
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->udp.fd = -1;
    sock->udp.token = op->token;
    sock->status = has_left(uring) ? -ESHUTDOWN : udp_open(uring->udp, &sock->udp, op);
    if (sock->status == 0) {
        sock->state = URING_OPEN;
        uring->base.stats.sockets++;
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
    bool waits = sock->blocked || sock->congested || has_left(uring);
    if (LEAT_UNLIKELY(status == -EAGAIN) && !waits && sock->udp.first != NULL) {
        sock->udp.want_writable = false; /* full with what the kernel was not asked to take yet */
        URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
        hand_over(uring);
        status = udp_submit(uring->udp, &sock->udp, op);
        waits = sock->blocked || sock->congested;
    }
    if (LEAT_LIKELY(status == 0) && !waits) {
        URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
    }
    return status;
}

static int uring_submit(struct io *io, const struct io_op *op)
{
    struct uring *uring = (struct uring *)io;
    if (op->kind == IO_OP_OPEN) {
        return submit_open(uring, op);
    }
    if (op->kind != IO_OP_DATA && op->kind != IO_OP_CLOSE) {
        return -EOPNOTSUPP; /* it has no streams yet */
    }
    struct uring_sock *sock = find(uring, op->sock);
    if (LEAT_UNLIKELY(sock == NULL)) {
        return -EBADF;
    }
    if (op->kind == IO_OP_DATA) {
        return submit_data(uring, sock, op);
    }
    LEAT_ASSERT(op->kind == IO_OP_CLOSE);
    sock->state = URING_CLOSING;
    uring_udp_drop(uring, sock);
    URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
    return 0;
}

/* ---- closing ---- */

static void cancel(struct uring *uring, struct uring_sock *sock, enum uring_kind kind)
{
    struct io_uring_sqe *sqe = uring_ring_sqe(&uring->ring);
    io_uring_prep_cancel64(
        sqe, (uint64_t)sock->generation << 35 | (uint64_t)sock->udp.index << 3 | kind, 0);
    uring_own(sock, sqe, URING_CANCEL);
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
            cancel(uring, sock, URING_RECV);
        }
        if (sock->polled) {
            cancel(uring, sock, URING_WRITABLE);
        }
    }
    if (sock->outstanding == 0) {
        udp_close(uring->udp, &sock->udp);
        sock->state = URING_CLOSED;
        uring->base.stats.sockets--;
        uring_tell(uring, sock, URING_TELL_CLOSED);
    }
}

/* ---- the kernel's answers ---- */

static void answer_of_sock(struct uring *uring, uint64_t user_data, int res, uint32_t flags)
{
    uint32_t index = (uint32_t)(user_data >> 3);
    LEAT_ASSERT(index < uring->socks_len);
    struct uring_sock *sock = uring->socks[index];
    LEAT_ASSERT((uint32_t)(user_data >> 35) == (sock->generation & (UINT32_MAX >> 3)));
    LEAT_ASSERT(sock->outstanding > 0);
    sock->outstanding -= (flags & IORING_CQE_F_MORE) == 0;
    switch ((enum uring_kind)(user_data & URING_KIND_MASK)) {
    case URING_RECV:
        uring_udp_received(uring, sock, res, flags);
        break;
    case URING_WRITABLE:
        sock->polled = false;
        sock->blocked = false;
        if (sock->state == URING_OPEN) {
            URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
        }
        break;
    default:
        break;
    }
    if (sock->state == URING_CLOSING && sock->cancelled) {
        close_on(uring, sock);
    }
}

static void answer(struct uring *uring, uint64_t user_data, int res, uint32_t flags)
{
    uring->ring.outstanding -= (flags & IORING_CQE_F_MORE) == 0;
    enum uring_kind kind = (enum uring_kind)(user_data & URING_KIND_MASK);
    switch (kind) {
    case URING_SEND:
    case URING_SEND_TO:
        uring_udp_sent(uring, (struct udp_run *)(uintptr_t)(user_data & ~(uint64_t)URING_KIND_MASK),
                       kind, res);
        break;
    case URING_WAKE:
        uring->woken = true;
        uring->ring.wake_armed = (flags & IORING_CQE_F_MORE) != 0;
        break;
    case URING_CANCEL_ALL:
        break;
    default:
        answer_of_sock(uring, user_data, res, flags);
    }
}

static void reap(void *context)
{
    struct uring *uring = context;
    struct io_uring *ring = &uring->ring.ring;
    for (;;) {
        unsigned n = 0;
        unsigned head;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            struct io_uring_cqe copy = *cqe;
            answer(uring, copy.user_data, copy.res, copy.flags);
            n++;
        }
        if (n == 0) {
            break;
        }
        io_uring_cq_advance(ring, n);
    }
    if (io_uring_sq_ready(ring) == 0) {
        udp_batch_clear(uring->udp); /* the kernel has copied what was built */
    }
}

/* ---- the turn ---- */

/* What is to be sent, as submissions. */
static void flush(struct uring *uring)
{
    while (uring->dirty.first != NULL) {
        struct uring_sock *sock = uring->dirty.first;
        bool tries = sock->state == URING_OPEN ? !sock->blocked && !sock->congested
                                               : !sock->given_up && !sock->cancelled;
        if (!has_left(uring) && tries && sock->sending == 0 && sock->udp.first != NULL &&
            !uring_udp_flush(uring, sock)) {
            uring_ring_enter(&uring->ring, 0);
            reap(uring);
            continue;
        }
        URING_POP(&uring->dirty, sock, next_dirty, is_dirty);
        if (sock->state == URING_CLOSING) {
            close_on(uring, sock);
        }
    }
}

/* Sends what can be sent now, and looks what became of it. */
static void hand_over(struct uring *uring)
{
    flush(uring);
    uring_ring_enter(&uring->ring, 0);
    reap(uring);
}

/* After a while there may be room in the device's queue, or memory: nothing tells. */
static void retry(struct uring *uring)
{
    if (uring->retry_at == LEAT_NEVER || uring_now((struct io *)uring) < uring->retry_at) {
        return;
    }
    uring->retry_at = LEAT_NEVER;
    for (uint32_t i = 0; i < uring->socks_len; i++) {
        struct uring_sock *sock = uring->socks[i];
        if (sock->state != URING_OPEN) {
            continue;
        }
        if (sock->congested) {
            sock->congested = false;
            URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
        }
        if (!sock->armed && !sock->is_unarmed) {
            sock->failures = 0;
            URING_PUSH(&uring->unarmed, sock, next_unarmed, is_unarmed);
        }
    }
}

/* Counts the sockets that stop for want of a buffer, each once. */
static void count_starved(struct uring *uring)
{
    for (struct uring_sock *sock = uring->unarmed.first; sock != NULL; sock = sock->next_unarmed) {
        uring->base.stats.recv_starved += !sock->dry && sock->state == URING_OPEN;
        sock->dry = true;
    }
}

/* Who has been given all that came to it receives again, if there is a buffer to wait with: no more
 * sockets at once than buffers, the one that waits longest first. */
static void arm(struct uring *uring)
{
    if (uring->base.stats.sockets == 0 && uring->unarmed.first == NULL) {
        return;
    }
    uring->starved = !uring_ring_refill(&uring->ring, uring->pool);
    if (LEAT_UNLIKELY(uring->starved)) {
        count_starved(uring);
        return;
    }
    uint32_t spare = uring->ring.bufs_posted;
    struct uring_queue later = {0};
    while (spare > 0 && uring->unarmed.first != NULL) {
        struct uring_sock *sock;
        URING_POP(&uring->unarmed, sock, next_unarmed, is_unarmed);
        if (sock->state == URING_OPEN && sock->filled_first != URING_NONE) {
            URING_PUSH(&later, sock, next_unarmed, is_unarmed);
        } else if (sock->state == URING_OPEN) {
            uring_udp_arm(uring, sock);
            spare--;
        } else if (sock->state == URING_FREE) {
            free_sock(uring, sock);
        }
    }
    if (later.first != NULL) { /* in front: they wait longer than the rest */
        later.last->next_unarmed = uring->unarmed.first;
        uring->unarmed.last = uring->unarmed.last != NULL ? uring->unarmed.last : later.last;
        uring->unarmed.first = later.first;
    }
}

static struct io_done *done_fill(struct io_done *done, enum io_done_kind kind,
                                 const struct uring_sock *sock, int status)
{
    *done = (struct io_done){
        .kind = kind, .sock = sock->udp.index, .token = sock->udp.token, .status = status};
    return done;
}

/* Up to `cap` completions of one socket, in the order in which they happened. */
static unsigned tell_sock(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                          unsigned cap)
{
    unsigned n = 0;
    if ((sock->tell & URING_TELL_OPENED) != 0) {
        sock->tell &= ~(uint32_t)URING_TELL_OPENED;
        done_fill(&done[n++], IO_DONE_OPENED, sock, sock->status)->peer = sock->udp.bound;
        if (sock->state == URING_FAILED) {
            release(uring, sock);
            return n;
        }
    }
    if ((sock->tell & URING_TELL_WRITABLE) != 0 && n < cap) {
        sock->tell &= ~(uint32_t)URING_TELL_WRITABLE;
        done_fill(&done[n++], IO_DONE_WRITABLE, sock, 0);
    }
    if ((sock->tell & URING_TELL_CLOSED) != 0 && n < cap) {
        sock->tell = 0;
        done_fill(&done[n++], IO_DONE_CLOSED, sock, 0);
        release(uring, sock);
    }
    return n;
}

/* Errors first: a socket's CLOSED comes after its errors, and they are about what was sent. */
static unsigned take_told(struct uring *uring, struct io_done *done, unsigned cap)
{
    struct udp *udp = uring->udp;
    unsigned n = 0;
    for (; n < cap && udp->errors_len > 0; n++) {
        const struct udp_error *error = &udp->errors[udp->errors_first];
        done_fill(&done[n], IO_DONE_ERROR, (struct uring_sock *)error->sock, error->status)->peer =
            error->peer;
        udp->errors_first = (udp->errors_first + 1) % UDP_ERRORS;
        udp->errors_len--;
    }
    while (n < cap && uring->told.first != NULL) {
        struct uring_sock *sock;
        URING_POP(&uring->told, sock, next_told, is_told);
        n += tell_sock(uring, sock, &done[n], cap - n);
        if (sock->tell != 0) {
            uring_tell(uring, sock, 0);
        }
    }
    return n;
}

/* Of each socket that has received something, the one that waits longest first. */
static unsigned give(struct uring *uring, struct io_done *done, unsigned cap)
{
    unsigned n = 0;
    while (n < cap && uring->hot.first != NULL) {
        struct uring_sock *sock;
        URING_POP(&uring->hot, sock, next_hot, is_hot);
        n += uring_udp_give(uring, sock, &done[n], cap - n);
        if (sock->filled_first != URING_NONE) {
            URING_PUSH(&uring->hot, sock, next_hot, is_hot);
        } else if (sock->state == URING_FREE) {
            free_sock(uring, sock);
        }
    }
    uring->base.stats.recv_calls += n > 0;
    return n;
}

/* How long a wait may last, given that the caller wants to be back at `deadline`. */
static leat_time wait_ns(struct uring *uring, leat_time deadline)
{
    bool unarmed = uring->unarmed.first != NULL && !uring->starved;
    bool owed = uring->told.first != NULL || uring->udp->errors_len > 0;
    if (deadline == 0 || uring->woken || unarmed || owed || uring->hot.first != NULL ||
        uring->dirty.first != NULL) {
        return 0;
    }
    deadline = uring->retry_at < deadline ? uring->retry_at : deadline;
    if (deadline == LEAT_NEVER) {
        return uring->starved ? STARVED_NS : LEAT_NEVER;
    }
    leat_time now = uring_now((struct io *)uring);
    leat_time ns = deadline > now ? deadline - now : 0;
    return uring->starved && ns > STARVED_NS ? STARVED_NS : ns;
}

/* The first turn that has something to do: its thread is the ring's from now on. */
static void begin(struct uring *uring)
{
    int status = uring_ring_enable(&uring->ring);
    LEAT_ASSERT(status == 0);
}

static unsigned uring_turn(struct io *io, leat_time deadline, struct io_done *done, unsigned cap)
{
    struct uring *uring = (struct uring *)io;
    LEAT_ASSERT(cap > 0);
    if (LEAT_UNLIKELY(!uring->ring.enabled)) {
        if (deadline == 0 && uring->base.stats.sockets == 0) {
            return take_told(uring, done, cap);
        }
        begin(uring);
    }
    for (;;) {
        retry(uring);
        flush(uring);
        if (LEAT_LIKELY(!has_left(uring))) {
            arm(uring);
            uring_ring_enter(&uring->ring, wait_ns(uring, deadline));
            reap(uring);
        }
        unsigned n = take_told(uring, done, cap);
        n += give(uring, done + n, cap - n);
        if (n > 0 || uring->woken || deadline == 0) {
            uring->woken = false; /* also one that came before this turn */
            return n;
        }
        if (deadline != LEAT_NEVER && uring_now(io) >= deadline) {
            return 0;
        }
    }
}

const struct io_ops io_uring = {
    .name = "uring",
    .probe = uring_probe,
    .init = uring_init,
    .submit = uring_submit,
    .turn = uring_turn,
    .wake = uring_wake,
    .now = uring_now,
    .leave = uring_leave,
    .fini = uring_fini,
};
