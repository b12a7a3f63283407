/* The HTTP server over real sockets, when there is too much to do: for an actor on another worker, whose
 * full mailbox is not half delivered to, and whose end is heard of afterwards; for the files service. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <leat/http_files.h>

#include "helpers.h"
#include "tmp.h"

#define SLEEP 1u
#define END 2u

static atomic_uint requests, body_len, ended;

struct busy {
    leat_outbox(4) out;
};

static void busy_on_event(void *state, const struct leat_event *event)
{
    struct busy *self = state;
    const bool is_message = event->kind == LEAT_EVENT_MESSAGE;
    if (event->kind == LEAT_EVENT_SHUTDOWN || (is_message && event->type == END)) {
        leat_output_stop(leat_outbox_put(&self->out));
    } else if (is_message && event->type == SLEEP) {
        usleep(300000);
    } else if (is_message && event->type == LEAT_HTTPD_REQUEST) {
        const struct leat_http_response response = {.status = 200,
                                                    .body_len = LEAT_HTTP_LEN_UNKNOWN};
        atomic_fetch_add(&requests, 1);
        CHECK_EQ(leat_httpd_respond(leat_outbox_put(&self->out),
                                    leat_httpd_request_of(event)->exchange, &response),
                 0);
    } else if (is_message && event->type == LEAT_HTTPD_BODY) {
        atomic_fetch_add(&body_len, event->body.len);
    } else if (is_message && event->type == LEAT_HTTPD_BODY_END) {
        atomic_fetch_add(&ended, 1);
    }
}

static bool busy_pop(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct busy *)state)->out, ret);
}

static const struct leat_behavior busy = {.name = "busy",
                                          .state_size = sizeof(struct busy),
                                          .mailbox_len_max = 2,
                                          .on_event = busy_on_event,
                                          .pop_output = busy_pop};

static int dial(const struct leat_addr *server)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(server->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    REQUIRE(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

/* What is answered begins with `expected`. */
static void say(int fd, const char *text, const char *expected)
{
    char answer[1024] = "";
    CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    CHECK(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
    CHECK_THAT_(strncmp(answer, expected, strlen(expected)) == 0, "\"%s\"", answer);
}

TEST(httpd_full, what_was_refused)
{
    struct rig rig;
    struct leat_config config = rig_threads(2);
    struct leat_httpd_config http = leat_httpd_config_default();
    struct leat_event event;
    struct leat_addr server;
    leat_httpd *httpd;
    leat_ref actor;
    config.send_wait_ns = 5 * LEAT_SEC;
    config.watchdog_ns = 5 * LEAT_SEC;
    rig_open(&rig, &config);
    CHECK_EQ(leat_spawn(rig.controller, &busy, NULL, 0, 1, &actor), 0);
    const struct leat_httpd_route routes[] = {
        {.method = LEAT_HTTP_GET, .pattern = "/x", .actor = actor},
        {.method = LEAT_HTTP_POST, .pattern = "/x", .actor = actor, .streams = true},
    };
    http.routes = routes;
    http.route_count = 2;
    REQUIRE(leat_addr_parse("127.0.0.1:0", &http.local) == 0);
    REQUIRE(leat_httpd_open(&http, &httpd) == 0 && leat_httpd_start(httpd, rig.controller) == 0);
    REQUIRE(leat_receive(rig.controller, 20 * LEAT_SEC, &event) == 0);
    memcpy(&server, event.payload, sizeof(server));
    const int gets = dial(&server), posts = dial(&server);
    for (int i = 0; i < 3; i++) { /* it sleeps over the first, the others fill its mailbox */
        while (leat_send(rig.controller, actor, SLEEP, NULL, 0) == -EAGAIN) {
        }
        usleep(50000);
    }
    say(gets, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ");
    say(posts, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", "HTTP/1.1 503 ");
    usleep(1500000); /* it is awake */
    CHECK_EQ(atomic_load(&requests), 0);
    CHECK_EQ(atomic_load(&body_len), 0);
    CHECK_EQ(atomic_load(&ended), 0);
    /* It takes another from the same connection, and dies within the answer. */
    say(gets, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 ");
    CHECK_EQ(leat_send(rig.controller, actor, END, NULL, 0), 0);
    char more[16];
    CHECK(recv(gets, more, sizeof(more), 0) <= 0 && errno != EAGAIN);
    close(gets);
    close(posts);
    rig_close(&rig);
    leat_httpd_close(httpd);
}

#define ASK "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/* A large file is not sent to more than it may be; who hardly takes any of it makes room, in time. */
TEST(httpd_full, large_files)
{
    struct rig rig;
    const struct leat_config config = rig_threads(1);
    struct leat_httpd_config http = leat_httpd_config_default();
    char folder[256], path[300];
    struct leat_event event;
    struct leat_addr server;
    leat_http_files *files;
    leat_httpd *httpd;
    snprintf(folder, sizeof(folder), "%s/leat-files-XXXXXX", tmp_folder());
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/large", folder);
    const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && ftruncate(fd, 100000000) == 0);
    close(fd);
    rig_open(&rig, &config);
    const struct leat_http_files_config root = {.root = folder, .transfers_max = 1};
    REQUIRE(leat_http_files_open(rig.runtime, &root, &files) == 0);
    const struct leat_httpd_route route = {
        .method = LEAT_HTTP_GET, .pattern = "/*file", .actor = leat_http_files_ref(files)};
    http.routes = &route;
    http.route_count = 1;
    http.send_ns = 600 * LEAT_SEC;
    REQUIRE(leat_addr_parse("127.0.0.1:0", &http.local) == 0);
    REQUIRE(leat_httpd_open(&http, &httpd) == 0 && leat_httpd_start(httpd, rig.controller) == 0);
    REQUIRE(leat_receive(rig.controller, 20 * LEAT_SEC, &event) == 0);
    memcpy(&server, event.payload, sizeof(server));
    const int slow = dial(&server);
    say(slow, ASK, "HTTP/1.1 200 ");
    int seconds = 0;
    bool is_room = false;
    for (; seconds < 90 && !is_room; seconds++) {
        char answer[16] = "";
        const int fresh = dial(&server);
        CHECK_EQ(send(fresh, ASK, strlen(ASK), MSG_NOSIGNAL), (ssize_t)strlen(ASK));
        CHECK_EQ(recv(fresh, answer, 13, MSG_WAITALL), 13);
        is_room = strcmp(answer, "HTTP/1.1 200 ") == 0;
        close(fresh);
        CHECK(is_room || strcmp(answer, "HTTP/1.1 503 ") == 0);
        if (getenv("LEAT_TEST_LONG") == NULL) {
            break; /* the rest takes a minute */
        }
        sleep(1);
    }
    CHECK(is_room ? seconds >= 30 : getenv("LEAT_TEST_LONG") == NULL);
    close(slow);
    leat_http_files_close(files);
    rig_close(&rig);
    leat_httpd_close(httpd);
    unlink(path);
    rmdir(folder);
}
