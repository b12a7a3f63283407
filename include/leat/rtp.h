/* RTP (RFC 3550) as WebRTC uses it: the fixed header, header extensions in both forms (RFC 8285), what an
 * SDP negotiation has settled about a track, and a packet on its way from a publisher to viewers.
 *
 * Plain functions on bytes: any thread, nothing blocks, nothing allocates. What is parsed points into the
 * bytes that were given. Sequence numbers and timestamps wrap; leat_rtp_extend undoes it. */
#ifndef LEAT_RTP_H
#define LEAT_RTP_H

#include <leat/codec.h>
#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_RTP_HEADER_LEN 12u /* bytes, without CSRCs and extensions */
#define LEAT_RTP_PACKET_MAX 2048u /* bytes of a packet that is looked at; none is longer on a network */

/* ---- header extensions ---- */

/* Those that leat knows. Ids are per session: an offer assigns them. */
enum leat_rtp_ext {
    LEAT_RTP_EXT_MID,          /* urn:ietf:params:rtp-hdrext:sdes:mid (RFC 9143) */
    LEAT_RTP_EXT_RID,          /* ...sdes:rtp-stream-id (RFC 8852) */
    LEAT_RTP_EXT_REPAIRED_RID, /* ...sdes:repaired-rtp-stream-id (RFC 8852) */
    LEAT_RTP_EXT_TWCC,         /* draft-holmer-rmcat-transport-wide-cc-extensions-01 */
    LEAT_RTP_EXT_AUDIO_LEVEL,  /* RFC 6464 */
    LEAT_RTP_EXT_ORIENTATION,  /* urn:3gpp:video-orientation */
    LEAT_RTP_EXT_DEPENDENCY,   /* AV1's dependency descriptor */
    LEAT_RTP_EXT_COUNT
};

/* Its URI in SDP; and which one a URI is, LEAT_RTP_EXT_COUNT: none of them. */
LEAT_API const char *leat_rtp_ext_uri(enum leat_rtp_ext ext);
LEAT_API enum leat_rtp_ext leat_rtp_ext_of(const char *uri, size_t len);

/* ---- a packet's header ---- */

struct leat_rtp_header {
    uint32_t       ssrc;
    uint32_t       timestamp;
    uint16_t       sequence;
    uint8_t        payload_type;
    bool           marker;
    uint8_t        csrc_count;
    uint16_t       extension_profile; /* 0xbede, 0x1000..0x100f, or another; 0: no extension */
    const uint8_t *extension;         /* its data, without profile and length */
    uint16_t       extension_len;     /* bytes */
    uint16_t       header_len;        /* where the payload begins */
    uint16_t       payload_len;       /* without padding; 0: only padding, a probe */
};

/* Reads the header of a plaintext packet, padding included. -EBADMSG: not RTP version 2, or lengths that
 * do not fit. */
LEAT_API int leat_rtp_parse(const uint8_t *packet, size_t len, struct leat_rtp_header *ret);

/* The value of the extension with this id, NULL if there is none (id 0: never). Both forms; a broken extension block
 * ends the search. */
LEAT_API const uint8_t *leat_rtp_ext_find(const struct leat_rtp_header *header, uint8_t id,
                                          uint8_t *ret_len);

/* Writes a header into `out`, extension elements added one by one with leat_rtp_ext_put, then finished:
 *   leat_rtp_write_begin(&w, out, cap, &header, false); leat_rtp_ext_put(&w, id, data, len);
 *   n = leat_rtp_write_end(&w)
 * Of `header` SSRC, timestamp, sequence, payload type and marker are written, no CSRCs. The two-byte form is chosen
 * if `two_bytes`, or once an id is over 14, a value longer than 16 or empty. An id is 1..255. 0 bytes: no room. */
struct leat_rtp_writer {
    uint8_t *out;
    size_t   cap;
    size_t   len;
    uint8_t  count; /* elements so far */
    bool     two_bytes;
    bool     failed;
};
LEAT_API void leat_rtp_write_begin(struct leat_rtp_writer *writer, uint8_t *out, size_t cap,
                                   const struct leat_rtp_header *header, bool two_bytes);
LEAT_API void leat_rtp_ext_put(struct leat_rtp_writer *writer, uint8_t id, const void *data,
                               uint8_t len);
LEAT_API size_t leat_rtp_write_end(struct leat_rtp_writer *writer);

/* The number with these low 16 bits that is nearest to `near` (RFC 3711, 3.3.1 does the same). A stream begins at
 * 65,536 + its first sequence number, so that a reordered first packet has a place too. */
