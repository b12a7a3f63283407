/* What an actor is: a behaviour (a static const table of functions) and a state of its own.
 *
 * The drain rule: an actor is given one input (on_event); its outputs are popped (pop_output)
 * until there are none; only then is it given the next. An actor never blocks, reads a clock or
 * touches a socket: time and datagrams come in events, and everything it wants done is an output.
 *
 * Every function of a behaviour is called by one worker at a time, and none may block. */
#ifndef LEAT_ACTOR_H
#define LEAT_ACTOR_H

#include <string.h>

#include <leat/addr.h>
#include <leat/buf.h>
#include <leat/tun.h>
#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_INLINE_MAX 40u  /* bytes of payload a message carries without a buffer */
#define LEAT_LEN_BODY 0xffu  /* `len` of a message that carries a body instead */
#define LEAT_DATAGRAM_LEN_MAX 65507u /* payload of one UDP datagram over IPv4 */

/* ---- placement: which worker runs a new actor, or is meant by a broadcast ---- */

#define LEAT_WORKER_SAME (-1) /* the spawner's own; from a controller: as BEST */
#define LEAT_WORKER_BEST (-2) /* the one with the fewest actors; or a worker's index, from 0 */
#define LEAT_WORKER_ALL (-3)  /* broadcasts only */

struct leat_behavior;

/* ---- inputs ---- */

enum leat_event_kind {
    LEAT_EVENT_MESSAGE = 1, /* from, type, and payload or body: leat_event_payload */
    LEAT_EVENT_SPAWNED,     /* answers a spawn: status; spawned.cookie, spawned.child */
    LEAT_EVENT_DEADLINE,    /* the time that deadline() gave has come: now */
    LEAT_EVENT_DOWN,        /* a monitored actor ended: from, down.cookie; status: 0 it stopped; what
                               it gave FAIL or init returned; -ECANCELED it was killed, or stopped by
                               force at shutdown; -ESRCH it had ended before */
    LEAT_EVENT_SHUTDOWN,    /* the runtime is closing: finish, and pop LEAT_OUTPUT_STOP last.
                               Messages go on until then; who is spawned meanwhile is told too */
    LEAT_EVENT_OPENED,      /* answers an open, a listen or a connect: status, sock; opened.cookie,
                               opened.local. Of a TUN: tun_opened.info */
    LEAT_EVENT_DATA,        /* a datagram or a train: sock; data.body, data.peer, segment_size. Of a
                               stream: the next bytes, in any portions. Of a TUN: a packet or a
                               super-packet; tun.body, tun.offload */
    LEAT_EVENT_WRITABLE,    /* a socket that refused data has room again, or has ended: sock */
    LEAT_EVENT_SOCK_ERROR,  /* sock, status (negative errno), error.peer where known (ICMP) */
    LEAT_EVENT_SOCK_CLOSED, /* the socket is gone, or the route to it: sock, status. Of a stream: 0 both
                               directions ended well, or this side has closed it; -ECONNRESET,
                               -ETIMEDOUT, ... */
    LEAT_EVENT_STATS,       /* controllers only: a statistics period has passed */
    LEAT_EVENT_PUBLISHED,   /* from the bus: channel, type, and payload or body */
    LEAT_EVENT_SUBSCRIBED,  /* answers a subscribe: status, channel; bus.cookie, bus.subscriber.
                               What is published from now on, on any worker, reaches it; what was
                               meanwhile may have come before */
    LEAT_EVENT_UNSUBSCRIBED, /* answers an unsubscribe, the same: nothing more comes */
    LEAT_EVENT_REFUSED,     /* answers a LEAT_PUBLISH_SAFE once for each subscriber that did not get
                               it: status, channel; bus.cookie, bus.subscriber. -EAGAIN: its mailbox
                               is full; -ENOMEM. With LEAT_REF_NONE: several on one worker, which has
                               too much waiting, or this actor has no room to hear of each */
    LEAT_EVENT_ACCEPTED, /* a listener has a new connection: sock is the listener; accepted.sock,
                            accepted.peer. Nothing is read from it before it is given to somebody */
    LEAT_EVENT_GIVEN,    /* a connection is this actor's from now on: sock; given.cookie, given.peer */
    LEAT_EVENT_FINISHED, /* a stream's peer sends nothing more, and all it sent has been given: sock */
};

