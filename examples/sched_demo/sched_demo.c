/* The scheduler, live: sources, a router, consumers, a ring and a UDP echo with its load, spread
 * over the workers. At the end every message must be accounted for. */
#include "demo.h"

#define RING 100

static uint64_t tickers = 200, message_rate = 50000, datagram_rate = 5000, loss;

static const struct flag own_flags[] = {
    {"tickers", "N", "actors that send by deadline", FLAG_NUMBER, &tickers, 0, 1000000},
    {"messages", "N", "messages a second, each producer", FLAG_NUMBER, &message_rate, 1, 100000000},
    {"datagrams", "N", "datagrams a second, each client", FLAG_NUMBER, &datagram_rate, 1, 1000000},
    {"loss", "PERCENT", "sim: datagrams the network loses", FLAG_NUMBER, &loss, 0, 100},
    {0},
};

static int spawned; /* the first error of those below; none is expected */

static leat_ref spawn(struct app *app, const struct leat_behavior *behavior, const void *arg,
                      size_t arg_size, int worker)
{
    leat_ref ref = LEAT_REF_NONE;
    int status = leat_spawn(app->controller, behavior, arg, (uint32_t)arg_size, worker, &ref);
    spawned = spawned != 0 ? spawned : status;
    return ref;
}

static void spawn_source(struct app *app, const struct leat_behavior *behavior, leat_ref to,
                         uint64_t rate, uint32_t period, uint32_t hops, int worker)
{
    const struct source_config config = {to, rate, period, hops};
    (void)spawn(app, behavior, &config, sizeof(config), worker);
}

/* Producers feed a router, which feeds the consumers in turn; so do the tickers, without it. */
static void spawn_messages(struct app *app, int workers)
{
    struct relay_config consumer = {.linger_ns = 100 * LEAT_MS};
    struct relay_config router = {.linger_ns = 50 * LEAT_MS};
    for (int i = 0; i < 4 * workers; i++) {
        router.to[router.to_len++] =
            spawn(app, &consumer_behavior, &consumer, sizeof(consumer), i % workers);
    }
    const leat_ref to = spawn(app, &router_behavior, &router, sizeof(router), LEAT_WORKER_BEST);
    for (int i = 0; i < workers; i++) {
        spawn_source(app, &producer_behavior, to, message_rate, 1, 1, i);
    }
    for (uint32_t i = 0; i < tickers; i++) {
        spawn_source(app, &ticker_behavior, router.to[i % router.to_len], 1, 10 + i % 190, 0,
                     LEAT_WORKER_BEST);
    }
}

/* Messages run a lap, from node to node and through all workers. */
static void spawn_ring(struct app *app, int workers)
{
    struct relay_config config = {.linger_ns = 50 * LEAT_MS, .to_len = 0};
    const leat_ref last = spawn(app, &ring_behavior, &config, sizeof(config), 0);
    leat_ref next = last;
    for (int i = 1; i < RING; i++) {
        config.to[0] = next;
        config.to_len = 1;
        next = spawn(app, &ring_behavior, &config, sizeof(config), i * workers / RING);
    }
    if (spawned == 0) {
        spawned = leat_send(app->controller, last, LINK, &next, sizeof(next));
    }
    spawn_source(app, &starter_behavior, next, 400, 10, RING, LEAT_WORKER_BEST);
}

static void spawn_udp(struct app *app)
{
    const struct echo_config config = {
        .local = flags_local(app->flags),
        .report_to = leat_controller_ref(app->controller),
        .rate = datagram_rate,
        .clients = 2,
    };
    const leat_ref echo = spawn(app, &echo_behavior, &config, sizeof(config), LEAT_WORKER_BEST);
    if (spawned == 0) {
        spawned = leat_monitor(app->controller, echo, 0);
    }
}

int main(int argc, char **argv)
{
    struct flags flags = {
        .program = "sched_demo",
        .about = "Shows workers, actors and their messages, live.",
        .own = own_flags,
        .io = "auto",
        .bind = "127.0.0.1",
    };
    flags_parse(&flags, argc, argv);
    if (loss > 0 && !flags_sim(&flags)) {
        flags_wrong(&flags, "--loss is for --io sim: the kernel's loopback loses what it likes");
    }
    struct leat_config config = app_config(&flags);
    config.sim.loss = (double)loss / 100;
    struct app app;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    spawn_messages(&app, (int)config.workers);
    spawn_ring(&app, (int)config.workers);
    spawn_udp(&app);
    if (spawned != 0) {
        app_complain(&app, "spawn the actors", spawned);
    }
    static struct display display;
    struct udp_totals udp = {0}, one;
    struct leat_event event;
    int status = spawned != 0 ? spawned : app_start(&app);
    const bool started = status == 0;
    display_open(&display, &app);
    leat_stats_every(app.controller, display.period);
    while (started && app_receive(&app, &event) == 0) {
        if (event.kind == LEAT_EVENT_STATS) {
            display_update(&display, event.now);
        } else if (event.kind == LEAT_EVENT_MESSAGE && event.type == UDP_TOTALS) {
            memcpy(&one, event.payload, sizeof(one));
            udp.sent += one.sent;
            udp.received += one.received;
            udp.lost += one.lost;
            udp.wrong += one.wrong;
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            app_complain(&app, "open the echo's socket", event.status);
            status = event.status;
            leat_runtime_stop(app.runtime);
        }
    }
    display_close(&display);
    const bool good = summary(&app, &udp, loss > 0);
    return app_close(&app) == 0 && status == 0 && good ? 0 : 1;
}
