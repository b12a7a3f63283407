/* Two sides and a network between them that loses, repeats and reorders, in virtual time. A side is
 * a connection of ours, or OpenSSL as others use it: its timer reads gettimeofday, which is ours
 * here. What each is fed is a heap block of its own and exact size. */
#ifndef LEAT_TESTS_WEBRTC_DTLS_RIG_H
#define LEAT_TESTS_WEBRTC_DTLS_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <leat/dtls.h>

#include "check.h"

#define RIG_UNIX_TIME 1700000000LL

enum { RIG_PACKETS = 256, RIG_PACKET_LEN = 1500 };

struct rig;

struct rig_side {
    leat_dtls *dtls; /* or */
    SSL *raw;
    struct rig *rig;
    uint8_t *in; /* of raw: the datagram that came */
    size_t in_len;
    int raw_status; /* 1 connected, 0 handshaking, 2 closed, -1 failed */
    unsigned sent;
};

struct rig_packet {
    leat_time at;
    unsigned to;
    size_t len; /* 0: free */
    uint8_t data[RIG_PACKET_LEN];
};

struct rig {
    leat_time now;
    struct rig_side side[2];
    uint64_t random;
    unsigned loss, repeat; /* percent */
    unsigned sent, lost;   /* datagrams; which one is lost, from 1 */
    leat_time delay_min, delay_max;
    struct rig_packet packets[RIG_PACKETS];
    leat_dtls_context *context[2];
};

/* ---- the clock of the system, as OpenSSL sees it ---- */

static int64_t rig_clock_us = RIG_UNIX_TIME * 1000000;

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    (void)zone;
    tv->tv_sec = rig_clock_us / 1000000;
    tv->tv_usec = rig_clock_us % 1000000;
    return 0;
}

/* ---- the network ---- */

static inline uint32_t rig_random(struct rig *rig, uint32_t below)
{
    rig->random ^= rig->random << 13;
    rig->random ^= rig->random >> 7;
    rig->random ^= rig->random << 17;
    return (uint32_t)(rig->random >> 11) % below;
}

static inline void rig_put(struct rig *rig, unsigned to, const uint8_t *data, size_t len)
{
    for (unsigned i = 0; i < RIG_PACKETS; i++) {
        struct rig_packet *const packet = &rig->packets[i];
        if (packet->len == 0) {
            const uint32_t span = (uint32_t)(rig->delay_max - rig->delay_min) + 1;
            packet->at = rig->now + rig->delay_min + rig_random(rig, span);
            packet->to = to;
            packet->len = len;
            memcpy(packet->data, data, len);
            return;
        }
    }
    CHECK(!"the network has room");
}

static inline void rig_send(struct rig_side *from, const uint8_t *data, size_t len)
{
    struct rig *const rig = from->rig;
    const unsigned to = from == &rig->side[0];
    CHECK(len > 0);
    CHECK(len <= RIG_PACKET_LEN);
    from->sent++;
    if (rig_random(rig, 100) < rig->loss || ++rig->sent == rig->lost) {
        return;
    }
    rig_put(rig, to, data, len);
    if (rig_random(rig, 100) < rig->repeat) {
        rig_put(rig, to, data, len);
    }
}

static inline void rig_drain(struct rig_side *side)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    CHECK_EQ(ERR_peek_error(), 0);
    while (side->dtls && leat_dtls_transmit(side->dtls, &data, &len)) {
        CHECK(len <= LEAT_DTLS_DATAGRAM_LEN_MAX);
        rig_send(side, data, len);
    }
}

/* ---- OpenSSL as others use it ---- */

static inline int rig_bio_read(BIO *bio, char *data, int len)
{
    struct rig_side *const side = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (side->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t take = side->in_len < (size_t)len ? side->in_len : (size_t)len;
    memcpy(data, side->in, take);
    side->in_len = 0;
    return (int)take;
}

static inline int rig_bio_write(BIO *bio, const char *data, int len)
{
    rig_send(BIO_get_data(bio), (const uint8_t *)data, (size_t)len);
    return len;
}

static inline long rig_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static inline int rig_accept_all(int good, X509_STORE_CTX *store)
{
    (void)good;
    (void)store;
    return 1;
}

static inline unsigned rig_raw_timer(SSL *ssl, unsigned us)
{
    (void)ssl;
    return us ? 2 * us : 60000;
}

struct rig_raw {
    const char *profiles; /* NULL: none */
    bool without_certificate;
    int version;          /* 0: DTLS 1.2 */
    const char *key_kind; /* NULL: an RSA key, as old peers have */
};

static inline X509 *rig_certificate(EVP_PKEY *key)
{
    X509 *const x509 = X509_new();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
    ASN1_TIME_adj(X509_getm_notBefore(x509), RIG_UNIX_TIME, -400, 0); /* expired */
    ASN1_TIME_adj(X509_getm_notAfter(x509), RIG_UNIX_TIME, -10, 0);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const uint8_t *)"somebody", -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_set_pubkey(x509, key);
    REQUIRE(X509_sign(x509, key, EVP_sha256()) > 0);
    return x509;
}

