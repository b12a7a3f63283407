/* Methods, statuses, the fields of a parsed head, and the default limits. Pure. */
#include "text.h"

#define SECONDS(n) ((leat_time)(n)*LEAT_SEC)

static const char *const methods[LEAT_HTTP_METHOD_COUNT] = {
    [LEAT_HTTP_OTHER] = "",          [LEAT_HTTP_GET] = "GET",         [LEAT_HTTP_HEAD] = "HEAD",
    [LEAT_HTTP_POST] = "POST",       [LEAT_HTTP_PUT] = "PUT",         [LEAT_HTTP_PATCH] = "PATCH",
    [LEAT_HTTP_DELETE] = "DELETE",   [LEAT_HTTP_OPTIONS] = "OPTIONS", [LEAT_HTTP_TRACE] = "TRACE",
    [LEAT_HTTP_CONNECT] = "CONNECT",
};

enum leat_http_method leat_http_method_of(leat_http_str text)
{
    for (unsigned i = LEAT_HTTP_GET; i < LEAT_HTTP_METHOD_COUNT; i++) {
        if (leat_http_str_equal(text, methods[i])) {
            return (enum leat_http_method)i;
        }
    }
    return LEAT_HTTP_OTHER;
}

const char *leat_http_method_text(enum leat_http_method method)
{
    ENSURE((unsigned)method < LEAT_HTTP_METHOD_COUNT);
    return methods[method];
}

static const struct {
    uint16_t status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *leat_http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

void leat_http_config_default(struct leat_http_config *ret)
{
    *ret = (struct leat_http_config){
        .head_len_max = 16384,
        .field_count_max = 100,
        .target_len_max = 8000, /* what RFC 9112, 3 asks for at least */
        .trailer_len_max = 1024,
        .body_len_max = 65536,
        .body_rate_min = 1024,
        .request_count_max = 0,
        .header_ns = SECONDS(5),
        .body_ns = SECONDS(10),
        .idle_ns = SECONDS(30),
        .response_ns = SECONDS(30),
    };
}

/* ---- heads ---- */

leat_http_str leat_http_head_name(const struct leat_http_head *head, uint32_t at)
{
    ENSURE(at < head->field_count);
    const struct leat_http_field *const field = &head->fields[at];
    return str(head->bytes + field->name_at, field->name_len);
}

leat_http_str leat_http_head_value(const struct leat_http_head *head, uint32_t at)
{
    ENSURE(at < head->field_count);
    const struct leat_http_field *const field = &head->fields[at];
    return str(head->bytes + field->value_at, field->value_len);
}

bool leat_http_head_next(const struct leat_http_head *head, const char *name, uint32_t *at,
                         leat_http_str *ret)
{
    const leat_http_str wanted = leat_http_str_of(name);
    for (uint32_t i = *at; i < head->field_count; i++) {
        if (leat__http_str_same_nocase(leat_http_head_name(head, i), wanted)) {
            *ret = leat_http_head_value(head, i);
            *at = i + 1;
            return true;
        }
    }
    *at = head->field_count;
    return false;
}

bool leat_http_head_find(const struct leat_http_head *head, const char *name, leat_http_str *ret)
{
    uint32_t at = 0;
    return leat_http_head_next(head, name, &at, ret);
}
