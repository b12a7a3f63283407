/* What is under way when something ends: the runtime, a listener, an owner that was given a connection and
 * has not heard of it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "stream_rig.h"

/* ---- the runtime's end ---- */

#define REST 200000u

/* Writes all it has to say, and stops at once. */
static void writer_event(struct puppet *self, const struct leat_event *event)
{
    struct end *end = self->context;
    if (event->kind == LEAT_EVENT_OPENED) {
        leat_output_send(puppet_put(self), end->give_to, 1, &event->opened.local,
                         sizeof(event->opened.local));
    } else if (event->kind == LEAT_EVENT_ACCEPTED) {
        leat_output_give(puppet_put(self), event->accepted.sock, self->ref, 0);
    } else if (event->kind == LEAT_EVENT_GIVEN) {
        leat_output_write(puppet_put(self), event->sock, pattern_body(0, REST));
        leat_output_stop(puppet_put(self));
    }
}

/* A client that takes in little at a time, outside of the runtime. */
static int slow_client(const struct leat_addr *to)
{
    int small = 4096;
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    CHECK_EQ(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
    return fd;
}

struct writer {
    struct rig rig;
    struct net net;
    struct end end;
    int fd;
};

/* Until the actor has written, and ended. */
static void writer_open(struct writer *writer, const char *io, leat_time shutdown_ns)
{
    struct leat_config config = rig_threads(1);
    config.io = io;
    config.shutdown_ns = shutdown_ns;
    *writer = (struct writer){.net = {.kind = KIND_V4}};
    writer->end.net = &writer->net;
    writer->end.puppet.on_event = writer_event;
    writer->end.puppet.context = &writer->end;
    rig_open(&writer->rig, &config);
    writer->end.give_to = leat_controller_ref(writer->rig.controller);
    put_listen(&writer->end)->listen.send_buf = 4096;
    leat_ref ref = rig_spawn_as(&writer->rig, &writer->end.puppet, &puppet_behavior, 0);
    REQUIRE(rig_await(&writer->rig, 1));
    struct leat_addr local;
    struct leat_event last = rig_last(&writer->rig);
    memcpy(&local, last.payload, sizeof(local));
    writer->fd = slow_client(&local);
    CHECK_EQ(leat_monitor(writer->rig.controller, ref, 0), 0);
    rig_await(&writer->rig, 2);
}

static void *read_slowly(void *context)
{
    struct writer *writer = context;
    uint64_t got = 0;
    uint8_t bytes[5000];
    ssize_t n;
    while ((n = read(writer->fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            writer->end.bad += bytes[i] != pattern(got + (uint64_t)i);
        }
        got += (uint64_t)n;
        usleep(200);
    }
    writer->end.received = n == 0 ? got : 0;
    return NULL;
}

#ifdef LEAT_HAVE_URING
#define ON_URING(name)                                                                             \
    TEST(uring, name)                                                                              \
    {                                                                                              \
        NEED_IO("uring");                                                                          \
        name("uring");                                                                             \
    }
#else
#define ON_URING(name)
#endif

/* A client that is a thread does not fit into the simulation. */
#define KERNELS(name)                                                                              \
    static void name(const char *io);                                                              \
    ON_URING(name)                                                                                 \
    TEST(epoll, name)                                                                              \
    {                                                                                              \
        name("epoll");                                                                             \
    }                                                                                              \
    TEST(poll, name)                                                                               \
    {                                                                                              \
        name("poll");                                                                              \
    }                                                                                              \
    static void name(const char *io)

KERNELS(the_rest_is_sent)
{
    struct writer writer;
    pthread_t thread;
    writer_open(&writer, io, 5 * LEAT_SEC);
    REQUIRE(pthread_create(&thread, NULL, read_slowly, &writer) == 0);
    rig_close(&writer.rig);
    pthread_join(thread, NULL);
    CHECK_EQ(writer.end.received, REST);
    close(writer.fd);
    end_free(&writer.end);
}

/* Who never reads is waited for as long as an actor would have been. */
KERNELS(the_end_comes)
{
    struct writer writer;
    writer_open(&writer, io, 300 * LEAT_MS);
    leat_time before = leat_controller_now(writer.rig.controller);
    leat_runtime_stop(writer.rig.runtime);
    struct leat_event event;
    while (leat_receive(writer.rig.controller, 10 * LEAT_SEC, &event) == 0) {
        leat_event_release(&event);
    }
    leat_time waited = leat_controller_now(writer.rig.controller) - before;
    CHECK(waited >= 250 * LEAT_MS && waited < 5 * LEAT_SEC);
    rig_close(&writer.rig);
    close(writer.fd);
    end_free(&writer.end);
}

/* ---- what nobody has heard of ---- */

/* Closed while a connection waits that it was not told of: only the listener is told to be closed. */
STREAMS(a_listener_with_connections_nobody_has_heard_of)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {.keeps = true};
    struct end clients[3] = {{.want = 10}, {.want = 10}, {.want = 10}};
    end_listen(&net, &server);
    leat_output_pause(puppet_put(&server.puppet), server.listener);
    net_poke(&net, &server.puppet);
    for (int i = 0; i < 3; i++) {
        end_connect(&net, &clients[i], &server);
        AWAIT(&net, clients[i].opened == 1);
    }
    net_pass(&net, 5 * LEAT_MS);
    CHECK_EQ(server.accepted, 0);
    leat_output_close(puppet_put(&server.puppet), server.listener);
    net_poke(&net, &server.puppet);
    AWAIT(&net, clients[0].closed == 1 && clients[1].closed == 1 && clients[2].closed == 1);
    net_pass(&net, 5 * LEAT_MS);
    CHECK_EQ(server.closed, 1);
    CHECK_EQ(net_sockets(&net), 0);
    net_close(&net);
    end_free(&server);
    for (int i = 0; i < 3; i++) {
        end_free(&clients[i]);
    }
}

/* Given round before anybody has heard of it: who has it in the end hears GIVEN, once, and no memory is
 * taken for each time. */
STREAMS(given_round)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {.keeps = true};
    struct end other = {.finishes = true};
    struct end client = {.want = 1000, .owes_finish = true};
    end_spawn(&net, &other);
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, server.accepted == 1);
    for (uint64_t i = 0; i < 20000; i++) {
        leat_output_give(puppet_put(&server.puppet), server.sock, server.puppet.ref, i);
    }
    leat_output_give(puppet_put(&server.puppet), server.sock, other.puppet.ref, 4711);
    struct leat_worker_stats before, after;
    leat_stats_workers(net.rig.runtime, &before, 1);
    net_poke(&net, &server.puppet);
    AWAIT(&net, client.closed == 1 && other.closed == 1);
    leat_stats_workers(net.rig.runtime, &after, 1);
    CHECK(after.pool_nodes - before.pool_nodes < 2000);
    CHECK_EQ(server.given, 0);
    CHECK_EQ(other.given, 1);
    CHECK_EQ(other.received, 1000);
    CHECK_EQ(client.closed_status, 0);
    net_close(&net);
    end_free(&server);
    end_free(&other);
    end_free(&client);
}

/* ---- nobody there ---- */

STREAMS(a_place_where_nobody_listens)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end nobody = {.net = &net, .local = net_addr(&net, 1)};
    struct end client = {0};
    end_connect(&net, &client, &nobody);
    AWAIT(&net, client.opened == 1);
    CHECK_EQ(client.opened_status, kind == KIND_UNIX ? -ENOENT : -ECONNREFUSED);
    char longer[120];
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    for (int i = 0; i < 2; i++) {
        leat_output_connect(puppet_put(&client.puppet), NULL, LEAT_SEC, 0);
        client.puppet.outputs[client.puppet.outputs_len - 1].path = i == 0 ? longer : "";
        net_poke(&net, &client.puppet);
        AWAIT(&net, client.opened == 2u + (unsigned)i);
        CHECK_EQ(client.opened_status, -EINVAL);
    }
    net_close(&net);
    end_free(&client);
}
