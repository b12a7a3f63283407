/* The receiver: whom packets are bound to, what retransmissions become, and what is told of each. */
#include "webrtc_receiver_rig.h"

static void setup(void)
{
    set_tracks();
    open_receiver();
}

TEST(webrtc_rtp_receiver, a_packet_is_described)
{
    setup();
    struct sent sent = video;
    sent.mid = "1";
    sent.marker = true;
    REQUIRE(key_frame(&sent, 640, 360) == 0);
    CHECK_EQ(got.index, 65536 + 500);
    CHECK(got.received == now);
    CHECK_EQ(got.source, 300 + LEAT_RTP_LAYERS_MAX);
    CHECK_EQ(got.timestamp, 90000);
    CHECK_EQ(got.kind, LEAT_MEDIA_VIDEO);
    CHECK_EQ(got.layer, 0);
    CHECK_EQ(got.codec, LEAT_CODEC_VP8);
    CHECK_EQ(got.profile, 77);
    CHECK_EQ(got.flags, LEAT_RTP_MARKER | LEAT_RTP_START | LEAT_RTP_KEY);
    CHECK_EQ(got.payload_offset, 20);
    CHECK_EQ(got.payload_len, 13);
    CHECK_EQ(got.payload.width, 640);
    CHECK_EQ(stats_of().width, 640);
    CHECK_EQ(stats_of().height, 360);
    CHECK_EQ(stats_of().key_frames, 1);

    struct sent audio = {.ssrc = 7, .sequence = 1, .type = AUDIO_PT, .twcc = -1, .original = -1};
    REQUIRE(arrive(&audio, "opus", 4) == 0);
    CHECK_EQ(got.source, 300);
    CHECK_EQ(got.kind, LEAT_MEDIA_AUDIO);
    CHECK(got.flags & LEAT_RTP_KEY);
    CHECK_EQ(stats_of().packets, 2);
    CHECK_EQ(stats_of().bytes, 17);
}

TEST(webrtc_rtp_receiver, extensions_are_found)
{
    setup();
    struct leat_rtp_writer writer;
    const struct leat_rtp_header header = {.ssrc = 5, .payload_type = VIDEO_PT, .sequence = 9};
    leat_rtp_write_begin(&writer, bytes, sizeof(bytes), &header, false);
    leat_rtp_ext_put(&writer, ORIENTATION, "\x01", 1);
    leat_rtp_ext_put(&writer, DEPENDENCY, "twenty bytes of it..", 20);
    leat_rtp_ext_put(&writer, LEVEL, "\x85", 1);
    bytes_len = leat_rtp_write_end(&writer);
    memcpy(bytes + bytes_len, "\x10\x01\x02", 3);
    bytes_len += 3;
    REQUIRE(leat_rtp_receiver_packet(receiver, now, bytes, &bytes_len, &got) == 0);
    CHECK(got.flags & LEAT_RTP_HAS_LEVEL);
    CHECK_EQ(got.audio_level, 0x85);
    CHECK(got.flags & LEAT_RTP_HAS_ORIENTATION);
    CHECK_EQ(got.orientation, 1);
    CHECK_EQ(got.dependency_len, 20);
    CHECK(memcmp(bytes + got.dependency_offset, "twenty bytes of it..", 20) == 0);
}

TEST(webrtc_rtp_receiver, open_refuses_what_makes_no_sense)
{
    set_tracks();
    struct leat_rtp_receiver_config config = {.tracks = tracks, .track_count = 0};
    leat_rtp_receiver *none = NULL;
    CHECK_EQ(leat_rtp_receiver_open(&config, 0, &none), -EINVAL);
    config.track_count = 2;
    tracks[0].kind = LEAT_MEDIA_VIDEO;
    CHECK_EQ(leat_rtp_receiver_open(&config, 0, &none), -EINVAL);
    CHECK(none == NULL);
    leat_rtp_receiver_close(NULL);
}

TEST(webrtc_rtp_receiver, payload_types_bind_where_nothing_else_is_said)
{
    setup(); /* OBS, GStreamer: no extensions, SSRCs that were never announced */
    struct sent sent = video;
    CHECK_EQ(frame(&sent), 0);
    sent.type = 35; /* agreed by nobody */
    sent.ssrc++;
    CHECK_EQ(frame(&sent), -EAGAIN);
    CHECK_EQ(stats_of().unknown, 1);
    sent.type = RTX_PT; /* on an SSRC of media: no */
    sent.ssrc = video.ssrc;
    CHECK_EQ(frame(&sent), -EAGAIN);
    CHECK_EQ(stats_of().unknown, 2);
}

