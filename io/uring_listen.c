/* Listeners on a ring: one accept request for as long as it lasts. Where the kernel has no such
 * request, or had no descriptor, they are accepted from by system calls, 16 a turn, until nobody
 * waits. What was accepted is kept with the listener and told in turns. Invariant: a connection
 * that nobody has heard of has no requests. Backend's thread only. */
#include <errno.h>
#include <unistd.h>

#include "uring.h"

void uring_listen_drop(struct uring *uring, struct uring_sock *sock)
{
    while (sock->accepted_first != NULL) {
        struct uring_sock *unheard = sock->accepted_first;
        sock->accepted_first = unheard->next_accepted;
        tcp_close(uring->tcp, &unheard->tcp, true);
        uring->base.stats.sockets--;
        uring_release(uring, unheard);
    }
}

/* ---- accepting ---- */

/* A socket for it, of which nobody has heard yet; NULL: no memory. */
static struct uring_sock *take_accepted(struct uring *uring, const struct tcp_sock *accepted)
{
    struct uring_sock *sock = uring_sock_take(uring, &uring_stream_class);
    if (sock == NULL) {
        uring->base.stats.accept_failed++;
        close(accepted->fd);
        return NULL;
    }
    uint32_t index = sock->index;
    sock->tcp = *accepted;
    sock->index = index;
    sock->token = IO_TOKEN_NONE;
    sock->state = URING_UNHEARD;
    sock->last_read = URING_MORE;
    uring->base.stats.sockets++;
    uring->base.stats.accepted++;
    return sock;
}

static void accepted_fd(struct uring *uring, struct uring_sock *listener, int fd)
{
    struct tcp_sock accepted = {.fd = -1};
    if (tcp_accept_fd(uring->tcp, &listener->tcp, fd, &accepted) == TCP_AGAIN) {
        return;
    }
    if (listener->state != URING_OPEN) {
        tcp_close(uring->tcp, &accepted, true);
        return;
    }
    struct uring_sock *sock = take_accepted(uring, &accepted);
    if (sock == NULL) {
        return;
    }
    if (listener->accepted_first == NULL) {
        listener->accepted_first = sock;
    } else {
        listener->accepted_last->next_accepted = sock;
    }
    listener->accepted_last = sock;
    if (++listener->got_len >= URING_KEPT_MAX) {
        uring_unsettle(uring, listener);
    }
    uring_make_hot(uring, listener);
}

void uring_listen_answer(struct uring *uring, struct uring_sock *sock, int res, uint32_t flags)
{
    if (res >= 0) {
        accepted_fd(uring, sock, res);
    }
    if ((flags & IORING_CQE_F_MORE) != 0) {
        return;
    }
    sock->armed = false;
    if (res == -EINVAL) { /* since 5.19 */
        uring->accepts_by_hand = true;
    }
    if (res < 0 && res != -ECANCELED && res != -EINVAL) {
        sock->by_hand = true; /* no descriptor, or that connection was gone: see why, and turn it away */
        uring_make_hot(uring, sock);
    } else {
        uring_unsettle(uring, sock);
    }
}

/* ---- giving ---- */

static void give_one(struct io_done *done, const struct uring_sock *listener,
                     struct uring_sock *sock)
{
    sock->state = URING_OPEN;
    uring_done_fill(done, IO_DONE_ACCEPTED, listener, 0);
    done->sock = sock->index;
    done->peer = sock->tcp.peer;
}

/* By system calls: where the kernel has no other way, or had no descriptor. */
static unsigned accept_some(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                            unsigned cap)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < TCP_ACCEPTS && n < cap; i++) {
        struct tcp_sock accepted = {.fd = -1};
        struct uring_sock *taken;
        int status = 0;
        switch (tcp_accept(uring->tcp, &sock->tcp, &accepted, &status)) {
        case TCP_ACCEPTED:
            taken = take_accepted(uring, &accepted);
            if (taken != NULL) {
                give_one(&done[n++], sock, taken);
            }
            break;
        case TCP_NONE:
            sock->by_hand = false;
            uring_unsettle(uring, sock);
            return n;
        case TCP_AGAIN:
        case TCP_TURNED_AWAY:
            break;
        case TCP_EXHAUSTED: /* it rests: nothing tells when there is a descriptor */
            sock->exhausted = uring_stream_alarm(uring, sock, TCP_EXHAUSTED_NS);
            if (!sock->exhausted) {
                uring_make_hot(uring, sock);
            }
            return n;
        }
    }
    uring_make_hot(uring, sock);
    return n;
}

unsigned uring_listen_give(struct uring *uring, struct uring_sock *sock, struct io_done *done,
                           unsigned cap)
{
    unsigned n = 0;
    while (n < cap && sock->accepted_first != NULL) {
        struct uring_sock *accepted = sock->accepted_first;
        sock->accepted_first = accepted->next_accepted;
        if (sock->got_len-- == URING_KEPT_MAX) {
            uring_unsettle(uring, sock);
        }
        give_one(&done[n++], sock, accepted);
    }
    if (sock->accepted_first != NULL) {
        uring_make_hot(uring, sock);
    } else if (n < cap && sock->by_hand && sock->reads && !sock->exhausted) {
        n += accept_some(uring, sock, &done[n], cap - n);
    }
    return n;
}
