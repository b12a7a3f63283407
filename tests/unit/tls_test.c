/* A TLS connection: however its bytes are cut, and every way it ends. */
#include "tls_pair.h"

static struct cert authority, certs[1];
static leat_tls_context *client, *server;

static void open_contexts(void)
{
    authority = cert_issue(NULL, NULL);
    certs[0] = cert_issue("DNS:a.example,IP:127.0.0.1,IP:::1", &authority);
    client = context_client(&authority, NULL, 0);
    server = context_server(certs, 1, NULL, 0);
}

static void close_contexts(void)
{
    leat_tls_context_unref(client);
    leat_tls_context_unref(server);
    cert_free(&certs[0]);
    cert_free(&authority);
}

/* A whole conversation: a question, an answer, both say that it is over. */
static void converse(struct pair *pair)
{
    pair_run(pair);
    CHECK_EQ(pair->client.opened, 1);
    CHECK_EQ(pair->server.opened, 1);
    CHECK_EQ(side_say(pair, &pair->client, "question", 8), 0);
    CHECK_EQ(leat_tls_finish(pair->client.tls), 0);
    pair_run(pair);
    CHECK_EQ(pair->server.closed, 1);
    CHECK(!leat_tls_is_done(pair->server.tls));
    CHECK_EQ(side_say(pair, &pair->server, "an answer", 9), 0); /* the other way goes on */
    CHECK_EQ(leat_tls_finish(pair->server.tls), 0);
    pair_run(pair);
    CHECK_EQ(pair->client.closed, 1);
    CHECK(side_heard(&pair->server, "question", 8));
    CHECK(side_heard(&pair->client, "an answer", 9));
    CHECK(leat_tls_is_done(pair->client.tls) && leat_tls_is_done(pair->server.tls));
    CHECK_EQ(pair->client.errors + pair->server.errors, 0);
}

TEST(tls, conversation)
{
    struct pair pair;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    CHECK_EQ(leat_tls_deadline(pair.client.tls), 10 * LEAT_SEC);
    converse(&pair);
    CHECK_STR(pair.client.as.version, "TLSv1.3");
    CHECK(pair.client.as.protocol.len == 0 && !pair.client.as.resumed);
    CHECK_STR(pair.server.as.server_name, "a.example");
    CHECK_STR(pair.client.as.server_name, NULL);
    CHECK(strncmp(pair.server.as.cipher, "TLS_", 4) == 0);
    CHECK_EQ(leat_tls_deadline(pair.client.tls), LEAT_NEVER);
    pair_close(&pair);
    close_contexts();
}

TEST(tls, every_cut)
{
    struct pair pair;
    size_t len = 1;
    open_contexts();
    for (size_t cut = 1; cut < len + 16; cut++) { /* signatures are not all of one length */
        pair_open(&pair, client, server, "a.example");
        pair.cut = cut;
        converse(&pair);
        const size_t fed = pair.client.fed > pair.server.fed ? pair.client.fed : pair.server.fed;
        len = fed > len ? fed : len;
        pair_close(&pair);
    }
    CHECK(len > 1000);
    close_contexts();
}

TEST(tls, small_pieces)
{
    struct pair pair;
    open_contexts();
    for (size_t step = 1; step < 8; step++) {
        pair_open(&pair, client, server, "a.example");
        pair.step = step;
        pair.flush_cap = 8 - step;
        pair.plain_cap = step;
        converse(&pair);
        pair_close(&pair);
    }
    close_contexts();
}

/* Many records at once, in pieces that have nothing to do with them, both ways at the same time. */
TEST(tls, much)
{
    enum { LEN = 3000000 };
    struct pair pair;
    static uint8_t data[LEN];
    for (size_t i = 0; i < LEN; i++) {
        data[i] = (uint8_t)(i * 7 + i / 251);
    }
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    pair.step = 9973;
    pair.plain_cap = 20000;
    pair_run(&pair);
    for (size_t at = 0; at < LEN; at += LEN / 3) {
        CHECK_EQ(side_say(&pair, &pair.client, data + at, LEN / 3), 0);
        CHECK_EQ(side_say(&pair, &pair.server, data + at, LEN / 3), 0);
    }
    pair_run(&pair);
    CHECK(side_heard(&pair.client, data, LEN));
    CHECK(side_heard(&pair.server, data, LEN));
    pair_close(&pair);
    close_contexts();
}

