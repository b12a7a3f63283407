/* The names of channels. */
#include "channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <leat/leat.h>

#include "check.h"
#include "mem.h"

static leat_channel opened(const char *name)
{
    leat_channel channel = LEAT_CHANNEL_NONE;
    CHECK_EQ(leat_channel_open(name, &channel), 0);
    CHECK(channel.id != 0);
    return channel;
}

TEST(channel, a_name_is_one_channel_for_all_who_open_it)
{
    char name[LEAT_CHANNEL_NAME_MAX + 1];
    leat_channel a = opened("channel/a"), b = opened("channel/b");
    CHECK(!leat_channel_equal(a, b));
    CHECK(leat_channel_equal(opened("channel/a"), a));
    CHECK_EQ(leat_channel_name(a, name), 0);
    CHECK_STR(name, "channel/a");
    CHECK_EQ(leat_channel_name(b, name), 0);
    CHECK_STR(name, "channel/b");
    leat_channel_close(a);
    CHECK_EQ(leat_channel_name(a, name), 0); /* until it has been closed as many times */
    leat_channel_close(a);
    CHECK_EQ(leat_channel_name(a, name), -EBADF);
    CHECK_STR(name, "channel/a"); /* untouched */
    leat_channel_close(a);        /* it is closed: no effect, on whoever has its place neither */
    leat_channel c = opened("channel/c");
    leat_channel_close(a);
    CHECK_EQ(leat_channel_name(c, name), 0);
    CHECK_STR(name, "channel/c");
    leat_channel_close(b);
    leat_channel_close(c);
}

TEST(channel, a_name_has_1_to_64_bytes)
{
    char name[LEAT_CHANNEL_NAME_MAX + 2], got[LEAT_CHANNEL_NAME_MAX + 1];
    leat_channel channel = {.id = 77};
    CHECK_EQ(leat_channel_open("", &channel), -EINVAL);
    CHECK_EQ(leat_channel_open(NULL, &channel), -EINVAL);
    memset(name, 'x', sizeof(name));
    name[LEAT_CHANNEL_NAME_MAX + 1] = '\0';
    CHECK_EQ(leat_channel_open(name, &channel), -EINVAL);
    CHECK_EQ(channel.id, 77); /* untouched */
    name[LEAT_CHANNEL_NAME_MAX] = '\0';
    channel = opened(name);
    CHECK_EQ(leat_channel_name(channel, got), 0);
    CHECK_STR(got, name);
    name[LEAT_CHANNEL_NAME_MAX - 1] = '\0';
    leat_channel shorter = opened(name);
    CHECK(!leat_channel_equal(channel, shorter));
    leat_channel_close(channel);
    leat_channel_close(shorter);
}

TEST(channel, an_id_never_comes_back_for_another_life_of_its_slot)
{
    leat_channel ids[200];
    for (size_t i = 0; i < 200; i++) {
        ids[i] = opened("channel/again");
        leat_channel_close(ids[i]);
        CHECK(!channel_is_open(ids[i]));
        for (size_t k = 0; k < i; k++) {
            CHECK(!leat_channel_equal(ids[i], ids[k]));
        }
    }
}

TEST(channel, an_id_that_was_never_given_is_not_open)
{
    char name[LEAT_CHANNEL_NAME_MAX + 1] = "kept";
    leat_channel open = opened("channel/forged");
    leat_channel wrong[] = {LEAT_CHANNEL_NONE,
                            {.id = UINT64_MAX},
                            {.id = open.id ^ 0xffff},
                            {.id = open.id ^ 0x10000},
                            {.id = open.id ^ UINT64_C(1) << 32},
                            {.id = 1}};
    for (size_t i = 0; i < 6; i++) {
        CHECK(!channel_is_open(wrong[i]));
        CHECK_EQ(leat_channel_name(wrong[i], name), -EBADF);
        leat_channel_close(wrong[i]);
    }
    CHECK_STR(name, "kept");
    CHECK(channel_is_open(open));
    leat_channel_close(open);
}

