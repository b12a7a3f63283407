/* OpenSSL's errors in words. Its queue belongs to the thread: whoever calls OpenSSL empties it
 * before and after, so that nobody finds what somebody else left. */
#ifndef LEAT_PROTOCOLS_TLS_ERRORS_H
#define LEAT_PROTOCOLS_TLS_ERRORS_H

#include <leat/tls.h>

/* Words into *ret_why, which may be NULL. */
__attribute__((format(printf, 2, 3))) void leat__tls_say(struct leat_tls_why *ret_why,
                                                         const char *format, ...);

/* What the newest error in the queue says; never NULL, static storage. */
const char *leat__tls_reason(void);

/* Whether memory ran out, by the newest error in the queue. */
bool leat__tls_is_memory(void);

#endif
