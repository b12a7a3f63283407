/* Bytes that are shared, not copied.
 *
 * A leat_buf is refcounted memory; a leat_slice is a range of one, by value. Fan-out is a count,
 * never a copy. Whoever holds a counted reference gives it back once with leat_buf_unref, on any
 * thread: the memory goes home to the pool of the thread that allocated it.
 *
 * Ownership in one line: a body in an event is lent until on_event returns (leat_buf_ref keeps
 * it); a body in an output is given away. */
#ifndef LEAT_BUF_H
#define LEAT_BUF_H

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_buf leat_buf;

typedef struct leat_slice {
    leat_buf *buf;    /* NULL: no bytes */
    uint32_t  offset; /* from the buffer's own address; use leat_slice_data */
    uint32_t  len;    /* bytes */
} leat_slice;

#define LEAT_HEADROOM 128u       /* bytes in front of a fresh slice, and of every received datagram */
#define LEAT_BUF_LEN_MAX (1u << 30) /* the longest leat_buf_alloc gives */

/* A fresh buffer with one reference, which the caller owns: `len` bytes, uninitialised, aligned to
 * 64, with LEAT_HEADROOM bytes in front. From the pool of the calling worker where there is
 * one, from the heap otherwise. Any thread; never blocks. 0; -EINVAL (len over LEAT_BUF_LEN_MAX);
 * -ENOMEM. */
LEAT_API int leat_buf_alloc(uint32_t len, leat_slice *ret);

/* One reference more; returns `buf`. NULL is allowed. Any thread; never blocks. */
LEAT_API leat_buf *leat_buf_ref(leat_buf *buf);

/* One reference less; the last one frees. NULL is allowed. Any thread; never blocks. */
LEAT_API void leat_buf_unref(leat_buf *buf);

/* Whether the caller's reference is the only one, so that the bytes may be written. */
LEAT_API bool leat_buf_is_sole(const leat_buf *buf);

/* Room in front of and behind the slice, in bytes, within its buffer. */
LEAT_API uint32_t leat_slice_headroom(leat_slice slice);
LEAT_API uint32_t leat_slice_tailroom(leat_slice slice);

/* Grows the slice by `len` bytes to the front (prepend) or the back (append) and returns the new
 * bytes, or NULL when there is no room or the buffer is shared. The slice is untouched then. */
LEAT_API uint8_t *leat_slice_prepend(leat_slice *slice, uint32_t len);
LEAT_API uint8_t *leat_slice_append(leat_slice *slice, uint32_t len);

/* The slice's bytes. Write only what nobody else holds (leat_buf_is_sole). */
static inline uint8_t *leat_slice_data(leat_slice slice)
{
    return (uint8_t *)slice.buf + slice.offset;
}

/* A part of a slice: same buffer, no reference taken. Cut to what is there. */
static inline leat_slice leat_slice_sub(leat_slice slice, uint32_t skip, uint32_t len)
{
    if (skip > slice.len) {
        skip = slice.len;
    }
    slice.offset += skip;
    slice.len -= skip;
    if (len < slice.len) {
        slice.len = len;
    }
    return slice;
}

/* The same slice with a reference of its own. */
static inline leat_slice leat_slice_ref(leat_slice slice)
{
    leat_buf_ref(slice.buf);
    return slice;
}

/* ---- batches: several slices as one body ----
 *
 * A batch is a buffer that holds references to others: what one receive turn brought, say, published as
 * one message. It is passed, ref'd and given away like any body of a message; its last unref gives back what
 * is in it. No socket sends one: -EINVAL. */

/* An empty batch with room for `cap` slices, 1..LEAT_BATCH_MAX. Any thread; never blocks. -EINVAL;
 * -ENOMEM. */
#define LEAT_BATCH_MAX 4096u
LEAT_API int leat_batch_alloc(uint32_t cap, leat_slice *ret);

/* Puts one more slice at the end; its reference is given away. Only while the caller's reference to the
 * batch is the only one, else it aborts. -ENOSPC: it is full; -EINVAL: `batch` is none, or the slice is one or has no
 * buffer; the slice stays the caller's then. */
LEAT_API int leat_batch_add(leat_slice *batch, leat_slice slice);

/* How many it holds; 0 for a body that is no batch. */
LEAT_API uint32_t leat_batch_len(leat_slice batch);

/* The at-th of them, lent: leat_slice_ref keeps it beyond the batch. */
LEAT_API leat_slice leat_batch_at(leat_slice batch, uint32_t at);

#ifdef __cplusplus
}
#endif

#endif
