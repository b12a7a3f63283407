/* The inside of the simulated world, for its backends. One thread. */
#ifndef LEAT_IO_SIM_NET_H
#define LEAT_IO_SIM_NET_H

#include "addr.h"
#include "io.h"
#include "sim.h"

#define SIM_FLIGHTS_MAX 65536u /* datagrams on their way; more are lost */
#define SIM_INBOX_MAX 4096u    /* datagrams arrived and not read, per socket; more are lost */
#define SIM_INTERFACE 1u       /* the only one */

/* A datagram, or the error that answers one, on its way or arrived. */
struct sim_flight {
    leat_time          at;
    uint64_t           seq;    /* orders those of one instant */
    struct sim_flight *next;   /* in an inbox */
    uint64_t           sender; /* its socket's serial; of an error: the receiver's */
    struct leat_addr   from;   /* of an error: whom the datagram was for */
    struct leat_addr   to;
    int32_t            error; /* 0: a datagram */
    uint32_t           len;
    uint8_t            bytes[];
};

/* A socket as the world sees it. */
struct sim_port {
    uint64_t           serial; /* never used twice */
    struct leat_addr   bound;
    bool               dual_stack;
    bool               reuseport;
    struct sim_port   *next; /* of those in its bucket, as bound */
    struct sim_flight *inbox;
    struct sim_flight *inbox_last;
    uint32_t           inbox_len;
};

/* Takes `bound`, with port 0 a free one; the caller has filled in the rest. -EADDRINUSE. */
int sim_bind(struct sim_world *world, struct sim_port *port, const struct leat_addr *bound);

/* Leaves the network; what has arrived is dropped. */
void sim_unbind(struct sim_world *world, struct sim_port *port);

/* Puts one datagram on its way, copied: it may be lost, doubled, delayed. */
void sim_send(struct sim_world *world, const struct sim_port *port, const struct leat_addr *to,
              const struct leat_addr *local, const uint8_t *bytes, uint32_t len);

/* Moves what is due by now to the inboxes. */
void sim_deliver(struct sim_world *world);

/* The oldest of the inbox, the caller's to free with mem_free; NULL: none. */
struct sim_flight *sim_inbox_take(struct sim_port *port);

/* Backends come and go with the world open. */
void sim_world_attach(struct sim_world *world);
void sim_world_detach(struct sim_world *world);

#endif
