/* Whole sessions: a publisher's SRTP in, viewers' SRTP out, over a simulated network, on one worker and on two. */
#include <errno.h>

#include "media_path_rig.h"

static const struct leat_sim_config quiet = {.delay_min_ns = 5 * LEAT_MS,
                                             .delay_max_ns = 5 * LEAT_MS};
static const struct leat_sim_config lossy = {.loss = 0.05,
                                             .reorder = 0.02,
                                             .duplicate = 0.01,
                                             .delay_min_ns = 10 * LEAT_MS,
                                             .delay_max_ns = 15 * LEAT_MS};

static leat_time now_of(const struct media_rig *rig)
{
    return leat_controller_now(rig->controller);
}

static struct client_track *video_of(struct client *client)
{
    return &client->tracks[LEAT_MEDIA_VIDEO];
}

/* When the first and the last packet came that it was shown. */
static leat_time shown_first(struct client *client)
{
    return client_seen_at(video_of(client), video_of(client)->first)->at;
}

static leat_time shown_last(struct client *client)
{
    return client_seen_at(video_of(client), video_of(client)->newest)->at;
}

TEST(media_path, a_viewer_sees_what_is_published)
{
    struct media_rig rig;
    rig_open(&rig, 1, 1, &quiet);
    struct client *publisher = rig_publisher(&rig, 0, 1, 0);
    struct client *viewer = rig_viewer(&rig, 0, true);
    rig_run(&rig, 3 * LEAT_SEC);
    CHECK_EQ(rig.sessions[0].connected, 1);
    CHECK_EQ(rig.sessions[1].connected, 1);
    CHECK(publisher->connected && viewer->connected);
    CHECK(rig_check_video(viewer, now_of(&rig)) > 100);
    const struct client_track *audio = &viewer->tracks[LEAT_MEDIA_AUDIO];
    CHECK(audio->newest - audio->first > 100);
    CHECK_EQ(video_of(viewer)->nacks, 0);
    CHECK(video_of(viewer)->reports >= 2);
    CHECK(rig.state.live && rig.state.kinds == 3);
    CHECK(rig.state.width == 160 && rig.state.height == 90);
    CHECK_EQ(rig_counters(&rig).connected, 2);
    CHECK_EQ(rig_counters(&rig).packets_out, viewer->received + viewer->srtp_dropped);
    rig_shutdown(&rig);
    CHECK_EQ(viewer->byes, 2); /* both sides hear of the end */
    CHECK(viewer->closed && publisher->closed);
    rig_close(&rig);
}

TEST(media_path, loss_on_all_ways_is_repaired_on_two_workers)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct media_rig rig;
        struct client *viewers[6];
        rig_open(&rig, 2, seed, &lossy);
        struct client *publisher = rig_publisher(&rig, seed % 2, 1, 0);
        for (uint32_t i = 0; i < 6; i++) {
            viewers[i] = rig_viewer(&rig, i % 2, i != 2); /* one without RTX */
        }
        rig_run(&rig, 8 * LEAT_SEC);
        for (uint32_t i = 0; i < 6; i++) {
            CHECK(viewers[i]->connected);
            CHECK(rig_check_video(viewers[i], now_of(&rig) - LEAT_SEC) > 300);
            CHECK_EQ(video_of(viewers[i])->repeats > 0, i != 2);
        }
        const struct media_counters counters = rig_counters(&rig);
        CHECK(publisher->nacked > 0 && counters.lost_in > 0 && counters.repaired_in > 0);
        CHECK(counters.repeats > 0 && counters.handovers > 0);
        rig_close(&rig);
    }
}

TEST(media_path, who_comes_late_begins_at_a_key_frame_at_once)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    struct client *publisher = rig_publisher(&rig, 0, 1, 0);
    rig_run(&rig, 2 * LEAT_SEC);
    const unsigned before = publisher->plis;
    struct client *viewers[4];
    for (uint32_t i = 0; i < 4; i++) {
        viewers[i] = rig_viewer(&rig, i % 2, true);
    }
    rig_run(&rig, LEAT_SEC);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(rig_check_video(viewers[i], now_of(&rig)) > 30);
        CHECK(shown_first(viewers[i]) - viewers[i]->connected_at < 150 * LEAT_MS);
    }
    CHECK(publisher->plis - before >= 1 && publisher->plis - before <= 2); /* for all four */
    rig_close(&rig);
}

