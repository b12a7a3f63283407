/* RTP's header and its extensions, read and written (RFC 3550, 5; RFC 8285).
 *
 * Whatever is accepted lies within the packet: header_len + payload_len + padding is its length, and the
 * extension's data ends where the payload begins. Any thread; no state. */
#include <leat/rtp.h>

#include <errno.h>
#include <string.h>

#include "bytes.h"

#define ONE_BYTE_PROFILE 0xbedeu
#define TWO_BYTE_PROFILE 0x1000u /* the low 4 bits are the application's */
#define ONE_BYTE_ID_MAX 14u      /* 15 is reserved: it ends the reading (RFC 8285, 4.2) */
#define ONE_BYTE_LEN_MAX 16u

static const char *const uris[LEAT_RTP_EXT_COUNT] = {
    [LEAT_RTP_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [LEAT_RTP_EXT_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [LEAT_RTP_EXT_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [LEAT_RTP_EXT_TWCC] =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [LEAT_RTP_EXT_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [LEAT_RTP_EXT_ORIENTATION] = "urn:3gpp:video-orientation",
    [LEAT_RTP_EXT_DEPENDENCY] =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
};

const char *leat_rtp_ext_uri(enum leat_rtp_ext ext)
{
    return (unsigned)ext < LEAT_RTP_EXT_COUNT ? uris[ext] : NULL;
}

enum leat_rtp_ext leat_rtp_ext_of(const char *uri, size_t len)
{
    for (unsigned i = 0; i < LEAT_RTP_EXT_COUNT; i++) {
        if (strlen(uris[i]) == len && memcmp(uris[i], uri, len) == 0) {
            return (enum leat_rtp_ext)i;
        }
    }
    return LEAT_RTP_EXT_COUNT;
}

int leat_rtp_parse(const uint8_t *packet, size_t len, struct leat_rtp_header *ret)
{
    if (len < LEAT_RTP_HEADER_LEN || len > LEAT_RTP_PACKET_MAX || packet[0] >> 6 != 2) {
        return -EBADMSG;
    }
    struct leat_rtp_header header = {
        .ssrc = get32(packet + 8),
        .timestamp = get32(packet + 4),
        .sequence = get16(packet + 2),
        .payload_type = packet[1] & 0x7f,
        .marker = packet[1] >> 7,
        .csrc_count = packet[0] & 0x0f,
    };
    size_t at = LEAT_RTP_HEADER_LEN + 4u * header.csrc_count;
    if (packet[0] & 0x10) {
        if (at + 4 > len) {
            return -EBADMSG;
        }
        header.extension_profile = get16(packet + at);
        const size_t extension_len = 4u * get16(packet + at + 2);
        header.extension = packet + at + 4;
        at += 4 + extension_len;
        if (at > len) {
            return -EBADMSG;
        }
        header.extension_len = (uint16_t)extension_len;
    }
    size_t padding = 0;
    if (packet[0] & 0x20) {
        padding = packet[len - 1];
        if (padding == 0) {
            return -EBADMSG;
        }
    }
    if (at + padding > len) {
        return -EBADMSG;
    }
    header.header_len = (uint16_t)at;
    header.payload_len = (uint16_t)(len - at - padding);
    *ret = header;
    return 0;
}

/* Elements of one byte of id and length (RFC 8285, 4.2). */
static const uint8_t *find_one_byte(const uint8_t *data, size_t len, uint8_t id, uint8_t *ret_len)
{
    for (size_t at = 0; at < len;) {
        if (data[at] == 0) {
            at++;
            continue;
        }
        const uint8_t this_id = data[at] >> 4;
        const uint8_t this_len = (uint8_t)((data[at] & 0x0f) + 1);
        if (this_id == 0 || this_id > ONE_BYTE_ID_MAX || at + 1 + this_len > len) {
            return NULL;
        }
        if (this_id == id) {
            *ret_len = this_len;
            return data + at + 1;
        }
        at += 1u + this_len;
    }
    return NULL;
}

/* Elements of a byte of id and a byte of length (4.3). */
static const uint8_t *find_two_bytes(const uint8_t *data, size_t len, uint8_t id, uint8_t *ret_len)
{
    for (size_t at = 0; at < len;) {
        if (data[at] == 0) {
            at++;
            continue;
        }
        if (at + 2 > len || at + 2 + data[at + 1] > len) {
            return NULL;
        }
        if (data[at] == id) {
            *ret_len = data[at + 1];
            return data + at + 2;
        }
        at += 2u + data[at + 1];
    }
    return NULL;
}

const uint8_t *leat_rtp_ext_find(const struct leat_rtp_header *header, uint8_t id, uint8_t *ret_len)
{
    if (id == 0 || header->extension_len == 0) {
        return NULL;
    }
    if (header->extension_profile == ONE_BYTE_PROFILE) {
        return find_one_byte(header->extension, header->extension_len, id, ret_len);
    }
    if ((header->extension_profile & 0xfff0) == TWO_BYTE_PROFILE) {
        return find_two_bytes(header->extension, header->extension_len, id, ret_len);
    }
    return NULL;
}

void leat_rtp_write_begin(struct leat_rtp_writer *writer, uint8_t *out, size_t cap,
                          const struct leat_rtp_header *header, bool two_bytes)
{
    *writer = (struct leat_rtp_writer){
        .out = out, .cap = cap, .two_bytes = two_bytes, .failed = cap < LEAT_RTP_HEADER_LEN};
    if (writer->failed) {
        return;
    }
    out[0] = 0x80;
    out[1] = (uint8_t)(header->marker << 7 | (header->payload_type & 0x7f));
    put16(out + 2, header->sequence);
    put32(out + 4, header->timestamp);
    put32(out + 8, header->ssrc);
    writer->len = LEAT_RTP_HEADER_LEN;
}

#define ELEMENTS_AT (LEAT_RTP_HEADER_LEN + 4u) /* behind profile and length */

/* Makes what is there the two-byte form, from the last element to the first: each grows by one byte. */
static void widen(struct leat_rtp_writer *writer)
{
    uint16_t starts[UINT8_MAX];
    size_t at = ELEMENTS_AT;
    if (writer->len + writer->count > writer->cap) {
        writer->failed = true;
        return;
    }
    for (size_t i = 0; i < writer->count; i++) {
        starts[i] = (uint16_t)at;
        at += 2u + (writer->out[at] & 0x0f);
    }
    for (size_t i = writer->count; i > 0; i--) {
        uint8_t *const element = writer->out + starts[i - 1];
        const uint8_t first = *element;
        const uint8_t len = (uint8_t)((first & 0x0f) + 1);
        memmove(element + i + 1, element + 1, len);
        element[i - 1] = first >> 4;
        element[i] = len;
    }
    writer->len += writer->count;
}

void leat_rtp_ext_put(struct leat_rtp_writer *writer, uint8_t id, const void *data, uint8_t len)
{
    if (writer->failed || id == 0 || writer->count == UINT8_MAX) {
        writer->failed = true;
        return;
    }
    if (!writer->two_bytes && (id > ONE_BYTE_ID_MAX || len > ONE_BYTE_LEN_MAX || len == 0)) {
        widen(writer);
        writer->two_bytes = true;
    }
    size_t at = writer->count ? writer->len : ELEMENTS_AT;
    if (writer->failed || at + (writer->two_bytes ? 2u : 1u) + len > writer->cap) {
        writer->failed = true;
        return;
    }
    if (writer->two_bytes) {
        writer->out[at++] = id;
        writer->out[at++] = len;
    } else {
        writer->out[at++] = (uint8_t)(id << 4 | (len - 1));
    }
    if (len) {
        memcpy(writer->out + at, data, len);
    }
    writer->len = at + len;
    writer->count++;
}

size_t leat_rtp_write_end(struct leat_rtp_writer *writer)
{
    const size_t padded = (writer->len + 3) & ~(size_t)3;
    if (writer->failed || padded > writer->cap) {
        return 0;
    }
    if (writer->count == 0) {
        return writer->len;
    }
    memset(writer->out + writer->len, 0, padded - writer->len);
    writer->len = padded;
    writer->out[0] |= 0x10;
    put16(writer->out + LEAT_RTP_HEADER_LEN,
          writer->two_bytes ? TWO_BYTE_PROFILE : ONE_BYTE_PROFILE);
    put16(writer->out + LEAT_RTP_HEADER_LEN + 2, (uint16_t)((padded - ELEMENTS_AT) / 4));
    return padded;
}
