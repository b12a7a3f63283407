/* A transport and one client of it with several addresses: the input says what is sent from where,
 * what is lost, changed or repeated, when time goes on, when a step of the handshake is done, and
 * when a restart comes. Properties:
 *
 * - Nothing aborts; after CLOSED there is nothing more.
 * - An address is told once until it is gone; never more than LEAT_ICE_TUPLES_MAX.
 * - An address that has not answered gets at most 3 times what came from it.
 * - Keys are there exactly from CONNECTED on, and are the client's. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "webrtc_client.h"

enum { PLACES = 12, STEPS_MAX = 300 };

struct place {
    size_t in, out;
    bool proven, told;
};

struct scene {
    const uint8_t *data; /* what is left of the input */
    size_t size;
    leat_time now;
    leat_peer *peer;
    struct webrtc_client client;
    struct leat_ice_credentials old_local, old_remote; /* the client's, before a restart */
    struct place places[PLACES];
    unsigned told;
    unsigned asked; /* the place that was asked last */
    bool connected, closed, lossy;
    uint8_t last[2048]; /* datagram to the peer */
    size_t last_len;
};

static leat_dtls_context *contexts[2];

static unsigned take(struct scene *s)
{
    if (s->size == 0) {
        return 0;
    }
    s->size--;
    return *s->data++;
}

static struct leat_addr address_of(unsigned place)
{
    return (struct leat_addr){.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, (uint8_t)(place % PLACES)},
                              .port = 4000};
}

static struct place *place_of(struct scene *s, const struct leat_addr *addr)
{
    const struct leat_addr expected = address_of(addr->ip[15]);
    REQUIRE(addr->ip[15] < PLACES && leat_addr_equal(&expected, addr));
    return &s->places[addr->ip[15]];
}

static void on_event(struct scene *s, const struct leat_peer_event *event)
{
    REQUIRE(!s->closed);
    switch (event->kind) {
    case LEAT_PEER_TUPLE:
        REQUIRE(!place_of(s, &event->address)->told && ++s->told <= LEAT_ICE_TUPLES_MAX);
        place_of(s, &event->address)->told = true;
        break;
    case LEAT_PEER_TUPLE_GONE:
        REQUIRE(place_of(s, &event->address)->told);
        place_of(s, &event->address)->told = false;
        s->told--;
        break;
    case LEAT_PEER_CONNECTED:
        REQUIRE(!s->connected);
        s->connected = true;
        break;
    case LEAT_PEER_CLOSED:
        s->closed = true;
        break;
    case LEAT_PEER_VERIFIED:
    case LEAT_PEER_MOVED:
    case LEAT_PEER_RESTARTED:
        REQUIRE(place_of(s, &event->address)->told);
        break;
    }
}

static void drain(struct scene *s)
{
    struct leat_peer_event event;
    struct leat_peer_datagram datagram;
    while (leat_peer_event(s->peer, &event)) {
        on_event(s, &event);
    }
    while (leat_peer_transmit(s->peer, &datagram)) {
        struct place *const place = place_of(s, &datagram.to);
        const unsigned asked = s->client.asked;
        place->out += datagram.len;
        REQUIRE(place->proven || place->out <= 3 * place->in);
        if (!s->lossy || take(s) % 4 != 0) {
            s->client.address = datagram.to;
            webrtc_client_receive(&s->client, s->now, datagram.data, datagram.len);
            s->asked = s->client.asked != asked ? datagram.to.ip[15] : s->asked;
        }
    }
    REQUIRE((leat_peer_srtp(s->peer) != NULL) == s->connected);
    REQUIRE(!s->closed || (!leat_peer_work(s->peer) && leat_peer_deadline(s->peer) == LEAT_NEVER));
}

static void to_peer(struct scene *s, unsigned from, const uint8_t *data, size_t len)
{
    const struct leat_addr remote = address_of(from),
                           local = {.ip = {[15] = 1}, .port = (uint16_t)(1 + (from >> 7))};
    uint8_t *const block = malloc(len ? len : 1);
    if (len) {
        memcpy(block, data, len);
        memmove(s->last, data, len);
    }
    s->last_len = len;
    if (leat_peer_kind(block, len) == LEAT_PEER_CONTROL) {
        s->places[from % PLACES].in += len;
        leat_peer_receive(s->peer, s->now, &remote, from & 0x40 ? NULL : &local, block, len);
    }
    free(block);
    drain(s);
}

static void say_check(struct scene *s, unsigned choice, unsigned from)
{
    uint8_t data[LEAT_ICE_CHECK_MAX];
    struct webrtc_client of_old = s->client;
    of_old.local = s->old_local;
    of_old.remote = s->old_remote;
    const bool old = (choice & 0x30) == 0x30 && s->old_local.ufrag[0] != 0;
    s->client.transaction[0]++;
    to_peer(s, from, data,
            webrtc_client_check(old ? &of_old : &s->client, choice & 8, data, sizeof(data)));
}

static void say_answer(struct scene *s)
{
    uint8_t data[sizeof(s->client.reply)];
    const size_t len = s->client.reply_len;
    memcpy(data, s->client.reply, len);
    s->client.reply_len = 0;
    if (len) {
        s->places[s->asked].proven = true;
        for (unsigned l = 0; l < 3; l++) { /* whichever of our addresses it was */
            to_peer(s, (s->asked + PLACES * 12 * (l == 1)) | (l == 2 ? 0x40 : 0), data, len);
        }
    }
}

