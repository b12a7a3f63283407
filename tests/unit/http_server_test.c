/* The server's connection: what it reads, however cut, what it writes, and when it runs out of patience. */
#include "check.h"
#include "http_transcript.h"

#include <errno.h>

#define SECONDS(n) ((leat_time)(n)*LEAT_SEC)

static leat_http_server *open_server(void)
{
    struct leat_http_config config;
    leat_http_server *server = NULL;
    leat_http_config_default(&config);
    REQUIRE(leat_http_server_open(&config, 0, &server) == 0);
    return server;
}

static size_t feed(leat_http_server *server, leat_time now, const char *text,
                   struct leat_http_event *event)
{
    return leat_http_server_read(server, now, leat_http_str_of(text), event);
}

/* Feeds all of text, which must be taken whole, and returns the last event that is not NONE. */
static struct leat_http_event feed_all(leat_http_server *server, leat_time now, const char *text)
{
    struct leat_http_event event, last = {0};
    leat_http_str rest = leat_http_str_of(text);
    do {
        const size_t used = leat_http_server_read(server, now, rest, &event);
        rest.data += used;
        rest.len -= used;
        last = event.kind ? event : last;
    } while (event.kind);
    CHECK_EQ(rest.len, 0);
    return last;
}

static void check_str(leat_http_str text, const char *expected)
{
    if (!leat_http_str_equal(text, expected)) {
        fprintf(stderr, "got \"%.*s\", expected \"%s\"\n", (int)text.len, text.data, expected);
        CHECK(false);
    }
}

static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/* ---- reading ---- */

static const char *const valid[] = {
    get,
    "GET /a/b?c=d&e HTTP/1.1\r\nHost: example.org:8080\r\nAccept:*/*\r\nX:\r\nY:  \t z \t \r\n\r\n",
    "HEAD /? HTTP/1.1\r\nhOsT: [::1]:80\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
    "CHUNKED\r\n\r\n5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a;b=c ; d = \"e;\\\"f\" "
    "\t;g\r\nx\r\n0;z=1\r\nA: b\r\nC:\r\n\r\n",
    "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: "
    "b\r\n\r\nPOST /3 HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: "
    "chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\nGET "
    "/never HTTP/1.1\r\nHost: e\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
    "GET http://A.example:80/x?y HTTP/1.1\r\nHost: a.example:80\r\n\r\n",
    "GET http://a?y HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "BREW-2 /pot HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nab",
    "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
    "GET / HTTP/1.0\r\nExpect: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\xff and a long value with a tab\tin it, and "
    "0123456789\r\n\r\n",
    "GET /{a}|^`\\~%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, , close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
};

TEST(http_server, cuts_do_not_matter)
{
    static struct transcript whole, cut;
    struct leat_http_config config;
    leat_http_config_default(&config);
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        const size_t len = strlen(valid[i]);
        transcript_server(&whole, &config, valid[i], len, (struct cut){0, 0});
        CHECK(!whole.broken && whole.errors == 0 && whole.requests > 0);
        if (whole.errors) {
            fprintf(stderr, "%s\n", whole.text);
        }
        for (size_t at = 1; at < len; at++) {
            transcript_server(&cut, &config, valid[i], len, (struct cut){at, 0});
            CHECK_STR(cut.text, whole.text);
        }
        for (size_t step = 1; step < 8; step++) {
            transcript_server(&cut, &config, valid[i], len, (struct cut){step, step});
            CHECK_STR(cut.text, whole.text);
        }
    }
}

TEST(http_server, request)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    const char *text =
        "POST /a%20b/c?d=e?f HTTP/1.1\r\nHost: example.org:80\r\nX-One: 1\r\nx-two:2\r\n"
        "X-ONE:  3 \r\nContent-Length: 2\r\n\r\nhi";
    CHECK_EQ(feed(server, 0, text, &event), strlen(text) - 2);
    REQUIRE(event.kind == LEAT_HTTP_REQUEST);
    const struct leat_http_request *request = &event.u.request;
    CHECK_EQ(request->method, LEAT_HTTP_POST);
    CHECK_EQ(request->version, 11);
    CHECK(request->keep_alive && !request->continues);
    CHECK_EQ(request->body_len, 2);
    check_str(request->method_text, "POST");
    check_str(request->target, "/a%20b/c?d=e?f");
    check_str(request->path, "/a%20b/c");
    check_str(request->query, "d=e?f");
    check_str(request->host, "example.org:80");
    CHECK_EQ(request->head.field_count, 5);
    CHECK_EQ(request->head.len, strlen(text) - 2);
    leat_http_str value;
    CHECK(leat_http_head_find(&request->head, "x-one", &value));
    check_str(value, "1");
    CHECK(!leat_http_head_find(&request->head, "x-three", &value));
    uint32_t at = 0;
    CHECK(leat_http_head_next(&request->head, "X-One", &at, &value));
    CHECK_EQ(at, 2);
    CHECK(leat_http_head_next(&request->head, "X-One", &at, &value));
    check_str(value, "3");
    CHECK(!leat_http_head_next(&request->head, "X-One", &at, &value));
    check_str(leat_http_head_name(&request->head, 2), "x-two");
    leat_http_server_close(server);
}

