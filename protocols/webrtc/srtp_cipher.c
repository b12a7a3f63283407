/* AES-CM with HMAC-SHA1 (RFC 3711 4) and AES-GCM (RFC 7714) on OpenSSL, and the key derivation of both
 * (RFC 3711 4.3). A packet of the stream costs little more than the arithmetic: the key schedule is done
 * when the cipher is opened, a packet sets the IV.
 *
 * Invariant: no call about a packet allocates. Called by the sessions (srtp.c, srtp_rtcp.c) alone. */

/* The digest is SHA1_Update rather than EVP: an HMAC starts twice from a state that was computed
 * before, and EVP_MD_CTX_copy allocates the copy, four times a packet. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "srtp_cipher.h"
#include "bytes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

enum { BLOCK_LEN = 16, AUTH_KEY_LEN = 20, GCM_IV_LEN = 12, RTCP_WORD_LEN = 4 };

/* ---- ciphers of the process ---- */

/* Looking one up takes locks and as long as sealing several packets. */
static CRYPTO_ONCE fetched = CRYPTO_ONCE_STATIC_INIT;
static EVP_CIPHER *aes_gcm, *aes_ctr, *aes_ecb;

static void fetch(void)
{
    aes_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    aes_ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
    aes_ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    ERR_clear_error();
}

int leat__srtp_profile_check(enum leat_srtp_profile profile)
{
    if (profile != LEAT_SRTP_AES128_CM_SHA1_80 && profile != LEAT_SRTP_AEAD_AES_128_GCM) {
        return -EINVAL;
    }
    if (!CRYPTO_THREAD_run_once(&fetched, fetch)) {
        return -ENOMEM;
    }
    return aes_gcm && aes_ctr && aes_ecb ? 0 : -ENOTSUP;
}

/* ---- keys ---- */

/* Labels of RFC 3711 4.3.1; those of RTCP come 3 later. */
enum { LABEL_ENCRYPTION, LABEL_AUTHENTICATION, LABEL_SALT, LABELS };

enum { DERIVED_LEN = 4 * BLOCK_LEN }; /* a key, an authentication key in two blocks, a salt */

/* The key stream of AES-CM for each label: blocks of counter 0, of authentication also of 1. */
static bool derive(EVP_CIPHER_CTX *evp, const struct srtp_master *master, bool is_rtcp,
                   uint8_t ret[DERIVED_LEN])
{
    static const uint8_t labels[] = {LABEL_ENCRYPTION, LABEL_AUTHENTICATION, LABEL_AUTHENTICATION,
                                     LABEL_SALT};
    uint8_t counters[DERIVED_LEN] = {0};
    for (size_t i = 0; i < sizeof(labels); i++) {
        uint8_t *const counter = counters + i * BLOCK_LEN;
        memcpy(counter, master->salt, LEAT_SRTP_SALT_LEN_MAX);
        counter[7] ^= (uint8_t)(labels[i] + (is_rtcp ? LABELS : 0));
        counter[BLOCK_LEN - 1] = i > 0 && labels[i] == labels[i - 1];
    }
    /* Without EVP_CIPHER_CTX_set_padding, which whole blocks do not need: it would stay, and cost each
     * packet 50 ns. */
    int len = 0;
    const bool good = EVP_EncryptInit_ex(evp, aes_ecb, NULL, master->key, NULL) &&
                      EVP_EncryptUpdate(evp, ret, &len, counters, DERIVED_LEN) &&
                      len == DERIVED_LEN;
    OPENSSL_cleanse(counters, sizeof(counters));
    return good;
}

static void sha1_words(const SHA_CTX *sha, uint32_t ret[SRTP_SHA1_WORDS])
{
    ret[0] = sha->h0;
    ret[1] = sha->h1;
    ret[2] = sha->h2;
    ret[3] = sha->h3;
    ret[4] = sha->h4;
}

