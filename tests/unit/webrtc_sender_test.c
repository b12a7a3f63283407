/* The viewer's sender, packet by packet: where it begins, what is continuous when its source changes, what is sent
 * again, what it reports. */
#include "check.h"

#include <errno.h>

#include "webrtc_sender_rig.h"

#define START_NS (100 * LEAT_SEC)

/* A viewer, and what it saw last. */
struct viewer {
    leat_rtp_sender *sender;
    leat_time now;
    struct leat_rtp_sent sent;
    struct rig_seen seen;
};

static struct viewer viewer_of(enum leat_media_kind kind, uint32_t rtx_ssrc)
{
    return (struct viewer){.sender = rig_sender(kind, rtx_ssrc, 1000, START_NS), .now = START_NS};
}

static struct rig_source source_of(uint32_t number, uint8_t layer, enum leat_codec codec)
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
static int give(struct viewer *viewer, const struct rig_packet *made)
{
    const int status = leat_rtp_sender_packet(viewer->sender, viewer->now, &made->packet,
                                              made->bytes, &viewer->sent);
    if (status == 0) {
        rig_see(&viewer->seen, &viewer->sent, made);
    }
    return status;
}

static int next(struct viewer *viewer, struct rig_source *source, enum rig_part part)
{
    const struct rig_packet made = rig_make(source, part, viewer->now);
    return give(viewer, &made);
}

/* A frame of one packet, 20 ms after the one before. */
static int frame(struct viewer *viewer, struct rig_source *source, enum rig_part part)
{
    viewer->now += 20 * LEAT_MS;
    rig_frame(source, 1800);
    return next(viewer, source, part);
}

static void nack(struct viewer *viewer, uint16_t packet, uint16_t more)
{
    const struct leat_rtcp_item item = {
        .kind = LEAT_RTCP_NACK, .media = 0x1111, .nack = {packet, more}};
    CHECK(leat_rtp_sender_is_for(viewer->sender, &item));
    leat_rtp_sender_feedback(viewer->sender, viewer->now, &item);
}

static void say(struct viewer *viewer, enum leat_rtcp_kind kind, uint8_t sequence)
{
    const struct leat_rtcp_item item = {.kind = kind, .media = 0x1111, .fir = {sequence}};
    leat_rtp_sender_feedback(viewer->sender, viewer->now, &item);
}

static struct leat_rtp_sender_stats stats_of(const struct viewer *viewer)
{
    struct leat_rtp_sender_stats stats;
    leat_rtp_sender_stats(viewer->sender, &stats);
    return stats;
}

static bool wants(const struct viewer *viewer)
{
    leat_time since;
    return leat_rtp_sender_wants_key(viewer->sender, &since);
}

/* Of the payload that was seen. */
static struct leat_codec_packet says(const struct viewer *viewer, enum leat_codec codec)
{
    struct leat_codec_packet packet = {0};
    CHECK_EQ(
        leat_codec_look(codec, rig_body(&viewer->seen), viewer->seen.header.payload_len, &packet),
        0);
    return packet;
}

/* ---- beginning ---- */

TEST(webrtc_sender, begins_at_a_key_frame)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    leat_time since = 0;
    CHECK(leat_rtp_sender_wants_key(viewer.sender, &since));
    CHECK_EQ(since, START_NS);
    CHECK(!stats_of(&viewer).flowing);
    CHECK_EQ(leat_rtp_sender_deadline(viewer.sender), LEAT_NEVER);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), -EAGAIN);
    CHECK_EQ(next(&viewer, &source, RIG_REST), -EAGAIN);
    const struct rig_packet before = rig_make(&source, RIG_REST, viewer.now);
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1000);
    CHECK_EQ(viewer.seen.header.timestamp, 0xfffff000);
    CHECK_EQ(viewer.seen.header.ssrc, 0x1111);
    CHECK_EQ(viewer.seen.header.payload_type, 96);
    CHECK(!viewer.seen.header.marker);
    CHECK(!wants(&viewer));
    CHECK(stats_of(&viewer).flowing);
    CHECK_EQ(give(&viewer, &before), -EAGAIN); /* older than where it began */
    struct rig_packet rest = rig_make(&source, RIG_REST, viewer.now);
    rest.packet.flags |= LEAT_RTP_MARKER;
    CHECK_EQ(give(&viewer, &rest), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(viewer.seen.header.timestamp, 0xfffff000);
    CHECK(viewer.seen.header.marker);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 1800));
    CHECK_EQ(stats_of(&viewer).packets, 3);
    free(viewer.sender);
}

