/* Streams on io_uring, where they are particular: buffers that run dry, requests that are out when a
 * connection ends, a kernel that can do less, queues that overflow, and a ring that is refused after it
 * has started. What they have in common with other backends is in tests/conformance. */
#include "../conformance/io_rig.h"

#ifndef LEAT_HAVE_URING

TEST(uring_stream, none)
{
    SKIP("built without io_uring");
}

#else

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "uring_helpers.h"

static struct uring *uring_of(struct rig *rig)
{
    return (struct uring *)rig->io;
}

static struct uring_sock *sock_of(struct rig *rig, uint32_t index)
{
    return uring_of(rig)->socks[index];
}

/* ---- a listener, and clients that are plain sockets ---- */

static uint64_t next_token = 100;

static void open_rig(struct rig *rig, uint32_t trains, uint32_t queue_max)
{
    rig_begin(rig, &io_uring, trains, 64);
    rig->config.stream_queue_max = queue_max;
    REQUIRE(io_uring.init(&rig->config, &rig->io) == 0);
}

static int submit_to(struct rig *rig, enum io_op_kind kind, uint32_t sock)
{
    struct io_op op = {.kind = kind, .sock = sock, .token = ++next_token};
    return io_uring.submit(rig->io, &op);
}

static void set_reads(struct rig *rig, uint32_t sock, bool on)
{
    struct io_op op = {.kind = IO_OP_READ, .sock = sock, .read.on = on};
    CHECK_EQ(io_uring.submit(rig->io, &op), 0);
}

static void close_stream(struct rig *rig, uint32_t sock, bool reset)
{
    struct io_op op = {.kind = IO_OP_CLOSE, .sock = sock, .close.reset = reset};
    CHECK_EQ(io_uring.submit(rig->io, &op), 0);
}

static struct end listen_here(struct rig *rig)
{
    struct io_op op = {.kind = IO_OP_LISTEN, .token = ++next_token};
    op.listen.local = address("127.0.0.1", 0);
    REQUIRE(io_uring.submit(rig->io, &op) == 0);
    struct io_done done = rig_expect(rig, IO_DONE_OPENED);
    REQUIRE(done.status == 0);
    return (struct end){.sock = done.sock, .token = done.token, .addr = done.peer};
}

static int client_of(const struct end *listener)
{
    union addr_any any;
    socklen_t len = addr_to_any(&listener->addr, AF_INET, &any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, &any.any, len) == 0);
    return fd;
}

/* The next one that is accepted, adopted, and read if `reads`. */
static uint32_t accept_next(struct rig *rig, bool reads)
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

