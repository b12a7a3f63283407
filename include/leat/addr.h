/* A transport address by value. IPv4 is kept as an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), so
 * there is one form for both and two addresses are equal exactly if their bytes are. */
#ifndef LEAT_ADDR_H
#define LEAT_ADDR_H

#include <string.h>

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct leat_addr {
    uint8_t  ip[16];   /* network order; ::ffff:a.b.c.d for IPv4 */
    uint32_t scope_id; /* interface index: of a link-local peer, and of the local address a datagram
                          arrived at or is to leave from; else 0 */
    uint16_t port;     /* host order */
    uint16_t zero;     /* always 0 */
};

#define LEAT_ADDR_STRLEN 72 /* "[ipv6%scope]:port" and its terminating 0 */

/* Reads "1.2.3.4:5", "[::1]:5", "[fe80::1%2]:5". `text` must be 0-terminated.
 * Any thread; never blocks. 0, or -EINVAL with *ret untouched. */
LEAT_API int leat_addr_parse(const char *text, struct leat_addr *ret);

/* Joins a numeric host ("127.0.0.1", "::", "fe80::1%2") and a port. 0, or -EINVAL. */
LEAT_API int leat_addr_from_host(const char *host, uint16_t port, struct leat_addr *ret);

/* Writes the form that leat_addr_parse reads; returns `text`. */
LEAT_API const char *leat_addr_format(const struct leat_addr *addr, char text[LEAT_ADDR_STRLEN]);

/* Of `len` bytes in network order, 4 or 16 (in_addr, in6_addr), and a port in host order: no call into the
 * library. Of any other length: all zero. */
static inline struct leat_addr leat_addr_from_ip(const void *ip, size_t len, uint16_t port)
{
    struct leat_addr addr;
    memset(&addr, 0, sizeof(addr));
    if (len == 4) {
        memset(addr.ip + 10, 0xff, 2);
    }
    if (len == 4 || len == sizeof(addr.ip)) {
        memcpy(addr.ip + sizeof(addr.ip) - len, ip, len);
        addr.port = port;
    }
    return addr;
}

static inline bool leat_addr_equal(const struct leat_addr *a, const struct leat_addr *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool leat_addr_is_v4(const struct leat_addr *addr)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(addr->ip, mapped, sizeof(mapped)) == 0;
}

#ifdef __cplusplus
}
#endif

#endif
