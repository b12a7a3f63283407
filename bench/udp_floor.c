/* Floors of UDP: the plain loop anybody would write first. epoll tells when there is something,
 * recvmmsg takes up to 64 datagrams (or trains, where GRO is on), sendmmsg answers them with the
 * same buffers, until a short batch says that the queue is empty. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runs.h"
#include "sync.h"
#include "udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define CONTROL_LEN 64u
#define SPINS_MAX 512u  /* looks at the socket before the pipe is looked at */
#define BATCHES_MAX 64u /* full ones in a row, the same */

enum waiting {
    WAIT_EPOLL,
    WAIT_SPIN,
};

struct slot {
    struct sockaddr_in peer;
    uint8_t control[CONTROL_LEN] __attribute__((aligned(16)));
    uint8_t bytes[UDP_TRAIN_LEN] __attribute__((aligned(64)));
};

static struct {
    int fd;
    struct mmsghdr in[UDP_BATCH], out[UDP_BATCH];
    struct iovec in_iov[UDP_BATCH], out_iov[UDP_BATCH];
    struct slot slots[UDP_BATCH];
    struct sockaddr_in fan[UDP_PEERS_MAX];
} f;

static int server_open(struct rep *rep, bool gro, uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof(at);
    int on = 1, buf = 4 << 20;
    f.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (f.fd < 0 || bind(f.fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        getsockname(f.fd, (struct sockaddr *)&at, &at_len) != 0 ||
        setsockopt(f.fd, SOL_SOCKET, SO_RCVBUF, &buf, sizeof(buf)) != 0 ||
        setsockopt(f.fd, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf)) != 0 ||
        (gro && setsockopt(f.fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) != 0)) {
        return rep_wrong(rep, "no socket: %s", strerror(errno));
    }
    *ret_port = ntohs(at.sin_port);
    memset(f.slots, 0, sizeof(f.slots)); /* pages are touched before time is taken */
    return 0;
}

static int receive(void)
{
    for (uint32_t i = 0; i < UDP_BATCH; i++) {
        struct msghdr *message = &f.in[i].msg_hdr;
        f.in_iov[i] = (struct iovec){f.slots[i].bytes, UDP_TRAIN_LEN};
        message->msg_name = &f.slots[i].peer;
        message->msg_namelen = sizeof(f.slots[i].peer);
        message->msg_iov = &f.in_iov[i];
        message->msg_iovlen = 1;
        message->msg_control = f.slots[i].control;
        message->msg_controllen = CONTROL_LEN;
    }
    return recvmmsg(f.fd, f.in, UDP_BATCH, MSG_DONTWAIT, NULL);
}

static void send_all(uint32_t n)
{
    for (uint32_t done = 0; done < n;) {
        int sent = sendmmsg(f.fd, f.out + done, n - done, 0);
        if (sent < 0 && errno != EINTR) {
            return; /* the generator misses them and says so */
        }
        done += sent > 0 ? (uint32_t)sent : 0;
    }
}

/* The answer to what came into slot i: the same bytes, as a train if it was one. */
static void answer_fill(uint32_t i)
{
    struct msghdr *in = &f.in[i].msg_hdr;
    struct msghdr *out = &f.out[i].msg_hdr;
    struct cmsghdr *header = CMSG_FIRSTHDR(in);
    f.out_iov[i] = (struct iovec){f.slots[i].bytes, f.in[i].msg_len};
    out->msg_name = &f.slots[i].peer;
    out->msg_namelen = sizeof(f.slots[i].peer);
    out->msg_iov = &f.out_iov[i];
    out->msg_iovlen = 1;
    out->msg_control = NULL;
    out->msg_controllen = 0;
    if (header == NULL || header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO) {
        return;
    }
    int size;
    memcpy(&size, CMSG_DATA(header), sizeof(size));
    if (f.in[i].msg_len > (unsigned)size) {
        uint16_t segment = (uint16_t)size;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(segment));
        memcpy(CMSG_DATA(header), &segment, sizeof(segment));
        out->msg_control = header;
        out->msg_controllen = CMSG_SPACE(sizeof(segment));
    }
}

/* One request to all peers of its group. */
static void fan_out(uint32_t i)
{
    struct iovec body = {f.slots[i].bytes, f.in[i].msg_len};
    uint32_t group;
    memcpy(&group, f.slots[i].bytes, sizeof(group));
    struct sockaddr_in *peers = &f.fan[group % UDP_FAN_GROUPS * UDP_FAN_PEERS];
    for (uint32_t k = 0; k < UDP_FAN_PEERS; k++) {
        struct msghdr *out = &f.out[k].msg_hdr;
        f.out_iov[k] = body;
        out->msg_name = &peers[k];
        out->msg_namelen = sizeof(peers[k]);
        out->msg_iov = &f.out_iov[k];
        out->msg_iovlen = 1;
        out->msg_control = NULL;
        out->msg_controllen = 0;
    }
    send_all(UDP_FAN_PEERS);
}

