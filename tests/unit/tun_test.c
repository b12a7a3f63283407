/* An interface's packets, where the kernel says no. read, write, writev and ioctl are this
 * file's: they follow a script, then do as they are told. */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <leat/leat.h>

#include "check.h"
#include "netns.h"
#include "packets.h"
#include "pool.h"
#include "ready.h"
#include "tun.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#endif

/* ---- the kernel ---- */

static struct {
    int      orders[16]; /* of writes to `fd`: negative errno, else the real kernel decides */
    unsigned orders_len;
    unsigned writes, vectors;
    int      fd; /* 0: none */
    bool     no_uso;
} kernel;

static bool is_ordered(int fd, ssize_t *ret)
{
    if (fd != kernel.fd || kernel.fd == 0) {
        return false;
    }
    unsigned call = kernel.writes++;
    if (call >= kernel.orders_len || kernel.orders[call] == 0) {
        return false;
    }
    errno = -kernel.orders[call];
    *ret = -1;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    ssize_t result;
    return is_ordered(fd, &result) ? result : syscall(SYS_write, fd, bytes, len);
}

ssize_t writev(int fd, const struct iovec *vectors, int len)
{
    ssize_t result;
    kernel.vectors += fd == kernel.fd;
    return is_ordered(fd, &result) ? result : syscall(SYS_writev, fd, vectors, len);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    if (kernel.no_uso && request == TUNSETOFFLOAD && (argument & TUN_F_USO4) != 0) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

/* ---- one interface, without a backend ---- */

struct bench {
    struct pools    pools;
    struct pool    *pool;
    struct io_stats stats;
    struct tun      tun;
    struct tun_sock sock;
    int             fd; /* of the kernel's socket */
};

static void bench_open(struct bench *bench, uint32_t flags)
{
    netns_need_tun();
    memset(bench, 0, sizeof(*bench));
    memset(&kernel, 0, sizeof(kernel));
    bench->pool = pool_open(&bench->pools, 0, 16);
    REQUIRE(bench->pool != NULL);
    pool_set_current(bench->pool);
    tun_init(&bench->tun, bench->pool, &bench->stats, 4);
    struct leat_tun_addr here = {.prefix_len = 24};
    REQUIRE(leat_addr_from_host(TUN_HERE, 0, &here.ip) == 0);
    struct leat_tun_config config = {
        .name = "leat0", .addrs = &here, .addrs_len = 1, .flags = flags | LEAT_TUN_UP};
    REQUIRE(tun_open(&bench->sock, &config) == 0);
    kernel.fd = bench->sock.fd;
    bench->fd = kernel_socket(7000);
}

static void bench_close(struct bench *bench)
{
    kernel.fd = 0;
    tun_close(&bench->tun, &bench->sock);
    tun_fini(&bench->tun);
    close(bench->fd);
    CHECK_EQ(pool_bufs_out(bench->pool), 0);
    CHECK_EQ(pool_nodes_out(bench->pool), 0);
    pool_set_current(NULL);
    pools_fini(&bench->pools);
}

static leat_slice packet(uint32_t len)
{
    leat_slice body;
    REQUIRE(leat_buf_alloc(TUN_HEADERS + len, &body) == 0);
    memset(leat_slice_data(body) + TUN_HEADERS, 7, len);
    packet_finish(leat_slice_data(body), len, 7000);
    return body;
}

static int submit(struct bench *bench, leat_slice body, const struct leat_tun_offload *offload)
{
    static const struct leat_tun_offload none;
    struct io_op op = {.kind = IO_OP_DATA};
    op.data.body = body;
    op.data.offload = offload != NULL ? offload : &none;
    int status = tun_submit(&bench->tun, &bench->sock, &op);
    if (status < 0) {
        leat_buf_unref(body.buf);
    }
    return status;
}

static void order(const int *orders, unsigned len)
{
    memcpy(kernel.orders, orders, len * sizeof(*orders));
    kernel.orders_len = len;
    kernel.writes = 0;
}

static unsigned arrived(const struct bench *bench)
{
    char bytes[64];
    unsigned n = 0;
    while (recv(bench->fd, bytes, sizeof(bytes), 0) >= 0) {
        n++;
    }
    return n;
}

TEST(tun, waits_where_there_is_no_room)
{
    struct bench bench;
    bench_open(&bench, 0);
    for (int i = 0; i < 4; i++) {
        REQUIRE(submit(&bench, packet(1), NULL) == 0);
    }
    CHECK_EQ(submit(&bench, packet(1), NULL), -EAGAIN);
    CHECK(bench.sock.want_writable);
    CHECK(!tun_has_room(&bench.tun, &bench.sock));
    order((const int[]){0, -EINTR, -EAGAIN}, 3);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_BLOCKED);
    CHECK_EQ(bench.sock.queued, 3);
    CHECK(!tun_has_room(&bench.tun, &bench.sock)); /* more than half of it */
    order((const int[]){0, -ENOBUFS}, 2);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_CONGESTED);
    CHECK(tun_has_room(&bench.tun, &bench.sock));
    CHECK(!tun_has_room(&bench.tun, &bench.sock)); /* is told once */
    order((const int[]){-ENOMEM}, 1);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_CONGESTED);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_EMPTY);
    CHECK_EQ(arrived(&bench), 4);
    CHECK_EQ(bench.stats.sent_datagrams, 4);
    CHECK_EQ(bench.stats.send_errors, 0);
    bench_close(&bench);
}

