/* The send queue of a UDP socket, and its flush. Datagrams to one peer are collected by reference
 * into runs that leave as one GSO train. Invariant: of the runs of one peer only the youngest takes
 * more, and runs leave oldest first, so order holds per socket and destination; between
 * destinations a datagram may overtake others. All of it is O(1) per datagram: the youngest run of
 * a peer is found through a small cache of hashed ways, and what has fallen out of that only starts
 * a new run. Called by the backend's thread only. */
#include <errno.h>
#include <netinet/udp.h>

#include "data.h"
#include "mem.h"
#include "udp.h"

#define SLAB_LEN 16384u
#define TRIES_MAX 3u       /* errors on one message before it is dropped: the first may be older */
#define GSO_REFUSED_MAX 16 /* trains refused in a row, and none ever taken: it is the device */

struct udp_slab {
    struct udp_slab *next;
    uint8_t          zero[56];
};

static inline uint64_t load_u64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline bool same_addr(const struct leat_addr *a, const struct leat_addr *b)
{
    _Static_assert(sizeof(*a) == 24, "three words");
    const uint8_t *x = (const uint8_t *)a;
    const uint8_t *y = (const uint8_t *)b;
    return ((load_u64(x) ^ load_u64(y)) | (load_u64(x + 8) ^ load_u64(y + 8)) |
            (load_u64(x + 16) ^ load_u64(y + 16))) == 0;
}

/* ---- memory ---- */

static void *slab_add(struct udp *udp)
{
    struct udp_slab *slab = mem_alloc(sizeof(*slab) + SLAB_LEN, 64);
    if (slab == NULL) {
        return NULL;
    }
    slab->next = udp->slabs;
    udp->slabs = slab;
    return slab + 1;
}

static bool add_runs(struct udp *udp)
{
    struct udp_run *runs = slab_add(udp);
    for (uint32_t i = 0; runs != NULL && i < SLAB_LEN / sizeof(*runs); i++) {
        runs[i].next = udp->free_runs;
        udp->free_runs = &runs[i];
    }
    return runs != NULL;
}

static bool add_pieces(struct udp *udp)
{
    struct udp_piece *pieces = slab_add(udp);
    for (uint32_t i = 0; pieces != NULL && i < SLAB_LEN / sizeof(*pieces); i++) {
        pieces[i].next = udp->free_pieces;
        udp->free_pieces = &pieces[i];
    }
    return pieces != NULL;
}

/* Makes sure that `n` runs are free. */
static bool reserve_runs(struct udp *udp, uint32_t n)
{
    for (;;) {
        uint32_t have = 0;
        for (struct udp_run *run = udp->free_runs; run != NULL && have < n; run = run->next) {
            have++;
        }
        if (have == n) {
            return true;
        }
        if (!add_runs(udp)) {
            return false;
        }
    }
}

void udp_send_fini(struct udp *udp)
{
    for (struct udp_slab *slab = udp->slabs; slab != NULL;) {
        struct udp_slab *next = slab->next;
        mem_free(slab);
        slab = next;
    }
    udp->slabs = NULL;
    udp->free_runs = NULL;
    udp->free_pieces = NULL;
}

/* All references of a piece at once: adjacent slices of one buffer brought one each. */
static void release_piece(const struct udp_piece *piece)
{
    if (piece->refs > 1) {
        uint32_t before = fetch_sub_seq_u32(&piece->buf->refs, piece->refs - 1);
        LEAT_ASSERT(before >= piece->refs);
    }
    leat_buf_unref(piece->buf);
}

static void free_run(struct udp *udp, struct udp_run *run)
{
    struct udp_piece *piece = run->first.next;
    release_piece(&run->first);
    while (piece != NULL) {
        struct udp_piece *next = piece->next;
        release_piece(piece);
        piece->next = udp->free_pieces;
        udp->free_pieces = piece;
        piece = next;
    }
    run->next = udp->free_runs;
    udp->free_runs = run;
}

/* ---- narrow paths ---- */