TEST(channel, closings_count_what_is_closed_for_good)
{
    uint64_t before = channel_closings();
    leat_channel channel = opened("channel/closings");
    opened("channel/closings");
    leat_channel_close(channel);
    CHECK_EQ(channel_closings(), before);
    leat_channel_close(channel);
    CHECK_EQ(channel_closings(), before + 1);
    leat_channel_close(channel);
    leat_channel_close(LEAT_CHANNEL_NONE);
    CHECK_EQ(channel_closings(), before + 1);
}

TEST(channel, so_many_may_be_open_and_no_more)
{
    leat_channel *all = malloc(LEAT_CHANNELS_MAX * sizeof(*all));
    REQUIRE(all != NULL);
    char name[32], got[LEAT_CHANNEL_NAME_MAX + 1];
    uint32_t failed = 0, wrong = 0;
    for (uint32_t i = 0; i < LEAT_CHANNELS_MAX; i++) {
        snprintf(name, sizeof(name), "channel/%u", i);
        failed += leat_channel_open(name, &all[i]) < 0;
    }
    CHECK_EQ(failed, 0);
    leat_channel extra = {.id = 5};
    CHECK_EQ(leat_channel_open("channel/extra", &extra), -ENOSPC);
    CHECK_EQ(extra.id, 5);
    CHECK(leat_channel_equal(opened("channel/7"), all[7])); /* which is open already */
    leat_channel_close(all[7]);
    CHECK_EQ(channel_slots_len(), LEAT_CHANNELS_MAX);
    for (uint32_t i = 0; i < LEAT_CHANNELS_MAX; i++) { /* slots and hashes collide: names do not */
        snprintf(name, sizeof(name), "channel/%u", i);
        wrong += leat_channel_name(all[i], got) < 0 || strcmp(name, got) != 0;
    }
    CHECK_EQ(wrong, 0);
    leat_channel_close(all[1000]);
    CHECK_EQ(leat_channel_open("channel/extra", &extra), 0);
    CHECK(!leat_channel_equal(extra, all[1000]));
    leat_channel_close(extra);
    for (uint32_t i = 0; i < LEAT_CHANNELS_MAX; i++) {
        leat_channel_close(all[i]);
    }
    for (uint32_t i = 0; i < LEAT_CHANNELS_MAX; i++) {
        wrong += channel_is_open(all[i]);
    }
    CHECK_EQ(wrong, 0);
    free(all);
}

static void *open_and_close(void *context)
{
    uint32_t *wrong = context;
    for (uint32_t i = 0; i < 20000; i++) {
        char name[32], got[LEAT_CHANNEL_NAME_MAX + 1];
        leat_channel channel;
        snprintf(name, sizeof(name), "channel/shared/%u", i % 5);
        *wrong += leat_channel_open(name, &channel) < 0;
        *wrong += leat_channel_name(channel, got) < 0 || strcmp(got, name) != 0;
        leat_channel_close(channel);
    }
    return NULL;
}

TEST(channel, several_threads_open_and_close)
{
    pthread_t threads[4];
    uint32_t wrong[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, open_and_close, &wrong[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(wrong[i], 0);
    }
    for (uint32_t i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof(name), "channel/shared/%u", i);
        leat_channel channel = opened(name);
        leat_channel_close(channel); /* the only one that had it */
        CHECK(!channel_is_open(channel));
    }
}

/* In a process that has opened none yet, which is so where each case is a process of its own. */
TEST(channel, without_memory_there_is_none)
{
    if (channel_slots_len() > 0) {
        SKIP("other cases have run in this process");
    }
    leat_channel channel = {.id = 5};
    mem_fail_after(1);
    CHECK_EQ(leat_channel_open("channel/memory", &channel), -ENOMEM);
    mem_fail_after(0);
    CHECK_EQ(channel.id, 5);
    channel = opened("channel/memory");
    leat_channel_close(channel);
}
