/* A server's settings, its start and its counters. The table of routes is copied at open and never written
 * again, so that all workers read it without a lock. */
#include "site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "filter.h"

void leat__httpd_fail(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "leat-http: %s:%d: assertion failed: %s\n", file, line, expr);
    abort();
}

struct leat_httpd_config leat_httpd_config_default(void)
{
    struct leat_httpd_config config = {
        .workers = 1,
        .connections_max = 10000,
        .answer_ns = 60 * LEAT_SEC,
        .send_ns = 60 * LEAT_SEC,
        .heartbeat_ns = 15 * LEAT_SEC,
    };
    leat_http_config_default(&config.http);
    return config;
}

static bool config_is_valid(const struct leat_httpd_config *config)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct leat_httpd_route *route = &config->routes[i];
        if ((route->handler == NULL) == (route->actor.id == 0)) {
            return false;
        }
    }
    return config->workers >= 1 && config->workers <= LEAT_WORKERS_MAX &&
           config->connections_max >= 1 && leat_http_server_size(&config->http) > 0 &&
           (config->path == NULL || config->workers == 1);
}

int leat_httpd_open(const struct leat_httpd_config *config, leat_httpd **ret)
{
    if (!config_is_valid(config)) {
        return -EINVAL;
    }
    const int status = filter_context_ref(config->tls);
    if (status != 0) {
        return status;
    }
    const size_t routes = config->route_count > 0 ? config->route_count : 1;
    leat_httpd *httpd = calloc(1, sizeof(*httpd));
    if (httpd == NULL) {
        filter_context_unref(config->tls);
        return -ENOMEM;
    }
    httpd->config = *config;
    httpd->machine_size = leat_http_server_size(&config->http);
    httpd->table = calloc(routes, sizeof(*httpd->table));
    httpd->routes = calloc(routes, sizeof(*httpd->routes));
    httpd->shards = aligned_alloc(64, config->workers * sizeof(*httpd->shards));
    if (httpd->table == NULL || httpd->routes == NULL || httpd->shards == NULL) {
        leat_httpd_close(httpd);
        return -ENOMEM;
    }
    for (size_t i = 0; i < config->route_count; i++) {
        ENSURE(config->routes[i].pattern != NULL && config->routes[i].pattern[0] == '/');
        httpd->routes[i] = config->routes[i];
        httpd->table[i] = (struct leat_http_route){.method = config->routes[i].method,
                                                   .pattern = config->routes[i].pattern,
                                                   .id = (uint32_t)i};
    }
    for (uint32_t i = 0; i < config->workers; i++) {
        httpd->shards[i] = (struct shard){.httpd = httpd, .date_s = UINT64_MAX};
    }
    *ret = httpd;
    return 0;
}

void leat_httpd_close(leat_httpd *httpd)
{
    if (httpd != NULL) {
        filter_context_unref(httpd->config.tls);
        free(httpd->table);
        free(httpd->routes);
        free(httpd->shards);
        free(httpd);
    }
}

int leat_httpd_start(leat_httpd *httpd, leat_controller *controller)
{
    if (httpd->is_started) {
        return -EALREADY;
    }
    httpd->is_started = true;
    httpd->unix_ns = httpd->config.unix_ns;
    if (httpd->unix_ns == 0) {
        struct timespec wall;
        (void)clock_gettime(CLOCK_REALTIME, &wall);
        httpd->unix_ns = (uint64_t)wall.tv_sec * LEAT_SEC + (uint64_t)wall.tv_nsec -
                         leat_controller_now(controller);
    }
    const struct listener_arg arg = {.shard = &httpd->shards[0],
                                     .local = httpd->config.local,
                                     .starter = leat_controller_ref(controller)};
    leat_ref first;
    int status = leat_spawn(controller, &leat__httpd_listener, &arg, sizeof(arg), 0, &first);
    return status != 0 ? status : leat_monitor(controller, first, 0);
}

void leat_httpd_stats(const leat_httpd *httpd, struct leat_httpd_stats *ret)
{
    _Static_assert(sizeof(*ret) == COUNTERS * sizeof(uint64_t), "counters and nothing else");
    uint64_t sums[COUNTERS] = {0};
    for (uint32_t i = 0; i < httpd->config.workers; i++) {
        const uint64_t *counters = (const uint64_t *)(const void *)&httpd->shards[i].stats;
        for (size_t at = 0; at < COUNTERS; at++) {
            sums[at] += counted(&counters[at]);
        }
    }
    memcpy(ret, sums, sizeof(*ret));
}

uint64_t leat__httpd_unix_s(const struct leat_httpd *httpd, leat_time now)
{
    return (httpd->unix_ns + now) / LEAT_SEC;
}

leat_http_str leat__httpd_date(struct shard *shard, leat_time now)
{
    const uint64_t unix_s = leat__httpd_unix_s(shard->httpd, now);
    if (unix_s != shard->date_s) {
        (void)leat_http_date(unix_s, shard->date);
        shard->date_s = unix_s;
    }
    return (leat_http_str){shard->date, LEAT_HTTP_DATE_LEN};
}

leat_http_str leat_httpd_param(const struct leat_httpd_request *request, const char *name)
{
    for (uint32_t i = 0; i < request->param_count; i++) {
        if (leat_http_str_equal(request->params[i].name, name)) {
            return request->params[i].value;
        }
    }
    return (leat_http_str){NULL, 0};
}
