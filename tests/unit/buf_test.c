/* Counted references and slices, with no pool on the thread: the memory is the heap's. */
#include "check.h"

#include <errno.h>
#include <pthread.h>

#include "mem.h"
#include "pool.h"

TEST(buf, alloc)
{
    static const uint32_t lens[] = {0, 1, 63, 1855, 1856, 1857, 65507, 1u << 20};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        leat_slice slice = {0};
        CHECK_EQ(leat_buf_alloc(lens[i], &slice), 0);
        CHECK_EQ(slice.len, lens[i]);
        CHECK(leat_buf_is_sole(slice.buf));
        CHECK_EQ(leat_slice_headroom(slice), LEAT_HEADROOM);
        CHECK_EQ((uintptr_t)leat_slice_data(slice) % 64, 0);
        memset(leat_slice_data(slice), 0xaa, slice.len); /* ASan looks on */
        leat_buf_unref(slice.buf);
    }
}

TEST(buf, alloc_fails)
{
    leat_slice slice = {.len = 77};
    CHECK_EQ(leat_buf_alloc(LEAT_BUF_LEN_MAX + 1, &slice), -EINVAL);
    CHECK_EQ(leat_buf_alloc(UINT32_MAX, &slice), -EINVAL);
    mem_fail_after(1);
    CHECK_EQ(leat_buf_alloc(10, &slice), -ENOMEM);
    mem_fail_after(0);
    CHECK(slice.buf == NULL);
    CHECK_EQ(slice.len, 77); /* untouched */
}

TEST(buf, references)
{
    leat_slice slice;
    REQUIRE(leat_buf_alloc(10, &slice) == 0);
    CHECK(leat_buf_ref(slice.buf) == slice.buf);
    CHECK(!leat_buf_is_sole(slice.buf));
    leat_slice third = leat_slice_ref(slice);
    CHECK(third.buf == slice.buf && third.len == slice.len && third.offset == slice.offset);
    leat_buf_unref(slice.buf);
    CHECK(!leat_buf_is_sole(slice.buf));
    leat_buf_unref(slice.buf);
    CHECK(leat_buf_is_sole(slice.buf));
    leat_buf_unref(slice.buf);
    leat_buf_unref(NULL);
    CHECK(leat_buf_ref(NULL) == NULL);
}

TEST(buf, prepend_and_append)
{
    leat_slice slice, empty = {0};
    REQUIRE(leat_buf_alloc(4, &slice) == 0);
    memcpy(leat_slice_data(slice), "body", 4);
    uint8_t *front = leat_slice_prepend(&slice, 5);
    REQUIRE(front != NULL);
    memcpy(front, "head-", 5);
    CHECK_EQ(slice.len, 9);
    CHECK_EQ(leat_slice_headroom(slice), LEAT_HEADROOM - 5);
    CHECK(memcmp(leat_slice_data(slice), "head-body", 9) == 0);

    CHECK(leat_slice_prepend(&slice, LEAT_HEADROOM - 4) == NULL); /* one too many */
    CHECK_EQ(slice.len, 9);
    CHECK(leat_slice_prepend(&slice, LEAT_HEADROOM - 5) == leat_slice_data(slice));
    CHECK_EQ(leat_slice_headroom(slice), 0);

    slice = leat_slice_sub(slice, 0, slice.len - 2); /* makes room behind */
    uint32_t room = leat_slice_tailroom(slice);
    CHECK(room >= 2);
    CHECK(leat_slice_append(&slice, room + 1) == NULL);
    uint8_t *back = leat_slice_append(&slice, 2);
    CHECK(back == leat_slice_data(slice) + slice.len - 2);
    CHECK(memcmp(back, "dy", 2) == 0);

    leat_buf_ref(slice.buf); /* shared: nobody may write */
    CHECK(leat_slice_prepend(&slice, 0) == NULL);
    CHECK(leat_slice_append(&slice, 0) == NULL);
    leat_buf_unref(slice.buf);
    leat_buf_unref(slice.buf);
    CHECK_EQ(leat_slice_headroom(empty), 0);
    CHECK_EQ(leat_slice_tailroom(empty), 0);
    CHECK(leat_slice_prepend(&empty, 1) == NULL);
    CHECK(leat_slice_append(&empty, 1) == NULL);
}

