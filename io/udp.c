/* A UDP socket: opening it and reading it. Datagrams go from the kernel straight into the pool's
 * receive buffers, up to 64 per system call, each with the local address it came to and, as GRO
 * merged them, the size of its segments. Invariant: posted[0..posted_len) are buffers of ours that
 * nobody else holds; what a receive filled leaves that array with its only reference. Nothing that
 * comes from a network asserts. Called by the backend's thread only. */
#include "udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <unistd.h>

#define UDP_BATCH_FIRST 16u
#define UDP_ERRORS_PER_READ 32

static const int on = 1;

void udp_init(struct udp *udp, struct pool *pool, struct io_stats *stats, uint32_t queue_len_max)
{
    LEAT_ASSERT(pool != NULL);
    LEAT_ASSERT(queue_len_max > 0);
    udp->pool = pool;
    udp->stats = stats;
    udp->queue_len_max = queue_len_max;
    uint32_t others = 2 * pool_trains_part(pool);
    uint32_t bufs = pool->trains_max > others ? pool->trains_max - others : 1;
    udp->batch_max = bufs < UDP_BATCH ? bufs : UDP_BATCH;
    udp->batch = UDP_BATCH_FIRST < udp->batch_max ? UDP_BATCH_FIRST : udp->batch_max;
    udp->send_max = UDP_BATCH;
    udp->index.epoch = 1;
    for (uint32_t i = 0; i < UDP_BATCH; i++) {
        udp->recv_vectors[i].iov_len = BUF_TRAIN_LEN;
        udp->recv_headers[i].msg_hdr = (struct msghdr){
            .msg_name = &udp->recv_messages[i].name,
            .msg_namelen = sizeof(udp->recv_messages[i].name),
            .msg_iov = &udp->recv_vectors[i],
            .msg_iovlen = 1,
            .msg_control = udp->recv_messages[i].control,
            .msg_controllen = UDP_CONTROL_LEN,
        };
    }
}

void udp_fini(struct udp *udp)
{
    for (uint32_t i = 0; i < udp->posted_len; i++) {
        leat_buf_unref(udp->posted[i]);
    }
    udp->posted_len = 0;
    udp_send_fini(udp);
}

/* ---- open, close ---- */

static bool option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* What is asked for beyond net.core.[rw]mem_max needs a capability; without it the limit holds. */
static void set_buffer(int fd, int force, int plain, uint32_t bytes)
{
    int value = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes;
    if (bytes > 0 && !option(fd, SOL_SOCKET, force, value)) {
        option(fd, SOL_SOCKET, plain, value);
    }
}

static int set_options(struct udp_sock *sock, const struct io_op *op)
{
    int fd = sock->fd;
    if ((op->open.flags & LEAT_UDP_REUSEPORT) != 0 && !option(fd, SOL_SOCKET, SO_REUSEPORT, on)) {
        return -errno;
    }
    /* A link-local address brings its interface; any other is bound to it here. */
    int interface = (int)op->open.local.scope_id;
    if (interface != 0 && !option(fd, SOL_SOCKET, SO_BINDTOIFINDEX, interface)) {
        return -errno;
    }
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, op->open.recv_buf);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, op->open.send_buf);
    /* Bound to one address it need not be told where a datagram came to: 2 % of its cost. */
    const struct leat_addr *local = &op->open.local;
    bool info = addr_is_wildcard(local) || addr_is_group(local);
    if (sock->family == AF_INET6) {
        sock->dual_stack = (op->open.flags & LEAT_UDP_DUAL_STACK) != 0;
        if (!option(fd, SOL_IPV6, IPV6_V6ONLY, !sock->dual_stack) ||
            !option(fd, SOL_IPV6, IPV6_RECVPKTINFO, info) ||
            !option(fd, SOL_IPV6, IPV6_RECVERR, on)) {
            return -errno;
        }
    }
    bool v4 = option(fd, SOL_IP, IP_RECVERR, on) &&
              option(fd, SOL_IP, IP_PKTINFO, info && sock->family == AF_INET);
    if (!v4 && sock->family == AF_INET) {
        return -errno;
    }
    /* Without either the kernel only does more work per datagram. */
    option(fd, SOL_UDP, UDP_GRO, on);
    int segment = 0;
    socklen_t len = sizeof(segment);
    sock->gso = getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &len) == 0;
    return 0;
}

