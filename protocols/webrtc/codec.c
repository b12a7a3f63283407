/* Codecs by name, what of their parameters must match, and the entry to the codecs' own files:
 * codec_vpx.c, codec_h264.c, codec_h265.c, codec_av1.c. Pure functions on bytes that any thread
 * may call; nothing here trusts a length that came with the bytes. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "codec_look.h"

static const char *const names[LEAT_CODEC_COUNT] = {
    [LEAT_CODEC_OPUS] = "opus", [LEAT_CODEC_VP8] = "VP8", [LEAT_CODEC_VP9] = "VP9",
    [LEAT_CODEC_H264] = "H264", [LEAT_CODEC_AV1] = "AV1", [LEAT_CODEC_H265] = "H265",
};

const char *leat_codec_name(enum leat_codec codec)
{
    return (unsigned)codec < LEAT_CODEC_COUNT ? names[codec] : "";
}

enum leat_codec leat_codec_of(const char *name, size_t len)
{
    unsigned codec = 0;
    while (codec < LEAT_CODEC_COUNT &&
           (strlen(names[codec]) != len || strncasecmp(names[codec], name, len) != 0)) {
        codec++;
    }
    return (enum leat_codec)codec;
}

/* ---- parameters ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

const char *leat__codec_parameter(const char *fmtp, size_t fmtp_len, const char *name,
                                  size_t *ret_len)
{
    const size_t name_len = strlen(name);
    const char *const end = fmtp_len > 0 ? fmtp + fmtp_len : fmtp;
    for (const char *at = fmtp; at < end;) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        const char *const next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        while (at < stop && is_blank(*at)) {
            at++;
        }
        while (stop > at && is_blank(stop[-1])) {
            stop--;
        }
        if ((size_t)(stop - at) > name_len && at[name_len] == '=' &&
            strncasecmp(at, name, name_len) == 0) {
            *ret_len = (size_t)(stop - at) - name_len - 1;
            return at + name_len + 1;
        }
        at = next;
    }
    return NULL;
}

/* A small number; `otherwise` if the parameter is not there, or is none. */
static uint32_t number_of(const char *fmtp, size_t fmtp_len, const char *name, uint32_t otherwise)
{
    size_t len = 0;
    const char *const text = leat__codec_parameter(fmtp, fmtp_len, name, &len);
    uint32_t value = 0;
    if (!text || len == 0 || len > 4) {
        return otherwise;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return otherwise;
        }
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    return value;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* profile_idc and profile-iop with the bits that say nothing taken out, so that what is the same
 * profile is the same number (RFC 6184, 8.1, table 5). Without a profile-level-id it is
 * Baseline. */
static uint32_t h264_profile(const char *fmtp, size_t fmtp_len)
{
    enum { CONSTRAINED_BASELINE = 0x4240, BASELINE = 0x4200, MAIN = 0x4d00, EXTENDED = 0x5800 };
    static const struct {
        uint16_t pattern, mask, profile;
    } same[] = {
        {0x4240, 0xff4f, CONSTRAINED_BASELINE},
        {0x4d80, 0xff8f, CONSTRAINED_BASELINE},
        {0x58c0, 0xffcf, CONSTRAINED_BASELINE},
        {0x4200, 0xff4f, BASELINE},
        {0x5880, 0xffcf, BASELINE},
        {0x4d00, 0xffaf, MAIN},
        {0x5800, 0xffcf, EXTENDED},
    };
    size_t len = 0;
    const char *const text = leat__codec_parameter(fmtp, fmtp_len, "profile-level-id", &len);
    uint32_t profile = 0;
    for (size_t i = 0; text && i < 4; i++) {
        if (len != 6 || hex_of(text[i]) < 0) {
            return BASELINE;
        }
        profile = profile << 4 | (uint32_t)hex_of(text[i]);
    }
    if (!text) {
        return BASELINE;
    }
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        if ((profile & same[i].mask) == same[i].pattern) {
            return same[i].profile;
        }
    }
    return profile;
}

uint32_t leat_codec_profile(enum leat_codec codec, const char *fmtp, size_t fmtp_len)
{
    fmtp_len = fmtp ? fmtp_len : 0;
    switch (codec) {
    case LEAT_CODEC_H264:
        return h264_profile(fmtp, fmtp_len) | number_of(fmtp, fmtp_len, "packetization-mode", 0)
                                                  << 16;
    case LEAT_CODEC_VP9:
        return number_of(fmtp, fmtp_len, "profile-id", 0);
    case LEAT_CODEC_AV1:
        return number_of(fmtp, fmtp_len, "profile", 0);
    case LEAT_CODEC_H265: /* RFC 7798, 7.1: Main, main tier */
        return number_of(fmtp, fmtp_len, "profile-id", 1) << 16 |
               number_of(fmtp, fmtp_len, "tier-flag", 0);
    default:
        return 0;
    }
}

/* ---- payloads ---- */

int leat_codec_look(enum leat_codec codec, const uint8_t *payload, size_t len,
                    struct leat_codec_packet *ret)
{
    struct leat_codec_packet packet = {0};
    int status = -EBADMSG;
    if (len == 0) {
        return -EBADMSG;
    }
    switch (codec) {
    case LEAT_CODEC_OPUS:
        packet.start = packet.key = true;
        status = 0;
        break;
    case LEAT_CODEC_VP8:
        status = leat__codec_look_vp8(payload, len, &packet);
        break;
    case LEAT_CODEC_VP9:
        status = leat__codec_look_vp9(payload, len, &packet);
        break;
    case LEAT_CODEC_H264:
        status = leat__codec_look_h264(payload, len, &packet);
        break;
    case LEAT_CODEC_AV1:
        status = leat__codec_look_av1(payload, len, &packet);
        break;
    case LEAT_CODEC_H265:
        status = leat__codec_look_h265(payload, len, &packet);
        break;
    case LEAT_CODEC_COUNT:
        break;
    }
    if (status == 0) {
        *ret = packet;
    }
    return status;
}

size_t leat_codec_rewrite(const struct leat_codec_packet *packet, const uint8_t *payload,
                          struct leat_codec_shift shift, uint8_t *prefix)
{
    const size_t id_len = packet->wide_picture_id ? 2 : 1;
    const uint16_t mask = packet->wide_picture_id ? 0x7fff : 0x7f;
    size_t len = 0;
    if (packet->has_picture_id && (shift.picture_id & mask) != 0) {
        len = packet->picture_id_at + id_len;
    }
    if (packet->has_tl0 && shift.tl0 != 0 && packet->tl0_at >= len) {
        len = packet->tl0_at + 1u;
    }
    if (len == 0 || len > LEAT_CODEC_PREFIX_MAX) {
        return 0;
    }
    memcpy(prefix, payload, len);
    if (packet->has_picture_id && packet->picture_id_at + id_len <= len) {
        const uint16_t id = (uint16_t)(packet->picture_id + shift.picture_id) & mask;
        uint8_t *const at = prefix + packet->picture_id_at;
        at[0] = packet->wide_picture_id ? (uint8_t)(0x80 | id >> 8) : (uint8_t)id;
        at[id_len - 1] = packet->wide_picture_id ? (uint8_t)id : at[0];
    }
    if (packet->has_tl0 && packet->tl0_at < len) {
        prefix[packet->tl0_at] = (uint8_t)(packet->tl0 + shift.tl0);
    }
    return len;
}
