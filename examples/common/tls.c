/* The certificate's files, read at the start and again at SIGHUP: a context may be changed by any
 * thread. A bad certificate changes nothing. */
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hangup.h"

#define FILE_LEN_MAX 65536

static struct {
    leat_tls_context *context;
    const char *cert, *key;
} watched;

/* With a 0 behind its bytes. */
static int read_file(const char *path, leat_tls_bytes *ret)
{
    FILE *const file = fopen(path, "rb");
    if (file == NULL) {
        return -errno;
    }
    uint8_t *const data = malloc(FILE_LEN_MAX);
    const size_t len = data ? fread(data, 1, FILE_LEN_MAX, file) : 0;
    const int status = !data ? -ENOMEM : ferror(file) ? -EIO : len == FILE_LEN_MAX ? -EFBIG : 0;
    fclose(file);
    if (status != 0) {
        free(data);
        return status;
    }
    data[len] = 0;
    *ret = leat_tls_bytes_of(data, len);
    return 0;
}

static void files_free(struct leat_tls_certificate *certificate)
{
    free((void *)(uintptr_t)certificate->chain.data);
    free((void *)(uintptr_t)certificate->key.data);
    memset(certificate, 0, sizeof(*certificate));
}

/* What a PEM file of that kind has; what follows its dashes says which algorithm's it is, or nothing. */
static bool has_block(leat_tls_bytes file, const char *end_of_label)
{
    return strstr((const char *)file.data, end_of_label) != NULL;
}

static int files_read(const char *cert, const char *key, struct leat_tls_certificate *ret,
                      struct leat_tls_why *ret_why)
{
    memset(ret, 0, sizeof(*ret));
    const char *path = cert;
    int status = read_file(cert, &ret->chain);
    if (status == 0) {
        path = key;
        status = read_file(key, &ret->key);
    }
    if (status != 0) {
        snprintf(ret_why->text, sizeof(ret_why->text), "cannot read %s: %s", path, strerror(-status));
    } else if (!has_block(ret->chain, "CERTIFICATE-----")) {
        snprintf(ret_why->text, sizeof(ret_why->text), "no certificate in %s", cert);
        status = -EINVAL;
    } else if (!has_block(ret->key, "PRIVATE KEY-----")) {
        snprintf(ret_why->text, sizeof(ret_why->text), "no private key in %s", key);
        status = -EINVAL;
    }
    if (status != 0) {
        files_free(ret);
    }
    return status;
}

static void reload(void *context)
{
    struct leat_tls_why why = {""};
    struct leat_tls_certificate fresh;
    (void)context;
    int status = files_read(watched.cert, watched.key, &fresh, &why);
    if (status == 0) {
        status = leat_tls_context_reload(watched.context, &fresh, 1, &why);
        files_free(&fresh);
    }
    if (status == 0) {
        printf("new certificate\n");
    } else {
        printf("the old certificate stays: %s\n", why.text[0] ? why.text : strerror(-status));
    }
    fflush(stdout);
}

leat_tls_context *tls_server(const struct flags *flags, const char *prefix, const char *cert,
                             const char *key, const char *protocol)
{
    struct leat_tls_certificate certificate;
    struct leat_tls_config config;
    struct leat_tls_why why;
    leat_tls_context *context = NULL;
    if (cert == NULL && key == NULL) {
        return NULL;
    }
    if (cert == NULL || key == NULL) {
        flags_wrong(flags, "--%scert and --%skey go together", prefix, prefix);
    }
    int status = files_read(cert, key, &certificate, &why);
    if (status != 0) {
        flags_wrong(flags, "%s", why.text);
    }
    leat_tls_config_default(LEAT_TLS_SERVER, &config);
    config.certificates = &certificate;
    config.certificate_count = 1;
    config.protocols = &protocol;
    config.protocol_count = protocol != NULL ? 1 : 0;
    if (leat_tls_context_open(&config, &why, &context) != 0) {
        flags_wrong(flags, "%s", why.text);
    }
    files_free(&certificate);
    watched.context = context;
    watched.cert = cert;
    watched.key = key;
    status = hangup_watch(reload, NULL);
    if (status != 0) {
        flags_wrong(flags, "no thread for SIGHUP: %s", strerror(-status));
    }
    return context;
}
