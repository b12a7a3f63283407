/* Numbers in network byte order, at any alignment. The caller has checked that the bytes are there. */
#ifndef LEAT_PROTOCOLS_WEBRTC_BYTES_H
#define LEAT_PROTOCOLS_WEBRTC_BYTES_H

#include <stdint.h>

static inline uint16_t get16(const uint8_t *data)
{
    return (uint16_t)(data[0] << 8 | data[1]);
}

static inline uint32_t get24(const uint8_t *data)
{
    return (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
}

static inline uint32_t get32(const uint8_t *data)
{
    return (uint32_t)get16(data) << 16 | get16(data + 2);
}

static inline uint64_t get64(const uint8_t *data)
{
    return (uint64_t)get32(data) << 32 | get32(data + 4);
}

static inline void put16(uint8_t *data, uint16_t value)
{
    data[0] = (uint8_t)(value >> 8);
    data[1] = (uint8_t)value;
}

static inline void put24(uint8_t *data, uint32_t value)
{
    data[0] = (uint8_t)(value >> 16);
    put16(data + 1, (uint16_t)value);
}

static inline void put32(uint8_t *data, uint32_t value)
{
    put16(data, (uint16_t)(value >> 16));
    put16(data + 2, (uint16_t)value);
}

static inline void put64(uint8_t *data, uint64_t value)
{
    put32(data, (uint32_t)(value >> 32));
    put32(data + 4, (uint32_t)value);
}

#endif