/* Shared from now on, the port was nobody's: at bind the first is refused as one that shares is not. */
static int bind_local(struct udp_sock *sock, const struct leat_addr *local, uint32_t flags)
{
    union addr_any any;
    socklen_t len = addr_to_any(local, sock->family, &any);
    if (bind(sock->fd, &any.any, len) < 0) {
        return -errno;
    }
    len = sizeof(any);
    if (getsockname(sock->fd, &any.any, &len) < 0) {
        return -errno;
    }
    if (!addr_from_any(&any, &sock->bound)) {
        return -EAFNOSUPPORT;
    }
    if ((flags & LEAT_UDP_REUSEPORT_FIRST) != 0 && !option(sock->fd, SOL_SOCKET, SO_REUSEPORT, on)) {
        return -errno;
    }
    sock->fixed = !addr_is_wildcard(&sock->bound) && !addr_is_group(&sock->bound);
    return 0;
}

int udp_open(struct udp *udp, struct udp_sock *sock, const struct io_op *op)
{
    LEAT_ASSERT(op->kind == IO_OP_OPEN);
    LEAT_ASSERT(sock->first == NULL);
    if (udp->pool->trains_len == 0 && pool_trains_reserve(udp->pool, UDP_BATCH_FIRST) < 0) {
        return -ENOMEM;
    }
    sock->family = addr_family(&op->open.local);
    sock->fd = socket(sock->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (sock->fd < 0) {
        sock->fd = -1;
        return -errno;
    }
    int status = set_options(sock, op);
    if (status == 0) {
        status = bind_local(sock, &op->open.local, op->open.flags);
    }
    if (status < 0) {
        close(sock->fd);
        sock->fd = -1;
    }
    return status;
}

void udp_close(struct udp *udp, struct udp_sock *sock)
{
    udp_drop_queue(udp, sock);
    if (sock->fd >= 0) {
        close(sock->fd);
        sock->fd = -1;
    }
}

/* ---- receive ---- */

/* Tops up the posted buffers; false: there is none at all. */
static bool post(struct udp *udp)
{
    while (udp->posted_len < udp->batch) {
        leat_buf *buf = pool_train_take(udp->pool);
        if (buf == NULL) {
            break;
        }
        udp->recv_vectors[udp->posted_len].iov_base = buf_train_data(buf);
        udp->posted[udp->posted_len++] = buf;
    }
    return udp->posted_len > 0;
}

/* After the first `used` buffers have gone: moves others to the front. */
static void unpost(struct udp *udp, uint32_t used)
{
    LEAT_ASSERT(used <= udp->posted_len);
    uint32_t left = udp->posted_len - used;
    uint32_t moved = left < used ? left : used; /* the order among free buffers does not matter */
    for (uint32_t i = 0; i < moved; i++) {
        leat_buf *buf = udp->posted[udp->posted_len - 1 - i];
        udp->posted[i] = buf;
        udp->recv_vectors[i].iov_base = buf_train_data(buf);
    }
    udp->posted_len = left;
}

/* The socket's own copy of a local address, whose place is stable; NULL: there are too many. */
static const struct leat_addr *intern_local(struct udp_sock *sock, const void *ip, bool v4,
                                            uint32_t scope_id)
{
    struct leat_addr addr = {.scope_id = scope_id, .port = sock->bound.port};
    if (v4) {
        addr_map_v4(addr.ip, ip);
    } else {
        memcpy(addr.ip, ip, sizeof(addr.ip));
    }
    return addr_set_intern(&sock->locals, &addr);
}

static void read_control(struct udp_sock *sock, struct msghdr *header, leat_buf *buf,
                         uint32_t *ret_segment_size)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(at), sizeof(size));
            *ret_segment_size = size > 0 ? (uint32_t)size : 0;
        } else if (at->cmsg_level == SOL_IP && at->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info; /* spec_dst, not addr: what answers can leave from */
            memcpy(&info, CMSG_DATA(at), sizeof(info));
            buf->local =
                intern_local(sock, &info.ipi_spec_dst, true, (uint32_t)info.ipi_ifindex);
        } else if (at->cmsg_level == SOL_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof(info));
            buf->local = intern_local(sock, &info.ipi6_addr, false, info.ipi6_ifindex);
        }
    }
}

bool udp_complete(struct udp *udp, struct udp_sock *sock, struct msghdr *header, leat_buf *buf,
                  uint32_t len, struct io_done *done)
{
    uint32_t segment_size = 0;
    addr_from_any(header->msg_name, &done->peer);
    buf->local = sock->fixed ? &sock->bound : NULL;
    read_control(sock, header, buf, &segment_size);
    if (LEAT_UNLIKELY((header->msg_flags & MSG_TRUNC) != 0)) {
        struct leat_addr peer = done->peer;
        udp->stats->recv_errors++;
        udp_error_add(udp, sock, -EMSGSIZE, &peer);
        leat_buf_unref(buf);
        return false;
    }
    bool train = segment_size > 0 && segment_size < len;
    done->kind = IO_DONE_DATA;
    done->sock = sock->index;
    done->token = sock->token;
    done->status = 0;
    done->segment_size = train ? segment_size : 0;
    done->body = (leat_slice){.buf = buf, .offset = BUF_HEADER_LEN + LEAT_HEADROOM, .len = len};
    udp->stats->recv_datagrams += train ? (len + segment_size - 1) / segment_size : 1;
    udp->stats->recv_bytes += len;
    return true;
}

