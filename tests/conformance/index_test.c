/* A backend's index is used again: nothing that was for the one before reaches the one that has it
 * now. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "addr.h"
#include "stream_rig.h"

/* Tells its first client of every error that its UDP socket has. */
struct gateway {
    struct leat_addr at;
    leat_sock        udp, first;
    leat_ref         self;
    unsigned         accepted, errors;
};

static struct leat_addr nobody(void)
{
    struct leat_addr addr;
    REQUIRE(leat_addr_from_host("127.0.0.1", 9, &addr) == 0);
    return addr;
}

static void gateway_on_event(struct puppet *puppet, const struct leat_event *event)
{
    struct gateway *gateway = puppet->context;
    struct leat_addr to = nobody();
    leat_slice body;
    switch (event->kind) {
    case LEAT_EVENT_OPENED:
        if (event->opened.cookie == 1) {
            gateway->udp = event->sock;
        } else {
            gateway->at = event->opened.local;
        }
        break;
    case LEAT_EVENT_ACCEPTED:
        if (gateway->accepted++ == 0) {
            gateway->first = event->accepted.sock;
            leat_output_give(puppet_put(puppet), gateway->first, puppet->ref, 0);
        }
        break;
    case LEAT_EVENT_MESSAGE:
        REQUIRE(leat_buf_alloc(1, &body) == 0);
        leat_output_data(puppet_put(puppet), gateway->udp, &to, body);
        break;
    case LEAT_EVENT_SOCK_ERROR:
        gateway->errors++;
        REQUIRE(leat_buf_alloc(5, &body) == 0);
        leat_output_write(puppet_put(puppet), gateway->first, body);
        break;
    default:
        break;
    }
}

static int client_of(const struct gateway *gateway)
{
    union addr_any any;
    socklen_t len = addr_to_any(&gateway->at, AF_INET, &any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, &any.any, len) == 0);
    return fd;
}

enum { STRANGERS = 20 }; /* more than a turn accepts */

static void written_to_who_is_there(const char *io)
{
    struct net net;
    struct leat_config config = net_config(io);
    struct leat_addr local = nobody();
    struct gateway gateway = {0};
    struct puppet puppet = {.on_event = gateway_on_event, .context = &gateway};
    int strangers[STRANGERS];
    net_open(&net, &config, KIND_V4);
    local.port = 0;
    leat_output_open(puppet_put(&puppet), &local, 1);
    leat_output_listen(puppet_put(&puppet), &local, 2);
    rig_spawn_as(&net.rig, &puppet, &puppet_behavior, 0);
    AWAIT(&net, gateway.at.port != 0 && gateway.udp.id != 0);
    int first = client_of(&gateway);
    AWAIT(&net, gateway.accepted == 1);
    net_pass(&net, 5 * LEAT_MS);
    CHECK_EQ(leat_send(net.rig.controller, puppet.ref, 1, NULL, 0), 0);
    struct worker *worker = net.rig.runtime->workers[0];
    worker_enter(worker);
    worker_round(worker, 0); /* its datagram leaves with the next */
    worker_leave(worker);
    struct linger at_once = {.l_onoff = 1};
    CHECK_EQ(setsockopt(first, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(first);
    for (int i = 0; i < STRANGERS; i++) {
        strangers[i] = client_of(&gateway);
    }
    AWAIT(&net, gateway.accepted == 1 + STRANGERS && gateway.errors > 0);
    net_pass(&net, 5 * LEAT_MS);
    for (int i = 0; i < STRANGERS; i++) {
        char byte;
        CHECK(recv(strangers[i], &byte, 1, MSG_DONTWAIT) < 0);
        close(strangers[i]);
    }
    net_close(&net);
    puppet_free(&puppet);
}

TEST(index, of_a_connection_that_was_reset)
{
    for (size_t i = 0; i < BACKENDS_LEN; i++) {
        if (strcmp(backend_name(i), "sim") != 0) {
            written_to_who_is_there(backend_name(i));
        }
    }
}
