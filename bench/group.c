/* Groups: what a deadline costs among 100,000 members that all have one, and how long a walk over
 * 10,000 members keeps another actor waiting. Members of a group run on one worker, so what they share
 * here is plain. */
#include <stdlib.h>
#include <string.h>

#include <leat/leat.h>

#include "runs.h"
#include "stage.h"
#include "sync.h"

#define TICKERS 100000u
#define TICKERS_QUICK 1000u
#define LISTENERS 10000u
#define LISTENERS_QUICK 1000u
#define WORK_NS 2000u /* of each listener for each input */
#define WINDOW 256u   /* spawns not yet answered */

enum message {
    MSG_GO = STAGE_OWN, /* to the group: begin */
    MSG_PROBE,          /* to the echo, and back: our clock */
};

/* What all members of one repetition know. */
struct all {
    leat_ref home;
    uint64_t left;  /* ticks, or inputs of listeners */
    uint64_t early; /* deadlines that came before their time */
};

static uint64_t take_one(struct all *all)
{
    return all->left > 0 ? --all->left : 1;
}

/* A group with so many members. */
static int group_make(struct stage *stage, const struct leat_behavior *behavior, struct all *all,
                      uint32_t members, leat_ref *ret)
{
    int status = leat_spawn_group(stage->controller, behavior, members, 0, ret);
    uint32_t asked = 0;
    for (uint32_t answered = 0; answered < members && status == 0; answered++) {
        while (asked < members && asked - answered < WINDOW && status == 0) {
            status = leat_spawn_member(stage->controller, *ret, &all, sizeof(all), 0);
            asked += status == 0;
        }
        struct leat_event event = {.kind = 0};
        if (status == 0) {
            status = leat_receive(stage->controller, 30 * LEAT_SEC, &event);
        }
        if (status == 0 && (event.kind != LEAT_EVENT_SPAWNED || event.status != 0)) {
            status = event.status != 0 ? event.status : -1;
        }
    }
    return status == 0 ? 0 : rep_wrong(stage->rep, "members: %s", strerror(-status));
}

/* ---- group_tick ---- */

struct ticker {
    struct all *all;
    leat_time at;
    bool tells, stopping;
};

static int ticker_init(void *state, const void *arg, leat_time now)
{
    struct ticker *self = state;
    (void)now;
    memcpy(&self->all, arg, sizeof(self->all));
    self->at = LEAT_NEVER;
    return 0;
}

static void ticker_on_event(void *state, const struct leat_event *event)
{
    struct ticker *self = state;
    if (event->kind == LEAT_EVENT_DEADLINE) {
        self->all->early += event->now < self->at;
        self->tells = take_one(self->all) == 0;
        self->at = self->all->left > 0 ? event->now + 1 : LEAT_NEVER; /* due in the next round */
    } else if (event->kind == LEAT_EVENT_MESSAGE) {
        self->at = event->now;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    }
}

static bool ticker_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct ticker *self = state;
    (void)now;
    if (self->tells) {
        self->tells = false;
        leat_output_send(ret, self->all->home, STAGE_DONE, &self->all->early, sizeof(uint64_t));
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static leat_time ticker_deadline(const void *state)
{
    return ((const struct ticker *)state)->at;
}

static const struct leat_behavior ticker = {
    .name = "bench ticker",
    .state_size = sizeof(struct ticker),
    .init = ticker_init,
    .on_event = ticker_on_event,
    .pop_output = ticker_pop_output,
    .deadline = ticker_deadline,
};

static int group_tick_measure(struct stage *stage, uint32_t members, struct rep *rep)
{
    static struct all all;
    leat_ref group;
    uint64_t early;
    all = (struct all){.home = stage->home, .left = stage->setup->count};
    if (group_make(stage, &ticker, &all, members, &group) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    if (stage_send(stage, group, MSG_GO, NULL, 0) != 0 || stage_wait_done(stage, &early) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / (double)stage->setup->count;
    return early == 0 ? 0
                      : rep_wrong(rep, "%llu deadlines came early", (unsigned long long)early);
}

int group_tick_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    uint32_t members = setup->quick ? TICKERS_QUICK : TICKERS;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        group_tick_measure(&stage, members, rep);
    }
    stage_close(&stage, NULL);
    rep_extra(rep, "members", members);
    return rep->result == REP_OK ? 0 : -1;
}

/* ---- its floor: a 4-ary heap of 100,000 times, the first of which moves back each time ---- */

struct entry {
    uint64_t at;
    uint64_t index;
};

static void sift(struct entry *heap, uint64_t len, struct entry entry)
{
    uint64_t at = 0;
    for (uint64_t first; (first = at * 4 + 1) < len;) {
        uint64_t least = first;
        for (uint64_t i = first + 1; i < len && i < first + 4; i++) {
            least = heap[i].at < heap[least].at ? i : least;
        }
        if (heap[least].at >= entry.at) {
            break;
        }
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = entry;
}

int group_tick_floor(const struct setup *setup, struct rep *rep)
{
    uint64_t len = setup->quick ? TICKERS_QUICK : TICKERS;
    struct entry *heap = calloc(len, sizeof(*heap));
    struct ticker *states = calloc(len, sizeof(*states));
    void (*volatile tick)(void *, const struct leat_event *) = ticker_on_event;
    struct all all = {.left = UINT64_MAX};
    if (heap == NULL || states == NULL) {
        free(heap);
        free(states);
        return rep_wrong(rep, "no memory");
    }
    for (uint64_t i = 0; i < len; i++) {
        heap[i].index = i;
        states[i].all = &all;
    }
    uint64_t start = now_ns();
    for (uint64_t n = 0; n < setup->count; n++) {
        struct leat_event event = {.kind = LEAT_EVENT_DEADLINE, .now = 1 + n / len};
        struct ticker *self = &states[heap[0].index];
        tick(self, &event);
        sift(heap, len, (struct entry){.at = self->at, .index = heap[0].index});
    }
    rep->ns = (double)(now_ns() - start) / (double)setup->count;
    free(heap);
    free(states);
    return all.early == 0 ? 0 : rep_wrong(rep, "the heap is out of order");
}

/* ---- group_walk: what others wait while 10,000 members each work for 2 us ---- */

struct listener {
    struct all *all;
    bool tells, stopping;
};

static int listener_init(void *state, const void *arg, leat_time now)
{
    (void)now;
    memcpy(&((struct listener *)state)->all, arg, sizeof(struct all *));
    return 0;
}

static void listener_on_event(void *state, const struct leat_event *event)
{
    struct listener *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        for (uint64_t until = now_ns() + WORK_NS; now_ns() < until;) {
        }
        self->tells = take_one(self->all) == 0;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        self->stopping = true;
    }
}

static bool listener_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct listener *self = state;
    (void)now;
    if (self->tells) {
        self->tells = false;
        leat_output_send(ret, self->all->home, STAGE_DONE, &self->all->left, sizeof(uint64_t));
        return true;
    }
    if (self->stopping) {
        leat_output_stop(ret);
    }
    return self->stopping;
}

