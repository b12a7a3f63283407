/* Streams, from outputs to operations and from completions to inputs.
 *
 * An input of a stream is given at once if its owner is idle and nothing waits before it. Else it
 * waits in the socket's own list, and one node, the socket's token, joins the owner's mailbox: when
 * the token's turn comes, the actor is given the list's first (stream_next) and the token goes to the
 * back. So a socket takes one place in a mailbox, its inputs keep their order up to SOCK_CLOSED, and
 * streams and messages take turns. Beyond WAIT_MAX the socket is not read until half of that has been
 * given: the kernel's window then makes the peer wait. Called by the worker's thread. */
#include "streams.h"

#include <errno.h>
#include <string.h>

#include "pool.h"

#define WAIT_MAX 65536u      /* bytes of memory that wait at one socket, and a turn's more */
#define WAIT_COST_MIN 2048u  /* of an input, however short: that is what a buffer takes */

/* ---- what waits ---- */

static uint32_t cost_of(const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_GIVEN) { /* there is one at most */
        return 0;
    }
    bool has_bytes = event->kind == LEAT_EVENT_DATA && event->body.len > WAIT_COST_MIN;
    return has_bytes ? event->body.len : WAIT_COST_MIN;
}

static void set_reads(struct sockets *sockets, struct socket *socket, bool on)
{
    if (socket->reads == on || socket->state != SOCKET_OPEN) {
        return;
    }
    socket->reads = on;
    struct io_op op = {.kind = IO_OP_READ, .sock = socket->io, .read.on = on};
    int status = sockets->ops->submit(sockets->io, &op);
    LEAT_ASSERT(status == 0 || status == -EBADF); /* its CLOSED is on its way */
}

/* Something waits: the token joins the owner's mailbox, unless it is there. */
static void stream_kick(struct sockets *sockets, struct socket *socket)
{
    union node *token = socket->token;
    struct cell *cell = sockets_cell(sockets, socket->owner);
    if (token == NULL || socket->waiting == NULL || socket->is_paused || cell == NULL) {
        return;
    }
    socket->token = NULL;
    token->head.kind = NODE_STREAM;
    token->head.len = 0;
    token->event.sock = socket_id(sockets, socket);
    memcpy(token->event.payload, &socket->epoch, sizeof(socket->epoch));
    actor_input_reserved(sockets->host, cell, socket->owner, token);
}

static void wait_append(struct socket *socket, union node *node)
{
    node->next = NULL;
    if (socket->waiting == NULL) {
        socket->waiting = node;
    } else {
        socket->waiting_last->next = node;
    }
    socket->waiting_last = node;
    socket->waiting_cost += cost_of(&node->event);
}

static void wait_first(struct socket *socket, union node *node)
{
    node->next = socket->waiting;
    if (socket->waiting == NULL) {
        socket->waiting_last = node;
    }
    socket->waiting = node;
}

/* What waits must not hold a receive buffer, of which there are few: other sockets need them. */
static leat_slice own_body(leat_slice body)
{
    leat_slice copy;
    if (body.buf->class != BUF_TRAIN || leat_buf_alloc(body.len, &copy) < 0) {
        return leat_slice_ref(body);
    }
    memcpy(leat_slice_data(copy), leat_slice_data(body), body.len);
    return copy;
}

/* No memory for what it brings, and nothing may be left out of a stream: it ends. */
static void stream_fail(struct sockets *sockets, struct socket *socket, int status)
{
    socket->fail = status;
    socket_close(sockets, socket, true);
}

