/* Who is shown which certificate, who believes it, which protocol is chosen; what is refused
 * beforehand; new certificates and ticket keys while connections live. */
#include "tls_pair.h"
#include "tmp.h"

#include <unistd.h>

/* ---- by name ---- */

/* The common name of what the client was shown, found through its trust: one authority for each
 * certificate, so who trusts that one only shows which it was. */
struct named {
    struct cert authority;
    leat_tls_context *client;
};

static const char *const names[] = {
    "DNS:first.example",
    "DNS:b.example,DNS:*.b.example",
    "DNS:x.b.example",
    "DNS:*.c.example,DNS:c.example",
};
enum { CERTS = sizeof(names) / sizeof(names[0]) };

static struct named by[CERTS];
static struct cert certs[CERTS];

static leat_tls_context *open_names(void)
{
    for (size_t i = 0; i < CERTS; i++) {
        by[i].authority = cert_issue(NULL, NULL);
        by[i].client = context_client(&by[i].authority, NULL, 0);
        certs[i] = cert_issue(names[i], &by[i].authority);
    }
    return context_server(certs, CERTS, NULL, 0);
}

static void close_names(leat_tls_context *server)
{
    for (size_t i = 0; i < CERTS; i++) {
        leat_tls_context_unref(by[i].client);
        cert_free(&by[i].authority);
        cert_free(&certs[i]);
    }
    leat_tls_context_unref(server);
}

/* Which certificate a client that asks for `host` is shown, -1: none that it believes. */
static int shown_for(leat_tls_context *server, const char *host)
{
    struct pair pair;
    int found = -1;
    for (int i = 0; i < CERTS; i++) {
        pair_open(&pair, by[i].client, server, host);
        pair_run(&pair);
        if (pair.client.opened) {
            found = i;
        }
        pair_close(&pair);
    }
    return found;
}

TEST(tls_context, certificates_by_name)
{
    leat_tls_context *const server = open_names();
    CHECK_EQ(shown_for(server, "first.example"), 0);
    CHECK_EQ(shown_for(server, "b.example"), 1);
    CHECK_EQ(shown_for(server, "B.Example"), 1);
    CHECK_EQ(shown_for(server, "y.b.example"), 1);
    CHECK_EQ(shown_for(server, "x.b.example"), 2); /* before the wildcard, though later */
    CHECK_EQ(shown_for(server, "c.example"), 3);
    CHECK_EQ(shown_for(server, "z.c.example"), 3);
    CHECK_EQ(shown_for(server, "z.z.c.example"), -1); /* a wildcard is one label */
    CHECK_EQ(shown_for(server, "unknown.example"), -1);
    close_names(server);
}

/* For a name without a certificate, and for who gives none, the first is shown. */
TEST(tls_context, first_certificate)
{
    struct pair pair;
    leat_tls_context *const server = open_names();
    pair_open(&pair, by[0].client, server, "unknown.example");
    pair_run(&pair);
    REQUIRE(pair.client.errors == 1);
    CHECK_EQ(pair.client.error.status, -EKEYREJECTED);
    CHECK_STR(pair.client.error.why, "certificate verify failed");
    CHECK_STR(pair.client.error.detail, "hostname mismatch"); /* of a chain that it believes */
    REQUIRE(pair.server.errors == 1);
    CHECK_EQ(pair.server.error.status, -ECONNRESET);
    CHECK_EQ(pair.server.error.alert, 42); /* bad_certificate */
    pair_close(&pair);
    close_names(server);
}

/* ---- what a client believes ---- */

/* Opens a connection to `cert` with a client that trusts `authority`; 0, or the status of its
 * error. */
static int believe(const struct cert *authority, const struct cert *cert, const char *host,
                   int64_t unix_time, const char **ret_detail)
{
    struct pair pair;
    leat_tls_context *const server = context_server(cert, 1, NULL, 0);
    leat_tls_context *const client = context_client(authority, NULL, 0);
    const struct leat_tls_options options = {.host = host, .unix_time = unix_time};
    pair_open_with(&pair, client, server, &options);
    pair_run(&pair);
    const int status = pair.client.errors ? pair.client.error.status : 0;
    *ret_detail = pair.client.errors ? pair.client.error.detail : "";
    CHECK(pair.client.errors + pair.client.opened == 1);
    CHECK(pair.server.errors == pair.client.errors);
    pair_close(&pair);
    leat_tls_context_unref(server);
    leat_tls_context_unref(client);
    return status;
}

