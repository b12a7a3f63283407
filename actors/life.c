/* How actors come and go. An actor ends in its own turn only, so nobody has it half-way; its cell is
 * used again when no sender is behind its door any more. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "mem.h"

/* What INIT carries in its payload: `len` bytes of argument, or where they are. */
struct init_payload {
    uint64_t cookie;
    union {
        uint8_t bytes[LEAT_INLINE_MAX - sizeof(uint64_t)];
        void   *heap;
    } arg;
};

#define INIT_LEN_HEAP 0xffu
#define INIT_FROM_OUTSIDE 1u /* in `type`: the parent is a controller */

_Static_assert(sizeof(struct init_payload) == LEAT_INLINE_MAX, "fills the payload");

void *state_alloc(const struct leat_behavior *behavior, leat_ref self)
{
    struct state_header *header = mem_zalloc(sizeof(*header) + behavior->state_size, 16);
    if (header == NULL) {
        return NULL;
    }
    header->self = self;
    return header + 1;
}

void state_free(void *state)
{
    if (state != NULL) {
        mem_free((struct state_header *)state - 1);
    }
}

leat_ref leat_self(const void *self)
{
    return ((const struct state_header *)self)[-1].self;
}

leat_ref leat_self_group(const void *self)
{
    return ((const struct state_header *)self)[-1].group;
}

const struct leat_addr *leat_event_local(const struct leat_event *event)
{
    return event->kind == LEAT_EVENT_DATA && event->body.buf != NULL ? event->body.buf->local
                                                                     : NULL;
}

void leat_outbox_full(size_t slots_len)
{
    fprintf(stderr, "leat: more than %zu outputs put into an outbox of %zu: make it larger, or look "
                    "at leat_outbox_room first\n",
            slots_len, slots_len);
    abort();
}

/* ---- hosts ---- */

struct host *host_open(struct registry *registry, uint32_t index, struct pool *pool)
{
    struct host *host = mem_zalloc(sizeof(*host), 64);
    if (host == NULL) {
        return NULL;
    }
    host->registry = registry;
    host->cells = registry->cells;
    host->cells_max = registry->cells_max;
    host->run_last = &host->run_head;
    host->urgent_last = &host->urgent_head;
    host->walking_last = &host->walking_head;
    host->index = index;
    host->pool = pool;
    registry->hosts[index] = host;
    return host;
}

void host_close(struct host *host)
{
    LEAT_ASSERT(!host_is_ready(host));
    if (host->spare != NULL) {
        pool_give(host->pool, host->spare);
        host->spare = NULL;
    }
    for (struct door *door = bell_take(&host->bell); door != NULL;) {
        door = bell_answer(door); /* rung after the loop had ended */
    }
    host_sweep(host);
    LEAT_ASSERT(host->limbo == NULL);
    registry_give_all(host->registry, &host->free);
    host->registry->hosts[host->index] = NULL;
    mem_free(host);
}

void host_trace(struct host *host, struct cell *cell, struct leat_trace *trace)
{
    if (host->trace == NULL) {
        return;
    }
    trace->now = host->now;
    trace->actor = cell_ref(cell);
    trace->behavior = cell->behavior;
    trace->worker = (uint16_t)host->index;
    host->trace(host->trace_context, trace);
}

uint64_t trace_number(const union node *node, bool is_published)
{
    if (!is_published) {
        return (uint64_t)(uintptr_t)node;
    }
    const struct leat_event *event = &node->event;
    uint64_t hash = (event->channel.id ^ event->type) * UINT64_C(0x100000001b3);
    if (event->len == LEAT_LEN_BODY) {
        return hash ^ (uint64_t)(uintptr_t)event->body.buf ^ event->body.offset;
    }
    for (uint32_t i = 0; i < event->len; i++) {
        hash = (hash ^ event->payload[i]) * UINT64_C(0x100000001b3);
    }
    return hash != 0 ? hash : 1;
}

void host_log(struct host *host, enum leat_log_level level, uint64_t times, const char *format, ...)
{
    if (host->log == NULL || (times & (times - 1)) != 0) {
        return;
    }
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    host->log(host->log_context, level, text);
}

/* ---- behaviours, counted ---- */

static uint16_t behavior_index(struct host *host, const struct leat_behavior *behavior)
{
    for (uint32_t i = 0; i < host->behaviors_len; i++) {
        if (host->behaviors[i].behavior == behavior) {
            return (uint16_t)i;
        }
    }
    if (host->behaviors_len == BEHAVIORS_MAX) {
        return BEHAVIORS_MAX;
    }
    host->behaviors[host->behaviors_len].behavior = behavior;
    store_release_u32(&host->behaviors_len, host->behaviors_len + 1);
    return (uint16_t)(host->behaviors_len - 1);
}

