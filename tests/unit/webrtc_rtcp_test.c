/* RTCP: every item of a compound by its own SSRC, and writers whose bytes the reader gives back. */
#include <leat/rtcp.h>

#include <errno.h>

#include "check.h"

static uint8_t out[1500];
static size_t out_len;

static void begin(struct leat_rtcp_reader *reader)
{
    leat_rtcp_read(reader, out, out_len);
}

TEST(webrtc_rtcp, a_compound_is_read_item_by_item)
{
    const struct leat_rtcp_block blocks[2] = {
        {.ssrc = 10,
         .fraction_lost = 128,
         .lost = -5,
         .highest = 70000,
         .jitter = 3,
         .last_sr = 4,
         .delay = 5},
        {.ssrc = 11, .lost = 0x1000000},
    };
    const uint16_t missing[] = {65534, 0, 14, 15};
    size_t taken = 0;
    out_len = 0;
    REQUIRE(leat_rtcp_put_sr(out, sizeof(out), &out_len, 1, 0x0102030405060708, 90000, 7, 8));
    REQUIRE(leat_rtcp_put_rr(out, sizeof(out), &out_len, 2, blocks, 2));
    REQUIRE(leat_rtcp_put_cname(out, sizeof(out), &out_len, 2, "somebody"));
    REQUIRE(leat_rtcp_put_nack(out, sizeof(out), &out_len, 3, 12, missing, 4, &taken));
    REQUIRE(leat_rtcp_put_pli(out, sizeof(out), &out_len, 4, 13));
    REQUIRE(leat_rtcp_put_fir(out, sizeof(out), &out_len, 5, 14, 200));
    REQUIRE(leat_rtcp_put_bye(out, sizeof(out), &out_len, 6));
    CHECK_EQ(taken, 4);

    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    begin(&reader);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_SENDER_REPORT);
    CHECK_EQ(item.sender, 1);
    CHECK_EQ(item.report.ntp, 0x0102030405060708);
    CHECK_EQ(item.report.timestamp, 90000);
    CHECK_EQ(item.report.packets, 7);
    CHECK_EQ(item.report.bytes, 8);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_BLOCK);
    CHECK_EQ(item.sender, 2);
    CHECK_EQ(item.media, 10);
    CHECK_EQ(item.block.fraction_lost, 128);
    CHECK_EQ(item.block.lost, -5);
    CHECK_EQ(item.block.highest, 70000);
    CHECK_EQ(item.block.jitter, 3);
    CHECK_EQ(item.block.last_sr, 4);
    CHECK_EQ(item.block.delay, 5);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.media, 11);
    CHECK_EQ(item.block.lost, 0x7fffff); /* cut to what 24 bits hold */
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_NACK);
    CHECK_EQ(item.sender, 3);
    CHECK_EQ(item.media, 12);
    CHECK_EQ(item.nack.packet, 65534);
    CHECK_EQ(item.nack.more, 1u << 1 | 1u << 15);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_NACK);
    CHECK_EQ(item.nack.packet, 15);
    CHECK_EQ(item.nack.more, 0);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_PLI);
    CHECK_EQ(item.media, 13);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_FIR);
    CHECK_EQ(item.sender, 5);
    CHECK_EQ(item.media, 14);
    CHECK_EQ(item.fir.sequence, 200);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_BYE);
    CHECK_EQ(item.media, 6);
    CHECK(!leat_rtcp_next(&reader, &item));
    CHECK(!reader.broken);
}

