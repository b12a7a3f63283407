/* URLs, decoding, and above all: a path never leaves its root. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include <leat/http.h>

#define STR leat_http_str_of

static void check_str(leat_http_str text, const char *expected)
{
    if (!leat_http_str_equal(text, expected)) {
        fprintf(stderr, "got \"%.*s\", expected \"%s\"\n", (int)text.len, text.data, expected);
        CHECK(false);
    }
}

/* ---- paths of files ---- */

static const struct {
    const char *path;
    const char *clean;
} paths[] = {
    {"/", "/"},
    {"/a", "/a"},
    {"/a/", "/a/"},
    {"/a/b.c", "/a/b.c"},
    {"//a///b//", "/a/b/"},
    {"/./a/././b/.", "/a/b/"},
    {"/a/..", "/"},
    {"/a/../", "/"},
    {"/a/../b", "/b"},
    {"/a/b/../../c/", "/c/"},
    {"/a//../b", "/b"},
    {"/%61%2Db", "/a-b"},
    {"/a/%2e%2E/b", "/b"},
    {"/a/%2e/b", "/a/b"},
    {"/%e2%82%ac", "/\xe2\x82\xac"},
    {"/\xc3\xa9", "/\xc3\xa9"},
    {"/%252e%252e/%252f", "/%2e%2e/%2f"}, /* decoded once: these are names like any other */
    {"/a b+c", "/a b+c"},
    {"/a../b..c", "/a../b..c"},
};

static const char *const bad_paths[] = {
    "",
    "a",
    "*",
    "..",
    "/..",
    "/../",
    "/../a",
    "/a/../..",
    "/a/../../a",
    "/./..",
    "//..",
    "/%2e%2e",
    "/%2e%2e/etc/passwd",
    "/.%2e/",
    "/%2E./",
    "/a/%2e%2e/%2e%2e/b",
    "/..%2f",
    "/a%2fb",
    "/a%2Fb",
    "/..%5cetc",
    "/a\\b",
    "/..\\..\\etc",
    "/a%00",
    "/a%00.png",
    "/%",
    "/%4",
    "/%zz",
    "/%u002e",
    "/%0a",
    "/%0d",
    "/%7f",
    "/\x01",
    "/%1f",
    "/%c0%ae%c0%ae/", /* overlong dots */
    "/%c0%af",        /* an overlong slash */
    "/%e0%80%af",     /* a longer one */
    "/%f0%80%80%af",  /* and the longest */
    "/%c1%9c",        /* an overlong backslash */
    "/%ff",
    "/%80",
    "/%e2%82",       /* cut short */
    "/%ed%a0%80",    /* a surrogate */
    "/%f4%90%80%80", /* above U+10FFFF */
    "/.git",
    "/.git/config",
    "/a/.htaccess",
    "/%2egit/config",
    "/...",
};

TEST(http_url, paths)
{
    char buf[64];
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        leat_http_str clean = {NULL, 0};
        CHECK_EQ(leat_http_path_clean(STR(paths[i].path), 0, buf, sizeof(buf), &clean), 0);
        check_str(clean, paths[i].clean);
    }
}

TEST(http_url, paths_that_are_none)
{
    char buf[64];
    const leat_http_str untouched = {"x", 1};
    for (size_t i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++) {
        leat_http_str clean = untouched;
        const int status = leat_http_path_clean(STR(bad_paths[i]), 0, buf, sizeof(buf), &clean);
        if (status != -EINVAL) {
            fprintf(stderr, "accepted: %s\n", bad_paths[i]);
            CHECK(false);
        }
        CHECK(clean.data == untouched.data && clean.len == untouched.len);
        CHECK_EQ(leat_http_path_under(STR("/srv"), STR(bad_paths[i]), 0, buf, sizeof(buf), &clean),
                 -EINVAL);
    }
    leat_http_str clean;
    const leat_http_str nul = {"/a\0b", 4};
    CHECK_EQ(leat_http_path_clean(nul, 0, buf, sizeof(buf), &clean), -EINVAL);
}

TEST(http_url, hidden_names)
{
    char buf[64];
    leat_http_str clean;
    CHECK_EQ(leat_http_path_clean(STR("/.well-known/x"), LEAT_HTTP_PATH_HIDDEN, buf, 64, &clean),
             0);
    check_str(clean, "/.well-known/x");
    CHECK_EQ(leat_http_path_clean(STR("/..."), LEAT_HTTP_PATH_HIDDEN, buf, 64, &clean), 0);
    CHECK_EQ(leat_http_path_clean(STR("/.."), LEAT_HTTP_PATH_HIDDEN, buf, 64, &clean), -EINVAL);
}

TEST(http_url, paths_under)
{
    char buf[32];
    leat_http_str file;
    CHECK_EQ(leat_http_path_under(STR("/srv/www"), STR("/a/./b"), 0, buf, sizeof(buf), &file), 0);
    check_str(file, "/srv/www/a/b");
    CHECK_EQ(buf[file.len], '\0');
    CHECK_EQ(leat_http_path_under(STR("/srv/www///"), STR("/"), 0, buf, sizeof(buf), &file), 0);
    check_str(file, "/srv/www/");
    CHECK_EQ(leat_http_path_under(STR("/"), STR("/x"), 0, buf, sizeof(buf), &file), 0);
    check_str(file, "/x");
    CHECK_EQ(leat_http_path_under(STR("www"), STR("/x"), 0, buf, sizeof(buf), &file), 0);
    check_str(file, "www/x");
    for (size_t cap = 0; cap < 13; cap++) { /* 12 bytes and the 0 */
        char *const exact = malloc(cap ? cap : 1);
        CHECK_EQ(leat_http_path_under(STR("/srv/www"), STR("/a/b"), 0, exact, cap, &file), -ENOSPC);
        free(exact);
    }
    char *const exact = malloc(13);
    CHECK_EQ(leat_http_path_under(STR("/srv/www"), STR("/a/b"), 0, exact, 13, &file), 0);
    free(exact);
}

