/* TLS of a connection. It stands before the machine (secure_fill, called by intake_pump) and behind the queue of
 * responses (secure_pop), and works only as it is asked to: one record is decrypted when the machine takes bytes, and
 * none while the socket is full; one is encrypted when the socket is to have it. So what is held is a
 * record of each direction, besides what a plain connection holds.
 *
 * An error of TLS is the end: what was to be sent is dropped, the alert goes out, FINISH follows. Without
 * close_notify the peer sees that what it got may be a part. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>

#include "filter.h"

struct secure {
    leat_tls *tls;
    bool is_open;      /* the handshake is done */
    bool has_more;     /* it may have more to say, also without more bytes */
    leat_slice room;   /* a buffer for what is decrypted */
    leat_slice plain;  /* the part of it that is not fed yet */
    leat_slice piece;  /* the rest of a write that is being encrypted */
    leat_slice sealed; /* what the socket has refused */
};

/* ---- life ---- */

void secure_open(struct session *self)
{
    leat_tls_context *context = config_of(self)->tls;
    if (context == NULL) {
        return;
    }
    struct secure *secure = calloc(1, sizeof(*secure));
    const uint64_t unix_s = leat__httpd_unix_s(self->shard->httpd, self->now);
    if (secure == NULL || filter_open(context, NULL, unix_s, self->now, &secure->tls) != 0) {
        free(secure);
        session_reset(self);
        return;
    }
    self->secure = secure;
}

static void forget(leat_slice *slice)
{
    leat_buf_unref(slice->buf);
    *slice = (leat_slice){0};
}

void secure_drop_in(struct session *self)
{
    if (self->secure != NULL) {
        forget(&self->secure->room);
        self->secure->plain = (leat_slice){0};
        self->secure->has_more = false;
    }
}

void secure_drop_out(struct session *self)
{
    if (self->secure != NULL) {
        forget(&self->secure->piece);
        forget(&self->secure->sealed);
    }
}

void secure_close(struct session *self)
{
    secure_drop_in(self);
    secure_drop_out(self);
    if (self->secure != NULL) {
        filter_close(self->secure->tls);
        free(self->secure);
    }
}

static void fail(struct session *self, const struct leat_tls_error *error)
{
    struct leat_httpd_stats *stats = stats_of(self);
    if (!self->secure->is_open) {
        count(&stats->handshakes_failed, 1);
    } else if (error->status != -ECONNABORTED) {
        count(&stats->refused, 1);
    }
    count(&stats->gone, self->answerer.id != 0 ? 1 : 0);
    if (error->status == -ETIMEDOUT || error->status == -ENOMEM) {
        session_reset(self);
        return;
    }
    session_finish(self);
    answer_gone(self);
    events_stop(self);
    writes_drop(self);
}

void secure_eof(struct session *self)
{
    struct leat_tls_event event;
    filter_eof(self->secure->tls, &event);
    if (event.kind == LEAT_TLS_ERROR) {
        fail(self, &event.u.error);
    }
}

leat_time secure_deadline(const struct session *self)
{
    return self->secure != NULL ? filter_deadline(self->secure->tls) : LEAT_NEVER;
}

void secure_expire(struct session *self)
{
    struct leat_tls_event event;
    filter_expire(self->secure->tls, self->now, &event);
    if (event.kind == LEAT_TLS_ERROR) {
        fail(self, &event.u.error);
    }
}

/* ---- in ---- */

bool secure_is_fed(const struct session *self)
{
    return self->secure == NULL || (self->secure->plain.len == 0 && !self->secure->has_more);
}

bool secure_must_flush(const struct session *self)
{
    return self->secure != NULL && filter_is_pending(self->secure->tls);
}

leat_slice *secure_source(struct session *self)
{
    return self->secure != NULL ? &self->secure->plain : &self->in;
}

static void on_opened(struct session *self, const struct leat_tls_opened *opened)
{
    if (!filter_is_http(opened)) { /* its context was given other protocols */
        const struct leat_tls_error error = {.status = -EPROTO};
        fail(self, &error);
        return;
    }
    self->secure->is_open = true;
    count(&stats_of(self)->handshakes, 1);
}

