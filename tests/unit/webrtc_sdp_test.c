/* Offers of real clients, and like them: what every answer must be, line by line, and what each
 * client needs of its own. */
#define _GNU_SOURCE
#include "webrtc_sdp_rig.h"

#include <strings.h>

static struct leat_sdp_offer offer;
static struct sdp_text text, answer, asked, given;

/* RFC 3264, 6; RFC 8829, 5.3.1: the same media, transport, mid; formats are some of those
 * offered. */
static void check_media_line(bool served)
{
    char mine[2048], theirs[2048], *rest_mine = NULL, *rest_theirs = NULL;
    REQUIRE(sdp_value(&given, "m=", 0, mine, sizeof(mine)));
    REQUIRE(sdp_value(&asked, "m=", 0, theirs, sizeof(theirs)));
    for (unsigned i = 0; i < 3; i++) {
        const char *const word = strtok_r(i == 0 ? mine : NULL, " ", &rest_mine);
        const char *const other = strtok_r(i == 0 ? theirs : NULL, " ", &rest_theirs);
        if (i == 1) {
            CHECK_STR(word, served ? "8080" : "0");
        } else {
            CHECK_STR(word, other);
        }
    }
    char formats[2048];
    snprintf(formats, sizeof(formats), " %s ", rest_theirs);
    if (!served) {
        CHECK_STR(rest_mine, rest_theirs);
        return;
    }
    for (const char *word = strtok_r(NULL, " ", &rest_mine); word;
         word = strtok_r(NULL, " ", &rest_mine)) {
        char padded[16], map[64], mine_map[128], theirs_map[128];
        snprintf(padded, sizeof(padded), " %s ", word);
        CHECK(strstr(formats, padded) != NULL);
        snprintf(map, sizeof(map), "a=rtpmap:%s ", word);
        REQUIRE(sdp_value(&given, map, 0, mine_map, sizeof(mine_map)));
        REQUIRE(sdp_value(&asked, map, 0, theirs_map, sizeof(theirs_map)));
        CHECK_EQ(strcasecmp(mine_map, theirs_map), 0);
    }
}

/* Feedback is some of what was offered (RFC 4585, 4.2), extensions have the offer's ids (RFC 8285,
 * 7). */
static void check_agreed(enum leat_sdp_use use)
{
    char value[512], line[600];
    for (unsigned i = 0; sdp_value(&given, "a=rtcp-fb:", i, value, sizeof(value)); i++) {
        snprintf(line, sizeof(line), "a=rtcp-fb:%s", value);
        CHECK(sdp_has(&asked, line));
        CHECK(use == LEAT_SDP_PUBLISH || !strstr(value, "transport-cc"));
    }
    for (unsigned i = 0; sdp_value(&given, "a=extmap:", i, value, sizeof(value)); i++) {
        char *const slash = strstr(value, "only ") ? strchr(value, '/') : NULL;
        if (slash) { /* the other way round */
            CHECK_EQ(strncmp(slash, use == LEAT_SDP_PUBLISH ? "/recvonly" : "/sendonly", 9), 0);
            memcpy(slash, use == LEAT_SDP_PUBLISH ? "/sendonly" : "/recvonly", 9);
        }
        snprintf(line, sizeof(line), "a=extmap:%s", value);
        CHECK(sdp_has(&asked, line));
    }
    CHECK_EQ(sdp_count(&given, "a=extmap-allow-mixed"), sdp_count(&asked, "a=extmap-allow-mixed"));
    CHECK_EQ(sdp_count(&given, "a=rtcp-rsize"), sdp_count(&asked, "a=rtcp-rsize"));
    CHECK_EQ(sdp_count(&given, "a=rtcp-mux-only"), sdp_count(&asked, "a=rtcp-mux-only"));
    CHECK_EQ(sdp_count(&given, "a=bundle-only"), 0); /* RFC 9143, 7.3: not in answers */
}

