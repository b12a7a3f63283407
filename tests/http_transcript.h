/* Runs bytes through a server's or a client's connection, cut as asked, and writes down the events as
 * text: the same bytes must give the same text however they are cut. Each piece is a heap block of its own
 * and exact size, so that a sanitizer sees every byte read too far or too late. Used by tests and fuzzers. */
#ifndef LEAT_TESTS_HTTP_TRANSCRIPT_H
#define LEAT_TESTS_HTTP_TRANSCRIPT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/http.h>

#define TRANSCRIPT_CAP 262144u

struct transcript {
    char text[TRANSCRIPT_CAP];
    size_t len;
    unsigned requests, errors;
    int last_status; /* of the last error */
    bool done;
    bool broken; /* the library broke a promise; `text` ends with which */
};

/* Cuts after `first` bytes, then after each `step`; 0: none. */
struct cut {
    size_t first;
    size_t step;
};

static inline void transcript_put(struct transcript *t, leat_http_str bytes)
{
    if (bytes.len < TRANSCRIPT_CAP - t->len) { /* one byte stays for the end of the string */
        if (bytes.len) {
            memcpy(t->text + t->len, bytes.data, bytes.len);
        }
        t->len += bytes.len;
        t->text[t->len] = '\0';
    }
}

__attribute__((format(printf, 2, 3))) static inline void transcript_say(struct transcript *t,
                                                                        const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    transcript_put(t,
                   (leat_http_str){line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1});
}

static inline void transcript_promise(struct transcript *t, bool kept, const char *what)
{
    if (!kept && !t->broken) {
        t->broken = true;
        transcript_say(t, "\nBROKEN: %s\n", what);
    }
}

static inline void transcript_head(struct transcript *t, const struct leat_http_head *head)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        transcript_say(t, "\n  ");
        transcript_put(t, leat_http_head_name(head, i));
        transcript_say(t, "=");
        transcript_put(t, leat_http_head_value(head, i));
    }
}

static inline void transcript_request(struct transcript *t, const struct leat_http_request *request)
{
    t->requests++;
    transcript_say(t, "REQUEST ");
    transcript_put(t, request->method_text);
    transcript_say(t, " path=");
    transcript_put(t, request->path);
    transcript_say(t, " query=%s", request->query.data ? "" : "(none)");
    transcript_put(t, request->query);
    transcript_say(t, " host=");
    transcript_put(t, request->host);
    transcript_say(t, " v%d%s%s len=%lld", request->version, request->keep_alive ? " keep" : "",
                   request->continues ? " expects" : "", (long long)request->body_len);
    transcript_head(t, &request->head);
    transcript_say(t, "\n");
}

static inline void transcript_event(struct transcript *t, const struct leat_http_event *event)
{
    switch (event->kind) {
    case LEAT_HTTP_REQUEST:
        transcript_request(t, &event->u.request);
        break;
    case LEAT_HTTP_RESPONSE:
        transcript_say(t, "RESPONSE %d v%d reason=", event->u.response.status,
                       event->u.response.version);
        transcript_put(t, event->u.response.reason);
        transcript_say(t, " len=%lld", (long long)event->u.response.body_len);
        transcript_head(t, &event->u.response.head);
        transcript_say(t, "\n");
        break;
    case LEAT_HTTP_BODY:
        transcript_promise(t, event->u.body.len > 0, "an empty body event");
        transcript_put(t, event->u.body);
        break;
    case LEAT_HTTP_END:
        transcript_say(t, "|END\n");
        break;
    case LEAT_HTTP_ERROR:
        t->errors++;
        t->last_status = event->u.error.status;
        transcript_say(t, "|ERROR %d %s\n", event->u.error.status, event->u.error.why);
        break;
    case LEAT_HTTP_CLOSE:
        transcript_say(t, "CLOSE\n");
        break;
    default:
        break;
    }
}

/* Answers what is to be answered at once. */
static inline void transcript_answer(struct transcript *t, leat_http_server *server,
                                     const struct leat_http_event *event)
{
    char bytes[512];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    const struct leat_http_response response = {.status = 200};
    const leat_http_str none = {NULL, 0};
    int status = 0;
    if (event->kind == LEAT_HTTP_END && !leat_http_server_is_done(server)) {
        status = leat_http_server_reply(server, 0, &response, none, &out);
    } else if (event->kind == LEAT_HTTP_ERROR) {
        status = leat_http_server_refuse(server, 0, &event->u.error, none, &out);
        transcript_promise(t, leat_http_server_is_done(server), "not done after an error");
        transcript_promise(t, event->u.error.status == 0 || out.len > 0,
                           "an error without an answer");
    }
    transcript_promise(t, status == 0, "an answer failed");
}

/* One step: all of `bytes` that it takes now. Returns how many. */
static inline size_t transcript_feed(struct transcript *t, leat_http_server *server,
                                     leat_http_client *client, const char *bytes, size_t len)
{
    size_t used = 0;
    struct leat_http_event event;
    char *const block = malloc(len ? len : 1); /* of exactly that size */
    if (len) {
        memcpy(block, bytes, len);
    }
    do {
        const leat_http_str rest = {block + used, len - used};
        const size_t took = server ? leat_http_server_read(server, 0, rest, &event)
                                   : leat_http_client_read(client, 0, rest, &event);
        transcript_promise(t, took <= rest.len, "more consumed than was fed");
        if (t->broken) {
            break;
        }
        if (event.kind == LEAT_HTTP_BODY) {
            transcript_promise(t,
                               event.u.body.data >= rest.data &&
                                   event.u.body.data + event.u.body.len <= rest.data + took,
                               "a body outside of what was fed");
        }
        used += took;
        transcript_event(t, &event);
        if (server) {
            transcript_answer(t, server, &event);
        }
    } while (event.kind != LEAT_HTTP_NONE);
    free(block);
    return used;
}

/* Feeds all, then the end. Exactly one of `server` and `client` is there. */
static inline void transcript_run(struct transcript *t, leat_http_server *server,
                                  leat_http_client *client, const char *bytes, size_t len,
                                  struct cut cut)
{
    size_t used = 0, given = 0;
    t->len = 0;
    t->text[0] = '\0';
    t->requests = t->errors = 0;
    t->last_status = -1;
    t->broken = false;
    while (given < len && !t->broken) {
        const size_t step = given == 0 && cut.first ? cut.first : cut.step ? cut.step : len;
        given = step < len - given ? given + step : len;
        used += transcript_feed(t, server, client, bytes + used, given - used);
    }
    t->done = server ? leat_http_server_is_done(server) : leat_http_client_is_done(client);
    struct leat_http_event event = {0};
    if (server) {
        leat_http_server_eof(server, &event);
    } else {
        leat_http_client_eof(client, &event);
    }
    transcript_event(t, &event);
}

static inline void transcript_server(struct transcript *t, const struct leat_http_config *config,
                                     const char *bytes, size_t len, struct cut cut)
{
    leat_http_server *server = NULL;
    if (leat_http_server_open(config, 0, &server)) {
        abort();
    }
    transcript_run(t, server, NULL, bytes, len, cut);
    leat_http_server_close(server);
}

#endif