static void say_dtls(struct scene *s, unsigned choice, unsigned from)
{
    uint8_t data[LEAT_DTLS_DATAGRAM_LEN_MAX];
    const uint8_t *lent;
    size_t len;
    if (s->client.dtls == NULL && s->client.active) {
        webrtc_client_receive(&s->client, s->now, NULL, 0); /* opens it */
    }
    while (s->client.dtls && leat_dtls_transmit(s->client.dtls, &lent, &len)) {
        memcpy(data, lent, len);
        if (choice & 0x20) {
            data[take(s) % len] ^= (uint8_t)take(s);
        }
        if (!(choice & 0x10) || take(s) % 4 != 0) {
            to_peer(s, from, data, len);
        }
    }
}

static void restart(struct scene *s)
{
    struct leat_ice_credentials local, remote;
    REQUIRE(leat_ice_credentials_make("S", &local) == 0 &&
            leat_ice_credentials_make("", &remote) == 0);
    s->old_local = s->client.local;
    s->old_remote = s->client.remote;
    if (leat_peer_restart(s->peer, &local, &remote) == 0) {
        s->client.local = remote;
        s->client.remote = local;
        drain(s);
    } else {
        REQUIRE(s->closed);
    }
}

static void exchange(struct scene *s)
{
    static const uint8_t rtcp[8] = {0x80, 201, 0, 1, 1, 2, 3, 4};
    uint8_t sealed[64], opened[64];
    size_t len = 0;
    if (s->connected && s->client.in) {
        REQUIRE(leat_srtcp_protect(leat_peer_srtp(s->peer), rtcp, 8, sealed, sizeof(sealed),
                                   &len) == 0);
        REQUIRE(leat_srtcp_unprotect(s->client.in, sealed, len, opened, sizeof(opened), &len) == 0);
        REQUIRE(len == 8 && memcmp(opened, rtcp, 8) == 0);
    }
}

static void pass_time(struct scene *s, unsigned choice)
{
    const leat_time deadline = leat_peer_deadline(s->peer);
    const leat_time client = s->client.dtls ? leat_dtls_deadline(s->client.dtls) : LEAT_NEVER;
    if (choice & 8 && deadline != LEAT_NEVER) {
        s->now = deadline > s->now ? deadline : s->now;
    } else {
        s->now += (choice >> 4) * 300 * LEAT_MS;
    }
    leat_peer_timeout(s->peer, s->now);
    drain(s);
    REQUIRE(leat_peer_deadline(s->peer) > s->now);
    if (client <= s->now) {
        leat_dtls_timeout(s->client.dtls, s->now);
    }
}

static void step(struct scene *s)
{
    const unsigned choice = take(s);
    size_t len;
    switch (choice & 7) {
    case 0:
        say_check(s, choice, take(s));
        break;
    case 1:
        say_answer(s);
        break;
    case 2:
        say_dtls(s, choice, take(s));
        break;
    case 3:
        leat_peer_step(s->peer, s->now);
        drain(s);
        break;
    case 4:
        to_peer(s, take(s), s->last, s->last_len);
        break;
    case 5:
        len = take(s) < s->size ? s->size / 2 : s->size;
        len = len < sizeof(s->last) ? len : sizeof(s->last);
        s->data += len;
        s->size -= len;
        to_peer(s, choice >> 4, s->data - len, len);
        break;
    case 6:
        pass_time(s, choice);
        break;
    default:
        if (choice & 0x80) {
            restart(s);
        } else if ((choice & 0x78) == 0x78) {
            leat_peer_goodbye(s->peer);
            drain(s);
        } else {
            exchange(s);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct leat_dtls_config rules = {.unix_time = 1800000000};
    struct scene *const s = calloc(1, sizeof(*s));
    struct leat_ice_credentials local;
    struct leat_dtls_fingerprint fingerprint;
    for (unsigned i = 0; i < 2 && !contexts[i]; i++) {
        REQUIRE(leat_dtls_context_open(&rules, &contexts[i]) == 0);
    }
    REQUIRE(s != NULL);
    s->data = data;
    s->size = size;
    const unsigned how = take(s);
    s->lossy = how & 2;
    webrtc_client_init(&s->client, contexts[1], contexts[0], "10.0.0.0:4000");
    s->client.active = !(how & 1);
    webrtc_client_fingerprint(contexts[1], &fingerprint);
    REQUIRE(leat_ice_credentials_make("S", &local) == 0);
    s->client.remote = local;
    const struct leat_peer_config config = {.dtls = contexts[0],
                                            .local = &local,
                                            .remote = &s->client.local,
                                            .fingerprints = &fingerprint,
                                            .fingerprint_count = 1,
                                            .active = how & 1};
    REQUIRE(leat_peer_open(&config, s->now, &s->peer) == 0);
    for (unsigned i = 0; i < STEPS_MAX && s->size > 0; i++) {
        step(s);
    }
    leat_peer_close(s->peer);
    webrtc_client_fini(&s->client);
    free(s);
    return 0;
}
