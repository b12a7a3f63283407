/* The gate: a table from our ufrags to sessions. Open addressing with at most half of the slots
 * taken, so a search is short and its length bounded by nobody's choice: the hash is keyed with
 * random bytes. What it does with a datagram allocates nothing and answers nothing. One thread. */
#include <leat/ice.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "ice_credentials.h"

struct entry {
    uint64_t user;
    size_t ufrag_len, pwd_len;
    char text[]; /* the ufrag, then the password */
};

struct slot {
    uint64_t hash;
    struct entry *entry; /* NULL: free */
};

struct leat_ice_gate {
    uint64_t key[2];
    size_t len, max;
    size_t mask; /* slots - 1, a power of two */
    struct slot slots[];
};

static uint64_t rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

static void sip_rounds(uint64_t v[4], unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* SipHash-2-4. OpenSSL's would allocate for each. */
static uint64_t hash_of(const uint64_t key[2], const char *text, size_t len)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    for (size_t at = 0; at <= len; at += 8) { /* the last word has len in its top byte */
        const size_t part = len - at < 8 ? len - at : 8;
        uint64_t word = part < 8 ? (uint64_t)len << 56 : 0;
        for (size_t i = 0; i < part; i++) {
            word |= (uint64_t)(uint8_t)text[at + i] << 8 * i;
        }
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int leat_ice_gate_open(size_t max, leat_ice_gate **ret)
{
    size_t slots = 2;
    assert(max > 0);
    while (slots / 2 < max && slots < SIZE_MAX / 4 / sizeof(struct slot)) {
        slots *= 2;
    }
    if (slots / 2 < max) {
        return -ENOMEM;
    }
    leat_ice_gate *const gate = calloc(1, sizeof(*gate) + slots * sizeof(struct slot));
    if (!gate) {
        return -ENOMEM;
    }
    if (RAND_bytes((unsigned char *)gate->key, sizeof(gate->key)) != 1) {
        free(gate);
        return -EIO;
    }
    gate->max = max;
    gate->mask = slots - 1;
    *ret = gate;
    return 0;
}

static void entry_free(struct entry *entry)
{
    if (entry) {
        OPENSSL_cleanse(entry->text, entry->ufrag_len + entry->pwd_len);
        free(entry);
    }
}

void leat_ice_gate_close(leat_ice_gate *gate)
{
    if (gate) {
        for (size_t i = 0; i <= gate->mask; i++) {
            entry_free(gate->slots[i].entry);
        }
        free(gate);
    }
}

/* Where it is; else the free slot where it belongs: there is always one. */
static size_t find(const leat_ice_gate *gate, uint64_t hash, const char *ufrag, size_t len)
{
    size_t at = hash & gate->mask;
    for (;; at = (at + 1) & gate->mask) {
        const struct slot *const slot = &gate->slots[at];
        if (!slot->entry || (slot->hash == hash && slot->entry->ufrag_len == len &&
                             memcmp(slot->entry->text, ufrag, len) == 0)) {
            return at;
        }
    }
}

int leat_ice_gate_add(leat_ice_gate *gate, const struct leat_ice_credentials *local, uint64_t user)
{
    const size_t ufrag_len = strlen(local->ufrag), pwd_len = strlen(local->pwd);
    const uint64_t hash = hash_of(gate->key, local->ufrag, ufrag_len);
    struct slot *const slot = &gate->slots[find(gate, hash, local->ufrag, ufrag_len)];
    if (slot->entry) {
        return -EEXIST;
    }
    if (gate->len == gate->max) {
        return -ENOSPC;
    }
    struct entry *const entry = malloc(sizeof(*entry) + ufrag_len + pwd_len);
    if (!entry) {
        return -ENOMEM;
    }
    *entry = (struct entry){.user = user, .ufrag_len = ufrag_len, .pwd_len = pwd_len};
    memcpy(entry->text, local->ufrag, ufrag_len);
    memcpy(entry->text + ufrag_len, local->pwd, pwd_len);
    *slot = (struct slot){hash, entry};
    gate->len++;
    return 0;
}

/* Fills the hole with a later entry that belongs there or before, and goes on with the hole that
 * one leaves: no tombstones, so searches do not grow with the age of the table. */
static void close_hole(leat_ice_gate *gate, size_t hole)
{
    for (size_t at = (hole + 1) & gate->mask; gate->slots[at].entry; at = (at + 1) & gate->mask) {
        const size_t home = gate->slots[at].hash & gate->mask;
        if (((at - home) & gate->mask) >= ((at - hole) & gate->mask)) {
            gate->slots[hole] = gate->slots[at];
            hole = at;
        }
    }
    gate->slots[hole] = (struct slot){0};
}

int leat_ice_gate_remove(leat_ice_gate *gate, const char *ufrag)
{
    const size_t len = strlen(ufrag);
    const size_t at = find(gate, hash_of(gate->key, ufrag, len), ufrag, len);
    if (!gate->slots[at].entry) {
        return -ENOENT;
    }
    entry_free(gate->slots[at].entry);
    close_hole(gate, at);
    gate->len--;
    return 0;
}

size_t leat_ice_gate_len(const leat_ice_gate *gate)
{
    return gate->len;
}

enum leat_ice_verdict leat_ice_gate_check(const leat_ice_gate *gate, const void *data, size_t len,
                                          uint64_t *ret_user)
{
    struct leat_stun_message message;
    const char *ufrag;
    size_t ufrag_len;
    if (leat_stun_parse(data, len, &message) != 0) {
        return LEAT_ICE_MALFORMED;
    }
    if (message.kind != LEAT_STUN_REQUEST || message.method != LEAT_STUN_BINDING ||
        !message.integrity_at || !leat__ice_username_local(&message, &ufrag, &ufrag_len)) {
        return LEAT_ICE_NOT_A_CHECK;
    }
    const uint64_t hash = hash_of(gate->key, ufrag, ufrag_len);
    const struct entry *const entry = gate->slots[find(gate, hash, ufrag, ufrag_len)].entry;
    if (!entry) {
        return LEAT_ICE_UNKNOWN_UFRAG;
    }
    if (!leat_stun_verify(&message, entry->text + entry->ufrag_len, entry->pwd_len)) {
        return LEAT_ICE_BAD_INTEGRITY;
    }
    *ret_user = entry->user;
    return LEAT_ICE_PASSED;
}
