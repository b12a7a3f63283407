/* Conformance of the backends: sockets come, go and fail; addresses; errors. Every case runs
 * against every backend. */
#include <net/if.h>
#include <sys/resource.h>

#include "io_rig.h"

/* ---- opening ---- */

BACKENDS(open_v4_gives_a_port)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct io_done a = rig_try_socket(&rig, "127.0.0.1", 0, 0);
    struct io_done b = rig_try_socket(&rig, "127.0.0.1", 0, 0);
    CHECK_EQ(a.status, 0);
    CHECK_EQ(b.status, 0);
    CHECK(a.sock != b.sock);
    CHECK(leat_addr_is_v4(&a.peer));
    CHECK(a.peer.port != 0 && b.peer.port != 0 && a.peer.port != b.peer.port);
    CHECK_EQ(rig.io->base.stats.sockets, 2);
    rig_close(&rig);
}

BACKENDS(open_v6)
{
    need_ipv6(ops);
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct end a = rig_socket(&rig, "::1");
    struct end b = rig_socket(&rig, "::1");
    CHECK(!leat_addr_is_v4(&a.addr));
    rig_send(&rig, a.sock, &b.addr, 100, 1);
    struct io_done done = rig_expect(&rig, IO_DONE_DATA);
    CHECK(body_is(done.body, 100, 1));
    CHECK(leat_addr_equal(&done.peer, &a.addr));
    REQUIRE(done.body.buf->local != NULL);
    CHECK(memcmp(done.body.buf->local->ip, b.addr.ip, 16) == 0);
    leat_buf_unref(done.body.buf);
    rig_close(&rig);
}

BACKENDS(open_port_in_use)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct io_done b = rig_try_socket(&rig, "127.0.0.1", a.addr.port, 0);
    CHECK_EQ(b.status, -EADDRINUSE);
    struct io_done c = rig_try_socket(&rig, "0.0.0.0", a.addr.port, 0);
    CHECK_EQ(c.status, -EADDRINUSE);
    struct io_done d = rig_try_socket(&rig, "127.0.0.2", a.addr.port, 0);
    CHECK_EQ(d.status, 0);
    struct io_op op = {.kind = IO_OP_CLOSE, .sock = b.sock};
    CHECK(b.sock == c.sock || ops->submit(rig.io, &op) == -EBADF);
    rig_close(&rig);
}

BACKENDS(open_reuseport_shares_by_peer)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 64);
    struct io_done a = rig_try_socket(&rig, "127.0.0.1", 0, LEAT_UDP_REUSEPORT);
    REQUIRE(a.status == 0);
    struct io_done b = rig_try_socket(&rig, "127.0.0.1", a.peer.port, LEAT_UDP_REUSEPORT);
    REQUIRE(b.status == 0);
    struct io_done c = rig_try_socket(&rig, "127.0.0.1", a.peer.port, 0);
    CHECK_EQ(c.status, -EADDRINUSE);
    for (int i = 0; i < 8; i++) {
        struct end from = rig_socket(&rig, "127.0.0.1");
        uint32_t first = UINT32_MAX;
        for (uint32_t k = 0; k < 3; k++) {
            rig_send(&rig, from.sock, &a.peer, 10, k);
            struct io_done done = rig_expect(&rig, IO_DONE_DATA);
            CHECK(done.sock == a.sock || done.sock == b.sock);
            CHECK(first == UINT32_MAX || first == done.sock);
            first = done.sock;
            leat_buf_unref(done.body.buf);
        }
    }
    rig_close(&rig);
}

BACKENDS(open_reuseport_first_is_alone)
{
    const uint32_t shared = LEAT_UDP_REUSEPORT, first = LEAT_UDP_REUSEPORT_FIRST;
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct io_done a = rig_try_socket(&rig, "127.0.0.1", 0, first);
    REQUIRE(a.status == 0);
    struct io_done b = rig_try_socket(&rig, "127.0.0.1", a.peer.port, shared);
    CHECK_EQ(b.status, 0);
    CHECK_EQ(rig_try_socket(&rig, "127.0.0.1", a.peer.port, first).status, -EADDRINUSE);
    CHECK_EQ(rig_try_socket(&rig, "0.0.0.0", a.peer.port, first).status, -EADDRINUSE);
    CHECK_EQ(rig_try_socket(&rig, "127.0.0.1", a.peer.port, 0).status, -EADDRINUSE);
    CHECK_EQ(rig_try_socket(&rig, "127.0.0.1", a.peer.port, shared).status, 0);
    rig_close(&rig);
}

