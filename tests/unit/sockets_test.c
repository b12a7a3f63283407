/* Sockets as actors see them, on every backend. One worker, which the test drives itself, so that it
 * may look into its puppets in between. */
#include <sys/resource.h>
#include <unistd.h>

#include "helpers.h"
#include "sched.h"

static const struct leat_behavior box_of_1 = PUPPET_BEHAVIOR("box_of_1", 1);

/* ---- a runtime driven by hand ---- */

static struct leat_config net_config(size_t backend)
{
    struct leat_config config = leat_config_default();
    config.workers = 1;
    config.io = backend_name(backend);
    return config;
}

static void net_open(struct rig *rig, const struct leat_config *config)
{
    struct leat_config own = *config;
    memset(rig, 0, sizeof(*rig));
    pthread_mutex_init(&rig->lines.lock, NULL);
    own.log = lines_add;
    own.log_context = &rig->lines;
    REQUIRE(leat_runtime_open(&own, &rig->runtime) == 0);
    REQUIRE(leat_controller_open(rig->runtime, &rig->controller) == 0);
}

/* Some turns of the loop; in simulation the next two milliseconds. */
static void net_turn(struct rig *rig)
{
    if (rig->runtime->world != NULL) {
        rig_run(rig, 2 * LEAT_MS);
        return;
    }
    struct worker *worker = rig->runtime->workers[0];
    worker_enter(worker);
    for (int i = 0; i < 4; i++) {
        worker_round(worker, worker_is_ready(worker)
                                 ? 0
                                 : leat_controller_now(rig->controller) + 200 * LEAT_US);
    }
    worker_leave(worker);
}

/* Until the puppet has been given n of these. */
static bool net_await(struct rig *rig, const struct puppet *puppet, enum leat_event_kind kind,
                      size_t n)
{
    for (int i = 0; i < 3000 && puppet_count(puppet, kind) < n; i++) {
        net_turn(rig);
    }
    CHECK_EQ(puppet_count(puppet, kind), n);
    return puppet_count(puppet, kind) == n;
}

static void net_close(struct rig *rig)
{
    leat_runtime_stop(rig->runtime);
    leat_controller_close(rig->controller);
    CHECK_EQ(leat_runtime_close(rig->runtime), 0);
    free(rig->got);
}

static void net_poke(struct rig *rig, const struct puppet *puppet)
{
    CHECK_EQ(leat_send(rig->controller, puppet->ref, POKE, NULL, 0), 0);
    net_turn(rig);
}

/* ---- an actor with a socket ---- */

struct end {
    struct puppet puppet;
    leat_sock sock;
    struct leat_addr local;
    char text[256][16]; /* of each datagram received */
    uint32_t segment_size[256];
    struct leat_addr peer[256];
    size_t received; /* inputs */
    size_t bytes;
    bool has_local;
    bool echoes;
    leat_ref route_to; /* whom the first datagram's peer is routed to */
};

static leat_slice body_of(const void *bytes, uint32_t len)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(len, &body), 0);
    if (bytes != NULL) {
        memcpy(leat_slice_data(body), bytes, len);
    } else {
        memset(leat_slice_data(body), 'x', len);
    }
    return body;
}

static void end_data(struct end *end, const struct leat_event *event)
{
    size_t at = end->received++ % 256;
    uint32_t len = event->body.len < 15 ? event->body.len : 15;
    memcpy(end->text[at], leat_slice_data(event->body), len);
    end->text[at][len] = '\0';
    end->segment_size[at] = event->segment_size;
    end->peer[at] = event->data.peer;
    end->bytes += event->body.len;
    const struct leat_addr *local = leat_event_local(event);
    end->has_local = local != NULL && memcmp(local->ip, end->local.ip, 16) == 0;
    if (end->echoes) {
        leat_output_reply(puppet_put(&end->puppet), event, leat_slice_ref(event->body));
    }
    if (end->route_to.id != 0) {
        leat_output_route(puppet_put(&end->puppet), event->sock, &event->data.peer, end->route_to);
        end->route_to = LEAT_REF_NONE;
    }
}

