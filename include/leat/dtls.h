/* DTLS 1.2 for WebRTC, without I/O: datagrams and time in, datagrams and deadlines out; when it is
 * connected it has the keys of SRTP (RFC 6347, RFC 5764; how WebRTC uses them: RFC 8827, RFC 8842;
 * fingerprints: RFC 8122).
 *
 * It is a part of the library leat::webrtc and needs OpenSSL 3.0; it has no socket and no thread.
 * What holds for all of it:
 *
 * - Thread: a connection is used by one thread at a time; a context by any number of threads at
 *   once. Nothing blocks.
 * - Time: monotonic time is handed in; retransmission and the end of a handshake depend on nothing
 *   else. OpenSSL's own clock decides nothing.
 * - Errors: 0 or a negative errno; out-parameters are untouched on failure. What a peer sends
 *   never aborts the process: it is counted and dropped, or the state becomes FAILED. OpenSSL's
 *   queue of errors is left empty.
 * - Trust: a certificate is good when it has a fingerprint that was given to leat_dtls_open, whoever
 *   signed it. There are no cookies (HelloVerifyRequest): give it only datagrams of an address that
 *   ICE has validated.
 * - Cost: most calls are a microsecond. The step that signs and the one that verifies take
 *   0.2-0.4 ms each; leat_dtls_receive is to be budgeted while the state is HANDSHAKING.
 * - Memory: OpenSSL allocates; how much is in protocols/webrtc/README.md. What a peer can make a
 *   connection hold is bounded. */
#ifndef LEAT_DTLS_H
#define LEAT_DTLS_H

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- which datagrams ---- */

#define LEAT_DTLS_DATAGRAM_LEN_MAX 1200u /* bytes of a datagram that leaves here, without UDP */

/* Whether a datagram is DTLS, by its first byte: STUN is 0..3, RTP and RTCP are 128..191
 * (RFC 7983, 7). */
static inline bool leat_dtls_is(const uint8_t *data, size_t len)
{
    return len > 0 && data[0] >= 20 && data[0] <= 63;
}

/* ---- fingerprints of certificates ---- */

enum leat_dtls_hash { LEAT_DTLS_SHA_256, LEAT_DTLS_SHA_384, LEAT_DTLS_SHA_512 };

#define LEAT_DTLS_FINGERPRINT_LEN_MAX 64u

struct leat_dtls_fingerprint {
    enum leat_dtls_hash hash;
    uint8_t             len; /* 32, 48 or 64 */
    uint8_t             bytes[LEAT_DTLS_FINGERPRINT_LEN_MAX];
};

/* From the value of a=fingerprint, "sha-256 AB:CD:...", without a line's end (RFC 8122, 5);
 * letters of either case. -EINVAL: it is not one; -ENOTSUP: one of a hash that proves nothing
 * (sha-1, md5) or is unknown: ignore it, another may be there. */
LEAT_API int leat_dtls_fingerprint_parse(const char *text, size_t len,
                                         struct leat_dtls_fingerprint *ret);

/* ---- a context: what all connections of a process have in common ---- */

typedef struct leat_dtls_context leat_dtls_context;

/* Protection profiles of SRTP, by their number at IANA (RFC 5764, 4.1.2; RFC 7714, 14.2). */
#define LEAT_DTLS_SRTP_AES128_CM_SHA1_80 UINT16_C(0x0001)
#define LEAT_DTLS_SRTP_AEAD_AES_128_GCM UINT16_C(0x0007)

struct leat_dtls_config {
    /* Seconds since 1970: the certificate is valid from a week before it to ten years after. Nobody
     * who goes by fingerprints checks that. */
    int64_t unix_time;
    /* 0: both, AEAD_AES_128_GCM preferred; the passive side decides. One of the two: no other, for
     * tests and load generators. */
    uint16_t srtp_profile;
};

/* Makes a P-256 key and a certificate for it, signed by itself (0.2 ms). The caller owns one
 * reference. -EINVAL: an unknown profile, or a time that no certificate can name; -ENOMEM: memory,
 * or OpenSSL could not. */
LEAT_API int leat_dtls_context_open(const struct leat_dtls_config *config, leat_dtls_context **ret);

/* One reference more, and less; each connection holds one too. Any thread. NULL is allowed. */
LEAT_API leat_dtls_context *leat_dtls_context_ref(leat_dtls_context *context);
LEAT_API void               leat_dtls_context_unref(leat_dtls_context *context);

/* The fingerprint of its certificate for SDP (RFC 8122, 5): "sha-256 AB:CD:...", as struct
 * leat_sdp_answer has it and leat_dtls_fingerprint_parse reads it; lives as long as the context. */
LEAT_API const char *leat_dtls_context_fingerprint(const leat_dtls_context *context);

/* ---- a connection ---- */

typedef struct leat_dtls leat_dtls;

/* a=setup (RFC 5763, 5): an answerer to "actpass" is best PASSIVE. */
enum leat_dtls_role {
    LEAT_DTLS_PASSIVE, /* the server: waits for a ClientHello */
    LEAT_DTLS_ACTIVE   /* the client: has one to transmit as soon as it is opened */
};