static void write_all(int fd, uint32_t len, uint8_t byte)
{
    uint8_t bytes[16384];
    memset(bytes, byte, sizeof(bytes));
    REQUIRE(len <= sizeof(bytes) && send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static void close_with_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

static int write_body(struct rig *rig, uint32_t sock, uint32_t len)
{
    struct io_op op = {.kind = IO_OP_DATA, .sock = sock, .data.body = body_of(len, 1)};
    int status = io_uring.submit(rig->io, &op);
    if (status < 0) {
        leat_buf_unref(op.data.body.buf);
    }
    return status;
}

/* Until the kernel takes no more. */
static void fill(struct rig *rig, uint32_t sock)
{
    struct io_done done;
    for (int i = 0; i < 3; i++) {
        while (write_body(rig, sock, 50000) == 0) {
        }
        CHECK(!rig_next_within(rig, 10 * LEAT_MS, &done) || done.kind == IO_DONE_WRITABLE);
    }
    CHECK_EQ(sock_of(rig, sock)->sending, 1);
}

/* ---- buffers ---- */

enum { CROWD = 150, EACH = 6000 };

/* Bodies are kept until there is no receive buffer; when they come home it goes on. */
static void runs_dry(bool no_incremental)
{
    need_uring();
    struct rig rig;
    int fds[CROWD];
    uint32_t got[CROWD * 2] = {0};
    static leat_slice kept[CROWD * 8];
    uint32_t kept_len = 0;
    uring_test.no_incremental = no_incremental;
    open_rig(&rig, 6, 65536);
    struct end listener = listen_here(&rig);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = client_of(&listener);
        accept_next(&rig, true);
    }
    for (int i = 0; i < CROWD; i++) {
        write_all(fds[i], EACH, (uint8_t)i);
    }
    uring_test = (struct uring_test){0};
    CHECK(!no_incremental || !uring_of(&rig)->pieces->incremental);
    struct io_done done;
    while (rig_next_within(&rig, 50 * LEAT_MS, &done)) {
        REQUIRE(done.kind == IO_DONE_DATA && kept_len < CROWD * 8);
        got[done.sock] += done.body.len;
        kept[kept_len++] = done.body;
    }
    CHECK_EQ(rig.io->base.stats.recv_starved, 1);
    CHECK(rig.io->base.stats.recv_bytes < (uint64_t)CROWD * EACH);
    while (kept_len > 0) {
        leat_buf_unref(kept[--kept_len].buf);
    }
    uint64_t bytes = 0;
    while (rig.io->base.stats.recv_bytes < (uint64_t)CROWD * EACH &&
           rig_next_within(&rig, 2 * LEAT_SEC, &done)) {
        REQUIRE(done.kind == IO_DONE_DATA);
        got[done.sock] += done.body.len;
        leat_buf_unref(done.body.buf);
    }
    for (; rig.next < rig.done_len; rig.next++) {
        got[rig.done[rig.next].sock] += rig.done[rig.next].body.len;
        leat_buf_unref(rig.done[rig.next].body.buf);
    }
    for (uint32_t i = 0; i < CROWD * 2; i++) {
        CHECK(got[i] == 0 || got[i] == EACH);
        bytes += got[i];
    }
    CHECK_EQ(bytes, (uint64_t)CROWD * EACH);
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    rig_close(&rig);
}

TEST(uring_stream, buffers_run_dry_and_it_goes_on)
{
    runs_dry(false);
}

TEST(uring_stream, buffers_run_dry_where_each_serves_one_read)
{
    runs_dry(true);
}

/* A datagram socket and streams have each their part of few buffers. */
TEST(uring_stream, datagrams_leave_a_buffer_to_streams)
{
    need_uring();
    for (uint32_t trains = 2; trains < 6; trains++) {
        struct rig rig;
        open_rig(&rig, trains, 65536);
        struct end udp = rig_socket(&rig, "127.0.0.1");
        rig_expect_nothing(&rig);
        struct end listener = listen_here(&rig);
        int fd = client_of(&listener);
        uint32_t sock = accept_next(&rig, true);
        for (int i = 0; i < 50; i++) {
            struct io_done in;
            write_all(fd, 3000, 1);
            for (uint32_t bytes = 0; bytes < 3000; bytes += in.body.len) {
                in = rig_expect(&rig, IO_DONE_DATA);
                CHECK_EQ(in.sock, sock);
                leat_buf_unref(in.body.buf);
            }
            rig_send(&rig, udp.sock, &udp.addr, 10, 1);
            in = rig_expect(&rig, IO_DONE_DATA);
            CHECK_EQ(in.sock, udp.sock);
            leat_buf_unref(in.body.buf);
        }
        close(fd);
        rig_close(&rig);
    }
}

/* A request on each of many connections at once finds buffers, without one for each in advance. */
static void many_short(bool no_incremental)
{
    enum { CONNECTIONS = 300, ROUNDS = 12, WARM = 8 };
    need_uring();
    struct rig rig;
    int fds[CONNECTIONS];
    uint64_t dry = 0;
    uring_test.no_incremental = no_incremental;
    open_rig(&rig, 256, 65536);
    struct end listener = listen_here(&rig);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = client_of(&listener);
        accept_next(&rig, true);
    }
    uring_test = (struct uring_test){0};
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            write_all(fds[i], 64, (uint8_t)round);
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            struct io_done in = rig_expect(&rig, IO_DONE_DATA);
            CHECK_EQ(in.body.len, 64);
            CHECK_EQ(leat_slice_data(in.body)[63], round);
            CHECK_EQ(in.body.buf->class, BUF_SMALL);
            leat_buf_unref(in.body.buf);
        }
        dry = round < WARM ? uring_of(&rig)->pieces->ran_dry : dry;
    }
    CHECK_EQ(uring_of(&rig)->pieces->ran_dry, dry);
    CHECK(rig.pool->trains_len <= (no_incremental ? 64u : 16u));
    CHECK_EQ(rig.io->base.stats.recv_starved, 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    rig_close(&rig);
}

TEST(uring_stream, many_short_requests_share_buffers)
{
    many_short(false);
}

