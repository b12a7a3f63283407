/* A viewer: a member of a group that hears the channel of its stream. A batch costs it nothing but what it is sent: one train at a
 * time is made in pop_output, each packet sealed from the bus's bytes straight into it. Nothing is queued for a viewer: who is
 * not connected, or whose socket is full, loses packets and may ask for them again. */
#include <errno.h>
#include <stdlib.h>

#include "fanout.h"
#include "session.h"

#define TRAIN_SEGMENTS 60u
#define TRAIN_BYTES 60000u
#define RTCP_MAX 1200u
#define KEY_PATIENCE_NS                                                                            \
    (600 * LEAT_MS) /* a key frame that began longer ago and did not help has been missed */

/* What a PUBLISHED, or RTCP, leaves to be done: bits, in the order of doing. */
enum todo {
    TODO_SUBSCRIBE = 1 << 0,
    TODO_TRAINS = 1 << 1,
    TODO_REPEATS = 1 << 2,
    TODO_REPORT = 1 << 3,
    TODO_KEY = 1 << 4,
};

struct viewer {
    struct media_session session;
    struct media_fanout *fanout;
    leat_channel media, back;
    leat_rtp_sender *senders[LEAT_MEDIA_KINDS]; /* NULL: not agreed; both in one piece of memory */
    void *memory;
    uint32_t todo;
    uint32_t at; /* in the fanout's batch */
    leat_time connected_at;
    leat_time deadline; /* as it was when it was last found out */
    bool deadline_stale;
    bool said_bye;
    char cname[24];
};

/* A train that is being made. */
struct train {
    leat_slice body; /* len: what is in it */
    uint32_t room;
    uint32_t segment_size, segments;
    bool closed; /* a shorter one is its last */
};

/* ---- life ---- */

static int senders_open(struct viewer *self, const struct session_setup *setup, leat_time now)
{
    const size_t size = (leat_rtp_sender_size() + 15) & ~(size_t)15;
    uint8_t *memory = calloc(LEAT_MEDIA_KINDS, size);
    if (memory == NULL) {
        return -ENOMEM;
    }
    self->memory = memory;
    for (size_t i = 0; i < setup->track_count; i++) {
        const struct leat_rtp_track *track = &setup->tracks[i];
        const uint32_t ssrc = setup->ssrcs[track->kind];
        /* Numbers begin anywhere below 2^15; the SSRC is random, so they are. */
        const struct leat_rtp_sender_config config = {
            .track = track,
            .ssrc = ssrc,
            .rtx_ssrc = setup->rtx_ssrcs[track->kind],
            .sequence = (uint16_t)(ssrc & 0x7fff),
            .rtx_sequence = (uint16_t)(ssrc >> 16 & 0x7fff),
            .timestamp = ssrc * 2654435761u,
        };
        self->senders[track->kind] = (leat_rtp_sender *)(void *)(memory + track->kind * size);
        leat_rtp_sender_init(self->senders[track->kind], &config, now);
    }
    return 0;
}

static int viewer_init(void *state, const void *arg, leat_time now)
{
    struct viewer *self = state;
    struct session_setup *setup = *(struct session_setup *const *)arg;
    const leat_ref group = leat_self_group(self);
    bool is_new;
    int status;
    if (leat_ref_equal(group, LEAT_REF_NONE)) {
        return -EINVAL;
    }
    status = senders_open(self, setup, now);
    if (status < 0) {
        return status;
    }
    status = media_fanout_open(setup->worker, group, &self->fanout, &is_new);
    if (status == 0) {
        status = media_session_init(&self->session, self, setup, true, now);
        if (status < 0) {
            media_fanout_close(self->fanout);
        }
    }
    if (status < 0) {
        free(self->memory);
        return status;
    }
    self->media = setup->media;
    self->back = setup->back;
    self->todo = is_new ? TODO_SUBSCRIBE : 0;
    self->deadline_stale = true;
    memcpy(self->cname, setup->cname, sizeof(self->cname));
    if (self->fanout->has_state && self->senders[LEAT_MEDIA_VIDEO] != NULL) {
        leat_rtp_sender_target(self->senders[LEAT_MEDIA_VIDEO], now,
                               self->fanout->state.best_layer);
    }
    session_setup_free(setup);
    return 0;
}

