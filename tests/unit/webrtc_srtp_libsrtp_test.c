/* Against libsrtp2, which is what browsers have: the same packets become the same bytes, the same
 * bytes are opened or refused, RTP and RTCP, both profiles. Skipped where the library is not. */
#include "webrtc_srtp.h"

#ifndef LEAT_HAVE_SRTP2

TEST(webrtc_srtp_libsrtp, is_the_same)
{
    SKIP("libsrtp2 is not installed");
}

#else

#include <srtp2/srtp.h>

enum { RTP_COUNT = 60000, RTCP_COUNT = 30000, SSRCS = 3, QUEUE = 64 };

/* One direction of theirs. */
static srtp_t theirs_open(enum leat_srtp_profile profile, bool inbound)
{
    static bool is_ready;
    if (!is_ready) {
        REQUIRE(srtp_init() == srtp_err_status_ok);
        is_ready = true;
    }
    uint8_t key[LEAT_SRTP_KEY_LEN + LEAT_SRTP_SALT_LEN_MAX];
    memcpy(key, master_key, LEAT_SRTP_KEY_LEN);
    memcpy(key + LEAT_SRTP_KEY_LEN, master_salt, LEAT_SRTP_SALT_LEN_MAX);
    srtp_policy_t policy = {.ssrc = {.type = inbound ? ssrc_any_inbound : ssrc_any_outbound}};
    if (profile == LEAT_SRTP_AEAD_AES_128_GCM) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_rtp_default(&policy.rtp);
        srtp_crypto_policy_set_rtp_default(&policy.rtcp);
    }
    policy.key = key;
    policy.window_size = LEAT_SRTP_WINDOW;
    srtp_t theirs = NULL;
    REQUIRE(srtp_create(&theirs, &policy) == srtp_err_status_ok);
    return theirs;
}

/* Ours for theirs, coarsely: which kind of refusal. */
static int status_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return 0;
    case srtp_err_status_auth_fail:
        return -EBADMSG;
    case srtp_err_status_replay_fail:
        return -EEXIST;
    case srtp_err_status_replay_old:
        return -ESTALE;
    default:
        return -EINVAL;
    }
}

struct wire {
    uint8_t bytes[PACKET_MAX];
    size_t len;
};

struct scene {
    struct srtp_pair ours;
    srtp_t sender, receiver; /* theirs */
    uint64_t random;
    uint64_t next[SSRCS]; /* index */
    struct wire queue[QUEUE];
    unsigned sealed, opened, refused, differences;
};

static struct scene *scene_open(enum leat_srtp_profile profile, uint64_t seed)
{
    struct scene *const s = calloc(1, sizeof(*s));
    REQUIRE(s);
    s->ours = pair_open(profile);
    s->sender = theirs_open(profile, false);
    s->receiver = theirs_open(profile, true);
    s->random = seed;
    for (size_t i = 0; i < SSRCS; i++) {
        s->next[i] = random_next(&s->random) & 0x7fff;
    }
    return s;
}

static void scene_close(struct scene *s)
{
    srtp_dealloc(s->sender);
    srtp_dealloc(s->receiver);
    pair_close(&s->ours);
    free(s);
}

static unsigned dice(struct scene *s, unsigned sides)
{
    return random_next(&s->random) % sides;
}

/* A packet of any shape: CSRCs, an extension in either form, padding or not; its header's length. */
static size_t make_rtp(struct scene *s, uint8_t *packet, size_t *ret_len)
{
    const unsigned which = dice(s, SSRCS), csrcs = dice(s, 3) ? 0 : dice(s, 16);
    uint64_t *const next = &s->next[which];
    *next += dice(s, 50) == 0 ? dice(s, 300) : dice(s, 2000) == 0 ? 1 + dice(s, 20000) : 1;
    const uint64_t back = dice(s, 10) == 0 ? dice(s, 2200) : 0; /* a late one, or one again */
    const uint64_t index = *next > back ? *next - back : *next;
    const bool extended = dice(s, 2);
    size_t len = 12;
    packet[0] = (uint8_t)(0x80 | (extended ? 0x10u : 0) | csrcs);
    packet[1] = (uint8_t)dice(s, 256);
    write_u16(packet + 2, index & 0xffff);
    write_u32(packet + 4, random_next(&s->random));
    write_u32(packet + 8, 0x1000 + which);
    for (; len < 12 + 4 * csrcs; len += 4) {
        write_u32(packet + len, random_next(&s->random));
    }
    if (extended) {
        const unsigned words = dice(s, 8);
        write_u32(packet + len, (dice(s, 2) ? 0xbede0000 : 0x10000000) | words);
        len += 4;
        for (const size_t end = len + 4 * (size_t)words; len < end; len++) {
            packet[len] = (uint8_t)dice(s, 256);
        }
    }
    const size_t head_len = len;
    for (const size_t end = len + dice(s, dice(s, 4) ? 200 : 1400); len < end; len++) {
        packet[len] = (uint8_t)random_next(&s->random);
    }
    *ret_len = len;
    return head_len;
}

