/* A listener: a session for each connection, up to connections_max. Its sessions are monitored, so it knows how
 * many there are; at the limit it pauses, and what comes waits in the kernel. The first one opens the
 * port, then starts the others, which share it. */
#include "site.h"

struct listener {
    struct shard *shard;
    struct leat_addr local;
    leat_ref starter;
    leat_sock sock;
    uint32_t sessions;
    uint32_t listening;        /* of the first: listeners that do, itself among them */
    uint32_t start_next;       /* of the first: the next one to start */
    struct listener_arg start; /* its argument, lent to the SPAWN */
    bool paused;
    leat_outbox(4) out;
};

static bool is_first(const struct listener *self)
{
    return self->shard == self->shard->httpd->shards;
}

static int listener_init(void *state, const void *arg, leat_time now)
{
    struct listener *self = state;
    const struct listener_arg *args = arg;
    (void)now;
    self->shard = args->shard;
    self->local = args->local;
    self->starter = args->starter;
    const struct leat_httpd_config *config = &self->shard->httpd->config;
    struct leat_output *out = leat_outbox_put(&self->out);
    leat_output_listen(out, config->path == NULL ? &self->local : NULL, 0);
    out->path = config->path;
    out->options = config->path == NULL ? LEAT_STREAM_DUAL_STACK : 0;
    if (config->workers > 1) {
        out->options |= is_first(self) ? LEAT_STREAM_REUSEPORT_FIRST : LEAT_STREAM_REUSEPORT;
    }
    return 0;
}

/* The first tells it when all do, the others tell the first. */
static void on_listening(struct listener *self)
{
    if (!is_first(self) || ++self->listening == self->shard->httpd->config.workers) {
        struct leat_output *out = leat_outbox_put(&self->out);
        leat_output_send(out, self->starter, LEAT_HTTPD_LISTENING, &self->local,
                         sizeof(self->local));
        leat_output_wait(out);
    }
}

static void on_opened(struct listener *self, const struct leat_event *event)
{
    if (event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
        return;
    }
    self->sock = event->sock;
    self->local = event->opened.local;
    self->start_next = is_first(self) ? 1 : 0;
    on_listening(self);
}

/* Room for more, or none. */
static void adjust(struct listener *self)
{
    const bool is_full = self->sessions >= self->shard->httpd->config.connections_max;
    if (is_full == self->paused || self->sock.id == 0) {
        return;
    }
    self->paused = is_full;
    self->shard->is_full = is_full;
    if (is_full) {
        count(&self->shard->stats.full, 1);
        leat_output_pause(leat_outbox_put(&self->out), self->sock);
    } else {
        leat_output_resume(leat_outbox_put(&self->out), self->sock);
    }
}

static void on_accepted(struct listener *self, leat_sock sock)
{
    self->sessions++;
    count(&self->shard->stats.accepted, 1);
    count(&self->shard->stats.connections, 1);
    leat_output_spawn(leat_outbox_put(&self->out), &leat__httpd_session, &self->shard,
                      sizeof(self->shard), sock.id); /* the cookie brings the connection back */
}

static void on_ended(struct listener *self)
{
    ENSURE(self->sessions > 0);
    self->sessions--;
    count(&self->shard->stats.connections, (uint64_t)-1);
}

static void on_spawned(struct listener *self, const struct leat_event *event)
{
    const leat_sock sock = {event->spawned.cookie};
    if (event->spawned.cookie == 0) { /* a listener, that tells when it listens */
        if (event->status != 0) {
            leat_output_fail(leat_outbox_put(&self->out), event->status);
        } else {
            leat_output_monitor(leat_outbox_put(&self->out), event->spawned.child, 1);
        }
    } else if (event->status == 0) {
        leat_output_monitor(leat_outbox_put(&self->out), event->spawned.child, 0);
        leat_output_give(leat_outbox_put(&self->out), sock, event->spawned.child, 0);
    } else {
        leat_output_close(leat_outbox_put(&self->out), sock);
        on_ended(self);
    }
}

static void listener_on_event(void *state, const struct leat_event *event)
{
    struct listener *self = state;
    switch (event->kind) {
    case LEAT_EVENT_OPENED:
        on_opened(self, event);
        break;
    case LEAT_EVENT_ACCEPTED:
        on_accepted(self, event->accepted.sock);
        break;
    case LEAT_EVENT_SPAWNED:
        on_spawned(self, event);
        break;
    case LEAT_EVENT_MESSAGE:
        if (event->type == LEAT_HTTPD_LISTENING) {
            on_listening(self);
        }
        break;
    case LEAT_EVENT_DOWN:
        if (event->down.cookie == 0) {
            on_ended(self);
        } else if (event->status !=
                   0) { /* another listener: nobody is to serve with half of them */
            leat_output_fail(leat_outbox_put(&self->out), event->status);
        }
        break;
    case LEAT_EVENT_SHUTDOWN:
        leat_output_stop(leat_outbox_put(&self->out));
        return;
    default:
        break;
    }
    adjust(self);
}

static bool listener_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct listener *self = state;
    (void)now;
    if (leat_outbox_pop(&self->out, ret)) {
        return true;
    }
    struct leat_httpd *httpd = self->shard->httpd;
    if (self->start_next == 0 || self->start_next >= httpd->config.workers) {
        return false;
    }
    const uint32_t worker = self->start_next++;
    self->start = (struct listener_arg){
        .shard = &httpd->shards[worker], .local = self->local, .starter = leat_self(self)};
    leat_output_spawn(ret, &leat__httpd_listener, &self->start, sizeof(self->start), 0);
    ret->spawn.worker = (int32_t)worker;
    return true;
}

static void listener_on_refused(void *state, struct leat_output *output, int status)
{
    struct listener *self = state;
    switch (output->kind) {
    case LEAT_OUTPUT_GIVE: /* the session has ended meanwhile: DOWN comes */
        leat_output_close(leat_outbox_put(&self->out), output->sock);
        break;
    case LEAT_OUTPUT_MONITOR:
        on_ended(self); /* no memory to hear of it: it is not counted */
        break;
    case LEAT_OUTPUT_SPAWN:
        if (output->cookie != 0) {
            leat_output_close(leat_outbox_put(&self->out), (leat_sock){output->cookie});
            on_ended(self);
            break;
        }
        leat_output_fail(leat_outbox_put(&self->out), status);
        break;
    case LEAT_OUTPUT_LISTEN:
        leat_output_fail(leat_outbox_put(&self->out), status);
        break;
    case LEAT_OUTPUT_SEND: /* the first waits for it; the server's user may have gone */
        if (!is_first(self)) {
            leat_output_fail(leat_outbox_put(&self->out), status);
        }
        break;
    default:
        leat_output_release(output);
        break;
    }
}

const struct leat_behavior leat__httpd_listener = {
    .name = "http_listener",
    .state_size = sizeof(struct listener),
    .init = listener_init,
    .on_event = listener_on_event,
    .pop_output = listener_pop_output,
    .on_refused = listener_on_refused,
};
