/* Counts what arrives by its clear header; decrypts repeats, and one packet in --decrypt for
 * latency. */
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

#define READ_MAX 64u /* datagrams, or trains, before another viewer has its turn */
#define PATIENCE_NS LEAT_SEC

_Atomic bool measuring;
uint64_t latency[LATENCY_SLOTS + 1];
double latency_max_ms;

static struct stream *stream_of(struct viewer *viewer, uint32_t ssrc, uint8_t type)
{
    for (unsigned i = 0; i < viewer->streams_len; i++) {
        if (viewer->streams[i].ssrc == ssrc) {
            return &viewer->streams[i];
        }
    }
    if (viewer->streams_len == sizeof(viewer->streams) / sizeof(viewer->streams[0])) {
        return NULL;
    }
    struct stream *const made = &viewer->streams[viewer->streams_len++];
    memset(made, 0, sizeof(*made));
    made->ssrc = ssrc;
    made->type = type;
    return made;
}

static void missing_remove(struct viewer *viewer, struct stream *stream, unsigned at)
{
    viewer->counts.missing -= stream->type == RTP_VIDEO;
    stream->missing[at] = stream->missing[--stream->missing_len];
}

/* A packet that is not the newest: one that was missing, or one too many. */
static void fill(struct viewer *viewer, struct stream *stream, uint16_t sequence)
{
    for (unsigned i = 0; i < stream->missing_len; i++) {
        if (stream->missing[i].sequence == sequence) {
            missing_remove(viewer, stream, i);
            viewer->counts.repaired += stream->type == RTP_VIDEO;
            return;
        }
    }
    viewer->counts.duplicates++;
}

static void give_up(struct viewer *viewer, struct stream *stream)
{
    stream->lost++;
    *(stream->type == RTP_VIDEO ? &viewer->counts.lost : &viewer->counts.audio_lost) += 1;
}

static void count(struct viewer *viewer, struct stream *stream, uint16_t sequence, leat_time now)
{
    if (!stream->begun) {
        stream->begun = true;
        stream->highest = sequence;
        return;
    }
    const int16_t ahead = (int16_t)(sequence - stream->highest);
    if (ahead <= 0) {
        fill(viewer, stream, sequence);
        return;
    }
    const bool video = stream->type == RTP_VIDEO;
    for (uint16_t one = (uint16_t)(stream->highest + 1); one != sequence; one++) {
        viewer->counts.gaps += video;
        if (stream->missing_len == MISSING_MAX) {
            give_up(viewer, stream);
            continue;
        }
        viewer->counts.missing += video;
        stream->missing[stream->missing_len].sequence = one;
        stream->missing[stream->missing_len].asked = 0;
        stream->missing[stream->missing_len++].since = now;
    }
    stream->cycles += sequence < stream->highest;
    stream->highest = sequence;
}

static void stamp_read(const uint8_t *plain, size_t len, const struct leat_rtp_header *header,
                       leat_time now)
{
    const uint8_t *const payload = plain + header->header_len;
    leat_time sent;
    if (!measuring || len < header->header_len + STAMP_AT + 12 ||
        memcmp(payload + STAMP_AT, STAMP, 4) != 0) {
        return;
    }
    memcpy(&sent, payload + STAMP_AT + 4, sizeof(sent));
    const double ms = (double)(now - sent) / 1e6;
    const size_t slot = ms < 0 ? 0 : (size_t)(ms * 10);
    latency[slot < LATENCY_SLOTS ? slot : LATENCY_SLOTS]++;
    latency_max_ms = ms > latency_max_ms ? ms : latency_max_ms;
}

static void on_rtp(struct viewer *viewer, const uint8_t *data, size_t len, leat_time now)
{
    uint8_t plain[2048];
    size_t plain_len = 0;
    struct leat_rtp_header header;
    const uint8_t type = data[1] & 0x7f;
    const uint16_t sequence = (uint16_t)(data[2] << 8 | data[3]);
    const uint32_t ssrc =
        (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 | (uint32_t)data[10] << 8 | data[11];
    viewer->counts.packets++;
    viewer->counts.bytes += len;
    if (viewer->client.first == 0) {
        viewer->client.first = now;
    }
    struct stream *const stream = stream_of(viewer, ssrc, type);
    if (stream == NULL) {
        return;
    }
    const bool repeat = type == RTP_RTX;
    if (repeat || (options.decrypt != 0 && viewer->counts.packets % options.decrypt == 0)) {
        if (leat_srtp_unprotect(viewer->client.in, data, len, plain, sizeof(plain), &plain_len) !=
                0 ||
            leat_rtp_parse(plain, plain_len, &header) != 0) {
            viewer->counts.unauthentic++;
            return;
        }
        if (!repeat) {
            stamp_read(plain, plain_len, &header, now);
        }
    }
    if (!repeat) {
        count(viewer, stream, sequence, now);
        return;
    }
    viewer->counts.repeats++;
    for (unsigned i = 0; i < viewer->streams_len && header.payload_len >= 2; i++) {
        if (viewer->streams[i].type == RTP_VIDEO) {
            const uint8_t *const original = plain + header.header_len;
            fill(viewer, &viewer->streams[i], (uint16_t)(original[0] << 8 | original[1]));
        }
    }
}

static void on_rtcp(struct viewer *viewer, const uint8_t *data, size_t len, leat_time now)
{
    uint8_t plain[2048];
    size_t plain_len = 0;
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    if (leat_srtcp_unprotect(viewer->client.in, data, len, plain, sizeof(plain), &plain_len) != 0) {
        viewer->counts.unauthentic++;
        return;
    }
    leat_rtcp_read(&reader, plain, plain_len);
    while (leat_rtcp_next(&reader, &item)) {
        for (unsigned i = 0; item.kind == LEAT_RTCP_SENDER_REPORT && i < viewer->streams_len; i++) {
            if (viewer->streams[i].ssrc == item.sender) {
                viewer->streams[i].last_sr = (uint32_t)(item.report.ntp >> 16);
                viewer->streams[i].last_sr_at = now;
                viewer->counts.reports++;
            }
        }
    }
}

static void on_datagram(struct viewer *viewer, const uint8_t *data, size_t len)
{
    const leat_time now = now_ns();
    const bool is_rtp = len >= 12 && (data[0] & 0xc0) == 0x80;
    if (!is_rtp) {
        client_control(&viewer->client, data, len);
    } else if (viewer->client.state != CLIENT_UP) {
        return;
    } else if (leat_rtcp_is(data, len)) {
        on_rtcp(viewer, data, len, now);
    } else {
        viewer->random = viewer->random * 1664525u + 1013904223u;
        if (options.drop == 0 || (double)(viewer->random >> 8) / 16777216.0 * 100 >= options.drop) {
            on_rtp(viewer, data, len, now);
        }
    }
}

/* The length of the datagrams of a train, 0: it is one. */
static size_t segment_of(struct msghdr *message)
{
    for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one != NULL;
         one = CMSG_NXTHDR(message, one)) {
        if (one->cmsg_level == IPPROTO_UDP && one->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(one), sizeof(size));
            return (size_t)size;
        }
    }
    return 0;
}

