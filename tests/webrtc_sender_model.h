/* A publisher's sources, a network and a viewer around a sender, driven by choices: bytes of a
 * fuzzer, or of a seed. It aborts when one of these does not hold:
 *  - an out (the viewer's extended sequence number) is used for one packet, and a repeat of it
 *    has the same bytes;
 *  - what is to be sent can be sealed: SRTP refuses an index that is used again;
 *  - a retransmission has the next number of its stream, and is the packet that its first two
 *    bytes name;
 *  - a gap in the outs is a gap of the source: its packets never came to the sender, and when
 *    one comes, it is sent;
 *  - the newest timestamp is not before any other, and after it where the source changes;
 *  - PictureID, TL0PICIDX and frame numbers go on by one where the source changes, and as the
 *    source's else. */
#ifndef LEAT_TESTS_WEBRTC_SENDER_MODEL_H
#define LEAT_TESTS_WEBRTC_SENDER_MODEL_H

#include <stdio.h>

#include <leat/srtp.h>

#include "webrtc_sender_rig.h"

enum { MODEL_FEEDS = 4, MODEL_STORE = 1024, MODEL_SEEN = 4096 };

#define MODEL_REQUIRE(expr)                                                                        \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expr);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct model_choices {
    const uint8_t *data; /* NULL: from the seed */
    size_t len;          /* how many are left */
    uint64_t seed;
};

static inline uint8_t choose(struct model_choices *choices)
{
    if (choices->len == 0) {
        return 0;
    }
    choices->len--;
    if (choices->data) {
        return *choices->data++;
    }
    choices->seed ^= choices->seed << 13;
    choices->seed ^= choices->seed >> 7;
    choices->seed ^= choices->seed << 17;
    return (uint8_t)(choices->seed >> 24);
}

struct model_made {
    struct rig_packet made;
    bool fed; /* to the sender; else it is lost, or on its way */
};

struct model_sent {
    uint64_t out;
    uint32_t source;
    uint64_t index;
    struct rig_seen seen;
};

/* What was said last of numbers that go on. */
struct model_numbers {
    uint16_t picture_id, picture_id_in, frame, frame_in;
    uint8_t tl0, tl0_in;
    bool narrow;
};

struct model {
    struct model_choices choices;
    leat_rtp_sender *sender;
    leat_srtp *srtp;
    leat_time now;
    enum leat_media_kind kind;
    struct rig_source feeds[MODEL_FEEDS];
    uint32_t sources;
    size_t made;
    uint64_t highest; /* out */
    struct leat_rtp_packet newest;
    uint32_t newest_timestamp;
    uint64_t line_first; /* index from which the newest source is shown */
    uint64_t changes;
    struct model_numbers numbers;
    uint16_t rtx_sequence;
    unsigned sent_count, repeat_count, filled_count;
    struct model_made store[MODEL_STORE];
    struct model_sent sent[MODEL_SEEN];
};

static inline void model_source(struct model *model, struct rig_source *feed, uint8_t layer)
{
    static const struct {
        enum leat_codec codec;
        uint32_t profile;
    } codecs[8] = {{LEAT_CODEC_VP8, 0},        {LEAT_CODEC_VP8, 0}, {LEAT_CODEC_VP9, 0},
                   {LEAT_CODEC_H264, 0x14240}, {LEAT_CODEC_AV1, 0}, {LEAT_CODEC_H264, 0x16400},
                   {LEAT_CODEC_H265, 1},       {LEAT_CODEC_VP9, 2}};
    const uint8_t choice = choose(&model->choices), where = choose(&model->choices);
    *feed = (struct rig_source){.source = ++model->sources * 7,
                                .layer = layer,
                                .codec = codecs[choice & 7].codec,
                                .profile = codecs[choice & 7].profile,
                                .index = 65536 + where * 257u,
                                .timestamp = where * 16777259u,
                                .picture_id = (uint16_t)(where * 259u),
                                .frame_number = (uint16_t)(where * 261u),
                                .tl0 = where,
                                .narrow = choice & 0x40,
                                .plain = (choice & 0xa0) == 0xa0};
    if (model->kind == LEAT_MEDIA_AUDIO) {
        feed->codec = LEAT_CODEC_OPUS;
        feed->profile = 0;
    }
}

