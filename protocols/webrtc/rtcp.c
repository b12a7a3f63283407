/* RTCP read item by item (RFC 3550, 6.4; RFC 4585, 6; RFC 5104, 4.3.1; draft-alvestrand-rmcat-remb).
 *
 * A reader stands within one sub-packet, whose length has been checked against the packet's: what it gives lies
 * inside. A sub-packet that is broken ends the reading; those before it have been given. Any thread. */
#include <leat/rtcp.h>

#include "bytes.h"
#include "rtcp_types.h"

/* What a look at item number `inner` of a sub-packet found. */
enum look { ITEM, NO_MORE, BROKEN };

/* A sub-packet: what follows its first four bytes, padding left out. */
struct sub {
    const uint8_t *body;
    size_t len;
    size_t size; /* of all of it */
    uint8_t type;
    uint8_t count; /* or format */
};

void leat_rtcp_read(struct leat_rtcp_reader *reader, const uint8_t *packet, size_t len)
{
    *reader = (struct leat_rtcp_reader){.data = packet, .len = len};
}

/* The sub-packet where the reader stands. */
static bool take_sub(const struct leat_rtcp_reader *reader, struct sub *ret)
{
    const size_t left = reader->len - reader->at;
    const uint8_t *const data = reader->data + reader->at;
    if (left < 4 || data[0] >> 6 != 2) {
        return false;
    }
    const size_t size = 4u * (get16(data + 2) + 1u);
    if (size > left) {
        return false;
    }
    size_t padding = 0;
    if (data[0] & 0x20) {
        padding = data[size - 1];
        if (padding == 0 || padding > size - 4 || size != left) { /* only the last has it */
            return false;
        }
    }
    *ret = (struct sub){.body = data + 4,
                        .len = size - 4 - padding,
                        .size = size,
                        .type = data[1],
                        .count = data[0] & 0x1f};
    return true;
}

static void read_block(const uint8_t *data, struct leat_rtcp_item *ret)
{
    ret->kind = LEAT_RTCP_BLOCK;
    ret->media = get32(data);
    ret->block.fraction_lost = data[4];
    ret->block.lost = (int32_t)(get24(data + 5) << 8) >> 8; /* 24 bits with a sign */
    ret->block.highest = get32(data + 8);
    ret->block.jitter = get32(data + 12);
    ret->block.last_sr = get32(data + 16);
    ret->block.delay = get32(data + 20);
}

/* SR and RR: item 0 of an SR is itself, the others are blocks. */
static enum look look_report(const struct sub *sub, size_t inner, struct leat_rtcp_item *ret)
{
    const size_t own = sub->type == RTCP_SR ? 24 : 4;
    if (sub->len < own + 24u * sub->count) {
        return BROKEN;
    }
    ret->sender = get32(sub->body);
    if (sub->type == RTCP_SR && inner == 0) {
        ret->kind = LEAT_RTCP_SENDER_REPORT;
        ret->media = ret->sender;
        ret->report.ntp = get64(sub->body + 4);
        ret->report.timestamp = get32(sub->body + 12);
        ret->report.packets = get32(sub->body + 16);
        ret->report.bytes = get32(sub->body + 20);
        return ITEM;
    }
    const size_t block = inner - (sub->type == RTCP_SR);
    if (block >= sub->count) {
        return NO_MORE;
    }
    read_block(sub->body + own + 24 * block, ret);
    return ITEM;
}

static enum look look_bye(const struct sub *sub, size_t inner, struct leat_rtcp_item *ret)
{
    if (sub->len < 4u * sub->count) {
        return BROKEN;
    }
    if (inner >= sub->count) {
        return NO_MORE;
    }
    ret->kind = LEAT_RTCP_BYE;
    ret->sender = ret->media = get32(sub->body + 4 * inner);
    return ITEM;
}

