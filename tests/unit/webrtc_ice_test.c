/* The ICE-lite agent packet by packet: checks and answers, addresses that are proven and those that
 * are not, nomination, silence. Virtual time. */
#include "webrtc_ice_rig.h"

#include <errno.h>

static struct rig rig, *const r = &rig;

/* ---- checks ---- */

TEST(ice, a_check_is_answered_and_asked_back)
{
    struct leat_stun_message message;
    const struct leat_addr from = ice_addr(1);
    rig_open(r);
    CHECK_EQ(rig_selected(r), -1);
    CHECK(!leat_ice_allow(r->ice, 1));
    rig_check(r, 1, false);
    REQUIRE(rig_find(r, 1, false, &message));
    CHECK_EQ(message.kind, LEAT_STUN_SUCCESS);
    CHECK(message.fingerprint && leat_addr_equal(&message.mapped, &from));
    CHECK(leat_stun_verify(&message, r->client.remote.pwd, strlen(r->client.remote.pwd)));
    const uint32_t number = r->client.checks;
    CHECK(memcmp(message.transaction + 8, &number, 4) == 0);

    const struct rig_sent *const asked = rig_find(r, 1, true, &message);
    REQUIRE(asked);
    CHECK(ice_client_accepts(&r->client, asked->data, asked->len, &message));
    CHECK(message.tie_breaker == 77 && message.priority >> 24 == 110);
    CHECK_EQ(r->sent_len, 2);
    for (size_t i = 0; i < r->sent_len; i++) { /* from where it was asked */
        CHECK(leat_addr_equal(&r->sent[i].tuple.local, &r->server));
    }
    CHECK(r->events_len == 2 && rig_events(r, LEAT_ICE_ADDED, 1) == 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_SELECTED, 1), 1);
    CHECK_EQ(rig_selected(r), 1);

    REQUIRE(rig_answer(r, 1));
    CHECK(r->events_len == 1 && rig_events(r, LEAT_ICE_VERIFIED, 1) == 1);
    CHECK_EQ(r->sent_len, 0);
    CHECK(leat_ice_allow(r->ice, 1000000000));
    rig_check(r, 1, true); /* the next are only answered */
    CHECK_EQ(r->sent_len, 1);
    CHECK_EQ(r->events_len, 0);
    const struct leat_ice_counters *const c = rig_counters(r);
    CHECK(c->requests == 2 && c->answered == 2 && c->verified == 1 && c->moved == 0);
    rig_close(r);
}

TEST(ice, ipv6_and_an_unknown_local_address)
{
    uint8_t data[512];
    struct leat_stun_message message;
    const struct leat_addr from = ice_addr(300), nowhere = {0};
    rig_open(r);
    const size_t len = ice_client_check(&r->client, true, data, sizeof(data));
    r->in[300] += len;
    leat_ice_receive(r->ice, r->now, &from, NULL, data, len);
    rig_drain(r);
    REQUIRE(rig_find(r, 300, false, &message));
    CHECK(leat_addr_equal(&message.mapped, &from) && !leat_addr_is_v4(&message.mapped));
    CHECK(leat_addr_equal(&r->sent[0].tuple.local, &nowhere));
    CHECK(leat_ice_admit(r->ice, &from, NULL, 10));
    CHECK(!rig_admit(r, 300, 10)); /* another path */
    rig_close(r);
}

TEST(ice, a_route_may_change_its_interface)
{
    struct leat_ice_tuple tuple;
    rig_open(r);
    r->server.scope_id = 2;
    CHECK(rig_verify(r, 1, true));
    r->server.scope_id = 3;
    rig_check(r, 1, true);
    CHECK_EQ(r->events_len, 0);
    REQUIRE(leat_ice_selected(r->ice, &tuple));
    CHECK_EQ(tuple.local.scope_id, 3);
    CHECK_EQ(r->sent[0].tuple.local.scope_id, 3);
    r->server.port++; /* another path */
    rig_check(r, 1, false);
    CHECK_EQ(rig_events(r, LEAT_ICE_ADDED, 1), 1);
    rig_close(r);
}

