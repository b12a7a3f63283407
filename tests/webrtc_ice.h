/* The client of an ICE-lite server, for tests: its checks, its answers to the server's. A full
 * agent (RFC 8445) as far as the other side can tell. */
#ifndef LEAT_TESTS_WEBRTC_ICE_H
#define LEAT_TESTS_WEBRTC_ICE_H

#include <stdlib.h>
#include <string.h>

#include <leat/ice.h>
#include <leat/stun.h>

struct ice_client {
    struct leat_ice_credentials local, remote; /* seen from the client */
    uint64_t tie_breaker;
    uint32_t checks; /* how many were written; makes transactions different */
    bool controlled; /* it is mistaken about its role */
};

static inline struct leat_ice_credentials ice_credentials(const char *ufrag, const char *pwd)
{
    struct leat_ice_credentials credentials;
    if (leat_ice_credentials_set(ufrag, strlen(ufrag), pwd, strlen(pwd), &credentials) != 0) {
        abort();
    }
    return credentials;
}

/* The n-th of 192.0.2.0/24, or of 2001:db8::/64 above 255; never two alike for different n. */
static inline struct leat_addr ice_addr(unsigned n)
{
    struct leat_addr addr;
    memset(&addr, 0, sizeof(addr));
    addr.port = (uint16_t)(40000 + n % 1000);
    if (n < 256) {
        addr.ip[10] = addr.ip[11] = 0xff;
        addr.ip[12] = 192;
        addr.ip[14] = 2;
    } else {
        addr.ip[0] = 0x20;
        addr.ip[1] = 0x01;
        addr.ip[2] = 0x0d;
        addr.ip[3] = 0xb8;
        addr.ip[14] = (uint8_t)(n >> 8);
    }
    addr.ip[15] = (uint8_t)n;
    return addr;
}

/* Its length. */
static inline size_t ice_client_check(struct ice_client *client, bool nominate, uint8_t *data,
                                      size_t cap)
{
    uint8_t transaction[LEAT_STUN_TRANSACTION_LEN] = {'t', 'e', 's', 't'};
    const uint32_t number = ++client->checks;
    memcpy(transaction + 8, &number, sizeof(number));
    const struct leat_ice_check check = {
        .local = &client->local,
        .remote = &client->remote,
        .transaction = transaction,
        .tie_breaker = client->tie_breaker,
        .priority = 0x6e7f00ff,
        .controlling = !client->controlled,
        .use_candidate = nominate,
    };
    size_t len;
    if (leat_ice_check_write(&check, data, cap, &len) != 0) {
        abort();
    }
    return len;
}

/* Whether this is a check of the server that the client would answer. */
static inline bool ice_client_accepts(const struct ice_client *client, const void *data, size_t len,
                                      struct leat_stun_message *ret)
{
    const size_t ufrag_len = strlen(client->local.ufrag);
    return leat_stun_parse(data, len, ret) == 0 && ret->kind == LEAT_STUN_REQUEST &&
           ret->method == LEAT_STUN_BINDING && ret->fingerprint && ret->controlled &&
           !ret->use_candidate && ret->has_priority && !ret->malformed && ret->unknown_count == 0 &&
           ret->username.len == ufrag_len + 1 + strlen(client->remote.ufrag) &&
           memcmp(ret->username.data, client->local.ufrag, ufrag_len) == 0 &&
           ret->username.data[ufrag_len] == ':' &&
           memcmp(ret->username.data + ufrag_len + 1, client->remote.ufrag,
                  strlen(client->remote.ufrag)) == 0 &&
           leat_stun_verify(ret, client->local.pwd, strlen(client->local.pwd));
}

/* The answer to such a check, which came from `server`; its length. */
static inline size_t ice_client_answer(const struct ice_client *client, const uint8_t *transaction,
                                       const struct leat_addr *server, uint8_t *data, size_t cap)
{
    size_t len;
    if (leat_stun_write_success(data, cap, transaction, server, client->local.pwd,
                                strlen(client->local.pwd), &len) != 0) {
        abort();
    }
    return len;
}

#endif
