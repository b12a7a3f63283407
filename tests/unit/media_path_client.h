/* Clients of the media path as actors of a simulated runtime: a publisher that makes VP8 and opus and repeats what is NACKed, a
 * viewer that NACKs and remembers what it was shown. Each packet's payload says what it is, so a viewer can tell.
 *
 * A test owns struct client and looks into it between two runs of the simulation. */
#ifndef LEAT_TESTS_MEDIA_PATH_CLIENT_H
#define LEAT_TESTS_MEDIA_PATH_CLIENT_H

#include <stdio.h>
#include <stdlib.h>

#include <leat/leat.h>

#include "webrtc_client.h"

enum { CLIENT_SEEN_MAX = 8192, CLIENT_SENT_MAX = 1024, CLIENT_QUEUE_MAX = 512 };

#define CLIENT_MAGIC 0x6c656174u

/* What a payload says behind the codec's own bytes. */
struct client_mark {
    uint32_t magic;
    uint32_t frame; /* of this layer, from 0 */
    uint16_t packet, packets;
    uint8_t layer, kind, take, zero; /* take: which publisher */
};

struct client_datagram {
    uint8_t bytes[1500];
    uint32_t len;
};

/* One packet a viewer got. */
struct client_seen {
    bool got;
    bool marker, start, key;
    uint16_t picture_id;
    uint32_t timestamp;
    leat_time at;
    struct client_mark mark;
};

/* One SSRC that a viewer watches. */
struct client_track {
    uint32_t ssrc, rtx_ssrc;
    uint8_t payload_type, rtx;
    uint64_t base;          /* of seen, asked; 0: nothing yet */
    uint64_t first, newest; /* extended; 0: nothing to begin with yet */
    struct client_seen seen[CLIENT_SEEN_MAX];
    leat_time asked[CLIENT_SEEN_MAX]; /* NACK sent */
    unsigned nacks, repeats, duplicates;
    unsigned reports; /* SR */
    unsigned plis;
    bool is_video;
    bool no_key; /* something came, but no key frame */
    leat_time next_pli;
};

/* One SSRC that a publisher sends. */
struct client_source {
    uint32_t ssrc, rtx_ssrc;
    uint16_t sequence, rtx_sequence;
    uint32_t timestamp, frame;
    bool want_key, off;
    struct client_datagram sent[CLIENT_SENT_MAX]; /* plaintext, by sequence */
};

struct client {
    struct webrtc_client rtc;
    struct leat_addr server;
    leat_ref ref;
    leat_sock sock;
    bool is_publisher;
    bool vanished;   /* says nothing more */
    bool babbles;    /* and sends garbage besides */
    bool no_dtls;    /* answers checks, and no more */
    bool floods;     /* of a publisher: many times the frames */
    bool move;       /* another socket is to be used from now on */
    unsigned astray; /* datagrams from where nothing was sent to */
    uint64_t random;
    uint16_t port;       /* to bind; 0: any */
    uint16_t packet_len; /* of video payloads, but for a frame\'s last; 0: 1000 */
    bool connected;
    bool no_rtx;
    bool closed; /* DTLS said so */
    uint8_t layers, take;
    leat_time stop_at; /* media; 0: never */
    leat_time next_check, next_audio, next_video, next_nack, connected_at;
    uint32_t queue_head, queue_len;
    struct client_datagram queue[CLIENT_QUEUE_MAX];
    uint16_t picture_id;
    unsigned plis, nacked, byes;
    uint64_t rtcp_dropped, srtp_dropped, received;
    struct client_source audio, video[LEAT_RTP_LAYERS_MAX];
    struct client_track tracks[LEAT_MEDIA_KINDS];
};

/* ---- sending ---- */

static inline void client_put(struct client *client, const uint8_t *bytes, size_t len)
{
    if (client->queue_len == CLIENT_QUEUE_MAX || len > sizeof(client->queue[0].bytes)) {
        abort();
    }
    struct client_datagram *slot =
        &client->queue[(client->queue_head + client->queue_len++) % CLIENT_QUEUE_MAX];
    memcpy(slot->bytes, bytes, len);
    slot->len = (uint32_t)len;
}