/* Strangers, and those who only know a part. */
TEST(ice, what_is_not_authentic_gets_no_answer)
{
    static const uint8_t transaction[LEAT_STUN_TRANSACTION_LEN];
    const struct leat_ice_credentials good = {.ufrag = "serv1234",
                                              .pwd = "serverserverserverserver"};
    struct leat_stun_writer writer;
    uint8_t data[512];
    rig_open(r);
    r->client.remote = ice_credentials("serv1234", "serverserverserverserveR");
    rig_check(r, 1, true);
    CHECK_EQ(rig_counters(r)->bad_integrity, 1);
    r->client.remote = ice_credentials("serv123", good.pwd);
    rig_check(r, 1, true);
    CHECK_EQ(rig_counters(r)->unknown_ufrag, 1);
    r->client.remote = good;
    size_t len = ice_client_check(&r->client, true, data, sizeof(data));
    for (size_t cut = 0; cut < len; cut++) {
        rig_receive(r, 1, data, cut);
        CHECK_EQ(r->sent_len + r->events_len, 0);
    }
    CHECK_EQ(rig_counters(r)->malformed, len);
    for (size_t bit = 0; bit < 8 * (len - 8); bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        rig_receive(r, 1, data, len);
        CHECK_EQ(r->sent_len + r->events_len, 0);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    static const char *const keys[] = {NULL, "", "clientclientclientclient"};
    for (int i = 0; i < 3; i++) {
        leat_stun_begin(&writer, data, sizeof(data), LEAT_STUN_REQUEST, LEAT_STUN_BINDING,
                        transaction);
        leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, "serv1234:clnt", 13);
        REQUIRE(leat_stun_end(&writer, keys[i], keys[i] ? strlen(keys[i]) : 0, &len) == 0);
        rig_receive(r, 1, data, len);
        CHECK_EQ(r->sent_len + r->events_len, 0);
    }
    leat_stun_begin(&writer, data, sizeof(data), LEAT_STUN_INDICATION, LEAT_STUN_BINDING,
                    transaction);
    REQUIRE(leat_stun_end(&writer, good.pwd, strlen(good.pwd), &len) == 0);
    rig_receive(r, 1, data, len);
    CHECK_EQ(r->sent_len + r->events_len, 0);
    CHECK_EQ(rig_counters(r)->answered, 0);
    CHECK_EQ(rig_counters(r)->stray, 1);
    CHECK_EQ(rig_selected(r), -1);
    rig_close(r);
}

/* An authentic request with these attributes; the code of the answer. */
static unsigned refused(struct rig *rig_of, unsigned from, const uint16_t *types,
                        const size_t *lens, size_t count)
{
    static const uint8_t transaction[LEAT_STUN_TRANSACTION_LEN] = {9}, zeros[64];
    const char *const pwd = rig_of->client.remote.pwd;
    struct leat_stun_message message;
    struct leat_stun_writer writer;
    uint8_t data[512];
    size_t len;
    leat_stun_begin(&writer, data, sizeof(data), LEAT_STUN_REQUEST, LEAT_STUN_BINDING, transaction);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, "serv1234:x", 10);
    for (size_t i = 0; i < count; i++) {
        leat_stun_put(&writer, types[i], zeros, lens[i]);
    }
    REQUIRE(leat_stun_end(&writer, pwd, strlen(pwd), &len) == 0);
    rig_receive(rig_of, from, data, len);
    CHECK_EQ(rig_of->events_len, 0);
    if (!rig_find(rig_of, from, false, &message)) {
        return 0;
    }
    CHECK_EQ(rig_of->sent_len, 1);
    CHECK_EQ(message.kind, LEAT_STUN_ERROR);
    CHECK(message.fingerprint && leat_stun_verify(&message, pwd, strlen(pwd)));
    CHECK(memcmp(message.transaction, transaction, sizeof(transaction)) == 0);
    CHECK(rig_of->sent[0].len <= 3 * len);
    return message.error_code;
}

