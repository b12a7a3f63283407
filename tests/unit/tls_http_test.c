/* HTTP over TLS in simulation: the server against the client of leat::http, and against one that says what the test
 * says. OpenSSL's random numbers do not replay, so what is looked at is what both say, never how many bytes. */
#include "unit/tls_http_rig.h"

static void open_default(struct world *world)
{
    const struct leat_config config = rig_config();
    world_init(world);
    world_open(world, &config);
}

static void ask_of(struct world *world, const char *host, bool secure, const char *method,
                   const char *target, leat_slice body)
{
    const struct leat_http_ask what = {
        .peer = world->site.local,
        .secure = secure,
        .query = {.method = leat_http_str_of(method),
                  .target = leat_http_str_of(target),
                  .host = leat_http_str_of(host)},
        .body = body,
        .timeout_ns = 20 * LEAT_SEC,
    };
    CHECK_EQ(leat_http_agent_ask(puppet_put(&world->asker.puppet), world->agent, &what), 0);
    rig_poke(&world->site.rig, &world->asker.puppet);
    rig_run(&world->site.rig, LEAT_SEC);
}

static void get(struct world *world, const char *host, const char *target)
{
    ask_of(world, host, true, "GET", target, (leat_slice){0});
}

TEST(tls_http, client_and_server)
{
    struct world world;
    open_default(&world);
    ask_of(&world, "a", true, "POST", "/echo", body_of(3, 'y'));
    CHECK_EQ(world.asker.answers, 1);
    CHECK_EQ(world.asker.error, 0);
    CHECK_EQ(world.asker.status, 201);
    CHECK_STR(world.asker.body, "yyy");
    get(&world, "a", "/large");
    CHECK_EQ(world.asker.body_len, LARGE);
    ask_of(&world, "a", true, "POST", "/echo", body_of(60000, 'z'));
    CHECK_EQ(world.asker.body_len, 60000);
    ask_of(&world, "a", true, "HEAD", "/large", (leat_slice){0});
    CHECK_EQ(world.asker.status, 200);
    CHECK_EQ(world.asker.body_len, 0);
    get(&world, "a:443", "/you"); /* the same host */
    CHECK_STR(world.asker.body, "you");
    CHECK_EQ(world.asker.answers, 5);
    CHECK_EQ(served_secure, 2);
    const struct leat_httpd_stats stats = site_stats(&world.site);
    CHECK_EQ(stats.accepted, 1);
    CHECK_EQ(stats.handshakes, 1);
    CHECK_EQ(stats.handshakes_failed, 0);
    rig_run(&world.site.rig, 60 * LEAT_SEC); /* idle: the server ends it, by close_notify */
    CHECK_EQ(site_stats(&world.site).connections, 0);
    get(&world, "a", "/again");
    CHECK_STR(world.asker.body, "again");
    world_close(&world);
}

TEST(tls_http, a_connection_is_for_one_host)
{
    struct world world;
    open_default(&world);
    get(&world, "a", "/x");
    get(&world, "B.example", "/x");
    get(&world, "127.0.0.1:8443", "/x");
    get(&world, "b.example", "/x");
    get(&world, "A", "/x");
    CHECK_EQ(world.asker.answers, 5);
    CHECK_EQ(world.asker.error, 0);
    CHECK_EQ(site_stats(&world.site).accepted, 3);
    get(&world, "c.example", "/x");
    CHECK_EQ(world.asker.error, -EKEYREJECTED);
    get(&world, "[::1]", "/x");
    CHECK_EQ(world.asker.error, -EKEYREJECTED);
    static const char *const no_hosts[] = {"", ":443", "[::1", ".a"};
    for (size_t i = 0; i < sizeof(no_hosts) / sizeof(no_hosts[0]); i++) {
        get(&world, no_hosts[i], "/x");
        CHECK_EQ(world.asker.error, -EINVAL);
    }
    CHECK_EQ(world.asker.answers, 11);
    CHECK_EQ(served, 5);
    world_close(&world);
}

