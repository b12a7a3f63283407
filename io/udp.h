/* UDP over the kernel: one socket, how it is read in batches into receive buffers, and its send
 * queue, which makes GSO trains by reference. What a received message is and how messages to send
 * are built is common to all backends; recvmmsg and sendmmsg are those' that learn by readiness.
 * Nothing here waits. One thread, the backend's. */
#ifndef LEAT_IO_UDP_H
#define LEAT_IO_UDP_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "addr.h"
#include "io.h"

#define UDP_BATCH 64u           /* datagrams or trains per system call */
#define UDP_SEND_BATCH 256u     /* messages built before the kernel gets them, at most */
#define UDP_RUN_SEGMENTS 64u    /* per GSO train: what every kernel since 4.18 takes */
#define UDP_RUN_BYTES 60000u    /* the same; 65,507 less room for headers of any kind */
#define UDP_SEGMENT_SMALL 548u  /* fits every path: 576 bytes less the headers (RFC 791, 3.1) */
#define UDP_NARROW 256u         /* peers with a narrow path that are remembered */
#define UDP_NARROW_RUNS 1000u   /* so many runs to it leave plain, then a train is tried again */
#define UDP_VECTORS (UDP_SEND_BATCH * 4 + UDP_RUN_SEGMENTS)
#define UDP_ERRORS 256u         /* error completions that wait; more are only counted */
#define UDP_RETRY_NS LEAT_MS    /* after ENOBUFS, which nothing tells the end of */

/* ---- what is queued ---- */

/* A range of a buffer, maybe several adjacent slices, with one reference for each of them. */
struct udp_piece {
    struct udp_piece *next;
    leat_buf         *buf;
    uint32_t          offset;
    uint32_t          len;
    uint32_t          refs;
};

/* Datagrams to one peer that may leave as one train: all of segment_size bytes, the last one may be
 * shorter. Every piece but the last is a multiple of segment_size. */
struct udp_run {
    struct leat_addr  peer;
    struct leat_addr  local; /* all zero: the kernel's choice */
    uint32_t          segment_size;
    uint32_t          bytes;
    uint16_t          segments;
    uint16_t          tries; /* failed ones, of its first datagram or of the whole */
    uint32_t          sock;  /* index */
    bool              closed; /* takes no more */
    bool              plain;  /* the kernel refused it as a train: one datagram at a time */
    bool              follows; /* an older run of its peer may be in the queue */
    int32_t           result; /* of the message made of it; only where udp_sent_each is used */
    struct udp_run   *next;
    struct udp_piece *last;
    struct udp_piece  first;
};

/* ---- one socket ---- */

struct udp_sock {
    int      fd; /* -1: not open */
    uint32_t index;
    uint64_t token;
    int      family;
    bool     dual_stack;
    bool     fixed; /* bound to one address, which is where all comes to and leaves from */
    bool     gso;
    bool     gso_worked; /* at least once, so a refusal is about that train */
    uint8_t  gso_refused;
    bool     want_writable; /* a submit was refused: WRITABLE is owed */
    uint32_t queued;        /* datagrams */
    uint32_t queue_epoch;   /* of the index when the queue's first run came */
    struct udp_run  *first; /* the queue, oldest first */
    struct udp_run  *last;
    struct leat_addr bound;
    struct addr_set  locals; /* stable while the socket lives */
};

/* ---- what the sockets of one backend share ---- */

struct udp_error {
    struct udp_sock *sock;
    int32_t          status;
    struct leat_addr peer;
};

struct udp_slab;

#define UDP_SETS 1024u
#define UDP_WAYS 4u

/* Finds the open run of a peer. A cache: what falls out is only not appended to any more. */
struct udp_entry {
    uint32_t        epoch;
    uint32_t        tag;
    struct udp_run *run;
};

struct udp_index {
    uint32_t         epoch; /* entries of another epoch are empty */
    bool             lossy; /* a run of this epoch has fallen out */
    struct udp_entry at[UDP_SETS][UDP_WAYS];
};

/* A peer whose path does not take segments of some length: they are not made into trains. A cache: who falls out costs
 * a refused train again. */
struct udp_narrow {
    struct leat_addr peer;
    uint32_t         sock; /* index */
    uint32_t         segment_max;
    uint32_t         runs_left; /* 0: an empty place */
};

#define UDP_CONTROL_LEN 128u

struct udp_message {
    union addr_any name;
    _Alignas(16) uint8_t control[UDP_CONTROL_LEN];
};

struct udp {
    struct pool      *pool;
    struct io_stats  *stats;
    uint32_t          queue_len_max;
    uint32_t          batch; /* receive buffers held ready; grows with the load up to: */
    uint32_t          batch_max; /* UDP_BATCH, or what the pool has less the others' parts */
    uint32_t          posted_len;
    struct udp_run   *free_runs;
    struct udp_piece *free_pieces;
    struct udp_slab  *slabs;
    uint32_t          errors_first;
    uint32_t          errors_len;
    struct udp_error  errors[UDP_ERRORS];

