/* STUN: the vectors of RFC 5769, every truncation and every flipped bit of them; attributes that
 * are wrong, unknown, double or in the wrong place; what is written is read back; integrity
 * against OpenSSL's own HMAC. */
#include "check.h"
#include "openssl_allocations.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <leat/stun.h>

static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt"; /* of all but the last */

static const uint8_t request[] = /* RFC 5769, 2.1 */
    "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x10STUN test client"
    "\x00\x24\x00\x04\x6e\x00\x01\xff"
    "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
    "\x00\x06\x00\x09"
    "evtj:h6vY   "
    "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71"
    "\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

static const uint8_t response4[] = /* 2.2 */
    "\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x0btest vector "
    "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
    "\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7"
    "\xd7\x80\x28\x00\x04\xc0\x7d\x4c\x96";

static const uint8_t response6[] = /* 2.3 */
    "\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x0btest vector "
    "\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9"
    "\xd9\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3"
    "\xed\x41\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

static const uint8_t long_term[] = /* 2.4 */
    "\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e"
    "\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00"
    "\x00\x00\x15\x00\x1c"
    "f//499k954d6OL34oL9FSTvy64sA"
    "\x00\x14\x00\x0b"
    "example.org\x00"
    "\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96"
    "\x66";

#define LEN(vector) (sizeof(vector) - 1)
static const uint8_t transaction[] = "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";

/* In a block of exactly its size, so that reading beyond is seen. */
static int parse_copy(const uint8_t *data, size_t len, struct leat_stun_message *message)
{
    uint8_t *const block = malloc(len ? len : 1);
    if (len) {
        memcpy(block, data, len);
    }
    const int status = leat_stun_parse(block, len, message);
    free(block);
    return status;
}

static bool is_text(leat_stun_bytes bytes, const char *text)
{
    return bytes.data && bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

/* ---- RFC 5769 ---- */

TEST(stun, rfc5769_request)
{
    struct leat_stun_message message;
    REQUIRE(leat_stun_is(request, LEN(request)));
    REQUIRE(leat_stun_parse(request, LEN(request), &message) == 0);
    CHECK_EQ(message.kind, LEAT_STUN_REQUEST);
    CHECK_EQ(message.method, LEAT_STUN_BINDING);
    CHECK(memcmp(message.transaction, transaction, LEAT_STUN_TRANSACTION_LEN) == 0);
    CHECK(is_text(message.username, "evtj:h6vY"));
    CHECK(message.has_priority && message.priority == 0x6e0001ff);
    CHECK(message.controlled && !message.controlling && !message.use_candidate);
    CHECK(message.tie_breaker == UINT64_C(0x932ff9b151263b36));
    CHECK(message.fingerprint && !message.malformed);
    CHECK_EQ(message.unknown_count, 0);
    CHECK_EQ(message.integrity_at, LEN(request) - 32);
    CHECK(leat_stun_verify(&message, password, strlen(password)));
    CHECK(!leat_stun_verify(&message, password, strlen(password) - 1));
    CHECK(!leat_stun_verify(&message, "", 0));
}

TEST(stun, rfc5769_responses)
{
    static const uint8_t ip4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
    static const uint8_t ip6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
                                    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};
    struct leat_stun_message message;
    REQUIRE(leat_stun_parse(response4, LEN(response4), &message) == 0);
    CHECK_EQ(message.kind, LEAT_STUN_SUCCESS);
    CHECK(message.has_mapped && message.fingerprint && message.mapped.port == 32853);
    CHECK(memcmp(message.mapped.ip, ip4, 16) == 0 && leat_addr_is_v4(&message.mapped));
    CHECK(leat_stun_verify(&message, password, strlen(password)));
    REQUIRE(leat_stun_parse(response6, LEN(response6), &message) == 0);
    CHECK(message.has_mapped && message.fingerprint && message.mapped.port == 32853);
    CHECK(memcmp(message.mapped.ip, ip6, 16) == 0 && !leat_addr_is_v4(&message.mapped));
    CHECK(leat_stun_verify(&message, password, strlen(password)));
}

