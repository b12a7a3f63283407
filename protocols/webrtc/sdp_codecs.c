/* The payload types of an m-section: which of them leat forwards, their RTX (RFC 4588) and feedback
 * (RFC 4585, RFC 5104). One walk gathers what is said of each payload type, a second one over the
 * formats of the m-line picks, so that it is linear whatever was sent. Called by sdp_offer.c. */
#include "sdp_offer.h"

#define PAYLOAD_TYPES 128u

enum feedback {
    FEEDBACK_NACK = 1,
    FEEDBACK_PLI = 2,
    FEEDBACK_FIR = 4,
    FEEDBACK_TWCC = 8,
    FEEDBACK_REMB = 16
};

/* What is said of one payload type. */
struct payload {
    struct span map, fmtp;
    uint8_t feedback;
    bool listed; /* in the m-line */
};

struct payloads {
    struct payload of[PAYLOAD_TYPES];
    uint8_t order[PAYLOAD_TYPES]; /* of the m-line */
    size_t count;
    uint8_t feedback; /* of all: a=rtcp-fb:* */
};

static uint8_t feedback_of(struct span value)
{
    const struct span kind = leat__sdp_word(&value);
    const struct span more = leat__sdp_word(&value);
    if (span_is(kind, "nack")) {
        return more.len == 0 ? FEEDBACK_NACK : span_is(more, "pli") ? FEEDBACK_PLI : 0;
    }
    if (span_is(kind, "ccm")) {
        return span_is(more, "fir") ? FEEDBACK_FIR : 0;
    }
    return span_is(kind, "transport-cc") ? FEEDBACK_TWCC
           : span_is(kind, "goog-remb")  ? FEEDBACK_REMB
                                         : 0;
}

/* One of a=rtpmap, a=fmtp, a=rtcp-fb; the first of the first two counts. */
static void take_attribute(struct payloads *payloads, struct span name, struct span value)
{
    const bool is_map = span_is(name, "rtpmap");
    const bool is_fmtp = span_is(name, "fmtp");
    if (!is_map && !is_fmtp && !span_is(name, "rtcp-fb")) {
        return;
    }
    uint32_t number;
    const struct span which = leat__sdp_word(&value);
    if (span_is(which, "*") && !is_map && !is_fmtp) {
        payloads->feedback |= feedback_of(value);
        return;
    }
    if (!leat__sdp_number(which, PAYLOAD_TYPES - 1, &number)) {
        return;
    }
    struct payload *const payload = &payloads->of[number];
    if (!is_map && !is_fmtp) {
        payload->feedback |= feedback_of(value);
    } else if (is_map && payload->map.data == NULL) {
        payload->map = leat__sdp_word(&value);
    } else if (is_fmtp && payload->fmtp.data == NULL) {
        payload->fmtp = value;
    }
}

static int take_formats(const struct section *section, struct payloads *payloads,
                        struct leat_sdp_error *error)
{
    struct span formats = section->formats;
    struct span word;
    while ((word = leat__sdp_word(&formats)).len) {
        uint32_t number;
        if (!leat__sdp_number(word, PAYLOAD_TYPES - 1, &number)) {
            return leat__sdp_refuse(error, 400, "m-section %u: a format is no payload type",
                                    section->number);
        }
        if (!payloads->of[number].listed) {
            payloads->of[number].listed = true;
            payloads->order[payloads->count++] = (uint8_t)number;
        }
    }
    return 0;
}

/* In one bundle a payload type means one codec (RFC 9143, 9.1; RFC 8866, 6.6). */
static int check_names(const struct section *section, const struct payloads *payloads,
                       struct bundle_names *names, struct leat_sdp_error *error)
{
    for (size_t i = 0; i < payloads->count; i++) {
        const unsigned number = payloads->order[i];
        const struct span map = payloads->of[number].map;
        struct span *const seen = &names->payload_types[number];
        if (map.data && seen->data && !leat__sdp_same_nocase(map, *seen)) {
            return leat__sdp_refuse(error, 422, "m-section %u: payload type %u means two codecs",
                                    section->number, number);
        }
        if (map.data) {
            *seen = map;
        }
    }
    return 0;
}

/* RTP at a port where RTCP is too cannot have these (RFC 5761, 4). */
static bool is_rtcp(unsigned payload_type)
{
    return payload_type >= 64 && payload_type <= 95;
}

/* LEAT_CODEC_COUNT: it is not forwarded. */
static enum leat_codec codec_of(const struct payload *payload, enum leat_media_kind kind,
                                uint32_t *ret_clock_rate)
{
    struct span map = payload->map;
    const struct span name = leat__sdp_cut(&map, '/');
    const struct span clock = leat__sdp_cut(&map, '/');
    const enum leat_codec codec = leat_codec_of(name.data, name.len);
    const bool audio = kind == LEAT_MEDIA_AUDIO;
    const uint32_t clock_rate = audio ? 48000 : 90000; /* RFC 7587, 7: opus/48000/2 always */
    uint32_t number;
    struct span mode;
    if (codec == LEAT_CODEC_COUNT || (codec == LEAT_CODEC_OPUS) != audio ||
        !leat__sdp_number(clock, 90000, &number) || number != clock_rate ||
        (audio && !span_is(map, "2"))) {
        return LEAT_CODEC_COUNT;
    }
    /* The interleaved mode of RFC 6184, 5.4 is of no use here and nobody has it. */
    if (codec == LEAT_CODEC_H264 &&
        leat__sdp_parameter(payload->fmtp, "packetization-mode", &mode) && !span_is(mode, "0") &&
        !span_is(mode, "1")) {
        return LEAT_CODEC_COUNT;
    }
    *ret_clock_rate = clock_rate;
    return codec;
}

