/* Credentials and the gate: who is let in, who is not and why; thousands of entries that come and
 * go; nothing allocated for a datagram. */
#include "check.h"
#include "openssl_allocations.h"
#include "webrtc_ice.h"

#include <errno.h>

static const char pwd_a[] = "aaaaaaaaaaaaaaaaaaaaaaaa", pwd_b[] = "bbbbbbbbbbbbbbbbbbbbbb";

static size_t write_check(const char *server_ufrag, const char *server_pwd, uint8_t data[512])
{
    struct ice_client client = {.local = ice_credentials("clnt", pwd_b),
                                .remote = ice_credentials(server_ufrag, server_pwd)};
    return ice_client_check(&client, true, data, 512);
}

/* ---- credentials ---- */

TEST(credentials, are_random_and_sound)
{
    static struct leat_ice_credentials made[200], again;
    for (int i = 0; i < 200; i++) {
        REQUIRE(leat_ice_credentials_make("w7", &made[i]) == 0);
        CHECK(strncmp(made[i].ufrag, "w7", 2) == 0);
        CHECK_EQ(strlen(made[i].ufrag), 2 + LEAT_ICE_UFRAG_RANDOM);
        CHECK_EQ(strlen(made[i].pwd), 24);
        CHECK(leat_ice_credentials_set(made[i].ufrag, strlen(made[i].ufrag), made[i].pwd,
                                       strlen(made[i].pwd), &again) == 0);
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(made[i].ufrag, made[j].ufrag) != 0);
            CHECK(strcmp(made[i].pwd, made[j].pwd) != 0);
        }
    }
    CHECK_EQ(leat_ice_credentials_make("a b", &again), -EINVAL);
    CHECK_EQ(leat_ice_credentials_make("123456789012345678901234567890123", &again), -EINVAL);
    CHECK_EQ(leat_ice_credentials_make("", &again), 0);
}

TEST(credentials, of_an_offer_are_checked)
{
    struct leat_ice_credentials set;
    char ufrag[300], pwd[300];
    memset(ufrag, 'u', sizeof(ufrag));
    memset(pwd, '/', sizeof(pwd));
    for (size_t len = 0; len <= 300; len++) {
        CHECK_EQ(leat_ice_credentials_set(ufrag, len, pwd, 22, &set),
                 len >= 4 && len <= 256 ? 0 : -EINVAL);
        CHECK_EQ(leat_ice_credentials_set(ufrag, 4, pwd, len, &set),
                 len >= 22 && len <= 256 ? 0 : -EINVAL);
    }
    for (int c = -128; c < 128; c++) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '+' || c == '/';
        pwd[3] = (char)c;
        CHECK_EQ(leat_ice_credentials_set(ufrag, 4, pwd, 22, &set), good ? 0 : -EINVAL);
    }
}

/* ---- the gate ---- */

TEST(gate, tells_whose_a_check_is)
{
    leat_ice_gate *gate;
    const struct leat_ice_credentials a = ice_credentials("aaaa", pwd_a),
                                      b = ice_credentials("bbbb", pwd_b);
    uint8_t data[512];
    uint64_t user = 0;
    REQUIRE(leat_ice_gate_open(2, &gate) == 0);
    CHECK_EQ(leat_ice_gate_add(gate, &a, 11), 0);
    CHECK_EQ(leat_ice_gate_add(gate, &a, 12), -EEXIST);
    CHECK_EQ(leat_ice_gate_add(gate, &b, 22), 0);
    CHECK_EQ(leat_ice_gate_len(gate), 2);
    const struct leat_ice_credentials c = ice_credentials("cccc", pwd_b);
    CHECK_EQ(leat_ice_gate_add(gate, &c, 33), -ENOSPC);

    size_t len = write_check("aaaa", pwd_a, data);
    CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_PASSED);
    CHECK_EQ(user, 11);
    len = write_check("bbbb", pwd_b, data);
    CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_PASSED);
    CHECK_EQ(user, 22);

    CHECK_EQ(leat_ice_gate_remove(gate, "aaaa"), 0);
    CHECK_EQ(leat_ice_gate_remove(gate, "aaaa"), -ENOENT);
    len = write_check("aaaa", pwd_a, data);
    CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_UNKNOWN_UFRAG);
    CHECK_EQ(user, 22);
    CHECK_EQ(leat_ice_gate_add(gate, &c, 33), 0);
    leat_ice_gate_close(gate);
    leat_ice_gate_close(NULL);
}

