/* The server's side of one HTTP/1.1 connection. See leat/http.h for what holds throughout.
 *
 * Feed what arrives, with leat_http_server_read, until the event is NONE; answer a REQUEST with
 * leat_http_server_respond, _data and _end. There is one request at a time: between its END and the end
 * of its response nothing more is consumed, so pipelined requests wait with the caller, who stops reading
 * the socket when it holds enough. However the bytes are cut, the events are the same, but for where a
 * body is cut.
 *
 *     do {
 *         used = leat_http_server_read(server, now, bytes, &event);
 *         bytes.data += used, bytes.len -= used;
 *         … event …
 *     } while (event.kind != LEAT_HTTP_NONE);
 *
 * Refused, with an ERROR event and the connection's end: everything that two parsers might read
 * differently. protocols/http/README.md lists it. */
#ifndef LEAT_HTTP_SERVER_H
#define LEAT_HTTP_SERVER_H

#include <leat/http_message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_http_server leat_http_server;

enum leat_http_event_kind {
    LEAT_HTTP_NONE,     /* nothing until more bytes come, or until the response has ended */
    LEAT_HTTP_REQUEST,  /* server: a head; `request` */
    LEAT_HTTP_RESPONSE, /* client: a head, of a 1xx too; `response` */
    LEAT_HTTP_BODY,     /* bytes of the body, a part of what was fed; `body` */
    LEAT_HTTP_END,      /* the message has ended; follows every head but a 1xx, unless an ERROR or a
                           response that closes came first */
    LEAT_HTTP_ERROR,    /* `error`; nothing more will come */
    LEAT_HTTP_CLOSE     /* close the connection: idle too long, or the peer did so; nothing is owed */
};

#define LEAT_HTTP_LEN_UNKNOWN UINT64_MAX /* chunked, or until the connection closes */

struct leat_http_request {
    enum leat_http_method method;
    uint8_t               version;     /* 10 or 11 */
    bool                  continues;   /* the client waits for leat_http_server_continue to send the body */
    bool                  keep_alive;  /* the client wants the connection to live on */
    leat_http_str         method_text;
    leat_http_str         target;      /* as it came */
    leat_http_str         path;        /* starts with '/', or is "*"; not decoded */
    leat_http_str         query;       /* what follows the '?', not decoded; data is NULL without one */
    leat_http_str         host;        /* with the port if it has one; empty only in HTTP/1.0 */
    uint64_t              body_len;    /* 0: no body; or LEAT_HTTP_LEN_UNKNOWN */
    struct leat_http_head head;
};

struct leat_http_response_head {
    uint16_t              status;
    uint8_t               version; /* 10 or 11 */
    leat_http_str         reason;
    uint64_t              body_len; /* 0: no body; or LEAT_HTTP_LEN_UNKNOWN */
    struct leat_http_head head;
};

struct leat_http_error {
    uint16_t    status; /* what to answer, 400 and up; 0: nothing, just close */
    const char *why;    /* for a log; static storage */
};

struct leat_http_event {
    enum leat_http_event_kind kind;
    union {
        struct leat_http_request       request;
        struct leat_http_response_head response;
        leat_http_str                  body;
        struct leat_http_error         error;
    } u;
};

/* ---- life ---- */

/* Bytes a server with this config takes, all it will ever take. 0: the config is out of its bounds. */
LEAT_API size_t leat_http_server_size(const struct leat_http_config *config);

/* Makes a server of the caller's memory, aligned as malloc does, of leat_http_server_size bytes, which it
 * uses until the caller forgets it: there is nothing to release. The end of the memory is touched only
 * when a head arrives in pieces. -EINVAL: the config is out of its bounds. */
LEAT_API int leat_http_server_init(void *memory, const struct leat_http_config *config, leat_time now,
                                   leat_http_server **ret);

/* The same in one allocation. -ENOMEM. */
LEAT_API int  leat_http_server_open(const struct leat_http_config *config, leat_time now,
                                    leat_http_server **ret);
LEAT_API void leat_http_server_close(leat_http_server *server); /* NULL is allowed */

/* ---- in ---- */

