/* Time and identities. Identities are one-field structs, so a socket cannot be passed where an
 * actor is meant; all are plain values, may be copied, compared and sent in messages. */
#ifndef LEAT_TYPES_H
#define LEAT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <leat/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Monotonic nanoseconds. It is handed to an actor and never read by one; only differences mean
 * anything. In simulation it is virtual and starts at 0. */
typedef uint64_t leat_time;

#define LEAT_NEVER UINT64_MAX /* a deadline that never comes */
#define LEAT_US UINT64_C(1000)
#define LEAT_MS UINT64_C(1000000)
#define LEAT_SEC UINT64_C(1000000000)

/* An actor, or a controller: slot and generation. A ref outlives its actor safely: a send to a
 * dead one is a dead letter, it never reaches the slot's next tenant. */
typedef struct leat_ref {
    uint64_t id;
} leat_ref;

/* A channel of the bus, by name: leat_channel_open. */
typedef struct leat_channel {
    uint64_t id;
} leat_channel;

/* An open socket: worker, slot and generation; a stale one fails in the same way. */
typedef struct leat_sock {
    uint64_t id;
} leat_sock;

#ifdef __cplusplus
#define LEAT_REF_NONE (leat_ref{0})
#define LEAT_SOCK_NONE (leat_sock{0})
#define LEAT_CHANNEL_NONE (leat_channel{0})
#else
#define LEAT_REF_NONE ((leat_ref){0})
#define LEAT_SOCK_NONE ((leat_sock){0})
#define LEAT_CHANNEL_NONE ((leat_channel){0})
#endif

static inline bool leat_ref_equal(leat_ref a, leat_ref b)
{
    return a.id == b.id;
}

static inline bool leat_sock_equal(leat_sock a, leat_sock b)
{
    return a.id == b.id;
}

static inline bool leat_channel_equal(leat_channel a, leat_channel b)
{
    return a.id == b.id;
}

#ifdef __cplusplus
}
#endif

#endif
