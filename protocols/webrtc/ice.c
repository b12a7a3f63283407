/* The agent: what comes in, what goes out, and when. Every datagram passes authenticate() before
 * anything is done for it. An answer is written at once into the one buffer there is; requests
 * of ours are written when they are taken, so a call leaves at most that one answer. Which tuple
 * is used is decided in ice_tuples.c. One thread. */
#include <leat/ice.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "ice_agent.h"
#include "ice_credentials.h"

#define CONSENT_NS_MAX (30 * LEAT_SEC)
#define ASK_NS (50 * LEAT_MS) /* the first repeat of our request; doubles */
enum {
    ASKS_MAX = 6,
    REFRESHES = 6 /* in consent_ns, of which the first half passes without */
};

/* As if our candidate were peer reflexive (RFC 8445, 7.1.1): type 110, any network, component 1. */
#define ASK_PRIORITY (110u << 24 | 65535u << 8 | 255u)

void leat_ice_config_default(struct leat_ice_config *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->consent_ns = CONSENT_NS_MAX;
}

int leat_ice_open(const struct leat_ice_config *config, leat_time now, leat_ice **ret)
{
    if (!leat__ice_credentials_valid(&config->local) ||
        !leat__ice_credentials_valid(&config->remote) || config->consent_ns == 0 ||
        config->consent_ns > CONSENT_NS_MAX) {
        return -EINVAL;
    }
    leat_ice *const ice = calloc(1, sizeof(*ice));
    if (!ice) {
        return -ENOMEM;
    }
    ice->local[CURRENT] = config->local;
    ice->remote[CURRENT] = config->remote;
    ice->tie_breaker = config->tie_breaker;
    ice->consent_ns = config->consent_ns;
    ice->opened_at = now;
    ice->selected = ice->wanted = NO_TUPLE;
    *ret = ice;
    return 0;
}

void leat_ice_close(leat_ice *ice)
{
    if (ice) {
        OPENSSL_cleanse(ice, sizeof(*ice));
        free(ice);
    }
}

/* Nothing is taken in before all that was put out is taken away. */
static void begin(leat_ice *ice)
{
    assert(ice->events_taken == ice->events_len);
    assert(ice->answer_len == 0);
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        assert(!ice->tuples[i].ask_due);
    }
    ice->events_taken = ice->events_len = 0;
}

/* ---- our requests ---- */

/* Whether a tuple answers is asked with a new transaction, and at ask_at again; without randomness,
 * at its next check. */
static void ask(struct tuple *tuple, leat_time ask_at)
{
    if (RAND_bytes(tuple->transaction, sizeof(tuple->transaction)) == 1) {
        tuple->asked = tuple->ask_due = true;
        tuple->asks = 1;
        tuple->ask_at = ask_at;
    }
}

static void ask_again(struct tuple *tuple, leat_time now)
{
    if (tuple->asks == ASKS_MAX) {
        tuple->ask_at = LEAT_NEVER; /* a late answer is still taken; its next check asks anew */
        return;
    }
    tuple->ask_due = true;
    tuple->ask_at = now + (ASK_NS << tuple->asks++);
}

/* When the selected tuple is silent for so long that it is asked whether it is still there, each
 * time with a new transaction (RFC 7675, 5.1): there are clients that keep a pair alive with
 * indications, which prove nothing. */
static leat_time refresh_due(const leat_ice *ice)
{
    if (ice->selected == NO_TUPLE || !ice->tuples[ice->selected].verified) {
        return LEAT_NEVER;
    }
    const leat_time silent_at = ice->tuples[ice->selected].valid_at + ice->consent_ns / 2;
    return silent_at > ice->refresh_at ? silent_at : ice->refresh_at;
}

static void refresh(leat_ice *ice, leat_time now)
{
    ask(&ice->tuples[ice->selected], LEAT_NEVER);
    ice->refresh_at = now + (ice->consent_ns + REFRESHES - 1) / REFRESHES;
}

static bool transmit_ask(leat_ice *ice, struct tuple *tuple, struct leat_ice_datagram *ret)
{
    const struct leat_ice_check check = {
        .local = &ice->local[tuple->generation],
        .remote = &ice->remote[tuple->generation],
        .transaction = tuple->transaction,
        .tie_breaker = ice->tie_breaker,
        .priority = ASK_PRIORITY,
    };
    size_t len;
    if (leat_ice_check_write(&check, ice->bytes, sizeof(ice->bytes), &len) != 0 ||
        !leat__ice_may_send(ice, tuple, len)) {
        return false;
    }
    *ret = (struct leat_ice_datagram){.tuple = tuple->at, .data = ice->bytes, .len = len};
    return true;
}

/* ---- checks ---- */

/* Whose request it is: the generation, or -1 counted. What the other part of USERNAME says does not
 * matter: who knows the password is the client. */
