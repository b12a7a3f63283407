/* What is read of tracks, detail by detail: transport, codecs, feedback, extensions, simulcast,
 * SSRCs; and the order of a viewer's codecs. */
#include "webrtc_sdp_rig.h"

static struct leat_sdp_offer offer;
static struct sdp_text text, answer;

/* sdp_plain with `from` changed to `to`, answered. */
static void answer_changed(enum leat_sdp_use use, const char *from, const char *to)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, from, to);
    sdp_answer(&text, use, &offer, &answer);
}

static const struct leat_rtp_track *video(void)
{
    return &offer.tracks[1];
}

/* RFC 9143, 7.2 and 7.3: the first of the group that is served is whose transport counts, and the
 * answer's first. */
TEST(webrtc_sdp_tracks, transport_of_the_tagged_section_rfc9143_7_2)
{
    answer_changed(LEAT_SDP_PUBLISH, "BUNDLE 0 1", "BUNDLE 0 1");
    CHECK_STR(offer.remote.ufrag, "abcd");
    CHECK_STR(offer.remote.pwd, "aaaaaaaaaaaaaaaaaaaaaaaa");
    CHECK_EQ(offer.tagged, 0);
    answer_changed(LEAT_SDP_PUBLISH, "BUNDLE 0 1", "BUNDLE 1 0");
    CHECK_STR(offer.remote.ufrag, "wxyz");
    CHECK_STR(offer.remote.pwd, "zzzzzzzzzzzzzzzzzzzzzzzz");
    CHECK_EQ(offer.tagged, 1);
    CHECK(sdp_has(&answer, "a=group:BUNDLE 1 0"));
    static struct sdp_text section;
    sdp_section(&answer, 2, &section);
    CHECK_EQ(sdp_count(&section, "a=candidate:"), 2);
    CHECK_EQ(sdp_count(&answer, "a=candidate:"), 2);
    /* the first is disabled: it leaves the group */
    answer_changed(LEAT_SDP_PUBLISH, "m=audio 9", "m=audio 0");
    CHECK_STR(offer.remote.ufrag, "wxyz");
    CHECK(sdp_has(&answer, "a=group:BUNDLE 1"));
    CHECK_EQ(offer.sections[0].track, -1);
    /* RFC 9143, 6: bundle-only has port 0 and is not disabled */
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "m=video 9", "m=video 0");
    sdp_change(&text, "a=mid:1", "a=mid:1\r\na=bundle-only");
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK_EQ(offer.track_count, 2);
    CHECK(sdp_has(&answer, "m=video 8080 UDP/TLS/RTP/SAVPF 96 97"));
}

/* RFC 8829, 5.2.1: what is of the transport stands in the tagged section alone. */
TEST(webrtc_sdp_tracks, a_bundle_only_section_says_nothing_of_the_transport)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "a=rtcp-mux\r\na=rtpmap:111", "a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111");
    sdp_change(&text, "m=video 9", "m=video 0");
    sdp_change(&text, "a=ice-ufrag:wxyz\r\na=ice-pwd:zzzzzzzzzzzzzzzzzzzzzzzz\r\n", "");
    sdp_change(&text, "a=mid:1", "a=mid:1\r\na=bundle-only");
    sdp_change(&text, "a=rtcp-mux\r\na=rtpmap:96", "a=rtpmap:96");
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK_STR(offer.remote.ufrag, "abcd");
    CHECK(offer.tracks[0].reduced_rtcp && offer.tracks[1].reduced_rtcp);
    CHECK_EQ(sdp_count(&answer, "a=rtcp-mux"), 2);
    sdp_change(&text, "a=rtcp-mux\r\n", "");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    sdp_set(&text, sdp_plain); /* nor may the tagged one leave it out, though it is bundle-only */
    sdp_change(&text, "a=mid:0", "a=mid:0\r\na=bundle-only");
    sdp_change(&text, "a=rtcp-mux\r\na=rtpmap:111", "a=rtpmap:111");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
}

