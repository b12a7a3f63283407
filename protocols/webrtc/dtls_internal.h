/* What the parts of DTLS know of each other: a context, a connection, what waits to be sent. */
#ifndef LEAT_PROTOCOLS_WEBRTC_DTLS_INTERNAL_H
#define LEAT_PROTOCOLS_WEBRTC_DTLS_INTERNAL_H

#include <openssl/ssl.h>

#include <leat/dtls.h>

/* 50 ms doubled so often is 25.6 s: what a handshake of 30 s can have. OpenSSL allows 12. */
#define RETRANSMITS_MAX 9u
#define QUEUE_LEN_MAX 16384u /* bytes of datagrams that wait; ten flights of ours */

/* ---- dtls_queue.c: datagrams in one block of memory ---- */

/* Each is 2 bytes of length, a byte of tag, and its bytes. */
struct dtls_queue {
    uint8_t *data; /* NULL when there is nothing */
    uint32_t cap, head, len;
};

/* Records become a datagram, or are added to the last, if that has the same tag and they fit: OpenSSL
 * packs a flight, but not when it writes it again. False: no memory, or QUEUE_LEN_MAX. */
bool leat__dtls_queue_put(struct dtls_queue *queue, uint8_t tag, const uint8_t *data, size_t len);
/* The first, left where it is until the next call; false: there is none, and memory is freed. */
bool leat__dtls_queue_take(struct dtls_queue *queue, uint8_t *ret_tag, const uint8_t **ret_data,
                           size_t *ret_len);
/* The tag of the first; 0: there is none. */
uint8_t leat__dtls_queue_tag(const struct dtls_queue *queue);
void leat__dtls_queue_free(struct dtls_queue *queue);

/* ---- dtls_context.c ---- */

#define DTLS_FINGERPRINT_STRLEN (sizeof("sha-256") + 3 * 32) /* its terminating 0 counted */

struct leat_dtls_context {
    int refs;
    CRYPTO_RWLOCK *lock; /* of refs, where there are no atomics */
    SSL_CTX *ssl_ctx;    /* not changed once it is made */
    BIO_METHOD *bio_method;
    char fingerprint[DTLS_FINGERPRINT_STRLEN];
};

/* ---- dtls_alert.c: alerts without OpenSSL's object ---- */

#define DTLS_ALERT_RECORD_MAX 39u /* header, explicit nonce, alert, tag */

struct dtls_alerts {
    const EVP_CIPHER *cipher;
    uint8_t implicit_len; /* of the 12 bytes of a nonce; the rest is in the record */
    uint8_t local_key[32], remote_key[32];
    uint8_t local_iv[12], remote_iv[12];
};

/* From a connection that is connected. False: OpenSSL could not. */
bool leat__dtls_alerts_init(SSL *ssl, struct dtls_alerts *ret);
/* The record's length; 0: OpenSSL could not. Once for a connection. */
size_t leat__dtls_alerts_seal(const struct dtls_alerts *alerts, uint8_t level, uint8_t what,
                              uint8_t ret[DTLS_ALERT_RECORD_MAX]);
/* A whole record of epoch 1; false: it is no alert, or not authentic. */
bool leat__dtls_alerts_open(const struct dtls_alerts *alerts, const uint8_t *record, size_t len,
                            uint8_t *ret_level, uint8_t *ret_what);

/* ---- dtls.c ---- */

struct leat_dtls {
    leat_dtls_context *context;
    SSL *ssl; /* NULL: CLOSED or FAILED, or settled */
    enum leat_dtls_state state;
    enum leat_dtls_role role;
    struct leat_dtls_error error;
    struct leat_dtls_counts counts;
    bool is_verified; /* the certificate has one of the fingerprints */
    bool is_settled;  /* `alerts` is all there is to read and write */
    uint8_t fingerprint_count;
    struct leat_dtls_fingerprint fingerprints[LEAT_DTLS_FINGERPRINTS_MAX];
    struct leat_dtls_srtp_keys keys;
    struct dtls_alerts alerts;

    leat_time now;        /* of the call that is running */
    leat_time retransmit; /* deadlines: of the last flight, */
    leat_time expire;     /* and of the handshake */
    leat_time interval;   /* from one retransmission to the next */

    const uint8_t *in; /* what is left of the datagram that came */
    size_t in_len;
    uint32_t handshake_datagrams; /* that came */
    uint32_t early;               /* records that OpenSSL was given before it could read them */

    /* Which flight OpenSSL writes: 0 one that goes out now, k its k-th retransmission. */
    uint8_t round;
    struct dtls_queue out;   /* to be transmitted */
    struct dtls_queue again; /* the retransmissions to come, tagged with their round */
};

/* ---- dtls_bio.c: where OpenSSL reads and writes ---- */

BIO_METHOD *leat__dtls_bio_method(void);
bool leat__dtls_bio_attach(leat_dtls *dtls);

/* ---- dtls_record.c: what a record is, before OpenSSL sees it ---- */

/* The length of the record at the front; 0: there is none, what is left is to be dropped. */
size_t leat__dtls_record_len(const uint8_t *data, size_t len);
/* Whether OpenSSL may be given it now; it is a whole record. */
bool leat__dtls_record_fits(leat_dtls *dtls, const uint8_t *record, size_t len);

/* ---- dtls_fingerprint.c ---- */

/* Whether the certificate has one of them. */
bool leat__dtls_fingerprints_match(const struct leat_dtls_fingerprint *fingerprints, size_t count,
                                   const X509 *certificate);
/* "sha-256 AB:CD:...". */
bool leat__dtls_fingerprint_write(const X509 *certificate, char ret[DTLS_FINGERPRINT_STRLEN]);

#endif
