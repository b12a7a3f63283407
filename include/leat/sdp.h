/* SDP (RFC 8866, RFC 8829, RFC 9143) as far as WHIP and WHEP need it: an offer of one audio and one
 * video track at most is read into what a session needs, and answered. Also the SDP fragments of
 * trickle ICE (RFC 8840).
 *
 * Pure functions: any thread, nothing blocks, nothing is kept. Reading is linear in the length of
 * the text; it is refused beyond 64 KiB, 2,000 lines or 64 m-sections. An offer is taken or refused
 * whole, with the HTTP status and the words to answer with. Texts need not be 0-terminated.
 *
 * Candidates of a client are never read: an ICE-lite agent learns from checks where its peer is. */
#ifndef LEAT_SDP_H
#define LEAT_SDP_H

#include <leat/addr.h>
#include <leat/dtls.h>
#include <leat/ice.h>
#include <leat/rtp.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_SDP_LEN_MAX 65536u
#define LEAT_SDP_LINES_MAX 2000u
#define LEAT_SDP_SECTIONS_MAX 64u
#define LEAT_SDP_FINGERPRINTS_MAX 4u

/* What is wrong with an offer. */
struct leat_sdp_error {
    unsigned status;    /* 400: no SDP; 406: no codec in common; 413: too long; 422: not served */
    char     text[120]; /* our words: nothing of the offer is in them */
};

enum leat_sdp_use {
    LEAT_SDP_PUBLISH, /* WHIP: sendonly or sendrecv, answered recvonly */
    LEAT_SDP_VIEW,    /* WHEP: recvonly or sendrecv, answered sendonly */
};

/* One m-section, as the answer repeats it. */
struct leat_sdp_section {
    const char *media; /* "audio", "application", ...: lent with the text */
    uint16_t    media_len;
    const char *protocol, *formats; /* "UDP/TLS/RTP/SAVPF", "111 63 9": lent */
    uint16_t    protocol_len, formats_len;
    char        mid[LEAT_RTP_MID_MAX + 1];
    int8_t      track; /* in tracks; -1: answered with port 0 */
    bool        rtcp_mux_only;
    bool        extmap_allow_mixed; /* here, and not for the session */
    uint8_t     extmap_one_way;     /* bit i: enum leat_rtp_ext i was offered in one direction */
};

/* An offer, read. Strings marked lent point into its text. */
struct leat_sdp_offer {
    enum leat_sdp_use              use;
    struct leat_ice_credentials    remote;
    struct leat_dtls_fingerprint   fingerprints[LEAT_SDP_FINGERPRINTS_MAX];
    size_t                         fingerprint_count;
    bool                           active; /* we are the DTLS client: it says a=setup:passive */
    bool                           bundle; /* it has a=group:BUNDLE; else one section is served */
    uint8_t                        tagged; /* the track whose transport all use (RFC 9143, 7.2) */
    bool                           extmap_allow_mixed; /* for the session */
    struct leat_rtp_track          tracks[LEAT_MEDIA_KINDS];
    size_t                         track_count;
    struct leat_sdp_section        sections[LEAT_SDP_SECTIONS_MAX];
    size_t                         section_count;
};

/* Reads an offer. Of a track only codecs that leat forwards are kept, with their RTX; of extensions
 * those of enum leat_rtp_ext that make sense for the use. *ret points into the text, which must
 * live until it is answered. 0; -EPROTO with *ret_error. Takes 24 KiB of stack; *ret is 8 KiB. */
LEAT_API int leat_sdp_offer_read(const char *text, size_t len, enum leat_sdp_use use,
                                 struct leat_sdp_offer *ret, struct leat_sdp_error *ret_error);

/* Puts the codecs of a viewer's track into the order of the publisher's track, whose codecs come
 * first. Returns how many of them are common: 0 is for 406. */
LEAT_API size_t leat_sdp_prefer(struct leat_rtp_track       *viewer,
                                const struct leat_rtp_track *publisher);

/* What an answer needs beyond the offer. */
struct leat_sdp_answer {
    uint64_t                           session_id; /* of the o= line; 63 bits of it */
    const struct leat_ice_credentials *local;
    const char                        *fingerprint; /* "sha-256 AA:BB..." */
    /* Host candidates, UDP, the most wanted first, which also stands in c= and m=. */
    const struct leat_addr *candidates;
    size_t                  candidate_count;
    uint32_t    ssrcs[LEAT_MEDIA_KINDS];     /* to a viewer, by kind: what it is sent; 0: none, */
    uint32_t    rtx_ssrcs[LEAT_MEDIA_KINDS]; /* and its RTX, where that is agreed */
    const char *cname;                       /* to a viewer; also the id of the one MediaStream */
};

/* Writes the answer to `offer` with tracks as they stand in it (reorder them with leat_sdp_prefer
 * before). Ids, payload types, mids are the offerer's. Bytes written, NUL not counted;
 * -ENOSPC. 16 KiB do for any offer a browser makes. */
LEAT_API int leat_sdp_answer_write(const struct leat_sdp_offer *offer,
                                   const struct leat_sdp_answer *answer, char *out, size_t cap);

/* ---- trickle: application/trickle-ice-sdpfrag (RFC 8840, RFC 9725 4.3) ---- */

struct leat_sdp_fragment {
    bool                        has_credentials;
    struct leat_ice_credentials remote; /* ufrag and pwd, if given */
    size_t                      candidates;
    bool                        end_of_candidates;
    char                        mid[LEAT_RTP_MID_MAX + 1]; /* of the first m-line, "" without one */
    const char                 *media;                     /* that m-line's value; lent; NULL */
    const char                 *group; /* of a=group, "BUNDLE 0 1"; lent; NULL */
    uint16_t                    media_len, group_len;
};

/* With or without an m-line. Candidates are counted, whatever they say. 0; -EPROTO with
 * *ret_error. */
LEAT_API int leat_sdp_fragment_read(const char *text, size_t len, struct leat_sdp_fragment *ret,
                                    struct leat_sdp_error *ret_error);

/* The answer to a restart: ice-lite, ice-options, credentials, all candidates, end-of-candidates;
 * with the group, the m-line and the mid that `fragment` has. Bytes written; -ENOSPC. */
LEAT_API int leat_sdp_fragment_write(const struct leat_sdp_fragment *fragment,
                                     const struct leat_sdp_answer *answer, char *out, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
