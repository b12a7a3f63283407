/* One connection of the TLS echo server: what is said comes back. The socket's bytes go through
 * leat_tls, and only as they are popped: nothing is decrypted before what was said has been
 * taken by the socket. Whoever does not read what it is sent is not read from either. */
#include "session.h"

#include <errno.h>

struct session {
    struct session_arg arg;
    leat_tls *tls;
    leat_sock sock;
    leat_slice in; /* what came and has not been read, `in_at` bytes of it have */
    size_t in_at;
    leat_slice refused; /* what the socket has to take before anything else is done */
    bool closing;       /* CLOSE has been put */
    leat_outbox(4) out;
};

static int session_init(void *state, const void *arg, leat_time now)
{
    (void)now;
    ((struct session *)state)->arg = *(const struct session_arg *)arg;
    return 0;
}

static void complain(struct session *self, const struct leat_tls_event *event)
{
    if (event->kind == LEAT_TLS_ERROR) {
        const struct failed failed = {event->u.error.why, event->u.error.detail};
        leat_output_send(leat_outbox_put(&self->out), self->arg.main, FAILED, &failed,
                         sizeof(failed));
    }
}

static void session_on_event(void *state, const struct leat_event *event)
{
    struct session *self = state;
    struct leat_tls_event ended = {.kind = LEAT_TLS_NONE};
    if (event->kind == LEAT_EVENT_GIVEN) {
        self->sock = event->sock;
        if (leat_tls_open(self->arg.context, NULL, event->now, &self->tls) != 0) {
            leat_output_stop(leat_outbox_put(&self->out)); /* closes the connection too */
        }
    } else if (event->kind == LEAT_EVENT_DATA) {
        self->in = leat_slice_ref(event->data.body); /* pop_output reads it */
        self->in_at = 0;
    } else if (event->kind == LEAT_EVENT_WRITABLE && self->refused.buf != NULL) {
        leat_output_write(leat_outbox_put(&self->out), self->sock, self->refused);
        leat_output_resume(leat_outbox_put(&self->out), self->sock);
        self->refused = (leat_slice){0};
    } else if (event->kind == LEAT_EVENT_FINISHED) {
        leat_tls_eof(self->tls, &ended); /* an error, unless the peer had said so */
    } else if (event->kind == LEAT_EVENT_DEADLINE) {
        leat_tls_expire(self->tls, event->now, &ended);
    } else if (event->kind == LEAT_EVENT_SOCK_CLOSED || event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
    complain(self, &ended);
}

/* What is pending, and `bytes`, encrypted into a buffer of the socket's. */
static bool session_write(struct session *self, leat_tls_bytes bytes, struct leat_output *ret)
{
    leat_slice body;
    const size_t room = leat_tls_write_len(self->tls, bytes.len);
    if (leat_buf_alloc((uint32_t)room, &body) != 0) {
        leat_output_fail(ret, -ENOMEM);
        return true;
    }
    struct leat_tls_out out = {leat_slice_data(body), room, 0};
    leat_tls_flush(self->tls, &out); /* also in the handshake, when nothing can be written yet */
    if (bytes.len != 0 && leat_tls_write(self->tls, bytes, &out) != 0) {
        leat_buf_unref(body.buf);
        leat_output_fail(ret, -EPROTO);
        return true;
    }
    leat_output_write(ret, self->sock, leat_slice_sub(body, 0, (uint32_t)out.len));
    return true;
}

/* Reads on until there is something to send: one record at most. */
static bool session_advance(struct session *self, struct leat_output *ret)
{
    uint8_t said[LEAT_TLS_RECORD_LEN_MAX];
    struct leat_tls_event event;
    do {
        struct leat_tls_out plain = {said, sizeof(said), 0};
        leat_tls_bytes in = {NULL, 0};
        if (self->in.buf != NULL) {
            in = leat_tls_bytes_of(leat_slice_data(self->in) + self->in_at,
                                   self->in.len - self->in_at);
        }
        leat_tls_read(self->tls, &in, &plain, &event);
        self->in_at = self->in.len - in.len;
        complain(self, &event);
        if (event.kind == LEAT_TLS_DATA) {
            return session_write(self, event.u.data, ret);
        } else if (event.kind == LEAT_TLS_FLUSH) {
            return session_write(self, leat_tls_bytes_of(NULL, 0), ret);
        } else if (event.kind == LEAT_TLS_CLOSED) {
            (void)leat_tls_finish(self->tls); /* so do we: it is pending now */
        }
    } while (event.kind != LEAT_TLS_NONE);
    leat_buf_unref(self->in.buf);
    self->in = (leat_slice){0};
    if (!leat_tls_is_done(self->tls) || self->closing) {
        return false;
    }
    self->closing = true;
    leat_output_close(ret, self->sock); /* SOCK_CLOSED comes */
    return true;
}

static bool session_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct session *self = state;
    (void)now;
    return leat_outbox_pop(&self->out, ret) ||
           (self->tls != NULL && self->refused.buf == NULL && session_advance(self, ret)) ||
           leat_outbox_pop(&self->out, ret); /* what it had to complain about */
}

static void session_on_refused(void *state, struct leat_output *output, int status)
{
    struct session *self = state;
    if (output->kind == LEAT_OUTPUT_DATA && status == -EAGAIN) {
        self->refused = output->data.body;
        leat_output_pause(leat_outbox_put(&self->out), self->sock); /* until WRITABLE */
    } else {
        leat_output_release(output); /* the connection is over: SOCK_CLOSED comes */
    }
}

static leat_time session_deadline(const void *state)
{
    const struct session *self = state;
    return self->tls != NULL ? leat_tls_deadline(self->tls) : LEAT_NEVER;
}

static void session_fini(void *state)
{
    struct session *self = state;
    leat_tls_close(self->tls);
    leat_buf_unref(self->in.buf);
    leat_buf_unref(self->refused.buf);
}

const struct leat_behavior session = {.name = "session",
                                      .state_size = sizeof(struct session),
                                      .init = session_init,
                                      .on_event = session_on_event,
                                      .on_refused = session_on_refused,
                                      .pop_output = session_pop_output,
                                      .deadline = session_deadline,
                                      .fini = session_fini};
