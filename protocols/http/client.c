/* The client's connection.
 *
 * Invariant: bytes that arrive belong to the one request under way, or they are an error: a response to
 * nothing is how a poisoned connection shows. */
#include <errno.h>
#include <stdlib.h>

#include <leat/http_client.h>
#include <leat/http_url.h>

#include "body.h"
#include "head.h"
#include "memory.h"
#include "sending.h"

enum client_in {
    CLIENT_IDLE,  /* no request under way */
    CLIENT_AWAIT, /* not a byte of the response yet */
    CLIENT_HEAD,
    CLIENT_BODY,
    CLIENT_END,
    CLIENT_DEAD
};

#define INFORM_COUNT_MAX 16u /* 1xx responses to a request: each is a new wait */

struct leat_http_client {
    struct leat_http_config config;
    uint8_t in;
    bool writing; /* the request's end is not written yet */
    bool keep;
    bool is_head;
    uint32_t request_count;
    uint32_t inform_count;
    leat_time deadline; /* IDLE, AWAIT once the request has ended, HEAD */
    struct body body;
    struct sending sending;
    struct head head;
};

size_t leat_http_client_size(const struct leat_http_config *config)
{
    return memory_size(sizeof(leat_http_client), config);
}

int leat_http_client_init(void *memory, const struct leat_http_config *config, leat_time now,
                          leat_http_client **ret)
{
    ENSURE(memory != NULL && (uintptr_t)memory % _Alignof(leat_http_client) == 0);
    if (leat_http_client_size(config) == 0) {
        return -EINVAL;
    }
    leat_http_client *const client = memory;
    memset(client, 0, sizeof(*client));
    client->config = *config;
    client->keep = true;
    client->deadline = leat__http_later(now, config->idle_ns);
    client->head.is_response = true;
    memory_share(&client->head, client + 1, &client->config);
    *ret = client;
    return 0;
}

int leat_http_client_open(const struct leat_http_config *config, leat_time now,
                          leat_http_client **ret)
{
    const size_t size = leat_http_client_size(config);
    if (size == 0) {
        return -EINVAL;
    }
    void *const memory = malloc(size);
    return memory ? leat_http_client_init(memory, config, now, ret) : -ENOMEM;
}

void leat_http_client_close(leat_http_client *client)
{
    free(client);
}

bool leat_http_client_is_done(const leat_http_client *client)
{
    return client->in == CLIENT_DEAD;
}

/* ---- out ---- */

static bool query_is_valid(const struct leat_http_query *query)
{
    const bool path = query->target.len && query->target.data[0] == '/';
    const bool star =
        leat_http_str_equal(query->target, "*") && leat_http_str_equal(query->method, "OPTIONS");
    return str_is_token(query->method) && !leat_http_str_equal(query->method, "CONNECT") &&
           (path || star) && str_is_all(query->target, CHAR_TARGET) &&
           leat_http_host_is_valid(query->host);
}

/* A length is sent where a body is or might be expected (RFC 9110, 8.6). */
static bool wants_length(const struct leat_http_query *query)
{
    const enum leat_http_method method = leat_http_method_of(query->method);
    return query->body_len > 0 || method == LEAT_HTTP_POST || method == LEAT_HTTP_PUT ||
           method == LEAT_HTTP_PATCH;
}

static int add_request(const struct leat_http_query *query, bool keep, struct leat_http_out *out)
{
    static const char *const reserved[] = {"Host", "Connection", "Content-Length",
                                           "Transfer-Encoding", NULL};
    if (leat_http_out_add(out, query->method) || leat__http_add(out, " ") ||
        leat_http_out_add(out, query->target) || leat__http_add(out, " HTTP/1.1\r\nHost: ") ||
        leat_http_out_add(out, query->host) || leat__http_add(out, "\r\n")) {
        return -ENOSPC;
    }
    const int status = leat__http_add_headers(out, query->headers, query->header_count, reserved);
    if (status) {
        return status;
    }
    if (query->body_len == LEAT_HTTP_LEN_UNKNOWN) {
        if (leat__http_add(out, "Transfer-Encoding: chunked\r\n")) {
            return -ENOSPC;
        }
    } else if (wants_length(query)) {
        if (leat__http_add(out, "Content-Length: ") ||
            leat__http_add_decimal(out, query->body_len) || leat__http_add(out, "\r\n")) {
            return -ENOSPC;
        }
    }
    if (!keep && leat__http_add(out, "Connection: close\r\n")) {
        return -ENOSPC;
    }
    return leat__http_add(out, "\r\n");
}

