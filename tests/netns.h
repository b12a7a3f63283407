/* A network of a test's own: interfaces, addresses and routes that nobody else sees, and that
 * are gone when the test is, killed or not. The calling thread moves into it, and threads it
 * makes are born there. */
#ifndef LEAT_TESTS_NETNS_H
#define LEAT_TESTS_NETNS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

/* Ids inside are those outside, so that files can still be opened. */
static inline void netns_map_ids(uid_t uid, gid_t gid)
{
    const char *names[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
    char lines[3][64] = {"deny"};
    snprintf(lines[1], sizeof(lines[1]), "%u %u 1", (unsigned)uid, (unsigned)uid);
    snprintf(lines[2], sizeof(lines[2]), "%u %u 1", (unsigned)gid, (unsigned)gid);
    for (size_t i = 0; i < 3; i++) {
        int fd = open(names[i], O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            ssize_t ignored = write(fd, lines[i], strlen(lines[i]));
            (void)ignored;
            close(fd);
        }
    }
}

/* No IPv6 but where a case asks for it: interfaces then send nothing of their own. */
static inline void netns_ipv6(const char *interface, bool on)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", interface);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) { /* else the machine has none */
        CHECK_EQ(write(fd, on ? "0" : "1", 1), 1);
        close(fd);
    }
}

/* Skips the case where that is not allowed; before the case has anything to give back. */
static inline void netns_enter(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWNET) < 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
            SKIP("no network namespace here: neither CAP_SYS_ADMIN nor user namespaces");
        }
        netns_map_ids(uid, gid);
    }
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int status = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &up);
    close(fd);
    REQUIRE(status == 0);
    netns_ipv6("all", false);
    netns_ipv6("default", false);
}

/* Deletes an interface, as an administrator would. 0 or negative errno. */
static inline int netns_delete(const char *interface)
{
    struct {
        struct nlmsghdr  header;
        struct ifinfomsg link;
    } request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = RTM_DELLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .link = {.ifi_index = (int)if_nametoindex(interface)},
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char            rest[256];
    } answer = {.error.error = -EPROTO};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    bool asked = fd >= 0 && send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request) &&
                 recv(fd, &answer, sizeof(answer), 0) > 0;
    close(fd);
    return asked ? answer.error.error : -EIO;
}

/* Takes CAP_NET_ADMIN from this thread, and from those it makes, and gives it back. */
static inline void netns_capable(bool on)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    REQUIRE(syscall(SYS_capget, &header, data) == 0);
    uint32_t bit = 1u << CAP_NET_ADMIN;
    data[0].effective = on ? data[0].effective | bit : data[0].effective & ~bit;
    REQUIRE(syscall(SYS_capset, &header, data) == 0);
}

static inline void netns_need_tun(void)
{
    netns_enter();
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        SKIP("no /dev/net/tun that can be opened here");
    }
    close(fd);
}

#endif
