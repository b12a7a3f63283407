/* Version of the library and the visibility of its symbols. */
#ifndef LEAT_VERSION_H
#define LEAT_VERSION_H

#define LEAT_VERSION_MAJOR 0
#define LEAT_VERSION_MINOR 1
#define LEAT_VERSION_PATCH 0

#define LEAT_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is linked, "0.1.0"; compare it with the macros above, which are
 * the version of the header. Any thread; never blocks; static storage. */
LEAT_API const char *leat_version_string(void);

#ifdef __cplusplus
}
#endif

#endif
