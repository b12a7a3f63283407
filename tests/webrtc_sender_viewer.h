/* For the unit tests of the viewer's sender: a viewer, and what it saw last. */
#ifndef LEAT_TESTS_WEBRTC_SENDER_VIEWER_H
#define LEAT_TESTS_WEBRTC_SENDER_VIEWER_H

#include <errno.h>

#include "check.h"
#include "webrtc_sender_rig.h"

#define START_NS (100 * LEAT_SEC)

/* A viewer, and what it saw last. */
struct viewer {
    leat_rtp_sender *sender;
    leat_time now;
    struct leat_rtp_sent sent;
    struct rig_seen seen;
};

static inline struct viewer viewer_of(enum leat_media_kind kind, uint32_t rtx_ssrc)
{
    return (struct viewer){.sender = rig_sender(kind, rtx_ssrc, 1000, START_NS), .now = START_NS};
}

static inline struct rig_source source_of(uint32_t number, uint8_t layer, enum leat_codec codec)
{
    return (struct rig_source){.source = number,
                               .layer = layer,
                               .codec = codec,
                               .profile = codec == LEAT_CODEC_H264 ? 0x14240 : 0,
                               .index = 65536 + number * 1000,
                               .timestamp = number * 1000000,
                               .picture_id = (uint16_t)(number * 100),
                               .frame_number = (uint16_t)(number * 200),
                               .tl0 = (uint8_t)(number * 10)};
}

/* 0: it was sent, and seen. */
static inline int give(struct viewer *viewer, const struct rig_packet *made)
{
    const int status = leat_rtp_sender_packet(viewer->sender, viewer->now, &made->packet,
                                              made->bytes, &viewer->sent);
    if (status == 0) {
        rig_see(&viewer->seen, &viewer->sent, made);
    }
    return status;
}

static inline int next(struct viewer *viewer, struct rig_source *source, enum rig_part part)
{
    const struct rig_packet made = rig_make(source, part, viewer->now);
    return give(viewer, &made);
}

/* A frame of one packet, 20 ms after the one before. */
static inline int frame(struct viewer *viewer, struct rig_source *source, enum rig_part part)
{
    viewer->now += 20 * LEAT_MS;
    rig_frame(source, 1800);
    return next(viewer, source, part);
}

static inline void nack(struct viewer *viewer, uint16_t packet, uint16_t more)
{
    const struct leat_rtcp_item item = {
        .kind = LEAT_RTCP_NACK, .media = 0x1111, .nack = {packet, more}};
    CHECK(leat_rtp_sender_is_for(viewer->sender, &item));
    leat_rtp_sender_feedback(viewer->sender, viewer->now, &item);
}

static inline void say(struct viewer *viewer, enum leat_rtcp_kind kind, uint8_t sequence)
{
    const struct leat_rtcp_item item = {.kind = kind, .media = 0x1111, .fir = {sequence}};
    leat_rtp_sender_feedback(viewer->sender, viewer->now, &item);
}

static inline struct leat_rtp_sender_stats stats_of(const struct viewer *viewer)
{
    struct leat_rtp_sender_stats stats;
    leat_rtp_sender_stats(viewer->sender, &stats);
    return stats;
}

static inline bool wants(const struct viewer *viewer)
{
    leat_time since;
    return leat_rtp_sender_wants_key(viewer->sender, &since);
}

/* Of the payload that was seen. */
static inline struct leat_codec_packet says(const struct viewer *viewer, enum leat_codec codec)
{
    struct leat_codec_packet packet = {0};
    CHECK_EQ(
        leat_codec_look(codec, rig_body(&viewer->seen), viewer->seen.header.payload_len, &packet),
        0);
    return packet;
}

/* Wall time as NTP has it, at the tests' time. */
static inline uint64_t ntp_of(leat_time at)
{
    return (UINT64_C(3900000000) << 32) + ((at / LEAT_SEC) << 32) +
           ((at % LEAT_SEC << 32) / LEAT_SEC);
}

#endif
