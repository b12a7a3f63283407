/* A hash table of addresses, and one of sessions, each with a list of its addresses, so that the end of a session costs what
 * it had. Entries are numbered places of one array that grows up to HANDOVER_MAX; 0 is none. A client cannot choose
 * what is in it: an address comes here only when a session has accepted its check. Used by the port alone. */
#include "handover.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS 4096u

struct entry {
    struct leat_addr peer;
    leat_ref session;
    uint32_t next;         /* of its bucket; of those that are free */
    uint32_t older;        /* of the session's */
    uint32_t session_next; /* the session's newest entry stands for it in its bucket */
    uint32_t zero;
};

struct handover {
    struct entry *entries; /* the first is not used */
    uint32_t cap, used, free_first;
    uint32_t by_peer[BUCKETS], by_session[BUCKETS];
};

int handover_open(struct handover **ret)
{
    struct handover *handover = calloc(1, sizeof(*handover));
    if (handover == NULL) {
        return -ENOMEM;
    }
    handover->used = 1;
    *ret = handover;
    return 0;
}

void handover_close(struct handover *handover)
{
    if (handover != NULL) {
        free(handover->entries);
        free(handover);
    }
}

static uint32_t mix(uint64_t value)
{
    value = (value ^ value >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(value >> 32) % BUCKETS;
}

static uint32_t *peer_bucket(struct handover *handover, const struct leat_addr *peer)
{
    uint64_t words[3];
    memcpy(words, peer, sizeof(words));
    return &handover->by_peer[mix(words[0] + words[1] * UINT64_C(0x9e3779b97f4a7c15) +
                                  words[2] * UINT64_C(0xc2b2ae3d27d4eb4f))];
}

static uint32_t *session_bucket(struct handover *handover, leat_ref session)
{
    return &handover->by_session[mix(session.id * UINT64_C(0x9e3779b97f4a7c15))];
}

/* The link that leads to the entry, or the one at the end. */
static uint32_t *find_peer(struct handover *handover, const struct leat_addr *peer)
{
    uint32_t *link = peer_bucket(handover, peer);
    while (*link != 0 && !leat_addr_equal(&handover->entries[*link].peer, peer)) {
        link = &handover->entries[*link].next;
    }
    return link;
}

static uint32_t *find_session(struct handover *handover, leat_ref session)
{
    uint32_t *link = session_bucket(handover, session);
    while (*link != 0 && !leat_ref_equal(handover->entries[*link].session, session)) {
        link = &handover->entries[*link].session_next;
    }
    return link;
}

leat_ref handover_find(const struct handover *handover, const struct leat_addr *peer)
{
    const uint32_t at = *find_peer((struct handover *)handover, peer);
    return at == 0 ? LEAT_REF_NONE : handover->entries[at].session;
}

static int take_entry(struct handover *handover, uint32_t *ret)
{
    if (handover->free_first != 0) {
        *ret = handover->free_first;
        handover->free_first = handover->entries[*ret].next;
        return 0;
    }
    if (handover->used > HANDOVER_MAX) {
        return -ENOSPC;
    }
    if (handover->used >= handover->cap) {
        const uint32_t cap = handover->cap == 0 ? 64 : 2 * handover->cap;
        struct entry *entries = realloc(handover->entries, cap * sizeof(*entries));
        if (entries == NULL) {
            return -ENOMEM;
        }
        handover->entries = entries;
        handover->cap = cap;
    }
    *ret = handover->used++;
    return 0;
}

/* Takes an entry out of its session's list. */
static void leave_session(struct handover *handover, uint32_t at)
{
    struct entry *entries = handover->entries;
    uint32_t *head = find_session(handover, entries[at].session);
    ENSURE(*head != 0);
    if (*head == at) {
        const uint32_t older = entries[at].older;
        if (older != 0) {
            entries[older].session_next = entries[at].session_next;
        }
        *head = older != 0 ? older : entries[at].session_next;
        return;
    }
    uint32_t before = *head;
    while (entries[before].older != at) {
        before = entries[before].older;
        ENSURE(before != 0);
    }
    entries[before].older = entries[at].older;
}

static void drop(struct handover *handover, uint32_t *link)
{
    const uint32_t at = *link;
    leave_session(handover, at);
    *link = handover->entries[at].next;
    handover->entries[at] = (struct entry){.next = handover->free_first};
    handover->free_first = at;
}

int handover_put(struct handover *handover, const struct leat_addr *peer, leat_ref session,
                 bool *ret_is_new)
{
    uint32_t *link = find_peer(handover, peer);
    if (*link != 0) {
        if (leat_ref_equal(handover->entries[*link].session, session)) {
            *ret_is_new = false;
            return 0;
        }
        drop(handover, link);
    }
    uint32_t at;
    int status = take_entry(handover, &at);
    if (status < 0) {
        return status;
    }
    uint32_t *bucket = peer_bucket(handover, peer);
    uint32_t *head = find_session(handover, session); /* stands at the newest one */
    const uint32_t older = *head;
    handover->entries[at] = (struct entry){
        .peer = *peer,
        .session = session,
        .next = *bucket,
        .older = older,
        .session_next = older != 0 ? handover->entries[older].session_next : 0,
    };
    *bucket = at;
    *head = at;
    *ret_is_new = older == 0;
    return 0;
}

void handover_remove(struct handover *handover, const struct leat_addr *peer, leat_ref session)
{
    uint32_t *link = find_peer(handover, peer);
    if (*link != 0 && leat_ref_equal(handover->entries[*link].session, session)) {
        drop(handover, link);
    }
}

void handover_forget(struct handover *handover, leat_ref session)
{
    for (uint32_t at; (at = *find_session(handover, session)) != 0;) {
        drop(handover, find_peer(handover, &handover->entries[at].peer));
    }
}