/* RFC 9143, 7.3 and RFC 9725, 4.4.1: each is in the bundle, at its port, multiplexed. */
static void check_served(const struct leat_sdp_section *section, enum leat_sdp_use use)
{
    char line[64];
    const bool tagged = section->track == offer.tagged;
    CHECK(sdp_has(&given, "c=IN IP4 192.0.2.1"));
    CHECK(sdp_has(&given, "a=ice-ufrag:w0abcdefgh"));
    CHECK(sdp_has(&given, "a=ice-pwd:AAAAAAAAAAAAAAAAAAAAAAAA"));
    CHECK(sdp_has(&given, "a=fingerprint:sha-256 AA:BB"));
    CHECK(sdp_has(&given, "a=setup:passive"));
    CHECK(sdp_has(&given, "a=rtcp-mux"));
    CHECK(sdp_has(&given, use == LEAT_SDP_PUBLISH ? "a=recvonly" : "a=sendonly"));
    CHECK_EQ(sdp_count(&given, "a=recvonly") + sdp_count(&given, "a=sendonly") +
                 sdp_count(&given, "a=sendrecv"),
             1);
    CHECK_EQ(sdp_count(&given, "a=candidate:"), tagged ? 2 : 0);
    CHECK_EQ(sdp_count(&given, "a=end-of-candidates"), tagged ? 1 : 0);
    snprintf(line, sizeof(line), "a=mid:%s", section->mid);
    CHECK(sdp_has(&given, line) && sdp_has(&asked, line));
    CHECK_EQ(sdp_count(&given, "a=rid:"),
             use == LEAT_SDP_PUBLISH ? sdp_count(&asked, "a=rid:") : 0);
    CHECK_EQ(sdp_count(&given, "a=ssrc:") == 0, use == LEAT_SDP_PUBLISH);
    CHECK_EQ(sdp_count(&given, "a=msid:"), use == LEAT_SDP_PUBLISH ? 0 : 1);
    check_agreed(use);
}

static void check_session(void)
{
    struct sdp_text *const session = &given;
    sdp_section(&answer, 0, session);
    CHECK_EQ(strncmp(session->data, "v=0\r\no=- 9223372036854775807 1 IN IP4 0.0.0.0\r\n", 47), 0);
    CHECK(sdp_has(session, "s=-") && sdp_has(session, "t=0 0"));
    CHECK(sdp_has(session, "a=ice-lite"));
    CHECK(sdp_has(session, "a=ice-options:trickle ice2")); /* RFC 8839, 5.6 */
    CHECK_EQ(sdp_count(session, "a=group:"), 1);
    for (size_t i = 0; i < answer.len; i++) {
        CHECK(answer.data[i] != '\n' || (i > 0 && answer.data[i - 1] == '\r'));
    }
}

/* The answer to tests/data/sdp/NAME, checked as all are. Leaves it in `answer`. */
static void check_corpus(const char *name, enum leat_sdp_use use, const char *group,
                         size_t sections)
{
    char line[64];
    sdp_load(&text, name);
    sdp_answer(&text, use, &offer, &answer);
    check_session();
    snprintf(line, sizeof(line), "a=group:BUNDLE %s", group);
    CHECK(sdp_has(&answer, line));
    CHECK_EQ(offer.section_count, sections);
    CHECK_EQ(sdp_count(&text, "m="), sections);
    CHECK_EQ(sdp_count(&answer, "m="), sections);
    for (unsigned i = 0; i < sections; i++) {
        sdp_section(&text, i + 1, &asked);
        sdp_section(&answer, i + 1, &given);
        check_media_line(offer.sections[i].track >= 0);
        if (offer.sections[i].track >= 0) {
            check_served(&offer.sections[i], use);
        } else {
            CHECK(sdp_has(&given, "a=inactive"));
            CHECK_EQ(sdp_count(&given, "a="), sdp_count(&asked, "a=mid:") + 1);
        }
    }
}

