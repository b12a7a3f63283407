/* A group's turn: an input is for one member, or a walk gives it to all; each member is drained
 * before the next is given anything. While a member's drain is open the cell's state is that
 * member's, so the drain, refusals and parking work as for an actor.
 *
 * A walk gives way between two members, and goes on in a later turn: the next input is taken when
 * it is at its end. So no member is made in a walk, and one that ends is just not found any more. */
#include "group.h"

#include <errno.h>

/* ---- what is traced ---- */

enum leat_actor_state group_state(const struct cell *cell)
{
    return cell->group != NULL ? (enum leat_actor_state)cell->group->state : LEAT_STATE_CREATED;
}

static void move(struct host *host, struct cell *cell, struct leat_trace trace)
{
    struct group *group = cell->group;
    LEAT_ASSERT(group->state != trace.to || trace.to == LEAT_STATE_POP_INPUT_OUTPUT ||
                trace.to == LEAT_STATE_POP_TICK_OUTPUT);
    trace.from = group->state;
    group->state = trace.to;
    host_trace(host, cell, &trace);
}

static void move_to(struct host *host, struct cell *cell, enum leat_actor_state state)
{
    if (cell->group->state != state) {
        move(host, cell, (struct leat_trace){.to = (uint8_t)state});
    }
}

/* A member is next: by itself, in a walk, or to be born. Only now is it known that the walk goes
 * on. */
static void watch_member(struct host *host, struct cell *cell, const struct leat_event *event)
{
    bool is_tick = event != NULL && event->kind == LEAT_EVENT_DEADLINE;
    struct leat_trace trace = {0};
    if (event != NULL && !is_tick) {
        trace = trace_input(LEAT_STATE_ON_INPUT, LEAT_STATE_ON_INPUT_MEMBER, event);
    }
    move_to(host, cell, is_tick ? LEAT_STATE_ON_TICK : LEAT_STATE_ON_INPUT);
    trace.to = is_tick ? LEAT_STATE_ON_TICK_MEMBER : LEAT_STATE_ON_INPUT_MEMBER;
    trace.member = cell_self(cell);
    move(host, cell, trace);
    if (event != NULL && host->hash != 0) {
        hash_input(host, trace.member, event);
    }
}

void group_trace_output(struct host *host, struct cell *cell, const union node *out)
{
    bool is_tick = cell->group->state == LEAT_STATE_ON_TICK_MEMBER ||
                   cell->group->state == LEAT_STATE_POP_TICK_OUTPUT;
    enum leat_actor_state to = is_tick ? LEAT_STATE_POP_TICK_OUTPUT : LEAT_STATE_POP_INPUT_OUTPUT;
    struct leat_trace trace = trace_output(to, to, out);
    trace.member = cell_self(cell);
    move(host, cell, trace);
}

/* No member has its drain open, and no walk is on. */
static void watch_waiting(struct host *host, struct cell *cell)
{
    uint8_t state = cell->group->state;
    if (state == LEAT_STATE_ON_TICK_MEMBER || state == LEAT_STATE_POP_TICK_OUTPUT) {
        move_to(host, cell, LEAT_STATE_ON_TICK);
    }
    move_to(host, cell, LEAT_STATE_WAITING);
}

/* ---- one member ---- */

static void give(struct host *host, struct cell *cell, struct member *member,
                 const struct leat_event *event)
{
    member_enter(cell, member);
    host->work++;
    count_input(host, cell);
    if (LEAT_UNLIKELY(host->is_watched)) {
        watch_member(host, cell, event);
    }
    cell->behavior->on_event(cell->state, event);
}

void group_rearm(struct host *host, struct cell *cell)
{
    const struct group *group = cell->group;
    if ((cell->flags & CELL_WALK) != 0 && group->walk.kind == VISIT_DUE) {
        return; /* when that is at its end */
    }
    leat_time first = due_first(group);
    if (first != cell->deadline) {
        cell->deadline = first;
        host->ops->rearm(host, cell);
    }
}

