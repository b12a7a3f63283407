/* One connection: what its bytes mean, and what is to be sent.
 *
 * Invariant: OpenSSL is called with nothing in the thread's queue of errors and leaves nothing
 * there; between calls it has no pointer to the caller's memory. An error is the end: OpenSSL is
 * not asked again. */
#include "connection.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "context.h"
#include "errors.h"

/* ---- failing ---- */

static void fail(leat_tls *tls, int status, const char *why)
{
    if (!tls->error.why) { /* else the BIO or the count of records knows better */
        tls->error = (struct leat_tls_error){.status = status, .why = why, .detail = ""};
    }
    tls->phase = PHASE_FAILED;
    tls->deadline = LEAT_NEVER;
}

static bool is_peers_alert(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET &&
           ERR_GET_REASON(error) <= SSL_AD_REASON_OFFSET + 255;
}

/* From the queue of errors. */
static void fail_by_queue(leat_tls *tls)
{
    const unsigned long error = ERR_peek_last_error();
    const long verified = SSL_get_verify_result(tls->ssl);
    if (leat__tls_is_memory()) {
        fail(tls, -ENOMEM, "out of memory");
    } else if (is_peers_alert(error)) {
        fail(tls, -ECONNRESET, leat__tls_reason());
        tls->error.alert = (uint8_t)(ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET);
    } else if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        fail(tls, -EKEYREJECTED, leat__tls_reason());
        tls->error.detail = X509_verify_cert_error_string(verified);
    } else {
        fail(tls, -EPROTO, leat__tls_reason());
    }
}

/* After a call that did not succeed: was it the end, or is there only nothing to read? */
static void look_at_failure(leat_tls *tls)
{
    switch (SSL_get_error(tls->ssl, -1)) {
    case SSL_ERROR_WANT_READ:
        if (tls->error.why) {
            fail(tls, 0, NULL);
        }
        break;
    case SSL_ERROR_ZERO_RETURN:
        tls->phase = PHASE_ENDED;
        break;
    case SSL_ERROR_SSL:
        fail_by_queue(tls);
        break;
    default:
        fail(tls, -EPROTO, "OpenSSL gave up");
        break;
    }
}

/* ---- sessions ---- */

/* A saved session is a byte with the length of the host's name, the name, and the session as
 * OpenSSL writes it. It is of use only for that host: nobody is verified again when it is
 * resumed. */
static void offer_session(SSL *ssl, const char *host, leat_tls_bytes saved)
{
    const size_t len = strlen(host), head = 1 + len;
    if (saved.len <= head || saved.len - head > LONG_MAX || saved.data[0] != len ||
        memcmp(saved.data + 1, host, len) != 0) {
        return;
    }
    const unsigned char *at = saved.data + head;
    SSL_SESSION *const session = d2i_SSL_SESSION(NULL, &at, (long)(saved.len - head));
    if (session) {
        (void)SSL_set_session(ssl, session);
        SSL_SESSION_free(session);
    }
    ERR_clear_error();
}

int leat_tls_session_save(leat_tls *tls, struct leat_tls_out *out)
{
    SSL_SESSION *const session = SSL_get0_session(tls->ssl);
    const char *const host = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    if (tls->context->role != LEAT_TLS_CLIENT || tls->phase == PHASE_HANDSHAKE || !host ||
        !session || !SSL_SESSION_is_resumable(session)) {
        return -EAGAIN;
    }
    ERR_clear_error();
    const int len = i2d_SSL_SESSION(session, NULL);
    ERR_clear_error();
    const size_t head = 1 + strlen(host), room = out->cap - out->len;
    if (len <= 0) {
        return -EAGAIN;
    }
    if (room < head || room - head < (size_t)len) {
        return -ENOSPC;
    }
    unsigned char *at = out->data + out->len;
    *at++ = (uint8_t)(head - 1); /* set_host let no longer one through */
    memcpy(at, host, head - 1);
    at += head - 1;
    (void)i2d_SSL_SESSION(session, &at);
    out->len += head + (size_t)len;
    return 0;
}

/* ---- life ---- */

static bool is_address(const char *host)
{
    ASN1_OCTET_STRING *const address = a2i_IPADDRESS(host);
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    return address != NULL;
}

