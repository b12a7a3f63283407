/* One io_uring: setup by what the kernel takes, the eventfd that ends a wait, the buffers that
 * datagrams go into, and the one system call of a turn. Invariant: every submission is counted in
 * `outstanding` until its last completion. A ring that the kernel refuses to go on with is broken
 * for good: it makes no system call any more. The thread that enabled a ring alone uses it. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"
#include "uring.h"

#define BUFS_GROUP 0
#define PAGE_LEN 4096u
#define TRY_NS LEAT_SEC   /* what answers at once, on a loaded machine */
#define LEAVE_NS LEAT_SEC

struct uring_test uring_test;

/* ---- setup ---- */

/* Best first. DEFER_TASKRUN: work for us is done when we enter, not when it interrupts us. */
static const uint32_t ladder[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    0,
};

static int setup(struct uring_ring *ring)
{
    uint32_t sq_len = uring_test.sq_len > 0 ? uring_test.sq_len : URING_SQ;
    uint32_t cq_len = uring_test.cq_len > 0 ? uring_test.cq_len : URING_CQ;
    int status = -EINVAL;
    for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]) && status == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = ladder[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE,
            .cq_entries = cq_len,
        };
        if ((ladder[i] & uring_test.refused_flags) == 0) {
            status = io_uring_queue_init_params(sq_len, &ring->ring, &params);
            ring->setup_flags = params.flags;
        }
    }
    return status;
}

static int bufs_open(struct uring_ring *ring)
{
    void *pages = mem_pages_alloc(PAGE_LEN);
    if (pages == NULL) {
        return -ENOMEM;
    }
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)pages,
        .ring_entries = URING_BUFS,
        .bgid = BUFS_GROUP,
    };
    int status = io_uring_register_buf_ring(&ring->ring, &reg, 0);
    if (status < 0) {
        mem_pages_free(pages, PAGE_LEN);
        return status;
    }
    ring->kernel_bufs = pages;
    io_uring_buf_ring_init(ring->kernel_bufs);
    for (uint32_t i = 0; i < URING_BUFS; i++) {
        ring->bufs[i].next = i + 1 < URING_BUFS ? (uint16_t)(i + 1) : URING_NONE;
    }
    ring->bufs_free = 0;
    ring->bufs_target = URING_BUFS_FIRST;
    ring->bufs_max = URING_BUFS;
    return 0;
}

_Static_assert(URING_BUFS * sizeof(struct io_uring_buf) <= PAGE_LEN, "the ring of buffers fits");

int uring_ring_open(struct uring_ring *ring, const char **ret_what)
{
    *ret_what = "io_uring_setup";
    ring->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (ring->wake_fd < 0) {
        *ret_what = "eventfd";
        return -errno;
    }
    int status = setup(ring);
    if (status < 0) {
        close(ring->wake_fd);
        return status;
    }
    ring->is_open = true;
    ring->send_to = true; /* until it is refused: since 6.1 */
    *ret_what = "a ring of provided buffers";
    status = bufs_open(ring);
    if (status == 0 && (ring->ring.features & IORING_FEAT_EXT_ARG) == 0) {
        *ret_what = "a wait with a timeout (IORING_FEAT_EXT_ARG)";
        status = -EOPNOTSUPP;
    }
    if (status < 0) {
        uring_ring_close(ring);
    }
    return status;
}

int uring_ring_enable(struct uring_ring *ring)
{
    LEAT_ASSERT(ring->is_open);
    LEAT_ASSERT(!ring->enabled);
    ring->enabled = true;
    ring->owner = gettid();
    /* liburing 2.3 declares io_uring_enable_rings and does not export it. */
    int status = io_uring_register((unsigned)ring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS,
                                   NULL, 0);
    if (status < 0) {
        return ring->broken = status;
    }
    ring->registered = io_uring_register_ring_fd(&ring->ring) == 1; /* a lookup less a call */
    return 0;
}

void uring_ring_leave(struct uring_ring *ring, void (*reap)(void *context), void *context)
{
    LEAT_ASSERT(ring->enabled);
    LEAT_ASSERT(ring->owner == gettid());
    ring->leaving = true;
    reap(context);
    while (ring->outstanding > 0 && ring->broken == 0) {
        struct io_uring_sqe *sqe = uring_ring_sqe(ring);
        io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        sqe->user_data = URING_CANCEL_ALL;
        uring_ring_enter(ring, LEAVE_NS);
        reap(context);
    }
    if (ring->registered) { /* by thread: no other can take it back */
        io_uring_unregister_ring_fd(&ring->ring);
        ring->ring.int_flags = 0; /* nor may it try, where we could not */
        ring->registered = false;
    }
    ring->owner = 0;
}

