/* What travels between two tunnels: a datagram is one packet, or super-packet, behind 12 bytes.
 *
 *   0  'L', version 1       4  header_len      8  checksum_start
 *   2  type, checksum       6  segment_size    10 checksum_offset
 *
 * as in struct leat_tun_offload, big-endian. */
#ifndef LEAT_EXAMPLE_TUNNEL_FRAME_H
#define LEAT_EXAMPLE_TUNNEL_FRAME_H

#include <leat/leat.h>

#define FRAME_LEN 12u

void frame_put(uint8_t at[FRAME_LEN], const struct leat_tun_offload *offload);

/* The packet in a datagram, no reference taken. False: it is garbage. */
bool frame_read(leat_slice datagram, leat_slice *ret_packet, struct leat_tun_offload *ret);

#define FRAME_TRAIN_MAX 60000u /* bytes: what leaves with one system call */

/* A super-packet as trains of frames with one packet each, at most datagram_max bytes: those
 * from packet *at on that fit into one train, and *at is moved on. 0; -EINVAL: it is none, or
 * all of it is cut; -EMSGSIZE: a packet does not fit into a datagram; -ENOMEM. */
int frame_cut(leat_slice packet, const struct leat_tun_offload *offload, uint32_t datagram_max,
              uint32_t *at, leat_slice *ret_train, uint32_t *ret_segment_size);

#endif
