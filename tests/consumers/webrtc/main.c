#include <arpa/inet.h>
#include <leat/webrtc.h>
#include <stdio.h>
#include <string.h>

/* Answers an offer. */
int main(void)
{
    static const char offer_text[] =
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=fingerprint:sha-256 "
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
        "a=rtpmap:111 opus/48000/2\r\n";
    static struct leat_sdp_offer  offer;
    struct leat_sdp_error         error;
    struct leat_ice_credentials   local;
    const struct leat_dtls_config config = {.unix_time = 1800000000};
    leat_dtls_context            *context;
    char                          answer_text[4096];
    struct in_addr                host;
    struct leat_addr              candidate;
    int                           len;

    if (leat_sdp_offer_read(offer_text, strlen(offer_text), LEAT_SDP_PUBLISH, &offer, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    if (inet_pton(AF_INET, "192.0.2.1", &host) != 1) {
        return 1;
    }
    candidate = leat_addr_from_ip(&host, sizeof(host), 50000);
    if (leat_dtls_context_open(&config, &context) != 0 || leat_ice_credentials_make("A", &local) != 0) {
        return 1;
    }
    const struct leat_sdp_answer answer = {.session_id = 1,
                                           .local = &local,
                                           .fingerprint = leat_dtls_context_fingerprint(context),
                                           .candidates = &candidate,
                                           .candidate_count = 1};
    len = leat_sdp_answer_write(&offer, &answer, answer_text, sizeof(answer_text));
    printf("%d bytes\n", len);
    leat_dtls_context_unref(context);
    return len <= 0;
}
