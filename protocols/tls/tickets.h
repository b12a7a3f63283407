/* The keys that session tickets are sealed with. */
#ifndef LEAT_PROTOCOLS_TLS_TICKETS_H
#define LEAT_PROTOCOLS_TLS_TICKETS_H

#include <openssl/ssl.h>

#include <leat/tls.h>

struct ticket_key {
    uint8_t name[16];
    uint8_t cipher[32]; /* AES-256-CBC */
    uint8_t mac[32];    /* HMAC-SHA256 */
};

_Static_assert(sizeof(struct ticket_key) == LEAT_TLS_TICKET_KEY_LEN, "as the header says");

struct tickets {
    struct ticket_key now;
    struct ticket_key before; /* tickets of it are taken, and exchanged for new ones */
    bool has_before;
};

/* Sets up what OpenSSL needs to seal (`sealing`) or open a ticket; what its callback returns: 1;
 * 2: good, but give a new one; 0: the key is not ours; -1: OpenSSL could not. */
int leat__tls_tickets_use(const struct tickets *tickets, uint8_t name[16], uint8_t *iv,
                          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool sealing);

#endif
