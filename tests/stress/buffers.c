/* Bodies are made on one worker, shared among actors on others, handed to controllers and from
 * there to threads that have nothing to do with the runtime; whoever is last frees. Their bytes
 * stay what they were, and every buffer is home at the end. */
#include "stress.h"

#define ACTORS 16u
#define FREERS 2u
#define KEPT 8u
#define SHELF 1024u

static leat_runtime *runtime;
static leat_time until;
static leat_ref actors[ACTORS];
static leat_ref desk;
static _Atomic(leat_buf *) shelf[SHELF]; /* handed over to the freers */
static atomic_bool over;
static atomic_ullong made, freed;

struct keeper {
    struct random random;
    leat_slice kept[KEPT];
    uint32_t next;
    uint32_t todo;
    bool goes;
};

static void fill(leat_slice body)
{
    memset(leat_slice_data(body), (int)(body.len & 0xff), body.len);
}

static void check(leat_slice body)
{
    const uint8_t *bytes = leat_slice_data(body);
    for (uint32_t i = 0; i < body.len; i += 61) {
        EXPECT(bytes[i] == (body.len & 0xff), "byte %u of %u was changed", i, body.len);
    }
}

static int on_init(void *self, const void *arg, leat_time now)
{
    struct keeper *keeper = self;
    (void)arg;
    (void)now;
    keeper->random.state = leat_self(self).id;
    return 0;
}

static void on_event(void *self, const struct leat_event *event)
{
    struct keeper *keeper = self;
    keeper->goes = event->kind == LEAT_EVENT_SHUTDOWN;
    keeper->todo = event->now < until ? 1 : 0;
    if (event->kind == LEAT_EVENT_MESSAGE && event->len == LEAT_LEN_BODY) {
        check(event->body);
        leat_slice *place = &keeper->kept[keeper->next++ % KEPT];
        leat_buf_unref(place->buf);
        *place = leat_slice_ref(event->body);
        keeper->todo += event->now < until && random_below(&keeper->random, 20) == 0;
    }
}

static bool pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct keeper *keeper = self;
    leat_slice body = keeper->kept[random_below(&keeper->random, KEPT)];
    (void)now;
    if (keeper->goes) {
        leat_output_stop(ret);
        return true;
    }
    if (keeper->todo == 0) {
        return false;
    }
    keeper->todo--;
    leat_ref to = random_below(&keeper->random, 8) == 0
                      ? desk
                      : actors[random_below(&keeper->random, ACTORS)];
    if (body.buf != NULL && random_below(&keeper->random, 2) == 0) {
        leat_buf_ref(body.buf);
    } else if (leat_buf_alloc(1 + random_below(&keeper->random, 3000), &body) == 0) {
        fill(body);
        atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    } else {
        return false;
    }
    leat_output_send_body(ret, to, 1, body);
    return true;
}

static void on_fini(void *self)
{
    struct keeper *keeper = self;
    for (uint32_t i = 0; i < KEPT; i++) {
        leat_buf_unref(keeper->kept[i].buf);
    }
}

static const struct leat_behavior keeper = {.name = "keeper",
                                            .state_size = sizeof(struct keeper),
                                            .init = on_init,
                                            .on_event = on_event,
                                            .pop_output = pop_output,
                                            .fini = on_fini};

static void *freer(void *context)
{
    struct random random = {.state = *(uint32_t *)context};
    while (!atomic_load(&over)) {
        leat_buf *buf = atomic_exchange(&shelf[random_below(&random, SHELF)], NULL);
        atomic_fetch_add_explicit(&freed, buf != NULL, memory_order_relaxed);
        leat_buf_unref(buf);
    }
    return NULL;
}

/* Takes what the actors send, hands most of it on and sends bodies of its own. */
static void work(leat_controller *controller)
{
    struct random random = {.state = 3};
    while (clock_now() < until) {
        struct leat_event event;
        while (clock_now() < until && leat_receive(controller, 100 * LEAT_US, &event) == 0) {
            if (event.kind == LEAT_EVENT_MESSAGE && event.len == LEAT_LEN_BODY) {
                check(event.body);
                leat_buf_unref(
                    atomic_exchange(&shelf[random_below(&random, SHELF)], event.body.buf));
            }
        }
        for (uint32_t i = 0; i < 4; i++) {
            leat_slice body;
            if (leat_buf_alloc(1 + random_below(&random, 3000), &body) == 0) {
                fill(body);
                if (leat_send_body(controller, actors[random_below(&random, ACTORS)], 1, body) <
                    0) {
                    leat_buf_unref(body.buf);
                }
            }
        }
    }
}

int main(void)
{
    stress_limit("buffers");
    struct leat_config config = stress_config();
    config.mailbox_len_max = 256;
    stress_open(&config, &runtime);
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    leat_controller *other = stress_controller(runtime);
    desk = leat_controller_ref(other);
    for (uint32_t i = 0; i < ACTORS; i++) {
        EXPECT(leat_spawn(controller, &keeper, NULL, 0, (int)(i % WORKERS), &actors[i]) == 0,
               "spawn");
    }
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct stress_threads threads = {0};
    stress_start(&threads, FREERS, freer);
    work(other);
    leat_controller_close(other);
    atomic_store(&over, true);
    stress_join(&threads);
    for (uint32_t i = 0; i < SHELF; i++) {
        leat_buf_unref(atomic_exchange(&shelf[i], NULL));
    }
    stress_end(runtime, controller, "buffers");
    printf("buffers: %llu made, %llu freed outside\n", (unsigned long long)atomic_load(&made),
           (unsigned long long)atomic_load(&freed));
    return stress_result();
}
