/* Linear probing over a power of two of places, never more than half of them used. A removed route
 * leaves its place used until the table is laid out anew. */
#include "routes.h"

#include <errno.h>
#include <string.h>

#include "mem.h"

static uint32_t hash(const struct leat_addr *peer)
{
    uint64_t words[3];
    memcpy(words, peer, sizeof(words));
    uint64_t mixed = (words[0] ^ words[1] * UINT64_C(0x9e3779b97f4a7c15)) +
                     words[2] * UINT64_C(0xc2b2ae3d27d4eb4f);
    mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(mixed >> 32);
}

/* The place of a peer, or the free one where it would go. */
static struct route *probe(const struct socket *socket, const struct leat_addr *peer)
{
    uint32_t mask = socket->routes_cap - 1;
    for (uint32_t at = hash(peer) & mask;; at = (at + 1) & mask) {
        struct route *route = &socket->routes[at];
        if (route->used == 0 || leat_addr_equal(&route->peer, peer)) {
            return route;
        }
    }
}

struct route *routes_find(const struct socket *socket, const struct leat_addr *peer)
{
    if (socket->routes_len == 0) {
        return NULL;
    }
    struct route *route = probe(socket, peer);
    return leat_ref_equal(route->target, LEAT_REF_NONE) ? NULL : route;
}

/* Lays the table out anew, with room, without what is dead. */
static int rebuild(struct socket *socket, bool (*is_alive)(void *context, leat_ref target),
                   void *context)
{
    struct route *old = socket->routes;
    uint32_t old_cap = socket->routes_cap;
    uint32_t alive = 0;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (!leat_ref_equal(old[i].target, LEAT_REF_NONE) && !is_alive(context, old[i].target)) {
            old[i].target = LEAT_REF_NONE;
        }
        alive += !leat_ref_equal(old[i].target, LEAT_REF_NONE);
    }
    uint32_t cap = 16;
    while (cap < 4 * (alive + 1)) {
        cap *= 2;
    }
    struct route *fresh = mem_zalloc(cap * sizeof(*fresh), 64);
    if (fresh == NULL) {
        return -ENOMEM;
    }
    socket->routes = fresh;
    socket->routes_cap = cap;
    socket->routes_len = alive;
    socket->routes_used = alive;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (!leat_ref_equal(old[i].target, LEAT_REF_NONE)) {
            *probe(socket, &old[i].peer) = old[i];
        }
    }
    mem_free(old);
    return 0;
}

int routes_set(struct socket *socket, const struct leat_addr *peer, leat_ref target,
               uint32_t flags, uint32_t len_max, uint64_t ended,
               bool (*is_alive)(void *context, leat_ref target), void *context)
{
    struct route *route = routes_find(socket, peer);
    if (route == NULL) {
        bool is_full = socket->routes_len >= len_max;
        if (is_full && socket->routes_swept == ended) {
            return -ENOSPC; /* nobody has ended since it was last full */
        }
        socket->routes_swept = is_full ? ended : socket->routes_swept;
        if (2 * (socket->routes_used + 1) > socket->routes_cap || is_full) {
            int status = rebuild(socket, is_alive, context);
            if (status < 0) {
                return status;
            }
        }
        if (socket->routes_len >= len_max) {
            return -ENOSPC;
        }
        route = probe(socket, peer);
        socket->routes_used += route->used == 0;
        socket->routes_len++;
    }
    *route = (struct route){.peer = *peer, .target = target, .flags = flags, .used = 1};
    socket->routes_version++;
    return 0;
}

void routes_remove(struct socket *socket, struct route *route)
{
    LEAT_ASSERT(socket->routes_len > 0);
    route->target = LEAT_REF_NONE;
    socket->routes_len--;
    socket->routes_version++;
}

void routes_fini(struct socket *socket)
{
    mem_free(socket->routes);
    socket->routes = NULL;
    socket->routes_cap = 0;
    socket->routes_len = 0;
    socket->routes_used = 0;
    socket->routes_version++;
}
