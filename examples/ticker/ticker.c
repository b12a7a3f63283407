/* A group of 100,000 timers, each with a period of its own between 0.1 and 1.1 s. A group has one mailbox
 * and one place in the worker's timers, so a tick costs little more than the heap it is sorted in; the
 * members are actors all the same, each with its own state and deadline. */
#include "app.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WINDOW 256u /* members asked for and not yet there */

struct timer {
    leat_time period, at;
    bool ending;
};

static int timer_init(void *state, const void *arg, leat_time now)
{
    struct timer *self = state;
    memcpy(&self->period, arg, sizeof(self->period));
    self->at = now + self->period;
    return 0;
}

static void timer_on_event(void *state, const struct leat_event *event)
{
    struct timer *self = state;
    if (event->kind == LEAT_EVENT_DEADLINE) {
        self->at += self->period;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->ending = true;
    }
}

static bool timer_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    leat_output_stop(ret);
    return ((struct timer *)state)->ending;
}

static leat_time timer_deadline(const void *state)
{
    return ((const struct timer *)state)->at;
}

static const struct leat_behavior timer = {.name = "timer",
                                           .state_size = sizeof(struct timer),
                                           .init = timer_init,
                                           .on_event = timer_on_event,
                                           .pop_output = timer_pop_output,
                                           .deadline = timer_deadline};

/* ---- main ---- */

/* Fills the group, a window of members at a time: a mailbox is bounded, and so is that of a group. */
static int populate(struct app *app, leat_ref group, uint32_t members)
{
    uint32_t asked = 0;
    struct leat_event event;
    int status = 0;
    for (uint32_t there = 0; there < members && status == 0;) {
        for (; asked < members && asked - there < WINDOW && status == 0; asked++) {
            const leat_time period = 100 * LEAT_MS + asked * UINT64_C(7919) % 1000 * LEAT_MS;
            status = leat_spawn_member(app->controller, group, &period, sizeof(period), asked);
        }
        status = status == 0 ? app_receive(app, &event) : status;
        if (status == 0 && event.kind == LEAT_EVENT_SPAWNED) {
            status = event.status;
            there++;
        }
    }
    return status;
}

/* A second of it; the last one, in which they end, is left out. */
static void show(const struct app *app, struct leat_worker_stats *before, uint32_t members)
{
    struct leat_worker_stats now;
    leat_stats_workers(app->runtime, &now, 1);
    if (app_ending(app)) {
        return;
    }
    const uint64_t busy = now.time_io_ns + now.time_actors_ns + now.time_timers_ns -
                          before->time_io_ns - before->time_actors_ns - before->time_timers_ns;
    const uint64_t ticks = now.deadlines - before->deadlines;
    if (app->flags->json) {
        printf("{\"timers\":%" PRIu32 ",\"ticks\":%" PRIu64 ",\"busy_ns\":%" PRIu64 "}\n", members,
               ticks, busy);
    } else {
        printf("%" PRIu32 " timers: %" PRIu64 " ticks/s, worker 0 busy %.1f %%\n", members, ticks,
               (double)busy / 1e7);
    }
    fflush(stdout);
    *before = now;
}

/* All of it, from the first timer's birth to the last one's end. */
static void show_total(const struct app *app, uint32_t members)
{
    struct leat_worker_stats total;
    leat_stats_workers(app->runtime, &total, 1);
    const double seconds = (double)(leat_controller_now(app->controller) - app->started) / 1e9;
    printf(app->flags->json ? "{\"summary\":true,\"timers\":%" PRIu32 ",\"ticks\":%" PRIu64
                              ",\"seconds\":%.3f}\n"
                            : "%" PRIu32 " timers ticked %" PRIu64 " times in %.1f s\n",
           members, total.deadlines, seconds);
}

int main(int argc, char **argv)
{
    uint64_t members = 100000;
    const struct flag own[] = {
        {"timers", "N", "members of the group", FLAG_NUMBER, &members, 1, LEAT_GROUP_MEMBERS_MAX},
        {.name = NULL}};
    struct flags flags = {.program = "ticker", .own = own, .io = "auto", .workers = 1,
                          .about = "A group of many timers, with periods of 0.1 to 1.1 s.",
                          .light = "--seconds 2 --timers 100"};
    flags_parse(&flags, argc, argv);
    struct leat_config config = app_config(&flags);
    struct leat_worker_stats before = {.loops = 0};
    struct leat_event event;
    struct app app;
    leat_ref group;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    int status =
        leat_spawn_group(app.controller, &timer, (uint32_t)members, 0, &group);
    status = status != 0 ? status : app_start(&app);
    status = status != 0 ? status : populate(&app, group, (uint32_t)members);
    if (status != 0 && status != -EPIPE) { /* else it was told to end before it was complete */
        app_complain(&app, "make the group", status);
        leat_runtime_stop(app.runtime);
    }
    leat_stats_workers(app.runtime, &before, 1);
    leat_stats_every(app.controller, LEAT_SEC);
    while (app_receive(&app, &event) == 0) {
        if (event.kind == LEAT_EVENT_STATS) {
            show(&app, &before, (uint32_t)members);
        }
    }
    if (status == 0) {
        show_total(&app, (uint32_t)members);
    }
    return app_close(&app) != 0 || (status != 0 && status != -EPIPE);
}
