/* Rates are over a window of some snapshots: a frame is too short for figures that can be read. */
#include "figures.h"

#include <stdlib.h>
#include <string.h>

#define HISTORY_EVERY 3u /* snapshots */

void figures_open(struct figures *figures, leat_runtime *runtime, leat_time started, size_t window)
{
    figures->runtime = runtime;
    figures->started = figures->at = started;
    figures->window = window;
    figures->taken = 1; /* the state at the start, all zero */
    memset(figures->ring, 0, sizeof(figures->ring));
    figures->ring[0].at = started;
}

double figures_age(const struct figures *figures)
{
    return (double)(figures->at - figures->started) / 1e9;
}

double row_busy(const struct row *row)
{
    return 100 * (1 - row->part[IDLE]);
}

/* What differs, per second. */
#define RATE_OF(member) ((double)(now->member - before->member) / seconds)

static struct row row_of(const struct leat_worker_stats *now,
                         const struct leat_worker_stats *before, double seconds)
{
    const double spent[PHASES] = {RATE_OF(time_io_ns), RATE_OF(time_actors_ns),
                                  RATE_OF(time_timers_ns), RATE_OF(time_idle_ns)};
    const double sum = spent[IO] + spent[ACTORS] + spent[TIMERS] + spent[IDLE];
    const uint64_t samples = now->wait_samples - before->wait_samples;
    struct row row = {
        .messages = RATE_OF(delivered),
        .sent = RATE_OF(sent),
        .refused = RATE_OF(refused),
        .dead_letters = RATE_OF(dead_letters),
        .deadlines = RATE_OF(deadlines),
        .inputs = RATE_OF(inputs),
        .datagrams_in = RATE_OF(recv_datagrams),
        .datagrams_out = RATE_OF(sent_datagrams),
        .bytes_in = RATE_OF(recv_bytes),
        .bytes_out = RATE_OF(sent_bytes),
        .pauses = RATE_OF(pauses),
        .parks = RATE_OF(parks),
        .run_queue = now->run_queue,
        .depth = now->mailbox_depth_max,
        .timers = now->timers,
        .actors = now->actors,
        .slow = now->slow_actors,
    };
    if (samples > 0) {
        row.wait_us = (double)(now->wait_ns - before->wait_ns) / (double)samples / 1e3;
    }
    for (int phase = 0; phase < PHASES; phase++) {
        row.part[phase] = sum > 0 ? spent[phase] / sum : phase == IDLE;
    }
    return row;
}

static void row_add(struct row *sum, const struct row *row)
{
    for (int phase = 0; phase < PHASES; phase++) {
        sum->part[phase] += row->part[phase];
    }
    sum->messages += row->messages;
    sum->sent += row->sent;
    sum->refused += row->refused;
    sum->dead_letters += row->dead_letters;
    sum->deadlines += row->deadlines;
    sum->inputs += row->inputs;
    sum->datagrams_in += row->datagrams_in;
    sum->datagrams_out += row->datagrams_out;
    sum->bytes_in += row->bytes_in;
    sum->bytes_out += row->bytes_out;
    sum->pauses += row->pauses;
    sum->parks += row->parks;
    sum->wait_us = row->wait_us > sum->wait_us ? row->wait_us : sum->wait_us;
    sum->run_queue += row->run_queue;
    sum->depth = row->depth > sum->depth ? row->depth : sum->depth;
    sum->timers += row->timers;
    sum->actors += row->actors;
    sum->slow += row->slow;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct behavior_row *)a)->name, ((const struct behavior_row *)b)->name);
}

static void take_behaviors(struct figures *figures, const struct snapshot *now,
                           const struct snapshot *before, double seconds)
{
    figures->behaviors_len = now->behaviors_len;
    for (size_t i = 0; i < now->behaviors_len; i++) {
        uint64_t inputs = now->behaviors[i].inputs;
        for (size_t k = 0; k < before->behaviors_len; k++) { /* new ones have none before */
            if (strcmp(before->behaviors[k].name, now->behaviors[i].name) == 0) {
                inputs -= before->behaviors[k].inputs;
                break;
            }
        }
        figures->behaviors[i] = (struct behavior_row){
            .name = now->behaviors[i].name,
            .actors = now->behaviors[i].actors,
            .inputs = (double)inputs / seconds,
        };
    }
    qsort(figures->behaviors, figures->behaviors_len, sizeof(figures->behaviors[0]), by_name);
}

