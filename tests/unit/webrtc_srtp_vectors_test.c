/* The test vectors of RFC 3711 (appendix B) and RFC 7714 (16, 17). They give session keys, so the
 * transforms are tested by themselves. Appendix B.1 is of AES-f8, which nobody agrees on by DTLS. */
#include "webrtc_srtp.h"

#include "../../protocols/webrtc/srtp_cipher.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static size_t unhex(const char *text, uint8_t *ret)
{
    size_t len = 0;
    for (; *text; text += 2) {
        const char digits[] = {text[0], text[1], 0};
        ret[len++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return len;
}

static struct srtp_cipher session_keys(const char *cipher, const char *key, const char *salt,
                                       bool decrypts)
{
    struct srtp_cipher keys = {.evp = EVP_CIPHER_CTX_new(), .tag_len = 10};
    EVP_CIPHER *const type = EVP_CIPHER_fetch(NULL, cipher, NULL);
    uint8_t bytes[LEAT_SRTP_KEY_LEN];
    unhex(key, bytes);
    unhex(salt, keys.salt);
    REQUIRE(EVP_CipherInit_ex(keys.evp, type, NULL, bytes, NULL, !decrypts));
    EVP_CIPHER_free(type);
    if (strcmp(cipher, "AES-128-GCM") == 0) {
        keys.is_gcm = true;
        keys.tag_len = 16;
    }
    return keys;
}

TEST(webrtc_srtp_vectors, rfc3711_b2_aes_cm_key_stream)
{
    enum { BLOCKS = 65282 };
    struct srtp_cipher keys = session_keys("AES-128-CTR", "2B7E151628AED2A6ABF7158809CF4F3C",
                                           "F0F1F2F3F4F5F6F7F8F9FAFBFCFD", false);
    const struct srtp_nonce nonce = {.index = 0, .ssrc = 0};
    uint8_t header[12] = {0x80}, tag[16], expected[48];
    uint8_t *const zeros = calloc(BLOCKS, 16), *const out = calloc(BLOCKS + 1, 16);
    REQUIRE(zeros && out);
    const struct leat_srtp_packet packet = {.header = header,
                                            .header_len = sizeof(header),
                                            .payload = zeros,
                                            .payload_len = (size_t)BLOCKS * 16};
    REQUIRE(leat__srtp_seal(&keys, &nonce, &packet, out, tag) == 0);
    unhex("E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB"
          "41E95B3BB0A2E8DD477901E4FCA894C0",
          expected);
    CHECK(memcmp(out + 12, expected, 48) == 0);
    unhex("EC8CDF7398607CB0F2D21675EA9EA1E4362B7C3C6773516318A077D7FC5073AE"
          "6A2CC3787889374FBEB4C81B17BA6C44",
          expected);
    CHECK(memcmp(out + 12 + (BLOCKS - 3) * 16, expected, 48) == 0);
    free(zeros);
    free(out);
    leat__srtp_cipher_close(&keys);
}

/* Of what is derived the cipher key and the salt are seen through a key stream, the authentication key
 * through a tag. */
TEST(webrtc_srtp_vectors, rfc3711_b3_key_derivation)
{
    struct srtp_master master = {.profile = LEAT_SRTP_AES128_CM_SHA1_80};
    struct srtp_cipher keys;
    uint8_t key[16], salt[14], auth_key[20], iv[16] = {0}, expected[64], out[64], tag[16];
    uint8_t header[12] = {0x80}, zeros[32] = {0}, digest[20];
    unhex("E1F97A0D3E018BE0D64FA32C06DE4139", master.key);
    unhex("0EC675AD498AFEEBB6960B3AABE6", master.salt);
    unhex("C61E7A93744F39EE10734AFE3FF7A087", key);
    unhex("30CBBC08863D8C85D49DB34A9AE1", salt);
    unhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4", auth_key);
    REQUIRE(leat__srtp_profile_check(master.profile) == 0);
    REQUIRE(leat__srtp_cipher_open(&master, false, false, &keys) == 0);
    CHECK(memcmp(keys.salt, salt, sizeof(salt)) == 0);

    const struct srtp_nonce nonce = {.index = 0, .ssrc = 0, .word = 0};
    const struct leat_srtp_packet packet = {
        .header = header, .header_len = 12, .payload = zeros, .payload_len = sizeof(zeros)};
    REQUIRE(leat__srtp_seal(&keys, &nonce, &packet, out, tag) == 0);
    EVP_CIPHER_CTX *const evp = EVP_CIPHER_CTX_new();
    int len = 0;
    memcpy(iv, salt, sizeof(salt));
    REQUIRE(EVP_EncryptInit_ex(evp, EVP_aes_128_ctr(), NULL, key, iv));
    REQUIRE(EVP_EncryptUpdate(evp, expected + 12, &len, zeros, sizeof(zeros)));
    memcpy(expected, header, 12);
    memset(expected + 44, 0, 4); /* the rollover counter */
    CHECK(memcmp(out, expected, 44) == 0);
    REQUIRE(HMAC(EVP_sha1(), auth_key, sizeof(auth_key), expected, 48, digest, NULL));
    CHECK(memcmp(tag, digest, 10) == 0);
    EVP_CIPHER_CTX_free(evp);
    leat__srtp_cipher_close(&keys);
}

static const char *const gcm_key = "000102030405060708090a0b0c0d0e0f";
static const char *const gcm_salt = "517569642070726f2071756f";

/* Both ways: plain to sealed, and back. */
static void check_gcm(bool is_rtcp, const struct srtp_nonce *nonce, size_t head_len,
                      const char *plain_hex, const char *sealed_hex)
{
    uint8_t plain[128], sealed[128], out[128] = {0};
    const size_t len = unhex(plain_hex, plain);
    REQUIRE(unhex(sealed_hex, sealed) == len + 16);
    struct srtp_cipher keys = session_keys("AES-128-GCM", gcm_key, gcm_salt, false);
    keys.is_rtcp = is_rtcp;
    const struct leat_srtp_packet packet = {.header = plain,
                                            .header_len = head_len,
                                            .payload = plain + head_len,
                                            .payload_len = len - head_len};
    REQUIRE(leat__srtp_seal(&keys, nonce, &packet, out, out + len) == 0);
    CHECK(memcmp(out, sealed, len + 16) == 0);
    leat__srtp_cipher_close(&keys);

    keys = session_keys("AES-128-GCM", gcm_key, gcm_salt, true);
    keys.is_rtcp = is_rtcp;
    memset(out, 0, sizeof(out));
    REQUIRE(leat__srtp_unseal(&keys, nonce, sealed, head_len, len - head_len, sealed + len, out) ==
            0);
    CHECK(memcmp(out, plain, len) == 0);
    sealed[len - 1] ^= 1;
    CHECK_EQ(leat__srtp_unseal(&keys, nonce, sealed, head_len, len - head_len, sealed + len, out),
             -EBADMSG);
    leat__srtp_cipher_close(&keys);
}

TEST(webrtc_srtp_vectors, rfc7714_16_1_srtp)
{
    const struct srtp_nonce nonce = {.index = 0xf17b, .ssrc = 0x5501a0b2};
    check_gcm(false, &nonce, 12,
              "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120"
              "696e207061727465732074726573",
              "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f"
              "42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce");
}

TEST(webrtc_srtp_vectors, rfc7714_17_1_srtcp)
{
    const struct srtp_nonce nonce = {.index = 0x5d4, .ssrc = 0x4d617273, .word = 0x800005d4};
    check_gcm(true, &nonce, 8,
              "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeef"
              "deadbeefdeadbeefdeadbeefdeadbeef",
              "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1"
              "730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade");
}