/* ---- URLs ---- */

TEST(http_url, parse)
{
    struct leat_http_url url;
    CHECK_EQ(leat_http_url_parse(STR("http://example.org:8080/a/b?c=d"), &url), 0);
    CHECK(!url.tls);
    CHECK_EQ(url.port, 8080);
    check_str(url.host, "example.org");
    check_str(url.authority, "example.org:8080");
    check_str(url.target, "/a/b?c=d");
    CHECK_EQ(leat_http_url_parse(STR("HTTPS://[2001:db8::1]"), &url), 0);
    CHECK(url.tls);
    CHECK_EQ(url.port, 443);
    check_str(url.host, "2001:db8::1");
    check_str(url.authority, "[2001:db8::1]");
    check_str(url.target, "");
    CHECK_EQ(leat_http_url_parse(STR("http://a:?b"), &url), 0);
    CHECK_EQ(url.port, 80);
    check_str(url.target, "?b");
}

TEST(http_url, parse_refuses)
{
    static const char *const bad[] = {
        "",
        "http://",
        "http:///a",
        "ftp://a/",
        "//a/",
        "a",
        "http:/a",
        "http://a@b/",
        "http://a:b@c/",
        "http://a:65536",
        "http://a:0/",
        "http://a:-1/",
        "http://a b",
        "http://a/b c",
        "http://a/#b",
        "http://[::1",
        "http://[]/",
        "http://[::1]a/",
        "http://a\\b/",
        "http://a/\x01",
        "http://\xc3\xa9/",
        "http://[fe80::1%25x]/",
        "http://a:80:80/",
    };
    struct leat_http_url url;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (leat_http_url_parse(STR(bad[i]), &url) != -EINVAL) {
            fprintf(stderr, "accepted: %s\n", bad[i]);
            CHECK(false);
        }
    }
}

TEST(http_url, hosts)
{
    static const char *const good[] = {
        "a",     "a.b-c_d~e",  "127.0.0.1", "a:1", "a:", "[::1]", "[::ffff:1.2.3.4]:65535",
        "a%41b", "A!$&'()*+;="};
    static const char *const bad[] = {"",    ":",       ":80",   "a:x",  "a:123456", "[",   "[]",
                                      "[:",  "[::1]:x", "[g::]", "a,b",  "a/b",      "a b", "a@b",
                                      "a#b", "a?b",     "a[b]",  "a%zz", "a%4",      "\xff"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK(leat_http_host_is_valid(STR(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!leat_http_host_is_valid(STR(bad[i])));
    }
}

TEST(http_url, decode)
{
    char buf[8];
    leat_http_str plain;
    const leat_http_str text = STR("a+b");
    CHECK_EQ(leat_http_url_decode(text, false, buf, sizeof(buf), &plain), 0);
    CHECK(plain.data == text.data); /* nothing to do */
    CHECK_EQ(leat_http_url_decode(text, true, buf, sizeof(buf), &plain), 0);
    check_str(plain, "a b");
    CHECK_EQ(leat_http_url_decode(STR("%41%2f%c3%A9%2B"), true, buf, sizeof(buf), &plain), 0);
    check_str(plain, "A/\xc3\xa9+");
    CHECK_EQ(leat_http_url_decode(STR("%25%32%35"), false, buf, sizeof(buf), &plain), 0);
    check_str(plain, "%25"); /* once */
    CHECK_EQ(leat_http_url_decode(STR(""), false, buf, sizeof(buf), &plain), 0);
    CHECK_EQ(plain.len, 0);
    CHECK_EQ(leat_http_url_decode(STR("%00"), false, buf, sizeof(buf), &plain), -EINVAL);
    CHECK_EQ(leat_http_url_decode(STR("%4"), false, buf, sizeof(buf), &plain), -EINVAL);
    CHECK_EQ(leat_http_url_decode(STR("%4g"), false, buf, sizeof(buf), &plain), -EINVAL);
    CHECK_EQ(leat_http_url_decode((leat_http_str){"a\0b", 3}, false, buf, sizeof(buf), &plain),
             -EINVAL);
    CHECK_EQ(leat_http_url_decode(STR("%41bcdefgh"), false, buf, 7, &plain), -ENOSPC);
    CHECK_EQ(leat_http_url_decode(STR("%41bcdefgh"), false, buf, 8, &plain), 0);
}

TEST(http_url, query)
{
    leat_http_str query = STR("a=b&&c&=d&e=f=g&"), name, value;
    static const char *const expected[] = {"a", "b", "c", "", "", "d", "e", "f=g"};
    for (size_t i = 0; i < 8; i += 2) {
        REQUIRE(leat_http_query_next(&query, &name, &value));
        check_str(name, expected[i]);
        check_str(value, expected[i + 1]);
    }
    CHECK(!leat_http_query_next(&query, &name, &value));
    query = (leat_http_str){NULL, 0};
    CHECK(!leat_http_query_next(&query, &name, &value));
}
