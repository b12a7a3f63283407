/* Transport-wide feedback: when each packet of the session arrived, whichever SSRC it has, by the number in its
 * header extension. Every 50 ms what has come since is told; a number that comes later than the feedback that it
 * belonged to is in the next one, with all that follow it. */
#include "receiver.h"

#define EVERY_NS (50 * LEAT_MS)
#define SOON 256u /* numbers: half of what is kept */
#define TICK_NS (250 * LEAT_US)

void leat__receiver_twcc_note(leat_rtp_receiver *receiver, leat_time now,
                              const struct leat_rtp_header *header)
{
    struct twcc *const twcc = &receiver->twcc;
    uint8_t len = 0;
    const uint8_t *const value = leat_rtp_ext_find(header, twcc->id, &len);
    if (!value || len != 2) {
        return;
    }
    const uint16_t low = (uint16_t)(value[0] << 8 | value[1]);
    if (!twcc->started) {
        twcc->started = true;
        twcc->base = 65536u + (uint64_t)low;
        twcc->highest = twcc->base - 1;
    }
    const uint64_t number = leat_rtp_extend(twcc->highest, low);
    if (number > twcc->highest) {
        uint64_t from = twcc->highest + 1;
        from = number - from >= TWCC_PACKETS ? number - TWCC_PACKETS + 1 : from;
        for (; from < number; from++) {
            twcc->ticks[from % TWCC_PACKETS] = -1;
        }
        twcc->highest = number;
        if (twcc->base + TWCC_PACKETS <= number) {
            twcc->base = number - TWCC_PACKETS + 1;
        }
    } else if (twcc->highest - number >= TWCC_PACKETS || twcc->ticks[number % TWCC_PACKETS] >= 0) {
        return; /* too old, or known */
    }
    twcc->base = number < twcc->base ? number : twcc->base;
    twcc->ticks[number % TWCC_PACKETS] = (int64_t)(now / TICK_NS);
    twcc->media = header->ssrc;
    if (!twcc->pending) {
        twcc->pending = true;
        twcc->due = now + EVERY_NS;
    }
    if (twcc->highest - twcc->base >= SOON) {
        twcc->due = now;
    }
}

bool leat__receiver_put_twcc(leat_rtp_receiver *receiver, leat_time now, uint8_t *out, size_t cap,
                             size_t *len)
{
    struct twcc *const twcc = &receiver->twcc;
    int64_t arrivals[TWCC_PACKETS];
    size_t count = 0, taken = 0;
    if (!twcc->pending || twcc->due > now) {
        return false;
    }
    for (uint64_t number = twcc->base; number <= twcc->highest; number++) {
        arrivals[count++] = twcc->ticks[number % TWCC_PACKETS];
    }
    if (!leat_rtcp_put_twcc(out, cap, len, receiver->ssrc, twcc->media, twcc->count,
                            (uint16_t)twcc->base, arrivals, count, &taken)) {
        return false;
    }
    twcc->count++;
    twcc->base += taken;
    twcc->pending = twcc->base <= twcc->highest;
    return true;
}
