/* Several workers in threads: order between them, sleep and wake-up, pinning, and what an idle one
 * costs. */
#include <sched.h>
#include <time.h>

#include "helpers.h"
#include "sched.h"

/* Counts messages of each sender that do not carry the next number. */
struct order {
    uint64_t next[8];
    uint64_t wrong;
    uint64_t messages;
};

static void check_order(struct puppet *self, const struct leat_event *event)
{
    struct order *order = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && event->type < 8) {
        order->messages++;
        order->wrong += event_value(event) != order->next[event->type]++;
    }
}

TEST(workers, fifo_between_workers)
{
    enum { PEERS = 4, EACH = 2000 };
    struct rig rig;
    struct leat_config config = rig_threads(3);
    struct order orders[PEERS] = {{{0}, 0, 0}};
    struct puppet receivers[PEERS], senders[PEERS];
    leat_ref to[PEERS];
    config.mailbox_len_max = 2 * PEERS * EACH;
    rig_open(&rig, &config);
    for (size_t i = 0; i < PEERS; i++) {
        receivers[i] = (struct puppet){.on_event = check_order, .context = &orders[i]};
        to[i] = rig_spawn_as(&rig, &receivers[i], &puppet_behavior, (int)i % 3);
        CHECK_EQ(leat_monitor(rig.controller, to[i], i), 0);
    }
    for (size_t i = 0; i < PEERS; i++) {
        memset(&senders[i], 0, sizeof(senders[i]));
        for (uint64_t k = 0; k < EACH * PEERS; k++) {
            puppet_send(&senders[i], to[k % PEERS], (uint32_t)i, k / PEERS);
        }
        leat_output_stop(puppet_put(&senders[i]));
        leat_ref ref = rig_spawn_as(&rig, &senders[i], &puppet_behavior, (int)(i + 1) % 3);
        CHECK_EQ(leat_monitor(rig.controller, ref, 100 + i), 0);
    }
    rig_await(&rig, PEERS);
    for (size_t i = 0; i < PEERS; i++) {
        CHECK_EQ(leat_stop(rig.controller, to[i]), 0);
    }
    rig_await(&rig, 2 * PEERS);
    rig_close(&rig);
    for (size_t i = 0; i < PEERS; i++) {
        CHECK_EQ(orders[i].wrong, 0);
        CHECK_EQ(orders[i].messages, PEERS * EACH);
        CHECK_EQ(senders[i].refusals_len, 0);
        puppet_free(&receivers[i]);
        senders[i].violations = 0;
        puppet_free(&senders[i]);
    }
}

static void pass_on(struct puppet *self, const struct leat_event *event)
{
    const leat_ref *next = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE && event_value(event) > 0) {
        puppet_send(self, event_value(event) == 1 ? next[1] : next[0], 1, event_value(event) - 1);
    }
}

/* A token around all workers, each of which has nothing else to do and may sleep in between. */
TEST(workers, a_token_wakes_one_after_the_other)
{
    enum { WORKERS = 4, HOPS = 2001 };
    struct rig rig;
    struct leat_config config = rig_threads(WORKERS);
    struct puppet ring[WORKERS] = {{0}};
    leat_ref next[WORKERS][2];
    rig_open(&rig, &config);
    for (size_t i = 0; i < WORKERS; i++) {
        ring[i].on_event = pass_on;
        ring[i].context = next[i];
        next[(i + WORKERS - 1) % WORKERS][0] =
            rig_spawn_as(&rig, &ring[i], &puppet_behavior, (int)i);
        next[i][1] = leat_controller_ref(rig.controller);
    }
    uint64_t hops = HOPS;
    CHECK_EQ(leat_send(rig.controller, next[3][0], 1, &hops, sizeof(hops)), 0);
    rig_await(&rig, 1);
    CHECK_EQ(event_value(&rig.got[0]), 0);
    rig_close(&rig);
    size_t inputs = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        inputs += puppet_count(&ring[i], LEAT_EVENT_MESSAGE);
        puppet_free(&ring[i]);
    }
    CHECK_EQ(inputs, HOPS);
}

