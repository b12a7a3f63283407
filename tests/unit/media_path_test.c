/* Whole sessions: a publisher's SRTP in, viewers' SRTP out, over a simulated network, with 1 and 2 workers. */
#include <errno.h>

#include "media_path_rig.h"

static const struct leat_sim_config quiet = {.delay_min_ns = 5 * LEAT_MS, .delay_max_ns = 5 * LEAT_MS};
static const struct leat_sim_config lossy = {
    .loss = 0.05, .reorder = 0.02, .duplicate = 0.01, .delay_min_ns = 10 * LEAT_MS, .delay_max_ns = 15 * LEAT_MS};

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
    CHECK(rig_check_video(viewer, leat_controller_now(rig.controller)) > 100);
    CHECK(viewer->tracks[LEAT_MEDIA_AUDIO].newest - viewer->tracks[LEAT_MEDIA_AUDIO].first > 100);
    CHECK_EQ(viewer->tracks[LEAT_MEDIA_VIDEO].nacks, 0);
    CHECK(viewer->tracks[LEAT_MEDIA_VIDEO].reports >= 2);
    CHECK(rig.state.live && rig.state.width == 160 && rig.state.height == 90 && rig.state.kinds == 3);
    rig_shutdown(&rig);
    CHECK(viewer->byes == 2 && viewer->closed && publisher->closed);
    rig_close(&rig);
}

TEST(media_path, loss_on_all_ways_is_repaired_on_two_workers)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct media_rig rig;
        struct client   *viewers[6];
        rig_open(&rig, 2, seed, &lossy);
        struct client *publisher = rig_publisher(&rig, seed % 2, 1, 0);
        for (uint32_t i = 0; i < 6; i++) {
            viewers[i] = rig_viewer(&rig, i % 2, i != 2);
        }
        rig_run(&rig, 8 * LEAT_SEC);
        const leat_time until = leat_controller_now(rig.controller) - LEAT_SEC;
        for (uint32_t i = 0; i < 6; i++) {
            CHECK(viewers[i]->connected);
            CHECK(rig_check_video(viewers[i], until) > 300);
        }
        CHECK(publisher->nacked > 0);
        struct media_counters sum = {0};
        for (uint32_t i = 0; i < 2; i++) {
            sum.repeats += rig.workers[i].counters.repeats;
            sum.handovers += rig.workers[i].counters.handovers;
            sum.lost_in += rig.workers[i].counters.lost_in;
            sum.repaired_in += rig.workers[i].counters.repaired_in;
        }
        CHECK(sum.repeats > 0 && sum.handovers > 0 && sum.repaired_in > 0);
        rig_close(&rig);
    }
}