void uring_ring_close(struct uring_ring *ring)
{
    if (!ring->is_open) {
        return;
    }
    LEAT_ASSERT(ring->outstanding == 0 || ring->broken != 0); /* closing ends it all */
    LEAT_ASSERT(!ring->registered);
    io_uring_queue_exit(&ring->ring);
    for (uint32_t i = 0; i < URING_BUFS; i++) {
        leat_buf_unref(ring->bufs[i].buf);
        ring->bufs[i].buf = NULL;
    }
    if (ring->kernel_bufs != NULL) {
        mem_pages_free(ring->kernel_bufs, PAGE_LEN);
    }
    close(ring->wake_fd);
    ring->is_open = false;
}

/* ---- buffers ---- */

bool uring_ring_refill(struct uring_ring *ring, struct pool *pool)
{
    int added = 0;
    while (ring->bufs_posted + ring->bufs_filled < ring->bufs_target) {
        leat_buf *buf = pool_train_take(pool);
        if (buf == NULL) {
            break;
        }
        uint16_t bid = ring->bufs_free;
        LEAT_ASSERT(bid != URING_NONE);
        ring->bufs_free = ring->bufs[bid].next;
        ring->bufs[bid].buf = buf;
        io_uring_buf_ring_add(ring->kernel_bufs, buf_train_data(buf) - URING_FRONT,
                              (unsigned)(BUF_TRAIN_LEN + URING_FRONT), bid,
                              io_uring_buf_ring_mask(URING_BUFS), added++);
        ring->bufs_posted++;
    }
    if (added > 0) {
        io_uring_buf_ring_advance(ring->kernel_bufs, added);
    }
    return ring->bufs_posted + ring->bufs_filled > 0;
}

leat_buf *uring_ring_take(struct uring_ring *ring, uint16_t bid)
{
    LEAT_ASSERT(bid < URING_BUFS);
    leat_buf *buf = ring->bufs[bid].buf;
    LEAT_ASSERT(buf != NULL);
    LEAT_ASSERT(ring->bufs_filled > 0);
    ring->bufs[bid].buf = NULL;
    ring->bufs[bid].next = ring->bufs_free;
    ring->bufs_free = bid;
    ring->bufs_filled--;
    return buf;
}

/* ---- submitting and waiting ---- */

/* What passes: the time is over, a signal came, the kernel wants its completions taken first, or it
 * has no memory just now. What was not submitted is submitted the next time. */
static int forgive(struct uring_ring *ring, int status)
{
    bool passes = status == -ETIME || status == -EINTR || status == -EBUSY || status == -EAGAIN;
    if (status >= 0 || passes) {
        return 0;
    }
    return ring->broken = status;
}

struct io_uring_sqe *uring_ring_sqe(struct uring_ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);
    while (LEAT_UNLIKELY(sqe == NULL) && ring->broken == 0) {
        forgive(ring, io_uring_submit(&ring->ring));
        sqe = io_uring_get_sqe(&ring->ring);
    }
    ring->outstanding++;
    return LEAT_LIKELY(sqe != NULL) ? sqe : &ring->nowhere;
}