static const struct leat_behavior listener = {
    .name = "bench listener",
    .state_size = sizeof(struct listener),
    .init = listener_init,
    .on_event = listener_on_event,
    .pop_output = listener_pop_output,
};

struct echo {
    leat_outbox(2) out;
};

static void echo_on_event(void *state, const struct leat_event *event)
{
    struct echo *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        leat_output_send(leat_outbox_put(&self->out), event->from, MSG_PROBE, event->payload,
                         event->len);
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool echo_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct echo *)state)->out, ret);
}

static const struct leat_behavior echo = {
    .name = "bench echo",
    .state_size = sizeof(struct echo),
    .on_event = echo_on_event,
    .pop_output = echo_pop_output,
};

/* Probes the echo, one at a time, until the walks are over; the round trips go to `delays`. */
static int probe(struct stage *stage, leat_ref to, double *delays, size_t cap, size_t *ret_len)
{
    *ret_len = 0;
    for (;;) {
        uint64_t sent = now_ns();
        struct leat_event event;
        if (stage_send(stage, to, MSG_PROBE, &sent, sizeof(sent)) != 0) {
            return -1;
        }
        int status = leat_receive(stage->controller, 30 * LEAT_SEC, &event);
        if (status != 0) {
            return rep_wrong(stage->rep, "no echo: %s", strerror(-status));
        }
        if (event.type == STAGE_DONE) {
            return 0; /* the last probe's answer is taken in at the end */
        }
        if (*ret_len < cap) {
            delays[(*ret_len)++] = (double)(now_ns() - sent);
        }
        sleep_ns(50000);
    }
}

static int group_walk_measure(struct stage *stage, uint32_t members, struct rep *rep)
{
    static struct all all;
    static double delays[100000];
    size_t len;
    leat_ref group, other;
    const struct cast one = {.behavior = &echo, .n = 1, .refs = &other};
    uint64_t walks = stage->setup->count;
    all = (struct all){.home = stage->home, .left = walks * members};
    if (stage_spawn(stage, &one) != 0 || group_make(stage, &listener, &all, members, &group) != 0) {
        return -1;
    }
    uint64_t start = now_ns();
    for (uint64_t i = 0; i < walks; i++) {
        if (stage_send(stage, group, MSG_GO, NULL, 0) != 0) {
            return -1;
        }
    }
    if (probe(stage, other, delays, sizeof(delays) / sizeof(delays[0]), &len) != 0) {
        return -1;
    }
    rep->ns = (double)(now_ns() - start) / (double)(walks * members);
    rep_extra(rep, "probes", (double)len);
    rep_extra(rep, "delay_median_ns", quantile(delays, len, 0.5));
    rep_extra(rep, "delay_p99_ns", quantile(delays, len, 0.99));
    rep_extra(rep, "delay_max_ns", quantile(delays, len, 1));
    return 0;
}

int group_walk_run(const struct setup *setup, struct rep *rep)
{
    struct stage stage;
    uint32_t members = setup->quick ? LISTENERS_QUICK : LISTENERS;
    if (stage_open(&stage, setup, rep, NULL) == 0) {
        group_walk_measure(&stage, members, rep);
    }
    stage_close(&stage, NULL);
    return rep->result == REP_OK ? 0 : -1;
}

int group_walk_floor(const struct setup *setup, struct rep *rep)
{
    uint64_t n = (setup->quick ? LISTENERS_QUICK : LISTENERS) * setup->count;
    struct all all = {.left = n};
    struct listener self = {.all = &all};
    struct leat_event event = {.kind = LEAT_EVENT_MESSAGE};
    uint64_t start = now_ns();
    for (uint64_t i = 0; i < n; i++) {
        listener_on_event(&self, &event);
    }
    rep->ns = (double)(now_ns() - start) / (double)n;
    return self.tells ? 0 : rep_wrong(rep, "an input is missing");
}