void group_drained(struct host *host, struct cell *cell)
{
    struct group *group = cell->group;
    struct member *member = member_at(group, group->current);
    if (cell->behavior->deadline != NULL) {
        leat_time deadline = cell->behavior->deadline(cell->state);
        bool is_tick = (cell->flags & CELL_WALK) != 0 && group->walk.kind == VISIT_DUE;
        if (is_tick || deadline != member->deadline) {
            member->deadline = deadline;
            if (is_tick && deadline <= group->walk.until) {
                deadline = group->walk.until + 1; /* past again: not in the same tick */
            }
            due_set(group, member, deadline);
        }
    }
    member_leave(cell);
    group_rearm(host, cell);
}

void group_member_ends(struct host *host, struct cell *cell, int status)
{
    struct group *group = cell->group;
    LEAT_ASSERT(group->current != MEMBER_NONE);
    member_end(host, cell, member_at(group, group->current), status, true);
}

void group_kill(struct host *host, struct cell *cell, leat_ref ref)
{
    struct member *member = cell->life == CELL_LIVE ? member_find(cell->group, ref) : NULL;
    if (member == NULL) {
        return;
    }
    if (member_is_current(cell->group, member) && (cell->flags & CELL_AWAY) != 0) {
        member->is_ending = true; /* the answer must come first */
    } else {
        member_end(host, cell, member, -ECANCELED, true);
    }
}

static void spawn(struct host *host, struct cell *cell, union node *node)
{
    int status = 0;
    struct member *member = member_make(host, cell, &status);
    if (member == NULL) {
        member_answer(host, node, LEAT_REF_NONE, status);
        return;
    }
    member_enter(cell, member);
    host->work++;
    if (LEAT_UNLIKELY(host->is_watched)) {
        watch_member(host, cell, NULL);
    }
    if (cell->behavior->init != NULL) {
        status = cell->behavior->init(cell->state, init_arg(node), host->now);
    }
    member_answer(host, node, member->header.self, status < 0 ? status : 0);
    if (status < 0) {
        host->count.failed++;
        count_add(&host->behaviors[cell->behavior_index].failed, 1);
        member_end(host, cell, member, status, false);
        return;
    }
    if (host->shutting_down) {
        cell->flags |= CELL_SHUTDOWN;
    }
    member_drain(host, cell);
}

/* An item for one member. Takes the node over. */
static void give_one(struct host *host, struct cell *cell, leat_ref to, union node *node)
{
    uint8_t kind = node->head.kind;
    struct member *member = member_find(cell->group, to);
    if (LEAT_UNLIKELY(member == NULL)) {
        bury(host, cell, node, to, -ESRCH);
    } else if (kind == NODE_STOP) {
        pool_give(host->pool, node);
        member_end(host, cell, member, 0, true);
    } else if (kind == NODE_MONITOR) {
        actor_watch(host, &member->watchers, node);
    } else {
        if (kind == NODE_STREAM) {
            node = host->ops->stream_next(host, cell, to, node);
            if (node == NULL) {
                return;
            }
            kind = node->head.kind;
        }
        if (LEAT_UNLIKELY(node == host->probe)) {
            probe_over(host);
        }
        count_given(host, kind);
        node->event.now = host->now;
        give(host, cell, member, &node->event);
        if (has_body(&node->event)) {
            leat_buf_unref(node->event.body.buf);
        }
        pool_give(host->pool, node);
        member_drain(host, cell);
    }
}

/* ---- walks ---- */

void group_walk_drop(struct host *host, struct cell *cell)
{
    struct group *group = cell->group;
    union node *item = group->walk.item;
    cell->flags &= (uint16_t)~CELL_WALK;
    group->walk.item = NULL;
    if (item == NULL) {
        return;
    }
    if (group->walk.given == 0) {
        drop_node(host, item);
        return;
    }
    if (item->event.len == LEAT_LEN_BODY) {
        leat_buf_unref(item->event.body.buf);
    }
    pool_give(host->pool, item);
}

/* Over all members; the next one begins with another. */
static void walk_all(struct cell *cell, enum visit kind, union node *item)
{
    struct group *group = cell->group;
    LEAT_ASSERT((cell->flags & CELL_WALK) == 0);
    group->walk.kind = kind;
    group->walk.next = group->start < group->members_len ? group->start : 0;
    group->walk.left = group->live > 0 ? group->members_len : 0;
    group->walk.given = 0;
    group->walk.item = item;
    cell->flags |= CELL_WALK;
}

