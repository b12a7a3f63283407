/* The frame of an example's main: a runtime as the flags say, one controller, and a clean end after
 * --seconds, at SIGINT and at SIGTERM. Main is the one thread that uses it. */
#ifndef LEAT_EXAMPLE_APP_H
#define LEAT_EXAMPLE_APP_H

#include "flags.h"

struct app {
    const struct flags *flags;
    leat_runtime *runtime;
    leat_controller *controller;
    leat_time started;
    leat_time end; /* LEAT_NEVER: at a signal */
};

/* What the flags ask for, to be changed before app_open. */
struct leat_config app_config(const struct flags *flags);

/* Opens the runtime and its controller; from here on a signal stops the runtime. Says what is wrong
 * and returns a negative errno. */
int app_open(struct app *app, const struct flags *flags, const struct leat_config *config);

/* Starts the workers; in simulation there are none, and app_receive runs it. */
int app_start(struct app *app);

/* The next thing that an actor sent here. Stops the runtime when --seconds are over, and goes on
 * until it has ended, by that, a signal or leat_runtime_stop: -EPIPE. */
int app_receive(struct app *app, struct leat_event *ret);

/* Closes controller and runtime. 0, or what leat_runtime_close found wrong. */
int app_close(struct app *app);

/* One line to stderr: what was tried, why it failed and what to do about it. */
void app_complain(const struct app *app, const char *what, int status);

#endif
