/* What HTTP messages are made of: strings, methods, statuses, heads, limits, the writer that responses
 * and requests are built with, and the chunked coding. See leat/http.h for what holds throughout. */
#ifndef LEAT_HTTP_MESSAGE_H
#define LEAT_HTTP_MESSAGE_H

#include <string.h>

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- strings ---- */

typedef struct leat_http_str {
    const char *data; /* may be NULL when len is 0 */
    size_t      len;
} leat_http_str;

static inline leat_http_str leat_http_str_of(const char *text)
{
    leat_http_str str;
    str.data = text;
    str.len = text ? strlen(text) : 0;
    return str;
}

/* Byte for byte, and without regard to the case of ASCII letters. */
LEAT_API bool leat_http_str_equal(leat_http_str a, const char *b);
LEAT_API bool leat_http_str_equal_nocase(leat_http_str a, const char *b);

/* Takes the next element of a comma-separated list (RFC 9110, 5.6.1) off *list, without the blanks
 * around it. Commas inside quoted strings do not separate; empty elements are skipped. False: none left. */
LEAT_API bool leat_http_list_next(leat_http_str *list, leat_http_str *ret);

/* ---- methods and statuses ---- */

enum leat_http_method {
    LEAT_HTTP_OTHER, /* a valid token that is none of these; the head has its text */
    LEAT_HTTP_GET,
    LEAT_HTTP_HEAD,
    LEAT_HTTP_POST,
    LEAT_HTTP_PUT,
    LEAT_HTTP_PATCH,
    LEAT_HTTP_DELETE,
    LEAT_HTTP_OPTIONS,
    LEAT_HTTP_TRACE,
    LEAT_HTTP_CONNECT,
    LEAT_HTTP_METHOD_COUNT
};

#define LEAT_HTTP_METHOD_LEN_MAX 32u /* a longer one is answered with 501 */

/* Methods are case-sensitive. OTHER for what is none of them. */
LEAT_API enum leat_http_method leat_http_method_of(leat_http_str text);

/* "GET"; "" for OTHER. Static storage. */
LEAT_API const char *leat_http_method_text(enum leat_http_method method);

/* "Not Found" for 404; "" for a status this library does not know. Static storage. */
LEAT_API const char *leat_http_reason(unsigned status);

/* ---- heads ---- */

/* One field line as offsets into the head. */
struct leat_http_field {
    uint16_t name_at;
    uint16_t name_len;
    uint16_t value_at;
    uint16_t value_len;
};

/* A parsed head: start line and fields, as they came and in their order. Its bytes lie in what was fed
 * or in the machine; either way they are lent until the next call that is given the machine. */
struct leat_http_head {
    const char                   *bytes;
    const struct leat_http_field *fields;
    uint32_t                      field_count;
    uint32_t                      len; /* bytes, with the empty line */
};

/* The at-th field; at < field_count. Values come without the blanks around them. */
LEAT_API leat_http_str leat_http_head_name(const struct leat_http_head *head, uint32_t at);
LEAT_API leat_http_str leat_http_head_value(const struct leat_http_head *head, uint32_t at);

/* The value of the first field of that name, without regard to case. False: there is none. */
LEAT_API bool leat_http_head_find(const struct leat_http_head *head, const char *name,
                                  leat_http_str *ret);

/* The same from field *at on; *at becomes the index after it. Start with 0 to visit every one. */
LEAT_API bool leat_http_head_next(const struct leat_http_head *head, const char *name, uint32_t *at,
                                  leat_http_str *ret);

/* ---- limits ---- */

/* Of a server's or a client's connection. All memory a machine will ever use follows from it. */
struct leat_http_config {
    uint32_t  head_len_max;    /* bytes of start line and fields, 64..65535; beyond: 431 */
    uint32_t  field_count_max; /* 1..4096; beyond: 431 */
    uint32_t  target_len_max;  /* bytes of a request target; beyond: 414 */
    uint32_t  trailer_len_max; /* bytes of a trailer section, which is checked and dropped; 0: refused */
    uint64_t  body_len_max;    /* bytes of a body, decoded; beyond: 413 */
    uint64_t  body_rate_min;   /* bytes a second that a body must keep up with; 0: any */
    uint32_t  request_count_max; /* requests a connection may carry; 0: any number */
    leat_time header_ns;       /* a head must be complete this long after its first byte */
    leat_time body_ns;         /* a body may pause this long */
    leat_time idle_ns;         /* a connection may lie idle this long, before and between requests */
    leat_time response_ns;     /* client: the first byte of a response must come this long after the
                                  end of its request */
};

/* Head 16 KiB, 100 fields, target 8000, trailers 1 KiB, body 64 KiB at 1 KiB/s or more, any number of
 * requests; header 5 s, body 10 s, idle 30 s, response 30 s. */
LEAT_API void leat_http_config_default(struct leat_http_config *ret);

/* ---- writing ---- */

/* Where bytes are written. Every function that writes appends all of what it has to write, or returns
 * -ENOSPC and appends nothing. */
struct leat_http_out {
    char  *data;
    size_t cap;
    size_t len; /* set to 0 by the caller at first */
};

LEAT_API int leat_http_out_add(struct leat_http_out *out, leat_http_str bytes);

/* A field to be sent. */
struct leat_http_header {
    leat_http_str name;
    leat_http_str value;
};

/* ---- the chunked coding (RFC 9112, 7.1) ---- */

#define LEAT_HTTP_CHUNK_EXT_LEN_MAX 256u    /* bytes of extensions after one chunk size */
#define LEAT_HTTP_CHUNK_EXTS_LEN_MAX 4096u  /* and in one body: they are dropped, at no one's cost */

/* A decoder of the caller's; plain data, no bytes are kept in it. */
struct leat_http_chunked {
    uint64_t left;        /* of the chunk that is being read */
    uint64_t decoded;     /* bytes announced so far */
    uint64_t body_len_max;
    uint32_t trailer_len_max;
    uint32_t trailer_len;
    uint32_t exts_len;
    uint16_t ext_len;
    uint8_t  digits;
    uint8_t  state;
};

LEAT_API void leat_http_chunked_init(struct leat_http_chunked *chunked, uint64_t body_len_max,
                                     uint32_t trailer_len_max);

/* Takes bytes; *ret_used says how many, *ret_data is body decoded from them, by reference and perhaps
 * empty. 1: the body has ended, the next byte is another message's. 0: go on with what is left; when all
 * was used, with more. -EINVAL: not the chunked coding; -EFBIG: longer than body_len_max; -EMSGSIZE:
 * extensions or trailers too long. After an error or the end it must not be called again. */
LEAT_API int leat_http_chunked_decode(struct leat_http_chunked *chunked, leat_http_str bytes,
                                      size_t *ret_used, leat_http_str *ret_data);

/* Writes one chunk; an empty one writes nothing, for it would end the body. */
LEAT_API int leat_http_chunk_write(struct leat_http_out *out, leat_http_str data);

/* Writes the end of a chunked body. */
LEAT_API int leat_http_chunk_end(struct leat_http_out *out);

#ifdef __cplusplus
}
#endif

#endif
