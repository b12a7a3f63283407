/* Who a packet belongs to: by mid and rid, else by what was announced of its SSRC, else by payload type. It is found
 * out once for each SSRC.
 *
 * Only what is bound is remembered, and there is at most one SSRC for each layer: a new one takes its place when the
 * old one is silent, so that a flood of SSRCs costs nothing. Retransmission streams take the room that is left; of
 * them the longest silent goes. */
#include "receiver.h"

#include <string.h>

#define SILENT_NS (500 * LEAT_MS) /* then another SSRC may have its layer */

/* What the packet itself says. */
struct claim {
    uint8_t kind;
    int8_t layer;
    bool rtx;
};

static bool is_name(const char *name, const uint8_t *value, size_t len)
{
    return strlen(name) == len && memcmp(name, value, len) == 0;
}

static const uint8_t *find(const leat_rtp_receiver *receiver, unsigned kind, enum leat_rtp_ext ext,
                           const struct leat_rtp_header *header, uint8_t *ret_len)
{
    return leat_rtp_ext_find(header, receiver->tracks[kind].ext[ext], ret_len);
}

/* The layer that a rid names, or repaired-rid of a retransmission; LAYER_ANY: there is no rid. False: one that nobody
 * knows. */
static bool layer_by_rid(const leat_rtp_receiver *receiver, unsigned kind,
                         const struct leat_rtp_header *header, bool rtx, int8_t *ret)
{
    const struct leat_rtp_track *const track = &receiver->tracks[kind];
    uint8_t len = 0;
    const uint8_t *rid =
        find(receiver, kind, rtx ? LEAT_RTP_EXT_REPAIRED_RID : LEAT_RTP_EXT_RID, header, &len);
    *ret = LAYER_ANY;
    if (!rid || track->rid_count == 0) {
        return true;
    }
    for (unsigned i = 0; i < track->rid_count; i++) {
        if (is_name(track->rids[i], rid, len)) {
            *ret = (int8_t)i;
            return true;
        }
    }
    return false;
}

static int8_t layer_by_ssrc(const struct leat_rtp_track *track, uint32_t ssrc, bool rtx)
{
    for (unsigned i = 0; i < track->ssrc_count; i++) {
        const uint32_t announced = rtx ? track->rtx_ssrcs[i] : track->ssrcs[i];
        if (announced == ssrc && (ssrc != 0 || !rtx)) {
            return (int8_t)i;
        }
    }
    return LAYER_ANY;
}

/* The track that the packet belongs to; LEAT_MEDIA_KINDS: none. */
static unsigned kind_of(const leat_rtp_receiver *receiver, const struct leat_rtp_header *header)
{
    unsigned by_type = LEAT_MEDIA_KINDS, types = 0;
    for (unsigned kind = 0; kind < LEAT_MEDIA_KINDS; kind++) {
        uint8_t len = 0;
        const uint8_t *const mid = find(receiver, kind, LEAT_RTP_EXT_MID, header, &len);
        if (mid && is_name(receiver->tracks[kind].mid, mid, len)) {
            return kind;
        }
        if (mid && receiver->tracks[kind].mid[0]) {
            continue; /* it is somebody else's */
        }
        const struct leat_rtp_track *const track = &receiver->tracks[kind];
        if (layer_by_ssrc(track, header->ssrc, false) >= 0 ||
            layer_by_ssrc(track, header->ssrc, true) >= 0) {
            return kind;
        }
        if (receiver->roles[kind][header->payload_type]) {
            by_type = kind;
            types++;
        }
    }
    return types == 1 ? by_type : LEAT_MEDIA_KINDS;
}

static bool claim_of(const leat_rtp_receiver *receiver, const struct leat_rtp_header *header,
                     struct claim *ret)
{
    const unsigned kind = kind_of(receiver, header);
    if (kind == LEAT_MEDIA_KINDS || !receiver->roles[kind][header->payload_type]) {
        return false;
    }
    const struct leat_rtp_track *const track = &receiver->tracks[kind];
    const bool rtx = receiver->roles[kind][header->payload_type] & ROLE_RTX;
    int8_t layer;
    if (!layer_by_rid(receiver, kind, header, rtx, &layer)) {
        return false;
    }
    if (layer == LAYER_ANY) {
        layer = layer_by_ssrc(track, header->ssrc, rtx);
    }
    if (layer == LAYER_ANY && track->rid_count <= 1 && track->ssrc_count <= 1) {
        layer = 0; /* there is only one */
    }
    *ret = (struct claim){(uint8_t)kind, layer, rtx};
    return rtx || layer != LAYER_ANY;
}

