/* A connection's bytes. What is read goes into one shared buffer of the pool: long reads leave as
 * slices of it, short ones are copied into small buffers, so that a few bytes that somebody keeps
 * never hold 64 KiB. What is sent waits as a list of bodies, by reference, and leaves with one
 * sendmsg for many. Nothing that comes from a network asserts. Backend's thread only. */
#include "tcp.h"

#include <errno.h>
#include <unistd.h>

#include "mem.h"
#include "pool.h"

void tcp_init(struct tcp *tcp, struct pool *pool, struct io_stats *stats, uint32_t queue_max)
{
    LEAT_ASSERT(pool != NULL);
    LEAT_ASSERT(queue_max > 0);
    tcp->pool = pool;
    tcp->stats = stats;
    tcp->queue_max = queue_max;
    tcp->spare_fd = -1;
}

void tcp_fini(struct tcp *tcp)
{
    leat_buf_unref(tcp->buf);
    tcp->buf = NULL;
    if (tcp->spare_fd >= 0) {
        close(tcp->spare_fd);
        tcp->spare_fd = -1;
    }
}

/* ---- receive ---- */

/* Makes sure that there is a buffer with room; false: there is none. */
static bool make_room(struct tcp *tcp)
{
    if (tcp->buf != NULL && tcp->buf_used > 0 && leat_buf_is_sole(tcp->buf)) {
        tcp->buf_used = 0; /* all slices of it have come back */
    }
    if (tcp->buf != NULL && BUF_TRAIN_LEN - tcp->buf_used < TCP_ROOM_LEN) {
        leat_buf_unref(tcp->buf);
        tcp->buf = NULL;
    }
    if (tcp->buf == NULL) {
        tcp->buf = pool_train_take(tcp->pool);
        tcp->buf_used = 0;
    }
    return tcp->buf != NULL;
}

leat_slice tcp_body(leat_buf *buf, uint32_t offset, uint32_t len)
{
    leat_slice body;
    if (len <= TCP_SHORT_LEN && leat_buf_alloc(len, &body) == 0) {
        memcpy(leat_slice_data(body), (const uint8_t *)buf + offset, len);
        return body;
    }
    return (leat_slice){.buf = leat_buf_ref(buf), .offset = offset, .len = len};
}

/* The `len` bytes just read. */
static leat_slice take_bytes(struct tcp *tcp, uint32_t len)
{
    leat_slice body =
        tcp_body(tcp->buf, BUF_HEADER_LEN + LEAT_HEADROOM + tcp->buf_used, len);
    if (body.buf == tcp->buf) {
        tcp->buf_used += (len + 63) / 64 * 64;
        tcp->buf_used = tcp->buf_used < BUF_TRAIN_LEN ? tcp->buf_used : BUF_TRAIN_LEN;
    }
    return body;
}

static enum tcp_more receive_failed(int error, int *ret_status)
{
    if (error == EAGAIN) {
        return TCP_DRAINED;
    }
    if (error == EINTR) {
        return TCP_MORE;
    }
    *ret_status = -error;
    return TCP_FAILED;
}

enum tcp_more tcp_receive(struct tcp *tcp, struct tcp_sock *sock, leat_slice *ret_body,
                          int *ret_status)
{
    LEAT_ASSERT(sock->fd >= 0 && !sock->listens);
    *ret_body = (leat_slice){0};
    if (LEAT_UNLIKELY(!make_room(tcp))) {
        return TCP_STARVED;
    }
    size_t room = BUF_TRAIN_LEN - tcp->buf_used;
    ssize_t got = recv(sock->fd, buf_train_data(tcp->buf) + tcp->buf_used, room, MSG_DONTWAIT);
    tcp->stats->recv_calls++;
    if (got < 0) {
        return receive_failed(errno, ret_status);
    }
    if (got == 0) {
        sock->eof = true;
        return TCP_FINISHED;
    }
    *ret_body = take_bytes(tcp, (uint32_t)got);
    tcp->stats->recv_bytes += (uint64_t)got;
    return (size_t)got < room ? TCP_DRAINED : TCP_MORE;
}

enum tcp_more tcp_discard(struct tcp *tcp, struct tcp_sock *sock)
{
    int status;
    ssize_t got = recv(sock->fd, tcp->discarded, sizeof(tcp->discarded), MSG_DONTWAIT);
    tcp->stats->recv_calls++;
    if (got < 0) {
        return receive_failed(errno, &status);
    }
    return got == 0 ? TCP_FINISHED : TCP_MORE;
}

/* ---- send ---- */

