/* WHEP, section by section of draft-ietf-wish-whep-04, as far as it differs from WHIP; and viewers
 * before, with and after their publisher. */
#include "unit/media_rig.h"

/* ---- 4.1 ---- */

TEST(whep, draft_4_1_get_and_head_are_2xx_and_head_tells_that_it_is_whep)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_ask(&whip, "GET /whep/demo", "", ""), 204);
    CHECK_EQ(whip_ask(&whip, "HEAD /whep/demo", "", ""), 200);
    CHECK_FIELD(&whip, "Content-Type", "application/sdp");
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    CHECK_EQ(whip_session(&whip, "GET", "", ""), 204);
    CHECK_EQ(whip_session(&whip, "HEAD", "", ""), 204);
    whip_close(&whip);
}

/* ---- 4.2 ---- */

TEST(whep, draft_4_2_post_is_201_and_the_answer_sendonly)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    CHECK_FIELD(&whip, "Content-Type", "application/sdp");
    CHECK(strncmp(whip.location, "/whep/demo/", 11) == 0);
    CHECK_EQ(times(whip.client.text, "a=sendonly\r\n"), 2);
    CHECK_EQ(times(whip.client.text, "a=msid:"), 2);
    CHECK_EQ(times(whip.client.text, "a=ssrc-group:FID "), 1);
    CHECK_HAS(&whip.client, " cname:");
    CHECK_EQ(whip_stats(&whip).viewers, 1);
    CHECK_EQ(whip_stats(&whip).publishers, 1);
    CHECK_EQ(whip_stats(&whip).streams, 1);
    whip_close(&whip);
}

TEST(whep, draft_4_2_sendonly_and_inactive_are_4xx)
{
    struct whip whip;
    whip_open(&whip);
    CHECK(whip_ask(&whip, "POST /whep/demo", SDP_TYPE, OFFER_SEND) / 100 == 4);
    CHECK(whip_ask(&whip, "POST /whep/demo", SDP_TYPE, OFFER_OF("inactive", OFFER_VP8)) / 100 == 4);
    CHECK_EQ(whip_ask(&whip, "POST /whep/demo", SDP_TYPE, OFFER_OF("sendrecv", OFFER_VP8)), 201);
    CHECK_EQ(times(whip.client.text, "a=sendonly\r\n"), 2);
    CHECK_EQ(whip_ask(&whip, "POST /whep/demo", "Content-Type: text/plain\r\n", OFFER_RECV), 415);
    whip_close(&whip);
}

TEST(whep, draft_4_2_without_a_publisher_a_viewer_waits)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_stats(&whip).viewers, 2);
    CHECK_EQ(whip_stats(&whip).streams, 1);
    whip_close(&whip);
}

TEST(whep, draft_4_2_or_is_told_409_and_when_to_come_back)
{
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.no_wait = true;
    whip_open_with(&whip, &config, 1);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 409);
    CHECK_FIELD(&whip, "Retry-After", "2");
    CHECK_EQ(whip_stats(&whip).streams, 0);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    whip_close(&whip);
}

TEST(whep, the_publishers_codecs_come_first_and_nothing_in_common_is_406)
{
    static const char both[] = "a=rtpmap:96 VP9/90000\r\na=fmtp:96 profile-id=0\r\n"
                               "a=rtpmap:97 VP8/90000\r\n";
    static const char h264[] =
        "a=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
        "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
    struct whip whip;
    char offer[4000];
    whip_open(&whip);
    snprintf(offer, sizeof(offer), "%s%s%s%s", OFFER_HEAD OFFER_AUDIO "a=recvonly\r\n",
             OFFER_SECTION("video", "96 97", "1"), both, "a=recvonly\r\n");
    CHECK_EQ(whip_ask(&whip, "POST /whep/demo", SDP_TYPE, offer), 201);
    CHECK_HAS(&whip.client,
              "UDP/TLS/RTP/SAVPF 96 97\r\n"); /* nobody publishes: as it was offered */
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_ask(&whip, "POST /whep/demo", SDP_TYPE, offer), 201);
    CHECK_HAS(&whip.client, "UDP/TLS/RTP/SAVPF 97 96\r\n"); /* VP8 first, VP9 kept */
    snprintf(offer, sizeof(offer), "%s%s%s%s", OFFER_HEAD OFFER_AUDIO "a=recvonly\r\n",
             OFFER_SECTION("video", "96 97", "1"), h264, "a=recvonly\r\n");
    CHECK_EQ(whip_ask(&whip, "POST /whep/demo", SDP_TYPE, offer), 406);
    CHECK_EQ(whip_stats(&whip).viewers, 2);
    whip_close(&whip);
}

