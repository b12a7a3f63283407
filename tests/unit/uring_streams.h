/* Streams on the io_uring backend as tests use them: a listener, clients that are plain sockets, and
 * connections in each state that has requests of its own. */
#ifndef LEAT_TESTS_URING_STREAMS_H
#define LEAT_TESTS_URING_STREAMS_H

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "uring_helpers.h"

static inline struct uring *uring_of(struct rig *rig)
{
    return (struct uring *)rig->io;
}

static inline struct uring_sock *sock_of(struct rig *rig, uint32_t index)
{
    return uring_of(rig)->socks[index];
}

/* ---- a listener, and clients that are plain sockets ---- */

static uint64_t next_token = 100;

static inline void open_rig(struct rig *rig, uint32_t trains, uint32_t queue_max)
{
    rig_begin(rig, &io_uring, trains, 64);
    rig->config.stream_queue_max = queue_max;
    REQUIRE(io_uring.init(&rig->config, &rig->io) == 0);
}

static inline int submit_to(struct rig *rig, enum io_op_kind kind, uint32_t sock)
{
    struct io_op op = {.kind = kind, .sock = sock, .token = ++next_token};
    return io_uring.submit(rig->io, &op);
}

static inline void set_reads(struct rig *rig, uint32_t sock, bool on)
{
    struct io_op op = {.kind = IO_OP_READ, .sock = sock, .read.on = on};
    CHECK_EQ(io_uring.submit(rig->io, &op), 0);
}

static inline void close_stream(struct rig *rig, uint32_t sock, bool reset)
{
    struct io_op op = {.kind = IO_OP_CLOSE, .sock = sock, .close.reset = reset};
    CHECK_EQ(io_uring.submit(rig->io, &op), 0);
}

static inline struct end listen_here(struct rig *rig)
{
    struct io_op op = {.kind = IO_OP_LISTEN, .token = ++next_token};
    op.listen.local = address("127.0.0.1", 0);
    REQUIRE(io_uring.submit(rig->io, &op) == 0);
    struct io_done done = rig_expect(rig, IO_DONE_OPENED);
    REQUIRE(done.status == 0);
    return (struct end){.sock = done.sock, .token = done.token, .addr = done.peer};
}

static inline int client_of(const struct end *listener)
{
    union addr_any any;
    socklen_t len = addr_to_any(&listener->addr, AF_INET, &any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, &any.any, len) == 0);
    return fd;
}

/* The next one that is accepted, adopted, and read if `reads`. */
static inline uint32_t accept_next(struct rig *rig, bool reads)
{
    struct io_done done = {0};
    while (done.kind != IO_DONE_ACCEPTED && rig_next_within(rig, 5 * LEAT_SEC, &done)) {
        leat_buf_unref(done.body.buf); /* of others */
    }
    REQUIRE(done.kind == IO_DONE_ACCEPTED);
    CHECK(done.peer.port != 0);
    CHECK_EQ(submit_to(rig, IO_OP_ADOPT, done.sock), 0);
    if (reads) {
        set_reads(rig, done.sock, true);
    }
    return done.sock;
}

static inline void write_all(int fd, uint32_t len, uint8_t byte)
{
    uint8_t bytes[16384];
    memset(bytes, byte, sizeof(bytes));
    REQUIRE(len <= sizeof(bytes) && send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static inline void close_with_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

static inline int write_body(struct rig *rig, uint32_t sock, uint32_t len)
{
    struct io_op op = {.kind = IO_OP_DATA, .sock = sock, .data.body = body_of(len, 1)};
    int status = io_uring.submit(rig->io, &op);
    if (status < 0) {
        leat_buf_unref(op.data.body.buf);
    }
    return status;
}

/* Until the kernel takes no more. */
static inline void fill(struct rig *rig, uint32_t sock)
{
    struct io_done done;
    for (int i = 0; i < 3; i++) {
        while (write_body(rig, sock, 50000) == 0) {
        }
        CHECK(!rig_next_within(rig, 10 * LEAT_MS, &done) || done.kind == IO_DONE_WRITABLE);
    }
    CHECK_EQ(sock_of(rig, sock)->sending, 1);
}

enum ending {
    CONNECTING,
    UNHEARD,
    ARMED,
    PAUSED,
    RECEIVED,
    SENDING,
    SENDING_AND_FINISHED,
    LINGERING,
    HALF_CLOSED,
    ENDINGS,
};

/* A connection in that state: its index; *fd is the peer's. */
static inline uint32_t bring_into(struct rig *rig, enum ending state, struct end *listener, int *fd)
{
    *fd = -1;
    if (state == CONNECTING) { /* its SYN is dropped: the listener's queue is full */
        struct io_op op = {.kind = IO_OP_CONNECT, .token = 7};
        op.connect.peer = address("127.0.0.1", 1);
        op.connect.timeout_ns = LEAT_SEC;
        op.connect.peer = listener->addr;
        CHECK_EQ(io_uring.submit(rig->io, &op), 0);
        for (uint32_t i = 0;; i++) {
            if (sock_of(rig, i)->token == 7 && sock_of(rig, i)->state == URING_CONNECTING) {
                return i;
            }
        }
    }
    *fd = client_of(listener);
    if (state == UNHEARD) {
        return UINT32_MAX;
    }
    uint32_t sock = accept_next(rig, state != PAUSED);
    rig_expect_nothing(rig);
    if (state == RECEIVED) {
        write_all(*fd, 5000, 1);
        struct io_done done;
        write_all(*fd, 5000, 1);
        while (sock_of(rig, sock)->got_len == 0) {
            unsigned n = io_uring.turn(rig->io, 0, &done, 1);
            leat_buf_unref(n > 0 ? done.body.buf : NULL);
            write_all(*fd, 5000, 1);
        }
    } else if (state == SENDING || state == SENDING_AND_FINISHED) {
        fill(rig, sock);
        if (state == SENDING_AND_FINISHED) {
            CHECK_EQ(submit_to(rig, IO_OP_FINISH, sock), 0);
        }
    } else if (state == LINGERING) {
        close_stream(rig, sock, false);
        CHECK_EQ(rig_expect(rig, IO_DONE_CLOSED).sock, sock);
        CHECK_EQ(sock_of(rig, sock)->state, URING_LINGERING);
    } else if (state == HALF_CLOSED) {
        shutdown(*fd, SHUT_WR);
        CHECK_EQ(rig_expect(rig, IO_DONE_FINISHED).sock, sock);
        rig_expect_nothing(rig);
        CHECK(sock_of(rig, sock)->polled);
    }
    return sock;
}

#endif
