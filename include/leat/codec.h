/* What the payloads of the codecs say of themselves, as far as forwarding needs it: where a frame begins,
 * whether a decoder can begin there, the numbers that must stay continuous when a viewer is switched to
 * another source, and how to write others in their place.
 *
 * VP8: RFC 7741. VP9: RFC 9628. H264: RFC 6184. H265: RFC 7798. AV1: the AV1 RTP specification 1.0 (its
 * dependency descriptor is a header extension). Opus: RFC 7587.
 *
 * Plain functions on bytes: any thread, nothing blocks, nothing allocates; a payload that is none is told by
 * -EBADMSG. */
#ifndef LEAT_CODEC_H
#define LEAT_CODEC_H

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum leat_codec {
    LEAT_CODEC_OPUS,
    LEAT_CODEC_VP8,
    LEAT_CODEC_VP9,
    LEAT_CODEC_H264,
    LEAT_CODEC_AV1,
    LEAT_CODEC_H265,
    LEAT_CODEC_COUNT
};

/* Its name in an a=rtpmap, "VP8"; and which one a name is, case ignored; LEAT_CODEC_COUNT: none. */
LEAT_API const char *leat_codec_name(enum leat_codec codec);
LEAT_API enum leat_codec leat_codec_of(const char *name, size_t len);

/* What of an fmtp must be the same on both sides, folded into a number; 0 where nothing must: of H264
 * packetization-mode and the profile (RFC 6184, 8.1: profile_idc and the constraints that matter), of VP9 profile-id, of
 * AV1 profile, of H265 profile-id and tier-flag. Payload types are interchangeable if codec and this are. */
LEAT_API uint32_t leat_codec_profile(enum leat_codec codec, const char *fmtp, size_t fmtp_len);

#define LEAT_CODEC_PREFIX_MAX 8u

/* What one payload says. */
struct leat_codec_packet {
    bool     start;           /* the first packet of a frame. H264, H265: one with a sequence parameter set, and the
                                 first slice, both. AV1: of frames that are not key any that begins with an OBU */
    bool     key;             /* of a key frame: a decoder can begin at its first packet. Where only the first
                                 packet tells (VP8, H264 fragments of an IDR do tell), only there */
    bool     parameters;      /* H264, H265: has a sequence parameter set in it */
    bool     has_picture_id;  /* VP8, VP9 */
    bool     has_tl0;         /* VP8, VP9: TL0PICIDX */
    bool     wide_picture_id; /* 15 bits, not 7 */
    uint8_t  temporal;        /* layer; 0 where there are none */
    uint8_t  spatial;
    uint8_t  tl0;
    uint8_t  picture_id_at;   /* offsets in the payload */
    uint8_t  tl0_at;
    uint16_t picture_id;
    uint16_t width, height;   /* pixels, where a key frame tells cheaply; 0: not known */
};

/* Looks into the payload of one RTP packet. */
LEAT_API int leat_codec_look(enum leat_codec codec, const uint8_t *payload, size_t len,
                             struct leat_codec_packet *ret);

/* How a source's numbers are shifted for one viewer. All zero: not at all. */
struct leat_codec_shift {
    uint16_t picture_id; /* added, in the width the packet has */
    uint8_t  tl0;
};

/* The first bytes of the payload with the numbers shifted: `prefix` is to be sent in the place of the first n bytes
 * of the payload. Returns n, 0: nothing is changed. At most LEAT_CODEC_PREFIX_MAX. */
LEAT_API size_t leat_codec_rewrite(const struct leat_codec_packet *packet, const uint8_t *payload,
                                   struct leat_codec_shift shift, uint8_t *prefix);

/* AV1's dependency descriptor with `shift` added to its frame_number (16 bits), in place in a copy. -EBADMSG. */
LEAT_API int leat_codec_shift_dependency(uint8_t *descriptor, size_t len, uint16_t shift);

/* The frame number in one. -EBADMSG. */
LEAT_API int leat_codec_frame_number(const uint8_t *descriptor, size_t len, uint16_t *ret);

/* The parameter sets that an fmtp of H264 carries out of band (sprop-parameter-sets: base64, comma separated),
 * as the payload of one STAP-A packet (RFC 6184, 5.7.1). 0: none, or they do not fit. */
LEAT_API size_t leat_codec_h264_parameters(const char *fmtp, size_t fmtp_len, uint8_t *out,
                                           size_t cap);

#ifdef __cplusplus
}
#endif

#endif