static uint64_t hash_of(const struct udp_sock *sock, const struct leat_addr *peer)
{
    const uint8_t *at = (const uint8_t *)peer;
    uint64_t hash = (load_u64(at) + sock->index) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ (hash >> 29) ^ load_u64(at + 8)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 32) ^ load_u64(at + 16)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 32; /* a product's low bits know nothing of the factor's high ones */
}

static struct udp_narrow *narrow_place(struct udp *udp, const struct udp_sock *sock,
                                       const struct leat_addr *peer)
{
    return &udp->narrow[hash_of(sock, peer) % UDP_NARROW];
}

/* The path to the peer has refused a train of such segments. */
static void narrow_add(struct udp *udp, const struct udp_sock *sock, const struct leat_addr *peer,
                       uint32_t segment_size)
{
    struct udp_narrow *place = narrow_place(udp, sock, peer);
    udp->narrow_len += place->runs_left == 0;
    *place = (struct udp_narrow){.peer = *peer,
                                 .sock = sock->index,
                                 .segment_max = segment_size - 1,
                                 .runs_left = UDP_NARROW_RUNS};
}

/* Whether a run must not be a train; a path may widen, so the answer wears out. */
static bool is_narrow(struct udp *udp, const struct udp_sock *sock, const struct leat_addr *peer,
                      uint32_t segment_size)
{
    if (LEAT_LIKELY(udp->narrow_len == 0) || segment_size <= UDP_SEGMENT_SMALL) {
        return false;
    }
    struct udp_narrow *place = narrow_place(udp, sock, peer);
    if (place->runs_left == 0 || place->sock != sock->index || !same_addr(&place->peer, peer) ||
        segment_size <= place->segment_max) {
        return false;
    }
    place->runs_left--;
    udp->narrow_len -= place->runs_left == 0;
    return true;
}

/* ---- queue ---- */

/* The entry of a peer's youngest run; if it has none, a free one or one that can be spared. */
static struct udp_entry *index_find(struct udp_index *index, const struct udp_sock *sock,
                                    const struct leat_addr *peer, struct udp_run **ret_run)
{
    uint64_t hash = hash_of(sock, peer);
    uint32_t tag = (uint32_t)(hash >> 32);
    struct udp_entry *set = index->at[hash % UDP_SETS];
    struct udp_entry *spare = &set[tag % UDP_WAYS];
    *ret_run = NULL;
    for (uint32_t way = 0; way < UDP_WAYS; way++) {
        if (set[way].epoch != index->epoch) {
            spare = &set[way];
        } else if (set[way].tag == tag) {
            /* Of two peers with one tag the second takes the place; the first is not found. */
            if (set[way].run->sock == sock->index && same_addr(&set[way].run->peer, peer)) {
                *ret_run = set[way].run;
            }
            spare = &set[way];
            break;
        }
    }
    spare->tag = tag;
    return spare;
}

/* Whether `segments` datagrams more, `len` bytes in all, may go behind what the run has. */
static inline bool run_takes(const struct udp_run *run, const struct leat_addr *local,
                             uint32_t segment_size, uint32_t segments, uint32_t len)
{
    bool shorter = segments == 1 && len < run->segment_size && len > 0;
    return !run->closed && (segment_size == run->segment_size || shorter) &&
           run->segments + segments <= UDP_RUN_SEGMENTS && run->bytes + len <= UDP_RUN_BYTES &&
           same_addr(&run->local, local);
}

/* Takes the slice's reference; false: no memory, nothing taken. */
static bool run_append(struct udp *udp, struct udp_run *run, leat_slice body, uint32_t segments)
{
    struct udp_piece *last = run->last;
    if (last->buf == body.buf && last->offset + last->len == body.offset) {
        last->len += body.len;
        last->refs++;
    } else {
        if (udp->free_pieces == NULL && !add_pieces(udp)) {
            return false;
        }
        struct udp_piece *piece = udp->free_pieces;
        udp->free_pieces = piece->next;
        *piece = (struct udp_piece){
            .buf = body.buf, .offset = body.offset, .len = body.len, .refs = 1};
        last->next = piece;
        run->last = piece;
    }
    run->bytes += body.len;
    run->segments = (uint16_t)(run->segments + segments);
    run->closed = run->bytes < run->segments * run->segment_size;
    return true;
}