TEST(webrtc_sdp_tracks, transport_of_the_session)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "a=ice-", "a=x-");
    sdp_change(&text, "a=setup", "a=x");
    sdp_change(&text, "a=fingerprint", "a=x");
    sdp_change(&text, "t=0 0",
               "t=0 0\r\na=ice-ufrag:session\r\na=ice-pwd:ssssssssssssssssssssssss\r\n"
               "a=setup:passive\r\na=fingerprint:" SDP_FINGERPRINT);
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK_STR(offer.remote.ufrag, "session");
    CHECK_EQ(offer.fingerprint_count, 1);
    CHECK_EQ(offer.fingerprints[0].bytes[0], 0x5d);
    CHECK(offer.active); /* they are passive: we are the client (RFC 8842, 5.3) */
    CHECK_EQ(sdp_count(&answer, "a=setup:active"), 2);
}

TEST(webrtc_sdp_tracks, fingerprints_any_of_several_rfc8122_5)
{
    answer_changed(
        LEAT_SDP_PUBLISH, "a=mid:0",
        "a=fingerprint:sha-1 5D:E4:DD:56:81:EC:7F:8B:18:21:CA:1E:E8:F7:0E:A4:4E:67:EB:DC\r\n"
        "a=fingerprint:" SDP_FINGERPRINT "\r\na=fingerprint:" SDP_FINGERPRINT
        "\r\na=fingerprint:" SDP_FINGERPRINT "\r\na=fingerprint:" SDP_FINGERPRINT "\r\na=mid:0");
    CHECK_EQ(offer.fingerprint_count, LEAT_SDP_FINGERPRINTS_MAX);
}

/* One m-line needs neither a group nor a mid. */
TEST(webrtc_sdp_tracks, one_section_without_a_group)
{
    sdp_set(&text, sdp_plain);
    *strstr(text.data, "m=video") = '\0';
    text.len = strlen(text.data);
    sdp_change(&text, "a=group:BUNDLE 0 1\r\n", "");
    sdp_change(&text, "a=mid:0\r\n", "");
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK_EQ(sdp_count(&answer, "a=group:"), 0);
    CHECK_EQ(sdp_count(&answer, "a=mid:"), 0);
    CHECK_EQ(sdp_count(&answer, "a=candidate:"), 2);
}

TEST(webrtc_sdp_tracks, answer_without_candidates)
{
    struct leat_addr candidates[2];
    struct leat_sdp_answer none = sdp_answer_of(candidates);
    sdp_set(&text, sdp_plain);
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK(sdp_has(&answer, "a=candidate:1 1 udp 2130706431 192.0.2.1 8080 typ host"));
    CHECK(sdp_has(&answer, "a=candidate:2 1 udp 2130706175 2001:db8::1 8081 typ host"));
    none.candidate_count = 0;
    CHECK(leat_sdp_answer_write(&offer, &none, answer.data, sizeof(answer.data)) > 0);
    CHECK(sdp_has(&answer, "m=audio 9 UDP/TLS/RTP/SAVPF 111"));
    CHECK_EQ(sdp_count(&answer, "c=IN IP4 0.0.0.0"), 2);
    CHECK_EQ(sdp_count(&answer, "a=candidate:"), 0);
    /* RFC 8445, 5.1.1.3: one base address, one foundation; 5.1.2.1: each priority once */
    candidates[0] = candidates[1];
    candidates[0].port = 1;
    none.candidate_count = 2;
    CHECK(leat_sdp_answer_write(&offer, &none, answer.data, sizeof(answer.data)) > 0);
    CHECK(sdp_has(&answer, "a=candidate:1 1 udp 2130706431 2001:db8::1 1 typ host"));
    CHECK(sdp_has(&answer, "a=candidate:1 1 udp 2130706175 2001:db8::1 8081 typ host"));
    CHECK_EQ(sdp_count(&answer, "c=IN IP6 2001:db8::1"), 2);
}