TEST(webrtc_sender, sound_begins_anywhere_and_carries_its_level)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_AUDIO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_OPUS);
    CHECK(!wants(&viewer));
    CHECK_EQ(frame(&viewer, &source, RIG_REST), 0);
    uint8_t len = 0;
    const uint8_t *value = leat_rtp_ext_find(&viewer.seen.header, 4, &len);
    REQUIRE(value != NULL);
    CHECK(len == 1 && value[0] == '0');
    value = leat_rtp_ext_find(&viewer.seen.header, 1, &len);
    REQUIRE(value != NULL);
    CHECK_EQ(value[0], (uint8_t)(65536 + 1000));
    say(&viewer, LEAT_RTCP_PLI, 0);
    CHECK(!wants(&viewer));
    free(viewer.sender);
}

/* A late first packet of a key frame is no beginning: the rest has gone by. */
TEST(webrtc_sender, a_late_key_frame_is_no_beginning)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    struct rig_packet key = rig_make(&source, RIG_KEY, viewer.now);
    CHECK_EQ(next(&viewer, &source, RIG_REST), -EAGAIN);
    key.packet.flags |= LEAT_RTP_LATE;
    CHECK_EQ(give(&viewer, &key), -EAGAIN);
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    free(viewer.sender);
}

/* Parameters come in a packet of their own: it is the beginning, and the picture behind it is not without it. */
TEST(webrtc_sender, h264_begins_with_its_parameters)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source low = source_of(1, 0, LEAT_CODEC_H264);
    struct rig_source high = source_of(2, 1, LEAT_CODEC_H264);
    CHECK_EQ(frame(&viewer, &low, RIG_PARAMETERS), 0);
    CHECK_EQ(viewer.seen.header.payload_type, 102);
    CHECK_EQ(next(&viewer, &low, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(frame(&viewer, &high, RIG_PARAMETERS), -EAGAIN);
    leat_rtp_sender_target(viewer.sender, 1); /* just between the two */
    CHECK_EQ(next(&viewer, &high, RIG_KEY), -EAGAIN);
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &high, RIG_KEY), 0); /* without any, it is taken */
    CHECK_EQ(viewer.seen.header.sequence, 1002);
    free(viewer.sender);
}

TEST(webrtc_sender, codec_and_profile_must_be_agreed)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_H264);
    source.profile = 0x16400;
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.payload_type, 104);
    source.profile = 0x14d00; /* and after that, nothing of it is missed in vain */
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), -ENOTSUP);
    CHECK(!stats_of(&viewer).flowing);
    source.profile = 0x14240;
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), -EAGAIN);
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(viewer.seen.header.payload_type, 102);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 3 * 1800)); /* the same clock */
    struct rig_source other = source_of(2, 0, LEAT_CODEC_H265);
    CHECK_EQ(frame(&viewer, &other, RIG_REST), -ENOTSUP);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0); /* another's codec does no harm */
    free(viewer.sender);
}

/* ---- gaps ---- */

TEST(webrtc_sender, a_gap_stays_one_and_is_filled)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    struct rig_packet lost = rig_make(&source, RIG_REST, viewer.now);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1002);
    uint32_t from = 0;
    uint64_t index = 0;
    nack(&viewer, 1001, 0); /* it has not come here either */
    CHECK(!leat_rtp_sender_repeat(viewer.sender, viewer.now, &from, &index));
    CHECK_EQ(stats_of(&viewer).repeats_unknown, 1);
    CHECK_EQ(
        leat_rtp_sender_again(viewer.sender, viewer.now, &lost.packet, lost.bytes, &viewer.sent),
        -EAGAIN);
    lost.packet.flags |= LEAT_RTP_LATE;
    CHECK_EQ(give(&viewer, &lost), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(viewer.seen.header.timestamp, 0xfffff000);
    CHECK_EQ(give(&viewer, &lost), -EAGAIN); /* once */
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1003);
    free(viewer.sender);
}

TEST(webrtc_sender, what_is_too_late_stays_away)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    const struct rig_packet old = rig_make(&source, RIG_REST, viewer.now);
    const struct rig_packet newer = rig_make(&source, RIG_REST, viewer.now);
    for (unsigned i = 0; i < 1023; i++) {
        CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0);
    }
    CHECK_EQ(give(&viewer, &old), -EAGAIN);
    CHECK_EQ(give(&viewer, &newer), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1002);
    free(viewer.sender);
}

/* A gap that nobody could repair is none for the viewer: it begins anew. */
TEST(webrtc_sender, a_jump_begins_anew)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    source.index += 8191;
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1000 + 8192);
    source.index += 8192;
    rig_frame(&source, 90000);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), -EAGAIN);
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1000 + 8193);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 90000 + 3 * 1800));
    free(viewer.sender);
}

