/* An ICE-lite agent among clients, liars and garbage: the input says who sends what, from where,
 * when time goes on, and when a restart comes. What must hold is kept in a ledger of its own, which
 * knows what it made authentic and who has really answered:
 *
 * - An answer follows only an authentic request, the one that came last.
 * - Who has not answered is sent at most 3 times what came from there, all that leat_ice_allow
 *   permits included.
 * - Media moves only to who has answered. */
#include "fuzz.h"
#include "webrtc_ice.h"

#include <errno.h>
#include <stdio.h>

enum { PLACES = 24, LOCALS = 2, DATAGRAM_MAX = 700 };

/* A path, by the ledger. */
struct place {
    uint64_t in, out;
    bool proven;
    uint8_t asked[LEAT_STUN_TRANSACTION_LEN];
    unsigned asked_by; /* which client's password counts for it */
    bool is_asked;
};

struct scene {
    const uint8_t *data;
    size_t size;
    leat_ice *ice;
    leat_time now;
    struct ice_client clients[3]; /* of now; of before a restart; of nobody */
    bool old_counts;
    unsigned restarts;
    bool expired, has_selected;
    struct place places[PLACES][LOCALS];
    uint8_t last[LEAT_STUN_TRANSACTION_LEN]; /* of an authentic request that has no answer yet */
    bool last_authentic;
};

static unsigned take(struct scene *s)
{
    if (s->size == 0) {
        return 0;
    }
    s->size--;
    return *s->data++;
}

static struct leat_addr local_addr(unsigned n)
{
    return ice_addr(200 + n % LOCALS);
}

static struct leat_addr remote_addr(unsigned n)
{
    return ice_addr(n % PLACES * 30); /* of both families */
}

static struct place *find(struct scene *s, const struct leat_ice_tuple *tuple)
{
    for (unsigned n = 0; n < PLACES; n++) {
        for (unsigned l = 0; l < LOCALS; l++) {
            const struct leat_addr remote = remote_addr(n), local = local_addr(l);
            if (leat_addr_equal(&remote, &tuple->remote) &&
                leat_addr_equal(&local, &tuple->local)) {
                return &s->places[n][l];
            }
        }
    }
    return NULL;
}

static void on_event(struct scene *s, const struct leat_ice_event *event)
{
    struct place *const place = find(s, &event->tuple);
    REQUIRE(!s->expired);
    switch (event->kind) {
    case LEAT_ICE_ADDED:
        REQUIRE(place && s->last_authentic);
        break;
    case LEAT_ICE_VERIFIED:
        REQUIRE(place && place->proven);
        break;
    case LEAT_ICE_SELECTED:
        REQUIRE(place && (place->proven || !s->has_selected));
        s->has_selected = true;
        break;
    case LEAT_ICE_DROPPED: /* what it may be sent is reckoned anew, and so is its proof */
        REQUIRE(place);
        memset(place, 0, sizeof(*place));
        break;
    case LEAT_ICE_RESTARTED:
        REQUIRE(place && s->old_counts);
        s->old_counts = false;
        break;
    case LEAT_ICE_EXPIRED:
        REQUIRE(place || !s->has_selected);
        s->expired = true;
        break;
    }
}

static void on_datagram(struct scene *s, const struct leat_ice_datagram *datagram)
{
    struct leat_stun_message message;
    struct place *const place = find(s, &datagram->tuple);
    REQUIRE(place && !s->expired);
    place->out += datagram->len;
    REQUIRE(place->proven || place->out <= 3 * place->in);
    REQUIRE(leat_stun_parse(datagram->data, datagram->len, &message) == 0);
    REQUIRE(message.fingerprint && message.method == LEAT_STUN_BINDING);
    if (message.kind == LEAT_STUN_REQUEST) {
        const unsigned by =
            ice_client_accepts(&s->clients[0], datagram->data, datagram->len, &message) ? 0 : 1;
        REQUIRE(by == 0 || (s->old_counts && ice_client_accepts(&s->clients[1], datagram->data,
                                                                datagram->len, &message)));
        memcpy(place->asked, message.transaction, sizeof(place->asked));
        place->asked_by = by;
        place->is_asked = true;
        return;
    }
    REQUIRE(message.kind == LEAT_STUN_SUCCESS || message.kind == LEAT_STUN_ERROR);
    REQUIRE(s->last_authentic);
    REQUIRE(memcmp(s->last, message.transaction, sizeof(s->last)) == 0);
    s->last_authentic = false; /* one answer */
}

