/* What the files of the receiver share: who is bound to what (rtp_receiver_bind.c), the numbering and the gaps of each
 * source (rtp_receiver_source.c), which layer flows and whether its key frame is wanted (rtp_receiver_layers.c),
 * reception reports (rtp_receiver_report.c), transport-wide feedback (rtp_receiver_twcc.c), and what puts it all
 * into RTCP (rtp_receiver_poll.c). */
#ifndef LEAT_PROTOCOLS_WEBRTC_RECEIVER_H
#define LEAT_PROTOCOLS_WEBRTC_RECEIVER_H

#include <leat/rtcp.h>
#include <leat/rtp_receiver.h>

#define BINDINGS_MAX 16u
#define LAYER_ANY (-1) /* of retransmissions that do not say of which layer */

#define WINDOW 4096u     /* packets back from the newest that are told from duplicates */
#define JUMP_MAX 3000    /* a distance beyond it is another numbering */
#define GAP_MAX 500      /* a gap beyond it is not repaired: a key frame is cheaper */
#define MISSING_MAX 256u /* packets that are asked for at once */
#define SHIFTS_MAX 16u

#define TWCC_PACKETS 512u
#define PARAMETERS_MAX 1024u /* bytes of H264 parameter sets */

#define FLOW_NS (400 * LEAT_MS)

/* What RFC 3550, 6.4.1 wants to be known of one SSRC. */
struct reception {
    bool started;
    uint64_t base, highest; /* extended sequence numbers */
    uint64_t received, received_prior, expected_prior;
    uint32_t transit;   /* RTP units */
    uint32_t jitter_16; /* in 16ths of them */
    uint32_t last_sr;   /* the middle of its NTP time; 0: none */
    leat_time sr_at;
};

/* One SSRC of the publisher. */
struct binding {
    bool used;
    bool rtx;
    bool bye;
    uint8_t kind;
    int8_t layer;
    uint32_t ssrc;
    leat_time last; /* when it was heard */
    struct reception reception;
};

struct missing {
    uint64_t raw;
    leat_time since, due, asked;
    uint32_t tries;
};

/* From sequence number `first` on, indexes are sequence number + shift: padding took one away, or parameter sets were
 * put in. */
struct shift {
    uint64_t first;
    int32_t shift;
};

/* Bytes in ten slots of 100 ms. */
struct rate {
    uint64_t slot; /* the newest */
    uint32_t bytes[10];
};

struct key {
    bool wanted, asked, begun;
    leat_time due;      /* of the next request, while wanted */
    leat_time asked_at; /* the last */
    leat_time begun_at; /* when the newest key frame began to arrive */
    uint32_t timestamp; /* of that frame */
    uint64_t raw;       /* the packet of it that came first */
    uint8_t fir;        /* sequence number of the next FIR */
};

/* One layer of one track. `raw` numbers are extended sequence numbers as the publisher has them; an index is one with
 * the shift that holds there. */
struct source {
    bool bound, started;
    bool number_used; /* by this numbering or an earlier one */
    uint8_t kind, layer;
    uint8_t codec; /* in its track, of the newest packet */
    uint32_t number;
    uint32_t ssrc;
    uint64_t first, highest;
    uint32_t timestamp; /* of the highest, and when that came */
    leat_time arrived;
    uint64_t window[WINDOW / 64]; /* bit raw % WINDOW: it has come */

    struct shift shifts[SHIFTS_MAX];
    size_t shift_count;
    bool shifts_forgotten;

    struct missing missing[MISSING_MAX]; /* ascending */
    size_t missing_count;
    leat_time nack_due;
    leat_time round_trip; /* from NACK to repair; 0: not known */

    bool flowed;
    leat_time flow_since, last; /* given on */
    bool key_in_flow;
    uint16_t width, height;
    struct rate rate;
    struct key key;
    bool parameters_seen, parameters_differ; /* in the stream; from those of the offer */
    uint32_t parameters_timestamp;           /* of the frame that had them last */

    bool report_new;
    struct leat_rtp_report report;
};

struct twcc {
    uint8_t id; /* 0: not agreed */
    bool started, pending;
    uint8_t count;
    uint32_t media;
    uint64_t base, highest; /* base: the first that was not reported */
    leat_time due;
    int64_t ticks[TWCC_PACKETS]; /* by number % TWCC_PACKETS; -1: it has not arrived */
};

