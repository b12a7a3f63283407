/* Fragments of trickle ICE (RFC 8840, RFC 9725 4.3): with an m-line and without, for candidates and
 * for a restart. */
#include "webrtc_sdp_rig.h"

static struct leat_sdp_fragment fragment;
static struct leat_sdp_error error;
static struct sdp_text reply;

static int read_fragment(const char *text)
{
    static char *copy; /* lent strings point into it until the next one */
    const size_t len = strlen(text);
    free(copy);
    copy = malloc(len ? len : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, text, len);
    memset(&fragment, 0x5a, sizeof(fragment));
    error.status = 0;
    return leat_sdp_fragment_read(copy, len, &fragment, &error);
}

/* The reply to what was read. */
static void write_reply(void)
{
    struct leat_addr candidates[2];
    const struct leat_sdp_answer answer = sdp_answer_of(candidates);
    const int len = leat_sdp_fragment_write(&fragment, &answer, reply.data, sizeof(reply.data));
    REQUIRE(len > 0);
    CHECK_EQ(strlen(reply.data), len);
    for (int cap = 0; cap <= len; cap++) {
        static char out[4096];
        CHECK_EQ(leat_sdp_fragment_write(&fragment, &answer, out, (size_t)cap), -ENOSPC);
    }
}

TEST(webrtc_sdp_fragment, candidates_with_an_m_line_rfc9725_4_3_2)
{
    REQUIRE(read_fragment(
                "a=group:BUNDLE 0 1\r\n"
                "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
                "a=mid:0\r\n"
                "a=ice-ufrag:EsAw\r\n"
                "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
                "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 "
                "ufrag EsAw network-id 1\r\n"
                "a=candidate:473322822 1 tcp 1518280447 x.local 9 typ host tcptype active\r\n"
                "a=candidate:something new\r\n"
                "a=end-of-candidates\r\n"
                "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
                "a=mid:1\r\n") == 0);
    CHECK(fragment.has_credentials && fragment.end_of_candidates);
    CHECK_STR(fragment.remote.ufrag, "EsAw");
    CHECK_STR(fragment.remote.pwd, "P2uYro0UCOQ4zxjKXaWCBui1");
    CHECK_EQ(fragment.candidates, 3);
    CHECK_STR(fragment.mid, "0");
    CHECK_EQ(fragment.media_len, strlen("audio 9 UDP/TLS/RTP/SAVPF 111"));
    CHECK_EQ(strncmp(fragment.media, "audio 9 UDP/TLS/RTP/SAVPF 111", fragment.media_len), 0);
}

TEST(webrtc_sdp_fragment, credentials_of_the_session_rfc8840_9)
{
    REQUIRE(
        read_fragment("a=ice-ufrag:EsAw\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\nm=audio 9 RTP/AVP 0\n"
                      "a=mid:audio0\na=candidate:x") == 0);
    CHECK(fragment.has_credentials && !fragment.end_of_candidates);
    CHECK_STR(fragment.mid, "audio0");
    CHECK_EQ(fragment.candidates, 1);
}

/* As the example of RFC 9725, 4.3.3: no m-line, and none in the reply. */
TEST(webrtc_sdp_fragment, restart_without_an_m_line_rfc9725_4_3_3)
{
    REQUIRE(read_fragment("a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n") == 0);
    CHECK(fragment.has_credentials);
    CHECK_EQ(fragment.candidates, 0);
    CHECK(fragment.media == NULL && fragment.mid[0] == '\0');
    write_reply();
    CHECK_STR(reply.data, "a=ice-lite\r\n"
                          "a=ice-options:trickle ice2\r\n"
                          "a=ice-ufrag:w0abcdefgh\r\n"
                          "a=ice-pwd:AAAAAAAAAAAAAAAAAAAAAAAA\r\n"
                          "a=candidate:1 1 udp 2130706431 192.0.2.1 8080 typ host\r\n"
                          "a=candidate:2 1 udp 2130706175 2001:db8::1 8081 typ host\r\n"
                          "a=end-of-candidates\r\n");
}

TEST(webrtc_sdp_fragment, restart_with_an_m_line_rfc9725_4_3_3)
{
    REQUIRE(read_fragment("a=group:BUNDLE v a\r\n"
                          "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
                          "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\n") == 0);
    write_reply();
    CHECK_STR(reply.data, "a=ice-lite\r\n"
                          "a=ice-options:trickle ice2\r\n"
                          "a=group:BUNDLE v a\r\n"
                          "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
                          "a=mid:v\r\n"
                          "a=ice-ufrag:w0abcdefgh\r\n"
                          "a=ice-pwd:AAAAAAAAAAAAAAAAAAAAAAAA\r\n"
                          "a=candidate:1 1 udp 2130706431 192.0.2.1 8080 typ host\r\n"
                          "a=candidate:2 1 udp 2130706175 2001:db8::1 8081 typ host\r\n"
                          "a=end-of-candidates\r\n");
}

TEST(webrtc_sdp_fragment, end_of_candidates_alone)
{
    REQUIRE(read_fragment("a=end-of-candidates\r\n") == 0);
    CHECK(fragment.end_of_candidates && !fragment.has_credentials);
}

TEST(webrtc_sdp_fragment, refused)
{
    static const char *const wrong[] = {
        "",
        "\r\n",
        "hello",
        "m=audio 9 RTP/AVP 0\r\n", /* says nothing */
        "a=ice-ufrag:EsAw\r\n",    /* one alone (RFC 8839, 5.4) */
        "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n",
        "a=ice-ufrag:EsA\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", /* too short */
        "a=ice-ufrag:EsAw\r\na=ice-pwd:short\r\n",
        "a=candidate:1\rx\r\n",
        "m=audio 9 RTP/AVP 0\r\na=mid:12345678901234567\r\n",
        "m=audio 9 RTP/AVP 0\r\na=mid:\r\n",
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_EQ(read_fragment(wrong[i]), -EPROTO);
        CHECK_EQ(error.status, 400);
        CHECK_EQ(((const unsigned char *)&fragment)[0], 0x5a);
    }
    static char many[LEAT_SDP_LEN_MAX + 2];
    memset(many, 'x', sizeof(many) - 1);
    memcpy(many, "a=", 2);
    CHECK_EQ(read_fragment(many), -EPROTO);
    CHECK_EQ(error.status, 413);
}
