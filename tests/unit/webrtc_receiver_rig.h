/* A publisher of the receiver's tests: packets as browsers and others make them, in virtual time. */
#ifndef LEAT_TESTS_UNIT_WEBRTC_RECEIVER_RIG_H
#define LEAT_TESTS_UNIT_WEBRTC_RECEIVER_RIG_H

#include <leat/rtcp.h>
#include <leat/rtp_receiver.h>

#include <errno.h>

#include "../check.h"

#define AUDIO_PT 111
#define VIDEO_PT 96
#define RTX_PT 97
#define H264_PT 102

enum { MID = 4, RID = 10, REPAIRED = 11, TWCC = 3, LEVEL = 1, ORIENTATION = 5, DEPENDENCY = 6 };

static struct leat_rtp_track tracks[2];
static leat_rtp_receiver *receiver;
static leat_time now;
static uint8_t bytes[LEAT_RTP_PACKET_MAX];
static size_t bytes_len;
static struct leat_rtp_packet got;

/* What a test says of its next packet; reset by nothing but the test. */
struct sent {
    uint32_t ssrc, timestamp;
    uint16_t sequence;
    uint8_t type;
    bool marker;
    const char *mid, *rid, *repaired;
    int twcc;     /* -1: without */
    int original; /* of a retransmission; -1: it is none */
    int padding;
};

static const struct sent video = {.ssrc = 1000,
                                  .timestamp = 90000,
                                  .sequence = 500,
                                  .type = VIDEO_PT,
                                  .twcc = -1,
                                  .original = -1};

static inline void set_tracks(void)
{
    static const uint8_t ext[LEAT_RTP_EXT_COUNT] = {MID,   RID,         REPAIRED,  TWCC,
                                                    LEVEL, ORIENTATION, DEPENDENCY};
    memset(tracks, 0, sizeof(tracks));
    tracks[0] = (struct leat_rtp_track){.kind = LEAT_MEDIA_AUDIO, .mid = "0", .codec_count = 1};
    tracks[0].codecs[0] = (struct leat_rtp_codec){
        .codec = LEAT_CODEC_OPUS, .payload_type = AUDIO_PT, .twcc = true, .clock_rate = 48000};
    tracks[1] = (struct leat_rtp_track){.kind = LEAT_MEDIA_VIDEO, .mid = "1", .codec_count = 2};
    tracks[1].codecs[0] = (struct leat_rtp_codec){.codec = LEAT_CODEC_VP8,
                                                  .payload_type = VIDEO_PT,
                                                  .rtx = RTX_PT,
                                                  .nack = true,
                                                  .pli = true,
                                                  .fir = true,
                                                  .twcc = true,
                                                  .clock_rate = 90000,
                                                  .profile = 77};
    tracks[1].codecs[1] = (struct leat_rtp_codec){.codec = LEAT_CODEC_H264,
                                                  .payload_type = H264_PT,
                                                  .nack = true,
                                                  .pli = true,
                                                  .clock_rate = 90000};
    memcpy(tracks[0].ext, ext, sizeof(ext));
    memcpy(tracks[1].ext, ext, sizeof(ext));
    tracks[0].reduced_rtcp = tracks[1].reduced_rtcp = true;
}

static inline void set_rids(void)
{
    static const char *const rids[] = {"q", "h", "f"};
    tracks[1].rid_count = 3;
    for (unsigned i = 0; i < 3; i++) {
        memcpy(tracks[1].rids[i], rids[i], 2);
    }
}

static inline void open_receiver(void)
{
    const struct leat_rtp_receiver_config config = {
        .tracks = tracks, .track_count = 2, .ssrc = 42, .source = 300};
    leat_rtp_receiver_close(receiver);
    now = 10 * LEAT_SEC;
    REQUIRE(leat_rtp_receiver_open(&config, now, &receiver) == 0);
}

static inline void put_text(struct leat_rtp_writer *writer, uint8_t id, const char *text)
{
    if (text) {
        leat_rtp_ext_put(writer, id, text, (uint8_t)strlen(text));
    }
}

