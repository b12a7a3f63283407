/* Floors on one thread: the work of each workload in plain C, with nothing around it. Messages are
 * preallocated, boxes are exchange queues, an actor is a box and a function, and a list of ready
 * actors is all the scheduling there is. They have no bound, no refs, no statistics, no ends. */
#include <stdlib.h>
#include <string.h>

#include "runs.h"
#include "sync.h"

struct box_actor;

struct box_message {
    struct link link; /* first: a link is its message */
    struct box_actor *from;
    uint64_t value;
    uint8_t fill[40]; /* as wide as a leat message */
};

_Static_assert(sizeof(struct box_message) == 64, "one cache line");

struct box_actor {
    struct queue box;
    void (*on_message)(struct box_actor *self, struct box_message *message);
    struct box_actor *next_ready;
    bool ready;
    uint64_t left;
    uint64_t random;
    struct box_actor *to;
    uint32_t me;
};

#define TURN 64u /* messages of one actor before the next has its turn */

static struct box_actor *ready_first;
static struct box_actor **ready_last = &ready_first;

static void box_init(struct box_actor *actor,
                     void (*on_message)(struct box_actor *, struct box_message *))
{
    memset(actor, 0, sizeof(*actor));
    queue_init(&actor->box);
    actor->on_message = on_message;
}

static inline void box_send(struct box_actor *to, struct box_message *message)
{
    queue_push(&to->box, &message->link);
    if (!to->ready) {
        to->ready = true;
        to->next_ready = NULL;
        *ready_last = to;
        ready_last = &to->next_ready;
    }
}

/* Runs ready actors until there are none. */
static void box_run(void)
{
    while (ready_first != NULL) {
        struct box_actor *actor = ready_first;
        ready_first = actor->next_ready;
        if (ready_first == NULL) {
            ready_last = &ready_first;
        }
        actor->ready = false;
        uint32_t n = 0;
        for (; n < TURN; n++) {
            struct link *link = queue_pop(&actor->box);
            if (link == NULL) {
                break;
            }
            actor->on_message(actor, (struct box_message *)link);
        }
        if (n == TURN && !actor->ready) {
            actor->ready = true;
            actor->next_ready = NULL;
            *ready_last = actor;
            ready_last = &actor->next_ready;
        }
    }
}

/* ---- ping-pong ---- */

static void ponger_on_message(struct box_actor *self, struct box_message *message)
{
    struct box_actor *to = message->from;
    message->from = self;
    box_send(to, message);
}

static void pinger_on_message(struct box_actor *self, struct box_message *message)
{
    if (--self->left > 0) {
        ponger_on_message(self, message);
    }
}

/* One message that is handed over in a variable: dispatch, and not even a box. */
static struct box_actor *dispatch_to;

static void dispatch_pong(struct box_actor *self, struct box_message *message)
{
    dispatch_to = message->from;
    message->from = self;
}

static void dispatch_ping(struct box_actor *self, struct box_message *message)
{
    if (--self->left > 0) {
        dispatch_pong(self, message);
    }
}

static double dispatch_ns(uint64_t rounds)
{
    static struct box_actor a, b;
    struct box_message message = {.from = &b};
    box_init(&a, dispatch_ping);
    box_init(&b, dispatch_pong);
    a.left = rounds + 1;
    dispatch_to = &a;
    uint64_t start = now_ns();
    while (dispatch_to != NULL) {
        struct box_actor *actor = dispatch_to;
        dispatch_to = NULL;
        actor->on_message(actor, &message);
        keep(&message);
    }
    return (double)(now_ns() - start) / (2.0 * (double)rounds);
}

int pingpong_floor(const struct setup *setup, struct rep *rep)
{
    static struct box_actor a, b;
    struct box_message message = {.from = &b};
    box_init(&a, pinger_on_message);
    box_init(&b, ponger_on_message);
    a.left = setup->count + 1;
    uint64_t start = now_ns();
    box_send(&a, &message);
    box_run();
    rep->ns = (double)(now_ns() - start) / (2.0 * (double)setup->count);
    rep_extra(rep, "dispatch_ns", dispatch_ns(setup->count));
    return a.left == 0 ? 0 : rep_wrong(rep, "a round is missing");
}

/* ---- one to one in bursts, one to many ---- */

#define BURST 64u
#define FORKS 60u

static struct box_message *free_messages;

static inline struct box_message *message_take(void)
{
    struct box_message *message = free_messages;
    free_messages = (struct box_message *)link_next(&message->link);
    return message;
}

static inline void message_give(struct box_message *message)
{
    atomic_store_explicit(&message->link.next, (struct link *)free_messages, memory_order_relaxed);
    free_messages = message;
}

static void counter_on_message(struct box_actor *self, struct box_message *message)
{
    self->left += message->value;
    message_give(message);
}

