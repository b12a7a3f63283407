/* The TCP workloads: clients in a process of their own that ask and wait, and servers for them, leat's
 * and plain loops. */
#ifndef LEAT_BENCH_TCP_H
#define LEAT_BENCH_TCP_H

#include "generator.h"

#define TCP_CONNECTIONS_MAX 1024u
#define TCP_LEN 64u /* bytes of a request, and of its answer: the same bytes */

struct tcp_plan {
    uint32_t connections; /* each has one request in flight */
    uint64_t duration_ns;
};

struct tcp_outcome {
    uint64_t wall_ns;
    uint64_t cpu_ns;   /* of the server's process, in the same time */
    uint64_t requests; /* answered, in that time */
    uint64_t all;      /* answered in all, the warm-up included */
    uint64_t bad;      /* answers that are wrong, connections that ended */
};

/* ---- tcp_generator.c ---- */

/* Starts it; generator_start, then tcp_generator_finish. */
int tcp_generator_open(struct generator *generator, const struct tcp_plan *plan, struct rep *rep);

/* Waits until it is done and judges what came of it. */
int tcp_generator_finish(struct generator *generator, struct tcp_outcome *ret, struct rep *rep);

/* Notes the outcome's figures; of a floor other than the first under its name. */
void tcp_outcome_note(const struct tcp_outcome *outcome, const char *name, struct rep *rep);

struct tcp_plan tcp_plan_64(const struct setup *setup);
struct tcp_plan tcp_plan_1000(const struct setup *setup);

/* ---- floors: servers that serve until the generator is done ---- */

/* A listener on a port of the kernel's choice. */
int tcp_floor_listen(struct rep *rep, int *ret_fd, uint16_t *ret_port);

/* tcp_floor.c: epoll, recv and send of each connection in turn. */
int tcp_floor_epoll(int listener, struct generator *generator, struct rep *rep);

/* tcp_floor_uring.c: multishot accept and receive, a send from the buffer received into. */
int tcp_floor_uring(int listener, struct generator *generator, struct rep *rep);

/* tcp_floor_libuv.c: libuv as its users would, uv_try_write first. */
int tcp_floor_libuv(int listener, struct generator *generator, struct rep *rep);

#endif
