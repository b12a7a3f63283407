/* Conformance of streams, as actors see them: TCP over IPv4 and IPv6, Unix sockets by path and by
 * abstract name, on every backend. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "stream_rig.h"

/* ---- the life of a connection ---- */

STREAMS(echo)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {.echoes = true, .finishes = true};
    struct end client = {.want = 100000, .chunk = 777, .owes_finish = true};
    end_listen(&net, &server);
    CHECK_EQ(puppet_nth(&server.puppet, LEAT_EVENT_OPENED, 0).opened.cookie, 4711);
    CHECK_EQ(server.local.port != 0, !net_is_unix(&net));
    end_connect(&net, &client, &server);
    AWAIT(&net, client.closed == 1 && server.closed == 1);
    CHECK_EQ(client.opened_status, 0);
    CHECK_EQ(server.accepted, 1);
    CHECK_EQ(server.given, 1);
    CHECK_EQ(puppet_nth(&server.puppet, LEAT_EVENT_GIVEN, 0).given.cookie, 4712);
    CHECK_EQ(server.received, 100000);
    CHECK_EQ(client.received, 100000);
    CHECK_EQ(client.finished, 1);
    CHECK_EQ(server.finished, 1);
    CHECK_EQ(client.closed_status, 0);
    CHECK_EQ(server.closed_status, 0);
    if (!net_is_unix(&net)) {
        struct leat_addr peer =
            puppet_nth(&server.puppet, LEAT_EVENT_ACCEPTED, 0).accepted.peer;
        CHECK(leat_addr_equal(&peer, &client.local));
    }
    CHECK_EQ(net_sockets(&net), 1);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

STREAMS(half_close_by_either_side)
{
    for (int first = 0; first < 2; first++) {
        struct net net;
        struct leat_config config = net_config(io);
        net_open(&net, &config, kind);
        /* Who finishes first is still given all that the other one has to say. */
        struct end server = {.finishes = first == 0};
        struct end client = {.want = first == 0 ? 10 : 300000, .finishes = first == 1};
        client.owes_finish = first == 0;
        end_listen(&net, &server);
        server.sock = LEAT_SOCK_NONE;
        server.want = first == 0 ? 300000 : 10;
        server.owes_finish = first == 1;
        end_connect(&net, &client, &server);
        AWAIT(&net, client.closed == 1 && server.closed == 1);
        CHECK_EQ(client.received, server.want);
        CHECK_EQ(server.received, client.want);
        CHECK_EQ(client.finished + server.finished, 2);
        CHECK_EQ(client.closed_status, 0);
        CHECK_EQ(server.closed_status, 0);
        net_close(&net);
        end_free(&server);
        end_free(&client);
    }
}

STREAMS(short_writes_arrive_in_order)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {.echoes = true, .finishes = true};
    struct end client = {.want = 3000, .chunk = 1, .owes_finish = true};
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.closed == 1 && server.closed == 1);
    CHECK_EQ(client.received, 3000);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

STREAMS(close_sends_what_is_queued)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    /* The echo meets a socket that is closed already: what was written before arrives all the same. */
    struct end server = {.echoes = true};
    struct end client = {.chunk = 50000};
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.opened == 1 && server.given == 1);
    for (int i = 0; i < 4; i++) {
        leat_output_write(puppet_put(&client.puppet), client.sock,
                          pattern_body((uint64_t)i * 50000, 50000));
    }
    leat_output_close(puppet_put(&client.puppet), client.sock);
    leat_output_write(puppet_put(&client.puppet), client.sock, pattern_body(0, 10));
    net_poke(&net, &client.puppet);
    AWAIT(&net, client.closed == 1 && server.received == 200000 && server.finished == 1);
    CHECK_EQ(client.closed_status, 0);
    CHECK_EQ(client.puppet.refusals_len, 1);
    CHECK_EQ(client.puppet.refusals[0].status, -EBADF);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* ---- ends that are not orderly ---- */