TEST(workers, no_more_wakes_than_sleeps)
{
    struct rig rig;
    struct leat_config config = rig_threads(3);
    struct puppet actors[3] = {{0}};
    struct leat_worker_stats stats[3];
    rig_open(&rig, &config);
    for (size_t i = 0; i < 3; i++) {
        rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)i);
    }
    for (uint64_t round = 1; round <= 20; round++) {
        for (int i = 0; i < 20; i++) {
            leat_broadcast(rig.controller, LEAT_WORKER_ALL, NULL, 1, NULL, 0);
        }
        for (int i = 0; i < 2000 && rig_stats(&rig).delivered < round * 3 * 20; i++) {
            CHECK_EQ(rig_receive(&rig, LEAT_MS), -ETIMEDOUT); /* they fall asleep */
        }
    }
    leat_runtime_stop(rig.runtime);
    while (rig_receive(&rig, LEAT_NEVER) == 0) {
    }
    leat_stats_workers(rig.runtime, stats, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(stats[i].wakes > 0);
        CHECK(stats[i].wakes <= stats[i].sleeps);
        CHECK_EQ(stats[i].delivered, 20 * 20);
    }
    rig_close(&rig);
    for (size_t i = 0; i < 3; i++) {
        puppet_free(&actors[i]);
    }
}

/* Without work, deadlines and sockets a worker does nothing at all. */
TEST(workers, idle_costs_nothing)
{
    struct rig rig;
    struct leat_config config = rig_threads(2);
    struct puppet actors[2] = {{0}};
    struct leat_worker_stats before[2] = {{0}}, after[2];
    rig_open(&rig, &config);
    rig_spawn_as(&rig, &actors[0], &puppet_behavior, 0);
    rig_spawn_as(&rig, &actors[1], &puppet_behavior, 1);
    for (int i = 0; i < 1000 && stats_sum(rig.runtime).spawned < 2; i++) {
        CHECK_EQ(rig_receive(&rig, LEAT_MS), -ETIMEDOUT);
    }
    CHECK_EQ(rig_receive(&rig, 20 * LEAT_MS), -ETIMEDOUT); /* they have spun enough */
    leat_stats_workers(rig.runtime, before, 2);
    CHECK_EQ(rig_receive(&rig, 60 * LEAT_MS), -ETIMEDOUT);
    leat_stats_workers(rig.runtime, after, 2);
    for (size_t i = 0; i < 2; i++) {
        CHECK(after[i].loops - before[i].loops <= 1);
        CHECK(after[i].sleeps - before[i].sleeps <= 1);
    }
    rig_close(&rig);
    puppet_free(&actors[0]);
    puppet_free(&actors[1]);
}

static void tick_on(struct puppet *self, const struct leat_event *event)
{
    uint64_t *ticks = self->context;
    if (event->kind == LEAT_EVENT_DEADLINE) {
        ticks[0]++;
        ticks[1] += event->now < self->deadline; /* too early */
        self->deadline = ticks[0] < 20 ? event->now + LEAT_MS : 0;
        if (self->deadline == 0) {
            leat_output_stop(puppet_put(self));
        }
    }
}

TEST(workers, deadlines_wake_sleepers)
{
    struct rig rig;
    struct leat_config config = rig_threads(3);
    struct puppet actors[6];
    uint64_t ticks[6][2] = {{0}};
    rig_open(&rig, &config);
    leat_time start = leat_controller_now(rig.controller);
    for (size_t i = 0; i < 6; i++) {
        actors[i] =
            (struct puppet){.on_event = tick_on, .context = ticks[i], .deadline = start + LEAT_MS};
        leat_ref ref = rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)i % 3);
        CHECK_EQ(leat_monitor(rig.controller, ref, i), 0);
    }
    rig_await(&rig, 6);
    CHECK(leat_controller_now(rig.controller) - start >= 20 * LEAT_MS);
    rig_close(&rig);
    for (size_t i = 0; i < 6; i++) {
        CHECK_EQ(ticks[i][0], 20);
        CHECK_EQ(ticks[i][1], 0);
        actors[i].violations = 0;
        puppet_free(&actors[i]);
    }
}

/* ---- where they run ---- */

struct place {
    cpu_set_t cpus;
    pthread_t thread;
    char name[16];
};

static void note_place(struct puppet *self, const struct leat_event *event)
{
    struct place *place = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        place->thread = pthread_self();
        sched_getaffinity(0, sizeof(place->cpus), &place->cpus);
        pthread_getname_np(pthread_self(), place->name, sizeof(place->name));
    }
}

