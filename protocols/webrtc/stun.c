/* Reads a STUN message (RFC 8489, 5 and 14). Strict where a message is cut up: lengths must add
 * up to the datagram's; an attribute whose value is wrong is left out and told of, because a
 * request with one is answered, but only once it is authenticated. Nothing is copied but
 * numbers. Pure: any thread. */
#include <leat/stun.h>

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "stun_integrity.h"

enum {
    REASON_MAX = 763, /* also of REALM and NONCE: 127 characters of UTF-8 (RFC 8489, 14.8) */
    FAMILY_IPV4 = 1,
    FAMILY_IPV6 = 2,
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

bool leat_stun_is(const void *data, size_t len)
{
    const uint8_t *const at = data;
    return len >= LEAT_STUN_HEADER_LEN && at[0] < 4 && get32(at + 4) == LEAT_STUN_COOKIE;
}

static bool read_text(leat_stun_bytes *text, const uint8_t *value, size_t len, size_t max)
{
    if (len > max) {
        return false;
    }
    if (!text->data) {
        *text = (leat_stun_bytes){value, len};
    }
    return true;
}

/* The mask is the 16 bytes of cookie and transaction, or zeros. */
static bool read_address(struct leat_addr *addr, const uint8_t *value, size_t len,
                         const uint8_t mask[16])
{
    const size_t ip_len = len == 8 && value[1] == FAMILY_IPV4    ? 4
                          : len == 20 && value[1] == FAMILY_IPV6 ? 16
                                                                 : 0;
    if (!ip_len) {
        return false;
    }
    memset(addr, 0, sizeof(*addr));
    addr->port = get16(value + 2) ^ get16(mask);
    if (ip_len == 4) {
        addr->ip[10] = addr->ip[11] = 0xff;
    }
    for (size_t i = 0; i < ip_len; i++) {
        addr->ip[16 - ip_len + i] = value[4 + i] ^ mask[i];
    }
    return true;
}

static bool read_mapped(struct leat_stun_message *message, const uint8_t *value, size_t len)
{
    static const uint8_t plain[16];
    struct leat_addr addr;
    if (!read_address(&addr, value, len, plain)) {
        return false;
    }
    if (!message->has_mapped) {
        message->has_mapped = true;
        message->mapped = addr;
    }
    return true;
}

static bool read_error(struct leat_stun_message *message, const uint8_t *value, size_t len)
{
    if (len < 4 || len > 4 + REASON_MAX) {
        return false;
    }
    const unsigned hundreds = value[2] & 7, rest = value[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99) {
        return false;
    }
    if (!message->error_code) {
        message->error_code = (uint16_t)(hundreds * 100 + rest);
        message->error_reason = (leat_stun_bytes){value + 4, len - 4};
    }
    return true;
}

static bool read_role(struct leat_stun_message *message, bool *role, const uint8_t *value,
                      size_t len)
{
    if (len != 8) {
        return false;
    }
    if (!message->controlled && !message->controlling) {
        message->tie_breaker = (uint64_t)get32(value) << 32 | get32(value + 4);
    }
    *role = true;
    return true;
}

static bool read_priority(struct leat_stun_message *message, const uint8_t *value, size_t len)
{
    if (len != 4) {
        return false;
    }
    if (!message->has_priority) {
        message->has_priority = true;
        message->priority = get32(value);
    }
    return true;
}

static void note_unknown(struct leat_stun_message *message, uint16_t type)
{
    for (unsigned i = 0; i < message->unknown_count; i++) {
        if (message->unknown[i] == type) {
            return;
        }
    }
    if (message->unknown_count < LEAT_STUN_UNKNOWN_MAX) {
        message->unknown[message->unknown_count++] = type;
    }
}

/* False: the value is wrong. */
static bool read_attribute(struct leat_stun_message *message, uint16_t type, const uint8_t *value,
                           size_t len)
{
    switch (type) {
    case LEAT_STUN_ATTR_USERNAME:
        return read_text(&message->username, value, len, LEAT_STUN_USERNAME_MAX);
    case LEAT_STUN_ATTR_REALM:
        return read_text(&message->realm, value, len, REASON_MAX);
    case LEAT_STUN_ATTR_NONCE:
        return read_text(&message->nonce, value, len, REASON_MAX);
    case LEAT_STUN_ATTR_PRIORITY:
        return read_priority(message, value, len);
    case LEAT_STUN_ATTR_USE_CANDIDATE:
        message->use_candidate |= len == 0;
        return len == 0;
    case LEAT_STUN_ATTR_ICE_CONTROLLED:
        return read_role(message, &message->controlled, value, len);
    case LEAT_STUN_ATTR_ICE_CONTROLLING:
        return read_role(message, &message->controlling, value, len);
    case LEAT_STUN_ATTR_MAPPED_ADDRESS:
        return read_mapped(message, value, len);
    case LEAT_STUN_ATTR_ERROR_CODE:
        return read_error(message, value, len);
    case LEAT_STUN_ATTR_UNKNOWN_ATTRIBUTES:
        return len % 2 == 0;
    default:
        if (type < 0x8000) {
            note_unknown(message, type);
        }
        return true;
    }
}

/* FINGERPRINT is the last attribute, or the message is not one of ours. */
static bool read_fingerprint(struct leat_stun_message *message, const uint8_t *attr, size_t len)
{
    const size_t at = (size_t)(attr - message->data);
    message->fingerprint =
        len == STUN_FINGERPRINT_LEN &&
        at + STUN_ATTR_HEADER_LEN + STUN_FINGERPRINT_LEN == message->len &&
        get32(attr + STUN_ATTR_HEADER_LEN) == leat__stun_fingerprint(message->data, at);
    return message->fingerprint;
}

/* Both forms of the address are read where they stand; this one is the better (RFC 8489, 14.2). */
static bool read_xor_mapped(struct leat_stun_message *message, const uint8_t *value, size_t len,
                            bool *seen)
{
    struct leat_addr addr;
    if (!read_address(&addr, value, len, message->data + 4)) {
        return false;
    }
    if (!*seen) {
        *seen = message->has_mapped = true;
        message->mapped = addr;
    }
    return true;
}

static bool read_attributes(struct leat_stun_message *message)
{
    bool xor_seen = false;
    for (size_t at = LEAT_STUN_HEADER_LEN; at < message->len;) {
        const uint8_t *const attr = message->data + at, *const value = attr + STUN_ATTR_HEADER_LEN;
        const uint16_t type = get16(attr); /* lengths are multiples of 4: there are 4 bytes */
        const size_t len = get16(attr + 2), padded = (len + 3) & ~(size_t)3;
        if (padded > message->len - at - STUN_ATTR_HEADER_LEN) {
            return false;
        }
        if (type == LEAT_STUN_ATTR_FINGERPRINT) {
            return read_fingerprint(message, attr, len);
        }
        if (!message->integrity_at) {
            if (type == LEAT_STUN_ATTR_MESSAGE_INTEGRITY) {
                if (len != STUN_INTEGRITY_LEN) {
                    return false;
                }
                message->integrity_at = (uint16_t)at;
            } else if (type == LEAT_STUN_ATTR_XOR_MAPPED_ADDRESS) {
                message->malformed |= !read_xor_mapped(message, value, len, &xor_seen);
            } else {
                message->malformed |= !read_attribute(message, type, value, len);
            }
        }
        at += STUN_ATTR_HEADER_LEN + padded;
    }
    return true;
}

int leat_stun_parse(const void *data, size_t len, struct leat_stun_message *ret)
{
    if (!leat_stun_is(data, len)) {
        return -EBADMSG;
    }
    struct leat_stun_message message = {.data = data, .len = len};
    if (get16(message.data + 2) != len - LEAT_STUN_HEADER_LEN || len % 4 != 0) {
        return -EBADMSG;
    }
    const unsigned type = get16(message.data); /* its bits: RFC 8489, figure 3 */
    message.kind = (enum leat_stun_kind)((type >> 7 & 2) | (type >> 4 & 1));
    message.method = (uint16_t)((type & 0x200) >> 2 | (type & 0xe0) >> 1 | (type & 0xf));
    message.transaction = message.data + 8;
    if (!read_attributes(&message)) {
        return -EBADMSG;
    }
    *ret = message;
    return 0;
}

bool leat_stun_verify(const struct leat_stun_message *message, const void *key, size_t key_len)
{
    uint8_t integrity[STUN_INTEGRITY_LEN];
    const size_t at = message->integrity_at;
    return at && leat__stun_integrity(message->data, at, key, key_len, integrity) &&
           CRYPTO_memcmp(message->data + at + STUN_ATTR_HEADER_LEN, integrity, sizeof(integrity)) ==
               0;
}
