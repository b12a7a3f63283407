/* The one place that asks for memory. Failure is an answer here, never an abort; tests make it
 * happen with mem_fail_after. */
#include <errno.h>
#include "mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "assert.h"
#include "atomic.h"

#ifdef LEAT_WITH_MIMALLOC
#include <mimalloc.h>
#endif

static uint32_t fail_after; /* 0: off; 1: the next one fails, and stays so */

static bool must_fail(void)
{
    uint32_t left = load_relaxed_u32(&fail_after);
    if (LEAT_LIKELY(left == 0)) {
        return false;
    }
    if (left > 1) {
        store_relaxed_u32(&fail_after, left - 1);
        return false;
    }
    return true;
}

void mem_fail_after(uint32_t n)
{
    store_relaxed_u32(&fail_after, n);
}

void *mem_alloc(size_t size, size_t align)
{
    LEAT_ASSERT(align > 0 && (align & (align - 1)) == 0);
    if (must_fail()) {
        return NULL;
    }
#ifdef LEAT_WITH_MIMALLOC
    return mi_malloc_aligned(size, align);
#else
    void *at = NULL;
    size_t least = sizeof(void *);
    return posix_memalign(&at, align < least ? least : align, size) == 0 ? at : NULL;
#endif
}

void *mem_zalloc(size_t size, size_t align)
{
#ifdef LEAT_WITH_MIMALLOC
    LEAT_ASSERT(align > 0 && (align & (align - 1)) == 0);
    return must_fail() ? NULL : mi_zalloc_aligned(size, align); /* fresh pages need no clearing */
#else
    void *at = mem_alloc(size, align);
    if (at != NULL) {
        memset(at, 0, size);
    }
    return at;
#endif
}

void mem_free(void *at)
{
#ifdef LEAT_WITH_MIMALLOC
    mi_free(at);
#else
    free(at);
#endif
}

void *mem_pages_alloc(size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED ? at : NULL;
}

/* Large pages save most of the page faults and address translations of a million small things, but
 * would be a waste for a few: so the first one's worth is left in small pages. */
#define LARGE_PAGE (2u << 20)

void *mem_range_reserve(size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    uint8_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        return NULL;
    }
    if (size > LARGE_PAGE) {
        madvise(at + LARGE_PAGE, size - LARGE_PAGE, MADV_HUGEPAGE); /* a hint: it may be refused */
    }
    return at;
}

void mem_pages_free(void *at, size_t size)
{
    if (munmap(at, size) != 0) { /* it would make two ranges of one, of which the kernel has no more */
        LEAT_ASSERT(errno == ENOMEM);
        madvise(at, size, MADV_DONTNEED); /* so the addresses stay taken, but not the memory */
    }
}
