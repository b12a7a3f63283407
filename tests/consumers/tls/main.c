#include <leat/tls.h>

#include <stdio.h>

/* Writes the first bytes of a connection, to memory. */
int main(void)
{
    struct leat_tls_config config;
    const struct leat_tls_options options = {.host = "localhost"};
    leat_tls_context *context;
    leat_tls *tls;
    unsigned char bytes[4096];
    struct leat_tls_out out = {bytes, sizeof(bytes), 0};

    leat_tls_config_default(LEAT_TLS_CLIENT, &config);
    config.unverified = true; /* nobody will answer */
    if (leat_tls_context_open(&config, NULL, &context) != 0 ||
        leat_tls_open(context, &options, 0, &tls) != 0) {
        return 1;
    }
    leat_tls_flush(tls, &out);
    printf("%zu bytes\n", out.len);
    leat_tls_close(tls);
    leat_tls_context_unref(context);
    return out.len == 0;
}
