#ifndef TLS_ECHO_SESSION_H
#define TLS_ECHO_SESSION_H

#include <leat/leat.h>
#include <leat/tls.h>

/* What happened to a connection: to main, that prints it, for an actor must not wait for a
 * terminal. The texts are the TLS library's own, and stay. */
#define FAILED 1u

struct failed {
    const char *why, *detail;
};

struct session_arg {
    leat_tls_context *context; /* outlives it */
    leat_ref main;
};

/* To be given a connection; ends with it. Its argument is a struct session_arg. */
extern const struct leat_behavior session;

#endif