TEST(media_path, a_viewer_before_the_publisher_waits)
{
    struct media_rig rig;
    rig_open(&rig, 1, 1, &quiet);
    struct client *viewer = rig_viewer(&rig, 0, true);
    rig_run(&rig, 5 * LEAT_SEC);
    CHECK(viewer->connected);
    CHECK_EQ(viewer->received, 0);
    struct client *publisher = rig_publisher(&rig, 0, 1, 0);
    rig_run(&rig, 2 * LEAT_SEC);
    CHECK(rig_check_video(viewer, now_of(&rig)) > 50);
    CHECK(shown_first(viewer) - publisher->connected_at < 100 * LEAT_MS);
    rig_close(&rig);
}

TEST(media_path, viewers_go_on_when_the_publisher_comes_back)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct media_rig rig;
        rig_open(&rig, 2, seed, seed == 1 ? &quiet : &lossy);
        rig_publisher(&rig, 0, 1, 0);
        struct client *viewer = rig_viewer(&rig, 1, true);
        struct client *other = rig_viewer(&rig, 0, false);
        rig_run(&rig, 2 * LEAT_SEC);
        rig_end(&rig, 0);
        rig_run(&rig, 500 * LEAT_MS);
        CHECK(rig.sessions[0].down && rig.sessions[0].status == 0);
        CHECK_EQ(rig.state.live, 0);
        CHECK(rig.clients[0]->closed || seed == 2);
        rig_publisher(&rig, 1, 1, 7);
        rig_run(&rig, 3 * LEAT_SEC);
        CHECK(rig_check_video(viewer, now_of(&rig) - LEAT_SEC) > 130);
        CHECK(rig_check_video(other, now_of(&rig) - LEAT_SEC) > 130);
        CHECK_EQ(client_seen_at(video_of(viewer), video_of(viewer)->newest)->mark.take, 7);
        CHECK(rig.state.live);
        rig_close(&rig);
    }
}

TEST(media_path, who_vanishes_expires)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    struct client *publisher = rig_publisher(&rig, 0, 1, 0);
    struct client *gone = rig_viewer(&rig, 1, true);
    struct client *viewer = rig_viewer(&rig, 1, true);
    rig_run(&rig, 2 * LEAT_SEC);
    gone->vanished = true;
    rig_run(&rig, 32 * LEAT_SEC);
    CHECK(rig.sessions[1].down && rig.sessions[1].status == 0);
    CHECK(!rig.sessions[2].down && !rig.sessions[0].down);
    CHECK_EQ(rig_counters(&rig).expired, 1);
    CHECK_EQ(rig_counters(&rig).closed, 0);
    CHECK_EQ(rig.sessions[0].silent, 0);
    publisher->vanished = true;
    rig_run(&rig, 2500 * LEAT_MS);
    CHECK_EQ(rig.sessions[0].silent, 1);
    CHECK_EQ(rig.state.layers, 0);
    rig_run(&rig, 30 * LEAT_SEC);
    CHECK(rig.sessions[0].down && !rig.sessions[2].down);
    CHECK_EQ(rig_counters(&rig).expired, 2);
    CHECK_EQ(rig.state.live, 0);
    CHECK(shown_last(viewer) < now_of(&rig) - 30 * LEAT_SEC);
    rig_close(&rig);
}

TEST(media_path, who_answers_checks_and_never_begins_has_30_seconds)
{
    struct media_rig rig;
    rig_open(&rig, 1, 1, &quiet);
    struct client *viewer = rig_viewer(&rig, 0, true);
    viewer->no_dtls = true;
    rig_run(&rig, 29 * LEAT_SEC);
    CHECK(viewer->rtc.answered > 100);
    CHECK(!rig.sessions[0].down);
    rig_run(&rig, 2 * LEAT_SEC);
    CHECK(rig.sessions[0].down);
    CHECK_EQ(rig_counters(&rig).expired, 1);
    rig_close(&rig);
}

