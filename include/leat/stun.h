/* STUN messages (RFC 8489) as ICE uses them (RFC 8445): one datagram read into a struct that points
 * into it, and one datagram written.
 *
 * Pure functions: any thread, nothing blocks, nothing of leat allocates. Errors are 0 or a negative
 * errno; out-parameters are untouched on failure. Lengths are in bytes.
 *
 * Integrity is MESSAGE-INTEGRITY, HMAC-SHA1; the key of short-term credentials is the password
 * itself (RFC 8489, 9.1.1), that of long-term ones 16 bytes of MD5 the caller computes (9.2.2).
 * Reading never checks it: see leat_stun_verify. Not read: MESSAGE-INTEGRITY-SHA256, USERHASH
 * and PASSWORD-ALGORITHM, which ICE does not use; they are unknown attributes. */
#ifndef LEAT_STUN_H
#define LEAT_STUN_H

#include <leat/addr.h>
#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_STUN_HEADER_LEN 20u
#define LEAT_STUN_TRANSACTION_LEN 12u
#define LEAT_STUN_COOKIE 0x2112A442u
#define LEAT_STUN_USERNAME_MAX 513u /* 256 + ':' + 256, the most ICE makes of it (RFC 8445, 5.4) */
#define LEAT_STUN_UNKNOWN_MAX 8u    /* unknown attributes that are told of one message */

enum leat_stun_kind { LEAT_STUN_REQUEST, LEAT_STUN_INDICATION, LEAT_STUN_SUCCESS, LEAT_STUN_ERROR };

enum { LEAT_STUN_BINDING = 0x001 }; /* the method */

/* Attribute types (RFC 8489, 18.3; RFC 8445, 16.1). Below 0x8000 they must be understood. */
enum {
    LEAT_STUN_ATTR_MAPPED_ADDRESS = 0x0001,
    LEAT_STUN_ATTR_USERNAME = 0x0006,
    LEAT_STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,
    LEAT_STUN_ATTR_ERROR_CODE = 0x0009,
    LEAT_STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000A,
    LEAT_STUN_ATTR_REALM = 0x0014,
    LEAT_STUN_ATTR_NONCE = 0x0015,
    LEAT_STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
    LEAT_STUN_ATTR_PRIORITY = 0x0024,
    LEAT_STUN_ATTR_USE_CANDIDATE = 0x0025,
    LEAT_STUN_ATTR_SOFTWARE = 0x8022,
    LEAT_STUN_ATTR_FINGERPRINT = 0x8028,
    LEAT_STUN_ATTR_ICE_CONTROLLED = 0x8029,
    LEAT_STUN_ATTR_ICE_CONTROLLING = 0x802A
};

/* Somebody else's bytes; data is NULL when an attribute is absent. */
typedef struct leat_stun_bytes {
    const uint8_t *data;
    size_t         len;
} leat_stun_bytes;

/* ---- reading ---- */

/* Is this STUN, among what else arrives at a media port (RFC 7983: first byte 0..3; and the
 * cookie)? Says nothing of the rest. A datagram for which it is false is never taken by
 * leat_stun_parse. */
LEAT_API bool leat_stun_is(const void *data, size_t len);

/* A message that was read. Pointers are into the datagram and live as long as it. Of an attribute
 * that comes twice the first counts; what follows MESSAGE-INTEGRITY is ignored, but FINGERPRINT
 * (RFC 8489, 14.5). */
struct leat_stun_message {
    const uint8_t      *data; /* the datagram */
    size_t              len;
    enum leat_stun_kind kind;
    uint16_t            method;
    const uint8_t      *transaction; /* LEAT_STUN_TRANSACTION_LEN bytes */
    leat_stun_bytes     username, realm, nonce;
    bool                has_priority, has_mapped;
    bool                use_candidate;
    bool                controlled, controlling; /* the role the sender claims, with tie_breaker */
    bool                fingerprint;             /* there is one, and it is right */
    bool                malformed; /* an attribute has a wrong length or value and was left out: a
                                      request is answered with 400, once it is authenticated */
    uint16_t            integrity_at; /* offset of MESSAGE-INTEGRITY; 0: there is none */
    uint16_t            error_code;   /* 300..699; 0: no ERROR-CODE */
    leat_stun_bytes     error_reason; /* UTF-8, at most 763 bytes */
    uint32_t            priority;
    uint64_t            tie_breaker;
    struct leat_addr    mapped; /* XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS */
    /* Types below 0x8000 that are not known: 420 (RFC 8489, 6.3.1). The first ones, each once. */
    uint16_t unknown[LEAT_STUN_UNKNOWN_MAX];
    uint16_t unknown_count;
};

/* Reads a whole datagram. -EBADMSG: not STUN, lengths that do not add up to `len`, a wrong
 * FINGERPRINT or one that is not the last attribute. */
LEAT_API int leat_stun_parse(const void *data, size_t len, struct leat_stun_message *ret);

/* Whether MESSAGE-INTEGRITY is there and made with this key; compared in constant time. */
LEAT_API bool leat_stun_verify(const struct leat_stun_message *message, const void *key,
                               size_t key_len);

/* ---- writing ---- */

/* Where a message is written. The first thing that finds no room makes all that follow do
 * nothing, so only leat_stun_end need be asked. */
struct leat_stun_writer {
    uint8_t *data;
    size_t   cap;
    size_t   len;
    int      status; /* 0, -ENOBUFS, -EINVAL */
};

/* Begins a message; methods are below 0x100 (RFC 8489, 18.2), `transaction` has
 * LEAT_STUN_TRANSACTION_LEN bytes. */
LEAT_API void leat_stun_begin(struct leat_stun_writer *writer, void *data, size_t cap,
                              enum leat_stun_kind kind, uint16_t method,
                              const uint8_t *transaction);

/* Appends an attribute, padded with zeros. `value` may be NULL when `len` is 0: USE-CANDIDATE. */
LEAT_API void leat_stun_put(struct leat_stun_writer *writer, uint16_t type, const void *value,
                            size_t len);
LEAT_API void leat_stun_put_u32(struct leat_stun_writer *writer, uint16_t type, uint32_t value);
LEAT_API void leat_stun_put_u64(struct leat_stun_writer *writer, uint16_t type, uint64_t value);

/* XOR-MAPPED-ADDRESS. */
LEAT_API void leat_stun_put_mapped(struct leat_stun_writer *writer, const struct leat_addr *addr);

/* ERROR-CODE, 300..699; the reason phrase is 0-terminated and at most 127 bytes. */
LEAT_API void leat_stun_put_error(struct leat_stun_writer *writer, unsigned code,
                                  const char *reason);

/* UNKNOWN-ATTRIBUTES, for 420. */
LEAT_API void leat_stun_put_unknown(struct leat_stun_writer *writer, const uint16_t *types,
                                    size_t count);

/* Ends it with MESSAGE-INTEGRITY (unless `key` is NULL) and FINGERPRINT. *ret_len is the length
 * of the datagram. -ENOBUFS: it did not fit; -EINVAL: a value was not allowed; -EIO: OpenSSL
 * failed. */
LEAT_API int leat_stun_end(struct leat_stun_writer *writer, const void *key, size_t key_len,
                           size_t *ret_len);

/* A whole success response to a Binding request, which came from `mapped`. At most
 * LEAT_STUN_SUCCESS_MAX bytes. Errors as leat_stun_end. */
#define LEAT_STUN_SUCCESS_MAX 76u
LEAT_API int leat_stun_write_success(void *data, size_t cap, const uint8_t *transaction,
                                     const struct leat_addr *mapped, const void *key,
                                     size_t key_len, size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