TEST(tls_http, who_is_not_trusted_gets_no_request)
{
    for (int i = 0; i < 5; i++) {
        static const int errors[] = {-EKEYREJECTED, -EKEYREJECTED, -ENOTSUP, -EPROTO, -ECONNRESET};
        struct world world;
        const struct leat_config config = rig_config();
        struct cert other = cert_issue(NULL, NULL);
        world_init(&world);
        leat_tls_context *const stranger = client_context(&other);
        leat_tls_context *const h2 = server_context(&world.cert, "h2");
        if (i == 0) {
            world.config.unix_ns = (uint64_t)(CERTS_UNTIL + 1) * LEAT_SEC; /* expired */
        } else if (i == 1) {
            world.config.tls = stranger;
        } else if (i == 2) {
            world.config.tls = NULL;
        } else if (i == 3) {
            world.http.tls = NULL; /* it speaks no TLS */
        } else {
            world.http.tls = h2; /* no protocol in common: it says so by an alert */
        }
        world_open(&world, &config);
        get(&world, "a", "/x");
        CHECK_EQ(world.asker.answers, 1);
        CHECK_EQ(world.asker.error, errors[i]);
        CHECK_EQ(served, 0);
        CHECK_EQ(site_stats(&world.site).handshakes_failed, i == 2 || i == 3 ? 0u : 1u);
        CHECK_EQ(site_stats(&world.site).connections, 0);
        world_close(&world);
        leat_tls_context_unref(stranger);
        leat_tls_context_unref(h2);
        cert_free(&other);
    }
}

TEST(tls_http, certificates_change_while_it_serves)
{
    struct world world;
    open_default(&world);
    struct cert root = cert_issue(NULL, NULL);
    struct cert cert = cert_issue("DNS:a,DNS:b.example", &root);
    const struct leat_tls_certificate fresh = cert_of(&cert);
    get(&world, "a", "/x");
    CHECK_EQ(leat_tls_context_reload(world.server, &fresh, 1, NULL), 0);
    get(&world, "a", "/x"); /* on the connection that lives */
    CHECK_EQ(world.asker.error, 0);
    get(&world, "b.example", "/x");
    CHECK_EQ(world.asker.error, -EKEYREJECTED);
    const struct leat_tls_certificate old = cert_of(&world.cert);
    CHECK_EQ(leat_tls_context_reload(world.server, &old, 1, NULL), 0);
    get(&world, "b.example", "/x");
    CHECK_EQ(world.asker.error, 0);
    CHECK_EQ(site_stats(&world.site).accepted, 3);
    world_close(&world);
    cert_free(&cert);
    cert_free(&root);
}

TEST(tls_http, plain_to_a_secure_port)
{
    struct world world;
    open_default(&world);
    ask_of(&world, "a", false, "POST", "/echo", body_of(5, 'x'));
    CHECK_EQ(world.asker.error,
             -ECONNRESET); /* closed, and no alert: it is not one who speaks TLS */
    CHECK_EQ(served, 0);
    CHECK_EQ(site_stats(&world.site).handshakes_failed, 1);
    CHECK_EQ(site_stats(&world.site).connections, 0);
    world_close(&world);
}

/* ---- a client that says what the test says ---- */

TEST(tls_http, pipelined_requests_however_they_are_cut)
{
    static const size_t steps[] = {0, 1, 7, 100};
    char text[4096] = "";
    for (int i = 0; i < 40; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "GET /n%02d HTTP/1.1\r\nHost: a\r\n\r\n%s", i, i == 20 ? GET("/large") : "");
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct world world;
        struct visitor visitor;
        open_default(&world);
        visitor_open(&world, &visitor);
        visitor_say(&world, &visitor, text, strlen(text), steps[i]);
        rig_run(&world.site.rig, 5 * LEAT_SEC);
        visitor_read(&world, &visitor);
        CHECK_EQ(times(visitor.text, "HTTP/1.1 200 OK"), 41);
        const char *at = visitor.text;
        for (int n = 0; n < 40 && at != NULL; n++) {
            char body[32];
            snprintf(body, sizeof(body), "\r\n\r\nn%02d", n);
            at = strstr(at, body);
            CHECK_THAT_(at != NULL, "step %d: %s", (int)steps[i], body);
        }
        CHECK(!visitor.closed);
        CHECK_EQ(visitor.errors, 0);
        world_close(&world);
        visitor_free(&visitor);
    }
}

