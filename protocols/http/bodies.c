/* Bodies made from text: JSON strings, problem documents (RFC 9457), server-sent events (the HTML
 * standard, 9.2). What the text holds cannot break out of its place. */
#include <errno.h>

#include <leat/http_fields.h>

#include "text.h"

/* ---- JSON ---- */

/* The character that text starts with, `len` bytes; 0: no UTF-8. */
static int add_character(struct leat_http_out *out, leat_http_str text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char c = (unsigned char)text.data[0];
    if (len == 0) {
        return leat__http_add(out, "\\ufffd");
    }
    if (c == '"' || c == '\\') {
        const char escaped[2] = {'\\', (char)c};
        return leat_http_out_add(out, str(escaped, 2));
    }
    if (c < 0x20 || c == 0x7f) {
        const char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        return leat_http_out_add(out, str(escaped, 6));
    }
    return leat_http_out_add(out, str(text.data, len));
}

int leat_http_json_string(struct leat_http_out *out, leat_http_str text)
{
    const size_t mark = out->len;
    int status = leat__http_add(out, "\"");
    while (status == 0 && text.len) {
        const size_t len = leat__http_utf8_len(text);
        status = add_character(out, text, len);
        text = str_skip(text, len ? len : 1);
    }
    status = status ? status : leat__http_add(out, "\"");
    out->len = status ? mark : out->len;
    return status;
}

/* ,"name":"value" unless the value is empty. */
static int add_member(struct leat_http_out *out, const char *name, leat_http_str value)
{
    if (value.len == 0) {
        return 0;
    }
    if (leat__http_add(out, ",\"") || leat__http_add(out, name) || leat__http_add(out, "\":")) {
        return -ENOSPC;
    }
    return leat_http_json_string(out, value);
}

int leat_http_problem_write(struct leat_http_out *out, const struct leat_http_problem *problem)
{
    const size_t mark = out->len;
    const leat_http_str title =
        problem->title.len ? problem->title : leat_http_str_of(leat_http_reason(problem->status));
    int status = leat__http_add(out, "{\"status\":");
    status = status ? status : leat__http_add_decimal(out, problem->status);
    status = status ? status : add_member(out, "type", problem->type);
    status = status ? status : add_member(out, "title", title);
    status = status ? status : add_member(out, "detail", problem->detail);
    status = status ? status : add_member(out, "instance", problem->instance);
    status = status ? status : leat__http_add(out, "}");
    out->len = status ? mark : out->len;
    return status;
}

/* ---- server-sent events ---- */

/* Up to the first CR, LF or CRLF; *ret_next is where the following line starts, or text.len + 1 when there
 * is no break, so that a break at the very end makes an empty last line. */
static leat_http_str first_line(leat_http_str text, size_t *ret_next)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '\r' && text.data[len] != '\n') {
        len++;
    }
    const bool pair = len + 1 < text.len && text.data[len] == '\r' && text.data[len + 1] == '\n';
    *ret_next = len + (pair ? 2 : 1);
    return str(text.data, len);
}

static bool is_one_line(leat_http_str text)
{
    return str_find(text, '\r') == text.len && str_find(text, '\n') == text.len;
}

static int add_line(struct leat_http_out *out, const char *name, leat_http_str value)
{
    if (leat__http_add(out, name) || leat_http_out_add(out, value) || leat__http_add(out, "\n")) {
        return -ENOSPC;
    }
    return 0;
}

static int add_data(struct leat_http_out *out, leat_http_str data)
{
    size_t next = 0;
    int status = 0;
    while (status == 0) {
        status = add_line(out, "data: ", first_line(data, &next));
        if (next > data.len) {
            break;
        }
        data = str_skip(data, next);
    }
    return status;
}

int leat_http_sse_write(struct leat_http_out *out, const struct leat_http_sse *event)
{
    const size_t mark = out->len;
    if (!is_one_line(event->event) || !is_one_line(event->id) ||
        str_find(event->id, '\0') < event->id.len) {
        return -EINVAL;
    }
    int status = event->event.len ? add_line(out, "event: ", event->event) : 0;
    if (status == 0 && event->id.len) {
        status = add_line(out, "id: ", event->id);
    }
    if (status == 0 && event->retry_ms) {
        status = leat__http_add(out, "retry: ");
        status = status ? status : leat__http_add_decimal(out, event->retry_ms);
        status = status ? status : leat__http_add(out, "\n");
    }
    if (status == 0 && event->data.len) {
        status = add_data(out, event->data);
    }
    status = status ? status : leat__http_add(out, "\n");
    out->len = status ? mark : out->len;
    return status;
}

int leat_http_sse_comment(struct leat_http_out *out, leat_http_str text)
{
    const size_t mark = out->len;
    if (!is_one_line(text)) {
        return -EINVAL;
    }
    int status = add_line(out, ": ", text);
    status = status ? status : leat__http_add(out, "\n");
    out->len = status ? mark : out->len;
    return status;
}
