/* TLS for an example's server: its certificate from files, read at the start and again at SIGHUP. */
#ifndef LEAT_EXAMPLE_TLS_H
#define LEAT_EXAMPLE_TLS_H

#include <leat/tls.h>

#include "flags.h"

/* Their flags, into two const char *. */
#define TLS_FLAGS(cert, key)                                                                       \
    {"cert", "FILE", "TLS: certificate chain, PEM; SIGHUP reads it again", FLAG_FILE, &(cert), 0, 0}, \
    {"key", "FILE", "its private key, PEM", FLAG_FILE, &(key), 0, 0}

/* A context that shows this certificate and speaks `protocol` (ALPN; NULL: any); it lasts as long as the process. NULL
 * when neither file is given. Their flags are --cert and --key behind `prefix`, such as "tls-". Says what is wrong and ends the process. Once, before any thread is started. */
leat_tls_context *tls_server(const struct flags *flags, const char *prefix, const char *cert,
                             const char *key, const char *protocol);

/* A context that speaks http/1.1 and shows a fresh certificate, signed by itself, which browsers warn of: for a trial on
 * the local network, for they give cameras to secure pages only. NULL: no memory, or a build without TLS. */
leat_tls_context *tls_self_signed(void);

#endif
