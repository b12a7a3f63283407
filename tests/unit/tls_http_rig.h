/* What the tests of HTTP over TLS share: a server and an agent in simulation, with certificates, and clients that say
 * over TLS what the test says. */
#ifndef LEAT_TESTS_TLS_HTTP_RIG_H
#define LEAT_TESTS_TLS_HTTP_RIG_H

#include <leat/http_agent.h>

#include "tls_certs.h"
#include "unit/httpd_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define LARGE 300000u

static unsigned served, served_secure;

static inline void echo(void *context, leat_httpd_call *call,
                        const struct leat_httpd_request *request)
{
    const struct leat_http_response response = {.status = 201};
    (void)context;
    served++;
    served_secure += request->secure;
    (void)leat_httpd_call_reply(call, &response, leat_slice_ref(request->body));
}

static inline void large(void *context, leat_httpd_call *call,
                         const struct leat_httpd_request *request)
{
    const struct leat_http_response response = {.status = 200};
    (void)context;
    (void)request;
    served++;
    (void)leat_httpd_call_reply(call, &response, body_of(LARGE, 'x'));
}

static inline void name(void *context, leat_httpd_call *call,
                        const struct leat_httpd_request *request)
{
    (void)context;
    served++;
    (void)leat_httpd_call_text(call, 200, "text/plain", leat_httpd_param(request, "name"));
}

static inline void news(void *context, leat_httpd_call *call,
                        const struct leat_httpd_request *request)
{
    (void)request;
    (void)leat_httpd_call_events(call, *(leat_channel *)context, (leat_slice){0});
}

static leat_channel news_channel;

/* ---- who asks ---- */

struct asker {
    struct puppet puppet;
    unsigned answers;
    int error;
    unsigned status;
    size_t body_len;
    char body[32];
};

static inline void asker_event(struct puppet *puppet, const struct leat_event *event)
{
    struct asker *asker = puppet->context;
    if (event->kind != LEAT_EVENT_MESSAGE || event->type != LEAT_HTTP_AGENT_ANSWER) {
        return;
    }
    const struct leat_http_answer *answer = leat_http_agent_answer_of(event);
    asker->answers++;
    asker->error = answer->error;
    asker->status = answer->status;
    asker->body_len = answer->body.len;
    snprintf(asker->body, sizeof(asker->body), "%.*s",
             answer->body.len < 30 ? (int)answer->body.len : 30,
             answer->body.buf != NULL ? (const char *)leat_slice_data(answer->body) : "");
}

struct world {
    struct site site;
    struct asker asker;
    struct answerer answerer;
    leat_ref agent;
    struct cert root, cert;
    leat_tls_context *server, *client;
    struct leat_httpd_config http;
    struct leat_http_agent_config config;
};

static inline leat_tls_context *server_context(const struct cert *cert, const char *protocol)
{
    const struct leat_tls_certificate certificate = cert_of(cert);
    struct leat_tls_config config;
    leat_tls_context *context = NULL;
    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    config.certificates = &certificate;
    config.certificate_count = 1;
    config.protocols = &protocol;
    config.protocol_count = 1;
    CHECK_EQ(leat_tls_context_open(&config, NULL, &context), 0);
    return context;
}

static inline leat_tls_context *client_context(const struct cert *root)
{
    static const char *const protocols[] = {"http/1.1"};
    struct leat_tls_config config;
    leat_tls_context *context = NULL;
    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    config.trust = certs_bytes(root->pem);
    config.protocols = protocols;
    config.protocol_count = 1;
    CHECK_EQ(leat_tls_context_open(&config, NULL, &context), 0);
    return context;
}

/* Before world_open settings may be changed. */
static inline void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    served = served_secure = 0;
    world->root = cert_issue(NULL, NULL);
    world->cert = cert_issue("DNS:a,DNS:b.example,IP:127.0.0.1", &world->root);
    world->server = server_context(&world->cert, "http/1.1");
    world->client = client_context(&world->root);
    world->config = leat_http_agent_config_default();
    world->config.tls = world->client;
    world->config.unix_ns = (uint64_t)CERTS_NOW * LEAT_SEC;
    world->http = site_config(NULL, 0);
    world->http.tls = world->server;
}

