/* What the payloads of the codecs say. The parameter sets are of real encoders (x264, SVT-AV1);
 * the descriptors are built bit by bit from their RFCs. */
#include "check.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <leat/codec.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static struct leat_codec_packet look(enum leat_codec codec, const uint8_t *payload, size_t len)
{
    struct leat_codec_packet packet;
    memset(&packet, 0xee, sizeof(packet));
    const int status = leat_codec_look(codec, payload, len, &packet);
    CHECK_EQ(status, 0);
    return packet;
}

static int refuses(enum leat_codec codec, const uint8_t *payload, size_t len)
{
    struct leat_codec_packet packet;
    return leat_codec_look(codec, payload, len, &packet) == -EBADMSG;
}

TEST(webrtc_codec, names)
{
    for (unsigned i = 0; i < LEAT_CODEC_COUNT; i++) {
        const char *const name = leat_codec_name((enum leat_codec)i);
        CHECK_EQ(leat_codec_of(name, strlen(name)), i);
    }
    CHECK_EQ(leat_codec_of("OPUS", 4), LEAT_CODEC_OPUS);
    CHECK_EQ(leat_codec_of("vp8", 3), LEAT_CODEC_VP8);
    CHECK_EQ(leat_codec_of("VP80", 4), LEAT_CODEC_COUNT);
    CHECK_EQ(leat_codec_of("VP", 2), LEAT_CODEC_COUNT);
    CHECK_EQ(leat_codec_of("rtx", 3), LEAT_CODEC_COUNT);
    CHECK_STR(leat_codec_name(LEAT_CODEC_COUNT), "");
}

static uint32_t profile(enum leat_codec codec, const char *fmtp)
{
    return leat_codec_profile(codec, fmtp, strlen(fmtp));
}

