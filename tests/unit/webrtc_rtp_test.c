/* RTP headers: what is read lies within the packet, and what is written is read back. */
#include <leat/rtp.h>

#include <errno.h>

#include "check.h"

static const uint8_t plain[] = {0x80, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 1, 2, 3, 4, 0xaa, 0xbb};

TEST(webrtc_rtp, a_plain_packet_is_read)
{
    struct leat_rtp_header header;
    REQUIRE(leat_rtp_parse(plain, sizeof(plain), &header) == 0);
    CHECK_EQ(header.ssrc, 0x01020304);
    CHECK_EQ(header.timestamp, 9);
    CHECK_EQ(header.sequence, 0x1234);
    CHECK_EQ(header.payload_type, 0x60);
    CHECK(header.marker);
    CHECK_EQ(header.header_len, 12);
    CHECK_EQ(header.payload_len, 2);
    CHECK_EQ(header.extension_len, 0);
    uint8_t len;
    CHECK(leat_rtp_ext_find(&header, 1, &len) == NULL);
}

TEST(webrtc_rtp, csrcs_padding_and_extension_are_counted)
{
    uint8_t packet[] = {0xb2,
                        96,
                        0,
                        1,
                        0,
                        0,
                        0,
                        2,
                        0,
                        0,
                        0,
                        3,
                        9,
                        9,
                        9,
                        9,
                        8,
                        8,
                        8,
                        8,
                        /* extension */ 0xbe,
                        0xde,
                        0,
                        2,
                        0x10,
                        'a',
                        0,
                        0x31,
                        'b',
                        'c',
                        0,
                        0,
                        /* payload */ 7,
                        7,
                        /* padding */ 0,
                        0,
                        3};
    struct leat_rtp_header header;
    REQUIRE(leat_rtp_parse(packet, sizeof(packet), &header) == 0);
    CHECK_EQ(header.csrc_count, 2);
    CHECK_EQ(header.extension_len, 8);
    CHECK_EQ(header.header_len, 32);
    CHECK_EQ(header.payload_len, 2);
    uint8_t len = 0;
    const uint8_t *value = leat_rtp_ext_find(&header, 1, &len);
    REQUIRE(value != NULL);
    CHECK_EQ(len, 1);
    CHECK_EQ(*value, 'a');
    value = leat_rtp_ext_find(&header, 3, &len);
    REQUIRE(value != NULL);
    CHECK_EQ(len, 2);
    CHECK(memcmp(value, "bc", 2) == 0);
    CHECK(leat_rtp_ext_find(&header, 2, &len) == NULL);
    CHECK(leat_rtp_ext_find(&header, 0, &len) == NULL);
    packet[sizeof(packet) - 1] = 5; /* a probe: nothing but padding */
    REQUIRE(leat_rtp_parse(packet, sizeof(packet), &header) == 0);
    CHECK_EQ(header.payload_len, 0);
    packet[sizeof(packet) - 1] = 6;
    CHECK_EQ(leat_rtp_parse(packet, sizeof(packet), &header), -EBADMSG);
    packet[sizeof(packet) - 1] = 0;
    CHECK_EQ(leat_rtp_parse(packet, sizeof(packet), &header), -EBADMSG);
}

TEST(webrtc_rtp, every_cut_of_the_header_is_refused)
{
    uint8_t packet[] = {0x92, 96, 0, 1, 0, 0, 0,    2,    0, 0, 0,    3,    9,   9,
                        9,    9,  8, 8, 8, 8, 0x10, 0x00, 0, 1, 0x01, 0x02, 'x', 'y'};
    struct leat_rtp_header header;
    for (size_t len = 0; len < sizeof(packet); len++) {
        CHECK_EQ(leat_rtp_parse(packet, len, &header), -EBADMSG);
    }
    REQUIRE(leat_rtp_parse(packet, sizeof(packet), &header) == 0);
    uint8_t len = 0;
    const uint8_t *value = leat_rtp_ext_find(&header, 1, &len); /* the two-byte form */
    REQUIRE(value != NULL);
    CHECK_EQ(len, 2);
    CHECK(memcmp(value, "xy", 2) == 0);
    packet[0] = 0x52;
    CHECK_EQ(leat_rtp_parse(packet, sizeof(packet), &header), -EBADMSG);
    static uint8_t long_one[LEAT_RTP_PACKET_MAX + 1] = {0x80};
    CHECK_EQ(leat_rtp_parse(long_one, sizeof(long_one), &header), -EBADMSG);
    CHECK_EQ(leat_rtp_parse(long_one, sizeof(long_one) - 1, &header), 0);
}

