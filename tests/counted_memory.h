/* Counts what is allocated through these three, which CRYPTO_set_mem_functions takes: bytes in use, and the most so far. For
 * one test program. */
#ifndef LEAT_TESTS_COUNTED_MEMORY_H
#define LEAT_TESTS_COUNTED_MEMORY_H

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

static size_t in_use, most;

static void count(void *memory, bool more)
{
    const size_t size = malloc_usable_size(memory);
    in_use = more ? in_use + size : in_use - size;
    most = in_use > most ? in_use : most;
}

static void *counted_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *const memory = malloc(size);
    if (memory) {
        count(memory, true);
    }
    return memory;
}

static void counted_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    if (memory) {
        count(memory, false);
        free(memory);
    }
}

static void *counted_realloc(void *memory, size_t size, const char *file, int line)
{
    if (size == 0) {
        counted_free(memory, file, line);
        return NULL;
    }
    if (memory) {
        count(memory, false);
    }
    void *const grown = realloc(memory, size);
    if (grown || memory) {
        count(grown ? grown : memory, true);
    }
    return grown;
}

#endif
