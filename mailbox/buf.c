/* leat_buf: counted references and ranges. The memory itself is pool.c's. */
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
        buf_free(buf);
        return;
    }
    uint32_t before = fetch_sub_seq_u32(&buf->refs, 1);
    LEAT_ASSERT(before > 0);
    if (before == 1) {
        buf_free(buf);
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
