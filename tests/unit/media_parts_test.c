/* The parts of the media path that need no runtime: rings, the table of hand-over, packets as they travel. */
#include <errno.h>
#include <stdlib.h>

#include "../../services/media/fanout.h"
#include "../../services/media/handover.h"
#include "check.h"

static leat_slice packet_make(uint64_t index, leat_time received)
{
    leat_slice slice;
    struct leat_rtp_packet packet = {
        .index = index, .received = received, .payload_offset = 12, .payload_len = 8};
    REQUIRE(leat_buf_alloc(sizeof(packet) + 20, &slice) == 0);
    memcpy(leat_slice_data(slice), &packet, sizeof(packet));
    memset(leat_slice_data(slice) + sizeof(packet), 7, 20);
    return slice;
}

static void put(struct media_ring *ring, uint64_t index, leat_time received)
{
    leat_slice slice = packet_make(index, received);
    media_ring_put(ring, index, slice);
    leat_buf_unref(slice.buf);
}

static bool has(const struct media_ring *ring, uint64_t index)
{
    const leat_slice slice = media_ring_find(ring, index);
    if (slice.buf == NULL) {
        return false;
    }
    const struct leat_rtp_packet *packet = (const void *)leat_slice_data(slice);
    CHECK_EQ(packet->index, index);
    return true;
}

TEST(media_ring, keeps_the_last_ones_in_any_order)
{
    struct media_ring ring;
    REQUIRE(media_ring_open(&ring, 1, 8) == 0);
    CHECK(!has(&ring, 0) && !has(&ring, 100));
    put(&ring, 103, 0);
    put(&ring, 101, 0); /* before the first */
    put(&ring, 105, 0);
    CHECK(has(&ring, 101) && !has(&ring, 102) && has(&ring, 103) && has(&ring, 105));
    put(&ring, 102, 0);
    CHECK(has(&ring, 102));
    put(&ring, 97, 0); /* no room before */
    CHECK(!has(&ring, 97) && has(&ring, 105));
    put(&ring, 110, 0); /* 103 is the oldest of eight */
    CHECK(!has(&ring, 101) && !has(&ring, 102) && has(&ring, 103) && has(&ring, 110));
    put(&ring, 118, 0);
    CHECK(!has(&ring, 110) && has(&ring, 118));
    put(&ring, UINT64_C(1) << 60, 0); /* a leap */
    CHECK(!has(&ring, 118) && has(&ring, UINT64_C(1) << 60));
    put(&ring, UINT64_MAX, 0);
    put(&ring, 5, 0); /* far back: not taken */
    CHECK(!has(&ring, 5) && !has(&ring, UINT64_MAX));
    media_ring_close(&ring);
}

TEST(media_ring, agrees_with_a_model)
{
    enum { LEN = 16, SPAN = 400 };
    struct media_ring ring;
    uint64_t newest = 0;
    bool there[SPAN] = {false};
    uint32_t random = 1;
    REQUIRE(media_ring_open(&ring, 1, LEN) == 0);
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525 + 1013904223;
        const uint64_t index =
            (newest + (random >> 24) % 24 > 12 ? newest + (random >> 24) % 24 - 12 : 0) % SPAN;
        if (newest > SPAN - 30) { /* again from the start, with an empty ring */
            media_ring_close(&ring);
            REQUIRE(media_ring_open(&ring, 1, LEN) == 0);
            memset(there, 0, sizeof(there));
            newest = 0;
            continue;
        }
        put(&ring, index, 0);
        newest = index > newest ? index : newest;
        there[index] |= index + LEN > newest;
        for (uint64_t at = 0; at < SPAN; at++) {
            there[at] = there[at] && at + LEN > newest;
            CHECK(!has(&ring, at) || there[at]);
            CHECK(has(&ring, at) || !there[at]);
        }
    }
    media_ring_close(&ring);
}

TEST(media_ring, forgets_what_is_old)
{
    struct media_ring ring;
    REQUIRE(media_ring_open(&ring, 1, 8) == 0);
    put(&ring, 1, LEAT_SEC);
    put(&ring, 3, 2 * LEAT_SEC);
    put(&ring, 4, 3 * LEAT_SEC);
    media_ring_expire(&ring, LEAT_SEC + RING_AGE_NS);
    CHECK(has(&ring, 1));
    media_ring_expire(&ring, 2 * LEAT_SEC + RING_AGE_NS + 1);
    CHECK(!has(&ring, 1) && !has(&ring, 3) && has(&ring, 4));
    media_ring_expire(&ring, 9 * LEAT_SEC);
    CHECK(!has(&ring, 4));
    put(&ring, 2, 9 * LEAT_SEC);
    CHECK(has(&ring, 2));
    media_ring_close(&ring);
}

