/* The receive buffers of streams on a ring: pieces of the pool's buffers, which all connections
 * share. A place that is posted has a reference to its buffer and knows where the kernel writes
 * next; a read leaves as a copy, or as a slice with a reference of its own. Invariant: what the
 * kernel may write to is nobody else's. Backend's thread only. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "mem.h"
#include "uring.h"

#define PIECES_GROUP 1
#define RING_LEN (URING_PIECES * sizeof(struct io_uring_buf))

/* Not in liburing 2.3. */
#define RING_INCREMENTAL 2u
#define CQE_BUFFER_MORE (1u << 4)

_Static_assert(URING_PIECES <= URING_NONE, "a place fits");
_Static_assert(RING_LEN % 4096 == 0, "whole pages");

static int add_group(struct uring_pieces *pieces, struct uring_ring *ring, uint16_t flags)
{
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)pieces->kernel,
        .ring_entries = URING_PIECES,
        .bgid = PIECES_GROUP,
    };
    /* Behind the group; its name changes from one liburing to the next. */
    memcpy((char *)&reg + offsetof(struct io_uring_buf_reg, bgid) + sizeof(reg.bgid), &flags,
           sizeof(flags));
    return io_uring_register_buf_ring(&ring->ring, &reg, 0);
}

int uring_pieces_open(struct uring_pieces *pieces, struct uring_ring *ring, struct pool *pool)
{
    LEAT_ASSERT(pieces->kernel == NULL);
    pieces->kernel = mem_pages_alloc(RING_LEN);
    if (pieces->kernel == NULL) {
        return -ENOMEM;
    }
    int status = uring_test.no_incremental ? -EINVAL : add_group(pieces, ring, RING_INCREMENTAL);
    pieces->incremental = status == 0;
    if (status == -EINVAL) {
        status = add_group(pieces, ring, 0);
    }
    if (status < 0) {
        mem_pages_free(pieces->kernel, RING_LEN);
        pieces->kernel = NULL;
        return status;
    }
    io_uring_buf_ring_init(pieces->kernel);
    for (uint32_t i = 0; i < URING_PIECES; i++) {
        pieces->places[i].next = i + 1 < URING_PIECES ? (uint16_t)(i + 1) : URING_NONE;
    }
    uint32_t bufs = pool_trains_part(pool);
    bufs = bufs < URING_BUFS ? bufs : URING_BUFS;
    pieces->pool = pool;
    pieces->piece_len = pieces->incremental ? URING_PIECE_LEN : URING_PIECE_SHORT;
    pieces->max = bufs * (BUF_TRAIN_LEN / pieces->piece_len);
    pieces->target = URING_PIECES_FIRST;
    return 0;
}

void uring_pieces_close(struct uring_pieces *pieces)
{
    for (uint32_t i = 0; i < URING_PIECES; i++) {
        leat_buf_unref(pieces->places[i].buf);
    }
    leat_buf_unref(pieces->buf);
    if (pieces->kernel != NULL) {
        mem_pages_free(pieces->kernel, RING_LEN);
    }
}

void uring_pieces_void(struct uring_pieces *pieces)
{
    for (uint32_t i = 0; i < URING_PIECES; i++) {
        pieces->kernel->bufs[i].addr = 0;
        pieces->kernel->bufs[i].len = 0;
    }
}

/* The next piece into a place; false: there is no buffer. */
static bool cut(struct uring_pieces *pieces, int nth)
{
    if (pieces->buf == NULL) {
        pieces->buf = pool_train_take(pieces->pool);
        pieces->buf_used = 0;
        if (pieces->buf == NULL) {
            return false;
        }
    }
    uint16_t bid = pieces->free;
    LEAT_ASSERT(bid != URING_NONE);
    struct uring_piece *piece = &pieces->places[bid];
    pieces->free = piece->next;
    piece->buf = leat_buf_ref(pieces->buf);
    piece->offset = BUF_HEADER_LEN + LEAT_HEADROOM + pieces->buf_used;
    io_uring_buf_ring_add(pieces->kernel, (uint8_t *)piece->buf + piece->offset, pieces->piece_len,
                          bid, io_uring_buf_ring_mask(URING_PIECES), nth);
    pieces->posted++;
    pieces->buf_used += pieces->piece_len;
    if (pieces->buf_used + pieces->piece_len > BUF_TRAIN_LEN) {
        leat_buf_unref(pieces->buf);
        pieces->buf = NULL;
    }
    return true;
}

bool uring_pieces_refill(struct uring_pieces *pieces)
{
    int added = 0;
    if (pieces->ran_dry != pieces->dry_seen) { /* once, however many found none */
        pieces->dry_seen = pieces->ran_dry;
        pieces->target = pieces->target * 2 < pieces->max ? pieces->target * 2 : pieces->max;
    }
    while (pieces->posted < pieces->target && cut(pieces, added)) {
        added++;
    }
    if (added > 0) {
        io_uring_buf_ring_advance(pieces->kernel, added);
    }
    return pieces->posted > 0;
}

void uring_pieces_ran_dry(struct uring_pieces *pieces)
{
    pieces->ran_dry += pieces->posted == 0; /* else there are some again by now */
}

leat_slice uring_pieces_take(struct uring_pieces *pieces, uint32_t flags, uint32_t len, bool drop)
{
    uint32_t bid = flags >> IORING_CQE_BUFFER_SHIFT;
    LEAT_ASSERT(bid < URING_PIECES);
    struct uring_piece *piece = &pieces->places[bid];
    LEAT_ASSERT(piece->buf != NULL);
    leat_slice body = {0};
    if (len > 0 && !drop) {
        body = tcp_body(piece->buf, piece->offset, len);
    }
    piece->offset += len;
    if (!pieces->incremental || (flags & CQE_BUFFER_MORE) == 0) {
        LEAT_ASSERT(pieces->posted > 0);
        leat_buf_unref(piece->buf);
        piece->buf = NULL;
        piece->next = pieces->free;
        pieces->free = (uint16_t)bid;
        pieces->posted--;
    }
    return body;
}

struct io_uring_sqe *uring_pieces_receive(struct uring_ring *ring, int fd)
{
    struct io_uring_sqe *sqe = uring_ring_sqe(ring);
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = PIECES_GROUP;
    return sqe;
}
