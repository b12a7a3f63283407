/* URLs and the paths of files. See leat/http.h for what holds throughout. */
#ifndef LEAT_HTTP_URL_H
#define LEAT_HTTP_URL_H

#include <leat/http_message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- URLs ---- */

struct leat_http_url {
    bool          tls;    /* https */
    uint16_t      port;   /* the scheme's when the URL names none */
    leat_http_str host;   /* an IPv6 address without its brackets */
    leat_http_str authority; /* host and port as written: the Host field */
    leat_http_str target; /* path and query: the request target; empty stands for "/" */
};

/* Reads "http://host:port/path?query" or https. Refused are user names, fragments, empty hosts, and bytes
 * that may not stand in a URL. -EINVAL. */
LEAT_API int leat_http_url_parse(leat_http_str text, struct leat_http_url *ret);

/* Whether it is a host with an optional port, as the Host field has it. */
LEAT_API bool leat_http_host_is_valid(leat_http_str host);

/* Decodes %XX, and '+' into a blank if `plus` says so (a query's values). *ret is in `buf`, or is `text`
 * itself when there is nothing to decode. -EINVAL: a '%' without two hex digits, or a NUL; -ENOSPC. */
LEAT_API int leat_http_url_decode(leat_http_str text, bool plus, char *buf, size_t cap,
                                  leat_http_str *ret);

/* Takes the next "name=value" off *query; both are as they came, to be decoded. A name without '=' has an
 * empty value; empty pairs are skipped. False: none left. */
LEAT_API bool leat_http_query_next(leat_http_str *query, leat_http_str *ret_name,
                                   leat_http_str *ret_value);

/* ---- paths of files ---- */

#define LEAT_HTTP_PATH_HIDDEN 1u /* allow names that start with a dot */

/* Makes the path of a file from that of a request: decoded once, "." and ".." resolved, one '/' between
 * names. The result starts with '/', ends with '/' where the request's did, and holds no "." or ".."
 * segment, no empty one, no NUL, control character or backslash, and is valid UTF-8. -EINVAL: it is none
 * (a bad escape; an escaped '/', '\' or NUL; a ".." above the root; bytes that are not UTF-8, overlong
 * forms among them; a hidden name without the flag); -ENOSPC. */
LEAT_API int leat_http_path_clean(leat_http_str path, unsigned flags, char *buf, size_t cap,
                                  leat_http_str *ret);

/* `root` and the cleaned path, with a terminating 0 that *ret does not count. What it returns always names
 * something under `root` as far as text can tell: symbolic links are for openat2(RESOLVE_BENEATH). `root`
 * is the caller's and not looked at. Errors as above. */
LEAT_API int leat_http_path_under(leat_http_str root, leat_http_str path, unsigned flags, char *buf,
                                  size_t cap, leat_http_str *ret);

#ifdef __cplusplus
}
#endif

#endif
