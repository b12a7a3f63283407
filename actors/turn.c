/* One actor's turn: one input, its outputs popped until there are none, then the next. This is the
 * message path; nothing here allocates after warm-up, locks, reads a clock or enters the kernel.
 *
 * A cell keeps CELL_SCHEDULED while it has its turn, so that a message to itself does not put it on
 * the run queue twice; CELL_OPEN says that a drain is open, and no input is given then. */
#include <errno.h>

#include "host.h"

/* ---- outputs ---- */

void output_release(const struct leat_output *output)
{
    if ((output->kind == LEAT_OUTPUT_SEND && output->len == LEAT_LEN_BODY) ||
        output->kind == LEAT_OUTPUT_DATA || output->kind == LEAT_OUTPUT_DATA_MANY) {
        leat_buf_unref(output->body.buf);
    }
}

void actor_refuse(struct host *host, struct cell *cell, union node *out, uint8_t full, int status)
{
    LEAT_ASSERT(status < 0);
    struct leat_output *output = &out->output;
    if (output->kind == LEAT_OUTPUT_SEND) {
        host->count.refused++;
    }
    if (cell->behavior->on_refused != NULL) {
        output->full = full;
        output->flags = 0;
        cell->behavior->on_refused(cell->state, output, status);
    } else {
        output_release(output);
    }
    out->head.pool = host->pool->index;
}

/* What became of an output. */
enum done {
    DONE_KEPT,   /* its node is free for the next output */
    DONE_TAKEN,  /* its node has gone on its way */
    DONE_PARKED, /* the same, and the drain waits */
    DONE_ENDED,  /* the actor has ended; the node is free */
};

static enum done output_send_failed(struct host *host, struct cell *cell, union node *out,
                                    uint8_t full, int status)
{
    if (status == -EAGAIN && full == LEAT_FULL_WAIT) {
        status = park(host, cell, out);
        if (status == 0) {
            return DONE_PARKED;
        }
    }
    if (status == -ESRCH) {
        host->count.dead_letters++;
        output_release(&out->output);
    } else {
        actor_refuse(host, cell, out, full, status);
    }
    return DONE_KEPT;
}

static enum done output_spawn(struct host *host, struct cell *cell, union node *out)
{
    const struct leat_output *output = &out->output;
    int owner = host->ops->place(host, output->spawn.worker);
    if (owner < 0 || output->spawn.behavior == NULL) {
        actor_refuse(host, cell, out, 0, -EINVAL);
        return DONE_KEPT;
    }
    struct spawn spawn = {
        .behavior = output->spawn.behavior,
        .arg = output->spawn.arg,
        .arg_size = output->spawn.arg_size,
        .owner = (uint32_t)owner,
        .parent = cell_ref(cell),
        .cookie = output->cookie,
    };
    leat_ref child;
    int status = actor_spawn(host, &spawn, &child);
    if (status < 0) {
        actor_refuse(host, cell, out, 0, status);
    }
    return DONE_KEPT;
}

static enum done output_monitor(struct host *host, struct cell *cell, union node *out)
{
    leat_ref watched = out->output.to;
    leat_ref self = cell_ref(cell);
    uint64_t cookie = out->output.cookie;
    out->head.kind = NODE_MONITOR;
    out->head.len = 0;
    out->head.pool = host->pool->index;
    out->event.down.cookie = cookie;
    int status = host_post(host, watched, self, out);
    if (status == 0) {
        return DONE_TAKEN;
    }
    if (status == -ESRCH) {
        send_down(host, out, self, watched, -ESRCH, cookie);
        return DONE_TAKEN;
    }
    leat_output_monitor(&out->output, watched, cookie);
    actor_refuse(host, cell, out, 0, status);
    return DONE_KEPT;
}

static enum done output_stop(struct host *host, struct cell *cell, union node *out)
{
    leat_ref to = out->output.to;
    if (leat_ref_equal(to, LEAT_REF_NONE) || leat_ref_equal(to, cell_ref(cell))) {
        actor_end(host, cell, 0, LEAT_STATE_POP_OUTPUT);
        return DONE_ENDED;
    }
    out->head.kind = NODE_STOP;
    out->head.len = 0;
    out->head.pool = host->pool->index;
    return host_post_stop(host, to, cell_ref(cell), out) == 0 ? DONE_TAKEN : DONE_KEPT;
}

