/* The HTTP server in simulation: what clients get, in which order, and what limits end. */
#include "unit/httpd_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void hello(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const leat_http_str name = leat_httpd_param(request, "name");
    (void)context;
    (void)leat_httpd_call_text(call, 200, "text/plain",
                               name.len > 0 ? name : leat_http_str_of("hello"));
}

static void echo(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const struct leat_http_response response = {.status = 201};
    (void)context;
    CHECK_EQ(leat_httpd_call_reply(call, &response, leat_slice_ref(request->body)), 0);
    CHECK_EQ(leat_httpd_call_reply(call, &response, (leat_slice){0}), -EALREADY);
}

static void silent(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const struct leat_http_header header = {leat_http_str_of("Content-Length"),
                                            leat_http_str_of("1")};
    const struct leat_http_response response = {
        .status = 200, .headers = &header, .header_count = 1};
    (void)context;
    (void)request;
    CHECK_EQ(leat_httpd_call_reply(call, &response, body_of(10, 'x')), -EINVAL);
    CHECK_EQ(leat_httpd_call_reply(call, &response, body_of(10000, 'x')), -EINVAL);
}

static void large(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const struct leat_http_response response = {.status = 200};
    (void)context;
    (void)request;
    CHECK_EQ(leat_httpd_call_reply(call, &response, body_of(300000, 'x')), 0);
}

