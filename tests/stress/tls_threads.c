/* Threads that share a context: they open connections, shake hands and talk, while another
 * thread puts new certificates and ticket keys in its place, good ones and bad ones. Every
 * connection must succeed. */
#include "tls_pair.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 3, CONNECTIONS = 150 };

static struct cert authority, certs[2];
static leat_tls_context *server, *client;
static atomic_bool over;

static void *connect_often(void *arg)
{
    uint8_t bytes[8192];
    struct leat_tls_out saved = {bytes, sizeof(bytes), 0};
    (void)arg;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct pair pair;
        struct leat_tls_options options = {.host = "a.example", .unix_time = CERTS_NOW};
        if (i % 2) {
            options.session = leat_tls_bytes_of(saved.data, saved.len);
        }
        memset(&pair, 0, sizeof(pair));
        pair.plain_cap = 4096;
        CHECK_EQ(leat_tls_open(client, &options, 0, &pair.client.tls), 0);
        CHECK_EQ(leat_tls_open(server, NULL, 0, &pair.server.tls), 0);
        pair_run(&pair);
        CHECK_EQ(pair.client.opened + pair.server.opened, 2);
        CHECK_EQ(side_say(&pair, &pair.client, "hello", 5), 0);
        pair_run(&pair);
        CHECK(side_heard(&pair.server, "hello", 5));
        saved.len = 0;
        CHECK_EQ(leat_tls_session_save(pair.client.tls, &saved), 0);
        pair_close(&pair);
    }
    return NULL;
}

static void *reload_often(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !atomic_load(&over); i++) {
        struct leat_tls_certificate certificate = cert_of(&certs[i % 2]);
        CHECK_EQ(leat_tls_context_reload(server, &certificate, 1, NULL), 0);
        certificate.key = certs_bytes(certs[1 - i % 2].key_pem);
        CHECK_EQ(leat_tls_context_reload(server, &certificate, 1, NULL), -EINVAL);
        if (i % 16 == 0) {
            CHECK_EQ(leat_tls_context_rotate(server, NULL), 0);
        }
        leat_tls_context_unref(leat_tls_context_ref(server));
    }
    return NULL;
}

TEST(tls_stress, shared_context)
{
    pthread_t threads[THREADS], reloading;
    authority = cert_issue(NULL, NULL);
    certs[0] = cert_issue("DNS:a.example", &authority);
    certs[1] = cert_issue("DNS:a.example", &authority);
    server = context_server(certs, 1, NULL, 0);
    client = context_client(&authority, NULL, 0);
    CHECK_EQ(pthread_create(&reloading, NULL, reload_often, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, connect_often, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    atomic_store(&over, true);
    CHECK_EQ(pthread_join(reloading, NULL), 0);
    leat_tls_context_unref(server);
    leat_tls_context_unref(client);
    cert_free(&certs[1]);
    cert_free(&certs[0]);
    cert_free(&authority);
}
