/* The sockets of one worker: which actor owns one, which peers are routed elsewhere, and the way
 * from outputs to the backend and from completions to inputs. */
#ifndef LEAT_SOCKETS_H
#define LEAT_SOCKETS_H

#include "host.h"
#include "io.h"

struct route {
    struct leat_addr peer;
    leat_ref         target; /* LEAT_REF_NONE: a free place */
    uint32_t         flags;  /* LEAT_UDP_TRAINS */
    uint32_t         used;   /* 1: taken, or a deleted place that a search passes */
};

struct socket {
    uint32_t       generation;
    uint32_t       index;
    enum {
        SOCKET_FREE,
        SOCKET_OPENING,
        SOCKET_OPEN,
        SOCKET_CLOSING,
        SOCKET_ENDING, /* a stream: the backend has ended it, what it brought is still to be given */
    } state;
    uint32_t       flags; /* enum leat_udp_flags */
    uint32_t       io;    /* the backend's index; IO_SOCK_NONE: not any more */
    leat_ref       owner; /* LEAT_REF_NONE: it has ended */
    uint64_t       cookie;
    struct leat_addr local; /* asked for */
    struct socket *owner_next; /* the owner's other sockets */
    struct socket *free_next;
    struct route  *routes; /* open addressing, a power of two places */
    uint32_t       routes_cap;
    uint32_t       routes_len;  /* targets */
    uint32_t       routes_used; /* places that are not fresh */
    uint32_t       routes_version;
    uint64_t       routes_swept;   /* actors that had ended when it was last found full */
    union node    *reserved;    /* becomes OPENED, then CLOSED: never refused */
    union node    *refused;     /* actors that are to be given WRITABLE */
    int32_t        error;       /* an error that did not fit into its actor's box; 0: none */
    struct leat_addr error_peer;

    bool             is_tun; /* TUN, TAP */

    /* streams: listeners and connections */
    bool             is_stream;
    bool             listens;
    bool             is_unix;
    bool             is_given;  /* somebody wants what it brings */
    bool             reads;     /* the backend is to read it */
    bool             is_leaving; /* CLOSE was asked for, and what is queued is still to leave */
    bool             is_paused; /* its owner wants nothing just now */
    int32_t          fail;      /* why it is being closed; 0: it was asked for */
    uint32_t         epoch;     /* of the token: it changes with the owner */
    union node      *token;     /* NULL: it is in the owner's mailbox */
    union node      *waiting;   /* inputs not yet given, oldest first */
    union node      *waiting_last;
    uint32_t         waiting_cost; /* bytes of memory they take */
    struct leat_addr peer;
};

struct sockets {
    struct socket      **table; /* by index */
    uint32_t             len;
    uint32_t             cap;
    struct socket       *free;
    uint32_t             errors_len; /* sockets with an error that waits */
    union node          *waits;      /* drains parked on a socket, oldest first */
    union node          *waits_last;
    uint32_t             leaving_len; /* streams that are */
    uint32_t             routes_max;
    const struct io_ops *ops;
    struct io           *io;
    struct host         *host;
};

void sockets_fini(struct sockets *sockets);

/* ---- socket_table.c ---- */

leat_sock socket_id(const struct sockets *sockets, const struct socket *socket);

/* The socket of that id; NULL: of another worker, gone, or never there. */
struct socket *socket_at(const struct sockets *sockets, leat_sock sock);

/* The same if it is open. */
struct socket *socket_find(const struct sockets *sockets, leat_sock sock);

/* The cell of an actor of this worker, or of a member's group; NULL: it does not live here. */
struct cell *sockets_cell(const struct sockets *sockets, leat_ref ref);

/* A socket with the nodes it will need, to be filled in; NULL: no memory. */
struct socket *socket_make(struct sockets *sockets);

/* Frees all that it holds, and the slot. */
void socket_give(struct sockets *sockets, struct socket *socket);

/* Puts it on the list of an actor or member that lives here, and takes it off. */
void socket_own(struct sockets *sockets, struct socket *socket, leat_ref owner);
void socket_disown(struct sockets *sockets, struct socket *socket);

/* ---- sockets.c ---- */

/* An open one: nobody is served by it any more; the backend's CLOSED is the end. */
void socket_close(struct sockets *sockets, struct socket *socket, bool reset);

/* host_ops.socket_output. */
int sockets_output(struct sockets *sockets, struct cell *cell, union node *out);

/* The actor or member that owns this list of sockets has ended: they are closed and the routes'
 * targets told. */
void sockets_forget(struct sockets *sockets, void **list);

/* What the backend has completed becomes inputs. */
void sockets_done(struct sockets *sockets, struct io_done *done, uint32_t n);

/* Ends waits whose time is over, tries again what did not fit. */
void sockets_expire(struct sockets *sockets);

/* When that has something to do next; LEAT_NEVER: not before something else happens. */
leat_time sockets_next(const struct sockets *sockets);

#endif
