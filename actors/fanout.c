/* What one message becomes on its way to many: a hop to each worker that has subscribers, then a
 * walk over those there. Each is given the same event, at once where it is idle, through its
 * mailbox otherwise: no copy of a body, and no node for who has nothing else to do. One walk at a
 * time, so a publisher's messages stay in order; it gives way like any actor, and others have their
 * turn.
 *
 * Subscribers that are slow with what they are given would so hold up all that is published. When a
 * walk has taken a round's time with less than a round's work, everybody is given through the
 * mailbox until the bus has caught up: then the slow lose what their mailboxes have no room for,
 * and nobody else. */
#include <string.h>

#include "bus.h"

/* ---- sending ---- */

static void message_free(struct host *host, union node *message)
{
    if (message->head.len == LEAT_LEN_BODY) {
        leat_buf_unref(message->event.body.buf);
    }
    pool_give(host->pool, message);
}

/* A copy by reference; NULL: no memory. */
static union node *message_copy(struct host *host, const union node *message)
{
    union node *copy = pool_take(host->pool);
    if (copy != NULL) {
        uint16_t pool = copy->head.pool;
        *copy = *message;
        copy->head.pool = pool;
        if (copy->head.len == LEAT_LEN_BODY) {
            leat_buf_ref(copy->event.body.buf);
        }
    }
    return copy;
}

static struct parcel *parcel_new(struct host *host, uint8_t kind, union node *message)
{
    union node *node = pool_take(host->pool);
    if (node == NULL) {
        return NULL;
    }
    struct parcel *parcel = parcel_of(node);
    *parcel = (struct parcel){.kind = kind, .pool = parcel->pool, .message = message};
    return parcel;
}

/* Tells a publisher that somebody did not get its message, if it has room for the news; with
 * LEAT_REF_NONE, which is once for a hop, in any case. False: it has not been told. Without memory
 * it is only counted. */
static bool tell_refused(struct host *host, const struct parcel *parcel, leat_channel channel,
                         leat_ref subscriber, int status)
{
    union node *node = pool_take(host->pool);
    if (node == NULL) {
        return false;
    }
    node->head.kind = LEAT_EVENT_REFUSED;
    node->head.len = 0;
    node->event.status = status;
    node->event.bus.cookie = parcel->cookie;
    node->event.bus.subscriber = subscriber;
    leat_ref from = {.id = channel.id};
    bool is_last = leat_ref_equal(subscriber, LEAT_REF_NONE);
    int posted = is_last ? host_post_reserved(host, parcel->publisher, from, node)
                         : host_post(host, parcel->publisher, from, node);
    if (posted < 0) {
        pool_give(host->pool, node);
    }
    return posted != -EAGAIN;
}

/* A copy that finds no way to its worker is counted like any other. */
static void count_lost(struct host *host, int status)
{
    host->count.sent++;
    host->copies++;
    host->count.refused += status != -ESRCH; /* else the worker has ended */
    host->count.dead_letters += status == -ESRCH;
}

/* One hop. Takes the message over, whatever becomes of it. */
static int hop(struct host *host, uint32_t worker, const struct bus_publish *publish,
               union node *message)
{
    leat_ref system = host->registry->hosts[worker]->system;
    leat_ref from = {.id = publish->channel.id};
    struct parcel *parcel = NULL;
    union node *node = message;
    message->event.channel = publish->channel;
    bool is_counted = host->bus == NULL && worker == bus_home(host, host->index);
    message->head.kind = is_counted ? NODE_PUBLISH_OUTSIDE : NODE_PUBLISH;
    if (publish->is_safe) {
        parcel = parcel_new(host, NODE_PUBLISH_SAFE, message);
        node = (union node *)(void *)parcel;
    }
    int status = -ENOMEM;
    if (node != NULL) {
        if (parcel != NULL) {
            parcel->publisher = publish->publisher;
            parcel->cookie = publish->cookie;
        }
        status = host_post(host, system, from, node);
    }
    if (status == 0) {
        return 0;
    }
    count_lost(host, status);
    if (publish->is_safe && status != -ESRCH) {
        struct parcel told = {.publisher = publish->publisher, .cookie = publish->cookie};
        tell_refused(host, &told, publish->channel, LEAT_REF_NONE, status);
    }
    if (parcel != NULL) {
        pool_give(host->pool, node);
    }
    message_free(host, message);
    return status == -ESRCH ? 0 : status;
}

/* The workers to send to, as bits: those with subscribers, or all where that is not known. */
static uint64_t hops_of(const struct host *host, const struct channel *channel)
{
    if (host->bus == NULL) {
        return UINT64_MAX >> (64 - host->registry->workers);
    }
    if (channel == NULL) {
        return 0;
    }
    return channel->workers | (channel->live > 0 ? UINT64_C(1) << host->index : 0);
}

