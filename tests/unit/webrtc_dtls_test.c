/* Both sides ours: handshakes over good and bad networks, certificates, profiles, goodbyes, time. */
#include "webrtc_dtls_rig.h"

static struct rig rig;

static struct leat_dtls_error error_of(unsigned at)
{
    struct leat_dtls_error error;
    (void)leat_dtls_state(rig.side[at].dtls, &error);
    return error;
}

static void check_keys(uint16_t profile, size_t salt_len)
{
    struct leat_dtls_srtp_keys keys[2];
    static const uint8_t zeros[32];
    REQUIRE(leat_dtls_keys(rig.side[0].dtls, &keys[0]) == 0);
    REQUIRE(leat_dtls_keys(rig.side[1].dtls, &keys[1]) == 0);
    CHECK(rig_keys_equal(&keys[0], &keys[1]));
    CHECK_EQ(keys[0].profile, profile);
    CHECK_EQ(keys[0].key_len, 16);
    CHECK_EQ(keys[0].salt_len, salt_len);
    CHECK(memcmp(keys[0].local_key, keys[0].remote_key, 16) != 0);
    CHECK(memcmp(keys[0].local_key, zeros, 16) != 0);
    CHECK(memcmp(keys[0].local_salt, keys[0].remote_salt, salt_len) != 0);
    CHECK(memcmp(keys[0].local_salt + salt_len, zeros, 14 - salt_len) == 0);
}

TEST(webrtc_dtls, connects_and_has_the_same_keys)
{
    struct leat_dtls_srtp_keys keys;
    rig_open(&rig, 1, 0, 0);
    CHECK_EQ(leat_dtls_keys(rig.side[0].dtls, &keys), -ENOTCONN);
    rig_start(&rig);
    rig_run(&rig, 45 * LEAT_MS); /* four flights of 5 ms, and nothing retransmitted */
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CONNECTED);
    CHECK_EQ(rig_state(&rig, 1), LEAT_DTLS_CONNECTED);
    check_keys(LEAT_DTLS_SRTP_AEAD_AES_128_GCM, 12);
    for (unsigned i = 0; i < 2; i++) {
        struct leat_dtls_counts counts;
        leat_dtls_counts(rig.side[i].dtls, &counts);
        CHECK_EQ(counts.retransmitted, 0);
        CHECK_EQ(counts.dropped, 0);
        CHECK_EQ(counts.received, rig.side[!i].sent);
        CHECK_EQ(leat_dtls_deadline(rig.side[i].dtls), LEAT_NEVER);
        CHECK_EQ(error_of(i).status, 0);
        CHECK_STR(error_of(i).why, "");
    }
    rig_close(&rig);
}

TEST(webrtc_dtls, profiles)
{
    static const struct {
        uint16_t passive, active, chosen;
    } cases[] = {{0, 1, 1}, {1, 0, 1}, {7, 0, 7}, {0, 7, 7}, {1, 1, 1}, {7, 1, 0}, {1, 7, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_open(&rig, 2, cases[i].passive, cases[i].active);
        rig_start(&rig);
        rig_run(&rig, LEAT_SEC);
        if (cases[i].chosen) {
            check_keys(cases[i].chosen, cases[i].chosen == 1 ? 14 : 12);
        } else {
            CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_FAILED);
            CHECK_EQ(rig_state(&rig, 1), LEAT_DTLS_FAILED);
            CHECK_EQ(error_of(1).status, -EPROTONOSUPPORT); /* the first to see a certificate */
            CHECK_EQ(error_of(0).status, -ECONNRESET);
            CHECK_EQ(error_of(0).alert, SSL_AD_HANDSHAKE_FAILURE);
        }
        rig_close(&rig);
    }
}

TEST(webrtc_dtls, context_checks_what_it_is_told)
{
    leat_dtls_context *context = NULL;
    leat_dtls *dtls = NULL;
    struct leat_dtls_fingerprint some[5] = {{0}};
    CHECK_EQ(leat_dtls_context_open(&(struct leat_dtls_config){.srtp_profile = 2}, &context),
             -EINVAL);
    CHECK_EQ(leat_dtls_context_open(&(struct leat_dtls_config){.unix_time = -1}, &context),
             -EINVAL);
    CHECK_EQ(leat_dtls_context_open(&(struct leat_dtls_config){.unix_time = INT64_MAX}, &context),
             -EINVAL);
    CHECK(context == NULL);
    context = rig_context(0);
    CHECK_EQ(strlen(leat_dtls_context_fingerprint(context)), 8 + 95);
    CHECK(strncmp(leat_dtls_context_fingerprint(context), "sha-256 ", 8) == 0);
    CHECK_EQ(leat_dtls_open(context, LEAT_DTLS_PASSIVE, some, 0, 0, &dtls), -EINVAL);
    CHECK_EQ(leat_dtls_open(context, LEAT_DTLS_PASSIVE, some, 5, 0, &dtls), -EINVAL);
    CHECK(dtls == NULL);
    leat_dtls_context_unref(leat_dtls_context_ref(context));
    leat_dtls_context_unref(context);
    leat_dtls_context_unref(NULL);
    leat_dtls_close(NULL);
}

