/* A connection whose handshake is behind both sides: against OpenSSL with each cipher there can
 * be, in both roles. */
#include "../../protocols/webrtc/dtls_internal.h"
#include "webrtc_dtls_rig.h"

static struct rig rig;

static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                     "ECDHE-ECDSA-AES256-GCM-SHA384",
                                     "ECDHE-ECDSA-CHACHA20-POLY1305"};
enum { SUITES = 3 };

/* Ours is side 0, in this role; side 1 is OpenSSL with this one cipher. Ours is settled. */
static void open_settled(enum leat_dtls_role role, unsigned suite)
{
    struct leat_dtls_fingerprint of = {0};
    rig_init(&rig, 1);
    rig.context[0] = rig_context(0);
    rig_open_raw(&rig, 1, role == LEAT_DTLS_ACTIVE,
                 (struct rig_raw){.profiles = "SRTP_AEAD_AES_128_GCM", .key_kind = "P-256"},
                 LEAT_DTLS_SHA_256, &of);
    REQUIRE(SSL_set_cipher_list(rig.side[1].raw, suites[suite]) == 1);
    rig_open_ours(&rig, 0, role, rig.context[0], &of);
    rig_start(&rig);
    rig_run(&rig, LEAT_SEC);
    REQUIRE(rig_state(&rig, 0) == LEAT_DTLS_CONNECTED);
    REQUIRE(rig.side[1].raw_status == 1);
    CHECK_STR(SSL_get_cipher_name(rig.side[1].raw), suites[suite]);
    leat_dtls_settle(rig.side[0].dtls);
    leat_dtls_settle(rig.side[0].dtls);
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CONNECTED);
    CHECK_EQ(leat_dtls_deadline(rig.side[0].dtls), LEAT_NEVER);
}

static uint32_t dropped(void)
{
    struct leat_dtls_counts counts;
    leat_dtls_counts(rig.side[0].dtls, &counts);
    return counts.dropped;
}

TEST(webrtc_dtls_settle, says_close_notify)
{
    for (unsigned i = 0; i < 2 * SUITES; i++) {
        open_settled((enum leat_dtls_role)(i % 2), i / 2);
        const unsigned sent = rig.side[0].sent;
        leat_dtls_finish(rig.side[0].dtls);
        leat_dtls_finish(rig.side[0].dtls);
        CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CLOSED);
        rig_drain(&rig.side[0]);
        CHECK_EQ(rig.side[0].sent, sent + 1);
        rig_run(&rig, LEAT_SEC);
        CHECK_EQ(rig.side[1].raw_status, 2);
        rig_close(&rig);
    }
}

TEST(webrtc_dtls_settle, understands_close_notify_and_answers)
{
    for (unsigned i = 0; i < 2 * SUITES; i++) {
        open_settled((enum leat_dtls_role)(i % 2), i / 2);
        const unsigned sent = rig.side[0].sent;
        CHECK_EQ(SSL_shutdown(rig.side[1].raw), 0);
        rig_run(&rig, LEAT_SEC);
        CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CLOSED);
        CHECK_EQ(dropped(), 0);
        CHECK_EQ(rig.side[0].sent, sent + 1);
        CHECK(SSL_get_shutdown(rig.side[1].raw) & SSL_RECEIVED_SHUTDOWN);
        struct leat_dtls_srtp_keys keys;
        CHECK_EQ(leat_dtls_keys(rig.side[0].dtls, &keys), -ENOTCONN);
        rig_close(&rig);
    }
}

/* The next datagram on its way to ours, taken from the network. */
static struct rig_packet intercept(void)
{
    struct rig_packet found = {0};
    for (unsigned i = 0; i < RIG_PACKETS; i++) {
        if (rig.packets[i].len > 0 && rig.packets[i].to == 0) {
            found = rig.packets[i];
            rig.packets[i].len = 0;
        }
    }
    REQUIRE(found.len > 0);
    return found;
}

TEST(webrtc_dtls_settle, drops_what_is_no_authentic_alert)
{
    for (unsigned suite = 0; suite < SUITES; suite++) {
        open_settled(LEAT_DTLS_PASSIVE, suite);
        REQUIRE(SSL_write(rig.side[1].raw, "hello", 5) == 5); /* data */
        struct rig_packet packet = intercept();
        rig_feed(&rig.side[0], packet.data, packet.len);
        CHECK_EQ(dropped(), 1);
        CHECK_EQ(SSL_shutdown(rig.side[1].raw), 0);
        packet = intercept();
        uint32_t expected = dropped();
        for (size_t bit = 0; bit < 8 * packet.len; bit++) { /* none may be changed */
            uint8_t *const byte = &packet.data[bit / 8];
            *byte ^= (uint8_t)(1 << bit % 8);
            rig_feed(&rig.side[0], packet.data, packet.len);
            *byte ^= (uint8_t)(1 << bit % 8);
            CHECK(dropped() > expected);
            expected = dropped();
        }
        for (size_t len = 0; len < packet.len; len++) {
            rig_feed(&rig.side[0], packet.data, len);
        }
        CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CONNECTED);
        rig_feed(&rig.side[0], packet.data, packet.len);
        CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CLOSED);
        rig_close(&rig);
    }
}

/* OpenSSL sends none when it is told to, so it is made with its keys. */
TEST(webrtc_dtls_settle, alerts)
{
    for (unsigned suite = 0; suite < SUITES; suite++) {
        struct dtls_alerts theirs;
        struct leat_dtls_error error;
        uint8_t record[DTLS_ALERT_RECORD_MAX];
        open_settled(LEAT_DTLS_PASSIVE, suite);
        REQUIRE(leat__dtls_alerts_init(rig.side[1].raw, &theirs));
        size_t len =
            leat__dtls_alerts_seal(&theirs, SSL3_AL_WARNING, SSL_AD_USER_CANCELLED, record);
        CHECK_EQ(len, suite == 2 ? 31 : 39);
        rig_feed(&rig.side[0], record, len);
        CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CONNECTED);
        CHECK_EQ(dropped(), 0);
        len = leat__dtls_alerts_seal(&theirs, SSL3_AL_FATAL, SSL_AD_INTERNAL_ERROR, record);
        rig_feed(&rig.side[0], record, len);
        CHECK_EQ(leat_dtls_state(rig.side[0].dtls, &error), LEAT_DTLS_FAILED);
        CHECK_EQ(error.status, -ECONNRESET);
        CHECK_EQ(error.alert, SSL_AD_INTERNAL_ERROR);
        rig_close(&rig);
    }
}

TEST(webrtc_dtls_settle, nothing_before_it_is_connected)
{
    rig_open(&rig, 1, 0, 0);
    leat_dtls_settle(rig.side[0].dtls);
    leat_dtls_settle(rig.side[1].dtls);
    rig_start(&rig);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CONNECTED);
    CHECK_EQ(rig_state(&rig, 1), LEAT_DTLS_CONNECTED);
    leat_dtls_settle(rig.side[0].dtls); /* one of them is enough, or both */
    leat_dtls_settle(rig.side[1].dtls);
    leat_dtls_finish(rig.side[1].dtls);
    rig_drain(&rig.side[1]);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CLOSED);
    rig_close(&rig);
}
