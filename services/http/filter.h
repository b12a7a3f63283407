/* TLS in slices, for a session and for a connection of the agent: filter.c over leat::tls. Where that is not built
 * filter_none.c takes its place, which takes no context, so that nothing else of it is ever called. */
#ifndef LEAT_SERVICES_HTTP_FILTER_H
#define LEAT_SERVICES_HTTP_FILTER_H

#include <leat/buf.h>
#include <leat/tls.h>

/* One reference more, and less. NULL is allowed: 0. -ENOTSUP: built without leat::tls. */
int filter_context_ref(leat_tls_context *context);
void filter_context_unref(leat_tls_context *context);

/* `host` is a client's; certificates are judged at unix_s, 0: by OpenSSL's clock. As leat_tls_open. */
int filter_open(leat_tls_context *context, const char *host, uint64_t unix_s, leat_time now,
                leat_tls **ret);
void filter_close(leat_tls *tls);

/* leat_tls_read from the front of *in, which moves on; what was said is the event's. */
void filter_read(leat_tls *tls, leat_slice *in, struct leat_tls_out *plain,
                 struct leat_tls_event *ret);
void filter_eof(leat_tls *tls, struct leat_tls_event *ret);
leat_time filter_deadline(const leat_tls *tls);
void filter_expire(leat_tls *tls, leat_time now, struct leat_tls_event *ret);

/* Whether HTTP/1.1 is what both want to speak: ALPN says so, or nothing. */
bool filter_is_http(const struct leat_tls_opened *opened);

/* What is pending, and `bytes` encrypted, in a buffer of its own that the caller owns. 0; -ENOMEM; as
 * leat_tls_write. */
bool filter_is_pending(const leat_tls *tls);
int filter_seal(leat_tls *tls, leat_tls_bytes bytes, leat_slice *ret);

/* close_notify is pending from here on, if it can be said. */
void filter_finish(leat_tls *tls);

#endif
