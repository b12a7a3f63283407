/* The actors of the simulated workload. What each does is drawn from a seed of its own, so that it
 * depends on nothing but the inputs it is given. */
#ifndef LEAT_TESTS_SIM_CROWD_H
#define LEAT_TESTS_SIM_CROWD_H

#include "ledger.h"

struct draw {
    uint64_t state;
};

static inline uint64_t draw_bits(struct draw *draw)
{
    uint64_t z = draw->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Uniform, below n > 0. */
static inline uint32_t draw_below(struct draw *draw, uint32_t n)
{
    return (uint32_t)((draw_bits(draw) >> 32) * n >> 32);
}

static inline bool draw_percent(struct draw *draw, uint32_t percent)
{
    return draw_below(draw, 100) < percent;
}

/* What an actor is born with. Behaviours take all of it, or its beginning only. */
struct seat {
    uint32_t index;   /* in the ledger */
    uint32_t outputs; /* it may pop in its life */
    uint64_t seed;
    uint8_t ballast[64];
};

#define SEAT_SHORT 16u

#define CROWD_KINDS 6u

/* The behaviours differ in the size of their mailbox and of their argument. */
extern const struct leat_behavior crowd[CROWD_KINDS];

/* The argument's size of that kind. */
uint32_t crowd_seat_size(uint32_t kind);

/* Somebody whose ref is known, alive or not; 0: nobody. */
uint32_t crowd_somebody(struct draw *draw);

/* A body for the letter. NULL buf: no memory. */
leat_slice crowd_body(struct letter_body *letter, struct draw *draw);

#endif