static struct leat_rtp_header with_extension(uint16_t profile, const uint8_t *data, uint16_t len)
{
    return (struct leat_rtp_header){
        .extension_profile = profile, .extension = data, .extension_len = len};
}

TEST(webrtc_rtp, broken_extensions_end_the_search)
{
    uint8_t len;
    /* RFC 8285, 4.2: id 0 with a length, and id 15, end it; what came before counts. */
    const uint8_t zero_with_length[] = {0x10, 'a', 0x03, 0x20, 'b', 0, 0, 0};
    struct leat_rtp_header header = with_extension(0xbede, zero_with_length, 8);
    CHECK(leat_rtp_ext_find(&header, 1, &len) != NULL);
    CHECK(leat_rtp_ext_find(&header, 2, &len) == NULL);
    const uint8_t fifteen[] = {0xf0, 1, 0x20, 'b'};
    header = with_extension(0xbede, fifteen, 4);
    CHECK(leat_rtp_ext_find(&header, 2, &len) == NULL);
    CHECK(leat_rtp_ext_find(&header, 15, &len) == NULL);
    const uint8_t beyond[] = {0x2f, 1, 2, 3};
    header = with_extension(0xbede, beyond, 4);
    CHECK(leat_rtp_ext_find(&header, 2, &len) == NULL);
    const uint8_t two_beyond[] = {0, 0, 0, 2};
    header = with_extension(0x1000, two_beyond, 4);
    CHECK(leat_rtp_ext_find(&header, 2, &len) == NULL);
    const uint8_t two_longer[] = {2, 3, 0, 2};
    header = with_extension(0x100f, two_longer, 4);
    CHECK(leat_rtp_ext_find(&header, 2, &len) == NULL);
    const uint8_t empty[] = {0, 200, 0, 0};
    header = with_extension(0x1000, empty, 4);
    REQUIRE(leat_rtp_ext_find(&header, 200, &len) != NULL);
    CHECK_EQ(len, 0);
    header = with_extension(0x1234, fifteen, 4); /* neither form */
    CHECK(leat_rtp_ext_find(&header, 2, &len) == NULL);
}

static const struct leat_rtp_header some = {.ssrc = 0xdeadbeef,
                                            .timestamp = 0x01020304,
                                            .sequence = 65535,
                                            .payload_type = 111,
                                            .marker = true};

static void check_value(const struct leat_rtp_header *header, uint8_t id, const char *value)
{
    uint8_t len = 0;
    const uint8_t *const found = leat_rtp_ext_find(header, id, &len);
    REQUIRE(found != NULL);
    CHECK_EQ(len, strlen(value));
    CHECK(memcmp(found, value, len) == 0);
}

TEST(webrtc_rtp, what_is_written_is_read_back)
{
    uint8_t out[64];
    struct leat_rtp_writer writer;
    struct leat_rtp_header header;
    leat_rtp_write_begin(&writer, out, sizeof(out), &some, false);
    CHECK_EQ(leat_rtp_write_end(&writer), 12);
    REQUIRE(leat_rtp_parse(out, 12, &header) == 0);
    CHECK_EQ(header.ssrc, some.ssrc);
    CHECK_EQ(header.timestamp, some.timestamp);
    CHECK_EQ(header.sequence, some.sequence);
    CHECK_EQ(header.payload_type, some.payload_type);
    CHECK(header.marker);

    leat_rtp_write_begin(&writer, out, sizeof(out), &some, false);
    leat_rtp_ext_put(&writer, 3, "mid", 3);
    leat_rtp_ext_put(&writer, 14, "sixteen bytes!!!", 16);
    size_t len = leat_rtp_write_end(&writer);
    REQUIRE(len == 40);
    REQUIRE(leat_rtp_parse(out, len, &header) == 0);
    CHECK_EQ(header.extension_profile, 0xbede);
    CHECK_EQ(header.header_len, 40);
    check_value(&header, 3, "mid");
    check_value(&header, 14, "sixteen bytes!!!");
}

