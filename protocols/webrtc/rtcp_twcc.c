/* Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1).
 *
 * Behind the SSRCs: base sequence number, count of packets, reference time in 64 ms, feedback count; then chunks of
 * two-bit symbols that say of each packet how long its delta is; then the deltas, in 250 us, each from the
 * packet before that has arrived, the first from the reference. Any thread; no state. */
#include <leat/rtcp.h>

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "rtcp_types.h"

enum symbol { MISSING, SMALL, LARGE, RESERVED }; /* the bytes of the delta, too */

#define HEAD_LEN 20u /* up to the first chunk */
#define TICKS_PER_REFERENCE 256
#define RUN_MAX 0x1fffu
#define WIDE 7u    /* symbols in a vector of two bits */
#define NARROW 14u /* of one bit: missing or small */

/* ---- writing ---- */

/* What is to be told of each packet, from `at` on. */
struct statuses {
    const int64_t *arrivals;
    size_t at, count;
    int64_t last; /* ticks: what the next delta is from */
};

/* The next packet's symbol and delta; RESERVED: the delta cannot be written. */
static enum symbol take_status(struct statuses *statuses, int32_t *ret_delta)
{
    const int64_t arrival = statuses->arrivals[statuses->at];
    if (arrival < 0) {
        statuses->at++;
        return MISSING;
    }
    const int64_t delta = arrival - statuses->last;
    if (delta < INT16_MIN || delta > INT16_MAX) {
        return RESERVED;
    }
    statuses->at++;
    statuses->last = arrival;
    *ret_delta = (int32_t)delta;
    return delta >= 0 && delta <= UINT8_MAX ? SMALL : LARGE;
}

/* How many packets from here on have one symbol, at most `max`. */
static size_t run_of(struct statuses from, size_t max, enum symbol *ret_symbol)
{
    int32_t delta;
    size_t n = 0;
    enum symbol first = RESERVED;
    while (from.at < from.count && n < max) {
        const enum symbol symbol = take_status(&from, &delta);
        if (symbol == RESERVED || (n && symbol != first)) {
            break;
        }
        first = symbol;
        n++;
    }
    *ret_symbol = first;
    return n;
}

/* Takes n symbols. */
static void skip_statuses(struct statuses *statuses, size_t n)
{
    int32_t delta;
    while (n-- > 0) {
        (void)take_status(statuses, &delta);
    }
}

/* A vector for what comes next. One that speaks of fewer packets than it has symbols is the last. */
static size_t vector_of(struct statuses *statuses, size_t room, uint16_t *ret_chunk,
                        size_t *ret_bytes)
{
    struct statuses ahead = *statuses;
    enum symbol symbols[NARROW];
    int32_t delta;
    size_t n = 0;
    bool large = false;
    while (n < NARROW && ahead.at < ahead.count && !(large && n == WIDE)) {
        symbols[n] = take_status(&ahead, &delta);
        if (symbols[n] == RESERVED) {
            break;
        }
        large = large || symbols[n] == LARGE;
        n = large && n >= WIDE ? WIDE : n + 1; /* a late large one: it goes into the next */
    }
    unsigned bits = 0;
    size_t bytes = 0, fit = 0;
    for (; fit < n && bytes + symbols[fit] + 2 <= room; fit++) {
        bits |= (unsigned)symbols[fit] << (large ? 12 - 2 * fit : 13 - fit);
        bytes += symbols[fit];
    }
    skip_statuses(statuses, fit);
    *ret_chunk = (uint16_t)(0x8000u | (large ? 0x4000u : 0) | bits);
    *ret_bytes = bytes;
    return fit;
}

/* One chunk for what comes next. Returns how many packets it speaks of, and the bytes of their deltas; 0: none
 * fits into `room` bytes of chunk and deltas. */
static size_t chunk_of(struct statuses *statuses, size_t room, uint16_t *ret_chunk,
                       size_t *ret_bytes)
{
    enum symbol symbol;
    size_t n = run_of(*statuses, RUN_MAX, &symbol);
    if (n == 0 || room < 2) {
        return 0;
    }
    if (n <= WIDE && statuses->at + n < statuses->count) {
        return vector_of(statuses, room, ret_chunk, ret_bytes);
    }
    if (symbol != MISSING && n > (room - 2) / symbol) {
        n = (room - 2) / symbol;
    }
    skip_statuses(statuses, n);
    *ret_chunk = (uint16_t)((unsigned)symbol << 13 | n);
    *ret_bytes = n * symbol;
    return n;
}

