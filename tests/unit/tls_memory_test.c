/* What a connection costs, and what a peer can make it cost: by counting what OpenSSL and we
 * allocate. */
#include "counted_memory.h"
#include "tls_pair.h"

#include <openssl/crypto.h>

static struct cert authority, certs[1];
static leat_tls_context *client, *server;

static bool is_counted;

/* Before main, for the test's runner may use OpenSSL too, and then it is too late. */
__attribute__((constructor)) static void count_memory(void)
{
    is_counted = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1;
}

static void open_contexts(void)
{
    authority = cert_issue(NULL, NULL);
    certs[0] = cert_issue("DNS:a.example", &authority);
    client = context_client(&authority, NULL, 0);
    server = context_server(certs, 1, NULL, 0);
}

/* The server's half of a connection: in the handshake at most, and while it lies idle. */
static void measure(void)
{
    enum { CROWD = 100 };
    static struct pair pairs[CROWD];
    uint8_t data[16384] = {0};
    size_t idle = 0, peak = 0;
    for (int i = 0; i < CROWD; i++) {
        struct pair *const pair = &pairs[i];
        memset(pair, 0, sizeof(*pair));
        pair->plain_cap = 16384;
        const struct leat_tls_options options = {.host = "a.example", .unix_time = CERTS_NOW};
        REQUIRE(leat_tls_open(client, &options, 0, &pair->client.tls) == 0);
        size_t before = most = in_use;
        REQUIRE(leat_tls_open(server, NULL, 0, &pair->server.tls) == 0);
        idle += in_use - before;
        while (pair->client.opened == 0 || pair->server.opened == 0 || pair->client.in.len) {
            (void)side_step(pair, &pair->client);
            before = most = in_use;
            (void)side_step(pair, &pair->server);
            idle += in_use - before;
            peak = most - before > peak ? most - before : peak;
        }
        CHECK_EQ(side_say(pair, &pair->client, data, sizeof(data)), 0);
        before = in_use;
        (void)side_step(pair, &pair->server);
        CHECK_EQ(side_say(pair, &pair->server, data, sizeof(data)), 0);
        idle += in_use - before; /* what it has read and written leaves nothing behind */
        CHECK_EQ(pair->server.said.len, sizeof(data));
    }
    idle /= CROWD;
    printf("a server's connection: %zu bytes idle, at most %zu more in one step\n", idle, peak);
    CHECK(idle > 1000 && idle < 16384);
    CHECK(peak < 96 * 1024);
    for (int i = 0; i < CROWD; i++) {
        pair_close(&pairs[i]);
    }
}

/* What a stranger costs who announces as much as is allowed, and sends all but the end of it. */
static void measure_stranger(void)
{
    static uint8_t record[5 + 16384] = {0x16, 3, 1, 0x40, 0, 1, 0, 0x40, 0};
    struct pair pair;
    memset(&pair, 0, sizeof(pair));
    pair.plain_cap = 4096;
    const size_t before = most = in_use;
    REQUIRE(leat_tls_open(server, NULL, 0, &pair.server.tls) == 0);
    side_feed(&pair, &pair.server, record, sizeof(record));
    side_feed(&pair, &pair.server, record, 5 - 1);
    printf("a stranger's connection: %zu bytes, at most %zu\n", in_use - before, most - before);
    CHECK_EQ(pair.server.errors, 0);
    CHECK(most - before < 96 * 1024);
    pair_close(&pair);
    CHECK_EQ(in_use, before); /* all of it comes back */
}

TEST(tls_memory, bounds)
{
    if (!is_counted) {
        SKIP("OpenSSL was used before main: its memory cannot be counted");
    }
    open_contexts();
    measure();
    measure_stranger();
    leat_tls_context_unref(client);
    leat_tls_context_unref(server);
    cert_free(&certs[0]);
    cert_free(&authority);
}
