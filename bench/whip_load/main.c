/* The course of a run: the publisher connects, viewers join one after the other, all settle, it is measured, all leave. The
 * report is one JSON document on standard output. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define TICK_NS (5 * LEAT_MS)
#define VIEWERS_MAX 20000u

struct options options = {
    .viewers = 1, .kbps = 1500, .fps = 30, .ramp_ms = 5, .warm_ms = 500, .decrypt = 20, .seconds = 10, .rtx = true};
leat_dtls_context *dtls_context;

static struct viewer *viewers;
static _Atomic bool posting_stop;

leat_time now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

/* ---- flags ---- */

static void usage(FILE *to)
{
    fputs("usage: whip_load --whip URL --whep URL [FLAG]...\n\n"
          "One publisher and many viewers for a WHIP and WHEP server; the report is JSON.\n\n"
          "  --whip URL       publish there, http://host:port/whip/name; without it only viewers come\n"
          "  --whep URL       watch there\n"
          "  --token TEXT     bearer token\n"
          "  --viewers N      [1]\n"
          "  --seconds N      measured [10], after --warm MS [500]\n"
          "  --ramp MS        between two viewers [5]\n"
          "  --kbps N         of video [1500], --fps N [30], --gop MS between key frames [when asked]\n"
          "  --decrypt N      one packet in N is decrypted for latency [20]; 0: none\n"
          "  --drop PERCENT   of what viewers receive is lost [0]\n"
          "  --no-rtx         repeats come on the stream itself\n"
          "  --gro            receive trains whole: less work here, and for a server on this machine\n"
          "  --sha1           AES_CM_128_HMAC_SHA1_80 instead of AES-GCM\n"
          "  --server-pid PID adds the server's CPU and memory to the report\n",
          to);
}

static void parse(int argc, char **argv)
{
    enum { WHIP = 1, WHEP, TOKEN, VIEWERS, SECONDS, RAMP, WARM, KBPS, FPS, GOP, DECRYPT, DROP, NO_RTX, GRO, SHA1, PID, HELP };
    static const struct option all[] = {
        {"whip", 1, NULL, WHIP}, {"whep", 1, NULL, WHEP}, {"token", 1, NULL, TOKEN}, {"viewers", 1, NULL, VIEWERS},
        {"seconds", 1, NULL, SECONDS}, {"ramp", 1, NULL, RAMP}, {"warm", 1, NULL, WARM}, {"kbps", 1, NULL, KBPS},
        {"fps", 1, NULL, FPS}, {"gop", 1, NULL, GOP}, {"decrypt", 1, NULL, DECRYPT}, {"drop", 1, NULL, DROP},
        {"no-rtx", 0, NULL, NO_RTX}, {"gro", 0, NULL, GRO}, {"sha1", 0, NULL, SHA1}, {"server-pid", 1, NULL, PID},
        {"help", 0, NULL, HELP}, {0}};
    unsigned *const numbers[] = {[VIEWERS] = &options.viewers, [SECONDS] = &options.seconds, [RAMP] = &options.ramp_ms,
                                 [WARM] = &options.warm_ms, [KBPS] = &options.kbps, [FPS] = &options.fps,
                                 [GOP] = &options.gop_ms, [DECRYPT] = &options.decrypt};
    for (int flag; (flag = getopt_long(argc, argv, "", all, NULL)) != -1;) {
        char *end = NULL;
        switch (flag) {
        case WHIP: options.whip = optarg; break;
        case WHEP: options.whep = optarg; break;
        case TOKEN: options.token = optarg; break;
        case NO_RTX: options.rtx = false; break;
        case GRO: options.gro = true; break;
        case SHA1: options.sha1 = true; break;
        case DROP: options.drop = strtod(optarg, &end); break;
        case PID: options.server_pid = (int)strtol(optarg, &end, 10); break;
        case HELP: usage(stdout); exit(0);
        case '?': usage(stderr); exit(2);
        default: *numbers[flag] = (unsigned)strtoul(optarg, &end, 10); break;
        }
        if (end != NULL && (*end != '\0' || optarg[0] == '-')) {
            fprintf(stderr, "whip_load: \"%s\" is no number\n", optarg);
            exit(2);
        }
    }
    if (optind != argc || (options.whip == NULL && options.whep == NULL) || options.fps == 0 || options.seconds == 0 ||
        options.viewers > VIEWERS_MAX) {
        usage(stderr);
        exit(2);
    }
    options.viewers = options.whep != NULL ? options.viewers : 0;
}

