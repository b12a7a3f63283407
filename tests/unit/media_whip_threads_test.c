/* The same server in threads and on real sockets: WHIP and WHEP from several connections at once,
 * with media on two workers that share a port; and its end while requests are under way. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "unit/media_rig.h"

#define CLIENTS 4
#define ROUNDS 12

struct caller {
    pthread_t thread;
    uint16_t port;
    int index;
    unsigned created, deleted, other;
};

static int dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* One request on a connection of its own. The status; 0: none came. */
static unsigned ask(uint16_t port, const char *request, const char *body, char *out, size_t cap)
{
    char text[6000];
    const int fd = dial(port);
    if (fd < 0) {
        return 0;
    }
    const int len = snprintf(text, sizeof(text),
                             "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" SDP_TYPE
                             "Content-Length: %zu\r\n\r\n%s",
                             request, strlen(body), body);
    size_t got = 0;
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) == len) {
        ssize_t n;
        while (got + 1 < cap && (n = recv(fd, out + got, cap - 1 - got, 0)) > 0) {
            got += (size_t)n;
        }
    }
    close(fd);
    out[got] = '\0';
    unsigned status = 0;
    (void)sscanf(out, "HTTP/1.1 %u", &status);
    return status;
}

static void *call(void *context)
{
    struct caller *caller = context;
    char out[16384], request[256];
    for (int i = 0; i < ROUNDS; i++) {
        const bool publishes = i % 4 == 0;
        snprintf(request, sizeof(request), "POST /%s/s%d", publishes ? "whip" : "whep",
                 publishes ? caller->index : i % CLIENTS);
        const unsigned status =
            ask(caller->port, request, publishes ? OFFER_SEND : OFFER_RECV, out, sizeof(out));
        const char *location = strstr(out, "\r\nLocation: ");
        if (status != 201 || location == NULL) {
            caller->other++;
            continue;
        }
        caller->created++;
        if (i % 2 == 0) {
            location += strlen("\r\nLocation: ");
            snprintf(request, sizeof(request), "DELETE %.*s", (int)strcspn(location, "\r"),
                     location);
            caller->deleted += ask(caller->port, request, "", out, sizeof(out)) == 200;
        }
    }
    return NULL;
}

static void open_threads(struct whip *whip, struct leat_addr *ret_local)
{
    struct leat_httpd_route routes[LEAT_MEDIA_ROUTES_MAX];
    struct leat_media_config config = whip_config();
    const struct leat_config runtime = rig_threads(2);
    memset(whip, 0, sizeof(*whip));
    config.workers = 2;
    rig_open(&whip->site.rig, &runtime);
    REQUIRE(leat_media_open(&config, &whip->media) == 0);
    REQUIRE(leat_media_start(whip->media, whip->site.rig.controller) == 0);
    REQUIRE(rig_await(&whip->site.rig, 1));
    REQUIRE(rig_last(&whip->site.rig).kind == LEAT_EVENT_MESSAGE &&
            rig_last(&whip->site.rig).type == LEAT_MEDIA_READY);
    const size_t count = leat_media_routes(whip->media, routes, LEAT_MEDIA_ROUTES_MAX);
    struct leat_httpd_config http = site_config(routes, count);
    http.workers = 2;
    REQUIRE(leat_httpd_open(&http, &whip->site.httpd) == 0);
    REQUIRE(leat_httpd_start(whip->site.httpd, whip->site.rig.controller) == 0);
    REQUIRE(rig_await(&whip->site.rig, 2));
    const struct leat_event event = rig_last(&whip->site.rig);
    REQUIRE(event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_HTTPD_LISTENING);
    memcpy(ret_local, event.payload, sizeof(*ret_local));
}

TEST(media_whip_threads, many_at_once)
{
    struct whip whip;
    struct leat_addr local;
    struct caller callers[CLIENTS];
    open_threads(&whip, &local);
    for (int i = 0; i < CLIENTS; i++) {
        callers[i] = (struct caller){.port = local.port, .index = i};
        REQUIRE(pthread_create(&callers[i].thread, NULL, call, &callers[i]) == 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(callers[i].thread, NULL);
        CHECK_EQ(callers[i].created, ROUNDS);
        CHECK_EQ(callers[i].deleted, ROUNDS / 2);
        CHECK_EQ(callers[i].other, 0);
    }
    rig_close(&whip.site.rig); /* with half of them there still */
    leat_httpd_close(whip.site.httpd);
    const struct leat_media_stats stats = whip_stats(&whip);
    CHECK_EQ(stats.posts, CLIENTS * ROUNDS);
    CHECK_EQ(stats.streams, 0);
    leat_media_close(whip.media);
}

static void *call_until_closed(void *context)
{
    struct caller *caller = context;
    char out[16384];
    while (ask(caller->port, "POST /whep/demo", OFFER_RECV, out, sizeof(out)) != 0) {
        caller->created++;
    }
    return NULL;
}

TEST(media_whip_threads, the_end_in_the_middle_of_it)
{
    struct whip whip;
    struct leat_addr local;
    struct caller callers[CLIENTS];
    open_threads(&whip, &local);
    for (int i = 0; i < CLIENTS; i++) {
        callers[i] = (struct caller){.port = local.port, .index = i};
        REQUIRE(pthread_create(&callers[i].thread, NULL, call_until_closed, &callers[i]) == 0);
    }
    struct timespec moment = {.tv_nsec = 100 * 1000 * 1000};
    nanosleep(&moment, NULL);
    rig_close(&whip.site.rig);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(callers[i].thread, NULL);
    }
    leat_httpd_close(whip.site.httpd);
    CHECK_EQ(whip_stats(&whip).streams, 0);
    leat_media_close(whip.media);
}
