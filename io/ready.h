/* What backends that learn by readiness have in common: the table of sockets, who is read and
 * flushed when, and completions that wait to be reaped. epoll.c and poll.c add only the wait. */
#ifndef LEAT_IO_READY_H
#define LEAT_IO_READY_H

#include "alarms.h"
#include "tcp.h"
#include "tun.h"
#include "udp.h"

enum ready_bits {
    READY_READ = 1,
    READY_WRITE = 2,
    READY_ERROR = 4, /* told whenever the socket is waited for */
};

enum ready_state {
    STATE_FREE,
    STATE_OPEN,
    STATE_FAILED,  /* OPENED with an error is still to be told */
    STATE_CLOSING, /* the queue is to be tried once more; a stream's, until it is empty */
    STATE_CLOSED,  /* CLOSED is still to be told */
    STATE_CONNECTING, /* a stream */
    STATE_LINGERING,  /* a stream: CLOSED has been, or is to be told; what comes is read and dropped,
                         as else the kernel would reset what is still on its way to the peer */
};

enum ready_tell {
    TELL_OPENED = 1,
    TELL_WRITABLE = 2,
    TELL_CLOSED = 4,
    TELL_ERROR = 8, /* of a TUN */
};

struct ready_sock {
    union {
        struct { /* with which every kind begins */
            int      fd;
            uint32_t index;
            uint64_t token;
        };
        struct udp_sock udp; /* errors name sockets by it */
        struct tcp_sock tcp;
        struct tun_sock tun;
    };
    uint8_t         state; /* enum ready_state */
    bool            is_stream;
    bool            is_tun;
    bool            paused;   /* readable, but there was no receive buffer: not waited for */
    bool            writable; /* the wait is to tell when it is writable */
    bool            congested;
    bool            errors; /* the error queue has something */
    bool            is_hot, is_dirty, is_told;
    bool            reads;     /* a stream: it is to be read, a listener to accept */
    bool            exhausted; /* a listener: there was no descriptor; it rests */
    bool            is_watched; /* a stream: it is waited for, with this interest: */
    uint32_t        interest;
    uint32_t        tell; /* completions it is owed */
    int             status; /* of OPENED; of CLOSED */
    struct alarm    alarm; /* of a stream, as all up to: */
    leat_time       connect_until;
    uint32_t        slot; /* poll's */
    uint64_t        read_turn;
    struct ready_sock *next_hot;
    struct ready_sock *next_dirty;
    struct ready_sock *next_told;
};

/* An intrusive queue of sockets; which link it runs through is the queue's business. */
struct ready_queue {
    struct ready_sock *first;
    struct ready_sock *last;
};

struct ready;

struct ready_wait {
    /* The socket was opened, its interest (ready_interest) changed, it is about to be closed.
     * Opening may fail with a negative errno. */
    int (*add)(struct ready *ready, struct ready_sock *sock);
    void (*change)(struct ready *ready, struct ready_sock *sock);
    void (*remove)(struct ready *ready, struct ready_sock *sock);

    /* Waits for `timeout_ns` (0: looks; LEAT_NEVER) and calls ready_mark for each socket with
     * something. False: a signal came first. */
    bool (*wait)(struct ready *ready, leat_time timeout_ns);
};

struct ready {
    struct io_base           base;
    const struct ready_wait *ops;
    struct udp              *udp;
    struct tcp              *tcp;
    struct tun               tun;
    struct alarms            alarms;
    uint32_t                 lingering_len;
    uint32_t                 watched_len; /* streams that the wait knows */
    int                      wake_fd;
    bool                     slack_set;
    uint64_t                 turn;    /* counts passes over the hot queue */
    uint32_t                 unasked; /* turns since the kernel was asked who is readable */
    leat_time                retry_at; /* when congested sockets are tried again */
    struct ready_sock      **socks;    /* by index; each stays where it is for good */
    uint32_t                 socks_len;
    uint32_t                 socks_max;
    bool                     starved; /* the last read found no receive buffer */
    struct ready_queue       hot;     /* may be readable: read without asking */
    struct ready_queue       dirty;   /* have something to send, or to close */
    struct ready_queue       told;    /* owed a completion */
    struct ready_sock       *free_socks;
};

/* `ready` is zeroed memory. 0 or negative errno with nothing left behind. */
int  ready_init(struct ready *ready, const struct io_config *config, const struct io_ops *ops,
                const struct ready_wait *wait);
void ready_fini(struct ready *ready);

/* From `wait`: `bits` of enum ready_bits have come true. */
void ready_mark(struct ready *ready, uint32_t index, uint32_t bits);

/* What to wait for: READY_READ, READY_WRITE; of a stream also READY_ERROR alone, or nothing, then
 * it is not waited for at all. */
uint32_t ready_interest(const struct ready_sock *sock);

/* ---- ready.c, for ready_stream.c and ready_tun.c ---- */

void ready_make_hot(struct ready *ready, struct ready_sock *sock);
void ready_make_dirty(struct ready *ready, struct ready_sock *sock);
void ready_tell(struct ready *ready, struct ready_sock *sock, enum ready_tell what);

/* A socket's memory, zeroed, its index set; NULL: no memory. */
struct ready_sock *ready_sock_take(struct ready *ready);

/* Nothing more is owed: the index may be used again. */
void ready_release(struct ready *ready, struct ready_sock *sock);

/* The kernel has no memory: the socket is tried again after a while. */
void ready_congested(struct ready *ready);

/* There was no receive buffer, or is one again: whether the socket, which is no stream, is waited
 * for. */
void ready_starved(struct ready *ready, struct ready_sock *sock, bool starved);

/* A completion of this socket. */
struct io_done *ready_done_fill(struct io_done *done, enum io_done_kind kind,
                                const struct ready_sock *sock, int status);

/* ---- ready_stream.c, for ready.c: streams ---- */

/* LISTEN, CONNECT and CANCEL; and what is for a socket that is open. As io_ops.submit. */
int stream_open(struct ready *ready, const struct io_op *op);
int stream_submit(struct ready *ready, struct ready_sock *sock, const struct io_op *op);

/* It is dirty; hot; its readiness has been told. */
void     stream_flush(struct ready *ready, struct ready_sock *sock);
unsigned stream_read(struct ready *ready, struct ready_sock *sock, struct io_done *done,
                     unsigned cap);
void     stream_mark(struct ready *ready, struct ready_sock *sock, uint32_t bits);

/* What is due: connecting that takes too long, queues that do not empty, listeners that rest. */
void stream_alarms(struct ready *ready);

/* The backend ends: what is queued is tried once. */
void stream_end(struct ready *ready, struct ready_sock *sock);

/* ---- ready_tun.c, for ready.c: TUN and TAP ---- */

/* OPEN_TUN; and what is for one that is open. As io_ops.submit. */
int tun_sock_open(struct ready *ready, const struct io_op *op);
int tun_sock_submit(struct ready *ready, struct ready_sock *sock, const struct io_op *op);

/* It is dirty; hot. */
void     tun_sock_flush(struct ready *ready, struct ready_sock *sock);
unsigned tun_sock_read(struct ready *ready, struct ready_sock *sock, struct io_done *done,
                       unsigned cap);

/* ---- the table's functions ---- */

int       ready_submit(struct io *io, const struct io_op *op);
unsigned  ready_turn(struct io *io, leat_time deadline, struct io_done *done, unsigned cap);
void      ready_wake(struct io *io);
leat_time ready_now(struct io *io);

#endif
