/* Addresses: text there and back, and the kernel's structures. */
#include <errno.h>

#include <leat/leat.h>

#include "addr.h"
#include "check.h"

static void check_round_trip(const char *text)
{
    struct leat_addr addr;
    char back[LEAT_ADDR_STRLEN];
    CHECK_EQ(leat_addr_parse(text, &addr), 0);
    CHECK_STR(leat_addr_format(&addr, back), text);
}

TEST(addr, round_trips)
{
    static const char *const texts[] = {
        "1.2.3.4:5",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "127.0.0.1%1:80",
        "[::1]:5",
        "[::]:0",
        "[fe80::1%2]:5",
        "[fe80::1%4294967295]:65535",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
        "[2001:db8::1]:443",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_round_trip(texts[i]);
    }
}

TEST(addr, rejects)
{
    static const char *const texts[] = {
        "",          ":",         "1.2.3.4",    "1.2.3.4:",     "1.2.3.4:x",   "1.2.3.4:65536",
        "1.2.3.4:-1", "1.2.3.4: 5", "1.2.3.4:5 ", "1.2.3.4:000005", " 1.2.3.4:5", "1.2.3:5",
        "1.2.3.4.5:6", "256.1.1.1:5", "::1:5",     "::1",          "[::1]",       "[::1]5",
        "[::1:5",    "::1]:5",    "[]:5",       "[1.2.3.4]:5",  "[::1%]:5",    "[::1%x]:5",
        "[::1%4294967296]:5", "[::1%1%2]:5", "localhost:5", "[::g]:5", "[[::1]]:5", "]:5",
        "[:5",       "a:b:c",     "[::1]:",     "[::1] :5",
    };
    struct leat_addr addr;
    struct leat_addr untouched;
    memset(&addr, 0x5a, sizeof(addr));
    untouched = addr;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (leat_addr_parse(texts[i], &addr) != -EINVAL) {
            fprintf(stderr, "accepted: %s\n", texts[i]);
            CHECK(false);
        }
        CHECK(leat_addr_equal(&addr, &untouched));
    }
}

