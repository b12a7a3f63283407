/* Which addresses answers offer as candidates (RFC 8445, 5.1.1). Found once, at the start: a
 * machine that gets another address later is to be told so with `advertised`, or started again. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "media.h"

static bool is_any(const struct leat_addr *addr)
{
    static const uint8_t any[16] = {0};
    static const uint8_t any4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(addr->ip, any, 16) == 0 || memcmp(addr->ip, any4, 16) == 0;
}

/* False: no address of the internet, or one that means nothing without its interface. */
static bool address_of(const struct sockaddr *from, struct leat_addr *ret)
{
    if (from != NULL && from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
        *ret = leat_addr_from_ip(&v4->sin_addr, sizeof(v4->sin_addr), 0);
    } else if (from != NULL && from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
        if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) || IN6_IS_ADDR_MULTICAST(&v6->sin6_addr)) {
            return false;
        }
        *ret = leat_addr_from_ip(&v6->sin6_addr, sizeof(v6->sin6_addr), 0);
    } else {
        return false;
    }
    return true;
}

static bool is_taken(const struct leat_addr *local, const struct leat_addr *addr)
{
    const bool is_v4 = leat_addr_is_v4(addr);
    return is_v4 || !leat_addr_is_v4(local); /* a socket on [::] takes both */
}

/* Those of the interfaces that are up; of loopback ones, or of the others; IPv4 first, which more
 * clients have. */
static void collect(leat_media *media, const struct ifaddrs *list, bool of_loopback)
{
    for (int pass = 0; pass < 2; pass++) {
        for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
            struct leat_addr addr;
            const bool is_loopback = (at->ifa_flags & IFF_LOOPBACK) != 0;
            if ((at->ifa_flags & IFF_UP) != 0 && is_loopback == of_loopback &&
                media->address_count < LEAT_MEDIA_ADDRESSES_MAX &&
                address_of(at->ifa_addr, &addr) && leat_addr_is_v4(&addr) == (pass == 0) &&
                is_taken(&media->config.local, &addr)) {
                media->addresses[media->address_count++] = addr;
            }
        }
    }
}

int media_addresses_find(leat_media *media)
{
    struct ifaddrs *list;
    media->address_count = 0;
    if (media->config.advertised_count > 0 || !is_any(&media->config.local)) {
        const uint32_t count =
            media->config.advertised_count > 0 ? media->config.advertised_count : 1;
        const struct leat_addr *from =
            media->config.advertised_count > 0 ? media->advertised : &media->config.local;
        memcpy(media->addresses, from, count * sizeof(*from));
        media->address_count = media->near_from = count;
        if (media->config.advertised_count == 0) {
            media->addresses[0].port = 0;
        }
        return 0;
    }
    if (getifaddrs(&list) != 0) {
        return -errno;
    }
    collect(media, list, false);
    media->near_from = media->address_count;
    collect(media, list, true);
    freeifaddrs(list);
    if (media->near_from == 0) {
        media->near_from = media->address_count; /* there is nothing else */
    }
    return media->address_count > 0 ? 0 : -EADDRNOTAVAIL;
}

size_t media_candidates(const struct media_worker *worker, bool is_near,
                        struct leat_addr ret[LEAT_MEDIA_ADDRESSES_MAX])
{
    const leat_media *media = worker->media;
    const uint32_t count = is_near ? media->address_count : media->near_from;
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = media->addresses[i];
        ret[i].scope_id = 0;
        if (ret[i].port == 0) {
            ret[i].port = worker->bound.port;
        } else if (media->config.port_each) {
            ret[i].port = (uint16_t)(ret[i].port + worker->index);
        }
    }
    return count;
}