static void end_event(struct puppet *self, const struct leat_event *event)
{
    struct end *end = self->context;
    if (event->kind == LEAT_EVENT_OPENED && event->status == 0) {
        end->sock = event->sock;
        end->local = event->opened.local;
    } else if (event->kind == LEAT_EVENT_DATA) {
        end_data(end, event);
    }
}

static void end_spawn(struct rig *rig, struct end *end)
{
    memset(end, 0, sizeof(*end));
    end->puppet.on_event = end_event;
    end->puppet.context = end;
    rig_spawn(rig, &end->puppet);
    net_turn(rig);
}

static struct leat_output *put_open(struct end *end, uint16_t port, uint32_t flags)
{
    struct leat_addr local;
    leat_addr_from_host("127.0.0.1", port, &local);
    struct leat_output *out = puppet_put(&end->puppet);
    leat_output_open(out, &local, 4711);
    out->open.flags = flags;
    return out;
}

/* With a socket. */
static void end_open(struct rig *rig, struct end *end, uint32_t flags)
{
    end_spawn(rig, end);
    put_open(end, 0, flags);
    net_poke(rig, &end->puppet);
    net_await(rig, &end->puppet, LEAT_EVENT_OPENED, 1);
}

static struct leat_output *put_data(struct end *from, const struct end *to, const char *text)
{
    struct leat_output *out = puppet_put(&from->puppet);
    leat_output_data(out, from->sock, &to->local, body_of(text, (uint32_t)strlen(text)));
    return out;
}

static void end_free(struct end *end)
{
    puppet_free(&end->puppet);
}

static uint64_t sockets_open(struct rig *rig)
{
    struct leat_worker_stats stats;
    leat_stats_workers(rig->runtime, &stats, 1);
    return stats.sockets;
}

/* ---- open and close ---- */

TEST(sockets, open_and_close)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end end;
        net_open(&rig, &config);
        end_open(&rig, &end, 0);
        struct leat_event opened = puppet_nth(&end.puppet, LEAT_EVENT_OPENED, 0);
        CHECK_EQ(opened.status, 0);
        CHECK_EQ(opened.opened.cookie, 4711);
        CHECK(opened.opened.local.port != 0);
        CHECK_EQ(sockets_open(&rig), 1);
        leat_output_close(puppet_put(&end.puppet), end.sock);
        leat_output_close(puppet_put(&end.puppet), end.sock); /* it is closing already */
        put_data(&end, &end, "too late");
        leat_output_route(puppet_put(&end.puppet), end.sock, &end.local, end.puppet.ref);
        net_poke(&rig, &end.puppet);
        net_await(&rig, &end.puppet, LEAT_EVENT_SOCK_CLOSED, 1);
        struct leat_event closed = puppet_nth(&end.puppet, LEAT_EVENT_SOCK_CLOSED, 0);
        CHECK_EQ(closed.status, 0);
        CHECK(leat_sock_equal(closed.sock, end.sock));
        CHECK_EQ(end.puppet.refusals_len, 3);
        for (size_t i = 0; i < end.puppet.refusals_len; i++) {
            CHECK_EQ(end.puppet.refusals[i].status, -EBADF);
        }
        leat_sock stale = end.sock;
        put_open(&end, 0, 0); /* in the same place */
        net_poke(&rig, &end.puppet);
        net_await(&rig, &end.puppet, LEAT_EVENT_OPENED, 2);
        CHECK(!leat_sock_equal(stale, end.sock));
        leat_output_close(puppet_put(&end.puppet), stale);
        net_poke(&rig, &end.puppet);
        CHECK_EQ(end.puppet.refusals_len, 4);
        CHECK_EQ(sockets_open(&rig), 1);
        net_close(&rig);
        end_free(&end);
    }
}