BACKENDS(dual_stack_takes_both)
{
    need_ipv6(ops);
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct io_done dual = rig_try_socket(&rig, "::", 0, LEAT_UDP_DUAL_STACK);
    REQUIRE(dual.status == 0);
    const char *hosts[] = {"127.0.0.1", "::1"};
    for (uint32_t i = 0; i < 2; i++) {
        struct end a = rig_socket(&rig, hosts[i]);
        struct leat_addr to = address(hosts[i], dual.peer.port);
        rig_send(&rig, a.sock, &to, 50, i);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(in.sock, dual.sock);
        CHECK(leat_addr_equal(&in.peer, &a.addr));
        REQUIRE(in.body.buf->local != NULL);
        CHECK(memcmp(in.body.buf->local->ip, to.ip, 16) == 0);
        REQUIRE(rig_submit(&rig, dual.sock, &in.peer, in.body.buf->local, in.body, 0) == 0);
        struct io_done back = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(back.sock, a.sock);
        CHECK(memcmp(back.peer.ip, to.ip, 16) == 0);
        CHECK(body_is(back.body, 50, i));
        leat_buf_unref(back.body.buf);
    }
    rig_close(&rig);
}

BACKENDS(v6_only_takes_no_v4)
{
    need_ipv6(ops);
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct io_done six, four;
    int tries = 0;
    do { /* another program may have that port of the other family */
        six = rig_try_socket(&rig, "::", 0, 0);
        REQUIRE(six.status == 0);
        four = rig_try_socket(&rig, "0.0.0.0", six.peer.port, 0);
    } while (four.status == -EADDRINUSE && ++tries < 5);
    CHECK_EQ(four.status, 0);
    struct leat_addr v4 = address("127.0.0.1", 9);
    struct leat_addr v6 = address("::1", 9);
    CHECK_EQ(rig_submit(&rig, six.sock, &v4, NULL, body_of(4, 0), 0), -EINVAL);
    CHECK_EQ(rig_submit(&rig, four.sock, &v6, NULL, body_of(4, 0), 0), -EINVAL);
    rig_close(&rig);
}

BACKENDS(open_on_an_interface)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    char host[32];
    snprintf(host, sizeof(host), "0.0.0.0%%%u", if_nametoindex("lo"));
    struct io_done a = rig_try_socket(&rig, host, 0, 0);
    REQUIRE(a.status == 0);
    struct leat_addr to = address("127.0.0.1", a.peer.port);
    rig_send(&rig, a.sock, &to, 10, 1);
    struct io_done done = rig_expect(&rig, IO_DONE_DATA);
    CHECK(body_is(done.body, 10, 1));
    leat_buf_unref(done.body.buf);
    rig_close(&rig);
}

BACKENDS(many_sockets_come_and_go)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    for (int round = 0; round < 4; round++) {
        struct end ends[40];
        for (int i = 0; i < 40; i++) {
            ends[i] = rig_socket(&rig, "127.0.0.1");
            CHECK(ends[i].sock < 40); /* indexes are used again */
        }
        for (uint32_t i = 0; i < 40; i++) {
            rig_send(&rig, ends[i].sock, &ends[39 - i].addr, 20, i);
            struct io_done done = rig_expect(&rig, IO_DONE_DATA);
            CHECK_EQ(done.sock, ends[39 - i].sock);
            CHECK_EQ(done.token, ends[39 - i].token);
            leat_buf_unref(done.body.buf);
        }
        for (int i = 0; i < 40; i++) {
            rig_close_sock(&rig, ends[i].sock);
        }
        for (int i = 0; i < 40; i++) {
            CHECK_EQ(rig_expect(&rig, IO_DONE_CLOSED).status, 0);
        }
        CHECK_EQ(rig.io->base.stats.sockets, 0);
    }
    rig_close(&rig);
}