static inline void client_flush(struct client *client)
{
    const uint8_t *data;
    size_t len;
    if (client->rtc.reply_len > 0) {
        client_put(client, client->rtc.reply, client->rtc.reply_len);
        client->rtc.reply_len = 0;
    }
    while (client->rtc.dtls != NULL && leat_dtls_transmit(client->rtc.dtls, &data, &len)) {
        client_put(client, data, len);
    }
}

static inline void client_protect(struct client *client, const uint8_t *packet, size_t len)
{
    uint8_t sealed[1500];
    size_t sealed_len;
    const struct leat_srtp_packet clear = {
        .header = packet, .header_len = 12, .payload = packet + 12, .payload_len = len - 12};
    if (leat_srtp_protect(client->rtc.out, &clear, sealed, sizeof(sealed), &sealed_len) != 0) {
        abort();
    }
    client_put(client, sealed, sealed_len);
}

static inline void client_rtcp(struct client *client, const uint8_t *rtcp, size_t len)
{
    uint8_t sealed[1500];
    size_t sealed_len;
    if (leat_srtcp_protect(client->rtc.out, rtcp, len, sealed, sizeof(sealed), &sealed_len) != 0) {
        abort();
    }
    client_put(client, sealed, sealed_len);
}

/* ---- a publisher ---- */

enum { CLIENT_VP8 = 96, CLIENT_VP8_RTX = 97, CLIENT_OPUS = 111 };

static inline void client_header(uint8_t *out, uint8_t payload_type, bool marker, uint16_t sequence,
                                 uint32_t timestamp, uint32_t ssrc)
{
    const uint8_t header[12] = {0x80,
                                (uint8_t)(payload_type | (marker ? 0x80 : 0)),
                                (uint8_t)(sequence >> 8),
                                (uint8_t)sequence,
                                (uint8_t)(timestamp >> 24),
                                (uint8_t)(timestamp >> 16),
                                (uint8_t)(timestamp >> 8),
                                (uint8_t)timestamp,
                                (uint8_t)(ssrc >> 24),
                                (uint8_t)(ssrc >> 16),
                                (uint8_t)(ssrc >> 8),
                                (uint8_t)ssrc};
    memcpy(out, header, sizeof(header));
}

static inline void client_send_media(struct client *client, struct client_source *source,
                                     uint8_t payload_type, bool marker, const uint8_t *payload,
                                     size_t len)
{
    struct client_datagram *kept = &source->sent[source->sequence % CLIENT_SENT_MAX];
    client_header(kept->bytes, payload_type, marker, source->sequence, source->timestamp,
                  source->ssrc);
    memcpy(kept->bytes + 12, payload, len);
    kept->len = (uint32_t)(12 + len);
    client_protect(client, kept->bytes, kept->len);
    source->sequence++;
}

/* A frame of a layer: 2, 4 or 8 packets, all as long but the last. */
static inline void client_send_frame(struct client *client, uint8_t layer)
{
    struct client_source *source = &client->video[layer];
    const bool key = source->want_key || source->frame == 0;
    const uint16_t packets = (uint16_t)(2u << layer);
    for (uint16_t i = 0; i < packets; i++) {
        uint8_t payload[1400] = {(uint8_t)(0x80 | (i == 0 ? 0x10 : 0)), 0x80,
                                 (uint8_t)(0x80 | (client->picture_id >> 8 & 0x7f)),
                                 (uint8_t)client->picture_id};
        const uint8_t tag[10] = {key ? 0 : 1,
                                 0,
                                 0,
                                 0x9d,
                                 0x01,
                                 0x2a,
                                 (uint8_t)(160 << layer),
                                 (uint8_t)((160 << layer) >> 8),
                                 (uint8_t)(90 << layer),
                                 (uint8_t)((90 << layer) >> 8)};
        const struct client_mark mark = {.magic = CLIENT_MAGIC,
                                         .frame = source->frame,
                                         .packet = i,
                                         .packets = packets,
                                         .layer = layer,
                                         .kind = LEAT_MEDIA_VIDEO,
                                         .take = client->take};
        memcpy(payload + 4, tag, sizeof(tag));
        memcpy(payload + 14, &mark, sizeof(mark));
        client_send_media(client, source, CLIENT_VP8, i + 1 == packets, payload,
                          i + 1 == packets ? 900 : client->packet_len);
    }
    source->want_key = false;
    source->frame++;
    source->timestamp += 3600; /* 40 ms */
}