/* CELL_TICK: unless the deadline has been put off since. */
static void walk_due(struct host *host, struct cell *cell)
{
    struct group *group = cell->group;
    cell->flags &= (uint16_t)~CELL_TICK;
    if (due_first(group) > host->now) {
        group_rearm(host, cell);
        return;
    }
    group->walk.kind = VISIT_DUE;
    group->walk.until = host->now;
    group->walk.given = 0;
    cell->flags |= CELL_WALK;
}

/* The next live member of a walk over all; NULL: there is none left. */
static struct member *next_live(struct group *group)
{
    while (group->walk.left > 0) {
        uint32_t at = group->walk.next;
        uint64_t word = group->alive[at / 64] >> at % 64;
        uint32_t pass = word != 0 ? (uint32_t)__builtin_ctzll(word) + 1 : 64 - at % 64;
        uint32_t end = group->members_len - at; /* above it no bit is set */
        pass = pass < end ? pass : end;
        if (pass > group->walk.left) {
            break; /* round the whole group */
        }
        group->walk.left -= pass;
        group->walk.next = pass < end ? at + pass : 0;
        if (word != 0) {
            if (group->walk.given == 0) {
                group->start = at + pass;
            }
            return member_at(group, at + pass - 1);
        }
    }
    group->walk.left = 0;
    return NULL;
}

static struct member *next_due(struct group *group)
{
    if (due_first(group) > group->walk.until) {
        return NULL;
    }
    for (uint32_t i = 1; i < 5 && i < group->due_len; i++) { /* one of them comes next, and is cold */
        __builtin_prefetch(member_at(group, group->due[i].index), 1);
    }
    struct member *member = member_at(group, group->due[0].index);
    member->deadline = LEAT_NEVER; /* whatever deadline() says next is news */
    return member;
}

static struct member *walk_next(struct group *group)
{
    if (group->walk.kind == VISIT_DUE) {
        return next_due(group);
    }
    struct member *member = next_live(group);
    while (group->walk.kind == VISIT_SHUTDOWN && member != NULL && member->is_told) {
        member = next_live(group);
    }
    return member;
}

static void walk_ends(struct host *host, struct cell *cell)
{
    group_walk_drop(host, cell);
    group_rearm(host, cell);
}

/* One more member, or the end. An item counts once, however many are given it. */
static void walk_on(struct host *host, struct cell *cell)
{
    struct group *group = cell->group;
    struct leat_event event = {.now = host->now};
    struct member *member = walk_next(group);
    if (member == NULL) {
        walk_ends(host, cell);
        return;
    }
    bool is_first = group->walk.given++ == 0;
    if (group->walk.kind == VISIT_MESSAGE) {
        union node *item = group->walk.item;
        if (LEAT_UNLIKELY(item == host->probe)) {
            probe_over(host);
        }
        *(is_first ? &host->count.delivered : &host->other_inputs) += 1;
        item->event.now = host->now;
        give(host, cell, member, &item->event);
    } else {
        bool is_tick = group->walk.kind == VISIT_DUE;
        event.kind = is_tick ? LEAT_EVENT_DEADLINE : LEAT_EVENT_SHUTDOWN;
        member->is_told = member->is_told || !is_tick;
        host->count.deadlines += is_tick;
        host->other_inputs++;
        give(host, cell, member, &event);
    }
    member_drain(host, cell);
}

/* ---- the turn ---- */

static void take_item(struct host *host, struct cell *cell, union node *node)
{
    if ((node->head.kind & NODE_TO_MEMBER) != 0) {
        leat_ref to;
        node = member_open(host, node, &to);
        give_one(host, cell, to, node);
        return;
    }
    switch (node->head.kind) {
    case LEAT_EVENT_MESSAGE:
    case LEAT_EVENT_PUBLISHED:
        walk_all(cell, VISIT_MESSAGE, node);
        break;
    case NODE_SPAWN_MEMBER:
        spawn(host, cell, node);
        break;
    case NODE_MONITOR:
        actor_watch(host, &cell->monitors, node);
        break;
    case NODE_STOP:
        pool_give(host->pool, node);
        actor_end(host, cell, 0, group_state(cell));
        break;
    case NODE_INIT:
        if (actor_init(host, cell, node)) {
            move_to(host, cell, LEAT_STATE_WAITING);
        }
        break;
    default: /* an answer: a group as a whole has asked for nothing */
        drop_node(host, node);
    }
}