/* A new run at the end of the queue; there is a free one. Takes the slice's reference. */
static struct udp_run *run_add(struct udp *udp, struct udp_sock *sock, const struct io_op *op,
                               const struct leat_addr *local, leat_slice body,
                               uint32_t segment_size, uint32_t segments, bool follows)
{
    struct udp_run *run = udp->free_runs;
    LEAT_ASSERT(run != NULL);
    udp->free_runs = run->next;
    run->peer = *op->data.peer;
    run->local = *local;
    run->segment_size = segment_size;
    run->bytes = body.len;
    run->segments = (uint16_t)segments;
    run->sock = sock->index;
    run->plain = !sock->gso || is_narrow(udp, sock, op->data.peer, segment_size);
    run->closed = run->plain || body.len == 0 || body.len < segments * segment_size;
    run->tries = 0;
    run->follows = follows || udp->index.lossy || sock->queue_epoch != udp->index.epoch;
    run->next = NULL;
    run->last = &run->first;
    run->first = (struct udp_piece){
        .buf = body.buf, .offset = body.offset, .len = body.len, .refs = 1};
    if (sock->last == NULL) {
        sock->first = run;
        sock->queue_epoch = udp->index.epoch;
    } else {
        sock->last->next = run;
    }
    sock->last = run;
    return run;
}

/* Cuts what one run cannot take into several; there are enough free ones. */
static struct udp_run *add_cut(struct udp *udp, struct udp_sock *sock, const struct io_op *op,
                               const struct leat_addr *local, uint32_t segment_size,
                               uint32_t segments_max, bool follows)
{
    leat_slice rest = op->data.body;
    struct udp_run *run;
    for (;;) {
        leat_slice body = leat_slice_sub(rest, 0, segments_max * segment_size);
        run = run_add(udp, sock, op, local, body, segment_size,
                      (body.len + segment_size - 1) / segment_size, follows);
        follows = true;
        rest = leat_slice_sub(rest, body.len, rest.len);
        if (rest.len == 0) {
            return run;
        }
        leat_buf_ref(rest.buf);
    }
}

/* The most datagrams of that size in one run. */
static uint32_t run_segments_max(uint32_t segment_size)
{
    uint32_t n = segment_size == 0 ? 1 : UDP_RUN_BYTES / segment_size;
    return n > UDP_RUN_SEGMENTS ? UDP_RUN_SEGMENTS : n > 0 ? n : 1;
}

/* What is to be asked of the kernel; all zero: nothing. A socket bound to one address sends from
 * there, and by the interface it was opened on or the routes say: telling the kernel so costs 3 %
 * of a datagram. */
static const struct leat_addr *local_of(const struct udp_sock *sock, const struct leat_addr *local)
{
    static const struct leat_addr any;
    bool bound = local != NULL && sock->fixed && memcmp(local->ip, sock->bound.ip, 16) == 0;
    return local == NULL || bound ? &any : local;
}

