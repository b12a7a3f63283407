/* A runtime is stopped in the middle of everything, again and again: actors that multiply and
 * chatter across workers, threads outside that send, spawn, kill and broadcast until they are
 * told that it is over, sometimes with the last actor ending by itself at the same moment. Every
 * message is accounted for, every pool balances, nothing hangs. */
#include "stress.h"

#define TIMES 50u
#define THREADS 3u
#define SHELF 32u

static leat_runtime *runtime;
static atomic_bool over, calm;
static atomic_ullong shelf[SHELF];
static uint32_t mode;

struct talker {
    struct random random;
    uint32_t todo, life;
    bool stubborn, goes;
};

static const struct leat_behavior talker; /* below */

static int on_init(void *self, const void *arg, leat_time now)
{
    struct talker *me = self;
    (void)arg;
    me->random.state = now + (uintptr_t)self;
    me->stubborn = random_below(&me->random, 16) == 0;
    me->life = mode == 2 ? 1 + random_below(&me->random, 6) : UINT32_MAX;
    me->todo = 3;
    atomic_store(&shelf[random_below(&me->random, SHELF)], leat_self(self).id);
    return 0;
}

static void on_event(void *self, const struct leat_event *event)
{
    struct talker *me = self;
    me->todo = random_below(&me->random, 4);
    me->goes = (event->kind == LEAT_EVENT_SHUTDOWN && !me->stubborn) || --me->life == 0;
}

static bool pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct talker *me = self;
    (void)now;
    if (me->todo > 0) {
        me->todo--;
        leat_ref to = {.id = atomic_load(&shelf[random_below(&me->random, SHELF)])};
        if (random_below(&me->random, 100) == 0 && !atomic_load(&calm)) {
            leat_output_spawn(ret, &talker, NULL, 0, 0);
            ret->spawn.worker = (int)random_below(&me->random, WORKERS);
            return true;
        }
        leat_slice body;
        if (random_below(&me->random, 4) == 0 && leat_buf_alloc(300, &body) == 0) {
            leat_output_send_body(ret, to, 1, body);
        } else {
            leat_output_send(ret, to, 1, &to, sizeof(to));
        }
        ret->full = (uint8_t)random_below(&me->random, 2);
        return true;
    }
    if (me->goes) {
        leat_output_stop(ret);
    }
    return me->goes;
}

static const struct leat_behavior talker = {.name = "talker",
                                            .state_size = sizeof(struct talker),
                                            .mailbox_len_max = 16,
                                            .init = on_init,
                                            .on_event = on_event,
                                            .pop_output = pop_output};

static void *outside(void *context)
{
    struct random random = {.state = 5 + *(uint32_t *)context};
    leat_controller *controller = stress_controller(runtime);
    while (!atomic_load(&over)) {
        leat_ref to = {.id = atomic_load(&shelf[random_below(&random, SHELF)])};
        struct leat_event event;
        int status = 0;
        switch (random_below(&random, 8)) {
        case 0:
            if (atomic_load(&calm) && random_below(&random, 20000) != 0) {
                break;
            }
            status =
                leat_spawn(controller, &talker, NULL, 0, (int)random_below(&random, WORKERS), NULL);
            EXPECT(status == 0 || status == -ESHUTDOWN, "spawn: %s", strerror(-status));
            break;
        case 1:
            if (random_below(&random, mode == 2 ? 16 : 64) ==
                0) { /* each is a walk over all actors */
                leat_broadcast(controller, LEAT_WORKER_ALL, NULL, 1, &to, sizeof(to));
            }
            break;
        case 2:
            leat_kill(controller, to);
            break;
        case 3:
            leat_monitor(controller, to, 1);
            break;
        case 4:
            if (leat_receive(controller, 0, &event) == 0) {
                leat_event_release(&event);
            }
            break;
        default:
            leat_send(controller, to, 1, &to, sizeof(to));
        }
    }
    leat_controller_close(controller);
    return NULL;
}

static void *run(void *context)
{
    (void)context;
    int status = leat_runtime_run(runtime);
    EXPECT(status == 0, "run: %s", strerror(-status));
    return NULL;
}

/* Modes: 0 threads stop before it ends, 1 they go on beyond its end, 2 it ends by itself. */
static void once(uint32_t i)
{
    struct random random = {.state = i};
    struct leat_config config = stress_config();
    config.shutdown_ns = 20 * LEAT_MS;
    config.send_wait_ns = LEAT_MS;
    config.mailbox_len_max = 64;
    config.drain_warn_ns = 10 * LEAT_SEC;
    mode = i % 8 == 7 ? 2 : i % 2;
    atomic_store(&over, false);
    atomic_store(&calm, false);
    for (uint32_t k = 0; k < SHELF; k++) {
        atomic_store(&shelf[k], UINT64_C(1) << 32 | UINT32_MAX);
    }
    stress_open(&config, &runtime);
    leat_controller *controller = stress_controller(runtime);
    for (uint32_t k = 0; k < 40; k++) {
        leat_spawn(controller, &talker, NULL, 0, (int)(k % WORKERS), NULL);
    }
    struct stress_threads workers = {0}, threads = {0};
    if (mode == 2) {
        stress_start(&workers, 1, run);
    } else {
        EXPECT(leat_runtime_start(runtime) == 0, "start");
    }
    stress_start(&threads, THREADS, outside);
    usleep(1000 + random_below(&random, 20000));
    if (mode == 2) {
        atomic_store(&calm, true);
        stress_join(&workers); /* broadcasts end them all; it may do so while somebody spawns */
    } else {
        leat_runtime_stop(runtime);
    }
    struct leat_event event;
    if (mode != 0) {
        int status;
        while ((status = leat_receive(controller, 20 * LEAT_SEC, &event)) == 0) {
            leat_event_release(&event);
        }
        EXPECT(status == -EPIPE, "time %u: the runtime does not end: %s", i, strerror(-status));
    }
    atomic_store(&over, true);
    stress_join(&threads);
    stress_end(runtime, controller, NULL);
}

int main(void)
{
    stress_limit("shutdown");
    const char *longer = getenv("LEAT_TEST_LONG");
    uint32_t times = longer != NULL && strcmp(longer, "1") == 0 ? 20 * TIMES : TIMES;
    for (uint32_t i = 0; i < times && stress_result() == 0; i++) {
        once(i);
    }
    return stress_result();
}
