/* The viewer's sender and RTCP: what is sent again, which key frames are asked for, what it
 * reports and hears. */
#include "webrtc_sender_viewer.h"

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

TEST(webrtc_sender_rtcp, a_repeat_has_the_same_bytes)
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
TEST(webrtc_sender_rtcp, old_changes_are_forgotten)
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

TEST(webrtc_sender_rtcp, retransmissions_have_a_stream_of_their_own)
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
TEST(webrtc_sender_rtcp, repeats_are_capped)
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

TEST(webrtc_sender_rtcp, sixty_four_are_kept)
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

TEST(webrtc_sender_rtcp, key_frames_are_asked_for)
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
    leat_rtp_sender_target(viewer.sender, viewer.now, 1);
    CHECK(wants(&viewer));
    leat_rtp_sender_target(viewer.sender, viewer.now, 0); /* thought better of */
    CHECK(!wants(&viewer));
    free(viewer.sender);
}

/* The first packet of a key frame may come when its others have gone by: it is an answer too, and the next question is
 * a new one. */
TEST(webrtc_sender_rtcp, a_late_key_frame_is_an_answer)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    leat_time since = 0;
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    say(&viewer, LEAT_RTCP_PLI, 0);
    rig_frame(&source, 1800);
    struct rig_packet key = rig_make(&source, RIG_KEY, viewer.now);
    CHECK_EQ(next(&viewer, &source, RIG_REST), 0);
    CHECK(wants(&viewer));
    key.packet.flags |= LEAT_RTP_LATE;
    CHECK_EQ(give(&viewer, &key), 0);
    CHECK(!wants(&viewer));
    viewer.now += LEAT_SEC;
    say(&viewer, LEAT_RTCP_PLI, 0);
    REQUIRE(leat_rtp_sender_wants_key(viewer.sender, &since));
    CHECK_EQ(since, viewer.now);
    free(viewer.sender);
}

/* A key frame that came since the last packet was not of the layer that is wanted from now on. */
TEST(webrtc_sender_rtcp, another_layer_is_wanted_from_now_on)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    leat_time since = 0;
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    viewer.now += 400 * LEAT_MS;
    leat_rtp_sender_target(viewer.sender, viewer.now, 1);
    REQUIRE(leat_rtp_sender_wants_key(viewer.sender, &since));
    CHECK_EQ(since, viewer.now);
    free(viewer.sender);
}

/* A datagram has room for thousands of questions: what they may cost is earned by sending. */
TEST(webrtc_sender_rtcp, questions_are_bounded)
{
    struct viewer viewer = viewer_of(LEAT_MEDIA_VIDEO, 0x2222);
    struct rig_source source = source_of(1, 0, LEAT_CODEC_VP8);
    uint32_t from = 0;
    uint64_t index = 0;
    CHECK_EQ(frame(&viewer, &source, RIG_KEY), 0);
    for (unsigned i = 0; i < 1100; i++) {
        nack(&viewer, 1000, 0);
    }
    CHECK(leat_rtp_sender_repeat(viewer.sender, viewer.now, &from, &index));
    viewer.now += LEAT_SEC;
    nack(&viewer, 1000, 0);
    CHECK(!leat_rtp_sender_repeat(viewer.sender, viewer.now, &from, &index));
    CHECK_EQ(stats_of(&viewer).repeats_capped, 1100 - 1024 + 1);
    CHECK_EQ(frame(&viewer, &source, RIG_FRAME), 0);
    nack(&viewer, 1000, 0);
    CHECK(leat_rtp_sender_repeat(viewer.sender, viewer.now, &from, &index));
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

TEST(webrtc_sender_rtcp, reports_each_second)
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

/* What the viewer is told of sound and picture is as far apart as it is at the publisher, though
 * the media, and the reports, took different ways. */
TEST(webrtc_sender_rtcp, sound_and_picture_stay_in_step)
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
    /* Back to the publisher's time of capture, by what a viewer sees: its first packets are of
     * 20 ms. */
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

TEST(webrtc_sender_rtcp, hears_what_the_viewer_reports)
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

TEST(webrtc_sender_rtcp, is_small)
{
    CHECK(leat_rtp_sender_size() <= 1280);
    CHECK_EQ(leat_rtp_sender_size() % 8, 0);
    printf("leat_rtp_sender: %zu bytes\n", leat_rtp_sender_size());
}
