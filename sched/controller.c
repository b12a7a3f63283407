/* Controllers: a thread outside as a host with one mailbox. It sends through the doors of actors'
 * cells like any worker, and sleeps on a futex that its own bell wakes, or in a poll of its own: then
 * the bell makes a descriptor readable. Invariant: between a receive that found nothing and the next the
 * bell is told to wake (is_armed), so that nothing comes unnoticed. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "sched.h"

#define SPIN_LOOKS 64u /* at the mailbox, between two looks at the clock */

struct leat_controller {
    struct host         *host;
    struct cell         *mailbox;
    struct leat_runtime *runtime;
    uint32_t             slot;  /* in runtime->controllers */
    uint32_t             woken; /* the futex: counts wake-ups */
    uint32_t             descriptor; /* an eventfd, and 1; 0: nobody has asked for it */
    bool                 is_armed;   /* it becomes readable when something comes */
    leat_time            clock; /* read last */
    leat_time            stats_period;
    leat_time            stats_next; /* LEAT_NEVER: none */
};

struct host *controller_host(struct leat_controller *controller)
{
    return controller->host;
}

/* ---- what a controller's host may be asked ---- */

static int ops_place(struct host *host, int worker)
{
    struct leat_controller *controller = host->sched;
    struct leat_runtime *runtime = controller->runtime;
    if (worker == LEAT_WORKER_BEST || worker == LEAT_WORKER_SAME) {
        return (int)runtime_least_loaded(runtime);
    }
    return worker >= 0 && (uint32_t)worker < runtime->config.workers ? worker : -EINVAL;
}

static const struct host_ops controller_ops = {.place = ops_place};

/* ---- sleep and wake ---- */

