/* WHIP, section by section of RFC 9725: each MUST of a server is a case that is named by it. */
#include "unit/media_rig.h"

#define TRICKLE                                                                                    \
    "a=ice-ufrag:" OFFER_UFRAG "\r\na=ice-pwd:" OFFER_PWD "\r\n"                                   \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"                                               \
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"            \
    "a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n"               \
    "a=end-of-candidates\r\n"
#define RESTART                                                                                    \
    "a=ice-options:trickle\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"           \
    "a=mid:0\r\na=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"                        \
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"

/* ---- 4.1 ---- */

TEST(whip, rfc9725_4_1_get_and_head_are_2xx_without_content)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "GET /whip/demo", "", ""), 204);
    CHECK_EQ(whip_ask(&whip, "HEAD /whip/demo", "", ""), 204);
    CHECK_EQ(whip_ask(&whip, "GET /whip/endpoint", "", ""), 204);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_session(&whip, "GET", "", ""), 204);
    CHECK_EQ(whip_session(&whip, "HEAD", "", ""), 204);
    CHECK(strcmp(strstr(whip.client.text, "\r\n\r\n"), "\r\n\r\n") == 0);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_1_other_methods_are_405)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "PUT /whip/demo", SDP_TYPE, OFFER_SEND), 405);
    CHECK_HAS(&whip.client, "\r\nAllow: ");
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_session(&whip, "POST", SDP_TYPE, OFFER_SEND), 405);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_1_errors_are_problem_details)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", SDP_TYPE, "v=0\r\nnonsense"), 400);
    CHECK_FIELD(&whip, "Content-Type", "application/problem+json");
    CHECK_HAS(&whip.client, "\"status\":400");
    CHECK_EQ(whip_ask(&whip, "DELETE /whip/demo/AAAAAAAAAAAAAAAAAAAAAAAA", "", ""), 404);
    CHECK_FIELD(&whip, "Content-Type", "application/problem+json");
    CHECK_EQ(whip_ask(&whip, "GET /whip/a%20b", "", ""), 404);
    CHECK_FIELD(&whip, "Content-Type", "application/problem+json");
    whip_close(&whip);
}

/* ---- 4.2 ---- */

TEST(whip, rfc9725_4_2_post_is_201_with_location_and_answer)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_FIELD(&whip, "Content-Type", "application/sdp");
    CHECK(strncmp(whip.location, "/whip/demo/", 11) == 0);
    CHECK_EQ(strlen(whip.location), 11 + 24);
    CHECK_HAS(&whip.client, "\r\n\r\nv=0\r\n");
    CHECK_HAS(&whip.client, "a=ice-lite\r\n");
    CHECK_HAS(&whip.client, "a=setup:passive\r\n");
    CHECK_HAS(&whip.client, "a=candidate:");
    CHECK_HAS(&whip.client, " 127.0.0.1 ");
    CHECK_HAS(&whip.client, "a=ice-ufrag:A"); /* of worker 0 */
    CHECK_EQ(times(whip.client.text, "a=recvonly\r\n"), 2);
    CHECK_EQ(whip_stats(&whip).publishers, 1);
    CHECK_EQ(whip_stats(&whip).streams, 1);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_2_sendrecv_is_taken_other_directions_are_not)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "POST /whip/a", SDP_TYPE, OFFER_OF("sendrecv", OFFER_VP8)), 201);
    CHECK_EQ(times(whip.client.text, "a=recvonly\r\n"), 2);
    CHECK(whip_ask(&whip, "POST /whip/b", SDP_TYPE, OFFER_RECV) / 100 == 4);
    CHECK(whip_ask(&whip, "POST /whip/b", SDP_TYPE, OFFER_OF("inactive", OFFER_VP8)) / 100 == 4);
    CHECK_EQ(whip_stats(&whip).streams, 1); /* nothing is left of what was refused */
    CHECK_EQ(whip_stats(&whip).refused, 2);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_2_another_content_type_is_4xx)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", "Content-Type: text/plain\r\n", OFFER_SEND), 415);
    CHECK_FIELD(&whip, "Accept-Post", "application/sdp");
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", "", OFFER_SEND), 415);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", "Content-Type: application/sdpx\r\n", OFFER_SEND),
             415);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", "Content-Type: Application/SDP; charset=utf-8\r\n",
                      OFFER_SEND),
             201);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_2_a_malformed_offer_is_4xx)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", SDP_TYPE, ""), 400);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", SDP_TYPE, "hello"), 400);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", SDP_TYPE, OFFER_HEAD), 400);
    char *flood = malloc(70000);
    memset(flood, 'a', 69999);
    flood[69999] = '\0';
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", SDP_TYPE, flood), 413);
    free(flood);
    CHECK_EQ(whip_stats(&whip).publishers, 0);
    CHECK_EQ(whip_stats(&whip).streams, 0);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_2_delete_ends_the_session)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 200);
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 404);
    CHECK_EQ(whip_session(&whip, "GET", "", ""), 404);
    rig_run(&whip.site.rig, LEAT_SEC);
    CHECK_EQ(whip_stats(&whip).publishers, 0);
    CHECK_EQ(whip_stats(&whip).streams, 0);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201); /* the stream is free at once */
    whip_close(&whip);
}

