/* The receiver on a bad network: what is missing is asked for and comes to its place. */
#include "webrtc_receiver_rig.h"

static void setup(void)
{
    set_tracks();
    open_receiver();
}

static struct leat_rtcp_item item;

TEST(webrtc_rtp_receiver_loss, a_gap_is_asked_for_at_once)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    sent.sequence += 5;
    REQUIRE(frame(&sent) == 0);
    CHECK(leat_rtp_receiver_deadline(receiver) <= now);
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_NACK, 0, &item));
    CHECK_EQ(item.sender, 42);
    CHECK_EQ(item.media, video.ssrc);
    CHECK_EQ(item.nack.packet, video.sequence + 1);
    CHECK_EQ(item.nack.more, 7);
    CHECK(!item_of(LEAT_RTCP_NACK, 1, &item));
    CHECK_EQ(poll(), 0);
    CHECK_EQ(stats_of().missing, 4);
    CHECK_EQ(stats_of().nacks, 1);
}

TEST(webrtc_rtp_receiver_loss, a_single_packet_has_a_moment_to_come_by_itself)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    sent.sequence += 2;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(poll(), 0);
    CHECK_EQ(leat_rtp_receiver_deadline(receiver), now + 5 * LEAT_MS);
    sent.sequence--;
    REQUIRE(frame(&sent) == 0);
    CHECK(got.flags & LEAT_RTP_LATE);
    now += 6 * LEAT_MS;
    CHECK_EQ(drain(LEAT_RTCP_NACK), 0);
    sent.sequence += 3;
    REQUIRE(frame(&sent) == 0);
    now += 5 * LEAT_MS;
    CHECK_EQ(drain(LEAT_RTCP_NACK), 1);
    sent.sequence += 2;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(drain(LEAT_RTCP_NACK), 0);
    sent.sequence++;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(drain(LEAT_RTCP_NACK), 0);
    sent.sequence++;
    REQUIRE(frame(&sent) == 0); /* three have overtaken it: it is lost */
    CHECK_EQ(drain(LEAT_RTCP_NACK), 1);
}

TEST(webrtc_rtp_receiver_loss, it_is_asked_again_and_then_given_up)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    sent.sequence += 4;
    REQUIRE(frame(&sent) == 0);
    const leat_time began = now;
    unsigned asked = 0;
    leat_time last = 0;
    while (now < began + 3 * LEAT_SEC) {
        poll();
        if (item_of(LEAT_RTCP_NACK, 0, &item)) {
            CHECK(asked == 0 || now - last >= 20 * LEAT_MS);
            CHECK(now - began <= LEAT_SEC);
            last = now;
            asked++;
        }
        now += LEAT_MS;
    }
    CHECK(asked >= 5 && asked <= 10);
    sent.sequence--;
    REQUIRE(frame(&sent) == 0); /* it still has its place */
    CHECK_EQ(got.index, 65536u + sent.sequence);
}

/* A round trip that is known sets the pace. */
TEST(webrtc_rtp_receiver_loss, it_is_asked_again_sooner_where_answers_are_quick)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    sent.sequence += 4;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(drain(LEAT_RTCP_NACK), 1);
    now += 2 * LEAT_MS;
    struct sent rtx = video;
    rtx.ssrc = 2000;
    rtx.type = RTX_PT;
    rtx.original = video.sequence + 1;
    REQUIRE(frame(&rtx) == 0);
    now += LEAT_SEC;
    CHECK_EQ(drain(LEAT_RTCP_NACK), 0); /* the others are given up */
    sent.sequence += 4;
    REQUIRE(frame(&sent) == 0);
    unsigned asked = 0;
    for (const leat_time end = now + 40 * LEAT_MS; now < end; now += LEAT_MS) {
        asked += drain(LEAT_RTCP_NACK);
    }
    CHECK_EQ(asked, 2); /* at once, and 20 ms later */
    for (const leat_time end = now + LEAT_SEC; now < end; now += LEAT_MS) {
        asked += drain(LEAT_RTCP_NACK);
    }
    CHECK_EQ(asked, 10);
}

TEST(webrtc_rtp_receiver_loss, what_is_not_agreed_is_not_asked)
{
    setup();
    struct sent audio = {.ssrc = 7, .sequence = 1, .type = AUDIO_PT, .twcc = -1, .original = -1};
    REQUIRE(arrive(&audio, "opus", 4) == 0);
    audio.sequence += 7;
    REQUIRE(arrive(&audio, "opus", 4) == 0);
    now += 50 * LEAT_MS;
    CHECK_EQ(drain(LEAT_RTCP_NACK), 0);
    CHECK_EQ(stats_of().missing, 6);
}

TEST(webrtc_rtp_receiver_loss, a_key_frame_makes_older_gaps_unimportant)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    sent.sequence += 10;
    REQUIRE(frame(&sent) == 0);
    sent.sequence += 2; /* the one right before it may be of the same frame */
    sent.timestamp += 3000;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    now += 5 * LEAT_MS;
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_NACK, 0, &item));
    CHECK_EQ(item.nack.packet, sent.sequence - 1);
    CHECK_EQ(item.nack.more, 0);
    CHECK(!item_of(LEAT_RTCP_NACK, 1, &item));
}

TEST(webrtc_rtp_receiver_loss, a_large_gap_wants_a_key_frame)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    CHECK_EQ(poll(), 0);
    sent.sequence += 502;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(got.source, 303);
    REQUIRE(poll() > 0);
    CHECK(item_of(LEAT_RTCP_PLI, 0, &item));
    CHECK(!item_of(LEAT_RTCP_NACK, 0, &item));
    sent.sequence += 501; /* 500 are missing: more than are asked for at once, the newest */
    REQUIRE(frame(&sent) == 0);
    CHECK(drain(LEAT_RTCP_NACK) >= 256 / 17);
}

