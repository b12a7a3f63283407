/* Requests answered by actors: what is sent to them, and what they send back. A message to a session carries in
 * its type which of its requests it is for, so what comes late is known for it and dropped. The session
 * monitors who is to answer. */
#include "session.h"

#include <errno.h>

#include "pieces.h"

/* type: 8 bits that are ours, 20 of the exchange's number, 4 of what it is */
#define TYPE_OURS 0x49u
#define NUMBER_MASK 0xfffffu

enum word {
    WORD_RESPOND = 1, /* struct leat_http_response, then its headers and their bytes */
    WORD_REPLY,       /* the same; or a batch of that and the body */
    WORD_DATA,
    WORD_END,
    WORD_ABORT,
    WORD_TAKEN, /* uint32_t */
};

/* The payload of DRAINED. */
struct drained {
    struct leat_httpd_exchange exchange;
    uint32_t bytes;
    uint32_t zero;
};

/* ---- for the actor ---- */

static uint32_t type_of(struct leat_httpd_exchange exchange, enum word word)
{
    return TYPE_OURS << 24 | (exchange.number & NUMBER_MASK) << 4 | (uint32_t)word;
}

const struct leat_httpd_request *leat_httpd_request_of(const struct leat_event *event)
{
    ENSURE(event->kind == LEAT_EVENT_MESSAGE && event->type == LEAT_HTTPD_REQUEST);
    return request_of(pieces_first(event->body));
}

uint32_t leat_httpd_drained_of(const struct leat_event *event, struct leat_httpd_exchange *ret)
{
    struct drained payload;
    ENSURE(event->kind == LEAT_EVENT_MESSAGE && event->type == LEAT_HTTPD_DRAINED &&
           event->len == sizeof(payload));
    memcpy(&payload, event->payload, sizeof(payload));
    *ret = payload.exchange;
    return payload.bytes;
}

/* The head of a response in a buffer of its own. */
static int answer_pack(const struct leat_http_response *response, leat_slice *ret)
{
    const size_t headers_len = pieces_headers_len(response->headers, response->header_count);
    leat_slice slice;
    if (headers_len > OUT_LEN_MAX) {
        return -EINVAL;
    }
    if (leat_buf_alloc((uint32_t)(sizeof(*response) + headers_len), &slice) < 0) {
        return -ENOMEM;
    }
    struct leat_http_response *copy = (struct leat_http_response *)(void *)leat_slice_data(slice);
    char *at = (char *)(copy + 1);
    *copy = *response;
    copy->headers = pieces_headers(&at, response->headers, response->header_count);
    *ret = slice;
    return 0;
}

int leat_httpd_respond(struct leat_output *out, struct leat_httpd_exchange exchange,
                       const struct leat_http_response *response)
{
    leat_slice head;
    const int status = answer_pack(response, &head);
    if (status == 0) {
        leat_output_send_body(out, exchange.session, type_of(exchange, WORD_RESPOND), head);
    }
    return status;
}

int leat_httpd_reply(struct leat_output *out, struct leat_httpd_exchange exchange,
                     const struct leat_http_response *response, leat_slice body)
{
    struct leat_http_response whole = *response;
    leat_slice head, both;
    whole.body_len = body.len;
    int status = answer_pack(&whole, &head);
    if (status != 0) {
        leat_buf_unref(body.buf);
        return status;
    }
    status = pieces_pair(head, body, &both);
    if (status == 0) {
        leat_output_send_body(out, exchange.session, type_of(exchange, WORD_REPLY), both);
    }
    return status;
}

void leat_httpd_data(struct leat_output *out, struct leat_httpd_exchange exchange, leat_slice body)
{
    leat_output_send_body(out, exchange.session, type_of(exchange, WORD_DATA), body);
}

void leat_httpd_end(struct leat_output *out, struct leat_httpd_exchange exchange)
{
    leat_output_send(out, exchange.session, type_of(exchange, WORD_END), NULL, 0);
}

void leat_httpd_abort(struct leat_output *out, struct leat_httpd_exchange exchange)
{
    leat_output_send(out, exchange.session, type_of(exchange, WORD_ABORT), NULL, 0);
}

void leat_httpd_taken(struct leat_output *out, struct leat_httpd_exchange exchange, uint32_t bytes)
{
    leat_output_send(out, exchange.session, type_of(exchange, WORD_TAKEN), &bytes, sizeof(bytes));
}

/* ---- to the actor ---- */

static struct leat_httpd_exchange exchange_of(const struct session *self)
{
    return (struct leat_httpd_exchange){.session = leat_self(self), .number = self->number};
}

