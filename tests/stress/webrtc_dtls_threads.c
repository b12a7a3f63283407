/* Threads that share two contexts: each opens connections, shakes hands and says goodbye. Every
 * connection must succeed. */
#include <pthread.h>

#include <leat/dtls.h>

#include "check.h"

enum { THREADS = 4, CONNECTIONS = 60 };

static leat_dtls_context *contexts[2];
static struct leat_dtls_fingerprint fingerprints[2];

static void carry(leat_dtls *from, leat_dtls *to)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    while (leat_dtls_transmit(from, &data, &len)) {
        leat_dtls_receive(to, LEAT_SEC, data, len);
    }
}

static void *connect_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < CONNECTIONS; i++) {
        leat_dtls *passive = NULL, *active = NULL;
        leat_dtls_context *const context = leat_dtls_context_ref(contexts[0]);
        CHECK_EQ(leat_dtls_open(context, LEAT_DTLS_PASSIVE, &fingerprints[1], 1, 0, &passive), 0);
        CHECK_EQ(leat_dtls_open(contexts[1], LEAT_DTLS_ACTIVE, &fingerprints[0], 1, 0, &active), 0);
        leat_dtls_context_unref(context);
        for (int flight = 0; flight < 2; flight++) {
            carry(active, passive);
            carry(passive, active);
        }
        CHECK_EQ(leat_dtls_state(passive, NULL), LEAT_DTLS_CONNECTED);
        CHECK_EQ(leat_dtls_state(active, NULL), LEAT_DTLS_CONNECTED);
        leat_dtls_finish(active);
        carry(active, passive);
        CHECK_EQ(leat_dtls_state(passive, NULL), LEAT_DTLS_CLOSED);
        leat_dtls_close(active);
        leat_dtls_close(passive);
    }
    return NULL;
}

TEST(webrtc_dtls_stress, shared_contexts)
{
    const struct leat_dtls_config config = {.unix_time = 1700000000};
    pthread_t threads[THREADS];
    for (int i = 0; i < 2; i++) {
        REQUIRE(leat_dtls_context_open(&config, &contexts[i]) == 0);
        const char *text = leat_dtls_context_fingerprint(contexts[i]);
        REQUIRE(leat_dtls_fingerprint_parse(text, strlen(text), &fingerprints[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, connect_often, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    }
    leat_dtls_context_unref(contexts[0]);
    leat_dtls_context_unref(contexts[1]);
}
