/* The sockets of the simulated backend, for sim.c and sim_tcp.c. One thread. */
#ifndef LEAT_IO_SIM_SOCK_H
#define LEAT_IO_SIM_SOCK_H

#include "sim_stream.h"

enum sim_state {
    STATE_FREE,
    STATE_OPEN,
    STATE_FAILED,
    STATE_CLOSING,
};

/* A datagram or train that waits for the turn. */
struct sim_item {
    struct sim_item *next;
    leat_slice       body;
    struct leat_addr peer;
    struct leat_addr local;
    bool             has_local;
    uint32_t         segment_size;
    uint32_t         segments;
};

struct sim_sock {
    struct sim_port  port;
    uint64_t         token;
    uint32_t         index;
    uint8_t          state;
    bool             opened;        /* OPENED is owed */
    bool             want_writable; /* a submit was refused */
    bool             writable;      /* WRITABLE is owed */
    bool             starved;       /* since then nothing was read: counted once */
    int              status;
    uint32_t         queued; /* datagrams */
    struct sim_item *first;
    struct sim_item *last;
    struct addr_set  locals;
    struct sim_tcp  *tcp; /* NULL: UDP */
};

struct sim {
    struct io_base    base;
    struct sim_world *world;
    struct pool      *pool;
    uint32_t          queue_len_max;
    struct sim_sock **socks; /* by index */
    uint32_t          socks_len;
    uint32_t          socks_max;
    uint32_t          stream_queue_max;
    uint32_t          next; /* where the next turn starts to read */
};

/* ---- sim_tcp.c: what a socket has more if it is a stream ---- */

struct sim_tcp {
    struct sim_stream *stream; /* NULL: it has ended */
    struct leat_addr   local;
    struct leat_addr   peer; /* all zero: Unix */
    bool               is_unix;
    bool               is_file; /* of that, a path in the file system: there only while it listens */
    bool               listens;
    bool               connecting;
    bool               reads;
    bool               finishing;
    bool               told_finished;
    bool               closed; /* CLOSED is owed, with sock->status */
    bool               want_writable, writable;
    uint32_t           queued; /* bytes */
    union node        *first;  /* DATA events with a body each */
    union node        *last;
};

/* A free socket, all zero but for its index; NULL: no memory. */
struct sim_sock *sim_sock_take(struct sim *sim);

/* LISTEN, CONNECT, CANCEL; and what is for one that is open. */
int sim_tcp_open(struct sim *sim, const struct io_op *op);
int sim_tcp_submit(struct sim *sim, struct sim_sock *sock, const struct io_op *op);

/* The parts of a turn. */
void     sim_tcp_flush(struct sim *sim, struct sim_sock *sock);
unsigned sim_tcp_tell(struct sim *sim, struct sim_sock *sock, struct io_done *done, unsigned cap);
unsigned sim_tcp_read(struct sim *sim, struct sim_sock *sock, struct io_done *done, unsigned cap);

/* Leaves the world, and frees. */
void sim_tcp_end(struct sim *sim, struct sim_sock *sock);

#endif
