/* Sessions of SRTCP, and the bounds nobody reaches: 2^31 RTCP packets, 2^48 of RTP. */
#include "webrtc_srtp.h"

#include "../../protocols/webrtc/srtp_session.h"

enum { REPORT_LEN = 32 };

static int protect_report(leat_srtp *srtp, uint32_t ssrc, uint8_t *out, size_t *ret_len)
{
    uint8_t report[REPORT_LEN] = {0x81, 201, 0, 7};
    write_u32(report + 4, ssrc);
    return leat_srtcp_protect(srtp, report, sizeof(report), out, PACKET_MAX, ret_len);
}

static int unprotect_report(leat_srtp *srtp, const uint8_t *in, size_t len)
{
    uint8_t out[PACKET_MAX];
    size_t out_len = 0;
    const int status = leat_srtcp_unprotect(srtp, in, len, out, sizeof(out), &out_len);
    CHECK(status || (out_len == REPORT_LEN && out[1] == 201 && memcmp(out, in, 8) == 0));
    return status;
}

TEST(webrtc_srtcp, a_packet_is_opened_once)
{
    for (size_t p = 0; p < 2; p++) {
        enum { COUNT = LEAT_SRTP_WINDOW + 10 };
        struct srtp_pair pair = pair_open(profiles[p]);
        static uint8_t sealed[COUNT][64];
        struct leat_srtp_stats stats;
        size_t len = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            uint8_t out[PACKET_MAX];
            REQUIRE(protect_report(pair.sender, 1, out, &len) == 0);
            CHECK_EQ(len, REPORT_LEN + leat_srtcp_overhead(profiles[p]));
            memcpy(sealed[i], out, len);
        }
        for (unsigned i = 20; i < COUNT; i++) {
            CHECK_EQ(unprotect_report(pair.receiver, sealed[i], len), 0);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            CHECK_EQ(unprotect_report(pair.receiver, sealed[i], len), i < 10   ? -ESTALE
                                                                      : i < 20 ? 0
                                                                               : -EEXIST);
        }
        leat_srtp_stats_get(pair.receiver, &stats);
        CHECK_EQ(stats.replayed, COUNT - 10);
        pair_close(&pair);
    }
}

/* The same report said twice is two packets. */
TEST(webrtc_srtcp, each_packet_has_its_own_index)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        uint8_t a[PACKET_MAX], b[PACKET_MAX], c[PACKET_MAX];
        size_t len = 0;
        REQUIRE(protect_report(pair.sender, 1, a, &len) == 0);
        REQUIRE(protect_report(pair.sender, 1, b, &len) == 0);
        REQUIRE(protect_report(pair.sender, 2, c, &len) == 0);
        CHECK(memcmp(a + 8, b + 8, len - 8) != 0);
        CHECK_EQ(unprotect_report(pair.receiver, c, len), 0);
        CHECK_EQ(unprotect_report(pair.receiver, b, len), 0);
        CHECK_EQ(unprotect_report(pair.receiver, a, len), 0);
        pair_close(&pair);
    }
}

TEST(webrtc_srtcp, a_forgery_leaves_no_trace)
{
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        struct leat_srtp_stats stats;
        uint8_t sealed[PACKET_MAX], forged[PACKET_MAX];
        size_t len = 0;
        REQUIRE(protect_report(pair.sender, 1, sealed, &len) == 0);
        const size_t e_bit =
            (profiles[p] == LEAT_SRTP_AEAD_AES_128_GCM ? len - 4 : len - 14) * 8 + 7;
        for (size_t bit = 0; bit < len * 8; bit++) {
            memcpy(forged, sealed, len);
            forged[bit / 8] ^= (uint8_t)(1 << bit % 8);
            const bool is_malformed = bit == 6 || bit == 7 || bit == e_bit;
            CHECK_EQ(unprotect_report(pair.receiver, forged, len),
                     is_malformed ? -EINVAL : -EBADMSG);
        }
        for (size_t cut = 0; cut < 8 + leat_srtcp_overhead(profiles[p]); cut++) {
            CHECK_EQ(unprotect_report(pair.receiver, sealed, cut), -EINVAL);
        }
        leat_srtp_stats_get(pair.receiver, &stats);
        CHECK_EQ(stats.malformed, 3 + 8 + leat_srtcp_overhead(profiles[p]));
        CHECK_EQ(stats.auth_failed, len * 8 - 3);
        CHECK_EQ(unprotect_report(pair.receiver, sealed, len), 0);
        pair_close(&pair);
    }
}

