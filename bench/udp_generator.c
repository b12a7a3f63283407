/* The generator: a plain process that keeps a window of datagrams in flight and checks each that
 * comes back (whose it is, its order, its bytes). One socket bound to every address sends from many
 * loopback addresses (IP_PKTINFO), which makes many peers of one system call. When nothing has come
 * it backs off for 10 us: spinning on recvmmsg would slow the server by fighting for its queue. It
 * never hangs: what is not back after a second is lost. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sync.h"
#include "udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BACK_OFF_NS 10000u
#define LOST_AFTER_NS 1000000000u
#define LIMIT_NS 10000000000u /* past the end, to wait for a first one: the CPUs may be busy */
#define WARM_UP_SHARE 5u      /* a fifth of the duration */
#define RTT_WARM_UP 500u
#define CONTROL_LEN 128u

/* Everything the process owns; static, so that nothing is allocated after the fork. */
static struct {
    struct plan plan;
    int fd;
    struct sockaddr_in server;
    struct outcome outcome;
    uint64_t next_seq[UDP_PEERS_MAX];
    uint64_t expected_seq[UDP_PEERS_MAX];
    uint32_t at; /* peer whose turn it is */
    uint64_t in_flight;
    uint64_t given_up; /* of the lost: those that may still come */
    struct mmsghdr out[UDP_BATCH];
    struct iovec out_iov[UDP_BATCH];
    struct mmsghdr in[UDP_BATCH];
    struct iovec in_iov[UDP_BATCH];
    uint8_t out_control[UDP_BATCH][CONTROL_LEN] __attribute__((aligned(16)));
    uint8_t in_control[UDP_BATCH][CONTROL_LEN] __attribute__((aligned(16)));
    uint8_t out_bytes[UDP_BATCH][64 * UDP_LEN] __attribute__((aligned(64)));
    uint8_t in_bytes[UDP_BATCH][UDP_TRAIN_LEN] __attribute__((aligned(64)));
} g;

in_addr_t udp_peer(uint32_t n)
{
    return htonl(0x7f010001u + n); /* all of 127.0.0.0/8 is local */
}

static uint64_t window(void)
{
    return g.plan.window != 0 ? g.plan.window : UDP_WINDOW;
}

/* ---- datagrams ---- */

static void stamp_write(uint8_t *at, uint32_t peer, uint64_t seq)
{
    struct stamp stamp = {.peer = peer, .magic = STAMP_MAGIC, .seq = seq, .seq_inverted = ~seq};
    memcpy(at, &stamp, sizeof(stamp));
    memset(at + sizeof(stamp), (int)(seq & 0xff), UDP_LEN - sizeof(stamp));
}

/* Takes in one datagram; `peer` is whose it is, or UDP_PEERS_MAX: what the datagram says. */
static void stamp_check(const uint8_t *at, size_t len, uint32_t peer)
{
    struct stamp stamp;
    g.outcome.received++;
    if (len != UDP_LEN) {
        g.outcome.bad++;
        return;
    }
    memcpy(&stamp, at, sizeof(stamp));
    if (peer == UDP_PEERS_MAX) {
        peer = stamp.peer;
    }
    if (stamp.magic != STAMP_MAGIC || stamp.seq != ~stamp.seq_inverted || peer >= g.plan.peers ||
        at[sizeof(stamp)] != (stamp.seq & 0xff) || at[UDP_LEN - 1] != (stamp.seq & 0xff)) {
        g.outcome.bad++;
        return;
    }
    if (stamp.seq < g.expected_seq[peer]) {
        if (g.given_up == 0) {
            g.outcome.bad++; /* twice, or out of order */
            return;
        }
        g.given_up--; /* not lost after all, only later than we waited */
        g.outcome.lost--;
        return;
    }
    uint64_t missing = stamp.seq - g.expected_seq[peer]; /* loopback keeps a peer's order */
    g.outcome.lost += missing;
    g.in_flight -= missing + 1 < g.in_flight ? missing + 1 : g.in_flight;
    g.expected_seq[peer] = stamp.seq + 1;
}