    leat_buf          *posted[UDP_BATCH]; /* buffers the next receive goes into */
    struct mmsghdr     recv_headers[UDP_BATCH];
    struct iovec       recv_vectors[UDP_BATCH];
    struct udp_message recv_messages[UDP_BATCH];

    uint32_t           send_max; /* messages in a batch: UDP_BATCH, or what the backend says */
    uint32_t           send_len; /* messages built and not cleared */
    uint32_t           send_vectors_len;
    struct mmsghdr     send_headers[UDP_SEND_BATCH];
    struct udp_message send_messages[UDP_SEND_BATCH];
    struct iovec       send_vectors[UDP_VECTORS];
    struct udp_run    *send_runs[UDP_SEND_BATCH]; /* each message's */
    uint32_t           narrow_len;                /* places that are not empty */
    struct udp_narrow  narrow[UDP_NARROW];
    struct udp_index   index;
};

/* `udp` is zeroed memory. Takes none itself before the first udp_open. */
void udp_init(struct udp *udp, struct pool *pool, struct io_stats *stats, uint32_t queue_len_max);

/* Every socket must be closed. */
void udp_fini(struct udp *udp);

/* ---- udp.c: opening and receiving ---- */

/* Opens and binds into `sock` (zeroed, but for index and token). 0 or negative errno. */
int udp_open(struct udp *udp, struct udp_sock *sock, const struct io_op *op);

/* Drops what is queued and closes. */
void udp_close(struct udp *udp, struct udp_sock *sock);

enum udp_more {
    UDP_MORE,    /* there may be more to read */
    UDP_DRAINED, /* the kernel has no more */
    UDP_STARVED, /* there is no receive buffer */
};

/* One batch into done[], at most `cap` completions; returns how many. */
unsigned udp_receive(struct udp *udp, struct udp_sock *sock, struct io_done *done, unsigned cap,
                     enum udp_more *ret_more);

/* One received message, `len` bytes at buf_train_data(buf), into a completion; `header` has name,
 * control and flags as the kernel filled them in. False: it was cut; the buffer is freed then. */
bool udp_complete(struct udp *udp, struct udp_sock *sock, struct msghdr *header, leat_buf *buf,
                  uint32_t len, struct io_done *done);

/* Empties the socket's error queue into the backend's errors. */
void udp_take_errors(struct udp *udp, struct udp_sock *sock);

/* Queues an ERROR completion. */
void udp_error_add(struct udp *udp, struct udp_sock *sock, int status,
                   const struct leat_addr *peer);

/* ---- udp_send.c: sending ---- */

/* Queues the datagram or train of a DATA operation; as io_ops.submit. */
int udp_submit(struct udp *udp, struct udp_sock *sock, const struct io_op *op);

enum udp_flushed {
    UDP_EMPTY,     /* all gone */
    UDP_BLOCKED,   /* the kernel's queue is full: wait until the socket is writable */
    UDP_CONGESTED, /* try again after UDP_RETRY_NS */
};

/* Hands the queue to the kernel, by sendmmsg. */
enum udp_flushed udp_flush(struct udp *udp, struct udp_sock *sock);

/* The parts of a flush, for who has another system call.
 *
 * udp_build: adds messages for the front of the queue to the batch, from send_len on, and returns
 * how many; 0: the batch is full, or the queue empty. Their runs take no more. *ret_ordered: some
 * go to one peer, so none may be tried when one before it was refused. The headers are needed until
 * the kernel has copied them, the bytes until it is done. One build of a socket at a time.
 *
 * udp_batch_clear: the batch is empty again.
 *
 * udp_sent: the first `n` messages built have left. udp_sent_each: of the first `n`, which went to
 * as many peers, those whose run's result is not negative; returns the errno of the first that was
 * refused, which is now the front of the queue; 0: all have left.
 *
 * udp_refused: the message at the front was refused with that errno. True: go on at once; else *ret
 * says when. */
uint32_t udp_build(struct udp *udp, struct udp_sock *sock, bool *ret_ordered);
void     udp_batch_clear(struct udp *udp);
void     udp_sent(struct udp *udp, struct udp_sock *sock, uint32_t n);
int      udp_sent_each(struct udp *udp, struct udp_sock *sock, uint32_t n);
bool     udp_refused(struct udp *udp, struct udp_sock *sock, int error, enum udp_flushed *ret);

/* Frees what is queued. */
void udp_drop_queue(struct udp *udp, struct udp_sock *sock);

/* Frees the slabs of runs and pieces. */
void udp_send_fini(struct udp *udp);

/* Runs queued so far take no more: what is submitted from now on comes after them. */
static inline void udp_index_clear(struct udp_index *index)
{
    index->lossy = false;
    if (++index->epoch == 0) {
        memset(index, 0, sizeof(*index));
        index->epoch = 1;
    }
}

#endif
