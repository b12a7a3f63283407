/* Which packets of a publisher a viewer gets, and as which of its own: the mapping, and its
 * changes.
 *
 * A change is a line in (source, index, out): out = first_out + (index - first), from `first` on
 * until the next change's first_out. Lines do not overlap in outs, so no out ever stands for two
 * packets; `sent` keeps any from leaving twice but as a repeat. Called by the owner of the
 * sender, on one thread. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "rtp_sender_state.h"

#define FIRST_CYCLE 65536u /* so that outs before the first one are none's */
#define JUMP_MAX 8192u     /* a longer gap is none that could be repaired: it begins anew */
#define SILENT_NS LEAT_SEC /* without a packet another layer may take over */

size_t leat_rtp_sender_size(void)
{
    return sizeof(struct leat_rtp_sender);
}

void leat_rtp_sender_init(leat_rtp_sender *sender, const struct leat_rtp_sender_config *config,
                          leat_time now)
{
    const struct leat_rtp_track *const track = config->track;
    assert(track->codec_count <= LEAT_RTP_CODECS_MAX);
    assert(config->sequence < 32768 && config->rtx_sequence < 32768);
    *sender = (struct leat_rtp_sender){
        .highest = FIRST_CYCLE + config->sequence - 1u,
        .ssrc = config->ssrc,
        .rtx_ssrc = config->rtx_ssrc,
        .timestamp = config->timestamp,
        .repeat_tokens = SENDER_REPEAT_BURST * SENDER_REPEAT_COST,
        .questions = SENDER_QUESTION_BURST,
        .codec_count = track->codec_count,
        .kind = (uint8_t)track->kind,
        .ext_mid = track->ext[LEAT_RTP_EXT_MID],
        .ext_level = track->ext[LEAT_RTP_EXT_AUDIO_LEVEL],
        .ext_orientation = track->ext[LEAT_RTP_EXT_ORIENTATION],
        .ext_dependency = track->ext[LEAT_RTP_EXT_DEPENDENCY],
        .mid_len = (uint8_t)strnlen(track->mid, LEAT_RTP_MID_MAX),
        .waiting = true,
        .wants_since = now,
        .report_at = LEAT_NEVER,
        .rtx_sequence = config->rtx_sequence,
    };
    memcpy(sender->mid, track->mid, sender->mid_len);
    for (size_t i = 0; i < track->codec_count; i++) {
        const struct leat_rtp_codec *const codec = &track->codecs[i];
        sender->codecs[i] = (struct sender_codec){
            .profile = codec->profile,
            .codec = (uint8_t)codec->codec,
            .payload_type = codec->payload_type,
            .rtx = config->rtx_ssrc != 0 ? codec->rtx : 0,
            .nack = codec->nack,
        };
    }
}

/* ---- what was sent ---- */

static uint64_t *word_of(leat_rtp_sender *sender, uint64_t out)
{
    return &sender->sent[out % SENDER_WINDOW / 64];
}

bool leat__sender_was_sent(const leat_rtp_sender *sender, uint64_t out)
{
    return out <= sender->highest && sender->highest - out < SENDER_WINDOW &&
           (sender->sent[out % SENDER_WINDOW / 64] >> out % 64 & 1);
}

/* Whether it can leave for the first time. */
static bool is_free(const leat_rtp_sender *sender, uint64_t out)
{
    return out > sender->highest ||
           (sender->highest - out < SENDER_WINDOW && !leat__sender_was_sent(sender, out));
}

static void mark_sent(leat_rtp_sender *sender, uint64_t out)
{
    if (out > sender->highest && out - sender->highest >= SENDER_WINDOW) {
        memset(sender->sent, 0, sizeof(sender->sent));
    } else {
        for (uint64_t gap = sender->highest + 1; gap < out; gap++) {
            *word_of(sender, gap) &= ~(UINT64_C(1) << gap % 64);
        }
    }
    *word_of(sender, out) |= UINT64_C(1) << out % 64;
}

/* ---- where a packet belongs ---- */

static bool is_of(const struct sender_codec *codec, const struct leat_rtp_packet *packet)
{
    return codec->codec == packet->codec && codec->profile == packet->profile;
}

