/* Who hears what, on one worker. Invariant: a subscription is in its subscriber's list and in its
 * channel's array, or in neither. A channel with live subscribers is announced to all other
 * workers; each of them has set this worker's bit once acks_left is 0. */
#include "bus.h"

#include <string.h>

#include "mem.h"

#define SUBSCRIBERS_MIN 8u

/* ---- open, close ---- */

struct cell *bus_open(struct host *host)
{
    struct bus *bus = mem_zalloc(sizeof(*bus), 64);
    struct channel *channels = mem_range_reserve(LEAT_CHANNELS_MAX * sizeof(*channels));
    struct cell *mailbox = host_mailbox(host, BUS_HOPS_MAX);
    if (bus == NULL || channels == NULL || mailbox == NULL) {
        if (mailbox != NULL) {
            host_mailbox_close(host, mailbox);
        }
        if (channels != NULL) {
            mem_pages_free(channels, LEAT_CHANNELS_MAX * sizeof(*channels));
        }
        mem_free(bus);
        return NULL;
    }
    *bus = (struct bus){.host = host, .channels = channels};
    mailbox->flags = CELL_SYSTEM;
    host->bus = bus;
    host->system = cell_ref(mailbox);
    return mailbox;
}

void bus_close(struct host *host)
{
    struct bus *bus = host->bus;
    if (bus->walk.node != NULL) {
        bus_walk_end(host);
    }
    while (bus->outside != NULL) {
        bus_leave(bus, bus->outside, -ESRCH);
    }
    uint32_t len = channel_slots_len();
    for (uint32_t slot = 0; slot < len; slot++) {
        struct channel *channel = &bus->channels[slot];
        LEAT_ASSERT(channel->live == 0 && channel->pending == NULL);
        mem_free(channel->subscribers);
    }
    mem_pages_free(bus->channels, LEAT_CHANNELS_MAX * sizeof(*bus->channels));
    mem_free(bus);
    host->bus = NULL;
}

/* ---- between workers ---- */

/* Puts a note into a worker's own mailbox, never refused; frees it if that worker has ended. */
static void tell(struct host *host, uint32_t worker, struct note *note)
{
    union node *node = (union node *)(void *)note;
    leat_ref system = host->registry->hosts[worker]->system;
    leat_ref from = {.id = note->channel.id}; /* lies where a message has its sender */
    if (host_post_reserved(host, system, from, node) < 0) {
        pool_give(host->pool, node);
    }
}

static struct note *note_new(struct host *host, uint8_t kind, leat_channel channel)
{
    union node *node = pool_take(host->pool);
    if (node == NULL) {
        return NULL;
    }
    struct note *note = note_of(node);
    *note = (struct note){.kind = kind, .pool = note->pool, .channel = channel};
    return note;
}

/* A note for each other worker, or none: NULL with *ret_ok false when there is no memory. */
static union node *notes_for_others(struct bus *bus, uint8_t kind, const struct channel *channel,
                                    bool *ret_ok)
{
    struct host *host = bus->host;
    union node *list = NULL;
    *ret_ok = true;
    for (uint32_t w = 0; w < host->registry->workers && *ret_ok; w++) {
        if (w == host->index) {
            continue;
        }
        struct note *note = note_new(host, kind, channel->id);
        *ret_ok = note != NULL;
        if (*ret_ok) {
            note->worker = w;
            note->next = list;
            list = (union node *)(void *)note;
        }
    }
    while (!*ret_ok && list != NULL) {
        union node *next = list->next;
        pool_give(host->pool, list);
        list = next;
    }
    return list;
}

static uint32_t tell_others(struct bus *bus, union node *list, uint32_t epoch)
{
    uint32_t len = 0;
    while (list != NULL) {
        struct note *note = note_of(list);
        list = list->next;
        uint32_t to = note->worker;
        note->worker = bus->host->index;
        note->epoch = epoch;
        tell(bus->host, to, note);
        len++;
    }
    return len;
}

/* Answers a request; the note becomes the event. */
static void answer(struct host *host, struct note *note, uint8_t kind, int status)
{
    leat_ref requester = note->requester;
    leat_ref from = {.id = note->channel.id};
    note->kind = kind;
    note->len = 0;
    note->status = status;
    union node *node = (union node *)(void *)note;
    if (host_post_reserved(host, requester, from, node) < 0) {
        pool_give(host->pool, node);
    }
}

/* ---- channels ---- */

/* Answers all that waits for acknowledgements, oldest first. */
static void pending_answer(struct bus *bus, struct channel *channel, int status)
{
    union node *oldest = NULL;
    while (channel->pending != NULL) {
        union node *node = channel->pending;
        channel->pending = node->next;
        node->next = oldest;
        oldest = node;
    }
    while (oldest != NULL) {
        union node *next = oldest->next;
        answer(bus->host, note_of(oldest), LEAT_EVENT_SUBSCRIBED, status);
        oldest = next;
    }
}