TEST(sockets, a_port_in_use)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end first, second;
        net_open(&rig, &config);
        end_open(&rig, &first, 0);
        end_spawn(&rig, &second);
        put_open(&second, first.local.port, 0);
        net_poke(&rig, &second.puppet);
        net_await(&rig, &second.puppet, LEAT_EVENT_OPENED, 1);
        struct leat_event opened = puppet_nth(&second.puppet, LEAT_EVENT_OPENED, 0);
        CHECK_EQ(opened.status, -EADDRINUSE);
        CHECK(leat_sock_equal(opened.sock, LEAT_SOCK_NONE));
        CHECK_EQ(opened.opened.cookie, 4711);
        char text[64];
        snprintf(text, sizeof(text), "cannot open UDP 127.0.0.1:%u: ", first.local.port);
        CHECK(lines_have(&rig.lines, text));
        CHECK(lines_have(&rig.lines, "choose another port"));
        CHECK_EQ(sockets_open(&rig), 1);
        net_close(&rig);
        end_free(&first);
        end_free(&second);
    }
}

TEST(sockets, an_ended_actor_leaves_none_behind)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end first, second, quick;
        net_open(&rig, &config);
        end_open(&rig, &first, 0);
        leat_kill(rig.controller, first.puppet.ref);
        net_turn(&rig);
        net_turn(&rig);
        CHECK_EQ(sockets_open(&rig), 0);
        end_spawn(&rig, &second);
        put_open(&second, first.local.port, 0); /* free again */
        net_poke(&rig, &second.puppet);
        net_await(&rig, &second.puppet, LEAT_EVENT_OPENED, 1);
        CHECK_EQ(puppet_nth(&second.puppet, LEAT_EVENT_OPENED, 0).status, 0);
        end_spawn(&rig, &quick);
        put_open(&quick, 0, 0);
        put_open(&quick, first.local.port, 0);       /* in use */
        leat_output_stop(puppet_put(&quick.puppet)); /* before it is open */
        net_poke(&rig, &quick.puppet);
        net_turn(&rig);
        CHECK_EQ(quick.puppet.finis, 1);
        CHECK_EQ(sockets_open(&rig), 1);
        net_close(&rig);
        end_free(&first);
        end_free(&second);
        quick.puppet.violations = 0;
        end_free(&quick);
    }
}

/* ---- data ---- */

TEST(sockets, echo)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end server, client;
        net_open(&rig, &config);
        end_open(&rig, &server, 0);
        end_open(&rig, &client, 0);
        server.echoes = true;
        for (int i = 0; i < 50; i++) {
            char text[32];
            snprintf(text, sizeof(text), "datagram %d", i);
            put_data(&client, &server, text);
        }
        put_data(&client, &server, ""); /* empty ones count too */
        net_poke(&rig, &client.puppet);
        net_await(&rig, &client.puppet, LEAT_EVENT_DATA, 51);
        bool seen[50] = {false};
        for (size_t i = 0; i < 51; i++) { /* between two sockets in order; delays may differ */
            int number = -1;
            CHECK(leat_addr_equal(&client.peer[i], &server.local));
            if (sscanf(client.text[i], "datagram %d", &number) == 1) {
                CHECK(number >= 0 && number < 50 && !seen[number]);
                seen[number] = true;
            } else {
                CHECK_STR(client.text[i], "");
            }
        }
        CHECK(server.has_local);
        struct leat_worker_stats stats;
        leat_stats_workers(rig.runtime, &stats, 1);
        CHECK_EQ(stats.sent_datagrams, 102);
        CHECK_EQ(stats.recv_datagrams, 102);
        CHECK_EQ(stats.recv_dropped, 0);
        net_close(&rig);
        end_free(&server);
        end_free(&client);
    }
}

