/* The table of a worker's sockets, and who owns which. A socket's id carries worker, index and
 * generation, so one that has been closed fails instead of reaching its successor. All of it is called
 * by the worker's thread. */
#include "sockets.h"

#include <string.h>

#include "mem.h"
#include "routes.h"
#include "streams.h"

#define SOCKETS_MAX (1u << 20)

/* ---- ids ---- */

leat_sock socket_id(const struct sockets *sockets, const struct socket *socket)
{
    return (leat_sock){.id = (uint64_t)sockets->host->index << 56 |
                             (uint64_t)socket->index << 32 | socket->generation};
}

struct socket *socket_at(const struct sockets *sockets, leat_sock sock)
{
    uint32_t index = (uint32_t)(sock.id >> 32) & 0xffffff;
    if (sock.id >> 56 != sockets->host->index || index >= sockets->len) {
        return NULL;
    }
    struct socket *socket = sockets->table[index];
    bool fits = socket->generation == (uint32_t)sock.id && socket->state != SOCKET_FREE &&
                socket->state != SOCKET_OPENING;
    return fits ? socket : NULL;
}

struct socket *socket_find(const struct sockets *sockets, leat_sock sock)
{
    struct socket *socket = socket_at(sockets, sock);
    return LEAT_LIKELY(socket != NULL && socket->state == SOCKET_OPEN) ? socket : NULL;
}

struct cell *sockets_cell(const struct sockets *sockets, leat_ref ref)
{
    struct host *host = sockets->host;
    leat_ref home = registry_home(host->registry, ref);
    struct cell *cell = registry_cell(host->registry, home);
    if (cell == NULL || !host_has(host, cell, home)) {
        return NULL;
    }
    return LEAT_LIKELY(!ref_is_member(ref)) || host_lives(host, ref) ? cell : NULL;
}

/* ---- the table ---- */

static struct socket *socket_add(struct sockets *sockets)
{
    if (sockets->len == SOCKETS_MAX) {
        return NULL;
    }
    if (sockets->len == sockets->cap) {
        uint32_t cap = sockets->cap == 0 ? 16 : sockets->cap * 2;
        struct socket **table = mem_alloc(cap * sizeof(struct socket *), 64);
        if (table == NULL) {
            return NULL;
        }
        if (sockets->len > 0) {
            memcpy(table, sockets->table, sockets->len * sizeof(struct socket *));
        }
        mem_free(sockets->table);
        sockets->table = table;
        sockets->cap = cap;
    }
    struct socket *socket = mem_zalloc(sizeof(*socket), 64);
    if (socket != NULL) {
        socket->index = sockets->len;
        socket->generation = 1;
        sockets->table[sockets->len++] = socket;
    }
    return socket;
}

static struct socket *socket_take(struct sockets *sockets)
{
    struct socket *socket = sockets->free;
    if (socket != NULL) {
        sockets->free = socket->free_next;
    } else {
        socket = socket_add(sockets);
    }
    return socket;
}

struct socket *socket_make(struct sockets *sockets)
{
    struct pool *pool = sockets->host->pool;
    union node *reserved = pool_take(pool);
    union node *token = pool_take(pool);
    struct socket *socket = reserved != NULL && token != NULL ? socket_take(sockets) : NULL;
    if (socket == NULL) {
        if (reserved != NULL) {
            pool_give(pool, reserved);
        }
        if (token != NULL) {
            pool_give(pool, token);
        }
        return NULL;
    }
    uint32_t index = socket->index;
    uint32_t generation = socket->generation;
    uint64_t swept = socket->routes_swept;
    *socket = (struct socket){.index = index,
                              .generation = generation,
                              .routes_swept = swept,
                              .reserved = reserved,
                              .token = token};
    return socket;
}

static void refused_drop(struct sockets *sockets, struct socket *socket)
{
    while (socket->refused != NULL) {
        union node *node = socket->refused;
        socket->refused = node->next;
        pool_give(sockets->host->pool, node);
    }
}

void socket_give(struct sockets *sockets, struct socket *socket)
{
    LEAT_ASSERT(socket->state != SOCKET_FREE);
    refused_drop(sockets, socket);
    routes_fini(socket);
    streams_drop(sockets, socket);
    if (socket->reserved != NULL) {
        pool_give(sockets->host->pool, socket->reserved);
        socket->reserved = NULL;
    }
    if (socket->error != 0) {
        socket->error = 0;
        sockets->errors_len--;
    }
    sockets->leaving_len -= socket->is_leaving;
    socket->is_leaving = false;
    socket->state = SOCKET_FREE;
    socket->owner = LEAT_REF_NONE;
    socket->generation++;
    socket->free_next = sockets->free;
    sockets->free = socket;
}

void sockets_fini(struct sockets *sockets)
{
    while (sockets->waits != NULL) {
        union node *node = sockets->waits;
        sockets->waits = node->next;
        pool_give(sockets->host->pool, node);
    }
    sockets->io = NULL; /* which closes what is open itself */
    for (uint32_t i = 0; i < sockets->len; i++) {
        if (sockets->table[i]->state != SOCKET_FREE) {
            socket_give(sockets, sockets->table[i]);
        }
    }
    for (uint32_t i = 0; i < sockets->len; i++) {
        mem_free(sockets->table[i]);
    }
    mem_free(sockets->table);
    sockets->table = NULL;
    sockets->len = 0;
}

void socket_own(struct sockets *sockets, struct socket *socket, leat_ref owner)
{
    void **list = host_sockets(sockets->host, owner);
    LEAT_ASSERT(list != NULL);
    socket->owner = owner;
    socket->owner_next = *list;
    *list = socket;
}

void socket_disown(struct sockets *sockets, struct socket *socket)
{
    void **list = host_sockets(sockets->host, socket->owner);
    if (list == NULL) {
        return;
    }
    struct socket *at = *list;
    if (at == socket) {
        *list = socket->owner_next;
        return;
    }
    while (at->owner_next != socket) {
        at = at->owner_next;
    }
    at->owner_next = socket->owner_next;
}