TEST(whip, rfc9725_4_2_options_tell_accept_post_and_cors)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "OPTIONS /whip/demo", "", ""), 200);
    CHECK_FIELD(&whip, "Accept-Post", "application/sdp");
    CHECK_EQ(whip_ask(&whip, "OPTIONS /whip/demo",
                      "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: POST\r\n"
                      "Access-Control-Request-Headers: authorization, content-type\r\n",
                      ""),
             200);
    CHECK_FIELD(&whip, "Accept-Post", "application/sdp");
    CHECK_FIELD(&whip, "Access-Control-Allow-Origin", "http://localhost:3000");
    CHECK_HAS(&whip.client, "Access-Control-Allow-Methods: POST, ");
    CHECK_FIELD(&whip, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match");
    CHECK_HAS(&whip.client, "Access-Control-Max-Age: ");
    CHECK_FIELD(&whip, "Vary", "Origin");
    CHECK_EQ(whip_publish(&whip, "demo", "Origin: http://localhost:3000\r\n"), 201);
    CHECK_FIELD(&whip, "Access-Control-Allow-Origin", "http://localhost:3000");
    CHECK_HAS(&whip.client, "Access-Control-Expose-Headers: Location, Link, ETag");
    CHECK_EQ(whip_session(&whip, "OPTIONS",
                          "Origin: http://[::1]:1\r\nAccess-Control-Request-Method: PATCH\r\n", ""),
             200);
    CHECK_HAS(&whip.client, "Access-Control-Allow-Methods: PATCH, DELETE");
    whip_close(&whip);
}

/* ---- 4.3.1 ---- */

TEST(whip, rfc9725_4_3_1_a_strong_etag_names_the_ice_session)
{
    struct whip whip;
    char first[40];
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "a", ""), 201);
    CHECK(whip.etag[0] == '"' && whip.etag[strlen(whip.etag) - 1] == '"');
    strcpy(first, whip.etag);
    CHECK_EQ(whip_publish(&whip, "b", ""), 201);
    CHECK(strcmp(first, whip.etag) != 0);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_3_1_patch_of_another_type_or_malformed_is_4xx)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_session(&whip, "PATCH", SDP_TYPE "If-Match: *\r\n", TRICKLE), 415);
    CHECK_FIELD(&whip, "Accept-Patch", "application/trickle-ice-sdpfrag");
    CHECK_EQ(whip_trickle(&whip, whip.etag, "what?"), 400);
    CHECK_EQ(whip_trickle(&whip, whip.etag, ""), 400);
    CHECK_EQ(whip_trickle(&whip, whip.etag, "a=ice-ufrag:abcd\r\n"), 400);
    CHECK_EQ(whip_trickle(&whip, whip.etag, TRICKLE), 204); /* and the session goes on */
    whip_close(&whip);
}

