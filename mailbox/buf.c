/* leat_buf: counted references, ranges and batches. The memory itself is pool.c's. */
#include <leat/buf.h>

#include <errno.h>

#include "pool.h"

int leat_buf_alloc(uint32_t len, leat_slice *ret)
{
    if (len > LEAT_BUF_LEN_MAX) {
        return -EINVAL;
    }
    uint32_t front = BUF_HEADER_LEN + LEAT_HEADROOM;
    struct leat_buf *buf = buf_take(front + len);
    if (buf == NULL) {
        return -ENOMEM;
    }
    *ret = (leat_slice){.buf = buf, .offset = front, .len = len};
    return 0;
}

/* Where the slices of a batch are: behind the headroom, as any bytes. */
static leat_slice *batch_slices(leat_buf *batch)
{
    return (leat_slice *)(void *)((uint8_t *)batch + BUF_HEADER_LEN + LEAT_HEADROOM);
}

/* The last reference has gone. A batch holds no batches, so this goes one level deep. */
static void release(leat_buf *buf)
{
    uint32_t len = buf->batch_len;
    buf->batch_cap = 0;
    buf->batch_len = 0;
    for (uint32_t i = 0; i < len; i++) {
        leat_buf_unref(batch_slices(buf)[i].buf);
    }
    buf_free(buf);
}

leat_buf *leat_buf_ref(leat_buf *buf)
{
    if (buf != NULL) {
        uint32_t before = fetch_add_seq_u32(&buf->refs, 1);
        LEAT_ASSERT(before > 0 && before < UINT32_MAX / 2);
    }
    return buf;
}

void leat_buf_unref(leat_buf *buf)
{
    if (buf == NULL) {
        return;
    }
    if (load_acquire_u32(&buf->refs) == 1) { /* the only holder: nobody can add one */
        store_relaxed_u32(&buf->refs, 0);
        release(buf);
        return;
    }
    uint32_t before = fetch_sub_seq_u32(&buf->refs, 1);
    LEAT_ASSERT(before > 0);
    if (before == 1) {
        release(buf);
    }
}

bool leat_buf_is_sole(const leat_buf *buf)
{
    return load_acquire_u32(&buf->refs) == 1;
}

uint32_t leat_slice_headroom(leat_slice slice)
{
    return slice.buf == NULL ? 0 : slice.offset - BUF_HEADER_LEN;
}

uint32_t leat_slice_tailroom(leat_slice slice)
{
    return slice.buf == NULL ? 0 : slice.buf->size - slice.offset - slice.len;
}

uint8_t *leat_slice_prepend(leat_slice *slice, uint32_t len)
{
    if (slice->buf == NULL || leat_slice_headroom(*slice) < len || !leat_buf_is_sole(slice->buf)) {
        return NULL;
    }
    slice->offset -= len;
    slice->len += len;
    return leat_slice_data(*slice);
}

uint8_t *leat_slice_append(leat_slice *slice, uint32_t len)
{
    if (slice->buf == NULL || leat_slice_tailroom(*slice) < len || !leat_buf_is_sole(slice->buf)) {
        return NULL;
    }
    uint8_t *fresh = leat_slice_data(*slice) + slice->len;
    slice->len += len;
    return fresh;
}

int leat_batch_alloc(uint32_t cap, leat_slice *ret)
{
    if (cap == 0 || cap > LEAT_BATCH_MAX) {
        return -EINVAL;
    }
    leat_slice batch;
    int status = leat_buf_alloc(cap * (uint32_t)sizeof(leat_slice), &batch);
    if (status < 0) {
        return status;
    }
    batch.buf->batch_cap = cap;
    batch.len = 0;
    *ret = batch;
    return 0;
}

int leat_batch_add(leat_slice *batch, leat_slice slice)
{
    leat_buf *buf = batch->buf;
    if (buf == NULL || buf->batch_cap == 0 || slice.buf == NULL || slice.buf->batch_cap != 0) {
        return -EINVAL;
    }
    LEAT_ASSERT(leat_buf_is_sole(buf));
    if (buf->batch_len == buf->batch_cap) {
        return -ENOSPC;
    }
    batch_slices(buf)[buf->batch_len++] = slice;
    batch->len = buf->batch_len * (uint32_t)sizeof(leat_slice);
    return 0;
}

uint32_t leat_batch_len(leat_slice batch)
{
    return batch.buf != NULL ? batch.buf->batch_len : 0;
}

leat_slice leat_batch_at(leat_slice batch, uint32_t at)
{
    LEAT_ASSERT(at < leat_batch_len(batch));
    return batch_slices(batch.buf)[at];
}
