/* The peer, packet by packet: checks, handshake in both roles, media both ways, restart, goodbye, silence. The network is
 * this file, time is a number. */
#include <errno.h>
#include <leat/webrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "webrtc_client.h"

#define SSRC 0x1234

struct pair {
    leat_time            now;
    leat_dtls_context   *server_context, *client_context;
    leat_peer           *peer;
    struct webrtc_client client;
    struct leat_addr     local; /* the server's */
    bool                 has_local;
    unsigned             kinds[LEAT_PEER_CLOSED + 1]; /* events seen */
    int                  closed_status;
    struct leat_addr     gone;
    size_t               sent;     /* bytes the peer sent to the client */
    unsigned             dropping; /* of what the peer sends: every n-th is lost; 0: none */
    unsigned             count;
};

static leat_dtls_context *context_open(void)
{
    leat_dtls_context            *context = NULL;
    const struct leat_dtls_config config = {.unix_time = 1800000000};
    REQUIRE(leat_dtls_context_open(&config, &context) == 0);
    return context;
}

static void pair_open(struct pair *pair, bool server_active)
{
    struct leat_ice_credentials  local;
    struct leat_dtls_fingerprint fingerprint;

    memset(pair, 0, sizeof(*pair));
    pair->server_context = context_open();
    pair->client_context = context_open();
    webrtc_client_init(&pair->client, pair->client_context, pair->server_context, "10.0.0.7:4000");
    pair->client.active = !server_active;
    REQUIRE(leat_ice_credentials_make("A", &local) == 0);
    pair->client.remote = local;
    webrtc_client_fingerprint(pair->client_context, &fingerprint);
    const struct leat_peer_config config = {.dtls = pair->server_context,
                                            .local = &local,
                                            .remote = &pair->client.local,
                                            .fingerprints = &fingerprint,
                                            .fingerprint_count = 1,
                                            .active = server_active};
    REQUIRE(leat_peer_open(&config, pair->now, &pair->peer) == 0);
}

static void pair_close(struct pair *pair)
{
    leat_peer_close(pair->peer);
    webrtc_client_fini(&pair->client);
    leat_dtls_context_unref(pair->client_context);
    leat_dtls_context_unref(pair->server_context);
}

/* What the peer has to say goes to the client; whether there was anything. */
static bool drain(struct pair *pair)
{
    struct leat_peer_event    event;
    struct leat_peer_datagram datagram;
    bool                      any = false;

    while (leat_peer_event(pair->peer, &event)) {
        pair->kinds[event.kind]++;
        if (event.kind == LEAT_PEER_CLOSED) {
            pair->closed_status = event.status;
        } else if (event.kind == LEAT_PEER_TUPLE_GONE) {
            pair->gone = event.address;
        }
    }
    while (leat_peer_transmit(pair->peer, &datagram)) {
        any = true;
        pair->sent += datagram.len;
        CHECK(leat_addr_equal(&datagram.to, &pair->client.address));
        pair->count++;
        if (pair->dropping == 0 || pair->count % pair->dropping != 0) {
            webrtc_client_receive(&pair->client, pair->now, datagram.data, datagram.len);
        }
    }
    return any;
}

static void to_peer(struct pair *pair, const uint8_t *data, size_t len)
{
    leat_peer_receive(pair->peer, pair->now, &pair->client.address, pair->has_local ? &pair->local : NULL, data,
                      len);
    drain(pair);
    while (leat_peer_work(pair->peer)) {
        leat_peer_step(pair->peer, pair->now);
        drain(pair);
    }
}

static void client_to_peer(struct pair *pair)
{
    const uint8_t *data;
    size_t         len;

    if (pair->client.reply_len > 0) {
        uint8_t copy[sizeof(pair->client.reply)];
        len = pair->client.reply_len;
        memcpy(copy, pair->client.reply, len);
        pair->client.reply_len = 0;
        to_peer(pair, copy, len);
    }
    while (pair->client.dtls != NULL && leat_dtls_transmit(pair->client.dtls, &data, &len)) {
        uint8_t copy[2048];
        memcpy(copy, data, len);
        to_peer(pair, copy, len);
    }
}

/* Its length. */
static size_t check(struct pair *pair, bool nominate)
{
    uint8_t      data[LEAT_ICE_CHECK_MAX];
    const size_t len = webrtc_client_check(&pair->client, nominate, data, sizeof(data));
    to_peer(pair, data, len);
    client_to_peer(pair);
    return len;
}

