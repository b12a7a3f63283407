/* An HTTP/1.1 client of leat::http: an actor that others ask by message, with a pool of connections that are kept
 * alive. It runs where it is spawned, one on each worker that has use for it:
 *
 *   struct leat_http_agent_config config = leat_http_agent_config_default();
 *   leat_spawn(controller, &leat_http_agent, &config, sizeof(config), 0, &agent);
 *
 * Peers are addresses: who has a name asks a resolver first, and passes the name as `host`. With TLS that is also whom
 * the certificate must be for. What a server sends is
 * checked by the machine of leat/http_client.h and bounded by the config; 1xx responses are dropped, redirections
 * are the asker's to follow. */
#ifndef LEAT_HTTP_AGENT_H
#define LEAT_HTTP_AGENT_H

#include <leat/actor.h>
#include <leat/http_client.h>
#include <leat/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

struct leat_http_agent_config {
    struct leat_http_config http; /* sizes and times of responses; default body 1 MiB */
    uint32_t  connections_max;    /* in all; default 64 */
    uint32_t  peer_max;           /* to one address; of secure ones to one host there, of which there may be
                                     several; default 8 */
    uint32_t  waiting_max;        /* asks that wait for a connection; default 256 */
    leat_time connect_ns;         /* default 5 s; the handshake of TLS has handshake_ns of its own */
    leat_tls_context *tls;        /* a client's, for asks that are secure; NULL: there are none. The agent
                                     holds a reference from its init on, which answers the SPAWN */
    uint64_t  unix_ns; /* certificates: wall time, ns since 1970, when the runtime's clock was 0; 0: they are
                          judged by the system's clock */
};

LEAT_API struct leat_http_agent_config leat_http_agent_config_default(void);

/* Its argument is a struct leat_http_agent_config. From init -EINVAL: a limit is 0, or config.http's; -ENOTSUP:
 * `tls`, in a build without leat::tls. */
LEAT_API extern const struct leat_behavior leat_http_agent;

/* What is asked: of `query` all but body_len, which is that of `body`. */
struct leat_http_ask {
    uint64_t         cookie; /* comes back in the answer */
    struct leat_addr peer;
    struct leat_http_query query;
    bool             secure;     /* https: over TLS, to who can prove to be query.host */
    leat_slice       body;       /* buf NULL: none. A secure one is copied, and encrypted at once */
    leat_time        timeout_ns; /* until the whole answer, waiting and connecting included; 0 is at once */
};

/* Fills in *out with a message to an agent, that answers it once, with LEAT_HTTP_AGENT_ANSWER, to who pops it. All is
 * copied but the body, which is given away, whatever is returned. A method that may be repeated (RFC 9110, 9.2.2) is
 * sent again, once, when a connection that was kept alive turns out to be closed. An answer that the asker's
 * mailbox has no room for is lost, as any message is: who asks has a deadline of its own. -ENOMEM. */
LEAT_API int leat_http_agent_ask(struct leat_output *out, leat_ref agent,
                                 const struct leat_http_ask *ask);

enum leat_http_agent_message {
    LEAT_HTTP_AGENT_ASK = 0x48540301,
    LEAT_HTTP_AGENT_ANSWER, /* leat_http_agent_answer_of */
};

/* Lent until on_event returns, or for as long as a reference to the event's body is kept. */
struct leat_http_answer {
    uint64_t cookie;
    int32_t  error;  /* 0; or no whole response came: -ECONNREFUSED and what else a connect says, -ETIMEDOUT,
                        -ECONNRESET, -EPROTO (no HTTP, no TLS, or too large), -EKEYREJECTED (the certificate is not
                        good, or not for that host), -ENOTSUP (secure, and there is no config.tls), -EINVAL (the
                        query), -EAGAIN (waiting_max), -ENOMEM, -ESHUTDOWN */
    uint16_t status; /* 200..599; 0 with an error */
    struct leat_http_head head; /* its fields */
    leat_slice body;            /* buf NULL: none */
};

LEAT_API const struct leat_http_answer *leat_http_agent_answer_of(const struct leat_event *event);

#ifdef __cplusplus
}
#endif

#endif