/* RFC 8489, 9.2.2. */
static void long_term_key(uint8_t key[16])
{
    static const char words[] = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3"
                                "\x82\xb9:example.org:TheMatrIX";
    REQUIRE(EVP_Digest(words, sizeof(words) - 1, key, NULL, EVP_md5(), NULL) == 1);
}

TEST(stun, rfc5769_long_term)
{
    struct leat_stun_message message;
    uint8_t key[16];
    long_term_key(key);
    REQUIRE(leat_stun_parse(long_term, LEN(long_term), &message) == 0);
    CHECK(!message.fingerprint && !message.malformed && message.unknown_count == 0);
    CHECK(is_text(message.realm, "example.org"));
    CHECK(is_text(message.nonce, "f//499k954d6OL34oL9FSTvy64sA"));
    CHECK_EQ(message.username.len, 18);
    CHECK(leat_stun_verify(&message, key, sizeof(key)));
}

TEST(stun, every_truncation_is_refused)
{
    struct leat_stun_message message;
    uint8_t bytes[LEN(request)];
    for (size_t len = 0; len < LEN(request); len++) {
        CHECK_EQ(parse_copy(request, len, &message), -EBADMSG);
        CHECK_EQ(leat_stun_is(request, len), len >= LEAT_STUN_HEADER_LEN);
    }
    /* A length in the header that fits what is left: whole attributes, but nothing authentic. */
    for (size_t len = LEAT_STUN_HEADER_LEN; len < LEN(request); len++) {
        memcpy(bytes, request, len);
        bytes[2] = 0;
        bytes[3] = (uint8_t)(len - LEAT_STUN_HEADER_LEN);
        const bool at_border =
            len == 20 || len == 40 || len == 48 || len == 60 || len == 76 || len == 100;
        CHECK_EQ(parse_copy(bytes, len, &message), at_border ? 0 : -EBADMSG);
        if (at_border) {
            REQUIRE(leat_stun_parse(bytes, len, &message) == 0);
            CHECK_EQ(leat_stun_verify(&message, password, strlen(password)), len == 100);
        }
    }
}

TEST(stun, every_flipped_bit_is_noticed)
{
    struct leat_stun_message message;
    uint8_t bytes[LEN(request)];
    for (size_t bit = 0; bit < 8 * LEN(request); bit++) {
        memcpy(bytes, request, LEN(request));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const int status = leat_stun_parse(bytes, LEN(request), &message);
        /* FINGERPRINT covers all before it, unless the flip hides it: in its own type, or in a
         * length before it, which breaks integrity. */
        const bool type = bit / 8 == LEN(request) - 8 || bit / 8 == LEN(request) - 7;
        CHECK(status == -EBADMSG ||
              (!message.fingerprint &&
               leat_stun_verify(&message, password, strlen(password)) == type));
    }
}

TEST(stun, every_flipped_bit_fails_integrity)
{
    struct leat_stun_message message;
    uint8_t bytes[LEN(long_term)], key[16];
    long_term_key(key);
    for (size_t bit = 0; bit < 8 * LEN(long_term); bit++) { /* it has no FINGERPRINT */
        memcpy(bytes, long_term, LEN(long_term));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(leat_stun_parse(bytes, LEN(long_term), &message) != 0 ||
              !leat_stun_verify(&message, key, sizeof(key)));
    }
}

TEST(stun, is_told_from_dtls_and_rtp)
{
    uint8_t bytes[LEN(request)];
    memcpy(bytes, request, sizeof(bytes));
    for (unsigned first = 0; first < 256; first++) {
        bytes[0] = (uint8_t)first;
        CHECK_EQ(leat_stun_is(bytes, sizeof(bytes)), first < 4);
    }
    memcpy(bytes, request, sizeof(bytes));
    bytes[4] ^= 1; /* the cookie */
    CHECK(!leat_stun_is(bytes, sizeof(bytes)));
    CHECK(!leat_stun_is(request, 19));
}