TEST(webrtc_sdp_tracks, answer_that_does_not_fit)
{
    static char out[16384];
    struct leat_addr candidates[2];
    const struct leat_sdp_answer whole = sdp_answer_of(candidates);
    sdp_set(&text, sdp_plain);
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    for (size_t cap = 0; cap <= answer.len; cap++) {
        CHECK_EQ(leat_sdp_answer_write(&offer, &whole, out, cap), -ENOSPC);
    }
    CHECK_EQ(leat_sdp_answer_write(&offer, &whole, out, answer.len + 1), (int)answer.len);
}

TEST(webrtc_sdp_tracks, codecs_that_are_kept)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "SAVPF 96 97", "SAVPF 120 121 122 123 124 125 126 96 96 97 100");
    sdp_change(
        &text, "a=rtpmap:96 VP8/90000",
        "a=rtpmap:120 red/90000\r\na=rtpmap:121 ulpfec/90000\r\na=rtpmap:122 h264/90000\r\n"
        "a=fmtp:122 packetization-mode=1;profile-level-id=42e01f;sprop-parameter-sets=Z0I,aM\r\n"
        "a=rtpmap:123 H264/90000\r\na=fmtp:123 profile-level-id=42e01f\r\n"
        "a=rtpmap:124 H265/90000\r\na=fmtp:124 sprop-vps=AA;level-id=93\r\n"
        "a=rtpmap:125 AV1/90000\r\na=rtpmap:126 flexfec-03/90000\r\n"
        "a=rtpmap:100 rtx/90000\r\na=fmtp:100 apt=120\r\na=rtpmap:96 VP8/90000\r\n"
        "a=rtpmap:127 VP9/90000"); /* 127 is not in the m-line */
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK(sdp_has(&answer, "m=video 8080 UDP/TLS/RTP/SAVPF 122 123 124 125 96 97"));
    CHECK(sdp_has(&answer, "a=fmtp:122 packetization-mode=1;profile-level-id=42e01f"));
    CHECK(sdp_has(&answer, "a=fmtp:124 level-id=93"));
    CHECK_EQ(video()->codecs[0].codec, LEAT_CODEC_H264);
    CHECK(video()->codecs[0].profile != video()->codecs[1].profile); /* RFC 6184, 8.2.2: by mode */
    CHECK_EQ(video()->codecs[2].codec, LEAT_CODEC_H265);
    CHECK_EQ(video()->codecs[3].codec, LEAT_CODEC_AV1);
    CHECK(video()->codecs[3].fmtp == NULL);
    CHECK_EQ(video()->codecs[4].rtx, 97);
}

/* More payload types than a track keeps: the most wanted ones are kept. */
TEST(webrtc_sdp_tracks, codecs_beyond_the_table)
{
    char formats[256] = "SAVPF", maps[2048] = "a=rtpmap:96 VP8/90000";
    for (unsigned i = 35; i < 63; i++) {
        sprintf(formats + strlen(formats), " %u", i);
        sprintf(maps + strlen(maps), "\r\na=rtpmap:%u VP9/90000\r\na=fmtp:%u profile-id=%u", i, i,
                i);
    }
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "SAVPF 96 97", formats);
    sdp_change(&text, "a=rtpmap:96 VP8/90000", maps);
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK_EQ(video()->codec_count, LEAT_RTP_CODECS_MAX);
    CHECK_EQ(video()->codecs[LEAT_RTP_CODECS_MAX - 1].payload_type, 35 + LEAT_RTP_CODECS_MAX - 1);
}

/* RFC 7587, 7.1: whoever sends stereo needs to be told that it may. */
TEST(webrtc_sdp_tracks, stereo)
{
    answer_changed(LEAT_SDP_PUBLISH, "minptime=10", "minptime=10;stereo=1;sprop-stereo=1");
    CHECK(sdp_has(&answer, "a=fmtp:111 minptime=10;stereo=1;sprop-stereo=1"));
    answer_changed(LEAT_SDP_PUBLISH, "minptime=10", "sprop-stereo=1");
    CHECK(sdp_has(&answer, "a=fmtp:111 sprop-stereo=1;stereo=1"));
    answer_changed(LEAT_SDP_PUBLISH, "minptime=10", "sprop-stereo=1;stereo=0");
    CHECK(sdp_has(&answer, "a=fmtp:111 sprop-stereo=1;stereo=0"));
    answer_changed(LEAT_SDP_VIEW, "minptime=10", "sprop-stereo=1");
    CHECK(sdp_has(&answer, "a=fmtp:111 sprop-stereo=1"));
}