/* Chunks, then deltas, from `at` on, in at most `room` bytes. Returns where they end. */
static size_t put_statuses(uint8_t *at, size_t room, struct statuses *statuses)
{
    struct statuses again = *statuses;
    size_t chunks = 0, deltas = 0, bytes = 0;
    uint16_t chunk = 0;
    while (statuses->at < statuses->count &&
           chunk_of(statuses, room - chunks - deltas, &chunk, &bytes) > 0) {
        put16(at + chunks, chunk);
        chunks += 2;
        deltas += bytes;
    }
    uint8_t *to = at + chunks;
    int32_t delta = 0;
    while (again.at < statuses->at) {
        switch (take_status(&again, &delta)) {
        case SMALL:
            *to++ = (uint8_t)delta;
            break;
        case LARGE:
            put16(to, (uint16_t)delta);
            to += 2;
            break;
        case MISSING:
        case RESERVED:
            break;
        }
    }
    return chunks + deltas;
}

bool leat_rtcp_put_twcc(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
                        uint8_t feedback_count, uint16_t base, const int64_t *arrivals,
                        size_t count, size_t *ret_taken)
{
    size_t first = 0;
    while (first < count && arrivals[first] < 0) {
        first++;
    }
    const size_t room = *len < cap ? (cap - *len) & ~(size_t)3 : 0;
    if (first == count || room <= HEAD_LEN) {
        return false;
    }
    const int64_t reference = arrivals[first] / TICKS_PER_REFERENCE;
    struct statuses statuses = {.arrivals = arrivals,
                                .count = count < UINT16_MAX ? count : UINT16_MAX,
                                .last = reference * TICKS_PER_REFERENCE};
    uint8_t *const sub = out + *len;
    size_t end = HEAD_LEN + put_statuses(sub + HEAD_LEN, room - HEAD_LEN, &statuses);
    if (statuses.at <= first) {
        return false; /* nothing that has arrived fits */
    }
    while (end % 4) {
        sub[end++] = 0;
    }
    sub[0] = 0x80 | RTPFB_TWCC;
    sub[1] = RTCP_RTPFB;
    put16(sub + 2, (uint16_t)(end / 4 - 1));
    put32(sub + 4, ssrc);
    put32(sub + 8, media);
    put16(sub + 12, base);
    put16(sub + 14, (uint16_t)statuses.at);
    put24(sub + 16, (uint32_t)reference & 0xffffff);
    sub[19] = feedback_count;
    *len += end;
    *ret_taken = statuses.at;
    return true;
}

/* ---- reading ---- */

/* The symbols of one chunk, at most 14 of a vector; a run's is in symbols[0]. Returns how many packets it is about. */
static size_t read_chunk(uint16_t chunk, uint8_t symbols[NARROW])
{
    if (!(chunk & 0x8000)) {
        memset(symbols, chunk >> 13, NARROW);
        return chunk & RUN_MAX;
    }
    const bool wide = chunk & 0x4000;
    const size_t n = wide ? WIDE : NARROW;
    for (size_t i = 0; i < n; i++) {
        symbols[i] = (uint8_t)(wide ? chunk >> (12 - 2 * i) & 3 : chunk >> (13 - i) & 1);
    }
    return n;
}

/* The symbols of all packets, into ret_arrivals, where the deltas take their place. Returns where those begin; 0: broken. */
static size_t read_symbols(const uint8_t *data, size_t len, size_t count, int64_t *ret_arrivals,
                           size_t cap)
{
    uint8_t symbols[NARROW];
    size_t at = 8;
    for (size_t i = 0; i < count;) {
        if (at + 2 > len) {
            return 0;
        }
        const uint16_t chunk = get16(data + at);
        const size_t n = read_chunk(chunk, symbols);
        if (n == 0) {
            return 0;
        }
        for (size_t j = 0; j < n && i < count; j++, i++) {
            const uint8_t symbol = symbols[j < NARROW ? j : 0];
            if (symbol == RESERVED) {
                return 0;
            }
            if (i < cap) {
                ret_arrivals[i] = symbol;
            }
        }
        at += 2;
    }
    return at;
}

int leat_rtcp_twcc_read(const struct leat_rtcp_item *item, uint16_t *ret_base,
                        int64_t *ret_arrivals, size_t cap)
{
    const uint8_t *const data = item->twcc.data;
    const size_t len = item->twcc.len;
    if (item->kind != LEAT_RTCP_TWCC || len < 8) {
        return -EBADMSG;
    }
    const size_t count = get16(data + 2);
    const size_t given = count < cap ? count : cap;
    size_t at = read_symbols(data, len, count, ret_arrivals, given);
    if (at == 0) {
        return -EBADMSG;
    }
    const int32_t reference = (int32_t)(get24(data + 4) << 8) >> 8;
    int64_t last = (int64_t)reference * TICKS_PER_REFERENCE;
    for (size_t i = 0; i < given; i++) {
        const size_t bytes = (size_t)ret_arrivals[i];
        if (at + bytes > len) {
            return -EBADMSG;
        }
        last += bytes == SMALL ? data[at] : bytes == LARGE ? (int16_t)get16(data + at) : 0;
        ret_arrivals[i] = bytes == MISSING ? INT64_MIN : last;
        at += bytes;
    }
    *ret_base = get16(data);
    return (int)given;
}
