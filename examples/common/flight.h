/* The datagrams in flight: which sequence numbers were sent when, and have no answer yet. Plain
 * state for an actor to embed; all calls are O(1), amortised. */
#ifndef LEAT_EXAMPLE_FLIGHT_H
#define LEAT_EXAMPLE_FLIGHT_H

#include <leat/types.h>

#define FLIGHT_SLOTS 32768u            /* so many later ones make one count as lost, */
#define FLIGHT_LOST_NS (400 * LEAT_MS) /* and so does this time without an answer */

struct flight {
    uint64_t oldest, next; /* sequences from `oldest` to before `next` have a slot */
    uint32_t len;          /* in flight */
    leat_time sent_at[FLIGHT_SLOTS];
};

enum flight_answer { FLIGHT_RIGHT, FLIGHT_LATE, FLIGHT_WRONG };

void flight_init(struct flight *flight);

/* Whether one more has a slot. */
bool flight_has_room(const struct flight *flight);

/* The sequence number of one more that is sent. */
uint64_t flight_send(struct flight *flight, leat_time now);

/* An answer to `sequence`. RIGHT: the first one in time, and how long it took; LATE: counted lost
 * already, or the second one; WRONG: never sent. */
enum flight_answer flight_answer(struct flight *flight, uint64_t sequence, leat_time now,
                                 leat_time *ret_latency_ns);

/* Forgets what waited too long and returns how many those were. Call it after each event. */
uint32_t flight_expire(struct flight *flight, leat_time now);

/* When flight_expire will find the next one; LEAT_NEVER: nothing is in flight. */
leat_time flight_deadline(const struct flight *flight);

#endif
