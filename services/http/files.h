/* The files service inside: a file that was found, the cache of small ones, and the answer to a request. All of
 * it is called by the service's thread alone. */
#ifndef LEAT_SERVICES_HTTP_FILES_H
#define LEAT_SERVICES_HTTP_FILES_H

#include <leat/http_files.h>

#define ETAG_LEN_MAX 40u
#define PATH_LEN_MAX 4096u

/* A regular file: its bytes, when it is small, or an open descriptor. */
struct file {
    int fd;          /* -1: `body` has all of it */
    leat_slice body; /* a reference; buf is NULL when empty */
    uint64_t size;
    uint64_t mtime_ns;
    char etag[ETAG_LEN_MAX];
    char modified[LEAT_HTTP_DATE_LEN];
    bool has_modified;
    bool is_recent; /* its time may stay while it changes: its tag is weak, and it is not kept */
};

/* ---- files_find.c ---- */

struct cached;

struct cache {
    struct cached **table;
    struct cached *newest, *oldest;
    uint32_t bytes;
    uint32_t bytes_max;
    uint32_t file_max;
};

int cache_init(struct cache *cache, uint32_t bytes_max, uint32_t file_max);
void cache_fini(struct cache *cache);

/* The file at `path`, cleaned and starting with '/', below the directory `root`. 0; -EISDIR; or why not, as openat2
 * says it; -ENOENT also for what is no regular file. *ret is the caller's: file_drop. */
int file_find(struct cache *cache, int root, const char *path, leat_time now, struct file *ret);
void file_drop(struct file *file);

/* ---- files_reply.c ---- */

/* What a request gets. */
struct plan {
    unsigned status;
    uint64_t first; /* 200, 206: this part of the file */
    uint64_t len;
};

struct plan file_plan(const struct leat_httpd_request *request, const struct file *file);

#define FILE_HEADERS_MAX 5u

/* The headers of that, in the memory given; how many. */
size_t file_headers(const struct plan *plan, const struct file *file, const char *path,
                    char range[64], struct leat_http_header headers[FILE_HEADERS_MAX]);

#endif