/* ---- attributes ---- */

static uint8_t buffer[70000];

static void begin(struct leat_stun_writer *writer, enum leat_stun_kind kind)
{
    leat_stun_begin(writer, buffer, sizeof(buffer), kind, LEAT_STUN_BINDING, transaction);
}

static void end(struct leat_stun_writer *writer, struct leat_stun_message *message)
{
    size_t len = 0;
    REQUIRE(leat_stun_end(writer, "key", 3, &len) == 0);
    REQUIRE(leat_stun_parse(buffer, len, message) == 0);
    CHECK(message->fingerprint);
    CHECK(leat_stun_verify(message, "key", 3));
    CHECK(!leat_stun_verify(message, "kez", 3));
}

TEST(stun, wrong_values_are_left_out_and_told)
{
    static const struct {
        uint16_t type;
        size_t good; /* the lengths that are right, two of them at most */
        size_t also;
    } cases[] = {
        {LEAT_STUN_ATTR_PRIORITY, 4, 4},        {LEAT_STUN_ATTR_USE_CANDIDATE, 0, 0},
        {LEAT_STUN_ATTR_ICE_CONTROLLED, 8, 8},  {LEAT_STUN_ATTR_ICE_CONTROLLING, 8, 8},
        {LEAT_STUN_ATTR_MAPPED_ADDRESS, 8, 20}, {LEAT_STUN_ATTR_XOR_MAPPED_ADDRESS, 8, 20},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t len = 0; len <= 24; len++) {
            struct leat_stun_writer writer;
            struct leat_stun_message message;
            const uint8_t value[24] = {0, len == 20 ? 2 : 1};
            begin(&writer, LEAT_STUN_REQUEST);
            leat_stun_put(&writer, cases[i].type, value, len);
            end(&writer, &message);
            const bool good = len == cases[i].good || len == cases[i].also;
            CHECK_EQ(message.malformed, !good);
            CHECK_EQ(message.has_priority + message.use_candidate + message.controlled +
                         message.controlling + message.has_mapped,
                     good);
            CHECK_EQ(message.unknown_count, 0);
        }
    }
}

static bool is_malformed(uint16_t type, const void *value, size_t len)
{
    struct leat_stun_writer writer;
    struct leat_stun_message message;
    begin(&writer, LEAT_STUN_ERROR);
    leat_stun_put(&writer, type, value, len);
    end(&writer, &message);
    return message.malformed;
}

TEST(stun, wrong_values_of_one_length)
{
    static const uint8_t big[1024];
    CHECK(is_malformed(LEAT_STUN_ATTR_XOR_MAPPED_ADDRESS, "\0\3aaaaaa", 8)); /* no such family */
    CHECK(is_malformed(LEAT_STUN_ATTR_XOR_MAPPED_ADDRESS, "\0\2aaaaaa", 8)); /* IPv6, 4 bytes */
    CHECK(is_malformed(LEAT_STUN_ATTR_ERROR_CODE, "\0\0\4", 3));
    CHECK(is_malformed(LEAT_STUN_ATTR_ERROR_CODE, "\0\0\2\0", 4));   /* 200 */
    CHECK(is_malformed(LEAT_STUN_ATTR_ERROR_CODE, "\0\0\7\0", 4));   /* 700 */
    CHECK(is_malformed(LEAT_STUN_ATTR_ERROR_CODE, "\0\0\4\144", 4)); /* 4 and 100 */
    CHECK(!is_malformed(LEAT_STUN_ATTR_ERROR_CODE, "\0\0\4\143", 4));
    CHECK(is_malformed(LEAT_STUN_ATTR_UNKNOWN_ATTRIBUTES, "\0\1\0", 3));
    CHECK(!is_malformed(LEAT_STUN_ATTR_USERNAME, big, LEAT_STUN_USERNAME_MAX));
    CHECK(is_malformed(LEAT_STUN_ATTR_USERNAME, big, LEAT_STUN_USERNAME_MAX + 1));
    CHECK(!is_malformed(LEAT_STUN_ATTR_REALM, big, 763));
    CHECK(is_malformed(LEAT_STUN_ATTR_REALM, big, 764));
    CHECK(is_malformed(LEAT_STUN_ATTR_NONCE, big, 764));
}