/* ---- spawn ---- */

static int init_fill(union node *node, const struct spawn *spawn)
{
    struct init_payload payload = {.cookie = spawn->cookie};
    node->head.kind = NODE_INIT;
    node->head.type = spawn->parent_outside ? INIT_FROM_OUTSIDE : 0;
    if (spawn->arg_size <= sizeof(payload.arg.bytes)) {
        node->head.len = (uint8_t)spawn->arg_size;
        if (spawn->arg_size > 0) {
            memcpy(payload.arg.bytes, spawn->arg, spawn->arg_size);
        }
    } else {
        node->head.len = INIT_LEN_HEAP;
        payload.arg.heap = mem_alloc(spawn->arg_size, 16);
        if (payload.arg.heap == NULL) {
            return -ENOMEM;
        }
        memcpy(payload.arg.heap, spawn->arg, spawn->arg_size);
    }
    memcpy(node->event.payload, &payload, sizeof(payload));
    return 0;
}

static void cell_prepare(struct cell *cell, const struct leat_behavior *behavior, uint32_t len_max,
                         uint16_t flags, uint32_t owner)
{
    LEAT_ASSERT(cell->state == NULL && cell->monitors.first == NULL && cell->waiters == NULL);
    LEAT_ASSERT(cell->group == NULL);
    store_relaxed_ptr(&cell->behavior, behavior);
    cell->behavior_index = BEHAVIOR_NONE;
    box_init(&cell->box, len_max);
    cell->flags = flags; /* before the owner may look */
    cell->life = (flags & CELL_UNBORN) != 0 ? CELL_NEW : CELL_LIVE;
    cell->deadline = LEAT_NEVER;
    cell->armed = LEAT_NEVER;
    store_relaxed_u32(&cell->asked, 0);
    store_release_u32(&cell->owner, owner);
}

static bool spawn_is_valid(const struct spawn *spawn)
{
    const struct leat_behavior *behavior = spawn->behavior;
    return behavior != NULL && behavior->name != NULL && behavior->on_event != NULL &&
           behavior->mailbox_len_max <= BOX_LIMIT_MAX &&
           spawn->mailbox_len_max <= BOX_LIMIT_MAX &&
           spawn->members_max <= LEAT_GROUP_MEMBERS_MAX &&
           (spawn->arg != NULL || spawn->arg_size == 0);
}

int actor_spawn(struct host *host, const struct spawn *spawn, leat_ref *ret)
{
    if (!spawn_is_valid(spawn)) {
        return -EINVAL;
    }
    int status = 0;
    if (registry_is_full(host->registry, &host->free)) {
        return -ENOSPC;
    }
    struct cell *cell = registry_take(host->registry, &host->free, &status);
    if (cell == NULL) {
        return status;
    }
    union node *node = pool_take(host->pool);
    struct spawn filled = *spawn;
    if (spawn->members_max > 0) {
        filled.arg = &spawn->members_max;
        filled.arg_size = sizeof(spawn->members_max);
    }
    if (node == NULL || init_fill(node, &filled) < 0) {
        if (node != NULL) {
            pool_give(host->pool, node);
        }
        registry_give(host->registry, &host->free, cell);
        return -ENOMEM;
    }
    uint32_t len_max =
        spawn->mailbox_len_max != 0 ? spawn->mailbox_len_max : spawn->behavior->mailbox_len_max;
    uint16_t flags = spawn->members_max > 0 ? CELL_UNBORN | CELL_GROUP : CELL_UNBORN;
    cell_prepare(cell, spawn->behavior, len_max != 0 ? len_max : host->mailbox_len_max, flags,
                 spawn->owner);
    *ret = cell_ref(cell);
    fetch_add_seq_u32(&host->registry->hosts[spawn->owner]->arriving, 1);
    uint64_t *spawned = &host->registry->totals[host->index].spawned;
    store_release_u64(spawned, *spawned + 1);
    status = host_post_reserved(host, *ret, spawn->parent, node);
    LEAT_ASSERT(status == 0);
    return 0;
}

const void *init_arg(const union node *node)
{
    struct init_payload payload;
    memcpy(&payload, node->event.payload, sizeof(payload));
    if (node->head.len == INIT_LEN_HEAP) {
        return payload.arg.heap;
    }
    return node->head.len > 0 ? node->event.payload + offsetof(struct init_payload, arg) : NULL;
}