/* Gives an input, or makes it wait. False: there was no memory. The body stays the caller's. */
static bool stream_input(struct sockets *sockets, struct socket *socket,
                         const struct leat_event *event)
{
    struct host *host = sockets->host;
    struct cell *cell = sockets_cell(sockets, socket->owner);
    if (cell == NULL) {
        return false;
    }
    if (socket->waiting == NULL && !socket->is_paused &&
        actor_input_now(host, cell, socket->owner, event)) {
        return true; /* and the socket may be another's by now, or nobody's */
    }
    union node *node = pool_take(host->pool);
    if (node == NULL) {
        stream_fail(sockets, socket, -ENOMEM);
        return false;
    }
    uint16_t pool = node->head.pool;
    node->event = *event;
    node->head.pool = pool;
    if (has_body(event)) {
        node->event.body = own_body(event->body);
    }
    wait_append(socket, node);
    if (socket->waiting_cost >= WAIT_MAX) {
        set_reads(sockets, socket, false);
    }
    stream_kick(sockets, socket);
    return true;
}

/* The next one's turn has come. */
union node *stream_next(struct sockets *sockets, struct cell *cell, leat_ref to, union node *token)
{
    struct host *host = sockets->host;
    struct socket *socket = socket_at(sockets, token->event.sock);
    uint32_t epoch;
    memcpy(&epoch, token->event.payload, sizeof(epoch));
    if (socket == NULL || epoch != socket->epoch) { /* closed, or another's by now */
        pool_give(host->pool, token);
        return NULL;
    }
    LEAT_ASSERT(socket->token == NULL);
    union node *node = socket->waiting;
    if (node == NULL || socket->is_paused || socket->state == SOCKET_CLOSING) {
        socket->token = token;
        return NULL;
    }
    socket->waiting = node->next;
    socket->waiting_cost -= cost_of(&node->event);
    if (socket->waiting != NULL) {
        actor_input_reserved(host, cell, to, token);
    } else {
        socket->token = token;
    }
    if (node->head.kind == LEAT_EVENT_SOCK_CLOSED) {
        socket_disown(sockets, socket);
        socket_give(sockets, socket);
    } else if (socket->waiting_cost <= WAIT_MAX / 2 && socket->is_given) {
        set_reads(sockets, socket, true);
    }
    return node;
}

/* A connection whose ACCEPTED is not given any more: its owner has never heard of it, nor will. */
static void unheard_close(struct sockets *sockets, leat_sock id)
{
    struct socket *unheard = socket_at(sockets, id);
    if (unheard == NULL || unheard->state == SOCKET_CLOSING || sockets->io == NULL) {
        return;
    }
    socket_disown(sockets, unheard);
    unheard->owner = LEAT_REF_NONE;
    if (unheard->state == SOCKET_OPEN) {
        socket_close(sockets, unheard, true);
    } else {
        socket_give(sockets, unheard);
    }
}

void streams_drop(struct sockets *sockets, struct socket *socket)
{
    struct host *host = sockets->host;
    while (socket->waiting != NULL) {
        union node *node = socket->waiting;
        socket->waiting = node->next;
        if (node->head.kind == LEAT_EVENT_ACCEPTED) {
            unheard_close(sockets, node->event.accepted.sock);
        } else if (has_body(&node->event)) {
            leat_buf_unref(node->event.body.buf);
        }
        pool_give(host->pool, node);
    }
    socket->waiting_cost = 0;
    if (socket->token != NULL) {
        pool_give(host->pool, socket->token);
        socket->token = NULL;
    }
}

/* ---- completions ---- */

/* A connection: it is the listener's owner's, until that gives it away. NULL: no memory. */
static struct socket *accepted_add(struct sockets *sockets, const struct socket *listener,
                                   const struct io_done *done)
{
    struct socket *socket = socket_make(sockets);
    if (socket == NULL) {
        return NULL;
    }
    socket->state = SOCKET_OPEN;
    socket->is_stream = true;
    socket->io = done->sock;
    socket->peer = done->peer;
    struct io_op op = {.kind = IO_OP_ADOPT, .sock = done->sock, .token = socket->index};
    if (sockets->ops->submit(sockets->io, &op) < 0) { /* it has ended since, unheard of */
        socket_give(sockets, socket);
        return NULL;
    }
    socket_own(sockets, socket, listener->owner);
    return socket;
}

