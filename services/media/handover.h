/* Which session an address belongs to whose datagrams arrive here; of another worker, or of this one. */
#ifndef MEDIA_HANDOVER_H
#define MEDIA_HANDOVER_H

#include "media.h"

#define HANDOVER_MAX 65536u /* addresses; sessions have some each */
#define HANDOVER_SESSION_MAX (2 * LEAT_ICE_TUPLES_MAX) /* of one: its oldest goes then */

struct handover;

/* -ENOMEM. */
int handover_open(struct handover **ret);
void handover_close(struct handover *handover);

/* LEAT_REF_NONE: of none. */
leat_ref handover_find(const struct handover *handover, const struct leat_addr *peer);

/* From now on that session's. *ret_is_new: the session had none so far. -EBUSY: it is another's, and not to be taken;
 * -ENOSPC; -ENOMEM. */
int handover_put(struct handover *handover, const struct leat_addr *peer, leat_ref session,
                 bool take, bool *ret_is_new);

/* Only if it is that session's. Whether it was. */
bool handover_remove(struct handover *handover, const struct leat_addr *peer, leat_ref session);

/* All of a session's. */
void handover_forget(struct handover *handover, leat_ref session);

#endif
