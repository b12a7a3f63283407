/* Offers, for both uses, and their answers. Properties: an offer is taken or refused with a 4xx and
 * words; what is read points into the text; an answer has as many m-sections as the offer, each
 * line of it is one of SDP, and it fits exactly or not at all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/sdp.h>

#include "fuzz.h"

static void require_inside(const char *text, size_t size, const char *at, size_t len)
{
    REQUIRE(len == 0 || (at >= text && at + len <= text + size));
}

static void require_track(const struct leat_rtp_track *track, const char *text, size_t size)
{
    bool seen[128] = {false};
    REQUIRE(track->kind < LEAT_MEDIA_KINDS);
    REQUIRE(track->codec_count > 0 && track->codec_count <= LEAT_RTP_CODECS_MAX);
    REQUIRE(track->rid_count <= LEAT_RTP_LAYERS_MAX && track->ssrc_count <= LEAT_RTP_LAYERS_MAX);
    for (unsigned i = 0; i < track->codec_count; i++) {
        const struct leat_rtp_codec *const codec = &track->codecs[i];
        REQUIRE(codec->codec < LEAT_CODEC_COUNT);
        REQUIRE(codec->payload_type < 64 || codec->payload_type > 95);
        REQUIRE(!seen[codec->payload_type]);
        seen[codec->payload_type] = true;
        require_inside(text, size, codec->fmtp, codec->fmtp_len);
    }
    for (unsigned i = 0; i < track->codec_count; i++) {
        REQUIRE(track->codecs[i].rtx == 0 || !seen[track->codecs[i].rtx]);
        seen[track->codecs[i].rtx] = track->codecs[i].rtx != 0;
    }
    REQUIRE(strlen(track->mid) <= LEAT_RTP_MID_MAX);
    for (unsigned i = 0; i < track->rid_count; i++) {
        REQUIRE(track->rids[i][0] != '\0' && strlen(track->rids[i]) <= LEAT_RTP_MID_MAX);
    }
}

static void require_offer(const struct leat_sdp_offer *offer, const char *text, size_t size)
{
    size_t served = 0;
    REQUIRE(offer->track_count >= 1 && offer->track_count <= LEAT_MEDIA_KINDS);
    REQUIRE(offer->tagged < offer->track_count);
    REQUIRE(offer->section_count >= 1 && offer->section_count <= LEAT_SDP_SECTIONS_MAX);
    REQUIRE(offer->fingerprint_count >= 1 && offer->fingerprint_count <= LEAT_SDP_FINGERPRINTS_MAX);
    REQUIRE(offer->remote.ufrag[0] != '\0' && offer->remote.pwd[0] != '\0');
    REQUIRE(offer->track_count < 2 || offer->bundle);
    for (size_t i = 0; i < offer->section_count; i++) {
        const struct leat_sdp_section *const section = &offer->sections[i];
        require_inside(text, size, section->media, section->media_len);
        require_inside(text, size, section->protocol, section->protocol_len);
        require_inside(text, size, section->formats, section->formats_len);
        if (section->track >= 0) {
            REQUIRE((size_t)section->track == served++);
            REQUIRE(strcmp(section->mid, offer->tracks[section->track].mid) == 0);
        }
    }
    REQUIRE(served == offer->track_count);
    for (size_t i = 0; i < offer->track_count; i++) {
        require_track(&offer->tracks[i], text, size);
    }
}

/* Every line is a letter, "=", text without controls, CRLF. */
static void require_answer(const struct leat_sdp_offer *offer, const char *text, size_t len)
{
    size_t sections = 0;
    REQUIRE(len > 0 && text[len] == '\0' && strlen(text) == len);
    for (size_t i = 0; i < len;) {
        REQUIRE(len - i >= 4 && text[i] >= 'a' && text[i] <= 'z' && text[i + 1] == '=');
        sections += text[i] == 'm' ? 1 : 0;
        while (text[i] != '\r') {
            REQUIRE((unsigned char)text[i] >= 0x20 || text[i] == '\t');
            i++;
            REQUIRE(i < len);
        }
        REQUIRE(text[i + 1] == '\n');
        i += 2;
    }
    REQUIRE(sections == offer->section_count);
}

static void try_answer(const struct leat_sdp_offer *offer, size_t cap)
{
    static char out[131072], part[131072];
    static const struct leat_ice_credentials local = {"abcd", "abcdefghijklmnopqrstuvwx"};
    const struct leat_addr candidates[2] = {
        {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = 80}, {.ip = {[15] = 1}}};
    const struct leat_sdp_answer answer = {
        .session_id = 1,
        .local = &local,
        .fingerprint = "sha-256 AA",
        .candidates = candidates,
        .candidate_count = cap % 3,
        .ssrcs = {1, 2},
        .rtx_ssrcs = {3, 4},
        .cname = "x",
    };
    const int len = leat_sdp_answer_write(offer, &answer, out, sizeof(out));
    REQUIRE(len > 0);
    require_answer(offer, out, (size_t)len);
    const int again = leat_sdp_answer_write(offer, &answer, part, cap);
    REQUIRE(again == (cap > (size_t)len ? len : -ENOSPC));
    REQUIRE(again < 0 || memcmp(out, part, (size_t)len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct leat_sdp_offer offers[2];
    bool taken[2];
    for (unsigned i = 0; i < 2; i++) {
        const enum leat_sdp_use use = i == 0 ? LEAT_SDP_PUBLISH : LEAT_SDP_VIEW;
        struct leat_sdp_error error = {0, ""};
        const int status = leat_sdp_offer_read((const char *)data, size, use, &offers[i], &error);
        REQUIRE(status == 0 || status == -EPROTO);
        taken[i] = status == 0;
        if (!taken[i]) {
            REQUIRE(error.status == 400 || error.status == 406 || error.status == 413 ||
                    error.status == 422);
            REQUIRE(error.text[0] != '\0' && strlen(error.text) < sizeof(error.text));
            continue;
        }
        require_offer(&offers[i], (const char *)data, size);
        try_answer(&offers[i], size);
    }
    if (taken[0] && taken[1]) {
        struct leat_rtp_track viewer = offers[1].tracks[0];
        REQUIRE(leat_sdp_prefer(&viewer, &offers[0].tracks[0]) == viewer.codec_count);
        require_track(&viewer, (const char *)data, size);
    }
    return 0;
}
