/* What the statistics say, once a period: a table that is drawn again on a terminal, one line in a
 * pipe, one JSON object with --json. Everything shown is the difference of two snapshots. */
#include "demo.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

void display_open(struct display *display, const struct app *app)
{
    *display = (struct display){.app = app, .json = app->flags->json, .period = LEAT_SEC};
    display->terminal = !display->json && isatty(STDOUT_FILENO);
    if (display->terminal && !flags_sim(app->flags)) {
        display->period = LEAT_SEC / 4;
    }
    setvbuf(stdout, NULL, _IOFBF, 1 << 16); /* a frame is one write */
}

double display_age(const struct display *display)
{
    return (double)(display->shown_at - display->app->started) / 1e9;
}

double row_busy(const struct row *row)
{
    return 100 * (1 - row->part[IDLE]);
}

static struct row row_of(const struct leat_worker_stats *now,
                         const struct leat_worker_stats *before, double seconds)
{
    const uint64_t spent[PHASES] = {
        now->time_io_ns - before->time_io_ns,
        now->time_actors_ns - before->time_actors_ns,
        now->time_timers_ns - before->time_timers_ns,
        now->time_idle_ns - before->time_idle_ns,
    };
    const double sum = (double)(spent[IO] + spent[ACTORS] + spent[TIMERS] + spent[IDLE]);
    struct row row = {
        .messages = (double)(now->delivered - before->delivered) / seconds,
        .datagrams = (double)(now->recv_datagrams - before->recv_datagrams) / seconds,
        .deadlines = (double)(now->deadlines - before->deadlines) / seconds,
        .run_queue = now->run_queue,
        .depth = now->mailbox_depth_max,
        .timers = now->timers,
        .actors = now->actors,
    };
    for (int phase = 0; phase < PHASES; phase++) {
        row.part[phase] = sum > 0 ? (double)spent[phase] / sum : phase == IDLE;
    }
    return row;
}

static void show_line(const struct display *display, const struct row *rows)
{
    struct row sum = {0};
    printf("%4.0f s  busy", display_age(display));
    for (size_t i = 0; i < display->workers; i++) {
        printf(" %.0f%%", row_busy(&rows[i]));
        sum.messages += rows[i].messages;
        sum.datagrams += rows[i].datagrams;
        sum.deadlines += rows[i].deadlines;
        sum.run_queue += rows[i].run_queue;
        sum.depth = rows[i].depth > sum.depth ? rows[i].depth : sum.depth;
        sum.actors += rows[i].actors;
    }
    printf("  messages/s %.0f  datagrams/s %.0f  deadlines/s %.0f  run queue %" PRIu64
           "  deepest box %" PRIu64 "  actors %" PRIu64 "\n",
           sum.messages, sum.datagrams, sum.deadlines, sum.run_queue, sum.depth, sum.actors);
}

static void show_json(const struct display *display, const struct row *rows)
{
    printf("{\"seconds\":%.3f,\"io\":\"%s\",\"workers\":[", display_age(display),
           leat_io_name(display->app->runtime));
    for (size_t i = 0; i < display->workers; i++) {
        printf(
            "%s{\"io\":%.4f,\"actors\":%.4f,\"timers\":%.4f,\"idle\":%.4f,\"messages_per_s\":%.0f"
            ",\"datagrams_per_s\":%.0f,\"deadlines_per_s\":%.0f,\"run_queue\":%" PRIu64
            ",\"mailbox_depth_max\":%" PRIu64 ",\"timers_pending\":%" PRIu64
            ",\"actors_alive\":%" PRIu64 "}",
            i > 0 ? "," : "", rows[i].part[IO], rows[i].part[ACTORS], rows[i].part[TIMERS],
            rows[i].part[IDLE], rows[i].messages, rows[i].datagrams, rows[i].deadlines,
            rows[i].run_queue, rows[i].depth, rows[i].timers, rows[i].actors);
    }
    printf("]}\n");
}

void display_update(struct display *display, leat_time now)
{
    static struct row rows[LEAT_WORKERS_MAX];
    const leat_time before = display->shown_at > 0 ? display->shown_at : display->app->started;
    const double seconds = now > before ? (double)(now - before) / 1e9 : 1;
    display->workers = leat_stats_workers(display->app->runtime, display->now, LEAT_WORKERS_MAX);
    display->behaviors = leat_stats_behaviors(display->app->runtime, display->behavior_now, 257);
    for (size_t i = 0; i < display->workers; i++) {
        rows[i] = row_of(&display->now[i], &display->before[i], seconds);
    }
    display->shown_at = now;
    if (display->json) {
        show_json(display, rows);
    } else if (display->terminal) {
        table_draw(display, rows, seconds);
    } else {
        show_line(display, rows);
    }
    fflush(stdout);
    memcpy(display->before, display->now, sizeof(display->before));
    memcpy(display->behavior_before, display->behavior_now, sizeof(display->behavior_before));
}

void display_close(struct display *display)
{
    if (display->terminal) {
        printf("\033[?25h\n");
    }
    fflush(stdout);
}
