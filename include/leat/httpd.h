/* The HTTP/1.1 server of leat::http: a listener on each worker, an actor for each connection, and the two
 * ways to answer a request: a function, or an actor. docs/guide/http.md shows it in use.
 *
 *   static const struct leat_httpd_route routes[] = {{.method = LEAT_HTTP_GET, .pattern = "/", .handler = hello}};
 *   struct leat_httpd_config config = leat_httpd_config_default();
 *   config.routes = routes, config.route_count = 1;
 *   leat_addr_parse("127.0.0.1:8080", &config.local);
 *   leat_httpd_open(&config, &httpd);
 *   leat_httpd_start(httpd, controller);           LEAT_HTTPD_LISTENING comes, or DOWN
 *   ... the runtime runs ...
 *   leat_httpd_close(httpd);                       after leat_runtime_close
 *
 * What a client sends never aborts the process: what is wrong is answered as RFC 9110 and RFC 9112 say, by
 * the machine of leat/http_server.h, and each connection has bounded memory. At SHUTDOWN the listeners
 * close, responses under way are finished, everything else is closed. */
#ifndef LEAT_HTTPD_H
#define LEAT_HTTPD_H

#include <leat/actor.h>
#include <leat/http_fields.h>
#include <leat/http_router.h>
#include <leat/http_server.h>
#include <leat/runtime.h>
#include <leat/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_httpd leat_httpd;

/* ---- requests ---- */

/* One request and its answer. A plain value: it may be kept, and given to another actor, which answers. */
struct leat_httpd_exchange {
    leat_ref session;
    uint32_t number;
    uint32_t zero;
};

/* A request, with its body if it is collected. All strings and slices in it are lent: to a function until it
 * returns; to an actor until its on_event does, or for as long as it keeps a reference to the event's body
 * (leat_slice_ref). */
struct leat_httpd_request {
    struct leat_http_request      http;   /* method, path, query, host, head: leat/http_server.h */
    const struct leat_http_param *params; /* of the route's pattern, not decoded */
    uint32_t                      param_count;
    bool                          secure;  /* it came over TLS */
    bool                          streams; /* its body comes with LEAT_HTTPD_BODY; else it is here, whole */
    leat_slice                    body;    /* buf is NULL: none */
    struct leat_addr              peer;    /* all zero: over a Unix socket */
    struct leat_httpd_exchange    exchange; /* for an actor */
};

/* The value of a parameter; empty if the pattern has none of that name. */
LEAT_API leat_http_str leat_httpd_param(const struct leat_httpd_request *request, const char *name);

/* ---- routes answered by a function ---- */

typedef struct leat_httpd_call leat_httpd_call;

/* Answers at once, with one of the three functions below; if it does not, the client gets 500. It is called on
 * the connection's worker, so on any of them and at the same time: it must not block, and what `context`
 * points to is its own to guard. */
typedef void leat_httpd_handler(void *context, leat_httpd_call *call,
                                const struct leat_httpd_request *request);

/* The answer, whole: `response` with its headers is used before it returns, its body_len and date are
 * filled in; the reference to `body` is given away, whatever is returned. A body goes out by reference (a short
 * one is copied). -EINVAL: a header is none, or the machine's own: the client gets 500; -EALREADY. */
LEAT_API int leat_httpd_call_reply(leat_httpd_call *call, const struct leat_http_response *response,
                                   leat_slice body);

/* The same with bytes, copied, of a media type (0-terminated). */
LEAT_API int leat_httpd_call_text(leat_httpd_call *call, unsigned status, const char *media_type,
                                  leat_http_str body);

/* A stream of server-sent events: `first` (given away; may be empty), then the payload of everything that
 * is published on `channel` from now on, as it is: write it with leat_http_sse_write. It lasts until the client
 * leaves, the message has type LEAT_HTTPD_LAST, or the client reads so slowly that 128 KiB wait for it: then it
 * is cut off, and asks again with Last-Event-ID, a header of the request. Silence is filled with
 * comments (heartbeat_ns). */
