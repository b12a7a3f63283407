/* The chunked coding (RFC 9112, 7.1), byte by byte but for the data, which is passed by reference.
 *
 * Extensions follow the grammar or are refused: to skip over them carelessly, over a lone LF or an open
 * quote, is how chunks are smuggled past one of two parsers. What they say is dropped. Both each line's and
 * all lines' extensions are bounded, as are trailers, so that a body's overhead cannot be made free. */
#include <errno.h>

#include "text.h"

enum {
    SIZE_FIRST,
    SIZE,
    EXT_BLANK,      /* after a size or a value: only a ';' may follow */
    EXT_NAME_FIRST, /* after the ';' */
    EXT_NAME,
    EXT_NAME_BLANK, /* '=' or ';' may follow */
    EXT_VALUE_FIRST,
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* at the start of a line after the last chunk */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    ENDED
};

#define DIGITS_MAX 16u

void leat_http_chunked_init(struct leat_http_chunked *chunked, uint64_t body_len_max,
                            uint32_t trailer_len_max)
{
    *chunked = (struct leat_http_chunked){
        .body_len_max = body_len_max, .trailer_len_max = trailer_len_max, .state = SIZE_FIRST};
}

static int take_size(struct leat_http_chunked *chunked, char c)
{
    const int digit = char_hex(c);
    if (digit >= 0) {
        if (chunked->digits == DIGITS_MAX) {
            return -EINVAL;
        }
        chunked->digits++;
        chunked->left = chunked->left << 4 | (unsigned)digit;
        chunked->state = SIZE;
        return 0;
    }
    if (chunked->state == SIZE_FIRST) {
        return -EINVAL;
    }
    switch (c) {
    case '\r':
        chunked->state = SIZE_LF;
        return 0;
    case ';':
        chunked->state = EXT_NAME_FIRST;
        return 0;
    case ' ':
    case '\t':
        chunked->state = EXT_BLANK;
        return 0;
    default:
        return -EINVAL;
    }
}

/* What may follow a complete name or value: a blank, another extension, the line's end. */
static int after_extension(struct leat_http_chunked *chunked, char c, uint8_t blank)
{
    switch (c) {
    case ';':
        chunked->state = EXT_NAME_FIRST;
        return 0;
    case '\r':
        chunked->state = SIZE_LF;
        return 0;
    case ' ':
    case '\t':
        chunked->state = blank;
        return 0;
    default:
        return -EINVAL;
    }
}

static int take_quoted(struct leat_http_chunked *chunked, char c)
{
    if (!char_is(c, CHAR_VALUE)) {
        return -EINVAL;
    }
    if (chunked->state == EXT_ESCAPED) {
        chunked->state = EXT_QUOTED;
    } else if (c == '"') {
        chunked->state = EXT_QUOTED_END;
    } else if (c == '\\') {
        chunked->state = EXT_ESCAPED;
    }
    return 0;
}

static int take_extension(struct leat_http_chunked *chunked, char c)
{
    if (++chunked->ext_len > LEAT_HTTP_CHUNK_EXT_LEN_MAX ||
        ++chunked->exts_len > LEAT_HTTP_CHUNK_EXTS_LEN_MAX) {
        return -EMSGSIZE;
    }
    const bool blank = char_is_blank(c), token = char_is(c, CHAR_TOKEN);
    switch (chunked->state) {
    case EXT_BLANK:
        chunked->state = c == ';' ? EXT_NAME_FIRST : EXT_BLANK;
        return c == ';' || blank ? 0 : -EINVAL;
    case EXT_NAME_FIRST:
        chunked->state = token ? EXT_NAME : EXT_NAME_FIRST;
        return token || blank ? 0 : -EINVAL;
    case EXT_NAME:
        if (token) {
            return 0;
        }
        chunked->state = EXT_VALUE_FIRST;
        return c == '=' ? 0 : after_extension(chunked, c, EXT_NAME_BLANK);
    case EXT_NAME_BLANK:
        if (c == '=' || c == ';') {
            chunked->state = c == '=' ? EXT_VALUE_FIRST : EXT_NAME_FIRST;
            return 0;
        }
        return blank ? 0 : -EINVAL;
    case EXT_VALUE_FIRST:
        chunked->state = token ? EXT_TOKEN : c == '"' ? EXT_QUOTED : EXT_VALUE_FIRST;
        return token || blank || c == '"' ? 0 : -EINVAL;
    case EXT_TOKEN:
        return token ? 0 : after_extension(chunked, c, EXT_BLANK);
    case EXT_QUOTED_END:
        return after_extension(chunked, c, EXT_BLANK);
    default:
        ENSURE(chunked->state == EXT_QUOTED || chunked->state == EXT_ESCAPED);
        return take_quoted(chunked, c);
    }
}