/* Bytes of all pools. */
static uint64_t pool_bytes(struct media_rig *rig)
{
    struct leat_worker_stats stats[RIG_WORKERS_MAX];
    const size_t n = leat_stats_workers(rig->runtime, stats, RIG_WORKERS_MAX);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += stats[i].pool_bytes;
    }
    return sum;
}

TEST(media_path, a_publisher_that_floods_takes_so_much_memory_and_no_more)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    struct client *publisher = rig_publisher(&rig, 0, 3, 0);
    struct client *viewer = rig_viewer(&rig, 1, true);
    publisher->floods = true;
    rig_run(&rig, 2 * LEAT_SEC);
    const uint64_t bytes = pool_bytes(&rig);
    rig_run(&rig, 6 * LEAT_SEC);
    CHECK(rig_counters(&rig).packets_in > 50000);
    CHECK(pool_bytes(&rig) <= bytes + (1u << 20));
    CHECK(bytes < 64u << 20);
    CHECK(viewer->received > 10000);
    publisher->floods = false;
    rig_run(&rig, LEAT_SEC);
    CHECK(!rig.sessions[0].down && !rig.sessions[1].down);
    rig_close(&rig);
}

TEST(media_path, silence_of_a_publisher_is_told_and_its_end)
{
    struct media_rig rig;
    rig_open(&rig, 1, 1, &quiet);
    struct client *publisher = rig_publisher(&rig, 0, 1, 0);
    rig_run(&rig, LEAT_SEC);
    publisher->stop_at = now_of(&rig);
    rig_run(&rig, 1900 * LEAT_MS);
    CHECK_EQ(rig.sessions[0].silent, 0);
    rig_run(&rig, 200 * LEAT_MS);
    CHECK_EQ(rig.sessions[0].silent, 1);
    rig_run(&rig, 5 * LEAT_SEC);
    CHECK_EQ(rig.sessions[0].silent, 1);
    publisher->stop_at = 0;
    rig_run(&rig, 500 * LEAT_MS);
    CHECK_EQ(rig.sessions[0].flowing, 1);
    CHECK(!rig.sessions[0].down);
    rig_close(&rig);
}

TEST(media_path, the_best_layer_is_shown_and_the_next_when_it_stops)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    struct client *publisher = rig_publisher(&rig, 0, 3, 0);
    struct client *viewer = rig_viewer(&rig, 1, true);
    rig_run(&rig, 3 * LEAT_SEC);
    CHECK_EQ(rig.state.best_layer, 2);
    CHECK_EQ(rig.state.layers, 7);
    CHECK_EQ(rig.state.width, 640);
    CHECK_EQ(client_seen_at(video_of(viewer), video_of(viewer)->newest)->mark.layer, 2);
    const uint64_t at = video_of(viewer)->newest;
    const leat_time off = now_of(&rig);
    publisher->video[2].off = true;
    rig_run(&rig, 2 * LEAT_SEC);
    CHECK_EQ(rig.state.best_layer, 1);
    leat_time shown = 0;
    for (uint64_t i = at; i <= video_of(viewer)->newest && shown == 0; i++) {
        const struct client_seen *seen = client_seen_at(video_of(viewer), i);
        shown = seen->mark.layer == 1 ? seen->at : 0;
    }
    CHECK(shown != 0 && shown - off <= 500 * LEAT_MS);
    publisher->video[2].off = false;
    rig_run(&rig, 6 * LEAT_SEC);
    CHECK_EQ(client_seen_at(video_of(viewer), video_of(viewer)->newest)->mark.layer, 2);
    CHECK(rig_check_video(viewer, now_of(&rig)) > 500);
    rig_close(&rig);
}

TEST(media_path, garbage_harms_nobody)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &lossy);
    struct client *publisher = rig_publisher(&rig, 0, 1, 0);
    struct client *viewers[3];
    for (uint32_t i = 0; i < 3; i++) {
        viewers[i] = rig_viewer(&rig, i % 2, true);
    }
    struct client *stranger = rig_client(&rig);
    stranger->rtc.remote = viewers[0]->rtc.remote;
    memcpy(stranger->rtc.remote.pwd, "a-wrong-password-of-some", 24);
    stranger->babbles = true;
    rig_start(&rig, stranger, 0);
    publisher->babbles = viewers[1]->babbles = true;
    rig_run(&rig, 5 * LEAT_SEC);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(rig_check_video(viewers[i], now_of(&rig) - LEAT_SEC) > 150);
    }
    const struct media_counters counters = rig_counters(&rig);
    CHECK(counters.unauthenticated > 100 && counters.dropped > 1000);
    CHECK_EQ(stranger->received + stranger->srtp_dropped + stranger->rtc.answered, 0);
    rig_close(&rig);
}

