/* H264 (RFC 6184): which packets begin a picture, at which of them a decoder can begin, the size
 * from a sequence parameter set (H.264, 7.3.2.1.1), and parameter sets out of an fmtp. Called by
 * codec.c. */
#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "bits.h"
#include "codec_look.h"

enum {
    SLICE = 1,
    IDR = 5,
    SPS = 7,
    PPS = 8,
    AUD = 9,
    SPS_EXTENSION = 13,
    SUBSET_SPS = 15,
    SINGLE_LAST = 23,
    STAP_A = 24,
    FU_A = 28
};

/* Two zeros and a three: the three is not of the data (7.3.1). What does not fit is cut. */
static size_t without_emulation(const uint8_t *data, size_t len, uint8_t *out, size_t cap)
{
    size_t n = 0;
    unsigned zeros = 0;
    for (size_t i = 0; i < len && n < cap; i++) {
        if (zeros >= 2 && data[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = data[i] == 0 ? zeros + 1 : 0;
        out[n++] = data[i];
    }
    return n;
}

static void skip_scaling_lists(struct bits *bits, unsigned lists)
{
    for (unsigned i = 0; i < lists && !bits->over; i++) {
        int32_t last = 8, next = bits_flag(bits) ? 8 : 0;
        for (unsigned j = 0; j < (i < 6 ? 16u : 64u) && next != 0 && !bits->over; j++) {
            next = (last + bits_golomb_signed(bits) % 256 + 512) % 256;
            last = next;
        }
    }
}

/* What profiles above Main have more. Gives the chroma format, 0 if its planes are coded apart. */
static uint32_t skip_high(struct bits *bits)
{
    uint32_t chroma = bits_golomb(bits);
    const unsigned lists = chroma == 3 ? 12 : 8;
    if (chroma == 3 && bits_flag(bits)) {
        chroma = 0;
    }
    (void)bits_golomb(bits); /* depths */
    (void)bits_golomb(bits);
    bits_skip(bits, 1);
    if (bits_flag(bits)) {
        skip_scaling_lists(bits, lists);
    }
    return chroma;
}

static bool is_high(uint32_t profile)
{
    static const uint8_t high[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
    return memchr(high, (int)profile, sizeof(high)) != NULL;
}

static void skip_order_count(struct bits *bits)
{
    const uint32_t type = bits_golomb(bits);
    if (type == 0) {
        (void)bits_golomb(bits);
    } else if (type == 1) {
        bits_skip(bits, 1);
        (void)bits_golomb(bits);
        (void)bits_golomb(bits);
        for (uint32_t count = bits_golomb(bits); count > 0 && !bits->over; count--) {
            (void)bits_golomb(bits);
        }
    }
}

/* `data` follows the NAL unit's header. */
static void size_of(const uint8_t *data, size_t len, struct leat_codec_packet *ret)
{
    uint8_t plain[256];
    struct bits bits = {plain, without_emulation(data, len, plain, sizeof(plain)), 0, false};
    const uint32_t profile = bits_get(&bits, 8);
    bits_skip(&bits, 16);
    (void)bits_golomb(&bits);
    const uint32_t chroma = is_high(profile) ? skip_high(&bits) : 1;
    (void)bits_golomb(&bits); /* log2_max_frame_num */
    skip_order_count(&bits);
    (void)bits_golomb(&bits); /* max_num_ref_frames */
    bits_skip(&bits, 1);
    uint64_t width = ((uint64_t)bits_golomb(&bits) + 1) * 16;
    uint64_t height = ((uint64_t)bits_golomb(&bits) + 1) * 16;
    const unsigned fields = bits_flag(&bits) ? 1 : 2;
    height *= fields;
    bits_skip(&bits, fields == 2 ? 2 : 1);
    if (bits_flag(&bits)) { /* cropping, in units of the chroma's samples */
        const unsigned unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
        const unsigned unit_y = (chroma == 1 ? 2 : 1) * fields;
        uint64_t cut_x = bits_golomb(&bits), cut_y;
        cut_x = (cut_x + bits_golomb(&bits)) * unit_x;
        cut_y = bits_golomb(&bits);
        cut_y = (cut_y + bits_golomb(&bits)) * unit_y;
        width = cut_x < width ? width - cut_x : 0;
        height = cut_y < height ? height - cut_y : 0;
    }
    if (!bits.over && width <= UINT16_MAX && height <= UINT16_MAX) {
        ret->width = (uint16_t)width;
        ret->height = (uint16_t)height;
    }
}

/* One NAL unit of this type; `rest` is what follows its header. */
static void note(unsigned type, const uint8_t *rest, size_t len, struct leat_codec_packet *ret)
{
    const bool is_slice = type >= SLICE && type <= IDR;
    ret->key |= type == SPS || type == IDR;
    ret->parameters |= type == SPS;
    ret->start |= type == SPS || type == AUD ||
                  (is_slice && len > 0 && (rest[0] & 0x80)); /* first_mb_in_slice is 0 */
    if (type == SPS) {
        size_of(rest, len, ret);
    }
}

static int look_aggregation(const uint8_t *payload, size_t len, struct leat_codec_packet *ret)
{
    for (size_t at = 1; at < len;) {
        if (len - at < 3) {
            return -EBADMSG;
        }
        const size_t unit = (size_t)payload[at] << 8 | payload[at + 1];
        if (unit == 0 || unit > len - at - 2) {
            return -EBADMSG;
        }
        at += 2;
        note(payload[at] & 31, payload + at + 1, unit - 1, ret);
        at += unit;
    }
    return len > 1 ? 0 : -EBADMSG;
}

int leat__codec_look_h264(const uint8_t *payload, size_t len, struct leat_codec_packet *ret)
{
    const unsigned type = payload[0] & 31;
    if (payload[0] & 0x80 || type == 0) {
        return -EBADMSG;
    }
    if (type <= SINGLE_LAST) {
        note(type, payload + 1, len - 1, ret);
        return 0;
    }
    if (type == STAP_A) {
        return look_aggregation(payload, len, ret);
    }
    if (type != FU_A || len < 3) { /* the others are of the interleaved mode, which nobody offers */
        return -EBADMSG;
    }
    const bool begins = payload[1] & 0x80;
    note(payload[1] & 31, payload + 2, len - 2, ret);
    if (!begins) {
        ret->start = ret->parameters = false;
        ret->width = ret->height = 0;
    }
    return 0;
}

/* ---- parameter sets out of band ---- */

/* One base64 word, with or without its padding. Bytes; 0: it is none, or does not fit. */
static size_t decode(const char *text, size_t len, uint8_t *out, size_t cap)
{
    char padded[1024];
    uint8_t plain[768];
    while (len > 0 && text[len - 1] == '=') {
        len--;
    }
    if (len % 4 == 1 || len + 3 > sizeof(padded)) {
        return 0;
    }
    memcpy(padded, text, len);
    size_t padding = (4 - len % 4) % 4;
    memset(padded + len, '=', padding);
    const int decoded = EVP_DecodeBlock(plain, (const uint8_t *)padded, (int)(len + padding));
    if (decoded < 0 || (size_t)decoded <= padding || (size_t)decoded - padding > cap) {
        return 0;
    }
    memcpy(out, plain, (size_t)decoded - padding);
    return (size_t)decoded - padding;
}

size_t leat_codec_h264_parameters(const char *fmtp, size_t fmtp_len, uint8_t *out, size_t cap)
{
    size_t left = 0, at = 1;
    const char *word =
        fmtp ? leat__codec_parameter(fmtp, fmtp_len, "sprop-parameter-sets", &left) : NULL;
    if (!word || left == 0 || cap < 1) {
        return 0;
    }
    out[0] = STAP_A;
    for (const char *const end = word + left; word < end;) {
        const char *const comma = memchr(word, ',', (size_t)(end - word));
        const size_t len = (size_t)((comma ? comma : end) - word);
        if (cap - at < 3) {
            return 0;
        }
        const size_t unit = decode(word, len, out + at + 2, cap - at - 2);
        const unsigned type = unit > 0 ? out[at + 2] & 31 : 0;
        if (type != SPS && type != PPS && type != SPS_EXTENSION && type != SUBSET_SPS) {
            return 0;
        }
        if ((out[at + 2] & 0x60) > (out[0] & 0x60)) { /* NRI: the highest of what is in it */
            out[0] = (uint8_t)(STAP_A | (out[at + 2] & 0x60));
        }
        out[at] = (uint8_t)(unit >> 8);
        out[at + 1] = (uint8_t)unit;
        at += 2 + unit;
        word = comma ? comma + 1 : end;
    }
    return at;
}
