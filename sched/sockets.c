/* From outputs to operations, from completions to inputs.
 *
 * A socket keeps two promises with one node each, taken when it is opened:
 * OPENED and CLOSED reach the owner whatever its mailbox holds. Whoever on this worker knows a
 * socket may send on it. All of it is called by the worker's thread. */
#include "sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "routes.h"
#include "streams.h"
#include "tuns.h"

/* A drain parked on a socket, or an actor that is to be told when there is room. */
struct wait {
    union node *next;
    uint8_t     kind, len;
    uint16_t    pool;
    uint32_t    socket;
    leat_ref    from;
    leat_time   until;
    uint64_t    zero[4];
};

_Static_assert(sizeof(struct wait) == sizeof(union node), "a wait is a node");
_Static_assert(offsetof(struct wait, from) == offsetof(struct leat_event, from), "header");

static struct wait *wait_of(union node *node)
{
    return (struct wait *)(void *)node;
}

/* Whether a route may lead to it: a member, but no group as a whole. */
static bool is_local(void *context, leat_ref ref)
{
    const struct sockets *sockets = context;
    return host_sockets(sockets->host, ref) != NULL;
}

/* ---- outputs ---- */

static int output_open(struct sockets *sockets, struct cell *cell, const struct leat_output *output)
{
    struct socket *socket = socket_make(sockets);
    if (socket == NULL) {
        return -ENOMEM;
    }
    socket->state = SOCKET_OPENING;
    socket->flags = output->open.flags;
    socket->cookie = output->cookie;
    socket->local = output->open.local;
    struct io_op op = {
        .kind = IO_OP_OPEN,
        .token = socket->index,
        .open = {.local = output->open.local,
                 .recv_buf = output->open.recv_buf,
                 .send_buf = output->open.send_buf,
                 .flags = output->open.flags},
    };
    int status = sockets->ops->submit(sockets->io, &op);
    if (status < 0) {
        socket_give(sockets, socket);
        return status;
    }
    socket_own(sockets, socket, cell_self(cell));
    return 0;
}

/* Remembers that `ref` is to be told when the socket has room. */
static void refused_add(struct sockets *sockets, struct socket *socket, leat_ref ref)
{
    union node **link = &socket->refused;
    while (*link != NULL) { /* a stream may be full for as long as its peer likes: nobody twice */
        union node *at = *link;
        if (leat_ref_equal(at->event.from, ref)) {
            return;
        }
        if (host_lives(sockets->host, at->event.from)) {
            link = &at->next;
        } else {
            *link = at->next;
            pool_give(sockets->host->pool, at);
        }
    }
    union node *node = pool_take(sockets->host->pool);
    if (node != NULL) { /* else it hears nothing, and tries again when it has something to send */
        node->event.from = ref;
        node->next = socket->refused;
        socket->refused = node;
    }
}

static int wait_add(struct sockets *sockets, struct socket *socket, struct cell *cell,
                    union node *out)
{
    union node *node = pool_take(sockets->host->pool);
    if (node == NULL) {
        return -ENOMEM;
    }
    struct wait *wait = wait_of(node);
    wait->next = NULL;
    wait->socket = socket->index;
    wait->from = cell_self(cell);
    wait->until = sockets->host->now + sockets->host->send_wait_ns;
    if (sockets->waits == NULL) {
        sockets->waits = node;
    } else {
        sockets->waits_last->next = node;
    }
    sockets->waits_last = node;
    cell->flags |= CELL_PARKED;
    cell->held = out;
    sockets->host->count.parks++;
    return HOST_PARK;
}

