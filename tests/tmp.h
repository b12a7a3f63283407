/* Where tests put temporary files: where the environment says. */
#ifndef LEAT_TESTS_TMP_H
#define LEAT_TESTS_TMP_H

#include <stdlib.h>

static inline const char *tmp_folder(void)
{
    const char *const folder = getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

#endif