TEST(ice, authentic_requests_are_refused_in_words)
{
    static const uint16_t unknown[] = {0x7f00, 0xc057, 0x7f01};
    static const uint16_t roles[] = {LEAT_STUN_ATTR_ICE_CONTROLLED, LEAT_STUN_ATTR_ICE_CONTROLLING};
    static const uint16_t many[] = {0x4001, 0x4002, 0x4003, 0x4004, 0x4005,
                                    0x4006, 0x4007, 0x4008, 0x4009};
    static const size_t eights[9] = {8, 8, 8, 8, 8, 8, 8, 8, 8}, none[9], three[] = {3};
    rig_open(r);
    for (int known = 0; known < 2; known++) { /* from a tuple that is not, and one that is */
        CHECK_EQ(refused(r, 1, unknown, eights, 3), 420);
        CHECK(memcmp(r->sent[0].data + 48, "\x00\x0a\x00\x04\x7f\x00\x7f\x01", 8) == 0);
        CHECK_EQ(refused(r, 1, many, none, 9), 420);
        CHECK_EQ(refused(r, 1, roles, eights, 1), 487);
        CHECK_EQ(refused(r, 1, roles, eights, 2), 400);
        CHECK_EQ(refused(r, 1, roles + 1, three, 1), 400);
        CHECK_EQ(rig_selected(r), known ? 1 : -1);
        rig_check(r, 1, false);
    }
    const struct leat_ice_counters *const c = rig_counters(r);
    CHECK(c->unknown_attribute == 4 && c->role_conflict == 2 && c->malformed == 4);
    CHECK_EQ(c->answered, 2);
    r->client.controlled = true; /* RFC 8445, 7.3.1.1: the client has to change its mind */
    rig_check(r, 1, true);
    CHECK_EQ(c->role_conflict, 3);
    rig_close(r);
}

/* ---- proof of an address ---- */

TEST(ice, our_request_is_repeated)
{
    static const unsigned ms[] = {50, 100, 200, 400, 800};
    struct leat_stun_message message;
    uint8_t first[LEAT_STUN_TRANSACTION_LEN];
    rig_open(r);
    rig_check(r, 1, false);
    REQUIRE(rig_find(r, 1, true, &message));
    memcpy(first, message.transaction, sizeof(first));
    CHECK(rig_admit(r, 1, 1200)); /* there is room to ask often */
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(leat_ice_deadline(r->ice), r->now + ms[i] * LEAT_MS);
        r->now += ms[i] * LEAT_MS - 1;
        leat_ice_timeout(r->ice, r->now); /* early */
        rig_drain(r);
        CHECK_EQ(r->sent_len, 0);
        r->now++;
        leat_ice_timeout(r->ice, r->now);
        rig_drain(r);
        REQUIRE(r->sent_len == 1 && rig_find(r, 1, true, &message));
        CHECK(memcmp(first, message.transaction, sizeof(first)) == 0);
    }
    const struct rig_sent last = r->sent[0];
    rig_wait(r, 10 * LEAT_SEC);
    CHECK_EQ(r->sent_len, 0);
    CHECK_EQ(rig_counters(r)->refused, 0);
    rig_check(r, 1, false); /* asks anew: the answer to the old request is late */
    REQUIRE(rig_find(r, 1, true, &message));
    CHECK(memcmp(first, message.transaction, sizeof(first)) != 0);
    r->sent[0] = last;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 1));
    CHECK_EQ(r->events_len, 0);
    CHECK_EQ(rig_counters(r)->stray, 1);
    rig_close(r);
}

TEST(ice, a_late_answer_counts)
{
    rig_open(r);
    rig_check(r, 1, false);
    const struct rig_sent asked = r->sent[1];
    rig_wait(r, 20 * LEAT_SEC);
    r->sent[0] = asked;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 1));
    CHECK_EQ(rig_events(r, LEAT_ICE_VERIFIED, 1), 1);
    rig_close(r);
}

