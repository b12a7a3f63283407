/* Requests answered by actors, in simulation: when they like, in pieces, late, never, or dying over it; and the
 * server's end. */
#include "unit/httpd_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, len) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " len "\r\n\r\n"

static void hello(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)context;
    (void)request;
    (void)leat_httpd_call_text(call, 200, "text/plain", leat_http_str_of("hello"));
}

struct asked {
    struct site site;
    struct answerer answerer;
    struct client client;
};

static void asked_open_as(struct asked *asked, const struct leat_behavior *behavior,
                          leat_time answer_ns)
{
    const struct leat_config config = rig_config();
    memset(asked, 0, sizeof(*asked));
    rig_open(&asked->site.rig, &config);
    asked->answerer.puppet.on_event = answerer_event;
    asked->answerer.puppet.context = &asked->answerer;
    const leat_ref actor = rig_spawn_as(&asked->site.rig, &asked->answerer.puppet, behavior, 0);
    rig_run(&asked->site.rig, 0);
    const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_GET, .pattern = "/", .handler = hello},
        {.method = LEAT_HTTP_POST, .pattern = "/stream", .actor = actor, .streams = true},
        {.method = LEAT_HTTP_POST, .pattern = "/:name", .actor = actor},
        {.method = LEAT_HTTP_GET, .pattern = "/:name", .actor = actor},
    };
    struct leat_httpd_config http = site_config(routes, 4);
    http.answer_ns = answer_ns;
    site_open(&asked->site, &http);
    client_open(&asked->site, &asked->client);
}

static void asked_open(struct asked *asked)
{
    asked_open_as(asked, &puppet_behavior, 60 * LEAT_SEC);
}

static void asked_close(struct asked *asked)
{
    site_close(&asked->site);
    client_free(&asked->client);
    puppet_free(&asked->answerer.puppet);
}

static struct leat_output *put(struct asked *asked)
{
    return puppet_put(&asked->answerer.puppet);
}

static void go(struct asked *asked)
{
    rig_poke(&asked->site.rig, &asked->answerer.puppet);
    rig_run(&asked->site.rig, 50 * LEAT_MS);
}

static void reply(struct asked *asked, struct leat_httpd_exchange exchange, unsigned status,
                  size_t len)
{
    const struct leat_http_header header = {leat_http_str_of("Location"), leat_http_str_of("/x/1")};
    const struct leat_http_response response = {
        .status = (uint16_t)status, .headers = &header, .header_count = 1};
    CHECK_EQ(leat_httpd_reply(put(asked), exchange, &response,
                              len > 0 ? body_of(len, 'x') : (leat_slice){0}),
             0);
    go(asked);
}

TEST(httpd_actor, answers_later)
{
    struct asked asked;
    asked_open(&asked);
    client_say(&asked.site, &asked.client, POST("/offer?a=1", "3") "abc" GET("/second") GET("/"));
    rig_run(&asked.site.rig, LEAT_SEC);
    CHECK_EQ(asked.answerer.requests, 1); /* one at a time, and the others keep their places */
    CHECK_STR(asked.answerer.target, "/offer?a=1");
    CHECK_STR(asked.answerer.body, "abc");
    CHECK_EQ(asked.client.len, 0);
    reply(&asked, asked.answerer.exchange, 201, 5);
    CHECK_HAS(&asked.client, "HTTP/1.1 201 Created\r\n");
    CHECK_HAS(&asked.client, "Location: /x/1\r\nContent-Length: 5\r\n\r\nxxxxx");
    CHECK_EQ(asked.answerer.requests, 2);
    CHECK_STR(asked.answerer.target, "/second");
    reply(&asked, asked.answerer.exchange, 204, 0);
    CHECK_HAS(&asked.client, "HTTP/1.1 204 No Content\r\n");
    CHECK_HAS(&asked.client, "hello");
    /* Twice, and for a request that is over: nothing happens. */
    const size_t len = asked.client.len;
    reply(&asked, asked.answerer.exchange, 200, 5);
    leat_httpd_data(put(&asked), asked.answerer.exchange, body_of(10, 'y'));
    leat_httpd_end(put(&asked), asked.answerer.exchange);
    go(&asked);
    CHECK_EQ(asked.client.len, len);
    CHECK_EQ(asked.answerer.gone, 0);
    asked_close(&asked);
}