int bus_publish(struct host *host, const struct bus_publish *publish, union node *node)
{
    struct channel *channel = host->bus != NULL ? bus_channel(host->bus, publish->channel) : NULL;
    uint64_t hops = hops_of(host, channel);
    int status = 0;
    host->count.published++;
    if (channel != NULL) {
        count_add(&channel->published, 1);
    }
    if (hops == 0) {
        message_free(host, node);
    }
    while (hops != 0) {
        uint32_t worker = (uint32_t)__builtin_ctzll(hops);
        hops &= hops - 1;
        union node *message = hops != 0 ? message_copy(host, node) : node;
        int hopped = -ENOMEM;
        if (message != NULL) {
            hopped = hop(host, worker, publish, message);
        } else {
            count_lost(host, -ENOMEM);
        }
        if (hopped < 0) {
            status = hopped;
            if (channel != NULL) {
                count_add(&channel->refused, 1);
            }
        }
    }
    return status;
}

int bus_broadcast(struct host *host, const struct bus_broadcast *broadcast, union node *node)
{
    int status = 0;
    node->head.kind = LEAT_EVENT_MESSAGE;
    node->event.from = broadcast->from;
    for (uint32_t worker = broadcast->worker; worker < broadcast->worker_end; worker++) {
        union node *message = message_copy(host, node);
        struct parcel *parcel = message != NULL ? parcel_new(host, NODE_BROADCAST, message) : NULL;
        int sent = -ENOMEM;
        if (parcel != NULL) {
            parcel->behavior = broadcast->behavior;
            sent = host_post(host, host->registry->hosts[worker]->system, broadcast->from,
                             (union node *)(void *)parcel);
        }
        if (sent < 0) {
            status = sent != -ESRCH ? sent : status;
            count_lost(host, sent);
            if (parcel != NULL) {
                pool_give(host->pool, (union node *)(void *)parcel);
            }
            if (message != NULL) {
                message_free(host, message);
            }
        }
    }
    if (status == 0) {
        message_free(host, node);
    }
    return status;
}

void bus_drop(struct host *host, union node *node)
{
    if (node->head.kind == NODE_PUBLISH || node->head.kind == NODE_PUBLISH_OUTSIDE) {
        message_free(host, node);
        return;
    }
    if (node->head.kind == NODE_PUBLISH_SAFE || node->head.kind == NODE_BROADCAST) {
        message_free(host, parcel_of(node)->message);
    }
    pool_give(host->pool, node);
}

/* ---- walks ---- */

/* Gives one actor or controller its copy. */
static int give_copy(struct host *host, leat_ref to, const struct leat_event *event)
{
    host->count.sent++;
    host->copies++;
    struct cell *cell = registry_cell(host->registry, to);
    int status;
    if (cell != NULL && host_has(host, cell, to)) {
        bool is_behind = host->bus->is_behind;
        host->work += is_behind;
        status = is_behind ? box_input(host, cell, to, event) : actor_input(host, cell, to, event);
    } else {
        union node *copy = message_copy(host, (const union node *)(const void *)event);
        status = copy != NULL ? host_post(host, to, event->from, copy) : -ENOMEM;
        if (status < 0 && copy != NULL) {
            message_free(host, copy);
        }
    }
    host->count.dead_letters += status == -ESRCH;
    host->count.refused += status < 0 && status != -ESRCH;
    return status;
}

/* Who comes soon: the cell first, then what it points to. */
static void prefetch_ahead(const struct host *host, const struct channel *channel, uint32_t at,
                           uint32_t end)
{
    uint32_t slot = at + 8 < end ? ref_slot(channel->subscribers[at + 8].ref) : UINT32_MAX;
    if (slot < host->cells_max) {
        __builtin_prefetch(&host->cells[slot], 1);
        __builtin_prefetch(&host->cells[slot].door);
    }
    slot = at + 3 < end ? ref_slot(channel->subscribers[at + 3].ref) : UINT32_MAX;
    if (slot < host->cells_max) {
        __builtin_prefetch(host->cells[slot].state, 1);
    }
}

static void give_subscriber(struct host *host, struct walk *walk, struct subscriber subscriber)
{
    struct channel *channel = walk->channel;
    int status = give_copy(host, subscriber.ref, &walk->message->event);
    if (LEAT_LIKELY(status == 0)) {
        if (LEAT_LIKELY(channel->id.id == walk->message->event.channel.id)) {
            count_add(&channel->delivered, 1); /* else it was closed meanwhile */
        }
        return;
    }
    if (status == -ESRCH) { /* a controller that has been closed */
        bus_leave(host->bus, subscriber.subscription, -ESRCH);
        return;
    }
    count_add(&channel->refused, 1);
    if (walk->node != walk->message &&
        !tell_refused(host, parcel_of(walk->node), channel->id, subscriber.ref, status)) {
        walk->untold = status;
    }
}