/* Hands a DATA output to the backend. What could not be sent of a DATA_MANY stays in the output. */
static int data_submit(struct sockets *sockets, const struct socket *socket,
                       struct leat_output *output)
{
    struct io_op op = {
        .kind = IO_OP_DATA,
        .sock = socket->io,
        .data = {.body = output->data.body,
                 .peer = &output->data.peer,
                 .local = output->local,
                 .segment_size = output->segment_size},
    };
    if (socket->is_tun) {
        op.data.offload = &output->tun.offload;
    }
    if (output->kind == LEAT_OUTPUT_DATA) {
        return sockets->ops->submit(sockets->io, &op);
    }
    while (output->data_many.peers_len > 0) {
        op.data.peer = output->data_many.peers;
        leat_buf_ref(op.data.body.buf);
        int status = sockets->ops->submit(sockets->io, &op);
        if (status < 0) {
            leat_buf_unref(op.data.body.buf);
            return status;
        }
        output->data_many.peers++;
        output->data_many.peers_len--;
    }
    leat_buf_unref(output->data_many.body.buf);
    return 0;
}

static int output_data(struct sockets *sockets, struct cell *cell, union node *out)
{
    struct leat_output *output = &out->output;
    uint8_t full = output->full;
    struct socket *socket = socket_find(sockets, output->sock);
    if (socket == NULL || output->data.body.buf == NULL || leat_batch_len(output->data.body) > 0 ||
        (output->kind == LEAT_OUTPUT_DATA_MANY && (socket->is_stream || socket->is_tun))) {
        return socket == NULL ? -EBADF : -EINVAL;
    }
    int status = data_submit(sockets, socket, output);
    if (LEAT_LIKELY(status != -EAGAIN)) {
        return status;
    }
    if (full == LEAT_FULL_WAIT) {
        return wait_add(sockets, socket, cell, out);
    }
    refused_add(sockets, socket, cell_self(cell));
    return status;
}

static int output_route(struct sockets *sockets, const struct cell *cell,
                        const struct leat_output *output)
{
    struct socket *socket = socket_find(sockets, output->sock);
    if (socket == NULL) {
        return -EBADF;
    }
    if (!leat_ref_equal(socket->owner, cell_self(cell))) {
        return -EPERM;
    }
    if (socket->is_stream || socket->is_tun) {
        return -EINVAL;
    }
    if (leat_ref_equal(output->route.target, LEAT_REF_NONE)) {
        struct route *route = routes_find(socket, &output->route.peer);
        if (route != NULL) {
            routes_remove(socket, route);
        }
        return 0;
    }
    if (!is_local(sockets, output->route.target)) {
        return -ESRCH;
    }
    return routes_set(socket, &output->route.peer, output->route.target, output->flags,
                      sockets->routes_max, sockets->host->count.stopped + 1, is_local, sockets);
}

void socket_close(struct sockets *sockets, struct socket *socket, bool reset)
{
    LEAT_ASSERT(socket->state == SOCKET_OPEN);
    socket->state = SOCKET_CLOSING;
    socket->is_leaving = socket->is_stream && !socket->listens && !reset;
    sockets->leaving_len += socket->is_leaving;
    struct io_op op = {.kind = IO_OP_CLOSE, .sock = socket->io, .close.reset = reset};
    int status = sockets->ops->submit(sockets->io, &op);
    LEAT_ASSERT(status == 0 || status == -EBADF); /* it has ended by itself: its CLOSED is on its way */
}

static void tell_closed(struct sockets *sockets, struct socket *socket, leat_ref to,
                        union node *node, int status);

/* The backend has ended it: of what waits only SOCK_CLOSED, the last, is still told. */
static void ending_closed(struct sockets *sockets, struct socket *socket)
{
    union node *node = stream_take_end(socket);
    socket_disown(sockets, socket);
    tell_closed(sockets, socket, socket->owner, node, node->event.status);
    socket_give(sockets, socket);
}

