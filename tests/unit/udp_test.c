/* The send queue of UDP sockets: which datagrams become one train, and what happens when the kernel
 * says no. sendmmsg is this file's: it follows a script, then takes everything. */
#include <errno.h>
#include <netinet/udp.h>

#include <leat/leat.h>

#include "check.h"
#include "mem.h"
#include "ready.h"
#include "udp.h"

/* ---- the kernel ---- */

#define SCRIPT_LEN 16
#define TAKE_ALL 0

static struct {
    int      script[SCRIPT_LEN]; /* negative errno; n > 0: take that many; TAKE_ALL */
    unsigned script_len;
    unsigned calls;
    unsigned messages; /* taken */
    unsigned trains;
    unsigned datagrams;
    unsigned bytes;
} kernel;

static unsigned segment_of(struct msghdr *header)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_SEGMENT) {
            uint16_t size;
            memcpy(&size, CMSG_DATA(at), sizeof(size));
            return size;
        }
    }
    return 0;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
    (void)fd;
    (void)flags;
    unsigned call = kernel.calls++;
    int order = call < kernel.script_len ? kernel.script[call] : TAKE_ALL;
    if (order < 0) {
        errno = -order;
        return -1;
    }
    unsigned take = order == TAKE_ALL || (unsigned)order > n ? n : (unsigned)order;
    for (unsigned i = 0; i < take; i++) {
        unsigned len = 0;
        unsigned segment = segment_of(&messages[i].msg_hdr);
        for (size_t k = 0; k < messages[i].msg_hdr.msg_iovlen; k++) {
            len += (unsigned)messages[i].msg_hdr.msg_iov[k].iov_len;
        }
        messages[i].msg_len = len;
        kernel.messages++;
        kernel.trains += segment > 0;
        kernel.datagrams += segment > 0 ? (len + segment - 1) / segment : 1;
        kernel.bytes += len;
    }
    return (int)take;
}

static void script(unsigned len, const int *orders)
{
    memset(&kernel, 0, sizeof(kernel));
    memcpy(kernel.script, orders, len * sizeof(orders[0]));
    kernel.script_len = len;
}

#define SCRIPT(...)                                                                                \
    script(sizeof((int[]){__VA_ARGS__}) / sizeof(int), (const int[]){__VA_ARGS__})

/* ---- a socket ---- */

struct bench {
    struct pools    pools;
    struct io_stats stats;
    struct udp     *udp;
    struct udp_sock sock;
};

static void bench_open(struct bench *bench, uint32_t queue_len_max)
{
    memset(bench, 0, sizeof(*bench));
    memset(&kernel, 0, sizeof(kernel));
    struct pool *pool = pool_open(&bench->pools, 0, 32);
    bench->udp = mem_zalloc(sizeof(*bench->udp), 64);
    REQUIRE(pool != NULL && bench->udp != NULL);
    pool_set_current(pool);
    udp_init(bench->udp, pool, &bench->stats, queue_len_max);
    struct io_op op = {.kind = IO_OP_OPEN};
    REQUIRE(leat_addr_from_host("127.0.0.1", 0, &op.open.local) == 0);
    REQUIRE(udp_open(bench->udp, &bench->sock, &op) == 0);
    bench->sock.gso = true; /* whatever this kernel can */
}

static void bench_close(struct bench *bench)
{
    udp_close(bench->udp, &bench->sock);
    udp_fini(bench->udp);
    mem_free(bench->udp);
    CHECK_EQ(pool_bufs_out(bench->pools.at[0]), 0);
    pool_set_current(NULL);
    pools_fini(&bench->pools);
}

static struct leat_addr peer_number(uint32_t n)
{
    struct leat_addr peer;
    REQUIRE(leat_addr_from_host("127.0.0.1", (uint16_t)(1000 + n % 50000), &peer) == 0);
    peer.ip[13] = (uint8_t)(n / 50000);
    return peer;
}

