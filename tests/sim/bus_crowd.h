/* The actors of the simulated bus. What each does is drawn from a seed of its own. */
#ifndef LEAT_TESTS_SIM_BUS_CROWD_H
#define LEAT_TESTS_SIM_BUS_CROWD_H

#include "bus_ledger.h"
#include "crowd.h"

#define BUS_KINDS 5u

/* Of these the last two are never full, the others have mailboxes of 1, 2 and 6. */
extern const struct leat_behavior bus_crowd[BUS_KINDS];

/* What an actor is born with: struct seat, its first SEAT_SHORT bytes. */

/* How a run is: which of the many things to do are done how often. */
struct bus_taste {
    uint32_t rooms;     /* names in use */
    uint32_t publish;   /* of 100 outputs */
    uint32_t subscribe; /* and unsubscribe */
    uint32_t broadcast;
    uint32_t ends; /* of 1000 */
    uint32_t children;
    uint32_t safe;    /* of 100 publishes */
    uint32_t meddles; /* of 100 requests: about others */
};

extern struct bus_taste bus_taste;

bool bus_is_roomy(uint32_t kind);

/* Draws: a person whose ref is known, alive or not, a room, open or not; 0: none. */
uint32_t bus_somebody(struct draw *draw);
uint32_t bus_some_room(struct draw *draw);

/* A body, or a batch, that begins with `body`. */
leat_slice bus_body(const struct pub_body *body, struct draw *draw);

#endif