/* ---- certificates ---- */

TEST(webrtc_dtls, passive_refuses_a_strange_certificate)
{
    rig_open(&rig, 3, 0, 0);
    leat_dtls_close(rig.side[0].dtls);
    const struct leat_dtls_fingerprint wrong = rig_fingerprint(rig.context[0]);
    rig_open_ours(&rig, 0, LEAT_DTLS_PASSIVE, rig.context[0], &wrong);
    rig_start(&rig);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_FAILED);
    CHECK_EQ(error_of(0).status, -EACCES);
    CHECK_EQ(rig_state(&rig, 1), LEAT_DTLS_FAILED);
    CHECK_EQ(error_of(1).status, -ECONNRESET);
    CHECK_EQ(error_of(1).alert, SSL_AD_BAD_CERTIFICATE);
    struct leat_dtls_srtp_keys keys;
    CHECK_EQ(leat_dtls_keys(rig.side[0].dtls, &keys), -ENOTCONN);
    CHECK_EQ(leat_dtls_keys(rig.side[1].dtls, &keys), -ENOTCONN);
    rig_close(&rig);
}

TEST(webrtc_dtls, active_refuses_a_strange_certificate)
{
    rig_open(&rig, 4, 0, 0);
    leat_dtls_close(rig.side[1].dtls);
    struct leat_dtls_fingerprint wrong = rig_fingerprint(rig.context[0]);
    wrong.bytes[31] ^= 1;
    rig_open_ours(&rig, 1, LEAT_DTLS_ACTIVE, rig.context[1], &wrong);
    rig_start(&rig);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(error_of(1).status, -EACCES);
    CHECK_EQ(error_of(0).status, -ECONNRESET);
    CHECK_EQ(error_of(0).alert, SSL_AD_BAD_CERTIFICATE);
    rig_close(&rig);
}

TEST(webrtc_dtls, any_of_the_fingerprints_is_enough)
{
    for (unsigned right = 0; right < 4; right++) {
        rig_open(&rig, 5, 0, 0);
        leat_dtls_close(rig.side[0].dtls);
        struct leat_dtls_fingerprint some[4];
        for (unsigned i = 0; i < 4; i++) {
            some[i] = rig_fingerprint(rig.context[1]);
            some[i].bytes[i] ^= i != right;
        }
        REQUIRE(leat_dtls_open(rig.context[0], LEAT_DTLS_PASSIVE, some, 4, rig.now,
                               &rig.side[0].dtls) == 0);
        rig_start(&rig);
        rig_run(&rig, LEAT_SEC);
        CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CONNECTED);
        rig_close(&rig);
    }
}

/* ---- goodbyes ---- */

TEST(webrtc_dtls, close_notify_both_ways)
{
    for (unsigned who = 0; who < 2; who++) {
        rig_open(&rig, 6, 0, 0);
        rig_start(&rig);
        rig_run(&rig, LEAT_SEC);
        leat_dtls_finish(rig.side[who].dtls);
        leat_dtls_finish(rig.side[who].dtls);
        CHECK_EQ(rig_state(&rig, who), LEAT_DTLS_CLOSED);
        const unsigned sent = rig.side[who].sent;
        rig_drain(&rig.side[who]);
        CHECK_EQ(rig.side[who].sent, sent + 1);
        CHECK_EQ(rig_state(&rig, !who), LEAT_DTLS_CONNECTED);
        rig_run(&rig, LEAT_SEC);
        CHECK_EQ(rig_state(&rig, !who), LEAT_DTLS_CLOSED);
        CHECK_EQ(error_of(!who).status, 0);
        struct leat_dtls_srtp_keys keys;
        CHECK_EQ(leat_dtls_keys(rig.side[!who].dtls, &keys), -ENOTCONN);
        rig_close(&rig);
    }
}

TEST(webrtc_dtls, finish_before_it_is_connected_says_nothing)
{
    rig_open(&rig, 7, 0, 0);
    const uint8_t *data = NULL;
    size_t len = 0;
    leat_dtls_finish(rig.side[0].dtls);
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CLOSED);
    CHECK(!leat_dtls_transmit(rig.side[0].dtls, &data, &len));
    CHECK_EQ(leat_dtls_deadline(rig.side[0].dtls), LEAT_NEVER);
    leat_dtls_receive(rig.side[0].dtls, rig.now, (const uint8_t *)"\x16", 1);
    leat_dtls_timeout(rig.side[0].dtls, rig.now + 100 * LEAT_SEC);
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CLOSED);
    rig_close(&rig);
}

/* ---- time ---- */

static unsigned drop_all(leat_dtls *dtls)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    unsigned count = 0;
    while (leat_dtls_transmit(dtls, &data, &len)) {
        count++;
    }
    return count;
}

