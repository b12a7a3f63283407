/* What RFC 9112 says a server or a client MUST do, by section, as far as it is for this library: the sender
 * of a body, the closer of a connection and the clock are its caller. What MUST be refused is in
 * http_smuggling_test.c too, at every cut. */
#include "check.h"
#include "http_transcript.h"

#define STR leat_http_str_of

static struct transcript t;

/* Serves `bytes`, answering each request with 200; the events are in t. */
static void serve(const char *bytes)
{
    struct leat_http_config config;
    leat_http_config_default(&config);
    transcript_server(&t, &config, bytes, strlen(bytes), (struct cut){0, 0});
    CHECK(!t.broken);
}

static bool refused(const char *bytes, int status)
{
    serve(bytes);
    return t.errors == 1 && t.last_status == status && t.done;
}

static bool served(const char *bytes, unsigned requests)
{
    serve(bytes);
    return t.errors == 0 && t.requests == requests;
}

/* What a server answers to `request` with a body of unknown length. */
static const char *answer(const char *request, uint16_t status)
{
    static char text[1024];
    struct leat_http_config config;
    struct leat_http_event event;
    leat_http_server *server;
    leat_http_config_default(&config);
    REQUIRE(leat_http_server_open(&config, 0, &server) == 0);
    (void)leat_http_server_read(server, 0, STR(request), &event);
    (void)leat_http_server_read(server, 0, STR(""), &event);
    struct leat_http_out out = {text, sizeof(text) - 1, 0};
    const struct leat_http_response response = {.status = status,
                                                .body_len = LEAT_HTTP_LEN_UNKNOWN};
    REQUIRE(leat_http_server_respond(server, &response, &out) == 0);
    REQUIRE(leat_http_server_write(server, STR("hello"), &out) == 0);
    REQUIRE(leat_http_server_end(server, 0, &out) == 0);
    text[out.len] = '\0';
    leat_http_server_close(server);
    return text;
}

/* "MUST parse an HTTP message as a sequence of octets": bytes above 127 pass as they are. */
TEST(http_rfc9112, s2_2_octets)
{
    CHECK(served("GET / HTTP/1.1\r\nHost: a\r\nX: \xe5\x98\x8a\xff\r\n\r\n", 1));
    CHECK(strstr(t.text, "X=\xe5\x98\x8a\xff") != NULL);
}

