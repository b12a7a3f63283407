/* The keys that session tickets are sealed with (RFC 5077, 4). Two are known: one seals, both
 * open, so that who came before a rotation may come back once more. Called by the context, under
 * its lock. */
#include "tickets.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/rand.h>

static bool set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[3];
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac,
                                                  sizeof(key->mac));
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int seal(const struct ticket_key *key, uint8_t name[16], uint8_t *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *mac)
{
    memcpy(name, key->name, sizeof(key->name));
    const bool good = RAND_bytes(iv, 16) == 1 &&
                      EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
                      set_mac(mac, key);
    return good ? 1 : -1;
}

static int unseal(const struct ticket_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher,
                  EVP_MAC_CTX *mac)
{
    const bool good = set_mac(mac, key) &&
                      EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1;
    return good ? 1 : -1;
}

int leat__tls_tickets_use(const struct tickets *tickets, uint8_t name[16], uint8_t *iv,
                          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool sealing)
{
    if (sealing) {
        return seal(&tickets->now, name, iv, cipher, mac);
    }
    if (memcmp(name, tickets->now.name, sizeof(tickets->now.name)) == 0) {
        return unseal(&tickets->now, iv, cipher, mac);
    }
    if (tickets->has_before &&
        memcmp(name, tickets->before.name, sizeof(tickets->before.name)) == 0) {
        return unseal(&tickets->before, iv, cipher, mac) == 1 ? 2 : -1;
    }
    return 0;
}