TEST(whip, rfc9725_4_3_1_missing_if_match_is_428_another_412)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_trickle(&whip, "", TRICKLE), 428);
    CHECK_EQ(whip_trickle(&whip, "\"another\"", TRICKLE), 412);
    char weak[64];
    snprintf(weak, sizeof(weak), "W/%s", whip.etag);
    CHECK_EQ(whip_trickle(&whip, weak, TRICKLE), 412); /* RFC 9110, 13.1.1: strong comparison */
    CHECK_EQ(whip_trickle(&whip, "", RESTART), 428);
    CHECK_EQ(whip_trickle(&whip, "\"another\"", RESTART), 412);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_3_1_delete_ignores_if_match)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_session(&whip, "DELETE", "If-Match: \"another\"\r\n", ""), 200);
    whip_close(&whip);
}

/* ---- 4.3.2 ---- */

TEST(whip, rfc9725_4_3_2_trickle_is_204_without_etag)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_trickle(&whip, whip.etag, TRICKLE), 204);
    CHECK_NO(&whip, "ETag");
    CHECK(strcmp(strstr(whip.client.text, "\r\n\r\n"), "\r\n\r\n") == 0);
    CHECK_EQ(whip_trickle(&whip, whip.etag, "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"), 204);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_3_2_candidates_of_no_use_are_discarded_silently)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_trickle(&whip, whip.etag,
                          "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
                          "a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n"
                          "a=candidate:2 1 udp 1 6c1d8a5a-0000-4000-8000-000000000000.local 9 typ "
                          "host\r\na=candidate:3 1 carrier-pigeon 1 x 9 typ host\r\n"),
             204);
    whip_close(&whip);
}

/* ---- 4.3.3 ---- */

TEST(whip, rfc9725_4_3_3_a_restart_is_200_with_new_credentials_and_etag)
{
    struct whip whip;
    char first[40];
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    strcpy(first, whip.etag);
    CHECK_EQ(whip_trickle(&whip, "\"*\"", RESTART), 200);
    CHECK_FIELD(&whip, "Content-Type", "application/trickle-ice-sdpfrag");
    CHECK(strcmp(first, whip.etag) != 0);
    CHECK_HAS(&whip.client, "a=ice-lite\r\n");
    CHECK_HAS(&whip.client, "a=ice-options:");
    CHECK_HAS(&whip.client, "a=ice-ufrag:A");
    CHECK_HAS(&whip.client, "a=ice-pwd:");
    CHECK_HAS(&whip.client, "m=audio");
    CHECK_HAS(&whip.client, "a=mid:0\r\n");
    CHECK_HAS(&whip.client, " 127.0.0.1 ");
    CHECK_HAS(&whip.client, "a=end-of-candidates");
    /* What is of the session before the restart does not fit any more. */
    CHECK_EQ(whip_trickle(&whip, first, TRICKLE), 412);
    CHECK_EQ(whip_trickle(&whip, whip.etag, RESTART), 204);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_3_3_a_restart_may_say_star_without_quotes_and_have_no_m_line)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_trickle(&whip, "*", "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"),
             200);
    CHECK_NO(&whip, "\nm=");
    CHECK_HAS(&whip.client, "a=candidate:");
    whip_close(&whip);
}

TEST(whip, rfc9725_4_3_3_new_credentials_are_a_restart_whatever_matches)
{
    struct whip whip;
    char first[40];
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    strcpy(first, whip.etag);
    CHECK_EQ(whip_trickle(&whip, first, RESTART), 200);
    CHECK(strcmp(first, whip.etag) != 0);
    CHECK_EQ(whip_trickle(&whip, "*", RESTART), 204); /* the same again changes nothing */
    CHECK_NO(&whip, "ETag");
    whip_close(&whip);
}

