/* The receiver's entry points but for RTCP that leaves (rtp_receiver_poll.c): a packet on its way through binding,
 * numbering and a look into its payload.
 *
 * Nothing is allocated after open; what a packet costs does not depend on how many came before. One thread at a
 * time. */
#define _GNU_SOURCE /* memmem */
#include "receiver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

#define KEY_INTERVAL_NS (300 * LEAT_MS)
#define KEY_REPEAT_NS (500 * LEAT_MS)
#define RTX_HEADER_LEN 2u /* the original sequence number (RFC 4588, 4) */

/* ---- opening ---- */

static void keep_parameters(leat_rtp_receiver *receiver, const struct leat_rtp_track *track)
{
    size_t used = 0;
    for (unsigned i = 0; i < track->codec_count; i++) {
        const struct leat_rtp_codec *const codec = &track->codecs[i];
        if (codec->codec != LEAT_CODEC_H264 || !codec->fmtp) {
            continue;
        }
        const size_t len =
            leat_codec_h264_parameters(codec->fmtp, codec->fmtp_len, receiver->parameters + used,
                                       sizeof(receiver->parameters) - used);
        receiver->parameters_at[i] = (uint16_t)used;
        receiver->parameters_len[i] = (uint16_t)len;
        used += len;
    }
}

static void add_track(leat_rtp_receiver *receiver, const struct leat_rtp_track *track,
                      uint32_t first_source)
{
    const unsigned kind = track->kind;
    receiver->tracks[kind] = *track;
    for (unsigned i = 0; i < track->codec_count; i++) {
        struct leat_rtp_codec *const codec = &receiver->tracks[kind].codecs[i];
        if (codec->clock_rate == 0) {
            codec->clock_rate = kind == LEAT_MEDIA_AUDIO ? 48000 : 90000;
        }
        receiver->roles[kind][codec->payload_type & 0x7f] = (uint8_t)(i + 1);
        if (codec->rtx) {
            receiver->roles[kind][codec->rtx & 0x7f] = (uint8_t)(ROLE_RTX | (i + 1));
        }
        if (codec->twcc && receiver->twcc.id == 0) {
            receiver->twcc.id = track->ext[LEAT_RTP_EXT_TWCC]; /* one for the session (RFC 8843) */
        }
        codec->fmtp = NULL; /* it was lent */
        codec->fmtp_len = 0;
    }
    for (unsigned layer = 0; layer < LEAT_RTP_LAYERS_MAX; layer++) {
        struct source *const source = &receiver->sources[kind][layer];
        source->kind = (uint8_t)kind;
        source->layer = (uint8_t)layer;
        source->number = first_source + kind * LEAT_RTP_LAYERS_MAX + layer;
        source->nack_due = LEAT_NEVER;
    }
}

static bool is_valid(const struct leat_rtp_receiver_config *config)
{
    bool seen[LEAT_MEDIA_KINDS] = {false};
    if (config->track_count == 0 || config->track_count > LEAT_MEDIA_KINDS || !config->tracks) {
        return false;
    }
    for (size_t i = 0; i < config->track_count; i++) {
        const struct leat_rtp_track *const track = &config->tracks[i];
        if ((unsigned)track->kind >= LEAT_MEDIA_KINDS || seen[track->kind] ||
            track->codec_count == 0 || track->codec_count > LEAT_RTP_CODECS_MAX ||
            track->rid_count > LEAT_RTP_LAYERS_MAX || track->ssrc_count > LEAT_RTP_LAYERS_MAX) {
            return false;
        }
        seen[track->kind] = true;
    }
    return true;
}