/* RFC 6184, 8.1, table 5: the same profile may be written in several ways. */
TEST(webrtc_codec, h264_profiles)
{
    const enum leat_codec h264 = LEAT_CODEC_H264;
    const uint32_t constrained = profile(h264, "profile-level-id=42e01f;packetization-mode=1");
    CHECK_EQ(profile(h264, "packetization-mode=1; profile-level-id=42C015"), constrained);
    CHECK_EQ(
        profile(h264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d801f"),
        constrained);
    CHECK_EQ(profile(h264, "packetization-mode=1;profile-level-id=58e01f"), constrained);
    CHECK(profile(h264, "packetization-mode=0;profile-level-id=42e01f") != constrained);
    CHECK(profile(h264, "profile-level-id=42e01f") != constrained); /* the mode is 0 */
    CHECK_EQ(profile(h264, "profile-level-id=42e01f"),
             profile(h264, "packetization-mode=0;profile-level-id=42e00b"));

    const uint32_t baseline = profile(h264, "packetization-mode=1;profile-level-id=42001f");
    CHECK(baseline != constrained);
    CHECK_EQ(profile(h264, "packetization-mode=1"), baseline); /* what is meant without one */
    CHECK_EQ(profile(h264, "packetization-mode=1;profile-level-id=58a01f"), baseline);
    CHECK_EQ(profile(h264, "profile-level-id=xyzzyx;packetization-mode=1"), baseline);
    CHECK_EQ(profile(h264, "profile-level-id=42;packetization-mode=1"), baseline);

    const uint32_t main_profile = profile(h264, "packetization-mode=1;profile-level-id=4d001f");
    CHECK_EQ(profile(h264, "PROFILE-LEVEL-ID=4D401F;Packetization-Mode=1"), main_profile);
    const uint32_t high = profile(h264, "packetization-mode=1;profile-level-id=64001f");
    const uint32_t constrained_high = profile(h264, "packetization-mode=1;profile-level-id=640c1f");
    CHECK(main_profile != high);
    CHECK(high != constrained_high);
    CHECK(main_profile != baseline);
    CHECK_EQ(leat_codec_profile(h264, NULL, 0), profile(h264, ""));
}

TEST(webrtc_codec, other_profiles)
{
    CHECK_EQ(profile(LEAT_CODEC_VP9, "profile-id=0"), profile(LEAT_CODEC_VP9, ""));
    CHECK(profile(LEAT_CODEC_VP9, "profile-id=2") != profile(LEAT_CODEC_VP9, "profile-id=0"));
    CHECK_EQ(profile(LEAT_CODEC_AV1, "level-idx=5;profile=0;tier=0"), profile(LEAT_CODEC_AV1, ""));
    CHECK(profile(LEAT_CODEC_AV1, "profile=1") != 0);
    CHECK_EQ(profile(LEAT_CODEC_H265, ""), profile(LEAT_CODEC_H265, "profile-id=1;tier-flag=0"));
    CHECK(profile(LEAT_CODEC_H265, "profile-id=2") != profile(LEAT_CODEC_H265, ""));
    CHECK(profile(LEAT_CODEC_H265, "tier-flag=1") != profile(LEAT_CODEC_H265, ""));
    CHECK_EQ(profile(LEAT_CODEC_OPUS, "minptime=10;useinbandfec=1;stereo=1"), 0);
    CHECK_EQ(profile(LEAT_CODEC_VP8, "max-fr=30"), 0);
}

TEST(webrtc_codec, opus)
{
    const struct leat_codec_packet packet = look(LEAT_CODEC_OPUS, BYTES(0x78));
    CHECK(packet.key && packet.start);
    CHECK(refuses(LEAT_CODEC_OPUS, (const uint8_t *)"", 0));
}

TEST(webrtc_codec, vp8)
{
    /* X, S; I L T K; 15 bits; TL0; TID 1 Y KEYIDX 3; a key frame of 640x480 */
    struct leat_codec_packet packet =
        look(LEAT_CODEC_VP8, BYTES(0x90, 0xf0, 0x92, 0x34, 0x56, 0x63, 0x10, 0, 0, 0x9d, 0x01, 0x2a,
                                   0x80, 0x02, 0xe0, 0x01, 0));
    CHECK(packet.start && packet.key && !packet.parameters);
    CHECK(packet.has_picture_id && packet.wide_picture_id && packet.has_tl0);
    CHECK_EQ(packet.picture_id, 0x1234);
    CHECK_EQ(packet.picture_id_at, 2);
    CHECK_EQ(packet.tl0, 0x56);
    CHECK_EQ(packet.tl0_at, 4);
    CHECK_EQ(packet.temporal, 1);
    CHECK_EQ(packet.width, 640);
    CHECK_EQ(packet.height, 480);
    /* without extension: the P bit alone */
    packet = look(LEAT_CODEC_VP8, BYTES(0x10, 0x01));
    CHECK(packet.start && !packet.key && !packet.has_picture_id && !packet.has_tl0);
    packet = look(LEAT_CODEC_VP8, BYTES(0x10, 0x00));
    CHECK(packet.start && packet.key);
    CHECK_EQ(packet.width, 0);
    packet = look(LEAT_CODEC_VP8, BYTES(0x00, 0x00)); /* not the first of the frame */
    CHECK(!packet.start && !packet.key);
    packet = look(LEAT_CODEC_VP8, BYTES(0x11, 0x00)); /* the first of another partition */
    CHECK(!packet.start && !packet.key);
    packet = look(LEAT_CODEC_VP8, BYTES(0x90, 0x80, 0x7f, 0x01)); /* 7 bits */
    CHECK(packet.has_picture_id && !packet.wide_picture_id);
    CHECK_EQ(packet.picture_id, 0x7f);
    packet = look(LEAT_CODEC_VP8, BYTES(0x90, 0x40, 0x09, 0x01)); /* TL0PICIDX alone */
    CHECK(packet.has_tl0 && !packet.has_picture_id);
    CHECK_EQ(packet.tl0_at, 2);
    packet = look(LEAT_CODEC_VP8, BYTES(0x90, 0x10, 0xe5, 0x01)); /* K without T */
    CHECK_EQ(packet.temporal, 0);
    CHECK(refuses(LEAT_CODEC_VP8, BYTES(0x90)));
    CHECK(refuses(LEAT_CODEC_VP8, BYTES(0x90, 0x80)));
    CHECK(refuses(LEAT_CODEC_VP8, BYTES(0x90, 0x80, 0x80)));
    CHECK(refuses(LEAT_CODEC_VP8, BYTES(0x90, 0xf0, 0x92, 0x34, 0x56, 0x63)));
    CHECK(refuses(LEAT_CODEC_VP8, BYTES(0x10)));
}

TEST(webrtc_codec, vp9)
{
    /* I L B V, non-flexible; layer 0; SS: 2 layers, sizes, a group of two pictures */
    struct leat_codec_packet packet =
        look(LEAT_CODEC_VP9, BYTES(0xaa, 0x81, 0x02, 0x00, 0x07, 0x38, 0x01, 0x40, 0x00, 0xf0, 0x02,
                                   0x80, 0x01, 0xe0, 0x02, 0x00, 0x24, 0x01, 0x49));
    CHECK(packet.start && packet.key);
    CHECK(packet.has_picture_id && packet.wide_picture_id && packet.has_tl0);
    CHECK_EQ(packet.picture_id, 0x102);
    CHECK_EQ(packet.tl0, 7);
    CHECK_EQ(packet.tl0_at, 4);
    CHECK_EQ(packet.width, 640); /* of the highest layer */
    CHECK_EQ(packet.height, 480);
    packet =
        look(LEAT_CODEC_VP9, BYTES(0xac, 0x05, 0x02, 0x09, 0x49)); /* the layer above, its end */
    CHECK_EQ(packet.spatial, 1);
    CHECK(!packet.start && !packet.key);
    packet = look(LEAT_CODEC_VP9, BYTES(0xe8, 0x06, 0x40, 0x0a, 0x49)); /* P, TID 2 */
    CHECK_EQ(packet.temporal, 2);
    CHECK(packet.start && !packet.key);
    /* flexible: no TL0PICIDX, reference differences up to N = 0 */
    packet = look(LEAT_CODEC_VP9, BYTES(0xf8, 0x80, 0x05, 0x00, 0x03, 0x04, 0x49));
    CHECK(packet.start && !packet.key && !packet.has_tl0);
    packet = look(LEAT_CODEC_VP9, BYTES(0xb8, 0x80, 0x05, 0x00, 0x49)); /* flexible, key */
    CHECK(packet.start && packet.key && !packet.has_tl0);
    packet = look(LEAT_CODEC_VP9, BYTES(0x08, 0x49)); /* nothing but B */
    CHECK(packet.start && packet.key && !packet.has_picture_id);
    packet = look(LEAT_CODEC_VP9, BYTES(0x00, 0x49)); /* a key frame's second packet */
    CHECK(!packet.start && packet.key);
    CHECK(refuses(LEAT_CODEC_VP9, BYTES(0xf8, 0x80, 0x05, 0x00, 0x03, 0x05, 0x05, 0x49)));
    CHECK(refuses(LEAT_CODEC_VP9, BYTES(0xf8, 0x80, 0x05, 0x00, 0x03)));
    CHECK(refuses(LEAT_CODEC_VP9, BYTES(0x08)));
    CHECK(refuses(LEAT_CODEC_VP9, BYTES(0x0a, 0x38, 0x01, 0x40)));
    CHECK(refuses(LEAT_CODEC_VP9, BYTES(0x0a, 0x08, 0xff, 0x0c, 0x01)));
}

/* x264: 1280x720 and, cropped, 1920x1080 of profile high; 640x480 constrained baseline */
static const uint8_t sps_720[] = {0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05,
                                  0xba, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
                                  0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60};
static const uint8_t sps_480[] = {0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x3d,
                                  0xa1, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
                                  0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48};
static const uint8_t sps_1080[] = {0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02,
                                   0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00,
                                   0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58};

TEST(webrtc_codec, h264_sizes)
{
    struct leat_codec_packet packet = look(LEAT_CODEC_H264, sps_720, sizeof(sps_720));
    CHECK(packet.start && packet.key && packet.parameters);
    CHECK_EQ(packet.width, 1280);
    CHECK_EQ(packet.height, 720);
    packet = look(LEAT_CODEC_H264, sps_480, sizeof(sps_480));
    CHECK_EQ(packet.width, 640);
    CHECK_EQ(packet.height, 480);
    packet = look(LEAT_CODEC_H264, sps_1080, sizeof(sps_1080));
    CHECK_EQ(packet.width, 1920);
    CHECK_EQ(packet.height, 1080);
    for (size_t len = 1; len < 10; len++) { /* cut short: no size, but what it is */
        packet = look(LEAT_CODEC_H264, sps_1080, len);
        CHECK(packet.key && packet.parameters);
        CHECK_EQ(packet.width, 0);
    }
}

TEST(webrtc_codec, h264)
{
    struct leat_codec_packet packet = look(LEAT_CODEC_H264, BYTES(0x65, 0x88, 0x84)); /* IDR */
    CHECK(packet.start && packet.key && !packet.parameters);
    packet = look(LEAT_CODEC_H264, BYTES(0x65, 0x08, 0x84)); /* a later slice of it */
    CHECK(!packet.start && packet.key);
    packet = look(LEAT_CODEC_H264, BYTES(0x41, 0x9a, 0x01));
    CHECK(packet.start && !packet.key);
    packet = look(LEAT_CODEC_H264, BYTES(0x68, 0xce, 0x3c)); /* PPS */
    CHECK(!packet.start && !packet.key && !packet.parameters);
    packet = look(LEAT_CODEC_H264, BYTES(0x09, 0x10)); /* AUD */
    CHECK(packet.start && !packet.key);
    /* FU-A: begin, middle, end of an IDR; begin of another slice */
    packet = look(LEAT_CODEC_H264, BYTES(0x7c, 0x85, 0x88));
    CHECK(packet.start && packet.key);
    packet = look(LEAT_CODEC_H264, BYTES(0x7c, 0x05, 0x88));
    CHECK(!packet.start && packet.key);
    packet = look(LEAT_CODEC_H264, BYTES(0x7c, 0x45, 0x88));
    CHECK(!packet.start && packet.key);
    packet = look(LEAT_CODEC_H264, BYTES(0x5c, 0x81, 0x9a));
    CHECK(packet.start && !packet.key);
    /* STAP-A: SPS, PPS, IDR */
    uint8_t stap[64] = {0x78};
    size_t len = 1;
    stap[len++] = 0;
    stap[len++] = sizeof(sps_480);
    memcpy(stap + len, sps_480, sizeof(sps_480));
    len += sizeof(sps_480);
    memcpy(stap + len, (const uint8_t[]){0, 4, 0x68, 0xce, 0x3c, 0x80, 0, 2, 0x65, 0x88}, 10);
    len += 10;
    packet = look(LEAT_CODEC_H264, stap, len);
    CHECK(packet.start && packet.key && packet.parameters);
    CHECK_EQ(packet.width, 640);
    packet = look(LEAT_CODEC_H264, BYTES(0x78, 0, 2, 0x41, 0x9a, 0, 2, 0x41, 0x1a));
    CHECK(packet.start && !packet.key);
    for (size_t cut = 2; cut < len; cut++) {
        const bool whole = cut == 3 + sizeof(sps_480) || cut == len - 4;
        CHECK_EQ(refuses(LEAT_CODEC_H264, stap, cut), !whole);
    }
    CHECK(refuses(LEAT_CODEC_H264, BYTES(0x78)));
    CHECK(refuses(LEAT_CODEC_H264, BYTES(0x78, 0, 0)));
    CHECK(refuses(LEAT_CODEC_H264, BYTES(0x80 | 0x65, 0x88)));
    CHECK(refuses(LEAT_CODEC_H264, BYTES(0x60)));
    CHECK(refuses(LEAT_CODEC_H264, BYTES(0x79, 0, 0, 0, 2, 0x65, 0x88))); /* STAP-B */
    CHECK(refuses(LEAT_CODEC_H264, BYTES(0x7c, 0x85)));
}

TEST(webrtc_codec, h265)
{
    struct leat_codec_packet packet =
        look(LEAT_CODEC_H265, BYTES(0x26, 0x01, 0xaf)); /* IDR_W_RADL, first slice */
    CHECK(packet.start && packet.key && !packet.parameters);
    packet = look(LEAT_CODEC_H265, BYTES(0x2a, 0x01, 0x2f)); /* CRA, not the first slice */
    CHECK(!packet.start && packet.key);
    packet = look(LEAT_CODEC_H265, BYTES(0x02, 0x03, 0xd0)); /* TRAIL_R, TID 2 */
    CHECK(packet.start && !packet.key);
    CHECK_EQ(packet.temporal, 2);
    packet = look(LEAT_CODEC_H265, BYTES(0x40, 0x01, 0x0c)); /* VPS */
    CHECK(packet.start && packet.key && !packet.parameters);
    packet = look(LEAT_CODEC_H265, BYTES(0x42, 0x01, 0x01)); /* SPS */
    CHECK(packet.start && packet.key && packet.parameters);
    packet = look(LEAT_CODEC_H265, BYTES(0x44, 0x01, 0xc1)); /* PPS */
    CHECK(!packet.start && !packet.key);
    packet = look(LEAT_CODEC_H265,
                  BYTES(0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 3, 0x42, 0x01, 0x01, 0, 3, 0x44,
                        0x01, 0xc1, 0, 3, 0x26, 0x01, 0xaf)); /* all in an aggregation packet */
    CHECK(packet.start && packet.key && packet.parameters);
    packet = look(LEAT_CODEC_H265, BYTES(0x62, 0x01, 0x93, 0xaf)); /* FU: begin, end */
    CHECK(packet.start && packet.key);
    packet = look(LEAT_CODEC_H265, BYTES(0x62, 0x01, 0x53, 0xaf));
    CHECK(!packet.start && packet.key);
    packet = look(LEAT_CODEC_H265, BYTES(0x62, 0x01, 0x81, 0x2f)); /* another slice */
    CHECK(!packet.start && !packet.key);
    CHECK(refuses(LEAT_CODEC_H265, BYTES(0x60, 0x01, 0, 4, 0x40, 0x01, 0x0c)));
    CHECK(refuses(LEAT_CODEC_H265, BYTES(0x60, 0x01, 0, 1, 0x40)));
    CHECK(refuses(LEAT_CODEC_H265, BYTES(0x26, 0x01)));
    CHECK(refuses(LEAT_CODEC_H265, BYTES(0x26, 0x00, 0xaf))); /* TID + 1 is never 0 */
    CHECK(refuses(LEAT_CODEC_H265, BYTES(0xa6, 0x01, 0xaf)));
    CHECK(refuses(LEAT_CODEC_H265, BYTES(0x70, 0x01, 0xaf))); /* 56: unspecified */
}

TEST(webrtc_codec, av1)
{
    /* SVT-AV1: sequence header of 640x480, then a frame: W = 2, N */
    static const uint8_t sequence[] = {0x0a, 0x0b, 0x00, 0x00, 0x00, 0x24, 0xc4,
                                       0xff, 0xdf, 0x00, 0xbe, 0x00, 0x10};
    uint8_t payload[64] = {0x28, sizeof(sequence)};
    memcpy(payload + 2, sequence, sizeof(sequence));
    memcpy(payload + 2 + sizeof(sequence), (const uint8_t[]){0x30, 0x10, 0x00}, 3);
    size_t len = 2 + sizeof(sequence) + 3;
    struct leat_codec_packet packet = look(LEAT_CODEC_AV1, payload, len);
    CHECK(packet.start && packet.key);
    CHECK_EQ(packet.width, 640);
    CHECK_EQ(packet.height, 480);
    /* each element with its length, the OBU without */
    payload[0] = 0x08;
    payload[1] = sizeof(sequence) - 1;
    payload[2] = 0x08;
    memcpy(payload + 3, sequence + 2, sizeof(sequence) - 2);
    packet = look(LEAT_CODEC_AV1, payload, 3 + sizeof(sequence) - 2);
    CHECK(packet.key);
    CHECK_EQ(packet.width, 640);
    CHECK_EQ(packet.height, 480);
    packet = look(LEAT_CODEC_AV1, BYTES(0x10, 0x30, 0x10)); /* one element, a frame */
    CHECK(packet.start && !packet.key);
    packet = look(LEAT_CODEC_AV1, BYTES(0x90, 0x30, 0x10)); /* Z: goes on */
    CHECK(!packet.start && !packet.key);
    packet =
        look(LEAT_CODEC_AV1, BYTES(0x10, 0x34, 0x48, 0x10)); /* layers in the OBU's extension */
    CHECK_EQ(packet.temporal, 2);
    CHECK_EQ(packet.spatial, 1);
    CHECK(refuses(LEAT_CODEC_AV1, BYTES(0x10)));
    CHECK(refuses(LEAT_CODEC_AV1, BYTES(0x98, 0x30)));
    CHECK(refuses(LEAT_CODEC_AV1, BYTES(0x20, 0x05, 0x30)));
    CHECK(refuses(LEAT_CODEC_AV1, BYTES(0x20, 0x80, 0x80, 0x80, 0x80, 0x01)));
    CHECK(refuses(LEAT_CODEC_AV1, BYTES(0x10, 0xb0, 0x10)));
    CHECK(refuses(LEAT_CODEC_AV1, BYTES(0x10, 0x34)));
}

static size_t rewrite(const uint8_t *payload, size_t len, uint16_t picture_id, uint8_t tl0,
                      uint8_t *prefix)
{
    const struct leat_codec_packet packet = look(LEAT_CODEC_VP8, payload, len);
    const struct leat_codec_shift shift = {picture_id, tl0};
    return leat_codec_rewrite(&packet, payload, shift, prefix);
}

TEST(webrtc_codec, rewrite)
{
    static const uint8_t wide[] = {0x90, 0xe0, 0xff, 0xff, 0xff, 0x60, 0x01};
    static const uint8_t narrow[] = {0x90, 0xc0, 0x7f, 0x10, 0x01};
    uint8_t prefix[LEAT_CODEC_PREFIX_MAX];
    CHECK_EQ(rewrite(wide, sizeof(wide), 0, 0, prefix), 0);
    CHECK_EQ(rewrite(wide, sizeof(wide), 1, 0, prefix), 4);
    CHECK(memcmp(prefix, (const uint8_t[]){0x90, 0xe0, 0x80, 0x00}, 4) == 0);
    CHECK_EQ(rewrite(wide, sizeof(wide), 0, 2, prefix), 5);
    CHECK(memcmp(prefix, (const uint8_t[]){0x90, 0xe0, 0xff, 0xff, 0x01}, 5) == 0);
    CHECK_EQ(rewrite(wide, sizeof(wide), 0x8001, 1, prefix), 5);
    CHECK(memcmp(prefix, (const uint8_t[]){0x90, 0xe0, 0x80, 0x00, 0x00}, 5) == 0);
    CHECK_EQ(rewrite(narrow, sizeof(narrow), 0x101, 0, prefix), 3); /* in its width */
    CHECK(memcmp(prefix, (const uint8_t[]){0x90, 0xc0, 0x00}, 3) == 0);
    CHECK_EQ(rewrite(narrow, sizeof(narrow), 0x100, 0, prefix), 0);
    CHECK_EQ(rewrite(narrow, sizeof(narrow), 3, 0xff, prefix), 4);
    CHECK(memcmp(prefix, (const uint8_t[]){0x90, 0xc0, 0x02, 0x0f}, 4) == 0);
    CHECK_EQ(rewrite(BYTES(0x10, 0x01), 5, 5, prefix), 0);
}

TEST(webrtc_codec, dependency)
{
    uint8_t descriptor[] = {0xc3, 0xff, 0xfe, 0xaa};
    uint16_t number = 0;
    CHECK_EQ(leat_codec_frame_number(descriptor, sizeof(descriptor), &number), 0);
    CHECK_EQ(number, 0xfffe);
    CHECK_EQ(leat_codec_shift_dependency(descriptor, sizeof(descriptor), 3), 0);
    CHECK(memcmp(descriptor, (const uint8_t[]){0xc3, 0x00, 0x01, 0xaa}, 4) == 0);
    CHECK_EQ(leat_codec_shift_dependency(descriptor, 2, 3), -EBADMSG);
    CHECK_EQ(leat_codec_frame_number(descriptor, 2, &number), -EBADMSG);
}

static size_t parameters(const char *fmtp, uint8_t *out, size_t cap)
{
    return leat_codec_h264_parameters(fmtp, strlen(fmtp), out, cap);
}

TEST(webrtc_codec, h264_parameters)
{
    uint8_t out[64];
    static const char fmtp[] = "packetization-mode=1;sprop-parameter-sets="
                               "Z0LAHtkAoD2hAAADAAEAAAMAPA8WLkg=,aMuDyyA=;profile-level-id=42c01e";
    const size_t len = parameters(fmtp, out, sizeof(out));
    CHECK_EQ(len, 1 + 2 + sizeof(sps_480) + 2 + 5);
    CHECK_EQ(out[0], 0x78); /* STAP-A, the NRI of what is in it */
    CHECK(memcmp(out + 3, sps_480, sizeof(sps_480)) == 0);
    CHECK(memcmp(out + 3 + sizeof(sps_480), (const uint8_t[]){0, 5, 0x68, 0xcb, 0x83, 0xcb, 0x20},
                 7) == 0);
    const struct leat_codec_packet packet = look(LEAT_CODEC_H264, out, len);
    CHECK(packet.parameters && packet.key && packet.start);
    CHECK_EQ(packet.width, 640);
    for (size_t cap = 0; cap < len; cap++) {
        CHECK_EQ(parameters(fmtp, out, cap), 0);
    }
    CHECK_EQ(parameters("sprop-parameter-sets=Z0LAHtkAoD2hAAADAAEAAAMAPA8WLkg,aMuDyyA", out,
                        sizeof(out)),
             len);
    CHECK_EQ(parameters("profile-level-id=42c01e", out, sizeof(out)), 0);
    CHECK_EQ(parameters("sprop-parameter-sets=", out, sizeof(out)), 0);
    CHECK_EQ(parameters("sprop-parameter-sets=,", out, sizeof(out)), 0);
    CHECK_EQ(parameters("sprop-parameter-sets=Z0LA!!!!", out, sizeof(out)), 0);
    CHECK_EQ(parameters("sprop-parameter-sets=ZZZZ", out, sizeof(out)),
             0); /* not a parameter set */
    CHECK_EQ(leat_codec_h264_parameters(NULL, 0, out, sizeof(out)), 0);
}