static void viewer_fini(void *state)
{
    struct viewer *self = state;
    media_fanout_close(self->fanout);
    media_session_fini(&self->session);
    free(self->memory);
}

/* ---- in ---- */

static void on_rtcp(void *state, leat_time now, enum leat_peer_kind kind, const uint8_t *data,
                    size_t len)
{
    struct viewer *self = state;
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    uint8_t plain[LEAT_RTP_PACKET_MAX];
    size_t plain_len;
    if (kind != LEAT_PEER_RTCP || leat_peer_unprotect_rtcp(self->session.peer, data, len, plain,
                                                           sizeof(plain), &plain_len) != 0) {
        media_count(&self->session.worker->counters.dropped, 1);
        return;
    }
    leat_rtcp_read(&reader, plain, plain_len);
    while (leat_rtcp_next(&reader, &item)) {
        for (uint32_t i = 0; i < LEAT_MEDIA_KINDS; i++) {
            if (self->senders[i] != NULL && leat_rtp_sender_is_for(self->senders[i], &item)) {
                leat_rtp_sender_feedback(self->senders[i], now, &item);
            }
        }
    }
    self->todo |= TODO_REPEATS | TODO_KEY;
}

static void on_state(struct viewer *self, const struct leat_event *event)
{
    struct leat_media_state state;
    if (event->len != sizeof(state)) {
        return;
    }
    memcpy(&state, event->payload, sizeof(state));
    if (state.best_layer >= LEAT_RTP_LAYERS_MAX) {
        return;
    }
    media_fanout_state(self->fanout, event->now, &state);
    if (self->senders[LEAT_MEDIA_VIDEO] != NULL) {
        leat_rtp_sender_target(self->senders[LEAT_MEDIA_VIDEO], event->now, state.best_layer);
        self->todo |= self->session.connected ? TODO_KEY : 0;
    }
}

/* What the fan-out has passed over is a hole that a key frame closes. */
static void skip(struct viewer *self, leat_time now)
{
    for (uint32_t i = 0; i < self->fanout->skipped_len && self->senders[LEAT_MEDIA_VIDEO] != NULL;
         i++) {
        leat_rtp_sender_skip(self->senders[LEAT_MEDIA_VIDEO], now, self->fanout->skipped[i]);
    }
}

static void on_published(struct viewer *self, const struct leat_event *event)
{
    struct leat_rtp_report report;
    switch (event->type) {
    case LEAT_MEDIA_PACKETS:
        if (self->session.connected && event->len == LEAT_LEN_BODY) {
            media_fanout_take(self->fanout, event->now, event->body);
            skip(self, event->now);
            self->at = 0;
            self->todo |= TODO_TRAINS | TODO_KEY;
        }
        break;
    case LEAT_MEDIA_REPORT:
        if (event->len == sizeof(report)) {
            memcpy(&report, event->payload, sizeof(report));
            for (uint32_t i = 0; i < LEAT_MEDIA_KINDS; i++) {
                if (self->senders[i] != NULL) {
                    leat_rtp_sender_source_report(self->senders[i], &report);
                }
            }
        }
        break;
    case LEAT_MEDIA_STATE:
        on_state(self, event);
        break;
    default:
        break;
    }
}

static void viewer_on_event(void *state, const struct leat_event *event)
{
    struct viewer *self = state;
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        on_published(self, event);
        return;
    }
    self->deadline_stale = true;
    if (event->kind == LEAT_EVENT_SUBSCRIBED && event->status != 0) {
        self->session.ending = true; /* it would never see anything */
        return;
    }
    if (event->kind == LEAT_EVENT_DEADLINE) {
        self->todo |= TODO_REPORT | TODO_REPEATS;
    }
    media_session_event(&self->session, self, event, on_rtcp);
}

/* ---- trains ---- */

static bool train_takes(const struct train *train, size_t sealed)
{
    return !train->closed && sealed <= train->segment_size && train->segments < TRAIN_SEGMENTS &&
           train->body.len + sealed <= train->room;
}