TEST(httpd_actor, long_bodies_and_bad_headers)
{
    struct asked asked;
    asked_open(&asked);
    client_say(&asked.site, &asked.client, GET("/one"));
    reply(&asked, asked.answerer.exchange, 200, 100000);
    rig_run(&asked.site.rig, LEAT_SEC);
    CHECK_HAS(&asked.client, "Content-Length: 100000\r\n");
    CHECK(asked.client.len > 100000);
    client_forget(&asked.client);
    client_say(&asked.site, &asked.client, GET("/two"));
    const struct leat_http_header header = {leat_http_str_of("Bad name"), leat_http_str_of("x")};
    const struct leat_http_response response = {
        .status = 200, .headers = &header, .header_count = 1};
    CHECK_EQ(leat_httpd_reply(put(&asked), asked.answerer.exchange, &response, body_of(5, 'x')), 0);
    go(&asked);
    CHECK_HAS(&asked.client, "HTTP/1.1 500 Internal Server Error");
    client_forget(&asked.client);
    client_say(&asked.site, &asked.client,
               GET("/three")); /* less than it says: the connection ends in it */
    const struct leat_http_response longer = {.status = 200, .body_len = 10};
    CHECK_EQ(leat_httpd_respond(put(&asked), asked.answerer.exchange, &longer), 0);
    leat_httpd_data(put(&asked), asked.answerer.exchange, body_of(5, 'x'));
    leat_httpd_end(put(&asked), asked.answerer.exchange);
    go(&asked);
    CHECK(asked.client.closed);
    asked_close(&asked);
}

TEST(httpd_actor, pieces_wait_for_a_slow_reader)
{
    struct asked asked;
    asked_open(&asked);
    client_say(&asked.site, &asked.client, GET("/pieces"));
    const struct leat_http_response response = {.status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN};
    CHECK_EQ(leat_httpd_respond(put(&asked), asked.answerer.exchange, &response), 0);
    go(&asked);
    client_do(&asked.site, &asked.client, LEAT_OUTPUT_PAUSE);
    uint64_t sent = 0;
    const uint64_t total = 4000000;
    bool is_resumed = false;
    for (int round = 0; round < 2000 && sent < total; round++) {
        while (sent < total && sent - asked.answerer.drained < LEAT_HTTPD_WINDOW) {
            leat_httpd_data(put(&asked), asked.answerer.exchange,
                            body_of(round % 3 ? 10000 : 500, 'x'));
            sent += round % 3 ? 10000 : 500;
            rig_poke(&asked.site.rig, &asked.answerer.puppet);
        }
        rig_run(&asked.site.rig, 20 * LEAT_MS);
        if (round == 100) {
            CHECK(sent < 1500000); /* it waits: what is on the way is bounded */
            CHECK(sent - asked.answerer.drained >= LEAT_HTTPD_WINDOW);
            is_resumed = true;
            client_do(&asked.site, &asked.client, LEAT_OUTPUT_RESUME);
        }
    }
    CHECK(is_resumed && sent >= total);
    leat_httpd_end(put(&asked), asked.answerer.exchange);
    go(&asked);
    rig_run(&asked.site.rig, LEAT_SEC);
    CHECK(strstr(asked.client.text + asked.client.len - 9, "\r\n0\r\n\r\n") != NULL);
    CHECK(asked.client.len > sent);
    client_say(&asked.site, &asked.client, GET("/"));
    CHECK(strstr(asked.client.text + asked.client.len - 5, "hello") != NULL);
    asked_close(&asked);
}

TEST(httpd_actor, who_ignores_the_window_loses_the_connection)
{
    struct asked asked;
    asked_open(&asked);
    client_do(&asked.site, &asked.client, LEAT_OUTPUT_PAUSE);
    client_say(&asked.site, &asked.client, GET("/pieces"));
    const struct leat_http_response response = {.status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN};
    CHECK_EQ(leat_httpd_respond(put(&asked), asked.answerer.exchange, &response), 0);
    for (int i = 0; i < 200; i++) {
        leat_httpd_data(put(&asked), asked.answerer.exchange, body_of(10000, 'x'));
        go(&asked);
    }
    CHECK_EQ(asked.answerer.gone, 1);
    CHECK_EQ(site_stats(&asked.site).connections, 0);
    asked_close(&asked);
}

