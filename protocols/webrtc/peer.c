/* A transport: ICE-lite, DTLS and SRTP of one session, composed.
 *
 * What each of the three may do is decided here: DTLS only from addresses whose check was valid, SRTP only with the keys of
 * a handshake that proved the certificate, and all that leaves within what leat_ice_allow grants. DTLS is opened
 * when the first of it is needed, so that a session nobody comes to costs little.
 *
 * Invariant: `srtp_out` and `srtp_in` are there exactly from CONNECTED on. Used by one thread at a time. */
#include <errno.h>
#include <leat/peer.h>
#include <leat/rtcp.h>
#include <leat/stun.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define DATAGRAM_MAX 2048u /* bytes: nothing longer comes over a network in one piece */

/* A datagram of DTLS that waits: one that came, for its turn; one of ours, until it may go. */
struct waiting {
    uint8_t *data;
    size_t   len;
};

/* An address of the client, and how many tuples of ICE have it: one for each of our addresses it sends to. */
struct remote {
    struct leat_addr addr;
    uint32_t         tuples;
};

struct leat_peer {
    leat_ice          *ice;
    leat_dtls         *dtls; /* NULL: nothing of it was needed yet */
    leat_srtp         *srtp_out, *srtp_in;
    leat_dtls_context *context;

    struct leat_dtls_fingerprint fingerprints[LEAT_DTLS_FINGERPRINTS_MAX];
    size_t                       fingerprint_count;
    bool                         active;

    struct waiting queue[LEAT_PEER_QUEUE_MAX];
    uint32_t       queue_len;
    struct waiting held; /* the first of what DTLS says */
    bool           held_sent; /* and it was lent */

    struct remote remotes[LEAT_ICE_TUPLES_MAX]; /* that TUPLE was said of */
    uint32_t      remote_count;

    bool connected, connected_told;
    bool settled; /* the client was heard with the keys */
    bool closed, closed_told; /* nothing more happens */
    int  closed_status;

    bool                  has_selected;
    struct leat_ice_tuple selected; /* what leat_peer_target lends */
    leat_time             opened;
    leat_time             start_by; /* DTLS; LEAT_NEVER: no address is known yet */
    leat_time             checked_ns, connected_ns;
    uint64_t              dropped;
};

/* ---- life ---- */

int leat_peer_open(const struct leat_peer_config *config, leat_time now, leat_peer **ret)
{
    struct leat_ice_config ice;
    leat_peer             *peer;
    int                    status;

    if (config->fingerprint_count == 0 || config->fingerprint_count > LEAT_DTLS_FINGERPRINTS_MAX) {
        return -EINVAL;
    }
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return -ENOMEM;
    }
    leat_ice_config_default(&ice);
    if (RAND_bytes((unsigned char *)&ice.tie_breaker, sizeof(ice.tie_breaker)) != 1) {
        free(peer);
        return -EIO;
    }
    ice.local = *config->local;
    ice.remote = *config->remote;
    if (config->expire_ns != 0) {
        ice.consent_ns = config->expire_ns;
    }
    status = leat_ice_open(&ice, now, &peer->ice);
    OPENSSL_cleanse(&ice, sizeof(ice));
    if (status < 0) {
        free(peer);
        return status;
    }
    peer->context = leat_dtls_context_ref(config->dtls);
    memcpy(peer->fingerprints, config->fingerprints,
           config->fingerprint_count * sizeof(peer->fingerprints[0]));
    peer->fingerprint_count = config->fingerprint_count;
    peer->active = config->active;
    peer->opened = now;
    peer->start_by = LEAT_NEVER;
    *ret = peer;
    return 0;
}

static void queue_pop(leat_peer *peer)
{
    free(peer->queue[0].data);
    peer->queue_len--;
    memmove(&peer->queue[0], &peer->queue[1], peer->queue_len * sizeof(peer->queue[0]));
}

void leat_peer_close(leat_peer *peer)
{
    if (peer == NULL) {
        return;
    }
    while (peer->queue_len > 0) {
        queue_pop(peer);
    }
    free(peer->held.data);
    leat_srtp_close(peer->srtp_in);
    leat_srtp_close(peer->srtp_out);
    leat_dtls_close(peer->dtls);
    leat_ice_close(peer->ice);
    leat_dtls_context_unref(peer->context);
    free(peer);
}