/* Only what is about one subscriber, which leaves before it was confirmed. */
static void pending_cancel(struct bus *bus, struct channel *channel, leat_ref subscriber,
                           int status)
{
    union node **link = &channel->pending;
    while (*link != NULL) {
        struct note *note = note_of(*link);
        if (leat_ref_equal(note->subscriber, subscriber)) {
            *link = (*link)->next;
            answer(bus->host, note, LEAT_EVENT_SUBSCRIBED, status);
        } else {
            link = &(*link)->next;
        }
    }
}

/* It has been closed: its subscriptions end. */
static void channel_end(struct bus *bus, struct channel *channel)
{
    for (uint32_t i = channel->len; i-- > 0;) {
        if (i < channel->len && channel->subscribers[i].subscription != NULL) {
            bus_leave(bus, channel->subscribers[i].subscription, -EBADF);
        }
    }
    LEAT_ASSERT(channel->pending == NULL);
    store_release_u64(&channel->id.id, 0);
}

bool bus_is_open(struct bus *bus, struct channel *channel)
{
    uint64_t closings = channel_closings();
    if (LEAT_LIKELY(channel->closings == closings)) {
        return true;
    }
    channel->closings = closings;
    if (channel_is_open(channel->id)) {
        return true;
    }
    channel_end(bus, channel);
    return false;
}

/* The slot has a new channel: the old one has been closed. */
static void channel_reset(struct bus *bus, struct channel *channel, leat_channel id)
{
    channel_end(bus, channel);
    channel->workers = 0;
    channel->is_announced = false;
    channel->acks_left = 0;
    store_relaxed_u64(&channel->published, 0);
    store_relaxed_u64(&channel->delivered, 0);
    store_relaxed_u64(&channel->refused, 0);
    store_release_u64(&channel->id.id, id.id);
}

/* The entry of an open channel; NULL: it is closed. */
static struct channel *channel_make(struct bus *bus, leat_channel id)
{
    uint64_t closings = channel_closings();
    struct channel *channel = bus_channel(bus, id);
    if (channel != NULL) {
        return bus_is_open(bus, channel) ? channel : NULL;
    }
    if (!channel_is_open(id)) {
        return NULL;
    }
    channel = &bus->channels[channel_slot(id)];
    channel_reset(bus, channel, id);
    channel->closings = closings;
    return channel;
}

/* Nobody is left in the array, and no walk is in it. */
static void shrink(struct channel *channel)
{
    if (channel->len == 0) {
        mem_free(channel->subscribers);
        channel->subscribers = NULL;
        channel->cap = 0;
    }
}

void bus_compact(struct channel *channel)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < channel->len; i++) {
        if (channel->subscribers[i].subscription != NULL) {
            channel->subscribers[kept] = channel->subscribers[i];
            channel->subscribers[kept].subscription->at = kept;
            kept++;
        }
    }
    LEAT_ASSERT(kept == channel->live);
    channel->len = kept;
    shrink(channel);
}

/* The last subscriber has gone. Without memory the others go on sending, which is but a waste. */
static void retract(struct bus *bus, struct channel *channel)
{
    bool ok;
    union node *list = notes_for_others(bus, NODE_UNROUTE, channel, &ok);
    if (ok) {
        tell_others(bus, list, 0);
        channel->is_announced = false;
        channel->acks_left = 0;
    }
}

/* ---- subscriptions ---- */

/* Whether it is a controller that is open. */
static bool is_outside(const struct host *host, leat_ref ref)
{
    const struct cell *cell = registry_cell(host->registry, ref);
    if (cell == NULL || load_acquire_u64(&cell->identity) != ref.id) {
        return false;
    }
    uint32_t owner = cell_owner(cell);
    return owner >= LEAT_WORKERS_MAX && owner != OWNER_NONE;
}

/* The list a subscriber's subscriptions are in, on the worker that serves it; NULL: none. */
static struct subscription **list_of(struct bus *bus, leat_ref subscriber)
{
    struct subscription **list = host_subscriptions(bus->host, subscriber);
    if (list == NULL && is_outside(bus->host, subscriber)) {
        list = &bus->outside;
    }
    return list;
}

/* Looked for in the subscriber's list and in the channel's array at once, as one of them may be
 * long: an actor with many channels, a channel with many subscribers. */
static struct subscription *find(struct subscription *list, const struct channel *channel,
                                 leat_ref subscriber)
{
    for (uint32_t i = 0; list != NULL && i < channel->len; i++, list = list->next) {
        if (list->channel == channel && leat_ref_equal(list->subscriber, subscriber)) {
            return list;
        }
        const struct subscriber *at = &channel->subscribers[i];
        if (at->subscription != NULL && leat_ref_equal(at->ref, subscriber)) {
            return at->subscription;
        }
    }
    return NULL;
}

