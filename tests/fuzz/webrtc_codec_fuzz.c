/* A payload, and an fmtp: the first byte is the codec. Properties: nothing outside the payload
 * is read (the bytes stand in a block of their own, which ASan guards), offsets lie in what is
 * rewritten, and a rewritten payload says the same but for the numbers, which are shifted. */
#include <stdlib.h>
#include <string.h>

#include <leat/codec.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_rewrite(enum leat_codec codec, const struct leat_codec_packet *packet,
                          const uint8_t *payload, size_t len, struct leat_codec_shift shift)
{
    uint8_t prefix[LEAT_CODEC_PREFIX_MAX];
    const size_t n = leat_codec_rewrite(packet, payload, shift, prefix);
    require(n <= len && n <= sizeof(prefix));
    uint8_t *const other = malloc(len);
    struct leat_codec_packet told;
    require(other != NULL);
    memcpy(other, payload, len);
    memcpy(other, prefix, n);
    require(leat_codec_look(codec, other, len, &told) == 0);
    const uint16_t mask = packet->wide_picture_id ? 0x7fff : 0x7f;
    require(told.has_picture_id == packet->has_picture_id && told.has_tl0 == packet->has_tl0);
    require(!told.has_picture_id ||
            ((told.picture_id - packet->picture_id - shift.picture_id) & mask) == 0);
    require(!told.has_tl0 || (uint8_t)(told.tl0 - packet->tl0 - shift.tl0) == 0);
    require(told.key == packet->key && told.start == packet->start && told.width == packet->width &&
            told.height == packet->height);
    free(other);
}

static void check_text(const char *fmtp, size_t len)
{
    uint8_t out[256], small[40];
    for (unsigned i = 0; i < LEAT_CODEC_COUNT; i++) {
        (void)leat_codec_profile((enum leat_codec)i, fmtp, len);
    }
    (void)leat_codec_of(fmtp, len);
    const size_t n = leat_codec_h264_parameters(fmtp, len, out, sizeof(out));
    const size_t m = leat_codec_h264_parameters(fmtp, len, small, sizeof(small));
    require(n <= sizeof(out) && m <= sizeof(small) && (m == 0 || m == n));
    struct leat_codec_packet told;
    require(n == 0 || leat_codec_look(LEAT_CODEC_H264, out, n, &told) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > 4096) {
        return 0;
    }
    const size_t len = size - 4;
    const enum leat_codec codec = (enum leat_codec)(data[0] % (LEAT_CODEC_COUNT + 1));
    const struct leat_codec_shift shift = {(uint16_t)(data[1] << 8 | data[2]), data[3]};
    uint8_t *const bytes = malloc(len > 0 ? len : 1);
    require(bytes != NULL);
    memcpy(bytes, data + 4, len);
    struct leat_codec_packet packet;
    if (codec == LEAT_CODEC_COUNT) {
        check_text((const char *)bytes, len);
        (void)leat_codec_shift_dependency(bytes, len, shift.picture_id);
    } else if (leat_codec_look(codec, bytes, len, &packet) == 0) {
        require(!packet.has_picture_id || packet.picture_id_at < len);
        require(!packet.has_tl0 || packet.tl0_at < len);
        check_rewrite(codec, &packet, bytes, len, shift);
    }
    free(bytes);
    return 0;
}