/* Over 2^16 several times, with a packet in ten missing and then repaired. */
TEST(webrtc_sender, sequence_numbers_wrap)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    struct rig_packet lost;
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    unsigned wrong = 0;
    for (unsigned i = 1; i < 200000; i++) {
        rig_frame(&source, 300);
        if (i % 10 == 3) {
            lost = rig_make(&source, RIG_FRAME, viewer.now);
            continue;
        }
        wrong += next(&viewer, &source, RIG_FRAME) != 0;
        wrong += viewer.seen.header.sequence != (uint16_t)(1000 + i);
        if (i % 10 == 7) {
            wrong += give(&viewer, &lost) != 0;
            wrong += viewer.seen.header.sequence != (uint16_t)(1000 + i - 4);
        }
    }
    CHECK_EQ(wrong, 0);
    CHECK_EQ(stats_of(&viewer).packets, 200000);
    free(viewer.sender);
}

/* Padding alone has a place too. */
TEST(webrtc_sender, an_empty_packet_keeps_its_place)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    struct rig_packet empty = rig_make(&source, RIG_FRAME, viewer.now);
    empty.packet.payload_len = 0;
    empty.packet.flags = 0;
    memset(&empty.packet.payload, 0, sizeof(empty.packet.payload));
    CHECK_EQ(give(&viewer, &empty), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(viewer.seen.header.payload_len, 0);
    free(viewer.sender);
}

/* ---- changes of source ---- */

static void check_switch(enum leat_codec codec, bool narrow)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source low = source_of(1, 0, codec), high = source_of(2, 1, codec);
    const uint16_t mask = narrow ? 0x7f : 0x7fff;
    low.narrow = high.narrow = narrow;
    low.picture_id = (uint16_t)(mask - 2); /* wraps on the way */
    low.frame_number = 0xfffe;
    low.tl0 = 0xfe;
    uint16_t picture_id = 0, number = 0;
    uint8_t tl0 = 0;
    uint32_t timestamp = 0xfffff000;
    uint16_t sequence = 1000;
    for (unsigned i = 0; i < 400; i++) {
        const bool is_key = i % 40 == 0;
        if (i % 40 == 20) {
            leat_rtp_sender_target(viewer.sender, i / 40 % 2 == 0);
        }
        struct rig_source *const shown = i / 40 % 2 == 0 ? &low : &high;
        rig_frame(&low, 1800);
        rig_frame(&high, 1800);
        viewer.now += 20 * LEAT_MS;
        const struct rig_packet made = rig_make(shown, is_key ? RIG_KEY : RIG_FRAME, viewer.now);
        REQUIRE(give(&viewer, &made) == 0);
        CHECK_EQ(viewer.seen.header.sequence, sequence);
        CHECK_EQ(viewer.seen.header.timestamp, timestamp);
        const struct leat_codec_packet told = says(&viewer, codec);
        if (codec == LEAT_CODEC_AV1) {
            uint8_t len = 0;
            uint16_t now = 0;
            const uint8_t *const at = leat_rtp_ext_find(&viewer.seen.header, 12, &len);
            REQUIRE(at != NULL);
            CHECK_EQ(leat_codec_frame_number(at, len, &now), 0);
            CHECK(i == 0 || now == (uint16_t)(number + 1));
            number = now;
        } else {
            CHECK(i == 0 || told.picture_id == ((picture_id + 1) & mask));
            CHECK(i == 0 || told.tl0 == (uint8_t)(tl0 + 1));
            picture_id = told.picture_id;
            tl0 = told.tl0;
        }
        CHECK_EQ(told.key, is_key);
        CHECK_EQ(next(&viewer, shown == &low ? &high : &low, RIG_FRAME), -EAGAIN);
        sequence++;
        timestamp += 1800;
    }
    CHECK_EQ(stats_of(&viewer).changes, 10);
    free(viewer.sender);
}

TEST(webrtc_sender, layers_change_on_key_frames_vp8_wide)
{
    check_switch(LEAT_CODEC_VP8, false);
}

TEST(webrtc_sender, layers_change_on_key_frames_vp8_narrow)
{
    check_switch(LEAT_CODEC_VP8, true);
}

TEST(webrtc_sender, layers_change_on_key_frames_vp9)
{
    check_switch(LEAT_CODEC_VP9, false);
}

TEST(webrtc_sender, layers_change_on_key_frames_av1)
{
    check_switch(LEAT_CODEC_AV1, false);
}

