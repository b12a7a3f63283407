/* AV1: the aggregation header of a payload (AV1 RTP specification, 4.4), the sequence header
 * (AV1 bitstream specification, 5.5) for the size, and the part of the dependency descriptor
 * that forwarding changes (RTP specification, A.8.2). Called by codec.c, the sender, and anyone. */
#include <errno.h>

#include "bits.h"
#include "codec_look.h"

enum { OBU_SEQUENCE_HEADER = 1 };

/* leb128() (4.10.5); false: cut short, or longer than a packet. */
static bool take_length(const uint8_t *data, size_t len, size_t *at, size_t *ret)
{
    size_t value = 0;
    for (unsigned i = 0; i < 4 && *at < len; i++) {
        const uint8_t byte = data[(*at)++];
        value |= (size_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static void skip_timing(struct bits *bits, unsigned *ret_delay_bits)
{
    bits_skip(bits, 64);
    if (bits_flag(bits)) { /* equal_picture_interval */
        (void)bits_golomb(bits);
    }
    if (bits_flag(bits)) { /* decoder_model_info */
        *ret_delay_bits = bits_get(bits, 5) + 1;
        bits_skip(bits, 42);
    }
}

/* sequence_header_obu(), up to the size. */
static void size_of(const uint8_t *data, size_t len, struct leat_codec_packet *ret)
{
    struct bits bits = {data, len, 0, false};
    unsigned delay_bits = 0;
    bits_skip(&bits, 4); /* seq_profile, still_picture */
    if (bits_flag(&bits)) {
        bits_skip(&bits, 5);
    } else {
        if (bits_flag(&bits)) {
            skip_timing(&bits, &delay_bits);
        }
        const bool display_delay = bits_flag(&bits);
        const unsigned points = bits_get(&bits, 5) + 1;
        for (unsigned i = 0; i < points && !bits.over; i++) {
            bits_skip(&bits, 12);
            bits_skip(&bits, bits_get(&bits, 5) > 7 ? 1 : 0);
            if (delay_bits > 0 && bits_flag(&bits)) {
                bits_skip(&bits, 2 * (size_t)delay_bits + 1);
            }
            if (display_delay && bits_flag(&bits)) {
                bits_skip(&bits, 4);
            }
        }
    }
    const unsigned width_bits = bits_get(&bits, 4) + 1, height_bits = bits_get(&bits, 4) + 1;
    const uint32_t width = bits_get(&bits, width_bits) + 1;
    const uint32_t height = bits_get(&bits, height_bits) + 1;
    if (!bits.over && width <= UINT16_MAX && height <= UINT16_MAX) {
        ret->width = (uint16_t)width;
        ret->height = (uint16_t)height;
    }
}

/* The first OBU of a packet that begins one: its layer, and the size if it is a sequence header. */
static int look_obu(const uint8_t *data, size_t len, struct leat_codec_packet *ret)
{
    size_t at = 1;
    if (len == 0 || data[0] & 0x80) { /* the forbidden bit */
        return -EBADMSG;
    }
    if (data[0] & 0x04) {
        if (at == len) {
            return -EBADMSG;
        }
        ret->temporal = data[at] >> 5;
        ret->spatial = data[at] >> 3 & 3;
        at++;
    }
    if (data[0] & 0x02) { /* a size of its own, not wanted in RTP but allowed */
        size_t size = 0;
        if (!take_length(data, len, &at, &size) || size > len - at) {
            return 0; /* a fragment */
        }
        len = at + size;
    }
    if ((data[0] >> 3 & 15) == OBU_SEQUENCE_HEADER) {
        size_of(data + at, len - at, ret);
    }
    return 0;
}

int leat__codec_look_av1(const uint8_t *payload, size_t len, struct leat_codec_packet *ret)
{
    enum { Z = 0x80, N = 0x08 };
    const unsigned elements = payload[0] >> 4 & 3;
    size_t at = 1, first = len - 1;
    if ((payload[0] & (Z | N)) == (Z | N)) {
        return -EBADMSG; /* a sequence cannot begin with the rest of an OBU */
    }
    if (elements != 1 && (!take_length(payload, len, &at, &first) || first > len - at)) {
        return -EBADMSG;
    }
    if (first == 0) {
        return -EBADMSG;
    }
    /* Of the frames that are not key, none says where it begins; one that continues an OBU does
     * not. */
    ret->start = !(payload[0] & Z);
    ret->key = payload[0] & N;
    return ret->start ? look_obu(payload + at, first, ret) : 0;
}

/* ---- the dependency descriptor: start, end, template (6 bits), frame_number (16), what may
 * follow ---- */

int leat_codec_frame_number(const uint8_t *descriptor, size_t len, uint16_t *ret)
{
    if (len < 3) {
        return -EBADMSG;
    }
    *ret = (uint16_t)(descriptor[1] << 8 | descriptor[2]);
    return 0;
}

int leat_codec_shift_dependency(uint8_t *descriptor, size_t len, uint16_t shift)
{
    uint16_t number = 0;
    if (leat_codec_frame_number(descriptor, len, &number)) {
        return -EBADMSG;
    }
    number = (uint16_t)(number + shift);
    descriptor[1] = (uint8_t)(number >> 8);
    descriptor[2] = (uint8_t)number;
    return 0;
}
