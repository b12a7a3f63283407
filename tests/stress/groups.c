/* Groups and members come and go all the time, on all workers; everybody keeps sending, waiting
 * where it is full, to members and groups of which many are gone. A message names the ref it is
 * meant for: no other may ever get it. And each monitor fires once. */
#include "stress.h"

#define SHELF 64u /* refs of members that everybody knows */
#define GROUPS 8u
#define THREADS 3u

static leat_runtime *runtime;
static leat_time until;
static atomic_ullong shelf[SHELF], groups[GROUPS];
static atomic_ullong born, monitors, downs;

struct member {
    uint64_t magic;
    uint32_t life; /* messages */
    uint32_t sends;
    struct random random;
    leat_time deadline;
    bool spawns, goes;
};

#define MAGIC UINT64_C(0x1eaf6709)

static int member_init(void *state, const void *arg, leat_time now)
{
    struct member *self = state;
    (void)now;
    EXPECT(self->magic == 0 && self->life == 0, "a state that is not zeroed");
    EXPECT(leat_self_group(state).id != 0, "a member without a group");
    memcpy(&self->random.state, arg, sizeof(self->random.state));
    self->random.state ^= leat_self(state).id;
    self->magic = MAGIC;
    self->life = 1 + random_below(&self->random, 60);
    self->deadline = LEAT_NEVER;
    atomic_store(&shelf[random_below(&self->random, SHELF)], leat_self(state).id);
    atomic_fetch_add(&born, 1);
    return random_below(&self->random, 50) == 0 ? (self->magic = 0, -EACCES) : 0;
}

static void member_on_event(void *state, const struct leat_event *event)
{
    struct member *self = state;
    EXPECT(self->magic == MAGIC, "an event before init or after fini");
    self->sends = random_below(&self->random, 100) == 0 ? 70 : random_below(&self->random, 3);
    self->deadline = LEAT_NEVER;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        uint64_t meant;
        memcpy(&meant, event->payload, sizeof(meant));
        EXPECT(meant == leat_self(state).id || meant == leat_self_group(state).id,
               "a message for %llx reached %llx", (unsigned long long)meant,
               (unsigned long long)leat_self(state).id);
        self->spawns = random_below(&self->random, 8) == 0;
        self->goes = --self->life == 0;
        if (random_below(&self->random, 4) == 0) {
            self->deadline = event->now + random_below(&self->random, 100) * LEAT_US;
        }
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->goes = true;
    }
}

static leat_ref any_ref(struct random *random)
{
    return (leat_ref){.id = random_below(random, 10) == 0
                                ? atomic_load(&groups[random_below(random, GROUPS)])
                                : atomic_load(&shelf[random_below(random, SHELF)])};
}

static bool member_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct member *self = state;
    (void)now;
    EXPECT(self->magic == MAGIC, "asked for an output before init or after fini");
    if (self->sends > 0) {
        uint64_t bytes[LEAT_INLINE_MAX / 8] = {0};
        self->sends--;
        leat_ref to = any_ref(&self->random);
        bytes[0] = to.id;
        leat_output_send(ret, to, 1, bytes, random_below(&self->random, 2) == 0 ? 8 : 40);
        ret->full = random_below(&self->random, 16) == 0 ? LEAT_FULL_WAIT : LEAT_FULL_REFUSE;
        return true;
    }
    if (self->spawns) {
        self->spawns = false;
        leat_ref group = {.id = atomic_load(&groups[random_below(&self->random, GROUPS)])};
        leat_output_spawn_member(ret, group, &self->random.state, sizeof(self->random.state), 7);
        return true;
    }
    if (self->goes) {
        leat_output_stop(ret);
        return true;
    }
    return false;
}

static leat_time member_deadline(const void *state)
{
    return ((const struct member *)state)->deadline;
}

static void member_fini(void *state)
{
    struct member *self = state;
    EXPECT(self->magic == MAGIC, "fini twice");
    self->magic = 0;
}

static const struct leat_behavior member = {.name = "member",
                                            .state_size = sizeof(struct member),
                                            .mailbox_len_max = 256,
                                            .init = member_init,
                                            .on_event = member_on_event,
                                            .pop_output = member_pop_output,
                                            .deadline = member_deadline,
                                            .fini = member_fini};

static void count(const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_DOWN && event->down.cookie != 0) {
        atomic_fetch_add(&downs, 1);
    }
}

static void act(leat_controller *controller, struct random *random)
{
    leat_ref to = any_ref(random);
    uint32_t at = random_below(random, GROUPS);
    switch (random_below(random, 32)) {
    case 0: {
        leat_ref group;
        if (random_below(random, 16) != 0) {
            break;
        }
        leat_stop(controller, (leat_ref){.id = atomic_load(&groups[at])});
        if (leat_spawn_group(controller, &member, 40, (int)random_below(random, WORKERS), &group) ==
            0) {
            atomic_store(&groups[at], group.id);
        }
        break;
    }
    case 1:
    case 2:
    case 3:
    case 4:
        leat_spawn_member(controller, (leat_ref){.id = atomic_load(&groups[at])}, &random->state,
                          sizeof(random->state), 0);
        break;
    case 5:
        leat_stop(controller, to);
        break;
    case 6:
        leat_kill(controller, to);
        break;
    case 7:
        if (leat_monitor(controller, to, 1) == 0) {
            atomic_fetch_add(&monitors, 1);
        }
        break;
    default:
        leat_send(controller, to, 1, &to.id, sizeof(to.id));
    }
}

static void *outside(void *context)
{
    struct random random = {.state = 1000 + *(uint32_t *)context};
    leat_controller *controller = stress_controller(runtime);
    struct leat_event event;
    while (clock_now() < until) {
        act(controller, &random);
        while (random_below(&random, 32) == 0 && leat_receive(controller, 0, &event) == 0) {
            count(&event);
            leat_event_release(&event);
        }
    }
    /* Everybody has to go before the last DOWN can be waited for. */
    leat_runtime_stop(runtime);
    int status;
    while ((status = leat_receive(controller, 20 * LEAT_SEC, &event)) == 0) {
        count(&event);
        leat_event_release(&event);
    }
    EXPECT(status == -EPIPE, "the runtime does not end: %s", strerror(-status));
    leat_controller_close(controller);
    return NULL;
}

int main(void)
{
    stress_limit("groups");
    struct leat_config config = stress_config();
    config.mailbox_len_max = 100000;
    config.send_wait_ns = 2 * LEAT_MS;
    config.drain_warn_ns = 20 * LEAT_SEC; /* many waits in one drain are no news */
    stress_open(&config, &runtime);
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    for (uint32_t i = 0; i < GROUPS; i++) {
        leat_ref group;
        EXPECT(leat_spawn_group(controller, &member, 40, (int)(i % WORKERS), &group) == 0, "spawn");
        atomic_store(&groups[i], group.id);
    }
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct stress_threads threads = {0};
    stress_start(&threads, THREADS, outside);
    stress_join(&threads);
    stress_end(runtime, controller, "groups");
    printf("groups: %llu members born, %llu monitors\n", (unsigned long long)atomic_load(&born),
           (unsigned long long)atomic_load(&monitors));
    EXPECT(atomic_load(&monitors) == atomic_load(&downs), "%llu monitors, %llu fired",
           (unsigned long long)atomic_load(&monitors), (unsigned long long)atomic_load(&downs));
    return stress_result();
}
