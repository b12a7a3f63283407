/* RTCP that leaves: what is due, in one packet as far as it fits. Without rtcp-rsize each begins with a receiver
 * report and our CNAME (RFC 3550, 6.1). */
#include "receiver.h"

#define CAP_MIN 256u

static leat_time earlier(leat_time a, leat_time b)
{
    return a < b ? a : b;
}

size_t leat_rtp_receiver_poll(leat_rtp_receiver *receiver, leat_time now, uint8_t *out, size_t cap)
{
    size_t len = 0;
    bool put = false;
    if (cap < CAP_MIN) {
        return 0;
    }
    receiver->now = now;
    leat__receiver_judge(receiver, now);
    if (receiver->report_due <= now) {
        leat__receiver_put_report(receiver, now, out, cap, &len);
        put = true;
    } else if (!receiver->reduced) {
        (void)leat_rtcp_put_rr(out, cap, &len, receiver->ssrc, NULL, 0);
    }
    if (len > 0) {
        (void)leat_rtcp_put_cname(out, cap, &len, receiver->ssrc, receiver->cname);
    }
    for (unsigned kind = 0; kind < LEAT_MEDIA_KINDS; kind++) {
        for (unsigned layer = 0; layer < LEAT_RTP_LAYERS_MAX; layer++) {
            struct source *const source = &receiver->sources[kind][layer];
            if (!source->started) {
                continue;
            }
            put |= leat__source_put_nack(receiver, source, now, out, cap, &len);
            put |= leat__source_put_key_request(receiver, source, now, out, cap, &len);
        }
    }
    put |= leat__receiver_put_twcc(receiver, now, out, cap, &len);
    return put ? len : 0;
}

leat_time leat_rtp_receiver_deadline(const leat_rtp_receiver *receiver)
{
    leat_time due = earlier(receiver->report_due, leat__receiver_judge_deadline(receiver));
    if (receiver->twcc.pending) {
        due = earlier(due, receiver->twcc.due);
    }
    for (unsigned kind = 0; kind < LEAT_MEDIA_KINDS; kind++) {
        for (unsigned layer = 0; layer < LEAT_RTP_LAYERS_MAX; layer++) {
            const struct source *const source = &receiver->sources[kind][layer];
            if (!source->started) {
                continue;
            }
            due = earlier(due, source->nack_due);
            if (source->key.wanted) {
                due = earlier(due, source->key.due);
            }
        }
    }
    return due;
}
