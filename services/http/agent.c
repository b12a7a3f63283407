/* The client: which connection an ask gets. An idle one to its peer; else a new one, while there may be more; else
 * it waits, in order, for the next that becomes free. Every ask is answered once. */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>

#include "filter.h"
#include "pieces.h"

struct leat_http_agent_config leat_http_agent_config_default(void)
{
    struct leat_http_agent_config config = {
        .connections_max = 64,
        .peer_max = 8,
        .waiting_max = 256,
        .connect_ns = 5 * LEAT_SEC,
    };
    leat_http_config_default(&config.http);
    config.http.body_len_max = 1u << 20;
    return config;
}

/* ---- connections ---- */

static struct conn *conn_of(struct agent *agent, leat_sock sock)
{
    for (uint32_t i = 0; i < agent->config.connections_max; i++) {
        struct conn *conn = &agent->conns[i];
        if (conn->state != CONN_FREE && conn->sock.id != 0 && leat_sock_equal(conn->sock, sock)) {
            return conn;
        }
    }
    return NULL;
}

struct choice {
    struct conn *idle;   /* to the peer, the one used last */
    struct conn *free;   /* a place for a new one */
    struct conn *oldest; /* idle, and of no use for it */
    uint32_t to_peer;
};

/* A connection that is verified for one host is of no use for another. */
static struct choice choose(struct agent *agent, const struct ask *ask)
{
    struct choice choice = {0};
    for (uint32_t i = 0; i < agent->config.connections_max; i++) {
        struct conn *conn = &agent->conns[i];
        const bool fits = conn->state != CONN_FREE &&
                          leat_addr_equal(&conn->peer, &ask->what->peer) &&
                          strcmp(conn->host, ask->host) == 0;
        choice.to_peer += fits;
        if (conn->state == CONN_FREE) {
            choice.free = choice.free != NULL ? choice.free : conn;
        } else if (conn->state == CONN_IDLE && fits) {
            choice.idle = choice.idle == NULL || conn->idle_since >= choice.idle->idle_since
                              ? conn
                              : choice.idle;
        } else if (conn->state == CONN_IDLE &&
                   (choice.oldest == NULL || conn->idle_since < choice.oldest->idle_since)) {
            choice.oldest = conn;
        }
    }
    return choice;
}

static void conn_begin(struct agent *agent, struct conn *conn, struct ask *ask)
{
    *conn = (struct conn){.state = CONN_CONNECTING, .peer = ask->what->peer, .ask = ask};
    memcpy(conn->host, ask->host, sizeof(conn->host));
    const leat_time left = ask->until > agent->now ? ask->until - agent->now : 1; /* 0: no limit */
    const leat_time timeout = left < agent->config.connect_ns ? left : agent->config.connect_ns;
    leat_output_connect(leat_outbox_put(&agent->out), &conn->peer, timeout,
                        (uint64_t)(conn - agent->conns));
}

/* Whether it got a connection. */
static bool start(struct agent *agent, struct ask *ask)
{
    const struct choice choice = choose(agent, ask);
    if (choice.idle != NULL) {
        choice.idle->is_reused = true;
        conn_send(agent, choice.idle, ask);
        return true;
    }
    if (choice.to_peer >= agent->config.peer_max) {
        return false;
    }
    if (choice.free != NULL) {
        conn_begin(agent, choice.free, ask);
        return true;
    }
    if (choice.oldest != NULL) { /* it makes room: the ask waits until it has closed */
        conn_fail(agent, choice.oldest, -ECONNRESET);
    }
    return false;
}

void agent_place(struct agent *agent, struct ask *ask)
{
    if (start(agent, ask)) {
        return;
    }
    if (agent->waiting >= agent->config.waiting_max) {
        agent_tell(agent, ask, -EAGAIN);
        return;
    }
    ask->next = NULL;
    *(agent->last != NULL ? &agent->last->next : &agent->first) = ask;
    agent->last = ask;
    agent->waiting++;
}

static struct ask *unlink_after(struct agent *agent, struct ask *before)
{
    struct ask **link = before != NULL ? &before->next : &agent->first;
    struct ask *ask = *link;
    *link = ask->next;
    if (agent->last == ask) {
        agent->last = before;
    }
    agent->waiting--;
    return ask;
}

/* The first that can be started; one an output's turn, so that the outbox has room. */
static void start_waiting(struct agent *agent)
{
    struct ask *before = NULL;
    for (struct ask *ask = agent->first; ask != NULL; before = ask, ask = ask->next) {
        const struct choice choice = choose(agent, ask);
        if (choice.idle != NULL ||
            (choice.free != NULL && choice.to_peer < agent->config.peer_max)) {
            (void)start(agent, unlink_after(agent, before));
            return;
        }
    }
}

