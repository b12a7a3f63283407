/* From a complete head to a request: the forms of a target (RFC 9112, 3.2), hosts, and what the framing
 * fields say together (6.3). */
#include "head.h"

#include <leat/http_url.h>

/* "http://host/path": the authority must be what Host says, or two parsers serve two hosts. */
static bool take_absolute(struct head *head, struct leat_http_request *request)
{
    struct leat_http_url url;
    if (leat_http_url_parse(request->target, &url)) {
        return leat__http_head_fail(head, 400, "target is neither a path nor a URL");
    }
    if (head->host && !leat__http_str_same_nocase(url.authority, request->host)) {
        return leat__http_head_fail(head, 400, "target and Host name two hosts");
    }
    request->host = url.authority;
    request->path = url.target;
    return true;
}

static bool take_target(struct head *head, struct leat_http_request *request)
{
    const leat_http_str target = request->target;
    ENSURE(target.len > 0);
    if (request->method == LEAT_HTTP_CONNECT) {
        return leat__http_head_fail(head, 501, "CONNECT");
    }
    if (target.data[0] == '/') {
        request->path = target;
    } else if (leat_http_str_equal(target, "*")) {
        if (request->method != LEAT_HTTP_OPTIONS) {
            return leat__http_head_fail(head, 400, "only OPTIONS may ask for *");
        }
        request->path = target;
        return true;
    } else if (!take_absolute(head, request)) {
        return false;
    }
    const size_t path_len = str_find(request->path, '?');
    if (path_len < request->path.len) {
        request->query = str_skip(request->path, path_len + 1);
        request->path.len = path_len;
    }
    if (request->path.len == 0) { /* of an absolute form only */
        request->path = leat_http_str_of("/");
    }
    return true;
}

static bool take_host(struct head *head, const struct leat_http_head *parsed,
                      struct leat_http_request *request)
{
    if (!head->host) {
        return head->version == 10 || leat__http_head_fail(head, 400, "no Host");
    }
    request->host = leat_http_head_value(parsed, head->host - 1);
    return leat_http_host_is_valid(request->host) ||
           leat__http_head_fail(head, 400, "Host is not a host");
}

static bool take_framing(struct head *head, struct leat_http_request *request)
{
    if (head->has_coding && head->version == 10) {
        return leat__http_head_fail(head, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (head->has_coding && head->has_length) {
        return leat__http_head_fail(head, 400, "both Content-Length and Transfer-Encoding");
    }
    request->body_len = head->has_coding ? LEAT_HTTP_LEN_UNKNOWN : head->length;
    if (head->has_length && head->length > head->config->body_len_max) {
        return leat__http_head_fail(head, 413, "body is too long");
    }
    if (head->version > 10 && head->expects_other) {
        return leat__http_head_fail(head, 417, "unknown expectation");
    }
    request->continues = head->version > 10 && head->expects_continue && request->body_len > 0;
    request->keep_alive = !head->close && (head->version > 10 || head->keep_alive);
    return true;
}

bool leat__http_head_check_request(struct head *head, const struct leat_http_head *parsed,
                                   struct leat_http_request *ret)
{
    ENSURE(head->error.why == NULL && !head->is_response);
    struct leat_http_request request = {
        .version = head->version,
        .method_text = str(parsed->bytes + head->method.at, head->method.len),
        .target = str(parsed->bytes + head->target.at, head->target.len),
        .head = *parsed,
    };
    request.method = leat_http_method_of(request.method_text);
    if (!take_host(head, parsed, &request) || !take_target(head, &request) ||
        !take_framing(head, &request)) {
        return false;
    }
    *ret = request;
    return true;
}
