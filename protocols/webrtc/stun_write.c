/* Writes a STUN message (RFC 8489, 5 and 14). The length in the header is set at the end; an error
 * sticks. Pure: any thread. */
#include <leat/stun.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "stun_integrity.h"

static void set16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void set32(uint8_t *at, uint32_t value)
{
    set16(at, value >> 16);
    set16(at + 2, value & 0xffff);
}

void leat_stun_begin(struct leat_stun_writer *writer, void *data, size_t cap,
                     enum leat_stun_kind kind, uint16_t method, const uint8_t *transaction)
{
    assert(method < 0x100); /* the first byte must stay below 4 (RFC 7983) */
    const unsigned class = (unsigned)kind;
    const unsigned type = (method & 0x80u) << 2 | (method & 0x70u) << 1 | (method & 0xfu) |
                          (class & 2) << 7 | (class & 1) << 4;
    *writer = (struct leat_stun_writer){.data = data, .cap = cap, .len = LEAT_STUN_HEADER_LEN};
    if (cap < LEAT_STUN_HEADER_LEN) {
        writer->status = -ENOBUFS;
        return;
    }
    set16(writer->data, type);
    set16(writer->data + 2, 0);
    set32(writer->data + 4, LEAT_STUN_COOKIE);
    memcpy(writer->data + 8, transaction, LEAT_STUN_TRANSACTION_LEN);
}

/* Room for a value, its header and padding written; NULL: there is none. */
static uint8_t *append(struct leat_stun_writer *writer, uint16_t type, size_t len)
{
    const size_t padded = (len + 3) & ~(size_t)3;
    if (writer->status) {
        return NULL;
    }
    if (len > UINT16_MAX) {
        writer->status = -EINVAL;
        return NULL;
    }
    const size_t end = writer->len + STUN_ATTR_HEADER_LEN + padded;
    if (end > writer->cap || end - LEAT_STUN_HEADER_LEN > UINT16_MAX) {
        writer->status = -ENOBUFS;
        return NULL;
    }
    uint8_t *const attr = writer->data + writer->len, *const value = attr + STUN_ATTR_HEADER_LEN;
    set16(attr, type);
    set16(attr + 2, len);
    memset(value + len, 0, padded - len);
    writer->len = end;
    return value;
}

void leat_stun_put(struct leat_stun_writer *writer, uint16_t type, const void *value, size_t len)
{
    uint8_t *const at = append(writer, type, len);
    if (at && len) {
        memcpy(at, value, len);
    }
}

void leat_stun_put_u32(struct leat_stun_writer *writer, uint16_t type, uint32_t value)
{
    uint8_t *const at = append(writer, type, 4);
    if (at) {
        set32(at, value);
    }
}

void leat_stun_put_u64(struct leat_stun_writer *writer, uint16_t type, uint64_t value)
{
    uint8_t *const at = append(writer, type, 8);
    if (at) {
        set32(at, (uint32_t)(value >> 32));
        set32(at + 4, (uint32_t)value);
    }
}

void leat_stun_put_mapped(struct leat_stun_writer *writer, const struct leat_addr *addr)
{
    const size_t ip_len = leat_addr_is_v4(addr) ? 4 : 16;
    uint8_t *const at = append(writer, LEAT_STUN_ATTR_XOR_MAPPED_ADDRESS, 4 + ip_len);
    if (at) {
        const uint8_t *const mask = writer->data + 4; /* cookie and transaction */
        set16(at, ip_len == 4 ? 1 : 2);
        set16(at + 2, addr->port ^ (LEAT_STUN_COOKIE >> 16));
        for (size_t i = 0; i < ip_len; i++) {
            at[4 + i] = addr->ip[16 - ip_len + i] ^ mask[i];
        }
    }
}

void leat_stun_put_error(struct leat_stun_writer *writer, unsigned code, const char *reason)
{
    const size_t len = strlen(reason);
    if (code < 300 || code > 699 || len > 127) {
        if (!writer->status) {
            writer->status = -EINVAL;
        }
        return;
    }
    uint8_t *const at = append(writer, LEAT_STUN_ATTR_ERROR_CODE, 4 + len);
    if (at) {
        set16(at, 0);
        set16(at + 2, code / 100 << 8 | code % 100);
        memcpy(at + 4, reason, len);
    }
}

void leat_stun_put_unknown(struct leat_stun_writer *writer, const uint16_t *types, size_t count)
{
    uint8_t *const at = append(writer, LEAT_STUN_ATTR_UNKNOWN_ATTRIBUTES, 2 * count);
    for (size_t i = 0; at && i < count; i++) {
        set16(at + 2 * i, types[i]);
    }
}

int leat_stun_end(struct leat_stun_writer *writer, const void *key, size_t key_len, size_t *ret_len)
{
    if (key) {
        uint8_t *const at = append(writer, LEAT_STUN_ATTR_MESSAGE_INTEGRITY, STUN_INTEGRITY_LEN);
        if (at &&
            !leat__stun_integrity(writer->data, (size_t)(at - writer->data) - STUN_ATTR_HEADER_LEN,
                                  key, key_len, at)) {
            writer->status = -EIO;
        }
    }
    uint8_t *const at = append(writer, LEAT_STUN_ATTR_FINGERPRINT, STUN_FINGERPRINT_LEN);
    if (!at) {
        return writer->status;
    }
    set16(writer->data + 2, writer->len - LEAT_STUN_HEADER_LEN);
    set32(at,
          leat__stun_fingerprint(writer->data, (size_t)(at - writer->data) - STUN_ATTR_HEADER_LEN));
    *ret_len = writer->len;
    return 0;
}

int leat_stun_write_success(void *data, size_t cap, const uint8_t *transaction,
                            const struct leat_addr *mapped, const void *key, size_t key_len,
                            size_t *ret_len)
{
    struct leat_stun_writer writer;
    leat_stun_begin(&writer, data, cap, LEAT_STUN_SUCCESS, LEAT_STUN_BINDING, transaction);
    leat_stun_put_mapped(&writer, mapped);
    return leat_stun_end(&writer, key, key_len, ret_len);
}
