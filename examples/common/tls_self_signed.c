/* Made with OpenSSL each time the program starts, and written nowhere. */
#include "tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define DAYS 30

static X509 *certificate_for(EVP_PKEY *key)
{
    X509 *const x509 = X509_new();
    uint64_t serial = 1;
    if (x509 == NULL) {
        return NULL;
    }
    X509_NAME *const name = X509_get_subject_name(x509);
    X509_EXTENSION *const names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    const bool made = names != NULL && RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
                      ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial >> 1) == 1 &&
                      X509_set_version(x509, X509_VERSION_3) == 1 &&
                      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"leat trial", -1, -1,
                                                 0) == 1 &&
                      X509_set_issuer_name(x509, name) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(x509), -86400) != NULL &&
                      X509_gmtime_adj(X509_getm_notAfter(x509), DAYS * 86400L) != NULL &&
                      X509_set_pubkey(x509, key) == 1 && X509_add_ext(x509, names, -1) == 1 &&
                      X509_sign(x509, key, EVP_sha256()) > 0;
    X509_EXTENSION_free(names);
    if (!made) {
        X509_free(x509);
        return NULL;
    }
    return x509;
}

static leat_tls_bytes bytes_of(BIO *bio)
{
    char *data = NULL;
    const long len = BIO_get_mem_data(bio, &data);
    return leat_tls_bytes_of(data, len > 0 ? (size_t)len : 0);
}

leat_tls_context *tls_self_signed(void)
{
    EVP_PKEY *const key = EVP_EC_gen("P-256");
    X509 *const x509 = key != NULL ? certificate_for(key) : NULL;
    BIO *const chain = BIO_new(BIO_s_mem());
    BIO *const secret = BIO_new(BIO_s_mem());
    leat_tls_context *context = NULL;
    if (x509 != NULL && chain != NULL && secret != NULL && PEM_write_bio_X509(chain, x509) == 1 &&
        PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1) {
        const struct leat_tls_certificate certificate = {.chain = bytes_of(chain), .key = bytes_of(secret)};
        const char *const protocol = "http/1.1";
        struct leat_tls_config config;
        struct leat_tls_why why;
        leat_tls_config_default(LEAT_TLS_SERVER, &config);
        config.certificates = &certificate;
        config.certificate_count = 1;
        config.protocols = &protocol;
        config.protocol_count = 1;
        (void)leat_tls_context_open(&config, &why, &context);
    }
    BIO_free(secret);
    BIO_free(chain);
    X509_free(x509);
    EVP_PKEY_free(key);
    return context;
}
