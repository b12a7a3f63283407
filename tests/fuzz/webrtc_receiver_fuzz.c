/* The receiver as a whole, driven by a script: packets of a few streams, retransmissions, RTCP, raw bytes, time.
 * Properties: no (source, index) is given twice; what is given lies in the packet; RTCP that leaves can be read, fits,
 * and ends; after it nothing is due any more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/rtcp.h>
#include <leat/rtp_receiver.h>

#include "fuzz.h"

#define GIVEN_MAX 65536u

static struct {
    uint64_t index;
    uint32_t source;
    bool used;
} given[GIVEN_MAX];

static unsigned given_count;
static leat_rtp_receiver *receiver;
static leat_time now;
static const uint8_t *script;
static size_t left;
static uint16_t sequences[8]; /* the last of each stream */

static uint8_t take(void)
{
    if (left == 0) {
        return 0;
    }
    left--;
    return *script++;
}

static void require_new(const struct leat_rtp_packet *packet)
{
    uint64_t slot = packet->index * 0x9e3779b97f4a7c15u ^ packet->source * 0x85ebca6bu;
    slot ^= slot >> 29;
    REQUIRE(++given_count < GIVEN_MAX);
    for (;; slot++) {
        const size_t at = slot % GIVEN_MAX;
        if (!given[at].used) {
            given[at].used = true;
            given[at].index = packet->index;
            given[at].source = packet->source;
            return;
        }
        REQUIRE(given[at].index != packet->index || given[at].source != packet->source);
    }
}

static void require_inside(const struct leat_rtp_packet *packet, size_t len)
{
    REQUIRE(packet->payload_len > 0 || (packet->flags & LEAT_RTP_LATE)); /* padding */
    REQUIRE((size_t)packet->payload_offset + packet->payload_len <= len);
    REQUIRE(packet->dependency_offset + packet->dependency_len <= packet->payload_offset);
    REQUIRE(packet->kind < LEAT_MEDIA_KINDS && packet->layer < LEAT_RTP_LAYERS_MAX);
    REQUIRE(packet->source >= 1000 && packet->source < 1000 + LEAT_RTP_RECEIVER_SOURCES_MAX);
}

static void give(uint8_t *bytes, size_t len)
{
    uint8_t extra[LEAT_RTP_PACKET_MAX];
    struct leat_rtp_packet packet, before;
    const size_t whole = len;
    if (leat_rtp_receiver_packet(receiver, now, bytes, &len, &packet) != 0) {
        return;
    }
    REQUIRE(len <= whole);
    require_inside(&packet, len);
    require_new(&packet);
    const size_t extra_len = leat_rtp_receiver_extra(receiver, extra, sizeof(extra), &before);
    if (extra_len) {
        REQUIRE(before.index + 1 == packet.index && before.source == packet.source);
        require_inside(&before, extra_len);
        require_new(&before);
    }
}

/* A packet of one of eight SSRCs, near the numbers it had before. */
static void give_packet(void)
{
    static const uint8_t types[8] = {111, 96, 97, 102, 96, 97, 35, 103};
    static const char *const rids[4] = {"q", "h", "f", "x"};
    uint8_t bytes[300] = {0};
    const uint8_t how = take(), which = take() % 8, step = take();
    sequences[which] = (uint16_t)(sequences[which] + (step == 255  ? 4000
                                                      : step > 127 ? step - 256
                                                                   : step));
    const struct leat_rtp_header header = {.ssrc = how & 1 ? which : which % 3u,
                                           .payload_type = types[which],
                                           .sequence = sequences[which],
                                           .timestamp = (uint32_t)(now / LEAT_MS / 32 * 90)
                                                        << (step == 254 ? 7 : 0),
                                           .marker = how & 2};
    struct leat_rtp_writer writer;
    leat_rtp_write_begin(&writer, bytes, sizeof(bytes), &header, how & 4);
    if (how & 8) {
        leat_rtp_ext_put(&writer, 4, which ? "1" : "0", 1);
    }
    if (how & 16) {
        leat_rtp_ext_put(&writer, which == 2 || which == 5 ? 11 : 10, rids[take() % 4], 1);
    }
    if (how & 32) {
        const uint8_t number[2] = {take(), take()};
        leat_rtp_ext_put(&writer, 3, number, 2);
    }
    size_t len = leat_rtp_write_end(&writer);
    if (which == 2 || which == 5) {
        bytes[len++] = (uint8_t)(sequences[1] >> 8);
        bytes[len++] = (uint8_t)(sequences[1] - take() % 32);
    }
    for (size_t payload = take() % 32; payload > 0; payload--) {
        bytes[len++] = take();
    }
    if (how & 64) {
        bytes[0] |= 0x20;
        len += 3;
        bytes[len - 1] = 3;
    }
    give(bytes, len);
}

