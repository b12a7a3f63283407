/* Cutting super-packets: each packet of one is checked field by field, and what is none is
 * refused. */
#include <string.h>

#include <leat/tun.h>

#include "check.h"
#include "packets.h"

#define IP6_LEN 40u
#define TCP_AT 16u /* of the checksum, behind the header's beginning */

static uint8_t frame[LEAT_TUN_PACKET_MAX], cut[LEAT_TUN_PACKET_MAX];

struct sample {
    struct leat_tun_offload offload;
    uint32_t len;
    uint32_t ip_at;
};

/* A super-packet in `frame`: TCP with 12 bytes of options, or UDP; its sum is that of the pseudo
 * header, as kernels leave it. `between`: bytes of IPv6 headers before the transport's. */
static struct sample make(enum leat_tun_type type, bool v4, uint32_t ip_at, uint32_t between,
                          uint32_t payload, uint32_t size)
{
    bool is_tcp = type != LEAT_TUN_UDP;
    uint32_t ip_len = v4 ? 20 : IP6_LEN + between;
    uint32_t transport_len = is_tcp ? 32 : 8;
    struct sample sample = {.ip_at = ip_at, .len = ip_at + ip_len + transport_len + payload};
    uint8_t *ip = frame + ip_at;
    uint8_t *transport = ip + ip_len;
    for (uint32_t i = 0; i < sample.len; i++) {
        frame[i] = (uint8_t)(i * 167u >> 2);
    }
    uint8_t protocol = is_tcp ? 6 : 17;
    memset(ip, 0, ip_len);
    if (v4) {
        ip[0] = 0x45;
        packet_put(ip + 2, sample.len - ip_at);
        packet_put(ip + 4, 0xfffe); /* its number goes round */
        packet_put(ip + 6, 0x4000);
        ip[8] = 64;
        ip[9] = protocol;
    } else {
        ip[0] = 0x60;
        packet_put(ip + 4, sample.len - ip_at - IP6_LEN);
        ip[6] = between > 0 ? 60 : protocol;
        ip[40] = protocol;
    }
    memset(ip + (v4 ? 12 : 8), 0xab, v4 ? 8 : 32);
    if (is_tcp) {
        memset(transport + 4, 0xff, 4); /* its sequence number, too */
        transport[12] = 8 << 4;
        transport[13] = 0x99; /* CWR ACK PSH FIN */
    } else {
        packet_put(transport + 4, 8 + payload);
    }
    uint32_t checksum_offset = is_tcp ? TCP_AT : 6;
    packet_put(transport + checksum_offset,
               packet_pseudo(ip, protocol, sample.len - ip_at - ip_len));
    sample.offload = (struct leat_tun_offload){
        .type = (uint8_t)type,
        .checksum = LEAT_TUN_CHECKSUM_PARTIAL,
        .header_len = (uint16_t)(ip_at + ip_len + transport_len),
        .segment_size = (uint16_t)size,
        .checksum_start = (uint16_t)(ip_at + ip_len),
        .checksum_offset = (uint16_t)checksum_offset,
    };
    return sample;
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void check_all(const struct sample *sample, bool v4, bool has_headers_between)
{
    const struct leat_tun_offload *offload = &sample->offload;
    uint32_t payload = sample->len - offload->header_len;
    uint32_t size = offload->segment_size;
    uint32_t n = leat_tun_packets(offload, frame, sample->len, sample->ip_at);
    CHECK_EQ(n, (payload + size - 1) / size);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t want = i + 1 < n ? size : payload - i * size;
        cut[offload->header_len + want] = 0x5a;
        uint32_t len = leat_tun_segment(offload, frame, sample->len, sample->ip_at, i, cut);
        REQUIRE(len == offload->header_len + want);
        CHECK_EQ(cut[len], 0x5a); /* and not a byte more */
        const uint8_t *ip = cut + sample->ip_at;
        const uint8_t *tcp = cut + offload->checksum_start;
        CHECK(memcmp(cut + offload->header_len, frame + offload->header_len + i * size, want) == 0);
        CHECK(memcmp(cut, frame, sample->ip_at) == 0);
        CHECK(has_headers_between || packet_is_good(ip, len - sample->ip_at));
        if (v4) {
            CHECK_EQ((uint32_t)ip[4] << 8 | ip[5], (0xfffe + i) & 0xffff);
        }
        if (offload->type != LEAT_TUN_UDP) {
            CHECK_EQ(get_u32(tcp + 4), UINT32_MAX + i * size);
            CHECK_EQ(tcp[13], 0x10 | (i == 0 ? 0x80 : 0) | (i + 1 == n ? 0x09 : 0));
        }
    }
    CHECK_EQ(leat_tun_segment(offload, frame, sample->len, sample->ip_at, n, cut), 0);
    CHECK_EQ(leat_tun_segment(offload, frame, sample->len, sample->ip_at, UINT32_MAX, cut), 0);
}