/* ---- 4.3 ---- */

TEST(whep, draft_4_3_delete_ends_the_session_and_the_last_one_the_stream)
{
    struct whip whip;
    char publisher[160];
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    strcpy(publisher, whip.location);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    CHECK_EQ(whip_session(&whip, "DELETE", "If-Match: \"x\"\r\n", ""), 200);
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 404);
    rig_run(&whip.site.rig, LEAT_SEC);
    CHECK_EQ(whip_stats(&whip).viewers, 0);
    CHECK_EQ(whip_stats(&whip).publishers, 1);
    CHECK_EQ(whip_stats(&whip).streams, 1);
    strcpy(whip.location, publisher);
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 200);
    rig_run(&whip.site.rig, LEAT_SEC);
    CHECK_EQ(whip_stats(&whip).streams, 0);
    /* Nothing is left on its worker: not the group either. */
    struct leat_behavior_stats all[64];
    const size_t count = leat_stats_behaviors(whip.site.rig.runtime, all, 64);
    for (size_t i = 0; i < count; i++) {
        if (strstr(all[i].name, "viewer") != NULL || strstr(all[i].name, "publisher") != NULL) {
            CHECK_EQ(all[i].actors, 0);
        }
    }
    whip_close(&whip);
}

/* ---- 4.4 ---- */

TEST(whep, draft_4_4_etag_trickle_and_restart_as_in_whip)
{
    struct whip whip;
    char first[40];
    whip_open(&whip);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    strcpy(first, whip.etag);
    const char *trickle = "a=ice-ufrag:" OFFER_UFRAG "\r\na=ice-pwd:" OFFER_PWD "\r\n"
                          "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
                          "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
    const char *restart = "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
                          "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n";
    CHECK_EQ(whip_trickle(&whip, first, trickle), 204);
    CHECK_EQ(whip_trickle(&whip, "", trickle), 428);
    CHECK_EQ(whip_trickle(&whip, "\"*\"", restart), 200);
    CHECK(strcmp(first, whip.etag) != 0);
    CHECK_EQ(whip_trickle(&whip, first, trickle), 412);
    whip_close(&whip);
}

/* ---- viewers and workers ---- */

TEST(whep, sessions_are_spread_over_workers_and_each_has_its_own_port)
{
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.workers = 3;
    config.port_each = true;
    whip_open_with(&whip, &config, 3);
    unsigned seen[3] = {0};
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
        const char *ufrag = strstr(whip.client.text, "a=ice-ufrag:");
        REQUIRE(ufrag != NULL);
        const unsigned worker = (unsigned)(ufrag[12] - 'A');
        CHECK(worker < 3);
        seen[worker % 3]++;
    }
    CHECK(seen[0] == 1 && seen[1] == 2 && seen[2] == 2); /* the publisher is on the first */
    CHECK_EQ(whip_stats(&whip).viewers, 5);
    whip_close(&whip);
}

TEST(whep, silent_sessions_expire_and_the_stream_goes_with_the_last)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    rig_run(&whip.site.rig, 40 * LEAT_SEC);
    CHECK_EQ(whip_stats(&whip).streams, 0);
    CHECK_EQ(whip_stats(&whip).expired, 2);
    struct client late; /* the first one has been idle for too long */
    char request[200];
    client_open(&whip.site, &late);
    snprintf(request, sizeof(request), "DELETE %s", whip.location);
    CHECK_EQ(whip_ask_as(&whip, &late, request, "", ""), 404);
    whip_close(&whip);
    client_free(&late);
}