/* What write_len says is enough, and hardly more than needed. */
TEST(tls, room)
{
    static const size_t lens[] = {0, 1, 100, 16383, 16384, 16385, 40000, 65536};
    static uint8_t data[65536], bytes[70000];
    struct pair pair;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    struct leat_tls_out early = {bytes, sizeof(bytes), 0};
    CHECK_EQ(leat_tls_write(pair.client.tls, leat_tls_bytes_of("x", 1), &early), -ENOTCONN);
    CHECK_EQ(leat_tls_finish(pair.client.tls), -ENOTCONN);
    pair_run(&pair);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        const size_t len = lens[i], room = leat_tls_write_len(pair.client.tls, len);
        struct leat_tls_out out = {bytes, room - 1, 0};
        CHECK_EQ(leat_tls_write(pair.client.tls, leat_tls_bytes_of(data, len), &out), -ENOSPC);
        CHECK_EQ(out.len, 0);
        out.cap = room;
        CHECK_EQ(leat_tls_write(pair.client.tls, leat_tls_bytes_of(data, len), &out), 0);
        CHECK_EQ(leat_tls_pending(pair.client.tls), 0);
        CHECK(out.len <= room && room - out.len < 32 + (len / 16384 + 1) * 16);
        wire_put(&pair.server.in, out.data, out.len);
    }
    pair_run(&pair);
    CHECK_EQ(pair.server.said.len, 0 + 1 + 100 + 16383 + 16384 + 16385 + 40000 + 65536);
    pair_close(&pair);
    close_contexts();
}

/* Nothing is decrypted beyond the room that was given, and nothing gets lost for it. */
TEST(tls, backpressure)
{
    static uint8_t data[50000], heard[50000];
    struct pair pair;
    struct leat_tls_event event;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    pair_run(&pair);
    memset(data, 'd', sizeof(data));
    CHECK_EQ(side_say(&pair, &pair.client, data, sizeof(data)), 0);
    leat_tls_bytes in = {pair.server.in.data, pair.server.in.len};
    size_t total = 0;
    do {
        const size_t before = in.len;
        struct leat_tls_out plain = {heard + total, 1000, 0};
        leat_tls_read(pair.server.tls, &in, &plain, &event);
        CHECK(plain.len <= 1000 && before - in.len <= 16384 + 64);
        total += plain.len;
    } while (event.kind == LEAT_TLS_DATA);
    CHECK_EQ(event.kind, LEAT_TLS_NONE);
    CHECK_EQ(total, sizeof(data));
    CHECK(memcmp(data, heard, sizeof(data)) == 0);
    pair_close(&pair);
    close_contexts();
}

/* Who does not send what is pending is not read for: a peer waits for its own answers. */
TEST(tls, nothing_is_read_while_something_is_pending)
{
    uint8_t plain_bytes[100];
    struct leat_tls_out plain = {plain_bytes, sizeof(plain_bytes), 0};
    struct leat_tls_event event;
    struct pair pair;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    side_flush(&pair, &pair.client);
    wire_put(&pair.server.in, "\x14\x03\x03\x00\x01\x01", 6); /* a record more */
    leat_tls_bytes in = {pair.server.in.data, pair.server.in.len};
    for (int i = 0; i < 3; i++) {
        leat_tls_read(pair.server.tls, &in, &plain, &event);
        CHECK_EQ(event.kind, LEAT_TLS_FLUSH);
        CHECK_EQ(in.len, 6);
    }
    side_flush(&pair, &pair.server);
    leat_tls_read(pair.server.tls, &in, &plain, &event);
    CHECK_EQ(event.kind, LEAT_TLS_NONE);
    CHECK_EQ(in.len, 0);
    pair_close(&pair);
    close_contexts();
}

/* ---- ends ---- */