static void hmac_prepare(const uint8_t key[AUTH_KEY_LEN], uint8_t pad,
                         uint32_t ret[SRTP_SHA1_WORDS])
{
    uint8_t block[SHA_CBLOCK];
    memset(block, pad, sizeof(block));
    for (size_t i = 0; i < AUTH_KEY_LEN; i++) {
        block[i] ^= key[i];
    }
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, block, sizeof(block));
    sha1_words(&sha, ret);
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&sha, sizeof(sha));
}

int leat__srtp_cipher_open(const struct srtp_master *master, bool is_rtcp, bool decrypts,
                           struct srtp_cipher *ret)
{
    EVP_CIPHER_CTX *const evp = EVP_CIPHER_CTX_new();
    if (!evp) {
        ERR_clear_error();
        return -ENOMEM;
    }
    const bool is_gcm = master->profile == LEAT_SRTP_AEAD_AES_128_GCM;
    const EVP_CIPHER *const type = is_gcm ? aes_gcm : aes_ctr;
    uint8_t derived[DERIVED_LEN] = {0};
    const bool good = derive(evp, master, is_rtcp, derived) &&
                      EVP_CipherInit_ex(evp, type, NULL, derived, NULL, !(decrypts && is_gcm));
    if (good) {
        *ret = (struct srtp_cipher){.evp = evp, .is_gcm = is_gcm, .is_rtcp = is_rtcp};
        ret->tag_len = (uint8_t)leat_srtp_overhead(master->profile);
        memcpy(ret->salt, derived + 3 * BLOCK_LEN, leat_srtp_salt_len(master->profile));
        if (!is_gcm) {
            hmac_prepare(derived + BLOCK_LEN, 0x36, ret->inner);
            hmac_prepare(derived + BLOCK_LEN, 0x5c, ret->outer);
        }
    } else {
        EVP_CIPHER_CTX_free(evp);
        ERR_clear_error();
    }
    OPENSSL_cleanse(derived, sizeof(derived));
    return good ? 0 : -EIO;
}

void leat__srtp_cipher_close(struct srtp_cipher *cipher)
{
    EVP_CIPHER_CTX_free(cipher->evp);
    OPENSSL_cleanse(cipher, sizeof(*cipher));
}

/* ---- packets ---- */

/* GCM: 16 bits 0, SSRC, index (RFC 7714 8.1, 9.1). CM: the same behind 16 bits more, and 16 for the
 * counter of blocks (RFC 3711 4.1.1). Both xor the salt. */
static bool set_iv(const struct srtp_cipher *cipher, const struct srtp_nonce *nonce)
{
    uint8_t iv[BLOCK_LEN] = {0};
    uint8_t *const at = iv + (cipher->is_gcm ? 2 : 4);
    put32(at, nonce->ssrc);
    put16(at + 4, (uint16_t)(nonce->index >> 32));
    put32(at + 6, (uint32_t)nonce->index);
    for (size_t i = 0; i < LEAT_SRTP_SALT_LEN_MAX; i++) {
        iv[i] ^= cipher->salt[i]; /* that of GCM ends in zeros, which EVP does not read */
    }
    return EVP_CipherInit_ex(cipher->evp, NULL, NULL, NULL, iv, -1);
}

/* Nothing is not given to EVP: it would take that for the end. */
static bool crypt(EVP_CIPHER_CTX *evp, uint8_t *out, const uint8_t *in, size_t len)
{
    int done = 0;
    return len == 0 || EVP_CipherUpdate(evp, out, &done, in, (int)len);
}

static bool gcm_start(const struct srtp_cipher *cipher, const struct srtp_nonce *nonce,
                      const uint8_t *head, size_t head_len)
{
    if (!set_iv(cipher, nonce) || !crypt(cipher->evp, NULL, head, head_len)) {
        return false;
    }
    if (cipher->is_rtcp) {
        uint8_t word[RTCP_WORD_LEN];
        put32(word, nonce->word);
        return crypt(cipher->evp, NULL, word, sizeof(word));
    }
    return true;
}