TEST(webrtc_rtp_receiver, a_payload_type_of_two_tracks_needs_more)
{
    set_tracks();
    tracks[0].codecs[0].payload_type = VIDEO_PT;
    tracks[0].ssrc_count = 1;
    tracks[0].ssrcs[0] = 77;
    open_receiver();
    struct sent sent = video;
    CHECK_EQ(frame(&sent), -EAGAIN);
    sent.mid = "1";
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.kind, LEAT_MEDIA_VIDEO);
    sent.mid = NULL;
    sent.ssrc = 77;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.kind, LEAT_MEDIA_AUDIO);
    sent.ssrc = 78;
    sent.mid = "9"; /* a mid that nobody has */
    CHECK_EQ(frame(&sent), -EAGAIN);
}

TEST(webrtc_rtp_receiver, rids_bind_layers_and_are_remembered)
{
    set_tracks();
    set_rids();
    open_receiver();
    static const char *const rids[] = {"q", "h", "f"};
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++) {
            struct sent sent = video;
            sent.ssrc += i;
            sent.sequence = (uint16_t)(sent.sequence + round);
            sent.mid = round == 0 ? "1" : NULL; /* browsers stop sending them */
            sent.rid = round == 0 ? rids[i] : NULL;
            REQUIRE(frame(&sent) == 0);
            CHECK_EQ(got.layer, i);
            CHECK_EQ(got.source, 303 + i);
        }
    }
    struct sent sent = video;
    sent.ssrc = 5;
    CHECK_EQ(frame(&sent), -EAGAIN); /* which layer? */
    sent.mid = "1";
    CHECK_EQ(frame(&sent), -EAGAIN);
    sent.rid = "x";
    CHECK_EQ(frame(&sent), -EAGAIN);
    CHECK_EQ(stats_of().unknown, 3);
}

TEST(webrtc_rtp_receiver, announced_ssrcs_bind_layers)
{
    set_tracks();
    tracks[1].ssrc_count = 2;
    tracks[1].ssrcs[0] = 20;
    tracks[1].ssrcs[1] = 21;
    tracks[1].rtx_ssrcs[0] = 30;
    tracks[1].rtx_ssrcs[1] = 31;
    open_receiver();
    struct sent sent = video;
    sent.ssrc = 21;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.layer, 1);
    sent.sequence += 2;
    REQUIRE(frame(&sent) == 0);
    sent.ssrc = 20;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.layer, 0);
    sent.ssrc = 31;
    sent.type = RTX_PT;
    sent.original = video.sequence + 1;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.layer, 1);
    CHECK_EQ(got.index, 65536u + video.sequence + 1);
}

TEST(webrtc_rtp_receiver, a_retransmission_becomes_what_it_repeats)
{
    setup();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    sent.sequence += 2;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(stats_of().missing, 1);
    struct sent rtx = video;
    rtx.ssrc = 2000;
    rtx.type = RTX_PT;
    rtx.sequence = 9;
    rtx.original = video.sequence + 1;
    rtx.marker = true;
    rtx.padding = 7;
    rtx.mid = "1";
    REQUIRE(frame(&rtx) == 0);
    CHECK_EQ(got.index, 65536u + video.sequence + 1);
    CHECK(got.flags & LEAT_RTP_LATE);
    CHECK(got.flags & LEAT_RTP_MARKER);
    struct leat_rtp_header header;
    REQUIRE(leat_rtp_parse(bytes, bytes_len, &header) == 0);
    CHECK_EQ(header.ssrc, video.ssrc);
    CHECK_EQ(header.sequence, video.sequence + 1);
    CHECK_EQ(header.payload_type, VIDEO_PT);
    CHECK(header.marker);
    CHECK_EQ(header.payload_len, 5);
    CHECK_EQ(bytes_len, header.header_len + 5u);
    CHECK(memcmp(bytes + header.header_len, "\x10\x01\x02\x03\x04", 5) == 0);
    CHECK_EQ(stats_of().repaired, 1);
    rtx.sequence++;
    CHECK_EQ(frame(&rtx), -EAGAIN); /* twice */
    CHECK_EQ(stats_of().duplicates, 1);
    rtx.sequence++;
    rtx.original = -1;
    CHECK_EQ(arrive(&rtx, "", 0), -EAGAIN); /* a probe of padding */
    CHECK_EQ(arrive(&rtx, "x", 1), -EAGAIN);
    rtx.original = video.sequence + 5000; /* far off: not a new numbering */
    CHECK_EQ(frame(&rtx), -EAGAIN);
    sent.sequence++;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.index, 65536u + video.sequence + 3);
    CHECK_EQ(got.source, 303);
}

