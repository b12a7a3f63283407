/* Which handler a request is for: a static table, looked through from its first line to its last. See
 * leat/http.h for what holds throughout. */
#ifndef LEAT_HTTP_ROUTER_H
#define LEAT_HTTP_ROUTER_H

#include <leat/http_message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_HTTP_PARAM_MAX 8u /* of one pattern */

/* A pattern is a path whose segments are literal, ":name" (one segment, not empty), or at its end "*name"
 * (the rest, perhaps empty): "/whip/:stream", "/static/" followed by "*file". */
struct leat_http_route {
    enum leat_http_method method;
    const char           *pattern;
    uint32_t              id; /* the caller's */
};

struct leat_http_param {
    leat_http_str name;
    leat_http_str value; /* as in the path: not decoded */
};

struct leat_http_match {
    uint16_t               status; /* 200: `id` handles it; 404; 405, or 204 for OPTIONS: send Allow */
    uint16_t               param_count;
    uint32_t               id;
    uint32_t               methods; /* with 405 and 204: a bit per enum leat_http_method the path takes */
    struct leat_http_param params[LEAT_HTTP_PARAM_MAX];
};

/* Finds the first route that fits; HEAD is taken by a GET route when none of its own fits, OPTIONS is
 * answered with 204 when none does, and "OPTIONS *" is answered for the whole table. Literals are compared
 * byte for byte with the path as it came. A parameter never takes "." or "..", however written. A pattern
 * that does not start with '/', or has more than LEAT_HTTP_PARAM_MAX parameters, is a programmer's error. */
LEAT_API void leat_http_router_find(const struct leat_http_route *routes, size_t route_count,
                                    enum leat_http_method method, leat_http_str path,
                                    struct leat_http_match *ret);

/* Writes the value of Allow: "GET, HEAD, OPTIONS". */
LEAT_API int leat_http_allow(struct leat_http_out *out, uint32_t methods);

#ifdef __cplusplus
}
#endif

#endif
