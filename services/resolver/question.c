/* The life of a question: asked, answered once, and gone when c-ares has let go of it too. Invariant: `pending`
 * counts all that there are, so memory is bounded by pending_max, also where c-ares takes longer than the asker wants
 * to wait, or the asker has no room for the answer. The resolver's thread only. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "resolver.h"

#define AGAIN_NS LEAT_MS /* at a full mailbox; doubled each time */
#define AGAIN_MAX_NS (50 * LEAT_MS)

/* ---- lists ---- */

static void list_add(struct questions *list, struct question *question)
{
    question->next = NULL;
    question->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = question;
    list->last = question;
}

static void list_remove(struct questions *list, struct question *question)
{
    *(question->previous != NULL ? &question->previous->next : &list->first) = question->next;
    *(question->next != NULL ? &question->next->previous : &list->last) = question->previous;
}

/* ---- answers ---- */

/* Takes the body over on 0, and drops it where nobody is left to read it. */
static int tell(struct leat_resolver *resolver, const struct leat_output *out)
{
    bool has_body = out->len == LEAT_LEN_BODY;
    int status = has_body
                     ? leat_send_body(resolver->controller, out->to, out->type, out->body)
                     : leat_send(resolver->controller, out->to, out->type, out->payload, out->len);
    if (has_body && status < 0 && status != -EAGAIN && status != -ENOMEM) {
        leat_buf_unref(out->body.buf);
    }
    return status;
}

static bool is_full(int status)
{
    return status == -EAGAIN || status == -ENOMEM;
}

/* To who is not waited for if there is no room. */
static void tell_once(struct leat_resolver *resolver, leat_ref to, uint64_t cookie, int status)
{
    struct leat_output out;
    const struct leat_resolver_answer answer = {.cookie = cookie, .status = status};
    if (leat_resolver_answer(&out, to, &answer) == 0) { /* it has no body */
        (void)tell(resolver, &out);
    }
}

static void drop_if_done(struct question *question)
{
    if (!question->is_asked && !question->is_open && !question->is_owed) {
        question->resolver->pending--;
        free(question);
    }
}

/* The only answer to it. */
static void answer(struct question *question, struct leat_resolver_answer *answer)
{
    struct leat_resolver *resolver = question->resolver;
    answer->cookie = question->cookie;
    list_remove(&resolver->open, question);
    question->is_open = false;
    if (leat_resolver_answer(&question->out, question->from, answer) < 0) {
        const struct leat_resolver_answer no_memory = {.cookie = question->cookie,
                                                       .status = -ENOMEM};
        (void)leat_resolver_answer(&question->out, question->from, &no_memory);
    }
    if (is_full(tell(resolver, &question->out))) {
        question->is_owed = true;
        question->until = resolver->now + resolver->config.timeout_ns;
        question->pause = AGAIN_NS;
        question->again = resolver->now + AGAIN_NS;
        list_add(&resolver->owed, question);
    }
    drop_if_done(question);
}

static void answer_status(struct question *question, int status)
{
    struct leat_resolver_answer none = {.status = status};
    answer(question, &none);
}

/* ---- what c-ares says ---- */

static int status_of(int ares_status)
{
    switch (ares_status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
        return -ENODATA;
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
        return -ENOENT;
    case ARES_ETIMEOUT:
        return -ETIMEDOUT;
    case ARES_EBADRESP:
        return -EBADMSG;
    case ARES_EBADNAME:
    case ARES_EBADSTR:
        return -EINVAL;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return -ECANCELED;
    default: /* SERVFAIL, REFUSED, no connection, ... */
        return -EREMOTEIO;
    }
}

static bool address_of(const struct ares_addrinfo_node *node, struct leat_addr *ret)
{
    *ret = (struct leat_addr){0};
    if (node->ai_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, node->ai_addr, sizeof(v4));
        ret->ip[10] = ret->ip[11] = 0xff;
        memcpy(ret->ip + 12, &v4.sin_addr, 4);
        return true;
    }
    if (node->ai_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, node->ai_addr, sizeof(v6));
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) { /* that is how IPv4 is written here: an A record has it */
            return false;
        }
        memcpy(ret->ip, &v6.sin6_addr, sizeof(ret->ip));
        ret->scope_id = v6.sin6_scope_id;
        return true;
    }
    return false;
}

static void addresses_of(const struct ares_addrinfo *result, struct leat_resolver_answer *ret)
{
    int ttl = INT32_MAX;
    for (const struct ares_addrinfo_cname *cname = result->cnames; cname != NULL;
         cname = cname->next) {
        ttl = cname->ttl < ttl ? cname->ttl : ttl;
    }
    for (const struct ares_addrinfo_node *node = result->nodes; node != NULL;
         node = node->ai_next) {
        ttl = node->ai_ttl < ttl ? node->ai_ttl : ttl;
        if (ret->addrs_len < LEAT_RESOLVER_ADDRS_MAX &&
            address_of(node, &ret->addrs[ret->addrs_len])) {
            ret->addrs_len++;
        }
    }
    ret->ttl_s = ttl > 0 && ttl < INT32_MAX ? (uint32_t)ttl : 0;
}