TEST(httpd_actor, a_request_body_streams)
{
    struct asked asked;
    asked_open(&asked);
    char text[10000];
    client_say(&asked.site, &asked.client,
               "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    CHECK_EQ(asked.answerer.requests, 1);
    CHECK(asked.answerer.streams);
    asked.answerer.takes = true;
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 6; i++) {
        char line[16];
        snprintf(line, sizeof(line), "%x\r\n", 10000);
        client_write(&asked.site, &asked.client, line, strlen(line));
        client_write(&asked.site, &asked.client, text, 10000);
        client_write(&asked.site, &asked.client, "\r\n", 2);
        rig_run(&asked.site.rig, 50 * LEAT_MS);
    }
    CHECK_EQ(asked.answerer.body_len, 60000);
    client_say(&asked.site, &asked.client, "0\r\n\r\n");
    CHECK_EQ(asked.answerer.ended, 1);
    reply(&asked, asked.answerer.exchange, 200, 0);
    CHECK_HAS(&asked.client, "HTTP/1.1 200 OK");
    asked_close(&asked);
}

/* A client that sends byte by byte does not fill the actor's mailbox with them. */
TEST(httpd_actor, a_streamed_body_in_tiny_pieces)
{
    struct asked asked;
    char text[6 * 1000 + 1] = "";
    asked_open(&asked);
    for (int i = 0; i < 1000; i++) {
        memcpy(text + 6 * i, "1\r\nx\r\n", 6);
    }
    client_say(&asked.site, &asked.client,
               "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 9; i++) { /* of which one, then twice 4 KiB are told */
        client_say(&asked.site, &asked.client, text);
    }
    CHECK_EQ(asked.answerer.body_len, 1 + 2 * LEAT_HTTPD_PART);
    CHECK_EQ(asked.answerer.parts, 3);
    leat_httpd_taken(put(&asked), asked.answerer.exchange, 1 + LEAT_HTTPD_PART);
    go(&asked);
    CHECK_EQ(asked.answerer.parts, 3);
    leat_httpd_taken(put(&asked), asked.answerer.exchange, LEAT_HTTPD_PART);
    go(&asked);
    CHECK_EQ(asked.answerer.body_len, 9000); /* nothing is kept from who waits for it */
    client_say(&asked.site, &asked.client, text);
    CHECK_EQ(asked.answerer.body_len, 9000);
    client_say(&asked.site, &asked.client, "0\r\n\r\n");
    CHECK_EQ(asked.answerer.body_len, 10000);
    CHECK_EQ(asked.answerer.parts, 5);
    CHECK_EQ(asked.answerer.ended, 1);
    reply(&asked, asked.answerer.exchange, 200, 0);
    CHECK_HAS(&asked.client, "HTTP/1.1 200 OK");
    /* What was put together for one who has answered meanwhile is dropped. */
    client_say(&asked.site, &asked.client, POST("/stream", "9") "abc");
    client_say(&asked.site, &asked.client, "def");
    CHECK_EQ(asked.answerer.parts, 6);
    reply(&asked, asked.answerer.exchange, 200, 0);
    client_say(&asked.site, &asked.client, "ghi" POST("/stream", "2") "jk");
    CHECK_EQ(asked.answerer.requests, 3);
    CHECK_EQ(asked.answerer.body_len, 10005);
    asked_close(&asked);
}