static void close_with(leat_peer *peer, int status)
{
    if (!peer->closed) {
        peer->closed = true;
        peer->closed_status = status;
    }
}

/* ---- the handshake ---- */

static int open_srtp(leat_peer *peer)
{
    struct leat_dtls_srtp_keys keys;
    enum leat_srtp_profile     profile;
    int                        status = leat_dtls_keys(peer->dtls, &keys);

    if (status < 0) {
        return status;
    }
    profile = (enum leat_srtp_profile)keys.profile;
    status = leat_srtp_sender_open(profile, keys.local_key, keys.local_salt, &peer->srtp_out);
    if (status == 0) {
        status = leat_srtp_receiver_open(profile, keys.remote_key, keys.remote_salt, &peer->srtp_in);
        if (status < 0) {
            leat_srtp_close(peer->srtp_out);
            peer->srtp_out = NULL;
        }
    }
    OPENSSL_cleanse(&keys, sizeof(keys));
    return status;
}

/* Looks at what a call has made of the handshake. */
static void follow_dtls(leat_peer *peer, leat_time now)
{
    struct leat_dtls_error error;
    int                    status;

    switch (leat_dtls_state(peer->dtls, &error)) {
    case LEAT_DTLS_HANDSHAKING:
        break;
    case LEAT_DTLS_CONNECTED:
        if (peer->connected) {
            break;
        }
        status = open_srtp(peer);
        if (status < 0) {
            close_with(peer, status);
            break;
        }
        peer->connected = true;
        peer->connected_ns = now - peer->opened;
        break;
    case LEAT_DTLS_CLOSED:
        close_with(peer, 0);
        break;
    case LEAT_DTLS_FAILED:
        close_with(peer, error.status);
        break;
    }
}

static bool open_dtls(leat_peer *peer, leat_time now)
{
    int status = 0;

    if (peer->dtls == NULL) {
        status = leat_dtls_open(peer->context, peer->active ? LEAT_DTLS_ACTIVE : LEAT_DTLS_PASSIVE,
                                peer->fingerprints, peer->fingerprint_count, now, &peer->dtls);
    }
    if (status < 0) {
        close_with(peer, status);
    }
    return status == 0;
}

bool leat_peer_work(const leat_peer *peer)
{
    if (peer->closed) {
        return false;
    }
    return peer->queue_len > 0 || (peer->active && peer->dtls == NULL && peer->has_selected);
}

void leat_peer_step(leat_peer *peer, leat_time now)
{
    if (!leat_peer_work(peer) || !open_dtls(peer, now)) {
        return;
    }
    if (peer->queue_len > 0) {
        leat_dtls_receive(peer->dtls, now, peer->queue[0].data, peer->queue[0].len);
        queue_pop(peer);
    }
    follow_dtls(peer, now);
}

/* DTLS of a handshake waits for leat_peer_step; what comes later is cheap. A client repeats what is lost here. */
static void receive_dtls(leat_peer *peer, leat_time now, const uint8_t *data, size_t len)
{
    uint8_t *copy;

    if (peer->connected) {
        leat_dtls_receive(peer->dtls, now, data, len);
        follow_dtls(peer, now);
        return;
    }
    copy = peer->queue_len < LEAT_PEER_QUEUE_MAX && len <= DATAGRAM_MAX ? malloc(len) : NULL;
    if (copy == NULL) {
        peer->dropped++;
        return;
    }
    memcpy(copy, data, len);
    peer->queue[peer->queue_len++] = (struct waiting){.data = copy, .len = len};
}

/* ---- in ---- */

enum leat_peer_kind leat_peer_kind(const uint8_t *data, size_t len)
{
    if (leat_stun_is(data, len) || leat_dtls_is(data, len)) {
        return LEAT_PEER_CONTROL;
    }
    if (leat_rtcp_is(data, len)) {
        return LEAT_PEER_RTCP;
    }
    return len >= 12 && (data[0] & 0xc0) == 0x80 ? LEAT_PEER_RTP : LEAT_PEER_NONE;
}

static void follow_ice(leat_peer *peer)
{
    peer->has_selected = leat_ice_selected(peer->ice, &peer->selected);
}