TEST(whip, rfc9725_4_3_3_a_failed_restart_keeps_the_session)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_trickle(&whip, "*", "a=ice-ufrag:ysXw\r\na=ice-pwd:" OFFER_PWD "\r\n"), 422);
    CHECK_EQ(whip_trickle(&whip, "*", "a=ice-ufrag:y\r\na=ice-pwd:short\r\n"), 400);
    CHECK_EQ(whip_trickle(&whip, whip.etag, TRICKLE), 204);
    CHECK_EQ(whip_stats(&whip).publishers, 1);
    whip_close(&whip);
}

/* ---- 4.4 ---- */

TEST(whip, rfc9725_4_4_1_without_bundle_or_rtcp_mux_is_4xx)
{
    static const char *const parts[] = {"a=group:BUNDLE 0 1\r\n", "a=rtcp-mux\r\n"};
    struct whip whip;
    whip_open(&whip);
    for (int i = 0; i < 2; i++) {
        char offer[] = OFFER_SEND;
        for (char *at = strstr(offer, parts[i]); at != NULL; at = strstr(offer, parts[i])) {
            memmove(at, at + strlen(parts[i]), strlen(at + strlen(parts[i])) + 1);
        }
        CHECK(whip_ask(&whip, "POST /whip/demo", SDP_TYPE, offer) / 100 == 4);
    }
    CHECK_EQ(whip_stats(&whip).publishers, 0);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_4_2_two_tracks_of_a_kind_are_4xx)
{
    struct whip whip;
    whip_open(&whip);
    CHECK(whip_ask(&whip, "POST /whip/demo", SDP_TYPE,
                   OFFER_HEAD OFFER_SECTION("video", "96 97", "0") OFFER_VP8
                   "a=sendonly\r\n" OFFER_SECTION("video", "96 97", "1") OFFER_VP8
                   "a=sendonly\r\n") /
              100 ==
          4);
    CHECK_EQ(whip_stats(&whip).publishers, 0);
    whip_close(&whip);
}

TEST(whip, rfc9725_4_4_3_nothing_is_answered_in_part)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "POST /whip/demo", SDP_TYPE,
                      OFFER_OF("sendonly", "a=rtpmap:96 theora/90000\r\n")),
             406);
    CHECK_EQ(whip_stats(&whip).publishers, 0);
    whip_close(&whip);
}

/* ---- 4.6 ---- */

TEST(whip, rfc9725_4_6_ice_servers_are_links_but_not_in_preflights)
{
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.ice_servers = "<stun:stun.example.net>; rel=\"ice-server\"";
    whip_open_with(&whip, &config, 1);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_FIELD(&whip, "Link", "<stun:stun.example.net>; rel=\"ice-server\"");
    CHECK_EQ(whip_ask(&whip, "OPTIONS /whip/demo", "", ""), 200);
    CHECK_FIELD(&whip, "Link", "<stun:stun.example.net>; rel=\"ice-server\"");
    CHECK_EQ(whip_ask(&whip, "OPTIONS /whip/demo",
                      "Origin: http://localhost\r\nAccess-Control-Request-Method: POST\r\n", ""),
             200);
    CHECK_NO(&whip, "Link: ");
    whip_close(&whip);
}

/* ---- 5 ---- */

TEST(whip, rfc9725_5_locations_cannot_be_guessed)
{
    struct whip whip;
    char first[160];
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "a", ""), 201);
    strcpy(first, whip.location);
    CHECK_EQ(whip_publish(&whip, "b", ""), 201);
    int differ = 0;
    for (size_t i = 8; i < strlen(first); i++) {
        differ += first[i] != whip.location[i];
    }
    CHECK(differ > 12);
    /* A session is there under its stream and its kind only. */
    char request[240];
    snprintf(request, sizeof(request), "DELETE /whip/a/%s", whip.location + strlen("/whip/b/"));
    CHECK_EQ(whip_ask(&whip, request, "", ""), 404);
    snprintf(request, sizeof(request), "DELETE /whep/b/%s", whip.location + strlen("/whip/b/"));
    CHECK_EQ(whip_ask(&whip, request, "", ""), 404);
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 200);
    whip_close(&whip);
}