TEST(tun_segment, every_kind)
{
    static const uint32_t payloads[] = {1, 99, 100, 101, 1400, 60000};
    static const uint32_t sizes[] = {1, 100, 1400, 65000};
    for (uint32_t i = 0; i < 6; i++) {
        for (uint32_t k = i < 5 ? 0 : 1; k < 4; k++) {
            struct sample sample = make(LEAT_TUN_TCP4, true, 0, 0, payloads[i], sizes[k]);
            check_all(&sample, true, false);
            sample = make(LEAT_TUN_TCP4, true, 14, 0, payloads[i], sizes[k]);
            check_all(&sample, true, false);
            sample = make(LEAT_TUN_TCP6, false, 0, 0, payloads[i], sizes[k]);
            check_all(&sample, false, false);
            sample = make(LEAT_TUN_TCP6, false, 18, 0, payloads[i], sizes[k]);
            check_all(&sample, false, false);
            sample = make(LEAT_TUN_UDP, true, 0, 0, payloads[i], sizes[k]);
            check_all(&sample, true, false);
            sample = make(LEAT_TUN_UDP, false, 0, 0, payloads[i], sizes[k]);
            check_all(&sample, false, false);
        }
    }
}

TEST(tun_segment, ipv6_with_headers_between)
{
    struct sample sample = make(LEAT_TUN_TCP6, false, 0, 8, 5000, 1400);
    check_all(&sample, false, true);
    uint32_t len = leat_tun_segment(&sample.offload, frame, sample.len, 0, 3, cut);
    uint32_t transport_len = len - 48;
    CHECK_EQ((uint32_t)cut[4] << 8 | cut[5], len - 40);
    CHECK_EQ(packet_sum(cut + 48, transport_len, packet_pseudo(cut, 6, transport_len)), 0xffff);
}

/* A chain of IPv6 headers of 8 bytes each, `first` the first one's kind. */
static struct sample make_chain(uint32_t headers, uint8_t first)
{
    struct sample sample = make(LEAT_TUN_TCP6, false, 0, 8 * headers, 5000, 1400);
    frame[6] = first;
    for (uint32_t i = 0; i < headers; i++) {
        frame[40 + 8 * i] = i + 1 < headers ? 60 : 6;
    }
    return sample;
}

#define CHAIN_REFUSED(headers, first, change)                                                      \
    do {                                                                                           \
        sample = make_chain(headers, first);                                                       \
        change;                                                                                    \
        CHECK_EQ(leat_tun_packets(&sample.offload, frame, sample.len, 0), 0);                      \
    } while (0)

TEST(tun_segment, ipv6_headers_lead_to_the_transport)
{
    static const uint8_t known[] = {0, 43, 60};
    struct sample sample;
    for (uint32_t i = 0; i < 3; i++) {
        sample = make_chain(1 + i, known[i]);
        CHECK_EQ(leat_tun_packets(&sample.offload, frame, sample.len, 0), 4);
    }
    sample = make_chain(8, 0);
    check_all(&sample, false, true);
    CHAIN_REFUSED(9, 0, );
    CHAIN_REFUSED(1, 44, ); /* a fragment */
    CHAIN_REFUSED(2, 60, frame[40] = 44);
    CHAIN_REFUSED(1, 50, ); /* encrypted */
    CHAIN_REFUSED(1, 6, );  /* the transport's is said to be earlier */
    CHAIN_REFUSED(1, 60, frame[40] = 17);
    CHAIN_REFUSED(1, 60, frame[40] = 59);
    CHAIN_REFUSED(2, 60, frame[41] = 1); /* leads to the transport's, whose kind is not said */
    CHAIN_REFUSED(2, 60, frame[49] = 1); /* beyond it */
    CHAIN_REFUSED(2, 60, frame[41] = 255);
    CHAIN_REFUSED(1, 60, sample.offload.checksum_start += 4);
}

