/* (peer → actor) of one socket: a hash table with open addressing. */
#ifndef LEAT_ROUTES_H
#define LEAT_ROUTES_H

#include "sockets.h"

/* The route of a peer; NULL: none. */
struct route *routes_find(const struct socket *socket, const struct leat_addr *peer);

/* Sets or replaces one. `is_alive` tells which targets are worth keeping when it is full, `ended` how
 * many actors have ended so far: only if more have, a full table is looked through again.
 * -ENOSPC: `len_max` living ones; -ENOMEM. */
int routes_set(struct socket *socket, const struct leat_addr *peer, leat_ref target,
               uint32_t flags, uint32_t len_max, uint64_t ended,
               bool (*is_alive)(void *context, leat_ref target), void *context);

void routes_remove(struct socket *socket, struct route *route);

void routes_fini(struct socket *socket);

#endif
