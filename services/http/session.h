/* One connection. Its parts, each in a file:
 *
 *   session.c   its life: inputs, outputs, deadlines
 *   intake.c    bytes in: what the machine makes of them, bodies collected or streamed, dispatch
 *   writes.c    bytes out: the response's head and body, the queue of what the socket has not taken
 *   answer.c    an actor's answer, as messages
 *   call.c      a function's answer, and the routes nobody has
 *   events.c    an event stream from the bus
 *   request.c   a request with its body in one buffer
 *   secure.c    TLS, if there is: before the intake, behind the writes
 *
 * Invariants. There is one request at a time (the machine sees to it). Bytes that cannot be fed yet are `in`,
 * and while there are any the socket is paused, so `in` is at most what one DATA brought. Nothing is written
 * while the socket is full (`is_full`), and no new request begun: what waits is bounded by LEAT_HTTPD_WINDOW twice,
 * but for bodies given whole, which are by reference. */
#ifndef LEAT_SERVICES_HTTP_SESSION_H
#define LEAT_SERVICES_HTTP_SESSION_H

#include "site.h"

#define OUT_LEN 1856u      /* what the pool's small buffer has behind its headroom */
#define OUT_LEN_MAX 65536u /* of a head */
#define COPY_MAX                                                                                   \
    1024u /* a body up to this is cheaper copied than as one more piece for the kernel */
#define MONITORS_MAX 8u

enum phase {
    PHASE_IDLE,    /* no request, or only a part of a head */
    PHASE_COLLECT, /* its body is being collected */
    PHASE_STREAM,  /* its body goes to the actor piece by piece */
    PHASE_ANSWER,  /* it has been told whole: an answer is awaited, or under way */
    PHASE_EVENTS,  /* an event stream */
    PHASE_DROP,    /* the answer has ended before the request, whose rest is dropped */
};

enum life {
    LIFE_OPEN,
    LIFE_LAST,      /* SHUTDOWN: what is under way, then the end */
    LIFE_FINISHING, /* no more requests; what is queued, then FINISH */
    LIFE_LINGERING, /* FINISH was said: what comes is dropped until the peer has closed too */
    LIFE_CLOSING,   /* CLOSE was said */
    LIFE_ENDED,     /* the connection is gone */
};

struct session {
    struct shard *shard;
    leat_sock sock;
    leat_http_server *machine;
    leat_time now;
    struct leat_addr peer;
    uint8_t life;
    uint8_t phase;
    bool is_paused;     /* PAUSE was said */
    bool is_full;       /* the socket refused: until WRITABLE */
    bool is_last;       /* the next response is to be the last */
    bool more;          /* the machine may have more to say */
    bool request_ended; /* the machine has told its END */
    bool answered;      /* the response has begun */
    bool is_held;       /* as told to the machine */
    bool is_late;       /* a DRAINED, or a monitor, was refused: again later */
    bool is_head;       /* the request's method is HEAD */
    bool is_shutdown;
    bool eof; /* FINISHED came */

    struct secure *secure; /* NULL: no TLS */

    /* in */
    leat_slice in; /* came, and is not fed yet; a reference of our own when in_owned */
    bool in_owned;
    bool is_called; /* a handler runs, to which a request is lent that may lie there */

    /* the request under way */
    uint32_t number;
    uint32_t route;
    leat_slice request; /* struct leat_httpd_request and its strings */
    leat_slice body;    /* collected so far, all of it or the next part; its buffer has more room */
    uint32_t body_cap;
    uint32_t untaken; /* bytes that went to the actor and it has not taken */
    leat_ref answerer;
    leat_time answer_until;
    uint32_t owed; /* bytes of its answer that it was not told of */

    /* an event stream */
    leat_channel channel;
    leat_time heartbeat;

    /* out */
    leat_slice out; /* being filled: the whole buffer; out_len bytes are used */
    uint32_t out_len;
    leat_slice *writes;  /* a ring: complete, for the socket */
    uint32_t writes_cap; /* a power of two, or 0 */
    uint32_t writes_head;
    uint32_t writes_len;
    uint32_t writes_bytes;
    leat_time send_until; /* is_full, lingering, or not given yet: when that has taken too long */

    leat_ref monitors[MONITORS_MAX];
    uint32_t monitors_len;
    leat_outbox(16) control;
};

static inline struct leat_httpd_stats *stats_of(struct session *self)
{
    return &self->shard->stats;
}

static inline const struct leat_httpd_config *config_of(const struct session *self)
{
    return &self->shard->httpd->config;
}

/* ---- session.c ---- */

/* The connection is of no use any more, and nothing is owed to it: at once, dropping what is queued. */
void session_reset(struct session *self);

/* What is queued is sent, then it ends. */
void session_finish(struct session *self);