int leat_rtp_receiver_open(const struct leat_rtp_receiver_config *config, leat_time now,
                           leat_rtp_receiver **ret)
{
    if (!is_valid(config)) {
        return -EINVAL;
    }
    leat_rtp_receiver *const receiver = calloc(1, sizeof(*receiver));
    if (!receiver) {
        return -ENOMEM;
    }
    receiver->ssrc = config->ssrc;
    receiver->key_interval = config->key_interval_ns ? config->key_interval_ns : KEY_INTERVAL_NS;
    receiver->key_repeat = config->key_repeat_ns ? config->key_repeat_ns : KEY_REPEAT_NS;
    receiver->next_source = config->source + LEAT_MEDIA_KINDS * LEAT_RTP_LAYERS_MAX;
    receiver->sources_left = LEAT_RTP_RECEIVER_SOURCES_MAX - LEAT_MEDIA_KINDS * LEAT_RTP_LAYERS_MAX;
    receiver->now = now;
    receiver->report_due = LEAT_NEVER;
    receiver->best = -1;
    receiver->reduced = true;
    (void)snprintf(receiver->cname, sizeof(receiver->cname), "%08x", config->ssrc);
    for (size_t i = 0; i < TWCC_PACKETS; i++) {
        receiver->twcc.ticks[i] = -1;
    }
    for (size_t i = 0; i < config->track_count; i++) {
        const struct leat_rtp_track *const track = &config->tracks[i];
        add_track(receiver, track, config->source);
        receiver->reduced = receiver->reduced && track->reduced_rtcp;
        if (track->kind == LEAT_MEDIA_VIDEO) {
            keep_parameters(receiver, track);
        }
    }
    *ret = receiver;
    return 0;
}

void leat_rtp_receiver_close(leat_rtp_receiver *receiver)
{
    free(receiver);
}

/* ---- retransmissions ---- */

/* Makes the retransmission the packet that it repeats (RFC 4588, 4): its number goes to the header, the payload two
 * bytes to the front, padding away. False: it repeats nothing that is known. */
static bool unwrap(leat_rtp_receiver *receiver, struct binding *binding, uint8_t payload_type,
                   uint8_t *packet, size_t *len, struct leat_rtp_header *header,
                   struct source **ret)
{
    if (header->payload_len < RTX_HEADER_LEN) {
        return false; /* padding: a probe */
    }
    uint8_t *const payload = packet + header->header_len;
    const uint16_t sequence = get16(payload);
    struct source *const source = leat__receiver_repaired(receiver, binding, sequence);
    if (!source || !source->started) {
        receiver->stats.unknown++;
        return false;
    }
    header->sequence = sequence;
    header->ssrc = source->ssrc;
    header->payload_type = payload_type;
    header->payload_len = (uint16_t)(header->payload_len - RTX_HEADER_LEN);
    memmove(payload, payload + RTX_HEADER_LEN, header->payload_len);
    *len = (size_t)header->header_len + header->payload_len;
    packet[0] &= (uint8_t)~0x20u;
    packet[1] = (uint8_t)(header->marker << 7 | header->payload_type);
    put16(packet + 2, sequence);
    put32(packet + 8, source->ssrc);
    *ret = source;
    return true;
}

/* ---- a packet of a source ---- */

static void take_extensions(const leat_rtp_receiver *receiver, const uint8_t *packet,
                            const struct leat_rtp_header *header, struct leat_rtp_packet *ret)
{
    const uint8_t *const ids = receiver->tracks[ret->kind].ext;
    const uint8_t *value;
    uint8_t len = 0;
    if (header->extension_len == 0) {
        return;
    }
    value = leat_rtp_ext_find(header, ids[LEAT_RTP_EXT_AUDIO_LEVEL], &len);
    if (value && len > 0) {
        ret->audio_level = *value;
        ret->flags |= LEAT_RTP_HAS_LEVEL;
    }
    value = leat_rtp_ext_find(header, ids[LEAT_RTP_EXT_ORIENTATION], &len);
    if (value && len > 0) {
        ret->orientation = *value;
        ret->flags |= LEAT_RTP_HAS_ORIENTATION;
    }
    value = leat_rtp_ext_find(header, ids[LEAT_RTP_EXT_DEPENDENCY], &len);
    if (value && len > 0) {
        ret->dependency_offset = (uint16_t)(value - packet);
        ret->dependency_len = len;
    }
}