/* Retransmissions that say nothing of their layer: the one that misses the packet. */
TEST(webrtc_rtp_receiver, an_unnamed_retransmission_goes_where_it_is_missing)
{
    set_tracks();
    set_rids();
    open_receiver();
    static const char *const rids[] = {"q", "h", "f"};
    for (unsigned i = 0; i < 3; i++) {
        struct sent sent = video;
        sent.ssrc += i;
        sent.rid = rids[i];
        REQUIRE(frame(&sent) == 0);
        sent.sequence = (uint16_t)(sent.sequence + (i == 1 ? 2 : 1));
        REQUIRE(frame(&sent) == 0);
    }
    struct sent rtx = video;
    rtx.ssrc = 2000;
    rtx.type = RTX_PT;
    rtx.original = video.sequence;
    CHECK_EQ(frame(&rtx), -EAGAIN); /* nobody misses it */
    rtx.original = video.sequence + 1;
    REQUIRE(frame(&rtx) == 0);
    CHECK_EQ(got.layer, 1);
    rtx.original = video.sequence - 1; /* before the first: reordered */
    REQUIRE(frame(&rtx) == 0);
    CHECK_EQ(got.layer, 1); /* it repairs that layer only, from now on */
    struct sent named = rtx;
    named.ssrc = 2001;
    named.repaired = "f";
    named.original = video.sequence - 1;
    REQUIRE(frame(&named) == 0);
    CHECK_EQ(got.layer, 2);
    CHECK_EQ(got.index, 65536u + video.sequence - 1);
    named.repaired = NULL;
    named.original = video.sequence - 2;
    REQUIRE(frame(&named) == 0);
    CHECK_EQ(got.layer, 2);
}

TEST(webrtc_rtp_receiver, a_flood_of_ssrcs_takes_nobodys_place)
{
    setup();
    struct sent sent = video, rtx = video;
    REQUIRE(frame(&sent) == 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct sent other = video;
        other.ssrc = 5000 + i;
        other.sequence = (uint16_t)i;
        CHECK_EQ(frame(&other), -EAGAIN); /* the layer has an SSRC that flows */
        rtx.type = RTX_PT;
        rtx.ssrc = 9000 + i;
        rtx.original = video.sequence;
        CHECK_EQ(frame(&rtx), -EAGAIN);
        now += LEAT_MS;
        sent.sequence++;
        REQUIRE(frame(&sent) == 0);
        CHECK_EQ(got.index, 65536u + sent.sequence);
    }
}

TEST(webrtc_rtp_receiver, another_ssrc_takes_over_a_silent_layer)
{
    setup();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    const uint32_t first = got.source;
    sent.ssrc++;
    now += 400 * LEAT_MS;
    CHECK_EQ(frame(&sent), -EAGAIN);
    now += 100 * LEAT_MS;
    REQUIRE(frame(&sent) == 0);
    CHECK(got.source != first); /* numbers and clock are others */
    CHECK_EQ(got.source, 306);
    CHECK_EQ(got.layer, 0);
    sent = video;
    sent.sequence++;
    CHECK_EQ(frame(&sent), -EAGAIN); /* the old one is not bound any more */
}

TEST(webrtc_rtp_receiver, a_stream_that_begins_anew_is_another_source)
{
    setup();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.source, 303);
    sent.sequence += 3001;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.source, 306);
    CHECK_EQ(got.index, 65536u + sent.sequence);
    CHECK(!(got.flags & LEAT_RTP_LATE));
    sent.sequence++;
    sent.timestamp += 90000u * 3600;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.source, 307);
    sent.sequence++;
    sent.timestamp += 90000u * 60; /* after a pause as long: the clock went on */
    now += 60 * LEAT_SEC;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.source, 307);
    for (unsigned i = 0; i < 1000; i++) {
        sent.sequence += 20000;
        (void)frame(&sent);
    }
    CHECK_EQ(got.source, 300 + LEAT_RTP_RECEIVER_SOURCES_MAX - 1); /* and no more */
    sent.sequence += 20000;
    CHECK_EQ(frame(&sent), -EAGAIN);
}