/* RFC 4585, 4.2: of what was offered; `*` is all payload types. */
TEST(webrtc_sdp_tracks, feedback)
{
    const char *const offered =
        "a=rtcp-fb:* nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 nack rpsi\r\n"
        "a=rtcp-fb:96 ccm tmmbr\r\na=rtcp-fb:96 goog-remb\r\n"
        "a=rtcp-fb:96 transport-cc\r\na=rtpmap:96";
    answer_changed(LEAT_SDP_PUBLISH, "a=rtpmap:96", offered); /* without the extension of TWCC */
    CHECK(video()->codecs[0].nack && video()->codecs[0].pli && !video()->codecs[0].fir);
    CHECK(video()->codecs[0].remb && !video()->codecs[0].twcc);
    CHECK(sdp_has(&answer, "a=rtcp-fb:96 goog-remb"));
    sdp_change(
        &text, "a=extmap:2 ",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:2 ");
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK(!video()->codecs[0].remb && video()->codecs[0].twcc);
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_TWCC], 3);
    sdp_answer(&text, LEAT_SDP_VIEW, &offer, &answer); /* we do not send it that extension */
    CHECK(video()->codecs[0].remb && !video()->codecs[0].twcc);
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_TWCC], 0);
    CHECK_EQ(sdp_count(&answer, "a=rtcp-fb:96 transport-cc"), 0);
    /* the extension alone: nobody would report */
    sdp_change(&text, "a=rtcp-fb:96 transport-cc\r\n", "");
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_TWCC], 0);
}

/* RFC 8285, 5 and 7. */
TEST(webrtc_sdp_tracks, extensions)
{
    const char *const mid = "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    answer_changed(LEAT_SDP_PUBLISH, mid, "a=extmap:15 urn:3gpp:video-orientation");
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_ORIENTATION], 0); /* has no place in the one-byte form */
    answer_changed(LEAT_SDP_PUBLISH, mid,
                   "a=extmap-allow-mixed\r\na=extmap:200/sendonly urn:3gpp:video-orientation x y");
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_ORIENTATION], 200);
    CHECK(sdp_has(&answer, "a=extmap:200/recvonly urn:3gpp:video-orientation"));
    answer_changed(LEAT_SDP_PUBLISH, mid, "a=extmap:2/recvonly urn:3gpp:video-orientation");
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_ORIENTATION], 0); /* they do not send it */
    sdp_answer(&text, LEAT_SDP_VIEW, &offer, &answer);
    CHECK(sdp_has(&answer, "a=extmap:2/sendonly urn:3gpp:video-orientation"));
    answer_changed(LEAT_SDP_PUBLISH, mid, "a=extmap:2/inactive urn:3gpp:video-orientation");
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_ORIENTATION], 0);
    answer_changed(LEAT_SDP_PUBLISH, mid,
                   "a=extmap:4097 urn:3gpp:video-orientation\r\na=extmap:0 urn:x");
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_ORIENTATION], 0);
    answer_changed(LEAT_SDP_PUBLISH, "t=0 0",
                   "t=0 0\r\na=extmap:7 urn:3gpp:video-orientation\r\n"
                   "a=extmap:8 urn:ietf:params:rtp-hdrext:ssrc-audio-level"); /* for all sections */
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_ORIENTATION], 7);
    CHECK_EQ(video()->ext[LEAT_RTP_EXT_AUDIO_LEVEL], 0);
    CHECK_EQ(offer.tracks[0].ext[LEAT_RTP_EXT_AUDIO_LEVEL], 8);
    CHECK_EQ(offer.tracks[0].ext[LEAT_RTP_EXT_ORIENTATION], 0);
}