static inline bool model_agreed(const struct leat_rtp_packet *packet)
{
    return packet->codec != LEAT_CODEC_H265 &&
           (packet->codec != LEAT_CODEC_VP9 || packet->profile == 0);
}

/* ---- what must hold ---- */

static inline void check_numbers(struct model *model, const struct rig_packet *made,
                                 const struct rig_seen *seen, bool begins, bool first)
{
    struct model_numbers *const last = &model->numbers;
    struct leat_codec_packet told = {0};
    const struct leat_codec_packet *const in = &made->packet.payload;
    MODEL_REQUIRE(leat_codec_look((enum leat_codec)made->packet.codec, rig_body(seen),
                                  seen->header.payload_len, &told) == 0);
    MODEL_REQUIRE(told.key == in->key && told.start == in->start &&
                  told.wide_picture_id == in->wide_picture_id);
    if (told.has_picture_id) {
        const uint16_t mask = told.wide_picture_id && !last->narrow ? 0x7fff : 0x7f;
        const unsigned step = begins ? 1u : (unsigned)in->picture_id - last->picture_id_in;
        MODEL_REQUIRE(first || ((told.picture_id - last->picture_id - step) & mask) == 0);
        last->picture_id = told.picture_id;
        last->picture_id_in = in->picture_id;
        last->narrow = !told.wide_picture_id;
    }
    if (told.has_tl0) {
        const unsigned step = begins ? 1u : (unsigned)in->tl0 - last->tl0_in;
        MODEL_REQUIRE(first || (uint8_t)(told.tl0 - last->tl0 - step) == 0);
        last->tl0 = told.tl0;
        last->tl0_in = in->tl0;
    }
    if (made->packet.dependency_offset != 0) {
        uint16_t number = 0, number_in = 0;
        uint8_t len = 0;
        const uint8_t *const at = leat_rtp_ext_find(&seen->header, 12, &len);
        MODEL_REQUIRE(at && len == made->packet.dependency_len);
        MODEL_REQUIRE(leat_codec_frame_number(at, len, &number) == 0);
        MODEL_REQUIRE(leat_codec_frame_number(made->bytes + 1, len, &number_in) == 0);
        const unsigned step = begins ? 1u : (unsigned)number_in - last->frame_in;
        MODEL_REQUIRE(first || (uint16_t)(number - last->frame - step) == 0);
        last->frame = number;
        last->frame_in = number_in;
    }
}

static inline void check_sealed(struct model *model, const struct leat_rtp_sent *sent,
                                const struct rig_packet *made)
{
    const struct leat_srtp_packet clear = {
        .header = sent->header,
        .header_len = sent->header_len,
        .prefix = sent->prefix,
        .prefix_len = sent->prefix_len,
        .payload = made->bytes + made->packet.payload_offset + sent->skip,
        .payload_len = (size_t)made->packet.payload_len - sent->skip,
        .flags = sent->repeat ? LEAT_SRTP_REPEAT : 0,
    };
    uint8_t out[512];
    size_t len = 0;
    MODEL_REQUIRE(leat_srtp_protect(model->srtp, &clear, out, sizeof(out), &len) == 0);
}