int leat_http_client_request(leat_http_client *client, const struct leat_http_query *query,
                             struct leat_http_out *out)
{
    if (client->in == CLIENT_DEAD) {
        return -EPIPE;
    }
    if (client->in != CLIENT_IDLE) {
        return -EBUSY;
    }
    if (!query_is_valid(query)) {
        return -EINVAL;
    }
    const uint32_t max = client->config.request_count_max;
    const bool keep = !query->close && (max == 0 || client->request_count + 1 < max);
    const size_t mark = out->len;
    const int status = add_request(query, keep, out);
    if (status) {
        out->len = mark;
        return status;
    }
    const bool unknown = query->body_len == LEAT_HTTP_LEN_UNKNOWN;
    client->sending = (struct sending){.left = unknown ? 0 : query->body_len, .chunked = unknown};
    client->request_count++;
    client->inform_count = 0;
    client->keep = keep;
    client->is_head = leat_http_str_equal(query->method, "HEAD");
    client->writing = true;
    client->in = CLIENT_AWAIT;
    leat__http_head_reset(&client->head);
    return 0;
}

int leat_http_client_data(leat_http_client *client, uint64_t len, struct leat_http_out *out)
{
    uint64_t send;
    return client->writing ? leat__http_sending_data(&client->sending, len, out, &send) : -EPIPE;
}

int leat_http_client_write(leat_http_client *client, leat_http_str data, struct leat_http_out *out)
{
    const struct sending before = client->sending;
    const size_t mark = out->len;
    int status = leat_http_client_data(client, data.len, out);
    if (status == 0) {
        status = leat_http_out_add(out, data);
    }
    if (status) {
        client->sending = before;
        out->len = mark;
    }
    return status;
}

int leat_http_client_end(leat_http_client *client, leat_time now, struct leat_http_out *out)
{
    if (!client->writing) {
        return -EPIPE;
    }
    const int status = leat__http_sending_end(&client->sending, out);
    if (status == -EMSGSIZE) {
        client->in = CLIENT_DEAD;
        client->writing = false;
    } else if (status == 0) {
        client->writing = false;
        if (client->in == CLIENT_AWAIT) {
            client->deadline = leat__http_later(now, client->config.response_ns);
        }
    }
    return status;
}

/* ---- in ---- */

static void set_error(leat_http_client *client, const char *why, struct leat_http_event *ret)
{
    ENSURE(why != NULL);
    client->in = CLIENT_DEAD;
    client->writing = false;
    ret->kind = LEAT_HTTP_ERROR;
    ret->u.error = (struct leat_http_error){0, why};
}

/* RFC 9112, 6.3, for responses; false with an error noted. */
static bool frame_response(struct head *head, bool bodyless, enum body_framing *ret_framing,
                           uint64_t *ret_len)
{
    *ret_framing = BODY_LENGTH;
    *ret_len = head->has_length ? head->length : 0;
    if (head->has_coding && (head->has_length || head->version == 10)) {
        return leat__http_head_fail(head, 0,
                                    "Transfer-Encoding with Content-Length or in HTTP/1.0");
    }
    if (bodyless) {
        *ret_len = 0;
    } else if (head->has_coding) {
        *ret_framing = BODY_CHUNKED;
    } else if (!head->has_length) {
        *ret_framing = BODY_UNTIL_CLOSE;
    } else if (head->length > head->config->body_len_max) {
        return leat__http_head_fail(head, 0, "body is too long");
    }
    return true;
}

static bool take_response(leat_http_client *client, leat_time now,
                          const struct leat_http_head *parsed, struct leat_http_event *ret)
{
    struct head *const head = &client->head;
    const bool informs = head->status < 200;
    const bool bodyless = informs || client->is_head || head->status == 204 || head->status == 304;
    enum body_framing framing;
    uint64_t len;
    if (head->status == 101) {
        return leat__http_head_fail(head, 0, "switches to a protocol nobody asked for");
    }
    if (informs && ++client->inform_count > INFORM_COUNT_MAX) {
        return leat__http_head_fail(head, 0, "too many 1xx responses");
    }
    if (!frame_response(head, bodyless, &framing, &len)) {
        return false;
    }
    ret->kind = LEAT_HTTP_RESPONSE;
    ret->u.response = (struct leat_http_response_head){
        .status = head->status,
        .version = head->version,
        .reason = str(parsed->bytes + head->reason.at, head->reason.len),
        .body_len = framing == BODY_LENGTH ? len : LEAT_HTTP_LEN_UNKNOWN,
        .head = *parsed,
    };
    if (informs) { /* the caller still reads the head, which only the reset after it may clear */
        client->in = CLIENT_AWAIT;
        client->deadline = leat__http_later(now, client->config.response_ns);
        return true;
    }
    client->keep &= !head->close && (head->version > 10 || head->keep_alive) &&
                    framing != BODY_UNTIL_CLOSE && !client->writing;
    client->in = framing == BODY_LENGTH && len == 0 ? CLIENT_END : CLIENT_BODY;
    leat__http_body_start(&client->body, framing, len, &client->config, now);
    return true;
}

