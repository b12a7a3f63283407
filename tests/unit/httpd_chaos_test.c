/* The HTTP server and clients that do anything in any order, by seed: requests cut anywhere, pipelined, broken off;
 * pauses, half closes, resets; an actor that answers at random, too late, twice, or never. Whatever they do, in the
 * end every message is accounted for, the pools balance, and no connection is left. */
#include "unit/httpd_rig.h"

#define CLIENTS 6
#define SEEDS 200

static const char *const texts[] = {
    "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /actor HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /actor HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
    "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
    "GET /hello HTTP/1.0\r\n\r\n",
    "BAD\r\n\r\n",
};

static void hello(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)context;
    (void)request;
    (void)leat_httpd_call_text(call, 200, "text/plain", leat_http_str_of("hello"));
}

static void large(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const struct leat_http_response response = {.status = 200};
    (void)context;
    (void)request;
    (void)leat_httpd_call_reply(call, &response, body_of(200000, 'x'));
}

static void events(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)request;
    (void)leat_httpd_call_events(call, *(leat_channel *)context, (leat_slice){0});
}

/* The actor does one thing to the request it was asked last, whether that is over or not. */
static void act(struct site *site, struct answerer *answerer, uint64_t *random)
{
    const struct leat_http_response response = {
        .status = 200, .body_len = random_below(random, 2) ? 3000 : LEAT_HTTP_LEN_UNKNOWN};
    struct leat_output *out = puppet_put(&answerer->puppet);
    switch (random_below(random, 7)) {
    case 0:
        CHECK_EQ(leat_httpd_reply(out, answerer->exchange, &response, body_of(3000, 'r')), 0);
        break;
    case 1:
        CHECK_EQ(leat_httpd_respond(out, answerer->exchange, &response), 0);
        break;
    case 2:
        leat_httpd_end(out, answerer->exchange);
        break;
    case 3:
        leat_httpd_abort(out, answerer->exchange);
        break;
    case 4:
        leat_httpd_taken(out, answerer->exchange, 1000000);
        break;
    default:
        leat_httpd_data(out, answerer->exchange, body_of(1 + random_below(random, 3000), 'd'));
        break;
    }
    rig_poke(&site->rig, &answerer->puppet);
}

static void disturb(struct site *site, struct client *client, uint64_t *random)
{
    static const enum leat_output_kind kinds[] = {LEAT_OUTPUT_PAUSE, LEAT_OUTPUT_RESUME,
                                                  LEAT_OUTPUT_FINISH, LEAT_OUTPUT_CLOSE};
    const uint32_t choice = random_below(random, 24);
    if (choice < 4) {
        client_do(site, client, kinds[choice]);
    } else if (choice == 4) {
        client_reset(site, client);
    } else {
        const char *text = texts[random_below(random, sizeof(texts) / sizeof(texts[0]))];
        const size_t len = strlen(text);
        client_write(site, client, text,
                     random_below(random, 8) ? len : 1 + random_below(random, (uint32_t)len));
    }
}

static void run(uint64_t seed)
{
    struct site site;
    struct client *clients = calloc(CLIENTS, sizeof(*clients));
    struct answerer answerer = {.takes = seed % 2 == 0};
    struct leat_config config = rig_config();
    leat_channel channel;
    uint64_t random = seed;
    config.seed = seed;
    config.sim.delay_max_ns = 2 * LEAT_MS;
    rig_open(&site.rig, &config);
    answerer_open(&site.rig, &answerer);
    REQUIRE(leat_channel_open("httpd_chaos", &channel) == 0);
    const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_GET, .pattern = "/hello", .handler = hello},
        {.method = LEAT_HTTP_POST, .pattern = "/hello", .handler = hello},
        {.method = LEAT_HTTP_GET, .pattern = "/large", .handler = large},
        {.method = LEAT_HTTP_GET, .pattern = "/events", .handler = events, .context = &channel},
        {.method = LEAT_HTTP_GET, .pattern = "/actor", .actor = answerer.puppet.ref},
        {.method = LEAT_HTTP_POST, .pattern = "/actor", .actor = answerer.puppet.ref},
        {.method = LEAT_HTTP_POST,
         .pattern = "/stream",
         .actor = answerer.puppet.ref,
         .streams = true},
    };
    struct leat_httpd_config http = site_config(routes, 7);
    http.answer_ns = 3 * LEAT_SEC;
    http.send_ns = 5 * LEAT_SEC;
    http.connections_max = 1 + random_below(&random, CLIENTS);
    site_open(&site, &http);
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&site, &clients[i]);
    }
    for (int step = 0; step < 150; step++) {
        disturb(&site, &clients[random_below(&random, CLIENTS)], &random);
        if (random_below(&random, 2) == 0) {
            act(&site, &answerer, &random);
        }
        if (random_below(&random, 4) == 0) {
            CHECK_EQ(leat_publish_body(site.rig.controller, channel,
                                       random_below(&random, 20) == 0 ? LEAT_HTTPD_LAST : 0,
                                       body_of(1 + random_below(&random, 20000), 'e')),
                     0);
        }
        rig_run(&site.rig, random_below(&random, 300) * LEAT_MS);
    }
    if (seed % 3 != 0) { /* else the end comes in the middle */
        for (int i = 0; i < CLIENTS; i++) {
            client_reset(&site, &clients[i]);
        }
        rig_run(&site.rig, 200 * LEAT_SEC);
        CHECK_EQ(site_stats(&site).connections, 0);
    }
    site_close(&site);
    for (int i = 0; i < CLIENTS; i++) {
        client_free(&clients[i]);
    }
    free(clients);
    puppet_free(&answerer.puppet);
    leat_channel_close(channel);
}

TEST(httpd_chaos, ends_well)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed);
    }
}