TEST(http_server, body_by_reference)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    const char *text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET";
    const size_t head = feed(server, 0, text, &event);
    CHECK_EQ(feed(server, 0, text + head, &event), 5);
    CHECK_EQ(event.kind, LEAT_HTTP_BODY);
    CHECK(event.u.body.data == text + head);
    CHECK_EQ(event.u.body.len, 5);
    CHECK_EQ(feed(server, 0, text + head + 5, &event), 0);
    CHECK_EQ(event.kind, LEAT_HTTP_END);
    leat_http_server_close(server);
}

/* A head that comes whole is told where it lies: nothing is copied. */
TEST(http_server, head_by_reference)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    (void)feed(server, 0, get, &event);
    CHECK(event.u.request.head.bytes == get);
    leat_http_server_close(server);
}

TEST(http_server, pipelined_requests_wait)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    const struct leat_http_response response = {.status = 200};
    CHECK_EQ(feed_all(server, 0, get).kind, LEAT_HTTP_END);
    CHECK_EQ(feed(server, 0, get, &event), 0);
    CHECK_EQ(event.kind, LEAT_HTTP_NONE);
    CHECK_EQ(leat_http_server_reply(server, 0, &response, leat_http_str_of(""), &out), 0);
    CHECK_EQ(feed(server, 0, get, &event), strlen(get));
    CHECK_EQ(event.kind, LEAT_HTTP_REQUEST);
    leat_http_server_close(server);
}

TEST(http_server, caller_memory)
{
    struct leat_http_config config;
    leat_http_server *server = NULL;
    leat_http_config_default(&config);
    const size_t size = leat_http_server_size(&config);
    CHECK(size > config.head_len_max && size < config.head_len_max + 2048);
    void *const memory = malloc(size);
    CHECK_EQ(leat_http_server_init(memory, &config, 0, &server), 0);
    CHECK_EQ(feed_all(server, 0, get).kind, LEAT_HTTP_END);
    free(memory);
}

TEST(http_server, config_out_of_bounds)
{
    struct leat_http_config good, config;
    leat_http_server *server = NULL;
    leat_http_config_default(&good);
    config = good, config.head_len_max = 63;
    CHECK_EQ(leat_http_server_open(&config, 0, &server), -EINVAL);
    config = good, config.head_len_max = 65536;
    CHECK_EQ(leat_http_server_size(&config), 0);
    config = good, config.field_count_max = 0;
    CHECK_EQ(leat_http_server_size(&config), 0);
    config = good, config.field_count_max = 4097;
    CHECK_EQ(leat_http_server_size(&config), 0);
    config = good, config.target_len_max = 0;
    CHECK_EQ(leat_http_server_size(&config), 0);
    config = good, config.body_len_max = UINT64_MAX;
    CHECK_EQ(leat_http_server_size(&config), 0);
    CHECK(server == NULL);
    leat_http_server_close(NULL);
}

/* ---- limits: exactly so much is taken, one more is refused ---- */

static int status_of(const struct leat_http_config *config, const char *bytes, size_t len)
{
    static struct transcript whole, cut;
    transcript_server(&whole, config, bytes, len, (struct cut){0, 0});
    transcript_server(&cut, config, bytes, len, (struct cut){1, 1});
    CHECK_STR(whole.text, cut.text);
    return whole.errors ? whole.last_status : whole.requests == 1 ? 200 : 0;
}

