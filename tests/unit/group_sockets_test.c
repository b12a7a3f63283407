/* Members that own sockets, and are named by routes. On every backend, one worker, which the test
 * drives itself. */
#include "helpers.h"
#include "sched.h"

#define MEMBERS 3u

struct end {
    struct puppet puppet;
    leat_sock sock;
    struct leat_addr local;
    struct leat_addr peer; /* of the last datagram */
    size_t received;
};

struct net {
    struct rig rig;
    leat_ref group;
    struct end members[MEMBERS];
    struct end client; /* an actor of its own */
};

/* Some turns of the loop; in simulation the next two milliseconds. */
static void net_turn(struct net *net)
{
    struct rig *rig = &net->rig;
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

static void net_await(struct net *net, const struct end *end, enum leat_event_kind kind, size_t n)
{
    for (int i = 0; i < 3000 && puppet_count(&end->puppet, kind) < n; i++) {
        net_turn(net);
    }
    CHECK_EQ(puppet_count(&end->puppet, kind), n);
}

static void end_event(struct puppet *self, const struct leat_event *event)
{
    struct end *end = self->context;
    if (event->kind == LEAT_EVENT_OPENED && event->status == 0) {
        end->sock = event->sock;
        end->local = event->opened.local;
    } else if (event->kind == LEAT_EVENT_DATA) {
        end->received++;
        end->peer = event->data.peer;
    }
}

static void net_poke(struct net *net, const struct end *end)
{
    CHECK_EQ(leat_send(net->rig.controller, end->puppet.ref, POKE, NULL, 0), 0);
    net_turn(net);
}

static void end_open(struct net *net, struct end *end)
{
    struct leat_addr local;
    leat_addr_from_host("127.0.0.1", 0, &local);
    leat_output_open(puppet_put(&end->puppet), &local, 4711);
    net_poke(net, end);
    net_await(net, end, LEAT_EVENT_OPENED, 1);
}

static void net_open_with(struct net *net, size_t backend, uint32_t send_queue_len_max)
{
    struct leat_config config = leat_config_default();
    memset(net, 0, sizeof(*net));
    config.workers = 1;
    config.io = backend_name(backend);
    config.log = NULL;
    config.send_queue_len_max = send_queue_len_max;
    REQUIRE(leat_runtime_open(&config, &net->rig.runtime) == 0);
    REQUIRE(leat_controller_open(net->rig.runtime, &net->rig.controller) == 0);
    leat_controller *controller = net->rig.controller;
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, MEMBERS, 0, &net->group), 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct puppet *arg = &net->members[i].puppet;
        arg->on_event = end_event;
        arg->context = &net->members[i];
        CHECK_EQ(leat_spawn_member(controller, net->group, &arg, sizeof(arg), i), 0);
    }
    net->client.puppet.on_event = end_event;
    net->client.puppet.context = &net->client;
    rig_spawn(&net->rig, &net->client.puppet);
    net_turn(net);
    end_open(net, &net->members[0]);
    end_open(net, &net->client);
}

static void net_open(struct net *net, size_t backend)
{
    net_open_with(net, backend, 1024);
}

static void net_close(struct net *net)
{
    leat_runtime_stop(net->rig.runtime);
    leat_controller_close(net->rig.controller);
    CHECK_EQ(leat_runtime_close(net->rig.runtime), 0);
    free(net->rig.got);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        puppet_free(&net->members[i].puppet);
    }
    puppet_free(&net->client.puppet);
}

static void put_data(struct end *from, const struct leat_addr *to)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(20, &body), 0);
    memset(leat_slice_data(body), 'x', 20);
    leat_output_data(puppet_put(&from->puppet), from->sock, to, body);
}

/* A datagram from the client to the socket of member 0. */
static void client_sends(struct net *net, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        put_data(&net->client, &net->members[0].local);
    }
    net_poke(net, &net->client);
    net_turn(net);
}

static uint64_t sockets_open(struct net *net)
{
    struct leat_worker_stats stats;
    leat_stats_workers(net->rig.runtime, &stats, 1);
    return stats.sockets;
}

