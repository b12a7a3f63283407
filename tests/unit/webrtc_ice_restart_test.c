/* ICE restarts: the old pair flows on, and its checks are answered, until the new credentials
 * nominate; then only these count. */
#include "webrtc_ice_rig.h"

#include <errno.h>

static struct rig rig, *const r = &rig;

static struct ice_client next_client(const char *local, const char *remote)
{
    return (struct ice_client){
        .local = ice_credentials(local, "CLIENTCLIENTCLIENTCLIENT"),
        .remote = ice_credentials(remote, "SERVERSERVERSERVERSERVER"),
        .tie_breaker = 6,
        .checks = 1000000,
    };
}

/* Restarts for this client; the one before is returned. */
static struct ice_client restart(struct ice_client client)
{
    const struct ice_client before = r->client;
    REQUIRE(leat_ice_restart(r->ice, &client.remote, &client.local) == 0);
    rig_drain(r);
    r->client = client;
    return before;
}

/* A check of another client than the rig's; whether it was answered with that one's password. */
static bool is_answered(struct ice_client *client, unsigned n, bool nominate)
{
    struct leat_stun_message message;
    const struct ice_client mine = r->client;
    r->client = *client;
    rig_check(r, n, nominate);
    *client = r->client;
    r->client = mine;
    return rig_find(r, n, false, &message) && message.kind == LEAT_STUN_SUCCESS &&
           leat_stun_verify(&message, client->remote.pwd, strlen(client->remote.pwd));
}

TEST(ice_restart, the_old_pair_flows_until_the_new_nominates)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    REQUIRE(rig_verify(r, 2, false));
    struct ice_client before = restart(next_client("newc", "news"));
    CHECK_EQ(r->events_len, 0);
    CHECK_EQ(rig_selected(r), 1);
    CHECK(is_answered(&before, 1, false));
    REQUIRE(rig_verify(r, 3, false)); /* new ones that do not nominate */
    CHECK_EQ(rig_selected(r), 1);
    rig_check(r, 4, true);
    CHECK_EQ(rig_selected(r), 1);
    CHECK(leat_ice_allow(r->ice, 1000000));
    REQUIRE(rig_answer(r, 4)); /* with the new password: the rig looks */
    CHECK_EQ(rig_events(r, LEAT_ICE_SELECTED, 4), 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_RESTARTED, 4), 1);
    CHECK(rig_events(r, LEAT_ICE_DROPPED, 1) == 1 && rig_events(r, LEAT_ICE_DROPPED, 2) == 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_DROPPED, -1), 2);
    CHECK_EQ(rig_selected(r), 4);
    CHECK(!is_answered(&before, 1, true)); /* forgotten */
    CHECK_EQ(r->sent_len + r->events_len, 0);
    CHECK_EQ(rig_counters(r)->unknown_ufrag, 1);
    rig_check(r, 3, true);
    CHECK_EQ(rig_selected(r), 3);
    CHECK_EQ(rig_events(r, LEAT_ICE_RESTARTED, -1), 0); /* once */
    rig_close(r);
}

TEST(ice_restart, silence_of_the_old_pair_nominates_nothing)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    struct ice_client before = restart(next_client("newc", "news"));
    rig_wait(r, 12 * LEAT_SEC);
    REQUIRE(rig_verify(r, 2, false));
    rig_check(r, 2, false);
    CHECK_EQ(rig_selected(r), 1);
    CHECK(is_answered(&before, 1, false)); /* the old credentials are not forgotten */
    rig_close(r);
}

TEST(ice_restart, on_the_address_that_is_in_use)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    (void)restart(next_client("newc", "news"));
    rig_check(r, 1, false); /* is verified already: not asked again */
    CHECK(r->sent_len == 1 && r->events_len == 0);
    rig_check(r, 1, true);
    CHECK(r->events_len == 1 && rig_events(r, LEAT_ICE_RESTARTED, 1) == 1);
    CHECK_EQ(rig_selected(r), 1);
    rig_close(r);
}

TEST(ice_restart, old_nominations_count_until_the_new_nominates)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    REQUIRE(rig_verify(r, 2, false));
    struct ice_client before = restart(next_client("newc", "news"));
    CHECK(is_answered(&before, 2, true));
    CHECK_EQ(rig_selected(r), 2);
    rig_check(r, 3, true); /* nominated by the new, not verified yet */
    const struct rig_sent asked = r->sent[1];
    CHECK(is_answered(&before, 1, true));
    CHECK_EQ(rig_selected(r), 2);
    r->sent[0] = asked;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 3));
    CHECK_EQ(rig_selected(r), 3);
    rig_close(r);
}

