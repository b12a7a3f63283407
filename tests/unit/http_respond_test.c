/* What a server writes: heads, framing, who closes, and that nothing breaks out of its place. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include <leat/http.h>

#define STR leat_http_str_of

struct rig {
    leat_http_server *server;
    struct leat_http_event event;
    struct leat_http_out out;
    char bytes[2048];
};

/* A server that has read all of `text`. */
static void start(struct rig *rig, const char *text)
{
    struct leat_http_config config;
    leat_http_config_default(&config);
    memset(rig, 0, sizeof(*rig));
    rig->out = (struct leat_http_out){rig->bytes, sizeof(rig->bytes) - 1, 0};
    REQUIRE(leat_http_server_open(&config, 0, &rig->server) == 0);
    leat_http_str rest = STR(text);
    struct leat_http_event event;
    do {
        const size_t used = leat_http_server_read(rig->server, 0, rest, &event);
        rest.data += used;
        rest.len -= used;
        rig->event = event.kind ? event : rig->event;
    } while (event.kind);
}

static void finish(struct rig *rig)
{
    leat_http_server_close(rig->server);
}

static void check_out(const struct rig *rig, const char *expected)
{
    char text[2048];
    memcpy(text, rig->out.data, rig->out.len);
    text[rig->out.len] = '\0';
    CHECK_STR(text, expected);
}

static bool done(const struct rig *rig)
{
    return leat_http_server_is_done(rig->server);
}

static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
static const char head[] = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
static const char get_10[] = "GET / HTTP/1.0\r\n\r\n";

TEST(http_respond, with_a_length)
{
    struct rig rig;
    start(&rig, get);
    const struct leat_http_header headers[] = {{STR("Content-Type"), STR("text/plain")},
                                               {STR("X"), STR("")}};
    const struct leat_http_response response = {.status = 200,
                                                .date = STR("Sun, 06 Nov 1994 08:49:37 GMT"),
                                                .headers = headers,
                                                .header_count = 2,
                                                .body_len = 5};
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                    "Content-Type: text/plain\r\nX: \r\nContent-Length: 5\r\n\r\n");
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), -EPIPE);
    uint64_t send = 0;
    const size_t before = rig.out.len;
    CHECK_EQ(leat_http_server_data(rig.server, 3, &rig.out, &send), 0);
    CHECK_EQ(send, 3);
    CHECK_EQ(rig.out.len, before); /* the bytes are the caller's to send */
    CHECK_EQ(leat_http_server_data(rig.server, 3, &rig.out, &send), -EMSGSIZE);
    CHECK_EQ(leat_http_server_write(rig.server, STR("lo"), &rig.out), 0);
    CHECK_EQ(rig.out.len, before + 2);
    CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), 0);
    CHECK(!done(&rig));
    CHECK_EQ(leat_http_server_data(rig.server, 1, &rig.out, &send), -EPIPE);
    CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), -EPIPE);
    finish(&rig);
}

TEST(http_respond, chunked)
{
    struct rig rig;
    start(&rig, get);
    const struct leat_http_response response = {.status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN};
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
    CHECK_EQ(leat_http_server_write(rig.server, STR("hello"), &rig.out), 0);
    CHECK_EQ(leat_http_server_write(rig.server, STR(""), &rig.out), 0); /* would end the body */
    CHECK_EQ(leat_http_server_write(rig.server, STR("0123456789abcdef"), &rig.out), 0);
    CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
    CHECK(!done(&rig));
    finish(&rig);
}

/* RFC 9112, 6.1: no Transfer-Encoding to a client that did not say HTTP/1.1. */
TEST(http_respond, until_close_in_http_10)
{
    struct rig rig;
    start(&rig, get_10);
    const struct leat_http_response response = {.status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN};
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
    CHECK_EQ(leat_http_server_write(rig.server, STR("hello"), &rig.out), 0);
    CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    CHECK(done(&rig));
    finish(&rig);
}

TEST(http_respond, keeps_an_http_10_connection_only_when_asked)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 200};
    start(&rig, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("x"), &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx");
    CHECK(!done(&rig));
    finish(&rig);
    start(&rig, get_10);
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(done(&rig));
    finish(&rig);
}

/* RFC 9110, 9.3.2 and RFC 9112, 6.3: a response to HEAD says what GET's would, and has no body. */
TEST(http_respond, to_head)
{
    struct rig rig;
    struct leat_http_response response = {.status = 200};
    start(&rig, head);
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("hello"), &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    CHECK(!done(&rig));
    finish(&rig);
    start(&rig, head);
    response.body_len = LEAT_HTTP_LEN_UNKNOWN;
    uint64_t send = 1;
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
    CHECK_EQ(leat_http_server_data(rig.server, 5, &rig.out, &send), 0);
    CHECK_EQ(send, 0);
    CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    finish(&rig);
    start(&rig, head);
    response.body_len = 1000; /* a file that need not even be opened */
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
    CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), 0);
    CHECK(!done(&rig));
    finish(&rig);
}