/* ---- hand-over ---- */

static struct leat_addr addr_of(uint32_t n)
{
    struct leat_addr addr = {.port = (uint16_t)(n + 1)};
    addr.ip[15] = (uint8_t)(n >> 16);
    return addr;
}

TEST(media_handover, finds_removes_and_forgets)
{
    struct handover *handover;
    bool is_new = false;
    const leat_ref one = {1}, other = {2};
    REQUIRE(handover_open(&handover) == 0);
    const struct leat_addr a = addr_of(1), b = addr_of(2), c = addr_of(3);
    CHECK_EQ(handover_find(handover, &a).id, 0);
    CHECK_EQ(handover_put(handover, &a, one, &is_new), 0);
    CHECK(is_new);
    CHECK_EQ(handover_put(handover, &b, one, &is_new), 0);
    CHECK(!is_new);
    CHECK_EQ(handover_put(handover, &b, one, &is_new), 0);
    CHECK_EQ(handover_put(handover, &c, other, &is_new), 0);
    CHECK(is_new);
    CHECK_EQ(handover_find(handover, &a).id, 1);
    CHECK_EQ(handover_find(handover, &b).id, 1);
    handover_remove(handover, &c, one); /* not its own */
    CHECK_EQ(handover_find(handover, &c).id, 2);
    CHECK_EQ(handover_put(handover, &a, other, &is_new), 0); /* becomes another's */
    CHECK(!is_new);
    handover_forget(handover, one);
    CHECK_EQ(handover_find(handover, &b).id, 0);
    CHECK_EQ(handover_find(handover, &a).id, 2);
    handover_remove(handover, &a, other);
    CHECK_EQ(handover_find(handover, &a).id, 0);
    handover_forget(handover, other);
    CHECK_EQ(handover_find(handover, &c).id, 0);
    handover_forget(handover, other);
    handover_close(handover);
}

TEST(media_handover, agrees_with_a_model)
{
    enum { ADDRESSES = 600, SESSIONS = 40 };
    struct handover *handover;
    uint64_t owner[ADDRESSES] = {0};
    uint32_t random = 7;
    bool is_new;
    REQUIRE(handover_open(&handover) == 0);
    for (int i = 0; i < 60000; i++) {
        random = random * 1664525 + 1013904223;
        const uint32_t n = (random >> 8) % ADDRESSES;
        const leat_ref session = {1 + (random >> 20) % SESSIONS};
        const struct leat_addr addr = addr_of(n);
        if (random >> 28 < 9) {
            unsigned had = 0;
            for (uint32_t at = 0; at < ADDRESSES; at++) {
                had += owner[at] == session.id;
            }
            REQUIRE(handover_put(handover, &addr, session, &is_new) == 0);
            CHECK_EQ(is_new, had == 0);
            owner[n] = session.id;
        } else if (random >> 28 < 15) {
            handover_remove(handover, &addr, session);
            owner[n] = owner[n] == session.id ? 0 : owner[n];
        } else {
            handover_forget(handover, session);
            for (uint32_t at = 0; at < ADDRESSES; at++) {
                owner[at] = owner[at] == session.id ? 0 : owner[at];
            }
        }
        const struct leat_addr looked = addr_of(random % ADDRESSES);
        CHECK_EQ(handover_find(handover, &looked).id, owner[random % ADDRESSES]);
    }
    handover_close(handover);
}

TEST(media_handover, is_bounded)
{
    struct handover *handover;
    bool is_new;
    REQUIRE(handover_open(&handover) == 0);
    for (uint32_t n = 0; n < HANDOVER_MAX; n++) {
        struct leat_addr addr = addr_of(n);
        addr.ip[14] = (uint8_t)(n >> 16);
        addr.ip[13] = (uint8_t)(n >> 8);
        REQUIRE(handover_put(handover, &addr, (leat_ref){1 + n % 1000}, &is_new) == 0);
    }
    const struct leat_addr more = {.port = 9, .ip = {1}};
    CHECK_EQ(handover_put(handover, &more, (leat_ref){5}, &is_new), -ENOSPC);
    handover_forget(handover, (leat_ref){7});
    CHECK_EQ(handover_put(handover, &more, (leat_ref){5}, &is_new), 0);
    handover_close(handover);
}

/* ---- packets ---- */