/* One input, one cache line. All of it is lent: it is valid until on_event returns. */
struct leat_event {
    leat_time now;      /* the same for every event of one turn of the worker's loop, and for the
                           pops that follow */
    uint8_t   kind;     /* enum leat_event_kind */
    uint8_t   len;      /* MESSAGE, PUBLISHED: bytes in payload, or LEAT_LEN_BODY */
    uint16_t  internal; /* the runtime's */
    union {
        uint32_t type;         /* MESSAGE, PUBLISHED: the sender's choice */
        int32_t  status;       /* the answers, DOWN, errors: 0 or negative errno */
        uint32_t segment_size; /* DATA: 0 one datagram; else a train: each datagram has this many
                                  bytes, but the last, which may be shorter. Of a TUN: as in
                                  tun.offload */
    };
    union {
        leat_ref     from;    /* MESSAGE, DOWN */
        leat_sock    sock;    /* OPENED, DATA, WRITABLE, SOCK_ERROR, SOCK_CLOSED, ACCEPTED, GIVEN,
                                 FINISHED */
        leat_channel channel; /* PUBLISHED, SUBSCRIBED, UNSUBSCRIBED, REFUSED */
    };
    union {
        uint8_t    payload[LEAT_INLINE_MAX]; /* MESSAGE, PUBLISHED; aligned to 8 bytes */
        leat_slice body;                     /* the same with LEAT_LEN_BODY; DATA */
        struct {
            leat_slice       body;
            struct leat_addr peer; /* who sent it */
        } data;
        struct {
            leat_slice              body;
            struct leat_tun_offload offload; /* all zero without LEAT_TUN_OFFLOADS */
        } tun;
        struct {
            uint64_t cookie;
            leat_ref child; /* LEAT_REF_NONE when status is an error */
        } spawned;
        struct {
            uint64_t         cookie;
            struct leat_addr local; /* the address bound, its port filled in; all zero: a Unix path */
        } opened;
        struct {
            uint64_t             cookie;
            struct leat_tun_info info;
        } tun_opened;
        struct {
            uint64_t cookie;
        } down;
        struct {
            uint64_t cookie;
            leat_ref subscriber;
        } bus;
        struct {
            struct leat_addr peer; /* all zero: not known */
        } error;
        struct {
            leat_sock        sock; /* the connection */
            struct leat_addr peer; /* all zero: over a Unix socket */
        } accepted;
        struct {
            uint64_t         cookie; /* of the GIVE */
            struct leat_addr peer;
        } given;
    };
};

/* The bytes of a message, inline or in its body, and how many; NULL and 0 when it has none. */
static inline const void *leat_event_payload(const struct leat_event *event, size_t *ret_len)
{
    if (event->len == LEAT_LEN_BODY) {
        *ret_len = event->body.len;
        return leat_slice_data(event->body);
    }
    *ret_len = event->len;
    return event->len > 0 ? event->payload : NULL;
}

/* DATA: the local address the datagram arrived at, its scope_id the interface; NULL if not known.
 * The address stays valid until the socket is closed: an answer may name it as its source. */
LEAT_API const struct leat_addr *leat_event_local(const struct leat_event *event);

/* ---- outputs ---- */

enum leat_output_kind {
    LEAT_OUTPUT_SEND = 1, /* to, type, payload or body */
    LEAT_OUTPUT_SPAWN,    /* spawn, cookie; answered by SPAWNED */
    LEAT_OUTPUT_MONITOR,  /* to, cookie; answered by DOWN, at once if `to` is dead already */
    LEAT_OUTPUT_STOP,     /* to: NONE ends this actor, well; another ends when it has done what it
                             was sent before */
    LEAT_OUTPUT_FAIL,     /* status (negative errno): ends this actor; its monitors are told */
    LEAT_OUTPUT_OPEN,     /* open, cookie; answered by OPENED */
    LEAT_OUTPUT_DATA,     /* sock, data, local, segment_size: a datagram or a train to a peer */
    LEAT_OUTPUT_DATA_MANY, /* sock, data_many, local, segment_size: one body to many peers */
    LEAT_OUTPUT_ROUTE,    /* sock, route: a peer's datagrams go to another actor of this worker */
    LEAT_OUTPUT_CLOSE,    /* sock, options; answered by SOCK_CLOSED */
    LEAT_OUTPUT_PUBLISH,  /* channel, type, payload or body; flags: enum leat_publish_flags, cookie */
    LEAT_OUTPUT_SUBSCRIBE, /* channel, subscriber, cookie; answered by SUBSCRIBED */
    LEAT_OUTPUT_UNSUBSCRIBE, /* the same; answered by UNSUBSCRIBED */
    LEAT_OUTPUT_BROADCAST, /* worker, behavior, type, payload or body: to every actor there */
    LEAT_OUTPUT_SPAWN_GROUP, /* group, cookie; answered by SPAWNED, whose child is the group */
    LEAT_OUTPUT_SPAWN_MEMBER, /* to: the group, spawn, cookie; answered by SPAWNED */
    LEAT_OUTPUT_LISTEN,  /* listen, path, options, cookie; answered by OPENED */
    LEAT_OUTPUT_CONNECT, /* connect, path, options, cookie; answered by OPENED */
    LEAT_OUTPUT_GIVE,    /* sock, target, cookie: a connection becomes another actor's of this worker */
    LEAT_OUTPUT_FINISH,  /* sock: this side of a stream sends nothing more */
    LEAT_OUTPUT_PAUSE,   /* sock: nothing of a stream, or of a listener, is given from here on */
    LEAT_OUTPUT_RESUME,  /* sock: it is again */
    LEAT_OUTPUT_OPEN_TUN, /* tun_config, cookie; answered by OPENED */
};