/* With room for as many packets of that size as may follow. */
static bool train_begin(struct train *train, size_t sealed, uint32_t packets)
{
    uint32_t most = packets < TRAIN_SEGMENTS ? packets : TRAIN_SEGMENTS;
    if (most * sealed > TRAIN_BYTES) {
        most = (uint32_t)(TRAIN_BYTES / sealed);
    }
    *train = (struct train){.room = most * (uint32_t)sealed, .segment_size = (uint32_t)sealed};
    if (leat_buf_alloc(train->room, &train->body) != 0) {
        return false;
    }
    train->body.len = 0;
    return true;
}

/* Seals a packet behind what the train has. */
static bool train_add(struct viewer *self, struct train *train, const struct leat_rtp_sent *sent,
                      const struct leat_rtp_packet *packet, const uint8_t *bytes)
{
    const struct leat_srtp_packet clear = {
        .header = sent->header,
        .header_len = sent->header_len,
        .prefix = sent->prefix,
        .prefix_len = sent->prefix_len,
        .payload = bytes + packet->payload_offset + sent->skip,
        .payload_len = (size_t)packet->payload_len - sent->skip,
        .flags = sent->repeat ? LEAT_SRTP_REPEAT : 0,
    };
    size_t len;
    if (leat_srtp_protect(leat_peer_srtp(self->session.peer), &clear,
                          leat_slice_data(train->body) + train->body.len,
                          train->room - train->body.len, &len) != 0) {
        media_count(&self->session.worker->counters.dropped, 1);
        return false;
    }
    train->body.len += (uint32_t)len;
    train->segments++;
    train->closed = len < train->segment_size;
    return true;
}

/* The length it will have. */
static size_t sealed_len(const struct viewer *self, const struct leat_rtp_sent *sent,
                         const struct leat_rtp_packet *packet)
{
    return (size_t)sent->header_len + sent->prefix_len + packet->payload_len - sent->skip +
           self->session.overhead;
}

static bool train_send(struct viewer *self, struct train *train, struct leat_output *ret)
{
    struct media_counters *counters = &self->session.worker->counters;
    const uint32_t len = train->body.len;
    if (train->segments == 0) {
        leat_buf_unref(train->body.buf);
        return false;
    }
    if (!media_session_send(&self->session, train->body,
                            train->segments > 1 ? train->segment_size : 0, ret)) {
        return false;
    }
    media_count(&counters->packets_out, train->segments);
    media_count(&counters->bytes_out, len);
    return true;
}

/* A key frame's first packet that came late, when what follows it has gone by: who waits for it begins there
 * nevertheless, and catches up from the ring. */
static int offer_late(struct viewer *self, leat_time now, leat_rtp_sender *sender,
                      const struct fanout_packet *packet)
{
    struct leat_rtp_packet in_time = *packet->packet;
    in_time.flags &= (uint8_t)~LEAT_RTP_LATE;
    const int status =
        leat_rtp_sender_packet(sender, now, &in_time, packet->bytes, &self->fanout->sent);
    if (status == 0) {
        media_fanout_catch_up(self->fanout, packet->packet);
    }
    return status;
}

/* Whether this viewer is to have the packet; then what it is to be sent is in fanout->sent. */
static bool offer(struct viewer *self, leat_time now, const struct fanout_packet *packet)
{
    const unsigned late = LEAT_RTP_START | LEAT_RTP_KEY | LEAT_RTP_LATE;
    leat_rtp_sender *sender = self->senders[packet->packet->kind];
    leat_time since;
    if (sender == NULL) {
        return false;
    }
    if ((packet->packet->flags & late) == late && packet->packet->kind == LEAT_MEDIA_VIDEO &&
        leat_rtp_sender_wants_key(sender, &since)) {
        return offer_late(self, now, sender, packet) == 0;
    }
    return leat_rtp_sender_packet(sender, now, packet->packet, packet->bytes,
                                  &self->fanout->sent) == 0;
}

/* The next packet that this viewer is to have, in fanout->sent; NULL: there is none. */
static const struct fanout_packet *next_packet(struct viewer *self, leat_time now)
{
    struct media_fanout *fanout = self->fanout;
    const struct fanout_packet *packet;
    while ((packet = media_fanout_at(fanout, &self->at)) != NULL) {
        if (fanout->has_sent || offer(self, now, packet)) {
            fanout->has_sent = true;
            return packet;
        }
        media_fanout_next(fanout, &self->at);
    }
    return NULL;
}