TEST(media_path, a_restart_goes_on_with_the_old_until_the_new_nominates)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    rig_publisher(&rig, 0, 1, 0);
    struct client *viewer = rig_viewer(&rig, 1, true);
    rig_run(&rig, LEAT_SEC);
    struct session_restart restart;
    struct leat_slice body;
    REQUIRE(media_credentials_make(&rig.workers[1], &restart.local) == 0);
    REQUIRE(leat_ice_credentials_make("", &restart.remote) == 0);
    REQUIRE(leat_buf_alloc(sizeof(restart), &body) == 0);
    memcpy(leat_slice_data(body), &restart, sizeof(restart));
    REQUIRE(leat_send_body(rig.controller, rig.sessions[1].ref, SESSION_RESTART, body) == 0);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(leat_ice_gate_len(rig.workers[1].gate), 2);
    viewer->rtc.local = restart.remote;
    viewer->rtc.remote = restart.local;
    rig_run(&rig, 3 * LEAT_SEC);
    CHECK_EQ(leat_ice_gate_len(rig.workers[1].gate), 1);
    CHECK(rig_check_video(viewer, now_of(&rig)) > 150);
    rig_run(&rig, 32 * LEAT_SEC);
    CHECK(!rig.sessions[1].down);
    CHECK(shown_last(viewer) + 100 * LEAT_MS > now_of(&rig));
    rig_close(&rig);
}

/* Each new numbering of a publisher is a source of its own, up to LEAT_RTP_RECEIVER_SOURCES_MAX of them. */
TEST(media_path, a_publisher_may_begin_its_stream_anew_as_often_as_it_likes)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    struct client *publisher = rig_publisher(&rig, 0, 1, 0);
    struct client *viewer = rig_viewer(&rig, 1, true);
    rig_run(&rig, LEAT_SEC);
    for (int i = 0; i < 12; i++) {
        publisher->video[0].sequence = (uint16_t)(publisher->video[0].sequence + 20000);
        publisher->video[0].timestamp += 90000u * 600;
        publisher->video[0].want_key = true;
        rig_run(&rig, 500 * LEAT_MS);
        CHECK(shown_last(viewer) + 100 * LEAT_MS > now_of(&rig));
    }
    CHECK(rig_check_video(viewer, now_of(&rig)) > 250);
    for (int i = 0; i < 300;
         i++) { /* more than there are numbers: it is not given on, and harms nobody */
        publisher->video[0].sequence = (uint16_t)(publisher->video[0].sequence + 20000);
        publisher->video[0].timestamp += 90000u * 600;
        rig_run(&rig, 100 * LEAT_MS);
    }
    CHECK(!rig.sessions[0].down && !rig.sessions[1].down);
    const struct client_track *audio = &viewer->tracks[LEAT_MEDIA_AUDIO];
    CHECK(client_seen_at(audio, audio->newest)->at + 100 * LEAT_MS > now_of(&rig));
    rig_close(&rig);
}

TEST(media_path, handshakes_wait_for_their_share_while_media_flows)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    rig_publisher(&rig, 0, 1, 0);
    struct client *viewers[13];
    viewers[0] = rig_viewer(&rig, 0, true);
    rig_run(&rig, LEAT_SEC);
    CHECK_EQ(rig_counters(&rig).handshakes_delayed, 0);
    for (uint32_t i = 1; i < 13; i++) {
        viewers[i] = rig_viewer(&rig, 0, true);
    }
    rig_run(&rig, 2 * LEAT_SEC);
    CHECK(rig_counters(&rig).handshakes_delayed > 8);
    for (uint32_t i = 0; i < 13; i++) {
        CHECK(rig_check_video(viewers[i], now_of(&rig)) > 50);
    }
    rig_close(&rig);
}

