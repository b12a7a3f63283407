/* Writes an answer: as many m-sections as the offer has, in its order (RFC 3264, 6), with the
 * offerer's mids, payload types and ids of extensions. Candidates stand in the tagged section alone
 * (RFC 9143, 7.3); credentials and fingerprint in each, for clients that look there. */
#include <errno.h>

#include "sdp_text.h"

/* Parameters that describe what the offerer sends (RFC 6184, 8.1; RFC 7798, 7.1) are not ours to
 * repeat. */
static bool is_repeated(const struct leat_rtp_codec *codec, struct span parameter)
{
    const bool parameter_sets = codec->codec == LEAT_CODEC_H264 || codec->codec == LEAT_CODEC_H265;
    while (parameter.len && parameter.data[0] == ' ') {
        parameter = span_of(parameter.data + 1, parameter.len - 1);
    }
    return parameter.len &&
           !(parameter_sets && parameter.len >= 6 &&
             leat__sdp_same_nocase(span_of(parameter.data, 6), span_of("sprop-", 6)));
}

/* The offer's parameters as they stand. To a publisher that says it sends stereo we say that we
 * want it: else it must not (RFC 7587, 7.1). */
static void put_fmtp(struct sdp_out *out, const struct leat_rtp_codec *codec, enum leat_sdp_use use)
{
    struct span rest = span_of(codec->fmtp, codec->fmtp_len);
    const struct span fmtp = rest;
    struct span value;
    unsigned count = 0;
    while (rest.len) {
        const struct span parameter = leat__sdp_cut(&rest, ';');
        if (is_repeated(codec, parameter)) {
            if (count++ == 0) {
                leat__sdp_put(out, "a=fmtp:%u ", codec->payload_type);
            } else {
                leat__sdp_put(out, ";");
            }
            leat__sdp_put_span(out, parameter);
        }
    }
    if (codec->codec == LEAT_CODEC_OPUS && use == LEAT_SDP_PUBLISH &&
        leat__sdp_parameter(fmtp, "sprop-stereo", &value) && span_is(value, "1") &&
        !leat__sdp_parameter(fmtp, "stereo", &value)) {
        leat__sdp_put(out, ";stereo=1"); /* at least sprop-stereo stands before it */
    }
    if (count) {
        leat__sdp_put(out, "\r\n");
    }
}

static void put_codec(struct sdp_out *out, const struct leat_rtp_codec *codec,
                      enum leat_sdp_use use)
{
    const unsigned pt = codec->payload_type;
    leat__sdp_put(out, "a=rtpmap:%u %s/%u%s\r\n", pt, leat_codec_name(codec->codec),
                  (unsigned)codec->clock_rate, codec->codec == LEAT_CODEC_OPUS ? "/2" : "");
    const struct {
        bool agreed;
        const char *text;
    } feedback[] = {
        {codec->remb, "goog-remb"}, {codec->twcc, "transport-cc"}, {codec->fir, "ccm fir"},
        {codec->nack, "nack"},      {codec->pli, "nack pli"},
    };
    for (unsigned i = 0; i < sizeof(feedback) / sizeof(feedback[0]); i++) {
        if (feedback[i].agreed) {
            leat__sdp_put(out, "a=rtcp-fb:%u %s\r\n", pt, feedback[i].text);
        }
    }
    put_fmtp(out, codec, use);
    if (codec->rtx) {
        leat__sdp_put(out, "a=rtpmap:%u rtx/%u\r\na=fmtp:%u apt=%u\r\n", codec->rtx,
                      (unsigned)codec->clock_rate, codec->rtx, pt);
    }
}

static void put_extensions(struct sdp_out *out, const struct leat_sdp_section *section,
                           const struct leat_rtp_track *track, enum leat_sdp_use use)
{
    if (section->extmap_allow_mixed) {
        leat__sdp_put(out, "a=extmap-allow-mixed\r\n");
    }
    for (unsigned ext = 0; ext < LEAT_RTP_EXT_COUNT; ext++) {
        if (track->ext[ext]) {
            /* What was offered in one direction is answered in the other (RFC 8285, 7). */
            const char *const way = !(section->extmap_one_way & (1u << ext)) ? ""
                                    : use == LEAT_SDP_PUBLISH                ? "/recvonly"
                                                                             : "/sendonly";
            leat__sdp_put(out, "a=extmap:%u%s %s\r\n", track->ext[ext], way,
                          leat_rtp_ext_uri((enum leat_rtp_ext)ext));
        }
    }
}

static void put_simulcast(struct sdp_out *out, const struct leat_rtp_track *track)
{
    for (unsigned i = 0; i < track->rid_count; i++) {
        leat__sdp_put(out, "a=rid:%s recv\r\n", track->rids[i]);
    }
    for (unsigned i = 0; i < track->rid_count; i++) {
        leat__sdp_put(out, "%s%s", i == 0 ? "a=simulcast:recv " : ";", track->rids[i]);
    }
    if (track->rid_count) {
        leat__sdp_put(out, "\r\n");
    }
}

/* The streams a viewer is sent: one MediaStream for all tracks (RFC 8830), and the FID group
 * without which browsers ignore RTX. */
