/* What the connections of a service have in common: certificates, trust, protocols, ticket keys.
 *
 * Invariant: the SSL_CTX is set up before anybody else sees it and not changed after that, for
 * OpenSSL lets nobody change one that is in use. What does change, certificates and ticket keys,
 * is ours, behind a lock that a handshake takes for reading and a reload for the moment of an
 * exchange. */
#include "context.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#include "connection.h"
#include "errors.h"

/* With forward secrecy and an AEAD, so that a record grows by a known, small number of bytes. */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TICKET_SECONDS 7200
#define CHAIN_LEN_MAX 65536 /* bytes of a peer's certificates */

void leat_tls_config_default(enum leat_tls_role role, struct leat_tls_config *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->role = role;
    ret->handshake_ns = 10 * LEAT_SEC;
}

/* ---- what OpenSSL asks in a handshake ---- */

static int on_certificate(SSL *ssl, void *arg)
{
    leat_tls_context *const context = arg;
    const char *name = NULL;
    if (context->role == LEAT_TLS_SERVER) {
        name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    }
    if (!CRYPTO_THREAD_read_lock(context->lock)) {
        return 0;
    }
    const bool shown = leat__tls_certificates_show(context->certificates, name, ssl);
    CRYPTO_THREAD_unlock(context->lock);
    return shown;
}

/* The certificate is chosen elsewhere; this tells the client that its name was heard (RFC 6066,
 * 3). */
static int on_server_name(SSL *ssl, int *ret_alert, void *arg)
{
    (void)ssl;
    (void)ret_alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

static int on_protocols(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                        const unsigned char *offered, unsigned offered_len, void *arg)
{
    const leat_tls_context *const context = arg;
    (void)ssl;
    /* It gives the client's first when there is no match, and does not write to what it was
     * given. */
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, ret_len, context->protocols, context->protocols_len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
    leat_tls_context *const context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (!CRYPTO_THREAD_read_lock(context->lock)) {
        return -1;
    }
    const int status =
        leat__tls_tickets_use(&context->tickets, name, iv, cipher, mac, sealing != 0);
    CRYPTO_THREAD_unlock(context->lock);
    return status;
}

/* ---- opening ---- */

/* Where distributions put the bundle; in front, what the user or OpenSSL says. */
static const char *find_bundle(void)
{
    const char *const files[] = {getenv(X509_get_default_cert_file_env()),
                                 X509_get_default_cert_file(),
                                 "/etc/ssl/certs/ca-certificates.crt",
                                 "/etc/pki/tls/certs/ca-bundle.crt",
                                 "/etc/ssl/ca-bundle.pem",
                                 "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i] && access(files[i], R_OK) == 0) {
            return files[i];
        }
    }
    return NULL;
}

/* All of it now: left to itself OpenSSL reads a file for each issuer in the middle of a
 * handshake. */
static int trust_system(X509_STORE *store, struct leat_tls_why *ret_why)
{
    const char *const file = find_bundle();
    if (!file) {
        leat__tls_say(ret_why, "no bundle of trusted certificates was found; give one");
        return -ENOENT;
    }
    ERR_clear_error();
    const bool loaded = X509_STORE_load_file(store, file) == 1;
    if (!loaded) {
        leat__tls_say(ret_why, "the trusted certificates in %s: %s", file, leat__tls_reason());
    }
    ERR_clear_error();
    return loaded ? 0 : -EINVAL;
}

static int set_trust(leat_tls_context *context, const struct leat_tls_config *config,
                     struct leat_tls_why *ret_why)
{
    const bool is_server = config->role == LEAT_TLS_SERVER;
    if (config->unverified || (is_server && config->trust.len == 0)) {
        SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_NONE, NULL);
        return 0;
    }
    SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    X509_STORE *const store = SSL_CTX_get_cert_store(context->ssl_ctx);
    return config->trust.len ? leat__tls_trust_add(store, config->trust, ret_why)
                             : trust_system(store, ret_why);
}

static int set_protocols(leat_tls_context *context, const struct leat_tls_config *config,
                         struct leat_tls_why *ret_why)
{
    if (config->protocol_count == 0) {
        return 0;
    }
    if (config->protocol_count > LEAT_TLS_PROTOCOLS_MAX) {
        leat__tls_say(ret_why, "more than %u protocols", LEAT_TLS_PROTOCOLS_MAX);
        return -EINVAL;
    }
    context->protocols = malloc(config->protocol_count * 256);
    if (!context->protocols) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < config->protocol_count; i++) {
        const size_t len = strlen(config->protocols[i]);
        if (len == 0 || len > 255) {
            leat__tls_say(ret_why, "protocol %zu: its name must have 1 to 255 bytes", i + 1);
            return -EINVAL;
        }
        context->protocols[context->protocols_len] = (uint8_t)len;
        memcpy(context->protocols + context->protocols_len + 1, config->protocols[i], len);
        context->protocols_len += (unsigned)len + 1;
    }
    if (config->role == LEAT_TLS_SERVER) {
        SSL_CTX_set_alpn_select_cb(context->ssl_ctx, on_protocols, context);
        return 0;
    }
    return SSL_CTX_set_alpn_protos(context->ssl_ctx, context->protocols, context->protocols_len)
               ? -ENOMEM
               : 0;
}

/* A ticket is resumed only where the same are trusted: nobody is asked for a certificate then, and
 * contexts may share their keys. */