/* Gives the argument back, returns the cookie. */
static uint64_t init_done(union node *node)
{
    struct init_payload payload;
    memcpy(&payload, node->event.payload, sizeof(payload));
    if (node->head.len == INIT_LEN_HEAP) {
        mem_free(payload.arg.heap);
    }
    return payload.cookie;
}

/* Makes `node` a SPAWNED and sends it to whoever it is from. */
static void send_spawned(struct host *host, union node *node, leat_ref from, leat_ref child,
                         int status, uint64_t cookie)
{
    node->head.kind = LEAT_EVENT_SPAWNED;
    node->head.len = 0;
    node->event.status = status;
    node->event.spawned.cookie = cookie;
    node->event.spawned.child = status == 0 ? child : LEAT_REF_NONE;
    if (host_post_reserved(host, node->event.from, from, node) < 0) {
        pool_give(host->pool, node);
    }
}

int member_spawn(struct host *host, leat_ref group, const struct spawn *spawn)
{
    if (ref_is_member(group) || (spawn->arg == NULL && spawn->arg_size > 0)) {
        return -EINVAL;
    }
    union node *node = pool_take(host->pool);
    if (node == NULL || init_fill(node, spawn) < 0) {
        if (node != NULL) {
            pool_give(host->pool, node);
        }
        return -ENOMEM;
    }
    node->head.kind = NODE_SPAWN_MEMBER;
    int status = host_post(host, group, spawn->parent, node);
    if (status == -ESRCH && !spawn->parent_outside) {
        node->event.from = spawn->parent;
        send_spawned(host, node, group, LEAT_REF_NONE, -ESRCH, init_done(node));
        return 0;
    }
    if (status < 0) {
        init_done(node);
        pool_give(host->pool, node);
    }
    return status;
}

void member_answer(struct host *host, union node *node, leat_ref member, int status)
{
    LEAT_ASSERT(node->head.kind == NODE_SPAWN_MEMBER);
    LEAT_ASSERT(status < 0 || ref_is_member(member));
    send_spawned(host, node, member, member, status, init_done(node));
}

/* Tells whoever asked for the actor how its init went. Takes the node over. */
static void init_answer(struct host *host, struct cell *cell, union node *node, int status)
{
    uint64_t cookie = init_done(node);
    leat_ref parent = node->event.from;
    leat_ref self = cell_ref(cell);
    if (node->head.type == INIT_FROM_OUTSIDE) {
        if (status < 0) {
            send_down(host, node, parent, self, status, cookie);
        } else {
            pool_give(host->pool, node);
        }
        return;
    }
    send_spawned(host, node, self, self, status, cookie);
}

/* It was counted as on its way here. */
static void init_arrived(struct host *host)
{
    uint32_t before = fetch_sub_seq_u32(&host->arriving, 1);
    LEAT_ASSERT(before > 0);
}

/* What init returns, or why it could not be called. */
static int init_call(struct host *host, struct cell *cell, const union node *node)
{
    if ((cell->flags & CELL_GROUP) != 0) {
        uint32_t members_max;
        memcpy(&members_max, init_arg(node), sizeof(members_max));
        return group_open(host, cell, members_max);
    }
    cell->state = state_alloc(cell->behavior, cell_ref(cell));
    if (cell->state == NULL) {
        return -ENOMEM;
    }
    return cell->behavior->init != NULL ? cell->behavior->init(cell->state, init_arg(node), host->now)
                                        : 0;
}

/* A group is an actor, but none of its members' behaviour. */
static void count_behavior(const struct cell *cell, uint64_t *counter)
{
    LEAT_ASSERT(cell->behavior_index != BEHAVIOR_NONE);
    if ((cell->flags & CELL_GROUP) == 0) {
        count_add(counter, 1);
    }
}

bool actor_init(struct host *host, struct cell *cell, union node *node)
{
    LEAT_ASSERT(cell->life == CELL_NEW);
    LEAT_ASSERT(node->head.kind == NODE_INIT);
    cell->behavior_index = behavior_index(host, cell->behavior);
    count_behavior(cell, &host->behaviors[cell->behavior_index].spawned);
    host->count.spawned++;
    store_relaxed_u64(&host->published.actors, ++host->count.actors); /* before it has arrived */
    init_arrived(host);
    int status = init_call(host, cell, node);
    init_answer(host, cell, node, status < 0 ? status : 0);
    if (status < 0) {
        host->count.failed++;
        count_behavior(cell, &host->behaviors[cell->behavior_index].failed);
        actor_end(host, cell, status, LEAT_STATE_CREATED);
        return false;
    }
    cell->life = CELL_LIVE;
    cell->flags &= (uint16_t)~CELL_UNBORN;
    if (host->shutting_down) {
        cell->flags |= CELL_SHUTDOWN;
    }
    return true;
}

