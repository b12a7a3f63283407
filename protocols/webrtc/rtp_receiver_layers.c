/* Which layers of video flow, which is the best, and key frames: when one was there, when one is wanted.
 *
 * The best layer is judged when something has happened to one, and ten times a second: it stays until it is dead, or
 * another one that has lasted is clearly better. */
#include "receiver.h"

#include <string.h>

#define SLOT_NS (100 * LEAT_MS)
#define SLOTS 10u
#define LASTED_NS (300 * LEAT_MS) /* a layer that is to be the best, without a key frame seen */
#define SILENT_NS (10 * LEAT_SEC) /* then key frames are asked for no longer */

/* ---- bit rate ---- */

static void rate_add(struct rate *rate, leat_time now, size_t bytes)
{
    const uint64_t slot = now / SLOT_NS;
    if (slot > rate->slot + SLOTS) {
        memset(rate->bytes, 0, sizeof(rate->bytes));
        rate->slot = slot;
    }
    while (rate->slot < slot) {
        rate->bytes[++rate->slot % SLOTS] = 0;
    }
    rate->bytes[slot % SLOTS] += (uint32_t)bytes;
}

uint32_t leat__source_bitrate(const struct source *source, leat_time now)
{
    const uint64_t slot = now / SLOT_NS;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < SLOTS; i++) {
        const uint64_t its = source->rate.slot - i;
        bytes += source->rate.slot >= i && its + SLOTS > slot ? source->rate.bytes[its % SLOTS] : 0;
    }
    return (uint32_t)(bytes * 8 < UINT32_MAX ? bytes * 8 : UINT32_MAX);
}

/* ---- flowing ---- */

bool leat__source_flows(const struct source *source, leat_time now)
{
    return source->flowed && now < source->last + FLOW_NS;
}

void leat__source_note_flow(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                            size_t bytes)
{
    const bool flowed = leat__source_flows(source, now);
    if (!flowed) {
        source->flow_since = now;
        source->key_in_flow = false;
    }
    source->flowed = true;
    source->last = now;
    rate_add(&source->rate, now, bytes);
    if (source->key.wanted && source->key.due == LEAT_NEVER) {
        source->key.due = now; /* it was silent */
    }
    if (source->kind == LEAT_MEDIA_VIDEO && (!flowed || now >= receiver->judge_due)) {
        leat__receiver_judge(receiver, now);
    }
}

/* Whether `a` shows more than `b`, by a factor of `margin` quarters where only bit rates can be compared. */
static bool is_better(const struct source *a, const struct source *b, leat_time now,
                      uint64_t margin)
{
    const uint32_t pixels_a = (uint32_t)a->width * a->height;
    const uint32_t pixels_b = (uint32_t)b->width * b->height;
    if (pixels_a && pixels_b && pixels_a != pixels_b) {
        return pixels_a > pixels_b;
    }
    return 4 * (uint64_t)leat__source_bitrate(a, now) > margin * leat__source_bitrate(b, now);
}

/* The best of those that flow, or -1. */
static int pick(const leat_rtp_receiver *receiver, leat_time now, bool lasted)
{
    const struct source *const sources = receiver->sources[LEAT_MEDIA_VIDEO];
    int best = -1;
    for (unsigned i = 0; i < LEAT_RTP_LAYERS_MAX; i++) {
        const struct source *const source = &sources[i];
        if (!leat__source_flows(source, now) ||
            (lasted && !source->key_in_flow && now - source->flow_since < LASTED_NS)) {
            continue;
        }
        if (best < 0 || is_better(source, &sources[best], now, 4)) {
            best = (int)i;
        }
    }
    return best;
}

static int best_of(const leat_rtp_receiver *receiver, leat_time now)
{
    const struct source *const sources = receiver->sources[LEAT_MEDIA_VIDEO];
    const int now_best = receiver->best;
    const int other = pick(receiver, now, true);
    if (now_best >= 0 && leat__source_flows(&sources[now_best], now)) {
        const bool clearly = other >= 0 && is_better(&sources[other], &sources[now_best], now, 5);
        return clearly ? other : now_best;
    }
    return other >= 0 ? other : pick(receiver, now, false);
}

void leat__receiver_judge(leat_rtp_receiver *receiver, leat_time now)
{
    receiver->best = best_of(receiver, now);
    receiver->judge_due = now + SLOT_NS;
}

