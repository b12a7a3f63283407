/* Slots and generations: a ref means one life of one slot, for ever. */
#include "check.h"

#include <errno.h>
#include <pthread.h>

#include "mem.h"
#include "registry.h"

static struct registry registry; /* large */

static struct cell *take(struct cell_list *list)
{
    int status = 0;
    struct cell *cell = registry_take(&registry, list, &status);
    CHECK_EQ(status, 0);
    return cell;
}

/* Ends a life as life.c does. */
static void end_life(struct cell_list *list, struct cell *cell)
{
    cell->identity = identity(cell_generation(cell) + 1, ref_slot(cell_ref(cell)));
    registry_give(&registry, list, cell);
}

TEST(registry, a_slot_is_found_by_its_ref)
{
    struct cell_list list = {0};
    REQUIRE(registry_init(&registry, 100000) == 0);
    for (uint32_t i = 0; i < 3000; i++) {
        struct cell *cell = take(&list);
        REQUIRE(cell != NULL);
        leat_ref ref = cell_ref(cell);
        CHECK(ref.id != 0);
        CHECK(ref_generation(ref) >= 1);
        CHECK(registry_cell(&registry, ref) == cell);
        CHECK_EQ((uintptr_t)cell % 64, 0);
    }
    CHECK(registry_cell(&registry, (leat_ref){.id = UINT64_MAX}) == NULL);
    CHECK(registry_cell(&registry, (leat_ref){.id = UINT32_MAX}) == NULL); /* the probe's slot */
    registry_fini(&registry);
}

TEST(registry, a_slot_used_again_has_another_ref)
{
    struct cell_list list = {0};
    leat_ref before = LEAT_REF_NONE;
    REQUIRE(registry_init(&registry, 100) == 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct cell *cell = take(&list);
        CHECK(!leat_ref_equal(cell_ref(cell), before));
        CHECK(i == 0 || ref_slot(cell_ref(cell)) == ref_slot(before));
        CHECK(i == 0 || ref_generation(cell_ref(cell)) == ref_generation(before) + 1);
        before = cell_ref(cell);
        end_life(&list, cell);
        CHECK(cell_generation(registry_cell(&registry, before)) != ref_generation(before));
    }
    registry_fini(&registry);
}

TEST(registry, used_up_generations_retire_the_slot)
{
    struct cell_list list = {0};
    REQUIRE(registry_init(&registry, 100) == 0);
    struct cell *cell = take(&list);
    uint32_t slot = ref_slot(cell_ref(cell));
    cell->identity = identity(UINT32_MAX - 2, slot);
    end_life(&list, cell);
    CHECK(take(&list) == cell); /* one more life */
    leat_ref last = cell_ref(cell);
    end_life(&list, cell);
    for (uint32_t i = 0; i < 100; i++) {
        CHECK(take(&list) != cell);
    }
    CHECK(registry_cell(&registry, last) == cell);
    CHECK(cell_generation(cell) != ref_generation(last)); /* and it stays dead */
    registry_fini(&registry);
}

TEST(registry, there_is_room_for_actors_max_whatever_hosts_keep)
{
    static const uint32_t sizes[] = {1, 10, 1000, 5000};
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        struct cell_list lists[40] = {{0}};
        struct cell_list all = {0};
        REQUIRE(registry_init(&registry, sizes[k]) == 0);
        for (uint32_t i = 0; i < 40; i++) { /* each host takes its mailbox, and so a batch */
            REQUIRE(take(&lists[i]) != NULL);
        }
        for (uint32_t i = 0; i < sizes[k]; i++) {
            REQUIRE(take(&all) != NULL);
        }
        int status = 0;
        uint32_t more = 0;
        while (registry_take(&registry, &all, &status) != NULL) {
            more++;
        }
        CHECK_EQ(status, -ENOSPC);
        CHECK(more <= POOLS_MAX * (registry.kept + 2));
        registry_fini(&registry);
    }
}

TEST(registry, is_full_when_actors_max_live)
{
    struct cell_list list = {0};
    REQUIRE(registry_init(&registry, 10) == 0);
    CHECK(!registry_has_actors(&registry));
    registry.totals[3].spawned = 12;
    registry.totals[4].ended = 3;
    CHECK_EQ(registry_actors(&registry), 9);
    CHECK(registry_has_actors(&registry));
    CHECK(!registry_is_full(&registry, &list));
    registry.totals[5].spawned = 1;
    CHECK(registry_is_full(&registry, &list));
    registry.totals[6].ended = 10;
    CHECK(!registry_has_actors(&registry));
    registry_fini(&registry);
}

TEST(registry, a_surplus_is_shared)
{
    static struct cell *cells[60000];
    struct cell_list one = {0}, other = {0};
    REQUIRE(registry_init(&registry, 60000) == 0);
    for (uint32_t i = 0; i < 60000; i++) {
        cells[i] = take(&one);
    }
    uint32_t used = registry.cells_len;
    for (uint32_t i = 0; i < 60000; i++) {
        end_life(&one, cells[i]);
        CHECK(one.len <= registry.kept + 1);
    }
    for (uint32_t i = 0; i < 60000 - registry.kept - 1; i++) { /* another host has those */
        struct cell *cell = take(&other);
        REQUIRE(cell != NULL);
        CHECK_EQ(cell_owner(cell), OWNER_NONE); /* nobody takes it for its own in a walk */
    }
    CHECK_EQ(registry.cells_len, used);
    registry_give_all(&registry, &one);
    CHECK_EQ(one.len, 0);
    registry_fini(&registry);
}

TEST(registry, without_memory)
{
    mem_fail_after(1);
    CHECK_EQ(registry_init(&registry, 100), -ENOMEM);
    mem_fail_after(0);
    registry_fini(&registry);
}

static void *come_and_go(void *context)
{
    struct cell_list *list = context;
    struct cell *mine[50];
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 50; i++) {
            int status = 0;
            mine[i] = registry_take(&registry, list, &status);
            if (mine[i] == NULL) {
                return (void *)1;
            }
            store_release_u32(&mine[i]->owner, (uint32_t)(uintptr_t)list);
        }
        for (uint32_t i = 0; i < 50; i++) { /* nobody else has got it meanwhile */
            if (cell_owner(mine[i]) != (uint32_t)(uintptr_t)list) {
                return (void *)1;
            }
            end_life(list, mine[i]);
        }
    }
    return NULL;
}

TEST(registry, several_threads)
{
    struct cell_list lists[3] = {{0}};
    pthread_t threads[3];
    REQUIRE(registry_init(&registry, 160) == 0);
    for (int i = 0; i < 3; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, come_and_go, &lists[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL);
    }
    registry_fini(&registry);
}