TEST(media_path, an_ended_session_says_goodbye_and_leaves_nothing)
{
    struct media_rig rig;
    rig_open(&rig, 2, 1, &quiet);
    rig_publisher(&rig, 0, 1, 0);
    struct client *viewer = rig_viewer(&rig, 1, true);
    struct client *never = rig_viewer(&rig, 1, true); /* whose client says nothing at all */
    never->vanished = true;
    rig_run(&rig, LEAT_SEC);
    rig_end(&rig, 1);
    rig_end(&rig, 2);
    rig_run(&rig, 100 * LEAT_MS);
    CHECK(rig.sessions[1].down && rig.sessions[2].down);
    CHECK_EQ(viewer->byes, 2);
    CHECK(viewer->closed);
    CHECK_EQ(leat_ice_gate_len(rig.workers[1].gate), 0);
    CHECK(rig.workers[1].fanouts == NULL);
    CHECK_EQ(rig.workers[1].viewers, 0);
    struct client *again = rig_viewer(&rig, 1, true); /* the group is the same, and hears */
    rig_run(&rig, LEAT_SEC);
    CHECK(rig_check_video(again, now_of(&rig)) > 30);
    rig_close(&rig);
}

/* What the controller hears of the channels of a stream. */
struct ear {
    unsigned wants, copies;
    uint32_t source; /* of the packet that is counted in copies */
    uint64_t index;
};

static void listen(void *context, const struct leat_event *event)
{
    struct ear *ear = context;
    struct leat_media_want want;
    if (event->type == LEAT_MEDIA_WANT_PACKET) {
        memcpy(&want, event->payload, sizeof(want));
        ear->wants++;
        ear->source = want.source;
        ear->index = want.index;
    }
    for (uint32_t i = 0; event->type == LEAT_MEDIA_PACKETS && i < leat_batch_len(event->body);
         i++) {
        const uint8_t *bytes;
        size_t len;
        const struct leat_rtp_packet *packet =
            leat_media_packet_of(leat_batch_at(event->body, i), &bytes, &len);
        CHECK(packet != NULL && packet->payload_offset + packet->payload_len <= len);
        if (packet != NULL && packet->kind == LEAT_MEDIA_VIDEO) {
            ear->copies += ear->index == packet->index && ear->source == packet->source;
            if (ear->index == 0) {
                ear->index = packet->index;
                ear->source = packet->source;
            }
        }
    }
}

TEST(media_path, a_publisher_repeats_what_a_worker_has_lost)
{
    struct media_rig rig;
    struct ear ear = {0};
    rig_open(&rig, 2, 1, &quiet);
    rig.listen = listen;
    rig.context = &ear;
    rig_publisher(&rig, 0, 1, 0);
    REQUIRE(leat_subscribe(rig.controller, rig.media, LEAT_REF_NONE, 0) == 0);
    rig_run(&rig, LEAT_SEC);
    REQUIRE(ear.index != 0);
    CHECK_EQ(ear.copies, 0);
    const struct leat_media_want want = {.index = ear.index, .source = ear.source};
    for (int i = 0; i < 5; i++) { /* of five workers, say */
        leat_publish(rig.controller, rig.back, LEAT_MEDIA_WANT_PACKET, &want, sizeof(want));
    }
    rig_run(&rig, 10 * LEAT_MS);
    CHECK_EQ(ear.copies, 1);
    rig_run(&rig, 4 * LEAT_SEC);
    leat_publish(rig.controller, rig.back, LEAT_MEDIA_WANT_PACKET, &want, sizeof(want));
    rig_run(&rig, 10 * LEAT_MS);
    CHECK_EQ(ear.copies, 1); /* nobody keeps it so long */
    rig_close(&rig);
}

TEST(media_path, what_the_ring_has_not_got_is_asked_of_the_publisher)
{
    struct media_rig rig;
    struct ear ear = {0};
    rig_open(&rig, 2, 1, &quiet);
    rig.listen = listen;
    rig.context = &ear;
    rig_publisher(&rig, 0, 1, 0);
    struct client *viewer = rig_viewer(&rig, 1, true);
    REQUIRE(leat_subscribe(rig.controller, rig.back, LEAT_REF_NONE, 0) == 0);
    rig_run(&rig, 5 * LEAT_SEC);
    CHECK_EQ(ear.wants, 0);
    client_seen_at(video_of(viewer), video_of(viewer)->newest - 200)->got = false; /* 4 s ago */
    rig_run(&rig, 500 * LEAT_MS);
    CHECK(ear.wants >= 4 && ear.wants <= 6); /* one each 100 ms, however often it is asked for */
    CHECK(rig_counters(&rig).repeats_unknown > ear.wants);
    rig_close(&rig);
}

