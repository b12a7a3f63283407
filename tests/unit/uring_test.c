/* What is particular to the io_uring backend: what the kernel may refuse, receives that end, queues
 * that overflow, closing in every state, and threads. What it has in common with the others is in
 * tests/conformance. */
#include "../conformance/io_rig.h"

#ifndef LEAT_HAVE_URING

TEST(uring, none)
{
    SKIP("built without io_uring");
}

#else

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "uring_helpers.h"

static struct uring *uring_of(struct rig *rig)
{
    return (struct uring *)rig->io;
}

static struct uring_sock *sock_of(struct rig *rig, uint32_t index)
{
    return uring_of(rig)->socks[index];
}

/* ---- refusals: in a child, which cannot take its filter back ---- */

struct refusal {
    int         number;
    int         error;
    const char *says;
};

struct lines {
    unsigned            len;
    enum leat_log_level level;
    char                text[512];
};

static void take_line(void *context, enum leat_log_level level, const char *text)
{
    struct lines *lines = context;
    lines->len++;
    lines->level = level;
    snprintf(lines->text, sizeof(lines->text), "%s", text);
}

static int refused(const void *arg)
{
    const struct refusal *refusal = arg;
    refuse(refusal->number, refusal->error);
    char why[256] = "";
    if (io_uring.probe(why, sizeof(why)) != -refusal->error) {
        return 1;
    }
    if (strstr(why, refusal->says) == NULL) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    struct lines lines = {0};
    struct io_config config = {.log = take_line, .log_context = &lines};
    if (io_backend_find("auto", &config) != &io_epoll) {
        return 3;
    }
    if (lines.len > 1 || (lines.len == 1 && lines.level != LEAT_LOG_INFO)) {
        return 4;
    }
    lines.len = 0;
    if (io_backend_find("uring", &config) != NULL || lines.len != 1 ||
        lines.level != LEAT_LOG_ERROR || strstr(lines.text, refusal->says) == NULL) {
        return 5;
    }
    return count_fds() > 16 ? 6 : 0;
}

TEST(uring, a_refusal_has_its_reason)
{
    need_uring();
    static const struct refusal refusals[] = {
        {SYS_io_uring_setup, EPERM, "io_uring_setup: Operation not permitted; a seccomp filter"},
        {SYS_io_uring_setup, ENOSYS, "this kernel has no io_uring"},
        {SYS_io_uring_setup, ENOMEM, "raise the limit of locked memory"},
        {SYS_io_uring_register, EPERM, "buffers: Operation not permitted"},
        {SYS_io_uring_register, EINVAL, "a ring of provided buffers: Invalid argument"},
        {SYS_io_uring_enter, EPERM, "io_uring_enter: Operation not permitted"},
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        int status = in_child(refused, &refusals[i]);
        CHECK_EQ(status == 77 ? 0 : status, 0);
    }
}

/* ---- flags ---- */

static void echo(struct rig *rig)
{
    struct end a = rig_socket(rig, "127.0.0.1");
    struct end b = rig_socket(rig, "127.0.0.1");
    for (uint32_t i = 0; i < 200; i++) { /* lengths vary: all go to one peer, none joins another */
        rig_send(rig, a.sock, &b.addr, 100 + i % 7, i);
    }
    struct reader reader = {0};
    leat_slice one = {0};
    for (uint32_t i = 0; i < 200; i++) {
        REQUIRE(reader_next(rig, &reader, &one));
        CHECK(body_is(one, 100 + i % 7, i));
    }
    reader_end(&reader);
}

TEST(uring, setup_falls_back)
{
    need_uring();
    static const uint32_t flags[] = {0, IORING_SETUP_DEFER_TASKRUN,
                                     IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN,
                                     IORING_SETUP_SUBMIT_ALL};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct rig rig;
        struct lines lines = {0};
        rig_begin(&rig, &io_uring, 64, 256);
        rig.config.log = take_line;
        rig.config.log_context = &lines;
        uring_test.refused_flags = flags[i];
        REQUIRE(io_uring.init(&rig.config, &rig.io) == 0);
        uring_test.refused_flags = 0;
        uint32_t got = uring_of(&rig)->ring.setup_flags;
        CHECK_EQ(got & flags[i], 0);
        CHECK_EQ(lines.len, (got & IORING_SETUP_DEFER_TASKRUN) == 0 ? 1 : 0);
        echo(&rig);
        rig_close(&rig);
    }
}

