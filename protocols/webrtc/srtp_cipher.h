/* The two transforms of SRTP and the keys they need, without any memory of packets: who calls it sees
 * to it that no index is used twice. */
#ifndef LEAT_PROTOCOLS_WEBRTC_SRTP_CIPHER_H
#define LEAT_PROTOCOLS_WEBRTC_SRTP_CIPHER_H

#include <leat/srtp.h>

#include <openssl/types.h>

#define SRTP_TAG_LEN_MAX 16u
#define SRTP_SHA1_WORDS 5u

/* Session keys of RTP or of RTCP, in one direction. */
struct srtp_cipher {
    EVP_CIPHER_CTX *evp; /* keyed once; a packet sets only its IV */
    bool is_gcm;
    bool is_rtcp;
    uint8_t tag_len;
    uint8_t salt[LEAT_SRTP_SALT_LEN_MAX];
    /* AES_CM: the states of SHA-1 after the block that HMAC makes of its key, inside and outside. */
    uint32_t inner[SRTP_SHA1_WORDS];
    uint32_t outer[SRTP_SHA1_WORDS];
};

/* What one session was given: RFC 3711 derives all of the above from it. */
struct srtp_master {
    enum leat_srtp_profile profile;
    uint8_t key[LEAT_SRTP_KEY_LEN];
    uint8_t salt[LEAT_SRTP_SALT_LEN_MAX]; /* two zeros behind that of GCM (RFC 7714 11) */
};

/* 0, -EINVAL (no such profile), -ENOTSUP. */
int leat__srtp_profile_check(enum leat_srtp_profile profile);

/* -ENOMEM, -EIO: then there is nothing to close. */
int leat__srtp_cipher_open(const struct srtp_master *master, bool is_rtcp, bool decrypts,
                           struct srtp_cipher *ret);
void leat__srtp_cipher_close(struct srtp_cipher *cipher);

/* Which packet: what makes the IV, and the word that is authenticated with it. */
struct srtp_nonce {
    uint64_t index; /* 48 bits; RTCP: 31 */
    uint32_t ssrc;
    uint32_t word; /* RTP: the rollover counter; RTCP: E bit and index */
};

/* Copies the header to out, encrypts prefix and payload behind it, and writes the tag: cipher->tag_len
 * bytes. 0 or -EIO. */
int leat__srtp_seal(const struct srtp_cipher *cipher, const struct srtp_nonce *nonce,
                    const struct leat_srtp_packet *packet, uint8_t *out, uint8_t *tag);

/* The reverse: in has head_len bytes in the clear, then body_len bytes encrypted. 0, -EBADMSG, -EIO. On
 * failure there may be plaintext in out: the caller wipes it. */
int leat__srtp_unseal(const struct srtp_cipher *cipher, const struct srtp_nonce *nonce,
                      const uint8_t *in, size_t head_len, size_t body_len, const uint8_t *tag,
                      uint8_t *out);

#endif