/* What happens to a SEND at a full mailbox, or to DATA at a full socket queue. */
enum leat_full {
    LEAT_FULL_REFUSE = 0, /* handed back at once through on_refused */
    LEAT_FULL_WAIT,       /* the drain is parked until there is room, at most send_wait_ns; for a
                             message to oneself or to a controller the same as REFUSE */
};

/* Options of a PUBLISH, as bits. Without any, a subscriber whose mailbox is full loses the message,
 * which is counted. */
enum leat_publish_flags {
    LEAT_PUBLISH_SAFE = 1 << 0, /* the publisher is told of each loss: REFUSED. Handed back, -EAGAIN,
                                   while its own mailbox is full of such news */
};

/* Options of a UDP socket, as bits. */
enum leat_udp_flags {
    LEAT_UDP_REUSEPORT = 1 << 0,  /* several sockets share the port (SO_REUSEPORT) */
    LEAT_UDP_DUAL_STACK = 1 << 1, /* a socket bound to [::] takes IPv4 too */
    LEAT_UDP_TRAINS = 1 << 2,     /* the owner takes a whole train as one event */
    LEAT_UDP_REUSEPORT_FIRST = 1 << 3, /* as REUSEPORT, but the first to share it: refused, -EADDRINUSE,
                                          if any socket has the port, also one that shares */
};

/* Options of a stream socket, as bits. */
enum leat_stream_options {
    LEAT_STREAM_REUSEPORT = 1 << 0,  /* LISTEN: several listeners share the port (SO_REUSEPORT) */
    LEAT_STREAM_DUAL_STACK = 1 << 1, /* LISTEN: one bound to [::] takes IPv4 too */
    LEAT_STREAM_NAGLE = 1 << 2,      /* a small segment waits for the answer to the one before. Without
                                        it (TCP_NODELAY) what one turn sends leaves at once, together */
    LEAT_STREAM_KEEPALIVE = 1 << 3,  /* a silent peer that is gone is noticed within a minute */
    LEAT_STREAM_RESET = 1 << 4,      /* CLOSE: at once, what is queued is dropped, the peer is told
                                        (RST) */
    LEAT_STREAM_REUSEPORT_FIRST = 1 << 5, /* LISTEN: as REUSEPORT, but the first to share it: refused,
                                             -EADDRINUSE, if any listener has the port, also one
                                             that shares */
};

/* One output. The memory given to pop_output is not cleared: assign a whole struct, or use the
 * constructors below, which fill in every field. */