/* A worker whose thread has ended is turned once more by the one that closes the runtime. */
TEST(uring, after_its_thread_has_left_nothing_begins_and_what_there_is_ends)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 64, 256);
    struct end end = rig_socket(&rig, "127.0.0.1");
    io_uring.leave(rig.io);
    struct io_op open = {.kind = IO_OP_OPEN, .token = 9, .open = {.local = end.addr}};
    struct io_op close = {.kind = IO_OP_CLOSE, .sock = end.sock};
    CHECK_EQ(io_uring.submit(rig.io, &open), 0);
    CHECK_EQ(io_uring.submit(rig.io, &close), 0);
    struct io_done done[4];
    bool opened = false, closed = false;
    for (int i = 0; i < 4; i++) {
        unsigned n = io_uring.turn(rig.io, 0, done, 4);
        for (unsigned at = 0; at < n; at++) {
            opened = opened || (done[at].kind == IO_DONE_OPENED && done[at].status == -ESHUTDOWN);
            closed = closed || done[at].kind == IO_DONE_CLOSED;
        }
    }
    CHECK(opened);
    CHECK(closed);
    rig_close(&rig);
}

/* Whoever calls it when nobody waits ends the next wait, also if a full queue was handed over since. */
TEST(uring, a_wake_is_not_lost_to_a_full_queue)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 64, 8);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct leat_addr nobody = a.addr;
    leat_addr_from_host("127.0.0.1", 9, &nobody);
    rig_expect_nothing(&rig);
    io_uring.wake(rig.io);
    for (uint32_t i = 0; i < 20; i++) {
        rig_submit(&rig, a.sock, &nobody, NULL, body_of(8 + i % 2, 0), 0);
    }
    struct io_done done[8];
    leat_time before = io_uring.now(rig.io);
    unsigned n = io_uring.turn(rig.io, before + 5 * LEAT_SEC, done, 8);
    for (unsigned at = 0; at < n; at++) {
        leat_buf_unref(done[at].body.buf);
    }
    CHECK(io_uring.now(rig.io) - before < 2 * LEAT_SEC);
    rig_close(&rig);
}

/* ---- a queue of completions that is too short ---- */

TEST(uring, completions_overflow)
{
    enum { SOCKS = 60 };
    need_uring();
    struct rig rig;
    struct end ends[SOCKS];
    uring_test.sq_len = 8;
    uring_test.cq_len = 8;
    rig_open(&rig, &io_uring, 256, 256);
    uring_test = (struct uring_test){0};
    for (uint32_t i = 0; i < SOCKS; i++) {
        ends[i] = rig_socket(&rig, "127.0.0.1");
    }
    rig_expect_nothing(&rig);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < SOCKS; i++) {
            union addr_any to;
            socklen_t len = addr_to_any(&ends[i].addr, AF_INET, &to);
            REQUIRE(sendto(fd, &i, sizeof(i), 0, &to.any, len) == sizeof(i));
        }
        for (uint32_t i = 0; i < SOCKS; i++) {
            rig_send(&rig, ends[i].sock, &ends[(i + 1) % SOCKS].addr, 10, i);
        }
        for (uint32_t i = 0; i < 2 * SOCKS; i++) {
            struct io_done in = rig_expect(&rig, IO_DONE_DATA);
            leat_buf_unref(in.body.buf);
        }
    }
    close(fd);
    for (uint32_t i = 0; i < SOCKS; i++) { /* as many cancellations at once */
        rig_close_sock(&rig, ends[i].sock);
    }
    for (uint32_t i = 0; i < SOCKS; i++) {
        rig_expect(&rig, IO_DONE_CLOSED);
    }
    echo(&rig);
    CHECK_EQ(uring_of(&rig)->ring.sending, 0);
    rig_close(&rig);
}