/* Time goes on by 10 ms steps until both have keys; 10 s at most. */
static bool connect_both(struct pair *pair)
{
    check(pair, true);
    for (unsigned i = 0; i < 1000 && (pair->kinds[LEAT_PEER_CONNECTED] == 0 || pair->client.out == NULL); i++) {
        client_to_peer(pair);
        if (pair->client.dtls == NULL && pair->client.active) {
            webrtc_client_receive(&pair->client, pair->now, NULL, 0); /* opens it */
        }
        pair->now += 10 * LEAT_MS;
        if (leat_peer_deadline(pair->peer) <= pair->now) {
            leat_peer_timeout(pair->peer, pair->now);
            drain(pair);
        }
        if (pair->client.dtls != NULL) {
            leat_dtls_timeout(pair->client.dtls, pair->now);
        }
    }
    return pair->kinds[LEAT_PEER_CONNECTED] == 1 && pair->client.out != NULL;
}

static size_t rtp(uint8_t *out, uint16_t sequence)
{
    const uint8_t header[12] = {0x80, 96, (uint8_t)(sequence >> 8), (uint8_t)sequence, 0, 0, 0, 9,
                                0, 0, SSRC >> 8, SSRC & 0xff};
    memcpy(out, header, 12);
    memcpy(out + 12, "some payload", 12);
    return 24;
}

/* One packet each way. */
static void exchange(struct pair *pair, uint16_t sequence)
{
    uint8_t      plain[64], sealed[128], opened[128];
    size_t       sealed_len = 0, opened_len = 0;
    const size_t len = rtp(plain, sequence);
    const struct leat_srtp_packet packet = {
        .header = plain, .header_len = 12, .payload = plain + 12, .payload_len = len - 12};

    REQUIRE(leat_srtp_protect(pair->client.out, &packet, sealed, sizeof(sealed), &sealed_len) == 0);
    CHECK_EQ(leat_peer_kind(sealed, sealed_len), LEAT_PEER_RTP);
    CHECK_EQ(leat_peer_unprotect(pair->peer, sealed, sealed_len, opened, sizeof(opened), &opened_len), 0);
    CHECK(opened_len == len && memcmp(opened, plain, len) == 0);
    CHECK_EQ(leat_peer_unprotect(pair->peer, sealed, sealed_len, opened, sizeof(opened), &opened_len), -EEXIST);

    REQUIRE(leat_srtp_protect(leat_peer_srtp(pair->peer), &packet, sealed, sizeof(sealed), &sealed_len) == 0);
    CHECK_EQ(leat_srtp_unprotect(pair->client.in, sealed, sealed_len, opened, sizeof(opened), &opened_len), 0);
    CHECK(opened_len == len && memcmp(opened, plain, len) == 0);
}

TEST(webrtc_peer, connects_as_the_passive_side_and_carries_media)
{
    struct pair             pair;
    const struct leat_addr *to, *local;
    struct leat_peer_stats  stats;
    pair_open(&pair, false);
    CHECK(!leat_peer_target(pair.peer, &to, &local));
    REQUIRE(connect_both(&pair));
    CHECK_EQ(pair.kinds[LEAT_PEER_TUPLE], 1);
    REQUIRE(leat_peer_target(pair.peer, &to, &local));
    CHECK(leat_addr_equal(to, &pair.client.address));
    CHECK(local == NULL);
    CHECK(pair.client.answered > 0 && pair.client.asked > 0);
    exchange(&pair, 1);
    leat_peer_stats(pair.peer, &stats);
    CHECK_EQ(stats.replays, 1);
    pair_close(&pair);
}

TEST(webrtc_peer, connects_as_the_active_side)
{
    struct pair pair;
    pair_open(&pair, true);
    REQUIRE(connect_both(&pair));
    exchange(&pair, 1);
    pair_close(&pair);
}

TEST(webrtc_peer, connects_although_every_third_datagram_is_lost)
{
    struct pair pair;
    pair_open(&pair, false);
    pair.dropping = 3;
    REQUIRE(connect_both(&pair));
    exchange(&pair, 7);
    pair_close(&pair);
}

