/* For a pipe: a line a second, or with --json an object. */
#include "demo.h"

#include <inttypes.h>
#include <stdio.h>

void lines_show(const struct figures *figures)
{
    const struct row *all = &figures->all;
    printf("%4.0f s  busy", figures_age(figures));
    for (size_t i = 0; i < figures->workers_len; i++) {
        printf(" %.0f%%", row_busy(&figures->workers[i]));
    }
    printf("  messages/s %.0f  datagrams/s %.0f  deadlines/s %.0f  run queue %" PRIu64
           "  deepest box %" PRIu64 "  actors %" PRIu64 "\n",
           all->messages, all->datagrams_in, all->deadlines, all->run_queue, all->depth,
           all->actors);
}

static void show_worker(const struct row *row)
{
    printf("{\"io\":%.4f,\"actors\":%.4f,\"timers\":%.4f,\"idle\":%.4f,\"messages_per_s\":%.0f"
           ",\"datagrams_per_s\":%.0f,\"datagrams_out_per_s\":%.0f,\"deadlines_per_s\":%.0f",
           row->part[IO], row->part[ACTORS], row->part[TIMERS], row->part[IDLE], row->messages,
           row->datagrams_in, row->datagrams_out, row->deadlines);
    printf(",\"refused_per_s\":%.0f,\"dead_letters_per_s\":%.0f,\"pauses_per_s\":%.0f"
           ",\"parks_per_s\":%.0f,\"mailbox_wait_us\":%.1f",
           row->refused, row->dead_letters, row->pauses, row->parks, row->wait_us);
    printf(",\"run_queue\":%" PRIu64 ",\"mailbox_depth_max\":%" PRIu64
           ",\"timers_pending\":%" PRIu64 ",\"actors_alive\":%" PRIu64 "}",
           row->run_queue, row->depth, row->timers, row->actors);
}

void lines_show_json(const struct figures *figures)
{
    printf("{\"seconds\":%.3f,\"io\":\"%s\",\"workers\":[", figures_age(figures),
           leat_io_name(figures->runtime));
    for (size_t i = 0; i < figures->workers_len; i++) {
        fputs(i > 0 ? "," : "", stdout);
        show_worker(&figures->workers[i]);
    }
    printf("],\"behaviors\":[");
    for (size_t i = 0; i < figures->behaviors_len; i++) {
        const struct behavior_row *row = &figures->behaviors[i];
        printf("%s{\"name\":\"%s\",\"actors\":%" PRIu64 ",\"inputs_per_s\":%.0f}", i > 0 ? "," : "",
               row->name, row->actors, row->inputs);
    }
    printf("],\"channels\":[");
    for (size_t i = 0; i < figures->channels_len; i++) {
        const struct channel_row *row = &figures->channels[i];
        printf("%s{\"name\":\"%s\",\"subscribers\":%" PRIu64
               ",\"published_per_s\":%.0f,\"delivered_per_s\":%.0f,\"dropped\":%" PRIu64 "}",
               i > 0 ? "," : "", row->name, row->subscribers, row->published, row->delivered,
               row->dropped);
    }
    printf("]}\n");
}
