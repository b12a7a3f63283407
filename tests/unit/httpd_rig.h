/* What the tests of the HTTP server share: a server in simulation, clients that keep what they are sent as
 * text, and an actor that answers as the test says. */
#ifndef LEAT_TESTS_HTTPD_RIG_H
#define LEAT_TESTS_HTTPD_RIG_H

#include <leat/httpd.h>

#include "helpers.h"

struct site {
    struct rig rig;
    leat_httpd *httpd;
    struct leat_addr local;
};

static inline struct leat_httpd_config site_config(const struct leat_httpd_route *routes,
                                                   size_t count)
{
    struct leat_httpd_config config = leat_httpd_config_default();
    config.routes = routes;
    config.route_count = count;
    config.unix_ns = UINT64_C(784111777) * LEAT_SEC; /* Sun, 06 Nov 1994 08:49:37 GMT */
    REQUIRE(leat_addr_parse("127.0.0.1:0", &config.local) == 0);
    return config;
}

/* The rig is open: routes may name its actors. */
static inline void site_open(struct site *site, const struct leat_httpd_config *config)
{
    REQUIRE(leat_httpd_open(config, &site->httpd) == 0);
    REQUIRE(leat_httpd_start(site->httpd, site->rig.controller) == 0);
    rig_run(&site->rig, LEAT_MS);
    const struct leat_event event = rig_last(&site->rig);
    REQUIRE(event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_HTTPD_LISTENING);
    memcpy(&site->local, event.payload, sizeof(site->local));
}

static inline void site_close(struct site *site)
{
    rig_close(&site->rig);
    struct leat_httpd_stats stats;
    leat_httpd_stats(site->httpd, &stats);
    CHECK_EQ(stats.event_streams, 0);
    leat_httpd_close(site->httpd);
}

static inline struct leat_httpd_stats site_stats(const struct site *site)
{
    struct leat_httpd_stats stats;
    leat_httpd_stats(site->httpd, &stats);
    return stats;
}

/* ---- a client ---- */

struct client {
    struct puppet puppet;
    leat_sock sock;
    char *text; /* all it was sent, 0-terminated */
    size_t len;
    bool finished, closed;
    int closed_status;
};

static inline void client_event(struct puppet *puppet, const struct leat_event *event)
{
    struct client *client = puppet->context;
    switch (event->kind) {
    case LEAT_EVENT_OPENED:
        CHECK_EQ(event->status, 0);
        client->sock = event->sock;
        break;
    case LEAT_EVENT_DATA:
        client->text = realloc(client->text, client->len + event->body.len + 1);
        memcpy(client->text + client->len, leat_slice_data(event->body), event->body.len);
        client->len += event->body.len;
        client->text[client->len] = '\0';
        break;
    case LEAT_EVENT_FINISHED:
        client->finished = true;
        leat_output_finish(puppet_put(puppet), client->sock);
        break;
    case LEAT_EVENT_SOCK_CLOSED:
        client->closed = true;
        client->closed_status = event->status;
        break;
    default:
        break;
    }
}

static inline void client_open(struct site *site, struct client *client)
{
    memset(client, 0, sizeof(*client));
    client->puppet.on_event = client_event;
    client->puppet.context = client;
    client->text = calloc(1, 1);
    rig_spawn(&site->rig, &client->puppet);
    rig_run(&site->rig, 0);
    leat_output_connect(puppet_put(&client->puppet), &site->local, 10 * LEAT_SEC, 0);
    rig_poke(&site->rig, &client->puppet);
    rig_run(&site->rig, 20 * LEAT_MS);
    for (int i = 0; i < 20 && client->sock.id == 0; i++) { /* its SYN was lost */
        rig_run(&site->rig, 500 * LEAT_MS);
    }
    CHECK(client->sock.id != 0);
}

static inline void client_write(struct site *site, struct client *client, const char *bytes,
                                size_t len)
{
    leat_slice body;
    REQUIRE(leat_buf_alloc((uint32_t)len, &body) == 0);
    memcpy(leat_slice_data(body), bytes, len);
    leat_output_write(puppet_put(&client->puppet), client->sock, body);
    rig_poke(&site->rig, &client->puppet);
}

/* Sends, and waits a moment for what comes of it. */
static inline void client_say(struct site *site, struct client *client, const char *text)
{
    client_write(site, client, text, strlen(text));
    rig_run(&site->rig, 50 * LEAT_MS);
}

static inline void client_do(struct site *site, struct client *client, enum leat_output_kind kind)
{
    struct leat_output *out = puppet_put(&client->puppet);
    leat_output_close(out, client->sock);
    out->kind = (uint8_t)kind;
    rig_poke(&site->rig, &client->puppet);
    rig_run(&site->rig, 20 * LEAT_MS);
}

static inline void client_reset(struct site *site, struct client *client)
{
    struct leat_output *out = puppet_put(&client->puppet);
    leat_output_close(out, client->sock);
    out->options = LEAT_STREAM_RESET;
    rig_poke(&site->rig, &client->puppet);
    rig_run(&site->rig, 20 * LEAT_MS);
}

static inline void client_forget(struct client *client)
{
    client->len = 0;
    client->text[0] = '\0';
}

static inline void client_free(struct client *client)
{
    puppet_free(&client->puppet);
    free(client->text);
    memset(client, 0, sizeof(*client));
}

static inline size_t times(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        n++;
    }
    return n;
}

#define CHECK_HAS(client, part)                                                                    \
    CHECK_THAT_(strstr((client)->text, part) != NULL, "\"%s\" is in: %s", part, (client)->text)

/* ---- an actor that answers ---- */

struct answerer {
    struct puppet puppet;
    struct leat_httpd_exchange exchange; /* the last one asked */
    char target[64], body[64];
    unsigned requests, gone, parts, ended;
    uint64_t drained, body_len;
    bool streams, takes;
};

static inline void answerer_event(struct puppet *puppet, const struct leat_event *event)
{
    struct answerer *self = puppet->context;
    if (event->kind != LEAT_EVENT_MESSAGE) {
        return;
    }
    if (event->type == LEAT_HTTPD_REQUEST) {
        const struct leat_httpd_request *request = leat_httpd_request_of(event);
        self->requests++;
        self->exchange = request->exchange;
        self->streams = request->streams;
        snprintf(self->target, sizeof(self->target), "%.*s", (int)request->http.target.len,
                 request->http.target.data);
        snprintf(self->body, sizeof(self->body), "%.*s", (int)request->body.len,
                 request->body.buf != NULL ? (const char *)leat_slice_data(request->body) : "");
    } else if (event->type == LEAT_HTTPD_BODY) {
        self->body_len += event->body.len;
        self->parts++;
        if (self->takes) {
            leat_httpd_taken(puppet_put(puppet), self->exchange, event->body.len);
        }
    } else if (event->type == LEAT_HTTPD_BODY_END) {
        self->ended++;
    } else if (event->type == LEAT_HTTPD_DRAINED) {
        struct leat_httpd_exchange exchange;
        self->drained += leat_httpd_drained_of(event, &exchange);
        CHECK(exchange.number <= self->exchange.number || self->requests > 1);
    } else if (event->type == LEAT_HTTPD_GONE) {
        self->gone++;
    }
}

static inline void answerer_open(struct rig *rig, struct answerer *self)
{
    self->puppet.on_event = answerer_event;
    self->puppet.context = self;
    rig_spawn(rig, &self->puppet);
    rig_run(rig, 0);
}

static inline leat_slice body_of(size_t len, char byte)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc((uint32_t)len, &body), 0);
    memset(leat_slice_data(body), byte, len);
    return body;
}

#endif
