/* RTP packets: which index a packet has, whether it may be used, and the transform.
 *
 * Invariant of the sender: no two different packets leave under one index. It is marked as used
 * before anything is encrypted; a repeat leaves only when its tag, which is over all of the packet,
 * is the one that was remembered. Invariant of the receiver: nothing changes until a packet has
 * authenticated. Called on the thread that has the session. */
#include "bytes.h"
#include "srtp_session.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>

enum { RTP_HEADER_LEN = 12, RTP_CSRC_LEN = 4, RTP_EXTENSION_LEN = 4 };

/* Of the header, the list of CSRCs and the extension (RFC 3550 5.1, 5.3.1). 0: this is not RTP. */
static size_t header_len(const uint8_t *packet, size_t len)
{
    if (len < RTP_HEADER_LEN || packet[0] >> 6 != 2) {
        return 0;
    }
    size_t need = RTP_HEADER_LEN + (size_t)(packet[0] & 0x0f) * RTP_CSRC_LEN;
    if (packet[0] & 0x10) {
        if (len < need + RTP_EXTENSION_LEN) {
            return 0;
        }
        need += RTP_EXTENSION_LEN + (size_t)get16(packet + need + 2) * 4;
    }
    return need <= len ? need : 0;
}

static struct srtp_nonce nonce_of(uint32_t ssrc, uint64_t index)
{
    return (struct srtp_nonce){.index = index, .ssrc = ssrc, .word = (uint32_t)(index >> 16)};
}

/* ---- sending ---- */

struct claim {
    struct srtp_stream *stream;
    uint64_t index;
    bool is_repeat;
};

/* Tags are remembered from an index on: of those before it nothing is known. */
static bool tags_need(struct srtp_stream *stream, uint64_t from)
{
    if (!stream->tags) {
        stream->tags = OPENSSL_zalloc(LEAT_SRTP_WINDOW * sizeof(*stream->tags));
        stream->tags_from = from;
    }
    return stream->tags;
}

/* The first packet of an SSRC. */
static int claim_first(struct srtp_context *context, uint32_t ssrc, uint16_t seq, bool repeats,
                       struct claim *ret)
{
    struct srtp_stream *stream = NULL;
    const int status = leat__srtp_stream_add(context, ssrc, seq, &stream);
    if (status) {
        return status;
    }
    if (repeats && !tags_need(stream, 0)) {
        return -ENOMEM;
    }
    *ret = (struct claim){.stream = stream, .index = seq};
    return 0;
}

/* Whether a packet may be sealed, and under which index: that counts as used from now on. */
static int claim(struct srtp_context *context, uint32_t ssrc, uint16_t seq, bool repeats,
                 struct claim *ret)
{
    struct srtp_stream *const stream = leat__srtp_stream_find(context, ssrc);
    if (!stream) {
        return claim_first(context, ssrc, seq, repeats, ret);
    }
    const int64_t guess = srtp_index_guess(stream->highest, seq);
    if (guess < 0) {
        return -ESTALE;
    }
    const uint64_t index = (uint64_t)guess;
    if (index >= SRTP_INDEX_END) {
        return -EOVERFLOW;
    }
    const enum srtp_freshness freshness = srtp_stream_look(stream, index);
    if (freshness == SRTP_STALE) {
        return -ESTALE;
    }
    const bool is_repeat = freshness == SRTP_USED;
    if (is_repeat && (!repeats || !stream->tags || index < stream->tags_from)) {
        return -EEXIST;
    }
    if (repeats && !tags_need(stream, stream->highest + 1)) {
        return -ENOMEM;
    }
    if (!is_repeat) {
        srtp_stream_use(stream, index);
    }
    *ret = (struct claim){.stream = stream, .index = index, .is_repeat = is_repeat};
    return 0;
}

/* The tag is over header, payload and rollover counter: packets that differ have different ones. */
static int check_tag(const struct claim *claimed, const uint8_t *tag)
{
    uint32_t *const tags = claimed->stream->tags;
    if (!tags) {
        assert(!claimed->is_repeat);
        return 0;
    }
    uint32_t *const remembered = &tags[claimed->index % LEAT_SRTP_WINDOW];
    if (claimed->is_repeat) {
        return *remembered == get32(tag) ? 0 : -EBADMSG;
    }
    *remembered = get32(tag);
    return 0;
}