const struct sender_codec *leat__sender_codec(const leat_rtp_sender *sender,
                                              const struct leat_rtp_packet *packet)
{
    const struct sender_codec *const present = &sender->codecs[sender->codec];
    if (sender->codec < sender->codec_count && is_of(present, packet)) {
        return present;
    }
    for (unsigned i = 0; i < sender->codec_count; i++) {
        if (is_of(&sender->codecs[i], packet)) {
            return &sender->codecs[i];
        }
    }
    return NULL;
}

const struct leat_rtp_change *leat__sender_find(const leat_rtp_sender *sender, uint32_t source,
                                                uint64_t index, uint64_t *ret_out)
{
    uint64_t end = UINT64_MAX; /* the out where the next change begins */
    for (uint32_t i = sender->change_count; i > leat__sender_oldest(sender); i--) {
        const struct leat_rtp_change *const change = leat__sender_change(sender, i - 1);
        if (change->source == source && index >= change->first) {
            *ret_out = change->first_out + (index - change->first);
            return *ret_out < end ? change : NULL;
        }
        end = change->first_out;
    }
    return NULL;
}

/* Whether a source was shown before, and whether this packet is older than that. */
static bool was_shown(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet,
                      bool *ret_older)
{
    bool shown = false;
    for (uint32_t i = leat__sender_oldest(sender); i < sender->change_count; i++) {
        const struct leat_rtp_change *const change = leat__sender_change(sender, i);
        if (change->source == packet->source) {
            shown = true;
            *ret_older |= packet->index < change->first;
        }
    }
    return shown;
}

/* ---- changes of source ---- */

static bool wants_key(const leat_rtp_sender *sender)
{
    return sender->kind == LEAT_MEDIA_VIDEO &&
           (sender->waiting || sender->asked || sender->missed || sender->layer != sender->target);
}

void leat__sender_want(leat_rtp_sender *sender, leat_time now)
{
    if (!wants_key(sender)) {
        sender->wants_since = now;
    }
}

static bool is_key_start(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet)
{
    const unsigned both = LEAT_RTP_START | LEAT_RTP_KEY;
    return sender->kind == LEAT_MEDIA_AUDIO || (packet->flags & both) == both;
}

/* Whether the viewer may be shown this source from this packet on, which begins a key frame. */
static bool may_begin(const leat_rtp_sender *sender, leat_time now,
                      const struct leat_rtp_packet *packet)
{
    bool is_older = false;
    const bool is_known = was_shown(sender, packet, &is_older);
    if (is_older || (packet->flags & LEAT_RTP_LATE)) {
        return false; /* what came after it has gone by, and would be missed for ever */
    }
    if (sender->waiting || packet->source == leat__sender_current(sender)->source) {
        return true;
    }
    if (packet->layer == sender->target && (sender->layer != sender->target || !is_known)) {
        return true; /* the layer that is wanted, or the publisher came back */
    }
    return now - sender->sent_at > SILENT_NS;
}

static uint32_t timestamp_shift(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet)
{
    if (sender->change_count == 0) {
        return sender->timestamp - packet->timestamp;
    }
    const struct leat_rtp_change *const last = leat__sender_current(sender);
    uint32_t next = packet->timestamp + last->timestamp; /* the same source: the same clock */
    if (last->source != packet->source) {
        const int64_t ticks = leat__sender_ticks_to(sender, packet);
        next = sender->timestamp + (uint32_t)(ticks > 1 ? ticks : 1);
    } else if ((int32_t)(next - sender->timestamp) < 1) {
        next = sender->timestamp + 1;
    }
    return next - packet->timestamp;
}

static bool frame_number(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet,
                         const uint8_t *bytes, uint16_t *ret)
{
    return sender->ext_dependency != 0 && packet->dependency_offset != 0 &&
           leat_codec_frame_number(bytes + packet->dependency_offset, packet->dependency_len,
                                   ret) == 0;
}

/* From this packet on the viewer sees its source. */
static void begin(leat_rtp_sender *sender, leat_time now, const struct leat_rtp_packet *packet,
                  const uint8_t *bytes, const struct sender_codec *codec)
{
    struct leat_rtp_change change = {
        .first = packet->index,
        .first_out = sender->highest + 1,
        .source = packet->source,
        .timestamp = timestamp_shift(sender, packet),
    };
    if (sender->change_count > 0) {
        uint16_t number = 0;
        if (packet->payload.has_picture_id) {
            change.codec.picture_id =
                (uint16_t)(sender->picture_id + 1 - packet->payload.picture_id);
        }
        if (packet->payload.has_tl0) {
            change.codec.tl0 = (uint8_t)(sender->tl0 + 1 - packet->payload.tl0);
        }
        if (frame_number(sender, packet, bytes, &number)) {
            change.frame_number = (uint16_t)(sender->frame_number + 1 - number);
        }
    } else {
        sender->report_at = now;
    }
    sender->changes[sender->change_count++ % LEAT_RTP_SENDER_CHANGES] = change;
    sender->codec = (uint8_t)(codec - sender->codecs);
    sender->layer = packet->layer;
    sender->waiting = sender->missed = sender->has_refused = false;
    sender->wants_since = now;
}