/* A frame of VP8 of one packet, as a batch of somebody else's. */
static void publish_frame(struct media_rig *rig, uint16_t n, bool key, leat_time received)
{
    struct leat_rtp_packet packet = {.index = 70000u + n,
                                     .received = received,
                                     .source = 5,
                                     .timestamp = 3600u * n,
                                     .kind = LEAT_MEDIA_VIDEO,
                                     .codec = LEAT_CODEC_VP8,
                                     .flags = LEAT_RTP_MARKER | LEAT_RTP_START,
                                     .payload_offset = 12,
                                     .payload_len = 60};
    const struct client_mark mark = {
        .magic = CLIENT_MAGIC, .frame = n, .packets = 1, .kind = LEAT_MEDIA_VIDEO};
    uint8_t bytes[72] = {0x80, 96};
    const uint8_t payload[14] = {
        0x90, 0x80, (uint8_t)(0x80 | n >> 8), (uint8_t)n, key ? 0 : 1, 0, 0, 0x9d, 1, 0x2a, 160, 0,
        90,   0};
    leat_slice slice, batch;
    memcpy(bytes + 12, payload, sizeof(payload));
    memcpy(bytes + 26, &mark, sizeof(mark));
    REQUIRE(leat_codec_look(LEAT_CODEC_VP8, bytes + 12, 60, &packet.payload) == 0);
    packet.flags |= key ? LEAT_RTP_KEY : 0;
    REQUIRE(leat_buf_alloc(sizeof(packet) + sizeof(bytes), &slice) == 0);
    memcpy(leat_slice_data(slice), &packet, sizeof(packet));
    memcpy(leat_slice_data(slice) + sizeof(packet), bytes, sizeof(bytes));
    REQUIRE(leat_batch_alloc(1, &batch) == 0 && leat_batch_add(&batch, slice) == 0);
    REQUIRE(leat_publish_body(rig->controller, rig->media, LEAT_MEDIA_PACKETS, batch) == 0);
    rig_run(rig, 40 * LEAT_MS);
}

static void count_keys(void *context, const struct leat_event *event)
{
    *(unsigned *)context += event->type == LEAT_MEDIA_WANT_KEY;
}

TEST(media_path, what_comes_too_late_is_skipped_up_to_a_key_frame)
{
    struct media_rig rig;
    unsigned keys = 0;
    rig_open(&rig, 1, 1, &quiet);
    rig.listen = count_keys;
    rig.context = &keys;
    struct client *viewer = rig_viewer(&rig, 0, true);
    REQUIRE(leat_subscribe(rig.controller, rig.back, LEAT_REF_NONE, 0) == 0);
    rig_run(&rig, 5 * LEAT_SEC);
    publish_frame(&rig, 1, true, now_of(&rig));
    publish_frame(&rig, 2, false, now_of(&rig));
    rig_run(&rig, 500 * LEAT_MS);
    const unsigned before = keys;
    publish_frame(&rig, 1, true,
                  now_of(&rig) - 2 * LEAT_SEC); /* asked for by another worker's: no hole here */
    publish_frame(&rig, 3, false, now_of(&rig));
    CHECK_EQ(keys, before);
    CHECK_EQ(rig_check_video(viewer, now_of(&rig)), 3);
    publish_frame(&rig, 4, false, now_of(&rig) - 2 * LEAT_SEC);
    publish_frame(&rig, 5, false, now_of(&rig));
    CHECK_EQ(keys, before + 1);
    CHECK_EQ(rig_check_video(viewer, now_of(&rig)), 3);
    publish_frame(&rig, 6, true, now_of(&rig) - 500 * LEAT_MS);
    publish_frame(&rig, 7, false, now_of(&rig));
    rig_run(&rig, 500 * LEAT_MS);
    const struct client_track *track = video_of(viewer);
    CHECK_EQ(track->newest - track->first, 4); /* five packets, and no gap */
    CHECK_EQ(client_seen_at(track, track->first + 3)->mark.frame, 6);
    CHECK_EQ(client_seen_at(track, track->newest)->mark.frame, 7);
    CHECK_EQ(track->nacks, 0);
    CHECK_EQ(keys, before + 1);
    rig_close(&rig);
}

