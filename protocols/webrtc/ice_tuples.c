/* The tuples of an agent: which there are, which one media uses, what may be sent to it.
 *
 * Invariants: the selected tuple is never dropped; once there is one, another takes its place only
 * when it is verified; `wanted` is another than `selected`, nominated and not verified; to a tuple
 * that is not verified goes at most BUDGET times what came from it. Called by ice.c only. */
#include "ice_agent.h"

#include <assert.h>
#include <string.h>

#include <openssl/crypto.h>

enum {
    BUDGET = 3,
    QUIET_PART = 3 /* of consent_ns: 10 s; browsers check every 2.5 to 6 s */
};

static void tell(leat_ice *ice, enum leat_ice_event_kind kind, const struct leat_ice_tuple *at)
{
    assert(ice->events_len < EVENTS_MAX);
    ice->events[ice->events_len++] = (struct leat_ice_event){.kind = kind, .tuple = *at};
}

struct leat_ice_tuple leat__ice_tuple_of(const struct leat_addr *from,
                                         const struct leat_addr *local)
{
    struct leat_ice_tuple at;
    memset(&at, 0, sizeof(at));
    at.remote = *from;
    if (local) {
        at.local = *local;
    }
    return at;
}

/* Which interface it came by is not part of it: routes may change under a path. */
static bool is_at(const struct tuple *tuple, const struct leat_ice_tuple *at)
{
    return tuple->used && leat_addr_equal(&tuple->at.remote, &at->remote) &&
           tuple->at.local.port == at->local.port &&
           memcmp(tuple->at.local.ip, at->local.ip, sizeof(at->local.ip)) == 0;
}

int leat__ice_find(const leat_ice *ice, const struct leat_ice_tuple *at)
{
    if (ice->selected != NO_TUPLE && is_at(&ice->tuples[ice->selected], at)) {
        return ice->selected;
    }
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        if (is_at(&ice->tuples[i], at)) {
            return i;
        }
    }
    return NO_TUPLE;
}

static void drop(leat_ice *ice, int index)
{
    assert(index != ice->selected);
    tell(ice, LEAT_ICE_DROPPED, &ice->tuples[index].at);
    ice->tuples[index] = (struct tuple){0};
    if (ice->wanted == index) {
        ice->wanted = NO_TUPLE;
    }
}

/* How dear a tuple is: who is not verified goes first, who is about to be selected last. */
static int worth(const leat_ice *ice, int index)
{
    return index == ice->wanted ? 2 : ice->tuples[index].verified ? 1 : 0;
}

/* A free place; made free by dropping the least dear, of these the one silent for longest. */
static int make_room(leat_ice *ice)
{
    int least = NO_TUPLE;
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        if (!ice->tuples[i].used) {
            return i;
        }
        if (i == ice->selected) {
            continue;
        }
        if (least == NO_TUPLE || worth(ice, i) < worth(ice, least) ||
            (worth(ice, i) == worth(ice, least) &&
             ice->tuples[i].valid_at < ice->tuples[least].valid_at)) {
            least = i;
        }
    }
    assert(least != NO_TUPLE);
    drop(ice, least);
    return least;
}

int leat__ice_heard(leat_ice *ice, leat_time now, const struct leat_ice_tuple *at,
                    enum generation generation)
{
    int index = leat__ice_find(ice, at);
    if (index == NO_TUPLE) {
        index = make_room(ice);
        ice->tuples[index] = (struct tuple){.used = true, .ask_at = LEAT_NEVER};
        tell(ice, LEAT_ICE_ADDED, at);
    }
    struct tuple *const tuple = &ice->tuples[index];
    if (tuple->generation != generation) { /* what we asked was signed with the other password */
        tuple->asked = tuple->ask_due = false;
        tuple->ask_at = LEAT_NEVER;
    }
    tuple->generation = (uint8_t)generation;
    tuple->at = *at;
    tuple->valid_at = now;
    return index;
}

void leat__ice_forget(leat_ice *ice, enum generation generation)
{
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        if (i != ice->selected && ice->tuples[i].used && ice->tuples[i].generation == generation) {
            drop(ice, i);
        }
    }
}