TEST(webrtc_sender, a_layer_waits_for_its_key_frame)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source low = source_of(1, 0, LEAT_CODEC_VP8), high = source_of(2, 2, LEAT_CODEC_VP8);
    leat_time since = 0;
    leat_rtp_sender_target(viewer.sender, 2);
    CHECK_EQ(frame(&viewer, &low, RIG_KEY), 0); /* better than nothing */
    CHECK(leat_rtp_sender_wants_key(viewer.sender, &since));
    CHECK_EQ(since, viewer.now);
    CHECK_EQ(stats_of(&viewer).layer, 0);
    CHECK_EQ(frame(&viewer, &high, RIG_FRAME), -EAGAIN);
    const struct rig_packet gap = rig_make(&low, RIG_REST, viewer.now);
    CHECK_EQ(frame(&viewer, &low, RIG_FRAME), 0);
    CHECK_EQ(frame(&viewer, &low, RIG_KEY), 0); /* the wrong one: it goes on */
    const struct rig_packet beyond = rig_make(&low, RIG_REST, viewer.now);
    CHECK_EQ(frame(&viewer, &high, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1004);
    CHECK_EQ(stats_of(&viewer).layer, 2);
    CHECK(!wants(&viewer));
    CHECK_EQ(give(&viewer, &beyond), -EAGAIN); /* after the change: never */
    CHECK_EQ(frame(&viewer, &low, RIG_KEY), -EAGAIN);
    CHECK_EQ(give(&viewer, &gap), 0); /* before it: a gap is filled, as it was */
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(viewer.seen.header.timestamp, 0xfffff000);
    CHECK_EQ(next(&viewer, &high, RIG_REST), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1005);
    free(viewer.sender);
}

TEST(webrtc_sender, a_layer_that_is_silent_gives_way)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source low = source_of(1, 0, LEAT_CODEC_VP8), high = source_of(2, 2, LEAT_CODEC_VP8);
    leat_rtp_sender_target(viewer.sender, 2);
    CHECK_EQ(frame(&viewer, &high, RIG_KEY), 0);
    CHECK_EQ(frame(&viewer, &low, RIG_KEY), -EAGAIN);
    viewer.now += LEAT_SEC;
    CHECK(!wants(&viewer));
    CHECK_EQ(frame(&viewer, &low, RIG_FRAME), -EAGAIN);
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &low, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 90000 + 3 * 1800));
    CHECK(wants(&viewer)); /* of the layer that is wanted */
    CHECK_EQ(frame(&viewer, &high, RIG_KEY), 0);
    CHECK(!wants(&viewer));
    free(viewer.sender);
}

TEST(webrtc_sender, a_publisher_comes_back)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source first = source_of(1, 0, LEAT_CODEC_VP8);
    struct rig_source second = source_of(2, 0, LEAT_CODEC_VP8);
    struct rig_source third = source_of(3, 0, LEAT_CODEC_VP9);
    CHECK_EQ(frame(&viewer, &first, RIG_KEY), 0);
    CHECK_EQ(frame(&viewer, &first, RIG_FRAME), 0);
    const uint16_t picture_id = says(&viewer, LEAT_CODEC_VP8).picture_id;
    viewer.now += 10 * LEAT_SEC;
    CHECK_EQ(frame(&viewer, &second, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1002);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 2 * 1800 + 900000));
    CHECK_EQ(says(&viewer, LEAT_CODEC_VP8).picture_id, picture_id + 1);
    CHECK_EQ(frame(&viewer, &first, RIG_KEY), -EAGAIN); /* what was replaced does not come again */
    CHECK_EQ(frame(&viewer, &third, RIG_KEY), 0);       /* with another codec */
    CHECK_EQ(viewer.seen.header.sequence, 1003);
    CHECK_EQ(viewer.seen.header.payload_type, 98);
    CHECK_EQ(says(&viewer, LEAT_CODEC_VP9).picture_id, picture_id + 2);
    CHECK_EQ(stats_of(&viewer).changes, 3);
    free(viewer.sender);
}

/* The clocks of two sources that both reported are known better than when their packets came. */
static uint64_t ntp_of(leat_time at)
{
    return (UINT64_C(3900000000) << 32) + ((at / LEAT_SEC) << 32) +
           ((at % LEAT_SEC << 32) / LEAT_SEC);
}

TEST(webrtc_sender, a_change_follows_the_publishers_clock)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source low = source_of(1, 0, LEAT_CODEC_VP8), high = source_of(2, 1, LEAT_CODEC_VP8);
    struct leat_rtp_report report = {
        .ntp = ntp_of(viewer.now), .received = viewer.now, .source = 1};
    report.timestamp = low.timestamp;
    leat_rtp_sender_source_report(viewer.sender, &report);
    report.source = 2;
    report.timestamp = high.timestamp;
    leat_rtp_sender_source_report(viewer.sender, &report);
    leat_rtp_sender_target(viewer.sender, 1);
    CHECK_EQ(frame(&viewer, &low, RIG_KEY), 0);
    rig_frame(&high, 1800);
    viewer.now += 70 * LEAT_MS; /* of the next frame, but its way took longer */
    CHECK_EQ(frame(&viewer, &high, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 1800));
    leat_rtp_sender_target(viewer.sender, 0);
    CHECK_EQ(next(&viewer, &low, RIG_KEY), 0); /* taken before what was shown: never backwards */
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 1801));
    struct rig_source other = source_of(3, 0, LEAT_CODEC_VP8); /* whose clock is off by an hour */
    report = (struct leat_rtp_report){.ntp = ntp_of(viewer.now + 3600 * LEAT_SEC),
                                      .received = viewer.now,
                                      .source = 3,
                                      .timestamp = other.timestamp};
    leat_rtp_sender_source_report(viewer.sender, &report);
    CHECK_EQ(frame(&viewer, &other, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 1801 + 1800));
    free(viewer.sender);
}

