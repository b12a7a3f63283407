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
