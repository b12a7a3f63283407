/* The server's connection, the reading half.
 *
 * Invariant: there is at most one request between IDLE and the end of its response, and bytes behind it are
 * not taken, so what a connection holds is bounded and responses cannot cross. Any error ends it. */
#include "server.h"

#include <errno.h>
#include <stdlib.h>

#include "memory.h"

/* ---- life ---- */

size_t leat_http_server_size(const struct leat_http_config *config)
{
    return memory_size(sizeof(leat_http_server), config);
}

int leat_http_server_init(void *memory, const struct leat_http_config *config, leat_time now,
                          leat_http_server **ret)
{
    ENSURE(memory != NULL && (uintptr_t)memory % _Alignof(leat_http_server) == 0);
    if (leat_http_server_size(config) == 0) {
        return -EINVAL;
    }
    leat_http_server *const server = memory;
    memset(server, 0, sizeof(*server));
    server->config = *config;
    server->keep = true;
    server->deadline = leat__http_later(now, config->idle_ns);
    memory_share(&server->head, server + 1, &server->config);
    *ret = server;
    return 0;
}

int leat_http_server_open(const struct leat_http_config *config, leat_time now,
                          leat_http_server **ret)
{
    const size_t size = leat_http_server_size(config);
    if (size == 0) {
        return -EINVAL;
    }
    void *const memory = malloc(size);
    return memory ? leat_http_server_init(memory, config, now, ret) : -ENOMEM;
}

void leat_http_server_close(leat_http_server *server)
{
    free(server);
}

void leat__http_server_next(leat_http_server *server, leat_time now)
{
    ENSURE(server->in == IN_WAIT && server->out == OUT_ENDED);
    server->out = OUT_NONE;
    if (!server->keep) {
        server->in = IN_DEAD;
        server->done = true;
        return;
    }
    server->in = IN_IDLE;
    server->deadline = leat__http_later(now, server->config.idle_ns);
}

/* ---- events ---- */

static void set_none(struct leat_http_event *ret)
{
    ret->kind = LEAT_HTTP_NONE;
}

/* Ends the reading. The error can be answered while no response has begun; then done waits for that. */
static void set_error(leat_http_server *server, struct leat_http_error error,
                      struct leat_http_event *ret)
{
    ENSURE(error.why != NULL);
    if (server->out == OUT_BODY || server->out == OUT_ENDED) {
        error.status = 0; /* what was sent already cannot be taken back */
    }
    server->in = IN_DEAD;
    server->keep = false;
    server->done = error.status == 0;
    server->out = error.status ? OUT_DUE : OUT_NONE;
    ret->kind = LEAT_HTTP_ERROR;
    ret->u.error = error;
}

static void set_closed(leat_http_server *server, struct leat_http_event *ret)
{
    server->in = IN_DEAD;
    server->out = OUT_NONE;
    server->done = true;
    ret->kind = LEAT_HTTP_CLOSE;
}

/* ---- reading ---- */

static void start_request(leat_http_server *server, leat_time now,
                          const struct leat_http_request *request)
{
    const struct leat_http_config *const config = &server->config;
    server->request_count++;
    server->version = request->version;
    server->is_head = request->method == LEAT_HTTP_HEAD;
    server->continues = request->continues;
    server->held = false;
    server->keep = request->keep_alive && (config->request_count_max == 0 ||
                                           server->request_count < config->request_count_max);
    server->out = OUT_DUE;
    server->in = request->body_len ? IN_BODY : IN_END;
    if (request->body_len == LEAT_HTTP_LEN_UNKNOWN) {
        leat__http_body_start(&server->body, BODY_CHUNKED, 0, config, now);
    } else if (request->body_len) {
        leat__http_body_start(&server->body, BODY_LENGTH, request->body_len, config, now);
    }
}

