/* A connection's bytes, where the kernel says no. sendmsg, recv and accept4 are this file's: they
 * follow a script, then do as they are told. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <leat/leat.h>

#include "alarms.h"
#include "check.h"
#include "mem.h"
#include "pool.h"
#include "ready.h"
#include "tcp.h"

/* ---- the kernel ---- */

#define SCRIPT_LEN 16
#define PASS INT_MAX /* the real kernel decides */

struct script {
    int      orders[SCRIPT_LEN]; /* negative errno; n: so many bytes; PASS */
    unsigned len;
    unsigned calls;
};

static struct {
    struct script send, recv, accept;
    size_t        vectors; /* of the last send */
    size_t        sent;
    int           shutdowns;
} kernel;

static int order_of(struct script *script)
{
    unsigned call = script->calls++;
    return call < script->len ? script->orders[call] : PASS;
}

#define SCRIPT(call, ...)                                                                          \
    do {                                                                                           \
        const int orders_[] = {__VA_ARGS__};                                                       \
        kernel.call = (struct script){.len = sizeof(orders_) / sizeof(int)};                       \
        memcpy(kernel.call.orders, orders_, sizeof(orders_));                                      \
    } while (0)

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    int order = order_of(&kernel.send);
    if (order == PASS) {
        return syscall(SYS_sendmsg, fd, message, flags);
    }
    CHECK((flags & MSG_NOSIGNAL) != 0 && (flags & MSG_DONTWAIT) != 0);
    if (order < 0) {
        errno = -order;
        return -1;
    }
    size_t len = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        len += message->msg_iov[i].iov_len;
    }
    kernel.vectors = message->msg_iovlen;
    len = len < (size_t)order ? len : (size_t)order;
    kernel.sent += len;
    return (ssize_t)len;
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    int order = order_of(&kernel.recv);
    if (order == PASS) {
        return syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
    }
    if (order < 0) {
        errno = -order;
        return -1;
    }
    len = len < (size_t)order ? len : (size_t)order;
    memset(bytes, 'r', len);
    return (ssize_t)len;
}

int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
    int order = order_of(&kernel.accept);
    if (order < 0) {
        errno = -order;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, addr.__sockaddr__, len, flags);
}

/* ---- a connection ---- */

struct bench {
    struct pools    pools;
    struct io_stats stats;
    struct tcp     *tcp;
    struct tcp_sock sock;
    int             peer;
};

static void bench_open(struct bench *bench, uint32_t queue_max)
{
    memset(bench, 0, sizeof(*bench));
    memset(&kernel, 0, sizeof(kernel));
    struct pool *pool = pool_open(&bench->pools, 0, 4);
    bench->tcp = mem_zalloc(sizeof(*bench->tcp), 64);
    REQUIRE(pool != NULL && bench->tcp != NULL);
    pool_set_current(pool);
    tcp_init(bench->tcp, pool, &bench->stats, queue_max);
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    bench->sock.fd = ends[0];
    bench->peer = ends[1];
}

static void bench_close(struct bench *bench)
{
    tcp_close(bench->tcp, &bench->sock, false);
    close(bench->peer);
    tcp_fini(bench->tcp);
    mem_free(bench->tcp);
    CHECK_EQ(pool_bufs_out(bench->pools.at[0]), 0);
    CHECK_EQ(pool_nodes_out(bench->pools.at[0]), 0);
    pool_set_current(NULL);
    pools_fini(&bench->pools);
}

static int submit(struct bench *bench, uint32_t len)
{
    struct io_op op = {.kind = IO_OP_DATA};
    REQUIRE(leat_buf_alloc(len, &op.data.body) == 0);
    memset(leat_slice_data(op.data.body), 's', len);
    int status = tcp_submit(bench->tcp, &bench->sock, &op);
    if (status < 0) {
        leat_buf_unref(op.data.body.buf);
    }
    return status;
}

/* ---- sending ---- */

