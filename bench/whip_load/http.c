/* One request over a connection of its own, with the client's machine of leat::http1 and a
 * blocking socket. */
#include <leat/http_client.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

struct url {
    char host[256], port[8], authority[270];
    const char *path;
};

/* http://host:port/path, host may be an IPv6 address in brackets. */
static bool url_read(const char *url, struct url *ret)
{
    char *colon;
    char *name = ret->host;
    if (strncmp(url, "http://", 7) != 0) {
        return false;
    }
    url += 7;
    const size_t len = strcspn(url, "/");
    if (len == 0 || len >= sizeof(ret->host)) {
        return false;
    }
    memcpy(ret->host, url, len);
    ret->host[len] = '\0';
    strcpy(ret->authority, ret->host);
    ret->path = url[len] == '/' ? url + len : "/";
    strcpy(ret->port, "80");
    colon = strrchr(ret->host, ':');
    if (colon != NULL && strchr(colon, ']') == NULL) {
        *colon = '\0';
        snprintf(ret->port, sizeof(ret->port), "%.7s", colon + 1);
    }
    if (name[0] == '[') {
        name[strcspn(name, "]")] = '\0';
        memmove(name, name + 1, strlen(name));
    }
    return true;
}

static int connect_to(const struct url *url)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval patience = {.tv_sec = 10};
    struct addrinfo *found;
    if (getaddrinfo(url->host, url->port, &hints, &found) != 0) {
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)); /* and of connect */
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void copy(char *to, size_t cap, const struct leat_http_head *head, const char *name)
{
    leat_http_str value;
    to[0] = '\0';
    if (leat_http_head_find(head, name, &value)) {
        snprintf(to, cap, "%.*s", (int)value.len, value.data);
    }
}

/* Whether the response has ended. */
static bool take(const struct leat_http_event *event, struct http_answer *ret, size_t *body_len)
{
    switch (event->kind) {
    case LEAT_HTTP_RESPONSE:
        ret->status = event->u.response.status;
        copy(ret->location, sizeof(ret->location), &event->u.response.head, "location");
        copy(ret->etag, sizeof(ret->etag), &event->u.response.head, "etag");
        break;
    case LEAT_HTTP_BODY:
        if (*body_len + event->u.body.len < sizeof(ret->body)) {
            memcpy(ret->body + *body_len, event->u.body.data, event->u.body.len);
            *body_len += event->u.body.len;
        }
        break;
    case LEAT_HTTP_NONE:
        break;
    default:
        return true;
    }
    return false;
}

static void read_answer(int fd, leat_http_client *client, struct http_answer *ret)
{
    char bytes[16384];
    size_t body_len = 0;
    bool ended = false;
    while (!ended) {
        struct leat_http_event event;
        const ssize_t len = read(fd, bytes, sizeof(bytes));
        if (len <= 0) {
            leat_http_client_eof(client, &event);
            take(&event, ret, &body_len);
            break;
        }
        leat_http_str rest = {.data = bytes, .len = (size_t)len};
        do {
            const size_t taken = leat_http_client_read(client, now_ns(), rest, &event);
            rest.data += taken;
            rest.len -= taken;
            ended = take(&event, ret, &body_len) || ended;
        } while (event.kind != LEAT_HTTP_NONE && !ended);
    }
    ret->body[body_len] = '\0';
}

static int write_request(int fd, leat_http_client *client, const char *method,
                         const struct url *url, const char *content_type, const char *body)
{
    static _Thread_local char bytes[65536];
    char bearer[512];
    struct leat_http_out out = {.data = bytes, .cap = sizeof(bytes)};
    struct leat_http_header headers[2];
    struct leat_http_query query = {.method = leat_http_str_of(method),
                                    .target = leat_http_str_of(url->path),
                                    .host = leat_http_str_of(url->authority),
                                    .close = true,
                                    .headers = headers,
                                    .body_len = content_type != NULL ? strlen(body) : 0};
    if (options.token != NULL) {
        snprintf(bearer, sizeof(bearer), "Bearer %s", options.token);
        headers[query.header_count++] =
            (struct leat_http_header){leat_http_str_of("Authorization"), leat_http_str_of(bearer)};
    }
    if (content_type != NULL) {
        headers[query.header_count++] = (struct leat_http_header){leat_http_str_of("Content-Type"),
                                                                  leat_http_str_of(content_type)};
    }
    int status = leat_http_client_request(client, &query, &out);
    if (status == 0 && query.body_len > 0) {
        status = leat_http_client_write(client, leat_http_str_of(body), &out);
    }
    status = status == 0 ? leat_http_client_end(client, now_ns(), &out) : status;
    return status == 0 && send(fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len ? 0 : -1;
}

void http_ask(const char *method, const char *url, const char *content_type, const char *body,
              struct http_answer *ret)
{
    struct leat_http_config config;
    leat_http_client *client = NULL;
    struct url parts;
    memset(ret, 0, sizeof(*ret));
    const int fd = url_read(url, &parts) ? connect_to(&parts) : -1;
    leat_http_config_default(&config);
    if (fd < 0) {
        snprintf(ret->body, sizeof(ret->body), "cannot connect to %.200s", url);
        return;
    }
    if (leat_http_client_open(&config, now_ns(), &client) == 0 &&
        write_request(fd, client, method, &parts, content_type, body) == 0) {
        read_answer(fd, client, ret);
    }
    if (ret->status == 0) {
        snprintf(ret->body, sizeof(ret->body), "no answer from %.200s", url);
    }
    leat_http_client_close(client);
    close(fd);
}