struct binding *leat__receiver_bound(leat_rtp_receiver *receiver, uint32_t ssrc)
{
    for (unsigned i = 0; i < BINDINGS_MAX; i++) {
        if (receiver->bindings[i].used && receiver->bindings[i].ssrc == ssrc) {
            return &receiver->bindings[i];
        }
    }
    return NULL;
}

/* A free place, or that of the retransmission stream that is silent for the longest time. There is one: media have
 * at most one place a layer. */
static struct binding *place_for_one(leat_rtp_receiver *receiver)
{
    struct binding *oldest = NULL;
    for (unsigned i = 0; i < BINDINGS_MAX; i++) {
        struct binding *const binding = &receiver->bindings[i];
        if (!binding->used) {
            return binding;
        }
        if (binding->rtx && (!oldest || binding->last < oldest->last)) {
            oldest = binding;
        }
    }
    return oldest;
}

/* Makes the layer free for another SSRC. False: its own still flows. */
static bool vacate(leat_rtp_receiver *receiver, leat_time now, const struct claim *claim)
{
    struct source *const source = &receiver->sources[claim->kind][claim->layer];
    struct binding *const old = source->bound ? leat__receiver_bound(receiver, source->ssrc) : NULL;
    if (old && !old->bye && now - old->last < SILENT_NS) {
        return false;
    }
    if (old) {
        old->used = false;
    }
    source->bound = source->started = false;
    return true;
}

static struct binding *bind(leat_rtp_receiver *receiver, leat_time now,
                            const struct leat_rtp_header *header)
{
    struct claim claim;
    if (!claim_of(receiver, header, &claim) || (!claim.rtx && !vacate(receiver, now, &claim))) {
        return NULL;
    }
    struct binding *const binding = place_for_one(receiver);
    *binding = (struct binding){
        .used = true,
        .rtx = claim.rtx,
        .kind = claim.kind,
        .layer = claim.layer,
        .ssrc = header->ssrc,
    };
    if (!claim.rtx) {
        struct source *const source = &receiver->sources[claim.kind][claim.layer];
        source->bound = true;
        source->ssrc = header->ssrc;
    }
    if (receiver->report_due == LEAT_NEVER) {
        receiver->report_due = now + LEAT_SEC;
    }
    return binding;
}

struct binding *leat__receiver_bind(leat_rtp_receiver *receiver, leat_time now,
                                    const struct leat_rtp_header *header)
{
    struct binding *binding = leat__receiver_bound(receiver, header->ssrc);
    if (!binding) {
        binding = bind(receiver, now, header);
    }
    if (!binding) {
        return NULL;
    }
    const uint8_t role = receiver->roles[binding->kind][header->payload_type];
    if (role == 0 || ((role & ROLE_RTX) != 0) != binding->rtx) {
        return NULL;
    }
    if (binding->layer == LAYER_ANY) {
        int8_t layer;
        if (layer_by_rid(receiver, binding->kind, header, true, &layer)) {
            binding->layer = layer;
        }
    }
    binding->last = now;
    return binding;
}

struct source *leat__receiver_repaired(leat_rtp_receiver *receiver, struct binding *binding,
                                       uint16_t sequence)
{
    struct source *const sources = receiver->sources[binding->kind];
    if (binding->layer != LAYER_ANY) {
        return &sources[binding->layer];
    }
    int found = -1;
    unsigned started = 0, misses = 0, only = 0;
    for (unsigned i = 0; i < LEAT_RTP_LAYERS_MAX; i++) {
        if (!sources[i].started) {
            continue;
        }
        started++;
        only = i;
        if (leat__source_is_missing(&sources[i], leat_rtp_extend(sources[i].highest, sequence))) {
            misses++;
            found = (int)i;
        }
    }
    if (misses == 1 && started > 1) {
        binding->layer = (int8_t)found; /* a stream repairs one layer only (RFC 4588, 4) */
    }
    return misses == 1 ? &sources[found] : started == 1 ? &sources[only] : NULL;
}
