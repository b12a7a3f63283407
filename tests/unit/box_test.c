/* The mailbox's parts: the owner's list, the door, the bell. With threads where it matters: no node is
 * lost, each sender's order holds, an owner is woken at most once for a sleep and never forgotten. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "box.h"

#define NODES 64u

static void number(union node *nodes, uint32_t n)
{
    memset(nodes, 0, n * sizeof(*nodes));
    for (uint32_t i = 0; i < n; i++) {
        nodes[i].head.type = i;
    }
}

/* ---- the owner's list ---- */

TEST(box, fifo)
{
    struct box box;
    union node nodes[NODES];
    box_init(&box, 8);
    number(nodes, NODES);
    CHECK(box_take(&box) == NULL);
    uint32_t in = 0, out = 0;
    for (uint32_t round = 0; round < 8; round++) { /* full, half full, empty, and again */
        for (uint32_t i = 0; i < 8; i++) {
            box_append(&box, &nodes[in++]);
        }
        CHECK_EQ(box.len, 8);
        for (uint32_t i = 0; i < 8; i++) {
            union node *node = box_take(&box);
            REQUIRE(node != NULL);
            CHECK_EQ(node->head.type, out++);
            CHECK_EQ(box.len, 7 - i);
        }
        CHECK(box_take(&box) == NULL);
    }
}

TEST(box, limit)
{
    struct box box;
    box_init(&box, 4);
    CHECK_EQ(box_limit(&box), 4);
    CHECK(!box_is_full(&box, 0));
    CHECK(!box_is_full(&box, 3));
    CHECK(box_is_full(&box, 4));
    CHECK(box_is_full(&box, 5));
    box_set_closed(&box, true); /* to newcomers, while senders wait */
    CHECK(box_is_full(&box, 0));
    CHECK_EQ(box_limit(&box), 4);
    box_set_closed(&box, true);
    box_set_closed(&box, false);
    CHECK(!box_is_full(&box, 3));
    CHECK(box_is_full(&box, 4));
    box_init(&box, BOX_LIMIT_MAX);
    CHECK_EQ(box_limit(&box), BOX_LIMIT_MAX);
    CHECK(!box_is_full(&box, BOX_LIMIT_MAX - 1));
}

/* ---- the door, from one thread ---- */

TEST(box, a_door_gives_what_was_pushed_oldest_first)
{
    struct box box;
    struct door door = {0};
    union node nodes[NODES];
    uint32_t len;
    box_init(&box, 100);
    number(nodes, NODES);
    CHECK(door_is_quiet(&door));
    CHECK(door_take(&door.data, &len) == NULL);
    CHECK_EQ(len, 0);
    for (uint32_t i = 0; i < 10; i++) {
        CHECK_EQ(door_enter(&door), i == 0 ? 0 : i - 1); /* how many are on their way */
        bool first = door_push(&door.data, &nodes[i]);
        CHECK_EQ(first, i == 0);
        if (first) {
            door_leave(&door); /* the others leave their count for the owner to return */
        }
        CHECK(!door_is_quiet(&door));
        CHECK_EQ(box_used(&box, &door, load_relaxed_u32(&door.inside)), i + 1);
    }
    CHECK(door_push(&door.control, &nodes[50])); /* lanes are apart */
    union node *node = door_take(&door.data, &len);
    CHECK_EQ(len, 10);
    for (uint32_t i = 0; i < 10; i++) {
        REQUIRE(node != NULL);
        CHECK_EQ(node->head.type, i);
        union node *next = node->next;
        box_append(&box, node);
        node = next;
    }
    CHECK(node == NULL);
    door_return(&door, len);
    CHECK_EQ(load_relaxed_u32(&door.inside), 0);
    CHECK_EQ(box_used(&box, &door, 0), 10);
    CHECK(!door_is_quiet(&door)); /* the control lane */
    CHECK(door_take(&door.control, &len) == &nodes[50]);
    CHECK(door_is_quiet(&door));
}

/* ---- the bell, from one thread ---- */

static void count_wake(void *context)
{
    ++*(uint32_t *)context;
}

TEST(box, a_bell_knows_who_rang)
{
    uint32_t wakes = 0;
    struct bell bell = {.wake = count_wake, .context = &wakes};
    struct door doors[3] = {{0}};
    CHECK(bell_is_silent(&bell));
    CHECK(bell_take(&bell) == NULL);
    for (int i = 0; i < 9; i++) {
        bell_ring(&bell, &doors[i % 3]); /* each is in the list once */
    }
    CHECK_EQ(wakes, 0); /* the owner is awake */
    uint32_t answered = 0;
    for (struct door *door = bell_take(&bell); door != NULL; answered++) {
        CHECK(!door_is_quiet(door)); /* as long as it is in the list */
        struct door *rung = door;
        door = bell_answer(door);
        CHECK(door_is_quiet(rung));
    }
    CHECK_EQ(answered, 3);
    CHECK(bell_is_silent(&bell));
}

