/* The client inside. An ask is a message that is kept until it is answered; it waits for a connection, or is
 * on one. A connection has one ask at a time, or is idle. */
#ifndef LEAT_SERVICES_HTTP_AGENT_H
#define LEAT_SERVICES_HTTP_AGENT_H

#include <leat/http_agent.h>

#include "site.h"

struct ask {
    struct ask *next;   /* that waits, later */
    leat_slice message; /* a reference; `what` lies in it */
    const struct leat_http_ask *what;
    leat_ref from;
    leat_time until;
    bool is_repeated;
};

enum conn_state {
    CONN_FREE,
    CONN_CONNECTING,
    CONN_IDLE,
    CONN_BUSY,
    CONN_CLOSING, /* CLOSE was said; its place is taken until SOCK_CLOSED */
};

struct conn {
    uint8_t state;
    bool is_reused; /* by the ask it has */
    bool is_begun;  /* a byte of the response has come */
    leat_sock sock;
    struct leat_addr peer;
    leat_http_client *machine;
    struct ask *ask;
    leat_slice answer; /* struct leat_http_answer and its head, when that has come */
    leat_slice body;
    uint32_t body_cap;
    leat_time idle_since;
};

struct agent {
    struct leat_http_agent_config config;
    leat_time now;
    struct conn *conns;       /* connections_max of them */
    struct ask *first, *last; /* that wait */
    uint32_t waiting;
    bool is_ending;
    leat_outbox(24) out;
};

/* ---- agent_message.c ---- */

/* An answer without a response. */
void agent_tell(struct agent *agent, struct ask *ask, int error);

/* The answer whose head is in `answer`; both references are given away. */
void agent_tell_response(struct agent *agent, struct ask *ask, leat_slice answer, leat_slice body);
void ask_free(struct ask *ask);

/* A response's head, copied. -ENOMEM. */
int answer_copy(const struct leat_http_response_head *response, leat_slice *ret);

/* ---- agent_conn.c ---- */

/* Sends the ask on a connection that is idle. */
void conn_send(struct agent *agent, struct conn *conn, struct ask *ask);
void conn_data(struct agent *agent, struct conn *conn, leat_http_str bytes);

/* The peer closed, one half or all: -ECONNRESET or another status of SOCK_CLOSED. */
void conn_eof(struct agent *agent, struct conn *conn);
void conn_closed(struct agent *agent, struct conn *conn, int status);

/* Ends it, and its ask with that error. */
void conn_fail(struct agent *agent, struct conn *conn, int error);
void conn_expire(struct agent *agent, struct conn *conn);

/* ---- agent.c ---- */

/* The ask waits, or is sent. */
void agent_place(struct agent *agent, struct ask *ask);

#endif