static void on_result(void *context, int ares_status, int timeouts, struct ares_addrinfo *result)
{
    struct question *question = context;
    struct leat_resolver_answer found = {.status = status_of(ares_status)};
    (void)timeouts;
    if (result != NULL) {
        addresses_of(result, &found);
        ares_freeaddrinfo(result);
    }
    if (found.status == 0 && found.addrs_len == 0) {
        found.status = -ENODATA;
    }
    question->is_asked = false;
    if (question->is_open) {
        answer(question, &found);
    } else {
        drop_if_done(question);
    }
}

/* ---- questions ---- */

/* A numeric address is its own answer. */
static bool answer_numeric(struct question *question, const char *name)
{
    struct leat_resolver_answer found = {.addrs_len = 1};
    if (leat_addr_from_host(name, 0, &found.addrs[0]) < 0) {
        return false;
    }
    uint32_t family = leat_addr_is_v4(&found.addrs[0]) ? LEAT_RESOLVER_V4 : LEAT_RESOLVER_V6;
    if (question->family != LEAT_RESOLVER_ANY && question->family != family) {
        found = (struct leat_resolver_answer){.status = -ENODATA};
    }
    answer(question, &found);
    return true;
}

static void ask(struct question *question, const char *name)
{
    const struct ares_addrinfo_hints hints = {
        .ai_family = question->family == LEAT_RESOLVER_V4   ? AF_INET
                     : question->family == LEAT_RESOLVER_V6 ? AF_INET6
                                                            : AF_UNSPEC,
        .ai_socktype = SOCK_STREAM, /* one entry for each address */
    };
    question->is_asked = true; /* it may be called back at once */
    ares_getaddrinfo(question->resolver->channel, name, NULL, &hints, on_result, question);
}

void question_add(struct leat_resolver *resolver, const struct leat_event *event)
{
    struct leat_resolver_question asked;
    if (!leat_resolver_question_of(event, &asked)) {
        return; /* whatever it is, nobody waits for an answer */
    }
    struct question *question =
        resolver->pending < resolver->config.pending_max ? calloc(1, sizeof(*question)) : NULL;
    if (question == NULL) {
        bool is_many = resolver->pending >= resolver->config.pending_max;
        tell_once(resolver, event->from, asked.cookie, is_many ? -EAGAIN : -ENOMEM);
        return;
    }
    resolver->pending++;
    question->resolver = resolver;
    question->from = event->from;
    question->cookie = asked.cookie;
    question->family = asked.family;
    question->until = resolver->now + resolver->config.timeout_ns;
    question->is_open = true;
    list_add(&resolver->open, question);
    if (answer_numeric(question, asked.name)) {
        return;
    }
    int status = name_check(asked.name);
    if (status < 0) {
        answer_status(question, status);
    } else {
        ask(question, asked.name);
    }
}

/* ---- time ---- */

static leat_time owed_again(struct leat_resolver *resolver)
{
    leat_time soonest = LEAT_NEVER;
    for (struct question *next, *at = resolver->owed.first; at != NULL; at = next) {
        next = at->next;
        bool is_over = at->until <= resolver->now;
        if (at->again <= resolver->now || is_over) {
            int status = tell(resolver, &at->out);
            if (is_full(status) && !is_over) {
                at->pause = 2 * at->pause < AGAIN_MAX_NS ? 2 * at->pause : AGAIN_MAX_NS;
                at->again = resolver->now + at->pause;
            } else {
                if (is_full(status) && at->out.len == LEAT_LEN_BODY) {
                    leat_buf_unref(at->out.body.buf);
                }
                list_remove(&resolver->owed, at);
                at->is_owed = false;
                drop_if_done(at);
                continue;
            }
        }
        soonest = at->again < soonest ? at->again : soonest;
    }
    return soonest;
}

leat_time questions_expire(struct leat_resolver *resolver)
{
    while (resolver->open.first != NULL && resolver->open.first->until <= resolver->now) {
        answer_status(resolver->open.first, -ETIMEDOUT);
    }
    leat_time next = owed_again(resolver);
    if (resolver->open.first != NULL && resolver->open.first->until < next) {
        next = resolver->open.first->until;
    }
    return next;
}

void questions_cancel(struct leat_resolver *resolver)
{
    while (resolver->open.first != NULL) {
        struct question *question = resolver->open.first;
        tell_once(resolver, question->from, question->cookie, -ECANCELED);
        list_remove(&resolver->open, question);
        question->is_open = false;
        drop_if_done(question);
    }
    while (resolver->owed.first != NULL) {
        struct question *question = resolver->owed.first;
        if (question->out.len == LEAT_LEN_BODY) {
            leat_buf_unref(question->out.body.buf);
        }
        list_remove(&resolver->owed, question);
        question->is_owed = false;
        drop_if_done(question);
    }
}
