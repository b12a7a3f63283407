/* Streams at their limits: no descriptors left, files left behind by the dead; and in simulation: losses,
 * delays and cuts by many seeds, each of which replays. */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "stream_rig.h"

/* ---- descriptors ---- */

static int connect_plain(const struct leat_addr *to)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    memcpy(&addr.sin_addr, to->ip + 12, 4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

enum { CROWD = 40, ROOM = 5 };

/* In a process of its own, which has descriptors: connects, and when it is told says how many of them
 * have been ended. */
static void be_clients(const struct leat_addr *to, rlim_t descriptors, const int *in, const int *out)
{
    struct rlimit enough = {.rlim_cur = descriptors, .rlim_max = descriptors};
    setrlimit(RLIMIT_NOFILE, &enough);
    int fds[CROWD];
    char byte;
    for (int i = 0; i < CROWD; i++) {
        fds[i] = connect_plain(to);
    }
    unsigned ended = 0;
    bool told = read(in[0], &byte, 1) == 1;
    for (int i = 0; told && i < CROWD; i++) {
        ended += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
    }
    _exit(write(out[1], &ended, sizeof(ended)) == sizeof(ended) ? 0 : 1);
}

/* With no descriptor left who connects is turned away, the listener does not spin, and goes on when
 * there are some again. */
static void no_descriptors_left(const char *io)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, KIND_V4);
    struct end server = {.echoes = true};
    struct rlimit before;
    int in[2];
    int out[2];
    REQUIRE(pipe(in) == 0 && pipe(out) == 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
    /* The listener, and the one that is kept to turn somebody away with. io_uring goes by the limit of
     * when it was asked to accept. */
    int places[2 + ROOM];
    for (int i = 0; i < 2 + ROOM; i++) {
        places[i] = dup(0);
    }
    struct rlimit low = {.rlim_cur = (rlim_t)places[1 + ROOM] + 1, .rlim_max = before.rlim_max};
    for (int i = 0; i < 2 + ROOM; i++) {
        close(places[i]);
    }
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    end_listen(&net, &server);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        be_clients(&server.local, before.rlim_cur, in, out);
    }
    AWAIT(&net, rig_stats(&net.rig).accept_failed == CROWD - ROOM);
    CHECK_EQ(server.accepted, ROOM);
    uint64_t loops = rig_stats(&net.rig).loops;
    uint64_t calls = rig_stats(&net.rig).recv_calls;
    net_pass(&net, 50 * LEAT_MS);
    CHECK(rig_stats(&net.rig).loops - loops < 2000);
    CHECK_EQ(rig_stats(&net.rig).recv_calls, calls);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    unsigned ended = 0;
    int status = -1;
    REQUIRE(write(in[1], "", 1) == 1);
    CHECK_EQ(read(out[0], &ended, sizeof(ended)), sizeof(ended));
    CHECK_EQ(ended, CROWD - ROOM);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(lines_have(&net.rig.lines, "raise the limit (ulimit -n)"));
    AWAIT(&net, server.finished == ROOM);
    int fd = connect_plain(&server.local);
    AWAIT(&net, server.accepted == ROOM + 1);
    close(fd);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
    net_close(&net);
    end_free(&server);
}

#ifdef LEAT_HAVE_URING
TEST(uring, no_descriptors_left)
{
    NEED_IO("uring");
    no_descriptors_left("uring");
}
#endif

TEST(epoll, no_descriptors_left)
{
    no_descriptors_left("epoll");
}

TEST(poll, no_descriptors_left)
{
    no_descriptors_left("poll");
}

/* ---- files ---- */

static void leave_socket_file(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
}

TEST(epoll, a_path_left_behind_is_taken_over)
{
    struct net net;
    struct leat_config config = net_config("epoll");
    net_open(&net, &config, KIND_UNIX);
    struct end server = {.echoes = true, .finishes = true};
    struct end client = {.want = 1000, .owes_finish = true};
    leave_socket_file(net.path);
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.closed == 1);
    CHECK_EQ(client.received, 1000);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* Only a socket is: any other file stays. And what is another's by now is not removed. */
