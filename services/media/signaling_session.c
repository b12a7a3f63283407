/* A session's life as signaling sees it:
 *
 *   POST -> WAITS (a viewer, for its group) -> SPAWNING -> LIVE -> ENDING -> DOWN
 *
 * The answer to the POST leaves when the session is LIVE. What is to be popped for many sessions
 * at once (all that waited for a group; all at shutdown) is a list through them, not an outbox. */
#include <errno.h>

#include "signaling.h"

/* ---- lists ---- */

void signaling_todo(struct signaling *self, struct session *session)
{
    if (session->in_todo) {
        return;
    }
    session->in_todo = true;
    session->todo_next = NULL;
    if (self->todo_last != NULL) {
        self->todo_last->todo_next = session;
    } else {
        self->todo = session;
    }
    self->todo_last = session;
}

static struct session *todo_take(struct signaling *self)
{
    struct session *session = self->todo;
    if (session != NULL) {
        self->todo = session->todo_next;
        self->todo_last = self->todo != NULL ? self->todo_last : NULL;
        session->in_todo = false;
    }
    return session;
}

static void todo_forget(struct signaling *self, struct session *session)
{
    struct session *before = NULL;
    for (struct session *at = self->todo; at != session; at = at->todo_next) {
        before = at;
    }
    if (before != NULL) {
        before->todo_next = session->todo_next;
    } else {
        self->todo = session->todo_next;
    }
    self->todo_last = self->todo_last == session ? before : self->todo_last;
    session->in_todo = false;
}

static void waiting_add(struct signaling *self, struct session *session)
{
    session->in_waiting = true;
    session->waiting_next = self->waiting;
    if (self->waiting != NULL) {
        self->waiting->waiting_prev = session;
    }
    self->waiting = session;
    self->waiting_count++;
}

/* Its client is answered, or gone. */
static void waiting_remove(struct signaling *self, struct session *session)
{
    if (!session->in_waiting) {
        return;
    }
    session->in_waiting = false;
    if (session->waiting_prev != NULL) {
        session->waiting_prev->waiting_next = session->waiting_next;
    } else {
        self->waiting = session->waiting_next;
    }
    if (session->waiting_next != NULL) {
        session->waiting_next->waiting_prev = session->waiting_prev;
    }
    self->waiting_count--;
}

/* ---- the end ---- */

/* Who publishes, after a publisher has come or is to end. */
void signaling_publisher_choose(struct stream *stream)
{
    struct session *newest = NULL;
    for (struct session *at = stream->sessions; at != NULL; at = at->stream_next) {
        if (at->use == LEAT_MEDIA_PUBLISH && at->phase != SESSION_ENDING && !at->is_doomed &&
            (newest == NULL || at->order > newest->order)) {
            newest = at;
        }
    }
    if (newest != stream->publisher) {
        stream->publisher = newest;
        memset(&stream->state, 0, sizeof(stream->state));
    }
}

static void stream_close(struct signaling *self, struct stream *stream)
{
    for (uint32_t i = 0; i < self->roster.workers; i++) {
        if (stream->groups[i].phase == GROUP_READY) {
            leat_output_stop_other(leat_outbox_put(&self->out), stream->groups[i].ref);
        }
    }
    roster_stream_remove(&self->roster, stream);
}

void signaling_session_drop(struct signaling *self, struct session *session)
{
    struct stream *stream = session->stream;
    if (session->in_todo) {
        todo_forget(self, session);
    }
    waiting_remove(self, session);
    session->is_doomed = true;
    if (session->use == LEAT_MEDIA_PUBLISH) {
        signaling_publisher_choose(stream);
    }
    roster_session_remove(&self->roster, session);
    if (stream->session_count == 0) {
        stream_close(self, stream);
    }
}

void signaling_session_end(struct signaling *self, struct session *session)
{
    if (session->phase == SESSION_LIVE) {
        session->phase = SESSION_ENDING;
        session->owes_end = true;
        signaling_todo(self, session);
    } else if (session->phase == SESSION_SPAWNING) {
        session->is_doomed = true;
    }
    if (session->use == LEAT_MEDIA_PUBLISH) {
        signaling_publisher_choose(session->stream);
    }
}

void signaling_session_down(struct signaling *self, uint64_t number)
{
    struct session *session = roster_session(&self->roster, number);
    if (session != NULL) {
        signaling_session_drop(self, session);
    }
}