TEST(tls_context, verification)
{
    const char *detail = NULL;
    struct cert authority = cert_issue(NULL, NULL);
    struct cert other = cert_issue(NULL, NULL);
    struct cert middle = cert_make(NULL, &authority, EVP_EC_gen("P-256"));
    struct cert cert = cert_issue("DNS:a.example,DNS:*.w.example,IP:127.0.0.1,IP:::1", &authority);
    struct cert below = cert_issue("DNS:a.example", &middle);
    struct cert self = cert_issue("DNS:a.example", NULL);

    CHECK_EQ(believe(&authority, &cert, "a.example", CERTS_NOW, &detail), 0);
    CHECK_EQ(believe(&authority, &cert, "x.w.example", CERTS_NOW, &detail), 0);
    CHECK_EQ(believe(&authority, &cert, "127.0.0.1", CERTS_NOW, &detail), 0);
    CHECK_EQ(believe(&authority, &cert, "::1", CERTS_NOW, &detail), 0);
    CHECK_EQ(believe(&authority, &below, "a.example", CERTS_NOW, &detail), 0); /* a chain */

    CHECK_EQ(believe(&authority, &cert, "b.example", CERTS_NOW, &detail), -EKEYREJECTED);
    CHECK_STR(detail, "hostname mismatch");
    CHECK_EQ(believe(&authority, &cert, "w.example", CERTS_NOW, &detail), -EKEYREJECTED);
    CHECK_EQ(believe(&authority, &cert, "127.0.0.2", CERTS_NOW, &detail), -EKEYREJECTED);
    CHECK_STR(detail, "IP address mismatch");
    CHECK_EQ(believe(&authority, &cert, "a.example", CERTS_UNTIL + 1, &detail), -EKEYREJECTED);
    CHECK_STR(detail, "certificate has expired");
    CHECK_EQ(believe(&authority, &cert, "a.example", CERTS_FROM - 1, &detail), -EKEYREJECTED);
    CHECK_STR(detail, "certificate is not yet valid");
    CHECK_EQ(believe(&authority, &cert, "a.example", 0, &detail), -EKEYREJECTED); /* the clock's */
    CHECK_EQ(believe(&other, &cert, "a.example", CERTS_NOW, &detail), -EKEYREJECTED);
    CHECK_STR(detail, "self-signed certificate in certificate chain");
    CHECK_EQ(believe(&authority, &self, "a.example", CERTS_NOW, &detail), -EKEYREJECTED);
    CHECK_STR(detail, "self-signed certificate");

    cert_free(&self);
    cert_free(&below);
    cert_free(&cert);
    cert_free(&middle);
    cert_free(&other);
    cert_free(&authority);
}

TEST(tls_context, unverified)
{
    struct pair pair;
    struct leat_tls_config config;
    leat_tls_context *client = NULL;
    struct cert self = cert_issue("DNS:a.example", NULL);
    leat_tls_context *const server = context_server(&self, 1, NULL, 0);
    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    config.unverified = true;
    REQUIRE(leat_tls_context_open(&config, NULL, &client) == 0);
    pair_open(&pair, client, server, "b.example");
    pair_run(&pair);
    CHECK_EQ(pair.client.opened, 1);
    pair_close(&pair);
    leat_tls_context_unref(client);
    leat_tls_context_unref(server);
    cert_free(&self);
}

