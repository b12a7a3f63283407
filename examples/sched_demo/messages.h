/* What the runtime and the demo have to say while the view has the screen: the last lines, from any
 * thread. */
#ifndef SCHED_DEMO_MESSAGES_H
#define SCHED_DEMO_MESSAGES_H

#include <leat/leat.h>

#define MESSAGES_LINES 64u
#define MESSAGES_LINE_MAX 160u

struct message_line {
    enum leat_log_level level;
    double at; /* seconds since messages_start */
    char text[MESSAGES_LINE_MAX];
};

/* The time of later lines counts from here. */
void messages_start(void);

/* The shape of leat_config.log. */
void messages_log(void *context, enum leat_log_level level, const char *text);

/* The shape of app_complain_to: an error. */
void messages_complain(void *context, const char *line);

void messages_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The newest, at most `cap`, the newest last; returns how many. */
size_t messages_last(struct message_line *ret, size_t cap);

#endif
