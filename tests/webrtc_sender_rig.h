/* For the tests of the viewer's sender: sources that make packets, and a viewer that reads what
 * comes. */
#ifndef LEAT_TESTS_WEBRTC_SENDER_RIG_H
#define LEAT_TESTS_WEBRTC_SENDER_RIG_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <leat/rtp_sender.h>

enum { RIG_HEADER = 16, RIG_BYTES = 96, RIG_CODECS = 5 };

/* A source of one publisher: what it will say in the next packet. */
struct rig_source {
    uint32_t source;
    uint8_t layer;
    enum leat_codec codec;
    uint32_t profile;
    uint64_t index;
    uint32_t timestamp;
    uint16_t picture_id, frame_number;
    uint8_t tl0;
    bool narrow; /* picture ids of 7 bits */
    bool plain;  /* none */
};

/* A packet with its bytes. */
struct rig_packet {
    struct leat_rtp_packet packet;
    uint8_t bytes[RIG_BYTES];
};

/* What of a frame a packet is. */
enum rig_part { RIG_KEY, RIG_FRAME, RIG_REST, RIG_PARAMETERS };

static inline size_t rig_vpx(const struct rig_source *source, enum rig_part part, uint8_t *at)
{
    size_t len = 0;
    const bool is_vp8 = source->codec == LEAT_CODEC_VP8;
    if (source->plain) {
        at[len++] = is_vp8
                        ? (part == RIG_REST ? 0 : 0x10)
                        : (uint8_t)((part == RIG_REST ? 0 : 0x08) | (part == RIG_KEY ? 0 : 0x40));
    } else if (is_vp8) {
        at[len++] = part == RIG_REST ? 0x80 : 0x90;
        at[len++] = 0xe0;
    } else { /* I L, non-flexible */
        at[len++] = (uint8_t)(0xa0 | (part == RIG_REST ? 0 : 0x08) | (part == RIG_KEY ? 0 : 0x40));
    }
    if (!source->plain) {
        if (source->narrow) {
            at[len++] = source->picture_id & 0x7f;
        } else {
            at[len++] = (uint8_t)(0x80 | (source->picture_id >> 8 & 0x7f));
            at[len++] = (uint8_t)source->picture_id;
        }
        if (!is_vp8) {
            at[len++] = 0;
        }
        at[len++] = source->tl0;
        if (is_vp8) {
            at[len++] = 0;
        }
    }
    at[len++] = part == RIG_KEY ? 0 : 1;
    return len;
}

static inline size_t rig_payload(const struct rig_source *source, enum rig_part part, uint8_t *at)
{
    switch (source->codec) {
    case LEAT_CODEC_VP8:
    case LEAT_CODEC_VP9:
        return rig_vpx(source, part, at);
    case LEAT_CODEC_H264:
        at[0] = part == RIG_PARAMETERS ? 0x67 : part == RIG_KEY ? 0x65 : 0x41;
        at[1] = part == RIG_REST ? 0 : 0x80;
        return 2;
    case LEAT_CODEC_AV1:
        at[0] = (uint8_t)(0x10 | (part == RIG_KEY ? 0x08 : 0) | (part == RIG_REST ? 0x80 : 0));
        at[1] = 0x30;
        return 2;
    case LEAT_CODEC_H265:
        at[0] = part == RIG_KEY ? 0x26 : 0x02;
        at[1] = 0x01;
        at[2] = part == RIG_REST ? 0 : 0x80;
        return 3;
    default:
        at[0] = 0x78;
        return 1;
    }
}

/* The next packet. Its payload ends with what is unique of it. */
static inline struct rig_packet rig_make(struct rig_source *source, enum rig_part part,
                                         leat_time now)
{
    struct rig_packet made = {0};
    struct leat_rtp_packet *const packet = &made.packet;
    const bool is_audio = source->codec == LEAT_CODEC_OPUS;
    uint8_t *const payload = made.bytes + RIG_HEADER;
    size_t len = rig_payload(source, part, payload);
    const uint64_t unique[2] = {source->index, source->source};
    memcpy(payload + len, unique, sizeof(unique));
    len += sizeof(unique);
    *packet = (struct leat_rtp_packet){
        .index = source->index++,
        .received = now,
        .source = source->source,
        .timestamp = source->timestamp,
        .kind = is_audio ? LEAT_MEDIA_AUDIO : LEAT_MEDIA_VIDEO,
        .layer = source->layer,
        .codec = (uint8_t)source->codec,
        .payload_offset = RIG_HEADER,
        .payload_len = (uint16_t)len,
        .profile = source->profile,
    };
    if (leat_codec_look(source->codec, payload, len, &packet->payload)) {
        abort();
    }
    packet->flags = (uint8_t)((packet->payload.start ? LEAT_RTP_START : 0) |
                              (packet->payload.key ? LEAT_RTP_KEY : 0));
    if (is_audio) {
        packet->flags |= LEAT_RTP_HAS_LEVEL;
        packet->audio_level = (uint8_t)packet->index;
    } else {
        packet->flags |= LEAT_RTP_HAS_ORIENTATION;
        packet->orientation = 1;
    }
    if (source->codec == LEAT_CODEC_AV1 && !source->plain) {
        made.bytes[1] = 0xc0;
        made.bytes[2] = (uint8_t)(source->frame_number >> 8);
        made.bytes[3] = (uint8_t)source->frame_number;
        memset(made.bytes + 4, (int)part, 2);
        packet->dependency_offset = 1;
        packet->dependency_len = part == RIG_KEY ? 5 : 3;
    }
    return made;
}

