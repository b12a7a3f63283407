#include <leat/http.h>

#include <stdio.h>

/* Answers one request, from memory to memory. */
int main(void)
{
    struct leat_http_config config;
    struct leat_http_event event;
    leat_http_server *server;
    char bytes[256];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    const struct leat_http_response response = {.status = 200};

    leat_http_config_default(&config);
    if (leat_http_server_open(&config, 0, &server) != 0) {
        return 1;
    }
    leat_http_server_read(server, 0, leat_http_str_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &event);
    if (event.kind != LEAT_HTTP_REQUEST ||
        leat_http_server_reply(server, 0, &response, leat_http_str_of("hello\n"), &out) != 0) {
        return 1;
    }
    fwrite(bytes, 1, out.len, stdout);
    leat_http_server_close(server);
    return 0;
}
