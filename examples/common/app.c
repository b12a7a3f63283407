/* The frame of an example's main. Its globals are what a signal handler needs, and where complaints
 * go. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SIM_SECONDS 10 /* virtual */

static leat_runtime *volatile signal_runtime;
static volatile sig_atomic_t signalled;

static void (*complain_say)(void *context, const char *line);
static void *complain_context;

static void say_line(const char *line)
{
    if (complain_say != NULL) {
        complain_say(complain_context, line);
    } else {
        fprintf(stderr, "%s\n", line);
    }
}

static void on_signal(int number)
{
    (void)number;
    signalled = 1;
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

static int open_runtime(struct app *app, const struct leat_config *config)
{
    struct leat_config traced = *config;
    app->end = LEAT_NEVER;
    app->over = false;
    trace_attach(&traced, app->trace);
    int status = leat_runtime_open(&traced, &app->runtime);
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
    trace_name(app->trace, leat_io_name(app->runtime));
    stop_on_signals(app->runtime);
    return 0;
}

static int close_runtime(struct app *app)
{
    signal_runtime = NULL;
    leat_controller_close(app->controller);
    int status = leat_runtime_close(app->runtime);
    if (status != 0) {
        app_complain(app, "end cleanly", status);
    }
    return status;
}

static int close_trace(struct app *app)
{
    int status = trace_close(app->trace);
    app->trace = NULL;
    if (status != 0) {
        app_complain(app, "write the trace", status);
    }
    return status;
}

/* On the thread that wrote too much; a view that has the screen shows it. */
static void on_trace_full(void *context)
{
    const struct flags *flags = context;
    char line[256];
    snprintf(line, sizeof(line), "%s: the trace is full at %llu MiB; all else goes on",
             flags->program, (unsigned long long)(TRACE_BYTES_MAX >> 20));
    say_line(line);
    if (flags->light != NULL) {
        snprintf(line, sizeof(line), "%s: a light load has room: %s", flags->program, flags->light);
        say_line(line);
    }
}

/* A file opened later must not become the standard output. */
static void open_standard_files(void)
{
    int descriptor;
    do {
        descriptor = open("/dev/null", O_RDWR);
    } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor > STDERR_FILENO) {
        close(descriptor);
    }
}

int app_open(struct app *app, const struct flags *flags, const struct leat_config *config)
{
    *app = (struct app){.flags = flags};
    open_standard_files();
    if (flags->trace != NULL) {
        app->trace = trace_open(flags->trace, on_trace_full, (void *)flags);
        if (app->trace == NULL) {
            int error = errno;
            char what[160];
            snprintf(what, sizeof(what), "create the trace %s", flags->trace);
            app_complain(app, what, -error);
            return -error;
        }
    }
    int status = open_runtime(app, config);
    if (status != 0) {
        close_trace(app);
    }
    return status;
}

int app_reopen(struct app *app, const struct leat_config *config)
{
    int status = close_runtime(app);
    if (status == 0) {
        status = open_runtime(app, config);
    }
    if (status != 0) {
        close_trace(app);
    }
    return status;
}

bool app_signalled(void)
{
    return signalled != 0;
}

bool app_ending(const struct app *app)
{
    return app->over || app_signalled();
}

int app_start(struct app *app)
{
    uint64_t seconds = app->flags->seconds;
    int status = 0;
    if (!flags_sim(app->flags)) {
        status = leat_runtime_start(app->runtime);
    } /* else leat_receive runs the simulation */
    if (status != 0) {
        app_complain(app, "start the workers", status);
        return status;
    }
    app->started = leat_controller_now(app->controller);
    if (seconds == 0 && flags_sim(app->flags) && !app->endless) {
        seconds = SIM_SECONDS;
    }
    if (seconds > 0) {
        app->end = app->started + seconds * LEAT_SEC;
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
            app->over = true;
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
    int status = close_runtime(app);
    int written = close_trace(app);
    status = status != 0 ? status : written;
    const bool failed_before = ferror(stdout) != 0;
    if (fflush(stdout) != 0 || failed_before) {
        const int error = failed_before ? 0 : errno;
        app_complain(app, "write the output", -error);
        status = status != 0 ? status : -EIO;
    }
    return status;
}

void app_complain_to(void (*say)(void *context, const char *line), void *context)
{
    complain_say = say;
    complain_context = context;
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
    char line[256];
    snprintf(line, sizeof(line), "%s: cannot %s%s%s%s", app->flags->program, what,
             status != 0 ? ": " : "", status != 0 ? strerror(-status) : "", hint);
    say_line(line);
}