static void forget(struct session *self, leat_ref who)
{
    for (uint32_t i = 0; i < self->monitors_len; i++) {
        if (leat_ref_equal(self->monitors[i], who)) {
            self->monitors[i] = self->monitors[--self->monitors_len];
            break;
        }
    }
}

/* DOWN is wanted from `who`. A monitor lasts as long as either side does, so a connection that has set a few
 * of them ends after its response. */
static void watch(struct session *self, leat_ref who)
{
    for (uint32_t i = 0; i < self->monitors_len; i++) {
        if (leat_ref_equal(self->monitors[i], who)) {
            return;
        }
    }
    if (self->monitors_len == MONITORS_MAX) {
        return;
    }
    self->monitors[self->monitors_len++] = who;
    self->is_last |= self->monitors_len >= MONITORS_MAX - 1;
    leat_output_monitor(leat_outbox_put(&self->control), who, 0);
}

/* The monitor was refused, as its mailbox was full: it is asked for again later. */
void answer_unwatched(struct session *self, leat_ref who)
{
    forget(self, who);
    self->is_late = true;
}

void answer_watch(struct session *self)
{
    if (self->answerer.id != 0 && !self->is_late) {
        watch(self, self->answerer);
    }
}

void answer_ask(struct session *self, leat_slice request, leat_slice body)
{
    const leat_ref actor = self->shard->httpd->routes[self->route].actor;
    request_of(request)->exchange = exchange_of(self);
    request_of(request)->body = body.len > 0 ? body : (leat_slice){0};
    leat_slice message;
    if (pieces_pair(request, body, &message) < 0) {
        session_reset(self);
        return;
    }
    self->answerer = actor;
    self->untaken = 0;
    self->owed = 0;
    const leat_time answer_ns = config_of(self)->answer_ns;
    self->answer_until = answer_ns < LEAT_NEVER - self->now ? self->now + answer_ns : LEAT_NEVER;
    watch(self, actor);
    leat_output_send_body(leat_outbox_put(&self->control), actor, LEAT_HTTPD_REQUEST, message);
}

static void send_part(struct session *self)
{
    if (self->body.len == 0) {
        return;
    }
    struct leat_output *out = leat_outbox_put(&self->control);
    leat_output_send_body(out, self->answerer, LEAT_HTTPD_BODY, self->body);
    leat_output_wait(out);
    self->untaken += self->body.len;
    self->body = (leat_slice){0};
}

/* A copy, for what arrived lies in a buffer for receiving, of which there are few. While the actor has
 * something to take, small parts are put together: the window bounds bytes, and its mailbox messages. */
void answer_body(struct session *self, leat_http_str bytes)
{
    if (pieces_append(&self->body, &self->body_cap, bytes) < 0) {
        session_reset(self);
    } else if (self->untaken == 0 || self->body.len >= LEAT_HTTPD_PART) {
        send_part(self);
    }
}

void answer_body_end(struct session *self)
{
    send_part(self);
    struct leat_output *out = leat_outbox_put(&self->control);
    leat_output_send(out, self->answerer, LEAT_HTTPD_BODY_END, NULL, 0);
    leat_output_wait(out);
}

void answer_gone(struct session *self)
{
    if (self->answerer.id == 0) {
        return;
    }
    const struct leat_httpd_exchange exchange = exchange_of(self);
    struct leat_output *out = leat_outbox_put(&self->control);
    leat_output_send(out, self->answerer, LEAT_HTTPD_GONE, &exchange, sizeof(exchange));
    leat_output_wait(out);
    self->answerer = LEAT_REF_NONE;
}

void answer_drained(struct session *self)
{
    if (self->owed < LEAT_HTTPD_WINDOW / 4 || self->is_late || !writes_are_empty(self) ||
        self->answerer.id == 0) {
        return;
    }
    const struct drained payload = {exchange_of(self), self->owed, 0};
    leat_output_send(leat_outbox_put(&self->control), self->answerer, LEAT_HTTPD_DRAINED, &payload,
                     sizeof(payload));
    self->owed = 0;
}

/* ---- from the actor ---- */

/* It did not answer, or not to the end. */
static void give_up(struct session *self, unsigned status)
{
    if (self->answered) {
        session_reset(self); /* only that shows the client that it is not whole */
    } else {
        const struct leat_http_header later = {leat_http_str_of("Retry-After"),
                                               leat_http_str_of("1")};
        writes_problem(self, status, status == 503 ? &later : NULL);
    }
}

