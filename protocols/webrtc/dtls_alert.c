/* What is left of a connection when the handshake is behind both sides: alerts. OpenSSL keeps
 * some 40 KB for a repetition of the handshake that cannot come any more, 22 KB of it a buffer
 * for one message; a service has thousands of connections and needs of each that close_notify is
 * understood and said. So its keys are derived here once more (RFC 5246, 6.3), and OpenSSL's
 * object can go. Only AEADs (RFC 5288, RFC 7905): the context allows no other.
 *
 * Invariant: seal is called once for a key, so that no nonce is used twice: its sequence number
 * is one that OpenSSL has not come to, and the explicit nonce of AES-GCM is random, as OpenSSL's
 * own begins. The number is no larger than need be: receivers slide a window to it. Called by
 * dtls.c alone. */
#include "dtls_internal.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

enum {
    HEADER_LEN = 13,
    AAD_LEN = 13,
    ALERT_LEN = 2,
    TAG_LEN = 16,
    NONCE_LEN = 12,
    SECRET_LEN = 48,
    RANDOM_LEN = 32,
    SEQUENCE_AT = 8, /* in the record; with a 1 there it is 2^16, and OpenSSL counts from 0 */
};

/* ---- keys ---- */

static bool set_cipher(const SSL_CIPHER *cipher, struct dtls_alerts *alerts)
{
    switch (cipher ? SSL_CIPHER_get_cipher_nid(cipher) : NID_undef) {
    case NID_aes_128_gcm:
        alerts->cipher = EVP_aes_128_gcm();
        break;
    case NID_aes_256_gcm:
        alerts->cipher = EVP_aes_256_gcm();
        break;
    case NID_chacha20_poly1305:
        alerts->cipher = EVP_chacha20_poly1305();
        alerts->implicit_len = NONCE_LEN;
        return true;
    default:
        return false;
    }
    alerts->implicit_len = 4;
    return true;
}

/* The PRF of TLS 1.2 with the label "key expansion". */
static bool expand(SSL *ssl, uint8_t *out, size_t len)
{
    static const char label[] = "key expansion";
    const EVP_MD *const md = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
    uint8_t secret[SECRET_LEN], seed[sizeof(label) - 1 + 2 * RANDOM_LEN];
    const size_t secret_len =
        SSL_SESSION_get_master_key(SSL_get0_session(ssl), secret, sizeof(secret));
    memcpy(seed, label, sizeof(label) - 1);
    SSL_get_server_random(ssl, seed + sizeof(label) - 1, RANDOM_LEN);
    SSL_get_client_random(ssl, seed + sizeof(label) - 1 + RANDOM_LEN, RANDOM_LEN);
    EVP_KDF *const kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *const context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool good = false;
    if (context && md && secret_len == SECRET_LEN) {
        char *const name = (char *)(uintptr_t)EVP_MD_get0_name(md); /* it is only read */
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, secret_len),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
            OSSL_PARAM_construct_end()};
        good = EVP_KDF_derive(context, out, len, params) == 1;
    }
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    OPENSSL_cleanse(secret, sizeof(secret));
    return good;
}

bool leat__dtls_alerts_init(SSL *ssl, struct dtls_alerts *ret)
{
    struct dtls_alerts alerts = {0};
    uint8_t block[2 * (sizeof(alerts.local_key) + NONCE_LEN)];
    if (!set_cipher(SSL_get_current_cipher(ssl), &alerts)) {
        return false;
    }
    const size_t key = (size_t)EVP_CIPHER_get_key_length(alerts.cipher), iv = alerts.implicit_len;
    const size_t local = SSL_is_server(ssl) != 0, remote = !local; /* the client's come first */
    const bool good = expand(ssl, block, 2 * (key + iv));
    if (good) {
        memcpy(alerts.local_key, block + local * key, key);
        memcpy(alerts.remote_key, block + remote * key, key);
        memcpy(alerts.local_iv, block + 2 * key + local * iv, iv);
        memcpy(alerts.remote_iv, block + 2 * key + remote * iv, iv);
        *ret = alerts;
    }
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&alerts, sizeof(alerts));
    return good;
}

/* ---- records ---- */

/* `nonce` begins as the connection's IV: AES-GCM goes on with what the record says, ChaCha20 is
 * mixed with its number. */
