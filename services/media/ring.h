/* The last packets of one source, by index: references, no copies; and those of the sources of a stream. */
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

#define RINGS_MAX 8u /* sources at a time: layers and kinds of a publisher, and of the one before */

/* All zero: empty. */
struct media_rings {
    struct media_ring ring[RINGS_MAX];
    leat_time heard[RINGS_MAX];
};

/* NULL: nothing is kept of that source (any more). */
struct media_ring *media_rings_find(struct media_rings *rings, uint32_t source);

/* As media_ring_put, into the ring of the packet's source. A source that is new gets a free place, or that of who was
 * silent longest; without memory the packet is not kept. */
void media_rings_put(struct media_rings *rings, leat_time now, const struct leat_rtp_packet *packet,
                     leat_slice slice);

/* Drops what is too old, and whole rings of who was silent for long. */
void media_rings_expire(struct media_rings *rings, leat_time now);
void media_rings_close(struct media_rings *rings);

#endif