static int submit(struct bench *bench, uint32_t peer, leat_slice body, uint32_t segment_size)
{
    struct leat_addr to = peer_number(peer);
    struct io_op op = {.kind = IO_OP_DATA};
    op.data.body = body;
    op.data.peer = &to;
    op.data.segment_size = segment_size;
    int status = udp_submit(bench->udp, &bench->sock, &op);
    if (status < 0) {
        leat_buf_unref(body.buf);
    }
    return status;
}

static leat_slice bytes(uint32_t len)
{
    leat_slice body;
    REQUIRE(leat_buf_alloc(len, &body) == 0);
    memset(leat_slice_data(body), 7, len);
    return body;
}

static void send_len(struct bench *bench, uint32_t peer, uint32_t len)
{
    REQUIRE(submit(bench, peer, bytes(len), 0) == 0);
}

static unsigned count_runs(const struct bench *bench)
{
    unsigned n = 0;
    for (const struct udp_run *run = bench->sock.first; run != NULL; run = run->next) {
        n++;
    }
    return n;
}

static unsigned count_pieces(const struct udp_run *run)
{
    unsigned n = 0;
    for (const struct udp_piece *piece = &run->first; piece != NULL; piece = piece->next) {
        n++;
    }
    return n;
}

/* ---- coalescing ---- */

TEST(udp, equal_sizes_make_one_run)
{
    struct bench bench;
    bench_open(&bench, 1024);
    for (int i = 0; i < 10; i++) {
        send_len(&bench, 1, 100);
    }
    CHECK_EQ(count_runs(&bench), 1);
    CHECK_EQ(bench.sock.first->segments, 10);
    CHECK_EQ(count_pieces(bench.sock.first), 10);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
    CHECK_EQ(kernel.calls, 1);
    CHECK_EQ(kernel.messages, 1);
    CHECK_EQ(kernel.trains, 1);
    CHECK_EQ(kernel.datagrams, 10);
    CHECK_EQ(bench.stats.sent_datagrams, 10);
    CHECK_EQ(bench.stats.sent_bytes, 1000);
    bench_close(&bench);
}

TEST(udp, one_datagram_is_no_train)
{
    struct bench bench;
    bench_open(&bench, 1024);
    send_len(&bench, 1, 100);
    send_len(&bench, 2, 100);
    send_len(&bench, 3, 0);
    udp_flush(bench.udp, &bench.sock);
    CHECK_EQ(kernel.messages, 3);
    CHECK_EQ(kernel.trains, 0);
    bench_close(&bench);
}

TEST(udp, adjacent_slices_make_one_piece)
{
    struct bench bench;
    bench_open(&bench, 1024);
    leat_slice body = bytes(1000);
    for (uint32_t i = 0; i < 8; i++) {
        REQUIRE(submit(&bench, 1, leat_slice_ref(leat_slice_sub(body, i * 100, 100)), 0) == 0);
    }
    CHECK_EQ(count_pieces(bench.sock.first), 1);
    CHECK_EQ(bench.sock.first->first.refs, 8);
    CHECK_EQ(body.buf->refs, 9);
    REQUIRE(submit(&bench, 1, leat_slice_ref(leat_slice_sub(body, 900, 100)), 0) == 0);
    CHECK_EQ(count_pieces(bench.sock.first), 2);
    CHECK_EQ(count_runs(&bench), 1);
    udp_flush(bench.udp, &bench.sock);
    CHECK_EQ(kernel.datagrams, 9);
    CHECK_EQ(body.buf->refs, 1);
    leat_buf_unref(body.buf);
    bench_close(&bench);
}

TEST(udp, the_last_reference_is_the_queues)
{
    struct bench bench;
    bench_open(&bench, 1024);
    leat_slice body = bytes(300);
    for (uint32_t i = 0; i < 3; i++) {
        REQUIRE(submit(&bench, 1, leat_slice_ref(leat_slice_sub(body, i * 100, 100)), 0) == 0);
    }
    leat_buf_unref(body.buf);
    udp_flush(bench.udp, &bench.sock);
    bench_close(&bench); /* counts the buffers */
}

