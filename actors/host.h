/* A host: what the actors of one thread share. A worker is a host with a loop around it; a
 * controller is a host with a single mailbox. All of it is the thread's own, but for the bell, the
 * published statistics and `arriving`. */
#ifndef LEAT_HOST_H
#define LEAT_HOST_H

#include <errno.h>

#include <leat/runtime.h>

#include "cell.h"
#include "pool.h"
#include "registry.h"

#define ROUND_WORK 1024u /* inputs and outputs before the loop looks at clock and kernel again */
#define TURN_INPUTS 64u  /* an actor's inputs before the next actor has its turn */
#define DRAIN_OUTPUTS 64u /* outputs before an open drain gives way */
#define CONTROL_ITEMS 16u /* from the control lane before one from the data lane */
#define BEHAVIORS_MAX 255u /* with statistics of their own */
#define BEHAVIOR_NONE (BEHAVIORS_MAX + 1) /* of an actor before its init */

/* Kinds of node that are not events. In the data lane: */
#define NODE_INIT (NODE_KIND_INTERNAL + 0)    /* the first in the box: call init */
#define NODE_STOP (NODE_KIND_INTERNAL + 1)    /* end, when everything before is done */
#define NODE_MONITOR (NODE_KIND_INTERNAL + 2) /* remember `from` as a watcher */
#define NODE_PARK (NODE_KIND_INTERNAL + 3)    /* `from` waits for room */
#define NODE_MEMBER (NODE_KIND_INTERNAL + 4)  /* an envelope for a member of a group: post.c */
#define NODE_SPAWN_MEMBER (NODE_KIND_INTERNAL + 7) /* as INIT, for a new member of a group */
#define NODE_STREAM (NODE_KIND_INTERNAL + 8) /* what waits at a stream: streams.c */
/* In the control lane: */
#define NODE_KILL (NODE_KIND_INTERNAL + 5)
#define NODE_UNPARK (NODE_KIND_INTERNAL + 6) /* a NODE_PARK coming back, its result in status */
/* Those of a worker's own mailbox are in bus.c. */
#define NODE_KIND_BUS (NODE_KIND_INTERNAL + 0x20)
/* Added to the kind of what is for one member of a group: its ref lies in the last bytes of the
 * payload. */
#define NODE_TO_MEMBER 0x80u

/* A walk over many actors gives way between two of them, so that a frame for a thousand viewers does not
 * hold up everybody else. */
#define WALK_NS LEAT_MS /* since the clock was read for this round */
#define WALK_LOOKS 32u  /* actors between two looks whether it should */

struct host;

/* What only the scheduler can do; actors/ knows nothing of sockets, timers and placement. */
struct host_ops {
    /* An output for a socket. 0: done, its body taken over; negative: refuse it; HOST_PARK: it was
     * put aside as cell->held and the drain is parked. */
    int (*socket_output)(struct host *host, struct cell *cell, union node *out);
    /* A NODE_STREAM in the mailbox of `cell`, for `to`, has its turn: the input it stands for, a node of
     * this host's pool; NULL: there is none any more. Takes the node over. */
    union node *(*stream_next)(struct host *host, struct cell *cell, leat_ref to, union node *node);
    /* cell->deadline has changed. */
    void (*rearm)(struct host *host, struct cell *cell);
    /* The actor ends: its timer, sockets and routes go. */
    void (*forget)(struct host *host, struct cell *cell);
    /* The same for the sockets of a member, a list like cell->sockets. */
    void (*forget_sockets)(struct host *host, void **sockets);
    /* The index of the worker that `worker` means (LEAT_WORKER_*), or -EINVAL. */
    int (*place)(struct host *host, int worker);
    /* The clock, read now: host->now is that of the round. */
    leat_time (*clock)(struct host *host);
};

#define HOST_PARK 1

struct behavior_count {
    const struct leat_behavior *behavior;
    uint64_t                    spawned, stopped, failed, inputs;
    uint64_t                    zero[3];
};