struct leat_output {
    union {
        uint64_t                cookie; /* comes back in the event that answers */
        int64_t                 worker; /* BROADCAST: an index, LEAT_WORKER_SAME or _ALL */
        const struct leat_addr *local;  /* DATA: address and interface to leave from; NULL: the
                                           kernel's choice; lent until the next pop */
    };
    uint8_t kind;  /* enum leat_output_kind */
    uint8_t len;   /* SEND, PUBLISH, BROADCAST: bytes in payload, or LEAT_LEN_BODY */
    uint8_t full;  /* SEND, DATA: enum leat_full */
    uint8_t flags; /* ROUTE: LEAT_UDP_TRAINS; PUBLISH: enum leat_publish_flags; else 0 */
    union {
        uint32_t type;         /* SEND, PUBLISH, BROADCAST */
        int32_t  status;       /* FAIL */
        uint32_t segment_size; /* DATA: 0, or the body is a train of datagrams of this many bytes */
        uint32_t options;      /* LISTEN, CONNECT, CLOSE: enum leat_stream_options */
    };
    union {
        leat_ref     to;      /* SEND, MONITOR, STOP, SPAWN_MEMBER */
        leat_sock    sock;    /* DATA, ROUTE, CLOSE, GIVE, FINISH, PAUSE, RESUME */
        const char  *path;    /* LISTEN, CONNECT: NULL is TCP; else a Unix stream socket, at a path of
                                 up to 107 bytes, or with a leading '@' an abstract name; lent until
                                 the next pop */
        leat_channel channel; /* PUBLISH, SUBSCRIBE, UNSUBSCRIBE */
        const struct leat_behavior *behavior; /* BROADCAST: only to those; NULL: to any */
        const struct leat_tun_config *tun_config; /* OPEN_TUN: lent until the next pop */
    };
    union {
        uint8_t    payload[LEAT_INLINE_MAX]; /* SEND, PUBLISH, BROADCAST */
        leat_slice body;                     /* the same with LEAT_LEN_BODY; DATA */
        leat_ref   subscriber;               /* SUBSCRIBE, UNSUBSCRIBE; NONE: this actor */
        struct {
            leat_slice       body;
            struct leat_addr peer; /* where to */
        } data;
        struct {
            leat_slice              body;
            struct leat_tun_offload offload; /* DATA to a TUN */
        } tun;
        struct {
            leat_slice              body;
            const struct leat_addr *peers; /* lent until the next pop */
            uint32_t                peers_len;
        } data_many;
        struct {
            const struct leat_behavior *behavior;
            const void                 *arg; /* arg_size bytes, copied before the next pop */
            uint32_t                    arg_size;
            int32_t                     worker; /* an index, LEAT_WORKER_SAME or _BEST */
        } spawn;
        struct {
            const struct leat_behavior *behavior;
            uint32_t                    mailbox_len_max; /* of the group; 0: the behaviour's */
            uint32_t                    members_max;     /* 1..LEAT_GROUP_MEMBERS_MAX */
            int32_t                     worker;          /* as for spawn */
            uint32_t                    zero;
        } group;
        struct {
            struct leat_addr local;    /* port 0: the kernel chooses */
            uint32_t         recv_buf; /* SO_RCVBUF, bytes; 0: the system's default */
            uint32_t         send_buf; /* SO_SNDBUF */
            uint32_t         flags;    /* enum leat_udp_flags */
            uint32_t         zero;
        } open;
        struct {
            struct leat_addr peer;
            leat_ref         target; /* LEAT_REF_NONE ends the route */
        } route;
        struct {
            struct leat_addr local;    /* port 0: the kernel chooses */
            uint32_t         backlog;  /* connections not yet accepted; 0: the most there may be */
            uint32_t         recv_buf; /* SO_RCVBUF of its connections, bytes; 0: the kernel adapts it */
            uint32_t         send_buf; /* SO_SNDBUF */
            uint32_t         zero;
        } listen;
        struct {
            struct leat_addr        peer;
            const struct leat_addr *local; /* NULL: the kernel's choice; lent until the next pop */
            leat_time               timeout_ns; /* 0: as long as the kernel tries, about 2 minutes */
        } connect;
        leat_ref target; /* GIVE */
    };
};


/* Constructors: each fills in every field of *out. Bodies are given away with the output. */

static inline void leat_output_clear(struct leat_output *out, enum leat_output_kind kind)
{
    memset(out, 0, sizeof(*out));
    out->kind = (uint8_t)kind;
}

/* A message with up to LEAT_INLINE_MAX bytes of payload, copied. */
static inline void leat_output_send(struct leat_output *out, leat_ref to, uint32_t type,
                                    const void *payload, size_t len)
{
    out->cookie = 0;
    out->kind = LEAT_OUTPUT_SEND;
    out->len = (uint8_t)(len <= LEAT_INLINE_MAX ? len : LEAT_INLINE_MAX);
    out->full = LEAT_FULL_REFUSE;
    out->flags = 0;
    out->type = type;
    out->to = to;
    if (out->len > 0) {
        memcpy(out->payload, payload, out->len);
    }
}

