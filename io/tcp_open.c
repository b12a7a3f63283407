/* How streams begin: listening, connecting, accepting. Invariant: on an error nothing is left open.
 * What a listener sets, its connections inherit. Backend's thread only. */
#include "tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "assert.h"
#include "mem.h"

#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_EVERY_S 10
#define KEEPALIVE_PROBES 3
#define KEEPALIVE_UNANSWERED_MS 60000 /* the same for what was sent */

static bool option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static void set_buffer(int fd, int name, uint32_t bytes)
{
    if (bytes > 0) { /* as much as the system allows */
        option(fd, SOL_SOCKET, name, bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes);
    }
}

/* What listeners and connections have in common. */
static void set_options(const struct tcp_sock *sock, uint32_t options)
{
    int fd = sock->fd;
    if (sock->family == AF_UNIX) {
        return;
    }
    option(fd, SOL_TCP, TCP_NODELAY, (options & LEAT_STREAM_NAGLE) == 0);
    if ((options & LEAT_STREAM_KEEPALIVE) != 0) {
        option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        option(fd, SOL_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
        option(fd, SOL_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
        option(fd, SOL_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
        option(fd, SOL_TCP, TCP_USER_TIMEOUT, KEEPALIVE_UNANSWERED_MS);
    }
}

/* A path, or with '@' an abstract name. 0, or -EINVAL: too long, or empty. */
static int unix_address(const char *path, struct sockaddr_un *ret, socklen_t *ret_len)
{
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(ret->sun_path)) {
        return -EINVAL;
    }
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, len);
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (path[0] == '@') {
        ret->sun_path[0] = '\0';
    } else {
        *ret_len += 1;
    }
    return 0;
}

static int keep_path(struct tcp_sock *sock, const char *path)
{
    size_t size = strlen(path) + 1;
    sock->path = mem_alloc(size, 1);
    if (sock->path == NULL) {
        return -ENOMEM;
    }
    memcpy(sock->path, path, size);
    return 0;
}

static int make_socket(struct tcp_sock *sock, int family)
{
    sock->family = family;
    sock->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sock->fd < 0) {
        sock->fd = -1;
        return -errno;
    }
    return 0;
}

/* ---- listen ---- */

/* Whether the file is a socket that nobody listens on any more. */
static bool is_stale(const char *path, const struct sockaddr_un *address, socklen_t len)
{
    struct stat file;
    if (lstat(path, &file) < 0 || !S_ISSOCK(file.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)address, len) < 0 &&
                 errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return stale;
}

static int bind_unix(struct tcp_sock *sock)
{
    struct sockaddr_un address;
    socklen_t len;
    int status = unix_address(sock->path, &address, &len);
    if (status < 0) {
        return status;
    }
    const struct sockaddr *any = (const struct sockaddr *)&address;
    if (bind(sock->fd, any, len) < 0) {
        bool again = errno == EADDRINUSE && sock->path[0] != '@' &&
                     is_stale(sock->path, &address, len);
        if (!again) {
            return errno == EADDRINUSE ? -EADDRINUSE : -errno;
        }
        unlink(sock->path);
        if (bind(sock->fd, any, len) < 0) {
            return -errno;
        }
    }
    struct stat file;
    if (sock->path[0] != '@' && lstat(sock->path, &file) == 0) {
        sock->device = file.st_dev;
        sock->inode = file.st_ino;
    }
    return 0;
}

