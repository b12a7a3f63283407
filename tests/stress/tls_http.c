/* HTTP over TLS with threads: agents on all workers ask a server on all workers over real sockets, of four hosts, short
 * and long, while the main thread exchanges certificates and ticket keys. Every answer must be what was asked for. */
#include <leat/http_agent.h>
#include <leat/httpd.h>

#include "stress.h"
#include "tls_certs.h"

#define LARGE 100000u

static leat_time until;
static struct leat_addr server;
static atomic_ullong answered, long_ones, refreshed;

static void number(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)context;
    EXPECT(request->secure, "over TLS");
    leat_httpd_call_text(call, 200, "text/plain", leat_httpd_param(request, "n"));
}

static void echo(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const struct leat_http_response response = {.status = 200};
    (void)context;
    leat_httpd_call_reply(call, &response, leat_slice_ref(request->body));
}

/* ---- who asks: one at a time, of one host after another ---- */

struct asker {
    leat_ref agent;
    uint32_t n;
    uint32_t expected; /* bytes */
    leat_outbox(2) out;
};

static void asker_ask(struct asker *self)
{
    static const char *const hosts[] = {"a.example", "b.example", "c.example", "127.0.0.1"};
    char target[32];
    leat_slice body = {0};
    const bool is_long = self->n % 8 == 7;
    snprintf(target, sizeof(target), is_long ? "/echo" : "/n/%08u", self->n);
    self->expected = is_long ? LARGE : 8;
    if (is_long) {
        EXPECT(leat_buf_alloc(LARGE, &body) == 0, "no memory");
        memset(leat_slice_data(body), 'x', LARGE);
    }
    const struct leat_http_ask ask = {
        .peer = server,
        .secure = true,
        .query = {.method = leat_http_str_of(is_long ? "POST" : "GET"),
                  .target = leat_http_str_of(target),
                  .host = leat_http_str_of(hosts[self->n++ % 4]),
                  .close = self->n % 5 == 0},
        .body = body,
        .timeout_ns = 30 * LEAT_SEC,
    };
    struct leat_output out;
    if (leat_http_agent_ask(&out, self->agent, &ask) == 0) {
        *leat_outbox_put(&self->out) = out;
    }
}

static int asker_init(void *state, const void *arg, leat_time now)
{
    struct asker *self = state;
    (void)now;
    memcpy(&self->agent, arg, sizeof(self->agent));
    asker_ask(self);
    return 0;
}

static void asker_on_event(void *state, const struct leat_event *event)
{
    struct asker *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == LEAT_HTTP_AGENT_ANSWER) {
        const struct leat_http_answer *answer = leat_http_agent_answer_of(event);
        EXPECT(answer->error == 0 || answer->error == -ESHUTDOWN, "agent: %d", answer->error);
        EXPECT(answer->error != 0 || (answer->status == 200 && answer->body.len == self->expected),
               "status %u, %u bytes", answer->status, answer->body.len);
        atomic_fetch_add(&answered, 1);
        atomic_fetch_add(&long_ones, answer->body.len == LARGE ? 1 : 0);
        if (event->now < until) {
            asker_ask(self);
        }
    }
}

static bool asker_pop(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct asker *)state)->out, ret);
}

static const struct leat_behavior asker_behavior = {.name = "asker",
                                                    .state_size = sizeof(struct asker),
                                                    .init = asker_init,
                                                    .on_event = asker_on_event,
                                                    .pop_output = asker_pop};

/* ---- main ---- */

static leat_tls_context *open_context(enum leat_tls_role role, const struct cert *root,
                                      const struct leat_tls_certificate *certificate)
{
    struct leat_tls_config config;
    leat_tls_context *context = NULL;
    leat_tls_config_default(role, &config);
    config.certificates = certificate;
    config.certificate_count = role == LEAT_TLS_SERVER ? 1 : 0;
    config.trust = role == LEAT_TLS_CLIENT ? certs_bytes(root->pem) : config.trust;
    config.handshake_ns = 30 * LEAT_SEC;
    EXPECT(leat_tls_context_open(&config, NULL, &context) == 0, "context");
    return context;
}

int main(void)
{
    static const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_GET, .pattern = "/n/:n", .handler = number},
        {.method = LEAT_HTTP_POST, .pattern = "/echo", .handler = echo},
    };
    const struct leat_config config = stress_config();
    struct cert root = cert_issue(NULL, NULL), cert[2];
    struct leat_tls_certificate certificate[2];
    leat_runtime *runtime;
    leat_httpd *httpd;
    stress_limit("tls_http");
    for (int i = 0; i < 2; i++) {
        cert[i] = cert_issue("DNS:a.example,DNS:b.example,DNS:c.example,IP:127.0.0.1", &root);
        certificate[i] = cert_of(&cert[i]);
    }
    stress_open(&config, &runtime);
    leat_controller *controller = stress_controller(runtime);
    struct leat_httpd_config http = leat_httpd_config_default();
    http.workers = WORKERS;
    http.routes = routes;
    http.route_count = 2;
    http.http.body_len_max = LARGE;
    http.tls = open_context(LEAT_TLS_SERVER, &root, certificate);
    EXPECT(leat_addr_parse("127.0.0.1:0", &http.local) == 0, "address");
    EXPECT(leat_httpd_open(&http, &httpd) == 0 && leat_httpd_start(httpd, controller) == 0,
           "httpd");
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct leat_event event;
    EXPECT(leat_receive(controller, 20 * LEAT_SEC, &event) == 0 &&
               event.type == LEAT_HTTPD_LISTENING,
           "not listening");
    memcpy(&server, event.payload, sizeof(server));
    until = clock_now() + stress_time();
    struct leat_http_agent_config client = leat_http_agent_config_default();
    client.tls = open_context(LEAT_TLS_CLIENT, &root, NULL);
    client.unix_ns = (uint64_t)CERTS_NOW * LEAT_SEC - leat_controller_now(controller);
    for (int i = 0; i < 8; i++) {
        leat_ref agent;
        EXPECT(leat_spawn(controller, &leat_http_agent, &client, sizeof(client), i % 4, &agent) ==
                   0,
               "agent");
        EXPECT(leat_spawn(controller, &asker_behavior, &agent, sizeof(agent), (i + 1) % 4, NULL) ==
                   0,
               "asker");
    }
    while (clock_now() < until) {
        usleep(2000);
        const size_t n = atomic_fetch_add(&refreshed, 1);
        EXPECT(leat_tls_context_reload(http.tls, &certificate[n % 2], 1, NULL) == 0, "reload");
        EXPECT(n % 16 != 0 || leat_tls_context_rotate(http.tls, NULL) == 0, "rotate");
    }
    stress_end(runtime, controller, "tls_http");
    struct leat_httpd_stats stats;
    leat_httpd_stats(httpd, &stats);
    EXPECT(atomic_load(&answered) > 10 && atomic_load(&long_ones) > 0 && stats.handshakes > 10,
           "%llu answers, %llu long, %llu handshakes", atomic_load(&answered),
           atomic_load(&long_ones), (unsigned long long)stats.handshakes);
    printf("tls_http: %llu answers, %llu of them long, %llu handshakes, %llu reloads\n",
           atomic_load(&answered), atomic_load(&long_ones), (unsigned long long)stats.handshakes,
           atomic_load(&refreshed));
    leat_httpd_close(httpd);
    leat_tls_context_unref(http.tls);
    leat_tls_context_unref(client.tls);
    for (int i = 0; i < 2; i++) {
        cert_free(&cert[i]);
    }
    cert_free(&root);
    return stress_result();
}
