/* Links to a server, in columns. */
#include "links.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

#define OTHERS_MAX 4

static bool is_any(const struct leat_addr *addr)
{
    static const uint8_t any[16] = {0};
    return memcmp(addr->ip, any, sizeof(any)) == 0 || (leat_addr_is_v4(addr) && memcmp(addr->ip + 12, any, 4) == 0);
}

/* False: nothing a link may have. */
static bool address_of(const struct ifaddrs *at, uint16_t port, struct leat_addr *ret)
{
    if (at->ifa_addr == NULL || (at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) {
        return false;
    }
    if (at->ifa_addr->sa_family == AF_INET) {
        const struct sockaddr_in *const v4 = (const struct sockaddr_in *)(const void *)at->ifa_addr;
        *ret = leat_addr_from_ip(&v4->sin_addr, sizeof(v4->sin_addr), port);
        return true;
    }
    const struct sockaddr_in6 *const v6 = (const struct sockaddr_in6 *)(const void *)at->ifa_addr;
    if (at->ifa_addr->sa_family != AF_INET6 || IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) {
        return false;
    }
    *ret = leat_addr_from_ip(&v6->sin6_addr, sizeof(v6->sin6_addr), port);
    return true;
}

/* IPv4 first: those are easier to type. */
static void print_others(const char *scheme, const struct leat_addr *bound)
{
    struct ifaddrs *list;
    int printed = 0;
    if (getifaddrs(&list) != 0) {
        return; /* the server serves */
    }
    for (int pass = 0; pass < (leat_addr_is_v4(bound) ? 1 : 2); pass++) {
        for (const struct ifaddrs *at = list; at != NULL && printed < OTHERS_MAX; at = at->ifa_next) {
            char text[LEAT_ADDR_STRLEN];
            struct leat_addr addr;
            if (address_of(at, bound->port, &addr) && leat_addr_is_v4(&addr) == (pass == 0)) {
                printf("%s %s://%s\n", printed++ == 0 ? "from elsewhere" : "            or", scheme,
                       leat_addr_format(&addr, text));
            }
        }
    }
    freeifaddrs(list);
}

void links_print(const char *scheme, const struct leat_addr *bound, const struct link *links, size_t count)
{
    char text[LEAT_ADDR_STRLEN];
    struct leat_addr addr = *bound;
    int width = 0;
    if (is_any(bound)) {
        addr = leat_addr_from_ip((const uint8_t[]){127, 0, 0, 1}, 4, bound->port);
    }
    leat_addr_format(&addr, text);
    for (size_t i = 0; i < count; i++) {
        width = (int)strlen(links[i].path) > width ? (int)strlen(links[i].path) : width;
    }
    for (size_t i = 0; i < count; i++) {
        printf("%s://%s%-*s  %s\n", scheme, text, width, links[i].path, links[i].what);
    }
    if (is_any(bound)) {
        print_others(scheme, bound);
    }
    fflush(stdout);
}
