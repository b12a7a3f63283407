/* The backend table: bytes in, bytes out, completion-shaped. Readiness backends turn readiness into
 * completions, never the other way round. A backend belongs to one worker thread, which alone calls
 * it, but for `wake`. It knows sockets by index, and nothing of actors: `token` is the caller's. */
#ifndef LEAT_IO_H
#define LEAT_IO_H

#include <leat/actor.h>
#include <leat/addr.h>
#include <leat/buf.h>
#include <leat/runtime.h>

#include "pool.h"

struct io;        /* one backend instance; each backend's struct starts with struct io_base */
struct sim_world; /* the network and clock that all simulated backends of a runtime share: sim.h */

struct io_config {
    struct pool      *pool; /* the worker's: receive buffers come from it */
    uint32_t          send_queue_len_max; /* datagrams, packets per socket that wait for the kernel */
    uint32_t          stream_queue_max;   /* the same for streams, bytes */
    uint32_t          worker;             /* index, for messages */
    struct sim_world *world;              /* "sim" only */
    void (*log)(void *context, enum leat_log_level level, const char *text);
    void *log_context;
};

#define IO_TRAIN_SEGMENTS_MAX 1024u /* of a train submitted; BUF_TRAIN_LEN bytes at most */

enum io_op_kind {
    IO_OP_OPEN, /* answered by IO_DONE_OPENED with the same token */
    IO_OP_DATA, /* to one peer; no answer, unless the kernel does not take it: IO_DONE_ERROR */
    IO_OP_CLOSE, /* what is queued is tried once, then IO_DONE_CLOSED is the socket's last word */
    /* Streams. DATA has no peer; CLOSE tries for 5 s, or with `reset` not at all. */
    IO_OP_LISTEN,  /* answered by IO_DONE_OPENED, as OPEN is */
    IO_OP_CONNECT, /* the same, when it is connected or has failed */
    IO_OP_CANCEL,  /* of a CONNECT by its token: OPENED says -ECANCELED, if it is not on its way */
    IO_OP_ADOPT,   /* a connection that ACCEPTED brought: its token from now on. Before that it may
                      only be closed, silently */
    IO_OP_READ,    /* `on`: whether it is read, or accepted from. At first a listener and what
                      CONNECT opened are, what was accepted is not. Off, a connection brings nothing
                      more: what was read already is kept, bounded, and its end told later. A
                      listener may */
    IO_OP_FINISH,  /* what is queued is sent, then FIN */
    IO_OP_OPEN_TUN, /* answered by IO_DONE_OPENED. DATA has an offload instead of a peer */
};

struct io_op {
    enum io_op_kind kind;
    uint32_t        sock;  /* DATA, CLOSE: the index that OPENED gave */
    uint64_t        token; /* OPEN: the caller's, in every completion of the socket */
    union {
        struct {
            struct leat_addr local; /* a scope_id binds to that interface */
            uint32_t         recv_buf, send_buf; /* bytes, 0: default */
            uint32_t         flags;              /* enum leat_udp_flags */
        } open;
        struct {
            leat_slice              body; /* accepted: its reference is the backend's */
            union { /* lent until submit returns */
                const struct leat_addr        *peer;
                const struct leat_tun_offload *offload; /* TUN */
            };
            const struct leat_addr *local; /* the same; NULL: the kernel's choice. Without effect
                                              where it is the one the socket is bound to */
            uint32_t                segment_size; /* 0: one datagram; else a train */
        } data;
        struct {
            const char      *path; /* lent until submit returns; NULL: TCP */
            struct leat_addr local;
            uint32_t         backlog, recv_buf, send_buf; /* 0: default */
            uint32_t         options; /* enum leat_stream_options */
        } listen;
        struct {
            const char             *path;
            struct leat_addr        peer;
            const struct leat_addr *local; /* lent until submit returns; NULL: the kernel's choice */
            leat_time               timeout_ns; /* 0: none */
            uint32_t                options;
        } connect;
        struct {
            const struct leat_tun_config *config; /* lent until submit returns */
        } open_tun;
        struct {
            bool on;
        } read;
        struct {
            bool reset;
        } close;
    };
};

enum io_done_kind {
    IO_DONE_OPENED,   /* status; sock; peer holds the local address with its port. TUN: info, its
                         name also if it failed */
    IO_DONE_DATA,     /* body (its reference is the receiver's), peer, segment_size; the local
                         address is in body.buf->local, stable until CLOSED was delivered: with
                         its interface if the socket is bound to a wildcard, else as bound; NULL:
                         the socket has heard of too many. TUN: body, offload, segment_size */
    IO_DONE_WRITABLE, /* a submit was refused with -EAGAIN: the socket's queue is half empty now */
    IO_DONE_ERROR,    /* status, and peer where known (else zero): ICMP, ENOBUFS, EMSGSIZE, ... */
    IO_DONE_CLOSED,   /* status; the index may be used again from now on, also by an ACCEPTED of the
                         same turn. Also unasked: of a stream -ECONNRESET, ..., or 0 when both sides
                         have finished; of a TUN whose interface was deleted -ENODEV; of any socket
                         what keeps the backend from going on. Then the socket takes nothing more,
                         -EBADF, and what was read before comes before, but is dropped where the
                         backend cannot go on */
    IO_DONE_ACCEPTED, /* token: the listener's; sock: the connection, to be adopted; peer */
    IO_DONE_FINISHED, /* a stream: the peer's FIN, behind all its bytes */
};

