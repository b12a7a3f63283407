/* RTP headers. Properties: what is found lies in the packet; a header written with the extensions that were
 * found is read back the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/rtp.h>

#include "fuzz.h"

static void write_again(const struct leat_rtp_header *header, bool two_bytes, size_t cap)
{
    static uint8_t out[2 * LEAT_RTP_PACKET_MAX];
    struct leat_rtp_writer writer;
    struct leat_rtp_header again;
    const uint8_t *values[256];
    uint8_t lens[256];
    leat_rtp_write_begin(&writer, out, cap, header, two_bytes);
    for (unsigned id = 1; id < 256; id++) {
        values[id] = leat_rtp_ext_find(header, (uint8_t)id, &lens[id]);
        if (values[id]) {
            leat_rtp_ext_put(&writer, (uint8_t)id, values[id], lens[id]);
        }
    }
    const size_t len = leat_rtp_write_end(&writer);
    REQUIRE(len <= cap);
    if (len == 0 || len > LEAT_RTP_PACKET_MAX) {
        REQUIRE(cap < sizeof(out) || len);
        return;
    }
    REQUIRE(leat_rtp_parse(out, len, &again) == 0);
    REQUIRE(again.ssrc == header->ssrc && again.sequence == header->sequence);
    REQUIRE(again.timestamp == header->timestamp && again.marker == header->marker);
    REQUIRE(again.payload_type == header->payload_type && again.payload_len == 0);
    for (unsigned id = 1; id < 256; id++) {
        uint8_t value_len = 0;
        const uint8_t *const value = leat_rtp_ext_find(&again, (uint8_t)id, &value_len);
        REQUIRE((value != NULL) == (values[id] != NULL));
        REQUIRE(!value || (value_len == lens[id] && memcmp(value, values[id], value_len) == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_rtp_header header;
    if (leat_rtp_parse(data, size, &header) != 0) {
        return 0;
    }
    REQUIRE(size <= LEAT_RTP_PACKET_MAX && header.header_len >= LEAT_RTP_HEADER_LEN);
    REQUIRE((size_t)header.header_len + header.payload_len <= size);
    for (unsigned id = 0; id < 256; id++) {
        uint8_t len = 0;
        const uint8_t *const value = leat_rtp_ext_find(&header, (uint8_t)id, &len);
        REQUIRE(!value || (value > data && value + len <= data + header.header_len));
    }
    write_again(&header, false, 2 * LEAT_RTP_PACKET_MAX);
    write_again(&header, true, 2 * LEAT_RTP_PACKET_MAX);
    write_again(&header, false, size % 100);
    return 0;
}