/* A message that carries a slice of a buffer. */
static inline void leat_output_send_body(struct leat_output *out, leat_ref to, uint32_t type,
                                         leat_slice body)
{
    leat_output_send(out, to, type, NULL, 0);
    out->len = LEAT_LEN_BODY;
    out->body = body;
}

/* Makes a SEND or DATA output wait where there is no room, instead of being refused. */
static inline void leat_output_wait(struct leat_output *out)
{
    out->full = LEAT_FULL_WAIT;
}

/* A datagram. Set out->local to answer from the address a request came to, out->segment_size to
 * send the body as a train. */
static inline void leat_output_data(struct leat_output *out, leat_sock sock,
                                    const struct leat_addr *peer, leat_slice body)
{
    leat_output_clear(out, LEAT_OUTPUT_DATA);
    out->sock = sock;
    out->data.body = body;
    out->data.peer = *peer;
}

/* One body to many peers; the addresses are lent until the next pop. */
static inline void leat_output_data_many(struct leat_output *out, leat_sock sock,
                                         const struct leat_addr *peers, uint32_t peers_len,
                                         leat_slice body)
{
    leat_output_clear(out, LEAT_OUTPUT_DATA_MANY);
    out->sock = sock;
    out->data_many.body = body;
    out->data_many.peers = peers;
    out->data_many.peers_len = peers_len;
}

/* The answer to a DATA event: the same bytes if you like, to where it came from, from where it
 * arrived. `body` is given away; event->data.body is only lent, so ref it first. */
static inline void leat_output_reply(struct leat_output *out, const struct leat_event *event,
                                     leat_slice body)
{
    leat_output_data(out, event->sock, &event->data.peer, body);
    out->local = leat_event_local(event);
}

/* A child on this worker; set out->spawn.worker for another. `arg` must last until the next pop. */
static inline void leat_output_spawn(struct leat_output *out, const struct leat_behavior *behavior,
                                     const void *arg, uint32_t arg_size, uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_SPAWN);
    out->cookie = cookie;
    out->spawn.behavior = behavior;
    out->spawn.arg = arg;
    out->spawn.arg_size = arg_size;
    out->spawn.worker = LEAT_WORKER_SAME;
}

/* A UDP socket bound to `local`; set out->open for buffer sizes and flags. */
static inline void leat_output_open(struct leat_output *out, const struct leat_addr *local,
                                    uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_OPEN);
    out->cookie = cookie;
    out->open.local = *local;
}

/* To every subscriber of a channel. The message takes one hop to each worker that has any, and is
 * handed on there by reference. A publisher's messages on one channel arrive in order; what it
 * sends directly may pass them. Set out->flags to LEAT_PUBLISH_SAFE to be told of losses. */
static inline void leat_output_publish(struct leat_output *out, leat_channel channel, uint32_t type,
                                       const void *payload, size_t len)
{
    leat_output_send(out, LEAT_REF_NONE, type, payload, len);
    out->kind = LEAT_OUTPUT_PUBLISH;
    out->channel = channel;
}

/* The same with a slice of a buffer, or with a batch (leat_batch_alloc). */
static inline void leat_output_publish_body(struct leat_output *out, leat_channel channel,
                                            uint32_t type, leat_slice body)
{
    leat_output_publish(out, channel, type, NULL, 0);
    out->len = LEAT_LEN_BODY;
    out->body = body;
}

/* This actor hears what is published on `channel` from the SUBSCRIBED that answers on, until it
 * unsubscribes, or ends. Set out->subscriber to subscribe another actor, a group as a whole above
 * all. Who subscribes twice is one subscriber. SUBSCRIBED says -EBADF: the channel is not open; -ECANCELED:
 * it was unsubscribed before it was confirmed; -ESRCH: the subscriber has ended, which may also be said at
 * once, through on_refused; -ENOMEM. */
static inline void leat_output_subscribe(struct leat_output *out, leat_channel channel,
                                         uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_SUBSCRIBE);
    out->cookie = cookie;
    out->channel = channel;
}

/* Set out->subscriber as in the subscribe. UNSUBSCRIBED says -ENOENT: it was none; or on_refused, -ESRCH: it
 * has ended. */
static inline void leat_output_unsubscribe(struct leat_output *out, leat_channel channel,
                                           uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_UNSUBSCRIBE);
    out->cookie = cookie;
    out->channel = channel;
}

