/* How often OpenSSL has allocated since the program began: for tests of what must not. One test
 * program includes it once. */
#ifndef LEAT_TESTS_OPENSSL_ALLOCATIONS_H
#define LEAT_TESTS_OPENSSL_ALLOCATIONS_H

#include <stdlib.h>

#include <openssl/crypto.h>

static unsigned openssl_allocations;

static void *openssl_malloc(size_t len, const char *file, int line)
{
    (void)file, (void)line;
    openssl_allocations++;
    return malloc(len);
}

static void *openssl_realloc(void *block, size_t len, const char *file, int line)
{
    (void)file, (void)line;
    openssl_allocations++;
    return realloc(block, len);
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)file, (void)line;
    free(block);
}

/* Refused once OpenSSL has allocated. */
__attribute__((constructor)) static void openssl_count_allocations(void)
{
    if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free)) {
        abort();
    }
}

#endif
