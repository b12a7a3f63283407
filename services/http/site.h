/* What the actors of one server share: its settings, which nobody writes after the start, and a shard for each
 * worker, which only that worker writes. */
#ifndef LEAT_SERVICES_HTTP_SITE_H
#define LEAT_SERVICES_HTTP_SITE_H

#include <leat/httpd.h>

/* A programmer's error, or a broken invariant; never what a client sent. */
#define ENSURE(expr) ((expr) ? (void)0 : leat__httpd_fail(#expr, __FILE__, __LINE__))
__attribute__((noreturn, cold)) void leat__httpd_fail(const char *expr, const char *file, int line);

#define COUNTERS (sizeof(struct leat_httpd_stats) / sizeof(uint64_t))

/* Of one worker. */
struct shard {
    struct leat_httpd *httpd;
    struct leat_httpd_stats stats; /* written by this worker alone, read by any thread */
    uint64_t date_s;               /* what `date` says */
    char date[LEAT_HTTP_DATE_LEN];
    bool is_full; /* no more connections are accepted */
} __attribute__((aligned(64)));

struct leat_httpd {
    struct leat_httpd_config config;
    struct leat_http_route *table; /* for the router; a route's id is its index */
    struct leat_httpd_route *routes;
    size_t machine_size;
    uint64_t unix_ns;
    bool is_started;
    struct shard *shards; /* config.workers of them */
};

/* A counter has one writer; the atomic store only keeps a reader from seeing half of it. */
static inline void count(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

static inline uint64_t counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Seconds since 1970, and the same as the text of a Date field. */
uint64_t leat__httpd_unix_s(const struct leat_httpd *httpd, leat_time now);
leat_http_str leat__httpd_date(struct shard *shard, leat_time now);

/* ---- the actors ---- */

struct listener_arg {
    struct shard *shard;
    struct leat_addr local; /* the first listener's port */
    leat_ref starter;       /* to be told LEAT_HTTPD_LISTENING: by the others the first listener */
};

extern const struct leat_behavior leat__httpd_listener;

/* Its argument is a struct shard *. */
extern const struct leat_behavior leat__httpd_session;

#endif