/* The response is over, and with it the exchange, or what is left of the request is dropped. */
void session_response_over(struct session *self);

/* Both are: what was kept for them is given back, and the next request may be read. */
void session_exchange_over(struct session *self);

/* The client sends nothing more, and all it sent was fed. */
void session_peer_ended(struct session *self);

static inline bool session_is_open(const struct session *self)
{
    return self->life <= LIFE_LAST;
}

/* ---- intake.c ---- */

/* Feeds what there is, as far as it can be answered now. */
void intake_pump(struct session *self);

/* Keeps what was lent; the connection is reset when there is no memory. */
void intake_keep(struct session *self);
void intake_drop(struct session *self);
bool intake_is_fed(const struct session *self); /* nothing waits */

/* ERROR or CLOSE, from wherever the machine told it; NONE is nothing. */
void intake_fault(struct session *self, const struct leat_http_event *event);

/* ---- writes.c ---- */

/* Each returns 0 or what the machine said; the session is reset when there is no memory. */
int writes_respond(struct session *self, const struct leat_http_response *response);
int writes_reply(struct session *self, const struct leat_http_response *response,
                 leat_http_str body);
int writes_continue(struct session *self);

/* A part of the body; the reference is given away. */
int writes_data(struct session *self, leat_slice body);
int writes_bytes(struct session *self, leat_http_str bytes);
int writes_end(struct session *self);
void writes_refuse(struct session *self, const struct leat_http_error *error);

/* The next for the socket; false: none. */
bool writes_pop(struct session *self, leat_slice *ret);
void writes_unpop(struct session *self, leat_slice body); /* it was refused */

/* The next as the machine wrote it, and whether there is one: secure.c's. */
bool writes_pop_plain(struct session *self, leat_slice *ret);
bool writes_wait(const struct session *self);

/* All has gone to the socket. */
bool writes_are_empty(const struct session *self);
bool writes_have_room(const struct session *self); /* for another response */
void writes_drop(struct session *self);

/* A whole response of the server's own, with a problem document; the response is over. `header` may be NULL. */
void writes_problem(struct session *self, unsigned status, const struct leat_http_header *header);

/* ---- secure.c ---- */

void secure_open(struct session *self); /* the connection has come; resets it if that fails */
void secure_close(struct session *self);
void secure_drop_in(struct session *self);
void secure_drop_out(struct session *self);

/* The peer's FIN, which is an error before its close_notify; the time of the handshake. */
void secure_eof(struct session *self);
leat_time secure_deadline(const struct session *self);
void secure_expire(struct session *self);

/* Where the machine's bytes come from: what was decrypted, or `in`. */
leat_slice *secure_source(struct session *self);

/* Decrypts more when the source is empty. False: there is nothing, and nothing else to do. */
bool secure_fill(struct session *self);
bool secure_is_fed(const struct session *self);
void secure_rest(struct session *self); /* gives memory back that is not in use */

/* Something is to be sent before more can be read. */
bool secure_must_flush(const struct session *self);

/* The next for the socket, encrypted. */
bool secure_pop(struct session *self, leat_slice *ret);
void secure_unpop(struct session *self, leat_slice body);
bool secure_is_sent(const struct session *self);
void secure_finish(struct session *self); /* close_notify is to be sent; idempotent */

/* ---- request.c ---- */

/* Copies what the machine lends into one buffer. -ENOMEM. */
int request_copy(const struct leat_httpd_request *request, leat_slice *ret);

static inline struct leat_httpd_request *request_of(leat_slice request)
{
    return (struct leat_httpd_request *)(void *)leat_slice_data(request);
}

/* ---- call.c ---- */

void call_route(struct session *self, const struct leat_httpd_request *request);
void call_nobody(struct session *self, const struct leat_http_match *match);

/* ---- answer.c ---- */

/* Asks the route's actor; `request` is given away, and is the session's own no more. */
void answer_ask(struct session *self, leat_slice request, leat_slice body);
void answer_body(struct session *self, leat_http_str bytes);
void answer_body_end(struct session *self);
void answer_message(struct session *self, const struct leat_event *event);
void answer_down(struct session *self, leat_ref who);
void answer_expire(struct session *self);
void answer_refused(struct session *self, struct leat_output *output, int status);
void answer_unwatched(struct session *self, leat_ref who);

/* Monitors who is to answer, if that was refused. */
void answer_watch(struct session *self);

/* Tells who is to answer that nothing is wanted any more. */
void answer_gone(struct session *self);

/* Tells who answers how much has left. */
void answer_drained(struct session *self);

/* ---- events.c ---- */

int events_start(struct session *self, leat_channel channel, leat_slice first);
void events_published(struct session *self, const struct leat_event *event);
void events_heartbeat(struct session *self);
void events_stop(struct session *self);

#endif
