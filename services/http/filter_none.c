/* In the place of filter.c where leat::tls is not built: no context is taken, so there is no connection. */
#include <errno.h>

#include "filter.h"
#include "site.h"

#define NOBODY() leat__httpd_fail("this leat::http has TLS", __FILE__, __LINE__)

int filter_context_ref(leat_tls_context *context)
{
    return context == NULL ? 0 : -ENOTSUP;
}

void filter_context_unref(leat_tls_context *context)
{
    ENSURE(context == NULL);
}

int filter_open(leat_tls_context *context, const char *host, uint64_t unix_s, leat_time now,
                leat_tls **ret)
{
    (void)context, (void)host, (void)unix_s, (void)now, (void)ret;
    return -ENOTSUP;
}

void filter_close(leat_tls *tls)
{
    ENSURE(tls == NULL);
}

void filter_read(leat_tls *tls, leat_slice *in, struct leat_tls_out *plain,
                 struct leat_tls_event *ret)
{
    (void)tls, (void)in, (void)plain, (void)ret;
    NOBODY();
}

void filter_eof(leat_tls *tls, struct leat_tls_event *ret)
{
    (void)tls, (void)ret;
    NOBODY();
}

leat_time filter_deadline(const leat_tls *tls)
{
    (void)tls;
    NOBODY();
}

void filter_expire(leat_tls *tls, leat_time now, struct leat_tls_event *ret)
{
    (void)tls, (void)now, (void)ret;
    NOBODY();
}

bool filter_is_http(const struct leat_tls_opened *opened)
{
    (void)opened;
    NOBODY();
}

bool filter_is_pending(const leat_tls *tls)
{
    (void)tls;
    NOBODY();
}

int filter_seal(leat_tls *tls, leat_tls_bytes bytes, leat_slice *ret)
{
    (void)tls, (void)bytes, (void)ret;
    NOBODY();
}

void filter_finish(leat_tls *tls)
{
    (void)tls;
    NOBODY();
}
