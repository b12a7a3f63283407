/* VP8 and opus in shape only: flat frames, each with the time it was sent at; a key frame is
 * four times as long. */
#include <openssl/rand.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "load.h"

#define SENT_LEN 1024u /* packets that can be sent again */
#define PACKET_MAX 1300u
#define HEADER_LEN 20u /* RTP with one extension */

struct sent {
    uint16_t sequence;
    size_t len;
    uint8_t bytes[PACKET_MAX];
};

struct client publisher;
struct publisher_counts publisher_counts;
_Atomic bool publisher_stop;

static struct {
    uint16_t video, audio, rtx, transport; /* sequence numbers */
    uint32_t video_time, audio_time;
    uint64_t video_packets, video_bytes, audio_packets, frames;
    bool want_key;
    leat_time last_key;
    struct sent sent[SENT_LEN];
} source;

static void put32(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
}

static void seal(const uint8_t *header, size_t header_len, const uint8_t *prefix, size_t prefix_len,
                 const uint8_t *payload, size_t payload_len)
{
    uint8_t sealed[PACKET_MAX + 64];
    size_t len = 0;
    const struct leat_srtp_packet packet = {.header = header,
                                            .header_len = header_len,
                                            .prefix = prefix,
                                            .prefix_len = prefix_len,
                                            .payload = payload,
                                            .payload_len = payload_len};
    if (leat_srtp_protect(publisher.out, &packet, sealed, sizeof(sealed), &len) == 0) {
        client_send(&publisher, sealed, len);
    }
}

static void send_audio(void)
{
    uint8_t packet[92] = {0x80, RTP_AUDIO};
    packet[2] = (uint8_t)(source.audio >> 8);
    packet[3] = (uint8_t)source.audio++;
    put32(packet + 4, source.audio_time);
    put32(packet + 8, publisher.ssrc + 1);
    memset(packet + 12, 0x5a, sizeof(packet) - 12);
    seal(packet, 12, NULL, 0, packet + 12, sizeof(packet) - 12);
    source.audio_time += 960;
    source.audio_packets++;
}

static void send_video(size_t payload_len, bool first, bool last, bool key)
{
    struct sent *const sent = &source.sent[source.video % SENT_LEN];
    uint8_t *const bytes = sent->bytes;
    uint8_t *const payload = bytes + HEADER_LEN;
    const leat_time now = now_ns();
    const uint8_t header[HEADER_LEN] = {0x90,
                                        (uint8_t)(RTP_VIDEO | (last ? 0x80 : 0)),
                                        (uint8_t)(source.video >> 8),
                                        (uint8_t)source.video,
                                        [12] = 0xbe,
                                        0xde,
                                        0,
                                        1,
                                        0x31,
                                        (uint8_t)(source.transport >> 8),
                                        (uint8_t)source.transport,
                                        0};
    static const uint8_t key_header[] = {0x10, 0x02, 0x00, 0x9d, 0x01,
                                         0x2a, 0x80, 0x02, 0x68, 0x01};
    memcpy(bytes, header, sizeof(header));
    put32(bytes + 4, source.video_time);
    put32(bytes + 8, publisher.ssrc);
    memset(payload, 0, 40);
    payload[0] = first ? 0x10 : 0; /* VP8: S bit */
    if (first && key) {
        memcpy(payload + 1, key_header, sizeof(key_header));
    } else if (first) {
        payload[1] = 0x11; /* P bit */
    }
    memcpy(payload + STAMP_AT, STAMP, 4);
    memcpy(payload + STAMP_AT + 4, &now, sizeof(now));
    sent->sequence = source.video;
    sent->len = HEADER_LEN + payload_len;
    seal(bytes, HEADER_LEN, NULL, 0, payload, payload_len);
    source.video++;
    source.transport++;
    source.video_packets++;
    source.video_bytes += payload_len;
    publisher_counts.packets++;
}

static void send_frame(leat_time now)
{
    bool key = source.last_key == 0 || (source.want_key && now - source.last_key > 300 * LEAT_MS);
    key = key || (options.gop_ms != 0 && now - source.last_key > options.gop_ms * LEAT_MS);
    if (key) {
        source.want_key = false;
        source.last_key = now;
        publisher_counts.key_frames++;
    }
    const size_t size = (size_t)options.kbps * 125 / options.fps * (key ? 4 : 1);
    const size_t count = (size + 1159) / 1160;
    for (size_t i = 0; i < count; i++) {
        const size_t len = size / count;
        send_video(len < 40 ? 40 : len, i == 0, i == count - 1, key);
    }
    source.frames++;
    source.video_time += 90000 / options.fps;
}

