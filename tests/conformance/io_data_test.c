/* Conformance of the backends: bytes. Lengths, trains, coalescing and order, full queues, want of
 * receive buffers. Every case runs against every backend. */
#include "io_rig.h"

/* ---- one datagram ---- */

static void echo_once(struct rig *rig, struct end a, struct end b, uint32_t len)
{
    rig_send(rig, a.sock, &b.addr, len, len);
    struct io_done in = rig_expect(rig, IO_DONE_DATA);
    CHECK_EQ(in.sock, b.sock);
    CHECK_EQ(in.token, b.token);
    CHECK_EQ(in.status, 0);
    CHECK_EQ(in.segment_size, 0);
    CHECK(leat_addr_equal(&in.peer, &a.addr));
    CHECK(body_is(in.body, len, len));
    CHECK(leat_slice_headroom(in.body) >= LEAT_HEADROOM);
    CHECK(leat_buf_is_sole(in.body.buf));
    REQUIRE(rig_submit(rig, b.sock, &in.peer, in.body.buf->local, in.body, 0) == 0);
    struct io_done back = rig_expect(rig, IO_DONE_DATA);
    CHECK_EQ(back.sock, a.sock);
    CHECK(leat_addr_equal(&back.peer, &b.addr));
    CHECK(body_is(back.body, len, len));
    leat_buf_unref(back.body.buf);
}

BACKENDS(echo_of_every_length)
{
    static const uint32_t lens[] = {1, 0, 2, 1200, 1500, 0, 9000, 65507, 1};
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        echo_once(&rig, a, b, lens[i]);
    }
    CHECK_EQ(rig.io->base.stats.recv_datagrams, 18);
    CHECK_EQ(rig.io->base.stats.sent_datagrams, 18);
    CHECK_EQ(rig.io->base.stats.sent_bytes, rig.io->base.stats.recv_bytes);
    rig_close(&rig);
}

BACKENDS(echo_over_v6)
{
    need_ipv6(ops);
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct end a = rig_socket(&rig, "::1");
    struct end b = rig_socket(&rig, "::");
    b.addr = address("::1", b.addr.port);
    echo_once(&rig, a, b, 1);
    echo_once(&rig, a, b, 65507);
    rig_close(&rig);
}

BACKENDS(a_slice_without_a_buffer)
{
    struct rig rig;
    rig_open(&rig, ops, 16, 16);
    struct end a = rig_socket(&rig, "127.0.0.1");
    leat_slice none = {0};
    REQUIRE(rig_submit(&rig, a.sock, &a.addr, NULL, none, 0) == 0);
    REQUIRE(rig_submit(&rig, a.sock, &a.addr, NULL, none, 1200) == 0);
    for (int i = 0; i < 2; i++) {
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(in.body.len, 0);
        CHECK(in.body.buf != NULL);
        leat_buf_unref(in.body.buf);
    }
    rig_close(&rig);
}

/* ---- trains ---- */

/* Sends one body as a train and checks every datagram of it. */
static void train_once(struct rig *rig, struct end a, struct end b, uint32_t len, uint32_t size)
{
    leat_slice body = body_of(len, len);
    REQUIRE(rig_submit(rig, a.sock, &b.addr, NULL, leat_slice_ref(body), size) == 0);
    struct reader reader = {0};
    leat_slice one;
    for (uint32_t at = 0; at < len; at += size) {
        REQUIRE(reader_next(rig, &reader, &one));
        leat_slice sent = leat_slice_sub(body, at, size);
        REQUIRE(one.len == sent.len);
        CHECK(memcmp(leat_slice_data(one), leat_slice_data(sent), one.len) == 0);
    }
    CHECK_EQ(reader.offset, reader.done.body.len);
    reader_end(&reader);
    leat_buf_unref(body.buf);
}

BACKENDS(trains_keep_their_borders)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    train_once(&rig, a, b, 2400, 1200);
    train_once(&rig, a, b, 2401, 1200);
    train_once(&rig, a, b, 64 * 100, 100);
    train_once(&rig, a, b, 64 * 100 + 1, 100);
    train_once(&rig, a, b, 200 * 64, 64); /* more than one GSO train */
    train_once(&rig, a, b, 60000, 1200);
    train_once(&rig, a, b, 65536, 1200); /* the same, by bytes */
    train_once(&rig, a, b, 65536, 32768);
    train_once(&rig, a, b, 1024, 1);
    train_once(&rig, a, b, 100, 100); /* no train at all */
    train_once(&rig, a, b, 100, 5000);
    rig_expect_nothing(&rig);
    rig_close(&rig);
}

