/* What a TLS connection makes of a peer that is OpenSSL itself, and does what leat::tls does
 * not: older versions, renegotiation, key updates without end. */
#include "tls_pair.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static struct cert authority, certs[2];
static leat_tls_context *server;

/* An OpenSSL client over memory BIOs, and our server. */
struct rig {
    SSL_CTX *ssl_ctx;
    SSL *ssl;
    struct pair pair; /* its server only */
};

static void rig_open(struct rig *rig, int version)
{
    memset(rig, 0, sizeof(*rig));
    authority = cert_issue(NULL, NULL);
    certs[0] = cert_make("DNS:a.example", &authority, EVP_RSA_gen(2048));
    certs[1] = cert_issue("DNS:a.example", &authority);
    server = context_server(certs, 2, NULL, 0);
    rig->ssl_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(rig->ssl_ctx, 0);
    SSL_CTX_set_min_proto_version(rig->ssl_ctx, version);
    SSL_CTX_set_max_proto_version(rig->ssl_ctx, version);
    rig->ssl = SSL_new(rig->ssl_ctx);
    SSL_set_bio(rig->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(rig->ssl);
    rig->pair.plain_cap = 4096;
    REQUIRE(leat_tls_open(server, NULL, 0, &rig->pair.server.tls) == 0);
}

static void rig_close(struct rig *rig)
{
    SSL_free(rig->ssl);
    SSL_CTX_free(rig->ssl_ctx);
    pair_close(&rig->pair);
    leat_tls_context_unref(server);
    cert_free(&certs[0]);
    cert_free(&certs[1]);
    cert_free(&authority);
}

/* Carries what each has sent to the other. */
static void rig_carry(struct rig *rig)
{
    char bytes[65536];
    struct side *const side = &rig->pair.server;
    const int len = BIO_read(SSL_get_wbio(rig->ssl), bytes, sizeof(bytes));
    side_feed(&rig->pair, side, bytes, len > 0 ? (size_t)len : 0);
    side_flush(&rig->pair, side);
    struct wire *const wire = &rig->pair.client.in;
    if (wire->len) {
        CHECK_EQ(BIO_write(SSL_get_rbio(rig->ssl), wire->data, (int)wire->len), wire->len);
        wire_drop(wire, wire->len);
    }
}

static void rig_shake(struct rig *rig)
{
    for (int round = 0; round < 4; round++) {
        (void)SSL_do_handshake(rig->ssl);
        rig_carry(rig);
    }
}

TEST(tls_peer, version_1_2)
{
    struct rig rig;
    char bytes[100];
    rig_open(&rig, TLS1_2_VERSION);
    rig_shake(&rig);
    REQUIRE(rig.pair.server.opened == 1);
    CHECK_STR(rig.pair.server.as.version, "TLSv1.2");
    CHECK_EQ(SSL_write(rig.ssl, "hello", 5), 5);
    rig_carry(&rig);
    CHECK(side_heard(&rig.pair.server, "hello", 5));
    static uint8_t data[40000], out_bytes[50000];
    struct leat_tls_out out = {out_bytes, leat_tls_write_len(rig.pair.server.tls, sizeof(data)), 0};
    CHECK_EQ(leat_tls_write(rig.pair.server.tls, leat_tls_bytes_of(data, sizeof(data)), &out), 0);
    CHECK_EQ(leat_tls_pending(rig.pair.server.tls), 0); /* the overhead is greater than in 1.3 */
    wire_put(&rig.pair.client.in, out.data, out.len);
    rig_carry(&rig);
    CHECK_EQ(SSL_read(rig.ssl, bytes, sizeof(bytes)), sizeof(bytes));
    rig_close(&rig);
}

/* Two certificates for a name, with keys of different kinds: who can do only one of them is
 * served. */
TEST(tls_peer, two_kinds_of_keys)
{
    static const char *const ciphers[] = {"ECDHE-RSA-AES128-GCM-SHA256",
                                          "ECDHE-ECDSA-AES128-GCM-SHA256"};
    for (int kind = 0; kind < 2; kind++) {
        struct rig rig;
        rig_open(&rig, TLS1_2_VERSION);
        CHECK_EQ(SSL_set_cipher_list(rig.ssl, ciphers[kind]), 1);
        CHECK_EQ(SSL_set_tlsext_host_name(rig.ssl, "a.example"), 1);
        rig_shake(&rig);
        CHECK_EQ(rig.pair.server.opened, 1);
        /* It is told that its name was heard: only then is it in the session. */
        CHECK_STR(SSL_SESSION_get0_hostname(SSL_get_session(rig.ssl)), "a.example");
        rig_close(&rig);
    }
}

/* Neither without forward secrecy nor without an AEAD. */
TEST(tls_peer, weak_ciphers_are_refused)
{
    struct rig rig;
    rig_open(&rig, TLS1_2_VERSION);
    CHECK_EQ(SSL_set_cipher_list(rig.ssl, "AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"),
             1);
    rig_shake(&rig);
    CHECK_EQ(rig.pair.server.opened, 0);
    CHECK_STR(rig.pair.server.error.why, "no shared cipher");
    rig_close(&rig);
}

TEST(tls_peer, older_versions_are_refused)
{
    struct rig rig;
    rig_open(&rig, TLS1_1_VERSION);
    rig_shake(&rig);
    CHECK_EQ(rig.pair.server.opened, 0);
    CHECK_EQ(rig.pair.server.errors, 1);
    CHECK_EQ(rig.pair.server.error.status, -EPROTO);
    CHECK_STR(rig.pair.server.error.why, "unsupported protocol");
    rig_close(&rig);
}

TEST(tls_peer, renegotiation_is_refused)
{
    struct rig rig;
    rig_open(&rig, TLS1_2_VERSION);
    rig_shake(&rig);
    REQUIRE(rig.pair.server.opened == 1);
    CHECK_EQ(SSL_renegotiate(rig.ssl), 1);
    CHECK(SSL_do_handshake(rig.ssl) != 1);
    CHECK(BIO_pending(SSL_get_wbio(rig.ssl)) > 0); /* it has asked for it */
    rig_carry(&rig);
    ERR_clear_error();
    CHECK(SSL_do_handshake(rig.ssl) != 1);
    CHECK_EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    rig_close(&rig);
}

/* Carries the client's first words, with another group's number in the place of its key share's: the
 * server cannot know that group, and asks for a share of another. */
static void rig_carry_spoilt(struct rig *rig)
{
    char bytes[4096];
    const int len = BIO_read(SSL_get_wbio(rig->ssl), bytes, sizeof(bytes));
    for (int at = 0; at + 1 < len; at++) {
        if (bytes[at] == 0 && bytes[at + 1] == 0x1d) { /* X25519 */
            bytes[at] = bytes[at + 1] = 0x7a;
        }
    }
    REQUIRE(len > 0 && BIO_write(SSL_get_wbio(rig->ssl), bytes, len) == len);
    rig_carry(rig);
}

TEST(tls_peer, hello_retry)
{
    static const uint8_t announced[] = {0x14, 3, 3, 0, 1, 1, 0x16, 3, 3, 0, 4, 1, 1, 0, 0};
    for (int round = 0; round < 2; round++) {
        struct rig rig;
        rig_open(&rig, TLS1_3_VERSION);
        CHECK_EQ(SSL_set1_groups_list(rig.ssl, "X25519:P-256"), 1);
        CHECK(SSL_do_handshake(rig.ssl) != 1);
        rig_carry_spoilt(&rig);
        CHECK_EQ(rig.pair.server.flushes, 1);
        if (round ==
            0) { /* it says all again, and is heard; the two differ in what was said first */
            CHECK(SSL_do_handshake(rig.ssl) != 1);
            rig_carry(&rig);
            CHECK_EQ(rig.pair.server.flushes, 2);
            CHECK_EQ(rig.pair.server.errors, 0);
        } else {
            side_feed(&rig.pair, &rig.pair.server, announced, sizeof(announced));
            CHECK_EQ(rig.pair.server.errors, 1);
            CHECK_STR(rig.pair.server.error.why, "the ClientHello is too long");
        }
        rig_close(&rig);
    }
}

TEST(tls_peer, key_updates)
{
    struct rig rig;
    char bytes[8];
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    REQUIRE(rig.pair.server.opened == 1);
    for (int round = 0; round < 100; round++) { /* as long as something is said */
        CHECK_EQ(SSL_key_update(rig.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        CHECK_EQ(SSL_do_handshake(rig.ssl), 1);
        CHECK_EQ(SSL_write(rig.ssl, "x", 1), 1);
        rig_carry(&rig);
        uint8_t out_bytes[200]; /* the answer takes a part of the room */
        struct leat_tls_out out = {out_bytes, leat_tls_write_len(rig.pair.server.tls, 1), 0};
        CHECK_EQ(leat_tls_write(rig.pair.server.tls, leat_tls_bytes_of("y", 1), &out), 0);
        CHECK_EQ(leat_tls_pending(rig.pair.server.tls), 0);
        wire_put(&rig.pair.client.in, out.data, out.len);
        rig_carry(&rig);
        CHECK_EQ(SSL_read(rig.ssl, bytes, sizeof(bytes)), 1);
    }
    CHECK_EQ(rig.pair.server.said.len, 100);
    CHECK_EQ(rig.pair.server.errors, 0);
    int sent = 0;
    for (; sent < 32; sent++) {
        CHECK_EQ(SSL_key_update(rig.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        CHECK_EQ(SSL_do_handshake(rig.ssl), 1);
    }
    CHECK_EQ(SSL_write(rig.ssl, "x", 1), 1); /* just in time */
    rig_carry(&rig);
    CHECK_EQ(rig.pair.server.said.len, 101);
    CHECK_EQ(rig.pair.server.errors, 0);
    sent = 0;
    while (rig.pair.server.errors == 0 && sent < 1000) { /* and then without end */
        CHECK_EQ(SSL_key_update(rig.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        CHECK_EQ(SSL_do_handshake(rig.ssl), 1);
        rig_carry(&rig);
        sent++;
        CHECK(leat_tls_pending(rig.pair.server.tls) < 1000);
    }
    CHECK_EQ(sent, 34); /* 33 were none, and the next began */
    CHECK_STR(rig.pair.server.error.why, "too many records without data");
    rig_close(&rig);
}

/* All at once: they are counted before they are all answered. */
TEST(tls_peer, key_updates_in_one_piece)
{
    struct rig rig;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    for (int round = 0; round < 2000; round++) {
        CHECK_EQ(SSL_key_update(rig.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        CHECK_EQ(SSL_do_handshake(rig.ssl), 1);
    }
    rig_carry(&rig);
    CHECK_EQ(rig.pair.server.errors, 1);
    CHECK(leat_tls_pending(rig.pair.server.tls) < 1000);
    rig_close(&rig);
}

/* ---- an OpenSSL server, and our client ---- */

/* A ticket larger than a record of the server's. */
static int fill_ticket(SSL *ssl, void *arg)
{
    static const char filler[1500];
    (void)arg;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), filler, sizeof(filler));
}

static SSL_TICKET_RETURN open_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                     size_t len, SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)len;
    (void)status;
    (void)arg;
    return SSL_TICKET_RETURN_IGNORE;
}

static void carry_from_server(struct pair *pair, SSL *ssl)
{
    char bytes[65536];
    side_flush(pair, &pair->client);
    if (pair->server.in.len) {
        CHECK_EQ(BIO_write(SSL_get_rbio(ssl), pair->server.in.data, (int)pair->server.in.len),
                 pair->server.in.len);
        wire_drop(&pair->server.in, pair->server.in.len);
    }
    (void)SSL_do_handshake(ssl);
    const int len = BIO_read(SSL_get_wbio(ssl), bytes, sizeof(bytes));
    wire_put(&pair->client.in, bytes, len > 0 ? (size_t)len : 0);
}

/* While a message of the peer's to TLS itself is half read, nothing can be written; then it can. */
TEST(tls_peer, message_in_pieces)
{
    struct pair pair = {.plain_cap = 4096};
    authority = cert_issue(NULL, NULL);
    certs[0] = cert_issue("DNS:a.example", &authority);
    leat_tls_context *const client = context_client(&authority, NULL, 0);
    SSL_CTX *const ssl_ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_max_send_fragment(ssl_ctx, 512);
    SSL_CTX_set_session_ticket_cb(ssl_ctx, fill_ticket, open_ticket, NULL);
    SSL *const ssl = SSL_new(ssl_ctx);
    CHECK_EQ(SSL_use_cert_and_key(ssl, certs[0].x509, certs[0].key, NULL, 1), 1);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
    const struct leat_tls_options options = {.host = "a.example", .unix_time = CERTS_NOW};
    REQUIRE(leat_tls_open(client, &options, 0, &pair.client.tls) == 0);
    carry_from_server(&pair, ssl);
    while (side_step(&pair, &pair.client)) {
    }
    REQUIRE(pair.client.opened == 1);
    carry_from_server(&pair, ssl); /* tickets */
    pair.step = 600;
    uint8_t bytes[200];
    struct leat_tls_out out = {bytes, sizeof(bytes), 0};
    unsigned refused = 0;
    while (side_step(&pair, &pair.client)) {
        out.len = 0;
        const int status = leat_tls_write(pair.client.tls, leat_tls_bytes_of("x", 1), &out);
        CHECK(status == 0 ? out.len > 0 : status == -EAGAIN && out.len == 0);
        refused += status != 0;
    }
    CHECK(refused > 0);
    out.len = 0;
    CHECK_EQ(leat_tls_write(pair.client.tls, leat_tls_bytes_of("x", 1), &out), 0);
    CHECK_EQ(pair.client.errors, 0);
    pair_close(&pair);
    SSL_free(ssl);
    SSL_CTX_free(ssl_ctx);
    leat_tls_context_unref(client);
    cert_free(&certs[0]);
    cert_free(&authority);
}