STREAMS(reset_at_any_point)
{
    for (uint32_t turns = 0; turns < 12; turns++) {
        struct net net;
        struct leat_config config = net_config(io);
        config.seed = turns + 1;
        net_open(&net, &config, kind);
        struct end server = {.echoes = true};
        struct end client = {.want = UINT64_MAX, .chunk = 600};
        end_listen(&net, &server);
        end_connect(&net, &client, &server);
        AWAIT(&net, client.opened == 1 && server.given == 1);
        for (uint32_t i = 0; i < turns; i++) {
            net_turn(&net);
        }
        client.want = 0;
        leat_output_close(puppet_put(&client.puppet), client.sock);
        client.puppet.outputs[client.puppet.outputs_len - 1].options = LEAT_STREAM_RESET;
        net_poke(&net, &client.puppet);
        AWAIT(&net, client.closed == 1 && server.closed == 1);
        CHECK_EQ(client.closed_status, 0);
        bool is_reset = server.closed_status == -ECONNRESET || server.closed_status == -EPIPE;
        CHECK(is_reset || net_is_unix(&net)); /* a Unix socket knows no reset */
        CHECK_EQ(net_sockets(&net), 1);
        net_close(&net);
        end_free(&server);
        end_free(&client);
    }
}

STREAMS(refused_where_nobody_listens)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    struct end client = {0};
    end_listen(&net, &server);
    leat_output_close(puppet_put(&server.puppet), server.listener);
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.closed == 1);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.opened == 1);
    bool is_refused = client.opened_status == -ECONNREFUSED ||
                      (kind == KIND_UNIX && client.opened_status == -ENOENT);
    CHECK(is_refused);
    CHECK_EQ(net_sockets(&net), 0);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* A listener whose queue is full does not answer. */
STREAMS(connect_has_a_deadline)
{
    enum { CLIENTS = 6 };
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    static struct end clients[CLIENTS];
    memset(clients, 0, sizeof(clients));
    end_spawn(&net, &server);
    put_listen(&server)->listen.backlog = 1;
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.opened == 1);
    leat_output_pause(puppet_put(&server.puppet), server.sock);
    net_poke(&net, &server.puppet);
    unsigned timeouts = 0;
    for (int i = 0; i < CLIENTS; i++) {
        end_spawn(&net, &clients[i]);
        put_connect(&clients[i], &server)->connect.timeout_ns = 300 * LEAT_MS;
        net_poke(&net, &clients[i].puppet);
    }
    for (int i = 0; i < CLIENTS; i++) {
        AWAIT(&net, clients[i].opened == 1);
        timeouts += clients[i].opened_status == -ETIMEDOUT;
        CHECK(clients[i].opened_status == 0 || clients[i].opened_status == -ETIMEDOUT);
    }
    /* What was accepted waits at the socket, and is bounded: with few it is all of it. */
    CHECK(timeouts > 0 || server.puppet.seen_len > 0);
    net_close(&net);
    end_free(&server);
    for (int i = 0; i < CLIENTS; i++) {
        end_free(&clients[i]);
    }
}

STREAMS(an_address_in_use)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    struct end other = {0};
    end_listen(&net, &server);
    end_spawn(&net, &other);
    put_listen(&other)->listen.local = server.local;
    net_poke(&net, &other.puppet);
    AWAIT(&net, other.opened == 1);
    CHECK_EQ(other.opened_status, -EADDRINUSE);
    net_close(&net);
    CHECK(lines_have(&net.rig.lines, "cannot listen on"));
    end_free(&server);
    end_free(&other);
}

/* The status of a listener there, opened with `options`. */
static int listen_at(struct net *net, struct end *end, const struct leat_addr *local,
                     uint32_t options)
{
    end_spawn(net, end);
    struct leat_output *out = put_listen(end);
    out->listen.local = *local;
    out->options = options;
    net_poke(net, &end->puppet);
    AWAIT(net, end->opened == 1);
    return end->opened_status;
}

STREAMS(the_first_to_share_an_address)
{
    if (kind == KIND_UNIX || kind == KIND_ABSTRACT) {
        return; /* a path is not shared */
    }
    const uint32_t shared = LEAT_STREAM_REUSEPORT, first = LEAT_STREAM_REUSEPORT_FIRST;
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    const struct leat_addr any = net_addr(&net, 0);
    struct end ends[5];
    memset(ends, 0, sizeof(ends));
    CHECK_EQ(listen_at(&net, &ends[0], &any, first), 0);
    const struct leat_addr local = ends[0].local;
    CHECK_EQ(listen_at(&net, &ends[1], &local, shared), 0);
    CHECK_EQ(listen_at(&net, &ends[2], &local, first), -EADDRINUSE);
    CHECK_EQ(listen_at(&net, &ends[3], &local, 0), -EADDRINUSE);
    CHECK_EQ(listen_at(&net, &ends[4], &local, shared), 0);
    net_close(&net);
    for (int i = 0; i < 5; i++) {
        end_free(&ends[i]);
    }
}

