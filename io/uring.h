/* The io_uring backend: the ring (uring_ring.c), the receive buffers of streams (uring_pieces.c),
 * what UDP and streams do on it (uring_udp.c, uring_stream.c, uring_listen.c), and the table of
 * sockets with its turn (uring.c). Requests of the kernel's carry who they are for in user_data; a
 * socket's index is used again only when none of its requests is left. */
#ifndef LEAT_IO_URING_H
#define LEAT_IO_URING_H

#include <liburing.h>

#include "alarms.h"
#include "tcp.h"
#include "tun.h"
#include "udp.h"

#define URING_SQ 512u   /* submissions in one system call */
#define URING_CQ 2048u  /* completions between two looks: each send's, each receive buffer's */
#define URING_BUFS 64u /* receive buffers the kernel has, at most; a power of two */
#define URING_BUFS_FIRST 16u
#define URING_STARVED_NS (100 * LEAT_MS) /* who returns a buffer wakes; else memory was out */

/* What the kernel writes in front of a payload: its header, name and control, within the headroom
 * that every received datagram has. */
#define URING_NAME_LEN 32u
#define URING_CONTROL_LEN 64u
#define URING_FRONT (sizeof(struct io_uring_recvmsg_out) + URING_NAME_LEN + URING_CONTROL_LEN)

_Static_assert(URING_BUFS >= UDP_BATCH, "what datagrams may have fits");
_Static_assert(URING_FRONT <= LEAT_HEADROOM, "what precedes a payload fits the headroom");
_Static_assert(URING_FRONT % 16 == 0, "control messages are aligned");
_Static_assert(sizeof(union addr_any) <= URING_NAME_LEN, "a name fits");

/* ---- the ring ---- */

/* The low bits of user_data. The rest of a send's is its run; any other's says the socket: index
 * from bit 3 on, generation from bit 35 on, and from bit 58 on which of several it is. */
enum uring_kind {
    URING_SEND,
    URING_SEND_TO, /* the same by IORING_OP_SEND with an address, which costs less */
    URING_RECV,  /* or accept: the one that goes on until it ends */
    URING_POLL,  /* for room; of a stream also to be connected, for its end, to accept */
    URING_WRITE, /* a stream's */
    URING_CANCEL,
    URING_WAKE, /* poll of the eventfd; this and the next have no socket */
    URING_CANCEL_ALL,
};

#define URING_KIND_MASK 7u
#define URING_GENERATION_MASK ((1u << 23) - 1)
#define URING_NTH_SHIFT 58

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
    int                       broken; /* negative errno: the kernel lets us no more */
    bool                      send_to; /* the kernel may take an address with IORING_OP_SEND */
    bool                      send_to_works;
    int                       wake_fd;
    uint32_t                  setup_flags;
    int                       owner; /* thread id, once enabled */
    uint32_t                  outstanding; /* requests whose last completion has not come */
    uint32_t                  sending;     /* those of them that end without waiting */
    uint32_t                  bufs_target; /* grows with the load */
    uint32_t                  bufs_max;    /* up to this: udp.batch_max */
    uint32_t                  bufs_posted; /* the kernel has them */
    uint32_t                  bufs_filled; /* not given on yet */
    uint16_t                  bufs_free;   /* places */
    struct uring_buf          bufs[URING_BUFS];
    struct io_uring_sqe       nowhere; /* what a broken ring gives to fill in */
};

/* What tests make of the kernel: flags that setup is to refuse, sizes of the queues (0: as above),
 * what it cannot do. Read by uring_ring_open, uring_pieces_open, uring_init and uring_tun_open. */
