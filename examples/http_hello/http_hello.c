/* An HTTP server. */
#include "app.h"

#include <leat/httpd.h>

#include <stdio.h>

static void hello(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)context;
    (void)request;
    (void)leat_httpd_call_text(call, 200, "text/plain", leat_http_str_of("hello\n"));
}

static const struct leat_httpd_route routes[] = {
    {.method = LEAT_HTTP_GET, .pattern = "/hello", .handler = hello},
};

int main(int argc, char **argv)
{
    struct flags flags = {.program = "http_hello", .about = "Serves pages.",
                          .io = "auto", .workers = 1, .bind = "127.0.0.1", .port = 8080};
    flags_parse(&flags, argc, argv);
    struct leat_config config = app_config(&flags);
    struct app app;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    struct leat_httpd_config own = leat_httpd_config_default();
    own.local = flags_local(&flags);
    own.workers = config.workers;
    own.routes = routes;
    own.route_count = sizeof(routes) / sizeof(routes[0]);
    leat_httpd *httpd = NULL;
    int status = leat_httpd_open(&own, &httpd);
    status = status != 0 ? status : leat_httpd_start(httpd, app.controller);
    status = status != 0 ? status : app_start(&app);
    struct leat_event event;
    while (status == 0 && app_receive(&app, &event) == 0) {
        char text[LEAT_ADDR_STRLEN];
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_HTTPD_LISTENING) {
            struct leat_addr local;
            memcpy(&local, event.payload, sizeof(local));
            printf("http://%s\n", leat_addr_format(&local, text));
            fflush(stdout);
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            app_complain(&app, "listen", event.status);
            status = event.status;
            leat_runtime_stop(app.runtime);
        }
    }
    const int closed = app_close(&app);
    leat_httpd_close(httpd);
    return closed != 0 || status != 0;
}