/* ---- indexes and refused submits ---- */

BACKENDS(stale_and_unknown_sockets)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct io_op close_it = {.kind = IO_OP_CLOSE, .sock = a.sock};
    CHECK_EQ(rig_submit(&rig, 77, &a.addr, NULL, body_of(4, 0), 0), -EBADF);
    CHECK_EQ(rig_submit(&rig, UINT32_MAX, &a.addr, NULL, body_of(4, 0), 0), -EBADF);
    CHECK_EQ(ops->submit(rig.io, &close_it), 0);
    CHECK_EQ(rig_submit(&rig, a.sock, &a.addr, NULL, body_of(4, 0), 0), -EBADF);
    CHECK_EQ(ops->submit(rig.io, &close_it), -EBADF);
    struct io_done done = rig_expect(&rig, IO_DONE_CLOSED);
    CHECK_EQ(done.token, a.token);
    CHECK_EQ(rig_submit(&rig, a.sock, &a.addr, NULL, body_of(4, 0), 0), -EBADF);
    rig_expect_nothing(&rig);
    rig_close(&rig);
}

BACKENDS(what_cannot_be_sent_is_refused)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct leat_addr no_port = a.addr;
    no_port.port = 0;
    CHECK_EQ(rig_submit(&rig, a.sock, &a.addr, NULL, body_of(65508, 0), 0), -EMSGSIZE);
    CHECK_EQ(rig_submit(&rig, a.sock, &a.addr, NULL, body_of(65537, 0), 1200), -EMSGSIZE);
    CHECK_EQ(rig_submit(&rig, a.sock, &a.addr, NULL, body_of(2000, 0), 1), -EMSGSIZE);
    CHECK_EQ(rig_submit(&rig, a.sock, &no_port, NULL, body_of(10, 0), 0), -EINVAL);
    rig_expect_nothing(&rig);
    CHECK_EQ(rig.io->base.stats.sent_datagrams, 0);
    rig_close(&rig);
}

/* ---- local addresses ---- */

BACKENDS(answers_leave_from_where_it_came)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct end server = rig_socket(&rig, "0.0.0.0");
    struct end client = rig_socket(&rig, "127.0.0.1");
    const char *hosts[] = {"127.0.0.1", "127.0.0.2", "127.3.2.1", "127.0.0.2"};
    const struct leat_addr *seen[4];
    for (uint32_t i = 0; i < 4; i++) {
        struct leat_addr to = address(hosts[i], server.addr.port);
        rig_send(&rig, client.sock, &to, 30, i);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        seen[i] = in.body.buf->local;
        REQUIRE(seen[i] != NULL);
        CHECK(memcmp(seen[i]->ip, to.ip, 16) == 0);
        CHECK_EQ(seen[i]->port, server.addr.port);
        CHECK(seen[i]->scope_id != 0);
        REQUIRE(rig_submit(&rig, server.sock, &in.peer, seen[i], in.body, 0) == 0);
        struct io_done back = rig_expect(&rig, IO_DONE_DATA);
        CHECK(leat_addr_equal(&back.peer, &to));
        leat_buf_unref(back.body.buf);
    }
    CHECK(seen[1] == seen[3]); /* interned, so stable */
    CHECK(seen[0] != seen[1]);
    rig_close(&rig);
}

BACKENDS(too_many_local_addresses_are_unknown)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct end server = rig_socket(&rig, "0.0.0.0");
    struct end client = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 1; i < 200; i++) {
        struct leat_addr to = address("127.0.1.0", server.addr.port);
        to.ip[15] = (uint8_t)i;
        rig_send(&rig, client.sock, &to, 30, i);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        const struct leat_addr *local = in.body.buf->local;
        CHECK(local == NULL || memcmp(local->ip, to.ip, 16) == 0);
        CHECK(local != NULL || i > 16);
        leat_buf_unref(in.body.buf);
    }
    rig_close(&rig);
}

/* ---- errors ---- */

