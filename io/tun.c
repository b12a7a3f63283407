/* An interface's packets. What is read goes into one receive buffer, with its virtio-net header
 * in the headroom: a long packet takes the buffer along, a short one is copied into a small
 * buffer, so that a few bytes that somebody keeps never hold 64 KiB. What is written waits as a
 * list of bodies, by reference. Nothing that a network sends asserts. Backend's thread only. */
#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pool.h"

/* Kernels have these since 6.2, headers later. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

_Static_assert(sizeof(struct virtio_net_hdr) == TUN_FRONT, "the header, as by default");
_Static_assert(TUN_FRONT <= LEAT_HEADROOM, "it fits in front of a packet");
_Static_assert((int)LEAT_TUN_TCP4 == VIRTIO_NET_HDR_GSO_TCPV4, "types are the kernel's");
_Static_assert((int)LEAT_TUN_TCP6 == VIRTIO_NET_HDR_GSO_TCPV6, "types are the kernel's");
_Static_assert((int)LEAT_TUN_CHECKSUM_PARTIAL == VIRTIO_NET_HDR_F_NEEDS_CSUM, "so are flags");
_Static_assert((int)LEAT_TUN_CHECKSUM_VALID == VIRTIO_NET_HDR_F_DATA_VALID, "so are flags");
_Static_assert(LEAT_TUN_NAME_LEN == IFNAMSIZ, "a name fits");

void tun_init(struct tun *tun, struct pool *pool, struct io_stats *stats, uint32_t queue_len_max)
{
    LEAT_ASSERT(pool != NULL);
    LEAT_ASSERT(queue_len_max > 0);
    tun->pool = pool;
    tun->stats = stats;
    tun->queue_len_max = queue_len_max;
}

void tun_fini(struct tun *tun)
{
    leat_buf_unref(tun->buf);
    tun->buf = NULL;
}

/* ---- open, close ---- */

static int take_name(const char *name, char ret[LEAT_TUN_NAME_LEN])
{
    size_t len = name != NULL ? strlen(name) : 0;
    if (len >= LEAT_TUN_NAME_LEN || (len > 0 && strcspn(name, "/: \t\n\v\f\r") < len)) {
        return -EINVAL;
    }
    memset(ret, 0, LEAT_TUN_NAME_LEN);
    if (len > 0) {
        memcpy(ret, name, len);
    }
    return 0;
}

static int open_device(int *ret_fd)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        bool none = errno == ENODEV || errno == ENXIO; /* the file is there, the driver is not */
        return none ? -ENOENT : errno == EACCES ? -EPERM : -errno;
    }
    *ret_fd = fd;
    return 0;
}

/* Makes the interface, or attaches to it. */
static int set_interface(int fd, struct leat_tun_info *info, uint32_t flags)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, info->name, sizeof(info->name));
    int want = ((flags & LEAT_TUN_TAP) != 0 ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_VNET_HDR |
               ((flags & LEAT_TUN_QUEUES) != 0 ? IFF_MULTI_QUEUE : 0);
    request.ifr_flags = (short)want;
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        int status = -errno;
        return status == -EINVAL && tun_name_is_taken(info->name) ? -EBUSY : status;
    }
    memcpy(info->name, request.ifr_name, sizeof(info->name));
    return 0;
}

static int set_offloads(int fd, bool wanted)
{
    int front = (int)TUN_FRONT; /* one that is there already may have another */
    if (ioctl(fd, TUNSETVNETHDRSZ, &front) < 0) {
        return -errno;
    }
    unsigned long usual = wanted ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0;
    unsigned long all = wanted ? usual | TUN_F_USO4 | TUN_F_USO6 : 0;
    if (ioctl(fd, TUNSETOFFLOAD, all) < 0 && ioctl(fd, TUNSETOFFLOAD, usual) < 0) {
        return -errno;
    }
    return 0;
}

int tun_open(struct tun_sock *sock, const struct leat_tun_config *config)
{
    sock->fd = -1;
    int status = take_name(config->name, sock->info.name);
    if (status == 0) {
        status = open_device(&sock->fd);
    }
    if (status == 0) {
        status = set_interface(sock->fd, &sock->info, config->flags);
    }
    if (status == 0) {
        status = set_offloads(sock->fd, (config->flags & LEAT_TUN_OFFLOADS) != 0);
    }
    if (status == 0) {
        status = tun_configure(&sock->info, config);
    }
    if (status < 0 && sock->fd >= 0) {
        close(sock->fd);
        sock->fd = -1;
    }
    return status;
}

void tun_close(struct tun *tun, struct tun_sock *sock)
{
    tun_drop_queue(tun, sock);
    if (sock->fd >= 0) {
        close(sock->fd);
        sock->fd = -1;
    }
}

/* ---- receiving ---- */

/* Where the payload of a super-packet begins: what the header says is only how much lies in a
 * row. */
