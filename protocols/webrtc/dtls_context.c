/* What all connections of a process have in common: a key, a certificate for it, and the rules.
 *
 * Invariant: the SSL_CTX is set up before anybody else sees it and not changed after that, so any
 * number of threads may use it. */
#include "dtls_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#define DAYS_BEFORE 7
#define DAYS_AFTER 3650
/* RFC 8827, 6.5 asks for the first; all are with forward secrecy and an AEAD. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"
#define CHAIN_LEN_MAX 8192                /* bytes of a peer's certificates */
#define SECONDS_MAX INT64_C(240000000000) /* certificates end with the year 9999 */

/* ---- the certificate ---- */

static bool set_serial(X509 *x509)
{
    uint8_t bytes[8];
    uint64_t serial = 0;
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        serial = serial << 8 | bytes[i];
    }
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial | 1) == 1;
}

static bool sign(X509 *x509, EVP_PKEY *key, int64_t unix_time)
{
    X509_NAME *const name = X509_get_subject_name(x509);
    const time_t now = (time_t)unix_time;
    return X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
           ASN1_TIME_adj(X509_getm_notBefore(x509), now, -DAYS_BEFORE, 0) &&
           ASN1_TIME_adj(X509_getm_notAfter(x509), now, DAYS_AFTER, 0) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"leat", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(x509, name) == 1 && X509_set_pubkey(x509, key) == 1 &&
           X509_sign(x509, key, EVP_sha256()) > 0;
}

static bool set_certificate(leat_dtls_context *context, int64_t unix_time)
{
    EVP_PKEY *const key = EVP_EC_gen("P-256");
    X509 *const x509 = X509_new();
    const bool made = key && x509 && sign(x509, key, unix_time) &&
                      leat__dtls_fingerprint_write(x509, context->fingerprint) &&
                      SSL_CTX_use_certificate(context->ssl_ctx, x509) == 1 &&
                      SSL_CTX_use_PrivateKey(context->ssl_ctx, key) == 1;
    X509_free(x509);
    EVP_PKEY_free(key);
    return made;
}

/* ---- what OpenSSL asks in a handshake ---- */

/* In the place of its own verification: the fingerprint is what counts (RFC 8827, 6.5). It is asked
 * as soon as the certificate is there, so that nothing more is done for a wrong one; that the peer
 * has the key for it OpenSSL sees to. What was negotiated before is looked at here too, for the
 * alert is the right one then. */
static int on_verify(X509_STORE_CTX *store, void *arg)
{
    SSL *const ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    leat_dtls *const dtls = SSL_get_app_data(ssl);
    const X509 *const certificate = X509_STORE_CTX_get0_cert(store);
    (void)arg;
    if (!SSL_get_selected_srtp_profile(ssl)) {
        X509_STORE_CTX_set_error(store,
                                 X509_V_ERR_APPLICATION_VERIFICATION); /* handshake_failure */
        dtls->error = (struct leat_dtls_error){.status = -EPROTONOSUPPORT,
                                               .why = "no profile of SRTP in common"};
        return 0;
    }
    if (!certificate ||
        !leat__dtls_fingerprints_match(dtls->fingerprints, dtls->fingerprint_count, certificate)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED); /* bad_certificate */
        dtls->error = (struct leat_dtls_error){
            .status = -EACCES, .why = "the peer's certificate has none of the fingerprints"};
        return 0;
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    dtls->is_verified = true;
    return 1;
}

/* ---- opening ---- */

static const char *profiles_of(uint16_t srtp_profile)
{
    switch (srtp_profile) {
    case 0:
        return "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
    case LEAT_DTLS_SRTP_AEAD_AES_128_GCM:
        return "SRTP_AEAD_AES_128_GCM";
    case LEAT_DTLS_SRTP_AES128_CM_SHA1_80:
        return "SRTP_AES128_CM_SHA1_80";
    default:
        return NULL;
    }
}

static bool set_rules(SSL_CTX *ssl_ctx, const char *profiles)
{
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ssl_ctx, 1); /* a datagram is read whole */
    SSL_CTX_set_max_cert_list(ssl_ctx, CHAIN_LEN_MAX);
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ssl_ctx, on_verify, NULL);
    return SSL_CTX_set_min_proto_version(ssl_ctx, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl_ctx, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_send_fragment(ssl_ctx, LEAT_DTLS_DATAGRAM_LEN_MAX) == 1 &&
           SSL_CTX_set_cipher_list(ssl_ctx, CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(ssl_ctx, GROUPS) == 1 &&
           SSL_CTX_set_tlsext_use_srtp(ssl_ctx, profiles) == 0; /* 0 is success, of this one */
}

static void context_close(leat_dtls_context *context)
{
    SSL_CTX_free(context->ssl_ctx);
    BIO_meth_free(context->bio_method);
    CRYPTO_THREAD_lock_free(context->lock);
    free(context);
}

int leat_dtls_context_open(const struct leat_dtls_config *config, leat_dtls_context **ret)
{
    const char *const profiles = profiles_of(config->srtp_profile);
    if (!profiles || config->unix_time < 0 || config->unix_time > SECONDS_MAX) {
        return -EINVAL;
    }
    leat_dtls_context *const context = calloc(1, sizeof(*context));
    if (!context) {
        return -ENOMEM;
    }
    context->refs = 1;
    ERR_clear_error();
    context->lock = CRYPTO_THREAD_lock_new();
    context->bio_method = leat__dtls_bio_method();
    context->ssl_ctx = SSL_CTX_new(DTLS_method());
    const bool made = context->lock && context->bio_method && context->ssl_ctx &&
                      set_rules(context->ssl_ctx, profiles) &&
                      set_certificate(context, config->unix_time);
    ERR_clear_error();
    if (!made) {
        context_close(context);
        return -ENOMEM;
    }
    *ret = context;
    return 0;
}

leat_dtls_context *leat_dtls_context_ref(leat_dtls_context *context)
{
    int refs = 0;
    if (context) {
        CRYPTO_atomic_add(&context->refs, 1, &refs, context->lock);
        assert(refs > 1);
    }
    return context;
}

void leat_dtls_context_unref(leat_dtls_context *context)
{
    int refs = 0;
    if (!context) {
        return;
    }
    CRYPTO_atomic_add(&context->refs, -1, &refs, context->lock);
    assert(refs >= 0);
    if (refs == 0) {
        context_close(context);
    }
}

const char *leat_dtls_context_fingerprint(const leat_dtls_context *context)
{
    return context->fingerprint;
}