/* `total` messages of value 1 to n actors in turn, in bursts; ns per message, 0 if any got lost. */
static double bursts_ns(struct box_actor *actors, uint32_t n, uint64_t total)
{
    static struct box_message messages[BURST];
    free_messages = NULL;
    for (uint32_t i = 0; i < BURST; i++) {
        message_give(&messages[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        box_init(&actors[i], counter_on_message);
    }
    uint64_t start = now_ns();
    uint32_t at = 0;
    for (uint64_t sent = 0; sent < total;) {
        for (uint32_t i = 0; i < BURST && sent < total; i++, sent++) {
            struct box_message *message = message_take();
            message->value = 1;
            box_send(&actors[at], message);
            at = at + 1 < n ? at + 1 : 0;
        }
        box_run();
    }
    double ns = (double)(now_ns() - start) / (double)total;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += actors[i].left;
    }
    return sum == total ? ns : 0;
}

int counting_floor(const struct setup *setup, struct rep *rep)
{
    static struct box_actor actor;
    rep->ns = bursts_ns(&actor, 1, setup->count);
    return 0;
}

int fjthroughput_floor(const struct setup *setup, struct rep *rep)
{
    static struct box_actor actors[FORKS];
    rep->ns = bursts_ns(actors, FORKS, setup->count * FORKS);
    return 0;
}

/* ---- ring ---- */

#define RING_LEN 100u

static void hopper_on_message(struct box_actor *self, struct box_message *message)
{
    if (message->value > 1) {
        message->value--;
        box_send(self->to, message);
    }
}

int threadring_floor(const struct setup *setup, struct rep *rep)
{
    static struct box_actor ring[RING_LEN];
    struct box_message token = {.value = setup->count};
    for (uint32_t i = 0; i < RING_LEN; i++) {
        box_init(&ring[i], hopper_on_message);
        ring[i].to = &ring[(i + 1) % RING_LEN];
    }
    uint64_t start = now_ns();
    box_send(&ring[0], &token);
    box_run();
    rep->ns = (double)(now_ns() - start) / (double)setup->count;
    return token.value == 1 ? 0 : rep_wrong(rep, "the token did not come round");
}

/* ---- many to one: a stack taken all at once ---- */

#define SENDERS 100u

int mailbox_floor(const struct setup *setup, struct rep *rep)
{
    static struct box_message messages[BURST];
    static struct stack stack;
    uint64_t total = setup->count * SENDERS;
    uint64_t received = 0, sum = 0;
    uint64_t start = now_ns();
    for (uint64_t sent = 0; sent < total;) {
        for (uint32_t i = 0; i < BURST && sent < total; i++, sent++) {
            messages[i].value = sent;
            stack_push(&stack, &messages[i].link);
        }
        for (struct link *link = stack_take(&stack); link != NULL; link = link_next(link)) {
            sum += ((struct box_message *)link)->value;
            received++;
        }
    }
    rep->ns = (double)(now_ns() - start) / (double)total;
    if (received != total || sum != total * (total - 1) / 2) {
        return rep_wrong(rep, "messages are missing");
    }
    return 0;
}

/* ---- big ---- */

#define BIG_ACTORS 120u

static struct box_actor big_all[BIG_ACTORS];
static uint64_t big_pings;

enum {
    BIG_PING = 1,
    BIG_PONG,
};

static void big_on_message(struct box_actor *self, struct box_message *message)
{
    if (message->value == BIG_PING) {
        struct box_actor *to = message->from;
        big_pings++;
        message->from = self;
        message->value = BIG_PONG;
        box_send(to, message);
    } else if (self->left > 0) {
        self->left--;
        self->random ^= self->random << 13;
        self->random ^= self->random >> 7;
        self->random ^= self->random << 17;
        uint32_t at = (uint32_t)(((self->random >> 32) * (BIG_ACTORS - 1)) >> 32);
        message->from = self;
        message->value = BIG_PING;
        box_send(&big_all[at + (at >= self->me)], message);
    }
}

int big_floor(const struct setup *setup, struct rep *rep)
{
    static struct box_message messages[BIG_ACTORS];
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        box_init(&big_all[i], big_on_message);
        big_all[i].me = i;
        big_all[i].left = setup->count;
        big_all[i].random = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    }
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        messages[i].value = BIG_PONG;
        box_send(&big_all[i], &messages[i]);
    }
    box_run();
    rep->ns = (double)(now_ns() - start) / (2.0 * (double)setup->count * BIG_ACTORS);
    return big_pings == setup->count * BIG_ACTORS ? 0 : rep_wrong(rep, "pings are missing");
}

/* ---- creation ---- */

#define CREATE_BURST 64u
#define CELL_SIZE 160u /* an actor's header and a small state */