void leat_peer_receive(leat_peer *peer, leat_time now, const struct leat_addr *from,
                       const struct leat_addr *local, const uint8_t *data, size_t len)
{
    if (peer->closed) {
        peer->dropped++;
    } else if (leat_stun_is(data, len)) {
        leat_ice_receive(peer->ice, now, from, local, data, len);
        follow_ice(peer);
        if (peer->start_by == LEAT_NEVER && peer->has_selected) {
            peer->checked_ns = now - peer->opened;
            peer->start_by = now + LEAT_DTLS_HANDSHAKE_NS;
        }
    } else if (leat_dtls_is(data, len) && leat_ice_admit(peer->ice, from, local, len)) {
        receive_dtls(peer, now, data, len);
    } else {
        peer->dropped++;
    }
}

/* Of a packet that was authentic: the client has the keys, so it does not need the handshake again. */
static int settle(leat_peer *peer, int status)
{
    if (status == 0 && !peer->settled) {
        peer->settled = true;
        leat_dtls_settle(peer->dtls);
    }
    return status;
}

bool leat_peer_asked(const leat_peer *peer, const uint8_t *data, size_t len)
{
    return leat_ice_asked(peer->ice, data, len);
}

int leat_peer_unprotect(leat_peer *peer, const uint8_t *data, size_t len, uint8_t *out, size_t cap,
                        size_t *ret_len)
{
    return peer->srtp_in == NULL
               ? -EAGAIN
               : settle(peer, leat_srtp_unprotect(peer->srtp_in, data, len, out, cap, ret_len));
}

int leat_peer_unprotect_rtcp(leat_peer *peer, const uint8_t *data, size_t len, uint8_t *out,
                             size_t cap, size_t *ret_len)
{
    return peer->srtp_in == NULL
               ? -EAGAIN
               : settle(peer, leat_srtcp_unprotect(peer->srtp_in, data, len, out, cap, ret_len));
}

int leat_peer_restart(leat_peer *peer, const struct leat_ice_credentials *local,
                      const struct leat_ice_credentials *remote)
{
    return peer->closed ? -ENOTCONN : leat_ice_restart(peer->ice, local, remote);
}

leat_time leat_peer_deadline(const leat_peer *peer)
{
    leat_time ice, dtls;

    if (peer->closed) {
        return LEAT_NEVER;
    }
    ice = leat_ice_deadline(peer->ice);
    dtls = peer->dtls != NULL ? leat_dtls_deadline(peer->dtls) : peer->start_by;
    return ice < dtls ? ice : dtls;
}

void leat_peer_timeout(leat_peer *peer, leat_time now)
{
    if (peer->closed) {
        return;
    }
    leat_ice_timeout(peer->ice, now);
    follow_ice(peer);
    if (peer->dtls != NULL) {
        leat_dtls_timeout(peer->dtls, now);
        follow_dtls(peer, now);
    } else if (now >= peer->start_by) { /* checks alone keep nothing alive */
        close_with(peer, -ETIMEDOUT);
    }
}

void leat_peer_goodbye(leat_peer *peer)
{
    if (peer->dtls != NULL) {
        leat_dtls_finish(peer->dtls);
    }
    close_with(peer, 0);
}

/* ---- out ---- */

static void datagram_of(struct leat_peer_datagram *ret, const struct leat_ice_tuple *tuple,
                        const uint8_t *data, size_t len)
{
    ret->to = tuple->remote;
    ret->local = tuple->local;
    ret->data = data;
    ret->len = len;
}

static void held_free(leat_peer *peer)
{
    free(peer->held.data);
    peer->held = (struct waiting){0};
    peer->held_sent = false;
}

/* The next datagram that DTLS has to send, while there is any. */
static bool next_dtls(leat_peer *peer, const uint8_t **ret_data, size_t *ret_len)
{
    if (peer->held_sent) {
        held_free(peer);
    }
    if (peer->held.data != NULL) {
        *ret_data = peer->held.data;
        *ret_len = peer->held.len;
        return true;
    }
    return peer->dtls != NULL && leat_dtls_transmit(peer->dtls, ret_data, ret_len);
}

/* Keeps it until it may go. */
static void hold(leat_peer *peer, const uint8_t *data, size_t len)
{
    if (peer->held.data != NULL) {
        return;
    }
    peer->held.data = malloc(len);
    if (peer->held.data == NULL) {
        peer->dropped++;
        return;
    }
    memcpy(peer->held.data, data, len);
    peer->held.len = len;
}

/* A flight that may not go yet waits for the client's answer to our check, which is on its way: with a short ClientHello it
 * is longer than what may go before. To wait for a retransmission would cost 50 ms. */
