/* A publisher: SRTP in, batches of plaintext on the stream's channel, RTCP back. A packet is decrypted from the receive buffer
 * straight to where it stays, behind the room for what is known of it; a batch is held until its frame is
 * whole, or for 2 ms. Whatever a publisher floods, its rings bound what is kept, and a batch what is held. */
#include <errno.h>
#include <stdlib.h>

#include "ring.h"
#include "session.h"

#define BATCH_LEN 32u  /* published when it has so many */
#define BATCH_CAP 112u /* an event brings at most 64, and extras: it fits into a buffer of a pool */
#define HOLD_NS (2 * LEAT_MS)
#define SILENT_NS (2 * LEAT_SEC)
#define STATE_NS LEAT_SEC
#define RTCP_MAX 1200u
#define RTCP_SSRC 1u /* ours, who never send media here */
#define WISH_NS (20 * LEAT_MS) /* a packet is not published again twice within */
#define WISHES 16u

/* A packet that was published again. */
struct wish {
    uint64_t index;
    leat_time again;
    uint32_t source;
    uint32_t zero;
};

struct publisher {
    struct media_session session;
    leat_rtp_receiver *receiver;
    leat_channel media, back;
    uint32_t source;
    uint8_t kinds;
    bool subscribed;  /* or at least asked for */
    bool due;         /* the batch is to be published */
    bool video_waits; /* in the batch */
    bool silent;
    bool poll; /* RTCP may be due */
    bool state_due;
    bool tell_due;    /* signaling is to hear of a changed state */
    bool left;        /* told that it has */
    leat_slice batch; /* no buffer: none */
    leat_time batch_since;
    leat_time heard;    /* media */
    leat_time state_at; /* when the state is told again */
    struct leat_media_state state;
    struct leat_rtp_receiver_stats counted;
    struct media_rings rings;
    struct wish wishes[WISHES];
    uint32_t wish_next;
};

/* ---- life ---- */

static int publisher_init(void *state, const void *arg, leat_time now)
{
    struct publisher *self = state;
    struct session_setup *setup = *(struct session_setup *const *)arg;
    const struct leat_rtp_receiver_config config = {
        .tracks = setup->tracks,
        .track_count = setup->track_count,
        .ssrc = RTCP_SSRC,
        .source = setup->source,
    };
    int status = leat_rtp_receiver_open(&config, now, &self->receiver);
    if (status < 0) {
        return status;
    }
    status = media_session_init(&self->session, self, setup, false, now);
    if (status < 0) {
        leat_rtp_receiver_close(self->receiver);
        return status;
    }
    self->media = setup->media;
    self->back = setup->back;
    self->source = setup->source;
    for (size_t i = 0; i < setup->track_count; i++) {
        self->kinds |= (uint8_t)(1u << setup->tracks[i].kind);
    }
    self->heard = now;
    self->state_at = LEAT_NEVER;
    session_setup_free(setup);
    return 0;
}

/* What the receiver has found since the last time. */
static void count_receiver(struct publisher *self)
{
    struct media_counters *counters = &self->session.worker->counters;
    struct leat_rtp_receiver_stats stats;
    leat_rtp_receiver_stats(self->receiver, &stats);
    media_count(&counters->lost_in, stats.missing - self->counted.missing);
    media_count(&counters->repaired_in, stats.repaired - self->counted.repaired);
    self->counted = stats;
}

static void publisher_fini(void *state)
{
    struct publisher *self = state;
    count_receiver(self);
    leat_buf_unref(self->batch.buf);
    media_rings_close(&self->rings);
    media_session_fini(&self->session);
    leat_rtp_receiver_close(self->receiver);
}

/* ---- batches ---- */

