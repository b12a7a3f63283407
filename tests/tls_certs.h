/* Certificates for tests, made by the test that needs them: no key lies in the tree, none
 * expires. They are good from CERTS_FROM to CERTS_UNTIL, so a test gives leat_tls_open
 * CERTS_NOW. */
#ifndef LEAT_TESTS_TLS_CERTS_H
#define LEAT_TESTS_TLS_CERTS_H

#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <leat/tls.h>

#define CERTS_FROM 1700000000LL
#define CERTS_UNTIL (CERTS_FROM + 90LL * 86400)
#define CERTS_NOW (CERTS_FROM + 86400)

struct cert {
    X509 *x509;
    EVP_PKEY *key;
    char *pem; /* the certificate and, for all but a root, those above it */
    char *key_pem;
};

static inline void certs_must(int good)
{
    if (!good) {
        fprintf(stderr, "OpenSSL could not make a certificate\n");
        abort();
    }
}

static inline char *certs_text(BIO *bio)
{
    char *data = NULL;
    const long len = BIO_get_mem_data(bio, &data);
    char *const text = malloc((size_t)len + 1);
    certs_must(text != NULL);
    memcpy(text, data, (size_t)len);
    text[len] = '\0';
    BIO_free(bio);
    return text;
}

static inline void certs_extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *const extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    certs_must(extension && X509_add_ext(x509, extension, -1));
    X509_EXTENSION_free(extension);
}

/* `names` as in "DNS:a.example,DNS:*.b.example,IP:127.0.0.1"; NULL: an authority. `issuer` NULL:
 * signed by itself. Takes `key`. */
static inline struct cert cert_make(const char *names, const struct cert *issuer, EVP_PKEY *key)
{
    static long serial;
    struct cert cert = {.x509 = X509_new(), .key = key};
    certs_must(cert.x509 && key);
    X509 *const above = issuer ? issuer->x509 : cert.x509;
    char common[32];
    snprintf(common, sizeof(common), "test %ld", ++serial);
    certs_must(X509_set_version(cert.x509, 2));
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial);
    ASN1_TIME_set(X509_getm_notBefore(cert.x509), (time_t)CERTS_FROM);
    ASN1_TIME_set(X509_getm_notAfter(cert.x509), (time_t)CERTS_UNTIL);
    certs_must(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.x509), "CN", MBSTRING_ASC,
                                          (const unsigned char *)common, -1, -1, 0));
    certs_must(X509_set_issuer_name(cert.x509, X509_get_subject_name(above)));
    certs_must(X509_set_pubkey(cert.x509, key));
    certs_extend(cert.x509, above, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
    if (names) {
        certs_extend(cert.x509, above, NID_subject_alt_name, names);
    }
    certs_must(X509_sign(cert.x509, issuer ? issuer->key : key, EVP_sha256()));
    BIO *bio = BIO_new(BIO_s_mem());
    certs_must(PEM_write_bio_X509(bio, cert.x509));
    if (issuer) {
        certs_must(BIO_puts(bio, issuer->pem) > 0);
    }
    cert.pem = certs_text(bio);
    bio = BIO_new(BIO_s_mem());
    certs_must(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    cert.key_pem = certs_text(bio);
    return cert;
}

static inline struct cert cert_issue(const char *names, const struct cert *issuer)
{
    return cert_make(names, issuer, EVP_EC_gen("P-256"));
}

static inline void cert_free(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    free(cert->pem);
    free(cert->key_pem);
}

static inline leat_tls_bytes certs_bytes(const char *text)
{
    return leat_tls_bytes_of(text, strlen(text));
}

static inline struct leat_tls_certificate cert_of(const struct cert *cert)
{
    return (struct leat_tls_certificate){certs_bytes(cert->pem), certs_bytes(cert->key_pem)};
}

#endif