/* RFC 9112, 6.1 and 6.2: neither framing field in a 204; no body in a 304. */
TEST(http_respond, without_a_body)
{
    static const uint16_t statuses[] = {204, 304};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        start(&rig, get);
        const struct leat_http_response response = {.status = statuses[i], .body_len = 7};
        uint64_t send = 1;
        CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
        CHECK_EQ(leat_http_server_data(rig.server, 7, &rig.out, &send), 0);
        CHECK_EQ(send, 0);
        CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), 0);
        check_out(&rig,
                  i ? "HTTP/1.1 304 Not Modified\r\n\r\n" : "HTTP/1.1 204 No Content\r\n\r\n");
        CHECK(!done(&rig));
        finish(&rig);
    }
}

TEST(http_respond, closes_when_either_side_wants)
{
    struct rig rig;
    struct leat_http_response response = {.status = 299};
    start(&rig, "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n");
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), 0);
    check_out(&rig, "HTTP/1.1 299 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(done(&rig));
    struct leat_http_event event;
    CHECK_EQ(leat_http_server_read(rig.server, 0, STR(get), &event), strlen(get)); /* dropped */
    CHECK_EQ(event.kind, LEAT_HTTP_NONE);
    finish(&rig);
    start(&rig, get);
    response.close = true;
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), 0);
    CHECK(done(&rig));
    finish(&rig);
}

TEST(http_respond, refuses_what_breaks_out)
{
    static const struct leat_http_header bad[] = {
        {{"X", 1}, {"a\r\nSet-Cookie: b", 16}},
        {{"X", 1}, {"a\nb", 3}},
        {{"X", 1}, {"a\rb", 3}},
        {{"X", 1}, {"a\0b", 3}},
        {{"X Y", 3}, {"a", 1}},
        {{"X:", 2}, {"a", 1}},
        {{"", 0}, {"a", 1}},
        {{"X\r\n", 3}, {"a", 1}},
        {{"content-length", 14}, {"5", 1}},
        {{"Transfer-Encoding", 17}, {"chunked", 7}},
        {{"connection", 10}, {"close", 5}},
        {{"Date", 4}, {"now", 3}},
    };
    struct rig rig;
    start(&rig, get);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct leat_http_response response = {
            .status = 200, .headers = &bad[i], .header_count = 1};
        CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("x"), &rig.out), -EINVAL);
    }
    struct leat_http_response response = {.status = 200, .date = STR("a\r\nb: c")};
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("x"), &rig.out), -EINVAL);
    response.date = STR("");
    response.status = 199;
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("x"), &rig.out), -EINVAL);
    response.status = 600;
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("x"), &rig.out), -EINVAL);
    CHECK_EQ(rig.out.len, 0);
    response.status = 200; /* and nothing of it has left a trace */
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("x"), &rig.out), 0);
    check_out(&rig, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    finish(&rig);
}

/* Whatever the room, all of a response is written or nothing. */
TEST(http_respond, all_or_nothing)
{
    static const struct leat_http_header headers[] = {{{"A", 1}, {"b", 1}}};
    const struct leat_http_response response = {
        .status = 200, .headers = headers, .header_count = 1, .date = STR("x")};
    struct rig rig;
    start(&rig, get);
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("hello"), &rig.out), 0);
    const size_t len = rig.out.len;
    finish(&rig);
    for (size_t cap = 0; cap <= len; cap++) {
        start(&rig, get);
        rig.out.cap = cap;
        const int status = leat_http_server_reply(rig.server, 0, &response, STR("hello"), &rig.out);
        CHECK_EQ(status, cap < len ? -ENOSPC : 0);
        CHECK_EQ(rig.out.len, cap < len ? 0 : len);
        rig.out.cap = len;
        if (status) {
            CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("hello"), &rig.out), 0);
        }
        CHECK(!done(&rig));
        finish(&rig);
    }
}

TEST(http_respond, all_or_nothing_of_a_chunk)
{
    const struct leat_http_response response = {.status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN};
    for (size_t room = 0; room < 20; room++) {
        struct rig rig;
        start(&rig, get);
        CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
        CHECK_EQ(leat_http_server_write(rig.server, STR("a"), &rig.out), 0);
        const size_t before = rig.out.len;
        rig.out.cap = before + room;
        const int status = leat_http_server_write(rig.server, STR("bcd"), &rig.out);
        CHECK_EQ(status, room < 8 ? -ENOSPC : 0); /* CRLF, "3", CRLF, "bcd" */
        CHECK_EQ(rig.out.len, before + (status ? 0 : 8));
        rig.out.cap = sizeof(rig.bytes) - 1;
        CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), 0);
        finish(&rig);
    }
}

/* A file that shrank: what was promised cannot be sent, and the client must not take it for the whole. */
TEST(http_respond, too_little)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 200, .body_len = 5};
    start(&rig, get);
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
    CHECK_EQ(leat_http_server_write(rig.server, STR("abc"), &rig.out), 0);
    CHECK_EQ(leat_http_server_end(rig.server, 0, &rig.out), -EMSGSIZE);
    CHECK(done(&rig));
    finish(&rig);
}