static inline void client_send_audio(struct client *client)
{
    uint8_t payload[80] = {0};
    const struct client_mark mark = {.magic = CLIENT_MAGIC,
                                     .frame = client->audio.frame++,
                                     .packets = 1,
                                     .kind = LEAT_MEDIA_AUDIO,
                                     .take = client->take};
    memcpy(payload + 14, &mark, sizeof(mark));
    client_send_media(client, &client->audio, CLIENT_OPUS, false, payload, sizeof(payload));
    client->audio.timestamp += 960;
}

static inline void client_send_report(struct client *client, struct client_source *source,
                                      leat_time now)
{
    uint8_t rtcp[256];
    size_t len = 0;
    leat_rtcp_put_sr(rtcp, sizeof(rtcp), &len, source->ssrc,
                     leat_rtcp_ntp(UINT64_C(1800000000) * LEAT_SEC + now), source->timestamp,
                     source->sequence, 1000);
    leat_rtcp_put_cname(rtcp, sizeof(rtcp), &len, source->ssrc, "client");
    client_rtcp(client, rtcp, len);
}

static inline struct client_source *client_source_of(struct client *client, uint32_t ssrc)
{
    for (uint32_t i = 0; i < client->layers; i++) {
        if (client->video[i].ssrc == ssrc) {
            return &client->video[i];
        }
    }
    return client->audio.ssrc == ssrc ? &client->audio : NULL;
}

/* Once more, as a retransmission stream where there is one. */
static inline void client_repeat(struct client *client, struct client_source *source,
                                 uint16_t sequence)
{
    const struct client_datagram *kept = &source->sent[sequence % CLIENT_SENT_MAX];
    uint8_t packet[1500];
    if (kept->len == 0 || kept->bytes[2] != sequence >> 8 || kept->bytes[3] != (sequence & 0xff)) {
        return;
    }
    client->nacked++;
    if (source->rtx_ssrc == 0) {
        return; /* not to be repeated: audio's loss stays */
    }
    client_header(packet, CLIENT_VP8_RTX, kept->bytes[1] >> 7, source->rtx_sequence++, 0,
                  source->rtx_ssrc);
    memcpy(packet + 4, kept->bytes + 4, 4);
    packet[12] = kept->bytes[2];
    packet[13] = kept->bytes[3];
    memcpy(packet + 14, kept->bytes + 12, kept->len - 12);
    client_protect(client, packet, kept->len + 2);
}

static inline void client_on_feedback(struct client *client, const struct leat_rtcp_item *item)
{
    struct client_source *source = client_source_of(client, item->media);
    if (item->kind == LEAT_RTCP_PLI && source != NULL) {
        source->want_key = true;
        client->plis++;
    } else if (item->kind == LEAT_RTCP_NACK && source != NULL) {
        client_repeat(client, source, item->nack.packet);
        for (uint16_t bit = 0; bit < 16; bit++) {
            if (item->nack.more >> bit & 1) {
                client_repeat(client, source, (uint16_t)(item->nack.packet + 1 + bit));
            }
        }
    }
}

/* ---- a viewer ---- */

static inline struct client_seen *client_seen_at(const struct client_track *track, uint64_t index)
{
    return (struct client_seen *)&track->seen[index - track->base];
}