TEST(media_path, answers_leave_from_where_they_were_asked)
{
    static const char *const bound[2] = {"0.0.0.0", "::"};
    static const char *const asked[2][3] = {{"127.0.0.1", "127.0.0.2", "127.0.0.3"},
                                            {"127.0.0.1", "::1", "127.0.0.3"}};
    for (uint32_t round = 0; round < 2; round++) {
        struct media_rig rig;
        struct client *clients[3];
        rig_open_on(&rig, "sim", 2, 1, &quiet, bound[round]);
        memcpy(rig.asked, asked[round], sizeof(asked[round]));
        clients[0] = rig_publisher(&rig, 0, 1, 0);
        clients[1] = rig_viewer(&rig, 0, true);
        clients[2] = rig_viewer(&rig, 1, true);
        rig_run(&rig, 2 * LEAT_SEC);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK(clients[i]->connected);
            CHECK_EQ(clients[i]->astray, 0);
        }
        CHECK(rig_check_video(clients[1], now_of(&rig)) > 80);
        CHECK(rig_check_video(clients[2], now_of(&rig)) > 80);
        rig_close(&rig);
    }
}

TEST(media_path, sessions_follow_their_clients_to_other_addresses)
{
    for (uint64_t seed = 1; seed <= 4; seed++) { /* which worker's socket gets what is drawn */
        struct media_rig rig;
        rig_open(&rig, 2, seed, &quiet);
        struct client *publisher = rig_publisher(&rig, 0, 1, 0);
        struct client *viewer = rig_viewer(&rig, 1, true);
        rig_run(&rig, LEAT_SEC);
        viewer->move = true;
        rig_run(&rig, LEAT_SEC);
        publisher->move = true;
        rig_run(&rig, 2 * LEAT_SEC);
        CHECK(rig_check_video(viewer, now_of(&rig)) > 170);
        CHECK(shown_last(viewer) + 100 * LEAT_MS > now_of(&rig));
        rig_run(&rig, 40 * LEAT_SEC); /* the old addresses go */
        CHECK(shown_last(viewer) + 100 * LEAT_MS > now_of(&rig));
        CHECK(!rig.sessions[0].down && !rig.sessions[1].down);
        rig_close(&rig);
    }
}

/* A datagram as one that came from `peer`, wherever it came from. */
static void spoof(struct media_rig *rig, leat_ref to, leat_ref port, const struct leat_addr *peer,
                  const uint8_t *data, size_t len)
{
    const struct port_datagram datagram = {.peer = *peer, .port = port, .len = (uint32_t)len};
    leat_slice body;
    REQUIRE(leat_buf_alloc((uint32_t)(sizeof(datagram) + len), &body) == 0);
    memcpy(leat_slice_data(body), &datagram, sizeof(datagram));
    memcpy(leat_slice_data(body) + sizeof(datagram), data, len);
    REQUIRE(leat_send_body(rig->controller, to, PORT_DATAGRAM, body) == 0);
}

/* Who has a session may write anybody's address onto its checks: they are valid, but nothing moves. */
TEST(media_path, a_made_up_address_takes_nothing_from_whose_it_is)
{
    for (uint32_t round = 0; round < 4; round++) {
        struct media_rig rig;
        uint8_t data[LEAT_ICE_CHECK_MAX];
        rig_open(&rig, 2, 1 + round, &quiet);
        struct client *victim = rig_publisher(&rig, 0, 1, 0);
        struct client *viewer = rig_viewer(&rig, 0, true);
        struct client *attacker = rig_viewer(&rig, round % 2, true);
        const leat_ref port = media_port_of(&rig.workers[0]);
        const leat_ref home = media_port_of(&rig.workers[round % 2]);
        rig_run(&rig, LEAT_SEC);
        const uint64_t before = rig_counters(&rig).packets_in;
        for (int i = 0; i < 30; i++) {
            const size_t len = webrtc_client_check(&attacker->rtc, true, data, sizeof(data));
            if (round < 2) { /* where the victim's arrive */
                spoof(&rig, rig.sessions[0].ref, port, &victim->rtc.address, data, len);
            } else { /* at another socket, as with several addresses of ours */
                spoof(&rig, home, port, &victim->rtc.address, data, len);
            }
            rig_run(&rig, 100 * LEAT_MS);
        }
        CHECK(rig_counters(&rig).packets_in - before >= 3 * (50 + 50) - 4);
        CHECK_EQ(video_of(viewer)->nacks, 0);
        CHECK(rig_check_video(viewer, now_of(&rig)) > 180);
        CHECK(shown_last(attacker) + 100 * LEAT_MS > now_of(&rig));
        rig_run(&rig, 40 * LEAT_SEC); /* and nothing goes when the attacker's tuple does */
        CHECK(shown_last(viewer) + 100 * LEAT_MS > now_of(&rig));
        rig_close(&rig);
    }
}

