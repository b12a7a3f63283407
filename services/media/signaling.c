/* The signaling actor: a table of streams and sessions that answers HTTP. It is on the first
 * worker, the sessions are anywhere. Each input is done with at once: what an answer must wait for
 * is in the session, and comes back as SPAWNED. A session is in the tables from its POST until its
 * DOWN, so nothing that is late finds another one. */
#include "signaling.h"

#include <errno.h>

/* ---- ports ---- */

static void spawn_port(struct signaling *self, uint32_t index)
{
    self->port = &self->media->workers[index];
    self->port->signaling = leat_self(self);
    if (index > 0 && !self->media->config.port_each) {
        self->port->local.port = self->media->workers[0].bound.port;
    }
    struct leat_output *out = leat_outbox_put(&self->out);
    leat_output_spawn(out, &media_port_behavior, &self->port, sizeof(self->port),
                      cookie_of(COOKIE_PORT, index));
    out->spawn.worker = (int32_t)index;
}

static void on_port_spawned(struct signaling *self, int status, leat_ref child, uint64_t number)
{
    if (status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), status);
    } else {
        leat_output_monitor(leat_outbox_put(&self->out), child, cookie_of(COOKIE_PORT, number));
    }
}

/* The next one, or all are there. One after the other, since all bind what the first one got. */
static void on_port_open(struct signaling *self, const struct leat_event *event)
{
    struct port_open open;
    if (event->len != sizeof(open)) {
        return;
    }
    memcpy(&open, event->payload, sizeof(open));
    if (open.status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), open.status);
        return;
    }
    self->ports++;
    if (self->ports < self->media->config.workers) {
        spawn_port(self, self->ports);
        return;
    }
    const struct leat_addr *bound = &self->media->workers[0].bound;
    leat_output_send(leat_outbox_put(&self->out), self->media->starter, LEAT_MEDIA_READY, bound,
                     sizeof(*bound));
}

/* Without its port a worker serves nobody. */
static void on_port_down(struct signaling *self, int status)
{
    if (!self->is_shutdown) {
        leat_output_fail(leat_outbox_put(&self->out), status != 0 ? status : -EPIPE);
    }
}

/* ---- life ---- */

static int signaling_init(void *state, const void *arg, leat_time now)
{
    struct signaling *self = state;
    memcpy(&self->media, arg, sizeof(self->media));
    self->now = now;
    self->retry_at = LEAT_NEVER;
    roster_init(&self->roster, self->media->config.workers);
    spawn_port(self, 0);
    return 0;
}

static void signaling_fini(void *state)
{
    struct signaling *self = state;
    signaling_restart_forget(self);
    roster_fini(&self->roster);
}

static void on_shutdown(struct signaling *self)
{
    self->is_shutdown = true;
    for (uint32_t i = 0; i < self->roster.slot_cap; i++) {
        struct session *session = self->roster.slots[i];
        if (session != NULL && session->phase != SESSION_WAITS) {
            signaling_session_end(self, session);
        }
    }
}

/* A goodbye that a full mailbox had refused. */
static void on_deadline(struct signaling *self)
{
    self->retry_at = LEAT_NEVER;
    for (uint32_t i = 0; i < self->roster.slot_cap; i++) {
        struct session *session = self->roster.slots[i];
        if (session != NULL && session->owes_end) {
            signaling_todo(self, session);
        }
    }
}

/* ---- what sessions tell ---- */

static void on_told(struct signaling *self, const struct leat_event *event)
{
    uint64_t number;
    size_t len;
    const uint8_t *payload = leat_event_payload(event, &len);
    if (len < sizeof(number)) {
        return;
    }
    memcpy(&number, payload, sizeof(number));
    struct session *session = roster_session(&self->roster, number);
    if (session == NULL) {
        return;
    }
    switch (event->type) {
    case SESSION_CONNECTED:
        session->connected = true;
        return;
    case SESSION_FLOWING:
        session->is_silent = false;
        return;
    case SESSION_SILENT:
        session->is_silent = true;
        return;
    default:
        if (event->type == SESSION_STATE && session == session->stream->publisher &&
            len == sizeof(struct session_state)) {
            memcpy(&session->stream->state, payload + offsetof(struct session_state, state),
                   sizeof(session->stream->state));
        }
    }
}

