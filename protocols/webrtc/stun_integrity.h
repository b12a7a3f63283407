/* The two checksums of a STUN message, for who reads and who writes one. */
#ifndef LEAT_PROTOCOLS_WEBRTC_STUN_INTEGRITY_H
#define LEAT_PROTOCOLS_WEBRTC_STUN_INTEGRITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STUN_ATTR_HEADER_LEN 4u
#define STUN_INTEGRITY_LEN 20u
#define STUN_FINGERPRINT_LEN 4u

/* MESSAGE-INTEGRITY of a message in which that attribute stands, or will, at offset `at`: the
 * length in the header counts as if the message ended with it (RFC 8489, 14.5). False: OpenSSL
 * failed. */
bool leat__stun_integrity(const uint8_t *message, size_t at, const void *key, size_t key_len,
                          uint8_t ret[STUN_INTEGRITY_LEN]);

/* FINGERPRINT of a message whose bytes before that attribute, with the final length in the header,
 * are these (RFC 8489, 14.7). */
uint32_t leat__stun_fingerprint(const uint8_t *message, size_t len);

#endif
