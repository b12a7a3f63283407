/* Conformance of TUN: interfaces come, are configured, fail and go; packets of every size, both
 * ways. Every case runs in a network of its own, against every backend that uses the kernel. */
#include <time.h>

#include "addr.h"
#include "tun_rig.h"

/* ---- opening ---- */

TUN_BACKENDS(open_says_name_and_mtu)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done one = tun_socket(&rig, "leat%d", 0, 1400);
    CHECK_STR(one.info.name, "leat0");
    CHECK_EQ(one.info.mtu, 1400);
    CHECK_EQ(one.info.index, if_nametoindex("leat0"));
    struct leat_tun_config plain = {0};
    struct io_done other = tun_try(&rig, &plain);
    CHECK_EQ(other.status, 0);
    CHECK_STR(other.info.name, "tun0");
    CHECK_EQ(other.info.mtu, 1500);
    CHECK_EQ(rig.io->base.stats.sockets, 2);
    rig_close(&rig);
    CHECK_EQ(if_nametoindex("leat0"), 0);
    CHECK_EQ(if_nametoindex("tun0"), 0);
}

/* ---- packets ---- */

TUN_BACKENDS(packets_of_every_size)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 64, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 2100);
    int fd = kernel_socket(7000);
    for (uint32_t len = 0; len <= 2100 - TUN_HEADERS; len += len < 64 || len > 1800 ? 1 : 37) {
        leat_slice sent = body_of(len, len);
        REQUIRE(kernel_send(fd, leat_slice_data(sent), len) == (ssize_t)len);
        leat_buf_unref(sent.buf);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(in.sock, tun.sock);
        CHECK_EQ(in.offload.type, LEAT_TUN_WHOLE);
        CHECK_EQ(in.segment_size, 0);
        CHECK(packet_is_good(leat_slice_data(in.body), in.body.len));
        CHECK(body_is(packet_payload(in.body), len, len));
        leat_buf_unref(in.body.buf);
        REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(len, len + 1, 7000), NULL) == 0);
        uint8_t got[4096];
        leat_slice want = body_of(len, len + 1);
        REQUIRE(kernel_receive(&rig, fd, got, sizeof(got)) == (ssize_t)len);
        CHECK(memcmp(got, leat_slice_data(want), len) == 0);
        leat_buf_unref(want.buf);
    }
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    CHECK_EQ(rig.io->base.stats.recv_errors, 0);
    close(fd);
    rig_close(&rig);
}

TUN_BACKENDS(packets_that_are_none)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 0);
    CHECK_EQ(tun_submit_packet(&rig, tun.sock, body_of(0, 0), NULL), -EINVAL);
    CHECK_EQ(tun_submit_packet(&rig, tun.sock, body_of(LEAT_TUN_PACKET_MAX + 1, 0), NULL),
             -EMSGSIZE);
    leat_slice body = body_of(100, 0);
    leat_slice_data(body)[0] = 0xf0; /* no version of IP */
    REQUIRE(tun_submit_packet(&rig, tun.sock, body, NULL) == 0);
    struct io_done error = rig_expect(&rig, IO_DONE_ERROR);
    CHECK_EQ(error.status, -EINVAL);
    CHECK_EQ(error.sock, tun.sock);
    struct leat_tun_offload wrong = {.checksum = LEAT_TUN_CHECKSUM_PARTIAL, .checksum_start = 99};
    REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(10, 0, 7000), &wrong) == 0);
    error = rig_expect(&rig, IO_DONE_ERROR);
    CHECK_EQ(error.status, -EINVAL);
    CHECK_EQ(rig.io->base.stats.send_errors, 2);
    int fd = kernel_socket(7000); /* and it goes on */
    char got[64];
    REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(10, 0, 7000), NULL) == 0);
    CHECK_EQ(kernel_receive(&rig, fd, got, sizeof(got)), 10);
    close(fd);
    rig_close(&rig);
}

