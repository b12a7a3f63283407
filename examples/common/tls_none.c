/* In the place of tls.c with a leat that was built without TLS. */
#include "tls.h"

leat_tls_context *tls_server(const struct flags *flags, const char *cert, const char *key,
                             const char *protocol)
{
    (void)protocol;
    if (cert != NULL || key != NULL) {
        flags_wrong(flags, "--cert and --key: this leat was built without TLS");
    }
    return NULL;
}

leat_tls_context *tls_self_signed(void)
{
    return NULL;
}
