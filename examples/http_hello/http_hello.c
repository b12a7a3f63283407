/* An HTTP server: a function that answers, files, and a stream of events that an actor publishes. */
#include "app.h"
#include "tls.h"

#include <leat/http_files.h>
#include <stdio.h>

/* Of /hello/:name. */
static void hello(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    char text[256];
    const leat_http_str name = leat_httpd_param(request, "name");
    (void)context;
    snprintf(text, sizeof(text), "hello, %.*s\n", name.len < 200 ? (int)name.len : 200, name.data);
    leat_httpd_call_text(call, 200, "text/plain", leat_http_str_of(text));
}

/* Of /events: all who ask hear what the ticker publishes. */
static void events(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)request;
    leat_httpd_call_events(call, *(leat_channel *)context, (leat_slice){0});
}

struct ticker {
    leat_httpd *httpd;
    leat_channel channel;
    unsigned long long ticks;
    leat_time next;
    leat_outbox(1) out;
};

static int ticker_init(void *state, const void *arg, leat_time now)
{
    (void)now; /* the first tick is due at once */
    *(struct ticker *)state = *(const struct ticker *)arg;
    return 0;
}

static void ticker_on_event(void *state, const struct leat_event *event)
{
    struct ticker *self = state;
    struct leat_httpd_stats stats;
    leat_slice body;
    self->next = event->now + 200 * LEAT_MS;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    } else if (event->kind == LEAT_EVENT_DEADLINE && leat_buf_alloc(256, &body) == 0) {
        leat_httpd_stats(self->httpd, &stats);
        body.len = (uint32_t)snprintf((char *)leat_slice_data(body), 256,
                                      "data: {\"tick\":%llu,\"watching\":%llu,\"requests\":%llu}\n\n", ++self->ticks,
                                      (unsigned long long)stats.event_streams, (unsigned long long)stats.requests);
        leat_output_publish_body(leat_outbox_put(&self->out), self->channel, 0, body);
    }
}

static bool ticker_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct ticker *)state)->out, ret);
}

static leat_time ticker_deadline(const void *state)
{
    return ((const struct ticker *)state)->next;
}

static const struct leat_behavior ticker = {
    .name = "ticker", .state_size = sizeof(struct ticker), .init = ticker_init,
    .on_event = ticker_on_event, .pop_output = ticker_pop_output, .deadline = ticker_deadline};

int main(int argc, char **argv)
{
    const char *root = PUBLIC_DIR, *cert = NULL, *key = NULL;
    const struct flag own[] = {{"root", "DIR", "the files to serve", FLAG_FILE, &root, 0, 0},
                               TLS_FLAGS(cert, key), {0}};
    struct flags flags = {.program = "http_hello", .about = "Serves a page, greetings and events.", .own = own,
                          .io = "auto", .workers = 1, .bind = "127.0.0.1", .port = 8080, .prints_nothing = true};
    flags_parse(&flags, argc, argv);
    const struct leat_config config = app_config(&flags);
    struct leat_httpd_config http = leat_httpd_config_default();
    http.tls = tls_server(&flags, "", cert, key, "http/1.1");
    struct ticker first = {0};
    leat_http_files *files = NULL;
    struct app app;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    int status = leat_http_files_open(app.runtime, &(struct leat_http_files_config){.root = root}, &files);
    const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_GET, .pattern = "/hello/:name", .handler = hello},
        {.method = LEAT_HTTP_GET, .pattern = "/events", .handler = events, .context = &first.channel},
        {.method = LEAT_HTTP_GET, .pattern = "/*file",
         .actor = status == 0 ? leat_http_files_ref(files) : LEAT_REF_NONE},
    };
    http.local = flags_local(&flags), http.workers = config.workers, http.routes = routes, http.route_count = 3;
    status = status != 0 ? status : leat_channel_open("ticks", &first.channel);
    status = status != 0 ? status : leat_httpd_open(&http, &first.httpd);
    status = status != 0 ? status : leat_httpd_start(first.httpd, app.controller);
    status = status != 0 ? status : leat_spawn(app.controller, &ticker, &first, sizeof(first), 0, NULL);
    status = status != 0 ? status : app_start(&app);
    struct leat_event event;
    char text[LEAT_ADDR_STRLEN];
    while (status == 0 && app_receive(&app, &event) == 0) {
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_HTTPD_LISTENING) {
            printf("http%s://%s\n", http.tls ? "s" : "", leat_addr_format((const void *)event.payload, text));
            fflush(stdout);
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            status = event.status;
            leat_runtime_stop(app.runtime);
        }
    }
    if (status != 0) {
        app_complain(&app, files == NULL ? "open --root" : "serve", status);
    }
    leat_http_files_close(files);
    status = app_close(&app) != 0 || status != 0;
    leat_httpd_close(first.httpd);
    return status;
}