static void finish_restart(leat_ice *ice)
{
    leat__ice_forget(ice, OLD);
    OPENSSL_cleanse(&ice->local[OLD], sizeof(ice->local[OLD]));
    OPENSSL_cleanse(&ice->remote[OLD], sizeof(ice->remote[OLD]));
    ice->restarting = false;
    tell(ice, LEAT_ICE_RESTARTED, &ice->tuples[ice->selected].at);
}

static void select_tuple(leat_ice *ice, int index)
{
    ice->wanted = NO_TUPLE;
    if (ice->selected != index) {
        ice->counters.moved += ice->selected != NO_TUPLE;
        ice->selected = (int8_t)index;
        tell(ice, LEAT_ICE_SELECTED, &ice->tuples[index].at);
    }
    if (ice->restarting && ice->tuples[index].generation == CURRENT) {
        finish_restart(ice);
    }
}

void leat__ice_nominate(leat_ice *ice, int index)
{
    const struct tuple *const tuple = &ice->tuples[index];
    if (tuple->generation == OLD && ice->wanted != NO_TUPLE &&
        ice->tuples[ice->wanted].generation == CURRENT) {
        return; /* the restart has nominated already */
    }
    ice->nominated = true;
    if (tuple->verified || ice->selected == index || ice->selected == NO_TUPLE) {
        select_tuple(ice, index);
    } else {
        ice->wanted = (int8_t)index;
    }
}

/* Who nominates several pairs at once (RFC 5245, 8.1.1.2; Firefox does) uses the best of them, which
 * need not be the last; from then on it checks that one alone. So the checks say where it is. */
void leat__ice_settle(leat_ice *ice, leat_time now, int index)
{
    if (ice->selected == NO_TUPLE) {
        select_tuple(ice, index);
        return;
    }
    const struct tuple *const tuple = &ice->tuples[index];
    const struct tuple *const selected = &ice->tuples[ice->selected];
    if (tuple->verified && tuple->generation == selected->generation &&
        now >= selected->valid_at + ice->consent_ns / QUIET_PART) {
        select_tuple(ice, index);
    }
}

void leat__ice_verified(leat_ice *ice, int index)
{
    struct tuple *const tuple = &ice->tuples[index];
    assert(!tuple->verified);
    tuple->verified = true;
    ice->counters.verified++;
    tell(ice, LEAT_ICE_VERIFIED, &tuple->at);
    if (index == ice->wanted ||
        (!ice->nominated && index != ice->selected && !ice->tuples[ice->selected].verified)) {
        select_tuple(ice, index);
    }
}

/* The verified tuple that was heard last, but the selected one. */
static int next_best(const leat_ice *ice)
{
    int best = NO_TUPLE;
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        if (i != ice->selected && ice->tuples[i].verified &&
            (best == NO_TUPLE || ice->tuples[i].valid_at > ice->tuples[best].valid_at)) {
            best = i;
        }
    }
    return best;
}

void leat__ice_expire(leat_ice *ice, leat_time now)
{
    static const struct leat_ice_tuple nowhere;
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        const struct tuple *const tuple = &ice->tuples[i];
        if (i != ice->selected && tuple->used && now >= tuple->valid_at + ice->consent_ns) {
            drop(ice, i);
        }
    }
    const int last = ice->selected;
    const leat_time heard = last == NO_TUPLE ? ice->opened_at : ice->tuples[last].valid_at;
    if (now < heard + ice->consent_ns) {
        return;
    }
    const int best = next_best(ice);
    if (best == NO_TUPLE) {
        tell(ice, LEAT_ICE_EXPIRED, last == NO_TUPLE ? &nowhere : &ice->tuples[last].at);
        ice->expired = true;
        return;
    }
    select_tuple(ice, best);
    if (ice->tuples[last].used) { /* the end of a restart may have dropped it */
        drop(ice, last);
    }
}

bool leat__ice_may_send(leat_ice *ice, struct tuple *tuple, size_t bytes)
{
    if (tuple->verified) {
        return true;
    }
    const uint64_t left = BUDGET * tuple->received - tuple->sent;
    if (bytes > left) {
        ice->counters.refused++;
        return false;
    }
    tuple->sent += bytes;
    return true;
}
