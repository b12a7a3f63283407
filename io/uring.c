/* The io_uring backend: its table of sockets, and the turn, which is one system call. What a kind
 * of sockets does is in its own file, a uring_class. Invariant: an open socket receives, or is in
 * the queue `unarmed` or `unsettled`, or is tried again at retry_at; one with something to send is
 * in the queue `dirty`, or has messages in flight, or waits for room, or is tried again at
 * retry_at. Once the ring is broken no socket is open, and the eventfd alone is waited for.
 * Backend's thread only, but for wake. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "uring.h"

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

leat_time uring_now(struct io *io)
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

__attribute__((format(printf, 3, 4))) static void say(const struct uring *uring,
                                                      enum leat_log_level level,
                                                      const char *format, ...)
{
    if (uring->log != NULL) {
        char line[256];
        va_list args;
        va_start(args, format);
        vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        uring->log(uring->log_context, level, line);
    }
}

/* Nothing of it is in use; the ring is not open, or closed. */
static void uring_free(struct uring *uring)
{
    if (uring != NULL) {
        mem_free(uring->udp);
        mem_free(uring->tcp);
        mem_free(uring);
    }
}

static int uring_init(const struct io_config *config, struct io **ret)
{
    const char *what = "memory";
    LEAT_ASSERT(config->pool != NULL);
    struct pool *pool = config->pool;
    struct uring *uring = mem_zalloc(sizeof(*uring), 64);
    if (uring == NULL) {
        return -ENOMEM;
    }
    uring->log = config->log;
    uring->log_context = config->log_context;
    uring->worker = config->worker;
    uring->udp = mem_zalloc(sizeof(*uring->udp), 64);
    uring->tcp = mem_zalloc(sizeof(*uring->tcp), 64);
    int status = uring->udp != NULL && uring->tcp != NULL ? uring_ring_open(&uring->ring, &what)
                                                          : -ENOMEM;
    if (status < 0) {
        say(uring, LEAT_LOG_WARNING, "io \"uring\": worker %u: %s: %s%s", uring->worker, what,
            strerror(-status), advice_of(status));
        uring_free(uring);
        return status;
    }
    if ((uring->ring.setup_flags & IORING_SETUP_DEFER_TASKRUN) == 0) {
        say(uring, LEAT_LOG_INFO,
            "io \"uring\": worker %u works without DEFER_TASKRUN, which this kernel refused; "
            "interrupts cost more",
            uring->worker);
    }
    udp_init(uring->udp, pool, &uring->base.stats, config->send_queue_len_max);
    uring->ring.bufs_max = uring->udp->batch_max;
    if (uring->ring.bufs_target > uring->ring.bufs_max) {
        uring->ring.bufs_target = uring->ring.bufs_max;
    }
    uint32_t half = uring->ring.ring.sq.ring_entries / 2;
    uring->udp->send_max = half < UDP_SEND_BATCH ? half : UDP_SEND_BATCH;
    tcp_init(uring->tcp, pool, &uring->base.stats, config->stream_queue_max);
    uring->tcp->log = config->log;
    uring->tcp->log_context = config->log_context;
    uring->accepts_by_hand = uring_test.no_multishot_accept;
    uring->base.ops = &io_uring;
    uring->pool = pool;
    uring->retry_at = LEAT_NEVER;
    uring->recv_header = (struct msghdr){.msg_namelen = URING_NAME_LEN,
                                         .msg_controllen = URING_CONTROL_LEN};
    pool->starved_context = uring;
    pool->starved_wake = starved_wake;
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

/* The ring first: then the kernel has no use any more for what its requests refer to. */
static void uring_fini(struct io *io)
{
    struct uring *uring = (struct uring *)io;
    uring_leave(io);
    uring_ring_close(&uring->ring);
    for (uint32_t i = 0; i < uring->socks_len; i++) {
        uring->socks[i]->class->fini(uring, uring->socks[i]);
    }
    for (uint32_t i = 0; i < uring->socks_len; i++) {
        mem_free(uring->socks[i]);
    }
    mem_free(uring->socks);
    uring_tun_fini(uring);
    if (uring->pieces != NULL) {
        uring_pieces_close(uring->pieces);
        mem_free(uring->pieces);
    }
    exchange_seq_u32(&uring->pool->starved, 0);
    udp_fini(uring->udp);
    tcp_fini(uring->tcp);
    alarms_fini(&uring->alarms);
    uring_free(uring);
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
        sock->index = uring->socks_len;
        uring->socks[uring->socks_len++] = sock;
    }
    return sock;
}

