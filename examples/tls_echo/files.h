#ifndef TLS_ECHO_FILES_H
#define TLS_ECHO_FILES_H

#include <leat/tls.h>

/* A certificate read from two PEM files; 0 or a negative errno. The caller frees both `data`. */
int files_read(const char *cert, const char *key, struct leat_tls_certificate *ret);
void files_free(struct leat_tls_certificate *certificate);

/* From here on SIGHUP reads the files again; before any other thread is started. */
int files_watch(leat_tls_context *context, const char *cert, const char *key);

#endif