/* Between two inputs, or two members. False: the group has ended. */
static bool between(struct host *host, struct cell *cell)
{
    struct group *group = cell->group;
    if (group == NULL) {
        return true; /* INIT has yet to come */
    }
    if (group->is_closing && group->live == 0) {
        actor_end(host, cell, 0, group_state(cell));
        return false;
    }
    if (LEAT_UNLIKELY(host->is_watched) && (cell->flags & CELL_WALK) == 0) {
        watch_waiting(host, cell);
    }
    if ((cell->flags & CELL_WAITERS) != 0 && cell->box.len <= box_limit(&cell->box) / 2) {
        park_admit(host, cell);
    }
    return true;
}

/* False: there is none. */
static bool next_input(struct host *host, struct cell *cell)
{
    bool is_live = cell->life == CELL_LIVE;
    bool is_due = is_live && (cell->flags & CELL_TICK) != 0;
    if (is_due && !cell->group->was_tick) {
        cell->group->was_tick = true;
        walk_due(host, cell);
        return true;
    }
    if (is_live && (cell->flags & CELL_SHUTDOWN) != 0) {
        cell->flags &= (uint16_t)~CELL_SHUTDOWN;
        cell->group->is_closing = true;
        walk_all(cell, VISIT_SHUTDOWN, NULL);
        return true;
    }
    if (is_live) {
        cell->group->was_tick = false;
    }
    union node *node = box_take(&cell->box);
    if (node == NULL) {
        return is_due; /* nothing but that: at the next look */
    }
    take_item(host, cell, node);
    return true;
}

/* Inputs, until there are none, the turn has had its share, or a member's drain gives way. One at least,
 * so that ticks that are always due and take the whole turn leave every second one to the mailbox. */
static void run(struct host *host, struct cell *cell)
{
    uint32_t given = 0;
    uint32_t inputs = 0;
    while ((cell->flags & (CELL_SCHEDULED | CELL_OPEN | CELL_PARKED)) == CELL_SCHEDULED) {
        if (!between(host, cell)) {
            return;
        }
        if ((cell->flags & CELL_WALK) != 0) {
            if (given > 0 && walk_is_over(host, given)) {
                return;
            }
            walk_on(host, cell);
        } else if (inputs >= TURN_INPUTS || (inputs > 0 && host->work >= ROUND_WORK) ||
                   !next_input(host, cell)) {
            return;
        } else {
            inputs++;
        }
        given++;
    }
}

void group_turn(struct host *host, struct cell *cell)
{
    LEAT_ASSERT((cell->flags & CELL_GROUP) != 0);
    if (turn_control(host, cell)) {
        struct group *group = cell->group;
        if (group != NULL && group->current != MEMBER_NONE && (cell->flags & CELL_AWAY) == 0) {
            struct member *member = member_at(group, group->current);
            if (member->is_ending) {
                member_end(host, cell, member, -ECANCELED, true);
            } else if ((cell->flags & (CELL_OPEN | CELL_PARKED)) == CELL_OPEN) {
                member_drain(host, cell);
            }
        }
        run(host, cell);
    }
    turn_ends(host, cell);
}

bool group_input_now(struct host *host, struct cell *cell, leat_ref to,
                     const struct leat_event *event)
{
    bool is_idle = cell->flags == CELL_GROUP && cell->life == CELL_LIVE && cell->box.head == NULL &&
                   load_relaxed_ptr(&cell->door.data) == NULL;
    struct member *member = is_idle ? member_find(cell->group, to) : NULL;
    if (member == NULL) {
        return false;
    }
    cell->flags |= CELL_SCHEDULED;
    turn_is(host, cell);
    host->other_inputs++;
    give(host, cell, member, event);
    member_drain(host, cell);
    if ((cell->flags & (CELL_SCHEDULED | CELL_OPEN | CELL_PARKED)) == CELL_SCHEDULED) {
        between(host, cell);
    }
    turn_ends(host, cell);
    return true;
}