BACKENDS(nobody_there_is_an_error_with_the_peer)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    struct end gone = rig_socket(&rig, "127.0.0.1");
    rig_close_sock(&rig, gone.sock);
    rig_expect(&rig, IO_DONE_CLOSED);
    for (uint32_t i = 0; i < 8; i++) { /* the living get theirs in between */
        rig_send(&rig, a.sock, &gone.addr, 40, i);
        rig_send(&rig, a.sock, &b.addr, 41, i);
    }
    unsigned errors = 0;
    unsigned datagrams = 0;
    struct io_done done;
    while ((errors == 0 || datagrams < 8) && rig_next_within(&rig, LEAT_SEC, &done)) {
        if (done.kind == IO_DONE_ERROR) {
            CHECK_EQ(done.sock, a.sock);
            CHECK_EQ(done.token, a.token);
            CHECK_EQ(done.status, -ECONNREFUSED);
            CHECK(leat_addr_equal(&done.peer, &gone.addr));
            errors++;
        } else {
            REQUIRE(done.kind == IO_DONE_DATA);
            datagrams += done.segment_size == 0 ? 1 : (done.body.len + 40) / 41;
            leat_buf_unref(done.body.buf);
        }
    }
    CHECK(errors > 0);
    CHECK_EQ(datagrams, 8);
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    rig_close(&rig);
}

BACKENDS(errors_end_and_the_socket_lives)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end gone = rig_socket(&rig, "127.0.0.1");
    rig_close_sock(&rig, gone.sock);
    rig_expect(&rig, IO_DONE_CLOSED);
    rig_send(&rig, a.sock, &gone.addr, 40, 1);
    rig_expect(&rig, IO_DONE_ERROR);
    rig_expect_nothing(&rig); /* no loop on an error that is over */
    rig_send(&rig, a.sock, &a.addr, 40, 2);
    struct io_done done = rig_expect(&rig, IO_DONE_DATA);
    CHECK(body_is(done.body, 40, 2));
    leat_buf_unref(done.body.buf);
    rig_close(&rig);
}

/* ---- closing ---- */

BACKENDS(close_sends_what_is_queued)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < 5; i++) {
        rig_send(&rig, a.sock, &b.addr, 100 + i * 10, i);
    }
    rig_close_sock(&rig, a.sock);
    unsigned datagrams = 0;
    bool closed = false;
    struct io_done done;
    while ((!closed || datagrams < 5) && rig_next_within(&rig, LEAT_SEC, &done)) {
        closed |= done.kind == IO_DONE_CLOSED;
        CHECK(done.kind == IO_DONE_CLOSED || done.sock == b.sock);
        if (done.kind == IO_DONE_DATA) {
            datagrams += done.segment_size == 0 ? 1 : 2;
        }
        leat_buf_unref(done.body.buf);
    }
    CHECK(closed);
    CHECK_EQ(datagrams, 5);
    rig_close(&rig);
}

BACKENDS(close_is_the_last_word)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 4);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    rig_send(&rig, b.sock, &a.addr, 10, 0);
    rig_send(&rig, a.sock, &b.addr, 10, 0);
    rig_close_sock(&rig, a.sock);
    rig_close_sock(&rig, b.sock);
    unsigned closed = 0;
    struct io_done done;
    bool is_closed[2] = {false, false};
    while (rig_next_within(&rig, 50 * LEAT_MS, &done)) {
        unsigned which = done.sock == a.sock ? 0 : 1;
        CHECK(!is_closed[which]);
        if (done.kind == IO_DONE_CLOSED) {
            is_closed[which] = true;
            closed++;
        }
        leat_buf_unref(done.body.buf);
    }
    CHECK_EQ(closed, 2);
    rig_close(&rig);
}

BACKENDS(fini_with_everything_open)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < 20; i++) {
        rig_send(&rig, a.sock, &b.addr, 500, i);
    }
    struct io_done done;
    unsigned n = ops->turn(rig.io, 0, &done, 1); /* some have arrived, some may not */
    for (unsigned i = 0; i < n; i++) {
        leat_buf_unref(done.body.buf);
    }
    rig_send(&rig, a.sock, &b.addr, 500, 21);
    rig_close(&rig);
}

/* ---- want of everything ---- */