/* ---- receiving ends, and begins again ---- */

TEST(uring, the_kernel_has_more_buffers_where_there_is_more_to_receive)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 256, 4096);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    CHECK_EQ(uring_of(&rig)->ring.bufs_target, URING_BUFS_FIRST);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < 600; i++) {
        rig_send(&rig, a.sock, &b.addr, 10 + i % 100, i);
        if (i % 100 == 99) {
            for (; seen <= i; seen++) {
                struct io_done in = rig_expect(&rig, IO_DONE_DATA);
                CHECK(body_is(in.body, 10 + seen % 100, seen));
                leat_buf_unref(in.body.buf);
            }
        }
    }
    CHECK(uring_of(&rig)->ring.bufs_target > URING_BUFS_FIRST);
    CHECK(uring_of(&rig)->ring.bufs_target <= URING_BUFS);
    CHECK_EQ(rig.io->base.stats.recv_starved, 0); /* the pool had some at any time */
    CHECK(sock_of(&rig, b.sock)->armed || sock_of(&rig, b.sock)->is_unarmed);
    rig_close(&rig);
}

/* More sockets than buffers: each has its turn, none is forgotten. */
TEST(uring, sockets_share_few_buffers)
{
    enum { SOCKS = 40, EACH = 5 };
    need_uring();
    struct rig rig;
    struct end ends[SOCKS];
    uint32_t seen[SOCKS] = {0};
    rig_open(&rig, &io_uring, 3, 4096);
    struct end from = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < SOCKS; i++) {
        ends[i] = rig_socket(&rig, "127.0.0.1");
    }
    for (uint32_t k = 0; k < EACH; k++) {
        for (uint32_t i = 0; i < SOCKS; i++) {
            rig_send(&rig, from.sock, &ends[i].addr, 10 + k, k);
        }
    }
    for (uint32_t i = 0; i < SOCKS * EACH; i++) {
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        uint32_t at = in.sock - ends[0].sock;
        REQUIRE(at < SOCKS);
        CHECK(body_is(in.body, 10 + seen[at], seen[at]));
        seen[at]++;
        leat_buf_unref(in.body.buf);
    }
    rig_expect_nothing(&rig);
    rig_close(&rig);
}

TEST(uring, an_empty_datagram_does_not_end_it)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 16, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < 40; i++) {
        rig_send(&rig, a.sock, &a.addr, i % 3 == 0 ? 5 : 0, i);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK(body_is(in.body, i % 3 == 0 ? 5 : 0, i));
        leat_buf_unref(in.body.buf);
    }
    rig_close(&rig);
}

/* ---- closing ---- */

enum closing {
    BEFORE_A_TURN,
    IDLE,
    RECEIVED,
    SENDING,
    DRY,
    REFUSED,
    CLOSINGS,
};

#define BUFS 4 /* the kernel has two at once: streams and packets are left one each */

