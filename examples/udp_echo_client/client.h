/* An actor that loads a UDP echo server and checks what comes back. */
#ifndef UDP_ECHO_CLIENT_H
#define UDP_ECHO_CLIENT_H

#include "histogram.h"

#include <leat/leat.h>

struct client_config {
    struct leat_addr local, peer;
    leat_ref report_to;
    uint32_t window; /* datagrams in flight, at most FLIGHT_SLOTS / 2 */
    uint32_t size;   /* bytes of each, at least PAYLOAD_LEN_MIN */
    uint64_t rate;   /* datagrams per second; 0: as fast as the window lets it */
};

enum { CLIENT_REPORT = 1 }; /* sent to report_to at the end, a struct client_report in a body */

struct client_report {
    uint64_t sent, received, lost;
    uint64_t late;   /* right, but after it had been counted as lost, or a second time */
    uint64_t wrong;  /* not what was sent */
    uint64_t errors; /* reported by the kernel: ICMP, no buffers */
    int64_t last_error;
    leat_time first_sent, last_received;
    struct histogram latency_ns;
};

extern const struct leat_behavior client_behavior;

#endif