/* ---- what may not be done ---- */

STREAMS(refusals)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    struct end client = {0};
    struct puppet *own = &server.puppet;
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.opened == 1 && server.given == 1);
    leat_output_write(puppet_put(own), server.listener, pattern_body(0, 1));
    leat_output_give(puppet_put(own), server.listener, server.puppet.ref, 0);
    leat_output_finish(puppet_put(own), server.listener);
    leat_output_finish(puppet_put(own), client.sock);
    leat_output_give(puppet_put(own), client.sock, server.puppet.ref, 0);
    leat_output_pause(puppet_put(own), (leat_sock){.id = client.sock.id + 77});
    leat_output_give(puppet_put(own), server.sock, (leat_ref){.id = UINT64_MAX / 2}, 0);
    struct leat_addr peer = net_addr(&net, 1);
    leat_output_route(puppet_put(own), server.sock, &peer, client.puppet.ref);
    leat_output_finish(puppet_put(own), server.sock);
    leat_output_write(puppet_put(own), server.sock, pattern_body(0, 1));
    static const int expected[] = {-EINVAL, -EINVAL, -EINVAL, -EPERM, -EPERM,
                                   -EBADF,  -ESRCH,  -EINVAL, -EPIPE};
    net_poke(&net, own);
    AWAIT(&net, client.finished == 1);
    REQUIRE(own->refusals_len == sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < own->refusals_len; i++) {
        CHECK_EQ(own->refusals[i].status, expected[i]);
    }
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* ---- backpressure ---- */

static uint64_t pool_bytes(struct net *net)
{
    struct leat_worker_stats stats;
    leat_stats_workers(net->rig.runtime, &stats, 1);
    return stats.pool_bytes;
}

/* Who does not read makes the writer stop, and nothing is lost. */
STREAMS(a_slow_reader_stops_the_writer)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {.echoes = false};
    struct end client = {.want = UINT64_MAX, .chunk = 10000};
    end_spawn(&net, &server);
    put_listen(&server)->listen.recv_buf = 65536;
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.opened == 1);
    end_connect(&net, &client, &server);
    AWAIT(&net, server.given == 1 && server.received > 0);
    leat_output_pause(puppet_put(&server.puppet), server.sock);
    net_poke(&net, &server.puppet);
    AWAIT(&net, client.is_full);
    net_pass(&net, 200 * LEAT_MS);
    uint64_t written = client.written;
    uint64_t received = server.received;
    uint64_t bytes = pool_bytes(&net);
    net_pass(&net, 100 * LEAT_MS);
    CHECK_EQ(server.received, received); /* not a byte after PAUSE */
    CHECK(client.written <= written + 10000);
    CHECK(pool_bytes(&net) <= bytes);
    CHECK(client.is_full);
    client.want = client.written + 100000;
    client.owes_finish = true;
    leat_output_resume(puppet_put(&server.puppet), server.sock);
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.finished == 1);
    CHECK_EQ(server.received, client.want);
    CHECK(client.writable > 0);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* The same where the outputs wait: the drain is parked, no input is given meanwhile. */
STREAMS(a_full_queue_parks_the_drain)
{
    struct net net;
    struct leat_config config = net_config(io);
    config.send_wait_ns = 10 * LEAT_SEC;
    config.stream_queue_max = 20000;
    net_open(&net, &config, kind);
    struct end server = {0};
    struct end client = {0};
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.opened == 1 && server.given == 1);
    leat_output_pause(puppet_put(&server.puppet), server.sock);
    net_poke(&net, &server.puppet);
    enum { BODIES = 600, LEN = 15000 };
    for (uint64_t i = 0; i < BODIES; i++) {
        leat_output_write(puppet_put(&client.puppet), client.sock, pattern_body(i * LEN, LEN));
        leat_output_wait(&client.puppet.outputs[client.puppet.outputs_len - 1]);
    }
    net_poke(&net, &client.puppet);
    net_pass(&net, 100 * LEAT_MS);
    CHECK(client.puppet.popped < client.puppet.outputs_len);
    leat_output_resume(puppet_put(&server.puppet), server.sock);
    net_poke(&net, &server.puppet);
    AWAIT(&net, server.received == (uint64_t)BODIES * LEN);
    CHECK_EQ(client.puppet.refusals_len, 0);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}