/* A copy to each actor on `worker` (an index, LEAT_WORKER_SAME or _ALL), or only to those of `behavior`
 * (NULL: any), the sender itself included. The workers deliver it in portions, between other work:
 * later sends may pass it. Full mailboxes refuse their copy, which is counted. Handed back, -EAGAIN, if a
 * worker has too much waiting: the others have it then. */
static inline void leat_output_broadcast(struct leat_output *out, int worker,
                                         const struct leat_behavior *behavior, uint32_t type,
                                         const void *payload, size_t len)
{
    leat_output_send(out, LEAT_REF_NONE, type, payload, len);
    out->kind = LEAT_OUTPUT_BROADCAST;
    out->worker = worker;
    out->behavior = behavior;
}

/* A group of up to `members_max` actors of one behaviour, on this worker; set out->group for another
 * one, or for the length of its mailbox. See "groups" below. */
static inline void leat_output_spawn_group(struct leat_output *out,
                                           const struct leat_behavior *behavior,
                                           uint32_t members_max, uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_SPAWN_GROUP);
    out->cookie = cookie;
    out->group.behavior = behavior;
    out->group.members_max = members_max;
    out->group.worker = LEAT_WORKER_SAME;
}

/* A member of a group. SPAWNED says -ENOSPC: the group is full, or the runtime; -ESRCH: it has ended;
 * -EINVAL: `group` is the ref of no group; or what init returned. `arg` must last until the next pop. */
static inline void leat_output_spawn_member(struct leat_output *out, leat_ref group, const void *arg,
                                            uint32_t arg_size, uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_SPAWN_MEMBER);
    out->cookie = cookie;
    out->to = group;
    out->spawn.arg = arg;
    out->spawn.arg_size = arg_size;
}

static inline void leat_output_monitor(struct leat_output *out, leat_ref to, uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_MONITOR);
    out->cookie = cookie;
    out->to = to;
}

/* Later datagrams from `peer` reach `target`, an actor or a member, directly, which may also send on
 * the socket. Both must live on this worker; LEAT_REF_NONE ends the route. */
static inline void leat_output_route(struct leat_output *out, leat_sock sock,
                                     const struct leat_addr *peer, leat_ref target)
{
    leat_output_clear(out, LEAT_OUTPUT_ROUTE);
    out->sock = sock;
    out->route.peer = *peer;
    out->route.target = target;
}

/* The end of a socket. A stream sends what is queued first, for at most 5 s (and for at most shutdown_ns
 * beyond the end of the last actor); set out->options to LEAT_STREAM_RESET to drop it. Nothing more is given
 * but SOCK_CLOSED. */
static inline void leat_output_close(struct leat_output *out, leat_sock sock)
{
    leat_output_clear(out, LEAT_OUTPUT_CLOSE);
    out->sock = sock;
}

/* ---- streams: TCP and Unix stream sockets; see docs/guide/streams.md ----
 *
 * DATA of a stream is some of its bytes. What is sent in one turn leaves together; a socket queues up
 * to stream_queue_max bytes (a body of any length, while not more than half of that is queued), more is
 * refused or waits (leat_output_wait), and WRITABLE comes at half of it. What is received and not yet given is
 * bounded too: then the socket is not read, and the peer waits. */

/* A listener. Set out->path for a Unix socket, `local` is NULL then; out->options, out->listen for
 * more. OPENED says -EADDRINUSE, -EACCES, ... */
static inline void leat_output_listen(struct leat_output *out, const struct leat_addr *local,
                                      uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_LISTEN);
    out->cookie = cookie;
    out->path = NULL;
    if (local != NULL) {
        out->listen.local = *local;
    }
}

/* A connection. OPENED says -ECONNREFUSED, -ETIMEDOUT, -ENOENT (no such Unix path), ...; with 0 it is read
 * from then on. */
static inline void leat_output_connect(struct leat_output *out, const struct leat_addr *peer,
                                       leat_time timeout_ns, uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_CONNECT);
    out->cookie = cookie;
    out->path = NULL;
    if (peer != NULL) {
        out->connect.peer = *peer;
    }
    out->connect.timeout_ns = timeout_ns;
}

/* Bytes for a stream. */
static inline void leat_output_write(struct leat_output *out, leat_sock sock, leat_slice body)
{
    leat_output_clear(out, LEAT_OUTPUT_DATA);
    out->sock = sock;
    out->data.body = body;
}

