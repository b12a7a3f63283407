/* What an answer promises, tried: checks with its credentials are answered at its candidate,
 * others are not; after a restart both the old and the new ones are, and after DELETE none. */
#include <leat/ice.h>
#include <leat/stun.h>

#include "unit/media_rig.h"

/* A client's UDP socket. */
struct prober {
    struct puppet puppet;
    leat_sock sock;
    unsigned successes, others;
};

static void prober_event(struct puppet *puppet, const struct leat_event *event)
{
    struct prober *prober = puppet->context;
    if (event->kind == LEAT_EVENT_OPENED) {
        prober->sock = event->sock;
    } else if (event->kind == LEAT_EVENT_DATA) {
        const uint8_t *data = leat_slice_data(event->data.body);
        const bool is_success = event->data.body.len >= 20 && data[0] == 1 && data[1] == 1;
        prober->successes += is_success;
        prober->others += !is_success && !(data[0] == 0 && data[1] == 1); /* theirs to us */
    }
}

static void prober_open(struct whip *whip, struct prober *prober)
{
    struct leat_addr local;
    memset(prober, 0, sizeof(*prober));
    prober->puppet.on_event = prober_event;
    prober->puppet.context = prober;
    rig_spawn(&whip->site.rig, &prober->puppet);
    rig_run(&whip->site.rig, 0);
    REQUIRE(leat_addr_parse("127.0.0.1:0", &local) == 0);
    leat_output_open(puppet_put(&prober->puppet), &local, 0);
    rig_poke(&whip->site.rig, &prober->puppet);
    REQUIRE(prober->sock.id != 0);
}

/* Credentials and candidate of the answer, or fragment, in client->text. */
struct promise {
    struct leat_ice_credentials credentials;
    struct leat_addr candidate;
};

static void attribute(const char *text, const char *name, char *out, size_t cap)
{
    const char *at = strstr(text, name);
    REQUIRE(at != NULL);
    at += strlen(name);
    snprintf(out, cap, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static struct promise promise_of(const struct client *client)
{
    struct promise promise;
    char line[200], ip[64];
    unsigned port = 0;
    memset(&promise, 0, sizeof(promise));
    attribute(client->text, "a=ice-ufrag:", promise.credentials.ufrag, 257);
    attribute(client->text, "a=ice-pwd:", promise.credentials.pwd, 257);
    attribute(client->text, "a=candidate:", line, sizeof(line));
    REQUIRE(sscanf(line, "%*s %*u %*s %*u %63s %u", ip, &port) == 2);
    REQUIRE(leat_addr_from_host(ip, (uint16_t)port, &promise.candidate) == 0);
    return promise;
}

/* How many of one check are answered with success. */
static unsigned probe(struct whip *whip, struct prober *prober, const struct promise *promise,
                      const char *ufrag, const char *pwd)
{
    static uint8_t transaction[LEAT_STUN_TRANSACTION_LEN];
    struct leat_ice_credentials local;
    uint8_t data[LEAT_ICE_CHECK_MAX];
    size_t len;
    leat_slice body;
    REQUIRE(leat_ice_credentials_set(ufrag, strlen(ufrag), pwd, strlen(pwd), &local) == 0);
    transaction[0]++;
    const struct leat_ice_check check = {.local = &local,
                                         .remote = &promise->credentials,
                                         .transaction = transaction,
                                         .tie_breaker = 7,
                                         .priority = 1,
                                         .controlling = true,
                                         .use_candidate = true};
    REQUIRE(leat_ice_check_write(&check, data, sizeof(data), &len) == 0);
    REQUIRE(leat_buf_alloc((uint32_t)len, &body) == 0);
    memcpy(leat_slice_data(body), data, len);
    const unsigned before = prober->successes;
    leat_output_data(puppet_put(&prober->puppet), prober->sock, &promise->candidate, body);
    rig_poke(&whip->site.rig, &prober->puppet);
    rig_run(&whip->site.rig, 50 * LEAT_MS);
    return prober->successes - before;
}

static void try_session(uint32_t workers, bool publishes)
{
    static const char restart[] = "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n";
    struct whip whip;
    struct prober prober;
    struct leat_media_config config = whip_config();
    config.workers = workers;
    config.port_each = true;
    whip_open_with(&whip, &config, workers);
    prober_open(&whip, &prober);
    CHECK_EQ(whip_publish(&whip, "other", ""), 201);
    CHECK_EQ(publishes ? whip_publish(&whip, "demo", "") : whip_watch(&whip, "demo", ""), 201);
    const struct promise first = promise_of(&whip.client);
    struct promise wrong = first;
    wrong.credentials.pwd[0] = wrong.credentials.pwd[0] == 'a' ? 'b' : 'a';
    CHECK_EQ(probe(&whip, &prober, &wrong, OFFER_UFRAG, OFFER_PWD), 0);
    CHECK_EQ(whip_stats(&whip).unauthenticated, 1);
    CHECK_EQ(probe(&whip, &prober, &first, OFFER_UFRAG, OFFER_PWD), 1);
    CHECK_EQ(whip_trickle(&whip, "*", restart), 200);
    const struct promise second = promise_of(&whip.client);
    CHECK(strcmp(first.credentials.ufrag, second.credentials.ufrag) != 0);
    CHECK_EQ(first.credentials.ufrag[0], second.credentials.ufrag[0]); /* its worker */
    CHECK_EQ(probe(&whip, &prober, &first, OFFER_UFRAG, OFFER_PWD), 1);
    CHECK_EQ(probe(&whip, &prober, &second, "ysXw", "vw5LmwG4y/e6dPP/zAP9Gp5k"), 1);
    CHECK_EQ(whip_session(&whip, "DELETE", "", ""), 200);
    CHECK_EQ(probe(&whip, &prober, &second, "ysXw", "vw5LmwG4y/e6dPP/zAP9Gp5k"), 0);
    whip_close(&whip);
    puppet_free(&prober.puppet);
}

TEST(media_whip_ice, a_publishers_answer_is_true)
{
    try_session(1, true);
}

TEST(media_whip_ice, a_viewers_answer_is_true)
{
    try_session(1, false);
}

TEST(media_whip_ice, on_another_worker_too)
{
    try_session(2, true);
    try_session(2, false);
}
