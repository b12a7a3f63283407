/* How long a ClientHello says it is. OpenSSL makes room for as much as is announced, 131,396
 * bytes at most, before any of it has come; so a server looks at the announcement first. */
#ifndef LEAT_PROTOCOLS_TLS_HELLO_H
#define LEAT_PROTOCOLS_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_HELLO_LEN_MAX 16384u /* bytes; clients send some 2,000 */

/* Follows the records of a handshake; zeroed at first. */
struct hello {
    uint32_t left;   /* bytes of the record that is being read */
    uint8_t head[5]; /* of the record: type, version, length */
    uint8_t head_len;
    uint8_t message[4];  /* of the first handshake message: type, length */
    uint8_t message_len; /* 4: that has been looked at */
};

/* Looks at bytes that go to OpenSSL. False: the ClientHello that begins in them is too long. */
bool leat__tls_hello_read(struct hello *hello, const uint8_t *data, size_t len);

/* Another one may come: a HelloRetryRequest has been sent. */
void leat__tls_hello_again(struct hello *hello);

#endif