TEST(uring_stream, many_short_requests_where_each_buffer_serves_one)
{
    many_short(true);
}

/* ---- reading, on and off ---- */

TEST(uring_stream, off_bounds_what_still_comes)
{
    need_uring();
    struct rig rig;
    open_rig(&rig, 256, 65536);
    struct end listener = listen_here(&rig);
    int fd = client_of(&listener);
    uint32_t sock = accept_next(&rig, true);
    write_all(fd, 100, 1);
    leat_buf_unref(rig_expect(&rig, IO_DONE_DATA).body.buf);
    set_reads(&rig, sock, false);
    rig_expect_nothing(&rig);
    CHECK(!sock_of(&rig, sock)->armed);
    for (int i = 0; i < 10; i++) {
        write_all(fd, 1000, 2);
    }
    rig_expect_nothing(&rig);
    set_reads(&rig, sock, true);
    set_reads(&rig, sock, false);
    set_reads(&rig, sock, true);
    uint32_t bytes = 0;
    while (bytes < 10000) {
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        bytes += in.body.len;
        leat_buf_unref(in.body.buf);
    }
    CHECK_EQ(bytes, 10000);
    close(fd);
    CHECK_EQ(rig_expect(&rig, IO_DONE_FINISHED).sock, sock);
    rig_close(&rig);
}

/* The kernel wakes a receive that has read everything no more, if the reset was there before. */
TEST(uring_stream, a_reset_behind_data_is_noticed)
{
    need_uring();
    static const uint32_t lengths[] = {1, 100, 4096, 12000, 16384};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (int reads = 0; reads < 2; reads++) {
            for (int many = 1; many < 60; many += 29) {
                struct rig rig;
                open_rig(&rig, 256, 65536);
                struct end listener = listen_here(&rig);
                int fd = client_of(&listener);
                uint32_t sock = accept_next(&rig, reads == 1);
                rig_expect_nothing(&rig);
                for (int n = 0; n < many; n++) {
                    write_all(fd, lengths[i], 1);
                }
                close_with_reset(fd);
                set_reads(&rig, sock, true);
                struct io_done done = {0};
                while (done.kind != IO_DONE_CLOSED && rig_next_within(&rig, LEAT_SEC, &done)) {
                    CHECK(done.kind == IO_DONE_DATA || done.kind == IO_DONE_CLOSED);
                    leat_buf_unref(done.body.buf);
                }
                CHECK_EQ(done.kind, IO_DONE_CLOSED);
                CHECK_EQ(done.status, -ECONNRESET);
                rig_close(&rig);
            }
        }
    }
}

/* ---- ends ---- */

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
static uint32_t bring_into(struct rig *rig, enum ending state, struct end *listener, int *fd)
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

TEST(uring_stream, ends_in_every_state)
{
    need_uring();
    struct rig rig;
    open_rig(&rig, 32, 100000);
    struct end listener = listen_here(&rig);
    for (enum ending state = 0; state < ENDINGS; state++) {
        for (int reset = 0; reset < 2; reset++) {
            int fd;
            if (state == UNHEARD || state == CONNECTING) {
                continue;
            }
            uint32_t sock = bring_into(&rig, state, &listener, &fd);
            if (state == LINGERING) {
                CHECK_EQ(submit_to(&rig, IO_OP_FINISH, sock), -EBADF);
            } else {
                close_stream(&rig, sock, reset == 1);
                if (reset == 0 && (state == SENDING || state == SENDING_AND_FINISHED)) {
                    rig_expect_nothing(&rig); /* it waits for its queue to leave */
                    close_with_reset(fd);
                    fd = -1;
                }
                struct io_done done = rig_expect(&rig, IO_DONE_CLOSED);
                CHECK_EQ(done.sock, sock);
                CHECK(done.status == 0 || done.status == -ECONNRESET || done.status == -EPIPE);
            }
            if (fd >= 0) {
                close(fd);
            }
            rig_expect_nothing(&rig);
            CHECK_EQ(sock_of(&rig, sock)->state, URING_FREE);
            CHECK_EQ(sock_of(&rig, sock)->outstanding, 0);
        }
    }
    CHECK(uring_of(&rig)->socks_len <= 3); /* indexes are used again */
    CHECK_EQ(uring_of(&rig)->begun_len, 0);
    CHECK_EQ(rig.io->base.stats.sockets, 1);
    rig_close(&rig);
}

