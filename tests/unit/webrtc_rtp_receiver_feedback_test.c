/* What a publisher is told: reception reports, transport-wide feedback, key-frame requests; and what its own
 * reports become. */
#include "webrtc_receiver_rig.h"

static struct leat_rtcp_item item;

static void setup(void)
{
    set_tracks();
    open_receiver();
}

static void sender_report(uint32_t ssrc, uint64_t ntp, uint32_t timestamp)
{
    uint8_t packet[64];
    size_t len = 0;
    REQUIRE(leat_rtcp_put_sr(packet, sizeof(packet), &len, ssrc, ntp, timestamp, 1, 2));
    leat_rtp_receiver_rtcp(receiver, now, packet, len);
}

/* ---- reports ---- */

TEST(webrtc_rtp_receiver_feedback, reports_have_the_numbers_of_rfc_3550)
{
    setup();
    struct sent sent = video;
    sent.sequence = 65530;
    const leat_time began = now;
    CHECK(leat_rtp_receiver_deadline(receiver) == LEAT_NEVER);
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    for (unsigned i = 1; i < 20; i++) {
        now += 10 * LEAT_MS;
        sent.sequence++;
        sent.timestamp += 900;
        if (i % 4 != 0) {
            (void)frame(&sent);
        }
        if (i == 10) {
            sender_report(video.ssrc, 0x1122334455667788, 1);
        }
    }
    now = began + LEAT_SEC;
    CHECK_EQ(leat_rtp_receiver_deadline(receiver) <= now, true);
    REQUIRE(poll() > 0);
    CHECK_EQ(rtcp[1], 201); /* first of all */
    REQUIRE(item_of(LEAT_RTCP_BLOCK, 0, &item));
    CHECK_EQ(item.sender, 42);
    CHECK_EQ(item.media, video.ssrc);
    CHECK_EQ(item.block.lost, 4);
    CHECK_EQ(item.block.fraction_lost, 4 * 256 / 20);
    CHECK_EQ(item.block.highest, 65530 + 19); /* one cycle */
    CHECK_EQ(item.block.jitter, 0);           /* as regular as can be */
    CHECK_EQ(item.block.last_sr, 0x33445566);
    CHECK_EQ(item.block.delay, 900 * 65536 / 1000);
    CHECK(!item_of(LEAT_RTCP_BLOCK, 1, &item));
    drain(LEAT_RTCP_BLOCK);

    sent.sequence++; /* nothing lost since, and one packet 10 ms late */
    sent.timestamp += 900 + (1000 - 190) * 90 - 900 - 900;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(stats_of().jitter_us, 900 / 16 * 1000000 / 90000);
    now += LEAT_SEC;
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_BLOCK, 0, &item));
    CHECK_EQ(item.block.lost, 4);
    CHECK_EQ(item.block.fraction_lost, 0);
    CHECK_EQ(item.block.jitter, 900 / 16);
    now += 10 * LEAT_SEC; /* silent for long */
    drain(LEAT_RTCP_BLOCK);
    now += LEAT_SEC;
    REQUIRE(poll() > 0);
    CHECK(!item_of(LEAT_RTCP_BLOCK, 0, &item));
}

TEST(webrtc_rtp_receiver_feedback, a_report_speaks_of_every_ssrc)
{
    set_tracks();
    set_rids();
    open_receiver();
    static const char *const rids[] = {"q", "h", "f"};
    for (unsigned i = 0; i < 3; i++) {
        struct sent sent = video;
        sent.ssrc += i;
        sent.rid = rids[i];
        REQUIRE(key_frame(&sent, 64, 64) == 0);
        sent.ssrc += 1000;
        sent.type = RTX_PT;
        sent.rid = NULL;
        sent.repaired = rids[i];
        (void)arrive(&sent, "", 0);
    }
    struct sent audio = {.ssrc = 7, .sequence = 1, .type = AUDIO_PT, .twcc = -1, .original = -1};
    REQUIRE(arrive(&audio, "opus", 4) == 0);
    now += LEAT_SEC;
    REQUIRE(poll() > 0);
    unsigned seen = 0;
    for (unsigned n = 0; item_of(LEAT_RTCP_BLOCK, n, &item); n++) {
        seen |= item.media == 7     ? 1
                : item.media < 2000 ? 2u << (item.media - 1000)
                                    : 16u << (item.media - 2000);
    }
    CHECK_EQ(seen, 127);
}