/* Everything but the common case of a send that is taken. */
static enum done output_other(struct host *host, struct cell *cell, union node *out)
{
    struct leat_output *output = &out->output;
    switch (output->kind) {
    case LEAT_OUTPUT_SPAWN:
        return output_spawn(host, cell, out);
    case LEAT_OUTPUT_MONITOR:
        return output_monitor(host, cell, out);
    case LEAT_OUTPUT_STOP:
        return output_stop(host, cell, out);
    case LEAT_OUTPUT_FAIL:
        host->count.failed++;
        count_add(&host->behaviors[cell->behavior_index].failed, 1);
        actor_end(host, cell, output->status < 0 ? output->status : -ECANCELED,
                  LEAT_STATE_POP_OUTPUT);
        return DONE_ENDED;
    case LEAT_OUTPUT_OPEN:
    case LEAT_OUTPUT_DATA:
    case LEAT_OUTPUT_DATA_MANY:
    case LEAT_OUTPUT_ROUTE:
    case LEAT_OUTPUT_CLOSE: {
        uint8_t full = output->full;
        int status = host->ops->socket_output(host, cell, out);
        if (status < 0) {
            actor_refuse(host, cell, out, full, status);
        }
        return status == HOST_PARK ? DONE_PARKED : DONE_KEPT;
    }
    default:
        host_log(host, LEAT_LOG_ERROR, 1, "actor %s: unknown output kind %u", cell->behavior->name,
                 output->kind);
        actor_refuse(host, cell, out, output->full, -EINVAL);
        return DONE_KEPT;
    }
}

/* One message in 64 has its time in the mailbox measured, if it stays on this host. */
static void probe_wait(struct host *host, leat_ref to, union node *node)
{
    if (host->probe == NULL && host_owns(host, registry_cell(host->registry, to))) {
        host->probe = node;
        host->probe_at = host->now;
    }
}

/* A node keeps its pool where an output has `full` and `flags`: they are read before it goes back
 * there, which is before the node goes anywhere. */
static inline enum done output_apply(struct host *host, struct cell *cell, union node *out)
{
    if (LEAT_UNLIKELY(out->output.kind != LEAT_OUTPUT_SEND)) {
        enum done done = output_other(host, cell, out);
        if (done != DONE_TAKEN) {
            out->head.pool = host->pool->index;
        }
        return done;
    }
    uint8_t full = out->output.full;
    LEAT_ASSERT(out->output.len <= LEAT_INLINE_MAX || out->output.len == LEAT_LEN_BODY);
    out->head.pool = host->pool->index;
    host->count.sent++;
    leat_ref to = out->output.to;
    int status = host_post(host, to, cell_ref(cell), out);
    if (LEAT_UNLIKELY(status < 0)) {
        return output_send_failed(host, cell, out, full, status);
    }
    if (LEAT_UNLIKELY((host->count.sent & 63) == 0)) {
        probe_wait(host, to, out);
    }
    return DONE_TAKEN;
}

/* ---- the drain ---- */

static void warn_long_drain(struct host *host, struct cell *cell)
{
    if (cell->drain_since == LEAT_NEVER) {
        return;
    }
    leat_time open = host->now - cell->drain_since;
    if (open > host->drain_warn_ns) {
        cell->drain_since = LEAT_NEVER;
        host->count.long_drains++;
        host_log(host, LEAT_LOG_WARNING, host->count.long_drains,
                 "actor %s (%llx) has popped outputs for %llu ms after one input",
                 cell->behavior->name, (unsigned long long)cell_ref(cell).id,
                 (unsigned long long)(open / LEAT_MS));
    }
}

static void drain_gives_way(struct host *host, struct cell *cell)
{
    if ((cell->flags & CELL_OPEN) == 0) {
        cell->flags |= CELL_OPEN;
        cell->drain_since = host->now;
    } else {
        warn_long_drain(host, cell);
    }
}