BACKENDS(no_memory_leaks_nothing)
{
    for (uint32_t n = 1; n < 12; n++) {
        struct rig rig;
        rig_begin(&rig, ops, 8, 8);
        mem_fail_after(n);
        int status = ops->init(&rig.config, &rig.io);
        if (status < 0) {
            CHECK_EQ(status, -ENOMEM);
            CHECK(rig.io == NULL);
        } else {
            struct io_op op = {.kind = IO_OP_OPEN, .token = 5};
            op.open.local = address("127.0.0.1", 0);
            status = ops->submit(rig.io, &op);
            CHECK(status == 0 || status == -ENOMEM);
            if (status == 0) {
                struct io_done done = rig_expect(&rig, IO_DONE_OPENED);
                CHECK(done.status == 0 || done.status == -ENOMEM);
            }
        }
        mem_fail_after(0);
        rig_close(&rig);
    }
}

BACKENDS(no_memory_to_send_is_told)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 4096);
    struct end a = rig_socket(&rig, "127.0.0.1");
    leat_slice body = body_of(100, 1);
    mem_fail_after(1);
    int status = 0;
    for (uint32_t i = 0; i < 1000 && status == 0; i++) {
        struct leat_addr to = address("127.0.0.1", (uint16_t)(20000 + i));
        status = rig_submit(&rig, a.sock, &to, NULL, leat_slice_ref(body), 0);
    }
    mem_fail_after(0);
    CHECK_EQ(status, -ENOMEM);
    leat_buf_unref(body.buf);
    rig_close(&rig);
}

static void no_descriptors(const struct io_ops *ops)
{
    struct rig rig;
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    rig_open(&rig, ops, 8, 8);
    int highest = dup(0);
    close(highest);
    struct rlimit none = {.rlim_cur = (rlim_t)highest, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    struct io *second = NULL;
    int init_status = ops->init(&rig.config, &second);
    struct io_done done = rig_try_socket(&rig, "127.0.0.1", 0, 0);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_EQ(init_status, -EMFILE);
    CHECK_EQ(done.status, -EMFILE);
    struct end works = rig_socket(&rig, "127.0.0.1");
    CHECK(works.addr.port != 0);
    rig_close(&rig);
}

BACKEND_URING(no_descriptors)

TEST(io_epoll, no_descriptors)
{
    no_descriptors(&io_epoll);
}

TEST(io_poll, no_descriptors)
{
    no_descriptors(&io_poll);
}

/* ---- names ---- */

static char said[512];

static void listen_to(void *context, enum leat_log_level level, const char *text)
{
    *(enum leat_log_level *)context = level;
    snprintf(said, sizeof(said), "%s", text);
}

TEST(io_backend, names)
{
    enum leat_log_level level = LEAT_LOG_INFO;
    struct io_config config = {.log = listen_to, .log_context = &level};
    said[0] = '\0';
    const struct io_ops *best = io_backend_find("auto", &config);
#ifdef LEAT_HAVE_URING
    char why[256];
    const struct io_ops *uring = io_uring.probe(why, sizeof(why)) == 0 ? &io_uring : NULL;
    CHECK(io_backend_find("uring", &config) == uring);
    CHECK(uring != NULL || strstr(said, why) != NULL);
#else
    const struct io_ops *uring = NULL;
#endif
    CHECK(best == (uring != NULL ? uring : &io_epoll));
    said[0] = uring != NULL ? said[0] : '\0';
    CHECK(io_backend_find("epoll", &config) == &io_epoll);
    CHECK(io_backend_find("poll", &config) == &io_poll);
    CHECK(io_backend_find("sim", &config) == &io_sim);
    CHECK_STR(said, "");
    CHECK(io_backend_find("kqueue", &config) == NULL);
    CHECK_EQ(level, LEAT_LOG_ERROR);
    config.log = NULL;
    const char *const *names = io_backend_names();
    CHECK_STR(names[0], "auto");
    for (; *names != NULL; names++) {
        bool works = strcmp(*names, "uring") != 0 || uring != NULL;
        CHECK(strstr(said, *names) != NULL);
        CHECK((io_backend_find(*names, &config) != NULL) == works);
    }
    CHECK(io_backend_find("", &config) == NULL);
}
