/* A fanout belongs to a group: it is made by the group's first member and freed by the last. A group is given one
 * message at a time, to one member after the other, so whatever concerns one batch, or one drain, can be kept
 * here once. Touched by that group's members only. */
#include "fanout.h"

#include <errno.h>
#include <stdlib.h>

#define STALE_NS LEAT_SEC /* too late to be sent for the first time, unless it was asked for */
#define KEY_EVERY_NS (100 * LEAT_MS)
#define PACKET_EVERY_NS (100 * LEAT_MS)

int media_fanout_open(struct media_worker *worker, leat_ref group, struct media_fanout **ret,
                      bool *ret_is_new)
{
    struct media_fanout *fanout = worker->fanouts;
    while (fanout != NULL && !leat_ref_equal(fanout->group, group)) {
        fanout = fanout->next;
    }
    *ret_is_new = fanout == NULL;
    if (fanout == NULL) {
        fanout = calloc(1, sizeof(*fanout));
        if (fanout == NULL) {
            return -ENOMEM;
        }
        fanout->worker = worker;
        fanout->group = group;
        fanout->next = worker->fanouts;
        worker->fanouts = fanout;
    }
    fanout->members++;
    *ret = fanout;
    return 0;
}

void media_fanout_close(struct media_fanout *fanout)
{
    ENSURE(fanout->members > 0);
    if (--fanout->members > 0) {
        return;
    }
    struct media_fanout **link = &fanout->worker->fanouts;
    while (*link != fanout) {
        link = &(*link)->next;
    }
    *link = fanout->next;
    media_rings_close(&fanout->rings);
    leat_buf_unref(fanout->batch.buf);
    free(fanout);
}

const struct leat_rtp_packet *media_fanout_find(struct media_fanout *fanout, uint32_t source,
                                                uint64_t index, const uint8_t **ret_bytes)
{
    const struct media_ring *ring = media_rings_find(&fanout->rings, source);
    size_t len;
    if (ring == NULL) {
        return NULL;
    }
    return leat_media_packet_of(media_ring_find(ring, index), ret_bytes, &len);
}

/* ---- batches ---- */

static bool is_wished(const struct media_fanout *fanout, uint32_t source, uint64_t index)
{
    for (uint32_t i = 0; i < FANOUT_WISHES; i++) {
        if (fanout->wishes[i].index == index && fanout->wishes[i].source == source) {
            return true;
        }
    }
    return false;
}

/* A worker that has more to do than it can is behind with its batches; what waited too long is passed over, so that it
 * catches up, and what waits stays bounded. */
static bool is_stale(const struct media_fanout *fanout, leat_time now,
                     const struct leat_rtp_packet *packet)
{
    return packet->received + STALE_NS < now && !is_wished(fanout, packet->source, packet->index);
}

/* Whether nothing as new has been seen of its source: what is published again for another worker leaves no hole here. */
static bool is_newest(struct media_fanout *fanout, const struct leat_rtp_packet *packet)
{
    const struct media_ring *ring = media_rings_find(&fanout->rings, packet->source);
    return ring == NULL || packet->index >= ring->end;
}

static void note_skipped(struct media_fanout *fanout, uint32_t source)
{
    for (uint32_t i = 0; i < fanout->skipped_len; i++) {
        if (fanout->skipped[i] == source) {
            return;
        }
    }
    if (fanout->skipped_len < RINGS_MAX) {
        fanout->skipped[fanout->skipped_len++] = source;
    }
}

static void add(struct media_fanout *fanout, leat_time now, leat_slice slice,
                enum leat_media_kind kind)
{
    struct fanout_packet packet = {.slice = slice};
    size_t len;
    packet.packet = leat_media_packet_of(slice, &packet.bytes, &len);
    if (packet.packet == NULL || packet.packet->kind != kind) {
        return;
    }
    const bool is_new = is_newest(fanout, packet.packet);
    media_rings_put(&fanout->rings, now, packet.packet, slice);
    if (fanout->batch_len == FANOUT_BATCH_MAX || is_stale(fanout, now, packet.packet)) {
        media_count(&fanout->worker->counters.dropped, 1);
        if (is_new && kind == LEAT_MEDIA_VIDEO) {
            note_skipped(fanout, packet.packet->source);
        }
    } else {
        fanout->packets[fanout->batch_len++] = packet;
    }
}