/* ---- inputs ---- */

/* The name in `host`, without its port and an address' brackets; as it is compared, in small letters. */
static int host_name(leat_http_str host, char ret[HOST_LEN_MAX + 1])
{
    const bool is_bracketed = host.len > 0 && host.data[0] == '[';
    const char *const from = host.data + is_bracketed;
    const char *const end =
        host.len > 0 ? memchr(from, is_bracketed ? ']' : ':', host.len - is_bracketed) : NULL;
    const size_t len = end != NULL ? (size_t)(end - from) : host.len;
    if (len == 0 || len > HOST_LEN_MAX || (is_bracketed && end == NULL) ||
        memchr(from, '\0', len) != NULL) {
        return -EINVAL;
    }
    for (size_t i = 0; i < len; i++) {
        ret[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
    }
    ret[len] = '\0';
    return 0;
}

static int look_at(const struct agent *agent, struct ask *ask)
{
    if (!ask->what->secure) {
        return 0;
    }
    return agent->config.tls != NULL ? host_name(ask->what->query.host, ask->host) : -ENOTSUP;
}

static void on_ask(struct agent *agent, const struct leat_event *event)
{
    struct ask *ask = malloc(sizeof(*ask));
    if (event->len != LEAT_LEN_BODY || ask == NULL) {
        free(ask);
        return; /* the asker has a deadline of its own */
    }
    const leat_slice slice = pieces_first(event->body);
    const struct leat_http_ask *what =
        (const struct leat_http_ask *)(const void *)leat_slice_data(slice);
    *ask = (struct ask){.message = leat_slice_ref(event->body), .what = what, .from = event->from};
    ask->until =
        what->timeout_ns < LEAT_NEVER - agent->now ? agent->now + what->timeout_ns : LEAT_NEVER;
    const int status = agent->is_ending ? -ESHUTDOWN : look_at(agent, ask);
    if (status != 0) {
        agent_tell(agent, ask, status);
    } else {
        agent_place(agent, ask);
    }
}

static void on_opened(struct agent *agent, const struct leat_event *event)
{
    struct conn *conn = &agent->conns[event->opened.cookie];
    conn->sock = event->status == 0 ? event->sock : LEAT_SOCK_NONE;
    if (event->status != 0) {
        conn_fail(agent, conn, event->status);
    } else if (conn->ask == NULL) { /* its time was over before it was connected */
        conn_fail(agent, conn, -ETIMEDOUT);
    } else if (leat_http_client_open(&agent->config.http, agent->now, &conn->machine) != 0) {
        conn_fail(agent, conn, -ENOMEM);
    } else {
        conn_open(agent, conn);
    }
}

/* One of those whose time has come; the next is at once. */
static void on_deadline(struct agent *agent)
{
    struct ask *before = NULL;
    for (struct ask *ask = agent->first; ask != NULL; before = ask, ask = ask->next) {
        if (agent->now >= ask->until) {
            agent_tell(agent, unlink_after(agent, before), -ETIMEDOUT);
            return;
        }
    }
    for (uint32_t i = 0; i < agent->config.connections_max; i++) {
        struct conn *conn = &agent->conns[i];
        const bool is_late = conn->ask != NULL && agent->now >= conn->ask->until;
        if (conn->state == CONN_CONNECTING && is_late) { /* the connect's own end frees the place */
            struct ask *ask = conn->ask;
            conn->ask = NULL;
            agent_tell(agent, ask, -ETIMEDOUT);
            return;
        }
        if (conn->machine != NULL && (is_late || agent->now >= conn_deadline(conn))) {
            conn_expire(agent, conn);
            return;
        }
    }
}

static void agent_on_event(void *state, const struct leat_event *event)
{
    struct agent *agent = state;
    struct conn *conn;
    agent->now = event->now;
    switch (event->kind) {
    case LEAT_EVENT_MESSAGE:
        if (event->type == LEAT_HTTP_AGENT_ASK) {
            on_ask(agent, event);
        }
        break;
    case LEAT_EVENT_OPENED:
        on_opened(agent, event);
        break;
    case LEAT_EVENT_DATA:
        conn = conn_of(agent, event->sock);
        if (conn != NULL && conn->state != CONN_CLOSING) {
            conn_data(agent, conn, event->body);
        }
        break;
    case LEAT_EVENT_FINISHED:
        conn = conn_of(agent, event->sock);
        if (conn != NULL) {
            conn_finished(agent, conn);
        }
        break;
    case LEAT_EVENT_SOCK_CLOSED:
        conn = conn_of(agent, event->sock);
        if (conn != NULL) {
            conn_closed(agent, conn, event->status);
        }
        break;
    case LEAT_EVENT_DEADLINE:
        on_deadline(agent);
        break;
    case LEAT_EVENT_SHUTDOWN:
        agent->is_ending = true;
        break;
    default:
        break;
    }
}

/* ---- outputs ---- */

/* At the end each ask is answered, one at a time, then it stops. */
static void end_next(struct agent *agent)
{
    if (agent->first != NULL) {
        agent_tell(agent, unlink_after(agent, NULL), -ESHUTDOWN);
        return;
    }
    for (uint32_t i = 0; i < agent->config.connections_max; i++) {
        struct ask *ask = agent->conns[i].ask;
        if (ask != NULL) {
            agent->conns[i].ask = NULL;
            agent_tell(agent, ask, -ESHUTDOWN);
            return;
        }
    }
    leat_output_stop(leat_outbox_put(&agent->out));
}

static bool agent_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct agent *agent = state;
    agent->now = now;
    if (leat_outbox_pop(&agent->out, ret)) {
        return true;
    }
    if (agent->is_ending) {
        end_next(agent);
    } else if (agent->first != NULL) {
        start_waiting(agent);
    }
    return leat_outbox_pop(&agent->out, ret);
}

