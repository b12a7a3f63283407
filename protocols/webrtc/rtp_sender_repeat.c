/* What a viewer says (RTCP feedback), and what it asks for again. A repeat is paid for with what
 * was earned by sending, so that a viewer that asks for everything costs no more than 15 % and a
 * burst; what was answered a moment ago is not answered again, the answer being on its way.
 * Called by the owner of the sender. */
#include <errno.h>
#include <string.h>

#include "rtp_sender_state.h"

#define ANSWER_MS_MIN 20u  /* between two answers to the same question */
#define ANSWER_MS_MAX 500u /* a viewer may claim any round trip */

static bool can_repeat(const struct sender_codec *codec)
{
    return codec->rtx != 0 || codec->nack;
}

static uint16_t ms_of(leat_time now)
{
    return (uint16_t)(now / LEAT_MS);
}

/* Whether this was answered so lately that the answer may be under way. */
static bool is_fresh(const leat_rtp_sender *sender, unsigned slot, leat_time now)
{
    uint32_t wait = sender->round_trip_us / 1000;
    wait = wait < ANSWER_MS_MIN ? ANSWER_MS_MIN : wait > ANSWER_MS_MAX ? ANSWER_MS_MAX : wait;
    return (sender->answered >> slot & 1) &&
           (uint16_t)(ms_of(now) - sender->repeats[slot].at_ms) < wait;
}

/* Where to note what is asked for: its own place, or the one that was answered longest ago. -1:
 * all are pending. */
static int slot_for(const leat_rtp_sender *sender, uint16_t sequence, leat_time now)
{
    int best = -1;
    uint32_t best_age = 0;
    for (unsigned i = 0; i < LEAT_RTP_SENDER_REPEATS; i++) {
        const bool is_pending = sender->pending >> i & 1, is_answered = sender->answered >> i & 1;
        if ((is_pending || is_answered) && sender->repeats[i].sequence == sequence) {
            return (int)i;
        }
        const uint32_t age =
            is_answered ? (uint16_t)(ms_of(now) - sender->repeats[i].at_ms) + 1u : UINT32_MAX;
        if (!is_pending && age > best_age) {
            best = (int)i;
            best_age = age;
        }
    }
    return best;
}

static void ask(leat_rtp_sender *sender, leat_time now, uint16_t sequence)
{
    if (!can_repeat(&sender->codecs[sender->codec]) ||
        !leat__sender_was_sent(sender, leat_rtp_extend(sender->highest, sequence))) {
        sender->repeats_unknown++;
        return;
    }
    if (sender->questions == 0) { /* a datagram can ask six thousand, and looking them up costs */
        sender->repeats_capped++;
        return;
    }
    sender->questions--;
    const int slot = slot_for(sender, sequence, now);
    if (slot < 0) {
        sender->repeats_capped++;
        return;
    }
    const uint64_t bit = UINT64_C(1) << slot;
    struct sender_repeat *const repeat = &sender->repeats[slot];
    if (repeat->sequence != sequence) {
        sender->answered &= ~bit;
        repeat->sequence = sequence;
    } else if (is_fresh(sender, (unsigned)slot, now)) {
        sender->repeats_capped++;
        return;
    }
    sender->pending |= bit;
}

bool leat_rtp_sender_repeat(leat_rtp_sender *sender, leat_time now, uint32_t *ret_source,
                            uint64_t *ret_index)
{
    while (sender->pending != 0) {
        const unsigned slot = (unsigned)__builtin_ctzll(sender->pending);
        const uint64_t bit = UINT64_C(1) << slot;
        struct sender_repeat *const repeat = &sender->repeats[slot];
        const uint64_t out = leat_rtp_extend(sender->highest, repeat->sequence);
        if (sender->repeat_tokens < SENDER_REPEAT_COST) { /* the viewer will ask again */
            sender->repeats_capped += (unsigned)__builtin_popcountll(sender->pending);
            sender->pending = 0;
            return false;
        }
        sender->pending &= ~bit;
        uint32_t i = sender->change_count;
        while (i > leat__sender_oldest(sender) &&
               leat__sender_change(sender, i - 1)->first_out > out) {
            i--;
        }
        if (i == leat__sender_oldest(sender) || !leat__sender_was_sent(sender, out)) {
            sender->repeats_unknown++; /* it has left the window since */
            continue;
        }
        const struct leat_rtp_change *const change = leat__sender_change(sender, i - 1);
        sender->answered |= bit;
        repeat->at_ms = ms_of(now);
        *ret_source = change->source;
        *ret_index = change->first + (out - change->first_out);
        return true;
    }
    return false;
}

