/* The media path without signaling: ports, publishers and viewers in simulation, and the test in signaling's place. */
#ifndef LEAT_TESTS_MEDIA_PATH_RIG_H
#define LEAT_TESTS_MEDIA_PATH_RIG_H

#include <errno.h>

#include "../../services/media/media.h"

#include "check.h"
#include "media_path_client.h"

enum { RIG_WORKERS_MAX = 4, RIG_CLIENTS_MAX = 16 };

struct rig_session {
    leat_ref ref;
    uint64_t id;
    struct leat_ice_credentials local; /* of the server */
    unsigned connected, silent, flowing;
    bool down;
    int status;
};

struct media_rig {
    leat_runtime *runtime;
    leat_controller *controller;
    struct leat_media_config config;
    struct media_worker workers[RIG_WORKERS_MAX];
    leat_dtls_context *server, *contexts; /* of the clients, one for all */
    leat_channel media, back;
    leat_ref groups[RIG_WORKERS_MAX];
    unsigned open; /* ports */
    uint32_t sources;
    uint32_t sessions_len, clients_len;
    struct rig_session sessions[RIG_CLIENTS_MAX];
    struct client *clients[RIG_CLIENTS_MAX];
    struct leat_media_state state; /* of the publisher that spoke last */
    unsigned states;
    uint16_t packet_len;                /* of what publishers send; 0: 1000 */
    const char *asked[RIG_CLIENTS_MAX]; /* hosts that clients ask; NULL: what is bound */
    leat_ref spawned;                   /* the last */
    int spawn_status;
    void (*listen)(void *context, const struct leat_event *event); /* to what is published */
    void *context;
};

static inline struct rig_session *rig_session_of(struct media_rig *rig, uint64_t id)
{
    return &rig->sessions[id % RIG_CLIENTS_MAX];
}

static inline void rig_on_message(struct media_rig *rig, const struct leat_event *event)
{
    uint64_t id;
    memcpy(&id, event->payload, sizeof(id));
    struct rig_session *session = rig_session_of(rig, id);
    switch (event->type) {
    case PORT_OPEN:
        rig->open++;
        break;
    case SESSION_CONNECTED:
        session->connected++;
        break;
    case SESSION_SILENT:
        session->silent++;
        break;
    case SESSION_FLOWING:
        session->flowing++;
        break;
    case SESSION_STATE: {
        struct session_state state;
        memcpy(&state, event->payload, sizeof(state));
        rig->state = state.state;
        rig->states++;
        break;
    }
    default:
        CHECK(!"a message that signaling does not know");
    }
}

/* Lets virtual time pass. */
static inline void rig_run(struct media_rig *rig, leat_time ns)
{
    const leat_time until = leat_controller_now(rig->controller) + ns;
    int status = 0;
    while (status == 0) {
        struct leat_event event;
        const leat_time now = leat_controller_now(rig->controller);
        status = leat_receive(rig->controller, until > now ? until - now : 0, &event);
        if (status != 0) {
            break;
        }
        if (event.kind == LEAT_EVENT_MESSAGE) {
            rig_on_message(rig, &event);
        } else if (event.kind == LEAT_EVENT_SPAWNED) {
            rig->spawned = event.spawned.child;
            rig->spawn_status = event.status;
        } else if (event.kind == LEAT_EVENT_PUBLISHED) {
            rig->listen(rig->context, &event);
        } else if (event.kind == LEAT_EVENT_DOWN) {
            for (uint32_t i = 0; i < rig->sessions_len; i++) {
                if (leat_ref_equal(rig->sessions[i].ref, event.from)) {
                    rig->sessions[i].down = true;
                    rig->sessions[i].status = event.status;
                }
            }
        }
        leat_event_release(&event);
    }
    CHECK(status == -ETIMEDOUT || status == -EPIPE);
}

static inline void rig_ports(struct media_rig *rig, uint32_t workers)
{
    for (uint32_t i = 0; i < workers; i++) {
        struct media_worker *worker = &rig->workers[i];
        *worker = (struct media_worker){.config = &rig->config,
                                        .workers = rig->workers,
                                        .index = i,
                                        .dtls = rig->server,
                                        .signaling = leat_controller_ref(rig->controller),
                                        .local = rig->config.local,
                                        .unix_ns = UINT64_C(1800000000) * LEAT_SEC};
        REQUIRE(leat_ice_gate_open(1000, &worker->gate) == 0);
        if (i > 0) {
            worker->local.port = rig->workers[0].bound.port;
        }
        REQUIRE(leat_spawn(rig->controller, &media_port_behavior, &worker, sizeof(worker), (int)i,
                           NULL) == 0);
        for (int turn = 0; turn < 1000 && rig->open == i; turn++) {
            rig_run(rig, LEAT_MS);
        }
        REQUIRE(rig->open == i + 1);
    }
}

