/* The rules of WHIP and WHEP on requests, and the fields of answers. Nothing here keeps anything,
 * so that all of it can be tried with any bytes: tests/fuzz/media_whip_fuzz.c does. */
#include "whip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <leat/sdp.h>

/* ---- what a request is for ---- */

static bool is_word(leat_http_str text, const char *more)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        const bool is_letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && (c == '\0' || strchr(more, c) == NULL)) {
            return false;
        }
    }
    return text.len > 0;
}

bool whip_is_stream(leat_http_str name)
{
    return name.len <= LEAT_MEDIA_STREAM_MAX && is_word(name, "._-") &&
           !leat_http_str_equal(name, ".") && !leat_http_str_equal(name, "..") &&
           !leat_http_str_equal(name, "endpoint");
}

/* Takes a prefix off. */
static bool skip(leat_http_str *text, const char *prefix)
{
    const size_t len = strlen(prefix);
    if (text->len < len || memcmp(text->data, prefix, len) != 0) {
        return false;
    }
    text->data += len;
    text->len -= len;
    return true;
}

int whip_target_of(leat_http_str path, struct whip_target *ret)
{
    struct whip_target target = {.use = LEAT_MEDIA_PUBLISH};
    if (leat_http_str_equal(path, "/streams")) {
        *ret = (struct whip_target){.use = LEAT_MEDIA_LIST};
        return 0;
    }
    if (skip(&path, "/whep/")) {
        target.use = LEAT_MEDIA_VIEW;
    } else if (!skip(&path, "/whip/")) {
        return -ENOENT;
    }
    const char *slash = path.len > 0 ? memchr(path.data, '/', path.len) : NULL;
    target.stream = path;
    if (slash != NULL) {
        target.stream.len = (size_t)(slash - path.data);
        target.session = (leat_http_str){slash + 1, path.len - target.stream.len - 1};
        if (target.session.len != WHIP_ID_LEN || !is_word(target.session, "_-")) {
            return -ENOENT;
        }
    }
    if (slash == NULL && leat_http_str_equal(target.stream, "endpoint")) {
        target.stream.len = 0;
    } else if (!whip_is_stream(target.stream)) {
        return -ENOENT;
    }
    *ret = target;
    return 0;
}

/* ---- who asks ---- */

enum whip_token whip_token_of(const struct leat_http_head *head, leat_http_str *ret)
{
    leat_http_str value, more, token;
    uint32_t at = 0;
    if (!leat_http_head_next(head, "Authorization", &at, &value)) {
        return WHIP_TOKEN_NONE;
    }
    if (leat_http_head_next(head, "Authorization", &at, &more) ||
        !leat_http_bearer(value, &token)) {
        return WHIP_TOKEN_OTHER;
    }
    *ret = token;
    return WHIP_TOKEN_BEARER;
}

/* "", or ':' and digits. */
static bool is_port(leat_http_str text)
{
    if (text.len == 0) {
        return true;
    }
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.data[0] == ':' && text.len <= 6;
}

bool whip_host_is_loopback(leat_http_str host)
{
    char name[INET6_ADDRSTRLEN];
    struct in_addr v4;
    if (skip(&host, "[::1]")) {
        return is_port(host);
    }
    const char *colon = host.len > 0 ? memchr(host.data, ':', host.len) : NULL;
    if (colon != NULL) {
        const size_t len = (size_t)(colon - host.data);
        if (!is_port((leat_http_str){colon, host.len - len})) {
            return false;
        }
        host.len = len;
    }
    if (leat_http_str_equal_nocase(host, "localhost")) {
        return true;
    }
    if (host.len > strlen(".localhost") && is_word(host, ".-") && host.data[0] != '.') {
        const size_t len = strlen(".localhost");
        return leat_http_str_equal_nocase((leat_http_str){host.data + host.len - len, len},
                                          ".localhost");
    }
    if (host.len == 0 || host.len >= sizeof(name)) {
        return false;
    }
    memcpy(name, host.data, host.len);
    name[host.len] = '\0';
    return strlen(name) == host.len && inet_pton(AF_INET, name, &v4) == 1 &&
           ntohl(v4.s_addr) >> 24 == 127;
}