struct uring_sock *uring_sock_take(struct uring *uring, const struct uring_class *class)
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
        *sock = (struct uring_sock){
            .index = sock->index, .generation = sock->generation + 1, .class = class};
    }
    return sock;
}

/* If it is in no queue any more; else who takes it out asks again. */
static void free_sock(struct uring *uring, struct uring_sock *sock)
{
    LEAT_ASSERT(sock->state == URING_FREE);
    if (!sock->is_hot && !sock->is_unarmed && !sock->is_dirty && !sock->is_told) {
        sock->next_hot = uring->free_socks;
        uring->free_socks = sock;
    }
}

void uring_release(struct uring *uring, struct uring_sock *sock)
{
    LEAT_ASSERT(sock->tell == 0);
    LEAT_ASSERT(sock->outstanding == 0);
    if (sock->fd >= 0) {
        LEAT_ASSERT(uring->ring.broken != 0);
        sock->state = URING_DEAD;
        return;
    }
    sock->state = URING_FREE;
    free_sock(uring, sock);
}

void uring_tell(struct uring *uring, struct uring_sock *sock, enum uring_tell what)
{
    sock->tell |= what;
    URING_PUSH(&uring->told, sock, next_told, is_told);
}

static uint64_t user_data_of(const struct uring_sock *sock, enum uring_kind kind)
{
    uint64_t generation = sock->generation & URING_GENERATION_MASK;
    return generation << 35 | (uint64_t)sock->index << 3 | kind;
}

void uring_own(struct uring_sock *sock, struct io_uring_sqe *sqe, enum uring_kind kind)
{
    sqe->user_data = user_data_of(sock, kind);
    sock->outstanding++;
}

void uring_poll(struct uring *uring, struct uring_sock *sock, uint32_t events)
{
    LEAT_ASSERT(!sock->polled);
    struct io_uring_sqe *sqe = uring_ring_sqe(&uring->ring);
    if (events == URING_POLL_EDGES) {
        io_uring_prep_poll_multishot(sqe, sock->fd, 0);
    } else {
        io_uring_prep_poll_add(sqe, sock->fd, events);
    }
    uring_own(sock, sqe, URING_POLL);
    sock->polled = true;
}

void uring_cancel(struct uring *uring, struct uring_sock *sock, enum uring_kind kind)
{
    struct io_uring_sqe *sqe = uring_ring_sqe(&uring->ring);
    io_uring_prep_cancel64(sqe, user_data_of(sock, kind), 0);
    uring_own(sock, sqe, URING_CANCEL);
}

void uring_retry(struct uring *uring, leat_time ns)
{
    leat_time at = uring_now((struct io *)uring) + ns;
    uring->retry_at = at < uring->retry_at ? at : uring->retry_at;
}

/* ---- operations ---- */

static int uring_submit(struct io *io, const struct io_op *op)
{
    struct uring *uring = (struct uring *)io;
    switch (op->kind) {
    case IO_OP_OPEN:
        return uring_udp_open(uring, op);
    case IO_OP_LISTEN:
    case IO_OP_CONNECT:
    case IO_OP_CANCEL:
        return uring_stream_open(uring, op);
    case IO_OP_OPEN_TUN:
        return uring_tun_open(uring, op);
    default: {
        struct uring_sock *sock = find(uring, op->sock);
        return LEAT_LIKELY(sock != NULL) ? sock->class->submit(uring, sock, op) : -EBADF;
    }
    }
}

/* ---- a ring that is no use any more ---- */

/* The kernel lets us no more: every socket has its last word. Descriptors, and what requests refer
 * to, stay until the ring is closed. */
static void fail_all(struct uring *uring)
{
    struct uring_ring *ring = &uring->ring;
    int status = ring->broken;
    say(uring, LEAT_LOG_ERROR,
        "io \"uring\": worker %u: the kernel refuses to go on: %s%s; its %llu sockets have ended, and "
        "it can open none",
        uring->worker, strerror(-status), advice_of(status),
        (unsigned long long)uring->base.stats.sockets);
    ring->outstanding = 0;
    ring->sending = 0;
    for (uint32_t i = 0; i < URING_BUFS; i++) { /* nor shall it write to them later */
        ring->kernel_bufs->bufs[i].addr = 0;
        ring->kernel_bufs->bufs[i].len = 0;
    }
    if (uring->pieces != NULL) {
        uring_pieces_void(uring->pieces);
    }
    uring_tun_void(uring);
    for (uint32_t i = 0; i < uring->socks_len; i++) {
        struct uring_sock *sock = uring->socks[i];
        bool is_over = sock->state == URING_FREE || sock->state == URING_FAILED ||
                       sock->state == URING_CLOSED || sock->state == URING_UNHEARD;
        sock->outstanding = 0;
        sock->sending = 0;
        if (!is_over) {
            sock->class->fail(uring, sock, status);
        }
    }
}