/* On a backend, bound to `host`. In threads (no "sim") what clients and workers have is to be looked at only when
 * rig_shutdown has returned. */
static inline void rig_open_on(struct media_rig *rig, const char *io, uint32_t workers,
                               uint64_t seed, const struct leat_sim_config *network,
                               const char *host)
{
    struct leat_config config = leat_config_default();
    const struct leat_dtls_config dtls = {.unix_time = 1800000000};
    memset(rig, 0, sizeof(*rig));
    config.io = io;
    config.workers = workers;
    config.seed = seed;
    config.watchdog_ns = 10 * LEAT_SEC; /* a busy machine is no finding */
    if (network != NULL) {
        config.sim = *network;
    }
    REQUIRE(leat_runtime_open(&config, &rig->runtime) == 0);
    REQUIRE(leat_controller_open(rig->runtime, &rig->controller) == 0);
    if (network == NULL) {
        REQUIRE(leat_runtime_start(rig->runtime) == 0);
    }
    REQUIRE(leat_dtls_context_open(&dtls, &rig->server) == 0);
    REQUIRE(leat_dtls_context_open(&dtls, &rig->contexts) == 0);
    REQUIRE(leat_channel_open("media-path-test", &rig->media) == 0);
    REQUIRE(leat_channel_open("media-path-test-back", &rig->back) == 0);
    rig->config.workers = workers;
    rig->config.expire_ns = 30 * LEAT_SEC;
    rig->sources = 100;
    leat_addr_from_host(host, 0, &rig->config.local);
    rig_ports(rig, workers);
}

static inline void rig_open(struct media_rig *rig, uint32_t workers, uint64_t seed,
                            const struct leat_sim_config *network)
{
    rig_open_on(rig, "sim", workers, seed, network, "127.0.0.1");
}

/* Shuts the runtime down; clients and counters can still be looked at. */
static inline void rig_shutdown(struct media_rig *rig)
{
    leat_runtime_stop(rig->runtime);
    rig_run(rig, LEAT_SEC);
}

static inline void rig_close(struct media_rig *rig)
{
    leat_runtime_stop(rig->runtime);
    leat_controller_close(rig->controller);
    CHECK_EQ(leat_runtime_close(rig->runtime), 0); /* also: no body was leaked */
    for (uint32_t i = 0; i < rig->clients_len; i++) {
        webrtc_client_fini(&rig->clients[i]->rtc);
        free(rig->clients[i]);
    }
    for (uint32_t i = 0; i < rig->config.workers; i++) {
        CHECK_EQ(leat_ice_gate_len(rig->workers[i].gate), 0);
        CHECK_EQ(rig->workers[i].sessions, 0);
        CHECK_EQ(rig->workers[i].viewers, 0);
        CHECK_EQ(rig->workers[i].counters.connected, 0);
        CHECK(rig->workers[i].fanouts == NULL);
        leat_ice_gate_close(rig->workers[i].gate);
    }
    leat_dtls_context_unref(rig->server);
    leat_dtls_context_unref(rig->contexts);
    leat_channel_close(rig->media);
    leat_channel_close(rig->back);
}

/* ---- sessions ---- */

static inline struct client *rig_client(struct media_rig *rig)
{
    REQUIRE(rig->clients_len < RIG_CLIENTS_MAX);
    struct client *client = calloc(1, sizeof(*client));
    REQUIRE(client != NULL);
    webrtc_client_init(&client->rtc, rig->contexts, rig->server, "127.0.0.1:1");
    client->server = rig->workers[0].bound;
    client->packet_len = rig->packet_len != 0 ? rig->packet_len : 1000;
    if (rig->asked[rig->clients_len] != NULL) {
        leat_addr_from_host(rig->asked[rig->clients_len], client->server.port, &client->server);
    }
    rig->clients[rig->clients_len++] = client;
    return client;
}