int fjcreate_floor(const struct setup *setup, struct rep *rep)
{
    static struct box_message messages[CREATE_BURST];
    struct box_actor *actors[CREATE_BURST];
    uint64_t done = 0;
    free_messages = NULL;
    for (uint32_t i = 0; i < CREATE_BURST; i++) {
        message_give(&messages[i]);
    }
    uint64_t start = now_ns();
    while (done < setup->count) {
        uint32_t n = 0;
        for (; n < CREATE_BURST && done + n < setup->count; n++) {
            actors[n] = aligned_alloc(64, (sizeof(struct box_actor) + 63) & ~(size_t)63);
            if (actors[n] == NULL) {
                return rep_wrong(rep, "no memory");
            }
            box_init(actors[n], counter_on_message);
            struct box_message *message = message_take();
            message->value = 1;
            box_send(actors[n], message);
        }
        box_run();
        for (uint32_t i = 0; i < n; i++) {
            done += actors[i]->left;
            free(actors[i]);
        }
    }
    rep->ns = (double)(now_ns() - start) / (double)setup->count;
    return 0;
}

int idle1m_floor(const struct setup *setup, struct rep *rep)
{
    size_t n = setup->count;
    void **cells = calloc(n, sizeof(cells[0]));
    if (cells == NULL) {
        return rep_wrong(rep, "no memory");
    }
    uint64_t start = now_ns();
    for (size_t i = 0; i < n; i++) {
        cells[i] = malloc(CELL_SIZE);
        if (cells[i] == NULL) {
            return rep_wrong(rep, "no memory");
        }
        memset(cells[i], 0, CELL_SIZE);
    }
    rep->ns = (double)(now_ns() - start) / (double)n;
    for (size_t i = 0; i < n; i++) {
        free(cells[i]);
    }
    free(cells);
    return 0;
}

/* ---- nothing at all ---- */

int idle_cpu_floor(const struct setup *setup, struct rep *rep)
{
    uint64_t process = process_cpu_ns();
    uint64_t start = now_ns();
    sleep_ns(setup->count / 10);
    double seconds = (double)(now_ns() - start) / 1e9;
    rep->ns = (double)(process_cpu_ns() - process) / seconds;
    return 0;
}

/* ---- deadlines: a binary heap, and a function of a state for each ---- */

#define HEAP_STRIDE UINT64_C(7368787)

struct heap_entry {
    uint64_t at;
    uint64_t index;
};

struct heap_state {
    uint64_t at;
    void (*on_deadline)(struct heap_state *self);
    uint8_t fill[48];
};

static void heap_on_deadline(struct heap_state *self)
{
    self->at = UINT64_MAX;
}

static void heap_push(struct heap_entry *heap, size_t len, struct heap_entry entry)
{
    size_t at = len;
    while (at > 0 && heap[(at - 1) / 2].at > entry.at) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = entry;
}

/* Takes the earliest of `len`. */
static struct heap_entry heap_pop(struct heap_entry *heap, size_t len)
{
    struct heap_entry earliest = heap[0], last = heap[len - 1];
    size_t at = 0, child = 1;
    len--;
    while (child < len) {
        if (child + 1 < len && heap[child + 1].at < heap[child].at) {
            child++;
        }
        if (last.at <= heap[child].at) {
            break;
        }
        heap[at] = heap[child];
        at = child;
        child = 2 * at + 1;
    }
    heap[at] = last;
    return earliest;
}

int deadlines_floor(const struct setup *setup, struct rep *rep)
{
    size_t n = setup->count;
    struct heap_entry *heap = calloc(n, sizeof(heap[0]));
    struct heap_state *states = calloc(n, sizeof(states[0]));
    uint64_t before = 0;
    if (heap == NULL || states == NULL) {
        return rep_wrong(rep, "no memory");
    }
    memset(states, 0, n * sizeof(states[0])); /* pages are touched before time is taken */
    memset(heap, 0, n * sizeof(heap[0]));
    uint64_t start = now_ns();
    for (size_t i = 0; i < n; i++) {
        states[i].at = i * HEAP_STRIDE % n + 1;
        states[i].on_deadline = heap_on_deadline;
        heap_push(heap, i, (struct heap_entry){states[i].at, i});
    }
    uint64_t armed = now_ns();
    for (size_t i = n; i > 0; i--) {
        struct heap_entry entry = heap_pop(heap, i);
        struct heap_state *state = &states[entry.index];
        if (entry.at < before || state->at != entry.at) {
            return rep_wrong(rep, "out of order");
        }
        before = entry.at;
        state->on_deadline(state);
    }
    uint64_t end = now_ns();
    free(heap);
    free(states);
    rep->ns = (double)(end - start) / (double)n;
    rep_extra(rep, "arm_ns", (double)(armed - start) / (double)n);
    rep_extra(rep, "fire_ns", (double)(end - armed) / (double)n);
    return 0;
}
