/* RTCP written: each function appends one sub-packet, whole or not at all. Any thread. */
#include <leat/rtcp.h>

#include <string.h>

#include "bytes.h"
#include "rtcp_types.h"

#define COUNT_MAX 31u /* of blocks: five bits */
#define SDES_CNAME 1u
#define REMB_MANTISSA_MAX 0x3ffffu

/* Room for a sub-packet with `len` bytes behind its first four, which are written. NULL: it does not fit. */
static uint8_t *append(uint8_t *out, size_t cap, size_t *len, unsigned count, unsigned type,
                       size_t body_len)
{
    if (*len > cap || cap - *len < 4 + body_len) {
        return NULL;
    }
    uint8_t *const sub = out + *len;
    sub[0] = (uint8_t)(0x80 | count);
    sub[1] = (uint8_t)type;
    put16(sub + 2, (uint16_t)(body_len / 4));
    *len += 4 + body_len;
    return sub + 4;
}

bool leat_rtcp_put_sr(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint64_t ntp,
                      uint32_t timestamp, uint32_t packets, uint32_t bytes)
{
    uint8_t *const body = append(out, cap, len, 0, RTCP_SR, 24);
    if (!body) {
        return false;
    }
    put32(body, ssrc);
    put64(body + 4, ntp);
    put32(body + 12, timestamp);
    put32(body + 16, packets);
    put32(body + 20, bytes);
    return true;
}

static uint32_t lost_24(int32_t lost)
{
    const int32_t max = 0x7fffff, min = -0x800000;
    return (uint32_t)(lost > max ? max : lost < min ? min : lost) & 0xffffff;
}

bool leat_rtcp_put_rr(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc,
                      const struct leat_rtcp_block *blocks, size_t count)
{
    uint8_t *const body =
        count > COUNT_MAX ? NULL : append(out, cap, len, (unsigned)count, RTCP_RR, 4 + 24 * count);
    if (!body) {
        return false;
    }
    put32(body, ssrc);
    for (size_t i = 0; i < count; i++) {
        uint8_t *const data = body + 4 + 24 * i;
        put32(data, blocks[i].ssrc);
        data[4] = blocks[i].fraction_lost;
        put24(data + 5, lost_24(blocks[i].lost));
        put32(data + 8, blocks[i].highest);
        put32(data + 12, blocks[i].jitter);
        put32(data + 16, blocks[i].last_sr);
        put32(data + 20, blocks[i].delay);
    }
    return true;
}

bool leat_rtcp_put_cname(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, const char *cname)
{
    const size_t cname_len = strlen(cname);
    const size_t body_len = (4 + 2 + cname_len + 1 + 3) & ~(size_t)3; /* a zero ends the items */
    uint8_t *const body =
        cname_len > UINT8_MAX ? NULL : append(out, cap, len, 1, RTCP_SDES, body_len);
    if (!body) {
        return false;
    }
    memset(body, 0, body_len);
    put32(body, ssrc);
    body[4] = SDES_CNAME;
    body[5] = (uint8_t)cname_len;
    memcpy(body + 6, cname, cname_len);
    return true;
}

bool leat_rtcp_put_bye(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc)
{
    uint8_t *const body = append(out, cap, len, 1, RTCP_BYE, 4);
    if (!body) {
        return false;
    }
    put32(body, ssrc);
    return true;
}

/* How many of `packets` one pair of packet id and bits names, from the first on. */
static size_t pair_of(const uint16_t *packets, size_t count, uint16_t *ret_more)
{
    size_t taken = 1;
    uint16_t more = 0;
    for (; taken < count; taken++) {
        const uint16_t distance = (uint16_t)(packets[taken] - packets[0]);
        if (distance > 16) {
            break;
        }
        if (distance) {
            more |= (uint16_t)(1u << (distance - 1));
        }
    }
    *ret_more = more;
    return taken;
}

bool leat_rtcp_put_nack(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
                        const uint16_t *packets, size_t count, size_t *ret_taken)
{
    const size_t room = *len < cap ? cap - *len : 0;
    size_t pairs = 0, taken = 0;
    uint16_t more;
    while (taken < count && 12 + 4 * (pairs + 1) <= room && pairs < UINT16_MAX - 2) {
        taken += pair_of(packets + taken, count - taken, &more);
        pairs++;
    }
    uint8_t *const body =
        pairs ? append(out, cap, len, RTPFB_NACK, RTCP_RTPFB, 8 + 4 * pairs) : NULL;
    if (!body) {
        return false;
    }
    put32(body, ssrc);
    put32(body + 4, media);
    taken = 0;
    for (size_t i = 0; i < pairs; i++) {
        put16(body + 8 + 4 * i, packets[taken]);
        taken += pair_of(packets + taken, count - taken, &more);
        put16(body + 10 + 4 * i, more);
    }
    *ret_taken = taken;
    return true;
}

bool leat_rtcp_put_pli(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media)
{
    uint8_t *const body = append(out, cap, len, PSFB_PLI, RTCP_PSFB, 8);
    if (!body) {
        return false;
    }
    put32(body, ssrc);
    put32(body + 4, media);
    return true;
}

bool leat_rtcp_put_fir(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
                       uint8_t sequence)
{
    uint8_t *const body = append(out, cap, len, PSFB_FIR, RTCP_PSFB, 16);
    if (!body) {
        return false;
    }
    put32(body, ssrc);
    put32(body + 4, 0); /* not used (RFC 5104, 4.3.1.2) */
    put32(body + 8, media);
    put32(body + 12, (uint32_t)sequence << 24);
    return true;
}

bool leat_rtcp_put_remb(uint8_t *out, size_t cap, size_t *len, uint32_t ssrc, uint64_t bitrate,
                        const uint32_t *media, size_t count)
{
    uint8_t *const body =
        count > UINT8_MAX ? NULL : append(out, cap, len, PSFB_AFB, RTCP_PSFB, 16 + 4 * count);
    if (!body) {
        return false;
    }
    unsigned exponent = 0;
    for (; bitrate > REMB_MANTISSA_MAX; bitrate >>= 1) {
        exponent++;
    }
    put32(body, ssrc);
    put32(body + 4, 0);
    put32(body + 8, REMB_NAME);
    body[12] = (uint8_t)count;
    put24(body + 13, exponent << 18 | (uint32_t)bitrate);
    for (size_t i = 0; i < count; i++) {
        put32(body + 16 + 4 * i, media[i]);
    }
    return true;
}
