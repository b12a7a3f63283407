/* Requests that are answered on the spot: by a function of the table, or, where there is none, by the server. */
#include "session.h"

#include <errno.h>

/* Lives on the stack while the function runs. */
struct leat_httpd_call {
    struct session *session;
    bool answered;
};

static leat_http_str bytes_of(leat_slice body)
{
    return (leat_http_str){body.buf != NULL ? (const char *)leat_slice_data(body) : NULL, body.len};
}

/* A response that is complete, short ones in one piece. 0 or why nothing was sent. */
static int reply(struct session *self, const struct leat_http_response *response, leat_slice body)
{
    if (leat_batch_len(body) > 0) {
        leat_buf_unref(body.buf);
        return -EINVAL;
    }
    if (body.len <= COPY_MAX) {
        const int status = writes_reply(self, response, bytes_of(body));
        leat_buf_unref(body.buf);
        return status;
    }
    struct leat_http_response whole = *response;
    whole.body_len = body.len;
    int status = writes_respond(self, &whole);
    if (status != 0) {
        leat_buf_unref(body.buf);
        return status;
    }
    status = writes_data(self, body);
    status = status != 0 ? status : writes_end(self);
    if (status != 0) {
        session_reset(self);
    }
    return 0;
}

int leat_httpd_call_reply(leat_httpd_call *call, const struct leat_http_response *response,
                          leat_slice body)
{
    if (call->answered) {
        leat_buf_unref(body.buf);
        return -EALREADY;
    }
    const int status = reply(call->session, response, body);
    if (status == 0) {
        call->answered = true;
        session_response_over(call->session);
    }
    return status;
}

int leat_httpd_call_text(leat_httpd_call *call, unsigned status, const char *media_type,
                         leat_http_str body)
{
    const struct leat_http_header header = {leat_http_str_of("Content-Type"),
                                            leat_http_str_of(media_type)};
    const struct leat_http_response response = {
        .status = (uint16_t)status, .headers = &header, .header_count = 1};
    if (call->answered) {
        return -EALREADY;
    }
    const int done = writes_reply(call->session, &response, body);
    if (done == 0) {
        call->answered = true;
        session_response_over(call->session);
    }
    return done;
}

int leat_httpd_call_events(leat_httpd_call *call, leat_channel channel, leat_slice first)
{
    if (call->answered) {
        leat_buf_unref(first.buf);
        return -EALREADY;
    }
    const int status = events_start(call->session, channel, first);
    call->answered = status == 0;
    return status;
}

uint64_t leat_httpd_call_unix_s(const leat_httpd_call *call)
{
    return leat__httpd_unix_s(call->session->shard->httpd, call->session->now);
}

leat_time leat_httpd_call_now(const leat_httpd_call *call)
{
    return call->session->now;
}

/* The machine lends the request's strings until it reads on, which answering does not make it do. */
void call_route(struct session *self, const struct leat_httpd_request *request)
{
    const struct leat_httpd_route *route = &self->shard->httpd->routes[self->route];
    leat_httpd_call call = {.session = self};
    self->is_called = true;
    route->handler(route->context, &call, request);
    self->is_called = false;
    if (!session_is_open(self)) { /* reset meanwhile */
        intake_drop(self);
    }
    if (!call.answered && session_is_open(self)) {
        writes_problem(self, 500, NULL);
    }
}

void call_nobody(struct session *self, const struct leat_http_match *match)
{
    char methods[128];
    struct leat_http_out out = {methods, sizeof(methods), 0};
    if (match->status == 404) {
        writes_problem(self, 404, NULL);
        return;
    }
    ENSURE(leat_http_allow(&out, match->methods) == 0);
    const struct leat_http_header allow = {leat_http_str_of("Allow"), {methods, out.len}};
    if (match->status == 405) {
        writes_problem(self, 405, &allow);
        return;
    }
    const struct leat_http_response response = {
        .status = match->status, .headers = &allow, .header_count = 1};
    if (writes_reply(self, &response, (leat_http_str){NULL, 0}) != 0) {
        session_reset(self);
        return;
    }
    session_response_over(self);
}