TEST(workers, pinned_or_not)
{
    enum { WORKERS = 3 };
    cpu_set_t allowed;
    REQUIRE(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
    for (int pin = 0; pin < 2; pin++) {
        struct rig rig;
        struct leat_config config = rig_threads(WORKERS);
        struct puppet actors[WORKERS];
        struct place places[WORKERS];
        config.pin = pin;
        rig_open(&rig, &config);
        for (int i = 0; i < WORKERS; i++) {
            actors[i] = (struct puppet){.on_event = note_place, .context = &places[i]};
            leat_ref ref = rig_spawn_as(&rig, &actors[i], &puppet_behavior, i);
            CHECK_EQ(leat_monitor(rig.controller, ref, 0), 0);
            leat_send(rig.controller, ref, 1, NULL, 0);
            leat_stop(rig.controller, ref);
        }
        rig_await(&rig, WORKERS);
        rig_close(&rig);
        for (int i = 0; i < WORKERS; i++) {
            char name[32];
            snprintf(name, sizeof(name), "leat-%d", i);
            CHECK_STR(places[i].name, name);
            CHECK_EQ(CPU_COUNT(&places[i].cpus), pin ? 1 : CPU_COUNT(&allowed));
            cpu_set_t both;
            CPU_AND(&both, &places[i].cpus, &allowed);
            CHECK(CPU_EQUAL(&both, &places[i].cpus));
            if (pin && i > 0 && CPU_COUNT(&allowed) > 1) { /* one after the other */
                CHECK(!CPU_EQUAL(&places[i].cpus, &places[i - 1].cpus));
            }
            puppet_free(&actors[i]);
        }
    }
    cpu_set_t now;
    sched_getaffinity(0, sizeof(now), &now);
    CHECK(CPU_EQUAL(&now, &allowed)); /* the caller's own thread is left alone */
}

/* An actor runs on one worker, whoever sends to it. */
static void note_thread(struct puppet *self, const struct leat_event *event)
{
    struct place *place = self->context;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        if (self->seen_len == 1) {
            place->thread = pthread_self();
        } else if (!pthread_equal(place->thread, pthread_self())) {
            place->name[0] = '!';
        }
    }
}

TEST(workers, an_actor_stays_where_it_is)
{
    struct rig rig;
    struct leat_config config = rig_threads(3);
    struct place place = {.name = ""};
    struct puppet receiver = {.on_event = note_thread, .context = &place}, senders[3] = {{0}};
    rig_open(&rig, &config);
    leat_ref to = rig_spawn_as(&rig, &receiver, &puppet_behavior, 1);
    for (int i = 0; i < 3; i++) {
        for (uint64_t k = 0; k < 300; k++) {
            puppet_send(&senders[i], to, 1, k);
        }
        leat_output_stop(puppet_put(&senders[i]));
        leat_ref ref = rig_spawn_as(&rig, &senders[i], &puppet_behavior, i);
        CHECK_EQ(leat_monitor(rig.controller, ref, 0), 0);
    }
    rig_await(&rig, 3);
    rig_close(&rig);
    CHECK_EQ(place.name[0], 0);
    puppet_free(&receiver);
    for (int i = 0; i < 3; i++) {
        senders[i].violations = 0;
        puppet_free(&senders[i]);
    }
}

TEST(workers, the_most_there_can_be)
{
    struct rig rig;
    struct leat_config config = rig_threads(LEAT_WORKERS_MAX);
    static struct puppet actors[LEAT_WORKERS_MAX];
    rig_open(&rig, &config);
    for (size_t i = 0; i < LEAT_WORKERS_MAX; i++) {
        leat_ref ref = rig_spawn_as(&rig, &actors[i], &puppet_behavior, (int)i);
        CHECK_EQ(leat_monitor(rig.controller, ref, i), 0);
    }
    leat_runtime_stop(rig.runtime);
    rig_await(&rig, LEAT_WORKERS_MAX);
    rig_close(&rig);
    for (size_t i = 0; i < LEAT_WORKERS_MAX; i++) {
        CHECK_EQ(actors[i].inits, 1);
        CHECK_EQ(actors[i].finis, 1);
        CHECK_EQ(puppet_count(&actors[i], LEAT_EVENT_SHUTDOWN), 1);
        puppet_free(&actors[i]);
    }
}