struct uring_test {
    uint32_t refused_flags;
    bool     no_incremental;
    bool     no_multishot_accept;
    bool     no_multishot_read;
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

/* A submission to fill in, user_data last; counted as outstanding. There is always one; of a broken
 * ring it goes nowhere. */
struct io_uring_sqe *uring_ring_sqe(struct uring_ring *ring);

/* The same, for a multishot receive into the buffers; user_data is to be set. `header` says what
 * room name and control have, and stays. */
struct io_uring_sqe *uring_ring_receive(struct uring_ring *ring, int fd, struct msghdr *header);

/* Submissions there is room for. */
static inline uint32_t uring_ring_room(const struct uring_ring *ring)
{
    return io_uring_sq_space_left(&ring->ring);
}

/* Submits, runs what the kernel has deferred and, with wait_ns > 0 and no datagram being sent,
 * waits: one system call, or none if there is nothing to submit, to run or to wait for. All
 * datagrams that are being sent have an answer then, in almost every case. 0, also if the time is
 * over or a signal came, or negative errno: the ring is broken from then on, and nothing is
 * answered any more. */
int uring_ring_enter(struct uring_ring *ring, leat_time wait_ns);

/* Waits without the ring, which is broken, for uring_wake. True: that ended it. */
bool uring_ring_doze(struct uring_ring *ring, leat_time wait_ns);

/* ---- the receive buffers of streams ---- */

/* Connections wait without a buffer; where data comes the kernel takes the first of these, which
 * all share: pieces of the pool's receive buffers. Where it can use one for several reads
 * (IOU_PBUF_RING_INC, since 6.12), they are long, and a thousand short reads take few of them. */
#define URING_PIECES 1024u        /* at most, a power of two */
#define URING_PIECE_LEN 16384u    /* used up read by read */
#define URING_PIECE_SHORT 4096u   /* where each serves one read */
#define URING_PIECES_FIRST 4u

struct uring_piece {
    leat_buf *buf;
    uint32_t  offset; /* of what is not filled yet */
    uint16_t  next;   /* free: the next free place */
};

struct uring_pieces {
    struct io_uring_buf_ring *kernel; /* NULL: not open */
    struct pool              *pool;
    bool                      incremental;
    uint32_t                  piece_len;
    leat_buf                 *buf; /* pieces are cut from it */
    uint32_t                  buf_used;
    uint32_t                  target; /* pieces the kernel is to have; grows with the load */
    uint32_t                  max;
    uint32_t                  posted;
    uint64_t                  ran_dry; /* reads that found none */
    uint64_t                  dry_seen;
    uint16_t                  free;
    struct uring_piece        places[URING_PIECES];
};

/* Makes the group. `pieces` is zeroed. 0 or negative errno. The ring's thread. */
int  uring_pieces_open(struct uring_pieces *pieces, struct uring_ring *ring, struct pool *pool);
void uring_pieces_close(struct uring_pieces *pieces); /* when the ring is closed */

/* The kernel shall not find any of them any more. */
void uring_pieces_void(struct uring_pieces *pieces);

/* Gives the kernel pieces, up to the target. False: it has none, nor has the pool. */
bool uring_pieces_refill(struct uring_pieces *pieces);

/* A read without one: there shall be more. */
void uring_pieces_ran_dry(struct uring_pieces *pieces);

/* `len` bytes came, with the completion's flags: as a body of their own; `drop`: forgotten, .buf is
 * NULL then. */
leat_slice uring_pieces_take(struct uring_pieces *pieces, uint32_t flags, uint32_t len, bool drop);

/* A submission for a multishot recv into them; user_data is to be set. */
struct io_uring_sqe *uring_pieces_receive(struct uring_ring *ring, int fd);

/* ---- sockets ---- */

enum uring_state {
    URING_FREE,
    URING_OPEN,
    URING_FAILED,  /* OPENED with an error is still to be told */
    URING_CLOSING, /* what is queued is tried once, a stream's until it is empty */
    URING_CLOSED,  /* CLOSED is still to be told */
    URING_UNHEARD,    /* a stream, as the next three: accepted, and not told yet */
    URING_CONNECTING,
    URING_LINGERING,  /* CLOSED has been, or is to be told; what comes is read and dropped */
    URING_ENDING,     /* its requests are being cancelled, then its descriptor goes */
    URING_DEAD,       /* told, but on a broken ring: the kernel may still hold what it refers to */
};

enum uring_tell {
    URING_TELL_OPENED = 1,
    URING_TELL_WRITABLE = 2,
    URING_TELL_CLOSED = 4,
    URING_TELL_ERROR = 8, /* of a TUN */
};

struct uring;
struct uring_class;

struct uring_sock {
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
    const struct uring_class *class;
    uint8_t         state;
    bool            armed;       /* receiving, or accepting */
    bool            polled;
    bool            cancelled;   /* what waits for something; it ends soon */
    bool            congested;   /* the kernel has no memory, or a device no room: nothing will tell */
    bool            is_hot, is_dirty, is_told, is_unarmed;
    uint32_t        generation;
    uint32_t        outstanding; /* requests */
    uint32_t        sending;     /* messages in flight; a stream has one */
    uint32_t        tell;        /* completions it is owed */
    int             status;      /* of OPENED; of CLOSED */
    struct uring_sock *next_hot;
    struct uring_sock *next_dirty;
    struct uring_sock *next_told;
    struct uring_sock *next_unarmed;
    union {
        struct { /* UDP; TUN has some of it */
            bool     dry;      /* counted as starved */
            bool     blocked;  /* the kernel has no room */
            bool     chained;  /* the messages in flight */
            bool     given_up; /* closing: what is still queued is dropped */
            uint8_t  failures; /* of receiving, in a row */
            uint32_t built;    /* how many messages there were in the beginning */
            uint32_t taken;    /* chained: that have left */
            int      error;    /* chained: of the first that was refused */
            uint16_t filled_first; /* received, oldest first: places */
            uint16_t filled_last;
            union node *answered; /* TUN: of those in flight the one that was answered last */
            uint32_t    answered_nth; /* which that is */
        };
        struct { /* streams */
            bool     reads;     /* it is to be read, a listener to accept */
            bool     exhausted; /* a listener: there was no descriptor; it rests */
            bool     by_hand;   /* a listener: it may have to be accepted from, by system calls */
            bool     connects;  /* is on its way, and will be writable */
            bool     reset;     /* it ends so */
            bool     hung;      /* the peer has finished, or worse: the end is among what is to be read */
            bool     stale;     /* the receive may not notice that */
            uint8_t  was;       /* the state in which it began to end */
            int      last_read; /* 0: the peer's FIN, negative: why there is no more; else there is */
            uint32_t got_len;
            uint32_t got_bytes;
            union node *got_first; /* received, oldest first: DATA events */
            union node *got_last;
            struct uring_sock *accepted_first; /* a listener's, oldest first */
            struct uring_sock *accepted_last;
            struct uring_sock *next_accepted;
            struct alarm alarm;
            leat_time    connect_until;
        };
    };
};

/* An intrusive queue of sockets; which link it runs through is the queue's business. */
struct uring_queue {
    struct uring_sock *first;
    struct uring_sock *last;
};

/* What a kind of sockets does for itself; uring.c does the rest. */
struct uring_class {
    /* As io_ops.submit, of a socket that is open. */
    int (*submit)(struct uring *uring, struct uring_sock *sock, const struct io_op *op);