/* "MUST consider [an element with a bare CR] to be invalid" */
TEST(http_rfc9112, s2_2_bare_cr)
{
    CHECK(refused("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400));
}

/* Whitespace between the start line and the first field: "MUST either reject the message …" */
TEST(http_rfc9112, s2_2_whitespace_first)
{
    CHECK(refused("GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", 400));
}

/* HTTP-version is case-sensitive, one digit, a dot, one digit. */
TEST(http_rfc9112, s2_3_version)
{
    CHECK(refused("GET / Http/1.1\r\nHost: a\r\n\r\n", 400));
    CHECK(refused("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400));
}

/* "MUST respond with 400 to any HTTP/1.1 request that lacks a Host, [has] more than one, or an invalid one" */
TEST(http_rfc9112, s3_2_host)
{
    CHECK(refused("GET / HTTP/1.1\r\n\r\n", 400));
    CHECK(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400));
    CHECK(refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400));
    CHECK(served("GET / HTTP/1.0\r\n\r\n", 1));
}

/* "A server MUST accept the absolute-form in requests" */
TEST(http_rfc9112, s3_2_2_absolute_form)
{
    CHECK(served("GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", 1));
    CHECK(strstr(t.text, "path=/b query=c host=a") != NULL);
}

/* asterisk-form "is only used for a server-wide OPTIONS request" */
TEST(http_rfc9112, s3_2_4_asterisk_form)
{
    CHECK(served("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 1));
    CHECK(refused("HEAD * HTTP/1.1\r\nHost: a\r\n\r\n", 400));
}

/* Whitespace between name and colon: "MUST reject … with 400" */
TEST(http_rfc9112, s5_1_colon)
{
    CHECK(refused("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400));
}

/* obs-fold: "MUST either reject the message by sending a 400 …" */
TEST(http_rfc9112, s5_2_fold)
{
    CHECK(refused("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400));
}

/* "MUST be able to parse the chunked transfer coding"; its name is case-insensitive (section 7). */
TEST(http_rfc9112, s6_1_chunked)
{
    CHECK(served(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 1));
    CHECK(strstr(t.text, "\nhi|END") != NULL);
}

/* "MUST NOT send a response containing Transfer-Encoding unless the request indicates HTTP/1.1" */
TEST(http_rfc9112, s6_1_no_coding_to_http_10)
{
    CHECK_STR(answer("GET / HTTP/1.0\r\n\r\n", 200),
              "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
}

/* "MUST NOT send a Transfer-Encoding field in any response with 1xx or 204" */
TEST(http_rfc9112, s6_1_no_coding_in_204)
{
    CHECK_STR(answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 204), "HTTP/1.1 204 No Content\r\n\r\n");
}

/* HTTP/1.0 with Transfer-Encoding: "MUST treat the message as if the framing is faulty … and close" */
TEST(http_rfc9112, s6_1_coding_in_http_10)
{
    CHECK(refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400));
}

/* 6.3: 1. no body to HEAD. 3. both fields: "ought to be handled as an error", MUST close. 4. chunked not
 * final: "MUST respond with 400 and then close". 5. invalid length: the same. 7. neither: no body. */
TEST(http_rfc9112, s6_3_length)
{
    const char *text = answer("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200);
    CHECK_STR(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    CHECK(refused(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n",
        400));
    CHECK(refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400));
    CHECK(refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400));
    CHECK(served("POST / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 2));
}

/* 6.3, 6: a length that the connection does not live to see is an incomplete message; 8: so for a chunked
 * body without its last chunk. No END is told. */
TEST(http_rfc9112, s8_incomplete)
{
    serve("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
    CHECK(t.errors == 1 && strstr(t.text, "END") == NULL);
    serve("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    CHECK(t.errors == 1 && strstr(t.text, "END") == NULL);
}

/* "MUST anticipate potentially large hexadecimal numerals" */
TEST(http_rfc9112, s7_1_large_sizes)
{
    CHECK(refused(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffe\r\n",
        413));
    CHECK(refused(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\n",
        400));
}

/* "MUST ignore unrecognized chunk extensions" */
TEST(http_rfc9112, s7_1_1_extensions)
{
    CHECK(served("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "2;x;y=z;q=\"a;\\\"b\"\r\nhi\r\n0;last\r\n\r\n",
                 1));
    CHECK(strstr(t.text, "\nhi|END") != NULL);
}

/* Trailers are never merged into the head: a Host or a length there changes nothing. */
TEST(http_rfc9112, s7_1_2_trailers)
{
    CHECK(served("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\nHost: b\r\nContent-Length: 9\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                 2));
}

/* Persistence: 1.1 unless "close"; 1.0 only with "keep-alive". */
TEST(http_rfc9112, s9_3_persistence)
{
    CHECK(served("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 2));
    CHECK(served(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        1));
    CHECK(served("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", 1));
    CHECK(served("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", 2));
}

/* Pipelined requests: "MUST send the corresponding responses in the same order": one is told at a time. */
TEST(http_rfc9112, s9_3_2_pipelining)
{
    CHECK(served("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 2));
    CHECK(strstr(t.text, "path=/1") < strstr(t.text, "path=/2"));
}

/* After "close": "MUST NOT process any further requests received on that connection" */
TEST(http_rfc9112, s9_6_close)
{
    serve("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /late HTTP/1.1\r\nHost: "
          "a\r\n\r\n");
    CHECK(t.requests == 1 && t.done && strstr(t.text, "late") == NULL);
}
