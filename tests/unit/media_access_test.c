/* Who may do what: tokens, origins, hosts, limits, and who has a stream. */
#include "unit/media_rig.h"

/* ---- tokens ---- */

/* "demo" has the token "pub" and viewers that need "view"; "open" may be watched by anybody. */
static enum leat_media_verdict judge(void *context, const struct leat_media_question *question,
                                     char ret_stream[LEAT_MEDIA_STREAM_MAX + 1])
{
    unsigned *asked = context;
    (*asked)++;
    if (question->stream.len == 0) {
        const bool is_demo = leat_http_str_equal(
            question->token, question->use == LEAT_MEDIA_PUBLISH ? "pub" : "view");
        strcpy(ret_stream, leat_http_str_equal(question->token, "bad") ? "no/name" : "demo");
        return is_demo                                       ? LEAT_MEDIA_OWNER
               : leat_http_str_equal(question->token, "bad") ? LEAT_MEDIA_ALLOW
                                                             : LEAT_MEDIA_DENY;
    }
    if (leat_http_str_equal(question->stream, "open") && question->use != LEAT_MEDIA_PUBLISH) {
        return LEAT_MEDIA_ALLOW;
    }
    if (question->token.data == NULL) {
        return LEAT_MEDIA_DENY;
    }
    if (leat_http_str_equal(question->token, "pub")) {
        return question->use == LEAT_MEDIA_VIEW ? LEAT_MEDIA_DENY : LEAT_MEDIA_OWNER;
    }
    return leat_http_str_equal(question->token, "view") && question->use == LEAT_MEDIA_VIEW
               ? LEAT_MEDIA_ALLOW
               : LEAT_MEDIA_DENY;
}

#define PUB "Authorization: Bearer pub\r\n"
#define VIEW "Authorization: Bearer view\r\n"

static unsigned asked;

static void judged_open(struct whip *whip)
{
    struct leat_media_config config = whip_config();
    config.authorize = judge;
    config.authorize_context = &asked;
    asked = 0;
    whip_open_with(whip, &config, 1);
}

TEST(media_access, rfc9725_4_7_1_without_the_token_401_and_how)
{
    struct whip whip;
    judged_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 401);
    CHECK_FIELD(&whip, "WWW-Authenticate", "Bearer realm=\"leat\"");
    CHECK_FIELD(&whip, "Content-Type", "application/problem+json");
    CHECK_EQ(whip_publish(&whip, "demo", "Authorization: Bearer nonsense\r\n"), 401);
    CHECK_FIELD(&whip, "WWW-Authenticate", "Bearer realm=\"leat\", error=\"invalid_token\"");
    CHECK_EQ(whip_publish(&whip, "demo", VIEW), 401);
    CHECK_EQ(whip_publish(&whip, "demo", "Authorization: bEARER pub\r\n"), 201);
    CHECK_EQ(whip_watch(&whip, "demo", PUB), 401);
    CHECK_EQ(whip_watch(&whip, "demo", VIEW), 201);
    CHECK_EQ(whip_watch(&whip, "open", ""), 201);
    CHECK_EQ(whip_ask(&whip, "GET /whip/demo", "", ""), 401);
    CHECK_EQ(whip_ask(&whip, "OPTIONS /whip/demo", "", ""), 401);
    CHECK_EQ(whip_stats(&whip).posts, 7); /* not the last two */
    CHECK_EQ(whip_stats(&whip).refused, 4);
    whip_close(&whip);
}

TEST(media_access, rfc6750_2_1_other_schemes_and_broken_ones_are_401)
{
    static const char *const broken[] = {
        "Authorization: Basic cHViOnB1Yg==\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer p ub\r\n",
        "Authorization: Bearer p\"ub\r\n",
        "Authorization: pub\r\n",
        "Authorization: Bearer pub, Bearer pub\r\n",
        PUB PUB,
    };
    struct whip whip;
    judged_open(&whip);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        CHECK_EQ(whip_publish(&whip, "demo", broken[i]), 401);
        CHECK_FIELD(&whip, "WWW-Authenticate", "Bearer realm=\"leat\"");
    }
    CHECK_EQ(asked, 0);
    whip_close(&whip);
}

