/* Start lines (RFC 9112, 3 and 4) and the fields that say how a message is framed (6). What is refused
 * here is what two parsers might read differently. */
#include "head.h"

/* "HTTP/1.x"; a higher minor version is spoken to as 1.1 (RFC 9110, 2.5). */
static bool take_version(struct head *head, leat_http_str text)
{
    if (text.len != 8 || memcmp(text.data, "HTTP/", 5) != 0 || !char_is_digit(text.data[5]) ||
        text.data[6] != '.' || !char_is_digit(text.data[7])) {
        return leat__http_head_fail(head, 400, "no HTTP version");
    }
    if (text.data[5] != '1') {
        return leat__http_head_fail(head, 505, "not HTTP/1");
    }
    head->version = text.data[7] == '0' ? 10 : 11;
    return true;
}

bool leat__http_request_line(struct head *head, leat_http_str line, uint32_t at)
{
    size_t method_len = 0;
    while (method_len < line.len && char_is(line.data[method_len], CHAR_TOKEN)) {
        method_len++;
    }
    if (method_len == 0 || method_len == line.len || line.data[method_len] != ' ') {
        return leat__http_head_fail(head, 400, "no method");
    }
    const leat_http_str rest = str_skip(line, method_len + 1);
    const size_t target_len = str_find(rest, ' ');
    if (target_len == 0 || target_len == rest.len) { /* the second is HTTP/0.9 */
        return leat__http_head_fail(head, 400, "no target or no version");
    }
    if (!take_version(head, str_skip(rest, target_len + 1))) {
        return false;
    }
    if (method_len > LEAT_HTTP_METHOD_LEN_MAX) {
        return leat__http_head_fail(head, 501, "method is too long");
    }
    if (target_len > head->config->target_len_max) {
        return leat__http_head_fail(head, 414, "target is too long");
    }
    if (!str_is_all(str(rest.data, target_len), CHAR_TARGET)) {
        return leat__http_head_fail(head, 400, "character that no target has");
    }
    head->method = (struct span){(uint16_t)at, (uint16_t)method_len};
    head->target = (struct span){(uint16_t)(at + method_len + 1), (uint16_t)target_len};
    return true;
}

bool leat__http_status_line(struct head *head, leat_http_str line, uint32_t at)
{
    /* "HTTP/1.1 200 " and perhaps a reason; the last blank is often forgotten, and harmless. */
    if (line.len < 12 || line.data[8] != ' ' || (line.len > 12 && line.data[12] != ' ')) {
        return leat__http_head_fail(head, 0, "no status line");
    }
    uint64_t status;
    if (!take_version(head, str(line.data, 8)) ||
        !leat__http_decimal(str(line.data + 9, 3), &status) || status < 100 || status > 599) {
        return leat__http_head_fail(head, 0, "no status");
    }
    const leat_http_str reason = str_skip(line, line.len > 12 ? 13 : 12);
    if (!leat__http_is_value(reason)) {
        return leat__http_head_fail(head, 0, "control character in the reason");
    }
    head->status = (uint16_t)status;
    head->reason = (struct span){(uint16_t)(at + (line.len - reason.len)), (uint16_t)reason.len};
    return true;
}

/* ---- fields ---- */

/* One field, decimal digits, no leading zero that somebody may take for octal. RFC 9112, 6.3 allows to
 * refuse a repeated one even when it says the same. */
static bool note_length(struct head *head, leat_http_str value)
{
    if (head->has_length) {
        return leat__http_head_fail(head, 400, "Content-Length more than once");
    }
    head->has_length = true;
    if (!leat__http_decimal(value, &head->length) || (value.len > 1 && value.data[0] == '0') ||
        head->length == LEAT_HTTP_LEN_UNKNOWN) {
        return leat__http_head_fail(head, 400, "Content-Length is not a number");
    }
    return true;
}

/* Exactly "chunked". A coding that is not known before it is 501 (RFC 9112, 6.1), all else 400. */
static bool note_coding(struct head *head, leat_http_str value)
{
    if (head->has_coding) {
        return leat__http_head_fail(head, 400, "Transfer-Encoding more than once");
    }
    head->has_coding = true;
    if (leat_http_str_equal_nocase(value, "chunked")) {
        return true;
    }
    bool other = false;
    while (true) {
        const size_t comma = str_find(value, ',');
        const leat_http_str coding = str_trim(str(value.data, comma));
        if (leat_http_str_equal_nocase(coding, "chunked")) {
            other = other && comma == value.len;
            break;
        }
        if (!str_is_token(coding) || comma == value.len) {
            other = false;
            break;
        }
        other = true;
        value = str_skip(value, comma + 1);
    }
    return other ? leat__http_head_fail(head, 501, "unknown transfer coding")
                 : leat__http_head_fail(head, 400,
                                        "chunked is not the last transfer coding, or not once");
}

static bool note_connection(struct head *head, leat_http_str value)
{
    leat_http_str option;
    while (leat_http_list_next(&value, &option)) {
        head->close |= leat_http_str_equal_nocase(option, "close");
        head->keep_alive |= leat_http_str_equal_nocase(option, "keep-alive");
    }
    return true;
}

static bool note_host(struct head *head)
{
    if (head->host && !head->is_response) {
        return leat__http_head_fail(head, 400, "Host more than once");
    }
    ENSURE(head->field_count > 0);
    head->host = head->field_count;
    return true;
}

static bool note_expect(struct head *head, leat_http_str value)
{
    const bool is_continue = leat_http_str_equal_nocase(value, "100-continue");
    head->expects_continue |= is_continue;
    head->expects_other |= !is_continue;
    return true;
}

bool leat__http_note_field(struct head *head, leat_http_str name, leat_http_str value)
{
    switch (name.len) {
    case 4:
        return !leat_http_str_equal_nocase(name, "Host") || note_host(head);
    case 6:
        return !leat_http_str_equal_nocase(name, "Expect") || note_expect(head, value);
    case 10:
        return !leat_http_str_equal_nocase(name, "Connection") || note_connection(head, value);
    case 14:
        return !leat_http_str_equal_nocase(name, "Content-Length") || note_length(head, value);
    case 17:
        return !leat_http_str_equal_nocase(name, "Transfer-Encoding") || note_coding(head, value);
    default:
        return true;
    }
}
