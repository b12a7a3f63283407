/* Responses of the signaling actor. Whatever cannot be built is aborted, so that a client always
 * hears something. */
#include <stdio.h>

#include "signaling.h"

void reply_begin(struct reply *reply, unsigned status, leat_http_str origin)
{
    *reply = (struct reply){.status = status};
    whip_cors(&reply->headers, origin);
}

void reply_retry(struct reply *reply, unsigned seconds)
{
    (void)snprintf(reply->number, sizeof(reply->number), "%u", seconds);
    whip_header(&reply->headers, "Retry-After", leat_http_str_of(reply->number));
}

void reply_send(struct signaling *self, struct leat_httpd_exchange exchange, struct reply *reply)
{
    struct leat_output out;
    const struct leat_http_response response = {.status = (uint16_t)reply->status,
                                                .headers = reply->headers.list,
                                                .header_count = reply->headers.count};
    if (leat_httpd_reply(&out, exchange, &response, reply->body) != 0) {
        leat_httpd_abort(&out, exchange);
    }
    reply->body = (leat_slice){0};
    *leat_outbox_put(&self->out) = out;
}

int reply_body(const char *bytes, size_t len, leat_slice *ret)
{
    const int status = leat_buf_alloc((uint32_t)len, ret);
    if (status == 0) {
        memcpy(leat_slice_data(*ret), bytes, len);
    }
    return status;
}

void reply_problem(struct signaling *self, struct leat_httpd_exchange exchange, struct reply *reply,
                   const char *detail)
{
    char text[512];
    struct leat_http_out out = {.data = text, .cap = sizeof(text)};
    const struct leat_http_problem problem = {.status = reply->status,
                                              .detail = leat_http_str_of(detail)};
    if (leat_http_problem_write(&out, &problem) == 0 &&
        reply_body(out.data, out.len, &reply->body) == 0) {
        whip_header(&reply->headers, "Content-Type", leat_http_str_of(WHIP_PROBLEM));
    }
    reply_send(self, exchange, reply);
}

void reply_error(struct signaling *self, const struct ask *ask, unsigned status, const char *detail)
{
    struct reply reply;
    reply_begin(&reply, status, ask->origin);
    reply_problem(self, ask->request->exchange, &reply, detail);
}

void reply_error_retry(struct signaling *self, const struct ask *ask, unsigned status,
                       const char *detail, unsigned seconds)
{
    struct reply reply;
    reply_begin(&reply, status, ask->origin);
    reply_retry(&reply, seconds);
    reply_problem(self, ask->request->exchange, &reply, detail);
}

leat_http_str etag_write(uint64_t etag, char ret[ETAG_LEN + 1])
{
    (void)snprintf(ret, ETAG_LEN + 1, "\"%016llx\"", (unsigned long long)etag);
    return (leat_http_str){ret, ETAG_LEN};
}
