/* One actor's turn: one input, its outputs popped until there are none, then the next. This is the
 * message path; nothing here allocates after warm-up, locks, reads a clock or enters the kernel.
 *
 * A cell keeps CELL_SCHEDULED while it has its turn, so that a message to itself does not put it on
 * the run queue twice. Whatever else happens to it in its turn shows as another flag, or as none once
 * it has ended: so one comparison after each input tells that nothing has. */
#include "channel.h"
#include "host.h"

/* The path exists twice, watched (transitions traced, inputs hashed) and not: `watched` is a constant
 * wherever these are inlined. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define OUT_OF_LINE static __attribute__((noinline))

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
                 cell->behavior->name, (unsigned long long)cell_self(cell).id,
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

/* One message in 64 has its time in the mailbox measured, if it stays on this host. */
static void probe_wait(struct host *host, leat_ref to, union node *node)
{
    leat_ref home = registry_home(host->registry, to);
    const struct cell *cell = registry_cell(host->registry, home);
    if (cell == NULL || !host_has(host, cell, home)) {
        return;
    }
    if (cell->box.len > host->count.mailbox_depth_max) {
        host->count.mailbox_depth_max = cell->box.len;
    }
    if (host->probe == NULL) {
        host->probe = node;
        host->probe_at = host->now;
    }
}

/* A send, the common output. A node keeps its pool where an output has `full` and `flags`: they are
 * read before it goes back there, which is before the node goes anywhere. */
ALWAYS_INLINE enum done output_send(struct host *host, struct cell *cell, union node *out,
                                    bool grouped)
{
    uint8_t full = out->output.full;
    leat_ref to = out->output.to;
    LEAT_ASSERT(out->output.len <= LEAT_INLINE_MAX || out->output.len == LEAT_LEN_BODY);
    out->head.pool = (uint16_t)host->index; /* which is its pool's */
    host->count.sent++;
    int status = host_post_cell(host, to, grouped ? cell_self(cell) : cell_ref(cell), out);
    if (LEAT_UNLIKELY(status < 0)) {
        return output_send_failed(host, cell, out, full, status);
    }
    if (LEAT_UNLIKELY((host->count.sent & 63) == 0)) {
        probe_wait(host, to, out);
    }
    return DONE_TAKEN;
}

OUT_OF_LINE enum done output_rare(struct host *host, struct cell *cell, union node *out)
{
    host->other_outputs++;
    enum done done = output_other(host, cell, out);
    if (done != DONE_TAKEN) {
        out->head.pool = host->pool->index;
    }
    return done;
}

/* Reports an output that was popped in `state`. */
OUT_OF_LINE void watch_output(struct host *host, struct cell *cell, enum leat_actor_state state,
                              const union node *out)
{
    if ((cell->flags & CELL_GROUP) != 0) {
        group_trace_output(host, cell, out);
    } else {
        struct leat_trace trace = trace_output(state, LEAT_STATE_POP_OUTPUT, out);
        host_trace(host, cell, &trace);
    }
}

/* Pops outputs until there are none; then the next input may come. Otherwise the cell says why
 * not: CELL_OPEN it gave way, CELL_PARKED it waits, no flag at all: it has ended. `grouped`, a
 * constant too: it is a member's drain, whose state and end are group.c's. */