static uint16_t header_len(uint8_t type, const uint8_t *bytes, uint32_t len, uint16_t start)
{
    uint32_t transport = 8;
    if (type != LEAT_TUN_UDP) {
        transport = start + 12u < len ? (uint32_t)bytes[start + 12u] >> 4 << 2 : 0u;
    }
    return (uint16_t)(start + transport);
}

/* False: a kind that was not asked for. */
static bool read_header(const uint8_t *bytes, uint32_t len, struct leat_tun_offload *ret)
{
    struct virtio_net_hdr header;
    memcpy(&header, bytes - TUN_FRONT, sizeof(header));
    *ret = (struct leat_tun_offload){.type = header.gso_type, .checksum = header.flags & 3};
    if ((ret->checksum & LEAT_TUN_CHECKSUM_PARTIAL) != 0) {
        ret->checksum_start = header.csum_start;
        ret->checksum_offset = header.csum_offset;
    }
    if (ret->type != LEAT_TUN_WHOLE) {
        ret->segment_size = header.gso_size;
        ret->header_len = header_len(ret->type, bytes, len, ret->checksum_start);
    }
    return ret->type == LEAT_TUN_WHOLE || ret->type == LEAT_TUN_TCP4 ||
           ret->type == LEAT_TUN_TCP6 || ret->type == LEAT_TUN_UDP;
}

/* Packets that these bytes stand for, to be counted. */
static uint32_t packets_of(const struct leat_tun_offload *offload, uint32_t len)
{
    uint32_t size = offload->segment_size;
    if (offload->type == LEAT_TUN_WHOLE || size == 0 || len <= offload->header_len) {
        return 1;
    }
    return (len - offload->header_len + size - 1) / size;
}

bool tun_complete(struct tun *tun, struct tun_sock *sock, leat_buf *buf, uint32_t len,
                  struct io_done *done, bool *ret_kept)
{
    *done = (struct io_done){.kind = IO_DONE_DATA, .sock = sock->index, .token = sock->token};
    *ret_kept = true;
    if (len > LEAT_TUN_PACKET_MAX || !read_header(buf_train_data(buf), len, &done->offload)) {
        tun->stats->recv_errors++;
        return false;
    }
    if (len <= TUN_SHORT_LEN && leat_buf_alloc(len, &done->body) == 0) {
        memcpy(leat_slice_data(done->body), buf_train_data(buf), len);
    } else {
        done->body =
            (leat_slice){.buf = buf, .offset = BUF_HEADER_LEN + LEAT_HEADROOM, .len = len};
        *ret_kept = false;
    }
    done->segment_size = done->offload.segment_size;
    tun->stats->recv_datagrams += packets_of(&done->offload, len);
    tun->stats->recv_bytes += len;
    return true;
}

bool tun_is_deleted(const struct tun_sock *sock)
{
    struct ifreq request;
    return ioctl(sock->fd, TUNGETIFF, &request) < 0 && errno == EBADFD;
}

unsigned tun_receive(struct tun *tun, struct tun_sock *sock, struct io_done *done, unsigned cap,
                     enum tun_more *ret_more)
{
    unsigned n = 0;
    LEAT_ASSERT(sock->fd >= 0);
    *ret_more = TUN_MORE;
    for (uint32_t i = 0; i < TUN_BATCH && n < cap; i++) {
        if (tun->buf == NULL) {
            tun->buf = pool_train_take(tun->pool);
        }
        if (LEAT_UNLIKELY(tun->buf == NULL)) { /* one that is deleted is told of again and again */
            sock->is_gone |= tun_is_deleted(sock);
            *ret_more = sock->is_gone ? TUN_GONE : TUN_STARVED;
            break;
        }
        LEAT_ASSERT_SLOW(tun->buf->size >= BUF_HEADER_LEN + LEAT_HEADROOM + TUN_READ_LEN);
        ssize_t got = read(sock->fd, buf_train_data(tun->buf) - TUN_FRONT,
                           TUN_FRONT + TUN_READ_LEN);
        tun->stats->recv_calls++;
        if (got < (ssize_t)TUN_FRONT) {
            bool gone = got < 0 && errno != EAGAIN && errno != EINTR;
            sock->is_gone |= gone;
            *ret_more = gone ? TUN_GONE : got < 0 && errno == EAGAIN ? TUN_DRAINED : TUN_MORE;
            break;
        }
        bool kept;
        n += tun_complete(tun, sock, tun->buf, (uint32_t)got - TUN_FRONT, &done[n], &kept);
        tun->buf = kept ? tun->buf : NULL;
    }
    return n;
}

/* ---- sending ---- */

