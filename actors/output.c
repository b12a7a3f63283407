/* Outputs other than a send that is taken: what they cause, and how they are handed back when they
 * cannot be done. The common case is in turn.c. */
#include "host.h"

void leat_output_release(struct leat_output *output)
{
    bool is_message = output->kind == LEAT_OUTPUT_SEND || output->kind == LEAT_OUTPUT_PUBLISH ||
                      output->kind == LEAT_OUTPUT_BROADCAST;
    if ((is_message && output->len == LEAT_LEN_BODY) || output->kind == LEAT_OUTPUT_DATA ||
        output->kind == LEAT_OUTPUT_DATA_MANY) {
        leat_buf_unref(output->body.buf);
        output->body.buf = NULL;
    }
}

void actor_refuse(struct host *host, struct cell *cell, union node *out, uint8_t full, int status)
{
    LEAT_ASSERT(status < 0);
    struct leat_output *output = &out->output;
    if (output->kind == LEAT_OUTPUT_SEND) {
        host->count.refused++;
    }
    if (cell->behavior->on_refused != NULL) {
        output->full = full;
        if (output->kind != LEAT_OUTPUT_ROUTE &&
            output->kind != LEAT_OUTPUT_PUBLISH) { /* whose flags no pool has overwritten */
            output->flags = 0;
        }
        cell->behavior->on_refused(cell->state, output, status);
    } else {
        leat_output_release(output);
    }
    out->head.pool = host->pool->index;
}

enum done output_send_failed(struct host *host, struct cell *cell, union node *out,
                                    uint8_t full, int status)
{
    if (status == POST_MEMBER) { /* looked at here, so that it costs no other message anything */
        status = host_post_member(host, out->output.to, cell_self(cell), out, false);
        if (status == 0) {
            return DONE_TAKEN;
        }
    }
    if (status == -EAGAIN && full == LEAT_FULL_WAIT) {
        status = park(host, cell, out);
        if (status >= 0) {
            return status == PARK_SENT ? DONE_TAKEN : DONE_PARKED;
        }
    }
    if (status == -ESRCH) {
        host->count.dead_letters++;
        leat_output_release(&out->output);
    } else {
        actor_refuse(host, cell, out, full, status);
    }
    return DONE_KEPT;
}

static enum done output_spawn(struct host *host, struct cell *cell, union node *out)
{
    const struct leat_output *output = &out->output;
    int owner = host->ops->place(host, output->spawn.worker);
    if (owner < 0) {
        actor_refuse(host, cell, out, 0, -EINVAL);
        return DONE_KEPT;
    }
    struct spawn spawn = {
        .behavior = output->spawn.behavior,
        .arg = output->spawn.arg,
        .arg_size = output->spawn.arg_size,
        .owner = (uint32_t)owner,
        .parent = cell_self(cell),
        .cookie = output->cookie,
    };
    leat_ref child;
    int status = actor_spawn(host, &spawn, &child);
    if (status < 0) {
        actor_refuse(host, cell, out, 0, status);
    }
    return DONE_KEPT;
}

static enum done output_spawn_group(struct host *host, struct cell *cell, union node *out)
{
    const struct leat_output *output = &out->output;
    int owner = host->ops->place(host, output->group.worker);
    struct spawn spawn = {
        .behavior = output->group.behavior,
        .members_max = output->group.members_max,
        .mailbox_len_max = output->group.mailbox_len_max,
        .owner = (uint32_t)owner,
        .parent = cell_self(cell),
        .cookie = output->cookie,
    };
    leat_ref group;
    int status = owner >= 0 && spawn.members_max > 0 ? actor_spawn(host, &spawn, &group) : -EINVAL;
    if (status < 0) {
        actor_refuse(host, cell, out, 0, status);
    }
    return DONE_KEPT;
}

static enum done output_spawn_member(struct host *host, struct cell *cell, union node *out)
{
    const struct leat_output *output = &out->output;
    struct spawn spawn = {
        .arg = output->spawn.arg,
        .arg_size = output->spawn.arg_size,
        .parent = cell_self(cell),
        .cookie = output->cookie,
    };
    int status = member_spawn(host, output->to, &spawn);
    if (status < 0) {
        actor_refuse(host, cell, out, 0, status);
    }
    return DONE_KEPT;
}

static enum done output_monitor(struct host *host, struct cell *cell, union node *out)
{
    leat_ref watched = out->output.to;
    leat_ref self = cell_self(cell);
    uint64_t cookie = out->output.cookie;
    out->head.kind = NODE_MONITOR;
    out->head.len = 0;
    out->head.pool = host->pool->index;
    out->event.down.cookie = cookie;
    int status = host_post(host, watched, self, out);
    if (status == 0) {
        return DONE_TAKEN;
    }
    if (status == -ESRCH) {
        send_down(host, out, self, watched, -ESRCH, cookie);
        return DONE_TAKEN;
    }
    leat_output_monitor(&out->output, watched, cookie);
    actor_refuse(host, cell, out, 0, status);
    return DONE_KEPT;
}

/* Who has popped this ends. */
static enum done end_self(struct host *host, struct cell *cell, int status)
{
    if ((cell->flags & CELL_GROUP) != 0) {
        group_member_ends(host, cell, status);
    } else {
        actor_end(host, cell, status, LEAT_STATE_POP_OUTPUT);
    }
    return DONE_ENDED;
}

