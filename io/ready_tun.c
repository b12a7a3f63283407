/* TUN and TAP by readiness: who is read and written when; tun.c does it. An interface that was
 * deleted is found out by whoever reads or writes next, closed here and told as CLOSED.
 * Backend's thread only. */
#include <errno.h>

#include "ready.h"

#define BUSY_LEN 4u /* packets of a read after which more are likely next turn */

int tun_sock_open(struct ready *ready, const struct io_op *op)
{
    struct ready_sock *sock = ready_sock_take(ready);
    if (sock == NULL) {
        return -ENOMEM;
    }
    sock->is_tun = true;
    sock->token = op->token;
    sock->status = tun_open(&sock->tun, op->open_tun.config);
    if (sock->status == 0) {
        sock->status = ready->ops->add(ready, sock);
    }
    if (sock->status == 0) {
        sock->state = STATE_OPEN;
        ready->base.stats.sockets++;
        ready_make_hot(ready, sock);
    } else {
        sock->state = STATE_FAILED;
        tun_close(&ready->tun, &sock->tun);
    }
    ready_tell(ready, sock, TELL_OPENED);
    return 0;
}

static void closed(struct ready *ready, struct ready_sock *sock, int status)
{
    ready->ops->remove(ready, sock);
    ready->base.stats.send_errors += sock->tun.queued;
    ready->base.stats.sockets--;
    tun_close(&ready->tun, &sock->tun);
    sock->state = STATE_CLOSED;
    sock->status = status;
    ready_tell(ready, sock, TELL_CLOSED);
}

/* ---- sending ---- */

void tun_sock_flush(struct ready *ready, struct ready_sock *sock)
{
    if (sock->state != STATE_OPEN && sock->state != STATE_CLOSING) {
        return; /* it has ended meanwhile */
    }
    enum tun_flushed result = tun_flush(&ready->tun, &sock->tun);
    if (sock->tun.error != 0) {
        ready_tell(ready, sock, TELL_ERROR);
    }
    if (sock->state == STATE_CLOSING || sock->tun.is_gone) {
        closed(ready, sock, sock->state == STATE_CLOSING ? 0 : -ENODEV);
        return;
    }
    bool writable = result == TUN_BLOCKED;
    sock->congested = result == TUN_CONGESTED;
    if (sock->congested) {
        ready_congested(ready);
    }
    if (sock->writable != writable) {
        sock->writable = writable;
        ready->ops->change(ready, sock);
    }
    if (tun_has_room(&ready->tun, &sock->tun)) {
        ready_tell(ready, sock, TELL_WRITABLE);
    }
}

int tun_sock_submit(struct ready *ready, struct ready_sock *sock, const struct io_op *op)
{
    if (op->kind == IO_OP_CLOSE) {
        sock->state = STATE_CLOSING;
        ready_make_dirty(ready, sock);
        return 0;
    }
    LEAT_ASSERT(op->kind == IO_OP_DATA);
    int status = tun_submit(&ready->tun, &sock->tun, op);
    if (LEAT_UNLIKELY(status == -EAGAIN) && !sock->writable && !sock->congested) {
        sock->tun.want_writable = false; /* full with what the kernel was not asked to take yet */
        tun_sock_flush(ready, sock);
        if (sock->state != STATE_OPEN) {
            return -EBADF;
        }
        status = tun_submit(&ready->tun, &sock->tun, op);
    }
    if (LEAT_LIKELY(status == 0) && !sock->writable && !sock->congested) {
        ready_make_dirty(ready, sock);
    }
    return status;
}

/* ---- receiving ---- */

unsigned tun_sock_read(struct ready *ready, struct ready_sock *sock, struct io_done *done,
                       unsigned cap)
{
    enum tun_more more;
    unsigned n = tun_receive(&ready->tun, &sock->tun, done, cap, &more);
    sock->read_turn = ready->turn;
    if (more == TUN_GONE) {
        closed(ready, sock, -ENODEV);
        return n;
    }
    ready_starved(ready, sock, more == TUN_STARVED);
    if (n >= BUSY_LEN || more != TUN_DRAINED) {
        ready_make_hot(ready, sock);
    }
    return n;
}
