/* Conformance of TUN's offloads: super-packets of UDP and TCP come from a real kernel, go back
 * to it whole or cut into packets, and it finds them right. */
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include "tun_rig.h"

#define SEGMENT 1000u
#define SEGMENTS 30u
#define STREAM_LEN (8u << 20)

/* To where it came from: addresses change places, ports stay, and no checksum notices. A
 * connection of a kernel to TUN_THERE is then one to itself. */
static void swap_addrs(uint8_t *ip)
{
    uint8_t keep[4];
    memcpy(keep, ip + 12, 4);
    memmove(ip + 12, ip + 16, 4);
    memcpy(ip + 16, keep, 4);
}

/* Each packet of it as the kernel would send it; the body stays the caller's. */
static void send_cut(struct rig *rig, const struct io_done *in)
{
    const uint8_t *bytes = leat_slice_data(in->body);
    uint32_t n = leat_tun_packets(&in->offload, bytes, in->body.len, 0);
    REQUIRE(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        leat_slice one;
        uint32_t room = n == 1 ? in->body.len : in->offload.header_len + in->offload.segment_size;
        REQUIRE(leat_buf_alloc(room, &one) == 0);
        one.len = leat_tun_segment(&in->offload, bytes, in->body.len, 0, i, leat_slice_data(one));
        REQUIRE(one.len > 0 && one.len <= room);
        CHECK(packet_is_good(leat_slice_data(one), one.len));
        int status = tun_submit_packet(rig, in->sock, leat_slice_ref(one), NULL);
        while (status == -EAGAIN) {
            rig_expect(rig, IO_DONE_WRITABLE);
            status = tun_submit_packet(rig, in->sock, leat_slice_ref(one), NULL);
        }
        REQUIRE(status == 0);
        leat_buf_unref(one.buf);
    }
}

/* ---- UDP ---- */

/* A train of a kernel's socket; false: this kernel's interfaces take only TCP super-packets. */
static bool send_train(struct rig *rig, int fd, struct io_done *ret)
{
    static uint8_t bytes[SEGMENT * SEGMENTS - 10];
    int size = (int)SEGMENT;
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 131u >> 3);
    }
    REQUIRE(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) == 0);
    REQUIRE(kernel_send(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
    *ret = rig_expect(rig, IO_DONE_DATA);
    return ret->offload.type != LEAT_TUN_WHOLE;
}

static void udp_train(const struct io_ops *ops, bool cut)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 64, 256);
    struct io_done tun = tun_socket(&rig, "leat0", LEAT_TUN_OFFLOADS, 0);
    int fd = kernel_socket(TUN_PORT);
    struct io_done in;
    bool is_super = send_train(&rig, fd, &in);
    if (is_super) {
        CHECK_EQ(in.offload.type, LEAT_TUN_UDP);
        CHECK_EQ(in.segment_size, SEGMENT);
        CHECK_EQ(in.offload.header_len, TUN_HEADERS);
        CHECK_EQ(in.body.len, TUN_HEADERS + SEGMENT * SEGMENTS - 10);
        CHECK_EQ(leat_tun_packets(&in.offload, leat_slice_data(in.body), in.body.len, 0), SEGMENTS);
        CHECK_EQ(rig.io->base.stats.recv_datagrams, SEGMENTS);
        swap_addrs(leat_slice_data(in.body));
        if (cut) {
            send_cut(&rig, &in);
        } else {
            leat_buf_ref(in.body.buf);
            REQUIRE(tun_submit_packet(&rig, tun.sock, in.body, &in.offload) == 0);
        }
        for (uint32_t i = 0; i < SEGMENTS; i++) {
            uint8_t got[SEGMENT + 1];
            uint32_t want = i + 1 < SEGMENTS ? SEGMENT : SEGMENT - 10;
            REQUIRE(kernel_receive(&rig, fd, got, sizeof(got)) == (ssize_t)want);
            for (uint32_t k = 0; k < want; k++) {
                REQUIRE(got[k] == (uint8_t)((i * SEGMENT + k) * 131u >> 3));
            }
        }
        CHECK_EQ(rig.io->base.stats.sent_datagrams, SEGMENTS);
    }
    leat_buf_unref(in.body.buf);
    close(fd);
    rig_close(&rig);
    if (!is_super) {
        SKIP("this kernel has no TUN_F_USO4");
    }
}

