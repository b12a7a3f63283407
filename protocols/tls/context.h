/* A context as its connections see it. */
#ifndef LEAT_PROTOCOLS_TLS_CONTEXT_H
#define LEAT_PROTOCOLS_TLS_CONTEXT_H

#include "certificates.h"
#include "tickets.h"

struct leat_tls_context {
    enum leat_tls_role role;
    leat_time handshake_ns;
    SSL_CTX *ssl_ctx;       /* not changed once the context is open */
    BIO_METHOD *bio_method; /* of its connections' BIOs */
    uint8_t *protocols;     /* as on the wire: a byte of length, a name, and so on */
    unsigned protocols_len;
    CRYPTO_RWLOCK *lock; /* guards what follows */
    int refs;
    struct certificates *certificates;
    struct tickets tickets;
};

#endif
