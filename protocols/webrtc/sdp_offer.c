/* Reads an offer. An offer is taken whole or not at all (RFC 9725, 4.4.3): what is audio or video
 * and wants to flow must be served, all over one BUNDLE transport (RFC 9143) with RTP and RTCP at
 * one port (RFC 8858). Data channels and other media are answered with port 0. Everything is read
 * in a fixed number of walks over the text. */
#include <errno.h>

#include "sdp_offer.h"

/* What is known while an offer is read. */
struct reading {
    struct leat_sdp_offer offer;
    struct facts session;
    struct span session_body;
    struct span group; /* mids of a=group:BUNDLE */
    bool grouped;
    struct facts facts[LEAT_MEDIA_KINDS]; /* of tracks */
    struct facts
        rejected; /* of the first section that is answered with port 0, for its transport */
    bool has_rejected;
    struct bundle_names names;
    struct leat_sdp_error *error;
};

/* ---- the text into sections ---- */

/* The lines before the first m-line, of a text that was checked; `rest` is left at that line. */
static struct span cut_body(struct span *rest)
{
    const char *const start = rest->data;
    struct span ahead = *rest;
    char letter;
    struct span value;
    while (leat__sdp_line(&ahead, &letter, &value)) {
        if (letter == 'm') {
            const char *const at = value.data - 2;
            const struct span body = span_of(start, (size_t)(at - start));
            *rest = span_of(at, rest->len - body.len);
            return body;
        }
    }
    const struct span body = *rest;
    *rest = span_of(NULL, 0);
    return body;
}

/* "audio 9 UDP/TLS/RTP/SAVPF 111 63", and what follows (RFC 8866, 5.14). False: no m-line
 * follows. */
static int cut_section(struct span *rest, unsigned number, struct section *ret,
                       struct leat_sdp_error *error)
{
    char letter;
    struct span value;
    struct section section = {.number = number};
    if (!leat__sdp_line(rest, &letter, &value)) {
        return 0;
    }
    section.media = leat__sdp_word(&value);
    struct span port = leat__sdp_word(&value);
    section.protocol = leat__sdp_word(&value);
    section.formats = value;
    if (section.protocol.len == 0 || section.formats.len == 0 ||
        !leat__sdp_number(leat__sdp_cut(&port, '/'), UINT16_MAX, &section.port)) {
        return leat__sdp_refuse(error, 400, "m-section %u: malformed m-line", number);
    }
    section.body = cut_body(rest);
    *ret = section;
    return 1;
}

/* ---- BUNDLE ---- */

/* One group at most: an m-section must not be in two (RFC 9143, 7), and a second transport is not
 * served. */
static int read_group(struct reading *reading)
{
    struct span body = reading->session_body;
    struct span name, value;
    while (leat__sdp_attribute(&body, &name, &value)) {
        if (!span_is(name, "group") || !span_is(leat__sdp_word(&value), "BUNDLE")) {
            continue;
        }
        if (reading->grouped) {
            return leat__sdp_refuse(reading->error, 422, "more than one BUNDLE group");
        }
        reading->grouped = true;
        reading->group = value;
    }
    return 0;
}

