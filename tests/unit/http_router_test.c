/* Routes: the first that fits, its parameters, 404, 405 with Allow, HEAD by GET, OPTIONS. */
#include "check.h"

#include <errno.h>

#include <leat/http.h>

static const struct leat_http_route routes[] = {
    {LEAT_HTTP_GET, "/", 1},
    {LEAT_HTTP_GET, "/metrics", 2},
    {LEAT_HTTP_POST, "/whip/:stream", 3},
    {LEAT_HTTP_PATCH, "/whip/:stream/:session", 4},
    {LEAT_HTTP_DELETE, "/whip/:stream/:session", 5},
    {LEAT_HTTP_GET, "/static/*file", 6},
    {LEAT_HTTP_GET, "/a/:x/b/:y/*rest", 7},
    {LEAT_HTTP_HEAD, "/probe", 8},
    {LEAT_HTTP_GET, "/probe", 9},
    {LEAT_HTTP_OPTIONS, "/own", 10},
    {LEAT_HTTP_GET, "/get", 11},
    {LEAT_HTTP_HEAD, "/get", 12},
    {LEAT_HTTP_GET, "/:any", 13},
};

static struct leat_http_match find(enum leat_http_method method, const char *path)
{
    struct leat_http_match match;
    leat_http_router_find(routes, sizeof(routes) / sizeof(routes[0]), method,
                          leat_http_str_of(path), &match);
    return match;
}

static void check_allow(uint32_t methods, const char *expected)
{
    char text[128];
    struct leat_http_out out = {text, sizeof(text) - 1, 0};
    CHECK_EQ(leat_http_allow(&out, methods), 0);
    text[out.len] = '\0';
    CHECK_STR(text, expected);
}

static bool has(const struct leat_http_match *match, size_t at, const char *name, const char *value)
{
    return at < match->param_count && leat_http_str_equal(match->params[at].name, name) &&
           leat_http_str_equal(match->params[at].value, value);
}

TEST(http_router, literals)
{
    CHECK_EQ(find(LEAT_HTTP_GET, "/").id, 1);
    CHECK_EQ(find(LEAT_HTTP_GET, "/metrics").id, 2);
    CHECK_EQ(find(LEAT_HTTP_GET, "/metrics").status, 200);
    CHECK_EQ(find(LEAT_HTTP_GET, "/metrics/").status, 404);
    CHECK_EQ(find(LEAT_HTTP_GET, "/Metrics").id, 13); /* another name */
    CHECK_EQ(find(LEAT_HTTP_GET, "").status, 404);
    CHECK_EQ(find(LEAT_HTTP_GET, "metrics").status, 404);
    CHECK_EQ(find(LEAT_HTTP_GET, "*").status, 404);
}

TEST(http_router, parameters)
{
    struct leat_http_match match = find(LEAT_HTTP_POST, "/whip/a%2fb");
    CHECK_EQ(match.id, 3);
    CHECK_EQ(match.param_count, 1);
    CHECK(has(&match, 0, "stream", "a%2fb"));
    match = find(LEAT_HTTP_DELETE, "/whip/s/1");
    CHECK_EQ(match.id, 5);
    CHECK(has(&match, 0, "stream", "s") && has(&match, 1, "session", "1"));
    CHECK_EQ(find(LEAT_HTTP_POST, "/whip/").status, 404);
    CHECK_EQ(find(LEAT_HTTP_POST, "/whip").status, 405); /* "/:any" takes it, but no POST */
    CHECK_EQ(find(LEAT_HTTP_DELETE, "/whip//1").status, 404);
    match = find(LEAT_HTTP_GET, "/a/1/b/2/c/d");
    CHECK_EQ(match.id, 7);
    CHECK(has(&match, 0, "x", "1") && has(&match, 1, "y", "2") && has(&match, 2, "rest", "c/d"));
}

TEST(http_router, parameters_are_no_dots)
{
    static const char *const dots[] = {"/whip/.", "/whip/..", "/whip/%2e", "/whip/.%2E",
                                       "/whip/%2e%2e"};
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(find(LEAT_HTTP_POST, dots[i]).status, 404);
    }
    CHECK_EQ(find(LEAT_HTTP_POST, "/whip/...").id, 3);
    CHECK_EQ(find(LEAT_HTTP_POST, "/whip/.a").id, 3);
}

TEST(http_router, rest)
{
    struct leat_http_match match = find(LEAT_HTTP_GET, "/static/js/app.js");
    CHECK_EQ(match.id, 6);
    CHECK(has(&match, 0, "file", "js/app.js"));
    match = find(LEAT_HTTP_GET, "/static/");
    CHECK(match.id == 6 && has(&match, 0, "file", ""));
    CHECK_EQ(find(LEAT_HTTP_GET, "/static").id, 13);
}

TEST(http_router, head_falls_back_to_get)
{
    CHECK_EQ(find(LEAT_HTTP_HEAD, "/metrics").id, 2);
    CHECK_EQ(find(LEAT_HTTP_HEAD, "/probe").id, 8);
    CHECK_EQ(find(LEAT_HTTP_HEAD, "/get").id, 12); /* its own, though GET's comes first */
    struct leat_http_match match = find(LEAT_HTTP_HEAD, "/static/x");
    CHECK(match.id == 6 && has(&match, 0, "file", "x"));
}

TEST(http_router, method_not_allowed)
{
    struct leat_http_match match = find(LEAT_HTTP_POST, "/metrics");
    CHECK_EQ(match.status, 405);
    check_allow(match.methods, "GET, HEAD, OPTIONS");
    match = find(LEAT_HTTP_GET, "/whip/a/b");
    CHECK_EQ(match.status, 405);
    check_allow(match.methods, "PATCH, DELETE, OPTIONS");
    match = find(LEAT_HTTP_OTHER, "/metrics");
    CHECK_EQ(match.status, 405);
    CHECK_EQ(find(LEAT_HTTP_POST, "/no/such/path").status, 404);
    CHECK_EQ(find(LEAT_HTTP_POST, "/no/such/path").methods, 0);
}

TEST(http_router, options)
{
    struct leat_http_match match = find(LEAT_HTTP_OPTIONS, "/whip/a");
    CHECK_EQ(match.status, 204);
    check_allow(match.methods, "POST, OPTIONS");
    CHECK_EQ(find(LEAT_HTTP_OPTIONS, "/own").id, 10);
    CHECK_EQ(find(LEAT_HTTP_OPTIONS, "/no/such/path").status, 404);
    match = find(LEAT_HTTP_OPTIONS, "*");
    CHECK_EQ(match.status, 204);
    check_allow(match.methods, "GET, HEAD, POST, PATCH, DELETE, OPTIONS");
}

TEST(http_router, empty_table)
{
    struct leat_http_match match;
    leat_http_router_find(NULL, 0, LEAT_HTTP_GET, leat_http_str_of("/"), &match);
    CHECK_EQ(match.status, 404);
    char text[4];
    struct leat_http_out out = {text, sizeof(text), 0};
    CHECK_EQ(leat_http_allow(&out, 1u << LEAT_HTTP_GET | 1u << LEAT_HTTP_HEAD), -ENOSPC);
    CHECK_EQ(out.len, 0);
}