/* The client of a POST does not wait any more: nobody knows the session's URL. */
void signaling_session_gone(struct signaling *self, struct leat_httpd_exchange exchange)
{
    for (struct session *session = self->waiting; session != NULL;
         session = session->waiting_next) {
        if (leat_ref_equal(session->exchange.session, exchange.session) &&
            session->exchange.number == exchange.number) {
            waiting_remove(self, session);
            if (session->phase == SESSION_WAITS) {
                signaling_session_drop(self, session);
            } else {
                signaling_session_end(self, session);
            }
            return;
        }
    }
}

/* ---- the beginning ---- */

static leat_http_str origin_of(const struct session *session)
{
    return leat_http_str_of(session->origin);
}

static void answer_failure(struct signaling *self, struct session *session, unsigned status,
                           const char *detail)
{
    struct reply reply;
    if (!session->in_waiting) {
        return;
    }
    waiting_remove(self, session);
    media_count(&self->media->stats.refused, 1);
    reply_begin(&reply, status, origin_of(session));
    reply_retry(&reply, status == 503 ? RETRY_BUSY : RETRY_SOON);
    reply_problem(self, session->exchange, &reply, detail);
}

static void answer_created(struct signaling *self, struct session *session)
{
    struct reply reply;
    char etag[ETAG_LEN + 1];
    char location[LEAT_MEDIA_STREAM_MAX + WHIP_ID_LEN + 16];
    struct leat_http_out out = {.data = location, .cap = sizeof(location)};
    (void)leat_http_out_add(
        &out, leat_http_str_of(session->use == LEAT_MEDIA_PUBLISH ? "/whip/" : "/whep/"));
    (void)leat_http_out_add(&out, leat_http_str_of(session->stream->name));
    (void)leat_http_out_add(&out, leat_http_str_of("/"));
    (void)leat_http_out_add(&out, leat_http_str_of(session->id));
    reply_begin(&reply, 201, origin_of(session));
    whip_header(&reply.headers, "Content-Type", leat_http_str_of(WHIP_SDP));
    whip_header(&reply.headers, "Location", (leat_http_str){out.data, out.len});
    whip_header(&reply.headers, "ETag", etag_write(session->etag, etag));
    if (self->media->config.ice_servers != NULL) {
        whip_header(&reply.headers, "Link", leat_http_str_of(self->media->config.ice_servers));
    }
    reply.body = session->answer;
    session->answer = (leat_slice){0};
    waiting_remove(self, session);
    self->answering = session->number;
    reply_send(self, session->exchange, &reply);
}

static void put_spawn(struct session *session, struct leat_output *ret)
{
    session->is_given = true;
    const uint64_t cookie = cookie_of(COOKIE_SESSION, session->number);
    if (session->use == LEAT_MEDIA_PUBLISH) {
        leat_output_spawn(ret, &media_publisher_behavior, &session->setup, sizeof(session->setup),
                          cookie);
        ret->spawn.worker = (int32_t)session->worker;
    } else {
        leat_output_spawn_member(ret, session->stream->groups[session->worker].ref, &session->setup,
                                 sizeof(session->setup), cookie);
    }
}

void signaling_session_begin(struct signaling *self, struct session *session)
{
    struct stream *stream = session->stream;
    struct group *group = &stream->groups[session->worker];
    waiting_add(self, session);
    session->phase = SESSION_WAITS;
    if (session->use == LEAT_MEDIA_PUBLISH || group->phase == GROUP_READY) {
        session->phase = SESSION_SPAWNING;
        signaling_todo(self, session);
    } else if (group->phase == GROUP_NONE) {
        const struct leat_media_config *config = &self->media->config;
        const uint32_t most = config->stream_sessions_max < config->sessions_max
                                  ? config->stream_sessions_max
                                  : config->sessions_max;
        group->phase = GROUP_SPAWNING;
        struct leat_output *out = leat_outbox_put(&self->out);
        leat_output_spawn_group(out, &media_viewer_behavior, most,
                                group_cookie(stream, session->worker));
        out->group.worker = (int32_t)session->worker;
    }
}