/* Brings a socket of a rig of so many buffers into that state, closes it, and takes its CLOSED. */
static void close_in(struct rig *rig, enum closing state)
{
    struct end to = rig_socket(rig, "127.0.0.1");
    struct end gone = rig_socket(rig, "127.0.0.1");
    rig_close_sock(rig, gone.sock);
    rig_expect(rig, IO_DONE_CLOSED);
    struct io_op open = {.kind = IO_OP_OPEN, .token = 7};
    open.open.local = address("127.0.0.1", 0);
    REQUIRE(rig->ops->submit(rig->io, &open) == 0);
    struct io_done held[BUFS] = {0};
    struct io_done opened = {.sock = uring_of(rig)->socks_len - 1};
    if (state != BEFORE_A_TURN) {
        opened = rig_expect(rig, IO_DONE_OPENED);
    } else {
        for (opened.sock = 0; sock_of(rig, opened.sock)->udp.token != 7 ||
                              sock_of(rig, opened.sock)->state != URING_OPEN;) {
            opened.sock++;
        }
    }
    struct leat_addr self = sock_of(rig, opened.sock)->udp.bound;
    if (state == RECEIVED) { /* in the kernel, then here, but not given on */
        struct io_done done;
        rig_send(rig, to.sock, &self, 10, 1);
        rig_send(rig, to.sock, &self, 11, 1);
        REQUIRE(rig->ops->turn(rig->io, 0, &done, 1) == 1);
        leat_buf_unref(done.body.buf);
        CHECK(sock_of(rig, opened.sock)->filled_first != URING_NONE);
    } else if (state == SENDING) {
        for (uint32_t i = 0; i < 600; i++) {
            rig_send(rig, opened.sock, &self, 10 + i % 2, 1);
        }
    } else if (state == DRY) {
        for (uint32_t i = 0; i < 4; i++) {
            rig_send(rig, to.sock, &self, 10 + i, 1);
        }
        for (int i = 0; i < BUFS; i++) {
            held[i] = rig_expect(rig, IO_DONE_DATA);
        }
        rig_expect_nothing(rig);
        CHECK(!sock_of(rig, opened.sock)->armed);
    } else if (state == REFUSED) {
        rig_send(rig, opened.sock, &gone.addr, 10, 1);
        rig_expect(rig, IO_DONE_ERROR);
        rig_send(rig, opened.sock, &gone.addr, 10, 1);
    }
    rig_close_sock(rig, opened.sock);
    struct io_done done = {0};
    while (done.kind != IO_DONE_CLOSED && rig_next_within(rig, LEAT_SEC, &done)) {
        CHECK(done.kind != IO_DONE_DATA);
    }
    CHECK_EQ(done.kind, IO_DONE_CLOSED);
    CHECK_EQ(done.sock, opened.sock);
    CHECK_EQ(sock_of(rig, opened.sock)->outstanding, 0);
    for (int i = 0; i < BUFS; i++) {
        leat_buf_unref(held[i].body.buf);
    }
    struct io_done again = rig_try_socket(rig, "127.0.0.1", self.port, 0);
    CHECK_EQ(again.status, 0); /* its port is free at once */
    rig_close_sock(rig, again.sock);
    rig_close_sock(rig, to.sock);
    rig_expect(rig, IO_DONE_CLOSED);
    rig_expect(rig, IO_DONE_CLOSED);
}

TEST(uring, closes_in_every_state)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, BUFS, 1024);
    for (enum closing state = 0; state < CLOSINGS; state++) {
        for (int i = 0; i < 3; i++) {
            close_in(&rig, state);
        }
    }
    CHECK(uring_of(&rig)->socks_len <= 8); /* indexes are used again */
    rig_close(&rig);
}

TEST(uring, fini_in_every_state)
{
    need_uring();
    for (int turns = 0; turns < 4; turns++) {
        struct rig rig;
        rig_open(&rig, &io_uring, 4, 1024);
        struct end a = rig_socket(&rig, "127.0.0.1");
        struct end b = rig_socket(&rig, "127.0.0.1");
        for (uint32_t i = 0; i < 300; i++) {
            rig_send(&rig, a.sock, &b.addr, 10 + i % 2, i);
        }
        for (int i = 0; i < turns; i++) {
            struct io_done done;
            unsigned n = io_uring.turn(rig.io, 0, &done, 1);
            leat_buf_unref(n > 0 ? done.body.buf : NULL);
        }
        if (turns % 2 == 1) {
            rig_close_sock(&rig, b.sock);
        }
        rig_close(&rig);
        struct rig next;
        rig_open(&next, &io_uring, 4, 16);
        CHECK_EQ(rig_try_socket(&next, "127.0.0.1", b.addr.port, 0).status, 0);
        rig_close(&next);
    }
}

/* ---- threads ---- */


static void *run_elsewhere(void *arg)
{
    struct rig *rig = arg;
    pool_set_current(rig->pool);
    struct end a = rig_socket(rig, "127.0.0.1");
    rig_send(rig, a.sock, &a.addr, 10, 1);
    struct io_done in = rig_expect(rig, IO_DONE_DATA);
    CHECK(body_is(in.body, 10, 1));
    leat_buf_unref(in.body.buf);
    CHECK_EQ(uring_of(rig)->ring.owner, gettid());
    io_uring.leave(rig->io);
    io_uring.leave(rig->io);
    CHECK_EQ(uring_of(rig)->ring.outstanding, 0);
    pool_set_current(NULL);
    return NULL;
}