TEST(webrtc_rtp_receiver_feedback, without_rsize_every_packet_is_compound)
{
    set_tracks();
    tracks[0].reduced_rtcp = false;
    open_receiver();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    REQUIRE(poll() > 0);
    CHECK_EQ(rtcp[1], 201);
    CHECK_EQ(rtcp[9], 202); /* SDES: our CNAME */
    CHECK(item_of(LEAT_RTCP_PLI, 0, &item));
    CHECK_EQ(poll(), 0);
    /* As little room as is allowed: nothing is left out in the end. */
    sent.sequence += 400;
    REQUIRE(frame(&sent) == 0);
    now += LEAT_SEC;
    unsigned blocks = 0, asked = 0;
    for (unsigned polls = 0; (rtcp_len = leat_rtp_receiver_poll(receiver, now, rtcp, 256));
         polls++) {
        REQUIRE(polls < 50);
        CHECK(rtcp_len <= 256);
        CHECK_EQ(rtcp[1], 201);
        for (unsigned n = 0; item_of(LEAT_RTCP_BLOCK, n, &item); n++) {
            blocks++;
        }
        for (unsigned n = 0; item_of(LEAT_RTCP_NACK, n, &item); n++) {
            asked++;
        }
    }
    CHECK_EQ(blocks, 1);
    CHECK_EQ(asked, 0); /* after a second it is given up */
    CHECK_EQ(leat_rtp_receiver_poll(receiver, now, rtcp, 255), 0);
}

TEST(webrtc_rtp_receiver_feedback, a_publishers_reports_are_told_once)
{
    setup();
    struct leat_rtp_report report;
    struct sent sent = video;
    sender_report(video.ssrc, 1, 1); /* nobody yet */
    REQUIRE(frame(&sent) == 0);
    CHECK(!leat_rtp_receiver_report(receiver, &report));
    sender_report(video.ssrc, 0x100000000, 5);
    sender_report(video.ssrc, 0x200000000, 6);
    REQUIRE(leat_rtp_receiver_report(receiver, &report));
    CHECK(report.ntp == 0x200000000);
    CHECK_EQ(report.timestamp, 6);
    CHECK_EQ(report.source, 303);
    CHECK(report.received == now);
    CHECK(!leat_rtp_receiver_report(receiver, &report));
}

/* ---- transport-wide feedback ---- */

TEST(webrtc_rtp_receiver_feedback, transport_feedback_tells_each_arrival)
{
    setup();
    static const int numbers[] = {65533, 65534, 65535, 1, 0, 7, 6};
    static const unsigned after_ms[] = {0, 3, 1, 2, 4, 0, 5};
    int64_t expected[11];
    struct sent sent = video;
    for (unsigned i = 0; i < 11; i++) {
        expected[i] = INT64_MIN;
    }
    const leat_time began = now;
    for (unsigned i = 0; i < 7; i++) {
        now += after_ms[i] * LEAT_MS;
        sent.sequence++;
        sent.twcc = numbers[i];
        /* Any SSRC, retransmissions, probes of padding, and what is bound to nobody. */
        sent.type = i == 2 ? 35 : VIDEO_PT;
        sent.padding = i == 3 ? 50 : 0;
        (void)(i == 3 ? arrive(&sent, "", 0) : frame(&sent));
        expected[(uint16_t)(numbers[i] - 65533)] = (int64_t)(now / (250 * LEAT_US));
    }
    drain(LEAT_RTCP_PLI);
    CHECK(leat_rtp_receiver_deadline(receiver) <= began + 100 * LEAT_MS);
    now = began + 50 * LEAT_MS;
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_TWCC, 0, &item));
    uint16_t base = 0;
    int64_t arrivals[32];
    REQUIRE(leat_rtcp_twcc_read(&item, &base, arrivals, 32) == 11);
    CHECK_EQ(base, 65533);
    for (unsigned i = 0; i < 11; i++) {
        CHECK(arrivals[i] == expected[i]);
    }
    CHECK_EQ(drain(LEAT_RTCP_TWCC), 0);

    sent.sequence++; /* later than the feedback that it belonged to */
    sent.twcc = 4;
    REQUIRE(frame(&sent) == 0);
    now += 50 * LEAT_MS;
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_TWCC, 0, &item));
    REQUIRE(leat_rtcp_twcc_read(&item, &base, arrivals, 32) == 4);
    CHECK_EQ(base, 4);
    CHECK(arrivals[1] == INT64_MIN);
    CHECK(arrivals[3] == expected[10]);
}