static inline uint64_t leat_rtp_extend(uint64_t near, uint16_t sequence)
{
    return near + (uint64_t)(int64_t)(int16_t)(sequence - (uint16_t)near);
}

/* ---- what an SDP negotiation has settled about one track ---- */

enum leat_media_kind { LEAT_MEDIA_AUDIO, LEAT_MEDIA_VIDEO, LEAT_MEDIA_KINDS };

#define LEAT_RTP_LAYERS_MAX 3u  /* simulcast encodings of a track */
#define LEAT_RTP_CODECS_MAX 24u /* payload types of a track, RTX not counted */
#define LEAT_RTP_MID_MAX 16u    /* bytes of a mid or a rid */

struct leat_rtp_codec {
    enum leat_codec codec;
    uint8_t         payload_type;
    uint8_t         rtx; /* payload type of its retransmissions (RFC 4588); 0: none */
    bool            nack, pli, fir, twcc, remb; /* rtcp-fb agreed */
    uint32_t        clock_rate;                 /* Hz */
    uint32_t        profile; /* what must match between two sides besides the codec: leat_codec_profile */
    const char     *fmtp;    /* the offer's parameters as they stand; lent with the offer's text, NULL: none */
    uint16_t        fmtp_len;
};

struct leat_rtp_track {
    enum leat_media_kind  kind;
    char                  mid[LEAT_RTP_MID_MAX + 1]; /* "": none */
    uint8_t               codec_count;
    struct leat_rtp_codec codecs[LEAT_RTP_CODECS_MAX]; /* the most wanted first */
    uint8_t               ext[LEAT_RTP_EXT_COUNT];     /* ids; 0: not agreed */
    uint8_t               rid_count;                   /* 0: no simulcast by rid */
    char                  rids[LEAT_RTP_LAYERS_MAX][LEAT_RTP_MID_MAX + 1];
    uint8_t               ssrc_count; /* of a=ssrc, or of a SIM group; 0: not announced */
    uint32_t              ssrcs[LEAT_RTP_LAYERS_MAX];
    uint32_t              rtx_ssrcs[LEAT_RTP_LAYERS_MAX]; /* by a FID group; 0: none */
    bool                  reduced_rtcp;                   /* a=rtcp-rsize (RFC 5506) */
};

/* ---- a packet on its way from one publisher to many viewers ---- */

enum leat_rtp_packet_flags {
    LEAT_RTP_MARKER = 1 << 0,
    LEAT_RTP_START = 1 << 1,       /* first packet of a frame */
    LEAT_RTP_KEY = 1 << 2,         /* of a frame from which a decoder can begin; every packet of opus is */
    LEAT_RTP_HAS_LEVEL = 1 << 3,   /* audio_level holds */
    LEAT_RTP_HAS_ORIENTATION = 1 << 4,
    LEAT_RTP_LATE = 1 << 5,        /* it fills a gap: later ones have gone by */
};

/* What every viewer needs to know of a packet, found out once. The bytes it speaks of (the plaintext packet,
 * header included) travel beside it and are never changed. */
struct leat_rtp_packet {
    uint64_t  index;    /* its place among the packets of its source: the extended sequence number, but that
                           padding does not count, and what the receiver puts in does. Gaps are packets that
                           are missing, or are still to come */
    leat_time received; /* when */
    uint32_t  source;   /* what these indexes and timestamps count in: one layer of one track of one publisher.
                           Never used again for another */
    uint32_t  timestamp;
    uint8_t   kind;  /* enum leat_media_kind */
    uint8_t   layer; /* 0..LEAT_RTP_LAYERS_MAX-1, as the rids stand in the offer */
    uint8_t   codec; /* enum leat_codec */
    uint8_t   flags; /* enum leat_rtp_packet_flags */
    uint16_t  payload_offset; /* in the packet's bytes */
    uint16_t  payload_len;
    uint32_t  profile;           /* leat_codec_profile of its payload type */
    uint8_t   audio_level;       /* RFC 6464: bit 7 is voice activity */
    uint8_t   orientation;       /* 3GPP TS 26.114: C F R1 R0 */
    uint16_t  dependency_offset; /* AV1's dependency descriptor, in the packet's bytes; 0: none */
    uint8_t   dependency_len;
    uint8_t   zero[3];
    struct leat_codec_packet payload; /* what its payload says */
};

/* A sender report of a publisher, for lip sync of its viewers: at `ntp` (RFC 3550, 4, 32.32) the media clock of
 * `source` stood at `timestamp`. */
struct leat_rtp_report {
    uint64_t  ntp;
    leat_time received;
    uint32_t  source;
    uint32_t  timestamp;
};

#ifdef __cplusplus
}
#endif

#endif