TUN_BACKENDS(udp_super_packets_whole)
{
    udp_train(ops, false);
}

TUN_BACKENDS(udp_super_packets_cut)
{
    udp_train(ops, true);
}

/* ---- TCP ---- */

struct stream {
    int listener, client, server;
    uint32_t sent, received;
};

static uint8_t stream_bytes[STREAM_LEN];

static void stream_open(struct stream *stream)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9000)};
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    memset(stream, 0, sizeof(*stream));
    for (uint32_t i = 0; i < STREAM_LEN; i++) {
        stream_bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    stream->server = -1;
    stream->listener = socket(AF_INET, type, 0);
    stream->client = socket(AF_INET, type, 0);
    inet_pton(AF_INET, TUN_HERE, &at.sin_addr);
    REQUIRE(bind(stream->listener, (struct sockaddr *)&at, sizeof(at)) == 0);
    REQUIRE(listen(stream->listener, 1) == 0);
    inet_pton(AF_INET, TUN_THERE, &at.sin_addr);
    int status = connect(stream->client, (struct sockaddr *)&at, sizeof(at));
    REQUIRE(status < 0 && errno == EINPROGRESS);
}

/* As much as the kernel takes and gives just now. */
static void stream_pump(struct stream *stream)
{
    static uint8_t bytes[65536];
    if (stream->server < 0) {
        stream->server = accept4(stream->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    uint32_t len = STREAM_LEN - stream->sent;
    len = len < sizeof(bytes) ? len : (uint32_t)sizeof(bytes);
    ssize_t n = send(stream->client, stream_bytes + stream->sent, len, MSG_NOSIGNAL);
    REQUIRE(n >= 0 || errno == EAGAIN || errno == ENOTCONN);
    stream->sent += n > 0 ? (uint32_t)n : 0;
    n = stream->server < 0 ? 0 : recv(stream->server, bytes, sizeof(bytes), 0);
    if (n > 0) {
        REQUIRE(memcmp(bytes, stream_bytes + stream->received, (size_t)n) == 0);
        stream->received += (uint32_t)n;
    }
}

static void tcp_stream(const struct io_ops *ops, bool cut)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 64, 256);
    struct io_done tun = tun_socket(&rig, "leat0", LEAT_TUN_OFFLOADS, 1400);
    struct stream stream;
    uint32_t super_packets = 0;
    stream_open(&stream);
    leat_time deadline = ops->now(rig.io) + 20 * LEAT_SEC;
    while (stream.received < STREAM_LEN && ops->now(rig.io) < deadline) {
        struct io_done in;
        stream_pump(&stream);
        while (rig_next_within(&rig, LEAT_MS, &in)) {
            REQUIRE(in.kind == IO_DONE_DATA);
            swap_addrs(leat_slice_data(in.body));
            super_packets += in.offload.type == LEAT_TUN_TCP4;
            if (cut) {
                send_cut(&rig, &in);
                leat_buf_unref(in.body.buf);
            } else if (tun_submit_packet(&rig, tun.sock, in.body, &in.offload) != 0) {
                rig_expect(&rig, IO_DONE_WRITABLE); /* TCP sends it again */
            }
            stream_pump(&stream);
        }
    }
    CHECK_EQ(stream.received, STREAM_LEN);
    CHECK(super_packets > STREAM_LEN / 65536 / 2);
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    close(stream.listener);
    close(stream.client);
    close(stream.server);
    rig_close(&rig);
}

TUN_BACKENDS(tcp_super_packets_whole)
{
    tcp_stream(ops, false);
}

TUN_BACKENDS(tcp_super_packets_cut)
{
    tcp_stream(ops, true);
}

/* ---- without being asked ---- */

/* Who did not ask for offloads is given finished packets only. */
TUN_BACKENDS(finished_packets_unless_asked)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 64, 256);
    tun_socket(&rig, "leat0", 0, 1400);
    int fd = kernel_socket(TUN_PORT);
    struct io_done in;
    CHECK(!send_train(&rig, fd, &in));
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        static const struct leat_tun_offload none;
        CHECK(memcmp(&in.offload, &none, sizeof(none)) == 0);
        CHECK(packet_is_good(leat_slice_data(in.body), in.body.len));
        leat_buf_unref(in.body.buf);
        if (i + 1 < SEGMENTS) {
            in = rig_expect(&rig, IO_DONE_DATA);
        }
    }
    close(fd);
    rig_close(&rig);
}