static int authenticate(leat_ice *ice, const struct leat_stun_message *message)
{
    const char *ufrag;
    size_t len;
    const int generations = ice->restarting ? GENERATIONS : 1;
    if (leat__ice_username_local(message, &ufrag, &len)) {
        for (int i = 0; i < generations; i++) {
            if (strlen(ice->local[i].ufrag) != len ||
                memcmp(ice->local[i].ufrag, ufrag, len) != 0) {
                continue;
            }
            if (leat_stun_verify(message, ice->local[i].pwd, strlen(ice->local[i].pwd))) {
                return i;
            }
            ice->counters.bad_integrity++;
            return -1;
        }
    }
    ice->counters.unknown_ufrag++;
    return -1;
}

/* Why an authentic request is refused: the error code, or 0. */
static unsigned refusal(leat_ice *ice, const struct leat_stun_message *message)
{
    if (message->malformed || (message->controlled && message->controlling)) {
        ice->counters.malformed++;
        return 400;
    }
    if (message->unknown_count) {
        ice->counters.unknown_attribute++;
        return 420;
    }
    if (message->controlled) { /* a lite agent does not change its role: the client has to */
        ice->counters.role_conflict++;
        return 487;
    }
    return 0;
}

/* At most 100 bytes, to an authentic request of at least 56: always within 3 times. */
static void refuse(leat_ice *ice, const struct leat_ice_tuple *at,
                   const struct leat_stun_message *message, unsigned code, const char *pwd)
{
    struct leat_stun_writer writer;
    size_t len;
    leat_stun_begin(&writer, ice->bytes, sizeof(ice->bytes), LEAT_STUN_ERROR, LEAT_STUN_BINDING,
                    message->transaction);
    leat_stun_put_error(&writer, code,
                        code == 400   ? "Bad Request"
                        : code == 420 ? "Unknown Attribute"
                                      : "Role Conflict");
    if (code == 420) {
        leat_stun_put_unknown(&writer, message->unknown, message->unknown_count);
    }
    if (leat_stun_end(&writer, pwd, strlen(pwd), &len) != 0) {
        return;
    }
    ice->answer_to = *at;
    ice->answer_len = len;
}

static void answer(leat_ice *ice, struct tuple *tuple, const struct leat_stun_message *message,
                   const char *pwd)
{
    size_t len;
    if (leat_stun_write_success(ice->bytes, sizeof(ice->bytes), message->transaction,
                                &tuple->at.remote, pwd, strlen(pwd), &len) == 0 &&
        leat__ice_may_send(ice, tuple, len)) {
        ice->answer_to = tuple->at;
        ice->answer_len = len;
        ice->counters.answered++;
    }
}

static void on_request(leat_ice *ice, leat_time now, const struct leat_ice_tuple *at,
                       const struct leat_stun_message *message)
{
    ice->counters.requests++;
    const int generation = authenticate(ice, message);
    if (generation < 0) {
        return;
    }
    const char *const pwd = ice->local[generation].pwd;
    const unsigned code = refusal(ice, message);
    if (code) {
        refuse(ice, at, message, code, pwd);
        return;
    }
    const int index = leat__ice_heard(ice, now, at, (enum generation)generation);
    struct tuple *const tuple = &ice->tuples[index];
    tuple->received += message->len;
    answer(ice, tuple, message, pwd);
    if (!tuple->verified && tuple->ask_at == LEAT_NEVER) {
        ask(tuple, now + ASK_NS);
    }
    if (message->use_candidate) {
        leat__ice_nominate(ice, index);
    } else {
        leat__ice_settle(ice, now, index);
    }
}

/* Only the address that was asked can know the transaction, and only the client the password. */
static void on_success(leat_ice *ice, leat_time now, const struct leat_ice_tuple *at,
                       const struct leat_stun_message *message)
{
    const int index = leat__ice_find(ice, at);
    struct tuple *const tuple = index == NO_TUPLE ? NULL : &ice->tuples[index];
    if (!tuple || !tuple->asked ||
        memcmp(tuple->transaction, message->transaction, sizeof(tuple->transaction)) != 0) {
        ice->counters.stray++;
        return;
    }
    const char *const pwd = ice->remote[tuple->generation].pwd;
    if (!leat_stun_verify(message, pwd, strlen(pwd))) {
        ice->counters.bad_integrity++;
        return;
    }
    tuple->asked = false;
    tuple->ask_at = LEAT_NEVER;
    tuple->valid_at = now;
    if (!tuple->verified) {
        leat__ice_verified(ice, index);
    }
}

