/* The client's connection: requests written, responses read however cut, and when it is over. */
#include "check.h"
#include "http_transcript.h"

#include <errno.h>

#define STR leat_http_str_of
#define SECONDS(n) ((leat_time)(n)*LEAT_SEC)

static leat_http_client *open_client(void)
{
    struct leat_http_config config;
    leat_http_client *client = NULL;
    leat_http_config_default(&config);
    REQUIRE(leat_http_client_open(&config, 0, &client) == 0);
    return client;
}

/* Writes a whole request without a body. */
static leat_http_client *client_that_asked(const char *method)
{
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    leat_http_client *const client = open_client();
    const struct leat_http_query query = {
        .method = STR(method), .target = STR("/"), .host = STR("a")};
    REQUIRE(leat_http_client_request(client, &query, &out) == 0);
    REQUIRE(leat_http_client_end(client, 0, &out) == 0);
    return client;
}

static void check_out(const struct leat_http_out *out, const char *expected)
{
    char text[1024];
    memcpy(text, out->data, out->len);
    text[out->len] = '\0';
    CHECK_STR(text, expected);
}

/* ---- requests ---- */

TEST(http_client, request)
{
    char bytes[1024];
    struct leat_http_out out = {bytes, sizeof(bytes) - 1, 0};
    leat_http_client *const client = open_client();
    const struct leat_http_header headers[] = {{STR("Accept"), STR("*/*")}};
    const struct leat_http_query query = {.method = STR("GET"),
                                          .target = STR("/a?b"),
                                          .host = STR("example.org:8080"),
                                          .headers = headers,
                                          .header_count = 1};
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    CHECK_EQ(leat_http_client_request(client, &query, &out), -EBUSY);
    CHECK_EQ(leat_http_client_end(client, 0, &out), 0);
    CHECK_EQ(leat_http_client_end(client, 0, &out), -EPIPE);
    check_out(&out, "GET /a?b HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\n\r\n");
    leat_http_client_close(client);
}