ALWAYS_INLINE void drain(struct host *host, struct cell *cell, enum leat_actor_state state,
                         bool watched, bool grouped)
{
    const struct leat_behavior *behavior = cell->behavior;
    bool (*pop_output)(void *, leat_time, struct leat_output *) = behavior->pop_output;
    if (LEAT_LIKELY(pop_output != NULL)) {
        union node *out = host->spare;
        uint32_t popped = 0;
        for (;;) {
            if (LEAT_UNLIKELY(out == NULL || popped == DRAIN_OUTPUTS)) {
                drain_gives_way(host, cell); /* also if there is no memory just now */
                host->count.pauses++;
                host->work += popped + 1; /* without memory too the round comes to its end */
                return;
            }
            if (!pop_output(cell->state, host->now, &out->output)) {
                break;
            }
            popped++;
            if (watched) {
                watch_output(host, cell, state, out);
                state = LEAT_STATE_POP_OUTPUT;
            }
            enum done done = LEAT_LIKELY(out->output.kind == LEAT_OUTPUT_SEND)
                                 ? output_send(host, cell, out, grouped)
                                 : output_rare(host, cell, out);
            if (LEAT_LIKELY(done == DONE_TAKEN)) {
                host->spare = out = pool_take(host->pool);
            } else if (done == DONE_PARKED) {
                host->spare = pool_take(host->pool);
                drain_gives_way(host, cell);
                return;
            } else if (done == DONE_ENDED) {
                return;
            }
        }
        if (LEAT_UNLIKELY((cell->flags & CELL_OPEN) != 0)) {
            cell->flags &= (uint16_t)~CELL_OPEN;
        }
        host->work += popped;
    }
    if (grouped) {
        group_drained(host, cell);
        return;
    }
    if (watched) {
        host_trace(host, cell,
                   &(struct leat_trace){.from = (uint8_t)state, .to = LEAT_STATE_WAITING});
    }
    if (LEAT_UNLIKELY(behavior->deadline != NULL)) {
        leat_time deadline = behavior->deadline(cell->state);
        if (LEAT_UNLIKELY((cell->flags & CELL_TICK) != 0) && deadline > host->now) {
            cell->flags &= (uint16_t)~CELL_TICK; /* came while the drain was open: none fires early */
        }
        if (deadline != cell->deadline) {
            cell->deadline = deadline;
            host->ops->rearm(host, cell);
        }
    }
}

OUT_OF_LINE void drain_from(struct host *host, struct cell *cell, enum leat_actor_state state)
{
    if (LEAT_UNLIKELY(host->is_watched)) {
        drain(host, cell, state, true, false);
    } else {
        drain(host, cell, state, false, false);
    }
}

void member_drain(struct host *host, struct cell *cell)
{
    LEAT_ASSERT((cell->flags & CELL_GROUP) != 0 && cell->state != NULL);
    if ((cell->flags & CELL_OPEN) != 0) {
        warn_long_drain(host, cell);
    }
    if (LEAT_UNLIKELY(host->is_watched)) {
        drain(host, cell, LEAT_STATE_POP_OUTPUT, true, true);
    } else {
        drain(host, cell, LEAT_STATE_POP_OUTPUT, false, true);
    }
}

/* ---- inputs ---- */

static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* A batch's own bytes are addresses, which are others in each run. */
static uint64_t hash_body(uint64_t hash, leat_slice body)
{
    uint32_t len = leat_batch_len(body);
    for (uint32_t i = 0; i < len; i++) {
        leat_slice slice = leat_batch_at(body, i);
        hash = hash_bytes(hash, leat_slice_data(slice), slice.len);
    }
    return len > 0 ? hash : hash_bytes(hash, leat_slice_data(body), body.len);
}

/* FNV-1a over what was given to whom and when: a run in simulation in one number. */
void hash_input(struct host *host, leat_ref to, const struct leat_event *event)
{
    bool is_bus = event->kind >= LEAT_EVENT_PUBLISHED && event->kind <= LEAT_EVENT_REFUSED;
    uint64_t from = is_bus ? channel_name_hash(event->channel) : event->from.id;
    uint64_t words[5] = {to.id, event->kind, host->now, event->type, from};
    uint64_t hash = host->hash;
    for (size_t i = 0; i < 5; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x100000001b3);
    }
    if (has_body(event)) {
        hash = event->body.buf != NULL ? hash_body(hash, event->body) : hash;
    } else if (is_message(event->kind)) {
        hash = hash_bytes(hash, event->payload, event->len);
    }
    host->hash = hash != 0 ? hash : 1;
}

OUT_OF_LINE void watch_input(struct host *host, struct cell *cell, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_DEADLINE) {
        host_trace(host, cell, &(struct leat_trace){.from = LEAT_STATE_WAITING,
                                                    .to = LEAT_STATE_ON_TICK});
    } else {
        struct leat_trace trace = trace_input(LEAT_STATE_WAITING, LEAT_STATE_ON_INPUT, event);
        host_trace(host, cell, &trace);
    }
    if (host->hash != 0) {
        hash_input(host, cell_ref(cell), event);
    }
}