TEST(webrtc_rtp_receiver_feedback, transport_feedback_keeps_up_with_many)
{
    setup();
    static unsigned told[20000];
    struct sent sent = video;
    uint16_t base = 0;
    unsigned feedbacks = 0;
    static int64_t arrivals[2048];
    memset(told, 0, sizeof(told));
    for (unsigned i = 0; i < 20000; i++) {
        now += 20 * LEAT_US; /* 50,000 a second */
        sent.twcc = (int)i;
        sent.sequence++;
        REQUIRE(frame(&sent) == 0);
        while (leat_rtp_receiver_deadline(receiver) <= now && poll()) {
            for (unsigned n = 0; item_of(LEAT_RTCP_TWCC, n, &item); n++) {
                const int count = leat_rtcp_twcc_read(&item, &base, arrivals, 2048);
                REQUIRE(count > 0);
                for (int j = 0; j < count; j++) {
                    told[base + j] += arrivals[j] != INT64_MIN ? 1 : 0;
                }
                feedbacks++;
            }
        }
    }
    for (unsigned i = 0; i < 19000; i++) {
        CHECK_EQ(told[i], 1);
    }
    CHECK(feedbacks < 200);
}

TEST(webrtc_rtp_receiver_feedback, transport_feedback_only_where_it_is_agreed)
{
    set_tracks();
    tracks[0].codecs[0].twcc = tracks[1].codecs[0].twcc = false;
    open_receiver();
    struct sent sent = video;
    sent.twcc = 1;
    REQUIRE(frame(&sent) == 0);
    now += 200 * LEAT_MS;
    CHECK_EQ(drain(LEAT_RTCP_TWCC), 0);
}

/* ---- key frames ---- */

TEST(webrtc_rtp_receiver_feedback, a_layer_asks_until_its_first_key_frame)
{
    setup();
    struct sent sent = video;
    unsigned asked = 0;
    for (unsigned i = 0; i < 200; i++) { /* 2 s */
        sent.sequence++;
        sent.timestamp += 900;
        REQUIRE(frame(&sent) == 0);
        asked += drain(LEAT_RTCP_PLI);
        now += 10 * LEAT_MS;
    }
    CHECK_EQ(asked, 4); /* at once, and each 500 ms */
    CHECK_EQ(stats_of().key_requests, 4);
    sent.sequence++;
    sent.timestamp += 900;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    now += LEAT_SEC;
    CHECK_EQ(drain(LEAT_RTCP_PLI), 0);
}

TEST(webrtc_rtp_receiver_feedback, a_stream_that_begins_with_one_is_not_asked)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    now += LEAT_SEC;
    CHECK_EQ(drain(LEAT_RTCP_PLI), 0);
}

/* All packets of VP9 say that their frame is a key frame; a decoder begins at the first. */
TEST(webrtc_rtp_receiver_feedback, a_key_frame_without_its_start_is_no_answer)
{
    static const uint8_t start[] = {0x08, 1, 2, 3}, more[] = {0x00, 1, 2, 3};
    set_tracks();
    tracks[1].codecs[0].codec = LEAT_CODEC_VP9;
    open_receiver();
    struct sent sent = video;
    REQUIRE(arrive(&sent, start, sizeof(start)) == 0);
    now += LEAT_SEC;
    const leat_time since = now;
    leat_rtp_receiver_want_key(receiver, now, 0, since);
    CHECK_EQ(drain(LEAT_RTCP_PLI), 1);
    now += 100 * LEAT_MS;
    sent.sequence += 2;
    sent.timestamp += 9000;
    REQUIRE(arrive(&sent, more, sizeof(more)) == 0);
    CHECK(got.flags & LEAT_RTP_KEY);
    CHECK(!(got.flags & LEAT_RTP_START));
    CHECK_EQ(stats_of().key_frames, 1);
    now += 400 * LEAT_MS;
    CHECK_EQ(drain(LEAT_RTCP_PLI), 1); /* again */
    sent.sequence--;
    REQUIRE(arrive(&sent, start, sizeof(start)) == 0); /* repaired */
    CHECK_EQ(stats_of().key_frames, 2);
    leat_rtp_receiver_want_key(receiver, now, 0, since);
    now += LEAT_SEC;
    CHECK_EQ(drain(LEAT_RTCP_PLI), 0);
}

