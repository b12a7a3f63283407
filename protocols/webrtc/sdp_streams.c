/* The streams of a publisher's track: simulcast by rid (RFC 8851, RFC 8853), SSRCs and their groups
 * (RFC 5576; "SIM" is what simulcast was before rids). What is more than leat keeps is left out,
 * nothing here refuses an offer. Called by sdp_offer.c. */
#include "sdp_offer.h"

#define RIDS_MAX 16u   /* a=rid:... send lines that are looked at */
#define SSRCS_MAX 32u  /* SSRCs in a=ssrc lines that are looked at */
#define GROUPS_MAX 32u /* pairs of groups that are looked at */

struct streams {
    struct span rids[RIDS_MAX];
    size_t rid_count;
    struct span simulcast; /* what a=simulcast says of sending */
    uint32_t ssrcs[SSRCS_MAX];
    size_t ssrc_count;
    uint32_t sim[LEAT_RTP_LAYERS_MAX];
    size_t sim_count;
    uint32_t firsts[GROUPS_MAX], seconds[GROUPS_MAX]; /* FID, FEC-FR and the like */
    bool is_rtx[GROUPS_MAX];
    size_t pair_count;
};

/* "h send", and restrictions. */
static void take_rid(struct streams *streams, struct span value)
{
    const struct span rid = leat__sdp_word(&value);
    const struct span direction = leat__sdp_word(&value);
    if (span_is(direction, "send") && streams->rid_count < RIDS_MAX) {
        streams->rids[streams->rid_count++] = rid;
    }
}

/* "send h;m;l recv x": the list behind "send". */
static void take_simulcast(struct streams *streams, struct span value)
{
    struct span word;
    while ((word = leat__sdp_word(&value)).len) {
        const struct span list = leat__sdp_word(&value);
        if (span_is(word, "send")) {
            streams->simulcast = list;
            return;
        }
    }
}

static void take_ssrc(struct streams *streams, struct span value)
{
    uint32_t ssrc;
    if (!leat__sdp_number(leat__sdp_word(&value), UINT32_MAX, &ssrc) || ssrc == 0) {
        return;
    }
    for (size_t i = 0; i < streams->ssrc_count; i++) {
        if (streams->ssrcs[i] == ssrc) {
            return; /* each has several lines */
        }
    }
    if (streams->ssrc_count < SSRCS_MAX) {
        streams->ssrcs[streams->ssrc_count++] = ssrc;
    }
}

/* "FID 1 2", "SIM 1 3 5" */
static void take_group(struct streams *streams, struct span value)
{
    const struct span kind = leat__sdp_word(&value);
    uint32_t first, ssrc;
    if (!leat__sdp_number(leat__sdp_word(&value), UINT32_MAX, &first) || first == 0) {
        return;
    }
    if (span_is(kind, "SIM")) {
        streams->sim_count = 0;
        streams->sim[streams->sim_count++] = first;
        while (streams->sim_count < LEAT_RTP_LAYERS_MAX &&
               leat__sdp_number(leat__sdp_word(&value), UINT32_MAX, &ssrc) && ssrc != 0) {
            streams->sim[streams->sim_count++] = ssrc;
        }
        return;
    }
    if (leat__sdp_number(leat__sdp_word(&value), UINT32_MAX, &ssrc) && ssrc != 0 &&
        streams->pair_count < GROUPS_MAX) {
        streams->firsts[streams->pair_count] = first;
        streams->seconds[streams->pair_count] = ssrc;
        streams->is_rtx[streams->pair_count++] = span_is(kind, "FID");
    }
}

/* Layers by rid, in the order of a=simulcast, the first of each list of alternatives. Those without
 * a line of their own do not count (RFC 8853, 5). */
static void agree_rids(const struct streams *streams, struct leat_rtp_track *track)
{
    struct span list = streams->simulcast;
    while (list.len && track->rid_count < LEAT_RTP_LAYERS_MAX) {
        struct span alternatives = leat__sdp_cut(&list, ';');
        struct span rid = leat__sdp_cut(&alternatives, ',');
        if (rid.len && rid.data[0] == '~') { /* paused at first */
            rid = span_of(rid.data + 1, rid.len - 1);
        }
        bool known = false;
        for (size_t i = 0; i < streams->rid_count; i++) {
            known = known || span_same(streams->rids[i], rid);
        }
        for (unsigned i = 0; i < track->rid_count; i++) {
            known = known && !span_same(span_of(track->rids[i], strlen(track->rids[i])), rid);
        }
        if (known && leat__sdp_copy_id(rid, track->rids[track->rid_count])) {
            track->rid_count++;
        }
    }
}

static uint32_t rtx_of(const struct streams *streams, uint32_t ssrc)
{
    for (size_t i = 0; i < streams->pair_count; i++) {
        if (streams->firsts[i] == ssrc && streams->is_rtx[i]) {
            return streams->seconds[i];
        }
    }
    return 0;
}

/* Whether it repairs another. */
static bool is_second(const struct streams *streams, uint32_t ssrc)
{
    for (size_t i = 0; i < streams->pair_count; i++) {
        if (streams->seconds[i] == ssrc) {
            return true;
        }
    }
    return false;
}

static void agree_ssrcs(const struct streams *streams, struct leat_rtp_track *track)
{
    for (size_t i = 0; i < streams->sim_count; i++) {
        track->ssrcs[track->ssrc_count++] = streams->sim[i];
    }
    for (size_t i = 0; i < streams->ssrc_count && track->ssrc_count == 0; i++) {
        if (!is_second(streams, streams->ssrcs[i])) {
            track->ssrcs[track->ssrc_count++] = streams->ssrcs[i];
        }
    }
    for (unsigned i = 0; i < track->ssrc_count; i++) {
        track->rtx_ssrcs[i] = rtx_of(streams, track->ssrcs[i]);
    }
}

void leat__sdp_read_streams(struct span body, struct leat_rtp_track *track)
{
    struct streams streams = {.rid_count = 0};
    struct span name, value;
    while (leat__sdp_attribute(&body, &name, &value)) {
        if (span_is(name, "rid")) {
            take_rid(&streams, value);
        } else if (span_is(name, "simulcast")) {
            take_simulcast(&streams, value);
        } else if (span_is(name, "ssrc")) {
            take_ssrc(&streams, value);
        } else if (span_is(name, "ssrc-group")) {
            take_group(&streams, value);
        }
    }
    /* Packets tell their rid by an extension: without it layers cannot be told apart. */
    if (track->kind == LEAT_MEDIA_VIDEO && track->ext[LEAT_RTP_EXT_RID] != 0) {
        agree_rids(&streams, track);
    }
    if (track->rid_count == 0) { /* with rids packets are bound by them alone */
        agree_ssrcs(&streams, track);
    }
}