static inline struct leat_rtp_track rig_track(enum leat_media_kind kind, uint8_t payload_type,
                                              bool rtx)
{
    struct leat_rtp_track track = {.kind = kind, .codec_count = 1};
    snprintf(track.mid, sizeof(track.mid), "%d", (int)kind);
    track.codecs[0] = (struct leat_rtp_codec){
        .codec = kind == LEAT_MEDIA_AUDIO ? LEAT_CODEC_OPUS : LEAT_CODEC_VP8,
        .payload_type = payload_type,
        .rtx = rtx ? (uint8_t)(payload_type + 1) : 0,
        .nack = kind == LEAT_MEDIA_VIDEO,
        .pli = kind == LEAT_MEDIA_VIDEO,
        .clock_rate = kind == LEAT_MEDIA_AUDIO ? 48000 : 90000};
    return track;
}

static inline struct session_setup *rig_setup(struct media_rig *rig, struct client *client,
                                              uint32_t worker)
{
    struct session_setup *setup = calloc(1, sizeof(*setup));
    REQUIRE(setup != NULL);
    REQUIRE(rig->sessions_len < RIG_CLIENTS_MAX);
    const uint32_t at = rig->sessions_len++;
    REQUIRE(media_credentials_make(&rig->workers[worker], &setup->local) == 0);
    setup->worker = &rig->workers[worker];
    setup->signaling = leat_controller_ref(rig->controller);
    setup->session = at;
    setup->media = rig->media;
    setup->back = rig->back;
    setup->remote = client->rtc.local;
    client->rtc.remote = setup->local;
    webrtc_client_fingerprint(rig->contexts, &setup->fingerprints[0]);
    setup->fingerprint_count = 1;
    setup->active = !client->rtc.active;
    setup->source = rig->sources;
    rig->sources += LEAT_RTP_RECEIVER_SOURCES_MAX;
    snprintf(setup->cname, sizeof(setup->cname), "leat");
    rig->sessions[at] = (struct rig_session){.id = at, .local = setup->local};
    return setup;
}

static inline void rig_start(struct media_rig *rig, struct client *client, uint32_t worker)
{
    REQUIRE(leat_spawn(rig->controller, &client_behavior, &client, sizeof(client), (int)worker,
                       NULL) == 0);
}

/* A publisher of opus and of `layers` layers of VP8, at home on that worker. */
static inline struct client *rig_publisher(struct media_rig *rig, uint32_t worker, uint8_t layers,
                                           uint8_t take)
{
    struct client *client = rig_client(rig);
    struct session_setup *setup = rig_setup(rig, client, worker);
    struct rig_session *session = &rig->sessions[rig->sessions_len - 1];
    client->is_publisher = true;
    client->layers = layers;
    client->take = take;
    client->picture_id = (uint16_t)(take * 1000);
    client->audio = (struct client_source){.ssrc = 1000u + take, .sequence = 100};
    setup->tracks[0] = rig_track(LEAT_MEDIA_AUDIO, CLIENT_OPUS, false);
    setup->tracks[0].ssrc_count = 1;
    setup->tracks[0].ssrcs[0] = client->audio.ssrc;
    setup->tracks[1] = rig_track(LEAT_MEDIA_VIDEO, CLIENT_VP8, true);
    setup->tracks[1].ssrc_count = layers;
    setup->track_count = 2;
    for (uint8_t i = 0; i < layers; i++) {
        client->video[i] = (struct client_source){.ssrc = 2000u + 100u * take + i,
                                                  .rtx_ssrc = 3000u + 100u * take + i,
                                                  .sequence = (uint16_t)(32700 + i),
                                                  .timestamp = 90000u * take};
        setup->tracks[1].ssrcs[i] = client->video[i].ssrc;
        setup->tracks[1].rtx_ssrcs[i] = client->video[i].rtx_ssrc;
    }
    REQUIRE(leat_spawn(rig->controller, &media_publisher_behavior, &setup, sizeof(setup),
                       (int)worker, &session->ref) == 0);
    REQUIRE(leat_monitor(rig->controller, session->ref, 0) == 0);
    rig_start(rig, client, worker);
    return client;
}

