/* The simulated world: one virtual clock and one network for all workers of a runtime, driven by
 * one seed. One thread. */
#ifndef LEAT_SIM_H
#define LEAT_SIM_H

#include <leat/runtime.h>

struct sim_world;

/* NULL: no memory. Time starts at 0. */
struct sim_world *sim_world_open(uint64_t seed, const struct leat_sim_config *config);
void              sim_world_close(struct sim_world *world);

leat_time sim_world_now(const struct sim_world *world);

/* Virtual time of the next datagram on its way; LEAT_NEVER: none. */
leat_time sim_world_next(const struct sim_world *world);

/* Moves time forward to `to`; never back. Datagrams due by then can be reaped by their backends. */
void sim_world_advance(struct sim_world *world, leat_time to);

/* The next number of the world's seeded generator (xoshiro256**), for the scheduler's choices too,
 * so that one seed decides everything. */
uint64_t sim_world_random(struct sim_world *world);

/* A uniform number below n > 0. */
uint32_t sim_world_below(struct sim_world *world, uint32_t n);

#endif
