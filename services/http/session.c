/* A connection's life: what the runtime gives it, and what it asks for. The parts are in session.h. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>

#define GIVEN_NS                                                                                   \
    (10 * LEAT_SEC) /* after which it has been given its connection, or never will be */

/* ---- ends ---- */

/* SOCK_CLOSED is not given to who has paused. */
static void resume(struct session *self)
{
    if (self->is_paused) {
        self->is_paused = false;
        leat_output_resume(leat_outbox_put(&self->control), self->sock);
    }
}

static leat_time later(leat_time now, leat_time ns)
{
    return ns < LEAT_NEVER - now ? now + ns : LEAT_NEVER;
}

void session_reset(struct session *self)
{
    if (self->life >= LIFE_CLOSING) {
        return;
    }
    const bool is_given = self->sock.id != 0;
    self->life = LIFE_CLOSING;
    answer_gone(self);
    events_stop(self);
    writes_drop(self);
    intake_drop(self);
    self->is_full = false;
    resume(self);
    if (is_given) {
        struct leat_output *out = leat_outbox_put(&self->control);
        leat_output_close(out, self->sock);
        out->options = LEAT_STREAM_RESET;
    }
}

void session_finish(struct session *self)
{
    if (session_is_open(self)) {
        self->life = LIFE_FINISHING;
    }
}

void session_exchange_over(struct session *self)
{
    leat_buf_unref(self->request.buf);
    leat_buf_unref(self->body.buf);
    self->request = self->body = (leat_slice){0};
    self->phase = PHASE_IDLE;
    self->answered = false;
    self->answerer = LEAT_REF_NONE;
    self->untaken = 0;
    self->owed = 0;
    self->more = true;
}

void session_response_over(struct session *self)
{
    self->answerer = LEAT_REF_NONE;
    self->owed = 0;
    self->untaken = 0;
    self->more = true;
    if (self->request_ended) {
        session_exchange_over(self);
    } else {
        self->phase = PHASE_DROP;
    }
}

/* ---- inputs ---- */

static int session_init(void *state, const void *arg, leat_time now)
{
    struct session *self = state;
    memcpy(&self->shard, arg, sizeof(self->shard));
    self->now = now;
    self->request_ended = true;
    self->answer_until = LEAT_NEVER;
    self->send_until = now + GIVEN_NS;
    void *memory = malloc(self->shard->httpd->machine_size);
    if (memory == NULL) {
        return -ENOMEM;
    }
    return leat_http_server_init(memory, &config_of(self)->http, now, &self->machine);
}

static void on_data(struct session *self, const struct leat_event *event)
{
    count(&stats_of(self)->bytes_in, event->body.len);
    if (!session_is_open(self)) {
        return; /* after the last response nothing is read any more */
    }
    ENSURE(self->in.len == 0); /* else it is paused */
    self->in = event->body;
    self->more = true;
    intake_pump(self);
    intake_keep(self);
}

void session_peer_ended(struct session *self)
{
    struct leat_http_event fault;
    if (self->phase == PHASE_EVENTS) { /* a browser that has left */
        events_stop(self);
        return;
    }
    self->eof = true;
    self->send_until =
        self->is_full ? self->send_until : later(self->now, config_of(self)->send_ns);
    leat_http_server_eof(self->machine, &fault);
    intake_fault(self, &fault);
}

static void on_finished(struct session *self)
{
    if (session_is_open(self) && self->secure != NULL) {
        secure_eof(self);
    } else if (session_is_open(self)) {
        session_peer_ended(self);
    }
}

static void on_closed(struct session *self)
{
    count(&stats_of(self)->gone, self->answerer.id != 0 ? 1 : 0);
    answer_gone(self);
    self->life = LIFE_ENDED;
    events_stop(self);
    leat_output_stop(leat_outbox_put(&self->control));
}

static void on_shutdown(struct session *self)
{
    if (self->sock.id == 0) {
        self->life = LIFE_ENDED;
        leat_output_stop(leat_outbox_put(&self->control));
        return;
    }
    self->is_shutdown = true;
    events_stop(self);
    if (self->life == LIFE_OPEN) {
        self->life = LIFE_LAST;
    }
}

/* What the peer has to do something about, or the answer to make headway, until send_until. A connection that
 * is paused, or whose peer has closed its half, does not tell that the peer has left: only a write finds out. */
