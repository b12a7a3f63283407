/* What backends that learn by readiness have in common: the table of sockets, who is read and
 * flushed when, and completions that wait to be reaped. epoll.c and poll.c add only the wait. */
#ifndef LEAT_IO_READY_H
#define LEAT_IO_READY_H

#include "udp.h"

enum ready_bits {
    READY_READ = 1,
    READY_WRITE = 2,
    READY_ERROR = 4, /* always of interest */
};

struct ready_sock {
    struct udp_sock udp; /* first: errors name sockets by it */
    uint8_t         state;
    bool            paused;   /* readable, but there was no receive buffer: not waited for */
    bool            writable; /* the wait is to tell when it is writable */
    bool            congested;
    bool            errors; /* the error queue has something */
    bool            is_hot, is_dirty, is_told;
    uint32_t        tell; /* completions it is owed */
    int             status; /* of OPENED */
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

/* What to wait for: READY_READ, READY_WRITE. */
uint32_t ready_interest(const struct ready_sock *sock);

/* The table's functions. */
int       ready_submit(struct io *io, const struct io_op *op);
unsigned  ready_turn(struct io *io, leat_time deadline, struct io_done *done, unsigned cap);
void      ready_wake(struct io *io);
leat_time ready_now(struct io *io);

#endif