/* ---- joining ---- */

static void *post_main(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < options.viewers && !posting_stop; i++) {
        const struct timespec pause = {.tv_sec = options.ramp_ms / 1000, .tv_nsec = options.ramp_ms % 1000 * 1000000L};
        client_post(&viewers[i].client);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static bool publish(pthread_t *ret)
{
    if (options.whip == NULL) {
        return true;
    }
    publisher.publishes = true;
    client_post(&publisher);
    if (publisher.state == CLIENT_DEAD || pthread_create(ret, NULL, publisher_main, NULL) != 0) {
        return false;
    }
    const leat_time until = now_ns() + 12 * LEAT_SEC;
    while (publisher.state != CLIENT_UP && publisher.state != CLIENT_DEAD && now_ns() < until) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return publisher.state == CLIENT_UP;
}

/* ---- what the machine says ---- */

struct reading {
    leat_time at;
    double own_s, server_s, buffer_errors;
    long server_kb;
    uint64_t published;
};

static void read_server(struct reading *ret)
{
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", options.server_pid);
    FILE *file = fopen(path, "r");
    if (file != NULL && fgets(line, sizeof(line), file) != NULL && strrchr(line, ')') != NULL &&
        sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2) {
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

static struct reading take_reading(void)
{
    struct rusage own;
    struct reading ret = {.at = now_ns(), .published = publisher_counts.packets, .buffer_errors = buffer_errors()};
    getrusage(RUSAGE_SELF, &own);
    ret.own_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    if (options.server_pid != 0) {
        read_server(&ret);
    }
    return ret;
}

static uint64_t video_sum(const struct viewer *viewer, bool lost)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < viewer->streams_len; i++) {
        if (viewer->streams[i].type != RTP_RTX) {
            sum += lost ? viewer->streams[i].lost : viewer->streams[i].gaps;
        }
    }
    return sum;
}

static struct reading begin_measuring(void)
{
    for (unsigned i = 0; i < options.viewers; i++) {
        viewers[i].before_packets = viewers[i].packets;
        viewers[i].before_gaps = video_sum(&viewers[i], false);
        viewers[i].before_lost = video_sum(&viewers[i], true);
    }
    measuring = true;
    return take_reading();
}

/* ---- the loop ---- */

/* Ticks all viewers; whether each is up or has failed. */
static bool tick_all(int epoll)
{
    unsigned settled = 0;
    for (unsigned i = 0; i < options.viewers; i++) {
        struct viewer *const viewer = &viewers[i];
        const int state = viewer->client.state;
        if (state == CLIENT_NEW) {
            continue;
        }
        if (!viewer->watched && state != CLIENT_DEAD) {
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};
            epoll_ctl(epoll, EPOLL_CTL_ADD, viewer->client.fd, &event);
            viewer->watched = true;
        }
        viewer_tick(viewer, now_ns());
        settled += state == CLIENT_UP || state == CLIENT_DEAD;
    }
    return settled == options.viewers;
}