TEST(ice, three_times_and_not_a_byte_more)
{
    rig_open(r);
    size_t left = 3 * rig_check(r, 1, true);
    left -= r->sent[0].len + r->sent[1].len;
    CHECK(!leat_ice_allow(r->ice, left + 1));
    CHECK(leat_ice_allow(r->ice, 1));
    left -= 1;
    CHECK(rig_admit(r, 1, 1200));
    CHECK(!rig_admit(r, 2, 100000)); /* no check came from there */
    left += 3600;
    CHECK(!leat_ice_allow(r->ice, left + 1));
    CHECK(!leat_ice_allow(r->ice, SIZE_MAX));
    CHECK(leat_ice_allow(r->ice, left));
    CHECK(!leat_ice_allow(r->ice, 1));
    CHECK_EQ(rig_counters(r)->refused, 4);
    rig_wait(r, 5 * LEAT_SEC); /* our own requests keep to it */
    CHECK_EQ(r->sent_len, 0);
    CHECK_EQ(rig_counters(r)->refused, 9);
    REQUIRE(rig_verify(r, 1, true));
    CHECK(leat_ice_allow(r->ice, SIZE_MAX));
    rig_close(r);
}

/* Somebody who sees checks and sends them again from addresses of his choice. */
TEST(ice, replayed_checks_move_nothing_and_amplify_nothing)
{
    uint8_t data[512];
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    const size_t len = ice_client_check(&r->client, true, data, sizeof(data));
    for (unsigned n = 2; n < 150; n++) {
        rig_receive(r, n, data, len);
        CHECK_EQ(rig_selected(r), 1);
    }
    rig_wait(r, 10 * LEAT_SEC);          /* and what comes later for those that are known still */
    for (unsigned n = 2; n < 150; n++) { /* answered, and asked; the rig checks each datagram */
        CHECK(r->out[n] > 0 && r->out[n] <= 3 * len);
    }
    CHECK_EQ(rig_selected(r), 1);
    CHECK_EQ(rig_counters(r)->moved, 0);
    rig_close(r);
}

TEST(ice, answers_that_prove_nothing)
{
    struct leat_stun_message message;
    uint8_t good[100], data[100];
    rig_open(r);
    rig_check(r, 1, true);
    REQUIRE(rig_find(r, 1, true, &message));
    uint8_t transaction[LEAT_STUN_TRANSACTION_LEN];
    memcpy(transaction, message.transaction, sizeof(transaction));
    const size_t len = ice_client_answer(&r->client, transaction, &r->server, good, sizeof(good));

    rig_receive(r, 2, good, len); /* from elsewhere */
    CHECK_EQ(rig_counters(r)->stray, 1);
    transaction[11] ^= 1; /* to something else */
    rig_receive(r, 1, data,
                ice_client_answer(&r->client, transaction, &r->server, data, sizeof(data)));
    CHECK_EQ(rig_counters(r)->stray, 2);
    transaction[11] ^= 1;
    struct ice_client liar = r->client; /* by our password, which is not the client's */
    liar.local = r->client.remote;
    rig_receive(r, 1, data, ice_client_answer(&liar, transaction, &r->server, data, sizeof(data)));
    CHECK_EQ(rig_counters(r)->bad_integrity, 1);
    struct leat_stun_writer writer; /* without any, and an error */
    size_t other_len = 0;
    leat_stun_begin(&writer, data, sizeof(data), LEAT_STUN_SUCCESS, LEAT_STUN_BINDING, transaction);
    REQUIRE(leat_stun_end(&writer, NULL, 0, &other_len) == 0);
    rig_receive(r, 1, data, other_len);
    CHECK_EQ(rig_counters(r)->bad_integrity, 2);
    leat_stun_begin(&writer, data, sizeof(data), LEAT_STUN_ERROR, LEAT_STUN_BINDING, transaction);
    leat_stun_put_error(&writer, 487, "");
    REQUIRE(leat_stun_end(&writer, r->client.local.pwd, 24, &other_len) == 0);
    rig_receive(r, 1, data, other_len);
    CHECK_EQ(rig_counters(r)->stray, 3);
    CHECK_EQ(rig_counters(r)->verified, 0);

    rig_receive(r, 1, good, len);
    CHECK_EQ(rig_events(r, LEAT_ICE_VERIFIED, 1), 1);
    rig_receive(r, 1, good, len); /* once */
    CHECK_EQ(rig_counters(r)->stray, 4);
    CHECK_EQ(rig_counters(r)->verified, 1);
    rig_close(r);
}