/* It is the bad one that counts as refused, also where answers come in another order. */
TUN_BACKENDS(one_of_several_is_refused)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tun = tun_socket(&rig, "leat0", LEAT_TUN_OFFLOADS, 0);
    struct leat_tun_offload offload = {.type = LEAT_TUN_UDP,
                                       .checksum = LEAT_TUN_CHECKSUM_PARTIAL,
                                       .header_len = TUN_HEADERS,
                                       .segment_size = 100,
                                       .checksum_start = 20,
                                       .checksum_offset = 6};
    int fd = kernel_socket(7000);
    leat_slice bad = body_of(100, 0);
    leat_slice_data(bad)[0] = 0xf0; /* no version of IP */
    REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(10, 0, 7000), NULL) == 0);
    REQUIRE(tun_submit_packet(&rig, tun.sock, bad, NULL) == 0);
    REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(1000, 0, 7000), &offload) == 0);
    CHECK_EQ(rig_expect(&rig, IO_DONE_ERROR).status, -EINVAL);
    CHECK_EQ(rig.io->base.stats.send_errors, 1);
    CHECK_EQ(rig.io->base.stats.sent_datagrams, 11);
    close(fd);
    rig_close(&rig);
}

/* Longer than the MTU: the kernel cuts its own, and takes ours as they are. */
TUN_BACKENDS(packets_longer_than_the_mtu)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 1000);
    int fd = kernel_socket(7000);
    leat_slice long_one = body_of(1500, 3);
    REQUIRE(kernel_send(fd, leat_slice_data(long_one), 1500) == 1500);
    for (int i = 0; i < 2; i++) {
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK(in.body.len <= 1000);
        leat_buf_unref(in.body.buf);
    }
    char got[65536];
    REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(1500, 3, 7000), NULL) == 0);
    REQUIRE(kernel_receive(&rig, fd, got, sizeof(got)) == 1500);
    CHECK(memcmp(got, leat_slice_data(long_one), 1500) == 0);
    REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(65507, 4, 7000), NULL) == 0);
    CHECK_EQ(kernel_receive(&rig, fd, got, sizeof(got)), 65507);
    leat_buf_unref(long_one.buf);
    close(fd);
    rig_close(&rig);
}

TUN_BACKENDS(many_packets_keep_their_order)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 0);
    int fd = kernel_socket(7000);
    uint32_t next = 0;
    for (uint32_t i = 0; i < 3000;) {
        leat_slice packet = packet_of(8, 0, 7000);
        memcpy(leat_slice_data(packet) + TUN_HEADERS, &i, sizeof(i));
        packet_finish(leat_slice_data(packet), 8, 7000);
        int status = tun_submit_packet(&rig, tun.sock, packet, NULL);
        REQUIRE(status == 0 || status == -EAGAIN);
        i += status == 0;
        if (status == -EAGAIN) {
            rig_expect(&rig, IO_DONE_WRITABLE);
        }
    }
    for (uint32_t got[2]; next < 3000; next++) {
        REQUIRE(kernel_receive(&rig, fd, got, sizeof(got)) == 8);
        REQUIRE(got[0] == next);
    }
    CHECK_EQ(rig.io->base.stats.sent_datagrams, 3000);
    close(fd);
    rig_close(&rig);
}

/* As many as the kernel's queue holds come, the rest it has dropped; buffers that are held are
 * few. */
TUN_BACKENDS(flood_with_few_buffers)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 16, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 9000);
    int fd = kernel_socket(7000);
    leat_slice long_one = body_of(5000, 1);
    struct io_done held[16];
    uint32_t n = 0;
    struct io_done in;
    for (uint32_t i = 0; i < 40; i++) {
        REQUIRE(kernel_send(fd, leat_slice_data(long_one), 5000) == 5000);
    }
    while (n < 16 && rig_next_within(&rig, 200 * LEAT_MS, &in)) {
        REQUIRE(in.kind == IO_DONE_DATA);
        held[n++] = in;
    }
    CHECK(n > 0 && n <= 16);
    for (uint32_t i = 0; i < n; i++) {
        CHECK(body_is(packet_payload(held[i].body), 5000, 1));
        leat_buf_unref(held[i].body.buf);
    }
    for (; n < 40; n++) {
        in = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(in.sock, tun.sock);
        CHECK(body_is(packet_payload(in.body), 5000, 1));
        leat_buf_unref(in.body.buf);
    }
    leat_buf_unref(long_one.buf);
    close(fd);
    rig_close(&rig);
}

