/* The frame of an example's main. The one global is what a signal handler needs. */
#include "app.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static leat_runtime *volatile signal_runtime;

static void on_signal(int number)
{
    (void)number;
    if (signal_runtime != NULL) {
        leat_runtime_stop(signal_runtime);
    }
}

static void stop_on_signals(leat_runtime *runtime)
{
    signal_runtime = runtime;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

struct leat_config app_config(const struct flags *flags)
{
    struct leat_config config = leat_config_default();
    config.io = flags->io;
    config.seed = flags->seed;
    if (flags->workers > 0) {
        config.workers = (uint32_t)flags->workers;
    }
    return config;
}

int app_open(struct app *app, const struct flags *flags, const struct leat_config *config)
{
    *app = (struct app){.flags = flags, .end = LEAT_NEVER};
    int status = leat_runtime_open(config, &app->runtime);
    if (status != 0) {
        app_complain(app, "open the runtime", status);
        return status;
    }
    status = leat_controller_open(app->runtime, &app->controller);
    if (status != 0) {
        app_complain(app, "open a controller", status);
        leat_runtime_close(app->runtime);
        return status;
    }
    stop_on_signals(app->runtime);
    return 0;
}

int app_start(struct app *app)
{
    int status = 0;
    if (!flags_sim(app->flags)) {
        status = leat_runtime_start(app->runtime);
    } /* else leat_receive runs the simulation */
    if (status != 0) {
        app_complain(app, "start the workers", status);
        return status;
    }
    app->started = leat_controller_now(app->controller);
    if (app->flags->seconds > 0) {
        app->end = app->started + app->flags->seconds * LEAT_SEC;
    }
    return 0;
}

int app_receive(struct app *app, struct leat_event *ret)
{
    int status;
    do {
        const leat_time now = leat_controller_now(app->controller);
        leat_time wait = LEAT_NEVER;
        if (app->end <= now) {
            leat_runtime_stop(app->runtime);
            app->end = LEAT_NEVER;
        } else if (app->end != LEAT_NEVER) {
            wait = app->end - now;
        }
        status = leat_receive(app->controller, wait, ret);
        if (status == -ETIMEDOUT) { /* or, in simulation, nothing is left to happen */
            app->end = 0;
        }
    } while (status == -ETIMEDOUT);
    return status;
}

int app_close(struct app *app)
{
    signal_runtime = NULL;
    leat_controller_close(app->controller);
    int status = leat_runtime_close(app->runtime);
    if (status != 0) {
        app_complain(app, "end cleanly", status);
    }
    return status;
}

void app_complain(const struct app *app, const char *what, int status)
{
    const char *hint = "";
    switch (-status) {
    case EADDRINUSE:
        hint = ": another program has it; choose another --port, or 0 for a free one";
        break;
    case EADDRNOTAVAIL:
        hint = ": this machine has no such address; --bind must name one of its own";
        break;
    case EACCES:
    case EPERM:
        hint = ": not allowed; ports below 1024 need a privilege";
        break;
    case EAFNOSUPPORT:
        hint = ": this machine does not speak that version of IP";
        break;
    default:
        break;
    }
    fprintf(stderr, "%s: cannot %s: %s%s\n", app->flags->program, what, strerror(-status), hint);
}