TEST(tun_segment, finishes_one_packet)
{
    struct sample sample = make(LEAT_TUN_UDP, true, 0, 0, 301, 1);
    sample.offload.type = LEAT_TUN_WHOLE;
    packet_put(frame + 10, 0);
    packet_put(frame + 10, ~packet_sum(frame, 20, 0));
    CHECK_EQ(leat_tun_packets(&sample.offload, frame, sample.len, 0), 1);
    CHECK(!packet_is_good(frame, sample.len));
    CHECK_EQ(leat_tun_segment(&sample.offload, frame, sample.len, 0, 0, cut), sample.len);
    CHECK(packet_is_good(cut, sample.len));
    struct leat_tun_offload none = {0};
    CHECK_EQ(leat_tun_segment(&none, frame, sample.len, 0, 0, cut), sample.len);
    CHECK(memcmp(cut, frame, sample.len) == 0);
}

/* A sum that comes to 0 is sent as its other form: of UDP, 0 says that there is none. */
TEST(tun_segment, sum_is_never_zero)
{
    uint8_t bytes[8] = {0, 0, 0, 0, 0xff, 0xff, 0, 0};
    struct leat_tun_offload offload = {.checksum = LEAT_TUN_CHECKSUM_PARTIAL, .checksum_offset = 6};
    CHECK_EQ(leat_tun_segment(&offload, bytes, 8, 0, 0, cut), 8);
    CHECK(cut[6] == 0xff && cut[7] == 0xff);
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        sample = make(LEAT_TUN_TCP4, true, 0, 0, 5000, 1400);                                      \
        change;                                                                                    \
        CHECK_EQ(leat_tun_packets(&sample.offload, frame, sample.len, sample.ip_at), 0);           \
        CHECK_EQ(leat_tun_segment(&sample.offload, frame, sample.len, sample.ip_at, 0, cut), 0);   \
    } while (0)

TEST(tun_segment, refuses_what_does_not_fit)
{
    struct sample sample;
    REFUSED(sample.offload.type = 3); /* fragments of UDP, as kernels did once */
    REFUSED(sample.offload.type = LEAT_TUN_TCP4 | 0x80);
    REFUSED(sample.offload.type = LEAT_TUN_TCP6);
    REFUSED(sample.offload.type = LEAT_TUN_UDP);
    REFUSED(sample.offload.checksum = 0);
    REFUSED(sample.offload.segment_size = 0);
    REFUSED(sample.offload.header_len++);
    REFUSED(sample.offload.checksum_start++);
    REFUSED(sample.offload.checksum_start = 0);
    REFUSED(sample.offload.checksum_start = UINT16_MAX);
    REFUSED(sample.offload.checksum_offset = 6);
    REFUSED(sample.offload.checksum_offset = UINT16_MAX);
    REFUSED(sample.ip_at = 1);
    REFUSED(sample.ip_at = UINT32_MAX);
    REFUSED(sample.len--);
    REFUSED(sample.len = 52); /* nothing behind the headers */
    REFUSED(sample.len = 19);
    REFUSED(sample.len = 0);
    REFUSED(frame[0] = 0x65);
    REFUSED(frame[0] = 0x46);
    REFUSED(frame[0] = 0x44);
    REFUSED(frame[6] |= 0x20); /* a fragment, or the last of some */
    REFUSED(frame[7] = 1);
    REFUSED(frame[9] = 17);
    REFUSED(frame[32] = 4 << 4);
    REFUSED(frame[32] = 15 << 4);
    struct leat_tun_offload whole = {.checksum = LEAT_TUN_CHECKSUM_PARTIAL, .checksum_start = 98,
                                     .checksum_offset = 0};
    CHECK_EQ(leat_tun_packets(&whole, frame, 100, 0), 1);
    CHECK_EQ(leat_tun_packets(&whole, frame, 99, 0), 0);
    CHECK_EQ(leat_tun_packets(&whole, frame, 0, 0), 0);
    whole.checksum_offset = UINT16_MAX;
    CHECK_EQ(leat_tun_packets(&whole, frame, 100, 0), 0);
}