/* The LF of a chunk's line: what it announced begins. */
static int take_size_lf(struct leat_http_chunked *chunked, char c)
{
    if (c != '\n') {
        return -EINVAL;
    }
    if (chunked->left > chunked->body_len_max - chunked->decoded) {
        return -EFBIG;
    }
    chunked->decoded += chunked->left;
    chunked->state = chunked->left ? DATA : TRAILER_FIRST;
    chunked->digits = 0;
    chunked->ext_len = 0;
    return 0;
}

/* Trailers are checked as field lines and dropped: nothing in them may change what the head said. */
static int take_trailer(struct leat_http_chunked *chunked, char c)
{
    if (chunked->state == TRAILER_FIRST && c == '\r') {
        chunked->state = LAST_LF;
        return 0;
    }
    if (++chunked->trailer_len > chunked->trailer_len_max) {
        return -EMSGSIZE;
    }
    switch (chunked->state) {
    case TRAILER_FIRST:
        chunked->state = TRAILER_NAME;
        return char_is(c, CHAR_TOKEN) ? 0 : -EINVAL;
    case TRAILER_NAME:
        chunked->state = c == ':' ? TRAILER_VALUE : TRAILER_NAME;
        return c == ':' || char_is(c, CHAR_TOKEN) ? 0 : -EINVAL;
    case TRAILER_VALUE:
        chunked->state = c == '\r' ? TRAILER_LF : TRAILER_VALUE;
        return c == '\r' || char_is(c, CHAR_VALUE) ? 0 : -EINVAL;
    default:
        ENSURE(chunked->state == TRAILER_LF);
        chunked->state = TRAILER_FIRST;
        return c == '\n' ? 0 : -EINVAL;
    }
}

/* One byte that is not data. */
static int take_byte(struct leat_http_chunked *chunked, char c)
{
    switch (chunked->state) {
    case SIZE_FIRST:
    case SIZE:
        return take_size(chunked, c);
    case SIZE_LF:
        return take_size_lf(chunked, c);
    case DATA_CR:
        chunked->state = DATA_LF;
        return c == '\r' ? 0 : -EINVAL;
    case DATA_LF:
        chunked->state = SIZE_FIRST;
        return c == '\n' ? 0 : -EINVAL;
    case LAST_LF:
        chunked->state = ENDED;
        return c == '\n' ? 1 : -EINVAL;
    default:
        return chunked->state < SIZE_LF ? take_extension(chunked, c) : take_trailer(chunked, c);
    }
}

int leat_http_chunked_decode(struct leat_http_chunked *chunked, leat_http_str bytes,
                             size_t *ret_used, leat_http_str *ret_data)
{
    size_t used = 0;
    int done = 0;
    leat_http_str data = {NULL, 0};
    ENSURE(chunked->state < ENDED);
    while (done == 0 && data.len == 0 && used < bytes.len) {
        if (chunked->state == DATA) {
            const size_t avail = bytes.len - used;
            data = str(bytes.data + used, avail < chunked->left ? avail : (size_t)chunked->left);
            chunked->left -= data.len;
            used += data.len;
            chunked->state = chunked->left ? DATA : DATA_CR;
        } else {
            done = take_byte(chunked, bytes.data[used++]);
        }
    }
    if (done < 0) {
        chunked->state = ENDED;
        return done;
    }
    *ret_used = used;
    *ret_data = data;
    return done;
}

/* ---- writing ---- */

int leat_http_chunk_write(struct leat_http_out *out, leat_http_str data)
{
    const size_t mark = out->len;
    if (data.len == 0) {
        return 0;
    }
    if (leat__http_add_hex(out, data.len) || leat__http_add(out, "\r\n") ||
        leat_http_out_add(out, data) || leat__http_add(out, "\r\n")) {
        out->len = mark;
        return -ENOSPC;
    }
    return 0;
}

int leat_http_chunk_end(struct leat_http_out *out)
{
    return leat__http_add(out, "0\r\n\r\n");
}