/* ---- again ---- */

/* Asks for one, and has it from a store of the packets that were made. */
static bool again(struct viewer *viewer, const struct rig_packet *store, size_t count)
{
    uint32_t source = 0;
    uint64_t index = 0;
    if (!leat_rtp_sender_repeat(viewer->sender, viewer->now, &source, &index)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (store[i].packet.source == source && store[i].packet.index == index) {
            CHECK_EQ(leat_rtp_sender_again(viewer->sender, viewer->now, &store[i].packet,
                                           store[i].bytes, &viewer->sent),
                     0);
            rig_see(&viewer->seen, &viewer->sent, &store[i]);
            return true;
        }
    }
    CHECK_THAT_(false, "%s", "it was not one of them");
    return false;
}

TEST(webrtc_sender, a_repeat_has_the_same_bytes)
{
    enum { COUNT = 60 };
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    static struct rig_packet store[COUNT];
    static struct rig_seen seen[COUNT];
    static const enum leat_codec codecs[] = {LEAT_CODEC_VP8, LEAT_CODEC_VP9, LEAT_CODEC_AV1,
                                             LEAT_CODEC_H264};
    struct rig_source source = {0};
    for (unsigned i = 0; i < COUNT; i++) { /* another publisher after each ten */
        if (i % 10 == 0) {
            source = source_of(i + 1, 0, codecs[i / 10 % 4]);
        }
        viewer.now += 20 * LEAT_MS;
        rig_frame(&source, 1800);
        store[i] = rig_make(&source, i % 10 == 0 ? RIG_KEY : RIG_FRAME, viewer.now);
        CHECK_EQ(give(&viewer, &store[i]), 0);
        CHECK(viewer.sent.repeat); /* the first time as well: it may be repeated */
        seen[i] = viewer.seen;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        nack(&viewer, (uint16_t)(1000 + i), 0);
        REQUIRE(again(&viewer, store, COUNT));
        CHECK_EQ(viewer.seen.len, seen[i].len);
        CHECK(memcmp(viewer.seen.bytes, seen[i].bytes, seen[i].len) == 0);
        CHECK(viewer.sent.repeat);
        CHECK(!again(&viewer, store, COUNT));
    }
    CHECK_EQ(stats_of(&viewer).repeats, COUNT);
    free(viewer.sender);
}

/* Of more changes than are remembered, the oldest are forgotten. */
TEST(webrtc_sender, old_changes_are_forgotten)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_packet store[10];
    for (unsigned i = 0; i < 10; i++) {
        struct rig_source source = source_of(i + 1, 0, LEAT_CODEC_VP8);
        store[i] = rig_make(&source, RIG_KEY, viewer.now);
        CHECK_EQ(give(&viewer, &store[i]), 0);
    }
    nack(&viewer, 1001, 0);
    CHECK(!again(&viewer, store, 10));
    CHECK_EQ(stats_of(&viewer).repeats_unknown, 1);
    CHECK_EQ(leat_rtp_sender_again(viewer.sender, viewer.now, &store[1].packet, store[1].bytes,
                                   &viewer.sent),
             -EAGAIN);
    nack(&viewer, 1002, 0);
    CHECK(again(&viewer, store, 10));
    CHECK_EQ(viewer.seen.header.sequence, 1002);
    free(viewer.sender);
}

