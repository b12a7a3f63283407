/* A reader of bits, for the headers of codecs. Past the end it gives zeros and says so. */
#ifndef LEAT_PROTOCOLS_WEBRTC_BITS_H
#define LEAT_PROTOCOLS_WEBRTC_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bits {
    const uint8_t *data;
    size_t len; /* bytes */
    size_t at;  /* bits read */
    bool over;
};

static inline uint32_t bits_get(struct bits *bits, unsigned count)
{
    uint32_t value = 0;
    for (; count > 0; count--, bits->at++) {
        if (bits->at / 8 >= bits->len) {
            bits->over = true;
            return 0;
        }
        value = value << 1 | ((uint32_t)bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1);
    }
    return value;
}

static inline bool bits_flag(struct bits *bits)
{
    return bits_get(bits, 1) != 0;
}

static inline void bits_skip(struct bits *bits, size_t count)
{
    bits->over |= count > bits->len * 8 || bits->at > bits->len * 8 - count;
    bits->at = bits->over ? bits->len * 8 : bits->at + count;
}

/* ue(v) of H.264 (9.1) and H.265, uvlc() of AV1 (4.10.3): Exp-Golomb. Values are below 2^31, or
 * it is over. */
static inline uint32_t bits_golomb(struct bits *bits)
{
    unsigned zeros = 0;
    while (!bits_flag(bits)) {
        if (bits->over || ++zeros > 30) {
            bits->over = true;
            return 0;
        }
    }
    return (1u << zeros) - 1 + bits_get(bits, zeros);
}

/* se(v) of H.264 (9.1.1). */
static inline int32_t bits_golomb_signed(struct bits *bits)
{
    const uint32_t code = bits_golomb(bits);
    return code & 1 ? (int32_t)(code / 2 + 1) : -(int32_t)(code / 2);
}

#endif