/* Pops outputs until there are none. True: the drain has ended and the next input may come. False:
 * it gave way, is parked, or the actor has ended. */
static bool drain(struct host *host, struct cell *cell, enum leat_actor_state state)
{
    const struct leat_behavior *behavior = cell->behavior;
    bool (*pop_output)(void *, leat_time, struct leat_output *) = behavior->pop_output;
    if (pop_output != NULL) {
        for (uint32_t popped = 0;; popped++) {
            union node *out = host_spare(host);
            if (LEAT_UNLIKELY(popped == DRAIN_OUTPUTS || out == NULL)) {
                drain_gives_way(host, cell);
                host->count.pauses++;
                return false;
            }
            if (!pop_output(cell->state, host->now, &out->output)) {
                break;
            }
            host->count.outputs++;
            host_trace(host, cell, state, LEAT_STATE_POP_OUTPUT);
            state = LEAT_STATE_POP_OUTPUT;
            enum done done = output_apply(host, cell, out);
            if (LEAT_LIKELY(done == DONE_TAKEN)) {
                host->spare = NULL;
            } else if (done == DONE_PARKED) {
                host->spare = NULL;
                drain_gives_way(host, cell);
                return false;
            } else if (done == DONE_ENDED) {
                return false;
            }
        }
        cell->flags &= (uint8_t)~CELL_OPEN;
    }
    host_trace(host, cell, state, LEAT_STATE_WAITING);
    if (behavior->deadline != NULL) {
        leat_time deadline = behavior->deadline(cell->state);
        if (deadline != cell->deadline) {
            cell->deadline = deadline;
            host->ops->rearm(host, cell);
        }
    }
    return true;
}

/* ---- inputs ---- */

/* FNV-1a over what was given to whom and when: a run in simulation in one number. */
static void hash_input(struct host *host, const struct cell *cell, const struct leat_event *event)
{
    uint64_t words[5] = {cell_ref(cell).id, event->kind, host->now, event->type, event->from.id};
    uint64_t hash = host->hash;
    for (size_t i = 0; i < 5; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x100000001b3);
    }
    const uint8_t *bytes = NULL;
    size_t len = 0;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        bytes = leat_event_payload(event, &len);
    } else if (event->kind == LEAT_EVENT_DATA) {
        bytes = leat_slice_data(event->body);
        len = event->body.len;
    }
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    host->hash = hash != 0 ? hash : 1;
}

static inline void give(struct host *host, struct cell *cell, const struct leat_event *event)
{
    LEAT_ASSERT((cell->flags & (CELL_OPEN | CELL_PARKED)) == 0);
    enum leat_actor_state state =
        event->kind == LEAT_EVENT_DEADLINE ? LEAT_STATE_ON_TICK : LEAT_STATE_ON_INPUT;
    host_trace(host, cell, LEAT_STATE_WAITING, state);
    if (LEAT_UNLIKELY(host->hash != 0)) {
        hash_input(host, cell, event);
    }
    host->count.inputs++;
    cell->behavior->on_event(cell->state, event);
}

static bool give_and_drain(struct host *host, struct cell *cell, const struct leat_event *event)
{
    give(host, cell, event);
    return drain(host, cell,
                 event->kind == LEAT_EVENT_DEADLINE ? LEAT_STATE_ON_TICK : LEAT_STATE_ON_INPUT);
}

