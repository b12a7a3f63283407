/* A ring of lines behind a lock: nothing here is on the message path. */
#include "messages.h"
#include "app.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct message_line lines[MESSAGES_LINES];
static uint64_t added;
static double started;

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void messages_start(void)
{
    started = clock_seconds();
}

void messages_log(void *context, enum leat_log_level level, const char *text)
{
    (void)context;
    pthread_mutex_lock(&lock);
    struct message_line *line = &lines[added++ % MESSAGES_LINES];
    line->level = level;
    line->at = clock_seconds() - started;
    snprintf(line->text, sizeof(line->text), "%s", text);
    pthread_mutex_unlock(&lock);
}

void messages_complain(void *context, const char *line)
{
    messages_log(context, LEAT_LOG_ERROR, line);
}

void messages_say(const char *format, ...)
{
    char text[MESSAGES_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    messages_log(NULL, LEAT_LOG_INFO, text);
}

size_t messages_last(struct message_line *ret, size_t cap)
{
    pthread_mutex_lock(&lock);
    size_t len = added < MESSAGES_LINES ? (size_t)added : MESSAGES_LINES;
    len = len < cap ? len : cap;
    for (size_t i = 0; i < len; i++) {
        ret[i] = lines[(added - len + i) % MESSAGES_LINES];
    }
    pthread_mutex_unlock(&lock);
    return len;
}