struct host {
    struct pool     *pool;
    struct registry *registry;
    struct cell     *cells; /* the registry's, constant */
    uint32_t         cells_max;
    leat_time        now;
    union node      *spare; /* the node pop_output fills in next */
    struct cell     *run_head;
    struct cell    **run_last; /* where the next one is linked */
    struct cell     *urgent_head; /* the same for those whose box has waiters */
    struct cell    **urgent_last;
    struct cell     *walking_head; /* those whose walk gave way: ready again in the next round */
    struct cell    **walking_last;
    uint32_t         work; /* inputs and outputs since the loop looked at clock and kernel */
    uint32_t         index; /* workers below LEAT_WORKERS_MAX, then controllers */
    const struct host_ops *ops;
    void                  *sched; /* the scheduler's: its worker */
    struct bus            *bus;   /* NULL: a controller's */
    leat_ref               system; /* a worker's own mailbox, which the bus serves; constant */

    bool is_watched; /* inputs are traced or hashed */
    void (*trace)(void *context, const struct leat_trace *trace);
    void *trace_context;
    void (*log)(void *context, enum leat_log_level level, const char *text);
    void *log_context;

    struct leat_worker_stats count; /* the thread's own; published now and then */
    uint64_t other_inputs;  /* that are no messages: `inputs` is these and `delivered` */
    uint64_t other_outputs; /* that are no sends: `outputs` is these and `sent` */
    uint64_t copies;        /* of broadcasts and publishes: counted in `sent`, but no outputs */
    uint64_t logged_kinds, logged_opens, logged_timers; /* times each cause has come up */
    union node *probe;              /* the message whose wait is being measured */
    leat_time   probe_at;

    /* settings */
    leat_time send_wait_ns;
    leat_time drain_warn_ns;
    uint32_t  mailbox_len_max;

    struct cell_list free;
    struct cell     *limbo;       /* ended cells whose door is not quiet yet, by run_next */
    union node      *parks;       /* notes in this host's boxes, in order of their time limit */
    union node      *parks_last;

    struct behavior_count behaviors[BEHAVIORS_MAX + 2]; /* read by any thread; behind the named
                                                           ones all others, then no actor's */
    uint32_t              behaviors_len;

    /* simulation: a hash over every input given; 0: off */
    uint64_t hash;

    bool is_settling; /* the runtime has ended: the bus takes in nothing more, or it might never end */
    bool shutting_down; /* whoever is spawned now is given SHUTDOWN at once */

    struct bell bell __attribute__((aligned(64)));
    uint32_t    arriving; /* actors spawned here that have not had their init */
    struct leat_worker_stats published __attribute__((aligned(64)));
    struct cell *running; /* whose turn it is; NULL: nobody's */
    uint64_t     turns;   /* counts them */
};

/* ---- life: life.c ---- */

/* A host with a pool and no cell. -ENOMEM. */
struct host *host_open(struct registry *registry, uint32_t index, struct pool *pool);

/* Frees it. Its actors must have ended and their doors be quiet. */
void host_close(struct host *host);

struct spawn {
    const struct leat_behavior *behavior;
    const void                 *arg;
    uint32_t                    arg_size;
    uint32_t                    owner;  /* index of the host that is to run it */
    leat_ref                    parent; /* whom to tell, and how: */
    bool                        parent_outside; /* a controller: DOWN if init fails, else nothing */
    uint64_t                    cookie;
    uint32_t                    members_max; /* a group of so many, which has no `arg`; 0: an actor */
    uint32_t                    mailbox_len_max; /* of a group; 0: the behaviour's */
};

/* The zeroed state of an actor, where leat_self finds whose it is. NULL: no memory. */
void *state_alloc(const struct leat_behavior *behavior, leat_ref self);
void  state_free(void *state);

/* A new actor, its INIT the first item in its box. 0; -EINVAL; -ENOMEM; -ENOSPC. */
int actor_spawn(struct host *host, const struct spawn *spawn, leat_ref *ret);

/* Asks for a new member of a group. The spawner hears SPAWNED, also if there is no such group any
 * more. 0; -EAGAIN: the group's box is full; -EINVAL: it is none; -ENOMEM. */
