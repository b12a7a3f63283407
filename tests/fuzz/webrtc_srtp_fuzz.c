/* A sender and a receiver, and somebody who has the wire: the input is a program of what is sealed,
 * and of what is delivered: once, again, changed, or bytes of the input.
 * Properties: no order of calls aborts; the same key stream never covers two different packets, in
 * their headers or payloads; the receiver opens only what was sealed, as it was, and once. */
#include <leat/srtp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { PACKETS_MAX = 256, PAYLOAD_LEN = 24, PLAIN_MAX = 128, SEALED_MAX = 160, STREAM_LEN = 16 };

struct sealed {
    bool is_rtcp;
    uint8_t plain[PLAIN_MAX], sealed[SEALED_MAX];
    size_t plain_len, sealed_len;
    uint8_t stream[STREAM_LEN]; /* of the key, over the first bytes that are encrypted */
    bool is_opened;
};

struct scene {
    enum leat_srtp_profile profile;
    leat_srtp *sender, *receiver;
    const uint8_t *data; /* what is left of the input */
    size_t size;
    uint16_t seq;
    struct sealed packets[PACKETS_MAX];
    size_t count;
};

static unsigned take(struct scene *s)
{
    if (s->size == 0) {
        return 0;
    }
    s->size--;
    return *s->data++;
}

/* ---- sealing ---- */

/* The plaintext starts at the same place in both. */
static void keep(struct scene *s, const struct sealed *packet, size_t head_len)
{
    struct sealed *const kept = &s->packets[s->count];
    *kept = *packet;
    for (size_t i = 0; i < STREAM_LEN; i++) {
        kept->stream[i] = packet->plain[head_len + i] ^ packet->sealed[head_len + i];
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct sealed *const other = &s->packets[i];
        if (memcmp(other->stream, kept->stream, STREAM_LEN) == 0) {
            REQUIRE(!kept->is_rtcp && !other->is_rtcp);
            REQUIRE(other->plain_len == kept->plain_len);
            REQUIRE(memcmp(other->plain, kept->plain, kept->plain_len) == 0);
            REQUIRE(memcmp(other->sealed, kept->sealed, kept->sealed_len) == 0);
        }
    }
    s->count++;
}

/* plain is a packet; where its payload is cut in two is not to matter. */
static void seal(struct scene *s, struct sealed *packet, size_t head_len, unsigned choices)
{
    const size_t prefix_len = choices >> 4;
    const struct leat_srtp_packet parts = {
        .header = packet->plain,
        .header_len = head_len,
        .prefix = packet->plain + head_len,
        .prefix_len = prefix_len,
        .payload = packet->plain + head_len + prefix_len,
        .payload_len = packet->plain_len - head_len - prefix_len,
        .flags = choices & 1 ? LEAT_SRTP_REPEAT : 0,
    };
    memset(packet->sealed, 0, sizeof(packet->sealed));
    size_t len = SIZE_MAX;
    if (leat_srtp_protect(s->sender, &parts, packet->sealed, SEALED_MAX, &len)) {
        REQUIRE(len == SIZE_MAX);
        for (size_t i = 0; i < SEALED_MAX; i++) {
            REQUIRE(packet->sealed[i] == 0);
        }
        return;
    }
    REQUIRE(len == packet->plain_len + leat_srtp_overhead(s->profile));
    REQUIRE(memcmp(packet->sealed, packet->plain, head_len) == 0);
    packet->sealed_len = len;
    keep(s, packet, head_len);
}

static size_t head_len_of(const uint8_t *plain)
{
    size_t len = 12 + 4 * (size_t)(plain[0] & 0xf);
    if (plain[0] & 0x10) {
        len += 4 + 4 * (size_t)plain[len + 3];
    }
    return len;
}

static void seal_new(struct scene *s)
{
    const unsigned choices = take(s), shape = take(s);
    struct sealed packet = {.is_rtcp = false};
    uint8_t *const plain = packet.plain;
    if (choices & 2) {
        s->seq = (uint16_t)(take(s) << 8 | take(s));
    } else {
        s->seq = (uint16_t)(s->seq + (choices & 4 ? -(int)(take(s) % 16) : 1));
    }
    plain[0] = (uint8_t)(0x80 | (shape & 0x13));
    plain[1] = (uint8_t)(shape >> 4);
    plain[2] = (uint8_t)(s->seq >> 8);
    plain[3] = (uint8_t)s->seq;
    plain[11] = choices >> 3 & 1; /* SSRC */
    const size_t csrc_end = 12 + 4 * (size_t)(plain[0] & 0xf);
    if (plain[0] & 0x10) {
        plain[csrc_end + 3] = 1; /* a word of extension, of zeros */
    }
    const size_t head_len = head_len_of(plain);
    plain[head_len] = (uint8_t)take(s); /* a payload of few kinds, so that some are the same */
    packet.plain_len = head_len + PAYLOAD_LEN;
    seal(s, &packet, head_len, choices);
}