TEST(media_access, rfc9725_4_7_1_each_request_to_a_session_needs_it_but_preflights)
{
    struct whip whip;
    judged_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", PUB), 201);
    CHECK_EQ(whip_session(&whip, "GET", "", ""), 401);
    CHECK_EQ(whip_session(&whip, "PATCH", FRAGMENT_TYPE "If-Match: *\r\n", "a=x\r\n"), 401);
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 401);
    CHECK_EQ(whip_session(&whip, "DELETE", VIEW, ""), 401);
    CHECK_EQ(whip_session(&whip, "OPTIONS",
                          "Origin: http://localhost\r\nAccess-Control-Request-Method: PATCH\r\n",
                          ""),
             200);
    CHECK_EQ(whip_session(&whip, "DELETE", PUB, ""), 200);
    whip_close(&whip);
}

TEST(media_access, a_token_names_the_stream_of_the_endpoint)
{
    struct whip whip;
    judged_open(&whip);
    CHECK_EQ(whip_publish(&whip, "endpoint", ""), 401);
    CHECK_EQ(whip_publish(&whip, "endpoint", "Authorization: Bearer bad\r\n"), 401);
    CHECK_EQ(whip_publish(&whip, "endpoint", PUB), 201);
    CHECK(strncmp(whip.location, "/whip/demo/", 11) == 0);
    CHECK_EQ(whip_session(&whip, "DELETE", PUB, ""), 200);
    CHECK_EQ(whip_watch(&whip, "endpoint", VIEW), 201);
    CHECK(strncmp(whip.location, "/whep/demo/", 11) == 0);
    whip_close(&whip);
}

TEST(media_access, without_tokens_the_value_is_the_name_or_demo)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "endpoint", ""), 201);
    CHECK(strncmp(whip.location, "/whip/demo/", 11) == 0);
    CHECK_EQ(whip_publish(&whip, "endpoint", "Authorization: Bearer mine.1\r\n"), 201);
    CHECK(strncmp(whip.location, "/whip/mine.1/", 13) == 0);
    CHECK_EQ(whip_publish(&whip, "endpoint", "Authorization: Bearer a+b\r\n"), 400);
    CHECK_EQ(whip_publish(&whip, "endpoint", "Authorization: Bearer endpoint\r\n"), 400);
    whip_close(&whip);
}

TEST(media_access, names_of_streams_are_short_and_plain)
{
    struct whip whip;
    char name[70];
    whip_open(&whip);
    memset(name, 'a', sizeof(name));
    name[64] = '\0';
    CHECK_EQ(whip_publish(&whip, name, ""), 201);
    name[64] = 'a';
    name[65] = '\0';
    CHECK_EQ(whip_publish(&whip, name, ""), 404);
    CHECK_EQ(whip_publish(&whip, "a%41", ""), 404);
    CHECK_EQ(whip_publish(&whip, "a~b", ""), 404);
    CHECK_EQ(whip_publish(&whip, "A-Z_0.9", ""), 201);
    whip_close(&whip);
}

/* ---- origins and hosts ---- */

TEST(media_access, cors_is_for_loopback_and_for_the_origins_named)
{
    static const char *const origins[] = {"https://example.org"};
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.origins = origins;
    config.origin_count = 1;
    whip_open_with(&whip, &config, 1);
    CHECK_EQ(whip_publish(&whip, "a", "Origin: https://example.org\r\n"), 201);
    CHECK_FIELD(&whip, "Access-Control-Allow-Origin", "https://example.org");
    CHECK_EQ(whip_publish(&whip, "b", "Origin: https://example.org.evil\r\n"), 201);
    CHECK_NO(&whip, "Access-Control-");
    CHECK_FIELD(&whip, "Vary", "Origin");
    CHECK_EQ(whip_publish(&whip, "b", "Origin: null\r\n"), 409);
    CHECK_NO(&whip, "Access-Control-");
    CHECK_EQ(whip_publish(&whip, "b", "Origin: https://sub.localhost:8443\r\n"), 409);
    CHECK_FIELD(&whip, "Access-Control-Allow-Origin", "https://sub.localhost:8443");
    CHECK_HAS(&whip.client, "Access-Control-Expose-Headers: "); /* errors too */
    CHECK_EQ(whip_ask(&whip, "OPTIONS /whip/a",
                      "Origin: https://evil\r\nAccess-Control-Request-Method: POST\r\n", ""),
             200);
    CHECK_NO(&whip, "Access-Control-");
    whip_close(&whip);
}

TEST(media_access, a_star_is_for_every_origin)
{
    static const char *const origins[] = {"*"};
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.origins = origins;
    config.origin_count = 1;
    whip_open_with(&whip, &config, 1);
    CHECK_EQ(whip_publish(&whip, "a", "Origin: https://anybody\r\n"), 201);
    CHECK_FIELD(&whip, "Access-Control-Allow-Origin", "*");
    whip_close(&whip);
}

