/* Questions and answers as messages: inline where they fit, else with a body. The layout is known to this file only;
 * both sides copy, so nothing depends on alignment. Any thread. */
#include <errno.h>

#include <leat/resolver.h>

struct ask_head {
    uint64_t cookie;
    uint8_t family;
    uint8_t len; /* of the name, which follows */
};

#define ASK_HEAD_LEN 10u
#define NAME_SENT_MAX (LEAT_RESOLVER_NAME_MAX + 2) /* more is too long, whatever follows */

struct answer_head {
    uint64_t cookie;
    int32_t status;
    uint32_t ttl_s;
    uint32_t addrs_len; /* which follow */
    uint32_t zero;
};

#define ADDRS_SIZE(n) ((uint32_t)(n) * (uint32_t)sizeof(struct leat_addr))

_Static_assert(sizeof(struct leat_resolver_answer) ==
                   sizeof(struct answer_head) + LEAT_RESOLVER_ADDRS_MAX * sizeof(struct leat_addr),
               "an answer is its head and its addresses");
_Static_assert(offsetof(struct leat_resolver_answer, addrs) == sizeof(struct answer_head),
               "layout");

/* A message of `head` and `tail`. */
static int put(struct leat_output *out, leat_ref to, uint32_t type, const void *head,
               uint32_t head_len, const void *tail, uint32_t tail_len)
{
    uint8_t *at;
    if (head_len + tail_len <= LEAT_INLINE_MAX) {
        leat_output_send(out, to, type, NULL, 0);
        out->len = (uint8_t)(head_len + tail_len);
        at = out->payload;
    } else {
        leat_slice body;
        if (leat_buf_alloc(head_len + tail_len, &body) < 0) {
            return -ENOMEM;
        }
        leat_output_send_body(out, to, type, body);
        at = leat_slice_data(body);
    }
    memcpy(at, head, head_len);
    memcpy(at + head_len, tail, tail_len);
    return 0;
}

int leat_resolver_ask(struct leat_output *out, leat_ref resolver, const char *name,
                      enum leat_resolver_family family, uint64_t cookie)
{
    struct ask_head head = {
        .cookie = cookie, .family = (uint8_t)family, .len = (uint8_t)strnlen(name, NAME_SENT_MAX)};
    return put(out, resolver, LEAT_RESOLVER_ASK, &head, ASK_HEAD_LEN, name, head.len);
}

bool leat_resolver_question_of(const struct leat_event *event, struct leat_resolver_question *ret)
{
    size_t len;
    struct ask_head head = {0};
    if (event->kind != LEAT_EVENT_MESSAGE || event->type != LEAT_RESOLVER_ASK) {
        return false;
    }
    const uint8_t *bytes = leat_event_payload(event, &len);
    if (len < ASK_HEAD_LEN) {
        return false;
    }
    memcpy(&head, bytes, ASK_HEAD_LEN);
    if (len != ASK_HEAD_LEN + (size_t)head.len) {
        return false;
    }
    *ret = (struct leat_resolver_question){.cookie = head.cookie, .family = head.family};
    memcpy(ret->name, bytes + ASK_HEAD_LEN, head.len);
    return true;
}

int leat_resolver_answer(struct leat_output *out, leat_ref to,
                         const struct leat_resolver_answer *answer)
{
    uint32_t n =
        answer->addrs_len < LEAT_RESOLVER_ADDRS_MAX ? answer->addrs_len : LEAT_RESOLVER_ADDRS_MAX;
    struct answer_head head = {
        .cookie = answer->cookie, .status = answer->status, .ttl_s = answer->ttl_s, .addrs_len = n};
    return put(out, to, LEAT_RESOLVER_ANSWER, &head, sizeof(head), answer->addrs, ADDRS_SIZE(n));
}

bool leat_resolver_answer_of(const struct leat_event *event, struct leat_resolver_answer *ret)
{
    size_t len;
    struct answer_head head;
    if (event->kind != LEAT_EVENT_MESSAGE || event->type != LEAT_RESOLVER_ANSWER) {
        return false;
    }
    const uint8_t *bytes = leat_event_payload(event, &len);
    if (len < sizeof(head)) {
        return false;
    }
    memcpy(&head, bytes, sizeof(head));
    if (head.addrs_len > LEAT_RESOLVER_ADDRS_MAX ||
        len != sizeof(head) + ADDRS_SIZE(head.addrs_len)) {
        return false;
    }
    memset(ret, 0, sizeof(*ret));
    memcpy(ret, bytes, len);
    return true;
}
