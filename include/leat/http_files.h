/* Files of a directory, for the server of leat/httpd.h: a thread of its own, so that no worker waits for a disk,
 * with a controller whose ref is the actor of a route:
 *
 *   leat_http_files_open(runtime, &(struct leat_http_files_config){.root = "public"}, &files);
 *   routes[n] = (struct leat_httpd_route){.method = LEAT_HTTP_GET, .pattern = "/static/" "*file",
 *                                         .actor = leat_http_files_ref(files)};
 *
 * The last parameter of the pattern is the path of the file; without one the request's whole path is. Nothing
 * outside the root is ever opened, by ".." in any disguise or through a symbolic link (openat2 with
 * RESOLVE_BENEATH); names that start with a dot are not there. A directory is its index.html. Answers have a
 * media type by the name's ending, ETag, Last-Modified; conditions (304, 412), one range (206, 416) and HEAD are
 * honoured. 404: nothing there, or no file (a FIFO, say); 403: not readable; 503: no descriptor or memory left. */
#ifndef LEAT_HTTP_FILES_H
#define LEAT_HTTP_FILES_H

#include <leat/httpd.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_http_files leat_http_files;

struct leat_http_files_config {
    const char *root;        /* a directory; opened once, and may be moved */
    uint32_t cache_bytes;    /* of small files kept in memory, looked at again after a second; 0: 16 MiB */
    uint32_t cache_file_max; /* bytes of a small file; larger ones are read as the client takes them; 0:
                                64 KiB */
    uint32_t transfers_max;  /* of large files at once; 0: 256. One more takes the place of the slowest, that is
                                cut off, if it took less than 16 KiB a second over its last 30 s; else it
                                gets 503 */
};

/* Opens the root and starts the thread. Any thread but a worker; may block. -ENOENT, -ENOTDIR, -EACCES: the
 * root; -ENOSYS: a kernel without openat2; -EOPNOTSUPP: a simulation, which has one thread; -EMFILE; -ENOMEM. */
LEAT_API int leat_http_files_open(leat_runtime *runtime, const struct leat_http_files_config *config,
                                  leat_http_files **ret);

LEAT_API leat_ref leat_http_files_ref(const leat_http_files *files);

/* Ends the thread and waits for it: before leat_runtime_close, for it is a controller. What was being sent is cut
 * off. NULL is allowed. */
LEAT_API void leat_http_files_close(leat_http_files *files);

#ifdef __cplusplus
}
#endif

#endif