static size_t read_head(leat_http_server *server, leat_time now, leat_http_str bytes,
                        struct leat_http_event *ret)
{
    struct leat_http_head parsed;
    size_t used = 0;
    if (server->in == IN_IDLE) {
        leat__http_head_reset(&server->head);
        server->in = IN_HEAD;
        server->is_head = false;
        server->version = 10; /* until it has told: an error is answered as anyone can read it */
        server->deadline = leat__http_later(now, server->config.header_ns);
    }
    const int done = leat__http_head_read(&server->head, bytes, &used, &parsed);
    if (done == 0) {
        set_none(ret);
        return used;
    }
    if (done < 0 || !leat__http_head_check_request(&server->head, &parsed, &ret->u.request)) {
        set_error(server, server->head.error, ret);
        return bytes.len;
    }
    start_request(server, now, &ret->u.request);
    ret->kind = LEAT_HTTP_REQUEST;
    return used;
}

static size_t read_body(leat_http_server *server, leat_time now, leat_http_str bytes,
                        struct leat_http_event *ret)
{
    struct leat_http_error error;
    size_t used;
    leat_http_str data;
    server->continues = false; /* it did not wait */
    const int done = leat__http_body_read(&server->body, now, bytes, &used, &data, &error);
    if (done < 0) {
        set_error(server, error, ret);
        return bytes.len;
    }
    server->in = done > 0 ? IN_END : IN_BODY;
    ret->kind = data.len ? LEAT_HTTP_BODY : LEAT_HTTP_NONE;
    ret->u.body = data;
    return used;
}

static void end_request(leat_http_server *server, leat_time now, struct leat_http_event *ret)
{
    ENSURE(server->out != OUT_NONE);
    server->in = IN_WAIT;
    ret->kind = LEAT_HTTP_END;
    if (server->out == OUT_ENDED) {
        leat__http_server_next(server, now);
    }
}

size_t leat_http_server_read(leat_http_server *server, leat_time now, leat_http_str bytes,
                             struct leat_http_event *ret)
{
    size_t used = 0;
    set_none(ret);
    if (server->in == IN_DEAD) {
        return bytes.len;
    }
    if (server->in <= IN_HEAD && bytes.len) {
        return read_head(server, now, bytes, ret);
    }
    if (server->in == IN_BODY && bytes.len) {
        used = read_body(server, now, bytes, ret);
    }
    if (server->in == IN_END && ret->kind == LEAT_HTTP_NONE) {
        end_request(server, now, ret);
    }
    return used;
}

void leat_http_server_eof(leat_http_server *server, struct leat_http_event *ret)
{
    set_none(ret);
    server->keep = false; /* nothing will follow */
    switch (server->in) {
    case IN_IDLE:
        set_closed(server, ret);
        break;
    case IN_HEAD:
    case IN_BODY:
        set_error(server, (struct leat_http_error){0, "connection closed within a request"}, ret);
        break;
    case IN_DEAD:
        if (server->done) {
            set_closed(server, ret);
        }
        break;
    default:
        break; /* a response is owed, to a peer that may have closed only its half */
    }
}

/* ---- time ---- */

leat_time leat_http_server_deadline(const leat_http_server *server)
{
    switch (server->in) {
    case IN_IDLE:
    case IN_HEAD:
        return server->deadline;
    case IN_BODY:
        /* While the client waits for a 100, or the caller for room, nobody is too slow. */
        return server->held || server->continues
                   ? LEAT_NEVER
                   : leat__http_body_deadline(&server->body, &server->config);
    default:
        return LEAT_NEVER;
    }
}

void leat_http_server_expire(leat_http_server *server, leat_time now, struct leat_http_event *ret)
{
    set_none(ret);
    const leat_time deadline = leat_http_server_deadline(server);
    if (deadline == LEAT_NEVER || now < deadline) {
        return;
    }
    switch (server->in) {
    case IN_IDLE:
        set_closed(server, ret);
        break;
    case IN_HEAD:
        if (leat__http_head_is_blank(&server->head)) {
            set_closed(server, ret);
            break;
        }
        set_error(server, (struct leat_http_error){408, "head took too long"}, ret);
        break;
    default:
        ENSURE(server->in == IN_BODY);
        set_error(server, (struct leat_http_error){408, "body is too slow"}, ret);
        break;
    }
}

void leat_http_server_hold(leat_http_server *server, leat_time now, bool held)
{
    if (server->in == IN_BODY && server->held && !held) {
        ENSURE(now >= server->held_at);
        server->body.progress = now;
        server->body.since = leat__http_later(server->body.since, now - server->held_at);
    } else if (!server->held && held) {
        server->held_at = now;
    }
    server->held = held;
}
