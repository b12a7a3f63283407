/* Against others: OpenSSL as nobody of ours calls it, a browser's captured ClientHello, garbage. */
#include "webrtc_dtls_rig.h"

#define BOTH "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM"

static struct rig rig;

static struct leat_dtls_error error_of(unsigned at)
{
    struct leat_dtls_error error;
    (void)leat_dtls_state(rig.side[at].dtls, &error);
    return error;
}

/* Ours is side 0, in this role; side 1 is OpenSSL. */
static void open_against(uint64_t seed, enum leat_dtls_role role, struct rig_raw how,
                         enum leat_dtls_hash hash)
{
    struct leat_dtls_fingerprint of = {0};
    rig_init(&rig, seed);
    rig.context[0] = rig_context(0);
    rig_open_raw(&rig, 1, role == LEAT_DTLS_ACTIVE, how, hash, &of);
    rig_open_ours(&rig, 0, role, rig.context[0], &of);
}

static bool is_connected(void)
{
    return rig_state(&rig, 0) == LEAT_DTLS_CONNECTED && rig.side[1].raw_status == 1;
}

static void check_keys(bool is_passive)
{
    struct leat_dtls_srtp_keys ours, theirs = {0};
    uint8_t bytes[60];
    REQUIRE(leat_dtls_keys(rig.side[0].dtls, &ours) == 0);
    const size_t salt = ours.salt_len;
    CHECK_EQ(SSL_get_selected_srtp_profile(rig.side[1].raw)->id, ours.profile);
    REQUIRE(SSL_export_keying_material(rig.side[1].raw, bytes, 32 + 2 * salt, "EXTRACTOR-dtls_srtp",
                                       19, NULL, 0, 0) == 1);
    theirs.profile = ours.profile;
    uint8_t *const client_key = is_passive ? theirs.local_key : theirs.remote_key;
    uint8_t *const server_key = is_passive ? theirs.remote_key : theirs.local_key;
    uint8_t *const client_salt = is_passive ? theirs.local_salt : theirs.remote_salt;
    uint8_t *const server_salt = is_passive ? theirs.remote_salt : theirs.local_salt;
    memcpy(client_key, bytes, 16);
    memcpy(server_key, bytes + 16, 16);
    memcpy(client_salt, bytes + 32, salt);
    memcpy(server_salt, bytes + 32 + salt, salt);
    CHECK(rig_keys_equal(&ours, &theirs));
}

static void run_seeds(enum leat_dtls_role role)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        open_against(seed, role, (struct rig_raw){.profiles = BOTH},
                     (enum leat_dtls_hash)(seed % 3));
        rig.loss = (unsigned)(seed % 4) * 5;
        rig.repeat = 20;
        rig.delay_max = 60 * LEAT_MS;
        const leat_time start = rig.now;
        rig_start(&rig);
        while (!is_connected() && rig_step(&rig, start + 40 * LEAT_SEC)) {
        }
        if (is_connected()) {
            check_keys(role == LEAT_DTLS_PASSIVE);
        } else {
            printf("seed %llu: %d %s, %d\n", (unsigned long long)seed, error_of(0).status,
                   error_of(0).why, rig.side[1].raw_status);
            CHECK(!"connected");
        }
        rig_run(&rig, LEAT_SEC);
        rig.loss = 0;
        if (seed % 2) {
            leat_dtls_finish(rig.side[0].dtls);
            rig_drain(&rig.side[0]);
            rig_run(&rig, LEAT_SEC);
            CHECK_EQ(rig.side[1].raw_status, 2);
        } else {
            (void)SSL_shutdown(rig.side[1].raw);
            rig_run(&rig, LEAT_SEC);
            CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CLOSED);
        }
        rig_close(&rig);
    }
}

TEST(webrtc_dtls_peer, openssl_as_client)
{
    run_seeds(LEAT_DTLS_PASSIVE);
}

TEST(webrtc_dtls_peer, openssl_as_server)
{
    run_seeds(LEAT_DTLS_ACTIVE);
}