static const struct leat_httpd_route routes[] = {
    {.method = LEAT_HTTP_GET, .pattern = "/", .handler = hello},
    {.method = LEAT_HTTP_GET, .pattern = "/silent", .handler = silent},
    {.method = LEAT_HTTP_GET, .pattern = "/large", .handler = large},
    {.method = LEAT_HTTP_POST, .pattern = "/echo", .handler = echo},
    {.method = LEAT_HTTP_GET, .pattern = "/:name", .handler = hello},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static void open_site(struct site *site)
{
    const struct leat_config config = rig_config();
    const struct leat_httpd_config http = site_config(routes, ROUTES);
    rig_open(&site->rig, &config);
    site_open(site, &http);
}

TEST(httpd, answers)
{
    struct site site;
    struct client client;
    open_site(&site);
    client_open(&site, &client);
    client_say(&site, &client, GET("/"));
    CHECK_STR(client.text, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                           "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
    client_forget(&client);
    client_say(&site, &client, GET("/name"));
    CHECK_HAS(&client, "\r\n\r\nname");
    client_say(&site, &client, GET("/a/b"));
    CHECK_HAS(&client, "HTTP/1.1 404 Not Found");
    client_say(&site, &client, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_HAS(&client, "HTTP/1.1 405 Method Not Allowed");
    CHECK_HAS(&client, "Allow: GET, HEAD, OPTIONS");
    client_say(&site, &client, "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_HAS(&client, "HTTP/1.1 204 No Content");
    client_say(&site, &client, GET("/silent"));
    CHECK_HAS(&client, "HTTP/1.1 500 Internal Server Error");
    client_forget(&client);
    client_say(&site, &client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_HAS(&client, "Content-Length: 5\r\n\r\n");
    CHECK(strstr(client.text, "hello") == NULL);
    CHECK(!client.closed);
    client_say(&site, &client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(client.closed);
    CHECK_EQ(client.closed_status, 0);
    const struct leat_httpd_stats stats = site_stats(&site);
    CHECK_EQ(stats.requests, 8);
    CHECK_EQ(stats.responses[2], 5);
    CHECK_EQ(stats.responses[4], 2);
    CHECK_EQ(stats.responses[5], 1);
    CHECK_EQ(stats.connections, 0);
    CHECK_EQ(stats.accepted, 1);
    site_close(&site);
    client_free(&client);
}

TEST(httpd, bodies_are_collected)
{
    struct site site;
    struct client client;
    open_site(&site);
    client_open(&site, &client);
    client_say(&site, &client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    CHECK_HAS(&client, "Content-Length: 3\r\n\r\nabc");
    client_forget(&client);
    client_say(&site, &client,
               "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    CHECK_HAS(&client, "Content-Length: 7\r\n\r\nabcdefg");
    client_forget(&client);
    client_say(&site, &client,
               "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
               "Expect: 100-continue\r\n\r\n");
    CHECK_STR(client.text, "HTTP/1.1 100 Continue\r\n\r\n");
    client_say(&site, &client, "abc");
    CHECK_HAS(&client, "\r\n\r\nabc");
    client_forget(&client);
    /* A chunked body that grows, and a request nobody takes: its body is read, and dropped. */
    client_say(&site, &client,
               "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        char chunk[1100];
        memset(chunk, 'x', sizeof(chunk));
        memcpy(chunk, "400\r\n", 5);
        memcpy(chunk + 5 + 1024, "\r\n", 2);
        client_write(&site, &client, chunk, 5 + 1024 + 2);
    }
    client_say(&site, &client,
               "0\r\n\r\nPOST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" GET("/"));
    CHECK_HAS(&client, "Content-Length: 51200\r\n");
    CHECK_HAS(&client, "405 Method Not Allowed");
    CHECK_HAS(&client, "\r\n\r\nhello");
    site_close(&site);
    client_free(&client);
}

/* However the network cuts and delays it. */
TEST(httpd, pipelined_requests_are_answered_in_order)
{
    char text[8192] = "";
    for (int i = 0; i < 100; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "GET /n%02d HTTP/1.1\r\nHost: a\r\n\r\n%s", i, i == 50 ? GET("/large") : "");
    }
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct site site;
        struct client client;
        struct leat_config config = rig_config();
        const struct leat_httpd_config http = site_config(routes, ROUTES);
        config.seed = seed;
        config.sim.delay_max_ns = 5 * LEAT_MS;
        config.sim.loss = seed % 3 == 0 ? 0.05 : 0;
        rig_open(&site.rig, &config);
        site_open(&site, &http);
        client_open(&site, &client);
        client_say(&site, &client, text);
        rig_run(&site.rig, 20 * LEAT_SEC);
        CHECK_EQ(times(client.text, "HTTP/1.1 200 OK"), 101);
        const char *at = client.text;
        for (int i = 0; i < 100 && at != NULL; i++) {
            char body[32];
            snprintf(body, sizeof(body), "\r\n\r\nn%02d", i);
            at = strstr(at, body);
            CHECK_THAT_(at != NULL, "seed %d: %s", (int)seed, body);
        }
        site_close(&site);
        client_free(&client);
    }
}

/* Many large responses to one who does not read: what waits is bounded, and in time it is reset. */
TEST(httpd, a_slow_reader_is_not_read_from)
{
    struct site site;
    struct client client;
    open_site(&site);
    client_open(&site, &client);
    client_do(&site, &client, LEAT_OUTPUT_PAUSE);
    char text[4096] = "";
    for (int i = 0; i < 60; i++) {
        strcat(text, GET("/large"));
    }
    client_say(&site, &client, text);
    rig_run(&site.rig, LEAT_SEC);
    const uint64_t asked = site_stats(&site).requests;
    CHECK(asked < 8);
    client_say(&site, &client, text);
    rig_run(&site.rig, 50 * LEAT_SEC);
    CHECK_EQ(site_stats(&site).requests, asked);
    CHECK_EQ(site_stats(&site).connections, 1);
    rig_run(&site.rig, 20 * LEAT_SEC);
    CHECK_EQ(site_stats(&site).connections, 0);
    CHECK_EQ(site_stats(&site).slow_readers, 1);
    /* One who reads again gets all. */
    struct client patient;
    client_open(&site, &patient);
    client_do(&site, &patient, LEAT_OUTPUT_PAUSE);
    client_say(&site, &patient, text);
    rig_run(&site.rig, 10 * LEAT_SEC);
    client_do(&site, &patient, LEAT_OUTPUT_RESUME);
    rig_run(&site.rig, 20 * LEAT_SEC);
    CHECK_EQ(times(patient.text, "HTTP/1.1 200 OK"), 60);
    site_close(&site);
    client_free(&client);
    client_free(&patient);
}

TEST(httpd, times_end_connections)
{
    struct site site;
    struct client idle, head, body, trickle;
    open_site(&site);
    client_open(&site, &idle);
    client_open(&site, &head);
    client_open(&site, &body);
    client_open(&site, &trickle);
    client_say(&site, &head, "GET / HT");
    client_say(&site, &body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    for (int i = 0; i < 4; i++) { /* a byte a second does not help */
        client_say(&site, &trickle, i == 0 ? "GET / HTTP/1.1\r\n" : "a");
        rig_run(&site.rig, LEAT_SEC);
    }
    CHECK(!head.closed && !trickle.closed);
    rig_run(&site.rig, 2 * LEAT_SEC);
    CHECK_HAS(&head, "HTTP/1.1 408 Request Timeout");
    CHECK_HAS(&trickle, "HTTP/1.1 408 Request Timeout");
    CHECK(head.closed && trickle.closed && !body.closed);
    rig_run(&site.rig, 5 * LEAT_SEC);
    CHECK_HAS(&body, "HTTP/1.1 408 Request Timeout");
    CHECK(body.closed && !idle.closed);
    rig_run(&site.rig, 25 * LEAT_SEC);
    CHECK(idle.closed);
    CHECK_EQ(idle.len, 0);
    CHECK_EQ(site_stats(&site).refused, 3);
    CHECK_EQ(site_stats(&site).idle_closed, 1);
    CHECK_EQ(site_stats(&site).connections, 0);
    site_close(&site);
    client_free(&idle);
    client_free(&head);
    client_free(&body);
    client_free(&trickle);
}

TEST(httpd, sizes_end_connections)
{
    struct site site;
    struct client client;
    static char text[20000];
    open_site(&site);
    for (int i = 0; i < 4; i++) {
        memset(text, 0, sizeof(text));
        if (i == 0) {
            strcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
            memset(text + strlen(text), 'x', 17000);
        } else if (i == 1) {
            strcpy(text, "GET / HTTP/1.1\r\nHost: a\r\n");
            for (int field = 0; field < 110; field++) {
                strcat(text, "X: y\r\n");
            }
        } else if (i == 2) {
            strcpy(text, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n");
        } else {
            strcpy(text,
                   "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n");
        }
        client_open(&site, &client);
        client_say(&site, &client, text);
        CHECK_HAS(&client, i < 2 ? "HTTP/1.1 431" : "HTTP/1.1 413");
        CHECK_HAS(&client, "Connection: close");
        CHECK(client.closed);
        client_do(&site, &client, LEAT_OUTPUT_CLOSE);
        CHECK_EQ(leat_stop(site.rig.controller, client.puppet.ref), 0);
        rig_run(&site.rig, 0);
        client_free(&client);
    }
    site_close(&site);
}

TEST(httpd, a_full_server_lets_others_wait)
{
    struct site site;
    struct client clients[4];
    const struct leat_config config = rig_config();
    struct leat_httpd_config http = site_config(routes, ROUTES);
    http.connections_max = 2;
    rig_open(&site.rig, &config);
    site_open(&site, &http);
    for (int i = 0; i < 4; i++) {
        client_open(&site, &clients[i]);
    }
    CHECK_EQ(site_stats(&site).connections, 2);
    client_say(&site, &clients[2], GET("/"));
    CHECK_EQ(clients[2].len, 0);
    client_say(&site, &clients[0], GET("/"));
    CHECK_HAS(&clients[0], "Connection: close"); /* to make room */
    CHECK(clients[0].closed);
    rig_run(&site.rig, LEAT_SEC);
    CHECK_HAS(&clients[2], "hello");
    CHECK_EQ(site_stats(&site).full > 0, 1);
    client_reset(&site, &clients[1]);
    client_reset(&site, &clients[2]);
    client_say(&site, &clients[3], GET("/"));
    CHECK_HAS(&clients[3], "hello");
    site_close(&site);
    for (int i = 0; i < 4; i++) {
        client_free(&clients[i]);
    }
}

TEST(httpd, a_half_close_is_answered)
{
    struct site site;
    struct client client;
    open_site(&site);
    client_open(&site, &client);
    leat_slice body = body_of(strlen(GET("/") GET("/two")), 0);
    memcpy(leat_slice_data(body), GET("/") GET("/two"), body.len);
    leat_output_write(puppet_put(&client.puppet), client.sock, body);
    leat_output_finish(puppet_put(&client.puppet), client.sock);
    rig_poke(&site.rig, &client.puppet);
    rig_run(&site.rig, LEAT_SEC);
    CHECK_HAS(&client, "\r\n\r\nhello");
    CHECK_HAS(&client, "\r\n\r\ntwo");
    CHECK(client.closed);
    CHECK_EQ(client.closed_status, 0);
    CHECK_EQ(site_stats(&site).connections, 0);
    site_close(&site);
    client_free(&client);
}

TEST(httpd, a_unix_socket)
{
    struct site site;
    struct client client = {.puppet = {.on_event = client_event, .context = &client}};
    const struct leat_config config = rig_config();
    struct leat_httpd_config http = site_config(routes, ROUTES);
    http.path = "@leat-httpd-test";
    rig_open(&site.rig, &config);
    site_open(&site, &http);
    client.text = calloc(1, 1);
    rig_spawn(&site.rig, &client.puppet);
    rig_run(&site.rig, 0);
    struct leat_output *out = puppet_put(&client.puppet);
    leat_output_connect(out, NULL, LEAT_SEC, 0);
    out->path = http.path;
    rig_poke(&site.rig, &client.puppet);
    rig_run(&site.rig, 20 * LEAT_MS);
    client_say(&site, &client, GET("/"));
    CHECK_HAS(&client, "hello");
    site_close(&site);
    client_free(&client);
}

TEST(httpd, settings_are_looked_at)
{
    leat_httpd *httpd;
    struct leat_httpd_config config = site_config(routes, ROUTES);
    config.connections_max = 0;
    CHECK_EQ(leat_httpd_open(&config, &httpd), -EINVAL);
    config = site_config(routes, ROUTES);
    config.http.head_len_max = 1;
    CHECK_EQ(leat_httpd_open(&config, &httpd), -EINVAL);
    const struct leat_httpd_route bad = {.method = LEAT_HTTP_GET, .pattern = "/"};
    config = site_config(&bad, 1);
    CHECK_EQ(leat_httpd_open(&config, &httpd), -EINVAL);
    config = site_config(routes, ROUTES);
    config.path = "/tmp/x";
    config.workers = 2;
    CHECK_EQ(leat_httpd_open(&config, &httpd), -EINVAL);
}

TEST(httpd, workers_share_a_port_with_nobody_else)
{
    struct site site;
    leat_httpd *second;
    struct leat_httpd_config config = site_config(NULL, 0);
    struct leat_config runtime = rig_config();
    runtime.workers = 2;
    config.workers = 2;
    rig_open(&site.rig, &runtime);
    site_open(&site, &config);
    config.local = site.local;
    REQUIRE(leat_httpd_open(&config, &second) == 0);
    REQUIRE(leat_httpd_start(second, site.rig.controller) == 0);
    rig_run(&site.rig, LEAT_MS);
    const struct leat_event event = rig_last(&site.rig);
    CHECK(event.kind == LEAT_EVENT_DOWN && event.status == -EADDRINUSE);
    site_close(&site);
    leat_httpd_close(second);
}