/* A server that trusts somebody lets in nobody else. */
TEST(tls_context, client_certificates)
{
    struct cert authority = cert_issue(NULL, NULL), other = cert_issue(NULL, NULL);
    struct cert cert = cert_issue("DNS:a.example", &authority);
    struct cert friend = cert_issue("DNS:friend", &authority);
    struct cert stranger = cert_issue("DNS:friend", &other);
    const struct cert *const shown[] = {&friend, &stranger, NULL};
    const struct leat_tls_certificate own = cert_of(&cert);
    struct leat_tls_config config;
    leat_tls_context *server = NULL;
    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    config.certificates = &own;
    config.certificate_count = 1;
    config.trust = certs_bytes(authority.pem);
    REQUIRE(leat_tls_context_open(&config, NULL, &server) == 0);
    for (size_t i = 0; i < 3; i++) {
        struct pair pair;
        struct leat_tls_certificate one;
        leat_tls_context *client = NULL;
        leat_tls_config_default(LEAT_TLS_CLIENT, &config);
        config.trust = certs_bytes(authority.pem);
        if (shown[i]) {
            one = cert_of(shown[i]);
            config.certificates = &one;
            config.certificate_count = 1;
        }
        REQUIRE(leat_tls_context_open(&config, NULL, &client) == 0);
        pair_open(&pair, client, server, "a.example");
        pair_run(&pair);
        CHECK_EQ(pair.server.opened, i == 0);
        CHECK_EQ(pair.server.errors, i != 0);
        CHECK_EQ(pair.client.errors,
                 i != 0); /* it is told, after it had thought that all was well */
        CHECK(i == 0 || pair.client.error.status == -ECONNRESET);
        CHECK(i != 1 || pair.server.error.status == -EKEYREJECTED);
        pair_close(&pair);
        leat_tls_context_unref(client);
    }
    leat_tls_context_unref(server);
    cert_free(&stranger);
    cert_free(&friend);
    cert_free(&cert);
    cert_free(&other);
    cert_free(&authority);
}

/* ---- protocols ---- */

static const char *chosen(const char *const *server_has, size_t server_count,
                          const char *const *client_has, size_t client_count, char text[16])
{
    struct pair pair;
    struct cert authority = cert_issue(NULL, NULL);
    struct cert cert = cert_issue("DNS:a.example", &authority);
    leat_tls_context *const server = context_server(&cert, 1, server_has, server_count);
    leat_tls_context *const client = context_client(&authority, client_has, client_count);
    pair_open(&pair, client, server, "a.example");
    pair_run(&pair);
    snprintf(text, 16, "alert %d", pair.client.error.alert);
    if (pair.client.opened) {
        const leat_tls_bytes protocol = pair.client.as.protocol;
        CHECK(pair.server.opened && pair.server.as.protocol.len == protocol.len);
        snprintf(text, 16, "%.*s", (int)protocol.len, (const char *)protocol.data);
    }
    pair_close(&pair);
    leat_tls_context_unref(client);
    leat_tls_context_unref(server);
    cert_free(&cert);
    cert_free(&authority);
    return text;
}

TEST(tls_context, protocols)
{
    static const char *const web[] = {"http/1.1", "http/1.0"};
    static const char *const old_first[] = {"http/1.0", "h2", "http/1.1"};
    static const char *const others[] = {"h2", "irc"};
    char text[16];
    CHECK_STR(chosen(web, 2, old_first, 3, text), "http/1.1"); /* the server's order */
    CHECK_STR(chosen(web + 1, 1, old_first, 3, text), "http/1.0");
    CHECK_STR(chosen(web, 2, NULL, 0, text), "");
    CHECK_STR(chosen(NULL, 0, web, 2, text), "");
    CHECK_STR(chosen(web, 2, others, 2, text), "alert 120"); /* no_application_protocol */
}

/* ---- what is refused beforehand ---- */

static int open_server(leat_tls_bytes chain, leat_tls_bytes key, struct leat_tls_why *why)
{
    const struct leat_tls_certificate certificate = {chain, key};
    struct leat_tls_config config;
    leat_tls_context *context = NULL;
    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    config.certificates = &certificate;
    config.certificate_count = 1;
    const int status = leat_tls_context_open(&config, why, &context);
    leat_tls_context_unref(context);
    return status;
}

