/* The one file of this library that calls leat::tls. Called by the thread that has the connection. */
#include "filter.h"

#include <errno.h>
#include <string.h>

int filter_context_ref(leat_tls_context *context)
{
    (void)leat_tls_context_ref(context);
    return 0;
}

void filter_context_unref(leat_tls_context *context)
{
    leat_tls_context_unref(context);
}

int filter_open(leat_tls_context *context, const char *host, uint64_t unix_s, leat_time now,
                leat_tls **ret)
{
    const struct leat_tls_options options = {.host = host, .unix_time = (int64_t)unix_s};
    return leat_tls_open(context, &options, now, ret);
}

void filter_close(leat_tls *tls)
{
    leat_tls_close(tls);
}

void filter_read(leat_tls *tls, leat_slice *in, struct leat_tls_out *plain,
                 struct leat_tls_event *ret)
{
    leat_tls_bytes bytes = {NULL, 0};
    if (in->len > 0) {
        bytes = leat_tls_bytes_of(leat_slice_data(*in), in->len);
    }
    leat_tls_read(tls, &bytes, plain, ret);
    *in = leat_slice_sub(*in, in->len - (uint32_t)bytes.len, in->len);
}

void filter_eof(leat_tls *tls, struct leat_tls_event *ret)
{
    leat_tls_eof(tls, ret);
}

leat_time filter_deadline(const leat_tls *tls)
{
    return leat_tls_deadline(tls);
}

void filter_expire(leat_tls *tls, leat_time now, struct leat_tls_event *ret)
{
    leat_tls_expire(tls, now, ret);
}

bool filter_is_http(const struct leat_tls_opened *opened)
{
    static const char http[] = "http/1.1";
    const size_t len = opened->protocol.len;
    return len == 0 || (len == sizeof(http) - 1 && memcmp(opened->protocol.data, http, len) == 0);
}

bool filter_is_pending(const leat_tls *tls)
{
    return leat_tls_pending(tls) > 0;
}

int filter_seal(leat_tls *tls, leat_tls_bytes bytes, leat_slice *ret)
{
    const size_t room = leat_tls_write_len(tls, bytes.len);
    leat_slice slice;
    int status = 0;
    if (room > LEAT_BUF_LEN_MAX || leat_buf_alloc((uint32_t)room, &slice) < 0) {
        return -ENOMEM;
    }
    struct leat_tls_out out = {leat_slice_data(slice), room, 0};
    if (bytes.len > 0) {
        status = leat_tls_write(tls, bytes, &out);
    } else {
        leat_tls_flush(tls, &out); /* in the handshake too, and after an error */
    }
    if (status != 0) {
        leat_buf_unref(slice.buf);
        return status;
    }
    *ret = leat_slice_sub(slice, 0, (uint32_t)out.len);
    return 0;
}

void filter_finish(leat_tls *tls)
{
    (void)leat_tls_finish(tls); /* not in the handshake, nor after an error: nobody misses it */
}
