/* Values of fields, bodies of text, and the small parts of messages. */
#include "check.h"

#include <errno.h>

#include <leat/http.h>

#define STR leat_http_str_of

static void check_str(leat_http_str text, const char *expected)
{
    if (!leat_http_str_equal(text, expected)) {
        fprintf(stderr, "got \"%.*s\", expected \"%s\"\n", (int)text.len, text.data, expected);
        CHECK(false);
    }
}

/* ---- dates ---- */

TEST(http_fields, dates)
{
    static const struct {
        uint64_t unix_s;
        const char *text;
    } dates[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868799, "Tue, 29 Feb 2000 23:59:59 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    char buf[LEAT_HTTP_DATE_LEN];
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        uint64_t back = 1;
        check_str(leat_http_date(dates[i].unix_s, buf), dates[i].text);
        CHECK_EQ(leat_http_date_parse(STR(dates[i].text), &back), 0);
        CHECK_EQ(back, dates[i].unix_s);
    }
    check_str(leat_http_date(UINT64_MAX, buf), "Fri, 31 Dec 9999 23:59:59 GMT");
    for (uint64_t time = 0; time < 20000000000u; time += 12345677) {
        uint64_t back = 1;
        CHECK_EQ(leat_http_date_parse(leat_http_date(time, buf), &back), 0);
        CHECK_EQ(back, time);
    }
}

TEST(http_fields, dates_that_are_none)
{
    static const char *const bad[] = {
        "",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 06 Nov 1994 08:49:37 GMT", /* it was a Sunday */
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Thu, 30 Feb 1995 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
    };
    uint64_t time = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(leat_http_date_parse(STR(bad[i]), &time), -EINVAL);
    }
    CHECK_EQ(time, 7);
    CHECK_EQ(leat_http_date_parse(STR("Sat, 31 Dec 2016 23:59:60 GMT"), &time),
             0); /* a leap second */
}

/* ---- ranges ---- */

