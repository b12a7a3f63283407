/* A client and a server that talk through memory, the bytes between them cut as asked. What each
 * is fed is a heap block of its own and exact size, so that a sanitizer sees every byte read too
 * far or too late. */
#ifndef LEAT_TESTS_TLS_PAIR_H
#define LEAT_TESTS_TLS_PAIR_H

#include <errno.h>

#include "check.h"
#include "tls_certs.h"

struct wire {
    uint8_t *data;
    size_t len, cap;
};

struct side {
    leat_tls *tls;
    struct wire in;   /* sent to it, not yet read */
    size_t fed;       /* bytes it has read */
    struct wire said; /* what it has decrypted */
    unsigned opened, closed, errors, flushes;
    struct leat_tls_opened as; /* of the last OPENED */
    struct leat_tls_error error;
};

struct pair {
    struct side client, server;
    size_t cut;       /* bytes after which each direction is cut once; 0: not */
    size_t step;      /* bytes at once; 0: any number */
    size_t flush_cap; /* room for pending bytes; 0: any */
    size_t plain_cap; /* room for decrypted bytes */
};

static inline uint8_t *wire_grow(struct wire *wire, size_t len)
{
    if (wire->len + len > wire->cap) {
        wire->cap = 2 * (wire->len + len);
        wire->data = realloc(wire->data, wire->cap);
        certs_must(wire->data != NULL);
    }
    wire->len += len;
    return wire->data + wire->len - len;
}

static inline void wire_put(struct wire *wire, const void *data, size_t len)
{
    if (len) {
        memcpy(wire_grow(wire, len), data, len);
    }
}

static inline void wire_drop(struct wire *wire, size_t len)
{
    wire->len -= len;
    if (wire->len) {
        memmove(wire->data, wire->data + len, wire->len);
    }
}

static inline struct side *pair_other(struct pair *pair, const struct side *side)
{
    return side == &pair->client ? &pair->server : &pair->client;
}

/* Sends what is pending. */
static inline void side_flush(struct pair *pair, struct side *side)
{
    struct wire *const to = &pair_other(pair, side)->in;
    size_t pending = 0;
    while ((pending = leat_tls_pending(side->tls)) != 0) {
        const size_t cap = pair->flush_cap && pair->flush_cap < pending ? pair->flush_cap : pending;
        struct leat_tls_out out = {malloc(cap), cap, 0};
        leat_tls_flush(side->tls, &out);
        CHECK_EQ(out.len, cap);
        CHECK_EQ(leat_tls_pending(side->tls), pending - cap);
        wire_put(to, out.data, out.len);
        free(out.data);
    }
}

/* Encrypts and sends. */
static inline int side_say(struct pair *pair, struct side *side, const void *data, size_t len)
{
    const size_t cap = leat_tls_write_len(side->tls, len);
    struct leat_tls_out out = {malloc(cap ? cap : 1), cap, 0};
    const int status = leat_tls_write(side->tls, leat_tls_bytes_of(data, len), &out);
    CHECK(out.len <= out.cap);
    wire_put(&pair_other(pair, side)->in, out.data, out.len);
    free(out.data);
    return status;
}

static inline void side_event(struct pair *pair, struct side *side,
                              const struct leat_tls_event *event)
{
    switch (event->kind) {
    case LEAT_TLS_OPENED:
        side->opened++;
        side->as = event->u.opened;
        break;
    case LEAT_TLS_DATA:
        CHECK(event->u.data.len > 0);
        wire_put(&side->said, event->u.data.data, event->u.data.len);
        break;
    case LEAT_TLS_FLUSH:
        side->flushes++;
        CHECK(leat_tls_pending(side->tls) > 0);
        side_flush(pair, side);
        break;
    case LEAT_TLS_CLOSED:
        side->closed++;
        break;
    case LEAT_TLS_ERROR:
        side->errors++;
        side->error = event->u.error;
        CHECK(leat_tls_is_done(side->tls));
        CHECK(event->u.error.status < 0 && event->u.error.why && event->u.error.detail);
        break;
    default:
        break;
    }
}

