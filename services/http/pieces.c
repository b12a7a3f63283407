/* Buffers for messages. Called by any thread; nothing here knows of connections. */
#include "pieces.h"

#include <errno.h>

#include "site.h"

#define BODY_LEN_FIRST 4096u

int pieces_pair(leat_slice first, leat_slice body, leat_slice *ret)
{
    leat_slice both;
    if (body.len == 0) {
        leat_buf_unref(body.buf);
        *ret = first;
        return 0;
    }
    if (leat_batch_alloc(2, &both) < 0) {
        leat_buf_unref(first.buf);
        leat_buf_unref(body.buf);
        return -ENOMEM;
    }
    const bool is_added = leat_batch_add(&both, first) == 0 && leat_batch_add(&both, body) == 0;
    ENSURE(is_added); /* a body is no batch */
    *ret = both;
    return 0;
}

leat_slice pieces_first(leat_slice message)
{
    return leat_batch_len(message) > 0 ? leat_batch_at(message, 0) : message;
}

leat_slice pieces_body(leat_slice message)
{
    return leat_batch_len(message) > 1 ? leat_batch_at(message, 1) : (leat_slice){0};
}

int pieces_append(leat_slice *body, uint32_t *cap, leat_http_str bytes)
{
    if (body->buf == NULL || bytes.len > *cap - body->len) {
        leat_slice larger;
        uint64_t room = body->buf != NULL && *cap > 0 ? *cap : BODY_LEN_FIRST;
        while (room < body->len + bytes.len) {
            room *= 2;
        }
        if (room > LEAT_BUF_LEN_MAX || leat_buf_alloc((uint32_t)room, &larger) < 0) {
            return -ENOMEM;
        }
        if (body->len > 0) {
            memcpy(leat_slice_data(larger), leat_slice_data(*body), body->len);
        }
        larger.len = body->len;
        leat_buf_unref(body->buf);
        *body = larger;
        *cap = (uint32_t)room;
    }
    memcpy(leat_slice_data(*body) + body->len, bytes.data, bytes.len);
    body->len += (uint32_t)bytes.len;
    return 0;
}

leat_http_str pieces_str(char **at, leat_http_str str)
{
    const leat_http_str copy = {*at, str.len};
    if (str.len > 0) {
        memcpy(*at, str.data, str.len);
    }
    *at += str.len;
    return copy;
}

size_t pieces_headers_len(const struct leat_http_header *headers, size_t count)
{
    size_t len = count * sizeof(*headers);
    for (size_t i = 0; i < count; i++) {
        len += headers[i].name.len + headers[i].value.len;
    }
    return len;
}

const struct leat_http_header *pieces_headers(char **at, const struct leat_http_header *headers,
                                              size_t count)
{
    struct leat_http_header *copies = (struct leat_http_header *)(void *)*at;
    *at += count * sizeof(*copies);
    for (size_t i = 0; i < count; i++) {
        copies[i].name = pieces_str(at, headers[i].name);
        copies[i].value = pieces_str(at, headers[i].value);
    }
    return copies;
}
