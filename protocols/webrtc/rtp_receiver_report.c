/* Reception reports (RFC 3550, 6.4.1 and A.8): what each SSRC of the publisher, retransmissions too, is told of what
 * has arrived of it. */
#include "receiver.h"

#define LIVE_NS (5 * LEAT_SEC) /* silent for longer: there is nothing to say */
#define HEAD_LEN 8u
#define BLOCK_LEN 24u
#define CNAME_LEN 20u /* the SDES that may follow */

static uint32_t in_units(leat_time time, uint32_t clock_rate)
{
    return (uint32_t)(time / LEAT_SEC * clock_rate + time % LEAT_SEC * clock_rate / LEAT_SEC);
}

void leat__reception_note(struct reception *reception, leat_time now, uint32_t clock_rate,
                          const struct leat_rtp_header *header)
{
    const uint32_t transit = in_units(now, clock_rate) - header->timestamp;
    const int distance = (int16_t)(header->sequence - (uint16_t)reception->highest);
    if (!reception->started || distance > JUMP_MAX || distance < -JUMP_MAX) {
        const uint64_t first = 65536u + (uint64_t)header->sequence;
        *reception = (struct reception){.started = true,
                                        .base = first,
                                        .highest = first,
                                        .transit = transit,
                                        .last_sr = reception->last_sr,
                                        .sr_at = reception->sr_at};
    } else {
        const uint64_t raw = reception->highest + (uint64_t)(int64_t)distance;
        reception->highest = distance > 0 ? raw : reception->highest;
        reception->base = raw < reception->base ? raw : reception->base;
        const int32_t difference = (int32_t)(transit - reception->transit);
        const uint32_t change = difference < 0 ? 0u - (uint32_t)difference : (uint32_t)difference;
        reception->transit = transit;
        if (change < clock_rate * 10) { /* else the clock was set */
            reception->jitter_16 += change - ((reception->jitter_16 + 8) >> 4);
        }
    }
    reception->received++;
}

static struct leat_rtcp_block block_of(struct binding *binding, leat_time now)
{
    struct reception *const reception = &binding->reception;
    const uint64_t expected = reception->highest - reception->base + 1;
    const int64_t lost = (int64_t)(expected - reception->received);
    const int64_t expected_now = (int64_t)(expected - reception->expected_prior);
    const int64_t lost_now =
        expected_now - (int64_t)(reception->received - reception->received_prior);
    int64_t fraction = lost_now <= 0 || expected_now <= 0 ? 0 : lost_now * 256 / expected_now;
    reception->expected_prior = expected;
    reception->received_prior = reception->received;
    const leat_time since_sr = now - reception->sr_at;
    return (struct leat_rtcp_block){
        .ssrc = binding->ssrc,
        .fraction_lost = (uint8_t)(fraction > UINT8_MAX ? UINT8_MAX : fraction),
        .lost = (int32_t)(lost > INT32_MAX   ? INT32_MAX
                          : lost < INT32_MIN ? INT32_MIN
                                             : lost),
        .highest = (uint32_t)(reception->highest - 65536u), /* cycles count from 0 */
        .jitter = reception->jitter_16 >> 4,
        .last_sr = reception->last_sr,
        .delay = reception->last_sr == 0 ? 0
                                         : (uint32_t)(since_sr / LEAT_SEC << 16 |
                                                      (since_sr % LEAT_SEC << 16) / LEAT_SEC),
    };
}

void leat__receiver_put_report(leat_rtp_receiver *receiver, leat_time now, uint8_t *out, size_t cap,
                               size_t *len)
{
    struct leat_rtcp_block blocks[BINDINGS_MAX];
    const size_t room = (cap - HEAD_LEN - CNAME_LEN) / BLOCK_LEN;
    size_t count = 0;
    while (receiver->report_at < BINDINGS_MAX && count < room) {
        struct binding *const binding = &receiver->bindings[receiver->report_at++];
        if (binding->used && now - binding->last < LIVE_NS) {
            blocks[count++] = block_of(binding, now);
        }
    }
    (void)leat_rtcp_put_rr(out, cap, len, receiver->ssrc, blocks, count);
    if (receiver->report_at == BINDINGS_MAX) {
        receiver->report_at = 0;
        receiver->report_due = now + LEAT_SEC;
    }
}
