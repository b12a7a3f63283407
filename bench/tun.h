/* The TUN workloads: the generator of UDP sends to an address behind an interface, and the
 * server behind it sends each packet back. All of it is in a network of the repetition's own. */
#ifndef LEAT_BENCH_TUN_H
#define LEAT_BENCH_TUN_H

#include "udp.h"

#define TUN_HERE "10.77.0.1"
#define TUN_THERE "10.77.0.2"
#define TUN_PREFIX_LEN 24
#define TUN_PORT 7700
#define TUN_TRAIN 32u
#define TUN_WINDOW 448u /* of the 500 packets that an interface queues */

/* Moves the process into a network of its own, before it has threads or children. Skips the
 * repetition where that is not allowed. */
int tun_network(struct rep *rep);

struct plan tun_plan(const struct setup *setup);

/* Back to where it came from; sums stay as they are. False: not IPv4 and UDP. */
bool tun_turn(uint8_t *ip, size_t len);

#endif