/* It is newer than all before. */
static inline void check_newest(struct model *model, const struct rig_packet *made,
                                const struct rig_seen *seen, uint64_t out)
{
    const struct leat_rtp_packet *const packet = &made->packet;
    struct leat_rtp_sender_stats stats;
    leat_rtp_sender_stats(model->sender, &stats);
    const bool begins = stats.changes != model->changes, first = model->changes == 0;
    const int32_t ticks = (int32_t)(seen->header.timestamp - model->newest_timestamp);
    if (begins) {
        MODEL_REQUIRE(stats.changes == model->changes + 1);
        MODEL_REQUIRE(out == model->highest + 1);
        MODEL_REQUIRE(!(packet->flags & LEAT_RTP_LATE));
        MODEL_REQUIRE(model->kind == LEAT_MEDIA_AUDIO ||
                      (packet->payload.key && packet->payload.start));
        MODEL_REQUIRE(first || ticks > 0);
        model->line_first = packet->index;
    } else {
        MODEL_REQUIRE(packet->source == model->newest.source);
        MODEL_REQUIRE(out - model->highest == packet->index - model->newest.index);
        MODEL_REQUIRE(ticks == (int32_t)(packet->timestamp - model->newest.timestamp));
        for (size_t i = 0; i < MODEL_STORE; i++) {
            const struct model_made *const other = &model->store[i];
            MODEL_REQUIRE(!other->fed || other->made.packet.source != packet->source ||
                          other->made.packet.index <= model->newest.index ||
                          other->made.packet.index >= packet->index);
        }
    }
    check_numbers(model, made, seen, begins, first);
    model->changes = stats.changes;
    model->highest = out;
    model->newest = *packet;
    model->newest_timestamp = seen->header.timestamp;
}

static inline void model_feed(struct model *model, struct model_made *entry)
{
    const struct leat_rtp_packet *const packet = &entry->made.packet;
    struct leat_rtp_sent sent;
    struct rig_seen seen;
    const bool was_fed = entry->fed;
    const int status =
        leat_rtp_sender_packet(model->sender, model->now, packet, entry->made.bytes, &sent);
    if (status != 0) {
        const bool fills =
            !was_fed && model->changes > 0 && packet->source == model->newest.source &&
            packet->index >= model->line_first && packet->index < model->newest.index &&
            model->newest.index - packet->index < 1024 && model_agreed(packet);
        MODEL_REQUIRE(!fills);
        entry->fed = true;
        return;
    }
    MODEL_REQUIRE(!was_fed && model_agreed(packet));
    check_sealed(model, &sent, &entry->made);
    rig_see(&seen, &sent, &entry->made);
    const uint64_t out = leat_rtp_extend(model->highest, seen.header.sequence);
    struct model_sent *const place = &model->sent[out % MODEL_SEEN];
    MODEL_REQUIRE(seen.header.ssrc == 0x1111);
    MODEL_REQUIRE(place->out < out);
    if (out > model->highest) {
        check_newest(model, &entry->made, &seen, out);
    } else {
        MODEL_REQUIRE(model->highest - out < 1024);
        model->filled_count++;
    }
    *place = (struct model_sent){out, packet->source, packet->index, seen};
    entry->fed = true;
    model->sent_count++;
}

static inline void check_again(struct model *model, struct model_made *entry)
{
    struct leat_rtp_sent sent;
    struct rig_seen seen;
    MODEL_REQUIRE(leat_rtp_sender_again(model->sender, model->now, &entry->made.packet,
                                        entry->made.bytes, &sent) == 0);
    check_sealed(model, &sent, &entry->made);
    rig_see(&seen, &sent, &entry->made);
    const bool is_rtx = seen.header.ssrc == 0x2222;
    uint16_t sequence = seen.header.sequence;
    if (is_rtx) {
        sequence = (uint16_t)(rig_body(&seen)[0] << 8 | rig_body(&seen)[1]);
    }
    const uint64_t out = leat_rtp_extend(model->highest, sequence);
    const struct model_sent *const place = &model->sent[out % MODEL_SEEN];
    MODEL_REQUIRE(place->out == out);
    MODEL_REQUIRE(place->source == entry->made.packet.source &&
                  place->index == entry->made.packet.index);
    if (is_rtx) {
        const size_t len = place->seen.header.payload_len;
        MODEL_REQUIRE(!sent.repeat && seen.header.sequence == model->rtx_sequence++);
        MODEL_REQUIRE(seen.header.payload_len == len + 2);
        MODEL_REQUIRE(memcmp(rig_body(&seen) + 2, rig_body(&place->seen), len) == 0);
        MODEL_REQUIRE(seen.header.timestamp == place->seen.header.timestamp);
    } else {
        MODEL_REQUIRE(sent.repeat && seen.len == place->seen.len);
        MODEL_REQUIRE(memcmp(seen.bytes, place->seen.bytes, seen.len) == 0);
    }
    model->repeat_count++;
}