static leat_time cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

/* Without a buffer nothing can be read: it waits and does not try all the time, and what can be
 * told is told. */
TUN_BACKENDS(deleted_without_a_buffer)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 8, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 9000);
    int fd = kernel_socket(0);
    leat_slice long_one = body_of(5000, 1);
    struct io_done in, held[8];
    uint32_t n = 0;
    for (uint32_t i = 0; i < 20; i++) {
        REQUIRE(kernel_send(fd, leat_slice_data(long_one), 5000) == 5000);
    }
    leat_buf *rest[8];
    uint32_t rest_len = 0;
    while (n < 8 && rig_next_within(&rig, 50 * LEAT_MS, &in)) {
        REQUIRE(in.kind == IO_DONE_DATA);
        held[n++] = in;
        while (rest_len < 6 && (rest[rest_len] = pool_train_take(rig.pool)) != NULL) {
            rest_len++;
        }
    }
    leat_time busy = cpu_ns();
    CHECK(!rig_next_within(&rig, 300 * LEAT_MS, &in));
    CHECK(cpu_ns() - busy < 30 * LEAT_MS);
    CHECK(rig.io->base.stats.recv_starved > 0);
    REQUIRE(netns_delete("leat0") == 0);
    in = rig_expect(&rig, IO_DONE_CLOSED);
    CHECK_EQ(in.sock, tun.sock);
    CHECK_EQ(in.status, -ENODEV);
    CHECK(cpu_ns() - busy < 60 * LEAT_MS);
    while (n > 0) {
        leat_buf_unref(held[--n].body.buf);
    }
    while (rest_len > 0) {
        leat_buf_unref(rest[--rest_len]);
    }
    leat_buf_unref(long_one.buf);
    close(fd);
    rig_close(&rig);
}

/* A buffer that comes home is read into at once, whoever else waits. */
TUN_BACKENDS(a_buffer_that_comes_home)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 4, 64);
    tun_socket(&rig, "leat0", 0, 9000);
    int fd = kernel_socket(0);
    leat_slice long_one = body_of(5000, 1);
    leat_buf *rest[4];
    uint32_t rest_len = 0;
    REQUIRE(kernel_send(fd, leat_slice_data(long_one), 5000) == 5000);
    struct io_done in = rig_expect(&rig, IO_DONE_DATA);
    while (rest_len < 4 && (rest[rest_len] = pool_train_take(rig.pool)) != NULL) {
        rest_len++;
    }
    for (uint32_t i = 0; i < 20; i++) {
        REQUIRE(kernel_send(fd, leat_slice_data(long_one), 5000) == 5000);
    }
    for (uint32_t i = 0; i < 20; i++) {
        leat_time start = ops->now(rig.io);
        leat_buf_unref(in.body.buf);
        in = rig_expect(&rig, IO_DONE_DATA);
        CHECK(ops->now(rig.io) - start < 50 * LEAT_MS);
    }
    leat_buf_unref(in.body.buf);
    while (rest_len > 0) {
        leat_buf_unref(rest[--rest_len]);
    }
    leat_buf_unref(long_one.buf);
    close(fd);
    rig_close(&rig);
}

/* Datagrams, packets and streams have each their part of few buffers. */
TUN_BACKENDS(few_buffers_for_all)
{
    netns_need_tun();
    for (uint32_t trains = 4; trains <= 16; trains += 4) {
        struct rig rig;
        rig_open(&rig, ops, trains, 64);
        rig_socket(&rig, "127.0.0.1");
        rig_expect_nothing(&rig);
        tun_socket(&rig, "leat0", 0, 0);
        rig_expect_nothing(&rig);
        struct io_op op = {.kind = IO_OP_LISTEN, .token = 1};
        op.listen.local = address(TUN_HERE, 0);
        REQUIRE(ops->submit(rig.io, &op) == 0);
        struct leat_addr at = rig_expect(&rig, IO_DONE_OPENED).peer;
        union addr_any any;
        socklen_t len = addr_to_any(&at, AF_INET, &any);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(connect(fd, &any.any, len) == 0 && send(fd, "x", 1, 0) == 1);
        op = (struct io_op){.kind = IO_OP_ADOPT, .token = 2};
        op.sock = rig_expect(&rig, IO_DONE_ACCEPTED).sock;
        REQUIRE(ops->submit(rig.io, &op) == 0);
        op.kind = IO_OP_READ;
        op.read.on = true;
        REQUIRE(ops->submit(rig.io, &op) == 0);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(in.sock, op.sock);
        leat_buf_unref(in.body.buf);
        close(fd);
        rig_close(&rig);
    }
}