TEST(http_client, bodies)
{
    char bytes[1024];
    struct leat_http_out out = {bytes, sizeof(bytes) - 1, 0};
    leat_http_client *client = open_client();
    struct leat_http_query query = {
        .method = STR("POST"), .target = STR("/"), .host = STR("a"), .body_len = 5, .close = true};
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    CHECK_EQ(leat_http_client_write(client, STR("hello"), &out), 0);
    CHECK_EQ(leat_http_client_data(client, 1, &out), -EMSGSIZE);
    CHECK_EQ(leat_http_client_end(client, 0, &out), 0);
    check_out(&out,
              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    leat_http_client_close(client);

    client = open_client();
    out.len = 0;
    query.body_len = LEAT_HTTP_LEN_UNKNOWN;
    query.close = false;
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    CHECK_EQ(leat_http_client_write(client, STR("hello"), &out), 0);
    CHECK_EQ(leat_http_client_data(client, 3, &out), 0); /* "abc" would be sent by the caller */
    CHECK_EQ(leat_http_client_end(client, 0, &out), 0);
    check_out(&out, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nhello\r\n3\r\n\r\n0\r\n\r\n");
    leat_http_client_close(client);

    client = open_client(); /* RFC 9110, 8.6: a POST says that it has none */
    out.len = 0;
    query.body_len = 0;
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    check_out(&out, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    leat_http_client_close(client);

    client = open_client();
    query.body_len = 1;
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    CHECK_EQ(leat_http_client_end(client, 0, &out), -EMSGSIZE);
    CHECK(leat_http_client_is_done(client));
    CHECK_EQ(leat_http_client_request(client, &query, &out), -EPIPE);
    leat_http_client_close(client);
}

TEST(http_client, refuses_what_breaks_out)
{
    static const struct leat_http_header bad[] = {
        {{"X", 1}, {"a\r\nY: b", 7}},       {{"host", 4}, {"b", 1}},
        {{"Content-Length", 14}, {"1", 1}}, {{"transfer-encoding", 17}, {"chunked", 7}},
        {{"Connection", 10}, {"close", 5}}, {{"X Y", 3}, {"z", 1}},
    };
    static const char *const targets[] = {"", "a", "/ b", "/\r\n", "*", "/#", "http://a/", "/\xff"};
    static const char *const hosts[] = {"", "a b", "a/b", "a\r\nX: y", "u@a", "a,b"};
    char bytes[1024];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    leat_http_client *const client = open_client();
    struct leat_http_query query = {.method = STR("GET"), .target = STR("/"), .host = STR("a")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        query.headers = &bad[i];
        query.header_count = 1;
        CHECK_EQ(leat_http_client_request(client, &query, &out), -EINVAL);
    }
    query.header_count = 0;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        query.target = STR(targets[i]);
        CHECK_EQ(leat_http_client_request(client, &query, &out), -EINVAL);
    }
    query.target = STR("/");
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        query.host = STR(hosts[i]);
        CHECK_EQ(leat_http_client_request(client, &query, &out), -EINVAL);
    }
    query.host = STR("a");
    query.method = STR("CONNECT");
    CHECK_EQ(leat_http_client_request(client, &query, &out), -EINVAL);
    query.method = STR("GET /\r\n");
    CHECK_EQ(leat_http_client_request(client, &query, &out), -EINVAL);
    CHECK_EQ(out.len, 0);
    query.method = STR("GET");
    out.cap = 20;
    CHECK_EQ(leat_http_client_request(client, &query, &out), -ENOSPC);
    CHECK_EQ(out.len, 0);
    out.cap = sizeof(bytes);
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    leat_http_client_close(client);
}

/* Whatever the room, all of a request is written or nothing, and so of a chunk. */
TEST(http_client, all_or_nothing)
{
    const struct leat_http_header headers[] = {{STR("Accept"), STR("*/*")}};
    const struct leat_http_query query = {.method = STR("PUT"),
                                          .target = STR("/"),
                                          .host = STR("a"),
                                          .headers = headers,
                                          .header_count = 1,
                                          .body_len = 3,
                                          .close = true};
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    leat_http_client *client = open_client();
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    const size_t len = out.len;
    leat_http_client_close(client);
    for (size_t cap = 0; cap < len; cap++) {
        client = open_client();
        out = (struct leat_http_out){bytes, cap, 0};
        CHECK_EQ(leat_http_client_request(client, &query, &out), -ENOSPC);
        CHECK_EQ(out.len, 0);
        out.cap = len + 2;
        CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
        CHECK_EQ(leat_http_client_write(client, STR("abc"), &out), -ENOSPC);
        CHECK_EQ(out.len, len);
        out.cap = len + 3;
        CHECK_EQ(leat_http_client_write(client, STR("abc"), &out), 0);
        CHECK_EQ(leat_http_client_end(client, 0, &out), 0);
        leat_http_client_close(client);
    }
}

/* ---- responses ---- */

struct response {
    const char *method;
    const char *bytes;
    const char *events;
    bool reusable;
};

static const struct response responses[] = {
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
     "RESPONSE 200 v11 reason=OK len=2\n  Content-Length=2\nab|END\nCLOSE\n", true},
    {"GET",
     "HTTP/1.1 200 Fine enough\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n1\r\nb\r\n0\r\nT: "
     "r\r\n\r\n",
     "RESPONSE 200 v11 reason=Fine enough len=-1\n  Transfer-Encoding=chunked\nab|END\nCLOSE\n",
     true},
    {"GET", "HTTP/1.1 200 \r\n\r\nab", "RESPONSE 200 v11 reason= len=-1\nab|END\n", false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
     "RESPONSE 200 v11 reason=OK len=0\n  Content-Length=0\n  Connection=close\n|END\nCLOSE\n",
     false},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
     "RESPONSE 200 v10 reason=OK len=1\n  Content-Length=1\na|END\nCLOSE\n", false},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
     "RESPONSE 200 v10 reason=OK len=1\n  Content-Length=1\n  "
     "Connection=keep-alive\na|END\nCLOSE\n",
     true},
    {"GET", "HTTP/1.1 204 No Content\r\n\r\n",
     "RESPONSE 204 v11 reason=No Content len=0\n|END\nCLOSE\n", true},
    {"GET", "HTTP/1.1 304\r\nContent-Length: 9\r\n\r\n",
     "RESPONSE 304 v11 reason= len=0\n  Content-Length=9\n|END\nCLOSE\n", true},
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
     "RESPONSE 200 v11 reason=OK len=0\n  Content-Length=99999999\n|END\nCLOSE\n", true},
    {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "RESPONSE 200 v11 reason=OK len=0\n  Transfer-Encoding=chunked\n|END\nCLOSE\n", true},
    {"GET",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 "
     "\r\n\r\n",
     "RESPONSE 100 v11 reason=Continue len=0\nRESPONSE 103 v11 reason=Early Hints len=0\n  Link=x\n"
     "RESPONSE 204 v11 reason= len=0\n|END\nCLOSE\n",
     true},
};