/* ---- what may happen ---- */

static inline void model_next(struct model *model, uint8_t choice)
{
    struct rig_source *const feed = &model->feeds[choice >> 2 & 3];
    const uint8_t how = choose(&model->choices);
    enum rig_part part = RIG_REST;
    if (how & 3) {
        rig_frame(feed, (how & 0x0c) * 700u);
        part = (how & 0x70) == 0 ? RIG_KEY : RIG_FRAME;
        part = (how & 0xf0) == 0x80 && feed->codec == LEAT_CODEC_H264 ? RIG_PARAMETERS : part;
    }
    struct model_made *const entry = &model->store[model->made++ % MODEL_STORE];
    *entry = (struct model_made){.made = rig_make(feed, part, model->now)};
    if ((choice & 0x70) != 0x70) { /* else it is lost */
        model_feed(model, entry);
    }
}

/* What was lost is repaired, or what came comes again. */
static inline void model_late(struct model *model)
{
    const size_t back = (size_t)choose(&model->choices) * 3 + choose(&model->choices) % 8;
    if (back < model->made && back < MODEL_STORE) {
        struct model_made *const entry = &model->store[(model->made - 1 - back) % MODEL_STORE];
        entry->made.packet.flags |= LEAT_RTP_LATE;
        model_feed(model, entry);
    }
}

static inline void model_nack(struct model *model)
{
    const uint64_t back = (uint64_t)choose(&model->choices) * 5 + choose(&model->choices) % 16;
    const struct leat_rtcp_item item = {.kind = LEAT_RTCP_NACK,
                                        .media = 0x1111,
                                        .nack = {(uint16_t)(model->highest + 8 - back),
                                                 (uint16_t)(choose(&model->choices) * 259u)}};
    leat_rtp_sender_feedback(model->sender, model->now, &item);
    uint32_t source = 0;
    uint64_t index = 0;
    for (unsigned i = 0; leat_rtp_sender_repeat(model->sender, model->now, &source, &index); i++) {
        MODEL_REQUIRE(i < LEAT_RTP_SENDER_REPEATS);
        bool was_sent = false;
        for (size_t at = 0; at < MODEL_SEEN && !was_sent; at++) {
            was_sent = model->sent[at].out != 0 && model->sent[at].source == source &&
                       model->sent[at].index == index;
        }
        MODEL_REQUIRE(was_sent);
        for (size_t at = 0; at < MODEL_STORE; at++) {
            struct model_made *const entry = &model->store[at];
            if (entry->made.packet.source == source && entry->made.packet.index == index) {
                check_again(model, entry);
            }
        }
    }
}

static inline void model_feedback(struct model *model)
{
    const uint8_t kind = choose(&model->choices);
    struct leat_rtcp_item item = {.kind = (enum leat_rtcp_kind)(kind % (LEAT_RTCP_TWCC + 1)),
                                  .media = 0x1111};
    uint8_t *const body = (uint8_t *)&item.block;
    for (size_t i = 0; i < sizeof(item.block) && item.kind != LEAT_RTCP_TWCC; i++) {
        body[i] = choose(&model->choices);
    }
    if (item.kind != LEAT_RTCP_NACK) { /* that is model_nack's */
        leat_rtp_sender_feedback(model->sender, model->now, &item);
    }
}