/* ---- system calls ---- */

static void control_add(struct msghdr *message, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *header = (void *)((uint8_t *)message->msg_control + message->msg_controllen);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(header), data, len);
    message->msg_controllen += CMSG_SPACE(len);
}

/* One train (or datagram) of a peer into slot `slot`. */
static void out_fill(uint32_t slot, uint32_t peer)
{
    struct msghdr *message = &g.out[slot].msg_hdr;
    in_addr_t source = g.plan.source != 0 ? g.plan.source : udp_peer(peer);
    struct in_pktinfo from = {.ipi_spec_dst.s_addr = source};
    uint16_t segment = UDP_LEN;
    for (uint32_t i = 0; i < g.plan.train; i++) {
        stamp_write(g.out_bytes[slot] + i * UDP_LEN, peer, g.next_seq[peer]++);
    }
    g.out_iov[slot] = (struct iovec){g.out_bytes[slot], g.plan.train * UDP_LEN};
    message->msg_name = &g.server;
    message->msg_namelen = sizeof(g.server);
    message->msg_iov = &g.out_iov[slot];
    message->msg_iovlen = 1;
    message->msg_control = g.out_control[slot];
    message->msg_controllen = 0;
    control_add(message, IPPROTO_IP, IP_PKTINFO, &from, sizeof(from));
    if (g.plan.train > 1) {
        control_add(message, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
    }
}

/* Sends `n` filled slots; all of them, for the socket's queue holds more than a window. */
static void out_send(uint32_t n)
{
    for (uint32_t done = 0; done < n;) {
        int sent = sendmmsg(g.fd, g.out + done, n - done, 0);
        if (sent < 0 && errno != EINTR && errno != ECONNREFUSED) {
            g.outcome.bad += n - done; /* the check fails: this should not happen on loopback */
            return;
        }
        done += sent > 0 ? (uint32_t)sent : 0;
    }
}

/* Sends what the window has room for; whether it sent anything. */
static bool window_fill(void)
{
    bool fanout = g.plan.traffic == TRAFFIC_FANOUT;
    uint32_t each = fanout ? UDP_FAN_PEERS : g.plan.train;
    uint32_t senders = fanout ? UDP_FAN_GROUPS : g.plan.peers;
    uint32_t n = 0;
    /* In portions: a system call for a single datagram would be the generator's cost, not ours. */
    if (g.in_flight + each > window() || (each == 1 && g.in_flight + 32 > window())) {
        return false;
    }
    while (n < UDP_BATCH && g.in_flight + each <= window()) {
        out_fill(n, g.at);
        g.at = g.at + 1 < senders ? g.at + 1 : 0;
        g.in_flight += each;
        g.outcome.sent += each;
        n++;
    }
    out_send(n);
    return true;
}

static void in_prepare(uint32_t slot)
{
    struct msghdr *message = &g.in[slot].msg_hdr;
    g.in_iov[slot] = (struct iovec){g.in_bytes[slot], UDP_TRAIN_LEN};
    message->msg_name = NULL;
    message->msg_namelen = 0;
    message->msg_iov = &g.in_iov[slot];
    message->msg_iovlen = 1;
    message->msg_control = g.in_control[slot];
    message->msg_controllen = CONTROL_LEN;
    message->msg_flags = 0;
}

static void in_check(uint32_t slot)
{
    struct msghdr *message = &g.in[slot].msg_hdr;
    size_t len = g.in[slot].msg_len, segment = len;
    uint32_t peer = UDP_PEERS_MAX;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO) {
            int value;
            memcpy(&value, CMSG_DATA(header), sizeof(value));
            segment = (size_t)value;
        } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(header), sizeof(info));
            peer = ntohl(info.ipi_addr.s_addr) - ntohl(udp_peer(0));
        }
    }
    for (size_t at = 0; at < len; at += segment) {
        stamp_check(g.in_bytes[slot] + at, len - at < segment ? len - at : segment, peer);
    }
}