/* The place of a mid in the group; SIZE_MAX: it is not in it. */
static size_t place_in_group(const struct reading *reading, const char *mid)
{
    struct span group = reading->group;
    struct span word;
    for (size_t i = 0; (word = leat__sdp_word(&group)).len; i++) {
        if (span_same(word, span_of(mid, strlen(mid)))) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Which track's section is tagged: whose transport all use (RFC 9143, 7.2). */
static int check_bundle(struct reading *reading)
{
    struct leat_sdp_offer *const offer = &reading->offer;
    size_t best = SIZE_MAX;
    offer->bundle = reading->grouped;
    if (!reading->grouped && offer->section_count == 1) {
        return 0;
    }
    for (size_t i = 0; i < offer->track_count; i++) {
        const size_t place =
            offer->tracks[i].mid[0] ? place_in_group(reading, offer->tracks[i].mid) : SIZE_MAX;
        if (place == SIZE_MAX && (reading->grouped || offer->track_count > 1)) {
            return leat__sdp_refuse(reading->error, 422, "audio and video are not in one BUNDLE");
        }
        if (place < best) {
            best = place;
            offer->tagged = (uint8_t)i;
        }
    }
    return 0;
}

/* ---- the transport ---- */

/* A bundle-only section leaves out what the tagged one says for all (RFC 8829, 5.2.1; RFC 9143, 9.3.1.1). */
static int share_rtcp(struct reading *reading)
{
    struct leat_sdp_offer *const offer = &reading->offer;
    const struct facts *const tagged = &reading->facts[offer->tagged];
    if (!tagged->rtcp_mux) {
        return leat__sdp_refuse(reading->error, 422, "no a=rtcp-mux in the tagged m-section");
    }
    for (size_t i = 0; i < offer->track_count; i++) {
        if (reading->facts[i].bundle_only && !reading->facts[i].rtcp_mux) {
            offer->tracks[i].reduced_rtcp = tagged->rtcp_rsize;
        }
    }
    return 0;
}

/* The first of the tagged section, the other, the session, and a section that is not served, to say
 * it. */
static void list_facts(const struct reading *reading, const struct facts *ret[4])
{
    const uint8_t tagged = reading->offer.tagged;
    ret[0] = &reading->facts[tagged];
    ret[1] = &reading->facts[reading->offer.track_count > 1 ? 1 - tagged : tagged];
    ret[2] = &reading->session;
    ret[3] = reading->grouped && reading->has_rejected ? &reading->rejected : &reading->session;
}

static int read_role(struct reading *reading, struct span setup)
{
    /* RFC 8842, 5.2 wants actpass; RFC 9725, 4.4.4 lets a client be active. */
    if (span_is(setup, "actpass") || span_is(setup, "active")) {
        return 0;
    }
    if (span_is(setup, "passive")) {
        reading->offer.active = true;
        return 0;
    }
    return leat__sdp_refuse(reading->error, 422, "a=setup is not actpass, active or passive");
}

static int read_transport(struct reading *reading)
{
    struct leat_sdp_offer *const offer = &reading->offer;
    const struct facts *from[4];
    struct span ufrag = {NULL, 0}, pwd = {NULL, 0}, setup = {NULL, 0};
    list_facts(reading, from);
    for (unsigned i = 0; i < 4; i++) {
        if (ufrag.len == 0 && from[i]->ufrag.len) {
            ufrag = from[i]->ufrag;
            pwd = from[i]->pwd;
        }
        if (setup.len == 0) {
            setup = from[i]->setup;
        }
        if (offer->fingerprint_count == 0) {
            offer->fingerprint_count = from[i]->fingerprint_count;
            memcpy(offer->fingerprints, from[i]->fingerprints, sizeof(offer->fingerprints));
        }
    }
    if (ufrag.len == 0 || pwd.len == 0) {
        return leat__sdp_refuse(reading->error, 422, "no a=ice-ufrag and a=ice-pwd");
    }
    if (leat_ice_credentials_set(ufrag.data, ufrag.len, pwd.data, pwd.len, &offer->remote) < 0) {
        return leat__sdp_refuse(reading->error, 400, "malformed a=ice-ufrag or a=ice-pwd");
    }
    if (offer->fingerprint_count == 0) {
        return leat__sdp_refuse(reading->error, 422, "no a=fingerprint of a hash that is safe");
    }
    return read_role(reading, setup);
}

/* ---- m-sections ---- */

/* RFC 8829, 5.1.2: all of these mean the same there, the transport is found by ICE. RTP/AVP and its
 * like are not SRTP. */
static bool is_srtp(struct span protocol)
{
    return span_is(protocol, "UDP/TLS/RTP/SAVPF") || span_is(protocol, "UDP/TLS/RTP/SAVP") ||
           span_is(protocol, "TCP/DTLS/RTP/SAVPF") || span_is(protocol, "TCP/DTLS/RTP/SAVP") ||
           span_is(protocol, "RTP/SAVPF") || span_is(protocol, "RTP/SAVP");
}

/* What makes the whole offer one that cannot be served. */
static int check_section(const struct reading *reading, const struct section *section,
                         const struct facts *facts, enum leat_media_kind kind)
{
    const struct leat_sdp_offer *const offer = &reading->offer;
    const bool publish = offer->use == LEAT_SDP_PUBLISH;
    for (size_t i = 0; i < offer->track_count; i++) {
        if (offer->tracks[i].kind == kind) { /* RFC 9725, 4.4.2 */
            return leat__sdp_refuse(reading->error, 422, "m-section %u: a second %s track",
                                    section->number, kind == LEAT_MEDIA_AUDIO ? "audio" : "video");
        }
    }
    if (!is_srtp(section->protocol)) {
        return leat__sdp_refuse(reading->error, 422, "m-section %u: not SRTP over DTLS",
                                section->number);
    }
    if (!(facts->direction & (publish ? DIRECTION_SEND : DIRECTION_RECEIVE))) {
        return leat__sdp_refuse(reading->error, 422, "m-section %u: must be %s", section->number,
                                publish ? "sendonly or sendrecv" : "recvonly or sendrecv");
    }
    if (!facts->rtcp_mux && !facts->bundle_only) { /* RFC 8858; RFC 9725, 4.4.1 */
        return leat__sdp_refuse(reading->error, 422, "m-section %u: no a=rtcp-mux",
                                section->number);
    }
    return 0;
}

static int read_track(struct reading *reading, const struct section *section,
                      const struct facts *facts, struct leat_sdp_section *entry)
{
    struct leat_sdp_offer *const offer = &reading->offer;
    const enum leat_media_kind kind =
        span_is(section->media, "audio") ? LEAT_MEDIA_AUDIO : LEAT_MEDIA_VIDEO;
    int status = check_section(reading, section, facts, kind);
    if (status < 0) {
        return status;
    }
    struct leat_rtp_track *const track = &offer->tracks[offer->track_count];
    const bool mixed = offer->extmap_allow_mixed || facts->extmap_allow_mixed;
    track->kind = kind;
    track->reduced_rtcp = facts->rtcp_rsize;
    memcpy(track->mid, entry->mid, sizeof(track->mid));
    status =
        leat__sdp_read_extensions(reading->session_body, section, offer->use, mixed,
                                  &reading->names, track, &entry->extmap_one_way, reading->error);
    if (status < 0) {
        return status;
    }
    status = leat__sdp_read_codecs(section, offer->use, &reading->names, track, reading->error);
    if (status < 0) {
        return status;
    }
    if (offer->use == LEAT_SDP_PUBLISH) {
        leat__sdp_read_streams(section->body, track);
    }
    entry->rtcp_mux_only = facts->rtcp_mux_only;
    entry->extmap_allow_mixed = facts->extmap_allow_mixed && !offer->extmap_allow_mixed;
    reading->facts[offer->track_count] = *facts;
    entry->track = (int8_t)offer->track_count++;
    return 0;
}

/* Its mid, which no other has (RFC 5888, 4). */
static int read_mid(const struct reading *reading, const struct section *section,
                    const struct facts *facts, struct leat_sdp_section *entry)
{
    const struct leat_sdp_offer *const offer = &reading->offer;
    if (facts->mid.len == 0) {
        return 0;
    }
    if (!leat__sdp_copy_id(facts->mid, entry->mid)) {
        return leat__sdp_refuse(reading->error, 422, "m-section %u: a=mid is not 1..%u characters",
                                section->number, LEAT_RTP_MID_MAX);
    }
    for (size_t i = 0; i < offer->section_count; i++) {
        if (strcmp(offer->sections[i].mid, entry->mid) == 0) {
            return leat__sdp_refuse(reading->error, 422, "m-section %u: its a=mid is not unique",
                                    section->number);
        }
    }
    return 0;
}

static int read_section(struct reading *reading, const struct section *section)
{
    struct leat_sdp_offer *const offer = &reading->offer;
    struct facts facts = {.direction = reading->session.direction};
    struct leat_sdp_section entry = {
        .media = section->media.data,
        .media_len = (uint16_t)section->media.len,
        .protocol = section->protocol.data,
        .protocol_len = (uint16_t)section->protocol.len,
        .formats = section->formats.data,
        .formats_len = (uint16_t)section->formats.len,
        .track = -1,
    };
    int status = leat__sdp_read_facts(section->body, &facts, reading->error);
    if (status == 0) {
        status = read_mid(reading, section, &facts, &entry);
    }
    if (status < 0) {
        return status;
    }
    const bool media = span_is(section->media, "audio") || span_is(section->media, "video");
    /* Port 0 of a bundled section does not disable it (RFC 9143, 6). */
    const bool enabled = (section->port != 0 || facts.bundle_only) && facts.direction != 0;
    if (media && enabled) {
        status = read_track(reading, section, &facts, &entry);
    } else if (!reading->has_rejected && facts.ufrag.len) {
        reading->has_rejected = true;
        reading->rejected = facts;
    }
    offer->sections[offer->section_count++] = entry;
    return status;
}

static int read_sections(struct reading *reading, struct span rest)
{
    struct section section;
    int status;
    unsigned number = 1;
    while ((status = cut_section(&rest, number, &section, reading->error)) > 0) {
        if (number++ > LEAT_SDP_SECTIONS_MAX) {
            return leat__sdp_refuse(reading->error, 422, "more than %u m-sections",
                                    LEAT_SDP_SECTIONS_MAX);
        }
        status = read_section(reading, &section);
        if (status < 0) {
            return status;
        }
    }
    if (status == 0 && number == 1) {
        return leat__sdp_refuse(reading->error, 400, "no m-section");
    }
    if (status == 0 && reading->offer.track_count == 0) {
        return leat__sdp_refuse(reading->error, 422, "no audio and no video");
    }
    return status;
}

static int read_session(struct reading *reading)
{
    char letter = 0;
    struct span body = reading->session_body;
    struct span value;
    if (!leat__sdp_line(&body, &letter, &value) || letter != 'v' || !span_is(value, "0")) {
        return leat__sdp_refuse(reading->error, 400, "does not begin with v=0");
    }
    const int status =
        leat__sdp_read_facts(reading->session_body, &reading->session, reading->error);
    if (status < 0) {
        return status;
    }
    if (reading->session.ice_lite) { /* RFC 9725, 4.4.5: two lite agents never find each other */
        return leat__sdp_refuse(reading->error, 422, "a=ice-lite: a client must be full ICE");
    }
    reading->offer.extmap_allow_mixed = reading->session.extmap_allow_mixed;
    return read_group(reading);
}

int leat_sdp_offer_read(const char *text, size_t len, enum leat_sdp_use use,
                        struct leat_sdp_offer *ret, struct leat_sdp_error *ret_error)
{
    struct reading reading = {.offer.use = use, .error = ret_error};
    struct span rest = span_of(text, len);
    reading.session.direction = DIRECTION_BOTH; /* RFC 8866, 6.7 */
    int status = leat__sdp_check(rest, ret_error);
    if (status == 0) {
        reading.session_body = cut_body(&rest);
        status = read_session(&reading);
    }
    if (status == 0) {
        status = read_sections(&reading, rest);
    }
    if (status == 0) {
        status = check_bundle(&reading);
    }
    if (status == 0) {
        status = share_rtcp(&reading);
    }
    if (status == 0) {
        status = read_transport(&reading);
    }
    if (status == 0) {
        *ret = reading.offer;
    }
    return status;
}
