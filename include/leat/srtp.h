/* SRTP and SRTCP (RFC 3711; AES-GCM: RFC 7714) for what DTLS-SRTP agrees on (RFC 5764): packets
 * are sealed from plaintext that lies in several places into one buffer, and opened from one
 * buffer into another. Nothing is done in place, so a thousand sessions may read one plaintext.
 *
 * Of the library leat::webrtc; it needs OpenSSL 3.0. What holds for all of it:
 *
 * - Thread: a session is used by one thread at a time; different sessions by any threads at once.
 *   Nothing blocks. No call about a packet allocates, but the first of RTP, the first of RTCP, the
 *   first of an SSRC and its first with LEAT_SRTP_REPEAT.
 * - Errors: 0 or a negative errno; ret_len is untouched on failure and then nothing in the output
 *   may be used or sent. What a peer sends never aborts the process: it is counted and refused.
 * - One index encrypts one packet. The sender remembers the last LEAT_SRTP_WINDOW indexes of each
 *   SSRC and refuses to seal anything else under one of them, or under an older one. The key
 *   must come from a DTLS handshake of its own: two senders with the same key and the same SSRC
 *   cannot know of each other.
 * - The packet index: sequence numbers are extended by the rollover counter as RFC 3711 3.3.1
 *   says, by SSRC. Senders start below 2^15, otherwise a peer that misses the first packets may
 *   guess the counter wrong for ever. */
#ifndef LEAT_SRTP_H
#define LEAT_SRTP_H

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Protection profiles, with the numbers of the use_srtp extension (RFC 5764 4.1.2, RFC 7714 14.2). */
enum leat_srtp_profile {
    LEAT_SRTP_AES128_CM_SHA1_80 = 0x0001, /* SRTP_AES128_CM_HMAC_SHA1_80 */
    LEAT_SRTP_AEAD_AES_128_GCM = 0x0007   /* about twice as fast: prefer it */
};

#define LEAT_SRTP_KEY_LEN 16u      /* master key, both profiles */
#define LEAT_SRTP_SALT_LEN_MAX 14u /* master salt: leat_srtp_salt_len */
#define LEAT_SRTP_OVERHEAD_MAX 16u /* what sealing adds to an RTP packet, at most */
#define LEAT_SRTCP_OVERHEAD_MAX 20u
#define LEAT_SRTP_LEN_MAX 65535u /* of a sealed packet */
#define LEAT_SRTP_WINDOW 2048u   /* indexes of an SSRC that are remembered, in both directions */
#define LEAT_SRTP_SSRC_MAX 32u   /* of a session, for RTP and again for received RTCP */

/* Bytes of the master salt: 14 or 12. */
static inline size_t leat_srtp_salt_len(enum leat_srtp_profile profile)
{
    return profile == LEAT_SRTP_AEAD_AES_128_GCM ? 12 : 14;
}

/* Bytes that sealing adds to an RTP packet: the tag, 16 or 10. */
static inline size_t leat_srtp_overhead(enum leat_srtp_profile profile)
{
    return profile == LEAT_SRTP_AEAD_AES_128_GCM ? 16 : 10;
}

/* Bytes that sealing adds to an RTCP packet: index and tag, 20 or 14. */
static inline size_t leat_srtcp_overhead(enum leat_srtp_profile profile)
{
    return leat_srtp_overhead(profile) + 4;
}

/* ---- a session ---- */

/* One direction of one session: what one master key is for, all its SSRCs. A session with a peer
 * has two, a sender and a receiver. RTP and RTCP have keys of their own, derived when the first
 * packet of each comes; so a receiver that only ever sees RTCP costs half. Both directions of a
 * viewer (three SSRCs out, reports both ways) are 5.4 KB with GCM, 3.7 KB with AES_CM. */
typedef struct leat_srtp leat_srtp;

/* key: LEAT_SRTP_KEY_LEN bytes; salt: leat_srtp_salt_len(profile) bytes. Both are copied, and wiped
 * when the session is closed. -EINVAL: no such profile; -ENOMEM; -ENOTSUP: OpenSSL has not got
 * the ciphers. */
LEAT_API int leat_srtp_sender_open(enum leat_srtp_profile profile, const uint8_t *key,
                                   const uint8_t *salt, leat_srtp **ret);
LEAT_API int leat_srtp_receiver_open(enum leat_srtp_profile profile, const uint8_t *key,
                                     const uint8_t *salt, leat_srtp **ret);

/* NULL is allowed. */
LEAT_API void leat_srtp_close(leat_srtp *srtp);

LEAT_API enum leat_srtp_profile leat_srtp_profile_of(const leat_srtp *srtp);

/* ---- sending ---- */

