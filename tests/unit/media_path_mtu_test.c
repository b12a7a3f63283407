/* The media path over a kernel's network whose path takes 1,280 bytes, in a network namespace of this program's own: packets
 * that outgrow it leave singly and in fragments, and all arrive. In threads, so that a thread sanitizer sees the path. */
#include "media_path_rig.h"
#include "netns.h"

static void narrow_loopback(int mtu)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_mtu = mtu};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && ioctl(fd, SIOCSIFMTU, &request) == 0);
    close(fd);
    netns_ipv6("lo", true);
}

/* A publisher and three viewers, who ask the server at different addresses. */
static void run(const char *io, uint16_t packet_len)
{
    struct media_rig rig;
    struct client *viewers[3];
    struct leat_worker_stats stats[2];
    rig_open_on(&rig, io, 2, 1, NULL, "::");
    rig.asked[0] = rig.asked[1] = "127.0.0.1";
    rig.asked[2] = "127.0.0.2";
    rig.asked[3] = "::1";
    rig.packet_len = packet_len;
    rig_publisher(&rig, 0, 2, 0);
    for (uint32_t i = 0; i < 3; i++) {
        viewers[i] = rig_viewer(&rig, i % 2, i != 1);
    }
    rig_run(&rig, 3 * LEAT_SEC);
    leat_stats_workers(rig.runtime, stats, 2);
    rig_shutdown(&rig);
    for (uint32_t i = 0; i < 3; i++) {
        const struct client_track *video = &viewers[i]->tracks[LEAT_MEDIA_VIDEO];
        CHECK(viewers[i]->connected);
        CHECK_EQ(viewers[i]->astray, 0);
        REQUIRE(video->first != 0);
        CHECK(rig_check_video(viewers[i], client_seen_at(video, video->newest)->at - LEAT_SEC) >
              50);
    }
    CHECK_EQ(stats[0].send_errors + stats[1].send_errors, 0);
    rig_close(&rig);
}

TEST(media_path_mtu, packets_that_outgrow_the_path_arrive)
{
    netns_enter();
    narrow_loopback(1280);
    run("epoll", 1260);
}

TEST(media_path_mtu, packets_that_fit_leave_in_trains)
{
    netns_enter();
    narrow_loopback(1280);
    run("auto", 1100);
}