TEST(webrtc_sdp, chromium_publishes)
{
    check_corpus("chromium_publish", LEAT_SDP_PUBLISH, "0 1", 2);
    CHECK_EQ(offer.track_count, 2);
    CHECK_EQ(offer.tracks[0].kind, LEAT_MEDIA_AUDIO);
    CHECK_EQ(offer.tracks[1].kind, LEAT_MEDIA_VIDEO);
    CHECK_EQ(offer.tracks[0].codec_count, 1);
    CHECK_EQ(offer.tracks[1].codec_count, 10);
    CHECK(sdp_has(&answer, "m=audio 8080 UDP/TLS/RTP/SAVPF 111"));
    CHECK(sdp_has(&answer,
                  "m=video 8080 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 114 115 116 117 39 "
                  "40 45 46 98 99 100 101"));
    CHECK(sdp_has(&answer, "a=extmap-allow-mixed"));
    CHECK(sdp_has(&answer, "a=fmtp:111 minptime=10;useinbandfec=1"));
    CHECK(sdp_has(&answer, "a=rtcp-fb:96 transport-cc"));
    CHECK(!sdp_has(&answer, "a=rtcp-fb:96 goog-remb")); /* one of the two */
    CHECK(sdp_has(&answer, "a=rtcp-fb:96 nack pli") && sdp_has(&answer, "a=rtcp-fb:96 ccm fir"));
    const struct leat_rtp_track *const video = &offer.tracks[1];
    CHECK_EQ(video->codecs[0].codec, LEAT_CODEC_VP8);
    CHECK_EQ(video->codecs[0].rtx, 97);
    CHECK_EQ(video->codecs[0].clock_rate, 90000);
    CHECK(video->codecs[0].nack && video->codecs[0].pli && video->codecs[0].fir);
    CHECK(video->codecs[0].twcc && !video->codecs[0].remb);
    CHECK_EQ(video->ext[LEAT_RTP_EXT_MID], 4);
    CHECK_EQ(video->ext[LEAT_RTP_EXT_TWCC], 3);
    CHECK_EQ(video->ext[LEAT_RTP_EXT_AUDIO_LEVEL], 0);
    CHECK_EQ(offer.tracks[0].ext[LEAT_RTP_EXT_AUDIO_LEVEL], 1);
    CHECK_EQ(video->ssrc_count, 1);
    CHECK(video->ssrcs[0] != 0 && video->rtx_ssrcs[0] != 0);
    CHECK(video->reduced_rtcp);
    CHECK_EQ(offer.fingerprint_count, 1);
    CHECK(!offer.active && offer.extmap_allow_mixed);
}