TEST(media_packet, is_believed_only_as_far_as_it_fits)
{
    const uint8_t *bytes;
    size_t len;
    leat_slice slice = packet_make(4, 0), batch;
    struct leat_rtp_packet *packet = (void *)leat_slice_data(slice);
    CHECK(leat_media_packet_of(slice, &bytes, &len) == packet);
    CHECK_EQ(len, 20);
    CHECK_EQ(bytes[0], 7);
    CHECK(leat_media_packet_of((leat_slice){0}, &bytes, &len) == NULL);
    CHECK(leat_media_packet_of(leat_slice_sub(slice, 0, sizeof(*packet)), &bytes, &len) == NULL);
    CHECK(leat_media_packet_of(leat_slice_sub(slice, 4, 1000), &bytes, &len) == NULL);
    REQUIRE(leat_batch_alloc(2, &batch) == 0);
    CHECK_EQ(leat_batch_add(&batch, leat_slice_ref(slice)), 0);
    CHECK(leat_media_packet_of(batch, &bytes, &len) == NULL);
    leat_buf_unref(batch.buf);
    packet->payload_len = 9;
    CHECK(leat_media_packet_of(slice, &bytes, &len) == NULL);
    packet->payload_len = 8;
    packet->kind = LEAT_MEDIA_KINDS;
    CHECK(leat_media_packet_of(slice, &bytes, &len) == NULL);
    packet->kind = 0;
    packet->layer = LEAT_RTP_LAYERS_MAX;
    CHECK(leat_media_packet_of(slice, &bytes, &len) == NULL);
    packet->layer = 0;
    packet->dependency_offset = 15;
    packet->dependency_len = 6;
    CHECK(leat_media_packet_of(slice, &bytes, &len) == NULL);
    leat_buf_unref(slice.buf);
}

TEST(media_packet, a_character_tells_the_worker)
{
    for (uint32_t worker = 0; worker < LEAT_WORKERS_MAX; worker++) {
        CHECK_EQ(media_worker_of_char(media_worker_char(worker)), worker);
    }
    CHECK_EQ(media_worker_of_char(':'), 64);
    CHECK_EQ(media_worker_of_char(0), 64);
}

/* ---- fan-out ---- */

struct stage {
    struct media_worker worker;
    struct media_fanout *fanout;
};

static void stage_open(struct stage *stage)
{
    bool is_new = false;
    *stage = (struct stage){0};
    REQUIRE(media_fanout_open(&stage->worker, (leat_ref){7}, &stage->fanout, &is_new) == 0);
    CHECK(is_new);
}

static void stage_close(struct stage *stage)
{
    media_fanout_close(stage->fanout);
    CHECK(stage->worker.fanouts == NULL);
}

static leat_slice stage_packet(enum leat_media_kind kind, uint32_t source, uint64_t index,
                               leat_time received)
{
    leat_slice slice = packet_make(index, received);
    struct leat_rtp_packet *packet = (void *)leat_slice_data(slice);
    packet->kind = (uint8_t)kind;
    packet->source = source;
    return slice;
}

static leat_slice stage_batch(void)
{
    leat_slice batch = {0};
    REQUIRE(leat_batch_alloc(8, &batch) == 0);
    return batch;
}

TEST(media_fanout, belongs_to_a_group)
{
    struct stage stage;
    struct media_fanout *same, *other;
    bool is_new;
    stage_open(&stage);
    CHECK_EQ(media_fanout_open(&stage.worker, (leat_ref){7}, &same, &is_new), 0);
    CHECK(same == stage.fanout && !is_new);
    CHECK_EQ(media_fanout_open(&stage.worker, (leat_ref){8}, &other, &is_new), 0);
    CHECK(other != stage.fanout && is_new);
    media_fanout_close(same);
    media_fanout_close(other);
    CHECK(stage.worker.fanouts == stage.fanout);
    stage_close(&stage);
}

TEST(media_fanout, takes_a_batch_once_audio_first)
{
    struct stage stage;
    uint32_t at = 0;
    const uint8_t *bytes;
    stage_open(&stage);
    leat_slice batch = stage_batch();
    CHECK_EQ(leat_batch_add(&batch, stage_packet(LEAT_MEDIA_VIDEO, 3, 5, 0)), 0);
    CHECK_EQ(leat_batch_add(&batch, stage_packet(LEAT_MEDIA_AUDIO, 0, 1, 0)), 0);
    CHECK_EQ(leat_batch_add(&batch, stage_packet(LEAT_MEDIA_VIDEO, 3, 6, 0)), 0);
    for (int i = 0; i < 3; i++) {
        media_fanout_take(stage.fanout, 0, batch);
    }
    CHECK_EQ(stage.fanout->batch_len, 3);
    CHECK_EQ(media_fanout_at(stage.fanout, &at)->packet->kind, LEAT_MEDIA_AUDIO);
    media_fanout_next(stage.fanout, &at);
    CHECK_EQ(media_fanout_at(stage.fanout, &at)->packet->index, 5);
    CHECK_EQ(media_fanout_left(stage.fanout, at), 2);
    leat_buf_unref(batch.buf); /* the fanout has one of its own */
    CHECK(media_fanout_find(stage.fanout, 3, 6, &bytes) != NULL);
    CHECK(media_fanout_find(stage.fanout, 3, 7, &bytes) == NULL);
    CHECK(media_fanout_find(stage.fanout, 4, 6, &bytes) == NULL);
    stage_close(&stage);
}