static int bind_tcp(struct tcp_sock *sock, const struct io_op *op)
{
    uint32_t options = op->listen.options;
    option(sock->fd, SOL_SOCKET, SO_REUSEADDR, 1); /* old connections do not hold the port */
    if ((options & LEAT_STREAM_REUSEPORT) != 0 &&
        !option(sock->fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
        return -errno;
    }
    if (sock->family == AF_INET6 &&
        !option(sock->fd, SOL_IPV6, IPV6_V6ONLY, (options & LEAT_STREAM_DUAL_STACK) == 0)) {
        return -errno;
    }
    union addr_any any;
    socklen_t len = addr_to_any(&op->listen.local, sock->family, &any);
    if (bind(sock->fd, &any.any, len) < 0) {
        return -errno;
    }
    return 0;
}

/* The address it is bound to. */
static void read_bound(struct tcp_sock *sock)
{
    union addr_any any;
    socklen_t len = sizeof(any);
    sock->bound = (struct leat_addr){0};
    if (sock->family != AF_UNIX && getsockname(sock->fd, &any.any, &len) == 0) {
        addr_from_any(&any, &sock->bound);
    }
}

static int listen_on(struct tcp_sock *sock, const struct io_op *op)
{
    set_buffer(sock->fd, SO_RCVBUF, op->listen.recv_buf);
    set_buffer(sock->fd, SO_SNDBUF, op->listen.send_buf);
    set_options(sock, op->listen.options);
    int status = sock->path != NULL ? bind_unix(sock) : bind_tcp(sock, op);
    if (status < 0) {
        return status;
    }
    uint32_t backlog = op->listen.backlog;
    backlog = backlog == 0 || backlog > TCP_BACKLOG_MAX ? TCP_BACKLOG_MAX : backlog;
    if (listen(sock->fd, (int)backlog) < 0) {
        return -errno;
    }
    /* Shared from now on, the port was nobody's: the first is refused as one that shares is not. */
    if ((op->listen.options & LEAT_STREAM_REUSEPORT_FIRST) != 0 &&
        !option(sock->fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
        return -errno;
    }
    read_bound(sock);
    return 0;
}

int tcp_listen(struct tcp *tcp, struct tcp_sock *sock, const struct io_op *op)
{
    LEAT_ASSERT(op->kind == IO_OP_LISTEN);
    sock->listens = true;
    if (tcp->spare_fd < 0) {
        tcp->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    bool is_unix = op->listen.path != NULL;
    int status = is_unix ? keep_path(sock, op->listen.path) : 0;
    if (status == 0) {
        status = make_socket(sock, is_unix ? AF_UNIX : addr_family(&op->listen.local));
    }
    if (status == 0) {
        status = listen_on(sock, op);
    }
    if (status < 0) {
        tcp_close(tcp, sock, false);
    }
    return status;
}

/* ---- connect ---- */

static int bind_source(struct tcp_sock *sock, const struct leat_addr *local)
{
    union addr_any any;
    socklen_t len = addr_to_any(local, sock->family, &any);
    if (len == 0) {
        return -EINVAL;
    }
    option(sock->fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (local->port == 0) { /* chosen when the peer is known, so that many share one */
        option(sock->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    }
    return bind(sock->fd, &any.any, len) < 0 ? -errno : 0;
}

int tcp_connect_again(struct tcp_sock *sock)
{
    union addr_any any;
    struct sockaddr_un address;
    const struct sockaddr *to = &any.any;
    socklen_t len;
    if (sock->path != NULL) {
        int status = unix_address(sock->path, &address, &len);
        if (status < 0) {
            return status;
        }
        to = (const struct sockaddr *)&address;
    } else {
        len = addr_to_any(&sock->peer, sock->family, &any);
    }
    if (connect(sock->fd, to, len) == 0) {
        read_bound(sock);
        return 0;
    }
    return errno == EINPROGRESS || errno == EINTR ? TCP_IN_PROGRESS : -errno;
}

int tcp_connect(struct tcp *tcp, struct tcp_sock *sock, const struct io_op *op)
{
    LEAT_ASSERT(op->kind == IO_OP_CONNECT);
    bool is_unix = op->connect.path != NULL;
    sock->peer = op->connect.peer;
    int status = is_unix ? keep_path(sock, op->connect.path)
                 : sock->peer.port == 0 ? -EINVAL : 0;
    if (status == 0) {
        status = make_socket(sock, is_unix ? AF_UNIX : addr_family(&sock->peer));
    }
    if (status == 0) {
        set_options(sock, op->connect.options);
        status = !is_unix && op->connect.local != NULL ? bind_source(sock, op->connect.local) : 0;
    }
    if (status == 0) {
        status = tcp_connect_again(sock);
    }
    if (status < 0 && status != -EAGAIN) {
        tcp_close(tcp, sock, false);
    }
    return status;
}

int tcp_connected(struct tcp_sock *sock)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        return -errno;
    }
    if (error == 0) {
        read_bound(sock);
    }
    return -error;
}

/* ---- accept ---- */

static void say_exhausted(struct tcp *tcp, int status)
{
    uint64_t times = ++tcp->exhausted_len;
    if (tcp->log == NULL || (times & (times - 1)) != 0) {
        return;
    }
    char text[160];
    snprintf(text, sizeof(text),
             "cannot accept: %s; %llu connections turned away so far; raise the limit (ulimit -n)",
             strerror(-status), (unsigned long long)tcp->stats->accept_failed);
    tcp->log(tcp->log_context, LEAT_LOG_WARNING, text);
}

/* All descriptors are in use: one is given up, so that the connection can be taken and ended,
 * instead of being announced for ever. */
static enum tcp_accepted turn_away(struct tcp *tcp, int listener)
{
    if (tcp->spare_fd < 0) {
        tcp->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (tcp->spare_fd < 0) {
            return TCP_EXHAUSTED;
        }
    }
    close(tcp->spare_fd);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    tcp->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? TCP_TURNED_AWAY : error == EAGAIN ? TCP_NONE : TCP_EXHAUSTED;
}

enum tcp_accepted tcp_accept_fd(struct tcp *tcp, const struct tcp_sock *listener, int fd,
                                struct tcp_sock *ret)
{
    union addr_any any = {0};
    socklen_t len = sizeof(any);
    bool is_unix = listener->family == AF_UNIX;
    if (!is_unix && getpeername(fd, &any.any, &len) < 0) { /* reset: nobody knows who it was */
        tcp->stats->accept_failed++;
        close(fd);
        return TCP_AGAIN;
    }
    ret->fd = fd;
    ret->family = listener->family;
    if (!is_unix) {
        addr_from_any(&any, &ret->peer);
    }
    return TCP_ACCEPTED;
}

static enum tcp_accepted accept_one(struct tcp *tcp, const struct tcp_sock *listener,
                                    struct tcp_sock *ret, int *ret_status)
{
    union addr_any any = {0};
    socklen_t len = sizeof(any);
    LEAT_ASSERT(listener->listens);
    bool is_unix = listener->family == AF_UNIX;
    int fd = accept4(listener->fd, is_unix ? NULL : &any.any, is_unix ? NULL : &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        ret->fd = fd;
        ret->family = listener->family;
        if (!is_unix) {
            addr_from_any(&any, &ret->peer);
        }
        return TCP_ACCEPTED;
    }
    *ret_status = -errno;
    switch (errno) {
    case EAGAIN:
        return TCP_NONE;
    case EMFILE:
    case ENFILE:
        return turn_away(tcp, listener->fd);
    case ENOBUFS:
    case ENOMEM:
        return TCP_EXHAUSTED;
    default: /* of that connection: it is gone, see accept(2) */
        tcp->stats->accept_failed++;
        return TCP_AGAIN;
    }
}

enum tcp_accepted tcp_accept(struct tcp *tcp, const struct tcp_sock *listener,
                             struct tcp_sock *ret, int *ret_status)
{
    enum tcp_accepted result = accept_one(tcp, listener, ret, ret_status);
    if (result == TCP_TURNED_AWAY || result == TCP_EXHAUSTED) {
        tcp->stats->accept_failed += result == TCP_TURNED_AWAY;
        say_exhausted(tcp, *ret_status);
    }
    return result;
}
