/* Streams over the kernel, TCP and Unix: listening, connecting, accepting, how a connection is
 * read, and its send queue. Nothing here waits, and nothing knows of turns; that is ready_stream.c,
 * where readiness is learnt, and uring_stream.c, where requests are answered. One thread, the
 * backend's. */
#ifndef LEAT_IO_TCP_H
#define LEAT_IO_TCP_H

#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "addr.h"
#include "io.h"

#define TCP_SHORT_LEN 1856u     /* bytes of a read that are copied into a small buffer */
#define TCP_ROOM_LEN 16384u     /* the least that a read is offered */
#define TCP_VECTORS 64u         /* of one send */
#define TCP_BACKLOG_MAX 65535u  /* the kernel cuts it to net.core.somaxconn */
#define TCP_ACCEPTS 16u         /* of one listener a turn, where each is a system call */

#define TCP_CLOSE_NS (5 * LEAT_SEC) /* for what is queued to leave after CLOSE */
#define TCP_LINGER_NS LEAT_SEC      /* for the peer to close after that */
#define TCP_LINGERING_MAX 1024u     /* at once; more are closed without waiting for the peer */
#define TCP_EXHAUSTED_NS (100 * LEAT_MS) /* a listener rests */
#define TCP_CONNECT_AGAIN_NS (5 * LEAT_MS)

/* A listener or a connection. */
struct tcp_sock {
    int      fd; /* -1: not open */
    uint32_t index;
    uint64_t token;
    int      family;
    bool     listens;
    bool     want_writable; /* a submit was refused: WRITABLE is owed */
    bool     finishing;     /* FIN is to be sent behind what is queued */
    bool     fin_sent;
    bool     eof;    /* the peer's FIN has been read */
    int      broken; /* what the first send that failed said, negative errno; 0: none did */
    uint32_t queued; /* bytes */
    union node      *first; /* the queue, oldest first: DATA events with a body each */
    union node      *last;
    struct leat_addr bound; /* a listener's own; all zero: Unix */
    struct leat_addr peer;  /* a connection's */
    char            *path;  /* Unix, that bound or connects; NULL: TCP, or accepted */
    dev_t            device; /* of the file it made, inode 0: none */
    ino_t            inode;
};

/* What the sockets of one backend share. */
struct tcp {
    struct pool     *pool;
    struct io_stats *stats;
    uint32_t         queue_max;
    int              spare_fd; /* given up to turn a connection away when there are no more; or -1 */
    uint64_t         exhausted_len; /* times there was no descriptor for one */
    void (*log)(void *context, enum leat_log_level level, const char *text); /* or NULL */
    void            *log_context;
    leat_buf        *buf;      /* what is read into; slices of it may be out */
    uint32_t         buf_used; /* bytes of it */
    uint8_t          discarded[TCP_ROOM_LEN];
};

/* `tcp` is zeroed memory. Takes none, and no descriptor, before the first socket. */
void tcp_init(struct tcp *tcp, struct pool *pool, struct io_stats *stats, uint32_t queue_max);

/* Every socket must be closed. */
void tcp_fini(struct tcp *tcp);

/* ---- tcp_open.c ---- */

/* Opens, binds and listens: `sock` is zeroed, but for index and token. 0 or negative errno. */
int tcp_listen(struct tcp *tcp, struct tcp_sock *sock, const struct io_op *op);

#define TCP_IN_PROGRESS 1

/* Opens and begins to connect. 0: it is connected; TCP_IN_PROGRESS: wait until it is writable, then
 * tcp_connected; -EAGAIN: a Unix listener's queue is full, tcp_connect_again; negative errno. */
int tcp_connect(struct tcp *tcp, struct tcp_sock *sock, const struct io_op *op);
int tcp_connect_again(struct tcp_sock *sock);

/* The end of connecting: 0 or negative errno. */
int tcp_connected(struct tcp_sock *sock);

enum tcp_accepted {
    TCP_ACCEPTED,  /* `ret` is a connection: fd, family, peer */
    TCP_NONE,      /* nobody waits */
    TCP_AGAIN,     /* that one was gone already; counted */
    TCP_TURNED_AWAY, /* there was no descriptor for it: *ret_status; counted and logged, as is: */
    TCP_EXHAUSTED, /* neither a descriptor nor the spare one, or no memory: try again later */
};

enum tcp_accepted tcp_accept(struct tcp *tcp, const struct tcp_sock *listener,
                             struct tcp_sock *ret, int *ret_status);

/* The same for a descriptor that was accepted otherwise, nonblocking and close-on-exec, which is
 * taken over: ACCEPTED or AGAIN. */
enum tcp_accepted tcp_accept_fd(struct tcp *tcp, const struct tcp_sock *listener, int fd,
                                struct tcp_sock *ret);

/* Drops what is queued and closes, with `reset` so that the peer is told at once. A Unix listener's
 * file goes, if it is still its own. */
void tcp_close(struct tcp *tcp, struct tcp_sock *sock, bool reset);

/* ---- tcp.c ---- */

enum tcp_more {
    TCP_MORE,     /* there may be more to read */
    TCP_DRAINED,  /* the kernel has no more */
    TCP_STARVED,  /* there is no receive buffer */
    TCP_FINISHED, /* the peer's FIN */
    TCP_FAILED,   /* *ret_status */
};

/* `len` bytes that were read into a receive buffer, as a body of their own: a short one is a copy,
 * so that a few bytes which somebody keeps never hold 64 KiB, a long one a reference more. */
leat_slice tcp_body(leat_buf *buf, uint32_t offset, uint32_t len);

/* Reads once. *ret_body has bytes, its reference the caller's, with MORE or DRAINED only. */
enum tcp_more tcp_receive(struct tcp *tcp, struct tcp_sock *sock, leat_slice *ret_body,
                          int *ret_status);

/* Reads once and forgets it. Not STARVED. */
enum tcp_more tcp_discard(struct tcp *tcp, struct tcp_sock *sock);

/* Queues the body of a DATA operation; as io_ops.submit. */
int tcp_submit(struct tcp *tcp, struct tcp_sock *sock, const struct io_op *op);

enum tcp_flushed {
    TCP_EMPTY,     /* all gone, FIN too if it was asked for */
    TCP_BLOCKED,   /* the kernel's queue is full: wait until it is writable */
    TCP_CONGESTED, /* no memory there: try again in a while */
    TCP_BROKEN,    /* sock->broken says why; the queue is dropped */
};

/* Hands the queue to the kernel, by sendmsg; behind it FIN, if that was asked for. */
enum tcp_flushed tcp_flush(struct tcp *tcp, struct tcp_sock *sock);

/* The parts of a flush, for who has another system call.
 *
 * tcp_build: the front of the queue as at most `max` vectors; returns how many, and their bytes. It
 * is needed where it is until tcp_sent.
 *
 * tcp_sent: the kernel has taken `sent` bytes of that, or refused it with a negative errno. EMPTY:
 * the queue is, FIN apart. BLOCKED: there is more. */
uint32_t         tcp_build(const struct tcp_sock *sock, struct iovec *vectors, uint32_t max,
                           size_t *ret_len);
enum tcp_flushed tcp_sent(struct tcp *tcp, struct tcp_sock *sock, ssize_t sent);

#endif