/* Whether a key frame is to be told apart by its timestamp as a new one. */
static bool is_new_key(const struct source *source, uint32_t timestamp)
{
    return !source->key.begun || source->key.timestamp != timestamp;
}

/* Parameter sets in the stream: of this frame, and whether they are the offer's. */
static void note_parameters(const leat_rtp_receiver *receiver, struct source *source,
                            const struct leat_rtp_header *header, const uint8_t *payload)
{
    const uint8_t *const offered = receiver->parameters + receiver->parameters_at[source->codec];
    source->parameters_seen = true;
    source->parameters_timestamp = header->timestamp;
    if (receiver->parameters_len[source->codec] > 3) { /* the first unit of a STAP-A */
        source->parameters_differ |=
            memmem(payload, header->payload_len, offered + 3, get16(offered + 1)) == NULL;
    }
}

/* A key frame of H264 that came without the parameter sets that were in the offer: they are put in before its first
 * packet, unless the stream has others. Where that cannot be any more, nobody can begin at this frame, and it is
 * none. */
static void complete_key(leat_rtp_receiver *receiver, struct source *source,
                         const struct leat_rtp_header *header, struct place *place,
                         struct leat_codec_packet *payload)
{
    const uint8_t codec = source->codec;
    const bool has_them =
        source->parameters_seen && source->parameters_timestamp == header->timestamp;
    if (!payload->key || source->kind != LEAT_MEDIA_VIDEO || source->parameters_differ ||
        has_them || receiver->parameters_len[codec] == 0 ||
        !is_new_key(source, header->timestamp)) {
        return;
    }
    if (!payload->start || !leat__source_put_in(source, place)) {
        payload->key = false;
        return;
    }
    receiver->extra = (struct extra){
        .pending = true,
        .codec = codec,
        .payload_type = header->payload_type,
        .sequence = header->sequence,
        .ssrc = header->ssrc,
    };
}

static void describe(const leat_rtp_receiver *receiver, const struct source *source,
                     const uint8_t *packet, const struct leat_rtp_header *header,
                     const struct place *place, struct leat_rtp_packet *ret)
{
    const struct leat_rtp_codec *const codec =
        &receiver->tracks[source->kind].codecs[source->codec];
    const unsigned flags =
        (header->marker ? LEAT_RTP_MARKER : 0u) | (ret->payload.start ? LEAT_RTP_START : 0u) |
        (ret->payload.key ? LEAT_RTP_KEY : 0u) | (place->late ? LEAT_RTP_LATE : 0u);
    ret->index = place->index;
    ret->received = receiver->now;
    ret->source = source->number;
    ret->timestamp = header->timestamp;
    ret->kind = source->kind;
    ret->layer = source->layer;
    ret->codec = (uint8_t)codec->codec;
    ret->flags = (uint8_t)flags;
    ret->payload_offset = header->header_len;
    ret->payload_len = header->payload_len;
    ret->profile = codec->profile;
    take_extensions(receiver, packet, header, ret);
}