/* ---- which tuple ---- */

TEST(ice, media_moves_only_to_who_has_answered)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    rig_check(r, 2, true);
    CHECK(rig_events(r, LEAT_ICE_ADDED, 2) == 1 && r->events_len == 1);
    CHECK_EQ(rig_selected(r), 1);
    CHECK(leat_ice_allow(r->ice, 1000000));
    REQUIRE(rig_answer(r, 2));
    CHECK_EQ(rig_events(r, LEAT_ICE_VERIFIED, 2), 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_SELECTED, 2), 1);
    CHECK_EQ(rig_selected(r), 2);
    CHECK_EQ(rig_counters(r)->moved, 1);
    rig_close(r);
}

TEST(ice, the_latest_nomination_wins)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, false));
    REQUIRE(rig_verify(r, 2, false));
    CHECK_EQ(rig_selected(r), 1); /* nobody is nominated: the first */
    rig_check(r, 2, true);
    CHECK_EQ(rig_selected(r), 2);
    rig_check(r, 1, false);
    CHECK_EQ(rig_selected(r), 2);
    rig_check(r, 1, true);
    CHECK_EQ(rig_selected(r), 1);
    rig_check(r, 3, true); /* nominated, but then another is */
    const struct rig_sent asked = r->sent[1];
    rig_check(r, 1, true);
    r->sent[0] = asked;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 3));
    CHECK_EQ(rig_selected(r), 1);
    CHECK_EQ(rig_counters(r)->moved, 2);
    rig_close(r);
}

TEST(ice, before_a_nomination_the_verified_goes_first)
{
    rig_open(r);
    rig_check(r, 1, false);
    rig_check(r, 2, false);
    CHECK_EQ(rig_selected(r), 1);
    REQUIRE(rig_answer(r, 2));
    CHECK_EQ(rig_selected(r), 2);
    REQUIRE(rig_verify(r, 3, false));
    CHECK_EQ(rig_selected(r), 2);
    rig_close(r);
}

TEST(ice, a_nominated_address_waits_also_for_an_unverified_one)
{
    rig_open(r);
    rig_check(r, 1, true); /* nothing else is there: it is used, within 3 times */
    CHECK_EQ(rig_selected(r), 1);
    rig_check(r, 2, true);
    CHECK_EQ(rig_selected(r), 1);
    REQUIRE(rig_answer(r, 2));
    CHECK_EQ(rig_selected(r), 2);
    rig_close(r);
}