TEST(addr, rejects_very_long_text)
{
    char text[4096];
    struct leat_addr addr;
    memset(text, '1', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    CHECK_EQ(leat_addr_parse(text, &addr), -EINVAL);
    CHECK_EQ(leat_addr_from_host(text, 1, &addr), -EINVAL);
    text[4000] = ':';
    CHECK_EQ(leat_addr_parse(text, &addr), -EINVAL);
    memset(text, ':', sizeof(text) - 1);
    CHECK_EQ(leat_addr_parse(text, &addr), -EINVAL);
    text[0] = '[';
    text[4093] = ']';
    CHECK_EQ(leat_addr_parse(text, &addr), -EINVAL);
}

TEST(addr, one_form_for_both_families)
{
    struct leat_addr a;
    struct leat_addr b;
    char text[LEAT_ADDR_STRLEN];
    CHECK_EQ(leat_addr_parse("1.2.3.4:5", &a), 0);
    CHECK_EQ(leat_addr_parse("[::ffff:1.2.3.4]:5", &b), 0);
    CHECK(leat_addr_equal(&a, &b));
    CHECK(leat_addr_is_v4(&a));
    CHECK_STR(leat_addr_format(&b, text), "1.2.3.4:5");
    CHECK_EQ(leat_addr_parse("[::1.2.3.4]:5", &b), 0); /* compatible, not mapped */
    CHECK(!leat_addr_is_v4(&b));
}

TEST(addr, from_host)
{
    struct leat_addr addr;
    struct leat_addr parsed;
    CHECK_EQ(leat_addr_from_host("127.0.0.1", 80, &addr), 0);
    CHECK_EQ(leat_addr_parse("127.0.0.1:80", &parsed), 0);
    CHECK(leat_addr_equal(&addr, &parsed));
    CHECK_EQ(leat_addr_from_host("::", 0, &addr), 0);
    CHECK_EQ(leat_addr_from_host("fe80::1%2", 9, &addr), 0);
    CHECK_EQ(addr.scope_id, 2);
    CHECK_EQ(leat_addr_from_host("", 0, &addr), -EINVAL);
    CHECK_EQ(leat_addr_from_host("[::1]", 0, &addr), -EINVAL);
    CHECK_EQ(leat_addr_from_host("localhost", 0, &addr), -EINVAL);
    CHECK_EQ(leat_addr_from_host("1.2.3.4:5", 0, &addr), -EINVAL);
}

TEST(addr, to_and_from_the_kernel)
{
    struct leat_addr v4;
    struct leat_addr v6;
    struct leat_addr back;
    union addr_any any;
    CHECK_EQ(leat_addr_parse("1.2.3.4:5", &v4), 0);
    CHECK_EQ(leat_addr_parse("[fe80::1%2]:5", &v6), 0);
    CHECK_EQ(addr_family(&v4), AF_INET);
    CHECK_EQ(addr_family(&v6), AF_INET6);
    CHECK_EQ(addr_to_any(&v4, AF_INET, &any), sizeof(struct sockaddr_in));
    CHECK_EQ(any.v4.sin_port, htons(5));
    CHECK(addr_from_any(&any, &back));
    CHECK(leat_addr_equal(&back, &v4));
    CHECK_EQ(addr_to_any(&v4, AF_INET6, &any), sizeof(struct sockaddr_in6));
    CHECK(addr_from_any(&any, &back));
    CHECK(leat_addr_equal(&back, &v4));
    CHECK_EQ(addr_to_any(&v6, AF_INET6, &any), sizeof(struct sockaddr_in6));
    CHECK_EQ(any.v6.sin6_scope_id, 2);
    CHECK(addr_from_any(&any, &back));
    CHECK(leat_addr_equal(&back, &v6));
    CHECK_EQ(addr_to_any(&v6, AF_INET, &any), 0);
    any.any.sa_family = AF_UNIX;
    CHECK(!addr_from_any(&any, &back));
    v4.scope_id = 7; /* an interface, not a scope: must not reach the kernel's address */
    addr_to_any(&v4, AF_INET6, &any);
    CHECK_EQ(any.v6.sin6_scope_id, 0);
}

TEST(addr, kinds)
{
    static const struct {
        const char *host;
        bool        wildcard;
        bool        group;
    } kinds[] = {
        {"0.0.0.0", true, false},         {"::", true, false},
        {"127.0.0.1", false, false},      {"::1", false, false},
        {"224.0.0.1", false, true},       {"239.255.255.255", false, true},
        {"240.0.0.1", false, false},      {"255.255.255.255", false, true},
        {"ff02::1", false, true},         {"fe80::", false, false},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct leat_addr addr;
        REQUIRE(leat_addr_from_host(kinds[i].host, 1, &addr) == 0);
        CHECK_EQ(addr_is_wildcard(&addr), kinds[i].wildcard);
        CHECK_EQ(addr_is_group(&addr), kinds[i].group);
    }
}

TEST(addr, set_keeps_places)
{
    static struct addr_set set;
    const struct leat_addr *at[ADDR_SET_LEN];
    struct leat_addr addr;
    REQUIRE(leat_addr_parse("10.0.0.0:7", &addr) == 0);
    for (uint32_t i = 0; i < ADDR_SET_LEN; i++) {
        addr.ip[15] = (uint8_t)i;
        at[i] = addr_set_intern(&set, &addr);
        REQUIRE(at[i] != NULL);
    }
    for (uint32_t i = ADDR_SET_LEN; i-- > 0;) {
        addr.ip[15] = (uint8_t)i;
        CHECK(addr_set_intern(&set, &addr) == at[i]);
        CHECK(leat_addr_equal(at[i], &addr));
    }
    addr.ip[15] = 200;
    CHECK(addr_set_intern(&set, &addr) == NULL);
    addr.ip[15] = 3;
    CHECK(addr_set_intern(&set, &addr) == at[3]);
}

TEST(addr, from_bytes)
{
    static const uint8_t v4[] = {192, 0, 2, 1};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
    struct leat_addr expected;
    struct leat_addr made = leat_addr_from_ip(v4, sizeof(v4), 50000);
    REQUIRE(leat_addr_parse("192.0.2.1:50000", &expected) == 0);
    CHECK(leat_addr_equal(&made, &expected));
    made = leat_addr_from_ip(v6, sizeof(v6), 9);
    REQUIRE(leat_addr_parse("[2001:db8::7]:9", &expected) == 0);
    CHECK(leat_addr_equal(&made, &expected));
    made = leat_addr_from_ip(v6, 5, 9);
    CHECK(leat_addr_equal(&made, &(struct leat_addr){.port = 0}));
}