static enum look look_rtpfb(const struct sub *sub, size_t inner, struct leat_rtcp_item *ret)
{
    if (sub->len < 8) {
        return BROKEN;
    }
    ret->sender = get32(sub->body);
    ret->media = get32(sub->body + 4);
    if (sub->count == RTPFB_TWCC && inner == 0) {
        if (sub->len < 16) {
            return BROKEN;
        }
        ret->kind = LEAT_RTCP_TWCC;
        ret->twcc.data = sub->body + 8;
        ret->twcc.len = sub->len - 8;
        return ITEM;
    }
    if (sub->count != RTPFB_NACK || inner >= (sub->len - 8) / 4) {
        return NO_MORE;
    }
    ret->kind = LEAT_RTCP_NACK;
    ret->nack.packet = get16(sub->body + 8 + 4 * inner);
    ret->nack.more = get16(sub->body + 10 + 4 * inner);
    return ITEM;
}

static enum look look_remb(const struct sub *sub, size_t inner, struct leat_rtcp_item *ret)
{
    if (sub->len < 16 || sub->len < 16u + 4u * sub->body[12]) {
        return BROKEN;
    }
    if (inner >= sub->body[12]) {
        return NO_MORE;
    }
    const unsigned exponent = sub->body[13] >> 2;
    const uint64_t mantissa = get24(sub->body + 13) & 0x3ffff;
    const bool fits = mantissa == 0 || (exponent < 64 && mantissa <= UINT64_MAX >> exponent);
    ret->kind = LEAT_RTCP_REMB;
    ret->media = get32(sub->body + 16 + 4 * inner);
    ret->remb.bitrate = !fits ? UINT64_MAX : mantissa ? mantissa << exponent : 0;
    return ITEM;
}

static enum look look_psfb(const struct sub *sub, size_t inner, struct leat_rtcp_item *ret)
{
    if (sub->len < 8) {
        return BROKEN;
    }
    ret->sender = get32(sub->body);
    ret->media = get32(sub->body + 4);
    switch (sub->count) {
    case PSFB_PLI:
        ret->kind = LEAT_RTCP_PLI;
        return inner == 0 ? ITEM : NO_MORE;
    case PSFB_FIR:
        if (inner >= (sub->len - 8) / 8) {
            return NO_MORE;
        }
        ret->kind = LEAT_RTCP_FIR;
        ret->media = get32(sub->body + 8 + 8 * inner);
        ret->fir.sequence = sub->body[12 + 8 * inner];
        return ITEM;
    case PSFB_AFB:
        if (sub->len < 12 || get32(sub->body + 8) != REMB_NAME) {
            return NO_MORE;
        }
        return look_remb(sub, inner, ret);
    default:
        return NO_MORE;
    }
}

static enum look look(const struct sub *sub, size_t inner, struct leat_rtcp_item *ret)
{
    switch (sub->type) {
    case RTCP_SR:
    case RTCP_RR:
        return look_report(sub, inner, ret);
    case RTCP_BYE:
        return look_bye(sub, inner, ret);
    case RTCP_RTPFB:
        return look_rtpfb(sub, inner, ret);
    case RTCP_PSFB:
        return look_psfb(sub, inner, ret);
    default: /* SDES, APP, XR: nothing that is asked for */
        return NO_MORE;
    }
}

bool leat_rtcp_next(struct leat_rtcp_reader *reader, struct leat_rtcp_item *ret)
{
    struct leat_rtcp_item item = {0};
    struct sub sub;
    while (!reader->broken && reader->at < reader->len) {
        if (!take_sub(reader, &sub)) {
            reader->broken = true;
            break;
        }
        switch (look(&sub, reader->inner, &item)) {
        case ITEM:
            reader->inner++;
            *ret = item;
            return true;
        case NO_MORE:
            reader->at += sub.size;
            reader->inner = 0;
            break;
        case BROKEN:
            reader->broken = true;
            break;
        }
    }
    return false;
}

uint64_t leat_rtcp_ntp(uint64_t unix_ns)
{
    const uint64_t since_1900 = 2208988800u;
    const uint64_t fraction = ((unix_ns % LEAT_SEC) << 32) / LEAT_SEC;
    return (unix_ns / LEAT_SEC + since_1900) << 32 | fraction;
}