TEST(webrtc_rtp, the_two_byte_form_is_taken_where_it_must_be)
{
    static const struct {
        uint8_t id;
        const char *value;
    } wide[] = {{15, "x"}, {255, "yy"}, {4, "seventeen bytes!!"}, {5, ""}};
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        uint8_t out[64];
        struct leat_rtp_writer writer;
        struct leat_rtp_header header;
        leat_rtp_write_begin(&writer, out, sizeof(out), &some, false);
        leat_rtp_ext_put(&writer, 1, "a", 1);
        leat_rtp_ext_put(&writer, 2, "bcd", 3);
        leat_rtp_ext_put(&writer, 3, "efghi", 5);
        leat_rtp_ext_put(&writer, wide[i].id, wide[i].value, (uint8_t)strlen(wide[i].value));
        leat_rtp_ext_put(&writer, 14, "z", 1);
        const size_t len = leat_rtp_write_end(&writer);
        REQUIRE(len > 0);
        REQUIRE(leat_rtp_parse(out, len, &header) == 0);
        CHECK_EQ(header.extension_profile, 0x1000);
        CHECK_EQ(header.payload_len, 0);
        check_value(&header, 1, "a");
        check_value(&header, 2, "bcd");
        check_value(&header, 3, "efghi");
        check_value(&header, 14, "z");
        check_value(&header, wide[i].id, wide[i].value);
    }
}

TEST(webrtc_rtp, a_writer_without_room_says_so)
{
    uint8_t out[64];
    struct leat_rtp_writer writer;
    for (size_t cap = 0; cap <= 36; cap++) {
        memset(out, 0x5a, sizeof(out));
        leat_rtp_write_begin(&writer, out, cap, &some, false);
        leat_rtp_ext_put(&writer, 1, "abcde", 5);
        leat_rtp_ext_put(&writer, 20, "fghijkl", 7);
        const size_t len = leat_rtp_write_end(&writer);
        CHECK_EQ(len, cap < 32 ? 0 : 32);
        for (size_t i = cap; i < sizeof(out); i++) {
            CHECK_EQ(out[i], 0x5a);
        }
    }
    leat_rtp_write_begin(&writer, out, sizeof(out), &some, false);
    leat_rtp_ext_put(&writer, 0, "x", 1);
    CHECK_EQ(leat_rtp_write_end(&writer), 0);
}

TEST(webrtc_rtp, sequence_numbers_extend_to_the_nearest)
{
    CHECK_EQ(leat_rtp_extend(65536 + 10, 12), 65536 + 12);
    CHECK_EQ(leat_rtp_extend(65536 + 10, 65535), 65535);
    CHECK_EQ(leat_rtp_extend(2 * 65536 - 1, 0), 2 * 65536);
    CHECK_EQ(leat_rtp_extend(2 * 65536 + 5, 65530), 2 * 65536 - 6);
}

TEST(webrtc_rtp, uris_name_extensions)
{
    for (unsigned i = 0; i < LEAT_RTP_EXT_COUNT; i++) {
        const char *const uri = leat_rtp_ext_uri((enum leat_rtp_ext)i);
        REQUIRE(uri != NULL);
        CHECK_EQ(leat_rtp_ext_of(uri, strlen(uri)), i);
        CHECK_EQ(leat_rtp_ext_of(uri, strlen(uri) - 1), LEAT_RTP_EXT_COUNT);
    }
    CHECK(leat_rtp_ext_uri(LEAT_RTP_EXT_COUNT) == NULL);
}
