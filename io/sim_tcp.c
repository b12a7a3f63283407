/* Streams of the simulated backend: the operations and completions of kernel ones, over a
 * sim_stream. A Unix path is an address of the world made of its hash, so both kinds are the same
 * here. One thread for the whole world. */
#include "sim_sock.h"

#include <errno.h>

#include "mem.h"

#define ACCEPTS_PER_TURN 16u
#define READ_MAX 16384u
#define BACKLOG_MAX 4096u
#define CLOSE_NS (5 * LEAT_SEC) /* as ready_stream.c */
#define CONNECT_NS (127 * LEAT_SEC) /* without a timeout, about as the kernel */
#define PREFIX 5
#define PATH_MAX_LEN 107u /* as sun_path */

/* ---- addresses ---- */

/* No path has the same but by a chance of 2^-88. -EINVAL, as the kernel's. */
static int path_address(const char *path, struct leat_addr *ret)
{
    size_t len = strlen(path);
    if (len == 0 || len > PATH_MAX_LEN) {
        return -EINVAL;
    }
    uint64_t a = UINT64_C(0xcbf29ce484222325);
    uint64_t b = UINT64_C(0x9e3779b97f4a7c15);
    for (; *path != '\0'; path++) {
        a = (a ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
        b = (b ^ a) * UINT64_C(0xbf58476d1ce4e5b9);
        b ^= b >> 29;
    }
    *ret = (struct leat_addr){.ip = {0xfd, 'u', 'n', 'i', 'x'}, .port = (uint16_t)(b >> 48 | 1)};
    memcpy(ret->ip + PREFIX, &a, 8);
    memcpy(ret->ip + PREFIX + 8, &b, 3);
    return 0;
}

/* ---- open ---- */

static struct sim_sock *sock_new(struct sim *sim, uint64_t token)
{
    struct sim_sock *sock = sim_sock_take(sim);
    struct sim_tcp *tcp = sock != NULL ? mem_zalloc(sizeof(*tcp), 16) : NULL;
    if (tcp == NULL) {
        return NULL; /* the socket stays free */
    }
    sock->tcp = tcp;
    sock->token = token;
    return sock;
}

static int begin_listen(struct sim *sim, struct sim_tcp *tcp, const struct io_op *op)
{
    struct leat_addr local = op->listen.local;
    uint32_t options = op->listen.options;
    uint32_t backlog = op->listen.backlog;
    tcp->listens = true;
    tcp->is_unix = op->listen.path != NULL;
    int status = tcp->is_unix ? path_address(op->listen.path, &local) : 0;
    if (status < 0) {
        return status;
    }
    backlog = backlog == 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
    bool dual_stack = (options & LEAT_STREAM_DUAL_STACK) != 0 && !leat_addr_is_v4(&local);
    tcp->stream = sim_stream_listen(sim->world, &local, backlog,
                                    (options & LEAT_STREAM_REUSEPORT) != 0, dual_stack, &status);
    if (tcp->stream != NULL && (options & LEAT_STREAM_REUSEPORT_FIRST) != 0) {
        tcp->stream->port.reuseport = true; /* from now on */
    }
    return status;
}

static int begin_connect(struct sim *sim, struct sim_tcp *tcp, const struct io_op *op)
{
    struct leat_addr peer = op->connect.peer;
    const struct leat_addr *local = op->connect.local;
    int status = 0;
    tcp->connecting = true;
    tcp->is_unix = op->connect.path != NULL;
    if (tcp->is_unix) {
        status = path_address(op->connect.path, &peer);
        tcp->is_file = op->connect.path[0] != '@';
        local = NULL;
    }
    if (status < 0) {
        return status;
    }
    if (peer.port == 0 || (local != NULL && leat_addr_is_v4(local) != leat_addr_is_v4(&peer))) {
        return -EINVAL;
    }
    tcp->stream = sim_stream_connect(sim->world, &peer, local, &status);
    if (tcp->stream == NULL) {
        return status;
    }
    leat_time now = sim_world_now(sim->world);
    leat_time ns = op->connect.timeout_ns != 0 ? op->connect.timeout_ns : CONNECT_NS;
    if (ns < LEAT_NEVER - now) {
        sim_stream_alarm(sim->world, tcp->stream, now + ns);
    }
    if (!tcp->is_unix) {
        tcp->peer = peer;
    }
    return 0;
}

static void opened(struct sim *sim, struct sim_sock *sock, int status)
{
    struct sim_tcp *tcp = sock->tcp;
    tcp->connecting = false;
    sock->status = status;
    sock->opened = true;
    sock->state = status < 0 ? STATE_FAILED : STATE_OPEN;
    if (status < 0 && tcp->stream != NULL) {
        sim_stream_close(sim->world, tcp->stream, true);
        tcp->stream = NULL;
    } else if (status == 0) {
        sim->base.stats.sockets++;
        tcp->reads = true;
        tcp->local = tcp->is_unix ? (struct leat_addr){0} : tcp->stream->port.bound;
    }
}

static int cancel(struct sim *sim, uint64_t token)
{
    for (uint32_t i = 0; i < sim->socks_len; i++) {
        struct sim_sock *sock = sim->socks[i];
        if (sock->tcp != NULL && sock->tcp->connecting && sock->token == token) {
            opened(sim, sock, -ECANCELED);
            break;
        }
    }
    return 0;
}

int sim_tcp_open(struct sim *sim, const struct io_op *op)
{
    if (op->kind == IO_OP_CANCEL) {
        return cancel(sim, op->token);
    }
    struct sim_sock *sock = sock_new(sim, op->token);
    if (sock == NULL) {
        return -ENOMEM;
    }
    bool listens = op->kind == IO_OP_LISTEN;
    int status =
        listens ? begin_listen(sim, sock->tcp, op) : begin_connect(sim, sock->tcp, op);
    if (listens || status < 0) {
        opened(sim, sock, status);
    } else {
        sock->state = STATE_CLOSING; /* not open yet, and not free */
    }
    return 0;
}

/* ---- the end ---- */

static void drop_piece(struct sim *sim, struct sim_tcp *tcp)
{
    union node *node = tcp->first;
    tcp->first = node->next;
    leat_buf_unref(node->event.body.buf);
    pool_give(sim->pool, node);
}

static void drop_queue(struct sim *sim, struct sim_tcp *tcp)
{
    while (tcp->first != NULL) {
        drop_piece(sim, tcp);
    }
    tcp->last = NULL;
    tcp->queued = 0;
}

/* CLOSED is the next it is told. */
static void closed(struct sim *sim, struct sim_sock *sock, int status, bool reset)
{
    struct sim_tcp *tcp = sock->tcp;
    sim_stream_close(sim->world, tcp->stream, reset);
    tcp->stream = NULL;
    drop_queue(sim, tcp);
    sock->state = STATE_CLOSING;
    sock->status = status;
    tcp->closed = true;
    sim->base.stats.sockets--;
}

void sim_tcp_end(struct sim *sim, struct sim_sock *sock)
{
    struct sim_tcp *tcp = sock->tcp;
    if (tcp->stream != NULL) {
        sim_tcp_flush(sim, sock);
    }
    if (tcp->stream != NULL) {
        sim_stream_close(sim->world, tcp->stream, false);
    }
    drop_queue(sim, tcp);
    mem_free(tcp);
    sock->tcp = NULL;
}

static void sock_free(struct sim_sock *sock)
{
    mem_free(sock->tcp);
    sock->tcp = NULL;
    sock->state = STATE_FREE;
}

/* ---- operations ---- */

static int submit_bytes(struct sim *sim, struct sim_tcp *tcp, leat_slice body)
{
    if (tcp->listens) {
        return -EINVAL;
    }
    if (tcp->finishing || tcp->stream->error != 0) {
        return -EPIPE;
    }
    if (tcp->queued > sim->stream_queue_max / 2 &&
        (uint64_t)tcp->queued + body.len > sim->stream_queue_max) { /* as tcp_submit */
        tcp->want_writable = true;
        return -EAGAIN;
    }
    if (body.len == 0) {
        leat_buf_unref(body.buf);
        return 0;
    }
    union node *node = pool_take(sim->pool);
    if (node == NULL) {
        return -ENOMEM;
    }
    node->next = NULL;
    node->event.body = body;
    if (tcp->first == NULL) {
        tcp->first = node;
    } else {
        tcp->last->next = node;
    }
    tcp->last = node;
    tcp->queued += body.len;
    return 0;
}

static void submit_close(struct sim *sim, struct sim_sock *sock, bool reset)
{
    struct sim_tcp *tcp = sock->tcp;
    if (reset || tcp->listens) {
        closed(sim, sock, 0, reset);
        return;
    }
    sock->state = STATE_CLOSING;
    tcp->finishing = true;
    tcp->reads = false;
    if (tcp->queued > 0) {
        sim_stream_alarm(sim->world, tcp->stream, sim_world_now(sim->world) + CLOSE_NS);
    }
}

int sim_tcp_submit(struct sim *sim, struct sim_sock *sock, const struct io_op *op)
{
    struct sim_tcp *tcp = sock->tcp;
    switch (op->kind) {
    case IO_OP_DATA:
        return submit_bytes(sim, tcp, op->data.body);
    case IO_OP_ADOPT:
        sock->token = op->token;
        return 0;
    case IO_OP_READ:
        tcp->reads = op->read.on;
        return 0;
    case IO_OP_FINISH:
        if (tcp->listens) {
            return -EINVAL;
        }
        tcp->finishing = true;
        return 0;
    default:
        LEAT_ASSERT(op->kind == IO_OP_CLOSE);
        submit_close(sim, sock, op->close.reset);
        return 0;
    }
}

/* ---- sending ---- */

static void check_writable(struct sim *sim, struct sim_tcp *tcp)
{
    if (tcp->want_writable && tcp->queued <= sim->stream_queue_max / 2) {
        tcp->want_writable = false;
        tcp->writable = true;
    }
}

static void flush_queue(struct sim *sim, struct sim_tcp *tcp)
{
    while (tcp->first != NULL) {
        leat_slice *body = &tcp->first->event.body;
        uint32_t sent =
            sim_stream_send(sim->world, tcp->stream, leat_slice_data(*body), body->len);
        sim->base.stats.sent_bytes += sent;
        sim->base.stats.send_calls++;
        tcp->queued -= sent;
        if (sent < body->len) {
            *body = leat_slice_sub(*body, sent, body->len);
            return;
        }
        drop_piece(sim, tcp);
    }
    tcp->last = NULL;
    if (tcp->finishing) {
        sim_stream_finish(sim->world, tcp->stream);
    }
}

static bool is_closing(const struct sim_sock *sock)
{
    return sock->state == STATE_CLOSING && !sock->tcp->connecting;
}

void sim_tcp_flush(struct sim *sim, struct sim_sock *sock)
{
    struct sim_tcp *tcp = sock->tcp;
    if (tcp->stream == NULL || tcp->listens || tcp->connecting) {
        return;
    }
    if (tcp->stream->error == 0) {
        flush_queue(sim, tcp);
    }
    if (tcp->stream->error != 0) { /* the kernel would say so to a send */
        drop_queue(sim, tcp);
    }
    check_writable(sim, tcp);
}

/* ---- completions ---- */

/* What has changed in the world since. */
static void look(struct sim *sim, struct sim_sock *sock)
{
    struct sim_tcp *tcp = sock->tcp;
    struct sim_stream *stream = tcp->stream;
    if (stream == NULL || tcp->listens) {
        return;
    }
    if (tcp->connecting) {
        if (stream->error != 0 || stream->alarmed) {
            bool is_missing = tcp->is_file && stream->error == -ECONNREFUSED;
            opened(sim, sock, is_missing           ? -ENOENT
                              : stream->error != 0 ? stream->error
                                                   : -ETIMEDOUT);
        } else if (stream->state == SIM_CONNECTED) {
            sim_stream_alarm(sim->world, stream, LEAT_NEVER);
            opened(sim, sock, 0);
        }
    } else if (is_closing(sock)) {
        if (stream->error != 0 || stream->alarmed) {
            closed(sim, sock, stream->error != 0 ? stream->error : -ETIMEDOUT, true);
        } else if (tcp->first == NULL) {
            closed(sim, sock, 0, false);
        }
    } else if (tcp->told_finished && (stream->error != 0 || stream->fin_sent)) {
        closed(sim, sock, stream->error, false);
    } else if (stream->error != 0 && stream->port.inbox == NULL && tcp->reads) {
        closed(sim, sock, stream->error, false);
    }
}

unsigned sim_tcp_tell(struct sim *sim, struct sim_sock *sock, struct io_done *done, unsigned cap)
{
    struct sim_tcp *tcp = sock->tcp;
    unsigned n = 0;
    look(sim, sock);
    struct io_done about = {.sock = sock->index, .token = sock->token, .status = sock->status};
    if (sock->opened && n < cap) {
        sock->opened = false;
        done[n] = about;
        done[n].kind = IO_DONE_OPENED;
        done[n++].peer = tcp->local;
        if (sock->state == STATE_FAILED) {
            sock_free(sock);
            return n;
        }
    }
    if (tcp->writable && !tcp->closed && n < cap) {
        tcp->writable = false;
        done[n] = about;
        done[n++].kind = IO_DONE_WRITABLE;
    }
    if (tcp->closed && n < cap) {
        done[n] = about;
        done[n++].kind = IO_DONE_CLOSED;
        sock_free(sock);
    }
    return n;
}

/* ---- receiving ---- */

static unsigned accept_some(struct sim *sim, struct sim_sock *listener, struct io_done *done,
                            unsigned cap)
{
    unsigned n = 0;
    while (n < cap && n < ACCEPTS_PER_TURN && listener->tcp->stream->pending != NULL) {
        struct sim_sock *sock = sock_new(sim, IO_TOKEN_NONE);
        if (sock == NULL) {
            sim->base.stats.accept_failed++;
            break;
        }
        sock->state = STATE_OPEN;
        sock->tcp->stream = sim_stream_accept(listener->tcp->stream);
        sock->tcp->is_unix = listener->tcp->is_unix;
        if (!sock->tcp->is_unix) {
            sock->tcp->peer = sock->tcp->stream->peer;
        }
        sim->base.stats.sockets++;
        sim->base.stats.accepted++;
        done[n++] = (struct io_done){.kind = IO_DONE_ACCEPTED,
                                     .sock = sock->index,
                                     .token = listener->token,
                                     .peer = sock->tcp->peer};
    }
    return n;
}

/* How much a read gives: often all, now and then a byte, or anything between. */
static uint32_t read_len(struct sim *sim, uint32_t len)
{
    uint32_t draw = sim_world_below(sim->world, 8);
    len = len < READ_MAX ? len : READ_MAX;
    return draw == 0 ? 1 : draw < 3 ? 1 + sim_world_below(sim->world, len) : len;
}

unsigned sim_tcp_read(struct sim *sim, struct sim_sock *sock, struct io_done *done, unsigned cap)
{
    struct sim_tcp *tcp = sock->tcp;
    struct sim_stream *stream = tcp->stream;
    LEAT_ASSERT(cap > 0);
    if (stream == NULL || !tcp->reads || tcp->told_finished) {
        return 0;
    }
    if (tcp->listens) {
        return accept_some(sim, sock, done, cap);
    }
    *done = (struct io_done){.sock = sock->index, .token = sock->token, .peer = tcp->peer};
    uint32_t len = sim_stream_arrived_len(stream);
    if (len == 0) {
        (void)sim_stream_read(sim->world, stream, NULL, 0);
        tcp->told_finished = stream->eof;
        done->kind = IO_DONE_FINISHED;
        return stream->eof;
    }
    len = read_len(sim, len);
    if (leat_buf_alloc(len, &done->body) < 0) {
        return 0;
    }
    uint32_t got = sim_stream_read(sim->world, stream, leat_slice_data(done->body), len);
    LEAT_ASSERT(got == len);
    done->kind = IO_DONE_DATA;
    sim->base.stats.recv_bytes += len;
    sim->base.stats.recv_calls++;
    return 1;
}