TEST(uring, opened_here_run_there)
{
    need_uring();
    for (int i = 0; i < 3; i++) {
        struct rig rig;
        struct rig here; /* a ring of this thread's own, which the other's end must not touch */
        pthread_t thread;
        rig_open(&here, &io_uring, 16, 16);
        struct end a = rig_socket(&here, "127.0.0.1");
        rig_open(&rig, &io_uring, 16, 16);
        REQUIRE(pthread_create(&thread, NULL, run_elsewhere, &rig) == 0);
        pthread_join(thread, NULL);
        rig_close(&rig);
        pool_set_current(here.pool);
        rig_send(&here, a.sock, &a.addr, 10, 1);
        struct io_done in = rig_expect(&here, IO_DONE_DATA);
        leat_buf_unref(in.body.buf);
        rig_close(&here);
    }
}

/* ---- a device that has no room: an interface of our own, in a network of our own ---- */

static int tap_open(const char *name)
{
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        return -1;
    }
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a090001)};
    struct sockaddr_in mask = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xffffff00)};
    bool good = fd >= 0 && any >= 0 && ioctl(fd, TUNSETIFF, &request) == 0;
    memcpy(&request.ifr_addr, &own, sizeof(own));
    good = good && ioctl(any, SIOCSIFADDR, &request) == 0;
    memcpy(&request.ifr_netmask, &mask, sizeof(mask));
    good = good && ioctl(any, SIOCSIFNETMASK, &request) == 0;
    request.ifr_flags = IFF_UP;
    good = good && ioctl(any, SIOCSIFFLAGS, &request) == 0;
    close(any);
    return good ? fd : -1;
}

/* Tells the kernel who 10.9.0.2 is: what waits for that leaves. */
static bool neighbour_add(const char *device)
{
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct arpreq request = {.arp_flags = ATF_COM | ATF_PERM};
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a090002)};
    memcpy(&request.arp_pa, &peer, sizeof(peer));
    request.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(request.arp_ha.sa_data, "\2\0\0\0\0\2", 6);
    snprintf(request.arp_dev, sizeof(request.arp_dev), "%s", device);
    bool good = ioctl(any, SIOCSARP, &request) == 0;
    close(any);
    return good;
}

/* A socket with a small buffer, whose datagrams wait for the neighbour's address. */
static int blocked(const void *arg)
{
    bool closes = *(const bool *)arg;
    int tap = tap_open("leat0");
    if (tap < 0) {
        return 77;
    }
    struct rig rig;
    rig_open(&rig, &io_uring, 8, 8);
    struct io_op op = {.kind = IO_OP_OPEN, .token = 5};
    op.open.local = address("10.9.0.1", 0);
    op.open.send_buf = 1;
    NEED(io_uring.submit(rig.io, &op) == 0);
    struct io_done opened = rig_expect(&rig, IO_DONE_OPENED);
    NEED(opened.status == 0);
    struct leat_addr peer = address("10.9.0.2", 9);
    uint32_t n = 0;
    while (n < 100 && rig_submit(&rig, opened.sock, &peer, NULL, body_of(1000 + n, n), 0) == 0) {
        n++;
    }
    NEED(n >= 8 && n < 100); /* then the kernel's buffer is full, and so is the queue */
    struct uring_sock *sock = sock_of(&rig, opened.sock);
    struct io_done done;
    NEED(!rig_next_within(&rig, 20 * LEAT_MS, &done));
    NEED(sock->blocked && sock->polled && sock->sending == 0 && sock->udp.queued == 8);
    if (closes) {
        rig_close_sock(&rig, opened.sock);
        NEED(rig_expect(&rig, IO_DONE_CLOSED).sock == opened.sock);
        NEED(rig.io->base.stats.send_errors == 8);
    } else {
        NEED(neighbour_add("leat0"));
        NEED(rig_expect(&rig, IO_DONE_WRITABLE).sock == opened.sock);
        while (sock->udp.queued > 0) {
            NEED(rig_next_within(&rig, 100 * LEAT_MS, &done) || sock->udp.queued == 0);
        }
        NEED(rig.io->base.stats.sent_datagrams == n);
        uint8_t frame[2048];
        uint32_t expected = 1000; /* in order: longer each time */
        for (uint32_t i = 0; i < 200 && expected < 1000 + n; i++) {
            ssize_t len = read(tap, frame, sizeof(frame));
            bool ours = len > 42 && frame[12] == 8 && frame[13] == 0 && frame[23] == 17;
            NEED(!ours || len == (ssize_t)expected + 42);
            expected += ours;
        }
        NEED(expected == 1000 + n);
    }
    rig_close(&rig);
    close(tap);
    return 0;
}