/* Short packets hold no receive buffer. */
TUN_BACKENDS(short_packets_can_be_kept)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 4, 64);
    tun_socket(&rig, "leat0", 0, 0);
    int fd = kernel_socket(7000);
    struct io_done kept[300];
    for (uint32_t i = 0; i < 300; i++) {
        REQUIRE(kernel_send(fd, &i, sizeof(i)) == sizeof(i));
        kept[i] = rig_expect(&rig, IO_DONE_DATA);
    }
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t got;
        memcpy(&got, leat_slice_data(packet_payload(kept[i].body)), sizeof(got));
        CHECK_EQ(got, i);
        leat_buf_unref(kept[i].body.buf);
    }
    CHECK_EQ(rig.io->base.stats.recv_starved, 0);
    close(fd);
    rig_close(&rig);
}

TUN_BACKENDS(tap_gives_frames)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tap = tun_socket(&rig, "leat0", LEAT_TUN_TAP, 0);
    CHECK_EQ(tap.info.mtu, 1500);
    int fd = kernel_socket(7000);
    REQUIRE(kernel_send(fd, "x", 1) == 1);
    struct io_done in = rig_expect(&rig, IO_DONE_DATA);
    const uint8_t *frame = leat_slice_data(in.body);
    REQUIRE(in.body.len >= 42);
    CHECK(frame[0] == 0xff && frame[12] == 8 && frame[13] == 6); /* ARP: who has it? */
    leat_slice answer = body_of(42, 0);
    uint8_t *at = leat_slice_data(answer);
    static const uint8_t there[6] = {2, 0, 0, 0, 0, 2};
    memcpy(at, frame, 42);
    memcpy(at, frame + 6, 6);
    memcpy(at + 6, there, 6);
    at[21] = 2; /* reply */
    memcpy(at + 22, there, 6);
    memcpy(at + 28, frame + 38, 4);
    memcpy(at + 32, frame + 22, 10);
    leat_buf_unref(in.body.buf);
    REQUIRE(tun_submit_packet(&rig, tap.sock, answer, NULL) == 0);
    in = rig_expect(&rig, IO_DONE_DATA);
    frame = leat_slice_data(in.body);
    CHECK(memcmp(frame, there, 6) == 0);
    CHECK(packet_is_good(frame + 14, in.body.len - 14));
    leat_buf_unref(in.body.buf);
    close(fd);
    rig_close(&rig);
}

TUN_BACKENDS(ipv6)
{
    netns_need_tun();
    netns_ipv6("default", true);
    if (access("/proc/sys/net/ipv6", F_OK) != 0) {
        SKIP("no IPv6 on this machine");
    }
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct leat_tun_addr addrs[] = {tun_addr(TUN_HERE, 24), tun_addr("fd77::1", 64)};
    struct leat_tun_config config = {
        .name = "leat0", .addrs = addrs, .addrs_len = 2, .flags = LEAT_TUN_UP};
    struct io_done tun = tun_try(&rig, &config);
    REQUIRE(tun.status == 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(TUN_PORT)};
    inet_pton(AF_INET6, "fd77::2", &to.sin6_addr);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5);
    for (;;) { /* routers are asked for, too */
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        const uint8_t *ip = leat_slice_data(in.body);
        bool found = in.body.len == 53 && ip[0] >> 4 == 6 && ip[6] == 17;
        CHECK(!found || (packet_is_good(ip, in.body.len) && memcmp(ip + 48, "hello", 5) == 0));
        leat_buf_unref(in.body.buf);
        if (found) {
            break;
        }
    }
    close(fd);
    rig_close(&rig);
}

/* ---- several queues ---- */

