/* Actors come and go all the time, their slots are used again at once, and everybody keeps
 * sending to refs of which most are stale. A message names the ref it is meant for: no other may
 * ever get it. And each monitor fires once. */
#include "stress.h"

#define SHELF 64u /* refs that everybody knows */
#define THREADS 3u

static leat_runtime *runtime;
static leat_time until;
static atomic_ullong shelf[SHELF];
static atomic_ullong born, monitors, downs;

struct mayfly {
    uint64_t magic;
    uint32_t life; /* messages */
    uint32_t sends;
    struct random random;
    bool spawns, goes;
};

#define MAGIC UINT64_C(0x1eaf5a11)

static const struct leat_behavior mayfly; /* below */

static int mayfly_init(void *self, const void *arg, leat_time now)
{
    struct mayfly *fly = self;
    (void)now;
    memcpy(&fly->random.state, arg, sizeof(fly->random.state));
    fly->magic = MAGIC;
    fly->life = 1 + random_below(&fly->random, 30);
    atomic_store(&shelf[random_below(&fly->random, SHELF)], leat_self(self).id);
    atomic_fetch_add(&born, 1);
    return random_below(&fly->random, 50) == 0 ? -EACCES : 0;
}

static void mayfly_on_event(void *self, const struct leat_event *event)
{
    struct mayfly *fly = self;
    EXPECT(fly->magic == MAGIC, "an event before init or after fini");
    fly->sends = random_below(&fly->random, 3);
    if (event->kind == LEAT_EVENT_MESSAGE) {
        uint64_t meant;
        memcpy(&meant, event->payload, sizeof(meant));
        EXPECT(meant == leat_self(self).id, "a message for %llx reached %llx",
               (unsigned long long)meant, (unsigned long long)leat_self(self).id);
        fly->spawns = random_below(&fly->random, 8) == 0;
        fly->goes = --fly->life == 0;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        fly->goes = true;
    }
}

static bool mayfly_pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct mayfly *fly = self;
    (void)now;
    EXPECT(fly->magic == MAGIC, "asked for an output before init or after fini");
    if (fly->sends > 0) {
        fly->sends--;
        leat_ref to = {.id = atomic_load(&shelf[random_below(&fly->random, SHELF)])};
        leat_output_send(ret, to, 1, &to.id, sizeof(to.id));
        return true;
    }
    if (fly->spawns) {
        fly->spawns = false;
        leat_output_spawn(ret, &mayfly, &fly->random.state, sizeof(fly->random.state), 7);
        ret->spawn.worker = (int)random_below(&fly->random, WORKERS);
        return true;
    }
    if (fly->goes) {
        leat_output_stop(ret);
        return true;
    }
    return false;
}

static void mayfly_fini(void *self)
{
    struct mayfly *fly = self;
    EXPECT(fly->magic == MAGIC, "fini twice");
    fly->magic = 0;
}

static const struct leat_behavior mayfly = {.name = "mayfly",
                                            .state_size = sizeof(struct mayfly),
                                            .mailbox_len_max = 8,
                                            .init = mayfly_init,
                                            .on_event = mayfly_on_event,
                                            .pop_output = mayfly_pop_output,
                                            .fini = mayfly_fini};

static void receive(leat_controller *controller, leat_time timeout)
{
    struct leat_event event;
    while (leat_receive(controller, timeout, &event) == 0) {
        if (event.kind == LEAT_EVENT_DOWN && event.down.cookie != 0) {
            atomic_fetch_add(&downs, 1);
        }
        leat_event_release(&event);
    }
}

static void *outside(void *context)
{
    struct random random = {.state = 1000 + *(uint32_t *)context};
    leat_controller *controller = stress_controller(runtime);
    int status;
    while (clock_now() < until) { /* another thread may find that it is over a moment earlier */
        uint64_t seed = random.state;
        leat_ref to = {.id = atomic_load(&shelf[random_below(&random, SHELF)])};
        switch (random_below(&random, 16)) {
        case 0:
        case 1:
            status = leat_spawn(controller, &mayfly, &seed, sizeof(seed),
                                (int)random_below(&random, WORKERS), NULL);
            EXPECT(status == 0 || status == -ESHUTDOWN, "spawn: %s", strerror(-status));
            break;
        case 2:
            leat_stop(controller, to);
            break;
        case 3:
            leat_kill(controller, to);
            break;
        case 4:
            if (leat_monitor(controller, to, 1) == 0) {
                atomic_fetch_add(&monitors, 1);
            }
            break;
        default:
            leat_send(controller, to, 1, &to.id, sizeof(to.id));
        }
        if (random_below(&random, 32) == 0) {
            receive(controller, 0);
        }
    }
    /* Everybody has to go before the last DOWN can be waited for. */
    leat_runtime_stop(runtime);
    struct leat_event event;
    while ((status = leat_receive(controller, 20 * LEAT_SEC, &event)) == 0) {
        if (event.kind == LEAT_EVENT_DOWN && event.down.cookie != 0) {
            atomic_fetch_add(&downs, 1);
        }
        leat_event_release(&event);
    }
    EXPECT(status == -EPIPE, "the runtime does not end: %s", strerror(-status));
    leat_controller_close(controller);
    return NULL;
}

int main(void)
{
    stress_limit("churn");
    struct leat_config config = stress_config();
    config.mailbox_len_max = 100000;
    stress_open(&config, &runtime);
    for (uint32_t i = 0; i < SHELF; i++) {
        atomic_store(&shelf[i], UINT64_C(1) << 32 | UINT32_MAX); /* nobody ever */
    }
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct stress_threads threads = {0};
    stress_start(&threads, THREADS, outside);
    stress_join(&threads);
    stress_end(runtime, controller, "churn");
    printf("churn: %llu born, %llu monitors\n", (unsigned long long)atomic_load(&born),
           (unsigned long long)atomic_load(&monitors));
    EXPECT(atomic_load(&monitors) == atomic_load(&downs), "%llu monitors, %llu fired",
           (unsigned long long)atomic_load(&monitors), (unsigned long long)atomic_load(&downs));
    return stress_result();
}
