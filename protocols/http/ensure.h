/* Assertions, on in release builds: against a programmer's error, never against what a peer sent. They are
 * this library's own, because it stands alone. */
#ifndef LEAT_PROTOCOLS_HTTP_ENSURE_H
#define LEAT_PROTOCOLS_HTTP_ENSURE_H

__attribute__((noreturn, cold)) void leat__http_ensure_failed(const char *expr, const char *file,
                                                              int line);

#define ENSURE(expr)                                                                               \
    (__builtin_expect(!!(expr), 1) ? (void)0 : leat__http_ensure_failed(#expr, __FILE__, __LINE__))

#endif
