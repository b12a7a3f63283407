/* Finds a file below a root and never outside it, and keeps small ones in memory: a table by path, a list by
 * use, bounded in bytes. What was looked at within a second is taken as it is; after that it is looked at
 * again, and read again only if it has changed. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 1024u
#define ENTRY_COST 256u /* of the entry itself, in the cache's bytes */
#define OPEN_TRIES 16   /* while renames elsewhere race with "..", or somebody has a lease on it */
#define RECENT_S 2      /* written so short ago, it may be again and look the same */

struct cached {
    struct cached *next; /* of the bucket */
    struct cached *newer, *older;
    leat_time checked;
    uint64_t inode;
    struct file file;
    uint32_t cost;
    char path[];
};

/* ---- the cache ---- */

int cache_init(struct cache *cache, uint32_t bytes_max, uint32_t file_max)
{
    *cache = (struct cache){.bytes_max = bytes_max, .file_max = file_max};
    cache->table = calloc(BUCKETS, sizeof(*cache->table));
    return cache->table != NULL ? 0 : -ENOMEM;
}

static struct cached **cache_link(struct cache *cache, const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a: names are the operator's, not the client's */
    for (const char *at = path; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    }
    struct cached **link = &cache->table[hash % BUCKETS];
    while (*link != NULL && strcmp((*link)->path, path) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static void use_unlink(struct cache *cache, struct cached *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void use_link(struct cache *cache, struct cached *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void cache_remove(struct cache *cache, struct cached **link)
{
    struct cached *entry = *link;
    *link = entry->next;
    use_unlink(cache, entry);
    cache->bytes -= entry->cost;
    file_drop(&entry->file);
    free(entry);
}

void cache_fini(struct cache *cache)
{
    while (cache->oldest != NULL) {
        cache_remove(cache, cache_link(cache, cache->oldest->path));
    }
    free(cache->table);
    cache->table = NULL;
}

/* Keeps it, if there is memory: one that is not kept is served all the same. */
static void cache_add(struct cache *cache, const char *path, leat_time now, uint64_t inode,
                      const struct file *file)
{
    const size_t path_len = strlen(path) + 1;
    const uint32_t cost = (uint32_t)(file->size + path_len + ENTRY_COST);
    if (cost > cache->bytes_max) {
        return;
    }
    while (cache->bytes > cache->bytes_max - cost) {
        cache_remove(cache, cache_link(cache, cache->oldest->path));
    }
    struct cached *entry = malloc(sizeof(*entry) + path_len);
    if (entry == NULL) {
        return;
    }
    *entry = (struct cached){.checked = now, .inode = inode, .file = *file, .cost = cost};
    leat_slice_ref(file->body);
    memcpy(entry->path, path, path_len);
    *cache_link(cache, path) = entry;
    use_link(cache, entry);
    cache->bytes += cost;
}

/* ---- files ---- */

void file_drop(struct file *file)
{
    leat_buf_unref(file->body.buf);
    file->body = (leat_slice){0};
    if (file->fd >= 0) {
        close(file->fd);
    }
    file->fd = -1;
}

/* O_NONBLOCK: to open a FIFO waits for nobody. */
static int open_beneath(int root, const char *path)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    errno = EAGAIN;
    for (int i = 0; i < OPEN_TRIES && fd < 0 && (errno == EINTR || errno == EAGAIN); i++) {
        fd = syscall(SYS_openat2, root, path[1] != '\0' ? path + 1 : ".", &how, sizeof(how));
    }
    return fd < 0 ? -errno : (int)fd;
}

static uint64_t mtime_of(const struct stat *status)
{
    return status->st_mtim.tv_sec < 0
               ? 0
               : (uint64_t)status->st_mtim.tv_sec * LEAT_SEC + (uint64_t)status->st_mtim.tv_nsec;
}

/* The clock of its time stamps may not move on before the next write. */
static bool is_recent(const struct stat *status)
{
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return wall.tv_sec - status->st_mtim.tv_sec < RECENT_S;
}

static void file_describe(const struct stat *status, struct file *ret)
{
    ret->size = (uint64_t)status->st_size;
    ret->mtime_ns = mtime_of(status);
    ret->has_modified = status->st_mtim.tv_sec >= 0;
    ret->is_recent = is_recent(status);
    (void)snprintf(ret->etag, sizeof(ret->etag), "%s\"%llx-%llx\"", ret->is_recent ? "W/" : "",
                   (unsigned long long)ret->mtime_ns, (unsigned long long)ret->size);
    (void)leat_http_date(ret->mtime_ns / LEAT_SEC, ret->modified);
}

/* All of a small file. -EAGAIN: it was changed meanwhile. */
static int file_read(int fd, uint64_t size, leat_slice *ret)
{
    leat_slice body;
    uint32_t len = 0;
    if (size == 0) {
        *ret = (leat_slice){0};
        return 0;
    }
    if (leat_buf_alloc((uint32_t)size, &body) < 0) {
        return -ENOMEM;
    }
    while (len < body.len) {
        const ssize_t got = pread(fd, leat_slice_data(body) + len, body.len - len, len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            const int status = got < 0 ? -errno : -EAGAIN;
            leat_buf_unref(body.buf);
            return status;
        }
        len += (uint32_t)got;
    }
    *ret = body;
    return 0;
}

static bool is_same(const struct cached *entry, const struct stat *status)
{
    return entry->inode == status->st_ino && entry->file.size == (uint64_t)status->st_size &&
           entry->file.mtime_ns == mtime_of(status);
}

static void give(struct cache *cache, struct cached *entry, struct file *ret)
{
    use_unlink(cache, entry);
    use_link(cache, entry);
    *ret = entry->file;
    leat_slice_ref(ret->body);
}

int file_find(struct cache *cache, int root, const char *path, leat_time now, struct file *ret)
{
    struct cached **link = cache_link(cache, path);
    if (*link != NULL && now - (*link)->checked < LEAT_SEC) {
        give(cache, *link, ret);
        return 0;
    }
    struct file file = {.fd = open_beneath(root, path)};
    struct stat status;
    int result = file.fd < 0 ? file.fd : fstat(file.fd, &status) != 0 ? -errno : 0;
    if (result == 0 && *link != NULL && is_same(*link, &status)) {
        (*link)->checked = now;
        give(cache, *link, ret);
        file_drop(&file);
        return 0;
    }
    if (*link != NULL) {
        cache_remove(cache, link);
    }
    if (result == 0 && !S_ISREG(status.st_mode)) {
        result = S_ISDIR(status.st_mode) ? -EISDIR : -ENOENT;
    }
    if (result == 0) {
        file_describe(&status, &file);
    }
    if (result == 0 && file.size <= cache->file_max) {
        result = file_read(file.fd, file.size, &file.body);
        if (result == 0) {
            close(file.fd);
            file.fd = -1;
            if (!file.is_recent) {
                cache_add(cache, path, now, status.st_ino, &file);
            }
        }
    }
    if (result != 0) {
        file_drop(&file);
        return result;
    }
    *ret = file;
    return 0;
}
