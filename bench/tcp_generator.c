/* The clients: each connection has one request in flight and sends the next when the whole answer is
 * there and right. One thread, epoll. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp.h"

#define EVENTS_MAX 256
#define WARM_UP_SHARE 5u               /* a fifth of the duration */
#define SILENCE_MS 5000                /* longer, and the server is not answering */

struct client {
    int fd;
    uint32_t got; /* bytes of the answer */
    uint64_t seq;
    uint8_t answer[TCP_LEN];
};

/* Everything the process owns. */
static struct {
    struct tcp_plan plan;
    int epoll;
    struct tcp_outcome outcome;
    struct client clients[TCP_CONNECTIONS_MAX];
} g;

static void request_fill(const struct client *client, uint8_t *ret)
{
    uint64_t words[TCP_LEN / sizeof(uint64_t)];
    for (uint32_t i = 0; i < TCP_LEN / sizeof(uint64_t); i++) {
        words[i] = client->seq * UINT64_C(0x9e3779b97f4a7c15) + i;
    }
    memcpy(ret, words, TCP_LEN);
}

/* 64 bytes always fit into a socket that has nothing in flight. */
static void request_send(struct client *client)
{
    uint8_t bytes[TCP_LEN];
    client->got = 0;
    client->seq++;
    request_fill(client, bytes);
    g.outcome.bad += send(client->fd, bytes, TCP_LEN, MSG_NOSIGNAL) != TCP_LEN;
}

/* What has come; the next request when the answer is complete. */
static void answer_read(struct client *client)
{
    uint8_t expected[TCP_LEN];
    ssize_t len = recv(client->fd, client->answer + client->got, TCP_LEN - client->got, 0);
    if (len <= 0) {
        g.outcome.bad += len == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    client->got += (uint32_t)len;
    if (client->got < TCP_LEN) {
        return;
    }
    request_fill(client, expected);
    g.outcome.bad += memcmp(client->answer, expected, TCP_LEN) != 0;
    g.outcome.all++;
    request_send(client);
}

static bool clients_open(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    for (uint32_t i = 0; i < g.plan.connections; i++) {
        struct client *client = &g.clients[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        client->seq = (uint64_t)i << 32;
        if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
            setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
            fcntl(client->fd, F_SETFL, O_NONBLOCK) != 0 ||
            epoll_ctl(g.epoll, EPOLL_CTL_ADD, client->fd, &event) != 0) {
            return false;
        }
    }
    return true;
}

/* Notes both ends of the measured time; whether it is over. */
static bool clock_look(uint64_t begin, uint64_t *begun, uint64_t *before)
{
    uint64_t now = now_ns();
    if (*begun == 0 && now >= begin) {
        *begun = now;
        *before = g.outcome.all;
        g.outcome.cpu_ns = generator_server_cpu_ns();
    } else if (*begun != 0 && now >= *begun + g.plan.duration_ns && g.outcome.all > *before) {
        g.outcome.requests = g.outcome.all - *before;
        g.outcome.wall_ns = now - *begun;
        g.outcome.cpu_ns = generator_server_cpu_ns() - g.outcome.cpu_ns;
        return true;
    }
    return false;
}

static void clients_run(void)
{
    static struct epoll_event events[EVENTS_MAX];
    uint64_t begin = now_ns() + g.plan.duration_ns / WARM_UP_SHARE;
    uint64_t begun = 0, before = 0;
    for (uint32_t i = 0; i < g.plan.connections; i++) {
        request_send(&g.clients[i]);
    }
    while (g.outcome.bad == 0 && !clock_look(begin, &begun, &before)) {
        int n = epoll_wait(g.epoll, events, EVENTS_MAX, SILENCE_MS);
        g.outcome.bad += n == 0;
        for (int i = 0; i < n; i++) {
            answer_read(events[i].data.ptr);
        }
    }
}

static void generator_run(const void *plan, int from, int to)
{
    uint16_t port;
    memcpy(&g.plan, plan, sizeof(g.plan));
    g.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (g.epoll < 0 || read(from, &port, sizeof(port)) != (ssize_t)sizeof(port) ||
        !clients_open(port)) {
        _exit(2);
    }
    clients_run();
    if (write(to, &g.outcome, sizeof(g.outcome)) != (ssize_t)sizeof(g.outcome)) {
        _exit(1);
    }
}

/* ---- the server's side ---- */

/* Descriptors for every connection, in both processes. */
static int raise_limit(const struct tcp_plan *plan, struct rep *rep)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_cur < plan->connections + 64 || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return rep_skip(rep, "%u open files are not enough for %u connections (ulimit -n)",
                        (unsigned)limit.rlim_cur, plan->connections);
    }
    return 0;
}

int tcp_generator_open(struct generator *generator, const struct tcp_plan *plan, struct rep *rep)
{
    return raise_limit(plan, rep) == 0 ? generator_open(generator, generator_run, plan, rep) : -1;
}

int tcp_generator_finish(struct generator *generator, struct tcp_outcome *ret, struct rep *rep)
{
    if (generator_read(generator, ret, sizeof(*ret), rep) != 0) {
        return -1;
    }
    if (ret->bad > 0 || ret->requests == 0) {
        return rep_wrong(rep, "%llu requests answered, %llu wrong or not at all",
                         (unsigned long long)ret->all, (unsigned long long)ret->bad);
    }
    return 0;
}

void tcp_outcome_note(const struct tcp_outcome *outcome, const char *name, struct rep *rep)
{
    char text[REP_NAME_LEN];
    double ns = (double)outcome->wall_ns / (double)outcome->requests;
    double cpu_ns = (double)outcome->cpu_ns / (double)outcome->requests;
    if (name == NULL) {
        rep->ns = ns;
        rep_extra(rep, "requests_per_s", 1e9 / ns);
        rep_extra(rep, "server_cpu_ns", cpu_ns);
        return;
    }
    snprintf(text, sizeof(text), "%s_ns", name);
    rep_extra(rep, text, ns);
    snprintf(text, sizeof(text), "%s_server_cpu_ns", name);
    rep_extra(rep, text, cpu_ns);
}

struct tcp_plan tcp_plan_64(const struct setup *setup)
{
    return (struct tcp_plan){.connections = 64, .duration_ns = setup->count};
}

struct tcp_plan tcp_plan_1000(const struct setup *setup)
{
    return (struct tcp_plan){.connections = 1000, .duration_ns = setup->count};
}