TEST(http_server, limit_of_the_head)
{
    static char bytes[20000];
    struct leat_http_config config;
    leat_http_config_default(&config);
    for (int over = 0; over < 2; over++) {
        memset(bytes, 'x', sizeof(bytes));
        const size_t len = 16384u + (size_t)over;
        memcpy(bytes, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
        memcpy(bytes + len - 4, "\r\n\r\n", 4);
        CHECK_EQ(status_of(&config, bytes, len), over ? 431 : 200);
    }
    memset(bytes, 'x', sizeof(bytes)); /* without an end */
    memcpy(bytes, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
    CHECK_EQ(status_of(&config, bytes, sizeof(bytes)), 431);
}

TEST(http_server, limit_of_the_target)
{
    static char bytes[20000];
    struct leat_http_config config;
    leat_http_config_default(&config);
    for (int over = 0; over < 2; over++) {
        const int len = 8000 + over;
        const int n =
            snprintf(bytes, sizeof(bytes), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", len - 1, 0);
        CHECK_EQ(status_of(&config, bytes, (size_t)n), over ? 414 : 200);
    }
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "GET /", 5);
    CHECK_EQ(status_of(&config, bytes, sizeof(bytes)), 414);
    config.head_len_max = 64; /* no room for the longest target: the head's limit holds */
    CHECK_EQ(status_of(&config, bytes, 100), 414);
}

TEST(http_server, limit_of_the_fields)
{
    static char bytes[4096];
    struct leat_http_config config;
    leat_http_config_default(&config);
    for (size_t count = 100; count <= 101; count++) {
        size_t len = 0;
        len += (size_t)snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 1; i < count; i++) {
            len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "X%zu: y\r\n", i);
        }
        len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "\r\n");
        CHECK_EQ(status_of(&config, bytes, len), count > 100 ? 431 : 200);
    }
}

TEST(http_server, limit_of_the_body)
{
    struct leat_http_config config;
    leat_http_config_default(&config);
    config.body_len_max = 4;
#define LENGTH(n) "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " n "\r\n\r\n"
#define CHUNKS(c) "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" c "0\r\n\r\n"
    CHECK_EQ(status_of(&config, LENGTH("4") "abcd", strlen(LENGTH("4")) + 4), 200);
    CHECK_EQ(status_of(&config, LENGTH("5") "abcde", strlen(LENGTH("5")) + 5), 413);
    const char *text = CHUNKS("2\r\nab\r\n2\r\ncd\r\n");
    CHECK_EQ(status_of(&config, text, strlen(text)), 200);
    text = CHUNKS("2\r\nab\r\n3\r\ncde\r\n");
    CHECK_EQ(status_of(&config, text, strlen(text)), 413);
}

TEST(http_server, limit_of_trailers_and_extensions)
{
    static char bytes[65536];
    struct leat_http_config config;
    leat_http_config_default(&config);
    const char *const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int over = 0; over < 2; over++) { /* "X: 00…" and CRLF: 1024 bytes */
        const int n =
            snprintf(bytes, sizeof(bytes), "%s0\r\nX: %0*d\r\n\r\n", head, 1019 + over, 0);
        CHECK_EQ(status_of(&config, bytes, (size_t)n), over ? 400 : 200);
    }
    for (int over = 0; over < 2; over++) { /* what follows the ';', and the CR */
        const int n =
            snprintf(bytes, sizeof(bytes), "%s1;%0*d\r\nx\r\n0\r\n\r\n", head, 255 + over, 0);
        CHECK_EQ(status_of(&config, bytes, (size_t)n), over ? 400 : 200);
    }
    size_t len = (size_t)snprintf(bytes, sizeof(bytes), "%s", head);
    for (int i = 0; i < 200; i++) { /* each is short, together they are not */
        len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "1;%050d\r\nx\r\n", 0);
    }
    len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "0\r\n\r\n");
    CHECK_EQ(status_of(&config, bytes, len), 400);
    config.trailer_len_max = 0;
    len = (size_t)snprintf(bytes, sizeof(bytes), "%s0\r\nX: y\r\n\r\n", head);
    CHECK_EQ(status_of(&config, bytes, len), 400);
    len = (size_t)snprintf(bytes, sizeof(bytes), "%s0\r\n\r\n", head);
    CHECK_EQ(status_of(&config, bytes, len), 200);
}

TEST(http_server, limit_of_requests)
{
    static struct transcript t;
    struct leat_http_config config;
    leat_http_config_default(&config);
    config.request_count_max = 2;
    char bytes[256];
    const int n = snprintf(bytes, sizeof(bytes), "%s%s%s", get, get, get);
    transcript_server(&t, &config, bytes, (size_t)n, (struct cut){0, 0});
    CHECK_EQ(t.requests, 2);
    CHECK(t.done);
}

/* ---- time ---- */

