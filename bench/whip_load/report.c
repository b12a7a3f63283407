/* What is read of the machine before and after, and the report of both: one JSON document on
 * standard output. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

/* ---- what the machine says ---- */

static void read_server(struct reading *ret)
{
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", options.server_pid);
    FILE *file = fopen(path, "r");
    if (file != NULL && fgets(line, sizeof(line), file) != NULL && strrchr(line, ')') != NULL &&
        sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) == 2) {
        ret->server_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    if (file != NULL) {
        fclose(file);
    }
    snprintf(path, sizeof(path), "/proc/%d/status", options.server_pid);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "VmRSS: %ld", &ret->server_kb);
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* Datagrams that some receiver of this machine had no room for. */
static double buffer_errors(void)
{
    char line[1024];
    double errors = 0;
    unsigned rows = 0;
    FILE *const file = fopen("/proc/net/snmp", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "Udp:", 4) == 0 && rows++ == 1) {
            sscanf(line, "Udp: %*f %*f %*f %*f %lf", &errors);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return errors;
}

struct reading take_reading(void)
{
    struct rusage own;
    struct reading ret = {
        .at = now_ns(), .published = publisher_counts.packets, .buffer_errors = buffer_errors()};
    getrusage(RUSAGE_SELF, &own);
    ret.own_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    if (options.server_pid != 0) {
        read_server(&ret);
    }
    return ret;
}

/* ---- the report ---- */

struct sums {
    unsigned up, flowing, connects_len, firsts_len;
    struct counts counts; /* while it was measured */
    uint64_t missing_before;
    uint64_t unauthentic;      /* ever */
    double *connects, *firsts; /* ms */
    double joined_ms,
        served_ms; /* from the first POST until the last was up, and had its first packet */
    const char *why;
};

