/* A session: one direction, RTP and RTCP, each with its keys and the SSRCs it has seen. */
#ifndef LEAT_PROTOCOLS_WEBRTC_SRTP_SESSION_H
#define LEAT_PROTOCOLS_WEBRTC_SRTP_SESSION_H

#include "srtp_cipher.h"
#include "srtp_stream.h"

/* RTP or RTCP, from its first packet on. */
struct srtp_context {
    struct srtp_cipher cipher;
    struct srtp_stream *streams; /* the one used last first: a batch is of one SSRC */
    uint32_t stream_count;
    uint32_t rtcp_index; /* sender: of the next packet */
};

struct leat_srtp {
    struct srtp_context *rtp, *rtcp; /* NULL: no packet of it yet */
    bool is_receiver;
    struct leat_srtp_stats stats;
    struct srtp_master master;
};

/* 0, -ENOMEM, -EIO. */
int leat__srtp_context_need(leat_srtp *srtp, bool is_rtcp, struct srtp_context **ret);

/* NULL: an SSRC that was not seen. The one that is found is first from now on. */
struct srtp_stream *leat__srtp_stream_find(struct srtp_context *context, uint32_t ssrc);

/* Makes the SSRC's stream, with this index used. -ENOSPC, -ENOMEM. */
int leat__srtp_stream_add(struct srtp_context *context, uint32_t ssrc, uint64_t index,
                          struct srtp_stream **ret);

/* Counts a refusal by what it is, and passes it on. */
int leat__srtp_refuse(leat_srtp *srtp, int error);

/* Receiver: what authenticated counts as seen. stream: NULL when the SSRC is new. -ENOSPC, -ENOMEM. */
int leat__srtp_accept(struct srtp_context *context, struct srtp_stream *stream, uint32_t ssrc,
                      uint64_t index);

#endif
