/* The end of a failed assertion: says where, then aborts, so that a core shows the caller. */
#include "assert.h"

#include <stdio.h>
#include <stdlib.h>

void leat__assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "leat: assertion failed: %s, %s:%d\n", expr, file, line);
    abort();
}