static void piece_drop(struct tcp *tcp, struct tcp_sock *sock)
{
    union node *node = sock->first;
    sock->first = node->next;
    if (sock->first == NULL) {
        sock->last = NULL;
    }
    leat_buf_unref(node->event.body.buf);
    pool_give(tcp->pool, node);
}

static void queue_drop(struct tcp *tcp, struct tcp_sock *sock)
{
    while (sock->first != NULL) {
        piece_drop(tcp, sock);
    }
    sock->queued = 0;
}

int tcp_submit(struct tcp *tcp, struct tcp_sock *sock, const struct io_op *op)
{
    leat_slice body = op->data.body;
    if (sock->listens) {
        return -EINVAL;
    }
    if (sock->finishing || sock->broken != 0) {
        return -EPIPE;
    }
    /* At half empty any body is taken, so that WRITABLE is never followed by a refusal. */
    if (sock->queued > tcp->queue_max / 2 &&
        (uint64_t)sock->queued + body.len > tcp->queue_max) {
        sock->want_writable = true;
        return -EAGAIN;
    }
    if (body.len == 0) {
        leat_buf_unref(body.buf);
        return 0;
    }
    union node *node = pool_take(tcp->pool);
    if (node == NULL) {
        return -ENOMEM;
    }
    node->next = NULL;
    node->event.body = body;
    if (sock->first == NULL) {
        sock->first = node;
    } else {
        sock->last->next = node;
    }
    sock->last = node;
    sock->queued += body.len;
    return 0;
}

/* `len` bytes have gone. */
static void queue_advance(struct tcp *tcp, struct tcp_sock *sock, size_t len)
{
    sock->queued -= (uint32_t)len;
    while (len > 0) {
        leat_slice *body = &sock->first->event.body;
        if (len < body->len) {
            *body = leat_slice_sub(*body, (uint32_t)len, body->len);
            return;
        }
        len -= body->len;
        piece_drop(tcp, sock);
    }
}

static enum tcp_flushed send_failed(struct tcp *tcp, struct tcp_sock *sock, int error)
{
    if (error == EAGAIN) {
        return TCP_BLOCKED;
    }
    if (error == ENOBUFS || error == ENOMEM) {
        return TCP_CONGESTED;
    }
    sock->broken = -error;
    queue_drop(tcp, sock);
    return TCP_BROKEN;
}

uint32_t tcp_build(const struct tcp_sock *sock, struct iovec *vectors, uint32_t max,
                   size_t *ret_len)
{
    uint32_t n = 0;
    size_t len = 0;
    for (const union node *node = sock->first; node != NULL && n < max; node = node->next) {
        vectors[n].iov_base = leat_slice_data(node->event.body);
        vectors[n].iov_len = node->event.body.len;
        len += vectors[n++].iov_len;
    }
    *ret_len = len;
    return n;
}

enum tcp_flushed tcp_sent(struct tcp *tcp, struct tcp_sock *sock, ssize_t sent)
{
    if (sent < 0) {
        return send_failed(tcp, sock, (int)-sent);
    }
    tcp->stats->sent_bytes += (uint64_t)sent;
    queue_advance(tcp, sock, (size_t)sent);
    return sock->first == NULL ? TCP_EMPTY : TCP_BLOCKED;
}

enum tcp_flushed tcp_flush(struct tcp *tcp, struct tcp_sock *sock)
{
    struct iovec vectors[TCP_VECTORS];
    while (sock->first != NULL) {
        size_t len;
        uint32_t n = tcp_build(sock, vectors, TCP_VECTORS, &len);
        struct msghdr message = {.msg_iov = vectors, .msg_iovlen = n};
        ssize_t sent = sendmsg(sock->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        tcp->stats->send_calls++;
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        enum tcp_flushed result = tcp_sent(tcp, sock, sent < 0 ? -errno : sent);
        if (sent < 0 || (size_t)sent < len) {
            return result;
        }
    }
    if (sock->broken != 0) {
        return TCP_BROKEN;
    }
    if (sock->finishing && !sock->fin_sent) {
        sock->fin_sent = true;
        shutdown(sock->fd, SHUT_WR); /* fails where the connection has: reading tells */
    }
    return TCP_EMPTY;
}

void tcp_close(struct tcp *tcp, struct tcp_sock *sock, bool reset)
{
    queue_drop(tcp, sock);
    if (sock->fd >= 0) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        if (reset) {
            setsockopt(sock->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        struct stat now;
        if (sock->inode != 0 && lstat(sock->path, &now) == 0 && now.st_ino == sock->inode &&
            now.st_dev == sock->device) {
            unlink(sock->path);
        }
        close(sock->fd);
        sock->fd = -1;
    }
    mem_free(sock->path);
    sock->path = NULL;
}