static void put_streams(struct sdp_out *out, const struct leat_sdp_answer *answer,
                        const struct leat_rtp_track *track)
{
    const char *const id = track->kind == LEAT_MEDIA_AUDIO ? "audio" : "video";
    const uint32_t ssrcs[2] = {answer->ssrcs[track->kind], answer->rtx_ssrcs[track->kind]};
    bool rtx = false;
    for (unsigned i = 0; i < track->codec_count; i++) {
        rtx = rtx || track->codecs[i].rtx;
    }
    const unsigned count = ssrcs[0] == 0 ? 0 : rtx && ssrcs[1] ? 2 : 1;
    if (count == 2) {
        leat__sdp_put(out, "a=ssrc-group:FID %u %u\r\n", (unsigned)ssrcs[0], (unsigned)ssrcs[1]);
    }
    for (unsigned i = 0; i < count; i++) {
        leat__sdp_put(out, "a=ssrc:%u cname:%s\r\na=ssrc:%u msid:%s %s\r\n", (unsigned)ssrcs[i],
                      answer->cname, (unsigned)ssrcs[i], answer->cname, id);
    }
}

/* A section that is not served keeps its place (RFC 8829, 5.3.1). */
static void put_rejected(struct sdp_out *out, const struct leat_sdp_section *section)
{
    leat__sdp_put(out, "m=%.*s 0 %.*s %.*s\r\nc=IN IP4 0.0.0.0\r\n", (int)section->media_len,
                  section->media, (int)section->protocol_len, section->protocol,
                  (int)section->formats_len, section->formats);
    if (section->mid[0]) {
        leat__sdp_put(out, "a=mid:%s\r\n", section->mid);
    }
    leat__sdp_put(out, "a=inactive\r\n");
}

static void put_media_line(struct sdp_out *out, const struct leat_sdp_section *section,
                           const struct leat_rtp_track *track, const struct leat_sdp_answer *answer)
{
    leat__sdp_put(out, "m=%.*s %u %.*s", (int)section->media_len, section->media,
                  answer->candidate_count ? answer->candidates[0].port : 9u,
                  (int)section->protocol_len, section->protocol);
    for (unsigned i = 0; i < track->codec_count; i++) {
        leat__sdp_put(out, " %u", track->codecs[i].payload_type);
        if (track->codecs[i].rtx) {
            leat__sdp_put(out, " %u", track->codecs[i].rtx);
        }
    }
    leat__sdp_put(out, "\r\n");
}

static void put_section(struct sdp_out *out, const struct leat_sdp_offer *offer,
                        const struct leat_sdp_section *section,
                        const struct leat_sdp_answer *answer)
{
    const struct leat_rtp_track *const track = &offer->tracks[section->track];
    const bool view = offer->use == LEAT_SDP_VIEW;
    put_media_line(out, section, track, answer);
    leat__sdp_put_connection(out, answer);
    if (section->track == offer->tagged) {
        leat__sdp_put_candidates(out, answer);
    }
    leat__sdp_put_credentials(out, answer);
    leat__sdp_put(out, "a=fingerprint:%s\r\na=setup:%s\r\n", answer->fingerprint,
                  offer->active ? "active" : "passive");
    if (track->mid[0]) {
        leat__sdp_put(out, "a=mid:%s\r\n", track->mid);
    }
    put_extensions(out, section, track, offer->use);
    leat__sdp_put(out, view ? "a=sendonly\r\n" : "a=recvonly\r\n");
    if (view) {
        leat__sdp_put(out, "a=msid:%s %s\r\n", answer->cname,
                      track->kind == LEAT_MEDIA_AUDIO ? "audio" : "video");
    }
    leat__sdp_put(out, "a=rtcp-mux\r\n%s%s",
                  /* RFC 9725, 4.4.1 wants it here, RFC 8858, 4 forbids it: who offers it is told */
                  section->rtcp_mux_only ? "a=rtcp-mux-only\r\n" : "",
                  track->reduced_rtcp ? "a=rtcp-rsize\r\n" : "");
    for (unsigned i = 0; i < track->codec_count; i++) {
        put_codec(out, &track->codecs[i], offer->use);
    }
    if (view) {
        put_streams(out, answer, track);
    } else {
        put_simulcast(out, track);
    }
}

/* a=group:BUNDLE, the tagged section first (RFC 9143, 7.3). */
static void put_group(struct sdp_out *out, const struct leat_sdp_offer *offer)
{
    if (!offer->bundle) {
        return;
    }
    leat__sdp_put(out, "a=group:BUNDLE %s", offer->tracks[offer->tagged].mid);
    for (size_t i = 0; i < offer->track_count; i++) {
        if (i != offer->tagged) {
            leat__sdp_put(out, " %s", offer->tracks[i].mid);
        }
    }
    leat__sdp_put(out, "\r\n");
}

int leat_sdp_answer_write(const struct leat_sdp_offer *offer, const struct leat_sdp_answer *answer,
                          char *out, size_t cap)
{
    struct sdp_out text = {.data = out, .cap = cap};
    /* RFC 8829, 5.2.1: a session id has 63 bits. */
    leat__sdp_put(&text, "v=0\r\no=- %llu 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
                  (unsigned long long)(answer->session_id & INT64_MAX));
    put_group(&text, offer);
    leat__sdp_put(&text, "%sa=msid-semantic: WMS %s\r\n" SDP_ICE_LITE,
                  offer->extmap_allow_mixed ? "a=extmap-allow-mixed\r\n" : "",
                  offer->use == LEAT_SDP_VIEW ? answer->cname : "*");
    for (size_t i = 0; i < offer->section_count; i++) {
        if (offer->sections[i].track < 0) {
            put_rejected(&text, &offer->sections[i]);
        } else {
            put_section(&text, offer, &offer->sections[i], answer);
        }
    }
    return leat__sdp_out_end(&text);
}
