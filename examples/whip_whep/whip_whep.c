/* A WebRTC server: browsers publish, browsers watch. Flags, tokens and pages; the rest is leat::media. */
#include "app.h"
#include "hangup.h"
#include "links.h"
#include "tls.h"
#include "tokens.h"

#include <errno.h>
#include <leat/http_files.h>
#include <leat/media.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Its own flags, and what they are made into. */
struct service {
    const char *tokens, *root, *cert, *key, *media_bind;
    struct flag_list advertise, origins;
    uint64_t media_port, sessions, stream_sessions, address_sessions;
    bool open, no_wait, self_signed, port_each;
    struct leat_addr media_local, advertised[FLAG_LIST_MAX];
    leat_tls_context *tls;
    leat_media *media;
    leat_http_files *files;
    leat_httpd *httpd;
    bool has_media_port, listens;
};

static bool is_loopback(const struct leat_addr *addr)
{
    static const struct leat_addr v6 = {.ip = {[15] = 1}};
    return leat_addr_is_v4(addr) ? addr->ip[12] == 127 : memcmp(addr->ip, v6.ip, sizeof(v6.ip)) == 0;
}

/* As browsers write it: scheme://host[:port], and nothing behind that. */
static bool is_origin(const char *text)
{
    const char *const host = strstr(text, "://");
    return strcmp(text, "*") == 0 ||
           (host != NULL && host > text && host[3] != '\0' && host[3 + strcspn(host + 3, "/?#@ \t\r\n,")] == '\0');
}

static void check_flags(struct service *service, const struct flags *flags, uint32_t workers)
{
    const struct leat_addr local = flags_local(flags);
    const uint16_t port = (uint16_t)(service->media_port != 0 ? service->media_port : flags->port);
    const char *const bind = service->media_bind != NULL ? service->media_bind : flags->bind;
    (void)leat_addr_from_host(bind, port, &service->media_local); /* read before */
    if (service->port_each && port + workers - 1 > UINT16_MAX) {
        flags_wrong(flags, "--media-port-each: %u workers from port %u on need ports above 65535", workers, port);
    }
    for (uint32_t i = 0; i < service->origins.len; i++) {
        if (!is_origin(service->origins.items[i])) {
            flags_wrong(flags, "--allow-origin: \"%s\" is neither * nor scheme://host[:port] without a path",
                        service->origins.items[i]);
        }
    }
    if (service->tokens == NULL && !service->open && !is_loopback(&local)) {
        flags_wrong(flags, "--bind %s: without --tokens everybody there could publish; say --open if that is meant",
                    flags->bind);
    }
    if (service->tokens != NULL && service->open) {
        flags_wrong(flags, "--open is for a server without --tokens");
    }
    if (service->self_signed && (service->cert != NULL || service->key != NULL)) {
        flags_wrong(flags, "--tls-self-signed makes what --tls-cert and --tls-key would name");
    }
    for (uint32_t i = 0; i < service->advertise.len; i++) {
        const char *const text = service->advertise.items[i];
        if (leat_addr_parse(text, &service->advertised[i]) != 0 &&
            leat_addr_from_host(text, 0, &service->advertised[i]) != 0) {
            flags_wrong(flags, "--advertise: \"%s\" is no numeric address, with or without a port", text);
        }
    }
}

/* Once, before any thread is started: SIGHUP is for one of its own. */
static void read_files(struct service *service, const struct flags *flags)
{
    if (service->tokens != NULL && tokens_open(service->tokens) != 0) {
        flags_wrong(flags, "--tokens: that file cannot be used");
    }
    signal(SIGHUP, SIG_IGN); /* as a daemon: without such files there is nothing to read again */
    const int status = service->tokens != NULL ? hangup_watch(tokens_reload, NULL) : 0;
    if (status != 0) {
        flags_wrong(flags, "no thread for SIGHUP: %s", strerror(-status));
    }
    service->tls = service->self_signed ? tls_self_signed()
                                        : tls_server(flags, "tls-", service->cert, service->key, "http/1.1");
    if (service->self_signed && service->tls == NULL) {
        flags_wrong(flags, "--tls-self-signed: OpenSSL made no certificate");
    }
}

static int start_media(struct service *service, struct app *app, uint32_t workers)
{
    struct leat_media_config config = leat_media_config_default();
    config.local = service->media_local;
    config.workers = workers;
    config.port_each = service->port_each;
    config.advertised = service->advertised;
    config.advertised_count = service->advertise.len;
    config.authorize = service->tokens != NULL ? tokens_authorize : NULL;
    config.origins = service->origins.items;
    config.origin_count = service->origins.len;
    config.loopback_hosts = service->tokens == NULL && !service->open;
    config.no_wait = service->no_wait;
    config.sessions_max = (uint32_t)service->sessions;
    config.stream_sessions_max = (uint32_t)(service->stream_sessions != 0 ? service->stream_sessions : service->sessions);
    config.address_sessions_max = (uint32_t)service->address_sessions;
    const int status = leat_media_open(&config, &service->media);
    return status != 0 ? status : leat_media_start(service->media, app->controller);
}