TEST(udp, a_shorter_one_ends_a_run)
{
    struct bench bench;
    bench_open(&bench, 1024);
    send_len(&bench, 1, 100);
    send_len(&bench, 1, 100);
    send_len(&bench, 1, 60);
    CHECK_EQ(count_runs(&bench), 1);
    send_len(&bench, 1, 60);
    CHECK_EQ(count_runs(&bench), 2);
    send_len(&bench, 1, 61);
    CHECK_EQ(count_runs(&bench), 3);
    send_len(&bench, 1, 0);
    CHECK_EQ(count_runs(&bench), 4);
    send_len(&bench, 1, 0);
    CHECK_EQ(count_runs(&bench), 5);
    send_len(&bench, 1, 61);
    CHECK_EQ(count_runs(&bench), 6);
    udp_flush(bench.udp, &bench.sock);
    CHECK_EQ(kernel.datagrams, 8);
    CHECK_EQ(kernel.trains, 1);
    bench_close(&bench);
}

TEST(udp, limits_of_a_run)
{
    struct bench bench;
    bench_open(&bench, 1024);
    for (int i = 0; i < 65; i++) {
        send_len(&bench, 1, 10);
    }
    CHECK_EQ(count_runs(&bench), 2);
    CHECK_EQ(bench.sock.first->segments, 64);
    for (int i = 0; i < 51; i++) {
        send_len(&bench, 2, 1200);
    }
    CHECK_EQ(count_runs(&bench), 4);
    CHECK_EQ(bench.sock.first->next->next->bytes, 60000);
    send_len(&bench, 3, 40000);
    send_len(&bench, 3, 40000);
    CHECK_EQ(count_runs(&bench), 6);
    udp_flush(bench.udp, &bench.sock);
    CHECK_EQ(kernel.datagrams, 118);
    bench_close(&bench);
}

TEST(udp, interleaved_peers_coalesce)
{
    struct bench bench;
    bench_open(&bench, 4096);
    for (uint32_t k = 0; k < 8; k++) {
        for (uint32_t peer = 0; peer < 200; peer++) {
            send_len(&bench, peer, 50);
        }
    }
    CHECK_EQ(count_runs(&bench), 200);
    udp_flush(bench.udp, &bench.sock);
    CHECK_EQ(kernel.trains, 200);
    CHECK_EQ(kernel.datagrams, 1600);
    bench_close(&bench);
}

TEST(udp, another_local_address_ends_a_run)
{
    struct bench bench;
    bench_open(&bench, 1024);
    struct leat_addr to = peer_number(1);
    struct leat_addr local;
    REQUIRE(leat_addr_from_host("127.0.0.2", 0, &local) == 0);
    for (int i = 0; i < 6; i++) {
        struct io_op op = {.kind = IO_OP_DATA};
        op.data.body = bytes(10);
        op.data.peer = &to;
        op.data.local = i / 2 % 2 == 0 ? NULL : &local;
        REQUIRE(udp_submit(bench.udp, &bench.sock, &op) == 0);
    }
    CHECK_EQ(count_runs(&bench), 3);
    bench_close(&bench);
}

TEST(udp, trains_join_and_are_cut)
{
    struct bench bench;
    bench_open(&bench, 4096);
    REQUIRE(submit(&bench, 1, bytes(1000), 100) == 0);
    REQUIRE(submit(&bench, 1, bytes(1000), 100) == 0);
    send_len(&bench, 1, 100);
    CHECK_EQ(count_runs(&bench), 1);
    CHECK_EQ(bench.sock.first->segments, 21);
    REQUIRE(submit(&bench, 1, bytes(1050), 100) == 0);
    CHECK_EQ(count_runs(&bench), 1); /* the last one is shorter, and the end */
    send_len(&bench, 1, 100);
    CHECK_EQ(count_runs(&bench), 2);
    REQUIRE(submit(&bench, 2, bytes(150 * 10), 10) == 0);
    CHECK_EQ(count_runs(&bench), 5);
    send_len(&bench, 2, 10); /* joins the last part */
    CHECK_EQ(count_runs(&bench), 5);
    udp_flush(bench.udp, &bench.sock);
    CHECK_EQ(kernel.datagrams, 10 + 10 + 1 + 11 + 1 + 150 + 1);
    bench_close(&bench);
}