/* A packet that leat_rtp_receiver_extra gives. */
struct extra {
    bool pending;
    uint8_t codec; /* whose parameter sets */
    uint8_t payload_type;
    uint16_t sequence;
    uint32_t ssrc;
    struct leat_rtp_packet packet;
};

#define ROLE_RTX 0x80u /* of a payload type; the low bits are 1 + the codec in its track */

struct leat_rtp_receiver {
    struct leat_rtp_track tracks[LEAT_MEDIA_KINDS]; /* by kind */
    uint8_t roles[LEAT_MEDIA_KINDS][128];           /* by payload type; 0: none */
    uint32_t ssrc;
    char cname[9];
    bool reduced;
    uint32_t next_source, sources_left;
    leat_time key_interval, key_repeat;
    leat_time now; /* the newest that was given */

    struct binding bindings[BINDINGS_MAX];
    struct source sources[LEAT_MEDIA_KINDS][LEAT_RTP_LAYERS_MAX];

    leat_time report_due; /* LEAT_NEVER: nothing has come yet */
    size_t report_at;     /* binding that the next report goes on with */

    int best; /* layer; -1 */
    leat_time judge_due;

    struct twcc twcc;
    struct extra extra;

    uint8_t parameters[PARAMETERS_MAX];
    uint16_t parameters_at[LEAT_RTP_CODECS_MAX]; /* of video's codecs */
    uint16_t parameters_len[LEAT_RTP_CODECS_MAX];

    struct leat_rtp_receiver_stats stats;
};

/* ---- rtp_receiver_bind.c ---- */

/* Who the packet belongs to; NULL: nobody. */
struct binding *leat__receiver_bind(leat_rtp_receiver *receiver, leat_time now,
                                    const struct leat_rtp_header *header);
struct binding *leat__receiver_bound(leat_rtp_receiver *receiver, uint32_t ssrc);

/* The source that a retransmission of packet `sequence` belongs to; NULL: it cannot be told. */
struct source *leat__receiver_repaired(leat_rtp_receiver *receiver, struct binding *binding,
                                       uint16_t sequence);

/* ---- rtp_receiver_source.c ---- */

/* Where a packet belongs. */
struct place {
    uint64_t raw;
    uint64_t index;
    bool late;
};

/* Takes note of a packet; a `repair` was a retransmission. 0; -EAGAIN: a duplicate, or too old. */
int leat__source_place(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                       const struct leat_rtp_header *header, bool repair, struct place *ret);

/* The packet at `place` is not given on, or one is put in before it: if it is the newest, later indexes are moved, so
 * that viewers see no gap. False: it is not the newest. */
bool leat__source_leave_out(struct source *source, const struct place *place);
bool leat__source_put_in(struct source *source, struct place *place);

/* A decoder begins at `raw`: what is older is not asked for any more. */
void leat__source_forget_older(struct source *source, uint64_t raw);

bool leat__source_is_missing(const struct source *source, uint64_t raw);

/* Appends NACKs that are due. */
bool leat__source_put_nack(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                           uint8_t *out, size_t cap, size_t *len);

/* ---- rtp_receiver_layers.c ---- */

bool leat__source_flows(const struct source *source, leat_time now);
void leat__source_note_flow(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                            size_t bytes);
void leat__source_note_key(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                           const struct place *place, uint32_t timestamp);
void leat__source_ask_key(leat_rtp_receiver *receiver, struct source *source, leat_time now);
bool leat__source_put_key_request(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                                  uint8_t *out, size_t cap, size_t *len);
void leat__receiver_judge(leat_rtp_receiver *receiver, leat_time now);
leat_time leat__receiver_judge_deadline(const leat_rtp_receiver *receiver);
uint32_t leat__source_bitrate(const struct source *source, leat_time now);

/* ---- rtp_receiver_report.c ---- */

void leat__reception_note(struct reception *reception, leat_time now, uint32_t clock_rate,
                          const struct leat_rtp_header *header);

/* A receiver report with as many blocks as fit. */
void leat__receiver_put_report(leat_rtp_receiver *receiver, leat_time now, uint8_t *out, size_t cap,
                               size_t *len);

/* ---- rtp_receiver_twcc.c ---- */

void leat__receiver_twcc_note(leat_rtp_receiver *receiver, leat_time now,
                              const struct leat_rtp_header *header);
bool leat__receiver_put_twcc(leat_rtp_receiver *receiver, leat_time now, uint8_t *out, size_t cap,
                             size_t *len);

#endif