int member_spawn(struct host *host, leat_ref group, const struct spawn *spawn);

/* The answer to a NODE_SPAWN_MEMBER, the ref of the member or why there is none. Takes the node
 * over. */
void member_answer(struct host *host, union node *node, leat_ref member, int status);

/* What an INIT, or a NODE_SPAWN_MEMBER, brings for init; valid until it is answered. NULL:
 * nothing. */
const void *init_arg(const union node *node);

/* Runs INIT; false if the actor has ended. */
bool actor_init(struct host *host, struct cell *cell, union node *node);

/* Ends an actor, in its own turn: everything of it goes, its watchers are told `status`. `state` is
 * the one it leaves. */
void actor_end(struct host *host, struct cell *cell, int status, enum leat_actor_state state);

/* A NODE_MONITOR has arrived for the actor or member whose watchers these are. Takes the node
 * over. */
void actor_watch(struct host *host, struct watchers *watchers, union node *node);

/* `dead`, whose watchers they are, has ended. */
void tell_watchers(struct host *host, struct watchers *watchers, leat_ref dead, int status);

/* Makes `node` the DOWN of `dead` and sends it to `watcher`. */
void send_down(struct host *host, union node *node, leat_ref watcher, leat_ref dead, int status,
               uint64_t cookie);

/* A mailbox without an actor behind it: a controller's, or a worker's own. NULL: no memory. */
struct cell *host_mailbox(struct host *host, uint32_t len_max);
void         host_mailbox_close(struct host *host, struct cell *cell);

/* This host's own actor at a slot, alive or about to be, its INIT then in the box; NULL: none. */
struct cell *host_actor_at(struct host *host, uint32_t slot);

/* What waits for an actor or member that has ended: its monitors are told, its spawner too, the
 * rest is dropped. `dead` is the ref it had. */
void bury(struct host *host, struct cell *cell, union node *node, leat_ref dead, int status);

/* Frees what cannot be delivered any more, counted where it was a message. */
void drop_node(struct host *host, union node *node);

/* Cells in limbo whose senders have gone are free again. Once a turn of the loop. */
void host_sweep(struct host *host);

/* ---- outputs: output.c ---- */

/* What became of an output. */
enum done {
    DONE_KEPT,   /* its node is free for the next output */
    DONE_TAKEN,  /* its node has gone on its way */
    DONE_PARKED, /* the same, and the drain waits */
    DONE_ENDED,  /* the actor has ended; the node is free */
};

/* Does an output of any other kind than SEND. */
enum done output_other(struct host *host, struct cell *cell, union node *out);

/* A SEND was not taken, or is for a member (POST_MEMBER). `full` is what the output said: the node
 * keeps its pool there. */
enum done output_send_failed(struct host *host, struct cell *cell, union node *out, uint8_t full,
                             int status);

/* ---- one actor's turn: turn.c ---- */

/* Up to TURN_INPUTS inputs, each with its drain. The cell has been taken off the run queue. */
void actor_turn(struct host *host, struct cell *cell);
void actor_turn_watched(struct host *host, struct cell *cell); /* the same, with is_watched */

/* One input, at once if the actor is idle, else through its box. 0; -EAGAIN: the box is full; -ENOMEM.
 * The event, its body included, stays the caller's either way. `to` is the actor, or the member it
 * is for, and `cell` its group. */
int actor_input(struct host *host, struct cell *cell, leat_ref to, const struct leat_event *event);

/* The same if it can be given at once; false: the actor is not idle. */
bool actor_input_now(struct host *host, struct cell *cell, leat_ref to,
                     const struct leat_event *event);

/* The same, through the box in any case. */
int box_input(struct host *host, struct cell *cell, leat_ref to, const struct leat_event *event);

/* The same for an event that must not be refused; `node` holds it and is taken over. */
void actor_input_reserved(struct host *host, struct cell *cell, leat_ref to, union node *node);

/* What a turn starts with: its control lane, and what came through the door. False: the actor has
 * ended, or waits to. */
bool turn_control(struct host *host, struct cell *cell);