TEST(buf, parts_of_a_slice)
{
    leat_slice slice;
    REQUIRE(leat_buf_alloc(10, &slice) == 0);
    memcpy(leat_slice_data(slice), "0123456789", 10);
    static const struct {
        uint32_t skip, len;
        const char *is;
    } parts[] = {{0, 10, "0123456789"}, {0, 3, "012"}, {7, 3, "789"},       {7, 100, "789"},
                 {10, 1, ""},           {11, 1, ""},   {UINT32_MAX, 5, ""}, {4, 0, ""},
                 {9, UINT32_MAX, "9"},  {3, 4, "3456"}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        leat_slice part = leat_slice_sub(slice, parts[i].skip, parts[i].len);
        CHECK_EQ(part.len, strlen(parts[i].is));
        CHECK(memcmp(leat_slice_data(part), parts[i].is, part.len) == 0);
        CHECK(leat_buf_is_sole(part.buf)); /* takes no reference */
    }
    leat_buf_unref(slice.buf);
}

static void *share_it(void *context)
{
    leat_buf *buf = context;
    for (int i = 0; i < 20000; i++) {
        leat_buf_ref(buf);
        leat_buf_unref(buf);
    }
    leat_buf_unref(buf);
    return NULL;
}

TEST(buf, references_across_threads)
{
    pthread_t threads[3];
    leat_slice slice;
    REQUIRE(leat_buf_alloc(10, &slice) == 0);
    for (size_t i = 0; i < 3; i++) {
        leat_buf_ref(slice.buf);
        REQUIRE(pthread_create(&threads[i], NULL, share_it, slice.buf) == 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(leat_buf_is_sole(slice.buf));
    leat_buf_unref(slice.buf);
}

/* ---- batches ---- */

static leat_slice filled(uint32_t len, uint8_t with)
{
    leat_slice slice = {0};
    CHECK_EQ(leat_buf_alloc(len, &slice), 0);
    memset(leat_slice_data(slice), with, len);
    return slice;
}

TEST(buf, a_batch_holds_slices_in_order)
{
    leat_slice batch, kept[5];
    CHECK_EQ(leat_batch_alloc(5, &batch), 0);
    CHECK_EQ(leat_batch_len(batch), 0);
    CHECK(leat_buf_is_sole(batch.buf));
    for (uint8_t i = 0; i < 5; i++) {
        leat_slice slice = filled(100, i);
        kept[i] = leat_slice_ref(slice);
        CHECK_EQ(leat_batch_add(&batch, leat_slice_sub(slice, i, 10u + i)), 0);
        CHECK_EQ(leat_batch_len(batch), i + 1u);
    }
    for (uint8_t i = 0; i < 5; i++) {
        leat_slice slice = leat_batch_at(batch, i);
        CHECK(slice.buf == kept[i].buf);
        CHECK(leat_slice_data(slice) == leat_slice_data(kept[i]) + i);
        CHECK_EQ(slice.len, 10u + i);
        CHECK(!leat_buf_is_sole(kept[i].buf));
    }
    leat_slice beyond = leat_slice_ref(leat_batch_at(batch, 3));
    leat_buf_unref(batch.buf); /* the last one: each slice is given back once */
    CHECK(!leat_buf_is_sole(beyond.buf));
    CHECK_EQ(leat_slice_data(beyond)[0], 3);
    leat_buf_unref(beyond.buf);
    for (uint8_t i = 0; i < 5; i++) {
        CHECK(leat_buf_is_sole(kept[i].buf));
        leat_buf_unref(kept[i].buf);
    }
}

TEST(buf, a_batch_is_shared_like_any_body)
{
    leat_slice batch, slice = filled(10, 1);
    CHECK_EQ(leat_batch_alloc(1, &batch), 0);
    CHECK_EQ(leat_batch_add(&batch, leat_slice_ref(slice)), 0);
    leat_slice other = leat_slice_ref(batch);
    CHECK_EQ(leat_batch_len(other), 1);
    leat_buf_unref(batch.buf);
    CHECK(!leat_buf_is_sole(slice.buf)); /* one holder is left */
    CHECK(leat_batch_at(other, 0).buf == slice.buf);
    leat_buf_unref(other.buf);
    CHECK(leat_buf_is_sole(slice.buf));
    leat_buf_unref(slice.buf);
}

TEST(buf, what_a_batch_does_not_take_stays_the_callers)
{
    leat_slice batch, inner, slice = filled(10, 1), none = {0}, wrong = {.len = 9};
    CHECK_EQ(leat_batch_alloc(0, &wrong), -EINVAL);
    CHECK_EQ(leat_batch_alloc(LEAT_BATCH_MAX + 1, &wrong), -EINVAL);
    CHECK_EQ(leat_batch_alloc(UINT32_MAX, &wrong), -EINVAL);
    mem_fail_after(1);
    CHECK_EQ(leat_batch_alloc(3, &wrong), -ENOMEM);
    mem_fail_after(0);
    CHECK(wrong.buf == NULL && wrong.len == 9); /* untouched */

    CHECK_EQ(leat_batch_alloc(1, &batch), 0);
    CHECK_EQ(leat_batch_alloc(1, &inner), 0);
    CHECK_EQ(leat_batch_add(&batch, inner), -EINVAL); /* a batch in a batch */
    CHECK_EQ(leat_batch_add(&batch, none), -EINVAL);
    CHECK_EQ(leat_batch_add(&slice, inner), -EINVAL); /* into what is none */
    CHECK_EQ(leat_batch_add(&none, slice), -EINVAL);
    CHECK_EQ(leat_batch_add(&batch, batch), -EINVAL);
    CHECK_EQ(leat_batch_len(batch), 0);
    CHECK_EQ(leat_batch_add(&batch, leat_slice_ref(slice)), 0);
    CHECK_EQ(leat_batch_add(&batch, slice), -ENOSPC);
    CHECK_EQ(leat_batch_len(batch), 1);
    CHECK_EQ(leat_batch_len(slice), 0);
    CHECK_EQ(leat_batch_len(none), 0);
    leat_buf_unref(batch.buf);
    leat_buf_unref(inner.buf);
    CHECK(leat_buf_is_sole(slice.buf));
    leat_buf_unref(slice.buf);
}

TEST(buf, a_batch_has_room_for_as_many_as_it_says)
{
    static const uint32_t caps[] = {1, 2, 100, LEAT_BATCH_MAX};
    leat_slice slice = filled(10, 1);
    for (size_t k = 0; k < 4; k++) {
        leat_slice batch;
        uint32_t failed = 0;
        CHECK_EQ(leat_batch_alloc(caps[k], &batch), 0);
        for (uint32_t i = 0; i < caps[k]; i++) {
            failed += leat_batch_add(&batch, leat_slice_ref(slice)) < 0;
        }
        CHECK_EQ(failed, 0);
        CHECK_EQ(leat_batch_add(&batch, slice), -ENOSPC);
        leat_buf_unref(batch.buf);
        CHECK(leat_buf_is_sole(slice.buf));
    }
    leat_slice empty;
    CHECK_EQ(leat_batch_alloc(7, &empty), 0);
    leat_buf_unref(empty.buf); /* never filled */
    CHECK_EQ(leat_batch_alloc(1, &empty), 0);
    CHECK_EQ(leat_batch_add(&empty, leat_slice_sub(slice, 10, 1)), 0); /* a datagram may be empty */
    CHECK_EQ(leat_batch_at(empty, 0).len, 0);
    leat_buf_unref(empty.buf);
}

/* A pooled buffer that was a batch is any buffer again. */
TEST(buf, the_memory_of_a_batch_is_used_again)
{
    struct pools pools = {0};
    struct pool *pool = pool_open(&pools, 0, 1);
    REQUIRE(pool != NULL);
    pool_set_current(pool);
    for (int i = 0; i < 100; i++) {
        leat_slice batch, slice = filled(10, 1);
        CHECK_EQ(leat_batch_alloc(3, &batch), 0);
        CHECK_EQ(leat_batch_add(&batch, slice), 0);
        leat_buf_unref(batch.buf);
        leat_slice next = filled(100, 2);
        CHECK_EQ(leat_batch_len(next), 0);
        CHECK_EQ(leat_batch_add(&next, next), -EINVAL);
        leat_buf_unref(next.buf);
    }
    CHECK_EQ(pool->bufs_out, 0);
    pool_set_current(NULL);
    pools_fini(&pools);
}