/* Takes bytes that arrived and gives at most one event; returns how many bytes it took. Go on with the
 * rest until the event is NONE, also with no bytes left: an END may be due. With NONE and bytes left a
 * response is awaited: keep them, feed them again when it has ended. After an error everything is taken
 * and dropped. */
LEAT_API size_t leat_http_server_read(leat_http_server *server, leat_time now, leat_http_str bytes,
                                      struct leat_http_event *ret);

/* The peer will send no more. CLOSE or ERROR when nothing is owed to it; NONE when a response is: the
 * connection ends after that. All bytes that came before must have been fed, or are dropped. */
LEAT_API void leat_http_server_eof(leat_http_server *server, struct leat_http_event *ret);

/* When leat_http_server_expire is to be called; LEAT_NEVER while only the caller is waited for. */
LEAT_API leat_time leat_http_server_deadline(const leat_http_server *server);

/* The deadline came: ERROR with 408, or CLOSE; NONE when it has not come yet. */
LEAT_API void leat_http_server_expire(leat_http_server *server, leat_time now,
                                      struct leat_http_event *ret);

/* While held, the body's deadline is suspended: for a caller that does not feed what it has because it
 * cannot take a body on as fast. Idempotent. */
LEAT_API void leat_http_server_hold(leat_http_server *server, leat_time now, bool held);

/* ---- out ---- */

struct leat_http_response {
    uint16_t      status;   /* 200..599 */
    bool          close;    /* end the connection after it, whatever the client wants */
    uint64_t      body_len; /* bytes, or LEAT_HTTP_LEN_UNKNOWN: chunked, or ended by closing in HTTP/1.0 */
    leat_http_str date;     /* leat_http_date's text; empty: no Date field */
    const struct leat_http_header *headers;
    size_t                         header_count;
};

/* Tells the client to send its body. -EINVAL: it is not waiting for that; -ENOSPC. */
LEAT_API int leat_http_server_continue(leat_http_server *server, leat_time now,
                                       struct leat_http_out *out);

/* Writes the head of the response. Content-Length, Transfer-Encoding, Connection and Date are written by
 * the machine and refused among the headers, as is what could break out of a field. For statuses 204 and
 * 304 body_len is not sent. -EINVAL; -ENOSPC; -EPIPE: no request awaits a response. */
LEAT_API int leat_http_server_respond(leat_http_server *server, const struct leat_http_response *response,
                                      struct leat_http_out *out);

/* Says that `len` bytes of body follow and writes what goes before them; send that, then the bytes: they
 * need not be copied. *ret_send is how many of them to send: `len`, or 0 where the response has no body (to
 * HEAD, 204, 304). -EMSGSIZE: more than body_len; -ENOSPC; -EPIPE: there is no response to add to. */
LEAT_API int leat_http_server_data(leat_http_server *server, uint64_t len, struct leat_http_out *out,
                                   uint64_t *ret_send);

/* The same with the bytes copied into `out`. */
LEAT_API int leat_http_server_write(leat_http_server *server, leat_http_str data,
                                    struct leat_http_out *out);

/* Ends the response; the next request may be read. -EMSGSIZE: less than body_len was sent, so the
 * connection ends; -ENOSPC; -EPIPE. */
LEAT_API int leat_http_server_end(leat_http_server *server, leat_time now, struct leat_http_out *out);

/* A whole response at once; response->body_len is ignored. All of it is written, or nothing. */
LEAT_API int leat_http_server_reply(leat_http_server *server, leat_time now,
                                    const struct leat_http_response *response, leat_http_str body,
                                    struct leat_http_out *out);

/* Answers an ERROR event: its status, a problem document (RFC 9457), and the connection's end. Writes
 * nothing when the status is 0 or a response has begun already. -ENOSPC. */
LEAT_API int leat_http_server_refuse(leat_http_server *server, leat_time now,
                                     const struct leat_http_error *error, leat_http_str date,
                                     struct leat_http_out *out);

/* Whether the connection is to be closed, once what was written has been sent. */
LEAT_API bool leat_http_server_is_done(const leat_http_server *server);

#ifdef __cplusplus
}
#endif

#endif
