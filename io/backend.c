/* Which backends there are, and which one a name means. "auto" tries those that need nothing but a
 * kernel, best first; each refusal is logged with its reason. "sim" must be asked for. Any
 * thread. */
#include <stdio.h>
#include <string.h>

#include "assert.h"
#include "io.h"

#define LINE_LEN 256

#ifdef LEAT_HAVE_URING
static const struct io_ops *const all[] = {&io_uring, &io_epoll, &io_poll, &io_sim};
static const char *const names[] = {"auto", "uring", "epoll", "poll", "sim", NULL};
#else
static const struct io_ops *const all[] = {&io_epoll, &io_poll, &io_sim};
static const char *const names[] = {"auto", "epoll", "poll", "sim", NULL};
#endif

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define PREFERRED_LEN (LEN(all) - 1) /* but "sim" */

_Static_assert(LEN(names) == LEN(all) + 2, "every backend, auto, NULL");

static void say(const struct io_config *config, enum leat_log_level level, const char *text)
{
    if (config->log != NULL) {
        config->log(config->log_context, level, text);
    }
}

static bool works(const struct io_ops *ops, const struct io_config *config,
                  enum leat_log_level level)
{
    char why[LINE_LEN - 64] = "";
    int status = ops->probe(why, sizeof(why));
    if (status < 0) {
        char line[LINE_LEN];
        snprintf(line, sizeof(line), "io \"%s\" cannot work here: %s (%d)", ops->name, why, status);
        say(config, level, line);
    }
    return status == 0;
}

const struct io_ops *io_backend_next(const struct io_ops *after, const struct io_config *config)
{
    size_t i = 0;
    while (after != NULL && all[i++] != after) {
        LEAT_ASSERT(i < LEN(all));
    }
    for (; i < PREFERRED_LEN; i++) {
        if (works(all[i], config, LEAT_LOG_INFO)) {
            return all[i];
        }
    }
    say(config, LEAT_LOG_ERROR, "io \"auto\": no backend can work here");
    return NULL;
}

static void say_unknown(const char *name, const struct io_config *config)
{
    char line[LINE_LEN];
    int len = snprintf(line, sizeof(line), "io \"%.64s\" is no backend; there are", name);
    for (size_t i = 0; names[i] != NULL && len > 0 && (size_t)len < sizeof(line); i++) {
        len += snprintf(line + len, sizeof(line) - (size_t)len, "%s \"%s\"", i == 0 ? "" : ",",
                        names[i]);
    }
    say(config, LEAT_LOG_ERROR, line);
}

const struct io_ops *io_backend_find(const char *name, const struct io_config *config)
{
    LEAT_ASSERT(name != NULL);
    LEAT_ASSERT(config != NULL);
    if (strcmp(name, "auto") == 0) {
        return io_backend_next(NULL, config);
    }
    for (size_t i = 0; i < LEN(all); i++) {
        if (strcmp(name, all[i]->name) == 0) {
            return works(all[i], config, LEAT_LOG_ERROR) ? all[i] : NULL;
        }
    }
    say_unknown(name, config);
    return NULL;
}

const char *const *io_backend_names(void)
{
    return names;
}
