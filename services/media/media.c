/* A server's settings, its start and its counters. All memory that its actors share is made at
 * open and freed at close; nobody writes it in between but who media.h says. */
#include "media.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "whip.h"

#define STREAMS_MAX (LEAT_CHANNELS_MAX / 2) /* a stream has two channels */

struct leat_media_config leat_media_config_default(void)
{
    return (struct leat_media_config){
        .workers = 1,
        .sessions_max = 10000,
        .stream_sessions_max = 10000,
        .streams_max = 1000,
        .expire_ns = 30 * LEAT_SEC,
    };
}

/* What may stand in a header. */
static bool is_field(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool config_is_valid(const struct leat_media_config *config)
{
    for (uint32_t i = 0; i < config->origin_count && i < LEAT_MEDIA_ORIGINS_MAX; i++) {
        if (config->origins[i] == NULL || config->origins[i][0] == '\0' ||
            !is_field(config->origins[i])) {
            return false;
        }
    }
    const uint32_t last_port = config->local.port + (config->port_each ? config->workers - 1 : 0);
    return config->workers >= 1 && config->workers <= LEAT_WORKERS_MAX && last_port <= UINT16_MAX &&
           config->advertised_count <= LEAT_MEDIA_ADDRESSES_MAX &&
           config->origin_count <= LEAT_MEDIA_ORIGINS_MAX && config->sessions_max >= 1 &&
           config->sessions_max <= LEAT_GROUP_MEMBERS_MAX && config->stream_sessions_max >= 1 &&
           config->streams_max >= 1 && config->streams_max <= STREAMS_MAX &&
           config->expire_ns > 0 && config->expire_ns <= 30 * LEAT_SEC &&
           (config->ice_servers == NULL || is_field(config->ice_servers));
}

/* ---- open, close ---- */

static int strings_copy(leat_media *media, const struct leat_media_config *config)
{
    for (uint32_t i = 0; i < config->origin_count; i++) {
        media->origins[i] = strdup(config->origins[i]);
        if (media->origins[i] == NULL) {
            return -ENOMEM;
        }
    }
    media->config.origins = (const char *const *)media->origins;
    if (config->ice_servers != NULL) {
        media->ice_servers = strdup(config->ice_servers);
        if (media->ice_servers == NULL) {
            return -ENOMEM;
        }
    }
    media->config.ice_servers = media->ice_servers;
    for (uint32_t i = 0; i < config->advertised_count; i++) {
        media->advertised[i] = config->advertised[i];
    }
    media->config.advertised = media->advertised;
    return 0;
}

static int dtls_open(leat_media *media, const struct leat_media_config *config)
{
    struct timespec wall = {.tv_sec = (time_t)(config->unix_ns / LEAT_SEC)};
    if (config->dtls != NULL) {
        media->config.dtls = leat_dtls_context_ref(config->dtls);
    } else {
        if (config->unix_ns == 0) {
            (void)clock_gettime(CLOCK_REALTIME, &wall);
        }
        const struct leat_dtls_config dtls = {.unix_time = wall.tv_sec};
        media->config.dtls = NULL;
        const int status = leat_dtls_context_open(&dtls, &media->config.dtls);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

static int workers_open(leat_media *media)
{
    const size_t size = media->config.workers * sizeof(*media->workers);
    media->workers = aligned_alloc(64, size);
    if (media->workers == NULL) {
        return -ENOMEM;
    }
    memset(media->workers, 0, size);
    uint8_t key[MEDIA_ICE_KEY_LEN];
    if (RAND_bytes(key, sizeof(key)) != 1) {
        return -EIO;
    }
    for (uint32_t i = 0; i < media->config.workers; i++) {
        struct media_worker *worker = &media->workers[i];
        worker->media = media;
        worker->config = &media->config;
        worker->workers = media->workers;
        worker->index = i;
        memcpy(worker->ice_key, key, sizeof(key));
        worker->dtls = media->config.dtls;
        worker->local = media->config.local;
        if (media->config.port_each && worker->local.port != 0) {
            worker->local.port = (uint16_t)(worker->local.port + i);
        }
        /* A session that restarts has two. */
        const int status =
            leat_ice_gate_open(2 * (size_t)media->config.sessions_max, &worker->gate);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

int leat_media_open(const struct leat_media_config *config, leat_media **ret)
{
    if (!config_is_valid(config)) {
        return -EINVAL;
    }
    leat_media *media = calloc(1, sizeof(*media));
    if (media == NULL) {
        return -ENOMEM;
    }
    media->config = *config;
    media->config.dtls = NULL;
    int status = strings_copy(media, config);
    status = status != 0 ? status : dtls_open(media, config);
    status = status != 0 ? status : workers_open(media);
    if (status != 0) {
        leat_media_close(media);
        return status;
    }
    *ret = media;
    return 0;
}

void leat_media_close(leat_media *media)
{
    if (media == NULL) {
        return;
    }
    for (uint32_t i = 0; media->workers != NULL && i < media->config.workers; i++) {
        leat_ice_gate_close(media->workers[i].gate);
    }
    if (media->workers != NULL) {
        OPENSSL_cleanse(media->workers, media->config.workers * sizeof(*media->workers));
    }
    free(media->workers);
    leat_dtls_context_unref(media->config.dtls);
    for (uint32_t i = 0; i < LEAT_MEDIA_ORIGINS_MAX; i++) {
        free(media->origins[i]);
    }
    free(media->ice_servers);
    free(media);
}

int leat_media_start(leat_media *media, leat_controller *controller)
{
    if (media->is_started) {
        return -EALREADY;
    }
    int status = media_addresses_find(media);
    if (status != 0) {
        return status;
    }
    media->is_started = true;
    media->starter = leat_controller_ref(controller);
    uint64_t unix_ns = media->config.unix_ns;
    if (unix_ns == 0) {
        struct timespec wall;
        (void)clock_gettime(CLOCK_REALTIME, &wall);
        unix_ns = (uint64_t)wall.tv_sec * LEAT_SEC + (uint64_t)wall.tv_nsec -
                  leat_controller_now(controller);
    }
    for (uint32_t i = 0; i < media->config.workers; i++) {
        media->workers[i].unix_ns = unix_ns;
    }
    leat_ref signaling;
    status =
        leat_spawn(controller, &media_signaling_behavior, &media, sizeof(media), 0, &signaling);
    if (status != 0) {
        return status;
    }
    media->signaling = signaling;
    return leat_monitor(controller, signaling, 0);
}

/* ---- routes ---- */

size_t leat_media_routes(leat_media *media, struct leat_httpd_route *routes, size_t cap)
{
    static const struct {
        enum leat_http_method methods[6];
        const char *patterns[2];
    } table[] = {
        {{LEAT_HTTP_POST, LEAT_HTTP_GET, LEAT_HTTP_HEAD, LEAT_HTTP_OPTIONS},
         {"/whip/:stream", "/whep/:stream"}},
        {{LEAT_HTTP_PATCH, LEAT_HTTP_DELETE, LEAT_HTTP_GET, LEAT_HTTP_HEAD, LEAT_HTTP_OPTIONS},
         {"/whip/:stream/:session", "/whep/:stream/:session"}},
        {{LEAT_HTTP_GET, LEAT_HTTP_HEAD, LEAT_HTTP_OPTIONS}, {"/streams", NULL}},
    };
    size_t count = 0;
    ENSURE(media->signaling.id != 0); /* after leat_media_start */
    for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++) {
        for (size_t p = 0; p < 2 && table[row].patterns[p] != NULL; p++) {
            for (size_t m = 0; table[row].methods[m] != LEAT_HTTP_OTHER; m++) {
                if (count < cap) {
                    routes[count] = (struct leat_httpd_route){.method = table[row].methods[m],
                                                              .pattern = table[row].patterns[p],
                                                              .actor = media->signaling};
                }
                count++;
            }
        }
    }
    _Static_assert(4 * 2 + 5 * 2 + 3 <= LEAT_MEDIA_ROUTES_MAX, "they all fit");
    return count < cap ? count : cap;
}

/* ---- channels ---- */

static int channel_open(const char *prefix, const char *stream, leat_channel *ret)
{
    char name[LEAT_CHANNEL_NAME_MAX + 1];
    if (!whip_is_stream(leat_http_str_of(stream))) {
        return -EINVAL;
    }
    (void)snprintf(name, sizeof(name), "%s/%s", prefix, stream);
    return leat_channel_open(name, ret);
}

int leat_media_channel(const char *stream, leat_channel *ret)
{
    return channel_open("media", stream, ret);
}

int leat_media_back_channel(const char *stream, leat_channel *ret)
{
    return channel_open("back", stream, ret);
}

/* ---- statistics ---- */

void leat_media_stats(const leat_media *media, struct leat_media_stats *ret)
{
    struct leat_media_stats sum = {
        .streams = media_counted(&media->stats.streams),
        .publishers = media_counted(&media->stats.publishers),
        .viewers = media_counted(&media->stats.viewers),
        .posts = media_counted(&media->stats.posts),
        .refused = media_counted(&media->stats.refused),
        .replaced = media_counted(&media->stats.replaced),
    };
    for (uint32_t i = 0; i < media->config.workers; i++) {
        const struct media_counters *of = &media->workers[i].counters;
        sum.connected += media_counted(&of->connected);
        sum.expired += media_counted(&of->expired);
        sum.closed += media_counted(&of->closed);
        sum.packets_in += media_counted(&of->packets_in);
        sum.bytes_in += media_counted(&of->bytes_in);
        sum.packets_out += media_counted(&of->packets_out);
        sum.bytes_out += media_counted(&of->bytes_out);
        sum.repeats += media_counted(&of->repeats);
        sum.repeats_unknown += media_counted(&of->repeats_unknown);
        sum.key_requests += media_counted(&of->key_requests);
        sum.lost_in += media_counted(&of->lost_in);
        sum.repaired_in += media_counted(&of->repaired_in);
        sum.handovers += media_counted(&of->handovers);
        sum.dropped += media_counted(&of->dropped);
        sum.unauthenticated += media_counted(&of->unauthenticated);
        sum.handshakes_delayed += media_counted(&of->handshakes_delayed);
    }
    *ret = sum;
}