/* Asked with one password, it answers after the restart; or it has the other by then. */
TEST(ice_restart, an_address_that_is_asked_meanwhile)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    rig_check(r, 2, false);
    const struct rig_sent asked = r->sent[1];
    const struct ice_client before = restart(next_client("newc", "news"));
    const struct ice_client after = r->client;
    r->client = before;
    r->sent[0] = asked;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 2));
    CHECK_EQ(rig_events(r, LEAT_ICE_VERIFIED, 2), 1);
    rig_check(r, 3, false);
    r->client = after;
    rig_check(r, 3, true); /* the new credentials come from there too: asked anew, with these */
    REQUIRE(rig_answer(r, 3));
    CHECK_EQ(rig_events(r, LEAT_ICE_VERIFIED, 3), 1);
    CHECK_EQ(rig_selected(r), 3);
    rig_close(r);
}

TEST(ice_restart, again_before_the_first_was_done)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    struct ice_client first = restart(next_client("newc", "news"));
    REQUIRE(rig_verify(r, 2, false));
    rig_check(r, 3, true);
    struct ice_client second = next_client("newd", "newt");
    REQUIRE(leat_ice_restart(r->ice, &second.remote, &second.local) == 0);
    rig_drain(r);
    CHECK(rig_events(r, LEAT_ICE_DROPPED, 2) == 1 && rig_events(r, LEAT_ICE_DROPPED, 3) == 1);
    CHECK(is_answered(&first, 1, false));
    CHECK(!is_answered(&r->client, 2, true));
    CHECK_EQ(r->sent_len + r->events_len, 0);
    CHECK_EQ(rig_selected(r), 1);
    r->client = second;
    REQUIRE(rig_verify(r, 4, true));
    CHECK_EQ(rig_events(r, LEAT_ICE_RESTARTED, 4), 1);
    CHECK_EQ(rig_selected(r), 4);
    rig_close(r);
}

TEST(ice_restart, again_while_the_selected_one_is_asked_with_what_is_forgotten)
{
    rig_open(r);
    rig_check(r, 1, true);
    (void)restart(next_client("newc", "news"));
    struct ice_client forgotten = r->client;
    CHECK(rig_admit(r, 1, 1000));
    rig_check(r, 1, false); /* is asked with "newc" now */
    const struct rig_sent asked = r->sent[1];
    (void)restart(next_client("newd", "newt"));
    const struct ice_client latest = r->client;
    r->client = forgotten;
    r->sent[0] = asked;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 1));
    CHECK_EQ(rig_events(r, LEAT_ICE_VERIFIED, -1), 0);
    r->client = latest;
    REQUIRE(rig_verify(r, 1, true));
    CHECK_EQ(rig_events(r, LEAT_ICE_VERIFIED, 1), 1);
    rig_close(r);
}

TEST(ice_restart, before_anybody_came)
{
    rig_open(r);
    (void)restart(next_client("newc", "news"));
    rig_check(r, 1, false);
    CHECK_EQ(rig_events(r, LEAT_ICE_SELECTED, 1), 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_RESTARTED, 1), 1);
    rig_close(r);
}

/* The old path dies before the new one is nominated. */
TEST(ice_restart, the_old_path_falls_silent)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    rig_wait(r, 10 * LEAT_SEC);
    (void)restart(next_client("newc", "news"));
    REQUIRE(rig_verify(r, 2, false));
    CHECK_EQ(rig_selected(r), 1);
    rig_wait(r, 20 * LEAT_SEC);
    CHECK_EQ(rig_events(r, LEAT_ICE_SELECTED, 2), 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_RESTARTED, 2), 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_DROPPED, 1), 1);
    CHECK_EQ(rig_selected(r), 2);
    rig_close(r);
}

TEST(ice_restart, credentials_that_are_no_good)
{
    struct leat_ice_credentials bad = {.ufrag = "abc"}, other;
    rig_open(r);
    const struct leat_ice_credentials good = r->client.local;
    other = ice_credentials("othr", "otherotherotherotherother");
    CHECK_EQ(leat_ice_restart(r->ice, &bad, &good), -EINVAL);
    CHECK_EQ(leat_ice_restart(r->ice, &other, &bad), -EINVAL);
    CHECK_EQ(leat_ice_restart(r->ice, &r->client.remote, &good), -EINVAL); /* in use */
    CHECK_EQ(leat_ice_restart(r->ice, &other, &good), 0);
    CHECK_EQ(leat_ice_restart(r->ice, &other, &good), -EINVAL);
    CHECK_EQ(leat_ice_restart(r->ice, &r->client.remote, &good), -EINVAL);
    REQUIRE(rig_verify(r, 1, true)); /* nothing was spoilt */
    rig_wait(r, 30 * LEAT_SEC);
    CHECK_EQ(rig_events(r, LEAT_ICE_EXPIRED, 1), 1);
    other = ice_credentials("last", "otherotherotherotherother");
    CHECK_EQ(leat_ice_restart(r->ice, &other, &good), -ENOTCONN);
    rig_close(r);
}