static int set_host(leat_tls *tls, const struct leat_tls_options *options)
{
    const char *const host = options ? options->host : NULL;
    /* A dot in front would stand for any name below. */
    if (!host || *host == '\0' || *host == '.' || strlen(host) > TLSEXT_MAXLEN_host_name) {
        return -EINVAL;
    }
    if (is_address(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) == 1 ? 0 : -EINVAL;
    }
    /* What its subject is called is no name of a host (RFC 9525, 2). */
    SSL_set_hostflags(tls->ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (SSL_set1_host(tls->ssl, host) != 1 || SSL_set_tlsext_host_name(tls->ssl, host) != 1) {
        return -EINVAL;
    }
    offer_session(tls->ssl, host, options->session);
    return 0;
}

static int tls_init(leat_tls *tls, leat_tls_context *context,
                    const struct leat_tls_options *options)
{
    ERR_clear_error();
    tls->ssl = SSL_new(context->ssl_ctx);
    if (!tls->ssl || !leat__tls_bio_attach(tls, context->bio_method) ||
        SSL_set_app_data(tls->ssl, tls) != 1) {
        return -ENOMEM;
    }
    if (options && options->unix_time) {
        X509_VERIFY_PARAM_set_time(SSL_get0_param(tls->ssl), (time_t)options->unix_time);
    }
    if (context->role == LEAT_TLS_SERVER) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    const int status = set_host(tls, options);
    if (status == 0 && SSL_do_handshake(tls->ssl) != 1) {
        look_at_failure(tls); /* it waits for an answer to what is kept now */
    }
    return status ? status : tls->phase == PHASE_FAILED ? -ENOMEM : 0;
}

int leat_tls_open(leat_tls_context *context, const struct leat_tls_options *options, leat_time now,
                  leat_tls **ret)
{
    leat_tls *const tls = calloc(1, sizeof(*tls));
    if (!tls) {
        return -ENOMEM;
    }
    tls->context = leat_tls_context_ref(context);
    const leat_time last = LEAT_NEVER - 1;
    tls->deadline = context->handshake_ns < last - now ? now + context->handshake_ns : last;
    const int status = tls_init(tls, context, options);
    ERR_clear_error();
    if (status != 0) {
        leat_tls_close(tls);
        return status;
    }
    *ret = tls;
    return 0;
}

void leat_tls_close(leat_tls *tls)
{
    if (!tls) {
        return;
    }
    SSL_free(tls->ssl);
    leat_tls_context_unref(tls->context); /* after it: the BIO's functions are the context's */
    free(tls->kept.data);
    free(tls);
}

/* ---- reading ---- */

static void tell_opened(leat_tls *tls, struct leat_tls_event *ret)
{
    struct leat_tls_opened *const opened = &ret->u.opened;
    const unsigned char *protocol = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &len);
    ret->kind = LEAT_TLS_OPENED;
    opened->protocol = leat_tls_bytes_of(protocol, len);
    opened->server_name = NULL;
    if (tls->context->role == LEAT_TLS_SERVER) {
        opened->server_name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    }
    opened->version = SSL_get_version(tls->ssl);
    opened->cipher = SSL_get_cipher_name(tls->ssl);
    opened->resumed = SSL_session_reused(tls->ssl) == 1;
}

static void shake_hands(leat_tls *tls, struct leat_tls_event *ret)
{
    if (SSL_do_handshake(tls->ssl) != 1) {
        look_at_failure(tls);
        return;
    }
    const long verified = SSL_get_verify_result(tls->ssl);
    if (SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE && verified != X509_V_OK) {
        /* A session that was saved where nobody was verified. */
        fail(tls, -EKEYREJECTED, "the session is of an unverified connection");
        tls->error.detail = X509_verify_cert_error_string(verified);
        return;
    }
    tls->phase = PHASE_OPEN;
    tls->deadline = LEAT_NEVER;
    tell_opened(tls, ret);
}

static void decrypt(leat_tls *tls, struct leat_tls_out *plain, struct leat_tls_event *ret)
{
    const size_t before = plain->len;
    assert(plain->len < plain->cap);
    while (tls->phase == PHASE_OPEN && plain->len < plain->cap &&
           (tls->in.len || SSL_pending(tls->ssl))) {
        size_t len = 0;
        if (SSL_read_ex(tls->ssl, plain->data + plain->len, plain->cap - plain->len, &len) != 1) {
            look_at_failure(tls);
            break;
        }
        plain->len += len;
        tls->idle_records = 0;
    }
    if (plain->len > before) {
        ret->kind = LEAT_TLS_DATA;
        ret->u.data = leat_tls_bytes_of(plain->data + before, plain->len - before);
    }
}

/* CLOSED or ERROR, once. */
static void tell_end(leat_tls *tls, struct leat_tls_event *ret)
{
    if (tls->phase < PHASE_ENDED || tls->told) {
        return;
    }
    tls->told = true;
    ret->kind = tls->phase == PHASE_ENDED ? LEAT_TLS_CLOSED : LEAT_TLS_ERROR;
    if (ret->kind == LEAT_TLS_ERROR) {
        assert(tls->error.why && tls->error.status);
        ret->u.error = tls->error;
    }
}