/* RFC 8853, 5: a list of streams, each of alternatives, some paused; RFC 8851: restrictions. */
TEST(webrtc_sdp_tracks, simulcast_rfc8853_5)
{
    const char *const rids = "a=rid:a send\r\na=rid:b send pt=96;max-width=640\r\na=rid:c send\r\n"
                             "a=rid:d send\r\na=rid:r recv\r\n";
    char line[512];
    const struct {
        const char *offered, *answered;
        unsigned count;
    } cases[] = {
        {"a=simulcast:send a;b;c", "a=simulcast:recv a;b;c", 3},
        {"a=simulcast:recv r send a;b", "a=simulcast:recv a;b", 2},
        {"a=simulcast:send a;b recv r", "a=simulcast:recv a;b", 2},
        {"a=simulcast:send ~a,b;~c", "a=simulcast:recv a;c", 2},
        {"a=simulcast:send d;c;b;a", "a=simulcast:recv d;c;b", 3},  /* three at most */
        {"a=simulcast:send a;x;r;a;;b", "a=simulcast:recv a;b", 2}, /* unknown, received, again */
        {"a=simulcast:recv r", NULL, 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(line, sizeof(line), "%s%s\r\na=rtpmap:96", rids, cases[i].offered);
        answer_changed(LEAT_SDP_PUBLISH, "a=rtpmap:96", line);
        CHECK_EQ(video()->rid_count, cases[i].count);
        CHECK_EQ(sdp_count(&answer, "a=rid:"), cases[i].count);
        CHECK_EQ(sdp_count(&answer, "a=simulcast:"), cases[i].answered ? 1 : 0);
        CHECK(!cases[i].answered || sdp_has(&answer, cases[i].answered));
        sdp_answer(&text, LEAT_SDP_VIEW, &offer, &answer); /* a viewer gets one stream */
        CHECK_EQ(video()->rid_count + sdp_count(&answer, "a=rid:"), 0);
    }
    /* without the extension that names them (RFC 8852) they cannot be told apart */
    snprintf(line, sizeof(line), "%sa=simulcast:send a;b\r\na=rtpmap:96", rids);
    answer_changed(LEAT_SDP_PUBLISH, "a=rtpmap:96", line);
    sdp_change(&text, "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n", "");
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    CHECK_EQ(video()->rid_count, 0);
}

/* RFC 5576, 4; "SIM" is the simulcast from before rids. */
TEST(webrtc_sdp_tracks, ssrcs)
{
    answer_changed(LEAT_SDP_PUBLISH, "a=rtpmap:96",
                   "a=ssrc-group:FID 10 11\r\na=ssrc-group:FEC-FR 10 12\r\na=ssrc:12 cname:x\r\n"
                   "a=ssrc:11 cname:x\r\na=ssrc:10 cname:x\r\na=ssrc:10 msid:x y\r\na=rtpmap:96");
    CHECK_EQ(video()->ssrc_count, 1);
    CHECK_EQ(video()->ssrcs[0], 10);
    CHECK_EQ(video()->rtx_ssrcs[0], 11);
    sdp_answer(&text, LEAT_SDP_VIEW, &offer, &answer);
    CHECK_EQ(video()->ssrc_count, 0); /* a viewer's are of no use */
    answer_changed(LEAT_SDP_PUBLISH, "a=rtpmap:96",
                   "a=ssrc-group:SIM 4294967295 20 30 40\r\na=ssrc-group:FID 20 21\r\n"
                   "a=ssrc-group:FID 4294967295 1\r\na=ssrc:20 cname:x\r\na=rtpmap:96");
    CHECK_EQ(video()->ssrc_count, LEAT_RTP_LAYERS_MAX);
    CHECK_EQ(video()->ssrcs[0], 4294967295u);
    CHECK_EQ(video()->rtx_ssrcs[0], 1);
    CHECK_EQ(video()->ssrcs[2], 30);
    CHECK_EQ(video()->rtx_ssrcs[1], 21);
    CHECK_EQ(video()->rtx_ssrcs[2], 0);
    answer_changed(LEAT_SDP_PUBLISH, "a=rtpmap:96",
                   "a=ssrc:0 cname:x\r\na=ssrc:4294967296 x\r\na=ssrc:x\r\na=ssrc-group:FID\r\n"
                   "a=ssrc-group:FID 1\r\na=ssrc-group:SIM 0 1\r\na=rtpmap:96");
    CHECK_EQ(video()->ssrc_count, 0);
}

/* Of a viewer's answer: RTX only where it is negotiated, no SSRC where none is given. */
TEST(webrtc_sdp_tracks, streams_to_a_viewer)
{
    struct leat_addr candidates[2];
    struct leat_sdp_answer what = sdp_answer_of(candidates);
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "a=fmtp:97 apt=96\r\n", "");
    sdp_answer(&text, LEAT_SDP_VIEW, &offer, &answer);
    CHECK_EQ(sdp_count(&answer, "a=ssrc-group:"), 0);
    CHECK_EQ(sdp_count(&answer, "a=ssrc:3333"), 0);
    what.ssrcs[LEAT_MEDIA_VIDEO] = 0;
    CHECK(leat_sdp_answer_write(&offer, &what, answer.data, sizeof(answer.data)) > 0);
    CHECK_EQ(sdp_count(&answer, "a=ssrc:"), 2); /* audio's */
    CHECK_EQ(sdp_count(&answer, "a=msid:"), 2);
}