TEST(webrtc_rtp_receiver, padding_leaves_no_gap)
{
    setup();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    const uint64_t first = got.index;
    for (unsigned i = 0; i < 30; i++) {
        sent.sequence++;
        sent.padding = 100;
        CHECK_EQ(arrive(&sent, "", 0), -EAGAIN);
    }
    sent.padding = 3;
    sent.sequence++;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.index, first + 1);
    CHECK_EQ(got.payload_len, 5);
    sent.padding = 0;
    sent.sequence += 2;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.index, first + 3);
    sent.sequence--;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.index, first + 2);
    CHECK_EQ(stats_of().missing, 1);
}

/* Viewers have a gap in its place, and would ask for it. */
TEST(webrtc_rtp_receiver, late_padding_fills_its_gap)
{
    set_tracks();
    open_receiver();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    const uint64_t first = got.index;
    sent.sequence += 2;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.index, first + 2);
    sent.sequence--;
    sent.padding = 200;
    REQUIRE(arrive(&sent, NULL, 0) == 0);
    CHECK_EQ(got.index, first + 1);
    CHECK_EQ(got.payload_len, 0);
    CHECK_EQ(got.flags, LEAT_RTP_LATE);
    CHECK_EQ(arrive(&sent, NULL, 0), -EAGAIN); /* once */
}

TEST(webrtc_rtp_receiver, goodbye)
{
    set_tracks();
    open_receiver();
    struct sent audio = {.ssrc = 7, .sequence = 1, .type = AUDIO_PT, .twcc = -1, .original = -1};
    struct sent sent = video;
    CHECK(!leat_rtp_receiver_said_bye(receiver));
    REQUIRE(frame(&sent) == 0);
    REQUIRE(arrive(&audio, "opus", 4) == 0);
    size_t len = 0;
    REQUIRE(leat_rtcp_put_bye(rtcp, sizeof(rtcp), &len, video.ssrc));
    leat_rtp_receiver_rtcp(receiver, now, rtcp, len);
    CHECK(!leat_rtp_receiver_said_bye(receiver));
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), -1);
    REQUIRE(leat_rtcp_put_bye(rtcp, sizeof(rtcp), &len, 7));
    leat_rtp_receiver_rtcp(receiver, now, rtcp, len);
    CHECK(leat_rtp_receiver_said_bye(receiver));
    sent.sequence--; /* it was on its way */
    (void)frame(&sent);
    CHECK(leat_rtp_receiver_said_bye(receiver));
    sent.sequence += 2;
    REQUIRE(frame(&sent) == 0);
    CHECK(!leat_rtp_receiver_said_bye(receiver));
    rtcp[3] = 77; /* a length beyond the packet */
    leat_rtp_receiver_rtcp(receiver, now, rtcp, len);
    bytes[0] = 0;
    CHECK_EQ(leat_rtp_receiver_packet(receiver, now, bytes, &bytes_len, &got), -EBADMSG);
    CHECK_EQ(stats_of().broken, 2);
}

/* ---- parameter sets of H264 ---- */

static const uint8_t idr[] = {0x65, 0x88, 1, 2}, idr_more[] = {0x65, 0x08, 1, 2},
                     slice[] = {0x41, 0x9a, 1, 2};
static const uint8_t sps[] = {0x67, 0x42, 0xe0, 0x1f, 0x8c};
static uint8_t extra_bytes[LEAT_RTP_PACKET_MAX];
static struct leat_rtp_packet extra;

static struct sent begin_h264(void)
{
    static const char fmtp[] = "packetization-mode=1;sprop-parameter-sets=Z0LgH4w=,aM4G4g==";
    set_tracks();
    tracks[1].codecs[1].fmtp = fmtp;
    tracks[1].codecs[1].fmtp_len = sizeof(fmtp) - 1;
    open_receiver();
    struct sent sent = video;
    sent.type = H264_PT;
    return sent;
}

static size_t take_extra(void)
{
    return leat_rtp_receiver_extra(receiver, extra_bytes, sizeof(extra_bytes), &extra);
}