/* Whether the batch was full, so that there may be more. */
static bool serve_batch(bool fanout, int *ret_got)
{
    int got = receive();
    *ret_got = got;
    if (got <= 0) {
        return false;
    }
    for (uint32_t i = 0; i < (uint32_t)got; i++) {
        if (fanout) {
            fan_out(i);
        } else {
            answer_fill(i);
        }
    }
    if (!fanout) {
        send_all((uint32_t)got);
    }
    return got == (int)UDP_BATCH;
}

/* Serves until the generator says that it is done. */
static int serve_epoll(struct generator *generator, bool fanout, struct rep *rep)
{
    struct epoll_event socket_event = {.events = EPOLLIN, .data.u32 = 0};
    struct epoll_event done_event = {.events = EPOLLIN, .data.u32 = 1};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool done = false;
    int got;
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, f.fd, &socket_event) != 0 ||
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
            for (uint32_t k = 0; events[i].data.u32 == 0 && k < BATCHES_MAX; k++) {
                if (!serve_batch(fanout, &got)) {
                    break;
                }
            }
        }
    }
    close(epoll);
    return 0;
}

/* The same for round trips: looks at the socket again and again. */
static int serve_spin(struct generator *generator, struct rep *rep)
{
    struct pollfd done = {.fd = generator->from, .events = POLLIN};
    uint64_t until = now_ns() + 20 * UINT64_C(1000000000);
    int got;
    while (poll(&done, 1, 0) == 0) {
        for (uint32_t i = 0; i < SPINS_MAX; i++) {
            serve_batch(false, &got);
            if (got <= 0) {
                cpu_relax();
            }
        }
        if (now_ns() > until) {
            return rep_wrong(rep, "no word from the generator in 20 s");
        }
    }
    return 0;
}

static int floor_serve(const struct plan *plan, enum waiting waiting, struct outcome *ret,
                       struct rep *rep)
{
    struct generator generator = {0};
    uint16_t port = 0, fan_port = 0;
    cpu_pin(0, 1);
    if (udp_generator_open(&generator, plan, &fan_port, rep) == 0 &&
        server_open(rep, plan->train > 1, &port) == 0) {
        for (uint32_t i = 0; i < UDP_PEERS_MAX; i++) {
            f.fan[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_port = htons(fan_port),
                                            .sin_addr.s_addr = udp_peer(i)};
        }
        if (generator_start(&generator, port, rep) == 0 &&
            (waiting == WAIT_SPIN
                 ? serve_spin(&generator, rep)
                 : serve_epoll(&generator, plan->traffic == TRAFFIC_FANOUT, rep)) == 0) {
            udp_generator_finish(&generator, ret, rep);
        }
        close(f.fd);
    }
    generator_close(&generator);
    return rep->result == REP_OK ? 0 : -1;
}

static int floor_window(const struct plan *plan, struct rep *rep)
{
    struct outcome outcome;
    if (floor_serve(plan, WAIT_EPOLL, &outcome, rep) != 0) {
        return -1;
    }
    rep->ns = outcome_ns(&outcome);
    rep_extra(rep, "packets_per_s", 1e9 / rep->ns);
    rep_extra(rep, "server_cpu_ns", outcome_cpu_ns(&outcome));
    return 0;
}

int udp_echo_floor(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_echo(setup);
    return floor_window(&plan, rep);
}

int udp_echo_trains_floor(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_trains(setup);
    return floor_window(&plan, rep);
}

int udp_echo_64x4_floor(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_64x4(setup);
    return floor_window(&plan, rep);
}

int udp_fanout_floor(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_fanout(setup);
    return floor_window(&plan, rep);
}

int udp_rtt_floor(const struct setup *setup, struct rep *rep)
{
    struct plan plan = udp_plan_rtt(setup);
    struct outcome hot, sleeping;
    if (floor_serve(&plan, WAIT_SPIN, &hot, rep) != 0 ||
        floor_serve(&plan, WAIT_EPOLL, &sleeping, rep) != 0) {
        return -1;
    }
    rep->ns = hot.p50_ns;
    rep_extra(rep, "p99_ns", hot.p99_ns);
    rep_extra(rep, "sleeping_ns", sleeping.p50_ns);
    rep_extra(rep, "sleeping_p99_ns", sleeping.p99_ns);
    return 0;
}
