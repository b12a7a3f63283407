/* Clocks. A source's media clock is tied to its publisher's wall time by the publisher's
 * reports, and that wall time to ours by when the reports came; what a viewer is told is in our
 * time, for sound and picture by the same rule, so that it can put them side by side. Called by
 * the owner of the sender. */
#include "rtp_sender_state.h"

#define REPORT_EACH LEAT_SEC
#define STEP_NS LEAT_SEC      /* a wall clock that is off by more was set */
#define LEAST_RISE_NS LEAT_MS /* how fast the least delay forgets: clocks drift */
#define PLAUSIBLE_NS LEAT_SEC /* between two ways to measure the same time */

static int64_t ticks_of(const leat_rtp_sender *sender, int64_t ns)
{
    const int64_t rate = leat__sender_clock_rate(sender), second = (int64_t)LEAT_SEC;
    return ns / second * rate + ns % second * rate / second;
}

static int64_t ns_of(const leat_rtp_sender *sender, int32_t ticks)
{
    return ticks * (int64_t)LEAT_SEC / leat__sender_clock_rate(sender);
}

static const struct sender_report *report_of(const leat_rtp_sender *sender, uint32_t source)
{
    for (unsigned i = 0; i < SENDER_REPORTS; i++) {
        if (sender->reports[i].ntp_ns != 0 && sender->reports[i].source == source) {
            return &sender->reports[i];
        }
    }
    return NULL;
}

/* Of a source that reports: its own, else what is free, or the oldest that is not shown. */
static struct sender_report *report_place(leat_rtp_sender *sender, uint32_t source, leat_time now)
{
    const struct sender_report *const own = report_of(sender, source);
    if (own) {
        return &sender->reports[own - sender->reports];
    }
    struct sender_report *best = NULL;
    uint64_t best_age = 0;
    for (unsigned i = 0; i < SENDER_REPORTS; i++) {
        struct sender_report *const report = &sender->reports[i];
        const bool is_shown =
            sender->change_count > 0 && report->source == leat__sender_current(sender)->source;
        const uint64_t age = now - (report->ntp_ns + report->offset);
        if (report->ntp_ns == 0) {
            return report;
        }
        if (!best || (!is_shown && age > best_age)) {
            best = report;
            best_age = is_shown ? 0 : age;
        }
    }
    return best;
}

void leat_rtp_sender_source_report(leat_rtp_sender *sender, const struct leat_rtp_report *report)
{
    const uint64_t ntp_ns =
        (report->ntp >> 32) * LEAT_SEC + ((report->ntp & UINT32_MAX) * LEAT_SEC >> 32);
    const uint64_t offset = report->received - ntp_ns;
    if (ntp_ns == 0) {
        return; /* a publisher without a clock (RFC 3550, 6.4.1) */
    }
    struct sender_report *const place = report_place(sender, report->source, report->received);
    if (place->ntp_ns == 0 || place->source != report->source) {
        *place = (struct sender_report){.source = report->source, .offset = offset};
    }
    const int64_t later = (int64_t)(offset - place->offset);
    if (later > (int64_t)STEP_NS || later < 0) {
        place->offset = offset;
    } else {
        place->offset += (uint64_t)later < LEAST_RISE_NS ? (uint64_t)later : LEAST_RISE_NS;
    }
    place->ntp_ns = ntp_ns;
    place->timestamp = report->timestamp;
}

int64_t leat__sender_ticks_to(const leat_rtp_sender *sender, const struct leat_rtp_packet *packet)
{
    const struct leat_rtp_change *const last = leat__sender_current(sender);
    const struct sender_report *const from = report_of(sender, last->source);
    const struct sender_report *const to = report_of(sender, packet->source);
    const int64_t received = (int64_t)(packet->received - sender->received_at);
    if (from && to) {
        const uint32_t last_in = sender->timestamp - last->timestamp;
        const int64_t from_ns = ns_of(sender, (int32_t)(last_in - from->timestamp));
        const int64_t to_ns = ns_of(sender, (int32_t)(packet->timestamp - to->timestamp));
        const int64_t reported = (int64_t)(to->ntp_ns - from->ntp_ns) + to_ns - from_ns;
        const int64_t apart = (int64_t)((uint64_t)reported - (uint64_t)received);
        if (apart < (int64_t)PLAUSIBLE_NS && apart > -(int64_t)PLAUSIBLE_NS) {
            return ticks_of(sender, reported);
        }
    }
    return ticks_of(sender, received);
}

/* What the viewer's clock of this stream stands at. */
static uint32_t timestamp_at(const leat_rtp_sender *sender, leat_time now)
{
    const struct leat_rtp_change *const last = leat__sender_current(sender);
    const struct sender_report *const report = report_of(sender, last->source);
    if (report) {
        const uint64_t since = now - (report->ntp_ns + report->offset);
        return report->timestamp + last->timestamp + (uint32_t)ticks_of(sender, (int64_t)since);
    }
    return sender->timestamp + (uint32_t)ticks_of(sender, (int64_t)(now - sender->received_at));
}

size_t leat_rtp_sender_report(leat_rtp_sender *sender, leat_time now, uint64_t ntp_now,
                              const char *cname, uint8_t *out, size_t cap)
{
    size_t len = 0;
    if (now < sender->report_at ||
        !leat_rtcp_put_sr(out, cap, &len, sender->ssrc, ntp_now, timestamp_at(sender, now),
                          (uint32_t)sender->packets, (uint32_t)sender->bytes)) {
        return 0;
    }
    (void)leat_rtcp_put_cname(out, cap, &len, sender->ssrc, cname);
    sender->report_at = now + REPORT_EACH;
    sender->reported_at = now;
    sender->reported_ntp = (uint32_t)(ntp_now >> 16);
    return len;
}

leat_time leat_rtp_sender_deadline(const leat_rtp_sender *sender)
{
    return sender->report_at;
}

size_t leat_rtp_sender_bye(const leat_rtp_sender *sender, uint8_t *out, size_t cap)
{
    size_t len = 0; /* a compound begins with a report (RFC 3550, 6.1) */
    if (!leat_rtcp_put_rr(out, cap, &len, sender->ssrc, NULL, 0) ||
        !leat_rtcp_put_bye(out, cap, &len, sender->ssrc)) {
        return 0;
    }
    return len;
}

void leat_rtp_sender_stats(const leat_rtp_sender *sender, struct leat_rtp_sender_stats *ret)
{
    *ret = (struct leat_rtp_sender_stats){
        .packets = sender->packets,
        .bytes = sender->bytes,
        .repeats = sender->repeats_sent,
        .repeats_unknown = sender->repeats_unknown,
        .repeats_capped = sender->repeats_capped,
        .changes = sender->change_count,
        .round_trip_us = sender->round_trip_us,
        .remb = sender->remb,
        .fraction_lost = sender->fraction_lost,
        .layer = sender->layer,
        .flowing = !sender->waiting,
    };
}