/* A raw side; *ret_fingerprint is that of its certificate. */
static inline void rig_open_raw(struct rig *rig, unsigned at, bool is_server, struct rig_raw how,
                                enum leat_dtls_hash hash, struct leat_dtls_fingerprint *ret)
{
    static EVP_PKEY *key;
    static BIO_METHOD *method;
    struct rig_side *const side = &rig->side[at];
    SSL_CTX *const ssl_ctx = SSL_CTX_new(DTLS_method());
    const EVP_MD *const mds[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};
    unsigned len = 0;
    if (!method) {
        key = how.key_kind ? EVP_EC_gen(how.key_kind) : EVP_RSA_gen(2048);
        method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rig");
        BIO_meth_set_read(method, rig_bio_read);
        BIO_meth_set_write(method, rig_bio_write);
        BIO_meth_set_ctrl(method, rig_bio_ctrl);
    }
    X509 *const x509 = rig_certificate(key);
    ret->hash = hash;
    REQUIRE(X509_digest(x509, mds[hash], ret->bytes, &len) == 1);
    ret->len = (uint8_t)len;
    if (!how.without_certificate) {
        SSL_CTX_use_certificate(ssl_ctx, x509);
        SSL_CTX_use_PrivateKey(ssl_ctx, key);
    }
    X509_free(x509);
    if (how.version) {
        SSL_CTX_set_security_level(ssl_ctx, 0); /* else it has no DTLS 1.0 */
        SSL_CTX_set_max_proto_version(ssl_ctx, how.version);
        SSL_CTX_set_min_proto_version(ssl_ctx, how.version);
    }
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, rig_accept_all);
    if (how.profiles) {
        REQUIRE(SSL_CTX_set_tlsext_use_srtp(ssl_ctx, how.profiles) == 0);
    }
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_QUERY_MTU);
    side->rig = rig;
    side->raw = SSL_new(ssl_ctx);
    SSL_CTX_free(ssl_ctx);
    SSL_set_mtu(side->raw, 1200);
    DTLS_set_timer_cb(side->raw, rig_raw_timer);
    BIO *const bio = BIO_new(method);
    BIO_set_data(bio, side);
    BIO_set_init(bio, 1);
    SSL_set_bio(side->raw, bio, bio);
    if (is_server) {
        SSL_set_accept_state(side->raw);
    } else {
        SSL_set_connect_state(side->raw);
    }
}

static inline void rig_raw_go(struct rig_side *side)
{
    uint8_t data[2000];
    if (side->raw_status == 0 && SSL_do_handshake(side->raw) == 1) {
        side->raw_status = 1;
    }
    if (side->raw_status == 1) {
        while (SSL_read(side->raw, data, sizeof(data)) > 0) {
        }
        if (SSL_get_shutdown(side->raw) & SSL_RECEIVED_SHUTDOWN) {
            side->raw_status = 2;
        }
    }
    if (ERR_peek_error()) {
        side->raw_status = -1;
        ERR_clear_error();
    }
}

/* ---- time ---- */

static inline leat_time rig_deadline(struct rig_side *side)
{
    struct timeval left;
    if (side->dtls) {
        return leat_dtls_deadline(side->dtls);
    }
    if (side->raw_status != 0 || DTLSv1_get_timeout(side->raw, &left) != 1) {
        return LEAT_NEVER;
    }
    return side->rig->now + (leat_time)left.tv_sec * LEAT_SEC + (leat_time)left.tv_usec * LEAT_US;
}

static inline void rig_feed(struct rig_side *side, const uint8_t *data, size_t len)
{
    uint8_t *const block = malloc(len ? len : 1);
    memcpy(block, data, len);
    if (side->dtls) {
        leat_dtls_receive(side->dtls, side->rig->now, block, len);
    } else {
        side->in = block;
        side->in_len = len;
        rig_raw_go(side);
        side->in_len = 0;
    }
    free(block);
    rig_drain(side);
}

static inline void rig_expire(struct rig_side *side)
{
    if (side->dtls) {
        leat_dtls_timeout(side->dtls, side->rig->now);
        rig_drain(side);
        return;
    }
    if (DTLSv1_handle_timeout(side->raw) < 0) {
        side->raw_status = -1;
    }
    ERR_clear_error();
}

