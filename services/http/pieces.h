/* What messages between actors are put together from: one buffer with a struct and its strings, and a body by
 * reference; and bodies that are collected. */
#ifndef LEAT_SERVICES_HTTP_PIECES_H
#define LEAT_SERVICES_HTTP_PIECES_H

#include <leat/actor.h>
#include <leat/http_message.h>

/* `first` alone when `body` is empty, else a batch of both. Both references are given away, whatever is
 * returned: 0; -ENOMEM. */
int pieces_pair(leat_slice first, leat_slice body, leat_slice *ret);

/* The first of such a message, lent. */
leat_slice pieces_first(leat_slice message);

/* The body of such a message, lent; buf is NULL when it has none. */
leat_slice pieces_body(leat_slice message);

/* Adds bytes to a body whose buffer has room for *cap; a larger one takes its place when it has not. An empty
 * slice is a body that has not begun. -ENOMEM: it is as it was. */
int pieces_append(leat_slice *body, uint32_t *cap, leat_http_str bytes);

/* Bytes that the copies of these headers take, and the copies: at *at, which moves behind them. It is aligned
 * for a struct leat_http_header. */
size_t pieces_headers_len(const struct leat_http_header *headers, size_t count);
const struct leat_http_header *pieces_headers(char **at, const struct leat_http_header *headers,
                                              size_t count);
leat_http_str pieces_str(char **at, leat_http_str str);

#endif
