/* Super-packets into packets, and checksums that were left unfinished. Pure: bytes in, bytes
 * out. Of a super-packet nothing is believed that its bytes do not bear out, since it may have
 * come from a network; shape_of is where that is decided, and what follows only reads what it
 * has checked. Any thread. */
#include <string.h>

#include <leat/tun.h>

#include "assert.h"

#define V4_LEN 20u
#define V6_LEN 40u
#define V6_HEADERS_MAX 8u /* between it and the transport's */
#define V6_HOP_BY_HOP 0u
#define V6_ROUTING 43u
#define V6_DESTINATION 60u
#define TCP_LEN 20u
#define UDP_LEN 8u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u
#define TCP_FLAG_FIN 0x01u
#define TCP_FLAG_PSH 0x08u
#define TCP_FLAG_CWR 0x80u

struct shape {
    uint32_t packets;
    uint32_t header_len;
    uint32_t transport_at;
    bool     is_v4;
    bool     is_tcp;
};

/* ---- bytes ---- */

static uint32_t get_u16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static void put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get_u32(const uint8_t *at)
{
    return get_u16(at) << 16 | get_u16(at + 2);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, value >> 16);
    put_u16(at + 2, value);
}

/* ---- checksums (RFC 1071): a sum knows no byte order, so words are added as they lie ---- */

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint64_t sum_of(const uint8_t *bytes, uint32_t len)
{
    uint64_t sum = 0;
    uint32_t word;
    for (; len >= sizeof(word); len -= (uint32_t)sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += word;
    }
    word = 0;
    memcpy(&word, bytes, len);
    return sum + word;
}

/* Of bytes in which the field holds what the sum begins with. */
static void checksum_finish(uint8_t *bytes, uint32_t len, uint8_t *field)
{
    uint16_t checksum = (uint16_t)~fold(sum_of(bytes, len));
    checksum = checksum == 0 ? 0xffff : checksum; /* the same number; of UDP, 0 would say: none */
    memcpy(field, &checksum, sizeof(checksum));
}

/* ---- what it is ---- */

static bool v4_fits(const uint8_t *ip, uint32_t len, uint32_t transport_at, uint32_t protocol)
{
    bool is_whole = len >= V4_LEN && (get_u16(ip + 6) & 0x3fff) == 0; /* no fragment */
    return is_whole && transport_at >= V4_LEN && transport_at == (uint32_t)(ip[0] & 15) * 4 &&
           get_u16(ip + 2) == len && ip[9] == protocol;
}

/* RFC 8200, 4: the headers in between lead to the transport's. One that says it is a fragment, and
 * one that is not known, does not. */
static bool v6_leads_to(const uint8_t *ip, uint32_t transport_at, uint32_t protocol)
{
    uint32_t at = V6_LEN;
    uint32_t next = ip[6];
    for (uint32_t i = 0; i < V6_HEADERS_MAX && at < transport_at; i++) {
        bool is_known = next == V6_HOP_BY_HOP || next == V6_ROUTING || next == V6_DESTINATION;
        if (!is_known || transport_at - at < 8) {
            return false;
        }
        next = ip[at];
        at += (ip[at + 1] + 1u) * 8;
    }
    return at == transport_at && next == protocol;
}

static bool v6_fits(const uint8_t *ip, uint32_t len, uint32_t transport_at, uint32_t protocol)
{
    bool is_long = len >= V6_LEN && transport_at >= V6_LEN && transport_at <= len;
    return is_long && get_u16(ip + 4) == len - V6_LEN && v6_leads_to(ip, transport_at, protocol);
}

/* A super-packet. False: not what its offload says. */
static bool shape_of(const struct leat_tun_offload *offload, const uint8_t *bytes, uint32_t len,
                     uint32_t ip_at, struct shape *ret)
{
    struct shape shape = {.transport_at = offload->checksum_start,
                          .is_tcp = offload->type != LEAT_TUN_UDP};
    uint32_t transport_len = shape.is_tcp ? TCP_LEN : UDP_LEN;
    bool is_partial = (offload->checksum & LEAT_TUN_CHECKSUM_PARTIAL) != 0;
    if (!is_partial || offload->segment_size == 0 || shape.transport_at < ip_at ||
        len < ip_at || len < shape.transport_at + transport_len ||
        offload->checksum_offset != (shape.is_tcp ? 16 : 6)) {
        return false;
    }
    const uint8_t *ip = bytes + ip_at;
    const uint8_t *transport = bytes + shape.transport_at;
    uint32_t protocol = shape.is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
    shape.is_v4 = shape.transport_at > ip_at && ip[0] >> 4 == 4;
    bool is_v6 = shape.transport_at > ip_at && ip[0] >> 4 == 6;
    uint32_t ip_len = shape.transport_at - ip_at;
    bool fits = shape.is_v4 ? v4_fits(ip, len - ip_at, ip_len, protocol)
                            : is_v6 && v6_fits(ip, len - ip_at, ip_len, protocol);
    if (!fits || (offload->type == LEAT_TUN_TCP4 && !shape.is_v4) ||
        (offload->type == LEAT_TUN_TCP6 && !is_v6)) {
        return false;
    }
    if (shape.is_tcp) {
        transport_len = (uint32_t)(transport[12] >> 4) * 4;
    } else if (get_u16(transport + 4) != len - shape.transport_at) {
        return false;
    }
    shape.header_len = shape.transport_at + transport_len;
    if (transport_len < (shape.is_tcp ? TCP_LEN : UDP_LEN) || len <= shape.header_len ||
        offload->header_len != shape.header_len) {
        return false;
    }
    uint32_t size = offload->segment_size;
    shape.packets = (len - shape.header_len + size - 1) / size;
    *ret = shape;
    return true;
}

