/* Requests that two parsers might read differently, and what is too long: each is refused with its status
 * and the connection's end, however it is cut, and nothing behind it is ever taken for a request. */
#include "check.h"
#include "http_transcript.h"

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define BEHIND "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

struct hostile {
    const char *what;
    int status;
    const char *bytes;
    size_t len; /* 0: strlen */
};

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct hostile cases[] = {
    /* RFC 9112, 6.3: framing that contradicts itself */
    {"CL.TE", 400, POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" BEHIND,
     0},
    {"TE.CL", 400, POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" BEHIND, 0},
    {"two lengths", 400, POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 0},
    {"two equal lengths", 400, POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 0},
    {"list of lengths", 400, POST "Content-Length: 1, 2\r\n\r\na", 0},
    {"list of equal lengths", 400, POST "Content-Length: 1, 1\r\n\r\na", 0},
    {"length +", 400, POST "Content-Length: +1\r\n\r\na", 0},
    {"length -", 400, POST "Content-Length: -1\r\n\r\na", 0},
    {"length -0", 400, POST "Content-Length: -0\r\n\r\na", 0},
    {"length hex", 400, POST "Content-Length: 0x1\r\n\r\na", 0},
    {"length octal", 400, POST "Content-Length: 010\r\n\r\n12345678", 0},
    {"length 0o", 400, POST "Content-Length: 0o5\r\n\r\n12345", 0},
    {"length underscore", 400, POST "Content-Length: 1_0\r\n\r\n1234567890", 0},
    {"length with a blank", 400, POST "Content-Length: 1 0\r\n\r\n1234567890", 0},
    {"length fraction", 400, POST "Content-Length: 1.0\r\n\r\na", 0},
    {"length exponent", 400, POST "Content-Length: 1e1\r\n\r\na", 0},
    {"length empty", 400, POST "Content-Length:\r\n\r\na", 0},
    {"length quoted", 400, POST "Content-Length: \"1\"\r\n\r\na", 0},
    {"length 2^64", 400, POST "Content-Length: 18446744073709551616\r\n\r\na", 0},
    {"length 2^64-1", 400, POST "Content-Length: 18446744073709551615\r\n\r\na", 0},
    {"length of 40 digits", 400,
     POST "Content-Length: 1111111111111111111111111111111111111111\r\n\r\n", 0},
    {"length over the limit", 413, POST "Content-Length: 65537\r\n\r\na", 0},
    {"length 2^63", 413, POST "Content-Length: 9223372036854775808\r\n\r\na", 0},
    /* RFC 9112, 6.1 and 6.3: codings */
    {"TE gzip", 400, POST "Transfer-Encoding: gzip\r\n\r\n" BEHIND, 0},
    {"TE identity", 400, POST "Transfer-Encoding: identity\r\n\r\n" BEHIND, 0},
    {"TE chunked, gzip", 400, POST "Transfer-Encoding: chunked, gzip\r\n\r\n" BEHIND, 0},
    {"TE gzip, chunked, gzip", 400, POST "Transfer-Encoding: gzip, chunked, gzip\r\n\r\n" BEHIND,
     0},
    {"TE chunked, identity", 400, POST "Transfer-Encoding: chunked, identity\r\n\r\n" BEHIND, 0},
    {"TE chunked twice", 400, POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0},
    {"TE two lines", 400,
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
    {"TE two lines, one odd", 400,
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n", 0},
    {"TE empty", 400, POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 0},
    {"TE comma", 400, POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 0},
    {"TE comma after", 400, POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 0},
    {"TE quoted", 400, POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 0},
    {"TE parameter", 400, POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 0},
    {"TE xchunked", 400, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0},
    {"TE vertical tab", 400, POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 0},
    {"TE form feed", 400, POST "Transfer-Encoding: \fchunked\r\n\r\n0\r\n\r\n", 0},
    {"TE NUL", 400, BYTES(POST "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n")},
    {"TE bare CR", 400, POST "Transfer-Encoding: chunked\rX: y\r\n\r\n0\r\n\r\n", 0},
    {"TE high byte", 400,
     POST "Transfer-Encoding: \xa0"
          "chunked\r\n\r\n0\r\n\r\n",
     0},
    {"TE gzip, chunked", 501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0},
    {"TE eee, chunked and a length", 501,
     POST "Content-Length: 10\r\nTransfer-Encoding: eee, chunked\r\n\r\n", 0},
    {"TE in HTTP/1.0", 400,
     "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
    {"TE and CL in HTTP/1.0", 400,
     "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0},
    /* RFC 9112, 5.1 and 5.2: names and folds */
    {"blank before the colon", 400, GET "Host : a\r\n\r\n", 0},
    {"tab before the colon", 400, POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 0},
    {"blank before the first field", 400, GET " Host: a\r\n\r\n", 0},
    {"fold", 400, GET HOST "X: y\r\n z\r\n\r\n", 0},
    {"fold of TE", 400, POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 0},
    {"fold with a tab", 400, GET HOST "X: y\r\n\tz\r\n\r\n", 0},
    {"line of blanks", 400, GET HOST "X: y\r\n \r\n\r\n", 0},
    {"no colon", 400, GET HOST "X\r\n\r\n", 0},
    {"empty name", 400, GET HOST ": y\r\n\r\n", 0},
    {"name with a bracket", 400, GET HOST "[X]: y\r\n\r\n", 0},
    {"name with a NUL", 400, BYTES(GET HOST "X\0Y: y\r\n\r\n")},
    {"name with a high byte", 400, GET HOST "X\xff: y\r\n\r\n", 0},
    {"name with a CR", 400, GET HOST "X\r: y\r\n\r\n", 0},
    {"NUL in a value", 400, BYTES(GET HOST "X: y\0z\r\n\r\n")},
    {"DEL in a value", 400, GET HOST "X: y\x7fz\r\n\r\n", 0},
    {"DEL in a long value", 400,
     GET HOST "X: 01234567890123456789\x7f"
              "0123456789\r\n\r\n",
     0},
    {"escape in a long value", 400, GET HOST "X: 0123456789012345678901234567890123456\x1b\r\n\r\n",
     0},
    /* RFC 9112, 2.2: only CRLF ends a line */
    {"LF after the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n", 0},
    {"LF after a field", 400, GET "Host: a\nX: y\r\n\r\n", 0},
    {"LF after a longer field", 400, GET HOST "X: yy\nZ: zz\r\n\r\n", 0},
    {"LF after a field, then the end", 400, GET HOST "X: yy\n\r\n", 0},
    {"LF as the empty line", 400, GET "Host: a\r\n\n", 0},
    {"LF before the request", 400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"all LF", 400, "GET / HTTP/1.1\nHost: a\n\n", 0},
    {"all CR", 400, "GET / HTTP/1.1\rHost: a\r\r\n", 0},
    {"CR CR LF", 400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 0},
    {"CR in a value", 400, GET HOST "X: y\rz\r\n\r\n", 0},
    {"two empty lines first", 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    /* RFC 9112, 3: request lines */
    {"HTTP/0.9", 400, "GET /\r\n", 0},
    {"only a method", 400, "GET\r\n\r\n", 0},
    {"two blanks", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"two blanks before the version", 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a tab", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"blank first", 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"blank last", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0},
    {"method with a bracket", 400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"TLS", 400, BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
    {"a NUL first", 400, BYTES("\0GET / HTTP/1.1\r\n")},
    {"long method", 501, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"CONNECT", 501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 0},
    {"target with a NUL", 400, BYTES("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n")},
    {"target with a high byte", 400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"fragment", 400, "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"relative target", 400, "GET x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"star and GET", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    /* RFC 9112, 2.3: versions */
    {"version without a minor", 400, "GET / HTTP/1\r\nHost: a\r\n\r\n", 0},
    {"version 1.10", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 0},
    {"version 01.1", 400, "GET / HTTP/01.1\r\nHost: a\r\n\r\n", 0},
    {"version 1. 1", 400, "GET / HTTP/1. 1\r\nHost: a\r\n\r\n", 0},
    {"version in small letters", 400, "GET / http/1.1\r\nHost: a\r\n\r\n", 0},
    {"version HTTQ", 400, "GET / HTTQ/1.1\r\nHost: a\r\n\r\n", 0},
    {"version +1.1", 400, "GET / HTTP/+1.1\r\nHost: a\r\n\r\n", 0},
    {"version ICY", 400, "GET / ICY\r\nHost: a\r\n\r\n", 0},
    {"version 2.0", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
    {"version 0.9", 505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 0},
    {"version 3.1", 505, "GET / HTTP/3.1\r\nHost: a\r\n\r\n", 0},
    /* RFC 9112, 3.2: hosts */
    {"no Host", 400, GET "\r\n", 0},
    {"two Hosts", 400, GET "Host: a\r\nHost: b\r\n\r\n", 0},
    {"two equal Hosts", 400, GET "Host: a\r\nHost: a\r\n\r\n", 0},
    {"two Hosts in HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 0},
    {"empty Host", 400, GET "Host:\r\n\r\n", 0},
    {"Host with a user", 400, GET "Host: me@a\r\n\r\n", 0},
    {"Host with a path", 400, GET "Host: a/b\r\n\r\n", 0},
    {"Host with a comma", 400, GET "Host: a,b\r\n\r\n", 0},
    {"Host with a blank", 400, GET "Host: a b\r\n\r\n", 0},
    {"Host with a word for a port", 400, GET "Host: a:b\r\n\r\n", 0},
    {"Host with a great port", 400, GET "Host: a:65536\r\n\r\n", 0},
    {"Host with two ports", 400, GET "Host: a:1:2\r\n\r\n", 0},
    {"Host open bracket", 400, GET "Host: [::1\r\n\r\n", 0},
    {"Host bracket and text", 400, GET "Host: [::1]a\r\n\r\n", 0},
    {"absolute form of another host", 400, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"absolute form of another port", 400, "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"absolute form with a user", 400, "GET http://a@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"absolute form without a host", 400, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"absolute form without Host", 400, "GET http://a/ HTTP/1.1\r\n\r\n", 0},
    {"absolute form of another scheme", 400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    /* RFC 9110, 10.1.1 */
    {"expectation", 417, POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 0},
    {"expectations", 417, POST "Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\na", 0},
    /* RFC 9112, 7.1: chunks */
    {"chunk 0x", 400, CHUNKED "0x1\r\na\r\n0\r\n\r\n", 0},
    {"chunk -", 400, CHUNKED "-1\r\na\r\n0\r\n\r\n", 0},
    {"chunk +", 400, CHUNKED "+1\r\na\r\n0\r\n\r\n", 0},
    {"chunk underscore", 400, CHUNKED "1_0\r\na\r\n0\r\n\r\n", 0},
    {"chunk blank first", 400, CHUNKED " 1\r\na\r\n0\r\n\r\n", 0},
    {"chunk blank last", 400, CHUNKED "1 \r\na\r\n0\r\n\r\n", 0},
    {"chunk without a size", 400, CHUNKED "\r\na\r\n0\r\n\r\n", 0},
    {"chunk size only an extension", 400, CHUNKED ";a=b\r\na\r\n0\r\n\r\n", 0},
    {"chunk of 17 digits", 400, CHUNKED "00000000000000001\r\na\r\n0\r\n\r\n", 0},
    {"chunk of 2^64", 400, CHUNKED "10000000000000000\r\na\r\n0\r\n\r\n", 0},
    {"chunk of 2^64-1", 413, CHUNKED "ffffffffffffffff\r\na\r\n0\r\n\r\n", 0},
    {"chunk over the limit", 413, CHUNKED "10001\r\na", 0},
    {"chunks that overflow together", 413, CHUNKED "1\r\na\r\nffffffffffffffff\r\nb", 0},
    {"chunk LF", 400, CHUNKED "1\na\r\n0\r\n\r\n", 0},
    {"chunk CR", 400, CHUNKED "1\ra\r\n0\r\n\r\n", 0},
    {"chunk CR CR LF", 400, CHUNKED "1\r\r\na\r\n0\r\n\r\n", 0},
    {"chunk data and LF", 400, CHUNKED "1\r\na\n0\r\n\r\n", 0},
    {"chunk data and nothing", 400, CHUNKED "1\r\na0\r\n\r\n", 0},
    {"chunk data, CR and another byte", 400, CHUNKED "1\r\na\rX0\r\n\r\n", 0},
    {"chunk data too long", 400, CHUNKED "1\r\nabc\r\n0\r\n\r\n", 0},
    {"chunk data and XX", 400, CHUNKED "1\r\naXX0\r\n\r\n", 0},
    {"extension without a name", 400, CHUNKED "1;\r\na\r\n0\r\n\r\n", 0},
    {"extension and LF", 400, CHUNKED "1;\na\r\n0\r\n\r\n", 0},
    {"extension with an LF", 400, CHUNKED "1;a\nb\r\na\r\n0\r\n\r\n", 0},
    {"extension with a CR", 400, CHUNKED "1;a\rb\r\na\r\n0\r\n\r\n", 0},
    {"extension with a NUL", 400, BYTES(CHUNKED "1;a\0\r\na\r\n0\r\n\r\n")},
    {"extension without a value", 400, CHUNKED "1;a=\r\na\r\n0\r\n\r\n", 0},
    {"extension with an open quote", 400, CHUNKED "1;a=\"\r\na\r\n0\r\n\r\n", 0},
    {"extension, quoted CRLF", 400, CHUNKED "1;a=\"\r\n0\r\n\r\n" BEHIND, 0},
    {"extension, text after a quote", 400, CHUNKED "1;a=\"b\"c\r\na\r\n0\r\n\r\n", 0},
    {"extension, blanks and text after a name", 400, CHUNKED "1;a  b\r\na\r\n0\r\n\r\n", 0},
    {"extension, blank at the end", 400, CHUNKED "1;a \r\na\r\n0\r\n\r\n", 0},
    {"trailer that folds", 400, CHUNKED "0\r\nX: y\r\n z\r\n\r\n", 0},
    {"trailer without a colon", 400, CHUNKED "0\r\nX\r\n\r\n", 0},
    {"trailer with an LF", 400, CHUNKED "0\r\nX: y\n\r\n", 0},
    {"trailer with a NUL", 400, BYTES(CHUNKED "0\r\nX: \0\r\n\r\n")},
    {"trailer, blank before the colon", 400, CHUNKED "0\r\nX : y\r\n\r\n", 0},
    {"last chunk and LF", 400, CHUNKED "0\r\n\n", 0},
    {"no empty line at the end", 400, CHUNKED "0\r\n" BEHIND, 0},
};

static void check_refused(const struct hostile *hostile, struct cut cut)
{
    static struct transcript t;
    struct leat_http_config config;
    leat_http_config_default(&config);
    transcript_server(&t, &config, hostile->bytes,
                      hostile->len ? hostile->len : strlen(hostile->bytes), cut);
    const bool smuggled = strstr(t.text, "smuggled") != NULL;
    if (t.broken || t.errors != 1 || t.last_status != hostile->status || !t.done || smuggled) {
        fprintf(stderr, "%s, cut %zu+%zu:\n%s\n", hostile->what, cut.first, cut.step, t.text);
        CHECK(false);
    }
}

TEST(http_smuggling, refused_and_closed)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_refused(&cases[i], (struct cut){0, 0});
    }
}

TEST(http_smuggling, refused_however_it_is_cut)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t len = cases[i].len ? cases[i].len : strlen(cases[i].bytes);
        check_refused(&cases[i], (struct cut){1, 1});
        for (size_t at = 1; at < len; at++) {
            check_refused(&cases[i], (struct cut){at, 0});
        }
    }
}

/* Behind a good request: the first is told, the second is not. */
TEST(http_smuggling, refused_behind_a_good_request)
{
    static struct transcript t;
    char bytes[1024];
    struct leat_http_config config;
    leat_http_config_default(&config);
    static const char good[] = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t len = cases[i].len ? cases[i].len : strlen(cases[i].bytes);
        memcpy(bytes, good, sizeof(good) - 1);
        memcpy(bytes + sizeof(good) - 1, cases[i].bytes, len);
        transcript_server(&t, &config, bytes, sizeof(good) - 1 + len, (struct cut){0, 0});
        CHECK(strncmp(t.text, "REQUEST GET path=/good", 22) == 0);
        CHECK_EQ(t.errors, 1);
        CHECK_EQ(t.last_status, cases[i].status);
        CHECK(t.done);
    }
}
