/* A TLS echo server: a listener that spawns an actor for each connection, as in tcp_echo.
 * session.c is how a connection's bytes go through TLS; common/tls.c is where the certificate
 * comes from. */
#include "app.h"
#include "session.h"
#include "tls.h"

#include <stdio.h>

struct listener {
    struct session_arg session;
    struct leat_addr local;
    leat_outbox(2) out;
};

static int listener_init(void *state, const void *arg, leat_time now)
{
    struct listener *self = state;
    (void)now;
    *self = *(const struct listener *)arg;
    leat_output_listen(leat_outbox_put(&self->out), &self->local, 0);
    return 0;
}

static void listener_on_event(void *state, const struct leat_event *event)
{
    struct listener *self = state;
    if (event->kind == LEAT_EVENT_ACCEPTED) { /* the cookie brings the connection back */
        leat_output_spawn(leat_outbox_put(&self->out), &session, &self->session,
                          sizeof(self->session), event->accepted.sock.id);
    } else if (event->kind == LEAT_EVENT_SPAWNED && event->status == 0) {
        leat_output_give(leat_outbox_put(&self->out), (leat_sock){event->spawned.cookie},
                         event->spawned.child, 0);
    } else if (event->kind == LEAT_EVENT_SPAWNED) {
        leat_output_close(leat_outbox_put(&self->out), (leat_sock){event->spawned.cookie});
    } else if (event->kind == LEAT_EVENT_OPENED && event->status == 0) {
        leat_output_send(leat_outbox_put(&self->out), self->session.main, 0, &event->opened.local,
                         sizeof(event->opened.local));
    } else if (event->kind == LEAT_EVENT_OPENED) {
        leat_output_fail(leat_outbox_put(&self->out), event->status);
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool listener_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct listener *)state)->out, ret);
}

static const struct leat_behavior listener = {.name = "tls_echo",
                                              .state_size = sizeof(struct listener),
                                              .init = listener_init,
                                              .on_event = listener_on_event,
                                              .pop_output = listener_pop_output};

/* ---- main ---- */

int main(int argc, char **argv)
{
    const char *cert = NULL, *key = NULL;
    const struct flag own[] = {TLS_FLAGS(cert, key), {0}};
    struct flags flags = {.program = "tls_echo",
                          .about = "Answers every TLS connection with its own words.",
                          .own = own,
                          .io = "auto",
                          .workers = 1,
                          .bind = "127.0.0.1",
                          .port = 7443,
                          .prints_nothing = true};
    flags_parse(&flags, argc, argv);
    if (cert == NULL || key == NULL) {
        flags_wrong(&flags, "--cert and --key are needed");
    }
    struct listener first = {.session.context = tls_server(&flags, "", cert, key, NULL),
                             .local = flags_local(&flags)};
    const struct leat_config config = app_config(&flags);
    struct app app;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    first.session.main = leat_controller_ref(app.controller);
    leat_ref ref;
    int status = leat_spawn(app.controller, &listener, &first, sizeof(first), 0, &ref);
    status = status != 0 ? status : leat_monitor(app.controller, ref, 0);
    status = status != 0 ? status : app_start(&app);
    struct leat_event event;
    while (status == 0 && app_receive(&app, &event) == 0) {
        char text[LEAT_ADDR_STRLEN];
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == FAILED) {
            struct failed failed;
            memcpy(&failed, event.payload, sizeof(failed));
            fprintf(stderr, "a connection failed: %s %s\n", failed.why, failed.detail);
        } else if (event.kind == LEAT_EVENT_MESSAGE) {
            memcpy(&first.local, event.payload, sizeof(first.local));
            printf("listening on %s\n", leat_addr_format(&first.local, text));
            fflush(stdout);
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            app_complain(&app, "listen", event.status);
            status = event.status;
            leat_runtime_stop(app.runtime);
        }
    }
    return app_close(&app) != 0 || status != 0;
}