/* One that was sealed before, whole or with a bit changed. */
static void seal_again(struct scene *s)
{
    if (s->count == 0) {
        return;
    }
    const unsigned choices = take(s);
    struct sealed packet = s->packets[take(s) % s->count];
    if (packet.is_rtcp) {
        return;
    }
    packet.is_opened = false;
    const size_t head_len = head_len_of(packet.plain);
    if (choices & 2) {
        const unsigned bit = take(s) % (unsigned)((packet.plain_len - head_len) * 8);
        packet.plain[head_len + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    if (choices & 4) {
        packet.plain[1] ^= 0x80; /* the marker */
    }
    if (choices & 8 && packet.plain_len > head_len + STREAM_LEN) {
        packet.plain_len--;
    }
    seal(s, &packet, head_len, choices);
}

static void seal_rtcp(struct scene *s)
{
    struct sealed packet = {.is_rtcp = true, .plain = {0x80, 201, 0, 7}, .plain_len = 32};
    packet.plain[7] = (uint8_t)(take(s) % 3);
    packet.plain[20] = (uint8_t)take(s);
    REQUIRE(leat_srtcp_protect(s->sender, packet.plain, packet.plain_len, packet.sealed, SEALED_MAX,
                               &packet.sealed_len) == 0);
    keep(s, &packet, 8);
}

/* ---- delivery ---- */

static void deliver(struct scene *s, bool is_rtcp, const uint8_t *bytes, size_t len)
{
    uint8_t *const in = malloc(len ? len : 1); /* so that its end is its end */
    uint8_t out[512];
    size_t out_len = SIZE_MAX;
    REQUIRE(in);
    memcpy(in, bytes, len);
    const int status = is_rtcp
                           ? leat_srtcp_unprotect(s->receiver, in, len, out, sizeof(out), &out_len)
                           : leat_srtp_unprotect(s->receiver, in, len, out, sizeof(out), &out_len);
    free(in);
    REQUIRE(status <= 0 && (status == 0) == (out_len != SIZE_MAX));
    if (status) {
        return;
    }
    unsigned found = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct sealed *const packet = &s->packets[i];
        if (packet->is_rtcp == is_rtcp && packet->sealed_len == len &&
            memcmp(packet->sealed, bytes, len) == 0) {
            REQUIRE(!packet->is_opened);
            REQUIRE(out_len == packet->plain_len);
            REQUIRE(memcmp(out, packet->plain, out_len) == 0);
            packet->is_opened = true;
            found++;
        }
    }
    REQUIRE(found);
}

static void deliver_sealed(struct scene *s, bool is_changed)
{
    if (s->count == 0) {
        return;
    }
    const struct sealed *const packet = &s->packets[take(s) % s->count];
    uint8_t bytes[SEALED_MAX];
    size_t len = packet->sealed_len;
    memcpy(bytes, packet->sealed, len);
    if (is_changed) {
        bytes[take(s) % len] ^= (uint8_t)take(s);
        len -= take(s) % 4 ? 0 : take(s) % len;
    }
    deliver(s, packet->is_rtcp, bytes, len);
}

static void deliver_input(struct scene *s)
{
    const unsigned choices = take(s);
    const size_t len = choices >> 1 < s->size ? choices >> 1 : s->size;
    deliver(s, choices & 1, s->data, len);
    s->data += len;
    s->size -= len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[LEAT_SRTP_KEY_LEN] = {1}, salt[LEAT_SRTP_SALT_LEN_MAX] = {2};
    static struct scene scene;
    struct scene *const s = &scene;
    s->data = data;
    s->size = size;
    s->count = 0;
    s->seq = 0;
    s->profile = take(s) & 1 ? LEAT_SRTP_AEAD_AES_128_GCM : LEAT_SRTP_AES128_CM_SHA1_80;
    REQUIRE(leat_srtp_sender_open(s->profile, key, salt, &s->sender) == 0);
    REQUIRE(leat_srtp_receiver_open(s->profile, key, salt, &s->receiver) == 0);
    while (s->size && s->count < PACKETS_MAX) {
        switch (take(s) % 8) {
        case 0:
        case 1:
            seal_new(s);
            break;
        case 2:
            seal_again(s);
            break;
        case 3:
            seal_rtcp(s);
            break;
        case 4:
        case 5:
            deliver_sealed(s, false);
            break;
        case 6:
            deliver_sealed(s, true);
            break;
        default:
            deliver_input(s);
            break;
        }
    }
    leat_srtp_close(s->sender);
    leat_srtp_close(s->receiver);
    return 0;
}