/* Puts a packet behind what waits; its reference is given away. */
static void batch_add(struct publisher *self, leat_time now, leat_slice packet,
                      enum leat_media_kind kind)
{
    if (self->batch.buf == NULL) {
        if (leat_batch_alloc(BATCH_CAP, &self->batch) != 0) {
            self->batch = (leat_slice){0};
            leat_buf_unref(packet.buf);
            return;
        }
        self->batch_since = now;
    }
    if (leat_batch_add(&self->batch, packet) != 0) {
        leat_buf_unref(packet.buf); /* no room: it can be had from the ring */
        return;
    }
    self->video_waits |= kind == LEAT_MEDIA_VIDEO;
    self->due |= leat_batch_len(self->batch) >= BATCH_LEN;
}

static void batch_publish(struct publisher *self, struct leat_output *ret)
{
    leat_output_publish_body(ret, self->media, LEAT_MEDIA_PACKETS, self->batch);
    self->batch = (leat_slice){0};
    self->due = false;
    self->video_waits = false;
}

/* A packet with its place: kept, and to be published. */
static void forward(struct publisher *self, leat_time now, leat_slice slice)
{
    const struct leat_rtp_packet *packet =
        (const struct leat_rtp_packet *)(const void *)leat_slice_data(slice);
    const enum leat_media_kind kind = (enum leat_media_kind)packet->kind;
    struct media_counters *counters = &self->session.worker->counters;
    const bool ends = kind == LEAT_MEDIA_VIDEO && (packet->flags & LEAT_RTP_MARKER);
    media_rings_expire(&self->rings, now);
    media_rings_put(&self->rings, now, packet, slice);
    self->state_due |= kind == LEAT_MEDIA_VIDEO && (packet->flags & LEAT_RTP_KEY) &&
                       (packet->flags & LEAT_RTP_START);
    media_count(&counters->packets_in, 1);
    media_count(&counters->bytes_in, packet->payload_len);
    batch_add(self, now, slice, kind);
    self->due |= ends || !self->video_waits;
}

/* ---- in ---- */

static void on_rtcp(struct publisher *self, leat_time now, const uint8_t *data, size_t len)
{
    uint8_t plain[LEAT_RTP_PACKET_MAX];
    size_t plain_len;
    if (leat_peer_unprotect_rtcp(self->session.peer, data, len, plain, sizeof(plain), &plain_len) !=
        0) {
        media_count(&self->session.worker->counters.dropped, 1);
        return;
    }
    leat_rtp_receiver_rtcp(self->receiver, now, plain, plain_len);
}

/* What the publisher left out before this packet. */
static void forward_extra(struct publisher *self, leat_time now)
{
    leat_slice slice;
    struct leat_rtp_packet packet;
    uint8_t bytes[LEAT_RTP_PACKET_MAX];
    const size_t len = leat_rtp_receiver_extra(self->receiver, bytes, sizeof(bytes), &packet);
    if (len == 0 || leat_buf_alloc((uint32_t)(sizeof(packet) + len), &slice) != 0) {
        return;
    }
    memcpy(leat_slice_data(slice), &packet, sizeof(packet));
    memcpy(leat_slice_data(slice) + sizeof(packet), bytes, len);
    forward(self, now, slice);
}

static void on_rtp(struct publisher *self, leat_time now, const uint8_t *data, size_t len)
{
    leat_slice slice;
    size_t plain_len;
    if (len > LEAT_RTP_PACKET_MAX ||
        leat_buf_alloc((uint32_t)(sizeof(struct leat_rtp_packet) + len), &slice) != 0) {
        media_count(&self->session.worker->counters.dropped, 1);
        return;
    }
    uint8_t *bytes = leat_slice_data(slice) + sizeof(struct leat_rtp_packet);
    struct leat_rtp_packet *packet = (struct leat_rtp_packet *)(void *)leat_slice_data(slice);
    if (leat_peer_unprotect(self->session.peer, data, len, bytes, len, &plain_len) != 0) {
        media_count(&self->session.worker->counters.dropped, 1);
        leat_buf_unref(slice.buf);
        return;
    }
    self->heard = now;
    const int status = leat_rtp_receiver_packet(self->receiver, now, bytes, &plain_len, packet);
    if (status != 0) {
        leat_buf_unref(slice.buf);
        return;
    }
    forward_extra(self, now);
    slice.len = (uint32_t)(sizeof(struct leat_rtp_packet) + plain_len);
    forward(self, now, slice);
}