TEST(tls_context, refused)
{
    struct leat_tls_why why;
    struct leat_tls_config config;
    leat_tls_context *context = NULL;
    struct cert cert = cert_issue("DNS:a.example", NULL), other = cert_issue("DNS:a.example", NULL);
    struct cert weak = cert_make("DNS:a.example", NULL, EVP_RSA_gen(512));
    const leat_tls_bytes pem = certs_bytes(cert.pem), key = certs_bytes(cert.key_pem);
    const leat_tls_bytes nothing = {NULL, 0};

    CHECK_EQ(open_server(pem, key, &why), 0);
    CHECK_EQ(open_server(pem, certs_bytes(other.key_pem), &why), -EINVAL);
    CHECK_STR(why.text, "certificate 1: not to be used: private key mismatch");
    CHECK_EQ(open_server(nothing, key, &why), -EINVAL);
    CHECK_STR(why.text, "certificate 1: the chain: there is none in the PEM text");
    CHECK_EQ(open_server(pem, nothing, &why), -EINVAL);
    CHECK_EQ(open_server(key, key, &why), -EINVAL);
    CHECK_EQ(open_server(leat_tls_bytes_of(cert.pem, pem.len / 2), key, &why), -EINVAL);
    CHECK_EQ(open_server(certs_bytes(weak.pem), certs_bytes(weak.key_pem), NULL), -EINVAL);

    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    CHECK_EQ(leat_tls_context_open(&config, &why, &context), -EINVAL);
    CHECK_STR(why.text, "a server needs a certificate");
    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    config.trust = key;
    CHECK_EQ(leat_tls_context_open(&config, &why, &context), -EINVAL);
    config.trust = pem;
    config.protocols = (const char *const[]){""};
    config.protocol_count = 1;
    CHECK_EQ(leat_tls_context_open(&config, &why, &context), -EINVAL);
    CHECK_STR(why.text, "protocol 1: its name must have 1 to 255 bytes");
    CHECK(context == NULL);
    cert_free(&weak);
    cert_free(&other);
    cert_free(&cert);
}

TEST(tls_context, hosts)
{
    static const char *const bad[] = {NULL, "", ".example"};
    struct cert authority = cert_issue(NULL, NULL);
    leat_tls_context *const client = context_client(&authority, NULL, 0);
    leat_tls *tls = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct leat_tls_options options = {.host = bad[i]};
        CHECK_EQ(leat_tls_open(client, &options, 0, &tls), -EINVAL);
    }
    CHECK_EQ(leat_tls_open(client, NULL, 0, &tls), -EINVAL);
    CHECK(tls == NULL);
    leat_tls_context_unref(client);
    cert_free(&authority);
}

/* ---- changes while connections live ---- */

TEST(tls_context, reload)
{
    struct pair old, fresh;
    struct leat_tls_why why;
    leat_tls_context *const server = open_names();
    struct cert renewed = cert_issue("DNS:first.example", &by[3].authority);
    struct leat_tls_certificate certificate = cert_of(&renewed);

    pair_open(&old, by[0].client, server, "first.example");
    pair_run(&old);
    CHECK_EQ(old.client.opened, 1);

    certificate.key = certs_bytes(certs[0].key_pem); /* a bad one changes nothing */
    CHECK_EQ(leat_tls_context_reload(server, &certificate, 1, &why), -EINVAL);
    CHECK_STR(why.text, "certificate 1: not to be used: private key mismatch");
    CHECK_EQ(leat_tls_context_reload(server, NULL, 0, &why), -EINVAL);
    CHECK_EQ(shown_for(server, "first.example"), 0);
    CHECK_EQ(shown_for(server, "b.example"), 1);

    certificate = cert_of(&renewed);
    CHECK_EQ(leat_tls_context_reload(server, &certificate, 1, &why), 0);
    CHECK_EQ(shown_for(server, "first.example"), 3);
    CHECK_EQ(shown_for(server, "b.example"), -1); /* the others are gone */

    CHECK_EQ(side_say(&old, &old.client, "still here", 10), 0); /* what was open lives on */
    pair_run(&old);
    CHECK(side_heard(&old.server, "still here", 10));
    pair_open(&fresh, by[3].client, server, "first.example");
    pair_run(&fresh);
    CHECK_EQ(fresh.client.opened, 1);
    pair_close(&fresh);
    pair_close(&old);
    cert_free(&renewed);
    close_names(server);
}

/* A connection needs nothing of who opened it but the context, which it holds. */
TEST(tls_context, references)
{
    struct pair pair;
    leat_tls_context *const server = open_names();
    pair_open(&pair, by[0].client, server, "first.example");
    CHECK(leat_tls_context_ref(server) == server);
    leat_tls_context_unref(server);
    CHECK(leat_tls_context_ref(NULL) == NULL);
    close_names(server);
    pair_run(&pair);
    CHECK_EQ(pair.client.opened, 1);
    pair_close(&pair);
}

/* ---- sessions ---- */

/* One connection with the session in `saved`, of which the next replaces it; whether it was
 * resumed. */