static inline void world_open(struct world *world, const struct leat_config *config)
{
    struct rig *rig = &world->site.rig;
    rig_open(rig, config);
    CHECK_EQ(leat_channel_open("news", &news_channel), 0);
    answerer_open(rig, &world->answerer);
    const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_POST, .pattern = "/echo", .handler = echo},
        {.method = LEAT_HTTP_GET, .pattern = "/large", .handler = large},
        {.method = LEAT_HTTP_GET, .pattern = "/news", .handler = news, .context = &news_channel},
        {.method = LEAT_HTTP_GET, .pattern = "/actor", .actor = world->answerer.puppet.ref},
        {.method = LEAT_HTTP_POST,
         .pattern = "/stream",
         .actor = world->answerer.puppet.ref,
         .streams = true},
        {.method = LEAT_HTTP_GET, .pattern = "/:name", .handler = name},
    };
    world->http.routes = routes;
    world->http.route_count = sizeof(routes) / sizeof(routes[0]);
    site_open(&world->site, &world->http);
    world->asker.puppet.on_event = asker_event;
    world->asker.puppet.context = &world->asker;
    rig_spawn(rig, &world->asker.puppet);
    CHECK_EQ(leat_spawn(rig->controller, &leat_http_agent, &world->config, sizeof(world->config), 0,
                        &world->agent),
             0);
    rig_run(rig, 0);
}

static inline void world_close(struct world *world)
{
    site_close(&world->site);
    puppet_free(&world->asker.puppet);
    puppet_free(&world->answerer.puppet);
    leat_channel_close(news_channel);
    leat_tls_context_unref(world->server);
    leat_tls_context_unref(world->client);
    cert_free(&world->root);
    cert_free(&world->cert);
}

/* ---- a client that says what the test says ---- */

struct visitor {
    struct client client;
    leat_tls *tls;
    size_t at; /* bytes of client.text that were read */
    char *text;
    size_t len;
    bool opened, closed;
    unsigned errors;
};

static inline void visitor_flush(struct world *world, struct visitor *self)
{
    uint8_t bytes[8192];
    struct leat_tls_out out = {bytes, sizeof(bytes), 0};
    leat_tls_flush(self->tls, &out);
    if (out.len > 0) {
        client_write(&world->site, &self->client, (char *)bytes, out.len);
        rig_run(&world->site.rig, 20 * LEAT_MS);
    }
}

/* Reads what came, until nothing more does. */
static inline void visitor_read(struct world *world, struct visitor *self)
{
    uint8_t said[16384];
    struct leat_tls_event event = {.kind = LEAT_TLS_DATA};
    while (event.kind != LEAT_TLS_NONE || self->at < self->client.len) {
        struct leat_tls_out plain = {said, sizeof(said), 0};
        leat_tls_bytes in =
            leat_tls_bytes_of(self->client.text + self->at, self->client.len - self->at);
        leat_tls_read(self->tls, &in, &plain, &event);
        self->at = self->client.len - in.len;
        if (event.kind == LEAT_TLS_DATA) {
            self->text = realloc(self->text, self->len + plain.len + 1);
            memcpy(self->text + self->len, said, plain.len);
            self->len += plain.len;
            self->text[self->len] = '\0';
        }
        self->opened |= event.kind == LEAT_TLS_OPENED;
        self->closed |= event.kind == LEAT_TLS_CLOSED;
        self->errors += event.kind == LEAT_TLS_ERROR;
        visitor_flush(world, self);
    }
}

static inline void visitor_open(struct world *world, struct visitor *self)
{
    const struct leat_tls_options options = {.host = "a", .unix_time = CERTS_NOW};
    memset(self, 0, sizeof(*self));
    self->text = calloc(1, 1);
    client_open(&world->site, &self->client);
    REQUIRE(leat_tls_open(world->client, &options, 0, &self->tls) == 0);
    visitor_flush(world, self);
    visitor_read(world, self);
    CHECK(self->opened);
}

/* Encrypts, sends in portions of `step` bytes (0: at once), and reads what comes of it. */
static inline void visitor_say(struct world *world, struct visitor *self, const char *text,
                               size_t len, size_t step)
{
    const size_t cap = leat_tls_write_len(self->tls, len);
    struct leat_tls_out out = {malloc(cap), cap, 0};
    CHECK_EQ(leat_tls_write(self->tls, leat_tls_bytes_of(text, len), &out), 0);
    for (size_t at = 0; at < out.len; at += step) {
        step = step == 0 || step > out.len - at ? out.len - at : step;
        client_write(&world->site, &self->client, (char *)out.data + at, step);
        rig_run(&world->site.rig, 2 * LEAT_MS);
    }
    free(out.data);
    rig_run(&world->site.rig, 100 * LEAT_MS);
    visitor_read(world, self);
}

static inline void visitor_free(struct visitor *self)
{
    leat_tls_close(self->tls);
    client_free(&self->client);
    free(self->text);
}

#endif
