/* RTCP packets. Their index is said in the packet itself (RFC 3711 3.4): the sender counts, one
 * counter for all its SSRCs; the receiver has a window for each SSRC, as some count for each.
 *
 *   CM:  header 8 | ciphertext | E bit, index | tag     RFC 3711 3.4
 *   GCM: header 8 | ciphertext | tag | E bit, index     RFC 7714 9.2
 *
 * Invariant: no index is said twice. Called on the thread that has the session. */
#include "bytes.h"
#include "srtp_session.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>

#define ENCRYPTED UINT32_C(0x80000000)

enum { RTCP_HEADER_LEN = 8, RTCP_INDEX_LEN = 4 };

/* Where the index and the tag are behind the ciphertext. */
static size_t index_at(const struct srtp_cipher *cipher)
{
    return cipher->is_gcm ? cipher->tag_len : 0;
}

static size_t tag_at(const struct srtp_cipher *cipher)
{
    return cipher->is_gcm ? 0 : RTCP_INDEX_LEN;
}

static bool is_rtcp(const uint8_t *packet, size_t len)
{
    return len >= RTCP_HEADER_LEN && packet[0] >> 6 == 2;
}

int leat_srtcp_protect(leat_srtp *srtp, const uint8_t *in, size_t len, uint8_t *out, size_t cap,
                       size_t *ret_len)
{
    assert(!srtp->is_receiver);
    const size_t overhead = leat_srtcp_overhead(srtp->master.profile);
    if (len > LEAT_SRTP_LEN_MAX - overhead || len + overhead > cap) {
        return -EMSGSIZE;
    }
    if (!is_rtcp(in, len)) {
        return -EINVAL;
    }
    struct srtp_context *context = NULL;
    int status = leat__srtp_context_need(srtp, true, &context);
    if (status) {
        return status;
    }
    if (context->rtcp_index >= SRTCP_INDEX_END) {
        return -EOVERFLOW;
    }
    const uint32_t index = context->rtcp_index++;
    const struct srtp_nonce nonce = {
        .index = index, .ssrc = get32(in + 4), .word = ENCRYPTED | index};
    const struct leat_srtp_packet packet = {.header = in,
                                            .header_len = RTCP_HEADER_LEN,
                                            .payload = in + RTCP_HEADER_LEN,
                                            .payload_len = len - RTCP_HEADER_LEN};
    status = leat__srtp_seal(&context->cipher, &nonce, &packet, out,
                             out + len + tag_at(&context->cipher));
    if (status) {
        OPENSSL_cleanse(out, len + overhead);
        return status;
    }
    put32(out + len + index_at(&context->cipher), nonce.word);
    *ret_len = len + overhead;
    return 0;
}

int leat_srtcp_unprotect(leat_srtp *srtp, const uint8_t *in, size_t len, uint8_t *out, size_t cap,
                         size_t *ret_len)
{
    assert(srtp->is_receiver);
    const size_t overhead = leat_srtcp_overhead(srtp->master.profile);
    if (len > LEAT_SRTP_LEN_MAX || (len > overhead && len - overhead > cap)) {
        return -EMSGSIZE;
    }
    const size_t body_end = len > overhead ? len - overhead : 0;
    if (!is_rtcp(in, body_end)) {
        return leat__srtp_refuse(srtp, -EINVAL);
    }
    struct srtp_context *context = NULL;
    int status = leat__srtp_context_need(srtp, true, &context);
    if (status) {
        return status;
    }
    const uint32_t word = get32(in + body_end + index_at(&context->cipher));
    if (!(word & ENCRYPTED)) {
        return leat__srtp_refuse(srtp, -EINVAL);
    }
    const uint32_t ssrc = get32(in + 4);
    const uint64_t index = word & ~ENCRYPTED;
    struct srtp_stream *const stream = leat__srtp_stream_find(context, ssrc);
    const enum srtp_freshness freshness = stream ? srtp_stream_look(stream, index) : SRTP_FRESH;
    if (freshness != SRTP_FRESH) {
        return leat__srtp_refuse(srtp, freshness == SRTP_STALE ? -ESTALE : -EEXIST);
    }
    const struct srtp_nonce nonce = {.index = index, .ssrc = ssrc, .word = word};
    status =
        leat__srtp_unseal(&context->cipher, &nonce, in, RTCP_HEADER_LEN, body_end - RTCP_HEADER_LEN,
                          in + body_end + tag_at(&context->cipher), out);
    if (status == 0) {
        status = leat__srtp_accept(context, stream, ssrc, index);
    }
    if (status) {
        OPENSSL_cleanse(out, body_end);
        return leat__srtp_refuse(srtp, status);
    }
    *ret_len = body_end;
    return 0;
}