static bool come_back(leat_tls_context *client, leat_tls_context *server, const char *host,
                      struct leat_tls_out *saved)
{
    struct pair pair;
    const struct leat_tls_options options = {
        .host = host, .unix_time = CERTS_NOW, .session = {saved->data, saved->len}};
    pair_open_with(&pair, client, server, &options);
    pair_run(&pair);
    CHECK_EQ(pair.client.opened, 1);
    CHECK_EQ(side_say(&pair, &pair.client, "again", 5), 0);
    pair_run(&pair);
    CHECK(side_heard(&pair.server, "again", 5));
    CHECK_EQ(pair.client.as.resumed, pair.server.as.resumed);
    const bool resumed = pair.client.as.resumed;
    saved->len = 0;
    CHECK_EQ(leat_tls_session_save(pair.client.tls, saved), 0);
    CHECK_EQ(leat_tls_session_save(pair.server.tls, saved), -EAGAIN);
    pair_close(&pair);
    return resumed;
}

TEST(tls_context, sessions)
{
    static uint8_t bytes[8192];
    static const uint8_t key[LEAT_TLS_TICKET_KEY_LEN] = {1, 2, 3};
    struct leat_tls_out saved = {bytes, sizeof(bytes), 0};
    struct cert authority = cert_issue(NULL, NULL);
    struct cert cert = cert_issue("DNS:a.example,DNS:b.example", &authority);
    const struct leat_tls_certificate same = cert_of(&cert);
    leat_tls_context *const server = context_server(&cert, 1, NULL, 0);
    leat_tls_context *const other = context_server(&cert, 1, NULL, 0);
    leat_tls_context *const client = context_client(&authority, NULL, 0);

    CHECK(!come_back(client, server, "a.example", &saved));
    CHECK(come_back(client, server, "a.example", &saved));
    CHECK(come_back(client, server, "a.example", &saved));  /* with the ticket of the second */
    CHECK(!come_back(client, server, "b.example", &saved)); /* of another host: not offered */
    CHECK(come_back(client, server, "b.example", &saved));
    CHECK(!come_back(client, other, "b.example", &saved)); /* another key */
    CHECK(!come_back(client, server, "a.example", &saved));
    CHECK_EQ(leat_tls_context_reload(server, &same, 1, NULL), 0);
    CHECK(come_back(client, server, "a.example", &saved));
    CHECK_EQ(leat_tls_context_rotate(server, NULL), 0);
    CHECK(come_back(client, server, "a.example", &saved)); /* the key before opens still */
    CHECK_EQ(leat_tls_context_rotate(server, NULL), 0);
    CHECK(come_back(client, server, "a.example", &saved)); /* it got a new ticket then */
    CHECK_EQ(leat_tls_context_rotate(server, NULL), 0);
    CHECK_EQ(leat_tls_context_rotate(server, NULL), 0);
    CHECK(!come_back(client, server, "a.example", &saved));

    CHECK_EQ(leat_tls_context_rotate(server, key), 0); /* two that share a key */
    CHECK_EQ(leat_tls_context_rotate(other, key), 0);
    CHECK(!come_back(client, other, "a.example", &saved));
    CHECK(come_back(client, server, "a.example", &saved));
    CHECK_EQ(leat_tls_context_rotate(client, NULL), -EINVAL);

    bytes[saved.len / 2] ^= 1; /* whatever is wrong with it, the handshake is done without */
    (void)come_back(client, server, "a.example", &saved);
    memset(bytes, 0xff, 100);
    saved.len = 100;
    CHECK(!come_back(client, server, "a.example", &saved));
    leat_tls_context_unref(client);
    leat_tls_context_unref(other);
    leat_tls_context_unref(server);
    cert_free(&cert);
    cert_free(&authority);
}

