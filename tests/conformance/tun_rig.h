/* What the conformance cases of TUN stand on: a network of their own with one interface, the
 * kernel's sockets on its one side and a backend on the other. */
#ifndef LEAT_TESTS_TUN_RIG_H
#define LEAT_TESTS_TUN_RIG_H

#include "io_rig.h"
#include "netns.h"
#include "packets.h"
#ifdef LEAT_HAVE_URING
#include "uring.h"
#endif

/* A case for each backend that has interfaces; on a ring also as where the kernel has no
 * multishot read. */
#ifdef LEAT_HAVE_URING
#define TUN_URING(suite, name, by_hand)                                                            \
    TEST(suite, name)                                                                              \
    {                                                                                              \
        char why[256] = "";                                                                        \
        uring_test.no_multishot_read = by_hand;                                                    \
        if (io_uring.probe(why, sizeof(why)) < 0) {                                                \
            SKIP(why);                                                                             \
        }                                                                                          \
        name(&io_uring);                                                                           \
    }
#else
#define TUN_URING(suite, name, by_hand)
#endif

#define TUN_BACKENDS(name)                                                                         \
    static void name(const struct io_ops *ops);                                                    \
    TUN_URING(io_uring, name, false)                                                               \
    TUN_URING(io_uring_by_hand, name, true)                                                        \
    TEST(io_epoll, name)                                                                           \
    {                                                                                              \
        name(&io_epoll);                                                                           \
    }                                                                                              \
    TEST(io_poll, name)                                                                            \
    {                                                                                              \
        name(&io_poll);                                                                            \
    }                                                                                              \
    static void name(const struct io_ops *ops)

static inline struct leat_tun_addr tun_addr(const char *host, uint32_t prefix_len)
{
    return (struct leat_tun_addr){.ip = address(host, 0), .prefix_len = prefix_len};
}

/* OPENED of an interface, whatever it says. */
static inline struct io_done tun_try(struct rig *rig, const struct leat_tun_config *config)
{
    static uint64_t token = 5000;
    struct io_op op = {.kind = IO_OP_OPEN_TUN, .token = ++token};
    op.open_tun.config = config;
    REQUIRE(rig->ops->submit(rig->io, &op) == 0);
    struct io_done done = rig_expect(rig, IO_DONE_OPENED);
    CHECK_EQ(done.token, token);
    return done;
}

/* An interface that is up, with TUN_HERE/24. */
static inline struct io_done tun_socket(struct rig *rig, const char *name, uint32_t flags,
                                        uint32_t mtu)
{
    struct leat_tun_addr here = tun_addr(TUN_HERE, 24);
    struct leat_tun_config config = {
        .name = name, .addrs = &here, .addrs_len = 1, .flags = flags | LEAT_TUN_UP, .mtu = mtu};
    struct io_done done = tun_try(rig, &config);
    REQUIRE(done.status == 0);
    return done;
}

static inline int tun_submit_packet(struct rig *rig, uint32_t sock, leat_slice body,
                                    const struct leat_tun_offload *offload)
{
    static const struct leat_tun_offload none;
    struct io_op op = {.kind = IO_OP_DATA, .sock = sock};
    op.data.body = body;
    op.data.offload = offload != NULL ? offload : &none;
    int status = rig->ops->submit(rig->io, &op);
    if (status < 0) {
        leat_buf_unref(body.buf);
    }
    return status;
}

/* What came to a socket, while the backend does its work; what completes meanwhile waits for
 * rig_expect. */
static inline ssize_t kernel_receive(struct rig *rig, int fd, void *bytes, size_t len)
{
    leat_time deadline = rig->ops->now(rig->io) + 5 * LEAT_SEC;
    for (;;) {
        if (rig->next == rig->done_len) {
            rig->next = 0;
            rig->done_len = rig->ops->turn(rig->io, 0, rig->done, DONE_LEN);
        }
        ssize_t got = recv(fd, bytes, len, 0);
        if (got >= 0 || errno != EAGAIN || rig->ops->now(rig->io) > deadline) {
            return got;
        }
    }
}

/* A UDP packet from TUN_THERE to `port` of TUN_HERE with the bytes of body_of(len, seed). */
static inline leat_slice packet_of(uint32_t len, uint32_t seed, uint16_t port)
{
    leat_slice packet, payload = body_of(len, seed);
    REQUIRE(leat_buf_alloc(TUN_HEADERS + len, &packet) == 0);
    memcpy(leat_slice_data(packet) + TUN_HEADERS, leat_slice_data(payload), len);
    packet_finish(leat_slice_data(packet), len, port);
    leat_buf_unref(payload.buf);
    return packet;
}

#endif
