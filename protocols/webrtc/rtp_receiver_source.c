/* One source: where each packet belongs, and what is missing.
 *
 * Invariants: bit raw % WINDOW of the window tells for the WINDOW numbers up to `highest` whether that packet has
 * come; `missing` is ascending, below `highest`, and none of it has come. Numbers are never used twice: a
 * publisher that begins another numbering gets another source number. */
#include "receiver.h"

#include <errno.h>
#include <string.h>

#define FIRST_NS (5 * LEAT_MS) /* grace of a small gap, which reordering may have made */
#define SMALL_GAP 2u           /* packets */
#define OVERTAKEN 3u           /* so many newer ones: it is lost, not late */
#define TRIES_MAX 10u
#define GIVE_UP_NS LEAT_SEC
#define REPEAT_NS (50 * LEAT_MS) /* while the round trip is not known */
#define REPEAT_MIN_NS (20 * LEAT_MS)
#define REPEAT_MAX_NS (250 * LEAT_MS)
#define BREAK_S 10 /* seconds that a timestamp may be beside the time that has passed */

static bool has_come(const struct source *source, uint64_t raw)
{
    return source->window[raw % WINDOW / 64] >> (raw % 64) & 1;
}

static void set_come(struct source *source, uint64_t raw, bool come)
{
    uint64_t *const word = &source->window[raw % WINDOW / 64];
    const uint64_t bit = UINT64_C(1) << (raw % 64);
    *word = come ? *word | bit : *word & ~bit;
}

/* ---- indexes ---- */

/* The index of a packet. False: so old that it is not known any more. */
static bool index_of(const struct source *source, uint64_t raw, uint64_t *ret)
{
    for (size_t i = source->shift_count; i > 0; i--) {
        if (raw >= source->shifts[i - 1].first) {
            *ret = raw + (uint64_t)(int64_t)source->shifts[i - 1].shift;
            return true;
        }
    }
    *ret = raw;
    return !source->shifts_forgotten;
}

/* From `first` on, indexes are moved by `by`. A run of packets that are left out is one entry. */
static void move_indexes(struct source *source, uint64_t first, int32_t by, bool run)
{
    const size_t count = source->shift_count;
    int32_t shift = by;
    if (count > 0) {
        struct shift *const last = &source->shifts[count - 1];
        shift += last->shift;
        if (run && last->first + 1 == first) {
            *last = (struct shift){first, shift};
            return;
        }
    }
    if (count == SHIFTS_MAX) {
        memmove(source->shifts, source->shifts + 1, (count - 1) * sizeof(source->shifts[0]));
        source->shift_count--;
        source->shifts_forgotten = true;
    }
    source->shifts[source->shift_count++] = (struct shift){first, shift};
}

bool leat__source_leave_out(struct source *source, const struct place *place)
{
    if (place->raw != source->highest) {
        return false;
    }
    move_indexes(source, place->raw + 1, -1, true);
    return true;
}

bool leat__source_put_in(struct source *source, struct place *place)
{
    if (place->raw != source->highest) {
        return false;
    }
    move_indexes(source, place->raw, 1, false);
    place->index++;
    return true;
}

/* ---- what is missing ---- */

