/* What the tests of WHIP and WHEP share: a media server behind a web server, in simulation, and a
 * client of both. */
#ifndef LEAT_TESTS_MEDIA_RIG_H
#define LEAT_TESTS_MEDIA_RIG_H

#include <leat/media.h>
#include <stdarg.h>

#include "unit/httpd_rig.h"

struct whip {
    struct site site;
    leat_media *media;
    struct client client;
    char location[160], etag[40]; /* of the last answer that had them */
};

/* Everybody's, on an address of this machine. */
static inline struct leat_media_config whip_config(void)
{
    struct leat_media_config config = leat_media_config_default();
    config.unix_ns = UINT64_C(784111777) * LEAT_SEC;
    REQUIRE(leat_addr_parse("127.0.0.1:0", &config.local) == 0);
    return config;
}

static inline void whip_open_with(struct whip *whip, const struct leat_media_config *config,
                                  uint32_t workers)
{
    struct leat_httpd_route routes[LEAT_MEDIA_ROUTES_MAX];
    struct leat_config runtime = rig_config();
    runtime.workers = workers;
    memset(whip, 0, sizeof(*whip));
    rig_open(&whip->site.rig, &runtime);
    REQUIRE(leat_media_open(config, &whip->media) == 0);
    REQUIRE(leat_media_start(whip->media, whip->site.rig.controller) == 0);
    CHECK_EQ(leat_media_start(whip->media, whip->site.rig.controller), -EALREADY);
    rig_run(&whip->site.rig, LEAT_MS);
    const struct leat_event event = rig_last(&whip->site.rig);
    REQUIRE(event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_MEDIA_READY);
    struct leat_addr bound;
    memcpy(&bound, event.payload, sizeof(bound));
    CHECK(bound.port != 0);
    const size_t count = leat_media_routes(whip->media, routes, LEAT_MEDIA_ROUTES_MAX);
    const struct leat_httpd_config http = site_config(routes, count);
    site_open(&whip->site, &http);
    client_open(&whip->site, &whip->client);
}

static inline void whip_open(struct whip *whip)
{
    const struct leat_media_config config = whip_config();
    whip_open_with(whip, &config, 1);
}

static inline void whip_close(struct whip *whip)
{
    site_close(&whip->site);
    client_free(&whip->client);
    leat_media_close(whip->media);
}

static inline struct leat_media_stats whip_stats(const struct whip *whip)
{
    struct leat_media_stats stats;
    leat_media_stats(whip->media, &stats);
    return stats;
}

/* The value of a field of an answer; "" when it has none. */
static inline const char *whip_field(const struct client *client, const char *name, char *out,
                                     size_t cap)
{
    char key[64];
    snprintf(key, sizeof(key), "\r\n%s: ", name);
    const char *end = strstr(client->text, "\r\n\r\n");
    const char *at = strstr(client->text, key);
    out[0] = '\0';
    if (at != NULL && end != NULL && at < end) {
        at += strlen(key);
        snprintf(out, cap, "%.*s", (int)(strstr(at, "\r\n") - at), at);
    }
    return out;
}

/* Keeps where the session is that an answer tells of. */
static inline void whip_note(struct whip *whip, const struct client *client)
{
    char value[160];
    if (whip_field(client, "Location", value, sizeof(value))[0] != '\0') {
        snprintf(whip->location, sizeof(whip->location), "%s", value);
    }
    if (whip_field(client, "ETag", value, sizeof(value))[0] != '\0') {
        snprintf(whip->etag, sizeof(whip->etag), "%.39s", value);
    }
}

/* Asks with one client; `fields` are whole lines. The status; the answer is in client->text. */
static inline unsigned whip_ask_as(struct whip *whip, struct client *client, const char *request,
                                   const char *fields, const char *body)
{
    char *text = malloc(1000 + strlen(request) + strlen(fields) + strlen(body));
    REQUIRE(text != NULL);
    const bool has_host = strstr(fields, "Host:") != NULL;
    sprintf(text, "%s HTTP/1.1\r\n%s%sContent-Length: %zu\r\n\r\n%s", request,
            has_host ? "" : "Host: 127.0.0.1:8080\r\n", fields, strlen(body), body);
    client_forget(client);
    client_say(&whip->site, client, text);
    free(text);
    unsigned status = 0;
    (void)sscanf(client->text, "HTTP/1.1 %u", &status);
    whip_note(whip, client);
    return status;
}

