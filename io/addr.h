/* leat_addr as the kernel wants it. */
#ifndef LEAT_IO_ADDR_H
#define LEAT_IO_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <leat/addr.h>

union addr_any {
    struct sockaddr     any;
    struct sockaddr_in  v4;
    struct sockaddr_in6 v6;
};

/* The address family of a socket bound to `addr`: AF_INET for an IPv4-mapped one. */
int addr_family(const struct leat_addr *addr);

/* Fills in *ret for a socket of `family` and returns its length; 0: an IPv6 address for AF_INET. */
socklen_t addr_to_any(const struct leat_addr *addr, int family, union addr_any *ret);

/* From what the kernel wrote; false, and *ret all zero, if it is of another family. */
bool addr_from_any(const union addr_any *any, struct leat_addr *ret);

/* ::ffff:a.b.c.d, `ip` in network order. */
void addr_map_v4(uint8_t ret[16], const void *ip);

#define ADDR_SET_LEN 32u

/* The local addresses of one socket, each at a place that does not change, so that received buffers
 * can point there. Zeroed memory is an empty one. */
struct addr_set {
    uint32_t         len;
    uint32_t         last; /* the one found last */
    struct leat_addr at[ADDR_SET_LEN];
};

const struct leat_addr *addr_set_intern_slow(struct addr_set *set, const struct leat_addr *addr);

/* The set's copy of `addr`; NULL: ADDR_SET_LEN others are there. */
static inline const struct leat_addr *addr_set_intern(struct addr_set *set,
                                                      const struct leat_addr *addr)
{
    const struct leat_addr *last = &set->at[set->last];
    return leat_addr_equal(last, addr) ? last : addr_set_intern_slow(set, addr);
}

/* 0.0.0.0 or :: */
bool addr_is_wildcard(const struct leat_addr *addr);

/* 224.0.0.0/4, 255.255.255.255 or ff00::/8: nothing can be sent from there. */
bool addr_is_group(const struct leat_addr *addr);

#endif
