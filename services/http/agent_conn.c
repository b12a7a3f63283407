/* One connection of the client: an ask goes out, its response is collected, then the connection is idle or ends. */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>

#include "pieces.h"

#define HEAD_LEN_MIN 1856u

static void conn_close(struct agent *agent, struct conn *conn)
{
    leat_http_client_close(conn->machine);
    leat_buf_unref(conn->answer.buf);
    leat_buf_unref(conn->body.buf);
    conn->machine = NULL;
    conn->answer = conn->body = (leat_slice){0};
    if (conn->sock.id == 0) { /* it was never opened, or it has ended */
        *conn = (struct conn){.state = CONN_FREE};
        return;
    }
    if (conn->state != CONN_CLOSING) {
        conn->state = CONN_CLOSING;
        leat_output_close(leat_outbox_put(&agent->out), conn->sock);
    }
}

/* Methods that do the same once and twice (RFC 9110, 9.2.2). */
static bool may_repeat(const struct ask *ask)
{
    switch (leat_http_method_of(ask->what->query.method)) {
    case LEAT_HTTP_GET:
    case LEAT_HTTP_HEAD:
    case LEAT_HTTP_PUT:
    case LEAT_HTTP_DELETE:
    case LEAT_HTTP_OPTIONS:
        return !ask->is_repeated;
    default:
        return false;
    }
}

void conn_fail(struct agent *agent, struct conn *conn, int error)
{
    struct ask *ask = conn->ask;
    const bool again = ask != NULL && conn->is_reused && !conn->is_begun && may_repeat(ask) &&
                       (error == -ECONNRESET || error == -EPIPE) && agent->now < ask->until;
    conn->ask = NULL;
    conn_close(agent, conn);
    if (again) { /* the server closed it before it had seen this */
        ask->is_repeated = true;
        agent_place(agent, ask);
    } else if (ask != NULL) {
        agent_tell(agent, ask, error);
    }
}

/* The head and the end of a request's framing; its body goes by reference. */
void conn_send(struct agent *agent, struct conn *conn, struct ask *ask)
{
    const struct leat_http_ask *what = ask->what;
    leat_slice head;
    conn->ask = ask;
    conn->is_begun = false;
    conn->state = CONN_BUSY;
    for (uint32_t len = HEAD_LEN_MIN;; len *= 4) {
        if (leat_buf_alloc(len, &head) < 0) {
            conn_fail(agent, conn, -ENOMEM);
            return;
        }
        struct leat_http_out out = {(char *)leat_slice_data(head), len, 0};
        int status = leat_http_client_request(conn->machine, &what->query, &out);
        if (status == -ENOSPC && len < (1u << 20)) {
            leat_buf_unref(head.buf);
            continue;
        }
        head.len = (uint32_t)out.len;
        status =
            status == 0 ? leat_http_client_data(conn->machine, what->query.body_len, &out) : status;
        status = status == 0 ? leat_http_client_end(conn->machine, agent->now, &out) : status;
        if (status != 0) {
            leat_buf_unref(head.buf);
            conn_fail(agent, conn, -EINVAL);
            return;
        }
        ENSURE(out.len == head.len); /* a body of known length has no framing of its own */
        break;
    }
    leat_output_write(leat_outbox_put(&agent->out), conn->sock, head);
    if (what->body.buf != NULL) {
        leat_output_write(leat_outbox_put(&agent->out), conn->sock, leat_slice_ref(what->body));
    }
}

static void conn_end(struct agent *agent, struct conn *conn)
{
    struct ask *ask = conn->ask;
    const leat_slice answer = conn->answer, body = conn->body;
    conn->ask = NULL;
    conn->answer = conn->body = (leat_slice){0};
    conn->body_cap = 0;
    conn->state = CONN_IDLE;
    conn->idle_since = agent->now;
    if (leat_http_client_is_done(conn->machine)) {
        conn_close(agent, conn);
    }
    agent_tell_response(agent, ask, answer, body);
}

static void conn_event(struct agent *agent, struct conn *conn, const struct leat_http_event *event)
{
    int status = 0;
    switch (event->kind) {
    case LEAT_HTTP_RESPONSE:
        if (event->u.response.status >= 200) {
            status = answer_copy(&event->u.response, &conn->answer);
        }
        break;
    case LEAT_HTTP_BODY:
        status = pieces_append(&conn->body, &conn->body_cap, event->u.body);
        break;
    case LEAT_HTTP_END:
        conn_end(agent, conn);
        break;
    case LEAT_HTTP_ERROR:
        status = -EPROTO;
        break;
    case LEAT_HTTP_CLOSE:
        conn_fail(agent, conn, -ECONNRESET);
        break;
    default:
        break;
    }
    if (status != 0) {
        conn_fail(agent, conn, status);
    }
}

void conn_data(struct agent *agent, struct conn *conn, leat_http_str bytes)
{
    struct leat_http_event event = {.kind = LEAT_HTTP_BODY};
    conn->is_begun |= bytes.len > 0;
    while (event.kind != LEAT_HTTP_NONE && (conn->state == CONN_BUSY || conn->state == CONN_IDLE)) {
        if (conn->state == CONN_IDLE && bytes.len == 0) {
            return;
        }
        const size_t used = leat_http_client_read(conn->machine, agent->now, bytes, &event);
        bytes.data += used;
        bytes.len -= used;
        conn_event(agent, conn, &event);
    }
}

void conn_eof(struct agent *agent, struct conn *conn)
{
    struct leat_http_event event;
    if (conn->state == CONN_CLOSING) {
        return;
    }
    leat_http_client_eof(conn->machine, &event);
    if (event.kind == LEAT_HTTP_END) {
        conn_end(agent, conn);
    } else {
        conn_fail(agent, conn, -ECONNRESET);
    }
}

void conn_closed(struct agent *agent, struct conn *conn, int status)
{
    conn->sock = LEAT_SOCK_NONE;
    conn_fail(agent, conn, status == 0 ? -ECONNRESET : status);
}

void conn_expire(struct agent *agent, struct conn *conn)
{
    struct leat_http_event event;
    if (conn->ask != NULL && agent->now >= conn->ask->until) {
        conn_fail(agent, conn, -ETIMEDOUT);
        return;
    }
    if (conn->machine == NULL) {
        return;
    }
    leat_http_client_expire(conn->machine, agent->now, &event);
    if (event.kind == LEAT_HTTP_ERROR || event.kind == LEAT_HTTP_CLOSE) {
        conn_fail(agent, conn, -ETIMEDOUT);
    }
}