static bool set_session_name(SSL_CTX *ssl_ctx, leat_tls_bytes trust)
{
    unsigned char name[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    return EVP_Digest(trust.data, trust.len, name, &len, EVP_sha256(), NULL) == 1 &&
           SSL_CTX_set_session_id_context(ssl_ctx, name, len) == 1;
}

static bool set_rules(leat_tls_context *context, leat_tls_bytes trust)
{
    SSL_CTX *const ssl_ctx = context->ssl_ctx;
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (context->role == LEAT_TLS_SERVER) {
        SSL_CTX_set_options(ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
        SSL_CTX_set_app_data(ssl_ctx, context);
        SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_server_name);
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket);
    }
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS);         /* who lies idle has none */
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF); /* tickets only: nothing is kept */
    SSL_CTX_set_timeout(ssl_ctx, TICKET_SECONDS);
    SSL_CTX_set_max_cert_list(ssl_ctx, CHAIN_LEN_MAX);
    SSL_CTX_set_cert_cb(ssl_ctx, on_certificate, context);
    leat__tls_watch(ssl_ctx);
    return SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl_ctx, CIPHERS_1_2) == 1 &&
           set_session_name(ssl_ctx, trust);
}

static int context_init(leat_tls_context *context, const struct leat_tls_config *config,
                        struct leat_tls_why *ret_why)
{
    const bool is_server = config->role == LEAT_TLS_SERVER;
    context->role = config->role;
    context->handshake_ns = config->handshake_ns;
    context->refs = 1;
    ERR_clear_error();
    context->lock = CRYPTO_THREAD_lock_new();
    context->bio_method = leat__tls_bio_method();
    context->ssl_ctx = SSL_CTX_new(TLS_method());
    const bool made = context->lock && context->bio_method && context->ssl_ctx &&
                      set_rules(context, is_server ? config->trust : leat_tls_bytes_of("", 0)) &&
                      RAND_bytes((uint8_t *)&context->tickets.now, LEAT_TLS_TICKET_KEY_LEN) == 1;
    if (!made) {
        leat__tls_say(ret_why, "OpenSSL: %s", leat__tls_reason());
        ERR_clear_error();
        return -ENOMEM;
    }
    int status = set_protocols(context, config, ret_why);
    status = status ? status : set_trust(context, config, ret_why);
    return status ? status
                  : leat__tls_certificates_open(context->ssl_ctx, config->certificates,
                                                config->certificate_count, ret_why,
                                                &context->certificates);
}

static void context_close(leat_tls_context *context)
{
    leat__tls_certificates_close(context->certificates);
    SSL_CTX_free(context->ssl_ctx);
    BIO_meth_free(context->bio_method);
    CRYPTO_THREAD_lock_free(context->lock);
    free(context->protocols);
    OPENSSL_cleanse(context, sizeof(*context));
    free(context);
}

static int check_config(const struct leat_tls_config *config, struct leat_tls_why *ret_why)
{
    if (config->role == LEAT_TLS_SERVER && config->certificate_count == 0) {
        leat__tls_say(ret_why, "a server needs a certificate");
        return -EINVAL;
    }
    if (config->role == LEAT_TLS_CLIENT && config->certificate_count > 1) {
        leat__tls_say(ret_why, "a client has one certificate at most");
        return -EINVAL;
    }
    if (config->role == LEAT_TLS_SERVER && config->unverified) {
        leat__tls_say(
            ret_why,
            "a server that trusts nobody asks for no certificate; unverified is a client's");
        return -EINVAL;
    }
    return 0;
}

int leat_tls_context_open(const struct leat_tls_config *config, struct leat_tls_why *ret_why,
                          leat_tls_context **ret)
{
    leat__tls_say(ret_why, "out of memory");
    int status = check_config(config, ret_why);
    if (status != 0) {
        return status;
    }
    leat_tls_context *const context = calloc(1, sizeof(*context));
    if (!context) {
        return -ENOMEM;
    }
    status = context_init(context, config, ret_why);
    if (status != 0) {
        context_close(context);
        return status;
    }
    *ret = context;
    return 0;
}

/* ---- references ---- */

leat_tls_context *leat_tls_context_ref(leat_tls_context *context)
{
    int refs = 0;
    if (context) {
        CRYPTO_atomic_add(&context->refs, 1, &refs, context->lock);
        assert(refs > 1);
    }
    return context;
}

void leat_tls_context_unref(leat_tls_context *context)
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

/* ---- changes ---- */

int leat_tls_context_reload(leat_tls_context *context,
                            const struct leat_tls_certificate *certificates, size_t count,
                            struct leat_tls_why *ret_why)
{
    leat__tls_say(ret_why, "out of memory");
    const struct leat_tls_config config = {.role = context->role, .certificate_count = count};
    struct certificates *made = NULL;
    int status = check_config(&config, ret_why);
    status =
        status ? status
               : leat__tls_certificates_open(context->ssl_ctx, certificates, count, ret_why, &made);
    if (status != 0) {
        return status;
    }
    struct certificates *old = made;
    if (CRYPTO_THREAD_write_lock(context->lock)) {
        old = context->certificates;
        context->certificates = made;
        CRYPTO_THREAD_unlock(context->lock);
    }
    leat__tls_certificates_close(old);
    return old == made ? -ENOMEM : 0;
}

int leat_tls_context_rotate(leat_tls_context *context, const uint8_t *key)
{
    struct ticket_key fresh;
    if (context->role != LEAT_TLS_SERVER) {
        return -EINVAL;
    }
    if (key) {
        memcpy(&fresh, key, sizeof(fresh));
    } else if (RAND_bytes((uint8_t *)&fresh, sizeof(fresh)) != 1) {
        ERR_clear_error();
        return -EIO;
    }
    const bool locked = CRYPTO_THREAD_write_lock(context->lock);
    if (locked) {
        context->tickets.before = context->tickets.now;
        context->tickets.has_before = true;
        context->tickets.now = fresh;
        CRYPTO_THREAD_unlock(context->lock);
    }
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    return locked ? 0 : -EIO;
}