TEST(group_sockets, a_member_owns_a_socket)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct net net;
        net_open(&net, b);
        struct end *owner = &net.members[0];
        CHECK_EQ(puppet_nth(&owner->puppet, LEAT_EVENT_OPENED, 0).opened.cookie, 4711);
        CHECK_EQ(sockets_open(&net), 2);
        client_sends(&net, 3);
        net_await(&net, owner, LEAT_EVENT_DATA, 3);
        CHECK_EQ(net.members[1].received + net.members[2].received, 0);
        put_data(owner, &owner->peer);
        net_poke(&net, owner);
        net_await(&net, &net.client, LEAT_EVENT_DATA, 1);
        leat_output_close(puppet_put(&net.members[1].puppet), owner->sock); /* is not its own */
        net_poke(&net, &net.members[1]);
        CHECK_EQ(net.members[1].puppet.refusals_len, 1);
        CHECK_EQ(net.members[1].puppet.refusals[0].status, -EPERM);
        leat_output_close(puppet_put(&owner->puppet), owner->sock);
        net_poke(&net, owner);
        net_await(&net, owner, LEAT_EVENT_SOCK_CLOSED, 1);
        CHECK_EQ(sockets_open(&net), 1);
        net_close(&net);
    }
}

TEST(group_sockets, a_route_names_a_member)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        struct net net;
        net_open(&net, b);
        struct end *owner = &net.members[0], *target = &net.members[2];
        client_sends(&net, 1);
        net_await(&net, owner, LEAT_EVENT_DATA, 1);
        leat_output_route(puppet_put(&owner->puppet), owner->sock, &owner->peer,
                          target->puppet.ref);
        leat_output_route(puppet_put(&owner->puppet), owner->sock, &owner->peer, net.group);
        net_poke(&net, owner);
        CHECK_EQ(owner->puppet.refusals_len, 1); /* to a group as a whole there is none */
        CHECK_EQ(owner->puppet.refusals[0].status, -ESRCH);
        client_sends(&net, 2);
        net_await(&net, target, LEAT_EVENT_DATA, 2);
        CHECK_EQ(owner->received, 1);
        target->sock = owner->sock;
        put_data(target, &target->peer); /* who is routed to may send */
        net_poke(&net, target);
        net_await(&net, &net.client, LEAT_EVENT_DATA, 1);
        leat_kill(net.rig.controller, target->puppet.ref);
        net_turn(&net);
        client_sends(&net, 1); /* the route has gone with its target */
        net_await(&net, owner, LEAT_EVENT_DATA, 2);
        leat_output_route(puppet_put(&owner->puppet), owner->sock, &owner->peer,
                          target->puppet.ref);
        net_poke(&net, owner);
        CHECK_EQ(owner->puppet.refusals_len, 2);
        net_close(&net);
    }
}

TEST(group_sockets, an_ended_member_leaves_no_socket_behind)
{
    for (size_t b = 0; b < BACKENDS_LEN; b++) {
        for (int whole = 0; whole < 2; whole++) {
            struct net net;
            net_open(&net, b);
            struct end *owner = &net.members[0];
            client_sends(&net, 1);
            net_await(&net, owner, LEAT_EVENT_DATA, 1);
            leat_output_route(puppet_put(&owner->puppet), owner->sock, &owner->peer,
                              net.members[1].puppet.ref);
            leat_output_open(puppet_put(&owner->puppet), &(struct leat_addr){0}, 1);
            net_poke(&net, owner);
            leat_stop(net.rig.controller, whole != 0 ? net.group : owner->puppet.ref);
            for (int i = 0; i < 5; i++) {
                net_turn(&net);
            }
            CHECK_EQ(owner->puppet.finis, 1);
            CHECK_EQ(sockets_open(&net), 1);
            if (whole == 0) {
                net_await(&net, &net.members[1], LEAT_EVENT_SOCK_CLOSED, 1);
                CHECK_EQ(puppet_nth(&net.members[1].puppet, LEAT_EVENT_SOCK_CLOSED, 0).status,
                         -EPIPE);
            }
            net_close(&net);
        }
    }
}

