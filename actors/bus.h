/* The bus of one worker: which channels have subscribers here, and which other workers have any.
 *
 * Each worker keeps a table of its own, so publishing looks at nothing shared: one message goes to
 * each worker that has subscribers, through that worker's own mailbox, and is fanned out there by
 * reference. The first subscriber of a channel makes its worker tell all others, and is confirmed when
 * all have answered; the last one's end makes it tell them again. What goes from one worker to
 * another stays in order, so no message is needed to keep the two apart.
 *
 * bus.c has the tables and who is in them, fanout.c what is done with a message. */
#ifndef LEAT_BUS_H
#define LEAT_BUS_H

#include "channel.h"
#include "host.h"

/* Publishes and broadcasts that may wait at a worker: a turn's outputs of a thousand publishers. */
#define BUS_HOPS_MAX 65536u

/* Kinds of node in a worker's own mailbox. */
enum {
    NODE_PUBLISH = NODE_KIND_BUS, /* fan out: a message, its channel where a message has `from` */
    NODE_PUBLISH_OUTSIDE,         /* the same from a controller, to be counted here */
    NODE_PUBLISH_SAFE,            /* a parcel with such a message, and who is to hear of losses */
    NODE_BROADCAST,               /* a parcel with a message for all, or all of a behaviour */
    NODE_SUBSCRIBE,               /* requests, as notes, which become their answers */
    NODE_UNSUBSCRIBE,
    NODE_LEAVE,   /* a note: a controller closes, all its subscriptions end */
    NODE_ROUTE,   /* a note: `worker` has subscribers from now on; to be acknowledged */
    NODE_ROUTED,  /* the note coming back */
    NODE_UNROUTE, /* a note: `worker` has none any more */
};

struct note {
    union node  *next;
    uint8_t      kind, len;
    uint16_t     pool;
    int32_t      status;
    leat_channel channel;
    uint64_t     cookie;     /* these two are what the event that answers has */
    leat_ref     subscriber;
    leat_ref     requester;  /* whom to answer */
    uint32_t     worker;     /* of a route */
    uint32_t     epoch;
    uint64_t     zero;
};

struct parcel {
    union node  *next;
    uint8_t      kind, len;
    uint16_t     pool;
    uint32_t     zero;
    leat_ref     from; /* the mailbox's: unused */
    union node  *message;
    leat_ref     publisher; /* SAFE */
    uint64_t     cookie;
    const struct leat_behavior *behavior; /* BROADCAST; NULL: any */
    uint64_t     spare;
};

_Static_assert(sizeof(struct note) == sizeof(union node), "a note is a node");
_Static_assert(sizeof(struct parcel) == sizeof(union node), "a parcel is a node");
_Static_assert(offsetof(struct note, channel) == offsetof(struct leat_event, channel), "answers");
_Static_assert(offsetof(struct note, cookie) == offsetof(struct leat_event, bus.cookie), "answers");
_Static_assert(offsetof(struct note, subscriber) == offsetof(struct leat_event, bus.subscriber),
               "answers");

/* One subscriber of one channel. */
struct subscription {
    struct subscription  *next; /* of the same subscriber; of controllers in one list */
    struct subscription **link; /* what points to this one */
    struct channel      *channel;
    leat_ref             subscriber;
    uint32_t             at; /* in channel->subscribers */
};

struct subscriber {
    leat_ref             ref;
    struct subscription *subscription; /* NULL: it left in the walk that goes on */
};

/* What one worker knows of a channel. Entries are never freed, only used for the next channel of the
 * slot, so that statistics may look at any time. */
struct channel {
    leat_channel       id;
    uint64_t           workers; /* others that have subscribers, as bits */
    struct subscriber *subscribers;
    uint32_t           len, cap;
    uint32_t           live;      /* of them, without those that left */
    uint32_t           acks_left; /* of the last announcement */
    uint32_t           epoch;     /* counts them */
    bool               is_announced; /* the others believe that there are subscribers here */
    uint64_t           closings;     /* channel_closings when it was found open */
    union node        *pending;   /* notes to be answered when all have acknowledged, newest first */
    uint64_t           published, delivered, refused;
};

struct walk {
    union node     *node; /* NULL: no walk goes on */
    union node     *message;
    struct channel *channel; /* NULL: a broadcast */
    uint32_t        at, end; /* subscribers, or slots */
    int             untold;  /* negative: a safe publisher had no room to hear of some losses */
};

struct bus {
    struct host         *host;
    struct channel      *channels; /* a range, by slot */
    struct subscription *outside;  /* of controllers, which this worker serves */
    struct walk          walk;
    bool                 is_behind; /* everybody is given through the mailbox, until it is not */
};

static inline struct note *note_of(union node *node)
{
    return (struct note *)(void *)node;
}

static inline struct parcel *parcel_of(union node *node)
{
    return (struct parcel *)(void *)node;
}

/* The worker that serves what a host has on the bus: itself, or another one for a controller. */
static inline uint32_t bus_home(const struct host *host, uint32_t owner)
{
    return owner < LEAT_WORKERS_MAX ? owner : (owner - LEAT_WORKERS_MAX) % host->registry->workers;
}

/* The entry of a channel that is known here; NULL: nobody has subscribed to it. */
static inline struct channel *bus_channel(const struct bus *bus, leat_channel id)
{
    struct channel *channel = &bus->channels[channel_slot(id)];
    return channel->id.id == id.id && id.id != 0 ? channel : NULL;
}

/* Whether a channel that is known here is still open. If not, its subscriptions have ended. */
bool bus_is_open(struct bus *bus, struct channel *channel);

/* A note that is not about a message has come. Takes it over. */
void bus_note(struct bus *bus, struct note *note);

/* Ends a subscription; if it has not been confirmed yet, that is answered with `status`. */
void bus_leave(struct bus *bus, struct subscription *subscription, int status);

/* The walk that goes on is over, or goes no further: its message is freed. */
void bus_walk_end(struct host *host);

/* The walk over this channel's subscribers has ended: those who left in it go. */
void bus_compact(struct channel *channel);

#endif
