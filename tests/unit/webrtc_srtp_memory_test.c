/* What a session costs, and that a packet allocates nothing: all of it is allocated by OpenSSL, or
 * through it. */
#include "webrtc_srtp.h"

#include <malloc.h>

#include <openssl/crypto.h>

static size_t allocations, in_use;
static bool is_counted;

static void *counted_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *const memory = malloc(size);
    if (memory) {
        allocations++;
        in_use += malloc_usable_size(memory);
    }
    return memory;
}

static void counted_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    in_use -= memory ? malloc_usable_size(memory) : 0;
    free(memory);
}

static void *counted_realloc(void *memory, size_t size, const char *file, int line)
{
    const size_t old = memory ? malloc_usable_size(memory) : 0;
    void *const grown = counted_malloc(size, file, line);
    if (grown && memory) {
        memcpy(grown, memory, old < size ? old : size);
        counted_free(memory, file, line);
    }
    return grown;
}

/* Before main, for the test's runner may use OpenSSL too, and then it is too late. */
__attribute__((constructor)) static void count_allocations(void)
{
    is_counted = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1;
}

/* What is between a server and a viewer: audio, video and its retransmissions out, reports both ways. */
static void use(struct srtp_pair *viewer, leat_srtp *theirs)
{
    uint8_t report[32] = {0x81, 201, 0, 7}, sealed[PACKET_MAX], out[PACKET_MAX];
    size_t len = 0, out_len = 0;
    for (uint32_t ssrc = 0; ssrc < 3; ssrc++) {
        REQUIRE(protect(viewer->sender, ssrc, 1, sealed, &len) == 0);
    }
    REQUIRE(leat_srtcp_protect(viewer->sender, report, sizeof(report), sealed, PACKET_MAX, &len) ==
            0);
    REQUIRE(leat_srtcp_protect(theirs, report, sizeof(report), sealed, PACKET_MAX, &len) == 0);
    REQUIRE(leat_srtcp_unprotect(viewer->receiver, sealed, len, out, PACKET_MAX, &out_len) == 0);
}

TEST(webrtc_srtp_memory, a_viewer_costs_little)
{
    enum { CROWD = 100, BOUND = 8192 };
    REQUIRE(is_counted);
    for (size_t p = 0; p < 2; p++) {
        static struct srtp_pair viewers[CROWD];
        struct srtp_pair theirs = pair_open(profiles[p]);
        use(&theirs, theirs.sender); /* what is allocated once */
        const size_t before = in_use;
        for (size_t i = 0; i < CROWD; i++) {
            viewers[i] = pair_open(profiles[p]);
            use(&viewers[i], theirs.sender);
        }
        const size_t each = (in_use - before) / CROWD;
        printf("profile %d: %zu bytes a viewer\n", (int)profiles[p], each);
        CHECK(each > 1000 && each <= BOUND);
        for (size_t i = 0; i < CROWD; i++) {
            pair_close(&viewers[i]);
        }
        CHECK_EQ(in_use, before);
        pair_close(&theirs);
    }
}

TEST(webrtc_srtp_memory, a_packet_allocates_nothing)
{
    REQUIRE(is_counted);
    for (size_t p = 0; p < 2; p++) {
        struct srtp_pair pair = pair_open(profiles[p]);
        uint8_t report[32] = {0x81, 201, 0, 7}, sealed[PACKET_MAX], out[PACKET_MAX];
        size_t len = 0, out_len = 0, before = 0;
        for (unsigned seq = 0; seq < 3000; seq++) {
            if (seq == 1) {
                before = allocations;
            }
            REQUIRE(protect_flagged(pair.sender, 1, seq, 1, LEAT_SRTP_REPEAT, sealed, &len) == 0);
            REQUIRE(leat_srtp_unprotect(pair.receiver, sealed, len, out, PACKET_MAX, &out_len) ==
                    0);
            REQUIRE(leat_srtp_unprotect(pair.receiver, sealed, len, out, PACKET_MAX, &out_len) < 0);
            REQUIRE(leat_srtcp_protect(pair.sender, report, 32, sealed, PACKET_MAX, &len) == 0);
            sealed[12] ^= 1;
            REQUIRE(leat_srtcp_unprotect(pair.receiver, sealed, len, out, PACKET_MAX, &out_len) <
                    0);
            sealed[12] ^= 1;
            REQUIRE(leat_srtcp_unprotect(pair.receiver, sealed, len, out, PACKET_MAX, &out_len) ==
                    0);
        }
        CHECK(before > 0);
        CHECK_EQ(allocations, before);
        pair_close(&pair);
    }
}