TEST(http_fields, ranges)
{
    static const struct {
        const char *value;
        uint64_t size;
        enum leat_http_range_kind kind;
        uint64_t first, len;
    } ranges[] = {
        {"bytes=0-0", 10, LEAT_HTTP_RANGE_PART, 0, 1},
        {"bytes=0-9", 10, LEAT_HTTP_RANGE_PART, 0, 10},
        {"BYTES=2-", 10, LEAT_HTTP_RANGE_PART, 2, 8},
        {"bytes=9-100", 10, LEAT_HTTP_RANGE_PART, 9, 1},
        {"bytes=-3", 10, LEAT_HTTP_RANGE_PART, 7, 3},
        {"bytes=-30", 10, LEAT_HTTP_RANGE_PART, 0, 10},
        {"bytes=0-18446744073709551615", 10, LEAT_HTTP_RANGE_PART, 0, 10},
        {"bytes=5-", UINT64_MAX, LEAT_HTTP_RANGE_PART, 5, UINT64_MAX - 5},
        {"bytes=10-", 10, LEAT_HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=10-20", 10, LEAT_HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 10, LEAT_HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, LEAT_HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, LEAT_HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=-", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=1", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=3-2", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=0-1,3-4", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=a-b", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=+1-2", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=1--2", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=--1", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"bytes=18446744073709551616-", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
        {"items=0-1", 10, LEAT_HTTP_RANGE_WHOLE, 0, 0},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct leat_http_range range = {0, 0};
        CHECK_EQ(leat_http_range_parse(STR(ranges[i].value), ranges[i].size, &range),
                 ranges[i].kind);
        CHECK_EQ(range.first, ranges[i].first);
        CHECK_EQ(range.len, ranges[i].len);
    }
}

TEST(http_fields, content_range)
{
    char text[64];
    struct leat_http_out out = {text, sizeof(text), 0};
    const struct leat_http_range range = {2, 8};
    CHECK_EQ(leat_http_content_range(&out, &range, 10), 0);
    check_str((leat_http_str){text, out.len}, "bytes 2-9/10");
    out.len = 0;
    CHECK_EQ(leat_http_content_range(&out, NULL, 10), 0);
    check_str((leat_http_str){text, out.len}, "bytes */10");
    out.cap = out.len = 3;
    CHECK_EQ(leat_http_content_range(&out, &range, 10), -ENOSPC);
    CHECK_EQ(out.len, 3);
}

/* ---- validators ---- */

TEST(http_fields, etags)
{
    const leat_http_str etag = STR("\"b\""), weak = STR("W/\"b\"");
    CHECK(leat_http_etag_match(STR("\"b\""), etag, false));
    CHECK(leat_http_etag_match(STR("\"a\", \"b\""), etag, false));
    CHECK(leat_http_etag_match(STR("\"a,\" ,, \"b\" ,"), etag, false));
    CHECK(leat_http_etag_match(STR(" * "), etag, false));
    CHECK(leat_http_etag_match(STR("W/\"b\""), etag, true));
    CHECK(leat_http_etag_match(STR("\"b\""), weak, true));
    CHECK(!leat_http_etag_match(STR("W/\"b\""), etag, false));
    CHECK(!leat_http_etag_match(STR("\"b\""), weak, false));
    CHECK(!leat_http_etag_match(STR("W/\"b\""), weak, false)); /* RFC 9110, 8.8.3.2 */
    CHECK(!leat_http_etag_match(STR("\"B\""), etag, true));
    CHECK(!leat_http_etag_match(STR(""), etag, true));
    CHECK(!leat_http_etag_match(STR("b"), etag, true));
    CHECK(!leat_http_etag_match(STR("\"b"), etag, true));
    CHECK(!leat_http_etag_match(STR("\"a\"\"b\""), etag, true)); /* no comma */
    CHECK(!leat_http_etag_match(STR("\"a b\", \"b\""), etag, true));
    CHECK(!leat_http_etag_match(STR("w/\"b\""), etag, true));
    CHECK(!leat_http_etag_match(STR("*"), STR(""), true)); /* there is nothing to match */
    CHECK(!leat_http_etag_match(STR("\"b\""), STR("b"), true));
}

TEST(http_fields, if_range)
{
    const leat_http_str etag = STR("\"b\""), date = STR("Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(leat_http_if_range_match(etag, etag, date));
    CHECK(leat_http_if_range_match(date, etag, date));
    CHECK(!leat_http_if_range_match(STR("W/\"b\""), etag, date));
    CHECK(!leat_http_if_range_match(STR("\"b\""), STR("W/\"b\""), date));
    CHECK(!leat_http_if_range_match(STR("\"a\""), etag, date));
    CHECK(!leat_http_if_range_match(STR("Sun, 06 Nov 1994 08:49:38 GMT"), etag, date));
    CHECK(!leat_http_if_range_match(STR(""), etag, STR("")));
    CHECK(!leat_http_if_range_match(STR("\"b\", \"c\""), etag, date));
}

/* ---- media types ---- */

TEST(http_fields, media)
{
    CHECK_STR(leat_http_mime_of(STR("/a/b.HTML")), "text/html; charset=utf-8");
    CHECK_STR(leat_http_mime_of(STR("app.min.js")), "text/javascript; charset=utf-8");
    CHECK_STR(leat_http_mime_of(STR("/a.css/b")), "application/octet-stream");
    CHECK_STR(leat_http_mime_of(STR("html")), "application/octet-stream");
    CHECK_STR(leat_http_mime_of(STR("a.")), "application/octet-stream");
    CHECK_STR(leat_http_mime_of(STR("")), "application/octet-stream");
    CHECK(leat_http_media_is(STR("Application/SDP ; charset=x"), "application/sdp"));
    CHECK(leat_http_media_is(STR("application/sdp"), "application/sdp"));
    CHECK(!leat_http_media_is(STR("application/sdpx"), "application/sdp"));
    CHECK(!leat_http_media_is(STR(""), "application/sdp"));
}

TEST(http_fields, accept)
{
    static const struct {
        const char *value;
        unsigned quality;
    } accepts[] = {
        {"", 1000},
        {"application/sdp", 1000},
        {"APPLICATION/sdp;q=0.5", 500},
        {"*/*", 1000},
        {"application/*;q=0.123", 123},
        {"text/html", 0},
        {"text/*", 0},
        {"*/*;q=0.1, application/sdp;q=0.7", 700},
        {"application/sdp;q=0, */*", 0},
        {"application/*;q=0.3, */*;q=0.9", 300},
        {"application/sdp;level=1;Q=0.25", 250},
        {"application/sdp;q=1.000", 1000},
        {"application/sdp;q=0", 0},
        {"application/sdp;q=2", 1000},
        {"application/sdp;q=x", 1000},
        {"application", 0},
        {"application/", 0},
        {",,", 0},
    };
    for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
        CHECK_EQ(leat_http_accept_quality(STR(accepts[i].value), "application/sdp"),
                 accepts[i].quality);
    }
}

/* ---- others ---- */

TEST(http_fields, bearer)
{
    leat_http_str token = {NULL, 0};
    CHECK(leat_http_bearer(STR("Bearer abc.DEF-_~+/09=="), &token));
    check_str(token, "abc.DEF-_~+/09==");
    CHECK(leat_http_bearer(STR("bEARER   x"), &token));
    check_str(token, "x");
    static const char *const bad[] = {"",           "Bearer",    "Bearer ",     "Bearer  ",
                                      "Bearerx",    "Basic abc", "Bearer =",    "Bearer a b",
                                      "Bearer a=b", "Bearer a,", "Bearer \"a\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!leat_http_bearer(STR(bad[i]), &token));
    }
    check_str(token, "x");
}

TEST(http_fields, links)
{
    char text[256];
    struct leat_http_out out = {text, sizeof(text), 0};
    const struct leat_http_header params[] = {{STR("username"), STR("u\"s\\er")},
                                              {STR("credential-type"), STR("password")}};
    CHECK_EQ(leat_http_link(&out, STR("stun:a.example"), STR("ice-server"), NULL, 0), 0);
    CHECK_EQ(leat_http_link(&out, STR("turn:b?transport=udp"), STR("ice-server"), params, 2), 0);
    check_str((leat_http_str){text, out.len},
              "<stun:a.example>; rel=\"ice-server\", <turn:b?transport=udp>; rel=\"ice-server\"; "
              "username=\"u\\\"s\\\\er\"; credential-type=\"password\"");
    const size_t before = out.len;
    static const char *const bad[] = {"", "a>b", "<a", "a b", "a\r\nb", "a\x01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(leat_http_link(&out, STR(bad[i]), STR("x"), NULL, 0), -EINVAL);
    }
    CHECK_EQ(leat_http_link(&out, STR("a"), STR("x\n"), NULL, 0), -EINVAL);
    const struct leat_http_header broken = {STR("a b"), STR("c")};
    CHECK_EQ(leat_http_link(&out, STR("a"), STR("x"), &broken, 1), -EINVAL);
    out.cap = before + 10;
    CHECK_EQ(leat_http_link(&out, STR("a"), STR("x"), params, 2), -ENOSPC);
    CHECK_EQ(out.len, before);
}

TEST(http_fields, json)
{
    char text[256];
    struct leat_http_out out = {text, sizeof(text), 0};
    CHECK_EQ(leat_http_json_string(&out, STR("a\"b\\c\n\x01\x7f\xc3\xa9\xff\xe2\x82\xed\xa0\x80/")),
             0);
    check_str(
        (leat_http_str){text, out.len},
        "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd/\"");
    out.len = 0;
    const struct leat_http_problem problem = {.status = 404,
                                              .type = STR("https://example.org/no-stream"),
                                              .title = STR("No \"stream\""),
                                              .detail = STR("line\r\nbreak"),
                                              .instance = STR("/whip/x")};
    CHECK_EQ(leat_http_problem_write(&out, &problem), 0);
    check_str((leat_http_str){text, out.len},
              "{\"status\":404,\"type\":\"https://example.org/no-stream\",\"title\":\"No "
              "\\\"stream\\\"\","
              "\"detail\":\"line\\u000d\\u000abreak\",\"instance\":\"/whip/x\"}");
    for (size_t cap = 0; cap < out.len; cap++) {
        struct leat_http_out small = {text, cap, 0};
        CHECK_EQ(leat_http_problem_write(&small, &problem), -ENOSPC);
        CHECK_EQ(small.len, 0);
    }
}

static void check_sse(const struct leat_http_sse *event, const char *expected)
{
    char text[256];
    struct leat_http_out out = {text, sizeof(text), 0};
    CHECK_EQ(leat_http_sse_write(&out, event), 0);
    check_str((leat_http_str){text, out.len}, expected);
}

TEST(http_fields, sse)
{
    check_sse(&(struct leat_http_sse){.data = STR("x")}, "data: x\n\n");
    check_sse(
        &(struct leat_http_sse){
            .event = STR("e"), .id = STR("7"), .retry_ms = 100, .data = STR("x")},
        "event: e\nid: 7\nretry: 100\ndata: x\n\n");
    check_sse(&(struct leat_http_sse){.data = STR("a\nb\r\nc\rd\n\nid: 1")},
              "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: id: 1\n\n");
    check_sse(&(struct leat_http_sse){.data = STR("a\n")}, "data: a\ndata: \n\n");
    check_sse(&(struct leat_http_sse){.data = STR("\r\n")}, "data: \ndata: \n\n");
    char text[64];
    struct leat_http_out out = {text, sizeof(text), 0};
    CHECK_EQ(leat_http_sse_write(&out, &(struct leat_http_sse){.event = STR("a\nb")}), -EINVAL);
    CHECK_EQ(leat_http_sse_write(&out, &(struct leat_http_sse){.id = STR("a\rb")}), -EINVAL);
    CHECK_EQ(leat_http_sse_write(&out, &(struct leat_http_sse){.id = {"a\0b", 3}}), -EINVAL);
    CHECK_EQ(leat_http_sse_comment(&out, STR("a\nb")), -EINVAL);
    CHECK_EQ(leat_http_sse_comment(&out, STR("keep")), 0);
    check_str((leat_http_str){text, out.len}, ": keep\n\n");
    struct leat_http_out small = {text, 5, 0};
    CHECK_EQ(leat_http_sse_write(&small, &(struct leat_http_sse){.data = STR("x")}), -ENOSPC);
    CHECK_EQ(small.len, 0);
}

/* ---- messages' small parts ---- */

TEST(http_fields, lists)
{
    leat_http_str list = STR(" a , \"b,\\\",c\" ,, d"), element;
    static const char *const expected[] = {"a", "\"b,\\\",c\"", "d"};
    for (size_t i = 0; i < 3; i++) {
        REQUIRE(leat_http_list_next(&list, &element));
        check_str(element, expected[i]);
    }
    CHECK(!leat_http_list_next(&list, &element));
    list = STR("\"open, a");
    CHECK(leat_http_list_next(&list, &element));
    check_str(element, "\"open, a");
    list = (leat_http_str){NULL, 0};
    CHECK(!leat_http_list_next(&list, &element));
}

TEST(http_fields, methods_and_reasons)
{
    for (unsigned i = LEAT_HTTP_GET; i < LEAT_HTTP_METHOD_COUNT; i++) {
        const enum leat_http_method method = (enum leat_http_method)i;
        CHECK_EQ(leat_http_method_of(STR(leat_http_method_text(method))), method);
    }
    CHECK_EQ(leat_http_method_of(STR("get")), LEAT_HTTP_OTHER);
    CHECK_EQ(leat_http_method_of(STR("")), LEAT_HTTP_OTHER);
    CHECK_STR(leat_http_method_text(LEAT_HTTP_OTHER), "");
    CHECK_STR(leat_http_reason(404), "Not Found");
    CHECK_STR(leat_http_reason(299), "");
}

TEST(http_fields, strings)
{
    CHECK(leat_http_str_equal(STR("aB"), "aB") && !leat_http_str_equal(STR("aB"), "ab"));
    CHECK(leat_http_str_equal_nocase(STR("aB[1"), "Ab[1") &&
          !leat_http_str_equal_nocase(STR("["), "{"));
    CHECK(leat_http_str_equal(STR(NULL), ""));
    char bytes[2];
    struct leat_http_out out = {bytes, 2, 0};
    CHECK_EQ(leat_http_out_add(&out, STR("abc")), -ENOSPC);
    CHECK_EQ(leat_http_out_add(&out, STR("ab")), 0);
    CHECK_EQ(leat_http_out_add(&out, STR("")), 0);
    CHECK_EQ(out.len, 2);
}

/* ---- the chunked coding by itself; the server's tests have what it refuses ---- */

TEST(http_fields, chunked)
{
    char bytes[64];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    CHECK_EQ(leat_http_chunk_write(&out, STR("hello")), 0);
    CHECK_EQ(leat_http_chunk_write(&out, STR("")), 0);
    CHECK_EQ(leat_http_chunk_end(&out), 0);
    check_str((leat_http_str){bytes, out.len}, "5\r\nhello\r\n0\r\n\r\n");

    struct leat_http_chunked chunked;
    size_t used = 0;
    leat_http_str data = {NULL, 0};
    leat_http_chunked_init(&chunked, 5, 0);
    CHECK_EQ(leat_http_chunked_decode(&chunked, (leat_http_str){bytes, out.len}, &used, &data), 0);
    CHECK_EQ(used, 8);
    CHECK(data.data == bytes + 3 && data.len == 5); /* by reference */
    CHECK_EQ(
        leat_http_chunked_decode(&chunked, (leat_http_str){bytes + 8, out.len - 8}, &used, &data),
        1);
    CHECK_EQ(used, 7);
    CHECK_EQ(data.len, 0);

    leat_http_chunked_init(&chunked, 4, 0);
    CHECK_EQ(leat_http_chunked_decode(&chunked, STR("5\r\n"), &used, &data), -EFBIG);
    leat_http_chunked_init(&chunked, 4, 0);
    CHECK_EQ(leat_http_chunked_decode(&chunked, STR("0\r\nA"), &used, &data), -EMSGSIZE);
    leat_http_chunked_init(&chunked, 4, 0);
    CHECK_EQ(leat_http_chunked_decode(&chunked, STR("x"), &used, &data), -EINVAL);
    struct leat_http_out small = {bytes, 9, 0};
    CHECK_EQ(leat_http_chunk_write(&small, STR("hello")), -ENOSPC);
    CHECK_EQ(small.len, 0);
}