/* Whether the bus is to give way; with a round's work left it is the time that has run out. */
static bool gives_way(struct host *host, uint32_t visited)
{
    uint32_t work = host->work;
    if (!walk_is_over(host, visited)) {
        return false;
    }
    host->bus->is_behind = host->bus->is_behind || work < ROUND_WORK;
    return true;
}

/* Both return whether the walk has come to its end. */

static bool publish_on(struct host *host, struct walk *walk, uint32_t *visited)
{
    struct channel *channel = walk->channel;
    if (channel->id.id == walk->message->event.channel.id && !bus_is_open(host->bus, channel)) {
        return true;
    }
    while (walk->at < walk->end) {
        prefetch_ahead(host, channel, walk->at, walk->end);
        struct subscriber subscriber = channel->subscribers[walk->at++];
        if (LEAT_LIKELY(subscriber.subscription != NULL)) {
            give_subscriber(host, walk, subscriber);
        }
        ++*visited;
        if (walk->at < walk->end && gives_way(host, *visited)) {
            return false;
        }
    }
    return true;
}

static bool broadcast_on(struct host *host, struct walk *walk, uint32_t *visited)
{
    const struct parcel *parcel = parcel_of(walk->node);
    while (walk->at < walk->end) {
        struct cell *cell = host_actor_at(host, walk->at++);
        if (cell != NULL && (parcel->behavior == NULL || cell->behavior == parcel->behavior)) {
            host_collect(host, cell); /* what the same sender sent before comes first */
            give_copy(host, cell_ref(cell), &walk->message->event);
        }
        ++*visited;
        if (walk->at < walk->end && gives_way(host, *visited)) {
            return false;
        }
    }
    return true;
}

/* The next item of the mailbox: a walk begins, unless it is a note or nobody is meant. */
static void begin(struct host *host, struct walk *walk, union node *node)
{
    if (LEAT_UNLIKELY(node->head.kind < NODE_KIND_BUS)) {
        drop_node(host, node); /* for a ref that nobody was given */
        return;
    }
    if (node->head.kind > NODE_BROADCAST) {
        bus_note(host->bus, note_of(node));
        return;
    }
    bool is_outside = node->head.kind == NODE_PUBLISH_OUTSIDE;
    bool is_plain = is_outside || node->head.kind == NODE_PUBLISH;
    union node *message = is_plain ? node : parcel_of(node)->message;
    *walk = (struct walk){.node = node, .message = message};
    if (node->head.kind == NODE_BROADCAST) {
        if (host->count.actors > 0 || load_acquire_u32(&host->arriving) > 0) {
            walk->end = load_acquire_u32(&host->registry->cells_len);
        } /* else there is nobody, at the end of the runtime above all: over at once */
        return;
    }
    walk->channel = bus_channel(host->bus, message->event.channel);
    if (walk->channel != NULL && is_outside) {
        count_add(&walk->channel->published, 1);
    }
    if (walk->channel == NULL || walk->channel->live == 0) { /* they have all left */
        walk->node = NULL;
        bus_drop(host, node);
        return;
    }
    message->head.kind = LEAT_EVENT_PUBLISHED;
    walk->end = walk->channel->len;
}

void bus_walk_end(struct host *host)
{
    struct walk *walk = &host->bus->walk;
    union node *node = walk->node;
    if (walk->untold < 0) { /* one word for all that there was no room for */
        tell_refused(host, parcel_of(node), walk->message->event.channel, LEAT_REF_NONE,
                     walk->untold);
    }
    walk->node = NULL;
    if (walk->channel != NULL && walk->channel->len != walk->channel->live) {
        bus_compact(walk->channel);
    }
    if (walk->message != node) {
        pool_give(host->pool, node);
    }
    message_free(host, walk->message);
}

void bus_turn(struct host *host, struct cell *cell)
{
    struct walk *walk = &host->bus->walk;
    uint32_t visited = 0;
    if (LEAT_LIKELY(!host->is_settling)) {
        host_collect(host, cell);
    }
    for (bool is_first = true;; is_first = false) {
        if (walk->node == NULL) {
            if (!is_first && gives_way(host, ++visited)) {
                break;
            }
            union node *node = box_take(&cell->box);
            if (node == NULL) {
                host->bus->is_behind = false;
                break;
            }
            begin(host, walk, node);
        }
        if (walk->node != NULL) {
            walk->message->event.now = host->now;
            bool is_over = walk->channel != NULL ? publish_on(host, walk, &visited)
                                                 : broadcast_on(host, walk, &visited);
            if (!is_over) {
                break;
            }
            bus_walk_end(host);
        }
    }
    cell->flags &= (uint16_t) ~(CELL_SCHEDULED | CELL_WALK);
    if (walk->node != NULL) {
        cell->flags |= CELL_WALK;
    }
    if (walk->node != NULL || cell->box.head != NULL) {
        host_schedule(host, cell);
    }
}