/* Those who waited for it begin, or are told that they cannot. */
void signaling_group_spawned(struct signaling *self, uint64_t number, int status, leat_ref child)
{
    const uint32_t worker = (uint32_t)(number >> 48);
    struct stream *stream = roster_stream_by_id(&self->roster, number & GROUP_STREAM_MASK);
    if (stream == NULL) { /* all have left meanwhile */
        if (status == 0) {
            leat_output_stop_other(leat_outbox_put(&self->out), child);
        }
        return;
    }
    stream->groups[worker] =
        (struct group){.ref = child, .phase = status == 0 ? GROUP_READY : GROUP_NONE};
    for (struct session *session = stream->sessions; session != NULL;
         session = session->stream_next) {
        if (session->phase == SESSION_WAITS && session->worker == worker) {
            session->phase = SESSION_SPAWNING;
            session->has_failed = status != 0 || self->is_shutdown;
            signaling_todo(self, session);
        }
    }
}

/* Those that were there before a publisher that has begun. */
static void replace_others(struct signaling *self, const struct session *session)
{
    for (struct session *at = session->stream->sessions; at != NULL; at = at->stream_next) {
        if (at->use == LEAT_MEDIA_PUBLISH && at->order < session->order &&
            at->phase != SESSION_ENDING && !at->is_doomed) {
            media_count(&self->media->stats.replaced, 1);
            signaling_session_end(self, at);
        }
    }
}

void signaling_session_spawned(struct signaling *self, uint64_t number, int status, leat_ref child)
{
    struct session *session = roster_session(&self->roster, number);
    ENSURE(session != NULL && session->phase == SESSION_SPAWNING);
    session->is_given = false;
    if (status != 0) {
        if (status == -ESRCH && session->use == LEAT_MEDIA_VIEW) { /* its group has ended */
            session->stream->groups[session->worker].phase = GROUP_NONE;
        }
        answer_failure(self, session, 503, "The session could not be made.");
        signaling_session_drop(self, session);
        return;
    }
    session->setup = NULL; /* its own now */
    session->ref = child;
    session->phase = SESSION_LIVE;
    leat_output_monitor(leat_outbox_put(&self->out), child, cookie_of(COOKIE_SESSION, number));
    if (session->is_doomed || self->is_shutdown) {
        answer_failure(self, session, self->is_shutdown ? 503 : 409,
                       self->is_shutdown ? "The server is going down."
                                         : "Another publisher has taken the stream.");
        signaling_session_end(self, session);
        return;
    }
    if (session->use == LEAT_MEDIA_PUBLISH) {
        replace_others(self, session);
    }
    answer_created(self, session);
}

/* ---- outputs ---- */

bool signaling_todo_pop(struct signaling *self, struct leat_output *ret)
{
    struct session *session = todo_take(self);
    if (session == NULL) {
        return false;
    }
    if (session->phase == SESSION_ENDING) {
        session->owes_end = false;
        leat_output_send(ret, session->ref, SESSION_END, NULL, 0);
        return true;
    }
    ENSURE(session->phase == SESSION_SPAWNING);
    if (!session->has_failed) {
        put_spawn(session, ret);
        return true;
    }
    answer_failure(self, session, 503, "The session could not be made.");
    signaling_session_drop(self, session);
    return false;
}

/* Without one its end would not be known: it is stopped, and forgotten. */
void signaling_monitor_refused(struct signaling *self, const struct leat_output *output, int status)
{
    struct session *session = roster_session(&self->roster, cookie_number(output->cookie));
    if (cookie_kind(output->cookie) == COOKIE_PORT) {
        leat_output_fail(leat_outbox_put(&self->out), status);
    } else if (session != NULL) {
        leat_output_stop_other(leat_outbox_put(&self->out), session->ref);
        answer_failure(self, session, 503, "The session could not be made.");
        signaling_session_drop(self, session);
    }
}

static struct session *session_of(struct signaling *self, leat_ref ref)
{
    for (uint32_t i = 0; i < self->roster.slot_cap; i++) {
        struct session *session = self->roster.slots[i];
        if (session != NULL && leat_ref_equal(session->ref, ref)) {
            return session;
        }
    }
    return NULL;
}

void signaling_send_refused(struct signaling *self, const struct leat_output *output, int status)
{
    if (output->type == SESSION_RESTART) {
        self->restart.is_refused = true;
    } else if (output->type == SESSION_END) {
        struct session *session = session_of(self, output->to);
        if (session != NULL && status != -ESRCH) { /* else DOWN is on its way */
            session->owes_end = true;
            self->retry_at = self->now + RETRY_NS;
        }
    } else if (self->answering != 0) { /* a 201 that nobody can hear */
        struct session *session = roster_session(&self->roster, self->answering);
        if (session != NULL) {
            signaling_session_end(self, session);
        }
    }
}
