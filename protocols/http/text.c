/* Characters, strings and the writer. Pure functions; what they say of a byte depends on no locale. */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A letter or digit may stand anywhere; T: in tokens, values and targets; U: not in tokens. */
#define A (CHAR_TOKEN | CHAR_VALUE | CHAR_TARGET | CHAR_HOST | CHAR_TOKEN68)
#define T (CHAR_TOKEN | CHAR_VALUE | CHAR_TARGET)
#define U (CHAR_VALUE | CHAR_TARGET)
#define V (CHAR_VALUE)
#define H CHAR_HOST
#define B CHAR_TOKEN68

#define TWICE(x) x, x
#define TIMES_16(x) TWICE(TWICE(TWICE(TWICE(x))))

/* A target takes what browsers send (the WHATWG's URLs leave { | } ^ ` \ raw), but no quote, angle bracket
 * or fragment. A host takes no ',', which would let two of them pass for one. */
/* clang-format off */
const uint8_t leat__http_chars[256] = {
    /* 0x00 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
    /* 0x10 */ TIMES_16(0),
    /*  !"# */ V, T | H, V, V | CHAR_TOKEN, /* $%&' */ T | H, T | H, T | H, T | H,
    /* ()*+ */ U | H, U | H, T | H, T | H | B, /* ,-./ */ U, A, A, U | B,
    /* 0..9 */ A, A, A, A, A, A, A, A, A, A, /* :;<=>? */ U, U | H, V, U | H, V, U,
    /* @A..O */ U, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
    /* P..Z */ A, A, A, A, A, A, A, A, A, A, A, /* [\]^_ */ U, U, U, T, A,
    /* `a..o */ T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
    /* p..z */ A, A, A, A, A, A, A, A, A, A, A, /* {|}~ */ U, T, U, A, /* DEL */ 0,
    /* 0x80 */ TIMES_16(V), TIMES_16(V), TIMES_16(V), TIMES_16(V),
    /* 0xc0 */ TIMES_16(V), TIMES_16(V), TIMES_16(V), TIMES_16(V),
};
/* clang-format on */

void leat__http_ensure_failed(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "leat-http1: %s:%d: assertion failed: %s\n", file, line, expr);
    abort();
}

/* ---- strings ---- */

bool leat__http_str_same(leat_http_str a, leat_http_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool leat__http_str_same_nocase(leat_http_str a, leat_http_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (char_lower(a.data[i]) != char_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

bool leat_http_str_equal(leat_http_str a, const char *b)
{
    return leat__http_str_same(a, leat_http_str_of(b));
}

bool leat_http_str_equal_nocase(leat_http_str a, const char *b)
{
    return leat__http_str_same_nocase(a, leat_http_str_of(b));
}

/* How far the first element reaches: to a comma outside quotes. */
static size_t element_len(leat_http_str list)
{
    bool quoted = false;
    for (size_t i = 0; i < list.len; i++) {
        if (quoted && list.data[i] == '\\' && i + 1 < list.len) {
            i++;
        } else if (list.data[i] == '"') {
            quoted = !quoted;
        } else if (list.data[i] == ',' && !quoted) {
            return i;
        }
    }
    return list.len;
}

bool leat_http_list_next(leat_http_str *list, leat_http_str *ret)
{
    while (list->len > 0) {
        const size_t len = element_len(*list);
        const leat_http_str element = str_trim(str(list->data, len));
        *list = str_skip(*list, len < list->len ? len + 1 : len);
        if (element.len > 0) {
            *ret = element;
            return true;
        }
    }
    return false;
}

bool leat__http_is_value(leat_http_str text)
{
    /* Eight bytes at a time: a byte is suspect when it is below 0x20 or is 0x7f. The sum of the low seven
     * bits sets the top bit for 0x20 and more; bytes with the top bit are obs-text and always pass. The
     * tab is suspect too, and looked at in the table. */
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    size_t i = 0;
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.data + i, sizeof(word));
        const uint64_t low = word & ~tops;
        const uint64_t printable = low + ones * 0x60; /* top bit: low seven bits >= 0x20 */
        const uint64_t not_delete = (low ^ (ones * 0x7f)) + ones * 0x7f; /* top bit: not 0x7f */
        if (((word | (printable & not_delete)) & tops) != tops &&
            !str_is_all(str(text.data + i, 8), CHAR_VALUE)) {
            return false;
        }
    }
    return str_is_all(str_skip(text, i), CHAR_VALUE);
}

bool leat__http_decimal(leat_http_str text, uint64_t *ret)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > 20) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!char_is_digit(text.data[i]) || __builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number)) {
            return false;
        }
    }
    *ret = number;
    return true;
}

/* ---- writing ---- */

int leat_http_out_add(struct leat_http_out *out, leat_http_str bytes)
{
    ENSURE(out->len <= out->cap);
    if (bytes.len > out->cap - out->len) {
        return -ENOSPC;
    }
    if (bytes.len) {
        memcpy(out->data + out->len, bytes.data, bytes.len);
        out->len += bytes.len;
    }
    return 0;
}

int leat__http_add(struct leat_http_out *out, const char *text)
{
    return leat_http_out_add(out, leat_http_str_of(text));
}

static int add_number(struct leat_http_out *out, uint64_t number, unsigned base)
{
    char text[20];
    size_t at = sizeof(text);
    do {
        text[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    return leat_http_out_add(out, str(text + at, sizeof(text) - at));
}

int leat__http_add_decimal(struct leat_http_out *out, uint64_t number)
{
    return add_number(out, number, 10);
}

int leat__http_add_hex(struct leat_http_out *out, uint64_t number)
{
    return add_number(out, number, 16);
}

int leat__http_add_field(struct leat_http_out *out, leat_http_str name, leat_http_str value)
{
    if (!str_is_token(name) || !leat__http_is_value(value)) {
        return -EINVAL;
    }
    const size_t mark = out->len;
    if (leat_http_out_add(out, name) || leat__http_add(out, ": ") ||
        leat_http_out_add(out, value) || leat__http_add(out, "\r\n")) {
        out->len = mark;
        return -ENOSPC;
    }
    return 0;
}