static void run(struct reading *ret_before, struct reading *ret_after)
{
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    leat_time next_tick = 0, settled = 0, end = LEAT_NEVER;
    while (now_ns() < end) {
        struct epoll_event events[256];
        const int len = epoll_wait(epoll, events, 256, 5);
        for (int i = 0; i < len; i++) {
            viewer_read(events[i].data.ptr);
        }
        const leat_time now = now_ns();
        if (now < next_tick) {
            continue;
        }
        next_tick = now + TICK_NS;
        if (tick_all(epoll) && settled == 0) {
            settled = now;
        }
        if (end == LEAT_NEVER && settled != 0 && now - settled >= options.warm_ms * LEAT_MS) {
            *ret_before = begin_measuring();
            end = now_ns() + options.seconds * LEAT_SEC;
        }
    }
    measuring = false;
    *ret_after = take_reading();
    close(epoll);
}

/* ---- the report ---- */

struct sums {
    unsigned up, flowing, connects_len, firsts_len;
    uint64_t packets, bytes, gaps, lost, repaired, repeats, duplicates, nacks, unauthentic, reports;
    double *connects, *firsts; /* ms */
    const char *why;
};

static int compare_ms(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct sums sum_up(void)
{
    struct sums sums = {.why = publisher.why};
    sums.connects = calloc(options.viewers + 1, sizeof(double));
    sums.firsts = calloc(options.viewers + 1, sizeof(double));
    for (unsigned i = 0; i < options.viewers; i++) {
        const struct viewer *const one = &viewers[i];
        const uint64_t packets = one->packets - one->before_packets;
        sums.up += one->client.state == CLIENT_UP;
        sums.flowing += packets > 0;
        sums.packets += packets;
        sums.bytes += one->bytes;
        sums.gaps += video_sum(one, false) - one->before_gaps;
        sums.lost += video_sum(one, true) - one->before_lost;
        sums.repaired += one->repaired;
        sums.repeats += one->repeats;
        sums.duplicates += one->duplicates;
        sums.nacks += one->nacks;
        sums.unauthentic += one->unauthentic;
        sums.reports += one->reports;
        if (one->client.up != 0) {
            sums.connects[sums.connects_len++] = (double)(one->client.up - one->client.posted) / 1e6;
        }
        if (one->client.first != 0) {
            sums.firsts[sums.firsts_len++] = (double)(one->client.first - one->client.posted) / 1e6;
        }
        if (one->client.why[0] != '\0' && sums.why[0] == '\0') {
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

static bool print_report(const struct reading *before, const struct reading *after)
{
    const struct sums sums = sum_up();
    const double seconds = (double)(after->at - before->at) / 1e9;
    const double packets = (double)sums.packets;
    const double server = after->server_s - before->server_s;
    const bool ok = sums.up == options.viewers && (options.whip == NULL || sums.flowing == options.viewers) &&
                    sums.unauthentic == 0 && publisher.state != CLIENT_DEAD;
    printf("{\"ok\": %s, \"viewers\": %u, \"up\": %u, \"flowing\": %u, \"why\": \"", ok ? "true" : "false", options.viewers,
           sums.up, sums.flowing);
    for (const char *at = sums.why; *at != '\0'; at++) {
        putchar(*at == '"' || *at == '\\' || (unsigned char)*at < ' ' ? ' ' : *at);
    }
    printf("\", \"seconds\": %.2f,\n \"connect_ms\": {\"p50\": %.1f, \"p95\": %.1f, \"max\": %.1f},\n"
           " \"first_packet_ms\": {\"p50\": %.1f, \"p95\": %.1f, \"max\": %.1f},\n",
           seconds, quantile(sums.connects, sums.connects_len, 0.5), quantile(sums.connects, sums.connects_len, 0.95),
           quantile(sums.connects, sums.connects_len, 1), quantile(sums.firsts, sums.firsts_len, 0.5),
           quantile(sums.firsts, sums.firsts_len, 0.95), quantile(sums.firsts, sums.firsts_len, 1));
    printf(" \"packets\": %.0f, \"packets_per_second_and_viewer\": %.1f, \"gaps\": %llu, \"lost\": %llu, \"repaired\": %llu,\n"
           " \"repeats\": %llu, \"duplicates\": %llu, \"nacks\": %llu, \"unauthentic\": %llu, \"sender_reports\": %llu,\n"
           " \"receive_buffer_errors\": %.0f,\n",
           packets, sums.up > 0 ? packets / seconds / sums.up : 0, (unsigned long long)sums.gaps,
           (unsigned long long)sums.lost, (unsigned long long)sums.repaired, (unsigned long long)sums.repeats,
           (unsigned long long)sums.duplicates, (unsigned long long)sums.nacks, (unsigned long long)sums.unauthentic,
           (unsigned long long)sums.reports, after->buffer_errors - before->buffer_errors);
    printf(" \"latency_ms\": {\"p50\": %.1f, \"p95\": %.1f, \"p99\": %.1f, \"max\": %.1f},\n", latency_quantile(0.5),
           latency_quantile(0.95), latency_quantile(0.99), latency_max_ms);
    printf(" \"publisher\": {\"packets\": %llu, \"key_frames\": %llu, \"pli\": %llu, \"nacks\": %llu, \"repeats\": %llu, "
           "\"receiver_reports\": %llu, \"twcc\": %llu},\n",
           (unsigned long long)(after->published - before->published), (unsigned long long)publisher_counts.key_frames,
           (unsigned long long)publisher_counts.pli, (unsigned long long)publisher_counts.nacks,
           (unsigned long long)publisher_counts.repeats, (unsigned long long)publisher_counts.reports,
           (unsigned long long)publisher_counts.twcc);
    printf(" \"load_cpu_percent\": %.1f, \"server_cpu_percent\": %.1f, \"server_us_per_packet\": %.2f, \"server_rss_kb\": %ld}\n",
           (after->own_s - before->own_s) / seconds * 100, server / seconds * 100,
           packets > 0 ? server * 1e6 / packets : 0, after->server_kb);
    free(sums.connects);
    free(sums.firsts);
    return ok;
}

static void leave(struct client *client)
{
    static struct http_answer answer;
    if (client->session[0] != '\0') {
        http_ask("DELETE", client->session, NULL, NULL, &answer);
    }
}

int main(int argc, char **argv)
{
    const struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
    pthread_t publishing, posting;
    struct reading before = {0}, after = {0};
    parse(argc, argv);
    setrlimit(RLIMIT_NOFILE, &files); /* a few hundred viewers do without */
    const struct leat_dtls_config config = {
        .unix_time = time(NULL),
        .srtp_profile = options.sha1 ? LEAT_DTLS_SRTP_AES128_CM_SHA1_80 : LEAT_DTLS_SRTP_AEAD_AES_128_GCM};
    viewers = calloc(options.viewers + 1, sizeof(*viewers));
    if (viewers == NULL || leat_dtls_context_open(&config, &dtls_context) != 0) {
        fprintf(stderr, "whip_load: no memory\n");
        return 1;
    }
    for (unsigned i = 0; i < options.viewers; i++) {
        viewers[i].random = i * 7919 + 1;
    }
    if (!publish(&publishing)) {
        printf("{\"ok\": false, \"why\": \"publisher: %s\"}\n", publisher.why);
        return 1;
    }
    if (pthread_create(&posting, NULL, post_main, NULL) != 0) {
        fprintf(stderr, "whip_load: no thread\n");
        return 1;
    }
    run(&before, &after);
    posting_stop = true;
    pthread_join(posting, NULL);
    const bool ok = print_report(&before, &after);
    for (unsigned i = 0; i < options.viewers; i++) {
        leave(&viewers[i].client);
        client_end(&viewers[i].client);
    }
    publisher_stop = true;
    if (options.whip != NULL) {
        pthread_join(publishing, NULL);
        leave(&publisher);
        client_end(&publisher);
    }
    leat_dtls_context_unref(dtls_context);
    free(viewers);
    return ok ? 0 : 1;
}
