/* What a tunnel is sent: any offload with any bytes. Nothing is read or written outside; what is
 * taken for a super-packet is cut into as many packets as it says, each within its room, with a
 * right sum if it has no headers in between, and together they carry its payload. Input: ip_at,
 * the offload, the bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <leat/tun.h>

#define SUPPOSE(expr) ((expr) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t sum_of(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
    for (uint32_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum >> 16 != 0 ? (sum & 0xffff) + (sum >> 16) : sum;
}

static void check_packet(const struct leat_tun_offload *offload, const uint8_t *packet,
                         uint32_t len, uint32_t ip_at, uint32_t seed)
{
    const uint8_t *ip = packet + ip_at;
    uint32_t ip_len = offload->checksum_start - ip_at;
    uint32_t transport_len = len - offload->checksum_start;
    if (ip[0] >> 4 == 4) {
        SUPPOSE(sum_of(ip, ip_len, 0) == 0xffff);
        SUPPOSE(((uint32_t)ip[2] << 8 | ip[3]) == len - ip_at);
    } else {
        SUPPOSE(((uint32_t)ip[4] << 8 | ip[5]) == len - ip_at - 40);
    }
    /* The pseudo header's sum is the sender's word: with its length put right the whole comes
     * out. */
    uint32_t sum = sum_of(packet + offload->checksum_start, transport_len, seed);
    SUPPOSE(sum == 0xffff || sum == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_tun_offload offload;
    if (size < 1 + sizeof(offload) || size > LEAT_TUN_PACKET_MAX) {
        return 0;
    }
    uint32_t ip_at = data[0];
    memcpy(&offload, data + 1, sizeof(offload));
    uint32_t len = (uint32_t)(size - 1 - sizeof(offload));
    uint8_t *bytes = malloc(len + 1); /* of its own, so that a byte too far is seen */
    SUPPOSE(bytes != NULL);
    memcpy(bytes, data + 1 + sizeof(offload), len);
    uint8_t *exact = realloc(bytes, len > 0 ? len : 1);
    SUPPOSE(exact != NULL);
    uint32_t n = leat_tun_packets(&offload, exact, len, ip_at);
    bool is_super = n > 0 && offload.type != LEAT_TUN_WHOLE;
    uint32_t room = is_super ? (uint32_t)offload.header_len + offload.segment_size : len;
    uint8_t *to = malloc(room > 0 ? room : 1);
    SUPPOSE(to != NULL);
    uint32_t carried = 0;
    for (uint32_t i = 0; i < n && i < 2000; i++) {
        uint32_t got = leat_tun_segment(&offload, exact, len, ip_at, i, to);
        SUPPOSE(got > 0 && got <= room);
        if (is_super) {
            uint32_t before = len - offload.checksum_start;
            uint32_t after = got - offload.checksum_start;
            const uint8_t *field = exact + offload.checksum_start + offload.checksum_offset;
            uint32_t seed =
                ((uint32_t)field[0] << 8 | field[1]) + (0xffff - before % 0xffff) + after;
            SUPPOSE(memcmp(to + offload.header_len, exact + offload.header_len + carried,
                           got - offload.header_len) == 0);
            check_packet(&offload, to, got, ip_at, seed);
            carried += got - offload.header_len;
        }
    }
    SUPPOSE(!is_super || n > 2000 || carried == len - offload.header_len);
    SUPPOSE(leat_tun_segment(&offload, exact, len, ip_at, n, to) == 0);
    free(to);
    free(exact);
    return 0;
}
