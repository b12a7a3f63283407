/* The server's connection, the writing half: nothing is written that could break out of its place, and
 * every response says how it ends. */
#include "server.h"

#include <errno.h>

#include <leat/http_fields.h>

static const char *const reserved[] = {"Connection", "Content-Length", "Transfer-Encoding", "Date",
                                       NULL};

int leat_http_server_continue(leat_http_server *server, leat_time now, struct leat_http_out *out)
{
    if (!server->continues || server->out != OUT_DUE || server->in != IN_BODY) {
        return -EINVAL;
    }
    const int status = leat__http_add(out, "HTTP/1.1 100 Continue\r\n\r\n");
    if (status == 0) {
        server->continues = false;
        server->body.since = server->body.progress = now;
    }
    return status;
}

/* How the body of this response ends. */
static struct sending plan(const leat_http_server *server,
                           const struct leat_http_response *response)
{
    const bool unknown = response->body_len == LEAT_HTTP_LEN_UNKNOWN;
    const bool never = response->status == 204 || response->status == 304;
    return (struct sending){
        .left = unknown || never ? 0 : response->body_len,
        .chunked = unknown && server->version != 10 && !never,
        .until_close = unknown && server->version == 10 && !never,
        .bodyless = never || server->is_head,
    };
}

static int add_status_line(struct leat_http_out *out, unsigned status)
{
    if (leat__http_add(out, "HTTP/1.1 ") || leat__http_add_decimal(out, status) ||
        leat__http_add(out, " ") || leat__http_add(out, leat_http_reason(status)) ||
        leat__http_add(out, "\r\n")) {
        return -ENOSPC;
    }
    return 0;
}

/* Content-Length, Transfer-Encoding, Connection, and the empty line. */
static int add_framing(const leat_http_server *server, const struct leat_http_response *response,
                       const struct sending *sending, bool keep, struct leat_http_out *out)
{
    const bool never = response->status == 204 || response->status == 304;
    if (sending->chunked) {
        if (leat__http_add(out, "Transfer-Encoding: chunked\r\n")) {
            return -ENOSPC;
        }
    } else if (!sending->until_close && !never) {
        if (leat__http_add(out, "Content-Length: ") || leat__http_add_decimal(out, sending->left) ||
            leat__http_add(out, "\r\n")) {
            return -ENOSPC;
        }
    }
    if (!keep && leat__http_add(out, "Connection: close\r\n")) {
        return -ENOSPC;
    }
    if (keep && server->version == 10 && leat__http_add(out, "Connection: keep-alive\r\n")) {
        return -ENOSPC;
    }
    return leat__http_add(out, "\r\n");
}

int leat_http_server_respond(leat_http_server *server, const struct leat_http_response *response,
                             struct leat_http_out *out)
{
    if (server->out != OUT_DUE) {
        return -EPIPE;
    }
    if (response->status < 200 || response->status > 599) {
        return -EINVAL;
    }
    const struct sending sending = plan(server, response);
    /* A client that was not told to send its body may or may not do so: the next bytes could be either
     * (RFC 9110, 10.1.1). */
    const bool keep =
        server->keep && !response->close && !server->continues && !sending.until_close;
    const size_t mark = out->len;
    int status = add_status_line(out, response->status);
    if (status == 0 && response->date.len) {
        status = leat__http_add_field(out, leat_http_str_of("Date"), response->date);
    }
    if (status == 0) {
        status = leat__http_add_headers(out, response->headers, response->header_count, reserved);
    }
    if (status == 0) {
        status = add_framing(server, response, &sending, keep, out);
    }
    if (status) {
        out->len = mark;
        return status;
    }
    server->keep = keep;
    server->sending = sending;
    server->out = OUT_BODY;
    return 0;
}

int leat_http_server_data(leat_http_server *server, uint64_t len, struct leat_http_out *out,
                          uint64_t *ret_send)
{
    if (server->out != OUT_BODY) {
        return -EPIPE;
    }
    return leat__http_sending_data(&server->sending, len, out, ret_send);
}

int leat_http_server_write(leat_http_server *server, leat_http_str data, struct leat_http_out *out)
{
    const struct sending before = server->sending;
    const size_t mark = out->len;
    uint64_t send = 0;
    int status = leat_http_server_data(server, data.len, out, &send);
    if (status == 0 && send) {
        ENSURE(send == data.len);
        status = leat_http_out_add(out, data);
    }
    if (status) {
        server->sending = before;
        out->len = mark;
    }
    return status;
}

int leat_http_server_end(leat_http_server *server, leat_time now, struct leat_http_out *out)
{
    if (server->out != OUT_BODY) {
        return -EPIPE;
    }
    const int status = leat__http_sending_end(&server->sending, out);
    if (status == -EMSGSIZE) { /* the client waits for the rest in vain: only the close tells it */
        server->in = IN_DEAD;
        server->out = OUT_NONE;
        server->keep = false;
        server->done = true;
        return status;
    }
    if (status) {
        return status;
    }
    server->out = OUT_ENDED;
    if (server->in == IN_WAIT) {
        leat__http_server_next(server, now);
    } else if (!server->keep) {
        server->in = IN_DEAD;
        server->out = OUT_NONE;
        server->done = true;
    }
    return 0;
}

int leat_http_server_reply(leat_http_server *server, leat_time now,
                           const struct leat_http_response *response, leat_http_str body,
                           struct leat_http_out *out)
{
    struct leat_http_response whole = *response;
    const size_t mark = out->len;
    const bool keep = server->keep;
    whole.body_len = body.len;
    int status = leat_http_server_respond(server, &whole, out);
    if (status) {
        return status;
    }
    status = leat_http_server_write(server, body, out);
    if (status == 0) {
        status = leat_http_server_end(server, now, out);
    }
    if (status) { /* no room for the body: as if nothing had been tried */
        ENSURE(status == -ENOSPC);
        out->len = mark;
        server->keep = keep;
        server->out = OUT_DUE;
    }
    return status;
}

int leat_http_server_refuse(leat_http_server *server, leat_time now,
                            const struct leat_http_error *error, leat_http_str date,
                            struct leat_http_out *out)
{
    static const struct leat_http_header headers[] = {
        {{"Content-Type", 12}, {"application/problem+json", 24}},
    };
    if (error->status == 0 || server->out != OUT_DUE) {
        return 0;
    }
    char text[256];
    struct leat_http_out body = {text, sizeof(text), 0};
    const struct leat_http_problem problem = {.status = error->status,
                                              .detail = leat_http_str_of(error->why)};
    int status = leat_http_problem_write(&body, &problem);
    ENSURE(status == 0); /* what this library says of errors is short */
    const struct leat_http_response response = {.status = error->status,
                                                .close = true,
                                                .date = date,
                                                .headers = headers,
                                                .header_count = 1};
    return leat_http_server_reply(server, now, &response, str(text, body.len), out);
}

bool leat_http_server_is_done(const leat_http_server *server)
{
    return server->done;
}