TEST(webrtc_dtls_peer, the_passive_side_chooses_the_profile)
{
    for (unsigned role = 0; role < 2; role++) {
        open_against(1, (enum leat_dtls_role)role, (struct rig_raw){.profiles = BOTH}, 0);
        rig_start(&rig);
        rig_run(&rig, LEAT_SEC);
        struct leat_dtls_srtp_keys keys;
        REQUIRE(leat_dtls_keys(rig.side[0].dtls, &keys) == 0);
        CHECK_EQ(keys.profile, role == LEAT_DTLS_PASSIVE ? LEAT_DTLS_SRTP_AEAD_AES_128_GCM
                                                         : LEAT_DTLS_SRTP_AES128_CM_SHA1_80);
        rig_close(&rig);
    }
}

TEST(webrtc_dtls_peer, refuses_who_does_not_fit)
{
    static const struct {
        struct rig_raw how;
        int passive, active; /* our status in the role */
    } cases[] = {
        {{.profiles = NULL}, -EPROTONOSUPPORT, -EPROTONOSUPPORT},
        {{.profiles = "SRTP_AES128_CM_SHA1_32"}, -EPROTONOSUPPORT, -EPROTONOSUPPORT},
        {{.profiles = BOTH, .without_certificate = true}, -EPROTO, -ECONNRESET},
        {{.profiles = BOTH, .version = DTLS1_VERSION}, -EPROTO, -ECONNRESET},
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const enum leat_dtls_role role = i % 2 ? LEAT_DTLS_ACTIVE : LEAT_DTLS_PASSIVE;
        open_against(1, role, cases[i / 2].how, 0);
        rig_start(&rig);
        rig_run(&rig, 2 * LEAT_SEC);
        CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_FAILED);
        CHECK_EQ(error_of(0).status, i % 2 ? cases[i / 2].active : cases[i / 2].passive);
        CHECK(strlen(error_of(0).why) > 0);
        CHECK(rig.side[1].raw_status != 1);
        rig_close(&rig);
    }
}

/* An application that sends data over it, and one that wants to renegotiate, get nowhere. */
TEST(webrtc_dtls_peer, data_and_renegotiation_are_dropped)
{
    open_against(1, LEAT_DTLS_PASSIVE, (struct rig_raw){.profiles = BOTH}, 0);
    rig_start(&rig);
    rig_run(&rig, LEAT_SEC);
    struct leat_dtls_counts before, after;
    leat_dtls_counts(rig.side[0].dtls, &before);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(SSL_write(rig.side[1].raw, "words", 5), 5);
    }
    rig_run(&rig, LEAT_SEC);
    leat_dtls_counts(rig.side[0].dtls, &after);
    CHECK_EQ(after.dropped - before.dropped, 10);
    CHECK_EQ(after.transmitted, before.transmitted);
    (void)SSL_renegotiate(rig.side[1].raw);
    (void)SSL_do_handshake(rig.side[1].raw);
    rig_run(&rig, 6 * LEAT_MS);
    leat_dtls_counts(rig.side[0].dtls, &before);
    CHECK_EQ(before.transmitted - after.transmitted, 1); /* no_renegotiation */
    CHECK_EQ(rig_state(&rig, 0), LEAT_DTLS_CONNECTED);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(rig.side[1].raw_status, -1); /* OpenSSL then gives up, and says so */
    CHECK_EQ(error_of(0).status, -ECONNRESET);
    CHECK_EQ(error_of(0).alert, SSL_AD_HANDSHAKE_FAILURE);
    rig_close(&rig);
}

/* ---- the captured ClientHello of Chromium, in two datagrams ---- */

static struct hello {
    uint8_t data[1500];
    size_t len;
} hello[2];

static void load_hello(void)
{
    static const char *const paths[] = {LEAT_TEST_DATA "/webrtc_clienthello1.bin",
                                        LEAT_TEST_DATA "/webrtc_clienthello2.bin"};
    for (int i = 0; i < 2; i++) {
        FILE *const file = fopen(paths[i], "rb");
        REQUIRE(file != NULL);
        hello[i].len = fread(hello[i].data, 1, sizeof(hello[i].data), file);
        fclose(file);
    }
    REQUIRE(hello[0].len == 1200);
    REQUIRE(hello[1].len == 263);
}