static struct leat_rtp_codec codec(enum leat_codec name, uint32_t profile, uint8_t payload_type)
{
    return (struct leat_rtp_codec){.codec = name,
                                   .profile = profile,
                                   .payload_type = payload_type,
                                   .rtx = (uint8_t)(payload_type + 1)};
}

TEST(webrtc_sdp_tracks, prefer)
{
    const struct leat_rtp_track publisher = {
        .codec_count = 3,
        .codecs = {codec(LEAT_CODEC_H264, 7, 50), codec(LEAT_CODEC_AV1, 0, 52),
                   codec(LEAT_CODEC_VP9, 0, 54)},
    };
    struct leat_rtp_track viewer = {
        .codec_count = 5,
        .codecs = {codec(LEAT_CODEC_VP8, 0, 96), codec(LEAT_CODEC_VP9, 0, 98),
                   codec(LEAT_CODEC_H264, 6, 100), codec(LEAT_CODEC_H264, 7, 102),
                   codec(LEAT_CODEC_H264, 7, 104)},
    };
    const uint8_t order[] = {102, 104, 98, 96, 100};
    CHECK_EQ(leat_sdp_prefer(&viewer, &publisher), 3);
    CHECK_EQ(viewer.codec_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(viewer.codecs[i].payload_type, order[i]);
        CHECK_EQ(viewer.codecs[i].rtx, order[i] + 1);
    }
    const struct leat_rtp_track other = {.codec_count = 1,
                                         .codecs = {codec(LEAT_CODEC_H265, 0, 1)}};
    CHECK_EQ(leat_sdp_prefer(&viewer, &other), 0);
    CHECK_EQ(viewer.codecs[0].payload_type, 102);
}

/* H264 of a publisher finds the viewer's payload type of the same mode and profile, whatever its
 * number. */
TEST(webrtc_sdp_tracks, prefer_between_clients)
{
    static struct leat_sdp_offer viewer;
    struct leat_sdp_error error;
    static struct sdp_text other;
    sdp_load(&text, "obs_like_publish");
    sdp_answer(&text, LEAT_SDP_PUBLISH, &offer, &answer);
    sdp_load(&other, "chromium_view");
    REQUIRE(leat_sdp_offer_read(other.data, other.len, LEAT_SDP_VIEW, &viewer, &error) == 0);
    CHECK(leat_sdp_prefer(&viewer.tracks[1], &offer.tracks[1]) >= 1);
    CHECK_EQ(viewer.tracks[1].codecs[0].payload_type, 108); /* 42e01f, packetization-mode 1 */
    CHECK_EQ(viewer.tracks[1].codecs[0].rtx, 109);
    CHECK_EQ(viewer.tracks[1].codec_count, 15);
}
