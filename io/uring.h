/* The io_uring backend: the ring (uring_ring.c), what UDP does on it (uring_udp.c), and the table of
 * sockets with its turn (uring.c). Requests of the kernel's carry who they are for in user_data; a
 * socket's index is used again only when none of its requests is left. */
#ifndef LEAT_IO_URING_H
#define LEAT_IO_URING_H

#include <liburing.h>

#include "udp.h"

#define URING_SQ 512u   /* submissions in one system call */
#define URING_CQ 2048u  /* completions between two looks: each send's, each receive buffer's */
#define URING_BUFS 64u /* receive buffers the kernel has, at most; a power of two */
#define URING_BUFS_FIRST 16u

/* What the kernel writes in front of a payload: its header, name and control, within the headroom
 * that every received datagram has. */
#define URING_NAME_LEN 32u
#define URING_CONTROL_LEN 64u
#define URING_FRONT (sizeof(struct io_uring_recvmsg_out) + URING_NAME_LEN + URING_CONTROL_LEN)

_Static_assert(URING_FRONT <= LEAT_HEADROOM, "what precedes a payload fits the headroom");
_Static_assert(URING_FRONT % 16 == 0, "control messages are aligned");
_Static_assert(sizeof(union addr_any) <= URING_NAME_LEN, "a name fits");

/* ---- the ring ---- */

/* The low bits of user_data. The rest of a send's is its run; any other's says the socket: index from
 * bit 3 on, generation from bit 35 on. */
enum uring_kind {
    URING_SEND,
    URING_SEND_TO, /* the same by IORING_OP_SEND with an address, which costs less */
    URING_RECV,
    URING_WRITABLE, /* poll for room */
    URING_CANCEL,
    URING_WAKE, /* poll of the eventfd; this and the next have no socket */
    URING_CANCEL_ALL,
};

#define URING_KIND_MASK 7u

/* A buffer that the kernel has, or has filled. */
struct uring_buf {
    leat_buf *buf;
    uint32_t  len;  /* filled: what is in it, URING_FRONT included */
    uint16_t  next; /* free: the next free place; filled: the socket's next */
};

#define URING_NONE UINT16_MAX

struct uring_ring {
    struct io_uring           ring;
    struct io_uring_buf_ring *kernel_bufs;
    bool                      is_open;
    bool                      enabled; /* by the thread that alone may enter from then on */
    bool                      registered; /* the thread knows the ring by a number */
    bool                      wake_armed;
    bool                      leaving;
    bool                      send_to; /* the kernel may take an address with IORING_OP_SEND */
    bool                      send_to_works;
    int                       wake_fd;
    uint32_t                  setup_flags;
    int                       owner; /* thread id, once enabled */
    uint32_t                  outstanding; /* requests whose last completion has not come */
    uint32_t                  sending;     /* those of them that end without waiting */
    uint32_t                  bufs_target; /* grows with the load */
    uint32_t                  bufs_posted; /* the kernel has them */
    uint32_t                  bufs_filled; /* not given on yet */
    uint16_t                  bufs_free;   /* places */
    struct uring_buf          bufs[URING_BUFS];
};

/* What tests make of the kernel: flags that setup is to refuse, sizes of the queues (0: as above).
 * Read by uring_ring_open. */
struct uring_test {
    uint32_t refused_flags;
    uint32_t sq_len;
    uint32_t cq_len;
};

extern struct uring_test uring_test;

/* Makes the ring, disabled, so that another thread may be its user. `ring` is zeroed. 0 or negative
 * errno with nothing left behind; *ret_what says what failed. Any thread. */
int uring_ring_open(struct uring_ring *ring, const char **ret_what);

/* Binds it to the calling thread, which alone enters it from then on. 0 or negative errno. */
int uring_ring_enable(struct uring_ring *ring);

/* Ends all that is outstanding; what completes is dropped by `reap`. The thread of enable. */
void uring_ring_leave(struct uring_ring *ring, void (*reap)(void *context), void *context);

/* Frees it and the buffers in it. Any thread, if it was left. */
void uring_ring_close(struct uring_ring *ring);

/* Whether the whole way of a datagram works on it: multishot receive into provided buffers, send,
 * cancel. Enables it and leaves it. 0 or negative errno, and *ret_what. */
int uring_ring_try(struct uring_ring *ring, const char **ret_what);

/* Gives the kernel buffers, up to the target. False: it has none, nor has the pool. */
bool uring_ring_refill(struct uring_ring *ring, struct pool *pool);

/* Takes back what place `bid` holds; the place is free then. */
leat_buf *uring_ring_take(struct uring_ring *ring, uint16_t bid);

/* A submission to fill in, user_data last; counted as outstanding. There is always one. */
struct io_uring_sqe *uring_ring_sqe(struct uring_ring *ring);

/* The same, for a multishot receive into the buffers; user_data is to be set. `header` says what
 * room name and control have, and stays. */
struct io_uring_sqe *uring_ring_receive(struct uring_ring *ring, int fd, struct msghdr *header);

/* Submissions there is room for. */
static inline uint32_t uring_ring_room(const struct uring_ring *ring)
{
    return io_uring_sq_space_left(&ring->ring);
}