/* What nobody verified is not believed later. */
TEST(tls_context, session_of_an_unverified_connection)
{
    static uint8_t bytes[8192];
    struct pair pair;
    struct leat_tls_out saved = {bytes, sizeof(bytes), 0};
    struct leat_tls_config config;
    leat_tls_context *careless = NULL;
    struct cert authority = cert_issue(NULL, NULL);
    struct cert self = cert_issue("DNS:a.example", NULL);
    leat_tls_context *const server = context_server(&self, 1, NULL, 0);
    leat_tls_context *const client = context_client(&authority, NULL, 0);
    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    config.unverified = true;
    REQUIRE(leat_tls_context_open(&config, NULL, &careless) == 0);
    CHECK(!come_back(careless, server, "a.example", &saved));
    const struct leat_tls_options options = {
        .host = "a.example", .unix_time = CERTS_NOW, .session = {saved.data, saved.len}};
    pair_open_with(&pair, client, server, &options);
    pair_run(&pair);
    CHECK_EQ(pair.client.opened, 0);
    CHECK_EQ(pair.client.error.status, -EKEYREJECTED);
    pair_close(&pair);
    leat_tls_context_unref(careless);
    leat_tls_context_unref(client);
    leat_tls_context_unref(server);
    cert_free(&self);
    cert_free(&authority);
}

TEST(tls_context, system_trust)
{
    char path[256];
    struct pair pair;
    struct leat_tls_config config;
    struct leat_tls_why why;
    leat_tls_context *client = NULL;
    struct cert authority = cert_issue(NULL, NULL);
    struct cert cert = cert_issue("DNS:a.example", &authority);
    leat_tls_context *const server = context_server(&cert, 1, NULL, 0);
    snprintf(path, sizeof(path), "%s/leat-tls-XXXXXX", tmp_folder());
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, authority.pem, strlen(authority.pem)) == (ssize_t)strlen(authority.pem));
    close(fd);
    setenv("SSL_CERT_FILE", path, 1);
    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    CHECK_EQ(leat_tls_context_open(&config, &why, &client), 0);
    unlink(path);
    pair_open(&pair, client, server, "a.example");
    pair_run(&pair);
    CHECK_EQ(pair.client.opened, 1);
    pair_close(&pair);
    unsetenv("SSL_CERT_FILE");
    leat_tls_context_unref(client);
    leat_tls_context_unref(server);
    cert_free(&cert);
    cert_free(&authority);
}

/* Keys that are shared do not let in whom this one would not: a ticket of a server that asks for no certificate. */
TEST(tls_context, a_ticket_is_no_certificate)
{
    static uint8_t bytes[8192];
    static const uint8_t key[LEAT_TLS_TICKET_KEY_LEN] = {4, 5, 6};
    struct pair pair;
    struct leat_tls_out saved = {bytes, sizeof(bytes), 0};
    struct cert authority = cert_issue(NULL, NULL);
    struct cert cert = cert_issue("DNS:a.example", &authority);
    const struct leat_tls_certificate own = cert_of(&cert);
    struct leat_tls_config config;
    leat_tls_context *strict = NULL;
    leat_tls_context *const open = context_server(&cert, 1, NULL, 0);
    leat_tls_context *const client = context_client(&authority, NULL, 0);
    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    config.certificates = &own;
    config.certificate_count = 1;
    config.trust = certs_bytes(authority.pem);
    REQUIRE(leat_tls_context_open(&config, NULL, &strict) == 0);
    CHECK_EQ(leat_tls_context_rotate(open, key), 0);
    CHECK_EQ(leat_tls_context_rotate(strict, key), 0);
    CHECK(!come_back(client, open, "a.example", &saved));
    const struct leat_tls_options options = {
        .host = "a.example", .unix_time = CERTS_NOW, .session = {saved.data, saved.len}};
    pair_open_with(&pair, client, strict, &options);
    pair_run(&pair);
    CHECK_EQ(pair.server.opened, 0);
    CHECK_EQ(pair.server.errors, 1);
    pair_close(&pair);
    leat_tls_context_unref(client);
    leat_tls_context_unref(strict);
    leat_tls_context_unref(open);
    cert_free(&cert);
    cert_free(&authority);
}

/* A name is one that the certificate lists; what its subject is called counts for nothing (RFC 9525, 2). */
TEST(tls_context, a_common_name_is_no_name)
{
    const char *detail = NULL;
    char common[64] = "";
    struct cert authority = cert_issue(NULL, NULL);
    struct cert cert = cert_issue("IP:127.0.0.1", &authority);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert.x509), NID_commonName, common,
                              sizeof(common));
    CHECK_EQ(believe(&authority, &cert, "127.0.0.1", CERTS_NOW, &detail), 0);
    CHECK_EQ(believe(&authority, &cert, common, CERTS_NOW, &detail), -EKEYREJECTED);
    cert_free(&cert);
    cert_free(&authority);
}