/* Everything a stranger may send, and nothing is allocated for it. */
TEST(gate, refuses_all_others)
{
    static const uint8_t transaction[LEAT_STUN_TRANSACTION_LEN] = {1};
    const struct leat_ice_credentials a = ice_credentials("aaaa", pwd_a);
    struct leat_stun_writer writer;
    leat_ice_gate *gate;
    uint8_t data[512], one[1] = {0};
    uint64_t user = 0;
    size_t len;
    REQUIRE(leat_ice_gate_open(100, &gate) == 0);
    REQUIRE(leat_ice_gate_add(gate, &a, 11) == 0);
    const unsigned before = openssl_allocations;

    len = write_check("aaaa", pwd_b, data);
    CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_BAD_INTEGRITY);
    len = write_check("aaab", pwd_a, data);
    CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_UNKNOWN_UFRAG);
    len = write_check("aaaaa", pwd_a, data);
    CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_UNKNOWN_UFRAG);
    len = write_check("aaaa", pwd_a, data);
    for (size_t cut = 0; cut < len; cut++) {
        CHECK_EQ(leat_ice_gate_check(gate, data, cut, &user), LEAT_ICE_MALFORMED);
    }
    for (size_t bit = 0; bit < 8 * len; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const bool hidden = bit / 8 == len - 8 || bit / 8 == len - 7; /* FINGERPRINT's own type */
        CHECK_EQ(leat_ice_gate_check(gate, data, len, &user) == LEAT_ICE_PASSED, hidden);
        user = 0;
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK_EQ(leat_ice_gate_check(gate, one, 1, &user), LEAT_ICE_MALFORMED);

    static const char *const names[] = {"aaaa", ":clnt", "", ":", NULL};
    for (int i = 0; i < 5; i++) { /* authentic, but not named as ICE does */
        leat_stun_begin(&writer, data, sizeof(data), LEAT_STUN_REQUEST, LEAT_STUN_BINDING,
                        transaction);
        if (names[i]) {
            leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, names[i], strlen(names[i]));
        }
        REQUIRE(leat_stun_end(&writer, pwd_a, strlen(pwd_a), &len) == 0);
        CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_NOT_A_CHECK);
    }
    static const struct {
        enum leat_stun_kind kind;
        uint16_t method;
        const char *key;
    } others[] = {{LEAT_STUN_INDICATION, LEAT_STUN_BINDING, pwd_a},
                  {LEAT_STUN_SUCCESS, LEAT_STUN_BINDING, pwd_a},
                  {LEAT_STUN_ERROR, LEAT_STUN_BINDING, pwd_a},
                  {LEAT_STUN_REQUEST, 3, pwd_a},
                  {LEAT_STUN_REQUEST, LEAT_STUN_BINDING, NULL}};
    for (int i = 0; i < 5; i++) {
        leat_stun_begin(&writer, data, sizeof(data), others[i].kind, others[i].method, transaction);
        leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, "aaaa:clnt", 9);
        REQUIRE(leat_stun_end(&writer, others[i].key, others[i].key ? strlen(pwd_a) : 0, &len) ==
                0);
        CHECK_EQ(leat_ice_gate_check(gate, data, len, &user), LEAT_ICE_NOT_A_CHECK);
    }
    CHECK_EQ(user, 0);
    CHECK_EQ(openssl_allocations, before);
    leat_ice_gate_close(gate);
}

TEST(gate, the_name_is_read_unchecked)
{
    uint8_t data[512];
    const char *ufrag = NULL;
    size_t ufrag_len = 0, len = write_check("w3xyzxyz", pwd_a, data);
    CHECK_EQ(leat_ice_username(data, len, &ufrag, &ufrag_len), 0);
    CHECK(ufrag_len == 8 && memcmp(ufrag, "w3xyzxyz", 8) == 0);
    CHECK_EQ(leat_ice_username(data, len - 4, &ufrag, &ufrag_len), -EBADMSG);
    struct leat_addr addr = ice_addr(1);
    static const uint8_t transaction[LEAT_STUN_TRANSACTION_LEN];
    REQUIRE(leat_stun_write_success(data, sizeof(data), transaction, &addr, pwd_a, 24, &len) == 0);
    CHECK_EQ(leat_ice_username(data, len, &ufrag, &ufrag_len), -EBADMSG);
}

/* Comes and goes as a plain array says. */
TEST(gate, many_come_and_go)
{
    enum { ALL = 3000, MAX = 2000 };
    static bool in[ALL];
    leat_ice_gate *gate;
    char ufrag[16];
    uint8_t data[512];
    size_t count = 0;
    uint32_t random = 1;
    REQUIRE(leat_ice_gate_open(MAX, &gate) == 0);
    for (int step = 0; step < 40000; step++) {
        random = random * 1664525 + 1013904223;
        const unsigned n = (random >> 8) % ALL;
        (void)snprintf(ufrag, sizeof(ufrag), "user%u", n);
        if (random >> 31) {
            const struct leat_ice_credentials local = ice_credentials(ufrag, pwd_a);
            const int expected = in[n] ? -EEXIST : count == MAX ? -ENOSPC : 0;
            REQUIRE(leat_ice_gate_add(gate, &local, n) == expected);
            count += expected == 0;
            in[n] |= expected == 0;
        } else {
            REQUIRE(leat_ice_gate_remove(gate, ufrag) == (in[n] ? 0 : -ENOENT));
            count -= in[n];
            in[n] = false;
        }
        REQUIRE(leat_ice_gate_len(gate) == count);
    }
    for (unsigned n = 0; n < ALL; n++) {
        uint64_t user = ALL;
        (void)snprintf(ufrag, sizeof(ufrag), "user%u", n);
        const size_t len = write_check(ufrag, pwd_a, data);
        REQUIRE(leat_ice_gate_check(gate, data, len, &user) ==
                (in[n] ? LEAT_ICE_PASSED : LEAT_ICE_UNKNOWN_UFRAG));
        CHECK_EQ(user, in[n] ? n : ALL);
    }
    leat_ice_gate_close(gate);
}
