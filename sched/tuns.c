/* TUN and TAP, from outputs to operations and from completions to inputs. A packet is for the
 * owner; one that finds its mailbox full is dropped and counted, as a datagram is. Called by the
 * worker's thread. */
#include "tuns.h"

#include <errno.h>
#include <string.h>

int tun_output_open(struct sockets *sockets, struct cell *cell, const struct leat_output *output)
{
    if (output->tun_config == NULL) {
        return -EINVAL;
    }
    struct socket *socket = socket_make(sockets);
    if (socket == NULL) {
        return -ENOMEM;
    }
    socket->state = SOCKET_OPENING;
    socket->is_tun = true;
    socket->cookie = output->cookie;
    struct io_op op = {
        .kind = IO_OP_OPEN_TUN,
        .token = socket->index,
        .open_tun = {.config = output->tun_config},
    };
    int status = sockets->ops->submit(sockets->io, &op);
    if (status < 0) {
        socket_give(sockets, socket);
        return status;
    }
    socket_own(sockets, socket, cell_self(cell));
    return 0;
}

void tun_done_data(struct sockets *sockets, struct socket *socket, const struct io_done *done)
{
    struct host *host = sockets->host;
    struct leat_event event = {
        .now = host->now,
        .kind = LEAT_EVENT_DATA,
        .segment_size = done->segment_size,
        .sock = socket_id(sockets, socket),
        .tun = {.body = done->body, .offload = done->offload},
    };
    if (socket->state == SOCKET_OPEN) {
        struct cell *cell = sockets_cell(sockets, socket->owner);
        if (cell == NULL || actor_input(host, cell, socket->owner, &event) < 0) {
            host->count.recv_dropped += event_datagrams(&event);
        }
    }
    leat_buf_unref(done->body.buf);
}

static const char *advice_of(int status)
{
    switch (status) {
    case -EPERM:
        return "; CAP_NET_ADMIN is needed, or an interface that was made for this user and is "
               "configured already (ip tuntap add user); and /dev/net/tun must be writable";
    case -ENOENT:
        return "; there is no /dev/net/tun: load the module tun, or give it to the container";
    case -EBUSY:
        return "; an interface of that name is in use, or of another kind: TUN, TAP, one or "
               "several queues";
    case -EINVAL:
        return "; no name, MTU or address that an interface can have";
    case -EMFILE:
        return "; raise the limit of open files (ulimit -n)";
    default:
        return "";
    }
}

void tun_complain(struct host *host, const struct io_done *done)
{
    host_log(host, LEAT_LOG_ERROR, ++host->logged_opens, "cannot open TUN %s: %s%s",
             done->info.name[0] != '\0' ? done->info.name : "interface", strerror(-done->status),
             advice_of(done->status));
}