/* One item of the box. True: the next input may come. */
static inline bool give_node(struct host *host, struct cell *cell, union node *node)
{
    if (LEAT_UNLIKELY(node == host->probe)) {
        host->probe = NULL;
        host->count.wait_ns += host->now - host->probe_at;
        host->count.wait_samples++;
    }
    switch (node->head.kind) {
    case LEAT_EVENT_MESSAGE:
        node->event.now = host->now;
        host->count.delivered++;
        give(host, cell, &node->event);
        if (LEAT_UNLIKELY(node->event.len == LEAT_LEN_BODY)) {
            leat_buf_unref(node->event.body.buf);
        }
        pool_give(host->pool, node); /* before the drain: the answer goes out in the same line */
        return drain(host, cell, LEAT_STATE_ON_INPUT);
    case NODE_INIT:
        return actor_init(host, cell, node) && drain(host, cell, LEAT_STATE_CREATED);
    case NODE_STOP:
        pool_give(host->pool, node);
        actor_end(host, cell, 0, LEAT_STATE_WAITING);
        return false;
    case NODE_MONITOR:
        actor_watch(host, cell, node);
        return true;
    case NODE_SYSTEM:
        host->ops->system(host, node);
        return true;
    default:
        node->event.now = host->now;
        give(host, cell, &node->event);
        if (node->head.kind == LEAT_EVENT_DATA) {
            leat_buf_unref(node->event.body.buf);
        }
        pool_give(host->pool, node);
        return drain(host, cell, LEAT_STATE_ON_INPUT);
    }
}

/* ---- the control lane ---- */

static void control_add(struct cell *cell, union node *nodes)
{
    union node **last = &cell->control;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = nodes;
}

/* Up to CONTROL_ITEMS of them. False: the actor has ended, or waits to. */
static bool control_run(struct host *host, struct cell *cell)
{
    uint32_t len;
    control_add(cell, door_take(&cell->door.control, &len));
    for (uint32_t i = 0; i < CONTROL_ITEMS && cell->control != NULL; i++) {
        union node *node = cell->control;
        cell->control = node->next;
        if (node->head.kind == NODE_UNPARK) {
            park_ended(host, cell, node);
            continue;
        }
        LEAT_ASSERT(node->head.kind == NODE_KILL);
        pool_give(host->pool, node);
        cell->flags |= CELL_ENDING;
    }
    if ((cell->flags & CELL_ENDING) != 0 && (cell->flags & CELL_AWAY) == 0) {
        enum leat_actor_state state = (cell->flags & CELL_OPEN) != 0 ? LEAT_STATE_POP_OUTPUT
                                      : cell->life == CELL_NEW       ? LEAT_STATE_CREATED
                                                                     : LEAT_STATE_WAITING;
        actor_end(host, cell, -ECANCELED, state);
        return false;
    }
    return true;
}

/* ---- turns ---- */

void host_collect(struct host *host, struct cell *cell)
{
    uint32_t len;
    union node *node = door_take_data(&cell->door, &len);
    while (node != NULL) {
        union node *next = node->next;
        if (LEAT_UNLIKELY(node->head.kind == NODE_PARK)) {
            park_arrived(host, cell, node);
        } else {
            box_append(&cell->box, node);
        }
        node = next;
    }
}

void host_answer(struct host *host)
{
    struct door *door = bell_take(&host->bell);
    while (door != NULL) {
        struct cell *cell = cell_of_door(door);
        door = bell_answer(door);
        if (cell->life == CELL_LIMBO || (cell->flags & CELL_SCHEDULED) != 0) {
            continue; /* host_sweep, or its turn, looks behind the door */
        }
        host_schedule(host, cell); /* parked or not: control may end a wait, notes want an answer */
    }
}

/* What is due besides the box: a tick, or SHUTDOWN. True: the next input may come. */
static bool give_flagged(struct host *host, struct cell *cell)
{
    struct leat_event event = {.now = host->now};
    if ((cell->flags & CELL_TICK) != 0) {
        cell->flags &= (uint8_t)~CELL_TICK;
        event.kind = LEAT_EVENT_DEADLINE;
        host->count.deadlines++;
        if (!give_and_drain(host, cell, &event)) {
            return false;
        }
    }
    if ((cell->flags & CELL_SHUTDOWN) != 0) {
        cell->flags &= (uint8_t)~CELL_SHUTDOWN;
        event.kind = LEAT_EVENT_SHUTDOWN;
        return give_and_drain(host, cell, &event);
    }
    return true;
}

