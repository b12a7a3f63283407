/* leat-bench: runs workloads beside their floors, repetition by repetition in turn, so that both
 * see the same machine, and prints what came out. Exit status: 0; 1 a result was wrong; 2 the
 * command line was; 77 this machine cannot run any of what was asked for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/leat.h>

#include "runs.h"

enum exit_status {
    EXIT_FINE = 0,
    EXIT_WRONG = 1,
    EXIT_USAGE = 2,
    EXIT_CANNOT = 77,
};

struct options {
    uint32_t workers; /* 0: each workload's own configurations */
    uint32_t repeat;  /* 0: each workload's own */
    bool spread;
    bool quick;
    bool json;
    const char *io;
    int names_len;
    char **names;
};

static void help(void)
{
    printf(
        "usage: leat-bench WORKLOAD... [OPTION...]\n\n"
        "Runs each workload beside a floor, the same work in plain C, and prints ns per\n"
        "operation. Without --workers each runs with one worker, with two, and with two and\n"
        "actors spread over them, where that makes a difference.\n\n"
        "  --workers N   only with N workers (1..%u)\n"
        "  --spread      actors go to the workers in turn, not where their parent is\n"
        "  --repeat R    repetitions (1..%u); default: the workload's own\n"
        "  --io NAME     one I/O backend; default: each, where that makes a difference\n"
        "  --quick       a moment of each: that it runs and its result holds, no figure to read\n"
        "  --json        one object a line\n"
        "  --list        the names of the workloads\n"
        "  --help        this\n\n"
        "Workloads (\"all\" for every one):\n",
        LEAT_WORKERS_MAX, REPEAT_MAX);
    const struct workload *workload;
    for (size_t i = 0; (workload = workload_at(i)) != NULL; i++) {
        printf("  %-22s %s\n", workload->name, workload->what);
    }
}

static void list(void)
{
    const struct workload *workload;
    for (size_t i = 0; (workload = workload_at(i)) != NULL; i++) {
        printf("%s\n", workload->name);
    }
}

/* ---- the command line ---- */

static int usage(const char *what, const char *about, const char *hint)
{
    fprintf(stderr, "leat-bench: %s '%s'. %s\n", what, about, hint);
    return EXIT_USAGE;
}

static int number(const char *option, const char *text, uint32_t max, uint32_t *ret)
{
    char *end;
    unsigned long value = text != NULL ? strtoul(text, &end, 10) : 0;
    if (text == NULL || *text < '0' || *text > '9' || *end != '\0' || value < 1 || value > max) {
        fprintf(stderr, "leat-bench: %s needs a number from 1 to %u, not '%s'.\n", option, max,
                text != NULL ? text : "");
        return EXIT_USAGE;
    }
    *ret = (uint32_t)value;
    return 0;
}

static int io_option(const char *name, const char **ret)
{
    const char *const *names = leat_io_names();
    if (name == NULL) {
        return usage("no name after", "--io", "It takes the name of an I/O backend.");
    }
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0 && strcmp(name, "sim") != 0) {
            *ret = name;
            return 0;
        }
    }
    fprintf(stderr, "leat-bench: no I/O backend '%s' to measure; there are:", name);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], "sim") != 0) {
            fprintf(stderr, " %s", names[i]);
        }
    }
    fprintf(stderr, "\n");
    return EXIT_USAGE;
}

/* One argument, and its value where it takes one. */
static int option_parse(char **argv, int *at, struct options *ret)
{
    const char *option = argv[*at];
    const char *value = argv[*at + 1]; /* NULL at the end */
    if (strcmp(option, "--workers") == 0) {
        (*at)++;
        return number(option, value, LEAT_WORKERS_MAX, &ret->workers);
    }
    if (strcmp(option, "--repeat") == 0) {
        (*at)++;
        return number(option, value, REPEAT_MAX, &ret->repeat);
    }
    if (strcmp(option, "--io") == 0) {
        (*at)++;
        return io_option(value, &ret->io);
    }
    if (strcmp(option, "--spread") == 0) {
        ret->spread = true;
    } else if (strcmp(option, "--quick") == 0) {
        ret->quick = true;
    } else if (strcmp(option, "--json") == 0) {
        ret->json = true;
    } else if (option[0] == '-') {
        return usage("unknown option", option, "See leat-bench --help.");
    } else if (strcmp(option, "all") != 0 && workload_find(option) == NULL) {
        return usage("no workload", option, "See leat-bench --list.");
    } else {
        ret->names[ret->names_len++] = argv[*at];
    }
    return 0;
}

/* ---- measuring ---- */

