/* One connection of the client: an ask goes out, its response is collected, then the connection is idle or ends. */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>

#include "filter.h"
#include "pieces.h"

#define HEAD_LEN_MIN 1856u

/* ---- TLS ---- */

/* What is pending goes to the socket. */
static int flush(struct agent *agent, struct conn *conn)
{
    leat_slice bytes;
    if (!filter_is_pending(conn->tls)) {
        return 0;
    }
    const int status = filter_seal(conn->tls, leat_tls_bytes_of(NULL, 0), &bytes);
    if (status == 0) {
        leat_output_write(leat_outbox_put(&agent->out), conn->sock, bytes);
    }
    return status;
}

/* close_notify, or the alert of an error. */
static void say_goodbye(struct agent *agent, struct conn *conn)
{
    if (conn->tls != NULL && conn->sock.id != 0) {
        filter_finish(conn->tls);
        (void)flush(agent, conn); /* without memory the peer does not hear it */
    }
    filter_close(conn->tls);
    conn->tls = NULL;
}

/* ---- life ---- */

static void conn_close(struct agent *agent, struct conn *conn)
{
    leat_http_client_close(conn->machine);
    leat_buf_unref(conn->answer.buf);
    leat_buf_unref(conn->body.buf);
    conn->machine = NULL;
    conn->answer = conn->body = (leat_slice){0};
    say_goodbye(agent, conn);
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

void conn_open(struct agent *agent, struct conn *conn)
{
    if (conn->host[0] == '\0') {
        conn_send(agent, conn, conn->ask);
        return;
    }
    conn->state = CONN_SHAKING;
    const uint64_t zero = agent->config.unix_ns;
    const uint64_t unix_s = zero != 0 ? (zero + agent->now) / LEAT_SEC : 0;
    int status = filter_open(agent->config.tls, conn->host, unix_s, agent->now, &conn->tls);
    status = status != 0 ? status : flush(agent, conn);
    if (status != 0) {
        conn_fail(agent, conn, status);
    }
}

/* ---- out ---- */

/* The head of a request: all but the body, which has no framing as its length is known. 0; -ENOMEM; -EINVAL. */
static int write_head(struct agent *agent, struct conn *conn, const struct leat_http_query *query,
                      leat_slice *ret)
{
    for (uint32_t len = HEAD_LEN_MIN;; len *= 4) {
        leat_slice head;
        if (leat_buf_alloc(len, &head) < 0) {
            return -ENOMEM;
        }
        struct leat_http_out out = {(char *)leat_slice_data(head), len, 0};
        int status = leat_http_client_request(conn->machine, query, &out);
        if (status == -ENOSPC && len < (1u << 20)) {
            leat_buf_unref(head.buf);
            continue;
        }
        head.len = (uint32_t)out.len;
        status = status == 0 ? leat_http_client_data(conn->machine, query->body_len, &out) : status;
        status = status == 0 ? leat_http_client_end(conn->machine, agent->now, &out) : status;
        if (status != 0) {
            leat_buf_unref(head.buf);
            return -EINVAL;
        }
        ENSURE(out.len == head.len);
        *ret = head;
        return 0;
    }
}

/* Head and body in one buffer, then the same encrypted. The head is the caller's. */
static int seal_both(struct conn *conn, leat_slice head, leat_slice body, leat_slice *ret)
{
    leat_slice both;
    if (body.len == 0) {
        return filter_seal(conn->tls, leat_tls_bytes_of(leat_slice_data(head), head.len), ret);
    }
    if (body.len > LEAT_BUF_LEN_MAX - head.len || leat_buf_alloc(head.len + body.len, &both) < 0) {
        return -ENOMEM;
    }
    memcpy(leat_slice_data(both), leat_slice_data(head), head.len);
    memcpy(leat_slice_data(both) + head.len, leat_slice_data(body), body.len);
    const int status =
        filter_seal(conn->tls, leat_tls_bytes_of(leat_slice_data(both), both.len), ret);
    leat_buf_unref(both.buf);
    return status;
}

void conn_send(struct agent *agent, struct conn *conn, struct ask *ask)
{
    const struct leat_http_ask *what = ask->what;
    leat_slice head, sealed;
    conn->ask = ask;
    conn->is_begun = false;
    conn->state = CONN_BUSY;
    int status = write_head(agent, conn, &what->query, &head);
    if (status != 0) {
        conn_fail(agent, conn, status);
        return;
    }
    if (conn->tls != NULL) {
        status = seal_both(conn, head, what->body, &sealed);
        leat_buf_unref(head.buf);
        if (status != 0) {
            conn_fail(agent, conn, status == -ENOMEM ? status : -ECONNRESET);
            return;
        }
        leat_output_write(leat_outbox_put(&agent->out), conn->sock, sealed);
        return;
    }
    leat_output_write(leat_outbox_put(&agent->out), conn->sock, head);
    if (what->body.buf != NULL) {
        leat_output_write(leat_outbox_put(&agent->out), conn->sock, leat_slice_ref(what->body));
    }
}

/* ---- in ---- */

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

static void feed(struct agent *agent, struct conn *conn, leat_http_str bytes)
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

/* The server says nothing more. */
static void peer_ended(struct agent *agent, struct conn *conn)
{
    struct leat_http_event event;
    leat_http_client_eof(conn->machine, &event);
    if (event.kind == LEAT_HTTP_END) {
        conn_end(agent, conn);
    } else {
        conn_fail(agent, conn, -ECONNRESET);
    }
}

static void tls_event(struct agent *agent, struct conn *conn, const struct leat_tls_event *event)
{
    int status = 0;
    switch (event->kind) {
    case LEAT_TLS_OPENED:
        if (filter_is_http(&event->u.opened)) {
            conn_send(agent, conn, conn->ask);
        } else {
            status = -EPROTO;
        }
        break;
    case LEAT_TLS_DATA:
        feed(agent, conn, (leat_http_str){(const char *)event->u.data.data, event->u.data.len});
        break;
    case LEAT_TLS_FLUSH: /* who makes us answer time and again within one portion is no server */
        status = leat_outbox_room(&agent->out) < 8 ? -EPROTO : flush(agent, conn);
        break;
    case LEAT_TLS_CLOSED:
        peer_ended(agent, conn);
        break;
    case LEAT_TLS_ERROR: /* without close_notify: a response that lasts until then may be a part */
        status = event->u.error.status == -ECONNABORTED ? -ECONNRESET : event->u.error.status;
        break;
    default:
        break;
    }
    if (status != 0) {
        conn_fail(agent, conn, status);
    }
}

void conn_data(struct agent *agent, struct conn *conn, leat_slice in)
{
    uint8_t said[LEAT_TLS_RECORD_LEN_MAX];
    struct leat_tls_event event = {.kind = LEAT_TLS_DATA};
    if (conn->host[0] == '\0') {
        feed(agent, conn, (leat_http_str){(const char *)leat_slice_data(in), in.len});
        return;
    }
    while (event.kind != LEAT_TLS_NONE && conn->tls != NULL) {
        struct leat_tls_out out = {said, sizeof(said), 0};
        filter_read(conn->tls, &in, &out, &event);
        tls_event(agent, conn, &event);
    }
}

void conn_finished(struct agent *agent, struct conn *conn)
{
    struct leat_tls_event event;
    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (conn->tls == NULL) {
        peer_ended(agent, conn);
        return;
    }
    filter_eof(conn->tls, &event);
    tls_event(agent, conn, &event);
}

void conn_closed(struct agent *agent, struct conn *conn, int status)
{
    conn->sock = LEAT_SOCK_NONE;
    conn_fail(agent, conn, status == 0 ? -ECONNRESET : status);
}

leat_time conn_deadline(const struct conn *conn)
{
    const leat_time machine = leat_http_client_deadline(conn->machine);
    const leat_time tls = conn->tls != NULL ? filter_deadline(conn->tls) : LEAT_NEVER;
    return machine < tls ? machine : tls;
}

void conn_expire(struct agent *agent, struct conn *conn)
{
    struct leat_http_event event;
    const bool is_late = conn->ask != NULL && agent->now >= conn->ask->until;
    if (is_late || (conn->tls != NULL && agent->now >= filter_deadline(conn->tls))) {
        conn_fail(agent, conn, -ETIMEDOUT);
        return;
    }
    leat_http_client_expire(conn->machine, agent->now, &event);
    if (event.kind == LEAT_HTTP_ERROR || event.kind == LEAT_HTTP_CLOSE) {
        conn_fail(agent, conn, -ETIMEDOUT);
    }
}
