/* HTTP over TLS and clients that do anything in any order, by seed: requests and records cut anywhere, pauses, half closes,
 * close_notify, resets, bytes that are no record; an actor that answers at random. Whatever they do, in the end every
 * message is accounted for, the pools balance, and no connection is left. */
#include "unit/tls_http_rig.h"

static void act(struct world *world, uint64_t *random)
{
    struct answerer *answerer = &world->answerer;
    const struct leat_http_response response = {.status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN};
    struct leat_output *out = puppet_put(&answerer->puppet);
    switch (random_below(random, 6)) {
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
        leat_httpd_taken(out, answerer->exchange, 1000000);
        break;
    default:
        leat_httpd_data(out, answerer->exchange, body_of(1 + random_below(random, 50000), 'd'));
        break;
    }
    rig_poke(&world->site.rig, &answerer->puppet);
}

static void disturb(struct world *world, struct visitor *visitor, uint64_t *random)
{
    static const enum leat_output_kind kinds[] = {LEAT_OUTPUT_PAUSE, LEAT_OUTPUT_RESUME,
                                                  LEAT_OUTPUT_FINISH, LEAT_OUTPUT_CLOSE};
    static const char *const texts[] = {
        GET("/x"),
        GET("/large"),
        GET("/actor"),
        GET("/news"),
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
        "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        "BAD\r\n\r\n",
    };
    const uint32_t choice = random_below(random, 32);
    uint8_t bytes[512];
    struct leat_tls_out out = {bytes, sizeof(bytes), 0};
    if (choice < 4) {
        client_do(&world->site, &visitor->client, kinds[choice]);
    } else if (choice == 4) {
        client_reset(&world->site, &visitor->client);
    } else if (choice == 5) {
        (void)leat_tls_finish(visitor->tls);
    } else if (choice == 6) { /* no record of its own */
        memset(bytes, 0x17, 100);
        out.len = 100;
    } else {
        const char *text = texts[random_below(random, sizeof(texts) / sizeof(texts[0]))];
        const uint32_t len = (uint32_t)strlen(text);
        const uint32_t part = random_below(random, 8) != 0 ? len : 1 + random_below(random, len);
        (void)leat_tls_write(visitor->tls, leat_tls_bytes_of(text, part), &out);
    }
    leat_tls_flush(visitor->tls, &out);
    if (out.len > 0) { /* whole, or cut */
        const size_t len = random_below(random, 16) != 0 ? out.len : 1 + out.len / 2;
        client_write(&world->site, &visitor->client, (char *)bytes, len);
    }
}

static void run_visitors(uint64_t seed)
{
    struct world world;
    struct visitor visitors[4];
    struct leat_config config = rig_config();
    uint64_t random = seed;
    config.seed = seed;
    config.sim.delay_max_ns = 2 * LEAT_MS;
    world_init(&world);
    world.answerer.takes = seed % 2 == 0;
    world.http.answer_ns = 3 * LEAT_SEC;
    world.http.send_ns = 5 * LEAT_SEC;
    world_open(&world, &config);
    for (int i = 0; i < 4; i++) {
        visitor_open(&world, &visitors[i]);
    }
    for (int step = 0; step < 100; step++) {
        disturb(&world, &visitors[random_below(&random, 4)], &random);
        if (random_below(&random, 2) == 0) {
            act(&world, &random);
        }
        if (random_below(&random, 4) == 0) {
            CHECK_EQ(leat_publish_body(world.site.rig.controller, news_channel,
                                       random_below(&random, 20) == 0 ? LEAT_HTTPD_LAST : 0,
                                       body_of(1 + random_below(&random, 20000), 'e')),
                     0);
        }
        rig_run(&world.site.rig, random_below(&random, 300) * LEAT_MS);
        visitor_read(&world, &visitors[random_below(&random, 4)]);
    }
    if (seed % 3 != 0) { /* else the end comes in the middle */
        for (int i = 0; i < 4; i++) {
            client_reset(&world.site, &visitors[i].client);
        }
        rig_run(&world.site.rig, 200 * LEAT_SEC);
        CHECK_THAT_(site_stats(&world.site).connections == 0, "seed %d", (int)seed);
    }
    world_close(&world);
    for (int i = 0; i < 4; i++) {
        visitor_free(&visitors[i]);
    }
}

TEST(tls_http_chaos, visitors_do_anything)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        run_visitors(seed);
    }
}
