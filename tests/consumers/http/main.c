#include <leat/http_agent.h>
#include <leat/http_files.h>
#include <leat/httpd.h>

#include <stdio.h>

static void hello(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)context;
    (void)request;
    (void)leat_httpd_call_text(call, 200, "text/plain", leat_http_str_of("hello\n"));
}

/* A server that listens, in simulation. */
int main(void)
{
    static const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_GET, .pattern = "/", .handler = hello},
    };
    struct leat_config config = leat_config_default();
    struct leat_httpd_config http = leat_httpd_config_default();
    struct leat_http_agent_config agent = leat_http_agent_config_default();
    leat_runtime *runtime;
    leat_controller *controller;
    leat_httpd *httpd;
    struct leat_event event;

    config.io = "sim";
    http.routes = routes;
    http.route_count = 1;
    if (leat_addr_parse("127.0.0.1:8080", &http.local) != 0 ||
        leat_runtime_open(&config, &runtime) != 0 ||
        leat_controller_open(runtime, &controller) != 0 || leat_httpd_open(&http, &httpd) != 0 ||
        leat_httpd_start(httpd, controller) != 0 ||
        leat_spawn(controller, &leat_http_agent, &agent, sizeof(agent), 0, NULL) != 0 ||
        leat_receive(controller, LEAT_SEC, &event) != 0 || event.type != LEAT_HTTPD_LISTENING) {
        return 1;
    }
    leat_controller_close(controller);
    const int status = leat_runtime_close(runtime);
    leat_httpd_close(httpd);
    leat_http_files_close(NULL);
    puts("listening");
    return status != 0;
}
