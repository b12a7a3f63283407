#include <leat/leat.h>
#include <leat/media.h>
#include <stdio.h>

/* A media server starts on a free port, and ends. */
int main(void)
{
    struct leat_config       config = leat_config_default();
    struct leat_media_config media_config = leat_media_config_default();
    struct leat_httpd_route  routes[LEAT_MEDIA_ROUTES_MAX];
    leat_runtime            *runtime;
    leat_controller         *controller;
    leat_media              *media;
    struct leat_event        event;
    bool                     ready = false;

    config.workers = 1;
    if (leat_addr_parse("127.0.0.1:0", &media_config.local) != 0 || leat_runtime_open(&config, &runtime) != 0 ||
        leat_controller_open(runtime, &controller) != 0 || leat_media_open(&media_config, &media) != 0 ||
        leat_media_start(media, controller) != 0 || leat_runtime_start(runtime) != 0) {
        return 1;
    }
    if (leat_receive(controller, 5 * LEAT_SEC, &event) == 0) {
        ready = event.kind == LEAT_EVENT_MESSAGE && event.type == LEAT_MEDIA_READY;
        leat_event_release(&event);
    }
    printf("%zu routes\n", leat_media_routes(media, routes, LEAT_MEDIA_ROUTES_MAX));
    leat_controller_close(controller);
    const int status = leat_runtime_close(runtime);
    leat_media_close(media);
    return !ready || status != 0;
}