/* While the group's drain is open datagrams wait in its box, behind what came before. */
TEST(group_sockets, a_datagram_waits_for_the_walk)
{
    struct net net;
    net_open(&net, 2);
    struct end *owner = &net.members[0];
    for (int i = 0; i < 3; i++) {
        put_data(&net.client, &owner->local);
    }
    CHECK_EQ(leat_send(net.rig.controller, net.client.puppet.ref, POKE, NULL, 0), 0);
    rig_run(&net.rig, 0); /* on their way: in simulation that takes 50 us at least */
    for (int i = 0; i < 20000; i++) {
        leat_output_send(puppet_put(&net.members[1].puppet), LEAT_REF_NONE, 1, NULL, 0);
    }
    struct worker *worker = net.rig.runtime->workers[0];
    CHECK_EQ(leat_send(net.rig.controller, net.group, 7, NULL, 0), 0);
    simulation_step(net.rig.runtime, LEAT_NEVER); /* the walk is at member 1, whose drain is long */
    CHECK(net.members[1].puppet.is_open);
    sim_world_advance(net.rig.runtime->world, leat_controller_now(net.rig.controller) + LEAT_MS);
    worker_enter(worker);
    worker_round(worker, 0);
    worker_leave(worker);
    CHECK_EQ(owner->received, 0);
    net_turn(&net);
    CHECK_EQ(owner->received, 3);
    CHECK_EQ(puppet_count(&net.members[2].puppet, LEAT_EVENT_MESSAGE), 1);
    net_close(&net);
}

/* What does not fit into a socket's queue is refused, and the member told of room. */
TEST(group_sockets, a_member_hears_of_room)
{
    struct net net;
    net_open_with(&net, 2, 4);
    struct end *owner = &net.members[0];
    for (int i = 0; i < 40; i++) {
        put_data(owner, &net.client.local);
    }
    net_poke(&net, owner);
    CHECK(owner->puppet.refusals_len > 0);
    CHECK_EQ(puppet_count(&owner->puppet, LEAT_EVENT_WRITABLE), 1);
    net_await(&net, &net.client, LEAT_EVENT_DATA, 40 - owner->puppet.refusals_len);
    net_close(&net);
}

/* A member's drain waits for a socket's queue: the wait ends, or the member is killed in it. */
TEST(group_sockets, a_drain_waits_for_a_socket)
{
    for (int kill = 0; kill < 2; kill++) {
        struct net net;
        net_open_with(&net, 2, 1);
        struct end *owner = &net.members[0];
        for (int i = 0; i < 10; i++) {
            put_data(owner, &net.client.local);
            owner->puppet.outputs[owner->puppet.outputs_len - 1].full = LEAT_FULL_WAIT;
        }
        leat_send(net.rig.controller, owner->puppet.ref, POKE, NULL, 0);
        leat_send(net.rig.controller, net.group, 7, NULL, 0);
        const struct cell *cell = registry_cell(&net.rig.runtime->registry, net.group);
        while ((cell->flags & CELL_PARKED) == 0 && simulation_step(net.rig.runtime, LEAT_SEC)) {
        }
        CHECK((cell->flags & CELL_PARKED) != 0);
        CHECK_EQ(puppet_count(&net.members[2].puppet, LEAT_EVENT_MESSAGE), 0);
        if (kill != 0) {
            leat_kill(net.rig.controller, owner->puppet.ref);
        }
        net_turn(&net);
        CHECK_EQ(owner->puppet.finis, kill);
        CHECK_EQ(owner->puppet.popped < 11, kill);
        CHECK_EQ(puppet_count(&net.members[2].puppet, LEAT_EVENT_MESSAGE), 1);
        for (size_t i = owner->puppet.popped; i < owner->puppet.outputs_len; i++) {
            if (owner->puppet.outputs[i].kind == LEAT_OUTPUT_DATA) { /* never popped: still ours */
                leat_output_release(&owner->puppet.outputs[i]);
            }
        }
        net_close(&net);
    }
}
