/* The viewer's sender, packet by packet: where it begins, what is continuous when its source
 * changes. */
#include "webrtc_sender_viewer.h"

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
    const struct rig_packet before = rig_make(&source, RIG_REST, viewer.now);
    CHECK_EQ(frame(&viewer, &source, RIG_REST), 0);
    uint8_t len = 0;
    const uint8_t *value = leat_rtp_ext_find(&viewer.seen.header, 4, &len);
    REQUIRE(value != NULL);
    CHECK(len == 1 && value[0] == '0');
    value = leat_rtp_ext_find(&viewer.seen.header, 1, &len);
    REQUIRE(value != NULL);
    CHECK_EQ(value[0], (uint8_t)(65536 + 1001));
    CHECK_EQ(give(&viewer, &before), -EAGAIN); /* older than where it began */
    CHECK_EQ(frame(&viewer, &source, RIG_REST), 0);
    CHECK_EQ(viewer.seen.header.sequence, 1001);
    CHECK_EQ(stats_of(&viewer).changes, 1);
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
    leat_time since = 0;
    viewer.now += 40 * LEAT_MS;
    CHECK_EQ(give(&viewer, &key), -EAGAIN);
    REQUIRE(leat_rtp_sender_wants_key(viewer.sender, &since));
    CHECK_EQ(since, viewer.now); /* it is no answer either */
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    free(viewer.sender);
}

/* Parameters come in a packet of their own: it is the beginning, and the picture behind it is
 * not without it. */
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
    leat_rtp_sender_target(viewer.sender, viewer.now, 1); /* just between the two */
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
            leat_rtp_sender_target(viewer.sender, viewer.now, i / 40 % 2 == 0);
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
    leat_rtp_sender_target(viewer.sender, viewer.now, 2);
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
    leat_rtp_sender_target(viewer.sender, viewer.now, 2);
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

/* After a pause of more than half the timestamps there are, what comes next is newer still. */
TEST(webrtc_sender, a_publisher_comes_back_after_hours)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source first = source_of(1, 0, LEAT_CODEC_H264);
    struct rig_source second = source_of(2, 0, LEAT_CODEC_H264);
    CHECK_EQ(frame(&viewer, &first, RIG_KEY), 0);
    viewer.now += 7 * 3600 * LEAT_SEC;
    CHECK_EQ(frame(&viewer, &second, RIG_KEY), 0);
    const uint32_t timestamp = viewer.seen.header.timestamp;
    CHECK_EQ(timestamp, (uint32_t)(0xfffff000 + 7 * 3600 * UINT64_C(90000) + 1800));
    second.profile = 0x16400; /* a change of the same source */
    CHECK_EQ(frame(&viewer, &second, RIG_KEY), 0);
    CHECK_EQ(stats_of(&viewer).changes, 3);
    CHECK_EQ(viewer.seen.header.timestamp, timestamp + 1800);
    free(viewer.sender);
}

/* The clocks of two sources that both reported are known better than when their packets came. */
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
    leat_rtp_sender_target(viewer.sender, viewer.now, 1);
    CHECK_EQ(frame(&viewer, &low, RIG_KEY), 0);
    rig_frame(&high, 1800);
    viewer.now += 70 * LEAT_MS; /* of the next frame, but its way took longer */
    CHECK_EQ(frame(&viewer, &high, RIG_KEY), 0);
    CHECK_EQ(viewer.seen.header.timestamp, (uint32_t)(0xfffff000 + 1800));
    leat_rtp_sender_target(viewer.sender, viewer.now, 0);
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