/* More peers than the index holds: fewer trains, the same order. */
TEST(udp, order_survives_a_full_index)
{
    enum { PEERS = 20000, ROUNDS = 3 };
    struct bench bench;
    bench_open(&bench, PEERS * ROUNDS);
    static uint32_t last[PEERS];
    memset(last, 0, sizeof(last));
    leat_slice body = bytes(1);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        for (uint32_t peer = 0; peer < PEERS; peer++) {
            /* The length says the round: longer ones start a new run. */
            leat_slice one = bytes(round);
            REQUIRE(submit(&bench, peer, one, 0) == 0);
        }
    }
    for (const struct udp_run *run = bench.sock.first; run != NULL; run = run->next) {
        uint32_t peer = (uint32_t)(run->peer.ip[13] * 50000 + run->peer.port - 1000);
        REQUIRE(peer < PEERS);
        CHECK(run->segment_size > last[peer]);
        last[peer] = run->segment_size;
    }
    leat_buf_unref(body.buf);
    udp_flush(bench.udp, &bench.sock);
    CHECK_EQ(kernel.datagrams, PEERS * ROUNDS);
    bench_close(&bench);
}

/* ---- the kernel says no ---- */

TEST(udp, a_device_without_gso)
{
    struct bench bench;
    bench_open(&bench, 1024);
    for (uint32_t peer = 0; peer < 3; peer++) {
        for (int i = 0; i < 5; i++) {
            send_len(&bench, peer, 100);
        }
        send_len(&bench, peer, 30);
    }
    SCRIPT(-EIO);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
    CHECK_EQ(kernel.trains, 0);
    CHECK_EQ(kernel.messages, 18);
    CHECK_EQ(kernel.bytes, 3 * 530);
    CHECK(!bench.sock.gso);
    CHECK_EQ(bench.stats.sent_datagrams, 18);
    CHECK_EQ(bench.stats.send_errors, 0);
    send_len(&bench, 1, 100);
    send_len(&bench, 1, 100);
    CHECK_EQ(count_runs(&bench), 2);
    bench_close(&bench);
}

TEST(udp, a_peer_without_room_for_the_segment)
{
    struct bench bench;
    bench_open(&bench, 1024);
    leat_slice body = bytes(500);
    for (uint32_t i = 0; i < 5; i++) {
        REQUIRE(submit(&bench, 1, leat_slice_ref(leat_slice_sub(body, i * 100, 100)), 0) == 0);
    }
    leat_buf_unref(body.buf);
    send_len(&bench, 2, 100);
    send_len(&bench, 2, 100);
    SCRIPT(-EINVAL, 2); /* then two of the five */
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
    CHECK_EQ(kernel.messages, 6);
    CHECK_EQ(kernel.trains, 1);
    CHECK_EQ(kernel.bytes, 700);
    CHECK(bench.sock.gso);
    bench_close(&bench);
}

TEST(udp, a_narrow_path_gets_no_trains_and_costs_nobody_else_his)
{
    struct bench bench;
    bench_open(&bench, 4096);
    for (uint32_t errno_at = 0; errno_at < 2; errno_at++) {
        const uint32_t peer = 10 + errno_at;
        send_len(&bench, peer, 1250);
        send_len(&bench, peer, 1250);
        send_len(&bench, 1, 1250);
        send_len(&bench, 1, 1250);
        if (errno_at == 0) {
            SCRIPT(-EINVAL);
        } else {
            SCRIPT(-EMSGSIZE, -EMSGSIZE, -EMSGSIZE); /* which may be about an earlier one */
        }
        CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
        CHECK_EQ(kernel.messages, 3);
        CHECK_EQ(kernel.trains, 1);
        send_len(&bench, peer, 1250);
        send_len(&bench, peer, 1250);
        CHECK_EQ(count_runs(&bench), 2);
        send_len(&bench, peer, 1200); /* shorter ones are tried */
        send_len(&bench, peer, 1200);
        CHECK_EQ(count_runs(&bench), 3);
        send_len(&bench, 1, 1250);
        send_len(&bench, 1, 1250);
        CHECK_EQ(count_runs(&bench), 4);
        udp_flush(bench.udp, &bench.sock);
    }
    CHECK(bench.sock.gso);
    CHECK_EQ(bench.stats.send_errors, 0);
    bench_close(&bench);
}