static int start_http(struct service *service, struct app *app, uint32_t workers)
{
    struct leat_httpd_route routes[LEAT_MEDIA_ROUTES_MAX + 1];
    struct leat_httpd_config config = leat_httpd_config_default();
    const size_t len = leat_media_routes(service->media, routes, LEAT_MEDIA_ROUTES_MAX);
    routes[len] = (struct leat_httpd_route){
        .method = LEAT_HTTP_GET, .pattern = "/*file", .actor = leat_http_files_ref(service->files)};
    config.local = flags_local(app->flags);
    config.workers = workers;
    config.tls = service->tls;
    config.routes = routes;
    config.route_count = len + 1;
    const int status = leat_httpd_open(&config, &service->httpd);
    return status != 0 ? status : leat_httpd_start(service->httpd, app->controller);
}

static void complain(const struct service *service, const struct app *app, int status)
{
    char what[200], media[LEAT_ADDR_STRLEN], http[LEAT_ADDR_STRLEN];
    const struct leat_addr local = flags_local(app->flags);
    leat_addr_format(&service->media_local, media);
    if (service->files == NULL) {
        snprintf(what, sizeof(what), "use --root %.150s", service->root);
    } else if (!service->has_media_port && status == -EADDRINUSE) { /* its port is another flag's */
        snprintf(what, sizeof(what), "open UDP %s: another program has it; choose another %s--media-port", media,
                 service->media_port == 0 ? "--port or " : "");
        status = 0;
    } else {
        snprintf(what, sizeof(what), "%s %s", !service->has_media_port ? "open UDP" : service->listens ? "go on at" : "listen on",
                 !service->has_media_port ? media : leat_addr_format(&local, http));
    }
    app_complain(app, what, status);
}

/* The port of media first: then it is known whose a failure is. */
static int serve(struct service *service, struct app *app, uint32_t workers)
{
    static const struct link links[] = {
        {"", "the streams"}, {"/publish.html", "publish: camera, screen or test pattern"}, {"/watch.html", "watch"}};
    struct leat_event event;
    int status = leat_http_files_open(app->runtime, &(struct leat_http_files_config){.root = service->root},
                                      &service->files);
    status = status != 0 ? status : start_media(service, app, workers);
    status = status != 0 ? status : app_start(app);
    while (status == 0 && app_receive(app, &event) == 0) {
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_MEDIA_READY) {
            service->has_media_port = true;
            status = start_http(service, app, workers);
        } else if (event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_HTTPD_LISTENING) {
            service->listens = true;
            links_print(service->tls != NULL ? "https" : "http", (const struct leat_addr *)(const void *)event.payload,
                        links, sizeof(links) / sizeof(links[0]));
        } else if (event.kind == LEAT_EVENT_DOWN) {
            status = event.status;
        }
    }
    leat_runtime_stop(app->runtime);
    return status;
}

int main(int argc, char **argv)
{
    struct service service = {.root = PUBLIC_DIR, .sessions = 10000};
    const struct flag own[] = {
        {"media-bind", "ADDR", "local address of media, numeric; that of --bind without", FLAG_HOST, &service.media_bind, 0, 0},
        {"media-port", "N", "UDP port of media; 0: the number of --port", FLAG_NUMBER, &service.media_port, 0, UINT16_MAX},
        {"media-port-each", NULL, "worker i has UDP port N + i, instead of all sharing one", FLAG_SWITCH, &service.port_each, 0, 0},
        {"advertise", "ADDR[:PORT]", "say this address to clients, behind NAT; may be repeated", FLAG_LIST, &service.advertise, 0, 0},
        {"tokens", "FILE", "lines \"stream publish-token view-token\", - is public; SIGHUP reads it again", FLAG_FILE, &service.tokens, 0, 0},
        {"open", NULL, "everybody may publish, on any address", FLAG_SWITCH, &service.open, 0, 0},
        {"allow-origin", "ORIGIN", "pages of this origin may use it, * is all; may be repeated", FLAG_LIST, &service.origins, 0, 0},
        {"no-wait", NULL, "a viewer without a publisher is turned away", FLAG_SWITCH, &service.no_wait, 0, 0},
        {"sessions", "N", "at once, at most", FLAG_NUMBER, &service.sessions, 1, 1000000},
        {"stream-sessions", "N", "of one stream; 0: no limit", FLAG_NUMBER, &service.stream_sessions, 0, 1000000},
        {"address-sessions", "N", "of one IP address; 0: no limit", FLAG_NUMBER, &service.address_sessions, 0, 1000000},
        {"root", "DIR", "the pages", FLAG_FILE, &service.root, 0, 0},
        {"tls-cert", "FILE", "TLS: certificate chain, PEM; SIGHUP reads it again", FLAG_FILE, &service.cert, 0, 0},
        {"tls-key", "FILE", "its private key, PEM", FLAG_FILE, &service.key, 0, 0},
        {"tls-self-signed", NULL, "TLS with a certificate of its own, for a trial on the local network", FLAG_SWITCH, &service.self_signed, 0, 0},
        {0}};
    struct flags flags = {.program = "whip_whep", .about = "Browsers publish by WHIP, browsers watch by WHEP.", .own = own,
                          .io = "auto", .workers = 0, .bind = "127.0.0.1", .port = 8080, .prints_nothing = true};
    struct app app;
    flags_parse(&flags, argc, argv);
    const struct leat_config config = app_config(&flags);
    check_flags(&service, &flags, config.workers);
    read_files(&service, &flags);
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    int status = serve(&service, &app, config.workers);
    if (status != 0) {
        complain(&service, &app, status);
    }
    leat_http_files_close(service.files);
    status = app_close(&app) != 0 || status != 0;
    leat_httpd_close(service.httpd);
    leat_media_close(service.media);
    leat_tls_context_unref(service.tls);
    return status;
}
