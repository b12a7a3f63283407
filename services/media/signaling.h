/* The actor that answers WHIP and WHEP, in parts:
 *
 *   signaling.c          what the runtime gives it, and what it asks for; ports, shutdown
 *   signaling_request.c  what a request is for and who may, then to one of the two below
 *   signaling_post.c     a new session: limits, conflicts, the answer
 *   signaling_session.c  a session's life: spawned, told, ended; groups
 *   signaling_patch.c    PATCH: trickle and restart
 *   signaling_list.c     the list of streams
 *   signaling_reply.c    responses
 */
#ifndef MEDIA_SIGNALING_H
#define MEDIA_SIGNALING_H

#include "media.h"
#include "roster.h"
#include "whip.h"

#define PENDING_MAX 1024u /* POSTs that wait for their session: each holds an answer of some KiB */
#define RETRY_NS (100 * LEAT_MS) /* a goodbye that a full mailbox has refused */

/* Seconds of Retry-After. */
#define RETRY_BUSY 5u /* a limit is reached */
#define RETRY_SOON 2u /* the stream is taken, or has nobody yet */

/* A restart that is on its way to its session: the answer depends on whether that takes it. */
struct restart {
    struct session *session; /* NULL: none */
    struct leat_httpd_exchange exchange;
    leat_slice answer;
    char *remote; /* the client's new credentials, as in the session */
    char *origin;
    uint64_t etag;
    bool is_refused;
};

struct signaling {
    leat_media *media;
    leat_time now;
    struct roster roster;
    uint32_t ports; /* that are open */
    bool is_shutdown, is_stopping;
    struct media_worker *port; /* the argument of the last one spawned */
    uint32_t source_last;
    leat_time retry_at;      /* LEAT_NEVER: no goodbye is owed */
    uint64_t answering;      /* number of the session whose 201 is being sent */
    struct session *waiting; /* a list: those with an exchange */
    uint32_t waiting_count;
    struct session *todo,
        *todo_last; /* a list: those of which something is to be popped; empty between inputs */
    struct restart restart;
    struct leat_sdp_offer offer; /* of the request at hand */
    leat_outbox(LEAT_WORKERS_MAX + 8) out;
};

/* A request, and what was found out about it. Strings are lent with the request. */
struct ask {
    const struct leat_httpd_request *request;
    struct whip_target target;
    leat_http_str origin; /* that may read the answer; empty: none */
    enum leat_media_verdict verdict;
    char stream[LEAT_MEDIA_STREAM_MAX + 1];
};

/* ---- cookies: what an answer of the runtime is for ---- */

enum cookie_kind { COOKIE_PORT = 1, COOKIE_SESSION, COOKIE_GROUP };

static inline uint64_t cookie_of(enum cookie_kind kind, uint64_t number)
{
    return (uint64_t)kind << 56 | number;
}

static inline enum cookie_kind cookie_kind(uint64_t cookie)
{
    return (enum cookie_kind)(cookie >> 56);
}

static inline uint64_t cookie_number(uint64_t cookie)
{
    return cookie & 0xffffffffffffffu;
}

/* A group's number: 8 bits of worker, 48 of stream. */
#define GROUP_STREAM_MASK 0xffffffffffffu
static inline uint64_t group_cookie(const struct stream *stream, uint32_t worker)
{
    return cookie_of(COOKIE_GROUP, (uint64_t)worker << 48 | (stream->id & GROUP_STREAM_MASK));
}

/* ---- the parts ---- */

void signaling_request(struct signaling *self, const struct leat_httpd_request *request);
void signaling_post(struct signaling *self, const struct ask *ask);
void signaling_patch(struct signaling *self, const struct ask *ask, struct session *session);
void signaling_restarted(
    struct signaling *self); /* the restart has been taken, or refused: answers */
void signaling_restart_forget(struct signaling *self);
char *signaling_credentials(
    const struct leat_ice_credentials *of); /* "ufrag pwd", malloc'ed; NULL */
void signaling_list(struct signaling *self, const struct ask *ask);

/* Begins a session that is in its stream's list and waits for its answer. */
void signaling_session_begin(struct signaling *self, struct session *session);
void signaling_session_spawned(struct signaling *self, uint64_t number, int status, leat_ref child);
void signaling_group_spawned(struct signaling *self, uint64_t number, int status, leat_ref child);
void signaling_session_down(struct signaling *self, uint64_t number);
void signaling_session_end(struct signaling *self, struct session *session);
void signaling_session_gone(struct signaling *self, struct leat_httpd_exchange exchange);
void signaling_todo(struct signaling *self, struct session *session);
bool signaling_todo_pop(struct signaling *self,
                        struct leat_output *ret); /* takes one; false: no output */
void signaling_publisher_choose(struct stream *stream);
void signaling_monitor_refused(struct signaling *self, const struct leat_output *output,
                               int status);
void signaling_send_refused(struct signaling *self, const struct leat_output *output, int status);

/* Takes a session out of everything, and its stream with it if that was the last. */
void signaling_session_drop(struct signaling *self, struct session *session);

/* ---- responses ---- */

struct reply {
    unsigned status;
    struct whip_headers headers;
    leat_slice body;
    char number[12]; /* of Retry-After */
};

/* With the fields of CORS. */
void reply_begin(struct reply *reply, unsigned status, leat_http_str origin);
void reply_retry(struct reply *reply, unsigned seconds);

/* Gives the body away. */
void reply_send(struct signaling *self, struct leat_httpd_exchange exchange, struct reply *reply);

/* The same with a problem document (RFC 9457). */
void reply_problem(struct signaling *self, struct leat_httpd_exchange exchange, struct reply *reply,
                   const char *detail);

/* What is wrong with a request, without more fields. */
void reply_error(struct signaling *self, const struct ask *ask, unsigned status,
                 const char *detail);
void reply_error_retry(struct signaling *self, const struct ask *ask, unsigned status,
                       const char *detail, unsigned seconds);

/* Bytes as a body. -ENOMEM. */
int reply_body(const char *bytes, size_t len, leat_slice *ret);

#define ETAG_LEN 18u
leat_http_str etag_write(uint64_t etag, char ret[ETAG_LEN + 1]);

#endif
