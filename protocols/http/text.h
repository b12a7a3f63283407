/* Characters as HTTP sees them, and strings. */
#ifndef LEAT_PROTOCOLS_HTTP_TEXT_H
#define LEAT_PROTOCOLS_HTTP_TEXT_H

#include <leat/http_message.h>

#include "ensure.h"

enum {
    CHAR_TOKEN = 1,   /* tchar (RFC 9110, 5.6.2) */
    CHAR_VALUE = 2,   /* of a field value: HTAB, SP, VCHAR, obs-text */
    CHAR_TARGET = 4,  /* of a request target */
    CHAR_HOST = 8,    /* of a registered name or an IPv4 address */
    CHAR_TOKEN68 = 16 /* of a bearer token, before its '=' */
};

extern const uint8_t leat__http_chars[256];

static inline bool char_is(char c, unsigned kind)
{
    return (leat__http_chars[(unsigned char)c] & kind) != 0;
}

static inline bool char_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool char_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char char_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* 0..15, or -1. */
static inline int char_hex(char c)
{
    if (char_is_digit(c)) {
        return c - '0';
    }
    c = char_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline leat_http_str str(const char *data, size_t len)
{
    return (leat_http_str){data, len};
}

/* Without its first n bytes. */
static inline leat_http_str str_skip(leat_http_str text, size_t n)
{
    ENSURE(n <= text.len);
    return n ? str(text.data + n, text.len - n) : text;
}

static inline bool str_is_all(leat_http_str text, unsigned kind)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!char_is(text.data[i], kind)) {
            return false;
        }
    }
    return true;
}

static inline bool str_is_token(leat_http_str text)
{
    return text.len > 0 && str_is_all(text, CHAR_TOKEN);
}

/* Where c is, or text.len. */
static inline size_t str_find(leat_http_str text, char c)
{
    const char *const at = text.len ? memchr(text.data, c, text.len) : NULL;
    return at ? (size_t)(at - text.data) : text.len;
}

static inline leat_http_str str_trim(leat_http_str text)
{
    while (text.len && char_is_blank(text.data[0])) {
        text = str_skip(text, 1);
    }
    while (text.len && char_is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool leat__http_str_same(leat_http_str a, leat_http_str b);
bool leat__http_str_same_nocase(leat_http_str a, leat_http_str b);

/* Whether every byte may stand in a field value (RFC 9110, 5.5): no control character but HTAB. */
bool leat__http_is_value(leat_http_str text);

/* Decimal digits only, at least one. False for anything else and for what does not fit. */
bool leat__http_decimal(leat_http_str text, uint64_t *ret);

/* Bytes of the character that text starts with; 0: it is not UTF-8. */
size_t leat__http_utf8_len(leat_http_str text);
bool leat__http_is_utf8(leat_http_str text);

/* ---- writing: each is all or nothing ---- */

int leat__http_add(struct leat_http_out *out, const char *text);
int leat__http_add_decimal(struct leat_http_out *out, uint64_t number);
int leat__http_add_hex(struct leat_http_out *out, uint64_t number);

/* "name: value" and CRLF. -EINVAL for a name that is no token or a value that could break out. */
int leat__http_add_field(struct leat_http_out *out, leat_http_str name, leat_http_str value);

#endif