/* A packet of a known source, no retransmission any more. */
static int accept(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                  const uint8_t *packet, const struct leat_rtp_header *header, bool repair,
                  struct leat_rtp_packet *ret)
{
    struct leat_rtp_packet found = {0};
    struct place place;
    const int status = leat__source_place(receiver, source, now, header, repair, &place);
    if (status != 0) {
        return status;
    }
    const enum leat_codec codec = receiver->tracks[source->kind].codecs[source->codec].codec;
    const uint8_t *const payload = packet + header->header_len;
    if (header->payload_len == 0) {
        if (leat__source_leave_out(source, &place)) {
            return -EAGAIN;
        }
        describe(receiver, source, packet, header, &place, &found); /* viewers have a gap there */
        *ret = found;
        return 0;
    }
    if (leat_codec_look(codec, payload, header->payload_len, &found.payload) != 0) {
        receiver->stats.broken++;
        (void)leat__source_leave_out(source, &place);
        return -EAGAIN;
    }
    if (found.payload.parameters) {
        note_parameters(receiver, source, header, payload);
    }
    complete_key(receiver, source, header, &place, &found.payload);
    leat__source_note_flow(receiver, source, now, header->payload_len);
    if (source->kind == LEAT_MEDIA_VIDEO) {
        if (found.payload.key && found.payload.start) { /* without its start it helps nobody */
            leat__source_note_key(receiver, source, now, &place, header->timestamp);
        }
        if (found.payload.width && !place.late) {
            source->width = found.payload.width;
            source->height = found.payload.height;
        }
        if (!source->key.begun && !source->key.wanted) {
            leat__source_ask_key(receiver, source, now);
        }
    }
    describe(receiver, source, packet, header, &place, &found);
    receiver->stats.packets++;
    receiver->stats.bytes += header->payload_len;
    *ret = found;
    return 0;
}

int leat_rtp_receiver_packet(leat_rtp_receiver *receiver, leat_time now, uint8_t *packet,
                             size_t *len, struct leat_rtp_packet *ret)
{
    struct leat_rtp_header header;
    receiver->now = now;
    receiver->extra.pending = false;
    if (leat_rtp_parse(packet, *len, &header) != 0) {
        receiver->stats.broken++;
        return -EBADMSG;
    }
    leat__receiver_twcc_note(receiver, now, &header);
    struct binding *const binding = leat__receiver_bind(receiver, now, &header);
    if (!binding) {
        receiver->stats.unknown++;
        return -EAGAIN;
    }
    binding->bye =
        binding->bye && (int16_t)(header.sequence - (uint16_t)binding->reception.highest) <= 0;
    const unsigned index = (receiver->roles[binding->kind][header.payload_type] & ~ROLE_RTX) - 1u;
    const struct leat_rtp_codec *const codec = &receiver->tracks[binding->kind].codecs[index];
    leat__reception_note(&binding->reception, now, codec->clock_rate, &header);
    struct source *source;
    if (!binding->rtx) {
        source = &receiver->sources[binding->kind][binding->layer];
    } else if (!unwrap(receiver, binding, codec->payload_type, packet, len, &header, &source)) {
        return -EAGAIN;
    }
    source->codec = (uint8_t)index;
    const int status = accept(receiver, source, now, packet, &header, binding->rtx, ret);
    if (status == 0 && receiver->extra.pending) {
        receiver->extra.packet = *ret;
    }
    return status;
}

size_t leat_rtp_receiver_extra(leat_rtp_receiver *receiver, uint8_t *out, size_t cap,
                               struct leat_rtp_packet *ret)
{
    struct extra *const extra = &receiver->extra;
    if (!extra->pending) {
        return 0;
    }
    extra->pending = false;
    const size_t payload_len = receiver->parameters_len[extra->codec];
    const struct leat_rtp_header header = {
        .ssrc = extra->ssrc,
        .timestamp = extra->packet.timestamp,
        .sequence = extra->sequence,
        .payload_type = extra->payload_type,
    };
    struct leat_rtp_writer writer;
    leat_rtp_write_begin(&writer, out, cap, &header, false);
    const size_t header_len = leat_rtp_write_end(&writer);
    if (header_len == 0 || cap - header_len < payload_len) {
        return 0;
    }
    memcpy(out + header_len, receiver->parameters + receiver->parameters_at[extra->codec],
           payload_len);
    struct leat_rtp_packet packet = extra->packet;
    packet.index--;
    packet.flags = LEAT_RTP_START | LEAT_RTP_KEY;
    packet.payload_offset = (uint16_t)header_len;
    packet.payload_len = (uint16_t)payload_len;
    packet.dependency_offset = 0;
    packet.dependency_len = 0;
    packet.payload = (struct leat_codec_packet){.start = true, .key = true, .parameters = true};
    *ret = packet;
    return header_len + payload_len;
}