TEST(epoll, files_of_others_stay)
{
    struct net net;
    struct leat_config config = net_config("epoll");
    net_open(&net, &config, KIND_UNIX);
    struct end server = {0};
    fclose(fopen(net.path, "w"));
    end_spawn(&net, &server);
    put_listen(&server);
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.opened == 1);
    CHECK_EQ(server.opened_status, -EADDRINUSE);
    CHECK_EQ(unlink(net.path), 0);
    put_listen(&server);
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.opened == 2 && server.opened_status == 0);
    CHECK_EQ(unlink(net.path), 0);
    leave_socket_file(net.path);
    leat_output_close(puppet_put(&server.puppet), server.sock);
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.closed == 1);
    CHECK_EQ(access(net.path, F_OK), 0);
    CHECK_EQ(unlink(net.path), 0);
    char longer[200];
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    put_listen(&server)->path = longer;
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.opened == 3);
    CHECK_EQ(server.opened_status, -EINVAL);
    net_close(&net);
    end_free(&server);
}

/* ---- simulation ---- */

/* Echoes over a bad network, some of them cut short; returns the hash of the run. */
static uint64_t bad_network(uint64_t seed)
{
    enum { CLIENTS = 4 };
    struct net net;
    uint64_t random = seed * 2 + 1;
    struct leat_config config = net_config("sim");
    config.seed = seed;
    config.workers = 1 + (uint32_t)(seed % 3);
    config.sim.loss = seed % 4 == 0 ? 0.2 : 0;
    config.sim.reorder = 0.2;
    config.sim.delay_max_ns = 5 * LEAT_MS;
    config.stream_queue_max = 1u << (8 + random_below(&random, 10));
    net_open(&net, &config, KIND_V4);
    struct end server = {.echoes = true, .finishes = true};
    static struct end clients[CLIENTS];
    memset(clients, 0, sizeof(clients));
    end_listen(&net, &server);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct end *client = &clients[i];
        server.received = 0;
        client->want = random_below(&random, 100000);
        client->chunk = 1 + random_below(&random, 5000);
        client->owes_finish = random_below(&random, 2) == 0;
        end_connect(&net, client, &server);
        AWAIT(&net, client->opened == 1);
        if (client->opened_status == 0 && client->owes_finish) {
            AWAIT(&net, client->closed == 1 && server.closed == i + 1);
            CHECK_EQ(client->closed_status, 0);
            CHECK_EQ(client->received, client->want);
        } else if (client->opened_status == 0) {
            net_pass(&net, random_below(&random, 20) * LEAT_MS);
            client->want = 0;
            struct leat_output *out = puppet_put(&client->puppet);
            leat_output_close(out, client->sock);
            out->options = random_below(&random, 2) == 0 ? LEAT_STREAM_RESET : 0;
            net_poke(&net, &client->puppet);
            AWAIT(&net, client->closed == 1 && server.closed == i + 1);
        }
        CHECK_EQ(server.bad, 0);
    }
    uint64_t hash = leat_sim_hash(net.rig.runtime);
    net_close(&net);
    end_free(&server);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        end_free(&clients[i]);
    }
    return hash;
}

TEST(sim, a_bad_network_by_seeds)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint64_t hash = bad_network(seed);
        bool replays = bad_network(seed) == hash;
        if (!replays) {
            fprintf(stderr, "seed %llu does not replay\n", (unsigned long long)seed);
        }
        CHECK(replays);
        CHECK(bad_network(seed + 1000) != hash);
    }
}