TEST(sockets, trains)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end single, trains, client;
        uint8_t bytes[1050];
        config.sim.delay_min_ns = config.sim.delay_max_ns = LEAT_US;
        net_open(&rig, &config);
        end_open(&rig, &single, 0);
        end_open(&rig, &trains, LEAT_UDP_TRAINS);
        end_open(&rig, &client, 0);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)('a' + i / 100);
        }
        struct end *const to[] = {&single, &trains};
        for (size_t i = 0; i < 2; i++) {
            struct leat_output *out = puppet_put(&client.puppet);
            leat_output_data(out, client.sock, &to[i]->local, body_of(bytes, sizeof(bytes)));
            out->segment_size = 100;
        }
        net_poke(&rig, &client.puppet);
        net_await(&rig, &single.puppet, LEAT_EVENT_DATA, 11);
        for (size_t i = 0; i < 11; i++) { /* one input each */
            CHECK_EQ(single.segment_size[i], 0);
            CHECK_EQ(single.text[i][0], 'a' + (int)i);
        }
        CHECK_EQ(single.bytes, sizeof(bytes));
        for (int i = 0; i < 2000 && trains.bytes < sizeof(bytes); i++) {
            net_turn(&rig);
        }
        CHECK_EQ(trains.bytes, sizeof(bytes));
        char next = 'a';
        for (size_t i = 0; i < trains.received; i++) {
            CHECK_EQ(trains.text[i][0], next);
            CHECK(trains.segment_size[i] == 0 || trains.segment_size[i] == 100);
            next = (char)(next + (trains.segment_size[i] == 0 ? 1 : 0));
            if (trains.segment_size[i] !=
                0) { /* how many it brought is not kept: look at the next */
                next = i + 1 < trains.received ? trains.text[i + 1][0] : next;
            }
        }
        net_close(&rig);
        end_free(&single);
        end_free(&trains);
        end_free(&client);
    }
}

TEST(sockets, one_body_to_many)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end sender, receivers[5];
        struct leat_addr peers[5];
        net_open(&rig, &config);
        end_open(&rig, &sender, 0);
        for (size_t i = 0; i < 5; i++) {
            end_open(&rig, &receivers[i], 0);
            peers[i] = receivers[i].local;
        }
        leat_slice body = body_of("for all", 7);
        struct leat_output *out = puppet_put(&sender.puppet);
        leat_output_clear(out, LEAT_OUTPUT_DATA_MANY);
        out->sock = sender.sock;
        out->data_many.body = leat_slice_ref(body);
        out->data_many.peers = peers;
        out->data_many.peers_len = 5;
        out = puppet_put(&sender.puppet); /* to nobody */
        *out = sender.puppet.outputs[sender.puppet.outputs_len - 2];
        out->data_many.body = leat_slice_ref(body);
        out->data_many.peers_len = 0;
        net_poke(&rig, &sender.puppet);
        for (size_t i = 0; i < 5; i++) {
            net_await(&rig, &receivers[i].puppet, LEAT_EVENT_DATA, 1);
            CHECK_STR(receivers[i].text[0], "for all");
        }
        CHECK_EQ(sender.puppet.refusals_len, 0);
        net_turn(&rig);
        CHECK(leat_buf_is_sole(body.buf));
        leat_buf_unref(body.buf);
        net_close(&rig);
        end_free(&sender);
        for (size_t i = 0; i < 5; i++) {
            end_free(&receivers[i]);
        }
    }
}