TEST(webrtc_peer, takes_no_dtls_from_an_address_without_a_check)
{
    struct pair            pair;
    const uint8_t         *data;
    size_t                 len;
    struct leat_peer_stats stats;
    pair_open(&pair, false);
    webrtc_client_receive(&pair.client, 0, NULL, 0);
    REQUIRE(leat_dtls_transmit(pair.client.dtls, &data, &len));
    to_peer(&pair, data, len);
    CHECK(!leat_peer_work(pair.peer));
    CHECK_EQ(pair.sent, 0);
    leat_peer_stats(pair.peer, &stats);
    CHECK_EQ(stats.dropped, 1);
    pair_close(&pair);
}

TEST(webrtc_peer, queues_so_many_datagrams_of_a_handshake_and_no_more)
{
    struct pair            pair;
    const uint8_t          garbage[40] = {22, 0xfe, 0xfd};
    struct leat_peer_stats stats;
    pair_open(&pair, false);
    static const uint8_t   huge[2049] = {22, 0xfe, 0xfd};
    check(&pair, true);
    leat_peer_receive(pair.peer, pair.now, &pair.client.address, NULL, huge, sizeof(huge));
    CHECK(!leat_peer_work(pair.peer));
    for (unsigned i = 0; i < 3 * LEAT_PEER_QUEUE_MAX; i++) {
        leat_peer_receive(pair.peer, pair.now, &pair.client.address, NULL, garbage, sizeof(garbage));
    }
    leat_peer_stats(pair.peer, &stats);
    CHECK_EQ(stats.dropped, 1 + 2 * LEAT_PEER_QUEUE_MAX);
    for (unsigned i = 0; i < LEAT_PEER_QUEUE_MAX; i++) {
        CHECK(leat_peer_work(pair.peer));
        leat_peer_step(pair.peer, pair.now);
        drain(&pair);
    }
    CHECK(!leat_peer_work(pair.peer));
    pair_close(&pair); /* what is queued is freed: asan */
}

TEST(webrtc_peer, an_address_that_never_answers_gets_three_times_what_it_sent)
{
    struct pair pair;
    pair_open(&pair, false);
    pair.client.silent = true;
    const uint8_t *data;
    size_t         len, received = check(&pair, true);
    webrtc_client_receive(&pair.client, 0, NULL, 0);
    while (leat_dtls_transmit(pair.client.dtls, &data, &len)) {
        uint8_t copy[2048];
        memcpy(copy, data, len);
        received += len;
        to_peer(&pair, copy, len);
    }
    for (unsigned i = 0; i < 500; i++) {
        pair.now += 10 * LEAT_MS;
        leat_peer_timeout(pair.peer, pair.now);
        drain(&pair);
    }
    CHECK(pair.sent > received && pair.sent <= 3 * received);
    const size_t left = 3 * received - pair.sent;
    CHECK(!leat_peer_allow(pair.peer, left + 1));
    CHECK(leat_peer_allow(pair.peer, left));
    CHECK(!leat_peer_allow(pair.peer, 1));
    pair_close(&pair);
}

/* The client's answer to our check comes behind its ClientHello, as it does from a real one: a short ClientHello, after some
 * checks of ours, does not pay for our flight. That waits for the answer and for nothing else. */
TEST(webrtc_peer, a_flight_that_may_not_go_yet_waits_for_the_answer)
{
    struct pair pair;
    uint8_t     data[LEAT_ICE_CHECK_MAX], answer[sizeof(pair.client.reply)];
    pair_open(&pair, false);
    to_peer(&pair, data, webrtc_client_check(&pair.client, true, data, sizeof(data)));
    const size_t len = pair.client.reply_len;
    REQUIRE(len > 0);
    memcpy(answer, pair.client.reply, len);
    for (unsigned i = 0; i < 2; i++) {
        pair.now = leat_peer_deadline(pair.peer);
        leat_peer_timeout(pair.peer, pair.now);
        drain(&pair);
    }
    pair.client.reply_len = 0;
    webrtc_client_receive(&pair.client, pair.now, NULL, 0); /* opens DTLS */
    client_to_peer(&pair);
    const size_t before = pair.sent;
    to_peer(&pair, answer, len);
    CHECK(pair.sent > before + 600); /* a certificate is in it */
    for (unsigned i = 0; i < 4; i++) {
        client_to_peer(&pair);
    }
    CHECK_EQ(pair.kinds[LEAT_PEER_CONNECTED], 1);
    exchange(&pair, 1);
    pair_close(&pair);
}

