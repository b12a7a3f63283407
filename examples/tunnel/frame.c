/* Frames: pure, and careful with what a network sends. */
#include "frame.h"

#include <errno.h>

#define MAGIC 'L'
#define VERSION 1

static void put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

void frame_put(uint8_t at[FRAME_LEN], const struct leat_tun_offload *offload)
{
    at[0] = MAGIC;
    at[1] = VERSION;
    at[2] = offload->type;
    at[3] = offload->checksum & LEAT_TUN_CHECKSUM_PARTIAL; /* what is valid, each finds out */
    put_u16(at + 4, offload->header_len);
    put_u16(at + 6, offload->segment_size);
    put_u16(at + 8, offload->checksum_start);
    put_u16(at + 10, offload->checksum_offset);
}

bool frame_read(leat_slice datagram, leat_slice *ret_packet, struct leat_tun_offload *ret)
{
    const uint8_t *at = leat_slice_data(datagram);
    if (datagram.len < FRAME_LEN || at[0] != MAGIC || at[1] != VERSION ||
        (at[3] & ~LEAT_TUN_CHECKSUM_PARTIAL) != 0) {
        return false;
    }
    *ret = (struct leat_tun_offload){
        .type = at[2],
        .checksum = at[3],
        .header_len = get_u16(at + 4),
        .segment_size = get_u16(at + 6),
        .checksum_start = get_u16(at + 8),
        .checksum_offset = get_u16(at + 10),
    };
    *ret_packet = leat_slice_sub(datagram, FRAME_LEN, datagram.len);
    return leat_tun_packets(ret, leat_slice_data(*ret_packet), ret_packet->len, 0) > 0;
}

int frame_cut(leat_slice packet, const struct leat_tun_offload *offload, uint32_t datagram_max,
              uint32_t *at, leat_slice *ret_train, uint32_t *ret_segment_size)
{
    static const struct leat_tun_offload whole;
    const uint8_t *bytes = leat_slice_data(packet);
    uint32_t packets = leat_tun_packets(offload, bytes, packet.len, 0);
    uint32_t size = FRAME_LEN + offload->header_len + offload->segment_size;
    if (*at >= packets) {
        return -EINVAL;
    }
    if (offload->type == LEAT_TUN_WHOLE || size > datagram_max) {
        return -EMSGSIZE;
    }
    uint32_t n = size < FRAME_TRAIN_MAX ? FRAME_TRAIN_MAX / size : 1;
    n = n < packets - *at ? n : packets - *at;
    leat_slice train;
    if (leat_buf_alloc(n * size, &train) != 0) {
        return -ENOMEM;
    }
    uint8_t *to = leat_slice_data(train);
    for (uint32_t end = *at + n; *at < end; ++*at) {
        frame_put(to, &whole);
        to += FRAME_LEN + leat_tun_segment(offload, bytes, packet.len, 0, *at, to + FRAME_LEN);
    }
    train.len = (uint32_t)(to - leat_slice_data(train));
    *ret_train = train;
    *ret_segment_size = size;
    return 0;
}