/* A connection becomes another's: an actor or a member on this worker, oneself to keep it. It hears
 * GIVEN, then all that nobody was given yet; an accepted connection is read from here on. Who gives it on
 * before he has heard GIVEN does not hear it any more. -ESRCH: nobody there; -EPERM: it is not this
 * actor's; -EINVAL: no connection. */
static inline void leat_output_give(struct leat_output *out, leat_sock sock, leat_ref target,
                                    uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_GIVE);
    out->cookie = cookie;
    out->sock = sock;
    out->target = target;
}

/* Half close: what is queued is sent, then the peer is told that this was all (FIN). */
static inline void leat_output_finish(struct leat_output *out, leat_sock sock)
{
    leat_output_clear(out, LEAT_OUTPUT_FINISH);
    out->sock = sock;
}

/* Stops and restarts what a stream or a listener gives: GIVEN, ACCEPTED, DATA, FINISHED, SOCK_CLOSED. Who
 * cannot pass on what it is given pauses, and so makes the peer wait. */
static inline void leat_output_pause(struct leat_output *out, leat_sock sock)
{
    leat_output_clear(out, LEAT_OUTPUT_PAUSE);
    out->sock = sock;
}

static inline void leat_output_resume(struct leat_output *out, leat_sock sock)
{
    leat_output_clear(out, LEAT_OUTPUT_RESUME);
    out->sock = sock;
}

/* ---- TUN and TAP: see leat/tun.h and docs/guide/tun.md ---- */

/* Opens an interface; `config` and what it points to are lent until the next pop. OPENED says
 * -EPERM: CAP_NET_ADMIN is missing, and the interface was not made for this user; -ENOENT: there is
 * no /dev/net/tun; -EINVAL: no name an interface can have, or an MTU or address it does not take;
 * -EBUSY: an interface of that name is not of that kind, or is in use; ... Handed back, -EOPNOTSUPP,
 * in simulation. An interface that is deleted closes its sockets: SOCK_CLOSED, -ENODEV. */
static inline void leat_output_open_tun(struct leat_output *out,
                                        const struct leat_tun_config *config, uint64_t cookie)
{
    leat_output_clear(out, LEAT_OUTPUT_OPEN_TUN);
    out->cookie = cookie;
    out->tun_config = config;
}

/* A packet for a TUN, or with `offload` what was left undone with one, a super-packet above all;
 * NULL: nothing. What the kernel does not take is counted, and told by SOCK_ERROR: -EINVAL no packet,
 * -EIO the interface is down. */
static inline void leat_output_packet(struct leat_output *out, leat_sock sock, leat_slice body,
                                      const struct leat_tun_offload *offload)
{
    leat_output_clear(out, LEAT_OUTPUT_DATA);
    out->sock = sock;
    out->tun.body = body;
    if (offload != NULL) {
        out->tun.offload = *offload;
    }
}

/* Ends this actor. */
static inline void leat_output_stop(struct leat_output *out)
{
    leat_output_clear(out, LEAT_OUTPUT_STOP);
}

/* Ends another actor when it has done what it was sent before; never refused, but for a member of a group
 * whose mailbox is full. */
static inline void leat_output_stop_other(struct leat_output *out, leat_ref to)
{
    leat_output_clear(out, LEAT_OUTPUT_STOP);
    out->to = to;
}

static inline void leat_output_fail(struct leat_output *out, int status)
{
    leat_output_clear(out, LEAT_OUTPUT_FAIL);
    out->status = status;
}

/* ---- the behaviour ---- */

/* All functions get the actor's state, `self`. They run on the actor's worker, one at a time. */
struct leat_behavior {
    const char *name;            /* in statistics, traces and logs; never NULL */
    size_t      state_size;      /* zeroed, aligned to 16, freed by the runtime; 0 is allowed */
    uint32_t    mailbox_len_max; /* messages that may wait, at most 2^31-1, init among them; 0: the
                                    runtime's default */

    /* Once, before any input. `arg` is a copy of the spawner's bytes, aligned to 8, lent; NULL when
     * there were none. 0, or a negative errno: the actor ends without fini,
     * its spawner gets SPAWNED with that status. NULL: nothing to do. */
    int (*init)(void *self, const void *arg, leat_time now);

    /* One input. Never while outputs are left. Never NULL. */
    void (*on_event)(void *self, const struct leat_event *event);

    /* The next output into *ret, or false when there are none. NULL: an actor without outputs.
     * After STOP or FAIL it is not asked again. */
    bool (*pop_output)(void *self, leat_time now, struct leat_output *ret);