    /* A completion of one of its requests, which is not counted as outstanding any more if it was
     * the last. */
    void (*answer)(struct uring *uring, struct uring_sock *sock, enum uring_kind kind, int res,
                   uint32_t flags);

    /* It is dirty: submissions for what it has to send, or a step towards its end. False: there is
     * no room for them before the next system call. */
    bool (*flush)(struct uring *uring, struct uring_sock *sock);

    /* It is hot: up to `cap` of what it has received. Hot again, if there is more. */
    unsigned (*give)(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                     unsigned cap);

    /* A while after uring_retry. */
    void (*retry)(struct uring *uring, struct uring_sock *sock);

    /* The ring is broken: it has no requests any more, and owes its last word. */
    void (*fail)(struct uring *uring, struct uring_sock *sock, int status);

    /* The backend ends, nothing is outstanding. */
    void (*fini)(struct uring *uring, struct uring_sock *sock);
};

extern const struct uring_class uring_udp_class, uring_stream_class, uring_tun_class;

#define URING_SEND_HEADERS 64u
#define URING_SEND_VECTORS 1024u

struct uring {
    struct io_base      base;
    struct uring_ring   ring;
    struct udp         *udp;
    struct tcp         *tcp;
    struct pool        *pool;
    struct msghdr       recv_header; /* of every receive: the room for name and control */
    bool                starved;     /* neither the kernel nor the pool has a receive buffer */
    bool                woken;
    bool                has_failed; /* the ring is broken, and all sockets have ended */
    uint32_t            worker;
    void (*log)(void *context, enum leat_log_level level, const char *text);
    void               *log_context;
    leat_time           retry_at; /* when congested sockets are tried again */
    struct uring_sock **socks;    /* by index; each stays where it is for good */
    uint32_t            socks_len;
    uint32_t            socks_max;
    uint32_t            receivers_len; /* sockets that need a buffer each to wait with */
    struct uring_queue  hot;     /* have received something that was not given on */
    struct uring_queue  dirty;   /* have something to send, or to close */
    struct uring_queue  told;    /* owed a completion */
    struct uring_queue  unarmed; /* are to receive again, and need a buffer each to wait with */
    struct uring_sock  *free_socks;

    struct uring_tuns *tuns; /* NULL: there has been none yet */
    uint32_t           nth;  /* of the answer at hand: which of several it is about */

