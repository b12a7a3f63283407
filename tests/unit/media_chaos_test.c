/* Clients that do what they like, in any order: good offers, bad ones, patches, deletes, and
 * leaving in the middle. Whatever they did, nobody is harmed, and when they are gone nothing is
 * left. */
#include "unit/media_rig.h"

#define CLIENTS 8

struct crowd {
    struct whip whip;
    struct client clients[CLIENTS];
    bool is_open[CLIENTS];
    char locations[32][160];
    size_t location_count;
    uint64_t seed;
};

static const char *one_of(struct crowd *crowd, const char *const *list, size_t len)
{
    return list[random_below(&crowd->seed, (uint32_t)len)];
}

static void compose(struct crowd *crowd, char *out, size_t cap)
{
    static const char *const methods[] = {"POST", "POST",  "POST",  "POST",   "GET",    "HEAD",
                                          "PUT",  "PATCH", "PATCH", "DELETE", "OPTIONS"};
    static const char *const paths[] = {"/whip/a",        "/whep/a",        "/whip/b",
                                        "/whep/b",        "/whep/a",        "/streams",
                                        "/whip/endpoint", "/whep/endpoint", "/whip/%00"};
    static const char *const bodies[] = {OFFER_SEND,
                                         OFFER_RECV,
                                         OFFER_RECV,
                                         "v=0\r\n",
                                         "",
                                         "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n",
                                         "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"};
    static const char *const fields[] = {SDP_TYPE,
                                         SDP_TYPE,
                                         SDP_TYPE,
                                         FRAGMENT_TYPE "If-Match: *\r\n",
                                         FRAGMENT_TYPE,
                                         "Authorization: Bearer a\r\n" SDP_TYPE,
                                         "Authorization: what\r\n"};
    const char *method = one_of(crowd, methods, 11), *path = one_of(crowd, paths, 9);
    const char *body = one_of(crowd, bodies, 7), *field = one_of(crowd, fields, 7);
    if (crowd->location_count > 0 && random_below(&crowd->seed, 2) == 0 &&
        strcmp(method, "POST") != 0) {
        path = crowd->locations[random_below(&crowd->seed, (uint32_t)crowd->location_count)];
    }
    snprintf(
        out, cap,
        "%s %s HTTP/1.1\r\nHost: a\r\nOrigin: http://localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
        method, path, field, strlen(body), body);
}

static void remember(struct crowd *crowd, const struct client *client)
{
    char location[160];
    whip_field(client, "Location", location, sizeof(location));
    if (location[0] != '\0') {
        const size_t at =
            crowd->location_count < 32 ? crowd->location_count++ : random_below(&crowd->seed, 32);
        strcpy(crowd->locations[at], location);
    }
    CHECK(strstr(client->text, "HTTP/1.1 500") == NULL);
    CHECK(strstr(client->text, "HTTP/1.1 502") == NULL);
}

static void act(struct crowd *crowd)
{
    const uint32_t at = random_below(&crowd->seed, CLIENTS);
    struct client *client = &crowd->clients[at];
    char text[8000];
    if (!crowd->is_open[at]) {
        return;
    }
    if (client->closed) {
        crowd->is_open[at] = false;
        return;
    }
    remember(crowd, client);
    client_forget(client);
    compose(crowd, text, sizeof(text));
    client_write(&crowd->whip.site, client, text, strlen(text));
    const uint32_t how = random_below(&crowd->seed, 30);
    if (how == 0) {
        client_reset(&crowd->whip.site, client);
        crowd->is_open[at] = false;
    } else if (how < 10) {
        rig_run(&crowd->whip.site.rig, random_below(&crowd->seed, 100) * LEAT_MS);
    }
}

static void run(uint64_t seed, uint32_t workers)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct leat_media_config config = whip_config();
    REQUIRE(crowd != NULL);
    crowd->seed = seed;
    config.workers = workers;
    config.sessions_max = 12;
    config.expire_ns = 5 * LEAT_SEC;
    whip_open_with(&crowd->whip, &config, workers);
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&crowd->whip.site, &crowd->clients[i]);
        crowd->is_open[i] = true;
    }
    for (int i = 0; i < 400; i++) {
        act(crowd);
        const struct leat_media_stats stats = whip_stats(&crowd->whip);
        CHECK(stats.publishers + stats.viewers <= 12 + 2 /* who is replaced is on the way out */);
    }
    CHECK(whip_stats(&crowd->whip).posts > 20);
    rig_run(&crowd->whip.site.rig, 40 * LEAT_SEC);
    CHECK_EQ(whip_stats(&crowd->whip).streams, 0);
    CHECK_EQ(whip_stats(&crowd->whip).viewers, 0);
    CHECK_EQ(whip_stats(&crowd->whip).publishers, 0);
    whip_close(&crowd->whip);
    for (int i = 0; i < CLIENTS; i++) {
        client_free(&crowd->clients[i]);
    }
    free(crowd);
}

TEST(media_chaos, whatever_clients_do_nothing_is_left_of_them)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        run(seed * 7919, 1 + (uint32_t)(seed % 3));
    }
}