/* One packet through both senders: the status and the bytes must be the same. */
static bool seal_rtp(struct scene *s, struct wire *wire)
{
    uint8_t packet[PACKET_MAX], theirs[PACKET_MAX];
    size_t len = 0;
    const size_t head_len = make_rtp(s, packet, &len);
    const size_t prefix_len =
        dice(s, 3) == 0 && len > head_len ? dice(s, (unsigned)(len - head_len)) : 0;
    const struct leat_srtp_packet parts = {.header = packet,
                                           .header_len = head_len,
                                           .prefix = packet + head_len,
                                           .prefix_len = prefix_len,
                                           .payload = packet + head_len + prefix_len,
                                           .payload_len = len - head_len - prefix_len};
    memcpy(theirs, packet, len);
    int theirs_len = (int)len;
    const int expected = status_of(srtp_protect(s->sender, theirs, &theirs_len));
    const int status =
        leat_srtp_protect(s->ours.sender, &parts, wire->bytes, PACKET_MAX, &wire->len);
    s->differences += status != expected;
    if (status || expected) {
        return false;
    }
    s->differences +=
        wire->len != (size_t)theirs_len || memcmp(wire->bytes, theirs, wire->len) != 0;
    s->sealed++;
    return true;
}

/* The same bytes to both receivers. */
static void open_rtp(struct scene *s, const struct wire *wire)
{
    uint8_t theirs[PACKET_MAX], ours[PACKET_MAX];
    size_t len = 0;
    memcpy(theirs, wire->bytes, wire->len);
    int theirs_len = (int)wire->len;
    const int expected = status_of(srtp_unprotect(s->receiver, theirs, &theirs_len));
    const int status =
        leat_srtp_unprotect(s->ours.receiver, wire->bytes, wire->len, ours, PACKET_MAX, &len);
    s->differences += status != expected;
    if (status || expected) {
        s->refused++;
        return;
    }
    s->differences += len != (size_t)theirs_len || memcmp(ours, theirs, len) != 0;
    s->opened++;
}

/* Delivery: out of order within the queue, some twice, some never, some broken. */
static void deliver(struct scene *s, const struct wire *wire,
                    void (*open)(struct scene *s, const struct wire *wire))
{
    struct wire *const place = &s->queue[dice(s, 4) ? 0 : dice(s, QUEUE)];
    const struct wire due = *place;
    *place = *wire;
    if (due.len == 0 || dice(s, 50) == 0) {
        return;
    }
    if (dice(s, 10) == 0) {
        struct wire broken = due;
        broken.bytes[2 + dice(s, (unsigned)broken.len - 2)] ^= (uint8_t)(1 + dice(s, 255));
        open(s, &broken);
    }
    open(s, &due);
    if (dice(s, 10) == 0) {
        open(s, &due);
    }
}

static void check_rtp(enum leat_srtp_profile profile)
{
    struct scene *const s = scene_open(profile, 0x5eed + profile);
    struct wire wire;
    for (unsigned i = 0; i < RTP_COUNT; i++) {
        if (seal_rtp(s, &wire)) {
            deliver(s, &wire, open_rtp);
        }
    }
    CHECK_EQ(s->differences, 0);
    CHECK(s->sealed > RTP_COUNT / 10 * 9);
    CHECK(s->opened > RTP_COUNT / 10 * 8);
    CHECK(s->refused > RTP_COUNT / 10);
    for (size_t i = 0; i < SSRCS; i++) {
        CHECK(s->next[i] > 2 * 0x10000); /* rollovers */
    }
    scene_close(s);
}

