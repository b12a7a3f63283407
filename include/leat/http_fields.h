/* The values of fields that servers of files, of events and of WHIP need, and bodies built from text.
 * See leat/http.h for what holds throughout. Parsers return false or -EINVAL for what does not follow the
 * grammar. */
#ifndef LEAT_HTTP_FIELDS_H
#define LEAT_HTTP_FIELDS_H

#include <leat/http_message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- dates ---- */

#define LEAT_HTTP_DATE_LEN 29u

/* Seconds since 1970, UTC, up to the year 9999, as "Sun, 06 Nov 1994 08:49:37 GMT". */
LEAT_API leat_http_str leat_http_date(uint64_t unix_s, char buf[LEAT_HTTP_DATE_LEN]);

/* Reads that form and no other (RFC 9110, 5.6.7). -EINVAL. */
LEAT_API int leat_http_date_parse(leat_http_str text, uint64_t *ret_unix_s);

/* ---- ranges (RFC 9110, 14) ---- */

enum leat_http_range_kind {
    LEAT_HTTP_RANGE_WHOLE,        /* no range, several, or not understood: 200 with everything */
    LEAT_HTTP_RANGE_PART,         /* 206 with `len` bytes from `first` */
    LEAT_HTTP_RANGE_UNSATISFIABLE /* 416 */
};

struct leat_http_range {
    uint64_t first;
    uint64_t len;
};

/* What a Range field's value asks of `size` bytes. *ret is set for PART only. */
LEAT_API enum leat_http_range_kind leat_http_range_parse(leat_http_str value, uint64_t size,
                                                         struct leat_http_range *ret);

/* Writes a Content-Range value: "bytes 0-9/100"; when `range` is NULL, that of a 416, which has
 * a star in place of the range. */
LEAT_API int leat_http_content_range(struct leat_http_out *out, const struct leat_http_range *range,
                                     uint64_t size);

/* ---- validators (RFC 9110, 8.8 and 13) ---- */

/* Whether one of the entity tags of an If-Match or If-None-Match value is `etag`, which is written with
 * its quotes; "*" is any. If-None-Match compares weakly, If-Match does not. A list that does not follow the
 * grammar matches nothing from there on. */
LEAT_API bool leat_http_etag_match(leat_http_str list, leat_http_str etag, bool weak);

/* Whether an If-Range value is the current `etag` (strongly) or the current `last_modified` (as text):
 * only then a Range counts. Either may be empty. */
LEAT_API bool leat_http_if_range_match(leat_http_str value, leat_http_str etag,
                                       leat_http_str last_modified);

/* ---- media types ---- */

/* By the ending of a file's name; "application/octet-stream" for what is not known. Static storage. */
LEAT_API const char *leat_http_mime_of(leat_http_str path);

/* Whether a Content-Type's value is that type ("application/sdp"), whatever its parameters. */
LEAT_API bool leat_http_media_is(leat_http_str value, const char *type);

/* How much an Accept value likes a type, 0 (not at all) to 1000: the most specific range counts. An empty
 * value takes anything. */
LEAT_API unsigned leat_http_accept_quality(leat_http_str value, const char *type);

/* ---- others ---- */

/* The token of "Bearer <token>" (RFC 6750). False for any other value. */
LEAT_API bool leat_http_bearer(leat_http_str value, leat_http_str *ret_token);

/* Writes a link (RFC 8288): <uri>; rel="rel"; name="value"…, after a ", " if `out` already holds one: give
 * it an `out` of its own. -EINVAL: bytes that may stand neither in a URI nor in a quoted string. */
LEAT_API int leat_http_link(struct leat_http_out *out, leat_http_str uri, leat_http_str rel,
                            const struct leat_http_header *params, size_t param_count);

/* ---- bodies ---- */

/* Writes text as a JSON string with its quotes. What is not UTF-8 becomes U+FFFD. */
LEAT_API int leat_http_json_string(struct leat_http_out *out, leat_http_str text);

/* A problem document, application/problem+json (RFC 9457). Empty members are left out. */
struct leat_http_problem {
    unsigned      status;
    leat_http_str type;
    leat_http_str title; /* empty: the reason phrase of the status */
    leat_http_str detail;
    leat_http_str instance;
};

LEAT_API int leat_http_problem_write(struct leat_http_out *out, const struct leat_http_problem *problem);

/* A server-sent event (text/event-stream). Empty members are left out; data is split into lines as needed. */
struct leat_http_sse {
    leat_http_str event;
    leat_http_str id;
    leat_http_str data;
    uint32_t      retry_ms; /* 0: none */
};

/* -EINVAL: a line break in `event` or `id`, or a NUL in `id`. */
LEAT_API int leat_http_sse_write(struct leat_http_out *out, const struct leat_http_sse *event);

/* A comment line, which keeps a connection from looking dead. -EINVAL: it has a line break. */
LEAT_API int leat_http_sse_comment(struct leat_http_out *out, leat_http_str text);

#ifdef __cplusplus
}
#endif

#endif