static bool pop_train(struct viewer *self, leat_time now, struct leat_output *ret)
{
    struct media_fanout *fanout = self->fanout;
    const struct fanout_packet *packet;
    struct train train = {0};
    while ((packet = next_packet(self, now)) != NULL) {
        const size_t sealed = sealed_len(self, &fanout->sent, packet->packet);
        if (train.body.buf == NULL) {
            if (!train_begin(&train, sealed, media_fanout_left(fanout, self->at))) {
                break;
            }
        } else if (!train_takes(&train, sealed)) {
            if (train_send(self, &train, ret)) {
                return true; /* this packet begins the next one */
            }
            train = (struct train){0};
            continue;
        }
        (void)train_add(self, &train, &fanout->sent, packet->packet, packet->bytes);
        fanout->has_sent = false;
        media_fanout_next(fanout, &self->at);
    }
    self->todo &= ~(uint32_t)TODO_TRAINS;
    fanout->has_sent = false;
    return train.body.buf != NULL && train_send(self, &train, ret);
}

/* ---- repeats, reports, wishes ---- */

static bool publish_want(struct viewer *self, uint32_t type, const struct leat_media_want *want,
                         struct leat_output *ret)
{
    leat_output_publish(ret, self->back, type, want, sizeof(*want));
    return true;
}

/* One packet that was asked for again: sent, or asked of the publisher. */
static bool repeat(struct viewer *self, leat_time now, leat_rtp_sender *sender, uint32_t source,
                   uint64_t index, struct leat_output *ret)
{
    struct media_counters *counters = &self->session.worker->counters;
    const uint8_t *bytes;
    struct leat_rtp_sent sent;
    struct leat_media_want want;
    struct train train;
    const struct leat_rtp_packet *packet = media_fanout_find(self->fanout, source, index, &bytes);
    if (packet == NULL) {
        media_count(&counters->repeats_unknown, 1);
        return media_fanout_want_packet(self->fanout, now, source, index, &want) &&
               publish_want(self, LEAT_MEDIA_WANT_PACKET, &want, ret);
    }
    if (leat_rtp_sender_again(sender, now, packet, bytes, &sent) != 0 ||
        !train_begin(&train, sealed_len(self, &sent, packet), 1)) {
        return false;
    }
    (void)train_add(self, &train, &sent, packet, bytes);
    if (!train_send(self, &train, ret)) {
        return false;
    }
    media_count(&counters->repeats, 1);
    return true;
}

static bool pop_repeat(struct viewer *self, leat_time now, struct leat_output *ret)
{
    for (uint32_t i = 0; i < LEAT_MEDIA_KINDS; i++) {
        uint32_t source;
        uint64_t index;
        while (self->senders[i] != NULL &&
               leat_rtp_sender_repeat(self->senders[i], now, &source, &index)) {
            if (repeat(self, now, self->senders[i], source, index, ret)) {
                return true;
            }
        }
    }
    self->todo &= ~(uint32_t)TODO_REPEATS;
    return false;
}

/* Both tracks' reports in one packet (RFC 3550, 6.1). */
static bool pop_report(struct viewer *self, leat_time now, struct leat_output *ret)
{
    uint8_t rtcp[RTCP_MAX];
    size_t len = 0;
    const uint64_t ntp = leat_rtcp_ntp(self->session.worker->unix_ns + now);
    self->todo &= ~(uint32_t)TODO_REPORT;
    for (uint32_t i = 0; i < LEAT_MEDIA_KINDS; i++) {
        if (self->senders[i] != NULL) {
            len += leat_rtp_sender_report(self->senders[i], now, ntp, self->cname, rtcp + len,
                                          sizeof(rtcp) - len);
        }
    }
    return len > 0 && media_session_send_rtcp(&self->session, rtcp, len, ret);
}