BACKENDS(trains_arrive_as_trains)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    bool whole = false;
    for (int i = 0; i < 64 && !whole; i++) { /* by chance in the simulation */
        REQUIRE(rig_submit(&rig, a.sock, &b.addr, NULL, body_of(10 * 500, 1), 500) == 0);
        uint32_t bytes = 0;
        while (bytes < 10 * 500) {
            struct io_done in = rig_expect(&rig, IO_DONE_DATA);
            CHECK(in.segment_size == 0 ? in.body.len == 500 : in.segment_size == 500);
            whole |= in.body.len == 10 * 500;
            bytes += in.body.len;
            leat_buf_unref(in.body.buf);
        }
    }
    if (!whole && ops != &io_sim) {
        rig_close(&rig);
        SKIP("this kernel has no UDP_GRO on loopback");
    }
    CHECK(whole);
    rig_close(&rig);
}

BACKENDS(a_train_goes_back_as_it_came)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    REQUIRE(rig_submit(&rig, a.sock, &b.addr, NULL, body_of(20 * 300 + 7, 3), 300) == 0);
    uint32_t echoed = 0;
    uint32_t back = 0;
    while (back < 20 * 300 + 7) {
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        if (in.sock == b.sock) {
            REQUIRE(rig_submit(&rig, b.sock, &in.peer, in.body.buf->local, in.body,
                               in.segment_size) == 0);
            echoed += in.body.len;
        } else {
            CHECK(body_is(in.body, in.body.len, 3 + back));
            back += in.body.len;
            leat_buf_unref(in.body.buf);
        }
    }
    CHECK_EQ(echoed, back);
    rig_close(&rig);
}

/* ---- coalescing: what is sent in a row, in every mixture ---- */

static const uint32_t lengths[] = {100, 100, 100, 60,  100, 100, 0,    0,    100, 101,
                                   101, 99,  99,  1,   1,   1,   1400, 1400, 700, 1400,
                                   0,   3,   3,   2,   3,   8000, 8000, 1,   8000};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

BACKENDS(mixed_sizes_keep_content_and_order)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < LENGTHS; i++) {
            rig_send(&rig, a.sock, &b.addr, lengths[(i + round) % LENGTHS], i);
        }
        struct reader reader = {0};
        leat_slice one;
        for (uint32_t i = 0; i < LENGTHS; i++) {
            REQUIRE(reader_next(&rig, &reader, &one));
            CHECK(body_is(one, lengths[(i + round) % LENGTHS], i));
        }
        reader_end(&reader);
    }
    rig_expect_nothing(&rig);
    rig_close(&rig);
}

/* Slices of one buffer, some adjacent, some not, some twice. */
BACKENDS(slices_of_one_buffer)
{
    static const uint32_t offsets[] = {0, 100, 200, 300, 0, 100, 500, 600, 600, 650, 750};
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    leat_slice body = body_of(1000, 0);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        leat_slice one = leat_slice_ref(leat_slice_sub(body, offsets[i], 100));
        REQUIRE(rig_submit(&rig, a.sock, &b.addr, NULL, one, 0) == 0);
    }
    struct reader reader = {0};
    leat_slice one;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        REQUIRE(reader_next(&rig, &reader, &one));
        CHECK(body_is(one, 100, offsets[i]));
    }
    reader_end(&reader);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    rig_close(&rig);
}

