/* Senders on all workers wait for room in the small mailboxes of receivers elsewhere, while outside
 * threads kill both, and waits run out of time. Order holds, and each wait ends once. */
#include "stress.h"

#define RECEIVERS 8u
#define SENDERS 48u
#define THREADS 2u
#define AT_ONCE 8u

static leat_runtime *runtime;
static leat_time until;
static atomic_ullong receivers[RECEIVERS], senders[SENDERS];
static atomic_uint serial;
static atomic_ullong timed_out, died;

struct letter {
    uint64_t to;
    uint32_t from; /* a sender's serial number, never used twice */
    uint32_t seq;
};

/* ---- receivers: remember the last number of each sender they have heard lately ---- */

#define MEMORY 4096u

struct receiver {
    uint32_t serial[MEMORY];
    uint32_t seq[MEMORY];
    uint32_t busy;
    bool goes;
};

static void receiver_on_event(void *self, const struct leat_event *event)
{
    struct receiver *receiver = self;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        receiver->goes = true;
        return;
    }
    struct letter letter;
    memcpy(&letter, event->payload, sizeof(letter));
    EXPECT(letter.to == leat_self(self).id, "a message for %llx reached %llx",
           (unsigned long long)letter.to, (unsigned long long)leat_self(self).id);
    uint32_t at = letter.from % MEMORY;
    if (receiver->serial[at] == letter.from) {
        EXPECT(letter.seq > receiver->seq[at], "letter %u of sender %u came after %u", letter.seq,
               letter.from, receiver->seq[at]);
    }
    receiver->serial[at] = letter.from;
    receiver->seq[at] = letter.seq;
    if (letter.seq % 1024 == 0) { /* some work, so that boxes fill and waits run out */
        leat_time end = clock_now() + 300 * LEAT_US;
        while (clock_now() < end) {
        }
    }
}

static bool receiver_pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct receiver *receiver = self;
    (void)now;
    if (receiver->goes) {
        leat_output_stop(ret);
    }
    return receiver->goes;
}

static const struct leat_behavior receiver = {.name = "receiver",
                                              .state_size = sizeof(struct receiver),
                                              .mailbox_len_max = 3,
                                              .on_event = receiver_on_event,
                                              .pop_output = receiver_pop_output};

/* ---- senders ---- */

struct sender {
    struct random random;
    uint32_t serial;
    uint32_t seq;
    uint32_t todo;
    uint64_t waits_for; /* the number it waits with */
    bool goes;
};

static int sender_init(void *self, const void *arg, leat_time now)
{
    struct sender *sender = self;
    (void)arg;
    (void)now;
    sender->serial = atomic_fetch_add(&serial, 1) + 1;
    sender->random.state = sender->serial;
    sender->todo = AT_ONCE;
    return 0;
}

static void sender_on_event(void *self, const struct leat_event *event)
{
    struct sender *sender = self;
    sender->todo = AT_ONCE;
    sender->goes = event->kind == LEAT_EVENT_SHUTDOWN;
}

static bool sender_pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct sender *sender = self;
    if (sender->goes) {
        leat_output_stop(ret);
        return true;
    }
    if (sender->todo == 0) {
        if (now >= until) {
            return false;
        }
        sender->todo = AT_ONCE; /* goes on after a message to itself */
        leat_output_send(ret, leat_self(self), 1, NULL, 0);
        sender->todo = 0;
        if (sender->waits_for == UINT64_MAX) {
            sender->waits_for = 0;
            return false;
        }
        sender->waits_for = UINT64_MAX;
        return true;
    }
    sender->todo--;
    sender->waits_for = 0;
    leat_ref to = {.id = atomic_load(&receivers[random_below(&sender->random, RECEIVERS)])};
    struct letter letter = {.to = to.id, .from = sender->serial, .seq = ++sender->seq};
    leat_output_send(ret, to, 2, &letter, sizeof(letter));
    ret->full = LEAT_FULL_WAIT;
    return true;
}

static void sender_on_refused(void *self, struct leat_output *output, int status)
{
    struct sender *sender = self;
    struct letter letter;
    if (output->type != 2) {
        return;
    }
    memcpy(&letter, output->payload, sizeof(letter));
    EXPECT(letter.from == sender->serial && letter.seq == sender->seq,
           "letter %u of sender %u came back to %u at %u", letter.seq, letter.from, sender->serial,
           sender->seq);
    EXPECT(status == -ETIMEDOUT || status == -EAGAIN, "refused: %s", strerror(-status));
    atomic_fetch_add(&timed_out, 1);
}

static const struct leat_behavior sender = {.name = "sender",
                                            .state_size = sizeof(struct sender),
                                            .init = sender_init,
                                            .on_event = sender_on_event,
                                            .pop_output = sender_pop_output,
                                            .on_refused = sender_on_refused};

/* ---- outside ---- */

static void replace(leat_controller *controller, struct random *random, atomic_ullong *slot,
                    const struct leat_behavior *behavior, bool kill)
{
    leat_ref fresh;
    int status =
        leat_spawn(controller, behavior, NULL, 0, (int)random_below(random, WORKERS), &fresh);
    EXPECT(status == 0, "spawn: %s", strerror(-status));
    leat_ref old = {.id = atomic_exchange(slot, fresh.id)};
    if (kill) {
        leat_kill(controller, old);
    } else {
        leat_stop(controller, old);
    }
    atomic_fetch_add(&died, 1);
}

static void *outside(void *context)
{
    struct random random = {.state = 7 + *(uint32_t *)context};
    leat_controller *controller = stress_controller(runtime);
    while (clock_now() < until) {
        bool kill = random_below(&random, 4) != 0;
        if (random_below(&random, 4) == 0) {
            replace(controller, &random, &receivers[random_below(&random, RECEIVERS)], &receiver,
                    kill);
        } else {
            replace(controller, &random, &senders[random_below(&random, SENDERS)], &sender, kill);
        }
        usleep(random_below(&random, 300));
    }
    leat_controller_close(controller);
    return NULL;
}

int main(void)
{
    stress_limit("waiting");
    struct leat_config config = stress_config();
    config.send_wait_ns = 500 * LEAT_US;
    stress_open(&config, &runtime);
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    for (uint32_t i = 0; i < RECEIVERS; i++) {
        leat_ref ref;
        leat_spawn(controller, &receiver, NULL, 0, (int)(i % WORKERS), &ref);
        atomic_store(&receivers[i], ref.id);
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        leat_ref ref;
        leat_spawn(controller, &sender, NULL, 0, (int)(i % WORKERS), &ref);
        atomic_store(&senders[i], ref.id);
    }
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct stress_threads threads = {0};
    stress_start(&threads, THREADS, outside);
    stress_join(&threads);
    stress_end(runtime, controller, "waiting");
    printf("waiting: %llu timed out, %llu replaced\n", (unsigned long long)atomic_load(&timed_out),
           (unsigned long long)atomic_load(&died));
    return stress_result();
}
