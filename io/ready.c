/* Readiness into completions: the part of epoll and poll that is not the wait. Invariant: an open
 * socket that may be readable is either waited for or in the hot queue; one with something to send
 * is in the dirty queue, or waited for, or tried again at retry_at. A busy socket is read again at
 * the next turn without asking the kernel first, and the kernel is asked at least every READY_LOOK
 * turns, so that the others have their turn too. Backend's thread only, but for ready_wake. */
#include "ready.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

#define READY_LOOK 8u      /* turns, at most, that read the hot without asking for others */
#define BATCHES_PER_TURN 4 /* of one socket */
#define BUSY_LEN 4u        /* completions of a read after which more are likely next turn */
#define STARVED_NS (100 * LEAT_MS) /* who returns a buffer wakes; this is for lack of memory */

/* ---- queues ---- */

#define PUSH(queue, sock, link, flag)                                                              \
    do {                                                                                           \
        (sock)->flag = true;                                                                       \
        (sock)->link = NULL;                                                                       \
        if ((queue)->last == NULL) {                                                               \
            (queue)->first = (sock);                                                               \
        } else {                                                                                   \
            (queue)->last->link = (sock);                                                          \
        }                                                                                          \
        (queue)->last = (sock);                                                                    \
    } while (0)

#define POP(queue, ret, link, flag)                                                                \
    do {                                                                                           \
        (ret) = (queue)->first;                                                                    \
        (queue)->first = (ret)->link;                                                              \
        if ((queue)->first == NULL) {                                                              \
            (queue)->last = NULL;                                                                  \
        }                                                                                          \
        (ret)->flag = false;                                                                       \
    } while (0)

void ready_make_hot(struct ready *ready, struct ready_sock *sock)
{
    if (!sock->is_hot) {
        PUSH(&ready->hot, sock, next_hot, is_hot);
    }
}

void ready_make_dirty(struct ready *ready, struct ready_sock *sock)
{
    if (!sock->is_dirty) {
        PUSH(&ready->dirty, sock, next_dirty, is_dirty);
    }
}

void ready_tell(struct ready *ready, struct ready_sock *sock, enum ready_tell what)
{
    sock->tell |= what;
    if (!sock->is_told) {
        PUSH(&ready->told, sock, next_told, is_told);
    }
}

/* ---- life ---- */

static void starved_wake(void *context)
{
    ready_wake((struct io *)context);
}

int ready_init(struct ready *ready, const struct io_config *config, const struct io_ops *ops,
               const struct ready_wait *wait)
{
    LEAT_ASSERT(config->pool != NULL);
    LEAT_ASSERT(wait != NULL);
    ready->base.ops = ops;
    ready->ops = wait;
    ready->retry_at = LEAT_NEVER;
    ready->udp = mem_zalloc(sizeof(*ready->udp), 64);
    ready->tcp = mem_zalloc(sizeof(*ready->tcp), 64);
    ready->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (ready->udp == NULL || ready->tcp == NULL || ready->wake_fd < 0) {
        int status = ready->wake_fd < 0 ? -errno : -ENOMEM;
        if (ready->wake_fd >= 0) {
            close(ready->wake_fd);
        }
        mem_free(ready->udp);
        mem_free(ready->tcp);
        return status;
    }
    tcp_init(ready->tcp, config->pool, &ready->base.stats, config->stream_queue_max);
    ready->tcp->log = config->log;
    ready->tcp->log_context = config->log_context;
    udp_init(ready->udp, config->pool, &ready->base.stats, config->send_queue_len_max);
    tun_init(&ready->tun, config->pool, &ready->base.stats, config->send_queue_len_max);
    config->pool->starved_context = ready;
    config->pool->starved_wake = starved_wake;
    return 0;
}