TEST(tcp, bodies_leave_together)
{
    struct bench bench;
    bench_open(&bench, 1000);
    SCRIPT(send, 1000);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(submit(&bench, 50), 0);
    }
    CHECK_EQ(bench.sock.queued, 500);
    CHECK_EQ(tcp_flush(bench.tcp, &bench.sock), TCP_EMPTY);
    CHECK_EQ(kernel.send.calls, 1);
    CHECK_EQ(kernel.vectors, 10);
    CHECK_EQ(bench.stats.sent_bytes, 500);
    CHECK_EQ(bench.sock.queued, 0);
    bench_close(&bench);
}

TEST(tcp, the_queue_is_bounded_in_bytes)
{
    struct bench bench;
    bench_open(&bench, 1000);
    CHECK_EQ(submit(&bench, 5000), 0); /* an empty queue takes any body */
    CHECK_EQ(submit(&bench, 1), -EAGAIN);
    CHECK(bench.sock.want_writable);
    SCRIPT(send, 4500, 10000);
    CHECK_EQ(tcp_flush(bench.tcp, &bench.sock), TCP_BLOCKED);
    CHECK_EQ(bench.sock.queued, 500);
    CHECK_EQ(submit(&bench, 100), 0); /* at half any body is taken */
    CHECK_EQ(submit(&bench, 401), -EAGAIN);
    CHECK_EQ(submit(&bench, 400), 0);
    CHECK_EQ(submit(&bench, 0), 0); /* nothing to send */
    CHECK_EQ(tcp_flush(bench.tcp, &bench.sock), TCP_EMPTY);
    CHECK_EQ(kernel.sent, 5500);
    bench_close(&bench);
}

TEST(tcp, a_storm_of_refusals_and_single_bytes)
{
    struct bench bench;
    bench_open(&bench, 100000);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(submit(&bench, 3), 0);
    }
    enum tcp_flushed result = TCP_BLOCKED;
    for (int i = 0; i < 5000 && result != TCP_EMPTY; i++) {
        SCRIPT(send, i % 3 == 0 ? -EAGAIN : i % 3 == 1 ? -EINTR : 1, 1 + i % 7);
        result = tcp_flush(bench.tcp, &bench.sock);
    }
    CHECK_EQ(result, TCP_EMPTY);
    CHECK_EQ(kernel.sent, 600);
    bench_close(&bench);
}

TEST(tcp, what_the_kernel_says)
{
    static const struct {
        int              error;
        enum tcp_flushed expected;
    } cases[] = {
        {-EAGAIN, TCP_BLOCKED}, {-ENOBUFS, TCP_CONGESTED}, {-ENOMEM, TCP_CONGESTED},
        {-EPIPE, TCP_BROKEN},   {-ECONNRESET, TCP_BROKEN}, {-ETIMEDOUT, TCP_BROKEN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench;
        bench_open(&bench, 1000);
        CHECK_EQ(submit(&bench, 10), 0);
        SCRIPT(send, cases[i].error);
        CHECK_EQ(tcp_flush(bench.tcp, &bench.sock), cases[i].expected);
        bool is_broken = cases[i].expected == TCP_BROKEN;
        CHECK_EQ(bench.sock.broken, is_broken ? cases[i].error : 0);
        CHECK_EQ(bench.sock.queued, is_broken ? 0 : 10);
        CHECK_EQ(submit(&bench, 10), is_broken ? -EPIPE : 0);
        bench_close(&bench);
    }
}

TEST(tcp, fin_is_behind_what_is_queued)
{
    struct bench bench;
    bench_open(&bench, 1000);
    char got[64];
    CHECK_EQ(submit(&bench, 10), 0);
    bench.sock.finishing = true;
    CHECK_EQ(submit(&bench, 10), -EPIPE);
    SCRIPT(send, -EAGAIN);
    CHECK_EQ(tcp_flush(bench.tcp, &bench.sock), TCP_BLOCKED);
    CHECK(!bench.sock.fin_sent);
    CHECK_EQ(tcp_flush(bench.tcp, &bench.sock), TCP_EMPTY);
    CHECK(bench.sock.fin_sent);
    CHECK_EQ(read(bench.peer, got, sizeof(got)), 10);
    CHECK_EQ(read(bench.peer, got, sizeof(got)), 0);
    bench_close(&bench);
}

/* ---- receiving ---- */

TEST(tcp, short_reads_take_small_buffers)
{
    struct bench bench;
    bench_open(&bench, 1000);
    leat_slice bodies[64];
    int status;
    for (int i = 0; i < 64; i++) {
        SCRIPT(recv, 100);
        CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &bodies[i], &status), TCP_DRAINED);
        CHECK_EQ(bodies[i].len, 100);
        CHECK_EQ(bodies[i].buf->class, BUF_SMALL);
    }
    CHECK(bench.pools.at[0]->trains_len <= 16); /* one is in use */
    CHECK_EQ(bench.tcp->buf_used, 0);
    for (int i = 0; i < 64; i++) {
        leat_buf_unref(bodies[i].buf);
    }
    bench_close(&bench);
}