/* Submits, runs what the kernel has deferred and, with wait_ns > 0 and nothing being sent, waits: one
 * system call, or none if there is nothing to submit, to run or to wait for. All that is being sent
 * has an answer then, in almost every case. 0, also if the time is over or a signal
 * came, or negative errno. */
int uring_ring_enter(struct uring_ring *ring, leat_time wait_ns);

/* ---- sockets ---- */

struct uring_sock {
    struct udp_sock udp; /* first: errors name sockets by it */
    uint8_t         state;
    bool            armed;       /* receiving */
    bool            dry;         /* counted as starved */
    bool            polled;      /* waits for room */
    bool            cancelled;   /* what waits for something; it ends soon */
    bool            blocked;     /* the kernel has no room */
    bool            congested;   /* nor has a device, and nothing will tell */
    bool            chained;     /* the messages in flight */
    bool            given_up;    /* closing: what is still queued is dropped */
    bool            is_hot, is_dirty, is_told, is_unarmed;
    uint8_t         failures;    /* of receiving, in a row */
    uint32_t        generation;
    uint32_t        outstanding; /* requests */
    uint32_t        sending;     /* messages in flight */
    uint32_t        built;       /* how many there were in the beginning */
    uint32_t        taken;       /* chained: that have left */
    int             error;       /* chained: of the first that was refused */
    uint32_t        tell;        /* completions it is owed */
    int             status;      /* of OPENED */
    uint16_t        filled_first; /* received, oldest first: places */
    uint16_t        filled_last;
    struct uring_sock *next_hot;
    struct uring_sock *next_dirty;
    struct uring_sock *next_told;
    struct uring_sock *next_unarmed;
};

/* An intrusive queue of sockets; which link it runs through is the queue's business. */
struct uring_queue {
    struct uring_sock *first;
    struct uring_sock *last;
};

struct uring {
    struct io_base      base;
    struct uring_ring   ring;
    struct udp         *udp;
    struct pool        *pool;
    struct msghdr       recv_header; /* of every receive: the room for name and control */
    bool                starved;     /* neither the kernel nor the pool has a receive buffer */
    bool                woken;
    leat_time           retry_at; /* when congested sockets are tried again */
    struct uring_sock **socks;    /* by index; each stays where it is for good */
    uint32_t            socks_len;
    uint32_t            socks_max;
    struct uring_queue  hot;     /* have received something that was not given on */
    struct uring_queue  dirty;   /* have something to send, or to close */
    struct uring_queue  told;    /* owed a completion */
    struct uring_queue  unarmed; /* are to receive again */
    struct uring_sock  *free_socks;
};

#define URING_PUSH(queue, sock, link, flag)                                                        \
    do {                                                                                           \
        if (!(sock)->flag) {                                                                       \
            (sock)->flag = true;                                                                   \
            (sock)->link = NULL;                                                                   \
            if ((queue)->last == NULL) {                                                           \
                (queue)->first = (sock);                                                           \
            } else {                                                                               \
                (queue)->last->link = (sock);                                                      \
            }                                                                                      \
            (queue)->last = (sock);                                                                \
        }                                                                                          \
    } while (0)

#define URING_POP(queue, ret, link, flag)                                                          \
    do {                                                                                           \
        (ret) = (queue)->first;                                                                    \
        (queue)->first = (ret)->link;                                                              \
        if ((queue)->first == NULL) {                                                              \
            (queue)->last = NULL;                                                                  \
        }                                                                                          \
        (ret)->flag = false;                                                                       \
    } while (0)

enum uring_state {
    URING_FREE,
    URING_OPEN,
    URING_FAILED,  /* OPENED with an error is still to be told */
    URING_CLOSING, /* the queue is to be tried once more, then what is outstanding ends */
    URING_CLOSED,  /* CLOSED is still to be told */
};

enum uring_tell {
    URING_TELL_OPENED = 1,
    URING_TELL_WRITABLE = 2,
    URING_TELL_CLOSED = 4,
};

/* The socket is owed that completion. */
void uring_tell(struct uring *uring, struct uring_sock *sock, enum uring_tell what);

/* The submission is the socket's, of that kind. */
void uring_own(struct uring_sock *sock, struct io_uring_sqe *sqe, enum uring_kind kind);

/* What may be there later is looked for again in a while. */
void uring_retry(struct uring *uring);

/* ---- uring_udp.c ---- */

/* Receiving starts, as many datagrams as there will be. */
void uring_udp_arm(struct uring *uring, struct uring_sock *sock);

/* A completion of that: what it brought is kept with the socket. */
void uring_udp_received(struct uring *uring, struct uring_sock *sock, int res, uint32_t flags);

/* Up to `cap` of what was received. */
unsigned uring_udp_give(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                        unsigned cap);

/* Frees what was received. */
void uring_udp_drop(struct uring *uring, struct uring_sock *sock);

/* Submissions for what the queue holds; none of it is in flight. False: there is no room for them
 * before the next system call. */
bool uring_udp_flush(struct uring *uring, struct uring_sock *sock);

/* A completion of one of them. */
void uring_udp_sent(struct uring *uring, struct udp_run *run, enum uring_kind kind, int res);

#endif
