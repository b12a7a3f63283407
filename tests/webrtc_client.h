/* A client of a WebRTC server, without I/O: a full ICE agent in the controlling role with one address, DTLS in either
 * role, SRTP. For tests, which carry its datagrams themselves. */
#ifndef LEAT_TESTS_WEBRTC_CLIENT_H
#define LEAT_TESTS_WEBRTC_CLIENT_H

#include <leat/webrtc.h>
#include <string.h>

struct webrtc_client {
    struct leat_addr            address; /* its own */
    struct leat_ice_credentials local, remote;
    leat_dtls_context          *context;
    leat_dtls                  *dtls;
    leat_srtp                  *out, *in;
    struct leat_dtls_fingerprint server; /* fingerprint */
    bool                        active;
    bool                        silent;  /* answers no Binding request */
    uint8_t                     transaction[LEAT_STUN_TRANSACTION_LEN];
    unsigned                    answered; /* its own checks */
    unsigned                    asked;    /* checks of the server */
    uint8_t                     reply[256]; /* to such a check */
    size_t                      reply_len;
};

static inline void webrtc_client_fingerprint(const leat_dtls_context *context,
                                             struct leat_dtls_fingerprint *ret)
{
    const char *text = leat_dtls_context_fingerprint(context);
    if (leat_dtls_fingerprint_parse(text, strlen(text), ret) != 0) {
        abort();
    }
}

/* `context` is lent; `server` is whose certificate is expected. */
static inline void webrtc_client_init(struct webrtc_client *client, leat_dtls_context *context,
                                      const leat_dtls_context *server, const char *address)
{
    memset(client, 0, sizeof(*client));
    client->context = context;
    client->active = true;
    webrtc_client_fingerprint(server, &client->server);
    /* A protocol library has no parser of addresses: "10.0.0.7" is enough. */
    unsigned a = 0, b = 0, c = 0, d = 0, port = 0;
    if (sscanf(address, "%u.%u.%u.%u:%u", &a, &b, &c, &d, &port) != 5 ||
        leat_ice_credentials_make("", &client->local) != 0) {
        abort();
    }
    const uint8_t ip[4] = {(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d};
    client->address = leat_addr_from_ip(ip, sizeof(ip), (uint16_t)port);
}

static inline void webrtc_client_fini(struct webrtc_client *client)
{
    leat_dtls_close(client->dtls);
    leat_srtp_close(client->out);
    leat_srtp_close(client->in);
}

/* A check for the server. Its length. */
static inline size_t webrtc_client_check(struct webrtc_client *client, bool nominate, uint8_t *data, size_t cap)
{
    size_t len = 0;
    client->transaction[0]++;
    const struct leat_ice_check check = {.local = &client->local, .remote = &client->remote,
                                         .transaction = client->transaction, .tie_breaker = 7,
                                         .priority = 1845501695, .controlling = true, .use_candidate = nominate};
    if (leat_ice_check_write(&check, data, cap, &len) != 0) {
        abort();
    }
    return len;
}

static inline void webrtc_client_keys(struct webrtc_client *client)
{
    struct leat_dtls_srtp_keys keys;
    if (client->out != NULL || leat_dtls_state(client->dtls, NULL) != LEAT_DTLS_CONNECTED) {
        return;
    }
    if (leat_dtls_keys(client->dtls, &keys) != 0 ||
        leat_srtp_sender_open((enum leat_srtp_profile)keys.profile, keys.local_key, keys.local_salt, &client->out) != 0 ||
        leat_srtp_receiver_open((enum leat_srtp_profile)keys.profile, keys.remote_key, keys.remote_salt,
                                &client->in) != 0) {
        abort();
    }
}

static inline void webrtc_client_on_stun(struct webrtc_client *client, const uint8_t *data, size_t len)
{
    struct leat_stun_message message;
    if (leat_stun_parse(data, len, &message) != 0) {
        return;
    }
    if (message.kind == LEAT_STUN_SUCCESS) {
        client->answered += leat_stun_verify(&message, client->remote.pwd, strlen(client->remote.pwd));
    } else if (message.kind == LEAT_STUN_REQUEST &&
               leat_stun_verify(&message, client->local.pwd, strlen(client->local.pwd))) {
        client->asked++;
        if (!client->silent) {
            leat_stun_write_success(client->reply, sizeof(client->reply), message.transaction, &client->address,
                                    client->local.pwd, strlen(client->local.pwd), &client->reply_len);
        }
    }
}

/* STUN or DTLS of the server. What it causes is in reply, and in leat_dtls_transmit(client->dtls). */
static inline void webrtc_client_receive(struct webrtc_client *client, leat_time now, const uint8_t *data, size_t len)
{
    if (leat_stun_is(data, len)) {
        webrtc_client_on_stun(client, data, len);
        return;
    }
    if (client->dtls == NULL &&
        leat_dtls_open(client->context, client->active ? LEAT_DTLS_ACTIVE : LEAT_DTLS_PASSIVE, &client->server, 1, now,
                       &client->dtls) != 0) {
        abort();
    }
    if (leat_dtls_is(data, len)) {
        leat_dtls_receive(client->dtls, now, data, len);
        webrtc_client_keys(client);
    }
}

#endif