TEST(stun, unknown_attributes_are_listed_once_and_bounded)
{
    struct leat_stun_writer writer;
    struct leat_stun_message message;
    begin(&writer, LEAT_STUN_REQUEST);
    leat_stun_put(&writer, 0x7fff, "abc", 3);
    leat_stun_put(&writer, 0xc057, "abcd", 4); /* need not be understood: Chromium's network info */
    leat_stun_put(&writer, 0x7fff, "x", 1);
    leat_stun_put(&writer, 0x0002, "x", 1);
    end(&writer, &message);
    CHECK_EQ(message.unknown_count, 2);
    CHECK_EQ(message.unknown[0], 0x7fff);
    CHECK_EQ(message.unknown[1], 0x0002);
    begin(&writer, LEAT_STUN_REQUEST);
    for (uint16_t type = 0x4000; type < 0x5000; type++) {
        leat_stun_put(&writer, type, "x", 1);
    }
    end(&writer, &message);
    CHECK_EQ(message.unknown_count, LEAT_STUN_UNKNOWN_MAX);
}

TEST(stun, the_first_of_two_counts)
{
    struct leat_addr addr = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = 1};
    struct leat_stun_writer writer;
    struct leat_stun_message message;
    begin(&writer, LEAT_STUN_REQUEST);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, "a:b", 3);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, "c:d", 3);
    leat_stun_put_u32(&writer, LEAT_STUN_ATTR_PRIORITY, 1);
    leat_stun_put_u32(&writer, LEAT_STUN_ATTR_PRIORITY, 2);
    leat_stun_put_u64(&writer, LEAT_STUN_ATTR_ICE_CONTROLLING, 3);
    leat_stun_put_u64(&writer, LEAT_STUN_ATTR_ICE_CONTROLLING, 4);
    leat_stun_put(&writer, LEAT_STUN_ATTR_MAPPED_ADDRESS, "\0\1\0\7aaaa", 8);
    leat_stun_put_mapped(&writer, &addr); /* better than the plain one before it */
    addr.port = 2;
    leat_stun_put_mapped(&writer, &addr);
    leat_stun_put(&writer, LEAT_STUN_ATTR_MAPPED_ADDRESS, "\0\1\0\7aaaa", 8);
    leat_stun_put_error(&writer, 401, "first");
    leat_stun_put_error(&writer, 402, "second");
    end(&writer, &message);
    CHECK(is_text(message.username, "a:b") && is_text(message.error_reason, "first"));
    CHECK(message.priority == 1 && message.tie_breaker == 3 && message.error_code == 401);
    CHECK_EQ(message.mapped.port, 1);
}

TEST(stun, what_follows_integrity_is_ignored)
{
    struct leat_stun_writer writer;
    struct leat_stun_message message;
    size_t len = 0;
    static const uint8_t zeros[20];
    begin(&writer, LEAT_STUN_REQUEST);
    leat_stun_put(&writer, LEAT_STUN_ATTR_MESSAGE_INTEGRITY, zeros, 20);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USE_CANDIDATE, NULL, 0);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, "a:b", 3);
    leat_stun_put(&writer, LEAT_STUN_ATTR_MESSAGE_INTEGRITY, zeros, 3);
    leat_stun_put(&writer, 0x7fff, NULL, 0);
    REQUIRE(leat_stun_end(&writer, NULL, 0, &len) == 0);
    REQUIRE(leat_stun_parse(buffer, len, &message) == 0);
    CHECK_EQ(message.integrity_at, LEAT_STUN_HEADER_LEN);
    CHECK(!message.use_candidate && !message.username.data && message.unknown_count == 0);
    CHECK(!message.malformed && message.fingerprint);
    CHECK(!leat_stun_verify(&message, "key", 3));
}