TEST(tls, truncation)
{
    struct pair pair;
    struct leat_tls_event event;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    pair_run(&pair);
    CHECK_EQ(side_say(&pair, &pair.client, "half a", 6), 0);
    pair_run(&pair);
    leat_tls_eof(pair.server.tls, &event);
    REQUIRE(event.kind == LEAT_TLS_ERROR);
    CHECK_EQ(event.u.error.status, -ECONNABORTED);
    CHECK_STR(event.u.error.why, "the connection ended without close_notify");
    leat_tls_eof(pair.server.tls, &event); /* once */
    CHECK_EQ(event.kind, LEAT_TLS_NONE);
    CHECK_EQ(side_say(&pair, &pair.server, "x", 1), -EPIPE);
    CHECK_EQ(leat_tls_finish(pair.server.tls), -EPIPE);

    CHECK_EQ(leat_tls_finish(pair.client.tls), 0);
    CHECK_EQ(leat_tls_finish(pair.client.tls), 0);
    CHECK_EQ(side_say(&pair, &pair.client, "x", 1), -EPIPE);
    pair_close(&pair);

    pair_open(&pair, client, server, "a.example");
    pair_run(&pair);
    CHECK_EQ(leat_tls_finish(pair.client.tls), 0);
    pair_run(&pair);
    CHECK_EQ(pair.server.closed, 1);
    leat_tls_eof(pair.server.tls, &event);
    CHECK_EQ(event.kind, LEAT_TLS_NONE);
    pair_close(&pair);

    pair_open(&pair, client, server, "a.example"); /* in the handshake */
    leat_tls_eof(pair.server.tls, &event);
    REQUIRE(event.kind == LEAT_TLS_ERROR);
    CHECK_EQ(event.u.error.status, -ECONNABORTED);
    pair_close(&pair);
    close_contexts();
}

/* close_notify in the middle of a piece: what is behind it is not looked at. */
TEST(tls, bytes_behind_the_end)
{
    struct pair pair;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    pair_run(&pair);
    CHECK_EQ(side_say(&pair, &pair.client, "last", 4), 0);
    CHECK_EQ(leat_tls_finish(pair.client.tls), 0);
    side_flush(&pair, &pair.client);
    wire_put(&pair.server.in, "garbage that nobody reads", 25);
    pair_run(&pair);
    CHECK(side_heard(&pair.server, "last", 4));
    CHECK_EQ(pair.server.closed, 1);
    CHECK_EQ(pair.server.errors, 0);
    pair_close(&pair);
    close_contexts();
}

TEST(tls, deadline)
{
    struct pair pair;
    struct leat_tls_event event;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    leat_tls_expire(pair.server.tls, 10 * LEAT_SEC - 1, &event);
    CHECK_EQ(event.kind, LEAT_TLS_NONE);
    leat_tls_expire(pair.server.tls, 10 * LEAT_SEC, &event);
    REQUIRE(event.kind == LEAT_TLS_ERROR);
    CHECK_EQ(event.u.error.status, -ETIMEDOUT);
    CHECK_EQ(leat_tls_deadline(pair.server.tls), LEAT_NEVER);
    leat_tls_expire(pair.server.tls, 11 * LEAT_SEC, &event);
    CHECK_EQ(event.kind, LEAT_TLS_NONE);
    pair_close(&pair);

    leat_tls *late = NULL; /* as late as can be: not never */
    REQUIRE(leat_tls_open(server, NULL, LEAT_NEVER - 5, &late) == 0);
    CHECK_EQ(leat_tls_deadline(late), LEAT_NEVER - 1);
    leat_tls_close(late);
    close_contexts();
}

/* ---- what is not TLS ---- */

static void feed_garbage(const char *bytes, size_t len)
{
    struct pair pair;
    pair_open(&pair, client, server, "a.example");
    side_feed(&pair, &pair.server, bytes, len);
    CHECK_EQ(pair.server.errors, 1);
    CHECK_EQ(pair.server.error.status, -EPROTO);
    side_feed(&pair, &pair.server, bytes, len); /* dropped */
    CHECK_EQ(pair.server.errors, 1);
    side_feed(&pair, &pair.client, bytes, len);
    CHECK_EQ(pair.client.errors, 1);
    CHECK_EQ(pair.client.error.status, -EPROTO);
    pair_close(&pair);
}

