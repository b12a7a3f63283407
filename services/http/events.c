/* An event stream (text/event-stream): the session subscribes to a channel and passes on what is published
 * there, by reference where it is long. Who reads too slowly is cut off: its browser asks again and says what it
 * has seen, while events left out in the middle would be missed by nobody. */
#include "session.h"

#include <errno.h>

static void heartbeat_later(struct session *self)
{
    const leat_time ns = config_of(self)->heartbeat_ns;
    self->heartbeat = ns > 0 && ns < LEAT_NEVER - self->now ? self->now + ns : LEAT_NEVER;
}

int events_start(struct session *self, leat_channel channel, leat_slice first)
{
    const struct leat_http_header headers[] = {
        {{"Content-Type", 12}, {"text/event-stream", 17}},
        {{"Cache-Control", 13}, {"no-cache", 8}},
    };
    const struct leat_http_response response = {
        .status = 200, .body_len = LEAT_HTTP_LEN_UNKNOWN, .headers = headers, .header_count = 2};
    int status = writes_respond(self, &response);
    if (status != 0) {
        leat_buf_unref(first.buf);
        return status;
    }
    status = writes_data(self, first);
    if (status == 0 && self->is_head) {
        status = writes_end(self);
    }
    if (status != 0) {
        session_reset(self);
        return 0;
    }
    if (self->is_head) {
        session_response_over(self);
        return 0;
    }
    self->phase = PHASE_EVENTS;
    self->channel = channel;
    heartbeat_later(self);
    count(&stats_of(self)->event_streams, 1);
    leat_output_subscribe(leat_outbox_put(&self->control), channel, 0);
    return 0;
}

void events_stop(struct session *self)
{
    if (self->phase != PHASE_EVENTS) {
        return;
    }
    self->phase = PHASE_ANSWER;
    count(&stats_of(self)->event_streams, (uint64_t)-1);
    leat_output_unsubscribe(leat_outbox_put(&self->control), self->channel, 0);
    if (session_is_open(self)) {
        self->is_last = true;
        if (writes_end(self) == 0) {
            session_response_over(self);
        }
        session_finish(self);
    }
}

static void cut_off(struct session *self)
{
    count(&stats_of(self)->slow_readers, 1);
    session_reset(self);
}

/* A body, or a batch of them. */
static int pass_on(struct session *self, leat_slice body)
{
    const uint32_t len = leat_batch_len(body);
    int status = len == 0 ? writes_data(self, leat_slice_ref(body)) : 0;
    for (uint32_t i = 0; i < len && status == 0; i++) {
        status = writes_data(self, leat_slice_ref(leat_batch_at(body, i)));
    }
    return status;
}

void events_published(struct session *self, const struct leat_event *event)
{
    if (self->phase != PHASE_EVENTS || !session_is_open(self) ||
        !leat_channel_equal(event->channel, self->channel)) {
        return;
    }
    size_t len = 0;
    const void *bytes = leat_event_payload(event, &len);
    const bool is_slow = self->writes_bytes > LEAT_HTTPD_WINDOW; /* before this one, however long */
    int status = 0;
    if (len > 0 && event->len == LEAT_LEN_BODY) {
        status = pass_on(self, event->body);
    } else if (len > 0) {
        status = writes_bytes(self, (leat_http_str){bytes, len});
    }
    heartbeat_later(self);
    if (status != 0 || is_slow) {
        cut_off(self);
    } else if (event->type == LEAT_HTTPD_LAST) {
        events_stop(self);
    }
}

void events_heartbeat(struct session *self)
{
    char text[8];
    struct leat_http_out out = {text, sizeof(text), 0};
    const bool is_written = leat_http_sse_comment(&out, (leat_http_str){NULL, 0}) == 0;
    ENSURE(is_written);
    heartbeat_later(self);
    if (!self->is_full && writes_bytes(self, (leat_http_str){text, out.len}) != 0) {
        session_reset(self);
    }
}