static void done_accepted(struct sockets *sockets, struct socket *listener,
                          const struct io_done *done)
{
    bool is_open = listener->state == SOCKET_OPEN && host_lives(sockets->host, listener->owner);
    struct socket *socket = is_open ? accepted_add(sockets, listener, done) : NULL;
    if (socket == NULL) {
        struct io_op op = {.kind = IO_OP_CLOSE, .sock = done->sock, .close.reset = true};
        sockets->ops->submit(sockets->io, &op);
        return;
    }
    leat_sock id = socket_id(sockets, socket);
    struct leat_event event = {
        .now = sockets->host->now,
        .kind = LEAT_EVENT_ACCEPTED,
        .sock = socket_id(sockets, listener),
        .accepted = {.sock = id, .peer = done->peer},
    };
    if (!stream_input(sockets, listener, &event)) {
        unheard_close(sockets, id);
    }
}

void stream_done(struct sockets *sockets, struct socket *socket, const struct io_done *done)
{
    if (done->kind == IO_DONE_ACCEPTED) {
        done_accepted(sockets, socket, done);
        return;
    }
    if (socket->state == SOCKET_OPEN) {
        struct leat_event event = {
            .now = sockets->host->now,
            .kind = done->kind == IO_DONE_DATA ? LEAT_EVENT_DATA : LEAT_EVENT_FINISHED,
            .sock = socket_id(sockets, socket),
            .data = {.body = done->body, .peer = done->peer},
        };
        stream_input(sockets, socket, &event);
    }
    leat_buf_unref(done->body.buf);
}

void stream_ended(struct sockets *sockets, struct socket *socket, int status)
{
    LEAT_ASSERT(socket->state == SOCKET_CLOSING && socket->is_stream);
    socket->state = SOCKET_ENDING;
    union node *node = socket->reserved;
    socket->reserved = NULL;
    if (node == NULL || sockets_cell(sockets, socket->owner) == NULL) {
        if (node != NULL) {
            pool_give(sockets->host->pool, node);
        }
        socket_disown(sockets, socket);
        socket_give(sockets, socket);
        return;
    }
    node->head.kind = LEAT_EVENT_SOCK_CLOSED;
    node->head.len = 0;
    node->event.status = status;
    node->event.sock = socket_id(sockets, socket);
    wait_append(socket, node);
    stream_kick(sockets, socket);
}

union node *stream_take_end(struct socket *socket)
{
    LEAT_ASSERT(socket->state == SOCKET_ENDING && socket->waiting != NULL);
    union node **link = &socket->waiting;
    while ((*link)->next != NULL) {
        link = &(*link)->next;
    }
    union node *end = *link;
    LEAT_ASSERT(end->head.kind == LEAT_EVENT_SOCK_CLOSED);
    *link = NULL;
    socket->waiting_last = NULL; /* the rest is about to be dropped */
    return end;
}

/* ---- outputs ---- */

static int output_begin(struct sockets *sockets, struct cell *cell,
                        const struct leat_output *output)
{
    struct socket *socket = socket_make(sockets);
    if (socket == NULL) {
        return -ENOMEM;
    }
    bool listens = output->kind == LEAT_OUTPUT_LISTEN;
    socket->state = SOCKET_OPENING;
    socket->is_stream = true;
    socket->listens = listens;
    socket->is_unix = output->path != NULL;
    socket->is_given = true;
    socket->reads = true;
    socket->cookie = output->cookie;
    socket->local = listens ? output->listen.local : output->connect.peer;
    socket->peer = listens ? (struct leat_addr){0} : output->connect.peer;
    struct io_op op = {.kind = listens ? IO_OP_LISTEN : IO_OP_CONNECT, .token = socket->index};
    if (listens) {
        op.listen.path = output->path;
        op.listen.local = output->listen.local;
        op.listen.backlog = output->listen.backlog;
        op.listen.recv_buf = output->listen.recv_buf;
        op.listen.send_buf = output->listen.send_buf;
        op.listen.options = output->options;
    } else {
        op.connect.path = output->path;
        op.connect.peer = output->connect.peer;
        op.connect.local = output->connect.local;
        op.connect.timeout_ns = output->connect.timeout_ns;
        op.connect.options = output->options;
    }
    int status = sockets->ops->submit(sockets->io, &op);
    if (status < 0) {
        socket_give(sockets, socket);
        return status;
    }
    socket_own(sockets, socket, cell_self(cell));
    return 0;
}

