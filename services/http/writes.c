/* Bytes out. What the machine writes goes into `out`, a buffer of the pool; short bodies are copied behind it,
 * so pipelined responses share one; a long body is a piece of its own, by reference. Complete pieces wait
 * in a ring until they are popped. This is the one place where bytes leave a connection; with TLS they are encrypted
 * as they are popped (secure_pop). */
#include "session.h"

#include <errno.h>
#include <stdlib.h>

#define WRITES_MIN 8u
#define WRITES_ENOUGH 6u /* pieces that wait; then no more requests are read until they have gone */

/* ---- the ring ---- */

bool writes_wait(const struct session *self)
{
    return self->writes_len > 0 || self->out_len > 0;
}

bool writes_are_empty(const struct session *self)
{
    return !writes_wait(self) && secure_is_sent(self);
}

bool writes_have_room(const struct session *self)
{
    return self->writes_len < WRITES_ENOUGH;
}

static bool ring_grow(struct session *self)
{
    const uint32_t cap = self->writes_cap == 0 ? WRITES_MIN : 2 * self->writes_cap;
    leat_slice *ring = malloc(cap * sizeof(*ring));
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < self->writes_len; i++) {
        ring[i] = self->writes[(self->writes_head + i) & (self->writes_cap - 1)];
    }
    free(self->writes);
    self->writes = ring;
    self->writes_cap = cap;
    self->writes_head = 0;
    return true;
}

/* The reference is given away. False: no memory, the connection is reset. */
static bool ring_push(struct session *self, leat_slice body)
{
    if (self->writes_len == self->writes_cap && !ring_grow(self)) {
        leat_buf_unref(body.buf);
        session_reset(self);
        return false;
    }
    self->writes[(self->writes_head + self->writes_len) & (self->writes_cap - 1)] = body;
    self->writes_len++;
    self->writes_bytes += body.len;
    return true;
}

/* What is in `out` becomes a piece. */
static bool out_push(struct session *self)
{
    if (self->out_len == 0) {
        return true;
    }
    const leat_slice piece = leat_slice_sub(self->out, 0, self->out_len);
    self->out = (leat_slice){0};
    self->out_len = 0;
    return ring_push(self, piece);
}

bool writes_pop_plain(struct session *self, leat_slice *ret)
{
    if (self->writes_len == 0 && self->out_len > 0) { /* the usual case: no ring is ever made */
        *ret = leat_slice_sub(self->out, 0, self->out_len);
        self->out = (leat_slice){0};
        self->out_len = 0;
        return true;
    }
    if (self->writes_len == 0) {
        return false;
    }
    *ret = self->writes[self->writes_head];
    self->writes_head = (self->writes_head + 1) & (self->writes_cap - 1);
    self->writes_len--;
    self->writes_bytes -= ret->len;
    return true;
}

bool writes_pop(struct session *self, leat_slice *ret)
{
    return self->secure != NULL ? secure_pop(self, ret) : writes_pop_plain(self, ret);
}

void writes_unpop(struct session *self, leat_slice body)
{
    if (self->secure != NULL) {
        secure_unpop(self, body);
        return;
    }
    if (self->writes_len == self->writes_cap && !ring_grow(self)) {
        leat_buf_unref(body.buf);
        session_reset(self);
        return;
    }
    self->writes_head = (self->writes_head - 1) & (self->writes_cap - 1);
    self->writes[self->writes_head] = body;
    self->writes_len++;
    self->writes_bytes += body.len;
}

void writes_drop(struct session *self)
{
    leat_slice body;
    while (writes_pop_plain(self, &body)) {
        leat_buf_unref(body.buf);
    }
    secure_drop_out(self);
    leat_buf_unref(self->out.buf);
    self->out = (leat_slice){0};
    free(self->writes);
    self->writes = NULL;
    self->writes_cap = 0;
}

/* ---- what the machine writes ---- */

/* Room for `len` bytes or more, behind what is there or in a new buffer. NULL data: no memory. */
static struct leat_http_out room(struct session *self, size_t len)
{
    if (self->out.buf != NULL && self->out.len - self->out_len < len) {
        if (self->out_len == 0) {
            leat_buf_unref(self->out.buf);
            self->out = (leat_slice){0};
        } else if (!out_push(self)) {
            return (struct leat_http_out){NULL, 0, 0};
        }
    }
    if (self->out.buf == NULL) {
        const uint32_t size = len > OUT_LEN ? (uint32_t)len : OUT_LEN;
        if (leat_buf_alloc(size, &self->out) < 0) {
            self->out = (leat_slice){0};
            session_reset(self);
            return (struct leat_http_out){NULL, 0, 0};
        }
    }
    return (struct leat_http_out){(char *)leat_slice_data(self->out) + self->out_len,
                                  self->out.len - self->out_len, 0};
}

static void commit(struct session *self, const struct leat_http_out *out)
{
    self->out_len += (uint32_t)out->len;
}

