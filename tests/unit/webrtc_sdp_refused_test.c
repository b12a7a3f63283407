/* Offers that are refused whole, each one change away from one that is taken; and limits. */
#include "webrtc_sdp_rig.h"

static struct sdp_text text;

/* The status for sdp_plain with `from` changed to `to`. */
static unsigned changed(const char *from, const char *to)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, from, to);
    return sdp_status(&text, LEAT_SDP_PUBLISH);
}

static unsigned taken(const char *whole)
{
    sdp_set(&text, whole);
    return sdp_status(&text, LEAT_SDP_PUBLISH);
}

TEST(webrtc_sdp_refused, nothing_of_a_right_one)
{
    sdp_set(&text, sdp_plain);
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
    CHECK_EQ(sdp_status(&text, LEAT_SDP_VIEW), 0);
    sdp_change(&text, "\r\n", "\n"); /* RFC 8866, 5: CRLF is written, LF is read too */
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
    text.len--; /* without an end of its last line */
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
}

TEST(webrtc_sdp_refused, what_is_no_sdp_400)
{
    CHECK_EQ(taken(""), 400);
    CHECK_EQ(taken("\r\n"), 400);
    CHECK_EQ(taken("{\"type\":\"offer\"}"), 400);
    CHECK_EQ(taken("v=0\r\n"), 400);
    CHECK_EQ(taken("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"), 400); /* no m-section */
    CHECK_EQ(changed("v=0\r\n", ""), 400);
    CHECK_EQ(changed("v=0", "v=1"), 400);
    CHECK_EQ(changed("s=-", "s"), 400);
    CHECK_EQ(changed("s=-", " s=-"), 400);
    CHECK_EQ(changed("s=-", "s=-\r"), 400); /* a CR within a line */
    CHECK_EQ(changed("minptime=10", "minptime=10\x01"), 400);
    CHECK_EQ(changed("m=audio 9 UDP", "m=audio x UDP"), 400);
    CHECK_EQ(changed("m=audio 9 UDP", "m=audio 65536 UDP"), 400);
    CHECK_EQ(changed("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio 9 UDP/TLS/RTP/SAVPF"), 400);
    CHECK_EQ(changed("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio"), 400);
    CHECK_EQ(changed("SAVPF 111", "SAVPF 128"), 400);
    CHECK_EQ(changed("SAVPF 111", "SAVPF opus"), 400);
    CHECK_EQ(changed("a=ice-ufrag:abcd", "a=ice-ufrag:abc"), 400); /* RFC 8839, 5.4: 4..256 */
    CHECK_EQ(changed("a=ice-ufrag:abcd", "a=ice-ufrag:ab cd"), 400);
    CHECK_EQ(changed("a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa", "a=ice-pwd:aaaaaaaaaaaaaaaaaaaaa"), 400);
    CHECK_EQ(changed("a=fingerprint:sha-256 5D", "a=fingerprint:sha-256 5"), 400);
    sdp_set(&text, sdp_plain);
    *strstr(text.data, "s=-") = '\0'; /* RFC 8866, 5: NUL is in no line */
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 400);
}

TEST(webrtc_sdp_refused, unknown_lines_are_skipped_rfc8866_5_13)
{
    CHECK_EQ(changed("t=0 0\r\n", "t=0 0\r\nz=1 2\r\na=x-new\r\na=\r\na=:\r\nb=AS:100\r\n"), 0);
    CHECK_EQ(changed("a=mid:1\r\n",
                     "a=mid:1\r\na=candidate:junk\r\na=candidate:1 1 tcp 1 x.local 9 typ "
                     "host tcptype active\r\ni=title\r\n\r\n"),
             0);
}

TEST(webrtc_sdp_refused, limits)
{
    static char line[LEAT_SDP_LEN_MAX + 64];
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "a=", 2);
    line[LEAT_SDP_LEN_MAX - (sizeof(sdp_plain) - 1)] = '\0';
    sdp_set(&text, sdp_plain);
    memcpy(text.data + text.len, line, strlen(line) + 1); /* exactly as long as may be */
    text.len += strlen(line);
    CHECK_EQ(text.len, LEAT_SDP_LEN_MAX);
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
    text.data[text.len++] = 'x';
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 413);

    sdp_set(&text, sdp_plain);
    for (unsigned lines = sdp_count(&text, ""); lines < LEAT_SDP_LINES_MAX; lines++) {
        memcpy(text.data + text.len, "a=x\r\n", 6);
        text.len += 5;
    }
    CHECK_EQ(sdp_count(&text, ""), LEAT_SDP_LINES_MAX);
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
    memcpy(text.data + text.len, "a=x\r\n", 6);
    text.len += 5;
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 413);
}

TEST(webrtc_sdp_refused, m_sections_over_64)
{
    sdp_set(&text, sdp_plain);
    for (unsigned i = 2; i < LEAT_SDP_SECTIONS_MAX; i++) {
        text.len += (size_t)sprintf(text.data + text.len, "m=text 9 RTP/AVP 98\r\na=mid:%u\r\n", i);
    }
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
    text.len += (size_t)sprintf(text.data + text.len, "m=text 9 RTP/AVP 98\r\n");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
}

TEST(webrtc_sdp_refused, not_bundled_rfc9725_4_4_1)
{
    CHECK_EQ(changed("a=group:BUNDLE 0 1\r\n", ""), 422);
    CHECK_EQ(changed("a=group:BUNDLE 0 1\r\n", "a=group:LS 0 1\r\n"), 422);
    CHECK_EQ(changed("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0\r\n"), 422);
    CHECK_EQ(changed("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0\r\na=group:BUNDLE 1\r\n"), 422);
    CHECK_EQ(changed("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0 10\r\n"), 422);
    CHECK_EQ(changed("a=mid:1\r\n", ""), 422);
    CHECK_EQ(changed("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 2 1 0\r\na=group:LS 0 1\r\n"), 0);
}