TEST(webrtc_rtcp, blocks_of_an_sr_and_several_byes)
{
    /* An SR with one block, a BYE with two SSRCs and a reason; padded. */
    static const uint8_t packet[] = {
        0x81, 200, 0, 12, 0, 0,  0, 1,  0, 0,  0, 2,   0,   0,   0, 3,    0,    0,
        0,    4,   0, 0,  0, 5,  0, 0,  0, 6,  0, 0,   0,   7,   9, 0xff, 0xff, 0xfe,
        0,    0,   0, 10, 0, 0,  0, 11, 0, 0,  0, 12,  0,   0,   0, 13,   0xa2, 203,
        0,    4,   0, 0,  0, 20, 0, 0,  0, 21, 3, 'e', 'n', 'd', 0, 0,    0,    4};
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    leat_rtcp_read(&reader, packet, sizeof(packet));
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_SENDER_REPORT);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_BLOCK);
    CHECK_EQ(item.media, 7);
    CHECK_EQ(item.block.lost, -2);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.kind, LEAT_RTCP_BYE);
    CHECK_EQ(item.media, 20);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK_EQ(item.media, 21);
    CHECK(!leat_rtcp_next(&reader, &item));
    CHECK(!reader.broken);
}

TEST(webrtc_rtcp, what_comes_before_a_broken_part_counts)
{
    out_len = 0;
    REQUIRE(leat_rtcp_put_pli(out, sizeof(out), &out_len, 1, 2));
    const size_t whole = out_len;
    REQUIRE(
        leat_rtcp_put_rr(out, sizeof(out), &out_len, 1, &(struct leat_rtcp_block){.ssrc = 3}, 1));
    for (size_t len = whole + 1; len < out_len; len++) {
        struct leat_rtcp_reader reader;
        struct leat_rtcp_item item;
        leat_rtcp_read(&reader, out, len);
        REQUIRE(leat_rtcp_next(&reader, &item));
        CHECK_EQ(item.kind, LEAT_RTCP_PLI);
        CHECK(!leat_rtcp_next(&reader, &item));
        CHECK(reader.broken);
        CHECK(!leat_rtcp_next(&reader, &item)); /* and stays so */
    }
    out[whole] = 0x85; /* five blocks in the room of one */
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    begin(&reader);
    CHECK(leat_rtcp_next(&reader, &item));
    CHECK(!leat_rtcp_next(&reader, &item));
    CHECK(reader.broken);
}

TEST(webrtc_rtcp, remb_names_ssrcs)
{
    static const uint64_t rates[] = {0, 1, 262143, 262144, 2500000, UINT64_MAX};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        const uint32_t media[] = {5, 6};
        out_len = 0;
        REQUIRE(leat_rtcp_put_remb(out, sizeof(out), &out_len, 1, rates[i], media, 2));
        struct leat_rtcp_reader reader;
        struct leat_rtcp_item item;
        begin(&reader);
        for (size_t j = 0; j < 2; j++) {
            REQUIRE(leat_rtcp_next(&reader, &item));
            CHECK_EQ(item.kind, LEAT_RTCP_REMB);
            CHECK_EQ(item.media, media[j]);
            CHECK(item.remb.bitrate <= rates[i]); /* rounded down, by less than 2^-17 */
            CHECK(rates[i] - item.remb.bitrate <= rates[i] >> 17);
        }
        CHECK(!leat_rtcp_next(&reader, &item));
    }
    out[17] = 0xff; /* an exponent beyond 64 bits */
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    begin(&reader);
    REQUIRE(leat_rtcp_next(&reader, &item));
    CHECK(item.remb.bitrate == UINT64_MAX);
    out[16] = 3; /* more SSRCs than there are */
    begin(&reader);
    CHECK(!leat_rtcp_next(&reader, &item));
    CHECK(reader.broken);
}

TEST(webrtc_rtcp, rtcp_is_told_from_rtp)
{
    uint8_t packet[8] = {0x80, 192};
    CHECK(leat_rtcp_is(packet, 8));
    CHECK(!leat_rtcp_is(packet, 7));
    packet[1] = 223;
    CHECK(leat_rtcp_is(packet, 8));
    packet[1] = 224;
    CHECK(!leat_rtcp_is(packet, 8));
    packet[1] = 191;
    CHECK(!leat_rtcp_is(packet, 8));
}