TEST(sockets, too_large_and_what_no_socket_sends)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end end;
        net_open(&rig, &config);
        end_open(&rig, &end, 0);
        leat_output_data(puppet_put(&end.puppet), end.sock, &end.local,
                         body_of(NULL, LEAT_DATAGRAM_LEN_MAX + 1));
        leat_output_data(puppet_put(&end.puppet), end.sock, &end.local, (leat_slice){0});
        leat_slice batch; /* its bytes are addresses, which are nobody's business */
        CHECK_EQ(leat_batch_alloc(1, &batch), 0);
        CHECK_EQ(leat_batch_add(&batch, body_of(NULL, 8)), 0);
        leat_output_data(puppet_put(&end.puppet), end.sock, &end.local, batch);
        leat_output_data(puppet_put(&end.puppet), end.sock, &end.local,
                         body_of(NULL, LEAT_DATAGRAM_LEN_MAX));
        net_poke(&rig, &end.puppet);
        net_await(&rig, &end.puppet, LEAT_EVENT_DATA, 1);
        CHECK_EQ(end.bytes, LEAT_DATAGRAM_LEN_MAX); /* whole */
        REQUIRE(end.puppet.refusals_len == 3);
        CHECK_EQ(end.puppet.refusals[0].status, -EMSGSIZE);
        CHECK_EQ(end.puppet.refusals[1].status, -EINVAL);
        CHECK_EQ(end.puppet.refusals[2].status, -EINVAL);
        net_close(&rig);
        end_free(&end);
    }
}

/* ---- routes ---- */

TEST(sockets, a_route_holds_from_the_very_next_datagram)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end owner, target, client;
        config.sim.delay_min_ns = config.sim.delay_max_ns = LEAT_US;
        net_open(&rig, &config);
        end_open(&rig, &owner, 0);
        end_open(&rig, &client, 0);
        end_spawn(&rig, &target);
        target.local = owner.local;
        owner.route_to = target.puppet.ref;
        target.echoes = true;                                 /* on a socket that is not its own */
        struct leat_output *out = puppet_put(&client.puppet); /* four, received together */
        leat_output_data(out, client.sock, &owner.local, body_of("1.2.3.4.", 8));
        out->segment_size = 2;
        net_poke(&rig, &client.puppet);
        net_await(&rig, &target.puppet, LEAT_EVENT_DATA, 3);
        CHECK_EQ(owner.received, 1);
        CHECK_STR(owner.text[0], "1.");
        CHECK_STR(target.text[0], "2.");
        CHECK_STR(target.text[2], "4.");
        net_await(&rig, &client.puppet, LEAT_EVENT_DATA, 3);
        CHECK(leat_addr_equal(&client.peer[0], &owner.local));

        leat_output_route(puppet_put(&owner.puppet), owner.sock, &client.local, LEAT_REF_NONE);
        net_poke(&rig, &owner.puppet);
        put_data(&client, &owner, "5");
        net_poke(&rig, &client.puppet);
        net_await(&rig, &owner.puppet, LEAT_EVENT_DATA, 2); /* ended: the owner's again */

        leat_output_route(puppet_put(&owner.puppet), owner.sock, &client.local, target.puppet.ref);
        net_poke(&rig, &owner.puppet);
        put_data(&client, &owner, "6");
        net_poke(&rig, &client.puppet);
        net_await(&rig, &target.puppet, LEAT_EVENT_DATA, 4);
        leat_kill(rig.controller, target.puppet.ref);
        net_turn(&rig);
        put_data(&client, &owner, "7");
        net_poke(&rig, &client.puppet);
        net_await(&rig, &owner.puppet, LEAT_EVENT_DATA, 3); /* its target is dead: the same */
        CHECK_STR(owner.text[2], "7");
        net_close(&rig);
        end_free(&owner);
        end_free(&target);
        end_free(&client);
    }
}