/* Room for what is to be decrypted: most requests are short. What there is no room for comes next. */
static bool make_room(struct session *self)
{
    struct secure *secure = self->secure;
    const uint32_t len = self->in.len <= OUT_LEN ? OUT_LEN : LEAT_TLS_RECORD_LEN_MAX;
    if (secure->room.len >= len) {
        return true;
    }
    forget(&secure->room);
    if (leat_buf_alloc(len, &secure->room) < 0) {
        secure->room = (leat_slice){0};
        session_reset(self);
        return false;
    }
    return true;
}

bool secure_fill(struct session *self)
{
    struct secure *secure = self->secure;
    struct leat_tls_event event;
    if (secure_is_fed(self) && self->in.len == 0) {
        return false;
    }
    if (secure == NULL || secure->plain.len > 0 || !make_room(self)) {
        return false;
    }
    struct leat_tls_out out = {leat_slice_data(secure->room), secure->room.len, 0};
    filter_read(secure->tls, &self->in, &out, &event);
    secure->plain = leat_slice_sub(secure->room, 0, (uint32_t)out.len);
    secure->has_more = event.kind != LEAT_TLS_NONE;
    switch (event.kind) {
    case LEAT_TLS_OPENED:
        on_opened(self, &event.u.opened);
        break;
    case LEAT_TLS_CLOSED:
        session_peer_ended(self);
        break;
    case LEAT_TLS_ERROR:
        fail(self, &event.u.error);
        break;
    default: /* DATA is in `plain`; FLUSH is secure_pop's */
        break;
    }
    return secure->has_more;
}

void secure_rest(struct session *self)
{
    if (self->secure != NULL && self->secure->plain.len == 0) {
        forget(&self->secure->room);
    }
}

/* ---- out ---- */

bool secure_is_sent(const struct session *self)
{
    const struct secure *secure = self->secure;
    return secure == NULL ||
           (secure->sealed.len == 0 && secure->piece.len == 0 && !filter_is_pending(secure->tls));
}

void secure_finish(struct session *self)
{
    if (self->secure != NULL) {
        filter_finish(self->secure->tls);
    }
}

static bool next_piece(struct session *self)
{
    struct secure *secure = self->secure;
    if (secure->piece.len == 0) {
        forget(&secure->piece);
        return writes_pop_plain(self, &secure->piece);
    }
    return true;
}

/* What the next record says. Short pieces are put together in `scratch`; what is long enough lies where it is, until
 * the next call. */
static leat_tls_bytes next_record(struct session *self, uint8_t *scratch)
{
    struct secure *secure = self->secure;
    size_t len = 0;
    while (secure->is_open && len < LEAT_TLS_RECORD_LEN_MAX && next_piece(self)) {
        const size_t room = LEAT_TLS_RECORD_LEN_MAX - len;
        const size_t part = secure->piece.len < room ? secure->piece.len : room;
        const uint8_t *from = leat_slice_data(secure->piece);
        secure->piece = leat_slice_sub(secure->piece, (uint32_t)part, secure->piece.len);
        if (part == LEAT_TLS_RECORD_LEN_MAX || (len == 0 && !writes_wait(self))) {
            return leat_tls_bytes_of(from, part);
        }
        memcpy(scratch + len, from, part);
        len += part;
    }
    return leat_tls_bytes_of(scratch, len);
}

bool secure_pop(struct session *self, leat_slice *ret)
{
    struct secure *secure = self->secure;
    uint8_t scratch[LEAT_TLS_RECORD_LEN_MAX];
    if (secure->sealed.len > 0) {
        *ret = secure->sealed;
        secure->sealed = (leat_slice){0};
        return true;
    }
    const leat_tls_bytes bytes = next_record(self, scratch);
    if (bytes.len == 0 && !filter_is_pending(secure->tls)) {
        return false;
    }
    const int status = filter_seal(secure->tls, bytes, ret);
    if (secure->piece.len == 0) {
        forget(&secure->piece);
    }
    if (status !=
        0) { /* no memory, or the peer is in the middle of a message to TLS: nobody's good faith */
        session_reset(self);
        return false;
    }
    return true;
}

void secure_unpop(struct session *self, leat_slice body)
{
    ENSURE(self->secure->sealed.len == 0);
    self->secure->sealed = body;
}