int tun_submit(struct tun *tun, struct tun_sock *sock, const struct io_op *op)
{
    uint32_t len = op->data.body.len;
    if (len == 0 || len > LEAT_TUN_PACKET_MAX) {
        return len == 0 ? -EINVAL : -EMSGSIZE;
    }
    uint32_t packets = packets_of(op->data.offload, len);
    if (LEAT_UNLIKELY(sock->queued + packets > tun->queue_len_max && sock->queued > 0)) {
        sock->want_writable = true;
        return -EAGAIN;
    }
    union node *node = pool_take(tun->pool);
    if (node == NULL) {
        return -ENOMEM;
    }
    node->next = NULL;
    node->event.tun.body = op->data.body;
    node->event.tun.offload = *op->data.offload;
    if (sock->first == NULL) {
        sock->first = node;
    } else {
        sock->last->next = node;
    }
    sock->last = node;
    sock->queued += packets;
    return 0;
}

static void consume(struct tun *tun, struct tun_sock *sock)
{
    union node *node = sock->first;
    uint32_t packets = packets_of(&node->event.tun.offload, node->event.tun.body.len);
    LEAT_ASSERT(sock->queued >= packets);
    sock->queued -= packets;
    sock->first = node->next;
    if (sock->first == NULL) {
        sock->last = NULL;
    }
    leat_buf_unref(node->event.tun.body.buf);
    pool_give(tun->pool, node);
}

void tun_drop_queue(struct tun *tun, struct tun_sock *sock)
{
    while (sock->first != NULL) {
        consume(tun, sock);
    }
}

void tun_header(const union node *node, uint8_t header[TUN_FRONT])
{
    const struct leat_tun_offload *offload = &node->event.tun.offload;
    struct virtio_net_hdr fields = {
        .flags = offload->checksum & 3,
        .gso_type = offload->type,
        .hdr_len = offload->header_len,
        .gso_size = offload->segment_size,
        .csum_start = offload->checksum_start,
        .csum_offset = offload->checksum_offset,
    };
    memcpy(header, &fields, sizeof(fields));
}

/* In one piece where nobody else holds the buffer and so what is in front of the packet. */
static int write_one(const struct tun_sock *sock)
{
    leat_slice frame = sock->first->event.tun.body;
    uint8_t *front = leat_slice_prepend(&frame, TUN_FRONT);
    ssize_t written;
    if (LEAT_LIKELY(front != NULL)) {
        tun_header(sock->first, front);
        written = write(sock->fd, front, frame.len);
    } else {
        uint8_t header[TUN_FRONT];
        struct iovec vectors[2] = {
            {.iov_base = header, .iov_len = sizeof(header)},
            {.iov_base = leat_slice_data(frame), .iov_len = frame.len},
        };
        tun_header(sock->first, header);
        written = writev(sock->fd, vectors, 2);
    }
    return written < 0 ? -errno : (int)written;
}

/* What a write of the first of the queue has come to. False: it stays, *ret says until when. */
static bool written(struct tun *tun, struct tun_sock *sock, int result, enum tun_flushed *ret)
{
    const struct leat_event *event = &sock->first->event;
    uint32_t packets = packets_of(&event->tun.offload, event->tun.body.len);
    switch (result) {
    case -EAGAIN:
        *ret = TUN_BLOCKED;
        return false;
    case -ENOBUFS:
    case -ENOMEM:
        *ret = TUN_CONGESTED;
        return false;
    case -EBADFD:
        sock->is_gone = true;
        tun->stats->send_errors += packets;
        break;
    default:
        if (result < 0) {
            sock->error = result;
            tun->stats->send_errors += packets;
        } else {
            tun->stats->sent_datagrams += packets;
            tun->stats->sent_bytes += event->tun.body.len;
        }
    }
    consume(tun, sock);
    return true;
}

enum tun_flushed tun_flush(struct tun *tun, struct tun_sock *sock)
{
    enum tun_flushed result = TUN_EMPTY;
    while (sock->first != NULL && !sock->is_gone) {
        int status = write_one(sock);
        tun->stats->send_calls++;
        if (status != -EINTR && !written(tun, sock, status, &result)) {
            break;
        }
    }
    return result;
}

enum tun_flushed tun_settle(struct tun *tun, struct tun_sock *sock, uint32_t n)
{
    enum tun_flushed result = TUN_EMPTY;
    union node *kept = NULL;
    union node **end = &kept;
    for (uint32_t i = 0; i < n; i++) {
        union node *node = sock->first;
        LEAT_ASSERT(node != NULL);
        if (!written(tun, sock, node->event.status, &result)) {
            sock->first = node->next; /* but it counts as queued */
            sock->last = sock->first == NULL ? NULL : sock->last;
            node->next = NULL;
            *end = node;
            end = &node->next;
        }
    }
    if (kept != NULL) {
        *end = sock->first;
        if (sock->first == NULL) {
            sock->last = (union node *)(void *)end; /* whose first member is the link */
        }
        sock->first = kept;
    }
    return result;
}

bool tun_has_room(const struct tun *tun, struct tun_sock *sock)
{
    bool owed = sock->want_writable && sock->queued <= tun->queue_len_max / 2;
    sock->want_writable = sock->want_writable && !owed;
    return owed;
}