TEST(webrtc_dtls_peer, captured_hello_in_every_order)
{
    /* Digits are datagrams; only the last of each completes the ClientHello. */
    static const char *const orders[] = {"12", "21", "112", "221", "1112", "2221"};
    load_hello();
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        rig_open(&rig, 1, 0, 0);
        leat_dtls *const dtls = rig.side[0].dtls;
        const uint8_t *data = NULL;
        size_t len = 0;
        for (const char *next = orders[i]; *next; next++) {
            const struct hello *const part = &hello[*next - '1'];
            CHECK(!leat_dtls_transmit(dtls, &data, &len));
            leat_dtls_receive(dtls, rig.now, part->data, part->len);
            CHECK_EQ(leat_dtls_state(dtls, NULL), LEAT_DTLS_HANDSHAKING);
        }
        REQUIRE(leat_dtls_transmit(dtls, &data, &len));
        CHECK(len > 300); /* the whole flight */
        CHECK_EQ(data[0], 22);
        CHECK_EQ(data[13], SSL3_MT_SERVER_HELLO);
        CHECK(!leat_dtls_transmit(dtls, &data, &len));
        CHECK_EQ(leat_dtls_deadline(dtls), rig.now + LEAT_DTLS_RETRANSMIT_NS);
        for (unsigned j = 0; j < 2; j++) { /* what comes once more is not answered once more */
            leat_dtls_receive(dtls, rig.now, hello[j].data, hello[j].len);
            CHECK(!leat_dtls_transmit(dtls, &data, &len));
        }
        rig_close(&rig);
    }
}

/* Lost at first, and repeated with record numbers of its own, as it is. */
TEST(webrtc_dtls_peer, captured_hello_with_one_lost)
{
    load_hello();
    for (unsigned lost = 0; lost < 2; lost++) {
        rig_open(&rig, 1, 0, 0);
        leat_dtls *const dtls = rig.side[0].dtls;
        const uint8_t *data = NULL;
        size_t len = 0;
        leat_dtls_receive(dtls, rig.now, hello[!lost].data, hello[!lost].len);
        for (unsigned i = 0; i < 2; i++) {
            struct hello again = hello[i];
            again.data[10] = (uint8_t)(2 + i);
            leat_dtls_receive(dtls, rig.now + 50 * LEAT_MS, again.data, again.len);
        }
        REQUIRE(leat_dtls_transmit(dtls, &data, &len));
        CHECK_EQ(data[13], SSL3_MT_SERVER_HELLO);
        rig_close(&rig);
    }
}

/* ---- garbage ---- */

TEST(webrtc_dtls_peer, garbage_before_and_between_does_no_harm)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        open_against(seed, seed % 2 ? LEAT_DTLS_PASSIVE : LEAT_DTLS_ACTIVE,
                     (struct rig_raw){.profiles = BOTH}, 0);
        const leat_time start = rig.now;
        rig_start(&rig);
        do {
            uint8_t bytes[64];
            for (unsigned i = 0; i < 5; i++) {
                const size_t len = rig_random(&rig, sizeof(bytes)) + 1;
                for (size_t j = 0; j < len; j++) {
                    bytes[j] = (uint8_t)rig_random(&rig, 256);
                }
                rig_feed(&rig.side[0], bytes, len);
            }
            memcpy(bytes, "\x16\xfe\xfd\0\1\0\0\0\0\0\0\0\x20",
                   13); /* early, to be undecipherable */
            bytes[10] = (uint8_t)rig_random(&rig, 256);
            rig_feed(&rig.side[0], bytes, 13 + 32);
        } while (!is_connected() && rig_step(&rig, start + LEAT_SEC));
        CHECK(is_connected());
        rig_close(&rig);
    }
}

static size_t drain_len(leat_dtls *dtls)
{
    const uint8_t *data = NULL;
    size_t len = 0, sum = 0;
    while (leat_dtls_transmit(dtls, &data, &len)) {
        CHECK(len <= LEAT_DTLS_DATAGRAM_LEN_MAX);
        sum += len;
    }
    return sum;
}