/* What recvmmsg left in place i. */
static bool take_message(struct udp *udp, struct udp_sock *sock, uint32_t i, struct io_done *done)
{
    struct msghdr *header = &udp->recv_headers[i].msg_hdr;
    bool whole =
        udp_complete(udp, sock, header, udp->posted[i], udp->recv_headers[i].msg_len, done);
    header->msg_namelen = sizeof(udp->recv_messages[i].name);
    header->msg_controllen = UDP_CONTROL_LEN;
    return whole;
}

/* Reading failed: usually an ICMP error that the error queue says more about. */
static enum udp_more receive_failed(struct udp *udp, struct udp_sock *sock, int error)
{
    if (error == EAGAIN) {
        return UDP_DRAINED;
    }
    if (error == EINTR) {
        return UDP_MORE;
    }
    udp_take_errors(udp, sock);
    return UDP_MORE;
}

unsigned udp_receive(struct udp *udp, struct udp_sock *sock, struct io_done *done, unsigned cap,
                     enum udp_more *ret_more)
{
    LEAT_ASSERT(cap > 0);
    LEAT_ASSERT(sock->fd >= 0);
    if (LEAT_UNLIKELY(!post(udp))) {
        *ret_more = UDP_STARVED;
        return 0;
    }
    uint32_t want = udp->posted_len < cap ? udp->posted_len : cap;
    int got = recvmmsg(sock->fd, udp->recv_headers, want, MSG_DONTWAIT, NULL);
    udp->stats->recv_calls++;
    if (got < 0) {
        *ret_more = receive_failed(udp, sock, errno);
        return 0;
    }
    unsigned n = 0;
    for (uint32_t i = 0; i < (uint32_t)got; i++) {
        n += take_message(udp, sock, i, &done[n]);
    }
    unpost(udp, (uint32_t)got);
    *ret_more = (uint32_t)got < want ? UDP_DRAINED : UDP_MORE;
    if ((uint32_t)got == udp->batch) {
        udp->batch = udp->batch * 2 < udp->batch_max ? udp->batch * 2 : udp->batch_max;
    }
    return n;
}

/* ---- errors ---- */

void udp_error_add(struct udp *udp, struct udp_sock *sock, int status,
                   const struct leat_addr *peer)
{
    LEAT_ASSERT(status < 0);
    if (udp->errors_len == UDP_ERRORS) {
        return; /* counted by the caller; who sends that many to nobody learns from some */
    }
    uint32_t at = (udp->errors_first + udp->errors_len++) % UDP_ERRORS;
    udp->errors[at] = (struct udp_error){.sock = sock, .status = status};
    if (peer != NULL) {
        udp->errors[at].peer = *peer;
    }
}

/* The kernel's word on a datagram that was sent, 0 if there is none or we know it already. */
static int extended_error(struct msghdr *header)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
        bool v4 = at->cmsg_level == SOL_IP && at->cmsg_type == IP_RECVERR;
        bool v6 = at->cmsg_level == SOL_IPV6 && at->cmsg_type == IPV6_RECVERR;
        if (v4 || v6) {
            struct sock_extended_err error;
            memcpy(&error, CMSG_DATA(at), sizeof(error));
            bool ours = error.ee_origin == SO_EE_ORIGIN_LOCAL; /* sendmmsg has told us */
            return ours || error.ee_errno > INT16_MAX ? 0 : (int)error.ee_errno;
        }
    }
    return 0;
}

void udp_take_errors(struct udp *udp, struct udp_sock *sock)
{
    union addr_any name;
    _Alignas(16) uint8_t control[512];
    bool any = false;
    for (int i = 0; i < UDP_ERRORS_PER_READ; i++) {
        struct msghdr header = {
            .msg_name = &name,
            .msg_namelen = sizeof(name),
            .msg_control = control,
            .msg_controllen = sizeof(control),
        };
        if (recvmsg(sock->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            break;
        }
        any = true;
        int error = extended_error(&header);
        struct leat_addr peer = {0};
        if (header.msg_namelen > 0) {
            addr_from_any(&name, &peer);
        }
        if (error != 0) {
            udp->stats->recv_errors++;
            udp_error_add(udp, sock, -error, &peer);
        }
    }
    int error = 0;
    socklen_t len = sizeof(error);
    /* Clears it, so that a wait does not end at once again. What the queue told is the same one. */
    getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0 && !any) {
        udp->stats->recv_errors++;
        udp_error_add(udp, sock, -error, NULL);
    }
}
