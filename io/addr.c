/* Addresses: to and from text, to and from the kernel's structures. One form inside, IPv4 as
 * IPv4-mapped IPv6, so that an AF_INET and a dual-stack socket name the same peer with the same
 * bytes. Text is read strictly: numbers only, nothing is looked up, nothing may follow.
 * Any thread. */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "assert.h"

#define HOST_LEN_MAX (LEAT_ADDR_STRLEN - 1)

/* Decimal digits only, no sign, at most `max`. */
static bool read_number(const char *text, uint32_t max, uint32_t *ret)
{
    uint64_t value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max) {
            return false;
        }
    }
    *ret = (uint32_t)value;
    return true;
}

/* A numeric address with or without "%scope" into a cleared *ret. */
static bool read_host(const char *host, struct leat_addr *ret)
{
    char text[LEAT_ADDR_STRLEN];
    size_t len = strnlen(host, sizeof(text));
    if (len == sizeof(text)) {
        return false;
    }
    memcpy(text, host, len + 1);
    char *scope = strchr(text, '%');
    if (scope != NULL) {
        *scope++ = '\0';
        if (!read_number(scope, UINT32_MAX, &ret->scope_id)) {
            return false;
        }
    }
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        addr_map_v4(ret->ip, &v4);
        return true;
    }
    return inet_pton(AF_INET6, text, ret->ip) == 1;
}

int leat_addr_from_host(const char *host, uint16_t port, struct leat_addr *ret)
{
    LEAT_ASSERT(host != NULL);
    LEAT_ASSERT(ret != NULL);
    struct leat_addr addr = {.port = port};
    if (!read_host(host, &addr)) {
        return -EINVAL;
    }
    *ret = addr;
    return 0;
}

int leat_addr_parse(const char *text, struct leat_addr *ret)
{
    LEAT_ASSERT(text != NULL);
    LEAT_ASSERT(ret != NULL);
    bool bracketed = text[0] == '[';
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return -EINVAL;
    }
    const char *host = bracketed ? text + 1 : text;
    const char *end = bracketed ? colon - 1 : colon;
    if (end <= host || (bracketed && *end != ']')) {
        return -EINVAL;
    }
    char copy[HOST_LEN_MAX + 1];
    size_t len = (size_t)(end - host);
    if (len > HOST_LEN_MAX) {
        return -EINVAL;
    }
    memcpy(copy, host, len);
    copy[len] = '\0';
    if ((strchr(copy, ':') != NULL) != bracketed) {
        return -EINVAL; /* "::1:5" may mean two things, "[1.2.3.4]:5" is no form of ours */
    }
    uint32_t port;
    if (strlen(colon + 1) > 5 || !read_number(colon + 1, UINT16_MAX, &port)) {
        return -EINVAL;
    }
    return leat_addr_from_host(copy, (uint16_t)port, ret);
}

const char *leat_addr_format(const struct leat_addr *addr, char text[LEAT_ADDR_STRLEN])
{
    LEAT_ASSERT(addr != NULL);
    LEAT_ASSERT(text != NULL);
    bool v4 = leat_addr_is_v4(addr);
    char host[INET6_ADDRSTRLEN];
    char scope[16] = "";
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr->ip + 12 : addr->ip, host, sizeof(host));
    if (addr->scope_id != 0) {
        snprintf(scope, sizeof(scope), "%%%u", addr->scope_id);
    }
    snprintf(text, LEAT_ADDR_STRLEN, v4 ? "%s%s:%u" : "[%s%s]:%u", host, scope,
             (unsigned)addr->port);
    return text;
}

int addr_family(const struct leat_addr *addr)
{
    return leat_addr_is_v4(addr) ? AF_INET : AF_INET6;
}

socklen_t addr_to_any(const struct leat_addr *addr, int family, union addr_any *ret)
{
    LEAT_ASSERT(family == AF_INET || family == AF_INET6);
    if (family == AF_INET) {
        if (!leat_addr_is_v4(addr)) {
            return 0;
        }
        ret->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(addr->port)};
        memcpy(&ret->v4.sin_addr, addr->ip + 12, 4);
        return sizeof(ret->v4);
    }
    /* A scope on a mapped address is an interface for us, and an error for some kernels. */
    uint32_t scope = leat_addr_is_v4(addr) ? 0 : addr->scope_id;
    ret->v6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(addr->port), .sin6_scope_id = scope};
    memcpy(&ret->v6.sin6_addr, addr->ip, 16);
    return sizeof(ret->v6);
}

bool addr_from_any(const union addr_any *any, struct leat_addr *ret)
{
    *ret = (struct leat_addr){0};
    if (any->any.sa_family == AF_INET) {
        addr_map_v4(ret->ip, &any->v4.sin_addr);
        ret->port = ntohs(any->v4.sin_port);
        return true;
    }
    if (any->any.sa_family == AF_INET6) {
        memcpy(ret->ip, &any->v6.sin6_addr, 16);
        ret->scope_id = any->v6.sin6_scope_id;
        ret->port = ntohs(any->v6.sin6_port);
        return true;
    }
    return false;
}

void addr_map_v4(uint8_t ret[16], const void *ip)
{
    memset(ret, 0, 10);
    ret[10] = 0xff;
    ret[11] = 0xff;
    memcpy(ret + 12, ip, 4);
}

bool addr_is_wildcard(const struct leat_addr *addr)
{
    static const uint8_t zero[16];
    bool v4 = leat_addr_is_v4(addr);
    return memcmp(v4 ? addr->ip + 12 : addr->ip, zero, v4 ? 4 : 16) == 0;
}

bool addr_is_group(const struct leat_addr *addr)
{
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    if (!leat_addr_is_v4(addr)) {
        return addr->ip[0] == 0xff;
    }
    return (addr->ip[12] & 0xf0) == 0xe0 || memcmp(addr->ip + 12, broadcast, 4) == 0;
}

const struct leat_addr *addr_set_intern_slow(struct addr_set *set, const struct leat_addr *addr)
{
    LEAT_ASSERT(set->len <= ADDR_SET_LEN);
    uint32_t i = 0;
    while (i < set->len && !leat_addr_equal(&set->at[i], addr)) {
        i++;
    }
    if (i == ADDR_SET_LEN) {
        return NULL;
    }
    if (i == set->len) {
        set->at[set->len++] = *addr;
    }
    set->last = i;
    return &set->at[i];
}