enum leat_dtls_state {
    LEAT_DTLS_HANDSHAKING,
    LEAT_DTLS_CONNECTED, /* the peer's certificate is the right one; leat_dtls_keys */
    LEAT_DTLS_CLOSED,    /* the peer said close_notify, or leat_dtls_finish was called */
    LEAT_DTLS_FAILED     /* struct leat_dtls_error */
};

/* Why it is FAILED. */
struct leat_dtls_error {
    /* 0: it is not. -EACCES: the peer's certificate has none of the fingerprints;
     * -EPROTONOSUPPORT: no profile of SRTP in common; -ECONNRESET: the peer sent an alert; -EPROTO:
     * what came is against the rules, or the two have no cipher in common; -ETIMEDOUT: the handshake
     * took longer than LEAT_DTLS_HANDSHAKE_NS; -ENOMEM. */
    int         status;
    uint8_t     alert; /* the peer's, with -ECONNRESET (RFC 5246, 7.2) */
    const char *why;   /* for a log; static storage, never NULL */
};

#define LEAT_DTLS_FINGERPRINTS_MAX 4u
#define LEAT_DTLS_HANDSHAKE_NS (30 * LEAT_SEC)
#define LEAT_DTLS_RETRANSMIT_NS (50 * LEAT_MS) /* the first time; doubles each time */

/* One side of a new connection. The peer's certificate must have one of the fingerprints, which
 * are copied. -EINVAL: none, or more than LEAT_DTLS_FINGERPRINTS_MAX; -ENOMEM. */
LEAT_API int leat_dtls_open(leat_dtls_context *context, enum leat_dtls_role role,
                            const struct leat_dtls_fingerprint *fingerprints, size_t count,
                            leat_time now, leat_dtls **ret);

/* Frees it and what it lent, wipes the keys; says nothing to the peer (leat_dtls_finish does).
 * NULL is allowed. */
LEAT_API void leat_dtls_close(leat_dtls *dtls);

/* One datagram came. Look at the state, transmit, and ask for the deadline after it. What is not
 * DTLS, does not fit now or is too much is counted and dropped. CLOSED and FAILED drop all. */
LEAT_API void leat_dtls_receive(leat_dtls *dtls, leat_time now, const uint8_t *data, size_t len);

/* The next datagram that is to be sent: true and the bytes, lent until the next call of any
 * function on this connection; false: there is none. Call until false after leat_dtls_open,
 * _receive, _timeout and _finish; while nobody does, datagrams beyond a few kilobytes are dropped.
 * There may be one, an alert or close_notify, also when the state is CLOSED or FAILED. */
LEAT_API bool leat_dtls_transmit(leat_dtls *dtls, const uint8_t **ret_data, size_t *ret_len);

/* When leat_dtls_timeout is to be called; LEAT_NEVER unless the state is HANDSHAKING. */
LEAT_API leat_time leat_dtls_deadline(const leat_dtls *dtls);

/* The deadline came: the last flight is there to be transmitted again, or the handshake has failed.
 * Nothing when it has not come yet. */
LEAT_API void leat_dtls_timeout(leat_dtls *dtls, leat_time now);

/* *ret_error may be NULL; it is always written. */
LEAT_API enum leat_dtls_state leat_dtls_state(const leat_dtls        *dtls,
                                              struct leat_dtls_error *ret_error);

/* Says close_notify to the peer, if it is CONNECTED: transmit it. The state is CLOSED then; one that
 * is CLOSED or FAILED stays so. Idempotent. */
LEAT_API void leat_dtls_finish(leat_dtls *dtls);

/* Call it when the peer has shown that the handshake is behind it too: a packet of SRTP of its was
 * authentic. What OpenSSL keeps to repeat the handshake is freed then, 42 KB; alerts, close_notify
 * among them, are read and said as before, everything else is dropped. Nothing happens unless the
 * state is CONNECTED. Idempotent. */
LEAT_API void leat_dtls_settle(leat_dtls *dtls);

/* ---- keys ---- */

/* Master keys and salts of SRTP, sorted for this side. Wipe them when they have been used. */
struct leat_dtls_srtp_keys {
    uint16_t profile;           /* LEAT_DTLS_SRTP_... */
    uint8_t  key_len, salt_len; /* 16; 14 for AES_CM, 12 for GCM */
    uint8_t  local_key[32];     /* for what is sent */
    uint8_t  local_salt[14];
    uint8_t  remote_key[32]; /* for what is received */
    uint8_t  remote_salt[14];
};

/* By the exporter "EXTRACTOR-dtls_srtp" (RFC 5764, 4.2). -ENOTCONN: it is not CONNECTED. */
LEAT_API int leat_dtls_keys(const leat_dtls *dtls, struct leat_dtls_srtp_keys *ret);

/* ---- for statistics ---- */

struct leat_dtls_counts {
    uint32_t received;      /* datagrams */
    uint32_t transmitted;   /* datagrams that were lent */
    uint32_t retransmitted; /* flights: how often the deadline came */
    uint32_t dropped;       /* records, or what should be one, and datagrams there was no room for */
};

LEAT_API void leat_dtls_counts(const leat_dtls *dtls, struct leat_dtls_counts *ret);

#ifdef __cplusplus
}
#endif

#endif
