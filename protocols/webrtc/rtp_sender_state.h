/* What a viewer's sender remembers; about a KiB, and thousands of them. rtp_sender.c owns the
 * mapping of a source's packets to the viewer's and is the only one to move it;
 * rtp_sender_repeat.c (what is asked for again) and rtp_sender_report.c (clocks, RTCP) read it.
 *
 * An "out" is the place of a packet in what the viewer sees: its sequence number, extended. It
 * is used for one packet of one source ever: SRTP encrypts one packet with it. */
#ifndef LEAT_PROTOCOLS_WEBRTC_RTP_SENDER_STATE_H
#define LEAT_PROTOCOLS_WEBRTC_RTP_SENDER_STATE_H

#include <leat/rtp_sender.h>

enum {
    SENDER_WINDOW = 1024,      /* outs of which it is known whether they were sent */
    SENDER_REPORTS = 4,        /* the layers of a publisher, and one of the next */
    SENDER_REPEAT_COST = 100,  /* a repeat, in hundredths of a packet */
    SENDER_REPEAT_SHARE = 15,  /* what a packet that is sent earns */
    SENDER_REPEAT_BURST = 100, /* packets */
    SENDER_QUESTION_SHARE = 4, /* packets that may be asked for, for each that is sent */
    SENDER_QUESTION_BURST = 1024,
    SENDER_DEPENDENCY_MAX =
        116, /* bytes of a descriptor; nine layers with their structure have about 80 */
};

/* A payload type of the viewer's. */
struct sender_codec {
    uint32_t profile;
    uint8_t codec;
    uint8_t payload_type;
    uint8_t rtx; /* 0: none */
    bool nack;
};

/* What was asked for, or was answered lately. */
struct sender_repeat {
    uint16_t sequence;
    uint16_t at_ms; /* of the last answer, modulo: valid where `answered` has the bit */
};

/* What a source reported, with our time for it: the least delay there was, so that the reports
 * of both kinds of a publisher, each delayed in its own way, come to the same. */
struct sender_report {
    uint64_t ntp_ns; /* since 1900, the publisher's */
    uint64_t offset; /* leat_time - ntp_ns, modulo */
    uint32_t source; /* holds where `ntp_ns` is not 0 */
    uint32_t timestamp;
};

struct leat_rtp_sender {
    /* What each packet touches. */
    uint64_t highest;      /* out that was sent, or 1 before the first */
    leat_time sent_at;     /* when the newest was sent */
    leat_time received_at; /* when it was received from the publisher */
    uint64_t packets, bytes;
    uint32_t ssrc, rtx_ssrc;
    uint32_t timestamp; /* the highest that was sent; at first the one to begin with */
    uint32_t
        change_count; /* so far; the newest is at (change_count - 1) % LEAT_RTP_SENDER_CHANGES */
    uint16_t repeat_tokens;            /* hundredths of a packet */
    uint16_t questions;                /* that may be asked */
    uint16_t picture_id, frame_number; /* the last that were sent */
    uint8_t tl0;
    uint8_t codec_count, codec; /* which is sent now */
    uint8_t kind, layer, target;
    uint8_t ext_mid, ext_level, ext_orientation, ext_dependency;
    uint8_t mid_len;
    bool waiting; /* nothing is sent until a key frame comes */
    bool asked;   /* by the viewer: PLI or FIR */
    bool missed;  /* the source is silent and another flows */
    bool has_fir;
    uint8_t fir;
    uint8_t fraction_lost;
    char mid[LEAT_RTP_MID_MAX];
    struct leat_rtp_change changes[LEAT_RTP_SENDER_CHANGES];
    uint64_t sent[SENDER_WINDOW / 64];
    struct sender_codec codecs[LEAT_RTP_CODECS_MAX];

    /* What RTCP touches. */
    leat_time wants_since;
    leat_time report_at;        /* when the next is due */
    leat_time reported_at;      /* when the last one was made */
    uint64_t pending, answered; /* bits of `repeats` */
    uint64_t repeats_sent, repeats_unknown, repeats_capped;
    uint32_t reported_ntp; /* the middle of its NTP time; 0: none was made */
    uint32_t round_trip_us, remb;
    uint32_t refused_source, refused_timestamp; /* a key frame whose first packet was not taken */
    uint16_t rtx_sequence;
    bool has_refused;
    struct sender_repeat repeats[LEAT_RTP_SENDER_REPEATS];
    struct sender_report reports[SENDER_REPORTS];
};

static inline const struct leat_rtp_change *leat__sender_change(const leat_rtp_sender *sender,
                                                                uint32_t number)
{
    return &sender->changes[number % LEAT_RTP_SENDER_CHANGES];
}

static inline const struct leat_rtp_change *leat__sender_current(const leat_rtp_sender *sender)
{
    return leat__sender_change(sender, sender->change_count - 1);
}

static inline uint32_t leat__sender_clock_rate(const leat_rtp_sender *sender)
{
    return sender->kind == LEAT_MEDIA_AUDIO ? 48000 : 90000; /* opus; RFCs of all video codecs */
}

/* The first change that is still remembered. */
static inline uint32_t leat__sender_oldest(const leat_rtp_sender *sender)
{
    return sender->change_count > LEAT_RTP_SENDER_CHANGES
               ? sender->change_count - LEAT_RTP_SENDER_CHANGES
               : 0;
}

/* Whether it was sent, as far as the window goes. */
bool leat__sender_was_sent(const leat_rtp_sender *sender, uint64_t out);

/* The change that a packet leaves by, and its out; NULL: it is of none. */
const struct leat_rtp_change *leat__sender_find(const leat_rtp_sender *sender, uint32_t source,
                                                uint64_t index, uint64_t *ret_out);

/* The viewer's payload type for a packet; NULL: not agreed. */
const struct sender_codec *leat__sender_codec(const leat_rtp_sender *sender,
                                              const struct leat_rtp_packet *packet);

/* What tells one sending of a packet from another. */
struct sender_clothes {
    uint32_t ssrc;
    uint16_t sequence;
    uint8_t payload_type;
};

/* Header and prefix: of the same packet, change and clothes the same bytes. */
void leat__sender_dress(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet,
                        const uint8_t *bytes, const struct leat_rtp_change *change,
                        struct sender_clothes clothes, struct leat_rtp_sent *ret);

/* Ticks of the media clock from the newest packet that was sent to this one of another source. */
int64_t leat__sender_ticks_to(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet);

/* Says since when a key frame is waited for, if none was until now; before what makes it wait. */
void leat__sender_want(leat_rtp_sender *sender, leat_time now);

#endif