int leat_rtp_receiver_best_layer(const leat_rtp_receiver *receiver, leat_time now)
{
    return best_of(receiver, now);
}

unsigned leat_rtp_receiver_layers(const leat_rtp_receiver *receiver, leat_time now)
{
    unsigned layers = 0;
    for (unsigned i = 0; i < LEAT_RTP_LAYERS_MAX; i++) {
        layers |= (unsigned)leat__source_flows(&receiver->sources[LEAT_MEDIA_VIDEO][i], now) << i;
    }
    return layers;
}

/* When one of them would be dead, or, of several, when they are to be compared again. */
leat_time leat__receiver_judge_deadline(const leat_rtp_receiver *receiver)
{
    const leat_time now = receiver->now;
    leat_time due = LEAT_NEVER;
    unsigned flowing = 0;
    for (unsigned i = 0; i < LEAT_RTP_LAYERS_MAX; i++) {
        const struct source *const source = &receiver->sources[LEAT_MEDIA_VIDEO][i];
        if (leat__source_flows(source, now)) {
            flowing++;
            due = source->last + FLOW_NS < due ? source->last + FLOW_NS : due;
        }
    }
    return flowing > 1 && receiver->judge_due < due ? receiver->judge_due : due;
}

/* ---- key frames ---- */

void leat__source_note_key(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                           const struct place *place, uint32_t timestamp)
{
    struct key *const key = &source->key;
    if (key->begun && (timestamp == key->timestamp || place->raw < key->raw)) {
        return; /* more of the same, or of an older one */
    }
    key->begun = true;
    key->wanted = false;
    key->begun_at = now;
    key->timestamp = timestamp;
    key->raw = place->raw;
    receiver->stats.key_frames++;
    leat__source_forget_older(source, place->raw);
    if (!source->key_in_flow) {
        source->key_in_flow = true;
        leat__receiver_judge(receiver, now);
    }
}

void leat__source_ask_key(leat_rtp_receiver *receiver, struct source *source, leat_time now)
{
    const struct leat_rtp_codec *const codec =
        &receiver->tracks[source->kind].codecs[source->codec];
    struct key *const key = &source->key;
    if (source->kind != LEAT_MEDIA_VIDEO || (!codec->pli && !codec->fir)) {
        return;
    }
    leat_time due = now;
    if (key->asked && key->asked_at + receiver->key_interval > now) {
        due = key->asked_at + receiver->key_interval;
    }
    if (!key->wanted || due < key->due) {
        key->due = due;
    }
    key->wanted = true;
}

void leat_rtp_receiver_want_key(leat_rtp_receiver *receiver, leat_time now, uint8_t layer,
                                leat_time since)
{
    struct source *const sources = receiver->sources[LEAT_MEDIA_VIDEO];
    if (layer >= LEAT_RTP_LAYERS_MAX || !leat__source_flows(&sources[layer], now)) {
        const int best = best_of(receiver, now);
        layer = best >= 0 ? (uint8_t)best : layer;
    }
    if (layer >= LEAT_RTP_LAYERS_MAX || !sources[layer].started) {
        return; /* when it begins, it is asked for anyway */
    }
    if (!sources[layer].key.begun || sources[layer].key.begun_at <= since) {
        leat__source_ask_key(receiver, &sources[layer], now);
    }
}

bool leat__source_put_key_request(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                                  uint8_t *out, size_t cap, size_t *len)
{
    const struct leat_rtp_codec *const codec =
        &receiver->tracks[source->kind].codecs[source->codec];
    struct key *const key = &source->key;
    if (!key->wanted || key->due > now) {
        return false;
    }
    if (now - source->arrived >= SILENT_NS) {
        key->due = LEAT_NEVER; /* until it flows again */
        return false;
    }
    const bool put = codec->pli
                         ? leat_rtcp_put_pli(out, cap, len, receiver->ssrc, source->ssrc)
                         : leat_rtcp_put_fir(out, cap, len, receiver->ssrc, source->ssrc, key->fir);
    if (!put) {
        return false;
    }
    key->fir++; /* each is a command of its own: the frame that an earlier one brought may be lost */
    key->asked = true;
    key->asked_at = now;
    key->due = now + receiver->key_repeat;
    receiver->stats.key_requests++;
    return true;
}