TEST(media_access, only_loopback_hosts_against_rebinding)
{
    static const struct {
        const char *host;
        bool is_good;
    } hosts[] = {
        {"localhost", true},       {"localhost:8080", true}, {"LocalHost", true},
        {"a.localhost:1", true},   {"127.0.0.1:8080", true}, {"127.8.9.10", true},
        {"[::1]", true},           {"[::1]:8080", true},     {"evil.org", false},
        {"localhost.evil", false}, {"evillocalhost", false}, {".localhost", false},
        {"127.0.0.1.evil", false}, {"128.0.0.1", false},     {"[::2]", false},
        {"0.0.0.0", false},        {"2130706433", false},    {"[::127.0.0.1]", false},
    };
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.loopback_hosts = true;
    whip_open_with(&whip, &config, 1);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char fields[100];
        snprintf(fields, sizeof(fields), "Host: %s\r\n", hosts[i].host);
        CHECK_THAT_(whip_ask(&whip, "GET /whip/demo", fields, "") == (hosts[i].is_good ? 204 : 403),
                    "%s: %s", hosts[i].host, whip.client.text);
    }
    whip_close(&whip);
}

/* ---- who has the stream ---- */

TEST(media_access, the_owner_takes_over_at_once)
{
    struct whip whip;
    char first[160];
    judged_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", PUB), 201);
    strcpy(first, whip.location);
    CHECK_EQ(whip_publish(&whip, "demo", PUB), 201);
    CHECK(strcmp(first, whip.location) != 0);
    rig_run(&whip.site.rig, LEAT_SEC);
    CHECK_EQ(whip_stats(&whip).replaced, 1);
    CHECK_EQ(whip_stats(&whip).publishers, 1);
    CHECK_EQ(whip_session(&whip, "GET", PUB, ""), 204);
    snprintf(whip.location, sizeof(whip.location), "%s", first);
    CHECK_EQ(whip_session(&whip, "GET", PUB, ""), 404);
    whip_close(&whip);
}

TEST(media_access, anybody_else_only_from_who_has_been_silent_for_2_s)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 409);
    CHECK_FIELD(&whip, "Retry-After", "2");
    rig_run(&whip.site.rig, LEAT_SEC);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 409);
    rig_run(&whip.site.rig, 1100 * LEAT_MS);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201); /* that one never sent anything */
    CHECK_EQ(whip_publish(&whip, "demo", ""), 409);
    rig_run(&whip.site.rig, LEAT_SEC);
    CHECK_EQ(whip_stats(&whip).publishers, 1);
    CHECK_EQ(whip_stats(&whip).replaced, 1);
    whip_close(&whip);
}

/* ---- limits ---- */

static void check_503(struct whip *whip, unsigned status)
{
    CHECK_EQ(status, 503);
    CHECK_FIELD(whip, "Retry-After", "5");
    CHECK_FIELD(whip, "Content-Type", "application/problem+json");
}

TEST(media_access, rfc9725_4_5_limits_are_503_and_when_to_come_back)
{
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.sessions_max = 5;
    config.stream_sessions_max = 3;
    config.streams_max = 2;
    whip_open_with(&whip, &config, 1);
    CHECK_EQ(whip_publish(&whip, "a", ""), 201);
    CHECK_EQ(whip_watch(&whip, "a", ""), 201);
    CHECK_EQ(whip_watch(&whip, "a", ""), 201);
    check_503(&whip, whip_watch(&whip, "a", ""));
    CHECK_EQ(whip_publish(&whip, "b", ""), 201);
    check_503(&whip, whip_publish(&whip, "c", ""));
    CHECK_EQ(whip_watch(&whip, "b", ""), 201);
    check_503(&whip, whip_watch(&whip, "b", ""));
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 200);
    rig_run(&whip.site.rig, LEAT_SEC);
    CHECK_EQ(whip_watch(&whip, "b", ""), 201);
    CHECK_EQ(whip_stats(&whip).refused, 3);
    CHECK_EQ(whip_stats(&whip).posts, 9);
    whip_close(&whip);
}

TEST(media_access, a_full_stream_still_takes_a_publisher_over)
{
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.authorize = judge;
    config.authorize_context = &asked;
    config.stream_sessions_max = 2;
    whip_open_with(&whip, &config, 1);
    CHECK_EQ(whip_publish(&whip, "demo", PUB), 201);
    CHECK_EQ(whip_watch(&whip, "demo", VIEW), 201);
    CHECK_EQ(whip_publish(&whip, "demo", PUB), 201);
    check_503(&whip, whip_watch(&whip, "demo", VIEW));
    whip_close(&whip);
}

