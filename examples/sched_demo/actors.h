/* The actors of the demo. actors.c: a source makes messages at a steady rate, a relay passes them on.
 * echo.c and load.c: UDP over loopback, an echo and the clients that load it. */
#ifndef SCHED_DEMO_ACTORS_H
#define SCHED_DEMO_ACTORS_H

#include <leat/leat.h>

enum {
    WORK = 1,   /* a struct work */
    LINK,       /* a leat_ref: a relay's only target from now on, which is how the ring is closed */
    RATE,       /* a uint64_t: a source's rate; an echo hands it on to its clients */
    BURST,      /* a uint64_t: so many messages more, at once, from a source */
    TO_ADD,     /* a leat_ref: one more target of a relay */
    TO_REPLACE, /* a struct replace, to a relay */
    UDP_TOTALS, /* a struct udp_totals, from each client at its end */
};

struct work {
    uint64_t sequence;
    uint32_t hops; /* relays it still passes */
    uint32_t zero;
};

struct source_config {
    leat_ref to;
    uint64_t rate;   /* messages per second, at least 1 */
    uint32_t period; /* ms between bursts, at least 1 */
    uint32_t hops;   /* of each message */
};

#define RELAY_TO_MAX 256u

struct relay_config {
    leat_time linger_ns; /* goes on so long after SHUTDOWN: what is on its way shall arrive */
    uint32_t to_len;     /* takes turns; 0: nothing is passed on */
    uint32_t zero;
    leat_ref to[RELAY_TO_MAX];
};

/* Another target in place of an old one. */
struct replace {
    leat_ref old, new; /* new NONE: one target less */
    uint64_t stop_old; /* after all that the relay has sent it */
};

/* Sources: by deadline, at a rate, and round the ring. */
extern const struct leat_behavior ticker_behavior, producer_behavior, starter_behavior;
/* Relays. A slow one holds its worker for SLOW_NS per message, which no actor should; a small one has a
 * mailbox of 16. */
extern const struct leat_behavior router_behavior, consumer_behavior, ring_behavior, slow_behavior,
    small_behavior;

#define SLOW_NS (20 * LEAT_MS)

#define ECHO_CLIENTS_MAX 4u

struct echo_config {
    struct leat_addr local;
    leat_ref report_to;
    uint64_t rate; /* datagrams per second, each client */
    uint32_t clients;
};

struct udp_totals {
    uint64_t sent, received, lost, wrong;
};

extern const struct leat_behavior echo_behavior, load_behavior;

#endif