struct cell *host_actor_at(struct host *host, uint32_t slot)
{
    struct cell *cell = registry_cell(host->registry, (leat_ref){.id = slot});
    if (cell == NULL || cell_owner(cell) != host->index || (cell->flags & CELL_SYSTEM) != 0 ||
        (cell->life != CELL_LIVE && cell->life != CELL_NEW)) {
        return NULL;
    }
    if (cell->life == CELL_NEW) {
        host_collect(host, cell); /* the bell has not been answered since */
        if (cell->box.head == NULL) {
            return NULL; /* its spawner has yet to post INIT, which must come first */
        }
    }
    return cell;
}

/* ---- monitors ---- */

void send_down(struct host *host, union node *node, leat_ref watcher, leat_ref dead, int status,
               uint64_t cookie)
{
    node->head.kind = LEAT_EVENT_DOWN;
    node->head.len = 0;
    node->event.status = status;
    node->event.down.cookie = cookie;
    if (host_post_reserved(host, watcher, dead, node) < 0) {
        pool_give(host->pool, node);
    }
}

/* Members of another host's groups cannot be looked at from here: they count as alive for as long
 * as their group is. */
static bool is_alive(struct host *host, leat_ref ref)
{
    leat_ref home = registry_home(host->registry, ref);
    const struct cell *cell = registry_cell(host->registry, home);
    if (cell == NULL || cell_generation(cell) != ref_generation(home)) {
        return false;
    }
    return !ref_is_member(ref) || !host_has(host, cell, home) || host_lives(host, ref);
}

/* Forgets watchers that have ended, when their number has doubled: memory stays bounded by the
 * living ones, at a constant cost for each monitor. */
static void watchers_sweep(struct host *host, struct watchers *watchers)
{
    union node **link = &watchers->first;
    while (*link != NULL) {
        union node *node = *link;
        if (is_alive(host, node->event.from)) {
            link = &node->next;
        } else {
            *link = node->next;
            watchers->len--;
            pool_give(host->pool, node);
        }
    }
    watchers->sweep = 2 * watchers->len + 8;
}

void actor_watch(struct host *host, struct watchers *watchers, union node *node)
{
    node->next = watchers->first;
    watchers->first = node;
    if (++watchers->len > watchers->sweep) {
        watchers_sweep(host, watchers);
    }
}

void tell_watchers(struct host *host, struct watchers *watchers, leat_ref dead, int status)
{
    while (watchers->first != NULL) {
        union node *node = watchers->first;
        watchers->first = node->next;
        send_down(host, node, node->event.from, dead, status, node->event.down.cookie);
    }
    watchers->len = 0;
    watchers->sweep = 0;
}

/* ---- the end ---- */

void drop_node(struct host *host, union node *node)
{
    if (node == host->probe) {
        host->probe = NULL;
    }
    if (is_message(node->head.kind)) {
        host->count.dead_letters++;
    } else if (node->head.kind == LEAT_EVENT_DATA) {
        host->count.recv_dropped += event_datagrams(&node->event);
    }
    if (has_body(&node->event)) {
        leat_buf_unref(node->event.body.buf);
    }
    pool_give(host->pool, node);
}

void bury(struct host *host, struct cell *cell, union node *node, leat_ref dead, int status)
{
    if ((node->head.kind & NODE_TO_MEMBER) != 0) { /* of a group that has ended, with its members */
        node = member_open(host, node, &dead);
    }
    switch (node->head.kind) {
    case NODE_MONITOR:
        send_down(host, node, node->event.from, dead, status, node->event.down.cookie);
        break;
    case NODE_PARK:
        park_arrived_late(host, node);
        break;
    case NODE_INIT: /* killed before its first turn */
        init_arrived(host);
        init_answer(host, cell, node, status);
        break;
    case NODE_SPAWN_MEMBER:
        member_answer(host, node, LEAT_REF_NONE, -ESRCH);
        break;
    default:
        if (node->head.kind >= NODE_KIND_BUS) {
            bus_drop(host, node);
        } else {
            drop_node(host, node);
        }
    }
}