void leat_ice_receive(leat_ice *ice, leat_time now, const struct leat_addr *from,
                      const struct leat_addr *local, const void *data, size_t len)
{
    struct leat_stun_message message;
    begin(ice);
    if (ice->expired) {
        return;
    }
    if (leat_stun_parse(data, len, &message) != 0) {
        ice->counters.malformed++;
        return;
    }
    const struct leat_ice_tuple at = leat__ice_tuple_of(from, local);
    if (message.method == LEAT_STUN_BINDING && message.kind == LEAT_STUN_REQUEST) {
        on_request(ice, now, &at, &message);
    } else if (message.method == LEAT_STUN_BINDING && message.kind == LEAT_STUN_SUCCESS) {
        on_success(ice, now, &at, &message);
    } else {
        ice->counters.stray++;
    }
}

/* ---- time ---- */

leat_time leat_ice_deadline(const leat_ice *ice)
{
    leat_time deadline =
        ice->selected == NO_TUPLE ? ice->opened_at + ice->consent_ns : refresh_due(ice);
    if (ice->expired) {
        return LEAT_NEVER;
    }
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        const struct tuple *const tuple = &ice->tuples[i];
        if (tuple->used) {
            const leat_time silent_at = tuple->valid_at + ice->consent_ns;
            const leat_time due = tuple->ask_at < silent_at ? tuple->ask_at : silent_at;
            deadline = due < deadline ? due : deadline;
        }
    }
    return deadline;
}

void leat_ice_timeout(leat_ice *ice, leat_time now)
{
    begin(ice);
    if (ice->expired) {
        return;
    }
    leat__ice_expire(ice, now);
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX && !ice->expired; i++) {
        struct tuple *const tuple = &ice->tuples[i];
        if (tuple->used && now >= tuple->ask_at) {
            ask_again(tuple, now);
        }
    }
    if (!ice->expired && now >= refresh_due(ice)) {
        refresh(ice, now);
    }
}

int leat_ice_restart(leat_ice *ice, const struct leat_ice_credentials *local,
                     const struct leat_ice_credentials *remote)
{
    if (!leat__ice_credentials_valid(local) || !leat__ice_credentials_valid(remote) ||
        strcmp(local->ufrag, ice->local[CURRENT].ufrag) == 0 ||
        (ice->restarting && strcmp(local->ufrag, ice->local[OLD].ufrag) == 0)) {
        return -EINVAL;
    }
    if (ice->expired) {
        return -ENOTCONN;
    }
    begin(ice);
    if (ice->restarting) {
        leat__ice_forget(ice, CURRENT);
    } else {
        ice->local[OLD] = ice->local[CURRENT];
        ice->remote[OLD] = ice->remote[CURRENT];
    }
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        struct tuple *const tuple = &ice->tuples[i];
        if (ice->restarting && tuple->generation == CURRENT) { /* the selected one */
            tuple->asked = false;
            tuple->ask_at = LEAT_NEVER;
        }
        tuple->generation = OLD;
    }
    ice->restarting = true;
    ice->local[CURRENT] = *local;
    ice->remote[CURRENT] = *remote;
    return 0;
}

/* ---- out ---- */

bool leat_ice_transmit(leat_ice *ice, struct leat_ice_datagram *ret)
{
    if (ice->answer_len) {
        *ret = (struct leat_ice_datagram){ice->answer_to, ice->bytes, ice->answer_len};
        ice->answer_len = 0;
        return true;
    }
    for (int i = 0; i < (int)LEAT_ICE_TUPLES_MAX; i++) {
        struct tuple *const tuple = &ice->tuples[i];
        if (tuple->ask_due) {
            tuple->ask_due = false;
            if (transmit_ask(ice, tuple, ret)) {
                return true;
            }
        }
    }
    return false;
}

bool leat_ice_event(leat_ice *ice, struct leat_ice_event *ret)
{
    if (ice->events_taken == ice->events_len) {
        return false;
    }
    *ret = ice->events[ice->events_taken++];
    return true;
}

/* ---- the media path ---- */

bool leat_ice_admit(leat_ice *ice, const struct leat_addr *from, const struct leat_addr *local,
                    size_t len)
{
    const struct leat_ice_tuple at = leat__ice_tuple_of(from, local);
    const int index = leat__ice_find(ice, &at);
    if (index == NO_TUPLE || ice->expired) {
        return false;
    }
    ice->tuples[index].received += len;
    return true;
}

bool leat_ice_selected(const leat_ice *ice, struct leat_ice_tuple *ret)
{
    if (ice->selected == NO_TUPLE || ice->expired) {
        return false;
    }
    *ret = ice->tuples[ice->selected].at;
    return true;
}

bool leat_ice_allow(leat_ice *ice, size_t bytes)
{
    return ice->selected != NO_TUPLE && !ice->expired &&
           leat__ice_may_send(ice, &ice->tuples[ice->selected], bytes);
}

const struct leat_ice_counters *leat_ice_counters(const leat_ice *ice)
{
    return &ice->counters;
}