int udp_submit(struct udp *udp, struct udp_sock *sock, const struct io_op *op)
{
    const struct leat_addr *local = local_of(sock, op->data.local);
    uint32_t len = op->data.body.len;
    uint32_t segments;
    int status = data_check(op, sock->family == AF_INET || sock->dual_stack,
                            sock->family == AF_INET6, &segments);
    if (LEAT_UNLIKELY(status < 0)) {
        return status;
    }
    if (LEAT_UNLIKELY(sock->queued + segments > udp->queue_len_max && sock->queued > 0)) {
        sock->want_writable = true;
        return -EAGAIN;
    }
    uint32_t segment_size = segments > 1 ? op->data.segment_size : len;
    uint32_t segments_max = run_segments_max(segment_size);
    if (LEAT_UNLIKELY(udp->free_runs == NULL || segments > segments_max)) {
        if (!reserve_runs(udp, (segments + segments_max - 1) / segments_max)) {
            return -ENOMEM;
        }
    }
    struct udp_run *run = sock->last;
    struct udp_entry *entry = NULL;
    if (run == NULL || !same_addr(&run->peer, op->data.peer)) {
        entry = index_find(&udp->index, sock, op->data.peer, &run);
    }
    if (run != NULL && run_takes(run, local, segment_size, segments, len)) {
        if (!run_append(udp, run, op->data.body, segments)) {
            return -ENOMEM;
        }
        sock->queued += segments;
        return 0;
    }
    bool follows = run != NULL;
    if (entry == NULL) {
        entry = index_find(&udp->index, sock, op->data.peer, &run);
    }
    udp->index.lossy |= run == NULL && entry->epoch == udp->index.epoch;
    entry->epoch = udp->index.epoch;
    entry->run =
        segments <= segments_max
            ? run_add(udp, sock, op, local, op->data.body, segment_size, segments, follows)
            : add_cut(udp, sock, op, local, segment_size, segments_max, follows);
    sock->queued += segments;
    return 0;
}

/* ---- flush ---- */

void udp_drop_queue(struct udp *udp, struct udp_sock *sock)
{
    udp_index_clear(&udp->index);
    while (sock->first != NULL) {
        struct udp_run *run = sock->first;
        sock->first = run->next;
        free_run(udp, run);
    }
    sock->last = NULL;
    sock->queued = 0;
}

/* The first `segments` datagrams of the first run are done with. */
static void consume(struct udp *udp, struct udp_sock *sock, uint32_t segments)
{
    struct udp_run *run = sock->first;
    LEAT_ASSERT(segments > 0 && segments <= run->segments);
    LEAT_ASSERT(sock->queued >= segments);
    sock->queued -= segments;
    if (segments == run->segments) {
        sock->first = run->next;
        if (run->next == NULL) {
            sock->last = NULL;
        }
        free_run(udp, run);
        return;
    }
    uint32_t len = segments * run->segment_size;
    run->segments = (uint16_t)(run->segments - segments);
    run->bytes -= len;
    run->tries = 0;
    while (len >= run->first.len) {
        struct udp_piece *next = run->first.next;
        len -= run->first.len;
        release_piece(&run->first);
        run->first = *next;
        if (run->last == next) {
            run->last = &run->first;
        }
        next->next = udp->free_pieces;
        udp->free_pieces = next;
    }
    run->first.offset += len;
    run->first.len -= len;
}

/* Appends a control message and returns its data. */
static void *control_add(struct msghdr *header, int level, int type, size_t len)
{
    uint8_t *end = (uint8_t *)header->msg_control + header->msg_controllen;
    struct cmsghdr *at = (struct cmsghdr *)end;
    header->msg_controllen += CMSG_SPACE(len);
    LEAT_ASSERT(header->msg_controllen <= UDP_CONTROL_LEN);
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(len);
    return CMSG_DATA(at);
}

/* Where it is to leave from. What can only be received at (a group) names just the interface. */
static void control_local(struct msghdr *header, const struct udp_sock *sock,
                          const struct leat_addr *local)
{
    bool group = addr_is_group(local);
    if (sock->family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = (int)local->scope_id};
        if (!group) {
            memcpy(&info.ipi_spec_dst, local->ip + 12, 4);
        }
        memcpy(control_add(header, SOL_IP, IP_PKTINFO, sizeof(info)), &info, sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = local->scope_id};
        if (!group) {
            memcpy(&info.ipi6_addr, local->ip, sizeof(info.ipi6_addr));
        }
        memcpy(control_add(header, SOL_IPV6, IPV6_PKTINFO, sizeof(info)), &info, sizeof(info));
    }
}

