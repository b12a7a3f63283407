#ifndef TLS_ECHO_SESSION_H
#define TLS_ECHO_SESSION_H

#include <leat/leat.h>
#include <leat/tls.h>

/* To be given a connection; ends with it. Its argument is a leat_tls_context *, which outlives
 * it. */
extern const struct leat_behavior session;

#endif
