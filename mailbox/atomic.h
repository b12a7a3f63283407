/* The one file that names atomics. Everyone else calls these wrappers, the order in the name; what
 * each use pairs with is in README.md.
 *
 * Read-modify-writes and the full fence come in two builds: Concurrency Kit's primitives (the
 * default), and compiler builtins (LEAT_ATOMICS_C11) for ThreadSanitizer, which cannot see into
 * CK's inline assembly. Plain loads and stores are the compiler's in both: CK's are compiler
 * barriers too, which the message path need not pay for. */
#ifndef LEAT_ATOMIC_H
#define LEAT_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t load_relaxed_u64(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static inline uint32_t load_relaxed_u32(const uint32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static inline int32_t load_relaxed_i32(const int32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static inline void store_relaxed_i32(int32_t *at, int32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static inline uint32_t load_acquire_u32(const uint32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline uint64_t load_acquire_u64(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

/* `at` is the address of a pointer of any type. */
#define load_relaxed_ptr(at) __atomic_load_n((at), __ATOMIC_RELAXED)
#define load_acquire_ptr(at) __atomic_load_n((at), __ATOMIC_ACQUIRE)

static inline void store_relaxed_u64(uint64_t *at, uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static inline void store_relaxed_u32(uint32_t *at, uint32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static inline void store_release_u32(uint32_t *at, uint32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline void store_release_u64(uint64_t *at, uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

#define store_relaxed_ptr(at, value) __atomic_store_n((at), (value), __ATOMIC_RELAXED)
#define store_release_ptr(at, value) __atomic_store_n((at), (value), __ATOMIC_RELEASE)

#ifdef LEAT_ATOMICS_C11

static inline uint32_t fetch_add_seq_u32(uint32_t *at, uint32_t by)
{
    return __atomic_fetch_add(at, by, __ATOMIC_SEQ_CST);
}

static inline uint32_t fetch_sub_seq_u32(uint32_t *at, uint32_t by)
{
    return __atomic_fetch_sub(at, by, __ATOMIC_SEQ_CST);
}

static inline uint32_t exchange_seq_u32(uint32_t *at, uint32_t value)
{
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}

static inline void *exchange_seq_ptr(void **at, void *value)
{
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}

/* True if *at was `*expected` and is now `value`; else *expected is what was found there. */
static inline bool cas_seq_ptr(void **at, void **expected, void *value)
{
    return __atomic_compare_exchange_n(at, expected, value, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

static inline void fence_full(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#else /* Concurrency Kit: its fences around an RMW are free where RMWs are serialising (x86) */

#include <ck_pr.h>

static inline uint32_t fetch_add_seq_u32(uint32_t *at, uint32_t by)
{
    ck_pr_fence_release();
    uint32_t before = ck_pr_faa_32(at, by);
    ck_pr_fence_atomic_load();
    ck_pr_fence_acquire();
    return before;
}

static inline uint32_t fetch_sub_seq_u32(uint32_t *at, uint32_t by)
{
    return fetch_add_seq_u32(at, 0u - by);
}

static inline uint32_t exchange_seq_u32(uint32_t *at, uint32_t value)
{
    ck_pr_fence_release();
    uint32_t before = ck_pr_fas_32(at, value);
    ck_pr_fence_atomic_load();
    ck_pr_fence_acquire();
    return before;
}

static inline void *exchange_seq_ptr(void **at, void *value)
{
    ck_pr_fence_release();
    void *before = ck_pr_fas_ptr(at, value);
    ck_pr_fence_atomic_load();
    ck_pr_fence_acquire();
    return before;
}

/* True if *at was `*expected` and is now `value`; else *expected is what was found there. */
static inline bool cas_seq_ptr(void **at, void **expected, void *value)
{
    ck_pr_fence_release();
    bool swapped = ck_pr_cas_ptr_value(at, *expected, value, expected);
    ck_pr_fence_atomic_load();
    ck_pr_fence_acquire();
    return swapped;
}

static inline void fence_full(void)
{
    ck_pr_fence_memory();
}

#endif

static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