#define IO_SOCK_NONE UINT32_MAX /* no socket's index: -EBADF */
#define IO_TOKEN_NONE UINT64_MAX /* of a connection that nobody has adopted */

struct io_done {
    enum io_done_kind kind;
    uint32_t          sock;
    uint64_t          token;
    int32_t           status; /* 0 or negative errno */
    uint32_t          segment_size;
    leat_slice        body;
    union {
        struct leat_addr        peer;
        struct leat_tun_offload offload; /* TUN: of DATA */
        struct leat_tun_info    info;    /* TUN: of OPENED */
    };
};

/* Counters, kept by the worker's thread. */
struct io_stats {
    uint64_t recv_datagrams, recv_bytes, recv_calls;
    uint64_t recv_starved; /* times reading stopped for want of a receive buffer */
    uint64_t recv_errors;  /* ICMP, and datagrams that were cut */
    uint64_t sent_datagrams, sent_bytes, send_calls;
    uint64_t send_errors; /* datagrams the kernel did not take */
    uint64_t sockets; /* open now */
    uint64_t accepted;
    uint64_t accept_failed; /* connections turned away, no descriptor or memory; or gone already */
};

struct io_ops {
    const char *name;

    /* Whether it can work here: 0, or a negative errno and a line that says what was tried and what
     * the user can do. Any thread; may do system calls. */
    int (*probe)(char *why, size_t why_len);

    /* Makes an instance. On an error nothing is left behind. */
    int (*init)(const struct io_config *config, struct io **ret);

    /* Queues one operation; no system call but for OPEN and a full queue. 0, or: -EAGAIN the
     * socket's send queue is full (WRITABLE follows); -EMSGSIZE longer than a datagram or train can
     * be; -EINVAL no port, or addresses the socket does not speak; -EPIPE a stream that has
     * finished; -EBADF; -ENOMEM. On an error nothing was taken over. A pointer in `op` is lent
     * until it returns. A queue that is empty takes any train, a stream's at half of its bound a
     * body of any length. */
    int (*submit)(struct io *io, const struct io_op *op);

    /* Hands what is queued to the kernel, waits until something completes, `wake` is called, or
     * `deadline` (absolute; 0: do not wait; LEAT_NEVER) has come, and reaps up to `cap` completions
     * into done[]. Sockets take turns, so none starves the rest. Returns how many; what did not fit
     * comes next time, at once. With deadline 0, nothing queued and no socket open it costs no
     * system call. It may return 0 before the deadline: the kernel had something, but not for the
     * caller. `cap` > 0. */
    unsigned (*turn)(struct io *io, leat_time deadline, struct io_done *done, unsigned cap);

    /* Ends the wait of `turn`, or the next one if none is waiting. Any thread, signal handlers;
     * idempotent until that turn has ended. */
    void (*wake)(struct io *io);

    /* The clock: monotonic ns, or virtual. */
    leat_time (*now)(struct io *io);

    /* The thread that called `turn` is about to end, or to leave the instance to another, which may
     * only call `fini`: ends what the kernel does in its name. NULL: nothing to do. Without it
     * `fini` is that thread's to call. */
    void (*leave)(struct io *io);

    /* Closes every socket, drops what is queued, frees. No completions are delivered. Only when no
     * other thread can wake it or return a receive buffer any more. */
    void (*fini)(struct io *io);
};

struct io_base {
    const struct io_ops *ops;
    struct io_stats      stats;
};

struct io {
    struct io_base base;
};

extern const struct io_ops io_epoll, io_poll, io_sim;
#ifdef LEAT_HAVE_URING
extern const struct io_ops io_uring;
#endif

/* The backend of that name; "auto" is the first that probes well of the preferred ones, each
 * refusal logged with its reason. NULL: unknown, or it cannot work here; said through log. */
const struct io_ops *io_backend_find(const char *name, const struct io_config *config);

/* What "auto" is if `after` cannot start, though it probes well; NULL: the first. As above. */
const struct io_ops *io_backend_next(const struct io_ops *after, const struct io_config *config);

/* Names of all backends, "auto" first, NULL-terminated. */
const char *const *io_backend_names(void);

#endif