TEST(webrtc_sender, retransmissions_have_a_stream_of_their_own)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0x2222);
    struct rig_source first = source_of(1, 0, LEAT_CODEC_VP8),
                      source = source_of(2, 0, LEAT_CODEC_VP8);
    struct rig_packet store[3];
    struct rig_seen seen;
    store[0] = rig_make(&first, RIG_KEY, viewer.now);
    CHECK_EQ(give(&viewer, &store[0]), 0);
    store[1] = rig_make(&source, RIG_KEY, viewer.now);
    CHECK_EQ(give(&viewer, &store[1]), 0);
    CHECK(viewer.sent.prefix_len == 5 && viewer.sent.skip == 5); /* picture id and TL0PICIDX */
    CHECK(!viewer.sent.repeat);
    seen = viewer.seen;
    for (unsigned i = 0; i < 2; i++) {
        viewer.now += LEAT_SEC;
        nack(&viewer, 1001, 0);
        REQUIRE(again(&viewer, store, 2));
        CHECK(!viewer.sent.repeat);
        CHECK_EQ(viewer.sent.prefix_len, 7);
        CHECK_EQ(viewer.seen.header.ssrc, 0x2222);
        CHECK_EQ(viewer.seen.header.payload_type, 97);
        CHECK_EQ(viewer.seen.header.sequence, 700 + i);
        CHECK_EQ(viewer.seen.header.timestamp, seen.header.timestamp);
        CHECK_EQ(viewer.seen.header.payload_len, seen.header.payload_len + 2);
        CHECK(memcmp(rig_body(&viewer.seen), (const uint8_t[]){1001 >> 8, 1001 & 255}, 2) == 0);
        CHECK(memcmp(rig_body(&viewer.seen) + 2, rig_body(&seen), seen.header.payload_len) == 0);
    }
    struct rig_source h264 = source_of(4, 0, LEAT_CODEC_H264);
    h264.profile = 0x16400; /* for which none was agreed */
    store[2] = rig_make(&h264, RIG_KEY, viewer.now);
    CHECK_EQ(give(&viewer, &store[2]), 0);
    CHECK(viewer.sent.repeat);
    nack(&viewer, 1002, 0);
    REQUIRE(again(&viewer, store, 3));
    CHECK(viewer.sent.repeat);
    CHECK_EQ(viewer.seen.header.ssrc, 0x1111);
    const struct leat_rtcp_item about = {.kind = LEAT_RTCP_PLI, .media = 0x2222};
    const struct leat_rtcp_item other = {.kind = LEAT_RTCP_PLI, .media = 0x3333};
    CHECK(leat_rtp_sender_is_for(viewer.sender, &about));
    CHECK(!leat_rtp_sender_is_for(viewer.sender, &other));
    free(viewer.sender);
}

/* Not again while the answer may be under way; a burst, then 15 %. */
TEST(webrtc_sender, repeats_are_capped)
{
    enum { COUNT = 600 };
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0x2222);
    static struct rig_packet store[COUNT];
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    for (unsigned i = 0; i < COUNT; i++) {
        store[i] = rig_make(&source, i == 0 ? RIG_KEY : RIG_FRAME, viewer.now);
        CHECK_EQ(give(&viewer, &store[i]), 0);
    }
    nack(&viewer, 1100, 0);
    nack(&viewer, 1100, 0);
    CHECK(again(&viewer, store, COUNT));
    CHECK(!again(&viewer, store, COUNT)); /* asked for twice, sent once */
    viewer.now += 19 * LEAT_MS;
    nack(&viewer, 1100, 0);
    CHECK(!again(&viewer, store, COUNT));
    CHECK_EQ(stats_of(&viewer).repeats_capped, 1);
    viewer.now += LEAT_MS;
    nack(&viewer, 1100, 0);
    CHECK(again(&viewer, store, COUNT));

    unsigned sent = 0;
    for (unsigned i = 0; i < 12; i++) { /* 17 each */
        nack(&viewer, (uint16_t)(1200 + 17 * i), 0xffff);
        while (again(&viewer, store, COUNT)) {
            sent++;
        }
    }
    CHECK_EQ(sent, 98);
    CHECK_EQ(stats_of(&viewer).repeats, 100);
    CHECK_EQ(stats_of(&viewer).repeats_capped, 1 + 12 * 17 - 98);
    for (unsigned i = 0; i < 200; i++) {
        CHECK_EQ(next(&viewer, &source, RIG_FRAME), 0);
    }
    viewer.now += LEAT_SEC;
    sent = 0;
    for (unsigned i = 0; i < 12; i++) {
        nack(&viewer, (uint16_t)(1200 + 17 * i), 0xffff);
        while (again(&viewer, store, COUNT)) {
            sent++;
        }
    }
    CHECK_EQ(sent, 30);
    free(viewer.sender);
}

TEST(webrtc_sender, sixty_four_are_kept)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0x2222);
    static struct rig_packet store[200];
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    for (unsigned i = 0; i < 200; i++) {
        store[i] = rig_make(&source, i == 0 ? RIG_KEY : RIG_FRAME, viewer.now);
        CHECK_EQ(give(&viewer, &store[i]), 0);
    }
    bool seen[200] = {false};
    for (unsigned i = 0; i < 70; i++) {
        nack(&viewer, (uint16_t)(1000 + (i * 67) % 200), 0);
    }
    CHECK_EQ(stats_of(&viewer).repeats_capped, 6);
    for (unsigned i = 0; i < 64; i++) {
        REQUIRE(again(&viewer, store, 200));
        const unsigned which = rig_body(&viewer.seen)[0] * 256u + rig_body(&viewer.seen)[1] - 1000;
        REQUIRE(which < 200);
        CHECK(!seen[which]);
        seen[which] = true;
    }
    CHECK(!again(&viewer, store, 200));
    free(viewer.sender);
}