TEST(http_server, idle)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(30));
    leat_http_server_expire(server, SECONDS(30) - 1, &event);
    CHECK_EQ(event.kind, LEAT_HTTP_NONE);
    leat_http_server_expire(server, SECONDS(30), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_CLOSE);
    CHECK(leat_http_server_is_done(server));
    CHECK_EQ(leat_http_server_deadline(server), LEAT_NEVER);
    leat_http_server_close(server);
}

/* The head's deadline counts from its first byte and does not move: a slow one is cut off. */
TEST(http_server, slow_head)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    (void)feed(server, SECONDS(10), "G", &event);
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(15));
    (void)feed(server, SECONDS(14), "ET / HTTP/1.1\r\n", &event);
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(15));
    leat_http_server_expire(server, SECONDS(15), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_ERROR);
    CHECK_EQ(event.u.error.status, 408);
    leat_http_server_close(server);
}

/* The CRLF that some clients send after a body is no request: a 408 would answer their next one. */
TEST(http_server, blank_line_and_nothing)
{
    static const char *const blanks[] = {"\r\n", "\r"};
    for (size_t i = 0; i < 2; i++) {
        leat_http_server *server = open_server();
        struct leat_http_event event;
        (void)feed(server, 0, blanks[i], &event);
        leat_http_server_expire(server, SECONDS(5), &event);
        CHECK_EQ(event.kind, i ? LEAT_HTTP_ERROR : LEAT_HTTP_CLOSE);
        leat_http_server_close(server);
    }
}

TEST(http_server, slow_body)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    (void)feed(server, 0, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", &event);
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(10));
    static char block[30721]; /* 30 KiB */
    memset(block, 'x', sizeof(block) - 1);
    (void)feed(server, SECONDS(1), block, &event);
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(11)); /* 10 s without progress */
    leat_http_server_expire(server, SECONDS(11), &event);
    CHECK_EQ(event.u.error.status, 408);
    leat_http_server_close(server);
}

/* Progress of a byte now and then is not enough: the rate counts. */
TEST(http_server, trickling_body)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    (void)feed(server, 0, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", &event);
    (void)feed(server, SECONDS(9), "x", &event);
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(10));
    leat_http_server_close(server);
}

TEST(http_server, held_body)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    (void)feed(server, 0, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", &event);
    leat_http_server_hold(server, SECONDS(5), true);
    leat_http_server_hold(server, SECONDS(6), true);
    CHECK_EQ(leat_http_server_deadline(server), LEAT_NEVER);
    leat_http_server_hold(server, SECONDS(100), false);
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(105));
    leat_http_server_close(server);
}

TEST(http_server, nothing_is_due_while_the_caller_works)
{
    leat_http_server *server = open_server();
    struct leat_http_event event;
    (void)feed_all(server, 0, get);
    CHECK_EQ(leat_http_server_deadline(server), LEAT_NEVER);
    leat_http_server_expire(server, LEAT_NEVER - 1, &event);
    CHECK_EQ(event.kind, LEAT_HTTP_NONE);
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    const struct leat_http_response response = {.status = 200};
    CHECK_EQ(leat_http_server_reply(server, SECONDS(50), &response, leat_http_str_of(""), &out), 0);
    CHECK_EQ(leat_http_server_deadline(server), SECONDS(80));
    leat_http_server_close(server);
}

/* ---- the end of input ---- */

TEST(http_server, eof)
{
    struct leat_http_event event;
    leat_http_server *server = open_server();
    leat_http_server_eof(server, &event);
    CHECK_EQ(event.kind, LEAT_HTTP_CLOSE);
    leat_http_server_close(server);

    server = open_server();
    (void)feed(server, 0, "GET", &event);
    leat_http_server_eof(server, &event);
    CHECK_EQ(event.kind, LEAT_HTTP_ERROR);
    CHECK_EQ(event.u.error.status, 0);
    CHECK(leat_http_server_is_done(server));
    leat_http_server_close(server);

    server = open_server(); /* a client may close its half and wait for the answer */
    (void)feed_all(server, 0, get);
    leat_http_server_eof(server, &event);
    CHECK_EQ(event.kind, LEAT_HTTP_NONE);
    CHECK(!leat_http_server_is_done(server));
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    const struct leat_http_response response = {.status = 200};
    CHECK_EQ(leat_http_server_reply(server, 0, &response, leat_http_str_of(""), &out), 0);
    CHECK(leat_http_server_is_done(server));
    leat_http_server_close(server);
}
