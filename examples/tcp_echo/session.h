#ifndef TCP_ECHO_SESSION_H
#define TCP_ECHO_SESSION_H

#include <leat/leat.h>

/* To be given a connection; ends with it. */
extern const struct leat_behavior session;

#endif
