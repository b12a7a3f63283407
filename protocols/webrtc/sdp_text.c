/* The text of SDP (RFC 8866): lines, words, numbers. Every text passes leat__sdp_check first, in
 * one walk; after it a line is a letter, "=" and a value without control characters, so that what
 * an answer repeats cannot begin a line of its own. Called by the other sdp_*.c. */
#include "sdp_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "codec_look.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool leat__sdp_same_nocase(struct span a, struct span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

struct span leat__sdp_cut(struct span *rest, char c)
{
    const char *const at = rest->len ? memchr(rest->data, c, rest->len) : NULL;
    const size_t len = at ? (size_t)(at - rest->data) : rest->len;
    const struct span taken = span_of(rest->data, len);
    const size_t used = at ? len + 1 : len;
    if (used) {
        rest->data += used;
        rest->len -= used;
    }
    return taken;
}

struct span leat__sdp_word(struct span *rest)
{
    while (rest->len && rest->data[0] == ' ') {
        rest->data++;
        rest->len--;
    }
    return leat__sdp_cut(rest, ' ');
}

bool leat__sdp_number(struct span text, uint32_t max, uint32_t *ret)
{
    uint64_t number = 0;
    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
        if (number > max) {
            return false;
        }
    }
    *ret = (uint32_t)number;
    return true;
}

bool leat__sdp_copy_id(struct span text, char ret[LEAT_RTP_MID_MAX + 1])
{
    if (text.len == 0 || text.len > LEAT_RTP_MID_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~') {
            return false;
        }
    }
    memcpy(ret, text.data, text.len);
    ret[text.len] = '\0';
    return true;
}

bool leat__sdp_parameter(struct span fmtp, const char *name, struct span *ret)
{
    size_t len = 0;
    const char *const value = leat__codec_parameter(fmtp.data, fmtp.len, name, &len);
    if (value) {
        *ret = span_of(value, len);
    }
    return value != NULL;
}

int leat__sdp_refuse(struct leat_sdp_error *error, unsigned status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->status = status;
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return -EPROTO;
}

/* Without the CR that may stand before the LF: some write LF alone (RFC 8866, 5). */
static struct span take_line(struct span *rest)
{
    struct span line = leat__sdp_cut(rest, '\n');
    if (line.len && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

int leat__sdp_check(struct span text, struct leat_sdp_error *error)
{
    if (text.len > LEAT_SDP_LEN_MAX) {
        return leat__sdp_refuse(error, 413, "longer than %u bytes", LEAT_SDP_LEN_MAX);
    }
    unsigned lines = 0;
    while (text.len) {
        const struct span line = take_line(&text);
        if (++lines > LEAT_SDP_LINES_MAX) {
            return leat__sdp_refuse(error, 413, "more than %u lines", LEAT_SDP_LINES_MAX);
        }
        if (line.len == 0) {
            continue; /* no line of SDP, but clients end their text with one */
        }
        if (line.len < 2 || line.data[0] < 'a' || line.data[0] > 'z' || line.data[1] != '=') {
            return leat__sdp_refuse(error, 400, "line %u is not SDP", lines);
        }
        for (size_t i = 2; i < line.len; i++) {
            const unsigned char c = (unsigned char)line.data[i];
            if ((c < 0x20 && c != '\t') || c == 0x7f) {
                return leat__sdp_refuse(error, 400, "control character in line %u", lines);
            }
        }
    }
    return 0;
}

bool leat__sdp_line(struct span *rest, char *ret_letter, struct span *ret_value)
{
    while (rest->len) {
        const struct span line = take_line(rest);
        if (line.len >= 2) {
            *ret_letter = line.data[0];
            *ret_value = span_of(line.data + 2, line.len - 2);
            return true;
        }
    }
    return false;
}

bool leat__sdp_attribute(struct span *rest, struct span *ret_name, struct span *ret_value)
{
    char letter;
    struct span value;
    while (leat__sdp_line(rest, &letter, &value)) {
        if (letter == 'a') {
            *ret_name = leat__sdp_cut(&value, ':');
            *ret_value = value;
            return true;
        }
    }
    return false;
}
