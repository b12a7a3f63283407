/* Which session of another worker an address belongs to whose datagrams arrive here. */
#ifndef MEDIA_HANDOVER_H
#define MEDIA_HANDOVER_H

#include "media.h"

#define HANDOVER_MAX 65536u /* addresses; sessions have some each */

struct handover;

/* -ENOMEM. */
int handover_open(struct handover **ret);
void handover_close(struct handover *handover);

/* LEAT_REF_NONE: of none. */
leat_ref handover_find(const struct handover *handover, const struct leat_addr *peer);

/* From now on that session's. *ret_is_new: the session had none so far. -ENOSPC; -ENOMEM. */
int handover_put(struct handover *handover, const struct leat_addr *peer, leat_ref session,
                 bool *ret_is_new);

/* Only if it is that session's. */
void handover_remove(struct handover *handover, const struct leat_addr *peer, leat_ref session);

/* All of a session's. */
void handover_forget(struct handover *handover, leat_ref session);

#endif
