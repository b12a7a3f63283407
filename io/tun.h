/* TUN and TAP over the kernel: opening an interface, reading packets, and a queue of those to
 * write. Every descriptor has a virtio-net header in front of each packet, all zero if there is
 * nothing to say, so that there is one way to read and to write. Nothing here waits. One thread,
 * the backend's. */
#ifndef LEAT_IO_TUN_H
#define LEAT_IO_TUN_H

#include "io.h"

#define TUN_FRONT 10u        /* bytes of the header */
#define TUN_SHORT_LEN 1856u  /* packets up to that are copied into a small buffer */
#define TUN_READ_LEN (LEAT_TUN_PACKET_MAX + 1) /* one more than there can be: else cut */
#define TUN_BATCH 64u        /* packets read in a row */

/* One queue of an interface. */
struct tun_sock {
    int         fd; /* -1: not open */
    uint32_t    index;
    uint64_t    token;
    bool        want_writable; /* a submit was refused: WRITABLE is owed */
    bool        is_gone;       /* the interface was deleted */
    int         error;         /* of the last write that was refused, negative errno; 0: told */
    uint32_t    queued;        /* packets */
    union node *first; /* the queue, oldest first: DATA events with body and offload */
    union node *last;
    struct leat_tun_info info;
};

/* What those of one backend share. */
struct tun {
    struct pool     *pool;
    struct io_stats *stats;
    uint32_t         queue_len_max;
    leat_buf        *buf; /* what is read into next; nobody else holds it */
};

/* `tun` is zeroed memory. */
void tun_init(struct tun *tun, struct pool *pool, struct io_stats *stats, uint32_t queue_len_max);

/* Every socket must be closed. */
void tun_fini(struct tun *tun);

/* Opens and configures: `sock` is zeroed, but for index and token. 0 or negative errno; its name is
 * in sock->info in either case. */
int tun_open(struct tun_sock *sock, const struct leat_tun_config *config);

/* Drops what is queued and closes. */
void tun_close(struct tun *tun, struct tun_sock *sock);

/* ---- receiving ---- */

enum tun_more {
    TUN_MORE,    /* there may be more to read */
    TUN_DRAINED, /* the kernel has no more */
    TUN_STARVED, /* there is no receive buffer */
    TUN_GONE,    /* nor will it ever have */
};

/* Up to `cap` packets into done[]; returns how many. */
unsigned tun_receive(struct tun *tun, struct tun_sock *sock, struct io_done *done, unsigned cap,
                     enum tun_more *ret_more);

/* Whether the interface was deleted, for who has no buffer to find out by reading. */
bool tun_is_deleted(const struct tun_sock *sock);

/* One packet of `len` bytes at buf_train_data(buf), its header in front of it, into a
 * completion: in that buffer, whose reference then goes along, *ret_kept false, or copied out of
 * it. False: it was cut, or is of a kind that was not asked for; the buffer stays the caller's. */
bool tun_complete(struct tun *tun, struct tun_sock *sock, leat_buf *buf, uint32_t len,
                  struct io_done *done, bool *ret_kept);

/* ---- sending ---- */

/* Queues the packet of a DATA operation; as io_ops.submit. */
int tun_submit(struct tun *tun, struct tun_sock *sock, const struct io_op *op);

enum tun_flushed {
    TUN_EMPTY,     /* all gone, or the interface is: sock->is_gone */
    TUN_BLOCKED,   /* wait until it is writable */
    TUN_CONGESTED, /* no memory: try again in a while */
};

/* Hands the queue to the kernel. */
enum tun_flushed tun_flush(struct tun *tun, struct tun_sock *sock);

/* The parts of a flush, for who has another system call.
 *
 * tun_header: what is to be in front of a queued packet.
 *
 * tun_settle: the first `n` of the queue were written, or not: each one's event.status says
 * bytes or a negative errno. What has only found no room stays, in front and in order. */
void             tun_header(const union node *node, uint8_t header[TUN_FRONT]);
enum tun_flushed tun_settle(struct tun *tun, struct tun_sock *sock, uint32_t n);

/* Whether WRITABLE is to be told. */
bool tun_has_room(const struct tun *tun, struct tun_sock *sock);

/* Drops what is queued. */
void tun_drop_queue(struct tun *tun, struct tun_sock *sock);

/* ---- tun_config.c ---- */

/* Addresses, MTU and up, as asked for, which without any needs no privilege; then its index and
 * MTU into *info, whose name says which. 0 or negative errno; nothing is taken back. */
int tun_configure(struct leat_tun_info *info, const struct leat_tun_config *config);

bool tun_name_is_taken(const char name[LEAT_TUN_NAME_LEN]);

#endif