ALWAYS_INLINE void give(struct host *host, struct cell *cell, const struct leat_event *event,
                        bool watched)
{
    LEAT_ASSERT((cell->flags & (CELL_OPEN | CELL_PARKED)) == 0);
    if (watched) {
        watch_input(host, cell, event);
    }
    cell->behavior->on_event(cell->state, event);
}

/* An input that does not come from the box. */
static void give_other(struct host *host, struct cell *cell, const struct leat_event *event)
{
    count_given(host, event->kind);
    host->work++;
    give(host, cell, event, host->is_watched);
    drain_from(host, cell,
               event->kind == LEAT_EVENT_DEADLINE ? LEAT_STATE_ON_TICK : LEAT_STATE_ON_INPUT);
}

void probe_over(struct host *host)
{
    host->probe = NULL;
    host->count.wait_ns += host->now - host->probe_at;
    host->count.wait_samples++;
}

ALWAYS_INLINE void give_message(struct host *host, struct cell *cell, union node *node,
                                bool watched)
{
    if (LEAT_UNLIKELY(node == host->probe)) {
        probe_over(host);
    }
    node->event.now = host->now;
    host->count.delivered++;
    give(host, cell, &node->event, watched);
    if (LEAT_UNLIKELY(node->event.len == LEAT_LEN_BODY)) {
        leat_buf_unref(node->event.body.buf);
    }
    pool_give(host->pool, node); /* before the drain, which needs one soon */
    drain(host, cell, LEAT_STATE_ON_INPUT, watched, false);
}

/* An item of the box that is no message; returns whether it was an input. */
OUT_OF_LINE bool give_item(struct host *host, struct cell *cell, union node *node)
{
    switch (node->head.kind) {
    case NODE_INIT:
        if (actor_init(host, cell, node)) {
            drain_from(host, cell, LEAT_STATE_CREATED);
        }
        break;
    case NODE_STOP:
        pool_give(host->pool, node);
        actor_end(host, cell, 0, LEAT_STATE_WAITING);
        break;
    case NODE_MONITOR:
        actor_watch(host, &cell->monitors, node);
        break;
    case NODE_SPAWN_MEMBER:
        member_answer(host, node, LEAT_REF_NONE, -EINVAL); /* it is no group */
        break;
    case NODE_STREAM:
        node = host->ops->stream_next(host, cell, cell_ref(cell), node);
        if (node == NULL) {
            break;
        } /* fall through */
    default:
        node->event.now = host->now;
        count_given(host, node->event.kind);
        give(host, cell, &node->event, host->is_watched);
        if (has_body(&node->event)) {
            leat_buf_unref(node->event.body.buf);
        }
        pool_give(host->pool, node);
        drain_from(host, cell, LEAT_STATE_ON_INPUT);
        return true;
    }
    return false;
}

/* ---- the control lane ---- */

static void control_add(struct cell *cell, union node *nodes)
{
    union node **last = &cell->control;
    while (nodes != NULL && *last != NULL) {
        last = &(*last)->next;
    }
    if (nodes != NULL) {
        *last = nodes;
    }
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
        leat_ref victim = node->event.from;
        pool_give(host->pool, node);
        if (ref_is_member(victim)) {
            group_kill(host, cell, victim);
        } else {
            cell->flags |= CELL_ENDING;
        }
    }
    if ((cell->flags & CELL_ENDING) != 0 && (cell->flags & CELL_AWAY) == 0) {
        enum leat_actor_state state = cell->life == CELL_NEW           ? LEAT_STATE_CREATED
                                      : (cell->flags & CELL_GROUP) != 0 ? group_state(cell)
                                      : (cell->flags & CELL_OPEN) != 0  ? LEAT_STATE_POP_OUTPUT
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
    union node *node = door_take(&cell->door.data, &len);
    while (node != NULL) {
        union node *next = node->next;
        if (LEAT_UNLIKELY(node->head.kind == NODE_PARK)) {
            park_arrived(host, cell, node);
        } else {
            box_append(&cell->box, node);
        }
        node = next;
    }
    door_return(&cell->door, len);
}