/* close_notify and nothing else: what was asked is answered, then the server says the same. */
TEST(tls_http, an_orderly_end)
{
    struct world world;
    struct visitor visitor;
    open_default(&world);
    visitor_open(&world, &visitor);
    const size_t cap = 4096;
    struct leat_tls_out out = {malloc(cap), cap, 0};
    CHECK_EQ(leat_tls_write(visitor.tls, certs_bytes(GET("/large") GET("/two")), &out), 0);
    CHECK_EQ(leat_tls_finish(visitor.tls), 0);
    leat_tls_flush(visitor.tls, &out);
    client_write(&world.site, &visitor.client, (char *)out.data, out.len);
    free(out.data);
    rig_run(&world.site.rig, 5 * LEAT_SEC);
    visitor_read(&world, &visitor);
    CHECK_EQ(times(visitor.text, "HTTP/1.1 200 OK"), 2);
    CHECK(strstr(visitor.text, "\r\n\r\ntwo") != NULL);
    CHECK(visitor.closed);
    CHECK(visitor.client.finished);
    CHECK(visitor.client.closed);
    CHECK_EQ(visitor.client.closed_status, 0);
    CHECK_EQ(site_stats(&world.site).connections, 0);
    CHECK_EQ(site_stats(&world.site).refused, 0);
    world_close(&world);
    visitor_free(&visitor);
    /* The server's own end: `Connection: close`. */
    open_default(&world);
    visitor_open(&world, &visitor);
    const char *const last = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    visitor_say(&world, &visitor, last, strlen(last), 0);
    CHECK(visitor.closed);
    CHECK(visitor.client.finished);
    world_close(&world);
    visitor_free(&visitor);
}

