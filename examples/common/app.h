/* The frame of an example's main: a runtime as the flags say, one controller, and a clean end after
 * --seconds, at SIGINT and at SIGTERM. Main is the one thread that uses it. */
#ifndef LEAT_EXAMPLE_APP_H
#define LEAT_EXAMPLE_APP_H

#include "flags.h"
#include "trace.h"

struct app {
    const struct flags *flags;
    struct trace_file *trace; /* --trace, or NULL */
    bool endless;             /* set before app_start: without --seconds, simulation too */
    leat_runtime *runtime;
    leat_controller *controller;
    leat_time started;
    leat_time end; /* LEAT_NEVER: at a signal */
    bool over;     /* it has come */
};

/* What the flags ask for, to be changed before app_open. */
struct leat_config app_config(const struct flags *flags);

/* Opens the runtime and its controller, and the file of --trace; from here on a signal stops the
 * runtime. Says what is wrong and returns a negative errno. */
int app_open(struct app *app, const struct flags *flags, const struct leat_config *config);

/* Closes the runtime, which has ended, and opens another one; the trace goes on. An error is that of
 * either; nothing is open then. */
int app_reopen(struct app *app, const struct leat_config *config);

/* Whether SIGINT or SIGTERM has come. */
bool app_signalled(void);

/* Whether the runtime is ending: --seconds are over, or a signal has come. */
bool app_ending(const struct app *app);

/* Starts the workers; in simulation there are none, and app_receive runs it. Virtual time passes as
 * fast as it can, so simulation ends after 10 s where --seconds does not say: for ever would be for
 * ever. */
int app_start(struct app *app);

/* The next thing that an actor sent here. Stops the runtime when --seconds are over, and goes on
 * until it has ended, by that, a signal or leat_runtime_stop: -EPIPE. */
int app_receive(struct app *app, struct leat_event *ret);

/* Closes controller, runtime and trace, when all has been printed. 0, or what was found wrong: that
 * the output could not be written, too. */
int app_close(struct app *app);

/* One line: what was tried, why it failed (status 0: that is not known) and what to do about it. */
void app_complain(const struct app *app, const char *what, int status);

/* Where those lines go instead of stderr, while a terminal view has the screen; NULL: to stderr. */
void app_complain_to(void (*say)(void *context, const char *line), void *context);

#endif
