/* TUN and TAP of one worker. An interface is a socket like one of UDP, without peers and routes. */
#ifndef LEAT_TUNS_H
#define LEAT_TUNS_H

#include "sockets.h"

/* OPEN_TUN: as sockets_output. */
int tun_output_open(struct sockets *sockets, struct cell *cell, const struct leat_output *output);

/* A packet. */
void tun_done_data(struct sockets *sockets, struct socket *socket, const struct io_done *done);

/* Logs an OPENED that is an error, and what the user can do. */
void tun_complain(struct host *host, const struct io_done *done);

#endif