static size_t read_head(leat_http_client *client, leat_time now, leat_http_str bytes,
                        struct leat_http_event *ret)
{
    struct leat_http_head parsed;
    size_t used = 0;
    if (client->in == CLIENT_AWAIT) {
        leat__http_head_reset(&client->head);
        client->in = CLIENT_HEAD;
        client->deadline = leat__http_later(now, client->config.header_ns);
    }
    const int done = leat__http_head_read(&client->head, bytes, &used, &parsed);
    if (done == 0) {
        return used;
    }
    if (done < 0 || !take_response(client, now, &parsed, ret)) {
        set_error(client, client->head.error.why, ret);
        return bytes.len;
    }
    return used;
}

static size_t read_body(leat_http_client *client, leat_time now, leat_http_str bytes,
                        struct leat_http_event *ret)
{
    struct leat_http_error error;
    size_t used;
    leat_http_str data;
    const int done = leat__http_body_read(&client->body, now, bytes, &used, &data, &error);
    if (done < 0) {
        set_error(client, error.why, ret);
        return bytes.len;
    }
    client->in = done > 0 ? CLIENT_END : CLIENT_BODY;
    ret->kind = data.len ? LEAT_HTTP_BODY : LEAT_HTTP_NONE;
    ret->u.body = data;
    return used;
}

static void end_response(leat_http_client *client, leat_time now, struct leat_http_event *ret)
{
    ret->kind = LEAT_HTTP_END;
    client->in = client->keep && !client->writing ? CLIENT_IDLE : CLIENT_DEAD;
    client->writing = false;
    client->deadline = leat__http_later(now, client->config.idle_ns);
}

size_t leat_http_client_read(leat_http_client *client, leat_time now, leat_http_str bytes,
                             struct leat_http_event *ret)
{
    size_t used = 0;
    ret->kind = LEAT_HTTP_NONE;
    switch (client->in) {
    case CLIENT_DEAD:
        return bytes.len;
    case CLIENT_IDLE:
        if (bytes.len) {
            set_error(client, "bytes that no request asked for", ret);
        }
        return bytes.len;
    case CLIENT_AWAIT:
    case CLIENT_HEAD:
        return bytes.len ? read_head(client, now, bytes, ret) : 0;
    default:
        break;
    }
    if (client->in == CLIENT_BODY && bytes.len) {
        used = read_body(client, now, bytes, ret);
    }
    if (client->in == CLIENT_END && ret->kind == LEAT_HTTP_NONE) {
        end_response(client, now, ret);
    }
    return used;
}

void leat_http_client_eof(leat_http_client *client, struct leat_http_event *ret)
{
    const bool ends = client->in == CLIENT_END ||
                      (client->in == CLIENT_BODY && client->body.framing == BODY_UNTIL_CLOSE);
    if (ends) {
        ret->kind = LEAT_HTTP_END;
        client->in = CLIENT_DEAD;
        client->writing = false;
    } else if (client->in == CLIENT_IDLE || client->in == CLIENT_DEAD) {
        ret->kind = LEAT_HTTP_CLOSE;
        client->in = CLIENT_DEAD;
    } else {
        set_error(client, "connection closed within a response", ret);
    }
}

/* ---- time ---- */

leat_time leat_http_client_deadline(const leat_http_client *client)
{
    switch (client->in) {
    case CLIENT_IDLE:
    case CLIENT_HEAD:
        return client->deadline;
    case CLIENT_AWAIT:
        return client->writing ? LEAT_NEVER : client->deadline;
    case CLIENT_BODY:
        return leat__http_body_deadline(&client->body, &client->config);
    default:
        return LEAT_NEVER;
    }
}

void leat_http_client_expire(leat_http_client *client, leat_time now, struct leat_http_event *ret)
{
    const leat_time deadline = leat_http_client_deadline(client);
    ret->kind = LEAT_HTTP_NONE;
    if (deadline == LEAT_NEVER || now < deadline) {
        return;
    }
    if (client->in == CLIENT_IDLE) {
        ret->kind = LEAT_HTTP_CLOSE;
        client->in = CLIENT_DEAD;
        return;
    }
    ENSURE(client->in == CLIENT_AWAIT || client->in == CLIENT_HEAD || client->in == CLIENT_BODY);
    set_error(client, "response took too long", ret);
}