#define LEAT_HTTPD_LAST 0x48540101u
LEAT_API int leat_httpd_call_events(leat_httpd_call *call, leat_channel channel, leat_slice first);

/* The clock of the Date field, seconds since 1970, and the runtime's time. */
LEAT_API uint64_t leat_httpd_call_unix_s(const leat_httpd_call *call);
LEAT_API leat_time leat_httpd_call_now(const leat_httpd_call *call);

/* ---- routes answered by an actor ---- */

/* Messages to the actor, or to the controller, of a route. They come from the actor of one connection,
 * which has one request at a time. */
enum leat_httpd_message {
    LEAT_HTTPD_LISTENING = 0x48540001, /* to who started it: struct leat_addr; all zero: a Unix path */
    LEAT_HTTPD_REQUEST,  /* leat_httpd_request_of */
    LEAT_HTTPD_BODY,     /* bytes of a body that streams: the event's body. leat_httpd_taken makes room */
    LEAT_HTTPD_BODY_END, /* it has ended */
    LEAT_HTTPD_DRAINED,  /* bytes of an answer have left: leat_httpd_drained_of */
    LEAT_HTTPD_GONE,     /* nothing more is wanted, the client has left say: struct leat_httpd_exchange. Told
                            to who has begun to answer, else to the route's actor. A controller whose mailbox
                            is full may miss it, and finds out by a send that gets -ESRCH */
};

/* The request of a LEAT_HTTPD_REQUEST. Its actor answers request->exchange with the functions below when it
 * likes, within answer_ns; if it dies first the client gets 502, if its mailbox is full 503. */
LEAT_API const struct leat_httpd_request *leat_httpd_request_of(const struct leat_event *event);

#define LEAT_HTTPD_WINDOW 131072u /* bytes; see leat_httpd_data and leat_httpd_taken */
#define LEAT_HTTPD_PART 4096u     /* bytes; see leat_httpd_taken */

/* Each fills in *out with a message to the connection, to be popped in this order: _reply alone, or _respond,
 * any number of _data, _end. A controller sends out->body, or out->payload, with out->type to out->to. What
 * comes late, or twice, is dropped. `response` as for leat_httpd_call_reply, but that body_len of
 * _respond is what will come, or LEAT_HTTP_LEN_UNKNOWN. -ENOMEM; -EINVAL. */
LEAT_API int leat_httpd_reply(struct leat_output *out, struct leat_httpd_exchange exchange,
                              const struct leat_http_response *response, leat_slice body);
LEAT_API int leat_httpd_respond(struct leat_output *out, struct leat_httpd_exchange exchange,
                                const struct leat_http_response *response);

/* Bytes of the body. Who has sent LEAT_HTTPD_WINDOW bytes that DRAINED has not told of waits until it does;
 * twice as much ends the connection. */
LEAT_API void leat_httpd_data(struct leat_output *out, struct leat_httpd_exchange exchange,
                              leat_slice body);
LEAT_API void leat_httpd_end(struct leat_output *out, struct leat_httpd_exchange exchange);

/* The answer cannot be finished: 500 if it has not begun, else the connection ends within it. */
LEAT_API void leat_httpd_abort(struct leat_output *out, struct leat_httpd_exchange exchange);

/* So many bytes of a streamed request body are done with: LEAT_HTTPD_WINDOW may be on their way. While some are that
 * are not, what comes is put together until it is LEAT_HTTPD_PART or the body ends: in some 33 messages at most. */
LEAT_API void leat_httpd_taken(struct leat_output *out, struct leat_httpd_exchange exchange,
                               uint32_t bytes);

/* How many bytes a DRAINED tells of. */
LEAT_API uint32_t leat_httpd_drained_of(const struct leat_event *event,
                                        struct leat_httpd_exchange *ret);

/* ---- the server ---- */