/* Raw sides need a clock that goes with the time; ours must not care: it jumps. */
static inline void rig_set_clock(struct rig *rig)
{
    const bool is_needed = rig->side[0].raw || rig->side[1].raw;
    rig_clock_us = RIG_UNIX_TIME * 1000000 + (int64_t)(rig->now / LEAT_US);
    if (!is_needed) {
        rig_clock_us += (int64_t)rig_random(rig, 3000000) * 1000 - 1500000000; /* 25 minutes */
    }
}

/* The next packet or deadline; false: there is none before `until`. */
static inline bool rig_step(struct rig *rig, leat_time until)
{
    struct rig_packet *first = NULL;
    struct rig_side *due = NULL;
    leat_time at = until;
    for (unsigned i = 0; i < RIG_PACKETS; i++) {
        if (rig->packets[i].len && rig->packets[i].at < at) {
            first = &rig->packets[i];
            at = first->at;
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        const leat_time deadline =
            rig->side[i].dtls || rig->side[i].raw ? rig_deadline(&rig->side[i]) : LEAT_NEVER;
        if (deadline < at) {
            due = &rig->side[i];
            at = deadline;
        }
    }
    if (!first && !due) {
        rig->now = until;
        return false;
    }
    rig->now = at > rig->now ? at : rig->now;
    rig_set_clock(rig);
    if (due) {
        rig_expire(due);
    } else {
        const struct rig_packet packet = *first;
        first->len = 0;
        rig_feed(&rig->side[packet.to], packet.data, packet.len);
    }
    return true;
}

static inline enum leat_dtls_state rig_state(const struct rig *rig, unsigned at)
{
    return leat_dtls_state(rig->side[at].dtls, NULL);
}

/* ---- opening and closing ---- */

static inline struct leat_dtls_fingerprint rig_fingerprint(const leat_dtls_context *context)
{
    struct leat_dtls_fingerprint made = {0};
    const char *text = leat_dtls_context_fingerprint(context);
    REQUIRE(leat_dtls_fingerprint_parse(text, strlen(text), &made) == 0);
    return made;
}

static inline leat_dtls_context *rig_context(uint16_t profile)
{
    const struct leat_dtls_config config = {.unix_time = RIG_UNIX_TIME, .srtp_profile = profile};
    leat_dtls_context *context = NULL;
    REQUIRE(leat_dtls_context_open(&config, &context) == 0);
    return context;
}

static inline void rig_init(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof(*rig));
    rig->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    rig->now = 1000 * LEAT_SEC;
    rig->delay_min = rig->delay_max = 5 * LEAT_MS;
    rig->side[0].rig = rig->side[1].rig = rig;
    rig_set_clock(rig);
}

static inline void rig_open_ours(struct rig *rig, unsigned at, enum leat_dtls_role role,
                                 leat_dtls_context *context,
                                 const struct leat_dtls_fingerprint *fingerprint)
{
    struct rig_side *const side = &rig->side[at];
    REQUIRE(leat_dtls_open(context, role, fingerprint, 1, rig->now, &side->dtls) == 0);
}

/* Side 0 is passive, side 1 active, both ours. */
static inline void rig_open(struct rig *rig, uint64_t seed, uint16_t passive, uint16_t active)
{
    rig_init(rig, seed);
    rig->context[0] = rig_context(passive);
    rig->context[1] = rig_context(active);
    const struct leat_dtls_fingerprint of[2] = {rig_fingerprint(rig->context[0]),
                                                rig_fingerprint(rig->context[1])};
    rig_open_ours(rig, 0, LEAT_DTLS_PASSIVE, rig->context[0], &of[1]);
    rig_open_ours(rig, 1, LEAT_DTLS_ACTIVE, rig->context[1], &of[0]);
}

static inline void rig_start(struct rig *rig)
{
    rig_set_clock(rig);
    for (unsigned i = 0; i < 2; i++) {
        rig_drain(&rig->side[i]);
        if (rig->side[i].raw) {
            rig_raw_go(&rig->side[i]);
        }
    }
}

static inline void rig_run(struct rig *rig, leat_time span)
{
    const leat_time until = rig->now + span;
    while (rig_step(rig, until)) {
    }
}

static inline void rig_close(struct rig *rig)
{
    for (unsigned i = 0; i < 2; i++) {
        leat_dtls_close(rig->side[i].dtls);
        SSL_free(rig->side[i].raw);
        leat_dtls_context_unref(rig->context[i]);
    }
    CHECK_EQ(ERR_peek_error(), 0);
}

static inline bool rig_keys_equal(const struct leat_dtls_srtp_keys *a,
                                  const struct leat_dtls_srtp_keys *b)
{
    return a->profile == b->profile && memcmp(a->local_key, b->remote_key, 32) == 0 &&
           memcmp(a->remote_key, b->local_key, 32) == 0 &&
           memcmp(a->local_salt, b->remote_salt, 14) == 0 &&
           memcmp(a->remote_salt, b->local_salt, 14) == 0;
}

#endif
