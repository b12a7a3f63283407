/* One connection: what the datagrams of the peer mean, what is to be sent, when, and the keys.
 *
 * Invariant: OpenSSL is called with nothing in the thread's queue of errors and leaves nothing
 * there; between calls it has no pointer to the caller's memory. CLOSED and FAILED are the end:
 * OpenSSL's object is freed, only datagrams that wait are left. It is freed too when a
 * connection is settled: alerts are all that is said from then on (dtls_alert.c). */
#include "dtls_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

/* A handshake takes about 10, with much loss 50. */
#define HANDSHAKE_DATAGRAMS_MAX 256u
#define EXPORTER "EXTRACTOR-dtls_srtp"

/* ---- the end ---- */

/* Frees what a connection has no use for any more, but for the datagrams that wait. */
static void end(leat_dtls *dtls, enum leat_dtls_state state)
{
    dtls->state = state;
    dtls->retransmit = dtls->expire = LEAT_NEVER;
    leat__dtls_queue_free(&dtls->again);
    SSL_free(dtls->ssl);
    dtls->ssl = NULL;
    OPENSSL_cleanse(&dtls->keys, sizeof(dtls->keys));
    OPENSSL_cleanse(&dtls->alerts, sizeof(dtls->alerts));
}

static void fail(leat_dtls *dtls, int status, const char *why)
{
    if (dtls->error.status == 0) { /* else the verification knows better */
        dtls->error = (struct leat_dtls_error){.status = status, .why = why};
    }
    end(dtls, LEAT_DTLS_FAILED);
}

/* From the queue of errors. */
static void fail_by_queue(leat_dtls *dtls)
{
    const unsigned long error = ERR_peek_last_error();
    const int reason = ERR_GET_REASON(error);
    const char *const words = ERR_reason_error_string(error);
    const char *const why = words ? words : "OpenSSL does not say why";
    if (reason == ERR_R_MALLOC_FAILURE) {
        fail(dtls, -ENOMEM, "out of memory");
    } else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
               reason <= SSL_AD_REASON_OFFSET + 255) {
        fail(dtls, -ECONNRESET, why);
        dtls->error.alert = (uint8_t)(reason - SSL_AD_REASON_OFFSET);
    } else {
        fail(dtls, -EPROTO, why);
    }
}