/* A key frame that did not begin anything with its first packet does not with a later one (H264
 * and H265 have packets of parameters before the picture, without which it is worth nothing). */
static bool was_refused(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet)
{
    return sender->has_refused && sender->refused_source == packet->source &&
           sender->refused_timestamp == packet->timestamp;
}

/* A packet that no change covers. */
static int try_begin(leat_rtp_sender *sender, leat_time now, const struct leat_rtp_packet *packet,
                     const uint8_t *bytes, const struct sender_codec *codec)
{
    if (is_key_start(sender, packet) && !was_refused(sender, packet)) {
        if (may_begin(sender, now, packet)) {
            begin(sender, now, packet, bytes, codec);
            return 0;
        }
        if ((packet->flags & LEAT_RTP_LATE) && wants_key(sender) &&
            (sender->waiting || packet->layer == sender->target)) {
            sender->wants_since = now; /* it was no answer: the next key frame is wanted */
        }
        sender->has_refused = true;
        sender->refused_source = packet->source;
        sender->refused_timestamp = packet->timestamp;
    }
    if (!sender->waiting && !sender->missed && now - sender->sent_at > SILENT_NS &&
        packet->source != leat__sender_current(sender)->source) {
        leat__sender_want(sender, now);
        sender->missed = true;
    }
    return -EAGAIN;
}

/* ---- packets ---- */

static void put_extensions(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet,
                           const uint8_t *bytes, uint16_t frame_shift,
                           struct leat_rtp_writer *writer)
{
    if (sender->ext_mid != 0 && sender->mid_len > 0) {
        leat_rtp_ext_put(writer, sender->ext_mid, sender->mid, sender->mid_len);
    }
    if (sender->ext_level != 0 && (packet->flags & LEAT_RTP_HAS_LEVEL)) {
        leat_rtp_ext_put(writer, sender->ext_level, &packet->audio_level, 1);
    }
    if (sender->ext_orientation != 0 && (packet->flags & LEAT_RTP_HAS_ORIENTATION)) {
        leat_rtp_ext_put(writer, sender->ext_orientation, &packet->orientation, 1);
    }
    if (sender->ext_dependency != 0 && packet->dependency_offset != 0 &&
        packet->dependency_len <= SENDER_DEPENDENCY_MAX) {
        uint8_t descriptor[SENDER_DEPENDENCY_MAX];
        memcpy(descriptor, bytes + packet->dependency_offset, packet->dependency_len);
        if (leat_codec_shift_dependency(descriptor, packet->dependency_len, frame_shift) == 0) {
            leat_rtp_ext_put(writer, sender->ext_dependency, descriptor, packet->dependency_len);
        }
    }
}

void leat__sender_dress(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet,
                        const uint8_t *bytes, const struct leat_rtp_change *change,
                        struct sender_clothes clothes, struct leat_rtp_sent *ret)
{
    const struct leat_rtp_header header = {
        .ssrc = clothes.ssrc,
        .timestamp = packet->timestamp + change->timestamp,
        .sequence = clothes.sequence,
        .payload_type = clothes.payload_type,
        .marker = packet->flags & LEAT_RTP_MARKER,
    };
    struct leat_rtp_writer writer;
    leat_rtp_write_begin(&writer, ret->header, sizeof(ret->header), &header, false);
    put_extensions(sender, packet, bytes, change->frame_number, &writer);
    ret->header_len = (uint8_t)leat_rtp_write_end(&writer);
    assert(ret->header_len >= LEAT_RTP_HEADER_LEN); /* the greatest extensions fit */
    ret->skip = (uint8_t)leat_codec_rewrite(&packet->payload, bytes + packet->payload_offset,
                                            change->codec, ret->prefix);
    assert(ret->skip <= packet->payload_len);
    ret->prefix_len = ret->skip;
}