TEST(sockets, when_the_owner_dies_targets_are_told)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        for (int how = 0; how < 2; how++) {
            struct rig rig;
            struct leat_config config = net_config(b);
            struct end owner, target, peers[3];
            net_open(&rig, &config);
            end_open(&rig, &owner, 0);
            end_spawn(&rig, &target);
            for (size_t i = 0; i < 3; i++) { /* told once, however many peers */
                end_spawn(&rig, &peers[i]);
                leat_addr_from_host("127.0.0.1", (uint16_t)(1000 + i), &peers[i].local);
                leat_output_route(puppet_put(&owner.puppet), owner.sock, &peers[i].local,
                                  target.puppet.ref);
            }
            if (how == 0) {
                leat_output_close(puppet_put(&owner.puppet), owner.sock);
            } else {
                leat_output_stop(puppet_put(&owner.puppet));
            }
            net_poke(&rig, &owner.puppet);
            net_await(&rig, &target.puppet, LEAT_EVENT_SOCK_CLOSED, 1);
            net_turn(&rig);
            struct leat_event closed = puppet_nth(&target.puppet, LEAT_EVENT_SOCK_CLOSED, 0);
            CHECK_EQ(closed.status, how == 0 ? 0 : -EPIPE);
            CHECK(leat_sock_equal(closed.sock, owner.sock));
            CHECK_EQ(puppet_count(&target.puppet, LEAT_EVENT_SOCK_CLOSED), 1);
            CHECK_EQ(puppet_count(&owner.puppet, LEAT_EVENT_SOCK_CLOSED), how == 0);
            net_close(&rig);
            end_free(&owner);
            end_free(&target);
            for (size_t i = 0; i < 3; i++) {
                end_free(&peers[i]);
            }
        }
    }
}

TEST(sockets, what_a_route_is_refused_for)
{
    struct rig rig;
    struct leat_config config = net_config(2);
    struct end owner, target;
    struct leat_addr peers[3];
    config.workers = 2;
    config.routes_max = 2;
    net_open(&rig, &config);
    end_open(&rig, &owner, 0);
    end_spawn(&rig, &target);
    struct puppet elsewhere = {0};
    rig_spawn_as(&rig, &elsewhere, &puppet_behavior, 1);
    net_turn(&rig);
    for (uint16_t i = 0; i < 3; i++) {
        leat_addr_from_host("10.0.0.1", (uint16_t)(100 + i), &peers[i]);
        leat_output_route(puppet_put(&owner.puppet), owner.sock, &peers[i], target.puppet.ref);
        owner.puppet.outputs[owner.puppet.outputs_len - 1].flags = LEAT_UDP_TRAINS;
    }
    leat_output_route(puppet_put(&owner.puppet), owner.sock, &peers[0], elsewhere.ref);
    leat_output_route(puppet_put(&target.puppet), owner.sock, &peers[0], target.puppet.ref);
    leat_output_close(puppet_put(&target.puppet), owner.sock);
    net_poke(&rig, &owner.puppet);
    net_poke(&rig, &target.puppet);
    REQUIRE(owner.puppet.refusals_len == 2);
    CHECK_EQ(owner.puppet.refusals[0].status, -ENOSPC);               /* two are the most */
    CHECK_EQ(owner.puppet.refusals[0].output.flags, LEAT_UDP_TRAINS); /* whole, as it was popped */
    CHECK_EQ(owner.puppet.refusals[0].output.full, 0);
    CHECK(leat_addr_equal(&owner.puppet.refusals[0].output.route.peer, &peers[2]));
    CHECK_EQ(owner.puppet.refusals[1].status, -ESRCH); /* lives on another worker */
    REQUIRE(target.puppet.refusals_len == 2);
    CHECK_EQ(target.puppet.refusals[0].status, -EPERM); /* the owner's to give */
    CHECK_EQ(target.puppet.refusals[1].status, -EPERM);
    net_close(&rig);
    end_free(&owner);
    end_free(&target);
    puppet_free(&elsewhere);
}

/* ---- too much, and gone wrong ---- */

