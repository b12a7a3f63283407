/* The scheduler, live: sources, a router, consumers, a ring and a UDP echo with its load, spread
 * over the workers. At the end every message must be accounted for. */
#include "demo.h"
#include "panes.h"
#include "view.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PLAY_FRAMES 3u /* from one transition that is played to the next: three a second */

static struct demo the_demo = {
    .scene_config =
        {.tickers = 200, .messages = 50000, .datagrams = 5000, .publish = 500, .members = 1000},
};
static bool script;

static const struct flag own_flags[] = {
    {"script", NULL, "a fixed tour of what can be seen and broken, checked; needs no terminal",
     FLAG_SWITCH, &script, 0, 0},
    {"tickers", "N", "actors that send by deadline", FLAG_NUMBER, &the_demo.scene_config.tickers, 0,
     1000000},
    {"messages", "N", "messages a second, each producer", FLAG_NUMBER,
     &the_demo.scene_config.messages, 1, 100000000},
    {"datagrams", "N", "datagrams a second, each client", FLAG_NUMBER,
     &the_demo.scene_config.datagrams, 1, 1000000},
    {"publish", "N", "messages a second on the bus, each publisher", FLAG_NUMBER,
     &the_demo.scene_config.publish, 1, 1000000},
    {"members", "N", "actors of the group", FLAG_NUMBER, &the_demo.scene_config.members, 0, 100000},
    {"loss", "PERCENT", "sim: datagrams the network loses, each way", FLAG_NUMBER, &the_demo.loss,
     0, 100},
    {0},
};

static enum display choose_display(const struct flags *flags)
{
    const char *term = getenv("TERM");
    if (script) {
        return DISPLAY_NONE;
    }
    if (flags->json) {
        return DISPLAY_JSON;
    }
    if (!isatty(STDOUT_FILENO) || term == NULL || strcmp(term, "dumb") == 0) {
        return DISPLAY_LINES;
    }
    return view_is_there() ? DISPLAY_VIEW : DISPLAY_TABLE;
}

/* Virtual time waits for the real one, or for a key. */
static void wait_for_real_time(const struct app *app)
{
    static leat_time last;
    static double due;
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    const double now = (double)clock.tv_sec + (double)clock.tv_nsec / 1e9;
    const leat_time virtual_now = leat_controller_now(app->controller);
    due += virtual_now > last ? (double)(virtual_now - last) / 1e9 : 0;
    due = due < now ? now : due; /* what took too long is not made good */
    last = virtual_now;
    struct pollfd typed = {.fd = STDIN_FILENO, .events = POLLIN};
    (void)poll(&typed, 1, (int)((due - now) * 1000));
}

static void show_view(struct demo *demo)
{
    keys_take(demo);
    demo_watch(demo);
    if (demo->frames++ % PLAY_FRAMES == 0 && !demo->paused) {
        (void)watch_play(&demo->watch);
    }
    panes_draw(demo);
    if (demo_is_sim(demo)) {
        wait_for_real_time(&demo->app);
    }
}

static void show(struct demo *demo)
{
    switch (demo->display) {
    case DISPLAY_VIEW:
        show_view(demo);
        break;
    case DISPLAY_TABLE:
        table_show(&demo->figures);
        break;
    case DISPLAY_LINES:
        if (!app_ending(&demo->app)) { /* actors that end are not what it is about */
            lines_show(&demo->figures);
        }
        break;
    case DISPLAY_JSON:
        if (!app_ending(&demo->app)) {
            lines_show_json(&demo->figures);
        }
        break;
    case DISPLAY_NONE:
        break;
    }
    fflush(stdout);
}

/* Until the runtime has ended. */
static void play(struct demo *demo)
{
    struct leat_event event;
    while (app_receive(&demo->app, &event) == 0) {
        if (!demo_event(demo, &event)) {
            if (!demo->paused) {
                figures_take(&demo->figures, event.now);
            }
            scene_turn(&demo->scene);
            show(demo);
        }
    }
    demo_ended(demo);
}

static void play_all(struct demo *demo)
{
    while (demo->status == 0) {
        play(demo);
        if (!demo->again || demo->status != 0 || app_signalled()) {
            return;
        }
        demo->status = demo_reopen(demo);
    }
}

static void print_errors(void)
{
    static struct message_line lines[MESSAGES_LINES];
    const size_t n = messages_last(lines, MESSAGES_LINES);
    for (size_t i = 0; i < n; i++) {
        if (lines[i].level == LEAT_LOG_ERROR) {
            fprintf(stderr, "%s\n", lines[i].text);
        }
    }
}

int main(int argc, char **argv)
{
    struct flags flags = {
        .program = "sched_demo",
        .about = view_is_there()
                     ? "Shows workers, actors and their messages, live; ? tells the keys."
                     : "Shows workers, actors and their messages. Built without ncursesw: there is "
                       "a plain table instead of the live view, and there are no keys.",
        .own = own_flags,
        .light = "--seconds 1 --messages 200 --publish 20 --members 20",
        .io = "auto",
        .bind = "127.0.0.1",
    };
    flags_parse(&flags, argc, argv);
    if (the_demo.loss > 0 && !flags_sim(&flags)) {
        flags_wrong(&flags, "--loss is for --io sim: the kernel's loopback loses what it likes");
    }
    the_demo.flags = &flags;
    the_demo.display = choose_display(&flags);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16); /* a frame is one write */
    messages_start();
    if (the_demo.display == DISPLAY_VIEW && !view_open()) {
        the_demo.display = DISPLAY_LINES;
    }
    if (the_demo.display == DISPLAY_VIEW) {
        app_complain_to(messages_complain, NULL);
    }
    bool good = true;
    the_demo.status = demo_open(&the_demo);
    if (the_demo.status == 0 && script) {
        good = script_run(&the_demo);
    } else if (the_demo.status == 0) {
        play_all(&the_demo);
    }
    view_close();
    if (the_demo.display == DISPLAY_VIEW) {
        app_complain_to(NULL, NULL);
        print_errors();
    }
    if (the_demo.totals.runs > 0 && the_demo.status == 0) { /* one that failed proves nothing */
        good = summary(&the_demo.totals, flags.json) && good;
    }
    if (the_demo.is_open && app_close(&the_demo.app) != 0) {
        good = false;
    }
    watch_close(&the_demo.watch);
    return the_demo.status == 0 && good ? 0 : 1;
}