static int by_channel(const void *a, const void *b)
{
    return strcmp(((const struct channel_row *)a)->name, ((const struct channel_row *)b)->name);
}

static void take_channels(struct figures *figures, const struct snapshot *now_all,
                          const struct snapshot *before_all, double seconds)
{
    static const struct leat_channel_stats none;
    figures->channels_len = now_all->channels_len;
    for (size_t i = 0; i < now_all->channels_len; i++) {
        const struct leat_channel_stats *now = &now_all->channels[i], *before = &none;
        for (size_t k = 0; k < before_all->channels_len; k++) {
            if (leat_channel_equal(before_all->channels[k].channel, now->channel)) {
                before = &before_all->channels[k];
            }
        }
        struct channel_row *row = &figures->channels[i];
        *row = (struct channel_row){
            .subscribers = now->subscribers,
            .dropped = now->refused,
            .published = RATE_OF(published),
            .delivered = RATE_OF(delivered),
            .refused = RATE_OF(refused),
        };
        memcpy(row->name, now->name, sizeof(row->name));
    }
    qsort(figures->channels, figures->channels_len, sizeof(figures->channels[0]), by_channel);
}

static void remember(struct figures *figures)
{
    const size_t at = figures->history_len++ % HISTORY;
    for (size_t i = 0; i < figures->workers_len; i++) {
        figures->busy[i][at] = (float)row_busy(&figures->workers[i]);
    }
    figures->messages[at] = (float)figures->all.messages;
}

void figures_take(struct figures *figures, leat_time now_time)
{
    const uint64_t back = figures->taken < figures->window ? figures->taken : figures->window;
    const struct snapshot *before = &figures->ring[(figures->taken - back) % (WINDOW_MAX + 1)];
    struct snapshot *now = &figures->ring[figures->taken % (WINDOW_MAX + 1)];
    now->at = now_time;
    now->workers_len = leat_stats_workers(figures->runtime, now->workers, LEAT_WORKERS_MAX);
    now->behaviors_len = leat_stats_behaviors(figures->runtime, now->behaviors, BEHAVIORS_MAX);
    now->behaviors_len = now->behaviors_len < BEHAVIORS_MAX ? now->behaviors_len : BEHAVIORS_MAX;
    now->channels_len = leat_stats_channels(figures->runtime, now->channels, CHANNELS_MAX);
    now->channels_len = now->channels_len < CHANNELS_MAX ? now->channels_len : CHANNELS_MAX;
    leat_stats_controllers(figures->runtime, &now->controllers);

    const double seconds = now->at > before->at ? (double)(now->at - before->at) / 1e9 : 1;
    figures->at = now_time;
    figures->workers_len = now->workers_len;
    figures->all = row_of(&now->controllers, &before->controllers, seconds);
    figures->all.part[IDLE] = 0;
    for (size_t i = 0; i < now->workers_len; i++) {
        figures->workers[i] = row_of(&now->workers[i], &before->workers[i], seconds);
        row_add(&figures->all, &figures->workers[i]);
    }
    for (int phase = 0; phase < PHASES; phase++) {
        figures->all.part[phase] /= (double)now->workers_len;
    }
    take_behaviors(figures, now, before, seconds);
    take_channels(figures, now, before, seconds);
    if (figures->taken % HISTORY_EVERY == 0) {
        remember(figures);
    }
    figures->taken++;
}

struct leat_worker_stats figures_total(leat_runtime *runtime)
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
        sum.slow_actors += workers[i].slow_actors;
        sum.parks += workers[i].parks;
        sum.recv_datagrams += workers[i].recv_datagrams;
    }
    return sum;
}