struct io_uring_sqe *uring_ring_receive(struct uring_ring *ring, int fd, struct msghdr *header)
{
    struct io_uring_sqe *sqe = uring_ring_sqe(ring);
    io_uring_prep_recvmsg_multishot(sqe, fd, header, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFS_GROUP;
    return sqe;
}

static void arm_wake(struct uring_ring *ring)
{
    struct io_uring_sqe *sqe = uring_ring_sqe(ring);
    io_uring_prep_poll_multishot(sqe, ring->wake_fd, POLLIN); /* edges: it is never read */
    sqe->user_data = URING_WAKE;
    ring->wake_armed = true;
}

/* A refusal is to be answered before we sleep, so who sends does not wait for anything else; and as
 * sends end without waiting, we may wait for them, chains included. */
int uring_ring_enter(struct uring_ring *ring, leat_time wait_ns)
{
    if (LEAT_UNLIKELY(ring->broken != 0)) {
        return ring->broken;
    }
    if (ring->sending > 0) {
        return forgive(ring, io_uring_submit_and_wait(&ring->ring, ring->sending));
    }
    if (wait_ns == 0) {
        unsigned flags = IO_URING_READ_ONCE(*ring->ring.sq.kflags);
        bool work = (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
        bool idle = !work && io_uring_sq_ready(&ring->ring) == 0;
        return idle ? 0 : forgive(ring, io_uring_submit_and_get_events(&ring->ring));
    }
    if (!ring->wake_armed && !ring->leaving) {
        arm_wake(ring);
    }
    struct io_uring_cqe *cqe;
    struct __kernel_timespec span = {.tv_sec = (int64_t)(wait_ns / LEAT_SEC),
                                     .tv_nsec = (int64_t)(wait_ns % LEAT_SEC)};
    return forgive(ring, io_uring_submit_and_wait_timeout(
                             &ring->ring, &cqe, 1, wait_ns == LEAT_NEVER ? NULL : &span, NULL));
}

bool uring_ring_doze(struct uring_ring *ring, leat_time wait_ns)
{
    struct timespec span = {.tv_sec = (time_t)(wait_ns / LEAT_SEC),
                            .tv_nsec = (long)(wait_ns % LEAT_SEC)};
    struct pollfd wake = {.fd = ring->wake_fd, .events = POLLIN};
    uint64_t count;
    return ppoll(&wake, 1, wait_ns == LEAT_NEVER ? NULL : &span, NULL) > 0 &&
           read(ring->wake_fd, &count, sizeof(count)) == sizeof(count);
}

/* ---- trying ---- */

struct trial {
    struct uring_ring *ring;
    int                received; /* of the first completion; 1: none came */
    int                ended;    /* of the last one */
    uint32_t           flags;
    int                sent;
};

static void trial_reap(void *context)
{
    struct trial *trial = context;
    struct uring_ring *ring = trial->ring;
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&ring->ring, &cqe) == 0) {
        ring->outstanding -= (cqe->flags & IORING_CQE_F_MORE) == 0;
        if (cqe->user_data == URING_SEND) {
            trial->sent = cqe->res;
        } else if (cqe->user_data == URING_RECV && trial->received == 1) {
            trial->received = cqe->res;
            trial->flags = cqe->flags;
        } else if (cqe->user_data == URING_RECV) {
            trial->ended = cqe->res;
        }
        io_uring_cqe_seen(&ring->ring, cqe);
    }
}

static int try_on(struct uring_ring *ring, const int *pair, const char **ret_what)
{
    struct trial trial = {.ring = ring, .received = 1};
    _Alignas(16) uint8_t buf[URING_FRONT + 16];
    struct iovec vector = {.iov_base = &(char){1}, .iov_len = 1};
    struct msghdr out = {.msg_iov = &vector, .msg_iovlen = 1};
    struct msghdr in = {.msg_namelen = URING_NAME_LEN, .msg_controllen = URING_CONTROL_LEN};
    for (uint16_t i = 0; i < 2; i++) { /* the second stays: a receive needs one to wait with */
        io_uring_buf_ring_add(ring->kernel_bufs, buf, sizeof(buf), i,
                              io_uring_buf_ring_mask(URING_BUFS), i);
    }
    io_uring_buf_ring_advance(ring->kernel_bufs, 2);
    uring_ring_receive(ring, pair[0], &in)->user_data = URING_RECV;
    struct io_uring_sqe *sqe = uring_ring_sqe(ring);
    io_uring_prep_sendmsg(sqe, pair[1], &out, MSG_DONTWAIT);
    sqe->user_data = URING_SEND;
    for (int i = 0; i < 4 && trial.received == 1; i++) {
        int status = uring_ring_enter(ring, TRY_NS);
        if (status < 0) {
            *ret_what = "io_uring_enter";
            uring_ring_leave(ring, trial_reap, &trial);
            return status;
        }
        trial_reap(&trial);
    }
    uring_ring_leave(ring, trial_reap, &trial);
    *ret_what = trial.sent < 0 ? "sendmsg on a ring" : "multishot recvmsg into provided buffers";
    if (trial.sent < 0 || trial.received < 0) {
        return trial.sent < 0 ? trial.sent : trial.received;
    }
    uint32_t both = IORING_CQE_F_MORE | IORING_CQE_F_BUFFER;
    bool good = trial.received == (int)URING_FRONT + 1 && (trial.flags & both) == both;
    return good && trial.ended == -ECANCELED ? 0 : -EOPNOTSUPP;
}

int uring_ring_try(struct uring_ring *ring, const char **ret_what)
{
    int pair[2];
    *ret_what = "socketpair";
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        return -errno;
    }
    *ret_what = "IORING_REGISTER_ENABLE_RINGS";
    int status = uring_ring_enable(ring);
    if (status == 0) {
        status = try_on(ring, pair, ret_what);
    }
    close(pair[0]);
    close(pair[1]);
    return status;
}