TEST(ice, eight_tuples_and_the_least_dear_goes)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    REQUIRE(rig_verify(r, 2, false));
    for (unsigned n = 3; n <= 8; n++) {
        r->now += LEAT_MS;
        rig_check(r, n, false);
    }
    CHECK_EQ(rig_events(r, LEAT_ICE_DROPPED, -1), 0);
    r->now += LEAT_MS;
    rig_check(r, 3, false); /* heard again: 4 is silent for longest now */
    rig_check(r, 9, true);
    CHECK(rig_events(r, LEAT_ICE_DROPPED, 4) == 1 && rig_events(r, LEAT_ICE_DROPPED, -1) == 1);
    CHECK_EQ(r->events[0].kind, LEAT_ICE_DROPPED); /* before the new one is told */
    const struct rig_sent asked = r->sent[1];
    for (unsigned n = 10; n < 100; n++) { /* the nominated, the verified, the selected stay */
        r->now += LEAT_MS;
        rig_check(r, n, false);
        CHECK_EQ(rig_events(r, LEAT_ICE_DROPPED, -1), 1);
        CHECK_EQ(rig_events(r, LEAT_ICE_DROPPED, 1) + rig_events(r, LEAT_ICE_DROPPED, 2) +
                     rig_events(r, LEAT_ICE_DROPPED, 9),
                 0);
    }
    r->sent[0] = asked;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 9));
    CHECK_EQ(rig_selected(r), 9);
    for (unsigned n = 100; n < 106; n++) { /* when all are verified, the silent one goes */
        r->now += LEAT_MS;
        REQUIRE(rig_verify(r, n, false));
    }
    rig_check(r, 150, false);
    CHECK_EQ(rig_events(r, LEAT_ICE_DROPPED, 150) + rig_events(r, LEAT_ICE_DROPPED, 9), 0);
    CHECK_EQ(rig_events(r, LEAT_ICE_DROPPED, -1), 1);
    CHECK_EQ(rig_selected(r), 9);
    rig_close(r);
}

/* ---- silence ---- */

TEST(ice, consent_ends_after_30_s_of_silence)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    rig_wait(r, 29 * LEAT_SEC);
    rig_check(r, 1, false);
    rig_wait(r, 30 * LEAT_SEC - 1);
    CHECK(rig_admit(r, 1, 100)); /* media is no consent */
    CHECK_EQ(rig_events(r, LEAT_ICE_EXPIRED, -1), 0);
    CHECK_EQ(rig_selected(r), 1);
    rig_wait(r, 1);
    CHECK(r->events_len == 1 && rig_events(r, LEAT_ICE_EXPIRED, 1) == 1);
    CHECK_EQ(rig_selected(r), -1);
    CHECK(leat_ice_deadline(r->ice) == LEAT_NEVER);
    CHECK(!leat_ice_allow(r->ice, 1) && !rig_admit(r, 1, 1));
    rig_check(r, 1, true);
    CHECK_EQ(r->sent_len + r->events_len, 0);
    leat_ice_timeout(r->ice, r->now + 100 * LEAT_SEC);
    rig_drain(r);
    CHECK_EQ(r->sent_len + r->events_len, 0);
    rig_close(r);
}

TEST(ice, an_answer_is_consent_a_refused_check_is_not)
{
    static const uint16_t unknown[] = {0x7f00};
    static const size_t lens[] = {0};
    rig_open(r);
    rig_check(r, 1, true);
    const struct rig_sent asked = r->sent[1];
    rig_wait(r, 20 * LEAT_SEC);
    r->sent[0] = asked;
    r->sent_len = 1;
    REQUIRE(rig_answer(r, 1));
    rig_wait(r, 29 * LEAT_SEC);
    CHECK_EQ(rig_selected(r), 1);
    CHECK_EQ(refused(r, 1, unknown, lens, 1), 420);
    rig_wait(r, LEAT_SEC);
    CHECK_EQ(rig_events(r, LEAT_ICE_EXPIRED, 1), 1);
    rig_close(r);
}

TEST(ice, nobody_comes)
{
    struct leat_ice_config config;
    rig_open(r);
    rig_wait(r, 30 * LEAT_SEC - 1);
    CHECK_EQ(r->events_len, 0);
    rig_wait(r, 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_EXPIRED, -1), 1);
    rig_close(r);
    leat_ice_config_default(&config);
    CHECK_EQ(config.consent_ns, 30 * LEAT_SEC);
    CHECK_EQ(leat_ice_open(&config, 0, &r->ice), -EINVAL); /* no credentials */
    config.local = config.remote = r->client.local;
    config.consent_ns++;
    CHECK_EQ(leat_ice_open(&config, 0, &r->ice), -EINVAL);
    config.consent_ns = 0;
    CHECK_EQ(leat_ice_open(&config, 0, &r->ice), -EINVAL);
    config.consent_ns = LEAT_SEC;
    REQUIRE(leat_ice_open(&config, 5, &r->ice) == 0);
    CHECK_EQ(leat_ice_deadline(r->ice), 5 + LEAT_SEC);
    rig_close(r);
    leat_ice_close(NULL);
}

