/* Waiting for room in a full box.
 *
 * The sender's drain is parked with one output held, and a note (a pooled node) goes to the
 * receiver's host: straight into `waiters` when that is this host, through the receiver's door
 * otherwise. From then on the receiver's host alone has the held node and decides: it moves it into
 * the box, hands it back when send_wait_ns is over, or drops it when the receiver ends. Then the note
 * goes home, through the sender's control lane. So a wait ends in exactly one way. Notes are kept
 * in the order they came, which is the order their time runs out. No allocation but the note. */
#include <errno.h>
#include <string.h>

#include "host.h"

struct park {
    struct park *next; /* in the receiver's ring of waiters */
    uint8_t      kind, len;
    uint16_t     pool;
    int32_t      status;
    leat_ref     from; /* the sender */
    union node  *held; /* NULL: the sender has ended meanwhile */
    leat_time    until;
    struct park *earlier, *later; /* in the host's list of time limits */
    struct cell *at;              /* the receiver */
};

_Static_assert(sizeof(struct park) == sizeof(union node), "a note is a node");
_Static_assert(offsetof(struct park, pool) == offsetof(struct leat_event, internal), "header");
_Static_assert(offsetof(struct park, from) == offsetof(struct leat_event, from), "header");

static struct park *park_of(union node *node)
{
    return (struct park *)(void *)node;
}

static union node *node_of(struct park *note)
{
    return (union node *)(void *)note;
}

static void limits_add(struct host *host, struct park *note)
{
    note->later = NULL;
    note->earlier = host->parks_last != NULL ? park_of(host->parks_last) : NULL;
    if (note->earlier != NULL) {
        note->earlier->later = note;
    } else {
        host->parks = node_of(note);
    }
    host->parks_last = node_of(note);
}

static void limits_remove(struct host *host, struct park *note)
{
    if (note->earlier != NULL) {
        note->earlier->later = note->later;
    } else {
        host->parks = note->later != NULL ? node_of(note->later) : NULL;
    }
    if (note->later != NULL) {
        note->later->earlier = note->earlier;
    } else {
        host->parks_last = note->earlier != NULL ? node_of(note->earlier) : NULL;
    }
}

static void waiters_add(struct host *host, struct cell *cell, struct park *note)
{
    note->at = cell;
    note->until = host->now + host->send_wait_ns;
    note->next = note;
    if (cell->waiters != NULL) {
        note->next = park_of(cell->waiters)->next;
        park_of(cell->waiters)->next = note;
    }
    cell->waiters = node_of(note);
    cell->flags |= CELL_WAITERS;
    box_set_closed(&cell->box, true);
    limits_add(host, note);
}

static struct park *waiters_take(struct host *host, struct cell *cell)
{
    struct park *newest = park_of(cell->waiters);
    struct park *note = newest->next;
    LEAT_ASSERT(note->at == cell);
    if (note == newest) {
        cell->waiters = NULL;
        cell->flags &= (uint16_t)~CELL_WAITERS;
        box_set_closed(&cell->box, false);
    } else {
        newest->next = note->next;
    }
    limits_remove(host, note);
    return note;
}

/* Sends the note home with its result. */
static void answer(struct host *host, struct park *note, int status)
{
    union node *node = node_of(note);
    leat_ref sender = note->from;
    note->kind = NODE_UNPARK;
    note->status = status;
    leat_ref home = registry_home(host->registry, sender);
    struct cell *cell = registry_cell(host->registry, home);
    LEAT_ASSERT(cell != NULL);
    if (host_has(host, cell, home)) {
        park_ended(host, cell, node);
    } else if (host_post_control(host, sender, node) < 0) {
        LEAT_ASSERT(note->held == NULL); /* only a sender of this host ends before the answer */
        pool_give(host->pool, node);
    }
}

/* Puts an output, which says to whom, into the box. -ENOMEM: a member's, and there is no envelope. */
static int append(struct host *host, struct cell *cell, leat_ref from, union node *out)
{
    leat_ref to = out->output.to;
    union node *item = ref_is_member(to) ? member_item(host, out, to) : out;
    if (item == NULL) {
        return -ENOMEM;
    }
    host_append(host, cell, from, item);
    return 0;
}

/* Moves a waiter's output into the box. */
static void admit(struct host *host, struct cell *cell, struct park *note)
{
    int status = 0;
    if (note->held != NULL) {
        status = append(host, cell, note->from, note->held);
        note->held = status == 0 ? NULL : note->held;
    }
    answer(host, note, status);
}