static int output_close(struct sockets *sockets, const struct cell *cell,
                        const struct leat_output *output)
{
    struct socket *socket = socket_at(sockets, output->sock);
    if (socket == NULL || socket->state == SOCKET_CLOSING) {
        return -EBADF;
    }
    if (!leat_ref_equal(socket->owner, cell_self(cell))) {
        return -EPERM;
    }
    if (socket->state == SOCKET_ENDING) {
        ending_closed(sockets, socket);
    } else {
        socket_close(sockets, socket, (output->options & LEAT_STREAM_RESET) != 0);
    }
    return 0;
}

int sockets_output(struct sockets *sockets, struct cell *cell, union node *out)
{
    struct leat_output *output = &out->output;
    switch (output->kind) {
    case LEAT_OUTPUT_OPEN:
        return output_open(sockets, cell, output);
    case LEAT_OUTPUT_ROUTE:
        return output_route(sockets, cell, output);
    case LEAT_OUTPUT_CLOSE:
        return output_close(sockets, cell, output);
    case LEAT_OUTPUT_DATA:
    case LEAT_OUTPUT_DATA_MANY:
        return output_data(sockets, cell, out);
    case LEAT_OUTPUT_OPEN_TUN:
        return tun_output_open(sockets, cell, output);
    default:
        return stream_output(sockets, cell, output);
    }
}

/* ---- the end of a socket ---- */

static void tell_closed(struct sockets *sockets, struct socket *socket, leat_ref to,
                        union node *node, int status)
{
    struct cell *cell = sockets_cell(sockets, to);
    if (cell == NULL || node == NULL) {
        if (node != NULL) {
            pool_give(sockets->host->pool, node);
        }
        return;
    }
    node->head.kind = LEAT_EVENT_SOCK_CLOSED;
    node->head.len = 0;
    node->event.status = status;
    node->event.sock = socket_id(sockets, socket);
    actor_input_reserved(sockets->host, cell, to, node);
}

static int compare_targets(const void *a, const void *b)
{
    uint64_t one = ((const struct route *)a)->target.id;
    uint64_t other = ((const struct route *)b)->target.id;
    return (one > other) - (one < other);
}

/* Each target once, however many peers were routed to it. */
static void tell_targets(struct sockets *sockets, struct socket *socket, int status)
{
    if (socket->routes_len > 0) {
        qsort(socket->routes, socket->routes_cap, sizeof(struct route), compare_targets);
    }
    leat_ref told = socket->owner;
    for (uint32_t i = 0; i < socket->routes_cap; i++) {
        leat_ref target = socket->routes[i].target;
        if (!leat_ref_equal(target, LEAT_REF_NONE) && !leat_ref_equal(target, told) &&
            !leat_ref_equal(target, socket->owner)) {
            tell_closed(sockets, socket, target, pool_take(sockets->host->pool), status);
            told = target;
        }
    }
    routes_fini(socket);
}

void sockets_forget(struct sockets *sockets, void **list)
{
    struct socket *socket = *list;
    *list = NULL;
    while (socket != NULL) {
        struct socket *next = socket->owner_next;
        tell_targets(sockets, socket, -EPIPE);
        socket->owner = LEAT_REF_NONE;
        if (socket->state == SOCKET_OPEN) {
            socket_close(sockets, socket, socket->is_stream && !socket->is_given);
        } else if (socket->state == SOCKET_ENDING) {
            socket_give(sockets, socket);
        } else if (socket->state == SOCKET_OPENING && socket->is_stream) {
            struct io_op op = {.kind = IO_OP_CANCEL, .token = socket->index};
            sockets->ops->submit(sockets->io, &op);
        }
        socket = next;
    }
}

static void waits_pass(struct sockets *sockets, const struct socket *only, leat_time now);
static void done_writable(struct sockets *sockets, struct socket *socket);

