/* URLs (RFC 3986, as far as HTTP needs them) and the paths of files made from them. Pure.
 *
 * A path is decoded exactly once and then looked at as bytes: whatever a file system would see is what is
 * checked. What climbs above the root is refused, not bent back to it: nobody honest sends it. */
#include <leat/http_url.h>

#include <errno.h>

#include "text.h"

/* "", ":", ":80". */
static bool port_is_valid(leat_http_str port, uint64_t *ret)
{
    if (port.len == 0) {
        return true;
    }
    port = str_skip(port, 1);
    return port.len == 0 || (port.len <= 5 && leat__http_decimal(port, ret) && *ret <= 65535);
}

/* Where the host ends and ":port" begins; 0: there is no valid host. */
static size_t host_len(leat_http_str text)
{
    size_t len = 0;
    if (text.len && text.data[0] == '[') { /* an IPv6 address: hex, colons, dots */
        for (len = 1; len < text.len && text.data[len] != ']'; len++) {
            if (char_hex(text.data[len]) < 0 && text.data[len] != ':' && text.data[len] != '.') {
                return 0;
            }
        }
        return len < 3 || len == text.len ? 0 : len + 1;
    }
    while (len < text.len && text.data[len] != ':') {
        const bool escaped = text.data[len] == '%';
        if (!char_is(text.data[len], CHAR_HOST) ||
            (escaped && (text.len - len < 3 || char_hex(text.data[len + 1]) < 0 ||
                         char_hex(text.data[len + 2]) < 0))) {
            return 0;
        }
        len += escaped ? 3 : 1;
    }
    return len;
}

bool leat_http_host_is_valid(leat_http_str host)
{
    uint64_t port;
    const size_t len = host_len(host);
    return len > 0 && (len == host.len || host.data[len] == ':') &&
           port_is_valid(str_skip(host, len), &port);
}

int leat_http_url_parse(leat_http_str text, struct leat_http_url *ret)
{
    struct leat_http_url url = {.port = 80};
    if (text.len > 8 &&
        leat__http_str_same_nocase(str(text.data, 8), leat_http_str_of("https://"))) {
        url.tls = true;
        url.port = 443;
        text = str_skip(text, 8);
    } else if (text.len > 7 &&
               leat__http_str_same_nocase(str(text.data, 7), leat_http_str_of("http://"))) {
        text = str_skip(text, 7);
    } else {
        return -EINVAL;
    }
    size_t end = 0;
    while (end < text.len && text.data[end] != '/' && text.data[end] != '?') {
        end++;
    }
    url.authority = str(text.data, end);
    url.target = str_skip(text, end);
    if (!leat_http_host_is_valid(url.authority) || !str_is_all(url.target, CHAR_TARGET)) {
        return -EINVAL;
    }
    const size_t len = host_len(url.authority);
    uint64_t port = url.port;
    if (!port_is_valid(str_skip(url.authority, len), &port) || port == 0) {
        return -EINVAL;
    }
    const bool is_v6 = text.data[0] == '[';
    url.host = is_v6 ? str(text.data + 1, len - 2) : str(text.data, len);
    url.port = (uint16_t)port;
    *ret = url;
    return 0;
}

/* ---- decoding ---- */

