/* Streams on io_uring, where they are particular: buffers that run dry, requests that are out when
 * a connection ends, a kernel that can do less, and queues that overflow. What they have in common
 * with other backends is in tests/conformance. */
#include "../conformance/io_rig.h"

#ifndef LEAT_HAVE_URING

TEST(uring_stream, none)
{
    SKIP("built without io_uring");
}

#else

#include "uring_streams.h"

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

/* Nobody could say whose it was. */
TEST(uring_stream, one_that_was_reset_before_is_not_told_of)
{
    need_uring();
    struct rig rig;
    open_rig(&rig, 32, 65536);
    struct end listener = listen_here(&rig);
    rig_expect_nothing(&rig);
    close_with_reset(client_of(&listener));
    rig_expect_nothing(&rig);
    CHECK_EQ(rig.io->base.stats.accept_failed, 1);
    CHECK_EQ(rig.io->base.stats.accepted, 0);
    int fd = client_of(&listener);
    accept_next(&rig, false);
    close(fd);
    rig_close(&rig);
}

/* ---- reading, on and off ---- */

TEST(uring_stream, off_and_on_again)
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

/* As many bytes of a pattern as the kernel takes, from `at` on. */
static uint32_t send_pattern(int fd, uint32_t at, uint32_t total)
{
    uint8_t bytes[65536];
    uint32_t first = at;
    while (at < total) {
        uint32_t len = total - at < sizeof(bytes) ? total - at : (uint32_t)sizeof(bytes);
        for (uint32_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)((at + i) % 251);
        }
        ssize_t sent = send(fd, bytes, len, MSG_DONTWAIT);
        if (sent < 0) {
            break;
        }
        at += (uint32_t)sent;
    }
    return at - first;
}

/* What a turn gives is bounded, off gives nothing, and what is kept is bounded: beyond
 * URING_KEPT_BYTES by what one system call can bring, which is all pieces that the kernel has. */
static void off_keeps(uint32_t trains)
{
    enum { TOTAL = 16 * 1024 * 1024 };
    struct rig rig;
    open_rig(&rig, trains, 65536);
    struct end listener = listen_here(&rig);
    int fd = client_of(&listener);
    uint32_t sock = accept_next(&rig, false);
    uint32_t sent = 0, got = 0;
    const struct uring_pieces *pieces = uring_of(&rig)->pieces;
    uint32_t kept_max = URING_KEPT_BYTES + pieces->max * pieces->piece_len;
    struct io_done done[DONE_LEN];
    for (bool on = true; got < TOTAL; on = !on) {
        sent += send_pattern(fd, sent, TOTAL);
        set_reads(&rig, sock, on);
        for (int turn = 0; turn < 3; turn++) {
            uint32_t given = 0;
            unsigned n = io_uring.turn(rig.io, 0, done, DONE_LEN);
            for (unsigned i = 0; i < n; i++) {
                REQUIRE(done[i].kind == IO_DONE_DATA && on);
                given += done[i].body.len;
                for (uint32_t at = 0; at < done[i].body.len; at++, got++) {
                    REQUIRE(leat_slice_data(done[i].body)[at] == got % 251);
                }
                leat_buf_unref(done[i].body.buf);
            }
            CHECK(given <= URING_GIVEN_BYTES);
            const struct uring_sock *in = sock_of(&rig, sock);
            CHECK(in->got_bytes < kept_max);
            for (const union node *kept = in->got_first; !on && kept != NULL; kept = kept->next) {
                CHECK(kept->event.body.buf->class != BUF_TRAIN); /* others need them */
            }
        }
    }
    CHECK_EQ(sock_of(&rig, sock)->got_bytes, 0);
    close(fd);
    rig_close(&rig);
}

TEST(uring_stream, off_keeps_what_has_come)
{
    need_uring();
    off_keeps(256);
    off_keeps(16);
    off_keeps(4);
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

/* Who closes, and whose peer does not read, gives up after a while: not here, but then it is
 * cancelled. */
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

#endif