/* A turn is over: back to the run queue if there is more to do. */
void turn_ends(struct host *host, struct cell *cell);

/* Pops the outputs of the member whose state is cell->state. */
void member_drain(struct host *host, struct cell *cell);

/* An input of a behaviour's, in its statistics. */
void count_input(struct host *host, const struct cell *cell);

/* The wait of a message that was chosen for that is over. */
void probe_over(struct host *host);

/* Adds an input to the hash of a simulated run. */
void hash_input(struct host *host, leat_ref to, const struct leat_event *event);

/* An output was not done: hands it back. The body is the actor's, or freed; the node, which is of
 * this host's pool, the caller's. `full` is what the output said: the node keeps its pool there. */
void actor_refuse(struct host *host, struct cell *cell, union node *out, uint8_t full, int status);

/* Moves what came through the door into the box. */
void host_collect(struct host *host, struct cell *cell);

/* Answers the bell: every actor behind whose door something waits becomes ready. */
void host_answer(struct host *host);

/* ---- posting: post.c ---- */

/* Makes `node` an item of the box of the group of `member`, for that member alone: the node
 * itself, or an envelope around it where its payload leaves no room for the ref. NULL: no memory
 * for that one. */
union node *member_item(struct host *host, union node *node, leat_ref member);

/* The way back: what is for *ret_member. Takes an envelope over. */
union node *member_open(struct host *host, union node *item, leat_ref *ret_member);

/* As host_post and host_post_reserved, to a member or to nobody. -ENOMEM only where an envelope is
 * needed, which is for MESSAGE, PUBLISHED and DATA alone: what has its place reserved arrives. */
int host_post_member(struct host *host, leat_ref to, leat_ref from, union node *node, bool reserved);

#define POST_MEMBER (-ENXIO) /* such a ref has no cell: host_post_member knows more */

int host_post_remote(struct host *host, struct cell *cell, leat_ref to, leat_ref from,
                     union node *node, bool reserved);

/* Asks `to` to end when it has done what it was sent. Never full, as only one such node is on its way
 * to an actor: -EALREADY, -ESRCH: not needed; the node stays the caller's. */
int host_post_stop(struct host *host, leat_ref to, leat_ref from, union node *node);

/* To the control lane: never full, as an actor has at most one KILL and one UNPARK on their way. Those of
 * members, which `from` names, are not counted: only controllers ask for them. -ESRCH, -EALREADY (a KILL): the node
 * stays the caller's. */
int host_post_control(struct host *host, leat_ref to, union node *node);

/* ---- waiting for room: park.c ---- */

/* Parks a drain on the full box of out->to, the cell's own node as the held output. 0, and `out` is
 * taken over; PARK_SENT: there was room after all; or a negative errno: refuse it. */
#define PARK_SENT 1
int park(struct host *host, struct cell *cell, union node *out);

/* A NODE_PARK has come through the door of `cell`: let in, made to wait, or, if the cell has ended,
 * sent back. */
void park_arrived(struct host *host, struct cell *cell, union node *note);
void park_arrived_late(struct host *host, union node *note);

/* Lets waiters in, oldest first, as many as there is room for. */
void park_admit(struct host *host, struct cell *cell);

/* The receiver has ended: what waits for it are dead letters. */
void park_abandon(struct host *host, struct cell *cell);

/* The sender ends: its held output is freed. False: another host has it, its answer must come
 * first. */
bool park_cancel(struct host *host, struct cell *cell);

/* A NODE_UNPARK has come back to the sender. Takes the node over. */
void park_ended(struct host *host, struct cell *cell, union node *note);

/* Ends the waits whose time is over. */
void park_expire(struct host *host);

/* The next time limit; LEAT_NEVER: nobody waits. */
leat_time park_next(const struct host *host);

/* ---- the bus: bus.c, fanout.c ---- */

/* A worker's own mailbox and what the bus keeps there. NULL: no memory. */
struct cell *bus_open(struct host *host);

/* When the mailbox has been closed and no actor is left. */
void bus_close(struct host *host);

