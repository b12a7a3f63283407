/* What the viewers of one stream on one worker share: the batch they are being sent, the ring that answers their NACKs,
 * what the publisher said of itself, and wishes to the publisher, which many may have and one utters. */
#ifndef MEDIA_FANOUT_H
#define MEDIA_FANOUT_H

#include "ring.h"

#define FANOUT_BATCH_MAX 128u
#define FANOUT_WISHES 32u

/* A packet of the batch that is being sent. */
struct fanout_packet {
    const struct leat_rtp_packet *packet;
    const uint8_t *bytes;
    leat_slice slice;
};

struct fanout_wish {
    uint64_t index;
    leat_time again; /* may be uttered again then */
    uint32_t source;
    uint32_t zero;
};

struct media_fanout {
    struct media_fanout *next;
    struct media_worker *worker;
    leat_ref group;
    uint32_t members;

    uint32_t batch_len;
    uint32_t skipped[RINGS_MAX]; /* sources of video of which the batch had something that came too late */
    uint32_t skipped_len;
    leat_slice batch; /* a reference, until the next one comes */
    struct fanout_packet
        packets[FANOUT_BATCH_MAX]; /* audio first: a datagram apart does not cut a train */

    struct media_rings rings;

    struct leat_media_state state; /* all zero: not heard of yet */
    bool has_state;

    leat_time key_next;  /* not uttered before */
    leat_time key_since; /* of the newest viewer that waits */
    struct fanout_wish wishes[FANOUT_WISHES];
    uint32_t wish_next;

    /* Of the viewer whose drain is open: what did not go into its last train, and what it is given from a ring before
     * the rest of the batch: [catch_at, catch_end). */
    struct leat_rtp_sent sent;
    bool has_sent;
    struct media_ring *catch_ring;
    uint64_t catch_at, catch_end;
    struct fanout_packet caught;
};

/* That of a group, for one member more. *ret_is_new: the group must be subscribed. -ENOMEM. */
int media_fanout_open(struct media_worker *worker, leat_ref group, struct media_fanout **ret,
                      bool *ret_is_new);

/* The member has ended. */
void media_fanout_close(struct media_fanout *fanout);

/* The batch that is being given to the group; only the first member that comes with it does something. */
void media_fanout_take(struct media_fanout *fanout, leat_time now, leat_slice batch);

/* The drain's next packet: of a ring, else the batch's at *at; NULL: none is left. And steps over it. */
const struct fanout_packet *media_fanout_at(struct media_fanout *fanout, const uint32_t *at);
void media_fanout_next(struct media_fanout *fanout, uint32_t *at);

/* How many packets there may be in all from there on. */
uint32_t media_fanout_left(const struct media_fanout *fanout, uint32_t at);

/* The viewer begins at this packet, which came late: what follows it in the ring is next. */
void media_fanout_catch_up(struct media_fanout *fanout, const struct leat_rtp_packet *packet);

/* What the publisher said; and time goes by. */
void media_fanout_state(struct media_fanout *fanout, leat_time now,
                        const struct leat_media_state *state);

/* NULL: it is not there (any more). */
const struct leat_rtp_packet *media_fanout_find(struct media_fanout *fanout, uint32_t source,
                                                uint64_t index, const uint8_t **ret_bytes);

/* Whether the wish is to be published now; somebody else may just have. */
bool media_fanout_want_key(struct media_fanout *fanout, leat_time now, leat_time since,
                           struct leat_media_want *ret);
bool media_fanout_want_packet(struct media_fanout *fanout, leat_time now, uint32_t source,
                              uint64_t index, struct leat_media_want *ret);

#endif