/* After a call that did not succeed: was it the end, or is there only nothing to read? */
static void look_at_failure(leat_dtls *dtls, int result)
{
    switch (SSL_get_error(dtls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        (void)SSL_shutdown(dtls->ssl); /* the answer (RFC 5246, 7.2.1) */
        end(dtls, LEAT_DTLS_CLOSED);
        break;
    case SSL_ERROR_SSL:
        fail_by_queue(dtls);
        break;
    default:
        fail(dtls, -EPROTO, "OpenSSL gave up");
        break;
    }
}

/* ---- connected ---- */

/* RFC 5764, 4.2: the client's key, the server's, the client's salt, the server's. */
static bool export_keys(leat_dtls *dtls)
{
    const SRTP_PROTECTION_PROFILE *const profile = SSL_get_selected_srtp_profile(dtls->ssl);
    struct leat_dtls_srtp_keys *const keys = &dtls->keys;
    uint8_t bytes[2 * (16 + 14)];
    if (!profile) {
        return false;
    }
    const size_t key = 16, salt = profile->id == SRTP_AEAD_AES_128_GCM ? 12 : 14;
    if (SSL_export_keying_material(dtls->ssl, bytes, 2 * (key + salt), EXPORTER,
                                   sizeof(EXPORTER) - 1, NULL, 0, 0) != 1) {
        return false;
    }
    const size_t local = dtls->role == LEAT_DTLS_PASSIVE, remote = !local;
    keys->profile = (uint16_t)profile->id;
    keys->key_len = (uint8_t)key;
    keys->salt_len = (uint8_t)salt;
    memcpy(keys->local_key, bytes + local * key, key);
    memcpy(keys->remote_key, bytes + remote * key, key);
    memcpy(keys->local_salt, bytes + 2 * key + local * salt, salt);
    memcpy(keys->remote_salt, bytes + 2 * key + remote * salt, salt);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return true;
}

static void shake_hands(leat_dtls *dtls)
{
    const int result = SSL_do_handshake(dtls->ssl);
    if (result != 1) {
        look_at_failure(dtls, result);
        return;
    }
    if (!dtls->is_verified || !export_keys(dtls)) {
        fail(dtls, -EPROTO, "the handshake ended without a verified peer and keys");
        return;
    }
    dtls->state = LEAT_DTLS_CONNECTED;
    dtls->retransmit = dtls->expire = LEAT_NEVER;
    leat__dtls_queue_free(&dtls->again);
}

/* What comes now is a repetition of the handshake, which OpenSSL answers, close_notify, or data:
 * nobody here has a use for that. */
static void read_on(leat_dtls *dtls)
{
    uint8_t data[2048];
    int len = 0;
    while (dtls->state == LEAT_DTLS_CONNECTED &&
           (len = SSL_read(dtls->ssl, data, sizeof(data))) > 0) {
        dtls->counts.dropped++;
    }
    if (dtls->state == LEAT_DTLS_CONNECTED) {
        look_at_failure(dtls, len);
    }
}

/* OpenSSL's buffers are 18 KB; they exist only while it works. */
static void step(leat_dtls *dtls)
{
    ERR_clear_error();
    if (SSL_alloc_buffers(dtls->ssl) != 1) {
        dtls->counts.dropped++;
        ERR_clear_error();
        return;
    }
    if (dtls->state == LEAT_DTLS_HANDSHAKING) {
        shake_hands(dtls);
    }
    if (dtls->state == LEAT_DTLS_CONNECTED) {
        read_on(dtls);
    }
    if (dtls->ssl) {
        (void)SSL_free_buffers(dtls->ssl);
    }
    ERR_clear_error();
}

/* ---- settled ---- */

void leat_dtls_settle(leat_dtls *dtls)
{
    if (dtls->state != LEAT_DTLS_CONNECTED || dtls->is_settled) {
        return;
    }
    ERR_clear_error();
    if (leat__dtls_alerts_init(dtls->ssl, &dtls->alerts)) {
        dtls->is_settled = true;
        SSL_free(dtls->ssl);
        dtls->ssl = NULL;
    }
    ERR_clear_error();
}

static void say_close_notify(leat_dtls *dtls)
{
    uint8_t record[DTLS_ALERT_RECORD_MAX];
    const size_t len =
        leat__dtls_alerts_seal(&dtls->alerts, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY, record);
    if (!leat__dtls_queue_put(&dtls->out, 0, record, len)) {
        dtls->counts.dropped++;
    }
}

static void take_alert(leat_dtls *dtls, uint8_t level, uint8_t what)
{
    if (what == SSL_AD_CLOSE_NOTIFY) {
        say_close_notify(dtls); /* the answer (RFC 5246, 7.2.1) */
        end(dtls, LEAT_DTLS_CLOSED);
    } else if (level == SSL3_AL_FATAL) {
        fail(dtls, -ECONNRESET, SSL_alert_desc_string_long(what));
        dtls->error.alert = what;
    }
}

static void receive_settled(leat_dtls *dtls, const uint8_t *data, size_t len)
{
    ERR_clear_error();
    while (len > 0 && dtls->state == LEAT_DTLS_CONNECTED) {
        const size_t record_len = leat__dtls_record_len(data, len);
        uint8_t level, what;
        if (record_len == 0) {
            dtls->counts.dropped++;
            break;
        }
        if (leat__dtls_record_fits(dtls, data, record_len) &&
            leat__dtls_alerts_open(&dtls->alerts, data, record_len, &level, &what)) {
            take_alert(dtls, level, what);
        } else {
            dtls->counts.dropped++;
        }
        data += record_len;
        len -= record_len;
    }
    ERR_clear_error();
}

/* ---- life ---- */

static bool dtls_init(leat_dtls *dtls)
{
    ERR_clear_error();
    dtls->ssl = SSL_new(dtls->context->ssl_ctx);
    if (!dtls->ssl || SSL_set_app_data(dtls->ssl, dtls) != 1 || !leat__dtls_bio_attach(dtls) ||
        SSL_set_mtu(dtls->ssl, LEAT_DTLS_DATAGRAM_LEN_MAX) == 0) {
        ERR_clear_error();
        return false;
    }
    if (dtls->role == LEAT_DTLS_PASSIVE) {
        SSL_set_accept_state(dtls->ssl);
        return true;
    }
    SSL_set_connect_state(dtls->ssl);
    step(dtls);
    return dtls->state == LEAT_DTLS_HANDSHAKING && leat__dtls_queue_tag(&dtls->again) != 0;
}

int leat_dtls_open(leat_dtls_context *context, enum leat_dtls_role role,
                   const struct leat_dtls_fingerprint *fingerprints, size_t count, leat_time now,
                   leat_dtls **ret)
{
    if (count == 0 || count > LEAT_DTLS_FINGERPRINTS_MAX) {
        return -EINVAL;
    }
    leat_dtls *const dtls = calloc(1, sizeof(*dtls));
    if (!dtls) {
        return -ENOMEM;
    }
    dtls->context = leat_dtls_context_ref(context);
    dtls->role = role;
    dtls->error.why = "";
    memcpy(dtls->fingerprints, fingerprints, count * sizeof(*fingerprints));
    dtls->fingerprint_count = (uint8_t)count;
    dtls->now = now;
    dtls->retransmit = LEAT_NEVER;
    dtls->expire = now + LEAT_DTLS_HANDSHAKE_NS;
    if (!dtls_init(dtls)) {
        leat_dtls_close(dtls);
        return -ENOMEM;
    }
    *ret = dtls;
    return 0;
}

void leat_dtls_close(leat_dtls *dtls)
{
    if (!dtls) {
        return;
    }
    end(dtls, LEAT_DTLS_CLOSED);
    leat__dtls_queue_free(&dtls->out);
    leat_dtls_context_unref(dtls->context); /* after SSL_free: the BIO's functions are its */
    free(dtls);
}

/* ---- in ---- */

void leat_dtls_receive(leat_dtls *dtls, leat_time now, const uint8_t *data, size_t len)
{
    dtls->now = now;
    dtls->counts.received++;
    if (dtls->state == LEAT_DTLS_CONNECTED && dtls->is_settled) {
        receive_settled(dtls, data, len);
        return;
    }
    if (!dtls->ssl || !leat_dtls_is(data, len) ||
        (dtls->state == LEAT_DTLS_HANDSHAKING &&
         dtls->handshake_datagrams++ >= HANDSHAKE_DATAGRAMS_MAX)) {
        dtls->counts.dropped++;
        return;
    }
    dtls->in = data;
    dtls->in_len = len;
    step(dtls);
    dtls->in = NULL;
    dtls->in_len = 0;
}

leat_time leat_dtls_deadline(const leat_dtls *dtls)
{
    return dtls->retransmit < dtls->expire ? dtls->retransmit : dtls->expire;
}

/* The next retransmission goes to where it will be transmitted. */
static void retransmit(leat_dtls *dtls)
{
    const uint8_t round = leat__dtls_queue_tag(&dtls->again);
    while (round && leat__dtls_queue_tag(&dtls->again) == round) {
        const uint8_t *data = NULL;
        size_t len = 0;
        uint8_t tag = 0;
        (void)leat__dtls_queue_take(&dtls->again, &tag, &data, &len);
        if (!leat__dtls_queue_put(&dtls->out, 0, data, len)) {
            dtls->counts.dropped++;
        }
    }
    dtls->counts.retransmitted++;
    dtls->interval *= 2;
    dtls->retransmit = leat__dtls_queue_tag(&dtls->again) ? dtls->now + dtls->interval : LEAT_NEVER;
}

void leat_dtls_timeout(leat_dtls *dtls, leat_time now)
{
    dtls->now = now;
    if (now >= dtls->expire) {
        fail(dtls, -ETIMEDOUT, "the handshake took too long");
    } else if (now >= dtls->retransmit) {
        retransmit(dtls);
    }
}

enum leat_dtls_state leat_dtls_state(const leat_dtls *dtls, struct leat_dtls_error *ret_error)
{
    if (ret_error) {
        *ret_error = dtls->error;
    }
    return dtls->state;
}

/* ---- out ---- */

bool leat_dtls_transmit(leat_dtls *dtls, const uint8_t **ret_data, size_t *ret_len)
{
    uint8_t tag = 0;
    if (!leat__dtls_queue_take(&dtls->out, &tag, ret_data, ret_len)) {
        return false;
    }
    dtls->counts.transmitted++;
    return true;
}

void leat_dtls_finish(leat_dtls *dtls)
{
    if (dtls->state != LEAT_DTLS_HANDSHAKING && dtls->state != LEAT_DTLS_CONNECTED) {
        return;
    }
    ERR_clear_error();
    if (dtls->is_settled) {
        say_close_notify(dtls);
    } else if (dtls->state == LEAT_DTLS_CONNECTED && SSL_alloc_buffers(dtls->ssl) == 1) {
        (void)SSL_shutdown(dtls->ssl);
    }
    end(dtls, LEAT_DTLS_CLOSED);
    ERR_clear_error();
}

int leat_dtls_keys(const leat_dtls *dtls, struct leat_dtls_srtp_keys *ret)
{
    if (dtls->state != LEAT_DTLS_CONNECTED) {
        return -ENOTCONN;
    }
    *ret = dtls->keys;
    return 0;
}

void leat_dtls_counts(const leat_dtls *dtls, struct leat_dtls_counts *ret)
{
    *ret = dtls->counts;
}
