/* Names of channels, for the bus and its statistics. All of it takes a short lock. */
#ifndef LEAT_CHANNEL_NAMES_H
#define LEAT_CHANNEL_NAMES_H

#include <leat/channel.h>

/* Where a channel's things are in a table of LEAT_CHANNELS_MAX. */
static inline uint32_t channel_slot(leat_channel channel)
{
    return (uint32_t)channel.id & (LEAT_CHANNELS_MAX - 1);
}

/* What of an id is the same in every run: slots are used again. */
static inline uint32_t channel_name_hash(leat_channel channel)
{
    return (uint32_t)(channel.id >> 32);
}

bool channel_is_open(leat_channel channel);

/* How often a channel has been closed for good. Takes no lock: while it stays the same, what was open
 * still is. */
uint64_t channel_closings(void);

/* Slots used so far, now or before. */
uint32_t channel_slots_len(void);

/* The channel that has a slot now, and its name; false: none. */
bool channel_at(uint32_t slot, leat_channel *ret, char ret_name[LEAT_CHANNEL_NAME_MAX + 1]);

#endif