/* Who had these subscriptions has ended. */
void bus_forget(struct host *host, struct subscription **list);

/* A controller had this mailbox, which is closed now: so nobody subscribes it any more. */
void bus_leave_outside(struct host *host, leat_ref subscriber);

struct bus_request {
    bool         is_subscribe; /* else unsubscribe */
    leat_channel channel;
    leat_ref     subscriber; /* LEAT_REF_NONE: the requester */
    leat_ref     requester;  /* whom SUBSCRIBED or UNSUBSCRIBED is for */
    uint64_t     cookie;
};

/* Takes `node` over, which becomes the answer. -ESRCH: no such subscriber; it stays the caller's. */
int bus_request(struct host *host, const struct bus_request *request, union node *node);

struct bus_publish {
    leat_channel channel;
    leat_ref     publisher;
    uint64_t     cookie;
    bool         is_safe; /* tell the publisher of each loss */
};

/* `node` has the payload or body of a message, and its type and len: taken over. 0; -EAGAIN: some
 * worker had no room, which is counted, and told where it is safe; -ENOMEM: the same. */
int bus_publish(struct host *host, const struct bus_publish *publish, union node *node);

struct bus_broadcast {
    uint32_t                    worker, worker_end; /* these, the end not among them */
    const struct leat_behavior *behavior;           /* NULL: any */
    leat_ref                    from;
};

/* The same for a copy to each actor. Stays the caller's on failure: -EAGAIN, -ENOMEM: some workers were
 * left out. */
int bus_broadcast(struct host *host, const struct bus_broadcast *broadcast, union node *node);

/* Adds what this worker has counted for sum->channel; false: it knows nothing of it. Any thread. */
bool bus_count(const struct host *host, struct leat_channel_stats *sum);

/* Frees what will never be fanned out: a node of a worker's own mailbox. */
void bus_drop(struct host *host, union node *node);

/* A turn of a worker's own mailbox. */
void bus_turn(struct host *host, struct cell *cell);

/* ---- groups: group.c, group_turn.c ---- */

/* A turn of a group. */
void group_turn(struct host *host, struct cell *cell);

/* INIT of a group: -ENOSPC, -ENOMEM. */
int group_open(struct host *host, struct cell *cell, uint32_t members_max);

/* It ends: all its members do, with that status. cell->group is NULL then. */
void group_close(struct host *host, struct cell *cell, int status);

/* The state a group is in, of enum leat_actor_state; only where it is watched. */
enum leat_actor_state group_state(const struct cell *cell);

/* One output of a member's drain, for the trace. */
void group_trace_output(struct host *host, struct cell *cell, const union node *out);

/* The member whose drain it is has no more outputs; or ends by what it popped. */
void group_drained(struct host *host, struct cell *cell);
void group_member_ends(struct host *host, struct cell *cell, int status);

/* A forced stop of one member has arrived. */
void group_kill(struct host *host, struct cell *cell, leat_ref member);

/* actor_input_now for a member. */
bool group_input_now(struct host *host, struct cell *cell, leat_ref to, const struct leat_event *event);

/* Whether a member, or else an actor, lives on this host. */
bool host_lives(struct host *host, leat_ref ref);

/* Where it has its sockets and its subscriptions, also a group as a whole; NULL: it does not live
 * here. */
void                **host_sockets(struct host *host, leat_ref ref);
struct subscription **host_subscriptions(struct host *host, leat_ref ref);

/* Whether a walk that has visited so many in this turn is to give way: the round has had its work, or
 * its time. */
static inline bool walk_is_over(struct host *host, uint32_t visited)
{
    if (LEAT_LIKELY(visited % WALK_LOOKS != 0)) {
        return false;
    }
    if (host->work < ROUND_WORK && host->ops->clock(host) - host->now < WALK_NS) {
        return false;
    }
    host->work += ROUND_WORK; /* the kernel has waited long enough too */
    host->count.walk_pauses++;
    return true;
}

/* ---- inline: what every message passes ---- */

/* A counter with one writer, read by any thread. */
static inline void count_add(uint64_t *counter, uint64_t by)
{
    store_release_u64(counter, *counter + by);
}