TEST(stun, integrity_of_another_length_or_fingerprint_in_the_middle)
{
    struct leat_stun_writer writer;
    struct leat_stun_message message;
    size_t len = 0;
    static const uint8_t zeros[32];
    for (size_t i = 0; i <= sizeof(zeros); i++) {
        begin(&writer, LEAT_STUN_REQUEST);
        leat_stun_put(&writer, LEAT_STUN_ATTR_MESSAGE_INTEGRITY, zeros, i);
        REQUIRE(leat_stun_end(&writer, NULL, 0, &len) == 0);
        CHECK_EQ(leat_stun_parse(buffer, len, &message), i == 20 ? 0 : -EBADMSG);
    }
    begin(&writer, LEAT_STUN_REQUEST);
    REQUIRE(leat_stun_end(&writer, NULL, 0, &len) == 0);
    const size_t once = len; /* a right FINGERPRINT, and then another attribute */
    leat_stun_put(&writer, LEAT_STUN_ATTR_SOFTWARE, "x", 1);
    REQUIRE(leat_stun_end(&writer, NULL, 0, &len) == 0);
    CHECK(len > once);
    CHECK_EQ(leat_stun_parse(buffer, len, &message), -EBADMSG);
}

/* ---- writing ---- */

TEST(stun, all_types_are_written_as_they_are_read)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        for (unsigned method = 0; method < 0x100; method++) {
            struct leat_stun_writer writer;
            struct leat_stun_message message;
            size_t len = 0;
            leat_stun_begin(&writer, buffer, sizeof(buffer), (enum leat_stun_kind)kind,
                            (uint16_t)method, transaction);
            REQUIRE(leat_stun_end(&writer, NULL, 0, &len) == 0);
            REQUIRE(leat_stun_parse(buffer, len, &message) == 0);
            CHECK(message.kind == kind && message.method == method && !message.integrity_at);
        }
    }
}

TEST(stun, error_with_unknown_attributes)
{
    static const uint16_t types[] = {0x7fff, 0x0002, 0x0030};
    struct leat_stun_writer writer;
    struct leat_stun_message message;
    begin(&writer, LEAT_STUN_ERROR);
    leat_stun_put_error(&writer, 420, "Unknown Attribute");
    leat_stun_put_unknown(&writer, types, 3);
    end(&writer, &message);
    CHECK_EQ(message.kind, LEAT_STUN_ERROR);
    CHECK_EQ(message.error_code, 420);
    CHECK(is_text(message.error_reason, "Unknown Attribute"));
    CHECK(memcmp(buffer + 48, "\x00\x0a\x00\x06\x7f\xff\x00\x02\x00\x30\x00\x00", 12) == 0);
}

TEST(stun, success_of_both_families)
{
    const struct leat_addr addrs[] = {
        {.ip = {[10] = 0xff, 0xff, 203, 0, 113, 9}, .port = 65535},
        {.ip = {0x20, 1, 0xd, 0xb8, [15] = 7}, .port = 1},
    };
    for (int i = 0; i < 2; i++) {
        struct leat_stun_message message;
        size_t len = 0;
        REQUIRE(leat_stun_write_success(buffer, LEAT_STUN_SUCCESS_MAX, transaction, &addrs[i],
                                        "key", 3, &len) == 0);
        REQUIRE(leat_stun_parse(buffer, len, &message) == 0);
        CHECK(message.kind == LEAT_STUN_SUCCESS && leat_stun_verify(&message, "key", 3));
        CHECK(leat_addr_equal(&message.mapped, &addrs[i]));
    }
}

static int write_much(uint8_t *data, size_t cap, size_t *ret_len)
{
    struct leat_stun_writer writer;
    leat_stun_begin(&writer, data, cap, LEAT_STUN_REQUEST, LEAT_STUN_BINDING, transaction);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, "abcd:efghi", 10);
    leat_stun_put_u64(&writer, LEAT_STUN_ATTR_ICE_CONTROLLED, 7);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USE_CANDIDATE, NULL, 0);
    leat_stun_put_error(&writer, 300, "");
    return leat_stun_end(&writer, "key", 3, ret_len);
}

