/* Slots by the low bits of an index. Indexes come from a publisher's sequence numbers, so they may leap: the ring is emptied then.
 * Memory is one array, made when a source appears; of the packets at most as many are held as there are slots,
 * and none for longer than its age. Used by one actor, or by the actors of one worker. */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

#define SOURCE_SILENT_NS (5 * LEAT_SEC)

int media_ring_open(struct media_ring *ring, uint32_t source, uint32_t len)
{
    ENSURE(len > 0 && (len & (len - 1)) == 0);
    leat_slice *slots = calloc(len, sizeof(*slots));
    if (slots == NULL) {
        return -ENOMEM;
    }
    *ring = (struct media_ring){.slots = slots, .mask = len - 1, .source = source};
    return 0;
}

static leat_slice *slot_of(const struct media_ring *ring, uint64_t index)
{
    return &ring->slots[index & ring->mask];
}

static void drop_first(struct media_ring *ring)
{
    leat_slice *slot = slot_of(ring, ring->first);
    leat_buf_unref(slot->buf);
    *slot = (leat_slice){0};
    ring->first++;
}

static void clear(struct media_ring *ring)
{
    while (ring->first < ring->end) {
        drop_first(ring);
    }
}

void media_ring_close(struct media_ring *ring)
{
    if (ring->slots != NULL) {
        clear(ring);
        free(ring->slots);
    }
    *ring = (struct media_ring){0};
}

void media_ring_put(struct media_ring *ring, uint64_t index, leat_slice packet)
{
    const uint64_t len = (uint64_t)ring->mask + 1;
    if (index == UINT64_MAX) {
        return;
    }
    if (ring->first == ring->end) {
        ring->first = ring->end = index;
    }
    if (index >= ring->end) {
        if (index - ring->first >= 2 * len) {
            clear(ring);
            ring->first = index;
        }
        while (index - ring->first >= len) {
            drop_first(ring);
        }
        ring->end = index + 1;
    } else if (index < ring->first) {
        if (ring->end - index > len) {
            return;
        }
        ring->first = index;
    }
    leat_slice *slot = slot_of(ring, index);
    if (slot->buf == NULL) {
        *slot = leat_slice_ref(packet);
    }
}

leat_slice media_ring_find(const struct media_ring *ring, uint64_t index)
{
    if (index < ring->first || index >= ring->end) {
        return (leat_slice){0};
    }
    return *slot_of(ring, index);
}

void media_ring_expire(struct media_ring *ring, leat_time now)
{
    while (ring->first < ring->end) {
        const leat_slice slot = *slot_of(ring, ring->first);
        if (slot.buf != NULL) {
            const struct leat_rtp_packet *packet =
                (const struct leat_rtp_packet *)(const void *)leat_slice_data(slot);
            if (packet->received + RING_AGE_NS >= now) {
                return;
            }
        }
        drop_first(ring);
    }
}

/* ---- of all sources ---- */

struct media_ring *media_rings_find(struct media_rings *rings, uint32_t source)
{
    for (uint32_t i = 0; i < RINGS_MAX; i++) {
        if (rings->ring[i].source == source && media_ring_is_open(&rings->ring[i])) {
            return &rings->ring[i];
        }
    }
    return NULL;
}

static struct media_ring *make(struct media_rings *rings, const struct leat_rtp_packet *packet)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < RINGS_MAX; i++) {
        if (!media_ring_is_open(&rings->ring[i])) {
            at = i;
            break;
        }
        at = rings->heard[i] < rings->heard[at] ? i : at;
    }
    media_ring_close(&rings->ring[at]);
    const uint32_t len = packet->kind == LEAT_MEDIA_AUDIO ? RING_AUDIO_LEN : RING_VIDEO_LEN;
    return media_ring_open(&rings->ring[at], packet->source, len) == 0 ? &rings->ring[at] : NULL;
}

void media_rings_put(struct media_rings *rings, leat_time now, const struct leat_rtp_packet *packet,
                     leat_slice slice)
{
    struct media_ring *ring = media_rings_find(rings, packet->source);
    if (ring == NULL) {
        ring = make(rings, packet);
    }
    if (ring != NULL) {
        media_ring_put(ring, packet->index, slice);
        rings->heard[ring - rings->ring] = now;
    }
}

void media_rings_expire(struct media_rings *rings, leat_time now)
{
    for (uint32_t i = 0; i < RINGS_MAX; i++) {
        if (!media_ring_is_open(&rings->ring[i])) {
            continue;
        }
        media_ring_expire(&rings->ring[i], now);
        if (rings->heard[i] + SOURCE_SILENT_NS < now) {
            media_ring_close(&rings->ring[i]);
        }
    }
}

void media_rings_close(struct media_rings *rings)
{
    for (uint32_t i = 0; i < RINGS_MAX; i++) {
        media_ring_close(&rings->ring[i]);
    }
}
