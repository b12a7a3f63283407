/* Certificates with their keys: from PEM, and the one that fits a name. */
#ifndef LEAT_PROTOCOLS_TLS_CERTIFICATES_H
#define LEAT_PROTOCOLS_TLS_CERTIFICATES_H

#include <openssl/ssl.h>

#include <leat/tls.h>

struct certificate {
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* what leads from the leaf to the root; NULL: nothing */
};

/* Not changed once it is made. */
struct certificates {
    size_t count;
    struct certificate at[];
};

/* Reads them and has `ssl_ctx` try each, which refuses what it would refuse in a handshake.
 * -EINVAL, -ENOMEM. */
int leat__tls_certificates_open(SSL_CTX *ssl_ctx, const struct leat_tls_certificate *from,
                                size_t count, struct leat_tls_why *ret_why,
                                struct certificates **ret);
void leat__tls_certificates_close(struct certificates *certificates); /* NULL is allowed */

/* Has the connection show those for `name`, or the first; none when there are none. False:
 * OpenSSL could not. */
bool leat__tls_certificates_show(const struct certificates *certificates, const char *name,
                                 SSL *ssl);

/* Adds the certificates of a PEM text to a store: at least one. -EINVAL, -ENOMEM. */
int leat__tls_trust_add(X509_STORE *store, leat_tls_bytes pem, struct leat_tls_why *ret_why);

#endif