static void on_message(struct signaling *self, const struct leat_event *event)
{
    struct leat_httpd_exchange exchange;
    switch (event->type) {
    case LEAT_HTTPD_REQUEST:
        signaling_request(self, leat_httpd_request_of(event));
        return;
    case LEAT_HTTPD_GONE:
        if (event->len == sizeof(exchange)) {
            memcpy(&exchange, event->payload, sizeof(exchange));
            signaling_session_gone(self, exchange);
        }
        return;
    case PORT_OPEN:
        on_port_open(self, event);
        return;
    default:
        on_told(self, event);
    }
}

static void on_spawned(struct signaling *self, uint64_t cookie, int status, leat_ref child)
{
    const uint64_t number = cookie_number(cookie);
    switch (cookie_kind(cookie)) {
    case COOKIE_PORT:
        on_port_spawned(self, status, child, number);
        return;
    case COOKIE_GROUP:
        signaling_group_spawned(self, number, status, child);
        return;
    default:
        signaling_session_spawned(self, number, status, child);
    }
}

/* What the statistics show of the tables. */
static void show(struct signaling *self)
{
    struct leat_media_stats *stats = &self->media->stats;
    const struct roster *roster = &self->roster;
    media_count(&stats->streams, roster->stream_count - stats->streams);
    media_count(&stats->viewers, roster->viewers - stats->viewers);
    media_count(&stats->publishers, roster->session_count - roster->viewers - stats->publishers);
}

static void signaling_on_event(void *state, const struct leat_event *event)
{
    struct signaling *self = state;
    self->now = event->now;
    switch (event->kind) {
    case LEAT_EVENT_MESSAGE:
        on_message(self, event);
        break;
    case LEAT_EVENT_SPAWNED:
        on_spawned(self, event->spawned.cookie, event->status, event->spawned.child);
        break;
    case LEAT_EVENT_DOWN:
        if (cookie_kind(event->down.cookie) == COOKIE_PORT) {
            on_port_down(self, event->status);
        } else {
            signaling_session_down(self, cookie_number(event->down.cookie));
        }
        break;
    case LEAT_EVENT_DEADLINE:
        on_deadline(self);
        break;
    case LEAT_EVENT_SHUTDOWN:
        on_shutdown(self);
        break;
    default:
        break;
    }
    show(self);
}

/* ---- outputs ---- */

static bool signaling_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct signaling *self = state;
    (void)now;
    for (;;) {
        if (leat_outbox_pop(&self->out, ret)) {
            return true;
        }
        if (self->todo != NULL) {
            if (signaling_todo_pop(self, ret)) {
                return true;
            }
            continue;
        }
        if (self->restart.session != NULL) {
            signaling_restarted(self);
            continue;
        }
        if (self->is_shutdown && !self->is_stopping && self->roster.session_count == 0) {
            self->is_stopping = true;
            leat_output_stop(leat_outbox_put(&self->out));
            continue;
        }
        self->answering = 0;
        show(self);
        return false;
    }
}

static void signaling_on_refused(void *state, struct leat_output *output, int status)
{
    struct signaling *self = state;
    switch (output->kind) {
    case LEAT_OUTPUT_SPAWN:
    case LEAT_OUTPUT_SPAWN_GROUP:
    case LEAT_OUTPUT_SPAWN_MEMBER:
        on_spawned(self, output->cookie, status, LEAT_REF_NONE);
        break;
    case LEAT_OUTPUT_MONITOR:
        signaling_monitor_refused(self, output, status);
        break;
    case LEAT_OUTPUT_SEND:
        signaling_send_refused(self, output, status);
        break;
    default:
        break;
    }
    leat_output_release(output);
}

static leat_time signaling_deadline(const void *state)
{
    return ((const struct signaling *)state)->retry_at;
}

/* The mailbox is long: each connection has one request in it at most, and each session a word or
 * two. */
const struct leat_behavior media_signaling_behavior = {
    .name = "media signaling",
    .state_size = sizeof(struct signaling),
    .mailbox_len_max = 16384,
    .init = signaling_init,
    .on_event = signaling_on_event,
    .pop_output = signaling_pop_output,
    .on_refused = signaling_on_refused,
    .deadline = signaling_deadline,
    .fini = signaling_fini,
};