static inline void client_note(struct client_track *track, uint16_t sequence, uint32_t timestamp,
                               bool marker, const uint8_t *payload, size_t len, leat_time now)
{
    if (track->base == 0) {
        track->newest = 65536 + (uint64_t)sequence;
        track->base = track->newest - 256;
    }
    const uint64_t index = leat_rtp_extend(track->newest, sequence);
    if (index < track->base || index - track->base >= CLIENT_SEEN_MAX) {
        return;
    }
    struct client_seen *seen = client_seen_at(track, index);
    track->duplicates += seen->got;
    *seen = (struct client_seen){.got = true, .marker = marker, .timestamp = timestamp, .at = now};
    if (len >= 14 + sizeof(seen->mark)) {
        memcpy(&seen->mark, payload + 14, sizeof(seen->mark));
        seen->start = (payload[0] & 0x10) != 0;
        seen->key = seen->start && (payload[4] & 1) == 0;
        seen->picture_id = (uint16_t)((payload[2] & 0x7f) << 8 | payload[3]);
    }
    track->newest = index > track->newest ? index : track->newest;
    if (track->first == 0 && (seen->key || !track->is_video)) {
        track->first = index; /* what came before there were keys is lost; it begins where it can */
    }
    track->no_key = track->first == 0;
}

static inline void client_on_rtp(struct client *client, const uint8_t *data, size_t len,
                                 leat_time now)
{
    uint8_t plain[1500];
    size_t plain_len;
    struct leat_rtp_header header;
    if (leat_srtp_unprotect(client->rtc.in, data, len, plain, sizeof(plain), &plain_len) != 0 ||
        leat_rtp_parse(plain, plain_len, &header) != 0) {
        client->srtp_dropped++;
        return;
    }
    client->received++;
    for (uint32_t i = 0; i < LEAT_MEDIA_KINDS; i++) {
        struct client_track *track = &client->tracks[i];
        const uint8_t *payload = plain + header.header_len;
        if (header.ssrc == track->ssrc && header.payload_type == track->payload_type) {
            client_note(track, header.sequence, header.timestamp, header.marker, payload,
                        header.payload_len, now);
        } else if (track->rtx_ssrc != 0 && header.ssrc == track->rtx_ssrc &&
                   header.payload_type == track->rtx && header.payload_len > 2) {
            track->repeats++;
            client_note(track, (uint16_t)(payload[0] << 8 | payload[1]), header.timestamp,
                        header.marker, payload + 2, header.payload_len - 2u, now);
        }
    }
}

static inline void client_nack(struct client *client, struct client_track *track, leat_time now)
{
    uint16_t missing[64];
    size_t count = 0;
    for (uint64_t i = track->first; track->first != 0 && i < track->newest && count < 64; i++) {
        const uint64_t at = i - track->base;
        if (!track->seen[at].got &&
            (track->asked[at] == 0 || now - track->asked[at] >= 60 * LEAT_MS)) {
            missing[count++] = (uint16_t)i;
            track->asked[at] = now;
        }
    }
    if (track->no_key && now >= track->next_pli) {
        uint8_t rtcp[64];
        size_t len = 0;
        track->next_pli = now + 300 * LEAT_MS;
        track->plis++;
        leat_rtcp_put_pli(rtcp, sizeof(rtcp), &len, 77, track->ssrc);
        client_rtcp(client, rtcp, len);
    }
    if (count > 0) {
        uint8_t rtcp[600];
        size_t len = 0, taken;
        leat_rtcp_put_rr(rtcp, sizeof(rtcp), &len, 77, NULL, 0);
        leat_rtcp_put_nack(rtcp, sizeof(rtcp), &len, 77, track->ssrc, missing, count, &taken);
        client_rtcp(client, rtcp, len);
        track->nacks++;
    }
}

/* ---- both ---- */

