/* The media half of a publisher's session: who a packet belongs to, what is missing, and what the publisher is
 * told about it. It gets plaintext packets (leat_srtp has decrypted them) and time; it gives each packet's place,
 * and RTCP to be sent.
 *
 * - Streams are bound to a track and a layer by the mid and rid / repaired-rid extensions (RFC 8852, RFC 9143),
 *   else by a=ssrc, else by payload type; once bound they stay so, for browsers stop sending rids.
 * - Retransmissions (RFC 4588) are unwrapped; duplicates, padding and what is bound to nothing is not given on.
 * - Loss is NACKed (RFC 4585) at once and again, for a while; RR each second, TWCC feedback every 50 ms to 100 ms,
 *   PLI (or FIR where only that is agreed) when a key frame is wanted.
 *
 * One thread at a time; nothing blocks; memory is allocated when it is opened, never per packet. What a publisher sends
 * never aborts: it is counted and dropped. */
#ifndef LEAT_RTP_RECEIVER_H
#define LEAT_RTP_RECEIVER_H

#include <leat/rtp.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_rtp_receiver leat_rtp_receiver;

#define LEAT_RTP_RECEIVER_SOURCES_MAX 256u /* a publisher who begins more streams is not given on */

struct leat_rtp_receiver_config {
    const struct leat_rtp_track *tracks; /* copied, but for their fmtp (H264 parameter sets are kept) */
    size_t                       track_count; /* at most one of a kind */
    uint32_t                     ssrc;        /* ours, as the sender of RTCP */
    uint32_t source; /* sources are numbered from here: source + kind * LEAT_RTP_LAYERS_MAX + layer; where the
                        publisher begins a stream anew, the next that is free. The caller sets aside
                        LEAT_RTP_RECEIVER_SOURCES_MAX of them, and gives no number twice */
    leat_time key_interval_ns; /* key-frame requests leave at most so often; 0: 300 ms */
    leat_time key_repeat_ns;   /* and are repeated until answered; 0: 500 ms */
};

/* -EINVAL; -ENOMEM. */
LEAT_API int leat_rtp_receiver_open(const struct leat_rtp_receiver_config *config, leat_time now,
                                    leat_rtp_receiver **ret);

/* NULL is allowed. */
LEAT_API void leat_rtp_receiver_close(leat_rtp_receiver *receiver);

/* One plaintext RTP packet of *len bytes, with its place in *ret. 0: it is to be forwarded; a retransmission has
 * become the packet it repeats, in place, and *len is shorter. -EAGAIN: it is not to be forwarded (a duplicate,
 * padding, a payload that is none of its codec's, a layer that nobody knows yet); -EBADMSG: no RTP. After either the
 * bytes may have been changed. Padding that comes when later packets have gone by is forwarded, empty: viewers would ask
 * for it for ever. */
LEAT_API int leat_rtp_receiver_packet(leat_rtp_receiver *receiver, leat_time now, uint8_t *packet,
                                      size_t *len, struct leat_rtp_packet *ret);

/* After a 0: a packet that the publisher left out and that is to be forwarded before it: the parameter sets of an
 * H264 key frame that came without (its index is the one before). The bytes of a whole RTP packet into `out`; 0: none. */
LEAT_API size_t leat_rtp_receiver_extra(leat_rtp_receiver *receiver, uint8_t *out, size_t cap,
                                        struct leat_rtp_packet *ret);

/* One plaintext RTCP packet, compound or reduced. */
LEAT_API void leat_rtp_receiver_rtcp(leat_rtp_receiver *receiver, leat_time now,
                                     const uint8_t *packet, size_t len);

/* The newest sender report that was not yet told of; false: none. */
LEAT_API bool leat_rtp_receiver_report(leat_rtp_receiver *receiver, struct leat_rtp_report *ret);

/* A key frame of this layer is wanted by somebody who has been waiting since `since`: dropped if one has begun to arrive
 * later than that. */
LEAT_API void leat_rtp_receiver_want_key(leat_rtp_receiver *receiver, leat_time now,
                                         uint8_t layer, leat_time since);

/* RTCP that is due, a compound packet (RFC 3550, 6.1; with rtcp-rsize maybe reduced) to be encrypted and sent; call it
 * until it says 0. At most `cap` bytes, which is at least 256: a network packet's worth is best. */
LEAT_API size_t leat_rtp_receiver_poll(leat_rtp_receiver *receiver, leat_time now, uint8_t *out,
                                       size_t cap);

/* When leat_rtp_receiver_poll has something, or a layer is to be judged again; LEAT_NEVER. */
LEAT_API leat_time leat_rtp_receiver_deadline(const leat_rtp_receiver *receiver);

/* A layer of video that flows (a packet within 400 ms) and shows the most: pixels where the codec tells, else
 * bit rate. -1: none. The better one is kept until the other has lasted. */
LEAT_API int leat_rtp_receiver_best_layer(const leat_rtp_receiver *receiver, leat_time now);

/* Bit i: layer i of video flows. */
LEAT_API unsigned leat_rtp_receiver_layers(const leat_rtp_receiver *receiver, leat_time now);

/* The publisher said goodbye (RTCP BYE) on all its streams. */
LEAT_API bool leat_rtp_receiver_said_bye(const leat_rtp_receiver *receiver);

struct leat_rtp_receiver_stats {
    uint64_t packets, bytes; /* forwarded; payload bytes */
    uint64_t missing;        /* found missing */
    uint64_t repaired;       /* of those, come later, by RTX or without */
    uint64_t duplicates;
    uint64_t unknown;        /* bound to nothing */
    uint64_t broken;         /* no RTP, no RTCP, no payload of its codec */
    uint64_t nacks, key_requests, key_frames;
    uint32_t jitter_us;      /* RFC 3550, 6.4.1, of video's best layer, else of audio */
    uint32_t bitrate;        /* bits per second, of the last second */
    uint16_t width, height;  /* of the best layer; 0: not known */
};
LEAT_API void leat_rtp_receiver_stats(const leat_rtp_receiver *receiver,
                                      struct leat_rtp_receiver_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
