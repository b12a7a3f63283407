/* Packets and sessions for the tests of SRTP. */
#ifndef LEAT_TESTS_UNIT_WEBRTC_SRTP_H
#define LEAT_TESTS_UNIT_WEBRTC_SRTP_H

#include <leat/srtp.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { PACKET_MAX = 2048 };

static const enum leat_srtp_profile profiles[] = {LEAT_SRTP_AES128_CM_SHA1_80,
                                                  LEAT_SRTP_AEAD_AES_128_GCM};

static const uint8_t master_key[LEAT_SRTP_KEY_LEN] = {
    0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde, 0x41, 0x39};
static const uint8_t master_salt[LEAT_SRTP_SALT_LEN_MAX] = {
    0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6};

struct srtp_pair {
    leat_srtp *sender, *receiver;
};

static inline struct srtp_pair pair_open(enum leat_srtp_profile profile)
{
    struct srtp_pair pair = {NULL, NULL};
    REQUIRE(leat_srtp_sender_open(profile, master_key, master_salt, &pair.sender) == 0);
    REQUIRE(leat_srtp_receiver_open(profile, master_key, master_salt, &pair.receiver) == 0);
    return pair;
}

static inline void pair_close(struct srtp_pair *pair)
{
    leat_srtp_close(pair->sender);
    leat_srtp_close(pair->receiver);
}

static inline void write_u16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void write_u32(uint8_t *at, uint32_t value)
{
    write_u16(at, value >> 16);
    write_u16(at + 2, value & 0xffff);
}

static inline void write_header(uint8_t header[12], uint32_t ssrc, unsigned seq)
{
    header[0] = 0x80;
    header[1] = 96;
    write_u16(header + 2, seq);
    write_u32(header + 4, seq * 3000);
    write_u32(header + 8, ssrc);
}

/* A small packet whose payload is the four bytes of `what`. */
static inline int protect_flagged(leat_srtp *srtp, uint32_t ssrc, unsigned seq, uint32_t what,
                                  uint32_t flags, uint8_t *out, size_t *ret_len)
{
    uint8_t header[12], payload[4];
    write_header(header, ssrc, seq);
    write_u32(payload, what);
    const struct leat_srtp_packet packet = {.header = header,
                                            .header_len = sizeof(header),
                                            .payload = payload,
                                            .payload_len = sizeof(payload),
                                            .flags = flags};
    return leat_srtp_protect(srtp, &packet, out, PACKET_MAX, ret_len);
}

static inline int protect(leat_srtp *srtp, uint32_t ssrc, unsigned seq, uint8_t *out,
                          size_t *ret_len)
{
    return protect_flagged(srtp, ssrc, seq, seq, 0, out, ret_len);
}

/* xorshift: the tests are the same each time. */
static inline uint32_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 16);
}

#endif