void host_answer(struct host *host)
{
    struct door *door = bell_take(&host->bell);
    while (door != NULL) {
        struct cell *cell = cell_of_door(door);
        __builtin_prefetch(cell, 1); /* senders have looked at it: fetch it along with the door */
        door = bell_answer(door);
        if (cell->life == CELL_LIMBO) {
            continue; /* host_sweep looks behind the door */
        }
        host_collect(host, cell);
        if (cell->box.head != NULL) {
            host_ready(host, cell);
        }
        if (load_relaxed_ptr(&cell->door.control) != NULL) {
            cell->flags |= CELL_CONTROL;
            if ((cell->flags & CELL_SCHEDULED) == 0) {
                host_schedule(host, cell); /* parked or not: it may be what ends the wait */
            }
        }
    }
}

/* The inputs of a behaviour; the index stays when an actor has ended. */
ALWAYS_INLINE void count_inputs(struct host *host, const struct cell *cell, uint64_t n)
{
    count_add(&host->behaviors[(size_t)cell->behavior_index].inputs, n);
}

void count_input(struct host *host, const struct cell *cell)
{
    count_inputs(host, cell, 1);
}

/* What is due besides the box: a tick, or SHUTDOWN. */
static void give_flagged(struct host *host, struct cell *cell)
{
    struct leat_event event = {.now = host->now};
    if ((cell->flags & CELL_TICK) != 0) {
        cell->flags &= (uint16_t)~CELL_TICK;
        event.kind = LEAT_EVENT_DEADLINE;
        host->count.deadlines++;
    } else {
        cell->flags &= (uint16_t)~CELL_SHUTDOWN;
        event.kind = LEAT_EVENT_SHUTDOWN;
    }
    count_inputs(host, cell, 1);
    give_other(host, cell, &event);
}

/* Nothing but that senders wait, and there is no room for them yet. */
ALWAYS_INLINE bool waiters_wait_on(const struct cell *cell)
{
    return cell->flags == (CELL_SCHEDULED | CELL_WAITERS) &&
           cell->box.len > box_limit(&cell->box) / 2;
}

/* Something has happened to the cell in its turn. True: the next input may come all the same. */
OUT_OF_LINE bool turn_goes_on(struct host *host, struct cell *cell)
{
    for (;;) {
        if ((cell->flags & CELL_SCHEDULED) == 0 || (cell->flags & (CELL_OPEN | CELL_PARKED)) != 0) {
            return false; /* it has ended, gave way, or waits */
        }
        if ((cell->flags & CELL_WAITERS) != 0 && cell->box.len <= box_limit(&cell->box) / 2) {
            park_admit(host, cell);
        }
        if ((cell->flags & (CELL_TICK | CELL_SHUTDOWN)) == 0 || cell->life != CELL_LIVE) {
            return true;
        }
        give_flagged(host, cell);
    }
}

bool turn_control(struct host *host, struct cell *cell)
{
    cell->flags &= (uint16_t)~CELL_CONTROL;
    if ((load_relaxed_ptr(&cell->door.control) != NULL || cell->control != NULL ||
         (cell->flags & CELL_ENDING) != 0) &&
        !control_run(host, cell)) {
        return false;
    }
    host_collect(host, cell);
    return true;
}

/* What a turn may start with, all of it rare. True: inputs may come. */
OUT_OF_LINE bool turn_begins(struct host *host, struct cell *cell)
{
    if (!turn_control(host, cell)) {
        return false;
    }
    if ((cell->flags & (CELL_OPEN | CELL_PARKED)) == CELL_OPEN) {
        warn_long_drain(host, cell);
        drain_from(host, cell, LEAT_STATE_POP_OUTPUT);
    }
    return turn_goes_on(host, cell);
}

/* The turn is over before the box is empty, or for a reason. */
void turn_ends(struct host *host, struct cell *cell)
{
    if ((cell->flags & CELL_SCHEDULED) == 0) {
        return; /* it has ended */
    }
    cell->flags &= (uint16_t)~CELL_SCHEDULED;
    bool is_ready = (cell->flags & (CELL_OPEN | CELL_TICK | CELL_SHUTDOWN | CELL_WALK)) != 0 ||
                    cell->box.head != NULL;
    if (cell->control != NULL) { /* more than CONTROL_ITEMS: the next turn is to begin with them */
        cell->flags |= CELL_CONTROL;
        host_schedule(host, cell);
    } else if ((cell->flags & CELL_PARKED) == 0 && is_ready) {
        host_schedule(host, cell);
    }
}

