/* Where OpenSSL reads and writes: what was fed is read where it lies, what is written goes to
 * the caller's memory at once where there is some, otherwise it is kept.
 *
 * Invariant: a write never fails but for memory, so OpenSSL is never caught in the middle of
 * one. What is kept is bounded, because nothing is read while there is some: it is one flight of
 * a handshake, or one answer. */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ends the connection with the call that OpenSSL is in: it gives up when the BIO fails. */
static int give_up(leat_tls *tls, const char *why)
{
    tls->error = (struct leat_tls_error){.status = -EPROTO, .why = why, .detail = ""};
    return -1;
}

static int filter_read(BIO *bio, char *data, int len)
{
    leat_tls *const tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->error.why) {
        return -1;
    }
    if (len <= 0 || tls->in.len == 0 || tls->kept.len) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t take = (size_t)len < tls->in.len ? (size_t)len : tls->in.len;
    if (tls->phase == PHASE_HANDSHAKE) {
        tls->handshake_len += (uint32_t)take;
        if (tls->handshake_len > HANDSHAKE_LEN_MAX) {
            return give_up(tls, "the handshake is too long");
        }
        if (SSL_is_server(tls->ssl) && !leat__tls_hello_read(&tls->hello, tls->in.data, take)) {
            return give_up(tls, "the ClientHello is too long");
        }
    }
    memcpy(data, tls->in.data, take);
    tls->in.data += take;
    tls->in.len -= take;
    return (int)take;
}

static bool keep(struct leat_tls_out *kept, const char *data, size_t len)
{
    if (len > kept->cap - kept->len) {
        const size_t cap = 2 * (kept->len + len); /* of the flights of a handshake there are few */
        uint8_t *const grown = realloc(kept->data, cap);
        if (!grown) {
            return false;
        }
        kept->data = grown;
        kept->cap = cap;
    }
    memcpy(kept->data + kept->len, data, len);
    kept->len += len;
    return true;
}

static int filter_write(BIO *bio, const char *data, int len)
{
    leat_tls *const tls = BIO_get_data(bio);
    struct leat_tls_out *const sink = tls->sink;
    size_t direct = 0;
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    if (sink && tls->kept.len == 0) {
        const size_t room = sink->cap - sink->len;
        direct = room < (size_t)len ? room : (size_t)len;
        memcpy(sink->data + sink->len, data, direct);
        sink->len += direct;
    }
    if (direct < (size_t)len && !keep(&tls->kept, data + direct, (size_t)len - direct)) {
        tls->error =
            (struct leat_tls_error){.status = -ENOMEM, .why = "out of memory", .detail = ""};
        return -1;
    }
    return len;
}

static long filter_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is held back here; all else is not for us */
}

BIO_METHOD *leat__tls_bio_method(void)
{
    BIO_METHOD *const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "leat_tls");
    if (method && BIO_meth_set_read(method, filter_read) &&
        BIO_meth_set_write(method, filter_write) && BIO_meth_set_ctrl(method, filter_ctrl)) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}

bool leat__tls_bio_attach(leat_tls *tls, const BIO_METHOD *method)
{
    BIO *const bio = BIO_new(method);
    if (!bio) {
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio); /* for both directions, and it owns it */
    return true;
}

/* Called for each record and message. A peer could have us derive keys, or answer, for as long
 * as it likes, and never say anything: records without data are counted. The one that begins
 * here may bring some. */
static void on_message(int writing, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *arg)
{
    leat_tls *const tls = SSL_get_app_data(ssl);
    (void)version;
    (void)arg;
    if (!tls) {
        return; /* a trial of a certificate */
    }
    if (writing && type == SSL3_RT_HANDSHAKE && len &&
        *(const uint8_t *)data == SSL3_MT_SERVER_HELLO && SSL_version(ssl) == TLS1_3_VERSION) {
        leat__tls_hello_again(&tls->hello); /* it may be a HelloRetryRequest */
    }
    if (!writing && type == SSL3_RT_HEADER && tls->phase != PHASE_HANDSHAKE &&
        tls->idle_records++ > IDLE_RECORDS_MAX) {
        (void)give_up(tls, "too many records without data");
    }
}

void leat__tls_watch(SSL_CTX *ssl_ctx)
{
    SSL_CTX_set_msg_callback(ssl_ctx, on_message);
}