TUN_BACKENDS(two_queues_share_the_flows)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 64, 64);
    struct io_done one = tun_socket(&rig, "leat0", LEAT_TUN_QUEUES, 0);
    struct io_done two = tun_socket(&rig, "leat0", LEAT_TUN_QUEUES, 0);
    CHECK_EQ(one.info.index, two.info.index);
    uint32_t by_queue[2] = {0};
    for (uint16_t flow = 0; flow < 64; flow++) {
        int fd = kernel_socket((uint16_t)(8000 + flow));
        REQUIRE(kernel_send(fd, "x", 1) == 1);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        by_queue[in.sock == two.sock]++;
        leat_buf_unref(in.body.buf);
        uint32_t back = flow % 2 == 0 ? one.sock : two.sock; /* either takes anything */
        char got[8];
        REQUIRE(tun_submit_packet(&rig, back, packet_of(1, 0, (uint16_t)(8000 + flow)), NULL) == 0);
        CHECK_EQ(kernel_receive(&rig, fd, got, sizeof(got)), 1);
        close(fd);
    }
    CHECK(by_queue[0] > 0 && by_queue[1] > 0);
    rig_close_sock(&rig, one.sock);
    struct io_done closed = rig_expect(&rig, IO_DONE_CLOSED);
    CHECK_EQ(closed.token, one.token);
    int fd = kernel_socket(7000); /* the other takes all now */
    for (int i = 0; i < 8; i++) {
        REQUIRE(kernel_send(fd, "x", 1) == 1);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(in.sock, two.sock);
        leat_buf_unref(in.body.buf);
    }
    close(fd);
    rig_close(&rig);
}

/* ---- what fails ---- */

TUN_BACKENDS(names_and_values_that_cannot_be)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    const char *const names[] = {"a/b", "a b", "12345678901234567", ".", "..", "%s", "leat%d%d"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct leat_tun_config config = {.name = names[i]};
        CHECK_EQ(tun_try(&rig, &config).status, -EINVAL);
    }
    struct leat_tun_config lo = {.name = "lo"};
    CHECK_EQ(tun_try(&rig, &lo).status, -EBUSY);
    struct leat_tun_config wide = {.name = "leat0", .mtu = 70000};
    struct io_done failed = tun_try(&rig, &wide);
    CHECK_EQ(failed.status, -EINVAL);
    CHECK_STR(failed.info.name, "leat0"); /* what it was about */
    struct leat_tun_addr addr = tun_addr(TUN_HERE, 33);
    struct leat_tun_config prefix = {.name = "leat0", .addrs = &addr, .addrs_len = 1};
    CHECK_EQ(tun_try(&rig, &prefix).status, -EINVAL);
    CHECK_EQ(if_nametoindex("leat0"), 0); /* nothing is left of it */
    tun_socket(&rig, "leat0", 0, 0);
    struct leat_tun_config again = {.name = "leat0"};
    CHECK_EQ(tun_try(&rig, &again).status, -EBUSY);
    struct leat_tun_config tap = {.name = "leat0", .flags = LEAT_TUN_TAP};
    CHECK_EQ(tun_try(&rig, &tap).status, -EBUSY);
    CHECK_EQ(rig.io->base.stats.sockets, 1);
    rig_close(&rig);
}

TUN_BACKENDS(without_the_capability)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct leat_tun_config config = {.name = "leat0"};
    netns_capable(false);
    int status = tun_try(&rig, &config).status;
    netns_capable(true);
    CHECK_EQ(status, -EPERM);
    CHECK_EQ(tun_try(&rig, &config).status, 0);
    rig_close(&rig);
}

TUN_BACKENDS(interface_that_is_down)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct leat_tun_config config = {.name = "leat0"};
    struct io_done tun = tun_try(&rig, &config);
    for (uint32_t i = 0; i < 5; i++) {
        REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(8, 0, 7000), NULL) == 0);
    }
    CHECK_EQ(rig_expect(&rig, IO_DONE_ERROR).status, -EIO); /* once for all */
    rig_expect_nothing(&rig);
    CHECK_EQ(rig.io->base.stats.send_errors, 5);
    rig_close(&rig);
}

/* ---- the end ---- */

