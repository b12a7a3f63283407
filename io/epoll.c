/* The epoll backend: one level-triggered epoll instance, an entry a socket, its index as the data.
 * The eventfd that ends a wait is edge-triggered and never read: each write is an edge. Waits are
 * in nanoseconds where the kernel has epoll_pwait2. Backend's thread only, but for wake. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "mem.h"
#include "ready.h"

#define EVENTS_LEN 64
#define WAKE_INDEX UINT32_MAX

struct epoll {
    struct ready       ready;
    int                fd;
    bool               coarse; /* no epoll_pwait2: milliseconds */
    struct epoll_event events[EVENTS_LEN];
};

static int epoll_probe(char *why, size_t why_len)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        int status = -errno;
        snprintf(why, why_len, "epoll_create1: %s; use io \"poll\", or allow the call",
                 strerror(-status));
        return status;
    }
    close(fd);
    return 0;
}

static int control(struct epoll *epoll, int what, const struct ready_sock *sock)
{
    uint32_t interest = ready_interest(sock);
    struct epoll_event event = {.data.u32 = sock->index};
    event.events = ((interest & READY_READ) != 0 ? (uint32_t)EPOLLIN : 0u) |
                   ((interest & READY_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0u);
    return epoll_ctl(epoll->fd, what, sock->fd, &event) < 0 ? -errno : 0;
}

static int epoll_add(struct ready *ready, struct ready_sock *sock)
{
    return control((struct epoll *)ready, EPOLL_CTL_ADD, sock);
}

static void epoll_change(struct ready *ready, struct ready_sock *sock)
{
    int status = control((struct epoll *)ready, EPOLL_CTL_MOD, sock);
    LEAT_ASSERT(status == 0);
}

static void epoll_remove(struct ready *ready, struct ready_sock *sock)
{
    /* Not left to close(): a fork may hold the file open. */
    epoll_ctl(((struct epoll *)ready)->fd, EPOLL_CTL_DEL, sock->fd, NULL);
}

static int wait_coarse(struct epoll *epoll, leat_time ns)
{
    leat_time ms = ns / LEAT_MS + (ns % LEAT_MS != 0);
    int timeout = ns == LEAT_NEVER ? -1 : ms > INT32_MAX ? INT32_MAX : (int)ms;
    return epoll_wait(epoll->fd, epoll->events, EVENTS_LEN, timeout);
}

static int wait_fine(struct epoll *epoll, leat_time ns)
{
    struct timespec span = {.tv_sec = (time_t)(ns / LEAT_SEC), .tv_nsec = (long)(ns % LEAT_SEC)};
    int n = epoll_pwait2(epoll->fd, epoll->events, EVENTS_LEN, ns == LEAT_NEVER ? NULL : &span,
                         NULL);
    if (n < 0 && (errno == ENOSYS || errno == EPERM)) { /* EPERM: some seccomp filters */
        epoll->coarse = true;
        return wait_coarse(epoll, ns);
    }
    return n;
}

static bool epoll_wait_for(struct ready *ready, leat_time timeout_ns)
{
    struct epoll *epoll = (struct epoll *)ready;
    int n = timeout_ns == 0 || epoll->coarse ? wait_coarse(epoll, timeout_ns)
                                             : wait_fine(epoll, timeout_ns);
    LEAT_ASSERT(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++) {
        uint32_t index = epoll->events[i].data.u32;
        uint32_t got = epoll->events[i].events;
        if (index != WAKE_INDEX) {
            ready_mark(ready, index,
                       ((got & EPOLLIN) != 0 ? READY_READ : 0u) |
                           ((got & EPOLLOUT) != 0 ? READY_WRITE : 0u) |
                           ((got & (EPOLLERR | EPOLLHUP)) != 0 ? READY_ERROR : 0u));
        }
    }
    return n >= 0 || errno != EINTR;
}

static const struct ready_wait epoll_waits = {
    .add = epoll_add,
    .change = epoll_change,
    .remove = epoll_remove,
    .wait = epoll_wait_for,
};

static void epoll_fini(struct io *io)
{
    struct epoll *epoll = (struct epoll *)io;
    ready_fini(&epoll->ready);
    close(epoll->fd);
    mem_free(epoll);
}

static int epoll_init(const struct io_config *config, struct io **ret)
{
    struct epoll *epoll = mem_zalloc(sizeof(*epoll), 64);
    if (epoll == NULL) {
        return -ENOMEM;
    }
    epoll->fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll->fd < 0) {
        int status = -errno;
        mem_free(epoll);
        return status;
    }
    int status = ready_init(&epoll->ready, config, &io_epoll, &epoll_waits);
    if (status < 0) {
        close(epoll->fd);
        mem_free(epoll);
        return status;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = WAKE_INDEX};
    if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, epoll->ready.wake_fd, &event) < 0) {
        status = -errno;
        epoll_fini((struct io *)epoll);
        return status;
    }
    *ret = (struct io *)epoll;
    return 0;
}

const struct io_ops io_epoll = {
    .name = "epoll",
    .probe = epoll_probe,
    .init = epoll_init,
    .submit = ready_submit,
    .turn = ready_turn,
    .wake = ready_wake,
    .now = ready_now,
    .fini = epoll_fini,
};