/* ---- accepting and giving ---- */

STREAMS(nothing_is_read_before_it_is_given)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {.keeps = true};
    struct end child = {0};
    struct end client = {.want = 5000, .owes_finish = true};
    end_spawn(&net, &child);
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, server.accepted == 1);
    net_pass(&net, 30 * LEAT_MS);
    CHECK_EQ(server.received, 0);
    leat_output_give(puppet_put(&server.puppet), server.sock, child.puppet.ref, 9);
    net_poke(&net, &server.puppet);
    AWAIT(&net, child.finished == 1);
    CHECK_EQ(child.received, 5000);
    CHECK_EQ(child.given, 1);
    CHECK_EQ(server.received, 0);
    net_close(&net);
    end_free(&server);
    end_free(&child);
    end_free(&client);
}

/* What waits when a connection changes hands is the new owner's. */
STREAMS(what_waits_goes_along)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    struct end child = {0};
    struct end client = {0};
    end_spawn(&net, &child);
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, server.given == 1 && client.opened == 1);
    leat_output_pause(puppet_put(&server.puppet), server.sock);
    net_poke(&net, &server.puppet);
    client.want = 40000;
    client.owes_finish = true;
    net_poke(&net, &client.puppet);
    net_pass(&net, 30 * LEAT_MS);
    child.received = server.received; /* the pattern goes on from there */
    leat_output_give(puppet_put(&server.puppet), server.sock, child.puppet.ref, 9);
    net_poke(&net, &server.puppet);
    AWAIT(&net, child.finished == 1);
    CHECK_EQ(child.received, 40000);
    CHECK_EQ(server.finished, 0);
    net_close(&net);
    end_free(&server);
    end_free(&child);
    end_free(&client);
}

STREAMS(members_of_a_group_own_connections)
{
    enum { MEMBERS = 3 };
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    static struct end members[MEMBERS];
    static struct end clients[MEMBERS];
    memset(members, 0, sizeof(members));
    memset(clients, 0, sizeof(clients));
    leat_ref group;
    CHECK_EQ(leat_spawn_group(net.rig.controller, &puppet_behavior, MEMBERS, 0, &group), 0);
    end_listen(&net, &server);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i] = (struct end){.net = &net, .echoes = true, .finishes = true};
        members[i].puppet.on_event = end_event;
        members[i].puppet.on_refused = end_refused;
        members[i].puppet.context = &members[i];
        struct puppet *puppet = &members[i].puppet;
        CHECK_EQ(leat_spawn_member(net.rig.controller, group, &puppet, sizeof(puppet), i), 0);
        AWAIT(&net, members[i].puppet.inits == 1);
        server.give_to = members[i].puppet.ref;
        clients[i] = (struct end){.want = 60000, .owes_finish = true};
        end_connect(&net, &clients[i], &server);
        AWAIT(&net, server.accepted == i + 1 && members[i].given == 1);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        AWAIT(&net, clients[i].closed == 1 && members[i].closed == 1);
        CHECK_EQ(clients[i].received, 60000);
        CHECK_EQ(members[i].closed_status, 0);
    }
    net_close(&net);
    end_free(&server);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        end_free(&members[i]);
        end_free(&clients[i]);
    }
}

STREAMS(a_listener_dies)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    struct end child = {.echoes = true};
    struct end given = {.want = 1000};
    struct end kept = {0};
    end_spawn(&net, &child);
    end_listen(&net, &server);
    server.give_to = child.puppet.ref;
    end_connect(&net, &given, &server);
    AWAIT(&net, child.given == 1);
    server.keeps = true;
    end_connect(&net, &kept, &server);
    AWAIT(&net, server.accepted == 2 && kept.opened == 1);
    CHECK_EQ(leat_kill(net.rig.controller, server.puppet.ref), 0);
    AWAIT(&net, kept.closed == 1 || kept.finished == 1);
    AWAIT(&net, given.received == 1000); /* which lives on */
    given.want = 3000;
    net_poke(&net, &given.puppet);
    AWAIT(&net, given.received == 3000);
    CHECK_EQ(given.closed, 0);
    net_close(&net);
    end_free(&server);
    end_free(&child);
    end_free(&given);
    end_free(&kept);
}

