/* Records before OpenSSL sees them (RFC 6347, 4.1 and 4.2.2). What is none is dropped here, and so
 * is what would make OpenSSL keep much memory for a peer that is not known yet: it buffers up to
 * 100 records of 17 KiB that come before their keys, and makes room for a whole message as soon as
 * a fragment announces one.
 *
 * Pure functions but for the count of early records. */
#include "dtls_internal.h"

enum {
    HEADER_LEN = 13,
    MESSAGE_HEADER_LEN = 12,
    MESSAGE_LEN_MAX = 8192, /* of a handshake: certificates, mostly */
    EARLY_MAX = 4           /* Finished that overtook ChangeCipherSpec, and its repetitions */
};

size_t leat__dtls_record_len(const uint8_t *data, size_t len)
{
    if (len < HEADER_LEN || data[0] < SSL3_RT_CHANGE_CIPHER_SPEC ||
        data[0] > SSL3_RT_APPLICATION_DATA || data[1] != DTLS1_VERSION_MAJOR) {
        return 0;
    }
    const size_t whole = HEADER_LEN + ((size_t)data[11] << 8 | data[12]);
    return whole <= len ? whole : 0;
}

/* Whether none of the messages, or of their fragments, announces too much. */
static bool is_modest(const uint8_t *messages, size_t len)
{
    while (len >= MESSAGE_HEADER_LEN) {
        const uint32_t whole =
            (uint32_t)messages[1] << 16 | (uint32_t)messages[2] << 8 | messages[3];
        const size_t part = MESSAGE_HEADER_LEN +
                            ((size_t)messages[9] << 16 | (size_t)messages[10] << 8 | messages[11]);
        if (whole > MESSAGE_LEN_MAX || part > len) {
            return false;
        }
        messages += part;
        len -= part;
    }
    return len == 0;
}

bool leat__dtls_record_fits(leat_dtls *dtls, const uint8_t *record, size_t len)
{
    const unsigned epoch = (unsigned)record[3] << 8 | record[4];
    if (dtls->state != LEAT_DTLS_HANDSHAKING) {
        return epoch == 1; /* for good: there is no renegotiation */
    }
    if (epoch == 0) {
        return record[0] != SSL3_RT_HANDSHAKE || is_modest(record + HEADER_LEN, len - HEADER_LEN);
    }
    if (epoch != 1 || record[0] != SSL3_RT_HANDSHAKE) {
        return false;
    }
    const OSSL_HANDSHAKE_STATE state = SSL_get_state(dtls->ssl);
    if (state == TLS_ST_SR_CHANGE || state == TLS_ST_CR_CHANGE) {
        return true; /* its turn; before, it is kept */
    }
    return dtls->early < EARLY_MAX && ++dtls->early;
}
