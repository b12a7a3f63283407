/* Broadcasts walk over the actors of every worker while these come and go, spawned from outside,
 * from their own worker and from others. Nobody is given anything before its init, nor twice.
 * More actors than a worker keeps cells for end at once now and then, so that cells change
 * hands. */
#include "stress.h"

#define THREADS 2u
#define HERD 9000u

static leat_runtime *runtime;
static leat_time until;
static atomic_ullong heard, born;

#define MAGIC UINT64_C(0xb0a7)

struct listener {
    uint64_t magic;
    uint32_t last[THREADS];
    uint32_t life;
    bool goes, spawns;
    struct random random;
};

struct call {
    uint32_t source;
    uint32_t number;
};

static const struct leat_behavior listener; /* below */

static int on_init(void *self, const void *arg, leat_time now)
{
    struct listener *me = self;
    (void)arg;
    me->magic = MAGIC;
    me->random.state = now + (uintptr_t)self;
    me->life = 1 + random_below(&me->random, 6);
    atomic_fetch_add(&born, 1);
    return 0;
}

static void on_event(void *self, const struct leat_event *event)
{
    struct listener *me = self;
    EXPECT(me != NULL && me->magic == MAGIC, "an event before init");
    if (event->kind == LEAT_EVENT_MESSAGE) {
        struct call call;
        memcpy(&call, event->payload, sizeof(call));
        EXPECT(call.source < THREADS && call.number > me->last[call.source],
               "broadcast %u of %u after %u", call.number, call.source, me->last[call.source]);
        me->last[call.source] = call.number;
        atomic_fetch_add_explicit(&heard, 1, memory_order_relaxed);
        me->spawns = random_below(&me->random, 4) == 0;
        me->goes = --me->life == 0;
    }
    me->goes |= event->kind == LEAT_EVENT_SHUTDOWN;
}

static bool pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct listener *me = self;
    if (me->spawns && now < until) {
        me->spawns = false;
        leat_output_spawn(ret, &listener, NULL, 0, 0);
        ret->spawn.worker = (int)random_below(&me->random, WORKERS);
        return true;
    }
    if (me->goes) {
        leat_output_stop(ret);
    }
    return me->goes;
}

static const struct leat_behavior listener = {.name = "listener",
                                              .state_size = sizeof(struct listener),
                                              .init = on_init,
                                              .on_event = on_event,
                                              .pop_output = pop_output};

static void *spawner(void *context)
{
    struct random random = {.state = 77 + *(uint32_t *)context};
    leat_controller *controller = stress_controller(runtime);
    while (clock_now() < until) {
        uint32_t n = random_below(&random, 200) == 0 ? HERD : 1 + random_below(&random, 30);
        int worker = (int)random_below(&random, WORKERS);
        for (uint32_t i = 0; i < n && clock_now() < until; i++) {
            int status = leat_spawn(controller, &listener, NULL, 0, worker, NULL);
            EXPECT(status == 0, "spawn: %s", strerror(-status));
        }
        struct leat_event event;
        while (leat_receive(controller, LEAT_MS, &event) == 0) {
            leat_event_release(&event);
        }
    }
    leat_controller_close(controller);
    return NULL;
}

static void *announcer(void *context)
{
    uint32_t source = *(uint32_t *)context;
    struct random random = {.state = 99 + source};
    leat_controller *controller = stress_controller(runtime);
    struct call call = {.source = source};
    while (clock_now() < until) {
        call.number++;
        int worker =
            random_below(&random, 2) == 0 ? LEAT_WORKER_ALL : (int)random_below(&random, WORKERS);
        int status =
            leat_broadcast(controller, worker, random_below(&random, 2) == 0 ? &listener : NULL, 1,
                           &call, sizeof(call));
        EXPECT(status == 0, "broadcast: %s", strerror(-status));
        usleep(random_below(&random, 200));
    }
    leat_controller_close(controller);
    return NULL;
}

int main(void)
{
    stress_limit("broadcast");
    struct leat_config config = stress_config();
    stress_open(&config, &runtime);
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct stress_threads threads = {0};
    stress_start(&threads, THREADS, spawner);
    stress_start(&threads, THREADS, announcer);
    stress_join(&threads);
    stress_end(runtime, controller, "broadcast");
    printf("broadcast: %llu born, %llu heard\n", (unsigned long long)atomic_load(&born),
           (unsigned long long)atomic_load(&heard));
    return stress_result();
}
