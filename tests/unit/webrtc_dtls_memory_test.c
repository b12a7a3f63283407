/* What a connection costs, and what a peer can make it cost: by counting what OpenSSL and we
 * allocate. */
#include "counted_memory.h"
#include "webrtc_dtls_rig.h"

#include <openssl/crypto.h>

static bool is_counted;

/* Before main, for the test's runner may use OpenSSL too, and then it is too late. */
__attribute__((constructor)) static void count_memory(void)
{
    is_counted = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1;
}

static struct rig rig;

/* What comes from one goes to the other; gives what the receiver has allocated more, at most. */
static size_t carry(leat_dtls *from, leat_dtls *to)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    const size_t before = in_use;
    most = in_use;
    while (leat_dtls_transmit(from, &data, &len)) {
        leat_dtls_receive(to, rig.now, data, len);
    }
    return most - before;
}

/* Everything of OpenSSL's first handshake in this process is allocated once. */
static void warm_up(void)
{
    REQUIRE(is_counted);
    rig_open(&rig, 1, 0, 0);
    rig_start(&rig);
    rig_run(&rig, LEAT_SEC);
    rig_close(&rig);
}

TEST(webrtc_dtls_memory, of_a_connection)
{
    enum { CROWD = 100 };
    static leat_dtls *passive[CROWD], *active[CROWD];
    size_t waiting = 0, peak = 0, idle = 0, settled = 0;
    warm_up();
    rig_open(&rig, 2, 0, 0);
    const struct leat_dtls_fingerprint of[2] = {rig_fingerprint(rig.context[0]),
                                                rig_fingerprint(rig.context[1])};
    for (unsigned i = 0; i < CROWD; i++) {
        REQUIRE(leat_dtls_open(rig.context[1], LEAT_DTLS_ACTIVE, &of[0], 1, rig.now, &active[i]) ==
                0);
        const size_t before = in_use;
        REQUIRE(leat_dtls_open(rig.context[0], LEAT_DTLS_PASSIVE, &of[1], 1, rig.now,
                               &passive[i]) == 0);
        size_t grown = in_use - before + carry(active[i], passive[i]);
        peak = grown > peak ? grown : peak;
        waiting = in_use - before;
        (void)carry(passive[i], active[i]);
        const size_t between = in_use;
        grown = waiting + carry(active[i], passive[i]);
        peak = grown > peak ? grown : peak;
        idle = waiting + in_use - between;
        (void)carry(passive[i], active[i]);
        CHECK_EQ(leat_dtls_state(passive[i], NULL), LEAT_DTLS_CONNECTED);
        CHECK_EQ(leat_dtls_state(active[i], NULL), LEAT_DTLS_CONNECTED);
        const size_t connected = in_use;
        leat_dtls_settle(passive[i]);
        settled = idle - (connected - in_use);
    }
    printf("OpenSSL's: %zu bytes settled, %zu connected, %zu waiting in the handshake, %zu in a "
           "step\n",
           settled, idle, waiting, peak);
    CHECK(settled <= 1024);
    CHECK(idle <= 44 * 1024);
    CHECK(waiting <= 56 * 1024);
    CHECK(peak <= 112 * 1024);
    for (unsigned i = 0; i < CROWD; i++) {
        leat_dtls_close(passive[i]);
        leat_dtls_close(active[i]);
    }
    rig_close(&rig);
}

/* A record: header, and so many bytes. */
static size_t put_record(uint8_t *to, uint8_t type, uint8_t epoch, uint16_t seq, size_t len)
{
    memset(to, 0, 13 + len);
    to[0] = type;
    to[1] = 0xfe;
    to[2] = 0xfd;
    to[4] = epoch;
    to[9] = (uint8_t)(seq >> 8);
    to[10] = (uint8_t)seq;
    to[11] = (uint8_t)(len >> 8);
    to[12] = (uint8_t)len;
    return 13 + len;
}

TEST(webrtc_dtls_memory, what_a_stranger_can_cost)
{
    uint8_t record[1200];
    warm_up();
    rig_open(&rig, 3, 0, 0);
    leat_dtls *const passive = rig.side[0].dtls;
    const size_t before = in_use;
    (void)carry(rig.side[1].dtls, passive);
    for (uint16_t i = 0; i < 100; i++) { /* of the next epoch, and its keys do not come */
        leat_dtls_receive(passive, rig.now, record, put_record(record, 22, 1, i, 1100));
        leat_dtls_receive(passive, rig.now, record, put_record(record, 21, 1, i, 1100));
    }
    printf("records too early: %zu bytes\n", in_use - before);
    CHECK(in_use - before <= 160 * 1024);
    for (uint16_t i = 0; i < 100; i++) { /* pieces of messages that announce a lot */
        const size_t len = put_record(record, 22, 0, (uint16_t)(100 + i), 13);
        record[13] = 11;
        record[15] = i < 50 ? 0xff : 0x20; /* beyond, or just within what is taken */
        record[18] = (uint8_t)(1 + i % 50);
        record[24] = 1;
        leat_dtls_receive(passive, rig.now, record, len);
    }
    printf("and messages of which a byte came: %zu bytes\n", in_use - before);
    CHECK_EQ(leat_dtls_state(passive, NULL), LEAT_DTLS_HANDSHAKING);
    CHECK(in_use - before <= 288 * 1024);
    rig_close(&rig);
}
