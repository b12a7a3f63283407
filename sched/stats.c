/* Statistics: counted by each thread for itself, copied now and then to where others may look. */
#include <string.h>

#include "channel.h"
#include "sched.h"

#define RUN_QUEUE_COUNTED 256u
#define STATS_WORDS (sizeof(struct leat_worker_stats) / sizeof(uint64_t))

_Static_assert(sizeof(struct leat_worker_stats) % sizeof(uint64_t) == 0, "all counters");

static void stats_store(struct leat_worker_stats *to, const struct leat_worker_stats *from)
{
    uint64_t *words = (uint64_t *)to;
    for (size_t i = 0; i < STATS_WORDS; i++) {
        store_relaxed_u64(&words[i], ((const uint64_t *)from)[i]);
    }
}

static void stats_load(struct leat_worker_stats *to, const struct leat_worker_stats *from)
{
    const uint64_t *words = (const uint64_t *)from;
    for (size_t i = 0; i < STATS_WORDS; i++) {
        ((uint64_t *)to)[i] = load_relaxed_u64(&words[i]);
    }
}

void host_publish(struct host *host)
{
    stats_store(&host->published, &host->count);
}

void host_publish_conserved(struct host *host)
{
    store_relaxed_u64(&host->published.sent, host->count.sent);
    store_relaxed_u64(&host->published.delivered, host->count.delivered);
    store_relaxed_u64(&host->published.refused, host->count.refused);
    store_relaxed_u64(&host->published.dead_letters, host->count.dead_letters);
    store_relaxed_u64(&host->published.published, host->count.published);
}

/* Ready actors, counted as far as it is quick. */
static uint64_t run_queue_len(const struct host *host)
{
    uint64_t len = host->urgent_head != NULL;
    for (const struct cell *cell = host->run_head; cell != NULL && len < RUN_QUEUE_COUNTED;
         cell = cell->run_next) {
        len++;
    }
    return len;
}

void worker_publish(struct worker *worker)
{
    struct leat_worker_stats *count = &worker->host->count;
    const struct io_stats *io = &worker->io->base.stats;
    count->turns = worker->host->turns;
    count->inputs = host_inputs(worker->host);
    count->outputs = count->sent - worker->host->copies + worker->host->other_outputs;
    count->slow_actors = load_relaxed_u64(&worker->slow_actors);
    count->run_queue = run_queue_len(worker->host);
    count->timers = worker->timers.armed_len;
    count->pool_nodes = worker->host->pool->nodes_len;
    count->pool_bytes = worker->host->pool->bytes;
    count->recv_datagrams = io->recv_datagrams;
    count->recv_bytes = io->recv_bytes;
    count->recv_calls = io->recv_calls;
    count->recv_starved = io->recv_starved;
    count->accepted = io->accepted;
    count->accept_failed = io->accept_failed;
    count->sent_datagrams = io->sent_datagrams;
    count->sent_bytes = io->sent_bytes;
    count->send_calls = io->send_calls;
    count->send_errors = io->send_errors;
    count->sockets = io->sockets;
    host_publish(worker->host);
}

size_t leat_stats_workers(leat_runtime *runtime, struct leat_worker_stats *ret, size_t cap)
{
    for (size_t i = 0; i < cap && i < runtime->config.workers; i++) {
        stats_load(&ret[i], &runtime->workers[i]->host->published);
    }
    return runtime->config.workers;
}

static void add_conserved(struct leat_worker_stats *sum, const struct host *host)
{
    sum->sent += load_relaxed_u64(&host->published.sent);
    sum->delivered += load_relaxed_u64(&host->published.delivered);
    sum->refused += load_relaxed_u64(&host->published.refused);
    sum->dead_letters += load_relaxed_u64(&host->published.dead_letters);
    sum->published += load_relaxed_u64(&host->published.published);
}

void stats_close(struct leat_runtime *runtime, const struct host *host)
{
    add_conserved(&runtime->closed, host);
}

void leat_stats_controllers(leat_runtime *runtime, struct leat_worker_stats *ret)
{
    pthread_mutex_lock(&runtime->lock);
    struct leat_worker_stats sum = runtime->closed;
    for (uint32_t i = 0; i < LEAT_CONTROLLERS_MAX; i++) {
        struct leat_controller *controller = runtime->controllers[i];
        if (controller != NULL && controller_host(controller) != NULL) { /* else it is being opened */
            add_conserved(&sum, controller_host(controller));
        }
    }
    pthread_mutex_unlock(&runtime->lock);
    *ret = sum;
}

size_t leat_stats_channels(leat_runtime *runtime, struct leat_channel_stats *ret, size_t cap)
{
    size_t len = 0;
    uint32_t slots = channel_slots_len();
    for (uint32_t slot = 0; slot < slots && len < cap; slot++) {
        struct leat_channel_stats sum = {.subscribers = 0};
        bool is_used = false;
        if (!channel_at(slot, &sum.channel, sum.name)) {
            continue;
        }
        for (uint32_t w = 0; w < runtime->config.workers; w++) {
            is_used = bus_count(runtime->workers[w]->host, &sum) || is_used;
        }
        if (is_used) {
            ret[len++] = sum;
        }
    }
    return len;
}

static size_t behavior_find(const struct leat_behavior_stats *list, size_t len, const char *name)
{
    size_t at = 0;
    while (at < len && list[at].name != name) {
        at++;
    }
    return at;
}

size_t leat_stats_behaviors(leat_runtime *runtime, struct leat_behavior_stats *ret, size_t cap)
{
    size_t len = 0;
    for (uint32_t w = 0; w < runtime->config.workers; w++) {
        const struct host *host = runtime->workers[w]->host;
        uint32_t named = load_acquire_u32(&host->behaviors_len);
        for (uint32_t i = 0; i <= BEHAVIORS_MAX; i++) {
            const struct behavior_count *count = &host->behaviors[i];
            uint64_t stopped = load_acquire_u64(&count->stopped); /* before `spawned`: never more */
            uint64_t spawned = load_acquire_u64(&count->spawned);
            if (i >= named && spawned == 0) {
                continue;
            }
            const char *name = i < named ? count->behavior->name : "(others)";
            size_t at = behavior_find(ret, len < cap ? len : cap, name);
            if (at == cap) {
                continue;
            }
            if (at == len) {
                ret[len++] = (struct leat_behavior_stats){.name = name};
            }
            ret[at].spawned += spawned;
            ret[at].stopped += stopped;
            ret[at].actors += spawned - stopped;
            ret[at].failed += load_relaxed_u64(&count->failed);
            ret[at].inputs += load_relaxed_u64(&count->inputs);
        }
    }
    return len;
}