/* FIN without close_notify: the request that is under way is given up, and no close_notify is said to it. */
TEST(tls_http, a_truncated_request)
{
    static const char *const texts[] = {
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "GET /x HT",
        GET("/actor"),
        "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        GET("/news"),
        GET("/x"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct world world;
        struct visitor visitor;
        open_default(&world);
        visitor_open(&world, &visitor);
        visitor_say(&world, &visitor, texts[i], strlen(texts[i]), 0);
        client_do(&world.site, &visitor.client, LEAT_OUTPUT_FINISH);
        rig_run(&world.site.rig, LEAT_SEC);
        visitor_read(&world, &visitor);
        CHECK(!visitor.closed);
        CHECK(visitor.client.closed);
        CHECK_EQ(times(visitor.text, "HTTP/1.1"), i >= 4 ? 1 : 0);
        CHECK_EQ(served, i == 5 ? 1 : 0);
        CHECK_EQ(world.answerer.gone, i == 2 || i == 3 ? 1 : 0);
        CHECK_EQ(site_stats(&world.site).gone, i == 2 || i == 3 ? 1 : 0);
        CHECK_EQ(site_stats(&world.site).event_streams, 0);
        CHECK_EQ(site_stats(&world.site).connections, 0);
        world_close(&world);
        visitor_free(&visitor);
    }
}

/* The same to one who reads slowly: what waits for it is dropped, and it gets the end of a stream, no reset. */
TEST(tls_http, a_truncated_end_before_the_responses)
{
    struct world world;
    struct visitor visitor;
    open_default(&world);
    visitor_open(&world, &visitor);
    client_do(&world.site, &visitor.client, LEAT_OUTPUT_PAUSE);
    visitor_say(&world, &visitor, GET("/large") GET("/large"), 2 * strlen(GET("/large")), 0);
    client_do(&world.site, &visitor.client, LEAT_OUTPUT_FINISH);
    rig_run(&world.site.rig, LEAT_SEC);
    client_do(&world.site, &visitor.client, LEAT_OUTPUT_RESUME);
    rig_run(&world.site.rig, 5 * LEAT_SEC);
    visitor_read(&world, &visitor);
    CHECK(visitor.len < 2 * LARGE);
    CHECK(!visitor.closed);
    CHECK(visitor.client.closed);
    CHECK_EQ(visitor.client.closed_status, 0);
    CHECK_EQ(site_stats(&world.site).connections, 0);
    world_close(&world);
    visitor_free(&visitor);
}

TEST(tls_http, a_damaged_record_ends_it)
{
    struct world world;
    struct visitor visitor;
    open_default(&world);
    visitor_open(&world, &visitor);
    char record[64] = {0x17, 0x03, 0x03, 0, 40};
    client_write(&world.site, &visitor.client, record, 45);
    rig_run(&world.site.rig, LEAT_SEC);
    visitor_read(&world, &visitor);
    CHECK_EQ(visitor.errors, 1); /* its alert */
    CHECK(visitor.client.closed);
    CHECK_EQ(site_stats(&world.site).refused, 1);
    CHECK_EQ(site_stats(&world.site).connections, 0);
    world_close(&world);
    visitor_free(&visitor);
}

TEST(tls_http, a_slow_reader_is_not_read_from)
{
    struct world world;
    struct visitor visitor, patient;
    open_default(&world);
    visitor_open(&world, &visitor);
    client_do(&world.site, &visitor.client, LEAT_OUTPUT_PAUSE);
    char text[4096] = "";
    for (int i = 0; i < 20; i++) {
        strcat(text, GET("/large"));
    }
    visitor_say(&world, &visitor, text, strlen(text), 0);
    rig_run(&world.site.rig, LEAT_SEC);
    const unsigned asked = served;
    CHECK(asked < 8);
    visitor_say(&world, &visitor, text, strlen(text), 0);
    rig_run(&world.site.rig, 50 * LEAT_SEC);
    CHECK_EQ(served, asked);
    CHECK_EQ(site_stats(&world.site).connections, 1);
    rig_run(&world.site.rig, 20 * LEAT_SEC);
    CHECK_EQ(site_stats(&world.site).connections, 0);
    CHECK_EQ(site_stats(&world.site).slow_readers, 1);
    visitor_open(&world, &patient); /* who reads again gets all */
    client_do(&world.site, &patient.client, LEAT_OUTPUT_PAUSE);
    visitor_say(&world, &patient, text, strlen(text), 0);
    rig_run(&world.site.rig, 10 * LEAT_SEC);
    client_do(&world.site, &patient.client, LEAT_OUTPUT_RESUME);
    rig_run(&world.site.rig, 20 * LEAT_SEC);
    visitor_read(&world, &patient);
    CHECK_EQ(times(patient.text, "HTTP/1.1 200 OK"), 20);
    CHECK_EQ(patient.len, strlen(patient.text)); /* and nothing but text */
    CHECK_EQ(patient.errors, 0);
    world_close(&world);
    visitor_free(&visitor);
    visitor_free(&patient);
}

/* A body that streams to an actor that takes nothing: what is decrypted is the window, not all of it. */
TEST(tls_http, a_slow_actor_is_not_fed)
{
    struct world world;
    struct visitor visitor;
    static char body[600000];
    const struct leat_config config = rig_config();
    world_init(&world);
    world.http.http.body_len_max = sizeof(body);
    world_open(&world, &config);
    visitor_open(&world, &visitor);
    const char *const head = "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n";
    visitor_say(&world, &visitor, head, strlen(head), 0);
    visitor_say(&world, &visitor, body, sizeof(body), 0);
    rig_run(&world.site.rig, LEAT_SEC);
    CHECK(world.answerer.body_len >= LEAT_HTTPD_WINDOW);
    CHECK(world.answerer.body_len <= LEAT_HTTPD_WINDOW + LEAT_TLS_RECORD_LEN_MAX);
    while (world.answerer.body_len < sizeof(body)) {
        const uint64_t before = world.answerer.body_len;
        leat_httpd_taken(puppet_put(&world.answerer.puppet), world.answerer.exchange, 65536);
        rig_poke(&world.site.rig, &world.answerer.puppet);
        rig_run(&world.site.rig, LEAT_SEC);
        REQUIRE(world.answerer.body_len > before);
    }
    CHECK_EQ(world.answerer.ended, 1);
    world_close(&world);
    visitor_free(&visitor);
}

TEST(tls_http, handshakes_that_do_not_end)
{
    struct world world;
    struct client silent, begun, garbage, gone;
    open_default(&world);
    client_open(&world.site, &silent);
    client_open(&world.site, &begun);
    client_open(&world.site, &garbage);
    client_open(&world.site, &gone);
    client_write(&world.site, &begun, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    client_write(&world.site, &garbage, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
    client_do(&world.site, &gone, LEAT_OUTPUT_FINISH);
    rig_run(&world.site.rig, LEAT_SEC);
    CHECK(garbage.closed && gone.closed);
    CHECK_EQ(site_stats(&world.site).handshakes_failed, 2);
    for (int i = 0; i < 8; i++) { /* a byte a second does not help */
        CHECK(!silent.closed && !begun.closed);
        client_write(&world.site, &begun, "a", 1);
        rig_run(&world.site.rig, LEAT_SEC);
    }
    rig_run(&world.site.rig, 2 * LEAT_SEC);
    CHECK(silent.closed && begun.closed);
    CHECK_EQ(site_stats(&world.site).handshakes_failed, 4);
    CHECK_EQ(site_stats(&world.site).connections, 0);
    world_close(&world);
    client_free(&silent);
    client_free(&begun);
    client_free(&garbage);
    client_free(&gone);
}

/* Everything is told the end: by close_notify where a connection is idle, and after a response under way. */
TEST(tls_http, shutdown)
{
    struct world world;
    struct visitor idle, waits;
    struct client shaking;
    const struct leat_http_response response = {.status = 200};
    struct leat_config config = rig_config();
    world_init(&world);
    config.shutdown_ns = 10 * LEAT_SEC;
    world_open(&world, &config);
    visitor_open(&world, &idle);
    visitor_open(&world, &waits);
    client_open(&world.site, &shaking);
    visitor_say(&world, &waits, GET("/actor"), strlen(GET("/actor")), 0);
    idle.client.puppet.stays = waits.client.puppet.stays = shaking.puppet.stays = true;
    world.answerer.puppet.stays = true;
    leat_runtime_stop(world.site.rig.runtime);
    rig_run(&world.site.rig, 100 * LEAT_MS);
    visitor_read(&world, &idle);
    CHECK(idle.closed);
    CHECK(shaking.finished || shaking.closed);
    CHECK_EQ(leat_httpd_reply(puppet_put(&world.answerer.puppet), world.answerer.exchange,
                              &response, body_of(5, 'e')),
             0);
    rig_poke(&world.site.rig, &world.answerer.puppet);
    rig_run(&world.site.rig, 100 * LEAT_MS);
    visitor_read(&world, &waits);
    CHECK(strstr(waits.text, "\r\n\r\neeeee") != NULL);
    CHECK(waits.closed);
    world_close(&world);
    visitor_free(&idle);
    visitor_free(&waits);
    client_free(&shaking);
}

/* The network delays and loses; 20 orders of things. */
TEST(tls_http, many_asks_over_a_bad_network)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world;
        struct leat_config config = rig_config();
        config.seed = seed;
        config.sim.delay_max_ns = 5 * LEAT_MS;
        config.sim.loss = seed % 3 == 0 ? 0.05 : 0;
        world_init(&world);
        world_open(&world, &config);
        for (int i = 0; i < 20; i++) {
            const struct leat_http_ask what = {
                .peer = world.site.local,
                .secure = true,
                .query = {.method = leat_http_str_of("GET"),
                          .target = leat_http_str_of(i % 3 ? "/name" : "/large"),
                          .host = leat_http_str_of(i % 2 ? "a" : "b.example")},
                .timeout_ns = 60 * LEAT_SEC,
            };
            CHECK_EQ(leat_http_agent_ask(puppet_put(&world.asker.puppet), world.agent, &what), 0);
            rig_poke(&world.site.rig, &world.asker.puppet);
        }
        rig_run(&world.site.rig, 60 * LEAT_SEC);
        CHECK_EQ(world.asker.answers, 20);
        CHECK_EQ(world.asker.error, 0);
        CHECK_EQ(served, 20);
        world_close(&world);
    }
}