    /* An output that could not be done, in the middle of the drain: -EAGAIN full, -ETIMEDOUT waited
     * in vain, -EBADF no such socket, or the error. Any kind may be refused but FAIL and STOP, unless that
     * is for a member of a group whose mailbox is full. A body
     * in it is the actor's again: keep it, or call leat_output_release. NULL: the runtime does. */
    void (*on_refused)(void *self, struct leat_output *output, int status);

    /* When DEADLINE is wanted; asked once after each drain. LEAT_NEVER: not at all. NULL: never. */
    leat_time (*deadline)(const void *self);

    /* Once, at the end, whatever ended it. Give back what the state owns. NULL: nothing. */
    void (*fini)(void *self);
};

/* Gives back the body an output carries; does nothing for one without. */
LEAT_API void leat_output_release(struct leat_output *output);

/* The actor's own ref, from the state the runtime gave it: to hand to third parties or to send to
 * oneself. Only within the behaviour's functions. */
LEAT_API leat_ref leat_self(const void *self);

/* ---- groups ----
 *
 * Many actors of one behaviour on one worker, run as one: their states lie side by side, they share one
 * mailbox and one place in the timers. A member is an actor like any other (it has a ref, outputs, a
 * deadline, monitors, sockets, subscriptions), but is cheaper where all are to hear the same.
 *
 * A message to a member's ref is for that member; one to the group's ref is for all: each member is
 * given it in turn, and drained before the next. When deadlines come, the members that are due are
 * visited, no others. Such a walk gives way to other actors after 1 ms, between two members; the next
 * input of the group waits for its end. A member that ends in a walk is skipped, one spawned meanwhile
 * is visited from the next input on; each walk starts with another member.
 *
 * A group has one mailbox for all of them, so an order: what one sender sends to the group and to its
 * members arrives as sent. It ends by stop, kill or at shutdown, and all members with it. STOP to its
 * ref ends it when it has done what it was sent before. A member's drain that waits (LEAT_FULL_WAIT)
 * holds up its group, and nobody else. */

#define LEAT_GROUP_MEMBERS_MAX 1048576u

/* The group of a member, from the state the runtime gave it; LEAT_REF_NONE for an actor that is none. */
LEAT_API leat_ref leat_self_group(const void *self);

/* ---- outbox: a fixed ring of outputs that an actor may embed in its state ---- */

struct leat_outbox {
    uint32_t head; /* next to pop */
    uint32_t len;
};

/* A member of the state: `leat_outbox(4) out;`. A zeroed one is empty. */
#define leat_outbox(n)                                                                             \
    struct {                                                                                       \
        struct leat_outbox ring;                                                                   \
        struct leat_output slots[n];                                                               \
    }

/* A slot for one more output, to be filled by a constructor. An actor's outbox is empty whenever
 * on_event is called, so n is the most that one input may cause; where an input decides how many,
 * look at leat_outbox_room before. To put into a full one is a programmer's error and aborts. */
#define leat_outbox_put(box)                                                                       \
    leat__outbox_put(&(box)->ring, (box)->slots, leat__outbox_len(box))

/* Takes the oldest into *ret; false when it is empty. All that pop_output needs to do. */
#define leat_outbox_pop(box, ret)                                                                  \
    leat__outbox_pop(&(box)->ring, (box)->slots, leat__outbox_len(box), ret)

/* Outputs that may still be put. */
#define leat_outbox_room(box) (leat__outbox_len(box) - (box)->ring.len)

#define leat__outbox_len(box) (sizeof((box)->slots) / sizeof((box)->slots[0]))

LEAT_API __attribute__((noreturn, cold)) void leat_outbox_full(size_t slots_len);

static inline struct leat_output *leat__outbox_put(struct leat_outbox *ring,
                                                   struct leat_output *slots, size_t slots_len)
{
    if (__builtin_expect(ring->len == slots_len, 0)) {
        leat_outbox_full(slots_len);
    }
    size_t at = ring->head + ring->len++;
    return &slots[at < slots_len ? at : at - slots_len];
}

static inline bool leat__outbox_pop(struct leat_outbox *ring, const struct leat_output *slots,
                                    size_t slots_len, struct leat_output *ret)
{
    if (ring->len == 0) {
        return false;
    }
    *ret = slots[ring->head];
    ring->head = ring->head + 1 < slots_len ? ring->head + 1 : 0;
    ring->len--;
    return true;
}

#ifdef __cplusplus
}
#endif

#endif
