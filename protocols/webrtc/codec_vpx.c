/* The payload descriptors of VP8 (RFC 7741, 4.2) and VP9 (RFC 9628, 4.2), and of VP8's key
 * frames the size (RFC 6386, 9.1). Called by codec.c. What is cut short is refused whole. */
#include <errno.h>

#include "codec_look.h"

struct cursor {
    const uint8_t *payload;
    size_t len, at;
    bool broken;
};

static uint8_t take(struct cursor *cursor)
{
    if (cursor->at >= cursor->len) {
        cursor->broken = true;
        return 0;
    }
    return cursor->payload[cursor->at++];
}

static uint16_t take_16(struct cursor *cursor)
{
    const unsigned high = take(cursor);
    return (uint16_t)(high << 8 | take(cursor));
}

/* Both codecs write it alike: 7 bits, or with M 15. */
static void take_picture_id(struct cursor *cursor, struct leat_codec_packet *ret)
{
    ret->has_picture_id = true;
    ret->picture_id_at = (uint8_t)cursor->at;
    const unsigned first = take(cursor);
    ret->wide_picture_id = first & 0x80;
    ret->picture_id = ret->wide_picture_id ? (uint16_t)((first & 0x7f) << 8 | take(cursor))
                                           : (uint16_t)(first & 0x7f);
}

static void take_tl0(struct cursor *cursor, struct leat_codec_packet *ret)
{
    ret->has_tl0 = true;
    ret->tl0_at = (uint8_t)cursor->at;
    ret->tl0 = take(cursor);
}

int leat__codec_look_vp8(const uint8_t *payload, size_t len, struct leat_codec_packet *ret)
{
    struct cursor cursor = {payload, len, 0, false};
    const uint8_t first = take(&cursor); /* X R N S R PID */
    const uint8_t more = first & 0x80 ? take(&cursor) : 0;
    if (more & 0x80) {
        take_picture_id(&cursor, ret);
    }
    if (more & 0x40) {
        take_tl0(&cursor, ret);
    }
    if (more & 0x30) { /* T or K */
        const uint8_t layer = take(&cursor);
        ret->temporal = more & 0x20 ? layer >> 6 : 0;
    }
    if (cursor.broken || cursor.at == len) {
        return -EBADMSG;
    }
    const uint8_t *const frame = payload + cursor.at;
    ret->start = (first & 0x10) && (first & 0x07) == 0;
    ret->key = ret->start && (frame[0] & 1) == 0;
    if (ret->key && len - cursor.at >= 10 && frame[3] == 0x9d && frame[4] == 0x01 &&
        frame[5] == 0x2a) {
        ret->width = (uint16_t)((frame[7] << 8 | frame[6]) & 0x3fff);
        ret->height = (uint16_t)((frame[9] << 8 | frame[8]) & 0x3fff);
    }
    return 0;
}

/* The scalability structure: the size of the highest layer is the picture's. */
static void take_structure(struct cursor *cursor, struct leat_codec_packet *ret)
{
    const uint8_t head = take(cursor); /* N_S Y G */
    if (head & 0x10) {
        for (unsigned layer = 0; layer <= head >> 5; layer++) {
            ret->width = take_16(cursor);
            ret->height = take_16(cursor);
        }
    }
    const unsigned pictures = head & 0x08 ? take(cursor) : 0;
    for (unsigned i = 0; i < pictures; i++) {
        const uint8_t picture = take(cursor); /* TID U R */
        for (unsigned references = picture >> 2 & 3; references > 0; references--) {
            (void)take(cursor);
        }
    }
}

int leat__codec_look_vp9(const uint8_t *payload, size_t len, struct leat_codec_packet *ret)
{
    enum { I = 0x80, P = 0x40, L = 0x20, F = 0x10, B = 0x08, V = 0x02 };
    struct cursor cursor = {payload, len, 0, false};
    const uint8_t first = take(&cursor);
    if (first & I) {
        take_picture_id(&cursor, ret);
    }
    if (first & L) {
        const uint8_t layer = take(&cursor); /* TID U SID D */
        ret->temporal = layer >> 5;
        ret->spatial = layer >> 1 & 7;
        if (!(first & F)) {
            take_tl0(&cursor, ret);
        }
    }
    if ((first & (F | P)) == (F | P)) {
        unsigned references = 0;
        while (take(&cursor) & 1) { /* N: another follows; there are at most three */
            if (++references == 3) {
                return -EBADMSG;
            }
        }
    }
    if (first & V) {
        take_structure(&cursor, ret);
    }
    if (cursor.broken || cursor.at == len) {
        return -EBADMSG;
    }
    /* A picture begins with its lowest spatial layer, and is a key picture if that is not
     * predicted. */
    ret->start = (first & B) && ret->spatial == 0;
    ret->key = !(first & P) && ret->spatial == 0;
    return 0;
}