void viewer_read(struct viewer *viewer)
{
    static uint8_t data[65536];
    char control[CMSG_SPACE(sizeof(int))];
    for (unsigned i = 0; i < READ_MAX; i++) {
        struct iovec where = {.iov_base = data, .iov_len = sizeof(data)};
        struct msghdr message = {.msg_iov = &where,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        const ssize_t len = options.gro ? recvmsg(viewer->client.fd, &message, MSG_DONTWAIT)
                                        : recv(viewer->client.fd, data, sizeof(data), MSG_DONTWAIT);
        if (len <= 0) {
            return;
        }
        size_t segment = options.gro ? segment_of(&message) : 0;
        segment = segment == 0 ? (size_t)len : segment;
        for (size_t at = 0; at < (size_t)len; at += segment) {
            on_datagram(viewer, data + at, (size_t)len - at < segment ? (size_t)len - at : segment);
        }
    }
}

/* ---- what is said ---- */

static void report(struct viewer *viewer, leat_time now, uint8_t *out, size_t cap, size_t *len)
{
    struct leat_rtcp_block blocks[3];
    size_t blocks_len = 0;
    for (unsigned i = 0; i < viewer->streams_len; i++) {
        const struct stream *const stream = &viewer->streams[i];
        if (stream->type == RTP_RTX) {
            continue;
        }
        blocks[blocks_len++] = (struct leat_rtcp_block){
            .ssrc = stream->ssrc,
            .lost = (int32_t)(stream->lost + stream->missing_len),
            .highest = stream->cycles << 16 | stream->highest,
            .last_sr = stream->last_sr,
            .delay = stream->last_sr != 0
                         ? (uint32_t)((now - stream->last_sr_at) * 65536 / LEAT_SEC)
                         : 0,
        };
    }
    leat_rtcp_put_rr(out, cap, len, viewer->client.ssrc, blocks, blocks_len);
    leat_rtcp_put_cname(out, cap, len, viewer->client.ssrc, "load");
}

static int compare(const void *a, const void *b)
{
    return (int)(int16_t)(*(const uint16_t *)a - *(const uint16_t *)b);
}

/* What is missing for a second is lost; what was asked for 100 ms ago is asked for again. */
static void ask(struct viewer *viewer, struct stream *stream, leat_time now)
{
    uint16_t wanted[MISSING_MAX];
    size_t wanted_len = 0, taken = 0, len = 0;
    uint8_t out[1200];
    for (unsigned i = 0; i < stream->missing_len;) {
        const leat_time age = now - stream->missing[i].since;
        if (age > PATIENCE_NS || stream->type != RTP_VIDEO) {
            give_up(viewer, stream);
            missing_remove(viewer, stream, i);
            continue;
        }
        if (age >= stream->missing[i].asked * 100 * LEAT_MS + 5 * LEAT_MS) {
            stream->missing[i].asked++;
            wanted[wanted_len++] = stream->missing[i].sequence;
        }
        i++;
    }
    if (wanted_len == 0) {
        return;
    }
    qsort(wanted, wanted_len, sizeof(wanted[0]), compare);
    report(viewer, now, out, sizeof(out), &len);
    leat_rtcp_put_nack(out, sizeof(out), &len, viewer->client.ssrc, stream->ssrc, wanted,
                       wanted_len, &taken);
    viewer->counts.nacks += taken;
    client_send_rtcp(&viewer->client, out, len);
}

void viewer_tick(struct viewer *viewer, leat_time now)
{
    client_tick(&viewer->client, now);
    if (viewer->client.state != CLIENT_UP) {
        return;
    }
    if (now >= viewer->next_report) {
        uint8_t out[256];
        size_t len = 0;
        viewer->next_report = now + LEAT_SEC;
        report(viewer, now, out, sizeof(out), &len);
        client_send_rtcp(&viewer->client, out, len);
    }
    if (now >= viewer->next_nack) {
        viewer->next_nack = now + 10 * LEAT_MS;
        for (unsigned i = 0; i < viewer->streams_len; i++) {
            if (viewer->streams[i].missing_len > 0) {
                ask(viewer, &viewer->streams[i], now);
            }
        }
    }
}