/* All that waits at a cell. `dead` is the ref its actor had, which the cell may not have any more. */
static void bury_all(struct host *host, struct cell *cell, leat_ref dead, int status)
{
    union node *node;
    uint32_t len;
    while ((node = box_take(&cell->box)) != NULL) {
        bury(host, cell, node, dead, status);
    }
    for (node = door_take(&cell->door.data, &len); node != NULL;) {
        union node *next = node->next;
        bury(host, cell, node, dead, status);
        node = next;
    }
    door_return(&cell->door, len);
    for (node = door_take(&cell->door.control, &len); node != NULL;) {
        union node *next = node->next;
        pool_give(host->pool, node);
        node = next;
    }
    while ((node = cell->control) != NULL) {
        cell->control = node->next;
        pool_give(host->pool, node);
    }
}

/* The last step: no ref reaches the slot from here on. The full fence between the new generation and
 * the look behind the door pairs with door_enter. */
static void retire(struct host *host, struct cell *cell, int status)
{
    leat_ref dead = cell_ref(cell);
    store_relaxed_u64(&cell->identity, identity(cell_generation(cell) + 1, cell_slot(cell)));
    fence_full();
    bury_all(host, cell, dead, status);
    park_abandon(host, cell); /* whoever came while its watchers were told */
    cell->flags = 0;
    if (door_is_quiet(&cell->door)) {
        registry_give(host->registry, &host->free, cell);
        return;
    }
    cell->life = CELL_LIMBO;
    cell->run_next = host->limbo;
    host->limbo = cell;
}

void actor_end(struct host *host, struct cell *cell, int status, enum leat_actor_state state)
{
    if ((cell->flags & CELL_PARKED) != 0) {
        bool cancelled = park_cancel(host, cell);
        LEAT_ASSERT(cancelled);
    }
    if (cell->life == CELL_LIVE && (cell->flags & CELL_GROUP) != 0) {
        group_close(host, cell, status);
    }
    host_trace(host, cell,
               &(struct leat_trace){.from = (uint8_t)state, .to = LEAT_STATE_STOPPED});
    enum cell_life life = cell->life;
    cell->life = CELL_LIMBO; /* what is sent to it from here on is only buried */
    host->ops->forget(host, cell);
    bus_forget(host, &cell->subscriptions);
    bury_all(host, cell, cell_ref(cell), status);
    park_abandon(host, cell);
    if (life == CELL_LIVE && cell->state != NULL && cell->behavior->fini != NULL) {
        cell->behavior->fini(cell->state);
    }
    state_free(cell->state);
    cell->state = NULL;
    if (cell->behavior_index != BEHAVIOR_NONE) { /* counted since its init */
        store_relaxed_u64(&host->published.actors, --host->count.actors);
        host->count.stopped++;
        count_behavior(cell, &host->behaviors[cell->behavior_index].stopped);
    }
    tell_watchers(host, &cell->monitors, cell_ref(cell), status);
    retire(host, cell, status);
    uint64_t *ended = &host->registry->totals[host->index].ended;
    store_release_u64(ended, *ended + 1);
}

void host_sweep(struct host *host)
{
    struct cell **link = &host->limbo;
    while (*link != NULL) {
        struct cell *cell = *link;
        leat_ref dead = {.id = identity(cell_generation(cell) - 1, cell_slot(cell))};
        bury_all(host, cell, dead, -ESRCH);
        if (door_is_quiet(&cell->door)) {
            *link = cell->run_next;
            registry_give(host->registry, &host->free, cell);
        } else {
            link = &cell->run_next;
        }
    }
}

/* ---- mailboxes without an actor ---- */

static void nothing(void *self, const struct leat_event *event)
{
    (void)self;
    (void)event;
}

static const struct leat_behavior mailbox_behavior = {.name = "(mailbox)", .on_event = nothing};

struct cell *host_mailbox(struct host *host, uint32_t len_max)
{
    int status;
    struct cell *cell = registry_take(host->registry, &host->free, &status);
    if (cell == NULL) {
        return NULL;
    }
    cell_prepare(cell, &mailbox_behavior, len_max, 0, host->index);
    return cell;
}

void host_mailbox_close(struct host *host, struct cell *cell)
{
    cell->life = CELL_LIMBO;
    bury_all(host, cell, cell_ref(cell), 0);
    park_abandon(host, cell);
    tell_watchers(host, &cell->monitors, cell_ref(cell), 0);
    retire(host, cell, 0);
}
