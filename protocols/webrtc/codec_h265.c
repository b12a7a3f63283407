/* H265 (RFC 7798): which packets begin a picture, and at which of them a decoder can begin.
 * Called by codec.c. */
#include <errno.h>

#include "codec_look.h"

enum {
    IRAP_FIRST = 16, /* BLA, IDR, CRA */
    IRAP_LAST = 21,
    SLICE_LAST = 31,
    VPS = 32,
    SPS = 33,
    AUD = 35,
    AGGREGATION = 48,
    FRAGMENT = 49
};

/* One NAL unit whose two bytes of header were `type`; `rest` is what follows them. */
static void note(unsigned type, const uint8_t *rest, size_t len, struct leat_codec_packet *ret)
{
    const bool is_slice = type <= SLICE_LAST;
    ret->parameters |= type == SPS;
    ret->key |= type == VPS || type == SPS || (type >= IRAP_FIRST && type <= IRAP_LAST);
    ret->start |= type == VPS || type == SPS || type == AUD ||
                  (is_slice && len > 0 && (rest[0] & 0x80)); /* first_slice_segment_in_pic_flag */
}

static int look_aggregation(const uint8_t *payload, size_t len, struct leat_codec_packet *ret)
{
    for (size_t at = 2; at < len;) {
        if (len - at < 4) {
            return -EBADMSG;
        }
        const size_t unit = (size_t)payload[at] << 8 | payload[at + 1];
        if (unit < 2 || unit > len - at - 2) {
            return -EBADMSG;
        }
        at += 2;
        note(payload[at] >> 1 & 63, payload + at + 2, unit - 2, ret);
        at += unit;
    }
    return len > 2 ? 0 : -EBADMSG;
}

int leat__codec_look_h265(const uint8_t *payload, size_t len, struct leat_codec_packet *ret)
{
    if (len < 3 || payload[0] & 0x80 || (payload[1] & 7) == 0) {
        return -EBADMSG;
    }
    const unsigned type = payload[0] >> 1 & 63;
    ret->temporal = (payload[1] & 7) - 1;
    if (type == AGGREGATION) {
        return look_aggregation(payload, len, ret);
    }
    if (type == FRAGMENT) {
        const unsigned inner = payload[2] & 63;
        note(inner, payload + 3, len - 3, ret);
        if (!(payload[2] & 0x80)) { /* not its beginning */
            ret->start = ret->parameters = false;
        }
        return 0;
    }
    if (type > FRAGMENT) {
        return type == 50 ? 0 : -EBADMSG; /* PACI: passed on unseen */
    }
    note(type, payload + 2, len - 2, ret);
    return 0;
}
