/* What the examples' datagrams hold: a sequence number, then bytes that follow from it. */
#ifndef LEAT_EXAMPLE_PAYLOAD_H
#define LEAT_EXAMPLE_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PAYLOAD_LEN_MIN 8u

static inline void payload_fill(uint8_t *bytes, uint32_t len, uint64_t sequence)
{
    memcpy(bytes, &sequence, sizeof(sequence)); /* only this process reads it again */
    for (uint32_t i = sizeof(sequence); i < len; i++) {
        bytes[i] = (uint8_t)(sequence + i);
    }
}

/* Whether these are the bytes that payload_fill made of some sequence number, and which. */
static inline bool payload_check(const uint8_t *bytes, uint32_t len, uint64_t *ret_sequence)
{
    uint64_t sequence;
    if (len < sizeof(sequence)) {
        return false;
    }
    memcpy(&sequence, bytes, sizeof(sequence));
    for (uint32_t i = sizeof(sequence); i < len; i++) {
        if (bytes[i] != (uint8_t)(sequence + i)) {
            return false;
        }
    }
    *ret_sequence = sequence;
    return true;
}

#endif
