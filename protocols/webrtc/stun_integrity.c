/* MESSAGE-INTEGRITY and FINGERPRINT. Everything that claims to be a check costs one HMAC, so it
 * is made of SHA1_Update: EVP allocates two to thirteen times for each, and is two to ten times
 * slower. These functions are deprecated in favour of EVP since OpenSSL 3.0, and are in every
 * version since; this is the only file that uses them. Called by stun.c and stun_write.c. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "stun_integrity.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <leat/stun.h>

enum { BLOCK = SHA_CBLOCK };

/* RFC 2104: a key longer than a block is hashed first. */
static bool key_block(const void *key, size_t key_len, uint8_t ret[BLOCK])
{
    SHA_CTX sha;
    memset(ret, 0, BLOCK);
    if (key_len > BLOCK) {
        const bool done =
            SHA1_Init(&sha) && SHA1_Update(&sha, key, key_len) && SHA1_Final(ret, &sha);
        OPENSSL_cleanse(&sha, sizeof(sha));
        return done;
    }
    if (key_len) {
        memcpy(ret, key, key_len);
    }
    return true;
}

static bool begin(SHA_CTX *sha, const uint8_t block[BLOCK], uint8_t pad)
{
    uint8_t padded[BLOCK];
    for (size_t i = 0; i < BLOCK; i++) {
        padded[i] = block[i] ^ pad;
    }
    const bool done = SHA1_Init(sha) && SHA1_Update(sha, padded, BLOCK);
    OPENSSL_cleanse(padded, sizeof(padded));
    return done;
}

bool leat__stun_integrity(const uint8_t *message, size_t at, const void *key, size_t key_len,
                          uint8_t ret[STUN_INTEGRITY_LEN])
{
    const size_t len = at + STUN_ATTR_HEADER_LEN + STUN_INTEGRITY_LEN - LEAT_STUN_HEADER_LEN;
    uint8_t header[LEAT_STUN_HEADER_LEN], block[BLOCK], inner[SHA_DIGEST_LENGTH];
    SHA_CTX sha;
    memcpy(header, message, sizeof(header));
    header[2] = (uint8_t)(len >> 8);
    header[3] = (uint8_t)len;
    const bool done = key_block(key, key_len, block) && begin(&sha, block, 0x36) &&
                      SHA1_Update(&sha, header, sizeof(header)) &&
                      SHA1_Update(&sha, message + sizeof(header), at - sizeof(header)) &&
                      SHA1_Final(inner, &sha) && begin(&sha, block, 0x5c) &&
                      SHA1_Update(&sha, inner, sizeof(inner)) && SHA1_Final(ret, &sha);
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&sha, sizeof(sha));
    return done;
}

/* CRC-32 of ITU V.42, four bits at a time: the messages are short, the table is too. */
uint32_t leat__stun_fingerprint(const uint8_t *message, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= message[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc ^ 0x5354554e;
}