static inline void client_on_rtcp(struct client *client, const uint8_t *data, size_t len)
{
    uint8_t plain[1500];
    size_t plain_len;
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    if (leat_srtcp_unprotect(client->rtc.in, data, len, plain, sizeof(plain), &plain_len) != 0) {
        client->rtcp_dropped++;
        return;
    }
    leat_rtcp_read(&reader, plain, plain_len);
    while (leat_rtcp_next(&reader, &item)) {
        client->byes += item.kind == LEAT_RTCP_BYE;
        for (uint32_t i = 0; i < LEAT_MEDIA_KINDS; i++) {
            client->tracks[i].reports +=
                item.kind == LEAT_RTCP_SENDER_REPORT && item.sender == client->tracks[i].ssrc;
        }
        client_on_feedback(client, &item);
    }
}

static inline void client_on_datagram(struct client *client, const uint8_t *data, size_t len,
                                      leat_time now)
{
    if (client->vanished) {
        return;
    }
    if (leat_stun_is(data, len) || leat_dtls_is(data, len)) {
        webrtc_client_receive(&client->rtc, now, data, len);
        if (client->rtc.answered > 0 && client->rtc.dtls == NULL && client->rtc.active &&
            !client->no_dtls) {
            webrtc_client_receive(&client->rtc, now, NULL, 0); /* opens it */
        }
        if (!client->connected && client->rtc.out != NULL) {
            client->connected = true;
            client->connected_at = now;
            client->next_audio = client->next_video = client->next_nack = now + 10 * LEAT_MS;
        }
        client->closed |=
            client->rtc.dtls != NULL && leat_dtls_state(client->rtc.dtls, NULL) == LEAT_DTLS_CLOSED;
    } else if (client->rtc.in == NULL) {
        client->srtp_dropped++;
    } else if (leat_rtcp_is(data, len)) {
        client_on_rtcp(client, data, len);
    } else {
        client_on_rtp(client, data, len, now);
    }
}

static inline void client_publish(struct client *client, leat_time now)
{
    for (int i = 0; client->floods && i < 6; i++) {
        client->picture_id++;
        client_send_frame(client, 2);
    }
    if (client->stop_at != 0 && now >= client->stop_at) {
        return;
    }
    if (now >= client->next_audio) {
        client->next_audio += 20 * LEAT_MS;
        client_send_audio(client);
    }
    if (now >= client->next_video) {
        client->next_video += 40 * LEAT_MS;
        client->picture_id++;
        for (uint8_t i = 0; i < client->layers; i++) {
            if (!client->video[i].off) {
                client_send_frame(client, i);
                if (client->video[i].frame % 25 == 1) {
                    client_send_report(client, &client->video[i], now);
                }
            }
        }
    }
}

/* Anything: with the first bytes of STUN, DTLS, RTP and RTCP, of all lengths; and what was sent before, changed. */
static inline void client_babble(struct client *client)
{
    static const uint8_t first[8] = {0, 1, 20, 22, 23, 0x80, 0x81, 0xff};
    for (int i = 0; i < 5; i++) {
        uint8_t bytes[1400];
        uint64_t at = client->random;
        for (size_t j = 0; j < sizeof(bytes); j++) {
            at = at * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[j] = (uint8_t)(at >> 56);
        }
        client->random = at;
        bytes[0] = first[bytes[1] % 8];
        if (bytes[2] & 1) { /* it looks more like it */
            const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};
            memcpy(bytes + 4, cookie, 4);
            bytes[1] = bytes[0] >= 0x80 && (bytes[3] & 1) ? 200 : bytes[1];
        }
        client_put(client, bytes, 1 + (bytes[5] * 8u + bytes[6]) % (sizeof(bytes) - 1));
    }
    const struct client_datagram *kept = &client->queue[client->random % CLIENT_QUEUE_MAX];
    if (kept->len > 20) {
        struct client_datagram copy = *kept;
        copy.bytes[client->random / 7 % copy.len] ^= (uint8_t)(client->random >> 13 & 1);
        client_put(client, copy.bytes, copy.len);
    }
}