TEST(webrtc_peer, another_certificate_than_the_offers_closes_it)
{
    struct pair        pair;
    leat_dtls_context *other = context_open();
    pair_open(&pair, false);
    pair.client.context = other;
    CHECK(!connect_both(&pair));
    CHECK_EQ(pair.kinds[LEAT_PEER_CLOSED], 1);
    CHECK_EQ(pair.closed_status, -EACCES);
    CHECK(leat_peer_srtp(pair.peer) == NULL);
    pair_close(&pair);
    leat_dtls_context_unref(other);
}

TEST(webrtc_peer, goodbye_reaches_the_other_side)
{
    struct pair pair;
    pair_open(&pair, false);
    REQUIRE(connect_both(&pair));
    leat_peer_goodbye(pair.peer);
    drain(&pair);
    CHECK_EQ(pair.kinds[LEAT_PEER_CLOSED], 1);
    CHECK_EQ(pair.closed_status, 0);
    CHECK_EQ(leat_dtls_state(pair.client.dtls, NULL), LEAT_DTLS_CLOSED);
    pair_close(&pair);
}

TEST(webrtc_peer, a_goodbye_of_the_other_side_closes_it)
{
    struct pair pair;
    pair_open(&pair, false);
    REQUIRE(connect_both(&pair));
    leat_dtls_finish(pair.client.dtls);
    client_to_peer(&pair);
    CHECK_EQ(pair.kinds[LEAT_PEER_CLOSED], 1);
    CHECK_EQ(pair.closed_status, 0);
    CHECK_EQ(leat_peer_deadline(pair.peer), LEAT_NEVER);
    pair_close(&pair);
}

/* With media the handshake's memory has gone, the goodbyes have not. */
TEST(webrtc_peer, goodbyes_both_ways_after_media)
{
    for (unsigned ours = 0; ours < 2; ours++) {
        struct pair pair;
        pair_open(&pair, false);
        REQUIRE(connect_both(&pair));
        exchange(&pair, 1);
        if (ours) {
            leat_peer_goodbye(pair.peer);
            drain(&pair);
        } else {
            leat_dtls_finish(pair.client.dtls);
            client_to_peer(&pair);
        }
        CHECK_EQ(pair.kinds[LEAT_PEER_CLOSED], 1);
        CHECK_EQ(pair.closed_status, 0);
        CHECK_EQ(leat_dtls_state(pair.client.dtls, NULL), LEAT_DTLS_CLOSED);
        pair_close(&pair);
    }
}

TEST(webrtc_peer, silence_ends_it)
{
    struct pair pair;
    pair_open(&pair, false);
    REQUIRE(connect_both(&pair));
    const leat_time since = pair.now;
    while (pair.kinds[LEAT_PEER_CLOSED] == 0 && pair.now < since + 60 * LEAT_SEC) {
        pair.now = leat_peer_deadline(pair.peer);
        leat_peer_timeout(pair.peer, pair.now);
        drain(&pair);
        pair.client.reply_len = 0; /* lost */
    }
    CHECK_EQ(pair.closed_status, -ETIMEDOUT);
    CHECK(pair.now - since <= 31 * LEAT_SEC);
    pair_close(&pair);
}

TEST(webrtc_peer, checks_without_a_handshake_do_not_hold_it)
{
    for (unsigned active = 0; active < 2; active++) {
        struct pair pair;
        pair_open(&pair, active != 0);
        pair.now = 10 * LEAT_SEC;
        pair.dropping = 1; /* all: the client has never heard of a ClientHello, nor sends one */
        while (pair.kinds[LEAT_PEER_CLOSED] == 0 && pair.now < 100 * LEAT_SEC) {
            check(&pair, true);
            const leat_time next = pair.now + 2500 * LEAT_MS;
            while (leat_peer_deadline(pair.peer) <= next) {
                pair.now = leat_peer_deadline(pair.peer);
                leat_peer_timeout(pair.peer, pair.now);
                drain(&pair);
            }
            pair.now = next;
        }
        CHECK_EQ(pair.closed_status, -ETIMEDOUT);
        CHECK(pair.now > 39 * LEAT_SEC && pair.now < 43 * LEAT_SEC);
        pair_close(&pair);
    }
}

