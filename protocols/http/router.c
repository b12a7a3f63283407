/* The router: every route of the table is tried in its order, segment by segment. No memory, no setup; a
 * table of a few dozen lines is looked through in less time than its request took to parse. */
#include <leat/http_router.h>

#include <errno.h>

#include "text.h"

#define BIT(method) (UINT32_C(1) << (method))

/* Cuts the first segment, without its '/', off *path. */
static leat_http_str take_segment(leat_http_str *path)
{
    ENSURE(path->len > 0 && path->data[0] == '/');
    const leat_http_str rest = str_skip(*path, 1);
    const size_t len = str_find(rest, '/');
    *path = str_skip(rest, len);
    return str(rest.data, len);
}

/* "." and "..", with any dot written as %2e. */
static bool is_dots(leat_http_str segment)
{
    unsigned dots = 0;
    while (segment.len) {
        const bool escaped = segment.len >= 3 && segment.data[0] == '%' && segment.data[1] == '2' &&
                             char_lower(segment.data[2]) == 'e';
        if (!escaped && segment.data[0] != '.') {
            return false;
        }
        dots++;
        segment = str_skip(segment, escaped ? 3 : 1);
    }
    return dots == 1 || dots == 2;
}

static void add_param(struct leat_http_match *match, leat_http_str name, leat_http_str value)
{
    ENSURE(match->param_count < LEAT_HTTP_PARAM_MAX);
    match->params[match->param_count++] = (struct leat_http_param){name, value};
}

/* Whether the pattern fits the whole path; its parameters go into *match. */
static bool fits(const char *pattern_text, leat_http_str path, struct leat_http_match *match)
{
    leat_http_str pattern = leat_http_str_of(pattern_text);
    ENSURE(pattern.len > 0 && pattern.data[0] == '/');
    match->param_count = 0;
    while (pattern.len && path.len) {
        const leat_http_str before = str_skip(path, 1);
        const leat_http_str wanted = take_segment(&pattern);
        if (wanted.len && wanted.data[0] == '*') {
            add_param(match, str_skip(wanted, 1), before);
            return true;
        }
        const leat_http_str got = take_segment(&path);
        if (wanted.len && wanted.data[0] == ':') {
            if (got.len == 0 || is_dots(got)) {
                return false;
            }
            add_param(match, str_skip(wanted, 1), got);
        } else if (!leat__http_str_same(wanted, got)) {
            return false;
        }
    }
    return pattern.len == 0 && path.len == 0;
}

/* What a route's method lets the path take. */
static uint32_t methods_of(const struct leat_http_route *route)
{
    return BIT(route->method) | BIT(LEAT_HTTP_OPTIONS) |
           (route->method == LEAT_HTTP_GET ? BIT(LEAT_HTTP_HEAD) : 0);
}

void leat_http_router_find(const struct leat_http_route *routes, size_t route_count,
                           enum leat_http_method method, leat_http_str path,
                           struct leat_http_match *ret)
{
    const bool all = method == LEAT_HTTP_OPTIONS && leat_http_str_equal(path, "*");
    struct leat_http_match fallback = {.status = 404}, match = {0};
    uint32_t methods = 0;
    for (size_t i = 0; i < route_count && (all || (path.len && path.data[0] == '/')); i++) {
        const struct leat_http_route *const route = &routes[i];
        if (!all && !fits(route->pattern, path, &match)) {
            continue;
        }
        methods |= methods_of(route);
        if (all) {
            continue;
        }
        match.id = route->id;
        match.status = 200;
        match.methods = methods;
        if (route->method == method) {
            *ret = match;
            return;
        }
        if (method == LEAT_HTTP_HEAD && route->method == LEAT_HTTP_GET && fallback.status == 404) {
            fallback = match;
        }
    }
    if (fallback.status == 404 && (methods || all)) {
        fallback.status = method == LEAT_HTTP_OPTIONS ? 204 : 405;
        methods |= BIT(LEAT_HTTP_OPTIONS);
    }
    fallback.methods = methods;
    *ret = fallback;
}

int leat_http_allow(struct leat_http_out *out, uint32_t methods)
{
    const size_t mark = out->len;
    bool first = true;
    ENSURE(methods < BIT(LEAT_HTTP_METHOD_COUNT));
    for (unsigned i = LEAT_HTTP_GET; i < LEAT_HTTP_METHOD_COUNT; i++) {
        if (methods & BIT(i)) {
            if ((!first && leat__http_add(out, ", ")) ||
                leat__http_add(out, leat_http_method_text((enum leat_http_method)i))) {
                out->len = mark;
                return -ENOSPC;
            }
            first = false;
        }
    }
    return 0;
}