/* A key frame that had begun before there were keys was none for this viewer. */
static bool pop_key(struct viewer *self, leat_time now, struct leat_output *ret)
{
    struct leat_media_want want;
    leat_time since;
    self->todo &= ~(uint32_t)TODO_KEY;
    if (self->senders[LEAT_MEDIA_VIDEO] == NULL ||
        !leat_rtp_sender_wants_key(self->senders[LEAT_MEDIA_VIDEO], &since)) {
        return false;
    }
    since = since > self->connected_at ? since : self->connected_at;
    since = now > since + KEY_PATIENCE_NS ? now - KEY_PATIENCE_NS : since;
    return media_fanout_want_key(self->fanout, now, since, &want) &&
           publish_want(self, LEAT_MEDIA_WANT_KEY, &want, ret);
}

static bool pop_bye(struct viewer *self, struct leat_output *ret)
{
    uint8_t rtcp[RTCP_MAX];
    size_t len = 0;
    self->said_bye = true;
    for (uint32_t i = 0; i < LEAT_MEDIA_KINDS; i++) {
        if (self->senders[i] != NULL) {
            len += leat_rtp_sender_bye(self->senders[i], rtcp + len, sizeof(rtcp) - len);
        }
    }
    return len > 0 && media_session_send_rtcp(&self->session, rtcp, len, ret);
}

/* ---- out ---- */

static bool pop_todo(struct viewer *self, leat_time now, struct leat_output *ret)
{
    if (self->todo & TODO_SUBSCRIBE) {
        self->todo &= ~(uint32_t)TODO_SUBSCRIBE;
        leat_output_subscribe(ret, self->media, 0);
        ret->subscriber = self->fanout->group;
        return true;
    }
    if (!self->session.connected || self->session.ending) {
        self->todo = 0;
        return false;
    }
    return ((self->todo & TODO_TRAINS) && pop_train(self, now, ret)) ||
           ((self->todo & TODO_REPEATS) && pop_repeat(self, now, ret)) ||
           ((self->todo & TODO_REPORT) && pop_report(self, now, ret)) ||
           ((self->todo & TODO_KEY) && pop_key(self, now, ret));
}

/* The earliest thing to be done. It is asked for after each batch, and seldom another then: but a track's first packet
 * begins its reports. */
static void find_deadline(struct viewer *self)
{
    self->deadline = media_session_deadline(&self->session);
    self->deadline_stale = false;
    for (uint32_t i = 0; i < LEAT_MEDIA_KINDS && self->session.connected; i++) {
        if (self->senders[i] != NULL) {
            const leat_time due = leat_rtp_sender_deadline(self->senders[i]);
            self->deadline = due < self->deadline ? due : self->deadline;
            self->deadline_stale |= due == LEAT_NEVER;
        }
    }
}

static bool viewer_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct viewer *self = state;
    const bool was_connected = self->session.connected;
    if (media_session_pop(&self->session, self, now, ret)) {
        if (!was_connected && self->session.connected) {
            self->connected_at = now;
            self->todo |= TODO_KEY;
        }
        return true;
    }
    if (self->todo != 0 && pop_todo(self, now, ret)) {
        return true;
    }
    if (self->session.ending && !self->said_bye && self->session.connected && pop_bye(self, ret)) {
        return true;
    }
    if (media_session_end(&self->session, self, now, ret)) {
        return true;
    }
    if (self->deadline_stale) {
        find_deadline(self);
    }
    return false;
}

static void viewer_on_refused(void *state, struct leat_output *output, int status)
{
    struct viewer *self = state;
    (void)status;
    if (output->kind == LEAT_OUTPUT_SUBSCRIBE) {
        self->session.ending = true;
    }
    media_session_refused(&self->session, output);
}

static leat_time viewer_deadline(const void *state)
{
    return ((const struct viewer *)state)->deadline;
}

const struct leat_behavior media_viewer_behavior = {
    .name = "media.viewer",
    .state_size = sizeof(struct viewer),
    .mailbox_len_max = 8192, /* of the group: some packets a second of each member, and batches */
    .init = viewer_init,
    .on_event = viewer_on_event,
    .pop_output = viewer_pop_output,
    .on_refused = viewer_on_refused,
    .deadline = viewer_deadline,
    .fini = viewer_fini,
};