static void agent_on_refused(void *state, struct leat_output *output, int status)
{
    struct agent *agent = state;
    if (output->kind == LEAT_OUTPUT_CONNECT) {
        conn_fail(agent, &agent->conns[output->cookie], status);
    } else if (output->kind == LEAT_OUTPUT_DATA) {
        struct conn *conn = conn_of(agent, output->sock);
        if (conn != NULL && (conn->state == CONN_BUSY || conn->state == CONN_SHAKING)) {
            conn_fail(agent, conn, status == -EAGAIN ? status : -EPIPE);
        }
    }
    leat_output_release(output); /* an answer that its asker has no room for: it has a deadline */
}

static leat_time agent_deadline(const void *state)
{
    const struct agent *agent = state;
    leat_time deadline = LEAT_NEVER;
    for (const struct ask *ask = agent->first; ask != NULL; ask = ask->next) {
        deadline = ask->until < deadline ? ask->until : deadline;
    }
    for (uint32_t i = 0; i < agent->config.connections_max; i++) {
        const struct conn *conn = &agent->conns[i];
        if (conn->ask != NULL && conn->ask->until < deadline) {
            deadline = conn->ask->until;
        }
        if (conn->machine != NULL && conn_deadline(conn) < deadline) {
            deadline = conn_deadline(conn);
        }
    }
    return deadline;
}

static int agent_init(void *state, const void *arg, leat_time now)
{
    struct agent *agent = state;
    agent->config = *(const struct leat_http_agent_config *)arg;
    agent->now = now;
    const struct leat_http_agent_config *config = &agent->config;
    if (config->connections_max == 0 || config->peer_max == 0 || config->connect_ns == 0 ||
        leat_http_client_size(&config->http) == 0) {
        return -EINVAL;
    }
    if (filter_context_ref(config->tls) != 0) {
        return -ENOTSUP;
    }
    agent->conns = calloc(config->connections_max, sizeof(*agent->conns));
    if (agent->conns == NULL) {
        filter_context_unref(config->tls);
        return -ENOMEM;
    }
    return 0;
}

static void agent_fini(void *state)
{
    struct agent *agent = state;
    struct leat_output out;
    while (agent->first != NULL) {
        ask_free(unlink_after(agent, NULL));
    }
    for (uint32_t i = 0; i < agent->config.connections_max; i++) {
        struct conn *conn = &agent->conns[i];
        filter_close(conn->tls);
        leat_http_client_close(conn->machine);
        leat_buf_unref(conn->answer.buf);
        leat_buf_unref(conn->body.buf);
        if (conn->ask != NULL) {
            ask_free(conn->ask);
        }
    }
    while (leat_outbox_pop(&agent->out, &out)) { /* killed within a drain */
        leat_output_release(&out);
    }
    filter_context_unref(agent->config.tls);
    free(agent->conns);
}

const struct leat_behavior leat_http_agent = {
    .name = "http_agent",
    .state_size = sizeof(struct agent),
    .init = agent_init,
    .on_event = agent_on_event,
    .pop_output = agent_pop_output,
    .on_refused = agent_on_refused,
    .deadline = agent_deadline,
    .fini = agent_fini,
};
