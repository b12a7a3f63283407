/* A generator of network traffic: a plain process beside the server that is measured, and two pipes.
 * All servers of a workload, leat's and the floors, are driven by the same one in the same way. */
#ifndef LEAT_BENCH_GENERATOR_H
#define LEAT_BENCH_GENERATOR_H

#include "bench.h"

struct generator {
    pid_t pid;
    int   to;   /* pipe: where the server is */
    int   from; /* pipe: what came of it; readable when it is done */
};

/* What runs in the process; `from` and `to` are its ends of the pipes. Its exit status is 0. */
typedef void generator_body(const void *plan, int from, int to);

/* Starts the process, on the first CPU if there are two; the server is to take the second. `plan` is
 * lent until generator_close. Call it before any thread is started. */
int generator_open(struct generator *generator, generator_body *body, const void *plan,
                   struct rep *rep);

/* Tells it where the server is; it begins. */
int generator_start(struct generator *generator, uint16_t port, struct rep *rep);

/* Waits for `len` bytes from it, at most 20 s. */
int generator_read(struct generator *generator, void *ret, size_t len, struct rep *rep);

/* Ends it. */
void generator_close(struct generator *generator);

/* In the process: CPU time of the server's, read from here so that both ends of the measured time
 * are exact, however busy the server is. */
uint64_t generator_server_cpu_ns(void);

#endif
