/* Sessions of SRTP: what is refused, what is remembered, and that no index is used for two packets. */
#include "webrtc_srtp.h"

static int unprotect(leat_srtp *srtp, const uint8_t *in, size_t len)
{
    uint8_t out[PACKET_MAX];
    size_t out_len = 0;
    return leat_srtp_unprotect(srtp, in, len, out, sizeof(out), &out_len);
}

/* Seals what the receiver gets: the status of that. */
static int carry(struct srtp_pair *pair, uint32_t ssrc, unsigned seq)
{
    uint8_t sealed[PACKET_MAX];
    size_t len = 0;
    REQUIRE(protect(pair->sender, ssrc, seq, sealed, &len) == 0);
    return unprotect(pair->receiver, sealed, len);
}

static bool is_wiped(const uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (out[i]) {
            return false;
        }
    }
    return true;
}

/* ---- what a packet may look like ---- */

TEST(webrtc_srtp, opens_known_profiles_only)
{
    leat_srtp *srtp = NULL;
    CHECK_EQ(leat_srtp_sender_open((enum leat_srtp_profile)8, master_key, master_salt, &srtp),
             -EINVAL);
    CHECK_EQ(leat_srtp_receiver_open((enum leat_srtp_profile)2, master_key, master_salt, &srtp),
             -EINVAL);
    CHECK(!srtp);
    leat_srtp_close(NULL);
}

TEST(webrtc_srtp, seals_from_three_places_what_one_would_give)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        leat_srtp *other = NULL;
        REQUIRE(leat_srtp_sender_open(profiles[p], master_key, master_salt, &other) == 0);
        CHECK_EQ(leat_srtp_profile_of(other), profiles[p]);
        uint8_t header[24] = {0}, payload[1200], a[PACKET_MAX], b[PACKET_MAX], c[PACKET_MAX];
        for (size_t i = 0; i < sizeof(payload); i++) {
            payload[i] = (uint8_t)(i * 7);
        }
        for (unsigned cut = 0; cut <= 40; cut++) {
            size_t a_len = 0, b_len = 0, c_len = 0;
            write_header(header, 0xcafe, cut);
            header[0] |= 0x11; /* one CSRC, an extension of one word */
            write_u32(header + 16, 0xbede0001);
            struct leat_srtp_packet packet = {.header = header,
                                              .header_len = sizeof(header),
                                              .payload = payload,
                                              .payload_len = sizeof(payload)};
            REQUIRE(leat_srtp_protect(pair.sender, &packet, a, sizeof(a), &a_len) == 0);
            packet.prefix = payload;
            packet.prefix_len = cut;
            packet.payload = payload + cut;
            packet.payload_len = sizeof(payload) - cut;
            REQUIRE(leat_srtp_protect(other, &packet, b, sizeof(b), &b_len) == 0);
            CHECK_EQ(a_len, 24 + 1200 + leat_srtp_overhead(profiles[p]));
            CHECK(a_len == b_len && memcmp(a, b, a_len) == 0);
            CHECK(memcmp(a, header, 24) == 0);
            REQUIRE(leat_srtp_unprotect(pair.receiver, a, a_len, c, sizeof(c), &c_len) == 0);
            CHECK(c_len == 1224 && memcmp(c, header, 24) == 0 &&
                  memcmp(c + 24, payload, 1200) == 0);
        }
        leat_srtp_close(other);
        pair_close(&pair);
    }
}

TEST(webrtc_srtp, an_empty_payload_is_a_packet)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        uint8_t header[12], out[64];
        size_t len = 0;
        write_header(header, 1, 1);
        const struct leat_srtp_packet packet = {.header = header, .header_len = 12};
        CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, sizeof(out), &len), 0);
        CHECK_EQ(len, 12 + leat_srtp_overhead(profiles[p]));
        CHECK_EQ(unprotect(pair.receiver, out, len), 0);
        pair_close(&pair);
    }
}