TEST(uring_stream, fini_in_every_state)
{
    need_uring();
    for (int turns = 0; turns < 4; turns++) {
        for (enum ending state = 0; state < ENDINGS; state++) {
            struct rig rig;
            int fds[3];
            open_rig(&rig, 32, 100000);
            struct end listener = listen_here(&rig);
            for (int i = 0; i < 3; i++) {
                bring_into(&rig, state, &listener, &fds[i]);
            }
            for (int i = 0; i < turns; i++) {
                struct io_done done;
                unsigned n = io_uring.turn(rig.io, 0, &done, 1);
                leat_buf_unref(n > 0 ? done.body.buf : NULL);
            }
            for (int i = 0; i < 3; i++) {
                if (fds[i] >= 0) {
                    close(fds[i]);
                }
            }
            rig_close(&rig);
        }
    }
}

/* Connecting to somebody who does not answer: a queue that is full. */
TEST(uring_stream, connecting_is_cancelled_or_times_out)
{
    need_uring();
    struct rig rig;
    open_rig(&rig, 16, 65536);
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    REQUIRE(bind(full, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(full, 0) == 0 &&
            getsockname(full, (struct sockaddr *)&at, &len) == 0);
    int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(first, (struct sockaddr *)&at, sizeof(at)) == 0);
    for (int cancels = 0; cancels < 2; cancels++) {
        struct io_op op = {.kind = IO_OP_CONNECT, .token = 50};
        op.connect.peer = address("127.0.0.1", ntohs(at.sin_port));
        op.connect.timeout_ns = cancels == 1 ? 10 * LEAT_SEC : 50 * LEAT_MS;
        CHECK_EQ(io_uring.submit(rig.io, &op), 0);
        struct io_done done;
        if (cancels == 1) {
            CHECK(!rig_next_within(&rig, 20 * LEAT_MS, &done));
            struct io_op cancel = {.kind = IO_OP_CANCEL, .token = 50};
            CHECK_EQ(io_uring.submit(rig.io, &cancel), 0);
            CHECK_EQ(io_uring.submit(rig.io, &cancel), 0);
        }
        done = rig_expect(&rig, IO_DONE_OPENED);
        CHECK_EQ(done.token, 50);
        CHECK_EQ(done.status, cancels == 1 ? -ECANCELED : -ETIMEDOUT);
    }
    CHECK_EQ(uring_of(&rig)->begun_len, 0);
    close(first);
    close(full);
    rig_close(&rig);
}

/* Who closes, and whose peer does not read, gives up after a while: not here, but then it is cancelled. */
TEST(uring_stream, leaves_with_everything_outstanding)
{
    need_uring();
    struct rig rig;
    int fds[ENDINGS] = {-1};
    open_rig(&rig, 32, 100000);
    struct end listener = listen_here(&rig);
    uint32_t socks[ENDINGS];
    for (enum ending state = ARMED; state < ENDINGS; state++) {
        socks[state] = bring_into(&rig, state, &listener, &fds[state]);
    }
    io_uring.leave(rig.io);
    CHECK_EQ(uring_of(&rig)->ring.outstanding, 0);
    close_stream(&rig, socks[SENDING], false);
    close_stream(&rig, socks[ARMED], true);
    close_stream(&rig, listener.sock, false);
    unsigned closed = 0;
    for (int i = 0; i < 8; i++) {
        struct io_done done[16];
        unsigned n = io_uring.turn(rig.io, 0, done, 16);
        for (unsigned at = 0; at < n; at++) {
            closed += done[at].kind == IO_DONE_CLOSED;
            leat_buf_unref(done[at].body.buf);
        }
    }
    CHECK_EQ(closed, 3);
    struct io_op op = {.kind = IO_OP_LISTEN, .token = 9, .listen.local = listener.addr};
    struct io_done done;
    CHECK_EQ(io_uring.submit(rig.io, &op), 0);
    CHECK_EQ(io_uring.turn(rig.io, 0, &done, 1), 1);
    CHECK_EQ(done.status, -ESHUTDOWN);
    for (enum ending state = ARMED; state < ENDINGS; state++) {
        close(fds[state]);
    }
    rig_close(&rig);
}

/* ---- a kernel that can do less, queues that are too short ---- */