static void on_packet(void *state, leat_time now, enum leat_peer_kind kind, const uint8_t *data,
                      size_t len)
{
    struct publisher *self = state;
    if (kind == LEAT_PEER_RTP) {
        on_rtp(self, now, data, len);
    } else {
        on_rtcp(self, now, data, len);
    }
    self->poll = true;
}

/* A packet that a worker with viewers has not got, or has no more: published again, for all of them. */
static void on_want_packet(struct publisher *self, leat_time now,
                           const struct leat_media_want *want)
{
    const struct media_ring *ring = media_rings_find(&self->rings, want->source);
    if (ring == NULL) {
        return;
    }
    const leat_slice slice = media_ring_find(ring, want->index);
    if (slice.buf == NULL) {
        return;
    }
    struct wish *wish = NULL;
    for (uint32_t i = 0; i < WISHES && wish == NULL; i++) {
        if (self->wishes[i].index == want->index && self->wishes[i].source == want->source) {
            wish = &self->wishes[i];
        }
    }
    if (wish == NULL) {
        wish = &self->wishes[self->wish_next++ % WISHES];
    } else if (now < wish->again) {
        return;
    }
    *wish = (struct wish){.index = want->index, .source = want->source, .again = now + WISH_NS};
    batch_add(self, now, leat_slice_ref(slice),
              LEAT_MEDIA_VIDEO); /* more may be wanted in a moment */
}

static void on_published(struct publisher *self, const struct leat_event *event)
{
    struct leat_media_want want;
    if (event->len != sizeof(want)) {
        return;
    }
    memcpy(&want, event->payload, sizeof(want));
    if (event->type == LEAT_MEDIA_WANT_PACKET) {
        on_want_packet(self, event->now, &want);
    } else if (event->type == LEAT_MEDIA_WANT_KEY) {
        const int best = leat_rtp_receiver_best_layer(self->receiver, event->now);
        if (want.layer == MEDIA_LAYER_BEST) { /* who says so has not heard of the state */
            want.layer = best > 0 ? (uint8_t)best : 0;
            self->state_at = event->now;
        }
        if (want.layer < LEAT_RTP_LAYERS_MAX) {
            leat_rtp_receiver_want_key(self->receiver, event->now, want.layer, want.since);
            self->poll = true;
        }
    }
}

static void publisher_on_event(void *state, const struct leat_event *event)
{
    struct publisher *self = state;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        on_published(self, event);
        return;
    }
    if (event->kind == LEAT_EVENT_SUBSCRIBED && event->status != 0) {
        self->session.ending = true; /* nobody would be heard */
        return;
    }
    if (event->kind == LEAT_EVENT_DEADLINE) {
        self->poll = true;
        self->state_due = true;
        self->due |= self->batch.buf != NULL && event->now >= self->batch_since + HOLD_NS;
    }
    media_session_event(&self->session, self, event, on_packet);
}

/* ---- out ---- */

static bool pop_rtcp(struct publisher *self, leat_time now, struct leat_output *ret)
{
    uint8_t rtcp[RTCP_MAX];
    size_t len;
    while ((len = leat_rtp_receiver_poll(self->receiver, now, rtcp, sizeof(rtcp))) > 0) {
        if (media_session_send_rtcp(&self->session, rtcp, len, ret)) {
            return true;
        }
    }
    struct leat_rtp_report report;
    if (leat_rtp_receiver_report(self->receiver, &report)) {
        leat_output_publish(ret, self->media, LEAT_MEDIA_REPORT, &report, sizeof(report));
        return true;
    }
    self->poll = false;
    return false;
}

