/* Paths that are narrower than what is sent: the loopback of a network namespace of this program's own,
 * which goes when it ends. */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "io_rig.h"

#define MTU 1280

static int loopback_set(int mtu)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request.ifr_mtu = mtu;
    int status = fd < 0 ? -1 : ioctl(fd, SIOCSIFMTU, &request);
    request.ifr_flags = IFF_UP;
    status = status < 0 ? status : ioctl(fd, SIOCSIFFLAGS, &request);
    status = status < 0 ? -errno : 0;
    close(fd);
    return status;
}

/* The first call leaves the machine's network for good. */
static void need_narrow_loopback(void)
{
    static bool entered;
    if (!entered && unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        SKIP("no network namespace may be made here");
    }
    entered = true;
    REQUIRE(loopback_set(MTU) == 0);
}

/* `len` bytes as datagrams of `size`, compared with what arrives. */
static void send_and_check(struct rig *rig, struct end a, struct end b, uint32_t len, uint32_t size)
{
    leat_slice body = body_of(len, len);
    REQUIRE(rig_submit(rig, a.sock, &b.addr, NULL, leat_slice_ref(body), size) == 0);
    struct reader reader = {0};
    leat_slice one = {0};
    for (uint32_t at = 0; at < len; at += one.len) {
        REQUIRE(reader_next(rig, &reader, &one));
        leat_slice sent = leat_slice_sub(body, at, size == 0 ? UINT32_MAX : size);
        REQUIRE(one.len == sent.len);
        CHECK(memcmp(leat_slice_data(one), leat_slice_data(sent), one.len) == 0);
    }
    reader_end(&reader);
    leat_buf_unref(body.buf);
}

/* GSO refuses segments beyond the MTU: they are sent one by one then, in order, and what fits goes as a
 * train again. */
KERNEL_BACKENDS(trains_wider_than_the_path)
{
    need_narrow_loopback();
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    send_and_check(&rig, a, b, 20 * 1400, 1400);
    send_and_check(&rig, a, b, 20 * 1000, 1000);
    send_and_check(&rig, a, b, 20 * 1400 + 7, 1400);
    send_and_check(&rig, a, b, 20 * 1252, 1252);
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    rig_close(&rig);
}

KERNEL_BACKENDS(a_path_that_narrows_between_two_trains)
{
    need_narrow_loopback();
    REQUIRE(loopback_set(9000) == 0);
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    send_and_check(&rig, a, b, 20 * 1400, 1400);
    REQUIRE(loopback_set(MTU) == 0);
    send_and_check(&rig, a, b, 20 * 1400, 1400);
    send_and_check(&rig, a, b, 20 * 1000, 1000);
    CHECK_EQ(rig.io->base.stats.send_errors, 0);
    rig_close(&rig);
}

KERNEL_BACKENDS(datagrams_wider_than_the_path)
{
    need_narrow_loopback();
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    send_and_check(&rig, a, b, 1400, 0);
    send_and_check(&rig, a, b, LEAT_DATAGRAM_LEN_MAX, 0);
    rig_close(&rig);
}

KERNEL_BACKENDS(an_interface_that_goes_down_and_up)
{
    need_narrow_loopback();
    struct rig rig;
    rig_open(&rig, ops, 64, 1024);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    send_and_check(&rig, a, b, 100, 0);
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    close(fd);
    rig_send(&rig, a.sock, &b.addr, 100, 1); /* it is lost, told or not */
    struct io_done done;
    while (rig_next_within(&rig, 20 * LEAT_MS, &done)) {
        REQUIRE(done.kind == IO_DONE_ERROR);
    }
    REQUIRE(loopback_set(MTU) == 0);
    send_and_check(&rig, a, b, 100, 0);
    rig_close(&rig);
}
