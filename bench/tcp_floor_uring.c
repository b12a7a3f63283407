/* The floor of TCP on io_uring: a plain loop with what the kernel is best at. Multishot accept,
 * multishot receive into provided buffers, an answer sent from the buffer that was received into,
 * which goes back when it has been sent; one system call a turn. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tcp.h"

#ifdef LEAT_BENCH_URING

#include <liburing.h>

#define BUFS 2048u
#define BUF_LEN 2048u
#define GROUP 1

enum what {
    WHAT_ACCEPT,
    WHAT_RECV,
    WHAT_SEND,
    WHAT_DONE,
};

/* user_data: what it is, the descriptor, the buffer. */
static uint64_t data_of(enum what what, int fd, unsigned buf)
{
    return (uint64_t)what << 56 | (uint64_t)buf << 32 | (uint32_t)fd;
}

static struct {
    struct io_uring ring;
    struct io_uring_buf_ring *bufs;
    uint8_t *memory;
} s;

static struct io_uring_sqe *sqe_get(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&s.ring);
    if (sqe == NULL) {
        io_uring_submit(&s.ring);
        sqe = io_uring_get_sqe(&s.ring);
    }
    return sqe;
}

static void give_back(unsigned buf)
{
    io_uring_buf_ring_add(s.bufs, s.memory + (size_t)buf * BUF_LEN, BUF_LEN, (uint16_t)buf,
                          io_uring_buf_ring_mask(BUFS), 0);
    io_uring_buf_ring_advance(s.bufs, 1);
}

static void arm_accept(int listener)
{
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = data_of(WHAT_ACCEPT, listener, 0);
}

static void arm_recv(int fd)
{
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = data_of(WHAT_RECV, fd, 0);
}

static void received(int fd, int res, uint32_t flags)
{
    if (res > 0) {
        unsigned buf = flags >> IORING_CQE_BUFFER_SHIFT;
        struct io_uring_sqe *sqe = sqe_get();
        io_uring_prep_send(sqe, fd, s.memory + (size_t)buf * BUF_LEN, (size_t)res,
                           MSG_WAITALL | MSG_NOSIGNAL);
        sqe->user_data = data_of(WHAT_SEND, fd, buf);
    }
    if (res == 0 || (res < 0 && res != -ENOBUFS)) {
        close(fd);
    } else if ((flags & IORING_CQE_F_MORE) == 0) {
        arm_recv(fd);
    }
}

/* Whether the generator is done. */
static bool answer(const struct io_uring_cqe *cqe)
{
    int fd = (int)(uint32_t)cqe->user_data;
    switch ((enum what)(cqe->user_data >> 56)) {
    case WHAT_ACCEPT:
        if (cqe->res >= 0) {
            arm_recv(cqe->res);
        }
        if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
            arm_accept(fd);
        }
        return false;
    case WHAT_RECV:
        received(fd, cqe->res, cqe->flags);
        return false;
    case WHAT_SEND:
        give_back((unsigned)(cqe->user_data >> 32) & 0xffffu);
        return false;
    case WHAT_DONE:
        return true;
    }
    return false;
}

static int ring_open(struct rep *rep)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 8192};
    int status = io_uring_queue_init_params(2048, &s.ring, &params);
    if (status < 0) {
        return rep_skip(rep, "io_uring: %s", strerror(-status));
    }
    size_t ring_len = BUFS * sizeof(struct io_uring_buf);
    void *memory = mmap(NULL, ring_len + (size_t)BUFS * BUF_LEN, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        return rep_wrong(rep, "no memory: %s", strerror(errno));
    }
    s.bufs = memory;
    s.memory = (uint8_t *)memory + ring_len;
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)memory, .ring_entries = BUFS, .bgid = GROUP};
    status = io_uring_register_buf_ring(&s.ring, &reg, 0);
    if (status < 0) {
        return rep_skip(rep, "io_uring buffer rings: %s", strerror(-status));
    }
    io_uring_buf_ring_init(s.bufs);
    for (unsigned i = 0; i < BUFS; i++) {
        give_back(i);
    }
    return 0;
}

int tcp_floor_uring(int listener, struct generator *generator, struct rep *rep)
{
    if (ring_open(rep) != 0) {
        return -1;
    }
    arm_accept(listener);
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_poll_add(sqe, generator->from, POLLIN);
    sqe->user_data = data_of(WHAT_DONE, 0, 0);
    for (bool done = false; !done;) {
        int status = io_uring_submit_and_wait(&s.ring, 1);
        if (status < 0 && status != -EINTR) {
            return rep_wrong(rep, "io_uring: %s", strerror(-status));
        }
        unsigned head, n = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&s.ring, head, cqe) {
            struct io_uring_cqe copy = *cqe;
            done = answer(&copy) || done;
            n++;
        }
        io_uring_cq_advance(&s.ring, n);
    }
    io_uring_queue_exit(&s.ring);
    return 0;
}

#endif