TEST(webrtc_srtp, refuses_headers_that_are_none)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t header[64] = {0}, out[128];
    size_t len = 77;
    struct leat_srtp_packet packet = {.header = header, .header_len = 12};
    write_header(header, 1, 1);
    for (size_t head_len = 0; head_len <= 64; head_len++) {
        packet.header_len = head_len;
        CHECK(head_len == 12 ||
              leat_srtp_protect(pair.sender, &packet, out, sizeof(out), &len) == -EINVAL);
    }
    packet.header_len = 12;
    header[0] = 0x40; /* version 1 */
    CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, sizeof(out), &len), -EINVAL);
    header[0] = 0x90; /* an extension that is not there */
    CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, sizeof(out), &len), -EINVAL);
    packet.header_len = 16;
    write_u32(header + 12, 0xbede0001); /* that says it is longer */
    CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, sizeof(out), &len), -EINVAL);
    header[0] = 0x80;
    packet.header_len = 12;
    CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, 27, &len), -EMSGSIZE);
    packet.payload = header;
    packet.payload_len = LEAT_SRTP_LEN_MAX;
    CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, SIZE_MAX, &len), -EMSGSIZE);
    packet.payload_len = SIZE_MAX - 4;
    CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, SIZE_MAX, &len), -EMSGSIZE);
    CHECK_EQ(len, 77);
    packet.payload_len = 0; /* none of these used the index */
    CHECK_EQ(leat_srtp_protect(pair.sender, &packet, out, sizeof(out), &len), 0);
    pair_close(&pair);
}

/* ---- one index, one packet ---- */

TEST(webrtc_srtp, an_index_is_used_once)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        uint8_t out[PACKET_MAX];
        struct leat_srtp_stats stats;
        size_t len = 0;
        REQUIRE(protect(pair.sender, 1, 100, out, &len) == 0);
        len = 99;
        CHECK_EQ(protect(pair.sender, 1, 100, out, &len), -EEXIST); /* even the same bytes */
        CHECK_EQ(protect_flagged(pair.sender, 1, 100, 5, 0, out, &len), -EEXIST);
        CHECK_EQ(protect_flagged(pair.sender, 1, 100, 100, LEAT_SRTP_REPEAT, out, &len), -EEXIST);
        CHECK_EQ(len, 99);
        CHECK_EQ(protect(pair.sender, 2, 100, out, &len), 0); /* another SSRC */
        leat_srtp_stats_get(pair.sender, &stats);
        CHECK_EQ(stats.refused, 3);
        pair_close(&pair);
    }
}

TEST(webrtc_srtp, late_packets_are_sealed_within_the_window)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t out[PACKET_MAX];
    size_t len = 0;
    REQUIRE(protect(pair.sender, 1, 5000, out, &len) == 0);
    CHECK_EQ(protect(pair.sender, 1, 5000 - LEAT_SRTP_WINDOW, out, &len), -ESTALE);
    CHECK_EQ(protect(pair.sender, 1, 5001 - LEAT_SRTP_WINDOW, out, &len), 0);
    CHECK_EQ(protect(pair.sender, 1, 5001 - LEAT_SRTP_WINDOW, out, &len), -EEXIST);
    CHECK_EQ(protect(pair.sender, 1, 4999, out, &len), 0);
    CHECK_EQ(protect(pair.sender, 1, 5002, out, &len), 0);
    CHECK_EQ(protect(pair.sender, 1, 5001, out, &len), 0);
    CHECK_EQ(protect(pair.sender, 1, 4999, out, &len), -EEXIST);
    CHECK_EQ(protect(pair.sender, 1, 5001, out, &len), -EEXIST);
    CHECK_EQ(protect(pair.sender, 1, 20000, out, &len), 0); /* all of the window is new */
    CHECK_EQ(protect(pair.sender, 1, 5002, out, &len), -ESTALE);
    CHECK_EQ(protect(pair.sender, 1, 19999, out, &len), 0);
    pair_close(&pair);
}

