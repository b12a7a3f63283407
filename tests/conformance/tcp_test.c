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
