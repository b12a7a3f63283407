/* What comes late, fails, or is refused between a POST and the end of its session: the signaling
 * actor with its spawns held back, so that the test decides when which of them is answered, and
 * how. Sessions are puppets. */
#include "../services/media/signaling.h"
#include "unit/media_rig.h"

#define FORGE 0xf00du /* a message whose payload points to the event to be given instead */
#define HELD_MAX 8

/* What of the actor's outputs does not reach the runtime. */
struct hold {
    struct leat_output held[HELD_MAX]; /* spawns of sessions and groups */
    struct session_setup *setups[HELD_MAX];
    size_t len;
    uint32_t refuse; /* messages of this type */
    unsigned refused;
};

struct wrapped {
    struct signaling inner; /* first: the runtime knows it by its address */
};

static struct hold hold;

static const struct leat_behavior *inner(void)
{
    return &media_signaling_behavior;
}

static int wrapped_init(void *state, const void *arg, leat_time now)
{
    return inner()->init(state, arg, now);
}

static void wrapped_on_event(void *state, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == FORGE) {
        struct leat_event *forged;
        memcpy(&forged, event->payload, sizeof(forged));
        forged->now = event->now;
        inner()->on_event(state, forged);
        return;
    }
    inner()->on_event(state, event);
}

static bool is_held(const struct leat_output *out)
{
    return (out->kind == LEAT_OUTPUT_SPAWN || out->kind == LEAT_OUTPUT_SPAWN_GROUP ||
            out->kind == LEAT_OUTPUT_SPAWN_MEMBER) &&
           cookie_kind(out->cookie) != COOKIE_PORT;
}

static bool wrapped_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    while (inner()->pop_output(state, now, ret)) {
        if (is_held(ret)) {
            CHECK(hold.len < HELD_MAX);
            hold.held[hold.len] = *ret;
            if (ret->kind != LEAT_OUTPUT_SPAWN_GROUP) {
                memcpy(&hold.setups[hold.len], ret->spawn.arg, sizeof(hold.setups[0]));
            }
            hold.len++;
        } else if (ret->kind == LEAT_OUTPUT_SEND && hold.refuse != 0 && ret->type == hold.refuse) {
            hold.refused++;
            inner()->on_refused(state, ret, -EAGAIN);
        } else {
            return true;
        }
    }
    return false;
}

static void wrapped_on_refused(void *state, struct leat_output *output, int status)
{
    inner()->on_refused(state, output, status);
}

static leat_time wrapped_deadline(const void *state)
{
    return inner()->deadline(state);
}

static void wrapped_fini(void *state)
{
    inner()->fini(state);
}

static const struct leat_behavior wrapped_behavior = {
    .name = "wrapped",
    .state_size = sizeof(struct wrapped),
    .init = wrapped_init,
    .on_event = wrapped_on_event,
    .pop_output = wrapped_pop_output,
    .on_refused = wrapped_on_refused,
    .deadline = wrapped_deadline,
    .fini = wrapped_fini,
};

/* ---- a rig around it ---- */

static enum leat_media_verdict everybody_owns(void *context,
                                              const struct leat_media_question *question,
                                              char ret_stream[LEAT_MEDIA_STREAM_MAX + 1])
{
    (void)context;
    (void)question;
    (void)ret_stream;
    return LEAT_MEDIA_OWNER;
}

struct held {
    struct whip whip;
    struct client second;
    struct puppet puppets[4]; /* sessions and groups */
};

/* A session that does as it is told. */
static void session_event(struct puppet *puppet, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == SESSION_END) {
        leat_output_stop(puppet_put(puppet));
    }
}

static void held_open(struct held *held)
{
    struct leat_httpd_route routes[LEAT_MEDIA_ROUTES_MAX];
    struct leat_media_config config = whip_config();
    struct whip *whip = &held->whip;
    const struct leat_config runtime = rig_config();
    config.authorize = everybody_owns;
    memset(held, 0, sizeof(*held));
    memset(&hold, 0, sizeof(hold));
    rig_open(&whip->site.rig, &runtime);
    REQUIRE(leat_media_open(&config, &whip->media) == 0);
    REQUIRE(media_addresses_find(whip->media) == 0);
    whip->media->starter = leat_controller_ref(whip->site.rig.controller);
    REQUIRE(leat_spawn(whip->site.rig.controller, &wrapped_behavior, &whip->media,
                       sizeof(whip->media), 0, &whip->media->signaling) == 0);
    for (int i = 0; i < 4; i++) {
        held->puppets[i].on_event = session_event;
        rig_spawn(&whip->site.rig, &held->puppets[i]);
    }
    rig_run(&whip->site.rig, LEAT_MS);
    const size_t count = leat_media_routes(whip->media, routes, LEAT_MEDIA_ROUTES_MAX);
    const struct leat_httpd_config http = site_config(routes, count);
    site_open(&whip->site, &http);
    client_open(&whip->site, &whip->client);
    client_open(&whip->site, &held->second);
}

static void held_close(struct held *held)
{
    site_close(&held->whip.site);
    client_free(&held->whip.client);
    client_free(&held->second);
    for (int i = 0; i < 4; i++) {
        puppet_free(&held->puppets[i]);
    }
    leat_media_close(held->whip.media);
}

