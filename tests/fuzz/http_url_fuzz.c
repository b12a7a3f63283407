/* URLs, paths, and the values of fields. Properties: a cleaned path never leaves its root and cleans to
 * itself; a decoded text holds no NUL and is no longer; a range lies in its file; what is written into JSON,
 * an event or a link cannot break out of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <leat/http.h>

#include "fuzz.h"

#define CAP 4096u

/* No segment is "." or "..", none but the last is empty, and no byte is dangerous. */
static void require_clean(leat_http_str path, unsigned flags)
{
    REQUIRE(path.len > 0 && path.data[0] == '/');
    size_t start = 1;
    for (size_t i = 1; i <= path.len; i++) {
        if (i < path.len && path.data[i] != '/') {
            const unsigned char c = (unsigned char)path.data[i];
            REQUIRE(c >= 0x20 && c != 0x7f && c != '\\');
            continue;
        }
        const leat_http_str segment = {path.data + start, i - start};
        REQUIRE(segment.len > 0 || i == path.len);
        REQUIRE(!leat_http_str_equal(segment, ".") && !leat_http_str_equal(segment, ".."));
        REQUIRE(segment.len == 0 || segment.data[0] != '.' || (flags & LEAT_HTTP_PATH_HIDDEN));
        start = i + 1;
    }
}

/* As a request would carry it: every byte but '/' escaped. */
static size_t escape(leat_http_str path, char *buf)
{
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] == '/') {
            buf[len++] = '/';
        } else {
            len += (size_t)sprintf(buf + len, "%%%02X", (unsigned char)path.data[i]);
        }
    }
    return len;
}

static void try_path(leat_http_str text, unsigned flags)
{
    static char buf[CAP], again[CAP], escaped[3 * CAP + 1];
    leat_http_str clean, second, file;
    const int status = leat_http_path_clean(text, flags, buf, sizeof(buf), &clean);
    REQUIRE(status == 0 || status == -EINVAL || status == -ENOSPC);
    if (status == 0) {
        require_clean(clean, flags);
        const size_t len = escape(clean, escaped);
        REQUIRE(leat_http_path_clean((leat_http_str){escaped, len}, flags, again, sizeof(again),
                                     &second) == 0);
        REQUIRE(second.len == clean.len && memcmp(second.data, clean.data, clean.len) == 0);
    }
    if (leat_http_path_under(leat_http_str_of("/srv/www/"), text, flags, again, sizeof(again),
                             &file) == 0) {
        REQUIRE(status == 0 && file.len == clean.len + 8 && file.data[file.len] == '\0');
        REQUIRE(memcmp(file.data, "/srv/www", 8) == 0);
        REQUIRE(memcmp(file.data + 8, clean.data, clean.len) == 0);
    }
    char small[9]; /* too little room is an error, never an overflow */
    (void)leat_http_path_under(leat_http_str_of("/r"), text, flags, small, sizeof(small), &file);
}

static void try_url(leat_http_str text)
{
    static char buf[CAP];
    struct leat_http_url url;
    leat_http_str name, value, plain, query = text;
    if (leat_http_url_parse(text, &url) == 0) {
        REQUIRE(leat_http_host_is_valid(url.authority) && url.host.len > 0 && url.port > 0);
        REQUIRE(url.target.len == 0 || url.target.data[0] == '/' || url.target.data[0] == '?');
        REQUIRE(url.authority.len + url.target.len < text.len);
    }
    while (leat_http_query_next(&query, &name, &value)) {
        if (leat_http_url_decode(value, true, buf, sizeof(buf), &plain) == 0 && plain.len) {
            REQUIRE(plain.len <= value.len && memchr(plain.data, '\0', plain.len) == NULL);
        }
    }
}

static void try_fields(leat_http_str text)
{
    static const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX};
    leat_http_str token, element, list = text;
    uint64_t time;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct leat_http_range range;
        if (leat_http_range_parse(text, sizes[i], &range) == LEAT_HTTP_RANGE_PART) {
            REQUIRE(range.len > 0 && range.len <= sizes[i] && range.first <= sizes[i] - range.len);
        }
    }
    (void)leat_http_etag_match(text, leat_http_str_of("\"a\""), true);
    (void)leat_http_if_range_match(text, leat_http_str_of("\"a\""), leat_http_str_of("x"));
    REQUIRE(leat_http_accept_quality(text, "application/sdp") <= 1000);
    (void)leat_http_media_is(text, "application/sdp");
    REQUIRE(leat_http_mime_of(text) != NULL);
    if (leat_http_bearer(text, &token)) {
        REQUIRE(token.len > 0 && token.data + token.len <= text.data + text.len);
    }
    while (leat_http_list_next(&list, &element)) {
        REQUIRE(element.len > 0);
    }
    if (leat_http_date_parse(text, &time) == 0) {
        char date[LEAT_HTTP_DATE_LEN];
        const leat_http_str again = leat_http_date(time, date);
        REQUIRE(memcmp(again.data, text.data, 23) == 0);
    }
}

static void try_writers(leat_http_str text)
{
    static char buf[8 * CAP];
    struct leat_http_out out = {buf, sizeof(buf), 0};
    if (leat_http_json_string(&out, text) == 0) {
        for (size_t i = 1; i + 1 < out.len; i++) {
            REQUIRE((unsigned char)buf[i] >= 0x20 && buf[i] != '"');
            i += buf[i] == '\\';
        }
    }
    out.len = 0;
    const struct leat_http_header param = {{"p", 1}, text};
    if (leat_http_link(&out, text, text, &param, 1) == 0) {
        REQUIRE(memchr(buf, '\n', out.len) == NULL && memchr(buf, '\r', out.len) == NULL);
    }
    out.len = 0;
    const struct leat_http_sse event = {.event = text, .data = text};
    if (leat_http_sse_write(&out, &event) == 0 && text.len) {
        size_t lines = 0;
        for (size_t i = 0; i < out.len; i++) {
            lines += buf[i] == '\n';
        }
        REQUIRE(lines == 3 &&
                buf[out.len - 1] == '\n'); /* event, one line of data, the empty line */
    }
}

static void try_router(leat_http_str text)
{
    static const struct leat_http_route routes[] = {
        {LEAT_HTTP_GET, "/", 1},
        {LEAT_HTTP_POST, "/whip/:stream", 2},
        {LEAT_HTTP_DELETE, "/whip/:stream/:session", 3},
        {LEAT_HTTP_GET, "/static/*file", 4},
    };
    struct leat_http_match match;
    leat_http_router_find(routes, 4, LEAT_HTTP_GET, text, &match);
    REQUIRE(match.status == 200 || match.status == 404 || match.status == 405);
    REQUIRE(match.param_count <= LEAT_HTTP_PARAM_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > CAP) {
        return 0;
    }
    const leat_http_str text = {(const char *)data + 1, size - 1};
    try_path(text, data[0] & 1 ? LEAT_HTTP_PATH_HIDDEN : 0);
    try_url(text);
    try_fields(text);
    try_writers(text);
    try_router(text);
    return 0;
}
