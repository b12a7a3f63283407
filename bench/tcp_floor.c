/* Floors of TCP: the plain epoll loop anybody would write first is the one that ratios are to;
 * beside it, in the same repetition, io_uring and libuv. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runs.h"
#include "tcp.h"

#define EVENTS_MAX 256
#define ROOM 65536

typedef int tcp_floor_body(int listener, struct generator *generator, struct rep *rep);

int tcp_floor_listen(struct rep *rep, int *ret_fd, uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof(at);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &at_len) != 0) {
        return rep_wrong(rep, "no listener: %s", strerror(errno));
    }
    *ret_fd = fd;
    *ret_port = ntohs(at.sin_port);
    return 0;
}

/* ---- epoll ---- */

static void accept_all(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void echo(int fd)
{
    static uint8_t bytes[ROOM];
    ssize_t len = recv(fd, bytes, sizeof(bytes), 0);
    if (len > 0) {
        len = send(fd, bytes, (size_t)len, MSG_NOSIGNAL); /* a short one: the client says so */
    } else if (len == 0 || errno != EAGAIN) {
        close(fd);
    }
}

int tcp_floor_epoll(int listener, struct generator *generator, struct rep *rep)
{
    static struct epoll_event events[EVENTS_MAX];
    struct epoll_event listening = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event done_event = {.events = EPOLLIN, .data.fd = generator->from};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, generator->from, &done_event) != 0) {
        return rep_wrong(rep, "no epoll: %s", strerror(errno));
    }
    for (bool done = false; !done;) {
        int n = epoll_wait(epoll, events, EVENTS_MAX, 20000);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return rep_wrong(rep, "no word from the generator in 20 s");
        }
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) {
                accept_all(epoll, listener);
            } else if (events[i].data.fd == generator->from) {
                done = true;
            } else {
                echo(events[i].data.fd);
            }
        }
    }
    close(epoll);
    return 0;
}

/* ---- all of them ---- */

static int floor_run(tcp_floor_body *body, const struct tcp_plan *plan, struct tcp_outcome *ret,
                     struct rep *rep)
{
    struct generator generator = {0};
    uint16_t port = 0;
    int listener = -1;
    cpu_pin(0, 1);
    if (tcp_generator_open(&generator, plan, rep) == 0 &&
        tcp_floor_listen(rep, &listener, &port) == 0 &&
        generator_start(&generator, port, rep) == 0 && body(listener, &generator, rep) == 0) {
        tcp_generator_finish(&generator, ret, rep);
    }
    generator_close(&generator);
    if (listener >= 0) {
        close(listener);
    }
    return rep->result == REP_OK ? 0 : -1;
}

static int measure(const struct tcp_plan *plan, struct rep *rep)
{
    static const struct {
        tcp_floor_body *body;
        const char *name; /* NULL: the one that ratios are to */
    } floors[] = {
        {tcp_floor_epoll, NULL},
#ifdef LEAT_BENCH_URING
        {tcp_floor_uring, "uring"},
#endif
#ifdef LEAT_BENCH_LIBUV
        {tcp_floor_libuv, "libuv"},
#endif
    };
    for (size_t i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
        struct tcp_outcome outcome;
        if (floor_run(floors[i].body, plan, &outcome, rep) != 0) {
            return -1;
        }
        tcp_outcome_note(&outcome, floors[i].name, rep);
    }
    return 0;
}

int tcp_echo_floor(const struct setup *setup, struct rep *rep)
{
    struct tcp_plan plan = tcp_plan_64(setup);
    return measure(&plan, rep);
}

int tcp_echo_1000_floor(const struct setup *setup, struct rep *rep)
{
    struct tcp_plan plan = tcp_plan_1000(setup);
    return measure(&plan, rep);
}