/* ---- key frames that are asked for ---- */

TEST(webrtc_sender, key_frames_are_asked_for)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    leat_time since = 0;
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    CHECK(!wants(&viewer));
    say(&viewer, LEAT_RTCP_PLI, 0);
    CHECK(leat_rtp_sender_wants_key(viewer.sender, &since));
    CHECK_EQ(since, viewer.now);
    viewer.now += LEAT_MS;
    say(&viewer, LEAT_RTCP_PLI, 0); /* waits already */
    CHECK(leat_rtp_sender_wants_key(viewer.sender, &since));
    CHECK_EQ(since, viewer.now - LEAT_MS);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0); /* it goes on meanwhile */
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    CHECK(!wants(&viewer));
    CHECK_EQ(stats_of(&viewer).changes, 1);
    say(&viewer, LEAT_RTCP_FIR, 0);
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    say(&viewer, LEAT_RTCP_FIR, 0); /* the same request */
    CHECK(!wants(&viewer));
    say(&viewer, LEAT_RTCP_FIR, 1);
    CHECK(wants(&viewer));
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    say(&viewer, LEAT_RTCP_BYE, 0);
    CHECK(!wants(&viewer));
    leat_rtp_sender_target(viewer.sender, 1);
    CHECK(wants(&viewer));
    leat_rtp_sender_target(viewer.sender, 0); /* thought better of */
    CHECK(!wants(&viewer));
    free(viewer.sender);
}

/* ---- reports ---- */

/* The items of a report. */
static struct leat_rtcp_item report(struct viewer *viewer, uint64_t ntp, size_t *ret_len)
{
    uint8_t out[128];
    struct leat_rtcp_item item = {0};
    struct leat_rtcp_reader reader;
    *ret_len = leat_rtp_sender_report(viewer->sender, viewer->now, ntp, "leat", out, sizeof(out));
    if (*ret_len > 0) {
        leat_rtcp_read(&reader, out, *ret_len);
        CHECK(leat_rtcp_next(&reader, &item));
        CHECK_EQ(item.kind, LEAT_RTCP_SENDER_REPORT);
        CHECK_EQ(item.sender, 0x1111);
        CHECK_EQ(item.report.ntp, ntp);
        CHECK(*ret_len > 28 && out[29] == 202); /* SDES */
    }
    return item;
}

TEST(webrtc_sender, reports_each_second)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    size_t len = 1;
    (void)report(&viewer, ntp_of(viewer.now), &len);
    CHECK_EQ(len, 0); /* nothing was sent */
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    CHECK_EQ(leat_rtp_sender_deadline(viewer.sender), viewer.now);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0);
    viewer.now += 500 * LEAT_MS;
    struct leat_rtcp_item item = report(&viewer, ntp_of(viewer.now), &len);
    CHECK(len > 0);
    CHECK_EQ(item.report.timestamp, (uint32_t)(0xfffff000 + 1800 + 45000)); /* by its packets */
    CHECK_EQ(item.report.packets, 2);
    CHECK_EQ(item.report.bytes, stats_of(&viewer).bytes);
    CHECK_EQ(leat_rtp_sender_deadline(viewer.sender), viewer.now + LEAT_SEC);
    viewer.now += LEAT_SEC - 1;
    (void)report(&viewer, ntp_of(viewer.now), &len);
    CHECK_EQ(len, 0);
    viewer.now += 1;
    item = report(&viewer, ntp_of(viewer.now), &len);
    CHECK(len > 0);
    CHECK_EQ(item.report.timestamp, (uint32_t)(0xfffff000 + 1800 + 45000 + 90000));
    uint8_t bye[64];
    struct leat_rtcp_reader reader;
    leat_rtcp_read(&reader, bye, leat_rtp_sender_bye(viewer.sender, bye, sizeof(bye)));
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK(item.kind == LEAT_RTCP_BYE && item.media == 0x1111);
    free(viewer.sender);
}

/* What the viewer is told of sound and picture is as far apart as it is at the publisher, though the media, and
 * the reports, took different ways. */
