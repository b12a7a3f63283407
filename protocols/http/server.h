/* A server's connection: what server.c reads into it and respond.c writes from it. */
#ifndef LEAT_PROTOCOLS_HTTP_SERVER_H
#define LEAT_PROTOCOLS_HTTP_SERVER_H

#include "body.h"
#include "head.h"
#include "sending.h"

enum server_in {
    IN_IDLE, /* between requests: not a byte of the next one yet */
    IN_HEAD,
    IN_BODY,
    IN_END,  /* the request has been read, its END is not told yet */
    IN_WAIT, /* the request has been told: nothing is taken until its response has ended */
    IN_DEAD  /* nothing more will be read */
};

enum server_out {
    OUT_NONE, /* no request to answer */
    OUT_DUE,  /* one has come, its response has not begun */
    OUT_BODY, /* the response's head is written */
    OUT_ENDED /* the response has ended before the request has */
};

struct leat_http_server {
    struct leat_http_config config;
    uint8_t in;
    uint8_t out;
    bool keep;      /* another request may follow */
    bool done;      /* the caller is to close */
    bool is_head;   /* the request's method is HEAD */
    bool continues; /* the client waits for 100 */
    bool held;
    uint8_t version;
    uint32_t request_count;
    leat_time deadline; /* IDLE and HEAD */
    leat_time held_at;
    struct body body;
    struct sending sending;
    struct head head;
};

/* Both the request and its response have ended. */
void leat__http_server_next(leat_http_server *server, leat_time now);

#endif