static int compare_ms(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void add_counts(struct counts *sum, const struct counts *now, const struct counts *before)
{
    sum->packets += now->packets - before->packets;
    sum->bytes += now->bytes - before->bytes;
    sum->gaps += now->gaps - before->gaps;
    sum->lost += now->lost - before->lost;
    sum->missing += now->missing;
    sum->audio_lost += now->audio_lost - before->audio_lost;
    sum->repaired += now->repaired - before->repaired;
    sum->repeats += now->repeats - before->repeats;
    sum->duplicates += now->duplicates - before->duplicates;
    sum->nacks += now->nacks - before->nacks;
    sum->unauthentic += now->unauthentic - before->unauthentic;
    sum->reports += now->reports - before->reports;
}

static void add_times(struct sums *sums, const struct client *client, leat_time begun)
{
    if (client->up != 0) {
        const double ms = (double)(client->up - begun) / 1e6;
        sums->connects[sums->connects_len++] = (double)(client->up - client->posted) / 1e6;
        sums->joined_ms = ms > sums->joined_ms ? ms : sums->joined_ms;
    }
    if (client->first != 0) {
        const double ms = (double)(client->first - begun) / 1e6;
        sums->firsts[sums->firsts_len++] = (double)(client->first - client->posted) / 1e6;
        sums->served_ms = ms > sums->served_ms ? ms : sums->served_ms;
    }
}

static leat_time first_post(void)
{
    leat_time first = LEAT_NEVER;
    for (unsigned i = 0; i < options.viewers; i++) {
        const leat_time posted = viewers[i].client.posted;
        first = posted != 0 && posted < first ? posted : first;
    }
    return first;
}

static struct sums sum_up(void)
{
    struct sums sums = {.why = publisher.state == CLIENT_DEAD ? publisher.why : ""};
    const leat_time begun = first_post();
    sums.connects = calloc(options.viewers + 1, sizeof(double));
    sums.firsts = calloc(options.viewers + 1, sizeof(double));
    if (sums.connects == NULL || sums.firsts == NULL) {
        abort();
    }
    for (unsigned i = 0; i < options.viewers; i++) {
        const struct viewer *const one = &viewers[i];
        sums.up += one->client.state == CLIENT_UP;
        sums.flowing += one->counts.packets > one->before.packets;
        sums.unauthentic += one->counts.unauthentic;
        add_counts(&sums.counts, &one->counts, &one->before);
        add_times(&sums, &one->client, begun);
        sums.missing_before += one->before.missing;
        if (one->client.state == CLIENT_DEAD && sums.why[0] == '\0') {
            sums.why = one->client.why;
        }
    }
    qsort(sums.connects, sums.connects_len, sizeof(double), compare_ms);
    qsort(sums.firsts, sums.firsts_len, sizeof(double), compare_ms);
    return sums;
}

static double quantile(const double *values, unsigned len, double q)
{
    return len > 0 ? values[(unsigned)((len - 1) * q)] : 0;
}

static double latency_quantile(double q)
{
    uint64_t total = 0, sum = 0;
    for (size_t i = 0; i <= LATENCY_SLOTS; i++) {
        total += latency[i];
    }
    for (size_t i = 0; i <= LATENCY_SLOTS; i++) {
        sum += latency[i];
        if ((double)sum > (double)total * q) {
            return (double)i / 10;
        }
    }
    return 0;
}

static unsigned long long n(uint64_t count)
{
    return (unsigned long long)count;
}

static void print_times(const char *name, const double *values, unsigned len)
{
    printf(" \"%s\": {\"p50\": %.1f, \"p95\": %.1f, \"max\": %.1f},\n", name,
           quantile(values, len, 0.5), quantile(values, len, 0.95), quantile(values, len, 1));
}

static void print_counts(const struct sums *sums, double seconds)
{
    const struct counts *const counts = &sums->counts;
    printf(" \"packets\": %llu, \"bytes\": %llu, \"packets_per_second_and_viewer\": %.1f,\n"
           " \"missing_before\": %llu, \"gaps\": %llu, \"lost\": %llu, \"missing\": %llu, "
           "\"repaired\": %llu, \"repeats\": %llu, "
           "\"duplicates\": %llu,\n \"audio_lost\": %llu, \"nacks\": %llu, \"unauthentic\": %llu, "
           "\"sender_reports\": %llu,\n",
           n(counts->packets), n(counts->bytes),
           sums->up > 0 ? (double)counts->packets / seconds / sums->up : 0, n(sums->missing_before),
           n(counts->gaps), n(counts->lost), n(counts->missing), n(counts->repaired),
           n(counts->repeats), n(counts->duplicates), n(counts->audio_lost), n(counts->nacks),
           n(sums->unauthentic), n(counts->reports));
}

bool print_report(const struct reading *before, const struct reading *after)
{
    const struct sums sums = sum_up();
    const double seconds = (double)(after->at - before->at) / 1e9;
    const double server = after->server_s - before->server_s;
    const bool ok = sums.up == options.viewers && sums.flowing == options.viewers &&
                    sums.unauthentic == 0 && publisher.state != CLIENT_DEAD;
    printf("{\"ok\": %s, \"viewers\": %u, \"up\": %u, \"flowing\": %u, \"why\": \"",
           ok ? "true" : "false", options.viewers, sums.up, sums.flowing);
    for (const char *at = sums.why; *at != '\0'; at++) {
        putchar(*at == '"' || *at == '\\' || (unsigned char)*at < ' ' ? ' ' : *at);
    }
    printf("\", \"seconds\": %.2f, \"joined_ms\": %.1f, \"served_ms\": %.1f,\n", seconds,
           sums.joined_ms, sums.served_ms);
    print_times("connect_ms", sums.connects, sums.connects_len);
    print_times("first_packet_ms", sums.firsts, sums.firsts_len);
    print_counts(&sums, seconds);
    printf(" \"receive_buffer_errors\": %.0f,\n", after->buffer_errors - before->buffer_errors);
    printf(" \"latency_ms\": {\"p50\": %.1f, \"p95\": %.1f, \"p99\": %.1f, \"max\": %.1f},\n",
           latency_quantile(0.5), latency_quantile(0.95), latency_quantile(0.99), latency_max_ms);
    printf(" \"publisher\": {\"packets\": %llu, \"key_frames\": %llu, \"pli\": %llu, \"nacks\": "
           "%llu, \"repeats\": %llu, "
           "\"receiver_reports\": %llu, \"twcc\": %llu},\n",
           n(after->published - before->published), n(publisher_counts.key_frames),
           n(publisher_counts.pli), n(publisher_counts.nacks), n(publisher_counts.repeats),
           n(publisher_counts.reports), n(publisher_counts.twcc));
    printf(" \"load_cpu_percent\": %.1f, \"server_cpu_percent\": %.1f, \"server_us_per_packet\": "
           "%.2f, "
           "\"server_rss_kb\": %ld}\n",
           (after->own_s - before->own_s) / seconds * 100, server / seconds * 100,
           sums.counts.packets > 0 ? server * 1e6 / (double)sums.counts.packets : 0,
           after->server_kb);
    free(sums.connects);
    free(sums.firsts);
    return ok;
}