TEST(webrtc_sender, sound_and_picture_stay_in_step)
{
    struct viewer sound = viewer_of(LEAT_MEDIA_AUDIO, 0), picture = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source opus = source_of(1, 0, LEAT_CODEC_OPUS),
                      vp8 = source_of(2, 0, LEAT_CODEC_VP8);
    const uint32_t opus_0 = opus.timestamp,
                   vp8_0 = vp8.timestamp; /* at START_NS of the publisher */
    size_t len;
    for (unsigned i = 0; i < 500; i++) {
        rig_frame(&opus, 960);
        rig_frame(&vp8, 1800);
        const leat_time taken = START_NS + (i + 1) * 20 * LEAT_MS;
        sound.now = taken + 10 * LEAT_MS; /* its way is 10 ms */
        picture.now = taken + 60 * LEAT_MS;
        CHECK_EQ(next(&sound, &opus, RIG_REST), 0);
        CHECK_EQ(next(&picture, &vp8, i == 0 ? RIG_KEY : RIG_FRAME), 0);
        if (i % 50 == 10) { /* both reports of an instant, delayed by 10 to 29 ms and one of 10 */
            struct leat_rtp_report told = {.ntp = ntp_of(taken + 7 * 3600 * LEAT_SEC), .source = 1};
            told.timestamp = opus.timestamp;
            told.received = taken + (10 + (i / 50 * 7 + 3) % 10) * LEAT_MS;
            leat_rtp_sender_source_report(sound.sender, &told);
            told.source = 2;
            told.timestamp = vp8.timestamp;
            told.received = taken + (10 + (i / 50 * 3 + 1) % 10) * LEAT_MS;
            leat_rtp_sender_source_report(picture.sender, &told);
        }
    }
    sound.now = picture.now = START_NS + 10 * LEAT_SEC + 100 * LEAT_MS;
    const struct leat_rtcp_item heard = report(&sound, ntp_of(sound.now), &len);
    const struct leat_rtcp_item watched = report(&picture, ntp_of(picture.now), &len);
    /* Back to the publisher's time of capture, by what a viewer sees: its first packets are of 20 ms. */
    const int64_t sound_us =
        (int64_t)(uint32_t)(heard.report.timestamp - 0xfffff000) * 1000 / 48 + 20000;
    const int64_t picture_us =
        (int64_t)(uint32_t)(watched.report.timestamp - 0xfffff000) * 1000 / 90 + 20000;
    CHECK(sound_us - picture_us < 5000 && picture_us - sound_us < 5000);
    CHECK(sound_us > 10070000 && sound_us < 10095000); /* now, less the least delay */
    CHECK(opus_0 != vp8_0);
    free(sound.sender);
    free(picture.sender);
}

TEST(webrtc_sender, hears_what_the_viewer_reports)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    size_t len;
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    struct leat_rtcp_item item = {.kind = LEAT_RTCP_BLOCK, .media = 0x1111};
    item.block.last_sr = 12345; /* of a report that was not made */
    leat_rtp_sender_feedback(viewer.sender, viewer.now, &item);
    CHECK_EQ(stats_of(&viewer).round_trip_us, 0);
    (void)report(&viewer, ntp_of(viewer.now), &len);
    item.block.last_sr = (uint32_t)(ntp_of(viewer.now) >> 16);
    item.block.delay = 65536 / 2;
    item.block.fraction_lost = 26;
    viewer.now += 540 * LEAT_MS;
    leat_rtp_sender_feedback(viewer.sender, viewer.now, &item);
    CHECK_EQ(stats_of(&viewer).round_trip_us, 40000);
    CHECK_EQ(stats_of(&viewer).fraction_lost, 26);
    viewer.now += 460 * LEAT_MS;
    (void)report(&viewer, ntp_of(viewer.now), &len);
    CHECK(len > 0);
    viewer.now += 30 * LEAT_MS; /* about the report before */
    item.block.delay = 65536;
    leat_rtp_sender_feedback(viewer.sender, viewer.now, &item);
    CHECK(stats_of(&viewer).round_trip_us >= 29990 && stats_of(&viewer).round_trip_us <= 30020);
    item.block.delay = UINT32_MAX; /* nonsense */
    leat_rtp_sender_feedback(viewer.sender, viewer.now, &item);
    CHECK(stats_of(&viewer).round_trip_us >= 29990);
    item.kind = LEAT_RTCP_REMB;
    item.remb.bitrate = 2500000;
    leat_rtp_sender_feedback(viewer.sender, viewer.now, &item);
    CHECK_EQ(stats_of(&viewer).remb, 2500000);
    free(viewer.sender);
}

TEST(webrtc_sender, is_small)
{
    CHECK(leat_rtp_sender_size() <= 1280);
    CHECK_EQ(leat_rtp_sender_size() % 8, 0);
    printf("leat_rtp_sender: %zu bytes\n", leat_rtp_sender_size());
}