/* A destination's datagrams stay in order, whatever is sent to others in between. */
BACKENDS(order_holds_for_each_destination)
{
    enum { PEERS = 20, EACH = 40 };
    struct rig rig;
    rig_open(&rig, ops, 256, PEERS * EACH);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end peers[PEERS];
    uint32_t seen[PEERS] = {0};
    for (uint32_t i = 0; i < PEERS; i++) {
        peers[i] = rig_socket(&rig, "127.0.0.1");
    }
    for (uint32_t k = 0; k < EACH; k++) {
        for (uint32_t i = 0; i < PEERS; i++) {
            uint32_t to = (i * 7 + k * 3) % PEERS;
            uint32_t len = 50 + (k * 5 + to) % 3 * 50;
            rig_send(&rig, a.sock, &peers[to].addr, len, k);
        }
    }
    struct io_done in;
    while (rig_next_within(&rig, 100 * LEAT_MS, &in)) {
        REQUIRE(in.kind == IO_DONE_DATA);
        uint32_t at = 0;
        while (at < PEERS && peers[at].sock != in.sock) {
            at++;
        }
        REQUIRE(at < PEERS);
        uint32_t size = in.segment_size == 0 ? in.body.len : in.segment_size;
        for (uint32_t offset = 0; offset < in.body.len; offset += size) {
            uint32_t k = seen[at]++;
            CHECK(body_is(leat_slice_sub(in.body, offset, size), 50 + (k * 5 + at) % 3 * 50, k));
        }
        leat_buf_unref(in.body.buf);
    }
    for (uint32_t i = 0; i < PEERS; i++) {
        CHECK_EQ(seen[i], EACH);
    }
    rig_close(&rig);
}

/* Two local addresses for one peer: two runs, one order. */
BACKENDS(order_holds_across_local_addresses)
{
    enum { LEN = 24 };
    struct rig rig;
    rig_open(&rig, ops, 64, 64);
    struct end a = rig_socket(&rig, "0.0.0.0");
    struct end b = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < LEN; i++) {
        struct leat_addr local = address(i % 5 < 3 ? "127.0.0.2" : "127.0.0.3", a.addr.port);
        REQUIRE(rig_submit(&rig, a.sock, &b.addr, &local, body_of(64, i), 0) == 0);
    }
    struct reader reader = {0};
    leat_slice one;
    for (uint32_t i = 0; i < LEN; i++) {
        REQUIRE(reader_next(&rig, &reader, &one));
        CHECK(body_is(one, 64, i));
        CHECK_EQ(reader.done.peer.ip[15], i % 5 < 3 ? 2 : 3);
    }
    reader_end(&reader);
    rig_close(&rig);
}

BACKENDS(many_peers_echo)
{
    enum { PEERS = 100, EACH = 4 };
    struct rig rig;
    rig_open(&rig, ops, 512, 1024);
    struct end server = rig_socket(&rig, "127.0.0.1");
    struct end peers[PEERS];
    for (uint32_t i = 0; i < PEERS; i++) {
        peers[i] = rig_socket(&rig, "127.0.0.1");
    }
    for (uint32_t i = 0; i < PEERS; i++) {
        REQUIRE(rig_submit(&rig, peers[i].sock, &server.addr, NULL, body_of(EACH * 64, i), 64) ==
                0);
    }
    uint32_t back[PEERS] = {0};
    uint32_t all = 0;
    struct io_done in;
    while (all < PEERS * EACH * 64 && rig_next_within(&rig, LEAT_SEC, &in)) {
        REQUIRE(in.kind == IO_DONE_DATA);
        if (in.sock == server.sock) { /* datagram by datagram, as an actor would */
            leat_slice rest = in.body;
            while (rest.len > 0) {
                leat_slice one = leat_slice_ref(leat_slice_sub(rest, 0, 64));
                REQUIRE(rig_submit(&rig, in.sock, &in.peer, in.body.buf->local, one, 0) == 0);
                rest = leat_slice_sub(rest, 64, rest.len);
            }
        } else {
            uint32_t at = 0;
            while (peers[at].sock != in.sock) {
                at++;
            }
            CHECK(body_is(in.body, in.body.len, at + back[at]));
            back[at] += in.body.len;
            all += in.body.len;
        }
        leat_buf_unref(in.body.buf);
    }
    CHECK_EQ(all, PEERS * EACH * 64);
    rig_close(&rig);
}

/* ---- bounds ---- */

/* A kernel that has room is asked to take what is queued before a submit is refused, so nothing is
 * refused here; tests/unit/udp_test.c has the kernel that has none. In simulation a turn is due
 * first. */
