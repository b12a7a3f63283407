/* A request in one buffer: the struct, then what its strings point to, with the pointers moved. */
#include "session.h"

#include <errno.h>

struct move {
    const char *from;
    size_t len;
    char *to;
};

/* What does not lie in the head is static, or empty. */
static leat_http_str moved(const struct move *move, leat_http_str str)
{
    const uintptr_t at = (uintptr_t)str.data, from = (uintptr_t)move->from;
    if (at >= from && at < from + move->len) {
        str.data = move->to + (at - from);
    }
    return str;
}

int request_copy(const struct leat_httpd_request *request, leat_slice *ret)
{
    const struct leat_http_head *head = &request->http.head;
    const size_t params_len = request->param_count * sizeof(*request->params);
    const size_t fields_len = head->field_count * sizeof(*head->fields);
    const size_t len = sizeof(*request) + params_len + fields_len + head->len;
    leat_slice slice;
    if (leat_buf_alloc((uint32_t)len, &slice) < 0) {
        return -ENOMEM;
    }
    struct leat_httpd_request *copy = request_of(slice);
    struct leat_http_param *params = (struct leat_http_param *)(void *)(copy + 1);
    char *fields = (char *)params + params_len;
    char *bytes = fields + fields_len;
    const struct move move = {.from = head->bytes, .len = head->len, .to = bytes};
    *copy = *request;
    memcpy(bytes, head->bytes, head->len);
    if (fields_len > 0) {
        memcpy(fields, head->fields, fields_len);
    }
    for (uint32_t i = 0; i < request->param_count; i++) {
        params[i].name = request->params[i].name; /* of the pattern */
        params[i].value = moved(&move, request->params[i].value);
    }
    copy->params = params;
    copy->http.head.bytes = bytes;
    copy->http.head.fields = (const struct leat_http_field *)(const void *)fields;
    copy->http.method_text = moved(&move, request->http.method_text);
    copy->http.target = moved(&move, request->http.target);
    copy->http.path = moved(&move, request->http.path);
    copy->http.query = moved(&move, request->http.query);
    copy->http.host = moved(&move, request->http.host);
    *ret = slice;
    return 0;
}
