/* One connection of the echo server: what comes goes back. Whoever does not read what it is sent is not
 * read from either, so that memory stays bounded. */
#include "session.h"

#include <errno.h>

struct session {
    leat_sock sock;
    leat_slice refused; /* what the peer has to take before it is read again */
    leat_outbox(4) out;
};

static void session_on_event(void *state, const struct leat_event *event)
{
    struct session *self = state;
    if (event->kind == LEAT_EVENT_GIVEN) {
        self->sock = event->sock;
    } else if (event->kind == LEAT_EVENT_DATA) {
        leat_output_reply(leat_outbox_put(&self->out), event, leat_slice_ref(event->data.body));
    } else if (event->kind == LEAT_EVENT_WRITABLE && self->refused.buf != NULL) {
        leat_output_write(leat_outbox_put(&self->out), self->sock, self->refused);
        leat_output_resume(leat_outbox_put(&self->out), self->sock);
        self->refused = (leat_slice){0};
    } else if (event->kind == LEAT_EVENT_FINISHED) {
        leat_output_finish(leat_outbox_put(&self->out), self->sock); /* both have: it closes */
    } else if (event->kind == LEAT_EVENT_SOCK_CLOSED || event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
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

static bool session_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct session *)state)->out, ret);
}

static void session_fini(void *state)
{
    leat_buf_unref(((struct session *)state)->refused.buf);
}

const struct leat_behavior session = {.name = "session",
                                             .state_size = sizeof(struct session),
                                             .on_event = session_on_event,
                                             .on_refused = session_on_refused,
                                             .pop_output = session_pop_output,
                                             .fini = session_fini};