TEST(webrtc_sdp, chromium_publishes_with_a_data_channel)
{
    check_corpus("chromium_publish_sendrecv_datachannel", LEAT_SDP_PUBLISH, "0 1", 3);
    CHECK(sdp_has(&answer, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"));
}

TEST(webrtc_sdp, chromium_publishes_simulcast_rfc8853_5_3_2)
{
    check_corpus("chromium_publish_simulcast", LEAT_SDP_PUBLISH, "0 1", 2);
    CHECK(sdp_has(&answer, "a=rid:h recv") && sdp_has(&answer, "a=rid:m recv") &&
          sdp_has(&answer, "a=rid:l recv"));
    CHECK(sdp_has(&answer, "a=simulcast:recv h;m;l"));
    CHECK(sdp_has(&answer, "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"));
    CHECK(sdp_has(&answer, "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"));
    CHECK_EQ(offer.tracks[1].rid_count, 3);
    CHECK_STR(offer.tracks[1].rids[0], "h");
    CHECK_STR(offer.tracks[1].rids[2], "l");
}

TEST(webrtc_sdp, chromium_views)
{
    check_corpus("chromium_view", LEAT_SDP_VIEW, "0 1", 2);
    CHECK(sdp_has(&answer, "a=msid-semantic: WMS leat-cname"));
    CHECK(sdp_has(&answer, "a=msid:leat-cname audio") &&
          sdp_has(&answer, "a=msid:leat-cname video"));
    CHECK(sdp_has(&answer, "a=ssrc:1111 cname:leat-cname"));
    CHECK(sdp_has(&answer, "a=ssrc:1111 msid:leat-cname audio"));
    CHECK(sdp_has(&answer, "a=ssrc-group:FID 2222 3333"));
    CHECK(sdp_has(&answer, "a=ssrc:3333 cname:leat-cname"));
    CHECK(sdp_has(&answer, "a=rtcp-fb:96 goog-remb"));
    CHECK_EQ(sdp_count(&answer, "a=simulcast:"), 0);
    CHECK_EQ(offer.tracks[1].ext[LEAT_RTP_EXT_TWCC], 0);
    CHECK_EQ(offer.tracks[1].ext[LEAT_RTP_EXT_RID], 0);
    CHECK_EQ(offer.tracks[1].codec_count, 15); /* every profile of VP9, H264 and AV1 */
}

TEST(webrtc_sdp, chromium_views_video_alone)
{
    check_corpus("chromium_view_video", LEAT_SDP_VIEW, "0", 1);
    CHECK_EQ(offer.tracks[0].kind, LEAT_MEDIA_VIDEO);
    CHECK(sdp_has(&answer, "a=ssrc:2222 cname:leat-cname"));
}

TEST(webrtc_sdp, chromium_views_with_a_data_channel_video_first)
{
    check_corpus("chromium_view_sendrecv_datachannel", LEAT_SDP_VIEW, "0 1", 3);
    CHECK_EQ(offer.tracks[0].kind, LEAT_MEDIA_VIDEO);
    CHECK_EQ(offer.sections[2].track, -1);
}

TEST(webrtc_sdp, firefox_publishes)
{
    check_corpus("firefox_publish", LEAT_SDP_PUBLISH, "0 1", 2);
    CHECK(sdp_has(&answer, "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1"));
    sdp_section(&answer, 0, &given);
    CHECK_EQ(sdp_count(&given, "a=extmap-allow-mixed"), 0); /* it is in the sections there */
    CHECK(!offer.extmap_allow_mixed && offer.sections[0].extmap_allow_mixed);
    CHECK_EQ(offer.fingerprint_count, 1); /* of the session */
    CHECK(offer.tracks[1].rtx_ssrcs[0] != 0);
}

TEST(webrtc_sdp, firefox_publishes_with_a_data_channel)
{
    check_corpus("firefox_publish_sendrecv_datachannel", LEAT_SDP_PUBLISH, "0 1", 3);
}

/* Its ids have a direction, and its SSRCs come in one FID pair for each rid. */
TEST(webrtc_sdp, firefox_publishes_simulcast_rfc8853_5_3_2)
{
    check_corpus("firefox_publish_simulcast", LEAT_SDP_PUBLISH, "0 1", 2);
    CHECK(sdp_has(&answer, "a=simulcast:recv h;m;l"));
    CHECK(sdp_has(&answer, "a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"));
    CHECK_EQ(sdp_count(&answer, "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid"), 2);
    CHECK_EQ(offer.tracks[1].rid_count, 3);
    CHECK_EQ(offer.tracks[1].ssrc_count, 0);
}

TEST(webrtc_sdp, firefox_views)
{
    check_corpus("firefox_view", LEAT_SDP_VIEW, "0 1", 2);
    check_corpus("firefox_view_video", LEAT_SDP_VIEW, "0", 1);
    check_corpus("firefox_view_sendrecv_datachannel", LEAT_SDP_VIEW, "0 1", 3);
}

/* Its transport is the audio section's, its two sections number their extensions apart. */
TEST(webrtc_sdp, aiortc_publishes_and_views)
{
    check_corpus("aiortc_publish", LEAT_SDP_PUBLISH, "0 1", 2);
    CHECK_STR(offer.remote.ufrag, "SOcm");
    CHECK_EQ(offer.tracks[0].ext[LEAT_RTP_EXT_AUDIO_LEVEL], 2);
    CHECK_EQ(offer.tracks[1].codec_count, 3);
    CHECK(sdp_has(&answer, "a=rtcp-fb:97 goog-remb")); /* it has no transport-cc */
    check_corpus("aiortc_view", LEAT_SDP_VIEW, "0 1", 2);
}

TEST(webrtc_sdp, obs_publishes)
{
    check_corpus("obs_like_publish", LEAT_SDP_PUBLISH, "0 1", 2);
    CHECK(sdp_has(&answer, "a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;"
                           "useinbandfec=1"));
    CHECK_EQ(sdp_count(&answer, "a=extmap"), 0);
    CHECK_EQ(offer.tracks[0].ssrcs[0], 1907402111);
    CHECK_EQ(offer.tracks[1].ssrcs[0], 1907402112);
    CHECK_EQ(offer.tracks[1].rtx_ssrcs[0], 0);
    CHECK_EQ(offer.tracks[1].codecs[0].rtx, 0);
}

/* LF alone, mids that are words, parameter sets, "OPUS", and stereo that is sent but not asked
 * for. */
TEST(webrtc_sdp, gstreamer_publishes)
{
    check_corpus("gstreamer_like_publish", LEAT_SDP_PUBLISH, "audio0 video1", 2);
    CHECK(sdp_has(&answer, "a=fmtp:96 sprop-maxcapturerate=48000;sprop-stereo=1;stereo=1"));
    CHECK(sdp_has(&answer, "a=fmtp:97 packetization-mode=1;profile-level-id=42c01f"));
    CHECK(strstr(answer.data, "sprop-parameter-sets") == NULL);
    CHECK(sdp_has(&answer, "a=rtcp-fb:97 nack"));
    CHECK(!sdp_has(&answer, "a=rtcp-fb:97 transport-cc")); /* it has not the extension */
    CHECK_EQ(offer.sections[0].rtcp_mux_only, true);
    CHECK(memmem(offer.tracks[1].codecs[0].fmtp, offer.tracks[1].codecs[0].fmtp_len,
                 "sprop-parameter-sets=Z0LA", 25) != NULL); /* kept for the receiver */
}