TEST(tcp, long_reads_share_a_buffer)
{
    struct bench bench;
    bench_open(&bench, 1000);
    leat_slice bodies[4];
    int status;
    for (int i = 0; i < 4; i++) {
        SCRIPT(recv, 15000);
        CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &bodies[i], &status), TCP_DRAINED);
        CHECK_EQ(bodies[i].buf->class, BUF_TRAIN);
    }
    CHECK(bodies[0].buf == bodies[2].buf && bodies[1].offset > bodies[0].offset);
    CHECK(bodies[1].offset >= bodies[0].offset + 15000);
    CHECK(bodies[3].buf == bodies[0].buf || bodies[3].buf != NULL);
    for (int i = 0; i < 4; i++) {
        leat_buf_unref(bodies[i].buf);
    }
    SCRIPT(recv, 15000); /* all came back: from the start again */
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &bodies[0], &status), TCP_DRAINED);
    CHECK_EQ(bodies[0].offset, BUF_HEADER_LEN + LEAT_HEADROOM);
    leat_buf_unref(bodies[0].buf);
    bench_close(&bench);
}

TEST(tcp, no_receive_buffer)
{
    struct bench bench;
    bench_open(&bench, 1000);
    leat_slice bodies[4];
    leat_slice none;
    int status;
    for (int i = 0; i < 4; i++) { /* a full one each */
        SCRIPT(recv, 70000);
        CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &bodies[i], &status), TCP_MORE);
        CHECK_EQ(bodies[i].len, BUF_TRAIN_LEN);
    }
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &none, &status), TCP_STARVED);
    leat_buf_unref(bodies[2].buf);
    SCRIPT(recv, 10);
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &bodies[2], &status), TCP_DRAINED);
    for (int i = 0; i < 4; i++) {
        leat_buf_unref(bodies[i].buf);
    }
    bench_close(&bench);
}

TEST(tcp, the_ends_of_reading)
{
    struct bench bench;
    bench_open(&bench, 1000);
    leat_slice body;
    int status = 0;
    SCRIPT(recv, -EAGAIN, -EINTR, -ECONNRESET, -ETIMEDOUT, 0);
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &body, &status), TCP_DRAINED);
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &body, &status), TCP_MORE);
    CHECK_EQ(status, 0);
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &body, &status), TCP_FAILED);
    CHECK_EQ(status, -ECONNRESET);
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &body, &status), TCP_FAILED);
    CHECK_EQ(status, -ETIMEDOUT);
    CHECK(!bench.sock.eof);
    CHECK_EQ(tcp_receive(bench.tcp, &bench.sock, &body, &status), TCP_FINISHED);
    CHECK(bench.sock.eof);
    bench_close(&bench);
}

/* ---- listening ---- */

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    CHECK_EQ(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int connect_to(const struct leat_addr *addr)
{
    union addr_any any;
    socklen_t len = addr_to_any(addr, AF_INET, &any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, &any.any, len), 0);
    return fd;
}

static void listen_here(struct bench *bench, struct tcp_sock *listener, uint32_t options)
{
    struct io_op op = {.kind = IO_OP_LISTEN, .listen.options = options};
    REQUIRE(leat_addr_from_host("127.0.0.1", 0, &op.listen.local) == 0);
    *listener = (struct tcp_sock){.fd = -1};
    REQUIRE(tcp_listen(bench->tcp, listener, &op) == 0);
}