TEST(stun, a_small_buffer_is_never_overrun)
{
    size_t whole = 0, len = 99;
    REQUIRE(write_much(buffer, sizeof(buffer), &whole) == 0);
    for (size_t cap = 0; cap < whole; cap++) {
        uint8_t *const block = malloc(cap ? cap : 1);
        CHECK_EQ(write_much(block, cap, &len), -ENOBUFS);
        CHECK_EQ(len, 99);
        free(block);
    }
    CHECK_EQ(write_much(buffer, whole, &len), 0);
    CHECK_EQ(len, whole);
}

TEST(stun, values_that_are_not_allowed)
{
    static uint8_t value[65536];
    char long_reason[129] = {0};
    memset(long_reason, 'x', 128);
    struct leat_stun_writer writer;
    size_t len = 0;
    begin(&writer, LEAT_STUN_REQUEST);
    leat_stun_put(&writer, LEAT_STUN_ATTR_SOFTWARE, value, sizeof(value));
    CHECK_EQ(leat_stun_end(&writer, NULL, 0, &len), -EINVAL);
    begin(&writer, LEAT_STUN_REQUEST); /* fits an attribute, but not a message */
    leat_stun_put(&writer, LEAT_STUN_ATTR_SOFTWARE, value, sizeof(value) - 1);
    CHECK_EQ(leat_stun_end(&writer, NULL, 0, &len), -ENOBUFS);
    static const unsigned codes[] = {0, 299, 700};
    for (int i = 0; i < 3; i++) {
        begin(&writer, LEAT_STUN_ERROR);
        leat_stun_put_error(&writer, codes[i], "");
        CHECK_EQ(leat_stun_end(&writer, NULL, 0, &len), -EINVAL);
    }
    begin(&writer, LEAT_STUN_ERROR);
    leat_stun_put_error(&writer, 400, long_reason);
    CHECK_EQ(leat_stun_end(&writer, NULL, 0, &len), -EINVAL);
    CHECK_EQ(len, 0);
}

/* ---- integrity ---- */

TEST(stun, integrity_is_openssls_hmac)
{
    uint8_t key[300], expected[EVP_MAX_MD_SIZE];
    unsigned expected_len;
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(i * 7 + 1);
    }
    for (size_t key_len = 0; key_len <= sizeof(key); key_len++) {
        struct leat_stun_writer writer;
        size_t len = 0;
        begin(&writer, LEAT_STUN_REQUEST);
        leat_stun_put(&writer, LEAT_STUN_ATTR_SOFTWARE, key, key_len);
        REQUIRE(leat_stun_end(&writer, key, key_len, &len) == 0);
        const size_t at = len - 32;
        const uint8_t saved = buffer[3], saved2 = buffer[2];
        buffer[2] = (uint8_t)((len - 28) >> 8); /* as if FINGERPRINT were not there */
        buffer[3] = (uint8_t)(len - 28);
        REQUIRE(HMAC(EVP_sha1(), key, (int)key_len, buffer, at, expected, &expected_len));
        buffer[2] = saved2;
        buffer[3] = saved;
        CHECK(memcmp(buffer + at + 4, expected, 20) == 0);
    }
}

TEST(stun, checking_allocates_nothing)
{
    struct leat_stun_message message;
    const unsigned before = openssl_allocations;
    for (int i = 0; i < 100; i++) {
        REQUIRE(leat_stun_parse(request, LEN(request), &message) == 0);
        CHECK(leat_stun_verify(&message, password, strlen(password)));
        CHECK(!leat_stun_verify(&message, "wrong", 5));
    }
    CHECK_EQ(openssl_allocations, before);
    CHECK(HMAC(EVP_sha1(), "key", 3, request, 20, buffer, NULL) && openssl_allocations > before);
}