/* ---- whole streams over a network with a will of its own ---- */

#define SENT 20000u /* more than half of the numbers, from near their end: they roll over */

enum { IN_FLIGHT = 256 };

struct flight {
    leat_time at; /* 0: free */
    uint16_t sequence, original;
    bool rtx;
};

static struct flight flights[IN_FLIGHT];
static uint8_t come[SENT];
static uint32_t state;
static unsigned late_count;

static unsigned chance(unsigned of)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % of;
}

static void fly(leat_time at, uint16_t sequence, uint16_t original, bool rtx)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        if (flights[i].at == 0) {
            flights[i] = (struct flight){at, sequence, original, rtx};
            return;
        }
    }
    REQUIRE(false);
}

static void land(const struct flight *flight, uint16_t first)
{
    struct sent sent = video;
    uint8_t payload[] = {0x10, 1, 2, 3, 4, 0, 0};
    const uint16_t number = (uint16_t)((flight->rtx ? flight->original : flight->sequence) - first);
    sent.sequence = flight->sequence;
    sent.timestamp = 90000 + number / 4u * 3000u;
    sent.original = -1;
    if (flight->rtx) {
        sent.type = RTX_PT;
        sent.ssrc = 2000;
        sent.original = flight->original;
    }
    payload[1] = number == 0 ? 0 : 1;
    payload[5] = (uint8_t)(number >> 8);
    payload[6] = (uint8_t)number;
    if (arrive(&sent, payload, sizeof(payload)) != 0) {
        return;
    }
    CHECK_EQ(got.index, 65536u + first + number);
    CHECK_EQ(got.source, 303);
    CHECK_EQ(come[number], 0); /* once */
    CHECK(memcmp(bytes + got.payload_offset, payload, sizeof(payload)) == 0);
    come[number] = 1;
    late_count += (got.flags & LEAT_RTP_LATE) != 0;
}

static void answer(const struct leat_rtcp_item *nack, bool with_rtx, uint16_t *rtx_sequence,
                   unsigned loss)
{
    for (unsigned i = 0; i <= 16; i++) {
        if ((i == 0 || (nack->nack.more >> (i - 1) & 1)) && chance(100) >= loss) {
            const uint16_t packet = (uint16_t)(nack->nack.packet + i);
            fly(now + (20 + chance(10)) * LEAT_MS, with_rtx ? (*rtx_sequence)++ : packet, packet,
                with_rtx);
        }
    }
}

static void stream(uint32_t seed, bool with_rtx, unsigned loss, unsigned disorder, unsigned twice)
{
    const uint16_t first = (uint16_t)(65000 + chance(500));
    uint16_t rtx_sequence = 3;
    unsigned made = 0;
    state = seed;
    late_count = 0;
    memset(come, 0, sizeof(come));
    memset(flights, 0, sizeof(flights));
    setup();
    for (const leat_time end = now + (SENT + 1500) * LEAT_MS; now < end; now += LEAT_MS) {
        if (made < SENT) {
            const leat_time at =
                now + LEAT_MS + chance(100) / (100 - disorder) * chance(8) * LEAT_MS;
            const bool kept = made < 3 || made + 10 > SENT || chance(100) >= loss;
            for (unsigned i = 0; kept && i <= (chance(100) < twice); i++) {
                fly(at + i * LEAT_MS, (uint16_t)(first + made), 0, false);
            }
            made++;
        }
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            if (flights[i].at && flights[i].at <= now) {
                land(&flights[i], first);
                flights[i].at = 0;
            }
        }
        if (leat_rtp_receiver_deadline(receiver) > now) {
            continue;
        }
        while (poll()) {
            for (unsigned n = 0; item_of(LEAT_RTCP_NACK, n, &item); n++) {
                answer(&item, with_rtx, &rtx_sequence, loss);
            }
        }
        CHECK(leat_rtp_receiver_deadline(receiver) > now);
    }
    unsigned gaps = 0;
    for (unsigned i = 0; i < SENT; i++) {
        gaps += !come[i];
    }
    const struct leat_rtp_receiver_stats stats = stats_of();
    CHECK_THAT_(gaps == 0, "seed %u: %u gaps", seed, gaps);
    CHECK_EQ(stats.packets, SENT);
    CHECK_EQ(stats.repaired, stats.missing);
    /* What was overtaken by the very first packet is late, and was not found missing. */
    CHECK(late_count >= stats.repaired && late_count - stats.repaired < 8);
    CHECK_EQ(stats.unknown, 0);
    CHECK(loss == 0 || stats.missing > SENT * loss / 200);
    CHECK(twice == 0 || stats.duplicates > 0);
}

TEST(webrtc_rtp_receiver_loss, losses_are_repaired_by_retransmission_streams)
{
    for (uint32_t seed = 1; seed <= 5; seed++) {
        stream(seed, true, 5, 0, 0);
    }
}

TEST(webrtc_rtp_receiver_loss, losses_are_repaired_without_them)
{
    for (uint32_t seed = 11; seed <= 15; seed++) {
        stream(seed, false, 5, 10, 0);
    }
}

TEST(webrtc_rtp_receiver_loss, disorder_and_doubles_are_put_right)
{
    for (uint32_t seed = 21; seed <= 25; seed++) {
        stream(seed, true, 0, 20, 5);
        stream(seed, true, 20, 20, 5);
    }
}

TEST(webrtc_rtp_receiver_loss, a_clean_stream_is_not_asked_for)
{
    stream(31, true, 0, 0, 0);
    CHECK_EQ(stats_of().nacks, 0);
}
