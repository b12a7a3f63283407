/* What the readers of an offer share. Private to sdp_*.c. */
#ifndef LEAT_PROTOCOLS_WEBRTC_SDP_OFFER_H
#define LEAT_PROTOCOLS_WEBRTC_SDP_OFFER_H

#include "sdp_text.h"

enum direction { DIRECTION_SEND = 1, DIRECTION_RECEIVE = 2, DIRECTION_BOTH = 3 };

/* What the session, or one m-section, says of the transport and of itself. */
struct facts {
    struct span ufrag, pwd, setup, mid;
    struct leat_dtls_fingerprint fingerprints[LEAT_SDP_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    uint8_t direction; /* enum direction, 0 is inactive */
    bool rtcp_mux, rtcp_mux_only, rtcp_rsize, bundle_only;
    bool ice_lite, extmap_allow_mixed;
};

/* An m-section in the text. */
struct section {
    struct span media, protocol, formats;
    uint32_t port;
    struct span body; /* its lines after the m-line */
    unsigned number;  /* from 1, for messages */
};

/* What must not mean two things in one bundle (RFC 9143, 9.1 and 12), of the sections before; no
 * data: not seen. */
struct bundle_names {
    struct span payload_types[128]; /* a=rtpmap of each */
    struct span extensions[256];    /* the URI of each id */
};

/* *facts holds what is inherited: the session's direction, or sendrecv. */
int leat__sdp_read_facts(struct span body, struct facts *facts, struct leat_sdp_error *error);

/* The codecs of a track with RTX and feedback, in the order of the m-line. track->ext is read
 * before. */
int leat__sdp_read_codecs(const struct section *section, enum leat_sdp_use use,
                          struct bundle_names *names, struct leat_rtp_track *track,
                          struct leat_sdp_error *error);

/* Ids of extensions, those at session level first; bit i of *ret_one_way: extension i was offered
 * in one direction only. */
int leat__sdp_read_extensions(struct span session, const struct section *section,
                              enum leat_sdp_use use, bool allow_mixed, struct bundle_names *names,
                              struct leat_rtp_track *track, uint8_t *ret_one_way,
                              struct leat_sdp_error *error);

/* Simulcast and SSRCs of what a publisher sends. */
void leat__sdp_read_streams(struct span body, struct leat_rtp_track *track);

#endif
