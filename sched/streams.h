/* Streams of one worker: listeners and connections. What a stream brings waits at its socket, not
 * in the owner's mailbox, so that it is bounded by bytes, in order, and can be stopped. */
#ifndef LEAT_STREAMS_H
#define LEAT_STREAMS_H

#include "sockets.h"

/* LISTEN, CONNECT, GIVE, FINISH, PAUSE, RESUME: as sockets_output. */
int stream_output(struct sockets *sockets, struct cell *cell, const struct leat_output *output);

/* DATA, FINISHED, ACCEPTED of a socket that is a stream. */
void stream_done(struct sockets *sockets, struct socket *socket, const struct io_done *done);

/* The backend has ended it unasked: what was read is given first, SOCK_CLOSED is the last. */
void stream_ended(struct sockets *sockets, struct socket *socket, int status);

/* Takes SOCK_CLOSED, the last, off what waits at one that the backend has ended. */
union node *stream_take_end(struct socket *socket);

/* host_ops.stream_next. */
union node *stream_next(struct sockets *sockets, struct cell *cell, leat_ref to, union node *token);

/* Forgets what waits at a socket; connections that nobody has heard of are reset. */
void streams_drop(struct sockets *sockets, struct socket *socket);

#endif
