/* A connection, and what ties it to OpenSSL: a BIO that reads what was fed and writes where the
 * caller wants it, and a callback that counts records. */
#ifndef LEAT_PROTOCOLS_TLS_CONNECTION_H
#define LEAT_PROTOCOLS_TLS_CONNECTION_H

#include <openssl/ssl.h>

#include <leat/tls.h>

#include "hello.h"

enum phase {
    PHASE_HANDSHAKE,
    PHASE_OPEN,
    PHASE_ENDED, /* the peer has said close_notify; we may write on */
    PHASE_FAILED
};

struct leat_tls {
    leat_tls_context *context;
    SSL *ssl;
    leat_tls_bytes in;         /* what OpenSSL may read; empty between calls */
    struct leat_tls_out *sink; /* where OpenSSL writes; NULL, or full: to `kept` */
    struct leat_tls_out kept;  /* to be sent before all else; ours, freed when it is empty */
    leat_time deadline;
    uint32_t handshake_len;      /* bytes read before the handshake was done */
    uint16_t idle_records;       /* read since the last that brought data */
    struct hello hello;          /* server: in the handshake */
    uint8_t phase;               /* enum phase */
    bool told;                   /* of the end: CLOSED or ERROR */
    bool finished;               /* we have said close_notify */
    struct leat_tls_error error; /* in PHASE_FAILED; before: why it will fail, or no `why` */
};

/* What a peer may send without getting anywhere. */
#define HANDSHAKE_LEN_MAX (80u * 1024)
#define IDLE_RECORDS_MAX 32u

/* The BIO's functions; NULL: out of memory. Freed with BIO_meth_free, after the last connection. */
BIO_METHOD *leat__tls_bio_method(void);

/* Gives the connection its BIO. False: out of memory. */
bool leat__tls_bio_attach(leat_tls *tls, const BIO_METHOD *method);

/* Has the context's connections count the records they read. */
void leat__tls_watch(SSL_CTX *ssl_ctx);

#endif