/* What nobody asked for waits, all of it, and shares datagrams. */
TEST(webrtc_dtls_peer, flights_wait_for_who_transmits_late)
{
    size_t sum[2] = {0, 0};
    for (unsigned late = 0; late < 2; late++) {
        rig_open(&rig, 1, 0, 0);
        leat_dtls *const dtls = rig.side[1].dtls;
        for (unsigned i = 0; i < 9; i++) {
            sum[late] += late ? 0 : drain_len(dtls);
            leat_dtls_timeout(dtls, leat_dtls_deadline(dtls));
        }
        sum[late] += drain_len(dtls);
        rig_close(&rig);
    }
    CHECK(sum[0] > 1000);
    CHECK_EQ(sum[0], sum[1]);
}

TEST(webrtc_dtls_peer, a_handshake_takes_no_end_of_datagrams)
{
    load_hello();
    for (unsigned before = 254; before <= 256; before++) {
        rig_open(&rig, 1, 0, 0);
        leat_dtls *const dtls = rig.side[0].dtls;
        for (unsigned i = 0; i < before; i++) {
            leat_dtls_receive(dtls, rig.now, (const uint8_t *)"\x16 and so on", 11);
        }
        leat_dtls_receive(dtls, rig.now, hello[0].data, hello[0].len);
        leat_dtls_receive(dtls, rig.now, hello[1].data, hello[1].len);
        CHECK_EQ(drain_len(dtls) > 0, before == 254);
        struct leat_dtls_counts counts;
        leat_dtls_counts(dtls, &counts);
        CHECK_EQ(counts.received, before + 2);
        CHECK_EQ(counts.dropped, before == 254 ? 254 : before + (before == 256 ? 2 : 1));
        CHECK_EQ(leat_dtls_state(dtls, NULL), LEAT_DTLS_HANDSHAKING);
        rig_close(&rig);
    }
}

/* ---- fingerprints ---- */

TEST(webrtc_dtls_peer, fingerprints_from_text)
{
#define BYTES8 "01:23:45:67:89:AB:cd:EF"
#define BYTES32 BYTES8 ":" BYTES8 ":" BYTES8 ":" BYTES8
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"sha-256 " BYTES32, 0},
        {"SHA-256 " BYTES32, 0},
        {"sha-384 " BYTES32 ":" BYTES8 ":" BYTES8, 0},
        {"sha-512 " BYTES32 ":" BYTES32, 0},
        {"sha-512 " BYTES32, -EINVAL},
        {"sha-256 " BYTES32 ":" BYTES32, -EINVAL},
        {"sha-256 " BYTES32 ":00", -EINVAL},
        {"sha-256 " BYTES32 ":", -EINVAL},
        {"sha-256 " BYTES32 " ", -EINVAL},
        {"sha-256  " BYTES32, -EINVAL},
        {"sha-256", -EINVAL},
        {"sha-256 ", -EINVAL},
        {" " BYTES32, -EINVAL},
        {"", -EINVAL},
        {"sha-256 0G:23", -EINVAL},
        {"sha-256 01-23", -EINVAL},
        {"sha-1 " BYTES8 ":" BYTES8 ":01:02:03:04", -ENOTSUP},
        {"md5 " BYTES8 ":" BYTES8, -ENOTSUP},
        {"sha-2567 " BYTES32, -ENOTSUP},
        {"sha-25 " BYTES32, -ENOTSUP},
        {"x " BYTES32 ":" BYTES32 ":" BYTES32, -ENOTSUP},
        {"x y", -EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct leat_dtls_fingerprint made = {.len = 99};
        const size_t len = strlen(cases[i].text);
        char *const text = malloc(len ? len : 1);
        memcpy(text, cases[i].text, len);
        CHECK_EQ(leat_dtls_fingerprint_parse(text, len, &made), cases[i].status);
        CHECK(cases[i].status == 0 || made.len == 99);
        if (cases[i].status == 0) {
            CHECK_EQ(made.len, (len - 8 + 1) / 3);
            CHECK(memcmp(made.bytes + made.len - 8, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8) == 0);
        }
        free(text);
    }
}