static bool pop_state(struct publisher *self, leat_time now, struct leat_output *ret)
{
    const int best = leat_rtp_receiver_best_layer(self->receiver, now);
    struct leat_media_state state = {
        .source = self->source,
        .best_layer = best >= 0 ? (uint8_t)best : self->state.best_layer,
        .layers = (uint8_t)leat_rtp_receiver_layers(self->receiver, now),
        .kinds = self->kinds,
        .live = !self->session.ending,
    };
    count_receiver(self);
    state.width = self->counted.width;
    state.height = self->counted.height;
    self->state_due = false;
    if (memcmp(&state, &self->state, sizeof(state)) == 0 && now < self->state_at) {
        return false;
    }
    self->tell_due |= memcmp(&state, &self->state, sizeof(state)) != 0;
    self->state = state;
    self->state_at = now + STATE_NS;
    leat_output_publish(ret, self->media, LEAT_MEDIA_STATE, &state, sizeof(state));
    return true;
}

static bool pop_tell(struct publisher *self, struct leat_output *ret)
{
    const struct session_state told = {.session = self->session.id, .state = self->state};
    self->tell_due = false;
    leat_output_send(ret, self->session.signaling, SESSION_STATE, &told, sizeof(told));
    return true;
}

/* Whether signaling is to hear that media has stopped, or flows again. */
static bool pop_silence(struct publisher *self, leat_time now, struct leat_output *ret)
{
    const bool silent = now >= self->heard + SILENT_NS;
    if (silent == self->silent) {
        return false;
    }
    self->silent = silent;
    leat_output_send(ret, self->session.signaling, silent ? SESSION_SILENT : SESSION_FLOWING,
                     &self->session.id, sizeof(self->session.id));
    leat_output_wait(ret);
    return true;
}

static bool pop_end(struct publisher *self, leat_time now, struct leat_output *ret)
{
    if (self->session.ending && !self->left) {
        self->left = true;
        if (self->batch.buf != NULL) {
            batch_publish(self, ret);
            return true;
        }
    }
    if (self->session.ending && self->state.live && pop_state(self, now, ret)) {
        return true;
    }
    return media_session_end(&self->session, self, now, ret);
}

static bool publisher_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct publisher *self = state;
    if (!self->subscribed) {
        self->subscribed = true;
        leat_output_subscribe(ret, self->back, 0);
        return true;
    }
    const bool was_connected = self->session.connected;
    if (media_session_pop(&self->session, self, now, ret)) {
        self->state_due |= self->session.connected && !was_connected;
        return true;
    }
    if (self->session.connected && !self->session.ending) {
        /* First which layer is the best: its key frame may be in the batch. */
        if (self->state_due && pop_state(self, now, ret)) {
            return true;
        }
        if (self->due) {
            batch_publish(self, ret);
            return true;
        }
        if ((self->poll && pop_rtcp(self, now, ret)) ||
            (now >= self->state_at && pop_state(self, now, ret))) {
            return true;
        }
    }
    return (self->tell_due && pop_tell(self, ret)) || pop_silence(self, now, ret) ||
           pop_end(self, now, ret);
}

static void publisher_on_refused(void *state, struct leat_output *output, int status)
{
    struct publisher *self = state;
    (void)status;
    if (output->kind == LEAT_OUTPUT_SUBSCRIBE) {
        self->session.ending = true;
    }
    media_session_refused(&self->session, output);
}

static leat_time earlier(leat_time a, leat_time b)
{
    return a < b ? a : b;
}

static leat_time publisher_deadline(const void *state)
{
    const struct publisher *self = state;
    leat_time at = media_session_deadline(&self->session);
    if (!self->silent) {
        at = earlier(at, self->heard + SILENT_NS);
    }
    if (self->session.connected) {
        at = earlier(at, leat_rtp_receiver_deadline(self->receiver));
        at = earlier(at, self->state_at);
        if (self->batch.buf != NULL) {
            at = earlier(at, self->batch_since + HOLD_NS);
        }
    }
    return at;
}

const struct leat_behavior media_publisher_behavior = {
    .name = "media.publisher",
    .state_size = sizeof(struct publisher),
    .mailbox_len_max = 4096,
    .init = publisher_init,
    .on_event = publisher_on_event,
    .pop_output = publisher_pop_output,
    .on_refused = publisher_on_refused,
    .deadline = publisher_deadline,
    .fini = publisher_fini,
};
