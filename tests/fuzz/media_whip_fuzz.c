/* Requests to WHIP and WHEP: whatever the bytes of a request, the rules only say what these are,
 * and what they let through is what they promise. The input is a request as it comes over a
 * connection. */
#include <leat/httpd.h>
#include <stdlib.h>

#include "../services/media/whip.h"

#define ENSURE_THAT(expr)                                                                          \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static bool is_name(leat_http_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return name.len >= 1 && name.len <= LEAT_MEDIA_STREAM_MAX;
}

static void look_at_path(leat_http_str path)
{
    struct whip_target target;
    if (whip_target_of(path, &target) != 0) {
        return;
    }
    ENSURE_THAT(path.len > 0 && path.data[0] == '/');
    ENSURE_THAT(target.stream.len == 0 || is_name(target.stream));
    ENSURE_THAT(target.session.len == 0 ||
                (target.session.len == WHIP_ID_LEN && target.stream.len > 0));
}

static void look_at_head(const struct leat_http_head *head)
{
    static const char *const origins[] = {"https://example.org", "http://a:1"};
    leat_http_str value;
    if (whip_token_of(head, &value) == WHIP_TOKEN_BEARER) {
        ENSURE_THAT(value.len > 0);
        for (size_t i = 0; i < value.len; i++) {
            ENSURE_THAT(value.data[i] > ' ' && value.data[i] < 0x7f && value.data[i] != '"');
        }
    }
    value = whip_allowed_origin(head, origins, 2);
    ENSURE_THAT(value.len == 0 || whip_origin_is_loopback(value) ||
                leat_http_str_equal(value, origins[0]) || leat_http_str_equal(value, origins[1]));
    for (size_t i = 0; i < value.len; i++) { /* it goes into an answer */
        ENSURE_THAT(value.data[i] > ' ' && value.data[i] < 0x7f);
    }
    const enum whip_match match = whip_match_of(head, leat_http_str_of("\"0123456789abcdef\""));
    const bool has_match = leat_http_head_find(head, "If-Match", &value);
    ENSURE_THAT(has_match == (match != WHIP_MATCH_MISSING));
}

static void look_at_body(const struct leat_http_request *http, leat_http_str rest)
{
    struct leat_httpd_request request = {.http = *http};
    if (rest.len > 0 && leat_buf_alloc((uint32_t)rest.len, &request.body) == 0) {
        memcpy(leat_slice_data(request.body), rest.data, rest.len);
    }
    const unsigned status = whip_body_status(&request, WHIP_SDP);
    ENSURE_THAT(status == 0 || status == 400 || status == 413 || status == 415);
    ENSURE_THAT(status != 0 || rest.len > 0);
    leat_buf_unref(request.body.buf);
}

/* What the head makes of it is fit to be sent. */
static void look_at_answer(const struct leat_http_request *http)
{
    struct whip_headers headers = {.count = 0};
    struct whip_target target;
    if (whip_target_of(http->path, &target) != 0) {
        return;
    }
    whip_cors(&headers, whip_allowed_origin(&http->head, NULL, 0));
    if (whip_is_preflight(http)) {
        whip_preflight(&headers, &target);
    }
    ENSURE_THAT(headers.count >= 1 && headers.count <= WHIP_HEADERS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_http_config config;
    struct leat_http_event event;
    leat_http_server *server;
    leat_http_str rest = {(const char *)data, size};
    leat_http_config_default(&config);
    (void)whip_host_is_loopback(rest);
    (void)whip_origin_is_loopback(rest);
    look_at_path(rest);
    if (leat_http_server_open(&config, 0, &server) != 0) {
        return 0;
    }
    const size_t used = leat_http_server_read(server, 0, rest, &event);
    rest.data += used;
    rest.len -= used;
    if (event.kind == LEAT_HTTP_REQUEST) {
        look_at_path(event.u.request.path);
        look_at_head(&event.u.request.head);
        look_at_body(&event.u.request, rest);
        look_at_answer(&event.u.request);
        (void)whip_host_is_loopback(event.u.request.host);
    }
    leat_http_server_close(server);
    return 0;
}