void controller_wake(struct leat_controller *controller)
{
    fetch_add_seq_u32(&controller->woken, 1);
    syscall(SYS_futex, &controller->woken, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    uint32_t descriptor = load_acquire_u32(&controller->descriptor); /* set once, before it is armed */
    if (descriptor != 0) {
        uint64_t one = 1;
        ssize_t ignored = write((int)descriptor - 1, &one, sizeof(one));
        (void)ignored; /* it fails where the descriptor is readable already */
    }
}

static void bell_wake(void *context)
{
    controller_wake(context);
}

leat_time leat_controller_now(const leat_controller *controller)
{
    struct worker *worker = controller->runtime->workers[0];
    return worker->ops->now(worker->io);
}

/* Until woken since `seen`, or `until`; the clock of all real backends is CLOCK_MONOTONIC. */
static void sleep_until(struct leat_controller *controller, uint32_t seen, leat_time until)
{
    struct timespec at = {.tv_sec = (time_t)(until / LEAT_SEC),
                          .tv_nsec = (long)(until % LEAT_SEC)};
    syscall(SYS_futex, &controller->woken, FUTEX_WAIT_BITSET_PRIVATE, seen,
            until == LEAT_NEVER ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);
}

int leat_controller_descriptor(leat_controller *controller)
{
    if (controller->runtime->world != NULL) {
        return -ENOTSUP;
    }
    if (controller->descriptor == 0) {
        int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* readable: it was not armed yet */
        if (fd < 0) {
            return -errno;
        }
        store_release_u32(&controller->descriptor, (uint32_t)fd + 1);
    }
    return (int)controller->descriptor - 1;
}

/* Nothing was received. False: something has come meanwhile, or the runtime has ended. */
static bool arm(struct leat_controller *controller)
{
    uint64_t ignored;
    ssize_t got = read((int)controller->descriptor - 1, &ignored, sizeof(ignored));
    (void)got;
    pool_flush(controller->host->pool);
    controller->is_armed =
        !runtime_is_gone(controller->runtime) && bell_sleep(&controller->host->bell);
    return controller->is_armed;
}

static void disarm(struct leat_controller *controller)
{
    if (controller->is_armed) {
        controller->is_armed = false;
        bell_awake(&controller->host->bell);
    }
}

/* ---- open, close ---- */

static int slot_take(struct leat_runtime *runtime, struct leat_controller *controller)
{
    pthread_mutex_lock(&runtime->lock);
    int status = -EMFILE;
    for (uint32_t i = 0; i < LEAT_CONTROLLERS_MAX; i++) {
        if (runtime->controllers[i] == NULL) {
            runtime->controllers[i] = controller;
            controller->slot = i;
            status = 0;
            break;
        }
    }
    pthread_mutex_unlock(&runtime->lock);
    return status;
}

static void slot_give(struct leat_controller *controller)
{
    struct leat_runtime *runtime = controller->runtime;
    pthread_mutex_lock(&runtime->lock);
    runtime->controllers[controller->slot] = NULL;
    pthread_mutex_unlock(&runtime->lock);
}

/* The pool of a slot is kept for its next controller: its nodes may still be in mailboxes. */
static struct host *host_make(struct leat_controller *controller)
{
    struct leat_runtime *runtime = controller->runtime;
    uint32_t index = LEAT_WORKERS_MAX + controller->slot;
    struct pool *pool = runtime->pools.at[index];
    if (pool == NULL) {
        pool = pool_open(&runtime->pools, (uint16_t)index, 1);
    }
    struct host *host = pool != NULL ? host_open(&runtime->registry, index, pool) : NULL;
    if (host == NULL) {
        return NULL;
    }
    host_configure(host, &runtime->config);
    host->ops = &controller_ops;
    host->sched = controller;
    host->bell.wake = bell_wake;
    host->bell.context = controller;
    return host;
}

int leat_controller_open(leat_runtime *runtime, leat_controller **ret)
{
    struct leat_controller *controller = mem_zalloc(sizeof(*controller), 64);
    if (controller == NULL) {
        return -ENOMEM;
    }
    controller->runtime = runtime;
    controller->stats_next = LEAT_NEVER;
    int status = slot_take(runtime, controller);
    if (status < 0) {
        runtime_log(&runtime->config, LEAT_LOG_ERROR,
                    "cannot open a controller: %u are open, which is the most",
                    LEAT_CONTROLLERS_MAX);
        mem_free(controller);
        return status;
    }
    pthread_mutex_lock(&runtime->lock);
    controller->host = host_make(controller);
    pthread_mutex_unlock(&runtime->lock);
    controller->mailbox = controller->host != NULL
                              ? host_mailbox(controller->host, runtime->config.mailbox_len_max)
                              : NULL;
    if (controller->mailbox == NULL) {
        slot_give(controller);
        if (controller->host != NULL) {
            host_close(controller->host);
        }
        mem_free(controller);
        return -ENOMEM;
    }
    controller->mailbox->flags = CELL_PARKED; /* never run: its owner takes from the box itself */
    pthread_mutex_lock(&runtime->lock);
    runtime->controllers_len++;
    pthread_mutex_unlock(&runtime->lock);
    *ret = controller;
    return 0;
}

static void answer(struct leat_controller *controller)
{
    struct door *door = bell_take(&controller->host->bell);
    while (door != NULL) {
        door = bell_answer(door);
    }
    host_collect(controller->host, controller->mailbox);
}

void leat_controller_close(leat_controller *controller)
{
    struct leat_runtime *runtime = controller->runtime;
    struct host *host = controller->host;
    leat_ref self = cell_ref(controller->mailbox);
    disarm(controller);
    answer(controller);
    host_mailbox_close(host, controller->mailbox);
    bus_leave_outside(host, self);
    while (host->limbo != NULL) { /* a sender is on its way out of the mailbox */
        answer(controller);
        host_sweep(host);
        cpu_pause();
    }
    pool_flush(host->pool);
    host_publish(host);
    pthread_mutex_lock(&runtime->lock);
    stats_close(runtime, host);
    host_close(host);
    runtime->controllers[controller->slot] = NULL;
    runtime->controllers_len--;
    pthread_mutex_unlock(&runtime->lock);
    if (controller->descriptor != 0) { /* nobody wakes it any more */
        close((int)controller->descriptor - 1);
    }
    mem_free(controller);
}

leat_ref leat_controller_ref(const leat_controller *controller)
{
    return cell_ref(controller->mailbox);
}

/* ---- out ---- */

static bool is_stopping(const struct leat_controller *controller)
{
    return load_acquire_u32(&controller->runtime->stop_asked) != 0 ||
           load_acquire_u32(&controller->runtime->ended) != 0;
}

/* An actor or a group, its owner and its parent filled in. */
static int spawn_on(struct leat_controller *controller, struct spawn *spawn, int worker,
                    leat_ref *ret)
{
    struct host *host = controller->host;
    int owner = ops_place(host, worker);
    if (owner < 0) {
        return -EINVAL;
    }
    if (is_stopping(controller)) {
        return -ESHUTDOWN;
    }
    spawn->owner = (uint32_t)owner;
    spawn->parent = cell_ref(controller->mailbox);
    spawn->parent_outside = true;
    leat_ref ref;
    int status = actor_spawn(host, spawn, &ref);
    if (status == 0 && ret != NULL) {
        *ret = ref;
    }
    return status;
}

int leat_spawn(leat_controller *controller, const struct leat_behavior *behavior, const void *arg,
               uint32_t arg_size, int worker, leat_ref *ret)
{
    struct spawn spawn = {.behavior = behavior, .arg = arg, .arg_size = arg_size};
    return spawn_on(controller, &spawn, worker, ret);
}

int leat_spawn_group(leat_controller *controller, const struct leat_behavior *behavior,
                     uint32_t members_max, int worker, leat_ref *ret)
{
    struct spawn spawn = {.behavior = behavior, .members_max = members_max};
    return members_max > 0 ? spawn_on(controller, &spawn, worker, ret) : -EINVAL;
}

int leat_spawn_member(leat_controller *controller, leat_ref group, const void *arg,
                      uint32_t arg_size, uint64_t cookie)
{
    struct spawn spawn = {
        .arg = arg,
        .arg_size = arg_size,
        .parent = cell_ref(controller->mailbox),
        .parent_outside = true,
        .cookie = cookie,
    };
    return is_stopping(controller) ? -ESHUTDOWN : member_spawn(controller->host, group, &spawn);
}

/* Posts a filled node and counts what became of it. */
static int send_node(struct leat_controller *controller, leat_ref to, union node *node)
{
    struct host *host = controller->host;
    host->count.sent++;
    int status = host_post(host, to, cell_ref(controller->mailbox), node);
    if (status < 0) {
        pool_give(host->pool, node);
        host->count.refused += status == -EAGAIN;
        host->count.dead_letters += status == -ESRCH;
    }
    host_publish_conserved(host);
    return status;
}

/* A message that is not addressed yet. NULL: no memory. */
static union node *message(struct leat_controller *controller, uint32_t type, const void *payload,
                           size_t len)
{
    union node *node = pool_take(controller->host->pool);
    if (node != NULL) {
        node->head.kind = LEAT_EVENT_MESSAGE;
        node->head.len = (uint8_t)len;
        node->head.type = type;
        if (len > 0) {
            memcpy(node->event.payload, payload, len);
        }
    }
    return node;
}

/* The same with a body. */
static union node *message_with(struct leat_controller *controller, uint32_t type, leat_slice body)
{
    union node *node = message(controller, type, NULL, 0);
    if (node != NULL) {
        node->head.len = LEAT_LEN_BODY;
        node->event.body = body;
    }
    return node;
}

int leat_send(leat_controller *controller, leat_ref to, uint32_t type, const void *payload,
              size_t len)
{
    if (len > LEAT_INLINE_MAX) {
        return -EMSGSIZE;
    }
    union node *node = message(controller, type, payload, len);
    return node != NULL ? send_node(controller, to, node) : -ENOMEM;
}

int leat_send_body(leat_controller *controller, leat_ref to, uint32_t type, leat_slice body)
{
    union node *node = message_with(controller, type, body);
    return node != NULL ? send_node(controller, to, node) : -ENOMEM;
}

int leat_broadcast(leat_controller *controller, int worker, const struct leat_behavior *behavior,
                   uint32_t type, const void *payload, size_t len)
{
    uint32_t workers = controller->runtime->config.workers;
    if (len > LEAT_INLINE_MAX) {
        return -EMSGSIZE;
    }
    if (worker != LEAT_WORKER_ALL && (worker < 0 || (uint32_t)worker >= workers)) {
        return -EINVAL;
    }
    union node *node = message(controller, type, payload, len);
    if (node == NULL) {
        return -ENOMEM;
    }
    struct bus_broadcast broadcast = {
        .worker = worker == LEAT_WORKER_ALL ? 0 : (uint32_t)worker,
        .worker_end = worker == LEAT_WORKER_ALL ? workers : (uint32_t)worker + 1,
        .behavior = behavior,
        .from = cell_ref(controller->mailbox),
    };
    int status = bus_broadcast(controller->host, &broadcast, node);
    if (status < 0) {
        pool_give(controller->host->pool, node);
    }
    host_publish_conserved(controller->host);
    return status;
}

static int publish_node(struct leat_controller *controller, leat_channel channel, union node *node)
{
    struct bus_publish publish = {.channel = channel,
                                  .publisher = cell_ref(controller->mailbox)};
    if (node == NULL) {
        return -ENOMEM;
    }
    int status = bus_publish(controller->host, &publish, node);
    host_publish_conserved(controller->host);
    return status == -ENOMEM ? -EAGAIN : status; /* the body has been given away either way */
}

int leat_publish(leat_controller *controller, leat_channel channel, uint32_t type,
                 const void *payload, size_t len)
{
    if (len > LEAT_INLINE_MAX) {
        return -EMSGSIZE;
    }
    return publish_node(controller, channel, message(controller, type, payload, len));
}

int leat_publish_body(leat_controller *controller, leat_channel channel, uint32_t type,
                      leat_slice body)
{
    return publish_node(controller, channel, message_with(controller, type, body));
}

/* A node of an internal kind, for a request. */
static union node *request(struct leat_controller *controller, uint8_t kind)
{
    union node *node = pool_take(controller->host->pool);
    if (node != NULL) {
        node->head.kind = kind;
        node->head.len = 0;
    }
    return node;
}

int leat_stop(leat_controller *controller, leat_ref actor)
{
    union node *node = request(controller, NODE_STOP);
    if (node == NULL) {
        return -ENOMEM;
    }
    int status =
        host_post_stop(controller->host, actor, cell_ref(controller->mailbox), node);
    if (status < 0) {
        pool_give(controller->host->pool, node);
    }
    return status == -EALREADY ? 0 : status;
}

int leat_kill(leat_controller *controller, leat_ref actor)
{
    union node *node = request(controller, NODE_KILL);
    if (node == NULL) {
        return -ENOMEM;
    }
    node->event.from = actor; /* a member's goes to its group */
    int status = host_post_control(controller->host, actor, node);
    if (status < 0) {
        pool_give(controller->host->pool, node);
    }
    return status == -EALREADY ? 0 : status;
}

int leat_monitor(leat_controller *controller, leat_ref actor, uint64_t cookie)
{
    union node *node = request(controller, NODE_MONITOR);
    if (node == NULL) {
        return -ENOMEM;
    }
    leat_ref self = cell_ref(controller->mailbox);
    node->event.down.cookie = cookie;
    int status = host_post(controller->host, actor, self, node);
    if (status == -ESRCH) {
        send_down(controller->host, node, self, actor, -ESRCH, cookie);
        return 0;
    }
    if (status < 0) {
        pool_give(controller->host->pool, node);
    }
    return status;
}

static int bus_ask(struct leat_controller *controller, bool is_subscribe, leat_channel channel,
                   leat_ref subscriber, uint64_t cookie)
{
    union node *node = request(controller, 0);
    if (node == NULL) {
        return -ENOMEM;
    }
    struct bus_request ask = {
        .is_subscribe = is_subscribe,
        .channel = channel,
        .subscriber = subscriber,
        .requester = cell_ref(controller->mailbox),
        .cookie = cookie,
    };
    int status = bus_request(controller->host, &ask, node);
    if (status < 0) {
        pool_give(controller->host->pool, node);
    }
    return status;
}

int leat_subscribe(leat_controller *controller, leat_channel channel, leat_ref subscriber,
                   uint64_t cookie)
{
    return bus_ask(controller, true, channel, subscriber, cookie);
}

int leat_unsubscribe(leat_controller *controller, leat_channel channel, leat_ref subscriber,
                     uint64_t cookie)
{
    return bus_ask(controller, false, channel, subscriber, cookie);
}

/* ---- in ---- */

/* The next event of the mailbox into *ret; false: none. */
static bool take(struct leat_controller *controller, struct leat_event *ret)
{
    struct host *host = controller->host;
    struct cell *mailbox = controller->mailbox;
    for (;;) {
        union node *node = box_take(&mailbox->box);
        if (node == NULL) {
            if (bell_is_silent(&host->bell) && load_relaxed_ptr(&mailbox->door.data) == NULL) {
                return false;
            }
            answer(controller);
            node = box_take(&mailbox->box);
            if (node == NULL) {
                return false;
            }
        }
        uint8_t kind = node->head.kind;
        if (kind < NODE_KIND_INTERNAL) {
            *ret = node->event;
            pool_give(host->pool, node);
            if (is_message(kind)) {
                host->count.delivered++;
            }
            host_publish_conserved(host);
            return true;
        }
        if (kind == NODE_MONITOR) { /* controllers can be monitored: told when it is closed */
            actor_watch(host, &mailbox->monitors, node);
        } else if (kind == NODE_SPAWN_MEMBER) {
            member_answer(host, node, LEAT_REF_NONE, -EINVAL); /* it is no group */
        } else {
            drop_node(host, node); /* a STOP: it is not an actor */
        }
    }
}

static bool stats_due(struct leat_controller *controller, leat_time now, struct leat_event *ret)
{
    if (now < controller->stats_next) {
        return false;
    }
    controller->stats_next = now + controller->stats_period;
    *ret = (struct leat_event){.now = now, .kind = LEAT_EVENT_STATS};
    return true;
}

/* Waits for the mailbox: spins as the workers do, then sleeps. `until`: absolute. */
static void wait(struct leat_controller *controller, leat_time now, leat_time until)
{
    struct bell *bell = &controller->host->bell;
    leat_time spin = now + (leat_time)controller->runtime->config.spin_us * LEAT_US;
    spin = spin < until ? spin : until;
    while (leat_controller_now(controller) < spin) {
        for (uint32_t i = 0; i < SPIN_LOOKS; i++) {
            if (!bell_is_silent(bell)) {
                return;
            }
            cpu_pause();
        }
    }
    pool_flush(controller->host->pool);
    uint32_t seen = load_acquire_u32(&controller->woken);
    if (!runtime_is_gone(controller->runtime) && bell_sleep(bell)) {
        sleep_until(controller, seen, until);
        bell_awake(bell);
    }
}

static int receive_simulated(struct leat_controller *controller, leat_time until,
                             struct leat_event *ret)
{
    struct leat_runtime *runtime = controller->runtime;
    bool goes_on = true;
    for (;;) {
        leat_time now = leat_controller_now(controller);
        if (stats_due(controller, now, ret)) {
            return 0;
        }
        if (take(controller, ret)) {
            ret->now = now;
            return 0;
        }
        if (runtime_is_gone(runtime)) {
            return -EPIPE;
        }
        if (!goes_on || now > until) {
            return -ETIMEDOUT;
        }
        leat_time next = controller->stats_next < until ? controller->stats_next : until;
        goes_on = simulation_step(runtime, next) || next < until;
    }
}

int leat_receive(leat_controller *controller, leat_time timeout_ns, struct leat_event *ret)
{
    if (controller->mailbox->box.head == NULL) { /* else what was collected then is given first */
        controller->clock = leat_controller_now(controller);
    }
    leat_time now = controller->clock;
    leat_time until = timeout_ns > LEAT_NEVER - now ? LEAT_NEVER : now + timeout_ns;
    if (controller->runtime->world != NULL) {
        return receive_simulated(controller, until, ret);
    }
    disarm(controller);
    for (;;) {
        bool ended = runtime_is_gone(controller->runtime);
        if (stats_due(controller, now, ret)) { /* first: it comes once a period, messages may always */
            return 0;
        }
        if (take(controller, ret)) {
            ret->now = now;
            return 0;
        }
        if (ended) { /* looked at before the mailbox, so nothing comes after it */
            return -EPIPE;
        }
        if (now >= until) {
            if (controller->descriptor == 0 || arm(controller)) {
                return -ETIMEDOUT;
            }
            continue;
        }
        wait(controller, now, controller->stats_next < until ? controller->stats_next : until);
        now = controller->clock = leat_controller_now(controller);
    }
}

void leat_event_release(struct leat_event *event)
{
    if (has_body(event)) {
        leat_buf_unref(event->body.buf);
        event->body = (leat_slice){.buf = NULL};
    }
}

void leat_stats_every(leat_controller *controller, leat_time period_ns)
{
    controller->stats_period = period_ns;
    controller->stats_next =
        period_ns == 0 ? LEAT_NEVER : leat_controller_now(controller) + period_ns;
}