int leat_rtp_sender_again(leat_rtp_sender *sender, leat_time now,
                          const struct leat_rtp_packet *packet, const uint8_t *bytes,
                          struct leat_rtp_sent *ret)
{
    (void)now;
    uint64_t out = 0;
    const struct leat_rtp_change *const change =
        leat__sender_find(sender, packet->source, packet->index, &out);
    const struct sender_codec *const codec = leat__sender_codec(sender, packet);
    if (!change || !codec || !can_repeat(codec) || !leat__sender_was_sent(sender, out)) {
        return -EAGAIN;
    }
    struct sender_clothes clothes = {
        .ssrc = sender->ssrc, .sequence = (uint16_t)out, .payload_type = codec->payload_type};
    if (codec->rtx != 0) {
        clothes = (struct sender_clothes){.ssrc = sender->rtx_ssrc,
                                          .sequence = sender->rtx_sequence++,
                                          .payload_type = codec->rtx};
    }
    leat__sender_dress(sender, packet, bytes, change, clothes, ret);
    ret->repeat = codec->rtx == 0;
    if (codec->rtx != 0) { /* the original sequence number first (RFC 4588, 4) */
        memmove(ret->prefix + 2, ret->prefix, ret->prefix_len);
        ret->prefix[0] = (uint8_t)(out >> 8);
        ret->prefix[1] = (uint8_t)out;
        ret->prefix_len = (uint8_t)(ret->prefix_len + 2);
    }
    sender->repeats_sent++;
    sender->repeat_tokens -=
        sender->repeat_tokens < SENDER_REPEAT_COST ? sender->repeat_tokens : SENDER_REPEAT_COST;
    return 0;
}

/* ---- feedback ---- */

bool leat_rtp_sender_is_for(const leat_rtp_sender *sender, const struct leat_rtcp_item *item)
{
    return item->media == sender->ssrc ||
           (sender->rtx_ssrc != 0 && item->media == sender->rtx_ssrc);
}

/* LSR and DLSR (RFC 3550, 6.4.1): since when it knows our report, and how long it kept it. */
static void note_block(leat_rtp_sender *sender, leat_time now, const struct leat_rtcp_item *item)
{
    sender->fraction_lost = item->block.fraction_lost;
    const uint32_t before = sender->reported_ntp - item->block.last_sr; /* in 1/65536 s */
    if (sender->reported_ntp == 0 || item->block.last_sr == 0 || before > 16u << 16) {
        return;
    }
    const uint64_t since = now - sender->reported_at + before * LEAT_SEC / 65536;
    const uint64_t kept = item->block.delay * LEAT_SEC / 65536;
    if (kept <= since && since - kept < 10 * LEAT_SEC) {
        const uint32_t us = (uint32_t)((since - kept) / LEAT_US);
        sender->round_trip_us = us > 0 ? us : 1;
    }
}

static void ask_key(leat_rtp_sender *sender, leat_time now)
{
    if (sender->kind == LEAT_MEDIA_VIDEO) {
        leat__sender_want(sender, now);
        sender->asked = true;
    }
}

void leat_rtp_sender_feedback(leat_rtp_sender *sender, leat_time now,
                              const struct leat_rtcp_item *item)
{
    const bool is_media = item->media == sender->ssrc;
    switch (item->kind) {
    case LEAT_RTCP_BLOCK:
        if (is_media) {
            note_block(sender, now, item);
        }
        break;
    case LEAT_RTCP_NACK:
        if (is_media) {
            ask(sender, now, item->nack.packet);
            for (unsigned i = 0; i < 16; i++) {
                if (item->nack.more >> i & 1) {
                    ask(sender, now, (uint16_t)(item->nack.packet + 1 + i));
                }
            }
        }
        break;
    case LEAT_RTCP_FIR: /* the same number is the same request (RFC 5104, 4.3.1.2) */
        if (!sender->has_fir || sender->fir != item->fir.sequence) {
            sender->has_fir = true;
            sender->fir = item->fir.sequence;
            ask_key(sender, now);
        }
        break;
    case LEAT_RTCP_PLI:
        ask_key(sender, now);
        break;
    case LEAT_RTCP_REMB:
        sender->remb = item->remb.bitrate < UINT32_MAX ? (uint32_t)item->remb.bitrate : UINT32_MAX;
        break;
    case LEAT_RTCP_SENDER_REPORT:
    case LEAT_RTCP_BYE: /* of what a viewer sends; it ends by other means */
    case LEAT_RTCP_TWCC:
        break;
    }
}