/* Message i: `segments` datagrams to the run's peer, their vectors to come. */
static struct msghdr *message_begin(struct udp *udp, const struct udp_sock *sock, uint32_t i,
                                    struct udp_run *run, uint32_t segments)
{
    static const struct leat_addr any;
    udp->send_runs[i] = run;
    struct udp_message *message = &udp->send_messages[i];
    struct msghdr *header = &udp->send_headers[i].msg_hdr;
    header->msg_name = &message->name;
    header->msg_namelen = addr_to_any(&run->peer, sock->family, &message->name);
    header->msg_control = message->control;
    header->msg_controllen = 0;
    header->msg_flags = 0;
    if (!same_addr(&run->local, &any)) {
        control_local(header, sock, &run->local);
    }
    if (segments > 1) {
        uint16_t size = (uint16_t)run->segment_size;
        memcpy(control_add(header, SOL_UDP, UDP_SEGMENT, sizeof(size)), &size, sizeof(size));
    }
    if (header->msg_controllen == 0) {
        header->msg_control = NULL;
    }
    return header;
}

static uint8_t *bytes_of(const struct udp_piece *piece)
{
    return piece->buf == NULL ? NULL : (uint8_t *)piece->buf + piece->offset;
}

/* A run as one message; returns how many vectors it took. */
static uint32_t build_whole(struct udp *udp, const struct udp_sock *sock, uint32_t i,
                            struct udp_run *run, struct iovec *vectors)
{
    struct msghdr *header = message_begin(udp, sock, i, run, run->segments);
    uint32_t n = 0;
    for (const struct udp_piece *piece = &run->first; piece != NULL; piece = piece->next) {
        vectors[n].iov_base = bytes_of(piece);
        vectors[n++].iov_len = piece->len;
    }
    header->msg_iov = vectors;
    header->msg_iovlen = n;
    return n;
}

/* A run that must not be a train, a message and a vector for each datagram, from message i on;
 * returns how many. */
static uint32_t build_plain(struct udp *udp, const struct udp_sock *sock, uint32_t i,
                            struct udp_run *run, struct iovec *vectors)
{
    const struct udp_piece *piece = &run->first;
    uint32_t offset = 0;
    uint32_t n = 0;
    for (; n < run->segments && i + n < udp->send_max; n++) {
        if (offset == piece->len && piece->next != NULL) {
            piece = piece->next;
            offset = 0;
        }
        uint32_t left = piece->len - offset;
        uint32_t len = left < run->segment_size ? left : run->segment_size;
        struct msghdr *header = message_begin(udp, sock, i + n, run, 1);
        vectors[n].iov_base = bytes_of(piece) + offset;
        vectors[n].iov_len = len;
        header->msg_iov = &vectors[n];
        header->msg_iovlen = 1;
        offset += len;
    }
    return n;
}

void udp_batch_clear(struct udp *udp)
{
    udp->send_len = 0;
    udp->send_vectors_len = 0;
}

uint32_t udp_build(struct udp *udp, struct udp_sock *sock, bool *ret_ordered)
{
    uint32_t first = udp->send_len;
    uint32_t n = first;
    bool ordered = false;
    udp_index_clear(&udp->index);
    for (struct udp_run *run = sock->first; run != NULL; run = run->next) {
        if (n == udp->send_max || udp->send_vectors_len + UDP_RUN_SEGMENTS > UDP_VECTORS) {
            break;
        }
        struct iovec *vectors = &udp->send_vectors[udp->send_vectors_len];
        run->closed = true;
        ordered |= run->follows && n > first;
        if (run->plain && run->segments > 1) {
            uint32_t added = build_plain(udp, sock, n, run, vectors);
            udp->send_vectors_len += added;
            n += added;
            ordered = true;
        } else {
            udp->send_vectors_len += build_whole(udp, sock, n++, run, vectors);
        }
    }
    udp->send_len = n;
    *ret_ordered = ordered;
    return n - first;
}

/* Datagrams, and bytes, of the message that is made of the front of a run. */
static uint32_t message_segments(const struct udp_run *run)
{
    return run->plain ? 1 : run->segments;
}

static uint32_t message_bytes(const struct udp_run *run)
{
    uint32_t bytes = message_segments(run) * run->segment_size;
    return bytes < run->bytes ? bytes : run->bytes;
}

