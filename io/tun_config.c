/* What an interface has: its index, MTU, addresses and whether it is up. Asked by ioctl, set by
 * rtnetlink, one request and its answer at a time; the kernel answers before the call returns,
 * so none of it waits. Stateless. */
#include "tun.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A descriptor or negative errno. */
static int open_netlink(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? -errno : fd;
}

/* Index and MTU, by name. */
static int look_up(int fd, struct leat_tun_info *info)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, info->name, sizeof(info->name));
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0) {
        return -errno;
    }
    info->index = (uint32_t)request.ifr_ifindex;
    if (ioctl(fd, SIOCGIFMTU, &request) < 0) {
        return -errno;
    }
    info->mtu = (uint32_t)request.ifr_mtu;
    return 0;
}

bool tun_name_is_taken(const char name[LEAT_TUN_NAME_LEN])
{
    struct leat_tun_info info;
    int fd = open_netlink();
    if (fd < 0) {
        return false;
    }
    memcpy(info.name, name, sizeof(info.name));
    bool taken = look_up(fd, &info) == 0;
    close(fd);
    return taken;
}

/* ---- requests ---- */

struct request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg addr;
    };
    _Alignas(4) uint8_t attributes[128];
};

static void attribute_add(struct request *request, uint16_t type, const void *value, size_t len)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
    struct rtattr head = {.rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type};
    LEAT_ASSERT(at + RTA_SPACE(len) <= sizeof(*request));
    memcpy((uint8_t *)request + at, &head, sizeof(head));
    memcpy((uint8_t *)request + at + RTA_LENGTH(0), value, len);
    request->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
}

static int ask(int fd, struct request *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        uint8_t         rest[512]; /* the request, and words about it */
    } answer;
    request->header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    ssize_t n = send(fd, request, request->header.nlmsg_len, 0);
    if (n < 0) {
        return -errno;
    }
    do {
        n = recv(fd, &answer, sizeof(answer), 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return -errno;
    }
    size_t least = sizeof(answer.header) + sizeof(answer.error.error);
    bool is_answer = (size_t)n >= least && answer.header.nlmsg_type == NLMSG_ERROR;
    return is_answer ? answer.error.error : -EPROTO;
}

static int set_link(int fd, const struct leat_tun_info *info, const struct leat_tun_config *config)
{
    bool up = (config->flags & LEAT_TUN_UP) != 0;
    if (!up && config->mtu == 0) {
        return 0;
    }
    struct request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(request.link)), .nlmsg_type = RTM_NEWLINK},
        .link = {.ifi_family = AF_UNSPEC,
                 .ifi_index = (int)info->index,
                 .ifi_flags = up ? IFF_UP : 0,
                 .ifi_change = up ? IFF_UP : 0},
    };
    if (config->mtu != 0) {
        attribute_add(&request, IFLA_MTU, &config->mtu, sizeof(config->mtu));
    }
    return ask(fd, &request);
}

static int add_addr(int fd, const struct leat_tun_info *info, const struct leat_tun_addr *addr)
{
    bool v4 = leat_addr_is_v4(&addr->ip);
    const uint8_t *ip = v4 ? addr->ip.ip + 12 : addr->ip.ip;
    size_t len = v4 ? 4 : 16;
    if (addr->prefix_len > len * 8) {
        return -EINVAL;
    }
    struct request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(request.addr)),
                   .nlmsg_type = RTM_NEWADDR,
                   .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE}, /* of another queue, say */
        .addr = {.ifa_family = v4 ? AF_INET : AF_INET6,
                 .ifa_prefixlen = (uint8_t)addr->prefix_len,
                 .ifa_flags = v4 ? 0 : IFA_F_NODAD, /* it can be used at once */
                 .ifa_index = info->index},
    };
    attribute_add(&request, IFA_LOCAL, ip, len);
    attribute_add(&request, IFA_ADDRESS, ip, len);
    return ask(fd, &request);
}

int tun_configure(struct leat_tun_info *info, const struct leat_tun_config *config)
{
    int fd = open_netlink();
    if (fd < 0) {
        return fd;
    }
    int status = look_up(fd, info);
    if (status == 0) {
        status = set_link(fd, info, config);
    }
    for (uint32_t i = 0; i < config->addrs_len && status == 0; i++) {
        status = add_addr(fd, info, &config->addrs[i]);
    }
    if (status == 0) {
        status = look_up(fd, info); /* its MTU from now on */
    }
    close(fd);
    return status;
}
