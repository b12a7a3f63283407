/* TUN and TAP interfaces: packets that the kernel routes to a program, and that a program gives to
 * the kernel. An actor opens one with leat_output_open_tun; each packet is a DATA event, each DATA
 * output writes one. Here is what such packets carry besides their bytes, and how a super-packet is
 * cut.
 *
 * With LEAT_TUN_OFFLOADS the kernel leaves work to whoever has the packet next: a checksum may
 * be unfinished, and a super-packet of up to 64 KiB stands for many packets of one connection.
 * Given back to a kernel with the same leat_tun_offload nothing of that ever needs to be done,
 * which is worth 20 times the packets a second; leat_tun_segment does it where it must be. */
#ifndef LEAT_TUN_H
#define LEAT_TUN_H

#include <leat/addr.h>
#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_TUN_NAME_LEN 16u      /* of an interface, its terminating 0 included */
#define LEAT_TUN_PACKET_MAX 65553u /* bytes: the longest IP packet behind Ethernet and VLAN */

/* Options of an interface, as bits. */
enum leat_tun_flags {
    LEAT_TUN_TAP = 1 << 0,      /* Ethernet frames; without it IP packets */
    LEAT_TUN_QUEUES = 1 << 1,   /* one queue of several: open the same name again, on this worker or
                                   another, for one more. The kernel spreads flows over them */
    LEAT_TUN_OFFLOADS = 1 << 2, /* unfinished checksums and super-packets may come. It holds for the
                                   interface: all queues should say the same */
    LEAT_TUN_UP = 1 << 3,       /* brings it up */
};

/* An address of the interface itself, and how many of its bits are the network's. */
struct leat_tun_addr {
    struct leat_addr ip; /* no port */
    uint32_t         prefix_len; /* 0..32 or 0..128 */
};

/* What is to be opened. An interface that is there already, made for instance by `ip tuntap
 * add`, is attached to if it is of that kind. One that open made goes when its last queue is
 * closed. */
struct leat_tun_config {
    const char *name; /* "leat%d": the first number that is free; NULL: "tun%d" or "tap%d" */
    const struct leat_tun_addr *addrs; /* added to those it has */
    uint32_t addrs_len;
    uint32_t flags; /* enum leat_tun_flags */
    uint32_t mtu;   /* bytes of an IP packet; 0: as it is */
};

/* What was opened, in OPENED. */
struct leat_tun_info {
    char     name[LEAT_TUN_NAME_LEN];
    uint32_t mtu;
    uint32_t index; /* of the interface */
};

/* What a super-packet is to be cut into. */
enum leat_tun_type {
    LEAT_TUN_WHOLE = 0, /* it is one packet */
    LEAT_TUN_TCP4 = 1,
    LEAT_TUN_TCP6 = 4,
    LEAT_TUN_UDP = 5, /* over either */
};

enum leat_tun_checksum {
    LEAT_TUN_CHECKSUM_PARTIAL = 1 << 0, /* to be finished: the ones' complement of the sum from
                                           checksum_start to the end, put checksum_offset behind
                                           that start */
    LEAT_TUN_CHECKSUM_VALID = 1 << 1,   /* from the kernel: found to be right */
};

/* What a packet carries besides its bytes, in event->tun and out->tun. All zero: a packet like any
 * other. Offsets are from its first byte. */
struct leat_tun_offload {
    uint8_t  type;            /* enum leat_tun_type */
    uint8_t  checksum;        /* enum leat_tun_checksum, as bits */
    uint16_t header_len;      /* of a super-packet: all that is in front of its payload */
    uint16_t segment_size;    /* of a super-packet: payload of each packet, but the last */
    uint16_t checksum_start;
    uint16_t checksum_offset;
};

/* How many packets these `len` bytes stand for, which begin with `ip_at` bytes of other headers
 * (0; of a TAP frame usually 14). 0: bytes and offload do not fit together. What comes from a
 * network should be asked that; the kernel asks again. Any thread; pure. */
LEAT_API uint32_t leat_tun_packets(const struct leat_tun_offload *offload, const uint8_t *bytes,
                                   uint32_t len, uint32_t ip_at);

/* The at-th of them, at < leat_tun_packets, into `to`: finished, with checksums, lengths,
 * sequence number and flags of its own. `to` has room for header_len + segment_size bytes, or
 * `len` if it stands for one. Returns how many were written. Any thread; pure. */
LEAT_API uint32_t leat_tun_segment(const struct leat_tun_offload *offload, const uint8_t *bytes,
                                   uint32_t len, uint32_t ip_at, uint32_t at, uint8_t *to);

#ifdef __cplusplus
}
#endif

#endif