static void begin(struct session *self, const struct leat_event *event)
{
    const leat_slice part = pieces_first(event->body);
    const struct leat_http_response *response =
        (const struct leat_http_response *)(const void *)leat_slice_data(part);
    self->answerer = event->from;
    watch(self, event->from);
    if (writes_respond(self, response) != 0 && session_is_open(self)) {
        self->answerer = LEAT_REF_NONE;
        writes_problem(self, 500, NULL);
    }
}

static void end(struct session *self)
{
    if (writes_end(self) != 0) { /* less than was announced */
        session_reset(self);
    } else {
        session_response_over(self);
    }
}

static void data(struct session *self, const struct leat_event *event)
{
    if (self->writes_bytes > 2 * LEAT_HTTPD_WINDOW) {
        answer_gone(self);
        session_reset(self); /* it does not keep to the window */
        return;
    }
    self->owed += event->body.len;
    if (writes_data(self, leat_slice_ref(event->body)) != 0) { /* more than was announced */
        answer_gone(self);
        session_reset(self);
    }
}

static void reply(struct session *self, const struct leat_event *event)
{
    begin(self, event);
    if (!self->answered || !session_is_open(self) || self->answerer.id == 0) {
        return;
    }
    const int status = writes_data(self, leat_slice_ref(pieces_body(event->body)));
    if (status != 0) {
        session_reset(self);
    } else {
        end(self);
    }
}

void answer_message(struct session *self, const struct leat_event *event)
{
    const bool is_ours = event->type >> 24 == TYPE_OURS;
    const bool is_now = (event->type >> 4 & NUMBER_MASK) == (self->number & NUMBER_MASK) &&
                        (self->phase == PHASE_ANSWER || self->phase == PHASE_STREAM) &&
                        self->answerer.id != 0 && session_is_open(self);
    if (!is_ours || !is_now) {
        return;
    }
    const enum word word = (enum word)(event->type & 15);
    const bool begins = word == WORD_RESPOND || word == WORD_REPLY;
    if (word == WORD_ABORT) {
        self->answerer = LEAT_REF_NONE;
        give_up(self, 500);
    } else if (word == WORD_TAKEN) {
        uint32_t bytes;
        memcpy(&bytes, event->payload, sizeof(bytes));
        self->untaken -= bytes < self->untaken ? bytes : self->untaken;
        self->more = true;
        if (self->untaken == 0 && self->phase == PHASE_STREAM) {
            send_part(self);
        }
    } else if (begins == self->answered) {
        return; /* twice, or too early */
    } else if (word == WORD_RESPOND) {
        begin(self, event);
    } else if (word == WORD_REPLY) {
        reply(self, event);
    } else if (word == WORD_DATA && event->len == LEAT_LEN_BODY) {
        data(self, event);
    } else if (word == WORD_END) {
        end(self);
    }
}

void answer_down(struct session *self, leat_ref who)
{
    forget(self, who);
    if (leat_ref_equal(self->answerer, who) && session_is_open(self)) {
        self->answerer = LEAT_REF_NONE;
        give_up(self, 502);
    }
}

void answer_expire(struct session *self)
{
    count(&stats_of(self)->timeouts, 1);
    answer_gone(self);
    give_up(self, 504);
}

/* Who did not get a request, or a part of its body, gets nothing that comes behind. */
static void withdraw(struct session *self, leat_ref who)
{
    struct leat_output out;
    for (uint32_t n = self->control.ring.len; n > 0 && leat_outbox_pop(&self->control, &out); n--) {
        if (out.kind == LEAT_OUTPUT_SEND && leat_ref_equal(out.to, who) &&
            (out.type == LEAT_HTTPD_BODY || out.type == LEAT_HTTPD_BODY_END)) {
            leat_output_release(&out);
        } else {
            *leat_outbox_put(&self->control) = out;
        }
    }
}

void answer_refused(struct session *self, struct leat_output *output, int status)
{
    const bool is_now = leat_ref_equal(output->to, self->answerer) && session_is_open(self);
    const uint32_t type = output->type;
    (void)status;
    if (is_now && type == LEAT_HTTPD_DRAINED) {
        struct drained payload;
        memcpy(&payload, output->payload, sizeof(payload));
        self->owed += payload.bytes;
        self->is_late = true;
    } else if (is_now && (type == LEAT_HTTPD_REQUEST || type == LEAT_HTTPD_BODY ||
                          type == LEAT_HTTPD_BODY_END)) {
        withdraw(self, output->to);
        if (type == LEAT_HTTPD_REQUEST) {
            self->answerer = LEAT_REF_NONE; /* it knows nothing of it */
        } else {
            answer_gone(self);
        }
        give_up(self, 503);
    }
    leat_output_release(output);
}
