/* Conformance of TUN: interfaces come, are configured, fail and go; packets of every size, both ways. Every
 * case runs in a network of its own, against every backend that uses the kernel. */
#include "tun_rig.h"

/* ---- opening ---- */

TUN_BACKENDS(open_says_name_and_mtu)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 32, 64);
    struct io_done one = tun_socket(&rig, "leat%d", 0, 1400);
    CHECK_STR(one.info.name, "leat0");
    CHECK_EQ(one.info.mtu, 1400);
    CHECK_EQ(one.info.index, if_nametoindex("leat0"));
    struct leat_tun_config plain = {0};
    struct io_done other = tun_try(&rig, &plain);
    CHECK_EQ(other.status, 0);
    CHECK_STR(other.info.name, "tun0");
    CHECK_EQ(other.info.mtu, 1500);
    CHECK_EQ(rig.io->base.stats.sockets, 2);
    rig_close(&rig);
    CHECK_EQ(if_nametoindex("leat0"), 0);
    CHECK_EQ(if_nametoindex("tun0"), 0);
}

/* ---- packets ---- */

TUN_BACKENDS(packets_of_every_size)
{
    netns_need_tun();
    struct rig rig;
    rig_open(&rig, ops, 64, 64);
    struct io_done tun = tun_socket(&rig, "leat0", 0, 2100);
    int fd = kernel_socket(7000);
    for (uint32_t len = 0; len <= 2100 - TUN_HEADERS; len += len < 64 || len > 1800 ? 1 : 37) {
        leat_slice sent = body_of(len, len);
        REQUIRE(kernel_send(fd, leat_slice_data(sent), len) == (ssize_t)len);
        leat_buf_unref(sent.buf);
        struct io_done in = rig_expect(&rig, IO_DONE_DATA);
        CHECK_EQ(in.sock, tun.sock);
        CHECK_EQ(in.offload.type, LEAT_TUN_WHOLE);
        CHECK_EQ(in.segment_size, 0);
        CHECK(packet_is_good(leat_slice_data(in.body), in.body.len));
        CHECK(body_is(packet_payload(in.body), len, len));
        leat_buf_unref(in.body.buf);
        REQUIRE(tun_submit_packet(&rig, tun.sock, packet_of(len, len + 1, 7000), NULL) == 0);
        uint8_t got[4096];
        leat_slice want = body_of(len, len + 1);
        REQUIRE(kernel_receive(&rig, fd, got, sizeof(got)) == (ssize_t)len);
        CHECK(memcmp(got, leat_slice_data(want), len) == 0);
        leat_buf_unref(want.buf);
    }
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    CHECK_EQ(rig.io->base.stats.recv_errors, 0);
    close(fd);
    rig_close(&rig);
}