static void give_raw(bool rtcp)
{
    uint8_t bytes[256];
    const size_t len = take();
    for (size_t i = 0; i < len; i++) {
        bytes[i] = take();
    }
    if (rtcp) {
        leat_rtp_receiver_rtcp(receiver, now, bytes, len);
    } else {
        give(bytes, len);
    }
}

static void poll(size_t cap)
{
    uint8_t out[1200];
    size_t len;
    for (unsigned polls = 0; (len = leat_rtp_receiver_poll(receiver, now, out, cap)) > 0; polls++) {
        struct leat_rtcp_reader reader;
        struct leat_rtcp_item item;
        int64_t arrivals[1024];
        uint16_t base;
        REQUIRE(polls < 200 && len <= cap && leat_rtcp_is(out, len));
        leat_rtcp_read(&reader, out, len);
        while (leat_rtcp_next(&reader, &item)) {
            REQUIRE(item.kind != LEAT_RTCP_TWCC ||
                    leat_rtcp_twcc_read(&item, &base, arrivals, 1024) > 0);
        }
        REQUIRE(!reader.broken);
    }
    REQUIRE(leat_rtp_receiver_deadline(receiver) > now);
}

static void open_receiver(uint8_t how)
{
    static const char fmtp[] = "sprop-parameter-sets=Z0LgH4w=,aM4G4g==";
    struct leat_rtp_track tracks[2] = {
        {.kind = LEAT_MEDIA_AUDIO, .mid = "0", .codec_count = 1},
        {.kind = LEAT_MEDIA_VIDEO, .mid = "1", .codec_count = 3},
    };
    tracks[0].codecs[0] = (struct leat_rtp_codec){
        .codec = LEAT_CODEC_OPUS, .payload_type = 111, .clock_rate = 48000, .twcc = how & 1};
    tracks[1].codecs[0] = (struct leat_rtp_codec){.codec = LEAT_CODEC_VP8,
                                                  .payload_type = 96,
                                                  .rtx = 97,
                                                  .nack = true,
                                                  .pli = how & 2,
                                                  .fir = how & 4};
    tracks[1].codecs[1] = (struct leat_rtp_codec){.codec = LEAT_CODEC_H264,
                                                  .payload_type = how & 8 ? 96 : 102,
                                                  .rtx = how & 16 ? 102 : 103,
                                                  .nack = true,
                                                  .fmtp = fmtp,
                                                  .fmtp_len = sizeof(fmtp) - 1};
    tracks[1].codecs[2] = (struct leat_rtp_codec){.codec = LEAT_CODEC_VP9, .payload_type = 103};
    for (unsigned i = 0; i < 2; i++) {
        static const uint8_t ext[LEAT_RTP_EXT_COUNT] = {4, 10, 11, 3, 1, 5, 6};
        memcpy(tracks[i].ext, ext, sizeof(ext));
        tracks[i].reduced_rtcp = how & 32;
    }
    if (how & 64) {
        tracks[1].rid_count = 3;
        memcpy(tracks[1].rids[0], "q", 2);
        memcpy(tracks[1].rids[1], "h", 2);
        memcpy(tracks[1].rids[2], "f", 2);
    }
    if (how & 128) {
        tracks[1].ssrc_count = 2;
        tracks[1].ssrcs[0] = 1;
        tracks[1].ssrcs[1] = 4;
        tracks[1].rtx_ssrcs[0] = 2;
    }
    const struct leat_rtp_receiver_config config = {
        .tracks = tracks, .track_count = 2, .ssrc = 42, .source = 1000};
    REQUIRE(leat_rtp_receiver_open(&config, now, &receiver) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_rtp_report report;
    struct leat_rtp_receiver_stats stats;
    if (size > 8192) {
        return 0;
    }
    script = data;
    left = size;
    now = 0;
    given_count = 0;
    memset(given, 0, sizeof(given));
    memset(sequences, 0, sizeof(sequences));
    open_receiver(take());
    while (left > 0) {
        const uint8_t op = take();
        now += (op >> 4) * (op >> 4) * (op >> 4) * LEAT_MS / 4;
        switch (op & 7) {
        default:
            give_packet();
            break;
        case 4:
            give_raw(false);
            break;
        case 5:
            give_raw(true);
            break;
        case 6:
            leat_rtp_receiver_want_key(receiver, now, take(), now - (now ? 1 : 0));
            break;
        case 7:
            poll(op & 8 ? 256 : 1200);
            break;
        }
        REQUIRE(leat_rtp_receiver_best_layer(receiver, now) < (int)LEAT_RTP_LAYERS_MAX);
    }
    while (leat_rtp_receiver_report(receiver, &report)) {
    }
    leat_rtp_receiver_stats(receiver, &stats);
    REQUIRE(stats.packets <= given_count);
    poll(1200);
    leat_rtp_receiver_close(receiver);
    return 0;
}
