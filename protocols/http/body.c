/* Reads a body of any framing and knows when it is too slow. */
#include "body.h"

#include <errno.h>

void leat__http_body_start(struct body *body, enum body_framing framing, uint64_t len,
                           const struct leat_http_config *config, leat_time now)
{
    ENSURE(framing != BODY_LENGTH || len != LEAT_HTTP_LEN_UNKNOWN);
    body->framing = (uint8_t)framing;
    body->left = framing == BODY_UNTIL_CLOSE ? config->body_len_max : len;
    body->wire = 0;
    body->since = body->progress = now;
    leat_http_chunked_init(&body->chunked, config->body_len_max, config->trailer_len_max);
}

static int read_chunked(struct body *body, leat_http_str bytes, size_t *ret_used,
                        leat_http_str *ret_data, struct leat_http_error *error)
{
    const int done = leat_http_chunked_decode(&body->chunked, bytes, ret_used, ret_data);
    switch (done) {
    case -EFBIG:
        *error = (struct leat_http_error){413, "body is too long"};
        return -1;
    case -EMSGSIZE:
        *error = (struct leat_http_error){400, "chunk extensions or trailers are too long"};
        return -1;
    case -EINVAL:
        *error = (struct leat_http_error){400, "not the chunked coding"};
        return -1;
    default:
        ENSURE(done >= 0);
        return done;
    }
}

static int read_plain(struct body *body, leat_http_str bytes, size_t *ret_used,
                      leat_http_str *ret_data, struct leat_http_error *error)
{
    const size_t len = bytes.len < body->left ? bytes.len : (size_t)body->left;
    if (body->framing == BODY_UNTIL_CLOSE &&
        len == 0) { /* what fits is told first, as in any cut */
        *error = (struct leat_http_error){413, "body is too long"};
        return -1;
    }
    body->left -= len;
    *ret_used = len;
    *ret_data = str(bytes.data, len);
    return body->framing == BODY_LENGTH && body->left == 0;
}

int leat__http_body_read(struct body *body, leat_time now, leat_http_str bytes, size_t *ret_used,
                         leat_http_str *ret_data, struct leat_http_error *error)
{
    *ret_used = 0;
    *ret_data = str(NULL, 0);
    const int done = body->framing == BODY_CHUNKED
                         ? read_chunked(body, bytes, ret_used, ret_data, error)
                         : read_plain(body, bytes, ret_used, ret_data, error);
    ENSURE(*ret_used <= bytes.len && ret_data->len <= *ret_used);
    if (*ret_used) {
        body->wire += *ret_used;
        body->progress = now;
    }
    return done;
}

leat_time leat__http_later(leat_time a, uint64_t b)
{
    leat_time sum;
    return __builtin_add_overflow(a, b, &sum) ? LEAT_NEVER : sum;
}

leat_time leat__http_body_deadline(const struct body *body, const struct leat_http_config *config)
{
    const leat_time pause = leat__http_later(body->progress, config->body_ns);
    const uint64_t rate = config->body_rate_min;
    uint64_t earned;
    if (rate == 0 || __builtin_mul_overflow(body->wire / rate, LEAT_SEC, &earned)) {
        return pause;
    }
    /* body_ns to begin with, and then as long as the bytes so far may have taken. */
    const leat_time slow = leat__http_later(leat__http_later(body->since, config->body_ns), earned);
    return slow < pause ? slow : pause;
}