static void echo_with_many(struct rig *rig, int connections)
{
    int fds[100];
    uint32_t socks[100];
    REQUIRE(connections <= 100);
    struct end listener = listen_here(rig);
    for (int i = 0; i < connections; i++) {
        fds[i] = client_of(&listener);
    }
    for (int i = 0; i < connections; i++) {
        socks[i] = accept_next(rig, true);
    }
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < connections; i++) {
            write_all(fds[i], 2500, (uint8_t)i);
        }
        uint32_t bytes = 0;
        while (bytes < 2500u * (uint32_t)connections) {
            struct io_done in = rig_expect(rig, IO_DONE_DATA);
            bytes += in.body.len;
            struct io_op op = {.kind = IO_OP_DATA, .sock = in.sock, .data.body = in.body};
            CHECK_EQ(io_uring.submit(rig->io, &op), 0);
        }
        rig_expect_nothing(rig);
        for (int i = 0; i < connections; i++) {
            uint8_t got[2500];
            CHECK_EQ(recv(fds[i], got, sizeof(got), MSG_WAITALL), sizeof(got));
            CHECK(got[0] == i && got[2499] == i);
        }
    }
    for (int i = 0; i < connections; i++) {
        close_stream(rig, socks[i], i % 2 == 0);
    }
    for (int i = 0; i < connections; i++) {
        rig_expect(rig, IO_DONE_CLOSED);
        close(fds[i]);
    }
    close_stream(rig, listener.sock, false);
    rig_expect(rig, IO_DONE_CLOSED);
}

TEST(uring_stream, completions_overflow)
{
    need_uring();
    struct rig rig;
    uring_test.sq_len = 8;
    uring_test.cq_len = 8;
    open_rig(&rig, 256, 65536);
    uring_test = (struct uring_test){0};
    echo_with_many(&rig, 80);
    rig_close(&rig);
}

TEST(uring_stream, a_kernel_without_multishot_accept)
{
    need_uring();
    struct rig rig;
    uring_test.no_multishot_accept = true;
    open_rig(&rig, 256, 65536);
    uring_test = (struct uring_test){0};
    echo_with_many(&rig, 100);
    struct end listener = listen_here(&rig);
    set_reads(&rig, listener.sock, false);
    int fd = client_of(&listener);
    rig_expect_nothing(&rig);
    set_reads(&rig, listener.sock, true);
    accept_next(&rig, true);
    close(fd);
    rig_close(&rig);
}

TEST(uring_stream, setup_flags_make_no_difference)
{
    need_uring();
    static const uint32_t flags[] = {IORING_SETUP_DEFER_TASKRUN,
                                     IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct rig rig;
        uring_test.refused_flags = flags[i];
        open_rig(&rig, 256, 65536);
        uring_test = (struct uring_test){0};
        echo_with_many(&rig, 40);
        rig_close(&rig);
    }
}

/* ---- a ring that is refused after it has started ---- */

struct lines {
    unsigned errors;
    char     text[4096];
};

static void take_line(void *context, enum leat_log_level level, const char *text)
{
    struct lines *lines = context;
    size_t len = strlen(lines->text);
    lines->errors += level == LEAT_LOG_ERROR;
    snprintf(lines->text + len, sizeof(lines->text) - len, "%s\n", text);
}

/* After that everything has ended, it says so once, and sleeps. */
static int expect_the_end(struct rig *rig, const struct lines *lines, unsigned closed)
{
    struct io_done done;
    while (closed > 0) {
        NEED(rig_next_within(rig, LEAT_SEC, &done));
        leat_buf_unref(done.body.buf);
        if (done.kind == IO_DONE_CLOSED) {
            NEED(done.status == -EPERM);
            closed--;
        }
    }
    NEED(rig->io->base.stats.sockets == 0);
    NEED(lines->errors == 1 && strstr(lines->text, "a seccomp filter") != NULL);
    struct io_op open = {.kind = IO_OP_OPEN, .token = 1, .open.local = address("127.0.0.1", 0)};
    struct io_op listen = {.kind = IO_OP_LISTEN, .token = 2, .listen.local = open.open.local};
    NEED(io_uring.submit(rig->io, &open) == 0);
    NEED(io_uring.submit(rig->io, &listen) == 0);
    for (int i = 0; i < 2; i++) {
        NEED(rig_next_within(rig, LEAT_SEC, &done));
        NEED(done.kind == IO_DONE_OPENED && done.status == -EPERM);
    }
    leat_time start = io_uring.now(rig->io);
    for (int i = 0; i < 4; i++) { /* a wake from before may still be there */
        NEED(io_uring.turn(rig->io, start + 60 * LEAT_MS, &done, 1) == 0);
    }
    NEED(io_uring.now(rig->io) - start >= 60 * LEAT_MS);
    io_uring.wake(rig->io);
    NEED(io_uring.turn(rig->io, LEAT_NEVER, &done, 1) == 0);
    NEED(lines->errors == 1);
    return 0;
}