/* Feeds it so many bytes and takes its events. */
static inline void side_feed(struct pair *pair, struct side *side, const void *data, size_t len)
{
    struct leat_tls_event event;
    uint8_t *const block = malloc(len ? len : 1);
    if (len) {
        memcpy(block, data, len);
    }
    leat_tls_bytes in = {block, len};
    do {
        struct leat_tls_out plain = {malloc(pair->plain_cap), pair->plain_cap, 0};
        leat_tls_read(side->tls, &in, &plain, &event);
        CHECK(in.len <= len && in.data + in.len == block + len);
        side_event(pair, side, &event);
        CHECK(event.kind == LEAT_TLS_DATA || plain.len == 0);
        free(plain.data);
    } while (event.kind != LEAT_TLS_NONE);
    CHECK_EQ(in.len, 0);
    side->fed += len;
    free(block);
}

/* One piece of what waits for it. */
static inline bool side_step(struct pair *pair, struct side *side)
{
    side_flush(pair, side);
    size_t len = side->in.len;
    if (len == 0) {
        return false;
    }
    len = pair->step && pair->step < len ? pair->step : len;
    if (side->fed < pair->cut && side->fed + len > pair->cut) {
        len = pair->cut - side->fed;
    }
    uint8_t *const piece = malloc(len);
    memcpy(piece, side->in.data, len);
    wire_drop(&side->in, len);
    side_feed(pair, side, piece, len);
    free(piece);
    return true;
}

/* Until nobody has anything to send. */
static inline void pair_run(struct pair *pair)
{
    bool moved = true;
    while (moved) {
        moved = side_step(pair, &pair->client);
        moved = side_step(pair, &pair->server) || moved || pair->client.in.len;
    }
}

static inline void pair_open_with(struct pair *pair, leat_tls_context *client,
                                  leat_tls_context *server, const struct leat_tls_options *options)
{
    memset(pair, 0, sizeof(*pair));
    pair->plain_cap = 4096;
    const struct leat_tls_options server_options = {.unix_time = CERTS_NOW};
    REQUIRE(leat_tls_open(client, options, 0, &pair->client.tls) == 0);
    REQUIRE(leat_tls_open(server, &server_options, 0, &pair->server.tls) == 0);
}

static inline void pair_open(struct pair *pair, leat_tls_context *client, leat_tls_context *server,
                             const char *host)
{
    const struct leat_tls_options options = {.host = host, .unix_time = CERTS_NOW};
    pair_open_with(pair, client, server, &options);
}

static inline void side_close(struct side *side)
{
    leat_tls_close(side->tls);
    free(side->in.data);
    free(side->said.data);
    side->tls = NULL;
}

static inline void pair_close(struct pair *pair)
{
    side_close(&pair->client);
    side_close(&pair->server);
}

static inline bool side_heard(const struct side *side, const void *data, size_t len)
{
    return side->said.len == len && (len == 0 || memcmp(side->said.data, data, len) == 0);
}

/* ---- contexts ---- */

static inline leat_tls_context *context_server(const struct cert *certs, size_t count,
                                               const char *const *protocols, size_t protocol_count)
{
    struct leat_tls_certificate certificates[4];
    struct leat_tls_config config;
    struct leat_tls_why why = {""};
    leat_tls_context *context = NULL;
    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    for (size_t i = 0; i < count; i++) {
        certificates[i] = cert_of(&certs[i]);
    }
    config.certificates = certificates;
    config.certificate_count = count;
    config.protocols = protocols;
    config.protocol_count = protocol_count;
    const int status = leat_tls_context_open(&config, &why, &context);
    if (status != 0) {
        fprintf(stderr, "%s\n", why.text);
    }
    REQUIRE(status == 0);
    return context;
}

static inline leat_tls_context *context_client(const struct cert *trust,
                                               const char *const *protocols, size_t protocol_count)
{
    struct leat_tls_config config;
    leat_tls_context *context = NULL;
    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    config.trust = certs_bytes(trust->pem);
    config.protocols = protocols;
    config.protocol_count = protocol_count;
    REQUIRE(leat_tls_context_open(&config, NULL, &context) == 0);
    return context;
}

#endif
