/* The client's side of one HTTP/1.1 connection, one request at a time. See leat/http.h for what holds
 * throughout; events and the way to read are the server's. */
#ifndef LEAT_HTTP_CLIENT_H
#define LEAT_HTTP_CLIENT_H

#include <leat/http_server.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_http_client leat_http_client;

/* ---- life: as of a server ---- */

LEAT_API size_t leat_http_client_size(const struct leat_http_config *config);
LEAT_API int    leat_http_client_init(void *memory, const struct leat_http_config *config, leat_time now,
                                      leat_http_client **ret);
LEAT_API int    leat_http_client_open(const struct leat_http_config *config, leat_time now,
                                      leat_http_client **ret);
LEAT_API void   leat_http_client_close(leat_http_client *client); /* NULL is allowed */

/* ---- out ---- */

struct leat_http_query {
    leat_http_str method; /* a token, but CONNECT */
    leat_http_str target; /* starts with '/', or is "*" for OPTIONS */
    leat_http_str host;   /* with the port if it is not the scheme's */
    bool          close;  /* ask for the connection's end after the response */
    uint64_t      body_len; /* bytes, or LEAT_HTTP_LEN_UNKNOWN: chunked */
    const struct leat_http_header *headers;
    size_t                         header_count;
};

/* Writes the head of a request. Host, Content-Length, Transfer-Encoding and Connection are written by the
 * machine and refused among the headers. -EINVAL; -ENOSPC; -EBUSY: a request is under way; -EPIPE: the
 * connection takes no more of them. */
LEAT_API int leat_http_client_request(leat_http_client *client, const struct leat_http_query *query,
                                      struct leat_http_out *out);

/* As of a server's response: `len` bytes of body follow. -EMSGSIZE: more than body_len; -ENOSPC; -EPIPE. */
LEAT_API int leat_http_client_data(leat_http_client *client, uint64_t len, struct leat_http_out *out);
LEAT_API int leat_http_client_write(leat_http_client *client, leat_http_str data,
                                    struct leat_http_out *out);

/* Ends the request; also needed when it has no body. -EMSGSIZE: less than body_len was sent; -ENOSPC;
 * -EPIPE. */
LEAT_API int leat_http_client_end(leat_http_client *client, leat_time now, struct leat_http_out *out);

/* ---- in ---- */

/* As leat_http_server_read: RESPONSE (also for a 1xx, of which at most 16 may come first), BODY, END, ERROR. A response
 * that came before the request was sent whole ends the connection. Bytes that nothing asked for are an
 * ERROR. An error's status is 0. */
LEAT_API size_t leat_http_client_read(leat_http_client *client, leat_time now, leat_http_str bytes,
                                      struct leat_http_event *ret);

/* The peer closed: END of a body that lasts until then, CLOSE between responses, otherwise ERROR. */
LEAT_API void leat_http_client_eof(leat_http_client *client, struct leat_http_event *ret);

LEAT_API leat_time leat_http_client_deadline(const leat_http_client *client);
LEAT_API void      leat_http_client_expire(leat_http_client *client, leat_time now,
                                           struct leat_http_event *ret);

/* Whether the connection is to be closed: no other request can be sent on it. */
LEAT_API bool leat_http_client_is_done(const leat_http_client *client);

#ifdef __cplusplus
}
#endif

#endif
