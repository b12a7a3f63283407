/* A slot holds the time of sending, or NONE: answered, lost, never sent. After flight_expire
 * `oldest` is in flight, or equals `next`. */
#include "flight.h"

#include <string.h>

#define NONE LEAT_NEVER

void flight_init(struct flight *flight)
{
    flight->oldest = flight->next = flight->len = 0;
    memset(flight->sent_at, 0xff, sizeof(flight->sent_at)); /* all NONE */
}

bool flight_has_room(const struct flight *flight)
{
    return flight->next - flight->oldest < FLIGHT_SLOTS;
}

uint64_t flight_send(struct flight *flight, leat_time now)
{
    flight->sent_at[flight->next % FLIGHT_SLOTS] = now;
    flight->len++;
    return flight->next++;
}

enum flight_answer flight_answer(struct flight *flight, uint64_t sequence, leat_time now,
                                 leat_time *ret_latency_ns)
{
    leat_time *slot = &flight->sent_at[sequence % FLIGHT_SLOTS];
    if (sequence >= flight->next) {
        return FLIGHT_WRONG;
    }
    if (sequence < flight->oldest || *slot == NONE) {
        return FLIGHT_LATE;
    }
    *ret_latency_ns = now - *slot;
    *slot = NONE;
    flight->len--;
    return FLIGHT_RIGHT;
}

uint32_t flight_expire(struct flight *flight, leat_time now)
{
    uint32_t lost = 0;
    for (; flight->oldest < flight->next; flight->oldest++) {
        leat_time *slot = &flight->sent_at[flight->oldest % FLIGHT_SLOTS];
        if (*slot == NONE) {
            continue;
        }
        if (now - *slot < FLIGHT_LOST_NS && flight_has_room(flight)) {
            break;
        }
        *slot = NONE;
        flight->len--;
        lost++;
    }
    return lost;
}

leat_time flight_deadline(const struct flight *flight)
{
    return flight->len > 0 ? flight->sent_at[flight->oldest % FLIGHT_SLOTS] + FLIGHT_LOST_NS
                           : LEAT_NEVER;
}