/* The next frame begins. */
static inline void rig_frame(struct rig_source *source, uint32_t ticks)
{
    source->timestamp += ticks;
    source->picture_id++;
    source->frame_number++;
    source->tl0++;
}

/* What a viewer has of one packet: everything that is encrypted or authenticated. */
struct rig_seen {
    struct leat_rtp_header header;
    uint8_t bytes[LEAT_RTP_SENT_HEADER_MAX + RIG_BYTES + 16];
    size_t len;
};

static inline const uint8_t *rig_body(const struct rig_seen *seen)
{
    return seen->bytes + seen->header.header_len;
}

static inline struct rig_seen *rig_see(struct rig_seen *seen, const struct leat_rtp_sent *sent,
                                       const struct rig_packet *made)
{
    const size_t rest = made->packet.payload_len - sent->skip;
    memcpy(seen->bytes, sent->header, sent->header_len);
    memcpy(seen->bytes + sent->header_len, sent->prefix, sent->prefix_len);
    seen->len = (size_t)sent->header_len + sent->prefix_len;
    memcpy(seen->bytes + seen->len, made->bytes + made->packet.payload_offset + sent->skip, rest);
    seen->len += rest;
    if (leat_rtp_parse(seen->bytes, seen->len, &seen->header) ||
        seen->header.header_len != sent->header_len) {
        abort();
    }
    return seen;
}

/* A viewer's track: opus, or every codec of video but H265; two profiles of H264. */
static inline struct leat_rtp_track rig_track(enum leat_media_kind kind)
{
    static const struct {
        enum leat_codec codec;
        uint8_t payload_type, rtx;
        uint32_t profile;
    } video[RIG_CODECS] = {{LEAT_CODEC_VP8, 96, 97, 0},
                           {LEAT_CODEC_VP9, 98, 99, 0},
                           {LEAT_CODEC_H264, 102, 103, 0x14240},
                           {LEAT_CODEC_H264, 104, 0, 0x16400},
                           {LEAT_CODEC_AV1, 45, 46, 0}};
    struct leat_rtp_track track = {.kind = kind, .mid = "v1"};
    if (kind == LEAT_MEDIA_AUDIO) {
        strcpy(track.mid, "0");
        track.codec_count = 1;
        track.codecs[0] = (struct leat_rtp_codec){
            .codec = LEAT_CODEC_OPUS, .payload_type = 111, .nack = true, .clock_rate = 48000};
    }
    for (; kind == LEAT_MEDIA_VIDEO && track.codec_count < RIG_CODECS; track.codec_count++) {
        track.codecs[track.codec_count] =
            (struct leat_rtp_codec){.codec = video[track.codec_count].codec,
                                    .payload_type = video[track.codec_count].payload_type,
                                    .rtx = video[track.codec_count].rtx,
                                    .nack = true,
                                    .clock_rate = 90000,
                                    .profile = video[track.codec_count].profile};
    }
    track.ext[LEAT_RTP_EXT_MID] = 4;
    track.ext[LEAT_RTP_EXT_RID] = 10;
    track.ext[LEAT_RTP_EXT_TWCC] = 3;
    track.ext[LEAT_RTP_EXT_AUDIO_LEVEL] = 1;
    track.ext[LEAT_RTP_EXT_ORIENTATION] = 13;
    track.ext[LEAT_RTP_EXT_DEPENDENCY] = 12;
    return track;
}

static inline leat_rtp_sender *rig_sender(enum leat_media_kind kind, uint32_t rtx_ssrc,
                                          uint16_t sequence, leat_time now)
{
    leat_rtp_sender *const sender = malloc(leat_rtp_sender_size());
    const struct leat_rtp_track track = rig_track(kind);
    const struct leat_rtp_sender_config config = {.track = &track,
                                                  .ssrc = 0x1111,
                                                  .rtx_ssrc = rtx_ssrc,
                                                  .sequence = sequence,
                                                  .rtx_sequence = 700,
                                                  .timestamp = 0xfffff000};
    if (!sender) {
        abort();
    }
    leat_rtp_sender_init(sender, &config, now);
    return sender;
}

#endif