TEST(box, one_wake_for_a_sleep)
{
    uint32_t wakes = 0;
    struct bell bell = {.wake = count_wake, .context = &wakes};
    struct door doors[3] = {{0}};
    bell_ring(&bell, &doors[0]);
    CHECK(!bell_sleep(&bell)); /* something has come: stay up */
    CHECK_EQ(load_relaxed_u32(&bell.sleeping), 0);
    bell_answer(bell_take(&bell));
    CHECK(bell_sleep(&bell));
    for (int i = 0; i < 3; i++) {
        bell_ring(&bell, &doors[i]);
    }
    CHECK_EQ(wakes, 1);
    CHECK(bell_awake(&bell)); /* by another */
    for (struct door *door = bell_take(&bell); door != NULL;) {
        door = bell_answer(door);
    }
    CHECK(bell_sleep(&bell));
    CHECK(!bell_awake(&bell)); /* by itself */
    bell_ring(&bell, &doors[0]);
    CHECK_EQ(wakes, 1);
}

/* ---- with threads ---- */

#define SENDERS 4u
#define DOORS 2u
#define EACH 20000u

struct hall {
    struct bell bell;
    struct door doors[DOORS];
    struct box boxes[DOORS];
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool is_woken;
    uint32_t wakes;
};

struct sender {
    struct hall *hall;
    pthread_t thread;
    uint32_t id;
    union node *nodes;
};

static void wake_hall(void *context)
{
    struct hall *hall = context;
    pthread_mutex_lock(&hall->lock);
    hall->is_woken = true;
    hall->wakes++;
    pthread_cond_signal(&hall->woken);
    pthread_mutex_unlock(&hall->lock);
}

static void *send_all(void *context)
{
    struct sender *sender = context;
    struct hall *hall = sender->hall;
    for (uint32_t i = 0; i < EACH; i++) {
        union node *node = &sender->nodes[i];
        struct door *door = &hall->doors[i % DOORS];
        node->head.type = sender->id << 24 | i;
        door_enter(door);
        if (door_push(&door->data, node)) {
            bell_ring(&hall->bell, door);
            door_leave(door);
        }
        if (i % 4096 == 0) {
            sched_yield(); /* lets the owner fall asleep now and then */
        }
    }
    return NULL;
}

/* Checks what is behind a door against what each sender sent last; how many there were. */
static uint32_t take_in(struct hall *hall, struct door *door, uint32_t last[SENDERS][DOORS])
{
    uint32_t len, wrong = 0;
    struct box *box = &hall->boxes[door - hall->doors];
    for (union node *node = door_take(&door->data, &len); node != NULL;) {
        union node *next = node->next;
        box_append(box, node);
        node = next;
    }
    door_return(door, len);
    for (union node *node; (node = box_take(box)) != NULL;) {
        uint32_t *of = &last[node->head.type >> 24][door - hall->doors];
        wrong += (node->head.type & 0xffffff) + 1 <= *of;
        *of = (node->head.type & 0xffffff) + 1;
    }
    CHECK_EQ(wrong, 0);
    return len;
}

TEST(box, many_senders_one_owner)
{
    struct hall hall = {.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
    struct sender senders[SENDERS];
    uint32_t last[SENDERS][DOORS] = {{0}};
    uint32_t taken = 0, announced = 0, sleeps = 0, woken = 0;
    hall.bell.wake = wake_hall;
    hall.bell.context = &hall;
    box_init(&hall.boxes[0], 1);
    box_init(&hall.boxes[1], 1);
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.hall = &hall, .id = i};
        senders[i].nodes = calloc(EACH, sizeof(union node));
        REQUIRE(senders[i].nodes != NULL);
        REQUIRE(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]) == 0);
    }
    while (taken < SENDERS * EACH) {
        for (struct door *door = bell_take(&hall.bell); door != NULL;) {
            struct door *rung = door;
            door = bell_answer(door);
            taken += take_in(&hall, rung, last);
        }
        if (taken == SENDERS * EACH) {
            break;
        }
        announced++;
        if (bell_sleep(&hall.bell)) { /* a lost wake-up would hang here */
            sleeps++;
            pthread_mutex_lock(&hall.lock);
            while (!hall.is_woken) {
                pthread_cond_wait(&hall.woken, &hall.lock);
            }
            hall.is_woken = false;
            pthread_mutex_unlock(&hall.lock);
            woken += bell_awake(&hall.bell);
        }
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        free(senders[i].nodes);
    }
    CHECK_EQ(taken, SENDERS * EACH);
    CHECK(hall.wakes <= announced); /* one at most, also if the owner then did not sleep */
    CHECK(woken <= sleeps);
    CHECK(woken <= hall.wakes);
    for (uint32_t i = 0; i < DOORS; i++) {
        struct door *door = bell_take(&hall.bell);
        if (door != NULL) {
            bell_answer(door);
        }
    }
    CHECK(door_is_quiet(&hall.doors[0]));
    CHECK(door_is_quiet(&hall.doors[1]));
}