/* Of the header, the ciphertext and the word (RFC 3711 4.2). ret: SHA_DIGEST_LENGTH bytes. */
static void hmac(const struct srtp_cipher *cipher, const uint8_t *bytes, size_t len, uint32_t word,
                 uint8_t *ret)
{
    const uint32_t *const inner = cipher->inner;
    const uint32_t *const outer = cipher->outer;
    uint8_t last[4];
    put32(last, word);
    SHA_CTX sha = {.h0 = inner[0], .h1 = inner[1], .h2 = inner[2], .h3 = inner[3], .h4 = inner[4]};
    sha.Nl = SHA_CBLOCK * 8;
    SHA1_Update(&sha, bytes, len);
    SHA1_Update(&sha, last, sizeof(last));
    SHA1_Final(ret, &sha);
    sha = (SHA_CTX){.h0 = outer[0], .h1 = outer[1], .h2 = outer[2], .h3 = outer[3], .h4 = outer[4]};
    sha.Nl = SHA_CBLOCK * 8;
    SHA1_Update(&sha, ret, SHA_DIGEST_LENGTH);
    SHA1_Final(ret, &sha);
}

int leat__srtp_seal(const struct srtp_cipher *cipher, const struct srtp_nonce *nonce,
                    const struct leat_srtp_packet *packet, uint8_t *out, uint8_t *tag)
{
    EVP_CIPHER_CTX *const evp = cipher->evp;
    uint8_t *const body = out + packet->header_len;
    memcpy(out, packet->header, packet->header_len);
    if (!(cipher->is_gcm ? gcm_start(cipher, nonce, packet->header, packet->header_len)
                         : set_iv(cipher, nonce)) ||
        !crypt(evp, body, packet->prefix, packet->prefix_len) ||
        !crypt(evp, body + packet->prefix_len, packet->payload, packet->payload_len)) {
        ERR_clear_error();
        return -EIO;
    }
    if (!cipher->is_gcm) {
        uint8_t digest[SHA_DIGEST_LENGTH];
        hmac(cipher, out, packet->header_len + packet->prefix_len + packet->payload_len,
             nonce->word, digest);
        memcpy(tag, digest, cipher->tag_len);
        return 0;
    }
    int done = 0;
    if (!EVP_CipherFinal_ex(evp, tag, &done) ||
        EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, cipher->tag_len, tag) <= 0) {
        ERR_clear_error();
        return -EIO;
    }
    return 0;
}

static int gcm_unseal(const struct srtp_cipher *cipher, const struct srtp_nonce *nonce,
                      const uint8_t *in, size_t head_len, size_t body_len, const uint8_t *tag,
                      uint8_t *out)
{
    uint8_t expected[SRTP_TAG_LEN_MAX]; /* because EVP takes it without const */
    memcpy(expected, tag, SRTP_TAG_LEN_MAX);
    if (!gcm_start(cipher, nonce, in, head_len) ||
        !crypt(cipher->evp, out + head_len, in + head_len, body_len) ||
        EVP_CIPHER_CTX_ctrl(cipher->evp, EVP_CTRL_AEAD_SET_TAG, SRTP_TAG_LEN_MAX, expected) <= 0) {
        ERR_clear_error();
        return -EIO;
    }
    int done = 0;
    uint8_t none[BLOCK_LEN];
    if (EVP_CipherFinal_ex(cipher->evp, none, &done) <= 0) {
        ERR_clear_error();
        return -EBADMSG;
    }
    return 0;
}

int leat__srtp_unseal(const struct srtp_cipher *cipher, const struct srtp_nonce *nonce,
                      const uint8_t *in, size_t head_len, size_t body_len, const uint8_t *tag,
                      uint8_t *out)
{
    memcpy(out, in, head_len);
    if (cipher->is_gcm) {
        return gcm_unseal(cipher, nonce, in, head_len, body_len, tag, out);
    }
    uint8_t digest[SHA_DIGEST_LENGTH];
    hmac(cipher, in, head_len + body_len, nonce->word, digest);
    if (CRYPTO_memcmp(digest, tag, cipher->tag_len) != 0) {
        return -EBADMSG;
    }
    if (!set_iv(cipher, nonce) || !crypt(cipher->evp, out + head_len, in + head_len, body_len)) {
        ERR_clear_error();
        return -EIO;
    }
    return 0;
}
