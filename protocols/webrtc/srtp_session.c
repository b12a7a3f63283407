/* What a session owns, and its SSRCs. Nothing of it is made before a packet needs it: a viewer's
 * receiver never has keys for RTP, and most senders three SSRCs.
 *
 * Invariant: an SSRC is never forgotten, because with it would go which of its indexes were used. So
 * there is a bound on them, and only who has the key gets one. */
#include "srtp_session.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>

static int session_open(enum leat_srtp_profile profile, const uint8_t *key, const uint8_t *salt,
                        bool is_receiver, leat_srtp **ret)
{
    const int status = leat__srtp_profile_check(profile);
    if (status) {
        return status;
    }
    leat_srtp *const srtp = OPENSSL_zalloc(sizeof(*srtp));
    if (!srtp) {
        return -ENOMEM;
    }
    srtp->is_receiver = is_receiver;
    srtp->master.profile = profile;
    memcpy(srtp->master.key, key, LEAT_SRTP_KEY_LEN);
    memcpy(srtp->master.salt, salt, leat_srtp_salt_len(profile));
    *ret = srtp;
    return 0;
}

int leat_srtp_sender_open(enum leat_srtp_profile profile, const uint8_t *key, const uint8_t *salt,
                          leat_srtp **ret)
{
    return session_open(profile, key, salt, false, ret);
}

int leat_srtp_receiver_open(enum leat_srtp_profile profile, const uint8_t *key, const uint8_t *salt,
                            leat_srtp **ret)
{
    return session_open(profile, key, salt, true, ret);
}

static void context_close(struct srtp_context *context)
{
    if (!context) {
        return;
    }
    while (context->streams) {
        struct srtp_stream *const stream = context->streams;
        context->streams = stream->next;
        OPENSSL_free(stream->tags);
        OPENSSL_free(stream);
    }
    leat__srtp_cipher_close(&context->cipher);
    OPENSSL_free(context);
}

void leat_srtp_close(leat_srtp *srtp)
{
    if (!srtp) {
        return;
    }
    context_close(srtp->rtp);
    context_close(srtp->rtcp);
    OPENSSL_clear_free(srtp, sizeof(*srtp));
}

enum leat_srtp_profile leat_srtp_profile_of(const leat_srtp *srtp)
{
    return srtp->master.profile;
}

void leat_srtp_stats_get(const leat_srtp *srtp, struct leat_srtp_stats *ret)
{
    *ret = srtp->stats;
}

int leat__srtp_context_need(leat_srtp *srtp, bool is_rtcp, struct srtp_context **ret)
{
    struct srtp_context **const place = is_rtcp ? &srtp->rtcp : &srtp->rtp;
    if (!*place) {
        struct srtp_context *const context = OPENSSL_zalloc(sizeof(*context));
        if (!context) {
            return -ENOMEM;
        }
        const int status =
            leat__srtp_cipher_open(&srtp->master, is_rtcp, srtp->is_receiver, &context->cipher);
        if (status) {
            OPENSSL_free(context);
            return status;
        }
        /* RFC 3711 3.4 begins with 0, every browser with 1: a receiver cannot tell, and nobody was
         * ever tried with 0. */
        context->rtcp_index = 1;
        *place = context;
    }
    *ret = *place;
    return 0;
}

struct srtp_stream *leat__srtp_stream_find(struct srtp_context *context, uint32_t ssrc)
{
    struct srtp_stream **link = &context->streams;
    while (*link && (*link)->ssrc != ssrc) {
        link = &(*link)->next;
    }
    struct srtp_stream *const stream = *link;
    if (stream && link != &context->streams) {
        *link = stream->next;
        stream->next = context->streams;
        context->streams = stream;
    }
    return stream;
}

int leat__srtp_stream_add(struct srtp_context *context, uint32_t ssrc, uint64_t index,
                          struct srtp_stream **ret)
{
    assert(!leat__srtp_stream_find(context, ssrc));
    if (context->stream_count >= LEAT_SRTP_SSRC_MAX) {
        return -ENOSPC;
    }
    struct srtp_stream *const stream = OPENSSL_zalloc(sizeof(*stream));
    if (!stream) {
        return -ENOMEM;
    }
    stream->ssrc = ssrc;
    stream->highest = index;
    srtp_stream_use(stream, index);
    stream->next = context->streams;
    context->streams = stream;
    context->stream_count++;
    *ret = stream;
    return 0;
}

int leat__srtp_accept(struct srtp_context *context, struct srtp_stream *stream, uint32_t ssrc,
                      uint64_t index)
{
    if (!stream) {
        return leat__srtp_stream_add(context, ssrc, index, &stream);
    }
    assert(srtp_stream_look(stream, index) == SRTP_FRESH);
    srtp_stream_use(stream, index);
    return 0;
}

int leat__srtp_refuse(leat_srtp *srtp, int error)
{
    struct leat_srtp_stats *const stats = &srtp->stats;
    switch (error) {
    case -EEXIST:
    case -ESTALE:
        *(srtp->is_receiver ? &stats->replayed : &stats->refused) += 1;
        break;
    case -EBADMSG:
        *(srtp->is_receiver ? &stats->auth_failed : &stats->refused) += 1;
        break;
    case -EINVAL:
        stats->malformed += srtp->is_receiver;
        break;
    default:
        break;
    }
    return error;
}