static void done_closed(struct sockets *sockets, struct socket *socket, int status)
{
    bool unasked = socket->state == SOCKET_OPEN;
    socket->state = SOCKET_CLOSING; /* who waits for room is refused */
    if (unasked) {
        done_writable(sockets, socket); /* or tries in vain: it may have paused until then */
    }
    if (unasked && socket->is_stream) {
        stream_ended(sockets, socket, status);
        return;
    }
    waits_pass(sockets, socket, 0);
    status = socket->fail != 0 ? socket->fail : status;
    tell_targets(sockets, socket, status);
    socket_disown(sockets, socket);
    tell_closed(sockets, socket, socket->owner, socket->reserved, status);
    socket->reserved = NULL;
    socket_give(sockets, socket);
}

/* ---- completions ---- */

static void done_opened(struct sockets *sockets, struct socket *socket, const struct io_done *done)
{
    struct host *host = sockets->host;
    leat_ref owner = socket->owner;
    struct cell *cell = sockets_cell(sockets, owner);
    bool is_remote = socket->is_stream && !socket->listens; /* what a peer does is no error here */
    if (done->status < 0 && socket->is_tun) {
        tun_complain(host, done);
    } else if (done->status < 0 && !is_remote) {
        char text[LEAT_ADDR_STRLEN];
        leat_addr_format(&socket->local, text);
        if (socket->is_unix) {
            snprintf(text, sizeof(text), "a Unix path");
        }
        const char *advice = done->status == -EADDRINUSE
                                 ? "; another socket has it: choose another port, or let both "
                                   "share it (REUSEPORT)"
                             : done->status == -EACCES ? "; ports below 1024 need a privilege"
                             : done->status == -EMFILE ? "; raise the limit of open files (ulimit -n)"
                                                       : "";
        host_log(host, LEAT_LOG_ERROR, ++host->logged_opens, "cannot %s %s: %s%s",
                 socket->is_stream ? "listen on" : "open UDP", text, strerror(-done->status),
                 advice);
    } else if (done->status == 0) {
        socket->io = socket->io == IO_SOCK_NONE ? IO_SOCK_NONE : done->sock;
        socket->state = SOCKET_OPEN;
    }
    if (cell == NULL) { /* its owner has ended meanwhile */
        if (done->status < 0) {
            socket_give(sockets, socket);
        } else {
            socket_close(sockets, socket, socket->is_stream);
        }
        return;
    }
    union node *node = socket->reserved;
    socket->reserved = done->status == 0 ? pool_take(host->pool) : NULL; /* for CLOSED */
    int status = done->status == 0 && socket->reserved == NULL ? -ENOMEM : done->status;
    node->head.kind = LEAT_EVENT_OPENED;
    node->head.len = 0;
    node->event.status = status;
    node->event.sock = status < 0 ? LEAT_SOCK_NONE : socket_id(sockets, socket);
    node->event.opened.cookie = socket->cookie;
    if (socket->is_tun) {
        node->event.tun_opened.info = done->info;
    } else {
        node->event.opened.local = status < 0 ? socket->local : done->peer;
    }
    if (status < 0) {
        socket_disown(sockets, socket);
        socket->owner = LEAT_REF_NONE;
        if (done->status < 0) {
            socket_give(sockets, socket);
        } else { /* what could not be told is not opened */
            socket_close(sockets, socket, socket->is_stream);
        }
    }
    actor_input_reserved(host, cell, owner, node);
}

/* Who is to be given a peer's datagrams just now, *ret, and its cell. */
static struct cell *receiver(struct sockets *sockets, struct socket *socket,
                             const struct leat_addr *peer, bool *ret_trains, leat_ref *ret)
{
    *ret_trains = (socket->flags & LEAT_UDP_TRAINS) != 0;
    struct route *route = routes_find(socket, peer);
    if (route != NULL) {
        struct cell *cell = sockets_cell(sockets, route->target);
        if (cell != NULL) {
            *ret_trains = (route->flags & LEAT_UDP_TRAINS) != 0;
            *ret = route->target;
            return cell;
        }
        routes_remove(socket, route);
    }
    *ret = socket->owner;
    return sockets_cell(sockets, socket->owner);
}