/* RFC 9725, 4.4.1 and RFC 8858, 4. */
TEST(webrtc_sdp_refused, rtp_and_rtcp_at_two_ports)
{
    CHECK_EQ(changed("a=rtcp-mux\r\na=rtpmap:96", "a=rtpmap:96"), 422);
    CHECK_EQ(changed("a=rtcp-mux\r\na=rtpmap:111", "a=rtcp-mux-only\r\na=rtpmap:111"), 422);
}

TEST(webrtc_sdp_refused, two_tracks_of_a_kind_rfc9725_4_4_2)
{
    CHECK_EQ(changed("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=video 9 UDP/TLS/RTP/SAVPF 96"), 406);
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=video 9 UDP/TLS/RTP/SAVPF 98");
    sdp_change(&text, "a=rtpmap:111 opus/48000/2", "a=rtpmap:98 VP9/90000");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    sdp_change(&text, "a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:98", "a=inactive\r\na=rtpmap:98");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0); /* the first one does not flow */
}

TEST(webrtc_sdp_refused, neither_audio_nor_video)
{
    CHECK_EQ(changed("a=sendrecv", "a=inactive"), 422);
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "m=audio 9", "m=audio 0");
    sdp_change(&text, "m=video 9", "m=video 0");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
}

TEST(webrtc_sdp_refused, without_credentials_or_fingerprint)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "a=ice-ufrag:", "a=x-ufrag:");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "a=ice-pwd:", "a=x-pwd:");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "a=fingerprint:", "a=x-fingerprint:");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    /* RFC 8122, 5: sha-1 proves nothing any more */
    sdp_set(&text, sdp_plain);
    sdp_change(&text, SDP_FINGERPRINT,
               "sha-1 5D:E4:DD:56:81:EC:7F:8B:18:21:CA:1E:E8:F7:0E:A4:4E:67:EB:DC");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    CHECK_EQ(changed("t=0 0", "t=0 0\r\na=ice-lite"),
             422); /* RFC 9725, 4.4.5: clients are full ICE */
}

TEST(webrtc_sdp_refused, role_of_dtls_rfc8842_5)
{
    CHECK_EQ(changed("a=setup:actpass", "a=setup:holdconn"), 422);
    CHECK_EQ(changed("a=setup:actpass\r\n", ""), 422);
    CHECK_EQ(changed("a=setup:actpass", "a=setup:active"), 0); /* RFC 9725, 4.4.4 */
    CHECK_EQ(changed("a=setup:actpass", "a=setup:passive"), 0);
}

TEST(webrtc_sdp_refused, direction)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "a=sendrecv", "a=sendonly");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
    CHECK_EQ(sdp_status(&text, LEAT_SDP_VIEW), 422);
    sdp_change(&text, "a=sendonly", "a=recvonly");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    CHECK_EQ(sdp_status(&text, LEAT_SDP_VIEW), 0);
    sdp_change(&text, "a=recvonly\r\n", ""); /* RFC 8866, 6.7: sendrecv */
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 0);
    sdp_change(&text, "t=0 0", "t=0 0\r\na=recvonly"); /* of the session, for all */
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
}

TEST(webrtc_sdp_refused, transport_rfc8829_5_1_2)
{
    CHECK_EQ(changed("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 422);
    CHECK_EQ(changed("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVPFX"), 422);
    CHECK_EQ(changed("UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP"), 422);
    CHECK_EQ(changed("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"), 0);
    CHECK_EQ(changed("UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF"), 0);
    CHECK_EQ(changed("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"), 0);
}

TEST(webrtc_sdp_refused, names_that_mean_two_things)
{
    CHECK_EQ(changed("a=mid:1", "a=mid:0"), 422); /* RFC 5888, 4 */
    CHECK_EQ(changed("a=mid:1", "a=mid:12345678901234567"), 422);
    /* RFC 9143, 9.1: a payload type is one codec in the bundle */
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "111", "96");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 422);
    sdp_change(&text, "96 opus/48000/2", "96 vp8/90000"); /* the same, but no audio */
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 406);
    /* RFC 8285, 5: an id is one extension in a section; RFC 9143, 12 in the bundle, see is_clash */
    CHECK_EQ(changed("a=extmap:2 ", "a=extmap:1 "), 422);
    CHECK_EQ(changed("a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv",
                     "a=extmap:1 urn:x\r\na=sendrecv"),
             422);
    CHECK_EQ(changed("a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv",
                     "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv"),
             0);
}

TEST(webrtc_sdp_refused, no_codec_in_common_406)
{
    CHECK_EQ(changed("opus/48000/2", "PCMU/8000"), 406);
    CHECK_EQ(changed("opus/48000/2", "opus/48000"), 406); /* RFC 7587, 7: always 48000/2 */
    CHECK_EQ(changed("VP8/90000", "H263/90000"), 406);
    CHECK_EQ(changed("VP8/90000", "VP8/8000"), 406);
    CHECK_EQ(changed("VP8/90000", "opus/48000/2"), 406);
    CHECK_EQ(changed("a=rtpmap:96 VP8/90000\r\n", ""), 406);
    CHECK_EQ(changed("VP8/90000", "H264/90000\r\na=fmtp:96 packetization-mode=2"), 406);
}

/* RFC 5761, 4: with rtcp-mux 64..95 are RTCP's. */
TEST(webrtc_sdp_refused, payload_types_of_rtcp)
{
    sdp_set(&text, sdp_plain);
    sdp_change(&text, "111", "72");
    CHECK_EQ(sdp_status(&text, LEAT_SDP_PUBLISH), 406);
}
