/* A WebRTC transport without I/O: ICE-lite, DTLS and SRTP of one session, composed. Datagrams and time in; datagrams,
 * events and deadlines out. Media (leat/rtp_receiver.h, leat/rtp_sender.h) is somebody else's.
 *
 *   switch (leat_peer_kind(data, len)) {
 *   case LEAT_PEER_CONTROL: leat_peer_receive(...); break;      STUN and DTLS
 *   case LEAT_PEER_RTP:     leat_peer_unprotect(...) ...
 *   case LEAT_PEER_RTCP:    leat_peer_unprotect_rtcp(...) ...
 *   }
 *   while (leat_peer_event(peer, &event)) ...
 *   while (leat_peer_transmit(peer, &datagram)) ...
 *
 * One thread at a time; nothing blocks, but a step of the handshake takes some 0.3 ms: the caller says when
 * (leat_peer_work). Nothing is allocated per packet of media. What arrives never aborts. */
#ifndef LEAT_PEER_H
#define LEAT_PEER_H

#include <leat/addr.h>
#include <leat/dtls.h>
#include <leat/ice.h>
#include <leat/srtp.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_peer leat_peer;

struct leat_peer_config {
    leat_dtls_context                  *dtls; /* the peer takes a reference */
    const struct leat_ice_credentials  *local, *remote;
    const struct leat_dtls_fingerprint *fingerprints; /* of the remote certificate: one must match */
    size_t                              fingerprint_count;
    bool                                active; /* DTLS client; a server else */
    leat_time expire_ns; /* without consent; 0: 30 s, the most there may be */
};

/* -EINVAL: no or too many fingerprints, or as leat_ice_open; -ENOMEM; -EIO: no random bytes. */
LEAT_API int leat_peer_open(const struct leat_peer_config *config, leat_time now, leat_peer **ret);

/* NULL is allowed. Says nothing to the other side: leat_peer_goodbye does. */
LEAT_API void leat_peer_close(leat_peer *peer);

/* ---- in ----
 *
 * leat_peer_receive, _step, _timeout, _restart and _goodbye may have outputs: before the next of them, take leat_peer_event
 * and leat_peer_transmit until both say false. */

#define LEAT_PEER_QUEUE_MAX 4u /* datagrams of DTLS */

enum leat_peer_kind { LEAT_PEER_NONE, LEAT_PEER_CONTROL, LEAT_PEER_RTP, LEAT_PEER_RTCP };

/* What a datagram is by its first bytes (RFC 7983, RFC 5761). NONE is to be counted and dropped. */
LEAT_API enum leat_peer_kind leat_peer_kind(const uint8_t *data, size_t len);

/* STUN or DTLS. `local` is the address it arrived at, NULL if not known. Of a
 * handshake DTLS is only queued, at most LEAT_PEER_QUEUE_MAX datagrams, and only from an address that ICE has validated. */
LEAT_API void leat_peer_receive(leat_peer *peer, leat_time now, const struct leat_addr *from,
                                const struct leat_addr *local, const uint8_t *data, size_t len);

/* Whether a step of the handshake waits; and does one. */
LEAT_API bool leat_peer_work(const leat_peer *peer);
LEAT_API void leat_peer_step(leat_peer *peer, leat_time now);

/* SRTP from the receive buffer into `out`, plaintext; and SRTCP. 0; -EAGAIN: no keys yet; else as leat_srtp_unprotect and
 * leat_srtcp_unprotect. */
LEAT_API int leat_peer_unprotect(leat_peer *peer, const uint8_t *data, size_t len, uint8_t *out,
                                 size_t cap, size_t *ret_len);
LEAT_API int leat_peer_unprotect_rtcp(leat_peer *peer, const uint8_t *data, size_t len, uint8_t *out,
                                      size_t cap, size_t *ret_len);

/* New credentials: the old ones are good until the new ones have nominated a pair (RFC 8445, 9): RESTARTED. -EINVAL,
 * -ENOTCONN: as leat_ice_restart; after CLOSED too. */
LEAT_API int leat_peer_restart(leat_peer *peer, const struct leat_ice_credentials *local,
                               const struct leat_ice_credentials *remote);

/* ---- out ---- */

struct leat_peer_datagram {
    struct leat_addr to;
    struct leat_addr local; /* to leave from; all zero: not known */
    const uint8_t   *data;  /* lent until the next call */
    size_t           len;
};

/* The next datagram of STUN or DTLS to be sent; false: none. */
LEAT_API bool leat_peer_transmit(leat_peer *peer, struct leat_peer_datagram *ret);

enum leat_peer_event_kind {
    LEAT_PEER_TUPLE, /* address: this session's, by a valid check: its datagrams may be routed here. Once, to
                        however many of our addresses it sends; at most LEAT_ICE_TUPLES_MAX at a time. Whoever knows
                        the credentials may have made the address up: it is no reason to take it from another session */
    LEAT_PEER_TUPLE_GONE,
    LEAT_PEER_CONNECTED, /* keys are there: media may flow */
    LEAT_PEER_MOVED,     /* media goes to another address from now on */
    LEAT_PEER_RESTARTED, /* the old credentials are gone */
    LEAT_PEER_CLOSED,    /* the last one. status: 0 it is over, as one side wished; -ETIMEDOUT silent too long, or
                            no DTLS within LEAT_DTLS_HANDSHAKE_NS of the first check; of a handshake that failed as
                            in struct leat_dtls_error, -EACCES: not the certificate of the SDP */
};

struct leat_peer_event {
    enum leat_peer_event_kind kind;
    int                       status;
    struct leat_addr          address;
};

LEAT_API bool leat_peer_event(leat_peer *peer, struct leat_peer_event *ret);

LEAT_API leat_time leat_peer_deadline(const leat_peer *peer);
LEAT_API void leat_peer_timeout(leat_peer *peer, leat_time now);

/* Where media goes: *ret_local is NULL if not known. False: nowhere yet. Both are lent until the next call that takes
 * `peer` without const. */
LEAT_API bool leat_peer_target(const leat_peer *peer, const struct leat_addr **ret_to,
                               const struct leat_addr **ret_local);

/* Whether so many bytes of media may go there now: an address that has not answered us gets at most three times what
 * came from it. Accounts for them. */
LEAT_API bool leat_peer_allow(leat_peer *peer, size_t bytes);

/* The keys for what is sent; NULL before CONNECTED. One for RTP and RTCP. */
LEAT_API leat_srtp *leat_peer_srtp(leat_peer *peer);

/* close_notify; then only _transmit and _close. */
LEAT_API void leat_peer_goodbye(leat_peer *peer);

struct leat_peer_stats {
    uint64_t dropped;       /* datagrams that were nothing, or not in their time */
    uint64_t auth_failures; /* SRTP, SRTCP */
    uint64_t replays;
    leat_time checked_ns, connected_ns; /* since open: first valid check, keys; 0: not yet */
};
LEAT_API void leat_peer_stats(const leat_peer *peer, struct leat_peer_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