TEST(http_client, responses_however_cut)
{
    static struct transcript t;
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
        const struct response *const r = &responses[i];
        const size_t len = strlen(r->bytes);
        for (size_t at = 0; at < len; at++) {
            leat_http_client *const client = client_that_asked(r->method);
            transcript_run(&t, NULL, client, r->bytes, len, (struct cut){at, at % 3});
            CHECK_STR(t.text, r->events);
            CHECK(!t.broken && t.errors == 0);
            CHECK_EQ(leat_http_client_is_done(client), true);
            if (strstr(t.text, "CLOSE")) { /* the end came before the connection's */
                CHECK_EQ(t.done, !r->reusable);
            }
            leat_http_client_close(client);
        }
    }
}

static const char *const refused[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
    "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\na",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1 600 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1 200\tOK\r\n\r\n",
    "HTTP/1.1 200 O\x01K\r\n\r\n",
    "HTTP/1.1200 OK\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "ICY 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", /* to nothing */
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", /* and the connection closes */
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
    "HTTP/1.1 200 OK\r\nConte",
};

TEST(http_client, refused_however_cut)
{
    static struct transcript t, whole;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const size_t len = strlen(refused[i]);
        for (size_t at = 0; at < len; at++) {
            leat_http_client *const client = client_that_asked("GET");
            transcript_run(&t, NULL, client, refused[i], len, (struct cut){at, at % 3});
            if (at == 0) {
                whole = t;
            }
            CHECK_STR(t.text, whole.text);
            CHECK_EQ(t.errors, 1);
            CHECK_EQ(t.last_status, 0);
            CHECK(leat_http_client_is_done(client));
            leat_http_client_close(client);
        }
    }
}

TEST(http_client, unasked_bytes)
{
    struct leat_http_event event;
    leat_http_client *const client = open_client();
    CHECK_EQ(leat_http_client_read(client, 0, STR("H"), &event), 1);
    CHECK_EQ(event.kind, LEAT_HTTP_ERROR);
    CHECK(leat_http_client_is_done(client));
    leat_http_client_close(client);
}

/* A response that comes before its request has ended: nobody knows what the server made of the rest. */
TEST(http_client, early_response)
{
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    struct leat_http_event event;
    leat_http_client *const client = open_client();
    const struct leat_http_query query = {
        .method = STR("POST"), .target = STR("/"), .host = STR("a"), .body_len = 5};
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    (void)leat_http_client_read(client, 0, STR("HTTP/1.1 413 \r\nContent-Length: 0\r\n\r\n"),
                                &event);
    CHECK_EQ(event.kind, LEAT_HTTP_RESPONSE);
    (void)leat_http_client_read(client, 0, STR(""), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_END);
    CHECK(leat_http_client_is_done(client));
    CHECK_EQ(leat_http_client_data(client, 5, &out), -EPIPE);
    leat_http_client_close(client);
}

