/* The media half of a viewer's session, one for each track: which packets of the publisher it gets, and in what
 * clothes. A viewer sees one SSRC, one gap-free space of sequence numbers and one clock, whatever happens on the other
 * side: another layer, a publisher that comes back, another publisher.
 *
 * - It begins at a key frame, and changes source only at one. Where a source's packet is missing, the viewer has the
 *   same gap and may ask for it: sequence numbers are the source's, shifted.
 * - A packet asked for again (NACK) is found by (source, index) in the caller's store, and leaves as a retransmission
 *   (RFC 4588) where that is agreed, else byte-identical. What was shifted when is remembered for the last eight
 *   changes.
 * - Header extensions are the publisher's that mean the same to a viewer (mid, audio level, orientation, AV1's dependency
 *   descriptor), with the viewer's ids: a repeat has the same bytes.
 *
 * One thread at a time; nothing blocks. leat_rtp_sender is a plain struct of the caller's, which needs no end. */
#ifndef LEAT_RTP_SENDER_H
#define LEAT_RTP_SENDER_H

#include <leat/rtcp.h>
#include <leat/rtp.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_RTP_SENT_HEADER_MAX 160u
#define LEAT_RTP_SENDER_CHANGES 8u
#define LEAT_RTP_SENDER_REPEATS 64u

struct leat_rtp_sender_config {
    const struct leat_rtp_track *track; /* the viewer's: payload types, ids. What is needed is copied */
    uint32_t ssrc, rtx_ssrc;            /* rtx_ssrc 0: no retransmission streams */
    uint16_t sequence, rtx_sequence;    /* the first; below 2^15 (RFC 3711, 3.3.1) */
    uint32_t timestamp;                 /* of the first packet */
};

/* How one source is shown: out = in + shift, modulo. */
struct leat_rtp_change {
    uint64_t                first;       /* the first index that leaves so, of the source */
    uint64_t                first_out;   /* the same, of what the viewer sees (extended) */
    uint32_t                source;
    uint32_t                timestamp;   /* shift */
    struct leat_codec_shift codec;
    uint16_t                frame_number; /* shift of AV1's dependency descriptor */
};

/* Private; a caller embeds it. Written by the implementation, which may change it. */
typedef struct leat_rtp_sender leat_rtp_sender;
LEAT_API size_t leat_rtp_sender_size(void); /* bytes, aligned to 8 */

/* Begins in `sender`, leat_rtp_sender_size() bytes. */
LEAT_API void leat_rtp_sender_init(leat_rtp_sender *sender,
                                   const struct leat_rtp_sender_config *config, leat_time now);

/* A packet for the viewer: header, then prefix, then the payload without its first `skip` bytes are what is to be
 * encrypted, with leat_srtp_protect. */
struct leat_rtp_sent {
    uint8_t  header[LEAT_RTP_SENT_HEADER_MAX];
    uint8_t  prefix[LEAT_CODEC_PREFIX_MAX + 2]; /* in the place of the first bytes; of a retransmission the original
                                                   sequence number (2 bytes) comes before */
    uint8_t  header_len;
    uint8_t  prefix_len;
    uint8_t  skip;
    bool     repeat; /* LEAT_SRTP_REPEAT: where no retransmission stream is agreed a packet may be repeated under its
                        own index. Set on all that may be, the first time as well */
};

/* The layer of video that is to be shown from its next key frame on; any other is shown until then, if it flows.
 * A key frame of it is wanted since `now`. Layer 0 at first. */
LEAT_API void leat_rtp_sender_target(leat_rtp_sender *sender, leat_time now, uint8_t layer);

/* Packets of that source will not be given. If it is the video that is shown, the viewer goes on with its next key
 * frame, which is wanted from now on, and sees no gap that it would ask for; else nothing happens. */
LEAT_API void leat_rtp_sender_skip(leat_rtp_sender *sender, leat_time now, uint32_t source);

/* One packet of a publisher; `bytes` is what packet->payload_offset counts from. 0: send *ret. -EAGAIN: not for this
 * viewer: another layer, waits for a key frame, older than where it began, or already sent; -ENOTSUP: a codec that the
 * viewer has not agreed to. */
LEAT_API int leat_rtp_sender_packet(leat_rtp_sender *sender, leat_time now,
                                    const struct leat_rtp_packet *packet, const uint8_t *bytes,
                                    struct leat_rtp_sent *ret);

/* For lip sync, and for the timestamps of a change between layers: what the publisher reported. Of any source; those of
 * the source that is shown and of the three that reported last are kept. */
LEAT_API void leat_rtp_sender_source_report(leat_rtp_sender *sender,
                                            const struct leat_rtp_report *report);

/* Whether a key frame is waited for, which is to be asked for; and since when. */
LEAT_API bool leat_rtp_sender_wants_key(const leat_rtp_sender *sender, leat_time *ret_since);

/* One item of RTCP (leat_rtcp_next) whose media SSRC is this sender's, or its retransmissions'. */
LEAT_API void leat_rtp_sender_feedback(leat_rtp_sender *sender, leat_time now,
                                       const struct leat_rtcp_item *item);

/* Whether an item is for this sender. */
LEAT_API bool leat_rtp_sender_is_for(const leat_rtp_sender *sender, const struct leat_rtcp_item *item);

/* The next packet that was asked for and may be sent again: not within a round trip of the last time, at most 15 % of
 * the rate (and a burst). False: none. The caller looks it up, and calls _again, or forgets it. */
LEAT_API bool leat_rtp_sender_repeat(leat_rtp_sender *sender, leat_time now, uint32_t *ret_source,
                                     uint64_t *ret_index);

/* The same packet once more. 0; -EAGAIN: it was never sent, or too long ago (1,024 packets, eight changes), or the viewer
 * has agreed to no repeats of this codec. */
LEAT_API int leat_rtp_sender_again(leat_rtp_sender *sender, leat_time now,
                                   const struct leat_rtp_packet *packet, const uint8_t *bytes,
                                   struct leat_rtp_sent *ret);

/* A sender report (RFC 3550, 6.4.1) with SDES if it is due: at once when something was sent, then each second.
 * `ntp_now` is the wall time as NTP has it, 32.32. Bytes written; 0: not due. cap is at least 128. */
LEAT_API size_t leat_rtp_sender_report(leat_rtp_sender *sender, leat_time now, uint64_t ntp_now,
                                       const char *cname, uint8_t *out, size_t cap);

/* When the next report is due. */
LEAT_API leat_time leat_rtp_sender_deadline(const leat_rtp_sender *sender);

/* BYE for the end. Bytes written. */
LEAT_API size_t leat_rtp_sender_bye(const leat_rtp_sender *sender, uint8_t *out, size_t cap);

struct leat_rtp_sender_stats {
    uint64_t packets, bytes;    /* first sendings; payload */
    uint64_t repeats;           /* sent again */
    uint64_t repeats_unknown;   /* asked for, and not (any more) to be had */
    uint64_t repeats_capped;    /* asked for too often */
    uint64_t changes;           /* of source */
    uint32_t round_trip_us;     /* from RR; 0: not known */
    uint32_t remb;              /* bits per second the viewer says it can take; 0: not said */
    uint8_t  fraction_lost;     /* of the last RR, in 256ths */
    uint8_t  layer;             /* shown now */
    bool     flowing;
};
LEAT_API void leat_rtp_sender_stats(const leat_rtp_sender *sender, struct leat_rtp_sender_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