void media_fanout_take(struct media_fanout *fanout, leat_time now, leat_slice batch)
{
    fanout->has_sent = false;
    fanout->catch_at = fanout->catch_end = 0;
    if (batch.buf == fanout->batch.buf) {
        return; /* it is held, so no other batch has this address */
    }
    leat_buf_unref(fanout->batch.buf);
    fanout->batch = leat_slice_ref(batch);
    fanout->batch_len = fanout->skipped_len = 0;
    const uint32_t len = leat_batch_len(batch);
    for (uint32_t kind = 0; kind < LEAT_MEDIA_KINDS; kind++) {
        for (uint32_t i = 0; i < len; i++) {
            add(fanout, now, leat_batch_at(batch, i), (enum leat_media_kind)kind);
        }
    }
    media_rings_expire(&fanout->rings, now);
}

const struct fanout_packet *media_fanout_at(struct media_fanout *fanout, const uint32_t *at)
{
    struct fanout_packet *caught = &fanout->caught;
    size_t len;
    while (fanout->catch_at < fanout->catch_end) {
        caught->slice = media_ring_find(fanout->catch_ring, fanout->catch_at);
        caught->packet = leat_media_packet_of(caught->slice, &caught->bytes, &len);
        if (caught->packet != NULL) {
            return caught;
        }
        fanout->catch_at++;
    }
    return *at < fanout->batch_len ? &fanout->packets[*at] : NULL;
}

void media_fanout_next(struct media_fanout *fanout, uint32_t *at)
{
    if (fanout->catch_at < fanout->catch_end) {
        fanout->catch_at++;
    } else {
        ++*at;
    }
}

uint32_t media_fanout_left(const struct media_fanout *fanout, uint32_t at)
{
    return (uint32_t)(fanout->catch_end - fanout->catch_at) + fanout->batch_len - at;
}

void media_fanout_catch_up(struct media_fanout *fanout, const struct leat_rtp_packet *packet)
{
    struct media_ring *ring = media_rings_find(&fanout->rings, packet->source);
    if (ring != NULL && fanout->catch_at == fanout->catch_end &&
        media_ring_find(ring, packet->index).buf != NULL) {
        fanout->catch_ring = ring;
        fanout->catch_at = packet->index;
        fanout->catch_end = ring->end;
    }
}

void media_fanout_state(struct media_fanout *fanout, leat_time now,
                        const struct leat_media_state *state)
{
    fanout->state = *state;
    fanout->has_state = true;
    media_rings_expire(&fanout->rings, now);
}

/* ---- wishes ---- */

bool media_fanout_want_key(struct media_fanout *fanout, leat_time now, leat_time since,
                           struct leat_media_want *ret)
{
    if (since > fanout->key_since) {
        fanout->key_since = since;
    }
    if (now < fanout->key_next) {
        return false;
    }
    fanout->key_next = now + KEY_EVERY_NS;
    *ret = (struct leat_media_want){.since = fanout->key_since,
                                    .source = fanout->state.source,
                                    .layer = fanout->has_state ? fanout->state.best_layer
                                                               : MEDIA_LAYER_BEST};
    media_count(&fanout->worker->counters.key_requests, 1);
    return true;
}

bool media_fanout_want_packet(struct media_fanout *fanout, leat_time now, uint32_t source,
                              uint64_t index, struct leat_media_want *ret)
{
    struct fanout_wish *wish = NULL;
    for (uint32_t i = 0; i < FANOUT_WISHES && wish == NULL; i++) {
        if (fanout->wishes[i].index == index && fanout->wishes[i].source == source) {
            wish = &fanout->wishes[i];
        }
    }
    if (wish == NULL) {
        wish = &fanout->wishes[fanout->wish_next++ % FANOUT_WISHES];
    } else if (now < wish->again) {
        return false;
    }
    *wish = (struct fanout_wish){.index = index, .source = source, .again = now + PACKET_EVERY_NS};
    *ret = (struct leat_media_want){.index = index, .source = source};
    return true;
}