static void list_add(struct subscription **list, struct subscription *subscription)
{
    subscription->next = *list;
    subscription->link = list;
    if (*list != NULL) {
        (*list)->link = &subscription->next;
    }
    *list = subscription;
}

static void list_remove(struct subscription *subscription)
{
    LEAT_ASSERT(*subscription->link == subscription);
    *subscription->link = subscription->next;
    if (subscription->next != NULL) {
        subscription->next->link = subscription->link;
    }
}

static int room_for_one(struct channel *channel)
{
    if (channel->len < channel->cap) {
        return 0;
    }
    uint32_t cap = channel->cap == 0 ? SUBSCRIBERS_MIN : channel->cap * 2;
    struct subscriber *subscribers = mem_alloc(cap * sizeof(*subscribers), 64);
    if (subscribers == NULL) {
        return -ENOMEM;
    }
    if (channel->len > 0) {
        memcpy(subscribers, channel->subscribers, channel->len * sizeof(*subscribers));
    }
    mem_free(channel->subscribers);
    channel->subscribers = subscribers;
    channel->cap = cap;
    return 0;
}

/* The first subscriber here: all other workers are to send to this one. */
static int announce(struct bus *bus, struct channel *channel)
{
    if (channel->is_announced) {
        return 0;
    }
    bool ok;
    union node *list = notes_for_others(bus, NODE_ROUTE, channel, &ok);
    if (!ok) {
        return -ENOMEM;
    }
    channel->epoch++;
    channel->is_announced = true;
    channel->acks_left = tell_others(bus, list, channel->epoch);
    return 0;
}

static int add(struct bus *bus, struct subscription **list, struct channel *channel,
               leat_ref subscriber)
{
    struct subscription *subscription = mem_alloc(sizeof(*subscription), 16);
    if (subscription == NULL || room_for_one(channel) < 0 || announce(bus, channel) < 0) {
        mem_free(subscription);
        return -ENOMEM;
    }
    *subscription =
        (struct subscription){.channel = channel, .subscriber = subscriber, .at = channel->len};
    list_add(list, subscription);
    channel->subscribers[channel->len++] =
        (struct subscriber){.ref = subscriber, .subscription = subscription};
    store_relaxed_u32(&channel->live, channel->live + 1);
    return 0;
}

static void subscribe(struct bus *bus, struct note *note)
{
    struct channel *channel = channel_make(bus, note->channel);
    struct subscription **list = list_of(bus, note->subscriber);
    int status = 0;
    if (channel == NULL || list == NULL) {
        status = channel == NULL ? -EBADF : -ESRCH;
    } else if (find(*list, channel, note->subscriber) == NULL) {
        status = add(bus, list, channel, note->subscriber);
    }
    if (status < 0 || channel->acks_left == 0) {
        answer(bus->host, note, LEAT_EVENT_SUBSCRIBED, status);
        return;
    }
    note->next = channel->pending;
    channel->pending = (union node *)(void *)note;
}

/* Out of the channel's array, where a walk may be. */
static void array_remove(struct bus *bus, struct subscription *subscription)
{
    struct channel *channel = subscription->channel;
    uint32_t at = subscription->at;
    LEAT_ASSERT(channel->subscribers[at].subscription == subscription);
    if (bus->walk.node != NULL && bus->walk.channel == channel) {
        channel->subscribers[at].subscription = NULL;
    } else {
        channel->subscribers[at] = channel->subscribers[--channel->len];
        if (at < channel->len) {
            channel->subscribers[at].subscription->at = at;
        }
        shrink(channel);
    }
    store_relaxed_u32(&channel->live, channel->live - 1);
    if (channel->live == 0) {
        retract(bus, channel);
    }
}

/* It is in its subscriber's list no more. */
static void leave(struct bus *bus, struct subscription *subscription, int status)
{
    pending_cancel(bus, subscription->channel, subscription->subscriber, status);
    array_remove(bus, subscription);
    mem_free(subscription);
}

void bus_leave(struct bus *bus, struct subscription *subscription, int status)
{
    list_remove(subscription);
    leave(bus, subscription, status);
}

static void unsubscribe(struct bus *bus, struct note *note)
{
    struct channel *channel = bus_channel(bus, note->channel);
    struct subscription **list = list_of(bus, note->subscriber);
    struct subscription *subscription =
        channel != NULL && list != NULL ? find(*list, channel, note->subscriber) : NULL;
    if (subscription != NULL) {
        bus_leave(bus, subscription, -ECANCELED);
    }
    answer(bus->host, note, LEAT_EVENT_UNSUBSCRIBED, subscription != NULL ? 0 : -ENOENT);
}

