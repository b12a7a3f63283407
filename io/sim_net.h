/* The inside of the simulated world, for its backends. One thread. */
#ifndef LEAT_IO_SIM_NET_H
#define LEAT_IO_SIM_NET_H

#include "addr.h"
#include "io.h"
#include "sim.h"

#define SIM_FLIGHTS_MAX 65536u /* datagrams on their way; more are lost */
#define SIM_HEAP_LEN (2 * SIM_FLIGHTS_MAX) /* the rest is for streams, which wait with their bytes */
#define SIM_INBOX_MAX 4096u    /* datagrams arrived and not read, per socket; more are lost */
#define SIM_INTERFACE 1u       /* the only one */

enum sim_flight_kind {
    SIM_DATAGRAM, /* or the error that answers one */
    /* streams: sim_stream.c */
    SIM_SYN,
    SIM_SYN_ACK,
    SIM_BYTES,
    SIM_FIN,
    SIM_RST,
    SIM_WINDOW, /* `len` bytes more may be sent; it has none itself */
    SIM_ALARM,
};

/* What is on its way, or has arrived. */
struct sim_flight {
    uint8_t            kind; /* enum sim_flight_kind */
    uint8_t            tries;
    uint64_t           target; /* of a stream, but for a SYN: the serial of the port it is for */
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
    bool               is_stream;
    bool               listens; /* a stream that takes SYNs */
    struct sim_port   *next; /* of those in its bucket, as bound */
    struct sim_flight *inbox;
    struct sim_flight *inbox_last;
    uint32_t           inbox_len;
};

/* Takes `bound`, with port 0 a free one; the caller has filled in the rest. -EADDRINUSE. */
int sim_bind(struct sim_world *world, struct sim_port *port, const struct leat_addr *bound);

/* Leaves the network; what has arrived is dropped. */
void sim_unbind(struct sim_world *world, struct sim_port *port);

/* Joins the network at port->bound as it is, beside whoever is there. */
void sim_join(struct sim_world *world, struct sim_port *port);

/* The port of that serial, bound to `bound`; NULL: it has left. */
struct sim_port *sim_find(struct sim_world *world, const struct leat_addr *bound, uint64_t serial);

/* The listener that a SYN is for; NULL: there is none. */
struct sim_port *sim_find_listener(struct sim_world *world, const struct sim_flight *syn);

/* The address that a socket bound to `port` has for `to`, without its port. */
void sim_source(const struct sim_port *port, const struct leat_addr *to, struct leat_addr *ret);

/* Puts a flight of a stream on its way, not before *last_at, which becomes its time: streams keep
 * their order, and what is lost is sent again later. False: it was lost for good, and is freed. */
bool sim_launch(struct sim_world *world, struct sim_flight *flight, leat_time *last_at);

/* The same for an alarm, exactly at `at`; and takes it back. */
bool sim_launch_alarm(struct sim_world *world, struct sim_flight *flight, leat_time at);
void sim_cancel(struct sim_world *world, struct sim_flight *flight);

/* Whether streams may put more bytes on their way. */
bool sim_has_room(const struct sim_world *world);

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