/* The inputs of a turn. False: the actor has ended, gave way or is parked. */
static bool turn_inputs(struct host *host, struct cell *cell)
{
    uint64_t first = host->count.inputs;
    bool goes_on = true;
    for (uint32_t i = 0; goes_on && i < TURN_INPUTS; i++) {
        if (LEAT_UNLIKELY((cell->flags & (CELL_TICK | CELL_SHUTDOWN)) != 0) &&
            cell->life == CELL_LIVE) {
            goes_on = give_flagged(host, cell);
            continue;
        }
        union node *node = box_take(&cell->box);
        if (node == NULL) {
            if (load_relaxed_ptr(&cell->door.data) == NULL) {
                break;
            }
            host_collect(host, cell);
            node = box_take(&cell->box);
            if (node == NULL) {
                break;
            }
        }
        goes_on = give_node(host, cell, node);
        if (LEAT_UNLIKELY((cell->flags & CELL_WAITERS) != 0) &&
            cell->box.len <= cell->box.limit / 2) {
            park_admit(host, cell);
        }
    }
    if (LEAT_LIKELY(cell->behavior_index != BEHAVIOR_NONE)) { /* it stays when the actor ends */
        count_add(&host->behaviors[cell->behavior_index].inputs, host->count.inputs - first);
    }
    return goes_on;
}

void actor_turn(struct host *host, struct cell *cell)
{
    LEAT_ASSERT((cell->flags & CELL_SCHEDULED) != 0);
    host->count.turns++;
    store_relaxed_u64(&host->running, (uint64_t)++host->turn << 32 | cell->slot);
    if (LEAT_UNLIKELY(load_relaxed_ptr(&cell->door.control) != NULL || cell->control != NULL ||
                      (cell->flags & CELL_ENDING) != 0) &&
        !control_run(host, cell)) {
        return;
    }
    if (LEAT_UNLIKELY(load_relaxed_ptr(&cell->door.data) != NULL)) {
        host_collect(host, cell);
    }
    if (LEAT_UNLIKELY(cell->box.len > host->count.mailbox_depth_max)) {
        host->count.mailbox_depth_max = cell->box.len;
    }
    uint32_t generation = cell->generation;
    if ((cell->flags & CELL_PARKED) == 0 &&
        ((cell->flags & CELL_OPEN) == 0 || drain(host, cell, LEAT_STATE_POP_OUTPUT))) {
        turn_inputs(host, cell);
    }
    if (cell->generation != generation) {
        return; /* it has ended */
    }
    cell->flags &= (uint8_t)~CELL_SCHEDULED;
    if (cell->control != NULL ||
        ((cell->flags & CELL_PARKED) == 0 &&
         ((cell->flags & (CELL_OPEN | CELL_TICK | CELL_SHUTDOWN)) != 0 || cell->box.head != NULL))) {
        host_schedule(host, cell);
    }
}

int actor_input(struct host *host, struct cell *cell, const struct leat_event *event)
{
    if (cell->flags == 0 && cell->life == CELL_LIVE && cell->box.head == NULL &&
        load_relaxed_ptr(&cell->door.data) == NULL) {
        uint32_t generation = cell->generation;
        cell->flags = CELL_SCHEDULED;
        store_relaxed_u64(&host->running, (uint64_t)++host->turn << 32 | cell->slot);
        count_add(&host->behaviors[cell->behavior_index].inputs, 1);
        give_and_drain(host, cell, event);
        if (cell->generation == generation) {
            cell->flags &= (uint8_t)~CELL_SCHEDULED;
            if ((cell->flags & CELL_OPEN) != 0 || cell->box.head != NULL) {
                host_ready(host, cell);
            }
        }
        return 0;
    }
    host_collect(host, cell);
    if (cell->box.len + load_relaxed_u32(&cell->door.inside) >= cell->box.limit) {
        return -EAGAIN;
    }
    union node *node = pool_take(host->pool);
    if (node == NULL) {
        return -ENOMEM;
    }
    uint16_t pool = node->head.pool;
    node->event = *event;
    node->head.pool = pool;
    if (event->kind == LEAT_EVENT_DATA) {
        leat_buf_ref(event->body.buf);
    }
    box_append(&cell->box, node);
    host_ready(host, cell);
    return 0;
}

void actor_input_reserved(struct host *host, struct cell *cell, union node *node)
{
    host_collect(host, cell);
    box_append(&cell->box, node);
    host_ready(host, cell);
}
