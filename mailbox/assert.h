/* Assertions of three tiers. LEAT_ASSERT is cheap and on in release builds: it guards against a
 * programmer's error, never against what came from a network. */
#ifndef LEAT_ASSERT_H
#define LEAT_ASSERT_H

__attribute__((noreturn, cold)) void leat__assert_failed(const char *expr, const char *file,
                                                         int line);

#define LEAT_LIKELY(expr) __builtin_expect(!!(expr), 1)
#define LEAT_UNLIKELY(expr) __builtin_expect(!!(expr), 0)

#define LEAT_ASSERT(expr)                                                                          \
    (LEAT_LIKELY(expr) ? (void)0 : leat__assert_failed(#expr, __FILE__, __LINE__))

/* Walks lists or sums counters: debug builds only. */
#ifdef LEAT_DEBUG
#define LEAT_ASSERT_SLOW(expr) LEAT_ASSERT(expr)
#else
#define LEAT_ASSERT_SLOW(expr) ((void)sizeof(expr))
#endif

#define LEAT_UNREACHABLE() leat__assert_failed("unreachable", __FILE__, __LINE__)

#endif
