/* Names of hosts, resolved without blocking a worker: leat::resolver. A thread of its own asks the name servers
 * (c-ares) and is asked by messages, as an actor is; docs/guide/names.md shows it in use.
 *
 *   struct leat_resolver_config config = leat_resolver_config_default();
 *   leat_resolver_open(runtime, &config, &resolver);
 *   ... an actor: leat_resolver_ask(out, ref, "example.com", LEAT_RESOLVER_ANY, cookie);
 *                 LEAT_RESOLVER_ANSWER comes: leat_resolver_answer_of(event, &answer) ...
 *   leat_resolver_close(resolver);                 before leat_runtime_close
 *
 * What a name server says is checked, and bounded; nothing is kept from one question to the next. */
#ifndef LEAT_RESOLVER_H
#define LEAT_RESOLVER_H

#include <leat/actor.h>
#include <leat/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_resolver leat_resolver;

#define LEAT_RESOLVER_NAME_MAX 253u /* bytes (RFC 1035, 2.3.4); one more for a dot at the end */
#define LEAT_RESOLVER_ADDRS_MAX 16u /* of an answer; there may have been more */

/* ---- the service ---- */

struct leat_resolver_config {
    const char *servers;     /* "127.0.0.1:53,[::1]:5353", asked in turn, and no domains are searched; NULL: what
                                the system's resolv.conf says now. Lent until open returns */
    leat_time   timeout_ns;  /* from question to answer; default 5 s. One server is asked three times in it */
    uint32_t    pending_max; /* questions under way at once; default 1024 */
};

LEAT_API struct leat_resolver_config leat_resolver_config_default(void);

/* Starts the thread. It has one of the runtime's controllers, so it is closed before the runtime. Any thread;
 * reads the system's configuration. -EINVAL: a setting is wrong; -ENOTSUP: in simulation, where an actor can stand
 * in for it (leat_resolver_question_of); -EMFILE, -ENOMEM, ... */
LEAT_API int leat_resolver_open(leat_runtime *runtime, const struct leat_resolver_config *config,
                                leat_resolver **ret);

/* Whom actors ask. Any thread; it stays the same until close, and can be monitored. */
LEAT_API leat_ref leat_resolver_ref(const leat_resolver *resolver);

/* Ends it, also after the runtime has ended. Questions that are open are answered -ECANCELED. Any thread, once;
 * waits for the thread, which waits for nobody. */
LEAT_API void leat_resolver_close(leat_resolver *resolver);

/* ---- to and from it ---- */

enum leat_resolver_message {
    LEAT_RESOLVER_ASK = 0x444e0001, /* to it: leat_resolver_ask */
    LEAT_RESOLVER_ANSWER,           /* from it: leat_resolver_answer_of */
};

enum leat_resolver_family {
    LEAT_RESOLVER_ANY = 0,
    LEAT_RESOLVER_V4 = 4,
    LEAT_RESOLVER_V6 = 6,
};

/* A question, as a message to `resolver`, for an actor to pop; a controller sends out->body, or out->payload, with
 * out->type to out->to. `name` is a host's name, found in /etc/hosts or by a name server, or a numeric address;
 * it is copied. Each question is answered once, with its cookie, whatever is wrong with it. If the resolver's mailbox
 * is full the output is refused, -EAGAIN. 0, or -ENOMEM. */
LEAT_API int leat_resolver_ask(struct leat_output *out, leat_ref resolver, const char *name,
                               enum leat_resolver_family family, uint64_t cookie);

/* An answer. The addresses have port 0, and are in the order in which to try them (RFC 6724).
 *
 *   0             there is one address, or more
 *   -ENOENT       there is no such name
 *   -ENODATA      it has no address of that family
 *   -EINVAL       it can be none: empty, or an empty part in it; bytes that are no letter, digit, '-', '_' or '.'
 *                 (names of other letters are asked for as "xn--..."); a number at its end
 *   -ENAMETOOLONG longer than LEAT_RESOLVER_NAME_MAX, or a part of it than 63
 *   -ETIMEDOUT    no server has answered in time
 *   -EREMOTEIO    each server said that it cannot or will not answer, or is known not to be there
 *   -EBADMSG      what came is no answer
 *   -EAGAIN       there are pending_max questions under way already
 *   -ECANCELED    the resolver was closed
 *   -ENOMEM
 *
 * If the asker's mailbox is full the answer waits, for timeout_ns at most (-EAGAIN and -ECANCELED do not). */
struct leat_resolver_answer {
    uint64_t         cookie;
    int32_t          status;
    uint32_t         ttl_s; /* how long it holds, seconds; 0: not known, of /etc/hosts say, or not at all */
    uint32_t         addrs_len;
    uint32_t         zero;
    struct leat_addr addrs[LEAT_RESOLVER_ADDRS_MAX];
};

/* Reads it out of a message. False, with *ret untouched: it is none. */
LEAT_API bool leat_resolver_answer_of(const struct leat_event *event, struct leat_resolver_answer *ret);

/* ---- for who stands in for it, in simulation say ---- */

struct leat_resolver_question {
    uint64_t cookie;
    uint32_t family; /* enum leat_resolver_family */
    uint32_t zero;
    char     name[LEAT_RESOLVER_NAME_MAX + 3]; /* 0-terminated; what was longer is cut, and is still too long */
};

/* Reads a question; who asked is event->from. False, with *ret untouched: it is none. */
LEAT_API bool leat_resolver_question_of(const struct leat_event *event,
                                        struct leat_resolver_question *ret);

/* The answer to it, as a message. 0, or -ENOMEM. */
LEAT_API int leat_resolver_answer(struct leat_output *out, leat_ref to,
                                  const struct leat_resolver_answer *answer);

#ifdef __cplusplus
}
#endif

#endif
