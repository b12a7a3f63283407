/* RTCP (RFC 3550, 6; feedback: RFC 4585, RFC 5104; REMB: draft-alvestrand-rmcat-remb; transport-wide congestion
 * control: draft-holmer-rmcat-transport-wide-cc-extensions-01; reduced size: RFC 5506).
 *
 * A packet is read item by item: every sub-packet of a compound, and of a report every block, each with the media
 * SSRC it speaks of. Plain functions on bytes: any thread, nothing blocks, nothing allocates. */
#ifndef LEAT_RTCP_H
#define LEAT_RTCP_H

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum leat_rtcp_kind {
    LEAT_RTCP_SENDER_REPORT, /* report.* */
    LEAT_RTCP_BLOCK,         /* of an SR or RR: block.*; media is what it is about */
    LEAT_RTCP_BYE,           /* media is who says it; one item for each */
    LEAT_RTCP_NACK,          /* nack.*: one item for each pair of packet id and bits (RFC 4585, 6.2.1) */
    LEAT_RTCP_PLI,
    LEAT_RTCP_FIR,           /* one item for each entry; fir.sequence */
    LEAT_RTCP_REMB,          /* remb.*; one item for each SSRC it names */
    LEAT_RTCP_TWCC,          /* twcc.*: the whole feedback, for leat_rtcp_twcc_read; media may be anything */
};

struct leat_rtcp_item {
    enum leat_rtcp_kind kind;
    uint32_t            sender; /* who sent it */
    uint32_t            media;  /* what it is about */
    union {
        struct {
            uint64_t ntp; /* 32.32, as sent */
            uint32_t timestamp, packets, bytes;
        } report;
        struct {
            uint8_t  fraction_lost; /* in 256ths */
            int32_t  lost;
            uint32_t highest, jitter, last_sr, delay; /* delay in 1/65536 s */
        } block;
        struct {
            uint16_t packet, more; /* bit i of more: packet + 1 + i as well */
        } nack;
        struct {
            uint8_t sequence;
        } fir;
        struct {
            uint64_t bitrate; /* bits per second */
        } remb;
        struct {
            const uint8_t *data; /* from the base sequence number on */
            size_t         len;
        } twcc;
    };
};

/* Where a reader is; {0} begins. */
struct leat_rtcp_reader {
    const uint8_t *data;
    size_t         len, at;
    size_t         inner;  /* within the sub-packet at `at` */
    bool           broken; /* what is left is none; what came before was given */
};

LEAT_API void leat_rtcp_read(struct leat_rtcp_reader *reader, const uint8_t *packet, size_t len);

/* The next item. False: there is none any more, or what follows is broken (reader->broken). Kinds that are not
 * known are skipped. */
LEAT_API bool leat_rtcp_next(struct leat_rtcp_reader *reader, struct leat_rtcp_item *ret);

/* Whether a datagram of the RTP port is RTCP (RFC 5761, 4): its second byte is 192..223. */
static inline bool leat_rtcp_is(const uint8_t *data, size_t len)
{
    return len >= 8 && (data[0] & 0xc0) == 0x80 && data[1] >= 192 && data[1] <= 223;
}

/* ---- writing: each appends one sub-packet to `out` at *len if it fits in cap; false: it does not, nothing is
 * appended ---- */

struct leat_rtcp_block {
    uint32_t ssrc;
    uint8_t  fraction_lost;
    int32_t  lost; /* cut to 24 bits */
    uint32_t highest, jitter, last_sr, delay;
};

LEAT_API bool leat_rtcp_put_sr(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint64_t ntp,
                               uint32_t timestamp, uint32_t packets, uint32_t bytes);
/* At most 31 blocks. */
LEAT_API bool leat_rtcp_put_rr(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc,
                               const struct leat_rtcp_block *blocks, size_t count);
/* At most 255 bytes. */
LEAT_API bool leat_rtcp_put_cname(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc,
                                  const char *cname);
LEAT_API bool leat_rtcp_put_bye(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc);

/* `packets` ascending (modulo 2^16), at least one; as many as fit are written, *ret_taken of them. */
LEAT_API bool leat_rtcp_put_nack(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
                                 const uint16_t *packets, size_t count, size_t *ret_taken);
LEAT_API bool leat_rtcp_put_pli(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media);
LEAT_API bool leat_rtcp_put_fir(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
                                uint8_t sequence);
LEAT_API bool leat_rtcp_put_remb(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc,
                                 uint64_t bitrate, const uint32_t *media, size_t count);

/* Transport-wide feedback about `count` packets from `base` on; arrivals in 250 us ticks of one clock, negative: it
 * did not arrive. As many as fit and as their deltas allow are written, *ret_taken of them; one has to have arrived. Its
 * padding has no P bit: something may follow it in a compound. */
LEAT_API bool leat_rtcp_put_twcc(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
                                 uint8_t feedback_count, uint16_t base, const int64_t *arrivals,
                                 size_t count, size_t *ret_taken);

/* The same read: ret_arrivals[i] is about packet base + i, in 250 us ticks of the sender's clock, of which a feedback
 * carries 32 bits, with a sign; INT64_MIN: it did not arrive. How many there are, at most cap; -EBADMSG, and
 * ret_arrivals may have been written to. */
LEAT_API int leat_rtcp_twcc_read(const struct leat_rtcp_item *item, uint16_t *ret_base,
                                 int64_t *ret_arrivals, size_t cap);

/* Nanoseconds since 1970 as NTP has them (RFC 3550, 4). */
LEAT_API uint64_t leat_rtcp_ntp(uint64_t unix_ns);

#ifdef __cplusplus
}
#endif

#endif