TEST(webrtc_srtcp, what_is_sent_is_rtcp_that_fits)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AES128_CM_SHA1_80);
    uint8_t report[8] = {0x80, 203, 0, 1, 0, 0, 0, 1}, out[64];
    size_t len = 99;
    CHECK_EQ(leat_srtcp_protect(pair.sender, report, 7, out, sizeof(out), &len), -EINVAL);
    CHECK_EQ(leat_srtcp_protect(pair.sender, report, 8, out, 21, &len), -EMSGSIZE);
    CHECK_EQ(leat_srtcp_protect(pair.sender, report, LEAT_SRTP_LEN_MAX, out, SIZE_MAX, &len),
             -EMSGSIZE);
    report[0] = 0x40;
    CHECK_EQ(leat_srtcp_protect(pair.sender, report, 8, out, 22, &len), -EINVAL);
    CHECK_EQ(len, 99);
    report[0] = 0x80;
    CHECK_EQ(leat_srtcp_protect(pair.sender, report, 8, out, 22, &len), 0);
    CHECK_EQ(len, 22);
    CHECK_EQ(leat_srtcp_unprotect(pair.receiver, out, 22, report, 7, &len), -EMSGSIZE);
    CHECK_EQ(leat_srtcp_unprotect(pair.receiver, out, 22, report, 8, &len), 0);
    CHECK_EQ(len, 8);
    pair_close(&pair);
}

TEST(webrtc_srtcp, an_ssrc_more_than_there_may_be_is_refused)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t out[PACKET_MAX];
    size_t len = 0;
    for (uint32_t ssrc = 0; ssrc <= LEAT_SRTP_SSRC_MAX; ssrc++) {
        REQUIRE(protect_report(pair.sender, ssrc, out, &len) == 0);
        CHECK_EQ(unprotect_report(pair.receiver, out, len),
                 ssrc == LEAT_SRTP_SSRC_MAX ? -ENOSPC : 0);
    }
    pair_close(&pair);
}

/* ---- the last packets of a key ---- */

TEST(webrtc_srtcp, a_key_ends_after_2_31_reports)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t out[PACKET_MAX];
    size_t len = 0;
    REQUIRE(protect_report(pair.sender, 1, out, &len) == 0);
    pair.sender->rtcp->rtcp_index = 0x7fffffff;
    CHECK_EQ(protect_report(pair.sender, 1, out, &len), 0);
    CHECK_EQ(unprotect_report(pair.receiver, out, len), 0);
    CHECK_EQ(protect_report(pair.sender, 1, out, &len), -EOVERFLOW);
    CHECK_EQ(protect_report(pair.sender, 2, out, &len), -EOVERFLOW);
    pair_close(&pair);
}

TEST(webrtc_srtcp, a_key_ends_after_2_48_packets)
{
    struct srtp_pair pair = pair_open(LEAT_SRTP_AEAD_AES_128_GCM);
    uint8_t out[PACKET_MAX], opened[PACKET_MAX];
    size_t len = 0, opened_len = 0;
    REQUIRE(protect(pair.sender, 1, 0, out, &len) == 0);
    REQUIRE(leat_srtp_unprotect(pair.receiver, out, len, opened, PACKET_MAX, &opened_len) == 0);
    const uint64_t nearly = SRTP_INDEX_END - 10;
    pair.sender->rtp->streams->highest = nearly;
    pair.receiver->rtp->streams->highest = nearly;
    CHECK_EQ(protect(pair.sender, 1, 0xffff, out, &len), 0);
    CHECK_EQ(leat_srtp_unprotect(pair.receiver, out, len, opened, PACKET_MAX, &opened_len), 0);
    CHECK_EQ(protect(pair.sender, 1, 0, out, &len), -EOVERFLOW);
    CHECK_EQ(protect(pair.sender, 1, 0x7000, out, &len), -EOVERFLOW);
    CHECK_EQ(protect(pair.sender, 1, 0xfffe, out, &len), 0); /* late, and not used yet */
    write_u16(out + 2, 0);
    CHECK_EQ(leat_srtp_unprotect(pair.receiver, out, len, opened, PACKET_MAX, &opened_len),
             -EOVERFLOW);
    pair_close(&pair);
}

/* RFC 3711 3.3.1, where the sequence number is half the circle away and around it. */
TEST(webrtc_srtcp, the_index_is_guessed_as_the_rfc_says)
{
    const uint64_t around = UINT64_C(0x50000);
    CHECK_EQ(srtp_index_guess(around + 100, 101), around + 101);
    CHECK_EQ(srtp_index_guess(around + 100, 100 + 0x8000), around + 100 + 0x8000);
    CHECK_EQ(srtp_index_guess(around + 100, 101 + 0x8000), around - 0x10000 + 101 + 0x8000);
    CHECK_EQ(srtp_index_guess(around + 0x7fff, 0xffff), around + 0xffff);
    CHECK_EQ(srtp_index_guess(around + 0x8000, 0), around);
    CHECK_EQ(srtp_index_guess(around + 0x8001, 0), around + 0x10000);
    CHECK_EQ(srtp_index_guess(around + 0xffff, 0x7ffe), around + 0x10000 + 0x7ffe);
    CHECK(srtp_index_guess(100, 0xffff) < 0);
}
