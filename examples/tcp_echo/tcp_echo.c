/* A TCP echo server: a listener that spawns an actor for each connection and gives it the connection.
 * session.c is what happens there. With more workers, one listener each shares the port. */
#include "app.h"
#include "session.h"

#include <stdio.h>

enum { LISTENING = 1 }; /* to main: a struct leat_addr */

struct listener {
    leat_ref main;
    struct leat_output listen; /* its first output */
    leat_outbox(2) out;
};

static int listener_init(void *state, const void *arg, leat_time now)
{
    (void)now;
    *(struct listener *)state = *(const struct listener *)arg;
    *leat_outbox_put(&((struct listener *)state)->out) = ((struct listener *)state)->listen;
    return 0;
}

static void listener_on_event(void *state, const struct leat_event *event)
{
    struct listener *self = state;
    if (event->kind == LEAT_EVENT_ACCEPTED) { /* the cookie brings the connection back */
        leat_output_spawn(leat_outbox_put(&self->out), &session, NULL, 0, event->accepted.sock.id);
    } else if (event->kind == LEAT_EVENT_SPAWNED && event->status == 0) {
        leat_output_give(leat_outbox_put(&self->out), (leat_sock){event->spawned.cookie},
                         event->spawned.child, 0);
    } else if (event->kind == LEAT_EVENT_SPAWNED) {
        leat_output_close(leat_outbox_put(&self->out), (leat_sock){event->spawned.cookie});
    } else if (event->kind == LEAT_EVENT_OPENED && event->status == 0) {
        leat_output_send(leat_outbox_put(&self->out), self->main, LISTENING, &event->opened.local,
                         sizeof(event->opened.local));
    } else if (event->kind == LEAT_EVENT_OPENED) {
        leat_output_fail(leat_outbox_put(&self->out), event->status); /* main is told by DOWN */
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool listener_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct listener *)state)->out, ret);
}

static const struct leat_behavior listener = {.name = "tcp_echo",
                                              .state_size = sizeof(struct listener),
                                              .init = listener_init,
                                              .on_event = listener_on_event,
                                              .pop_output = listener_pop_output};

/* ---- main ---- */

int main(int argc, char **argv)
{
    struct flags flags = {.program = "tcp_echo",
                          .about = "Answers every connection with its own bytes.",
                          .io = "auto", .workers = 1, .bind = "127.0.0.1", .port = 7777,
                          .prints_nothing = true};
    flags_parse(&flags, argc, argv);
    struct leat_config config = app_config(&flags);
    struct app app;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    const struct leat_addr local = flags_local(&flags);
    struct listener first = {.main = leat_controller_ref(app.controller)};
    leat_output_listen(&first.listen, &local, 0);
    first.listen.options = config.workers > 1 ? LEAT_STREAM_REUSEPORT_FIRST : 0;
    leat_ref ref;
    int status = leat_spawn(app.controller, &listener, &first, sizeof(first), 0, &ref);
    status = status != 0 ? status : leat_monitor(app.controller, ref, 0);
    status = status != 0 ? status : app_start(&app);
    struct leat_event event;
    bool listening = false;
    while (status == 0 && app_receive(&app, &event) == 0) {
        char text[32 + LEAT_ADDR_STRLEN] = "listen on ";
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == LISTENING && !listening) {
            listening = true;
            memcpy(&first.listen.listen.local, event.payload, sizeof(struct leat_addr));
            printf("listening on %s\n", leat_addr_format(&first.listen.listen.local, text));
            fflush(stdout);
            first.listen.options = LEAT_STREAM_REUSEPORT;
            for (int worker = 1; worker < (int)config.workers; worker++) { /* share its port */
                (void)leat_spawn(app.controller, &listener, &first, sizeof(first), worker, NULL);
            }
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            leat_addr_format(&local, text + strlen(text));
            app_complain(&app, text, event.status);
            status = event.status;
            leat_runtime_stop(app.runtime);
        }
    }
    return app_close(&app) != 0 || status != 0;
}
