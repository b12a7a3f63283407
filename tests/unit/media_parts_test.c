/* The parts of the media path that need no runtime: rings, the table of hand-over, packets as they travel. */
#include <errno.h>
#include <stdlib.h>

#include "../../services/media/handover.h"
#include "../../services/media/ring.h"
#include "check.h"

static leat_slice packet_make(uint64_t index, leat_time received)
{
    leat_slice             slice;
    struct leat_rtp_packet packet = {.index = index, .received = received, .payload_offset = 12,
                                     .payload_len = 8};
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
    uint64_t          newest = 0;
    bool              there[SPAN] = {false};
    uint32_t          random = 1;
    REQUIRE(media_ring_open(&ring, 1, LEN) == 0);
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525 + 1013904223;
        const uint64_t index = (newest + (random >> 24) % 24 > 12 ? newest + (random >> 24) % 24 - 12 : 0) % SPAN;
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
    bool             is_new = false;
    const leat_ref   one = {1}, other = {2};
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
    uint64_t         owner[ADDRESSES] = {0};
    uint32_t         random = 7;
    bool             is_new;
    REQUIRE(handover_open(&handover) == 0);
    for (int i = 0; i < 60000; i++) {
        random = random * 1664525 + 1013904223;
        const uint32_t         n = (random >> 8) % ADDRESSES;
        const leat_ref         session = {1 + (random >> 20) % SESSIONS};
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
    bool             is_new;
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
    size_t         len;
    leat_slice     slice = packet_make(4, 0), batch;
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
