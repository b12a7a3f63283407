/* The reader of heads: lines, limits, field lines (RFC 9112, 2.2 and 5). Strict: a line ends with CRLF and
 * with nothing else; nothing may stand between a field's name and its colon; no line is folded. */
#include "head.h"

#include <stddef.h>

/* Of a request line: a method, a target, "HTTP/1.1", two blanks, CRLF. */
#define REQUEST_LINE_EXTRA (LEAT_HTTP_METHOD_LEN_MAX + 2u + 8u + 2u)

void leat__http_head_reset(struct head *head)
{
    const size_t keep = offsetof(struct head, error);
    memset((char *)head + keep, 0, sizeof(*head) - keep);
}

bool leat__http_head_fail(struct head *head, unsigned status, const char *why)
{
    ENSURE(why != NULL);
    if (head->error.why == NULL) {
        head->error.status = (uint16_t)status;
        head->error.why = why;
    }
    return false;
}

static bool take_field(struct head *head, leat_http_str line, uint32_t at)
{
    const struct leat_http_config *const config = head->config;
    size_t name_len = 0;
    if (char_is_blank(line.data[0])) {
        return leat__http_head_fail(head, 400, "folded field line");
    }
    while (name_len < line.len && char_is(line.data[name_len], CHAR_TOKEN)) {
        name_len++;
    }
    if (name_len == 0 || name_len == line.len || line.data[name_len] != ':') {
        return leat__http_head_fail(head, 400, "field name is not a token before a colon");
    }
    if (head->field_count == config->field_count_max) {
        return leat__http_head_fail(head, 431, "too many fields");
    }
    const leat_http_str name = str(line.data, name_len);
    const leat_http_str value = str_trim(str_skip(line, name_len + 1));
    if (!leat__http_is_value(value)) {
        return leat__http_head_fail(head, 400, "control character in a field value");
    }
    head->fields[head->field_count++] = (struct leat_http_field){
        .name_at = (uint16_t)at,
        .name_len = (uint16_t)name_len,
        .value_at = (uint16_t)(at + (uint32_t)(value.data - line.data)),
        .value_len = (uint16_t)value.len,
    };
    return leat__http_note_field(head, name, value);
}

/* 1: this was the empty line that ends the head. */
static int take_line(struct head *head, leat_http_str line, uint32_t at)
{
    if (head->started) {
        if (line.len == 0) {
            return 1;
        }
        return take_field(head, line, at) ? 0 : -1;
    }
    if (line.len == 0 && !head->blank && !head->is_response) {
        head->blank = true; /* RFC 9112, 2.2: one empty line may come before a request */
        return 0;
    }
    head->started = true;
    const bool good = head->is_response ? leat__http_status_line(head, line, at)
                                        : leat__http_request_line(head, line, at);
    return good ? 0 : -1;
}

/* Where the current line must have ended. */
static uint32_t line_end_max(const struct head *head)
{
    const struct leat_http_config *const config = head->config;
    if (head->started || head->is_response ||
        config->target_len_max >= config->head_len_max - REQUEST_LINE_EXTRA - head->line_at) {
        return config->head_len_max;
    }
    return head->line_at + config->target_len_max + REQUEST_LINE_EXTRA;
}

/* Takes the complete lines among the `avail` bytes at `base`, the head's first. */
static int take_lines(struct head *head, const char *base, uint32_t avail)
{
    ENSURE(head->scanned <= avail);
    while (true) {
        const uint32_t limit = line_end_max(head);
        const uint32_t window = avail < limit ? avail : limit;
        if (!head->started && avail > head->line_at && base[head->line_at] != '\r' &&
            !char_is(base[head->line_at], CHAR_TOKEN)) {
            leat__http_head_fail(head, 400, "not HTTP"); /* a TLS handshake, for one */
            return -1;
        }
        const char *const lf = window > head->scanned
                                   ? memchr(base + head->scanned, '\n', window - head->scanned)
                                   : NULL;
        if (!lf) {
            head->scanned = window;
            if (avail >= limit) {
                const bool is_target = !head->started && !head->is_response;
                leat__http_head_fail(head, is_target ? 414 : 431, "head is too long");
                return -1;
            }
            return 0;
        }
        const uint32_t at = head->line_at;
        const uint32_t end = (uint32_t)(lf - base);
        if (end == at || base[end - 1] != '\r') {
            leat__http_head_fail(head, 400, "line ends with a bare LF");
            return -1;
        }
        head->line_at = head->scanned = end + 1;
        const int done = take_line(head, str(base + at, end - 1 - at), at);
        if (done != 0) {
            head->len = done > 0 ? end + 1 : head->len;
            return done;
        }
    }
}

/* Up to and with the next LF, as far as the buffer has room. */
static int read_buffered(struct head *head, leat_http_str bytes, size_t *ret_used)
{
    size_t used = 0;
    int done = 0;
    while (done == 0 && used < bytes.len) {
        const leat_http_str rest = str_skip(bytes, used);
        const size_t room = head->config->head_len_max - head->len;
        size_t n = str_find(rest, '\n');
        n += n < rest.len ? 1 : 0;
        n = n < room ? n : room;
        ENSURE(n > 0); /* a full buffer is an error already */
        memcpy(head->buffer + head->len, rest.data, n);
        head->len += (uint32_t)n;
        used += n;
        done = take_lines(head, head->buffer, head->len);
    }
    *ret_used = used;
    return done;
}

static int read_in_place(struct head *head, leat_http_str bytes, size_t *ret_used)
{
    const size_t max = head->config->head_len_max;
    const size_t avail = bytes.len < max ? bytes.len : max;
    const int done = take_lines(head, bytes.data, (uint32_t)avail);
    if (done == 0) { /* then avail is all: more than the maximum is an error */
        ENSURE(avail == bytes.len && avail < max);
        memcpy(head->buffer, bytes.data, avail);
        head->len = (uint32_t)avail;
        head->buffered = true;
    }
    *ret_used = done > 0 ? head->len : avail;
    return done;
}

int leat__http_head_read(struct head *head, leat_http_str bytes, size_t *ret_used,
                         struct leat_http_head *ret)
{
    ENSURE(bytes.len > 0);
    const int done = head->buffered ? read_buffered(head, bytes, ret_used)
                                    : read_in_place(head, bytes, ret_used);
    if (done > 0) {
        *ret = (struct leat_http_head){
            .bytes = head->buffered ? head->buffer : bytes.data,
            .fields = head->fields,
            .field_count = head->field_count,
            .len = head->len,
        };
    }
    return done;
}
