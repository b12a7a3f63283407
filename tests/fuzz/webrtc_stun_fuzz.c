/* Bytes as a STUN message, as they are or with a header that fits. What is read lies within the
 * datagram, and written again it reads the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/stun.h>

#include "fuzz.h"

static void check_inside(const struct leat_stun_message *m, leat_stun_bytes bytes)
{
    REQUIRE(!bytes.data || (bytes.data >= m->data + LEAT_STUN_HEADER_LEN &&
                            bytes.data + bytes.len <= m->data + m->len));
}

static bool is_same(leat_stun_bytes a, leat_stun_bytes b)
{
    return !a.data == !b.data && a.len == b.len && (a.len == 0 || !memcmp(a.data, b.data, a.len));
}

static void write_text(struct leat_stun_writer *writer, uint16_t type, leat_stun_bytes text)
{
    if (text.data) {
        leat_stun_put(writer, type, text.data, text.len);
    }
}

static void write_again(const struct leat_stun_message *m, struct leat_stun_writer *writer)
{
    write_text(writer, LEAT_STUN_ATTR_USERNAME, m->username);
    write_text(writer, LEAT_STUN_ATTR_REALM, m->realm);
    write_text(writer, LEAT_STUN_ATTR_NONCE, m->nonce);
    if (m->has_priority) {
        leat_stun_put_u32(writer, LEAT_STUN_ATTR_PRIORITY, m->priority);
    }
    if (m->controlled) {
        leat_stun_put_u64(writer, LEAT_STUN_ATTR_ICE_CONTROLLED, m->tie_breaker);
    }
    if (m->controlling) {
        leat_stun_put_u64(writer, LEAT_STUN_ATTR_ICE_CONTROLLING, m->tie_breaker);
    }
    if (m->use_candidate) {
        leat_stun_put(writer, LEAT_STUN_ATTR_USE_CANDIDATE, NULL, 0);
    }
    if (m->has_mapped) {
        leat_stun_put_mapped(writer, &m->mapped);
    }
    for (unsigned i = 0; i < m->unknown_count; i++) {
        leat_stun_put(writer, m->unknown[i], "x", 1);
    }
    if (m->error_code) { /* the reason may be longer than what we would say */
        uint8_t value[4 + 763] = {0, 0, (uint8_t)(m->error_code / 100),
                                  (uint8_t)(m->error_code % 100)};
        memcpy(value + 4, m->error_reason.data, m->error_reason.len);
        leat_stun_put(writer, LEAT_STUN_ATTR_ERROR_CODE, value, 4 + m->error_reason.len);
    }
}

static void check_again(const struct leat_stun_message *m)
{
    static uint8_t bytes[4096];
    struct leat_stun_writer writer;
    struct leat_stun_message again;
    size_t len = 0;
    leat_stun_begin(&writer, bytes, sizeof(bytes), m->kind, m->method, m->transaction);
    write_again(m, &writer);
    REQUIRE(leat_stun_end(&writer, "key", 3, &len) == 0);
    REQUIRE(leat_stun_parse(bytes, len, &again) == 0);
    REQUIRE(again.fingerprint && !again.malformed && leat_stun_verify(&again, "key", 3));
    REQUIRE(again.kind == m->kind && again.method == m->method);
    REQUIRE(memcmp(again.transaction, m->transaction, LEAT_STUN_TRANSACTION_LEN) == 0);
    REQUIRE(is_same(again.username, m->username) && is_same(again.realm, m->realm) &&
            is_same(again.nonce, m->nonce));
    REQUIRE(again.error_code == m->error_code && is_same(again.error_reason, m->error_reason));
    REQUIRE(again.has_priority == m->has_priority && again.priority == m->priority);
    REQUIRE(again.controlled == m->controlled && again.controlling == m->controlling &&
            again.tie_breaker == m->tie_breaker && again.use_candidate == m->use_candidate);
    REQUIRE(again.has_mapped == m->has_mapped && leat_addr_equal(&again.mapped, &m->mapped));
    REQUIRE(again.unknown_count == m->unknown_count &&
            memcmp(again.unknown, m->unknown, sizeof(m->unknown)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_stun_message message;
    if (size == 0) {
        return 0;
    }
    const bool patched = *data & 1;
    size--;
    uint8_t *const block = malloc(size ? size : 1);
    memcpy(block, data + 1, size);
    if (patched && size >= LEAT_STUN_HEADER_LEN) {
        block[0] &= 3;
        block[2] = (uint8_t)((size - LEAT_STUN_HEADER_LEN) >> 8);
        block[3] = (uint8_t)(size - LEAT_STUN_HEADER_LEN);
        memcpy(block + 4, "\x21\x12\xa4\x42", 4);
    }
    if (leat_stun_parse(block, size, &message) == 0) {
        REQUIRE(leat_stun_is(block, size));
        check_inside(&message, message.username);
        check_inside(&message, message.realm);
        check_inside(&message, message.nonce);
        check_inside(&message, message.error_reason);
        REQUIRE(message.unknown_count <= LEAT_STUN_UNKNOWN_MAX);
        REQUIRE(!leat_stun_verify(&message, block, size)); /* nobody guesses an HMAC */
        check_again(&message);
    }
    free(block);
    return 0;
}
