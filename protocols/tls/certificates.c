/* Certificates with their keys: from PEM, and the one that fits a name.
 *
 * Invariant: a list that was made is good for any handshake, as far as that can be known
 * beforehand; it is not changed, only replaced whole, by the context, under its lock. */
#include "certificates.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "errors.h"

/* ---- PEM ---- */

static BIO *pem_open(leat_tls_bytes pem)
{
    return pem.len > INT_MAX ? NULL
                             : BIO_new_mem_buf(pem.len ? (const void *)pem.data : "", (int)pem.len);
}

/* Without this OpenSSL would ask at the terminal. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* Whether reading a sequence of PEM blocks ended because there are no more. */
static bool is_end(void)
{
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static bool read_chain(BIO *bio, struct certificate *ret)
{
    ret->leaf = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    ret->chain = sk_X509_new_null();
    X509 *next = NULL;
    while (ret->leaf && ret->chain && (next = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
        if (!sk_X509_push(ret->chain, next)) {
            X509_free(next);
            return false;
        }
    }
    return ret->leaf && ret->chain && is_end();
}

static void certificate_fini(struct certificate *certificate)
{
    X509_free(certificate->leaf);
    EVP_PKEY_free(certificate->key);
    sk_X509_pop_free(certificate->chain, X509_free);
}

/* What went wrong, from the queue of errors. */
static int blame(struct leat_tls_why *ret_why, size_t number, const char *what)
{
    const int status = leat__tls_is_memory() ? -ENOMEM : -EINVAL;
    const bool nothing = is_end();
    leat__tls_say(ret_why, "certificate %zu: %s: %s", number, what,
                  nothing ? "there is none in the PEM text" : leat__tls_reason());
    return status;
}

static int certificate_init(struct certificate *certificate, SSL_CTX *ssl_ctx,
                            const struct leat_tls_certificate *from, size_t number,
                            struct leat_tls_why *ret_why)
{
    ERR_clear_error();
    BIO *bio = pem_open(from->chain);
    bool good = bio && read_chain(bio, certificate);
    BIO_free(bio);
    if (!good) {
        return blame(ret_why, number, "the chain");
    }
    ERR_clear_error(); /* the end of the chain was one */
    bio = pem_open(from->key);
    certificate->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (!certificate->key) {
        return blame(ret_why, number, "the key");
    }
    SSL *const trial = SSL_new(ssl_ctx);
    good = trial && SSL_use_cert_and_key(trial, certificate->leaf, certificate->key,
                                         certificate->chain, 1) == 1;
    SSL_free(trial);
    return good ? 0 : blame(ret_why, number, "not to be used");
}

int leat__tls_certificates_open(SSL_CTX *ssl_ctx, const struct leat_tls_certificate *from,
                                size_t count, struct leat_tls_why *ret_why,
                                struct certificates **ret)
{
    if (count > LEAT_TLS_CERTIFICATES_MAX) {
        leat__tls_say(ret_why, "more than %u certificates", LEAT_TLS_CERTIFICATES_MAX);
        return -EINVAL;
    }
    struct certificates *const certificates =
        calloc(1, sizeof(*certificates) + count * sizeof(certificates->at[0]));
    if (!certificates) {
        return -ENOMEM;
    }
    int status = 0;
    while (status == 0 && certificates->count < count) {
        const size_t at = certificates->count++; /* counted before: it may be half made */
        status = certificate_init(&certificates->at[at], ssl_ctx, &from[at], at + 1, ret_why);
    }
    ERR_clear_error();
    if (status != 0) {
        leat__tls_certificates_close(certificates);
        return status;
    }
    *ret = certificates;
    return 0;
}

void leat__tls_certificates_close(struct certificates *certificates)
{
    for (size_t i = 0; certificates && i < certificates->count; i++) {
        certificate_fini(&certificates->at[i]);
    }
    free(certificates);
}

/* ---- by name ---- */

static bool show(const struct certificate *certificate, SSL *ssl)
{
    return SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key, certificate->chain, 1) ==
           1;
}

/* Every one that fits, the first last: of those with the same kind of key the last one counts. */
static bool show_matching(const struct certificates *certificates, const char *name, unsigned flags,
                          SSL *ssl, bool *ret_found)
{
    for (size_t i = certificates->count; i-- > 0;) {
        if (X509_check_host(certificates->at[i].leaf, name, 0, flags, NULL) == 1) {
            *ret_found = true;
            if (!show(&certificates->at[i], ssl)) {
                return false;
            }
        }
    }
    return true;
}

bool leat__tls_certificates_show(const struct certificates *certificates, const char *name,
                                 SSL *ssl)
{
    bool found = false;
    if (certificates->count == 0) {
        return true;
    }
    if (name && certificates->count > 1) {
        const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
        if (!show_matching(certificates, name, flags | X509_CHECK_FLAG_NO_WILDCARDS, ssl, &found)) {
            return false;
        }
        if (!found && !show_matching(certificates, name, flags, ssl, &found)) {
            return false;
        }
    }
    return found || show(&certificates->at[0], ssl);
}

/* ---- trust ---- */

int leat__tls_trust_add(X509_STORE *store, leat_tls_bytes pem, struct leat_tls_why *ret_why)
{
    ERR_clear_error();
    BIO *const bio = pem_open(pem);
    size_t count = 0;
    bool good = bio != NULL;
    X509 *next = NULL;
    while (good && (next = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL))) {
        good = X509_STORE_add_cert(store, next) == 1;
        X509_free(next);
        count++;
    }
    BIO_free(bio);
    good = good && is_end() && count > 0;
    const int status = good ? 0 : leat__tls_is_memory() ? -ENOMEM : -EINVAL;
    if (!good) {
        leat__tls_say(ret_why, "the trusted certificates: %s",
                      is_end() ? "there is none in the PEM text" : leat__tls_reason());
    }
    ERR_clear_error();
    return status;
}