/* Answers the at-th spawn that was held: with the i-th puppet, or with an error. */
static void spawned(struct held *held, size_t at, int status, int puppet)
{
    struct leat_event event = {.kind = LEAT_EVENT_SPAWNED, .status = status};
    struct leat_event *pointer = &event;
    CHECK(at < hold.len);
    event.spawned.cookie = hold.held[at].cookie;
    event.spawned.child = status == 0 ? held->puppets[puppet].ref : LEAT_REF_NONE;
    if (status == 0) {
        session_setup_free(hold.setups[at]); /* as a session does */
    }
    CHECK_EQ(leat_send(held->whip.site.rig.controller, held->whip.media->signaling, FORGE, &pointer,
                       sizeof(pointer)),
             0);
    rig_run(&held->whip.site.rig, 50 * LEAT_MS);
}

static size_t told(const struct held *held, int puppet, uint32_t type)
{
    size_t n = 0;
    for (size_t i = 0; i < held->puppets[puppet].seen_len; i++) {
        const struct leat_event *event = &held->puppets[puppet].seen[i];
        n += event->kind == LEAT_EVENT_MESSAGE && event->type == type;
    }
    return n;
}

static unsigned publish(struct held *held, struct client *client)
{
    return whip_ask_as(&held->whip, client, "POST /whip/demo", SDP_TYPE, OFFER_SEND);
}

static unsigned watch(struct held *held, struct client *client)
{
    return whip_ask_as(&held->whip, client, "POST /whep/demo", SDP_TYPE, OFFER_RECV);
}

/* The status of an answer that has come meanwhile. */
static unsigned answer(const struct client *client)
{
    unsigned status = 0;
    (void)sscanf(client->text, "HTTP/1.1 %u", &status);
    return status;
}

/* ---- the answer comes when the session lives ---- */

TEST(media_signaling, a_post_is_answered_when_its_session_lives)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    REQUIRE(hold.len == 1);
    CHECK(hold.setups[0]->track_count == 2);
    CHECK_STR(hold.setups[0]->remote.ufrag, OFFER_UFRAG);
    spawned(&held, 0, 0, 0);
    CHECK_EQ(answer(&held.whip.client), 201);
    held_close(&held);
}

TEST(media_signaling, a_session_that_cannot_be_made_is_503_and_leaves_nothing)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    spawned(&held, 0, -ENOMEM, 0);
    CHECK_EQ(answer(&held.whip.client), 503);
    CHECK_FIELD(&held.whip, "Retry-After", "5");
    CHECK_EQ(whip_stats(&held.whip).streams, 0);
    CHECK_EQ(whip_stats(&held.whip).refused, 1);
    held_close(&held);
}

TEST(media_signaling, who_waits_for_a_group_is_told_that_there_is_none)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(watch(&held, &held.whip.client), 0);
    CHECK_EQ(watch(&held, &held.second), 0);
    CHECK_EQ(hold.len, 1); /* one group for both */
    spawned(&held, 0, -ENOSPC, 0);
    CHECK_EQ(answer(&held.whip.client), 503);
    CHECK_EQ(answer(&held.second), 503);
    CHECK_EQ(whip_stats(&held.whip).streams, 0);
    held_close(&held);
}

TEST(media_signaling, a_group_that_has_ended_is_made_again)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(watch(&held, &held.whip.client), 0);
    CHECK_EQ(watch(&held, &held.second), 0);
    spawned(&held, 0, 0, 0);
    REQUIRE(hold.len == 3);
    spawned(&held, 1, 0, 1);
    CHECK_EQ(answer(&held.whip.client) + answer(&held.second), 201);
    spawned(&held, 2, -ESRCH, 0);
    CHECK_EQ(answer(&held.whip.client) + answer(&held.second), 201 + 503);
    CHECK_EQ(watch(&held, &held.second), 0);
    REQUIRE(hold.len == 4);
    CHECK_EQ(hold.held[3].kind, LEAT_OUTPUT_SPAWN_GROUP);
    spawned(&held, 3, -ENOMEM, 0);
    CHECK_EQ(answer(&held.second), 503);
    CHECK_EQ(whip_stats(&held.whip).viewers, 1);
    held_close(&held);
}

/* ---- the client leaves ---- */

TEST(media_signaling, who_leaves_before_the_group_is_there_leaves_nothing)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(watch(&held, &held.whip.client), 0);
    CHECK_EQ(whip_stats(&held.whip).viewers, 1);
    client_reset(&held.whip.site, &held.whip.client);
    CHECK_EQ(whip_stats(&held.whip).viewers, 0);
    CHECK_EQ(whip_stats(&held.whip).streams, 0);
    spawned(&held, 0, 0, 0); /* a group for nobody */
    CHECK_EQ(held.puppets[0].finis, 1);
    held_close(&held);
}

