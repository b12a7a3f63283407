/* The ICE credentials of sessions. A password is made of its ufrag and a key that all workers of a server have, so that
 * whichever of them a check arrives at can tell whether it is authentic, before it costs anything but that. SHA256_Update,
 * since EVP allocates for each digest; deprecated since OpenSSL 3.0, and in every version since. Any worker. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "media.h"

#define UFRAG_LEN (1 + LEAT_ICE_UFRAG_RANDOM) /* the worker's character, and random ones */
#define PASSWORD_LEN 24u                      /* 144 bits */

static bool begin(SHA256_CTX *sha, const uint8_t key[MEDIA_ICE_KEY_LEN], uint8_t pad)
{
    uint8_t block[SHA256_CBLOCK];
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = (uint8_t)((i < MEDIA_ICE_KEY_LEN ? key[i] : 0) ^ pad);
    }
    const bool done = SHA256_Init(sha) && SHA256_Update(sha, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
    return done;
}

/* HMAC-SHA256 of the ufrag (RFC 2104), its first bytes as ice-chars. */
static bool password_of(const struct media_worker *worker, const char *ufrag, size_t len,
                        char ret[PASSWORD_LEN])
{
    SHA256_CTX sha;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    const bool done = begin(&sha, worker->ice_key, 0x36) && SHA256_Update(&sha, ufrag, len) &&
                      SHA256_Final(digest, &sha) && begin(&sha, worker->ice_key, 0x5c) &&
                      SHA256_Update(&sha, digest, sizeof(digest)) && SHA256_Final(digest, &sha);
    for (size_t i = 0; i < PASSWORD_LEN; i++) {
        ret[i] = media_worker_char(digest[i]);
    }
    OPENSSL_cleanse(&sha, sizeof(sha));
    OPENSSL_cleanse(digest, sizeof(digest));
    return done;
}

int media_credentials_make(const struct media_worker *worker, struct leat_ice_credentials *ret)
{
    const char prefix[2] = {media_worker_char(worker->index), '\0'};
    struct leat_ice_credentials made;
    const int status = leat_ice_credentials_make(prefix, &made);
    if (status != 0) {
        return status;
    }
    memset(made.pwd, 0, sizeof(made.pwd));
    if (!password_of(worker, made.ufrag, strlen(made.ufrag), made.pwd)) {
        return -EIO;
    }
    *ret = made;
    return 0;
}

bool media_check_is_authentic(const struct media_worker *worker, const uint8_t *data, size_t len)
{
    struct leat_stun_message message;
    const char *ufrag;
    size_t ufrag_len;
    char password[PASSWORD_LEN];
    if (leat_ice_username(data, len, &ufrag, &ufrag_len) != 0 || ufrag_len != UFRAG_LEN ||
        leat_stun_parse(data, len, &message) != 0 ||
        !password_of(worker, ufrag, ufrag_len, password)) {
        return false;
    }
    const bool is_authentic = leat_stun_verify(&message, password, sizeof(password));
    OPENSSL_cleanse(password, sizeof(password));
    return is_authentic;
}