static void done_data(struct sockets *sockets, struct socket *socket, const struct io_done *done)
{
    struct host *host = sockets->host;
    struct leat_event event = {
        .now = host->now,
        .kind = LEAT_EVENT_DATA,
        .segment_size = done->segment_size,
        .sock = socket_id(sockets, socket),
        .data = {.body = done->body, .peer = done->peer},
    };
    uint32_t generation = socket->generation;
    uint32_t size = done->segment_size != 0 ? done->segment_size : done->body.len;
    uint32_t skip = 0;
    do { /* whom a datagram is for is looked up anew if the one before could have changed it */
        if (socket->state != SOCKET_OPEN || socket->generation != generation) {
            break;
        }
        bool trains;
        leat_ref to;
        struct cell *cell = receiver(sockets, socket, &done->peer, &trains, &to);
        if (cell == NULL) {
            host->count.recv_dropped++;
            break;
        }
        uint32_t version = socket->routes_version;
        if (trains) {
            event.body = leat_slice_sub(done->body, skip, done->body.len);
            event.segment_size = event.body.len > size ? size : 0;
            size = event.body.len;
        } else {
            event.segment_size = 0;
        }
        do {
            event.body = leat_slice_sub(done->body, skip, size);
            if (actor_input(host, cell, to, &event) < 0) {
                host->count.recv_dropped += event_datagrams(&event);
            }
            skip += size;
        } while (skip < done->body.len && socket->routes_version == version &&
                 socket->generation == generation && socket->state == SOCKET_OPEN &&
                 sockets_cell(sockets, to) == cell);
    } while (skip < done->body.len);
    leat_buf_unref(done->body.buf);
}

static bool give_error(struct sockets *sockets, struct socket *socket)
{
    bool trains;
    leat_ref to;
    struct cell *cell = receiver(sockets, socket, &socket->error_peer, &trains, &to);
    struct leat_event event = {
        .now = sockets->host->now,
        .kind = LEAT_EVENT_SOCK_ERROR,
        .status = socket->error,
        .sock = socket_id(sockets, socket),
        .error = {.peer = socket->error_peer},
    };
    if (cell != NULL && actor_input(sockets->host, cell, to, &event) < 0) {
        return false;
    }
    socket->error = 0;
    return true;
}

/* An error that finds its actor's box full is kept until there is room, the latest one if there are
 * several: what a network can cause is bounded. */
static void done_error(struct sockets *sockets, struct socket *socket, const struct io_done *done)
{
    bool waits = socket->error != 0;
    socket->error = done->status;
    socket->error_peer = done->peer;
    if (!give_error(sockets, socket)) {
        sockets->errors_len += !waits;
    } else {
        sockets->errors_len -= waits;
    }
}

/* Tries a parked output again. False: still no room. */
static bool wait_retry(struct sockets *sockets, struct wait *wait, int refuse_with)
{
    struct host *host = sockets->host;
    struct cell *cell = sockets_cell(sockets, wait->from);
    if (cell == NULL) {
        return true; /* it has ended */
    }
    LEAT_ASSERT((cell->flags & CELL_PARKED) != 0 && cell->park == NULL && cell->held != NULL);
    union node *held = cell->held;
    struct socket *socket = socket_find(sockets, held->output.sock);
    int status = socket == NULL ? -EBADF : refuse_with;
    if (status == 0) {
        status = data_submit(sockets, socket, &held->output);
        if (status == -EAGAIN) {
            return false;
        }
    }
    cell->flags &= (uint16_t)~CELL_PARKED;
    cell->held = NULL;
    if (status < 0) {
        actor_refuse(host, cell, held, LEAT_FULL_WAIT, status);
    }
    pool_give(host->pool, held);
    host_ready(host, cell);
    return true;
}

