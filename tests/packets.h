/* IPv4 packets of UDP for tests of TUN, and the kernel's sockets that send and receive them. */
#ifndef LEAT_TESTS_PACKETS_H
#define LEAT_TESTS_PACKETS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <leat/buf.h>

#include "check.h"

#define TUN_HERE "10.77.0.1"  /* the interface's: the kernel's sockets are there */
#define TUN_THERE "10.77.0.2" /* nobody's: what is sent there comes out of the interface */
#define TUN_PORT 7700         /* there */
#define TUN_HEADERS 28u       /* IPv4 and UDP */

/* ---- the kernel's side ---- */

static inline int kernel_socket(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int bytes = 4 << 20;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(fd >= 0);
    inet_pton(AF_INET, TUN_HERE, &at.sin_addr);
    REQUIRE(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
    return fd;
}

static inline ssize_t kernel_send(int fd, const void *bytes, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(TUN_PORT)};
    inet_pton(AF_INET, TUN_THERE, &to.sin_addr);
    return sendto(fd, bytes, len, 0, (struct sockaddr *)&to, sizeof(to));
}

/* ---- packets ---- */

static inline uint32_t packet_sum(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
    for (uint32_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static inline void packet_put(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* The sum of the pseudo header of IPv4, or of IPv6. */
static inline uint32_t packet_pseudo(const uint8_t *ip, uint32_t protocol, uint32_t len)
{
    bool is_v4 = ip[0] >> 4 == 4;
    return packet_sum(is_v4 ? ip + 12 : ip + 8, is_v4 ? 8 : 32, protocol + len);
}

/* Whether all of a packet of UDP or TCP, over IPv4 or IPv6 without further headers, is as it
 * should be, its checksums too. */
static inline bool packet_is_good(const uint8_t *ip, uint32_t len)
{
    bool is_v4 = len >= 28 && ip[0] == 0x45;
    uint32_t ip_len = is_v4 ? 20 : 40;
    if (len < ip_len + 8 || (!is_v4 && ip[0] >> 4 != 6)) {
        return false;
    }
    uint32_t said = is_v4 ? (uint32_t)ip[2] << 8 | ip[3] : ((uint32_t)ip[4] << 8 | ip[5]) + 40;
    uint32_t protocol = is_v4 ? ip[9] : ip[6];
    const uint8_t *transport = ip + ip_len;
    bool has_sum = protocol != 17 || transport[6] != 0 || transport[7] != 0;
    uint32_t sum = packet_sum(transport, len - ip_len, packet_pseudo(ip, protocol, len - ip_len));
    bool is_fit = protocol != 17 || ((uint32_t)transport[4] << 8 | transport[5]) == len - ip_len;
    return said == len && is_fit && (!is_v4 || packet_sum(ip, 20, 0) == 0xffff) &&
           (!has_sum || sum == 0xffff);
}

/* Headers of a UDP packet from TUN_THERE to `port` of TUN_HERE in front of `len` bytes that are
 * there. */
static inline void packet_finish(uint8_t *ip, uint32_t len, uint16_t port)
{
    memset(ip, 0, TUN_HEADERS);
    ip[0] = 0x45;
    packet_put(ip + 2, TUN_HEADERS + len);
    ip[8] = 64;
    ip[9] = 17;
    inet_pton(AF_INET, TUN_THERE, ip + 12);
    inet_pton(AF_INET, TUN_HERE, ip + 16);
    packet_put(ip + 20, TUN_PORT);
    packet_put(ip + 22, port);
    packet_put(ip + 24, 8 + len);
    packet_put(ip + 10, ~packet_sum(ip, 20, 0));
    uint32_t sum = ~packet_sum(ip + 20, 8 + len, packet_pseudo(ip, 17, 8 + len)) & 0xffff;
    packet_put(ip + 26, sum == 0 ? 0xffff : sum);
}

/* Back to where it came from: sums stay as they are. */
static inline void packet_turn(uint8_t *ip)
{
    uint8_t keep[4];
    memcpy(keep, ip + 12, 4);
    memmove(ip + 12, ip + 16, 4);
    memcpy(ip + 16, keep, 4);
    memcpy(keep, ip + 20, 2);
    memmove(ip + 20, ip + 22, 2);
    memcpy(ip + 22, keep, 2);
}

/* The payload of a UDP packet over IPv4. */
static inline leat_slice packet_payload(leat_slice packet)
{
    return leat_slice_sub(packet, TUN_HEADERS, packet.len);
}

#endif
