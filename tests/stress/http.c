/* The HTTP server under load from threads outside: functions, an actor on another worker, files from their
 * thread, event streams and an agent, over real sockets and all at once, with clients that leave in the middle.
 * Every answer must be what was asked for. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <leat/http_agent.h>
#include <leat/http_files.h>

#include "stress.h"
#include "tmp.h"

#define CLIENTS 6u
#define FILE_LEN 400000u

static leat_time until;
static struct leat_addr server;
static atomic_ullong answers, hang_ups, asked, told;

/* ---- a function, an actor, an event stream ---- */

static void number(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)context;
    leat_httpd_call_text(call, 200, "text/plain", leat_httpd_param(request, "n"));
}

static void events(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    (void)request;
    leat_httpd_call_events(call, *(leat_channel *)context, (leat_slice){0});
}

/* Answers a request with its body; publishes one event for each. */
struct echo {
    leat_channel channel;
    leat_outbox(4) out;
};

static int echo_init(void *self, const void *arg, leat_time now)
{
    (void)now;
    memcpy(&((struct echo *)self)->channel, arg, sizeof(leat_channel));
    return 0;
}

static void echo_on_event(void *self, const struct leat_event *event)
{
    struct echo *echo = self;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&echo->out));
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == LEAT_HTTPD_REQUEST) {
        const struct leat_httpd_request *request = leat_httpd_request_of(event);
        const struct leat_http_response response = {.status = 200};
        struct leat_output out;
        if (leat_httpd_reply(&out, request->exchange, &response, leat_slice_ref(request->body)) ==
            0) {
            *leat_outbox_put(&echo->out) = out;
        }
        leat_output_publish(leat_outbox_put(&echo->out), echo->channel, 0, "data: x\n\n", 9);
    }
}

static bool echo_pop(void *self, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct echo *)self)->out, ret);
}

static const struct leat_behavior echo_behavior = {.name = "echo",
                                                   .state_size = sizeof(struct echo),
                                                   .init = echo_init,
                                                   .on_event = echo_on_event,
                                                   .pop_output = echo_pop};

/* Asks through the agent, again and again. */
struct asker {
    leat_ref agent;
    bool is_ending;
    leat_outbox(2) out;
};

static void asker_ask(struct asker *asker)
{
    const struct leat_http_ask ask = {
        .peer = server,
        .query = {.method = leat_http_str_of("GET"),
                  .target = leat_http_str_of("/n/agent"),
                  .host = leat_http_str_of("a")},
        .timeout_ns = 20 * LEAT_SEC,
    };
    struct leat_output out;
    if (leat_http_agent_ask(&out, asker->agent, &ask) == 0) {
        *leat_outbox_put(&asker->out) = out;
        atomic_fetch_add(&asked, 1);
    }
}

static int asker_init(void *self, const void *arg, leat_time now)
{
    (void)now;
    memcpy(&((struct asker *)self)->agent, arg, sizeof(leat_ref));
    asker_ask(self);
    return 0;
}

static void asker_on_event(void *self, const struct leat_event *event)
{
    struct asker *asker = self;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&asker->out));
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == LEAT_HTTP_AGENT_ANSWER) {
        const struct leat_http_answer *answer = leat_http_agent_answer_of(event);
        EXPECT(answer->error == 0 || answer->error == -ESHUTDOWN, "agent: %d", answer->error);
        EXPECT(answer->error != 0 || (answer->status == 200 && answer->body.len == 5), "agent: %u",
               answer->status);
        atomic_fetch_add(&told, 1);
        if (event->now < until) {
            asker_ask(asker);
        }
    }
}

static bool asker_pop(void *self, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct asker *)self)->out, ret);
}

static const struct leat_behavior asker_behavior = {.name = "asker",
                                                    .state_size = sizeof(struct asker),
                                                    .init = asker_init,
                                                    .on_event = asker_on_event,
                                                    .pop_output = asker_pop};

/* ---- clients ---- */

static int dial(void)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(server.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        EXPECT(false, "connect: %s", strerror(errno));
        exit(1);
    }
    return fd;
}

/* Reads one response with a Content-Length, or `most` bytes of it. False: the connection has ended. */
static bool response(int fd, char *body, size_t cap, size_t *ret_len)
{
    char head[4096];
    size_t have = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t got = recv(fd, head + have, 1, 0); /* never beyond the head */
        if (got <= 0 || have + 2 > sizeof(head)) {
            return false;
        }
        head[++have] = '\0';
        end = have >= 4 ? strstr(head + have - 4, "\r\n\r\n") : NULL;
    }
    const char *length = strstr(head, "Content-Length: ");
    EXPECT(strncmp(head, "HTTP/1.1 200 ", 13) == 0 && length != NULL, "%s", head);
    size_t len = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
    size_t at = 0;
    while (at < len && at < cap) {
        ssize_t got = recv(fd, body + at, len - at < cap - at ? len - at : cap - at, 0);
        if (got <= 0) {
            return false;
        }
        at += (size_t)got;
    }
    *ret_len = at;
    return true;
}