static void with_a_tap(int (*job)(const void *), const void *arg)
{
    need_uring();
    int status = in_child(job, arg);
    if (status == 77) {
        SKIP("no network of its own, or no tap device, for this process");
    }
    CHECK_EQ(status, 0);
}

TEST(uring, blocked_then_writable)
{
    with_a_tap(blocked, &(bool){false});
}

TEST(uring, blocked_then_closed)
{
    with_a_tap(blocked, &(bool){true});
}

/* ---- what the kernel may answer, put into its mouth ---- */

/* The queue as if it had been submitted, and refused with `errors`, one a message; 0: taken. */
static void answer_sends(struct rig *rig, struct uring_sock *sock, enum uring_kind kind,
                         unsigned len, const int *errors)
{
    struct uring *uring = uring_of(rig);
    struct udp_run *runs[16];
    uint32_t n = udp_build(uring->udp, &sock->udp, &sock->chained);
    REQUIRE(n == len && n <= 16);
    memcpy(runs, uring->udp->send_runs, n * sizeof(struct udp_run *));
    udp_batch_clear(uring->udp);
    sock->built = sock->sending = n;
    sock->taken = 0;
    sock->error = 0;
    sock->outstanding += n;
    uring->ring.sending += n;
    for (uint32_t i = 0; i < n; i++) {
        uring_udp_sent(uring, runs[i], kind, -errors[i]);
    }
    CHECK_EQ(sock->sending, 0);
    CHECK_EQ(uring->ring.sending, 0);
}

#define ANSWERS(rig, sock, ...)                                                                    \
    answer_sends(rig, sock, URING_SEND, sizeof((int[]){__VA_ARGS__}) / sizeof(int),                \
                 (const int[]){__VA_ARGS__})

/* Datagrams of one peer arrive in order: lengths from 100 on. */
static void expect_in_order(struct rig *rig, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct io_done in = rig_expect(rig, IO_DONE_DATA);
        CHECK(body_is(in.body, 100 + i, i));
        leat_buf_unref(in.body.buf);
    }
}

TEST(uring, a_full_device_is_tried_again)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 16, 4);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    struct uring_sock *sock = sock_of(&rig, a.sock);
    for (uint32_t i = 0; i < 4; i++) {
        rig_send(&rig, a.sock, &b.addr, 100 + i, i);
    }
    ANSWERS(&rig, sock, ENOBUFS, ECANCELED, ECANCELED, ECANCELED);
    CHECK(sock->chained);
    CHECK(sock->congested);
    CHECK_EQ(sock->udp.queued, 4);
    CHECK_EQ(rig_submit(&rig, a.sock, &b.addr, NULL, body_of(10, 1), 0), -EAGAIN);
    CHECK_EQ(io_uring.turn(rig.io, 0, rig.done, DONE_LEN), 0);
    CHECK_EQ(sock->udp.queued, 4); /* not before its time */
    CHECK_EQ(rig_expect(&rig, IO_DONE_WRITABLE).sock, a.sock);
    expect_in_order(&rig, 4);
    CHECK(!sock->congested);
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    rig_close(&rig);
}