TUN_BACKENDS(close_tries_what_is_queued)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 0);
    int fd = kernel_socket(7000);
    for (uint32_t i = 0; i < 20; i++) {
        REQUIRE(kernel_send(fd, "x", 1) == 1);
        REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(10, i, 7000), NULL) == 0);
    }
    rig_close_sock(&rig, tun.sock);
    CHECK_EQ(tun_submit_packet(&rig, tun.sock, packet_of(10, 0, 7000), NULL), -EBADF);
    struct io_done closed = rig_expect(&rig, IO_DONE_CLOSED);
    CHECK_EQ(closed.status, 0);
    CHECK_EQ(closed.token, tun.token);
    for (uint32_t i = 0; i < 20; i++) {
        char got[32];
        CHECK_EQ(recv(fd, got, sizeof(got), 0), 10);
    }
    CHECK_EQ(if_nametoindex("leat0"), 0);
    CHECK_EQ(rig.io->base.stats.sockets, 0);
    rig_expect_nothing(&rig);
    close(fd);
    rig_close(&rig);
}

TUN_BACKENDS(deleted_while_idle)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 0);
    rig_expect_nothing(&rig);
    REQUIRE(netns_delete("leat0") == 0);
    struct io_done closed = rig_expect(&rig, IO_DONE_CLOSED);
    CHECK_EQ(closed.status, -ENODEV);
    CHECK_EQ(closed.token, tun.token);
    CHECK_EQ(tun_submit_packet(&rig, tun.sock, packet_of(1, 0, 7000), NULL), -EBADF);
    CHECK_EQ(rig.io->base.stats.sockets, 0);
    rig_expect_nothing(&rig);
    struct io_done again = tun_socket(&rig, "leat0", 0, 0); /* and the place serves again */
    CHECK_EQ(again.status, 0);
    rig_close(&rig);
}

TUN_BACKENDS(deleted_with_packets_both_ways)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 0);
    int fd = kernel_socket(7000);
    for (uint32_t i = 0; i < 20; i++) {
        REQUIRE(kernel_send(fd, "x", 1) == 1);
        REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(10, i, 7000), NULL) == 0);
    }
    REQUIRE(netns_delete("leat0") == 0);
    struct io_done done;
    do {
        REQUIRE(rig_next_within(&rig, 5 * LEAT_SEC, &done));
        leat_buf_unref(done.kind == IO_DONE_DATA ? done.body.buf : NULL);
    } while (done.kind == IO_DONE_DATA);
    CHECK_EQ(done.kind, IO_DONE_CLOSED);
    CHECK_EQ(done.status, -ENODEV);
    rig_expect_nothing(&rig);
    CHECK_EQ(rig.io->base.stats.send_errors, 20);
    close(fd);
    rig_close(&rig);
}

/* rig_close counts the descriptors. */
TUN_BACKENDS(opened_and_closed_a_thousand_times)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct leat_tun_config config = {.name = "leat0", .flags = LEAT_TUN_QUEUES};
    struct io_done stays = tun_try(&rig, &config);
    REQUIRE(stays.status == 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct io_done done = tun_try(&rig, &config);
        REQUIRE(done.status == 0);
        rig_close_sock(&rig, done.sock);
        CHECK_EQ(rig_expect(&rig, IO_DONE_CLOSED).token, done.token);
    }
    for (uint32_t i = 0; i < 20; i++) { /* deleting an interface takes the kernel longer */
        struct leat_tun_config other = {.name = "leat1"};
        struct io_done done = tun_try(&rig, &other);
        REQUIRE(done.status == 0);
        rig_close_sock(&rig, done.sock);
        rig_expect(&rig, IO_DONE_CLOSED);
        CHECK_EQ(if_nametoindex("leat1"), 0);
    }
    CHECK_EQ(rig.io->base.stats.sockets, 1);
    rig_close(&rig);
}

TEST(io_sim, has_no_interfaces)
{
    struct rig rig;
    rig_open(&rig, &io_sim, 32, 64);
    struct leat_tun_config config = {.name = "leat0"};
    struct io_op op = {.kind = IO_OP_OPEN_TUN, .token = 1};
    op.open_tun.config = &config;
    CHECK_EQ(io_sim.submit(rig.io, &op), -EOPNOTSUPP);
    rig_close(&rig);
}