BACKENDS(full_queue_is_flushed_or_refuses_then_tells)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 32);
    bool refuses = ops == &io_sim;
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < 30; i++) {
        rig_send(&rig, a.sock, &b.addr, 10, i);
    }
    CHECK_EQ(rig_submit(&rig, a.sock, &b.addr, NULL, body_of(40, 0), 10), refuses ? -EAGAIN : 0);
    CHECK_EQ(rig_submit(&rig, a.sock, &b.addr, NULL, body_of(20, 30), 10), 0);
    uint32_t expected = refuses ? 320 : 360;
    if (refuses) {
        CHECK_EQ(rig_submit(&rig, a.sock, &b.addr, NULL, body_of(10, 0), 0), -EAGAIN);
    }
    CHECK_EQ(rig_submit(&rig, b.sock, &a.addr, NULL, body_of(10, 0), 0), 0);
    bool writable = false;
    uint32_t bytes = 0;
    struct io_done done;
    while ((writable != refuses || bytes < expected) && rig_next_within(&rig, LEAT_SEC, &done)) {
        if (done.kind == IO_DONE_WRITABLE) {
            CHECK(!writable); /* once, for all refusals */
            CHECK_EQ(done.sock, a.sock);
            CHECK_EQ(done.token, a.token);
            writable = true;
        } else {
            REQUIRE(done.kind == IO_DONE_DATA);
            bytes += done.sock == b.sock ? done.body.len : 0;
        }
        leat_buf_unref(done.body.buf);
    }
    CHECK_EQ(writable, refuses);
    CHECK_EQ(bytes, expected);
    CHECK_EQ(rig_submit(&rig, a.sock, &b.addr, NULL, body_of(10, 0), 0), 0);
    rig_close(&rig);
}

BACKENDS(a_long_train_passes_an_empty_queue)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 8);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    train_once(&rig, a, b, 100 * 10, 10);
    rig_close(&rig);
}

/* With every receive buffer in use nothing is read, nothing spins; given back, it goes on. */
BACKENDS(starved_of_buffers_and_back)
{
    enum { BUFS = 4, LEN = 12 };
    struct rig rig;
    rig_open(&rig, ops, BUFS, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    struct io_done held[LEN];
    for (uint32_t i = 0; i < LEN; i++) {
        /* Longer each time, so that none may join another. */
        rig_send(&rig, a.sock, &b.addr, 100 + i, i);
    }
    for (uint32_t i = 0; i < BUFS; i++) {
        held[i] = rig_expect(&rig, IO_DONE_DATA);
    }
    rig_expect_nothing(&rig);
    uint64_t calls = rig.io->base.stats.recv_calls;
    rig_expect_nothing(&rig);
    CHECK(rig.io->base.stats.recv_calls - calls < 4);
    CHECK_EQ(rig.io->base.stats.recv_starved, 1);
    for (uint32_t i = BUFS; i < LEN; i++) {
        leat_buf_unref(held[i - BUFS].body.buf);
        held[i] = rig_expect(&rig, IO_DONE_DATA);
    }
    for (uint32_t i = 0; i < LEN; i++) {
        if (i >= LEN - BUFS) {
            CHECK(body_is(held[i].body, 100 + i, i));
            leat_buf_unref(held[i].body.buf);
        }
    }
    rig_close(&rig);
}

BACKENDS(starved_socket_still_sends_and_closes)
{
    struct rig rig;
    rig_open(&rig, ops, 1, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    rig_send(&rig, a.sock, &b.addr, 10, 0);
    struct io_done held = rig_expect(&rig, IO_DONE_DATA);
    rig_send(&rig, a.sock, &b.addr, 11, 0);
    rig_expect_nothing(&rig);
    rig_send(&rig, b.sock, &a.addr, 12, 0);
    rig_expect_nothing(&rig);
    CHECK_EQ(rig.io->base.stats.sent_datagrams, 3);
    rig_close_sock(&rig, b.sock);
    CHECK_EQ(rig_expect(&rig, IO_DONE_CLOSED).sock, b.sock);
    leat_buf_unref(held.body.buf);
    struct io_done last = rig_expect(&rig, IO_DONE_DATA);
    CHECK_EQ(last.sock, a.sock);
    leat_buf_unref(last.body.buf);
    rig_close(&rig);
}

BACKENDS(few_places_for_completions)
{
    struct rig rig;
    rig_open(&rig, ops, 64, 64);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < 40; i++) {
        rig_send(&rig, a.sock, &b.addr, 40 + i, i);
    }
    uint32_t seen = 0;
    for (int turns = 0; turns < 200 && seen < 40; turns++) {
        struct io_done done;
        leat_time deadline = ops->now(rig.io) + 100 * LEAT_MS;
        if (ops->turn(rig.io, deadline, &done, 1) == 1) {
            CHECK(body_is(done.body, 40 + seen, seen));
            seen++;
            leat_buf_unref(done.body.buf);
        }
    }
    CHECK_EQ(seen, 40);
    rig_close(&rig);
}