static void agree_feedback(struct leat_rtp_codec *codec, uint8_t feedback, enum leat_sdp_use use,
                           const struct leat_rtp_track *track)
{
    codec->nack = feedback & FEEDBACK_NACK;
    codec->pli = feedback & FEEDBACK_PLI;
    codec->fir = feedback & FEEDBACK_FIR;
    codec->twcc =
        (feedback & FEEDBACK_TWCC) && use == LEAT_SDP_PUBLISH && track->ext[LEAT_RTP_EXT_TWCC] != 0;
    codec->remb = (feedback & FEEDBACK_REMB) && !codec->twcc;
}

static void pick(const struct payloads *payloads, enum leat_sdp_use use,
                 struct leat_rtp_track *track)
{
    for (size_t i = 0; i < payloads->count && track->codec_count < LEAT_RTP_CODECS_MAX; i++) {
        const unsigned number = payloads->order[i];
        const struct payload *const payload = &payloads->of[number];
        uint32_t clock_rate = 0;
        if (is_rtcp(number) || payload->map.data == NULL) {
            continue;
        }
        const enum leat_codec name = codec_of(payload, track->kind, &clock_rate);
        if (name == LEAT_CODEC_COUNT) {
            continue;
        }
        struct leat_rtp_codec *const codec = &track->codecs[track->codec_count++];
        *codec = (struct leat_rtp_codec){
            .codec = name,
            .payload_type = (uint8_t)number,
            .clock_rate = clock_rate,
            .profile = leat_codec_profile(name, payload->fmtp.data, payload->fmtp.len),
            .fmtp = payload->fmtp.data,
            .fmtp_len = (uint16_t)payload->fmtp.len,
        };
        agree_feedback(codec, payload->feedback | payloads->feedback, use, track);
    }
}

/* A payload type of RTX names the one it repeats: a=fmtp:97 apt=96 (RFC 4588, 8). */
static void pick_rtx(const struct payloads *payloads, struct leat_rtp_track *track)
{
    uint8_t *rtx_of[PAYLOAD_TYPES] = {NULL};
    for (unsigned i = 0; i < track->codec_count; i++) {
        rtx_of[track->codecs[i].payload_type] = &track->codecs[i].rtx;
    }
    for (size_t i = 0; i < payloads->count; i++) {
        const unsigned number = payloads->order[i];
        struct span map = payloads->of[number].map;
        struct span apt;
        uint32_t of;
        if (number == 0 || is_rtcp(number) ||
            !leat__sdp_same_nocase(leat__sdp_cut(&map, '/'), span_of("rtx", 3)) ||
            !leat__sdp_parameter(payloads->of[number].fmtp, "apt", &apt) ||
            !leat__sdp_number(apt, PAYLOAD_TYPES - 1, &of) || rtx_of[of] == NULL ||
            *rtx_of[of] != 0) {
            continue;
        }
        *rtx_of[of] = (uint8_t)number;
    }
}

int leat__sdp_read_codecs(const struct section *section, enum leat_sdp_use use,
                          struct bundle_names *names, struct leat_rtp_track *track,
                          struct leat_sdp_error *error)
{
    struct payloads payloads = {.count = 0};
    struct span body = section->body;
    struct span name, value;
    int status = take_formats(section, &payloads, error);
    if (status < 0) {
        return status;
    }
    while (leat__sdp_attribute(&body, &name, &value)) {
        take_attribute(&payloads, name, value);
    }
    status = check_names(section, &payloads, names, error);
    if (status < 0) {
        return status;
    }
    pick(&payloads, use, track);
    if (track->codec_count == 0) {
        return leat__sdp_refuse(error, 406, "m-section %u: no codec in common", section->number);
    }
    pick_rtx(&payloads, track);
    bool twcc = false;
    for (unsigned i = 0; i < track->codec_count; i++) {
        twcc = twcc || track->codecs[i].twcc;
    }
    if (!twcc) {
        track->ext[LEAT_RTP_EXT_TWCC] = 0; /* numbers that nobody reports on */
    }
    return 0;
}

size_t leat_sdp_prefer(struct leat_rtp_track *viewer, const struct leat_rtp_track *publisher)
{
    size_t common = 0;
    for (unsigned p = 0; p < publisher->codec_count; p++) {
        const struct leat_rtp_codec *const wanted = &publisher->codecs[p];
        for (size_t v = common; v < viewer->codec_count; v++) {
            const struct leat_rtp_codec codec = viewer->codecs[v];
            if (codec.codec != wanted->codec || codec.profile != wanted->profile) {
                continue;
            }
            /* The others move up by one and keep their order. */
            memmove(&viewer->codecs[common + 1], &viewer->codecs[common],
                    (v - common) * sizeof(codec));
            viewer->codecs[common++] = codec;
        }
    }
    return common;
}