/* What the actor has not taken is not read: its sender waits, for as long as it lasts. */
TEST(httpd_actor, a_streamed_body_waits_for_its_actor)
{
    struct asked asked;
    const struct leat_config config = rig_config();
    memset(&asked, 0, sizeof(asked));
    rig_open(&asked.site.rig, &config);
    answerer_open(&asked.site.rig, &asked.answerer);
    const struct leat_httpd_route route = {.method = LEAT_HTTP_POST,
                                           .pattern = "/stream",
                                           .actor = asked.answerer.puppet.ref,
                                           .streams = true};
    struct leat_httpd_config http = site_config(&route, 1);
    http.http.body_len_max = 10000000;
    site_open(&asked.site, &http);
    client_open(&asked.site, &asked.client);
    client_say(&asked.site, &asked.client, POST("/stream", "1000000"));
    char *text = calloc(1, 200000);
    client_write(&asked.site, &asked.client, text, 200000);
    client_write(&asked.site, &asked.client, text, 100000);
    rig_run(&asked.site.rig,
            40 * LEAT_SEC); /* longer than a body may pause: it is not the client's fault */
    CHECK(asked.answerer.body_len >= LEAT_HTTPD_WINDOW);
    CHECK(asked.answerer.body_len < 2 * LEAT_HTTPD_WINDOW);
    CHECK(!asked.client.closed);
    asked.answerer.takes = true;
    leat_httpd_taken(put(&asked), asked.answerer.exchange, (uint32_t)asked.answerer.body_len);
    go(&asked);
    rig_run(&asked.site.rig, LEAT_SEC);
    CHECK_EQ(asked.answerer.body_len, 300000);
    /* It answers before it has heard all: the rest is dropped, and the connection goes on. */
    reply(&asked, asked.answerer.exchange, 200, 0);
    CHECK_HAS(&asked.client, "HTTP/1.1 200 OK");
    for (int i = 0; i < 4; i++) {
        client_write(&asked.site, &asked.client, text, i < 3 ? 200000 : 100000);
        rig_run(&asked.site.rig, LEAT_SEC);
    }
    client_say(&asked.site, &asked.client, POST("/stream", "1") "a");
    CHECK_EQ(asked.answerer.requests, 2);
    client_reset(&asked.site, &asked.client);
    CHECK_EQ(asked.answerer.gone, 1);
    free(text);
    asked_close(&asked);
}

TEST(httpd_actor, no_answer)
{
    struct asked asked;
    asked_open_as(&asked, &puppet_behavior, 5 * LEAT_SEC);
    client_say(&asked.site, &asked.client, GET("/one"));
    rig_run(&asked.site.rig, 6 * LEAT_SEC);
    CHECK_HAS(&asked.client, "HTTP/1.1 504 Gateway Timeout");
    CHECK_EQ(asked.answerer.gone, 1);
    reply(&asked, asked.answerer.exchange, 200, 5); /* too late */
    client_say(&asked.site, &asked.client, GET("/two"));
    leat_httpd_abort(put(&asked), asked.answerer.exchange);
    go(&asked);
    CHECK_HAS(&asked.client, "HTTP/1.1 500 Internal Server Error");
    CHECK_EQ(times(asked.client.text, "HTTP/1.1 "), 2);
    CHECK_EQ(site_stats(&asked.site).timeouts, 1);
    /* It dies over the third, and is dead for the fourth. */
    client_say(&asked.site, &asked.client, GET("/three"));
    leat_output_stop(put(&asked));
    go(&asked);
    client_say(&asked.site, &asked.client, GET("/four"));
    CHECK_EQ(times(asked.client.text, "HTTP/1.1 502 Bad Gateway"), 2);
    client_say(&asked.site, &asked.client, GET("/"));
    CHECK_HAS(&asked.client, "hello");
    CHECK(!asked.client.closed);
    asked_close(&asked);
}

TEST(httpd_actor, dies_within_its_answer)
{
    struct asked asked;
    asked_open(&asked);
    client_say(&asked.site, &asked.client, GET("/one"));
    const struct leat_http_response response = {.status = 200, .body_len = 100};
    CHECK_EQ(leat_httpd_respond(put(&asked), asked.answerer.exchange, &response), 0);
    leat_httpd_data(put(&asked), asked.answerer.exchange, body_of(5, 'x'));
    go(&asked);
    CHECK_HAS(&asked.client, "xxxxx");
    leat_output_stop(put(&asked));
    go(&asked);
    CHECK(asked.client.closed);
    CHECK(asked.client.closed_status != 0); /* not as if that had been all */
    asked_close(&asked);
}