static inline unsigned whip_ask(struct whip *whip, const char *request, const char *fields,
                                const char *body)
{
    return whip_ask_as(whip, &whip->client, request, fields, body);
}

#define SDP_TYPE "Content-Type: application/sdp\r\n"
#define FRAGMENT_TYPE "Content-Type: application/trickle-ice-sdpfrag\r\n"

/* An offer as browsers make it. `direction`: "sendonly"; `video`: lines of a codec with payload
 * type 96. */
#define OFFER_UFRAG "EsAw"
#define OFFER_PWD "P2uYro0UCOQ4zxjKXaWCBui1"
#define OFFER_SECTION(media, types, mid)                                                           \
    "m=" media " 9 UDP/TLS/RTP/SAVPF " types "\r\n"                                                \
    "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"                                              \
    "a=ice-ufrag:" OFFER_UFRAG "\r\na=ice-pwd:" OFFER_PWD "\r\na=ice-options:trickle\r\n"          \
    "a=fingerprint:sha-256 DA:7B:57:DC:28:CE:04:4F:31:79:85:C4:31:67:EB:27:"                       \
    "58:29:ED:77:2A:0D:24:AE:ED:AD:30:BC:BD:F1:9C:02\r\n"                                          \
    "a=setup:actpass\r\na=mid:" mid "\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"                           \
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
#define OFFER_HEAD                                                                                 \
    "v=0\r\no=- 5228595038118931041 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"                        \
    "a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n"
#define OFFER_AUDIO                                                                                \
    OFFER_SECTION("audio", "111", "0")                                                             \
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
#define OFFER_VP8                                                                                  \
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"                      \
    "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
#define OFFER_VP9                                                                                  \
    "a=rtpmap:96 VP9/90000\r\na=fmtp:96 profile-id=0\r\na=rtcp-fb:96 nack\r\n"                     \
    "a=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
#define OFFER_OF(direction, codec)                                                                 \
    OFFER_HEAD OFFER_AUDIO "a=" direction "\r\n" OFFER_SECTION("video", "96 97", "1") codec        \
        "a=" direction "\r\n"
#define OFFER_SEND OFFER_OF("sendonly", OFFER_VP8)
#define OFFER_RECV OFFER_OF("recvonly", OFFER_VP8)

static inline unsigned whip_publish(struct whip *whip, const char *stream, const char *fields)
{
    char request[128], all[512];
    snprintf(request, sizeof(request), "POST /whip/%s", stream);
    snprintf(all, sizeof(all), SDP_TYPE "%s", fields);
    return whip_ask(whip, request, all, OFFER_SEND);
}

static inline unsigned whip_watch(struct whip *whip, const char *stream, const char *fields)
{
    char request[128], all[512];
    snprintf(request, sizeof(request), "POST /whep/%s", stream);
    snprintf(all, sizeof(all), SDP_TYPE "%s", fields);
    return whip_ask(whip, request, all, OFFER_RECV);
}

/* A request to the session of the last POST. */
static inline unsigned whip_session(struct whip *whip, const char *method, const char *fields,
                                    const char *body)
{
    char request[200];
    snprintf(request, sizeof(request), "%s %s", method, whip->location);
    return whip_ask(whip, request, fields, body);
}

/* The same, a PATCH; `match` as If-Match has it, "" for none. */
static inline unsigned whip_trickle(struct whip *whip, const char *match, const char *fragment)
{
    char fields[256];
    snprintf(fields, sizeof(fields), FRAGMENT_TYPE "%s%s%s", match[0] ? "If-Match: " : "", match,
             match[0] ? "\r\n" : "");
    return whip_session(whip, "PATCH", fields, fragment);
}

#define CHECK_FIELD(whip, name, value)                                                             \
    do {                                                                                           \
        char check_field_[400];                                                                    \
        CHECK_STR(whip_field(&(whip)->client, name, check_field_, sizeof(check_field_)), value);   \
    } while (0)

#define CHECK_NO(whip, part)                                                                       \
    CHECK_THAT_(strstr((whip)->client.text, part) == NULL, "\"%s\" is not in: %s", part,           \
                (whip)->client.text)

#endif
