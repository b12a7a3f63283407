/* Fingerprints of certificates: from the text of SDP, to it, and compared (RFC 8122). Pure
 * functions. */
#include "dtls_internal.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint8_t len;
    const EVP_MD *(*make)(void);
} hashes[] = {
    [LEAT_DTLS_SHA_256] = {"sha-256", 32, EVP_sha256},
    [LEAT_DTLS_SHA_384] = {"sha-384", 48, EVP_sha384},
    [LEAT_DTLS_SHA_512] = {"sha-512", 64, EVP_sha512},
};
enum { HASHES = sizeof(hashes) / sizeof(hashes[0]) };

static int digit_of(char letter)
{
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    const char lower = (char)(letter | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* "AB:CD:..." of any length; -EINVAL. Writes no more than `cap` bytes. */
static int parse_bytes(const char *text, size_t len, uint8_t *bytes, size_t cap)
{
    if (len % 3 != 2) {
        return -EINVAL;
    }
    for (size_t i = 0; i < len; i += 3) {
        const int high = digit_of(text[i]), low = digit_of(text[i + 1]);
        if (high < 0 || low < 0 || (i + 2 < len && text[i + 2] != ':')) {
            return -EINVAL;
        }
        if (i / 3 < cap) {
            bytes[i / 3] = (uint8_t)(high << 4 | low);
        }
    }
    return 0;
}

int leat_dtls_fingerprint_parse(const char *text, size_t len, struct leat_dtls_fingerprint *ret)
{
    struct leat_dtls_fingerprint made = {0};
    const char *const space = len ? memchr(text, ' ', len) : NULL;
    if (!space || space == text) {
        return -EINVAL;
    }
    const size_t name_len = (size_t)(space - text), rest = len - name_len - 1;
    if (parse_bytes(space + 1, rest, made.bytes, sizeof(made.bytes)) != 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < HASHES; i++) {
        if (name_len != strlen(hashes[i].name) ||
            strncasecmp(text, hashes[i].name, name_len) != 0) {
            continue;
        }
        if ((rest + 1) / 3 != hashes[i].len) {
            return -EINVAL;
        }
        made.hash = (enum leat_dtls_hash)i;
        made.len = hashes[i].len;
        *ret = made;
        return 0;
    }
    return -ENOTSUP;
}

bool leat__dtls_fingerprints_match(const struct leat_dtls_fingerprint *fingerprints, size_t count,
                                   const X509 *certificate)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        uint8_t digest[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        const EVP_MD *const hash = hashes[fingerprints[i].hash].make();
        found |= X509_digest(certificate, hash, digest, &len) == 1 && len == fingerprints[i].len &&
                 CRYPTO_memcmp(digest, fingerprints[i].bytes, len) == 0;
    }
    return found;
}

bool leat__dtls_fingerprint_write(const X509 *certificate, char ret[DTLS_FINGERPRINT_STRLEN])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (X509_digest(certificate, EVP_sha256(), digest, &len) != 1 || len != 32) {
        return false;
    }
    char *at = stpcpy(ret, "sha-256 ");
    for (unsigned i = 0; i < len; i++) {
        *at++ = digits[digest[i] >> 4];
        *at++ = digits[digest[i] & 15];
        *at++ = i + 1 < len ? ':' : '\0';
    }
    return true;
}