/* Passes over the waits of one socket (or all) and takes off the list those that have ended. */
static void waits_pass(struct sockets *sockets, const struct socket *only, leat_time now)
{
    union node **link = &sockets->waits;
    union node *last = NULL;
    bool full = false;
    while (*link != NULL) {
        union node *node = *link;
        struct wait *wait = wait_of(node);
        bool over = wait->until <= now;
        bool mine = only != NULL && wait->socket == only->index && !full;
        if ((over || mine) && wait_retry(sockets, wait, over ? -ETIMEDOUT : 0)) {
            *link = node->next;
            pool_give(sockets->host->pool, node);
            continue;
        }
        full = full || mine; /* the others stay behind the first that still waits */
        last = node;
        link = &node->next;
    }
    sockets->waits_last = last;
}

static void done_writable(struct sockets *sockets, struct socket *socket)
{
    waits_pass(sockets, socket, 0);
    while (socket->refused != NULL) {
        union node *node = socket->refused;
        socket->refused = node->next;
        leat_ref to = node->event.from;
        struct cell *cell = sockets_cell(sockets, to);
        if (cell == NULL) {
            pool_give(sockets->host->pool, node);
            continue;
        }
        node->head.kind = LEAT_EVENT_WRITABLE;
        node->head.len = 0;
        node->event.status = 0;
        node->event.sock = socket_id(sockets, socket);
        actor_input_reserved(sockets->host, cell, to, node);
    }
}

/* The index of one that is CLOSED further on may be another's by now, accepted in the same turn:
 * until it is heard of, nothing that is for it may reach that. */
static void forget_closed(struct sockets *sockets, const struct io_done *done, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (done[i].kind == IO_DONE_CLOSED && done[i].token != IO_TOKEN_NONE) {
            LEAT_ASSERT(done[i].token < sockets->len);
            sockets->table[done[i].token]->io = IO_SOCK_NONE;
        }
    }
}

void sockets_done(struct sockets *sockets, struct io_done *done, uint32_t n)
{
    forget_closed(sockets, done, n);
    for (uint32_t i = 0; i < n; i++) {
        if (done[i].token == IO_TOKEN_NONE) {
            continue; /* the end of a connection that was turned away */
        }
        LEAT_ASSERT(done[i].token < sockets->len);
        struct socket *socket = sockets->table[done[i].token];
        LEAT_ASSERT(socket->state != SOCKET_FREE);
        switch (done[i].kind) {
        case IO_DONE_OPENED:
            done_opened(sockets, socket, &done[i]);
            break;
        case IO_DONE_DATA:
            if (socket->is_tun) {
                tun_done_data(sockets, socket, &done[i]);
                break;
            }
            if (!socket->is_stream) {
                done_data(sockets, socket, &done[i]);
                break;
            } /* fall through */
        case IO_DONE_ACCEPTED:
        case IO_DONE_FINISHED:
            stream_done(sockets, socket, &done[i]);
            break;
        case IO_DONE_WRITABLE:
            done_writable(sockets, socket);
            break;
        case IO_DONE_ERROR:
            done_error(sockets, socket, &done[i]);
            break;
        case IO_DONE_CLOSED:
            done_closed(sockets, socket, done[i].status);
            break;
        }
    }
}

leat_time sockets_next(const struct sockets *sockets)
{
    if (sockets->errors_len > 0) { /* there may be room in a box that had none */
        return sockets->host->now + LEAT_MS;
    }
    return sockets->waits != NULL ? wait_of(sockets->waits)->until : LEAT_NEVER;
}

void sockets_expire(struct sockets *sockets)
{
    if (sockets->errors_len > 0) {
        for (uint32_t i = 0; i < sockets->len; i++) {
            struct socket *socket = sockets->table[i];
            if (socket->error != 0 && give_error(sockets, socket)) {
                sockets->errors_len--;
            }
        }
    }
    leat_time now = sockets->host->now;
    if (sockets->waits != NULL && wait_of(sockets->waits)->until <= now) {
        waits_pass(sockets, NULL, now);
    }
}