/* The connection changes hands: a token that is still in a mailbox is void, by its epoch. GIVEN is the
 * first of what waits; one that nobody has heard is said to the new owner instead, so that a
 * connection handed round takes no more memory than one that is not. */
static int socket_move(struct sockets *sockets, struct socket *socket, leat_ref target,
                       uint64_t cookie)
{
    struct host *host = sockets->host;
    if (host_sockets(host, target) == NULL) {
        return -ESRCH;
    }
    bool stays = leat_ref_equal(target, socket->owner);
    bool is_unheard =
        socket->waiting != NULL && socket->waiting->head.kind == LEAT_EVENT_GIVEN;
    union node *node = is_unheard ? socket->waiting : pool_take(host->pool);
    union node *token = socket->token != NULL || stays ? socket->token : pool_take(host->pool);
    if (node == NULL || (token == NULL && !stays)) {
        if (node != NULL && !is_unheard) {
            pool_give(host->pool, node);
        }
        if (token != socket->token) {
            pool_give(host->pool, token);
        }
        return -ENOMEM;
    }
    socket->token = token;
    if (!stays) {
        socket->epoch++;
        socket_disown(sockets, socket);
        socket_own(sockets, socket, target);
    }
    socket->is_paused = false;
    socket->is_given = true;
    if (!is_unheard) {
        wait_first(socket, node);
    }
    node->head.kind = LEAT_EVENT_GIVEN;
    node->head.len = 0;
    node->event.status = 0;
    node->event.sock = socket_id(sockets, socket);
    node->event.given.cookie = cookie;
    node->event.given.peer = socket->peer;
    if (socket->waiting_cost <= WAIT_MAX / 2) {
        set_reads(sockets, socket, true);
    }
    stream_kick(sockets, socket);
    return 0;
}

static int output_give(struct sockets *sockets, const struct cell *cell, struct socket *socket,
                       const struct leat_output *output)
{
    if (socket->listens) {
        return -EINVAL;
    }
    int status = socket_move(sockets, socket, output->target, output->cookie);
    if (status < 0 && cell->behavior->on_refused == NULL && socket->state == SOCKET_OPEN) {
        socket_close(sockets, socket, true); /* nobody would ever hear of it */
    }
    return status;
}

int stream_output(struct sockets *sockets, struct cell *cell, const struct leat_output *output)
{
    if (output->kind == LEAT_OUTPUT_LISTEN || output->kind == LEAT_OUTPUT_CONNECT) {
        return output_begin(sockets, cell, output);
    }
    struct socket *socket = socket_at(sockets, output->sock);
    if (socket == NULL || socket->state == SOCKET_CLOSING) {
        return -EBADF;
    }
    if (!leat_ref_equal(socket->owner, cell_self(cell))) {
        return -EPERM;
    }
    if (!socket->is_stream) {
        return -EINVAL;
    }
    switch (output->kind) {
    case LEAT_OUTPUT_GIVE:
        return output_give(sockets, cell, socket, output);
    case LEAT_OUTPUT_PAUSE:
        socket->is_paused = true;
        return 0;
    case LEAT_OUTPUT_RESUME:
        socket->is_paused = false;
        stream_kick(sockets, socket);
        return 0;
    default: {
        LEAT_ASSERT(output->kind == LEAT_OUTPUT_FINISH);
        struct io_op op = {.kind = IO_OP_FINISH, .sock = socket->io};
        return socket->state == SOCKET_OPEN ? sockets->ops->submit(sockets->io, &op) : -EBADF;
    }
    }
}