/* A client with one socket that sends to two addresses of the server. */
TEST(webrtc_peer, an_address_is_gone_with_its_last_tuple)
{
    const struct leat_addr first = {.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}, .port = 1};
    struct leat_addr       second = first;
    struct pair            pair;
    second.ip[15]++;
    pair_open(&pair, false);
    pair.has_local = true;
    pair.local = first;
    REQUIRE(connect_both(&pair));
    pair.local = second;
    check(&pair, false);
    pair.local = first;
    CHECK_EQ(pair.kinds[LEAT_PEER_TUPLE], 1);
    const leat_time since = pair.now;
    while (pair.now < since + 60 * LEAT_SEC) {
        pair.now += 2500 * LEAT_MS;
        leat_peer_timeout(pair.peer, pair.now);
        drain(&pair);
        check(&pair, true);
    }
    CHECK_EQ(pair.kinds[LEAT_PEER_TUPLE_GONE], 0); /* but that tuple is: it may come again */
    pair.local = second;
    check(&pair, false);
    CHECK_EQ(pair.kinds[LEAT_PEER_TUPLE], 1);
    const struct leat_addr old = pair.client.address;
    pair.client.address.port++;
    check(&pair, true);
    CHECK_EQ(pair.kinds[LEAT_PEER_TUPLE], 2);
    for (unsigned i = 0; i < 13; i++) {
        pair.now += 2500 * LEAT_MS;
        leat_peer_timeout(pair.peer, pair.now);
        drain(&pair);
        check(&pair, true);
    }
    CHECK_EQ(pair.kinds[LEAT_PEER_TUPLE_GONE], 1); /* both tuples of the old address */
    CHECK(leat_addr_equal(&pair.gone, &old));
    CHECK_EQ(pair.kinds[LEAT_PEER_CLOSED], 0);
    pair_close(&pair);
}

TEST(webrtc_peer, there_is_no_restart_after_the_end)
{
    struct leat_ice_credentials local, remote;
    struct pair                 pair;
    pair_open(&pair, false);
    REQUIRE(connect_both(&pair));
    leat_dtls_finish(pair.client.dtls);
    client_to_peer(&pair);
    REQUIRE(pair.kinds[LEAT_PEER_CLOSED] == 1);
    REQUIRE(leat_ice_credentials_make("A", &local) == 0 && leat_ice_credentials_make("", &remote) == 0);
    CHECK_EQ(leat_peer_restart(pair.peer, &local, &remote), -ENOTCONN);
    pair_close(&pair);
}

TEST(webrtc_peer, a_restart_keeps_media_flowing_and_ends_the_old_credentials)
{
    struct pair                 pair;
    struct leat_ice_credentials local;
    pair_open(&pair, false);
    REQUIRE(connect_both(&pair));
    const struct leat_ice_credentials old = pair.client.remote, old_client = pair.client.local;
    struct leat_ice_credentials       fresh;
    REQUIRE(leat_ice_credentials_make("A", &local) == 0 && leat_ice_credentials_make("", &fresh) == 0);
    REQUIRE(leat_peer_restart(pair.peer, &local, &fresh) == 0);
    drain(&pair);
    exchange(&pair, 2);
    const unsigned answered = pair.client.answered;
    check(&pair, false); /* with the old ones */
    CHECK_EQ(pair.client.answered, answered + 1);
    pair.client.remote = local;
    pair.client.local = fresh;
    check(&pair, true);
    CHECK_EQ(pair.client.answered, answered + 2);
    CHECK_EQ(pair.kinds[LEAT_PEER_RESTARTED], 1);
    exchange(&pair, 3);
    pair.client.remote = old;
    pair.client.local = old_client;
    check(&pair, true);
    CHECK_EQ(pair.client.answered, answered + 2);
    pair_close(&pair);
}

TEST(webrtc_peer, nothing_is_recognised_in_garbage)
{
    struct pair pair;
    uint8_t     data[64];
    pair_open(&pair, false);
    REQUIRE(connect_both(&pair));
    for (unsigned i = 0; i < 100000; i++) {
        const size_t len = (size_t)rand() % sizeof(data);
        uint8_t      out[128];
        size_t       out_len = 0;
        for (size_t k = 0; k < len; k++) {
            data[k] = (uint8_t)rand();
        }
        switch (leat_peer_kind(data, len)) {
        case LEAT_PEER_CONTROL:
            to_peer(&pair, data, len);
            break;
        case LEAT_PEER_RTP:
            CHECK(leat_peer_unprotect(pair.peer, data, len, out, sizeof(out), &out_len) != 0);
            break;
        case LEAT_PEER_RTCP:
            CHECK(leat_peer_unprotect_rtcp(pair.peer, data, len, out, sizeof(out), &out_len) != 0);
            break;
        case LEAT_PEER_NONE:
            break;
        }
    }
    exchange(&pair, 9);
    pair_close(&pair);
}