static void drain(struct scene *s)
{
    struct leat_ice_event event;
    struct leat_ice_datagram datagram;
    while (leat_ice_event(s->ice, &event)) {
        on_event(s, &event);
    }
    while (leat_ice_transmit(s->ice, &datagram)) {
        on_datagram(s, &datagram);
    }
}

static void receive(struct scene *s, unsigned from, const uint8_t *bytes, size_t len,
                    bool authentic)
{
    const unsigned l = from >> 7;
    const struct leat_addr remote = remote_addr(from), local = local_addr(l);
    uint8_t *const block = malloc(len ? len : 1);
    if (len) {
        memcpy(block, bytes, len);
    }
    s->last_authentic = authentic;
    if (authentic) {
        memcpy(s->last, bytes + 8, sizeof(s->last));
    }
    s->places[from % PLACES][l].in += len;
    leat_ice_receive(s->ice, s->now, &remote, &local, block, len);
    free(block);
    drain(s);
    s->last_authentic = false;
}

/* A client whose words count now, or one whose do not. */
static unsigned pick(const struct scene *s, unsigned choice, bool *ret_counts)
{
    const unsigned client = choice % 3;
    *ret_counts = client == 0 || (client == 1 && s->old_counts);
    return client;
}

static void say_check(struct scene *s, unsigned choice, unsigned from)
{
    uint8_t bytes[DATAGRAM_MAX];
    bool counts;
    struct ice_client *const client = &s->clients[pick(s, choice >> 4, &counts)];
    client->controlled = (choice & 0x0c) == 0x0c;
    const size_t len = ice_client_check(client, choice & 1, bytes, sizeof(bytes));
    receive(s, from, bytes, len, counts);
}

/* A check with a byte changed, and no FINGERPRINT to notice it. */
static void say_changed(struct scene *s, unsigned choice, unsigned from)
{
    uint8_t bytes[DATAGRAM_MAX];
    bool counts;
    struct ice_client *const client = &s->clients[pick(s, choice >> 4, &counts)];
    const size_t len = ice_client_check(client, choice & 1, bytes, sizeof(bytes)) - 8;
    const unsigned change = take(s);
    bytes[3] = (uint8_t)(len - LEAT_STUN_HEADER_LEN);
    bytes[take(s) % len] ^= (uint8_t)change;
    receive(s, from, bytes, len, counts && change == 0);
}

/* Signed, but with whatever attributes. */
static void say_odd(struct scene *s, unsigned choice, unsigned from)
{
    uint8_t bytes[DATAGRAM_MAX], transaction[LEAT_STUN_TRANSACTION_LEN] = {'o'};
    char name[LEAT_STUN_USERNAME_MAX + 1];
    bool counts;
    size_t len = 0;
    struct leat_stun_writer writer;
    const struct ice_client *const client = &s->clients[pick(s, choice >> 4, &counts)];
    const unsigned kind = choice & 8 ? take(s) % 4 : LEAT_STUN_REQUEST;
    transaction[11] = (uint8_t)take(s);
    leat_stun_begin(&writer, bytes, sizeof(bytes), (enum leat_stun_kind)kind, LEAT_STUN_BINDING,
                    transaction);
    (void)snprintf(name, sizeof(name), "%s:%s", client->remote.ufrag, client->local.ufrag);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, name, strlen(name));
    for (unsigned count = take(s) % 16; count > 0; count--) {
        const unsigned high = take(s);
        const uint16_t type = (uint16_t)(high << 8 | take(s));
        const size_t attr_len = take(s) % 32;
        if (type != LEAT_STUN_ATTR_MESSAGE_INTEGRITY && type != LEAT_STUN_ATTR_FINGERPRINT &&
            attr_len <= s->size) {
            leat_stun_put(&writer, type, s->data, attr_len);
        }
    }
    if (leat_stun_end(&writer, client->remote.pwd, strlen(client->remote.pwd), &len) == 0) {
        receive(s, from, bytes, len, counts && kind == LEAT_STUN_REQUEST);
    }
}

/* Answers what a place was asked: from there or elsewhere, with this password or that. */
static void say_answer(struct scene *s, unsigned choice, unsigned about, unsigned from)
{
    uint8_t bytes[LEAT_STUN_SUCCESS_MAX];
    struct place *const place = &s->places[about % PLACES][about >> 7];
    const struct leat_addr mapped = local_addr(about >> 7);
    bool counts;
    if (!place->is_asked) {
        return;
    }
    if (choice & 8) {
        from = about;
    }
    const unsigned client = choice & 1 ? place->asked_by : pick(s, choice >> 4, &counts);
    if (client == place->asked_by && from % PLACES == about % PLACES && from >> 7 == about >> 7) {
        place->proven = true;
    }
    receive(s, from, bytes,
            ice_client_answer(&s->clients[client], place->asked, &mapped, bytes, sizeof(bytes)),
            false);
}

