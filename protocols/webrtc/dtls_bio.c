/* Where OpenSSL reads and writes: a read gives a record of the datagram that came, a write is a
 * datagram that waits to be transmitted.
 *
 * And what becomes of OpenSSL's timer. OpenSSL decides by the clock of the system whether it has
 * expired, and nobody can tell it the time. So it decides nothing here: on_timer has it expire at
 * once, RETRANSMITS_MAX times in a row, whenever a flight has been written. OpenSSL then writes all
 * the retransmissions that there can be, each with sequence numbers of its own; they are kept, and
 * one is transmitted when our time has come, and all are dropped when the peer has answered.
 *
 * Invariant: a write never fails. What there is no room for is lost, as it may be on the way. */
#include "dtls_internal.h"

#include <string.h>

/* Longer than any handshake; OpenSSL counts in 32 bits. */
#define NEVER_US (3600u * 1000000u)

static int datagram_read(BIO *bio, char *data, int len)
{
    leat_dtls *const dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    dtls->round = 0; /* OpenSSL has written what it had to */
    while (dtls->in_len) {
        const uint8_t *const record = dtls->in;
        const size_t record_len = leat__dtls_record_len(record, dtls->in_len);
        if (record_len == 0) {
            dtls->counts.dropped++;
            dtls->in_len = 0;
            break;
        }
        dtls->in += record_len;
        dtls->in_len -= record_len;
        if (record_len <= (size_t)len && leat__dtls_record_fits(dtls, record, record_len)) {
            memcpy(data, record, record_len);
            return (int)record_len;
        }
        dtls->counts.dropped++;
    }
    BIO_set_retry_read(bio);
    return -1;
}

static int datagram_write(BIO *bio, const char *data, int len)
{
    leat_dtls *const dtls = BIO_get_data(bio);
    const uint8_t round = dtls->round;
    BIO_clear_retry_flags(bio);
    if (len <= 0 || round > RETRANSMITS_MAX) {
        return len;
    }
    if (!leat__dtls_queue_put(round ? &dtls->again : &dtls->out, round, (const uint8_t *)data,
                              (size_t)len)) {
        dtls->counts.dropped++;
    }
    return len;
}

static long datagram_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
        return LEAT_DTLS_DATAGRAM_LEN_MAX;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
        return 28;
    default:
        return 0;
    }
}

BIO_METHOD *leat__dtls_bio_method(void)
{
    BIO_METHOD *const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "leat_dtls");
    if (method && BIO_meth_set_read(method, datagram_read) &&
        BIO_meth_set_write(method, datagram_write) && BIO_meth_set_ctrl(method, datagram_ctrl)) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}

/* OpenSSL asks for how long its timer is to run: with 0 when a flight begins, with what it was told
 * before when the timer has expired. NEVER_US expires only when somebody has set the clock; what is
 * written then is too much. */
static unsigned on_timer(SSL *ssl, unsigned us)
{
    leat_dtls *const dtls = SSL_get_app_data(ssl);
    if (us == 0) {
        leat__dtls_queue_free(&dtls->again);
        dtls->round = 0;
        dtls->interval = LEAT_DTLS_RETRANSMIT_NS;
        dtls->retransmit = dtls->now + dtls->interval;
        return 1;
    }
    dtls->round = us == NEVER_US ? RETRANSMITS_MAX + 1 : (uint8_t)(dtls->round + 1);
    return dtls->round < RETRANSMITS_MAX ? 1 : NEVER_US;
}

bool leat__dtls_bio_attach(leat_dtls *dtls)
{
    BIO *const bio = BIO_new(dtls->context->bio_method);
    if (!bio) {
        return false;
    }
    BIO_set_data(bio, dtls);
    BIO_set_init(bio, 1);
    SSL_set_bio(dtls->ssl, bio, bio); /* for both directions, and it owns it */
    DTLS_set_timer_cb(dtls->ssl, on_timer);
    return true;
}