int leat_srtp_protect(leat_srtp *srtp, const struct leat_srtp_packet *packet, uint8_t *out,
                      size_t cap, size_t *ret_len)
{
    assert(!srtp->is_receiver);
    assert(!(packet->flags & ~LEAT_SRTP_REPEAT));
    const size_t head_len = packet->header_len;
    const size_t prefix_len = packet->prefix_len;
    if (head_len > LEAT_SRTP_LEN_MAX || prefix_len > LEAT_SRTP_LEN_MAX ||
        packet->payload_len > LEAT_SRTP_LEN_MAX) {
        return -EMSGSIZE; /* now they can be added */
    }
    const size_t body_end = head_len + prefix_len + packet->payload_len;
    const size_t len = body_end + leat_srtp_overhead(srtp->master.profile);
    if (len > LEAT_SRTP_LEN_MAX || len > cap) {
        return -EMSGSIZE;
    }
    if (head_len == 0 || header_len(packet->header, head_len) != head_len) {
        return -EINVAL;
    }
    struct srtp_context *context = NULL;
    int status = leat__srtp_context_need(srtp, false, &context);
    if (status) {
        return status;
    }
    const uint32_t ssrc = get32(packet->header + 8);
    struct claim claimed;
    status =
        claim(context, ssrc, get16(packet->header + 2), packet->flags & LEAT_SRTP_REPEAT, &claimed);
    if (status) {
        return leat__srtp_refuse(srtp, status);
    }
    const struct srtp_nonce nonce = nonce_of(ssrc, claimed.index);
    status = leat__srtp_seal(&context->cipher, &nonce, packet, out, out + body_end);
    if (status == 0) {
        status = check_tag(&claimed, out + body_end);
    }
    if (status) {
        OPENSSL_cleanse(out, len);
        return leat__srtp_refuse(srtp, status);
    }
    *ret_len = len;
    return 0;
}

/* ---- receiving ---- */

/* The index a packet says it has, and whether it may be a new one. */
static int look(const struct srtp_stream *stream, uint16_t seq, uint64_t *ret)
{
    if (!stream) {
        *ret = seq;
        return 0;
    }
    const int64_t guess = srtp_index_guess(stream->highest, seq);
    /* There is nothing before the first rollover: so much was lost. */
    const uint64_t index = guess < 0 ? seq : (uint64_t)guess;
    if (index >= SRTP_INDEX_END) {
        return -EOVERFLOW;
    }
    const enum srtp_freshness freshness = srtp_stream_look(stream, index);
    if (freshness != SRTP_FRESH) {
        return freshness == SRTP_STALE ? -ESTALE : -EEXIST;
    }
    *ret = index;
    return 0;
}

int leat_srtp_unprotect(leat_srtp *srtp, const uint8_t *in, size_t len, uint8_t *out, size_t cap,
                        size_t *ret_len)
{
    assert(srtp->is_receiver);
    const size_t tag_len = leat_srtp_overhead(srtp->master.profile);
    if (len > LEAT_SRTP_LEN_MAX || (len > tag_len && len - tag_len > cap)) {
        return -EMSGSIZE;
    }
    const size_t head_len = len > tag_len ? header_len(in, len - tag_len) : 0;
    if (head_len == 0) {
        return leat__srtp_refuse(srtp, -EINVAL);
    }
    struct srtp_context *context = NULL;
    int status = leat__srtp_context_need(srtp, false, &context);
    if (status) {
        return status;
    }
    const uint32_t ssrc = get32(in + 8);
    struct srtp_stream *const stream = leat__srtp_stream_find(context, ssrc);
    uint64_t index = 0;
    status = look(stream, get16(in + 2), &index);
    if (status) {
        return leat__srtp_refuse(srtp, status);
    }
    const size_t body_end = len - tag_len;
    const struct srtp_nonce nonce = nonce_of(ssrc, index);
    status = leat__srtp_unseal(&context->cipher, &nonce, in, head_len, body_end - head_len,
                               in + body_end, out);
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