/* The response as it is to go out: with the date, and the last one where it must be. */
static struct leat_http_response complete(struct session *self,
                                          const struct leat_http_response *response)
{
    struct leat_http_response whole = *response;
    whole.date = leat__httpd_date(self->shard, self->now);
    whole.close =
        response->close || self->is_last || self->life != LIFE_OPEN || self->shard->is_full;
    return whole;
}

static void count_response(struct session *self, unsigned status)
{
    self->answered = true;
    count(&stats_of(self)->responses[status / 100], 1);
}

int writes_respond(struct session *self, const struct leat_http_response *response)
{
    const struct leat_http_response whole = complete(self, response);
    for (size_t len = 512;; len = len < OUT_LEN ? OUT_LEN : 2 * len) {
        struct leat_http_out out = room(self, len);
        if (out.data == NULL) {
            return -ENOMEM;
        }
        const int status = leat_http_server_respond(self->machine, &whole, &out);
        if (status == 0) {
            commit(self, &out);
            count_response(self, whole.status);
        }
        if (status != -ENOSPC || len >= OUT_LEN_MAX) {
            return status;
        }
    }
}

int writes_reply(struct session *self, const struct leat_http_response *response,
                 leat_http_str body)
{
    const struct leat_http_response whole = complete(self, response);
    for (size_t len = 256 + body.len;; len = len < OUT_LEN ? OUT_LEN : 2 * len) {
        struct leat_http_out out = room(self, len);
        if (out.data == NULL) {
            return -ENOMEM;
        }
        const int status = leat_http_server_reply(self->machine, self->now, &whole, body, &out);
        if (status == 0) {
            commit(self, &out);
            count_response(self, whole.status);
        }
        if (status != -ENOSPC || len >= OUT_LEN_MAX + body.len) {
            return status;
        }
    }
}

int writes_continue(struct session *self)
{
    struct leat_http_out out = room(self, 64);
    if (out.data == NULL) {
        return -ENOMEM;
    }
    const int status = leat_http_server_continue(self->machine, self->now, &out);
    commit(self, &out);
    return status;
}

int writes_bytes(struct session *self, leat_http_str bytes)
{
    struct leat_http_out out = room(self, bytes.len + 32);
    if (out.data == NULL) {
        return -ENOMEM;
    }
    const int status = leat_http_server_write(self->machine, bytes, &out);
    commit(self, &out);
    return status;
}

int writes_data(struct session *self, leat_slice body)
{
    if (leat_batch_len(body) > 0) { /* its bytes are pointers */
        leat_buf_unref(body.buf);
        return -EINVAL;
    }
    if (body.len <= COPY_MAX) {
        const leat_http_str bytes = {body.buf ? (const char *)leat_slice_data(body) : NULL,
                                     body.len};
        const int status = body.len > 0 ? writes_bytes(self, bytes) : 0;
        leat_buf_unref(body.buf);
        return status;
    }
    uint64_t send = 0;
    struct leat_http_out out = room(self, 32);
    int status =
        out.data == NULL ? -ENOMEM : leat_http_server_data(self->machine, body.len, &out, &send);
    if (status == 0) {
        commit(self, &out);
    }
    if (status == 0 && send > 0) {
        if (out_push(self)) {
            return ring_push(self, body) ? 0 : -ENOMEM;
        }
        status = -ENOMEM;
    }
    leat_buf_unref(body.buf);
    return status;
}

int writes_end(struct session *self)
{
    struct leat_http_out out = room(self, 32);
    if (out.data == NULL) {
        return -ENOMEM;
    }
    const int status = leat_http_server_end(self->machine, self->now, &out);
    commit(self, &out);
    return status;
}

/* ---- responses of the server's own ---- */

void writes_refuse(struct session *self, const struct leat_http_error *error)
{
    struct leat_http_out out = room(self, 1024);
    if (out.data == NULL || error->status == 0) {
        return;
    }
    const leat_http_str date = leat__httpd_date(self->shard, self->now);
    if (leat_http_server_refuse(self->machine, self->now, error, date, &out) == 0) {
        commit(self, &out);
        count_response(self, error->status);
    }
}

void writes_problem(struct session *self, unsigned status, const struct leat_http_header *header)
{
    char text[256];
    struct leat_http_out body = {text, sizeof(text), 0};
    const struct leat_http_problem problem = {.status = status};
    struct leat_http_header headers[2] = {
        {leat_http_str_of("Content-Type"), leat_http_str_of("application/problem+json")}};
    if (header != NULL) {
        headers[1] = *header;
    }
    const struct leat_http_response response = {
        .status = (uint16_t)status, .headers = headers, .header_count = header != NULL ? 2 : 1};
    (void)leat_http_problem_write(&body, &problem);
    if (writes_reply(self, &response, (leat_http_str){text, body.len}) != 0) {
        session_reset(self);
        return;
    }
    session_response_over(self);
}