static void check_schedule(leat_dtls *dtls, leat_time start)
{
    leat_time at = start, interval = 50 * LEAT_MS;
    for (unsigned i = 0; i < 9; i++) {
        at += interval;
        interval *= 2;
        CHECK_EQ(leat_dtls_deadline(dtls), at);
        leat_dtls_timeout(dtls, at - 1);
        CHECK_EQ(drop_all(dtls), 0);
        leat_dtls_timeout(dtls, at);
        CHECK(drop_all(dtls) >= 1);
        CHECK_EQ(drop_all(dtls), 0);
    }
    CHECK_EQ(leat_dtls_deadline(dtls), start + LEAT_DTLS_HANDSHAKE_NS);
    leat_dtls_timeout(dtls, start + LEAT_DTLS_HANDSHAKE_NS - 1);
    CHECK_EQ(leat_dtls_state(dtls, NULL), LEAT_DTLS_HANDSHAKING);
    leat_dtls_timeout(dtls, start + LEAT_DTLS_HANDSHAKE_NS);
    CHECK_EQ(leat_dtls_state(dtls, NULL), LEAT_DTLS_FAILED);
    CHECK_EQ(leat_dtls_deadline(dtls), LEAT_NEVER);
}

TEST(webrtc_dtls, retransmits_after_50_ms_and_doubles)
{
    rig_open(&rig, 8, 0, 0);
    leat_dtls *const active = rig.side[1].dtls, *const passive = rig.side[0].dtls;
    const uint8_t *data = NULL;
    size_t len = 0;
    CHECK_EQ(leat_dtls_deadline(passive), rig.now + LEAT_DTLS_HANDSHAKE_NS);
    REQUIRE(leat_dtls_transmit(active, &data, &len));
    leat_dtls_receive(passive, rig.now, data, len);
    CHECK_EQ(drop_all(passive), 1); /* the whole flight is one datagram */
    check_schedule(active, rig.now);
    check_schedule(passive, rig.now);
    CHECK_EQ(error_of(0).status, -ETIMEDOUT);
    CHECK_EQ(error_of(1).status, -ETIMEDOUT);
    rig_close(&rig);
}

static bool is_connected(void)
{
    return rig_state(&rig, 0) == LEAT_DTLS_CONNECTED && rig_state(&rig, 1) == LEAT_DTLS_CONNECTED;
}

/* A datagram lost costs one retransmission of its flight and no more, whichever it is. */
TEST(webrtc_dtls, a_lost_datagram_comes_again)
{
    rig_open(&rig, 9, 0, 0);
    rig_start(&rig);
    rig_run(&rig, LEAT_SEC);
    const unsigned sent = rig.sent;
    CHECK(sent >= 4);
    rig_close(&rig);
    for (unsigned lost = 1; lost <= sent; lost++) {
        rig_open(&rig, 9, 0, 0);
        rig.lost = lost;
        const leat_time start = rig.now;
        rig_start(&rig);
        while (!is_connected() && rig_step(&rig, start + LEAT_SEC)) {
        }
        CHECK(is_connected());
        CHECK(rig.now - start >= 55 * LEAT_MS);
        CHECK(rig.now - start <= 80 * LEAT_MS);
        rig_close(&rig);
    }
}

/* ---- bad networks ---- */

static leat_time run_seed(uint64_t seed)
{
    rig_open(&rig, seed, 0, 0);
    rig.loss = (unsigned)(seed % 5) * 5; /* up to 20 % */
    rig.repeat = 20;
    rig.delay_min = 1 * LEAT_MS;
    rig.delay_max = 60 * LEAT_MS;
    const leat_time start = rig.now;
    rig_start(&rig);
    while (
        (rig_state(&rig, 0) != LEAT_DTLS_CONNECTED || rig_state(&rig, 1) != LEAT_DTLS_CONNECTED) &&
        rig_step(&rig, start + 40 * LEAT_SEC)) {
    }
    return rig.now - start;
}

TEST(webrtc_dtls, five_hundred_seeds)
{
    leat_time sum = 0, most = 0;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        const leat_time took = run_seed(seed);
        if (!is_connected()) {
            printf("seed %llu: %d %s, %d %s\n", (unsigned long long)seed, error_of(0).status,
                   error_of(0).why, error_of(1).status, error_of(1).why);
            CHECK(!"connected");
        } else {
            check_keys(LEAT_DTLS_SRTP_AEAD_AES_128_GCM, 12);
        }
        sum += took;
        most = took > most ? took : most;
        rig.loss = 0;
        leat_dtls_finish(rig.side[seed & 1].dtls);
        rig_drain(&rig.side[seed & 1]);
        rig_run(&rig, LEAT_SEC);
        CHECK_EQ(rig_state(&rig, !(seed & 1)), LEAT_DTLS_CLOSED);
        rig_close(&rig);
    }
    printf("connected after %.0f ms in the mean, %.0f at most\n", (double)sum / 500e6,
           (double)most / 1e6);
}
