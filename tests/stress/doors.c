/* Controllers are opened and closed all the time while actors on all workers send to them, with
 * bodies and without, watch them, and somebody else asks for their statistics. */
#include "stress.h"

#define SHELF 16u
#define ACTORS 16u
#define THREADS 4u

static leat_runtime *runtime;
static leat_time until;
static atomic_ullong shelf[SHELF];
static atomic_ullong opened, received;

struct caller {
    struct random random;
    uint32_t todo;
    bool goes, more;
};

static void on_event(void *self, const struct leat_event *event)
{
    struct caller *caller = self;
    caller->random.state += event->now;
    caller->goes = event->kind == LEAT_EVENT_SHUTDOWN;
    caller->todo = 1 + random_below(&caller->random, 20);
    caller->more = event->kind == LEAT_EVENT_MESSAGE;
}

static bool pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct caller *caller = self;
    if (caller->goes) {
        leat_output_stop(ret);
        return true;
    }
    if (caller->todo == 0) {
        bool more = caller->more && now < until;
        caller->more = false;
        leat_output_send(ret, leat_self(self), 1, NULL, 0);
        return more;
    }
    caller->todo--;
    leat_ref to = {.id = atomic_load(&shelf[random_below(&caller->random, SHELF)])};
    leat_slice body;
    uint32_t drawn = random_below(&caller->random, 20);
    if (drawn == 0) {
        leat_output_monitor(ret, to, to.id);
    } else if (drawn < 8 && leat_buf_alloc(64 + drawn * 400, &body) == 0) {
        memcpy(leat_slice_data(body), &to, sizeof(to));
        leat_output_send_body(ret, to, 2, body);
        ret->full = LEAT_FULL_WAIT; /* the same as refuse, to a controller */
    } else {
        leat_output_send(ret, to, 2, &to, sizeof(to));
    }
    return true;
}

static const struct leat_behavior caller = {.name = "caller",
                                            .state_size = sizeof(struct caller),
                                            .on_event = on_event,
                                            .pop_output = pop_output};

static void *outside(void *context)
{
    struct random random = {.state = 31 + *(uint32_t *)context};
    while (clock_now() < until) {
        leat_controller *controller;
        int status = leat_controller_open(runtime, &controller);
        EXPECT(status == 0, "open: %s", strerror(-status));
        if (status < 0) {
            break;
        }
        leat_ref self = leat_controller_ref(controller);
        atomic_store(&shelf[random_below(&random, SHELF)], self.id);
        atomic_fetch_add(&opened, 1);
        uint32_t n = random_below(&random, 200);
        for (uint32_t i = 0; i < n; i++) {
            struct leat_event event;
            if (leat_receive(controller, random_below(&random, 2) * 200 * LEAT_US, &event) < 0) {
                continue;
            }
            size_t len;
            uint64_t meant = 0;
            const void *bytes = leat_event_payload(&event, &len);
            EXPECT(event.kind == LEAT_EVENT_MESSAGE && len >= sizeof(meant), "event %u",
                   event.kind);
            memcpy(&meant, bytes, sizeof(meant));
            EXPECT(meant == self.id, "a message for %llx reached %llx", (unsigned long long)meant,
                   (unsigned long long)self.id);
            atomic_fetch_add(&received, 1);
            leat_event_release(&event);
        }
        leat_controller_close(controller);
    }
    return NULL;
}

static void *observe(void *context)
{
    (void)context;
    uint64_t last = 0;
    while (clock_now() < until) {
        struct leat_worker_stats sum;
        leat_stats_controllers(runtime, &sum);
        EXPECT(sum.delivered >= last, "received %llu after %llu", (unsigned long long)sum.delivered,
               (unsigned long long)last);
        last = sum.delivered;
    }
    return NULL;
}

int main(void)
{
    stress_limit("doors");
    struct leat_config config = stress_config();
    config.mailbox_len_max = 64;
    stress_open(&config, &runtime);
    for (uint32_t i = 0; i < SHELF; i++) {
        atomic_store(&shelf[i], UINT64_C(1) << 32 | UINT32_MAX);
    }
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    for (uint32_t i = 0; i < ACTORS; i++) {
        leat_ref ref;
        EXPECT(leat_spawn(controller, &caller, NULL, 0, (int)(i % WORKERS), &ref) == 0, "spawn");
        leat_send(controller, ref, 1, NULL, 0);
    }
    struct stress_threads threads = {0};
    stress_start(&threads, THREADS, outside);
    stress_start(&threads, 1, observe);
    stress_join(&threads);
    stress_end(runtime, controller, "doors");
    printf("doors: %llu controllers, %llu received\n", (unsigned long long)atomic_load(&opened),
           (unsigned long long)atomic_load(&received));
    return stress_result();
}