bool leat_peer_transmit(leat_peer *peer, struct leat_peer_datagram *ret)
{
    struct leat_ice_datagram check;
    const uint8_t           *data;
    size_t                   len;

    if (leat_ice_transmit(peer->ice, &check)) {
        datagram_of(ret, &check.tuple, check.data, check.len);
        return true;
    }
    if (!next_dtls(peer, &data, &len)) {
        return false;
    }
    if (!peer->has_selected || !leat_ice_allow(peer->ice, len)) {
        hold(peer, data, len);
        return false;
    }
    datagram_of(ret, &peer->selected, data, len);
    peer->held_sent = peer->held.data != NULL;
    return true;
}

/* Whether this is the first tuple with that address; or, of one that is dropped, was the last. */
static bool count_remote(leat_peer *peer, const struct leat_addr *addr, bool is_added)
{
    uint32_t at = 0;

    while (at < peer->remote_count && !leat_addr_equal(&peer->remotes[at].addr, addr)) {
        at++;
    }
    if (is_added) {
        if (at == peer->remote_count) {
            peer->remotes[peer->remote_count++] = (struct remote){.addr = *addr};
        }
        return peer->remotes[at].tuples++ == 0;
    }
    if (--peer->remotes[at].tuples > 0) {
        return false;
    }
    peer->remotes[at] = peer->remotes[--peer->remote_count];
    return true;
}

/* An event of ICE as one of the session; false: it is nobody else's business. */
static bool event_of_ice(leat_peer *peer, const struct leat_ice_event *event,
                         struct leat_peer_event *ret)
{
    ret->status = 0;
    ret->address = event->tuple.remote;
    switch (event->kind) {
    case LEAT_ICE_ADDED:
        ret->kind = LEAT_PEER_TUPLE;
        return count_remote(peer, &ret->address, true);
    case LEAT_ICE_DROPPED:
        ret->kind = LEAT_PEER_TUPLE_GONE;
        return count_remote(peer, &ret->address, false);
    case LEAT_ICE_SELECTED:
        ret->kind = LEAT_PEER_MOVED;
        return true;
    case LEAT_ICE_RESTARTED:
        ret->kind = LEAT_PEER_RESTARTED;
        return true;
    case LEAT_ICE_EXPIRED:
        close_with(peer, -ETIMEDOUT);
        return false;
    case LEAT_ICE_VERIFIED:
        ret->kind = LEAT_PEER_VERIFIED;
        return true;
    }
    return false;
}

bool leat_peer_event(leat_peer *peer, struct leat_peer_event *ret)
{
    struct leat_ice_event event;

    while (leat_ice_event(peer->ice, &event)) {
        if (event_of_ice(peer, &event, ret)) {
            return true;
        }
    }
    if (peer->connected && !peer->connected_told) {
        peer->connected_told = true;
        *ret = (struct leat_peer_event){.kind = LEAT_PEER_CONNECTED};
        return true;
    }
    if (peer->closed && !peer->closed_told) {
        peer->closed_told = true;
        *ret = (struct leat_peer_event){.kind = LEAT_PEER_CLOSED, .status = peer->closed_status};
        return true;
    }
    return false;
}

bool leat_peer_target(const leat_peer *peer, const struct leat_addr **ret_to,
                      const struct leat_addr **ret_local)
{
    static const struct leat_addr unknown;

    if (!peer->has_selected) {
        return false;
    }
    *ret_to = &peer->selected.remote;
    *ret_local = leat_addr_equal(&peer->selected.local, &unknown) ? NULL : &peer->selected.local;
    return true;
}

bool leat_peer_allow(leat_peer *peer, size_t bytes)
{
    return leat_ice_allow(peer->ice, bytes);
}

leat_srtp *leat_peer_srtp(leat_peer *peer)
{
    return peer->srtp_out;
}

void leat_peer_stats(const leat_peer *peer, struct leat_peer_stats *ret)
{
    struct leat_srtp_stats srtp = {0};

    if (peer->srtp_in != NULL) {
        leat_srtp_stats_get(peer->srtp_in, &srtp);
    }
    *ret = (struct leat_peer_stats){
        .dropped = peer->dropped,
        .auth_failures = srtp.auth_failed,
        .replays = srtp.replayed,
        .checked_ns = peer->checked_ns,
        .connected_ns = peer->connected_ns,
    };
}