/* ---- RTCP that comes ---- */

static void take_report(leat_rtp_receiver *receiver, leat_time now, struct binding *binding,
                        const struct leat_rtcp_item *item)
{
    binding->reception.last_sr = (uint32_t)(item->report.ntp >> 16);
    binding->reception.sr_at = now;
    if (binding->rtx) {
        return; /* its clock is that of what it repeats */
    }
    struct source *const source = &receiver->sources[binding->kind][binding->layer];
    if (source->started) {
        source->report_new = true;
        source->report = (struct leat_rtp_report){
            .ntp = item->report.ntp,
            .received = now,
            .source = source->number,
            .timestamp = item->report.timestamp,
        };
    }
}

void leat_rtp_receiver_rtcp(leat_rtp_receiver *receiver, leat_time now, const uint8_t *packet,
                            size_t len)
{
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    receiver->now = now;
    leat_rtcp_read(&reader, packet, len);
    while (leat_rtcp_next(&reader, &item)) {
        struct binding *const binding = leat__receiver_bound(receiver, item.sender);
        if (binding && item.kind == LEAT_RTCP_SENDER_REPORT) {
            take_report(receiver, now, binding, &item);
        } else if (binding && item.kind == LEAT_RTCP_BYE) {
            binding->bye = true;
            if (!binding->rtx) {
                receiver->sources[binding->kind][binding->layer].flowed = false;
            }
        }
    }
    receiver->stats.broken += reader.broken;
}

bool leat_rtp_receiver_report(leat_rtp_receiver *receiver, struct leat_rtp_report *ret)
{
    for (unsigned kind = 0; kind < LEAT_MEDIA_KINDS; kind++) {
        for (unsigned layer = 0; layer < LEAT_RTP_LAYERS_MAX; layer++) {
            struct source *const source = &receiver->sources[kind][layer];
            if (source->report_new) {
                source->report_new = false;
                *ret = source->report;
                return true;
            }
        }
    }
    return false;
}

bool leat_rtp_receiver_said_bye(const leat_rtp_receiver *receiver)
{
    bool any = false;
    for (unsigned i = 0; i < BINDINGS_MAX; i++) {
        const struct binding *const binding = &receiver->bindings[i];
        if (!binding->used || binding->rtx) {
            continue;
        }
        if (!binding->bye) {
            return false;
        }
        any = true;
    }
    return any;
}

void leat_rtp_receiver_stats(const leat_rtp_receiver *receiver, struct leat_rtp_receiver_stats *ret)
{
    struct leat_rtp_receiver_stats stats = receiver->stats;
    const int best = leat_rtp_receiver_best_layer(receiver, receiver->now);
    uint64_t bitrate = 0;
    for (unsigned kind = 0; kind < LEAT_MEDIA_KINDS; kind++) {
        for (unsigned layer = 0; layer < LEAT_RTP_LAYERS_MAX; layer++) {
            bitrate += leat__source_bitrate(&receiver->sources[kind][layer], receiver->now);
        }
    }
    stats.bitrate = bitrate > UINT32_MAX ? UINT32_MAX : (uint32_t)bitrate;
    const struct source *source = &receiver->sources[LEAT_MEDIA_AUDIO][0];
    if (best >= 0) {
        source = &receiver->sources[LEAT_MEDIA_VIDEO][best];
        stats.width = source->width;
        stats.height = source->height;
    }
    for (unsigned i = 0; i < BINDINGS_MAX && source->bound; i++) {
        const struct binding *const binding = &receiver->bindings[i];
        if (binding->used && binding->ssrc == source->ssrc) {
            const uint32_t clock_rate =
                receiver->tracks[source->kind].codecs[source->codec].clock_rate;
            const uint64_t units = binding->reception.jitter_16 >> 4;
            stats.jitter_us = (uint32_t)(units * 1000000 / clock_rate);
        }
    }
    *ret = stats;
}