TEST(ice, silent_tuples_go_and_another_takes_over)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    REQUIRE(rig_verify(r, 2, false));
    REQUIRE(rig_verify(r, 3, false));
    rig_wait(r, 9 * LEAT_SEC);
    rig_check(r, 2, false);
    CHECK_EQ(rig_selected(r), 1);
    rig_wait(r, 21 * LEAT_SEC);
    CHECK(rig_events(r, LEAT_ICE_DROPPED, 3) == 1 && rig_events(r, LEAT_ICE_DROPPED, 1) == 1);
    CHECK_EQ(rig_events(r, LEAT_ICE_SELECTED, 2), 1);
    CHECK_EQ(r->events_len, 3);
    CHECK_EQ(rig_selected(r), 2);
    rig_check(r, 4, true); /* one that never answers does not */
    rig_wait(r, 8 * LEAT_SEC);
    rig_check(r, 4, true);
    rig_wait(r, LEAT_SEC);
    CHECK_EQ(rig_events(r, LEAT_ICE_EXPIRED, 2), 1);
    rig_close(r);
}

/* A client that sends indications, or nothing, but answers. */
TEST(ice, a_silent_client_that_answers_stays)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    for (unsigned i = 0; i < 10; i++) {
        rig_wait(r, 15 * LEAT_SEC - 1);
        rig_wait(r, 1);
        CHECK_EQ(r->sent_len, 1);
        REQUIRE(rig_answer(r, 1));
        CHECK_EQ(r->events_len, 0);
        CHECK_EQ(rig_selected(r), 1);
    }
    CHECK_EQ(rig_counters(r)->verified, 1);
    struct leat_stun_message message;
    uint8_t transactions[3][LEAT_STUN_TRANSACTION_LEN];
    rig_wait(r, 10 * LEAT_SEC);
    for (unsigned i = 0; i < 3; i++) { /* and no longer than that: 15, 20, 25 and the end */
        rig_wait(r, 5 * LEAT_SEC);
        REQUIRE(r->sent_len == 1 && rig_find(r, 1, true, &message));
        memcpy(transactions[i], message.transaction, sizeof(transactions[i]));
    }
    CHECK(memcmp(transactions[0], transactions[1], sizeof(transactions[0])) != 0);
    CHECK(memcmp(transactions[1], transactions[2], sizeof(transactions[0])) != 0);
    rig_wait(r, 5 * LEAT_SEC);
    CHECK_EQ(rig_events(r, LEAT_ICE_EXPIRED, 1), 1);
    CHECK_EQ(r->sent_len, 0);
    rig_close(r);
}

/* RFC 5245's aggressive nomination: both are, the client uses the first and checks only that. */
TEST(ice, of_several_nominated_the_one_that_is_checked_wins)
{
    rig_open(r);
    REQUIRE(rig_verify(r, 1, true));
    REQUIRE(rig_verify(r, 2, true));
    CHECK_EQ(rig_selected(r), 2);
    rig_check(r, 3, false); /* this one never answers */
    rig_wait(r, 5 * LEAT_SEC);
    rig_check(r, 1, false);
    rig_wait(r, 5 * LEAT_SEC - 1);
    rig_check(r, 1, false);
    CHECK_EQ(rig_selected(r), 2);
    rig_wait(r, 1);
    rig_check(r, 3, false);
    CHECK_EQ(rig_selected(r), 2);
    rig_check(r, 1, false);
    CHECK(rig_selected(r) == 1 && rig_events(r, LEAT_ICE_SELECTED, 1) == 1);
    rig_close(r);
}