/* A viewer of both, at home on that worker; with retransmissions or without. */
static inline struct client *rig_viewer(struct media_rig *rig, uint32_t worker, bool rtx)
{
    struct client *client = rig_client(rig);
    struct session_setup *setup = rig_setup(rig, client, worker);
    struct rig_session *session = &rig->sessions[rig->sessions_len - 1];
    const uint32_t at = rig->sessions_len;
    setup->tracks[0] = rig_track(LEAT_MEDIA_VIDEO, 120, rtx);
    setup->tracks[1] = rig_track(LEAT_MEDIA_AUDIO, 109, false);
    setup->track_count = 2;
    setup->ssrcs[LEAT_MEDIA_VIDEO] = 50000u * at + 1;
    setup->ssrcs[LEAT_MEDIA_AUDIO] = 50000u * at + 2;
    setup->rtx_ssrcs[LEAT_MEDIA_VIDEO] = rtx ? 50000u * at + 3 : 0;
    client->tracks[LEAT_MEDIA_VIDEO].ssrc = 50000u * at + 1;
    client->tracks[LEAT_MEDIA_VIDEO].is_video = true;
    client->tracks[LEAT_MEDIA_VIDEO].payload_type = 120;
    client->tracks[LEAT_MEDIA_VIDEO].rtx = 121;
    client->tracks[LEAT_MEDIA_VIDEO].rtx_ssrc = rtx ? 50000u * at + 3 : 0;
    client->tracks[LEAT_MEDIA_AUDIO].ssrc = 50000u * at + 2;
    client->tracks[LEAT_MEDIA_AUDIO].payload_type = 109;
    if (leat_ref_equal(rig->groups[worker], LEAT_REF_NONE)) {
        REQUIRE(leat_spawn_group(rig->controller, &media_viewer_behavior, 100, (int)worker,
                                 &rig->groups[worker]) == 0);
    }
    REQUIRE(leat_spawn_member(rig->controller, rig->groups[worker], &setup, sizeof(setup), 0) == 0);
    rig->spawned = LEAT_REF_NONE;
    for (int turn = 0; turn < 1000 && leat_ref_equal(rig->spawned, LEAT_REF_NONE); turn++) {
        rig_run(rig, turn == 0 ? 0 : LEAT_MS);
    }
    REQUIRE(rig->spawn_status == 0);
    session->ref = rig->spawned;
    REQUIRE(leat_monitor(rig->controller, session->ref, 0) == 0);
    rig_start(rig, client, worker);
    return client;
}

/* Tells a session. */
static inline void rig_end(struct media_rig *rig, uint32_t session)
{
    CHECK_EQ(leat_send(rig->controller, rig->sessions[session].ref, SESSION_END, NULL, 0), 0);
}

static inline struct media_counters rig_counters(const struct media_rig *rig)
{
    struct media_counters sum = {0};
    for (uint32_t i = 0; i < rig->config.workers; i++) {
        const uint64_t *from = (const uint64_t *)&rig->workers[i].counters;
        for (size_t j = 0; j < sizeof(sum) / sizeof(uint64_t); j++) {
            ((uint64_t *)&sum)[j] += from[j];
        }
    }
    return sum;
}

/* ---- what a viewer was shown ---- */

/* That everything up to `before` arrived, in a space without gaps, from a key frame on, with continuous
 * picture ids and a clock that only goes forward. Returns how many packets that are. */
static inline unsigned rig_check_video(const struct client *client, leat_time before)
{
    const struct client_track *track = &client->tracks[LEAT_MEDIA_VIDEO];
    const struct client_seen *last = NULL; /* of the frame before, its first packet */
    unsigned n = 0, missing = 0;
    if (track->first == 0) {
        return 0;
    }
    CHECK(client_seen_at(track, track->first)->key);
    for (uint64_t i = track->first; i <= track->newest; i++) {
        const struct client_seen *seen = client_seen_at(track, i);
        if (!seen->got) {
            missing++;
            continue;
        }
        if (seen->at > before) {
            break;
        }
        n++;
        CHECK_EQ(seen->mark.magic, CLIENT_MAGIC);
        CHECK_EQ(seen->start, seen->mark.packet == 0);
        if (seen->start) {
            if (last != NULL) {
                CHECK_EQ(seen->picture_id, (last->picture_id + 1) & 0x7fff);
                CHECK((int32_t)(seen->timestamp - last->timestamp) > 0);
                const bool same =
                    last->mark.layer == seen->mark.layer && last->mark.take == seen->mark.take;
                CHECK(same || seen->key);
                CHECK(!same || seen->mark.frame == last->mark.frame + 1);
            }
            last = seen;
        } else if (last != NULL) {
            CHECK_EQ(seen->timestamp, last->timestamp);
            CHECK_EQ(seen->picture_id, last->picture_id);
        }
        CHECK_EQ(seen->marker, seen->mark.packet + 1 == seen->mark.packets);
    }
    CHECK_EQ(missing, 0);
    return n;
}

#endif