static const struct leat_behavior narrow = PUPPET_BEHAVIOR("narrow", 1);

/* Of what a connection sends in one moment, to be told of its end and the request, a mailbox of one
 * takes the first; the next time it is the request alone. */
TEST(httpd_actor, a_full_mailbox)
{
    struct asked asked;
    asked_open_as(&asked, &narrow, 60 * LEAT_SEC);
    client_say(&asked.site, &asked.client, GET("/x"));
    CHECK_HAS(&asked.client, "HTTP/1.1 503 Service Unavailable");
    CHECK_EQ(times(asked.client.text, "Retry-After: 1"), 1);
    CHECK_EQ(asked.answerer.requests, 0);
    client_forget(&asked.client);
    client_say(&asked.site, &asked.client, GET("/x"));
    CHECK_EQ(asked.answerer.requests, 1);
    reply(&asked, asked.answerer.exchange, 200, 5);
    CHECK_HAS(&asked.client, "HTTP/1.1 200 OK");
    asked_close(&asked);
}

TEST(httpd_actor, shutdown_finishes_what_is_under_way)
{
    struct asked asked;
    struct client idle, part;
    asked_open(&asked);
    asked.answerer.puppet.stays = true;
    client_open(&asked.site, &idle);
    client_open(&asked.site, &part);
    client_say(&asked.site, &part, "GET / HTT");
    client_say(&asked.site, &asked.client, GET("/one") GET("/two"));
    idle.puppet.stays = part.puppet.stays = asked.client.puppet.stays = true;
    leat_runtime_stop(asked.site.rig.runtime);
    rig_run(&asked.site.rig, 100 * LEAT_MS);
    CHECK(idle.closed && part.closed && !asked.client.closed);
    CHECK_EQ(part.len, 0);
    const struct leat_http_response response = {.status = 200};
    CHECK_EQ(leat_httpd_reply(put(&asked), asked.answerer.exchange, &response, body_of(70000, 'x')),
             0);
    go(&asked);
    rig_run(&asked.site.rig, 200 * LEAT_MS);
    CHECK_HAS(&asked.client, "Connection: close");
    CHECK(asked.client.len > 70000);
    CHECK(asked.client.closed);
    CHECK_EQ(asked.client.closed_status, 0);
    CHECK_EQ(asked.answerer.requests, 1); /* and no other is begun */
    asked_close(&asked);
    client_free(&idle);
    client_free(&part);
}

/* ---- event streams ---- */

static void events(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    leat_http_str last;
    leat_slice first = {0};
    if (leat_http_head_find(&request->http.head, "Last-Event-ID", &last)) {
        first = body_of(last.len, 0);
        memcpy(leat_slice_data(first), last.data, last.len);
    }
    CHECK_EQ(leat_httpd_call_events(call, *(leat_channel *)context, first), 0);
}

static void events_open(struct site *site, leat_channel *channel)
{
    const struct leat_config config = rig_config();
    rig_open(&site->rig, &config);
    REQUIRE(leat_channel_open("httpd_test", channel) == 0);
    const struct leat_httpd_route route = {
        .method = LEAT_HTTP_GET, .pattern = "/events", .handler = events, .context = channel};
    const struct leat_httpd_config http = site_config(&route, 1);
    site_open(site, &http);
}