struct leat_httpd_route {
    enum leat_http_method method;
    const char           *pattern; /* leat/http_router.h; lent */
    leat_httpd_handler   *handler; /* NULL: an actor answers */
    void                 *context; /* the handler's */
    leat_ref              actor;   /* or a controller */
    bool                  streams; /* to an actor: its request bodies are not collected */
};

struct leat_httpd_config {
    struct leat_addr local; /* port 0: the kernel chooses; [::] takes IPv4 too */
    const char      *path;  /* a Unix socket instead: one listener, on the first worker; lent */
    uint32_t workers; /* listeners, one each on workers 0 to workers-1; default 1. More than the runtime has:
                         DOWN says -EINVAL. They share the port among themselves: another server's is refused,
                         DOWN says -EADDRINUSE */
    leat_tls_context *tls; /* a server's: every connection is TLS, and nothing else; NULL: none is. The server
                              holds a reference; leat_tls_context_reload is for later connections */
    const struct leat_httpd_route *routes; /* copied */
    size_t                         route_count;
    struct leat_http_config        http; /* sizes and times of requests: leat/http_message.h */
    uint32_t connections_max; /* of each worker, default 10,000. At the limit no more are accepted, they
                                 wait in the kernel, and responses end their connection */
    leat_time answer_ns;    /* an actor must begin to answer within this; else 504. Default 60 s */
    leat_time send_ns;      /* a reader must take half of stream_queue_max within this, and what is left
                               at the end; else it is reset. So is one that has closed its half, or has
                               sent more behind a request, when the answer has begun and stands still so
                               long: that it has left would not be noticed. Default 60 s */
    leat_time heartbeat_ns; /* of event streams; default 15 s */
    uint64_t  unix_ns;      /* wall time, ns since 1970, when the runtime's clock was 0; 0: found out by
                               leat_httpd_start from the clocks. A later step of the clock is not seen */
};

/* One worker, no route, the defaults named above and those of leat_http_config_default. */
LEAT_API struct leat_httpd_config leat_httpd_config_default(void);

/* Any thread. -EINVAL: a setting is wrong, or a route has neither handler nor actor; -ENOTSUP: `tls`, in a build
 * without leat::tls; -ENOMEM. A pattern that
 * is none aborts. */
LEAT_API int leat_httpd_open(const struct leat_httpd_config *config, leat_httpd **ret);

/* Spawns the listeners. The controller receives LEAT_HTTPD_LISTENING with the address bound when connections
 * are taken, or DOWN with its status when that failed. Once. */
LEAT_API int leat_httpd_start(leat_httpd *httpd, leat_controller *controller);

/* Only when the runtime has been closed, or was never given it. NULL is allowed. */
LEAT_API void leat_httpd_close(leat_httpd *httpd);

/* Counters since start, but where said, summed over the workers. */
struct leat_httpd_stats {
    uint64_t connections;    /* now */
    uint64_t accepted;
    uint64_t full;           /* times a listener paused at connections_max */
    uint64_t requests;
    uint64_t responses[6];   /* by their first digit; [0]: none could be sent any more */
    uint64_t refused;        /* requests that were no HTTP, too large, or too slow */
    uint64_t idle_closed;    /* connections that had been silent for too long */
    uint64_t slow_readers;   /* connections reset by send_ns, and event streams cut off */
    uint64_t gone;           /* clients that left while an actor's answer was awaited or under way */
    uint64_t timeouts;       /* 504 */
    uint64_t event_streams;  /* now */
    uint64_t bytes_in;       /* of sockets: with TLS, encrypted */
    uint64_t bytes_out;
    uint64_t handshakes;        /* of TLS that were done */
    uint64_t handshakes_failed; /* or not: no TLS, nothing in common, left, or too slow */
};

/* Any thread; never blocks. */
LEAT_API void leat_httpd_stats(const leat_httpd *httpd, struct leat_httpd_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