static bool is_timed(const struct session *self)
{
    return self->is_full || self->life == LIFE_LINGERING ||
           ((self->is_paused || self->eof) && self->answered);
}

static void on_deadline(struct session *self)
{
    struct leat_http_event fault;
    if (self->sock.id == 0) { /* its listener has ended between SPAWNED and GIVE */
        self->life = LIFE_ENDED;
        leat_output_stop(leat_outbox_put(&self->control));
        return;
    }
    if (is_timed(self) && self->now >= self->send_until) {
        count(&stats_of(self)->slow_readers, self->is_full ? 1 : 0);
        session_reset(self);
        return;
    }
    if (!session_is_open(self)) {
        return;
    }
    if (self->now >= secure_deadline(self)) {
        secure_expire(self);
        return;
    }
    if (self->answerer.id != 0 && !self->answered && self->now >= self->answer_until) {
        answer_expire(self);
        return;
    }
    if (self->phase == PHASE_EVENTS && self->now >= self->heartbeat) {
        events_heartbeat(self);
    }
    if (!self->is_full) {
        leat_http_server_expire(self->machine, self->now, &fault);
        count(&stats_of(self)->idle_closed, fault.kind == LEAT_HTTP_CLOSE ? 1 : 0);
        intake_fault(self, &fault);
    }
}

static void session_on_event(void *state, const struct leat_event *event)
{
    struct session *self = state;
    self->now = event->now;
    self->is_late = false;
    switch (event->kind) {
    case LEAT_EVENT_GIVEN:
        self->sock = event->sock;
        self->peer = event->given.peer;
        secure_open(self);
        break;
    case LEAT_EVENT_DATA:
        on_data(self, event);
        break;
    case LEAT_EVENT_WRITABLE:
        self->is_full = false;
        break;
    case LEAT_EVENT_FINISHED:
        on_finished(self);
        break;
    case LEAT_EVENT_SOCK_CLOSED:
        on_closed(self);
        break;
    case LEAT_EVENT_DEADLINE:
        on_deadline(self);
        break;
    case LEAT_EVENT_MESSAGE:
        answer_message(self, event);
        break;
    case LEAT_EVENT_PUBLISHED:
        events_published(self, event);
        break;
    case LEAT_EVENT_SUBSCRIBED:
        if (event->status != 0) {
            events_stop(self);
        }
        break;
    case LEAT_EVENT_DOWN:
        answer_down(self, event->from);
        break;
    case LEAT_EVENT_SHUTDOWN:
        on_shutdown(self);
        break;
    default:
        break;
    }
}

/* ---- outputs ---- */

/* What follows from the state when everything else has been said. */
static void settle(struct session *self)
{
    if (self->life >= LIFE_CLOSING || self->sock.id == 0) {
        return;
    }
    const bool is_done = leat_http_server_is_done(self->machine);
    const bool is_idle = self->phase == PHASE_IDLE && intake_is_fed(self);
    if (session_is_open(self) && (is_done || (self->life == LIFE_LAST && is_idle))) {
        self->life = LIFE_FINISHING;
    }
    if (!session_is_open(self)) {
        intake_drop(self);
        resume(self);
        if (self->life == LIFE_FINISHING && writes_are_empty(self)) {
            secure_finish(self); /* then they may not be */
        }
        if (self->is_shutdown && writes_are_empty(self)) { /* what is queued is still sent */
            self->life = LIFE_ENDED;
            leat_output_stop(leat_outbox_put(&self->control));
        } else if (self->life == LIFE_FINISHING && writes_are_empty(self) && !self->is_full) {
            self->life = LIFE_LINGERING;
            self->send_until = later(self->now, config_of(self)->send_ns);
            leat_output_finish(leat_outbox_put(&self->control), self->sock);
        }
        return;
    }
    const bool holds = self->is_full || self->untaken >= LEAT_HTTPD_WINDOW;
    if (holds != self->is_held) {
        self->is_held = holds;
        leat_http_server_hold(self->machine, self->now, holds);
    }
    if (!intake_is_fed(self) && !self->is_paused) {
        self->is_paused = true;
        if (!self->is_full) {
            self->send_until = later(self->now, config_of(self)->send_ns);
        }
        leat_output_pause(leat_outbox_put(&self->control), self->sock);
    } else if (intake_is_fed(self)) {
        resume(self);
    }
    answer_watch(self);
    answer_drained(self);
}