bool whip_origin_is_loopback(leat_http_str origin)
{
    return (skip(&origin, "http://") || skip(&origin, "https://")) && whip_host_is_loopback(origin);
}

leat_http_str whip_allowed_origin(const struct leat_http_head *head, const char *const *origins,
                                  uint32_t count)
{
    leat_http_str origin;
    if (!leat_http_head_find(head, "Origin", &origin) || origin.len == 0 ||
        origin.len > WHIP_ORIGIN_MAX) {
        return (leat_http_str){NULL, 0};
    }
    if (whip_origin_is_loopback(origin)) {
        return origin;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(origins[i], "*") == 0) {
            return leat_http_str_of("*");
        }
        if (leat_http_str_equal(origin, origins[i])) {
            return origin;
        }
    }
    return (leat_http_str){NULL, 0};
}

bool whip_is_preflight(const struct leat_http_request *request)
{
    leat_http_str value;
    return request->method == LEAT_HTTP_OPTIONS &&
           leat_http_head_find(&request->head, "Origin", &value) &&
           leat_http_head_find(&request->head, "Access-Control-Request-Method", &value);
}

/* ---- what it brings ---- */

unsigned whip_body_status(const struct leat_httpd_request *request, const char *type)
{
    leat_http_str value;
    if (!leat_http_head_find(&request->http.head, "Content-Type", &value) ||
        !leat_http_media_is(value, type)) {
        return 415;
    }
    if (request->body.buf == NULL || request->body.len == 0) {
        return 400;
    }
    return request->body.len > LEAT_SDP_LEN_MAX ? 413 : 0;
}

enum whip_match whip_match_of(const struct leat_http_head *head, leat_http_str etag)
{
    leat_http_str value;
    uint32_t at = 0;
    enum whip_match match = WHIP_MATCH_MISSING;
    while (leat_http_head_next(head, "If-Match", &at, &value)) {
        if (leat_http_str_equal(value, "*") || leat_http_str_equal(value, "\"*\"")) {
            return WHIP_MATCH_ANY;
        }
        if (leat_http_etag_match(value, etag, false)) {
            match = WHIP_MATCH_CURRENT;
        } else if (match == WHIP_MATCH_MISSING) {
            match = WHIP_MATCH_OTHER;
        }
    }
    return match;
}

/* ---- answers ---- */

void whip_header(struct whip_headers *headers, const char *name, leat_http_str value)
{
    if (headers->count < WHIP_HEADERS_MAX) {
        headers->list[headers->count++] = (struct leat_http_header){leat_http_str_of(name), value};
    }
}

void whip_cors(struct whip_headers *headers, leat_http_str origin)
{
    whip_header(headers, "Vary", leat_http_str_of("Origin"));
    if (origin.len > 0) {
        whip_header(headers, "Access-Control-Allow-Origin", origin);
        whip_header(headers, "Access-Control-Expose-Headers",
                    leat_http_str_of("Location, Link, ETag, Accept-Post, Accept-Patch, "
                                     "WWW-Authenticate, Retry-After"));
    }
}

void whip_preflight(struct whip_headers *headers, const struct whip_target *target)
{
    const char *methods = target->use == LEAT_MEDIA_LIST ? "GET, HEAD, OPTIONS"
                          : target->session.len > 0      ? "PATCH, DELETE, GET, HEAD, OPTIONS"
                                                         : "POST, GET, HEAD, OPTIONS";
    whip_header(headers, "Access-Control-Allow-Methods", leat_http_str_of(methods));
    whip_header(headers, "Access-Control-Allow-Headers",
                leat_http_str_of("Authorization, Content-Type, If-Match"));
    whip_header(headers, "Access-Control-Max-Age", leat_http_str_of("7200"));
}