/* Makes the packet in `bytes`. */
static inline void make(const struct sent *sent, const void *payload, size_t len)
{
    const struct leat_rtp_header header = {.ssrc = sent->ssrc,
                                           .timestamp = sent->timestamp,
                                           .sequence = sent->sequence,
                                           .payload_type = sent->type,
                                           .marker = sent->marker};
    struct leat_rtp_writer writer;
    leat_rtp_write_begin(&writer, bytes, sizeof(bytes), &header, false);
    put_text(&writer, MID, sent->mid);
    put_text(&writer, RID, sent->rid);
    put_text(&writer, REPAIRED, sent->repaired);
    if (sent->twcc >= 0) {
        const uint8_t number[2] = {(uint8_t)(sent->twcc >> 8), (uint8_t)sent->twcc};
        leat_rtp_ext_put(&writer, TWCC, number, 2);
    }
    bytes_len = leat_rtp_write_end(&writer);
    REQUIRE(bytes_len > 0);
    if (sent->original >= 0) {
        bytes[bytes_len++] = (uint8_t)(sent->original >> 8);
        bytes[bytes_len++] = (uint8_t)sent->original;
    }
    if (len) {
        memcpy(bytes + bytes_len, payload, len);
        bytes_len += len;
    }
    if (sent->padding) {
        memset(bytes + bytes_len, 0, (size_t)sent->padding);
        bytes_len += (size_t)sent->padding;
        bytes[bytes_len - 1] = (uint8_t)sent->padding;
        bytes[0] |= 0x20;
    }
}

static inline int arrive(const struct sent *sent, const void *payload, size_t len)
{
    make(sent, payload, len);
    return leat_rtp_receiver_packet(receiver, now, bytes, &bytes_len, &got);
}

/* VP8: the first packet of a key frame of this size, of another frame, and one that goes on. */
static inline int key_frame(const struct sent *sent, unsigned width, unsigned height)
{
    const uint8_t payload[] = {0x10,
                               0,
                               0,
                               0,
                               0x9d,
                               1,
                               0x2a,
                               (uint8_t)width,
                               (uint8_t)(width >> 8),
                               (uint8_t)height,
                               (uint8_t)(height >> 8),
                               7,
                               7};
    return arrive(sent, payload, sizeof(payload));
}

static inline int frame(const struct sent *sent)
{
    const uint8_t payload[] = {0x10, 1, 2, 3, 4};
    return arrive(sent, payload, sizeof(payload));
}

/* ---- what the receiver says ---- */

static uint8_t rtcp[1200];
static size_t rtcp_len;

static inline size_t poll(void)
{
    rtcp_len = leat_rtp_receiver_poll(receiver, now, rtcp, sizeof(rtcp));
    return rtcp_len;
}

/* The nth item of a kind in what was polled last; false: there is none. */
static inline bool item_of(enum leat_rtcp_kind kind, unsigned n, struct leat_rtcp_item *ret)
{
    struct leat_rtcp_reader reader;
    leat_rtcp_read(&reader, rtcp, rtcp_len);
    while (leat_rtcp_next(&reader, ret)) {
        if (ret->kind == kind && n-- == 0) {
            return true;
        }
    }
    CHECK(!reader.broken);
    return false;
}

/* Polls until nothing is due at this time; how many items of the kind there were. */
static inline unsigned drain(enum leat_rtcp_kind kind)
{
    unsigned count = 0;
    struct leat_rtcp_item item;
    for (unsigned polls = 0; poll(); polls++) {
        REQUIRE(polls < 100);
        for (unsigned n = 0; item_of(kind, n, &item); n++) {
            count++;
        }
    }
    CHECK(leat_rtp_receiver_deadline(receiver) > now);
    return count;
}

static inline struct leat_rtp_receiver_stats stats_of(void)
{
    struct leat_rtp_receiver_stats stats;
    leat_rtp_receiver_stats(receiver, &stats);
    return stats;
}

#endif
