/* The totals, once nothing runs: what was sent was delivered, refused by a full mailbox, or is a
 * dead letter. Anything else is lost, and a bug in leat. */
#include "demo.h"

#include <inttypes.h>
#include <stdio.h>

static struct leat_worker_stats total(leat_runtime *runtime)
{
    static struct leat_worker_stats workers[LEAT_WORKERS_MAX];
    struct leat_worker_stats sum;
    leat_stats_controllers(runtime, &sum);
    const size_t n = leat_stats_workers(runtime, workers, LEAT_WORKERS_MAX);
    for (size_t i = 0; i < n; i++) {
        sum.sent += workers[i].sent;
        sum.delivered += workers[i].delivered;
        sum.refused += workers[i].refused;
        sum.dead_letters += workers[i].dead_letters;
        sum.deadlines += workers[i].deadlines;
    }
    return sum;
}

static void print_json(const struct leat_worker_stats *sum, const struct udp_totals *udp,
                       uint64_t sim_hash, bool good)
{
    printf("{\"summary\":true,\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"dead_letters\":%" PRIu64 ",\"deadlines\":%" PRIu64 ",\"udp_sent\":%" PRIu64
           ",\"udp_echoed\":%" PRIu64 ",\"udp_lost\":%" PRIu64 ",\"udp_wrong\":%" PRIu64
           ",\"sim_hash\":\"%016" PRIx64 "\",\"good\":%s}\n",
           sum->sent, sum->delivered, sum->refused, sum->dead_letters, sum->deadlines, udp->sent,
           udp->received, udp->lost, udp->wrong, sim_hash, good ? "true" : "false");
}

bool summary(const struct app *app, const struct udp_totals *udp, bool lossy)
{
    const struct leat_worker_stats sum = total(app->runtime);
    const uint64_t found = sum.delivered + sum.refused + sum.dead_letters;
    const bool conserved = found == sum.sent;
    const bool lost = udp->lost > 0 || udp->received != udp->sent;
    const bool good = conserved && (lossy || !lost) && udp->wrong == 0;
    const uint64_t hash = leat_sim_hash(app->runtime);
    if (app->flags->json) {
        print_json(&sum, udp, hash, good);
        return good;
    }
    printf("messages   sent %" PRIu64 " = delivered %" PRIu64 " + refused %" PRIu64
           " + dead letters %" PRIu64 "\n",
           sum.sent, sum.delivered, sum.refused, sum.dead_letters);
    printf("deadlines  %" PRIu64 "\n", sum.deadlines);
    printf("datagrams  sent %" PRIu64 ", echoed %" PRIu64 ", lost %" PRIu64 ", wrong %" PRIu64 "\n",
           udp->sent, udp->received, udp->lost, udp->wrong);
    if (flags_sim(app->flags)) {
        printf("sim hash   %016" PRIx64 "\n", hash);
    }
    if (!conserved) {
        printf("%" PRId64 " messages are not accounted for\n", (int64_t)(sum.sent - found));
    } else if (lost && lossy) {
        printf("every message is accounted for; the simulated network lost datagrams, as told\n");
    } else if (!good) {
        printf("datagrams were lost\n");
    } else if (sum.refused + sum.dead_letters > 0) {
        printf("every message is accounted for\n");
    } else {
        printf("nothing was lost\n");
    }
    return good;
}