TEST(webrtc_rtcp, writers_write_whole_or_not_at_all)
{
    const uint16_t missing[] = {1, 100, 200};
    const int64_t arrivals[] = {1, -1, 3};
    const uint32_t media = 4;
    size_t taken = 0;
    for (size_t cap = 0; cap < 32; cap++) {
        size_t len = 0;
        memset(out, 0x5a, sizeof(out));
        CHECK_EQ(leat_rtcp_put_sr(out, cap, &len, 1, 2, 3, 4, 5), cap >= 28);
        len = 0;
        CHECK_EQ(leat_rtcp_put_rr(out, cap, &len, 1, NULL, 0), cap >= 8);
        len = 0;
        CHECK_EQ(leat_rtcp_put_cname(out, cap, &len, 1, "abcdef"), cap >= 20);
        len = 0;
        CHECK_EQ(leat_rtcp_put_bye(out, cap, &len, 1), cap >= 8);
        len = 0;
        CHECK_EQ(leat_rtcp_put_pli(out, cap, &len, 1, 2), cap >= 12);
        len = 0;
        CHECK_EQ(leat_rtcp_put_fir(out, cap, &len, 1, 2, 3), cap >= 20);
        len = 0;
        CHECK_EQ(leat_rtcp_put_remb(out, cap, &len, 1, 2, &media, 1), cap >= 24);
        len = 0;
        taken = 0;
        CHECK_EQ(leat_rtcp_put_nack(out, cap, &len, 1, 2, missing, 3, &taken), cap >= 16);
        CHECK_EQ(taken, cap < 16 ? 0 : cap < 20 ? 1 : cap < 24 ? 2 : 3);
        len = 0;
        taken = 0;
        CHECK_EQ(leat_rtcp_put_twcc(out, cap, &len, 1, 2, 3, 4, arrivals, 3, &taken), cap >= 24);
        for (size_t i = cap; i < 64; i++) {
            CHECK_EQ(out[i], 0x5a);
        }
    }
    size_t len = 0;
    CHECK(!leat_rtcp_put_rr(out, sizeof(out), &len, 1, (struct leat_rtcp_block[32]){{0}}, 32));
    CHECK(!leat_rtcp_put_nack(out, sizeof(out), &len, 1, 2, missing, 0, &taken));
    CHECK_EQ(len, 0);
}

TEST(webrtc_rtcp, ntp_counts_from_1900)
{
    CHECK(leat_rtcp_ntp(0) == UINT64_C(2208988800) << 32);
    CHECK(leat_rtcp_ntp(LEAT_SEC / 2) == (UINT64_C(2208988800) << 32 | 0x80000000u));
    CHECK(leat_rtcp_ntp(LEAT_SEC * 3 + LEAT_SEC / 4) == (UINT64_C(2208988803) << 32 | 0x40000000u));
}

/* ---- transport-wide feedback ---- */

#define PACKETS 4000u

static int64_t arrivals[PACKETS], again[PACKETS];

/* Writes all of them, in as many feedbacks as it takes, and reads each back. Returns how many it took. */
static unsigned feedbacks(size_t count, size_t cap)
{
    unsigned n = 0;
    for (size_t at = 0; at < count; n++) {
        size_t taken = 0, len = 0;
        if (!leat_rtcp_put_twcc(out, cap, &len, 1, 2, (uint8_t)n, (uint16_t)(65000 + at),
                                arrivals + at, count - at, &taken)) {
            break; /* the rest has not arrived */
        }
        CHECK(len <= cap && len % 4 == 0 && taken > 0);
        struct leat_rtcp_reader reader;
        struct leat_rtcp_item item;
        leat_rtcp_read(&reader, out, len);
        REQUIRE(leat_rtcp_next(&reader, &item));
        REQUIRE(item.kind == LEAT_RTCP_TWCC);
        uint16_t base = 0;
        REQUIRE(leat_rtcp_twcc_read(&item, &base, again, PACKETS) == (int)taken);
        CHECK_EQ(base, (uint16_t)(65000 + at));
        for (size_t i = 0; i < taken; i++) {
            const int64_t arrival = arrivals[at + i];
            CHECK(again[i] == (arrival < 0 ? INT64_MIN : arrival));
        }
        CHECK_EQ(leat_rtcp_twcc_read(&item, &base, again, 1), 1);
        CHECK(!leat_rtcp_next(&reader, &item));
        at += taken;
    }
    return n;
}

