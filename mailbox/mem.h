/* Memory by the slab, off the message path: mimalloc where the build has it. Any thread. */
#ifndef LEAT_MEM_H
#define LEAT_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Aligned to `align` (a power of two), uninitialised; NULL when there is none. */
void *mem_alloc(size_t size, size_t align);

/* The same, zeroed. */
void *mem_zalloc(size_t size, size_t align);

void mem_free(void *at);

/* Whole pages, zeroed, from the kernel: for slabs, whose size no allocator should round up. */
void *mem_pages_alloc(size_t size);

/* A range of addresses whose pages come, zeroed, when they are first touched; large ones where it is
 * much of it. Given back with mem_pages_free. */
void *mem_range_reserve(size_t size);
void  mem_pages_free(void *at, size_t size);

/* Tests only: the n-th allocation from now on fails, and every one after it; 0: none does. */
void mem_fail_after(uint32_t n);

#endif
