/* The body of a message that is being read, however it is framed (RFC 9112, 6.3). */
#ifndef LEAT_PROTOCOLS_HTTP_BODY_H
#define LEAT_PROTOCOLS_HTTP_BODY_H

#include <leat/http_server.h>

#include "text.h"

enum body_framing {
    BODY_LENGTH, /* by Content-Length; without one, of length 0 */
    BODY_CHUNKED,
    BODY_UNTIL_CLOSE
};

struct body {
    uint8_t framing;
    uint64_t left;      /* LENGTH: to come; UNTIL_CLOSE: may come */
    uint64_t wire;      /* bytes taken */
    leat_time since;    /* when it began, moved on by the time it was held */
    leat_time progress; /* when it last moved */
    struct leat_http_chunked chunked;
};

void leat__http_body_start(struct body *body, enum body_framing framing, uint64_t len,
                           const struct leat_http_config *config, leat_time now);

/* 1: it has ended; 0: go on; -1: *error. *ret_data may have bytes with 0 and 1. */
int leat__http_body_read(struct body *body, leat_time now, leat_http_str bytes, size_t *ret_used,
                         leat_http_str *ret_data, struct leat_http_error *error);

/* When the body is too slow: it paused too long, or fell below the rate it must keep. */
leat_time leat__http_body_deadline(const struct body *body, const struct leat_http_config *config);

/* a + b, or LEAT_NEVER. */
leat_time leat__http_later(leat_time a, uint64_t b);

#endif