static enum done output_stop(struct host *host, struct cell *cell, union node *out)
{
    leat_ref to = out->output.to;
    if (leat_ref_equal(to, LEAT_REF_NONE) || leat_ref_equal(to, cell_self(cell))) {
        return end_self(host, cell, 0);
    }
    out->head.kind = NODE_STOP;
    out->head.len = 0;
    out->head.pool = host->pool->index;
    int status = host_post_stop(host, to, cell_self(cell), out);
    if (status == -EAGAIN || status == -ENOMEM) { /* a member's */
        leat_output_stop_other(&out->output, to);
        actor_refuse(host, cell, out, 0, status);
    }
    return status == 0 ? DONE_TAKEN : DONE_KEPT;
}

/* A publisher's own mailbox is full of what a safe publish may add to. */
static bool is_crowded(struct host *host, struct cell *cell)
{
    host_collect(host, cell);
    return cell->box.len >= box_limit(&cell->box);
}

static enum done output_publish(struct host *host, struct cell *cell, union node *out)
{
    struct bus_publish publish = {
        .channel = out->output.channel,
        .publisher = cell_self(cell),
        .cookie = out->output.cookie,
        .is_safe = (out->output.flags & LEAT_PUBLISH_SAFE) != 0,
    };
    LEAT_ASSERT(out->output.len <= LEAT_INLINE_MAX || out->output.len == LEAT_LEN_BODY);
    if (publish.is_safe && is_crowded(host, cell)) {
        actor_refuse(host, cell, out, 0, -EAGAIN);
        return DONE_KEPT;
    }
    out->head.pool = host->pool->index;
    bus_publish(host, &publish, out); /* what was lost is counted, and told if safe */
    return DONE_TAKEN;
}

static enum done output_subscribe(struct host *host, struct cell *cell, union node *out)
{
    struct bus_request request = {
        .is_subscribe = out->output.kind == LEAT_OUTPUT_SUBSCRIBE,
        .channel = out->output.channel,
        .subscriber = out->output.subscriber,
        .requester = cell_self(cell),
        .cookie = out->output.cookie,
    };
    int status = bus_request(host, &request, out);
    if (status < 0) {
        actor_refuse(host, cell, out, 0, status);
        return DONE_KEPT;
    }
    return DONE_TAKEN;
}

static enum done output_broadcast(struct host *host, struct cell *cell, union node *out)
{
    int64_t worker = out->output.worker;
    uint32_t workers = host->registry->workers;
    struct bus_broadcast broadcast = {
        .worker_end = workers, .behavior = out->output.behavior, .from = cell_self(cell)};
    if (worker == LEAT_WORKER_SAME) {
        worker = host->index;
    }
    if (worker != LEAT_WORKER_ALL) {
        if (worker < 0 || worker >= workers) {
            actor_refuse(host, cell, out, 0, -EINVAL);
            return DONE_KEPT;
        }
        broadcast.worker = (uint32_t)worker;
        broadcast.worker_end = (uint32_t)worker + 1;
    }
    uint8_t len = out->output.len;
    LEAT_ASSERT(len <= LEAT_INLINE_MAX || len == LEAT_LEN_BODY);
    out->head.pool = host->pool->index;
    int status = bus_broadcast(host, &broadcast, out);
    if (status < 0) {
        out->head.kind = LEAT_OUTPUT_BROADCAST;
        out->output.behavior = broadcast.behavior;
        actor_refuse(host, cell, out, 0, status);
        return DONE_KEPT;
    }
    return DONE_TAKEN;
}

enum done output_other(struct host *host, struct cell *cell, union node *out)
{
    struct leat_output *output = &out->output;
    switch (output->kind) {
    case LEAT_OUTPUT_SPAWN:
        return output_spawn(host, cell, out);
    case LEAT_OUTPUT_SPAWN_GROUP:
        return output_spawn_group(host, cell, out);
    case LEAT_OUTPUT_SPAWN_MEMBER:
        return output_spawn_member(host, cell, out);
    case LEAT_OUTPUT_MONITOR:
        return output_monitor(host, cell, out);
    case LEAT_OUTPUT_STOP:
        return output_stop(host, cell, out);
    case LEAT_OUTPUT_FAIL:
        host->count.failed++;
        count_add(&host->behaviors[cell->behavior_index].failed, 1);
        return end_self(host, cell, output->status < 0 ? output->status : -ECANCELED);
    case LEAT_OUTPUT_PUBLISH:
        return output_publish(host, cell, out);
    case LEAT_OUTPUT_SUBSCRIBE:
    case LEAT_OUTPUT_UNSUBSCRIBE:
        return output_subscribe(host, cell, out);
    case LEAT_OUTPUT_BROADCAST:
        return output_broadcast(host, cell, out);
    case LEAT_OUTPUT_OPEN:
    case LEAT_OUTPUT_DATA:
    case LEAT_OUTPUT_DATA_MANY:
    case LEAT_OUTPUT_ROUTE:
    case LEAT_OUTPUT_CLOSE:
    case LEAT_OUTPUT_LISTEN:
    case LEAT_OUTPUT_CONNECT:
    case LEAT_OUTPUT_GIVE:
    case LEAT_OUTPUT_FINISH:
    case LEAT_OUTPUT_PAUSE:
    case LEAT_OUTPUT_RESUME:
    case LEAT_OUTPUT_OPEN_TUN: {
        uint8_t full = output->full;
        int status = host->ops->socket_output(host, cell, out);
        if (status < 0) {
            actor_refuse(host, cell, out, full, status);
        }
        return status == HOST_PARK ? DONE_PARKED : DONE_KEPT;
    }
    default:
        host_log(host, LEAT_LOG_ERROR, ++host->logged_kinds, "actor %s: unknown output kind %u", cell->behavior->name,
                 output->kind);
        actor_refuse(host, cell, out, output->full, -EINVAL);
        return DONE_KEPT;
    }
}