TEST(udp, a_narrow_path_is_tried_again_some_time)
{
    struct bench bench;
    bench_open(&bench, 4096);
    leat_slice train = bytes(2600);
    REQUIRE(submit(&bench, 1, leat_slice_ref(train), 1300) == 0);
    SCRIPT(-EINVAL);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
    CHECK_EQ(bench.udp->narrow_len, 1);
    for (uint32_t i = 0; i <= UDP_NARROW_RUNS; i++) {
        REQUIRE(submit(&bench, 1, leat_slice_ref(train), 1300) == 0);
        SCRIPT(2);
        CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
        CHECK_EQ(kernel.trains, i == UDP_NARROW_RUNS);
        CHECK_EQ(kernel.datagrams, 2);
    }
    CHECK_EQ(bench.udp->narrow_len, 0);
    leat_buf_unref(train.buf);
    bench_close(&bench);
}

TEST(udp, more_narrow_paths_than_are_remembered)
{
    struct bench bench;
    bench_open(&bench, 4096);
    for (uint32_t i = 0; i < 4 * UDP_NARROW; i++) {
        leat_slice train = bytes(2600);
        REQUIRE(submit(&bench, i, train, 1300) == 0);
        SCRIPT(-EINVAL);
        CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
        CHECK_EQ(kernel.datagrams, 2);
    }
    CHECK(bench.udp->narrow_len > UDP_NARROW / 2 && bench.udp->narrow_len <= UDP_NARROW);
    CHECK(bench.sock.gso); /* however many there are: it is not the device */
    bench_close(&bench);
}

TEST(udp, gso_that_never_works_is_given_up)
{
    struct bench bench;
    bench_open(&bench, 1024);
    for (int i = 0; i < 100 && bench.sock.gso; i++) {
        send_len(&bench, 1, 100);
        send_len(&bench, 1, 100);
        SCRIPT(-EINVAL);
        CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
        CHECK_EQ(kernel.messages, 2);
        CHECK(i < 20);
    }
    CHECK(!bench.sock.gso);
    bench_close(&bench);
}

TEST(udp, an_earlier_icmp_error_costs_nothing)
{
    struct bench bench;
    bench_open(&bench, 1024);
    for (uint32_t peer = 0; peer < 4; peer++) {
        send_len(&bench, peer, 100);
        send_len(&bench, peer, 100);
    }
    SCRIPT(-ECONNREFUSED, 2, -EHOSTUNREACH, -ECONNREFUSED, 1, -ECONNREFUSED);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
    CHECK_EQ(kernel.trains, 4);
    CHECK_EQ(kernel.datagrams, 8);
    CHECK(bench.sock.gso);
    CHECK_EQ(bench.stats.send_errors, 0);
    CHECK_EQ(bench.udp->errors_len, 0);
    bench_close(&bench);
}

TEST(udp, what_the_kernel_forbids_is_dropped_alone)
{
    struct bench bench;
    bench_open(&bench, 1024);
    send_len(&bench, 1, 100);
    send_len(&bench, 2, 100);
    send_len(&bench, 2, 100);
    send_len(&bench, 3, 100);
    SCRIPT(1, -EPERM, -EPERM, -EPERM);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
    CHECK_EQ(kernel.datagrams, 2);
    CHECK_EQ(bench.stats.send_errors, 2);
    REQUIRE(bench.udp->errors_len == 1);
    struct leat_addr peer = peer_number(2);
    CHECK_EQ(bench.udp->errors[0].status, -EPERM);
    CHECK(leat_addr_equal(&bench.udp->errors[0].peer, &peer));
    bench_close(&bench);
}