/* What is lost for good ends in a timeout, not in silence. */
TEST(sim, a_network_that_loses_everything)
{
    struct net net;
    struct leat_config config = net_config("sim");
    config.sim.loss = 1;
    net_open(&net, &config, KIND_V4);
    struct end server = {0};
    struct end client = {0};
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.opened == 1);
    CHECK_EQ(client.opened_status, -ETIMEDOUT);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* Actors of several workers talk to each other. */
TEST(sim, between_workers)
{
    struct net net;
    struct leat_config config = net_config("sim");
    config.workers = 2;
    net_open(&net, &config, KIND_V4);
    struct end server = {.echoes = true, .finishes = true};
    struct end client = {.net = &net, .want = 200000, .chunk = 3000, .owes_finish = true};
    end_listen(&net, &server);
    client.puppet.on_event = end_event;
    client.puppet.on_refused = end_refused;
    client.puppet.context = &client;
    rig_spawn_as(&net.rig, &client.puppet, &puppet_behavior, 1);
    net_turn(&net);
    put_connect(&client, &server);
    net_poke(&net, &client.puppet);
    AWAIT(&net, client.closed == 1 && server.closed == 1);
    CHECK_EQ(client.received, 200000);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* ---- threads ---- */

static void client_event(struct puppet *self, const struct leat_event *event)
{
    end_event(self, event);
    if (event->kind == LEAT_EVENT_SOCK_CLOSED || event->kind == LEAT_EVENT_OPENED) {
        struct end *end = self->context;
        if (event->kind == LEAT_EVENT_SOCK_CLOSED || end->opened_status != 0) {
            leat_output_stop(puppet_put(self));
        }
    }
}

/* The server tells the controller, in `give_to`'s place, where it listens. */
static void server_event(struct puppet *self, const struct leat_event *event)
{
    end_event(self, event);
    struct end *end = self->context;
    if (event->kind == LEAT_EVENT_OPENED) {
        end->sock = LEAT_SOCK_NONE;
        leat_output_send(puppet_put(self), end->listener.id != 0 ? (leat_ref){end->listener.id}
                                                                 : LEAT_REF_NONE,
                         1, &end->local, sizeof(end->local));
    }
}

/* Both ends on workers of their own, which sleep and wake; bodies go home to the other's pool. */
static void over_threads(const char *io)
{
    struct rig rig;
    struct leat_config config = rig_threads(2);
    config.io = io;
    config.stream_queue_max = 30000;
    struct net net = {.kind = KIND_V4};
    struct end server = {.net = &net, .echoes = true, .finishes = true};
    struct end client = {.net = &net, .want = 3000000, .chunk = 7000, .owes_finish = true};
    server.puppet.on_event = server_event;
    client.puppet.on_event = client_event;
    server.puppet.on_refused = client.puppet.on_refused = end_refused;
    server.puppet.context = &server;
    client.puppet.context = &client;
    rig_open(&rig, &config);
    server.listener.id = leat_controller_ref(rig.controller).id;
    put_listen(&server);
    rig_spawn_as(&rig, &server.puppet, &puppet_behavior, 0);
    REQUIRE(rig_await(&rig, 1));
    struct end to = {.net = &net};
    memcpy(&to.local, rig_last(&rig).payload, sizeof(to.local));
    put_connect(&client, &to);
    leat_ref ref = rig_spawn_as(&rig, &client.puppet, &puppet_behavior, 1);
    CHECK_EQ(leat_monitor(rig.controller, ref, 0), 0);
    rig_await(&rig, 2);
    rig_close(&rig);
    CHECK_EQ(client.received, 3000000);
    CHECK_EQ(server.received, 3000000);
    CHECK_EQ(client.closed_status, 0);
    end_free(&server);
    end_free(&client);
}

#ifdef LEAT_HAVE_URING
TEST(uring, over_threads)
{
    NEED_IO("uring");
    over_threads("uring");
}
#endif

TEST(epoll, over_threads)
{
    over_threads("epoll");
}

TEST(poll, over_threads)
{
    over_threads("poll");
}