/* rig_close looks at what is left. */
TEST(media_path, who_is_killed_at_any_moment_leaves_nothing)
{
    uint32_t random = 1;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct media_rig rig;
        rig_open(&rig, 2, seed, &lossy);
        rig_publisher(&rig, seed % 2, 2, 0);
        for (uint32_t i = 0; i < 4; i++) {
            rig_viewer(&rig, i % 2, i != 0);
        }
        for (int i = 0; i < 4; i++) {
            random = random * 1664525u + 1013904223u;
            const uint32_t at = (random >> 8) % 6;
            rig_run(&rig, (random >> 16) % 100 * (i < 3 ? LEAT_MS : 10 * LEAT_MS));
            leat_kill(rig.controller, at < 5 ? rig.sessions[at].ref : rig.groups[random >> 31]);
        }
        rig_run(&rig, seed % 3 * LEAT_MS);
        rig_close(&rig);
    }
}

TEST(media_path, what_is_not_authentic_goes_to_no_other_worker)
{
    uint64_t handovers = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) { /* whose socket gets what is drawn */
        struct media_rig rig;
        struct client *clients[2];
        char right[2];
        rig_open(&rig, 2, seed, &quiet);
        for (uint32_t i = 0; i < 2; i++) {
            clients[i] = rig_viewer(&rig, i, true);
            right[i] = clients[i]->rtc.remote.pwd[0];
            clients[i]->rtc.remote.pwd[0] = right[i] == 'a' ? 'b' : 'a';
        }
        rig_run(&rig, LEAT_SEC);
        CHECK(rig_counters(&rig).unauthenticated > 20);
        CHECK_EQ(rig_counters(&rig).handovers, 0);
        for (uint32_t i = 0; i < 2; i++) {
            CHECK(!clients[i]->connected);
            clients[i]->rtc.remote.pwd[0] = right[i];
        }
        rig_run(&rig, LEAT_SEC);
        CHECK(clients[0]->connected && clients[1]->connected);
        handovers += rig_counters(&rig).handovers;
        rig_close(&rig);
    }
    CHECK(handovers > 0); /* some did arrive at the other worker's */
}

TEST(media_path, an_address_may_become_another_clients)
{
    for (uint32_t home = 0; home < 2; home++) { /* of the second session */
        struct media_rig rig;
        rig_open(&rig, 2, 1, &quiet);
        rig_publisher(&rig, 0, 1, 0);
        struct client *first = rig_viewer(&rig, 0, true);
        first->port = 40001;
        rig_run(&rig, LEAT_SEC);
        CHECK(first->connected);
        first->vanished = true;
        leat_kill(rig.controller, first->ref); /* its socket is free for another */
        rig_run(&rig, 10 * LEAT_MS);
        struct client *second = rig_viewer(&rig, home, true);
        second->port = 40001;
        rig_run(&rig, 2 * LEAT_SEC);
        CHECK(second->connected);
        CHECK(rig_check_video(second, now_of(&rig)) > 50);
        CHECK(!rig.sessions[1].down);
        rig_run(&rig, 40 * LEAT_SEC); /* the first one expires, the second goes on */
        CHECK(rig.sessions[1].down && !rig.sessions[2].down);
        CHECK(shown_last(second) + 100 * LEAT_MS > now_of(&rig));
        rig_close(&rig);
    }
}
