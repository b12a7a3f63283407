/* Streams in the simulated world: ordered and reliable, cut at random places, with a window, delay,
 * RST and half close. One thread. */
#ifndef LEAT_IO_SIM_STREAM_H
#define LEAT_IO_SIM_STREAM_H

#include "sim_net.h"

#define SIM_WINDOW_LEN 65536u /* bytes of a direction on their way or not yet read */

enum sim_stream_state {
    SIM_LISTENING,
    SIM_CONNECTING,
    SIM_CONNECTED,
    SIM_DISCARDING, /* closed, and the world's: what comes is dropped until the peer's FIN */
};

/* A listener, or one end of a connection. */
struct sim_stream {
    struct sim_port    port; /* its inbox: BYTES and FIN */
    uint8_t            state; /* enum sim_stream_state */
    bool               fin_sent;
    bool               eof;   /* the peer's FIN has been read */
    bool               alarmed; /* its alarm has gone off */
    int                error; /* -ECONNRESET, ...: behind what is in the inbox */
    struct leat_addr   peer;
    uint64_t           peer_serial;
    leat_time          last_at; /* when what was sent last arrives */
    uint32_t           window;  /* bytes that may be sent */
    uint32_t           taken;   /* bytes of the inbox's first */
    uint32_t           unsaid;  /* bytes read that the peer's window does not have yet */
    uint32_t           backlog;
    uint32_t           pending_len; /* of a listener: not yet accepted */
    struct sim_stream *pending;
    struct sim_stream *pending_last;
    struct sim_stream *next;
    struct sim_flight *alarm;
};

/* NULL with *ret_status: -EADDRINUSE, -ENOMEM. */
struct sim_stream *sim_stream_listen(struct sim_world *world, const struct leat_addr *local,
                                     uint32_t backlog, bool reuseport, bool dual_stack,
                                     int *ret_status);
struct sim_stream *sim_stream_connect(struct sim_world *world, const struct leat_addr *peer,
                                      const struct leat_addr *local, int *ret_status);

/* A connection that waits to be accepted; NULL: none. */
struct sim_stream *sim_stream_accept(struct sim_stream *listener);

/* Puts bytes on their way, as many as the window has room for; returns how many. */
uint32_t sim_stream_send(struct sim_world *world, struct sim_stream *stream, const uint8_t *bytes,
                         uint32_t len);
void     sim_stream_finish(struct sim_world *world, struct sim_stream *stream);

/* Bytes that have arrived in a row. */
uint32_t sim_stream_arrived_len(const struct sim_stream *stream);

/* Takes up to `len` of them, copied; 0: the FIN comes next (eof is set then), or nothing is
 * there. */
uint32_t sim_stream_read(struct sim_world *world, struct sim_stream *stream, uint8_t *ret,
                         uint32_t len);

/* `alarmed` is set at that time, in place of any other; LEAT_NEVER: not at all. */
void sim_stream_alarm(struct sim_world *world, struct sim_stream *stream, leat_time at);

/* Its end: with `reset` the peer is told at once, else it is sent FIN, and the world keeps it for a
 * second. */
void sim_stream_close(struct sim_world *world, struct sim_stream *stream, bool reset);

/* Whether it is a connection, and resets it: both ends are told, as if by the other. */
bool sim_stream_reset(struct sim_world *world, struct sim_stream *stream);

/* A flight of a stream has arrived. Takes it over. */
void sim_stream_arrived(struct sim_world *world, struct sim_flight *flight);

/* The world ends, and this was left in it. */
void sim_stream_free(struct sim_world *world, struct sim_stream *stream);

#endif
