/* What codec.c has of the codecs' own files: each looks into a payload that is not empty, *ret
 * being zero. */
#ifndef LEAT_PROTOCOLS_WEBRTC_CODEC_LOOK_H
#define LEAT_PROTOCOLS_WEBRTC_CODEC_LOOK_H

#include <leat/codec.h>

int leat__codec_look_vp8(const uint8_t *payload, size_t len, struct leat_codec_packet *ret);
int leat__codec_look_vp9(const uint8_t *payload, size_t len, struct leat_codec_packet *ret);
int leat__codec_look_h264(const uint8_t *payload, size_t len, struct leat_codec_packet *ret);
int leat__codec_look_h265(const uint8_t *payload, size_t len, struct leat_codec_packet *ret);
int leat__codec_look_av1(const uint8_t *payload, size_t len, struct leat_codec_packet *ret);

/* The value of a parameter of an fmtp ("a=1; b=2"), names without regard to case; NULL: it is
 * not there. */
const char *leat__codec_parameter(const char *fmtp, size_t fmtp_len, const char *name,
                                  size_t *ret_len);

#endif