TEST(sockets, a_full_queue)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        for (int full = 0; full < 2; full++) {
            struct rig rig;
            struct leat_config config = net_config(b);
            struct end client, server;
            config.send_queue_len_max = 4;
            net_open(&rig, &config);
            end_open(&rig, &server, 0);
            end_open(&rig, &client, 0);
            for (int i = 0; i < 40; i++) {
                put_data(&client, &server, "x")->full = (uint8_t)full;
            }
            net_poke(&rig, &client.puppet);
            size_t refused = client.puppet.refusals_len;
            net_await(&rig, &server.puppet, LEAT_EVENT_DATA, 40 - refused);
            for (size_t i = 0; i < refused; i++) {
                CHECK_EQ(client.puppet.refusals[i].status, -EAGAIN);
                CHECK_EQ(client.puppet.refusals[i].output.kind, LEAT_OUTPUT_DATA);
            }
            CHECK(full == LEAT_FULL_REFUSE || refused == 0);
            if (refused > 0) { /* then it is told when there is room */
                net_await(&rig, &client.puppet, LEAT_EVENT_WRITABLE, 1);
                struct leat_event event = puppet_nth(&client.puppet, LEAT_EVENT_WRITABLE, 0);
                CHECK(leat_sock_equal(event.sock, client.sock));
                CHECK(refused < 40);
            }
            if (b == 2) { /* a simulated kernel takes what it is given once a turn */
                CHECK_EQ(refused > 0, full == LEAT_FULL_REFUSE);
                CHECK_EQ(rig_stats(&rig).parks > 0, full == LEAT_FULL_WAIT);
            }
            net_close(&rig);
            end_free(&client);
            end_free(&server);
        }
    }
}

TEST(sockets, nobody_there)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end client, gone;
        net_open(&rig, &config);
        end_open(&rig, &gone, 0);
        end_open(&rig, &client, 0);
        leat_kill(rig.controller, gone.puppet.ref);
        net_turn(&rig);
        net_turn(&rig);
        put_data(&client, &gone, "hello?");
        net_poke(&rig, &client.puppet);
        net_await(&rig, &client.puppet, LEAT_EVENT_SOCK_ERROR, 1);
        struct leat_event error = puppet_nth(&client.puppet, LEAT_EVENT_SOCK_ERROR, 0);
        CHECK_EQ(error.status, -ECONNREFUSED);
        CHECK(leat_sock_equal(error.sock, client.sock));
        CHECK(leat_addr_equal(&error.error.peer, &gone.local));
        put_data(&client, &client, "still works");
        net_poke(&rig, &client.puppet);
        net_await(&rig, &client.puppet, LEAT_EVENT_DATA, 1);
        net_close(&rig);
        end_free(&client);
        end_free(&gone);
    }
}

/* An actor whose drain waits, its box full: datagrams for it are dropped and counted. */
TEST(sockets, a_full_mailbox_drops_datagrams)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        for (uint32_t flags = 0; flags <= LEAT_UDP_TRAINS; flags += LEAT_UDP_TRAINS) {
            struct rig rig;
            struct leat_config config = net_config(b);
            struct end server = {.received = 0}, client;
            struct puppet other = {0};
            config.send_wait_ns = 30 * LEAT_SEC;
            net_open(&rig, &config);
            end_open(&rig, &client, 0);
            server.puppet.on_event = end_event;
            server.puppet.context = &server;
            rig_spawn_as(&rig, &server.puppet, &box_of_1, 0);
            rig_spawn_as(&rig, &other, &box_of_1, 0);
            net_turn(&rig);
            put_open(&server, 0, flags);
            net_poke(&rig, &server.puppet);
            net_await(&rig, &server.puppet, LEAT_EVENT_OPENED, 1);
            for (uint64_t i = 0; i < 2; i++) { /* they wait for each other */
                puppet_send(&server.puppet, other.ref, 1, i)->full = LEAT_FULL_WAIT;
                puppet_send(&other, server.puppet.ref, 1, i)->full = LEAT_FULL_WAIT;
            }
            net_poke(&rig, &server.puppet);
            struct leat_output *out = puppet_put(&client.puppet);
            leat_output_data(out, client.sock, &server.local, body_of(NULL, 1000));
            out->segment_size = 100;
            net_poke(&rig, &client.puppet);
            for (int i = 0; i < 1000 && rig_stats(&rig).recv_dropped < 10; i++) {
                net_turn(&rig);
            }
            CHECK_EQ(rig_stats(&rig).recv_dropped, 10);
            leat_kill(rig.controller, other.ref);
            net_turn(&rig);
            CHECK_EQ(server.received, 0);
            put_data(&client, &server, "again");
            net_poke(&rig, &client.puppet);
            net_await(&rig, &server.puppet, LEAT_EVENT_DATA, 1);
            net_close(&rig);
            end_free(&server);
            end_free(&client);
            puppet_free(&other);
        }
    }
}

