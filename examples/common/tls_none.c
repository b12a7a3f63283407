/* In the place of tls.c with a leat that was built without TLS. */
#include "tls.h"

leat_tls_context *tls_server(const struct flags *flags, const char *prefix, const char *cert,
                             const char *key, const char *protocol)
{
    (void)protocol;
    if (cert != NULL || key != NULL) {
        flags_wrong(flags, "--%scert and --%skey: this leat was built without TLS", prefix, prefix);
    }
    return NULL;
}

leat_tls_context *tls_self_signed(void)
{
    return NULL;
}
