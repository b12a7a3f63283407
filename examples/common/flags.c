/* The command line of an example. No flag is guessed at: a number has digits only and is in its
 * range, a name is written out. */
#include "flags.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_MAX 32 /* shared and own */

void flags_wrong(const struct flags *flags, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", flags->program);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry %s --help\n", flags->program);
    exit(2);
}

static bool is_local(const struct flag *flag)
{
    return strcmp(flag->name, "bind") == 0 || strcmp(flag->name, "port") == 0;
}

static size_t flags_all(struct flags *flags, struct flag ret[FLAGS_MAX])
{
    const struct flag shared[] = {
        {"io", "NAME", "I/O backend: auto, uring, epoll, poll or sim", FLAG_IO, &flags->io, 0, 0},
        {"workers", "N", "worker threads; 0: one for each CPU", FLAG_NUMBER, &flags->workers, 0,
         LEAT_WORKERS_MAX},
        {"bind", "ADDR", "local address, numeric", FLAG_HOST, &flags->bind, 0, 0},
        {"port", "N", "local port; 0: a free one", FLAG_NUMBER, &flags->port, 0, UINT16_MAX},
        {"seconds", "N", "end after N seconds; 0: at SIGINT or SIGTERM", FLAG_NUMBER,
         &flags->seconds, 0, 1000000},
        {"seed", "N", "sim: the same seed replays the same run", FLAG_NUMBER, &flags->seed, 0,
         UINT64_MAX},
        {"trace", "FILE", "write every transition of every actor, for ui.perfetto.dev", FLAG_FILE,
         &flags->trace, 0, 0},
        {"json", NULL, "output for machines", FLAG_SWITCH, &flags->json, 0, 0},
    };
    size_t n = 0;
    for (const struct flag *own = flags->own; own != NULL && own->name != NULL; own++) {
        ret[n++] = *own;
    }
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
        if (shared[i].target != &flags->json || !flags->prints_nothing) {
            ret[n++] = shared[i];
        }
    }
    return n;
}

static void flags_help(const struct flags *flags, const struct flag *all, size_t n)
{
    int width = 18;
    for (size_t i = 0; i < n; i++) {
        const int len = (int)(strlen("-- ") + strlen(all[i].name) + (all[i].value ? strlen(all[i].value) : 0));
        width = len > width ? len : width;
    }
    printf("usage: %s [FLAG]...\n\n%s\n\n", flags->program, flags->about);
    for (size_t i = 0; i < n; i++) {
        char left[64];
        char addr[LEAT_ADDR_STRLEN];
        if (is_local(&all[i]) && flags->bind == NULL) {
            continue;
        }
        snprintf(left, sizeof(left), "--%s %s", all[i].name, all[i].value ? all[i].value : "");
        printf("  %-*s %s", width, left, all[i].help);
        switch (all[i].kind) {
        case FLAG_NUMBER:
            printf(" [%" PRIu64 "]", *(const uint64_t *)all[i].target);
            break;
        case FLAG_ADDR:
            if (((const struct leat_addr *)all[i].target)->port != 0) {
                printf(" [%s]", leat_addr_format(all[i].target, addr));
            }
            break;
        case FLAG_IO:
        case FLAG_HOST:
        case FLAG_TEXT:
            if (*(const char *const *)all[i].target != NULL) {
                printf(" [%s]", *(const char *const *)all[i].target);
            }
            break;
        case FLAG_FILE:
        case FLAG_LIST:
        case FLAG_SWITCH:
            break;
        }
        printf("\n");
    }
    printf("  %-*s this text\n", width, "--help");
    exit(fflush(stdout) == 0 ? 0 : 1);
}

static void flags_number(const struct flags *flags, const struct flag *flag, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || number < flag->min ||
        number > flag->max) {
        flags_wrong(flags, "--%s: \"%s\" is not a whole number from %" PRIu64 " to %" PRIu64,
                    flag->name, text, flag->min, flag->max);
    }
    *(uint64_t *)flag->target = number;
}