TEST(webrtc_rtp_receiver, parameter_sets_of_the_offer_go_before_a_key_frame)
{
    struct sent sent = begin_h264();
    REQUIRE(arrive(&sent, slice, 4) == 0);
    const uint64_t first = got.index;
    CHECK_EQ(take_extra(), 0);
    for (unsigned i = 0; i < 3; i++) {
        sent.timestamp += 3000;
        sent.sequence += 2; /* one is late */
        REQUIRE(arrive(&sent, idr, 4) == 0);
        CHECK_EQ(got.index, first + 3 + 4 * i);
        CHECK(got.flags & LEAT_RTP_KEY);
        const size_t len = take_extra();
        struct leat_rtp_header header;
        REQUIRE(leat_rtp_parse(extra_bytes, len, &header) == 0);
        CHECK_EQ(header.ssrc, video.ssrc);
        CHECK_EQ(header.payload_type, H264_PT);
        CHECK_EQ(header.timestamp, sent.timestamp);
        CHECK(!header.marker);
        CHECK_EQ(extra.index, first + 2 + 4 * i);
        CHECK_EQ(extra.source, got.source);
        CHECK_EQ(extra.payload_offset, 12);
        CHECK_EQ(extra.payload_len, len - 12);
        CHECK_EQ(extra_bytes[12] & 31, 24); /* STAP-A */
        CHECK(memcmp(extra_bytes + 15, sps, sizeof(sps)) == 0);
        CHECK(extra.payload.parameters && extra.payload.key);
        CHECK(extra.flags & LEAT_RTP_KEY);
        CHECK_EQ(take_extra(), 0); /* once */
        sent.sequence--;
        sent.timestamp -= 3000;
        REQUIRE(arrive(&sent, slice, 4) == 0); /* it keeps the place it had */
        CHECK_EQ(got.index, first + 1 + 4 * i);
        sent.sequence += 2;
        sent.timestamp += 3000;
        REQUIRE(arrive(&sent, idr_more, 4) == 0); /* the same picture */
        CHECK_EQ(got.index, first + 4 + 4 * i);
        CHECK_EQ(take_extra(), 0);
    }
}

/* Cameras send theirs once, at the beginning: who comes later needs them as well. */
TEST(webrtc_rtp_receiver, parameter_sets_go_before_each_key_frame_that_lacks_them)
{
    struct sent sent = begin_h264();
    REQUIRE(arrive(&sent, sps, sizeof(sps)) == 0);
    sent.sequence++;
    REQUIRE(arrive(&sent, idr, 4) == 0);
    CHECK_EQ(take_extra(), 0); /* it has them */
    sent.sequence++;
    sent.timestamp += 3000;
    REQUIRE(arrive(&sent, idr, 4) == 0);
    CHECK(take_extra() > 0);
    CHECK_EQ(extra.index + 1, got.index);
}

TEST(webrtc_rtp_receiver, other_parameter_sets_in_the_stream_are_the_ones)
{
    static const uint8_t other[] = {0x67, 0x42, 0xe0, 0x1f, 0x8d};
    struct sent sent = begin_h264();
    REQUIRE(arrive(&sent, other, sizeof(other)) == 0);
    sent.sequence++;
    REQUIRE(arrive(&sent, idr, 4) == 0);
    CHECK_EQ(take_extra(), 0);
    sent.sequence++;
    sent.timestamp += 3000;
    REQUIRE(arrive(&sent, idr, 4) == 0);
    CHECK_EQ(take_extra(), 0);
    CHECK(got.flags & LEAT_RTP_KEY);
}

TEST(webrtc_rtp_receiver, a_key_frame_that_cannot_be_completed_is_none)
{
    struct sent sent = begin_h264();
    REQUIRE(arrive(&sent, slice, 4) == 0);
    sent.sequence += 2;
    sent.timestamp += 3000;
    REQUIRE(arrive(&sent, idr_more, 4) == 0); /* its first packet is missing */
    CHECK(!(got.flags & LEAT_RTP_KEY));
    sent.sequence--;
    REQUIRE(arrive(&sent, idr, 4) == 0); /* too late to put something before it */
    CHECK(!(got.flags & LEAT_RTP_KEY));
    CHECK_EQ(take_extra(), 0);
    CHECK_EQ(stats_of().key_frames, 0);
    sent.sequence += 2;
    sent.timestamp += 3000;
    REQUIRE(arrive(&sent, idr, 4) == 0);
    CHECK(got.flags & LEAT_RTP_KEY);
    CHECK(take_extra() > 0);
}