/* Takes in what has come; whether anything had. */
static bool window_empty(void)
{
    for (uint32_t i = 0; i < UDP_BATCH; i++) {
        in_prepare(i);
    }
    int n = recvmmsg(g.fd, g.in, UDP_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        in_check((uint32_t)i);
    }
    return n > 0;
}

/* ---- traffic ---- */

/* What is still out is given up: later datagrams start afresh. */
static void give_up(void)
{
    for (uint32_t i = 0; i < g.plan.peers; i++) {
        uint64_t next = g.next_seq[g.plan.traffic == TRAFFIC_FANOUT ? i / UDP_FAN_PEERS : i];
        g.outcome.lost += next - g.expected_seq[i];
        g.given_up += next - g.expected_seq[i];
        g.expected_seq[i] = next;
    }
    g.in_flight = 0;
}

static void run_window(void)
{
    uint64_t start = now_ns(), last = start;
    uint64_t begin = start + g.plan.duration_ns / WARM_UP_SHARE;
    uint64_t end = begin + g.plan.duration_ns;
    uint64_t begun = 0, before = 0;
    bool ended = false;
    while (!ended || g.in_flight > 0) {
        bool busy = !ended && window_fill();
        bool got = window_empty();
        uint64_t now = now_ns();
        if (begun == 0 && now >= begin) {
            begun = now;
            before = g.outcome.received;
            g.outcome.cpu_ns = generator_server_cpu_ns();
        } else if (!ended && now >= (g.outcome.received > before ? end : end + LIMIT_NS)) {
            g.outcome.datagrams = g.outcome.received - before;
            g.outcome.wall_ns = now - begun;
            g.outcome.cpu_ns = generator_server_cpu_ns() - g.outcome.cpu_ns;
            ended = true;
        }
        if (got) {
            last = now;
        } else if (g.in_flight > 0 && now - last > LOST_AFTER_NS) {
            give_up();
            last = now;
        } else if (!busy) {
            for (uint64_t until = now + BACK_OFF_NS; now < until; now = now_ns()) {
                cpu_relax();
            }
        }
    }
}

static void run_rtt(void)
{
    size_t n = g.plan.count;
    double *latencies = calloc(n, sizeof(latencies[0]));
    uint64_t begun = 0;
    size_t noted = 0;
    if (latencies == NULL) {
        _exit(1);
    }
    for (size_t i = 0; i < n + RTT_WARM_UP; i++) {
        if (i == RTT_WARM_UP) {
            begun = now_ns();
            g.outcome.cpu_ns = generator_server_cpu_ns();
        }
        uint64_t start = now_ns(), now = start;
        out_fill(0, 0);
        g.outcome.sent++;
        g.in_flight = 1;
        out_send(1);
        in_prepare(0);
        while (g.in_flight > 0 && now - start < LOST_AFTER_NS) {
            if (recvmmsg(g.fd, g.in, 1, MSG_DONTWAIT, NULL) == 1) {
                in_check(0);
            } else {
                cpu_relax();
            }
            now = now_ns();
        }
        if (g.in_flight > 0) {
            give_up();
        } else if (i >= RTT_WARM_UP) {
            latencies[noted++] = (double)(now - start);
        }
    }
    g.outcome.wall_ns = now_ns() - begun;
    g.outcome.cpu_ns = generator_server_cpu_ns() - g.outcome.cpu_ns;
    g.outcome.datagrams = noted;
    g.outcome.p50_ns = quantile(latencies, noted, 0.5);
    g.outcome.p99_ns = quantile(latencies, noted, 0.99);
}

static void set_option(int level, int name, int value)
{
    if (setsockopt(g.fd, level, name, &value, sizeof(value)) != 0) {
        _exit(2);
    }
}

