/* The rules of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) on requests and answers, as
 * functions on what a client sent: no actor, no memory. Whatever the bytes, they only say what
 * these are. */
#ifndef MEDIA_WHIP_H
#define MEDIA_WHIP_H

#include <leat/httpd.h>
#include <leat/media.h>

#define WHIP_SDP "application/sdp"
#define WHIP_FRAGMENT "application/trickle-ice-sdpfrag"
#define WHIP_PROBLEM "application/problem+json"

#define WHIP_ID_LEN 24u      /* of a session, base64url of 144 bits */
#define WHIP_ORIGIN_MAX 300u /* bytes; a longer one is nobody's */

/* ---- what a request is for ---- */

struct whip_target {
    enum leat_media_use use;
    leat_http_str stream;  /* a valid name; empty: "endpoint", the token is to name it. Lent */
    leat_http_str session; /* empty: the endpoint itself */
};

/* A path, not decoded. -ENOENT: it can be none of ours. */
int whip_target_of(leat_http_str path, struct whip_target *ret);

/* [A-Za-z0-9._-]{1,64}, but for ".", ".." and "endpoint". */
bool whip_is_stream(leat_http_str name);

/* ---- who asks ---- */

enum whip_token { WHIP_TOKEN_NONE, WHIP_TOKEN_BEARER, WHIP_TOKEN_OTHER };

/* OTHER: an Authorization field that is not "Bearer" and a token, or more than one. */
enum whip_token whip_token_of(const struct leat_http_head *head, leat_http_str *ret);

/* "localhost", a name below it, 127.0.0.0/8 or [::1], with or without a port. */
bool whip_host_is_loopback(leat_http_str host);

/* "http://" or "https://" and such a host. */
bool whip_origin_is_loopback(leat_http_str origin);

/* What Access-Control-Allow-Origin says to the Origin of a request: those given, and loopback
 * ones; "" when there is none or it is not allowed. Lent with the head. */
leat_http_str whip_allowed_origin(const struct leat_http_head *head, const char *const *origins,
                                  uint32_t count);

/* An OPTIONS that a browser asks by itself, without the user's token (Fetch, 4.8). */
bool whip_is_preflight(const struct leat_http_request *request);

/* ---- what it brings ---- */

/* 0; or 415, 400 (there is none), 413. */
unsigned whip_body_status(const struct leat_httpd_request *request, const char *type);

enum whip_match { WHIP_MATCH_MISSING, WHIP_MATCH_ANY, WHIP_MATCH_CURRENT, WHIP_MATCH_OTHER };

/* What If-Match says of `etag`. ANY: *, also in quotes, as RFC 9725 writes it. */
enum whip_match whip_match_of(const struct leat_http_head *head, leat_http_str etag);

/* ---- answers ---- */

#define WHIP_HEADERS_MAX 16u

struct whip_headers {
    struct leat_http_header list[WHIP_HEADERS_MAX];
    size_t count;
};

/* Values are lent until the answer is sent. */
void whip_header(struct whip_headers *headers, const char *name, leat_http_str value);

/* Those of CORS: `origin` as whip_allowed_origin says it. Also Vary. */
void whip_cors(struct whip_headers *headers, leat_http_str origin);
void whip_preflight(struct whip_headers *headers, const struct whip_target *target);

#endif