/* Whether it is counted as sent, and ends as delivered, refused or a dead letter. */
static inline bool is_message(uint8_t kind)
{
    return kind == LEAT_EVENT_MESSAGE || kind == LEAT_EVENT_PUBLISHED;
}

/* One input more. */
static inline void count_given(struct host *host, uint8_t kind)
{
    if (is_message(kind)) {
        host->count.delivered++;
    } else {
        host->other_inputs++;
    }
}

/* Whether an event or a node of a mailbox holds a reference. */
static inline bool has_body(const struct leat_event *event)
{
    return (is_message(event->kind) && event->len == LEAT_LEN_BODY) ||
           event->kind == LEAT_EVENT_DATA;
}

/* For the watchdog: whose turn it is. */
static inline void turn_is(struct host *host, struct cell *cell)
{
    count_add(&host->turns, 1);
    store_relaxed_ptr(&host->running, cell);
}

/* How many a DATA event brings. */
static inline uint32_t event_datagrams(const struct leat_event *event)
{
    uint32_t size = event->segment_size;
    return size == 0 ? 1 : (event->body.len + size - 1) / size;
}

/* Inputs given so far. */
static inline uint64_t host_inputs(const struct host *host)
{
    return host->count.delivered + host->other_inputs;
}

static inline void host_schedule(struct host *host, struct cell *cell)
{
    LEAT_ASSERT((cell->flags & CELL_SCHEDULED) == 0);
    cell->run_next = NULL;
    struct cell ***last = &host->run_last;
    if (LEAT_UNLIKELY((cell->flags & (CELL_WAITERS | CELL_WALK)) != 0)) {
        bool gave_way = (cell->flags & CELL_WALK) != 0 && host->work >= ROUND_WORK;
        last = gave_way                              ? &host->walking_last
               : (cell->flags & CELL_WAITERS) != 0 ? &host->urgent_last
                                                   : &host->run_last;
    }
    cell->flags |= CELL_SCHEDULED;
    **last = cell;
    *last = &cell->run_next;
}

/* A round begins, and the bell has been answered: walks go on behind whoever has come meanwhile, so
 * that nobody waits for two portions of one. */
static inline void host_resume_walks(struct host *host)
{
    if (LEAT_UNLIKELY(host->walking_head != NULL)) {
        *host->run_last = host->walking_head;
        host->run_last = host->walking_last;
        host->walking_head = NULL;
        host->walking_last = &host->walking_head;
    }
}

/* Whether an actor is ready. */
static inline bool host_is_ready(const struct host *host)
{
    return host->run_head != NULL || host->urgent_head != NULL || host->walking_head != NULL;
}

/* The next actor to have its turn; NULL: none is ready. An actor that others wait for has every
 * second turn: with many senders it would else have one in as many, and they all wait for it. */
static inline struct cell *host_next(struct host *host)
{
    struct cell *cell;
    if (LEAT_UNLIKELY(host->urgent_head != NULL) &&
        ((host->turns & 1) == 0 || host->run_head == NULL)) {
        cell = host->urgent_head;
        host->urgent_head = cell->run_next;
        if (host->urgent_head == NULL) {
            host->urgent_last = &host->urgent_head;
        }
        return cell;
    }
    cell = host->run_head;
    if (cell != NULL) {
        host->run_head = cell->run_next;
        if (host->run_head == NULL) {
            host->run_last = &host->run_head;
        }
    }
    return cell;
}

/* Ready, unless it is so already or waits for something else. */
static inline void host_ready(struct host *host, struct cell *cell)
{
    if ((cell->flags & (CELL_SCHEDULED | CELL_PARKED)) == 0) {
        host_schedule(host, cell);
    }
}

/* Whether the actor that `ref` means lives on this host. */
static inline bool host_has(const struct host *host, const struct cell *cell, leat_ref ref)
{
    return cell_owner(cell) == host->index && load_relaxed_u64(&cell->identity) == ref.id;
}

