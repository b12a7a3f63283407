/* A message that is being written: how its body is framed, and how much of it is still owed. */
#ifndef LEAT_PROTOCOLS_HTTP_SENDING_H
#define LEAT_PROTOCOLS_HTTP_SENDING_H

#include <leat/http_server.h>

#include "text.h"

struct sending {
    uint64_t left; /* of a body with a length */
    bool chunked;
    bool until_close;
    bool bodyless; /* to HEAD, 204, 304: what is said to follow is not sent */
    bool in_chunk; /* the last chunk's CRLF is still to be written */
};

/* The fields of the caller; `reserved` is a list of names that only the machine writes. */
int leat__http_add_headers(struct leat_http_out *out, const struct leat_http_header *headers,
                           size_t count, const char *const *reserved);

int leat__http_sending_data(struct sending *sending, uint64_t len, struct leat_http_out *out,
                            uint64_t *ret_send);
int leat__http_sending_end(struct sending *sending, struct leat_http_out *out);

#endif