static void generator_run(const void *plan, int from, int to)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t any_len = sizeof(any);
    uint16_t port;
    memcpy(&g.plan, plan, sizeof(g.plan));
    g.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (g.fd < 0 || bind(g.fd, (struct sockaddr *)&any, sizeof(any)) != 0 ||
        getsockname(g.fd, (struct sockaddr *)&any, &any_len) != 0) {
        _exit(2);
    }
    set_option(SOL_SOCKET, SO_RCVBUF, 4 << 20);
    set_option(SOL_SOCKET, SO_SNDBUF, 4 << 20);
    if (g.plan.train > 1) {
        set_option(IPPROTO_UDP, UDP_GRO, 1);
    }
    if (g.plan.traffic == TRAFFIC_FANOUT) {
        set_option(IPPROTO_IP, IP_PKTINFO, 1); /* all get the same bytes: the address tells whose */
    }
    memset(g.in_bytes, 0, sizeof(g.in_bytes)); /* pages are touched before time is taken */
    port = ntohs(any.sin_port);
    if (write(to, &port, sizeof(port)) != (ssize_t)sizeof(port) ||
        read(from, &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        _exit(1);
    }
    g.server = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = g.plan.server != 0 ? g.plan.server : htonl(INADDR_LOOPBACK)};
    if (g.plan.traffic == TRAFFIC_RTT) {
        run_rtt();
    } else {
        run_window();
    }
    if (write(to, &g.outcome, sizeof(g.outcome)) != (ssize_t)sizeof(g.outcome)) {
        _exit(1);
    }
}

/* ---- the server's side ---- */

int udp_generator_open(struct generator *generator, const struct plan *plan, uint16_t *ret_port,
                       struct rep *rep)
{
    if (generator_open(generator, generator_run, plan, rep) != 0) {
        return -1;
    }
    return generator_read(generator, ret_port, sizeof(*ret_port), rep);
}

static int outcome_check(const struct outcome *outcome, struct rep *rep)
{
    if (outcome->datagrams == 0) {
        return rep_wrong(rep, "nothing came back");
    }
    if (outcome->bad > 0) {
        return rep_wrong(rep, "%llu datagrams were wrong or out of order",
                         (unsigned long long)outcome->bad);
    }
    if (outcome->received + outcome->lost != outcome->sent) {
        return rep_wrong(rep, "sent %llu datagrams, received %llu, lost %llu",
                         (unsigned long long)outcome->sent, (unsigned long long)outcome->received,
                         (unsigned long long)outcome->lost);
    }
    if (outcome->lost * 100 > outcome->sent) {
        return rep_wrong(rep, "%llu of %llu datagrams lost", (unsigned long long)outcome->lost,
                         (unsigned long long)outcome->sent);
    }
    return 0;
}

int udp_generator_finish(struct generator *generator, struct outcome *ret, struct rep *rep)
{
    if (generator_read(generator, ret, sizeof(*ret), rep) != 0) {
        return -1;
    }
    return outcome_check(ret, rep);
}

double outcome_ns(const struct outcome *outcome)
{
    return (double)outcome->wall_ns / (double)outcome->datagrams;
}

double outcome_cpu_ns(const struct outcome *outcome)
{
    return (double)outcome->cpu_ns / (double)outcome->datagrams;
}

/* ---- plans ---- */

struct plan udp_plan_echo(const struct setup *setup)
{
    /* As many peers as datagrams in flight: nothing can be taken for a train. */
    return (struct plan){.traffic = TRAFFIC_ECHO, .peers = UDP_PEERS_MAX, .train = 1,
                         .duration_ns = setup->count};
}

struct plan udp_plan_trains(const struct setup *setup)
{
    return (struct plan){.traffic = TRAFFIC_ECHO, .peers = 1, .train = 32,
                         .duration_ns = setup->count};
}

struct plan udp_plan_64x4(const struct setup *setup)
{
    return (struct plan){.traffic = TRAFFIC_ECHO, .peers = 64, .train = 4,
                         .duration_ns = setup->count};
}

struct plan udp_plan_fanout(const struct setup *setup)
{
    return (struct plan){.traffic = TRAFFIC_FANOUT, .peers = UDP_PEERS_MAX, .train = 1,
                         .duration_ns = setup->count};
}

struct plan udp_plan_rtt(const struct setup *setup)
{
    return (struct plan){.traffic = TRAFFIC_RTT, .peers = 1, .train = 1, .count = setup->count};
}