TEST(media_access, an_address_may_have_so_many)
{
    struct whip whip;
    struct leat_media_config config = whip_config();
    config.address_sessions_max = 2;
    whip_open_with(&whip, &config, 1);
    CHECK_EQ(whip_publish(&whip, "a", ""), 201);
    CHECK_EQ(whip_publish(&whip, "b", ""), 201);
    check_503(&whip, whip_watch(&whip, "a", ""));
    whip_close(&whip);
}

/* ---- the list ---- */

TEST(media_access, the_list_shows_what_may_be_shown)
{
    struct whip whip;
    judged_open(&whip);
    CHECK_EQ(whip_ask(&whip, "GET /streams", "", ""), 200);
    CHECK_FIELD(&whip, "Content-Type", "application/json");
    CHECK_HAS(&whip.client, "\r\n\r\n[]");
    CHECK_EQ(whip_publish(&whip, "open", PUB), 201);
    CHECK_EQ(whip_publish(&whip, "demo", PUB), 201);
    CHECK_EQ(whip_watch(&whip, "open", ""), 201);
    CHECK_EQ(whip_ask(&whip, "GET /streams", "Origin: http://localhost\r\n", ""), 200);
    CHECK_FIELD(&whip, "Access-Control-Allow-Origin", "http://localhost");
    CHECK_HAS(&whip.client, "[{\"name\":\"open\",\"live\":false,\"viewers\":1,\"audio\":\"opus\","
                            "\"video\":\"VP8\"}]");
    CHECK_EQ(whip_ask(&whip, "GET /streams", PUB, ""), 200);
    CHECK_HAS(&whip.client, "[{\"name\":\"demo\",");
    whip_close(&whip);
}

/* ---- the end ---- */

TEST(media_access, at_shutdown_everybody_is_sent_away_and_nobody_let_in)
{
    struct whip whip;
    whip_open(&whip);
    CHECK_EQ(whip_publish(&whip, "demo", ""), 201);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(whip_watch(&whip, "demo", ""), 201);
    }
    whip_close(&whip); /* checks that no actor is left, and no message lost */
}

TEST(media_access, settings_that_are_wrong)
{
    static const char *const bad_origin[] = {"https://a\r\nX: y"};
    struct leat_media_config config = whip_config();
    leat_media *media = NULL;
    config.workers = 0;
    CHECK_EQ(leat_media_open(&config, &media), -EINVAL);
    config = whip_config();
    config.sessions_max = 0;
    CHECK_EQ(leat_media_open(&config, &media), -EINVAL);
    config = whip_config();
    config.expire_ns = 31 * LEAT_SEC;
    CHECK_EQ(leat_media_open(&config, &media), -EINVAL);
    config = whip_config();
    config.origins = bad_origin;
    config.origin_count = 1;
    CHECK_EQ(leat_media_open(&config, &media), -EINVAL);
    config = whip_config();
    config.local.port = 65535;
    config.workers = 2;
    config.port_each = true;
    CHECK_EQ(leat_media_open(&config, &media), -EINVAL);
    CHECK(media == NULL);
    leat_media_close(NULL);
}

TEST(media_access, the_starter_hears_why_a_port_cannot_open)
{
    struct rig rig;
    const struct leat_config runtime = rig_config();
    struct leat_media_config config = whip_config();
    leat_media *media;
    rig_open(&rig, &runtime);
    config.workers = 2; /* the runtime has one */
    REQUIRE(leat_media_open(&config, &media) == 0);
    REQUIRE(leat_media_start(media, rig.controller) == 0);
    rig_run(&rig, LEAT_MS);
    CHECK_EQ(rig_last(&rig).kind, LEAT_EVENT_DOWN);
    CHECK_EQ(rig_last(&rig).status, -EINVAL);
    rig_close(&rig);
    leat_media_close(media);
}

TEST(media_access, workers_share_a_port_with_nobody_else)
{
    struct whip whip;
    leat_media *second;
    struct leat_media_config config = whip_config();
    config.workers = 2;
    config.local.port = 40000;
    whip_open_with(&whip, &config, 2);
    REQUIRE(leat_media_open(&config, &second) == 0);
    REQUIRE(leat_media_start(second, whip.site.rig.controller) == 0);
    rig_run(&whip.site.rig, LEAT_MS);
    const struct leat_event event = rig_last(&whip.site.rig);
    CHECK(event.kind == LEAT_EVENT_DOWN && event.status == -EADDRINUSE);
    whip_close(&whip);
    leat_media_close(second);
}