TEST(tls, garbage)
{
    static char zeros[100000];
    static const char http[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    open_contexts();
    feed_garbage(http, sizeof(http) - 1);
    feed_garbage(zeros, sizeof(zeros));
    feed_garbage("\x16\x03\x01\x00\x05\xff\x00\x00\x01\x00", 10);
    feed_garbage("\x17\x03\x03\x00\x01x", 6); /* data first */
    close_contexts();
}

/* A byte of a record is changed: the message is not believed, in any place. */
TEST(tls, changed_records)
{
    struct pair pair;
    open_contexts();
    for (size_t at = 0; at < 40; at++) {
        pair_open(&pair, client, server, "a.example");
        pair_run(&pair);
        CHECK_EQ(side_say(&pair, &pair.client, "something said", 14), 0);
        if (at < pair.server.in.len) {
            pair.server.in.data[at] ^= 0x11;
        }
        pair_run(&pair);
        /* A record that is said to be longer just does not end. */
        CHECK(at >= 36 || pair.server.said.len == 0);
        CHECK(at >= 36 || at == 3 || at == 4 || pair.server.errors == 1);
        CHECK(at >= 36 || at == 3 || at == 4 || pair.client.error.status == -ECONNRESET);
        pair_close(&pair);
    }
    close_contexts();
}

/* The version in a record's header, which means nothing any more (RFC 8446, 5.1). */
static bool is_record_version(const struct wire *wire, size_t at)
{
    size_t header = 0;
    while (header + 5 <= at) {
        const size_t next =
            header + 5 + ((size_t)wire->data[header + 3] << 8 | wire->data[header + 4]);
        if (next > at) {
            return false;
        }
        header = next;
    }
    return at == header + 1 || at == header + 2;
}

/* In the handshake: it fails, or it does not end, but nobody is let in and nothing breaks. */
TEST(tls, changed_handshakes)
{
    struct pair pair;
    unsigned seed = 1;
    open_contexts();
    for (unsigned round = 0; round < 1500; round++) {
        pair_open(&pair, client, server, "a.example");
        side_flush(&pair, &pair.client);
        struct side *const side = round % 2 ? &pair.client : &pair.server;
        if (side == &pair.client) {
            side_step(&pair, &pair.server);
        }
        seed = seed * 1103515245u + 12345u;
        const size_t at = (seed >> 8) % side->in.len;
        const bool matters = !is_record_version(&side->in, at);
        side->in.data[at] ^= (uint8_t)(1u << (seed >> 5) % 8);
        pair_run(&pair);
        CHECK(!matters || pair.client.opened == 0 || pair.server.opened == 0);
        pair_close(&pair);
    }
    close_contexts();
}

TEST(tls, endless_handshake)
{
    /* A ClientHello of the most that is allowed, in crumbs. */
    static const uint8_t crumb[] = {0x16, 3, 1, 0, 1, 0};
    struct pair pair;
    open_contexts();
    pair_open(&pair, client, server, "a.example");
    side_feed(&pair, &pair.server, "\x16\x03\x01\x00\x04\x01\x00\x40\x00", 9);
    for (unsigned i = 0; i < 16383 && pair.server.errors == 0; i++) {
        side_feed(&pair, &pair.server, crumb, sizeof(crumb));
    }
    CHECK_EQ(pair.server.errors, 1);
    CHECK_STR(pair.server.error.why, "the handshake is too long");
    CHECK(pair.server.fed < 82000);
    pair_close(&pair);
    close_contexts();
}

/* However the announcement is cut; in a second ClientHello too. */
TEST(tls, long_client_hello)
{
    static const uint8_t whole[] = {0x16, 3, 1, 0, 4, 1, 0, 0x40, 1};
    static const uint8_t cut[] = {0x16, 3, 1, 0, 1, 1, 0x16, 3, 1, 0, 3, 0, 0x40, 1};
    struct pair pair;
    open_contexts();
    for (size_t step = 1; step <= sizeof(cut); step++) {
        pair_open(&pair, client, server, "a.example");
        pair.step = step;
        wire_put(&pair.server.in, step % 2 ? whole : cut, step % 2 ? sizeof(whole) : sizeof(cut));
        while (side_step(&pair, &pair.server)) {
        }
        CHECK_EQ(pair.server.errors, 1);
        CHECK_STR(pair.server.error.why, "the ClientHello is too long");
        pair_close(&pair);
    }
    close_contexts();
}
