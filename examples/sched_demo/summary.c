/* The totals, once nothing runs: what was sent was delivered, refused by a full mailbox, or is a
 * dead letter. Anything else is lost, and a bug in leat. */
#include "demo.h"

#include <inttypes.h>
#include <stdio.h>

static void print_json(const struct totals *totals, bool good)
{
    const struct leat_worker_stats *sum = &totals->messages;
    const struct udp_totals *udp = &totals->udp;
    printf("{\"summary\":true,\"runs\":%u,\"io\":\"%s\",\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64
           ",\"refused\":%" PRIu64 ",\"dead_letters\":%" PRIu64 ",\"deadlines\":%" PRIu64
           ",\"udp_sent\":%" PRIu64 ",\"udp_echoed\":%" PRIu64 ",\"udp_lost\":%" PRIu64
           ",\"udp_wrong\":%" PRIu64,
           totals->runs, totals->io, sum->sent, sum->delivered, sum->refused, sum->dead_letters,
           sum->deadlines, udp->sent, udp->received, udp->lost, udp->wrong);
    if (totals->sim_hash != 0) {
        printf(",\"sim_hash\":\"%016" PRIx64 "\"", totals->sim_hash);
    }
    printf(",\"good\":%s}\n", good ? "true" : "false");
}

bool summary(const struct totals *totals, bool json)
{
    const struct leat_worker_stats *sum = &totals->messages;
    const struct udp_totals *udp = &totals->udp;
    const bool lost = udp->lost > 0 || udp->received != udp->sent;
    const bool good = totals->balanced && (totals->may_lose || !lost) && udp->wrong == 0;
    if (json) {
        print_json(totals, good);
        return good;
    }
    if (totals->runs > 1) {
        printf("backends   %s\n", totals->io);
    }
    printf("messages   sent %" PRIu64 " = delivered %" PRIu64 " + refused %" PRIu64
           " + dead letters %" PRIu64 "\n",
           sum->sent, sum->delivered, sum->refused, sum->dead_letters);
    printf("deadlines  %" PRIu64 "\n", sum->deadlines);
    printf("datagrams  sent %" PRIu64 ", echoed %" PRIu64 ", lost %" PRIu64 ", wrong %" PRIu64 "\n",
           udp->sent, udp->received, udp->lost, udp->wrong);
    if (totals->sim_hash != 0) {
        printf("sim hash   %016" PRIx64 "\n", totals->sim_hash);
    }
    if (!totals->balanced) {
        const uint64_t found = sum->delivered + sum->refused + sum->dead_letters;
        printf("%" PRId64 " messages are not accounted for\n", (int64_t)(sum->sent - found));
    } else if (lost && totals->may_lose) {
        printf("every message is accounted for; datagrams were lost, as was asked for\n");
    } else if (!good) {
        printf("datagrams were lost\n");
    } else if (sum->refused + sum->dead_letters > 0) {
        printf("every message is accounted for\n");
    } else {
        printf("nothing was lost\n");
    }
    return good;
}