void leat_tls_read(leat_tls *tls, leat_tls_bytes *in, struct leat_tls_out *plain,
                   struct leat_tls_event *ret)
{
    ret->kind = LEAT_TLS_NONE;
    if (tls->phase <= PHASE_OPEN && tls->kept.len == 0) {
        ERR_clear_error();
        tls->in = *in;
        if (tls->phase == PHASE_OPEN) {
            decrypt(tls, plain, ret);
        } else if (tls->in.len) {
            shake_hands(tls, ret);
        }
        *in = tls->in;
        tls->in = leat_tls_bytes_of(NULL, 0);
        ERR_clear_error();
    }
    if (tls->phase >= PHASE_ENDED) {
        *in = leat_tls_bytes_of(in->data + in->len, 0);
    }
    if (ret->kind == LEAT_TLS_NONE) {
        tell_end(tls, ret);
    }
    if (ret->kind == LEAT_TLS_NONE && tls->kept.len) {
        ret->kind = LEAT_TLS_FLUSH;
    }
}

void leat_tls_eof(leat_tls *tls, struct leat_tls_event *ret)
{
    ret->kind = LEAT_TLS_NONE;
    if (tls->phase <= PHASE_OPEN) {
        fail(tls, -ECONNABORTED,
             tls->phase == PHASE_OPEN ? "the connection ended without close_notify"
                                      : "the connection ended in the handshake");
    }
    tell_end(tls, ret);
}

leat_time leat_tls_deadline(const leat_tls *tls)
{
    return tls->deadline;
}

void leat_tls_expire(leat_tls *tls, leat_time now, struct leat_tls_event *ret)
{
    ret->kind = LEAT_TLS_NONE;
    if (tls->deadline == LEAT_NEVER || now < tls->deadline) {
        return;
    }
    fail(tls, -ETIMEDOUT, "the handshake took too long");
    tell_end(tls, ret);
}

/* ---- writing ---- */

size_t leat_tls_pending(const leat_tls *tls)
{
    return tls->kept.len;
}

void leat_tls_flush(leat_tls *tls, struct leat_tls_out *out)
{
    struct leat_tls_out *const kept = &tls->kept;
    const size_t room = out->cap - out->len;
    const size_t len = room < kept->len ? room : kept->len;
    if (len == 0) {
        return;
    }
    memcpy(out->data + out->len, kept->data, len);
    out->len += len;
    kept->len -= len;
    if (kept->len) {
        memmove(kept->data, kept->data + len, kept->len);
        return;
    }
    free(kept->data);
    *kept = (struct leat_tls_out){0};
}

size_t leat_tls_write_len(const leat_tls *tls, size_t len)
{
    const size_t records = len / LEAT_TLS_RECORD_LEN_MAX + (len % LEAT_TLS_RECORD_LEN_MAX != 0);
    /* One more: OpenSSL answers a KeyUpdate with the next write. */
    return tls->kept.len + len + (records + 1) * LEAT_TLS_RECORD_OVERHEAD;
}

int leat_tls_write(leat_tls *tls, leat_tls_bytes bytes, struct leat_tls_out *out)
{
    if (tls->phase == PHASE_HANDSHAKE) {
        return -ENOTCONN;
    }
    if (tls->phase == PHASE_FAILED || tls->finished) {
        return -EPIPE;
    }
    if (leat_tls_write_len(tls, bytes.len) > out->cap - out->len) {
        return -ENOSPC;
    }
    if (SSL_in_init(tls->ssl)) {
        return -EAGAIN; /* OpenSSL would want the rest of a message of the peer's first */
    }
    leat_tls_flush(tls, out);
    if (bytes.len == 0) {
        return 0;
    }
    ERR_clear_error();
    size_t written = 0;
    tls->sink = out;
    const bool good = SSL_write_ex(tls->ssl, bytes.data, bytes.len, &written) == 1;
    tls->sink = NULL;
    if (!good) {
        look_at_failure(tls);
        fail(tls, -EPROTO, "OpenSSL did not write"); /* if it has not said why */
    }
    ERR_clear_error();
    assert(!good || written == bytes.len);
    return good ? 0 : -EPIPE;
}

int leat_tls_finish(leat_tls *tls)
{
    if (tls->phase == PHASE_HANDSHAKE) {
        return -ENOTCONN;
    }
    if (tls->phase == PHASE_FAILED) {
        return -EPIPE;
    }
    if (!tls->finished) {
        tls->finished = true;
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl); /* in the middle of a peer's message it is left unsaid */
        ERR_clear_error();
    }
    return 0;
}

bool leat_tls_is_done(const leat_tls *tls)
{
    return tls->phase == PHASE_FAILED || (tls->phase == PHASE_ENDED && tls->finished);
}
