/* One agent, one client, virtual time: what a step brought out is kept until the next. In every
 * step: an address that is not verified is sent at most 3 times what came from it. */
#ifndef LEAT_TESTS_WEBRTC_ICE_RIG_H
#define LEAT_TESTS_WEBRTC_ICE_RIG_H

#include "check.h"
#include "webrtc_ice.h"

enum { RIG_MAX = 32, RIG_ADDRS = 1000 };

struct rig_sent {
    struct leat_ice_tuple tuple;
    uint8_t data[LEAT_ICE_CHECK_MAX];
    size_t len;
};

struct rig {
    leat_ice *ice;
    leat_time now;
    struct ice_client client;
    struct leat_addr server; /* where the client sends to */
    struct rig_sent sent[RIG_MAX];
    size_t sent_len;
    struct leat_ice_event events[RIG_MAX];
    size_t events_len;
    size_t in[RIG_ADDRS], out[RIG_ADDRS]; /* bytes, by number of the address */
    bool verified[RIG_ADDRS];
};

static inline void rig_open(struct rig *r)
{
    struct leat_ice_config config;
    memset(r, 0, sizeof(*r));
    r->now = 1000 * LEAT_SEC;
    r->server = ice_addr(200);
    r->client.local = ice_credentials("clnt", "clientclientclientclient");
    r->client.remote = ice_credentials("serv1234", "serverserverserverserver");
    r->client.tie_breaker = 5;
    leat_ice_config_default(&config);
    config.local = r->client.remote;
    config.remote = r->client.local;
    config.tie_breaker = 77;
    REQUIRE(leat_ice_open(&config, r->now, &r->ice) == 0);
}

static inline void rig_close(struct rig *r)
{
    leat_ice_close(r->ice);
}

/* The n of ice_addr. */
static inline unsigned rig_number(const struct leat_addr *addr)
{
    return addr->ip[15] + (leat_addr_is_v4(addr) ? 0u : 256u * addr->ip[14]);
}

static inline void rig_drain(struct rig *r)
{
    struct leat_ice_datagram datagram;
    r->sent_len = r->events_len = 0;
    while (leat_ice_event(r->ice, &r->events[r->events_len])) {
        const struct leat_ice_event *const event = &r->events[r->events_len];
        const unsigned n = rig_number(&event->tuple.remote);
        r->verified[n] &= event->kind != LEAT_ICE_DROPPED;
        r->verified[n] |= event->kind == LEAT_ICE_VERIFIED;
        REQUIRE(++r->events_len < RIG_MAX);
    }
    while (leat_ice_transmit(r->ice, &datagram)) {
        struct rig_sent *const sent = &r->sent[r->sent_len];
        REQUIRE(datagram.len <= sizeof(sent->data) && ++r->sent_len < RIG_MAX);
        memcpy(sent->data, datagram.data, datagram.len);
        sent->len = datagram.len;
        sent->tuple = datagram.tuple;
        const unsigned n = rig_number(&datagram.tuple.remote);
        r->out[n] += datagram.len;
        CHECK(r->verified[n] || r->out[n] <= 3 * r->in[n]);
    }
}

static inline void rig_receive(struct rig *r, unsigned from, const uint8_t *data, size_t len)
{
    const struct leat_addr addr = ice_addr(from);
    r->in[from] += len;
    leat_ice_receive(r->ice, r->now, &addr, &r->server, data, len);
    rig_drain(r);
}

/* A datagram that is not STUN. */
static inline bool rig_admit(struct rig *r, unsigned from, size_t len)
{
    const struct leat_addr addr = ice_addr(from);
    r->in[from] += len;
    return leat_ice_admit(r->ice, &addr, &r->server, len);
}

/* A check from the n-th address; its length. */
static inline size_t rig_check(struct rig *r, unsigned n, bool nominate)
{
    uint8_t data[LEAT_ICE_CHECK_MAX];
    const size_t len = ice_client_check(&r->client, nominate, data, sizeof(data));
    rig_receive(r, n, data, len);
    return len;
}

/* What was sent to the n-th address in the last step: the request of ours, or an answer. */
static inline const struct rig_sent *rig_find(const struct rig *r, unsigned n, bool request,
                                              struct leat_stun_message *ret)
{
    const struct leat_addr addr = ice_addr(n);
    for (size_t i = 0; i < r->sent_len; i++) {
        if (leat_addr_equal(&r->sent[i].tuple.remote, &addr) &&
            leat_stun_parse(r->sent[i].data, r->sent[i].len, ret) == 0 &&
            (ret->kind == LEAT_STUN_REQUEST) == request) {
            return &r->sent[i];
        }
    }
    return NULL;
}

/* The n-th address answers what it was asked in the last step. False: it was not. */
static inline bool rig_answer(struct rig *r, unsigned n)
{
    struct leat_stun_message message;
    uint8_t data[LEAT_STUN_SUCCESS_MAX];
    const struct rig_sent *const asked = rig_find(r, n, true, &message);
    if (!asked || !ice_client_accepts(&r->client, asked->data, asked->len, &message)) {
        return false;
    }
    rig_receive(r, n, data,
                ice_client_answer(&r->client, message.transaction, &r->server, data, sizeof(data)));
    return true;
}

/* Makes the n-th address one that is verified. */
static inline bool rig_verify(struct rig *r, unsigned n, bool nominate)
{
    rig_check(r, n, nominate);
    return rig_answer(r, n);
}

/* Time goes on, whatever is due is done; what the last step brought is kept. */
static inline void rig_wait(struct rig *r, leat_time ns)
{
    const leat_time until = r->now + ns;
    while (leat_ice_deadline(r->ice) <= until) {
        r->now = leat_ice_deadline(r->ice);
        leat_ice_timeout(r->ice, r->now);
        rig_drain(r);
    }
    r->now = until;
}

/* Which address media goes to; -1: nowhere. */
static inline int rig_selected(const struct rig *r)
{
    struct leat_ice_tuple tuple;
    return leat_ice_selected(r->ice, &tuple) ? (int)rig_number(&tuple.remote) : -1;
}

/* How often an event came in the last step; for an address, or any (-1). */
static inline unsigned rig_events(const struct rig *r, enum leat_ice_event_kind kind, int n)
{
    unsigned count = 0;
    for (size_t i = 0; i < r->events_len; i++) {
        const struct leat_addr addr = ice_addr(n < 0 ? 0 : (unsigned)n);
        count += r->events[i].kind == kind &&
                 (n < 0 || leat_addr_equal(&addr, &r->events[i].tuple.remote));
    }
    return count;
}

static inline const struct leat_ice_counters *rig_counters(const struct rig *r)
{
    return leat_ice_counters(r->ice);
}

#endif