/* The newest packet: what a change goes on from. */
static void note_newest(leat_rtp_sender *sender, leat_time now,
                        const struct leat_rtp_packet *packet, const uint8_t *bytes,
                        const struct leat_rtp_change *change)
{
    const uint32_t timestamp = packet->timestamp + change->timestamp;
    uint16_t number = 0;
    /* Where a change begins it is newer, by however many hours. */
    if (sender->highest == change->first_out || (int32_t)(timestamp - sender->timestamp) >= 0) {
        sender->timestamp = timestamp;
        sender->received_at = packet->received;
    }
    sender->sent_at = now;
    sender->missed = false;
    if (packet->payload.has_picture_id) {
        sender->picture_id = (uint16_t)(packet->payload.picture_id + change->codec.picture_id);
    }
    if (packet->payload.has_tl0) {
        sender->tl0 = (uint8_t)(packet->payload.tl0 + change->codec.tl0);
    }
    if (frame_number(sender, packet, bytes, &number)) {
        sender->frame_number = (uint16_t)(number + change->frame_number);
    }
}

/* Whether the present source goes on with this packet, which is newer than all that was sent. */
static bool goes_on(leat_rtp_sender *sender, leat_time now, uint64_t out,
                    const struct sender_codec *codec)
{
    const bool goes = !sender->waiting && out - sender->highest <= JUMP_MAX &&
                      codec == &sender->codecs[sender->codec];
    if (!goes && !sender->waiting) {
        leat__sender_want(sender, now);
        sender->waiting = true;
    }
    return goes;
}

int leat_rtp_sender_packet(leat_rtp_sender *sender, leat_time now,
                           const struct leat_rtp_packet *packet, const uint8_t *bytes,
                           struct leat_rtp_sent *ret)
{
    uint64_t out = 0;
    const struct leat_rtp_change *change =
        leat__sender_find(sender, packet->source, packet->index, &out);
    const struct sender_codec *const codec = leat__sender_codec(sender, packet);
    if (change && out > sender->highest && !goes_on(sender, now, out, codec)) {
        change = NULL;
    }
    if (!codec) {
        return -ENOTSUP;
    }
    if (!change) {
        const int status = try_begin(sender, now, packet, bytes, codec);
        if (status) {
            return status;
        }
        change = leat__sender_current(sender);
        out = change->first_out;
    }
    if (!is_free(sender, out)) {
        return -EAGAIN;
    }
    mark_sent(sender, out);
    leat__sender_dress(sender, packet, bytes, change,
                       (struct sender_clothes){.ssrc = sender->ssrc,
                                               .sequence = (uint16_t)out,
                                               .payload_type = codec->payload_type},
                       ret);
    ret->repeat = codec->nack && codec->rtx == 0;
    if (out > sender->highest) {
        sender->highest = out;
        note_newest(sender, now, packet, bytes, change);
    }
    if (is_key_start(sender, packet)) { /* a late one too: the rest has gone by */
        sender->asked = false;
    }
    sender->packets++;
    sender->bytes += packet->payload_len;
    sender->repeat_tokens += SENDER_REPEAT_SHARE;
    if (sender->repeat_tokens > SENDER_REPEAT_BURST * SENDER_REPEAT_COST) {
        sender->repeat_tokens = SENDER_REPEAT_BURST * SENDER_REPEAT_COST;
    }
    sender->questions += SENDER_QUESTION_SHARE;
    if (sender->questions > SENDER_QUESTION_BURST) {
        sender->questions = SENDER_QUESTION_BURST;
    }
    return 0;
}

/* ---- what is wanted ---- */

void leat_rtp_sender_target(leat_rtp_sender *sender, leat_time now, uint8_t layer)
{
    if (sender->target != layer) {
        leat__sender_want(sender, now); /* a key frame that it began with has gone by */
        sender->target = layer;
    }
}

void leat_rtp_sender_skip(leat_rtp_sender *sender, leat_time now, uint32_t source)
{
    if (sender->kind == LEAT_MEDIA_VIDEO && !sender->waiting &&
        leat__sender_current(sender)->source == source) {
        leat__sender_want(sender, now);
        sender->waiting = true;
    }
}

bool leat_rtp_sender_wants_key(const leat_rtp_sender *sender, leat_time *ret_since)
{
    const bool wants = wants_key(sender);
    if (wants) {
        *ret_since = sender->wants_since;
    }
    return wants;
}