static bool next_write(struct session *self, struct leat_output *ret)
{
    leat_slice piece;
    if (self->is_full || self->life > LIFE_FINISHING || !writes_pop(self, &piece)) {
        return false;
    }
    count(&stats_of(self)->bytes_out, piece.len);
    if (self->is_paused || self->eof) {
        self->send_until = later(self->now, config_of(self)->send_ns);
    }
    leat_output_write(ret, self->sock, piece);
    return true;
}

static bool session_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct session *self = state;
    self->now = now;
    if (leat_outbox_pop(&self->control, ret)) {
        return true;
    }
    if (session_is_open(self) && self->more) {
        intake_pump(self);
        intake_keep(self);
        if (leat_outbox_pop(&self->control, ret)) {
            return true;
        }
    }
    if (next_write(self, ret)) {
        return true;
    }
    settle(self);
    return leat_outbox_pop(&self->control, ret) || next_write(self, ret);
}

/* The connection has ended: SOCK_CLOSED comes. */
static void write_failed(struct session *self)
{
    if (self->life < LIFE_CLOSING) {
        self->life = LIFE_CLOSING;
        count(&stats_of(self)->gone, self->answerer.id != 0 ? 1 : 0);
        answer_gone(self);
        events_stop(self);
        writes_drop(self);
        intake_drop(self);
        resume(self);
    }
}

static void session_on_refused(void *state, struct leat_output *output, int status)
{
    struct session *self = state;
    switch (output->kind) {
    case LEAT_OUTPUT_DATA:
        count(&stats_of(self)->bytes_out, (uint64_t)0 - output->data.body.len);
        if (status == -EAGAIN && self->life < LIFE_CLOSING) {
            self->is_full = true;
            self->send_until = later(self->now, config_of(self)->send_ns);
            writes_unpop(self, output->data.body);
        } else {
            leat_output_release(output);
            if (status == -EPIPE || status == -EBADF) {
                write_failed(self);
            } else {
                session_reset(self); /* -ENOMEM: nobody else would end it */
            }
        }
        break;
    case LEAT_OUTPUT_SEND:
        answer_refused(self, output, status);
        break;
    case LEAT_OUTPUT_SUBSCRIBE:
        session_reset(self);
        break;
    case LEAT_OUTPUT_MONITOR:
        answer_unwatched(self, output->to);
        break;
    case LEAT_OUTPUT_FINISH: /* -EBADF, -EPIPE: SOCK_CLOSED comes */
    default:
        leat_output_release(output);
        break;
    }
}

static leat_time session_deadline(const void *state)
{
    const struct session *self = state;
    if (self->life >= LIFE_CLOSING) {
        return LEAT_NEVER;
    }
    if (self->sock.id == 0) {
        return self->send_until;
    }
    leat_time deadline = is_timed(self) ? self->send_until : LEAT_NEVER;
    if (!session_is_open(self)) {
        return deadline;
    }
    const leat_time machine = self->is_full ? LEAT_NEVER : leat_http_server_deadline(self->machine);
    deadline = machine < deadline ? machine : deadline;
    deadline = secure_deadline(self) < deadline ? secure_deadline(self) : deadline;
    if (self->answerer.id != 0 && !self->answered && self->answer_until < deadline) {
        deadline = self->answer_until;
    }
    if (self->phase == PHASE_EVENTS && self->heartbeat < deadline) {
        deadline = self->heartbeat;
    }
    if (self->is_late && self->now + 100 * LEAT_MS < deadline) {
        deadline = self->now + 100 * LEAT_MS;
    }
    return deadline;
}

static void session_fini(void *state)
{
    struct session *self = state;
    self->life = LIFE_ENDED;
    if (self->phase == PHASE_EVENTS) { /* killed */
        count(&stats_of(self)->event_streams, (uint64_t)-1);
    }
    session_exchange_over(self);
    writes_drop(self);
    intake_drop(self);
    secure_close(self);
    while (leat_outbox_room(&self->control) < 16) {
        struct leat_output out;
        leat_outbox_pop(&self->control, &out);
        leat_output_release(&out);
    }
    free(self->machine);
}

const struct leat_behavior leat__httpd_session = {
    .name = "http_session",
    .state_size = sizeof(struct session),
    .init = session_init,
    .on_event = session_on_event,
    .pop_output = session_pop_output,
    .on_refused = session_on_refused,
    .deadline = session_deadline,
    .fini = session_fini,
};