static void converse(struct random *random, int fd, char *body)
{
    for (uint32_t turn = random_below(random, 20) + 1; turn > 0; turn--) {
        char request[256], expected[32];
        const uint32_t value = random_below(random, 1000000);
        const uint32_t kind = random_below(random, 4);
        snprintf(expected, sizeof(expected), "%u", value);
        if (kind == 0) {
            snprintf(request, sizeof(request), "GET /n/%u HTTP/1.1\r\nHost: a\r\n\r\n", value);
        } else if (kind == 1) {
            snprintf(request, sizeof(request),
                     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%u",
                     strlen(expected), value);
        } else {
            snprintf(request, sizeof(request), "GET /files/%s HTTP/1.1\r\nHost: a\r\n\r\n",
                     kind == 2 ? "small" : "large");
        }
        if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
            break;
        }
        if (random_below(random, 16) == 0) { /* leaves before the answer, or within it */
            if (random_below(random, 2) == 0) {
                recv(fd, body, 100, 0);
            }
            atomic_fetch_add(&hang_ups, 1);
            return;
        }
        size_t len = 0;
        const bool whole = response(fd, body, FILE_LEN, &len);
        EXPECT(whole, "kind %u: no whole response", kind);
        EXPECT(!whole || kind >= 2 || (len == strlen(expected) && memcmp(body, expected, len) == 0),
               "kind %u: %.*s, not %s", kind, (int)len, body, expected);
        EXPECT(!whole || kind < 2 ||
                   (len == (kind == 2 ? 5000u : FILE_LEN) && body[len - 1] == 'x'),
               "a file of %zu bytes", len);
        atomic_fetch_add(&answers, 1);
    }
}

static void *client_run(void *arg)
{
    struct random random = {.state = 77 + *(uint32_t *)arg};
    char *body = malloc(FILE_LEN);
    while (clock_now() < until) {
        int fd = dial();
        if (random_below(&random, 8) == 0) { /* an event stream, for a moment */
            const char request[] = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n";
            send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
            for (int i = 0; i < 3; i++) {
                EXPECT(recv(fd, body, 1000, 0) > 0, "no event");
            }
        } else {
            converse(&random, fd, body);
        }
        close(fd);
    }
    free(body);
    return NULL;
}

/* ---- main ---- */

static void file_write(const char *directory, const char *name, size_t len)
{
    char path[300];
    char *bytes = malloc(len);
    memset(bytes, 'x', len);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(fd >= 0 && write(fd, bytes, len) == (ssize_t)len, "%s", path);
    close(fd);
    free(bytes);
}

static void files_remove(const char *directory)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/small", directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/large", directory);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    char directory[256];
    struct leat_config config = stress_config();
    leat_runtime *runtime;
    leat_httpd *httpd;
    leat_http_files *files;
    leat_channel channel;
    leat_ref echo, agent;
    struct stress_threads threads = {.len = 0};
    stress_limit("http");
    snprintf(directory, sizeof(directory), "%s/leat-stress-http-XXXXXX", tmp_folder());
    EXPECT(mkdtemp(directory) != NULL, "%s", directory);
    file_write(directory, "small", 5000);
    file_write(directory, "large", FILE_LEN);
    stress_open(&config, &runtime);
    leat_controller *controller = stress_controller(runtime);
    const struct leat_http_files_config root = {.root = directory};
    EXPECT(leat_http_files_open(runtime, &root, &files) == 0, "files");
    EXPECT(leat_channel_open("stress", &channel) == 0, "channel");
    EXPECT(leat_spawn(controller, &echo_behavior, &channel, sizeof(channel), 1, &echo) == 0,
           "echo");
    const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_GET, .pattern = "/n/:n", .handler = number},
        {.method = LEAT_HTTP_GET, .pattern = "/events", .handler = events, .context = &channel},
        {.method = LEAT_HTTP_POST, .pattern = "/echo", .actor = echo},
        {.method = LEAT_HTTP_GET, .pattern = "/files/*file", .actor = leat_http_files_ref(files)},
    };
    struct leat_httpd_config http = leat_httpd_config_default();
    http.workers = WORKERS;
    http.routes = routes;
    http.route_count = 4;
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
    const struct leat_http_agent_config client = leat_http_agent_config_default();
    EXPECT(leat_spawn(controller, &leat_http_agent, &client, sizeof(client), 2, &agent) == 0,
           "agent");
    for (int i = 0; i < 4; i++) {
        EXPECT(leat_spawn(controller, &asker_behavior, &agent, sizeof(agent), i, NULL) == 0,
               "asker");
    }
    stress_start(&threads, CLIENTS, client_run);
    struct leat_httpd_stats stats;
    while (clock_now() < until) {
        usleep(20000);
        leat_httpd_stats(httpd, &stats);
    }
    stress_join(&threads);
    leat_http_files_close(files);
    stress_end(runtime, controller, "http");
    leat_httpd_stats(httpd, &stats);
    EXPECT(atomic_load(&answers) > 10 && atomic_load(&told) > 10, "%llu answers, %llu of the agent",
           atomic_load(&answers), atomic_load(&told));
    EXPECT(stats.event_streams == 0 && stats.responses[5] == 0, "%llu streams, %llu failed",
           (unsigned long long)stats.event_streams, (unsigned long long)stats.responses[5]);
    printf("http: %llu answers, %llu clients left, %llu of the agent, %llu requests\n",
           atomic_load(&answers), atomic_load(&hang_ups), atomic_load(&told),
           (unsigned long long)stats.requests);
    leat_httpd_close(httpd);
    files_remove(directory);
    return stress_result();
}