static int refused_later(const void *arg)
{
    const int number = *(const int *)arg;
    struct rig rig;
    struct lines lines = {0};
    rig_begin(&rig, &io_uring, 32, 64);
    rig.config.log = take_line;
    rig.config.log_context = &lines;
    NEED(io_uring.init(&rig.config, &rig.io) == 0);
    if (number == SYS_io_uring_register) { /* before its first turn */
        refuse(number, EPERM);
        struct io_op open = {.kind = IO_OP_OPEN, .token = 1, .open.local = address("127.0.0.1", 0)};
        NEED(io_uring.submit(rig.io, &open) == 0);
        NEED(expect_the_end(&rig, &lines, 1) == 0);
        rig_close(&rig);
        return 0;
    }
    struct end udp = rig_socket(&rig, "127.0.0.1");
    struct end listener = listen_here(&rig);
    int fds[4];
    uint32_t armed = bring_into(&rig, ARMED, &listener, &fds[0]);
    bring_into(&rig, SENDING, &listener, &fds[1]);
    bring_into(&rig, LINGERING, &listener, &fds[2]);
    bring_into(&rig, HALF_CLOSED, &listener, &fds[3]);
    refuse(number, EPERM);
    NEED(write_body(&rig, armed, 100) == 0);
    rig_send(&rig, udp.sock, &udp.addr, 10, 1);
    NEED(expect_the_end(&rig, &lines, 5) == 0);
    char byte;
    NEED(recv(fds[0], &byte, 1, 0) <= 0); /* the peers hear of it at once */
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    rig_close(&rig);
    return 0;
}

TEST(uring_stream, a_ring_refused_later_ends_its_sockets_and_sleeps)
{
    need_uring();
    static const int numbers[] = {SYS_io_uring_enter, SYS_io_uring_register};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int status = in_child(refused_later, &numbers[i]);
        CHECK_EQ(status == 77 ? 0 : status, 0);
    }
}

/* ---- "auto" is one backend for all workers ---- */

/* Locked memory for the probe, and for some workers. */
static int too_little_for_all(const void *arg)
{
    (void)arg;
    struct rlimit low = {.rlim_cur = 350000, .rlim_max = 350000};
    NEED(setrlimit(RLIMIT_MEMLOCK, &low) == 0);
    if (geteuid() == 0) {
        NEED(setresgid(47110, 47110, 47110) == 0);
        NEED(setresuid(47110, 47110, 47110) == 0); /* without CAP_IPC_LOCK */
    }
    struct lines lines = {0};
    struct leat_config config = leat_config_default();
    leat_runtime *runtime = NULL;
    config.workers = 8;
    config.log = take_line;
    config.log_context = &lines;
    config.io = "auto";
    NEED(leat_runtime_open(&config, &runtime) == 0);
    bool counts = strcmp(leat_io_name(runtime), "uring") != 0;
    NEED(leat_runtime_close(runtime) == 0);
    if (!counts) {
        return 77;
    }
    NEED(strstr(lines.text, "all workers use \"epoll\" instead") != NULL);
    NEED(strstr(lines.text, "raise the limit of locked memory (ulimit -l)") != NULL);
    NEED(lines.errors == 0);
    lines = (struct lines){0};
    config.io = "uring"; /* by name it is that or nothing */
    NEED(leat_runtime_open(&config, &runtime) < 0);
    NEED(lines.errors == 1);
    NEED(strstr(lines.text, "raise the limit of locked memory (ulimit -l)") != NULL);
    return 0;
}

TEST(uring_stream, auto_falls_back_for_all_workers)
{
    need_uring();
    int status = in_child(too_little_for_all, NULL);
    if (status == 77) {
        SKIP("this kernel does not count the memory of rings");
    }
    CHECK_EQ(status, 0);
}

#endif