TEST(udp, errors_are_bounded)
{
    struct bench bench;
    bench_open(&bench, 4096);
    for (uint32_t peer = 0; peer < 2 * UDP_ERRORS; peer++) {
        send_len(&bench, peer, 100);
        SCRIPT(-EPERM, -EPERM, -EPERM);
        udp_flush(bench.udp, &bench.sock);
    }
    CHECK_EQ(bench.stats.send_errors, 2 * UDP_ERRORS);
    CHECK_EQ(bench.udp->errors_len, UDP_ERRORS);
    bench_close(&bench);
}

TEST(udp, a_full_kernel_keeps_the_queue)
{
    struct bench bench;
    bench_open(&bench, 8);
    for (uint32_t peer = 0; peer < 4; peer++) {
        send_len(&bench, peer, 100);
        send_len(&bench, peer, 100);
    }
    CHECK_EQ(submit(&bench, 1, bytes(10), 0), -EAGAIN);
    CHECK(bench.sock.want_writable);
    SCRIPT(1, -EAGAIN);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_BLOCKED);
    CHECK_EQ(bench.sock.queued, 6);
    send_len(&bench, 3, 100); /* not into a run that was tried */
    CHECK_EQ(count_runs(&bench), 4);
    SCRIPT(-ENOBUFS);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_CONGESTED);
    CHECK_EQ(bench.sock.queued, 7);
    SCRIPT(-EINTR, 1, 1, 1, 1);
    CHECK_EQ(udp_flush(bench.udp, &bench.sock), UDP_EMPTY);
    CHECK_EQ(kernel.datagrams, 7);
    CHECK_EQ(bench.sock.queued, 0);
    bench_close(&bench);
}

/* ---- with a backend around it ---- */

static void blocked_then_writable(const struct io_ops *ops, int error)
{
    struct pools pools = {0};
    struct pool *pool = pool_open(&pools, 0, 32);
    struct io_config config = {.pool = pool, .send_queue_len_max = 4, .stream_queue_max = 65536};
    struct io *io;
    struct io_done done[8];
    pool_set_current(pool);
    REQUIRE(ops->init(&config, &io) == 0);
    struct io_op op = {.kind = IO_OP_OPEN};
    REQUIRE(leat_addr_from_host("127.0.0.1", 0, &op.open.local) == 0);
    REQUIRE(ops->submit(io, &op) == 0);
    REQUIRE(ops->turn(io, 0, done, 8) == 1);
    struct leat_addr peer = peer_number(1);
    op = (struct io_op){.kind = IO_OP_DATA, .sock = done[0].sock};
    op.data.peer = &peer;
    SCRIPT(error, error, error); /* for the submit that finds the queue full, then for the turn */
    int status = 0;
    for (int i = 0; i < 8 && status == 0; i++) {
        op.data.body = bytes(10);
        status = ops->submit(io, &op);
    }
    leat_buf_unref(op.data.body.buf);
    CHECK_EQ(status, -EAGAIN);
    CHECK_EQ(kernel.calls, 1);
    CHECK_EQ(ops->turn(io, 0, done, 1), 0);
    CHECK_EQ(kernel.datagrams, 0);
    CHECK(kernel.calls <= 3); /* no loop */
    leat_time start = ops->now(io);
    unsigned n = 0;
    for (int i = 0; i < 4 && n == 0; i++) {
        n = ops->turn(io, start + LEAT_SEC, done, 8);
    }
    REQUIRE(n == 1);
    CHECK_EQ(done[0].kind, IO_DONE_WRITABLE);
    CHECK_EQ(kernel.datagrams, 4);
    CHECK(ops->now(io) < start + LEAT_SEC);
    ops->fini(io);
    CHECK_EQ(pool_bufs_out(pool), 0);
    pool_set_current(NULL);
    pools_fini(&pools);
}

TEST(udp, blocked_then_writable_epoll)
{
    blocked_then_writable(&io_epoll, -EAGAIN);
}

TEST(udp, blocked_then_writable_poll)
{
    blocked_then_writable(&io_poll, -EAGAIN);
}

TEST(udp, congested_then_writable_epoll)
{
    blocked_then_writable(&io_epoll, -ENOBUFS);
}

TEST(udp, congested_then_writable_poll)
{
    blocked_then_writable(&io_poll, -ENOBUFS);
}
