/* One runtime after the other: each is opened, filled, started, and when it has ended its totals are
 * added to those before. */
#include "demo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define PERIOD_VIEW (100 * LEAT_MS)
#define PERIOD_TABLE (250 * LEAT_MS)

static struct leat_config config_of(struct demo *demo)
{
    struct leat_config config = app_config(demo->flags);
    config.sim.loss = (double)demo->loss / 100;
    config.shutdown_ns = 2 * LEAT_SEC; /* a slow actor's turn is 160 ms, and others wait for it */
    if (demo->display == DISPLAY_VIEW || demo->display == DISPLAY_NONE) {
        config.log = messages_log;
    }
    if (demo->display == DISPLAY_VIEW) {
        watch_attach(&demo->watch, &config);
    }
    return config;
}

void demo_watch(struct demo *demo)
{
    const leat_ref actor = *demo->scene.cast[demo->cast_at].actor;
    if (demo->display == DISPLAY_VIEW && !leat_ref_equal(actor, watch_actor(&demo->watch))) {
        (void)watch_choose(&demo->watch, actor);
    }
}

static int fill_and_start(struct demo *demo, int workers)
{
    static const leat_time periods[] = {[DISPLAY_VIEW] = PERIOD_VIEW,
                                        [DISPLAY_TABLE] = PERIOD_TABLE,
                                        [DISPLAY_LINES] = LEAT_SEC,
                                        [DISPLAY_JSON] = LEAT_SEC,
                                        [DISPLAY_NONE] = PERIOD_VIEW};
    const bool frames = demo->display == DISPLAY_VIEW || demo->display == DISPLAY_NONE;
    demo->again = false;
    demo->udp = (struct udp_totals){0};
    demo->app.endless = frames;
    int status = scene_open(&demo->scene, &demo->app, &demo->scene_config, workers);
    demo_watch(demo); /* from its first transition on */
    if (status != 0) {
        app_complain(&demo->app, "spawn the actors", status);
    } else {
        status = app_start(&demo->app);
    }
    leat_stats_every(demo->app.controller, periods[demo->display]);
    figures_open(&demo->figures, demo->app.runtime, demo->app.started, frames ? 5 : 1);
    demo->frames = 0;
    if (app_signalled()) {
        leat_runtime_stop(demo->app.runtime); /* it came between two runtimes */
    }
    return status;
}

int demo_open(struct demo *demo)
{
    const struct leat_config config = config_of(demo);
    demo->totals.balanced = true;
    demo->totals.may_lose = demo->loss > 0;
    const int status = app_open(&demo->app, demo->flags, &config);
    demo->is_open = status == 0;
    return status != 0 ? status : fill_and_start(demo, (int)config.workers);
}

int demo_reopen(struct demo *demo)
{
    const double age = figures_age(&demo->figures);
    const uint64_t load = demo->scene.load;
    demo->flags->io = demo->next_io;
    demo->loss = demo->next_loss;
    demo->totals.may_lose = demo->totals.may_lose || demo->loss > 0;
    const struct leat_config config = config_of(demo);
    const int status = app_reopen(&demo->app, &config);
    demo->is_open = status == 0;
    watch_close(
        &demo->watch); /* the workers that had hooks have ended, the next ones not started */
    if (status != 0) {
        return status;
    }
    const int filled = fill_and_start(demo, (int)config.workers);
    if (filled == 0 && load != demo->scene.load) {
        scene_set_load(&demo->scene, load);
    }
    if (demo->app.end != LEAT_NEVER) { /* --seconds are those of all runtimes together */
        const leat_time before_ns = (leat_time)(age * 1e9);
        demo->app.end -= before_ns < demo->app.end ? before_ns : demo->app.end;
    }
    return filled;
}

bool demo_event(struct demo *demo, const struct leat_event *event)
{
    struct udp_totals one;
    if (event->kind == LEAT_EVENT_STATS) {
        return false;
    }
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == UDP_TOTALS) {
        memcpy(&one, event->payload, sizeof(one));
        demo->udp.sent += one.sent;
        demo->udp.received += one.received;
        demo->udp.lost += one.lost;
        demo->udp.wrong += one.wrong;
    } else if (event->kind == LEAT_EVENT_DOWN && event->status != 0 &&
               event->status != -ECANCELED) { /* which it is when shutdown took too long */
        char what[32 + LEAT_ADDR_STRLEN] = "open the echo's socket on ";
        const struct leat_addr local = flags_local(demo->flags);
        leat_addr_format(&local, what + strlen(what));
        app_complain(&demo->app, what, event->status);
        demo->status = event->status;
        leat_runtime_stop(demo->app.runtime);
    }
    return true;
}

void demo_again(struct demo *demo, const char *io, uint64_t loss)
{
    demo->again = true;
    demo->next_io = io;
    demo->next_loss = loss;
    leat_runtime_stop(demo->app.runtime);
}

void demo_ended(struct demo *demo)
{
    struct totals *totals = &demo->totals;
    const struct leat_worker_stats sum = figures_total(demo->app.runtime);
    const size_t used = strlen(totals->io);
    snprintf(&totals->io[used], sizeof(totals->io) - used, "%s%s", totals->runs > 0 ? ", " : "",
             leat_io_name(demo->app.runtime));
    totals->runs++;
    totals->messages.sent += sum.sent;
    totals->messages.delivered += sum.delivered;
    totals->messages.refused += sum.refused;
    totals->messages.dead_letters += sum.dead_letters;
    totals->messages.deadlines += sum.deadlines;
    totals->udp.sent += demo->udp.sent;
    totals->udp.received += demo->udp.received;
    totals->udp.lost += demo->udp.lost;
    totals->udp.wrong += demo->udp.wrong;
    totals->sim_hash = leat_sim_hash(demo->app.runtime);
    const bool balanced = sum.sent == sum.delivered + sum.refused + sum.dead_letters;
    totals->balanced = totals->balanced && balanced;
    totals->may_lose = totals->may_lose || demo->scene.strained;
    messages_say("%s has ended: sent %" PRIu64 " %s delivered + refused + dead letters",
                 leat_io_name(demo->app.runtime), sum.sent, balanced ? "=" : "IS NOT");
}

const char *demo_next_io(const struct demo *demo)
{
    const char *const *names = leat_io_names();
    const char *now = leat_io_name(demo->app.runtime);
    size_t at = 1; /* names[0] is auto */
    while (names[at] != NULL && strcmp(names[at], now) != 0) {
        at++;
    }
    return names[at] != NULL && names[at + 1] != NULL ? names[at + 1] : names[1];
}

bool demo_is_sim(const struct demo *demo)
{
    return strcmp(leat_io_name(demo->app.runtime), "sim") == 0;
}
