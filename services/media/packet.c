/* Packets as they travel on the bus: what is known of one, and behind it its plaintext bytes. Whoever publishes on a
 * stream's channel is heard, so a slice is believed only as far as it fits itself. Any thread. */
#include <stdio.h>
#include <stdlib.h>

#include "media.h"

void media_fail(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "leat-media: %s:%d: assertion failed: %s\n", file, line, expr);
    abort();
}

uint32_t media_worker_of_char(char c)
{
    for (uint32_t worker = 0; worker < LEAT_WORKERS_MAX; worker++) {
        if (media_worker_char(worker) == c) {
            return worker;
        }
    }
    return LEAT_WORKERS_MAX;
}

/* Whether all that the packet says of its bytes is within them. */
static bool fits(const struct leat_rtp_packet *packet, size_t len)
{
    return packet->kind < LEAT_MEDIA_KINDS && packet->layer < LEAT_RTP_LAYERS_MAX &&
           packet->codec < LEAT_CODEC_COUNT && packet->payload_offset >= LEAT_RTP_HEADER_LEN &&
           (size_t)packet->payload_offset + packet->payload_len <= len &&
           (size_t)packet->dependency_offset + packet->dependency_len <= len &&
           len <= LEAT_RTP_PACKET_MAX;
}

const struct leat_rtp_packet *leat_media_packet_of(leat_slice slice, const uint8_t **ret_bytes,
                                                   size_t *ret_len)
{
    if (slice.buf == NULL || leat_batch_len(slice) > 0 ||
        slice.len <= sizeof(struct leat_rtp_packet)) {
        return NULL;
    }
    const uint8_t *data = leat_slice_data(slice);
    if ((uintptr_t)data % _Alignof(struct leat_rtp_packet) != 0) {
        return NULL;
    }
    const struct leat_rtp_packet *packet = (const struct leat_rtp_packet *)(const void *)data;
    const size_t len = slice.len - sizeof(*packet);
    if (!fits(packet, len)) {
        return NULL;
    }
    *ret_bytes = data + sizeof(*packet);
    *ret_len = len;
    return packet;
}