TEST(webrtc_srtp_libsrtp, rtp_aes_cm_is_the_same)
{
    check_rtp(LEAT_SRTP_AES128_CM_SHA1_80);
}

TEST(webrtc_srtp_libsrtp, rtp_aes_gcm_is_the_same)
{
    check_rtp(LEAT_SRTP_AEAD_AES_128_GCM);
}

static void open_rtcp(struct scene *s, const struct wire *wire)
{
    uint8_t theirs[PACKET_MAX], ours[PACKET_MAX];
    size_t len = 0;
    memcpy(theirs, wire->bytes, wire->len);
    int theirs_len = (int)wire->len;
    const int expected = status_of(srtp_unprotect_rtcp(s->receiver, theirs, &theirs_len));
    const int status =
        leat_srtcp_unprotect(s->ours.receiver, wire->bytes, wire->len, ours, PACKET_MAX, &len);
    /* Their window is of 128 indexes: behind it they do not look at a packet. */
    const bool is_older = expected == -ESTALE;
    /* Without the E bit we do not look, they find that it does not authenticate. */
    const bool is_clear = status == -EINVAL && expected == -EBADMSG;
    s->differences += status != expected && !is_older && !is_clear;
    if (status || expected) {
        s->refused++;
        return;
    }
    s->differences += len != (size_t)theirs_len || memcmp(ours, theirs, len) != 0;
    s->opened++;
}

/* One SSRC: they count for each, we for all. */
static void check_rtcp(enum leat_srtp_profile profile)
{
    struct scene *const s = scene_open(profile, 0xfeed + profile);
    struct wire wire;
    for (unsigned i = 0; i < RTCP_COUNT; i++) {
        uint8_t packet[PACKET_MAX], theirs[PACKET_MAX];
        const size_t len = 8 + 4 * (size_t)dice(s, 100);
        for (size_t at = 0; at < len; at++) {
            packet[at] = (uint8_t)random_next(&s->random);
        }
        packet[0] = (uint8_t)(0x80 | (packet[0] & 0x1f));
        write_u32(packet + 4, 0x1000);
        memcpy(theirs, packet, len);
        int theirs_len = (int)len;
        REQUIRE(srtp_protect_rtcp(s->sender, theirs, &theirs_len) == srtp_err_status_ok);
        REQUIRE(leat_srtcp_protect(s->ours.sender, packet, len, wire.bytes, PACKET_MAX,
                                   &wire.len) == 0);
        s->differences +=
            wire.len != (size_t)theirs_len || memcmp(wire.bytes, theirs, wire.len) != 0;
        deliver(s, &wire, open_rtcp);
    }
    CHECK_EQ(s->differences, 0);
    CHECK(s->opened > RTCP_COUNT / 10 * 8);
    CHECK(s->refused > RTCP_COUNT / 10);
    scene_close(s);
}

TEST(webrtc_srtp_libsrtp, rtcp_aes_cm_is_the_same)
{
    check_rtcp(LEAT_SRTP_AES128_CM_SHA1_80);
}

TEST(webrtc_srtp_libsrtp, rtcp_aes_gcm_is_the_same)
{
    check_rtcp(LEAT_SRTP_AEAD_AES_128_GCM);
}

/* What we count for all SSRCs together their windows, one for each SSRC, take. */
TEST(webrtc_srtp_libsrtp, rtcp_of_several_ssrcs_is_taken)
{
    for (size_t p = 0; p < 2; p++) {
        struct scene *const s = scene_open(profiles[p], 0xbead);
        for (unsigned i = 0; i < 2000; i++) {
            uint8_t packet[32] = {0x81, 201, 0, 7}, sealed[64];
            size_t len = 0;
            write_u32(packet + 4, 1 + dice(s, dice(s, 5) ? 2 : 20));
            REQUIRE(leat_srtcp_protect(s->ours.sender, packet, sizeof(packet), sealed,
                                       sizeof(sealed), &len) == 0);
            int theirs_len = (int)len;
            s->differences +=
                srtp_unprotect_rtcp(s->receiver, sealed, &theirs_len) != srtp_err_status_ok;
            s->differences += memcmp(sealed, packet, sizeof(packet)) != 0;
        }
        CHECK_EQ(s->differences, 0);
        scene_close(s);
    }
}

#endif