TEST(http_respond, no_request)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 200};
    start(&rig, "");
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), -EPIPE);
    CHECK_EQ(leat_http_server_continue(rig.server, 0, &rig.out), -EINVAL);
    CHECK_EQ(rig.out.len, 0);
    finish(&rig);
}

/* ---- 100 (Continue) ---- */

static const char expects[] =
    "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";

TEST(http_respond, continues)
{
    struct rig rig;
    start(&rig, expects);
    CHECK(rig.event.kind == LEAT_HTTP_REQUEST && rig.event.u.request.continues);
    CHECK_EQ(leat_http_server_deadline(rig.server),
             LEAT_NEVER); /* the client waits for the caller */
    CHECK_EQ(leat_http_server_continue(rig.server, 7 * LEAT_SEC, &rig.out), 0);
    check_out(&rig, "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_EQ(leat_http_server_deadline(rig.server), 17 * LEAT_SEC);
    CHECK_EQ(leat_http_server_continue(rig.server, 0, &rig.out), -EINVAL); /* once */
    struct leat_http_event event;
    CHECK_EQ(leat_http_server_read(rig.server, 0, STR("ab"), &event), 2);
    CHECK_EQ(event.kind, LEAT_HTTP_BODY);
    (void)leat_http_server_read(rig.server, 0, STR(""), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_END);
    const struct leat_http_response response = {.status = 201};
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), 0);
    CHECK(!done(&rig));
    finish(&rig);
}

/* RFC 9110, 10.1.1: a final answer instead of 100: whether the body will come is anyone's guess. */
TEST(http_respond, answers_instead_of_100)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 401};
    start(&rig, expects);
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), 0);
    check_out(&rig, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(done(&rig));
    finish(&rig);
}

TEST(http_respond, does_not_continue_who_went_on)
{
    struct rig rig;
    char text[256];
    snprintf(text, sizeof(text), "%sa", expects);
    start(&rig, text);
    CHECK_EQ(leat_http_server_continue(rig.server, 0, &rig.out), -EINVAL);
    finish(&rig);
}

/* ---- early responses and errors ---- */

/* A response that ends before its request: the rest of the body is still read, then the next request. */
TEST(http_respond, early)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 200};
    struct leat_http_event event;
    start(&rig, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), 0);
    CHECK(!done(&rig));
    CHECK_EQ(leat_http_server_read(rig.server, 0, STR("cd"), &event), 2);
    CHECK_EQ(event.kind, LEAT_HTTP_BODY);
    (void)leat_http_server_read(rig.server, 0, STR(get), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_END);
    CHECK_EQ(leat_http_server_read(rig.server, 0, STR(get), &event), strlen(get));
    CHECK_EQ(event.kind, LEAT_HTTP_REQUEST);
    finish(&rig);
}

TEST(http_respond, early_and_closing)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 403, .close = true};
    start(&rig, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR(""), &rig.out), 0);
    CHECK(done(&rig));
    finish(&rig);
}

TEST(http_respond, refuse)
{
    struct rig rig;
    start(&rig, "GET / HTTP/1.1\r\n\r\n");
    REQUIRE(rig.event.kind == LEAT_HTTP_ERROR);
    CHECK(!done(&rig)); /* it may still be answered */
    CHECK_EQ(leat_http_server_refuse(rig.server, 0, &rig.event.u.error, STR("x"), &rig.out), 0);
    check_out(&rig,
              "HTTP/1.1 400 Bad Request\r\nDate: x\r\nContent-Type: application/problem+json\r\n"
              "Content-Length: 55\r\nConnection: close\r\n\r\n"
              "{\"status\":400,\"title\":\"Bad Request\",\"detail\":\"no Host\"}");
    CHECK(done(&rig));
    finish(&rig);
}

/* An error page of the caller's own; it closes whatever the caller says. */
TEST(http_respond, error_page)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 400};
    start(&rig, "GET / HTTP/1.1\r\n\r\n");
    CHECK_EQ(leat_http_server_reply(rig.server, 0, &response, STR("no"), &rig.out), 0);
    check_out(&rig, "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    CHECK(done(&rig));
    finish(&rig);
}

/* The body goes wrong after the response has begun: there is nothing more to say. */
TEST(http_respond, error_within_a_response)
{
    struct rig rig;
    const struct leat_http_response response = {.status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN};
    struct leat_http_event event;
    uint64_t send;
    start(&rig, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na");
    CHECK_EQ(leat_http_server_respond(rig.server, &response, &rig.out), 0);
    const size_t before = rig.out.len;
    (void)leat_http_server_read(rig.server, 0, STR("x"), &event);
    CHECK_EQ(event.kind, LEAT_HTTP_ERROR);
    CHECK_EQ(event.u.error.status, 0);
    CHECK(done(&rig));
    CHECK_EQ(leat_http_server_refuse(rig.server, 0, &event.u.error, STR(""), &rig.out), 0);
    CHECK_EQ(leat_http_server_data(rig.server, 1, &rig.out, &send), -EPIPE);
    CHECK_EQ(rig.out.len, before);
    finish(&rig);
}