/* Even when the rest of the request is sent before the response ends. */
TEST(http_client, response_to_half_a_request)
{
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    struct leat_http_event event;
    leat_http_client *const client = open_client();
    const struct leat_http_query query = {
        .method = STR("POST"), .target = STR("/"), .host = STR("a"), .body_len = 2};
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    (void)leat_http_client_read(client, 0, STR("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n"),
                                &event);
    CHECK_EQ(event.kind, LEAT_HTTP_RESPONSE);
    CHECK_EQ(leat_http_client_write(client, STR("ab"), &out), 0);
    CHECK_EQ(leat_http_client_end(client, 0, &out), 0);
    (void)leat_http_client_read(client, 0, STR("x"), &event);
    (void)leat_http_client_read(client, 0, STR(""), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_END);
    CHECK(leat_http_client_is_done(client));
    leat_http_client_close(client);
}

/* A server cannot keep a client waiting with hints. */
TEST(http_client, hints_without_end)
{
    struct leat_http_event event;
    leat_http_client *const client = client_that_asked("GET");
    for (int i = 0; i < 16; i++) {
        (void)leat_http_client_read(client, 0, STR("HTTP/1.1 103 \r\n\r\n"), &event);
        CHECK_EQ(event.kind, LEAT_HTTP_RESPONSE);
    }
    (void)leat_http_client_read(client, 0, STR("HTTP/1.1 103 \r\n\r\n"), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_ERROR);
    leat_http_client_close(client);
}

TEST(http_client, close_delimited_up_to_the_limit)
{
    static struct transcript t;
    static char bytes[70000];
    struct leat_http_config config;
    leat_http_config_default(&config);
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "HTTP/1.1 200 \r\n\r\n", 17);
    for (size_t over = 0; over < 2; over++) {
        leat_http_client *const client = client_that_asked("GET");
        transcript_run(&t, NULL, client, bytes, 17 + config.body_len_max + over,
                       (struct cut){5, 999});
        CHECK_EQ(t.errors, over);
        leat_http_client_close(client);
    }
}

/* ---- time ---- */

TEST(http_client, deadlines)
{
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    struct leat_http_event event;
    leat_http_client *const client = open_client();
    const struct leat_http_query query = {
        .method = STR("GET"), .target = STR("/"), .host = STR("a")};
    CHECK_EQ(leat_http_client_deadline(client), SECONDS(30)); /* idle */
    CHECK_EQ(leat_http_client_request(client, &query, &out), 0);
    CHECK_EQ(leat_http_client_deadline(client), LEAT_NEVER); /* the caller writes */
    CHECK_EQ(leat_http_client_end(client, SECONDS(100), &out), 0);
    CHECK_EQ(leat_http_client_deadline(client), SECONDS(130));
    (void)leat_http_client_read(client, SECONDS(110), STR("HTTP/1.1 200 OK\r\n"), &event);
    CHECK_EQ(leat_http_client_deadline(client), SECONDS(115));
    (void)leat_http_client_read(client, SECONDS(114), STR("Content-Length: 9\r\n\r\n"), &event);
    CHECK_EQ(leat_http_client_deadline(client), SECONDS(124));
    leat_http_client_expire(client, SECONDS(124) - 1, &event);
    CHECK_EQ(event.kind, LEAT_HTTP_NONE);
    leat_http_client_expire(client, SECONDS(124), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_ERROR);
    CHECK(leat_http_client_is_done(client));
    CHECK_EQ(leat_http_client_deadline(client), LEAT_NEVER);
    leat_http_client_close(client);
}

TEST(http_client, idle_and_silent)
{
    struct leat_http_event event;
    leat_http_client *client = open_client();
    leat_http_client_expire(client, SECONDS(30), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_CLOSE);
    leat_http_client_close(client);
    client = client_that_asked("GET");
    leat_http_client_expire(client, SECONDS(30), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_ERROR);
    leat_http_client_close(client);
    leat_http_client_close(NULL);
}