/* A super-packet counts as what it stands for; an empty queue takes any. */
TEST(tun, queue_counts_packets)
{
    struct bench bench;
    bench_open(&bench, LEAT_TUN_OFFLOADS);
    struct leat_tun_offload offload = {.type = LEAT_TUN_UDP, .header_len = TUN_HEADERS,
                                       .segment_size = 100};
    REQUIRE(submit(&bench, packet(1000), &offload) == 0);
    CHECK_EQ(bench.sock.queued, 10);
    CHECK_EQ(submit(&bench, packet(1), NULL), -EAGAIN);
    bench_close(&bench);
}

TEST(tun, refused_packets_are_told_and_passed_over)
{
    struct bench bench;
    bench_open(&bench, 0);
    for (int i = 0; i < 4; i++) {
        REQUIRE(submit(&bench, packet(1), NULL) == 0);
    }
    order((const int[]){-EINVAL, 0, -EIO}, 3);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_EMPTY);
    CHECK_EQ(bench.sock.error, -EIO);
    CHECK_EQ(bench.stats.send_errors, 2);
    CHECK_EQ(arrived(&bench), 2);
    bench_close(&bench);
}

TEST(tun, gone_in_the_middle_of_a_flush)
{
    struct bench bench;
    bench_open(&bench, 0);
    for (int i = 0; i < 4; i++) {
        REQUIRE(submit(&bench, packet(1), NULL) == 0);
    }
    order((const int[]){0, -EBADFD}, 2);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_EMPTY);
    CHECK(bench.sock.is_gone);
    CHECK_EQ(kernel.writes, 2);
    CHECK_EQ(bench.sock.queued, 2); /* whoever closes it counts them */
    CHECK_EQ(bench.stats.send_errors, 1);
    bench_close(&bench);
}

/* Answers that come together: what has only found no room stays, in order, and is tried again. */
TEST(tun, settles_what_was_answered)
{
    struct bench bench;
    bench_open(&bench, 0);
    const int answers[] = {39, -ENOMEM, -EINVAL, -EAGAIN};
    union node *nodes[4];
    union node *at;
    for (int i = 0; i < 4; i++) {
        REQUIRE(submit(&bench, packet(1), NULL) == 0);
    }
    at = bench.sock.first;
    for (int i = 0; i < 4; i++, at = at->next) {
        at->event.status = answers[i];
        nodes[i] = at;
    }
    CHECK_EQ(tun_settle(&bench.tun, &bench.sock, 4), TUN_BLOCKED);
    CHECK(bench.sock.first == nodes[1] && nodes[1]->next == nodes[3] && nodes[3]->next == NULL);
    CHECK(bench.sock.last == nodes[3]);
    CHECK_EQ(bench.sock.queued, 2);
    CHECK_EQ(bench.sock.error, -EINVAL);
    CHECK_EQ(bench.stats.sent_datagrams, 1);
    REQUIRE(submit(&bench, packet(1), NULL) == 0);
    at = bench.sock.last;
    nodes[1]->event.status = -EAGAIN;
    CHECK_EQ(tun_settle(&bench.tun, &bench.sock, 1), TUN_BLOCKED);
    CHECK(bench.sock.first == nodes[1] && nodes[1]->next == nodes[3] && bench.sock.last == at);
    nodes[1]->event.status = 39;
    CHECK_EQ(tun_settle(&bench.tun, &bench.sock, 1), TUN_EMPTY);
    CHECK(bench.sock.first == nodes[3]);
    bench_close(&bench);
}

/* Whoever shares a buffer sees nothing of the header that is put in front of a packet. */
TEST(tun, shared_bodies_are_not_written_to)
{
    struct bench bench;
    bench_open(&bench, 0);
    leat_slice body = packet(1);
    uint8_t *front = leat_slice_data(body) - TUN_FRONT;
    memset(front, 0x5a, TUN_FRONT);
    REQUIRE(submit(&bench, leat_slice_ref(body), NULL) == 0);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_EMPTY);
    CHECK_EQ(kernel.vectors, 1);
    for (uint32_t i = 0; i < TUN_FRONT; i++) {
        CHECK_EQ(front[i], 0x5a);
    }
    REQUIRE(submit(&bench, body, NULL) == 0);
    CHECK_EQ(tun_flush(&bench.tun, &bench.sock), TUN_EMPTY);
    CHECK_EQ(kernel.vectors, 1); /* the second in one piece */
    CHECK_EQ(arrived(&bench), 2);
    bench_close(&bench);
}

TEST(tun, kernel_without_uso)
{
    struct bench bench;
    kernel.no_uso = false;
    bench_open(&bench, 0);
    kernel.no_uso = true;
    struct tun_sock other = {0};
    struct leat_tun_config config = {.name = "leat1", .flags = LEAT_TUN_OFFLOADS};
    CHECK_EQ(tun_open(&other, &config), 0);
    tun_close(&bench.tun, &other);
    bench_close(&bench);
}

TEST(tun, no_receive_buffer)
{
    struct bench bench;
    bench_open(&bench, 0);
    leat_buf *held[16];
    struct io_done done;
    enum tun_more more;
    for (int i = 0; i < 16; i++) {
        held[i] = pool_train_take(bench.pool);
    }
    CHECK_EQ(tun_receive(&bench.tun, &bench.sock, &done, 1, &more), 0);
    CHECK_EQ(more, TUN_STARVED);
    for (int i = 0; i < 16; i++) {
        leat_buf_unref(held[i]);
    }
    CHECK_EQ(tun_receive(&bench.tun, &bench.sock, &done, 1, &more), 0);
    CHECK_EQ(more, TUN_DRAINED);
    REQUIRE(kernel_send(bench.fd, "x", 1) == 1);
    CHECK_EQ(tun_receive(&bench.tun, &bench.sock, &done, 1, &more), 1);
    CHECK_EQ(more, TUN_MORE);
    leat_buf_unref(done.body.buf);
    bench_close(&bench);
}