TEST(httpd_events, reach_every_client)
{
    struct site site;
    struct client clients[4];
    leat_channel channel;
    events_open(&site, &channel);
    for (int i = 0; i < 3; i++) {
        client_open(&site, &clients[i]);
        client_say(&site, &clients[i],
                   i == 0   ? "GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: seven\r\n\r\n"
                   : i == 1 ? GET("/events")
                            : "GET /events HTTP/1.0\r\n\r\n");
    }
    CHECK_EQ(site_stats(&site).event_streams, 3);
    CHECK_EQ(leat_publish(site.rig.controller, channel, 0, "data: 1\n\n", 9), 0);
    CHECK_EQ(leat_publish_body(site.rig.controller, channel, 0, body_of(5000, 'y')), 0);
    rig_run(&site.rig, 50 * LEAT_MS);
    CHECK_HAS(&clients[0], "\r\n\r\n5\r\nseven\r\n9\r\ndata: 1\n\n\r\n1388\r\nyyyy");
    CHECK_HAS(&clients[1], "\r\n\r\n9\r\ndata: 1\n\n\r\n1388\r\nyyyy");
    CHECK_HAS(&clients[2],
              "Connection: close\r\n\r\ndata: 1\n\nyyyy"); /* HTTP/1.0 knows no chunks */
    rig_run(&site.rig, 40 * LEAT_SEC);
    CHECK_HAS(&clients[1], "\r\n:"); /* longer than a connection may be idle: it is not */
    client_reset(&site, &clients[1]);
    client_do(&site, &clients[2], LEAT_OUTPUT_FINISH); /* so a browser leaves */
    CHECK(clients[2].closed);
    CHECK_EQ(site_stats(&site).event_streams, 1);
    CHECK_EQ(leat_publish(site.rig.controller, channel, LEAT_HTTPD_LAST, "data: 2\n\n", 9), 0);
    rig_run(&site.rig, 50 * LEAT_MS);
    CHECK_HAS(&clients[0], "data: 2\n\n\r\n0\r\n\r\n");
    CHECK(clients[0].closed);
    client_open(&site, &clients[3]);
    client_say(&site, &clients[3],
               "HEAD /events HTTP/1.1\r\nHost: a\r\n\r\nHEAD /events HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(times(clients[3].text, "200 OK"), 2);
    CHECK_EQ(site_stats(&site).event_streams, 0);
    site_close(&site);
    for (int i = 0; i < 4; i++) {
        client_free(&clients[i]);
    }
    leat_channel_close(channel);
}

TEST(httpd_events, a_slow_reader_is_cut_off)
{
    struct site site;
    struct client slow, quick;
    leat_channel channel;
    events_open(&site, &channel);
    client_open(&site, &slow);
    client_open(&site, &quick);
    client_say(&site, &slow, GET("/events"));
    client_say(&site, &quick, GET("/events"));
    client_do(&site, &slow, LEAT_OUTPUT_PAUSE);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(leat_publish_body(site.rig.controller, channel, 0, body_of(10000, 'y')), 0);
        rig_run(&site.rig, 20 * LEAT_MS);
    }
    CHECK_EQ(site_stats(&site).event_streams, 1);
    CHECK_EQ(site_stats(&site).slow_readers, 1);
    CHECK(quick.len > 2000000);
    site_close(&site);
    client_free(&slow);
    client_free(&quick);
    leat_channel_close(channel);
}

/* A batch is passed on piece by piece, not as the pointers that it is. */
TEST(httpd_events, a_batch)
{
    struct site site;
    struct client client;
    leat_channel channel;
    leat_slice batch;
    events_open(&site, &channel);
    client_open(&site, &client);
    client_say(&site, &client, GET("/events"));
    const size_t before = client.len;
    CHECK_EQ(leat_batch_alloc(100, &batch), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(leat_batch_add(&batch, body_of(3, 'y')), 0);
    }
    CHECK_EQ(leat_publish_body(site.rig.controller, channel, 0, batch), 0);
    rig_run(&site.rig, LEAT_SEC);
    CHECK_EQ(times(client.text + before, "3\r\nyyy"), 100);
    client_do(&site, &client, LEAT_OUTPUT_FINISH);
    rig_run(&site.rig, 3600 * LEAT_SEC);
    CHECK_EQ(site_stats(&site).connections, 0);
    site_close(&site);
    client_free(&client);
    leat_channel_close(channel);
}

/* One event that is long is no slow reader. */
TEST(httpd_events, a_long_event_reaches_who_reads)
{
    struct site site;
    struct client client;
    leat_channel channel;
    events_open(&site, &channel);
    client_open(&site, &client);
    client_say(&site, &client, GET("/events"));
    CHECK_EQ(leat_publish_body(site.rig.controller, channel, 0, body_of(200000, 'y')), 0);
    rig_run(&site.rig, 5 * LEAT_SEC);
    CHECK_EQ(site_stats(&site).slow_readers, 0);
    CHECK(client.len > 200000);
    site_close(&site);
    client_free(&client);
    leat_channel_close(channel);
}
