/* A server driven in any order: the input is a program of calls, and the bytes they feed. Properties: no
 * order of calls aborts; events come as REQUEST BODY* END, or end with ERROR or CLOSE; nothing is told or
 * written once the connection is done; what is written stays in its room; time that passes the deadline
 * always ends something. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <leat/http.h>

#include "fuzz.h"

struct session {
    leat_http_server *server;
    leat_time now;
    leat_http_str rest; /* of the input */
    bool in_request;    /* a REQUEST has been told, its END has not */
    bool over;          /* ERROR or CLOSE has been told */
    char bytes[300];
    struct leat_http_out out;
};

static unsigned take(struct session *s)
{
    if (s->rest.len == 0) {
        return 0;
    }
    const unsigned byte = (unsigned char)s->rest.data[0];
    s->rest.data++;
    s->rest.len--;
    return byte;
}

static void check_event(struct session *s, const struct leat_http_event *event)
{
    REQUIRE(event->kind == LEAT_HTTP_NONE || !s->over || event->kind == LEAT_HTTP_CLOSE);
    switch (event->kind) {
    case LEAT_HTTP_REQUEST:
        REQUIRE(!s->in_request);
        s->in_request = true;
        break;
    case LEAT_HTTP_BODY:
        REQUIRE(s->in_request);
        break;
    case LEAT_HTTP_END:
        REQUIRE(s->in_request);
        s->in_request = false;
        break;
    case LEAT_HTTP_ERROR:
        s->over = true;
        REQUIRE(event->u.error.status == 0 || !leat_http_server_is_done(s->server));
        break;
    case LEAT_HTTP_CLOSE:
        s->over = true;
        REQUIRE(leat_http_server_is_done(s->server));
        break;
    default:
        REQUIRE(event->kind == LEAT_HTTP_NONE);
        break;
    }
}

static void read_some(struct session *s)
{
    struct leat_http_event event;
    const size_t len = take(s);
    leat_http_str piece = {s->rest.data, len < s->rest.len ? len : s->rest.len};
    do {
        const bool was_done = leat_http_server_is_done(s->server);
        const size_t used = leat_http_server_read(s->server, s->now, piece, &event);
        REQUIRE(used <= piece.len && (!was_done || used == piece.len));
        REQUIRE(!was_done || event.kind == LEAT_HTTP_NONE);
        check_event(s, &event);
        piece.data += used;
        piece.len -= used;
        s->rest.data += used;
        s->rest.len -= used;
    } while (event.kind != LEAT_HTTP_NONE);
}

static void respond(struct session *s)
{
    static const uint16_t statuses[] = {200, 204, 304, 404, 199, 500};
    static const uint64_t lens[] = {0, 5, LEAT_HTTP_LEN_UNKNOWN};
    const unsigned choice = take(s);
    const struct leat_http_response response = {
        .status = statuses[choice % 6], .close = choice & 64, .body_len = lens[choice / 6 % 3]};
    const int status = choice & 128 ? leat_http_server_respond(s->server, &response, &s->out)
                                    : leat_http_server_reply(s->server, s->now, &response,
                                                             leat_http_str_of("hello"), &s->out);
    REQUIRE(status == 0 || status == -EPIPE || status == -EINVAL || status == -ENOSPC);
}

static void send_some(struct session *s)
{
    uint64_t send = 99;
    const unsigned choice = take(s);
    const uint64_t len = choice & 63;
    char body[64] = {0};
    const int status =
        choice & 64 ? leat_http_server_write(s->server, (leat_http_str){body, (size_t)len}, &s->out)
                    : leat_http_server_data(s->server, len, &s->out, &send);
    REQUIRE(status == 0 || status == -EPIPE || status == -EMSGSIZE || status == -ENOSPC);
    REQUIRE(send == 99 || send == 0 || send == len);
}

static void let_time_pass(struct session *s)
{
    struct leat_http_event event;
    const leat_time deadline = leat_http_server_deadline(s->server);
    s->now += take(s) * LEAT_SEC / 8;
    leat_http_server_expire(s->server, s->now, &event);
    REQUIRE((event.kind == LEAT_HTTP_NONE) == (deadline == LEAT_NEVER || s->now < deadline));
    check_event(s, &event);
    REQUIRE(leat_http_server_deadline(s->server) > s->now);
}

static void step(struct session *s)
{
    struct leat_http_event event;
    const bool was_done = leat_http_server_is_done(s->server);
    const size_t written = s->out.len;
    const unsigned choice = take(s);
    switch (choice % 10) {
    case 0:
        respond(s);
        break;
    case 1:
        send_some(s);
        break;
    case 2:
        (void)leat_http_server_end(s->server, s->now, &s->out);
        break;
    case 3:
        let_time_pass(s);
        break;
    case 4:
        (void)leat_http_server_continue(s->server, s->now, &s->out);
        break;
    case 5:
        leat_http_server_hold(s->server, s->now, choice & 128);
        break;
    case 6:
        if (choice & 128) {
            leat_http_server_eof(s->server, &event);
            check_event(s, &event);
        }
        break;
    default:
        read_some(s);
        break;
    }
    REQUIRE(s->out.len <= s->out.cap);
    REQUIRE(!was_done || (leat_http_server_is_done(s->server) && s->out.len == written));
    if (choice & 64) {
        s->out.len = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_http_config config;
    struct session s = {.rest = {(const char *)data, size}};
    s.out = (struct leat_http_out){s.bytes, sizeof(s.bytes), 0};
    leat_http_config_default(&config);
    config.head_len_max = 256;
    config.body_len_max = 64;
    config.request_count_max = 3;
    if (size > 4096 || leat_http_server_open(&config, 0, &s.server)) {
        return 0;
    }
    while (s.rest.len) {
        step(&s);
    }
    leat_http_server_close(s.server);
    return 0;
}
