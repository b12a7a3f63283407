/* Bytes in. They are fed to the machine as far as what it makes of them can be answered now; the rest is kept,
 * and the socket paused, until it can. This is the one place where bytes enter a connection; with TLS they are
 * decrypted as the machine comes to an end of what it had (secure_fill). */
#include "session.h"

#include <errno.h>

#include "pieces.h"

/* ---- what is not fed yet ---- */

static void release(struct session *self)
{
    if (self->in_owned) {
        leat_buf_unref(self->in.buf);
    }
    self->in = (leat_slice){0};
    self->in_owned = false;
}

void intake_drop(struct session *self)
{
    if (self->is_called) {
        return; /* call_route does it, when the handler has returned */
    }
    release(self);
    secure_drop_in(self);
}

bool intake_is_fed(const struct session *self)
{
    return self->in.len == 0 && secure_is_fed(self);
}

void intake_keep(struct session *self)
{
    secure_rest(self);
    if (self->in_owned || self->in.len == 0) {
        if (self->in.len == 0) {
            release(self);
        }
        return;
    }
    leat_slice copy; /* the buffer that was lent is one of a few, for receiving into */
    if (leat_buf_alloc(self->in.len, &copy) < 0) {
        release(self);
        session_reset(self);
        return;
    }
    memcpy(leat_slice_data(copy), leat_slice_data(self->in), self->in.len);
    self->in = copy;
    self->in_owned = true;
}

/* ---- bodies ---- */

/* A body whose length is known gets a buffer of it at once. */
static int body_begin(struct session *self, uint64_t body_len)
{
    if (body_len == LEAT_HTTP_LEN_UNKNOWN) {
        return 0;
    }
    if (body_len > LEAT_BUF_LEN_MAX || leat_buf_alloc((uint32_t)body_len, &self->body) < 0) {
        self->body = (leat_slice){0};
        return -ENOMEM;
    }
    self->body_cap = (uint32_t)body_len;
    self->body.len = 0;
    return 0;
}

/* The machine sees to it that it is no longer than allowed. */
static void body_add(struct session *self, leat_http_str bytes)
{
    if (pieces_append(&self->body, &self->body_cap, bytes) < 0) {
        session_reset(self);
    }
}

/* ---- what the machine tells ---- */

/* A request with a body: its head is copied, for the machine reads on. */
static void begin_body(struct session *self, const struct leat_httpd_request *request)
{
    const struct leat_httpd_route *route = &self->shard->httpd->routes[self->route];
    leat_slice copy;
    if (request_copy(request, &copy) < 0) {
        session_reset(self);
        return;
    }
    if (request->http.continues && writes_continue(self) < 0) {
        leat_buf_unref(copy.buf);
        session_reset(self);
        return;
    }
    if (route->handler == NULL && route->streams) {
        self->phase = PHASE_STREAM;
        request_of(copy)->streams = true;
        answer_ask(self, copy, (leat_slice){0});
        return;
    }
    self->phase = PHASE_COLLECT;
    self->request = copy;
    if (body_begin(self, request->http.body_len) < 0) {
        session_reset(self);
    }
}

static void on_request(struct session *self, const struct leat_http_request *http)
{
    const struct leat_httpd *httpd = self->shard->httpd;
    struct leat_http_match match;
    count(&stats_of(self)->requests, 1);
    self->number++;
    self->phase = PHASE_ANSWER;
    self->request_ended = false;
    self->answered = false;
    self->is_head = http->method == LEAT_HTTP_HEAD;
    leat_http_router_find(httpd->table, httpd->config.route_count, http->method, http->path,
                          &match);
    if (match.status != 200) {
        call_nobody(self, &match);
        return;
    }
    self->route = match.id;
    const struct leat_httpd_request request = {.http = *http,
                                               .params = match.params,
                                               .param_count = match.param_count,
                                               .secure = self->secure != NULL,
                                               .peer = self->peer};
    if (http->body_len != 0) {
        begin_body(self, &request);
    } else if (httpd->routes[match.id].handler != NULL) {
        call_route(self, &request);
    } else {
        leat_slice copy;
        if (request_copy(&request, &copy) < 0) {
            session_reset(self);
            return;
        }
        answer_ask(self, copy, (leat_slice){0});
    }
}

static void on_body(struct session *self, leat_http_str bytes)
{
    if (self->phase == PHASE_COLLECT) {
        body_add(self, bytes);
    } else if (self->phase == PHASE_STREAM) {
        answer_body(self, bytes);
    }
}

static void on_collected(struct session *self)
{
    const leat_slice request = self->request, body = self->body;
    self->phase = PHASE_ANSWER;
    self->request = self->body = (leat_slice){0};
    if (self->shard->httpd->routes[self->route].handler == NULL) {
        answer_ask(self, request, body);
        return;
    }
    request_of(request)->body = body;
    call_route(self, request_of(request));
    leat_buf_unref(request.buf);
    leat_buf_unref(body.buf);
}

static void on_end(struct session *self)
{
    self->request_ended = true;
    switch (self->phase) {
    case PHASE_COLLECT:
        on_collected(self);
        break;
    case PHASE_STREAM:
        self->phase = PHASE_ANSWER;
        answer_body_end(self);
        break;
    case PHASE_DROP:
        session_exchange_over(self);
        break;
    default:
        break;
    }
}

void intake_fault(struct session *self, const struct leat_http_event *event)
{
    if (event->kind == LEAT_HTTP_CLOSE) {
        session_finish(self);
        return;
    }
    if (event->kind != LEAT_HTTP_ERROR) {
        return;
    }
    count(&stats_of(self)->refused, 1);
    answer_gone(self);
    if (self->answered && self->phase != PHASE_IDLE && self->phase != PHASE_DROP) {
        session_reset(
            self); /* within a response: only that shows the client that it is not whole */
        return;
    }
    writes_refuse(self, &event->u.error);
    session_finish(self);
}

/* Whether what another event may cause can be done: be written, sent to an actor. */
static bool can_take(const struct session *self)
{
    return self->more && session_is_open(self) && !self->is_full && writes_have_room(self) &&
           !secure_must_flush(self) && self->untaken < LEAT_HTTPD_WINDOW &&
           leat_outbox_room(&self->control) >= 8;
}

void intake_pump(struct session *self)
{
    while (can_take(self)) {
        struct leat_http_event event;
        leat_slice *in = secure_source(self);
        const leat_http_str bytes = {in->len > 0 ? (const char *)leat_slice_data(*in) : NULL,
                                     in->len};
        const size_t used = leat_http_server_read(self->machine, self->now, bytes, &event);
        *in = leat_slice_sub(*in, (uint32_t)used, in->len);
        switch (event.kind) {
        case LEAT_HTTP_REQUEST:
            on_request(self, &event.u.request);
            break;
        case LEAT_HTTP_BODY:
            on_body(self, event.u.body);
            break;
        case LEAT_HTTP_END:
            on_end(self);
            break;
        case LEAT_HTTP_NONE:
            self->more = secure_fill(self);
            break;
        default:
            intake_fault(self, &event);
            break;
        }
    }
}