static void count_sent(struct udp *udp, struct udp_sock *sock, const struct udp_run *run)
{
    sock->gso_worked |= message_segments(run) > 1;
    udp->stats->sent_datagrams += message_segments(run);
    udp->stats->sent_bytes += message_bytes(run);
}

void udp_sent(struct udp *udp, struct udp_sock *sock, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct udp_run *run = sock->first;
        LEAT_ASSERT(run != NULL);
        count_sent(udp, sock, run);
        consume(udp, sock, message_segments(run));
    }
}

int udp_sent_each(struct udp *udp, struct udp_sock *sock, uint32_t n)
{
    int error = 0;
    struct udp_run *before = NULL; /* the last one that stays */
    struct udp_run *run = sock->first;
    for (uint32_t i = 0; i < n; i++) {
        LEAT_ASSERT(run != NULL);
        struct udp_run *next = run->next;
        if (LEAT_UNLIKELY(run->result < 0)) {
            error = error != 0 ? error : -run->result;
            before = run;
        } else {
            count_sent(udp, sock, run);
            LEAT_ASSERT(sock->queued >= run->segments);
            sock->queued -= run->segments;
            *(before == NULL ? &sock->first : &before->next) = next;
            free_run(udp, run);
        }
        run = next;
    }
    if (run == NULL) {
        sock->last = before;
    }
    return error;
}

/* The kernel refused the first run as a train: it goes on datagram by datagram. EIO is the device,
 * which cannot do it; another errno is about that train: its segments exceed the peer's MTU, unless they fit
 * every path. */
static void degrade(struct udp *udp, struct udp_sock *sock, struct udp_run *run, int error)
{
    run->plain = true;
    run->tries = 0;
    if (run->segment_size > UDP_SEGMENT_SMALL && error != EIO) {
        narrow_add(udp, sock, &run->peer, run->segment_size);
    } else if (error == EIO || (!sock->gso_worked && ++sock->gso_refused == GSO_REFUSED_MAX)) {
        sock->gso = false;
        for (; run != NULL; run = run->next) {
            run->plain = true;
        }
    }
}

bool udp_refused(struct udp *udp, struct udp_sock *sock, int error, enum udp_flushed *ret)
{
    struct udp_run *run = sock->first;
    LEAT_ASSERT(run != NULL);
    uint32_t segments = message_segments(run);
    bool train = segments > 1;
    switch (error) {
    case EINTR:
        return true;
    case EAGAIN:
        *ret = UDP_BLOCKED;
        return false;
    case ENOBUFS:
    case ENOMEM:
        *ret = UDP_CONGESTED;
        return false;
    case EIO:
    case EINVAL:
        if (train) {
            degrade(udp, sock, run, error);
            return true;
        }
        break;
    default:
        break;
    }
    /* An ICMP error of an earlier datagram, to whomever, is told on the next send: take it from the
     * error queue and try again. What comes again is about this message. */
    if (++run->tries < TRIES_MAX) {
        udp_take_errors(udp, sock);
        return true;
    }
    if (train && error == EMSGSIZE) {
        degrade(udp, sock, run, error);
        return true;
    }
    udp->stats->send_errors += segments;
    udp_error_add(udp, sock, -error, &run->peer);
    consume(udp, sock, segments);
    return true;
}

enum udp_flushed udp_flush(struct udp *udp, struct udp_sock *sock)
{
    enum udp_flushed result = UDP_EMPTY;
    while (sock->first != NULL) {
        bool ordered; /* sendmmsg stops at the first that is refused */
        udp_batch_clear(udp);
        uint32_t n = udp_build(udp, sock, &ordered);
        int taken = sendmmsg(sock->fd, udp->send_headers, n, MSG_DONTWAIT);
        udp->stats->send_calls++;
        if (taken > 0) {
            udp_sent(udp, sock, (uint32_t)taken);
        } else if (!udp_refused(udp, sock, errno, &result)) {
            break;
        }
    }
    return result;
}