TEST(webrtc_rtp_receiver_feedback, wishes_are_gathered_and_repeated_until_answered)
{
    setup();
    struct sent sent = video;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    now += 10 * LEAT_MS;
    const leat_time began = now;
    unsigned asked = 0;
    leat_time last = 0;
    for (; now < began + 900 * LEAT_MS; now += 10 * LEAT_MS) {
        sent.sequence++;
        REQUIRE(frame(&sent) == 0);
        leat_rtp_receiver_want_key(receiver, now, 0, now); /* by a hundred viewers */
        if (drain(LEAT_RTCP_PLI)) {
            CHECK(asked == 0 || now - last >= 300 * LEAT_MS);
            last = now;
            asked++;
        }
    }
    CHECK_EQ(asked, 3);
    sent.sequence++;
    sent.timestamp += 3000;
    REQUIRE(key_frame(&sent, 64, 64) == 0);
    now += LEAT_SEC;
    CHECK_EQ(drain(LEAT_RTCP_PLI), 0); /* answered */
    leat_rtp_receiver_want_key(receiver, now, 0, now - LEAT_SEC - LEAT_MS);
    CHECK_EQ(drain(LEAT_RTCP_PLI), 0); /* one has begun since */
    leat_rtp_receiver_want_key(receiver, now, 0, now - LEAT_SEC);
    CHECK_EQ(drain(LEAT_RTCP_PLI), 1);
    now += 499 * LEAT_MS;
    CHECK_EQ(drain(LEAT_RTCP_PLI), 0);
    now += LEAT_MS;
    CHECK_EQ(drain(LEAT_RTCP_PLI), 1); /* again, though nobody says it again */
}

TEST(webrtc_rtp_receiver_feedback, fir_where_only_that_is_agreed)
{
    set_tracks();
    tracks[1].codecs[0].pli = false;
    open_receiver();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_FIR, 0, &item));
    CHECK_EQ(item.media, video.ssrc);
    const uint8_t sequence = item.fir.sequence;
    now += 500 * LEAT_MS;
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_FIR, 0, &item));
    CHECK_EQ(item.fir.sequence, (uint8_t)(sequence + 1));
    set_tracks();
    tracks[1].codecs[0].pli = tracks[1].codecs[0].fir = false;
    open_receiver();
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(poll(), 0); /* there is no way */
    CHECK(leat_rtp_receiver_deadline(receiver) > now);
}

TEST(webrtc_rtp_receiver_feedback, a_silent_stream_is_not_asked_for_ever)
{
    setup();
    struct sent sent = video;
    REQUIRE(frame(&sent) == 0);
    unsigned asked = 0;
    for (unsigned i = 0; i < 600; i++) {
        now += 100 * LEAT_MS;
        asked += drain(LEAT_RTCP_PLI);
    }
    CHECK(asked <= 20);
    sent.sequence++;
    sent.timestamp += 60 * 90000;
    REQUIRE(frame(&sent) == 0);
    CHECK_EQ(drain(LEAT_RTCP_PLI), 1);
}

/* ---- layers ---- */

static const char *const rids[] = {"q", "h", "f"};

