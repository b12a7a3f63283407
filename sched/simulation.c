/* Simulation: all workers in the caller's thread, in virtual time. A step is one worker's loop turn;
 * which worker's, the seed decides. When none has anything to do, time moves to what comes next. */
#include "sched.h"

#define INSTANT_ROUNDS 4096u /* loop turns at one instant, before it is a microsecond later */

static bool is_candidate(const struct worker *worker)
{
    bool has_buffers = load_relaxed_ptr(&worker->host->pool->returned_bufs) != NULL;
    return worker->is_due || has_buffers || worker_is_ready(worker);
}

/* One of those that may have something to do, by the seed; NULL: none. */
static struct worker *choose(struct leat_runtime *runtime)
{
    struct worker *found[LEAT_WORKERS_MAX];
    uint32_t len = 0;
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        if (is_candidate(runtime->workers[i])) {
            found[len++] = runtime->workers[i];
        }
    }
    return len > 0 ? found[sim_world_below(runtime->world, len)] : NULL;
}

static void all_due(struct leat_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        runtime->workers[i]->is_due = true;
    }
}

static leat_time next_event(struct leat_runtime *runtime)
{
    leat_time next = sim_world_next(runtime->world);
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        leat_time at = worker_next(runtime->workers[i]);
        next = at < next ? at : next;
    }
    return next;
}

/* What streams were closed with still leaves, as worker_run does it. */
static void send_rest(struct leat_runtime *runtime)
{
    leat_time until = sim_world_now(runtime->world) + runtime->config.shutdown_ns;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < runtime->config.workers; i++) {
            worker_enter(runtime->workers[i]);
            again = worker_send_rest(runtime->workers[i], 0) || again;
            worker_leave(runtime->workers[i]);
        }
        leat_time next = sim_world_next(runtime->world);
        again = again && next <= until;
        if (again && next > sim_world_now(runtime->world)) {
            sim_world_advance(runtime->world, next);
        }
    }
}

/* The last actor has ended in this round. */
static void settle(struct leat_runtime *runtime)
{
    send_rest(runtime);
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        worker_enter(runtime->workers[i]);
        worker_settle(runtime->workers[i]);
        worker_leave(runtime->workers[i]);
    }
}

static void round_of(struct worker *worker)
{
    const struct host *host = worker->host;
    uint64_t before = host_inputs(host) + host->count.sent + host->other_outputs;
    worker_enter(worker);
    worker_round(worker, 0);
    worker_leave(worker);
    if (load_acquire_u32(&worker->runtime->ended) != 0) {
        settle(worker->runtime);
    }
    uint64_t after = host_inputs(host) + host->count.sent + host->other_outputs;
    worker->is_due = after != before; /* then there may be more to flush */
}

/* Work takes time too: without this two actors that keep each other busy would stop the clock. */
static void time_passes(struct leat_runtime *runtime)
{
    if (++runtime->instant_rounds == INSTANT_ROUNDS) {
        runtime->instant_rounds = 0;
        sim_world_advance(runtime->world, sim_world_now(runtime->world) + LEAT_US);
        all_due(runtime);
    }
}

bool simulation_step(struct leat_runtime *runtime, leat_time until)
{
    if (sim_world_next(runtime->world) <= sim_world_now(runtime->world)) {
        all_due(runtime);
    }
    struct worker *worker = choose(runtime);
    if (worker != NULL) {
        round_of(worker);
        time_passes(runtime);
        return sim_world_now(runtime->world) <= until;
    }
    runtime->instant_rounds = 0;
    leat_time next = next_event(runtime);
    if (choose(runtime) != NULL) { /* a wait ended while the next event was looked for */
        return true;
    }
    if (next <= sim_world_now(runtime->world)) { /* a parked drain has ended, with a past deadline */
        all_due(runtime);
        return true;
    }
    if (next == LEAT_NEVER || next > until) {
        if (until != LEAT_NEVER) {
            sim_world_advance(runtime->world, until);
            all_due(runtime);
        }
        return false;
    }
    sim_world_advance(runtime->world, next);
    all_due(runtime);
    return true;
}