static void send_media(struct scene *s, unsigned choice, unsigned from, unsigned amount)
{
    struct leat_ice_tuple tuple;
    const struct leat_addr remote = remote_addr(from), local = local_addr(from >> 7);
    if (choice & 8) {
        s->places[from % PLACES][from >> 7].in += amount;
        REQUIRE(!leat_ice_admit(s->ice, &remote, &local, amount) || !s->expired);
    } else if (leat_ice_allow(s->ice, amount * 8)) {
        REQUIRE(leat_ice_selected(s->ice, &tuple));
        struct place *const place = find(s, &tuple);
        REQUIRE(place);
        place->out += amount * 8;
        REQUIRE(place->proven || place->out <= 3 * place->in);
    }
}

static void restart(struct scene *s)
{
    struct ice_client next = s->clients[0];
    char ufrag[16], pwd[32];
    s->restarts++;
    (void)snprintf(ufrag, sizeof(ufrag), "serv%u", s->restarts);
    (void)snprintf(pwd, sizeof(pwd), "server%024u", s->restarts);
    next.remote = ice_credentials(ufrag, pwd);
    (void)snprintf(ufrag, sizeof(ufrag), "clnt%u", s->restarts);
    (void)snprintf(pwd, sizeof(pwd), "client%024u", s->restarts);
    next.local = ice_credentials(ufrag, pwd);
    if (!s->old_counts) {
        s->clients[1] = s->clients[0];
    }
    for (unsigned n = 0; n < PLACES; n++) {
        for (unsigned l = 0; l < LOCALS; l++) {
            struct place *const place = &s->places[n][l];
            if (!s->old_counts) {
                place->asked_by = 1;
            } else if (place->asked_by == 0) {
                place->is_asked = false; /* with what is forgotten now */
            }
        }
    }
    const int status = leat_ice_restart(s->ice, &next.remote, &next.local);
    REQUIRE(status == (s->expired ? -ENOTCONN : 0));
    s->clients[0] = next;
    s->old_counts = true;
    drain(s);
}

static void step(struct scene *s)
{
    const unsigned choice = take(s), from = take(s);
    size_t len;
    switch (choice & 7) { /* by half of them, checks and answers: else nothing gets anywhere */
    case 0:
    case 1:
        say_check(s, choice, from);
        break;
    case 2:
        say_changed(s, choice, from);
        break;
    case 3:
        say_odd(s, choice, from);
        break;
    case 4:
    case 5:
        say_answer(s, choice, from, choice & 8 ? from : take(s));
        break;
    case 6:
        send_media(s, choice, from, take(s));
        break;
    default:
        if (choice & 0x40) {
            len = from < s->size ? from : s->size;
            const uint8_t *const bytes = s->data;
            s->data += len;
            s->size -= len;
            receive(s, take(s), bytes, len, false);
        } else if ((choice & 0x38) == 0x38) {
            restart(s);
        } else {
            s->now += from * (choice & 8 ? 200 * LEAT_MS : 2 * LEAT_MS);
            leat_ice_timeout(s->ice, s->now);
            drain(s);
            REQUIRE(s->expired || leat_ice_deadline(s->ice) > s->now);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene scene;
    struct scene *const s = &scene;
    struct leat_ice_config config;
    if (size > 4096) {
        return 0;
    }
    memset(s, 0, sizeof(*s));
    s->data = data;
    s->size = size;
    for (unsigned i = 0; i < 3; i++) {
        s->clients[i].local = ice_credentials("clnt", "clientclientclientclient");
        s->clients[i].remote = ice_credentials("serv0", "serverserverserverserver");
    }
    s->clients[2].remote.pwd[3] = 'V';
    s->clients[2].local.pwd[3] = 'E';
    s->clients[1] = s->clients[2]; /* until a restart */
    leat_ice_config_default(&config);
    config.local = s->clients[0].remote;
    config.remote = s->clients[0].local;
    REQUIRE(leat_ice_open(&config, 0, &s->ice) == 0);
    while (s->size) {
        step(s);
    }
    leat_ice_close(s->ice);
    return 0;
}