/* Where in the list `raw` is, or belongs. */
static size_t missing_at(const struct source *source, uint64_t raw)
{
    size_t low = 0, high = source->missing_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (source->missing[middle].raw < raw) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool leat__source_is_missing(const struct source *source, uint64_t raw)
{
    const size_t at = missing_at(source, raw);
    return at < source->missing_count && source->missing[at].raw == raw;
}

static void drop_missing(struct source *source, size_t at, size_t count)
{
    memmove(source->missing + at, source->missing + at + count,
            (source->missing_count - at - count) * sizeof(source->missing[0]));
    source->missing_count -= count;
}

static void found_missing(struct source *source, leat_time now, uint64_t first, uint64_t count)
{
    if (count > MISSING_MAX) { /* the newest are the likeliest to be there still */
        first += count - MISSING_MAX;
        count = MISSING_MAX;
    }
    if (source->missing_count + count > MISSING_MAX) {
        drop_missing(source, 0, source->missing_count + count - MISSING_MAX);
    }
    const leat_time due = count <= SMALL_GAP ? now + FIRST_NS : now;
    for (uint64_t i = 0; i < count; i++) {
        source->missing[source->missing_count++] =
            (struct missing){.raw = first + i, .since = now, .due = due, .asked = now};
    }
    source->nack_due = due < source->nack_due ? due : source->nack_due;
}

/* A packet that was overtaken by several is not waited for any longer. */
static void hurry(struct source *source, leat_time now)
{
    for (size_t i = source->missing_count; i > 0; i--) {
        struct missing *const missing = &source->missing[i - 1];
        if (missing->raw + OVERTAKEN < source->highest || missing->tries > 0) {
            break;
        }
        if (missing->raw + OVERTAKEN == source->highest && missing->due > now) {
            missing->due = now;
            source->nack_due = now < source->nack_due ? now : source->nack_due;
        }
    }
}

static void found_again(struct source *source, leat_time now, uint64_t raw, bool repair)
{
    const size_t at = missing_at(source, raw);
    if (at == source->missing_count || source->missing[at].raw != raw) {
        return;
    }
    const struct missing *const missing = &source->missing[at];
    if (repair &&
        missing->tries == 1) { /* of a repeated question it is not known which was answered */
        const leat_time sample = now - missing->asked;
        source->round_trip =
            source->round_trip ? (7 * source->round_trip + sample) / 8 : sample + 1;
    }
    drop_missing(source, at, 1);
}

void leat__source_forget_older(struct source *source, uint64_t raw)
{
    size_t at = missing_at(source, raw);
    /* What is missing right before it may belong to the same frame. */
    while (at > 0 && source->missing[at - 1].raw + 1 == raw) {
        at--;
        raw--;
    }
    drop_missing(source, 0, at);
}

static leat_time repeat_after(const struct source *source, uint32_t tries)
{
    leat_time base = REPEAT_NS;
    if (source->round_trip) {
        base = source->round_trip + source->round_trip / 4;
        base = base < REPEAT_MIN_NS ? REPEAT_MIN_NS : base > REPEAT_MAX_NS ? REPEAT_MAX_NS : base;
    }
    return base + base * tries / 4;
}

/* Gives up what was asked for often enough. Returns when the next is due. */
static leat_time give_up(struct source *source, leat_time now)
{
    leat_time due = LEAT_NEVER;
    size_t kept = 0;
    for (size_t i = 0; i < source->missing_count; i++) {
        const struct missing missing = source->missing[i];
        if (missing.due <= now &&
            (missing.tries >= TRIES_MAX || now - missing.since >= GIVE_UP_NS)) {
            continue;
        }
        due = missing.due < due ? missing.due : due;
        source->missing[kept++] = missing;
    }
    source->missing_count = kept;
    return due;
}

bool leat__source_put_nack(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                           uint8_t *out, size_t cap, size_t *len)
{
    uint16_t packets[MISSING_MAX];
    uint16_t which[MISSING_MAX];
    size_t count = 0, taken = 0;
    if (source->nack_due > now) {
        return false;
    }
    source->nack_due = give_up(source, now);
    for (size_t i = 0; i < source->missing_count; i++) {
        if (source->missing[i].due <= now) {
            which[count] = (uint16_t)i;
            packets[count++] = (uint16_t)source->missing[i].raw;
        }
    }
    if (count == 0 ||
        !leat_rtcp_put_nack(out, cap, len, receiver->ssrc, source->ssrc, packets, count, &taken)) {
        return false;
    }
    for (size_t i = 0; i < taken; i++) {
        struct missing *const missing = &source->missing[which[i]];
        missing->asked = now;
        missing->due = now + repeat_after(source, missing->tries);
        missing->tries++;
    }
    source->nack_due = give_up(source, now);
    receiver->stats.nacks++;
    return true;
}

/* ---- numbering ---- */

/* A numbering begins with this packet. False: the publisher has begun too many. */
static bool begin(leat_rtp_receiver *receiver, struct source *source, uint16_t sequence)
{
    if (source->number_used) {
        if (receiver->sources_left == 0) {
            return false;
        }
        receiver->sources_left--;
        source->number = receiver->next_source++;
    }
    source->number_used = true;
    source->started = true;
    source->first = source->highest = 65536u + (uint64_t)sequence;
    memset(source->window, 0, sizeof(source->window));
    source->shift_count = 0;
    source->shifts_forgotten = false;
    source->missing_count = 0;
    source->nack_due = LEAT_NEVER;
    source->key.begun = source->key.wanted = false;
    source->parameters_seen = source->parameters_differ = false;
    source->width = source->height = 0;
    source->report_new = false;
    return true;
}

/* Whether the clock of the newest packet has nothing to do with that of the one before. */
static bool clock_breaks(const struct source *source, leat_time now, uint32_t timestamp,
                         uint32_t clock_rate)
{
    const int32_t units = (int32_t)(timestamp - source->timestamp);
    const int64_t seconds = units / (int64_t)clock_rate;
    const int64_t passed = (int64_t)((now - source->arrived) / LEAT_SEC);
    return seconds < -BREAK_S || seconds > passed + BREAK_S;
}

static void skip(leat_rtp_receiver *receiver, struct source *source, leat_time now, uint64_t raw,
                 const struct leat_rtp_codec *codec)
{
    const uint64_t gap = raw - source->highest - 1;
    for (uint64_t i = source->highest + 1; i < raw; i++) {
        set_come(source, i, false);
    }
    if (gap > 0) {
        receiver->stats.missing += gap;
    }
    if (gap > GAP_MAX) {
        source->missing_count = 0;
        leat__source_ask_key(receiver, source, now);
    } else if (gap > 0 && codec->nack) {
        found_missing(source, now, source->highest + 1, gap);
    }
}

int leat__source_place(leat_rtp_receiver *receiver, struct source *source, leat_time now,
                       const struct leat_rtp_header *header, bool repair, struct place *ret)
{
    const struct leat_rtp_codec *const codec =
        &receiver->tracks[source->kind].codecs[source->codec];
    const int distance = (int16_t)(header->sequence - (uint16_t)source->highest);
    const bool away = distance > JUMP_MAX || distance < -JUMP_MAX;
    if (repair && (!source->started || away || distance > GAP_MAX)) {
        return -EAGAIN;
    }
    const bool fresh =
        !source->started || away ||
        (distance > 0 && clock_breaks(source, now, header->timestamp, codec->clock_rate));
    if (fresh && !begin(receiver, source, header->sequence)) {
        return -EAGAIN;
    }
    const uint64_t raw = fresh ? source->highest : source->highest + (uint64_t)(int64_t)distance;
    const bool late = !fresh && distance <= 0;
    uint64_t index;
    if (late && (has_come(source, raw) || !index_of(source, raw, &index))) {
        receiver->stats.duplicates++;
        return -EAGAIN;
    }
    if (late) {
        receiver->stats.repaired += raw > source->first;
        found_again(source, now, raw, repair);
    } else {
        if (!fresh) {
            skip(receiver, source, now, raw, codec);
        }
        source->highest = raw;
        source->timestamp = header->timestamp;
        source->arrived = now;
        hurry(source, now);
    }
    set_come(source, raw, true);
    (void)index_of(source, raw, &index);
    *ret = (struct place){.raw = raw, .index = index, .late = late};
    return 0;
}