static void send_report(void)
{
    struct timespec wall;
    uint8_t out[128];
    size_t len = 0;
    clock_gettime(CLOCK_REALTIME, &wall);
    const uint64_t ntp = leat_rtcp_ntp((uint64_t)wall.tv_sec * LEAT_SEC + (uint64_t)wall.tv_nsec);
    leat_rtcp_put_sr(out, sizeof(out), &len, publisher.ssrc, ntp, source.video_time,
                     (uint32_t)source.video_packets, (uint32_t)source.video_bytes);
    leat_rtcp_put_cname(out, sizeof(out), &len, publisher.ssrc, "load");
    client_send_rtcp(&publisher, out, len);
}

static void send_again(uint16_t sequence)
{
    const struct sent *const sent = &source.sent[sequence % SENT_LEN];
    uint8_t header[HEADER_LEN];
    const uint8_t original[2] = {(uint8_t)(sequence >> 8), (uint8_t)sequence};
    publisher_counts.nacks++;
    if (!options.rtx || sent->len == 0 || sent->sequence != sequence) {
        return;
    }
    memcpy(header, sent->bytes, sizeof(header));
    header[1] = (uint8_t)((header[1] & 0x80) | RTP_RTX);
    header[2] = (uint8_t)(source.rtx >> 8);
    header[3] = (uint8_t)source.rtx++;
    put32(header + 8, publisher.ssrc + 2);
    seal(header, sizeof(header), original, 2, sent->bytes + HEADER_LEN, sent->len - HEADER_LEN);
    publisher_counts.repeats++;
}

static void on_rtcp(const uint8_t *data, size_t len)
{
    uint8_t plain[1500];
    size_t plain_len = 0;
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    if (leat_srtcp_unprotect(publisher.in, data, len, plain, sizeof(plain), &plain_len) != 0) {
        return;
    }
    leat_rtcp_read(&reader, plain, plain_len);
    while (leat_rtcp_next(&reader, &item)) {
        switch (item.kind) {
        case LEAT_RTCP_PLI:
        case LEAT_RTCP_FIR:
            source.want_key = true;
            publisher_counts.pli++;
            break;
        case LEAT_RTCP_NACK:
            send_again(item.nack.packet);
            for (unsigned i = 0; i < 16; i++) {
                if (item.nack.more >> i & 1) {
                    send_again((uint16_t)(item.nack.packet + 1 + i));
                }
            }
            break;
        case LEAT_RTCP_BLOCK:
            publisher_counts.reports++;
            break;
        case LEAT_RTCP_TWCC:
            publisher_counts.twcc++;
            break;
        default:
            break;
        }
    }
}

static void receive(void)
{
    uint8_t data[2048];
    for (;;) {
        const ssize_t len = recv(publisher.fd, data, sizeof(data), MSG_DONTWAIT);
        if (len <= 0) {
            return;
        }
        if (publisher.state == CLIENT_UP && leat_rtcp_is(data, (size_t)len)) {
            on_rtcp(data, (size_t)len);
        } else {
            client_control(&publisher, data, (size_t)len);
        }
    }
}

void *publisher_main(void *arg)
{
    leat_time next_frame = 0, next_audio = 0, next_report = 0, begin = 0;
    (void)arg;
    RAND_bytes((unsigned char *)&source, 3 * sizeof(uint16_t));
    source.video &= 0x7fff;
    source.audio &= 0x7fff;
    source.rtx &= 0x7fff;
    while (!publisher_stop && publisher.state != CLIENT_DEAD) {
        leat_time now = now_ns();
        client_tick(&publisher, now);
        if (publisher.state == CLIENT_UP && begin == 0) {
            begin = next_frame = next_audio = next_report = now;
        }
        if (begin != 0 && now >= next_audio) {
            send_audio();
            next_audio += 20 * LEAT_MS;
        }
        if (begin != 0 && now >= next_frame) {
            send_frame(now);
            next_frame = begin + source.frames * LEAT_SEC / options.fps;
        }
        if (begin != 0 && now >= next_report) {
            send_report();
            next_report = now + LEAT_SEC;
        }
        leat_time wait = 5 * LEAT_MS;
        if (begin != 0) {
            const leat_time next = next_frame < next_audio ? next_frame : next_audio;
            now = now_ns();
            wait = next > now ? next - now : 0;
            wait = wait > 5 * LEAT_MS ? 5 * LEAT_MS : wait;
        }
        const struct timespec timeout = {.tv_nsec = (long)wait};
        struct pollfd poll = {.fd = publisher.fd, .events = POLLIN};
        if (ppoll(&poll, 1, &timeout, NULL) > 0) {
            receive();
        }
    }
    return NULL;
}