TEST(media_signaling, the_session_of_who_has_left_ends_as_soon_as_it_lives)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    CHECK_EQ(publish(&held, &held.second), 0);
    client_reset(&held.whip.site, &held.whip.client);
    CHECK_EQ(whip_stats(&held.whip).publishers, 2);
    spawned(&held, 0, 0, 0);
    CHECK_EQ(told(&held, 0, SESSION_END), 1);
    CHECK_EQ(whip_stats(&held.whip).publishers, 1);
    spawned(&held, 1, 0, 1);
    CHECK_EQ(answer(&held.second), 201);
    CHECK_EQ(told(&held, 1, SESSION_END), 0);
    held_close(&held);
}

/* ---- two publishers ---- */

TEST(media_signaling, the_newer_publisher_wins_whoever_lives_first)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    CHECK_EQ(publish(&held, &held.second), 0);
    spawned(&held, 1, 0, 1);
    CHECK_EQ(answer(&held.second), 201);
    spawned(&held, 0, 0, 0);
    CHECK_EQ(answer(&held.whip.client), 409);
    CHECK_EQ(told(&held, 0, SESSION_END), 1);
    CHECK_EQ(told(&held, 1, SESSION_END), 0);
    CHECK_EQ(whip_stats(&held.whip).publishers, 1);
    CHECK_EQ(whip_stats(&held.whip).replaced, 1);
    held_close(&held);
}

TEST(media_signaling, a_newer_publisher_that_fails_leaves_the_older_one)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    spawned(&held, 0, 0, 0);
    whip_note(&held.whip, &held.whip.client);
    CHECK_EQ(publish(&held, &held.second), 0);
    spawned(&held, 1, -ENOMEM, 0);
    CHECK_EQ(answer(&held.second), 503);
    CHECK_EQ(told(&held, 0, SESSION_END), 0);
    CHECK_EQ(whip_session(&held.whip, "GET", "", ""), 204);
    CHECK_EQ(publish(&held, &held.second), 0); /* and a third one finds it to replace */
    spawned(&held, 2, 0, 1);
    CHECK_EQ(told(&held, 0, SESSION_END), 1);
    CHECK_EQ(whip_stats(&held.whip).publishers, 1);
    held_close(&held);
}

/* ---- full mailboxes ---- */

TEST(media_signaling, a_goodbye_that_was_refused_is_said_again)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    spawned(&held, 0, 0, 0);
    whip_note(&held.whip, &held.whip.client);
    hold.refuse = SESSION_END;
    CHECK_EQ(whip_session(&held.whip, "DELETE", "", ""), 200);
    rig_run(&held.whip.site.rig, 250 * LEAT_MS);
    CHECK(hold.refused >= 3);
    CHECK_EQ(told(&held, 0, SESSION_END), 0);
    CHECK_EQ(whip_session(&held.whip, "DELETE", "", ""), 404);
    hold.refuse = 0;
    rig_run(&held.whip.site.rig, 150 * LEAT_MS);
    CHECK_EQ(told(&held, 0, SESSION_END), 1);
    CHECK_EQ(whip_stats(&held.whip).streams, 0);
    held_close(&held);
}

TEST(media_signaling, rfc9725_4_3_3_a_restart_that_was_refused_changes_nothing)
{
    static const char restart[] = "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n";
    struct held held;
    char etag[40];
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    spawned(&held, 0, 0, 0);
    whip_note(&held.whip, &held.whip.client);
    strcpy(etag, held.whip.etag);
    hold.refuse = SESSION_RESTART;
    CHECK_EQ(whip_trickle(&held.whip, "*", restart), 503);
    CHECK_STR(held.whip.etag, etag);
    CHECK_EQ(whip_trickle(&held.whip, etag, "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"), 204);
    hold.refuse = 0;
    CHECK_EQ(whip_trickle(&held.whip, "*", restart), 200);
    CHECK(strcmp(held.whip.etag, etag) != 0);
    CHECK_EQ(told(&held, 0, SESSION_RESTART), 1);
    held_close(&held);
}

/* ---- what sessions tell ---- */

static void tell(struct held *held, uint32_t type, const void *payload, size_t len)
{
    CHECK_EQ(
        leat_send(held->whip.site.rig.controller, held->whip.media->signaling, type, payload, len),
        0);
    rig_run(&held->whip.site.rig, LEAT_MS);
}

TEST(media_signaling, the_list_shows_what_the_publisher_tells)
{
    struct held held;
    held_open(&held);
    CHECK_EQ(publish(&held, &held.whip.client), 0);
    struct session_state state = {.session = hold.setups[0]->session,
                                  .state = {.width = 640, .height = 480, .live = 1}};
    spawned(&held, 0, 0, 0);
    tell(&held, SESSION_CONNECTED, &state.session, sizeof(state.session));
    tell(&held, SESSION_STATE, &state, sizeof(state));
    tell(&held, SESSION_STATE, "abc", 3);
    tell(&held, SESSION_FLOWING, "abcdefghij", 10); /* of no session */
    CHECK_EQ(whip_ask(&held.whip, "GET /streams", "", ""), 200);
    CHECK_HAS(&held.whip.client, "\"live\":true,");
    CHECK_HAS(&held.whip.client, "\"width\":640,\"height\":480}");
    held_close(&held);
}