TEST(webrtc_srtp, before_the_first_rollover_is_nothing)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t out[PACKET_MAX];
    size_t len = 0;
    REQUIRE(protect(pair.sender, 1, 10, out, &len) == 0);
    CHECK_EQ(protect(pair.sender, 1, 65530, out, &len), -ESTALE);
    CHECK_EQ(protect(pair.sender, 1, 9, out, &len), 0);
    pair_close(&pair);
}

TEST(webrtc_srtp, a_repeat_is_the_same_bytes)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        struct leat_srtp_stats stats;
        uint8_t first[PACKET_MAX], again[PACKET_MAX];
        size_t first_len = 0, again_len = 0;
        const uint32_t flag = LEAT_SRTP_REPEAT;
        REQUIRE(protect_flagged(pair.sender, 1, 7, 1, flag, first, &first_len) == 0);
        REQUIRE(protect_flagged(pair.sender, 1, 8, 2, flag, again, &again_len) == 0);
        CHECK_EQ(protect_flagged(pair.sender, 1, 7, 1, flag, again, &again_len), 0);
        CHECK(first_len == again_len && memcmp(first, again, first_len) == 0);

        memset(again, 0xaa, sizeof(again));
        again_len = 99;
        CHECK_EQ(protect_flagged(pair.sender, 1, 7, 2, flag, again, &again_len), -EBADMSG);
        CHECK(is_wiped(again, first_len));
        CHECK_EQ(again_len, 99);
        CHECK_EQ(protect_flagged(pair.sender, 1, 7, 1, 0, again, &again_len), -EEXIST);

        uint8_t header[12]; /* the header counts too */
        write_header(header, 1, 7);
        header[1] ^= 0x80;
        const struct leat_srtp_packet marked = {.header = header,
                                                .header_len = 12,
                                                .payload = (const uint8_t[]){0, 0, 0, 1},
                                                .payload_len = 4,
                                                .flags = flag};
        CHECK_EQ(leat_srtp_protect(pair.sender, &marked, again, sizeof(again), &again_len),
                 -EBADMSG);
        CHECK_EQ(protect_flagged(pair.sender, 1, 7, 1, flag, again, &again_len), 0); /* still */
        leat_srtp_stats_get(pair.sender, &stats);
        CHECK_EQ(stats.refused, 3);

        /* Nor beyond the window. */
        CHECK_EQ(protect_flagged(pair.sender, 1, 7 + LEAT_SRTP_WINDOW, 3, flag, again, &again_len),
                 0);
        CHECK_EQ(protect_flagged(pair.sender, 1, 7, 1, flag, again, &again_len), -ESTALE);
        pair_close(&pair);
    }
}

/* What was sealed before the first packet that may be repeated has no tag to compare with. */
TEST(webrtc_srtp, repeats_need_a_tag)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t out[PACKET_MAX];
    size_t len = 0;
    const uint32_t flag = LEAT_SRTP_REPEAT;
    REQUIRE(protect_flagged(pair.sender, 1, 7, 1, 0, out, &len) == 0);
    REQUIRE(protect_flagged(pair.sender, 1, 9, 1, flag, out, &len) == 0);
    CHECK_EQ(protect_flagged(pair.sender, 1, 7, 1, flag, out, &len), -EEXIST);
    CHECK_EQ(protect_flagged(pair.sender, 1, 9, 1, flag, out, &len), 0);
    REQUIRE(protect_flagged(pair.sender, 1, 10, 4, 0, out, &len) == 0); /* remembered as well */
    CHECK_EQ(protect_flagged(pair.sender, 1, 10, 4, flag, out, &len), 0);
    CHECK_EQ(protect_flagged(pair.sender, 1, 10, 5, flag, out, &len), -EBADMSG);
    pair_close(&pair);
}

/* ---- rollover ---- */