void bus_forget(struct host *host, struct subscription **list)
{
    while (*list != NULL) {
        struct subscription *subscription = *list;
        list_remove(subscription);
        leave(host->bus, subscription, -ESRCH);
    }
}

/* A controller is closed: all it had subscribed to. */
static void leave_all(struct bus *bus, leat_ref subscriber)
{
    struct subscription *next;
    for (struct subscription *at = bus->outside; at != NULL; at = next) {
        next = at->next;
        if (leat_ref_equal(at->subscriber, subscriber)) {
            bus_leave(bus, at, -ESRCH);
        }
    }
}

/* ---- notes ---- */

static void route(struct bus *bus, struct note *note)
{
    struct channel *channel = channel_make(bus, note->channel);
    uint32_t worker = note->worker;
    if (channel != NULL) {
        channel->workers |= UINT64_C(1) << worker;
    }
    note->kind = NODE_ROUTED;
    tell(bus->host, worker, note);
}

static void routed(struct bus *bus, const struct note *note)
{
    struct channel *channel = bus_channel(bus, note->channel);
    if (channel != NULL && channel->epoch == note->epoch && channel->acks_left > 0 &&
        --channel->acks_left == 0) {
        pending_answer(bus, channel, 0);
    }
}

static void unroute(struct bus *bus, const struct note *note)
{
    struct channel *channel = bus_channel(bus, note->channel);
    if (channel != NULL) {
        channel->workers &= ~(UINT64_C(1) << note->worker);
    }
}

void bus_note(struct bus *bus, struct note *note)
{
    switch (note->kind) {
    case NODE_SUBSCRIBE:
        subscribe(bus, note);
        return;
    case NODE_UNSUBSCRIBE:
        unsubscribe(bus, note);
        return;
    case NODE_ROUTE:
        route(bus, note);
        return;
    case NODE_ROUTED:
        routed(bus, note);
        break;
    case NODE_UNROUTE:
        unroute(bus, note);
        break;
    default:
        LEAT_ASSERT(note->kind == NODE_LEAVE);
        leave_all(bus, note->subscriber);
    }
    pool_give(bus->host->pool, (union node *)(void *)note);
}

/* ---- requests ---- */

/* The worker that serves a subscriber: its own, or the one that does so for a controller. */
static int home_of(const struct host *host, leat_ref subscriber)
{
    leat_ref ref = registry_home(host->registry, subscriber);
    const struct cell *cell = registry_cell(host->registry, ref);
    if (cell == NULL || load_acquire_u64(&cell->identity) != ref.id) {
        return -ESRCH;
    }
    uint32_t owner = cell_owner(cell);
    if (owner < host->registry->workers &&
        leat_ref_equal(host->registry->hosts[owner]->system, subscriber)) {
        return -ESRCH; /* a worker's own mailbox: nobody has this ref, it was made up */
    }
    return (int)bus_home(host, owner);
}

int bus_request(struct host *host, const struct bus_request *request, union node *node)
{
    leat_ref none = LEAT_REF_NONE;
    leat_ref subscriber =
        leat_ref_equal(request->subscriber, none) ? request->requester : request->subscriber;
    int home = home_of(host, subscriber);
    if (home < 0) {
        return home;
    }
    struct note *note = note_of(node);
    *note = (struct note){
        .kind = request->is_subscribe ? NODE_SUBSCRIBE : NODE_UNSUBSCRIBE,
        .pool = host->pool->index,
        .channel = request->channel,
        .cookie = request->cookie,
        .subscriber = subscriber,
        .requester = request->requester,
    };
    if ((uint32_t)home == host->index) {
        bus_note(host->bus, note);
    } else {
        tell(host, (uint32_t)home, note);
    }
    return 0;
}

void bus_leave_outside(struct host *host, leat_ref subscriber)
{
    struct note *note = note_new(host, NODE_LEAVE, LEAT_CHANNEL_NONE);
    if (note != NULL) { /* else it leaves when the next message finds it gone */
        note->subscriber = subscriber;
        tell(host, bus_home(host, host->index), note);
    }
}

bool bus_count(const struct host *host, struct leat_channel_stats *sum)
{
    const struct channel *channel = &host->bus->channels[channel_slot(sum->channel)];
    if (load_acquire_u64(&channel->id.id) != sum->channel.id) {
        return false;
    }
    sum->subscribers += load_relaxed_u32(&channel->live);
    sum->published += load_relaxed_u64(&channel->published);
    sum->delivered += load_relaxed_u64(&channel->delivered);
    sum->refused += load_relaxed_u64(&channel->refused);
    return true;
}
