/* A UDP echo server: each datagram goes back to where it came from, from the address it arrived at.
 * With more workers, one such actor each shares the port and the kernel spreads the peers. */
#include "app.h"

#include <inttypes.h>
#include <stdio.h>

enum { LISTENING = 1, ERRORS }; /* to main: a struct leat_addr, a uint64_t */

struct echo_config {
    leat_ref main;
    struct leat_output open; /* the first output of the actor */
};

/* ---- the actor ---- */

struct echo {
    struct echo_config config;
    uint64_t errors;
    leat_outbox(2) out;
};

static int echo_init(void *state, const void *arg, leat_time now)
{
    struct echo *self = state;
    (void)now;
    self->config = *(const struct echo_config *)arg;
    *leat_outbox_put(&self->out) = self->config.open;
    return 0;
}

static void echo_on_event(void *state, const struct leat_event *event)
{
    struct echo *self = state;
    self->errors += event->kind == LEAT_EVENT_SOCK_ERROR; /* a peer that went away, say */
    if (event->kind == LEAT_EVENT_DATA) {
        leat_output_reply(leat_outbox_put(&self->out), event, leat_slice_ref(event->data.body));
    } else if (event->kind == LEAT_EVENT_OPENED && event->status != 0) {
        leat_output_fail(leat_outbox_put(&self->out), event->status); /* main is told by DOWN */
    } else if (event->kind == LEAT_EVENT_OPENED) {
        leat_output_send(leat_outbox_put(&self->out), self->config.main, LISTENING,
                         &event->opened.local, sizeof(event->opened.local));
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_send(leat_outbox_put(&self->out), self->config.main, ERRORS, &self->errors,
                         sizeof(self->errors));
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool echo_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct echo *)state)->out, ret);
}

static const struct leat_behavior echo = {.name = "udp_echo",
                                          .state_size = sizeof(struct echo),
                                          .init = echo_init,
                                          .on_event = echo_on_event,
                                          .pop_output = echo_pop_output};

/* ---- main ---- */

/* An actor on `worker`, watched: its end comes back as DOWN. */
static int spawn(struct app *app, const struct echo_config *config, int worker)
{
    leat_ref ref;
    int status = leat_spawn(app->controller, &echo, config, sizeof(*config), worker, &ref);
    return status != 0 ? status : leat_monitor(app->controller, ref, 0);
}

/* Prints where the first one listens; the others, if any, then share the port that it got. */
static void on_listening(struct app *app, struct echo_config *config, const void *local)
{
    char text[LEAT_ADDR_STRLEN];
    memcpy(&config->open.open.local, local, sizeof(config->open.open.local));
    printf("listening on %s\n", leat_addr_format(&config->open.open.local, text));
    fflush(stdout);
    config->open.open.flags = LEAT_UDP_REUSEPORT;
    for (int worker = 1; worker < (int)app->flags->workers; worker++) {
        (void)spawn(app, config, worker);
    }
}

static void print_totals(const struct app *app, uint64_t errors)
{
    static struct leat_worker_stats stats[LEAT_WORKERS_MAX];
    const size_t n = leat_stats_workers(app->runtime, stats, LEAT_WORKERS_MAX);
    uint64_t echoed = 0;
    for (size_t i = 0; i < n; i++) {
        echoed += stats[i].sent_datagrams;
    }
    printf(app->flags->json ? "{\"echoed\":%" PRIu64 ",\"errors\":%" PRIu64 "}\n"
                            : "echoed %" PRIu64 " datagrams, %" PRIu64 " errors\n",
           echoed, errors);
}

int main(int argc, char **argv)
{
    struct flags flags = {.program = "udp_echo",
                          .about = "Answers every datagram with its own bytes.",
                          .io = "auto",
                          .workers = 1,
                          .bind = "127.0.0.1",
                          .port = 7777};
    flags_parse(&flags, argc, argv);
    struct leat_config config = app_config(&flags);
    flags.workers = config.workers;
    struct app app;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    const struct leat_addr local = flags_local(&flags);
    struct echo_config first = {.main = leat_controller_ref(app.controller)};
    leat_output_open(&first.open, &local, 0);
    first.open.open.flags = flags.workers > 1 ? LEAT_UDP_REUSEPORT_FIRST : 0;
    int status = spawn(&app, &first, 0);
    status = status != 0 ? status : app_start(&app);

    uint64_t errors = 0, one;
    struct leat_event event;
    bool listening = false;
    const bool started = status == 0;
    while (started && app_receive(&app, &event) == 0) {
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == LISTENING && !listening) {
            listening = true;
            on_listening(&app, &first, event.payload);
        } else if (event.kind == LEAT_EVENT_MESSAGE && event.type == ERRORS) {
            memcpy(&one, event.payload, sizeof(one));
            errors += one;
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            char what[32 + LEAT_ADDR_STRLEN] = "listen on ";
            leat_addr_format(&local, what + strlen(what));
            app_complain(&app, what, event.status);
            status = event.status;
            leat_runtime_stop(app.runtime);
        }
    }
    if (listening) {
        print_totals(&app, errors);
    }
    return app_close(&app) != 0 || status != 0;
}