static void flags_io(const struct flags *flags, const struct flag *flag, const char *text)
{
    char names[128] = "auto";
    bool known = strcmp(text, "auto") == 0;
    size_t at = strlen(names);
    for (const char *const *name = leat_io_names(); *name != NULL; name++) {
        known = known || strcmp(text, *name) == 0;
        if (strcmp(*name, "auto") != 0 && at < sizeof(names)) {
            at += (size_t)snprintf(&names[at], sizeof(names) - at, ", %s", *name);
        }
    }
    if (!known) {
        flags_wrong(flags, "--%s: there is no backend \"%s\"; there are: %s", flag->name, text,
                    names);
    }
    *(const char **)flag->target = text;
}

static void flags_list(const struct flags *flags, const struct flag *flag, const char *text)
{
    struct flag_list *const list = flag->target;
    if (text[0] == '\0' || list->len == FLAG_LIST_MAX) {
        flags_wrong(flags, "--%s: %s", flag->name, text[0] == '\0' ? "the value is empty" : "too many of them");
    }
    list->items[list->len++] = text;
}

static void flags_value(const struct flags *flags, const struct flag *flag, const char *text)
{
    struct leat_addr addr;
    switch (flag->kind) {
    case FLAG_NUMBER:
        flags_number(flags, flag, text);
        break;
    case FLAG_IO:
        flags_io(flags, flag, text);
        break;
    case FLAG_HOST:
        if (leat_addr_from_host(text, 0, &addr) != 0) {
            flags_wrong(flags,
                        "--%s: \"%s\" is not a numeric address such as 127.0.0.1, 0.0.0.0 or ::1%s",
                        flag->name, text, text[0] == '[' ? ", without brackets" : "");
        }
        *(const char **)flag->target = text;
        break;
    case FLAG_ADDR:
        if (leat_addr_parse(text, flag->target) != 0) {
            flags_wrong(flags,
                        "--%s: \"%s\" is not an address with a port such as 127.0.0.1:7777 or "
                        "[::1]:7777",
                        flag->name, text);
        }
        break;
    case FLAG_FILE:
    case FLAG_TEXT:
        if (text[0] == '\0') {
            flags_wrong(flags, "--%s: the value is empty", flag->name);
        }
        *(const char **)flag->target = text;
        break;
    case FLAG_LIST:
        flags_list(flags, flag, text);
        break;
    case FLAG_SWITCH:
        break;
    }
}

void flags_parse(struct flags *flags, int argc, char **argv)
{
    struct flag all[FLAGS_MAX];
    const size_t n = flags_all(flags, all);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            flags_help(flags, all, n);
        }
        if (strncmp(word, "--", 2) != 0) {
            flags_wrong(flags, "\"%s\" is not a flag", word);
        }
        const size_t len = strcspn(word + 2, "=");
        const char *value = word[2 + len] == '=' ? &word[2 + len + 1] : NULL;
        const struct flag *flag = NULL;
        for (size_t k = 0; k < n && flag == NULL; k++) {
            if (strlen(all[k].name) == len && memcmp(all[k].name, word + 2, len) == 0) {
                flag = &all[k];
            }
        }
        if (flag == NULL) {
            flags_wrong(flags, "there is no flag --%.*s", (int)len, word + 2);
        }
        if (is_local(flag) && flags->bind == NULL) {
            flags_wrong(flags, "there is no flag --%s: %s opens no socket", flag->name,
                        flags->program);
        }
        if (flag->kind == FLAG_SWITCH) {
            if (value != NULL) {
                flags_wrong(flags, "--%s takes no value", flag->name);
            }
            *(bool *)flag->target = true;
            continue;
        }
        if (value == NULL && i + 1 == argc) {
            flags_wrong(flags, "--%s needs a value", flag->name);
        }
        flags_value(flags, flag, value != NULL ? value : argv[++i]);
    }
}

struct leat_addr flags_local(const struct flags *flags)
{
    struct leat_addr local = {0};
    (void)leat_addr_from_host(flags->bind, (uint16_t)flags->port, &local); /* parsed before */
    return local;
}

bool flags_sim(const struct flags *flags)
{
    return strcmp(flags->io, "sim") == 0;
}
