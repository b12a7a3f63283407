/* Streams on a worker that is never idle, and a reset that sending hears of first. Against sockets of the
 * test's own, over each backend that uses the kernel. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/helpers.h"
#include "io.h"

static const char *const kernels[] = {"epoll", "poll", "uring"};

static bool works(const char *io)
{
    struct io_config quiet = {0};
    return io_backend_find(io, &quiet) != NULL;
}

/* A listener on 127.0.0.1; its address in *ret. */
static int listener(struct leat_addr *ret)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 4) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    REQUIRE(leat_addr_from_host("127.0.0.1", ntohs(at.sin_port), ret) == 0);
    return fd;
}

/* ---- two actors that keep their worker busy ---- */

struct busy {
    leat_outbox(1) out;
};

static int busy_init(void *state, const void *arg, leat_time now)
{
    struct busy *self = state;
    leat_ref other;
    (void)now;
    if (arg != NULL) {
        memcpy(&other, arg, sizeof(other));
        leat_output_send(leat_outbox_put(&self->out), other, 1, NULL, 0);
    }
    return 0;
}

static void busy_on_event(void *state, const struct leat_event *event)
{
    struct busy *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        leat_output_send(leat_outbox_put(&self->out), event->from, 1, NULL, 0);
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool busy_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct busy *)state)->out, ret);
}

static const struct leat_behavior busy = {.name = "busy",
                                          .state_size = sizeof(struct busy),
                                          .init = busy_init,
                                          .on_event = busy_on_event,
                                          .pop_output = busy_pop_output};

/* ---- a client that tells the controller what it hears of its connection ---- */

struct client_arg {
    struct leat_addr to;
    leat_ref home;
};

struct client {
    leat_ref home;
    leat_sock sock;
    leat_outbox(4) out;
};

static int client_init(void *state, const void *arg, leat_time now)
{
    struct client *self = state;
    struct client_arg of;
    (void)now;
    memcpy(&of, arg, sizeof(of));
    self->home = of.home;
    leat_output_connect(leat_outbox_put(&self->out), &of.to, 2 * LEAT_SEC, 0);
    return 0;
}

static void client_on_event(void *state, const struct leat_event *event)
{
    struct client *self = state;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    } else if (event->kind == LEAT_EVENT_MESSAGE) { /* 1: do not read; 2: send, then read */
        leat_slice body;
        if (event->type == 1) {
            leat_output_pause(leat_outbox_put(&self->out), self->sock);
        } else if (leat_buf_alloc(10, &body) == 0) {
            memset(leat_slice_data(body), 0, body.len);
            leat_output_write(leat_outbox_put(&self->out), self->sock, body);
            leat_output_resume(leat_outbox_put(&self->out), self->sock);
        }
        leat_output_send(leat_outbox_put(&self->out), self->home, 0, NULL, 0);
    } else if (event->kind != LEAT_EVENT_SOCK_ERROR) {
        int64_t heard[2] = {event->kind, event->kind == LEAT_EVENT_DATA ? 0 : event->status};
        if (event->kind == LEAT_EVENT_OPENED) {
            self->sock = event->sock;
        }
        leat_output_send(leat_outbox_put(&self->out), self->home, event->kind, heard, sizeof(heard));
    }
}

static bool client_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct client *)state)->out, ret);
}

static const struct leat_behavior client = {.name = "client",
                                            .state_size = sizeof(struct client),
                                            .init = client_init,
                                            .on_event = client_on_event,
                                            .pop_output = client_pop_output};

/* The status with the last event told. */
static int told_status(const struct rig *rig, uint32_t kind)
{
    int64_t heard[2];
    struct leat_event last = rig_last(rig);
    CHECK_EQ(last.type, kind);
    memcpy(heard, last.payload, sizeof(heard));
    return (int)heard[1];
}

TEST(tcp_busy, a_connection_is_noticed_where_there_is_always_something_else)
{
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        if (!works(kernels[i])) {
            continue;
        }
        struct rig rig;
        struct leat_config config = rig_threads(1);
        struct client_arg arg;
        leat_ref other;
        int fd = listener(&arg.to);
        config.io = kernels[i];
        rig_open(&rig, &config);
        arg.home = leat_controller_ref(rig.controller);
        CHECK_EQ(leat_spawn(rig.controller, &busy, NULL, 0, 0, &other), 0);
        CHECK_EQ(leat_spawn(rig.controller, &busy, &other, sizeof(other), 0, NULL), 0);
        CHECK_EQ(leat_spawn(rig.controller, &client, &arg, sizeof(arg), 0, NULL), 0);
        rig_await(&rig, 1);
        CHECK_EQ(told_status(&rig, LEAT_EVENT_OPENED), 0);
        rig_close(&rig);
        close(fd);
    }
}

TEST(tcp_busy, a_reset_is_no_end_even_when_sending_hears_of_it_first)
{
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        if (!works(kernels[i])) {
            continue;
        }
        struct rig rig;
        struct leat_config config = rig_threads(1);
        struct client_arg arg;
        leat_ref ref;
        int fd = listener(&arg.to);
        config.io = kernels[i];
        rig_open(&rig, &config);
        arg.home = leat_controller_ref(rig.controller);
        CHECK_EQ(leat_spawn(rig.controller, &client, &arg, sizeof(arg), 0, &ref), 0);
        rig_await(&rig, 1);
        CHECK_EQ(told_status(&rig, LEAT_EVENT_OPENED), 0);
        CHECK_EQ(leat_send(rig.controller, ref, 1, NULL, 0), 0);
        rig_await(&rig, 2);
        int peer = accept(fd, NULL, NULL);
        REQUIRE(peer >= 0);
        const struct linger at_once = {.l_onoff = 1};
        CHECK_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        CHECK_EQ(send(peer, "abcd", 4, 0), 4);
        close(peer); /* a reset, behind four bytes */
        CHECK_EQ(leat_send(rig.controller, ref, 2, NULL, 0), 0);
        int status = 0;
        while (status == 0 && rig_last(&rig).type != LEAT_EVENT_SOCK_CLOSED) {
            status = rig_receive(&rig, 20 * LEAT_SEC);
        }
        CHECK_EQ(told_status(&rig, LEAT_EVENT_SOCK_CLOSED), -ECONNRESET);
        for (size_t at = 0; at < rig.got_len; at++) {
            CHECK(rig.got[at].type != LEAT_EVENT_FINISHED);
        }
        rig_close(&rig);
        close(fd);
    }
}