static inline void client_tick(struct client *client, leat_time now)
{
    if (client->vanished) {
        return;
    }
    if (client->babbles) {
        client_babble(client);
    }
    if (now >= client->next_check) {
        uint8_t data[LEAT_ICE_CHECK_MAX];
        client->next_check = now + (client->connected ? 2 * LEAT_SEC : 50 * LEAT_MS);
        client_put(client, data, webrtc_client_check(&client->rtc, true, data, sizeof(data)));
    }
    if (client->rtc.dtls != NULL) {
        leat_dtls_timeout(client->rtc.dtls, now);
    }
    if (client->connected && client->is_publisher) {
        client_publish(client, now);
    } else if (client->connected && now >= client->next_nack) {
        client->next_nack = now + 20 * LEAT_MS;
        client_nack(client, &client->tracks[LEAT_MEDIA_VIDEO], now);
    }
}

/* ---- the actor ---- */

struct client_actor {
    struct client *client;
    leat_time tick_at, stop_at;
    bool opened;
};

static inline int client_init(void *state, const void *arg, leat_time now)
{
    struct client_actor *self = state;
    memcpy(&self->client, arg, sizeof(self->client));
    self->client->ref = leat_self(self);
    self->tick_at = LEAT_NEVER;
    self->stop_at = LEAT_NEVER;
    self->client->next_check = now;
    return 0;
}

static inline void client_on_event(void *state, const struct leat_event *event)
{
    struct client_actor *self = state;
    struct client *client = self->client;
    switch (event->kind) {
    case LEAT_EVENT_OPENED:
        client->sock = event->sock;
        client->rtc.address = event->opened.local;
        client->next_check = event->now;
        self->tick_at = event->now;
        break;
    case LEAT_EVENT_DATA:
        client->astray += !leat_addr_equal(&event->data.peer, &client->server);
        client_on_datagram(client, leat_slice_data(event->data.body), event->data.body.len,
                           event->now);
        client_flush(client);
        break;
    case LEAT_EVENT_DEADLINE:
        self->tick_at = event->now + 5 * LEAT_MS;
        client_tick(client, event->now);
        client_flush(client);
        break;
    case LEAT_EVENT_SHUTDOWN: /* to hear of goodbyes */
        self->stop_at = event->now + 100 * LEAT_MS;
        break;
    default:
        break;
    }
}

static inline bool client_pop(void *state, leat_time now, struct leat_output *ret)
{
    struct client_actor *self = state;
    struct client *client = self->client;
    if (!self->opened || client->move) {
        struct leat_addr any;
        leat_addr_from_host(leat_addr_is_v4(&client->server) ? "127.0.0.1" : "::1", client->port,
                            &any);
        leat_output_open(ret, &any, 0);
        self->opened = true;
        client->move = false;
        return true;
    }
    if (client->queue_len > 0 && !client->vanished) {
        const struct client_datagram *datagram = &client->queue[client->queue_head];
        leat_slice body;
        if (leat_buf_alloc(datagram->len, &body) != 0) {
            abort();
        }
        memcpy(leat_slice_data(body), datagram->bytes, datagram->len);
        client->queue_head = (client->queue_head + 1) % CLIENT_QUEUE_MAX;
        client->queue_len--;
        leat_output_data(ret, client->sock, &client->server, body);
        leat_output_wait(ret);
        return true;
    }
    if (now >= self->stop_at) {
        leat_output_stop(ret);
        return true;
    }
    return false;
}

static inline leat_time client_deadline(const void *state)
{
    return ((const struct client_actor *)state)->tick_at;
}

static const struct leat_behavior client_behavior = {
    .name = "client",
    .state_size = sizeof(struct client_actor),
    .mailbox_len_max = 8192,
    .init = client_init,
    .on_event = client_on_event,
    .pop_output = client_pop,
    .deadline = client_deadline,
};

#endif