static inline void model_report(struct model *model)
{
    const struct rig_source *const feed = &model->feeds[choose(&model->choices) & 3];
    const uint8_t how = choose(&model->choices);
    const struct leat_rtp_report report = {
        .ntp = (how & 1 ? how * UINT64_C(0x0101010101010101) : UINT64_C(3900000000) << 32) +
               (model->now / LEAT_SEC << 32) + ((model->now % LEAT_SEC << 32) / LEAT_SEC),
        .received = model->now,
        .source = feed->source,
        .timestamp = feed->timestamp + how * (how & 2 ? 0x1000000u : 100u)};
    leat_rtp_sender_source_report(model->sender, &report);
    uint8_t out[128];
    const size_t len =
        leat_rtp_sender_report(model->sender, model->now, report.ntp, "leat", out, sizeof(out));
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    leat_rtcp_read(&reader, out, len);
    MODEL_REQUIRE(len == 0 || (leat_rtcp_next(&reader, &item) &&
                               item.kind == LEAT_RTCP_SENDER_REPORT && item.sender == 0x1111));
}

static inline void model_step(struct model *model)
{
    const uint8_t choice = choose(&model->choices);
    switch (choice & 0x83) {
    case 0x80:
        model_late(model);
        break;
    case 0x81:
        model_nack(model);
        break;
    case 0x82:
        model->now += (choice & 0x7c) * 2 * LEAT_MS;
        break;
    case 0x83:
        switch (choice >> 2 & 31) {
        case 0:
            leat_rtp_sender_target(model->sender, model->now, choose(&model->choices) % 3);
            break;
        case 1:
            model_feedback(model);
            break;
        case 2:
            model_report(model);
            break;
        case 3:
            model_source(model, &model->feeds[choose(&model->choices) & 3],
                         choose(&model->choices) % 3);
            break;
        case 4:
            model->feeds[choose(&model->choices) & 3].index += choose(&model->choices) * 120u;
            break;
        case 5:
            model->now += choose(&model->choices) * LEAT_SEC / 16;
            break;
        default:
            model->now += (choice & 0x7c) * LEAT_US;
            break;
        }
        break;
    default:
        model_next(model, choice);
        break;
    }
    leat_time since = 0;
    if (leat_rtp_sender_wants_key(model->sender, &since)) {
        MODEL_REQUIRE(since <= model->now && model->kind == LEAT_MEDIA_VIDEO);
    }
}

static inline void model_run(struct model *model, struct model_choices choices)
{
    memset(model, 0, sizeof(*model));
    model->choices = choices;
    model->now = 1000 * LEAT_SEC;
    const uint8_t how = choose(&model->choices);
    model->kind = (how & 7) == 7 ? LEAT_MEDIA_AUDIO : LEAT_MEDIA_VIDEO;
    model->rtx_sequence = 700;
    const uint16_t sequence = (uint16_t)((how & 0xf0) * 128u); /* up to 30,720 */
    model->highest = 65536 + sequence - 1u;
    model->sender = rig_sender(model->kind, how & 8 ? 0x2222 : 0, sequence, model->now);
    static const uint8_t key[16] = {1}, salt[16] = {2};
    MODEL_REQUIRE(leat_srtp_sender_open(LEAT_SRTP_AEAD_AES_128_GCM, key, salt, &model->srtp) == 0);
    for (unsigned i = 0; i < MODEL_FEEDS; i++) {
        model_source(model, &model->feeds[i], (uint8_t)(i % 3));
    }
    while (model->choices.len > 0) {
        model_step(model);
    }
    struct leat_rtp_sender_stats stats;
    leat_rtp_sender_stats(model->sender, &stats);
    MODEL_REQUIRE(stats.packets == model->sent_count && stats.repeats == model->repeat_count);
    free(model->sender);
    leat_srtp_close(model->srtp);
}

#endif