/* Of two: a wrong result counts most, and what could not run does not if anything did. */
static int worse(int a, int b)
{
    if (a == EXIT_WRONG || b == EXIT_WRONG) {
        return EXIT_WRONG;
    }
    return a == EXIT_FINE || b == EXIT_FINE ? EXIT_FINE : EXIT_CANNOT;
}

/* One line of the result. */
static int measure(const struct setup *setup, const struct options *options)
{
    static struct rep reps[REPEAT_MAX], floors[REPEAT_MAX], idle;
    const struct workload *workload = setup->workload;
    uint32_t repeat = options->repeat > 0 ? options->repeat : options->quick ? 1 : workload->repeat;

    rep_run(idle_run, setup, &idle);
    const struct rep *wrong = idle.result != REP_OK ? &idle : NULL;
    for (uint32_t i = 0; i < repeat && wrong == NULL; i++) {
        rep_run(workload->run, setup, &reps[i]);
        wrong = reps[i].result != REP_OK ? &reps[i] : NULL;
        if (wrong == NULL) {
            rep_run(workload->floor, setup, &floors[i]);
            wrong = floors[i].result != REP_OK ? &floors[i] : NULL;
        }
    }
    if (wrong != NULL) {
        const char *which = wrong == &idle                               ? " (idle runtime)"
                            : wrong >= floors && wrong < floors + repeat ? " (floor)"
                                                                         : "";
        fprintf(stderr, "leat-bench: %s, %u workers%s%s%s%s: %s\n", workload->name,
                setup->workers, setup->spread ? ", spread" : "", setup->io != NULL ? ", " : "",
                setup->io != NULL ? setup->io : "", which, wrong->problem);
        return wrong->result == REP_SKIPPED ? EXIT_CANNOT : EXIT_WRONG;
    }
    struct result result = {setup, reps, floors, repeat, idle.peak_rss_bytes};
    if (options->json) {
        report_json(&result);
    } else {
        report_row(&result);
    }
    return EXIT_FINE;
}

/* All configurations of one workload, with one backend; the worst of their exit statuses. */
static int configs_measure(struct setup *setup, const struct options *options)
{
    static const struct {
        uint32_t config, workers;
        bool spread;
    } all[] = {{WORKLOAD_ONE, 1, false}, {WORKLOAD_TWO, 2, false}, {WORKLOAD_SPREAD, 2, true}};
    const struct workload *workload = setup->workload;
    if (options->workers > 0 || options->spread) {
        setup->workers = options->workers > 0 ? options->workers : 2;
        setup->spread = options->spread;
        if (setup->workers < workload->workers_min) {
            setup->workers = workload->workers_min;
        }
        return measure(setup, options);
    }
    int status = EXIT_CANNOT;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if ((workload->configs & all[i].config) == 0) {
            continue;
        }
        setup->workers = all[i].workers;
        setup->spread = all[i].spread;
        status = worse(status, measure(setup, options));
    }
    return status;
}

/* The same, where the backend is part of the figure with each of them. */
static int workload_measure(const struct workload *workload, const struct options *options)
{
    struct setup setup = {
        .workload = workload,
        .count = options->quick ? workload->quick_count : workload->count,
        .quick = options->quick,
        .io = options->io,
    };
    if (!workload->uses_io || options->io != NULL) {
        return configs_measure(&setup, options);
    }
    int status = EXIT_CANNOT;
    for (const char *const *name = leat_io_names(); *name != NULL; name++) {
        if (strcmp(*name, "auto") != 0 && strcmp(*name, "sim") != 0) {
            setup.io = *name;
            status = worse(status, configs_measure(&setup, options));
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {.names = calloc((size_t)argc + 1, sizeof(char *))};
    if (options.names == NULL) {
        return EXIT_WRONG;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help();
            return EXIT_FINE;
        }
        if (strcmp(argv[i], "--list") == 0) {
            list();
            return EXIT_FINE;
        }
        int status = option_parse(argv, &i, &options);
        if (status != 0) {
            return status;
        }
    }
    if (options.names_len == 0) {
        fprintf(stderr, "leat-bench: which workload? See leat-bench --list, or --help.\n");
        return EXIT_USAGE;
    }
    if (!options.json) {
        report_head();
    }
    int status = EXIT_CANNOT;
    for (int i = 0; i < options.names_len; i++) {
        const struct workload *workload;
        for (size_t k = 0; (workload = workload_at(k)) != NULL; k++) {
            if (strcmp(options.names[i], "all") == 0 ||
                strcmp(options.names[i], workload->name) == 0) {
                status = worse(status, workload_measure(workload, &options));
            }
        }
    }
    free(options.names);
    return status;
}