/* Five times around, a third of it lost, some packets after those they were before. */
TEST(webrtc_srtp, goes_around_many_times)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        uint64_t random = 7;
        uint8_t held[PACKET_MAX], sealed[PACKET_MAX];
        size_t held_len = 0, len = 0;
        unsigned failures = 0;
        for (unsigned index = 30000; index < 5 * 65536; index++) {
            failures += protect(pair.sender, 1, index & 0xffff, sealed, &len) != 0;
            const uint32_t dice = random_next(&random) % 6;
            if (dice < 2) {
                continue;
            }
            if (dice == 2 && held_len == 0) {
                memcpy(held, sealed, len);
                held_len = len;
                continue;
            }
            failures += unprotect(pair.receiver, sealed, len) != 0;
            if (dice == 3 && held_len) {
                failures += unprotect(pair.receiver, held, held_len) != 0;
                held_len = 0;
            }
        }
        CHECK_EQ(failures, 0);
        pair_close(&pair);
    }
}

/* As much lost as the index can be guessed over, and a window that is around a rollover. */
TEST(webrtc_srtp, guesses_over_long_losses)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    CHECK_EQ(carry(&pair, 1, 100), 0);
    CHECK_EQ(carry(&pair, 1, 32868), 0);
    CHECK_EQ(carry(&pair, 1, 65500), 0);
    CHECK_EQ(carry(&pair, 1, 5), 0);     /* rollover 1 */
    CHECK_EQ(carry(&pair, 1, 65501), 0); /* rollover 0 */
    CHECK_EQ(carry(&pair, 1, 65535), 0);
    CHECK_EQ(carry(&pair, 1, 0), 0);
    CHECK_EQ(carry(&pair, 1, 32000), 0);
    CHECK_EQ(carry(&pair, 1, 64000), 0);
    CHECK_EQ(carry(&pair, 1, 30000), 0); /* rollover 2 */
    pair_close(&pair);
}

/* A receiver that lost all of the first 32,768: they are before no rollover, so they were none. */
TEST(webrtc_srtp, a_receiver_does_not_guess_before_the_first_rollover)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t sealed[PACKET_MAX];
    size_t len = 0;
    CHECK_EQ(carry(&pair, 1, 100), 0);
    REQUIRE(protect(pair.sender, 1, 20000, sealed, &len) == 0);
    CHECK_EQ(carry(&pair, 1, 40000), 0);
    CHECK_EQ(carry(&pair, 1, 60000), 0);
    pair_close(&pair);
}

/* ---- replays ---- */

TEST(webrtc_srtp, a_packet_is_opened_once)
{
    for (size_t p = 0; p < 2; p++) {
        enum { COUNT = LEAT_SRTP_WINDOW + 10 };
        struct srtp_pair pair = pair_open(profiles[p]);
        struct leat_srtp_stats stats;
        static uint8_t sealed[COUNT][64];
        size_t len = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            uint8_t out[PACKET_MAX];
            REQUIRE(protect(pair.sender, 1, 1000 + i, out, &len) == 0 && len <= 64);
            memcpy(sealed[i], out, len);
        }
        for (unsigned i = 0; i < COUNT; i += 2) {
            CHECK_EQ(unprotect(pair.receiver, sealed[i], len), 0);
        }
        const unsigned oldest = COUNT - 2 + 1 - LEAT_SRTP_WINDOW; /* in the window */
        for (unsigned i = 0; i < COUNT; i++) {
            const int status = unprotect(pair.receiver, sealed[i], len);
            CHECK_EQ(status, i == COUNT - 1 ? 0 : i < oldest ? -ESTALE : i % 2 ? 0 : -EEXIST);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            CHECK(unprotect(pair.receiver, sealed[i], len) < 0);
        }
        leat_srtp_stats_get(pair.receiver, &stats);
        CHECK_EQ(stats.replayed, COUNT + COUNT / 2 + oldest / 2);
        CHECK_EQ(stats.auth_failed, 0);
        pair_close(&pair);
    }
}