uint32_t leat_tun_packets(const struct leat_tun_offload *offload, const uint8_t *bytes,
                          uint32_t len, uint32_t ip_at)
{
    struct shape shape;
    switch (offload->type) {
    case LEAT_TUN_WHOLE: {
        bool is_partial = (offload->checksum & LEAT_TUN_CHECKSUM_PARTIAL) != 0;
        uint32_t field_end = offload->checksum_start + offload->checksum_offset + 2u;
        return len > 0 && (!is_partial || field_end <= len) ? 1 : 0;
    }
    case LEAT_TUN_TCP4:
    case LEAT_TUN_TCP6:
    case LEAT_TUN_UDP:
        return shape_of(offload, bytes, len, ip_at, &shape) ? shape.packets : 0;
    default:
        return 0;
    }
}

/* ---- cutting ---- */

static uint32_t finish_whole(const struct leat_tun_offload *offload, const uint8_t *bytes,
                             uint32_t len, uint8_t *to)
{
    memcpy(to, bytes, len);
    if ((offload->checksum & LEAT_TUN_CHECKSUM_PARTIAL) != 0) {
        uint32_t start = offload->checksum_start;
        checksum_finish(to + start, len - start, to + start + offload->checksum_offset);
    }
    return len;
}

/* Lengths, and of IPv4 the number and checksum, of packet `at`, `len` bytes from `ip` on. */
static void set_ip(const struct shape *shape, uint8_t *ip, uint32_t header_len, uint32_t len,
                   uint32_t at)
{
    if (!shape->is_v4) {
        put_u16(ip + 4, len - V6_LEN);
        return;
    }
    put_u16(ip + 2, len);
    put_u16(ip + 4, get_u16(ip + 4) + at);
    put_u16(ip + 10, 0);
    checksum_finish(ip, header_len, ip + 10);
}

/* FIN and PSH are the last one's, CWR the first one's (RFC 3168, 6.1.2). */
static void set_tcp(uint8_t *tcp, uint32_t skip, bool is_first, bool is_last)
{
    put_u32(tcp + 4, get_u32(tcp + 4) + skip);
    uint32_t gone = (is_last ? 0 : TCP_FLAG_FIN | TCP_FLAG_PSH) | (is_first ? 0 : TCP_FLAG_CWR);
    tcp[13] &= (uint8_t)~gone;
}

/* The field holds the sum of the pseudo header, with the length of the whole: it is put right,
 * so that neither addresses nor headers in between are looked at. */
static void set_checksum(const struct leat_tun_offload *offload, uint8_t *transport,
                         uint32_t len_whole, uint32_t len)
{
    uint8_t *field = transport + offload->checksum_offset;
    uint8_t lengths[2];
    uint16_t before, after, sum;
    memcpy(&sum, field, sizeof(sum));
    put_u16(lengths, len_whole);
    memcpy(&before, lengths, sizeof(before));
    put_u16(lengths, len);
    memcpy(&after, lengths, sizeof(after));
    sum = fold((uint64_t)sum + (uint16_t)~before + after);
    memcpy(field, &sum, sizeof(sum));
    checksum_finish(transport, len, field);
}

uint32_t leat_tun_segment(const struct leat_tun_offload *offload, const uint8_t *bytes,
                          uint32_t len, uint32_t ip_at, uint32_t at, uint8_t *to)
{
    struct shape shape;
    uint32_t packets = leat_tun_packets(offload, bytes, len, ip_at);
    if (at >= packets) {
        return 0;
    }
    if (offload->type == LEAT_TUN_WHOLE) {
        return finish_whole(offload, bytes, len, to);
    }
    bool is_shaped = shape_of(offload, bytes, len, ip_at, &shape);
    LEAT_ASSERT(is_shaped);
    uint32_t skip = at * offload->segment_size;
    uint32_t left = len - shape.header_len - skip;
    uint32_t payload = left < offload->segment_size ? left : offload->segment_size;
    uint32_t total = shape.header_len + payload;
    uint8_t *transport = to + shape.transport_at;
    memcpy(to, bytes, shape.header_len);
    memcpy(to + shape.header_len, bytes + shape.header_len + skip, payload);
    set_ip(&shape, to + ip_at, shape.transport_at - ip_at, total - ip_at, at);
    if (shape.is_tcp) {
        set_tcp(transport, skip, at == 0, at + 1 == packets);
    } else {
        put_u16(transport + 4, total - shape.transport_at);
    }
    set_checksum(offload, transport, len - shape.transport_at, total - shape.transport_at);
    return total;
}
