/* What is remembered of one SSRC, in either direction: which of its last indexes were used, and, where
 * packets may be repeated, what their tags were.
 *
 * Invariant: an index that was used is never said to be fresh. */
#ifndef LEAT_PROTOCOLS_WEBRTC_SRTP_STREAM_H
#define LEAT_PROTOCOLS_WEBRTC_SRTP_STREAM_H

#include <leat/srtp.h>

#include <string.h>

#define SRTP_INDEX_END (UINT64_C(1) << 48)  /* RTP: rollover counter and sequence number */
#define SRTCP_INDEX_END (UINT64_C(1) << 31) /* RTCP */

struct srtp_stream {
    struct srtp_stream *next;
    uint32_t ssrc;
    uint64_t highest;   /* used */
    uint64_t tags_from; /* indexes from here on have their tag in tags */
    uint32_t *tags;     /* LEAT_SRTP_WINDOW of them, of the index modulo that; NULL: none is kept */
    uint64_t used[LEAT_SRTP_WINDOW / 64]; /* a bit for each index, modulo */
};

_Static_assert((LEAT_SRTP_WINDOW & (LEAT_SRTP_WINDOW - 1)) == 0 && LEAT_SRTP_WINDOW < 0x8000,
               "taken modulo, and less than the index is guessed over");

enum srtp_freshness { SRTP_FRESH, SRTP_USED, SRTP_STALE };

static inline enum srtp_freshness srtp_stream_look(const struct srtp_stream *stream, uint64_t index)
{
    if (index > stream->highest) {
        return SRTP_FRESH;
    }
    if (stream->highest - index >= LEAT_SRTP_WINDOW) {
        return SRTP_STALE;
    }
    const uint64_t word = stream->used[index % LEAT_SRTP_WINDOW / 64];
    return word >> index % 64 & 1 ? SRTP_USED : SRTP_FRESH;
}

/* Only what is fresh. */
static inline void srtp_stream_use(struct srtp_stream *stream, uint64_t index)
{
    if (index > stream->highest) {
        if (index - stream->highest >= LEAT_SRTP_WINDOW) {
            memset(stream->used, 0, sizeof(stream->used));
        } else {
            for (uint64_t i = stream->highest + 1; i < index; i++) {
                stream->used[i % LEAT_SRTP_WINDOW / 64] &= ~(UINT64_C(1) << i % 64);
            }
        }
        stream->highest = index;
    }
    stream->used[index % LEAT_SRTP_WINDOW / 64] |= UINT64_C(1) << index % 64;
}

/* The index that a sequence number means, next to the highest (RFC 3711 3.3.1). Negative: it would be
 * before the first rollover. It may be SRTP_INDEX_END or more: the key is used up. */
static inline int64_t srtp_index_guess(uint64_t highest, uint16_t seq)
{
    const uint16_t highest_seq = (uint16_t)highest;
    int64_t rollover = (int64_t)(highest >> 16);
    if (highest_seq < 0x8000) {
        rollover -= seq - highest_seq > 0x8000;
    } else {
        rollover += highest_seq - 0x8000 > seq;
    }
    return rollover * 0x10000 + seq;
}

#endif
