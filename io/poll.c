/* The poll(2) backend, the portable floor: an array of what is waited for, kept up to date as
 * sockets come, go and change, never rebuilt for a wait. Entry 0 is the eventfd that ends a wait;
 * it is read, poll knows no edges. Costs a scan of all sockets per wait: fine for a few hundred.
 * Backend's thread only, but for wake. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "mem.h"
#include "ready.h"

#define SLOTS_FIRST 16u

struct poll {
    struct ready   ready;
    struct pollfd *fds;
    uint32_t      *indexes; /* of the socket in each entry */
    uint32_t       len;
    uint32_t       max;
};

static int poll_probe(char *why, size_t why_len)
{
    (void)why;
    (void)why_len;
    return 0;
}

static int grow(struct poll *poll)
{
    uint32_t max = poll->max == 0 ? SLOTS_FIRST : poll->max * 2;
    struct pollfd *fds = mem_alloc(max * sizeof(*fds), 8);
    uint32_t *indexes = mem_alloc(max * sizeof(*indexes), 8);
    if (fds == NULL || indexes == NULL) {
        mem_free(fds);
        mem_free(indexes);
        return -ENOMEM;
    }
    if (poll->len > 0) {
        memcpy(fds, poll->fds, poll->len * sizeof(*fds));
        memcpy(indexes, poll->indexes, poll->len * sizeof(*indexes));
    }
    mem_free(poll->fds);
    mem_free(poll->indexes);
    poll->fds = fds;
    poll->indexes = indexes;
    poll->max = max;
    return 0;
}

static short events_of(const struct ready_sock *sock)
{
    uint32_t interest = ready_interest(sock);
    int events = ((interest & READY_READ) != 0 ? POLLIN : 0) |
                 ((interest & READY_WRITE) != 0 ? POLLOUT : 0);
    return (short)events;
}

static int poll_add(struct ready *ready, struct ready_sock *sock)
{
    struct poll *poll = (struct poll *)ready;
    if (poll->len == poll->max && grow(poll) < 0) {
        return -ENOMEM;
    }
    sock->slot = poll->len++;
    poll->fds[sock->slot] = (struct pollfd){.fd = sock->fd, .events = events_of(sock)};
    poll->indexes[sock->slot] = sock->index;
    return 0;
}

static void poll_change(struct ready *ready, struct ready_sock *sock)
{
    struct poll *poll = (struct poll *)ready;
    LEAT_ASSERT(sock->slot > 0 && sock->slot < poll->len);
    poll->fds[sock->slot].events = events_of(sock);
}

static void poll_remove(struct ready *ready, struct ready_sock *sock)
{
    struct poll *poll = (struct poll *)ready;
    LEAT_ASSERT(sock->slot > 0 && sock->slot < poll->len);
    uint32_t last = --poll->len;
    poll->fds[sock->slot] = poll->fds[last];
    poll->indexes[sock->slot] = poll->indexes[last];
    ready->socks[poll->indexes[last]]->slot = sock->slot;
}

static void drain_wake(int fd)
{
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof(count));
    (void)ignored;
}

static bool poll_wait(struct ready *ready, leat_time timeout_ns)
{
    struct poll *poll = (struct poll *)ready;
    struct timespec span = {.tv_sec = (time_t)(timeout_ns / LEAT_SEC),
                            .tv_nsec = (long)(timeout_ns % LEAT_SEC)};
    int n = ppoll(poll->fds, poll->len, timeout_ns == LEAT_NEVER ? NULL : &span, NULL);
    LEAT_ASSERT(n >= 0 || errno == EINTR || errno == ENOMEM);
    if (n > 0 && poll->fds[0].revents != 0) {
        drain_wake(poll->fds[0].fd);
        n--;
    }
    for (uint32_t i = 1; n > 0 && i < poll->len; i++) {
        short got = poll->fds[i].revents;
        if (got != 0) {
            n--;
            ready_mark(ready, poll->indexes[i],
                       ((got & POLLIN) != 0 ? READY_READ : 0u) |
                           ((got & POLLOUT) != 0 ? READY_WRITE : 0u) |
                           ((got & (POLLERR | POLLHUP)) != 0 ? READY_ERROR : 0u));
        }
    }
    return n >= 0 || errno != EINTR;
}

static const struct ready_wait poll_waits = {
    .add = poll_add,
    .change = poll_change,
    .remove = poll_remove,
    .wait = poll_wait,
};

static void poll_fini(struct io *io)
{
    struct poll *poll = (struct poll *)io;
    ready_fini(&poll->ready);
    mem_free(poll->fds);
    mem_free(poll->indexes);
    mem_free(poll);
}

static int poll_init(const struct io_config *config, struct io **ret)
{
    struct poll *poll = mem_zalloc(sizeof(*poll), 64);
    if (poll == NULL) {
        return -ENOMEM;
    }
    int status = grow(poll);
    if (status == 0) {
        status = ready_init(&poll->ready, config, &io_poll, &poll_waits);
    }
    if (status < 0) {
        mem_free(poll->fds);
        mem_free(poll->indexes);
        mem_free(poll);
        return status;
    }
    poll->fds[0] = (struct pollfd){.fd = poll->ready.wake_fd, .events = POLLIN};
    poll->len = 1;
    *ret = (struct io *)poll;
    return 0;
}

const struct io_ops io_poll = {
    .name = "poll",
    .probe = poll_probe,
    .init = poll_init,
    .submit = ready_submit,
    .turn = ready_turn,
    .wake = ready_wake,
    .now = ready_now,
    .fini = poll_fini,
};
