/* The simulated world: one virtual clock and one network for all workers of a runtime, driven by
 * one seed. One thread. */
#ifndef LEAT_SIM_H
#define LEAT_SIM_H

#include <leat/runtime.h>

struct sim_world;

/* NULL: no memory. Time starts at 0. delay_min_ns <= delay_max_ns. Closed after its backends. */
struct sim_world *sim_world_open(uint64_t seed, const struct leat_sim_config *config);
void              sim_world_close(struct sim_world *world);

leat_time sim_world_now(const struct sim_world *world);

/* Virtual time of the next arrival; LEAT_NEVER: nothing is on its way. It may be now, where there
 * is no delay. What has arrived and was not reaped (no receive buffer) does not count. */
leat_time sim_world_next(const struct sim_world *world);

/* Moves time forward to `to`; never back. Datagrams due by then can be reaped by their backends. */
void sim_world_advance(struct sim_world *world, leat_time to);

/* Faults. Until then nothing that is sent arrives: datagrams are lost, streams send again, and give
 * up after some seconds, -ETIMEDOUT. */
void sim_world_cut(struct sim_world *world, leat_time until);

/* Both ends of a connection are reset, as by something on the way: the first at or after place
 * `nth` of all. False: there is none. */
bool sim_world_reset(struct sim_world *world, uint32_t nth);

/* The next number of the world's seeded generator (xoshiro256**), for the scheduler's choices too,
 * so that one seed decides everything. */
uint64_t sim_world_random(struct sim_world *world);

/* What has become of the datagrams so far. */
struct sim_counters {
    uint64_t sent;       /* by sockets; a train is its datagrams */
    uint64_t lost;       /* drawn */
    uint64_t duplicated; /* drawn */
    uint64_t reordered;  /* drawn */
    uint64_t delivered;  /* to a socket */
    uint64_t refused;    /* nobody was there */
    uint64_t overflowed; /* too many on their way or not read, or no memory: lost */
};

struct sim_counters sim_world_counters(const struct sim_world *world);

/* A uniform number below n > 0. */
uint32_t sim_world_below(struct sim_world *world, uint32_t n);

#endif
