/* Figures out of repetitions, and the two forms they are printed in: JSON for programs, a table for
 * people. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

struct figures {
    double min, median, max;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile(double *values, size_t len, double share)
{
    if (len == 0) {
        return 0;
    }
    qsort(values, len, sizeof(values[0]), compare);
    size_t at = (size_t)(share * (double)(len - 1) + 0.5);
    return values[at < len ? at : len - 1];
}

/* Of ns, or of the extra with that index. */
static struct figures figures_of(const struct rep *reps, uint32_t repeat, int extra)
{
    double values[REPEAT_MAX];
    for (uint32_t i = 0; i < repeat; i++) {
        values[i] = extra < 0 ? reps[i].ns : reps[i].extras[extra].value;
    }
    struct figures ret;
    ret.median = quantile(values, repeat, 0.5);
    ret.min = values[0];
    ret.max = values[repeat - 1];
    return ret;
}

static uint64_t peak_of(const struct rep *reps, uint32_t repeat)
{
    uint64_t peak = 0;
    for (uint32_t i = 0; i < repeat; i++) {
        if (reps[i].peak_rss_bytes > peak) {
            peak = reps[i].peak_rss_bytes;
        }
    }
    return peak;
}

/* Counts without a fraction, times with three digits behind the point. */
static void print_value(double value)
{
    double rounded = (double)(long long)value;
    printf(rounded == value ? "%.0f" : "%.3f", value);
}

static void print_figures(const struct figures *figures)
{
    printf("{\"min\":%.3f,\"median\":%.3f,\"max\":%.3f}", figures->min, figures->median,
           figures->max);
}

static void print_extras(const struct rep *reps, uint32_t repeat)
{
    for (uint32_t i = 0; i < reps[0].extras_len; i++) {
        struct figures figures = figures_of(reps, repeat, (int)i);
        printf(",\"%s\":", reps[0].extras[i].name);
        print_value(figures.median);
    }
}

void report_json(const struct result *result)
{
    const struct setup *setup = result->setup;
    struct figures ns = figures_of(result->reps, result->repeat, -1);
    struct figures floor = figures_of(result->floors, result->repeat, -1);

    printf("{\"workload\":\"%s\",\"what\":\"%s\",\"workers\":%u,\"spread\":%s,\"quick\":%s,"
           "\"repeat\":%u",
           setup->workload->name, setup->workload->what, setup->workers, setup->spread ? "true" : "false",
           setup->quick ? "true" : "false", result->repeat);
    if (setup->workload->uses_io) {
        printf(",\"io\":\"%s\"", setup->io != NULL ? setup->io : "auto");
    }
    printf(",\"ns\":");
    print_figures(&ns);
    printf(",\"peak_rss_bytes\":%llu,\"idle_rss_bytes\":%llu",
           (unsigned long long)peak_of(result->reps, result->repeat),
           (unsigned long long)result->idle_rss_bytes);
    printf(",\"floor\":{\"name\":\"%s\",\"ns\":", setup->workload->floor_name);
    print_figures(&floor);
    print_extras(result->floors, result->repeat);
    printf("},\"ratio\":%.3f", ns.median / floor.median);
    print_extras(result->reps, result->repeat);
    printf("}\n");
    fflush(stdout);
}

void report_head(void)
{
    printf("%-22s %-8s %11s %11s %11s %11s %7s %9s\n", "workload", "workers", "ns min", "median",
           "max", "floor", "ratio", "peak MiB");
}

void report_row(const struct result *result)
{
    const struct setup *setup = result->setup;
    struct figures ns = figures_of(result->reps, result->repeat, -1);
    struct figures floor = figures_of(result->floors, result->repeat, -1);
    char workers[32];

    snprintf(workers, sizeof(workers), "%u%s%s%s", setup->workers, setup->spread ? " spread" : "",
             setup->io != NULL ? " " : "", setup->io != NULL ? setup->io : "");
    printf("%-22s %-8s %11.1f %11.1f %11.1f %11.1f %7.2f %9.1f\n", setup->workload->name, workers,
           ns.min, ns.median, ns.max, floor.median, ns.median / floor.median,
           (double)peak_of(result->reps, result->repeat) / (1024.0 * 1024.0));
    for (uint32_t i = 0; i < result->reps[0].extras_len; i++) {
        struct figures figures = figures_of(result->reps, result->repeat, (int)i);
        const char *name = result->reps[0].extras[i].name;
        double beside = rep_extra_get(&result->floors[0], name, -1);
        printf("    %-28s ", name);
        print_value(figures.median);
        if (beside >= 0) {
            printf("   (floor ");
            print_value(beside);
            printf(")");
        }
        printf("\n");
    }
    fflush(stdout);
}