/* The byte that starts at text[*at], and where the next one does; -1: a broken escape. */
static int decode_byte(leat_http_str text, size_t *at)
{
    const char c = text.data[*at];
    if (c != '%') {
        (*at)++;
        return (unsigned char)c;
    }
    if (text.len - *at < 3) {
        return -1;
    }
    const int high = char_hex(text.data[*at + 1]), low = char_hex(text.data[*at + 2]);
    *at += 3;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int leat_http_url_decode(leat_http_str text, bool plus, char *buf, size_t cap, leat_http_str *ret)
{
    size_t len = 0, at = 0;
    const bool is_plain = str_find(text, '%') == text.len && str_find(text, '\0') == text.len &&
                          (!plus || str_find(text, '+') == text.len);
    if (is_plain) {
        *ret = text;
        return 0;
    }
    while (at < text.len) {
        const bool blank = plus && text.data[at] == '+';
        const int byte = decode_byte(text, &at);
        if (byte <= 0) {
            return -EINVAL;
        }
        if (len == cap) {
            return -ENOSPC;
        }
        buf[len++] = blank ? ' ' : (char)byte;
    }
    *ret = str(buf, len);
    return 0;
}

bool leat_http_query_next(leat_http_str *query, leat_http_str *ret_name, leat_http_str *ret_value)
{
    while (query->len) {
        const size_t len = str_find(*query, '&');
        const leat_http_str pair = str(query->data, len);
        *query = str_skip(*query, len < query->len ? len + 1 : len);
        if (len > 0) {
            const size_t equals = str_find(pair, '=');
            *ret_name = str(pair.data, equals);
            *ret_value = str_skip(pair, equals < len ? equals + 1 : equals);
            return true;
        }
    }
    return false;
}

/* ---- paths of files ---- */

/* Drops the last segment, down to the slash before it. False: there is none to drop. */
static bool climb(const char *buf, size_t *len)
{
    ENSURE(*len > 0 && buf[*len - 1] == '/');
    if (*len == 1) {
        return false;
    }
    do {
        (*len)--;
    } while (buf[*len - 1] != '/');
    return true;
}

/* The segment that starts at `start` is complete: what may it be, and does it stay? */
static bool end_segment(const char *buf, size_t start, size_t *len, unsigned flags)
{
    const leat_http_str segment = str(buf + start, *len - start);
    ENSURE(start > 0 && buf[start - 1] == '/');
    if (leat_http_str_equal(segment, "..")) {
        *len = start;
        return climb(buf, len);
    }
    if (leat_http_str_equal(segment, ".")) {
        *len = start;
        return true;
    }
    return segment.len == 0 || segment.data[0] != '.' || (flags & LEAT_HTTP_PATH_HIDDEN);
}

static bool byte_is_fine(int byte, bool escaped)
{
    return byte >= 0x20 && byte != 0x7f && byte != '\\' && !(escaped && byte == '/');
}

int leat_http_path_clean(leat_http_str path, unsigned flags, char *buf, size_t cap,
                         leat_http_str *ret)
{
    size_t len = 0, start = 1, at = 0;
    if (path.len == 0 || path.data[0] != '/') {
        return -EINVAL;
    }
    while (at < path.len) {
        const bool escaped = path.data[at] == '%';
        const int byte = decode_byte(path, &at);
        if (!byte_is_fine(byte, escaped)) {
            return -EINVAL;
        }
        if (byte == '/' && len > 0) {
            if (!end_segment(buf, start, &len, flags)) {
                return -EINVAL;
            }
            if (buf[len - 1] == '/') { /* an empty segment, or one that was resolved */
                start = len;
                continue;
            }
        }
        if (len == cap) {
            return -ENOSPC;
        }
        buf[len++] = (char)byte;
        start = byte == '/' ? len : start;
    }
    if (!end_segment(buf, start, &len, flags) || !leat__http_is_utf8(str(buf, len))) {
        return -EINVAL;
    }
    *ret = str(buf, len);
    return 0;
}

int leat_http_path_under(leat_http_str root, leat_http_str path, unsigned flags, char *buf,
                         size_t cap, leat_http_str *ret)
{
    leat_http_str clean;
    while (root.len && root.data[root.len - 1] == '/') { /* the cleaned path brings its own */
        root.len--;
    }
    if (root.len >= cap) {
        return -ENOSPC;
    }
    const int status =
        leat_http_path_clean(path, flags, buf + root.len, cap - root.len - 1, &clean);
    if (status) {
        return status;
    }
    if (root.len) {
        memcpy(buf, root.data, root.len);
    }
    ENSURE(clean.len > 0 && buf[root.len] == '/');
    buf[root.len + clean.len] = '\0';
    *ret = str(buf, root.len + clean.len);
    return 0;
}
