/* Floors of TUN: the plain loop anybody would write first. epoll tells when there is something,
 * each packet is read and written back from the same buffer, until there are none; with offloads
 * behind a virtio-net header that goes back as it came. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runs.h"
#include "tun.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define PACKETS_MAX 512u /* in a row, before the pipe is looked at */

static uint8_t packet[sizeof(struct virtio_net_hdr) + 65536] __attribute__((aligned(64)));

static bool set_address(const char *name)
{
    struct ifreq request = {0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(request.ifr_name, name, strlen(name));
    inet_pton(AF_INET, TUN_HERE, &address.sin_addr);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    bool fine = fd >= 0 && ioctl(fd, SIOCSIFADDR, &request) == 0;
    inet_pton(AF_INET, "255.255.255.0", &address.sin_addr);
    memcpy(&request.ifr_netmask, &address, sizeof(address));
    fine = fine && ioctl(fd, SIOCSIFNETMASK, &request) == 0;
    request.ifr_flags = IFF_UP;
    fine = fine && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    close(fd);
    return fine;
}

static int server_open(struct rep *rep, bool offload)
{
    struct ifreq request = {.ifr_name = "leat0"};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    unsigned long all = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6;
    request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | (offload ? IFF_VNET_HDR : 0));
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 ||
        (offload && ioctl(fd, TUNSETOFFLOAD, all) != 0) || !set_address("leat0")) {
        rep_wrong(rep, "no interface: %s", strerror(errno));
        close(fd);
        return -1;
    }
    memset(packet, 0, sizeof(packet)); /* pages are touched before time is taken */
    return fd;
}

static void serve_some(int fd, size_t front)
{
    for (uint32_t i = 0; i < PACKETS_MAX; i++) {
        ssize_t got = read(fd, packet, sizeof(packet));
        if (got <= (ssize_t)front) {
            return;
        }
        if (tun_turn(packet + front, (size_t)got - front)) {
            ssize_t ignored = write(fd, packet, (size_t)got); /* the generator would miss it */
            (void)ignored;
        }
    }
}

/* Serves until the generator says that it is done. */
static int serve(int fd, size_t front, struct generator *generator, struct rep *rep)
{
    struct epoll_event packet_event = {.events = EPOLLIN, .data.u32 = 0};
    struct epoll_event done_event = {.events = EPOLLIN, .data.u32 = 1};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool done = false;
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &packet_event) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, generator->from, &done_event) != 0) {
        return rep_wrong(rep, "no epoll: %s", strerror(errno));
    }
    while (!done) {
        struct epoll_event events[2];
        int n = epoll_wait(epoll, events, 2, 20000);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return rep_wrong(rep, "no word from the generator in 20 s");
        }
        for (int i = 0; i < n; i++) {
            done = done || events[i].data.u32 == 1;
            if (events[i].data.u32 == 0) {
                serve_some(fd, front);
            }
        }
    }
    close(epoll);
    return 0;
}

static int tun_floor(const struct setup *setup, bool offload, struct rep *rep)
{
    struct plan plan = tun_plan(setup);
    struct generator generator = {0};
    struct outcome outcome;
    uint16_t port;
    int fd = -1;
    if (tun_network(rep) == 0 && udp_generator_open(&generator, &plan, &port, rep) == 0 &&
        (fd = server_open(rep, offload)) >= 0) {
        cpu_pin(0, 1);
        size_t front = offload ? sizeof(struct virtio_net_hdr) : 0;
        if (generator_start(&generator, TUN_PORT, rep) == 0 &&
            serve(fd, front, &generator, rep) == 0) {
            udp_generator_finish(&generator, &outcome, rep);
        }
        close(fd);
    }
    generator_close(&generator);
    if (rep->result != REP_OK) {
        return -1;
    }
    rep->ns = outcome_ns(&outcome);
    rep_extra(rep, "packets_per_s", 1e9 / rep->ns);
    rep_extra(rep, "server_cpu_ns", outcome_cpu_ns(&outcome));
    return 0;
}

int tun_echo_floor(const struct setup *setup, struct rep *rep)
{
    return tun_floor(setup, false, rep);
}

int tun_echo_offload_floor(const struct setup *setup, struct rep *rep)
{
    return tun_floor(setup, true, rep);
}