/* Lets the layers in the mask send for a while, frames of so many bytes. `key`: each begins with one. */
static void send_layers(unsigned mask, unsigned ms, bool key, bool pixels, const unsigned *sizes)
{
    static uint16_t sequence = 7;
    static uint32_t timestamp;
    uint8_t payload[1200] = {0x10, 0, 0, 0, 0x9d, 1, 0x2a};
    for (const leat_time end = now + ms * LEAT_MS; now < end; now += 10 * LEAT_MS) {
        timestamp += 900;
        for (unsigned i = 0; i < 3; i++) {
            struct sent sent = video;
            if (!(mask >> i & 1)) {
                continue;
            }
            sent.ssrc += i;
            sent.rid = rids[i];
            sent.sequence = sequence;
            sent.timestamp = timestamp;
            payload[1] = key ? 0 : 1;
            payload[4] = pixels ? 0x9d : 0;
            payload[7] = (uint8_t)(64 << i);
            payload[8] = (uint8_t)((64 << i) >> 8);
            payload[9] = 64;
            REQUIRE(arrive(&sent, payload, sizes[i]) == 0);
        }
        key = false;
        sequence++;
        while (poll()) {
        }
    }
}

static void open_simulcast(void)
{
    set_tracks();
    set_rids();
    open_receiver();
}

TEST(webrtc_rtp_receiver_feedback, the_best_layer_is_the_largest_that_flows)
{
    static const unsigned sizes[] = {100, 100, 100};
    open_simulcast();
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), -1);
    CHECK_EQ(leat_rtp_receiver_layers(receiver, now), 0);
    send_layers(1, 50, true, true, sizes);
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 0);
    send_layers(7, 50, true, true, sizes);
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 2);
    CHECK_EQ(leat_rtp_receiver_layers(receiver, now), 7);
    CHECK_EQ(stats_of().width, 256);
    send_layers(3, 380, false, true, sizes); /* the top one is suspended */
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 2);
    send_layers(3, 20, false, true, sizes);
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 1);
    CHECK_EQ(leat_rtp_receiver_layers(receiver, now), 3);
    send_layers(7, 200, false, true, sizes); /* it comes back without a key frame */
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 1);
    send_layers(7, 120, false, true, sizes);
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 2);
    now += 400 * LEAT_MS;
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), -1);
}

TEST(webrtc_rtp_receiver_feedback, without_pixels_bit_rates_decide)
{
    static const unsigned low[] = {1000, 500, 100}, near[] = {1000, 1100, 100},
                          far[] = {500, 1100, 100};
    open_simulcast();
    send_layers(7, 1500, true, false, low);
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 0);
    const uint32_t bitrate = stats_of().bitrate;
    CHECK(bitrate > 1150000 && bitrate < 1290000); /* 100 times 1,600 bytes */
    send_layers(7, 1500, false, false, near);      /* a little better: no reason to change */
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 0);
    send_layers(7, 1500, false, false, far);
    CHECK_EQ(leat_rtp_receiver_best_layer(receiver, now), 1);
}

TEST(webrtc_rtp_receiver_feedback, deaths_of_layers_are_in_the_deadline)
{
    static const unsigned sizes[] = {100, 100, 100};
    open_simulcast();
    send_layers(5, 50, true, true, sizes);
    const leat_time last = now - 10 * LEAT_MS;
    while (leat_rtp_receiver_layers(receiver, now)) {
        const leat_time due = leat_rtp_receiver_deadline(receiver);
        REQUIRE(due > now && due <= last + 400 * LEAT_MS);
        now = due;
        while (poll()) {
        }
    }
    CHECK_EQ(now, last + 400 * LEAT_MS);
}

TEST(webrtc_rtp_receiver_feedback, the_key_frame_of_a_dead_layer_is_asked_of_the_best)
{
    static const unsigned sizes[] = {100, 100, 100};
    open_simulcast();
    send_layers(7, 50, true, true, sizes);
    send_layers(2, 600, false, true, sizes);
    leat_rtp_receiver_want_key(receiver, now, 2, now);
    REQUIRE(poll() > 0);
    REQUIRE(item_of(LEAT_RTCP_PLI, 0, &item));
    CHECK_EQ(item.media, video.ssrc + 1);
    CHECK(!item_of(LEAT_RTCP_PLI, 1, &item));
    leat_rtp_receiver_want_key(receiver, now, 200, now);
    CHECK_EQ(poll(), 0); /* gathered with that */
}
