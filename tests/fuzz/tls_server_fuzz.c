/* A server between a client and somebody who has the wire: the input is a program of what is fed
 * to the server, bytes of the input or the client's own, whole or with a byte changed.
 * Properties: no order of calls aborts; everything fed is taken; what is pending is bounded;
 * DATA comes only after OPENED, is what a client said, and nothing comes after the end. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "tls_certs.h"

enum { WIRE_MAX = 100000 };

struct side {
    leat_tls *tls;
    bool opened, over;
};

struct scene {
    struct side client, server;
    const uint8_t *data; /* what is left of the input */
    size_t size;
    uint8_t wire[WIRE_MAX]; /* from the client to the server */
    size_t wire_len;
};

static leat_tls_context *client_context, *server_context;

static void open_contexts(void)
{
    static struct cert authority, cert;
    static struct leat_tls_certificate certificate;
    struct leat_tls_config config;
    authority = cert_issue(NULL, NULL);
    cert = cert_issue("DNS:a.example", &authority);
    certificate = cert_of(&cert);
    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    config.certificates = &certificate;
    config.certificate_count = 1;
    REQUIRE(leat_tls_context_open(&config, NULL, &server_context) == 0);
    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    config.trust = certs_bytes(authority.pem);
    REQUIRE(leat_tls_context_open(&config, NULL, &client_context) == 0);
}

static unsigned take(struct scene *s)
{
    if (s->size == 0) {
        return 0;
    }
    s->size--;
    return *s->data++;
}

static void check_event(struct side *side, const struct leat_tls_event *event)
{
    REQUIRE(event->kind == LEAT_TLS_NONE || event->kind == LEAT_TLS_FLUSH || !side->over);
    if (event->kind == LEAT_TLS_OPENED) {
        REQUIRE(!side->opened);
        side->opened = true;
    } else if (event->kind == LEAT_TLS_DATA) {
        REQUIRE(side->opened && event->u.data.len > 0);
        for (size_t i = 0; i < event->u.data.len; i++) {
            REQUIRE(event->u.data.data[i] == 'x'); /* the only thing that is ever said */
        }
    } else if (event->kind == LEAT_TLS_CLOSED || event->kind == LEAT_TLS_ERROR) {
        side->over = true;
    }
}

static void feed(struct scene *s, struct side *side, const uint8_t *bytes, size_t len)
{
    struct leat_tls_event event;
    uint8_t plain_bytes[1000], out_bytes[500];
    uint8_t *const block = malloc(len ? len : 1);
    if (len) {
        memcpy(block, bytes, len);
    }
    leat_tls_bytes in = {block, len};
    do {
        struct leat_tls_out plain = {plain_bytes, sizeof(plain_bytes), 0};
        leat_tls_read(side->tls, &in, &plain, &event);
        REQUIRE(in.data + in.len == block + len && plain.len <= plain.cap);
        REQUIRE(leat_tls_pending(side->tls) < 16384);
        check_event(side, &event);
        while (event.kind == LEAT_TLS_FLUSH && leat_tls_pending(side->tls)) {
            struct leat_tls_out out = {out_bytes, sizeof(out_bytes), 0};
            leat_tls_flush(side->tls, &out);
            if (side == &s->server) {
                feed(s, &s->client, out.data, out.len);
            } else if (s->wire_len + out.len <= WIRE_MAX) {
                memcpy(s->wire + s->wire_len, out.data, out.len);
                s->wire_len += out.len;
            }
        }
    } while (event.kind != LEAT_TLS_NONE);
    REQUIRE(in.len == 0);
    free(block);
}

static void say(struct scene *s, struct side *side, size_t len)
{
    static uint8_t words[40000];
    static uint8_t bytes[50000];
    memset(words, 'x', sizeof(words));
    struct leat_tls_out out = {bytes, sizeof(bytes), 0};
    if (leat_tls_write(side->tls, leat_tls_bytes_of(words, len), &out) != 0) {
        return;
    }
    REQUIRE(leat_tls_pending(side->tls) == 0);
    if (side == &s->server) {
        feed(s, &s->client, out.data, out.len);
    } else if (s->wire_len + out.len <= WIRE_MAX) {
        memcpy(s->wire + s->wire_len, out.data, out.len);
        s->wire_len += out.len;
    }
}

/* The client's words, or the first of them, perhaps with a byte changed. */
static void carry(struct scene *s, bool changed)
{
    uint8_t *const bytes = s->wire;
    size_t len = s->wire_len;
    if (changed && len) {
        const size_t at = (take(s) << 8 | take(s)) % len;
        bytes[at] ^= (uint8_t)take(s);
    } else if (len > 1) {
        len = len - take(s) % len;
    }
    feed(s, &s->server, bytes, len);
    s->wire_len -= len;
    memmove(bytes, bytes + len, s->wire_len);
}

static void step(struct scene *s)
{
    struct leat_tls_event event;
    const unsigned choice = take(s), amount = take(s);
    const size_t len = amount < s->size ? amount : s->size;
    switch (choice % 8) {
    case 0:
    case 1:
        feed(s, &s->server, s->data, len);
        s->data += len;
        s->size -= len;
        break;
    case 2:
    case 3:
        carry(s, false);
        break;
    case 4:
        carry(s, true);
        break;
    case 5:
        say(s, choice & 8 ? &s->server : &s->client, amount * (choice & 16 ? 150 : 1));
        break;
    case 6:
        (void)leat_tls_finish(choice & 8 ? s->server.tls : s->client.tls);
        break;
    default:
        if (choice & 8) {
            leat_tls_eof(s->server.tls, &event);
        } else {
            leat_tls_expire(s->server.tls, amount * LEAT_SEC / 16, &event);
        }
        check_event(&s->server, &event);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene scene;
    struct scene *const s = &scene;
    const struct leat_tls_options options = {.host = "a.example", .unix_time = CERTS_NOW};
    if (!server_context) {
        open_contexts();
    }
    if (size > 8192) {
        return 0;
    }
    memset(s, 0, sizeof(*s));
    s->data = data;
    s->size = size;
    REQUIRE(leat_tls_open(server_context, NULL, 0, &s->server.tls) == 0);
    REQUIRE(leat_tls_open(client_context, &options, 0, &s->client.tls) == 0);
    feed(s, &s->client, NULL, 0);
    while (s->size) {
        step(s);
    }
    leat_tls_close(s->client.tls);
    leat_tls_close(s->server.tls);
    return 0;
}