TEST(tcp, options_are_inherited)
{
    for (uint32_t nagle = 0; nagle < 2; nagle++) {
        struct bench bench;
        struct tcp_sock listener;
        struct tcp_sock accepted = {.fd = -1};
        int status;
        bench_open(&bench, 1000);
        listen_here(&bench, &listener,
                    LEAT_STREAM_KEEPALIVE | (nagle == 1 ? LEAT_STREAM_NAGLE : 0));
        int fd = connect_to(&listener.bound);
        REQUIRE(tcp_accept(bench.tcp, &listener, &accepted, &status) == TCP_ACCEPTED);
        CHECK_EQ(option_of(accepted.fd, SOL_TCP, TCP_NODELAY) != 0, nagle == 0);
        CHECK_EQ(option_of(accepted.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
        CHECK_EQ(option_of(accepted.fd, SOL_TCP, TCP_KEEPIDLE), 30);
        CHECK_EQ(option_of(accepted.fd, SOL_TCP, TCP_USER_TIMEOUT), 60000);
        tcp_close(bench.tcp, &accepted, false);
        tcp_close(bench.tcp, &listener, false);
        close(fd);
        bench_close(&bench);
    }
}

TEST(tcp, what_accept_says)
{
    struct bench bench;
    struct tcp_sock listener;
    struct tcp_sock accepted = {.fd = -1};
    int status = 0;
    char byte;
    bench_open(&bench, 1000);
    listen_here(&bench, &listener, 0);
    SCRIPT(accept, -EAGAIN, -ECONNABORTED, -EPROTO, -EINTR, -ENOBUFS);
    CHECK_EQ(tcp_accept(bench.tcp, &listener, &accepted, &status), TCP_NONE);
    CHECK_EQ(tcp_accept(bench.tcp, &listener, &accepted, &status), TCP_AGAIN);
    CHECK_EQ(tcp_accept(bench.tcp, &listener, &accepted, &status), TCP_AGAIN);
    CHECK_EQ(tcp_accept(bench.tcp, &listener, &accepted, &status), TCP_AGAIN);
    CHECK_EQ(tcp_accept(bench.tcp, &listener, &accepted, &status), TCP_EXHAUSTED);
    CHECK_EQ(status, -ENOBUFS);
    int fd = connect_to(&listener.bound);
    SCRIPT(accept, -EMFILE); /* the spare one takes it, and lets it go */
    CHECK_EQ(tcp_accept(bench.tcp, &listener, &accepted, &status), TCP_TURNED_AWAY);
    CHECK_EQ(status, -EMFILE);
    CHECK(bench.tcp->spare_fd >= 0);
    CHECK(read(fd, &byte, 1) <= 0);
    SCRIPT(accept, -ENFILE, -ENFILE);
    CHECK_EQ(tcp_accept(bench.tcp, &listener, &accepted, &status), TCP_EXHAUSTED);
    tcp_close(bench.tcp, &listener, false);
    close(fd);
    bench_close(&bench);
}

/* ---- alarms ---- */

TEST(tcp, alarms_come_in_order)
{
    enum { LEN = 200 };
    struct alarms alarms = {0};
    static struct alarm all[LEN];
    memset(all, 0, sizeof(all));
    for (uint32_t i = 0; i < LEN; i++) {
        CHECK_EQ(alarms_set(&alarms, &all[i], (i * 7919) % 1009), 0);
    }
    for (uint32_t i = 0; i < LEN; i += 3) {
        alarms_clear(&alarms, &all[i]);
        alarms_clear(&alarms, &all[i]);
    }
    for (uint32_t i = 1; i < LEN; i += 3) {
        CHECK_EQ(alarms_set(&alarms, &all[i], (i * 104729) % 2003), 0);
    }
    CHECK(alarms_due(&alarms, 0) == NULL || alarms_next(&alarms) > 0);
    leat_time last = 0;
    uint32_t n = 0;
    for (struct alarm *alarm; (alarm = alarms_due(&alarms, UINT64_MAX)) != NULL; n++) {
        CHECK(alarm->at >= last && alarm->place == 0);
        last = alarm->at;
    }
    CHECK(n >= LEN - (LEN + 2) / 3 - 1);
    CHECK_EQ(alarms_next(&alarms), LEAT_NEVER);
    alarms_fini(&alarms);
}