ALWAYS_INLINE void turn(struct host *host, struct cell *cell, bool watched)
{
    LEAT_ASSERT((cell->flags & CELL_SCHEDULED) != 0);
    turn_is(host, cell);
    if (LEAT_UNLIKELY(cell->flags != CELL_SCHEDULED)) {
        if ((cell->flags & (CELL_GROUP | CELL_SYSTEM)) != 0) {
            (cell->flags & CELL_GROUP) != 0 ? group_turn(host, cell) : bus_turn(host, cell);
            return;
        }
        if (!turn_begins(host, cell)) {
            turn_ends(host, cell);
            return;
        }
    }
    uint32_t inputs = 0;
    uint32_t skipped = 0;
    while (inputs < TURN_INPUTS) {
        union node *node = box_take(&cell->box);
        if (node == NULL) {
            break;
        }
        inputs++;
        if (LEAT_LIKELY(node->head.kind == LEAT_EVENT_MESSAGE)) {
            give_message(host, cell, node, watched);
        } else if (!give_item(host, cell, node)) {
            skipped++; /* the actor was not given it */
        }
        if (LEAT_UNLIKELY(cell->flags != CELL_SCHEDULED) && !waiters_wait_on(cell) &&
            !turn_goes_on(host, cell)) {
            break;
        }
    }
    host->work += inputs;
    count_inputs(host, cell, inputs - skipped);
    if (LEAT_LIKELY(cell->flags == CELL_SCHEDULED && cell->box.head == NULL)) {
        cell->flags = 0;
        return;
    }
    turn_ends(host, cell);
}

void actor_turn(struct host *host, struct cell *cell)
{
    turn(host, cell, false);
}

void actor_turn_watched(struct host *host, struct cell *cell)
{
    turn(host, cell, true);
}

/* Whether an input can be given at once. */
static bool is_idle(const struct cell *cell)
{
    return cell->flags == 0 && cell->life == CELL_LIVE && cell->box.head == NULL &&
           load_relaxed_ptr(&cell->door.data) == NULL;
}

bool actor_input_now(struct host *host, struct cell *cell, leat_ref to,
                     const struct leat_event *event)
{
    if (LEAT_LIKELY(is_idle(cell))) {
        cell->flags = CELL_SCHEDULED;
        turn_is(host, cell);
        count_inputs(host, cell, 1);
        give_other(host, cell, event);
        if (LEAT_LIKELY(cell->flags == CELL_SCHEDULED && cell->box.head == NULL)) {
            cell->flags = 0;
        } else {
            turn_ends(host, cell);
        }
        return true;
    }
    return (cell->flags & CELL_GROUP) != 0 && group_input_now(host, cell, to, event);
}

int actor_input(struct host *host, struct cell *cell, leat_ref to, const struct leat_event *event)
{
    return actor_input_now(host, cell, to, event) ? 0 : box_input(host, cell, to, event);
}

int box_input(struct host *host, struct cell *cell, leat_ref to, const struct leat_event *event)
{
    host_collect(host, cell);
    if (box_is_full(&cell->box, cell->box.len + load_relaxed_u32(&cell->door.inside))) {
        return -EAGAIN;
    }
    union node *node = pool_take(host->pool);
    if (node == NULL) {
        return -ENOMEM;
    }
    uint16_t pool = node->head.pool;
    node->event = *event;
    node->head.pool = pool;
    union node *item = ref_is_member(to) ? member_item(host, node, to) : node;
    if (item == NULL) {
        pool_give(host->pool, node);
        return -ENOMEM;
    }
    if (has_body(event)) {
        leat_buf_ref(event->body.buf);
    }
    item->event.from = event->from;
    box_append(&cell->box, item);
    if (cell->box.len > host->count.mailbox_depth_max) {
        host->count.mailbox_depth_max = cell->box.len;
    }
    host_ready(host, cell);
    return 0;
}

void actor_input_reserved(struct host *host, struct cell *cell, leat_ref to, union node *node)
{
    host_collect(host, cell);
    if (ref_is_member(to)) {
        union node *item = member_item(host, node, to);
        LEAT_ASSERT(item == node); /* no datagram: it needs no envelope */
    }
    box_append(&cell->box, node);
    host_ready(host, cell);
}
