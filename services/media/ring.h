/* The last packets of one source, by index: references, no copies. */
#ifndef MEDIA_RING_H
#define MEDIA_RING_H

#include "media.h"

#define RING_AGE_NS (3 * LEAT_SEC) /* what is asked for later is not worth sending any more */
#define RING_VIDEO_LEN 2048u
#define RING_AUDIO_LEN 512u

/* All zero: closed. Nothing lies outside of [first, end), and no more than mask + 1 within. */
struct media_ring {
    leat_slice *slots;
    uint64_t first, end;
    uint32_t mask;
    uint32_t source;
};

/* For up to `len` packets, a power of two. -ENOMEM. */
int media_ring_open(struct media_ring *ring, uint32_t source, uint32_t len);
void media_ring_close(struct media_ring *ring);

static inline bool media_ring_is_open(const struct media_ring *ring)
{
    return ring->slots != NULL;
}

/* Keeps a packet (leat_media_packet_of has taken it), with a reference of the ring's own. What is older than all there is
 * room for, and what is there already, is left alone. */
void media_ring_put(struct media_ring *ring, uint64_t index, leat_slice packet);

/* Lent until the ring is changed; without a buffer: it is not there. */
leat_slice media_ring_find(const struct media_ring *ring, uint64_t index);

/* Drops what has been received longer ago than RING_AGE_NS. */
void media_ring_expire(struct media_ring *ring, leat_time now);

#endif