int park(struct host *host, struct cell *cell, union node *out)
{
    LEAT_ASSERT((cell->flags & CELL_PARKED) == 0);
    LEAT_ASSERT(cell->park == NULL);
    leat_ref to = out->output.to;
    leat_ref home = registry_home(host->registry, to);
    struct cell *receiver = registry_cell(host->registry, home);
    if (receiver == cell) {
        return -EAGAIN; /* nobody would ever make room, in a member's group neither */
    }
    if (cell_owner(receiver) >= LEAT_WORKERS_MAX) {
        return -EAGAIN; /* a controller: its thread may be away for as long as it likes */
    }
    bool is_here = host_has(host, receiver, home);
    if (is_here) {
        host_collect(host, receiver); /* what is behind the door counts, and comes first */
    }
    if (is_here && receiver->waiters == NULL && receiver->box.len < box_limit(&receiver->box)) {
        int status = append(host, receiver, cell_self(cell), out);
        return status < 0 ? status : PARK_SENT; /* senders who only looked had filled it */
    }
    union node *node = pool_take(host->pool);
    if (node == NULL) {
        return -ENOMEM;
    }
    struct park *note = park_of(node);
    note->kind = NODE_PARK;
    note->len = 0;
    note->held = out;
    note->from = cell_self(cell);
    if (is_here) {
        waiters_add(host, receiver, note);
    } else {
        int status = host_post_remote(host, receiver, home, note->from, node, true);
        if (status < 0) {
            pool_give(host->pool, node);
            return status;
        }
    }
    cell->flags |= is_here ? CELL_PARKED : CELL_PARKED | CELL_AWAY;
    cell->park = node;
    cell->held = out;
    host->count.parks++;
    return 0;
}

void park_arrived(struct host *host, struct cell *cell, union node *node)
{
    struct park *note = park_of(node);
    if (cell->waiters == NULL && cell->box.len < box_limit(&cell->box)) {
        admit(host, cell, note);
    } else {
        waiters_add(host, cell, note);
    }
}

static void abandon(struct host *host, struct park *note)
{
    if (note->held != NULL) {
        drop_node(host, note->held);
        note->held = NULL;
    }
    answer(host, note, -ESRCH);
}

void park_arrived_late(struct host *host, union node *node)
{
    abandon(host, park_of(node));
}

void park_admit(struct host *host, struct cell *cell)
{
    while (cell->waiters != NULL && cell->box.len < box_limit(&cell->box)) {
        admit(host, cell, waiters_take(host, cell));
    }
}

void park_abandon(struct host *host, struct cell *cell)
{
    while (cell->waiters != NULL) {
        abandon(host, waiters_take(host, cell));
    }
}

bool park_cancel(struct host *host, struct cell *cell)
{
    LEAT_ASSERT((cell->flags & CELL_PARKED) != 0);
    if ((cell->flags & CELL_AWAY) != 0) {
        return false;
    }
    if (cell->park != NULL) { /* else it is parked on a socket, which the scheduler forgets */
        struct park *note = park_of(cell->park);
        LEAT_ASSERT(note->held == cell->held);
        note->held = NULL; /* it stays in its place in the queue, and is freed there */
        cell->park = NULL;
        host->count.refused++;
    }
    leat_output_release(&cell->held->output);
    pool_give(host->pool, cell->held);
    cell->held = NULL;
    cell->flags &= (uint16_t)~CELL_PARKED;
    return true;
}

void park_ended(struct host *host, struct cell *cell, union node *node)
{
    struct park *note = park_of(node);
    if (cell->park != node) { /* of a member that has ended, of this group or of one before it */
        LEAT_ASSERT((cell->flags & CELL_GROUP) != 0);
        LEAT_ASSERT(note->held == NULL);
        pool_give(host->pool, node);
        return;
    }
    LEAT_ASSERT((cell->flags & CELL_PARKED) != 0);
    cell->flags &= (uint16_t)~(CELL_PARKED | CELL_AWAY);
    cell->park = NULL;
    cell->held = NULL;
    if (note->held != NULL) { /* refused: it came back */
        union node *held = note->held;
        actor_refuse(host, cell, held, LEAT_FULL_WAIT, note->status);
        pool_give(host->pool, held);
    }
    pool_give(host->pool, node);
    host_ready(host, cell);
}

leat_time park_next(const struct host *host)
{
    return host->parks != NULL ? park_of(host->parks)->until : LEAT_NEVER;
}

void park_expire(struct host *host)
{
    while (host->parks != NULL && park_of(host->parks)->until <= host->now) {
        struct park *note = park_of(host->parks);
        struct park *first = waiters_take(host, note->at);
        LEAT_ASSERT(first == note); /* one wait time for all: the oldest of its box is the first */
        answer(host, note, -ETIMEDOUT);
    }
}
