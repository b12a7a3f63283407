/* One end of a tunnel: what the interface gives is sent to the peer, and the other way round. A
 * super-packet is passed whole where a datagram can be as long, else cut into packets that leave
 * as one train. A tunnel drops what there is no room for; whoever is inside sends it again. */
#include "actor.h"
#include "frame.h"

#include <errno.h>

#define SOCKET_BYTES (8u << 20) /* of a few hundred super-packets */

enum { OPEN_UDP, OPEN_TUN }; /* cookies */

struct tunnel {
    struct tunnel_config config;
    struct tunnel_totals totals;
    leat_sock udp, tun;
    leat_slice train; /* from the peer, one reference: datagrams that are not written yet */
    uint32_t   train_size;
    leat_slice packet; /* from the interface, one reference: of which packets are still to be cut */
    struct leat_tun_offload offload;
    uint32_t   cut; /* those that are */
    leat_outbox(2) out;
};

static int tunnel_init(void *state, const void *arg, leat_time now)
{
    struct tunnel *self = state;
    (void)now;
    self->config = *(const struct tunnel_config *)arg;
    self->config.tun.addrs = self->config.addrs;
    struct leat_output *open = leat_outbox_put(&self->out);
    leat_output_open(open, &self->config.local, OPEN_UDP);
    open->open.recv_buf = SOCKET_BYTES;
    open->open.send_buf = SOCKET_BYTES;
    open->open.flags = LEAT_UDP_TRAINS;
    return 0;
}

/* From the interface: whole, if a datagram may be as long. */
static void on_packet(struct tunnel *self, const struct leat_event *event)
{
    leat_slice body = event->tun.body;
    uint8_t *frame = FRAME_LEN + body.len <= self->config.datagram_max
                         ? leat_slice_prepend(&body, FRAME_LEN)
                         : NULL;
    if (frame != NULL) {
        frame_put(frame, &event->tun.offload);
        leat_output_data(leat_outbox_put(&self->out), self->udp, &self->config.peer,
                         leat_slice_ref(body));
        self->totals.sent++;
        return;
    }
    self->packet = leat_slice_ref(body);
    self->offload = event->tun.offload;
    self->cut = 0;
}

/* The next train of a super-packet that is cut. */
static bool next_train(struct tunnel *self, struct leat_output *ret)
{
    leat_slice train;
    uint32_t segment_size;
    if (self->packet.buf == NULL) {
        return false;
    }
    int status = frame_cut(self->packet, &self->offload, self->config.datagram_max, &self->cut,
                           &train, &segment_size);
    if (status == 0) {
        leat_output_data(ret, self->udp, &self->config.peer, train);
        ret->segment_size = segment_size;
        return true;
    }
    bool is_cut = self->cut > 0 && status == -EINVAL; /* all of it */
    self->totals.sent += is_cut;
    self->totals.dropped += !is_cut;
    leat_buf_unref(self->packet.buf);
    self->packet = (leat_slice){0};
    return false;
}

/* From the network: only what the peer sends is looked at. */
static void on_datagrams(struct tunnel *self, const struct leat_event *event)
{
    if (!leat_addr_equal(&event->data.peer, &self->config.peer) ||
        leat_sock_equal(self->tun, LEAT_SOCK_NONE)) {
        self->totals.garbage++;
        return;
    }
    self->train = leat_slice_ref(event->data.body);
    self->train_size = event->segment_size != 0 ? event->segment_size : self->train.len;
}

static void on_opened(struct tunnel *self, const struct leat_event *event)
{
    struct leat_output *out = leat_outbox_put(&self->out);
    if (event->status != 0) {
        leat_output_fail(out, event->status); /* main is told by DOWN */
    } else if (event->opened.cookie == OPEN_UDP) {
        self->udp = event->sock;
        leat_output_open_tun(out, &self->config.tun, OPEN_TUN);
    } else {
        self->tun = event->sock;
        leat_output_send(out, self->config.main, TUNNEL_OPEN, &event->tun_opened.info,
                         sizeof(event->tun_opened.info));
    }
}

static void tunnel_on_event(void *state, const struct leat_event *event)
{
    struct tunnel *self = state;
    switch (event->kind) {
    case LEAT_EVENT_DATA:
        if (leat_sock_equal(event->sock, self->tun)) {
            on_packet(self, event);
        } else {
            on_datagrams(self, event);
        }
        break;
    case LEAT_EVENT_OPENED:
        on_opened(self, event);
        break;
    case LEAT_EVENT_SOCK_ERROR: /* the other end is not there, or sent what is no packet */
        self->totals.errors++;
        break;
    case LEAT_EVENT_SOCK_CLOSED: /* somebody has deleted the interface */
        leat_output_fail(leat_outbox_put(&self->out), event->status);
        break;
    case LEAT_EVENT_SHUTDOWN:
        leat_output_send(leat_outbox_put(&self->out), self->config.main, TUNNEL_TOTALS,
                         &self->totals, sizeof(self->totals));
        leat_output_stop(leat_outbox_put(&self->out));
        break;
    default:
        break;
    }
}

/* The next packet of a train. */
static bool next_packet(struct tunnel *self, struct leat_output *ret)
{
    struct leat_tun_offload offload;
    leat_slice packet;
    while (self->train.buf != NULL) {
        leat_slice datagram = leat_slice_sub(self->train, 0, self->train_size);
        bool is_last = datagram.len == self->train.len;
        bool is_good = frame_read(datagram, &packet, &offload);
        if (is_good) {
            leat_output_packet(ret, self->tun, leat_slice_ref(packet), &offload);
        }
        self->train = leat_slice_sub(self->train, datagram.len, self->train.len);
        if (is_last) {
            leat_buf_unref(self->train.buf);
            self->train = (leat_slice){0};
        }
        self->totals.received += is_good;
        self->totals.garbage += !is_good;
        if (is_good) {
            return true;
        }
    }
    return false;
}

static bool tunnel_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct tunnel *self = state;
    (void)now;
    return leat_outbox_pop(&self->out, ret) || next_train(self, ret) || next_packet(self, ret);
}

static void tunnel_on_refused(void *state, struct leat_output *output, int status)
{
    struct tunnel *self = state;
    if (output->kind == LEAT_OUTPUT_DATA) {
        self->totals.dropped++;
    } else if (output->kind == LEAT_OUTPUT_OPEN_TUN) {
        leat_output_fail(leat_outbox_put(&self->out), status);
    }
    leat_output_release(output);
}

static void tunnel_fini(void *state)
{
    struct tunnel *self = state;
    leat_buf_unref(self->train.buf);
    leat_buf_unref(self->packet.buf);
}

const struct leat_behavior tunnel = {
    .name = "tunnel",
    .state_size = sizeof(struct tunnel),
    .init = tunnel_init,
    .on_event = tunnel_on_event,
    .pop_output = tunnel_pop_output,
    .on_refused = tunnel_on_refused,
    .fini = tunnel_fini,
};