TEST(media_fanout, passes_over_what_waited_too_long_but_keeps_it)
{
    struct stage stage;
    struct leat_media_want want;
    const uint8_t *bytes;
    stage_open(&stage);
    CHECK(media_fanout_want_packet(stage.fanout, 5 * LEAT_SEC, 3, 6, &want));
    leat_slice batch = stage_batch();
    CHECK_EQ(leat_batch_add(&batch, stage_packet(LEAT_MEDIA_VIDEO, 3, 5, 3 * LEAT_SEC)), 0);
    CHECK_EQ(leat_batch_add(&batch, stage_packet(LEAT_MEDIA_VIDEO, 3, 6, 3 * LEAT_SEC)), 0);
    CHECK_EQ(leat_batch_add(&batch, stage_packet(LEAT_MEDIA_VIDEO, 3, 7, 4 * LEAT_SEC)), 0);
    media_fanout_take(stage.fanout, 5 * LEAT_SEC, batch);
    CHECK_EQ(stage.fanout->batch_len, 2); /* what was asked for, and what is new enough */
    CHECK_EQ(stage.fanout->packets[0].packet->index, 6);
    CHECK_EQ(stage.worker.counters.dropped, 1);
    CHECK(stage.fanout->skipped_len == 1 && stage.fanout->skipped[0] == 3);
    CHECK(media_fanout_find(stage.fanout, 3, 5, &bytes) != NULL);
    leat_buf_unref(batch.buf);
    stage_close(&stage);
}

TEST(media_fanout, has_so_many_sources_and_forgets_the_silent)
{
    struct stage stage;
    const uint8_t *bytes;
    stage_open(&stage);
    for (uint32_t source = 0; source < 2 * RINGS_MAX; source++) {
        const leat_time now = source * LEAT_MS;
        leat_slice batch = stage_batch();
        CHECK_EQ(leat_batch_add(&batch, stage_packet(LEAT_MEDIA_VIDEO, source, 1, now)), 0);
        media_fanout_take(stage.fanout, now, batch);
        leat_buf_unref(batch.buf);
    }
    for (uint32_t source = 0; source < 2 * RINGS_MAX; source++) {
        CHECK_EQ(media_fanout_find(stage.fanout, source, 1, &bytes) != NULL,
                 source >= RINGS_MAX);
    }
    const struct leat_media_state state = {.best_layer = 1};
    media_fanout_state(stage.fanout, 6 * LEAT_SEC, &state);
    for (uint32_t i = 0; i < RINGS_MAX; i++) {
        CHECK(!media_ring_is_open(&stage.fanout->rings.ring[i]));
    }
    stage_close(&stage);
}

TEST(media_fanout, utters_wishes_once_for_all)
{
    struct stage stage;
    struct leat_media_want want = {0};
    stage_open(&stage);
    CHECK(media_fanout_want_key(stage.fanout, LEAT_SEC, 900 * LEAT_MS, &want));
    CHECK_EQ(want.layer, MEDIA_LAYER_BEST); /* nothing is known of the publisher yet */
    CHECK_EQ(want.since, 900 * LEAT_MS);
    CHECK(!media_fanout_want_key(stage.fanout, LEAT_SEC, 950 * LEAT_MS, &want));
    const struct leat_media_state state = {.best_layer = 2, .source = 100};
    media_fanout_state(stage.fanout, LEAT_SEC, &state);
    CHECK(media_fanout_want_key(stage.fanout, 1100 * LEAT_MS, 800 * LEAT_MS, &want));
    CHECK_EQ(want.layer, 2);
    CHECK_EQ(want.since, 950 * LEAT_MS); /* of who waits since latest */
    CHECK(media_fanout_want_packet(stage.fanout, LEAT_SEC, 1, 5, &want));
    CHECK(!media_fanout_want_packet(stage.fanout, 1099 * LEAT_MS, 1, 5, &want));
    CHECK(media_fanout_want_packet(stage.fanout, 1099 * LEAT_MS, 2, 5, &want));
    CHECK(media_fanout_want_packet(stage.fanout, 1100 * LEAT_MS, 1, 5, &want));
    CHECK(want.index == 5 && want.source == 1);
    stage_close(&stage);
}