TEST(sockets, no_more_files)
{
    for (size_t b = 0; b < 2; b++) {
        struct rig rig;
        struct leat_config config = net_config(b);
        struct end end;
        struct rlimit usual, none;
        net_open(&rig, &config);
        end_spawn(&rig, &end);
        int lowest = dup(0);
        REQUIRE(lowest >= 0);
        close(lowest);
        getrlimit(RLIMIT_NOFILE, &usual);
        none = usual;
        none.rlim_cur = (rlim_t)lowest;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
        put_open(&end, 0, 0);
        net_poke(&rig, &end.puppet);
        net_turn(&rig);
        leat_runtime *second = NULL;
        struct leat_config other = config;
        other.log = lines_add;
        other.log_context = &rig.lines;
        int status = leat_runtime_open(&other, &second);
        CHECK(status == -EMFILE || status == -EINVAL); /* the latter if it is found by the probe */
        setrlimit(RLIMIT_NOFILE, &usual);
        net_await(&rig, &end.puppet, LEAT_EVENT_OPENED, 1);
        CHECK_EQ(puppet_nth(&end.puppet, LEAT_EVENT_OPENED, 0).status, -EMFILE);
        CHECK(lines_have(&rig.lines, "cannot open UDP 127.0.0.1:0: Too many open files"));
        CHECK(lines_have(&rig.lines, "raise the limit of open files (ulimit -n)"));
        char text[64];
        snprintf(text, sizeof(text),
                 status == -EMFILE ? "cannot start I/O backend %s: Too many"
                                   : "io \"%s\" cannot work here: ",
                 backend_name(b));
        CHECK(lines_have(&rig.lines, text));
        put_open(&end, 0, 0);
        net_poke(&rig, &end.puppet);
        net_await(&rig, &end.puppet, LEAT_EVENT_OPENED, 2);
        CHECK_EQ(puppet_nth(&end.puppet, LEAT_EVENT_OPENED, 1).status, 0);
        net_close(&rig);
        end_free(&end);
    }
}

TEST(sockets, killed_while_it_waits_for_a_socket)
{
    struct rig rig;
    struct leat_config config = net_config(2);
    struct end client, server;
    config.send_queue_len_max = 1;
    net_open(&rig, &config);
    end_open(&rig, &server, 0);
    end_open(&rig, &client, 0);
    for (int i = 0; i < 10; i++) {
        put_data(&client, &server, "x")->full = LEAT_FULL_WAIT;
    }
    leat_send(rig.controller, client.puppet.ref, POKE, NULL, 0);
    const struct cell *cell = registry_cell(&rig.runtime->registry, client.puppet.ref);
    while ((cell->flags & CELL_PARKED) == 0 && simulation_step(rig.runtime, LEAT_SEC)) {
    }
    CHECK((cell->flags & CELL_PARKED) != 0);
    leat_kill(rig.controller, client.puppet.ref);
    net_turn(&rig);
    CHECK_EQ(client.puppet.finis, 1);
    CHECK(client.puppet.popped < 10);
    net_close(&rig); /* finds each body freed */
    for (size_t i = client.puppet.popped; i < client.puppet.outputs_len; i++) {
        if (client.puppet.outputs[i].kind == LEAT_OUTPUT_DATA) { /* never popped: still ours */
            leat_output_release(&client.puppet.outputs[i]);
        }
    }
    end_free(&client);
    end_free(&server);
}
