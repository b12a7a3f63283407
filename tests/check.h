/*
 * One test source, two runners: Criterion, or with -DCHECK_PLAIN a main in this process, which is
 * what TSan and valgrind can run. One test program is one .c file. TEST(suite, name) { … } is a case;
 * CHECK goes on after a failure, REQUIRE and SKIP leave the case: those two only on the thread that
 * runs it. In the plain runner CHECK works on any thread; under Criterion collect there, check here.
 *
 * Both runners end with a line per case, "[check] PASS suite.name", and one with the totals:
 * scripts/test counts those.
 */
#ifndef LEAT_TESTS_CHECK_H
#define LEAT_TESTS_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CHECK(expr) CHECK_THAT_(expr, "%s", #expr)
#define REQUIRE(expr) REQUIRE_THAT_(expr, "%s", #expr)

/* Integers (and what casts to one); both values are printed. */
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        const long long check_a_ = (long long)(a), check_b_ = (long long)(b);                      \
        CHECK_THAT_(check_a_ == check_b_, "%s == %s: %lld, %lld", #a, #b, check_a_, check_b_);     \
    } while (0)

/* Strings; NULL equals only NULL. */
#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *const check_a_ = (a), *const check_b_ = (b);                                   \
        CHECK_THAT_(check_str_equal(check_a_, check_b_), "%s == %s: \"%s\", \"%s\"", #a, #b,       \
                    check_a_ ? check_a_ : "(null)", check_b_ ? check_b_ : "(null)");               \
    } while (0)

static inline bool check_str_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

#ifndef CHECK_PLAIN

#include <criterion/criterion.h>
#include <criterion/hooks.h>

#define TEST(suite, name) Test(suite, name)
#define CHECK_THAT_(condition, ...) cr_expect(condition, __VA_ARGS__)
#define REQUIRE_THAT_(condition, ...) cr_assert(condition, __VA_ARGS__)
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        printf("SKIP %s\n", (reason));                                                             \
        fflush(stdout);                                                                            \
        cr_skip_test("%s", (reason));                                                              \
    } while (0)

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    for (const struct criterion_suite_stats *suite = stats->suites; suite; suite = suite->next) {
        for (const struct criterion_test_stats *test = suite->tests; test; test = test->next) {
            const bool skipped = test->test_status == CR_STATUS_SKIPPED;
            const bool passed = test->test_status == CR_STATUS_PASSED && !test->crashed;
            const char *const result = skipped ? "SKIP" : passed ? "PASS" : "FAIL";
            const char *const why = skipped && test->message ? test->message : "";
            printf("[check] %s %s.%s%s%s\n", result, test->test->category, test->test->name,
                   *why ? ": " : "", why);
        }
    }
    printf("[check] %zu passed, %zu failed, %zu skipped\n", stats->tests_passed,
           stats->tests_failed, stats->tests_skipped); /* failed counts the crashed too */
    fflush(stdout);
}

#else /* CHECK_PLAIN */

#include <setjmp.h>
#include <stdatomic.h>

struct check_case {
    const char *name;
    void (*run)(void);
    struct check_case *next;
};

static struct check_case *check_cases, **check_cases_end = &check_cases;
static atomic_uint check_failures; /* of the case that runs */
static const char *check_skipped;  /* its reason, or NULL */
static jmp_buf check_leave;

#define TEST(suite, name)                                                                          \
    static void check_run_##suite##_##name(void);                                                  \
    __attribute__((constructor)) static void check_add_##suite##_##name(void)                      \
    {                                                                                              \
        static struct check_case this_case = {#suite "." #name, check_run_##suite##_##name, NULL}; \
        *check_cases_end = &this_case;                                                             \
        check_cases_end = &this_case.next;                                                         \
    }                                                                                              \
    static void check_run_##suite##_##name(void)

#define CHECK_THAT_(condition, ...) ((condition) ? (void)0 : CHECK_FAILED_(__VA_ARGS__))
#define REQUIRE_THAT_(condition, ...)                                                              \
    ((condition) ? (void)0 : (CHECK_FAILED_(__VA_ARGS__), longjmp(check_leave, 1)))
#define CHECK_FAILED_(format, ...)                                                                 \
    (fprintf(stderr, "%s:%d: failed: " format "\n", __FILE__, __LINE__, __VA_ARGS__),              \
     (void)atomic_fetch_add(&check_failures, 1))
#define SKIP(reason) (check_skipped = (reason), longjmp(check_leave, 1))

static inline void check_run(const struct check_case *test)
{
    atomic_store(&check_failures, 0);
    check_skipped = NULL;
    if (setjmp(check_leave) == 0) {
        test->run();
    }
}

/* Runs the cases whose suite.name contains the argument; all without one. */
int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0, skipped = 0;
    for (const struct check_case *test = check_cases; test; test = test->next) {
        if (argc > 1 && !strstr(test->name, argv[1])) {
            continue;
        }
        check_run(test);
        if (atomic_load(&check_failures)) {
            printf("[check] FAIL %s\n", test->name);
            failed++;
        } else if (check_skipped) {
            printf("SKIP %s\n[check] SKIP %s: %s\n", check_skipped, test->name, check_skipped);
            skipped++;
        } else {
            printf("[check] PASS %s\n", test->name);
            passed++;
        }
        fflush(stdout);
    }
    printf("[check] %u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed ? 1 : skipped && !passed ? 77 : 0;
}

#endif /* CHECK_PLAIN */
#endif /* LEAT_TESTS_CHECK_H */
