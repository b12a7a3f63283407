/* RTP header extensions of an m-section: a=extmap (RFC 8285). The offer's ids are kept; of the
 * known extensions those that make sense for the use. Called by sdp_offer.c. */
#include "sdp_offer.h"

#define ONE_BYTE_ID_MAX 14u /* RFC 8285, 4.2 */
#define ID_MAX 255u

#define BIT(ext) (1u << (ext))

/* Which extensions are answered: a publisher's tell layers, loss, loudness and frames; a viewer is
 * sent what forwarding can fill in. */
static unsigned wanted(enum leat_sdp_use use, enum leat_media_kind kind)
{
    const unsigned always =
        BIT(LEAT_RTP_EXT_MID) | (use == LEAT_SDP_PUBLISH ? BIT(LEAT_RTP_EXT_TWCC) : 0);
    if (kind == LEAT_MEDIA_AUDIO) {
        return always | BIT(LEAT_RTP_EXT_AUDIO_LEVEL);
    }
    const unsigned layers = BIT(LEAT_RTP_EXT_RID) | BIT(LEAT_RTP_EXT_REPAIRED_RID);
    return always | BIT(LEAT_RTP_EXT_ORIENTATION) | BIT(LEAT_RTP_EXT_DEPENDENCY) |
           (use == LEAT_SDP_PUBLISH ? layers : 0);
}

/* The direction behind the id: "3/sendonly". */
static enum direction direction_of(struct span text)
{
    if (span_is(text, "sendonly")) {
        return DIRECTION_SEND;
    }
    if (span_is(text, "recvonly")) {
        return DIRECTION_RECEIVE;
    }
    return span_is(text, "inactive") ? 0 : DIRECTION_BOTH;
}

struct extmaps {
    unsigned section;      /* its number, for messages */
    enum direction needed; /* what the offerer must do for us to use it */
    unsigned wanted;
    uint32_t id_max;
    struct span uris[ID_MAX + 1]; /* by id, in this section */
    struct bundle_names *names;
    uint8_t one_way;
};

/* Whether the id means another extension already. In one section that is an error; in two of one
 * bundle it is too (RFC 9143, 12), but aiortc counts anew in each. There only the extension matters
 * that says which section a packet is of: all others are looked up when that is known. */
static bool is_clash(const struct extmaps *maps, uint32_t id, struct span uri)
{
    const struct span here = maps->uris[id];
    const struct span before = maps->names->extensions[id];
    if (here.data) {
        return !span_same(here, uri);
    }
    return before.data && !span_same(before, uri) &&
           (leat_rtp_ext_of(before.data, before.len) == LEAT_RTP_EXT_MID ||
            leat_rtp_ext_of(uri.data, uri.len) == LEAT_RTP_EXT_MID);
}

/* "3/sendonly URI attributes": the value of one a=extmap. */
static int take_extmap(struct extmaps *maps, struct span value, struct leat_rtp_track *track,
                       struct leat_sdp_error *error)
{
    struct span number = leat__sdp_word(&value);
    const struct span uri = leat__sdp_word(&value);
    const struct span id_text = leat__sdp_cut(&number, '/');
    uint32_t id;
    /* Ids from 4096 on are offers to be renumbered (RFC 8285, 7): nobody who must be served makes
     * them. */
    if (!leat__sdp_number(id_text, ID_MAX, &id) || id == 0 || uri.len == 0) {
        return 0;
    }
    if (is_clash(maps, id, uri)) {
        return leat__sdp_refuse(error, 422, "m-section %u: id %u means two header extensions",
                                maps->section, (unsigned)id);
    }
    maps->uris[id] = uri;
    const enum direction direction = direction_of(number);
    const enum leat_rtp_ext ext = leat_rtp_ext_of(uri.data, uri.len);
    if (ext == LEAT_RTP_EXT_COUNT || !(maps->wanted & BIT(ext)) || id > maps->id_max ||
        !(direction & maps->needed) || track->ext[ext] != 0) {
        return 0;
    }
    track->ext[ext] = (uint8_t)id;
    if (direction != DIRECTION_BOTH) {
        maps->one_way |= (uint8_t)BIT(ext);
    }
    return 0;
}

_Static_assert(LEAT_RTP_EXT_COUNT <= 8, "a bit for each in one byte");

int leat__sdp_read_extensions(struct span session, const struct section *section,
                              enum leat_sdp_use use, bool allow_mixed, struct bundle_names *names,
                              struct leat_rtp_track *track, uint8_t *ret_one_way,
                              struct leat_sdp_error *error)
{
    struct extmaps maps = {
        .section = section->number,
        .needed = use == LEAT_SDP_PUBLISH ? DIRECTION_SEND : DIRECTION_RECEIVE,
        .wanted = wanted(use, track->kind),
        .id_max = allow_mixed ? ID_MAX : ONE_BYTE_ID_MAX,
        .names = names,
    };
    const struct span bodies[2] = {session, section->body};
    for (unsigned i = 0; i < 2; i++) {
        struct span body = bodies[i];
        struct span name, value;
        while (leat__sdp_attribute(&body, &name, &value)) {
            const int status =
                span_is(name, "extmap") ? take_extmap(&maps, value, track, error) : 0;
            if (status < 0) {
                return status;
            }
        }
    }
    for (unsigned id = 1; id <= ID_MAX; id++) {
        if (maps.uris[id].data && names->extensions[id].data == NULL) {
            names->extensions[id] = maps.uris[id];
        }
    }
    *ret_one_way = maps.one_way;
    return 0;
}
