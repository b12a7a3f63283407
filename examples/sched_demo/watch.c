/* The hook runs on the chosen actor's worker, and an actor is on one worker at a time: a take has one
 * producer and one consumer. Its len is the handshake: up to it the steps are the view's; where it is
 * WATCH_STEPS the hook writes nothing, and only the view may set it back to 0. Another actor may be on
 * another worker, so it gets a take of its own. */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct watch_take {
    leat_ref actor;
    struct watch_take *old;
    _Atomic uint32_t len;
    struct watch_step steps[WATCH_STEPS];
    struct watch_step end; /* to Stopped, which comes however full it is */
    atomic_bool ended;
};

static void step_fill(const struct watch *watch, struct watch_step *step,
                      const struct leat_trace *trace)
{
    step->trace = *trace;
    step->at = trace->now;
    if (!watch->virtual_time) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        step->at = (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
    }
}

static void on_transition(void *context, const struct leat_trace *trace)
{
    struct watch *watch = context;
    struct watch_take *take = atomic_load_explicit(&watch->take, memory_order_acquire);
    if (take == NULL || !leat_ref_equal(take->actor, trace->actor)) {
        return; /* all but one of millions */
    }
    if (trace->to == LEAT_STATE_STOPPED && trace->member.id == 0) {
        step_fill(watch, &take->end, trace);
        atomic_store_explicit(&take->ended, true, memory_order_release);
        return;
    }
    /* Pairs with the release of watch_play: the steps have been read. */
    const uint32_t len = atomic_load_explicit(&take->len, memory_order_acquire);
    const bool in_the_middle =
        trace->from != LEAT_STATE_WAITING && trace->from != LEAT_STATE_CREATED;
    if (len == WATCH_STEPS || (len == 0 && in_the_middle)) {
        return;
    }
    step_fill(watch, &take->steps[len], trace);
    atomic_store_explicit(&take->len, len + 1, memory_order_release);
}

void watch_attach(struct watch *watch, struct leat_config *config)
{
    watch->virtual_time = strcmp(config->io, "sim") == 0;
    config->trace = on_transition;
    config->trace_context = watch;
}

int watch_choose(struct watch *watch, leat_ref actor)
{
    struct watch_take *take = calloc(1, sizeof(*take));
    if (take == NULL) {
        return -ENOMEM;
    }
    take->actor = actor;
    take->old = atomic_load_explicit(&watch->take, memory_order_relaxed);
    watch->played = 0;
    watch->any = false;
    watch->step = (struct watch_step){.trace = {.actor = actor, .to = LEAT_STATE_WAITING}};
    watch->since = 0;
    atomic_store_explicit(&watch->take, take, memory_order_release);
    return 0;
}

leat_ref watch_actor(const struct watch *watch)
{
    const struct watch_take *take = atomic_load_explicit(&watch->take, memory_order_relaxed);
    return take != NULL ? take->actor : LEAT_REF_NONE;
}

bool watch_play(struct watch *watch)
{
    struct watch_take *take = atomic_load_explicit(&watch->take, memory_order_relaxed);
    if (take == NULL || watch->step.trace.to == LEAT_STATE_STOPPED) {
        return false;
    }
    /* Pairs with the hook's release: it is written. What came before has no one's interest any more. */
    if (atomic_load_explicit(&take->ended, memory_order_acquire)) {
        watch->step = take->end;
        watch->since = 0;
        watch->any = true;
        return true;
    }
    if (watch->played == WATCH_STEPS) {
        watch->played = 0;
        atomic_store_explicit(&take->len, 0, memory_order_release);
    }
    /* Pairs with the hook's release: the step is written. */
    if (watch->played == atomic_load_explicit(&take->len, memory_order_acquire)) {
        return false;
    }
    const struct watch_step *step = &take->steps[watch->played];
    watch->since = watch->played > 0 ? step->at - watch->step.at : 0;
    watch->step = *step;
    watch->any = true;
    watch->played++;
    return true;
}

void watch_close(struct watch *watch)
{
    struct watch_take *take = atomic_load_explicit(&watch->take, memory_order_relaxed);
    while (take != NULL) {
        struct watch_take *old = take->old;
        free(take);
        take = old;
    }
    atomic_store_explicit(&watch->take, NULL, memory_order_relaxed);
}