/* The owner is killed in each state that a connection may be in. */
STREAMS(an_owner_dies_in_any_state)
{
    for (int state = 0; state < 8; state++) {
        struct net net;
        struct leat_config config = net_config(io);
        net_open(&net, &config, kind);
        struct end server = {.echoes = state == 3};
        struct end client = {.want = state >= 2 ? 400000 : 0, .owes_finish = state == 4};
        end_listen(&net, &server);
        end_spawn(&net, &client);
        put_connect(&client, &server);
        if (state == 0) { /* connecting, or listening */
            leat_output_listen(puppet_put(&client.puppet), NULL, 1);
            client.puppet.outputs[client.puppet.outputs_len - 1].path = "@leat-test-never-told";
        }
        CHECK_EQ(leat_send(net.rig.controller, client.puppet.ref, POKE, NULL, 0), 0);
        for (int i = 0; i < state; i++) {
            net_turn(&net);
        }
        if (state >= 5 && client.sock.id != 0) { /* closing; paused; what waits */
            struct end *victim = state == 5 ? &client : &server;
            leat_output_pause(puppet_put(&victim->puppet), victim->sock);
            if (state != 6) {
                leat_output_close(puppet_put(&victim->puppet), victim->sock);
            }
            net_poke(&net, &victim->puppet);
        }
        CHECK_EQ(leat_kill(net.rig.controller,
                           state % 2 == 0 ? client.puppet.ref : server.puppet.ref),
                 0);
        net_pass(&net, 20 * LEAT_MS);
        net_close(&net);
        leat_buf_unref(server.kept.buf);
        server.kept.buf = NULL;
        end_free(&server);
        end_free(&client);
    }
}

/* A descriptor is used again: 10,000 connections on few of them. */
STREAMS(many_connections_come_and_go)
{
    enum { CLIENTS = 20, ROUNDS = 125 }; /* x 4 kinds = 10,000 */
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {.echoes = true};
    static struct end clients[CLIENTS];
    memset(clients, 0, sizeof(clients));
    end_listen(&net, &server);
    for (int i = 0; i < CLIENTS; i++) {
        end_spawn(&net, &clients[i]);
    }
    unsigned closed = 0;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            struct end *client = &clients[i];
            client->sock = LEAT_SOCK_NONE;
            client->received = client->written = 0;
            client->want = round % 3 == 0 ? 100 : 0;
            client->opened = client->closed = 0;
            put_connect(client, &server);
            CHECK_EQ(leat_send(net.rig.controller, client->puppet.ref, POKE, NULL, 0), 0);
        }
        for (int i = 0; i < CLIENTS; i++) {
            AWAIT(&net, clients[i].opened == 1);
            REQUIRE(clients[i].opened_status == 0);
            leat_output_close(puppet_put(&clients[i].puppet), clients[i].sock);
            clients[i].puppet.outputs[clients[i].puppet.outputs_len - 1].options =
                LEAT_STREAM_RESET; /* no TIME_WAIT */
            CHECK_EQ(leat_send(net.rig.controller, clients[i].puppet.ref, POKE, NULL, 0), 0);
        }
        for (int i = 0; i < CLIENTS; i++) {
            AWAIT(&net, clients[i].closed == 1);
        }
        closed += CLIENTS;
        server.received = 0;
        server.bad = 0; /* of several connections */
        server.puppet.refusals_len = 0;
        AWAIT(&net, server.closed == closed);
    }
    CHECK_EQ(server.accepted, CLIENTS * ROUNDS);
    CHECK_EQ(net_sockets(&net), 1);
    CHECK(count_fds() < net.fds + 100);
    net_close(&net);
    end_free(&server);
    for (int i = 0; i < CLIENTS; i++) {
        end_free(&clients[i]);
    }
}

/* An actor may write and end: what it wrote arrives. */
STREAMS(the_last_words_of_an_actor)
{
    struct net net;
    struct leat_config config = net_config(io);
    net_open(&net, &config, kind);
    struct end server = {0};
    struct end client = {0};
    end_listen(&net, &server);
    end_connect(&net, &client, &server);
    AWAIT(&net, client.opened == 1 && server.given == 1);
    leat_output_write(puppet_put(&client.puppet), client.sock, pattern_body(0, 200000));
    leat_output_stop(puppet_put(&client.puppet));
    net_poke(&net, &client.puppet);
    AWAIT(&net, server.finished == 1);
    CHECK_EQ(server.received, 200000);
    CHECK_EQ(server.closed, 0);
    net_close(&net);
    end_free(&server);
    end_free(&client);
}