    /* streams */
    struct uring_queue   unsettled; /* their requests may be others than they want; link: unarmed */
    struct uring_pieces *pieces;    /* NULL: there has been none yet */
    struct alarms        alarms;
    bool                 pieces_starved;
    bool                 accepts_by_hand; /* the kernel has no multishot accept */
    uint32_t             begun_len;       /* that connect or linger, which are not counted as open */
    uint32_t             lingering_len;
    uint32_t             headers_len; /* of messages that the kernel has not copied yet */
    uint32_t             vectors_len;
    struct msghdr        headers[URING_SEND_HEADERS];
    struct iovec         vectors[URING_SEND_VECTORS];
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

leat_time uring_now(struct io *io);

/* A socket's memory, zeroed but for index and generation; NULL: no memory. */
struct uring_sock *uring_sock_take(struct uring *uring, const struct uring_class *class);

/* The socket is owed that completion. */
void uring_tell(struct uring *uring, struct uring_sock *sock, enum uring_tell what);

/* Nothing more is owed: the index may be used again. */
void uring_release(struct uring *uring, struct uring_sock *sock);

/* The submission is the socket's, of that kind. */
void uring_own(struct uring_sock *sock, struct io_uring_sqe *sqe, enum uring_kind kind);

/* A poll, once, for these events, or for what ends a connection, which the kernel always tells:
 * errors, and that the peer has finished. Or for that, until it is cancelled, but only what is
 * new. */
#define URING_POLL_ENDS 0
#define URING_POLL_EDGES 0x10000
void uring_poll(struct uring *uring, struct uring_sock *sock, uint32_t events);

/* Its request of that kind shall end. */
void uring_cancel(struct uring *uring, struct uring_sock *sock, enum uring_kind kind);

/* What may be there later is looked for again in a while. */
void uring_retry(struct uring *uring, leat_time ns);

/* Takes what has completed, without a system call. */
void uring_reap(struct uring *uring);

/* Sends what can be sent now, and looks what became of it. */
void uring_hand_over(struct uring *uring);

/* A completion of this socket. */
struct io_done *uring_done_fill(struct io_done *done, enum io_done_kind kind,
                                const struct uring_sock *sock, int status);

/* No request is made any more, only what there is is ended: its thread has said `leave`, or the
 * ring is broken. */
static inline bool uring_is_over(const struct uring *uring)
{
    return uring->ring.broken != 0 || (uring->ring.enabled && uring->ring.owner == 0);
}

/* ---- uring_udp.c ---- */

int uring_udp_open(struct uring *uring, const struct io_op *op);

/* Receiving starts, as many datagrams as there will be. */
void uring_udp_arm(struct uring *uring, struct uring_sock *sock);

/* A completion of a message that was sent. */
void uring_udp_sent(struct uring *uring, struct udp_run *run, enum uring_kind kind, int res);

/* ---- uring_tun.c ---- */

int uring_tun_open(struct uring *uring, const struct io_op *op);

/* Some have waited for a receive buffer, and there is one now. */
bool uring_tun_fed(struct uring *uring);

/* The kernel shall not find any buffer of theirs any more. The ring is closed: they are freed. */
void uring_tun_void(struct uring *uring);
void uring_tun_fini(struct uring *uring);

/* ---- uring_stream.c, uring_listen.c ---- */

/* Received, or accepted, and not given on: beyond that it is not read. */
#define URING_KEPT_MAX 64u
#define URING_KEPT_BYTES 262144u
#define URING_GIVEN_BYTES 262144u /* of one stream in a turn: less costs cancelled receives, ADR 10 */
#define URING_MORE 1       /* last_read: there may be more */

static inline void uring_make_hot(struct uring *uring, struct uring_sock *sock)
{
    URING_PUSH(&uring->hot, sock, next_hot, is_hot);
}

static inline void uring_make_dirty(struct uring *uring, struct uring_sock *sock)
{
    URING_PUSH(&uring->dirty, sock, next_dirty, is_dirty);
}

/* A stream whose requests may be others than it wants. */
static inline void uring_unsettle(struct uring *uring, struct uring_sock *sock)
{
    URING_PUSH(&uring->unsettled, sock, next_unarmed, is_unarmed);
}

/* LISTEN, CONNECT and CANCEL; as io_ops.submit. */
int uring_stream_open(struct uring *uring, const struct io_op *op);

/* The requests that streams want, and no others, as submissions. */
void uring_stream_settle(struct uring *uring);

/* What is due: connecting that takes too long, queues that do not empty, listeners that rest. */
void uring_stream_alarms(struct uring *uring);

/* False: there is no memory for an alarm. */
bool uring_stream_alarm(struct uring *uring, struct uring_sock *sock, leat_time ns);

/* A completion of a listener's accept; it is hot; it ends, and with it who was accepted and not
 * told. */
void     uring_listen_answer(struct uring *uring, struct uring_sock *sock, int res, uint32_t flags);
unsigned uring_listen_give(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                           unsigned cap);
void     uring_listen_drop(struct uring *uring, struct uring_sock *sock);

#endif