/* An RTP packet in the clear, in up to three places. All is borrowed for the call and only read. */
struct leat_srtp_packet {
    /* Fixed header, CSRCs and the header extension, complete (RFC 3550 5.1, 5.3.1): the length
     * it has must be the one it says. SSRC and sequence number are read from it. It is not
     * encrypted. */
    const uint8_t *header;
    size_t         header_len;
    /* What comes before the payload and is encrypted with it: payload bytes that were rewritten, or
     * the original sequence number of a retransmission (RFC 4588). May be empty, data NULL. */
    const uint8_t *prefix;
    size_t         prefix_len;
    /* The payload, or the rest of it, and padding if the header says so. */
    const uint8_t *payload;
    size_t         payload_len;
    uint32_t       flags; /* LEAT_SRTP_... */
};

/* Retransmissions of this SSRC carry the same sequence number (no RTX): a packet may be sealed
 * again as long as every byte of it is the same. Set it on every packet of such an SSRC, the first
 * time as well: that is when the tag is remembered which a repeat is compared with (8 KiB an SSRC). */
#define LEAT_SRTP_REPEAT 0x1u

/* Writes header, ciphertext and tag to out, which must not overlap with what is read; cap is at
 * least header_len + prefix_len + payload_len + leat_srtp_overhead(profile), and *ret_len is
 * exactly that. A packet may be late (a lower sequence number than one before), as long as its
 * index is among the last LEAT_SRTP_WINDOW and was not used. On failure everything that was
 * written is wiped:
 *
 *   -EEXIST     the index was used: this would be a second packet under it
 *   -EBADMSG    a repeat, but not of the same bytes
 *   -ESTALE     the index is older than the window, or before the SSRC's first one by a rollover
 *   -EINVAL     the header is not one, or not header_len long
 *   -EMSGSIZE   cap is too small, or the packet is longer than LEAT_SRTP_LEN_MAX
 *   -ENOSPC     LEAT_SRTP_SSRC_MAX SSRCs are in use; none is ever forgotten
 *   -EOVERFLOW  2^48 packets: the key is used up
 *   -ENOMEM, -EIO (OpenSSL; the index counts as used)
 *
 * Only on a sender. */
LEAT_API int leat_srtp_protect(leat_srtp *srtp, const struct leat_srtp_packet *packet, uint8_t *out,
                               size_t cap, size_t *ret_len);

/* The same for an RTCP packet, compound or reduced (at least its first 8 bytes, of which the SSRC
 * is read). cap is at least len + leat_srtcp_overhead(profile). Each packet of the session gets
 * an index of its own, whatever its SSRC: any RTCP may be said any number of times.
 *
 *   -EINVAL     shorter than 8 bytes, or not version 2
 *   -EMSGSIZE   cap is too small, or the packet is longer than LEAT_SRTP_LEN_MAX
 *   -EOVERFLOW  2^31 packets: the key is used up
 *   -ENOMEM, -EIO */
LEAT_API int leat_srtcp_protect(leat_srtp *srtp, const uint8_t *in, size_t len, uint8_t *out,
                                size_t cap, size_t *ret_len);

/* ---- receiving ---- */

/* Opens the RTP packet in[0..len) and writes it, header and plaintext, to out, which must not
 * overlap with it; cap is at least len - leat_srtp_overhead(profile), and *ret_len is exactly that.
 * Nothing is remembered of a packet that does not authenticate, and what was written is wiped.
 *
 *   -EBADMSG    it does not authenticate
 *   -EEXIST     a replay: this index was opened before
 *   -ESTALE     it is older than the window, so it may be a replay
 *   -EINVAL     it is not an SRTP packet
 *   -EMSGSIZE   cap is too small, or it is longer than LEAT_SRTP_LEN_MAX
 *   -ENOSPC     it is genuine, but LEAT_SRTP_SSRC_MAX other SSRCs are in use. None is forgotten,
 *               because then its packets could be replayed; only the holder of the key gets one.
 *   -EOVERFLOW  2^48 packets
 *   -ENOMEM, -EIO
 *
 * Only on a receiver. */
LEAT_API int leat_srtp_unprotect(leat_srtp *srtp, const uint8_t *in, size_t len, uint8_t *out,
                                 size_t cap, size_t *ret_len);

/* The same for an RTCP packet: cap is at least len - leat_srtcp_overhead(profile). The SSRC of its
 * first sub-packet has the window. One that is not encrypted (E bit 0) is refused: -EINVAL. */
LEAT_API int leat_srtcp_unprotect(leat_srtp *srtp, const uint8_t *in, size_t len, uint8_t *out,
                                  size_t cap, size_t *ret_len);

/* ---- counters ---- */

/* Of a session, RTP and RTCP together; they only grow. */
struct leat_srtp_stats {
    uint64_t auth_failed; /* receiver: -EBADMSG */
    uint64_t replayed;    /* receiver: -EEXIST and -ESTALE */
    uint64_t malformed;   /* receiver: -EINVAL */
    uint64_t refused;     /* sender: -EEXIST, -EBADMSG, -ESTALE: an index would have been reused */
};

LEAT_API void leat_srtp_stats_get(const leat_srtp *srtp, struct leat_srtp_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