/* What does not authenticate changes nothing: not the window, not the rollover counter, no SSRC. */
TEST(webrtc_srtp, a_forgery_leaves_no_trace)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        struct leat_srtp_stats stats;
        uint8_t sealed[PACKET_MAX], forged[PACKET_MAX], out[PACKET_MAX];
        size_t len = 0, out_len = 99;
        unsigned forgeries = 0;
        CHECK_EQ(carry(&pair, 1, 100), 0);
        REQUIRE(protect(pair.sender, 1, 101, sealed, &len) == 0);
        for (size_t bit = 16; bit < len * 8; bit++) { /* all but version and counts */
            memcpy(forged, sealed, len);
            forged[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memset(out, 0xaa, sizeof(out));
            const int status =
                leat_srtp_unprotect(pair.receiver, forged, len, out, sizeof(out), &out_len);
            CHECK(status < 0);
            if (status == -EBADMSG) {
                forgeries++;
                CHECK(is_wiped(out, len - leat_srtp_overhead(profiles[p])));
            }
        }
        CHECK_EQ(out_len, 99);
        leat_srtp_stats_get(pair.receiver, &stats);
        CHECK_EQ(stats.auth_failed, forgeries);
        CHECK(forgeries > (len - 4) * 8 - 20);
        for (uint32_t ssrc = 1000; ssrc < 1100; ssrc++) { /* would fill the table */
            write_u32(sealed + 8, ssrc);
            CHECK_EQ(unprotect(pair.receiver, sealed, len), -EBADMSG);
        }
        write_u32(sealed + 8, 1);
        CHECK_EQ(unprotect(pair.receiver, sealed, len), 0);
        CHECK_EQ(carry(&pair, 2, 5), 0);
        pair_close(&pair);
    }
}

TEST(webrtc_srtp, refuses_what_is_no_packet)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        struct leat_srtp_stats stats;
        uint8_t sealed[PACKET_MAX], out[PACKET_MAX];
        size_t len = 0, out_len = 0;
        REQUIRE(protect(pair.sender, 1, 1, sealed, &len) == 0);
        for (size_t cut = 0; cut < 12 + leat_srtp_overhead(profiles[p]); cut++) {
            CHECK_EQ(unprotect(pair.receiver, sealed, cut), -EINVAL);
        }
        const unsigned short_ones = 12 + (unsigned)leat_srtp_overhead(profiles[p]);
        CHECK_EQ(leat_srtp_unprotect(pair.receiver, sealed, len, out, 15, &out_len), -EMSGSIZE);
        sealed[0] = 0x8f; /* 15 CSRCs */
        CHECK_EQ(unprotect(pair.receiver, sealed, len), -EINVAL);
        sealed[0] = 0xc0;
        CHECK_EQ(unprotect(pair.receiver, sealed, len), -EINVAL);
        leat_srtp_stats_get(pair.receiver, &stats);
        CHECK_EQ(stats.malformed, short_ones + 2);
        sealed[0] = 0x80;
        CHECK_EQ(leat_srtp_unprotect(pair.receiver, sealed, len, out, 16, &out_len), 0);
        CHECK_EQ(out_len, 16);
        pair_close(&pair);
    }
}

TEST(webrtc_srtp, a_session_has_so_many_ssrcs)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM), more;
    uint8_t out[PACKET_MAX];
    size_t len = 0;
    for (uint32_t ssrc = 0; ssrc < LEAT_SRTP_SSRC_MAX; ssrc++) {
        CHECK_EQ(carry(&pair, ssrc, 1), 0);
    }
    CHECK_EQ(protect(pair.sender, LEAT_SRTP_SSRC_MAX, 1, out, &len), -ENOSPC);
    CHECK_EQ(protect(pair.sender, 3, 1, out, &len), -EEXIST); /* none is forgotten */
    more = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    REQUIRE(protect(more.sender, LEAT_SRTP_SSRC_MAX, 1, out, &len) == 0);
    CHECK_EQ(unprotect(pair.receiver, out, len), -ENOSPC);
    CHECK_EQ(carry(&pair, 0, 2), 0);
    pair_close(&more);
    pair_close(&pair);
}
