/* Writes what frames a body: nothing, or chunk lines. A chunk's line starts with the CRLF of the one
 * before, so that the caller sends [line][its own bytes] and never has to come back after them. */
#include "sending.h"

#include <errno.h>

int leat__http_add_headers(struct leat_http_out *out, const struct leat_http_header *headers,
                           size_t count, const char *const *reserved)
{
    ENSURE(count == 0 || headers != NULL);
    for (size_t i = 0; i < count; i++) {
        for (const char *const *name = reserved; *name; name++) {
            if (leat_http_str_equal_nocase(headers[i].name, *name)) {
                return -EINVAL;
            }
        }
        const int status = leat__http_add_field(out, headers[i].name, headers[i].value);
        if (status) {
            return status;
        }
    }
    return 0;
}

static int write_chunk_line(struct sending *sending, uint64_t len, struct leat_http_out *out)
{
    const size_t mark = out->len;
    if ((sending->in_chunk && leat__http_add(out, "\r\n")) || leat__http_add_hex(out, len) ||
        leat__http_add(out, "\r\n")) {
        out->len = mark;
        return -ENOSPC;
    }
    return 0;
}

int leat__http_sending_data(struct sending *sending, uint64_t len, struct leat_http_out *out,
                            uint64_t *ret_send)
{
    ENSURE(!(sending->chunked && sending->until_close));
    if (sending->bodyless || len == 0) {
        *ret_send = 0;
        return 0;
    }
    if (sending->chunked) {
        const int status = write_chunk_line(sending, len, out);
        if (status) {
            return status;
        }
        sending->in_chunk = true;
    } else if (!sending->until_close) {
        if (len > sending->left) {
            return -EMSGSIZE;
        }
        sending->left -= len;
    }
    *ret_send = len;
    return 0;
}

int leat__http_sending_end(struct sending *sending, struct leat_http_out *out)
{
    if (sending->bodyless || sending->until_close) {
        return 0;
    }
    if (!sending->chunked) {
        return sending->left ? -EMSGSIZE : 0;
    }
    const size_t mark = out->len;
    if (write_chunk_line(sending, 0, out) || leat__http_add(out, "\r\n")) {
        out->len = mark;
        return -ENOSPC;
    }
    return 0;
}
