/* The client's messages: asks and answers, each in one buffer with all its strings, and a body by reference. */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>

#include "pieces.h"

int leat_http_agent_ask(struct leat_output *out, leat_ref agent, const struct leat_http_ask *ask)
{
    const struct leat_http_query *query = &ask->query;
    const size_t len = sizeof(*ask) + pieces_headers_len(query->headers, query->header_count) +
                       query->method.len + query->target.len + query->host.len;
    leat_slice slice, message;
    if (len > LEAT_BUF_LEN_MAX || leat_buf_alloc((uint32_t)len, &slice) < 0) {
        leat_buf_unref(ask->body.buf);
        return -ENOMEM;
    }
    struct leat_http_ask *copy = (struct leat_http_ask *)(void *)leat_slice_data(slice);
    char *at = (char *)(copy + 1);
    *copy = *ask;
    copy->query.headers = pieces_headers(&at, query->headers, query->header_count);
    copy->query.method = pieces_str(&at, query->method);
    copy->query.target = pieces_str(&at, query->target);
    copy->query.host = pieces_str(&at, query->host);
    copy->query.body_len = ask->body.len;
    if (ask->body.len == 0) {
        copy->body = (leat_slice){0};
    }
    if (pieces_pair(slice, ask->body, &message) < 0) {
        return -ENOMEM;
    }
    leat_output_send_body(out, agent, LEAT_HTTP_AGENT_ASK, message);
    return 0;
}

const struct leat_http_answer *leat_http_agent_answer_of(const struct leat_event *event)
{
    ENSURE(event->kind == LEAT_EVENT_MESSAGE && event->type == LEAT_HTTP_AGENT_ANSWER);
    const leat_slice slice = pieces_first(event->body);
    return (const struct leat_http_answer *)(const void *)leat_slice_data(slice);
}

int answer_copy(const struct leat_http_response_head *response, leat_slice *ret)
{
    const struct leat_http_head *head = &response->head;
    const size_t fields_len = head->field_count * sizeof(*head->fields);
    leat_slice slice;
    const size_t len = sizeof(struct leat_http_answer) + fields_len + head->len;
    if (leat_buf_alloc((uint32_t)len, &slice) < 0) {
        return -ENOMEM;
    }
    struct leat_http_answer *answer = (struct leat_http_answer *)(void *)leat_slice_data(slice);
    struct leat_http_field *fields = (struct leat_http_field *)(void *)(answer + 1);
    char *bytes = (char *)fields + fields_len;
    if (fields_len > 0) {
        memcpy(fields, head->fields, fields_len);
    }
    memcpy(bytes, head->bytes, head->len);
    *answer = (struct leat_http_answer){.status = response->status, .head = *head};
    answer->head.bytes = bytes;
    answer->head.fields = fields;
    *ret = slice;
    return 0;
}

void ask_free(struct ask *ask)
{
    leat_buf_unref(ask->message.buf);
    free(ask);
}

void agent_tell_response(struct agent *agent, struct ask *ask, leat_slice answer, leat_slice body)
{
    struct leat_http_answer *words = (struct leat_http_answer *)(void *)leat_slice_data(answer);
    leat_slice message;
    words->cookie = ask->what->cookie;
    words->body = body.len > 0 ? body : (leat_slice){0};
    if (pieces_pair(answer, body, &message) == 0) {
        leat_output_send_body(leat_outbox_put(&agent->out), ask->from, LEAT_HTTP_AGENT_ANSWER,
                              message);
        ask_free(ask);
    } else {
        agent_tell(agent, ask, -ENOMEM);
    }
}

void agent_tell(struct agent *agent, struct ask *ask, int error)
{
    leat_slice slice; /* with no memory even for this, the asker has its own deadline */
    if (leat_buf_alloc(sizeof(struct leat_http_answer), &slice) == 0) {
        struct leat_http_answer *answer = (struct leat_http_answer *)(void *)leat_slice_data(slice);
        *answer = (struct leat_http_answer){.cookie = ask->what->cookie, .error = error};
        leat_output_send_body(leat_outbox_put(&agent->out), ask->from, LEAT_HTTP_AGENT_ANSWER,
                              slice);
    }
    ask_free(ask);
}