TEST(uring, a_chain_stops_where_it_was_refused)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 16, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    struct uring_sock *sock = sock_of(&rig, a.sock);
    for (uint32_t i = 0; i < 6; i++) {
        rig_send(&rig, a.sock, &b.addr, 100 + i, i);
    }
    ANSWERS(&rig, sock, 0, 0, ECONNREFUSED, ECANCELED, ECANCELED, ECANCELED);
    CHECK(sock->chained);
    CHECK_EQ(sock->udp.queued, 4);
    CHECK_EQ(rig.io->base.stats.sent_datagrams, 2);
    CHECK_EQ(sock->udp.first->segment_size, 102);
    for (uint32_t i = 0; i < 4; i++) {
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK(body_is(in.body, 102 + i, 2 + i));
        leat_buf_unref(in.body.buf);
    }
    rig_close(&rig);
}

TEST(uring, of_many_peers_each_is_answered)
{
    enum { PEERS = 5 };
    need_uring();
    struct rig rig;
    struct end peers[PEERS];
    rig_open(&rig, &io_uring, 16, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct uring_sock *sock = sock_of(&rig, a.sock);
    for (uint32_t i = 0; i < PEERS; i++) {
        peers[i] = rig_socket(&rig, "127.0.0.1");
    }
    for (int tries = 0; tries < 3; tries++) {
        for (uint32_t i = 0; i < PEERS && tries == 0; i++) {
            rig_send(&rig, a.sock, &peers[i].addr, 100 + i, i);
        }
        if (tries == 0) {
            ANSWERS(&rig, sock, 0, EPERM, 0, EPERM, 0);
            CHECK(!sock->chained);
            CHECK_EQ(rig.io->base.stats.sent_datagrams, 3);
            CHECK_EQ(rig.io->base.stats.sent_bytes, 306);
            CHECK_EQ(sock->udp.queued, 2);
        } else if (tries == 1) {
            ANSWERS(&rig, sock, EPERM, 0); /* the last of the queue goes, the first stays */
            CHECK_EQ(sock->udp.queued, 1);
            CHECK(sock->udp.last == sock->udp.first);
        } else {
            ANSWERS(&rig, sock, EPERM);
        }
    }
    CHECK_EQ(sock->udp.queued, 0);
    CHECK(sock->udp.last == NULL);
    CHECK_EQ(rig.io->base.stats.send_errors, 1);
    struct io_done done = rig_expect(&rig, IO_DONE_ERROR);
    CHECK_EQ(done.status, -EPERM);
    CHECK(leat_addr_equal(&done.peer, &peers[1].addr));
    rig_expect_nothing(&rig);
    rig_close(&rig);
}

/* Before 6.1 IORING_OP_SEND takes no address: that is no fault of the datagram. */
TEST(uring, a_kernel_that_sends_by_message_only)
{
    static const int invalid[] = {EINVAL, ECANCELED};
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 16, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    struct uring_sock *sock = sock_of(&rig, a.sock);
    rig_send(&rig, a.sock, &b.addr, 100, 0);
    rig_send(&rig, a.sock, &b.addr, 101, 1);
    answer_sends(&rig, sock, URING_SEND_TO, 2, invalid);
    CHECK(!uring_of(&rig)->ring.send_to);
    CHECK_EQ(sock->udp.queued, 2);
    CHECK_EQ(sock->udp.first->tries, 0);
    expect_in_order(&rig, 2);
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    rig_close(&rig);
    rig_open(&rig, &io_uring, 64, 256);
    uring_of(&rig)->ring.send_to = false;
    echo(&rig);
    rig_close(&rig);
}

TEST(uring, a_device_without_trains)
{
    need_uring();
    struct rig rig;
    rig_open(&rig, &io_uring, 64, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    struct uring_sock *sock = sock_of(&rig, a.sock);
    sock->udp.gso = true;
    for (uint32_t i = 0; i < 5; i++) {
        rig_send(&rig, a.sock, &b.addr, 100, i);
    }
    ANSWERS(&rig, sock, EIO);
    CHECK(!sock->udp.gso);
    for (uint32_t i = 0; i < 5; i++) { /* singly, so as a chain */
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK(body_is(in.body, 100, i));
        leat_buf_unref(in.body.buf);
    }
    CHECK(sock->chained);
    CHECK_EQ(rig.io->base.stats.sent_datagrams, 5);
    rig_close(&rig);
}

#endif
