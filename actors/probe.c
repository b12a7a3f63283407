/* The testing kit's probe: one actor, its state laid out as the runtime does, and the drain rule kept
 * by refusing what would break it. It needs no cell, no host and no thread. */
#include <leat/testing.h>

#include <errno.h>

#include "host.h"
#include "mem.h"

struct leat_probe {
    const struct leat_behavior *behavior;
    void                       *state;
    leat_time                   now;
    leat_time                   deadline;
    int                         status; /* as leat_probe_status */
    bool                        is_open; /* outputs may be left */
};

/* A ref no runtime gives out: a member's, of the slot no group has. Slot and index are all ones. */
static const leat_ref probe_ref = {.id = UINT64_C(0xff) << 32 | UINT32_MAX};

static void ask_deadline(struct leat_probe *probe)
{
    probe->deadline =
        probe->behavior->deadline != NULL ? probe->behavior->deadline(probe->state) : LEAT_NEVER;
}

leat_probe *leat_probe_open(const struct leat_behavior *behavior, const void *arg, leat_time now)
{
    struct leat_probe *probe = mem_zalloc(sizeof(*probe), 16);
    void *state = state_alloc(behavior, probe_ref);
    if (probe == NULL || state == NULL) {
        mem_free(probe);
        state_free(state);
        return NULL;
    }
    *probe = (struct leat_probe){
        .behavior = behavior, .state = state, .now = now, .deadline = LEAT_NEVER};
    if (behavior->init != NULL) {
        int status = behavior->init(state, arg, now);
        probe->status = status < 0 ? status : 0;
    }
    probe->is_open = probe->status == 0 && behavior->pop_output != NULL;
    if (probe->status == 0 && behavior->pop_output == NULL) {
        ask_deadline(probe); /* nothing to drain */
    }
    return probe;
}

static void end(struct leat_probe *probe, int status)
{
    probe->status = status;
    probe->is_open = false;
    probe->deadline = LEAT_NEVER;
    if (probe->behavior->fini != NULL) {
        probe->behavior->fini(probe->state);
    }
}

void leat_probe_close(leat_probe *probe)
{
    if (probe->status == 0) {
        end(probe, 1);
    }
    state_free(probe->state);
    mem_free(probe);
}

void *leat_probe_state(leat_probe *probe)
{
    return probe->state;
}

leat_ref leat_probe_ref(const leat_probe *probe)
{
    (void)probe;
    return probe_ref;
}

bool leat_probe_pop(leat_probe *probe, struct leat_output *ret)
{
    if (!probe->is_open) {
        return false;
    }
    struct leat_output out;
    bool (*pop)(void *, leat_time, struct leat_output *) = probe->behavior->pop_output;
    if (pop == NULL || !pop(probe->state, probe->now, &out)) {
        probe->is_open = false;
        ask_deadline(probe);
        return false;
    }
    *ret = out;
    if (out.kind == LEAT_OUTPUT_STOP && (leat_ref_equal(out.to, LEAT_REF_NONE) ||
                                         leat_ref_equal(out.to, probe_ref))) {
        end(probe, 1);
    } else if (out.kind == LEAT_OUTPUT_FAIL) {
        end(probe, out.status < 0 ? out.status : -ECANCELED);
    }
    return true;
}

int leat_probe_give(leat_probe *probe, struct leat_event *event)
{
    if (probe->status != 0) {
        return -ESRCH;
    }
    if (probe->is_open) {
        return -EBUSY;
    }
    event->now = probe->now;
    probe->behavior->on_event(probe->state, event);
    probe->is_open = true;
    if (probe->behavior->pop_output == NULL) {
        probe->is_open = false;
        ask_deadline(probe);
    }
    return 0;
}

void leat_probe_refuse(leat_probe *probe, struct leat_output *output, int status)
{
    LEAT_ASSERT(status < 0);
    if (probe->status == 0 && probe->behavior->on_refused != NULL) {
        probe->behavior->on_refused(probe->state, output, status);
    } else {
        leat_output_release(output);
    }
}

leat_time leat_probe_deadline(const leat_probe *probe)
{
    return probe->deadline;
}

bool leat_probe_advance(leat_probe *probe, leat_time ns)
{
    probe->now += ns;
    if (probe->status != 0 || probe->is_open || probe->deadline > probe->now) {
        return false;
    }
    struct leat_event event = {.kind = LEAT_EVENT_DEADLINE};
    return leat_probe_give(probe, &event) == 0;
}

int leat_probe_status(const leat_probe *probe)
{
    return probe->status;
}

struct leat_event leat_probe_message(uint32_t type, const void *payload, size_t len)
{
    struct leat_event event = {.kind = LEAT_EVENT_MESSAGE, .type = type, .from = probe_ref};
    event.len = (uint8_t)(len < LEAT_INLINE_MAX ? len : LEAT_INLINE_MAX);
    if (event.len > 0) {
        memcpy(event.payload, payload, event.len);
    }
    return event;
}

struct leat_event leat_probe_datagram(leat_sock sock, const struct leat_addr *peer,
                                      const void *bytes, uint32_t len)
{
    struct leat_event event = {.kind = LEAT_EVENT_DATA, .sock = sock};
    event.data.peer = *peer;
    int status = leat_buf_alloc(len, &event.data.body);
    LEAT_ASSERT(status == 0);
    if (len > 0) {
        memcpy(leat_slice_data(event.data.body), bytes, len);
    }
    return event;
}
