/* One end of a tunnel, as an actor. */
#ifndef LEAT_EXAMPLE_TUNNEL_ACTOR_H
#define LEAT_EXAMPLE_TUNNEL_ACTOR_H

#include <leat/leat.h>

#define TUNNEL_ADDRS_MAX 4

enum { TUNNEL_OPEN = 1, TUNNEL_TOTALS }; /* to main: struct leat_tun_info, struct tunnel_totals */

struct tunnel_config {
    leat_ref main;
    struct leat_addr local, peer;
    uint32_t datagram_max; /* bytes that one may have to pass the network between */
    struct leat_tun_config tun;
    struct leat_tun_addr addrs[TUNNEL_ADDRS_MAX]; /* tun.addrs are these */
};

struct tunnel_totals {
    uint64_t sent;     /* packets and super-packets into the tunnel */
    uint64_t received; /* out of it */
    uint64_t garbage;  /* datagrams of somebody else, or none of a tunnel */
    uint64_t dropped;  /* no room in a queue, or too long */
    uint64_t errors;   /* what the kernel did not take */
};

/* Its argument is a struct tunnel_config, whose tun.name stays where it is. */
extern const struct leat_behavior tunnel;

#endif