/* A ring breaks where it is entered, which may be anywhere that needs a submission. */
static void look_whole(struct uring *uring)
{
    if (LEAT_UNLIKELY(uring->ring.broken != 0 && !uring->has_failed)) {
        uring->has_failed = true;
        fail_all(uring);
    }
}

static void enter(struct uring *uring, leat_time ns)
{
    uring_ring_enter(&uring->ring, ns);
    look_whole(uring);
}

/* ---- the kernel's answers ---- */

static void answer_of_sock(struct uring *uring, uint64_t user_data, int res, uint32_t flags)
{
    uint32_t index = (uint32_t)(user_data >> 3);
    LEAT_ASSERT(index < uring->socks_len);
    struct uring_sock *sock = uring->socks[index];
    LEAT_ASSERT((((uint32_t)(user_data >> 35) ^ sock->generation) & URING_GENERATION_MASK) == 0);
    uring->nth = (uint32_t)(user_data >> URING_NTH_SHIFT);
    LEAT_ASSERT(sock->outstanding > 0);
    sock->outstanding -= (flags & IORING_CQE_F_MORE) == 0;
    sock->class->answer(uring, sock, (enum uring_kind)(user_data & URING_KIND_MASK), res, flags);
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
    while (LEAT_LIKELY(uring->ring.broken == 0)) {
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
    if (io_uring_sq_ready(ring) == 0) { /* the kernel has copied what was built */
        udp_batch_clear(uring->udp);
        uring->headers_len = 0;
        uring->vectors_len = 0;
    }
}

void uring_reap(struct uring *uring)
{
    reap(uring);
}

/* ---- the turn ---- */

/* What is to be sent, as submissions. */
static void flush(struct uring *uring)
{
    while (uring->dirty.first != NULL) {
        struct uring_sock *sock = uring->dirty.first;
        if (sock->state != URING_FREE && !sock->class->flush(uring, sock)) {
            enter(uring, 0);
            reap(uring);
            continue;
        }
        URING_POP(&uring->dirty, sock, next_dirty, is_dirty);
        if (sock->state == URING_FREE) {
            free_sock(uring, sock);
        }
    }
}

void uring_hand_over(struct uring *uring)
{
    flush(uring);
    enter(uring, 0);
    reap(uring);
}

/* After a while there may be room in the device's queue, or memory: nothing tells. */
static void retry(struct uring *uring)
{
    bool is_due = uring->retry_at != LEAT_NEVER && uring_now((struct io *)uring) >= uring->retry_at;
    if (!uring_tun_fed(uring) && !is_due) {
        return;
    }
    uring->retry_at = LEAT_NEVER;
    for (uint32_t i = 0; i < uring->socks_len; i++) {
        struct uring_sock *sock = uring->socks[i];
        if (sock->state == URING_OPEN || sock->state == URING_CLOSING) {
            sock->class->retry(uring, sock);
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

struct io_done *uring_done_fill(struct io_done *done, enum io_done_kind kind,
                                const struct uring_sock *sock, int status)
{
    *done = (struct io_done){
        .kind = kind, .sock = sock->index, .token = sock->token, .status = status};
    return done;
}

static void tell_opened(struct io_done *done, const struct uring_sock *sock)
{
    if (sock->class == &uring_tun_class) {
        done->info = sock->tun.info;
    } else {
        done->peer = sock->class == &uring_stream_class ? sock->tcp.bound : sock->udp.bound;
    }
}

/* Up to `cap` completions of one socket, in the order in which they happened. */
static unsigned tell_sock(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                          unsigned cap)
{
    unsigned n = 0;
    if ((sock->tell & URING_TELL_OPENED) != 0) {
        sock->tell &= ~(uint32_t)URING_TELL_OPENED;
        int status = sock->state == URING_FAILED ? sock->status : 0; /* else it is CLOSED's */
        tell_opened(uring_done_fill(&done[n++], IO_DONE_OPENED, sock, status), sock);
        if (sock->state == URING_FAILED) {
            uring_release(uring, sock);
            return n;
        }
    }
    if ((sock->tell & URING_TELL_ERROR) != 0 && n < cap) {
        sock->tell &= ~(uint32_t)URING_TELL_ERROR;
        uring_done_fill(&done[n++], IO_DONE_ERROR, sock, sock->tun.error);
        sock->tun.error = 0;
    }
    if ((sock->tell & URING_TELL_WRITABLE) != 0 && n < cap) {
        sock->tell &= ~(uint32_t)URING_TELL_WRITABLE;
        uring_done_fill(&done[n++], IO_DONE_WRITABLE, sock, 0);
    }
    if ((sock->tell & URING_TELL_CLOSED) != 0 && n < cap) {
        sock->tell = 0;
        uring_done_fill(&done[n++], IO_DONE_CLOSED, sock, sock->status);
        if (sock->state == URING_CLOSED) { /* else it lingers */
            uring_release(uring, sock);
        }
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
        uring_done_fill(&done[n], IO_DONE_ERROR, (struct uring_sock *)error->sock, error->status)
            ->peer = error->peer;
        udp->errors_first = (udp->errors_first + 1) % UDP_ERRORS;
        udp->errors_len--;
    }
    while (n < cap && uring->told.first != NULL) {
        struct uring_sock *sock;
        URING_POP(&uring->told, sock, next_told, is_told);
        if (sock->state == URING_FREE) {
            free_sock(uring, sock);
            continue;
        }
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
    struct uring_sock *last = uring->hot.last; /* each once: one that stays hot waits for its turn */
    while (n < cap && uring->hot.first != NULL) {
        struct uring_sock *sock;
        URING_POP(&uring->hot, sock, next_hot, is_hot);
        if (sock->state == URING_FREE) {
            free_sock(uring, sock);
        } else {
            n += sock->class->give(uring, sock, &done[n], cap - n);
        }
        if (sock == last) {
            break;
        }
    }
    uring->base.stats.recv_calls += n > 0;
    return n;
}

/* How long a wait may last, given that the caller wants to be back at `deadline`. */
static leat_time wait_ns(struct uring *uring, leat_time deadline)
{
    bool asks = !uring_is_over(uring); /* else nobody takes them out of these queues */
    bool unarmed = asks && ((uring->unarmed.first != NULL && !uring->starved) ||
                            (uring->unsettled.first != NULL && !uring->pieces_starved));
    bool starved = asks && (uring->starved || uring->pieces_starved);
    bool owed = uring->told.first != NULL || uring->udp->errors_len > 0;
    if (deadline == 0 || uring->woken || unarmed || owed || uring->hot.first != NULL ||
        uring->dirty.first != NULL) {
        return 0;
    }
    deadline = uring->retry_at < deadline ? uring->retry_at : deadline;
    leat_time alarm = alarms_next(&uring->alarms);
    deadline = alarm < deadline ? alarm : deadline;
    if (deadline == LEAT_NEVER) {
        return starved ? URING_STARVED_NS : LEAT_NEVER;
    }
    leat_time now = uring_now((struct io *)uring);
    leat_time ns = deadline > now ? deadline - now : 0;
    return starved && ns > URING_STARVED_NS ? URING_STARVED_NS : ns;
}

/* The first turn that has something to do: its thread is the ring's from now on. */
static void begin(struct uring *uring)
{
    uring_ring_enable(&uring->ring);
    look_whole(uring);
}

/* What the kernel shall do, and has done. */
static void exchange(struct uring *uring, leat_time deadline)
{
    look_whole(uring);
    if (LEAT_UNLIKELY(uring_is_over(uring))) {
        if (uring->ring.broken != 0 && deadline != 0) {
            uring->woken |= uring_ring_doze(&uring->ring, wait_ns(uring, deadline));
        }
        return;
    }
    if (uring->receivers_len > 0 || uring->unarmed.first != NULL) {
        arm(uring);
    }
    uring_stream_settle(uring);
    enter(uring, wait_ns(uring, deadline));
    reap(uring);
}

static unsigned uring_turn(struct io *io, leat_time deadline, struct io_done *done, unsigned cap)
{
    struct uring *uring = (struct uring *)io;
    LEAT_ASSERT(cap > 0);
    if (LEAT_UNLIKELY(!uring->ring.enabled)) {
        if (deadline == 0 && uring->base.stats.sockets == 0 && uring->begun_len == 0) {
            return take_told(uring, done, cap);
        }
        begin(uring);
    }
    for (;;) {
        retry(uring);
        uring_stream_alarms(uring);
        flush(uring);
        exchange(uring, deadline);
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