static void set_nonce(const struct dtls_alerts *alerts, const uint8_t *record,
                      uint8_t nonce[NONCE_LEN])
{
    if (alerts->implicit_len < NONCE_LEN) {
        memcpy(nonce + alerts->implicit_len, record + HEADER_LEN, NONCE_LEN - alerts->implicit_len);
        return;
    }
    for (size_t i = 0; i < 8; i++) { /* epoch and sequence number */
        nonce[4 + i] ^= record[3 + i];
    }
}

/* What is authenticated of a header: number, type, version, and the length in the clear. */
static void set_aad(const uint8_t *record, uint8_t aad[AAD_LEN])
{
    memcpy(aad, record + 3, 8);
    memcpy(aad + 8, record, 3);
    aad[11] = 0;
    aad[12] = ALERT_LEN;
}

size_t leat__dtls_alerts_seal(const struct dtls_alerts *alerts, uint8_t level, uint8_t what,
                              uint8_t ret[DTLS_ALERT_RECORD_MAX])
{
    const size_t explicit_len = NONCE_LEN - alerts->implicit_len;
    const size_t len = explicit_len + ALERT_LEN + TAG_LEN;
    const uint8_t plain[ALERT_LEN] = {level, what};
    uint8_t nonce[NONCE_LEN], aad[AAD_LEN];
    uint8_t *const body = ret + HEADER_LEN + explicit_len;
    int done = 0;
    memset(ret, 0, HEADER_LEN);
    ret[0] = SSL3_RT_ALERT;
    ret[1] = DTLS1_2_VERSION >> 8;
    ret[2] = DTLS1_2_VERSION & 0xff;
    ret[4] = 1;
    ret[SEQUENCE_AT] = 1;
    ret[HEADER_LEN - 1] = (uint8_t)len;
    if (RAND_bytes(ret + HEADER_LEN, (int)explicit_len) != 1) {
        return 0;
    }
    memcpy(nonce, alerts->local_iv, NONCE_LEN);
    set_nonce(alerts, ret, nonce);
    set_aad(ret, aad);
    EVP_CIPHER_CTX *const evp = EVP_CIPHER_CTX_new();
    const bool good =
        evp && EVP_EncryptInit_ex(evp, alerts->cipher, NULL, alerts->local_key, nonce) &&
        EVP_EncryptUpdate(evp, NULL, &done, aad, AAD_LEN) &&
        EVP_EncryptUpdate(evp, body, &done, plain, ALERT_LEN) &&
        EVP_EncryptFinal_ex(evp, body + ALERT_LEN, &done) &&
        EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, body + ALERT_LEN) > 0;
    EVP_CIPHER_CTX_free(evp);
    return good ? HEADER_LEN + len : 0;
}

bool leat__dtls_alerts_open(const struct dtls_alerts *alerts, const uint8_t *record, size_t len,
                            uint8_t *ret_level, uint8_t *ret_what)
{
    const size_t explicit_len = NONCE_LEN - alerts->implicit_len;
    uint8_t plain[ALERT_LEN], nonce[NONCE_LEN], aad[AAD_LEN], tag[TAG_LEN];
    int done = 0;
    if (record[0] != SSL3_RT_ALERT || len != HEADER_LEN + explicit_len + ALERT_LEN + TAG_LEN) {
        return false;
    }
    const uint8_t *const body = record + HEADER_LEN + explicit_len;
    memcpy(nonce, alerts->remote_iv, NONCE_LEN);
    set_nonce(alerts, record, nonce);
    set_aad(record, aad);
    memcpy(tag, body + ALERT_LEN, TAG_LEN);
    EVP_CIPHER_CTX *const evp = EVP_CIPHER_CTX_new();
    const bool good = evp &&
                      EVP_DecryptInit_ex(evp, alerts->cipher, NULL, alerts->remote_key, nonce) &&
                      EVP_DecryptUpdate(evp, NULL, &done, aad, AAD_LEN) &&
                      EVP_DecryptUpdate(evp, plain, &done, body, ALERT_LEN) &&
                      EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) > 0 &&
                      EVP_DecryptFinal_ex(evp, plain + ALERT_LEN, &done) > 0;
    EVP_CIPHER_CTX_free(evp);
    if (good) {
        *ret_level = plain[0];
        *ret_what = plain[1];
    }
    return good;
}