static unsigned seed;

static unsigned chance(unsigned of)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % of;
}

TEST(webrtc_rtcp, twcc_is_read_back_as_it_was_written)
{
    for (seed = 1; seed < 60; seed++) {
        const unsigned first_seed = seed, lossy = chance(4), large = chance(20) + 1;
        int64_t now = chance(100000);
        for (size_t i = 0; i < PACKETS; i++) {
            now += chance(large) == 0 ? (int)chance(60000) - 25000 : (int)chance(200);
            now = now < 0 ? 0 : now;
            arrivals[i] = chance(100) < lossy * lossy * 10 ? -1 : now;
        }
        CHECK(feedbacks(PACKETS, 24 + 4 * chance(300)) > 0);
        seed = first_seed;
    }
}

TEST(webrtc_rtcp, twcc_chunks_are_the_short_ones)
{
    size_t taken = 0, len = 0;
    for (size_t i = 0; i < 1000; i++) {
        arrivals[i] = 256 * 7 + (int64_t)i;
    }
    REQUIRE(leat_rtcp_put_twcc(out, sizeof(out), &len, 1, 2, 9, 5, arrivals, 1000, &taken));
    CHECK_EQ(taken, 1000);
    CHECK_EQ(len, 20 + 2 + 1000 + 2); /* one run, one byte each, padding */
    CHECK_EQ(out[18], 7);             /* the reference, in 64 ms */
    CHECK_EQ(out[19], 9);
    CHECK_EQ(out[20] << 8 | out[21], 1 << 13 | 1000);
    CHECK_EQ(out[22], 0);
    CHECK_EQ(out[23], 1);
    for (size_t i = 0; i < 14; i += 2) {
        arrivals[i] = -1;
    }
    len = 0;
    REQUIRE(leat_rtcp_put_twcc(out, sizeof(out), &len, 1, 2, 9, 5, arrivals, 14, &taken));
    CHECK_EQ(out[20] << 8 | out[21], 0x8000 | 0x1555); /* a vector of one bit each */
    arrivals[3] += 300;
    arrivals[5] += 300;
    len = 0;
    REQUIRE(leat_rtcp_put_twcc(out, sizeof(out), &len, 1, 2, 9, 5, arrivals, 7, &taken));
    CHECK_EQ(out[20] << 8 | out[21], 0xc000 | 1 << 10 | 2 << 6 | 1 << 2); /* of two bits */
}

TEST(webrtc_rtcp, broken_twcc_is_told)
{
    uint8_t data[16] = {0, 1, 0, 20, 0, 0, 0, 0, 0x20, 20};
    struct leat_rtcp_item item = {.kind = LEAT_RTCP_TWCC, .twcc = {data, sizeof(data)}};
    uint16_t base;
    CHECK_EQ(leat_rtcp_twcc_read(&item, &base, again, PACKETS), -EBADMSG); /* too few deltas */
    data[9] = 4;
    CHECK_EQ(leat_rtcp_twcc_read(&item, &base, again, PACKETS), -EBADMSG); /* too few chunks */
    data[3] = 4;
    CHECK_EQ(leat_rtcp_twcc_read(&item, &base, again, PACKETS), 4);
    data[8] = 0x60; /* the reserved symbol */
    CHECK_EQ(leat_rtcp_twcc_read(&item, &base, again, PACKETS), -EBADMSG);
    data[8] = data[9] = 0; /* a run of none: it would never end */
    CHECK_EQ(leat_rtcp_twcc_read(&item, &base, again, PACKETS), -EBADMSG);
}
