/* OpenSSL's errors in words. */
#include "errors.h"

#include <stdarg.h>
#include <stdio.h>

#include <openssl/err.h>

void leat__tls_say(struct leat_tls_why *ret_why, const char *format, ...)
{
    if (ret_why == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(ret_why->text, sizeof(ret_why->text), format, args);
    va_end(args);
}

const char *leat__tls_reason(void)
{
    const char *const reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "OpenSSL does not say why";
}

bool leat__tls_is_memory(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}