/* Appends to the box of an actor of this host; whoever calls has looked at the limit. */
static inline void host_append(struct host *host, struct cell *cell, leat_ref from,
                               union node *node)
{
    node->event.from = from;
    box_append(&cell->box, node);
    host_ready(host, cell);
}

/* Puts a message into the data lane of `to`, which has a cell of its own. 0, and the node is taken
 * over; -EAGAIN full; -ESRCH nobody there; POST_MEMBER: it has none, see host_post_member. Inlined
 * whatever the compiler thinks: a call costs more than a message can spare. */
__attribute__((always_inline)) static inline int host_post_cell(struct host *host, leat_ref to,
                                                                 leat_ref from, union node *node)
{
    if (LEAT_UNLIKELY(ref_slot(to) >= host->cells_max)) {
        return POST_MEMBER;
    }
    struct cell *cell = &host->cells[ref_slot(to)];
    __builtin_prefetch(&cell->door, 1); /* on its way while the cell is looked at */
    if (LEAT_UNLIKELY(!host_has(host, cell, to))) {
        return host_post_remote(host, cell, to, from, node, false);
    }
    if (LEAT_UNLIKELY((cell->flags & CELL_UNBORN) != 0)) {
        host_collect(host, cell); /* no message may overtake its INIT */
    }
    if (LEAT_UNLIKELY(
            box_is_full(&cell->box, cell->box.len + load_relaxed_u32(&cell->door.inside)))) {
        return -EAGAIN;
    }
    host_append(host, cell, from, node);
    return 0;
}

/* The same to anybody; -ENOMEM: a member, and no envelope. */
static inline int host_post(struct host *host, leat_ref to, leat_ref from, union node *node)
{
    int status = host_post_cell(host, to, from, node);
    if (LEAT_UNLIKELY(status == POST_MEMBER)) {
        return host_post_member(host, to, from, node, false);
    }
    return status;
}

/* The same for what has its place reserved: never full. */
static inline int host_post_reserved(struct host *host, leat_ref to, leat_ref from,
                                     union node *node)
{
    struct cell *cell = registry_cell(host->registry, to);
    if (cell == NULL) {
        return host_post_member(host, to, from, node, true);
    }
    if (!host_has(host, cell, to)) {
        return host_post_remote(host, cell, to, from, node, true);
    }
    host_collect(host, cell);
    host_append(host, cell, from, node);
    return 0;
}

/* Reports a transition; the caller says what is particular about it, the rest is filled in where it
 * lies: a copy would wait for the stores of its small members. */
void host_trace(struct host *host, struct cell *cell, struct leat_trace *trace);

/* The number of a message in traces: the node it lies in; of one that is published the same for all its
 * copies, and so made of what they have in common. */
uint64_t trace_number(const union node *node, bool is_published);

/* What a transition out of a state with an output says of it. */
static inline struct leat_trace trace_output(enum leat_actor_state from, enum leat_actor_state to,
                                             const union node *out)
{
    struct leat_trace trace = {
        .from = (uint8_t)from, .to = (uint8_t)to, .kind = out->output.kind};
    if (out->output.kind == LEAT_OUTPUT_SEND) {
        trace.peer = out->output.to;
        trace.message = trace_number(out, false);
    } else if (out->output.kind == LEAT_OUTPUT_PUBLISH) {
        trace.message = trace_number(out, true);
    }
    return trace;
}

/* The same of one into a state with an input. */
static inline struct leat_trace trace_input(enum leat_actor_state from, enum leat_actor_state to,
                                            const struct leat_event *event)
{
    struct leat_trace trace = {.from = (uint8_t)from, .to = (uint8_t)to, .kind = event->kind};
    const union node *node = (const union node *)(const void *)event;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        trace.peer = event->from;
        trace.message = trace_number(node, false);
    } else if (event->kind == LEAT_EVENT_PUBLISHED) {
        trace.message = trace_number(node, true);
    }
    return trace;
}

/* Says something once in a while: the k-th time for k a power of two. */
__attribute__((format(printf, 4, 5))) void host_log(struct host *host, enum leat_log_level level,
                                                    uint64_t times, const char *format, ...);

#endif
