/* The UDP workloads: a generator in a process of its own, and two servers for it, leat's and a
 * plain loop. Both are driven by the same generator in the same way, so their figures compare. */
#ifndef LEAT_BENCH_UDP_H
#define LEAT_BENCH_UDP_H

#include <netinet/in.h>
#include <sys/types.h>

#include "generator.h"

#define UDP_WINDOW 256u     /* datagrams in flight, where a plan does not say */
#define UDP_PEERS_MAX 256u
#define UDP_FAN_PEERS 64u   /* that one request is answered to; requests take groups in turn */
#define UDP_FAN_GROUPS (UDP_PEERS_MAX / UDP_FAN_PEERS)
#define UDP_LEN 64u         /* bytes of a datagram */
#define UDP_BATCH 64u       /* of recvmmsg and sendmmsg */
#define UDP_TRAIN_LEN 65536u

enum traffic {
    TRAFFIC_ECHO,   /* what was sent comes back */
    TRAFFIC_FANOUT, /* each request comes back to a whole group of peers */
    TRAFFIC_RTT,    /* one at a time, latencies noted; without a pause */
};

struct plan {
    enum traffic traffic;
    uint32_t     peers; /* distinct source addresses */
    uint32_t     train; /* datagrams of one peer in a row, as one GSO send; 1: none */
    uint64_t     duration_ns;
    uint64_t     count; /* RTT: round trips */
    uint32_t     window; /* datagrams in flight; 0: UDP_WINDOW */
    in_addr_t    source, server; /* 0: peers of 127.0.0.0/8, and 127.0.0.1 */
};

/* What starts every datagram. Order is checked for each peer. */
struct stamp {
    uint32_t peer; /* fan-out: the group */
    uint32_t magic;
    uint64_t seq;
    uint64_t seq_inverted;
};

#define STAMP_MAGIC 0x6c656174u

struct outcome {
    uint64_t wall_ns;
    uint64_t cpu_ns;    /* of the server's process, in the same time */
    uint64_t datagrams; /* came back, in that time */
    uint64_t sent;      /* in all, the warm-up included; a fan-out request is its datagrams */
    uint64_t received;
    uint64_t lost;
    uint64_t bad;       /* not what was sent, or out of order */
    double   p50_ns, p99_ns; /* RTT */
};

/* ---- udp_generator.c ---- */

/* Starts it. *ret_port is where fan-out datagrams are to go. */
int udp_generator_open(struct generator *generator, const struct plan *plan, uint16_t *ret_port,
                       struct rep *rep);

/* Waits until it is done, at most 20 s, and judges what came of it: a wrong datagram, or more than
 * one in a hundred lost, is an error. */
int udp_generator_finish(struct generator *generator, struct outcome *ret, struct rep *rep);

double outcome_ns(const struct outcome *outcome);     /* wall time per datagram */
double outcome_cpu_ns(const struct outcome *outcome); /* the server's per datagram */

/* The address of peer n, and the plan of each workload. */
in_addr_t   udp_peer(uint32_t n);
struct plan udp_plan_echo(const struct setup *setup);
struct plan udp_plan_trains(const struct setup *setup);
struct plan udp_plan_64x4(const struct setup *setup);
struct plan udp_plan_fanout(const struct setup *setup);
struct plan udp_plan_rtt(const struct setup *setup);

#endif