void ready_fini(struct ready *ready)
{
    struct pool *pool = ready->udp->pool;
    for (uint32_t i = 0; i < ready->socks_len; i++) {
        struct ready_sock *sock = ready->socks[i];
        if (sock->is_stream) {
            stream_end(ready, sock);
        } else if (sock->is_tun) {
            tun_close(&ready->tun, &sock->tun);
        } else {
            udp_close(ready->udp, &sock->udp);
        }
        mem_free(sock);
    }
    mem_free(ready->socks);
    exchange_seq_u32(&pool->starved, 0);
    udp_fini(ready->udp);
    mem_free(ready->udp);
    tun_fini(&ready->tun);
    tcp_fini(ready->tcp);
    mem_free(ready->tcp);
    alarms_fini(&ready->alarms);
    close(ready->wake_fd);
}

leat_time ready_now(struct io *io)
{
    struct timespec now;
    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

void ready_wake(struct io *io)
{
    const struct ready *ready = (struct ready *)io;
    uint64_t one = 1;
    int before = errno; /* for signal handlers */
    ssize_t ignored = write(ready->wake_fd, &one, sizeof(one)); /* full: it is awake for long */
    (void)ignored;
    errno = before;
}

static void flush_sock(struct ready *ready, struct ready_sock *sock);

/* ---- operations ---- */

static struct ready_sock *find(const struct ready *ready, uint32_t index)
{
    if (index >= ready->socks_len || ready->socks[index]->state != STATE_OPEN) {
        return NULL;
    }
    return ready->socks[index];
}

struct ready_sock *ready_sock_take(struct ready *ready)
{
    struct ready_sock *sock = ready->free_socks;
    if (sock != NULL) {
        LEAT_ASSERT(sock->state == STATE_FREE);
        ready->free_socks = sock->next_hot;
        uint32_t index = sock->index;
        *sock = (struct ready_sock){.index = index};
        return sock;
    }
    if (ready->socks_len == ready->socks_max) {
        uint32_t max = ready->socks_max == 0 ? 16 : ready->socks_max * 2;
        struct ready_sock **socks = mem_alloc(max * sizeof(struct ready_sock *), 8);
        if (socks == NULL) {
            return NULL;
        }
        if (ready->socks_len > 0) {
            memcpy(socks, ready->socks, ready->socks_len * sizeof(struct ready_sock *));
        }
        mem_free(ready->socks);
        ready->socks = socks;
        ready->socks_max = max;
    }
    sock = mem_zalloc(sizeof(*sock), 64);
    if (sock != NULL) {
        sock->index = ready->socks_len;
        ready->socks[ready->socks_len++] = sock;
    }
    return sock;
}

static void free_sock(struct ready *ready, struct ready_sock *sock)
{
    LEAT_ASSERT(sock->state == STATE_FREE);
    sock->next_hot = ready->free_socks;
    ready->free_socks = sock;
}

static int submit_open(struct ready *ready, const struct io_op *op)
{
    struct ready_sock *sock = ready_sock_take(ready);
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->fd = -1;
    sock->token = op->token;
    sock->status = udp_open(ready->udp, &sock->udp, op);
    if (sock->status == 0) {
        sock->status = ready->ops->add(ready, sock);
    }
    if (sock->status == 0) {
        sock->state = STATE_OPEN;
        ready->base.stats.sockets++;
        ready_make_hot(ready, sock);
    } else {
        sock->state = STATE_FAILED;
        udp_close(ready->udp, &sock->udp);
    }
    ready_tell(ready, sock, TELL_OPENED);
    return 0;
}

int ready_submit(struct io *io, const struct io_op *op)
{
    struct ready *ready = (struct ready *)io;
    if (op->kind == IO_OP_OPEN) {
        return submit_open(ready, op);
    }
    if (op->kind == IO_OP_LISTEN || op->kind == IO_OP_CONNECT || op->kind == IO_OP_CANCEL) {
        return stream_open(ready, op);
    }
    if (op->kind == IO_OP_OPEN_TUN) {
        return tun_sock_open(ready, op);
    }
    struct ready_sock *sock = find(ready, op->sock);
    if (LEAT_UNLIKELY(sock == NULL)) {
        return -EBADF;
    }
    if (sock->is_stream) {
        return stream_submit(ready, sock, op);
    }
    if (sock->is_tun) {
        return tun_sock_submit(ready, sock, op);
    }
    if (op->kind == IO_OP_DATA) {
        int status = udp_submit(ready->udp, &sock->udp, op);
        if (LEAT_UNLIKELY(status == -EAGAIN) && !sock->writable && !sock->congested) {
            sock->udp.want_writable = false; /* full with what the kernel was not asked to take yet */
            flush_sock(ready, sock);
            status = udp_submit(ready->udp, &sock->udp, op);
        }
        if (LEAT_LIKELY(status == 0) && !sock->writable && !sock->congested) {
            ready_make_dirty(ready, sock);
        }
        return status;
    }
    LEAT_ASSERT(op->kind == IO_OP_CLOSE);
    sock->state = STATE_CLOSING;
    ready_make_dirty(ready, sock);
    return 0;
}

/* ---- sending ---- */

uint32_t ready_interest(const struct ready_sock *sock)
{
    return sock->is_stream ? sock->interest
                           : (sock->paused ? 0u : (uint32_t)READY_READ) |
                                 (sock->writable ? (uint32_t)READY_WRITE : 0u);
}

/* Tells that the queue is half empty, if somebody waits for that. */
static void check_writable(struct ready *ready, struct ready_sock *sock)
{
    if (sock->udp.want_writable && sock->udp.queued <= ready->udp->queue_len_max / 2) {
        sock->udp.want_writable = false;
        ready_tell(ready, sock, TELL_WRITABLE);
    }
}

void ready_congested(struct ready *ready)
{
    leat_time at = ready_now((struct io *)ready) + UDP_RETRY_NS;
    ready->retry_at = at < ready->retry_at ? at : ready->retry_at;
}

static void flush_sock(struct ready *ready, struct ready_sock *sock)
{
    if (sock->is_stream) {
        stream_flush(ready, sock);
        return;
    }
    if (sock->is_tun) {
        tun_sock_flush(ready, sock);
        return;
    }
    enum udp_flushed result = udp_flush(ready->udp, &sock->udp);
    if (sock->state == STATE_CLOSING) {
        ready->ops->remove(ready, sock);
        ready->base.stats.send_errors += sock->udp.queued;
        udp_close(ready->udp, &sock->udp);
        sock->state = STATE_CLOSED;
        ready->base.stats.sockets--;
        ready_tell(ready, sock, TELL_CLOSED);
        return;
    }
    bool writable = result == UDP_BLOCKED;
    sock->congested = result == UDP_CONGESTED;
    if (sock->congested) {
        ready_congested(ready);
    }
    if (sock->writable != writable) {
        sock->writable = writable;
        ready->ops->change(ready, sock);
    }
    check_writable(ready, sock);
}

static void flush(struct ready *ready)
{
    while (ready->dirty.first != NULL) {
        struct ready_sock *sock;
        POP(&ready->dirty, sock, next_dirty, is_dirty);
        flush_sock(ready, sock);
    }
}

/* After a while there may be room in the device's queue: nothing tells. */
static void retry_congested(struct ready *ready)
{
    if (ready->retry_at == LEAT_NEVER || ready_now((struct io *)ready) < ready->retry_at) {
        return;
    }
    ready->retry_at = LEAT_NEVER;
    for (uint32_t i = 0; i < ready->socks_len; i++) {
        uint8_t state = ready->socks[i]->state;
        bool is_alive = state == STATE_OPEN || state == STATE_CLOSING;
        if (is_alive && ready->socks[i]->congested) {
            ready_make_dirty(ready, ready->socks[i]);
        }
    }
    flush(ready);
}

/* ---- receiving ---- */

void ready_starved(struct ready *ready, struct ready_sock *sock, bool starved)
{
    ready->starved = starved;
    if (sock->paused != starved) {
        ready->base.stats.recv_starved += starved;
        sock->paused = starved;
        ready->ops->change(ready, sock);
    }
}

/* Reads one hot socket; it stays hot if it was busy, or could not be read. */
static unsigned read_sock(struct ready *ready, struct ready_sock *sock, struct io_done *done,
                          unsigned cap)
{
    unsigned n = 0;
    enum udp_more more = UDP_MORE;
    if (sock->errors) {
        sock->errors = false;
        udp_take_errors(ready->udp, &sock->udp);
    }
    for (int i = 0; i < BATCHES_PER_TURN && n < cap && more == UDP_MORE; i++) {
        n += udp_receive(ready->udp, &sock->udp, &done[n], cap - n, &more);
    }
    sock->read_turn = ready->turn;
    ready_starved(ready, sock, more == UDP_STARVED);
    if (n >= BUSY_LEN || more != UDP_DRAINED) {
        ready_make_hot(ready, sock);
    }
    return n;
}

/* Each hot socket once, the one that waits longest first. */
static unsigned read_hot(struct ready *ready, struct io_done *done, unsigned cap)
{
    unsigned n = 0;
    ready->turn++;
    while (n < cap && ready->hot.first != NULL && ready->hot.first->read_turn != ready->turn) {
        struct ready_sock *sock;
        POP(&ready->hot, sock, next_hot, is_hot);
        if (sock->is_stream && sock->state != STATE_FREE) {
            n += stream_read(ready, sock, &done[n], cap - n);
        } else if (sock->state == STATE_OPEN && sock->is_tun) {
            n += tun_sock_read(ready, sock, &done[n], cap - n);
        } else if (sock->state == STATE_OPEN) {
            n += read_sock(ready, sock, &done[n], cap - n);
        } else if (sock->state == STATE_FREE) {
            free_sock(ready, sock);
        }
    }
    return n;
}

/* ---- completions ---- */

struct io_done *ready_done_fill(struct io_done *done, enum io_done_kind kind,
                                const struct ready_sock *sock, int status)
{
    *done = (struct io_done){
        .kind = kind, .sock = sock->index, .token = sock->token, .status = status};
    return done;
}

static unsigned take_errors(struct ready *ready, struct io_done *done, unsigned cap)
{
    struct udp *udp = ready->udp;
    unsigned n = 0;
    for (; n < cap && udp->errors_len > 0; n++) {
        const struct udp_error *error = &udp->errors[udp->errors_first];
        ready_done_fill(&done[n], IO_DONE_ERROR, (struct ready_sock *)error->sock, error->status)->peer =
            error->peer;
        udp->errors_first = (udp->errors_first + 1) % UDP_ERRORS;
        udp->errors_len--;
    }
    return n;
}

void ready_release(struct ready *ready, struct ready_sock *sock)
{
    LEAT_ASSERT(sock->tell == 0);
    LEAT_ASSERT(!sock->is_dirty);
    sock->state = STATE_FREE;
    if (!sock->is_hot) { /* else read_hot does it, which uses the same link */
        free_sock(ready, sock);
    }
}

static void tell_opened(struct io_done *done, const struct ready_sock *sock)
{
    if (sock->is_tun) {
        done->info = sock->tun.info;
    } else {
        done->peer = sock->is_stream ? sock->tcp.bound : sock->udp.bound;
    }
}

/* Up to `cap` completions of one socket, in the order in which they happened. */
static unsigned tell_sock(struct ready *ready, struct ready_sock *sock, struct io_done *done,
                          unsigned cap)
{
    unsigned n = 0;
    if ((sock->tell & TELL_OPENED) != 0) {
        sock->tell &= ~(uint32_t)TELL_OPENED;
        int status = sock->state == STATE_FAILED ? sock->status : 0; /* else it is CLOSED's */
        tell_opened(ready_done_fill(&done[n++], IO_DONE_OPENED, sock, status), sock);
        if (sock->state == STATE_FAILED) {
            ready_release(ready, sock);
            return n;
        }
    }
    if ((sock->tell & TELL_ERROR) != 0 && n < cap) {
        sock->tell &= ~(uint32_t)TELL_ERROR;
        ready_done_fill(&done[n++], IO_DONE_ERROR, sock, sock->tun.error);
        sock->tun.error = 0;
    }
    if ((sock->tell & TELL_WRITABLE) != 0 && n < cap) {
        sock->tell &= ~(uint32_t)TELL_WRITABLE;
        ready_done_fill(&done[n++], IO_DONE_WRITABLE, sock, 0);
    }
    if ((sock->tell & TELL_CLOSED) != 0 && n < cap) {
        sock->tell = 0;
        ready_done_fill(&done[n++], IO_DONE_CLOSED, sock, sock->status);
        if (sock->state == STATE_CLOSED) {
            ready_release(ready, sock);
        }
    }
    return n;
}

/* Errors first: a socket's CLOSED comes after its errors, and they are about what was sent. */
static unsigned take_told(struct ready *ready, struct io_done *done, unsigned cap)
{
    unsigned n = take_errors(ready, done, cap);
    while (n < cap && ready->told.first != NULL) {
        struct ready_sock *sock;
        POP(&ready->told, sock, next_told, is_told);
        n += tell_sock(ready, sock, &done[n], cap - n);
        if (sock->tell != 0) {
            ready_tell(ready, sock, sock->tell);
        }
    }
    return n;
}

/* ---- the turn ---- */

void ready_mark(struct ready *ready, uint32_t index, uint32_t bits)
{
    LEAT_ASSERT(index < ready->socks_len);
    struct ready_sock *sock = ready->socks[index];
    if (sock->is_stream) {
        stream_mark(ready, sock, bits);
        return;
    }
    if (sock->state != STATE_OPEN) {
        return;
    }
    if ((bits & READY_WRITE) != 0 && sock->writable) {
        ready_make_dirty(ready, sock);
    }
    sock->errors |= (bits & READY_ERROR) != 0;
    if ((bits & (READY_READ | READY_ERROR)) != 0) {
        ready_make_hot(ready, sock);
    }
}

/* How long a wait may last, given that the caller wants to be back at `deadline`. */
static leat_time wait_ns(struct ready *ready, leat_time deadline)
{
    bool unread = ready->hot.first != NULL && !ready->starved;
    if (deadline == 0 || unread || ready->udp->errors_len > 0 || ready->told.first != NULL ||
        ready->dirty.first != NULL) {
        return 0;
    }
    deadline = ready->retry_at < deadline ? ready->retry_at : deadline;
    leat_time alarm = alarms_next(&ready->alarms);
    deadline = alarm < deadline ? alarm : deadline;
    if (deadline == LEAT_NEVER) {
        return ready->starved ? STARVED_NS : LEAT_NEVER;
    }
    leat_time now = ready_now((struct io *)ready);
    leat_time ns = deadline > now ? deadline - now : 0;
    return ready->starved && ns > STARVED_NS ? STARVED_NS : ns;
}

/* The default lets the kernel be 50 us late, on every wait with a timeout. */
static void set_slack(struct ready *ready)
{
    if (!ready->slack_set) {
        prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
        ready->slack_set = true;
    }
}

unsigned ready_turn(struct io *io, leat_time deadline, struct io_done *done, unsigned cap)
{
    struct ready *ready = (struct ready *)io;
    LEAT_ASSERT(cap > 0);
    flush(ready);
    retry_congested(ready);
    stream_alarms(ready);
    unsigned n = take_told(ready, done, cap);
    if (ready->hot.first != NULL && ++ready->unasked == READY_LOOK) {
        ready->unasked = 0;
        ready->ops->wait(ready, 0);
        flush(ready);
    }
    n += read_hot(ready, done + n, cap - n);
    uint64_t watched = ready->base.stats.sockets + ready->lingering_len + ready->watched_len;
    if (n > 0 || (deadline == 0 && watched == 0)) {
        return n;
    }
    set_slack(ready);
    for (;;) {
        leat_time timeout = wait_ns(ready, deadline);
        if (ready->ops->wait(ready, timeout) || timeout == 0) {
            break;
        }
    }
    stream_alarms(ready);
    flush(ready);
    n = take_told(ready, done, cap);
    return n + read_hot(ready, done + n, cap - n);
}
