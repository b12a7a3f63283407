/* An agent's state: ice.c takes what comes in and goes out, ice_tuples.c keeps the tuples. */
#ifndef LEAT_PROTOCOLS_WEBRTC_ICE_AGENT_H
#define LEAT_PROTOCOLS_WEBRTC_ICE_AGENT_H

#include <leat/ice.h>
#include <leat/stun.h>

/* The credentials that count, and those before a restart. */
enum generation { CURRENT, OLD, GENERATIONS };

enum { NO_TUPLE = -1 };

struct tuple {
    struct leat_ice_tuple at;
    uint64_t received, sent; /* bytes; counted until it is verified */
    leat_time valid_at;      /* when its last check, or answer to ours, was valid */
    leat_time ask_at;        /* when our request is due again; LEAT_NEVER: not */
    uint8_t transaction[LEAT_STUN_TRANSACTION_LEN];
    uint8_t generation; /* of its last check; our request is made with the same */
    uint8_t asks;       /* how often this transaction was sent */
    bool used;
    bool verified;
    bool asked;   /* an answer to `transaction` is taken */
    bool ask_due; /* our request is to be transmitted now */
};

/* The most that one call makes: each tuple dropped, one added, verified, selected, the restart done
 * or the end. */
enum { EVENTS_MAX = LEAT_ICE_TUPLES_MAX + 4 };

struct leat_ice {
    leat_time consent_ns, opened_at;
    leat_time refresh_at; /* not before: the silent selected tuple is asked again */
    uint64_t tie_breaker;
    struct leat_ice_counters counters;
    struct leat_ice_credentials local[GENERATIONS], remote[GENERATIONS];
    bool restarting; /* the OLD ones are valid too */
    bool nominated;  /* by anybody, ever */
    bool expired;
    int8_t selected; /* index, or NO_TUPLE */
    int8_t wanted;   /* nominated, but not verified yet; or NO_TUPLE */
    struct tuple tuples[LEAT_ICE_TUPLES_MAX];

    uint8_t events_taken, events_len;
    struct leat_ice_event events[EVENTS_MAX];
    size_t answer_len; /* of an answer in `bytes` that is to be transmitted; 0: none */
    struct leat_ice_tuple answer_to;
    uint8_t bytes[LEAT_ICE_CHECK_MAX]; /* what is lent by leat_ice_transmit */
};

/* ---- ice_tuples.c ---- */

/* NULL `local` is zeros. */
struct leat_ice_tuple leat__ice_tuple_of(const struct leat_addr *from,
                                         const struct leat_addr *local);

/* Its index, or NO_TUPLE. */
int leat__ice_find(const leat_ice *ice, const struct leat_ice_tuple *at);

/* A check from there was valid: finds it or makes it, in the place of another if need be. */
int leat__ice_heard(leat_ice *ice, leat_time now, const struct leat_ice_tuple *at,
                    enum generation generation);

/* Its check said USE-CANDIDATE, or did not. */
void leat__ice_nominate(leat_ice *ice, int index);
void leat__ice_settle(leat_ice *ice, leat_time now, int index);

/* It has answered. */
void leat__ice_verified(leat_ice *ice, int index);

/* Drops those of the old credentials, and these; or those of the current ones. */
void leat__ice_forget(leat_ice *ice, enum generation generation);

/* Drops who is silent; the selected one is followed by another that is verified, or it is the
 * end. */
void leat__ice_expire(leat_ice *ice, leat_time now);

/* Whether so many bytes more may go there; accounts them. */
bool leat__ice_may_send(leat_ice *ice, struct tuple *tuple, size_t bytes);

#endif
